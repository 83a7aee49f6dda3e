"""How far rounding may move the gradient of a batch: a first-order error analysis of forward and backward pass.

Every computed sum of n products differs from the exact one by at most γ_n = n u / (1 − n u) times the sum of their
absolute values, in whatever order it is added up (Higham, *Accuracy and Stability of Numerical Algorithms*, 2002,
section 3.1); u is half the spacing of numbers at 1. Of long sums all roundings would have to point the same way for
that; as they do not, λ √n u is taken where it is smaller (Higham & Mary, *A New Approach to Probabilistic Rounding
Error Analysis*, SIAM J. Sci. Comput. 41, 2019). Errors propagate through each layer by the absolute values of its
weights and the derivative of its activation. The result bounds the distance of any correct implementation from the
exact gradient, so two of them are at most twice as far from each other.
"""

import dataclasses
import math

import numpy as np
import numpy.typing as npt

from backprop_bench.bench.core.stats.tolerances import BFLOAT16_EPSILON, in_dead_zone, spacing_at_1
from backprop_bench.data import ExtendedRecipe, Floats, Layer, Parameters, Recipe, connections, dropout_masks

Float64s = npt.NDArray[np.float64]

FUNCTION_ERROR = 8
"""Units of u allowed for one activation: e^z, a sum, a division, each within a few units in the last place."""


LUCK = 6
"""λ: how many times √n roundings may add up in one direction."""


MIXED = BFLOAT16_EPSILON / 2
"""u of mixed precision."""


def unit_roundoff(recipe: Recipe) -> float:
    """Return u: the largest relative error of rounding in a recipe's precision."""
    return spacing_at_1(recipe) / 2


def gamma(n: int, u: float) -> float:
    """Return γ_n, or λ √n u where that is smaller."""
    return min(n * u / (1 - n * u), LUCK * math.sqrt(n) * u)


@dataclasses.dataclass(frozen=True)
class _Known:
    """A quantity and the bound of its error, both float64 and of one shape."""

    value: Float64s
    error: Float64s


@dataclasses.dataclass(frozen=True)
class ErrorBounds:
    """Bounds of the absolute error, float64.

    Attributes
    ----------
    z, y, dy, dz
        Of the intermediate quantities [B, J], one entry per layer of weights; see :class:`backprop_bench.data.Trace`.
    gradients
        Of dE/dw, for every weight and bias.
    outputs
        Of the output activations that are predicted, [B, C]: without dropout.
    """

    z: list[Float64s]
    y: list[Float64s]
    dy: list[Float64s]
    dz: list[Float64s]
    gradients: Parameters
    outputs: Float64s


def error_bounds(recipe: Recipe, parameters: Parameters, x: Floats, t: Floats, n_updates: int = 0) -> ErrorBounds:
    """Bound the errors of one pass in the recipe's dtype from exact weights, inputs x [B, D] and targets t [B, C].

    Dropout is that of a batch after so many weight updates.
    """
    u, full = unit_roundoff(recipe), ExtendedRecipe.of(recipe)
    masks = [_exact(mask) for mask in dropout_masks(recipe, n_updates, len(x))] if full.dropout else []
    zs, ys, feds = _forward(recipe, parameters, x.astype(np.float64), masks, u)
    dy, dz = _output_derivatives(recipe, ys[-1], t.astype(np.float64), u)
    dys, dzs = [dy], [dz]
    for layer in range(len(parameters) - 1, 0, -1):
        sent = dy if full.back_propagation == "errors" else dz
        dy = _product(sent, _exact(parameters[layer].weight[: recipe.layer_sizes[layer]].T), u)
        dy = _times(dy, masks[layer - 1], u) if masks else dy
        dz = _times(dy, _derivative(recipe.hidden_activation, ys[layer], u, full.negative_slope), u)
        dys.insert(0, dy)
        dzs.insert(0, dz)
    gradients = tuple(_gradient_bound(recipe, fed, dz, u) for fed, dz in zip(feds, dzs, strict=True))
    if full.penalty_in_loss:
        gradients = tuple(
            _with_penalty(recipe.weight_decay, *each, u) for each in zip(gradients, parameters, feds, dzs, strict=True)
        )
    if (connected := connections(recipe)) is not None:
        gradients[0].weight[...] *= connected
    predicted = _forward(recipe, parameters, x.astype(np.float64), [], u)[1] if masks else ys
    return ErrorBounds(_errors(zs), _errors(ys[1:]), _errors(dys), _errors(dzs), gradients, predicted[-1].error)


def _errors(quantities: list[_Known]) -> list[Float64s]:
    return [known.error for known in quantities]


def _exact(value: Floats) -> _Known:
    return _Known(value.astype(np.float64), np.zeros(value.shape))


def _product(a: _Known, b: _Known, u: float, terms: int | None = None) -> _Known:
    """Matrix product; ``terms`` is the length of its sums where something is added to them."""
    if u == MIXED:
        return _mixed_product(a, b)
    length = a.value.shape[1] if terms is None else terms
    error = gamma(length, u) * (abs(a.value) @ abs(b.value)) + a.error @ abs(b.value) + abs(a.value) @ b.error
    return _Known(a.value @ b.value, error)


def _mixed_product(a: _Known, b: _Known) -> _Known:
    """Matrix product in mixed precision.

    Both factors of every product are rounded to bfloat16, and so is the sum, which is added up in float32. Bounds that
    add up would allow any result, since u is large. So the errors of the terms count as independent: their squares add
    up, and λ times the root is taken.
    """
    squares = (a.error**2) @ (b.value**2) + (a.value**2) @ (b.error**2)
    squares += 2 * (LUCK * MIXED) ** 2 * ((a.value**2) @ (b.value**2))
    value = a.value @ b.value
    return _Known(value, np.sqrt(squares) + 2 * MIXED * abs(value))


def _times(a: _Known, b: _Known, u: float) -> _Known:
    value = a.value * b.value
    return _Known(value, a.error * abs(b.value) + abs(a.value) * b.error + u * abs(value))


def rounding_of_sum(n: int, u: float) -> float:
    """Return the relative error that a sum of n terms adds to each of them; of mixed precision it is float32."""
    return 3 * u if u == MIXED else gamma(n, u)


def _scaled(a: _Known, factor: float, u: float) -> _Known:
    return _Known(a.value * factor, (a.error + 2 * u * abs(a.value)) * factor)


def _forward(
    recipe: Recipe, parameters: Parameters, x: Float64s, masks: list[_Known], u: float
) -> tuple[list[_Known], list[_Known], list[_Known]]:
    """Return the pre-activations of all layers, inputs and activations, and the inputs of each layer."""
    zs, ys, feds = [], [_exact(x)], []
    for number, layer in enumerate(parameters, start=1):
        has_skip = ExtendedRecipe.of(recipe).skip_connection and number == len(parameters)
        below = _times(ys[-1], masks[number - 2], u) if masks and number > 1 else ys[-1]
        feds.append(_beside(below, ys[0]) if has_skip else below)
        z = _product(feds[-1], _exact(layer.weight), u, terms=layer.weight.shape[0] + 2)
        if layer.bias is not None:
            bias = layer.bias.astype(np.float64)
            z = _Known(z.value + bias, z.error + rounding_of_sum(layer.weight.shape[0] + 2, u) * abs(bias))
        kind = recipe.output_activation if number == len(parameters) else recipe.hidden_activation
        zs.append(z)
        ys.append(_activate(kind, z, u, ExtendedRecipe.of(recipe).negative_slope))
    return zs, ys, feds


def _beside(a: _Known, b: _Known) -> _Known:
    return _Known(np.hstack((a.value, b.value)), np.hstack((a.error, b.error)))


def _activate(kind: str, z: _Known, u: float, slope: float) -> _Known:
    if kind == "softmax":
        e = np.exp(z.value - z.value.max(axis=1, keepdims=True))
        y = e / e.sum(axis=1, keepdims=True)
        spread = y * (z.error + (y * z.error).sum(axis=1, keepdims=True))
        return _Known(y, spread + (FUNCTION_ERROR + y.shape[1]) * u * y)
    if kind == "sigmoid":
        with np.errstate(over="ignore"):
            y = 1 / (1 + np.exp(-z.value))
        return _Known(y, z.error / 4 + FUNCTION_ERROR * u * y)
    if kind == "tanh":
        y = np.tanh(z.value)
        return _Known(y, z.error + FUNCTION_ERROR * u * abs(y))
    if kind == "relu":
        below = slope * (z.error + 2 * u * abs(z.value))
        return _Known(np.where(z.value > 0, z.value, slope * z.value), np.where(z.value > -z.error, z.error, below))
    return z


def _derivative(kind: str, y: _Known, u: float, slope: float = 0.0) -> _Known:
    """Return the derivative of the activation, from the activation; relu has this slope below 0."""
    if kind == "sigmoid":
        derivative = y.value * (1 - y.value)
        return _Known(derivative, abs(1 - 2 * y.value) * y.error + 3 * u * derivative)
    if kind == "tanh":
        return _Known(1 - y.value**2, 2 * abs(y.value) * y.error + 2 * u)
    if kind == "relu":  # where z is within its error of the kink, either derivative is right
        near = (y.value <= y.error) & (y.value >= -y.error) & (y.error > 0)
        on = (y.value > 0).astype(np.float64)
        return _Known(on + (1 - on) * slope, near.astype(np.float64) * (1 - slope) + u * slope)
    return _Known(np.ones_like(y.value), np.zeros_like(y.value))


def _output_derivatives(recipe: Recipe, y: _Known, t: Float64s, u: float) -> tuple[_Known, _Known]:
    """dE/dy and dE/dz of the output units; after a cross-entropy, both stand for dE/dz."""
    dy = _Known(y.value - t, y.error + u * abs(y.value - t))
    if (zone := ExtendedRecipe.of(recipe).error_dead_zone) is not None:  # within its error of the edge, either is right
        edge = np.where(t > sum(recipe.target_range) / 2, zone[1], zone[0])
        ignored = in_dead_zone(recipe, y.value, t)
        error = np.where(ignored, 0.0, dy.error) + np.where(abs(y.value - edge) <= y.error, abs(dy.value), 0.0)
        dy = _Known(np.where(ignored, 0.0, dy.value), error)
    full = ExtendedRecipe.of(recipe)
    for factor in (1 if full.half else 2, 1 / t.shape[1] if full.mean_over_outputs else 1):
        dy = dy if factor == 1 else _scaled(dy, factor, u)
    if recipe.reduction == "mean":
        dy = _scaled(dy, 1 / len(t), u)
    if recipe.loss == "squared_error" and recipe.output_activation == "softmax":
        return dy, _after_softmax(dy, y, u)
    if recipe.loss == "squared_error":
        return dy, _times(dy, _derivative(recipe.output_activation, y, u), u)
    return dy, dy


def _after_softmax(dy: _Known, y: _Known, u: float) -> _Known:
    """dE/dz = y (dE/dy − Σ y dE/dy)."""
    product = _times(dy, y, u)
    total = _Known(
        product.value.sum(axis=1, keepdims=True),
        (product.error + rounding_of_sum(y.value.shape[1], u) * abs(product.value)).sum(axis=1, keepdims=True),
    )
    difference = dy.value - total.value
    return _times(y, _Known(difference, dy.error + total.error + u * abs(difference)), u)


def _gradient_bound(recipe: Recipe, y: _Known, dz: _Known, u: float) -> Layer:
    batch = len(dz.value)
    weight = _product(_Known(y.value.T, y.error.T), dz, u, terms=batch + 1).error
    if not recipe.bias:
        return Layer(weight, None)
    if u == MIXED:
        squares = (dz.error**2 + (LUCK * u * dz.value) ** 2).sum(axis=0)
        return Layer(weight, np.sqrt(squares) + 2 * u * abs(dz.value.sum(axis=0)))
    return Layer(weight, (gamma(batch + 1, u) * abs(dz.value) + dz.error).sum(axis=0))


def _with_penalty(decay: float, bound: Layer, layer: Layer, y: _Known, dz: _Known, u: float) -> Layer:
    """Return the bound of a gradient to which λ w is added."""
    weight = bound.weight + u * (abs(y.value.T @ dz.value) + 2 * decay * abs(layer.weight))
    if bound.bias is None or layer.bias is None:
        return Layer(weight, None)
    return Layer(weight, bound.bias + u * (abs(dz.value.sum(axis=0)) + 2 * decay * abs(layer.bias)))


def logarithm_error(recipe: Recipe, y: Floats, error: Float64s, t: Floats) -> float:
    """Bound the error of an example's loss from outputs y [B, C] with these errors, where it is taken from them.

    That is so with a convention for the logarithms of a cross-entropy; from the pre-activations, it is 0.
    """
    full, u = ExtendedRecipe.of(recipe), unit_roundoff(recipe)
    least = full.log_epsilon or full.log_clip
    if not least:
        return 0.0
    on = t * (error + 2 * u) / (y + least)
    off = 0.0 if recipe.output_activation == "softmax" else (1 - t) * (error + 2 * u) / (1 - y + least)
    return float((on + off).sum(axis=1).max())
