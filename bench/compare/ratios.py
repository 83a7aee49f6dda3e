"""Figure: how many times faster than the slowest every implementation is, with all process replicates."""

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from backprop_bench.bench.compare import answer
from backprop_bench.bench.core.stats.ratios import Ratio
from backprop_bench.bench.core.summary import QuestionSummary, Summary
from backprop_bench.bench.report import style
from backprop_bench.bench.report.certainty import compared, timing_of, within
from backprop_bench.bench.report.drawing import Drawing
from backprop_bench.bench.report.numbers import clean, count_range, factor, has_bounds, named

NAMES, RATIO, BETWEEN, AROUND = 1.85, 2.95, 0.2, 2.3
"""Widths of the columns in inches, and of the gap between the two axes; the rest is for the numbers."""
NUMBERS, REPLICATES = 0.12, 1.85
"""Where the columns of numbers begin, in inches to the right of the axes."""
ROW, ABOVE, BELOW = 0.32, 0.26, 0.5
DOTS_BELOW = 0.24
"""How far below its bar the dots of a row are, in rows."""
PADDING = 0.06
"""Padding at either end of the axis, as a share of its logarithmic length."""
LEAST = 1.004
"""Ratio of the ends of an axis that shows no difference at all."""
MOST_AROUND = 0.5
"""Share of an estimate at which the axis around it ends at the latest."""
TARGET_COLOUR = "#eaf2e6"


def missing(summary: Summary) -> str | None:
    """Return why there is nothing to draw."""
    return None if any(map(_shown, summary.questions)) else "no two implementations were timed in the same rounds"


def draw(summary: Summary) -> Drawing:
    """Draw one band per question: a row per ratio to the slowest implementation, the A/A test last."""
    page, alts, titles = style.Page(), [], []
    for question in filter(_shown, summary.questions):
        titles.append(_title(question))
        page.heading(titles[-1], question.title)
        height = ABOVE + ROW * len(_shown(question)) + BELOW
        target = timing_of(summary, question).target
        page.band(
            height,
            lambda band, question=question, target=target: _draw_question(band, question, target),  # type: ignore[misc]
        )
        page.text(_note(summary, question), style.SMALL, color=style.GREY)
        alts.append(_alt(question, titles[-1]))
    return Drawing("ratios", titles[-1], " ".join(alts), page.figure())


def _shown(question: QuestionSummary) -> list[Ratio]:
    """Return how many times faster than the slowest each is, and the A/A test; nothing where nothing is compared."""
    reference = answer.slowest(question)
    faster = [
        ratio if ratio.numerator == reference else ratio.flipped()
        for ratio in compared(question)
        if reference in (ratio.numerator, ratio.denominator)
    ]
    test = question.self_test
    return [*faster, test] if faster and test is not None and test.interval.n else faster


def _title(question: QuestionSummary) -> str:
    pair = answer.compared_pair(question)
    return "Time ratios" if pair is None else answer.time_sentence(question, *pair, with_interval=False)


def _name(question: QuestionSummary, ratio: Ratio) -> str:
    """Return the label of a row."""
    return "A/A test" if ratio is question.self_test else ratio.denominator


def _draw_question(band: style.Band, question: QuestionSummary, target: float) -> None:
    shown = _shown(question)
    reference = style.short_name(shown[0].numerator)
    left = style.MARGIN + NAMES
    ratios = band.axes(left, RATIO, ABOVE, BELOW)
    around = band.axes(left + RATIO + BETWEEN, AROUND, ABOVE, BELOW)
    style.name_rows(ratios, [_name(question, ratio) for ratio in shown])
    style.name_rows(around, [_name(question, ratio) for ratio in shown], labelled=False)
    for row, ratio in enumerate(shown):
        look = ("o", style.GREY) if ratio is question.self_test else _look(ratio.denominator)
        _draw_ratio(ratios, row, ratio, look, lambda value: value)
        estimate = ratio.interval.estimate
        _draw_ratio(around, row, ratio, look, lambda value, estimate=estimate: value / estimate - 1)  # type: ignore[misc]
    ratios.axvline(1, color=style.INK, linewidth=1, zorder=1)
    _ratio_axis(ratios, shown)
    ratios.set_xlabel(f"times faster than {reference}, log axis")
    around.axvspan(-target, target, color=TARGET_COLOUR, zorder=0, linewidth=0)
    _percent_axis(around)
    style.row_texts(around, NUMBERS, "times faster, 95 % CI", [factor(ratio.interval) for ratio in shown])
    style.row_texts(around, REPLICATES, "replicates", [str(ratio.n_replicates) for ratio in shown])


def _look(implementation: str) -> tuple[str, str]:
    return style.marker(implementation), style.colour(implementation)


def _draw_ratio(axes: Axes, row: int, ratio: Ratio, look: tuple[str, str], scaled: Callable[[float], float]) -> None:
    """Draw estimate, interval and process replicates of a ratio, each as what `scaled` makes of it."""
    interval, (marker, colour) = ratio.interval, look
    if has_bounds(interval):
        ends = [scaled(interval.low), scaled(interval.high)]
        axes.plot(ends, [row, row], color=colour, linewidth=4, solid_capstyle="butt")
    axes.plot([scaled(interval.estimate)], [row], marker, color=colour, markersize=7, markeredgecolor="white", mew=0.5)
    dots = [row + DOTS_BELOW] * ratio.n_replicates
    axes.plot(
        list(map(scaled, ratio.by_replicate)), dots, "o", color=colour, markersize=3, alpha=0.6, markeredgewidth=0
    )


def _percent_axis(axes: Axes) -> None:
    """Make the horizontal axis one of per cent more or less than the estimates, which are in its middle."""
    widest = min(max(map(abs, axes.dataLim.intervalx)), MOST_AROUND)
    axes.set_xlim(-1.08 * widest, 1.08 * widest)
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10], symmetric=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _signed(value)))
    axes.set_xlabel("relative to the estimate")


def _ratio_axis(axes: Axes, ratios: Sequence[Ratio]) -> None:
    """Make the horizontal axis a logarithmic one that holds everything that is drawn, and 1."""
    intervals = [ratio.interval for ratio in ratios]
    bounds = [value for item in intervals for value in (item.low, item.high) if has_bounds(item)]
    values = [
        1.0,
        *bounds,
        *(item.estimate for item in intervals),
        *(value for item in ratios for value in item.by_replicate),
    ]
    low, high = min(values), max(values)
    factor = max(high / low, LEAST)
    axes.set_xscale("log")
    axes.set_xlim(low / factor**PADDING, high * factor**PADDING)
    wide = factor > style.LOG_FROM
    near = factor < style.NEAR
    axes.xaxis.set_major_locator(
        LogLocator(subs=(1.0, 2.0, 5.0) if near else (1.0,), numticks=8)
        if wide
        else MaxNLocator(6, steps=[1, 2, 2.5, 5, 10])
    )
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _signed(share: float) -> str:
    text = f"{100 * share:+.4g}".replace("-", "−")
    return f"{text} %" if round(share, 9) else "0 %"


def _note(summary: Summary, question: QuestionSummary) -> str:
    ratios = _shown(question)
    text = (
        "Dots: process replicates, ratios of 10th-percentile block times; marker and bar: geometric mean and 95 % CI. "
        f"Right: relative to the estimate; shaded: the target of {within(timing_of(summary, question).target)}"
    )
    if any(_is_cut(ratio) for ratio in ratios):
        text += f"; clipped at {within(MOST_AROUND)}"
    if ratios[-1] is question.self_test:
        text += f"; A/A test: {named(ratios[-1].denominator)} against itself"
    return f"{text}."


def _is_cut(ratio: Ratio) -> bool:
    """Say whether a dot or an end of the bar lies beyond the enlarged axis."""
    shown = (*ratio.by_replicate, *((ratio.interval.low, ratio.interval.high) if has_bounds(ratio.interval) else ()))
    return any(abs(value / ratio.interval.estimate - 1) > MOST_AROUND for value in shown)


def _alt(question: QuestionSummary, title: str) -> str:
    each = "; ".join(
        f"{named(_name(question, ratio))} {factor(ratio.interval)} "
        f"({count_range([ratio.n_replicates], 'process replicate')})"
        for ratio in _shown(question)
    )
    return f"{clean(question.title)}: {title}. Times faster than {named(answer.slowest(question) or '')}: {each}."
