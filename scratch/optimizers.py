"""Optimizers. Each one updates the arrays it was made with, in place."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from backprop_bench.data import ExtendedRecipe, Floats, Recipe


class Optimizer(Protocol):
    """Updates the weights once per batch."""

    def step(self, gradients: Sequence[Floats]) -> None:
        """Update the weights by these gradients, one array per array of weights, of the same shape."""
        ...

    def set_rates(self, learning_rate: float, momentum: float) -> None:
        """Set the learning rate and the momentum of the next updates."""
        ...


class _WithRates:
    """The base of the optimizers that update weights themselves."""

    def __init__(self, recipe: Recipe, weights: Sequence[Floats]) -> None:
        self.weights = weights
        self.set_rates(recipe.learning_rate, recipe.momentum)

    def set_rates(self, learning_rate: float, momentum: float) -> None:
        """Set the learning rate and the momentum of the next updates."""
        self.learning_rate, self.momentum = learning_rate, momentum


class SGD(_WithRates):
    """Gradient descent: a weight update is −ε times the gradient, ε the learning rate."""

    def step(self, gradients: Sequence[Floats]) -> None:
        """Update the weights."""
        for w, g in zip(self.weights, gradients, strict=True):
            w -= self.learning_rate * g  # (8)


class Momentum(_WithRates):
    """Gradient descent with momentum: a weight update keeps a share α of the one before."""

    def __init__(self, recipe: Recipe, weights: Sequence[Floats]) -> None:
        super().__init__(recipe, weights)
        self.changes = [np.zeros_like(w) for w in weights]

    def step(self, gradients: Sequence[Floats]) -> None:
        """Update the weights."""
        for w, g, change in zip(self.weights, gradients, self.changes, strict=True):
            change[...] = self.momentum * change - self.learning_rate * g  # (9)
            w += change  # (9)


class Nesterov(Momentum):
    """Momentum whose weight update looks ahead, by the change that the next one will keep."""

    def step(self, gradients: Sequence[Floats]) -> None:
        """Update the weights."""
        for w, g, c in zip(self.weights, gradients, self.changes, strict=True):
            c[...] = self.momentum * c - self.learning_rate * g  # (9)
            w += self.momentum * c - self.learning_rate * g  # (37)


class DampenedMomentum(Momentum):
    """Momentum as a running mean: a gradient counts 1 − α."""

    def step(self, gradients: Sequence[Floats]) -> None:
        """Update the weights."""
        for w, g, c in zip(self.weights, gradients, self.changes, strict=True):
            c[...] = self.momentum * c - (1 - self.momentum) * self.learning_rate * g  # (38)
            w += c  # (38)


class RMSprop(_WithRates):
    """Divides each gradient by the root of a running mean of its squares."""

    def __init__(self, recipe: Recipe, weights: Sequence[Floats]) -> None:
        super().__init__(recipe, weights)
        self.rmsprop_alpha, self.epsilon = recipe.rmsprop_alpha, recipe.epsilon
        self.squares = [np.zeros_like(w) for w in weights]

    def step(self, gradients: Sequence[Floats]) -> None:
        """Update the weights."""
        for w, g, s in zip(self.weights, gradients, self.squares, strict=True):
            s[...] = self.rmsprop_alpha * s + (1 - self.rmsprop_alpha) * g * g  # (20)
            w -= self.learning_rate * g / (np.sqrt(s) + self.epsilon)  # (21)


class Adam(_WithRates):
    """Running means of the gradients and of their squares, both corrected for their start at 0."""

    def __init__(self, recipe: Recipe, weights: Sequence[Floats]) -> None:
        super().__init__(recipe, weights)
        self.epsilon = recipe.epsilon
        self.beta1, self.beta2 = recipe.beta1, recipe.beta2
        self.means = [np.zeros_like(w) for w in weights]
        self.squares = [np.zeros_like(w) for w in weights]
        self.steps = 0

    def step(self, gradients: Sequence[Floats]) -> None:
        """Update the weights."""
        self.steps += 1
        correction1 = 1 - self.beta1**self.steps  # (24)
        correction2 = 1 - self.beta2**self.steps  # (24)
        for w, g, m, v in zip(self.weights, gradients, self.means, self.squares, strict=True):
            m[...] = self.beta1 * m + (1 - self.beta1) * g  # (22)
            v[...] = self.beta2 * v + (1 - self.beta2) * g * g  # (23)
            w -= self.learning_rate * (m / correction1) / (np.sqrt(v / correction2) + self.epsilon)  # (25)


class ReorderedAdam(Adam):
    """Adam with both corrections in the learning rate, so that ε is added to the uncorrected root."""

    def step(self, gradients: Sequence[Floats]) -> None:
        """Update the weights."""
        self.steps += 1
        b1, b2 = self.beta1, self.beta2
        rate = self.learning_rate * (1 - b2**self.steps) ** 0.5 / (1 - b1**self.steps)  # (39)
        for w, g, m, v in zip(self.weights, gradients, self.means, self.squares, strict=True):
            m[...] = b1 * m + (1 - b1) * g  # (22)
            v[...] = b2 * v + (1 - b2) * g * g  # (23)
            w -= rate * m / (np.sqrt(v) + self.epsilon)  # (39)


class WeightDecay:
    """Adds λ w to every gradient before another optimizer sees it: L2 regularisation."""

    def __init__(self, recipe: Recipe, weights: Sequence[Floats], inner: Optimizer) -> None:
        self.weights, self.inner = weights, inner
        self.weight_decay = recipe.weight_decay

    def step(self, gradients: Sequence[Floats]) -> None:
        """Update the weights."""
        self.inner.step([g + self.weight_decay * w for w, g in zip(self.weights, gradients, strict=True)])  # (19)

    def set_rates(self, learning_rate: float, momentum: float) -> None:
        """Set the learning rate and the momentum of the next updates."""
        self.inner.set_rates(learning_rate, momentum)


class MultiplicativeDecay:
    """Multiplicative decay: makes every weight smaller by a share of itself after another optimizer's update."""

    def __init__(self, decay: float, weights: Sequence[Floats], inner: Optimizer) -> None:
        self.weights, self.inner = weights, inner
        self.decay = decay

    def step(self, gradients: Sequence[Floats]) -> None:
        """Update the weights."""
        self.inner.step(gradients)
        for w in self.weights:
            w *= 1 - self.decay  # (30)

    def set_rates(self, learning_rate: float, momentum: float) -> None:
        """Set the learning rate and the momentum of the next updates."""
        self.inner.set_rates(learning_rate, momentum)


OPTIMIZERS: dict[str, Callable[[Recipe, Sequence[Floats]], Optimizer]] = {
    "sgd": SGD,
    "momentum": Momentum,
    "rmsprop": RMSprop,
    "adam": Adam,
}


def kind_of(recipe: ExtendedRecipe) -> Callable[[Recipe, Sequence[Floats]], Optimizer]:
    """Return what makes the recipe's optimizer, without weight decay."""
    if recipe.nesterov:
        return Nesterov
    if recipe.dampened_momentum:
        return DampenedMomentum
    return ReorderedAdam if recipe.adam_reordered else OPTIMIZERS[recipe.optimizer]


def decayed_by(recipe: ExtendedRecipe, weights: Sequence[Floats]) -> list[Floats]:
    """Return these arrays as weight decay sees them: zeros where it leaves an array alone."""
    return [w if w.ndim == 2 or recipe.decay_biases else np.zeros_like(w) for w in weights]  # (35)


def optimizer_of(recipe: Recipe, weights: Sequence[Floats]) -> Optimizer:
    """Return the recipe's optimizer, which will update these arrays."""
    full = ExtendedRecipe.of(recipe)
    optimizer = kind_of(full)(recipe, weights)
    if recipe.weight_decay and not full.penalty_in_loss:
        optimizer = WeightDecay(recipe, decayed_by(full, weights), optimizer)
    if full.multiplicative_decay:
        optimizer = MultiplicativeDecay(full.multiplicative_decay, weights, optimizer)
    return optimizer
