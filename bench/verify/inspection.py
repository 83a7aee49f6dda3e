"""Two implementations compared quantity by quantity, in the order of computation."""

import bisect
import dataclasses
import functools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from backprop_bench.bench.core.stats.tolerances import (
    Agreement,
    NamedArrays,
    compare_each,
    name_arrays,
    relative_tolerances,
)
from backprop_bench.bench.verify.checks import GRADIENT_TOLERANCE, compare_runs, first_batch
from backprop_bench.bench.verify.rounding import ErrorBounds, error_bounds
from backprop_bench.data import (
    Examples,
    Floats,
    Parameters,
    Recipe,
    Trace,
    Traces,
    Trainer,
    batch_order,
    examples_per_epoch,
    initial_parameters,
)

DRIFT_POINTS = 24
"""Numbers of steps, evenly spaced on a logarithmic axis, after which divergence is measured."""


@dataclasses.dataclass(frozen=True)
class Quantity:
    """How one quantity of one layer compares.

    Attributes
    ----------
    name
        ``z``, ``y``, ``outputs`` (of `predict`), ``E``, ``dE/dy``, ``dE/dz``, ``dE/dW``, ``dE/db``; after training
        ``W``, ``b``, ``outputs after`` and ``loss`` (of every epoch).
    layer
        Its layer of weights, from 1; the last one for outputs and loss.
    exact
        Whether it is the same to the last bit.
    digits
        Decimal digits on which both agree, relative to the largest value; ``None`` where nothing can be compared.
    difference
        Largest error, relative to the largest value; ``None`` likewise.
    passed
        Whether every element is within its tolerance.
    where
        Place of the largest error, or what is wrong.
    """

    name: str
    layer: int
    exact: bool
    digits: int | None
    difference: float | None
    passed: bool
    where: str


def inspect(
    recipe: Recipe, actual: type[Trainer], expected: type[Trainer], examples: Examples, steps: int
) -> list[Quantity]:
    """Compare every quantity that both implementations show.

    Intermediate quantities are those of the first batch from the initial weights. Weights and the outputs after
    training are those after ``steps`` updates; losses are those of every epoch until then.
    """
    batch, parameters = first_batch(recipe, examples), initial_parameters(recipe)
    bounds = error_bounds(recipe, parameters, batch.x, batch.t)
    trainers = [trainer(recipe, parameters) for trainer in (actual, expected)]
    a, b = (list(_quantities(trainer, batch, shows_all(*trainers))) for trainer in trainers)
    quantities = [
        compare_quantity(name, layer, x, y, allowed_error(recipe, bounds, name, layer, y))
        for (name, layer, x), (_, _, y) in zip(a, b, strict=True)
    ]
    agree = all(quantity.passed for quantity in quantities)
    quantities += _compare_trained(recipe, actual, expected, examples, steps, widens=agree)
    return [quantity for quantity in quantities if quantity.name not in _hidden(actual)]


def _hidden(trainer: type[Trainer]) -> tuple[str, ...]:
    """Return the quantities that an implementation of yours does not have."""
    outputs = () if getattr(trainer, "shows_outputs", True) else ("outputs", "outputs after")
    return (*outputs, *(() if getattr(trainer, "shows_loss", True) else ("loss",)))


def notes_on(trainer: type[Trainer], equal: bool) -> tuple[str, ...]:
    """Return what is not compared, and what is derived or assumed; once its methods have been called."""
    notes = {
        "Outputs are not compared: there is no function predict.": not getattr(trainer, "shows_outputs", True),
        "The loss is not compared: training returns none.": not getattr(trainer, "shows_loss", True),
        "The gradient is derived from one weight update.": getattr(trainer, "derives_gradients", False),
        "It takes no learning rate; where its own is not that of the recipe, write learning_rate=… as it is there.": (
            not equal and not getattr(trainer, "takes_rate", True)
        ),
    }
    return tuple(note for note, holds in notes.items() if holds)


def shows_all(*trainers: Trainer) -> bool:
    """Return whether all of these show their intermediate quantities."""
    return all(isinstance(trainer, Traces) for trainer in trainers)


def _quantities(trainer: Trainer, batch: Examples, traced: bool) -> Iterator[tuple[str, int, Floats]]:
    """Yield name, layer and value in the order of computation: forward by layer, then backward."""
    gradients = trainer.gradients(batch.x, batch.t)
    trace = trainer.trace(batch.x, batch.t) if traced and isinstance(trainer, Traces) else None
    if trace is not None:
        for layer, (z, y) in enumerate(zip(trace.z, trace.y, strict=True), start=1):
            yield "z", layer, z
            yield "y", layer, y
    yield "outputs", len(gradients), trainer.predict(batch.x)
    for layer in range(len(gradients), 0, -1):
        if trace is not None:
            yield from _derivatives(trace, layer)
        yield from _gradient(gradients, layer)


def _derivatives(trace: Trace, layer: int) -> Iterator[tuple[str, int, Floats]]:
    dy = trace.dy[layer - 1]
    if dy is not None:
        yield "dE/dy", layer, dy
    yield "dE/dz", layer, trace.dz[layer - 1]


def _gradient(gradients: Parameters, layer: int) -> Iterator[tuple[str, int, Floats]]:
    names = ("dE/dW", "dE/db")
    yield from ((name, layer, array) for name, array in zip(names, gradients[layer - 1].arrays(), strict=False))


def allowed_error(recipe: Recipe, bounds: ErrorBounds, name: str, layer: int, expected: Floats) -> Floats | float:
    """Return the absolute tolerance of a quantity of the first batch: one for all of it, or one per element."""
    if recipe.dtype == "float64":
        return relative_tolerances([(name, expected)], GRADIENT_TOLERANCE)[0]
    limits: dict[str, Sequence[Any]] = {"z": bounds.z, "y": bounds.y, "dE/dy": bounds.dy, "dE/dz": bounds.dz}
    limits["outputs"] = bounds.y
    limits["dE/dW"] = [gradient.weight for gradient in bounds.gradients]
    limits["dE/db"] = [gradient.bias for gradient in bounds.gradients]
    limit: Floats = 2 * limits[name][layer - 1]
    return limit


def compare_quantity(name: str, layer: int, a: Floats, b: Floats, allowed: Floats | float) -> Quantity:
    """Compare one quantity of one layer with what is expected of it."""
    (judged,) = compare_each([(name, a)], [(name, b)], [allowed])
    (largest,) = compare_each([(name, a)], [(name, b)], [1.0])
    return quantity_of(name, layer, judged.passed, largest)


def quantity_of(name: str, layer: int, passed: bool, largest: Agreement) -> Quantity:
    """Return how a quantity compares, where its error is largest."""
    digits = None
    if largest.difference is not None and largest.difference > 0:
        digits = max(0, math.floor(-math.log10(largest.difference)))
    place = largest.where if largest.difference is None else largest.where[largest.where.index("[") :]
    if name == "loss" and largest.difference is not None:
        place = f"epoch {int(place.strip('[]')) + 1}"
    return Quantity(name, layer, largest.difference == 0, digits, largest.difference, passed, place)


def _compare_trained(
    recipe: Recipe, actual: type[Trainer], expected: type[Trainer], examples: Examples, steps: int, *, widens: bool
) -> list[Quantity]:
    names = [
        (name, layer) for layer in range(1, len(recipe.layer_sizes)) for name in (("W", "b") if recipe.bias else ("W",))
    ]
    names += [("outputs after", len(recipe.layer_sizes) - 1), ("loss", len(recipe.layer_sizes) - 1)]
    agreements = compare_runs(recipe, actual, expected, examples, steps, widens=widens)
    return [
        quantity_of(name, layer, agreement.passed, agreement)
        for (name, layer), agreement in zip(names, agreements, strict=False)
    ]


def first_step_apart(
    recipe: Recipe, actual: type[Trainer], expected: type[Trainer], examples: Examples, steps: int
) -> tuple[int, tuple[str, ...]]:
    """Return the first step after which weights differ, and the arrays that differ then; they must after ``steps``.

    Both are trained anew for 1, 2, 4, … steps until they differ, then for numbers in between.
    """

    @functools.cache
    def apart(step: int) -> tuple[str, ...]:
        agreements = compare_runs(recipe, actual, expected, examples, step)
        weights = agreements[:-2] or agreements
        return tuple(agreement.where.partition("[")[0] for agreement in weights if not agreement.passed)

    together, tried = 0, 1
    while tried < steps and not apart(tried):
        together, tried = tried, min(2 * tried, steps)
    first = together + 1 + bisect.bisect_left(range(together + 1, tried), True, key=lambda step: bool(apart(step)))
    return first, apart(first)


def drift(
    recipe: Recipe, actual: type[Trainer], expected: type[Trainer], examples: Examples, steps: int
) -> list[tuple[int, float]]:
    """Train both from the same weights and measure how far they diverge.

    Returns
    -------
    list
        Numbers of steps, and the largest difference of a weight, relative to the largest weight of its array.
    """
    trainers = [trainer(recipe, initial_parameters(recipe)) for trainer in (actual, expected)]
    size = recipe.batch_size or len(examples.x)
    epochs = -(-steps * size // examples_per_epoch(recipe, len(examples.x)))
    order = np.concatenate([batch_order(recipe, len(examples.x), epoch) for epoch in range(epochs)])
    points = sorted(set(np.geomspace(1, steps, DRIFT_POINTS).round().astype(int).tolist()))
    distances = []
    for before, after in zip([0, *points], points, strict=False):
        for trainer in trainers:
            trainer.train_epoch(examples.x, examples.t, order[before * size : after * size])
        a, b = (name_arrays(trainer.parameters()) for trainer in trainers)
        distances.append((after, _distance(a, b)))
    return distances


def _distance(a: NamedArrays, b: NamedArrays) -> float:
    each = compare_each(a, b, [1.0] * len(b))
    return max(math.nan if agreement.difference is None else agreement.difference for agreement in each)
