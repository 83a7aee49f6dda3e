"""Slides as PowerPoint reads them. Needs python-pptx, so it is imported only where slides are written."""

import datetime
import io
import zipfile
from collections.abc import Sequence
from typing import Any

import pptx
from pptx.dml.color import RGBColor
from pptx.enum.text import MSO_ANCHOR, PP_ALIGN
from pptx.util import Emu, Inches, Pt

from backprop_bench.bench.report import style
from backprop_bench.bench.report.numbers import clean
from backprop_bench.bench.report.table import Table
from backprop_bench.bench.slides.deck import (
    BESIDE,
    BODY_WIDTH,
    CELL_ABOVE,
    CELL_SIDE,
    FOOT_HIGH,
    FOOT_TOP,
    HIGH,
    MARGIN,
    NUMBER_WIDE,
    SMALL,
    TEXT,
    TITLE,
    TITLE_HIGH,
    TITLE_TOP,
    WIDE,
    Beside,
    Placed,
    Slide,
    Words,
    column_widths,
    pages,
    row_heights,
)
from backprop_bench.bench.slides.pictures import Picture

TITLE_ONLY = "Title Only"
"""The layout of the library's own deck that is used."""
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The date of every file within a file of slides: the first that there is."""


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
    _place(deck.slide_master.placeholders[0], MARGIN, TITLE_TOP, BODY_WIDTH, TITLE_HIGH)
    return deck


def _place(shape: Any, left: float, top: float, width: float, height: float) -> None:
    shape.left, shape.top, shape.width, shape.height = map(Inches, (left, top, width, height))


def _no_margins(frame: Any) -> None:
    """Let the words begin where their box does."""
    frame.margin_left = frame.margin_right = frame.margin_top = frame.margin_bottom = 0


def _add_page(deck: Any, heading: str, placed: Sequence[Placed], slide: Slide, number: int) -> None:
    page = deck.slides.add_slide(deck.slide_layouts[0])
    title = page.shapes.title
    _place(title, MARGIN, TITLE_TOP, BODY_WIDTH, TITLE_HIGH)
    _no_margins(title.text_frame)
    _write(title.text_frame, heading, TITLE, bold=True, align=PP_ALIGN.LEFT)
    title.text_frame.vertical_anchor = MSO_ANCHOR.MIDDLE
    for item in placed:
        _add_block(page.shapes, item)
    if slide.source:
        place = (MARGIN, FOOT_TOP, BODY_WIDTH - NUMBER_WIDE, FOOT_HIGH)
        _add_words(page.shapes, slide.source, place, size=SMALL, colour=style.GREY)
    place = (WIDE - MARGIN - NUMBER_WIDE, FOOT_TOP, NUMBER_WIDE, FOOT_HIGH)
    _add_words(page.shapes, str(number), place, size=SMALL, colour=style.GREY, align=PP_ALIGN.RIGHT)
    if slide.notes:
        page.notes_slide.notes_text_frame.text = "\n\n".join(map(clean, slide.notes))


def _add_block(shapes: Any, item: Placed) -> None:
    block = item.block
    match block:
        case Words():
            _add_words(shapes, block.text, (MARGIN, item.top, BODY_WIDTH, item.height), bold=block.bold)
        case Beside():
            picture = block.picture
            _add_picture(shapes, picture, MARGIN, item.top + (item.height - picture.height) / 2)
            place = (MARGIN + BESIDE, item.top, BODY_WIDTH - BESIDE, item.height)
            _add_words(shapes, block.text, place, anchor=MSO_ANCHOR.MIDDLE)
        case Picture():
            _add_picture(shapes, block, MARGIN + (BODY_WIDTH - block.width) / 2, item.top)
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
