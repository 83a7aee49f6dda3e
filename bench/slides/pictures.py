"""Pictures for slides: charts, curves and a network whose letters can be read from the last row."""

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
from backprop_bench.bench.report.numbers import clean, has_bounds, listing, named, seconds, shorten
from backprop_bench.bench.scaling.analysis import Scaling

LETTERS, NAMES_OF_QUANTITIES = 16, 24
"""Sizes in points of letters, on a slide as in the figure."""
DPI = 150
WIDE, HIGH = 9.0, 3.1
"""Inches that a slide has for a picture above its caption."""
ROWS, ROW, BELOW, BESIDE, GAP = 9, 0.295, 0.42, 1.2, 0.15
"""Rows of a chart; inches of a row, of the ends of the axis below it and, at least, beside it, and of a gap."""
NAME_LETTERS, LEGEND_LETTERS = 22, 18
LOOK: dict[Any, Any] = {
    "font.size": LETTERS,
    "axes.labelsize": LETTERS,
    "xtick.labelsize": LETTERS,
    "ytick.labelsize": LETTERS,
    "mathtext.fontset": "cm",
}


@dataclass(frozen=True)
class Picture:
    """An image, and what it says to someone who cannot see it."""

    png: bytes
    alt: str


@contextlib.contextmanager
def _axes(left: float, right: float, above: float = 0.0, below: float = 0.0) -> Iterator[Axes]:
    """Draw in the suite's look with the letters of slides, on axes with so many inches around them."""
    with style.look(), mpl.rc_context(LOOK):
        figure = Figure(figsize=(WIDE, HIGH), dpi=DPI)
        FigureCanvasAgg(figure)
        inner = (WIDE - left - right) / WIDE, (HIGH - above - below) / HIGH
        yield figure.add_axes((left / WIDE, below / HIGH, *inner))


def _png(axes: Axes) -> bytes:
    buffer = io.BytesIO()
    axes.figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})  # type: ignore[union-attr]
    return buffer.getvalue()


def chart_pictures(chart: Chart) -> list[Picture]:
    """Draw a chart, in several pictures with one axis where it has more rows than a slide has room for."""
    bars = chart.bars if chart.values else ()
    n_rows = math.ceil(len(bars) / max(1, math.ceil(len(bars) / ROWS)))
    return [_chart_picture(chart, bars[start : start + n_rows]) for start in range(0, len(bars), max(1, n_rows))]


def _chart_picture(chart: Chart, bars: Sequence[Bar]) -> Picture:
    axis, free = axis_of(chart), HIGH - BELOW - ROW * len(bars)
    with _axes(BESIDE, BESIDE, free / 2, BELOW + free / 2) as axes:
        axes.set_ylim(len(bars) - 0.5, -0.5)
        axes.set_yticks(range(len(bars)), [shorten(bar.name, NAME_LETTERS) for bar in bars])
        axes.tick_params(axis="y", length=0, pad=8)
        axes.grid(visible=False)
        for row, bar in enumerate(bars):
            _draw_bar(axes, row, bar, axis, chart)
            axes.annotate(
                bar.text, (1, row), (72 * GAP, 0), axes.get_yaxis_transform(), "offset points", va="center_baseline"
            )
        if axis.low < axis.origin:
            axes.axvline(axis.place(axis.origin), color=style.GREY, linewidth=1)
        axes.set_xlim(-0.02, 1.02)
        axes.set_xticks([0, 1], [chart.write(axis.low), chart.write(axis.high)])
        if axis.is_logarithmic:
            axes.set_xlabel("log axis", labelpad=-LETTERS, color=style.GREY)
        _make_room(axes)
        said = "; ".join(f"{clean(bar.name)} {bar.text}" for bar in bars)
        return Picture(_png(axes), f"{clean(chart.title)}: {said}.")


def _make_room(axes: Axes) -> None:
    """Give names and texts the inches that they need beside the bars, and the bars what is left."""
    left, right = (
        max([BESIDE, *(text.get_window_extent().width / DPI + 2 * GAP for text in texts)])
        for texts in (axes.get_yticklabels(), axes.texts)
    )
    bottom, height = axes.get_position().y0, axes.get_position().height
    axes.set_position((left / WIDE, bottom, (WIDE - left - right) / WIDE, height))


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
    said = []
    with _axes(1.1, 2.95, 0.12, 0.75) as axes:
        for curve in (curve for curve in scaling.curves if curve.points):
            name, points = curve.implementation, curve.points
            axes.plot(
                [point.x for point in points],
                [point.example_s.estimate for point in points],
                color=style.colour(name),
                linestyle=style.dash(name),
                marker=style.marker(name),
                markersize=9,
                linewidth=2.5,
                label=shorten(name, LEGEND_LETTERS),
            )
            for point in (point for point in points if has_bounds(point.example_s)):
                axes.plot([point.x] * 2, [point.example_s.low, point.example_s.high], color=style.colour(name))
            first, last = (f"{seconds(point.example_s.estimate)} at {point.label}" for point in (points[0], points[-1]))
            said.append(f"{named(name)} from {first} to {last}")
        _curve_axes(axes, scaling)
        return Picture(_png(axes), f"Curves of the time per example along {scaling.counted}: {listing(said)}.")


def _curve_axes(axes: Axes, scaling: Scaling) -> None:
    places = list(scaling.labels)
    shown = places[:: -(-len(places) // 6)]
    if scaling.is_numeric:
        axes.set_xscale("log")
    axes.set_xticks(shown, [scaling.labels[place] for place in shown])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(f"{scaling.counted}, log axis" if scaling.is_numeric else scaling.counted)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 3.0), numticks=6))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: seconds(value)))
    axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False, fontsize=LETTERS)


def network_picture() -> bytes:
    """Draw a network of one hidden layer with the names of its quantities; the lesson says what it shows."""
    letters: dict[str, Any] = {"fontsize": NAMES_OF_QUANTITIES, "parse_math": True, "ha": "center", "va": "center"}
    kinds = (style.GREY, style.SHADES["from scratch"][0], style.SHADES["PyTorch"][0])
    layers = [[(x, 2 + unit - (n - 1) / 2) for unit in range(n)] for x, n in enumerate((4, 5, 3))]
    with _axes(1.2, 1.2) as axes:
        axes.set_axis_off()
        axes.set_xlim(-0.2, 2.2)
        axes.set_ylim(-0.4, 5.4)
        for before, after in itertools.pairwise(layers):
            for start, end in itertools.product(before, after):
                axes.plot(*zip(start, end, strict=True), color=style.FAINT, linewidth=1.5, zorder=1)
        for units, colour in zip(layers, kinds, strict=True):
            axes.plot(*zip(*units, strict=True), "o", color=colour, markersize=20)
        for x, name in enumerate(("$x_i$", "$w_{ij}$", "$y_j$", "$w_{jk}$", "$o_k$")):
            axes.text(x / 2, 4.95, name, **letters)
        return _png(axes)
