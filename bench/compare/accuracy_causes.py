"""Figure: from the accuracy of the hand-written network to that of PyTorch's, what contributes how much."""

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
from backprop_bench.bench.report.numbers import count, has_bounds, paragraph, percent, points, scaled_points

NAMES, TEXT, ROW, ABOVE, BELOW = 1.75, 2.6, 0.34, 0.12, 0.5
LONGER_TEXT = 3.3
"""Of a language whose letters are wide."""
MORE, LESS = "#00735c", "#b3400a"


def missing(summary: Summary) -> str | None:
    """Return why there is nothing to draw."""
    question = question_named(summary, AS_PUBLISHED)
    if question is None:
        return "the article's experiment is not part of this run"
    return None if accuracy_causes(question) else "not every network between the article's two was trained"


def draw(summary: Summary, width: float) -> Drawing:
    """Draw a waterfall of percentage points."""
    question = question_named(summary, AS_PUBLISHED)
    assert question is not None
    causes = accuracy_causes(question)
    assert causes is not None
    page, title = style.Page(width), _title(causes)
    page.text(title, style.LARGE, weight="bold")
    page.band(ABOVE + ROW * 5 + BELOW, lambda band: _draw(band, causes, width))
    note = _(
        "Mean over {seeds} after {epochs}, with 95 % CI. Contributions are averages of both orders and add up; "
        "bars end at no network."
    ).format(seeds=count(question.seeds, "seed"), epochs=epochs_of(question))
    page.text(note, style.SMALL, color=style.GREY)
    alt = paragraph([_("{sentence}.").format(sentence=title), *sentences(question), note])
    return Drawing("accuracy-causes", title, alt, page.figure())


def sentences(question: QuestionSummary) -> list[str]:
    """Return a sentence on every bar; none where there is no figure."""
    causes = accuracy_causes(question)
    if causes is None:
        return []
    return [
        _("Cross-entropy: {all} points. {alone} with one example at a time, {batches} with mini-batches.").format(
            all=scaled_points(causes.loss),
            alone=scaled_points(causes.loss_alone),
            batches=scaled_points(causes.loss_in_batches),
        ),
        _("Mini-batches: {all} points. {alone} with squared error, {loss} with cross-entropy.").format(
            all=scaled_points(causes.batches),
            alone=scaled_points(causes.batches_alone),
            loss=scaled_points(causes.batches_with_loss),
        ),
        _("All else: {rest} points. Biases, initial weights, range and order of the inputs, float32.").format(
            rest=scaled_points(causes.rest)
        ),
    ]


def _title(causes: AccuracyCauses) -> str:
    text = _("Cross-entropy {loss} points, mini-batches {batches}, all else {rest}")
    return text.format(
        loss=scaled_points(causes.loss), batches=scaled_points(causes.batches), rest=scaled_points(causes.rest)
    )


def _draw(band: style.Band, causes: AccuracyCauses, width: float) -> None:
    wide = width > style.PHONE_INCHES
    left = style.MARGIN + (NAMES if wide else 1.35)
    text = (TEXT if spoken() == "en" else LONGER_TEXT) if wide else 0.7
    axes = band.axes(left, width - style.MARGIN - left - text, ABOVE, BELOW)
    bars = [(_("cross-entropy"), causes.loss), (_("mini-batches of 64"), causes.batches), (_("all else"), causes.rest)]
    style.name_rows(axes, [_("from scratch"), *(name for name, _interval in bars), "PyTorch"])
    places = [causes.start]
    for row, (_name, change) in enumerate(bars, start=1):
        _draw_bar(axes, row, places[-1], change)
        places.append(places[-1] + change.estimate)
    style.waterfall_frame(axes, places)
    axes.margins(x=0.08)
    axes.xaxis.set_major_locator(MaxNLocator(5 if wide else 2))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: percent(value)))
    axes.set_xlabel(_("test accuracy"))
    changes = [_signed(change) if wide else scaled_points(change) for _name, change in bars]
    style.row_texts(axes, 0.1, "", [percent(causes.start, 2), *changes, percent(causes.end, 2)])


def _draw_bar(axes: Axes, row: int, at: float, change: Interval) -> None:
    axes.barh(row, change.estimate, 0.56, at, color=MORE if change.estimate > 0 else LESS)
    if has_bounds(change):
        end = at + change.estimate
        axes.plot([end - change.half_width, end + change.half_width], [row, row], color=style.INK, linewidth=1.4)


def _signed(change: Interval) -> str:
    text = points(change)
    return f"+{text}" if scaled_points(change).startswith("+") else text
