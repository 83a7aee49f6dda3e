"""From parts to a dataset: what is for training, what for testing, which classes there are, how large inputs can be."""

import math
import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from backprop_bench.data.cache import About, Arrays
from backprop_bench.data.dataset import Labels
from backprop_bench.data.errors import InputError
from backprop_bench.data.formats.part import ROWS_AT_ONCE, Part, Reading, as_numbers

MOST_CLASSES: Final = 999
HELD_OUT: Final = 1 / 7
"""Share of the examples that is held out where nothing says which are for testing, as in MNIST."""

_FEW_EXAMPLES = 20
_SEED = 0
_SMALL_IMAGE = 8  # a square number of inputs below this may be anything


class _Together(NamedTuple):
    """The examples for training or for testing, as they are read."""

    x: npt.NDArray[Any]
    labels: npt.NDArray[Any]
    parts: tuple[Part, ...]


def assemble(parts: Sequence[Part], shown: str, reading: Reading, *, in_order: bool = False) -> Arrays:
    """Return the arrays of a dataset, with what was understood.

    Parameters
    ----------
    parts
        The examples that were read; what is in their memory afterwards is no use.
    shown
        What the dataset is called in messages.
    reading
        What the user says of it.
    in_order
        Whether the first of two parts is for training, where nothing says what they are for.

    Raises
    ------
    InputError
        If there are no labels, one class, different sizes, or anything that cannot be trained on.
    """
    train, test, notes = _roles(parts, shown, reading, in_order)
    trained = _join(train, shown)
    tested = _join(test, shown) if test else None
    _check_labels(trained.labels, shown)
    names = next((part.names for part in parts if part.names), ())
    labels = [trained.labels] if tested is None else [trained.labels, tested.labels]
    classes, numbers = _classes(labels, names, shown)
    x, shape, notes_on_images = _inputs(trained, shown, reading)
    if tested is None:
        divided, note = _hold_out(x, numbers[0], reading.test_share, shown)
    else:
        divided, note = _with_test(x, shape, numbers, _inputs(tested, shown, reading), shown)
    x_train, x_test = _one_type(divided.x_train, divided.x_test)
    ends = _range(x_train, x_test, reading, shown)
    notes = [*notes_on_images, *notes, *([note] if note else [])]
    about = About(
        classes=classes,
        x_min=ends[0],
        x_max=ends[1],
        shape=shape,
        summary=_summary(len(x_train), len(x_test), shape, ends, classes, notes),
        warnings=_warnings(divided.y_train, divided.y_test, classes, held_out=tested is None),
    )
    return Arrays(x_train=x_train, y_train=divided.y_train, x_test=x_test, y_test=divided.y_test, about=about)


class _Divided(NamedTuple):
    """Examples for training and for testing."""

    x_train: npt.NDArray[Any]
    y_train: Labels
    x_test: npt.NDArray[Any]
    y_test: Labels


def _with_test(
    x: npt.NDArray[Any],
    shape: tuple[int, ...],
    numbers: Sequence[Labels],
    test: tuple[npt.NDArray[Any], tuple[int, ...], list[str]],
    shown: str,
) -> tuple[_Divided, str]:
    """Return training and test examples, the former shuffled if they are sorted by label."""
    x_test, shape_of_test, _ = test
    if shape_of_test != shape:
        raise InputError(
            f"{shown}: the training examples have {_size(shape)} and the test examples {_size(shape_of_test)}; "
            "expected the same size"
        )
    y_train, y_test = numbers
    if not _is_sorted(y_train):
        return _Divided(x, y_train, x_test, y_test), ""
    return _Divided(*_shuffled(x, y_train), x_test, y_test), "sorted by label, so shuffled"


def _roles(
    parts: Sequence[Part], shown: str, reading: Reading, in_order: bool
) -> tuple[list[Part], list[Part], list[str]]:
    """Return which parts are for training and which for testing, and what is to be said of it."""
    for part in parts:
        if not len(part.x):
            raise InputError(f"{part.shown}: has no examples, expected some")
    notes = list(dict.fromkeys(note for part in parts for note in part.notes))
    labelled = [part for part in parts if part.labels is not None]
    if not labelled:
        raise InputError(f"{shown}: has inputs but no labels, expected both; if a column has them, say so with --label")
    notes += [f"{_last_name(part)} has no labels and is not used" for part in parts if part.labels is None]
    train, test, validation, unnamed = (
        [part for part in labelled if part.role == role] for role in ("train", "test", "validation", None)
    )
    if in_order and len(unnamed) == len(labelled) == 2:
        train, test, unnamed = unnamed[:1], unnamed[1:], []
        notes.append(f"{_last_name(train[0])} is for training and {_last_name(test[0])} for testing, in this order")
    train += unnamed
    if not test:
        test, validation = validation, []
    if validation:
        notes.append("the validation examples are not used")
    if not train:
        train, test = test, []
    if test and reading.test_share is not None:
        raise InputError(f"{shown}: has test examples of its own; --test-share is for data without any")
    return train, test, notes


def _last_name(part: Part) -> str:
    return re.split(r"[/\\]", part.shown)[-1]


def _join(parts: Sequence[Part], shown: str) -> _Together:
    """Return the examples of several parts one after the other."""
    sizes = {part.x.shape[1:] for part in parts}
    if len(sizes) > 1:
        described = " and ".join(_size(size) for size in sorted(sizes))
        raise InputError(f"{shown}: has examples of {described}, expected one size")
    labels = [part.labels for part in parts if part.labels is not None]
    if len(parts) == 1:
        return _Together(parts[0].x, labels[0], tuple(parts))
    _check_same_kind(labels, shown)
    return _Together(np.concatenate([part.x for part in parts]), np.concatenate(labels), tuple(parts))


def _check_same_kind(labels: Sequence[npt.NDArray[Any]], shown: str) -> None:
    if len({array.dtype.kind in "US" for array in labels}) > 1:
        raise InputError(f"{shown}: has labels that are words in one file and numbers in another, expected one of them")


def _check_labels(labels: npt.NDArray[Any], shown: str) -> None:
    """Refuse labels that teach nothing, or that are none."""
    if len(labels) < 2:
        raise InputError(f"{shown}: has {len(labels)} example, expected at least 2, one of which is a test example")
    n_different = len(np.unique(labels))
    if n_different == 1:
        raise InputError(
            f"{shown}: all {len(labels):,} training labels are {labels[0]!s}, expected at least two classes; if "
            "another "
            "column has the labels, say so with --label"
        )
    if len(labels) >= _FEW_EXAMPLES and n_different > len(labels) / 2:
        raise InputError(
            f"{shown}: {n_different:,} of {len(labels):,} labels are different, expected few classes; this column "
            "is no "
            "label: say which one is with --label"
        )


def _classes(
    labels: Sequence[npt.NDArray[Any]], names: tuple[str, ...], shown: str
) -> tuple[tuple[str, ...], list[Labels]]:
    """Return the names of the classes and the number of the class of each example.

    Whole numbers from 0 on are the classes' numbers, even if some are missing. Other labels are sorted and numbered.
    """
    _check_same_kind(labels, shown)
    everything = np.unique(np.concatenate([np.unique(part) for part in labels]))
    if everything.dtype.kind == "f":
        if (everything != np.trunc(everything)).any():
            raise InputError(
                f"{shown}: has the label {everything[everything != np.trunc(everything)][0]:g}, expected whole "
                "numbers or words"
            )
        everything = everything.astype(np.int64)
    if everything.dtype.kind not in "US":
        everything = everything.astype(np.int64)
        n_classes = max(2, int(everything[-1]) + 1, len(names))
        if everything[0] >= 0 and (names or (everything[0] == 0 and 2 * len(everything) >= n_classes)):
            _check_number(n_classes, shown)
            known = names if len(names) == n_classes else tuple(map(str, range(n_classes)))
            return known, [part.astype(np.int64) for part in labels]
    else:
        everything = np.array(sorted(everything.tolist(), key=_natural))
    _check_number(len(everything), shown)
    number = {label: index for index, label in enumerate(everything.tolist())}
    numbers = [np.array([number[label] for label in part.tolist()], np.int64) for part in labels]
    return tuple(map(str, everything.tolist())), numbers


def _natural(text: str) -> list[tuple[int, str]]:
    """Return the key that sorts ``class 10`` after ``class 9``."""
    return [(int(piece), "") if piece.isdecimal() else (-1, piece) for piece in re.split(r"(\d+)", text)]


def _check_number(n_classes: int, shown: str) -> None:
    if n_classes > MOST_CLASSES:
        raise InputError(
            f"{shown}: has {n_classes:,} classes, expected at most {MOST_CLASSES}; if this column has no labels, "
            "say which one has with --label"
        )


def _inputs(together: _Together, shown: str, reading: Reading) -> tuple[npt.NDArray[Any], tuple[int, ...], list[str]]:
    """Return the inputs [N, D] as uint8 or float32, the size of an image, and what was understood."""
    x, notes = as_numbers(together.x), []
    if x.dtype.kind == "f" and not (np.isfinite(x.min()) and np.isfinite(x.max())):
        raise InputError(f"{together.parts[0].shown}: has an input that is no finite number, expected numbers")
    if x.ndim == 4 and x.shape[1] in (1, 3) and x.shape[3] not in (1, 3):
        x = np.moveaxis(x, 1, 3)  # channels first, as PyTorch has them
    if x.ndim == 4:
        x, channels = _channels(x, shown)
        notes += channels
    if x.ndim > 4:
        raise InputError(
            f"{shown}: an example has the shape {x.shape[1:]}, expected rows, columns and channels at most"
        )
    shape = x.shape[1:]
    if x.ndim == 2 and (side := math.isqrt(x.shape[1])) ** 2 == x.shape[1]:
        shape = (side, side)
    lies = reading.transpose
    if lies is None:
        lies = len(shape) > 1 and any(part.lies for part in together.parts)
    if lies:
        if len(shape) < 2:
            raise InputError(
                f"{shown}: an example has {x.shape[1]} inputs, expected images, which alone can be transposed"
            )
        x = np.swapaxes(x.reshape(len(x), *shape), 1, 2)
        shape = x.shape[1:]
        notes.append("transposed" + ("" if reading.transpose else ", as EMNIST stores its images"))
    return np.ascontiguousarray(x.reshape(len(x), -1)), shape, notes


def _channels(x: npt.NDArray[Any], shown: str) -> tuple[npt.NDArray[Any], list[str]]:
    """Return images without channels that say nothing: grey stored three times, an opacity that is always the same."""
    notes: list[str] = []
    if x.shape[3] in (2, 4):
        if (x[..., -1] != x[0, 0, 0, -1]).any():
            raise InputError(
                f"{shown}: has {x.shape[3]} channels, the last of which varies; expected 1 or 3, so draw the images "
                "on a "
                "background first"
            )
        x = x[..., :-1]
        notes.append("the opacity, which is the same everywhere, is left out")
    if x.shape[3] == 3 and (x[..., :1] == x).all():
        x = x[..., :1]
        notes.append("the three colours are the same, so grey")
    if x.shape[3] not in (1, 3):
        raise InputError(f"{shown}: has {x.shape[3]} channels, expected 1 or 3")
    return (x[..., 0] if x.shape[3] == 1 else x), notes


def _one_type(x_train: npt.NDArray[Any], x_test: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    if x_train.dtype == x_test.dtype:
        return x_train, x_test
    return x_train.astype(np.float32), x_test.astype(np.float32)


def _range(x_train: npt.NDArray[Any], x_test: npt.NDArray[Any], reading: Reading, shown: str) -> tuple[float, float]:
    """Return the smallest and the largest possible input.

    Inputs up to 1 have 1 as the largest, up to 16 the largest that there is, up to 255 have 255. Where some are
    negative, the smallest is the smallest that there is.
    """
    low, high = (float(f(g(x_train), g(x_test))) for f, g in ((min, np.min), (max, np.max)))
    if low == high:
        raise InputError(f"{shown}: all inputs are {low:g}, expected inputs that differ")
    if reading.largest is not None:
        if reading.largest < high:
            raise InputError(
                f"{shown}: has the input {high:g}, expected at most --largest, which is {reading.largest:g}"
            )
        return min(low, 0.0), reading.largest
    if low < 0:
        return low, high
    return 0.0, 1.0 if high <= 1 else high if high <= 16 or high > 255 else 255.0


def _is_sorted(y: Labels) -> bool:
    """Whether the examples are sorted by label, so that the first ones are not like all."""
    n_changes = int(np.count_nonzero(np.diff(y)))
    return len(y) >= _FEW_EXAMPLES and n_changes <= 2 * len(np.unique(y))


def _shuffled(x: npt.NDArray[Any], y: Labels) -> tuple[npt.NDArray[Any], Labels]:
    order = np.random.default_rng(_SEED).permutation(len(y))
    return x[order], y[order]


def _hold_out(x: npt.NDArray[Any], y: Labels, share: float | None, shown: str) -> tuple[_Divided, str]:
    """Return training and test examples: the same share of each class, drawn at random with a fixed seed."""
    n_test = max(1, int(len(y) * (HELD_OUT if share is None else share)))
    if n_test >= len(y):
        raise InputError(f"{shown}: --test-share leaves no training example of {len(y)}, expected less")
    held = np.zeros(len(y), bool)
    held[_stratified(y, n_test)] = True
    x_test, y_test, y_train = x[held], y[held], y[~held]
    x_train = _kept_rows(x, ~held)
    note = f"{'a seventh' if share is None else f'{100 * share:g} %'} of each class held out for testing"
    if not _is_sorted(y):
        return _Divided(x_train, y_train, x_test, y_test), note
    shuffled = _Divided(*_shuffled(x_train, y_train), x_test, y_test)
    return shuffled, f"{note}, and shuffled, because the examples were sorted by label"


def _stratified(y: Labels, n_test: int) -> Labels:
    """Return which examples [n_test] are held out: of each class its share, as nearly as whole examples allow."""
    rng = np.random.default_rng(_SEED)
    members = [rng.permutation(np.flatnonzero(y == label)) for label in np.unique(y)]
    sizes = np.array([len(rows) for rows in members])
    exact = n_test * sizes / len(y)
    most = sizes - 1 if (sizes - 1).sum() >= n_test else sizes  # one of each class is left to learn from
    counts = np.minimum(np.floor(exact).astype(int), most)
    while counts.sum() < n_test:
        counts[np.argmax(np.where(counts < most, exact - counts, -np.inf))] += 1
    return np.sort(np.concatenate([rows[:n] for rows, n in zip(members, counts, strict=True)]))


def _kept_rows(x: npt.NDArray[Any], kept: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
    """Return some rows of x [N, D], in the memory that it has."""
    end = 0
    for start in range(0, len(x), ROWS_AT_ONCE):  # what is written lies before what is still to be read
        rows = x[start : start + ROWS_AT_ONCE][kept[start : start + ROWS_AT_ONCE]]
        x[end : end + len(rows)] = rows
        end += len(rows)
    return x[:end]


def _warnings(y_train: Labels, y_test: Labels, classes: tuple[str, ...], held_out: bool) -> tuple[str, ...]:
    warnings = []
    unseen = sorted(set(np.unique(y_test).tolist()) - set(np.unique(y_train).tolist()))
    if unseen:
        names = ", ".join(classes[label] for label in unseen[:5]) + (" …" if len(unseen) > 5 else "")
        warnings.append(
            f"test examples of {names} are of no class that the training examples have: they cannot be recognised"
        )
    if not held_out and len(y_test) >= _FEW_EXAMPLES and (y_test == y_test[0]).all():
        warnings.append(f"all {len(y_test):,} test labels are {classes[y_test[0]]}: they may stand for missing ones")
    return tuple(warnings)


def _summary(
    n_train: int,
    n_test: int,
    shape: tuple[int, ...],
    ends: tuple[float, float],
    classes: tuple[str, ...],
    notes: list[str],
) -> str:
    """Return in one line what was understood."""
    pieces = [
        f"{n_train:,} training and {n_test:,} test examples",
        _size(shape),
        f"values {ends[0]:g} to {ends[1]:g}",
        f"{len(classes)} classes" + ("" if _are_numbered(classes) else f" ({_few(classes)})"),
    ]
    return ", ".join(pieces) + "".join(f"; {text}" for text in notes)


def _are_numbered(classes: tuple[str, ...]) -> bool:
    return classes == tuple(map(str, range(len(classes))))


def _few(classes: tuple[str, ...]) -> str:
    return ", ".join(classes) if len(classes) <= 4 else f"{classes[0]}, {classes[1]}, …, {classes[-1]}"


def _size(shape: tuple[int, ...]) -> str:
    if len(shape) == 1 or max(shape) < _SMALL_IMAGE:
        return f"{math.prod(shape)} inputs"
    return " × ".join(map(str, shape[:2])) + (" in colour" if len(shape) == 3 else "")
