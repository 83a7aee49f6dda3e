"""Why the two networks differ: a paragraph, the tables, and the two waterfalls."""

import math
from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from backprop_bench.bench.core.stats.intervals import Interval
from backprop_bench.bench.explain.analysis import MARGIN, Equivalence, Explanation
from backprop_bench.bench.explain.attribution import ALPHA, Attribution, Contribution, Interaction
from backprop_bench.bench.report import style
from backprop_bench.bench.report.chart import Bar, Chart
from backprop_bench.bench.report.drawing import Drawing
from backprop_bench.bench.report.numbers import (
    count,
    has_bounds,
    listing,
    named,
    percent,
    percent_interval,
    points_interval,
    seconds,
    seconds_interval,
)
from backprop_bench.bench.report.table import Table, make_table

NAMES, AXIS, TEXT = 1.9, 5.2, 0.15
ROW, ABOVE, BELOW = 0.3, 0.3, 0.5
RISE, FALL, END = style.SHADES["PyTorch"][0], style.SHADES["from scratch"][0], style.GREY
LOADING = "data loading"
SHOWN_INTERACTIONS = 6


def explanation_sentences(found: Explanation) -> list[str]:
    """Return the finding in plain words, made from the numbers."""
    said = [_accuracy_sentence(found), _time_sentence(found), _factors_sentence(found)]
    said += [_equivalence_sentence(item) for item in found.equivalences if item.interval.n]
    if found.diverged:
        cells = ", ".join(f"{n} of cell {name}" for name, n in found.diverged.items())
        said.append(f"Trainings diverged and count with the accuracy that they had: {cells}.")
    return said


def _accuracy_sentence(found: Explanation) -> str:
    first, last = map(percent_interval, found.accuracies)
    extent = f"{count(found.examples, 'training example')}, {count(found.epochs, 'epoch')}"
    return (
        f"From the hand-written network to PyTorch's, accuracy goes from {first} to {last} ({extent}, "
        f"{count(found.accuracy.gap.n, 'seed')}): {points_interval(found.accuracy.gap)} points, of which "
        f"{_largest(found.accuracy.contributions, points_interval, 'points')}."
    )


def _factors_sentence(found: Explanation) -> str:
    accuracy, time = (
        listing(item.factor for item in attribution.contributions) for attribution in (found.accuracy, found.runtime)
    )
    return (
        f"What was changed: for accuracy {accuracy}; for time {time}, and the DataLoader at the end. All else is as in "
        "the hand-written network, but that accuracies are of float32 where precision was not changed."
    )


def _time_sentence(found: Explanation) -> str:
    first, last = (seconds_interval(_epoch(time, found.examples)) for time in found.times)
    return (
        f"Time per epoch goes from {first} to {last}, × {_factor(_whole(found))}, of which "
        f"{_largest(_runtime(found), _factor, 'as a factor')}."
    )


def _largest(contributions: Sequence[Contribution], write: Callable[[Interval], str], unit: str) -> str:
    each = [f"{item.factor} {write(item.interval)}" for item in _by_size(contributions)[:3]]
    return f"{', '.join(each)} ({unit}; 95 % intervals)"


def _epoch(example_s: Interval, examples: int) -> Interval:
    return Interval(example_s.estimate * examples, example_s.low * examples, example_s.high * examples, example_s.n)


def _factor(logs: Interval) -> str:
    """Return a difference of logarithms as the factor that it is."""
    value = f"{math.exp(logs.estimate):.3g}"
    return f"{value} ({math.exp(logs.low):.3g}–{math.exp(logs.high):.3g})" if has_bounds(logs) else value


def _whole(found: Explanation) -> Interval:
    gap = found.runtime.gap
    extra = found.loading.estimate if found.loading else 0.0
    return Interval(gap.estimate + extra, math.nan, math.nan, gap.n)


def _runtime(found: Explanation) -> list[Contribution]:
    """Return the contributions to the runtime, with what the DataLoader adds at the end."""
    parts = list(found.runtime.contributions)
    if found.loading is not None:
        parts.append(Contribution(LOADING, found.loading, math.nan))
    return parts


def _equivalence_sentence(item: Equivalence) -> str:
    verdict = "equivalent" if item.p < ALPHA else "not shown to be equivalent"
    return (
        f"In cell {item.cell}, {named(item.first)} and {named(item.second)} differ by {points_interval(item.interval)} "
        f"points: {verdict} within ±{100 * MARGIN:g} points (two one-sided tests, {count(item.interval.n, 'seed')})."
    )


def accuracy_table(found: Explanation) -> Table:
    """Return what each factor contributes to the accuracy."""
    rows = [
        [item.factor, points_interval(item.interval), _p(item.p), "yes" if item.significant else "no"]
        for item in found.accuracy.contributions
    ]
    rows.append(["all", points_interval(found.accuracy.gap), "", ""])
    note = (
        "Shapley values: the change of the test accuracy that moving this factor brings, averaged over all orders; "
        f"they add up to the whole. 95 % intervals over {count(found.accuracy.gap.n, 'seed')}. p: that it contributes "
        f"nothing, corrected by Holm's method. {_interactions(found.accuracy, points_interval)}"
    )
    columns = ["<factor", "percentage points", "p", "<significant"]
    return make_table("What the accuracy gap comes from", columns, rows, note)


def runtime_table(found: Explanation) -> Table:
    """Return what each factor contributes to the time."""
    rows = [[item.factor, _factor(item.interval), _p(item.p)] for item in _runtime(found)]
    rows.append(["all", _factor(_whole(found)), ""])
    note = (
        "Factors by which the time per example changes, averaged over all orders; they multiply to the whole. 95 % "
        f"intervals over {count(found.runtime.gap.n, 'process replicate')}. Data loading: the DataLoader after all "
        f"others, for it is not there without PyTorch. {_interactions(found.runtime, _factor)}"
    )
    return make_table("What the runtime gap comes from", ["<factor", "× time", "p"], rows, note)


def _p(value: float) -> str:
    return "" if math.isnan(value) else "< 0.001" if value < 0.001 else f"{value:.3f}"


def _interactions(attribution: Attribution, write: Callable[[Interval], str]) -> str:
    shown: Sequence[Interaction] = attribution.interactions[:SHOWN_INTERACTIONS]
    each = "; ".join(f"{item.first} and {item.second} {write(item.interval)}" for item in shown)
    return f"Largest interactions, what two do together beyond each alone: {each}." if each else ""


def explanation_charts(found: Explanation) -> list[Chart]:
    """Return what each factor contributes to the two gaps, the largest first, for a terminal."""
    accuracy = [
        Bar(item.factor, item.interval.estimate, points_interval(item.interval))
        for item in _by_size(found.accuracy.contributions)
    ]
    runtime = [
        Bar(item.factor, math.exp(item.interval.estimate), f"× {_factor(item.interval)}")
        for item in _by_size(_runtime(found))
    ]
    return [
        Chart("What the accuracy gap comes from, in percentage points", tuple(accuracy), lambda x: f"{100 * x:+.2f}"),
        Chart("What the runtime gap comes from", tuple(runtime), lambda factor: f"× {factor:.3g}", factors=True),
    ]


def _by_size(contributions: Sequence[Contribution]) -> list[Contribution]:
    """Return the contributions, the largest first."""
    return sorted(contributions, key=lambda item: -abs(item.interval.estimate))


def draw_explanation(found: Explanation) -> Drawing:
    """Draw the two waterfalls."""
    with style.look():
        page = style.Page()
        title = _title(found)
        page.heading(title, f"{count(found.examples, 'training example')}, {count(found.epochs, 'epoch')}")
        _waterfall(
            page, "Test accuracy", found.accuracy.contributions, found.accuracies[0].estimate, _accuracy_texts(found)
        )
        runtime = _runtime(found)
        start = math.log(found.times[0].estimate * found.examples)
        _waterfall(page, "Time per epoch", runtime, start, [_factor(item.interval) for item in runtime], logs=True)
        page.text(_note(found), style.SMALL, color=style.GREY)
        alt = " ".join([f"{title}.", *explanation_sentences(found)])
        return Drawing("why", title, alt, page.figure())


def _accuracy_texts(found: Explanation) -> list[str]:
    return [points_interval(item.interval) for item in found.accuracy.contributions]


def _title(found: Explanation) -> str:
    accuracy = max(found.accuracy.contributions, key=lambda item: abs(item.interval.estimate))
    runtime = max(_runtime(found), key=lambda item: abs(item.interval.estimate))
    return (
        f"Accuracy: {accuracy.factor} weighs most, {points_interval(accuracy.interval)} points. "
        f"Time: {runtime.factor}, × {_factor(runtime.interval)}"
    )


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
    style.name_rows(axes, ["from scratch", *(part.factor for part in parts), "PyTorch"])
    at = start
    axes.plot([at], [0], "o", color=END, markersize=7)
    for row, part in enumerate(parts, start=1):
        change = part.interval.estimate
        axes.barh(row, change, left=at, height=0.55, color=RISE if change > 0 else FALL)
        axes.plot([at, at], [row - 1, row], color=style.GREY, linewidth=0.8)
        at += change
        if has_bounds(part.interval):
            half = part.interval.half_width
            axes.plot([at - half, at + half], [row, row], color=style.INK, linewidth=1.4)
    axes.plot([at, at], [len(parts), len(parts) + 1], color=style.GREY, linewidth=0.8)
    axes.plot([at], [len(parts) + 1], "o", color=END, markersize=7)
    _value_axis(axes, logs)
    style.row_texts(axes, TEXT, "contribution (95 %)", ["", *texts, ""])


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


def _note(found: Explanation) -> str:
    return (
        "Bars: Shapley values, what moving a factor from the hand-written network's level to PyTorch's changes, "
        "averaged over all orders; they add up to the whole gap (times: multiply). Lines at their ends: 95 % intervals "
        f"over {count(found.accuracy.gap.n, 'seed')}, and over {count(found.runtime.gap.n, 'process replicate')} for "
        "times. Blue rises, orange falls."
    )
