"""Activations and losses that write into arrays they are given, for `scratch-inplace`.

Each does what its namesake in ``activations.py`` or ``losses.py`` does, operation by operation.

Shapes: z, y, t, dz and spare [B, J], row [B, 1]; a row per example.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from backprop_bench.data import Floats, Recipe

Activation = Callable[[Floats, Floats], None]
"""(z, out): puts f(z) into out, which may be z itself."""


def sigmoid(z: Floats, out: Floats) -> None:
    """Put 1 / (1 + e^−z) into out."""
    np.negative(z, out=out)
    np.exp(out, out=out)
    np.add(out, 1, out=out)
    np.divide(1, out, out=out)


def tanh(z: Floats, out: Floats) -> None:
    """Put the hyperbolic tangent into out."""
    np.tanh(z, out=out)


def relu(z: Floats, out: Floats) -> None:
    """Put the positive part into out."""
    np.maximum(z, 0, out=out)


def identity(z: Floats, out: Floats) -> None:
    """Put the argument into out."""
    np.copyto(out, z)


ACTIVATIONS: dict[str, Activation] = {"sigmoid": sigmoid, "tanh": tanh, "relu": relu, "identity": identity}


def softmax(z: Floats, out: Floats, row: Floats) -> None:
    """Put e^z_j / Σ_k e^z_k into out; leaves z less its largest, and in row the sum Σ_k e^z_k of that."""
    np.amax(z, axis=1, keepdims=True, out=row)
    np.subtract(z, row, out=z)
    np.exp(z, out=out)
    np.sum(out, axis=1, keepdims=True, out=row)
    np.divide(out, row, out=out)


TimesDerivative = Callable[[Floats, Floats, Floats], None]
"""(dz, y, spare): multiplies dz by dy/dz, the derivative of the activation; ``spare`` is overwritten."""


def times_dsigmoid(dz: Floats, y: Floats, spare: Floats) -> None:
    """Multiply by y (1 − y)."""
    np.subtract(1, y, out=spare)
    np.multiply(y, spare, out=spare)
    np.multiply(dz, spare, out=dz)


def times_dtanh(dz: Floats, y: Floats, spare: Floats) -> None:
    """Multiply by 1 − y²."""
    np.multiply(y, y, out=spare)
    np.subtract(1, spare, out=spare)
    np.multiply(dz, spare, out=dz)


def times_drelu(dz: Floats, y: Floats, spare: Floats) -> None:
    """Multiply by 1 where y is positive, and by 0 elsewhere."""
    np.greater(y, 0, out=spare)
    np.multiply(dz, spare, out=dz)


def times_didentity(dz: Floats, y: Floats, spare: Floats) -> None:
    """Multiply by 1."""


DERIVATIVES: dict[str, TimesDerivative] = {
    "sigmoid": times_dsigmoid,
    "tanh": times_dtanh,
    "relu": times_drelu,
    "identity": times_didentity,
}


@dataclasses.dataclass(frozen=True)
class Output:
    """The workspace of the output layer; B examples, C outputs.

    Attributes
    ----------
    z, y, dz, spare
        Pre-activations, activations, dE/dz and intermediate results, [B, C]. The loss overwrites ``z``.
    row
        A number per example, [B, 1].
    """

    z: Floats
    y: Floats
    dz: Floats
    spare: Floats
    row: Floats


LossAndDerivative = Callable[[Output, Floats], float]
"""(output, t): fills y and dz of the output from its z, and returns the loss, both summed over the examples."""


def softmax_cross_entropy(output: Output, t: Floats) -> float:
    """Return −Σ t ln y."""
    z, y, spare, row = output.z, output.y, output.spare, output.row
    softmax(z, y, row)
    np.log(row, out=row)
    np.subtract(z, row, out=spare)
    np.multiply(t, spare, out=spare)
    np.subtract(y, t, out=output.dz)
    return -float(spare.sum())


def sigmoid_cross_entropy(output: Output, t: Floats) -> float:
    """Return −Σ [t ln y + (1 − t) ln(1 − y)]."""
    z, y, spare = output.z, output.y, output.spare
    sigmoid(z, y)
    np.subtract(y, t, out=output.dz)
    np.maximum(z, 0, out=spare)
    np.multiply(z, t, out=y)  # y is not needed any more
    np.subtract(spare, y, out=spare)
    np.abs(z, out=z)
    np.negative(z, out=z)
    np.exp(z, out=z)
    np.log1p(z, out=z)
    np.add(spare, z, out=spare)
    return float(spare.sum())


def squared_error(activation: str) -> LossAndDerivative:
    """Return the function that gives ½ Σ (y − t)² after this activation."""
    activate, times_derivative = ACTIVATIONS[activation], DERIVATIVES[activation]

    def loss(output: Output, t: Floats) -> float:
        activate(output.z, output.y)
        np.subtract(output.y, t, out=output.dz)
        np.square(output.dz, out=output.z)
        times_derivative(output.dz, output.y, output.spare)
        return float(0.5 * output.z.sum())

    return loss


def loss_of(recipe: Recipe) -> LossAndDerivative:
    """Return the recipe's loss with its derivative by z."""
    if recipe.loss == "squared_error":
        return squared_error(recipe.output_activation)
    return softmax_cross_entropy if recipe.output_activation == "softmax" else sigmoid_cross_entropy


def activate_output(recipe: Recipe, z: Floats) -> None:
    """Put the output activations in the place of their pre-activations z [B, C]."""
    if recipe.output_activation == "softmax":
        softmax(z, z, np.empty((len(z), 1), z.dtype))
    else:
        ACTIVATIONS[recipe.output_activation](z, z)
