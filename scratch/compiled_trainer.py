"""`scratch-compiled`: loops in machine code that leave out the zeros of the input.

Nothing is multiplied by a zero input, which most pixels are. For a batch of up to 64 examples no gradient of all
weights is formed: each weight is changed by what its examples have to say; larger batches sum theirs. That needs an
optimizer that leaves the weights of a zero input alone: plain gradient descent. A whole call of `train_epoch` is one
call of compiled code, in every thread.
"""

import concurrent.futures
import itertools
import os
import threading
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from numba.core import config

from backprop_bench.data import Floats, Layer, Order, Parameters, Recipe, StepParts, UnsupportedRecipe, check_plain
from backprop_bench.scratch import compiled_kernels as kernels
from backprop_bench.scratch.compiled_kernels import LANES, LINE_BYTES, WORD, Network, Room, Rules

PREDICTED = 256
"""Examples that are predicted together."""
THREADS = int(vars(config)["NUMBA_NUM_THREADS"]) if os.name == "posix" else 1
"""As many as Numba is told to have, by NUMBA_NUM_THREADS, or as there are cores; they wait for each other by a call of
POSIX."""
EXAMPLES_EACH = 16
"""Of a batch, the fewest for which another thread is worth waiting for."""
START_S = 10.0


def rounded_up(n: int, multiple: int = LANES) -> int:
    """Return the next multiple."""
    return -(-n // multiple) * multiple


def zeros(n: int, dtype: str) -> npt.NDArray[Any]:
    """Return so many zeros that begin at a cache line, [n]."""
    n_bytes = n * np.dtype(dtype).itemsize
    raw = np.zeros(n_bytes + LINE_BYTES, np.uint8)
    start = -raw.ctypes.data % LINE_BYTES
    aligned: npt.NDArray[Any] = raw[start : start + n_bytes].view(dtype)
    return aligned


def threads_for(recipe: Recipe) -> int:
    """Return how many threads have enough to do."""
    at_once = min(recipe.batch_size or WORD, WORD)
    return max(1, min(THREADS, at_once // EXAMPLES_EACH, rounded_up(recipe.layer_sizes[1]) // LANES))


def network_of(recipe: Recipe, parameters: Parameters, shares: int) -> Network:
    """Return copies of the weights as the loops want them."""
    widths = recipe.layer_sizes[1:]
    padded = [rounded_up(width) for width in widths]
    w = zeros(recipe.layer_sizes[0] * padded[0], recipe.dtype)
    blocks = zeros(sum(rows * columns for rows, columns in zip(widths[1:], padded, strict=False)), recipe.dtype)
    biases = zeros(sum(padded), recipe.dtype)
    network = Network(w, blocks, biases, np.array(widths), np.array(padded), shares)
    first, *above = parameters
    for columns, share in shares_of_first(network):
        share[:, : columns.stop - columns.start] = first.weight[:, columns]
    for layer, block in zip(above, weights_above(network), strict=True):
        block[:, : layer.weight.shape[0]] = layer.weight.T
    for layer, bias in zip(parameters, biases_of(network), strict=True):
        if layer.bias is not None:
            bias[:] = layer.bias
    return network


def shares_of_first(network: Network) -> list[tuple[slice, Floats]]:
    """Return each share of the first layer: the columns of its weights [D, J] that it has, and these, not copied."""
    found = []
    for share in range(network.shares):
        low, high = kernels.units_of(share, network)
        columns = slice(low, min(high, int(network.widths[0])))
        found.append((columns, kernels.weights_of(share, network)))
    return found


def weights_above(network: Network) -> list[Floats]:
    """Return the weights of the layers above the first, [J, P] each, not copied."""
    sizes = [(int(rows), int(columns)) for rows, columns in zip(network.widths[1:], network.padded, strict=False)]
    ends = list(itertools.accumulate(rows * columns for rows, columns in sizes))
    return [
        network.above[end - rows * columns : end].reshape(rows, columns)
        for end, (rows, columns) in zip(ends, sizes, strict=True)
    ]


def biases_of(network: Network) -> list[Floats]:
    """Return the biases of every layer, [J] each, not copied."""
    starts = [0, *itertools.accumulate(map(int, network.padded))]
    return [network.biases[start : start + int(width)] for start, width in zip(starts, network.widths, strict=False)]


def room_for(recipe: Recipe, n_examples: int) -> Room:
    """Return room for so many examples."""
    first, *widths = recipe.layer_sizes
    padded = [rounded_up(width) for width in widths]
    words = rounded_up(rounded_up(first, WORD) // WORD)
    return Room(
        starts=np.empty(n_examples, np.int64),
        masks=zeros(n_examples * words, "uint64").reshape(n_examples, words),
        y=zeros(n_examples * sum(padded), recipe.dtype),
        dz=zeros(n_examples * sum(padded), recipe.dtype),
        by_input=zeros(WORD * words, "uint64").reshape(WORD, words),
        gradient=zeros(max(padded), recipe.dtype),
        factors=zeros(n_examples, recipe.dtype),
    )


SHARED = ("y", "dz")
"""Of a room, what all threads have together."""


def rooms_for(recipe: Recipe, n_examples: int, n_threads: int) -> list[Room]:
    """Return the room of every thread for so many examples in a batch."""
    first, *others = (room_for(recipe, n_examples) for _ in range(n_threads))
    return [first, *(room._replace(**{name: getattr(first, name) for name in SHARED}) for room in others)]


class Threads:
    """Threads that all begin to work when they are given something to do, and sleep otherwise.

    Parameters
    ----------
    n
        How many; raises `RuntimeError` where the system does not give as many.
    """

    def __init__(self, n: int) -> None:
        self.n = n
        self.pool = concurrent.futures.ThreadPoolExecutor(n)
        there = threading.Barrier(n)
        for started in [self.pool.submit(there.wait, START_S) for _ in range(n)]:
            started.result()

    def train(self, rooms: Sequence[Room], *rest: Any) -> float:
        """Return the loss of :func:`backprop_bench.scratch.compiled_kernels.train_share`, summed over the threads."""
        arrived = np.zeros(1, np.int64)
        shares = [
            self.pool.submit(lambda given: kernels.train_share(*given), (number, arrived, *rest, room))
            for number, room in enumerate(rooms)
        ]
        return sum(float(share.result()) for share in shares)


Array = TypeVar("Array", Floats, Order)


def read_only(array: Array) -> Array:
    """Return an array that compiled code sees as one that it may not write to: so there is one version for all."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


class CompiledTrainer:
    """A multilayer perceptron of any depth in compiled loops, on all cores that it may have."""

    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        reason = "it changes weights whose input is zero, which are left out here"
        if recipe.optimizer != "sgd":
            raise UnsupportedRecipe("scratch-compiled", "optimizer", f"{reason}; it does sgd")
        if recipe.weight_decay:
            raise UnsupportedRecipe("scratch-compiled", "weight_decay", f"{reason}; it does 0")
        check_plain("scratch-compiled", recipe)
        self.recipe = recipe
        self.network = network_of(recipe, parameters, threads_for(recipe))
        self.rules = Rules(
            hidden=kernels.KINDS[recipe.hidden_activation],
            output=kernels.KINDS[recipe.output_activation],
            squared=recipe.loss == "squared_error",
            mean=recipe.reduction == "mean",
            bias=recipe.bias,
            rate=np.dtype(recipe.dtype).type(recipe.learning_rate),
            one=np.dtype(recipe.dtype).type(1),
        )
        self.gradient: Network | None = None
        self.rooms: list[Room] = []
        self.threads: dict[int, Threads] = {}
        """By how many there are."""

    def _gradient(self, size: int) -> Network:
        """Return where the gradient of a batch of so many examples is summed, if it needs that."""
        if size > WORD and self.gradient is None:
            zero = tuple(
                Layer(np.zeros_like(layer.weight), None if layer.bias is None else np.zeros_like(layer.bias))
                for layer in self.parameters()
            )
            self.gradient = network_of(self.recipe, zero, self.network.shares)
        return self.gradient or self.network

    def _rooms(self, n_examples: int, n_threads: int = 1) -> list[Room]:
        """Return rooms for batches of so many examples, the same every time unless more is needed."""
        if len(self.rooms) < n_threads or len(self.rooms[0].masks) < n_examples:
            self.rooms = rooms_for(self.recipe, n_examples, n_threads)
        return self.rooms[:n_threads]

    def _threads(self, n: int) -> Threads:
        """Return so many threads, the same every time unless another number is needed."""
        if n not in self.threads:
            self.threads[n] = Threads(n)
        return self.threads[n]

    def _check(self, x: Floats, t: Floats) -> None:
        """Raise `ValueError` for arrays of another shape than the recipe's: compiled code does not look at that."""
        expected = (len(x), self.recipe.layer_sizes[0]), (len(x), self.recipe.layer_sizes[-1])
        if (x.shape, t.shape) != expected:
            raise ValueError(f"x and t have shapes {x.shape} and {t.shape}, expected {expected[0]} and {expected[1]}")

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        """Pass once over the examples; see :class:`backprop_bench.data.Trainer`."""
        self._check(x, t)
        if order.min() < 0 or order.max() >= len(x):
            raise IndexError(f"the order names examples from {order.min()} to {order.max()}, of {len(x)}")
        size = min(self.recipe.batch_size or len(order), len(order))
        n_threads = self.network.shares
        rooms = self._rooms(min(size, WORD), n_threads)
        given = read_only(x), read_only(t), read_only(order), size, self.network, self._gradient(size), self.rules
        if n_threads == 1:
            loss = float(kernels.train_share(0, np.zeros(1, np.int64), *given, rooms[0]))
        else:
            loss = self._threads(n_threads).train(rooms, *given)
        return loss / len(order)

    def _run(self, x: Floats, examples: Order, following: Order, room: Room) -> None:
        """Compute the activations of the hidden layers and z of the output layer of some examples into the room.

        Meanwhile those that follow are fetched.
        """
        inputs = read_only(x)
        kernels.find_nonzeros(0, len(examples), inputs, read_only(examples), room)
        kernels.forward(inputs, len(examples), read_only(following), self.network, self.rules, room)

    def _rows(self, flat: Floats, n_examples: int, room: Room) -> list[Floats]:
        """Return what y or dz of the room have for every layer, [B, J]."""
        layers = range(len(self.network.widths))
        rows = (kernels.rows_of_layer(flat, layer, n_examples, self.network, room) for layer in layers)
        return [row[:, : int(width)] for row, width in zip(rows, self.network.widths, strict=True)]

    def gradients(self, x: Floats, t: Floats) -> Parameters:
        """Return dE/dw of one batch; see :class:`backprop_bench.data.Trainer`."""
        self._check(x, t)
        room, examples = room_for(self.recipe, len(x)), np.arange(len(x))
        self._run(x, examples, examples[:0], room)
        kernels.backward(0, len(x), len(x), read_only(t), read_only(examples), self.network, self.rules, room)
        y, dz = (self._rows(flat, len(x), room) for flat in (room.y, room.dz))
        with np.errstate(all="ignore"):
            return tuple(
                Layer(below.T @ d, d.sum(axis=0) if self.recipe.bias else None)
                for below, d in zip((x, *y[:-1]), dz, strict=True)
            )

    def predict(self, x: Floats) -> Floats:
        """Return the outputs [N, C]."""
        found = np.empty((len(x), self.recipe.layer_sizes[-1]), self.recipe.dtype)
        room, examples = room_for(self.recipe, min(PREDICTED, len(x))), np.arange(len(x))
        for start in range(0, len(x), PREDICTED):
            end = min(start + PREDICTED, len(x))
            self._run(x, examples[start:end], examples[end : end + PREDICTED], room)
            found[start:end] = self._outputs(self._rows(room.y, end - start, room)[-1])
        return found

    def _outputs(self, z: Floats) -> Floats:
        if self.rules.output == kernels.SOFTMAX:
            e = np.exp(z - z.max(axis=1, keepdims=True))
            found: Floats = np.divide(e, e.sum(axis=1, keepdims=True))
            return found
        y = np.ascontiguousarray(z)
        kernels.activate(self.rules.output, y, y.shape[1])
        return y

    def parameters(self) -> Parameters:
        """Return copies of the weights."""
        first = np.empty((self.recipe.layer_sizes[0], int(self.network.widths[0])), self.recipe.dtype)
        for columns, share in shares_of_first(self.network):
            first[:, columns] = share[:, : columns.stop - columns.start]
        above = [
            v[:, : int(below)].T for v, below in zip(weights_above(self.network), self.network.widths, strict=False)
        ]
        biases = biases_of(self.network)
        return tuple(
            Layer(np.array(weight, order="C"), bias.copy() if self.recipe.bias else None)
            for weight, bias in zip([first, *above], biases, strict=True)
        )

    def step_parts(self, x: Floats, t: Floats, examples: Order) -> StepParts:
        """Return the parts of one step, in one thread; the loss is part of the way back.

        See :class:`backprop_bench.data.DividesSteps`.
        """
        (room,) = self._rooms(len(examples))
        n_examples = len(examples)
        inputs, targets, order = read_only(x), read_only(t), read_only(examples)
        gradient, one, rate = self._gradient(n_examples), self.rules.one, self.rules.rate

        def add(begin: int, end: int, scale: Any, to: Network) -> None:
            for share in range(to.shares):
                kernels.add_gradient(share, begin, end, n_examples, inputs, scale, to, self.rules, room)

        def update() -> None:
            if n_examples <= WORD:
                add(0, n_examples, -rate, self.network)
                return
            for begin in range(0, n_examples, WORD):
                add(begin, min(begin + WORD, n_examples), one, gradient)
            for share in range(gradient.shares):
                kernels.descend(share, rate, gradient, self.network)

        return {
            "fetch": lambda: kernels.find_nonzeros(0, n_examples, inputs, order, room),
            "forward": lambda: kernels.forward(inputs, n_examples, order[:0], self.network, self.rules, room),
            "backward": lambda: kernels.backward(
                0, n_examples, n_examples, targets, order, self.network, self.rules, room
            ),
            "update": update,
        }
