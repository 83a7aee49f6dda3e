"""Figure: test accuracy of the article's two networks over seconds of training, with what the article says."""

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from backprop_bench.bench.compare import answer
from backprop_bench.bench.compare.causes import shared_seeds
from backprop_bench.bench.compare.steps import ALL_AT_ONCE, AS_PUBLISHED, plain_name
from backprop_bench.bench.compare.verdicts import (
    OVER_S,
    UNDER_S,
    article_pair,
    epochs_of,
    question_named,
    total_s,
)
from backprop_bench.bench.core.stats.intervals import Interval
from backprop_bench.bench.core.summary import Performance, QuestionSummary, Summary
from backprop_bench.bench.report import style
from backprop_bench.bench.report.drawing import Drawing
from backprop_bench.bench.report.language import _
from backprop_bench.bench.report.numbers import count, has_bounds, in_turn, named, paragraph, percent, seconds

CURVES, BELOW = 1.9, 0.5
ONE_LINE, THREE_LINES = 0.32, 0.62
"""Inches above the axes for the legend: a phone has no room for one line of it."""
TICKS = (0.5, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99)
"""Accuracies with a tick: the axis is one of the error, logarithmic, so that each halving of it is as long."""
MORE_TICKS = (0.92, 0.93, 0.94, 0.96)
NEAR = 6.0
"""Ratio of the largest to the smallest error up to which there is room for these, too."""
MOST = 0.9999
"""Accuracy at which an interval is cut."""
TIMES = (0.1, 0.3, 1, 3, 10, 30, 60, 180, 600, 1800)


def missing(summary: Summary) -> str | None:
    """Return why there is nothing to draw."""
    question = question_named(summary, AS_PUBLISHED)
    if question is None:
        return "the article's experiment is not part of this run"
    return None if _drawn(question) else "the article's two networks were not both trained and timed"


def _drawn(question: QuestionSummary) -> list[Performance]:
    """Return the two networks, where both were trained and timed."""
    pair = article_pair(question)
    return [] if pair is None or not all(answer.last_epoch(item) for item in pair) else list(pair)


def draw(summary: Summary, width: float) -> Drawing:
    """Draw both curves over a logarithmic axis of seconds."""
    question = question_named(summary, AS_PUBLISHED)
    assert question is not None
    page, pair = style.Page(width), _drawn(question)
    title = _title(question)
    page.text(title, style.LARGE, weight="bold")
    above = ONE_LINE if width > style.PHONE_INCHES else THREE_LINES
    page.band(above + CURVES + BELOW, lambda band: _draw(band, pair, width, above))
    page.text(_note(question), style.SMALL, color=style.GREY)
    return Drawing("accuracy-over-time", title, _alt(question, title), page.figure())


def _title(question: QuestionSummary) -> str:
    first, second = (seconds(total_s(question, item)) for item in _drawn(question))
    from_scratch, torch = (percent(item.accuracy.estimate, 2) for item in _drawn(question))
    return _("Hand-written: {from_scratch} in {first}; PyTorch: {torch} in {second}").format(
        from_scratch=from_scratch, first=first, torch=torch, second=second
    )


def _draw(band: style.Band, pair: list[Performance], width: float, above: float) -> None:
    axes = band.axes(style.MARGIN + 0.6, width - 2 * style.MARGIN - 0.7, above, BELOW)
    for performance in pair:
        _draw_curve(axes, performance)
    errors = [error for item in pair for point in item.curve if point.epoch for error in _errors(point.accuracy)]
    times = [point.seconds for item in pair for point in item.curve if point.epoch]
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(1.1 * max(errors), 0.85 * min(errors))
    axes.set_xlim(min(*times, UNDER_S) / 1.5, max(*times, OVER_S) * 2)
    ticks = sorted((*TICKS, *MORE_TICKS) if max(errors) < NEAR * min(errors) else TICKS)
    axes.yaxis.set_major_locator(FixedLocator([1 - tick for tick in ticks]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: percent(1 - value, 0)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_locator(FixedLocator(list(TIMES)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} s"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(_("seconds of training, log axis"))
    _mark_claims(axes)
    columns = 3 if width > style.PHONE_INCHES else 1
    axes.legend(  # above the axes: within, it would hide curves
        loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2, ncols=columns, frameon=False, fontsize=style.SMALL
    )


def _errors(accuracy: Interval) -> tuple[float, ...]:
    """Return what an axis of errors is to hold of an accuracy: its estimate, and its interval where there is one."""
    shown = (accuracy.estimate, accuracy.low, accuracy.high) if has_bounds(accuracy) else (accuracy.estimate,)
    return tuple(1 - min(value, MOST) for value in shown)


def _name(performance: Performance) -> str:
    short = style.short_name(performance.implementation)
    plain = plain_name(performance.implementation)
    return short if plain is None else _("{name} ({note})").format(name=plain, note=short)


def _draw_curve(axes: Axes, performance: Performance) -> None:
    points = [point for point in performance.curve if point.epoch]
    colour = style.colour(performance.implementation)
    x = [point.seconds for point in points]
    axes.plot(
        x,
        [1 - point.accuracy.estimate for point in points],
        style.marker(performance.implementation),
        linestyle=style.dash(performance.implementation),
        color=colour,
        markersize=6,
        label=_name(performance),
    )
    bounded = [point for point in points if has_bounds(point.accuracy)]
    axes.fill_between(
        [point.seconds for point in bounded],
        [1 - min(point.accuracy.high, MOST) for point in bounded],
        [1 - point.accuracy.low for point in bounded],
        color=colour,
        alpha=0.15,
        linewidth=0,
    )


def _mark_claims(axes: Axes) -> None:
    """Mark what the article says: PyTorch in under ten seconds, hand-written in over a minute."""
    label = _("article: under 10 s, over a minute")
    for at in (UNDER_S, OVER_S):
        axes.axvline(at, color=style.GREY, linewidth=1.2, linestyle=":", label=label)
        label = "_" + label  # in the legend once


def _note(question: QuestionSummary) -> str:
    text = _("Mean and 95 % CI over {seeds}, after every epoch; the axis of accuracies is logarithmic in the error.")
    note = text.format(seeds=count(question.seeds, "seed"))
    seeds = shared_seeds(question, [ALL_AT_ONCE], question.epochs)
    if not seeds:
        return note
    reached = sum(question.accuracies[ALL_AT_ONCE][seed][question.epochs] for seed in seeds) / len(seeds)
    below = _("Not drawn: one batch of everything reaches {accuracy} after {epochs}.")
    return paragraph([note, below.format(accuracy=percent(reached), epochs=epochs_of(question))])


def _alt(question: QuestionSummary, title: str) -> str:
    each = in_turn(
        _("{name}: {values}").format(name=named(item.implementation), values=_values(item)) for item in _drawn(question)
    )
    return _("{title}. {each}. {note}").format(title=title, each=each, note=_note(question))


def _values(performance: Performance) -> str:
    text = _("{accuracy} after {time}")
    each = [
        text.format(accuracy=percent(point.accuracy.estimate, 2), time=seconds(point.seconds))
        for point in performance.curve
        if point.epoch
    ]
    return _(", ").join(each)
