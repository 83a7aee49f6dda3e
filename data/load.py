"""`load_dataset`: from a name or a path to a `Dataset`."""

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from backprop_bench.data.cache import Arrays, cached
from backprop_bench.data.dataset import Dataset, Labels
from backprop_bench.data.errors import InputError
from backprop_bench.data.files import is_file, is_folder
from backprop_bench.data.idx import IdxFiles, find_idx_files, idx_prefix, read_idx
from backprop_bench.data.sources import NAMES, load_named

_HELD_OUT = 7  # one in so many examples of a single CSV file is a test example, as in MNIST


def load_dataset(name_or_path: str | os.PathLike[str]) -> Dataset:
    """Load a dataset.

    What was decoded once is kept in the user's cache folder (``$BACKPROP_BENCH_CACHE``, if set) and loaded from there
    next time, unless a file has changed.

    Parameters
    ----------
    name_or_path
        One of

        - ``"mnist"`` or ``"fashion-mnist"``. A string that is one of these names is never a path; write ``./mnist``
          for a folder of that name. A :class:`pathlib.Path` is always a path;
        - a folder that holds four IDX files, packed by gzip or not, under their usual names
          (``train-images-idx3-ubyte``, ``t10k-labels-idx1-ubyte.gz``, …);
        - one of these files; the other three are those beside it;
        - ``"train.csv,test.csv"``: two CSV files, packed by gzip or not, separated by a comma. In every line a label
          from 0 to 999, then the pixels from 0 to 255; a first line of names is skipped;
        - one CSV file. Its last seventh, rounded down but at least one row, is held out as test examples.

    Returns
    -------
    Dataset
        Named as given. Inputs and one-hot targets are uint8, labels int64, all of them ordinary writable arrays in
        memory. There are as many classes as the largest label says, but at least 2.

    Raises
    ------
    InputError
        If there is no such dataset, or if it is damaged.
    """
    name = os.fsdecode(name_or_path)
    if isinstance(name_or_path, str) and name in NAMES:
        return _dataset(name, load_named(name))
    path = Path(name)
    if name and is_folder(path):
        return _dataset(name, _load_idx(find_idx_files(path)))
    if name and is_file(path):
        prefix = idx_prefix(path)
        return _dataset(name, _load_one_csv(path) if prefix is None else _load_idx(find_idx_files(path.parent, prefix)))
    return _dataset(name, _load_two_csv(*_split(name)))


def _load_idx(files: IdxFiles) -> Arrays:
    return cached("idx", files.all(), lambda: read_idx(files))


def _load_one_csv(path: Path) -> Arrays:
    from backprop_bench.data.csv_files import read_csv  # here: a start from the cache needs none of it

    def decode() -> Arrays:
        x, y = read_csv(path)
        if len(y) < 2:
            raise InputError(f"{path}: has 1 row, expected at least 2, one of which is held out as a test example")
        split = len(y) - max(1, len(y) // _HELD_OUT)
        return Arrays(x_train=x[:split], y_train=y[:split], x_test=x[split:], y_test=y[split:])

    return cached("csv", [path], decode)


def _load_two_csv(train: Path, test: Path) -> Arrays:
    from backprop_bench.data.csv_files import read_csv

    def decode() -> Arrays:
        return Arrays(*read_csv(train), *read_csv(test))

    return cached("csv", [train, test], decode)


def _split(name: str) -> tuple[Path, Path]:
    """Return the two CSV files that are given with a comma between them."""
    commas = [position for position, letter in enumerate(name) if letter == ","]
    pairs = [(Path(name[:comma].strip()), Path(name[comma + 1 :].strip())) for comma in commas]
    for pair in pairs:
        if all(map(is_file, pair)):
            return pair
    if len(pairs) == 1:
        missing = next(path for path in pairs[0] if not is_file(path))
        raise InputError(f"{name}: there is no file {missing}, expected two CSV files with a comma between them")
    raise InputError(
        f"{name!r} is neither a dataset nor a file nor a folder; expected {', '.join(NAMES)}, a folder with the four "
        "IDX files, one of these files, a CSV file, or two CSV files as in train.csv,test.csv"
    )


def _dataset(name: str, arrays: Arrays) -> Dataset:
    x_train, y_train, x_test, y_test = arrays
    if x_train.shape[1] != x_test.shape[1]:
        raise InputError(
            f"{name}: the training examples have {x_train.shape[1]} pixels and the test examples {x_test.shape[1]}; "
            "expected the same number"
        )
    n_classes = max(2, int(y_train.max()) + 1, int(y_test.max()) + 1)
    return Dataset(
        name=name,
        x_train=x_train,
        t_train=_one_hot(y_train, n_classes),
        y_train=y_train,
        x_test=x_test,
        t_test=_one_hot(y_test, n_classes),
        y_test=y_test,
    )


def _one_hot(labels: Labels, n_classes: int) -> npt.NDArray[np.uint8]:
    targets = np.zeros((len(labels), n_classes), np.uint8)
    targets[np.arange(len(labels)), labels] = 1
    return targets
