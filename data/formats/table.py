"""`Table`: rows and columns, as CSV, ARFF and Parquet files have them; most of it a matrix of numbers."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from backprop_bench.data.errors import InputError
from backprop_bench.data.formats.csv_layout import NUMBER
from backprop_bench.data.formats.part import ROWS_AT_ONCE

Whole = npt.NDArray[np.int64]


@dataclasses.dataclass
class Coded:
    """A column as it is written: codes [N] into the different values.

    A label is a word, or a number of any size; so is the number of a row. Inputs are in :class:`Table`'s matrix.
    """

    codes: Whole
    values: list[str]

    def numbers(self) -> npt.NDArray[np.float64] | None:
        """Return the values as numbers [N]; ``None`` if one of them is none."""
        if any(map(is_word, self.values)):
            return None
        return np.array([float(value) for value in self.values])[self.codes]

    def labels(self) -> npt.NDArray[Any]:
        """Return whole numbers [N] where all values are, else words."""
        numbers = self.numbers()
        if numbers is not None and (numbers == np.trunc(numbers)).all() and np.abs(numbers).max() < 2**53:
            return numbers.astype(np.int64)
        return np.array(self.values)[self.codes]

    def all_differ(self) -> bool:
        """Whether no value occurs twice."""
        return len(self.values) == len(self.codes)

    def is_empty(self) -> bool:
        """Whether no row has a value: every row of the file ends in a delimiter."""
        return self.values == [""]

    def has_words(self) -> bool:
        """Whether most of the different values are words; a single one among numbers is a bad cell."""
        return 2 * sum(map(is_word, self.values)) > len(self.values)

    def first_word(self) -> tuple[int, str]:
        """Return the first row, from 0, that has no number, and what it has."""
        code = next(code for code, value in enumerate(self.values) if is_word(value))
        return int(np.argmax(self.codes == code)), self.values[code]


def is_word(value: str) -> bool:
    """Whether a cell has no finite number."""
    return not NUMBER.fullmatch(value) or abs(float(value)) == float("inf")


@dataclasses.dataclass
class Table:
    """Rows and columns.

    Attributes
    ----------
    shown
        Where it is from, for messages.
    relative
        Its name below what the user gave, from which its role is read.
    names
        Names of the columns, where it has any.
    matrix
        All columns [N, columns], uint8 or float32. What stands in the columns that are in ``coded`` is no use.
    coded
        Columns that may be labels or the number of the row, by their number from 0.
    label
        Column of the labels, where the file says it.
    classes
        What whole numbers as labels stand for, where the file says it.
    line
        Line of the names, or of the first row, for messages.
    where
        Says where the row of a number, from 0, is.
    """

    shown: str
    relative: str
    names: Sequence[str] | None
    matrix: npt.NDArray[Any]
    coded: dict[int, Coded]
    label: int | None = None
    classes: tuple[str, ...] = ()
    line: int = 1
    where: Callable[[int], str] = lambda row: f"row {row + 1}"

    @property
    def n_columns(self) -> int:
        """Number of columns."""
        return int(self.matrix.shape[1])

    @property
    def lower_names(self) -> list[str]:
        """Names of the columns in small letters; empty without names."""
        return [name.strip().lower() for name in self.names or ()]

    def called(self, column: int) -> str:
        """Return what a column is called in messages."""
        name = self.names[column].strip() if self.names is not None else ""
        return f"column {name!r}" if name else f"column {column + 1}"

    def written(self, column: int) -> Coded:
        """Return a column as it is written, also one that was read as numbers."""
        if column in self.coded:
            return self.coded[column]
        values, codes = np.unique(self.matrix[:, column], return_inverse=True)
        return Coded(codes.astype(np.int64), [f"{value:.9g}" for value in values.tolist()])

    def numbers(self, column: int) -> npt.NDArray[Any]:
        """Return a column as numbers [N], all of them nan if one is none."""
        if column not in self.coded:
            values: npt.NDArray[Any] = self.matrix[:, column]
            return values
        numbers = self.coded[column].numbers()
        return np.full(len(self.matrix), np.nan) if numbers is None else numbers

    def inputs(self, columns: Sequence[int]) -> npt.NDArray[Any]:
        """Return these columns as a matrix [N, D], in the memory that the table has; the table is no use afterwards.

        Raises
        ------
        InputError
            At the first cell that is no number.
        """
        for column in columns:
            if column in self.coded:
                self._put_back(column)
        rising = sorted(columns)
        matrix = keep_columns(self.matrix, rising)
        return matrix if rising == list(columns) else matrix[:, np.argsort(np.argsort(columns))]

    def _put_back(self, column: int) -> None:
        """Write a column that turned out to be inputs into the matrix, which becomes float32 where it must."""
        numbers = self.coded[column].numbers()
        if numbers is None:
            row, word = self.coded[column].first_word()
            raise InputError(
                f"{self.shown}: {self.where(row)}, {self.called(column)} is {word!r}, expected a number; if this "
                "column "
                "has the labels, say so with --label"
            )
        whole = (numbers == np.trunc(numbers)).all() and numbers.min() >= 0 and numbers.max() <= 255
        if not whole and self.matrix.dtype == np.uint8:
            self.matrix = self.matrix.astype(np.float32)
        self.matrix[:, column] = numbers


def keep_columns(matrix: npt.NDArray[Any], columns: Sequence[int]) -> npt.NDArray[Any]:
    """Return some columns, rising, of a matrix [N, columns], in the memory that it has."""
    if len(columns) == matrix.shape[1]:
        return matrix
    n_kept, runs = len(columns), runs_of(columns)
    flat = matrix.reshape(-1)
    for start in range(0, len(matrix), ROWS_AT_ONCE):  # what is written lies before what is still to be read
        rows = matrix[start : start + ROWS_AT_ONCE]
        packed = np.concatenate([rows[:, run] for run in runs], axis=1) if runs else rows[:, :0]
        flat[start * n_kept :][: packed.size] = packed.reshape(-1)
    return flat[: len(matrix) * n_kept].reshape(len(matrix), n_kept)


def runs_of(columns: Sequence[int]) -> list[slice]:
    """Return the slices that rising numbers make up: 1, 2, 3, 7 are 1 to 3 and 7."""
    present = set(columns)
    starts = [column for column in columns if column - 1 not in present]
    ends = [column + 1 for column in columns if column + 1 not in present]
    return [slice(start, end) for start, end in zip(starts, ends, strict=True)]
