"""Where the time between NumPy and PyTorch goes, at the same recipe. Pure functions of the records.

A chain of trainers leads from one to the other. Each differs from the one before it in one thing, so what their times
differ by adds up to the whole gap. Beside it, parts of a step are timed alone on either side; what they leave of the
gap is the rest.

Trainers and parts are timed twice: on the recipe, and on the smallest one, with one hidden unit and one example a
batch. There is hardly any arithmetic in it, so what a step takes there is what its calls cost.
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

BRIDGE = "bridge"
"""Name of the question in the records."""
SMALLEST = ", smallest"
"""What the label of an entry on the smallest recipe ends in."""
START, END, LOADED = "scratch-numpy", "torch-eager", "torch-loader"
AUTOGRAD, MODULES = "autograd", "modules"
CHAIN = (
    ("matrix products", "link-products"),
    ("operations", "link-operations"),
    ("functions", "link-functions"),
    ("optimizer", "link-optimizer"),
    (AUTOGRAD, "link-autograd"),
    (MODULES, END),
)
"""What is swapped, and the trainer in which it is."""
STEP_OF = {"numpy": START, "torch": "link-optimizer"}
"""By side, the trainer whose step is taken apart: the last one of PyTorch's that has no autograd."""
PARTS = ("products", "elementwise", "allocating", "update", "fetch")
ALONE = tuple(f"{side}-{part}" for side in STEP_OF for part in PARTS)
"""What is timed alone, by side."""
TWICE = (START, *(trainer for _, trainer in CHAIN), *ALONE)
"""What is timed on the smallest recipe as well; the DataLoader is not, for it works example by example, not call by
call."""


@dataclasses.dataclass(frozen=True)
class Link:
    """One swap. All in milliseconds per epoch, with Student's intervals over process replicates.

    Attributes
    ----------
    part
        What is swapped.
    trainer
        In which it is.
    time
        What that trainer takes.
    change
        That less the time of the trainer before it.
    calls
        What of the change is calls: the same difference on the smallest recipe. ``None`` where that was not timed.
    """

    part: str
    trainer: str
    time: Interval
    change: Interval
    calls: Interval | None


@dataclasses.dataclass(frozen=True)
class Part:
    """One part of a step on either side, in milliseconds per epoch.

    Attributes
    ----------
    by_hand, pytorch
        ``None`` where a side has no such part.
    difference
        PyTorch's less the one by hand.
    """

    name: str
    by_hand: Interval | None
    pytorch: Interval | None
    difference: Interval


@dataclasses.dataclass(frozen=True)
class Bridge:
    """The whole gap, link by link and part by part.

    Attributes
    ----------
    start
        Milliseconds of an epoch of :data:`START`.
    links
        From there to :data:`END`; their changes add up to the gap.
    gap
        Time of :data:`END` less that of :data:`START`.
    loader
        What the DataLoader adds after that.
    parts
        Their differences and that of the rest add up to the gap.
    rest
        What is in the time of either side and in none of its parts. Below zero where a part takes longer alone.
    examples, steps
        Training examples of an epoch, and weight changes.
    """

    start: Interval
    links: tuple[Link, ...]
    gap: Interval
    loader: Link
    parts: tuple[Part, ...]
    rest: Part
    examples: int
    steps: int


@dataclasses.dataclass(frozen=True)
class _Times:
    """Milliseconds of an epoch by name: on the recipe, and of as many steps on the smallest one."""

    whole: Mapping[str, Values]
    calls: Mapping[str, Values]

    def work(self, name: str) -> Values:
        """Return what is left of the time without calls."""
        return self.whole[name] - self.calls[name]


def summarize_bridge(description: Description, rows: Iterable[AnyRecord]) -> Bridge:
    """Compute what a run says about the gap between the two.

    Raises
    ------
    InputError
        Where the question or blocks of an entry are missing, naming them.
    """
    question = next((found for found in description.plan.questions if found.name == BRIDGE), None)
    if question is None:
        raise InputError(f"the run has no question {BRIDGE!r}; expected one that times the bridge")
    times = _read_times(question, of_kind(rows, Block, question=BRIDGE))
    parts, rest = _compare_parts(times)
    return Bridge(
        start=_interval(times.whole[START]),
        links=_links(times),
        gap=_interval(times.whole[END] - times.whole[START]),
        loader=Link(
            part="loading",
            trainer=LOADED,
            time=_interval(times.whole[LOADED]),
            change=_interval(times.whole[LOADED] - times.whole[END]),
            calls=None,
        ),
        parts=parts,
        rest=rest,
        examples=question.examples,
        steps=_n_steps(question),
    )


def _read_times(question: Question, blocks: Sequence[Block]) -> _Times:
    seconds = _seconds_per_example(blocks, [*TWICE, *(f"{name}{SMALLEST}" for name in TWICE), LOADED])
    batches = {entry.label: entry.recipe.batch_size or question.examples for entry in question.entries}
    epoch, step = 1e3 * question.examples, 1e3 * _n_steps(question)
    return _Times(
        whole={name: epoch * seconds[name] for name in (*TWICE, LOADED)},
        calls={name: step * batches[f"{name}{SMALLEST}"] * seconds[f"{name}{SMALLEST}"] for name in TWICE},
    )


def _n_steps(question: Question) -> int:
    recipe = next(entry.recipe for entry in question.entries if entry.label == START)
    examples: int = question.examples
    return -(-examples // (recipe.batch_size or examples))


def _seconds_per_example(blocks: Sequence[Block], labels: Sequence[str]) -> dict[str, Values]:
    """Return the least disturbed times per example, by label, a value per process replicate."""
    timed_ones = {row.implementation for row in blocks}
    missing = [label for label in labels if label not in timed_ones]
    if missing:
        names = "; ".join(missing)
        raise InputError(f"the bridge has no times of {names}; expected blocks of all {len(labels)} entries")
    times = p10_times(blocks, labels)
    if not times[labels[0]]:
        raise InputError(f"no round of the bridge has blocks of all {len(labels)} entries; expected one at least")
    return {label: np.array(found) for label, found in times.items()}


def _interval(values: Values) -> Interval:
    return mean_interval(values.tolist())


def _links(times: _Times) -> tuple[Link, ...]:
    trainers = [START, *(trainer for _, trainer in CHAIN)]
    return tuple(
        Link(
            part=part,
            trainer=trainer,
            time=_interval(times.whole[trainer]),
            change=_interval(times.whole[trainer] - times.whole[before]),
            calls=_interval(times.calls[trainer] - times.calls[before]),
        )
        for before, (part, trainer) in zip(trainers[:-1], CHAIN, strict=True)
    )


def _compare_parts(times: _Times) -> tuple[tuple[Part, ...], Part]:
    """Return the parts of both sides, those that only PyTorch has by what swapping them in changes, and the rest."""
    by_hand, pytorch = (_parts_alone(times, side) for side in STEP_OF)
    parts = [_part(name, by_hand[name], pytorch[name]) for name in by_hand]
    for part, before, after in ((AUTOGRAD, "link-optimizer", "link-autograd"), (MODULES, "link-autograd", END)):
        change = _interval(times.whole[after] - times.whole[before])
        parts.append(Part(part, None, change, change))
    left = [
        times.whole[trainer] - sum(found.values())
        for trainer, found in zip(STEP_OF.values(), (by_hand, pytorch), strict=True)
    ]
    return tuple(parts), _part("rest", left[0], left[1])


def _part(name: str, by_hand: Values, pytorch: Values) -> Part:
    return Part(name, _interval(by_hand), _interval(pytorch), _interval(pytorch - by_hand))


def _parts_alone(times: _Times, side: str) -> dict[str, Values]:
    """Return the parts of a side that were timed alone.

    Loading and weight change count with their calls; what all other calls cost is the dispatch.
    """
    fetch, update = f"{side}-fetch", f"{side}-update"
    products, elementwise = times.work(f"{side}-products"), times.work(f"{side}-elementwise")
    return {
        "loading": times.whole[fetch],
        "matrix products": products,
        "elementwise": elementwise,
        "allocation": times.work(f"{side}-allocating") - products - elementwise,
        "dispatch": times.calls[STEP_OF[side]] - times.calls[fetch] - times.calls[update],
        "optimizer": times.whole[update],
    }
