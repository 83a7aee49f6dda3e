"""What a run is to do, as its description has it: questions, the implementations in each, seeds, epochs, timing."""

import dataclasses
from typing import TYPE_CHECKING, Any

import msgspec

from backprop_bench.data import Recipe

if TYPE_CHECKING:
    AnyRecipe = Recipe
else:  # what msgspec decodes: of a `Recipe` it would ignore the fields of a subclass
    AnyRecipe = dict[str, Any]

SECOND_COPY = " (A/A)"
"""What the label of a second copy ends in."""


@dataclasses.dataclass(frozen=True)
class Timing:
    """How a question is timed.

    Attributes
    ----------
    target
        Half-width of the 95 % CI of every ratio, as a share of the ratio, at which it is precise enough.
    budget_s
        Seconds that no process replicate but the first one may be started to exceed.
    block_s
        Target duration of a block, seconds.
    rounds
        Rounds in a process replicate.
    min_replicates
        Least number of process replicates: with fewer, intervals are narrow by chance too often.
    order_seed
        Decides the orders within rounds.
    """

    target: float
    budget_s: float
    block_s: float
    rounds: int
    min_replicates: int
    order_seed: int


@dataclasses.dataclass(frozen=True)
class Entry:
    """One implementation in one question, with the recipe that it is given there.

    Attributes
    ----------
    second_copy
        Whether it is the second copy of an implementation, which is only timed: the A/A test.
    injected
        Injected slowdown: share of its own time that a block is made to take longer.
    overhead
        Whether another block follows each one in the same turn, and as many batches in calls of their own: to measure
        block-switching overhead.
    alias
        What the records call it where one implementation is there with several recipes; ``None`` for its own name.
    core_type
        Whose kernels OpenBLAS is to use; ``None`` for those that it picks.
    threads
        Of its workers while it is timed; ``None`` for as many as the others of its question have.
    timed, trained
        Whether its time is measured, and the accuracy of its recipe.
    trains_itself
        Whether no faster verified implementation may train its recipe for it.
    """

    implementation: str
    recipe_name: str
    recipe: AnyRecipe
    second_copy: bool = False
    injected: float = 0.0
    overhead: bool = False
    alias: str | None = None
    core_type: str | None = None
    threads: int | None = None
    timed: bool = True
    trained: bool = True
    trains_itself: bool = False

    def __post_init__(self) -> None:
        """Build the recipe of the plain values that are in the file."""
        if not isinstance(self.recipe, Recipe):
            object.__setattr__(self, "recipe", Recipe.from_dict(self.recipe))

    @property
    def name(self) -> str:
        """What the records of its verification call it, which is that of both copies."""
        return self.alias or self.implementation

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables of its workers."""
        return {} if self.core_type is None else {"OPENBLAS_CORETYPE": self.core_type}

    @property
    def label(self) -> str:
        """What the records call it."""
        return f"{self.name}{SECOND_COPY}" if self.second_copy else self.name


def reference_label(reference: str, entry: Entry) -> str:
    """Return what the records call the verification of an implementation that is the reference of an entry."""
    return f"{reference}: {entry.recipe_name}"


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
    pair: tuple[str, str] | None = None
    """Labels of the two that the question is about; ``None`` for the fastest ones of either side."""

    @property
    def originals(self) -> tuple[Entry, ...]:
        """The entries without those that are there a second time."""
        return tuple(entry for entry in self.entries if not entry.second_copy)

    @property
    def timed(self) -> tuple[Entry, ...]:
        """The entries that are timed."""
        return tuple(entry for entry in self.entries if entry.timed)

    @property
    def trained(self) -> tuple[Entry, ...]:
        """The entries whose recipes are trained for accuracy."""
        return tuple(entry for entry in self.originals if entry.trained)


@dataclasses.dataclass(frozen=True)
class Plan:
    """All that a run is to do, in this order."""

    questions: tuple[Question, ...]
    part_blocks: int
    part_seconds: float
    verification_steps: int | None
    """Weight updates in the verification; ``None`` where everything is compared with itself."""
    at_once: int = 1
    """Questions that are timed at the same time, each on cores of its own."""
    passes: int = 1
    """In how many parts trainings and timing are done, the trainings of one part before its timing."""
    verifies_timed_work: bool = False
    """Whether a reference trains again what was timed, and the fastest verified implementation for accuracy."""
    keeps_trained: bool = False
    """Whether the networks that come of the first seed of each question are kept."""

    def question(self, name: str) -> Question:
        """Return the question of this name; raises `LookupError` where there is none."""
        for question in self.questions:
            if question.name == name:
                return question
        raise LookupError(f"no question {name!r}")


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """What a run was to do and where it was measured: ``run.json``.

    Attributes
    ----------
    profile
        End of the name of its folder.
    created
        When it was begun, in ISO format.
    command
        The command that repeats it.
    cpus
        The cores that it ran on.
    dataset_crc32
        Checksum of all examples.
    dataset_summary
        What was understood of its files, and what to look at.
    environment
        Of the machine and the software, as :mod:`backprop_bench.bench.core.machine.environment` gives it.
    own_files
        By name of the user's implementations, the checksum of the file or the version of the package.
    """

    plan: Plan
    environment: dict[str, Any]
    dataset: str
    dataset_crc32: str | int
    threads: int
    cpus: tuple[int, ...]
    command: str
    suite_version: str = ""
    profile: str = ""
    created: str = ""
    own_files: dict[str, str] = {}
    dataset_summary: str = ""
