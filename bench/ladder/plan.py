"""What `ladder` measures: which stages can run here, in which order, and how long."""

import dataclasses
import secrets
from collections.abc import Sequence

from backprop_bench.bench.core.engine.plan import (
    BLOCK_S,
    MIN_REPLICATES,
    Extent,
    check_available,
    check_timing,
    make_question,
)
from backprop_bench.bench.core.implementations import BASELINES, named_implementation, registered
from backprop_bench.bench.core.records.plan import Entry, Plan, Timing
from backprop_bench.bench.core.worker.batches import n_batches
from backprop_bench.bench.ladder.stages import BEFORE_BLAS, SELF_TEST, STAGES, Stage, in_full_precision
from backprop_bench.data import Dataset, InputError, Recipe

ROUNDS = 8
"""In a process replicate: with so many implementations, their start takes longer than their blocks."""
VERIFICATION_STEPS = 200
"""Weight updates after which the verification compares float64 weights."""
SEEDS, EPOCHS, UPDATES = 5, 5, 25_000
"""Of the trainings in mixed and in full precision, whose accuracies are compared: as many epochs as have so many weight
updates, none where one epoch has more."""
LADDER = "ladder"
"""Name of the question in the records."""


def plan_ladder(
    dataset: Dataset,
    recipe: Recipe,
    examples: int | None,
    target: float,
    budget_s: float,
    selected: tuple[str, ...] = (),
    core_type: str | None = None,
) -> tuple[Plan, dict[str, str]]:
    """Plan what ``ladder`` does.

    Parameters
    ----------
    recipe
        What every stage computes, apart from its own changes. Of stages that are then the same, the first one is timed.
    examples
        Training examples, the first ones of the dataset; ``None`` for all.
    target
        Relative half-width of the interval of every ratio at which timing may stop.
    budget_s
        Seconds for the timing.
    selected
        Implementations whose stages are timed, without any all; and yours, which is a stage after all others.
    core_type
        Whose kernels are faster than those that OpenBLAS picks; ``None`` where there are none.

    Returns
    -------
    plan
        A question in which only stages in mixed precision are trained for accuracy, and the same in full precision.
    left_out
        Why stages are not in it, by name.

    Raises
    ------
    InputError
        For implementations without a stage, yours that cannot be found, fewer than two stages, or an impossible target
        or budget.
    """
    own = yours(selected)
    selected = tuple(name for name in selected if name not in own)
    asked = [stage for stage in STAGES if not selected or stage.implementation in (*selected, *BASELINES)]
    left_out = {stage.name: reason for stage in asked if (reason := _unavailable(stage)) is not None}
    by_recipe: dict[tuple[str, Recipe], Entry] = {}
    for stage in asked:
        if stage.name not in left_out:
            entry = _entry(stage, recipe)
            by_recipe.setdefault((entry.implementation, entry.recipe), entry)
    entries = list(by_recipe.values())
    place = next((number for number, entry in enumerate(entries, 1) if entry.name == BEFORE_BLAS), None)
    if place is not None and core_type is not None:
        name = f"OpenBLAS as {core_type}"
        entries.insert(place, dataclasses.replace(entries[place - 1], alias=name, core_type=core_type))
    entries += [Entry(name, "shared", recipe) for name in own]
    timed = [entry for entry in entries if entry.implementation not in BASELINES]
    if len(timed) < 2:
        raise InputError(f"the ladder has {len(timed)} of its stages here, expected two or more to compare")
    copied = next((entry for entry in timed if entry.name == SELF_TEST), timed[-1])
    entries.append(dataclasses.replace(copied, second_copy=True))
    timing = Timing(target, budget_s, BLOCK_S, ROUNDS, MIN_REPLICATES, secrets.randbits(32))
    check_timing(timing, len(entries))
    updates = n_batches(recipe, min(examples or len(dataset.x_train), len(dataset.x_train)))
    epochs = min(EPOCHS, UPDATES // updates)
    trained = _compared_in_accuracy(entries) if epochs else []
    entries = [
        dataclasses.replace(entry, trained=entry in trained, trains_itself=entry in trained) for entry in entries
    ]
    epochs, seeds = (epochs, SEEDS) if trained else (0, 0)
    extent = Extent(examples=examples, epochs=epochs, seeds=seeds, budget_s=budget_s)
    question = make_question(
        LADDER, f"The ladder: one idea a stage, {_shape(recipe)}", dataset, extent, entries, timing
    )
    return Plan(
        (question,), part_blocks=0, part_seconds=0.0, verification_steps=VERIFICATION_STEPS, verifies_timed_work=True
    ), left_out


def _compared_in_accuracy(entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries in mixed precision, and the same in full precision."""
    pairs = [(entry, in_full_precision(entry, entries)) for entry in entries if not entry.second_copy]
    return [entry for mixed, full in pairs if full is not None for entry in (mixed, full)]


def yours(selected: Sequence[str]) -> list[str]:
    """Return which of these implementations are yours, each once; raises `InputError` for one without a stage."""
    known = dict.fromkeys(stage.implementation for stage in STAGES if stage.implementation not in BASELINES)
    own = [name for name in dict.fromkeys(selected) if name not in known]
    for name in own:
        if not name.rpartition(":")[0].endswith(".py") and name not in registered():
            expected = f"expected one of {', '.join(known)}, or path/to/file.py:ClassName"
            raise InputError(f"{name!r} is no stage of the ladder; {expected}")
        check_available(name)
    return own


def _shape(recipe: Recipe) -> str:
    return f"{'-'.join(map(str, recipe.layer_sizes))}, batch {recipe.batch_size}"


def _unavailable(stage: Stage) -> str | None:
    return named_implementation(stage.implementation).unavailable()


def _entry(stage: Stage, recipe: Recipe) -> Entry:
    changed = ", ".join(f"{name} {'all' if value is None else value}" for name, value in stage.changes)
    recipe_name = f"shared, {changed}" if changed else "shared"
    return Entry(stage.implementation, recipe_name, recipe.replace(**dict(stage.changes)), alias=stage.name)
