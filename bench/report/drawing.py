"""`Drawing`: a figure with the words that belong to it, and the files that it becomes."""

import dataclasses
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from backprop_bench.bench.core.records.files import write_whole
from backprop_bench.bench.report import style
from backprop_bench.bench.report.language import spoken

PIXELS_PER_INCH = 150
FIGURES_FOLDER = "figures"


@dataclass(frozen=True)
class Drawing:
    """A drawn figure, not yet in a file."""

    name: str
    title: str
    """What one sees."""
    alt: str
    """What it says to someone who cannot see it, numbers included."""
    figure: Figure


@dataclass(frozen=True)
class FigureFile:
    """A figure in its two files."""

    name: str
    title: str
    alt: str
    png: Path
    svg: Path
    narrow: Path | None = None
    """The same as SVG for the width of a phone, where it is drawn for that."""


def save(drawing: Drawing, folder: Path, narrow: Drawing | None = None) -> FigureFile:
    """Write a drawing as PNG and SVG, whose bytes depend on nothing but the drawing.

    Parameters
    ----------
    narrow
        The same for the width of a phone.

    Raises
    ------
    InputError
        When a file cannot be written.
    """
    png = _encoded(drawing.figure, format="png", dpi=PIXELS_PER_INCH, metadata={"Software": None})
    return FigureFile(
        name=drawing.name,
        title=drawing.title,
        alt=drawing.alt,
        png=write_whole(folder / f"{drawing.name}.png", png),
        svg=write_whole(folder / f"{drawing.name}.svg", to_svg(drawing)),
        narrow=None if narrow is None else write_whole(folder / f"{drawing.name}-narrow.svg", to_svg(narrow, True)),
    )


def save_translated(figure: FigureFile, drawing: Drawing, narrow: Drawing, folder: Path) -> FigureFile:
    """Write the SVGs of a saved figure in the language that is spoken; its PNG stays the only one.

    Raises
    ------
    InputError
        When a file cannot be written.
    """
    return dataclasses.replace(
        figure,
        title=drawing.title,
        alt=drawing.alt,
        svg=write_whole(folder / f"{drawing.name}.{spoken()}.svg", to_svg(drawing)),
        narrow=write_whole(folder / f"{drawing.name}-narrow.{spoken()}.svg", to_svg(narrow)),
    )


def to_svg(drawing: Drawing, as_text: bool = False) -> bytes:
    """Return a drawing as SVG, whose bytes depend on nothing but the drawing.

    Parameters
    ----------
    as_text
        Whether letters are left to the reader's font, which takes a quarter of the bytes; else they are outlines.
    """
    return _encoded(drawing.figure, as_text, format="svg", metadata={"Date": None, "Creator": None})


def _encoded(figure: Figure, as_text: bool = False, **options: Any) -> bytes:
    buffer = io.BytesIO()
    with style.look(as_text):
        figure.savefig(buffer, **options)
    return buffer.getvalue()
