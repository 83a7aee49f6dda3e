"""What a run is to do: its questions, the implementations in each, how many seeds and epochs."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from bench.implementations import IMPLEMENTATIONS, named_implementation
from bench.records import Row
from bench.run.parity import STEPS
from data import RECIPES, Dataset, InputError, Recipe, fit_recipe


@dataclasses.dataclass(frozen=True)
class Extent:
    """How much of a question is done.

    Attributes
    ----------
    cases
        Training cases, the first ones of the dataset; ``None`` for all.
    epochs
        Epochs that every implementation trains, from every seed.
    seeds
        Number of seeds, each in processes of its own.
    """

    cases: int | None
    epochs: int
    seeds: int


@dataclasses.dataclass(frozen=True)
class Profile:
    """How long a run may take: the extent of both questions, and how often the parts of a step are timed.

    Attributes
    ----------
    as_published, same_recipe
        Extent of the two questions.
    part_blocks
        Blocks of steps in which the parts of a step are timed.
    part_seconds
        About how long a block is to take, seconds.
    micro_rounds
        Rounds of a micro-benchmark of a part of a step.
    proof_steps
        Weight changes after which the parity proof compares float64 weights.
    """

    as_published: Extent
    same_recipe: Extent
    part_blocks: int
    part_seconds: float
    micro_rounds: int
    proof_steps: int = STEPS


PROFILES: dict[str, Profile] = {
    "quick": Profile(Extent(500, 2, 1), Extent(10_000, 1, 3), 2, 0.1, 20, proof_steps=100),
    "default": Profile(Extent(10_000, 2, 5), Extent(None, 3, 4), 10, 0.2, 200),
    "full": Profile(Extent(None, 5, 5), Extent(None, 10, 8), 30, 0.5, 1000),
}


@dataclasses.dataclass(frozen=True)
class Entry:
    """One implementation in one question, with the recipe that it is given there."""

    implementation: str
    recipe_name: str
    recipe: Recipe


@dataclasses.dataclass(frozen=True)
class Question:
    """One comparison: entries that are trained and timed side by side."""

    name: str
    title: str
    cases: int
    test_cases: int
    epochs: int
    seeds: tuple[int, ...]
    entries: tuple[Entry, ...]

    @property
    def n_blocks(self) -> int:
        """Number of epochs to be trained in all."""
        return len(self.entries) * len(self.seeds) * self.epochs


@dataclasses.dataclass(frozen=True)
class Plan:
    """All that a run is to do, in this order."""

    questions: tuple[Question, ...]
    part_blocks: int
    part_seconds: float
    proof_steps: int

    def to_dict(self) -> Row:
        """Return plain values for the description of the run."""
        plan = dataclasses.asdict(self)
        for question, row in zip(self.questions, plan["questions"], strict=True):
            for entry, entry_row in zip(question.entries, row["entries"], strict=True):
                entry_row["recipe"] = entry.recipe.to_dict()
        return plan

    @classmethod
    def from_dict(cls, plan: Row) -> "Plan":
        """Read what :meth:`to_dict` gave."""
        return cls(
            tuple(_read_question(question) for question in plan["questions"]),
            plan["part_blocks"],
            plan["part_seconds"],
            plan["proof_steps"],
        )


def _read_question(row: dict[str, Any]) -> Question:
    entries = tuple(
        Entry(entry["implementation"], entry["recipe_name"], Recipe.from_dict(entry["recipe"]))
        for entry in row["entries"]
    )
    return Question(**{**row, "seeds": tuple(row["seeds"]), "entries": entries})


def plan_comparison(profile_name: str, dataset: Dataset, implementations: Sequence[str]) -> Plan:
    """Plan what ``compare`` does.

    Parameters
    ----------
    profile_name
        A key of :data:`PROFILES`.
    implementations
        Those to compare on the shared recipe; empty for every available one that is not slow.

    Raises
    ------
    InputError
        For an unknown or unavailable implementation.
    """
    profile = PROFILES[profile_name]
    names = list(implementations) or [
        name for name, known in IMPLEMENTATIONS.items() if known.unavailable() is None and not known.slow
    ]
    for name in names:
        reason = named_implementation(name).unavailable()
        if reason is not None:
            raise InputError(f"{name} is unavailable: {reason}")
    shared = [(name, "shared") for name in dict.fromkeys(names)]
    article = [("scratch-numpy", "article-scratch"), ("torch-loader", "article-torch")]
    questions = (
        _question("as-published", "As published: the article's two networks", dataset, profile.as_published, article),
        _question("same-recipe", "Same recipe, same weights, same batches", dataset, profile.same_recipe, shared),
    )
    return Plan(questions, profile.part_blocks, profile.part_seconds, profile.proof_steps)


def _question(name: str, title: str, dataset: Dataset, extent: Extent, pairs: list[tuple[str, str]]) -> Question:
    recipes = {key: fit_recipe(RECIPES[key], dataset).replace(epochs=extent.epochs) for _, key in pairs}
    entries = tuple(Entry(implementation, key, recipes[key]) for implementation, key in pairs)
    n_train = len(dataset.x_train)
    return Question(
        name=name,
        title=title,
        cases=n_train if extent.cases is None else min(extent.cases, n_train),
        test_cases=len(dataset.x_test),
        epochs=extent.epochs,
        seeds=tuple(range(extent.seeds)),
        entries=entries,
    )
