"""A deck of slides: blocks that are stacked on pages from the top, written as PowerPoint reads it.

Everything has a place before python-pptx is asked to write it, so nothing overlaps and nothing hangs over an edge. How
much room words take is measured with the letters of matplotlib's font, which are wider than those of most programs.
"""

import dataclasses
import datetime
import functools
import io
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pptx
from matplotlib import font_manager
from matplotlib.ft2font import FT2Font
from pptx.dml.color import RGBColor
from pptx.enum.text import MSO_ANCHOR, PP_ALIGN
from pptx.util import Emu, Inches, Pt

from bench.show import style
from bench.show.numbers import clean
from bench.show.slide_pictures import Picture
from bench.show.table import Table

WIDE, HIGH, MARGIN = 13.333, 7.5, 0.6
"""Inches of a slide, and of what is left free at its sides."""
ROOM = WIDE - 2 * MARGIN
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
"""How much wider than its longest words a column is at least, and how much more at most where there is room."""
BESIDE = 6.6
"""Inches from the left margin where the words beside a picture begin."""
WORTH_BEGINNING = 3
"""Rows of a table that have room on a page where it begins, else it begins on the next one."""
TITLE_ONLY = "Title Only"
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The date of every file within a file of slides: the first that there is."""


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
    """A title and what stands below it; on further slides where one has no room for it.

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
    found = [_Page()]
    for block in blocks:
        for part in _cut(block, found[-1]):
            height = height_of(part)
            if not found[-1].holds(height) and found[-1].placed:
                found.append(_Page())
            found[-1].add(part, height)
    return [page.placed for page in found]


def fitting(blocks: Sequence[Block]) -> list[Block]:
    """Return as many of the blocks as one page holds, at least one."""
    return [placed.block for placed in pages(blocks)[0]] if blocks else []


def _cut(block: Block, page: _Page) -> Iterator[Block]:
    """Yield a block in parts that have room: fewer rows of a table, fewer lines of a text, a smaller picture."""
    match block:
        case Table():
            yield from _cut_table(block, BODY_BOTTOM - page.bottom)
        case Picture():
            share = min(1.0, FULL / block.height, ROOM / block.width)
            yield dataclasses.replace(block, width=block.width * share, height=block.height * share)
        case Words():
            lines = lines_of(block.text, ROOM, TEXT, block.bold)
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
    room = left - head if left >= head + sum(heights[:WORTH_BEGINNING]) else FULL - head
    rows: list[tuple[str, ...]] = []
    for row, height in zip(table.rows, heights, strict=True):
        if height > room and rows:
            yield dataclasses.replace(table, rows=tuple(rows))
            rows, room = [], FULL - head
        rows.append(row)
        room -= height
    yield dataclasses.replace(table, rows=tuple(rows))


def height_of(block: Block) -> float:
    """Return the inches that a block takes."""
    match block:
        case Words():
            return _high(block.text, ROOM, TEXT, block.bold)
        case Beside():
            return max(block.picture.height, _high(block.text, ROOM - BESIDE, TEXT))
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
    found = font_manager.FontProperties(family=family, weight="bold" if bold else "normal")
    font: FT2Font = font_manager.get_font(font_manager.findfont(found))
    font.set_size(MEASURED, 72)
    font.set_text(text, 0.0)
    return float(font.get_width_height()[0]) / 64 / 72 * size / MEASURED


def column_widths(table: Table) -> list[float]:
    """Return the inches of the columns: what their longest cells take, or less where that is more than a slide has."""
    longest = [
        SPARE * max(wide(text, SMALL, bold=row == 0) for row, text in enumerate(texts)) + 2 * CELL_SIDE
        for texts in zip([column.name for column in table.columns], *table.rows, strict=True)
    ]
    room, limit = ROOM, ROOM
    for n_left, width in zip(range(len(longest), 0, -1), sorted(longest), strict=True):
        limit = room / n_left
        if width > limit:  # it and all wider ones share what is left
            break
        room, limit = room - width, ROOM
    widths = [min(width, limit) for width in longest]
    stretch = min(ROOM / sum(widths), STRETCH)
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


def to_pptx(slides: Sequence[Slide], title: str, created: datetime.datetime) -> bytes:
    """Return slides as a file of PowerPoint; the same slides and date give the same bytes."""
    deck = _empty_deck()
    number = 0
    for slide in slides:
        parts = pages(slide.blocks)
        for part, placed in enumerate(parts, start=1):
            number += 1
            heading = slide.title if len(parts) == 1 else f"{slide.title} ({part} of {len(parts)})"
            _add_page(deck, heading, placed, slide, number)
    properties = deck.core_properties
    properties.title, properties.author, properties.last_modified_by = title, "backprop-bench", "backprop-bench"
    properties.created = properties.modified = created.replace(tzinfo=None)
    properties.revision = 1
    buffer = io.BytesIO()
    deck.save(buffer)
    return _same_bytes(buffer.getvalue())


def _empty_deck() -> Any:
    """Return the library's own deck at the width of today's screens, with the one layout that is used."""
    deck = pptx.Presentation()
    stretch = Inches(WIDE) / deck.slide_width
    deck.slide_width, deck.slide_height = Inches(WIDE), Inches(HIGH)
    for layout in list(deck.slide_layouts):
        if layout.name != TITLE_ONLY:
            deck.slide_layouts.remove(layout)
    for shape in deck.slide_master.shapes:
        shape.left, shape.width = Emu(round(shape.left * stretch)), Emu(round(shape.width * stretch))
    _place(deck.slide_master.placeholders[0], MARGIN, TITLE_TOP, ROOM, TITLE_HIGH)
    return deck


def _place(shape: Any, left: float, top: float, width: float, height: float) -> None:
    shape.left, shape.top, shape.width, shape.height = map(Inches, (left, top, width, height))


def _no_margins(frame: Any) -> None:
    """Let the words begin where their box does."""
    frame.margin_left = frame.margin_right = frame.margin_top = frame.margin_bottom = 0


def _add_page(deck: Any, heading: str, placed: Sequence[Placed], slide: Slide, number: int) -> None:
    page = deck.slides.add_slide(deck.slide_layouts[0])
    title = page.shapes.title
    _place(title, MARGIN, TITLE_TOP, ROOM, TITLE_HIGH)
    _no_margins(title.text_frame)
    _write(title.text_frame, heading, TITLE, bold=True, align=PP_ALIGN.LEFT)
    title.text_frame.vertical_anchor = MSO_ANCHOR.MIDDLE
    for item in placed:
        _add_block(page.shapes, item)
    if slide.source:
        place = (MARGIN, FOOT_TOP, ROOM - NUMBER_WIDE, FOOT_HIGH)
        _add_words(page.shapes, slide.source, place, size=SMALL, colour=style.GREY)
    place = (WIDE - MARGIN - NUMBER_WIDE, FOOT_TOP, NUMBER_WIDE, FOOT_HIGH)
    _add_words(page.shapes, str(number), place, size=SMALL, colour=style.GREY, align=PP_ALIGN.RIGHT)
    if slide.notes:
        page.notes_slide.notes_text_frame.text = "\n\n".join(map(clean, slide.notes))


def _add_block(shapes: Any, item: Placed) -> None:
    block = item.block
    match block:
        case Words():
            _add_words(shapes, block.text, (MARGIN, item.top, ROOM, item.height), bold=block.bold)
        case Beside():
            picture = block.picture
            _add_picture(shapes, picture, MARGIN, item.top + (item.height - picture.height) / 2)
            place = (MARGIN + BESIDE, item.top, ROOM - BESIDE, item.height)
            _add_words(shapes, block.text, place, anchor=MSO_ANCHOR.MIDDLE)
        case Picture():
            _add_picture(shapes, block, MARGIN + (ROOM - block.width) / 2, item.top)
        case Table():
            _add_table(shapes, block, item)


def _add_words(
    shapes: Any,
    text: str,
    place: tuple[float, float, float, float],
    *,
    size: float = TEXT,
    bold: bool = False,
    colour: str = style.INK,
    align: Any = PP_ALIGN.LEFT,
    anchor: Any = MSO_ANCHOR.TOP,
) -> None:
    box = shapes.add_textbox(0, 0, 0, 0)
    _place(box, *place)
    _no_margins(box.text_frame)
    _write(box.text_frame, text, size, bold=bold, colour=colour, align=align)
    box.text_frame.vertical_anchor = anchor


def _add_picture(shapes: Any, picture: Picture, left: float, top: float) -> None:
    shape = shapes.add_picture(io.BytesIO(picture.png), Inches(left), Inches(top), Inches(picture.width))
    shape.height = Inches(picture.height)
    named = shape._element.nvPicPr.cNvPr  # the library has no property for it
    named.set("descr", clean(picture.alt))


def _add_table(shapes: Any, table: Table, item: Placed) -> None:
    widths, heights = column_widths(table), row_heights(table)
    frame = shapes.add_table(
        len(heights), len(widths), Inches(MARGIN), Inches(item.top), Inches(sum(widths)), Inches(item.height)
    )
    frame._element.nvGraphicFramePr.cNvPr.set("descr", table.title)
    for column, width in zip(frame.table.columns, widths, strict=True):
        column.width = Inches(width)
    for row, height, texts in zip(
        frame.table.rows, heights, ([column.name for column in table.columns], *table.rows), strict=True
    ):
        row.height = Inches(height)
        for cell, column, text in zip(row.cells, table.columns, texts, strict=True):
            cell.margin_left = cell.margin_right = Inches(CELL_SIDE)
            cell.margin_top = cell.margin_bottom = Inches(CELL_ABOVE)
            _write(cell.text_frame, text, SMALL, align=PP_ALIGN.RIGHT if column.align == "right" else PP_ALIGN.LEFT)


def _write(
    frame: Any, text: str, size: float, *, bold: bool | None = None, colour: str | None = None, align: Any
) -> None:
    """Write one paragraph."""
    frame.word_wrap = True
    paragraph = frame.paragraphs[0]
    paragraph.alignment = align
    run = paragraph.add_run()
    run.text = clean(text)
    run.font.size, run.font.bold = Pt(size), bold
    if colour is not None:
        run.font.color.rgb = RGBColor.from_string(colour.removeprefix("#").upper())


def _same_bytes(content: bytes) -> bytes:
    """Return the same archive without the time at which it was written."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as after:
        for name in before.namelist():
            after.writestr(zipfile.ZipInfo(name, EPOCH), before.read(name), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
