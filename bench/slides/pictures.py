"""Pictures for slides: equations, charts and curves in large letters."""

import contextlib
import io
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from backprop_bench.bench.report import style
from backprop_bench.bench.report.chart import Axis, Bar, Chart, axis_of
from backprop_bench.bench.report.numbers import clean, count, has_bounds, listing, named, seconds, shorten
from backprop_bench.bench.scaling.analysis import Scaling
from backprop_bench.bench.slides.equations import Equation

LETTERS, FORMULA = 16, 28
"""Sizes in points of the smallest letters and of equations, where a picture has the size that it was drawn for."""
PIXELS_PER_INCH = 150
WIDE = 12.1
"""Inches that a slide has for a picture."""
ROWS = 10
"""Rows of a chart on a slide, at most."""
ROW, BELOW, NAMES, TEXTS = 0.38, 0.5, 3.3, 3.3
"""Inches: a row, the ends of the axis below the rows, and what is left and right of the bars."""
NAME_LETTERS = 24
CURVES_HIGH, CURVES_LEFT, CURVES_BELOW, CURVES_RIGHT = 4.0, 1.3, 0.85, 3.0
NETWORK_HIGH = 3.6
LOOK: dict[Any, Any] = {
    "font.size": LETTERS,
    "axes.labelsize": LETTERS,
    "xtick.labelsize": LETTERS,
    "ytick.labelsize": LETTERS,
    "mathtext.fontset": "cm",
}


@dataclass(frozen=True)
class Picture:
    """An image, its size on a slide in inches, and its alternative text."""

    png: bytes
    width: float
    height: float
    alt: str


@contextlib.contextmanager
def _look() -> Iterator[None]:
    """Draw in the suite's look, with the letters of slides."""
    with style.look(), mpl.rc_context(LOOK):
        yield


def equation_picture(equation: Equation) -> Picture:
    """Set an equation in a picture of its own size."""
    displayed = equation.latex.replace(r"\frac", r"\dfrac")  # large fractions, as equations on lines of their own have
    with _look():
        figure = _figure(WIDE, 2.0)
        text = figure.text(0, 0, f"${displayed}$", fontsize=FORMULA, parse_math=True, va="baseline")
        box = text.get_window_extent()
        padding = 0.02  # against cut edges
        width, height = box.width / figure.dpi + 2 * padding, box.height / figure.dpi + 2 * padding
        figure.set_size_inches(width, height)
        text.set_position((padding / width, (padding - box.y0 / figure.dpi) / height))
        return _picture(figure, equation.alt)


def chart_pictures(chart: Chart) -> list[Picture]:
    """Draw a chart, in several pictures with one axis where it has too many rows for a slide."""
    axis = axis_of(chart)
    with _look():
        return [_chart_picture(chart, bars, axis) for bars in _parts(chart.bars)]


def _parts(bars: Sequence[Bar]) -> Iterator[list[Bar]]:
    """Cut bars into parts with as many rows as fit, between two kinds where that is enough."""
    part: list[Bar] = []
    for _, group in itertools.groupby(bars, key=lambda bar: bar.kind):
        same = list(group)
        for some in (same[start : start + ROWS] for start in range(0, len(same), ROWS)):
            if len(part) + len(some) > ROWS:
                yield part
                part = []
            part = [*part, *some]
    if part:
        yield part


def _chart_picture(chart: Chart, bars: Sequence[Bar], axis: Axis) -> Picture:
    figure = _figure(WIDE, ROW * len(bars) + BELOW)
    axes = _axes(figure, NAMES, TEXTS, 0.0, BELOW)
    axes.set_ylim(len(bars) - 0.5, -0.5)
    axes.set_yticks(range(len(bars)), [shorten(bar.name, NAME_LETTERS) for bar in bars])
    axes.tick_params(axis="y", length=0, pad=8)
    axes.grid(visible=False)
    for row, bar in enumerate(bars):
        _draw_bar(axes, row, bar, axis, chart)
        axes.text(1.03, row, bar.text, transform=axes.get_yaxis_transform(), va="center")
    if axis.low < axis.origin:
        axes.axvline(axis.place(axis.origin), color=style.GREY, linewidth=1)
    axes.set_xlim(-0.02, 1.02)
    axes.set_xticks([0, 1], [chart.write(axis.low), chart.write(axis.high)])
    if axis.is_logarithmic:
        axes.set_xlabel("log axis", labelpad=-LETTERS, color=style.GREY)
    bars_in_words = "; ".join(f"{clean(bar.name)} {bar.text}" for bar in bars)
    return _picture(figure, f"{clean(chart.title)}: {bars_in_words}.")


def _draw_bar(axes: Axes, row: int, bar: Bar, axis: Axis, chart: Chart) -> None:
    """Draw a bar, blue where it rises and orange where it falls if it has no kind.

    On a logarithmic axis of times it is a point, for there no length means anything.
    """
    if not math.isfinite(bar.value):  # nothing was measured
        return
    end, origin = axis.place(bar.value), axis.place(axis.origin)
    colour = style.SHADES[bar.kind or ("PyTorch" if end > origin else "from scratch")][0]
    if axis.is_logarithmic and not chart.factors:
        axes.plot([0, end], [row, row], color=style.FAINT, linewidth=2, zorder=1)
        axes.plot([end], [row], "o", color=colour, markersize=11)
        return
    axes.barh(row, end - origin, left=origin, height=0.62, color=colour)


def scaling_picture(scaling: Scaling) -> Picture:
    """Draw the time per example along an axis, one curve per implementation."""
    with _look():
        figure = _figure(WIDE, CURVES_HIGH)
        axes = _axes(figure, CURVES_LEFT, CURVES_RIGHT, 0.15, CURVES_BELOW)
        for curve in scaling.curves:
            name = curve.implementation
            axes.plot(
                [point.x for point in curve.points],
                [point.example_s.estimate for point in curve.points],
                color=style.colour(name),
                linestyle=style.dash(name),
                marker=style.marker(name),
                markersize=9,
                linewidth=2.5,
                label=named(name),
            )
            for point in curve.points:
                if has_bounds(point.example_s):
                    axes.plot([point.x] * 2, [point.example_s.low, point.example_s.high], color=style.colour(name))
        _curve_axes(axes, scaling)
        return _picture(figure, _scaling_alt(scaling))


def _curve_axes(axes: Axes, scaling: Scaling) -> None:
    places = sorted({point.x for curve in scaling.curves for point in curve.points})
    shown = places[:: -(-len(places) // 6)]
    axes.set_xscale("log")
    axes.set_xticks(shown, [f"{place:,}" for place in shown])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(f"{scaling.counted}, log axis")
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 3.0), numticks=6))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: seconds(value)))
    axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False, fontsize=LETTERS)


def _scaling_alt(scaling: Scaling) -> str:
    each = [
        f"{named(curve.implementation)} from {seconds(curve.points[0].example_s.estimate)} at {curve.points[0].x:,} to "
        f"{seconds(curve.points[-1].example_s.estimate)} at {curve.points[-1].x:,}"
        for curve in scaling.curves
        if curve.points
    ]
    return f"Curves of the time per example along {scaling.counted}: {listing(each)}."


def network_picture() -> Picture:
    """Draw a network of one hidden layer with the names of its quantities."""
    letters: dict[str, Any] = {"fontsize": FORMULA, "parse_math": True, "ha": "center", "va": "center"}
    layers = ((r"$x_i$", 4), (r"$y_j$", 5), (r"$o_k$", 3))
    with _look():
        figure = _figure(WIDE, NETWORK_HIGH)
        axes = _axes(figure, 2.2, 2.2, 0.0, 0.0)
        axes.set_axis_off()
        axes.set_xlim(-0.2, 2.2)
        axes.set_ylim(-0.4, 5.4)
        places = [[(x, 2 + unit - (n - 1) / 2) for unit in range(n)] for x, (_, n) in enumerate(layers)]
        for below, above in itertools.pairwise(places):
            for start, end in itertools.product(below, above):
                axes.plot(*zip(start, end, strict=True), color=style.FAINT, linewidth=1.5, zorder=1)
        kinds = (style.GREY, style.SHADES["from scratch"][0], style.SHADES["PyTorch"][0])
        for (name, _), layer, colour in zip(layers, places, kinds, strict=True):
            axes.plot(*zip(*layer, strict=True), "o", color=colour, markersize=22)
            axes.text(layer[0][0], 4.95, name, **letters)
        for x, name in ((0.5, r"$w_{ij}$"), (1.5, r"$w_{jk}$")):
            axes.text(x, 4.95, name, **letters)
        units = listing(
            f"{count(n, what)}" for (_, n), what in zip(layers, ("input", "hidden unit", "output"), strict=True)
        )
        return _picture(
            figure,
            f"A network of {units}. Lines lead from every input x of i to every hidden unit y of j, with weights w "
            "from i to j, and from every hidden unit to every output o of k, with weights w from j to k.",
        )


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), dpi=PIXELS_PER_INCH)
    FigureCanvasAgg(figure)
    return figure


def _axes(figure: Figure, left: float, right: float, above: float, below: float) -> Axes:
    """Return axes with so many inches around them."""
    width, height = figure.get_size_inches()
    inner = (width - left - right) / width, (height - above - below) / height
    return figure.add_axes((left / width, below / height, *inner))


def _picture(figure: Figure, alt: str) -> Picture:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=PIXELS_PER_INCH, metadata={"Software": None})
    width, height = figure.get_size_inches()
    return Picture(buffer.getvalue(), float(width), float(height), alt)
