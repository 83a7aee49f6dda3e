"""Loss functions, each beside its derivative with respect to z, the pre-activation of the output units.

Shapes: z, y, t [B, C], a row per example. A loss is summed over the examples; the derivative is that of this sum.
"""

from collections.abc import Callable

import numpy as np

from backprop_bench.data import ExtendedRecipe, Floats, Recipe
from backprop_bench.scratch.activations import DERIVATIVES

Errors = Callable[[Floats, Floats], Floats]
"""(y, t) ↦ the error of every output, y − t or 0 in the error dead zone."""
LossFunction = Callable[[Floats, Floats, Floats], float]
LossDerivative = Callable[[Floats, Floats], tuple[Floats | None, Floats]]
"""(y, t) ↦ (dE/dy, dE/dz); the first is ``None`` where the formula gives dE/dz at once."""


def difference(y: Floats, t: Floats) -> Floats:
    """Return y − t."""
    return y - t  # (4)


def errors_of(recipe: Recipe) -> Errors:
    """Return the function that gives the errors of the outputs, those in the recipe's error dead zone as 0."""
    if not isinstance(recipe, ExtendedRecipe) or recipe.error_dead_zone is None:
        return difference
    low, high = recipe.error_dead_zone
    middle = sum(recipe.target_range) / 2

    def errors(y: Floats, t: Floats) -> Floats:
        in_zone = np.where(t > middle, y > high, y < low)  # (31)
        return np.where(in_zone, 0, y - t)  # (31)

    return errors


def squared_error(errors: Errors) -> LossFunction:
    """Return the function that gives ½ Σ (y − t)² of these errors."""

    def loss(z: Floats, y: Floats, t: Floats) -> float:  # noqa: ARG001 (one signature for all losses)
        return float(0.5 * np.square(errors(y, t)).sum())  # (3)

    return loss


def softmax_cross_entropy(z: Floats, y: Floats, t: Floats) -> float:  # noqa: ARG001
    """Return −Σ t ln y from z rather than y, so that a y that underflows to 0 does not give ln 0."""
    shifted = z - z.max(axis=1, keepdims=True)  # (15)
    log_y = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))  # (15)
    return float(-(t * log_y).sum())  # (15)


def sigmoid_cross_entropy(z: Floats, y: Floats, t: Floats) -> float:  # noqa: ARG001
    """Return −Σ [t ln y + (1 − t) ln(1 − y)], from z for the same reason."""
    return float((np.maximum(z, 0) - z * t + np.log1p(np.exp(-np.abs(z)))).sum())  # (17)


def derivative_of_cross_entropy(y: Floats, t: Floats) -> tuple[None, Floats]:
    """Return dE/dz of either cross-entropy: dE/dy and the derivative of the activation cancel to this."""
    return None, y - t  # (16) (18)


def derivative_of_squared_error(output_activation: str, errors: Errors) -> LossDerivative:
    """Return the function that gives dE/dz of the squared error after this activation."""
    if output_activation == "softmax":
        return derivative_after_softmax(errors)
    derivative = DERIVATIVES[output_activation]

    def dy_and_dz(y: Floats, t: Floats) -> tuple[Floats, Floats]:
        dy = errors(y, t)  # (4)
        return dy, dy * derivative(y)  # (5)

    return dy_and_dz


def derivative_after_softmax(errors: Errors) -> LossDerivative:
    """Return the function that gives dE/dz of the squared error after softmax, where every z acts on every y."""

    def dy_and_dz(y: Floats, t: Floats) -> tuple[Floats, Floats]:
        error = errors(y, t)
        return error, y * (error - (error * y).sum(axis=1, keepdims=True))  # (43)

    return dy_and_dz


def scale_of(recipe: Recipe) -> float:
    """Return by how much a convention of the recipe multiplies the loss, 1 without one."""
    if not isinstance(recipe, ExtendedRecipe):
        return 1.0
    scale = 1.0 if recipe.half else 2.0  # (32)
    return scale / recipe.layer_sizes[-1] if recipe.mean_over_outputs else scale  # (33)


def scaled(scale: float, loss: LossFunction, derivative: LossDerivative) -> tuple[LossFunction, LossDerivative]:
    """Return the functions that give this many times the loss, and its derivatives."""

    def scaled_loss(z: Floats, y: Floats, t: Floats) -> float:
        return scale * loss(z, y, t)  # (32) (33)

    def dy_and_dz(y: Floats, t: Floats) -> tuple[Floats | None, Floats]:
        dy, dz = derivative(y, t)
        return None if dy is None else scale * dy, scale * dz  # (32) (33)

    return scaled_loss, dy_and_dz


def cross_entropy_of_outputs(recipe: ExtendedRecipe) -> LossFunction:
    """Return the function that gives a cross-entropy from y, whose logarithms a convention keeps from ln 0."""

    def log(y: Floats) -> Floats:
        if recipe.log_clip:
            y = np.clip(y, recipe.log_clip, 1 - recipe.log_clip)  # (41)
        logarithm: Floats = np.log(y + recipe.log_epsilon)  # (40)
        return logarithm

    def loss(z: Floats, y: Floats, t: Floats) -> float:  # noqa: ARG001
        total = -(t * log(y)).sum()
        return float(total if recipe.output_activation == "softmax" else total - ((1 - t) * log(1 - y)).sum())

    return loss


def loss_of(recipe: Recipe) -> tuple[LossFunction, LossDerivative]:
    """Return the recipe's loss and its derivative with respect to the pre-activation of the output units."""
    loss, derivative = _unscaled(recipe)
    full = ExtendedRecipe.of(recipe)
    if full.log_epsilon or full.log_clip:
        loss = cross_entropy_of_outputs(full)
    scale = scale_of(recipe)
    return (loss, derivative) if scale == 1 else scaled(scale, loss, derivative)


def _unscaled(recipe: Recipe) -> tuple[LossFunction, LossDerivative]:
    if recipe.loss == "squared_error":
        errors = errors_of(recipe)
        return squared_error(errors), derivative_of_squared_error(recipe.output_activation, errors)
    if recipe.output_activation == "softmax":
        return softmax_cross_entropy, derivative_of_cross_entropy
    return sigmoid_cross_entropy, derivative_of_cross_entropy
