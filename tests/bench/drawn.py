"""What a reader sees in a drawn figure: names, numbers, bars and markers, read back from what Matplotlib holds."""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import Collection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.text import Annotation, Text

Points = tuple[list[float], list[float]]
"""Horizontal and vertical places."""
UNITS = {"s": 1.0, "ms": 1e-3, "µs": 1e-6}


def names_of(axes: Axes) -> list[str]:
    """Return the labels of the rows, from the top."""
    return [label.get_text() for label in axes.get_yticklabels()]


def columns_of(axes: Axes) -> dict[str, list[str]]:
    """Return the texts beside the axes, from the top, by the heading that stands above them."""
    headings = {round(text.xy[0], 6): text.get_text() for text in axes.texts if isinstance(text, Annotation)}
    cells = [text for text in axes.texts if not isinstance(text, Annotation)]
    cells.sort(key=lambda text: text.get_position()[1])
    columns: dict[str, list[str]] = {heading: [] for heading in headings.values()}
    for cell in cells:
        columns[headings[round(cell.get_position()[0], 6)]].append(cell.get_text())
    return columns


def points_of(line: Line2D) -> Points:
    """Return the points of a line."""
    x, y = (np.asarray(values, np.float64).tolist() for values in (line.get_xdata(), line.get_ydata()))
    return x, y


def markers_of(axes: Axes) -> list[float]:
    """Return where the marker of each row is, from the top."""
    placed = sorted((y[0], x[0]) for x, y in map(points_of, axes.lines) if len(x) == 1)
    return [x for _, x in placed]


def bars_of(axes: Axes) -> list[tuple[float, float]]:
    """Return where the bar of each row begins and ends, from the top."""
    lines = map(points_of, axes.lines)
    placed = sorted((y[0], min(x), max(x)) for x, y in lines if len(x) == 2 and y[0] == y[1])
    return [(low, high) for _, low, high in placed]


def dots_of(axes: Axes) -> list[list[float]]:
    """Return where the dots of each row are, which is more than one, from the top."""
    lines = [(line.get_linestyle(), points_of(line)) for line in axes.lines]
    placed = sorted((y[0], x) for dash, (x, y) in lines if dash == "None" and len(x) > 1)
    return [x for _, x in placed]


def shaded_of(axes: Axes) -> tuple[float, float]:
    """Return between which horizontal places the only shaded band is."""
    (band,) = (patch for patch in axes.patches if to_hex(patch.get_facecolor()) == "#eaf2e6")
    box = band.get_window_extent().transformed(axes.transData.inverted())
    return box.x0, box.x1


def stretches_of(axes: Axes) -> list[tuple[float, float, float, str]]:
    """Return the solid bars: middle of its row, beginning, end, colour."""
    return [
        (bar.get_y() + bar.get_height() / 2, bar.get_x(), bar.get_x() + bar.get_width(), to_hex(bar.get_facecolor()))
        for bar in axes.patches
        if isinstance(bar, Rectangle)
    ]


def look_of(line: Line2D) -> tuple[str, Any, Any]:
    """Return what a line is told by: its colour, marker and dashes."""
    return to_hex(line.get_color()), line.get_marker(), line.get_linestyle()


def key_of(axes: Axes) -> dict[str, Any]:
    """Return the artists in the legend by the names beside them."""
    legend = axes.get_legend()
    assert legend is not None
    names = [text.get_text() for text in legend.get_texts()]
    return dict(zip(names, legend.legend_handles, strict=True))


def colours_of(collection: Collection) -> list[str]:
    """Return the colours that the areas of a collection are filled with, or its lines drawn with."""
    filled = np.asarray(collection.get_facecolor())
    drawn = filled if len(filled) else np.asarray(collection.get_edgecolor())
    return [to_hex(tuple(colour[:3])) for colour in drawn.tolist()]


def colours_by_name(axes: Axes) -> dict[str, str]:
    """Return the colours in a legend of patches, by name."""
    return {name: to_hex(patch.get_facecolor()) for name, patch in key_of(axes).items() if isinstance(patch, Patch)}


def lines_by_name(axes: Axes, key: Axes | None = None) -> dict[str, Points]:
    """Return the first line of each look, under the name that the legend has for it, be it beside other axes."""
    drawn = {look_of(line): points_of(line) for line in reversed(axes.lines)}
    return {name: drawn[look_of(line)] for name, line in key_of(key or axes).items() if look_of(line) in drawn}


def from_the_left(figure: Figure) -> list[Axes]:
    """Return the axes of a figure in the order in which they stand beside each other."""
    return sorted(figure.axes, key=lambda axes: float(axes.get_position().x0))


def from_the_top(figure: Figure) -> list[Axes]:
    """Return the axes of a figure in the order in which they stand below each other."""
    return sorted(figure.axes, key=lambda axes: -float(axes.get_position().y0))


def written_above(axes: Axes) -> str:
    """Return the bold text that is nearest above axes, of those that begin no further right."""
    figure = axes.figure
    assert isinstance(figure, Figure)
    place = axes.get_position()
    bold = [text for text in figure.texts if text.get_fontweight() == "bold" and text.get_position()[1] >= place.y0]
    bold = [text for text in bold if text.get_position()[0] <= place.x0 + 1e-9]
    nearest = min(bold, key=lambda text: (text.get_position()[1], -text.get_position()[0]))
    return nearest.get_text()


def images_of(figure: Figure) -> list[npt.NDArray[np.float64]]:
    """Return the images of a figure, row by row and from the left."""
    placed = []
    for axes in figure.axes:
        for image in axes.images:
            x, y = axes.transData.transform((image.get_extent()[0], image.get_extent()[3]))
            placed.append((-round(float(y)), float(x), np.asarray(image.get_array(), np.float64)))
    return [image for *_, image in sorted(placed, key=lambda item: item[:2])]


def captions_of(figure: Figure, begin: str) -> list[list[str]]:
    """Return the lines of text below each other where the first begins in this way, row by row and from the left."""
    firsts = [text for text in figure.texts if text.get_text().startswith(begin)]
    firsts.sort(key=lambda text: (-round(text.get_position()[1], 6), text.get_position()[0]))
    return [[text.get_text() for text in _column_of(figure, first)] for first in firsts]


def _column_of(figure: Figure, first: Text) -> Iterator[Text]:
    """Yield a text and those that stand right below it, in letters of its size."""
    x, y = first.get_position()
    same = [text for text in figure.texts if abs(text.get_position()[0] - x) < 1e-9 and text.get_position()[1] <= y]
    same.sort(key=lambda text: -text.get_position()[1])
    for number, text in enumerate(same):
        if number and text.get_text().startswith(first.get_text().split()[0]):
            return
        if text.get_fontsize() == first.get_fontsize():
            yield text


def as_number(text: str) -> float:
    """Return a text such as "385 ms (381–389)" or "96.6 %" in seconds, or as it is."""
    match = re.match(r"([+−]?[\d.,]+)\s*(s|ms|µs)?\b", text.replace("\N{NO-BREAK SPACE}", " "))
    assert match is not None, text
    return float(match[1].replace(",", "").replace("−", "-")) * UNITS.get(match[2] or "", 1.0)
