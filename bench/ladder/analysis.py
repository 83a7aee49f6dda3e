"""What each rung of the ladder is worth. Pure functions of the records."""

import dataclasses
from collections.abc import Mapping, Sequence

from backprop_bench.bench.core.records.kinds import AnyRecord, Block, Memory
from backprop_bench.bench.core.records.plan import Description
from backprop_bench.bench.core.records.reader import of_kind
from backprop_bench.bench.core.stats.intervals import Interval
from backprop_bench.bench.core.stats.ratios import Ratio, paired_ratio
from backprop_bench.bench.core.summary import QuestionSummary, Summary, summarize

FLOOR, PEER = "floor", "peer"
"""The side of what trains nothing, and that of other libraries, which are no steps of one way."""


@dataclasses.dataclass(frozen=True)
class Step:
    """One rung that was climbed.

    Attributes
    ----------
    name, implementation, recipe
        Of the rung.
    wall_s
        Seconds per epoch.
    first_s
        Seconds of the first batch, with compilation where there is any.
    above_data_bytes
        Peak memory of training above libraries and data; ``None`` where the system does not tell.
    parameter_bytes, training_bytes
        Of the weights, and the most that a training holds beyond what a small one before it needed; ``None`` where the
        system does not tell.
    flops_per_s
        Arithmetic that the recipe asks for, by the time: what leaves out zeros may come out above what a machine does.
    worth
        time(rung below) / time(this), on the same side; ``None`` for the lowest.
    total
        time(lowest rung) / time(this), on the same side; ``None`` for the lowest.
    to_fastest
        time(this) / time(fastest rung of the first side); ``None`` for that one itself.
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
    worth: Ratio | None
    total: Ratio | None
    to_fastest: Ratio | None = None


@dataclasses.dataclass(frozen=True)
class Climb:
    """The rungs of one side, the lowest first."""

    side: str
    steps: tuple[Step, ...]

    @property
    def fastest(self) -> Step:
        """The rung with the shortest time."""
        return min(self.steps, key=lambda step: step.wall_s.estimate)


@dataclasses.dataclass(frozen=True)
class Ladder:
    """All sides, and how the fastest rungs of two sides compare.

    Attributes
    ----------
    climbs
        By side.
    across
        time(fastest rung of another side) / time(fastest rung of the first side), and the same of every peer.
    floors
        The matrix products alone, the fastest library first; they train nothing.
    above_floor
        time(fastest rung of the first side) / time(fastest floor); ``None`` where there is no floor.
    question, summary
        What the records say beside.
    """

    climbs: tuple[Climb, ...]
    across: tuple[Ratio, ...]
    floors: tuple[Step, ...]
    above_floor: Ratio | None
    question: QuestionSummary
    summary: Summary


def summarize_ladder(description: Description, rows: list[AnyRecord], sides: Mapping[str, str]) -> Ladder:
    """Compute what a run of ``ladder`` says.

    Parameters
    ----------
    sides
        By implementation, on which side it stands.
    """
    summary = summarize(description, rows)
    (question,) = summary.questions
    blocks = of_kind(rows, Block)
    entries = {entry.label: entry for entry in description.plan.questions[0].entries}
    memory = {row.implementation: row for row in of_kind(rows, Memory)}
    by_side: dict[str, list[Step]] = {}
    for performance in question.performances:
        if not performance.wall_s.n:
            continue
        entry = entries[performance.implementation]
        side = sides[entry.implementation]
        below = by_side.setdefault(side, [])
        name = performance.implementation
        below.append(
            Step(
                name=name,
                implementation=entry.implementation,
                recipe=performance.recipe,
                wall_s=performance.wall_s,
                first_s=performance.first_s,
                above_data_bytes=performance.extra_memory_bytes,
                parameter_bytes=memory[name].parameter_bytes if name in memory else None,
                training_bytes=memory[name].training_bytes if name in memory else None,
                flops_per_s=performance.work.flops / performance.wall_s.estimate,
                worth=paired_ratio(blocks, below[-1].name, name) if below and side != PEER else None,
                total=paired_ratio(blocks, below[0].name, name) if below and side != PEER else None,
            )
        )
    floors = sorted(by_side.pop(FLOOR, []), key=lambda step: step.wall_s.estimate)
    climbs = tuple(Climb(side, tuple(steps)) for side, steps in by_side.items())
    first = climbs[0].fastest if climbs else None
    if first is not None:
        climbs = tuple(Climb(climb.side, _to_fastest(climb.steps, first, blocks)) for climb in climbs)
        floors = list(_to_fastest(floors, first, blocks))
    across = [
        paired_ratio(blocks, step.name, first.name)
        for climb in climbs[1:]
        for step in (climb.steps if climb.side == PEER else [climb.fastest])
        if first is not None
    ]
    above_floor = paired_ratio(blocks, first.name, floors[0].name) if first and floors else None
    return Ladder(climbs, tuple(across), tuple(floors), above_floor, question, summary)


def _to_fastest(steps: Sequence[Step], fastest: Step, blocks: Sequence[Block]) -> tuple[Step, ...]:
    """Return the rungs with the ratio of their time to that of the fastest one by hand."""
    return tuple(
        step
        if step.name == fastest.name
        else dataclasses.replace(step, to_fastest=paired_ratio(blocks, step.name, fastest.name))
        for step in steps
    )
