"""Figure: time per epoch of the same recipe, as bars from zero."""

from matplotlib.ticker import FuncFormatter, MaxNLocator

from backprop_bench.bench.compare import answer
from backprop_bench.bench.compare.steps import SAME_RECIPE, plain_name
from backprop_bench.bench.compare.verdicts import question_named
from backprop_bench.bench.core.summary import QuestionSummary, Summary
from backprop_bench.bench.report import style
from backprop_bench.bench.report.drawing import Drawing
from backprop_bench.bench.report.language import _
from backprop_bench.bench.report.numbers import (
    ABSENT,
    count,
    count_range,
    factor,
    has_bounds,
    in_turn,
    named,
    second_unit,
    seconds,
    seconds_interval,
)

NAMES, TEXTS, ROW, BELOW = 1.45, 1.25, 0.36, 0.5
HEADER, NO_HEADER = 0.28, 0.08
"""Inches above the rows: a phone has no room for columns with a header."""
LETTERS = 18
"""Of a name: as many as have room."""


def missing(summary: Summary) -> str | None:
    """Return why there is nothing to draw."""
    question = question_named(summary, SAME_RECIPE)
    return None if question is not None and answer.timed(question) else "nothing was timed on the same recipe"


def draw(summary: Summary, width: float) -> Drawing:
    """Draw a bar per implementation, the fastest first, with its interval and how many times faster it is."""
    question = question_named(summary, SAME_RECIPE)
    assert question is not None
    page, title = style.Page(width), answer.time_title(question)
    page.text(title, style.LARGE, weight="bold")
    above = HEADER if width > style.PHONE_INCHES else NO_HEADER
    height = above + ROW * len(answer.timed(question)) + BELOW
    page.band(height, lambda band: _draw(band, question, width, above))
    note = _note(question, answer.layers(summary, question))
    page.text(note, style.SMALL, color=style.GREY)
    return Drawing("epoch-times", title, _alt(question, title, note), page.figure())


def _draw(band: style.Band, question: QuestionSummary, width: float, above: float) -> None:
    ranked = answer.timed(question)
    wide = width > style.PHONE_INCHES
    texts = 2 * TEXTS + 1.0 if wide else 0.75
    axes = band.axes(style.MARGIN + NAMES, width - 2 * style.MARGIN - NAMES - texts, above, BELOW)
    names = [item.implementation for item in ranked]
    style.name_rows(axes, names, letters=LETTERS, plain=[plain_name(name) for name in names])
    for row, item in enumerate(ranked):
        axes.barh(row, item.wall_s.estimate, 0.62, color=style.colour(item.implementation))
        if has_bounds(item.wall_s):
            axes.plot([item.wall_s.low, item.wall_s.high], [row, row], color=style.INK, linewidth=1.4)
    longest = max(max(item.wall_s.estimate, item.wall_s.high if has_bounds(item.wall_s) else 0) for item in ranked)
    scale, unit = second_unit(longest)
    axes.set_xlim(0, 1.03 * longest)
    axes.xaxis.set_major_locator(MaxNLocator(5 if wide else 3, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / scale:g} {unit}"))
    axes.set_xlabel(_("wall time per epoch"))
    times = [seconds_interval(item.wall_s) if wide else seconds(item.wall_s.estimate) for item in ranked]
    style.row_texts(axes, 0.1, _("estimate (95 % CI)") if wide else "", times)
    if wide:
        header = _("faster than {name}").format(name=named(answer.slowest(question) or ABSENT))
        style.row_texts(
            axes, 0.1 + TEXTS + 0.25, header, [times_faster(question, item.implementation) for item in ranked]
        )


def times_faster(question: QuestionSummary, implementation: str) -> str:
    """Return how many times faster than the slowest one an implementation is, as it is written."""
    reference = answer.slowest(question)
    if reference is None or all(item.implementation != implementation for item in answer.timed(question)):
        return ABSENT
    if implementation == reference:
        return "1×"
    ratio = answer.time_ratio(question, reference, implementation)
    if ratio is None:
        return ABSENT
    return _("no significant difference") if ratio.contains(1) else factor(ratio)


def _note(question: QuestionSummary, layers: str) -> str:
    replicates = count_range((ratio.n_replicates for ratio in question.ratios if ratio.interval.n), "process replicate")
    text = _(
        "Layers {layers}; {examples}; geometric mean and 95 % CI of 10th-percentile block times over {replicates}."
    )
    return text.format(layers=layers, examples=count(question.examples, "training example"), replicates=replicates)


def _alt(question: QuestionSummary, title: str, note: str) -> str:
    each = in_turn(f"{named(item.implementation)} {seconds_interval(item.wall_s)}" for item in answer.timed(question))
    return _("{title}. {each}. {note}").format(title=title, each=each, note=note)
