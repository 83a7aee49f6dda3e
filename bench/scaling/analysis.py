"""How time grows along an axis: curves, slopes, crossovers, and the fraction of the roofline. Pure functions."""

import dataclasses
import itertools
import math
import re
from collections.abc import Mapping, Sequence

import numpy as np

from backprop_bench.bench.core.implementations import IMPLEMENTATIONS
from backprop_bench.bench.core.records.kinds import AnyRecord
from backprop_bench.bench.core.records.plan import Description
from backprop_bench.bench.core.stats.intervals import Interval, scaled
from backprop_bench.bench.core.stats.ratios import Ratio
from backprop_bench.bench.core.summary import QuestionSummary, summarize
from backprop_bench.data import Recipe

PLURAL = re.compile(r"s\b")


@dataclasses.dataclass(frozen=True)
class Point:
    """One implementation at one place of an axis.

    Attributes
    ----------
    x
        The place: how many of what is counted, or the number of a name from 1 on.
    label
        The place in words.
    example_s
        Seconds per example and epoch.
    epoch_s
        Seconds per epoch.
    of_roofline
        Time of the roofline over this time. The roofline is the longer of the fastest matrix products alone and of
        fetching the batches alone. NaN where neither was timed.
    """

    x: int
    label: str
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
class Lead:
    """How far the fastest from-scratch implementation is ahead of the fastest framework at one place.

    Attributes
    ----------
    label
        The place in words.
    setting
        Recipe, examples and threads: the place that all axes have in common has the same one everywhere.
    scratch, framework
        Their names; empty where none was timed.
    ratio
        time(from scratch) / time(framework); NaN where one was not timed.
    """

    label: str
    setting: tuple[Recipe, int, int | None]
    scratch: str
    framework: str
    ratio: Interval

    @property
    def is_timed(self) -> bool:
        """Whether both were."""
        return self.ratio.n > 0

    @property
    def is_ahead(self) -> bool:
        """Whether the from-scratch implementation is significantly faster."""
        return self.ratio.high < 1

    @property
    def is_behind(self) -> bool:
        """Whether it is significantly slower."""
        return self.ratio.low > 1


@dataclasses.dataclass(frozen=True)
class Scaling:
    """All curves along one axis.

    Attributes
    ----------
    axis, counted
        Its name, and what is counted along it.
    is_numeric
        Whether its places are numbers rather than names.
    products, fetched
        The fastest matrix products alone, in FLOPs, and fetching the batches alone, in bytes read.
    """

    axis: str
    counted: str
    is_numeric: bool
    curves: tuple[Curve, ...]
    products: tuple[Limit, ...]
    fetched: tuple[Limit, ...]
    crossovers: tuple[Crossover, ...]
    leads: tuple[Lead, ...]

    @property
    def labels(self) -> dict[int, str]:
        """The places in words, in their order."""
        return dict(sorted({point.x: point.label for curve in self.curves for point in curve.points}.items()))

    def where(self, label: str) -> str:
        """Return a place with what is counted there: "256 units of the hidden layer", "precision = float64"."""
        if not self.is_numeric:
            return f"{self.counted} = {label}"
        return f"{label} {PLURAL.sub('', self.counted, count=1) if label == '1' else self.counted}"


@dataclasses.dataclass(frozen=True)
class _Place:
    x: int
    label: str
    question: QuestionSummary
    setting: tuple[Recipe, int, int | None]


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
    by_axis: dict[str, list[QuestionSummary]] = {}
    for question in summarize(description, rows).questions:
        by_axis.setdefault(question.name.partition("=")[0], []).append(question)
    return [
        _scaling(axis, counted[axis], *_places(description, questions), baselines, fetch)
        for axis, questions in by_axis.items()
    ]


def _places(description: Description, questions: Sequence[QuestionSummary]) -> tuple[list[_Place], bool]:
    """Return the places of an axis in their order, and whether they are numbers."""
    values = [question.name.partition("=")[2] for question in questions]
    is_numeric = all(value == "all" or value.isdecimal() for value in values)
    places = []
    for number, (value, question) in enumerate(zip(values, questions, strict=True), start=1):
        x = question.examples if value == "all" else int(value) if is_numeric else number
        planned = description.plan.question(question.name)
        setting = planned.entries[0].recipe, question.examples, planned.threads or description.threads
        places.append(_Place(x, f"{x:,}" if is_numeric else value, question, setting))
    return sorted(places, key=lambda place: place.x), is_numeric


def _scaling(
    axis: str, counted: str, places: Sequence[_Place], is_numeric: bool, baselines: Sequence[str], fetch: str
) -> Scaling:
    points: dict[str, list[Point]] = {}
    products: list[Limit] = []
    fetched: list[Limit] = []
    for place in places:
        x, question = place.x, place.question
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
                points.setdefault(name, []).append(
                    Point(x, place.label, example_s, item.wall_s, roofline_s / example_s.estimate)
                )
    slopes = {name: _slopes(along) if is_numeric else (math.nan, math.nan) for name, along in points.items()}
    curves = tuple(Curve(name, tuple(along), *slopes[name]) for name, along in points.items())
    crossovers = _crossovers(places, list(points)) if is_numeric else []
    leads = [_lead(place, list(points)) for place in places]
    limits = tuple(products), tuple(fetched)
    return Scaling(axis, counted, is_numeric, curves, *limits, tuple(crossovers), tuple(leads))


def _lead(place: _Place, names: Sequence[str]) -> Lead:
    """Return how far the fastest from scratch is ahead of the fastest framework; yours are neither."""
    timed = [item for item in place.question.performances if item.wall_s.n and item.implementation in names]
    timed.sort(key=lambda item: item.wall_s.estimate)
    known = [IMPLEMENTATIONS[item.implementation] for item in timed if item.implementation in IMPLEMENTATIONS]
    scratch = next((item.name for item in known if item.side == "from scratch"), "")
    framework = next((item.name for item in known if item.side != "from scratch"), "")
    ratio = _ratio(place.question, scratch, framework) or Interval(math.nan, math.nan, math.nan, 0)
    return Lead(place.label, place.setting, scratch, framework, ratio)


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


def _crossovers(places: Sequence[_Place], names: Sequence[str]) -> list[Crossover]:
    """Return where one implementation overtakes another; the difference is significant at both places around it."""
    crossovers = []
    for number, first in enumerate(names):
        for second in names[number + 1 :]:
            known = [
                (place.x, ratio) for place in places if (ratio := _ratio(place.question, second, first)) is not None
            ]
            significant = [(x, ratio.estimate) for x, ratio in known if not ratio.contains(1)]
            for (x0, r0), (x1, r1) in itertools.pairwise(significant):
                if (r0 > 1) != (r1 > 1):
                    share = math.log(r0) / (math.log(r0) - math.log(r1))
                    x = math.exp(math.log(x0) + share * (math.log(x1) - math.log(x0)))
                    ahead = (first, second) if r0 > 1 else (second, first)
                    crossovers.append(Crossover(*ahead, x, (x0, x1)))
    return crossovers


def _ratio(question: QuestionSummary, numerator: str, denominator: str) -> Interval | None:
    for ratio in (*question.ratios, *(ratio.flipped() for ratio in question.ratios)):
        if _is(ratio, numerator, denominator) and ratio.n_replicates > 1:
            return ratio.interval
    return None


def _is(ratio: Ratio, numerator: str, denominator: str) -> bool:
    return (ratio.numerator, ratio.denominator) == (numerator, denominator)
