"""Shapes of PowerPoint, in inches: a figure of them is sharp at any size and is read in the reader's own fonts."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from backprop_bench.bench.report.language import spoken
from backprop_bench.bench.report.numbers import clean
from backprop_bench.bench.report.style import INK, WIDE_LETTERS

EMU = 914_400
"""Units of PowerPoint in an inch."""
LETTERS = 16
"""Size of letters in points: they are read from the last row."""
LATIN = 0.5
"""Width in ems of a letter that is not as wide as it is high."""
FIRST_ID = 100
"""Number of the first shape; pandoc numbers its own from 1."""
_TAGS = {"en": "en-US", "zh": "zh-CN"}


@dataclass(frozen=True)
class Box:
    """A rectangle on a slide, in inches from its upper left corner."""

    left: float
    top: float
    width: float
    height: float


def text_width(text: str, points: float = LETTERS) -> float:
    """Return about how many inches a text is wide."""
    ems = sum(1.0 if unicodedata.east_asian_width(letter) in WIDE_LETTERS else LATIN for letter in text)
    return ems * points / 72


class Group:
    """A figure: shapes that are one object, with what it says to someone who cannot see it."""

    def __init__(self, name: str, alt: str, box: Box) -> None:
        self._name, self._alt, self._box = name, alt, box
        self._shapes: list[str] = []

    def rectangle(self, box: Box, colour: str) -> None:
        """Draw a filled rectangle."""
        self._shape("rect", box, _solid(colour))

    def ellipse(self, box: Box, colour: str) -> None:
        """Draw a filled ellipse."""
        self._shape("ellipse", box, _solid(colour))

    def line(self, start: tuple[float, float], end: tuple[float, float], colour: str, points: float = 1.0) -> None:
        """Draw a line between two places, each from the left and from the top."""
        (x, y), (to_x, to_y) = start, end
        rises = ' flipV="1"' if (to_x - x) * (to_y - y) < 0 else ""
        between = place(Box(min(x, to_x), min(y, to_y), abs(to_x - x), abs(to_y - y)), rises)
        self._shapes.append(
            f"<p:cxnSp><p:nvCxnSpPr>{self._names('line')}<p:cNvCxnSpPr/><p:nvPr/></p:nvCxnSpPr><p:spPr>{between}"
            f'<a:prstGeom prst="line"><a:avLst/></a:prstGeom><a:ln w="{round(12_700 * points)}">{_solid(colour)}'
            "</a:ln></p:spPr></p:cxnSp>"
        )

    def write(
        self,
        box: Box,
        text: str,
        align: str = "l",
        points: float = LETTERS,
        colour: str = INK,
        subscript: str = "",
    ) -> None:
        """Write a line of text, in the middle of the height of a box.

        Parameters
        ----------
        align
            ``l``, ``ctr`` or ``r``.
        subscript
            What stands below the line after it; the text then names a quantity and is italic.
        """
        style = ' i="1"' if subscript else ""
        runs = _run(text, points, colour, style)
        runs += _run(subscript, points, colour, f'{style} baseline="-25000"') if subscript else ""
        self._shape("rect", box, "<a:noFill/>", f'<a:p><a:pPr algn="{align}"/>{runs}</a:p>')

    def to_xml(self) -> str:
        """Return the figure as an element of a slide."""
        inner = place(self._box, ends=True)
        described = f'<p:cNvPr id="{FIRST_ID}" name={quoteattr(self._name)} descr={quoteattr(clean(self._alt))}/>'
        return (
            f"<p:grpSp><p:nvGrpSpPr>{described}<p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr><p:grpSpPr>{inner}</p:grpSpPr>"
            f"{''.join(self._shapes)}</p:grpSp>"
        )

    def _shape(self, geometry: str, box: Box, fill: str, paragraph: str = "") -> None:
        body = text_body(paragraph) if paragraph else ""
        self._shapes.append(
            f"<p:sp><p:nvSpPr>{self._names(geometry)}<p:cNvSpPr/><p:nvPr/></p:nvSpPr><p:spPr>{place(box)}"
            f'<a:prstGeom prst="{geometry}"><a:avLst/></a:prstGeom>{fill}<a:ln><a:noFill/></a:ln></p:spPr>{body}</p:sp>'
        )

    def _names(self, kind: str) -> str:
        number = FIRST_ID + 1 + len(self._shapes)
        return f'<p:cNvPr id="{number}" name="{kind} {number}"/>'


def text_body(paragraph: str, styles: str = "") -> str:
    """Return the text of a shape: one line, in the middle of its height."""
    around = 'wrap="none" lIns="0" tIns="0" rIns="0" bIns="0" anchor="ctr"'
    return (
        f"<p:txBody><a:bodyPr {around}><a:noAutofit/></a:bodyPr><a:lstStyle>{styles}</a:lstStyle>{paragraph}</p:txBody>"
    )


def place(box: Box, attributes: str = "", ends: bool = False) -> str:
    """Return where a shape is; with its own ends, where those in a group are.

    Parameters
    ----------
    attributes
        How it is turned.
    ends
        Whether it is a group.
    """
    left, top, width, height = (round(EMU * inches) for inches in (box.left, box.top, box.width, box.height))
    inner = f'<a:chOff x="{left}" y="{top}"/><a:chExt cx="{width}" cy="{height}"/>' if ends else ""
    return f'<a:xfrm{attributes}><a:off x="{left}" y="{top}"/><a:ext cx="{width}" cy="{height}"/>{inner}</a:xfrm>'


def _solid(colour: str) -> str:
    return f'<a:solidFill><a:srgbClr val="{colour.lstrip("#").upper()}"/></a:solidFill>'


def _run(text: str, points: float, colour: str, attributes: str = "") -> str:
    properties = f'<a:rPr lang="{_TAGS[spoken()]}" sz="{round(100 * points)}"{attributes}>{_solid(colour)}</a:rPr>'
    return f"<a:r>{properties}<a:t>{escape(clean(text))}</a:t></a:r>"


def row_boxes(box: Box, n: int) -> Sequence[Box]:
    """Return so many rows of equal height that fill a box."""
    height = box.height / n
    return [Box(box.left, box.top + row * height, box.width, height) for row in range(n)]
