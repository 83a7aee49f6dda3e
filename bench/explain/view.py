"""Why the two networks differ: sentences, tables, and the two waterfalls."""

import math
from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from backprop_bench.bench.core.stats.attribution import ALPHA, Contribution, Interaction
from backprop_bench.bench.core.stats.intervals import Interval
from backprop_bench.bench.explain.analysis import MARGIN, Equivalence, Explanation
from backprop_bench.bench.report import style
from backprop_bench.bench.report.chart import Bar, Chart
from backprop_bench.bench.report.drawing import Drawing
from backprop_bench.bench.report.language import _
from backprop_bench.bench.report.numbers import (
    NBSP,
    at_least_one,
    bounds,
    compared,
    count,
    has_bounds,
    listing,
    named,
    percent,
    plain,
    points,
    points_interval,
    seconds,
    without_gaps,
)
from backprop_bench.bench.report.table import Table, make_table

NAMES, AXIS, TEXT = 1.5, 5.2, 0.15
ROW, ABOVE, BELOW = 0.3, 0.3, 0.5
RISE, FALL = "#7b3f8c", "#d4a72c"
LETTERS = 24
"""Of the name of a factor at most: as many as there is room for."""
LOADING = "data loading"
SHOWN_CONTRIBUTIONS, SHOWN_INTERACTIONS = 3, 6


def explanation_sentences(explanation: Explanation) -> list[str]:
    """Return both gaps with their largest causes first, then how they were measured."""
    sentences = [
        _accuracy_sentence(explanation),
        _accuracy_causes(explanation),
        _time_sentence(explanation),
        _time_causes(explanation),
        _extent_sentence(explanation),
        *_factors_sentences(explanation),
    ]
    sentences += [_equivalence_sentence(item) for item in explanation.equivalences if item.interval.n]
    if explanation.diverged:
        cells = _(", ").join(_("{n} of cell {name}").format(n=n, name=name) for name, n in explanation.diverged.items())
        text = _("Diverged training jobs, which count with the accuracy that they had: {cells}.")
        sentences.append(text.format(cells=cells))
    return list(map(without_gaps, sentences))


def _factor(name: str) -> str:
    """Return the name of a factor, those of the profiles in the language that is spoken."""
    known = {
        "loss": _("loss"),
        "batch": _("batch"),
        "batch of all examples": _("batch of all examples"),
        "threads": _("threads"),
        "bias": _("bias"),
        "initial weights": _("initial weights"),
        "bias and initial weights": _("bias and initial weights"),
        "inputs and order": _("inputs and order"),
        "precision": _("precision"),
        "implementation": _("implementation"),
        "learning rate": _("learning rate"),
        LOADING: _("data loading"),
    }
    return known.get(name, name)


def _accuracy_sentence(explanation: Explanation) -> str:
    first, last = (percent(accuracy.estimate) for accuracy in explanation.accuracies)
    text = _("Test accuracy of the hand-written network and of PyTorch's: {first} vs {last} (difference {gap}).")
    return text.format(first=first, last=last, gap=points(explanation.accuracy.gap).replace("-", "−"))


def _accuracy_causes(explanation: Explanation) -> str:
    largest = _by_size(explanation.accuracy.contributions)[:SHOWN_CONTRIBUTIONS]
    each = listing(f"{_factor(item.factor)} {_signed_points(item.interval.estimate)}" for item in largest)
    return _("The largest contributions to accuracy are, in points: {each}.").format(each=each)


def _signed_points(fraction: float) -> str:
    text = f"{100 * fraction:+.1f}".replace("-", "−")
    return "0.0" if float(text[1:]) == 0 else text


def _time_sentence(explanation: Explanation) -> str:
    first, last = (seconds(time.estimate * explanation.examples) for time in explanation.times)
    whole = _ratio(_whole(explanation))
    faster = _("PyTorch's network is {factor}× faster per epoch than the hand-written one: {last} vs {first}.")
    slower = _("PyTorch's network is {factor}× slower per epoch than the hand-written one: {last} vs {first}.")
    text = faster if whole.estimate < 1 else slower
    return text.format(factor=plain(at_least_one(whole).estimate), last=last, first=first)


def _time_causes(explanation: Explanation) -> str:
    largest = _by_size(_runtime(explanation))[:SHOWN_CONTRIBUTIONS]
    text = _("{name} ({note})")
    each = listing(text.format(name=_factor(item.factor), note=_direction(item.interval)) for item in largest)
    return _("The largest contributions to time are: {each}.").format(each=each)


def _direction(logs: Interval) -> str:
    """Return a difference of logarithms of times as "1.43× faster"."""
    ratio = _ratio(logs)
    text = _("{factor}× faster") if ratio.estimate < 1 else _("{factor}× slower")
    return text.format(factor=plain(at_least_one(ratio).estimate))


def _extent_sentence(explanation: Explanation) -> str:
    return _("Accuracy: {examples}, {epochs}, {seeds}. Time: {replicates}.").format(
        examples=count(explanation.examples, "training example"),
        epochs=count(explanation.epochs, "epoch"),
        seeds=count(explanation.accuracy.gap.n, "seed"),
        replicates=count(explanation.runtime.gap.n, "process replicate"),
    )


def _factors_sentences(explanation: Explanation) -> list[str]:
    accuracy, time = (
        listing(_factor(item.factor) for item in attribution.contributions)
        for attribution in (explanation.accuracy, explanation.runtime)
    )
    return [
        _("Factors of accuracy: {accuracy}. Factors of time: {time}, and then the DataLoader.").format(
            accuracy=accuracy, time=time
        ),
        _("All else is as in the hand-written network, but accuracies are of float32 where precision is no factor."),
    ]


def _whole(explanation: Explanation) -> Interval:
    gap = explanation.runtime.gap
    extra = explanation.loading.estimate if explanation.loading else 0.0
    return Interval(gap.estimate + extra, math.nan, math.nan, gap.n)


def _ratio(logs: Interval) -> Interval:
    """Return a difference of logarithms as a ratio."""
    return Interval(math.exp(logs.estimate), math.exp(logs.low), math.exp(logs.high), logs.n)


def _effect(logs: Interval) -> str:
    """Return a difference of logarithms of times for a table: "1.43× faster (1.41–1.45)"."""
    ratio = _ratio(logs)
    if has_bounds(ratio) and ratio.contains(1):
        return _("{name} ({note})").format(name=_("no significant difference"), note=bounds(ratio))
    return compared(ratio)


def _runtime(explanation: Explanation) -> list[Contribution]:
    """Return the contributions to the runtime, with what the DataLoader adds at the end."""
    parts = list(explanation.runtime.contributions)
    if explanation.loading is not None:
        parts.append(Contribution(LOADING, explanation.loading, math.nan))
    return parts


def _equivalence_sentence(item: Equivalence) -> str:
    equal = _(
        "In cell {cell}, {first} and {second} are equivalent within ±{margin} points: difference {difference}, {seeds}."
    )
    unknown = _(
        "In cell {cell}, {first} and {second} are not shown to be equivalent within ±{margin} points: "
        "difference {difference}, {seeds}."
    )
    return (equal if item.p < ALPHA else unknown).format(
        cell=item.cell,
        first=named(item.first),
        second=named(item.second),
        margin=f"{100 * MARGIN:g}",
        difference=points_interval(item.interval),
        seeds=count(item.interval.n, "seed"),
    )


def explanation_tables(explanation: Explanation) -> list[Table]:
    """Return the contributions to accuracy and to time, and the largest interactions."""
    return [
        accuracy_table(explanation),
        runtime_table(explanation),
        epochs_table(explanation),
        interactions_table(explanation),
    ]


def accuracy_table(explanation: Explanation) -> Table:
    """Return what each factor contributes to the accuracy."""
    rows = [
        [_factor(item.factor), points_interval(item.interval), _p(item.p), _("yes") if item.significant else _("no")]
        for item in explanation.accuracy.contributions
    ]
    rows.append([_("all"), points_interval(explanation.accuracy.gap), "", ""])
    note = _(
        "Shapley values: the change in accuracy from moving a factor to PyTorch's level, averaged over all orders. "
        "In brackets: 95 % CI over {seeds}; p is corrected by Holm's method."
    ).format(seeds=count(explanation.accuracy.gap.n, "seed"))
    columns = ["<" + _("factor"), _("percentage points"), "p", "<" + _("significant")]
    return make_table(_("What the accuracy gap comes from"), columns, rows, without_gaps(note))


def epochs_table(explanation: Explanation) -> Table:
    """Return the gap in accuracy and its causes after every epoch."""
    factors = [_factor(item.factor) for item in explanation.accuracy.contributions]
    rows = [
        [str(epoch), points_interval(one.gap), *(points_interval(item.interval) for item in one.contributions)]
        for epoch, one in explanation.by_epoch.items()
    ]
    note = _("Percentage points, with 95 % CI; the contributions of a row add up to its gap.")
    columns = [_("epoch"), _("gap"), *factors]
    return make_table(_("What the accuracy gap comes from, over the epochs"), columns, rows, note)


def draw_epochs(explanation: Explanation) -> Drawing:
    """Draw the gap in accuracy and the contributions over the epochs."""
    with style.look():
        page, last = style.Page(), explanation.accuracy
        largest = _by_size(last.contributions)[0]
        title = (
            f"After {count(explanation.epochs, 'epoch')}: gap {_signed_points(last.gap.estimate)}{NBSP}points, "
            f"{largest.factor} {_signed_points(largest.interval.estimate)}"
        )
        page.heading(title, "What the accuracy gap comes from, over the epochs")
        page.band(3.2, lambda band: _draw_epochs(band, explanation))
        note = f"Shapley values in percentage points, with 95 % CI over {count(last.gap.n, 'seed')}."
        page.text(note, style.SMALL, color=style.GREY)
        alt = "; ".join(
            f"epoch {epoch}: gap {points_interval(one.gap)}, "
            + ", ".join(f"{item.factor} {points_interval(item.interval)}" for item in one.contributions)
            for epoch, one in explanation.by_epoch.items()
        )
        return Drawing("why-over-epochs", title, f"{title}. {alt}.", page.figure())


def _draw_epochs(band: style.Band, explanation: Explanation) -> None:
    axes = band.axes(style.MARGIN + 0.6, 6.8, 0.1, 0.5)
    epochs = list(explanation.by_epoch)
    lines = {"gap": [one.gap for one in explanation.by_epoch.values()]}
    for number, item in enumerate(explanation.accuracy.contributions):
        lines[item.factor] = [one.contributions[number].interval for one in explanation.by_epoch.values()]
    colours = (style.INK, *style.OTHER_PART_COLOURS, *style.PART_COLOURS.values())
    for colour, (name, line) in zip(colours, lines.items(), strict=False):
        width = 2.4 if name == "gap" else 1.4
        values = [100 * item.estimate for item in line]
        order = 3 if name == "gap" else 2  # the gap is above what it comes from
        axes.plot(epochs, values, marker="o", markersize=4, color=colour, linewidth=width, label=name, zorder=order)
        if all(map(has_bounds, line)):
            low, high = ([100 * getattr(item, end) for item in line] for end in ("low", "high"))
            axes.fill_between(epochs, low, high, color=colour, alpha=0.12, linewidth=0)
    axes.axhline(0, color=style.GREY, linewidth=0.8)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch")
    axes.set_ylabel("percentage points")
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1), frameon=False, fontsize=style.SMALL)


def runtime_table(explanation: Explanation) -> Table:
    """Return what each factor contributes to the runtime."""
    rows = [[_factor(item.factor), _effect(item.interval), _p(item.p)] for item in _runtime(explanation)]
    rows.append([_("all"), _effect(_whole(explanation)), ""])
    note = _(
        "Effect of moving a factor to PyTorch's level, averaged over all orders; the effects multiply to the last row. "
        "In brackets: 95 % CI over {replicates}. Data loading comes last, since the DataLoader exists only with "
        "PyTorch."
    ).format(replicates=count(explanation.runtime.gap.n, "process replicate"))
    columns = ["<" + _("factor"), _("effect on time"), "p"]
    return make_table(_("What the runtime gap comes from"), columns, rows, without_gaps(note))


def interactions_table(explanation: Explanation) -> Table:
    """Return the largest interactions of both gaps."""
    text = _("{value} points")
    rows = [
        *_interactions(
            _("accuracy"),
            explanation.accuracy.interactions,
            lambda item: without_gaps(text.format(value=points_interval(item))),
        ),
        *_interactions(_("time"), explanation.runtime.interactions, _effect),
    ]
    note = _("What two factors do together beyond the sum (time: product) of each alone, with its 95 % CI.")
    columns = ["<" + _("gap"), "<" + _("factors"), _("interaction")]
    return make_table(_("Largest interactions"), columns, rows, note)


def _p(value: float) -> str:
    return "" if math.isnan(value) else "< 0.001" if value < 0.001 else f"{value:.3f}"


def _interactions(gap: str, interactions: Sequence[Interaction], write: Callable[[Interval], str]) -> list[list[str]]:
    return [
        [gap, without_gaps(listing(map(_factor, (item.first, item.second)))), write(item.interval)]
        for item in interactions[:SHOWN_INTERACTIONS]
    ]


def explanation_charts(explanation: Explanation) -> list[Chart]:
    """Return what each factor contributes to the two gaps, the largest first, for a terminal."""
    accuracy = [
        Bar(item.factor, item.interval.estimate, points_interval(item.interval))
        for item in _by_size(explanation.accuracy.contributions)
    ]
    runtime = [
        Bar(item.factor, math.exp(item.interval.estimate), _effect(item.interval))
        for item in _by_size(_runtime(explanation))
    ]
    return [
        Chart("What the accuracy gap comes from, in percentage points", tuple(accuracy), lambda x: f"{100 * x:+.2f}"),
        Chart("What the runtime gap comes from", tuple(runtime), _end_of_axis, factors=True),
    ]


def _end_of_axis(ratio: float) -> str:
    return _direction(Interval(math.log(ratio), math.nan, math.nan, 0)) if ratio != 1 else "1×"


def _by_size(contributions: Sequence[Contribution]) -> list[Contribution]:
    """Return the contributions, the largest first."""
    return sorted(contributions, key=lambda item: -abs(item.interval.estimate))


def draw_explanation(explanation: Explanation) -> Drawing:
    """Draw the two waterfalls."""
    with style.look():
        page = style.Page()
        title = _title(explanation)
        page.heading(title, f"{count(explanation.examples, 'training example')}, {count(explanation.epochs, 'epoch')}")
        accuracy = explanation.accuracy.contributions
        texts = [points_interval(item.interval) for item in accuracy]
        _waterfall(page, "Test accuracy", accuracy, explanation.accuracies[0].estimate, texts)
        runtime = _runtime(explanation)
        start = math.log(explanation.times[0].estimate * explanation.examples)
        _waterfall(page, "Time per epoch", runtime, start, [_effect(item.interval) for item in runtime], logs=True)
        page.text(_note(explanation), style.SMALL, color=style.GREY)
        alt = " ".join([f"{title}.", *explanation_sentences(explanation)])
        return Drawing("why", title, alt, page.figure())


def _title(explanation: Explanation) -> str:
    accuracy, *_ = _by_size(explanation.accuracy.contributions)
    runtime, *_ = _by_size(_runtime(explanation))
    effects = f"{_signed_points(accuracy.interval.estimate)}{NBSP}points", _direction(runtime.interval)
    if accuracy.factor == runtime.factor:
        return f"Largest factor: {accuracy.factor} ({effects[0]}, {effects[1]})"
    return f"Largest factors: {accuracy.factor} ({effects[0]}) and {runtime.factor} ({effects[1]})"


def _waterfall(
    page: style.Page,
    heading: str,
    contributions: Sequence[Contribution],
    start: float,
    texts: Sequence[str],
    logs: bool = False,
) -> None:
    order = sorted(range(len(contributions)), key=lambda index: -abs(contributions[index].interval.estimate))
    parts, texts = [contributions[index] for index in order], [texts[index] for index in order]
    height = ABOVE + ROW * (len(parts) + 2) + BELOW
    page.band(height, lambda band: _draw(band, heading, parts, start, texts, logs))


def _draw(
    band: style.Band, heading: str, parts: Sequence[Contribution], start: float, texts: Sequence[str], logs: bool
) -> None:
    axes = band.axes(style.MARGIN + NAMES, AXIS, ABOVE, BELOW)
    band.write(style.MARGIN, 0.02, heading, weight="bold")
    style.name_rows(axes, ["from scratch", *(part.factor for part in parts), "PyTorch"], letters=LETTERS)
    places = [start]
    for row, part in enumerate(parts, start=1):
        change = part.interval.estimate
        axes.barh(row, change, left=places[-1], height=0.55, color=RISE if change > 0 else FALL)
        places.append(places[-1] + change)
        if has_bounds(part.interval):
            half = part.interval.half_width
            axes.plot([places[-1] - half, places[-1] + half], [row, row], color=style.INK, linewidth=1.4)
    style.waterfall_frame(axes, places)
    _value_axis(axes, logs)
    header = "effect on time (95 % CI)" if logs else "percentage points (95 % CI)"
    style.row_texts(axes, TEXT, header, ["", *texts, ""])


def _value_axis(axes: Axes, logs: bool) -> None:
    axes.use_sticky_edges = False
    axes.margins(x=0.06)
    axes.autoscale_view()
    axes.xaxis.set_major_locator(MaxNLocator(5))
    if logs:
        low, high = axes.get_xlim()
        steps = [digit * 10.0**power for power in range(-6, 6) for digit in (1, 2, 5)]
        axes.set_xticks([math.log(step) for step in steps if low <= math.log(step) <= high])
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: seconds(math.exp(value))))
        axes.set_xlabel("wall time of an epoch, log axis")
    else:
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: percent(value)))
        axes.set_xlabel("accuracy on the test examples")


def _note(explanation: Explanation) -> str:
    return (
        "Bars: Shapley values of moving each factor to PyTorch's level; they add up to the gap (times: multiply). "
        f"Lines: 95 % CI over {count(explanation.accuracy.gap.n, 'seed')} for accuracy and over "
        f"{count(explanation.runtime.gap.n, 'process replicate')} for time; purple increases, yellow decreases."
    )
