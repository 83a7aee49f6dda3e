"""Slides in Markdown. How much one holds is counted in lines and letters, which are those that pandoc's deck has."""

import json
import math
import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from backprop_bench.bench.report.numbers import NBSP, clean, shorten
from backprop_bench.bench.report.table import Table
from backprop_bench.bench.slides.pictures import Picture

LINES, LINE = 10, 72
"""Lines of text that a slide has, and letters of a line."""
ROWS, ROW, GAP = 9, 95, 2
"""Rows of a table below the names of its columns, letters of a row, and letters between two columns."""
TITLE, CAPTION, CELL = 80, 66, 80
"""Letters of a title, of what stands below a picture, and of a cell; what is longer is shortened."""
PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")
"""The signs that may mean something to Markdown, each of which may stand behind a backslash."""


@dataclass(frozen=True)
class Words:
    """A paragraph."""

    text: str
    bold: bool = False


Block = Words | Picture | Table


@dataclass(frozen=True)
class Slide:
    """A title and what stands below it; on further slides where one has no room for it.

    Attributes
    ----------
    source
        Where its numbers come from.
    notes
        What the speaker sees.
    """

    title: str
    blocks: Sequence[Block]
    source: str = ""
    notes: Sequence[str] = ()


def escape(text: str) -> str:
    """Return text on one line in which no sign means anything to pandoc, wherever the line stands."""
    return PUNCTUATION.sub(r"\\\g<0>", clean(text))


def front(title: str, subtitle: str) -> str:
    """Return the slide with the title of all."""
    return f"---\ntitle: {json.dumps(escape(title))}\nsubtitle: {json.dumps(escape(subtitle))}\n---"


def to_markdown(slides: Iterable[Slide], pictures: dict[str, bytes]) -> str:
    """Return slides in Markdown, and put their pictures among others, by the names of their files."""
    pages = [(shorten(slide.title, TITLE), slide, page) for slide in slides for page in _pages(slide, pictures)]
    counts, numbers, text = Counter(title for title, *_ in pages), Counter[str](), []
    for title, slide, page in pages:
        numbers[title] += 1
        part = f" ({numbers[title]}{NBSP}of{NBSP}{counts[title]})" if counts[title] > 1 else ""
        notes = [*slide.notes, f"Source: {slide.source}" if slide.source else ""]
        text += [f"# {escape(title)}{part}", page, "::: notes", *map(escape, filter(None, notes)), ":::"]
    return "\n\n".join(text)


def _pages(slide: Slide, pictures: dict[str, bytes]) -> Iterator[str]:
    """Yield what stands on each of the slides that blocks need."""
    page: list[str] = []
    left = LINES
    for block in slide.blocks:
        for text, lines in _parts(block, slide.source, pictures):
            if page and lines > left:
                yield "\n\n".join(page)
                page, left = [], LINES
            page.append(text)
            left -= lines
    if page:
        yield "\n\n".join(page)


def _parts(block: Block, source: str, pictures: dict[str, bytes]) -> Iterator[tuple[str, int]]:
    """Yield a block in parts that have room on a slide, each with its lines; a table or a picture takes them all."""
    match block:
        case Words():
            for part in textwrap.wrap(clean(block.text), LINES * LINE, break_on_hyphens=False):
                yield f"**{escape(part)}**" if block.bold else escape(part), math.ceil(len(part) / LINE)
        case Picture():
            name = f"picture-{len(pictures)}.png"
            pictures[name] = block.png
            yield f'![{escape(shorten(source, CAPTION))}]({name} "{escape(block.alt)}")', LINES
        case Table():
            yield from ((text, LINES) for text in _table(block))


def _table(table: Table) -> Iterator[str]:
    """Yield a table in parts under the same columns' names; columns are as wide as their longest cells."""
    names = [column.name for column in table.columns]
    rows = [[shorten(cell, CELL) for cell in row] for row in table.rows]
    widths = [max(map(len, cells)) + GAP for cells in zip(names, *rows, strict=True)]
    n_rows = max(1, ROWS // math.ceil(sum(widths) / ROW))  # no cell has more lines than the whole row is too wide
    rule = [
        "-" * width + (":" if column.align == "right" else "-")
        for width, column in zip(widths, table.columns, strict=True)
    ]
    for start in range(0, len(rows), n_rows):
        shown = [map(escape, names), rule, *(map(escape, row) for row in rows[start : start + n_rows])]
        yield "\n".join(f"| {' | '.join(cells)} |" for cells in shown)
