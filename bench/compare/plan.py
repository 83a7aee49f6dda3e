"""Plan of a comparison: the article's experiment with the steps between its two networks, and all on one recipe."""

import dataclasses
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from backprop_bench.bench.compare.steps import (
    ALL_AT_ONCE,
    AS_PUBLISHED,
    BOTH,
    FLOAT32,
    LOSS,
    MINI_BATCHES,
    PYTORCH_RECIPE,
    SAME_RECIPE,
)
from backprop_bench.bench.core.engine.plan import (
    BLOCK_S,
    MIN_REPLICATES,
    TARGET,
    Extent,
    check_available,
    check_timing,
    make_question,
)
from backprop_bench.bench.core.implementations import IMPLEMENTATIONS
from backprop_bench.bench.core.records.plan import Entry, Plan, Question, Timing
from backprop_bench.bench.verify.checks import STEPS
from backprop_bench.data import ARTICLE_SCRATCH, ARTICLE_TORCH, RECIPES, Dataset, Recipe, changed_recipe, fit_recipe

FROM_SCRATCH, FRAMEWORK, PUBLISHED_FRAMEWORK = "scratch-numpy", "torch-eager", "torch-loader"
COMPILED = "scratch-compiled"
"""What is compared on the shared recipe although it is a stage of the ladder: as fast as the machine goes."""


@dataclasses.dataclass(frozen=True)
class Profile:
    """Size of a run.

    Attributes
    ----------
    as_published, same_recipe
        Extent of the two questions.
    passes
        In how many parts, with trainings in between, the timing is spread over the run.
    part_blocks
        Blocks of steps in which the parts of a step are timed.
    part_seconds
        Approximate length of such a block, seconds.
    rounds
        In a process replicate.
    verification_steps
        Weight updates after which verification compares float64 weights.
    """

    as_published: Extent
    same_recipe: Extent
    passes: int
    part_blocks: int
    part_seconds: float
    rounds: int = 16
    verification_steps: int = STEPS


PROFILES: dict[str, Profile] = {
    "quick": Profile(Extent(5_000, 2, 2, 7.0), Extent(10_000, 2, 2, 9.0), 1, 1, 0.05, rounds=6, verification_steps=50),
    "default": Profile(Extent(None, 5, 4, 36.0), Extent(None, 3, 4, 36.0), 1, 2, 0.1, rounds=8, verification_steps=100),
    "full": Profile(Extent(None, 10, 8, 300.0), Extent(None, 10, 8, 900.0), 8, 30, 0.5),
}

FLOATS = {"dtype": "float32"}
BATCHES: dict[str, Any] = {"batch_size": 64, "reduction": "mean", "learning_rate": 1.0}
CROSS_ENTROPY: dict[str, Any] = {"loss": "cross_entropy", "output_activation": "softmax", "target_range": (0.0, 1.0)}
STEPS_BETWEEN: Mapping[str, dict[str, Any]] = {
    MINI_BATCHES: BATCHES,
    FLOAT32: {**BATCHES, **FLOATS, "learning_rate": 1.5},
    LOSS: {**CROSS_ENTROPY, **FLOATS, "learning_rate": 0.03},
    BOTH: {**CROSS_ENTROPY, **BATCHES, **FLOATS},
    ALL_AT_ONCE: {**FLOATS, "batch_size": None, "reduction": "mean", "learning_rate": 0.3},
}
"""By label, what differs from the hand-written network of the article.

A learning rate that suits another recipe would be a straw man. Each of these was chosen by the accuracy on 10,000
training examples held out, after 5 epochs, over 3 seeds from which no run trains: 0.3, 1, 1.5 and 2 with mini-batches;
0.3, 0.5, 1 and 2 with both; 0.01, 0.03 and 0.1 with cross-entropy; 0.1, 0.3, 1 and 3 with all at once.
"""


def plan_comparison(
    profile_name: str,
    dataset: Dataset,
    implementations: Sequence[str] = (),
    target: float = TARGET,
    budget_s: float | None = None,
    recipe: tuple[str, Mapping[str, Any]] | None = None,
    only_times: bool = False,
) -> Plan:
    """Plan what ``compare`` does.

    Whoever names implementations or a recipe compares those. Without either, the article's experiment is done, too.

    Parameters
    ----------
    profile_name
        A key of :data:`PROFILES`.
    implementations
        Those to compare on the same recipe; empty for the usual ones.
    target
        Half-width of the interval of every ratio, as a share of it, at which timing may stop.
    budget_s
        Seconds for the timing of each question; ``None`` for those of the profile.
    recipe
        Name of the recipe, and fields that are changed; ``None`` for the shared one.
    only_times
        Whether nothing is trained for accuracy, and no part of a step is timed.

    Raises
    ------
    InputError
        For an unknown or unavailable implementation, an impossible recipe, or a target or budget that is impossible.
    """
    profile = PROFILES[profile_name]
    planner = _Planner(profile, dataset, target, budget_s)
    questions = [planner.same_recipe(_selected(implementations), recipe or ("shared", {}))]
    if not implementations and recipe is None:
        questions.insert(0, planner.as_published())
    return Plan(
        tuple(map(_untrained, questions) if only_times else questions),
        0 if only_times else profile.part_blocks,
        profile.part_seconds,
        profile.verification_steps,
        passes=profile.passes,
        verifies_timed_work=True,
        keeps_trained=not only_times,
    )


def _untrained(question: Question) -> Question:
    """Return what is timed of a question."""
    entries = tuple(dataclasses.replace(entry, trained=False) for entry in question.timed)
    return dataclasses.replace(question, entries=entries, seeds=())


@dataclasses.dataclass(frozen=True)
class _Planner:
    profile: Profile
    dataset: Dataset
    target: float
    budget_s: float | None

    def as_published(self) -> Question:
        """Plan the article's two networks, and the steps between them: which are timed, which are trained."""
        extent = self.profile.as_published
        from_scratch, torch = (self._fit(recipe, extent) for recipe in (ARTICLE_SCRATCH, ARTICLE_TORCH))
        between = {label: from_scratch.replace(**changes) for label, changes in STEPS_BETWEEN.items()}
        fastest = COMPILED if IMPLEMENTATIONS[COMPILED].unavailable() is None else FROM_SCRATCH
        name = "article-torch"
        timed = [
            Entry(FROM_SCRATCH, "article-scratch", from_scratch),
            Entry(FROM_SCRATCH, MINI_BATCHES, between[MINI_BATCHES], alias=MINI_BATCHES, trained=False),
            Entry(FROM_SCRATCH, FLOAT32, between[FLOAT32], alias=FLOAT32),
            Entry(FROM_SCRATCH, name, torch, alias=PYTORCH_RECIPE, trained=False),
            Entry(FRAMEWORK, name, torch),
            Entry(PUBLISHED_FRAMEWORK, name, torch),
        ]
        trained = [
            Entry(fastest, label, between[label], alias=label, timed=False) for label in (LOSS, BOTH, ALL_AT_ONCE)
        ]
        title = "As published: the article's two networks"
        timing = self._timing(extent, len(timed))
        question = make_question(AS_PUBLISHED, title, self.dataset, extent, [*timed, *trained], timing)
        return dataclasses.replace(question, pair=(FROM_SCRATCH, PUBLISHED_FRAMEWORK))

    def same_recipe(self, names: Sequence[str], selected: tuple[str, Mapping[str, Any]]) -> Question:
        """Plan the implementations on one recipe, the first one twice: the A/A test."""
        extent, (name, changes) = self.profile.same_recipe, selected
        recipe = changed_recipe(RECIPES[name], {"epochs": extent.epochs, **changes}, self.dataset)
        extent = dataclasses.replace(extent, epochs=recipe.epochs)
        label = f"{name}, changed" if changes else name
        entries = [Entry(implementation, label, recipe) for implementation in names]
        entries.append(dataclasses.replace(entries[0], second_copy=True))
        title = "Same recipe, same weights, same batches"
        timing = self._timing(extent, len(entries))
        question = make_question(SAME_RECIPE, title, self.dataset, extent, entries, timing)
        return dataclasses.replace(question, pair=_pair(names))

    def _fit(self, recipe: Recipe, extent: Extent) -> Recipe:
        return fit_recipe(recipe, self.dataset).replace(epochs=extent.epochs)

    def _timing(self, extent: Extent, n_entries: int) -> Timing:
        budget = extent.budget_s if self.budget_s is None else self.budget_s
        rounds = self.profile.rounds
        timing = Timing(self.target, budget, BLOCK_S, rounds, MIN_REPLICATES, secrets.randbits(32))
        check_timing(timing, n_entries)
        return timing


def _pair(names: Sequence[str]) -> tuple[str, str] | None:
    """Return the two that the sentence is about: yours, or the readable one, and PyTorch's; ``None`` without both."""
    own = next((name for name in names if name not in IMPLEMENTATIONS), FROM_SCRATCH)
    return (own, FRAMEWORK) if own in names and FRAMEWORK in names else None


def _selected(implementations: Sequence[str]) -> list[str]:
    """Return the requested names, each once; without any, the usual ones that are available."""
    names = list(implementations) or [
        name
        for name, known in IMPLEMENTATIONS.items()
        if known.unavailable() is None and (not known.only_by_name or name == COMPILED)
    ]
    for name in names:
        check_available(name)
    return list(dict.fromkeys(names))
