"""`scratch-inplace`: NumPy without temporaries. What a step needs is allocated once, and written to again and again.

It does what `scratch-numpy` does, operation by operation. Plain gradient descent is the exception: there the gradient
of a layer is never formed, for one call of BLAS adds −ε yᵀ dz to the weights. Where a bias is added to every example,
NumPy's iterator takes a buffer of its own, of 8,192 numbers at most.
"""

import dataclasses
from typing import Self

import numpy as np
from scipy.linalg import blas

from backprop_bench.data import (
    Floats,
    Layer,
    Order,
    Parameters,
    Recipe,
    StepParts,
    assign_parameters,
    check_order,
    check_plain,
    copy_parameters,
)
from backprop_bench.scratch.inplace_functions import ACTIVATIONS, DERIVATIVES, Output, activate_output, loss_of
from backprop_bench.scratch.inplace_optimizers import optimizer_of


@dataclasses.dataclass(frozen=True)
class Workspace:
    """Arrays for the forward and the backward pass of B examples; J units in a layer.

    Attributes
    ----------
    x, t
        Inputs [B, D] and targets [B, C].
    y, dz, spare
        By hidden layer, [B, J]: activations, dE/dz and intermediate results.
    output
        The same of the output layer.
    """

    x: Floats
    t: Floats
    y: tuple[Floats, ...]
    dz: tuple[Floats, ...]
    spare: tuple[Floats, ...]
    output: Output

    @classmethod
    def allocate(cls, recipe: Recipe, n_examples: int) -> Self:
        """Return arrays for so many examples."""
        first, *hidden, last = recipe.layer_sizes

        def empty(width: int) -> Floats:
            return np.empty((n_examples, width), recipe.dtype)

        def hidden_layers() -> tuple[Floats, ...]:
            return tuple(map(empty, hidden))

        output = Output(empty(last), empty(last), empty(last), empty(last), empty(1))
        return cls(empty(first), empty(last), hidden_layers(), hidden_layers(), hidden_layers(), output)

    def first(self, n_examples: int) -> "Workspace":
        """Return the same arrays cut to their first examples."""

        def cut(arrays: tuple[Floats, ...]) -> tuple[Floats, ...]:
            return tuple(array[:n_examples] for array in arrays)

        output = Output(*cut((self.output.z, self.output.y, self.output.dz, self.output.spare, self.output.row)))
        x, t = cut((self.x, self.t))
        return Workspace(x, t, cut(self.y), cut(self.dz), cut(self.spare), output)


class InplaceTrainer:
    """A multilayer perceptron of any depth in NumPy, without temporaries."""

    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        check_plain("scratch-inplace", recipe)
        self.recipe = recipe
        self.layers = copy_parameters(parameters)
        self.activate = ACTIVATIONS[recipe.hidden_activation]
        self.times_derivative = DERIVATIVES[recipe.hidden_activation]
        self.loss = loss_of(recipe)
        self.fused = recipe.optimizer == "sgd" and not recipe.weight_decay
        self.gemm = blas.sgemm if recipe.dtype == "float32" else blas.dgemm
        self.dweight = () if self.fused else tuple(np.empty_like(layer.weight) for layer in self.layers)
        self.dbias = tuple(np.empty_like(layer.bias) for layer in self.layers if layer.bias is not None)
        self.optimizers = [[optimizer_of(recipe, array) for array in layer.arrays()] for layer in self.layers]
        self.workspaces: dict[int, Workspace] = {}
        """By number of examples: of a whole batch, and the same cut for a short one."""

    def workspace(self, n_examples: int) -> Workspace:
        """Return arrays for so many examples, the same ones every time."""
        if n_examples not in self.workspaces:
            largest = max(self.workspaces, default=0)
            if n_examples > largest:
                self.workspaces = {n_examples: Workspace.allocate(self.recipe, n_examples)}
            else:
                self.workspaces[n_examples] = self.workspaces[largest].first(n_examples)
        return self.workspaces[n_examples]

    def forward(self, workspace: Workspace) -> None:
        """Compute the activations of the hidden layers, and z of the output layer."""
        y = workspace.x
        for layer, z in zip(self.layers, (*workspace.y, workspace.output.z), strict=True):
            np.matmul(y, layer.weight, out=z)
            if layer.bias is not None:
                np.add(z, layer.bias, out=z)
            if z is not workspace.output.z:
                self.activate(z, z)
            y = z

    def backward(self, workspace: Workspace) -> None:
        """Compute dE/dz of the hidden layers from that of the output layer."""
        if self.recipe.reduction == "mean":
            np.divide(workspace.output.dz, len(workspace.t), out=workspace.output.dz)
        above = workspace.output.dz
        for number in range(len(workspace.y) - 1, -1, -1):
            dz = workspace.dz[number]
            np.matmul(above, self.layers[number + 1].weight.T, out=dz)
            self.times_derivative(dz, workspace.y[number], workspace.spare[number])
            above = dz

    def update(self, workspace: Workspace) -> None:
        """Update the weights of every layer."""
        ys, dzs = (workspace.x, *workspace.y), (*workspace.dz, workspace.output.dz)
        for number, (layer, y, dz) in enumerate(zip(self.layers, ys, dzs, strict=True)):
            optimizers = self.optimizers[number]
            if self.fused:
                self.descend(layer.weight, y, dz)
            else:
                np.matmul(y.T, dz, out=self.dweight[number])
                optimizers[0].step(self.dweight[number])
            if layer.bias is not None:
                np.sum(dz, axis=0, out=self.dbias[number])
                optimizers[1].step(self.dbias[number])

    def descend(self, w: Floats, y: Floats, dz: Floats) -> None:
        """Add −ε yᵀ dz to the weights [I, J]; their transpose lies as Fortran has it, so that nothing is copied."""
        self.gemm(-self.recipe.learning_rate, dz.T, y.T, 1.0, w.T, trans_b=True, overwrite_c=True)

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        """Pass once over the examples; see :class:`backprop_bench.data.Trainer`."""
        check_order(order, len(x))
        batch_size = self.recipe.batch_size or len(order)
        loss = 0.0
        self.workspace(min(batch_size, len(order)))
        with np.errstate(all="ignore"):  # a run that diverges is seen by its loss
            for start in range(0, len(order), batch_size):
                examples = order[start : start + batch_size]
                workspace = self.workspace(len(examples))
                self.fetch(workspace, x, t, examples)
                self.forward(workspace)
                loss += self.loss(workspace.output, workspace.t)
                self.backward(workspace)
                self.update(workspace)
        return loss / len(order)

    def fetch(self, workspace: Workspace, x: Floats, t: Floats, examples: Order) -> None:
        """Copy the examples to the workspace; the mode is the one in which NumPy needs no buffer of its own."""
        np.take(x, examples, axis=0, out=workspace.x, mode="clip")
        np.take(t, examples, axis=0, out=workspace.t, mode="clip")

    def gradients(self, x: Floats, t: Floats) -> Parameters:
        """Return dE/dw of one batch; see :class:`backprop_bench.data.Trainer`."""
        workspace = self.workspace_of(x)
        with np.errstate(all="ignore"):
            self.forward(workspace)
            self.loss(workspace.output, t)
            self.backward(workspace)
            ys, dzs = (x, *workspace.y), (*workspace.dz, workspace.output.dz)
            return tuple(
                Layer(y.T @ dz, dz.sum(axis=0) if self.recipe.bias else None) for y, dz in zip(ys, dzs, strict=True)
            )

    def workspace_of(self, x: Floats) -> Workspace:
        """Return arrays of their own for these examples, whose inputs are not copied."""
        return dataclasses.replace(Workspace.allocate(self.recipe, len(x)), x=x)

    def predict(self, x: Floats) -> Floats:
        """Return the outputs [N, C]."""
        workspace = self.workspace_of(x)
        with np.errstate(all="ignore"):
            self.forward(workspace)
            activate_output(self.recipe, workspace.output.z)
        return workspace.output.z

    def parameters(self) -> Parameters:
        """Return copies of the weights."""
        return copy_parameters(self.layers)

    def set_parameters(self, parameters: Parameters) -> None:
        """Go on from these weights; the optimizer keeps its state."""
        assign_parameters(self.layers, parameters)

    def step_parts(self, x: Floats, t: Floats, examples: Order) -> StepParts:
        """Return the parts of one step; see :class:`backprop_bench.data.DividesSteps`."""
        workspace = self.workspace(len(examples))

        def forward() -> None:
            self.forward(workspace)
            self.loss(workspace.output, workspace.t)

        return {
            "fetch": lambda: self.fetch(workspace, x, t, examples),
            "forward": forward,
            "backward": lambda: self.backward(workspace),
            "update": lambda: self.update(workspace),
        }
