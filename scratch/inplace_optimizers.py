"""Optimizers without temporaries, for `scratch-inplace`.

Each does what its namesake in ``optimizers.py`` does. It overwrites the gradient that it is given.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np

from backprop_bench.data import Floats, Recipe


class InplaceOptimizer(Protocol):
    """Updates one array of weights, once per batch."""

    def step(self, g: Floats) -> None:
        """Update the weights by their gradient, and overwrite that."""
        ...


class SGD:
    """Gradient descent: a weight update is −ε times the gradient, ε the learning rate."""

    def __init__(self, recipe: Recipe, w: Floats) -> None:
        self.w, self.learning_rate = w, recipe.learning_rate

    def step(self, g: Floats) -> None:
        """Update the weights."""
        np.multiply(g, self.learning_rate, out=g)
        np.subtract(self.w, g, out=self.w)


class Momentum:
    """Gradient descent with momentum: a weight update keeps a share α of the one before."""

    def __init__(self, recipe: Recipe, w: Floats) -> None:
        self.w, self.learning_rate, self.momentum = w, recipe.learning_rate, recipe.momentum
        self.change = np.zeros_like(w)

    def step(self, g: Floats) -> None:
        """Update the weights."""
        np.multiply(self.change, self.momentum, out=self.change)
        np.multiply(g, self.learning_rate, out=g)
        np.subtract(self.change, g, out=self.change)
        np.add(self.w, self.change, out=self.w)


class RMSprop:
    """Divides each gradient by the root of a running mean of its squares."""

    def __init__(self, recipe: Recipe, w: Floats) -> None:
        self.w, self.learning_rate = w, recipe.learning_rate
        self.rmsprop_alpha, self.epsilon = recipe.rmsprop_alpha, recipe.epsilon
        self.squares, self.spare = np.zeros_like(w), np.empty_like(w)

    def step(self, g: Floats) -> None:
        """Update the weights."""
        s, spare = self.squares, self.spare
        np.multiply(g, 1 - self.rmsprop_alpha, out=spare)
        np.multiply(spare, g, out=spare)
        np.multiply(s, self.rmsprop_alpha, out=s)
        np.add(s, spare, out=s)
        np.sqrt(s, out=spare)
        np.add(spare, self.epsilon, out=spare)
        np.multiply(g, self.learning_rate, out=g)
        np.divide(g, spare, out=g)
        np.subtract(self.w, g, out=self.w)


class Adam:
    """Running means of the gradients and of their squares, both corrected for their start at 0."""

    def __init__(self, recipe: Recipe, w: Floats) -> None:
        self.w, self.learning_rate, self.epsilon = w, recipe.learning_rate, recipe.epsilon
        self.beta1, self.beta2 = recipe.beta1, recipe.beta2
        self.mean, self.squares, self.spare = np.zeros_like(w), np.zeros_like(w), np.empty_like(w)
        self.steps = 0

    def step(self, g: Floats) -> None:
        """Update the weights."""
        self.steps += 1
        m, v, spare = self.mean, self.squares, self.spare
        np.multiply(g, 1 - self.beta2, out=spare)
        np.multiply(spare, g, out=spare)
        np.multiply(v, self.beta2, out=v)
        np.add(v, spare, out=v)
        np.multiply(m, self.beta1, out=m)
        np.multiply(g, 1 - self.beta1, out=g)
        np.add(m, g, out=m)
        np.divide(v, 1 - self.beta2**self.steps, out=spare)
        np.sqrt(spare, out=spare)
        np.add(spare, self.epsilon, out=spare)
        np.divide(m, 1 - self.beta1**self.steps, out=g)
        np.multiply(g, self.learning_rate, out=g)
        np.divide(g, spare, out=g)
        np.subtract(self.w, g, out=self.w)


class WeightDecay:
    """Adds λ w to the gradient before another optimizer sees it."""

    def __init__(self, recipe: Recipe, w: Floats, inner: InplaceOptimizer) -> None:
        self.w, self.weight_decay, self.inner = w, recipe.weight_decay, inner
        self.spare = np.empty_like(w)

    def step(self, g: Floats) -> None:
        """Update the weights."""
        np.multiply(self.w, self.weight_decay, out=self.spare)
        np.add(g, self.spare, out=g)
        self.inner.step(g)


OPTIMIZERS: dict[str, Callable[[Recipe, Floats], InplaceOptimizer]] = {
    "sgd": SGD,
    "momentum": Momentum,
    "rmsprop": RMSprop,
    "adam": Adam,
}


def optimizer_of(recipe: Recipe, w: Floats) -> InplaceOptimizer:
    """Return the recipe's optimizer for one array of weights."""
    optimizer = OPTIMIZERS[recipe.optimizer](recipe, w)
    return WeightDecay(recipe, w, optimizer) if recipe.weight_decay else optimizer
