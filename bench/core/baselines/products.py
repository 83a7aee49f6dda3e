"""The dense-GEMM baseline in NumPy: the time of the matrix products of a step alone.

A baseline has the interface of an implementation, so it is timed interleaved with the others. It trains nothing: its
operands are the same arrays in every step, in whatever cache they fit.
"""

import itertools
from collections.abc import Callable

import numpy as np

from backprop_bench.data import Floats, Order, Parameters, Recipe


class NumpyProducts:
    """The products z = y W, dE/dW = yᵀ dz and dE/dy = dz Wᵀ of every layer, the last not for the inputs, in NumPy."""

    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        self.recipe = recipe
        self.weights = [layer.weight for layer in parameters]
        self.products: dict[int, list[Callable[[], object]]] = {}
        """By number of examples."""

    def prepare(self, n_examples: int) -> list[Callable[[], object]]:
        """Return the products for so many examples, with preallocated operands and results."""
        rng = np.random.default_rng(0)
        y = [rng.random((n_examples, size)).astype(self.recipe.dtype) for size in self.recipe.layer_sizes]
        out = [np.empty_like(array) for array in y]
        dweights = [np.empty_like(weight) for weight in self.weights]
        calls: list[Callable[[], object]] = []
        for number, ((below, above), weight) in enumerate(zip(itertools.pairwise(y), self.weights, strict=True)):
            calls.append(_matmul(below, weight, out[number + 1]))
            calls.append(_matmul(below.T, above, dweights[number]))
            if number:
                calls.append(_matmul(above, weight.T, out[number]))
        return calls

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:  # noqa: ARG002 (it is called like a trainer)
        """Compute the products of as many steps as an epoch has in this order, and return 0."""
        size = self.recipe.batch_size or len(order)
        for start in range(0, len(order), size):
            n_examples = min(size, len(order) - start)
            if n_examples not in self.products:
                self.products[n_examples] = self.prepare(n_examples)
            for product in self.products[n_examples]:
                product()
        return 0.0

    def predict(self, x: Floats) -> Floats:
        """Return zeros, since nothing is trained."""
        return np.zeros((len(x), self.recipe.layer_sizes[-1]), self.recipe.dtype)


def _matmul(a: Floats, b: Floats, out: Floats) -> Callable[[], object]:
    return lambda: np.matmul(a, b, out=out)
