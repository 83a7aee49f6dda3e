"""`scratch-compiled`: loops in machine code that leave out the zeros of the input.

Where many inputs are zero, as most pixels are, nothing is multiplied by them. Of a batch of up to 64 examples no
gradient of all weights is formed. Plain gradient descent adds the update of each example to the weights at once, and
leaves alone those of inputs that are zero. Other optimizers pass over all weights once a batch, and form the gradient
of some rows just before they update these. Larger batches sum their gradient. A whole call of `train_epoch` is one call
of compiled code, in every thread. The kernels are in :mod:`backprop_bench.scratch.compiled`.
"""

import concurrent.futures
import os
import threading
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from numba.core import config

from backprop_bench.data import (
    ExtendedRecipe,
    Floats,
    Layer,
    Order,
    Parameters,
    Recipe,
    StepParts,
    check_order,
    check_plain,
    epoch_of,
)
from backprop_bench.scratch.compiled.functions import SOFTMAX, activate
from backprop_bench.scratch.compiled.gradients import add_gradient, update_by_gradient
from backprop_bench.scratch.compiled.layers import backward, forward
from backprop_bench.scratch.compiled.layout import (
    assign,
    network_of,
    parameters_of,
    rounded_up,
    rule_of,
    settings_of,
    state_of,
    workspace_for,
    workspaces_for,
)
from backprop_bench.scratch.compiled.masks import WORD, find_nonzeros
from backprop_bench.scratch.compiled.network import Workspace, rows_of_layer
from backprop_bench.scratch.compiled.training import train_share
from backprop_bench.scratch.compiled.update import update_share
from backprop_bench.scratch.compiled.vectors import LANES

PREDICTED = 256
"""Examples that are predicted together."""
THREADS = int(vars(config)["NUMBA_NUM_THREADS"]) if os.name == "posix" else 1
"""As many as Numba is told to have, by NUMBA_NUM_THREADS, or as there are cores; they wait for each other by a call of
POSIX."""
EXAMPLES_EACH = 16
"""Of a batch, the fewest for which another thread is worth waiting for."""
START_S = 10.0
"""Seconds that threads have to start."""


def threads_for(recipe: Recipe) -> int:
    """Return how many threads have enough to do."""
    n_examples = min(recipe.batch_size or WORD, WORD)
    return max(1, min(THREADS, n_examples // EXAMPLES_EACH, rounded_up(recipe.layer_sizes[1]) // LANES))


class Threads:
    """Threads that all begin to work when they are given something to do, and sleep otherwise.

    Parameters
    ----------
    n_threads
        How many; raises `RuntimeError` where the system does not give as many.
    """

    def __init__(self, n_threads: int) -> None:
        self.pool = concurrent.futures.ThreadPoolExecutor(n_threads)
        barrier = threading.Barrier(n_threads)
        for started in [self.pool.submit(barrier.wait, START_S) for _ in range(n_threads)]:
            started.result()

    def train(self, workspaces: Sequence[Workspace], *rest: Any) -> float:
        """Return the loss of :func:`backprop_bench.scratch.compiled.training.train_share`, summed over the threads."""
        arrived = np.zeros(1, np.int64)
        losses = [
            self.pool.submit(lambda args: train_share(*args), (share, arrived, *rest, workspace))
            for share, workspace in enumerate(workspaces)
        ]
        return sum(float(loss.result()) for loss in losses)


Array = TypeVar("Array", Floats, Order)


def read_only(array: Array) -> Array:
    """Return an array that compiled code sees as one that it may not write to: so there is one version for all."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


class CompiledTrainer:
    """A multilayer perceptron of any depth in compiled loops, on all cores that it may have."""

    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        check_plain("scratch-compiled", recipe)
        self.recipe = ExtendedRecipe.of(recipe)
        self.network = network_of(recipe, parameters, threads_for(recipe))
        self.settings = settings_of(recipe)
        self.state = state_of(recipe, self.network)
        self.n_updates = self.n_visited = 0
        self.workspaces: list[Workspace] = []
        self.threads: dict[int, Threads] = {}
        """By how many there are."""

    def _workspaces(self, n_examples: int, n_threads: int = 1) -> list[Workspace]:
        """Return workspaces for batches of so many examples, the same every time unless more is needed."""
        if len(self.workspaces) < n_threads or len(self.workspaces[0].masks) < n_examples:
            self.workspaces = workspaces_for(self.recipe, n_examples, n_threads)
        return self.workspaces[:n_threads]

    def _threads(self, n_threads: int) -> Threads:
        """Return so many threads, the same every time unless another number is needed."""
        if n_threads not in self.threads:
            self.threads[n_threads] = Threads(n_threads)
        return self.threads[n_threads]

    def _check(self, x: Floats, t: Floats) -> None:
        """Raise `ValueError` for arrays of another shape than the recipe's: compiled code does not look at that."""
        expected = (len(x), self.recipe.layer_sizes[0]), (len(x), self.recipe.layer_sizes[-1])
        if (x.shape, t.shape) != expected:
            raise ValueError(f"x and t have shapes {x.shape} and {t.shape}, expected {expected[0]} and {expected[1]}")

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        """Pass once over the examples; see :class:`backprop_bench.data.Trainer`."""
        self._check(x, t)
        check_order(order, len(x))
        if self.recipe.changes_rates:
            epoch = epoch_of(self.recipe, self.n_visited, len(x))
            self.settings = self.settings._replace(rule=rule_of(self.recipe, epoch))
        self.n_visited += len(order)
        batch_size = min(self.recipe.batch_size or len(order), len(order))
        n_threads = self.network.n_shares
        in_workspace = max(2, min(batch_size, WORD))  # two: an example and the one that follows
        workspaces = self._workspaces(in_workspace, n_threads)
        data = read_only(x), read_only(t), read_only(order)
        rest = *data, batch_size, self.network, self.n_updates + 1, self.state, self.settings
        self.n_updates += -(-len(order) // batch_size)
        if n_threads == 1:
            loss = float(train_share(0, np.zeros(1, np.int64), *rest, workspaces[0]))
        else:
            loss = self._threads(n_threads).train(workspaces, *rest)
        return loss / len(order)

    def _forward(self, x: Floats, examples: Order, following: Order, workspace: Workspace) -> None:
        """Compute y of the hidden layers and z of the output layer of some examples into the workspace.

        Meanwhile those that follow are fetched.
        """
        inputs = read_only(x)
        find_nonzeros(inputs, read_only(examples), workspace)
        forward(inputs, len(examples), read_only(following), self.network, self.settings, workspace)

    def _rows(self, flat: Floats, n_examples: int, workspace: Workspace) -> list[Floats]:
        """Return the part of every layer in y or dz of the workspace, [B, J]."""
        layers = range(len(self.network.widths))
        rows = (rows_of_layer(flat, layer, n_examples, self.network, workspace) for layer in layers)
        return [row[:, : int(width)] for row, width in zip(rows, self.network.widths, strict=True)]

    def gradients(self, x: Floats, t: Floats) -> Parameters:
        """Return dE/dw of one batch; see :class:`backprop_bench.data.Trainer`."""
        self._check(x, t)
        n_examples = len(x)
        workspace, examples = workspace_for(self.recipe, n_examples), np.arange(n_examples)
        self._forward(x, examples, examples[:0], workspace)
        targets, order = read_only(t), read_only(examples)
        backward(0, n_examples, n_examples, targets, order, self.network, self.settings, workspace)
        ys, dzs = (self._rows(flat, n_examples, workspace) for flat in (workspace.y, workspace.dz))
        with np.errstate(all="ignore"):
            return tuple(
                Layer(y.T @ dz, dz.sum(axis=0) if self.recipe.bias else None)
                for y, dz in zip((x, *ys[:-1]), dzs, strict=True)
            )

    def predict(self, x: Floats) -> Floats:
        """Return the outputs [N, C]."""
        outputs = np.empty((len(x), self.recipe.layer_sizes[-1]), self.recipe.dtype)
        workspace, examples = workspace_for(self.recipe, min(PREDICTED, len(x))), np.arange(len(x))
        for start in range(0, len(x), PREDICTED):
            end = min(start + PREDICTED, len(x))
            self._forward(x, examples[start:end], examples[end : end + PREDICTED], workspace)
            outputs[start:end] = self._outputs(self._rows(workspace.y, end - start, workspace)[-1])
        return outputs

    def _outputs(self, z: Floats) -> Floats:
        """Return the output activations [B, C] of pre-activations z."""
        if self.settings.output == SOFTMAX:
            e = np.exp(z - z.max(axis=1, keepdims=True))
            softmax: Floats = np.divide(e, e.sum(axis=1, keepdims=True))
            return softmax
        y = np.ascontiguousarray(z)
        activate(self.settings.output, y, y.shape[1])
        return y

    def parameters(self) -> Parameters:
        """Return copies of the weights."""
        return parameters_of(self.recipe, self.network)

    def set_parameters(self, parameters: Parameters) -> None:
        """Go on from these weights; the optimizer keeps its state."""
        assign(self.network, parameters)

    def step_parts(self, x: Floats, t: Floats, examples: Order) -> StepParts:
        """Return the parts of one step, in one thread; the loss is part of the backward pass.

        See :class:`backprop_bench.data.DividesSteps`.
        """
        n_examples = len(examples)
        most = self.recipe.batch_size or n_examples
        if n_examples > most:
            raise ValueError(f"a step on {n_examples} examples, expected at most the {most} of a batch")
        (workspace,) = self._workspaces(n_examples)
        inputs, targets, order = read_only(x), read_only(t), read_only(examples)
        network, settings = self.network, self.settings
        return {
            "fetch": lambda: find_nonzeros(inputs, order, workspace),
            "forward": lambda: forward(inputs, n_examples, order[:0], network, settings, workspace),
            "backward": lambda: backward(0, n_examples, n_examples, targets, order, network, settings, workspace),
            "update": lambda: self._update(inputs, n_examples, workspace),
        }

    def _update(self, x: Floats, n_examples: int, workspace: Workspace) -> None:
        """Update the weights by the gradient of the examples in the workspace; x [N, D]."""
        network, state, settings = self.network, self.state, self.settings
        self.n_updates += 1
        shares = range(network.n_shares)
        if n_examples <= WORD and settings.rule.leaves_zeros:
            scale = network.first.dtype.type(-settings.rule.learning_rate)
            for share in shares:
                add_gradient(share, 0, n_examples, n_examples, x, scale, network, settings, workspace)
        elif n_examples <= WORD:
            for share in shares:
                update_by_gradient(share, n_examples, x, self.n_updates, network, state, settings, workspace)
        else:
            for share in shares:
                for begin in range(0, n_examples, WORD):
                    end = min(begin + WORD, n_examples)
                    add_gradient(share, begin, end, n_examples, x, settings.one, state.gradient, settings, workspace)
            for share in shares:
                update_share(share, self.n_updates, network, state, settings.rule)
