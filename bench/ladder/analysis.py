"""The speed-up of each stage of the ladder. Pure functions of the records."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from backprop_bench.bench.core.records.kinds import AnyRecord, Block, Memory
from backprop_bench.bench.core.records.plan import Description, Question
from backprop_bench.bench.core.records.reader import of_kind
from backprop_bench.bench.core.stats.intervals import Interval, mean_interval
from backprop_bench.bench.core.stats.ratios import Ratio, paired_ratio
from backprop_bench.bench.core.summary import QuestionSummary, Summary, summarize
from backprop_bench.bench.ladder.stages import IN_C, LOWER_PRECISION, in_full_precision

BASELINE, PEER, YOURS = "baseline", "peer", "yours"
"""The side of the dense-GEMM baselines, that of the peers, and that of your own."""
APART = (IN_C, LOWER_PRECISION, PEER, YOURS)
"""Sides whose stages do not build on each other."""


@dataclasses.dataclass(frozen=True)
class StageResult:
    """The measurements of one stage.

    Attributes
    ----------
    name, implementation, recipe
        Of the stage.
    wall_s
        Seconds per epoch.
    first_s
        Seconds of the first batch, with compilation where there is any.
    above_data_bytes
        Peak memory beyond libraries and data; ``None`` where the system does not provide it.
    parameter_bytes, training_bytes
        Of the weights, and extra memory during training, beyond what a small network needed just before; ``None``
        where the system does not provide it.
    flops_per_s
        Dense arithmetic of the recipe, zeros included, by the time; it may exceed what the machine can do.
    speedup
        time(previous stage) / time(this), on the same side; ``None`` for the first.
    cumulative
        time(first stage) / time(this), on the same side; ``None`` for the first.
    to_fastest
        time(this) / time(fastest stage of the first side); ``None`` for that one itself.
    """

    name: str
    implementation: str
    recipe: str
    wall_s: Interval
    first_s: float
    above_data_bytes: int | None
    parameter_bytes: int | None
    training_bytes: int | None
    flops_per_s: float
    speedup: Ratio | None
    cumulative: Ratio | None
    to_fastest: Ratio | None = None


@dataclasses.dataclass(frozen=True)
class Side:
    """The stages of one side, in the order they build on each other."""

    name: str
    stages: tuple[StageResult, ...]

    @property
    def fastest(self) -> StageResult:
        """The stage with the shortest time."""
        return min(self.stages, key=lambda stage: stage.wall_s.estimate)


@dataclasses.dataclass(frozen=True)
class MixedPrecision:
    """A stage in mixed precision beside the same in full precision: its time, and test accuracies after the last epoch.

    Attributes
    ----------
    implementation
        Of both stages.
    mixed, full
        Names of the stages.
    time
        time(in mixed precision) / time(in full precision).
    in_mixed, in_full
        Accuracies, fractions, means over the seeds from which both were trained.
    difference
        Accuracy in mixed precision minus that in full precision, seed by seed.
    epochs
        After which they are.
    """

    implementation: str
    mixed: str
    full: str
    time: Ratio
    in_mixed: Interval
    in_full: Interval
    difference: Interval
    epochs: int


@dataclasses.dataclass(frozen=True)
class Ladder:
    """All sides, and how their fastest stages compare.

    Attributes
    ----------
    sides
        The first one is that from scratch.
    across
        time(fastest stage of another side) / time(fastest stage of the first side), and the same of every peer and of
        each of yours. Not of mixed precision.
    baselines
        Dense-GEMM baselines, the fastest library first.
    above_baseline
        time(fastest stage of the first side) / time(fastest baseline); ``None`` without a baseline.
    accuracies
        Of each stage in mixed precision.
    question, summary
        Of the same records.
    """

    sides: tuple[Side, ...]
    across: tuple[Ratio, ...]
    baselines: tuple[StageResult, ...]
    above_baseline: Ratio | None
    accuracies: tuple[MixedPrecision, ...]
    question: QuestionSummary
    summary: Summary


def summarize_ladder(description: Description, rows: list[AnyRecord], side_of: Mapping[str, str]) -> Ladder:
    """Compute the results of a run of ``ladder``.

    Parameters
    ----------
    side_of
        The name of the side, by stage or by implementation; all others are yours.
    """
    summary = summarize(description, rows)
    (question,) = summary.questions
    blocks = of_kind(rows, Block)
    entries = {entry.label: entry for entry in description.plan.questions[0].entries}
    memory = {row.implementation: row for row in of_kind(rows, Memory)}
    by_side: dict[str, list[StageResult]] = {}
    for performance in question.performances:
        if not performance.wall_s.n:
            continue
        entry = entries[performance.implementation]
        name = performance.implementation
        side = side_of.get(name, side_of.get(entry.implementation, YOURS))
        previous = by_side.setdefault(side, [])
        previous.append(
            StageResult(
                name=name,
                implementation=entry.implementation,
                recipe=performance.recipe,
                wall_s=performance.wall_s,
                first_s=performance.first_s,
                above_data_bytes=performance.extra_memory_bytes,
                parameter_bytes=memory[name].parameter_bytes if name in memory else None,
                training_bytes=memory[name].training_bytes if name in memory else None,
                flops_per_s=performance.work.flops / performance.wall_s.estimate,
                speedup=paired_ratio(blocks, previous[-1].name, name) if previous and side not in APART else None,
                cumulative=paired_ratio(blocks, previous[0].name, name) if previous and side not in APART else None,
            )
        )
    baselines = sorted(by_side.pop(BASELINE, []), key=lambda stage: stage.wall_s.estimate)
    sides = tuple(Side(side, tuple(stages)) for side, stages in by_side.items())
    first = sides[0].fastest if sides else None
    if first is not None:
        sides = tuple(
            side if side.name == LOWER_PRECISION else Side(side.name, _to_fastest(side.stages, first, blocks))
            for side in sides
        )
        baselines = list(_to_fastest(baselines, first, blocks))
    across = [
        paired_ratio(blocks, stage.name, first.name)
        for side in sides[1:]
        if side.name != LOWER_PRECISION
        for stage in (side.stages if side.name in APART else [side.fastest])
        if first is not None
    ]
    above_baseline = paired_ratio(blocks, first.name, baselines[0].name) if first and baselines else None
    accuracies = tuple(_accuracies(description.plan.questions[0], question, blocks))
    return Ladder(sides, tuple(across), tuple(baselines), above_baseline, accuracies, question, summary)


def _accuracies(plan: Question, question: QuestionSummary, blocks: Sequence[Block]) -> Iterator[MixedPrecision]:
    """Return each stage in mixed precision that was trained to the end beside the same in full precision."""
    for entry in plan.trained:
        full = in_full_precision(entry, plan.trained)
        if full is None:
            continue
        reached = [question.accuracies.get(item.label, {}) for item in (entry, full)]
        seeds = [seed for seed in plan.seeds if plan.epochs and all(plan.epochs in of.get(seed, {}) for of in reached)]
        if not seeds:
            continue
        in_mixed, in_full = ([of[seed][plan.epochs] for seed in seeds] for of in reached)
        yield MixedPrecision(
            implementation=entry.implementation,
            mixed=entry.label,
            full=full.label,
            time=paired_ratio(blocks, entry.label, full.label),
            in_mixed=mean_interval(in_mixed),
            in_full=mean_interval(in_full),
            difference=mean_interval([a - b for a, b in zip(in_mixed, in_full, strict=True)]),
            epochs=plan.epochs,
        )


def _to_fastest(
    stages: Sequence[StageResult], fastest: StageResult, blocks: Sequence[Block]
) -> tuple[StageResult, ...]:
    """Return the stages with the ratio of their time to that of the fastest one from scratch."""
    return tuple(
        stage
        if stage.name == fastest.name
        else dataclasses.replace(stage, to_fastest=paired_ratio(blocks, stage.name, fastest.name))
        for stage in stages
    )
