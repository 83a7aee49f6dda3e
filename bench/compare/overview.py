"""Figure: the whole answer: time of the article's experiment, time on the same recipe, accuracy."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from backprop_bench.bench.compare import answer
from backprop_bench.bench.compare.steps import AS_PUBLISHED, SAME_RECIPE
from backprop_bench.bench.compare.verdicts import article_pair, epochs_of, question_named, total_s
from backprop_bench.bench.core.stats.intervals import Interval
from backprop_bench.bench.core.summary import Performance, QuestionSummary, Summary
from backprop_bench.bench.report import style
from backprop_bench.bench.report.drawing import Drawing
from backprop_bench.bench.report.language import _
from backprop_bench.bench.report.numbers import has_bounds, in_turn, named, paragraph, percent, seconds

ROW, ABOVE, BELOW, BETWEEN = 0.34, 0.3, 0.12, 0.35
NAMES, LETTERS = 1.25, 16
"""Inches for the names of the rows, and how many letters have room there."""


@dataclass(frozen=True)
class _Panel:
    title: str
    rows: tuple[Performance, ...]
    value: Callable[[Performance], float]
    text: Callable[[Performance], str]
    interval: Callable[[Performance], Interval] | None = None


def missing(summary: Summary) -> str | None:
    """Return why there is nothing to draw."""
    return None if _panels(summary) else _("nothing was timed")


def draw(summary: Summary, width: float) -> Drawing:
    """Draw the panels side by side, on a phone below each other."""
    page, panels = style.Page(width), _panels(summary)
    title = " · ".join(answer.title(question) for question in summary.questions if answer.timed(question))
    columns = len(panels) if width > style.PHONE_INCHES else 1
    inner = (width - 2 * style.MARGIN - BETWEEN * (columns - 1)) / columns
    for start in range(0, len(panels), columns):
        row = panels[start : start + columns]
        height = ABOVE + ROW * max(len(panel.rows) for panel in row) + BELOW
        page.band(height, lambda band, row=row: _draw_row(band, row, inner))  # type: ignore[misc]
    return Drawing("overview", title, paragraph(map(_alt, panels)), page.figure())


def _panels(summary: Summary) -> list[_Panel]:
    panels = []
    published, same = (question_named(summary, name) for name in (AS_PUBLISHED, SAME_RECIPE))
    pair = None if published is None else article_pair(published)
    if published is not None and pair is not None:
        title = _("As published: time of {epochs}").format(epochs=epochs_of(published))
        panels.append(_time_panel(title, pair, lambda item: total_s(published, item)))
    if same is not None and answer.timed(same):
        rows = answer.timed(same)[:5]
        panels.append(_time_panel(_("Same recipe: time per epoch"), rows, lambda item: item.wall_s.estimate))
    trained, rows_of = (published, pair) if pair is not None else (same, _trained(same))
    if trained is not None and rows_of and all(item.curve for item in rows_of):
        title = _("Test accuracy after {epochs}").format(epochs=epochs_of(trained))
        panels.append(_Panel(title, tuple(rows_of), _accuracy, _accuracy_text, lambda item: item.accuracy))
    return panels


def _trained(question: QuestionSummary | None) -> Sequence[Performance]:
    return [] if question is None else [item for item in answer.timed(question) if item.curve][:5]


def _time_panel(title: str, rows: Sequence[Performance], value: Callable[[Performance], float]) -> _Panel:
    return _Panel(title, tuple(rows), value, lambda item: seconds(value(item)))


def _accuracy(performance: Performance) -> float:
    return performance.accuracy.estimate


def _accuracy_text(performance: Performance) -> str:
    return percent(performance.accuracy.estimate, 2)


def _draw_row(band: style.Band, panels: Sequence[_Panel], inner: float) -> None:
    for number, panel in enumerate(panels):
        left = style.MARGIN + number * (inner + BETWEEN)
        band.write(left, 0, panel.title, weight="bold")
        here = style.Band(band.figure, band.top, ABOVE + ROW * len(panel.rows) + BELOW)
        axes = here.axes(left + NAMES, inner - NAMES - 0.65, ABOVE, BELOW)
        style.name_rows(axes, [item.implementation for item in panel.rows], letters=LETTERS)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        _draw_bars(axes, panel)


def _draw_bars(axes: Axes, panel: _Panel) -> None:
    """Draw bars from zero; accuracies as dots with their intervals, for they are all close to each other."""
    values = [panel.value(item) for item in panel.rows]
    texts = [panel.text(item) for item in panel.rows]
    for row, item in enumerate(panel.rows):
        colour = style.colour(item.implementation)
        if panel.interval is None:
            axes.barh(row, values[row], 0.62, color=colour)
            continue
        interval = panel.interval(item)
        if has_bounds(interval):
            axes.plot([interval.low, interval.high], [row, row], color=colour, linewidth=2.2, solid_capstyle="butt")
        axes.plot([values[row]], [row], style.marker(item.implementation), color=colour, markersize=7)
    if panel.interval is None:
        axes.set_xlim(0, max(values))
    else:
        axes.margins(x=0.12)
    style.row_texts(axes, 0.07, "", texts)


def _alt(panel: _Panel) -> str:
    each = in_turn(f"{named(item.implementation)} {panel.text(item)}" for item in panel.rows)
    return _("{title}: {each}.").format(title=panel.title, each=each)
