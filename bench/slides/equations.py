"""Equations of PowerPoint, each in a shape of its own: programs that cannot set one within text then show it, too."""

import functools
import io
import re
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Sequence

from backprop_bench.bench.slides.pandoc import run_pandoc
from backprop_bench.bench.slides.shapes import FIRST_ID, Box, place, text_body

LETTERS, SMALLEST = 24, 16
"""Sizes of letters in points: as large as there is room."""
BRACE = "\u23df"
POWER = re.compile(r"\(([^()]*)\)\^")
"""What is in brackets and raised to a power, which pandoc would raise the bracket alone to."""
FILLED = 0.9
"""Share of a height that equations fill at most; the rest is between them."""
MATH = "http://schemas.openxmlformats.org/officeDocument/2006/math"
COMPATIBILITY = "http://schemas.openxmlformats.org/markup-compatibility/2006"
DRAWING_2010 = "http://schemas.microsoft.com/office/drawing/2010/main"
_M = f"{{{MATH}}}"
SPACED = "=+−⋅≈"
"""Signs with a space on either side."""
ET.register_namespace("m", MATH)


@functools.cache
def to_omml(latex: tuple[str, ...]) -> tuple[ET.Element, ...]:
    """Return equations in TeX as PowerPoint has them, in its markup for mathematics (OMML)."""
    text = "\n\n".join(POWER.sub(r"\\left(\1\\right)^", equation) for equation in latex)
    deck = run_pandoc("--from=markdown_strict+tex_math_dollars", "--to=pptx", "--output=-", text=text)
    with zipfile.ZipFile(io.BytesIO(deck)) as archive:
        slide = archive.read("ppt/slides/slide1.xml").decode()  # the only one, for no heading begins another
    equations = tuple(ET.fromstring(slide).iter(f"{_M}oMathPara"))  # noqa: S314 (pandoc has written it)
    for equation in equations:
        _set_braces(equation)
    return equations


def _set_braces(equation: ET.Element) -> None:
    """Turn each brace that stands below a term as a limit into one that is as wide as the term."""
    for limit in [node for node in equation.iter(f"{_M}limLow") if "".join(node[-1].itertext()) == BRACE]:
        term = limit.find(f"{_M}e")
        assert term is not None
        limit.clear()
        limit.tag = f"{_M}groupChr"
        properties = ET.SubElement(limit, f"{_M}groupChrPr")
        ET.SubElement(properties, f"{_M}chr", {f"{_M}val": BRACE})
        ET.SubElement(properties, f"{_M}pos", {f"{_M}val": "bot"})
        limit.append(term)


def stack(box: Box, equations: Sequence[ET.Element]) -> str:
    """Return equations below each other, spread over the height of a box and in the middle of its width."""
    sizes = [size_of(equation) for equation in equations]
    widest, high = max(width for width, _ in sizes), sum(height for _, height in sizes)
    points = max(SMALLEST, min(LETTERS, 72 * box.width / widest, 72 * FILLED * box.height / high))
    gap = (box.height - high * points / 72) / (len(equations) + 1)
    shapes, top = [], box.top
    for number, (equation, (width, height)) in enumerate(zip(equations, sizes, strict=True)):
        wide, tall = width * points / 72, height * points / 72
        top += gap
        here = Box(box.left + (box.width - wide) / 2, top, wide, tall)
        shapes.append(_shape(number, ET.tostring(equation, encoding="unicode"), here, points))
        top += tall
    return "".join(shapes)


def _shape(number: int, math: str, box: Box, points: float) -> str:
    style = f'<a:lvl1pPr><a:defRPr sz="{round(100 * points)}"/></a:lvl1pPr>'
    body = text_body(f'<a:p><a:pPr algn="ctr"/><a14:m>{math}</a14:m></a:p>', style)
    return (
        f'<mc:AlternateContent xmlns:mc="{COMPATIBILITY}"><mc:Choice xmlns:a14="{DRAWING_2010}" Requires="a14"><p:sp>'
        f'<p:nvSpPr><p:cNvPr id="{FIRST_ID + number}" name="equation {number + 1}"/><p:cNvSpPr txBox="1"/><p:nvPr/>'
        f'</p:nvSpPr><p:spPr>{place(box)}<a:prstGeom prst="rect"><a:avLst/></a:prstGeom><a:noFill/></p:spPr>{body}'
        "</p:sp></mc:Choice></mc:AlternateContent>"
    )


def size_of(node: ET.Element) -> tuple[float, float]:
    """Return about how many ems an equation, or a part of one, is wide and high."""
    name, sizes = node.tag.removeprefix(_M), [size_of(part) for part in node]
    parts = {part.tag.removeprefix(_M): size for part, size in zip(node, sizes, strict=True)}
    if name == "t":
        letters = [letter for letter in node.text or "" if letter != "\u200b"]
        return sum(_width(letter) for letter in letters), 1.2
    if name == "f":
        (over, above), (under, below) = parts["num"], parts["den"]
        return max(over, under) + 0.2, above + below
    if name in ("sSub", "sSup"):
        (width, height), (small, _) = parts["e"], parts["sub" if name == "sSub" else "sup"]
        return width + 0.7 * small, height + 0.3
    if name == "nary":
        return 1.3 + parts["e"][0], max(2.6, parts["e"][1])
    if name == "limLow":
        (width, height), (small, below) = parts["e"], parts["lim"]
        return max(width, 0.7 * small), height + 0.7 * below
    width, height = sum(wide for wide, _ in sizes), max((high for _, high in sizes), default=0.0)
    return width + {"d": 0.8}.get(name, 0.0), height + {"groupChr": 0.4}.get(name, 0.0)


def _width(letter: str) -> float:
    """Return about how many ems a letter is wide."""
    if letter in SPACED or letter.isspace():
        return 1.1
    return 0.75 if letter.isupper() else 0.55
