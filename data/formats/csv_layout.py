"""How a CSV file is written: encoding, delimiter, decimal point, names of the columns, where the rows begin."""

import codecs
import csv
import dataclasses
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import mode
from typing import Final, NamedTuple

from backprop_bench.data.errors import InputError
from backprop_bench.data.files import unpacked_pieces
from backprop_bench.data.formats.recognise import utf16_without_mark

NUMBER: Final = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*", re.ASCII | re.IGNORECASE)
"""A number as it may stand in a cell."""

_NO_VALUE = {"nan", "inf", "+inf", "-inf", "infinity", "-infinity"}
_DELIMITERS = ("\t", ";", "|", ",", " ")
_SAMPLE_ROWS = 50
_HEAD_BYTES = 200
_SAMPLE_BYTES = 1 << 26
_SEPARATOR_LINE = re.compile(r"sep=(.)\s*", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"\s*[+-]?\d+,\d+\s*")


@dataclasses.dataclass(frozen=True)
class Layout:
    """How a CSV file is written.

    Attributes
    ----------
    delimiter
        What separates the cells; a blank stands for any blanks and tabs.
    decimal
        ``.`` or ``,``.
    names
        Names of the columns, or ``None``.
    n_columns
        Cells of a row.
    line
        Line of the names, else of the first row, from 1.
    n_lines
        Lines before the first row: the names, comments, blank ones.
    empty_end
        Whether every row ends in a delimiter, so that the last column is empty.
    """

    delimiter: str
    decimal: str
    names: tuple[str, ...] | None
    n_columns: int
    line: int
    n_lines: int
    empty_end: bool = False


def text_pieces(path: Path, shown: str, size: int) -> Iterator[bytes]:
    """Yield the text of a file as UTF-8, so many bytes at a time, without byte order mark, its lines as Unix ends them.

    Raises
    ------
    InputError
        As :func:`unpacked_pieces`, or if it is UTF-16 and damaged.
    """
    pieces = unpacked_pieces(path, shown, size)
    first = b""
    for piece in pieces:
        first += piece
        if len(first) >= _HEAD_BYTES:
            break
    decoder = _utf16_decoder(first)
    if decoder is None:
        first = first.removeprefix(codecs.BOM_UTF8)
    after_return = False
    for piece in itertools.chain([first], pieces):
        text = piece if decoder is None else _transcoded(decoder, piece, shown)
        if b"\r" in text or after_return:
            text, after_return = _unix_lines(text, after_return)
        yield text
    if decoder is not None:
        _transcoded(decoder, b"", shown, final=True)


def _utf16_decoder(head: bytes) -> codecs.IncrementalDecoder | None:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return codecs.getincrementaldecoder("utf-16")()
    encoding = utf16_without_mark(head[:_HEAD_BYTES])
    return codecs.getincrementaldecoder(encoding)() if encoding else None


def _transcoded(decoder: codecs.IncrementalDecoder, piece: bytes, shown: str, final: bool = False) -> bytes:
    try:
        return decoder.decode(piece, final).encode()
    except UnicodeError as error:
        raise InputError(f"{shown}: begins as UTF-16 text, but {error}; expected UTF-16 to its end") from error


def _unix_lines(text: bytes, after_return: bool) -> tuple[bytes, bool]:
    """Return the text with its lines as Unix ends them, and whether it stops within an end of Windows."""
    if after_return and text.startswith(b"\n"):
        text = text[1:]
    return text.replace(b"\r\n", b"\n").replace(b"\r", b"\n"), text.endswith(b"\r")


def read_layout(path: Path, shown: str) -> tuple[Layout, int]:
    """Return the layout of a CSV file, by its first rows, and the bytes of its text before the first row.

    Raises
    ------
    InputError
        If there is no row, or only one column.
    """
    lines = _first_lines(path, shown)
    n_skipped, delimiter, comment = _before_the_table(lines)
    if not any(line.strip() for line in lines[n_skipped:]):
        raise InputError(f"{shown}: is empty, expected rows of a label and its inputs, in columns")
    delimiter = delimiter or _delimiter(lines[n_skipped:])
    sample = list(records(lines[n_skipped:], delimiter, n_skipped, shown))
    first = sample[0]
    if len(first.cells) < 2:
        raise InputError(
            f"{shown}: line {first.line} has 1 column, expected a label and its inputs, separated by commas, "
            "semicolons, "
            "tabs or blanks"
        )
    rows = [record.cells for record in sample[1:]]
    names = _names(first.cells, rows)
    if names is None:
        names = _names_in(comment, delimiter, first.cells)
        rows, n_lines = [first.cells, *rows], n_skipped
    else:
        n_lines = first.n_lines
    if not rows:
        raise InputError(f"{shown}: has a header only, expected rows of a label and its inputs after it")
    n_columns = len(names or first.cells)
    layout = Layout(
        delimiter=delimiter,
        decimal=_decimal(rows, delimiter),
        names=names,
        n_columns=n_columns,
        line=first.line,
        n_lines=n_lines,
        empty_end=all(len(cells) == n_columns and not cells[-1].strip() for cells in rows),
    )
    return layout, sum(len(text.encode(errors="surrogateescape")) for text in lines[:n_lines])


def _first_lines(path: Path, shown: str) -> list[str]:
    """Return the first lines of a file; raises `InputError` where one is no UTF-8, or is far too long."""
    text = b""
    for piece in text_pieces(path, shown, 1 << 16):
        text += piece
        n_lines = text.count(b"\n")
        if n_lines > _SAMPLE_ROWS:
            text = text[: text.rindex(b"\n") + 1]
            break
        if len(text) > _SAMPLE_BYTES:
            raise InputError(f"{shown}: line {n_lines + 1} is longer than 64 MB, expected rows of a table")
    return [decoded(line, number, shown) for number, line in enumerate(text.splitlines(keepends=True), 1)]


def decoded(line: bytes, number: int, shown: str) -> str:
    """Return a line as text; raises `InputError` if it is no UTF-8."""
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise InputError(
            f"{shown}: line {number} has the byte 0x{line[error.start]:02x}, expected UTF-8 text"
        ) from error


def _before_the_table(lines: Sequence[str]) -> tuple[int, str | None, str]:
    """Return the number of comments and blank lines before the table, the delimiter of ``sep=;``, the last comment."""
    n_skipped, delimiter, comment = 0, None, ""
    for line in lines:
        if match := _SEPARATOR_LINE.fullmatch(line.rstrip("\n").strip('"')):
            delimiter = match[1]
        elif line.startswith("#") and line[1:2] not in _DELIMITERS[:-1]:  # "#,a,b" are names
            comment = line[1:].strip()
        elif line.strip():
            break
        n_skipped += 1
    return n_skipped, delimiter, comment


def _names_in(comment: str, delimiter: str, first: list[str]) -> tuple[str, ...] | None:
    """Return the names of the columns in a comment before the rows, as `numpy.savetxt` writes them."""
    names = [name.strip() for name in next(iter(split_rows([comment], delimiter)), [])]
    return tuple(names) if len(names) == len(first) and not any(map(is_number, names)) else None


def _delimiter(lines: Iterable[str]) -> str:
    """Return the delimiter that gives most rows the same number of cells, more than one."""
    sample = [line for line in lines if line.strip()][:20]
    best, best_share = ",", 0.0
    for delimiter in _DELIMITERS:
        try:
            lengths = [len(cells) for cells in split_rows(sample, delimiter)]
        except csv.Error:  # a line without this delimiter is longer than a cell may be
            continue
        usual = mode(lengths) if lengths else 0
        share = lengths.count(usual) / len(lengths) if usual > 1 else 0.0
        if share > best_share + 1e-9:
            best, best_share = delimiter, share
    return best


def split_rows(lines: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    """Yield the cells of each row; may raise `csv.Error`."""
    if delimiter == " ":
        return ([cell.strip('"') for cell in line.split()] for line in lines)
    return csv.reader(lines, delimiter=delimiter, skipinitialspace=True)


class Record(NamedTuple):
    """A row that is not blank: its cells, its first line from 1, and the lines up to its end."""

    cells: list[str]
    line: int
    n_lines: int


def records(lines: Sequence[str], delimiter: str, n_before: int, shown: str) -> Iterator[Record]:
    """Yield the rows in lines that so many others precede; raises `InputError` for a quote that is never closed."""
    used = 0

    def counted() -> Iterator[str]:
        nonlocal used
        for text in lines:
            used += 1
            yield text

    rows = split_rows(counted(), delimiter)
    while True:
        line = n_before + used + 1
        try:
            cells = next(rows, None)
        except csv.Error as error:
            raise InputError(f"{shown}: line {line} is no CSV ({error}), expected closed quotes") from error
        if cells is None:
            return
        if len(cells) > 1 or (cells and cells[0].strip()):
            yield Record(cells, line, n_before + used)


def _names(cells: list[str], rows: list[list[str]]) -> tuple[str, ...] | None:
    """Return the names of the columns, if the first row has them.

    There is one fewer where R has written the numbers of the rows before them, and where every row ends in a delimiter.
    """
    if not _are_names(cells, rows):
        return None
    names = tuple(cell.strip() for cell in cells)
    if rows and all(len(row) == len(cells) + 1 for row in rows):
        if all(row[0] == str(number) for number, row in enumerate(rows, 1)):
            return ("", *names)
        if not any(row[-1].strip() for row in rows):
            return (*names, "")
    if rows and not names[-1] and all(len(row) == len(cells) - 1 for row in rows):
        return names[:-1]
    return names


def _are_names(cells: list[str], rows: list[list[str]]) -> bool:
    """Whether these are names: none is a number, or the numbers count 0, 1, 2, … or 1, 2, 3, … as columns are numbered.

    A first row of words is no names where all rows have words in the same columns.
    """
    numbers = [cell.strip() for cell in cells if is_number(cell)]
    words = [column for column, cell in enumerate(cells) if not is_number(cell)]
    if not numbers:
        return not rows or any(is_number(cell) for row in rows[:3] for cell in row)
    counts = [[str(number) for number in range(first, first + len(numbers))] for first in (0, 1)]
    if numbers not in counts or len(cells) < 4:
        return False
    return not words or words == list(range(len(words))) or words == list(range(len(cells) - len(words), len(cells)))


def is_number(cell: str) -> bool:
    """Whether a cell has a number, or says that it has none (nan)."""
    return bool(NUMBER.fullmatch(cell)) or bool(_DECIMAL_COMMA.fullmatch(cell)) or cell.strip().lower() in _NO_VALUE


def _decimal(rows: Sequence[Sequence[str]], delimiter: str) -> str:
    if delimiter == ",":
        return "."
    return "," if any(_DECIMAL_COMMA.fullmatch(cell) for cells in rows for cell in cells) else "."
