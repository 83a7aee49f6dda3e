"""How time grows: sentences, a table, and a figure with a row per axis."""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from backprop_bench.bench.report import style
from backprop_bench.bench.report.chart import Chart, own_bar
from backprop_bench.bench.report.drawing import Drawing
from backprop_bench.bench.report.numbers import (
    has_bounds,
    large,
    named,
    percent,
    plain,
    seconds,
    seconds_interval,
)
from backprop_bench.bench.report.table import Table, make_table
from backprop_bench.bench.scaling.analysis import Crossover, Curve, Limit, Scaling

LEFT, WIDTH, BETWEEN = 0.75, 4.1, 0.85
HEIGHT, ABOVE, BELOW = 2.9, 0.3, 0.55
LEGEND, LEGEND_COLUMNS = 0.55, 4
PRODUCTS, FETCHING = ":", "-."


def scaling_sentences(scalings: Sequence[Scaling]) -> list[str]:
    """Return where one overtakes another, and which fraction of the roofline each reaches at most."""
    sentences = [_crossover_sentence(scaling, crossover) for scaling in scalings for crossover in scaling.crossovers]
    names = dict.fromkeys(curve.implementation for scaling in scalings for curve in scaling.curves)
    best = [_best(scalings, name) for name in names]
    if any(best):
        sentences.append(
            f"The highest fraction of the roofline ({_roofline(scalings)}): {'; '.join(filter(None, best))}."
        )
    rates = [
        _highest("matrix products", [(scaling, limit) for scaling in scalings for limit in scaling.products], "FLOP/s"),
        _highest("fetching", [(scaling, limit) for scaling in scalings for limit in scaling.fetched], "B/s"),
    ]
    if any(rates):
        sentences.append(f"The highest rates of what is timed alone: {'; '.join(filter(None, rates))}.")
    return sentences


def _best(scalings: Sequence[Scaling], implementation: str) -> str:
    """Return where an implementation reaches the highest fraction of the roofline; empty where none is known."""
    reached = [
        (point.of_roofline, scaling.where(point.label))
        for scaling in scalings
        for curve in scaling.curves
        for point in curve.points
        if curve.implementation == implementation and math.isfinite(point.of_roofline)
    ]
    if not reached:
        return ""
    share, place = max(reached)
    return f"{named(implementation)} {percent(share, 0)} at {place}"


def _roofline(scalings: Sequence[Scaling]) -> str:
    both = "dense matrix products or fetching, whichever takes longer"
    return both if any(scaling.fetched for scaling in scalings) else "dense matrix products"


def _highest(what: str, limits: Sequence[tuple[Scaling, Limit]], unit: str) -> str:
    """Return where what is timed alone is fastest; empty where it was not timed."""
    if not limits:
        return ""
    scaling, limit = max(limits, key=lambda item: item[1].rate)
    return f"{what} {large(limit.rate, unit)} at {scaling.where(scaling.labels[limit.x])}"


def _crossover_sentence(scaling: Scaling, crossover: Crossover) -> str:
    low, high = crossover.between
    return (
        f"From about {_whole(crossover.x)} {scaling.counted} on (between {low:,} and {high:,}), "
        f"{named(crossover.after)} is faster than {named(crossover.before)}."
    )


def _whole(place: float) -> str:
    """Return a place on an axis as the next whole number, for there is no half an example, unit or layer."""
    return f"{math.ceil(place):,}"


def scaling_table(scaling: Scaling) -> Table:
    """Return every point of an axis."""
    columns = [f"<{scaling.counted}", "<implementation", "per example", "per epoch", "fraction of roofline"]
    rows = [
        [
            label,
            curve.implementation,
            seconds_interval(point.example_s),
            seconds_interval(point.epoch_s),
            percent(point.of_roofline, 0),
        ]
        for x, label in scaling.labels.items()
        for curve in scaling.curves
        for point in curve.points
        if point.x == x
    ]
    note = (
        "In brackets: 95 % CI over process replicates. Roofline: the dense matrix products of a step, or fetching "
        "its batches, whichever takes longer."
    )
    known = [curve for curve in scaling.curves if math.isfinite(curve.low) and math.isfinite(curve.high)]
    if scaling.is_numeric and known:
        slopes = "; ".join(_slopes(curve) for curve in known)
        note += f" Exponent of the time per example, in the lower and the upper half: {slopes}."
    return make_table(f"Along {scaling.counted}", columns, rows, note)


def _slopes(curve: Curve) -> str:
    return f"{named(curve.implementation)} {plain(curve.low, 2)} and {plain(curve.high, 2)}"


def scaling_chart(scaling: Scaling) -> Chart:
    """Return the time at every place of an axis, for a terminal."""
    points = [(point, curve.implementation) for curve in scaling.curves for point in curve.points]
    points.sort(key=lambda item: item[0].x)
    bars = [
        own_bar(name, point.example_s.estimate, seconds_interval(point.example_s), name=f"{point.label} {name}")
        for point, name in points
    ]
    return Chart(f"Time per example along {scaling.counted}", tuple(bars), seconds)


def draw_scaling(scalings: Sequence[Scaling]) -> Drawing:
    """Draw the time per example and the fraction of the roofline along every axis."""
    with style.look():
        page = style.Page()
        title = _title(scalings)
        page.heading(title, "Time per example, and the fraction of the roofline")
        for scaling in scalings:
            page.band(
                HEIGHT + ABOVE + BELOW,
                lambda band, scaling=scaling: _draw(band, scaling),  # type: ignore[misc]
            )
        names = list(dict.fromkeys(curve.implementation for scaling in scalings for curve in scaling.curves))
        fetched = any(scaling.fetched for scaling in scalings)
        page.band(LEGEND, lambda band: _legend(band, names, fetched))
        page.text(_note(), style.SMALL, color=style.GREY)
        return Drawing("scaling", title, " ".join([f"{title}.", *scaling_sentences(scalings)]), page.figure())


def _title(scalings: Sequence[Scaling]) -> str:
    crossovers = [(scaling, crossover) for scaling in scalings for crossover in scaling.crossovers]
    if not crossovers:
        ahead = _ahead_everywhere(scalings)
        return f"{ahead} is fastest everywhere" if ahead else "No implementation overtakes another significantly"
    scaling, crossover = crossovers[0]
    return f"{crossover.after} overtakes {crossover.before} at about {_whole(crossover.x)} {scaling.counted}"


def _ahead_everywhere(scalings: Sequence[Scaling]) -> str | None:
    """Return who has the shortest time at every place of every axis."""
    fastest = {
        min(curves, key=lambda item: item[1])[0]
        for scaling in scalings
        for place in {point.x for curve in scaling.curves for point in curve.points}
        if (
            curves := [
                (curve.implementation, point.example_s.estimate)
                for curve in scaling.curves
                for point in curve.points
                if point.x == place
            ]
        )
    }
    return fastest.pop() if len(fastest) == 1 else None


def _draw(band: style.Band, scaling: Scaling) -> None:
    times = band.axes(LEFT, WIDTH, ABOVE, BELOW)
    shares = band.axes(LEFT + WIDTH + BETWEEN, WIDTH, ABOVE, BELOW)
    for curve in scaling.curves:
        x = [point.x for point in curve.points]
        look: dict[str, Any] = {
            "color": style.colour(curve.implementation),
            "linestyle": style.dash(curve.implementation),
        }
        marks: dict[str, Any] = {
            "marker": style.marker(curve.implementation),
            "markersize": 5,
            "markeredgecolor": "white",
        }
        times.plot(x, [point.example_s.estimate for point in curve.points], **look, **marks)
        for point in curve.points:
            if has_bounds(point.example_s):
                times.plot([point.x] * 2, [point.example_s.low, point.example_s.high], color=look["color"], linewidth=3)
        shares.plot(x, [point.of_roofline for point in curve.points], **look, **marks)
    for limits, dash in ((scaling.products, PRODUCTS), (scaling.fetched, FETCHING)):
        places = [limit.x for limit in limits]
        times.plot(places, [limit.example_s for limit in limits], color=style.INK, linestyle=dash, linewidth=1.2)
    shares.axhline(1, color=style.INK, linestyle=":", linewidth=1.2)
    for axes in (times, shares):
        _place_axis(axes, scaling)
    times.set_yscale("log")
    times.yaxis.set_major_locator(LogLocator(subs=(1.0, 3.0), numticks=8))
    times.yaxis.set_minor_locator(NullLocator())
    times.yaxis.set_major_formatter(FuncFormatter(lambda value, _: seconds(value)))
    times.set_title("time per example, log axis", loc="left", fontsize=style.NORMAL)
    shares.set_ylim(bottom=0)
    shares.yaxis.set_major_formatter(FuncFormatter(lambda value, _: percent(value, 0)))
    shares.set_title("fraction of roofline", loc="left", fontsize=style.NORMAL)


def _place_axis(axes: Axes, scaling: Scaling) -> None:
    if scaling.is_numeric:
        axes.set_xscale("log")
    shown = [_short(x) if scaling.is_numeric else label for x, label in scaling.labels.items()]
    axes.set_xticks(list(scaling.labels), shown)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(f"{scaling.counted}, log axis" if scaling.is_numeric else scaling.counted)


def _short(place: int) -> str:
    return f"{place / 1000:g}k" if place >= 10_000 else str(place)


def _legend(band: style.Band, names: Sequence[str], fetched: bool) -> None:
    axes = band.axes(0, style.PAGE_INCHES)
    axes.set_axis_off()
    for name in names:
        axes.plot(
            [], [], color=style.colour(name), linestyle=style.dash(name), marker=style.marker(name), label=named(name)
        )
    axes.plot([], [], color=style.INK, linestyle=PRODUCTS, label="matrix products alone")
    if fetched:
        axes.plot([], [], color=style.INK, linestyle=FETCHING, label="fetching alone")
    axes.legend(loc="center", ncols=LEGEND_COLUMNS, frameon=False, fontsize=style.NORMAL)


def _note() -> str:
    return (
        "Markers and bars: geometric mean and 95 % CI over process replicates, interleaved at each place. Roofline: "
        "the longer of dense matrix products (dotted) and fetching (dash-dotted); leaving out zeros can beat it."
    )
