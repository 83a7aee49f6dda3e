"""Activation functions, each beside its derivative.

A derivative is written in terms of the activation y = f(z), which the forward pass has kept.
"""

from collections.abc import Callable

import numpy as np

from backprop_bench.data import Floats

Function = Callable[[Floats], Floats]


def sigmoid(z: Floats) -> Floats:
    """Return 1 / (1 + e^−z); an overflow of e^−z gives the right limit, 0."""
    return 1 / (1 + np.exp(-z))  # (2)


def dsigmoid(y: Floats) -> Floats:
    """Return dy/dz of the sigmoid."""
    return y * (1 - y)  # (5)


def tanh(z: Floats) -> Floats:
    """Return the hyperbolic tangent."""
    return np.tanh(z)  # (10)


def dtanh(y: Floats) -> Floats:
    """Return dy/dz of the hyperbolic tangent."""
    return 1 - y * y  # (11)


def relu(z: Floats) -> Floats:
    """Return the positive part."""
    return np.maximum(z, 0)  # (12)


def drelu(y: Floats) -> Floats:
    """Return dy/dz of the rectifier, 0 at the kink as in PyTorch."""
    return (y > 0).astype(y.dtype)  # (13)


def leaky_relu(slope: float) -> tuple[Function, Function]:
    """Return the rectifier that keeps this share of what is negative, and its derivative."""

    def leaky(z: Floats) -> Floats:
        return np.where(z > 0, z, slope * z)  # (44)

    def dleaky(y: Floats) -> Floats:
        return np.where(y <= 0, slope, 1).astype(y.dtype)  # (44)

    return leaky, dleaky


def identity(z: Floats) -> Floats:
    """Return the argument."""
    return z


def didentity(y: Floats) -> Floats:
    """Return dy/dz of the identity."""
    return np.ones_like(y)


def softmax(z: Floats) -> Floats:
    """Return e^z_j / Σ_k e^z_k for every row [B, C]; taking off the largest z first keeps e^z from overflowing."""
    e = np.exp(z - z.max(axis=1, keepdims=True))  # (14)
    y: Floats = e / e.sum(axis=1, keepdims=True)  # (14)
    return y


ACTIVATIONS: dict[str, Function] = {
    "sigmoid": sigmoid,
    "tanh": tanh,
    "relu": relu,
    "identity": identity,
    "softmax": softmax,
}

DERIVATIVES: dict[str, Function] = {
    "sigmoid": dsigmoid,
    "tanh": dtanh,
    "relu": drelu,
    "identity": didentity,
}
