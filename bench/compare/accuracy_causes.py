"""Figure: accuracy of the hand-written network, of that with cross-entropy, mini-batches or both, and of PyTorch's."""

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from backprop_bench.bench.compare.causes import AccuracyCauses, accuracy_causes
from backprop_bench.bench.compare.steps import AS_PUBLISHED
from backprop_bench.bench.compare.verdicts import epochs_of, question_named
from backprop_bench.bench.core.stats.intervals import Interval
from backprop_bench.bench.core.summary import QuestionSummary, Summary
from backprop_bench.bench.report import style
from backprop_bench.bench.report.drawing import Drawing
from backprop_bench.bench.report.language import _, spoken
from backprop_bench.bench.report.numbers import (
    count,
    has_bounds,
    in_turn,
    percent,
    percent_interval,
    scaled_points,
    signed_points,
)

NAMES, VALUE, CHANGE, ROW, BELOW = 2.05, 1.75, 2.45, 0.38, 0.5
NARROW_VALUE = 0.65
WIDER_CHANGE = 3.15
"""Of a language whose letters are wide."""
HEADER, NO_HEADER = 0.26, 0.08
"""Inches above the rows: a phone has no room for columns with a header."""
HAND_WRITTEN, BETWEEN, PYTORCH = "#b3400a", "#57606a", "#0a5fa8"


def missing(summary: Summary) -> str | None:
    """Return why there is nothing to draw."""
    question = question_named(summary, AS_PUBLISHED)
    if question is None:
        return "the article's experiment is not part of this run"
    return None if accuracy_causes(question) else "not every network between the article's two was trained"


def draw(summary: Summary, width: float) -> Drawing:
    """Draw a dot for each network that was trained, and what it changes to the first."""
    question = question_named(summary, AS_PUBLISHED)
    assert question is not None
    causes = accuracy_causes(question)
    assert causes is not None
    page, title = style.Page(width), _title(causes)
    page.text(title, style.LARGE, weight="bold")
    above = HEADER if width > style.PHONE_INCHES else NO_HEADER
    page.band(above + ROW * len(causes.reached) + BELOW, lambda band: _draw(band, causes, width, above))
    note = _(
        "Mean and 95\N{NO-BREAK SPACE}% CI over {seeds} after {epochs}; changes are paired by seed. Cross-entropy "
        "comes with softmax; each network has its own learning rate, and all but the first are float32."
    ).format(seeds=count(question.seeds, "seed"), epochs=epochs_of(question))
    page.text(note, style.SMALL, color=style.GREY)
    text = _("{name}: {values}")
    names = [_("{name} ({note})").format(name=changed, note=described) for changed, described in _names()]
    values = (percent_interval(interval) for interval in causes.reached.values())
    each = in_turn(text.format(name=name, values=value) for name, value in zip(names, values, strict=True))
    alt = _("{title}. {each}. {note}").format(title=title, each=each, note=note)
    return Drawing("accuracy-causes", title, alt, page.figure())


def sentences(question: QuestionSummary) -> list[str]:
    """Return a sentence on every change, and how they add up; none where there is no figure."""
    causes = accuracy_causes(question)
    if causes is None:
        return []
    return [
        _("Cross-entropy: {alone} points with one example at a time, {batches} with mini-batches.").format(
            alone=scaled_points(causes.loss_alone), batches=scaled_points(causes.loss_in_batches)
        ),
        _("Mini-batches: {alone} points with squared error, {loss} with cross-entropy.").format(
            alone=scaled_points(causes.batches_alone), loss=scaled_points(causes.batches_with_loss)
        ),
        _("All else: {rest} points. Biases, initial weights, range and order of the inputs.").format(
            rest=scaled_points(causes.rest)
        ),
        _(
            "The averages add up to the difference: cross-entropy {loss} points, mini-batches {batches}, "
            "all else {rest}."
        ).format(
            loss=scaled_points(causes.loss), batches=scaled_points(causes.batches), rest=scaled_points(causes.rest)
        ),
    ]


def _title(causes: AccuracyCauses) -> str:
    text = _("Cross-entropy alone {loss} points, mini-batches alone {batches}, both {both}")
    return text.format(
        loss=scaled_points(causes.loss_alone),
        batches=scaled_points(causes.batches_alone),
        both=scaled_points(causes.both),
    )


def _names() -> list[tuple[str, str]]:
    """Return of each network what is changed in it, and what it is."""
    return [
        (_("hand-written network"), _("squared error, one at a time")),
        (_("+ cross-entropy"), _("cross-entropy, one at a time")),
        (_("+ mini-batches of 64"), _("squared error, mini-batches")),
        (_("+ both"), _("cross-entropy, mini-batches")),
        (_("PyTorch's network"), _("+ all else")),
    ]


def _draw(band: style.Band, causes: AccuracyCauses, width: float, above: float) -> None:
    wide = width > style.PHONE_INCHES
    change = CHANGE if spoken() == "en" else WIDER_CHANGE
    text = VALUE + change + 0.1 if wide else NARROW_VALUE
    axes = band.axes(style.MARGIN + NAMES, width - 2 * style.MARGIN - NAMES - text, above, BELOW)
    changed, described = zip(*_names(), strict=True)
    style.name_rows(axes, described, letters=len(max(described, key=len)), plain=changed)
    _draw_dots(axes, causes.reached)
    axes.xaxis.set_major_locator(MaxNLocator(5 if wide else 2))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: percent(value, 0)))
    axes.set_xlabel(_("test accuracy"))
    reached = list(causes.reached.values())
    if not wide:
        style.row_texts(axes, 0.1, "", [percent(interval.estimate, 2) for interval in reached])
        return
    style.row_texts(axes, 0.1, _("estimate (95 % CI)"), list(map(percent_interval, reached)))
    changes = [causes.loss_alone, causes.batches_alone, causes.both, causes.gap]
    style.row_texts(axes, 0.1 + VALUE, _("change to the first row"), ["", *map(signed_points, changes)])


def _draw_dots(axes: Axes, reached: Mapping[str, Interval]) -> None:
    """Draw each network with its interval; a line goes down from the first, to which the others are compared."""
    colours = [HAND_WRITTEN, *[BETWEEN] * (len(reached) - 2), PYTORCH]
    for row, (interval, colour) in enumerate(zip(reached.values(), colours, strict=True)):
        if has_bounds(interval):
            axes.plot([interval.low, interval.high], [row, row], color=colour, linewidth=2.2, solid_capstyle="butt")
        axes.plot([interval.estimate], [row], "o", color=colour, markersize=7)
    axes.axvline(next(iter(reached.values())).estimate, color=HAND_WRITTEN, linewidth=0.8, linestyle="--")
    axes.margins(x=0.08)
