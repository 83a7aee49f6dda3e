"""How well independent runs agree on time ratios, paired and measured separately. Pure functions."""

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, Self

from backprop_bench.bench.core.stats.intervals import (
    Interval,
    finite,
    interval_from_dict,
    interval_to_dict,
    relative_half_width,
)
from backprop_bench.bench.core.stats.ratios import Ratio
from backprop_bench.bench.core.summary import QuestionSummary, Summary
from backprop_bench.data import InputError

TOLERANCE = 0.02
"""Deviation from the pooled value up to which a run reproduces it, as a share."""


@dataclasses.dataclass(frozen=True)
class Spread:
    """Deviations of some values from their geometric mean, as shares of it."""

    deviations: tuple[float, ...]

    @property
    def sd(self) -> float:
        """Their standard deviation; NaN of fewer than two."""
        return statistics.stdev(self.deviations) if len(self.deviations) > 1 else math.nan

    @property
    def range(self) -> float:
        """The largest less the smallest; NaN of none."""
        return max(self.deviations) - min(self.deviations) if self.deviations else math.nan

    @property
    def n_within(self) -> int:
        """How many are within the tolerance."""
        return sum(abs(deviation) <= TOLERANCE for deviation in self.deviations)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        n = len(self.deviations)
        return {"n": n, "within": self.n_within, "sd": finite(self.sd), "range": finite(self.range)}


@dataclasses.dataclass(frozen=True)
class Repetition:
    """A ratio in one run.

    Attributes
    ----------
    run
        Its label.
    interval
        Estimate and interval of the run alone.
    deviation
        Of its estimate from the pooled value, as a share of that.
    within
        Whether the deviation is within the tolerance.
    is_wider
        Whether the half-width of the run's own interval is larger than the tolerance.
    contains_pooled
        Whether the pooled value lies in the run's interval.
    median_per_round
        Deviation of the median per-round ratio from the geometric mean of those of all runs.
    unpaired
        Time of the numerator in this run / time of the denominator in every other run, as deviations from the geometric
        mean of all such ratios of all runs.
    """

    run: str
    interval: Interval
    deviation: float
    within: bool
    is_wider: bool
    contains_pooled: bool
    median_per_round: float
    unpaired: tuple[float, ...]

    @property
    def repeats(self) -> bool:
        """Whether the run agrees: within the tolerance, or with a wider interval that contains the pooled value."""
        return self.within or (self.is_wider and self.contains_pooled)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**dataclasses.asdict(self), "interval": interval_to_dict(self.interval), "repeats": self.repeats}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_dict` returned."""
        fields = {field.name: values[field.name] for field in dataclasses.fields(cls)}
        return cls(
            **{**fields, "interval": interval_from_dict(values["interval"]), "unpaired": tuple(values["unpaired"])}
        )


@dataclasses.dataclass(frozen=True)
class RepeatedRatio:
    """time(numerator) / time(denominator) in several runs.

    Attributes
    ----------
    pooled
        Geometric mean of the runs' estimates, at least 1.
    repetitions
        By run.
    """

    numerator: str
    denominator: str
    pooled: float
    repetitions: tuple[Repetition, ...]

    @property
    def paired(self) -> Spread:
        """Spread of the runs' ratios."""
        return Spread(tuple(repetition.deviation for repetition in self.repetitions))

    @property
    def median_per_round(self) -> Spread:
        """Spread of the median per-round ratios."""
        return Spread(tuple(repetition.median_per_round for repetition in self.repetitions))

    @property
    def unpaired(self) -> Spread:
        """Spread of ratios whose times come from different runs."""
        return Spread(tuple(deviation for repetition in self.repetitions for deviation in repetition.unpaired))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "numerator": self.numerator,
            "denominator": self.denominator,
            "pooled": self.pooled,
            "paired": self.paired.to_dict(),
            "median_per_round": self.median_per_round.to_dict(),
            "unpaired": self.unpaired.to_dict(),
            "runs": [repetition.to_dict() for repetition in self.repetitions],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_dict` returned."""
        runs = tuple(map(Repetition.from_dict, values["runs"]))
        return cls(values["numerator"], values["denominator"], values["pooled"], runs)


@dataclasses.dataclass(frozen=True)
class Repeatability:
    """The ratios of one question in several independent runs."""

    question: str
    runs: tuple[str, ...]
    ratios: tuple[RepeatedRatio, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        ratios = [ratio.to_dict() for ratio in self.ratios]
        return {"question": self.question, "tolerance": TOLERANCE, "runs": list(self.runs), "ratios": ratios}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_dict` returned."""
        ratios = tuple(map(RepeatedRatio.from_dict, values["ratios"]))
        return cls(values["question"], tuple(values["runs"]), ratios)


def repeatability(runs: Sequence[tuple[str, Summary]], question: str = "same-recipe") -> Repeatability:
    """Compare the time ratios of independent runs.

    Parameters
    ----------
    runs
        Label and summary of every run.
    question
        Name of the question that is compared. Ratios that fewer than two runs have are left out.

    Raises
    ------
    InputError
        Where a run has no such question.
    """
    questions = [(label, _question_of(label, summary, question)) for label, summary in runs]
    _check_same(runs, question)
    names = dict.fromkeys((ratio.numerator, ratio.denominator) for _, item in questions for ratio in item.ratios)
    ratios = []
    for pair in names:
        having = [(label, item, ratio) for label, item in questions for ratio in _ratio_of(item, *pair)]
        if len(having) > 1:
            ratios.append(_repeated(having))
    return Repeatability(question, tuple(label for label, _ in questions), tuple(ratios))


def _check_same(runs: Sequence[tuple[str, Summary]], name: str) -> None:
    """Raise `InputError` unless all runs have the same settings in a question."""
    first_label, first = runs[0]
    expected = _settings(first, name)
    for label, summary in runs[1:]:
        actual = _settings(summary, name)
        for what in actual.keys() & expected.keys():
            if actual[what] != expected[what]:
                raise InputError(
                    f"the runs {first_label!r} and {label!r} differ in the {what} of {name}; expected repetitions"
                )


def _settings(summary: Summary, name: str) -> dict[str, Any]:
    """Return the settings that repetitions share, by name."""
    description = summary.description
    planned = description.plan.question(name)
    recipes = {f"recipe of {entry.label}": entry.recipe for entry in planned.entries}
    asked = {"dataset": description.dataset_crc32, "threads": description.threads}
    timing = dataclasses.replace(planned.timing, order_seed=0)
    environment = description.environment
    where = {"processor": environment["cpu"]["model"], "versions of packages": environment["packages"]}
    return {**asked, "number of examples": planned.examples, **recipes, "timing": timing, **where}


def _question_of(label: str, summary: Summary, name: str) -> QuestionSummary:
    for question in summary.questions:
        if question.name == name:
            return question
    raise InputError(f"the run {label!r} has no question {name!r}")


def _ratio_of(question: QuestionSummary, numerator: str, denominator: str) -> list[Ratio]:
    """Return the ratio of a run, empty where it has none."""
    return [
        ratio
        for ratio in question.ratios
        if (ratio.numerator, ratio.denominator) == (numerator, denominator) and ratio.interval.n
    ]


def _repeated(having: Sequence[tuple[str, QuestionSummary, Ratio]]) -> RepeatedRatio:
    """Compare the runs that have a ratio, with the slower implementation as the numerator."""
    if statistics.geometric_mean([ratio.interval.estimate for _, _, ratio in having]) < 1:
        having = [(label, question, ratio.flipped()) for label, question, ratio in having]
    numerator, denominator = having[0][2].numerator, having[0][2].denominator
    pooled = statistics.geometric_mean([ratio.interval.estimate for _, _, ratio in having])
    above = [_seconds(question, numerator) for _, question, _ in having]
    below = [_seconds(question, denominator) for _, question, _ in having]
    crossed = [[a / b for j, b in enumerate(below) if j != i] for i, a in enumerate(above)]
    middle = statistics.geometric_mean([value for row in crossed for value in row])
    medians = statistics.geometric_mean([ratio.median_per_round.estimate for _, _, ratio in having])
    repetitions = [
        _repetition(label, ratio, pooled, medians, tuple(value / middle - 1 for value in row))
        for (label, _, ratio), row in zip(having, crossed, strict=True)
    ]
    return RepeatedRatio(numerator, denominator, pooled, tuple(repetitions))


def _seconds(question: QuestionSummary, implementation: str) -> float:
    return next(item.wall_s.estimate for item in question.performances if item.implementation == implementation)


def _repetition(label: str, ratio: Ratio, pooled: float, medians: float, unpaired: tuple[float, ...]) -> Repetition:
    interval = ratio.interval
    deviation = interval.estimate / pooled - 1
    return Repetition(
        run=label,
        interval=interval,
        deviation=deviation,
        within=abs(deviation) <= TOLERANCE,
        is_wider=relative_half_width(interval) > TOLERANCE,
        contains_pooled=interval.contains(pooled),
        median_per_round=ratio.median_per_round.estimate / medians - 1,
        unpaired=unpaired,
    )
