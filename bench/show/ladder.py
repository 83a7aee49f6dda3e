"""The ladder: sentences, a table and a figure of what each rung is worth."""

import dataclasses
import math

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from backprop_bench.bench.compute.ladder import Climb, Ladder, Step
from backprop_bench.bench.compute.statistics import Interval
from backprop_bench.bench.compute.timing import Ratio
from backprop_bench.bench.show import style
from backprop_bench.bench.show.certainty import self_test_sentence, stop_sentence
from backprop_bench.bench.show.chart import Chart, own_bar
from backprop_bench.bench.show.drawing import Drawing
from backprop_bench.bench.show.numbers import (
    ABSENT,
    count,
    has_bounds,
    large,
    mebibytes,
    named,
    number_interval,
    plain,
    seconds,
    seconds_interval,
)
from backprop_bench.bench.show.table import Table, make_table

NAMES, AXIS, TIMES, WORTH, TOTAL = 2.2, 2.7, 0.12, 1.9, 3.85
"""Inches: the names, the axis, and where the columns of numbers begin to the right of it."""
ROW, ABOVE, BELOW = 0.3, 0.3, 0.2
LAST = 0.35
"""Room below the lowest axis for its label."""
SIDES = {"by hand": "By hand", "PyTorch": "PyTorch", "peer": "Peers"}
OF_SIDE = {"by hand": "by hand", "PyTorch": "of PyTorch's", "peer": "peer"}


def ladder_sentences(ladder: Ladder) -> list[str]:
    """Return what the ladder says, the comparison of the fastest rungs first."""
    found = [
        f"{_one(ratio.numerator, ladder)} takes {number_interval(ratio.interval)} × the time of "
        f"{_one(ratio.denominator, ladder)} per epoch."
        for ratio in ladder.across
    ]
    if ladder.above_floor is not None:
        ratio = ladder.above_floor
        found.append(
            f"{_one(ratio.numerator, ladder)} takes {number_interval(ratio.interval)} × the time that the dense matrix "
            f"products of an epoch take alone ({ratio.denominator}); below 1 is possible where zeros are left out."
        )
    for climb in ladder.climbs:
        steps = [step for step in climb.steps if step.worth is not None]
        if steps:
            best = max(steps, key=lambda step: _estimate(step.worth))
            found.append(
                f"{SIDES[climb.side]}: the rung that is worth most is {best.name!r}, "
                f"{number_interval(_interval(best.worth))} × as fast as the one below."
            )
    found.append(stop_sentence(ladder.summary, ladder.question))
    test = self_test_sentence(ladder.question)
    return found if test is None else [*found, test]


def _one(name: str, ladder: Ladder) -> str:
    step = next(step for climb in ladder.climbs for step in climb.steps if step.name == name)
    return f"{named(step.implementation)} ({name})"


def _interval(ratio: Ratio | None) -> Interval:
    assert ratio is not None
    return ratio.interval


def _estimate(ratio: Ratio | None) -> float:
    return 0.0 if ratio is None else ratio.interval.estimate


def ladder_table(ladder: Ladder) -> Table:
    """Return the rungs, each side from its lowest."""
    columns = [
        "<side",
        "<rung",
        "<implementation",
        "<recipe",
        "time per epoch",
        "× the one below",
        "× the lowest",
        "time / fastest by hand",
        "dense FLOP/s",
        "first batch",
        "memory above data",
        "of training",
        "÷ weights",
    ]
    rows = [_cells(SIDES[climb.side], step) for climb in ladder.climbs for step in climb.steps]
    rows += [_cells("Floor", dataclasses.replace(step, worth=None, total=None)) for step in ladder.floors]
    question = ladder.question
    note = (
        f"{count(question.cases, 'training case')}. Times: 95 % interval over process sets. × the one below: how many "
        "times as fast as the rung below on the same side, with the 95 % interval of the ratios over process "
        "sets; where recipes differ, the rung changes what is computed. Dense FLOP/s: the arithmetic of the recipe "
        "with every input, zeros included, by the time. Floor: the matrix products of the shared recipe alone. "
        "First batch: with compilation, or loading what was compiled. Memory above data: all that the process holds "
        "while it trains, beyond libraries and data as they were before. Of training: the most that a training of some "
        "batches holds beyond what a small network before it needed, which loads and compiles code for any size; and "
        "how many times the weights that is."
    )
    return make_table("The ladder", columns, rows, note)


def _cells(side: str, step: Step) -> list[str]:
    return [
        side,
        step.name,
        step.implementation,
        step.recipe,
        seconds_interval(step.wall_s),
        ABSENT if step.worth is None else number_interval(step.worth.interval),
        ABSENT if step.total is None else number_interval(step.total.interval),
        ABSENT if step.to_fastest is None else number_interval(step.to_fastest.interval),
        large(step.flops_per_s, "FLOP/s"),
        seconds(step.first_s),
        mebibytes(step.above_data_bytes),
        mebibytes(step.training_bytes),
        _by_weights(step),
    ]


def _by_weights(step: Step) -> str:
    if step.parameter_bytes is None or step.training_bytes is None:
        return ABSENT
    return plain(step.training_bytes / step.parameter_bytes)


def ladder_charts(ladder: Ladder) -> list[Chart]:
    """Return the time of every rung, for a terminal; what each is worth is in the table."""
    steps = [step for climb in ladder.climbs for step in climb.steps]
    bars = [
        own_bar(step.implementation, step.wall_s.estimate, seconds_interval(step.wall_s), name=step.name)
        for step in (*steps, *ladder.floors)
    ]
    return [Chart("Wall time per epoch, rung by rung", tuple(bars), seconds)]


def draw_ladder(ladder: Ladder) -> Drawing:
    """Draw the time per epoch of every rung, one band per side."""
    with style.look():
        page = style.Page()
        title = _title(ladder)
        page.heading(title, f"{ladder.question.title}: {count(ladder.question.cases, 'training case')} per epoch")
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
        return f"{SIDES[ladder.climbs[0].side]}, rung by rung" if ladder.climbs else "No rung was timed"
    ratio = ladder.across[0]
    other = next(climb for climb in ladder.climbs if any(step.name == ratio.numerator for step in climb.steps))
    return (
        f"{SIDES[other.side]}: the fastest rung takes {number_interval(ratio.interval)} × the time of the fastest "
        f"{OF_SIDE[ladder.climbs[0].side]}, {ratio.denominator}"
    )


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
    style.row_texts(axes, TIMES, "time per epoch (95 %)", [seconds_interval(step.wall_s) for step in climb.steps])
    texts = ["" if step.worth is None else f"{number_interval(step.worth.interval)} ×" for step in climb.steps]
    if climb.side == "peer":
        return
    style.row_texts(axes, WORTH, "as fast as one below", texts)
    texts = ["" if step.total is None else f"{plain(step.total.interval.estimate)} ×" for step in climb.steps]
    style.row_texts(axes, TOTAL, "as lowest", texts)


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
    sets = ladder.question.stop.sets if ladder.question.stop else 0
    floor = ""
    if ladder.floors:
        floor = (
            f" Dashed: the dense matrix products of an epoch of the shared recipe alone, {ladder.floors[0].name}, "
            f"{seconds_interval(ladder.floors[0].wall_s)}."
        )
    return (
        f"{count(sets, 'process set')}, all rungs interleaved in one run. Marker and bar: geometric mean over process "
        "sets and Student's 95 % interval over them. As fast as one below: ratio of the times of a set with its "
        "95 % interval; as lowest: the same from the lowest rung of the side. "
        "Where the batch or the precision changes, a rung changes what is computed, and accuracy with it." + floor
    )
