"""What a program in another language wrote, compared with the vectors. Pure functions of arrays."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from backprop_bench.bench.core.stats.tolerances import name_arrays
from backprop_bench.bench.report.numbers import listing
from backprop_bench.bench.verify.checks import (
    FINAL,
    GRADIENT_TOLERANCE,
    LOSS_TOLERANCE,
    LOSSES,
    compare_trained,
    first_batch,
)
from backprop_bench.bench.verify.inspection import Quantity, allowed_error, compare_quantity, quantity_of
from backprop_bench.bench.verify.rounding import ErrorBounds, error_bounds, rounding_of_sum, unit_roundoff
from backprop_bench.bench.verify.vectors.arrays import STEPS, Arrays, Vectors, weights_after
from backprop_bench.data import Floats, initial_parameters

ALIKE = {"float64": 1e-9, "float32": 1e-3}
"""Relative difference below which derivatives count as a multiple of others."""

Compared = Mapping[str, Quantity]
"""How each array compares, by its name, in the order of computation."""


def compare_vectors(vectors: Vectors, actual: Arrays) -> Compared:
    """Compare arrays with those of the same name, each within the tolerance that ``parity`` has for it.

    Parameters
    ----------
    actual
        Any of the arrays that a program should compute, in the recipe's dtype.
    """
    compared = _compare_first_batch(vectors, actual)
    for steps in STEPS:
        compared |= _compare_after(vectors, actual, steps)
    return {name: compared[name] for name in vectors.computed if name in compared}


def _compare_first_batch(vectors: Vectors, actual: Arrays) -> dict[str, Quantity]:
    recipe, batch = vectors.recipe, first_batch(vectors.recipe, vectors.examples)
    bounds = error_bounds(recipe, initial_parameters(recipe), batch.x, batch.t)
    compared = {}
    for name, one in vectors.computed.items():
        if name not in actual or one.steps:
            continue
        expected = vectors.arrays[name]
        if one.quantity == "E":
            allowed = _allowed_loss(vectors, bounds)
            found = compare_quantity(one.quantity, one.layer, actual[name], expected, allowed)
            compared[name] = found if found.difference is None else dataclasses.replace(found, where="")
        else:
            allowed_here = allowed_error(recipe, bounds, one.quantity, one.layer, expected)
            compared[name] = compare_quantity(one.quantity, one.layer, actual[name], expected, allowed_here)
    return compared


def _allowed_loss(vectors: Vectors, bounds: ErrorBounds) -> float:
    """Return how far rounding may move the loss of the first batch: what moves z moves it, and the sum is rounded."""
    recipe, loss = vectors.recipe, abs(float(vectors.arrays["loss"]))
    if recipe.dtype == "float64":
        return LOSS_TOLERANCE * loss
    dz = vectors.arrays[f"dEdz{len(recipe.layer_sizes) - 1}"]
    return 2 * (float((abs(dz) * bounds.z[-1]).sum()) + rounding_of_sum(dz.size, unit_roundoff(recipe)) * loss)


def _compare_after(vectors: Vectors, actual: Arrays, steps: int) -> dict[str, Quantity]:
    own = {name: one for name, one in vectors.computed.items() if name in actual and one.steps == steps}
    if not own:
        return {}
    names = {weights_after(name, steps): name for name, _ in name_arrays(initial_parameters(vectors.recipe))}
    names |= {f"outputs_after_{steps}": FINAL, "loss_by_epoch": LOSSES}
    a, b = ([(names[name], arrays[name]) for name in own] for arrays in (actual, vectors.arrays))
    agreements = compare_trained(vectors.recipe, a, b, vectors.examples, steps)
    if len(agreements) < len(own):  # nothing can be compared
        agreements = agreements[:1] * len(own)
    return {
        name: quantity_of(one.quantity, one.layer, agreement.passed, agreement)
        for (name, one), agreement in zip(own.items(), agreements, strict=True)
    }


def of_the_mean(vectors: Vectors, actual: Arrays) -> tuple[Arrays, str]:
    """Return the arrays with the derivatives of the first batch as those of its mean loss.

    Many programs divide by the number of examples only where they add up the gradient. Their derivatives with respect
    to y and z are those of each example's own loss, which is no mistake. Where the gradient is as many times too large,
    it is one.

    Returns
    -------
    tuple
        The arrays, and a sentence that says so; empty where nothing is divided.
    """
    size = vectors.arrays["z1"].shape[0]
    derivatives = [name for name, one in vectors.computed.items() if one.quantity in ("dE/dy", "dE/dz")]
    given = [name for name in derivatives if name in actual]
    if vectors.recipe.reduction != "mean" or size == 1 or not given:
        return actual, ""
    limit = ALIKE[vectors.recipe.dtype]
    multiples = {
        name
        for name, one in vectors.computed.items()
        if one.quantity.startswith("dE/") and name in actual
        if are_alike(actual[name], size * vectors.arrays[name], limit)
    }
    if multiples != set(given):
        return actual, ""
    scaled = {name: (array / size).astype(array.dtype) if name in given else array for name, array in actual.items()}
    return scaled, (
        f"{listing(given)} are those of each example's own loss, {size} times the derivatives of the mean, and are "
        f"compared after division by {size}."
    )


def are_alike(a: Floats, b: Floats, limit: float) -> bool:
    """Return whether two arrays of one shape agree within a share of the largest value."""
    return a.shape == b.shape and bool(abs(a - b).max(initial=0.0) <= limit * abs(b).max(initial=0.0))


def looks_transposed(vectors: Vectors, actual: Arrays, compared: Compared) -> str | None:
    """Return the first square array that differs as it stands and is right the other way round."""
    limit = 1e3 * GRADIENT_TOLERANCE if vectors.recipe.dtype == "float64" else ALIKE["float32"]
    for name, quantity in compared.items():
        array = actual[name]
        is_square = array.ndim == 2 and array.shape[0] == array.shape[1] > 1
        if not quantity.passed and is_square and are_alike(array.T, vectors.arrays[name], limit):
            return name
    return None


def is_single_precision(vectors: Vectors, actual: Arrays, compared: Compared) -> bool:
    """Return whether most arrays differ in float64, and none by more than the tolerance of float32.

    A mistake that is as small as rounding, such as a number that is added within a logarithm, is in few of them.
    """
    n_wrong = sum(not quantity.passed for quantity in compared.values())
    if vectors.recipe.dtype != "float64" or 2 * n_wrong <= len(compared):
        return False
    coarse = Vectors(
        vectors.recipe.replace(dtype="float32"),
        dataclasses.replace(
            vectors.examples, x=vectors.examples.x.astype(np.float32), t=vectors.examples.t.astype(np.float32)
        ),
        {name: array.astype(np.float32) for name, array in vectors.arrays.items() if name != "order"},
    )
    wrong = {name: actual[name].astype(np.float32) for name, quantity in compared.items() if not quantity.passed}
    return all(quantity.passed for quantity in compare_vectors(coarse, wrong).values())
