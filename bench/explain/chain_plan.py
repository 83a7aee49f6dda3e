"""What is timed to split the gap between NumPy and PyTorch: an ablation chain of trainers, and parts of a step alone.

:mod:`backprop_bench.bench.explain.chain` defines them and computes the results.
"""

import secrets

from backprop_bench.bench.core.engine.plan import BLOCK_S, Extent, check_timing, make_question
from backprop_bench.bench.core.records.plan import Entry, Question, Timing
from backprop_bench.bench.explain.chain import CHAIN_QUESTION, LOADED, SMALLEST, TWICE
from backprop_bench.data import SHARED, Dataset, fit_recipe

ANY, UNLIMITED_S = 0.999, 36_000.0
"""The number of replicates is fixed, whatever the width of the intervals."""
SMALLEST_RATE = 0.01
"""Learning rate of the smallest recipe, which updates the weights after every example and must not diverge."""


def chain_question(dataset: Dataset, examples: int | None, replicates: int, rounds: int) -> Question:
    """Return the question, every trainer and part on the shared recipe and on the smallest one.

    Parameters
    ----------
    examples
        Training examples, the first ones of the dataset; ``None`` for all.
    replicates, rounds
        Process replicates, and rounds in each.
    """
    shared = fit_recipe(SHARED, dataset)
    first, *_, last = shared.layer_sizes
    smallest = shared.replace(layer_sizes=(first, 1, last), batch_size=1, learning_rate=SMALLEST_RATE)
    entries = [Entry(name, "shared", shared) for name in (*TWICE, LOADED)]
    entries += [Entry(name, "smallest", smallest, alias=f"{name}{SMALLEST}") for name in TWICE]
    timing = Timing(ANY, UNLIMITED_S, BLOCK_S, rounds, replicates, secrets.randbits(32))
    check_timing(timing, len(entries))
    extent = Extent(examples=examples, epochs=0, seeds=0, budget_s=UNLIMITED_S)
    return make_question(CHAIN_QUESTION, "From NumPy to PyTorch, part by part", dataset, extent, entries, timing)
