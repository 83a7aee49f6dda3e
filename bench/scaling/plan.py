"""How time grows: questions along one axis at a time, from one recipe."""

import dataclasses
import secrets
from collections.abc import Callable, Sequence
from typing import Any

from backprop_bench.bench.core.engine.plan import BLOCK_S, Extent, check_available, check_timing, make_question
from backprop_bench.bench.core.implementations import BASELINES, named_implementation
from backprop_bench.bench.core.machine.environment import usable_cores
from backprop_bench.bench.core.records.plan import Entry, Plan, Question, Timing
from backprop_bench.data import SHARED, Dataset, Recipe, fit_recipe

IMPLEMENTATIONS = ("scratch-numpy", "scratch-compiled", "torch-eager", "torch-compile", "jax", "keras")
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


@dataclasses.dataclass(frozen=True)
class Axis:
    """One thing that changes.

    Attributes
    ----------
    counted
        What is counted along it, or what its places are.
    places
        Where it is measured: numbers, of which ``None`` is all examples at once, or names.
    recipe_at
        Returns what a place makes of a recipe.
    """

    counted: str
    places: Sequence[int | str | None]
    recipe_at: Callable[[Recipe, Any], Recipe] = lambda recipe, _: recipe


def _sizes(recipe: Recipe, *hidden: int) -> Recipe:
    return recipe.replace(layer_sizes=(recipe.layer_sizes[0], *hidden, recipe.layer_sizes[-1]))


OPTIMIZERS: dict[str, dict[str, Any]] = {
    "sgd": {},
    "momentum": {"optimizer": "momentum", "momentum": 0.9, "learning_rate": 0.1},
    "rmsprop": {"optimizer": "rmsprop", "learning_rate": 0.001},
    "adam": {"optimizer": "adam", "learning_rate": 0.001},
}
INPUTS: dict[str, dict[str, Any]] = {"sparse": {}, "dense": {"input_range": (0.01, 1.0)}}
"""Inputs as they are, of which MNIST's are mostly 0, and shifted so that none is."""

AXES: dict[str, Axis] = {
    "batch-size": Axis(
        "examples in a batch",
        (1, 8, 64, 512, None),
        lambda recipe, place: recipe.replace(batch_size=place),
    ),
    "width": Axis("units of the hidden layer", (16, 64, 256, 1024, 4096), _sizes),
    "depth": Axis(
        f"hidden layers of {WIDTH} units", (1, 2, 4, 8), lambda recipe, place: _sizes(recipe, *[WIDTH] * place)
    ),
    "optimizer": Axis("optimizer", tuple(OPTIMIZERS), lambda recipe, place: recipe.replace(**OPTIMIZERS[place])),
    "inputs": Axis("inputs", tuple(INPUTS), lambda recipe, place: recipe.replace(**INPUTS[place])),
    "precision": Axis("precision", ("float32", "float64"), lambda recipe, place: recipe.replace(dtype=place)),
    "threads": Axis("threads", (1, 2, 4, 8, 16, 32, 64)),
}
COUNTED = {name: axis.counted for name, axis in AXES.items()}


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
    questions = [_question(dataset, axis, place, names) for axis in axes for place in _places(dataset, axis)]
    return Plan(
        tuple(questions),
        part_blocks=0,
        part_seconds=0.0,
        verification_steps=VERIFICATION_STEPS,
        verifies_timed_work=True,
    )


def _places(dataset: Dataset, axis: str) -> list[int | str | None]:
    most = {"batch-size": len(dataset.x_train) - 1, "threads": usable_cores()}.get(axis)
    return [place for place in AXES[axis].places if not isinstance(place, int) or most is None or place <= most]


def _question(dataset: Dataset, axis: str, place: Any, names: Sequence[str]) -> Question:
    recipe = AXES[axis].recipe_at(fit_recipe(SHARED, dataset), place)
    shown = "all" if place is None else str(place)
    entries = [Entry(name, f"{axis} {shown}", recipe) for name in (*names, *BASELINES, FETCH)]
    timing = Timing(ANY, UNLIMITED_S, BLOCK_S, ROUNDS, REPLICATES, secrets.randbits(32))
    check_timing(timing, len(entries))
    extent = Extent(examples=None, epochs=0, seeds=0, budget_s=UNLIMITED_S)
    threads = place if axis == "threads" else None
    title = f"{AXES[axis].counted}: {shown}"
    return make_question(f"{axis}={shown}", title, dataset, extent, entries, timing, threads)
