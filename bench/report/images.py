"""Rows of small images with words below them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.colors import Colormap

from backprop_bench.bench.report import style

PER_ROW = 12
CELL, GAP = 0.78, 0.05
"""Inches of an image's side, and between images."""
LINE = 0.135
"""Inches of a line of words."""
SHARPNESS = 8
"""Pixels a side for every one of an image, so that no viewer smooths them away."""
WORDS = 7.5


@dataclass(frozen=True)
class Words:
    """A line below an image."""

    text: str
    colour: str = style.INK
    bold: bool = False


def rows_height(n_images: int, n_lines: int) -> float:
    """Return the inches of a band for so many images, with so many lines below each."""
    return -(-n_images // PER_ROW) * _row_height(n_lines)


def _row_height(n_lines: int) -> float:
    return CELL + n_lines * LINE + 0.12


def draw_images(
    band: style.Band,
    images: npt.NDArray[np.float64],
    colours: Colormap,
    limits: tuple[float, float],
    words: Sequence[Sequence[Words]],
) -> None:
    """Fill a band with images, from left to right and from the top downwards.

    Parameters
    ----------
    images
        [n, side, side].
    limits
        What the first and the last of the colours stand for.
    words
        The lines below each image, as many for all.
    """
    height = _row_height(max(map(len, words), default=0))
    for start in range(0, len(images), PER_ROW):
        row = style.Band(band.figure, band.top + start // PER_ROW * height, height)
        _draw_row(row, images[start : start + PER_ROW], colours, limits, words[start : start + PER_ROW])


def _draw_row(
    band: style.Band,
    images: npt.NDArray[np.float64],
    colours: Colormap,
    limits: tuple[float, float],
    words: Sequence[Sequence[Words]],
) -> None:
    """Draw images into axes whose unit is a cell, one as wide as an image and the gap beside it."""
    cell = CELL + GAP
    strip = style.Band(band.figure, band.top, CELL)
    axes = strip.axes(style.MARGIN, len(images) * cell)
    for column, image in enumerate(images):
        sharp = image.repeat(SHARPNESS, axis=0).repeat(SHARPNESS, axis=1)
        place = (column, column + CELL / cell, 1.0, 0.0)
        axes.imshow(
            sharp, colours, vmin=limits[0], vmax=limits[1], extent=place, aspect="auto", interpolation="none", zorder=2
        )
    axes.set_xlim(0, len(images))
    axes.set_ylim(1, 0)
    axes.axis("off")
    for column, lines in enumerate(words):
        for number, line in enumerate(lines):
            x, y = style.MARGIN + column * cell + CELL / 2, CELL + 0.03 + number * LINE
            weight = "bold" if line.bold else "normal"
            band.write(x, y, line.text, fontsize=WORDS, color=line.colour, ha="center", weight=weight)
