"""A learning rate for a recipe, selected on training examples that are held out; test examples play no part."""

import math
from collections.abc import Iterable, Sequence

from backprop_bench.bench.core.records.kinds import Search

RATES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)  # documented in docs/why.md
"""Learning rates that are tried."""
TUNING_SEEDS = (1000, 1001, 1002)  # documented in docs/why.md
"""Seeds from which they are tried; recipes are later trained from others."""
HELD_OUT = 5
"""One of so many training examples is held out to select the rate."""


def best_rate(searches: Iterable[Search], seeds: Sequence[int]) -> float:
    """Return the learning rate with the highest accuracy on held-out examples, the smaller of equals; NaN of none.

    Parameters
    ----------
    searches
        Rows of kind ``search`` of one cell.
    seeds
        Over which the accuracy is the mean; a rate that was not tried from all of them is not selected.
    """
    tried: dict[float, dict[int, float]] = {}
    for row in searches:
        if row.learning_rate is not None and row.seed is not None:
            tried.setdefault(row.learning_rate, {})[row.seed] = row.curve[-1][2]
    totals = {
        rate: math.fsum(by_seed[seed] for seed in seeds)
        for rate, by_seed in tried.items()
        if by_seed.keys() >= set(seeds)
    }
    return min(totals, key=lambda rate: (-totals[rate], rate), default=math.nan)
