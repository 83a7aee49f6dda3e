"""A/A tests and injected slowdowns, shown as sentences, a table and a figure."""

import functools
import statistics
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from backprop_bench.bench.core.stats.intervals import LEVEL, Interval
from backprop_bench.bench.report import style
from backprop_bench.bench.report.certainty import within
from backprop_bench.bench.report.chart import Bar, Chart
from backprop_bench.bench.report.drawing import Drawing
from backprop_bench.bench.report.numbers import NBSP, count, listing, named, percent, plain, seconds
from backprop_bench.bench.report.table import Table, make_table
from backprop_bench.bench.selftest.analysis import ENOUGH, Calibration, Overhead, Share, Slowdown

HEIGHT, ABOVE, BELOW = 3.5, 0.3, 0.5
LEFT, EQUAL, BETWEEN, DETECTED = 0.55, 5.35, 0.95, 3.05
"""Inches: labels of the vertical axis, left axes, gap, right axes."""
INSIDE, OUTSIDE, SLOWED = style.SHADES["PyTorch"][3], style.SHADES["from scratch"][0], style.SHADES["PyTorch"][0]
WITHIN_AXIS = 0.9
"""Share of the intervals of A/A tests that the axis shows whole."""
FEW = 20
"""Trials below which nothing is concluded from them."""
NOMINAL = 1 - LEVEL
"""Nominal false-positive rate."""


def calibration_sentences(calibration: Calibration) -> list[str]:
    """Return the results of the trials, the false-positive rate first."""
    sentences = [] if calibration.same is None else [_false_positives_sentence(calibration, calibration.same)]
    if calibration.injected:
        sentences += [_detected_sentence(calibration), _smallest_sentence(calibration)]
    if calibration.slowdowns:
        sentences.append(_covered_sentence(calibration))
    if calibration.overhead is not None:
        sentences.append(_overhead_sentence(calibration, calibration.overhead))
    if calibration.trials:
        sentences.append(_time_sentence(calibration))
    if calibration.incomplete:
        verb = "is" if calibration.incomplete == 1 else "are"
        sentences.append(f"{count(calibration.incomplete, 'trial')} {verb} incomplete and not counted.")
    return sentences


def _false_positives_sentence(calibration: Calibration, same: Slowdown) -> str:
    false_positives = same.detected
    sentence = (
        f"The false-positive rate is {_written(false_positives)}: {false_positives.n} of "
        f"{count(false_positives.of, 'A/A test')} of {named(calibration.implementation)} have a 95{NBSP}% CI that "
        "excludes 1"
    )
    nominal = f"the nominal {percent(NOMINAL, 0)}"
    if false_positives.of < FEW:
        return f"{sentence}. These are too few to compare with {nominal}."
    if false_positives.low <= NOMINAL <= false_positives.high:
        return f"{sentence}. This agrees with {nominal}."
    return f"{sentence}. This is {'more' if false_positives.low > NOMINAL else 'less'} than {nominal}."


def _detected_sentence(calibration: Calibration) -> str:
    each = []
    for slowdown in calibration.injected:
        detected = slowdown.detected
        each.append(f"{_slowdown(slowdown)} in {detected.n} of {count(detected.of, 'trial')}, {_written(detected)}")
    return f"Injected slowdowns are detected: {'; '.join(each)}."


def _smallest_sentence(calibration: Calibration) -> str:
    smallest = calibration.smallest_detected
    if smallest is None:
        return "No injected slowdown is detected in nine of ten trials."
    return f"The smallest slowdown detected in at least nine of ten trials is {_per_cent(smallest)}."


def _covered_sentence(calibration: Calibration) -> str:
    each = [f"{_written(slowdown.covered)} of the trials with {_with(slowdown)}" for slowdown in calibration.slowdowns]
    return f"The interval contains the true ratio in {listing(each)}; nominal is {percent(LEVEL, 0)}."


def _overhead_sentence(calibration: Calibration, overhead: Overhead) -> str:
    cost, turn, call = (
        f"{plain(100 * share.estimate, 2)}{NBSP}% ({ci}{plain(100 * share.low, 2)} to {plain(100 * share.high, 2)})"
        for share, ci in ((overhead.cost, f"95{NBSP}% CI "), (overhead.turn, ""), (overhead.call, ""))
    )
    return (
        f"The block-switching overhead of {named(calibration.implementation)} is {cost} of its time, with blocks of "
        f"{1000 * calibration.block_s:g}{NBSP}ms in {overhead.n_processes} processes. Of this, {turn} is the turn: the "
        f"first block of a turn against a later one. {call} is the call, estimated from one call per batch."
    )


def _time_sentence(calibration: Calibration) -> str:
    trials = calibration.trials
    median = statistics.median(trial.spent_s for trial in trials)
    longest = max(trial.spent_s for trial in trials)
    return (
        f"A trial takes {seconds(median)} (median), {seconds(longest)} at most. Outside timed blocks it spends "
        f"{percent(calibration.outside_share, 0)} of its time: on process starts, block switching and warm-up."
    )


def calibration_table(calibration: Calibration) -> Table:
    """Return the outcome of the trials, a row per injected slowdown."""
    columns = [
        "<injected slowdown",
        "trials",
        "CI excludes 1",
        "CI contains truth",
        "median half-width",
        "estimate / truth",
        "median time",
    ]
    note = (
        f"{named(calibration.implementation)} against its own copy, {within(calibration.target)} or "
        f"{plain(calibration.budget_s, 0)}{NBSP}s a trial, {calibration.at_once} at a time. Truth: 1 + slowdown; in "
        f"brackets: Clopper–Pearson 95{NBSP}% CI."
    )
    if calibration.incomplete:
        note += f" Not counted: {count(calibration.incomplete, 'incomplete trial')}."
    return make_table("Calibration", columns, [_row(slowdown) for slowdown in calibration.slowdowns], note)


def _row(slowdown: Slowdown) -> list[str]:
    return [
        "none" if slowdown.injected == 0 else _per_cent(slowdown.injected),
        str(len(slowdown.trials)),
        _counted(slowdown.detected),
        _counted(slowdown.covered),
        within(slowdown.half_width),
        plain(slowdown.bias, 4),
        seconds(slowdown.median_s),
    ]


def calibration_charts(calibration: Calibration) -> list[Chart]:
    """Return the share of the trials whose interval excludes 1, by injected slowdown, for a terminal."""
    detected = [(_slowdown(slowdown), slowdown.detected) for slowdown in calibration.slowdowns]
    bars = [Bar(name, share.share, _counted(share)) for name, share in detected]
    return [Chart("Trials whose 95 % CI excludes 1, by injected slowdown", tuple(bars), percent)]


def _per_cent(share: float) -> str:
    return f"{100 * share:.3g}{NBSP}%"


def _slowdown(slowdown: Slowdown) -> str:
    return _per_cent(slowdown.injected) if slowdown.injected else "no slowdown"


def _with(slowdown: Slowdown) -> str:
    return f"a {_per_cent(slowdown.injected)} slowdown" if slowdown.injected else "no slowdown"


def _written(share: Share) -> str:
    """Return "5.5 % (95 % CI 2.8–9.6)"."""
    return f"{percent(share.share)} (95{NBSP}% CI {_bounds(share)})"


def _counted(share: Share) -> str:
    return f"{share.n}: {percent(share.share)} ({_bounds(share)})"


def _bounds(share: Share) -> str:
    return f"{plain(100 * share.low, 1)}–{plain(100 * share.high, 1)}"


def draw_calibration(calibration: Calibration) -> Drawing:
    """Draw the intervals of the A/A tests on the left, the detection rate of slowdowns on the right."""
    with style.look():
        page, title = style.Page(), _title(calibration)
        page.heading(title, _subtitle(calibration))
        page.band(HEIGHT, functools.partial(_draw, calibration=calibration))
        page.text(_note(calibration), style.SMALL, color=style.GREY)
        alt = " ".join([f"{title}.", *calibration_sentences(calibration)])
        return Drawing("calibration", title, alt, page.figure())


def _title(calibration: Calibration) -> str:
    parts = []
    if calibration.same is not None:
        false_positives = calibration.same.detected
        verb = "is a false positive" if false_positives.n == 1 else "are false positives"
        parts.append(f"{false_positives.n} of {count(false_positives.of, 'A/A test')} {verb}")
    if calibration.injected:
        smallest = calibration.smallest_detected
        parts.append("no slowdown detected" if smallest is None else f"{_per_cent(smallest)} slowdown detected")
    title = "; ".join(parts) or "No trial is complete"
    return title[0].upper() + title[1:]


def _subtitle(calibration: Calibration) -> str:
    n_trials = sum(len(slowdown.trials) for slowdown in calibration.slowdowns)
    return (
        f"{named(calibration.implementation)} against its own copy: {count(n_trials, 'trial')}, each timed to "
        f"{within(calibration.target)} or for {plain(calibration.budget_s, 0)}{NBSP}s"
    )


def _draw(band: style.Band, calibration: Calibration) -> None:
    equal = band.axes(style.MARGIN + LEFT, EQUAL, ABOVE, BELOW)
    detected = band.axes(style.MARGIN + LEFT + EQUAL + BETWEEN, DETECTED, ABOVE, BELOW)
    _draw_equal(equal, calibration)
    _draw_detected(detected, calibration)


def _header(axes: Axes, text: str) -> None:
    axes.annotate(text, (0, 1), (0, 7), xycoords="axes fraction", textcoords="offset points", color=style.GREY)


def _draw_equal(axes: Axes, calibration: Calibration) -> None:
    """Draw the intervals of the A/A tests by rank of their estimates, those that exclude 1 on top."""
    _header(axes, "A/A tests: 95 % CI of every trial")
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
    axes.set_xlabel("trials, by estimate")
    axes.set_ylabel("time ratio (copy / original)")
    axes.tick_params(labelsize=style.SMALL)


def _reach(intervals: Sequence[Interval]) -> float:
    """Return how far the axis goes on either side of 1: so that all but a few intervals are within it."""
    farthest = sorted(max(abs(item.low - 1), abs(item.high - 1)) for item in intervals)
    return 1.1 * farthest[int(WITHIN_AXIS * (len(farthest) - 1))]


def _draw_detected(axes: Axes, calibration: Calibration) -> None:
    """Draw the detection rate over the injected slowdown."""
    _header(axes, "Detection rate, by injected slowdown")
    for item in calibration.slowdowns:
        share, x = item.detected, 100 * item.injected
        colour, marker = (SLOWED, "o") if item.injected else (OUTSIDE, "s")
        axes.vlines(x, share.low, share.high, color=colour, linewidth=2.2, zorder=2)
        axes.plot([x], [share.share], marker, color=colour, markersize=6.5, zorder=3)
        place: dict[str, Any] = {"xytext": (8, 0), "textcoords": "offset points", "va": "center"}
        box = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
        axes.annotate(f"{share.n} of {share.of}", (x, share.share), **place, fontsize=style.SMALL, bbox=box)
    axes.axhline(ENOUGH, color=style.GREY, linestyle="--", linewidth=1)
    axes.axhline(NOMINAL, color=style.INK, linestyle=":", linewidth=1.2)
    largest = max((100 * item.injected for item in calibration.slowdowns), default=0.0) or 1.0
    axes.set_xlim(-0.08 * largest, 1.28 * largest)
    axes.set_ylim(-0.04, 1.04)
    axes.set_xticks([100 * item.injected for item in calibration.slowdowns])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g} %"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))
    axes.set_xlabel("injected slowdown")
    axes.set_ylabel("trials whose 95 % CI excludes 1")
    axes.tick_params(labelsize=style.SMALL)


def _note(calibration: Calibration) -> str:
    same = calibration.same
    ranked = [] if same is None else same.intervals
    cut = sum(max(abs(item.low - 1), abs(item.high - 1)) > _reach(ranked) for item in ranked)
    left = f"Left: 95{NBSP}% CI over process replicates; orange excludes the true ratio, 1 (dotted)"
    left += f"; {count(cut, 'interval')} {'extends' if cut == 1 else 'extend'} beyond the axis" if cut else ""
    right = (
        f"{'Bars' if same is None else 'Right: bars'} are Clopper–Pearson 95{NBSP}% CIs; dashed {percent(ENOUGH, 0)}"
    )
    if same is not None:
        right += f"; orange A/A tests, dotted their nominal {percent(NOMINAL, 0)}"
    if calibration.incomplete:
        right += f"; without {count(calibration.incomplete, 'incomplete trial')}"
    return f"{right}." if same is None else f"{left}. {right}."
