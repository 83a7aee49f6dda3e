"""The figure of how two implementations diverge with the number of weight updates, in either dtype."""

from collections.abc import Mapping
from typing import Any

from matplotlib.ticker import FuncFormatter

from backprop_bench.bench.report import style
from backprop_bench.bench.report.drawing import Drawing
from backprop_bench.bench.report.numbers import scientific

PANEL_INCHES, HEIGHT_INCHES, BELOW_INCHES = 7.4, 3.6, 0.5
DRAWN_ZERO = 1e-17
"""Where a difference of 0 is drawn, because a logarithmic axis has no 0."""
LINES = {"float64": (style.SHADES["peer"][0], "o", "-"), "float32": (style.SHADES["from scratch"][0], "s", "--")}


def draw_drift(record: Mapping[str, Any]) -> Drawing:
    """Draw the largest relative difference of the weights over the number of steps.

    Parameters
    ----------
    record
        ``implementation``, ``against``, ``recipe`` and ``drift``: for every dtype the points (steps, difference).
    """
    with style.look():
        return _draw_page(record)


def _draw_page(record: Mapping[str, Any]) -> Drawing:
    page = style.Page()
    title = _title(record)
    pair = f"{record['implementation']} against {record['against']}"
    page.heading(title, f"{pair}, {_describe(record['recipe'])}")
    page.band(HEIGHT_INCHES, lambda band: _draw(band, record["drift"]))
    page.text(_note(record), style.SMALL, color=style.GREY)
    return Drawing("drift", title, f"{title}. {_note(record)}", page.figure())


def _title(record: Mapping[str, Any]) -> str:
    steps = record["drift"]["float64"][-1][0]
    parts = [f"{scientific(points[-1][1])} in {dtype}" for dtype, points in record["drift"].items()]
    return f"After {steps:,} updates, weights differ by {', '.join(parts)}"


def _describe(recipe: Mapping[str, Any]) -> str:
    sizes = "-".join(map(str, recipe["layer_sizes"]))
    return f"{sizes}, batch {recipe['batch_size'] or 'all'}, {recipe['optimizer']}"


def _note(record: Mapping[str, Any]) -> str:
    return (
        "Largest difference of any weight or bias, relative to the largest value of its array; one run per dtype, "
        f"seed {record['recipe']['seed']}. A difference of 0 is drawn at {DRAWN_ZERO:g}."
    )


def _draw(band: style.Band, drift: Mapping[str, Any]) -> None:
    axes = band.axes(style.MARGIN + 0.8, PANEL_INCHES, 0.05, BELOW_INCHES)
    for dtype, points in drift.items():
        colour, marker, dash = LINES[dtype]
        steps, differences = [step for step, _ in points], [max(value, DRAWN_ZERO) for _, value in points]
        axes.plot(steps, differences, color=colour, marker=marker, linestyle=dash, markersize=4, label=dtype)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0e}"))
    axes.set_xlabel("weight updates, log axis")
    axes.set_ylabel("largest relative difference, log axis")
    axes.tick_params(labelsize=style.SMALL)
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.0), frameon=False, fontsize=style.NORMAL, borderaxespad=0)
