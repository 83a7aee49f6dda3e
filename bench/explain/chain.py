"""Where the time between NumPy and PyTorch goes, at the same recipe. Pure functions of the records.

An ablation chain of trainers leads from `scratch-numpy` to `torch-eager`. Each step changes one thing, so the changes
in time add up to the whole gap. Beside the chain, parts of a step are timed alone on both sides; the rest is what no
part explains.

Trainers and parts are timed twice: on the recipe, and on the smallest one, with one hidden unit and one example a
batch. That one has hardly any arithmetic, so its time per step is the cost of calls.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from backprop_bench.bench.core.records.kinds import AnyRecord, Block
from backprop_bench.bench.core.records.plan import Description, Question
from backprop_bench.bench.core.records.reader import of_kind
from backprop_bench.bench.core.stats.intervals import Interval, mean_interval
from backprop_bench.bench.core.stats.ratios import p10_times
from backprop_bench.data import InputError

Values = npt.NDArray[np.float64]
"""Milliseconds per epoch, by process replicate."""

CHAIN_QUESTION = "chain"
"""Name of the question in the records."""
SMALLEST = ", smallest"
"""What the label of an entry on the smallest recipe ends in."""
START, END, LOADED = "scratch-numpy", "torch-eager", "torch-loader"
AUTOGRAD, MODULES = "autograd", "modules"
STEPS = (
    ("matrix products", "chain-products"),
    ("operations", "chain-operations"),
    ("functions", "chain-functions"),
    ("optimizer", "chain-optimizer"),
    (AUTOGRAD, "chain-autograd"),
    (MODULES, END),
)
"""What each step of the chain changes, and the trainer that has it."""
STEP_OF = {"numpy": START, "torch": "chain-optimizer"}
"""By side, the trainer whose training step is split into parts: PyTorch's last one without autograd."""
PARTS = ("products", "elementwise", "allocating", "update", "fetch")
ALONE = tuple(f"{side}-{part}" for side in STEP_OF for part in PARTS)
"""What is timed alone, by side."""
TWICE = (START, *(trainer for _, trainer in STEPS), *ALONE)
"""What is timed on the smallest recipe as well. The DataLoader is not, since its cost is per example, not per call."""


@dataclasses.dataclass(frozen=True)
class ChainStep:
    """One step of the chain, in milliseconds per epoch, with 95 % confidence intervals over process replicates.

    Attributes
    ----------
    part
        What the step changes.
    trainer
        The trainer after the step.
    time
        Of that trainer.
    change
        That minus the time of the trainer before it.
    calls
        How much of the change is the cost of calls: the same difference on the smallest recipe. ``None`` where that
        was not timed.
    """

    part: str
    trainer: str
    time: Interval
    change: Interval
    calls: Interval | None


@dataclasses.dataclass(frozen=True)
class Part:
    """One part of a training step on both sides, in milliseconds per epoch.

    Attributes
    ----------
    from_scratch, pytorch
        ``None`` where a side has no such part.
    difference
        PyTorch minus from scratch.
    """

    name: str
    from_scratch: Interval | None
    pytorch: Interval | None
    difference: Interval


@dataclasses.dataclass(frozen=True)
class AblationChain:
    """The whole gap, step by step and part by part.

    Attributes
    ----------
    start
        Milliseconds of an epoch of :data:`START`.
    steps
        From there to :data:`END`; their changes add up to the gap.
    gap
        Time of :data:`END` minus that of :data:`START`.
    loader
        What the DataLoader adds after that.
    parts
        Their differences and that of the rest add up to the gap.
    rest
        The time of each side minus that of its parts. Below zero where a part takes longer alone.
    examples, updates
        Training examples of an epoch, and weight updates.
    """

    start: Interval
    steps: tuple[ChainStep, ...]
    gap: Interval
    loader: ChainStep
    parts: tuple[Part, ...]
    rest: Part
    examples: int
    updates: int


@dataclasses.dataclass(frozen=True)
class _Times:
    """Milliseconds of an epoch by name: on the recipe, and of as many updates on the smallest one."""

    whole: Mapping[str, Values]
    calls: Mapping[str, Values]

    def work(self, name: str) -> Values:
        """Return the time without the cost of calls."""
        return self.whole[name] - self.calls[name]


def summarize_chain(description: Description, rows: Iterable[AnyRecord]) -> AblationChain:
    """Compute what a run says about the gap between NumPy and PyTorch.

    Raises
    ------
    InputError
        Where the question or blocks of an entry are missing, naming them.
    """
    question = next((each for each in description.plan.questions if each.name == CHAIN_QUESTION), None)
    if question is None:
        raise InputError(f"the run has no question {CHAIN_QUESTION!r}; expected one that times the ablation chain")
    times = _read_times(question, of_kind(rows, Block, question=CHAIN_QUESTION))
    parts, rest = _compare_parts(times)
    return AblationChain(
        start=_interval(times.whole[START]),
        steps=_chain_steps(times),
        gap=_interval(times.whole[END] - times.whole[START]),
        loader=ChainStep(
            part="loading",
            trainer=LOADED,
            time=_interval(times.whole[LOADED]),
            change=_interval(times.whole[LOADED] - times.whole[END]),
            calls=None,
        ),
        parts=parts,
        rest=rest,
        examples=question.examples,
        updates=_n_updates(question),
    )


def _read_times(question: Question, blocks: Sequence[Block]) -> _Times:
    seconds = _seconds_per_example(blocks, [*TWICE, *(f"{name}{SMALLEST}" for name in TWICE), LOADED])
    batches = {entry.label: entry.recipe.batch_size or question.examples for entry in question.entries}
    epoch, updates = 1e3 * question.examples, 1e3 * _n_updates(question)
    return _Times(
        whole={name: epoch * seconds[name] for name in (*TWICE, LOADED)},
        calls={name: updates * batches[f"{name}{SMALLEST}"] * seconds[f"{name}{SMALLEST}"] for name in TWICE},
    )


def _n_updates(question: Question) -> int:
    recipe = next(entry.recipe for entry in question.entries if entry.label == START)
    examples: int = question.examples
    return -(-examples // (recipe.batch_size or examples))


def _seconds_per_example(blocks: Sequence[Block], labels: Sequence[str]) -> dict[str, Values]:
    """Return the 10th-percentile times per example, by label, a value per process replicate."""
    timed = {row.implementation for row in blocks}
    missing = [label for label in labels if label not in timed]
    if missing:
        names = "; ".join(missing)
        raise InputError(f"the ablation chain has no times of {names}; expected blocks of all {len(labels)} entries")
    times = p10_times(blocks, labels)
    if not times[labels[0]]:
        raise InputError(
            f"no round of the ablation chain has blocks of all {len(labels)} entries; expected one at least"
        )
    return {label: np.array(by_replicate) for label, by_replicate in times.items()}


def _interval(values: Values) -> Interval:
    return mean_interval(values.tolist())


def _chain_steps(times: _Times) -> tuple[ChainStep, ...]:
    trainers = [START, *(trainer for _, trainer in STEPS)]
    return tuple(
        ChainStep(
            part=part,
            trainer=trainer,
            time=_interval(times.whole[trainer]),
            change=_interval(times.whole[trainer] - times.whole[before]),
            calls=_interval(times.calls[trainer] - times.calls[before]),
        )
        for before, (part, trainer) in zip(trainers[:-1], STEPS, strict=True)
    )


def _compare_parts(times: _Times) -> tuple[tuple[Part, ...], Part]:
    """Return the parts of both sides and the rest; what only PyTorch has counts with its step of the chain."""
    from_scratch, pytorch = (_parts_alone(times, side) for side in STEP_OF)
    parts = [_part(name, from_scratch[name], pytorch[name]) for name in from_scratch]
    for part, before, after in ((AUTOGRAD, "chain-optimizer", "chain-autograd"), (MODULES, "chain-autograd", END)):
        change = _interval(times.whole[after] - times.whole[before])
        parts.append(Part(part, None, change, change))
    rest = [
        times.whole[trainer] - sum(alone.values())
        for trainer, alone in zip(STEP_OF.values(), (from_scratch, pytorch), strict=True)
    ]
    return tuple(parts), _part("rest", rest[0], rest[1])


def _part(name: str, from_scratch: Values, pytorch: Values) -> Part:
    return Part(name, _interval(from_scratch), _interval(pytorch), _interval(pytorch - from_scratch))


def _parts_alone(times: _Times, side: str) -> dict[str, Values]:
    """Return the parts of a side that were timed alone.

    Loading and weight update include their own calls; the cost of all other calls is a part of its own.
    """
    fetch, update = f"{side}-fetch", f"{side}-update"
    products, elementwise = times.work(f"{side}-products"), times.work(f"{side}-elementwise")
    return {
        "loading": times.whole[fetch],
        "matrix products": products,
        "elementwise": elementwise,
        "allocation": times.work(f"{side}-allocating") - products - elementwise,
        "calls": times.calls[STEP_OF[side]] - times.calls[fetch] - times.calls[update],
        "optimizer": times.whole[update],
    }
