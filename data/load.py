"""`load_dataset`: from a name or a path to a `Dataset`."""

import os
import re
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from backprop_bench.data.cache import Arrays, cached
from backprop_bench.data.dataset import Dataset, Labels
from backprop_bench.data.errors import InputError
from backprop_bench.data.formats.part import Reading
from backprop_bench.data.sources import NAMES, load_named

READING_OPTIONS: Final = ("label", "largest", "transpose", "test-share")
"""What can be said of files, as the command line calls it."""

_OPTION = rf"({'|'.join(READING_OPTIONS)})=[^&?]*"
_WITH_OPTIONS = re.compile(rf"(?P<path>.+)\?(?P<options>{_OPTION}(&{_OPTION})*)")


def load_dataset(
    name_or_path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    label: str | int | None = None,
    largest: float | None = None,
    transpose: bool | None = None,
    test_share: float | None = None,
) -> Dataset:
    """Load a dataset.

    What was decoded once is kept in the user's cache folder (``$BACKPROP_BENCH_CACHE``, if set) and loaded from there
    next time, unless a file has changed.

    Parameters
    ----------
    name_or_path
        A name of :data:`NAMES`, such as ``"mnist"``; or a file, a folder, a pattern such as ``"train-*.parquet"``, or
        several of them, in a list or with commas between them. A string that is one of the names is never a path; write
        ``./mnist`` for a folder of that name. A :class:`pathlib.Path` is always a path. docs/data.md has what is read.
        What the other parameters say may also stand in the string: ``"iris.csv?label=species&test-share=0.2"``.
    label
        Column of the labels: its name, its number from 1, ``"first"`` or ``"last"``; name of the array of the labels.
    largest
        The largest possible input, where the largest one that there is is not meant.
    transpose
        Whether images lie on their side; by default those do whose name has ``emnist`` in it.
    test_share
        Share of the examples that is held out for testing, where none are for testing; a seventh by default.

    Returns
    -------
    Dataset
        Named as given. Inputs are uint8 or float32, one-hot targets uint8, labels int64, all of them ordinary writable
        arrays in memory. ``summary`` says what was understood of the files.

    Raises
    ------
    InputError
        If there is no such dataset, or if it is damaged, or if it can be read in more than one way.
    """
    text, options = _split_options(_name_of(name_or_path))
    arguments = {"label": label, "largest": largest, "transpose": transpose, "test-share": test_share}
    options |= {key: _text(value) for key, value in arguments.items() if value is not None}
    if isinstance(name_or_path, str) and text in NAMES:
        if options:
            raise InputError(f"{text} is read as it is published, expected it without {', '.join(options)}")
        return _dataset(text, load_named(text))
    return _dataset(with_options(text, options), _load_paths(text, options))


def with_options(name: str, options: Mapping[str, object]) -> str:
    """Return the name of a dataset with what is said of its files: ``iris.csv?label=species``."""
    text, written = _split_options(name)
    merged = written | {key: _text(value) for key, value in options.items()}
    pieces = [f"{key}={urllib.parse.quote(merged[key])}" for key in READING_OPTIONS if key in merged]
    return f"{text}?{'&'.join(pieces)}" if pieces else text


def _text(value: object) -> str:
    """Return a value as it is written in a name, with all digits of a number."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


def _name_of(name_or_path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> str:
    if isinstance(name_or_path, str | os.PathLike):
        return os.fsdecode(name_or_path)
    return ",".join(os.fsdecode(path) for path in name_or_path)


def _split_options(name: str) -> tuple[str, dict[str, str]]:
    """Return the paths in a name, and what it says of them."""
    match = _WITH_OPTIONS.fullmatch(name)
    if match is None:
        return name, {}
    pairs = (option.split("=", 1) for option in match["options"].split("&"))
    return match["path"], {key: urllib.parse.unquote(value) for key, value in pairs}


def _reading(options: Mapping[str, str]) -> Reading:
    """Return what the options say; raises `InputError` for a bad value."""
    transpose = options.get("transpose")
    if transpose not in (None, "yes", "no"):
        raise InputError(f"transpose is {transpose!r}, expected yes or no")
    largest, share = _positive(options, "largest"), _positive(options, "test-share")
    if share is not None and share >= 1:
        raise InputError(f"test-share is {share:g}, expected a share below 1, such as 0.2")
    return Reading(options.get("label"), largest, None if transpose is None else transpose == "yes", share)


def _positive(options: Mapping[str, str], key: str) -> float | None:
    if key not in options:
        return None
    try:
        number = float(options[key])
    except ValueError:
        number = float("nan")
    if not 0 < number < float("inf"):
        raise InputError(f"{key} is {options[key]!r}, expected a number above 0")
    return number


def _load_paths(text: str, options: Mapping[str, str]) -> Arrays:
    from backprop_bench.data.formats.paths import files_that_matter, find_paths

    if not text.strip():
        raise InputError(f"{text!r} is no dataset; expected {', '.join(NAMES)}, or a path")
    named, reading = find_paths(text, NAMES), _reading(options)

    def decode() -> Arrays:
        from backprop_bench.data.assemble import assemble  # here: a start from the cache needs none of it
        from backprop_bench.data.formats.read import read_parts

        return assemble(read_parts(named, reading), text, reading, in_order=named.in_order)

    return cached("files", files_that_matter(named.paths), decode, detail=with_options("", options))


def _dataset(name: str, arrays: Arrays) -> Dataset:
    about = arrays.about
    return Dataset(
        name=name,
        x_train=arrays.x_train,
        t_train=_one_hot(arrays.y_train, len(about.classes)),
        y_train=arrays.y_train,
        x_test=arrays.x_test,
        t_test=_one_hot(arrays.y_test, len(about.classes)),
        y_test=arrays.y_test,
        x_max=about.x_max,
        x_min=about.x_min,
        classes=about.classes,
        summary=about.summary,
        warnings=about.warnings,
    )


def _one_hot(labels: Labels, n_classes: int) -> npt.NDArray[np.uint8]:
    targets = np.zeros((len(labels), n_classes), np.uint8)
    targets[np.arange(len(labels)), labels] = 1
    return targets
