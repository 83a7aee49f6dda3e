"""Figure: the whole answer: time of the article's experiment, time on the same recipe, accuracy."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from backprop_bench.bench.compare import answer
from backprop_bench.bench.compare.steps import AS_PUBLISHED, SAME_RECIPE, plain_name
from backprop_bench.bench.compare.verdicts import article_pair, epochs_of, question_named
from backprop_bench.bench.core.stats.intervals import Interval
from backprop_bench.bench.core.summary import Performance, QuestionSummary, Summary
from backprop_bench.bench.report import style
from backprop_bench.bench.report.drawing import Drawing
from backprop_bench.bench.report.language import _
from backprop_bench.bench.report.numbers import (
    count,
    has_bounds,
    in_turn,
    named,
    paragraph,
    percent,
    plain,
    second_unit,
)
from backprop_bench.data import Recipe

ROW, TITLE, LINE, BELOW, BETWEEN = 0.36, 0.24, 0.17, 0.55, 0.3
NAMES, LETTERS, TEXT = 1.4, 20, 0.62
"""Inches for the names of the rows, how many letters have room there, and inches for the numbers."""


@dataclass(frozen=True)
class _Panel:
    title: str
    note: str
    """What is the same in all rows, and what is not."""
    axis: str
    rows: tuple[Performance, ...]
    value: Callable[[Performance], Interval]
    written: Callable[[float, bool], str]
    """A value as a tick has it, if the second argument says so, or as it stands beside its row."""
    from_zero: bool = True
    """Whether values are bars from zero; else they are dots, for they are all close to each other."""


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
        above = TITLE + LINE * max(len(style.small_lines(panel.note, inner)) for panel in row)
        height = above + ROW * max(len(panel.rows) for panel in row) + BELOW
        page.band(height, lambda band, row=row, above=above: _draw_row(band, row, inner, above))  # type: ignore[misc]
    return Drawing("overview", title, paragraph(map(_alt, panels)), page.figure())


def _panels(summary: Summary) -> list[_Panel]:
    published, same = (question_named(summary, name) for name in (AS_PUBLISHED, SAME_RECIPE))
    pair = None if published is None else article_pair(published)
    timed = [] if pair is None else list(pair)
    timed += [] if same is None else answer.timed(same)[:5]
    if not timed:
        return []
    scale, unit = second_unit(max(item.wall_s.estimate for item in timed))  # one unit, so that panels compare
    panels = []

    def add_times(title: str, note: str, rows: Sequence[Performance]) -> None:
        axis = _("wall time per epoch")
        number = functools.partial(_in_unit, scale, unit)
        panels.append(_Panel(title, note, axis, tuple(rows), lambda item: item.wall_s, number))

    if published is not None and pair is not None:
        add_times(_("As published: each with its own recipe"), _own_recipes(summary, pair), pair)
    if same is not None and answer.timed(same):
        rows = answer.timed(same)[:5]
        recipe = _recipe(summary, SAME_RECIPE, rows[0])
        note = _("{name}: {values}").format(name=_layers(recipe), values=_in_words(recipe))
        add_times(_("All with the same recipe"), note, rows)
    trained, rows_of = (published, pair) if pair is not None else (same, _trained(same))
    if trained is not None and rows_of and all(item.curve for item in rows_of):
        panels.append(_accuracy_panel(trained, rows_of))
    return panels


def _accuracy_panel(question: QuestionSummary, rows: Sequence[Performance]) -> _Panel:
    title = _("Test accuracy after {epochs}").format(epochs=epochs_of(question))
    note = _("Mean and 95\N{NO-BREAK SPACE}% CI over {seeds}").format(seeds=count(question.seeds, "seed"))
    axis = _("test accuracy")
    return _Panel(title, note, axis, tuple(rows), lambda item: item.accuracy, _in_percent, from_zero=False)


def _in_unit(scale: float, unit: str, value: float, is_tick: bool) -> str:
    number = f"{value / scale:g}" if is_tick else plain(value / scale)
    return f"{number}\N{NO-BREAK SPACE}{unit}"


def _in_percent(value: float, is_tick: bool) -> str:
    return percent(value, 1 if is_tick else 2)


def _trained(question: QuestionSummary | None) -> Sequence[Performance]:
    return [] if question is None else [item for item in answer.timed(question) if item.curve][:5]


def _recipe(summary: Summary, question: str, performance: Performance) -> Recipe:
    entries = summary.description.plan.question(question).timed
    return next(entry.recipe for entry in entries if entry.label == performance.implementation)


def _own_recipes(summary: Summary, pair: Sequence[Performance]) -> str:
    first, second = (_recipe(summary, AS_PUBLISHED, item) for item in pair)
    each = _("Hand-written: {first}. PyTorch: {second}.").format(first=_in_words(first), second=_in_words(second))
    return paragraph([_("{sentence}.").format(sentence=_layers(first)), each])


def _layers(recipe: Recipe) -> str:
    return "-".join(map(str, recipe.layer_sizes))


def _in_words(recipe: Recipe) -> str:
    """Return the batches and the precision of a recipe."""
    if recipe.batch_size is None:
        batches = _("all examples at once")
    elif recipe.batch_size == 1:
        batches = _("one example at a time")
    else:
        batches = _("mini-batches of {n}").format(n=recipe.batch_size)
    return _("{batches}, {precision}").format(batches=batches, precision=recipe.dtype)


def _draw_row(band: style.Band, panels: Sequence[_Panel], inner: float, above: float) -> None:
    for number, panel in enumerate(panels):
        left = style.MARGIN + number * (inner + BETWEEN)
        band.write(left, 0, panel.title, weight="bold")
        lines = style.small_lines(panel.note, inner)
        band.write(left, TITLE, "\n".join(lines), fontsize=style.SMALL, color=style.GREY, linespacing=1.25)
        here = style.Band(band.figure, band.top, above + ROW * len(panel.rows) + BELOW)
        axes = here.axes(left + NAMES, inner - NAMES - TEXT, above, BELOW)
        names = [item.implementation for item in panel.rows]
        style.name_rows(axes, names, letters=LETTERS, plain=[plain_name(name) for name in names])
        axes.spines["left"].set_visible(panel.from_zero)
        axes.set_xlabel(panel.axis, fontsize=style.SMALL)
        _draw_values(axes, panel)


def _draw_values(axes: Axes, panel: _Panel) -> None:
    """Draw bars from zero, or dots, with their intervals."""
    values = [panel.value(item) for item in panel.rows]
    for row, (item, value) in enumerate(zip(panel.rows, values, strict=True)):
        colour = style.colour(item.implementation)
        if panel.from_zero:
            axes.barh(row, value.estimate, 0.56, color=colour)
        else:
            axes.plot([value.estimate], [row], style.marker(item.implementation), color=colour, markersize=7)
        if has_bounds(value):
            colour = style.INK if panel.from_zero else colour
            axes.plot([value.low, value.high], [row, row], color=colour, linewidth=1.4)
    if panel.from_zero:
        axes.set_xlim(0, max(value.high if has_bounds(value) else value.estimate for value in values))
    else:
        axes.margins(x=0.12)
    axes.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: panel.written(value, True)))
    style.row_texts(axes, 0.07, "", [panel.written(value.estimate, False) for value in values])


def _alt(panel: _Panel) -> str:
    each = in_turn(
        f"{named(item.implementation)} {panel.written(panel.value(item).estimate, False)}" for item in panel.rows
    )
    return _("{title}: {each}.").format(title=panel.title, each=each)
