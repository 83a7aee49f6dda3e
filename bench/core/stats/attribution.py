"""A gap split into its causes: exact Shapley values of a full factorial, with intervals over seeds. Pure functions.

A factor has two levels, 0 and 1. A cell is a choice of level for every factor; `values` has an axis of length 2 for
each factor and a last one for the seeds, which are the same ones in every cell. What is attributed is the difference
between the cell of all ones and that of all zeros: the contribution of a factor is what moving it from 0 to 1
changes, averaged over all orders in which the factors can be moved (Shapley, A value for n-person games, 1953). It is
linear in the values, so every seed has contributions of its own, which add up to the gap of that seed, and intervals
over seeds are those of a mean.
"""

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from scipy import stats

from backprop_bench.bench.core.stats.intervals import Interval, mean_interval
from backprop_bench.data import InputError

Values = npt.NDArray[np.float64]
Cell = tuple[int, ...]
ALPHA = 0.05
"""Error rate of the family of all contributions that are called significant."""


@dataclasses.dataclass(frozen=True)
class Contribution:
    """What a factor contributes to the gap, in the unit of the values.

    Attributes
    ----------
    factor
        Its name.
    interval
        Mean over seeds with its 95 % confidence interval.
    p
        Of the hypothesis that it contributes nothing, corrected by Holm's method for all factors.
    """

    factor: str
    interval: Interval
    p: float

    @property
    def significant(self) -> bool:
        """Whether the hypothesis that it contributes nothing is rejected."""
        return self.p < ALPHA


@dataclasses.dataclass(frozen=True)
class Interaction:
    """How much more two factors change together than each alone, averaged over what the others are."""

    first: str
    second: str
    interval: Interval


@dataclasses.dataclass(frozen=True)
class Attribution:
    """A gap and its parts.

    Attributes
    ----------
    gap
        Mean over seeds of the cell of all ones minus the cell of all zeros.
    contributions
        By factor, in the order of the factors; they add up to the gap.
    interactions
        Of every two factors, the largest first.
    """

    gap: Interval
    contributions: tuple[Contribution, ...]
    interactions: tuple[Interaction, ...]


def table_of(cells: Mapping[Cell, Sequence[float]], n_factors: int) -> Values:
    """Return the values [2, …, 2, seeds] of a full factorial.

    Raises
    ------
    InputError
        Where cells are missing, naming them, or have different numbers of seeds.
    """
    expected = list(itertools.product((0, 1), repeat=n_factors))
    missing = [cell for cell in expected if not len(cells.get(cell, ()))]
    if missing:
        named = ", ".join("".join(map(str, cell)) for cell in missing[:8])
        more = f" and {len(missing) - 8} more" if len(missing) > 8 else ""
        raise InputError(
            f"nothing can be attributed: {len(missing)} of {len(expected)} cells are missing: {named}{more} "
            "(levels of the factors in their order)"
        )
    counts = {len(cells[cell]) for cell in expected}
    if len(counts) > 1:
        raise InputError(f"cells have {min(counts)} to {max(counts)} seeds, expected the same ones in every cell")
    flat = np.array([cells[cell] for cell in expected], dtype=np.float64)
    return flat.reshape(*(2,) * n_factors, -1)


def shapley_values(values: Values) -> Values:
    """Return the contribution of every factor for every seed, [factors, seeds]."""
    n_factors = values.ndim - 1
    contributions = np.empty((n_factors, values.shape[-1]))
    for factor in range(n_factors):
        moved = np.diff(values, axis=factor).squeeze(factor)  # [2, …, 2, seeds] without the factor
        contributions[factor] = _average(moved)
    return contributions


def _average(differences: Values) -> Values:
    """Average over the levels of the other factors, each set of ones as often as it comes first in an order."""
    others = differences.ndim - 1
    total = np.zeros(differences.shape[-1])
    for cell in itertools.product((0, 1), repeat=others):
        ones = sum(cell)
        weight = math.factorial(ones) * math.factorial(others - ones) / math.factorial(others + 1)
        total += weight * differences[cell]
    return total


def interaction_values(values: Values) -> dict[tuple[int, int], Values]:
    """Return Grabisch and Roubens' interaction index of every two factors for every seed, [seeds]."""
    n_factors = values.ndim - 1
    interactions = {}
    for first, second in itertools.combinations(range(n_factors), 2):
        both = np.diff(np.diff(values, axis=second), axis=first).squeeze((first, second))
        interactions[first, second] = _average(both)
    return interactions


def attribute(factors: Sequence[str], values: Values) -> Attribution:
    """Split the gap between the cell of all ones and that of all zeros.

    Parameters
    ----------
    factors
        Names, in the order of the axes.
    values
        [2, …, 2, seeds], finite.
    """
    contributions = shapley_values(values)
    ends = values[(1,) * len(factors)] - values[(0,) * len(factors)]
    raw = [_p_value(row) for row in contributions]
    parts = [
        Contribution(name, mean_interval(row.tolist()), p)
        for name, row, p in zip(factors, contributions, holm(raw), strict=True)
    ]
    interactions = [
        Interaction(factors[i], factors[j], mean_interval(row.tolist()))
        for (i, j), row in interaction_values(values).items()
    ]
    interactions.sort(key=lambda item: -abs(item.interval.estimate))
    return Attribution(mean_interval(ends.tolist()), tuple(parts), tuple(interactions))


def _p_value(values: Values) -> float:
    """Return the two-sided p-value of the t-test that the mean is 0; NaN of fewer than two values."""
    if len(values) < 2:
        return math.nan
    spread = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    mean = float(np.mean(values))
    if spread == 0:
        return 1.0 if mean == 0 else 0.0
    return float(2 * stats.t.sf(abs(mean) / spread, len(values) - 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number.

    Holm, A simple sequentially rejective multiple test procedure, 1979.
    """
    order = sorted(filter(lambda index: math.isfinite(p_values[index]), range(len(p_values))), key=p_values.__getitem__)
    corrected = [math.nan] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[index]))
        corrected[index] = largest
    return corrected


def equivalence_p(values: Sequence[float], margin: float) -> float:
    """Return the p-value of two one-sided tests that the mean lies within ±margin (Schuirmann, 1987).

    Below :data:`ALPHA`, the mean is within the margin with that error rate: as its 90 % interval is. NaN of fewer than
    two values.
    """
    n = len(values)
    if n < 2:
        return math.nan
    mean, spread = float(np.mean(values)), float(np.std(values, ddof=1)) / math.sqrt(n)
    if spread == 0:
        return 0.0 if abs(mean) < margin else 1.0
    above, below = stats.t.sf((mean + margin) / spread, n - 1), stats.t.sf((margin - mean) / spread, n - 1)
    return float(max(above, below))
