"""The stages of the ladder: from lists to compiled loops, from a newcomer's PyTorch to its fastest, and peers."""

import dataclasses
from collections.abc import Iterable
from typing import Any

from backprop_bench.bench.core.implementations import BASELINES, IMPLEMENTATIONS
from backprop_bench.bench.core.records.plan import Entry


@dataclasses.dataclass(frozen=True)
class Stage:
    """One stage of the ladder.

    Attributes
    ----------
    name
        What the records call it.
    implementation
        What is run.
    changes
        How its recipe differs from the shared one. Where it does, the stage changes what is computed, not only how.
    """

    name: str
    implementation: str
    changes: tuple[tuple[str, Any], ...] = ()


DOUBLE = ("dtype", "float64")
STAGES = (
    Stage("lists, example by example", "scratch-python", (("batch_size", 1), DOUBLE)),
    Stage("NumPy, example by example", "scratch-numpy", (("batch_size", 1), DOUBLE)),
    Stage("all examples at once", "scratch-numpy", (("batch_size", None), DOUBLE)),
    Stage("batches", "scratch-numpy", (DOUBLE,)),
    Stage("float32", "scratch-numpy"),
    Stage("no temporaries", "scratch-inplace"),
    Stage("compiled, zeros left out", "scratch-compiled"),
    Stage("one kernel on a GPU", "scratch-cuda"),
    Stage("plain loops in C", "scratch-c"),
    Stage("DataLoader", "torch-loader"),
    Stage("tensors by index", "torch-eager"),
    Stage("fused optimizer", "torch-fused"),
    Stage("no autograd", "torch-manual"),
    Stage("compiled step", "torch-compile"),
    Stage("CUDA graph", "torch-cuda-graph"),
    Stage("tensors by index, bfloat16", "torch-eager", (("mixed_precision", True),)),
    Stage("scikit-learn", "sklearn"),
    Stage("Keras", "keras"),
    Stage("tinygrad", "tinygrad"),
    Stage("JAX", "jax"),
    Stage("NumPy's products alone", "numpy-products"),
    Stage("PyTorch's products alone", "torch-products"),
)
"""By side, in the order they build on each other. The last are the dense-GEMM baselines."""
BEFORE_BLAS = "no temporaries"
"""The stage before the one with other kernels of OpenBLAS."""
SELF_TEST = "float32"
"""The stage of the A/A test."""
IN_C = "in C"
"""The side of the loops in C: beside the other stages from scratch, of which each goes further than the one before."""

LOWER_PRECISION = "mixed precision"
"""The side of what computes in bfloat16: nothing else is compared with it."""


def side_of_stages() -> dict[str, str]:
    """Return the side of each stage that has one of its own, by name, and of each implementation."""
    sides = {name: known.side for name, known in {**IMPLEMENTATIONS, **BASELINES}.items()}
    lower = [stage.name for stage in STAGES if dict(stage.changes).get("mixed_precision")]
    return {**sides, "scratch-c": IN_C, **dict.fromkeys(lower, LOWER_PRECISION)}


def in_full_precision(entry: Entry, entries: Iterable[Entry]) -> Entry | None:
    """Return the same implementation with the same recipe in full precision; ``None`` where that is no other entry."""
    full = entry.recipe.replace(mixed_precision=False)
    if entry.recipe == full:
        return None
    same = (other for other in entries if (other.implementation, other.recipe) == (entry.implementation, full))
    return next(same, None)
