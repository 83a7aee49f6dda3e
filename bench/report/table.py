"""`Table`: rows of text, and how they are written for a terminal, for programs, in Markdown and in HTML."""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import rich.box
import rich.table
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from rich.cells import cell_len
from rich.console import Group
from rich.text import Text

from backprop_bench.bench.report.numbers import clean, listing

LONG = 30
"""A table with more rows than this is folded on a page, under its title."""

GAP = 2
"""Columns of a terminal between those of a table."""
LONGEST_WORD = 24
"""Letters of a word that a terminal shows whole; a longer one may be broken."""

TEMPLATES = Environment(
    loader=PackageLoader("backprop_bench.bench.report"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
"""Whatever is put into a template is escaped."""

MARKDOWN_SIGNS = re.compile(r"([\\`*_{}\[\]<>|#$~&!])")

KILO, KIBI = 1e3, 1024.0
PREFIXES = {"n": 1e-9, "µ": 1e-6, "m": 1e-3, "": 1.0, "k": KILO, "M": KILO**2, "G": KILO**3, "T": KILO**4}
PREFIXES |= {"Ki": KIBI, "Mi": KIBI**2}
LEADING_NUMBER = re.compile(
    r"(?:< |× )?(?P<number>[-+−]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?)(?![\w.:-])"
    r"(?:\s(?P<prefix>n|µ|m|k|Ki|M|Mi|G|T)?(?:s|J|B|FLOP|FLOP/s|B/s)(?!\w))?"
)
"""A number with its unit, such as "1,234.5 MiB", "< 0.001" and "45.6 ms (45.1–46.0)", but no date and no version."""


@dataclass(frozen=True)
class Column:
    """The head of a column."""

    name: str
    align: Literal["left", "right"] = "right"


@dataclass(frozen=True)
class Table:
    """A table of text, whose cells are cleaned of control characters.

    Raises
    ------
    ValueError
        For a row that has not one cell per column.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"{self.title}: a row has {len(row)} cells for {len(self.columns)} columns")
        object.__setattr__(self, "title", clean(self.title))
        object.__setattr__(self, "note", clean(self.note))
        object.__setattr__(self, "rows", tuple(tuple(map(clean, row)) for row in self.rows))

    @property
    def is_long(self) -> bool:
        """Whether the table is better folded on a page."""
        return len(self.rows) > LONG


def make_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], note: str = "") -> Table:
    """Build a table; a column whose name begins with "<" is aligned to the left, any other to the right."""
    heads = tuple(
        Column(clean(name.removeprefix("<")), "left" if name.startswith("<") else "right") for name in columns
    )
    return Table(title, heads, tuple(map(tuple, rows)), note)


def to_rich(table: Table, width: int) -> Group:
    """Return the table for a terminal of so many columns; nothing in its cells is taken for markup.

    Columns that do not fit are left out, the last ones first, and named below.
    """
    shown = rich.table.Table(box=rich.box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
    widths = _widths(table, width)
    for column, columns in zip(table.columns, widths, strict=False):
        shown.add_column(Text(column.name), justify=column.align, overflow="fold", width=columns)
    for row in table.rows:
        shown.add_row(*map(Text, row[: len(widths)]))
    notes = [table.note] if table.note else []
    if len(widths) < len(table.columns):
        notes.append(f"Columns that do not fit: {listing(column.name for column in table.columns[len(widths) :])}.")
    return Group(Text(table.title, style="bold"), shown, *(Text(note, style="dim") for note in notes))


def _widths(table: Table, available: int) -> list[int]:
    """Return the widths of the columns that fit, each a word at least; what is left makes the highest cells lower."""
    least, most = [], []
    for column, *cells in zip(table.columns, *table.rows, strict=True):
        words = [word for text in (column.name, *cells) for word in text.split(" ")]
        least.append(min(max(map(cell_len, words)), LONGEST_WORD))
        most.append(max(map(cell_len, (*words, *cells))))
    n = max((n for n in range(1, len(least) + 1) if sum(least[:n]) + GAP * (n - 1) <= available), default=1)
    widths, spare = least[:n], available - sum(least[:n]) - GAP * (n - 1)
    for _ in range(spare):
        highest = max(range(n), key=lambda index: most[index] / widths[index])
        widths[highest] += most[highest] > widths[highest]
    return widths


def to_dict(table: Table) -> dict[str, Any]:
    """Return the table for JSON: its cells as people read them."""
    return {
        "title": table.title,
        "columns": [column.name for column in table.columns],
        "rows": [list(row) for row in table.rows],
        "note": table.note,
    }


def to_csv(table: Table) -> str:
    """Return the rows under the names of the columns; the title is not in it, and neither is the note."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(column.name for column in table.columns)
    writer.writerows(table.rows)
    return buffer.getvalue()


def to_markdown(table: Table) -> str:
    """Return the table in GitHub's Markdown, its title as a line in bold above it."""
    head = [column.name for column in table.columns]
    rule = ["---:" if column.align == "right" else ":---" for column in table.columns]
    lines = [_markdown_row(_escaped(head)), _markdown_row(rule)]
    lines += [_markdown_row(_escaped(row)) for row in table.rows]
    note = f"\n{escape_markdown(table.note)}\n" if table.note else ""
    return f"**{escape_markdown(table.title)}**\n\n" + "\n".join(lines) + "\n" + note


def to_html(table: Table) -> Markup:
    """Return the table in HTML, in a box of its own that scrolls; cells that begin with a number say which."""
    template = TEMPLATES.get_template("table.html.jinja")
    return Markup(template.render(table=table, sort_value=sort_value))  # noqa: S704 (autoescaped)


def sort_value(cell: str) -> str | None:
    """Return the number that a cell begins with, in the unit without a prefix, as text; none where there is none."""
    number = LEADING_NUMBER.match(cell)
    if number is None:
        return None
    value = float(number["number"].replace(",", "").replace("−", "-"))
    return f"{value * PREFIXES[number['prefix'] or '']:.12g}"


def escape_markdown(text: str) -> str:
    """Return text on one line in which no sign means anything to Markdown."""
    return MARKDOWN_SIGNS.sub(r"\\\1", clean(text))


def _escaped(cells: Sequence[str]) -> list[str]:
    return [escape_markdown(cell) for cell in cells]


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
