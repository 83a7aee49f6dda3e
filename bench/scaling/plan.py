"""How time grows: questions along one axis at a time, from one recipe."""

import secrets
from collections.abc import Callable, Sequence
from typing import Any

from backprop_bench.bench.core.engine.plan import BLOCK_S, Extent, check_available, check_timing, make_question
from backprop_bench.bench.core.implementations import BASELINES, named_implementation
from backprop_bench.bench.core.machine.environment import usable_cores
from backprop_bench.bench.core.records.plan import Entry, Plan, Question, Timing
from backprop_bench.data import SHARED, Dataset, Recipe, fit_recipe

IMPLEMENTATIONS = ("scratch-numpy", "scratch-compiled", "torch-eager", "jax")
"""The default implementations, without those that are unavailable."""
FETCH = "numpy-reading"
"""The baseline that only reads the batches from memory."""
WIDTH = 128
"""Units of a hidden layer where their number is not the axis."""
REPLICATES, ROUNDS = 4, 8
"""Process replicates of every point, and rounds in each."""
VERIFICATION_STEPS = 20
"""Weight updates after which the verification compares float64 weights, at every point."""
ANY = 0.999
"""A half-width that every interval reaches, so the number of replicates is fixed."""
UNLIMITED_S = 3600.0

Axis = Sequence[int | None]
AXES: dict[str, tuple[str, Axis]] = {
    "batch-size": ("examples in a batch", (1, 4, 16, 64, 256, 1024, 4096, None)),
    "width": ("units of the hidden layer", (16, 32, 64, 128, 256, 512, 1024, 2048, 4096)),
    "depth": (f"hidden layers of {WIDTH} units", (1, 2, 3, 4, 6, 8)),
    "examples": ("training examples", (1000, 4000, 16_000, 60_000)),
    "threads": ("threads", (1, 2, 4, 8, 16, 32, 64)),
}
"""By name: what is counted along it, and where it is measured; ``None`` is all examples at once."""


def plan_scale(dataset: Dataset, axes: Sequence[str], implementations: Sequence[str]) -> Plan:
    """Plan what ``scale`` does: a question for every point of every axis.

    Parameters
    ----------
    axes
        Keys of :data:`AXES`.
    implementations
        Those to compare; empty for :data:`IMPLEMENTATIONS`.

    Raises
    ------
    InputError
        For an implementation that cannot be used.
    """
    for name in implementations:
        check_available(name)
    names = list(dict.fromkeys(implementations)) or [
        name for name in IMPLEMENTATIONS if named_implementation(name).unavailable() is None
    ]
    questions = [_question(dataset, axis, value, names) for axis in axes for value in _values(dataset, axis)]
    return Plan(
        tuple(questions),
        part_blocks=0,
        part_seconds=0.0,
        verification_steps=VERIFICATION_STEPS,
        verifies_timed_work=True,
    )


def _values(dataset: Dataset, axis: str) -> list[int | None]:
    n_train = len(dataset.x_train)
    most = {"examples": n_train, "batch-size": n_train - 1, "threads": usable_cores()}.get(axis)
    values = [value for value in AXES[axis][1] if value is None or most is None or value <= most]
    return values if axis != "examples" else list(dict.fromkeys([*values, n_train]))


def _question(dataset: Dataset, axis: str, value: int | None, names: Sequence[str]) -> Question:
    recipe = _RECIPES[axis](fit_recipe(SHARED, dataset), value)
    recipe_name = f"{axis} {'all' if value is None else value}"
    entries = [Entry(name, recipe_name, recipe) for name in (*names, *BASELINES, FETCH)]
    timing = Timing(ANY, UNLIMITED_S, BLOCK_S, ROUNDS, REPLICATES, secrets.randbits(32))
    check_timing(timing, len(entries))
    extent = Extent(examples=value if axis == "examples" else None, epochs=0, seeds=0, budget_s=UNLIMITED_S)
    name = f"{axis}={'all' if value is None else value}"
    threads = value if axis == "threads" else None
    return make_question(name, f"{AXES[axis][0]}: {value or 'all'}", dataset, extent, entries, timing, threads)


def _sizes(recipe: Recipe, *hidden: int) -> Recipe:
    return recipe.replace(layer_sizes=(recipe.layer_sizes[0], *hidden, recipe.layer_sizes[-1]))


_RECIPES: dict[str, Callable[[Recipe, Any], Recipe]] = {
    "batch-size": lambda recipe, value: recipe.replace(batch_size=value),
    "width": _sizes,
    "depth": lambda recipe, value: _sizes(recipe, *[WIDTH] * value),
    "examples": lambda recipe, _: recipe,
    "threads": lambda recipe, _: recipe,
}
