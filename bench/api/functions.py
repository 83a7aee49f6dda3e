"""Functions as an implementation: what they lack of one, the loop over the batches and the update, is here."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from backprop_bench.data import (
    Floats,
    InputError,
    Layer,
    Order,
    Parameters,
    Recipe,
    UnsupportedRecipe,
    check_plain,
    copy_parameters,
)
from backprop_bench.scratch.numpy_trainer import NumpyTrainer

LossAndGradients = Callable[[list[Floats], Floats, Floats], tuple[float, Sequence[Floats]]]
Predict = Callable[[list[Floats], Floats], Floats]
"""Weights come as a list: W1, b1, W2, b2, and so on, without biases W1, W2."""


class OfFunctions:
    """A network that functions compute, trained by gradient descent. Subclasses have the functions."""

    loss_and_gradients: LossAndGradients
    outputs: Predict | None
    shows_outputs: bool

    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        name = type(self).__name__
        check_plain(name, recipe)
        for field, value in (("optimizer", "sgd"), ("weight_decay", 0.0)):
            if getattr(recipe, field) != value:
                raise UnsupportedRecipe(name, field, f"functions are trained with {value}")
        self._recipe = recipe
        self._layers = copy_parameters(parameters)

    @property
    def _weights(self) -> list[Floats]:
        return [array for layer in self._layers for array in layer.arrays()]

    def _loss_and_gradients(self, x: Floats, t: Floats) -> tuple[float, list[Floats]]:
        result = type(self).loss_and_gradients([weight.copy() for weight in self._weights], x, t)
        try:
            loss, gradients = result
            loss, arrays = float(loss), [np.asarray(each, self._recipe.dtype) for each in gradients]
        except (TypeError, ValueError):
            raise ValueError(f"{self._name()} returned {_kind(result)}, expected {self._expected()}") from None
        shapes = [array.shape for array in arrays]
        if shapes != [weight.shape for weight in self._weights]:
            raise ValueError(f"{self._name()} returned gradients of shapes {shapes}, expected {self._expected()}")
        return loss, arrays

    def _name(self) -> str:
        return type(self).__name__

    def _expected(self) -> str:
        return f"the loss and a list of gradients of shapes {[weight.shape for weight in self._weights]}"

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        """Train one epoch; returns the mean loss of the examples."""
        total, size = 0.0, self._recipe.batch_size or len(order)
        for start in range(0, len(order), size):
            batch = order[start : start + size]
            loss, gradients = self._loss_and_gradients(x[batch], t[batch])
            total += loss * (len(batch) if self._recipe.reduction == "mean" else 1)
            for weight, gradient in zip(self._weights, gradients, strict=True):
                weight -= gradient * weight.dtype.type(self._recipe.learning_rate)
        return total / len(order)

    def gradients(self, x: Floats, t: Floats) -> Parameters:
        """Return dE/dw of a batch."""
        arrays = iter(self._loss_and_gradients(x, t)[1])
        return tuple(Layer(next(arrays), None if layer.bias is None else next(arrays)) for layer in self._layers)

    def predict(self, x: Floats) -> Floats:
        """Return the outputs; where no function shows them, those that the weights give, which nobody compares."""
        function = type(self).outputs
        if function is None:
            return NumpyTrainer(self._recipe, self.parameters()).predict(x)
        return np.asarray(function([weight.copy() for weight in self._weights], x), self._recipe.dtype)

    def parameters(self) -> Parameters:
        """Return copies of the weights."""
        return copy_parameters(self._layers)


def trainer_of(loss_and_gradients: LossAndGradients, predict: Predict | None) -> type:
    """Return a class that trains with these functions, under the name of the first.

    Raises
    ------
    InputError
        For what is no function, or takes another number of arguments.
    """
    check_function(loss_and_gradients, ("weights", "x", "t"))
    if predict is not None:
        check_function(predict, ("weights", "x"))
    own = {
        "loss_and_gradients": staticmethod(loss_and_gradients),
        "outputs": None if predict is None else staticmethod(predict),
        "shows_outputs": predict is not None,
    }
    name = getattr(loss_and_gradients, "__name__", "")
    return type(name if name.isidentifier() else "function", (OfFunctions,), own)


def check_function(function: object, expected: Sequence[str]) -> None:
    """Raise `InputError` unless this is a function that can be called with so many arguments."""
    name = getattr(function, "__name__", repr(function))
    if not callable(function):
        raise InputError(f"{name} is of the type {type(function).__name__}; expected a function")
    try:
        inspect.signature(function).bind(*expected)
    except TypeError:
        takes = str(inspect.signature(function))
        raise InputError(f"{name}{takes} cannot be called with ({', '.join(expected)}); expected these") from None
    except ValueError:  # one written in C does not say
        return


def _kind(value: Any) -> str:
    return f"{type(value).__name__} of {len(value)}" if isinstance(value, tuple | list) else type(value).__name__
