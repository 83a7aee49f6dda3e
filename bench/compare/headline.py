"""Figure: accuracy and training time of every implementation, side by side."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from backprop_bench.bench.compare import answer
from backprop_bench.bench.core.stats.intervals import Interval
from backprop_bench.bench.core.summary import Performance, QuestionSummary, Summary
from backprop_bench.bench.report import style
from backprop_bench.bench.report.chart import Chart, own_bar
from backprop_bench.bench.report.drawing import Drawing
from backprop_bench.bench.report.numbers import (
    ABSENT,
    clean,
    count,
    count_range,
    factor,
    has_bounds,
    listing,
    named,
    percent,
    percent_interval,
    seconds,
    seconds_interval,
)

NAMES, ACCURACY, ACCURACY_TEXT, TIME = 1.85, 1.75, 1.65, 1.9
"""Widths of the columns in inches; the rest is for the times and ratios."""
FIRST_LETTERS = 15
ROW, ABOVE, BELOW = 0.27, 0.26, 0.5


def missing(summary: Summary) -> str | None:
    """Return why there is nothing to draw."""
    return None if any(map(answer.timed, summary.questions)) else "nothing was timed"


def draw(summary: Summary) -> Drawing:
    """Draw one band per question: accuracy on the left, seconds per epoch on the right."""
    page, alts = style.Page(), []
    questions = list(filter(answer.timed, summary.questions))
    for question in questions:
        title = answer.title(question)
        page.heading(title, question.title)
        height = ABOVE + ROW * len(question.performances) + BELOW
        page.band(height, lambda band, question=question: _draw_question(band, question))  # type: ignore[misc]
        page.text(_note(question), style.SMALL, color=style.GREY)
        alts.append(_alt(question, title))
    return Drawing("headline", answer.title(questions[-1]), " ".join(alts), page.figure())


def headline_charts(summary: Summary) -> list[Chart]:
    """Return the times of every question, for a terminal."""
    return [
        Chart(
            f"Wall time per epoch: {question.title}",
            tuple(
                own_bar(item.implementation, item.wall_s.estimate, seconds_interval(item.wall_s))
                for item in question.performances
                if item.wall_s.n
            ),
            seconds,
        )
        for question in summary.questions
    ]


def _note(question: QuestionSummary) -> str:
    performances = question.performances
    epochs = sorted({answer.last_epoch(performance) for performance in performances})
    after = f"epoch {epochs[0]}" if len(epochs) == 1 else f"epochs {epochs[0]} to {epochs[-1]}"
    seeds = count_range((performance.accuracy.n for performance in performances), "seed")
    accuracy = f"Accuracy: mean of {seeds} after {after}, {count(question.test_examples, 'test example')}"
    diverged = [named(item.implementation) for item in performances if item.diverged]
    if diverged:
        accuracy += f"; diverged: {listing(diverged)}"
    time = (
        f"Time of an epoch of {count(question.examples, 'training example')} and its ratio: per process replicate, of "
        "10th-percentile block times; bars are 95 % CIs"
    )
    absent = dict.fromkeys(named(failure.implementation) for failure in question.failures)
    if absent:
        time += f"; failed: {listing(absent)}"
    return f"{accuracy}. {time}."


def times_faster(question: QuestionSummary, performance: Performance) -> str:
    """Return how many times faster than the slowest one an implementation is, as it is written."""
    reference = answer.slowest(question)
    if reference is None or not performance.wall_s.n:
        return ABSENT
    if performance.implementation == reference:
        return "1×"
    ratio = answer.time_ratio(question, reference, performance.implementation)
    if ratio is None:
        return ABSENT
    return "no significant difference" if ratio.contains(1) else factor(ratio)


def _draw_question(band: style.Band, question: QuestionSummary) -> None:
    performances = question.performances
    names = [performance.implementation for performance in performances]
    left = style.MARGIN + NAMES
    accuracy = band.axes(left, ACCURACY, ABOVE, BELOW)
    style.name_rows(accuracy, names)
    _draw_intervals(accuracy, names, [performance.accuracy for performance in performances])
    _accuracy_axis(accuracy, [item.accuracy for item in style.steady(performances)])
    style.row_texts(accuracy, 0.12, "95 % CI", [percent_interval(performance.accuracy) for performance in performances])
    time = band.axes(left + ACCURACY + ACCURACY_TEXT + 0.15, TIME, ABOVE, BELOW)
    style.name_rows(time, names, labelled=False)
    _draw_intervals(time, names, [performance.wall_s for performance in performances])
    style.time_axis(time, _positive(performances), "wall time per epoch")
    style.row_texts(time, 0.12, "estimate", [_estimate(performance.wall_s) for performance in performances])
    header = f"faster than {style.short_name(answer.slowest(question) or ABSENT, FIRST_LETTERS)}"
    style.row_texts(time, 0.85, header, [times_faster(question, performance) for performance in performances])


def _draw_intervals(axes: Axes, names: Sequence[str], intervals: Sequence[Interval]) -> None:
    for row, (name, interval) in enumerate(zip(names, intervals, strict=True)):
        colour = style.colour(name)
        if has_bounds(interval):
            axes.plot([interval.low, interval.high], [row, row], color=colour, linewidth=2.2, solid_capstyle="butt")
        axes.plot([interval.estimate], [row], style.marker(name), color=colour, markersize=6.5)


def _accuracy_axis(axes: Axes, intervals: Sequence[Interval]) -> None:
    bounds = [value for item in intervals for value in (item.low, item.high) if has_bounds(item)]
    values = [*bounds, *(item.estimate for item in intervals if item.n)] or [0.0, 1.0]
    low, high = max(min(values), 0), min(max(values), 1)
    padding = max(0.08 * (high - low), 0.001)
    axes.set_xlim(low - padding, high + padding)
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g} %"))
    axes.set_xlabel("test accuracy")


def _positive(performances: Sequence[Performance]) -> list[float]:
    intervals = [performance.wall_s for performance in performances]
    values = [value for item in intervals for value in (item.low, item.estimate, item.high)]
    return [value for value in values if value > 0]


def _estimate(interval: Interval) -> str:
    return seconds_interval(interval).partition(" (")[0]


def _alt(question: QuestionSummary, title: str) -> str:
    each = "; ".join(
        f"{named(performance.implementation)} {percent(performance.accuracy.estimate, 2)}, "
        f"{seconds_interval(performance.wall_s)} per epoch"
        for performance in question.performances
    )
    return f"{clean(question.title)}: {title}. {each}."
