"""The order of blocks, and the rule of stopping. Pure functions: no clock, no processes."""

import itertools
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from backprop_bench.bench.core.records.kinds import StopReason
from backprop_bench.bench.core.records.plan import Timing
from backprop_bench.bench.core.stats.intervals import Interval, relative_half_width


def balanced_orders(n: int, seed: Iterable[int]) -> Iterator[list[int]]:
    """Yield the orders of 0 … n − 1 within one round after the other, in random order, but balanced.

    They come from a Williams design with rows in random order and random labels: over n rounds, 2n where n is odd,
    every item has every position equally often and follows every other one equally often.
    """
    rng = np.random.default_rng(list(seed))
    # 0, n − 1, 1, n − 2, …: neighbours differ by every possible amount once
    zigzag = [place // 2 if place % 2 == 0 else n - 1 - place // 2 for place in range(n)]
    rows = [[(entry + shift) % n for entry in zigzag] for shift in range(n)]
    rows += [row[::-1] for row in rows] if n % 2 else []
    while True:
        names = rng.permutation(n)
        for row in rng.permutation(len(rows)):
            yield [int(names[entry]) for entry in rows[row]]


def is_precise(timing: Timing, ratios: Sequence[tuple[Interval, int]], n_replicates: int, share: float = 1.0) -> bool:
    """Say whether every ratio has reached the target, after at least this share of the least number of replicates.

    Parameters
    ----------
    ratios
        Of every two implementations that are compared: the ratio, and the process replicates that it comes from.
    n_replicates
        Process replicates that were timed so far.
    share
        Of the timing that is to be done by now, from 0 to 1.
    """
    enough = min((replicates for _, replicates in ratios), default=n_replicates) >= timing.min_replicates * share
    return enough and all(relative_half_width(interval) <= timing.target for interval, _ in ratios)


def reason_to_stop(
    timing: Timing,
    ratios: Sequence[tuple[Interval, int]],
    n_replicates: int,
    spent_s: float,
    next_s: float | None = None,
) -> StopReason | None:
    """Say why no further process replicate is needed: ``precise``, ``budget`` or ``alone``; None where one is.

    Parameters
    ----------
    ratios
        Of every two implementations that are compared: the ratio, and the process replicates that it comes from.
    n_replicates
        Process replicates that were timed so far.
    spent_s
        Seconds that they took.
    next_s
        Seconds that another one will take; ``None`` for the mean of those so far.
    """
    if is_precise(timing, ratios, n_replicates):
        return "precise" if ratios else "alone"
    if not n_replicates:
        return None
    return "budget" if spent_s + (spent_s / n_replicates if next_s is None else next_s) > timing.budget_s else None


def pairs(names: Iterable[str]) -> list[tuple[str, str]]:
    """Return every two names, the later one first: what is divided by what."""
    return [(second, first) for first, second in itertools.combinations(names, 2)]
