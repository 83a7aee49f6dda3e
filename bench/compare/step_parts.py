"""Figure: where the time of a training step goes."""

import math

from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from backprop_bench.bench.core.summary import Performance, QuestionSummary, Summary
from backprop_bench.bench.report import style
from backprop_bench.bench.report.drawing import Drawing
from backprop_bench.bench.report.numbers import clean, count_range, listing, named, percent, seconds

NAMES, TIMES, TOTALS, SHARES = 1.85, 3.4, 1.05, 3.4
"""Widths of the columns in inches."""
ROW, ABOVE, BELOW = 0.3, 0.3, 0.5
LEAST_SHARE = 0.09
"""A part smaller than this share of a step is drawn without its number."""
MICROSECONDS_UP_TO, BARS_UP_TO = 0.01, 20.0
"""Longest step, in seconds per example, on an axis of microseconds; and largest ratio of steps that bars can show."""


def missing(summary: Summary) -> str | None:
    """Return why there is nothing to draw."""
    return None if any(map(_divided, summary.questions)) else "no implementation had its steps timed in parts"


def draw(summary: Summary) -> Drawing:
    """Draw one band per question that has parts: time of a step per example on the left, shares of it on the right."""
    page, alts, titles = style.Page(), [], []
    for question in filter(_divided, summary.questions):
        titles.append(_title(question))
        page.heading(titles[-1], question.title)
        height = ABOVE + ROW * len(_divided(question)) + BELOW
        page.band(height, lambda band, question=question: _draw_question(band, question))  # type: ignore[misc]
        page.text(_note(question), style.SMALL, color=style.GREY)
        alts.append(_alt(question, titles[-1]))
    return Drawing("step-parts", titles[-1], " ".join(alts), page.figure())


def step_seconds(performance: Performance) -> float:
    """Return the seconds per example of a whole step: the sum of its parts."""
    return math.fsum(part.estimate for _, part in performance.parts)


def _divided(question: QuestionSummary) -> list[Performance]:
    return [performance for performance in question.performances if performance.parts]


def _title(question: QuestionSummary) -> str:
    ranked = sorted(_divided(question), key=step_seconds)
    quick, slow = ranked[0], ranked[-1]
    title = f"Time per example: {_largest_part(quick)}"
    return title if quick is slow else f"{title}, {_largest_part(slow)}"


def _largest_part(performance: Performance) -> str:
    total = step_seconds(performance)
    part, interval = max(performance.parts, key=lambda item: item[1].estimate)
    share = percent(interval.estimate / total, 0)
    return f"{named(performance.implementation)} {seconds(total)} ({share} {clean(part)})"


def _draw_question(band: style.Band, question: QuestionSummary) -> None:
    performances = _divided(question)
    names = [performance.implementation for performance in performances]
    left = style.MARGIN + NAMES
    times = band.axes(left, TIMES, ABOVE, BELOW)
    style.name_rows(times, names)
    if _too_wide_for_bars(performances):
        _draw_totals(times, performances)
    else:
        _draw_times(times, performances)
    style.row_texts(times, 0.06, "per example", [seconds(step_seconds(performance)) for performance in performances])
    shares = band.axes(left + TIMES + TOTALS, SHARES, ABOVE, BELOW)
    style.name_rows(shares, names, labelled=False)
    _draw_shares(shares, performances)


def _too_wide_for_bars(performances: list[Performance]) -> bool:
    totals = list(map(step_seconds, performances))
    return min(totals) > 0 and max(totals) / min(totals) > BARS_UP_TO


def _draw_totals(axes: Axes, performances: list[Performance]) -> None:
    """Draw whole steps as points, where the shorter ones would be invisible as bars."""
    for row, performance in enumerate(performances):
        name = performance.implementation
        axes.plot([step_seconds(performance)], [row], style.marker(name), color=style.colour(name), markersize=6.5)
    style.time_axis(axes, list(map(step_seconds, performances)), "wall time of a training step per example")


def _draw_times(axes: Axes, performances: list[Performance]) -> None:
    longest = max(map(step_seconds, performances))
    scale, unit = (1e-6, "µs") if longest < MICROSECONDS_UP_TO else (1e-3, "ms")
    _stack(axes, performances, [1 / scale] * len(performances))
    axes.set_xlim(0, 1.03 * longest / scale)
    axes.set_xlabel(f"wall time of a training step per example ({unit})")
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))


def _draw_shares(axes: Axes, performances: list[Performance]) -> None:
    _stack(axes, performances, [1 / step_seconds(performance) for performance in performances], written=True)
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of the step")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: percent(value, 0)))
    colours = style.part_colours(_parts_of(performances))
    axes.legend(
        handles=[Patch(color=colours[part], label=style.short_name(part)) for part in _parts_of(performances)],
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=4,
        frameon=False,
        fontsize=style.SMALL,
        handlelength=1,
        columnspacing=1,
        borderaxespad=0.2,
    )


def _stack(axes: Axes, performances: list[Performance], scales: list[float], written: bool = False) -> None:
    """Draw the parts of every step as a stacked bar, in units of ``1 / scale`` seconds."""
    colours = style.part_colours(_parts_of(performances))
    for row, (performance, scale) in enumerate(zip(performances, scales, strict=True)):
        start = 0.0
        for part, interval in performance.parts:
            width = interval.estimate * scale
            axes.barh(row, width, 0.68, start, color=colours[part], edgecolor="white", linewidth=0.6)
            if written and width >= LEAST_SHARE:
                axes.text(
                    start + width / 2,
                    row,
                    percent(width, 0),
                    ha="center",
                    va="center",
                    fontsize=style.SMALL,
                    color=style.text_on(colours[part]),
                )
            start += width


def _parts_of(performances: list[Performance]) -> list[str]:
    return list(dict.fromkeys(part for performance in performances for part, _ in performance.parts))


def _note(question: QuestionSummary) -> str:
    blocks = [interval.n for performance in _divided(question) for _, interval in performance.parts]
    text = (
        f"Each part is timed separately, geometric mean of {count_range(blocks, 'block')} in one process; a step "
        "is their sum, divided by its batch size."
    )
    others = [performance.implementation for performance in question.performances if not performance.parts]
    return f"{text} Not divided into parts: {listing(map(named, others))}." if others else text


def _alt(question: QuestionSummary, title: str) -> str:
    each = "; ".join(
        f"{named(performance.implementation)} {seconds(step_seconds(performance))}: "
        + ", ".join(f"{clean(part)} {seconds(interval.estimate)}" for part, interval in performance.parts)
        for performance in _divided(question)
    )
    return f"{clean(question.title)}: {title}. Per example, {each}."
