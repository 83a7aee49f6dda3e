"""Back-propagation from scratch and in PyTorch: verified, timed in pairs, and the difference explained.

In a program or a notebook::

    import backprop_bench as bb

    bb.check(Mine, recipe="article-scratch")  # is it right?
    Mine = bb.adapt(Network, weights=["W1", "W2"], train="train")  # of a class of any form
    timed = bb.time(Mine, "torch-eager", budget_s=30)  # how fast is it?
    bb.plot(timed)
    bb.train([Mine, "torch-eager"], epochs=3, seeds=3)  # how accurate is it?
    bb.compare(Mine, "torch-eager", profile="quick")  # all of it, and the report
    bb.runs("results")  # what was measured so far?
    bb.load_dataset("mnist").x_train  # the examples

The folders at the root of the repository are the subpackages: :mod:`backprop_bench.data`,
:mod:`backprop_bench.scratch`, :mod:`backprop_bench.torch_impl`,
:mod:`backprop_bench.peers` and :mod:`backprop_bench.bench`.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backprop_bench.bench.api.adapt import adapt
    from backprop_bench.bench.api.check import Check, check
    from backprop_bench.bench.api.compare import Comparison, compare
    from backprop_bench.bench.api.plot import plot
    from backprop_bench.bench.api.runs import runs
    from backprop_bench.bench.api.timing import Timing, time
    from backprop_bench.bench.api.training import Training, train
    from backprop_bench.data import Dataset, InputError, Layer, Recipe, Trainer, UnsupportedRecipe, load_dataset

__all__ = [
    "Check",
    "Comparison",
    "Dataset",
    "InputError",
    "Layer",
    "Recipe",
    "Timing",
    "Trainer",
    "Training",
    "UnsupportedRecipe",
    "adapt",
    "check",
    "compare",
    "load_dataset",
    "plot",
    "runs",
    "time",
    "train",
]

_PLACES = {
    "backprop_bench.bench.api.adapt": ("adapt",),
    "backprop_bench.bench.api.check": ("Check", "check"),
    "backprop_bench.bench.api.compare": ("Comparison", "compare"),
    "backprop_bench.bench.api.plot": ("plot",),
    "backprop_bench.bench.api.runs": ("runs",),
    "backprop_bench.bench.api.timing": ("Timing", "time"),
    "backprop_bench.bench.api.training": ("Training", "train"),
    "backprop_bench.data": (
        "Dataset",
        "InputError",
        "Layer",
        "Recipe",
        "Trainer",
        "UnsupportedRecipe",
        "load_dataset",
    ),
}


def __getattr__(name: str) -> Any:
    """Import what is asked for: a worker that is timed imports nothing of it."""
    for module, names in _PLACES.items():
        if name in names:
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
