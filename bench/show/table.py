"""`Table`: rows of text, and how they are written for a terminal, in Markdown and in HTML."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import rich.box
import rich.table
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from rich.text import Text

from bench.show.numbers import clean

LONG = 30
"""A table with more rows than this is folded on a page, under its title."""

TEMPLATES = Environment(
    loader=PackageLoader("bench.show"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
"""Whatever is put into a template is escaped."""

MARKDOWN_SIGNS = re.compile(r"([\\`*_{}\[\]<>|#$~&!])")


@dataclass(frozen=True)
class Column:
    """The head of a column."""

    name: str
    align: Literal["left", "right"] = "right"


@dataclass(frozen=True)
class Table:
    """A table of text, whose cells are cleaned of what would disturb a line.

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
    heads = tuple(Column(name.removeprefix("<"), "left" if name.startswith("<") else "right") for name in columns)
    return Table(title, heads, tuple(map(tuple, rows)), note)


def to_rich(table: Table) -> rich.table.Table:
    """Return the table for a terminal; nothing in its cells is taken for markup."""
    shown = rich.table.Table(
        title=Text(table.title, style="bold"),
        caption=Text(table.note) if table.note else None,
        title_justify="left",
        caption_justify="left",
        box=rich.box.SIMPLE_HEAD,
    )
    for column in table.columns:
        shown.add_column(Text(column.name), justify=column.align, overflow="fold")
    for row in table.rows:
        shown.add_row(*map(Text, row))
    return shown


def to_markdown(table: Table) -> str:
    """Return the table in GitHub's Markdown, its title as a line in bold above it."""
    head = [column.name for column in table.columns]
    rule = ["---:" if column.align == "right" else ":---" for column in table.columns]
    lines = [_markdown_row(_escaped(head)), _markdown_row(rule)]
    lines += [_markdown_row(_escaped(row)) for row in table.rows]
    note = f"\n{escape_markdown(table.note)}\n" if table.note else ""
    return f"**{escape_markdown(table.title)}**\n\n" + "\n".join(lines) + "\n" + note


def to_html(table: Table) -> Markup:
    """Return the table in HTML, in a box of its own that scrolls."""
    return Markup(TEMPLATES.get_template("table.html.jinja").render(table=table))  # noqa: S704 (autoescaped)


def escape_markdown(text: str) -> str:
    """Return text on one line in which no sign means anything to Markdown."""
    return MARKDOWN_SIGNS.sub(r"\\\1", clean(text))


def _escaped(cells: Sequence[str]) -> list[str]:
    return [escape_markdown(cell) for cell in cells]


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
