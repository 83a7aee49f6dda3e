"""`torch-manual`: a hand-written gradient in PyTorch's tensors, without autograd."""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from backprop_bench.data import Floats, Layer, Order, Parameters, Recipe, StepParts, check_plain
from backprop_bench.torch_impl.model import activate_output, loss_of, optimizer_of

TimesDerivative = Callable[[Tensor, Tensor], Tensor]
"""(dy, y) ↦ dE/dz."""

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid_,
    "tanh": torch.tanh_,
    "relu": torch.relu_,
}
DERIVATIVES: dict[str, TimesDerivative] = {
    "sigmoid": lambda dy, y: dy.mul_(y * (1 - y)),
    "tanh": lambda dy, y: dy.mul_(1 - y * y),
    "relu": lambda dy, y: dy.mul_(y > 0),
    "identity": lambda dy, _: dy,
}


class ManualTrainer:
    """The equations of `scratch-numpy` in PyTorch's operations: what is left of PyTorch's time without autograd."""

    name: ClassVar[str] = "torch-manual"

    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        check_plain(self.name, recipe)
        self.recipe = recipe
        self.weights = [self.tensor(layer.weight.copy()) for layer in parameters]
        self.biases = [None if layer.bias is None else self.tensor(layer.bias.copy()) for layer in parameters]
        self.activate = ACTIVATIONS[recipe.hidden_activation]
        self.derivative = DERIVATIVES[recipe.hidden_activation]
        self.fused = recipe.optimizer == "sgd" and not recipe.weight_decay
        self.optimizer = None if self.fused else optimizer_of(recipe, self._arrays())

    def tensor(self, array: Floats) -> Tensor:
        """Return an array as a tensor that the operations work on."""
        return torch.from_numpy(array)

    def _arrays(self) -> list[Tensor]:
        pairs = zip(self.weights, self.biases, strict=True)
        return [array for weight, bias in pairs for array in (weight, bias) if array is not None]

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the inputs [B, D], the activations [B, J] of the hidden layers, and z [B, C] of the output layer."""
        y = [x]
        last = len(self.weights) - 1
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            z = y[-1] @ weight if bias is None else torch.addmm(bias, y[-1], weight)
            y.append(z if number == last else self.activate(z))
        return y

    def backward(self, y: list[Tensor], t: Tensor) -> list[Tensor]:
        """Return dE/dz of every layer, from what the forward pass gave and the targets t [B, C]."""
        o = activate_output(self.recipe, y[-1])
        dz = o - t
        if self.recipe.loss == "squared_error":
            dz = DERIVATIVES[self.recipe.output_activation](dz, o)
        if self.recipe.reduction == "mean":
            dz /= len(t)
        dzs = [dz]
        for number in range(len(self.weights) - 1, 0, -1):
            dz = self.derivative(dz @ self.weights[number].T, y[number])
            dzs.insert(0, dz)
        return dzs

    def update(self, y: list[Tensor], dzs: list[Tensor]) -> None:
        """Update the weights."""
        rate = self.recipe.learning_rate
        for weight, bias, below, dz in zip(self.weights, self.biases, y, dzs, strict=False):
            if self.fused:
                weight.addmm_(below.T, dz, alpha=-rate)
            else:
                weight.grad = below.T @ dz
            if bias is None:
                continue
            if self.fused:
                bias.sub_(dz.sum(dim=0), alpha=rate)
            else:
                bias.grad = dz.sum(dim=0)
        if self.optimizer is not None:
            self.optimizer.step()

    @torch.no_grad()
    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        """Pass once over the examples; see :class:`backprop_bench.data.Trainer`."""
        inputs, targets = torch.from_numpy(x), torch.from_numpy(t)
        total = 0.0
        for examples in torch.split(torch.from_numpy(order), self.recipe.batch_size or len(order)):
            t_batch = targets[examples]
            y = self.forward(inputs[examples])
            total += self._loss(y[-1], t_batch)
            self.update(y, self.backward(y, t_batch))
        return total / len(order)

    def _loss(self, z: Tensor, t: Tensor) -> float:
        loss = loss_of(self.recipe, z, t).item()
        return loss * len(t) if self.recipe.reduction == "mean" else loss

    @torch.no_grad()
    def gradients(self, x: Floats, t: Floats) -> Parameters:
        """Return dE/dw of one batch; see :class:`backprop_bench.data.Trainer`."""
        y = self.forward(self.tensor(x))
        dzs = self.backward(y, self.tensor(t))
        return tuple(
            Layer((below.T @ dz).numpy(force=True), dz.sum(dim=0).numpy(force=True) if self.recipe.bias else None)
            for below, dz in zip(y, dzs, strict=False)
        )

    @torch.no_grad()
    def predict(self, x: Floats) -> Floats:
        """Return the outputs [N, C]."""
        scores: Floats = activate_output(self.recipe, self.forward(self.tensor(x))[-1]).numpy(force=True)
        return scores

    def parameters(self) -> Parameters:
        """Return copies of the weights."""
        pairs = zip(self.weights, self.biases, strict=True)
        return tuple(
            Layer(np.array(weight.numpy(force=True)), None if bias is None else np.array(bias.numpy(force=True)))
            for weight, bias in pairs
        )

    def step_parts(self, x: Floats, t: Floats, examples: Order) -> StepParts:
        """Return the parts of one step; see :class:`backprop_bench.data.DividesSteps`."""
        inputs, targets, indices = self.tensor(x), self.tensor(t), torch.from_numpy(examples)
        kept: dict[str, Any] = {}

        def fetch() -> None:
            kept["x"], kept["t"] = inputs[indices], targets[indices]

        def forward() -> None:
            kept["y"] = self.forward(kept["x"])
            self._loss(kept["y"][-1], kept["t"])

        def backward() -> None:
            kept["dz"] = self.backward(kept["y"], kept["t"])

        return {
            "fetch": fetch,
            "forward": forward,
            "backward": backward,
            "update": lambda: self.update(kept["y"], kept["dz"]),
        }
