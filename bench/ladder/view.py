"""The ladder: sentences, tables and a figure of the speed-up of each stage."""

import dataclasses
import math

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from backprop_bench.bench.core.stats.intervals import Interval
from backprop_bench.bench.core.stats.ratios import Ratio
from backprop_bench.bench.ladder.analysis import Climb, Ladder, Step
from backprop_bench.bench.report import style
from backprop_bench.bench.report.certainty import self_test_sentence, stop_sentence
from backprop_bench.bench.report.chart import Chart, own_bar
from backprop_bench.bench.report.drawing import Drawing
from backprop_bench.bench.report.numbers import (
    ABSENT,
    compared,
    count,
    factor,
    has_bounds,
    large,
    mebibytes,
    named,
    plain,
    seconds,
    seconds_interval,
    speed,
)
from backprop_bench.bench.report.table import Table, make_table

NAMES, AXIS, TIMES, WORTH, TOTAL = 2.2, 2.7, 0.12, 1.9, 3.85
"""Inches: the names, the axis, and where the columns of numbers begin to the right of it."""
ROW, ABOVE, BELOW = 0.3, 0.3, 0.2
LAST = 0.35
"""Room below the lowest axis for its label."""
SIDES = {"from scratch": "From scratch", "PyTorch": "PyTorch", "peer": "Peers"}


def ladder_sentences(ladder: Ladder) -> list[str]:
    """Return what the ladder says, the comparison of the fastest stages first."""
    found = [_speed(ladder, ratio) for ratio in ladder.across]
    if ladder.above_floor is not None:
        ratio = ladder.above_floor
        base = f"the dense-GEMM baseline ({ratio.denominator})"
        found.append(f"{speed(_one(ratio.numerator, ladder), base, ratio.interval, 'per epoch')}.")
    for climb in ladder.climbs:
        steps = [step for step in climb.steps if step.worth is not None]
        if steps:
            best = max(steps, key=lambda step: _estimate(step.worth))
            found.append(
                f"{SIDES[climb.side]}: the largest speed-up over a previous stage is {factor(_interval(best.worth))}, "
                f"by {best.name!r}."
            )
    found.append(stop_sentence(ladder.summary, ladder.question))
    test = self_test_sentence(ladder.question)
    return found if test is None else [*found, test]


def _speed(ladder: Ladder, ratio: Ratio) -> str:
    names = (_one(ratio.numerator, ladder), _one(ratio.denominator, ladder))
    return f"{speed(*names, ratio.interval, 'per epoch')}."


def _one(name: str, ladder: Ladder) -> str:
    step = next(step for climb in ladder.climbs for step in climb.steps if step.name == name)
    return f"{named(step.implementation)} ({name})"


def _interval(ratio: Ratio | None) -> Interval:
    assert ratio is not None
    return ratio.interval


def _estimate(ratio: Ratio | None) -> float:
    return 0.0 if ratio is None else ratio.interval.estimate


def ladder_tables(ladder: Ladder) -> list[Table]:
    """Return the stages in the order they build on each other: their times, then their work and memory."""
    return [_times_table(ladder), _memory_table(ladder)]


def _times_table(ladder: Ladder) -> Table:
    columns = [
        "<side",
        "<stage",
        "<implementation",
        "time per epoch",
        "speed-up over the previous stage",
        "cumulative speed-up",
        "compared with the fastest from scratch",
    ]
    note = (
        f"{count(ladder.question.examples, 'training example')} per epoch. In brackets: 95 % CI over process "
        "replicates. Dense-GEMM baseline: the matrix products of the shared recipe alone; leaving out zeros can beat "
        "it."
    )
    return make_table("The ladder", columns, [_times(side, step) for side, step in _every(ladder)], note)


def _times(side: str, step: Step) -> list[str]:
    return [
        side,
        step.name,
        step.implementation,
        seconds_interval(step.wall_s),
        ABSENT if step.worth is None else factor(step.worth.interval),
        ABSENT if step.total is None else factor(step.total.interval),
        ABSENT if step.to_fastest is None else compared(step.to_fastest.interval),
    ]


def _memory_table(ladder: Ladder) -> Table:
    columns = [
        "<stage",
        "<recipe",
        "dense FLOP/s",
        "first batch",
        "memory beyond libraries and data",
        "extra memory during training",
        "multiple of the weights",
    ]
    rows = [
        [
            step.name,
            step.recipe,
            large(step.flops_per_s, "FLOP/s"),
            seconds(step.first_s),
            mebibytes(step.above_data_bytes),
            mebibytes(step.training_bytes),
            _by_weights(step),
        ]
        for _, step in _every(ladder)
    ]
    note = (
        "Dense FLOP/s count zeros too. The first batch includes compilation. Extra memory during training is beyond "
        "what a small network needed just before, so code that was loaded or compiled is not in it."
    )
    return make_table("Work and memory of the stages", columns, rows, note)


def _every(ladder: Ladder) -> list[tuple[str, Step]]:
    """Return every stage with what its side is called, the baselines last."""
    stages = [(SIDES[climb.side], step) for climb in ladder.climbs for step in climb.steps]
    return stages + [
        ("Dense-GEMM baseline", dataclasses.replace(step, worth=None, total=None)) for step in ladder.floors
    ]


def _by_weights(step: Step) -> str:
    if step.parameter_bytes is None or step.training_bytes is None:
        return ABSENT
    return f"{plain(step.training_bytes / step.parameter_bytes)}×"


def ladder_charts(ladder: Ladder) -> list[Chart]:
    """Return the time of every stage, for a terminal; the speed-ups are in the table."""
    steps = [step for climb in ladder.climbs for step in climb.steps]
    bars = [
        own_bar(step.implementation, step.wall_s.estimate, seconds_interval(step.wall_s), name=step.name)
        for step in (*steps, *ladder.floors)
    ]
    return [Chart("Wall time per epoch, by stage", tuple(bars), seconds)]


def draw_ladder(ladder: Ladder) -> Drawing:
    """Draw the time per epoch of every stage, one band per side."""
    with style.look():
        page = style.Page()
        title = _title(ladder)
        page.heading(title, f"{ladder.question.title}: {count(ladder.question.examples, 'training example')} per epoch")
        intervals = [step.wall_s for climb in ladder.climbs for step in climb.steps]
        times = [value for item in intervals for value in (item.low, item.estimate, item.high) if math.isfinite(value)]
        floor_s = ladder.floors[0].wall_s.estimate if ladder.floors else None
        for climb in ladder.climbs:
            last = climb is ladder.climbs[-1]
            height = ABOVE + ROW * len(climb.steps) + BELOW + (LAST if last else 0)
            page.band(
                height,
                lambda band, climb=climb, last=last: _draw_climb(band, climb, times, floor_s, last),  # type: ignore[misc]
            )
        page.text(_note(ladder), style.SMALL, color=style.GREY)
        return Drawing("ladder", title, " ".join([f"{title}.", *ladder_sentences(ladder)]), page.figure())


def _title(ladder: Ladder) -> str:
    if not ladder.across:
        return f"{SIDES[ladder.climbs[0].side]}, stage by stage" if ladder.climbs else "No stage was timed"
    ratio = ladder.across[0]
    return speed(_of(ladder, ratio.numerator), _of(ladder, ratio.denominator), ratio.interval, with_interval=False)


def _of(ladder: Ladder, name: str) -> str:
    return next(named(step.implementation) for climb in ladder.climbs for step in climb.steps if step.name == name)


def _draw_climb(band: style.Band, climb: Climb, times: list[float], floor_s: float | None, last: bool) -> None:
    axes = band.axes(style.MARGIN + NAMES, AXIS, ABOVE, BELOW + (LAST if last else 0))
    band.write(style.MARGIN, 0.02, SIDES[climb.side], weight="bold")
    style.name_rows(axes, [step.name for step in climb.steps])
    axes.set_yticks(range(len(climb.steps)), [step.name for step in climb.steps])
    colours = style.SHADES[climb.side]
    for row, step in enumerate(climb.steps):
        _draw_step(axes, row, step, colours[0], climbed=climb.side != "peer")
    _axis(axes, [*times, *([] if floor_s is None else [floor_s])], last)
    if floor_s is not None:
        axes.axvline(floor_s, color=style.INK, linewidth=1, linestyle="--", zorder=1)
    style.row_texts(axes, TIMES, "time per epoch, 95 % CI", [seconds_interval(step.wall_s) for step in climb.steps])
    texts = ["" if step.worth is None else factor(step.worth.interval) for step in climb.steps]
    if climb.side == "peer":
        return
    style.row_texts(axes, WORTH, "speed-up over previous", texts)
    texts = ["" if step.total is None else f"{plain(step.total.interval.estimate)}×" for step in climb.steps]
    style.row_texts(axes, TOTAL, "cumulative", texts)


def _draw_step(axes: Axes, row: int, step: Step, colour: str, climbed: bool) -> None:
    interval = step.wall_s
    if row and climbed:
        axes.plot([interval.estimate] * 2, [row - 1, row], color=colour, linewidth=1, linestyle=":", zorder=1)
    if has_bounds(interval):
        axes.plot([interval.low, interval.high], [row, row], color=colour, linewidth=4, solid_capstyle="butt")
    axes.plot([interval.estimate], [row], "o", color=colour, markersize=7, markeredgecolor="white", mew=0.5)


def _axis(axes: Axes, times: list[float], last: bool) -> None:
    axes.set_xscale("log")
    axes.set_xlim(min(times) / 1.5, max(times) * 1.5)
    axes.xaxis.set_major_locator(LogLocator(numticks=8))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: seconds(value) if last else ""))
    if last:
        axes.set_xlabel("wall time of an epoch, log axis")


def _note(ladder: Ladder) -> str:
    replicates = ladder.question.stop.replicates if ladder.question.stop else 0
    floor = ""
    if ladder.floors:
        floor = (
            f" Dashed: the dense-GEMM baseline, {ladder.floors[0].name} ({seconds_interval(ladder.floors[0].wall_s)})."
        )
    return (
        f"All stages interleaved, {count(replicates, 'process replicate')}; marker and bar: geometric mean and 95 % "
        "CI. "
        "Where batch or precision changes, a stage changes what is computed." + floor
    )
