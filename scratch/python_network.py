"""One example through the network and back, with lists and `math` only; to be read beside docs/derivation.md.

The names are those of the derivation: x inputs, z pre-activations, y activations, t targets, and d in front for dE/d….
In a layer of weights, i counts the units that it leads from and j the units that it leads to.
"""

import dataclasses
import math
from collections.abc import Callable

from backprop_bench.data import Recipe

Vector = list[float]
Matrix = list[list[float]]


@dataclasses.dataclass(frozen=True)
class Weights:
    """The weights of one layer, or their gradients.

    Attributes
    ----------
    W
        [I][J]; ``W[i][j]`` leads from unit i to unit j.
    b
        [J], or ``None`` where the recipe has no biases.
    """

    W: Matrix
    b: Vector | None

    def rows(self) -> list[Vector]:
        """Return the lists of numbers that this layer consists of, not copies of them."""
        return self.W if self.b is None else [*self.W, self.b]


@dataclasses.dataclass(frozen=True)
class Forward:
    """What the forward pass of one example leaves for its backward pass.

    Attributes
    ----------
    z
        Pre-activations [J] of the units, one list per layer of weights.
    y
        Activations [J], one more: ``y[0]`` are the inputs of the network, ``y[-1]`` its outputs.
    """

    z: list[Vector]
    y: list[Vector]


def exp(a: float) -> float:
    """Return e^a, and infinity where `math.exp` would raise, so that a run that diverges is seen by its loss."""
    try:
        return math.exp(a)
    except OverflowError:
        return math.inf


def sigmoid(z: float) -> float:
    """Return 1 / (1 + e^−z)."""
    return 1 / (1 + exp(-z))  # (2)


def dsigmoid(y: float) -> float:
    """Return dy/dz of the sigmoid."""
    return y * (1 - y)  # (5)


def tanh(z: float) -> float:
    """Return the hyperbolic tangent."""
    return math.tanh(z)  # (10)


def dtanh(y: float) -> float:
    """Return dy/dz of the hyperbolic tangent."""
    return 1 - y * y  # (11)


def relu(z: float) -> float:
    """Return the positive part."""
    return max(z, 0.0)  # (12)


def drelu(y: float) -> float:
    """Return dy/dz of the rectifier, 0 at the kink as in PyTorch."""
    return 1.0 if y > 0 else 0.0  # (13)


def identity(z: float) -> float:
    """Return the argument."""
    return z


def didentity(y: float) -> float:  # noqa: ARG001 (one signature for all derivatives)
    """Return dy/dz of the identity."""
    return 1.0


def softmax(z: Vector) -> Vector:
    """Return e^z_j / Σ_k e^z_k for every unit; taking off the largest z first keeps e^z from overflowing."""
    largest = max(z)
    e = [exp(z_j - largest) for z_j in z]  # (14)
    total = sum(e)  # (14)
    return [e_j / total for e_j in e]  # (14)


ACTIVATIONS: dict[str, Callable[[float], float]] = {
    "sigmoid": sigmoid,
    "tanh": tanh,
    "relu": relu,
    "identity": identity,
}

DERIVATIVES: dict[str, Callable[[float], float]] = {
    "sigmoid": dsigmoid,
    "tanh": dtanh,
    "relu": drelu,
    "identity": didentity,
}


def activate(name: str, z: Vector) -> Vector:
    """Return the activations of one layer."""
    if name == "softmax":
        return softmax(z)
    f = ACTIVATIONS[name]
    return [f(z_j) for z_j in z]


def squared_error(y: Vector, t: Vector) -> float:
    """Return ½ Σ (y − t)²."""
    return 0.5 * sum((y_j - t_j) * (y_j - t_j) for y_j, t_j in zip(y, t, strict=True))  # (3)


def softmax_cross_entropy(z: Vector, t: Vector) -> float:
    """Return −Σ t ln y from z rather than y, so that a y that underflows to 0 does not give ln 0."""
    largest = max(z)
    shifted = [z_j - largest for z_j in z]  # (15)
    log_total = math.log(sum(exp(s_k) for s_k in shifted))  # (15)
    return -sum(t_j * (s_j - log_total) for s_j, t_j in zip(shifted, t, strict=True))  # (15)


def sigmoid_cross_entropy(z: Vector, t: Vector) -> float:
    """Return −Σ [t ln y + (1 − t) ln(1 − y)], from z for the same reason."""
    return sum(
        max(z_j, 0.0) - z_j * t_j + math.log1p(exp(-abs(z_j)))  # (17)
        for z_j, t_j in zip(z, t, strict=True)
    )


def loss(recipe: Recipe, forward: Forward, t: Vector) -> float:
    """Return E of one example with targets t [C]."""
    z, y = forward.z[-1], forward.y[-1]
    if recipe.loss == "squared_error":
        return squared_error(y, t)
    if recipe.output_activation == "softmax":
        return softmax_cross_entropy(z, t)
    return sigmoid_cross_entropy(z, t)


def output_dz(recipe: Recipe, y: Vector, t: Vector) -> Vector:
    """Return dE/dz [C] of the output units, from their activations y and targets t."""
    if recipe.loss == "cross_entropy":
        return [y_j - t_j for y_j, t_j in zip(y, t, strict=True)]  # (16) (18)
    derivative = DERIVATIVES[recipe.output_activation]
    dy = [y_j - t_j for y_j, t_j in zip(y, t, strict=True)]  # (4)
    return [dy_j * derivative(y_j) for dy_j, y_j in zip(dy, y, strict=True)]  # (5)


def forward(recipe: Recipe, layers: list[Weights], x: Vector) -> Forward:
    """Compute the activations of all layers from the inputs x [D] of one example."""
    names = [recipe.hidden_activation] * (len(layers) - 1) + [recipe.output_activation]
    zs: list[Vector] = []
    ys = [x]
    for layer, name in zip(layers, names, strict=True):
        y = ys[-1]
        columns = zip(*layer.W, strict=True)  # column j holds the weights that lead to unit j
        z = [sum(y_i * w_ij for y_i, w_ij in zip(y, column, strict=True)) for column in columns]  # (1)
        if layer.b is not None:
            z = [z_j + b_j for z_j, b_j in zip(z, layer.b, strict=True)]  # (1)
        zs.append(z)
        ys.append(activate(name, z))
    return Forward(zs, ys)


def backward(recipe: Recipe, layers: list[Weights], forward: Forward, t: Vector, gradients: list[Weights]) -> None:
    """Add dE/dw of one example with targets t [C] to the gradients, which have the shape of the layers."""
    derivative = DERIVATIVES[recipe.hidden_activation]
    dz = output_dz(recipe, forward.y[-1], t)
    for number in range(len(layers) - 1, -1, -1):
        y = forward.y[number]
        add_gradient(gradients[number], y, dz)
        if number > 0:
            dy = [sum(dz_j * w_ij for dz_j, w_ij in zip(dz, row, strict=True)) for row in layers[number].W]  # (7)
            dz = [dy_i * derivative(y_i) for dy_i, y_i in zip(dy, y, strict=True)]  # (5)


def add_gradient(gradient: Weights, y: Vector, dz: Vector) -> None:
    """Add dE/dW and dE/db of one example, from y [I] below the weights and dE/dz [J] above them."""
    for i, y_i in enumerate(y):
        for j, dz_j in enumerate(dz):
            gradient.W[i][j] += y_i * dz_j  # (6)
    if gradient.b is not None:
        for j, dz_j in enumerate(dz):
            gradient.b[j] += dz_j  # (6), for a unit whose y is always 1


def zeros_like(layers: list[Weights]) -> list[Weights]:
    """Return gradients of 0, to which those of the examples are added."""
    return [
        Weights([[0.0] * len(row) for row in layer.W], None if layer.b is None else [0.0] * len(layer.b))
        for layer in layers
    ]


def divide(gradients: list[Weights], n_examples: int) -> None:
    """Turn the sum over the examples of a batch into their mean."""
    for layer in gradients:
        for g in layer.rows():
            g[:] = [g_i / n_examples for g_i in g]  # (26)
