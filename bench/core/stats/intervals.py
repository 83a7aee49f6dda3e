"""Estimates and their 95 % confidence intervals. Pure functions of numbers."""

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from scipy import special

LEVEL = 0.95


@dataclasses.dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % confidence interval.

    Attributes
    ----------
    estimate, low, high
        In the unit of what is estimated; ``low`` and ``high`` are NaN for too few values.
    n
        Number of values that it is computed from.
    """

    estimate: float
    low: float
    high: float
    n: int

    @property
    def half_width(self) -> float:
        """Half of the interval's width."""
        return (self.high - self.low) / 2

    def contains(self, value: float) -> bool:
        """Say whether a value lies in the interval; False where there is none."""
        return self.low <= value <= self.high


def finite(value: float) -> float | None:
    """Return a value as JSON knows it, ``None`` for NaN and infinity."""
    return value if math.isfinite(value) else None


def scaled(interval: Interval, factor: float) -> Interval:
    """Return an interval in another unit."""
    return Interval(interval.estimate * factor, interval.low * factor, interval.high * factor, interval.n)


def inverse(ratio: Interval) -> Interval:
    """Return the interval of one over a positive value."""
    return Interval(1 / ratio.estimate, 1 / ratio.high, 1 / ratio.low, ratio.n)


def shifted(interval: Interval, by: float) -> Interval:
    """Return an interval moved by so much."""
    return Interval(interval.estimate + by, interval.low + by, interval.high + by, interval.n)


def interval_to_dict(interval: Interval) -> dict[str, float | None]:
    """Return plain values for JSON, which knows no NaN."""
    return {name: finite(value) for name, value in dataclasses.asdict(interval).items()}


def interval_from_dict(values: Mapping[str, Any]) -> Interval:
    """Read what :func:`interval_to_dict` returned."""
    estimate, low, high = (math.nan if values[name] is None else values[name] for name in ("estimate", "low", "high"))
    return Interval(estimate, low, high, values["n"])


def mean_interval(values: Sequence[float]) -> Interval:
    """Return the mean of independent values, such as one accuracy per seed, with its 95 % CI (t distribution)."""
    n = len(values)
    if n == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    mean = math.fsum(values) / n
    if n == 1:
        return Interval(mean, math.nan, math.nan, 1)
    half = float(special.stdtrit(n - 1, (1 + LEVEL) / 2)) * statistics.stdev(values, mean) / math.sqrt(n)
    return Interval(mean, mean - half, mean + half, n)


def geometric_mean_interval(values: Sequence[float]) -> Interval:
    """Return the geometric mean of positive values with its 95 % CI (t distribution of their logarithms)."""
    return _exponential(mean_interval([math.log(value) for value in values]), len(values))


def interval_over_replicates(replicates: Sequence[Sequence[float]]) -> Interval:
    """Return the mean of positive values that are clustered by process replicate, such as per-round time ratios.

    Within a replicate it takes the median of the logarithms: on shared machines a block is now and then interrupted,
    which moves a mean. Replicates are independent, so the estimate is the mean of their medians, and the interval comes
    from the t distribution over them.

    Parameters
    ----------
    replicates
        Values by process replicate: [replicate][round].

    Returns
    -------
    Interval
        ``n`` is the number of values in all. One replicate gives no interval.
    """
    filled = [values for values in replicates if len(values)]
    medians = [statistics.median(map(math.log, values)) for values in filled]
    return _exponential(mean_interval(medians), sum(map(len, filled)))


def independent_ratio(numerators: Sequence[float], denominators: Sequence[float]) -> Interval:
    """Return the ratio of the geometric means of two independent samples of positive values, with its 95 % CI.

    Welch's interval for the difference of the means of the logarithms, which assumes no common variance. ``n`` is the
    number of values in both samples. A sample of one value gives no interval.
    """
    samples = [[math.log(value) for value in values] for values in (numerators, denominators)]
    n = sum(map(len, samples))
    if not all(samples):
        return Interval(math.nan, math.nan, math.nan, n)
    above, below = (math.fsum(logs) / len(logs) for logs in samples)
    difference = above - below
    if min(map(len, samples)) == 1:
        return _exponential(Interval(difference, math.nan, math.nan, n), n)
    half = _welch_half_width([statistics.variance(logs) / len(logs) for logs in samples], list(map(len, samples)))
    return _exponential(Interval(difference, difference - half, difference + half, n), n)


def _welch_half_width(variances: Sequence[float], sizes: Sequence[int]) -> float:
    """Return the half-width for these variances of two means; degrees of freedom by Welch and Satterthwaite."""
    variance = sum(variances)
    if variance == 0:
        return 0.0
    freedom = variance**2 / sum(part**2 / (n - 1) for part, n in zip(variances, sizes, strict=True))
    return float(special.stdtrit(freedom, (1 + LEVEL) / 2)) * math.sqrt(variance)


def relative_half_width(interval: Interval) -> float:
    """Return half of an interval's width as a share of its estimate; infinite where there is no interval."""
    width = interval.half_width / interval.estimate
    return width if math.isfinite(width) else math.inf


def _exponential(interval: Interval, n: int) -> Interval:
    return Interval(math.exp(interval.estimate), math.exp(interval.low), math.exp(interval.high), n)
