"""Figure: test accuracy over epochs and over cumulative training time."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from backprop_bench.bench.compare import answer
from backprop_bench.bench.core.summary import CurvePoint, Performance, QuestionSummary, Summary
from backprop_bench.bench.report import style
from backprop_bench.bench.report.drawing import Drawing
from backprop_bench.bench.report.numbers import (
    clean,
    count,
    count_range,
    listing,
    named,
    percent,
    percent_interval,
    seconds,
)

PANEL, BETWEEN = 3.35, 0.3
"""Widths in inches of a panel and of the gap between panels; the rest is for the legend."""
HEIGHT, KEY_ROW, ABOVE, BELOW = 2.6, 0.2, 0.1, 0.5
SIDEWAYS = 0.3
"""How many epochs the lines of a panel are spread over, so that equal ones do not hide each other."""


def missing(summary: Summary) -> str | None:
    """Return why there is nothing to draw."""
    return None if any(map(_trained, summary.questions)) else "no training was evaluated"


def draw(summary: Summary) -> Drawing:
    """Draw one band per question: over epochs on the left, over seconds on the right."""
    page, alts, titles = style.Page(), [], []
    for question in filter(_trained, summary.questions):
        titles.append(_title(question))
        page.heading(titles[-1], question.title)
        height = max(HEIGHT, ABOVE + BELOW + KEY_ROW * len(_trained(question)))
        page.band(height, lambda band, question=question: _draw_question(band, question))  # type: ignore[misc]
        page.text(_note(question), style.SMALL, color=style.GREY)
        alts.append(_alt(question, titles[-1]))
    return Drawing("learning-curves", titles[-1], " ".join(alts), page.figure())


def _trained(question: QuestionSummary) -> list[Performance]:
    """Return the performances with at least one evaluated epoch of training."""
    return [performance for performance in question.performances if answer.last_epoch(performance) > 0]


def _timed(performances: Sequence[Performance]) -> list[Performance]:
    """Return those of which the time per epoch is known."""
    return [performance for performance in performances if math.isfinite(performance.curve[-1].seconds)]


def _title(question: QuestionSummary) -> str:
    ranked = sorted(_trained(question), key=lambda performance: performance.accuracy.estimate)
    worst, best = ranked[0], ranked[-1]
    lowest, highest = named(worst.implementation), named(best.implementation)
    epochs = sorted({answer.last_epoch(performance) for performance in ranked})
    after = f"After {count(epochs[0], 'epoch')}" if len(epochs) == 1 else f"After {epochs[0]} to {epochs[-1]} epochs"
    low, high = percent(worst.accuracy.estimate, 2), percent(best.accuracy.estimate, 2)
    if worst is best:
        time = f" in {seconds(best.curve[-1].seconds)}" if _timed(ranked) else ""
        return f"{after}: {highest} reaches {high}{time}"
    if answer.all_agree(question, ranked):
        return f"{after}: accuracies agree, {low if low == high else f'{low} to {high}'}"
    return f"{after}: {highest} reaches {high}, {lowest} {low}"


def _draw_question(band: style.Band, question: QuestionSummary) -> None:
    performances = _trained(question)
    timed = _timed(performances)
    epochs = band.axes(style.MARGIN + 0.6, PANEL if timed else 2 * PANEL + BETWEEN, ABOVE, BELOW)
    panels = [epochs]
    if timed:
        panels.append(band.axes(style.MARGIN + 0.6 + PANEL + BETWEEN, PANEL, ABOVE, BELOW))
        _draw_over_time(panels[1], performances)
    for index, performance in enumerate(performances):
        shift = SIDEWAYS * (index / (len(performances) - 1) - 0.5) if len(performances) > 1 else 0.0
        shown = [point for point in performance.curve if point.epoch]
        _draw_curve(epochs, performance, [point.epoch + shift for point in shown], shown)
    last = max(map(answer.last_epoch, performances))
    epochs.set_xlim(0.6, last + 0.4)
    epochs.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    epochs.set_xlabel("epoch")
    epochs.set_ylabel("test accuracy")
    for axes in panels:
        axes.set_ylim(*_accuracy_limits(performances))
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g} %"))
        axes.tick_params(labelsize=style.SMALL)
    panels[-1].legend(
        loc="upper left",
        bbox_to_anchor=(1.03, 1.02),
        frameon=False,
        fontsize=style.SMALL,
        handlelength=3.2,
        borderaxespad=0,
        labelspacing=0.45,
    )


def _draw_over_time(axes: Axes, performances: Sequence[Performance]) -> None:
    for performance in performances:
        shown = [point for point in performance.curve if point.epoch]
        _draw_curve(axes, performance, [point.seconds for point in shown], shown)
    style.time_axis(axes, _axis_seconds(performances), "cumulative training time")
    axes.tick_params(labelleft=False)


def _draw_curve(axes: Axes, performance: Performance, places: Sequence[float], points: Sequence[CurvePoint]) -> None:
    name = performance.implementation
    colour, accuracies = style.colour(name), [point.accuracy for point in points]
    if not performance.diverged:
        lows, highs = [accuracy.low for accuracy in accuracies], [accuracy.high for accuracy in accuracies]
        axes.fill_between(places, lows, highs, color=colour, alpha=0.15, linewidth=0)
    axes.plot(
        places,
        [accuracy.estimate for accuracy in accuracies],
        color=colour,
        linestyle=style.dash(name),
        marker=style.marker(name),
        markersize=4.5,
        linewidth=1.5,
        label=style.short_name(name),
    )


def _axis_seconds(performances: Sequence[Performance]) -> list[float]:
    """Return the seconds between which the axis runs: all ends, and first epochs too where it is logarithmic."""
    timed = _timed(performances)
    ends = [performance.curve[-1].seconds for performance in timed]
    starts = [point.seconds for performance in timed for point in performance.curve[:2] if point.seconds > 0]
    return [*ends, *starts] if style.is_wide(ends) else ends


def _accuracy_limits(performances: Sequence[Performance]) -> tuple[float, float]:
    """Limits for what was trained: the initial weights, far below it, would flatten everything else."""
    trained = [point.accuracy for item in style.steady(performances) for point in item.curve if point.epoch]
    values = [value for item in trained for value in (item.low, item.estimate, item.high) if math.isfinite(value)]
    low, high = max(min(values), 0.0), min(max(values), 1.0)
    padding = max(0.05 * (high - low), 0.001)
    return low - padding, high + padding


def _note(question: QuestionSummary) -> str:
    performances = _trained(question)
    finals = [performance.accuracy for performance in performances]
    text = f"Test accuracy, mean of {count_range((accuracy.n for accuracy in finals), 'seed')}, with 95 % CI as a band"
    timed = _timed(performances)
    if timed:
        text += ". Right: over cumulative training time, epochs × measured time per epoch"
    untimed = [named(item.implementation) for item in performances if item not in timed]
    if timed and untimed:
        text += f"; not timed: {listing(untimed)}"
    diverged = [named(item.implementation) for item in performances if item.diverged]
    if diverged:
        text += f"; diverged, without a band: {listing(diverged)}"
    return f"{text}."


def _alt(question: QuestionSummary, title: str) -> str:
    timed = _timed(_trained(question))
    each = "; ".join(
        f"{named(item.implementation)} {percent_interval(item.accuracy)}"
        + (f" after {seconds(item.curve[-1].seconds)}" if item in timed else "")
        for item in _trained(question)
    )
    return f"{clean(question.title)}: {title}. {each}."
