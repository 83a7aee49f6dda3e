"""What is timed and how often: implementations, batch sizes, parts and profiles."""

import dataclasses

from backprop_bench.bench.core.implementations import IMPLEMENTATIONS

BATCH_SIZES = (1, 64, 512)
PARTS = ("fetch", "forward", "backward", "update")
WHOLE_STEP, EPOCH = "step", "epoch"
EPOCH_EXAMPLES = 128
"""Least examples of an epoch, where there are as many: per example, a longer one takes about the same time."""


@dataclasses.dataclass(frozen=True)
class Extent:
    """How long a benchmark goes on.

    Attributes
    ----------
    rounds
        How often a call is timed at most.
    seconds
        Time limit, within which fewer rounds are made, but not fewer than pytest-benchmark's minimum of 5.
    """

    rounds: int
    seconds: float


PROFILES = {"quick": Extent(20, 0.02), "default": Extent(200, 0.2), "full": Extent(1000, 1.0)}


def usual_implementations() -> list[str]:
    """Return the implementations that are timed where none is asked for."""
    known = IMPLEMENTATIONS.items()
    return [name for name, each in known if each.unavailable() is None and not each.only_by_name]


def epoch_examples(batch_size: int, n_examples: int) -> int:
    """Return how many of the examples of a dataset an epoch has: whole batches."""
    batches = min(-(-EPOCH_EXAMPLES // batch_size), n_examples // batch_size)
    return batch_size * batches
