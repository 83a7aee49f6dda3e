"""What a run is to do: its questions, the implementations in each, how many seeds and epochs."""

import dataclasses
import math
from collections.abc import Sequence

from backprop_bench.bench.core.implementations import named_implementation, trains_nothing
from backprop_bench.bench.core.records.plan import Entry, Question, Timing
from backprop_bench.data import Dataset, InputError

TARGET = 0.02
BLOCK_S = 0.06
"""Short, for on a shared machine the speed changes all the time, and what a round compares should lie close together.
Yet so long that being cut into blocks costs an implementation less than 0.5 %: docs/method.md has what it costs."""
MIN_REPLICATES = 8
"""With fewer, a timing that stops when it is precise stops too often where it only seems so, and its intervals hold the
truth too seldom."""


@dataclasses.dataclass(frozen=True)
class Extent:
    """How much of a question is done.

    Attributes
    ----------
    examples
        Training examples, the first ones of the dataset; ``None`` for all.
    epochs
        Epochs that every implementation trains, from every seed.
    seeds
        Number of seeds.
    budget_s
        Seconds of the timing, as of :class:`backprop_bench.bench.core.stats.schedule.Timing`.
    """

    examples: int | None
    epochs: int
    seeds: int
    budget_s: float


def check_available(name: str) -> None:
    """Raise `InputError` for an implementation that is unknown or cannot be used here, or that trains nothing."""
    if trains_nothing(name):
        raise InputError(
            f"{name} trains nothing, so there is nothing to verify; `ladder` and `scale` time it beside others"
        )
    reason = named_implementation(name).unavailable()
    if reason is not None:
        raise InputError(f"{name} is unavailable: {reason}")


def check_timing(timing: Timing, n_entries: int) -> None:
    """Raise `InputError` for a target that nothing reaches or a budget in which nothing can be compared."""
    if not 0 < timing.target < 1:
        raise InputError(f"--target is {100 * timing.target:g} %, expected more than 0 and less than 100")
    least_s = 2 * n_entries * timing.block_s
    if not least_s <= timing.budget_s < math.inf:
        raise InputError(
            f"--budget is {timing.budget_s:g} s, but two rounds of {n_entries} blocks of {timing.block_s:g} s take "
            f"{least_s:g} s; expected at least that, and some seconds more for every start of the processes"
        )


def make_question(
    name: str,
    title: str,
    dataset: Dataset,
    extent: Extent,
    entries: Sequence[Entry],
    timing: Timing,
    threads: int | None = None,
) -> Question:
    """Return a question of so much of a dataset."""
    n_train = len(dataset.x_train)
    return Question(
        name=name,
        title=title,
        examples=n_train if extent.examples is None else min(extent.examples, n_train),
        test_examples=len(dataset.x_test),
        epochs=extent.epochs,
        seeds=tuple(range(extent.seeds)),
        entries=tuple(entries),
        timing=timing,
        threads=threads,
    )
