"""Estimates and their 95 % confidence intervals. Pure functions of numbers."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import stats

LEVEL = 0.95
RESAMPLES = 10_000


@dataclasses.dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % confidence interval.

    Attributes
    ----------
    estimate, low, high
        In the unit of what is estimated; ``low`` and ``high`` are NaN where ``n`` is too small to say.
    n
        Number of independent values behind it.
    """

    estimate: float
    low: float
    high: float
    n: int

    @property
    def half_width(self) -> float:
        """Half of the interval's width."""
        return (self.high - self.low) / 2


def mean_interval(values: Sequence[float]) -> Interval:
    """Return the mean and Student's interval of values that are independent, such as one accuracy per seed."""
    n = len(values)
    if n == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    mean = math.fsum(values) / n
    if n == 1:
        return Interval(mean, math.nan, math.nan, 1)
    half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1) * stats.sem(values))
    return Interval(mean, mean - half, mean + half, n)


def geometric_mean_interval(groups: Sequence[Sequence[float]], seed: int = 0) -> Interval:
    """Return the geometric mean of positive values, such as times or ratios of times, and its bootstrap interval.

    Parameters
    ----------
    groups
        One sequence of values per process set: [set][round]. Values of one set share their processes, and with them
        what differs between processes, so sets are drawn first and rounds within them second (hierarchical bootstrap).
    seed
        Decides the resamples, so that the same values give the same interval.

    Returns
    -------
    Interval
        ``n`` is the number of values. With fewer than two values there is no interval.
    """
    logs = [np.log(np.asarray(group, np.float64)) for group in groups if len(group)]
    n = sum(len(group) for group in logs)
    if n == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    estimate = float(np.exp(np.concatenate(logs).mean()))
    if n == 1:
        return Interval(estimate, math.nan, math.nan, 1)
    low, high = np.exp(np.quantile(_resampled_means(logs, seed), [(1 - LEVEL) / 2, (1 + LEVEL) / 2]))
    return Interval(estimate, float(low), float(high), n)


def _resampled_means(groups: list[npt.NDArray[np.float64]], seed: int) -> npt.NDArray[np.float64]:
    """Means [RESAMPLES] of sets drawn with replacement, each with its values drawn with replacement."""
    rng = np.random.default_rng(seed)
    n_sets = len(groups)
    chosen = rng.integers(n_sets, size=(RESAMPLES, n_sets))
    sums, counts = np.zeros(RESAMPLES), np.zeros(RESAMPLES)
    for index, group in enumerate(groups):
        for place in range(n_sets):
            hit = chosen[:, place] == index
            drawn = group[rng.integers(len(group), size=(int(hit.sum()), len(group)))]
            sums[hit] += drawn.sum(axis=1)
            counts[hit] += len(group)
    means: npt.NDArray[np.float64] = sums / counts
    return means
