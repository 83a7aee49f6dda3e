"""The ablation chain from `scratch-numpy` to `torch-eager`: each step takes one thing more from PyTorch.

======================  ================================================================================
`chain-operations`      the operations of `scratch-numpy`, one for one, in tensors
`chain-functions`       PyTorch's functions for a layer, its activation and the loss; weights in its layout
`chain-optimizer`       ``torch.optim`` updates the weights
`chain-autograd`        autograd computes the gradient; the network is still a function of plain tensors
======================  ================================================================================

The last step, to `torch-eager`, adds ``nn.Module``. The first step is `chain-products`, in
:mod:`backprop_bench.bench.explain.products_trainer`.
"""

from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from backprop_bench.data import Parameters, Recipe, UnsupportedRecipe, check_plain
from backprop_bench.torch_impl.manual import ManualTrainer
from backprop_bench.torch_impl.model import Perceptron, load_parameters, optimizer_of
from backprop_bench.torch_impl.trainers import EagerTrainer

Activation = Callable[[Tensor], Tensor]


def softmax(z: Tensor) -> Tensor:
    """Return e^z_j / Σ_k e^z_k for every row [B, C], as ``scratch/activations.py`` does."""
    e = torch.exp(z - z.amax(dim=1, keepdim=True))
    return e / e.sum(dim=1, keepdim=True)


OPERATIONS: dict[str, Activation] = {
    "sigmoid": lambda z: 1 / (1 + torch.exp(-z)),
    "tanh": torch.tanh,
    "relu": lambda z: z.clamp(min=0),
    "identity": lambda z: z,
    "softmax": softmax,
}
"""Activations from the operations that ``scratch/activations.py`` has."""
FUNCTIONS: dict[str, Activation] = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu}
"""Activations as PyTorch has them."""
DERIVATIVES: dict[str, Activation] = {
    "sigmoid": lambda y: y * (1 - y),
    "tanh": lambda y: 1 - y * y,
    "relu": lambda y: (y > 0).to(y.dtype),
    "identity": torch.ones_like,
}
"""dy/dz by activation, in terms of y."""


class ChainTrainer(ManualTrainer):
    """What the steps without autograd share: results are new arrays, and gradients come before any weight update."""

    has_own_update: ClassVar[bool] = True
    """Whether the weight update is hand-written: then it does plain gradient descent alone."""

    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        if self.has_own_update and recipe.optimizer != "sgd":
            raise UnsupportedRecipe(self.name, "optimizer", "its weight update is hand-written; expected sgd")
        if self.has_own_update and recipe.weight_decay:
            raise UnsupportedRecipe(self.name, "weight_decay", "its weight update is hand-written; expected 0")
        super().__init__(recipe, parameters)
        derivative = DERIVATIVES[recipe.hidden_activation]
        self.derivative = lambda dy, y: dy * derivative(y)
        self.arrays = self._arrays()

    def update(self, y: list[Tensor], dzs: list[Tensor]) -> None:
        """Update the weights."""
        gradients: list[Tensor] = []
        for bias, below, dz in zip(self.biases, y, dzs, strict=False):
            gradients.append(self.weight_gradient(below, dz))
            if bias is not None:
                gradients.append(dz.sum(dim=0))
        self.update_arrays(gradients)

    def weight_gradient(self, below: Tensor, dz: Tensor) -> Tensor:
        """Return dE/dW of a layer, from the activations below it and its dE/dz."""
        return below.T @ dz

    def update_arrays(self, gradients: list[Tensor]) -> None:
        """Update the arrays of weights by their gradients."""
        for array, gradient in zip(self.arrays, gradients, strict=True):
            array -= self.recipe.learning_rate * gradient


class OperationsTrainer(ChainTrainer):
    """`scratch-numpy` in PyTorch's tensors, operation by operation."""

    name = "chain-operations"

    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        super().__init__(recipe, parameters)
        self.activate = OPERATIONS[recipe.hidden_activation]
        self.activate_output = OPERATIONS[recipe.output_activation]

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the inputs [B, D], the activations [B, J] of the hidden layers, and z [B, C] of the output layer."""
        y = [x]
        last = len(self.weights) - 1
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            z = y[-1] @ weight
            if bias is not None:
                z += bias
            y.append(z if number == last else self.activate(z))
        return y

    def backward(self, y: list[Tensor], t: Tensor) -> list[Tensor]:
        """Return dE/dz of every layer, from what :meth:`forward` returns and the targets t [B, C]."""
        o = self.activate_output(y[-1])
        dz = o - t
        if self.recipe.loss == "squared_error":
            dz = dz * DERIVATIVES[self.recipe.output_activation](o)
        if self.recipe.reduction == "mean":
            dz = dz / len(t)
        dzs = [dz]
        for number in range(len(self.weights) - 1, 0, -1):
            dz = self.derivative(dz @ self.weights[number].T, y[number])
            dzs.insert(0, dz)
        return dzs

    def _loss(self, z: Tensor, t: Tensor) -> float:
        """Return the loss of a batch, summed over its examples."""
        if self.recipe.loss == "squared_error":
            error = 0.5 * (self.activate_output(z) - t).square().sum()
        elif self.recipe.output_activation == "softmax":
            shifted = z - z.amax(dim=1, keepdim=True)
            error = -(t * (shifted - shifted.exp().sum(dim=1, keepdim=True).log())).sum()
        else:
            error = (z.clamp(min=0) - z * t + torch.log1p(torch.exp(-z.abs()))).sum()
        return error.item()


class FunctionsTrainer(ChainTrainer):
    """PyTorch's own functions, and weights [J, I] in memory as ``nn.Linear`` keeps them."""

    name = "chain-functions"

    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        super().__init__(recipe, parameters)
        self.activate = FUNCTIONS[recipe.hidden_activation]
        self.kept = [weight.T.contiguous() for weight in self.weights]
        self.weights = [weight.T for weight in self.kept]
        self.arrays = [
            array for pair in zip(self.kept, self.biases, strict=True) for array in pair if array is not None
        ]

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the inputs [B, D], the activations [B, J] of the hidden layers, and z [B, C] of the output layer."""
        y = [x]
        last = len(self.kept) - 1
        for number, (weight, bias) in enumerate(zip(self.kept, self.biases, strict=True)):
            z = functional.linear(y[-1], weight, bias)
            y.append(z if number == last else self.activate(z))
        return y

    def weight_gradient(self, below: Tensor, dz: Tensor) -> Tensor:
        """Return dE/dW of a layer, [J, I]."""
        return dz.T @ below


class OptimizerTrainer(FunctionsTrainer):
    """The same with an optimizer of ``torch.optim``, for every recipe that the optimizer supports."""

    name = "chain-optimizer"
    has_own_update = False

    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        super().__init__(recipe, parameters)
        self.optimizer_of_arrays = optimizer_of(recipe, self.arrays)

    def update_arrays(self, gradients: list[Tensor]) -> None:
        """Hand the gradients to the optimizer, and clear them afterwards by ``zero_grad``."""
        for array, gradient in zip(self.arrays, gradients, strict=True):
            array.grad = gradient
        self.optimizer_of_arrays.step()
        self.optimizer_of_arrays.zero_grad()


class PlainPerceptron(Perceptron):
    """A network that calls functions with its weights, and none of its modules."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        self.function = FUNCTIONS[recipe.hidden_activation]
        self.pairs: list[tuple[Tensor, Tensor | None]] = []
        for linear in self.linears:
            assert isinstance(linear, nn.Linear)
            self.pairs.append((linear.weight, linear.bias))

    def __call__(self, x: Tensor, masks: Sequence[Tensor] = ()) -> Tensor:
        """Return z [B, C] of the output units for inputs x [B, D]; dropout, which has masks, is refused."""
        del masks
        for weight, bias in self.pairs[:-1]:
            x = self.function(functional.linear(x, weight, bias))
        z: Tensor = functional.linear(x, *self.pairs[-1])
        return z


class AutogradTrainer(EagerTrainer):
    """`torch-eager` without ``nn.Module``: autograd follows functions of plain tensors."""

    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        check_plain("chain-autograd", recipe)
        super().__init__(recipe, parameters)
        self.model = PlainPerceptron(recipe)
        load_parameters(self.model, parameters)
        self.optimizer = optimizer_of(recipe, self.model.parameters())
