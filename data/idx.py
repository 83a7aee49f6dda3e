"""IDX, the format in which MNIST is published: a big-endian header, then the bytes."""

import dataclasses
import re
import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt

from backprop_bench.data.cache import Arrays
from backprop_bench.data.dataset import Labels
from backprop_bench.data.errors import InputError
from backprop_bench.data.files import is_file, read_unpacked

_MAGIC = {"images": 2051, "labels": 2049}
_DIMENSIONS = {"images": 3, "labels": 1}
_TEST_NAMES = ("t10k", "test")
_NAME = re.compile(r"(?P<prefix>.*)(train|t10k|test)-(images|labels)[-.]idx[13]-ubyte(\.gz)?")


@dataclasses.dataclass(frozen=True)
class IdxFiles:
    """The four files of a dataset, each packed or not."""

    train_images: Path
    train_labels: Path
    test_images: Path
    test_labels: Path

    def all(self) -> tuple[Path, ...]:
        """Return the four paths."""
        return (self.train_images, self.train_labels, self.test_images, self.test_labels)


def parse_images(content: bytes, path: Path) -> npt.NDArray[np.uint8]:
    """Return the images [N, rows · columns] that the unpacked bytes of an IDX file hold.

    Parameters
    ----------
    content
        The unpacked bytes.
    path
        Where they are from, for messages.

    Raises
    ------
    InputError
        If the header or the number of bytes is wrong.
    """
    values, shape = _parse(content, path, "images")
    return values.reshape(shape[0], shape[1] * shape[2]).copy()


def parse_labels(content: bytes, path: Path) -> Labels:
    """Return the labels [N] that the unpacked bytes of an IDX file hold; see :func:`parse_images`."""
    values, _ = _parse(content, path, "labels")
    return values.astype(np.int64)


def read_idx(files: IdxFiles) -> Arrays:
    """Return the examples of the four files; raises `InputError` if one is bad or they do not belong together."""
    contents = {path: read_unpacked(path) for path in files.all()}
    return parse_idx(files, contents)


def parse_idx(files: IdxFiles, contents: dict[Path, bytes]) -> Arrays:
    """Return the examples in the unpacked bytes of the four files; see :func:`read_idx`."""
    x_train, y_train = _parse_pair(files.train_images, files.train_labels, contents)
    x_test, y_test = _parse_pair(files.test_images, files.test_labels, contents)
    return Arrays(x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)


def find_idx_files(folder: Path, prefix: str = "") -> IdxFiles:
    """Return the four files in a folder.

    Parameters
    ----------
    folder
        Where they lie, under their usual names: ``train-images-idx3-ubyte``, ``t10k-labels.idx1-ubyte.gz`` and so on.
    prefix
        What every name begins with, as ``emnist-letters-``.

    Raises
    ------
    InputError
        If one is missing.
    """
    paths: dict[str, Path] = {}
    for field in dataclasses.fields(IdxFiles):
        part, kind = field.name.split("_")
        names = _usual_names(part, kind)
        present = (folder / (prefix + name) for name in names if is_file(folder / (prefix + name)))
        path = next(present, None)
        if path is None:
            raise InputError(f"{folder}: there is no {part} {kind} file, expected {prefix}{names[0]} or {names[0]}.gz")
        paths[field.name] = path
    return IdxFiles(**paths)


def idx_prefix(path: Path) -> str | None:
    """Return what precedes ``train-images…`` in the name of an IDX file, or ``None`` if it is not named like one."""
    match = _NAME.fullmatch(path.name)
    return match["prefix"] if match else None


def _usual_names(part: str, kind: str) -> list[str]:
    parts = ("train",) if part == "train" else _TEST_NAMES
    return [
        f"{part}-{kind}{separator}idx{_DIMENSIONS[kind]}-ubyte{packing}"
        for part in parts
        for separator in "-."
        for packing in ("", ".gz")
    ]


def _parse_pair(images: Path, labels: Path, contents: dict[Path, bytes]) -> tuple[npt.NDArray[np.uint8], Labels]:
    x, y = parse_images(contents[images], images), parse_labels(contents[labels], labels)
    if len(x) != len(y):
        raise InputError(f"{labels}: holds {len(y)} labels, expected {len(x)}, one for each image of {images}")
    return x, y


def _parse(content: bytes, path: Path, kind: str) -> tuple[npt.NDArray[np.uint8], tuple[int, ...]]:
    """Check the header against the bytes that follow it; return them and their shape."""
    n_dimensions = _DIMENSIONS[kind]
    n_header = 4 * (1 + n_dimensions)
    if len(content) >= 4 and (magic := int.from_bytes(content[:4])) != _MAGIC[kind]:
        raise InputError(f"{path}: the magic number is {magic}, expected {_MAGIC[kind]}, that of IDX {kind}")
    if len(content) < n_header:
        raise InputError(f"{path}: has {len(content)} bytes, expected an IDX header of {n_header} bytes, then {kind}")
    _, *shape = struct.unpack_from(f">{1 + n_dimensions}I", content)
    expected = int(np.prod(shape, dtype=object))
    if expected == 0:
        sizes = " × ".join(map(str, shape))
        raise InputError(f"{path}: the header says {sizes} {kind}, expected at least one of at least one byte")
    if len(content) != n_header + expected:
        raise InputError(
            f"{path}: has {len(content)} bytes, expected {n_header + expected}, "
            f"a header of {n_header} and the {' × '.join(map(str, shape))} bytes that it announces"
        )
    return np.frombuffer(content, np.uint8, offset=n_header), tuple(shape)
