"""`Drawing`: a figure with the words that belong to it, and the files that it becomes."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from backprop_bench.bench.core.records.files import write_whole
from backprop_bench.bench.report import style

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


def save(drawing: Drawing, folder: Path) -> FigureFile:
    """Write a drawing as PNG and SVG, whose bytes depend on nothing but the drawing.

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
    )


def to_svg(drawing: Drawing) -> bytes:
    """Return a drawing as SVG, whose bytes depend on nothing but the drawing."""
    return _encoded(drawing.figure, format="svg", metadata={"Date": None, "Creator": None})


def _encoded(figure: Figure, **options: Any) -> bytes:
    buffer = io.BytesIO()
    with style.look():
        figure.savefig(buffer, **options)
    return buffer.getvalue()
