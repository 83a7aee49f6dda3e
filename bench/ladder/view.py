"""The ladder: sentences, tables and a figure of the speed-up of each stage."""

import dataclasses
import functools
import math

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from backprop_bench.bench.core.stats.intervals import Interval, inverse
from backprop_bench.bench.core.stats.ratios import Ratio
from backprop_bench.bench.ladder.analysis import APART, PEER, YOURS, Ladder, MixedPrecision, Side, StageResult
from backprop_bench.bench.ladder.stages import IN_C, LOWER_PRECISION
from backprop_bench.bench.report import style
from backprop_bench.bench.report.certainty import self_test_sentence, stop_sentence
from backprop_bench.bench.report.chart import Chart, own_bar
from backprop_bench.bench.report.drawing import Drawing
from backprop_bench.bench.report.numbers import (
    ABSENT,
    at_least_one,
    bounds,
    compared,
    count,
    factor,
    has_bounds,
    large,
    mebibytes,
    named,
    percent,
    percent_interval,
    plain,
    points_interval,
    seconds,
    seconds_interval,
    signed_points,
    speed,
)
from backprop_bench.bench.report.table import Table, make_table

NAMES, AXIS, TIMES, SPEEDUP, CUMULATIVE = 2.2, 2.7, 0.12, 1.9, 3.85
"""Inches: the names, the axis, and where the columns of numbers begin to the right of it."""
ROW, ABOVE, BELOW = 0.3, 0.3, 0.2
LAST = 0.35
"""Room below the lowest axis for its label."""
HEADINGS = {
    "from scratch": "From scratch",
    IN_C: "In C",
    "PyTorch": "PyTorch",
    LOWER_PRECISION: "Mixed precision",
    "peer": "Peers",
    "yours": "Yours",
}


def ladder_sentences(ladder: Ladder) -> list[str]:
    """Return what the ladder says, the comparison of the fastest stages first."""
    sentences = [_speed(ladder, ratio) for ratio in ladder.across]
    if ladder.above_baseline is not None:
        ratio = ladder.above_baseline
        base = f"the dense-GEMM baseline ({ratio.denominator})"

        sentences.append(f"{speed(_one(ratio.numerator, ladder), base, ratio.interval, 'per epoch')}.")
    for side in ladder.sides:
        stages = [stage for stage in side.stages if stage.speedup is not None]
        if stages:
            best = max(stages, key=lambda stage: _estimate(stage.speedup))

            sentences.append(
                f"{HEADINGS[side.name]}: the largest speed-up over a previous stage is "
                f"{factor(_interval(best.speedup))}, by {best.name!r}."
            )
    for item in ladder.accuracies:
        mixed, full = (f"{named(item.implementation)} in {precision} precision" for precision in ("mixed", "full"))
        if item.time.interval.n:
            sentences.append(f"{speed(mixed, full, item.time.interval, 'per epoch')}.")
        sentences.append(_accuracy_sentence(item))
    sentences.append(stop_sentence(ladder.summary, ladder.question))
    test = self_test_sentence(ladder.question)
    return sentences if test is None else [*sentences, test]


def _speed(ladder: Ladder, ratio: Ratio) -> str:
    names = (_one(ratio.numerator, ladder), _one(ratio.denominator, ladder))
    return f"{speed(*names, ratio.interval, 'per epoch')}."


def _accuracy_sentence(accuracy: MixedPrecision) -> str:
    in_mixed, in_full = (percent(interval.estimate, 2) for interval in (accuracy.in_mixed, accuracy.in_full))
    sentence = (
        f"After {count(accuracy.epochs, 'epoch')}, {accuracy.implementation} reaches a test accuracy of {in_mixed} in "
        f"mixed precision and {in_full} in full precision"
    )
    difference = accuracy.difference
    if not has_bounds(difference):
        return f"{sentence} (one seed)."
    gap = f"{signed_points(difference)}; {count(difference.n, 'seed')}"
    return f"{sentence}: {'no ' if difference.contains(0) else 'a '}significant difference ({gap})."


def _one(name: str, ladder: Ladder) -> str:
    stage = next(stage for side in ladder.sides for stage in side.stages if stage.name == name)
    return named(name) if name == stage.implementation else f"{named(stage.implementation)} ({name})"


def _interval(ratio: Ratio | None) -> Interval:
    assert ratio is not None
    return ratio.interval


def _estimate(ratio: Ratio | None) -> float:
    return 0.0 if ratio is None else ratio.interval.estimate


def ladder_tables(ladder: Ladder) -> list[Table]:
    """Return the stages in the order they build on each other: times, accuracy in mixed precision, work and memory."""
    accuracies = [_accuracy_table(ladder)] if ladder.accuracies else []
    return [_times_table(ladder), *accuracies, _memory_table(ladder)]


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
    return make_table("The ladder", columns, [_times(side, stage) for side, stage in _every(ladder)], note)


def _times(side: str, stage: StageResult) -> list[str]:
    return [
        side,
        stage.name,
        stage.implementation,
        seconds_interval(stage.wall_s),
        ABSENT if stage.speedup is None else _speedup(stage.speedup.interval),
        ABSENT if stage.cumulative is None else _speedup(stage.cumulative.interval),
        ABSENT if stage.to_fastest is None else compared(stage.to_fastest.interval),
    ]


def _speedup(ratio: Interval) -> str:
    """Return a speed-up for a table: "1.74× (1.70–1.79)", or "18× slower (15–21)" where it is below 1."""
    if has_bounds(ratio) and ratio.contains(1):
        return f"no significant difference ({bounds(ratio)})"
    return factor(ratio) if ratio.estimate >= 1 else compared(inverse(ratio))


def _speedup_in_figure(ratio: Interval) -> str:
    return "not significant" if has_bounds(ratio) and ratio.contains(1) else _speedup(ratio)


def _without_interval(ratio: Interval) -> str:
    by = f"{plain(at_least_one(ratio).estimate)}×"
    return by if ratio.estimate >= 1 else f"{by} slower"


def _accuracy_table(ladder: Ladder) -> Table:
    columns = ["<stage", "<precision", "test accuracy", "difference in points"]
    rows = []
    for item in ladder.accuracies:
        rows.append([item.full, "full", percent_interval(item.in_full), ABSENT])
        rows.append([item.mixed, "mixed", percent_interval(item.in_mixed), points_interval(item.difference)])
    last = ladder.accuracies[0]
    note = f"After {count(last.epochs, 'epoch')}, {count(last.difference.n, 'seed')}. In brackets: 95 % CI."
    return make_table("Accuracy in mixed precision", columns, rows, note)


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
            stage.name,
            stage.recipe,
            large(stage.flops_per_s, "FLOP/s"),
            seconds(stage.first_s),
            mebibytes(stage.above_data_bytes),
            mebibytes(stage.training_bytes),
            _by_weights(stage),
        ]
        for _, stage in _every(ladder)
    ]
    note = (
        "Dense FLOP/s count zeros too. The first batch includes compilation. Extra memory during training is beyond "
        "what a small network needed just before, so code that was loaded or compiled is not in it."
    )
    return make_table("Work and memory of the stages", columns, rows, note)


def _every(ladder: Ladder) -> list[tuple[str, StageResult]]:
    """Return every stage with what its side is called, the baselines last."""
    stages = [(HEADINGS[side.name], stage) for side in ladder.sides for stage in side.stages]
    return stages + [
        ("Dense-GEMM baseline", dataclasses.replace(stage, speedup=None, cumulative=None)) for stage in ladder.baselines
    ]


def _by_weights(stage: StageResult) -> str:
    if stage.parameter_bytes is None or stage.training_bytes is None:
        return ABSENT
    return f"{plain(stage.training_bytes / stage.parameter_bytes)}×"


def ladder_charts(ladder: Ladder) -> list[Chart]:
    """Return the time of every stage, for a terminal; the speed-ups are in the table."""
    stages = [stage for side in ladder.sides for stage in side.stages]
    bars = [
        own_bar(stage.implementation, stage.wall_s.estimate, seconds_interval(stage.wall_s), name=stage.name)
        for stage in (*stages, *ladder.baselines)
    ]
    return [Chart("Wall time per epoch, by stage", tuple(bars), seconds)]


def draw_ladder(ladder: Ladder) -> Drawing:
    """Draw the time per epoch of every stage, one band per side."""
    with style.look():
        page = style.Page()
        title = _title(ladder)
        page.heading(title, f"{ladder.question.title}: {count(ladder.question.examples, 'training example')} per epoch")
        intervals = [stage.wall_s for side in ladder.sides for stage in side.stages]
        times = [value for item in intervals for value in (item.low, item.estimate, item.high) if math.isfinite(value)]
        for side in ladder.sides:
            last = side is ladder.sides[-1]
            height = ABOVE + ROW * len(side.stages) + BELOW + (LAST if last else 0)
            page.band(
                height,
                functools.partial(_draw_side, ladder=ladder, side=side, times=times, last=last),
            )
        page.text(_note(ladder), style.SMALL, color=style.GREY)
        return Drawing("ladder", title, " ".join([f"{title}.", *ladder_sentences(ladder)]), page.figure())


def _title(ladder: Ladder) -> str:
    if not ladder.across:
        return f"{HEADINGS[ladder.sides[0].name]}, stage by stage" if ladder.sides else "No stage was timed"
    torch = [stage.name for side in ladder.sides if side.name == "PyTorch" for stage in side.stages]
    ratio = next((ratio for ratio in ladder.across if ratio.numerator in torch), ladder.across[0])
    return speed(_of(ladder, ratio.numerator), _of(ladder, ratio.denominator), ratio.interval, with_interval=False)


def _of(ladder: Ladder, name: str) -> str:
    return next(named(stage.implementation) for side in ladder.sides for stage in side.stages if stage.name == name)


def _draw_side(band: style.Band, ladder: Ladder, side: Side, times: list[float], last: bool) -> None:
    baseline_s = ladder.baselines[0].wall_s.estimate if ladder.baselines else None
    axes = band.axes(style.MARGIN + NAMES, AXIS, ABOVE, BELOW + (LAST if last else 0))
    band.write(style.MARGIN, 0.02, HEADINGS[side.name], weight="bold")
    style.name_rows(axes, [stage.name for stage in side.stages])
    if side.name != YOURS:  # theirs are short enough
        axes.set_yticks(range(len(side.stages)), [stage.name for stage in side.stages])
    colours = style.SHADES[{IN_C: "from scratch", LOWER_PRECISION: "PyTorch", YOURS: PEER}.get(side.name, side.name)]
    for row, stage in enumerate(side.stages):
        _draw_stage(axes, row, stage, colours[0], joined=side.name not in APART)
    _axis(axes, [*times, *([] if baseline_s is None else [baseline_s])], last)
    if baseline_s is not None:
        axes.axvline(baseline_s, color=style.INK, linewidth=1, linestyle="--", zorder=1)
    style.row_texts(axes, TIMES, "time per epoch, 95 % CI", [seconds_interval(stage.wall_s) for stage in side.stages])
    if side.name == LOWER_PRECISION and ladder.accuracies:
        accuracies = {item.mixed: item for item in ladder.accuracies}
        found = [accuracies.get(stage.name) for stage in side.stages]
        texts = ["" if item is None else percent(item.in_mixed.estimate, 2) for item in found]
        style.row_texts(axes, SPEEDUP, "test accuracy", texts)
        texts = ["" if item is None else percent(item.in_full.estimate, 2) for item in found]
        style.row_texts(axes, CUMULATIVE, "in full precision", texts)
    if side.name in APART:
        return
    texts = ["" if stage.speedup is None else _speedup_in_figure(stage.speedup.interval) for stage in side.stages]
    style.row_texts(axes, SPEEDUP, "speed-up over previous", texts)
    texts = ["" if stage.cumulative is None else _without_interval(stage.cumulative.interval) for stage in side.stages]
    style.row_texts(axes, CUMULATIVE, "cumulative", texts)


def _draw_stage(axes: Axes, row: int, stage: StageResult, colour: str, joined: bool) -> None:
    interval = stage.wall_s
    if row and joined:
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
    dashed = ""
    if ladder.baselines:
        baseline = ladder.baselines[0]
        dashed = f"; dashed: {seconds(baseline.wall_s.estimate)}, the dense-GEMM baseline ({baseline.name})"
    return (
        f"All stages interleaved, {count(replicates, 'process replicate')}; marker and bar: geometric mean and 95 % CI"
        f"{dashed}. Where batch or precision changes, a stage changes what is computed."
    )
