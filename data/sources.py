"""The named datasets: where they come from, and the checksums that they must have."""

import contextlib
import dataclasses
import importlib.util
import io
import os
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from backprop_bench.data.cache import Arrays, cache_folder, cached
from backprop_bench.data.download import download, why_not
from backprop_bench.data.errors import InputError
from backprop_bench.data.files import is_file, read_unpacked

MNIST_FOLDER = Path(__file__).parent / "mnist"
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")


@dataclasses.dataclass(frozen=True)
class Published:
    """A dataset that is known by name.

    Attributes
    ----------
    description
        What it is, for people.
    files
        Names of its files, as they are published, and their checksums.
    url
        Folder that they are downloaded from; empty where a package has them.
    source
        Who says what the checksums are.
    algorithm
        What the checksums are: of the unpacked bytes, which are the same however they are packed, or of the file.
    unpacked
        Whether they are of the unpacked bytes.
    member
        What the members of an archive that belong to it begin with.
    first_label
        Label of the first class.
    classes
        What the classes are called; empty where they are called by their numbers.
    """

    description: str
    files: Mapping[str, str]
    url: str = ""
    source: str = ""
    algorithm: str = "sha256"
    unpacked: bool = False
    member: str = ""
    first_label: int = 0
    classes: tuple[str, ...] = ()


_EMNIST = {"gzip.zip": "fb9bb67e33772a9cc0b895e4ecf36d2cf35be8b709693c3564cea2a019fcda8e"}
_EMNIST_URL = "https://biometrics.nist.gov/cs_links/EMNIST/"
_TFDS = "TensorFlow Datasets"

PUBLISHED: Final[dict[str, Published]] = {
    "mnist": Published(
        "60,000 + 10,000 handwritten digits; comes with the suite",
        {
            "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        },
        unpacked=True,
    ),
    "fashion-mnist": Published(
        "60,000 + 10,000 pictures of clothing; a local folder, Debian's package or a download of 30 MB",
        {
            "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        },
        "https://fashion-mnist.s3.eu-central-1.amazonaws.com/",
        unpacked=True,
        classes=(
            *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
            *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        ),
    ),
    "kmnist": Published(
        "60,000 + 10,000 cursive Japanese characters; a local folder or a download of 21 MB",
        {
            "train-images-idx3-ubyte.gz": "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
            "train-labels-idx1-ubyte.gz": "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
            "t10k-images-idx3-ubyte.gz": "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
            "t10k-labels-idx1-ubyte.gz": "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
        },
        "https://codh.rois.ac.jp/kmnist/dataset/kmnist/",
        _TFDS,
        classes=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    ),
    "emnist-letters": Published(
        "124,800 + 20,800 handwritten letters; a local folder or a download of 562 MB",
        _EMNIST,
        _EMNIST_URL,
        _TFDS,
        member="gzip/emnist-letters-",
        first_label=1,
        classes=tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    ),
    "emnist-digits": Published(
        "240,000 + 40,000 handwritten digits; a local folder or a download of 562 MB",
        _EMNIST,
        _EMNIST_URL,
        _TFDS,
        member="gzip/emnist-digits-",
    ),
    "usps": Published(
        "7,291 + 2,007 digits from envelopes, 16 × 16; a local folder or a download of 8 MB",
        {"usps.bz2": "ec16c51db3855ca6c91edd34d0e9b197", "usps.t.bz2": "8ea070ee2aca1ac39742fdd1ef5ed118"},
        "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass/",
        "torchvision",
        algorithm="md5",
        first_label=1,
    ),
    "digits": Published(
        "1,797 handwritten digits, 8 × 8; comes with scikit-learn",
        {"digits.csv.gz": "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8"},
        unpacked=True,
    ),
}
"""What :func:`backprop_bench.data.load_dataset` knows by name.

No SHA-256 of usps is published; it has the MD5 that torchvision compares.
"""

NAMES: Final = tuple(PUBLISHED)
"""Names that :func:`backprop_bench.data.load_dataset` knows."""


def load_named(name: str) -> Arrays:
    """Return the examples of a dataset of :data:`NAMES`; raises `InputError` if it cannot be had, or not intact."""
    if name == "mnist":
        return _load(name, _files_in(name, MNIST_FOLDER) or [])
    if name == "digits":
        return _load(name, _digits())
    return _load_from_somewhere(name)


def folder_variable(name: str) -> str:
    """Return the environment variable that may name the folder of a dataset; with ``_URL``, where to get it."""
    return f"BACKPROP_BENCH_{name.upper().replace('-', '_')}"


def kept_folder(name: str) -> Path:
    """Return the folder in which what was downloaded is kept; datasets of one archive share it."""
    return cache_folder() / ("emnist" if name.startswith("emnist-") else name)


def _load_from_somewhere(name: str) -> Arrays:
    """Return a dataset from the folder that the user names, from an earlier download, from Debian or from the web."""
    variable = folder_variable(name)
    if folder := os.environ.get(variable):
        files = _files_in(name, Path(folder).expanduser())
        if files is None:
            raise InputError(
                f"{variable} is set to {folder}, which lacks a file of {name}; expected "
                f"{' and '.join(PUBLISHED[name].files)}"
            )
        try:
            return _load(name, files)
        except InputError as error:
            raise InputError(f"{variable} is set to a folder that cannot be used: {error}") from error
    if (files := _files_in(name, kept_folder(name))) is not None:
        try:
            return _load(name, files)
        except InputError:  # damaged since it was downloaded
            for path in files:
                with contextlib.suppress(OSError):
                    path.unlink()
    if name == "fashion-mnist" and (files := _files_in(name, DEBIAN_FOLDER)) is not None:
        return _load(name, files)
    return _fetch(name)


def _digits() -> list[Path]:
    """Return the file of scikit-learn's digits, without importing scikit-learn."""
    spec = importlib.util.find_spec("sklearn")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    files = _files_in("digits", Path(folders[0], "datasets", "data")) if folders else None
    if files is None:
        raise InputError(
            "digits comes with scikit-learn, which is not installed; run pip install 'backprop-bench[peers]'"
        )
    return files


def _files_in(name: str, folder: Path) -> list[Path] | None:
    """Return the files of a dataset in a folder or one below it; ``None`` if one is missing."""
    files = []
    for file_name in PUBLISHED[name].files:
        candidates = _usual_names(file_name) if PUBLISHED[name].unpacked else [file_name]
        paths = [folder / candidate for candidate in candidates]
        paths += [path for candidate in candidates for path in sorted(folder.glob(f"*/**/{candidate}"))]
        path = next((path for path in paths if is_file(path)), None)
        if path is None:
            return None
        files.append(path)
    return files


def _usual_names(file_name: str) -> list[str]:
    """Return the names that a file of IDX has here and there, packed or not."""
    stems = dict.fromkeys((file_name, file_name.replace("t10k", "test")))
    dotted = [name for stem in stems for name in (stem, stem.replace("-idx", ".idx"))]
    return [f"{name}{packing}" for name in dotted for packing in ("", ".gz")]


def _load(name: str, files: list[Path]) -> Arrays:
    return cached(name, files, lambda: _decode(name, files))


def _decode(name: str, files: list[Path]) -> Arrays:
    """Return the examples in these files, having made sure that they are those of the dataset, byte by byte."""
    from backprop_bench.data.assemble import assemble  # here: a start from the cache needs none of it
    from backprop_bench.data.formats.part import Reading

    published = PUBLISHED[name]
    for path, (file_name, expected) in zip(files, published.files.items(), strict=True):
        _check(name, path, file_name, expected)
    parts = _parts(name, files)
    for part in parts:
        assert part.labels is not None
        part.labels = part.labels.astype("int64") - published.first_label
        part.names = published.classes
    reading = Reading(label="last") if name == "digits" else Reading()
    return assemble(parts, name, reading)


def _check(name: str, path: Path, file_name: str, expected: str) -> None:
    import hashlib

    published = PUBLISHED[name]
    content = read_unpacked(path) if published.unpacked else path.read_bytes()
    actual = hashlib.new(published.algorithm, content, usedforsecurity=False).hexdigest()
    if actual != expected:
        what = "its unpacked bytes" if published.unpacked else "the file"
        raise InputError(
            f"{path}: the {published.algorithm} of {what} is {actual}, expected {expected}, that of {file_name} "
            f"of {name}"
        )


def _parts(name: str, files: list[Path]) -> list[Any]:
    from backprop_bench.data.formats.arrays import Named, parts_of
    from backprop_bench.data.formats.idx import parse_idx
    from backprop_bench.data.formats.part import Reading, Source
    from backprop_bench.data.formats.paths import Paths
    from backprop_bench.data.formats.read import read_parts

    if not PUBLISHED[name].member:
        return read_parts(Paths(files, in_order=False), Reading(label="last") if name == "digits" else Reading())
    with zipfile.ZipFile(files[0]) as archive:
        members = [
            member for member in archive.namelist() if member.startswith(PUBLISHED[name].member) and "ubyte" in member
        ]
        arrays = [
            Named(
                Source(files[0], member, member), "", parse_idx(_gunzip(archive.read(member)), f"{files[0]}/{member}")
            )
            for member in members
        ]
    return parts_of(arrays)


def _gunzip(content: bytes) -> bytes:
    import gzip

    return gzip.GzipFile(fileobj=io.BytesIO(content)).read()


def _fetch(name: str) -> Arrays:
    """Download the files, look at them, and only then keep them."""
    base = os.environ.get(f"{folder_variable(name)}_URL") or PUBLISHED[name].url
    folder = kept_folder(name)
    with _staging(folder) as staging:
        for file_name in PUBLISHED[name].files:
            at_server = f"{file_name}.gz" if PUBLISHED[name].unpacked else file_name
            _fetch_one(name, f"{base.rstrip('/')}/{at_server}", staging / at_server)
        files = _files_in(name, staging)
        assert files is not None
        arrays = _decode(name, files)
        with contextlib.suppress(OSError):
            for path in files:
                path.replace(folder / path.name)
    return arrays


def _fetch_one(name: str, url: str, path: Path) -> None:
    try:
        download(url, path)
    except (OSError, ValueError) as error:
        places = [str(kept_folder(name))] + ([str(DEBIAN_FOLDER)] if name == "fashion-mnist" else [])
        package = "install Debian's package dataset-fashion-mnist, or " if name == "fashion-mnist" else ""
        raise InputError(
            f"{name} is neither in {' nor in '.join(places)} and could not be downloaded from {url}: {why_not(error)}; "
            f"expected one of them, so {package}put {' and '.join(PUBLISHED[name].files)} into "
            f"{kept_folder(name)}, or set "
            f"{folder_variable(name)} to a folder that has them"
        ) from error


@contextlib.contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    """Give a new folder inside ``folder``, or elsewhere if nothing can be written there; remove it afterwards."""
    import shutil
    import tempfile

    try:
        folder.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix="download-", dir=folder))
    except OSError:
        staging = Path(tempfile.mkdtemp(prefix="backprop-bench-"))
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)
