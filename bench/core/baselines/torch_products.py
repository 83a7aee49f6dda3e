"""The dense-GEMM baseline in PyTorch: see :mod:`backprop_bench.bench.core.baselines.products`."""

import itertools
from collections.abc import Callable

import torch

from backprop_bench.bench.core.baselines.products import NumpyProducts


class TorchProducts(NumpyProducts):
    """The matrix products of :class:`NumpyProducts`, in PyTorch."""

    def prepare(self, n_examples: int) -> list[Callable[[], object]]:
        """Return the products for so many examples, with preallocated operands and results."""
        dtype = torch.from_numpy(self.weights[0]).dtype
        y = [torch.rand(n_examples, size, dtype=dtype) for size in self.recipe.layer_sizes]
        out = [torch.empty_like(array) for array in y]
        calls: list[Callable[[], object]] = []
        for number, (below, above) in enumerate(itertools.pairwise(y)):
            weight = torch.from_numpy(self.weights[number])
            calls.append(_mm(below, weight, out[number + 1]))
            calls.append(_mm(below.T, above, torch.empty_like(weight)))
            if number:
                calls.append(_mm(above, weight.T, out[number]))
        return calls


def _mm(a: torch.Tensor, b: torch.Tensor, out: torch.Tensor) -> Callable[[], object]:
    return lambda: torch.mm(a, b, out=out)
