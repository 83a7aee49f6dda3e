"""`Part`: examples as they are read; `Source`: a file to read; `Reading`: what the user says of it."""

import dataclasses
import re
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

ROWS_AT_ONCE = 4096
"""Rows that are copied at once, where no second copy of all is to be made."""

ARCHIVE = "!"
"""What the name of an archive ends with where its members' names begin."""

Role = Literal["train", "test", "validation"]

ROLE_WORDS: dict[str, Role] = {
    **dict.fromkeys(("train", "training", "trn", "tra"), "train"),
    **dict.fromkeys(("test", "testing", "tst", "tes", "t10k"), "test"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "validation"),
}
"""Words in names, and what they say that examples are for."""

_JOINED = re.compile(r"([xy])?(train|test|t10k|valid|val)(?:ing)?([xy]|images?|imgs?|labels?|data|set)?\d*")
_MNIST = re.compile(r"(mnist)(?=train|test)", re.IGNORECASE)
_WORD = re.compile(r"[A-Z]?[a-z][a-z0-9]*|[A-Z]+(?![a-z])[0-9]*|[0-9]+[a-z]*")


@dataclasses.dataclass(frozen=True)
class Reading:
    """What the user says of the files, in place of what would be understood.

    Attributes
    ----------
    label
        Column of the labels: its name, its number from 1, ``first`` or ``last``.
    largest
        Largest possible input.
    transpose
        Whether images lie on their side, as those of EMNIST do.
    test_share
        Share of the examples that is held out for testing.
    """

    label: str | None = None
    largest: float | None = None
    transpose: bool | None = None
    test_share: float | None = None


@dataclasses.dataclass(frozen=True)
class Source:
    """A file to read.

    Attributes
    ----------
    path
        Where it lies.
    shown
        What it is called in messages; a member of an archive has the archive's name before its own.
    relative
        Its name below what the user gave, from which its role is read.
    """

    path: Path
    shown: str
    relative: str


@dataclasses.dataclass
class Part:
    """Some examples.

    Attributes
    ----------
    shown
        Where they are from, for messages.
    role
        What their name says that they are for; ``None`` if it says nothing.
    x
        Inputs [N, …]: numbers.
    labels
        Labels [N], whole numbers or words; ``None`` if there are none.
    names
        What whole numbers as labels stand for, by number; empty if they stand for themselves.
    notes
        What was understood, in a few words each.
    lies
        Whether images lie on their side, as those of EMNIST do, by the name of the file.
    """

    shown: str
    role: Role | None
    x: npt.NDArray[Any]
    labels: npt.NDArray[Any] | None
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    lies: bool = False


def words_of(name: str) -> list[str]:
    """Return the words that a name is made of, in lower case: ``xTrain`` and ``x_train.npy`` have ``x``, ``train``."""
    words = []
    for word in _WORD.findall(_MNIST.sub(r"\1_", name)):
        joined = _JOINED.fullmatch(word.lower())
        words += [piece for piece in joined.groups() if piece] if joined else [word.lower()]
    return words


def role_of(name: str) -> Role | None:
    """Return what a name says that examples are for: the last word that says something decides.

    ``usps.t``, as LIBSVM names test examples, is one of a test.
    """
    words = words_of(name)
    named = [ROLE_WORDS[word] for word in words if word in ROLE_WORDS]
    if not named and re.search(r"\.t(\.[a-z0-9]+)?$", name):
        return "test"
    return named[-1] if named else None


def as_numbers(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return numbers in the smallest of uint8 and float32 that holds them; truth values become 0 and 1."""
    if values.dtype == np.uint8:
        return values
    if values.dtype.kind == "b":
        return values.view(np.uint8) if values.flags.c_contiguous else values.astype(np.uint8)
    if values.dtype.kind in "iu" and values.size and values.min() >= 0 and values.max() <= 255:
        return values.astype(np.uint8)
    if values.dtype.kind == "f" and values.size and _are_bytes(values):
        return values.astype(np.uint8)
    return values.astype(np.float32, copy=False)


def _are_bytes(values: npt.NDArray[Any]) -> bool:
    """Whether all of them are whole numbers from 0 to 255, some of them above 1: 0 and 1 alone may be shares."""
    low, high = values.min(), values.max()
    rows = np.array_split(values, max(1, len(values) // ROWS_AT_ONCE))
    return bool(low >= 0 and 1 < high <= 255 and not any((part % 1).any() for part in rows))
