"""What trials of an implementation against itself say of the measuring: sentences, a table, and a figure."""

import functools
import statistics
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from backprop_bench.bench.compute.calibration import ENOUGH, Calibration, CutCost, Share, Slowdown
from backprop_bench.bench.compute.statistics import LEVEL, Interval
from backprop_bench.bench.show import style
from backprop_bench.bench.show.certainty import within
from backprop_bench.bench.show.chart import Bar, Chart
from backprop_bench.bench.show.drawing import Drawing
from backprop_bench.bench.show.numbers import NBSP, count, listing, named, percent, plain, seconds
from backprop_bench.bench.show.table import Table, make_table

HEIGHT, ABOVE, BELOW = 3.5, 0.3, 0.5
LEFT, EQUAL, BETWEEN, FOUND = 0.55, 5.35, 0.8, 3.2
"""Inches: room for the labels of the vertical axis, the left axes, the room between, the right axes."""
INSIDE, OUTSIDE, SLOWED = style.SHADES["PyTorch"][3], style.SHADES["from scratch"][0], style.SHADES["PyTorch"][0]
WITHIN_AXIS = 0.9
"""Share of the intervals of equal copies that the axis shows whole."""
FEW = 20
"""Trials below which nothing is concluded from them."""
ALARMS = 1 - LEVEL
"""Share of false alarms that an interval promises."""


def calibration_sentences(calibration: Calibration) -> list[str]:
    """Return what the trials say of the measuring, false alarms first."""
    found = [] if calibration.same is None else [_alarms_sentence(calibration, calibration.same)]
    if calibration.injected:
        found += [_found_sentence(calibration), _smallest_sentence(calibration)]
    if calibration.slowdowns:
        found += [_covered_sentence(calibration), _bootstrap_sentence(calibration)]
    if calibration.cut_cost is not None:
        found.append(_cost_sentence(calibration, calibration.cut_cost))
    if calibration.trials:
        found.append(_time_sentence(calibration))
    if calibration.incomplete:
        verb = "is" if calibration.incomplete == 1 else "are"
        found.append(f"{count(calibration.incomplete, 'trial')} {verb} incomplete and not counted.")
    return found


def _alarms_sentence(calibration: Calibration, same: Slowdown) -> str:
    alarms = same.found(same.intervals)
    said = (
        f"Of {count(alarms.of, 'trial')} of {named(calibration.implementation)} against an equal copy, {alarms.n} had "
        f"1 outside their 95 % interval: {_written(alarms)} false alarms"
    )
    promised = percent(ALARMS, 0)
    if alarms.of < FEW:
        return f"{said}, too few to hold against the {promised} that such intervals promise."
    if alarms.low <= ALARMS <= alarms.high:
        return f"{said}, which agrees with the {promised} that such intervals promise."
    return f"{said}, {'more' if alarms.low > ALARMS else 'fewer'} than the {promised} that such intervals promise."


def _found_sentence(calibration: Calibration) -> str:
    each = []
    for slowdown in calibration.injected:
        found = slowdown.found(slowdown.intervals)
        each.append(f"of {_slowdown(slowdown)} in {found.n} of {count(found.of, 'trial')}, {_written(found)}")
    return f"Slowdowns were found: {'; '.join(each)}."


def _smallest_sentence(calibration: Calibration) -> str:
    smallest = calibration.smallest_found
    if smallest is None:
        return "No injected slowdown was found in nine of ten trials."
    return f"The smallest one that nine of ten trials found is {_per_cent(smallest)}."


def _covered_sentence(calibration: Calibration) -> str:
    each = [
        f"{_written(slowdown.covered(slowdown.intervals))} at {_slowdown(slowdown)}"
        for slowdown in calibration.slowdowns
    ]
    return f"The true ratio lay in the interval in {listing(each)}; {percent(LEVEL, 0)} is promised."


def _bootstrap_sentence(calibration: Calibration) -> str:
    each = [
        f"{_written(slowdown.covered(slowdown.bootstraps))} at {_slowdown(slowdown)}"
        for slowdown in calibration.slowdowns
    ]
    return f"In the interval of an uncorrected hierarchical bootstrap it lay in {listing(each)}."


def _cost_sentence(calibration: Calibration, cut_cost: CutCost) -> str:
    cost, turn, call = (
        f"{plain(100 * share.estimate, 2)} ({plain(100 * share.low, 2)} to {plain(100 * share.high, 2)}){NBSP}%"
        for share in (cut_cost.cost, cut_cost.turn, cut_cost.call)
    )
    return (
        f"Being cut into blocks of {1000 * calibration.block_s:g}{NBSP}ms costs {named(calibration.implementation)} "
        f"{cost} of its time, in {cut_cost.n_processes} processes: {turn} for the turn, by how much longer its first "
        f"block takes than a later one; {call} for the call, from what a call for every single batch costs."
    )


def _time_sentence(calibration: Calibration) -> str:
    trials = calibration.trials
    median = statistics.median(trial.spent_s for trial in trials)
    longest = max(trial.spent_s for trial in trials)
    return (
        f"A trial took {seconds(median)} in the median and {seconds(longest)} at most, and "
        f"{percent(calibration.outside_share, 0)} of the time was spent outside timed blocks: on fresh processes, on "
        "taking turns, on batches that bring back the caches."
    )


def calibration_table(calibration: Calibration) -> Table:
    """Return what came of the trials, a row per injected slowdown."""
    columns = [
        "<injected slowdown",
        "trials",
        "1 outside",
        "truth inside",
        "median half-width",
        "estimate / truth",
        "median time",
        "longest",
        "<stopped",
        "bootstrap: 1 outside",
        "bootstrap: truth inside",
    ]
    note = (
        f"{named(calibration.implementation)} against its own copy, timed to {within(calibration.target)} or for "
        f"{plain(calibration.budget_s, 0)}{NBSP}s, {count(calibration.at_once, 'trial')} at a time. 1 outside: "
        "trials whose 95 % interval excludes 1, false alarms in the row without a slowdown, findings in the others. "
        "Truth inside: trials whose interval holds 1 + slowdown. In brackets: Clopper and Pearson's 95 % interval. "
        "Estimate / truth: mean over trials."
    )
    if calibration.incomplete:
        note += f" Not counted: {count(calibration.incomplete, 'incomplete trial')}."
    return make_table("Calibration", columns, [_row(slowdown) for slowdown in calibration.slowdowns], note)


def _row(slowdown: Slowdown) -> list[str]:
    return [
        "none" if slowdown.extra == 0 else _per_cent(slowdown.extra),
        str(len(slowdown.trials)),
        _counted(slowdown.found(slowdown.intervals)),
        _counted(slowdown.covered(slowdown.intervals)),
        within(slowdown.half_width),
        plain(slowdown.bias, 4),
        seconds(slowdown.median_s),
        seconds(slowdown.longest_s),
        ", ".join(f"{reason} {n}" for reason, n in slowdown.reasons.items()),
        _counted(slowdown.found(slowdown.bootstraps)),
        _counted(slowdown.covered(slowdown.bootstraps)),
    ]


def calibration_charts(calibration: Calibration) -> list[Chart]:
    """Return the share of the trials that tell the copies apart, by injected slowdown, for a terminal."""
    found = [(_slowdown(slowdown), slowdown.found(slowdown.intervals)) for slowdown in calibration.slowdowns]
    bars = [Bar(name, share.share, _counted(share)) for name, share in found]
    return [Chart("Trials whose interval excludes 1, by injected slowdown", tuple(bars), percent)]


def _per_cent(share: float) -> str:
    return f"{100 * share:.3g}{NBSP}%"


def _slowdown(slowdown: Slowdown) -> str:
    return _per_cent(slowdown.extra) if slowdown.extra else "no slowdown"


def _written(share: Share) -> str:
    """Return "5.5 % (2.8–9.6)"."""
    return f"{percent(share.share)} ({plain(100 * share.low, 1)}–{plain(100 * share.high, 1)})"


def _counted(share: Share) -> str:
    return f"{share.n}: {_written(share)}"


def draw_calibration(calibration: Calibration) -> Drawing:
    """Draw the intervals of the trials of equal copies on the left, the share of found slowdowns on the right."""
    with style.look():
        page, title = style.Page(), _title(calibration)
        page.heading(title, f"{named(calibration.implementation)} against its own copy, again and again")
        page.band(HEIGHT, functools.partial(_draw, calibration=calibration))
        page.text(_note(calibration), style.SMALL, color=style.GREY)
        alt = " ".join([f"{title}.", *calibration_sentences(calibration)])
        return Drawing("calibration", title, alt, page.figure())


def _title(calibration: Calibration) -> str:
    parts = []
    if calibration.injected:
        smallest = calibration.smallest_found
        parts.append(
            "No injected slowdown is found in nine of ten trials"
            if smallest is None
            else f"A slowdown of {_per_cent(smallest)} is found in at least nine of ten trials"
        )
    if calibration.same is not None:
        alarms = calibration.same.found(calibration.same.intervals)
        parts.append(f"{alarms.n} of {alarms.of} equal copies were told apart by mistake")
    return "; ".join(parts) or "No trial is complete"


def _draw(band: style.Band, calibration: Calibration) -> None:
    equal = band.axes(style.MARGIN + LEFT, EQUAL, ABOVE, BELOW)
    found = band.axes(style.MARGIN + LEFT + EQUAL + BETWEEN, FOUND, ABOVE, BELOW)
    _draw_equal(equal, calibration)
    _draw_found(found, calibration)


def _header(axes: Axes, text: str) -> None:
    axes.annotate(text, (0, 1), (0, 7), xycoords="axes fraction", textcoords="offset points", color=style.GREY)


def _draw_equal(axes: Axes, calibration: Calibration) -> None:
    """Draw the intervals of equal copies by rank of their estimates, those without 1 on top."""
    _header(axes, "Equal copies: every trial's interval")
    intervals = [] if calibration.same is None else calibration.same.intervals
    ranked = sorted(intervals, key=lambda item: item.estimate)
    width = min(5.0, 0.6 * EQUAL * 72 / max(len(ranked), 1))
    for rank, item in enumerate(ranked, start=1):
        colour = INSIDE if item.contains(1) else OUTSIDE
        axes.vlines(rank, item.low, item.high, color=colour, linewidth=width, zorder=2)
        axes.plot(
            [rank], [item.estimate], "o", color=style.INK, markersize=min(3.0, 1.2 + 0.5 * width), mew=0, zorder=3
        )
    axes.axhline(1, color=style.INK, linestyle=":", linewidth=1.2, zorder=4)
    axes.set_xlim(0, len(ranked) + 1)
    if ranked:
        axes.set_ylim(1 - _reach(ranked), 1 + _reach(ranked))
    axes.grid(visible=False, axis="x")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4f}"))
    axes.set_xlabel("trials, by their estimate")
    axes.set_ylabel("time of the copy / time")
    axes.tick_params(labelsize=style.SMALL)


def _reach(intervals: Sequence[Interval]) -> float:
    """Return how far the axis goes on either side of 1: so that all but a few intervals are within it."""
    farthest = sorted(max(abs(item.low - 1), abs(item.high - 1)) for item in intervals)
    return 1.1 * farthest[int(WITHIN_AXIS * (len(farthest) - 1))]


def _draw_found(axes: Axes, calibration: Calibration) -> None:
    """Draw the share of trials that tell the copies apart over the injected slowdown."""
    _header(axes, "Told apart, by injected slowdown")
    for item in calibration.slowdowns:
        share, x = item.found(item.intervals), 100 * item.extra
        colour, marker = (SLOWED, "o") if item.extra else (OUTSIDE, "s")
        axes.vlines(x, share.low, share.high, color=colour, linewidth=2.2, zorder=2)
        axes.plot([x], [share.share], marker, color=colour, markersize=6.5, zorder=3)
        place: dict[str, Any] = {"xytext": (8, 0), "textcoords": "offset points", "va": "center"}
        box = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
        axes.annotate(f"{share.n} of {share.of}", (x, share.share), **place, fontsize=style.SMALL, bbox=box)
    axes.axhline(ENOUGH, color=style.GREY, linestyle="--", linewidth=1)
    axes.axhline(ALARMS, color=style.INK, linestyle=":", linewidth=1.2)
    largest = max((100 * item.extra for item in calibration.slowdowns), default=0.0) or 1.0
    axes.set_xlim(-0.08 * largest, 1.28 * largest)
    axes.set_ylim(-0.04, 1.04)
    axes.set_xticks([100 * item.extra for item in calibration.slowdowns])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g} %"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))
    axes.set_xlabel("injected slowdown")
    axes.set_ylabel("trials whose interval excludes 1")
    axes.tick_params(labelsize=style.SMALL)


def _note(calibration: Calibration) -> str:
    n_trials = sum(len(slowdown.trials) for slowdown in calibration.slowdowns)
    same = calibration.same
    text = (
        f"{count(n_trials, 'trial')}, each timed to {within(calibration.target)} or for "
        f"{plain(calibration.budget_s, 0)}{NBSP}s."
    )
    if same is not None:
        text += (
            " Left: bars are 95 % intervals, Student's over process sets, dots their estimates; orange bars exclude 1, "
            "the true ratio (dotted)."
        )
    text += " Right: share of trials whose interval excludes 1, bars are Clopper and Pearson's 95 % intervals;"
    if same is not None:
        text += f" orange and dotted, equal copies and the {percent(ALARMS, 0)} of false alarms that intervals promise;"
    text += f" dashed, {percent(ENOUGH, 0)}."
    ranked = [] if same is None else same.intervals
    cut = sum(max(abs(item.low - 1), abs(item.high - 1)) > _reach(ranked) for item in ranked)
    text += f" {count(cut, 'interval')} reach beyond the axis." if cut else ""
    if calibration.incomplete:
        text += f" Not counted: {count(calibration.incomplete, 'incomplete trial')}."
    return text
