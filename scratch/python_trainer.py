"""`scratch-python`: lists and `math`, one example at a time.

The mathematics is in scratch/python_network.py and scratch/python_optimizers.py and never sees NumPy. This module is
the boundary: arrays come in and go out here, and lists are all that it hands on.
"""

import numpy as np

from backprop_bench.data import Floats, Layer, Order, Parameters, Recipe, UnsupportedRecipe, check_plain
from backprop_bench.scratch.python_network import Weights, backward, divide, forward, loss, zeros_like
from backprop_bench.scratch.python_optimizers import optimizer_of


class PythonTrainer:
    """A multilayer perceptron of any depth in Python's own numbers, by the paper's equations."""

    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        if recipe.dtype != "float64":
            raise UnsupportedRecipe("scratch-python", "dtype", "Python's float is float64")
        check_plain("scratch-python", recipe)
        self.recipe = recipe
        self.layers = _to_lists(parameters)
        self.optimizer = optimizer_of(recipe, _rows(self.layers))

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        """Pass once over the examples; see :class:`backprop_bench.data.Trainer`."""
        batch_size = self.recipe.batch_size or len(order)
        total = 0.0
        for start in range(0, len(order), batch_size):
            batch_loss, gradients = self._pass(x, t, order[start : start + batch_size])
            self.optimizer.step(_rows(gradients))
            total += batch_loss
        return total / len(order)

    def gradients(self, x: Floats, t: Floats) -> Parameters:
        """Return dE/dw of one batch; see :class:`backprop_bench.data.Trainer`."""
        _, gradients = self._pass(x, t, np.arange(len(x)))
        return _to_arrays(gradients)

    def _pass(self, x: Floats, t: Floats, examples: Order) -> tuple[float, list[Weights]]:
        """Go forward and backward with one example after the other; return their loss, summed, and dE/dw."""
        gradients = zeros_like(self.layers)
        total = 0.0
        for example in examples:
            targets = t[example].tolist()
            passed = forward(self.recipe, self.layers, x[example].tolist())
            total += loss(self.recipe, passed, targets)  # (3), the sum over the examples
            backward(self.recipe, self.layers, passed, targets, gradients)
        if self.recipe.reduction == "mean":
            divide(gradients, len(examples))
        return total, gradients

    def predict(self, x: Floats) -> Floats:
        """Return the outputs [N, C]."""
        outputs = [forward(self.recipe, self.layers, example.tolist()).y[-1] for example in x]
        return np.array(outputs, np.float64).reshape(len(x), self.recipe.layer_sizes[-1])

    def parameters(self) -> Parameters:
        """Return copies of the weights."""
        return _to_arrays(self.layers)


def _rows(layers: list[Weights]) -> list[list[float]]:
    return [row for layer in layers for row in layer.rows()]


def _to_lists(parameters: Parameters) -> list[Weights]:
    return [Weights(layer.weight.tolist(), None if layer.bias is None else layer.bias.tolist()) for layer in parameters]


def _to_arrays(layers: list[Weights]) -> Parameters:
    return tuple(Layer(np.array(layer.W), None if layer.b is None else np.array(layer.b)) for layer in layers)
