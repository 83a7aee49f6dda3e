"""A deck of slides: blocks that are stacked on pages from the top.

Everything has a place before it is written, so nothing overlaps and nothing hangs over an edge. How
much space words take is measured with the letters of matplotlib's font, which are wider than those of most programs.
"""

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

from backprop_bench.bench.report import style
from backprop_bench.bench.report.numbers import clean
from backprop_bench.bench.report.table import Table
from backprop_bench.bench.slides.pictures import Picture

WIDE, HIGH, MARGIN = 13.333, 7.5, 0.6
"""Inches of a slide, and of what is left free at its sides."""
BODY_WIDTH = WIDE - 2 * MARGIN
TITLE_TOP, TITLE_HIGH = 0.3, 1.0
BODY_TOP, BODY_BOTTOM = 1.45, 6.75
FULL = BODY_BOTTOM - BODY_TOP
FOOT_TOP, FOOT_HIGH, NUMBER_WIDE = 6.9, 0.4, 1.0
GAP = 0.2
TITLE, TEXT, SMALL = 28, 20, 16
"""Sizes of letters in points."""
LINE = 1.25
"""Height of a line by the size of its letters."""
MEASURED = 200
"""Points at which words are measured: so many that rounding to whole pixels does not matter."""
CELL_SIDE, CELL_ABOVE = 0.08, 0.05
"""Inches around the words of a cell."""
SPARE, STRETCH = 1.03, 1.5
"""How much wider than its longest words a column is at least, and at most."""
BESIDE = 6.6
"""Inches from the left margin where the words beside a picture begin."""
WORTH_BEGINNING = 3
"""Rows of a table that must fit on the page where it begins; otherwise it begins on the next one."""


@dataclass(frozen=True)
class Words:
    """A paragraph."""

    text: str
    bold: bool = False


@dataclass(frozen=True)
class Beside:
    """A picture with words to the right of it."""

    picture: Picture
    text: str


Block = Words | Beside | Picture | Table


@dataclass(frozen=True)
class Slide:
    """A title and what stands below it; continued on further slides where one is too small.

    Attributes
    ----------
    source
        Where its numbers come from, for the foot of the slide.
    notes
        What the speaker sees.
    """

    title: str
    blocks: Sequence[Block]
    source: str = ""
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Placed:
    """A block with its place on a page, in inches."""

    block: Block
    top: float
    height: float


@dataclass
class _Page:
    placed: list[Placed] = field(default_factory=list)
    bottom: float = BODY_TOP

    def holds(self, height: float) -> bool:
        return self.bottom + height <= BODY_BOTTOM + 1e-9

    def add(self, block: Block, height: float) -> None:
        self.placed.append(Placed(block, self.bottom, height))
        self.bottom += height + GAP


def pages(blocks: Sequence[Block]) -> list[list[Placed]]:
    """Stack blocks on as many pages as they need; a table goes on with its columns' names on the next one."""
    stacked = [_Page()]
    for block in blocks:
        for part in _cut(block, stacked[-1]):
            height = height_of(part)
            if not stacked[-1].holds(height) and stacked[-1].placed:
                stacked.append(_Page())
            stacked[-1].add(part, height)
    return [page.placed for page in stacked]


def fitting(blocks: Sequence[Block]) -> list[Block]:
    """Return as many of the blocks as one page holds, at least one."""
    return [placed.block for placed in pages(blocks)[0]] if blocks else []


def _cut(block: Block, page: _Page) -> Iterator[Block]:
    """Yield a block in parts that fit: fewer rows of a table, fewer lines of a text, a smaller picture."""
    match block:
        case Table():
            yield from _cut_table(block, BODY_BOTTOM - page.bottom)
        case Picture():
            share = min(1.0, FULL / block.height, BODY_WIDTH / block.width)
            yield dataclasses.replace(block, width=block.width * share, height=block.height * share)
        case Words():
            lines = lines_of(block.text, BODY_WIDTH, TEXT, block.bold)
            n_lines = int(FULL / (TEXT * LINE / 72))
            for start in range(0, len(lines), n_lines):
                yield dataclasses.replace(block, text=" ".join(lines[start : start + n_lines]))
        case Beside():
            yield block


def _cut_table(table: Table, left: float) -> Iterator[Table]:
    """Yield a table in parts under the same columns' names; the first one has so many inches, all others a page."""
    head, *heights = row_heights(table)
    if head + sum(heights) <= left:
        yield table
        return
    free = left - head if left >= head + sum(heights[:WORTH_BEGINNING]) else FULL - head
    rows: list[tuple[str, ...]] = []
    for row, height in zip(table.rows, heights, strict=True):
        if height > free and rows:
            yield dataclasses.replace(table, rows=tuple(rows))
            rows, free = [], FULL - head
        rows.append(row)
        free -= height
    yield dataclasses.replace(table, rows=tuple(rows))


def height_of(block: Block) -> float:
    """Return the inches that a block takes."""
    match block:
        case Words():
            return _high(block.text, BODY_WIDTH, TEXT, block.bold)
        case Beside():
            return max(block.picture.height, _high(block.text, BODY_WIDTH - BESIDE, TEXT))
        case Picture():
            return block.height
        case Table():
            return sum(row_heights(block))


def _high(text: str, width: float, size: float, bold: bool = False) -> float:
    return len(lines_of(text, width, size, bold)) * size * LINE / 72


def lines_of(text: str, width: float, size: float, bold: bool = False) -> list[str]:
    """Return the lines that a text takes in a width in inches: broken between words, and within one that is wider."""
    lines = [""]
    for word in clean(text).split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if wide(longer, size, bold) <= width:
            lines[-1] = longer
            continue
        lines += [word] if lines[-1] else []
        lines[-1] = word
        while wide(lines[-1], size, bold) > width and len(lines[-1]) > 1:
            n_letters = max(1, int(len(lines[-1]) * width / wide(lines[-1], size, bold)) - 1)
            lines[-1:] = [lines[-1][:n_letters], lines[-1][n_letters:]]
    return lines


@functools.lru_cache(maxsize=4096)
def wide(text: str, size: float, bold: bool = False) -> float:
    """Return the inches that a text takes on one line."""
    family = style.LOOK["font.family"][0]
    properties = font_manager.FontProperties(family=family, weight="bold" if bold else "normal")
    font: FT2Font = font_manager.get_font(font_manager.findfont(properties))
    font.set_size(MEASURED, 72)
    font.set_text(text, 0.0)
    return float(font.get_width_height()[0]) / 64 / 72 * size / MEASURED


def column_widths(table: Table) -> list[float]:
    """Return the inches of the columns: what their longest cells take, or less where that is more than a slide has."""
    longest = [
        SPARE * max(wide(text, SMALL, bold=row == 0) for row, text in enumerate(texts)) + 2 * CELL_SIDE
        for texts in zip([column.name for column in table.columns], *table.rows, strict=True)
    ]
    free, limit = BODY_WIDTH, BODY_WIDTH
    for n_left, width in zip(range(len(longest), 0, -1), sorted(longest), strict=True):
        limit = free / n_left
        if width > limit:  # it and all wider ones share what is left
            break
        free, limit = free - width, BODY_WIDTH
    widths = [min(width, limit) for width in longest]
    stretch = min(BODY_WIDTH / sum(widths), STRETCH)
    return [width * stretch for width in widths]


def row_heights(table: Table) -> list[float]:
    """Return the inches of the rows, that of the columns' names first."""
    widths = column_widths(table)
    rows = [[column.name for column in table.columns], *table.rows]
    return [
        max(
            _high(text, width - 2 * CELL_SIDE, SMALL, bold=number == 0) for text, width in zip(row, widths, strict=True)
        )
        + 2 * CELL_ABOVE
        for number, row in enumerate(rows)
    ]
