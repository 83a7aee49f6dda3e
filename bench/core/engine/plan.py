"""What a run is to do: its questions, the implementations in each, how many seeds and epochs."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from backprop_bench.bench.core.implementations import named_implementation, trains_nothing
from backprop_bench.bench.core.records.rows import SECOND_COPY, Row
from backprop_bench.bench.core.stats.stopping import Timing
from backprop_bench.data import Dataset, InputError, Recipe

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
        Seconds of the timing, as of :class:`backprop_bench.bench.core.stats.stopping.Timing`.
    """

    examples: int | None
    epochs: int
    seeds: int
    budget_s: float


@dataclasses.dataclass(frozen=True)
class Entry:
    """One implementation in one question, with the recipe that it is given there.

    Attributes
    ----------
    second_copy
        Whether it is the second copy of an implementation, which is only timed: the self-test of the measuring.
    injected
        Share of its own time that a block is made to take longer: a slowdown that is injected on purpose.
    rung
        What the records call it where one implementation is there with several recipes; ``None`` for its own name.
    core_type
        Whose kernels OpenBLAS is to use; ``None`` for those that it picks.
    threads
        Of its workers while it is timed; ``None`` for as many as the others of its question have.
    overhead
        Whether another block follows each one in the same turn, and as many batches in calls of their own: to measure
        what being cut into blocks costs.
    """

    implementation: str
    recipe_name: str
    recipe: Recipe
    second_copy: bool = False
    injected: float = 0.0
    overhead: bool = False
    rung: str | None = None
    core_type: str | None = None
    threads: int | None = None

    @property
    def name(self) -> str:
        """What the records of its proof call it, which is that of both copies."""
        return self.rung or self.implementation

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables of its workers."""
        return {} if self.core_type is None else {"OPENBLAS_CORETYPE": self.core_type}

    @property
    def label(self) -> str:
        """What the records call it."""
        return f"{self.name}{SECOND_COPY}" if self.second_copy else self.name


@dataclasses.dataclass(frozen=True)
class Question:
    """One comparison: entries that are trained and timed side by side."""

    name: str
    title: str
    examples: int
    test_examples: int
    epochs: int
    seeds: tuple[int, ...]
    entries: tuple[Entry, ...]
    timing: Timing
    threads: int | None = None
    """Of every worker, where that is not as many as in the whole run."""
    factors: tuple[str, ...] = ()
    """What the entries are the cells of a factorial of, in the order of the levels in their names."""

    @property
    def originals(self) -> tuple[Entry, ...]:
        """The entries without those that are there a second time."""
        return tuple(entry for entry in self.entries if not entry.second_copy)


@dataclasses.dataclass(frozen=True)
class Plan:
    """All that a run is to do, in this order."""

    questions: tuple[Question, ...]
    part_blocks: int
    part_seconds: float
    verification_steps: int | None
    """Of the parity proof; ``None`` where nothing is proved, for everything is compared with itself."""
    at_once: int = 1
    """Questions that are timed at the same time, each on cores of its own."""
    passes: int = 1
    """In how many parts trainings and timing are done, the trainings of one part before its timing."""
    keeps_trained: bool = False
    """Whether the networks that come of the first seed of each question are kept."""

    def to_dict(self) -> Row:
        """Return plain values for the description of the run."""
        plan = dataclasses.asdict(self)
        for question, row in zip(self.questions, plan["questions"], strict=True):
            for entry, entry_row in zip(question.entries, row["entries"], strict=True):
                entry_row |= {"recipe": entry.recipe.to_dict(), "label": entry.label}
        return plan

    @classmethod
    def from_dict(cls, plan: Row) -> "Plan":
        """Read what :meth:`to_dict` gave."""
        return cls(
            tuple(_read_question(question) for question in plan["questions"]),
            plan["part_blocks"],
            plan["part_seconds"],
            plan["verification_steps"],
            plan["at_once"],
            plan["passes"],
            plan["keeps_trained"],
        )


def _read_question(row: dict[str, Any]) -> Question:
    entries = tuple(
        Entry(
            entry["implementation"],
            entry["recipe_name"],
            Recipe.from_dict(entry["recipe"]),
            entry["second_copy"],
            entry["injected"],
            entry["overhead"],
            entry["rung"],
            entry["core_type"],
            entry["threads"],
        )
        for entry in row["entries"]
    )
    tuples = {"seeds": tuple(row["seeds"]), "factors": tuple(row["factors"]), "entries": entries}
    return Question(**{**row, **tuples, "timing": Timing(**row["timing"])})


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
