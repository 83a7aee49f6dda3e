"""`scratch-numpy`: the readable reference. Each line carries the number of its equation in docs/derivation.md."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from backprop_bench.data import (
    ExtendedRecipe,
    Floats,
    Layer,
    Order,
    Parameters,
    Recipe,
    StepParts,
    Trace,
    assign_parameters,
    connections,
    copy_parameters,
    dropout_masks,
    epoch_of,
)
from backprop_bench.scratch.activations import ACTIVATIONS, DERIVATIVES, leaky_relu
from backprop_bench.scratch.bfloat16 import mixed_product
from backprop_bench.scratch.losses import loss_of
from backprop_bench.scratch.optimizers import decayed_by, optimizer_of


@dataclasses.dataclass(frozen=True)
class Forward:
    """What the forward pass leaves for the backward pass; B examples.

    Attributes
    ----------
    z
        Pre-activations [B, J] of the units, one array per layer of weights.
    y
        Activations [B, J], one more: ``y[0]`` are the inputs of the network, ``y[-1]`` its outputs.
    fed
        What each layer of weights was multiplied by [B, I]: the activations below it, and beside those of the last
        hidden layer the inputs of the network where the recipe has input-output skip connections.
    masks
        Of dropout, [B, J] for every hidden layer; none without it.
    """

    z: list[Floats]
    y: list[Floats]
    fed: list[Floats]
    masks: tuple[Floats, ...]


@dataclasses.dataclass(frozen=True)
class Backward:
    """What the backward pass computes, one entry per layer of weights.

    Attributes
    ----------
    dy
        dE/dy [B, J] of the units, ``None`` for outputs whose loss gives dE/dz at once.
    dz
        dE/dz [B, J].
    gradients
        dE/dW [I, J] and dE/db [J].
    """

    dy: list[Floats | None]
    dz: list[Floats]
    gradients: Parameters


class NumpyTrainer:
    """A multilayer perceptron of any depth in plain NumPy, by the paper's equations."""

    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        self.recipe = ExtendedRecipe.of(recipe)
        self.layers = copy_parameters(parameters)
        self.connected = connections(recipe)
        if self.connected is not None:
            self.layers[0].weight[...] *= self.connected  # (28)
        n_hidden = len(self.layers) - 1
        hidden, self.derivative = ACTIVATIONS[recipe.hidden_activation], DERIVATIVES[recipe.hidden_activation]
        if self.recipe.negative_slope:
            hidden, self.derivative = leaky_relu(self.recipe.negative_slope)
        self.activations = [hidden] * n_hidden + [ACTIVATIONS[recipe.output_activation]]
        self.loss, self.dloss = loss_of(recipe)
        is_mixed = self.recipe.mixed_precision and recipe.dtype == "float32"
        self.product: Callable[[Floats, Floats], Floats] = mixed_product if is_mixed else np.matmul  # (47)
        self.sends_errors = self.recipe.back_propagation == "errors"
        arrays = [array for layer in self.layers for array in layer.arrays()]
        self.penalized = decayed_by(self.recipe, arrays) if self.recipe.penalty_in_loss else []
        self.optimizer = optimizer_of(recipe, arrays)
        self.epoch = self.n_updates = self.n_visited = 0

    def masks(self, n_examples: int) -> tuple[Floats, ...]:
        """Return the masks of dropout [B, J] for the next batch; none without dropout."""
        return dropout_masks(self.recipe, self.n_updates, n_examples) if self.recipe.dropout else ()

    def forward(self, x: Floats, masks: tuple[Floats, ...] = ()) -> Forward:
        """Compute the activations of all layers from inputs x [B, D], with the masks of dropout or without."""
        z: list[Floats] = []
        y, fed = [x], []
        for layer, activation in zip(self.layers, self.activations, strict=True):
            skips = self.recipe.skip_connection and layer is self.layers[-1]
            has_mask = bool(masks) and len(y) > 1
            below = y[-1] * masks[len(y) - 2] if has_mask else y[-1]  # (45)
            fed.append(np.hstack((below, x)) if skips else below)  # (27)
            total = self.product(fed[-1], layer.weight)  # (1)
            if layer.bias is not None:
                total += layer.bias  # (1)
            z.append(total)
            y.append(activation(total))
        return Forward(z, y, fed, masks)

    def backward(self, forward: Forward, t: Floats) -> Backward:
        """Compute dE/dw of the batch from its activations and its targets t [B, C]."""
        dy, dz = self.dloss(forward.y[-1], t)
        if self.recipe.reduction == "mean":
            dy, dz = None if dy is None else dy / len(t), dz / len(t)  # (26)
        dys, dzs = [dy], [dz]
        for layer in range(len(self.layers) - 1, 0, -1):
            if self.sends_errors and dy is not None:
                dy = self.product(dy, self.layers[layer].weight.T)  # (34)
            else:
                dy = self.product(dz, self.layers[layer].weight.T)  # (7)
            if self.recipe.skip_connection:
                dy = dy[:, : forward.y[layer].shape[1]]  # (27), without those of the inputs
            if forward.masks:
                dy = dy * forward.masks[layer - 1]  # (46)
            dz = dy * self.derivative(forward.y[layer])  # (5)
            dys.insert(0, dy)
            dzs.insert(0, dz)
        gradients = tuple(map(self._gradient, forward.fed, dzs))
        if self.connected is not None:
            gradients[0].weight[...] *= self.connected  # (28)
        if self.penalized:
            for g, w in zip([array for layer in gradients for array in layer.arrays()], self.penalized, strict=True):
                g += self.recipe.weight_decay * w  # (36)
        return Backward(dys, dzs, gradients)

    def _gradient(self, y: Floats, dz: Floats) -> Layer:
        return Layer(
            weight=self.product(y.T, dz),  # (6)
            bias=dz.sum(axis=0) if self.recipe.bias else None,  # (6), for a unit whose y is always 1
        )

    def penalty(self, n_examples: int) -> float:
        """Return the part of a batch's loss, summed over its examples, that the weights alone make."""
        times = 1 if self.recipe.reduction == "sum" else n_examples
        return times * self.recipe.weight_decay / 2 * sum(float(np.square(w).sum()) for w in self.penalized)  # (36)

    def update(self, backward: Backward) -> None:
        """Update the weights by the gradients."""
        self.optimizer.step([array for layer in backward.gradients for array in layer.arrays()])
        self.n_updates += 1

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        """Pass once over the examples; see :class:`backprop_bench.data.Trainer`."""
        self.epoch = epoch_of(self.recipe, self.n_visited, len(x))
        self.n_visited += len(order)
        if self.recipe.changes_rates:
            self.optimizer.set_rates(*self.recipe.rates(self.epoch))  # (29) (42)
        batch_size = self.recipe.batch_size or len(order)
        loss = 0.0
        with np.errstate(all="ignore"):  # a run that diverges is seen by its loss
            for start in range(0, len(order), batch_size):
                examples = order[start : start + batch_size]
                targets = t[examples]
                forward = self.forward(x[examples], self.masks(len(examples)))
                if self.penalized:
                    loss += self.penalty(len(examples))
                loss += self.loss(forward.z[-1], forward.y[-1], targets)
                self.update(self.backward(forward, targets))
        return loss / len(order)

    def gradients(self, x: Floats, t: Floats) -> Parameters:
        """Return dE/dw of one batch; see :class:`backprop_bench.data.Trainer`."""
        with np.errstate(all="ignore"):
            return self.backward(self.forward(x, self.masks(len(x))), t).gradients

    def trace(self, x: Floats, t: Floats) -> Trace:
        """Return every intermediate quantity of one batch; see :class:`backprop_bench.data.Traces`."""
        with np.errstate(all="ignore"):
            forward = self.forward(x, self.masks(len(x)))
            backward = self.backward(forward, t)
        return Trace(forward.z, forward.y[1:], backward.dy, backward.dz, backward.gradients)

    def predict(self, x: Floats) -> Floats:
        """Return the outputs [N, C]."""
        with np.errstate(all="ignore"):
            return self.forward(x).y[-1]

    def parameters(self) -> Parameters:
        """Return copies of the weights."""
        return copy_parameters(self.layers)

    def set_parameters(self, parameters: Parameters) -> None:
        """Go on from these weights; the optimizer keeps its state."""
        assign_parameters(self.layers, parameters)

    def step_parts(self, x: Floats, t: Floats, examples: Order) -> StepParts:
        """Return the parts of one step; see :class:`backprop_bench.data.DividesSteps`."""
        kept: dict[str, Any] = {}

        def fetch() -> None:
            kept["x"], kept["t"] = x[examples], t[examples]

        def forward() -> None:
            kept["forward"] = self.forward(kept["x"], self.masks(len(examples)))
            self.loss(kept["forward"].z[-1], kept["forward"].y[-1], kept["t"])

        def backward() -> None:
            kept["backward"] = self.backward(kept["forward"], kept["t"])

        return {
            "fetch": fetch,
            "forward": forward,
            "backward": backward,
            "update": lambda: self.update(kept["backward"]),
        }
