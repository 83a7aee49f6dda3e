"""`torch-compile`: forward pass, autograd's backward pass and the weight update as one compiled function."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from backprop_bench.data import ExtendedRecipe, Floats, Layer, Order, Parameters, Recipe, check_plain, epoch_of
from backprop_bench.torch_impl.model import activate_output, loss_of

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
}
Weights = list[Tensor]
"""Weight [I, J] and bias [J] of each layer, or weights alone."""
State = list[list[Tensor]]
"""What the optimizer keeps of each array of weights: the last update, or running means."""
N_KEPT = {"sgd": 0, "momentum": 1, "rmsprop": 1, "adam": 2}
"""How many arrays that are."""


torch._dynamo.config.recompile_limit = 64
"""Versions of a recipe's step that a process may have: of other data and numbers of examples."""


def forward(recipe: Recipe, weights: Weights, x: Tensor) -> Tensor:
    """Return z [B, C] of the output units."""
    each = 2 if recipe.bias else 1
    for start in range(0, len(weights), each):
        weight, *bias = weights[start : start + each]
        z = torch.addmm(bias[0], x, weight) if bias else x @ weight
        x = ACTIVATIONS[recipe.hidden_activation](z)
    return z


def update(recipe: Recipe, weight: Tensor, gradient: Tensor, kept: list[Tensor], rates: Tensor) -> None:
    """Update an array of weights by its gradient; ``rates`` are the numbers of :func:`rates_of` for this update."""
    if recipe.weight_decay:
        gradient = gradient + recipe.weight_decay * weight
    match recipe.optimizer:
        case "sgd":
            weight.sub_(rates[0] * gradient)
        case "momentum":
            kept[0].mul_(recipe.momentum).sub_(rates[0] * gradient)
            weight.add_(kept[0])
        case "rmsprop":
            kept[0].mul_(recipe.rmsprop_alpha).addcmul_(gradient, gradient, value=1 - recipe.rmsprop_alpha)
            weight.sub_(rates[0] * gradient / (kept[0].sqrt() + recipe.epsilon))
        case "adam":
            kept[0].mul_(recipe.beta1).add_(gradient, alpha=1 - recipe.beta1)
            kept[1].mul_(recipe.beta2).addcmul_(gradient, gradient, value=1 - recipe.beta2)
            weight.sub_(rates[0] * kept[0] / (kept[1].sqrt() * rates[1] + recipe.epsilon))


def rates_of(recipe: Recipe, rate: float, first: int, n_updates: int) -> Sequence[Tensor]:
    """Return learning rate and factor of the root [2] for some updates from number ``first`` on.

    They correct the bias of Adam's running means; other optimizers take the learning rate as it is.
    """
    if recipe.optimizer != "adam":
        return [torch.from_numpy(np.array([rate, 1], recipe.dtype))] * n_updates
    numbers = np.arange(first, first + n_updates)
    with np.errstate(all="ignore"):
        rates = rate / (1 - recipe.beta1**numbers), (1 - recipe.beta2**numbers) ** -0.5
    return torch.from_numpy(np.stack(rates, axis=1).astype(recipe.dtype)).unbind()


@functools.cache
def compiled_step(recipe: Recipe) -> Callable[..., None]:
    """Return the compiled training step of a recipe, the same for all trainers of a process."""

    def loss_of_batch(weights: Weights, x: Tensor, t: Tensor) -> Tensor:
        return loss_of(recipe, forward(recipe, weights, x), t)

    def step(
        weights: Weights, state: State, rates: Tensor, x: Tensor, t: Tensor, examples: Tensor, total: Tensor
    ) -> None:
        """Update the weights by the gradient of some examples of x [N, D] and t [N, C]; add their loss to the total."""
        gradients, loss = torch.func.grad_and_value(loss_of_batch)(weights, x[examples], t[examples])
        total.add_(loss * len(examples) if recipe.reduction == "mean" else loss)
        for weight, gradient, kept in zip(weights, gradients, state, strict=True):
            update(recipe, weight, gradient, kept, rates)

    step.__code__ = step.__code__.replace()  # torch counts the versions of a code object, which all recipes would share
    compiled: Callable[..., None] = torch.compile(step, fullgraph=True, dynamic=False)
    return compiled


class CompileTrainer:
    """A training step compiled by ``torch.compile``; what it compiles is in the first call of `train_epoch`."""

    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        check_plain("torch-compile", recipe)
        self.recipe = ExtendedRecipe.of(recipe)
        self.weights: Weights = [torch.from_numpy(array.copy()) for layer in parameters for array in layer.arrays()]
        self.state: State = [
            [torch.zeros_like(weight) for _ in range(N_KEPT[recipe.optimizer])] for weight in self.weights
        ]
        self.n_updates = self.n_visited = 0
        self.step = compiled_step(recipe.replace(seed=0, epochs=0))
        self.compiled: set[int] = set()
        """Numbers of examples for which there is compiled code."""

    def loss(self, weights: Weights, x: Tensor, t: Tensor) -> Tensor:
        """Return the loss of a batch, reduced as the recipe says."""
        return loss_of(self.recipe, forward(self.recipe, weights, x), t)

    def _compile(self, x: Tensor, t: Tensor, sizes: set[int]) -> None:
        """Compile the step for these numbers of examples, on copies of the weights."""
        for size in sorted(sizes - self.compiled):
            weights = [weight.clone() for weight in self.weights]
            state = [[array.clone() for array in kept] for kept in self.state]
            (rates,), examples = (
                rates_of(self.recipe, self.recipe.learning_rate, 1, 1),
                torch.zeros(size, dtype=torch.int64),
            )
            self.step(weights, state, rates, x, t, examples, torch.zeros(1, dtype=x.dtype))
            self.compiled.add(size)

    @torch.no_grad()
    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        """Pass once over the examples; see :class:`backprop_bench.data.Trainer`."""
        inputs, targets = torch.from_numpy(x), torch.from_numpy(t)
        size = self.recipe.batch_size or len(order)
        batches = torch.split(torch.from_numpy(order), size)
        short = {len(x) % size} - {0} if len(x) > size else set()  # that of a whole epoch, for its last batch
        self._compile(inputs, targets, {len(examples) for examples in batches} | short)
        total = torch.zeros(1, dtype=inputs.dtype)  # of one number: what is added to a tensor of none is lost
        rate, _ = self.recipe.rates(epoch_of(self.recipe, self.n_visited, len(x)))
        rates = rates_of(self.recipe, rate, self.n_updates + 1, len(batches))
        self.n_updates += len(batches)
        self.n_visited += len(order)
        for examples, its_rates in zip(batches, rates, strict=True):
            self.step(self.weights, self.state, its_rates, inputs, targets, examples, total)
        return total.item() / len(order)

    @torch.no_grad()
    def gradients(self, x: Floats, t: Floats) -> Parameters:
        """Return dE/dw of one batch; see :class:`backprop_bench.data.Trainer`."""
        gradients: Any = torch.func.grad(self.loss)(self.weights, torch.from_numpy(x), torch.from_numpy(t))
        return self._layers(gradients)

    @torch.no_grad()
    def predict(self, x: Floats) -> Floats:
        """Return the outputs [N, C]."""
        z = forward(self.recipe, self.weights, torch.from_numpy(x))
        scores: Floats = activate_output(self.recipe, z).numpy()
        return scores

    def parameters(self) -> Parameters:
        """Return copies of the weights."""
        return self._layers(self.weights)

    def _layers(self, tensors: Weights) -> Parameters:
        arrays = [np.array(tensor.numpy()) for tensor in tensors]
        if not self.recipe.bias:
            return tuple(Layer(weight, None) for weight in arrays)
        return tuple(Layer(weight, bias) for weight, bias in zip(arrays[::2], arrays[1::2], strict=True))
