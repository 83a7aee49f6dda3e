"""How time grows along an axis: curves, slopes, crossovers, and the fraction of the roofline. Pure functions."""

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np

from backprop_bench.bench.core.records.kinds import AnyRecord
from backprop_bench.bench.core.records.plan import Description
from backprop_bench.bench.core.stats.intervals import Interval, scaled
from backprop_bench.bench.core.stats.ratios import Ratio
from backprop_bench.bench.core.summary import QuestionSummary, summarize


@dataclasses.dataclass(frozen=True)
class Point:
    """One implementation at one place of an axis.

    Attributes
    ----------
    x
        The place: how many of what is counted.
    example_s
        Seconds per example and epoch.
    epoch_s
        Seconds per epoch.
    of_roofline
        Time of the roofline over this time. The roofline is the longer of the fastest matrix products alone and of
        fetching the batches alone. NaN where neither was timed.
    """

    x: int
    example_s: Interval
    epoch_s: Interval
    of_roofline: float


@dataclasses.dataclass(frozen=True)
class Limit:
    """One limit of the machine at one place of an axis, measured alone.

    Attributes
    ----------
    example_s
        Seconds per example.
    rate
        FLOP/s of products, bytes/s of what is read.
    """

    x: int
    example_s: float
    rate: float


@dataclasses.dataclass(frozen=True)
class Curve:
    """One implementation along an axis, and how its time per example grows: as x to the power of a slope.

    Attributes
    ----------
    low, high
        Slopes of the lower and of the upper half of the points; NaN of fewer than two.
    """

    implementation: str
    points: tuple[Point, ...]
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class Crossover:
    """Where the faster of two implementations becomes the slower one.

    Attributes
    ----------
    before, after
        The faster one before and after it.
    x
        Its place, by linear interpolation between the logarithms of the ratios at the two places around it.
    between
        These two places.
    """

    before: str
    after: str
    x: float
    between: tuple[int, int]


@dataclasses.dataclass(frozen=True)
class Scaling:
    """All curves along one axis.

    Attributes
    ----------
    axis, counted
        Its name, and what is counted along it.
    products, fetched
        The fastest matrix products alone, in FLOPs, and fetching the batches alone, in bytes read.
    """

    axis: str
    counted: str
    curves: tuple[Curve, ...]
    products: tuple[Limit, ...]
    fetched: tuple[Limit, ...]
    crossovers: tuple[Crossover, ...]


def summarize_scale(
    description: Description, rows: list[AnyRecord], counted: Mapping[str, str], baselines: Sequence[str], fetch: str
) -> list[Scaling]:
    """Compute the results of a run of ``scale``, an axis at a time.

    Parameters
    ----------
    counted
        By axis, what is counted along it.
    baselines

        Names of the dense-GEMM baselines.
    fetch
        Name of what fetches the batches alone.
    """
    by_axis: dict[str, list[tuple[int, QuestionSummary]]] = {}
    for question in summarize(description, rows).questions:
        axis, _, value = question.name.partition("=")
        place = question.examples if value == "all" else int(value)
        by_axis.setdefault(axis, []).append((place, question))
    return [
        _scaling(axis, counted[axis], sorted(places, key=lambda place: place[0]), baselines, fetch)
        for axis, places in by_axis.items()
    ]


def _scaling(
    axis: str, counted: str, places: Sequence[tuple[int, QuestionSummary]], baselines: Sequence[str], fetch: str
) -> Scaling:
    points: dict[str, list[Point]] = {}
    products: list[Limit] = []
    fetched: list[Limit] = []
    for x, question in places:
        by_name = {item.implementation: item for item in question.performances if item.wall_s.n}
        timed_products = [by_name[name] for name in baselines if name in by_name]
        if timed_products:
            best = min(timed_products, key=lambda item: item.wall_s.estimate)
            products.append(_limit(x, question.examples, best.wall_s.estimate, best.work.gemm_flops))
        if fetch in by_name:
            epoch_s, work = by_name[fetch].wall_s.estimate, by_name[fetch].work
            fetched.append(_limit(x, question.examples, epoch_s, work.input_bytes))
        roofline_s = max(
            (limit.example_s for limit in (*products[-1:], *fetched[-1:]) if limit.x == x), default=math.nan
        )
        for name, item in by_name.items():
            if name not in (*baselines, fetch):
                example_s = scaled(item.wall_s, 1 / question.examples)
                points.setdefault(name, []).append(Point(x, example_s, item.wall_s, roofline_s / example_s.estimate))
    curves = [Curve(name, tuple(along), *_slopes(along)) for name, along in points.items()]
    crossovers = _crossovers(places, list(points))
    return Scaling(axis, counted, tuple(curves), tuple(products), tuple(fetched), tuple(crossovers))


def _limit(x: int, examples: int, epoch_s: float, amount: float) -> Limit:
    return Limit(x, epoch_s / examples, amount / epoch_s)


def _slopes(points: Sequence[Point]) -> tuple[float, float]:
    middle = (len(points) + 1) // 2
    return _slope(points[:middle]), _slope(points[len(points) - middle :])


def _slope(points: Sequence[Point]) -> float:
    """Return the slope of the straight line of least squares through the logarithms."""
    if len(points) < 2:
        return math.nan
    x, y = np.log([point.x for point in points]), np.log([point.example_s.estimate for point in points])
    return float(np.polyfit(x, y, 1)[0])


def _crossovers(places: Sequence[tuple[int, QuestionSummary]], names: Sequence[str]) -> list[Crossover]:
    """Return where one implementation overtakes another; the difference is significant at both places around it."""
    crossovers = []
    for number, first in enumerate(names):
        for second in names[number + 1 :]:
            known = [(x, ratio) for x, question in places if (ratio := _ratio(question, second, first)) is not None]
            significant = [(x, ratio.estimate) for x, ratio in known if not ratio.contains(1)]
            for (x0, r0), (x1, r1) in itertools.pairwise(significant):
                if (r0 > 1) != (r1 > 1):
                    share = math.log(r0) / (math.log(r0) - math.log(r1))
                    x = math.exp(math.log(x0) + share * (math.log(x1) - math.log(x0)))
                    ahead = (first, second) if r0 > 1 else (second, first)
                    crossovers.append(Crossover(*ahead, x, (x0, x1)))
    return crossovers


def _ratio(question: QuestionSummary, numerator: str, denominator: str) -> Interval | None:
    for ratio in question.ratios:
        if _is(ratio, numerator, denominator) and ratio.n_replicates > 1:
            return ratio.interval
    return None


def _is(ratio: Ratio, numerator: str, denominator: str) -> bool:
    return (ratio.numerator, ratio.denominator) == (numerator, denominator)
