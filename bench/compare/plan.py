"""Plan of a comparison: the article's two networks as published, and all implementations on one recipe."""

import dataclasses
import secrets
from collections.abc import Sequence

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
from backprop_bench.bench.core.records.plan import Entry, Plan, Timing
from backprop_bench.bench.verify.checks import STEPS
from backprop_bench.data import RECIPES, Dataset, fit_recipe


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
    verification_steps
        Weight updates after which verification compares float64 weights.
    """

    as_published: Extent
    same_recipe: Extent
    passes: int
    part_blocks: int
    part_seconds: float
    verification_steps: int = STEPS


ROUNDS = 16
"""In a process replicate: about as long as its processes take to start, for replicates differ more than rounds."""

PROFILES: dict[str, Profile] = {
    "quick": Profile(Extent(500, 2, 1, 11.0), Extent(10_000, 1, 3, 18.0), 1, 2, 0.1, verification_steps=100),
    "default": Profile(Extent(10_000, 2, 4, 45.0), Extent(None, 3, 4, 100.0), 8, 10, 0.2),
    "full": Profile(Extent(None, 5, 5, 300.0), Extent(None, 10, 8, 900.0), 8, 30, 0.5),
}


def plan_comparison(
    profile_name: str,
    dataset: Dataset,
    implementations: Sequence[str],
    target: float = TARGET,
    budget_s: float | None = None,
) -> Plan:
    """Plan what ``compare`` does.

    Parameters
    ----------
    profile_name
        A key of :data:`PROFILES`.
    implementations
        Those to compare on the shared recipe; empty for every available one that is not marked `only_by_name`.
    target
        Half-width of the interval of every ratio, as a share of it, at which timing may stop.
    budget_s
        Seconds for the timing of each question; ``None`` for those of the profile.

    Raises
    ------
    InputError
        For an unknown or unavailable implementation, or a target or budget that is impossible.
    """
    profile = PROFILES[profile_name]
    shared = [(name, "shared") for name in _selected(implementations)]
    article = [("scratch-numpy", "article-scratch"), ("torch-loader", "article-torch")]
    questions = []
    for name, title, extent, pairs in (
        ("as-published", "As published: the article's two networks", profile.as_published, article),
        ("same-recipe", "Same recipe, same weights, same batches", profile.same_recipe, shared),
    ):
        recipes = {key: fit_recipe(RECIPES[key], dataset).replace(epochs=extent.epochs) for _, key in pairs}
        entries = [Entry(implementation, key, recipes[key]) for implementation, key in pairs]
        if name == "same-recipe":
            entries.append(dataclasses.replace(entries[0], second_copy=True))
        budget = extent.budget_s if budget_s is None else budget_s
        timing = Timing(target, budget, BLOCK_S, ROUNDS, MIN_REPLICATES, secrets.randbits(32))
        check_timing(timing, len(entries))
        questions.append(make_question(name, title, dataset, extent, entries, timing))
    return Plan(
        tuple(questions),
        profile.part_blocks,
        profile.part_seconds,
        profile.verification_steps,
        passes=profile.passes,
        verifies_timed_work=True,
        keeps_trained=True,
    )


def _selected(implementations: Sequence[str]) -> list[str]:
    """Return the requested names, each once; without any, all available ones that are not marked `only_by_name`."""
    names = list(implementations) or [
        name for name, known in IMPLEMENTATIONS.items() if known.unavailable() is None and not known.only_by_name
    ]
    for name in names:
        check_available(name)
    return list(dict.fromkeys(names))
