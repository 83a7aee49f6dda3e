"""What one sees while networks learn: sentences, a table and the figures."""

import math
from collections.abc import Iterable, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from backprop_bench.bench.curves.analysis import (
    BATCHES,
    HAND_WRITTEN,
    LOSSES,
    NETWORKS,
    PYTORCH,
    SAMPLE,
    Comparison,
    Line,
    Point,
)
from backprop_bench.bench.report import style
from backprop_bench.bench.report.chart import Bar, Chart
from backprop_bench.bench.report.drawing import Drawing
from backprop_bench.bench.report.language import _, spoken
from backprop_bench.bench.report.numbers import ABSENT, NBSP, count, in_turn, listing, percent, points
from backprop_bench.bench.report.table import Table, make_table

EXAMPLES, UPDATES = "training examples seen", "weight updates"
ACCURACY, SHARE = "test accuracy", "share of the error left in ∂E/∂z"
PANELS = {
    NETWORKS: ((EXAMPLES, ACCURACY), (UPDATES, ACCURACY)),
    LOSSES: ((UPDATES, ACCURACY), (UPDATES, SHARE)),
    BATCHES: ((EXAMPLES, ACCURACY), (UPDATES, ACCURACY)),
}
"""What each figure shows, over what."""
COLOURS = {
    HAND_WRITTEN: style.SHADES["from scratch"][0],
    PYTORCH: style.SHADES["PyTorch"][0],
    "cross-entropy": style.OTHER_PART_COLOURS[0],
    "squared error": style.GREY,
}
BATCH_COLOURS = ("#00382a", "#008a64", "#2fb38a", "#7cc9ae")
"""Lightnesses of one green, by batch size."""
LEFT, BETWEEN, KEY, BELOW = 0.6, 0.25, 0.28, 0.5
HEIGHT, NARROW_HEIGHT = 2.5, 1.8
NARROW_INCHES = 5.2
"""Of a figure whose letters can be read on a page and on a phone: its panels are below each other."""
TABLE_TARGETS = (0.5, 0.8, 0.9, 0.95)
SHOWN_UPDATES = 8
"""How many of the first updates after which there is an evaluation the caption has."""


def curves_sentences(comparison: Comparison) -> list[str]:
    """Return what it takes to reach an accuracy, and what explains or follows it."""
    target = comparison.target
    reached = [] if target is None else [_target_sentence(comparison, target)]
    more = {NETWORKS: _network_sentences, LOSSES: _loss_sentences, BATCHES: _batch_sentences}[comparison.name]
    return [*reached, *more(comparison)]


def _target_sentence(comparison: Comparison, target: float) -> str:
    reached = [(line, _reached(line, target)) for line in comparison.lines]
    text = _("{examples} in {updates} {network}")
    each = _each(
        text.format(
            examples=count(point.examples, "example"), updates=count(point.updates, "update"), network=_with(line)
        )
        for line, point in reached
    )
    return _("{share} test accuracy takes {each}.").format(share=percent(target, 0), each=each)


def _reached(line: Line, target: float) -> Point:
    """Return where a line reaches a target that all lines reach."""
    point = line.reaches(target)
    assert point is not None
    return point


def _with(line: Line) -> str:
    known = {HAND_WRITTEN: _("hand-written"), PYTORCH: _("with PyTorch")}
    return known.get(line.label) or _("with {name}").format(name=_name(line))


def _each(items: Iterable[str]) -> str:
    """Return "a, b and c"; in Chinese, where each has commas of its own, "a；b；c"."""
    return listing(items) if spoken() == "en" else in_turn(items)


def _name(line: Line) -> str:
    """Return the label of a line in the language that is spoken."""
    known = {"cross-entropy": _("cross-entropy"), "squared error": _("squared error")}
    if line.label.startswith("batch "):
        return _("batch {n}").format(n=line.batch_size).replace(" ", NBSP)
    return known.get(line.label, line.label)


def _network_sentences(comparison: Comparison) -> list[str]:
    """Return how the two networks compare after the first epoch and after the last."""
    return [_after_sentence(comparison, epoch) for epoch in sorted({1, comparison.epochs})]


def _after_sentence(comparison: Comparison, epoch: int) -> str:
    place = epoch * comparison.examples
    first, last = (_accuracy(line, place, 2) for line in comparison.lines)
    difference = points(comparison.difference(epoch)).replace("-", "−")
    text = _("After {epochs}: {first} vs {last} (difference {difference}).")
    return text.format(epochs=count(epoch, "epoch"), first=first, last=last, difference=difference)


def _accuracy(line: Line, place: int, decimals: int) -> str:
    share = percent(line.after(place).accuracy, decimals)
    return _("{share} {network}").format(share=share, network=_with(line))


def _loss_sentences(comparison: Comparison) -> list[str]:
    """Return what the derivative of the outputs leaves of the error, the least first, and the rates."""
    shares = [(line, known) for line in comparison.lines if (known := _known_shares(line))]
    shares.sort(key=lambda item: min(point.error_share for point in item[1]))
    text = _("{rate} with {loss}")
    rates = _each(text.format(rate=f"{line.learning_rate:g}", loss=_name(line)) for line in comparison.lines)
    return [
        *(_share_sentence(line, known) for line, known in shares),
        _("Each has the learning rate that is best for it on examples held out: {rates}.").format(rates=rates),
    ]


def _known_shares(line: Line) -> list[Point]:
    return [point for point in line.points if math.isfinite(point.error_share)]


def _share_sentence(line: Line, known: Sequence[Point]) -> str:
    least, most = (pick(known, key=lambda point: point.error_share) for pick in (min, max))
    if least.error_share < 1:
        text = _(
            "With {loss}, the derivative of the output activation leaves between {low} (after {updates}) and {high} "
            "of the error in ∂E/∂z."
        )
        low, high = percent(least.error_share, 0), percent(most.error_share, 0)
        return text.format(loss=_name(line), low=low, updates=count(least.updates, "update"), high=high)
    return _("With {loss} that derivative cancels, and all of the error is left.").format(loss=_name(line))


def _batch_sentences(comparison: Comparison) -> list[str]:
    """Return what the sizes come to after the last epoch."""
    last = comparison.epochs * comparison.examples
    each = _each(_accuracy(line, last, 1) for line in comparison.lines)
    return [_("After {epochs}: {each}.").format(epochs=count(comparison.epochs, "epoch"), each=each)]


def curves_table(comparison: Comparison) -> Table:
    """Return where each curve reaches some accuracies, and the accuracy after the first and the last epoch."""
    ends = sorted({1, comparison.epochs})
    columns = [
        "<training",
        *(f"to {percent(target, 0)}" for target in TABLE_TARGETS),
        *(f"after {count(epoch, 'epoch')}" for epoch in ends),
    ]
    rows = [
        [
            _named(comparison, line),
            *(_place(line.reaches(target)) for target in TABLE_TARGETS),
            *(percent(line.after(epoch * comparison.examples).accuracy, 2) for epoch in ends),
        ]
        for line in comparison.lines
    ]
    note = f"Weight updates (training examples) until the mean accuracy is reached. {_note(comparison)}"
    return make_table(comparison.title, columns, rows, note)


def _place(point: Point | None) -> str:
    return ABSENT if point is None else f"{point.updates:,} ({point.examples:,})"


def _named(comparison: Comparison, line: Line) -> str:
    """Return the name of a curve, with what else one wants to know of it."""
    if comparison.name == NETWORKS:
        return f"{line.label}, batch {line.batch_size}"
    return f"{line.label}, rate {line.learning_rate:g}" if comparison.name == LOSSES else line.label


def curves_charts(comparison: Comparison) -> list[Chart]:
    """Return what it takes to reach the accuracy that is compared, for a terminal; nothing where there is none."""
    target = comparison.target
    if target is None:
        return []
    over, _ = PANELS[comparison.name][0]
    places = [_x(_reached(line, target), over) for line in comparison.lines]
    bars = [Bar(line.label, x, f"{x:,}") for line, x in zip(comparison.lines, places, strict=True)]
    title = f"{comparison.title}: {over} to {percent(target, 0)} test accuracy"
    return [Chart(title, tuple(bars), lambda value: f"{value:,.0f}")]


def _note(comparison: Comparison) -> str:
    first = ", ".join(f"{point.updates:,}" for point in comparison.lines[0].points[:SHOWN_UPDATES])
    return (
        f"Mean and range of {count(comparison.seeds, 'seed')} on {count(comparison.test_examples, 'test example')}, "
        f"after the updates {first} and so on, evenly on a logarithmic axis, and after every epoch. "
        f"{_recipe_note(comparison)}."
    )


def _recipe_note(comparison: Comparison) -> str:
    """Return what a figure must say of the recipes, or of how its numbers come about."""
    network = "-".join(map(str, comparison.layer_sizes))
    if comparison.name == NETWORKS:
        trainers = listing(line.implementation for line in comparison.lines)
        return f"Trained by {trainers}, both verified; dots: the accuracy in the title"
    if comparison.name == LOSSES:
        sample = count(min(SAMPLE, comparison.examples), "training example")
        size, share = comparison.lines[0].batch_size, "share: Σ |∂E/∂z| / Σ |o − t|".replace(" ", NBSP)
        return f"{network}, sigmoid outputs, batches of {size}; {share} over {sample}"
    rates = listing(sorted({f"{line.learning_rate:g}" for line in comparison.lines}))
    return f"{network}, softmax and cross-entropy, mean over the batch, learning rate {rates}"


def draw_comparison(comparison: Comparison, width: float = style.PAGE_INCHES) -> Drawing:
    """Draw the curves over logarithmic axes: panels beside each other, or below where there is no room for that."""
    with style.look():
        page, title = style.Page(width), _title(comparison)
        page.heading(title, comparison.title)
        panels, beside = PANELS[comparison.name], width >= style.PAGE_INCHES
        for row in [panels] if beside else [panels[:1], panels[1:]]:
            height = KEY + (HEIGHT if beside else NARROW_HEIGHT) + BELOW
            page.band(height, lambda band, row=row: _draw_row(band, comparison, row, width))  # type: ignore[misc]
        page.text(_note(comparison), style.SMALL, color=style.GREY)
        alt = " ".join([f"{title}.", *curves_sentences(comparison)])
        name = f"curves-{comparison.name}"
        return Drawing(name if beside else f"{name}-narrow", title, alt, page.figure())


def _title(comparison: Comparison) -> str:
    first, last, target = comparison.lines[0], comparison.lines[-1], comparison.target
    if target is None:
        ends = [line.points[-1].accuracy for line in (first, last)]
        what = f"{percent(ends[0])} {_with(first)}, {percent(ends[1])} {_with(last)}"
        return f"After {count(comparison.epochs, 'epoch')}: {what}"
    over, _ = PANELS[comparison.name][0]
    places = [_x(_reached(line, target), over) for line in (first, last)]
    unit = "example" if over == EXAMPLES else "update"
    what = f"{count(places[0], unit)} {_with(first)}, {places[1]:,} {_with(last)}"
    return f"To {percent(target, 0)} accuracy: {what}"


def _draw_row(band: style.Band, comparison: Comparison, row: Sequence[tuple[str, str]], width: float) -> None:
    step = (width - 2 * style.MARGIN + BETWEEN) / len(row)
    for number, (over, what) in enumerate(row):
        axes = band.axes(style.MARGIN + LEFT + number * step, step - LEFT - BETWEEN, KEY, BELOW)
        _draw_lines(axes, comparison, over, what)
        if (over, what) == PANELS[comparison.name][0]:
            axes.legend(  # above the axes: within, it would hide curves
                loc="lower left",
                bbox_to_anchor=(0, 1),
                borderaxespad=0.2,
                ncols=len(comparison.lines),
                frameon=False,
                fontsize=style.SMALL,
                columnspacing=1.2,
            )


def _draw_lines(axes: Axes, comparison: Comparison, over: str, what: str) -> None:
    for number, line in enumerate(comparison.lines):
        x = [_x(point, over) for point in line.points]
        colour, dash = _colour(line, number), _dash(comparison, number)
        y = [point.accuracy if what == ACCURACY else point.error_share for point in line.points]
        axes.plot(x, y, color=colour, linestyle=dash, linewidth=1.6, label=_named(comparison, line))
        if what == ACCURACY:
            low, high = zip(*(point.spread for point in line.points), strict=True)
            axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
    if what == ACCURACY and comparison.target is not None:
        _mark_target(axes, comparison, comparison.target, over)
    if over == EXAMPLES:
        _mark_epoch(axes, comparison.examples)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(numticks=8))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_ylim(0, 1.02)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: percent(value, 0)))
    axes.tick_params(labelsize=style.SMALL)
    axes.set_xlabel(f"{over}, log axis")
    axes.set_ylabel(what)


def _x(point: Point, over: str) -> int:
    return point.examples if over == EXAMPLES else point.updates


def _colour(line: Line, number: int) -> str:
    return COLOURS.get(line.label) or BATCH_COLOURS[number % len(BATCH_COLOURS)]


def _dash(comparison: Comparison, number: int) -> str:
    return style.DASHES[number % len(style.DASHES)] if comparison.name == BATCHES else "-"


def _mark_target(axes: Axes, comparison: Comparison, target: float, over: str) -> None:
    """Mark the accuracy that the title names, and where each curve reaches it."""
    axes.axhline(target, color=style.GREY, linewidth=0.8, linestyle=":")
    for number, line in enumerate(comparison.lines):
        point = _reached(line, target)
        axes.plot([_x(point, over)], [point.accuracy], "o", color=_colour(line, number), markersize=5)


def _mark_epoch(axes: Axes, examples: int) -> None:
    axes.axvline(examples, color=style.GREY, linewidth=0.8, linestyle=":")
    axes.annotate(
        "1 epoch",
        (examples, 0),
        (-3, 3),
        textcoords="offset points",
        ha="right",
        fontsize=style.SMALL,
        color=style.GREY,
    )
