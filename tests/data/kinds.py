"""Files as people have them: each kind makes a small one, and says whether it is read or refused.

All of them hold the same 60 examples, of 4 × 4 pixels and three classes, as far as their format allows it.
docs/data.md lists what `load_dataset` says of each.
"""

import bz2
import functools
import gzip
import io
import json
import lzma
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

N_TRAIN, N_TEST, SIDE = 45, 15, 4
_RNG = np.random.default_rng(7)
X = _RNG.integers(0, 256, (N_TRAIN + N_TEST, SIDE, SIDE), np.uint8)
X[0, 0, :2] = 0, 255
Y = _RNG.permutation(np.arange(N_TRAIN + N_TEST) % 3).astype(np.uint8)
WORDS = ("cat", "dog", "owl")

Rows = list[list[Any]]


@dataclass(frozen=True)
class Kind:
    """One way in which people have data.

    Attributes
    ----------
    group, name
        What it is.
    make
        Writes it into a folder; returns what is given to ``load_dataset``, relative to the folder.
    scale
        What the inputs are in units of the pixels.
    words
        Whether the classes are words.
    refused
        What the refusal says, where it is refused.
    """

    group: str
    name: str
    make: Callable[[Path], str]
    scale: float = 1.0
    words: bool = False
    refused: str = ""


def rows(part: slice = slice(None)) -> Rows:
    return [[int(y), *map(int, x.ravel())] for x, y in zip(X[part], Y[part], strict=True)]


def text(table: Rows, delimiter: str = ",", end: str = "\n") -> str:
    return "".join(delimiter.join(map(str, row)) + end for row in table)


TRAIN, TEST = slice(0, N_TRAIN), slice(N_TRAIN, None)
PIXELS = [f"pixel{number}" for number in range(SIDE * SIDE)]
HEADER: list[Any] = ["label", *PIXELS]


def write_all(folder: Path, contents: Mapping[str, Callable[[], str | bytes]]) -> None:
    """Write files, with the folders above them."""
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        value = content()
        path.write_bytes(value if isinstance(value, bytes) else value.encode())


def file(name: str, content: Callable[[], str | bytes]) -> Callable[[Path], str]:
    """Return what writes one file."""
    return files({name: content}, name)


def files(contents: Mapping[str, Callable[[], str | bytes]], loaded: str) -> Callable[[Path], str]:
    """Return what writes several files; ``loaded`` is what is loaded."""

    def make(folder: Path) -> str:
        write_all(folder, contents)
        return loaded

    return make


def idx(values: npt.NDArray[Any], code: int = 8) -> bytes:
    types = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
    return (
        struct.pack(f">2B2B{values.ndim}I", 0, 0, code, values.ndim, *values.shape)
        + values.astype(types[code]).tobytes()
    )


def four(
    pattern: str = "{part}-{kind}-idx{n}-ubyte", packed: Callable[[bytes], bytes] = bytes, **images: Any
) -> dict[str, Any]:
    """Return the four files of IDX, named by a pattern."""
    contents: dict[str, Any] = {}
    for part, selected in (("train", TRAIN), ("t10k", TEST)):
        values = images.get("values", X)[selected]
        for kind, content in (("images", idx(values, images.get("code", 8))), ("labels", idx(Y[selected]))):
            n = values.ndim if kind == "images" else 1
            contents[pattern.format(part=part, kind=kind, n=n)] = lambda content=content: packed(content)
    return contents


def npz(**arrays: npt.NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)  # type: ignore[arg-type]
    return stream.getvalue()


def npy(values: npt.NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values)
    return stream.getvalue()


def mat(**arrays: Any) -> bytes:
    from scipy.io import savemat

    stream = io.BytesIO()
    savemat(stream, arrays)  # type: ignore[arg-type]
    return stream.getvalue()


def parquet(columns: dict[str, Any], metadata: dict[str, Any] | None = None) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet

    table = pa.table(columns)
    if metadata is not None:
        table = table.replace_schema_metadata({"huggingface": json.dumps(metadata)})
    stream = io.BytesIO()
    pyarrow.parquet.write_table(table, stream)
    return stream.getvalue()


def hugging_face(part: slice) -> bytes:
    images = [{"bytes": png(x), "path": None} for x in X[part]]
    names = {"info": {"features": {"label": {"names": list(WORDS), "_type": "ClassLabel"}}}}
    return parquet({"image": images, "label": Y[part].astype(np.int64)}, names)


def png(x: npt.NDArray[Any], mode: str | None = None, form: str = "PNG") -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    image = Image.fromarray(x)
    (image.convert(mode) if mode else image).save(stream, form)
    return stream.getvalue()


def by_class(where: str = "{part}/{label}", mode: str | None = None) -> dict[str, Any]:
    """Return a PNG for each example in the folder of its class."""
    contents = {}
    for number, (x, y) in enumerate(zip(X, Y, strict=True)):
        folder = where.format(part="training" if number < N_TRAIN else "testing", label=WORDS[y])
        contents[f"{folder}/{number}.png"] = lambda x=x: png(x, mode)
    return contents


def zipped(contents: dict[str, Any]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content())
    return stream.getvalue()


def tarred(contents: dict[str, Any]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in contents.items():
            value = content() if isinstance(content(), bytes) else content().encode()
            info = tarfile.TarInfo(name)
            info.size = len(value)
            archive.addfile(info, io.BytesIO(value))
    return stream.getvalue()


def with_header(*, index: Sequence[Any] | None = None, header: list[Any] | None = None) -> Rows:
    table = [header or HEADER, *rows()]
    return table if index is None else [[first, *row] for first, row in zip(["", *index], table, strict=True)]


def last(table: Rows) -> Rows:
    return [[*row[1:], row[0]] for row in table]


def words(table: Rows) -> Rows:
    return [[WORDS[row[0]], *row[1:]] for row in table]


def one_hot(table: Rows) -> Rows:
    return [[*row[1:], *(int(row[0] == number) for number in range(3))] for row in table]


def shares(table: Rows) -> Rows:
    return [[row[0], *(value / 255 for value in row[1:])] for row in table]


def arff(kind: str = "{0,1,2}", table: Rows | None = None) -> str:
    attributes = "".join(f"@ATTRIBUTE {name} REAL\n" for name in PIXELS)
    return f"% made up\n@RELATION digits\n\n{attributes}@ATTRIBUTE class {kind}\n\n@DATA\n" + text(
        table or last(rows())
    )


def svmlight() -> str:
    def line(row: list[Any]) -> str:
        return f"{row[0] + 1} " + " ".join(f"{number}:{value}" for number, value in enumerate(row[1:], 1) if value)

    return "".join(line(row) + "\n" for row in rows())


def keras() -> bytes:
    return npz(x_train=X[TRAIN], y_train=Y[TRAIN], x_test=X[TEST], y_test=Y[TEST])


def sideways(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return values.swapaxes(1, 2)


def coloured() -> npt.NDArray[Any]:
    return np.repeat(X[..., None], 3, axis=3)


def pair(train: str, test: str) -> dict[str, Any]:
    return {"train.csv": lambda: train, "test.csv": lambda: test}


def qmnist() -> dict[str, Any]:
    more = np.zeros((60, 8), np.int32)
    more[:, 0] = Y
    return {
        "qmnist-train-images-idx3-ubyte.gz": lambda: gzip.compress(idx(X[TRAIN])),
        "qmnist-train-labels-idx2-int.gz": lambda: gzip.compress(idx(more[TRAIN], 12)),
        "qmnist-test-images-idx3-ubyte.gz": lambda: gzip.compress(idx(X[TEST])),
        "qmnist-test-labels-idx2-int.gz": lambda: gzip.compress(idx(more[TEST], 12)),
    }


def folder_per_file() -> dict[str, Any]:
    return {f"{name}/{name}": content for name, content in four("{part}-{kind}.idx{n}-ubyte").items()}


def mnist_all() -> bytes:
    arrays = {}
    for part, selected in (("train", TRAIN), ("test", TEST)):
        for label in range(3):
            arrays[f"{part}{label}"] = X[selected][Y[selected] == label].reshape(-1, SIDE * SIDE)
    return mat(**arrays)


def emnist_mat() -> bytes:
    def part(selected: slice) -> dict[str, Any]:
        flat = sideways(X[selected]).reshape(-1, SIDE * SIDE)
        return {"images": flat, "labels": Y[selected][:, None], "writers": np.arange(len(flat))[:, None]}

    mapping = np.array([[0, 48], [1, 49], [2, 50]])
    return mat(dataset={"train": part(TRAIN), "test": part(TEST), "mapping": mapping})


def sorted_rows() -> Rows:
    return sorted(rows(), key=lambda row: int(row[0]))


IDX_KINDS = [
    Kind("IDX", "MNIST's four files", files(four(), ".")),
    Kind("IDX", "the four files packed by gzip", files(four("{part}-{kind}-idx{n}-ubyte.gz", gzip.compress), ".")),
    Kind("IDX", "packed, but not named so", files(four(packed=gzip.compress), ".")),
    Kind("IDX", "named `.gz`, but not packed", files(four("{part}-{kind}-idx{n}-ubyte.gz"), ".")),
    Kind("IDX", "a dot in the names", files(four("{part}-{kind}.idx{n}-ubyte"), ".")),
    Kind("IDX", "one file of the four is given", files(four(), "train-labels-idx1-ubyte")),
    Kind("IDX", "a folder for each file, as Kaggle has it", files(folder_per_file(), ".")),
    Kind("IDX", "the root of torchvision", files(four("MNIST/raw/{part}-{kind}-idx{n}-ubyte"), ".")),
    Kind(
        "IDX",
        "the root of torchvision, packed and unpacked",
        files(
            four("MNIST/raw/{part}-{kind}-idx{n}-ubyte")
            | four("MNIST/raw/{part}-{kind}-idx{n}-ubyte.gz", gzip.compress),
            ".",
        ),
    ),
    Kind("IDX", "QMNIST: labels of eight columns", files(qmnist(), ".")),
    Kind(
        "IDX",
        "EMNIST: images lie on their side",
        files(four("emnist-letters-{part}-{kind}-idx{n}-ubyte", values=sideways(X)), "."),
    ),
    Kind("IDX", "floating-point numbers", files(four(values=X / 255, code=13), "."), scale=1 / 255),
    Kind("IDX", "colour: rows, columns, 3", files(four(values=coloured()), ".")),
    Kind(
        "IDX",
        "two data sets in one folder",
        files(four("MNIST/raw/{part}-{kind}-idx{n}-ubyte") | four("FashionMNIST/raw/{part}-{kind}-idx{n}-ubyte"), "."),
        refused="holds 2 data sets",
    ),
    Kind(
        "IDX",
        "no file of labels",
        files({"train-images-idx3-ubyte": lambda: idx(X)}, "."),
        refused="has inputs but no labels",
    ),
    Kind(
        "IDX",
        "cut off",
        files({**four(), "train-images-idx3-ubyte": lambda: idx(X[TRAIN])[:-1]}, "."),
        refused="bytes, expected",
    ),
]

NAMED = with_header()
CSV_KINDS = [
    Kind("CSV", "label first, no names", file("a.csv", lambda: text(rows()))),
    Kind("CSV", "label last, no names", file("a.csv", lambda: text(last(rows())))),
    Kind("CSV", "label first, by name", file("a.csv", lambda: text(NAMED))),
    Kind("CSV", "label in the middle, by name", file("a.csv", lambda: text([[*r[1:5], r[0], *r[5:]] for r in NAMED]))),
    Kind("CSV", "labels as words", file("a.csv", lambda: text(words(rows()))), words=True),
    Kind(
        "CSV",
        "labels as words, last, any name",
        file("a.csv", lambda: text(last([["what", *PIXELS], *words(rows())]))),
        words=True,
    ),
    Kind("CSV", "labels one-hot, last", file("a.csv", lambda: text(one_hot(rows())))),
    Kind(
        "CSV",
        "labels one-hot, by name",
        file("a.csv", lambda: text([[*PIXELS, "label_cat", "label_dog", "label_owl"], *one_hot(rows())])),
    ),
    Kind("CSV", "columns named 0, 1, 2, …", file("a.csv", lambda: text([list(range(17)), *rows()]))),
    Kind("CSV", "label, then 0, 1, 2, …", file("a.csv", lambda: text([["label", *range(16)], *rows()]))),
    Kind(
        "CSV",
        "label, then 1x1, 1x2, …",
        file("a.csv", lambda: text([["label", *(f"{r}x{c}" for r in range(1, 5) for c in range(1, 5))], *rows()])),
    ),
    Kind("CSV", "an index column of pandas", file("a.csv", lambda: text(with_header(index=range(60))))),
    Kind(
        "CSV",
        "a shuffled index column of pandas",
        file("a.csv", lambda: text(with_header(index=[*_RNG.permutation(60)]))),
    ),
    Kind(
        "CSV",
        "an index column without a name for it, of R",
        file("a.csv", lambda: text([HEADER, *([n, *r] for n, r in enumerate(rows(), 1))])),
    ),
    Kind("CSV", "an index and no names", file("a.csv", lambda: text([[n, *r] for n, r in enumerate(rows())]))),
    Kind("CSV", "semicolons", file("a.csv", lambda: text(NAMED, ";"))),
    Kind(
        "CSV",
        "semicolons and decimal commas",
        file("a.csv", lambda: text(shares(rows()), ";").replace(".", ",")),
        scale=1 / 255,
    ),
    Kind("CSV", "tabs", file("a.tsv", lambda: text(rows(), "\t"))),
    Kind("CSV", "bars", file("a.csv", lambda: text(rows(), "|"))),
    Kind("CSV", "blanks, one at the end of each line", file("a.data", lambda: text(last(rows()), " ", " \n"))),
    Kind(
        "CSV",
        "blanks, in columns of one width",
        file("a.txt", lambda: "".join(" ".join(f"{v:6d}" for v in r) + "\n" for r in rows())),
    ),
    Kind("CSV", "a comma at the end of each line", file("a.csv", lambda: text(rows(), end=",\n"))),
    Kind("CSV", "commas and blanks", file("a.csv", lambda: text(rows(), ", "))),
    Kind("CSV", "a byte order mark", file("a.csv", lambda: "\ufeff" + text(NAMED))),
    Kind("CSV", "line ends of Windows", file("a.csv", lambda: text(NAMED, end="\r\n"))),
    Kind("CSV", "line ends of an old Mac", file("a.csv", lambda: text(NAMED, end="\r"))),
    Kind(
        "CSV",
        "everything in quotes",
        file("a.csv", lambda: "".join('"' + '","'.join(map(str, r)) + '"\n' for r in NAMED)),
    ),
    Kind("CSV", "UTF-16, as Excel writes it", file("a.csv", lambda: text(NAMED, "\t").encode("utf-16"))),
    Kind("CSV", "UTF-16 without a byte order mark", file("a.csv", lambda: text(NAMED).encode("utf-16-le"))),
    Kind("CSV", "`sep=;` in the first line", file("a.csv", lambda: "sep=;\n" + text(NAMED, ";"))),
    Kind("CSV", "lines of `#` before the rows", file("a.csv", lambda: "# made up\n# twice\n" + text(rows()))),
    Kind("CSV", "blank lines", file("a.csv", lambda: "\n\n" + text(NAMED).replace("\n", "\n\n"))),
    Kind(
        "CSV",
        "floats, as `np.savetxt` writes them",
        file("a.csv", lambda: text([[f"{v:.18e}" for v in r] for r in rows()])),
    ),
    Kind("CSV", "values from 0 to 1", file("a.csv", lambda: text(shares(rows()))), scale=1 / 255),
    Kind(
        "CSV",
        "values from 0 to 15",
        file("a.csv", lambda: text([HEADER, *([r[0], *(v // 17 for v in r[1:])] for r in rows())])),
        scale=-15,
    ),
    Kind("CSV", "packed by gzip", file("a.csv.gz", lambda: gzip.compress(text(NAMED).encode()))),
    Kind("CSV", "packed by bzip2", file("a.csv.bz2", lambda: bz2.compress(text(NAMED).encode()))),
    Kind("CSV", "packed by xz", file("a.csv.xz", lambda: lzma.compress(text(NAMED).encode()))),
    Kind("CSV", "in a zip archive", file("a.zip", lambda: zipped({"a.csv": lambda: text(NAMED)}))),
    Kind("CSV", "sorted by label", file("a.csv", lambda: text(sorted_rows()))),
    Kind("CSV", "training and test", files(pair(text(rows(TRAIN)), text(rows(TEST))), "train.csv,test.csv")),
    Kind("CSV", "a folder with train.csv and test.csv", files(pair(text(rows(TRAIN)), text(rows(TEST))), ".")),
    Kind(
        "CSV",
        "Kaggle's pair, whose test has no labels",
        files(pair(text(NAMED), text([PIXELS, *(r[1:] for r in rows(TEST))])), "train.csv,test.csv"),
    ),
    Kind(
        "CSV",
        "Kaggle's zip: train, test, sample_submission",
        file(
            "digit-recognizer.zip",
            lambda: zipped(
                {
                    "train.csv": lambda: text(NAMED),
                    "test.csv": lambda: text([PIXELS, *(r[1:] for r in rows(TEST))]),
                    "sample_submission.csv": lambda: "ImageId,Label\n1,0\n2,0\n",
                }
            ),
        ),
    ),
    Kind(
        "CSV",
        "first and last column are different labels",
        file("a.csv", lambda: text([[*r, (r[0] + r[1]) % 3] for r in rows()])),
        refused="both the first and the last column look like labels",
    ),
    Kind(
        "CSV",
        "two columns of words",
        file("a.csv", lambda: text([[*r, "ab"[n % 2]] for n, r in enumerate(words(rows()))])),
        refused="have words",
    ),
    Kind(
        "CSV",
        "a cell that is no number",
        file("a.csv", lambda: text(NAMED) + "1," + "x," * 15 + "0\n"),
        refused="line 62, column 2 (pixel0) is 'x', expected a number",
    ),
    Kind(
        "CSV",
        "an empty cell",
        file("a.csv", lambda: text(rows()) + "1," + "3," * 14 + ",0\n"),
        refused="line 61, column 16 is empty",
    ),
    Kind(
        "CSV",
        "a missing cell",
        file("a.csv", lambda: text(rows()) + "1,2,3\n"),
        refused="line 61 has 3 columns, expected 17",
    ),
    Kind(
        "CSV",
        "all labels the same",
        file("a.csv", lambda: text([["label", *PIXELS], *([7, *r[1:]] for r in rows())])),
        refused="all 60 training labels are 7",
    ),
    Kind(
        "CSV",
        "labels that are all different",
        file("a.csv", lambda: text([["label", *PIXELS], *([n * 3, *r[1:]] for n, r in enumerate(rows()))])),
        refused="60 of 60 labels are different",
    ),
    Kind(
        "CSV",
        "inputs only",
        file("a.csv", lambda: text([PIXELS, *(r[1:] for r in rows())])),
        refused="has inputs but no labels",
    ),
    Kind("CSV", "a header only", file("a.csv", lambda: text([HEADER])), refused="has a header only"),
    Kind(
        "CSV",
        "text that is no UTF-8",
        file("a.csv", lambda: text([["lábel", *PIXELS], *rows()]).encode("latin-1")),
        refused="line 1 has the byte 0xe1, expected UTF-8 text",
    ),
]

FLAT = X.reshape(len(X), -1)
KMNIST = {
    "kmnist-train-imgs.npz": lambda: npz(arr_0=X[TRAIN]),
    "kmnist-train-labels.npz": lambda: npz(arr_0=Y[TRAIN]),
    "kmnist-test-imgs.npz": lambda: npz(arr_0=X[TEST]),
    "kmnist-test-labels.npz": lambda: npz(arr_0=Y[TEST]),
}
SEPARATE = {
    "x_train.npy": lambda: npy(X[TRAIN]),
    "y_train.npy": lambda: npy(Y[TRAIN]),
    "x_test.npy": lambda: npy(X[TEST]),
    "y_test.npy": lambda: npy(Y[TEST]),
}
PARTS = {"train": TRAIN, "test": TEST}
ARRAY_KINDS = [
    Kind("NumPy and MATLAB", "`.npz` of Keras", file("mnist.npz", keras)),
    Kind(
        "NumPy and MATLAB",
        "`.npz`: trainX, trainY, …",
        file("a.npz", lambda: npz(trainX=X[TRAIN], trainY=Y[TRAIN], testX=X[TEST], testY=Y[TEST])),
    ),
    Kind(
        "NumPy and MATLAB",
        "`.npz` of MedMNIST, with validation examples",
        file(
            "a.npz",
            lambda: npz(
                **{f"{p}_images": X[c] for p, c in PARTS.items()},
                **{f"{p}_labels": Y[c][:, None] for p, c in PARTS.items()},
                val_images=X[:5],
                val_labels=Y[:5, None],
            ),
        ),
    ),
    Kind("NumPy and MATLAB", "`.npz`: data and target", file("a.npz", lambda: npz(data=FLAT, target=Y))),
    Kind("NumPy and MATLAB", "`.npz`: one-hot labels", file("a.npz", lambda: npz(x=X, y=np.eye(3)[Y]))),
    Kind("NumPy and MATLAB", "`.npz`: arr_0 and arr_1", file("a.npz", lambda: npz(arr_0=X, arr_1=Y))),
    Kind(
        "NumPy and MATLAB", "`.npz`: channels first, as PyTorch has them", file("a.npz", lambda: npz(x=X[:, None], y=Y))
    ),
    Kind("NumPy and MATLAB", "`.npz`: colour, all three the same", file("a.npz", lambda: npz(x=coloured(), y=Y))),
    Kind("NumPy and MATLAB", "`.npz` of KMNIST, four files", files(KMNIST, ".")),
    Kind("NumPy and MATLAB", "`.npz` of KMNIST, one of them given", files(KMNIST, "kmnist-test-imgs.npz")),
    Kind("NumPy and MATLAB", "`.npy`, four files", files(SEPARATE, ".")),
    Kind("NumPy and MATLAB", "`.npy`, one of them given", files(SEPARATE, "x_train.npy")),
    Kind(
        "NumPy and MATLAB",
        "`.mat` of OpenML and mldata: columns are examples",
        file("a.mat", lambda: mat(data=FLAT.T, label=Y[None].astype(float))),
    ),
    Kind(
        "NumPy and MATLAB",
        "`.mat` of SVHN: examples last, in colour",
        files(
            {
                "train_4x4.mat": lambda: mat(X=np.moveaxis(coloured()[TRAIN], 0, 3), y=Y[TRAIN][:, None]),
                "test_4x4.mat": lambda: mat(X=np.moveaxis(coloured()[TEST], 0, 3), y=Y[TEST][:, None]),
            },
            "train_4x4.mat,test_4x4.mat",
        ),
    ),
    Kind(
        "NumPy and MATLAB",
        "`.mat` of EMNIST: a structure, images on their side",
        file("emnist-letters.mat", emnist_mat),
    ),
    Kind("NumPy and MATLAB", "`mnist_all.mat`: train0, train1, …", file("mnist_all.mat", mnist_all)),
    Kind(
        "NumPy and MATLAB",
        "`.npz` with Python objects",
        file("a.npz", lambda: npz(x=np.array([{}, 1], object), y=Y)),
        refused="holds Python objects, a pickle",
    ),
    Kind(
        "NumPy and MATLAB",
        "`.npz`: inputs and labels of different number",
        file("a.npz", lambda: npz(x=X, y=Y[:-1])),
        refused="holds 59 labels, expected 60",
    ),
    Kind("NumPy and MATLAB", "`.npz`, cut off", file("a.npz", lambda: keras()[:300]), refused="cut off"),
    Kind("NumPy and MATLAB", "`.npz`: no labels", file("a.npz", lambda: npz(x=X)), refused="has inputs but no labels"),
    Kind(
        "NumPy and MATLAB",
        "`.npz`: 2 channels",
        file("a.npz", lambda: npz(x=np.stack([X, X[::-1]], axis=3), y=Y)),
        refused="has 2 channels",
    ),
    Kind(
        "NumPy and MATLAB",
        "`.mat` of MATLAB 7.3",
        file("a.mat", lambda: b"MATLAB 7.3 MAT-file" + bytes(200)),
        refused="save it in MATLAB with -v7",
    ),
]

COLUMNS: dict[str, Any] = {"label": Y, **{name: X.reshape(60, -1)[:, number] for number, name in enumerate(PIXELS)}}
OTHER_KINDS = [
    Kind(
        "Parquet, ARFF, LIBSVM",
        "Parquet of Hugging Face, with names of classes",
        files(
            {
                "data/train-00000-of-00001.parquet": lambda: hugging_face(TRAIN),
                "data/test-00000-of-00001.parquet": lambda: hugging_face(TEST),
            },
            ".",
        ),
        words=True,
    ),
    Kind(
        "Parquet, ARFF, LIBSVM",
        "the same by a pattern",
        files(
            {
                "train-0.parquet": lambda: hugging_face(slice(0, 20)),
                "train-1.parquet": lambda: hugging_face(slice(20, N_TRAIN)),
                "test-0.parquet": lambda: hugging_face(TEST),
            },
            "*.parquet",
        ),
        words=True,
    ),
    Kind("Parquet, ARFF, LIBSVM", "Parquet, a column a pixel", file("a.parquet", lambda: parquet(COLUMNS))),
    Kind(
        "Parquet, ARFF, LIBSVM",
        "Parquet, images as lists",
        file("a.parquet", lambda: parquet({"image": X.tolist(), "label": Y})),
    ),
    Kind(
        "Parquet, ARFF, LIBSVM",
        "Parquet with an empty cell",
        file("a.parquet", lambda: parquet({**COLUMNS, "pixel3": [None, *X.reshape(60, -1)[1:, 3].tolist()]})),
        refused="row 1, column 'pixel3' is empty",
    ),
    Kind("Parquet, ARFF, LIBSVM", "ARFF of OpenML", file("mnist_784.arff", arff)),
    Kind(
        "Parquet, ARFF, LIBSVM",
        "ARFF, classes as words",
        file("a.arff", lambda: arff("{cat,dog,owl}", last(words(rows())))),
        words=True,
    ),
    Kind(
        "Parquet, ARFF, LIBSVM",
        "ARFF, sparse",
        file("a.arff", lambda: arff(table=[["{0 3", "16 1}"]])),
        refused="has sparse rows",
    ),
    Kind("Parquet, ARFF, LIBSVM", "LIBSVM", file("usps.data", svmlight)),
    Kind("Images by class", "PNG, training and testing", files(by_class(), "."), words=True),
    Kind("Images by class", "PNG, not divided", files(by_class("{label}"), "."), words=True),
    Kind("Images by class", "PNG in colour, all three the same", files(by_class("{label}", "RGB"), "."), words=True),
    Kind("Images by class", "PNG with an opacity", files(by_class("{label}", "LA"), "."), words=True),
    Kind(
        "Images by class",
        "in a tar archive",
        file("mnist_png.tar.gz", lambda: tarred({f"mnist_png/{n}": c for n, c in by_class().items()})),
        words=True,
    ),
    Kind(
        "Images by class",
        "two sizes",
        files({**by_class("{label}"), "cat/zz.png": lambda: png(X[0][:2])}, "."),
        refused="is an image of 2 × 4, expected 4 × 4",
    ),
    Kind(
        "Images by class",
        "a damaged image",
        files({**by_class("{label}"), "owl/zz.png": lambda: png(X[0])[:40]}, "."),
        refused="is no image that can be decoded",
    ),
    Kind(
        "Images by class",
        "no folder of a class",
        files({f"{number}.png": functools.partial(png, x) for number, x in enumerate(X)}, "."),
        refused="is an image in no folder of a class",
    ),
    Kind(
        "Anything else",
        "a pickle",
        file("mnist.pkl", lambda: pickle.dumps([1, 2])),
        refused="is a pickle, which can run any code",
    ),
    Kind(
        "Anything else",
        "a packed pickle, as in Nielsen's book",
        file("mnist.pkl.gz", lambda: gzip.compress(pickle.dumps([1, 2], 2))),
        refused="numpy.savez('data.npz'",
    ),
    Kind(
        "Anything else",
        "a file of `torch.save`",
        file(
            "training.pt",
            lambda: zipped({"archive/data.pkl": lambda: b"\x80\x02.", "archive/version": lambda: b"3"}),
        ),
        refused="is a file of torch.save",
    ),
    Kind(
        "Anything else",
        "HDF5",
        file("usps.h5", lambda: b"\x89HDF\r\n\x1a\n" + bytes(100)),
        refused="convert it with h5py",
    ),
    Kind(
        "Anything else",
        "a spreadsheet",
        file("a.xlsx", lambda: zipped({"[Content_Types].xml": lambda: b"<xml/>", "xl/workbook.xml": lambda: b""})),
        refused="save it as CSV",
    ),
    Kind("Anything else", "JSON", file("a.json", lambda: json.dumps([{"label": 1}])), refused="is JSON"),
    Kind(
        "Anything else",
        "a web page saved as a file",
        file("train.csv", lambda: "<!DOCTYPE html>\n<html><head><title>Sign in</title>"),
        refused="is a web page",
    ),
    Kind(
        "Anything else",
        "a pointer of Git LFS",
        file("train.csv", lambda: "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"),
        refused="git lfs pull",
    ),
    Kind(
        "Anything else",
        "a packed file that is cut off",
        file("a.csv.gz", lambda: gzip.compress(text(rows()).encode())[:-40]),
        refused="ends too early",
    ),
    Kind(
        "Anything else",
        "a zip archive that is cut off",
        file("a.zip", lambda: zipped({"a.csv": lambda: text(rows())})[:-30]),
        refused="cut off",
    ),
    Kind(
        "Anything else",
        "named `.gz`, but something else",
        file("a.csv.gz", lambda: bytes(range(1, 200)) * 9),
        refused="its name says gzip",
    ),
    Kind(
        "Anything else", "packed by zstd", file("a.csv.zst", lambda: b"\x28\xb5\x2f\xfd" + bytes(50)), refused="zstd -d"
    ),
    Kind("Anything else", "an empty file", file("a.csv", lambda: b""), refused="is empty"),
    Kind(
        "Anything else",
        "bytes of nothing known",
        file("a.bin", lambda: bytes(range(7, 250)) * 5),
        refused="which is no format that is read",
    ),
    Kind(
        "Anything else",
        "more than 999 classes",
        file("a.csv", lambda: text([["label", "a", "b"], *([n % 1200, n % 7, n % 11] for n in range(2500))])),
        refused="has 1,200 classes, expected at most 999",
    ),
]

KINDS = [*IDX_KINDS, *CSV_KINDS, *ARRAY_KINDS, *OTHER_KINDS]
