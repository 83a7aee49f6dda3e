"""ARFF, the format of Weka and OpenML: a header of attributes, then rows as in CSV."""

import dataclasses
import re
from collections.abc import Iterator

from backprop_bench.data.errors import InputError
from backprop_bench.data.formats.columns import LABEL_NAMES
from backprop_bench.data.formats.csv_layout import Layout, decoded, text_pieces
from backprop_bench.data.formats.csv_read import read_rows
from backprop_bench.data.formats.part import Reading, Source
from backprop_bench.data.formats.table import Table

_ATTRIBUTE = re.compile(r"\s*@attribute\s+('[^']*'|\"[^\"]*\"|\S+)\s+(.*)", re.IGNORECASE)
_DATA = re.compile(r"\s*@data\b", re.IGNORECASE)


def read_arff(source: Source, reading: Reading) -> Table:
    """Return the table in an ARFF file; its labels are the attribute named so, else the last one if that has words.

    Raises
    ------
    InputError
        If it has no rows, or sparse ones; for a bad cell, as :func:`read_csv` does.
    """
    header, first = _header(source)
    attributes = [match for line in header if (match := _ATTRIBUTE.match(line))]
    names = tuple(match[1].strip("'\"") for match in attributes)
    if len(names) < 2:
        raise InputError(f"{source.shown}: has {len(names)} attributes, expected those of a label and its inputs")
    if first.lstrip().startswith("{"):
        raise InputError(f"{source.shown}: has sparse rows, which are not read; save it as dense ARFF or as CSV")
    layout = Layout(",", ".", names, len(names), len(header) + 1, len(header))
    table = read_rows(source, layout, sum(len(line.encode()) for line in header), reading)
    for coded in table.coded.values():
        coded.values = [value.strip("'\"") for value in coded.values]
    has_words = attributes[-1][2].lstrip().startswith("{")
    named = any(name.lower() in LABEL_NAMES for name in names)
    return dataclasses.replace(table, label=len(names) - 1 if has_words and not named else None)


def _header(source: Source) -> tuple[list[str], str]:
    """Return the lines before the first row, and that row."""
    lines: list[str] = []
    in_data = False
    for number, line in enumerate(_lines(source), 1):
        text = decoded(line, number, source.shown)
        if in_data and text.strip() and not text.startswith("%"):
            return lines, text
        in_data = in_data or bool(_DATA.match(text))
        lines.append(text)
    raise InputError(f"{source.shown}: is an ARFF file without rows after @data, expected some")


def _lines(source: Source) -> Iterator[bytes]:
    rest = b""
    for piece in text_pieces(source.path, source.shown, 1 << 16):
        *lines, rest = (rest + piece).split(b"\n")
        yield from (line + b"\n" for line in lines)
    if rest:
        yield rest
