"""What the matrix products of a step take alone, as fast as a library does them: the dense floor of this machine.

These stand where implementations stand so that they are timed interleaved with them, but they train nothing: their
operands are the same arrays again and again, in whatever cache they fit.
"""

import itertools
from collections.abc import Callable

import numpy as np

from backprop_bench.data import Floats, Order, Parameters, Recipe


class NumpyFloor:
    """The products z = y W, dE/dW = yᵀ dz and dE/dy = dz Wᵀ of every layer, the last not for the inputs, in NumPy."""

    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        self.recipe = recipe
        self.weights = [layer.weight for layer in parameters]
        self.products: dict[int, list[Callable[[], object]]] = {}
        """By number of examples."""

    def prepare(self, n_examples: int) -> list[Callable[[], object]]:
        """Return the products for so many examples, whose operands and results have a place each."""
        rng = np.random.default_rng(0)
        y = [rng.random((n_examples, size)).astype(self.recipe.dtype) for size in self.recipe.layer_sizes]
        out = [np.empty_like(array) for array in y]
        dweights = [np.empty_like(weight) for weight in self.weights]
        found: list[Callable[[], object]] = []
        for number, ((below, above), weight) in enumerate(zip(itertools.pairwise(y), self.weights, strict=True)):
            found.append(_matmul(below, weight, out[number + 1]))
            found.append(_matmul(below.T, above, dweights[number]))
            if number:
                found.append(_matmul(above, weight.T, out[number]))
        return found

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:  # noqa: ARG002 (it is called like a trainer)
        """Do the products of as many steps as an epoch in this order has; returns nothing that means anything."""
        size = self.recipe.batch_size or len(order)
        for start in range(0, len(order), size):
            n_examples = min(size, len(order) - start)
            if n_examples not in self.products:
                self.products[n_examples] = self.prepare(n_examples)
            for product in self.products[n_examples]:
                product()
        return 0.0

    def predict(self, x: Floats) -> Floats:
        """Return zeros, for nothing is trained."""
        return np.zeros((len(x), self.recipe.layer_sizes[-1]), self.recipe.dtype)


def _matmul(a: Floats, b: Floats, out: Floats) -> Callable[[], object]:
    return lambda: np.matmul(a, b, out=out)
