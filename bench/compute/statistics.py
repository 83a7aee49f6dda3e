"""Estimates and their 95 % confidence intervals. Pure functions of numbers."""

import dataclasses
import math
from collections.abc import Sequence

from scipy import stats

LEVEL = 0.95


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


def geometric_mean_interval(groups: Sequence[Sequence[float]]) -> Interval:
    """Return the geometric mean of positive values, such as times or ratios of times, and its interval.

    Values of one process set share their processes, and with them what differs between processes; so the sets are
    what is independent, and the interval is Student's over the means of the logarithms within each set. Of a single
    set, the values themselves are taken, and what differs between processes stays unseen.

    Parameters
    ----------
    groups
        One sequence of values per process set: [set][round].

    Returns
    -------
    Interval
        ``n`` is the number of values in all.
    """
    filled = [group for group in groups if len(group)]
    logs = [math.fsum(map(math.log, group)) / len(group) for group in filled]
    if len(filled) == 1:
        logs = [math.log(value) for value in filled[0]]
    interval = mean_interval(logs)
    return Interval(math.exp(interval.estimate), math.exp(interval.low), math.exp(interval.high), sum(map(len, filled)))
