"""Parts of a training step in NumPy, each timed alone: see :mod:`backprop_bench.bench.explain.chain_plan`.

As in :mod:`backprop_bench.bench.core.baselines.products`, they have the interface of an implementation and train
nothing. Their operands are the same arrays in every step, filled so that no number becomes subnormal or infinite.
"""

import functools
import itertools
from collections.abc import Callable

import numpy as np

from backprop_bench.bench.core.baselines.products import NumpyProducts
from backprop_bench.data import Floats, Order, Parameters, Recipe, UnsupportedRecipe
from backprop_bench.scratch.optimizers import optimizer_of

STEP = {"hidden_activation": "sigmoid", "output_activation": "softmax", "reduction": "mean", "bias": True}
"""Fields that the recipe must have for its step to be split into parts."""


class Calls:
    """Calls of functions that return an array each, in the order of a training step.

    Parameters
    ----------
    fresh
        Whether every call allocates its result, as in a trainer; otherwise results are preallocated.
    """

    def __init__(self, fresh: bool) -> None:
        self.fresh = fresh
        self.made: list[Callable[[], object]] = []

    def add(self, function: Callable[..., object], *arguments: object, out: object, **options: object) -> None:
        """Add a call whose result a trainer allocates."""
        preallocated: dict[str, object] = {} if self.fresh else {"out": out}
        self.made.append(functools.partial(function, *arguments, **options, **preallocated))

    def add_plain(self, function: Callable[..., object], *arguments: object, **options: object) -> None:
        """Add a call that is the same with and without allocation."""
        self.made.append(functools.partial(function, *arguments, **options))


class NumpyElementwise(NumpyProducts):
    """All of a step of `scratch-numpy` but matrix products, loading and weight update; nothing is allocated.

    A hidden layer takes 9 calls and the output layer 17, those of the loss included.
    """

    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        for field, value in STEP.items():
            if getattr(recipe, field) != value:
                raise UnsupportedRecipe("the split of a step into parts", field, f"expected {value!r}")
        super().__init__(recipe, parameters)

    def prepare(self, n_examples: int) -> list[Callable[[], object]]:
        """Return the calls for so many examples."""
        calls = Calls(fresh=False)
        self.add_elementwise(calls, n_examples)
        return calls.made

    def add_elementwise(self, calls: Calls, n_examples: int) -> None:
        """Add the calls of every layer."""
        *hidden, last = self.recipe.layer_sizes[1:]
        for width in hidden:
            self.add_hidden(calls, n_examples, width)
        self.add_output(calls, n_examples, last)

    def add_hidden(self, calls: Calls, n_examples: int, width: int) -> None:
        """Add bias, sigmoid, its derivative, and the sum that is dE/db; a bias of 0 does not change z."""
        z, y, dy, dz, spare = (self.array(n_examples, width) for _ in range(5))
        bias, dbias = np.zeros(width, self.recipe.dtype), self.array(width)
        calls.add_plain(np.add, z, bias, out=z)
        calls.add(np.negative, z, out=spare)
        calls.add(np.exp, spare, out=spare)
        calls.add(np.add, 1, spare, out=spare)
        calls.add(np.divide, 1, spare, out=y)
        calls.add(np.subtract, 1, y, out=spare)
        calls.add(np.multiply, y, spare, out=spare)
        calls.add(np.multiply, dy, spare, out=dz)
        calls.add(dz.sum, axis=0, out=dbias)

    def add_output(self, calls: Calls, n_examples: int, width: int) -> None:
        """Add bias, softmax, the loss, dE/dz, and the sum that is dE/db."""
        z, y, t, dz, spare = (self.array(n_examples, width) for _ in range(5))
        row, dbias = self.array(n_examples, 1), self.array(width)
        bias, total = np.zeros(width, self.recipe.dtype), np.zeros((), self.recipe.dtype)
        calls.add_plain(np.add, z, bias, out=z)
        calls.add(z.max, axis=1, keepdims=True, out=row)
        calls.add(np.subtract, z, row, out=spare)
        calls.add(np.exp, spare, out=y)
        calls.add(y.sum, axis=1, keepdims=True, out=row)
        calls.add(np.divide, y, row, out=y)
        calls.add(z.max, axis=1, keepdims=True, out=row)
        calls.add(np.subtract, z, row, out=spare)
        calls.add(np.exp, spare, out=dz)
        calls.add(dz.sum, axis=1, keepdims=True, out=row)
        calls.add(np.log, row, out=row)
        calls.add(np.subtract, spare, row, out=spare)
        calls.add(np.multiply, t, spare, out=spare)
        calls.add(spare.sum, out=total)
        calls.add(np.subtract, y, t, out=dz)
        calls.add(np.divide, dz, n_examples, out=dz)
        calls.add(dz.sum, axis=0, out=dbias)

    def array(self, *shape: int) -> Floats:
        """Return an array of numbers between 0 and 1."""
        return np.random.default_rng(0).random(shape).astype(self.recipe.dtype)


class NumpyAllocating(NumpyElementwise):
    """Matrix products and all that is in :class:`NumpyElementwise`, with every result allocated anew."""

    def prepare(self, n_examples: int) -> list[Callable[[], object]]:
        """Return the calls for so many examples."""
        calls = Calls(fresh=True)
        self.add_products(calls, n_examples)
        self.add_elementwise(calls, n_examples)
        return calls.made

    def add_products(self, calls: Calls, n_examples: int) -> None:
        """Add the products z = y W, dE/dW = yᵀ dz and dE/dy = dz Wᵀ of every layer, the last not for the inputs."""
        y = [self.array(n_examples, size) for size in self.recipe.layer_sizes]
        for number, ((below, above), weight) in enumerate(zip(itertools.pairwise(y), self.weights, strict=True)):
            calls.add_plain(np.matmul, below, weight)
            calls.add_plain(np.matmul, below.T, above)
            if number:
                calls.add_plain(np.matmul, above, weight.T)


class NumpyUpdate(NumpyProducts):
    """The weight update of `scratch-numpy` alone, with gradients of 0, so the weights do not change."""

    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        super().__init__(recipe, parameters)
        arrays = [array.copy() for layer in parameters for array in layer.arrays()]
        self.step = functools.partial(optimizer_of(recipe, arrays).step, [np.zeros_like(array) for array in arrays])

    def prepare(self, n_examples: int) -> list[Callable[[], object]]:  # noqa: ARG002 (it is the same for any number)
        """Return the weight update."""
        return [self.step]


class NumpyReading(NumpyProducts):
    """Reading the inputs of the batches alone, into preallocated memory: the traffic that no dense step can avoid."""

    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        super().__init__(recipe, parameters)
        self.kept: Floats = np.empty((0, recipe.layer_sizes[0]), recipe.dtype)

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:  # noqa: ARG002 (it is called like a trainer)
        """Read the batches of an epoch in this order, and return 0."""
        size = min(self.recipe.batch_size or len(order), len(order))
        if len(self.kept) < size:
            self.kept = np.empty((size, self.recipe.layer_sizes[0]), self.recipe.dtype)
        for start in range(0, len(order), size):
            examples = order[start : start + size]
            np.take(
                x, examples, axis=0, out=self.kept[: len(examples)], mode="clip"
            )  # in other modes, NumPy copies first
        return 0.0


class NumpyFetch(NumpyProducts):
    """Fetching the batches alone, by index, as `scratch-numpy` does."""

    fetched: tuple[Floats, Floats]

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        """Fetch the batches of an epoch in this order, and return 0."""
        size = self.recipe.batch_size or len(order)
        for start in range(0, len(order), size):
            examples = order[start : start + size]
            self.fetched = x[examples], t[examples]
        return 0.0
