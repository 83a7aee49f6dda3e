"""CSV files, read by Arrow a piece at a time, into no more memory than the numbers need.

Where Arrow stumbles, that piece alone is read cell by cell: either a number is written in a way that Arrow does not
know, or the cell is named with its line and column.
"""

import concurrent.futures
import contextlib
import csv
import itertools
import os
import re
import reprlib
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from backprop_bench.data.errors import InputError
from backprop_bench.data.formats.columns import may_be_special
from backprop_bench.data.formats.csv_layout import (
    NUMBER,
    Layout,
    Record,
    decoded,
    is_number,
    read_layout,
    records,
    split_rows,
    text_pieces,
)
from backprop_bench.data.formats.part import Reading, Source
from backprop_bench.data.formats.table import Coded, Table, runs_of
from backprop_bench.data.progress import ProgressBar, is_watched

_PIECE_BYTES = 3 << 20
_LONGEST_CELL_LINES = 3
_HEXADECIMAL = re.compile(rb"\b0[xX]")
_BIG_FILE = 20_000_000  # bytes, from which on reading takes long enough for a progress bar


class Piece(NamedTuple):
    """Whole rows of a file, and how many lines precede them."""

    text: bytes
    n_lines: int


class Rows(NamedTuple):
    """What is read from a piece: numbers [n, plain columns], and the cells of special columns as they are written."""

    matrix: npt.NDArray[Any]
    words: dict[int, list[str]]


class _Growing:
    """A table that grows in place: no second copy of the matrix is ever made."""

    def __init__(self, n_columns: int, special: set[int]) -> None:
        self.matrix: npt.NDArray[Any] = np.empty((0, n_columns), np.uint8)
        self.runs = runs_of([column for column in range(n_columns) if column not in special])
        self.codes: dict[int, list[npt.NDArray[np.int64]]] = {column: [] for column in special}
        self.values: dict[int, dict[str, int]] = {column: {} for column in special}

    def append(self, rows: Rows) -> None:
        """Append rows; the matrix becomes float32 with the first that needs it."""
        if rows.matrix.dtype != np.uint8 and self.matrix.dtype == np.uint8:
            self.matrix = self.matrix.astype(np.float32)
        n_before = len(self.matrix)
        self.matrix.resize((n_before + len(rows.matrix), self.matrix.shape[1]), refcheck=False)
        start = 0
        for run in self.runs:
            end = start + run.stop - run.start
            self.matrix[n_before:, run] = rows.matrix[:, start:end]
            start = end
        for column, words in rows.words.items():
            known = self.values[column]
            self.codes[column].append(np.array([known.setdefault(word, len(known)) for word in words], np.int64))

    def coded(self, decimal: str) -> dict[int, Coded]:
        """Return the special columns, their numbers with a decimal point."""
        return {
            column: Coded(
                np.concatenate(codes) if codes else np.empty(0, np.int64),
                [
                    word.replace(",", ".") if decimal == "," and is_number(word) else word
                    for word in self.values[column]
                ],
            )
            for column, codes in self.codes.items()
        }


def read_csv(source: Source, reading: Reading) -> Table:
    """Return the table in a CSV file.

    Raises
    ------
    InputError
        At the first cell that is no number and in no column that may be labels; names its line and column.
    """
    layout, n_bytes = read_layout(source.path, source.shown)
    return read_rows(source, layout, n_bytes, reading)


def read_rows(source: Source, layout: Layout, n_bytes: int, reading: Reading) -> Table:
    """Return the table whose rows begin after so many bytes of a text; see :func:`read_csv`."""
    special = _special(source, layout, n_bytes, reading)
    reader = _Reader(source.shown, layout, frozenset(special))
    growing = _Growing(layout.n_columns, special)
    with _progress(source.path) as show:
        for rows, n_read in _in_parallel(reader, _pieces(source, layout, n_bytes)):
            growing.append(rows)
            show(n_read)
    if not len(growing.matrix):
        raise InputError(f"{source.shown}: has a header only, expected rows of a label and its inputs after it")
    return Table(
        shown=source.shown,
        relative=source.relative,
        names=layout.names,
        matrix=growing.matrix,
        coded=growing.coded(layout.decimal),
        line=layout.line,
        where=lambda row: f"line {_line_of(reader, _pieces(source, layout, n_bytes), row)}",
    )


def _line_of(reader: "_Reader", pieces: Iterator[Piece], row: int) -> int:
    """Return the line of a row, from 0, by reading the file again."""
    records = (record for piece in pieces for record in reader.records(piece))
    return next(itertools.islice(records, row, None)).line


def _special(source: Source, layout: Layout, n_bytes: int, reading: Reading) -> set[int]:
    """Return the columns to be read as written: those that may be labels, and those that have words."""
    special = may_be_special(layout.names, layout.n_columns, reading)
    first = next(_pieces(source, layout, n_bytes), Piece(b"", 0))
    lines = first.text.decode(errors="replace").splitlines(keepends=True)[:200]
    with contextlib.suppress(csv.Error):
        rows = [cells for cells in split_rows(lines, layout.delimiter) if len(cells) == layout.n_columns]
        for column in range(layout.n_columns):
            cells = [row[column] for row in rows]
            if cells and sum(_is_word(cell) for cell in cells) > len(cells) / 2:
                special.add(column)
    return special


def _is_word(cell: str) -> bool:
    return bool(cell.strip()) and not NUMBER.fullmatch(cell.replace(",", "."))


def _pieces(source: Source, layout: Layout, n_bytes: int) -> Iterator[Piece]:
    """Yield the rows of a file in pieces that end with a line."""
    rest, n_lines, to_skip = b"", layout.n_lines, n_bytes
    for text in text_pieces(source.path, source.shown, _PIECE_BYTES):
        start, to_skip = min(to_skip, len(text)), max(0, to_skip - len(text))
        end = max(start, text.rfind(b"\n") + 1)
        rows = b"".join([rest, memoryview(text)[start:end]])  # the only copy
        if end > start:
            yield Piece(rows, n_lines)
            n_lines += rows.count(b"\n")
        rest = text[end:] if end > start else rows + text[end:]
    if rest.strip():
        yield Piece(rest + b"\n", n_lines)


def _in_parallel(reader: "_Reader", pieces: Iterator[Piece]) -> Iterator[tuple[Rows, int]]:
    """Yield the rows of each piece, in order, and the bytes read so far; a few pieces are in memory at a time."""
    n_read = 0
    n_threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with concurrent.futures.ThreadPoolExecutor(n_threads) as pool:
        waiting: deque[tuple[concurrent.futures.Future[Rows], int]] = deque()
        for piece in pieces:
            waiting.append((pool.submit(reader.read, piece), len(piece.text)))
            while len(waiting) > n_threads:
                future, n_bytes = waiting.popleft()
                n_read += n_bytes
                yield future.result(), n_read
        for future, n_bytes in waiting:
            n_read += n_bytes
            yield future.result(), n_read


class _Reader:
    """Reads pieces of a file of one layout; several threads may use it."""

    def __init__(self, shown: str, layout: Layout, special: frozenset[int]) -> None:
        self.shown = shown
        self.layout = layout
        self.special = special
        self.may_be_empty = {layout.n_columns - 1} if layout.empty_end else set()
        self._arrow = {dtype: _ArrowReader(layout, special, dtype) for dtype in ("uint8", "float32")}
        self._dtype: str = "uint8"

    def read(self, piece: Piece) -> Rows:
        """Return the rows of a piece: bytes where all are whole numbers from 0 to 255, else float32."""
        text = _one_blank(piece.text) if self.layout.delimiter == " " else piece.text
        for dtype in ("uint8", "float32") if self._dtype == "uint8" else ("float32",):
            rows = self._by_arrow(text, dtype)
            if rows is not None:
                return rows
            self._dtype = "float32"  # the pieces after it are likely of the same kind
        return self._cell_by_cell(piece)

    def _by_arrow(self, text: bytes, dtype: str) -> Rows | None:
        """Return the rows as Arrow reads them; ``None`` if it cannot, or if a cell is empty or no finite number."""
        if (b"x" in text or b"X" in text) and _HEXADECIMAL.search(text):  # a number to Arrow alone
            return None
        rows = self._arrow[dtype].read(text)
        if rows is None or any(
            not self._is_plain(word, column) for column in self.special for word in rows.words[column]
        ):
            return None
        if dtype == "float32" and not np.isfinite(rows.matrix).all():
            return None
        return rows._replace(matrix=_as_bytes(rows.matrix))

    def _is_plain(self, word: str, column: int) -> bool:
        """Whether a cell is as it should be: not empty, and without quotes, which Arrow leaves after a blank."""
        return not word.startswith('"') if word else column in self.may_be_empty

    def _cell_by_cell(self, piece: Piece) -> Rows:
        """Return the rows of a piece, or raise `InputError` for the first bad cell."""
        rows: list[list[float]] = []
        words: dict[int, list[str]] = {column: [] for column in self.special}
        for cells, line, _ in self.records(piece):
            if len(cells) != self.layout.n_columns:
                raise InputError(
                    f"{self.shown}: line {line} has {len(cells)} columns, "
                    f"expected {self.layout.n_columns}, as in line {self.layout.line}"
                )
            numbers = []
            for column, cell in enumerate(cells):
                if column in self.special:
                    words[column].append(self._word(cell, line, column))
                else:
                    numbers.append(self._number(cell, line, column))
            rows.append(numbers)
        n_plain = self.layout.n_columns - len(self.special)
        return Rows(_as_bytes(np.array(rows, np.float32).reshape(len(rows), n_plain)), words)

    def records(self, piece: Piece) -> Iterator[Record]:
        """Yield the rows of a piece that are not blank."""
        lines = [
            decoded(line + b"\n", number, self.shown)
            for number, line in enumerate(piece.text.split(b"\n")[:-1], piece.n_lines + 1)
        ]
        for record in records(lines, self.layout.delimiter, piece.n_lines, self.shown):
            if record.n_lines == piece.n_lines + len(lines) and record.n_lines - record.line > _LONGEST_CELL_LINES:
                raise InputError(
                    f"{self.shown}: line {record.line} opens a quote that is never closed, expected closed quotes"
                )
            yield record

    def _word(self, cell: str, line: int, column: int) -> str:
        if not cell.strip() and column not in self.may_be_empty:
            raise self._bad(cell, line, column, "a label or a number")
        return cell.strip()

    def _number(self, cell: str, line: int, column: int) -> float:
        written = cell.replace(",", ".") if self.layout.decimal == "," else cell
        value = float(written) if NUMBER.fullmatch(written) else float("nan")
        if not abs(value) < 3e38:
            raise self._bad(cell, line, column, "a number")
        return value

    def _bad(self, cell: str, line: int, column: int, expected: str) -> InputError:
        actual = reprlib.repr(cell.strip()) if cell.strip() else "empty"
        names = self.layout.names
        name = f" ({names[column]})" if names is not None and names[column] else ""
        return InputError(f"{self.shown}: line {line}, column {column + 1}{name} is {actual}, expected {expected}")


class _ArrowReader:
    """Reads a text by Arrow: numbers of one dtype, special columns as words."""

    def __init__(self, layout: Layout, special: frozenset[int], dtype: str) -> None:
        import pyarrow as pa
        import pyarrow.csv

        self._special = sorted(special)
        self._dtype = dtype
        self._names = [str(column) for column in range(layout.n_columns)]
        types = {name: pa.type_for_alias(dtype) for name in self._names}
        self._convert = pyarrow.csv.ConvertOptions(
            column_types=types | {str(column): pa.string() for column in special},
            null_values=[],
            strings_can_be_null=False,
            decimal_point=layout.decimal,
        )
        delimiter = "," if layout.delimiter == " " else layout.delimiter
        self._quoted = pyarrow.csv.ParseOptions(delimiter=delimiter)
        self._plain = pyarrow.csv.ParseOptions(delimiter=delimiter, quote_char=False)  # is faster

    def read(self, text: bytes) -> Rows | None:
        """Return the rows; ``None`` if Arrow cannot read them."""
        import pyarrow as pa
        import pyarrow.csv

        options = pyarrow.csv.ReadOptions(use_threads=False, block_size=len(text) + 1, column_names=self._names)
        parse = self._quoted if b'"' in text else self._plain
        try:
            table = pyarrow.csv.read_csv(
                pa.py_buffer(text), read_options=options, parse_options=parse, convert_options=self._convert
            )
        except (pa.ArrowException, ValueError):
            return None
        words = {column: [str(word).strip() for word in table.column(column).to_pylist()] for column in self._special}
        plain = table.drop_columns([str(column) for column in self._special])
        if not plain.num_columns or not len(table):
            return Rows(np.empty((len(table), plain.num_columns), self._dtype), words)
        (batch,) = plain.to_batches()
        return Rows(batch.to_tensor(row_major=True).to_numpy(), words)


def _one_blank(text: bytes) -> bytes:
    """Return a text with a comma for any blanks between cells."""
    return re.sub(rb"[ \t]+", b",", re.sub(rb"(?m)^[ \t]+|[ \t]+$", b"", text))


def _as_bytes(matrix: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return whole numbers from 0 to 255 as bytes, others as they are."""
    if matrix.dtype == np.uint8 or (matrix.size and (matrix.min() < 0 or matrix.max() > 255)):
        return matrix
    whole = matrix.astype(np.uint8)
    return whole if (whole == matrix).all() else matrix


@contextlib.contextmanager
def _progress(path: Path) -> Iterator[Callable[[int], None]]:
    """Give a function that shows how many bytes of the text were read; it shows nothing if nobody is looking."""
    size = path.stat().st_size
    if size < _BIG_FILE or not is_watched():
        yield lambda _: None
        return
    bar = ProgressBar(f"reading {path.name}", size)
    try:
        yield bar.show
    finally:
        bar.close()
