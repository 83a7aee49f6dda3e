"""The named datasets: where they come from, and the checksums that they must have."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from backprop_bench.data.cache import Arrays, cache_folder, cached
from backprop_bench.data.download import download, why_not
from backprop_bench.data.errors import InputError
from backprop_bench.data.files import read_unpacked
from backprop_bench.data.idx import IdxFiles, find_idx_files, parse_idx

MNIST_FOLDER = Path(__file__).parent / "mnist"
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
FASHION_MNIST_URL = "https://fashion-mnist.s3.eu-central-1.amazonaws.com/"
FOLDER_VARIABLE = "BACKPROP_BENCH_FASHION_MNIST"
URL_VARIABLE = "BACKPROP_BENCH_FASHION_MNIST_URL"

# sha256 of the unpacked bytes: packing may differ from place to place, and no place is trusted.
SHA256 = {
    "mnist": {
        "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    "fashion-mnist": {
        "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
}

NAMES = tuple(SHA256)
"""Names that :func:`data.load_dataset` knows."""

CLASS_NAMES = {
    "fashion-mnist": (
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    )
}
"""What the classes of a dataset are called, where that is not their number."""


def class_names(dataset: str, n_classes: int) -> tuple[str, ...]:
    """Return what the classes of a dataset are called, by number; where they have no names, their numbers."""
    return CLASS_NAMES.get(dataset) or tuple(map(str, range(n_classes)))


def load_named(name: str) -> Arrays:
    """Return the examples of a dataset of :data:`NAMES`; raises `InputError` if it cannot be had, or not intact."""
    if name == "mnist":
        return _load(name, find_idx_files(MNIST_FOLDER))
    return _load_fashion_mnist()


def _load_fashion_mnist() -> Arrays:
    name = "fashion-mnist"
    if folder := os.environ.get(FOLDER_VARIABLE):
        try:
            return _load(name, find_idx_files(Path(folder)))
        except InputError as error:
            raise InputError(f"{FOLDER_VARIABLE} is set to a folder that cannot be used: {error}") from error
    kept = cache_folder() / name
    if (files := _find(kept)) is not None:
        try:
            return _load(name, files)
        except InputError:  # damaged since it was downloaded
            for path in files.all():
                with contextlib.suppress(OSError):
                    path.unlink()
    if (files := _find(DEBIAN_FOLDER)) is not None:
        return _load(name, files)
    return _fetch(name, kept)


def _find(folder: Path) -> IdxFiles | None:
    try:
        return find_idx_files(folder)
    except InputError:
        return None


def _load(name: str, files: IdxFiles) -> Arrays:
    return cached(name, files.all(), lambda: _decode(name, files))


def _decode(name: str, files: IdxFiles) -> Arrays:
    """Return the examples in these files, having made sure that they are those of the dataset, byte by byte."""
    import hashlib  # here: a start from the cache needs it not

    contents = {}
    for path, (file_name, expected) in zip(files.all(), SHA256[name].items(), strict=True):
        contents[path] = read_unpacked(path)
        actual = hashlib.sha256(contents[path]).hexdigest()
        if actual != expected:
            raise InputError(
                f"{path}: the sha256 of its unpacked bytes is {actual}, expected {expected}, "
                f"that of {file_name} of {name}"
            )
    return parse_idx(files, contents)


def _fetch(name: str, folder: Path) -> Arrays:
    """Download the four files, look at them, and only then keep them in ``folder``."""
    base = os.environ.get(URL_VARIABLE) or FASHION_MNIST_URL
    with _staging(folder) as staging:
        for file_name in SHA256[name]:
            _fetch_one(name, f"{base.rstrip('/')}/{file_name}.gz", staging / f"{file_name}.gz")
        files = find_idx_files(staging)
        arrays = _decode(name, files)
        with contextlib.suppress(OSError):
            for path in files.all():
                path.replace(folder / path.name)
    return arrays


def _fetch_one(name: str, url: str, path: Path) -> None:
    try:
        download(url, path)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{name} is neither in {cache_folder() / name} nor in {DEBIAN_FOLDER} and could not be downloaded "
            f"from {url}: {why_not(error)}; expected one of the three, so install Debian's package "
            f"dataset-fashion-mnist, or set {FOLDER_VARIABLE} to a folder that holds its four files"
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
