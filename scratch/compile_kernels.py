"""Compile the kernels for a precision, so that no run waits for it.

``python -m backprop_bench.scratch.compile_kernels float32``
"""

import sys
from typing import get_args

import numpy as np

from backprop_bench.data import Recipe, initial_parameters
from backprop_bench.data.recipe import Dtype
from backprop_bench.scratch.compiled_trainer import CompiledTrainer

EXAMPLES, SIZES = 130, (8, 8, 4)
"""Enough for batches of one example, of one word of 64, and of more."""


def compile_kernels(dtype: Dtype) -> None:
    """Train, predict and take gradients of a small network, with batches of every kind; Numba keeps the result."""
    rng = np.random.default_rng(0)
    x = rng.random((EXAMPLES, SIZES[0])).astype(dtype)
    t = np.eye(SIZES[-1], dtype=dtype)[np.arange(EXAMPLES) % SIZES[-1]]
    for batch_size in (1, 64, None):
        recipe = Recipe(layer_sizes=SIZES, batch_size=batch_size, dtype=dtype)
        trainer = CompiledTrainer(recipe, initial_parameters(recipe))
        trainer.train_epoch(x, t, np.arange(EXAMPLES))
        trainer.gradients(x[:64], t[:64])
        trainer.predict(x)


if __name__ == "__main__":
    for precision in get_args(Dtype):
        if precision in sys.argv[1:]:
            compile_kernels(precision)
