"""`tinygrad`: its tensors and optimizers, with a step that its JIT captures."""

import os
from collections.abc import Callable
from typing import Any

os.environ.setdefault("DEV", "CPU")
os.environ.setdefault("PARALLEL", "0")  # it compiles in this process, not in others that live on beside the training

import numpy as np
from tinygrad import Context, Tensor, TinyJit, nn

from backprop_bench.data import (
    ExtendedRecipe,
    Floats,
    Layer,
    Order,
    Parameters,
    Recipe,
    UnsupportedRecipe,
    check_order,
    check_plain,
)

Function = Callable[[Tensor], Tensor]
ACTIVATIONS: dict[str, Function] = {"sigmoid": Tensor.sigmoid, "tanh": Tensor.tanh, "relu": Tensor.relu}
OUTPUTS: dict[str, Function] = {"sigmoid": Tensor.sigmoid, "softmax": Tensor.softmax, "identity": lambda z: z}
CAPTURES = 2
"""Calls in which the JIT captures a step; what follows runs what was captured."""


def tensor_of(array: Any) -> Tensor:
    """Return a tensor that has memory of its own."""
    return Tensor(array).contiguous().realize()


def loss_of(recipe: Recipe, z: Tensor, t: Tensor) -> Tensor:
    """Return the loss of pre-activations z [B, C] of the output units and targets t [B, C], reduced as the recipe."""
    if recipe.loss == "squared_error":
        error = (OUTPUTS[recipe.output_activation](z) - t).square().sum() / 2
    elif recipe.output_activation == "softmax":
        error = -(t * z.log_softmax()).sum()
    else:
        error = (z.softplus() - z * t).sum()
    return error / z.shape[0] if recipe.reduction == "mean" else error


def optimizer_of(recipe: Recipe, weights: list[Tensor]) -> nn.optim.Optimizer:
    """Return the recipe's optimizer, with its state in the dtype of the recipe; tinygrad's is in float32."""
    rate = recipe.learning_rate
    with Context(DEFAULT_FLOAT=recipe.dtype):
        if recipe.optimizer == "adam":
            optimizer: nn.optim.Optimizer = nn.optim.Adam(weights, rate, recipe.beta1, recipe.beta2, recipe.epsilon)
        else:
            nesterov = ExtendedRecipe.of(recipe).nesterov
            optimizer = nn.optim.SGD(weights, rate, recipe.momentum, recipe.weight_decay, nesterov)
    for tensor in state_of(optimizer):
        tensor.replace(tensor.cast(recipe.dtype).contiguous().realize())
    return optimizer


def state_of(optimizer: nn.optim.Optimizer) -> list[Tensor]:
    """Return what an optimizer keeps beside the weights."""
    weights = {id(weight) for weight in optimizer.params}
    kept: list[Tensor] = nn.state.get_parameters(optimizer)
    return [tensor for tensor in kept if id(tensor) not in weights]


def check(recipe: Recipe) -> None:
    """Raise `UnsupportedRecipe` for what tinygrad does otherwise."""
    if recipe.optimizer == "rmsprop":
        raise UnsupportedRecipe("tinygrad", "optimizer", "it has no RMSprop; it does sgd, momentum and adam")
    if recipe.optimizer == "adam" and recipe.weight_decay:
        raise UnsupportedRecipe("tinygrad", "weight_decay", "its Adam decays them apart from the gradient; it does 0")
    check_plain("tinygrad", recipe)


class TinygradTrainer:
    """Tensors of tinygrad; what it compiles is in the first call of `train_epoch`."""

    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        check(recipe)
        self.recipe = recipe
        self.weights = [tensor_of(array) for layer in parameters for array in layer.arrays()]
        self.optimizer = optimizer_of(recipe, self.weights)
        self.steps: dict[int, Callable[..., Tensor]] = {}
        """The captured step by its number of examples."""
        self.held: dict[str, tuple[Floats, Tensor]] = {}
        """Arrays that tinygrad has a copy of, by name: the original and the copy."""

    def _forward(self, x: Tensor) -> Tensor:
        """Return z [B, C] of the output units."""
        each = 2 if self.recipe.bias else 1
        for start in range(0, len(self.weights), each):
            weight, *bias = self.weights[start : start + each]
            z = x @ weight + bias[0] if bias else x @ weight
            x = ACTIVATIONS[self.recipe.hidden_activation](z)
        return z

    def _hold(self, name: str, array: Floats) -> Tensor:
        """Return tinygrad's copy of an array, made when it is first handed over; a change in place is not seen."""
        original, copy = self.held.get(name, (None, None))
        if copy is None or original is not array:
            copy = tensor_of(array)
            self.held[name] = array, copy
        return copy

    def _captured_step(self, x: Tensor, t: Tensor, n_examples: int) -> Callable[..., Tensor]:
        """Return the step for so many examples, which the JIT has captured, without changing weights."""
        if n_examples in self.steps:
            return self.steps[n_examples]

        def step(inputs: Tensor, targets: Tensor, examples: Tensor) -> Tensor:
            loss = loss_of(self.recipe, self._forward(inputs[examples]), targets[examples])
            self.optimizer.zero_grad()
            loss.backward()
            return loss.realize(*self.optimizer.schedule_step())  # together, or the loss is that of the new weights

        captured: Any = TinyJit(step)
        tensors = [*self.weights, *state_of(self.optimizer)]
        values = [tensor.numpy() for tensor in tensors]
        for _ in range(CAPTURES):
            captured(x, t, tensor_of(np.zeros(n_examples, np.int32)))
        for tensor, value in zip(tensors, values, strict=True):
            tensor.assign(tensor_of(value)).realize()
        self.steps[n_examples] = captured
        return self.steps[n_examples]

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        """Pass once over the examples; see :class:`backprop_bench.data.Trainer`."""
        check_order(order, len(x))
        inputs, targets = self._hold("x", x), self._hold("t", t)
        size = self.recipe.batch_size or len(x)
        total = 0.0
        with Context(TRAINING=1):
            if len(x) % size:  # the last batch of a whole epoch
                self._captured_step(inputs, targets, len(x) % size)
            for start in range(0, len(order), size):
                examples = order[start : start + size].astype(np.int32)
                step = self._captured_step(inputs, targets, len(examples))
                loss = step(inputs, targets, tensor_of(examples)).item()
                total += loss * len(examples) if self.recipe.reduction == "mean" else loss
        return total / len(order)

    def gradients(self, x: Floats, t: Floats) -> Parameters:
        """Return dE/dw of one batch; see :class:`backprop_bench.data.Trainer`."""
        loss = loss_of(self.recipe, self._forward(Tensor(x)), Tensor(t))
        return self._layers(loss.gradient(*self.weights))

    def predict(self, x: Floats) -> Floats:
        """Return the outputs [N, C]."""
        outputs: Floats = OUTPUTS[self.recipe.output_activation](self._forward(Tensor(x))).numpy()
        return outputs

    def parameters(self) -> Parameters:
        """Return copies of the weights."""
        return self._layers(self.weights)

    def _layers(self, tensors: list[Tensor]) -> Parameters:
        arrays = [np.array(tensor.numpy()) for tensor in tensors]
        if not self.recipe.bias:
            return tuple(Layer(weight, None) for weight in arrays)
        return tuple(Layer(weight, bias) for weight, bias in zip(arrays[::2], arrays[1::2], strict=True))
