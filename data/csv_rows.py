"""CSV, one record after the other: slow, but it knows the line and column of what is wrong."""

import csv
import io
import itertools
import re
import reprlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from backprop_bench.data.errors import InputError
from backprop_bench.data.files import READ_ERRORS, open_unpacked, unreadable

LARGEST_LABEL = 999
LARGEST_PIXEL = 255

_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*", re.ASCII | re.IGNORECASE)
_NO_VALUE = {"nan", "inf", "+inf", "-inf", "infinity", "-infinity"}
_LABEL_NAMES = {"label", "labels", "class", "target"}


class Record(NamedTuple):
    """A record that is not blank: its fields, its number among all records and its first line, both from 1."""

    fields: list[str]
    number: int
    line: int


class Layout(NamedTuple):
    """How a CSV file is laid out.

    Attributes
    ----------
    n_columns
        Columns of every record, the label's included.
    n_skipped
        Records up to the header, blank ones counted; 0 without a header.
    line
        First line of the record that decided it.
    """

    n_columns: int
    n_skipped: int
    line: int


def read_layout(path: Path) -> Layout:
    """Return the layout of a CSV file, by its first record; raises `InputError` if that is no label and pixels."""
    first = next(_records(path), None)
    if first is None:
        raise InputError(f"{path}: is empty, expected lines of a label and its pixels, separated by commas")
    if len(first.fields) < 2:
        raise InputError(
            f"{path}: line {first.line} has 1 column, expected a label and its pixels, separated by commas"
        )
    header = _is_header(first.fields)
    if header:
        _check_header(path, first)
    return Layout(len(first.fields), first.number if header else 0, first.line)


def read_rows(path: Path, layout: Layout, n_trusted: int) -> Iterator[list[int]]:
    """Yield label and pixels of every example of a CSV file after the first ``n_trusted``.

    Raises
    ------
    InputError
        At the first record that is not a label and its pixels, with its line and column.
    """
    data = (record for record in _records(path) if record.number > layout.n_skipped)
    for n_before, record in enumerate(data):
        if n_before >= n_trusted:
            yield _whole_numbers(path, layout, record)


def _records(path: Path) -> Iterator[Record]:
    try:
        with path.open("rb") as packed:
            reader = csv.reader(_lines(path, open_unpacked(packed, path)))
            for number in itertools.count(1):
                line = reader.line_num + 1
                try:
                    fields = next(reader, None)
                except csv.Error as error:
                    raise InputError(f"{path}: line {line} is no CSV ({error}), expected closed quotes") from error
                if fields is None:
                    return
                if len(fields) > 1 or (fields and fields[0].strip()):
                    yield Record(fields, number, line)
    except READ_ERRORS as error:
        raise unreadable(path, error) from error


def _lines(path: Path, stream: IO[bytes]) -> Iterator[str]:
    # Bytes that are not UTF-8 become lone surrogates, so that they are found in the line that they are in.
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape")
    for number, line in enumerate(text, 1):
        if not line.isascii() and (strange := re.search("[\udc80-\udcff]", line)):
            byte = ord(strange[0]) - 0xDC00
            raise InputError(f"{path}: line {number} has the byte 0x{byte:02x}, expected UTF-8 text")
        yield line


def _is_header(fields: list[str]) -> bool:
    """Whether these are names: no number is among them, or a name comes first, then 0, 1, 2, … or 1, 2, 3, … do."""
    is_number = [bool(_NUMBER.fullmatch(field)) or field.strip().lower() in _NO_VALUE for field in fields]
    if is_number[0] or not fields[0].strip():
        return False
    counts = ([str(number) for number in range(first, first + len(fields) - 1)] for first in (0, 1))
    return not any(is_number) or fields[1:] in counts


def _check_header(path: Path, header: Record) -> None:
    """Refuse a file that has its labels in another column, which would be read as nonsense."""
    names = [name.strip().lower() for name in header.fields]
    if names[0] in _LABEL_NAMES:
        return
    for column, name in enumerate(names, 1):
        if name in _LABEL_NAMES:
            raise InputError(f"{path}: line {header.line} has {name!r} in column {column}, expected it in column 1")


def _whole_numbers(path: Path, layout: Layout, record: Record) -> list[int]:
    if len(record.fields) != layout.n_columns:
        raise InputError(
            f"{path}: line {record.line} has {len(record.fields)} columns, "
            f"expected {layout.n_columns}, as in line {layout.line}"
        )
    numbers = []
    for column, field in enumerate(record.fields, 1):
        largest = LARGEST_LABEL if column == 1 else LARGEST_PIXEL
        number = float(field) if _NUMBER.fullmatch(field) else -1.0
        if not (number.is_integer() and 0 <= number <= largest):
            shown = reprlib.repr(field.strip()) if field.strip() else "empty"
            what = "label" if column == 1 else "pixel"
            raise InputError(
                f"{path}: line {record.line}, column {column} is {shown}, "
                f"expected a {what}, a whole number from 0 to {largest}"
            )
        numbers.append(int(number))
    return numbers
