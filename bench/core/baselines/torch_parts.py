"""Parts of a training step in PyTorch, without autograd, each on its own.

See :mod:`backprop_bench.bench.core.baselines.parts`.
"""

import itertools
from collections.abc import Callable

import torch
from torch import Tensor

from backprop_bench.bench.core.baselines.parts import Calls, NumpyAllocating, NumpyElementwise
from backprop_bench.bench.core.baselines.products import NumpyProducts
from backprop_bench.data import Floats, Order, Parameters, Recipe
from backprop_bench.torch_impl.model import DTYPES, optimizer_of


def uniform(recipe: Recipe, *shape: int) -> Tensor:
    """Return a tensor of numbers between 0 and 1."""
    return torch.rand(shape, dtype=DTYPES[recipe.dtype])


class TorchElementwise(NumpyElementwise):
    """All of a step of `chain-optimizer` but matrix products, loading and weight update; nothing is allocated.

    A hidden layer takes 6 calls and the output layer 10, those of the loss included.
    """

    def add_hidden(self, calls: Calls, n_examples: int, width: int) -> None:
        """Add bias, sigmoid, its derivative, and the sum that is dE/db; products are added to the bias."""
        z, y, dy, dz, spare = (uniform(self.recipe, n_examples, width) for _ in range(5))
        bias, dbias = uniform(self.recipe, width), uniform(self.recipe, width)
        one = torch.ones((), dtype=z.dtype)
        calls.add_plain(z.copy_, bias)
        calls.add(torch.sigmoid, z, out=y)
        calls.add(torch.sub, one, y, out=spare)
        calls.add(torch.mul, y, spare, out=spare)
        calls.add(torch.mul, dy, spare, out=dz)
        calls.add(torch.sum, dz, 0, out=dbias)

    def add_output(self, calls: Calls, n_examples: int, width: int) -> None:
        """Add bias, the loss, softmax, dE/dz, and the sum that is dE/db."""
        z, y, t, dz, spare = (uniform(self.recipe, n_examples, width) for _ in range(5))
        bias, dbias = uniform(self.recipe, width), uniform(self.recipe, width)
        total = torch.zeros((), dtype=z.dtype)
        calls.add_plain(z.copy_, bias)
        calls.add(torch.log_softmax, z, 1, out=spare)
        calls.add(torch.mul, spare, t, out=spare)
        calls.add(torch.sum, spare, (0, 1), out=total)
        calls.add(torch.neg, total, out=total)
        calls.add(torch.div, total, n_examples, out=total)
        calls.add(torch.softmax, z, 1, out=y)
        calls.add(torch.sub, y, t, out=dz)
        calls.add(torch.div, dz, n_examples, out=dz)
        calls.add(torch.sum, dz, 0, out=dbias)


class TorchAllocating(TorchElementwise, NumpyAllocating):
    """Matrix products and all that is in :class:`TorchElementwise`, every result allocated anew."""

    def add_products(self, calls: Calls, n_examples: int) -> None:
        """Add the products z = y W, dE/dW = yᵀ dz and dE/dy = dz Wᵀ of every layer, the last not for the inputs."""
        y = [uniform(self.recipe, n_examples, size) for size in self.recipe.layer_sizes]
        for number, (below, above) in enumerate(itertools.pairwise(y)):
            weight = torch.from_numpy(self.weights[number])
            calls.add_plain(torch.mm, below, weight)
            calls.add_plain(torch.mm, below.T, above)
            if number:
                calls.add_plain(torch.mm, above, weight.T)


class TorchUpdate(NumpyProducts):
    """The weight update of ``torch.optim`` alone, with gradients of 0, so the weights do not change."""

    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        super().__init__(recipe, parameters)
        self.arrays = [torch.from_numpy(array.copy()) for layer in parameters for array in layer.arrays()]
        self.zeros = [torch.zeros_like(weight) for weight in self.arrays]
        self.optimizer = optimizer_of(recipe, self.arrays)

    def prepare(self, n_examples: int) -> list[Callable[[], object]]:  # noqa: ARG002 (it is the same for any number)
        """Return the weight update."""
        return [self.update]

    def update(self) -> None:
        """Set the gradients, call the optimizer, and clear them by ``zero_grad``."""
        for weight, gradient in zip(self.arrays, self.zeros, strict=True):
            weight.grad = gradient
        self.optimizer.step()
        self.optimizer.zero_grad()


class TorchFetch(NumpyProducts):
    """Fetching the batches alone, by index, as `torch-eager` does."""

    fetched: tuple[Tensor, Tensor]

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        """Fetch the batches of an epoch in this order, and return 0."""
        inputs, targets = torch.from_numpy(x), torch.from_numpy(t)
        for examples in torch.split(torch.from_numpy(order), self.recipe.batch_size or len(order)):
            self.fetched = inputs[examples], targets[examples]
        return 0.0
