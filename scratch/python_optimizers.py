"""Optimizers, with lists and `math` only.

The weights come as lists of numbers w, the gradients as lists g of the same lengths. Each optimizer updates the lists
it was made with, in place.
"""

import math
from collections.abc import Callable, Sequence
from typing import Protocol

from backprop_bench.data import Recipe

Vector = list[float]


class Optimizer(Protocol):
    """Updates the weights once per batch."""

    def step(self, gradients: Sequence[Vector]) -> None:
        """Update the weights by these gradients."""
        ...


def zeros_like(weights: Sequence[Vector]) -> list[Vector]:
    """Return a 0 for every weight."""
    return [[0.0] * len(w) for w in weights]


class SGD:
    """Gradient descent: a weight update is −ε times the gradient, ε the learning rate."""

    def __init__(self, recipe: Recipe, weights: Sequence[Vector]) -> None:
        self.weights = weights
        self.learning_rate = recipe.learning_rate

    def step(self, gradients: Sequence[Vector]) -> None:
        """Update the weights."""
        for w, g in zip(self.weights, gradients, strict=True):
            for i in range(len(w)):
                w[i] -= self.learning_rate * g[i]  # (8)


class Momentum:
    """Gradient descent with momentum: a weight update keeps a share α of the one before."""

    def __init__(self, recipe: Recipe, weights: Sequence[Vector]) -> None:
        self.weights = weights
        self.learning_rate, self.momentum = recipe.learning_rate, recipe.momentum
        self.changes = zeros_like(weights)

    def step(self, gradients: Sequence[Vector]) -> None:
        """Update the weights."""
        for w, g, change in zip(self.weights, gradients, self.changes, strict=True):
            for i in range(len(w)):
                change[i] = self.momentum * change[i] - self.learning_rate * g[i]  # (9)
                w[i] += change[i]  # (9)


class RMSprop:
    """Divides each gradient by the root of a running mean of its squares."""

    def __init__(self, recipe: Recipe, weights: Sequence[Vector]) -> None:
        self.weights = weights
        self.learning_rate, self.epsilon = recipe.learning_rate, recipe.epsilon
        self.rmsprop_alpha = recipe.rmsprop_alpha
        self.squares = zeros_like(weights)

    def step(self, gradients: Sequence[Vector]) -> None:
        """Update the weights."""
        for w, g, s in zip(self.weights, gradients, self.squares, strict=True):
            for i in range(len(w)):
                s[i] = self.rmsprop_alpha * s[i] + (1 - self.rmsprop_alpha) * g[i] * g[i]  # (20)
                w[i] -= self.learning_rate * g[i] / (math.sqrt(s[i]) + self.epsilon)  # (21)


class Adam:
    """Running means of the gradients and of their squares, both corrected for their start at 0."""

    def __init__(self, recipe: Recipe, weights: Sequence[Vector]) -> None:
        self.weights = weights
        self.learning_rate, self.epsilon = recipe.learning_rate, recipe.epsilon
        self.beta1, self.beta2 = recipe.beta1, recipe.beta2
        self.means, self.squares = zeros_like(weights), zeros_like(weights)
        self.steps = 0

    def step(self, gradients: Sequence[Vector]) -> None:
        """Update the weights."""
        self.steps += 1
        correction1 = 1 - self.beta1**self.steps  # (24)
        correction2 = 1 - self.beta2**self.steps  # (24)
        for w, g, m, v in zip(self.weights, gradients, self.means, self.squares, strict=True):
            for i in range(len(w)):
                m[i] = self.beta1 * m[i] + (1 - self.beta1) * g[i]  # (22)
                v[i] = self.beta2 * v[i] + (1 - self.beta2) * g[i] * g[i]  # (23)
                root = math.sqrt(v[i] / correction2)  # (25)
                w[i] -= self.learning_rate * (m[i] / correction1) / (root + self.epsilon)  # (25)


class WeightDecay:
    """Adds λ w to every gradient before another optimizer sees it: L2 regularisation."""

    def __init__(self, recipe: Recipe, weights: Sequence[Vector], inner: Optimizer) -> None:
        self.weights, self.inner = weights, inner
        self.weight_decay = recipe.weight_decay

    def step(self, gradients: Sequence[Vector]) -> None:
        """Update the weights."""
        self.inner.step(
            [
                [g_i + self.weight_decay * w_i for w_i, g_i in zip(w, g, strict=True)]  # (19)
                for w, g in zip(self.weights, gradients, strict=True)
            ]
        )


OPTIMIZERS: dict[str, Callable[[Recipe, Sequence[Vector]], Optimizer]] = {
    "sgd": SGD,
    "momentum": Momentum,
    "rmsprop": RMSprop,
    "adam": Adam,
}


def optimizer_of(recipe: Recipe, weights: Sequence[Vector]) -> Optimizer:
    """Return the recipe's optimizer, which will update these lists."""
    optimizer = OPTIMIZERS[recipe.optimizer](recipe, weights)
    return WeightDecay(recipe, weights, optimizer) if recipe.weight_decay else optimizer
