"""Time to accuracy: the selected recipes, and the time that each takes. Pure functions of the records."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

from backprop_bench.bench.core.records.kinds import AnyRecord, Failure, Search, TimeToAccuracy
from backprop_bench.bench.core.records.plan import Description
from backprop_bench.bench.core.records.reader import of_kind
from backprop_bench.bench.core.stats.intervals import Interval, geometric_mean_interval

CANDIDATES = 4
"""Recipes of an implementation that are tried with further seeds for each target."""


@dataclasses.dataclass(frozen=True)
class Choice:
    """The recipe of an implementation for a target.

    Attributes
    ----------
    label
        Of the entry with that recipe.
    epochs, wall_s
        Mean epochs and seconds to the target on held-out examples; NaN where no recipe reached it, and this one came
        nearest.
    reached, of
        With how many seeds it reached the target on held-out examples, of how many.
    """

    implementation: str
    target: float
    label: str
    epochs: float
    wall_s: float
    reached: int
    of: int


def choose(searches: Sequence[Search], implementations: Mapping[str, str], targets: Sequence[float]) -> list[Choice]:
    """Return the recipe for every implementation and target.

    It is the candidate that reached the target with the most seeds on held-out examples, and of these the one that
    took the fewest seconds on average.

    Parameters
    ----------
    searches
        Rows of kind ``search``; one without a curve was refused.
    implementations
        By label.
    """
    choices = []
    for rows in _by_implementation(searches, implementations):
        for target in targets:
            names = _candidates(_with_first_seed(rows), target)
            trials = [_choice(rows, implementations, name, target) for name in names]
            choices.append(min(trials, key=lambda trial: (-trial.reached, trial.wall_s)))
    return choices


def candidates(
    searches: Sequence[Search], implementations: Mapping[str, str], targets: Sequence[float]
) -> dict[str, float]:
    """Return which recipes are to be tried with further seeds, by label: the highest target each is a candidate for."""
    return {
        label: target
        for rows in _by_implementation(searches, implementations)
        for target in sorted(targets)
        for label in _candidates(_with_first_seed(rows), target)
    }


def _by_implementation(searches: Sequence[Search], implementations: Mapping[str, str]) -> list[list[Search]]:
    """Return the searches of each implementation that were not refused, without implementations that have none."""
    names = dict.fromkeys(implementations.values())
    rows = [[row for row in searches if implementations[row.implementation] == name and row.curve] for name in names]
    return list(filter(None, rows))


def _with_first_seed(rows: Sequence[Search]) -> list[Search]:
    """Return one row of every recipe: that of the seed with which all are tried."""
    return [row for row in rows if not row.seed]


def _candidates(rows: Sequence[Search], target: float) -> list[str]:
    """Return the recipes that reached a target in the fewest seconds; where none did, the one that came nearest."""
    reached = [(point[1], row.implementation) for row in rows if (point := first_at(row.curve, target)) is not None]
    nearest = max(rows, key=lambda row: _highest(row.curve)).implementation
    return [label for _, label in sorted(reached)[:CANDIDATES]] or [nearest]


def _choice(rows: Sequence[Search], implementations: Mapping[str, str], label: str, target: float) -> Choice:
    trials = [row for row in rows if row.implementation == label]
    points = [point for row in trials if (point := first_at(row.curve, target)) is not None]
    return Choice(
        implementation=implementations[label],
        target=target,
        label=label,
        epochs=_mean([point[0] for point in points]),
        wall_s=_mean([point[1] for point in points]),
        reached=len(points),
        of=len(trials),
    )


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan


def first_at(curve: Sequence[Sequence[float]], target: float) -> tuple[float, float, float] | None:
    """Return epochs, seconds and accuracy where a curve first reaches a target; ``None`` where it does not."""
    return next(((point[0], point[1], point[2]) for point in curve if point[2] >= target), None)


def _highest(curve: Sequence[Sequence[float]]) -> float:
    return max((point[2] for point in curve), default=0.0)


@dataclasses.dataclass(frozen=True)
class Result:
    """The training jobs of one implementation to one target, from one kind of start.

    Attributes
    ----------
    choice
        Their recipe.
    cold
        Whether from the start of a process.
    reached, of
        How many training jobs reached the target, of how many.
    wall_s
        Seconds from the data in memory to the accuracy: geometric mean of those that reached it.
    start_s
        Seconds of that before the training, their mean.
    by_seed
        Seconds by seed, of those that reached it.
    """

    choice: Choice
    cold: bool
    reached: int
    of: int
    wall_s: Interval
    start_s: float
    by_seed: Mapping[int, float]


@dataclasses.dataclass(frozen=True)
class Comparison:
    """time(second implementation) / time(first, the fastest), of the seeds with which both reached the target."""

    first: str
    second: str
    target: float
    cold: bool
    ratio: Interval


@dataclasses.dataclass(frozen=True)
class TimeToAccuracyResults:
    """All results, by target, kind of start and implementation.

    Attributes
    ----------
    refusing
        Implementations that refused every recipe, with what each said; nothing where that was not recorded.
    """

    results: tuple[Result, ...]
    comparisons: tuple[Comparison, ...]
    epochs: int
    failures: tuple[Failure, ...]
    refusing: Mapping[str, tuple[str, ...]]


def summarize_time_to_accuracy(
    description: Description, rows: list[AnyRecord], targets: Sequence[float]
) -> TimeToAccuracyResults:
    """Compute the results of a run of ``race``."""
    (question,) = description.plan.questions
    implementations = {entry.label: entry.implementation for entry in question.entries}
    runs = of_kind(rows, TimeToAccuracy)
    searches = of_kind(rows, Search)
    choices = choose(searches, implementations, targets)
    refused = {row.implementation for row in searches if not row.curve}
    accepting = {name for label, name in implementations.items() if label not in refused}
    results = [
        _result(
            choice,
            cold,
            of_kind(runs, TimeToAccuracy, implementation=choice.label, target=choice.target, cold=cold),
        )
        for choice in sorted(choices, key=lambda choice: choice.target)
        for cold in (True, False)
    ]
    results = [result for result in results if result.of]
    return TimeToAccuracyResults(
        tuple(results),
        tuple(_comparisons(results)),
        question.epochs,
        tuple(of_kind(rows, Failure)),
        {
            name: _refusals([row for row in searches if implementations[row.implementation] == name])
            for name in dict.fromkeys(implementations.values())
            if name not in accepting
        },
    )


def _refusals(searches: Sequence[Search]) -> tuple[str, ...]:
    """Return what an implementation said of the recipes that it refused, each sentence once."""
    return tuple(dict.fromkeys(row.refusal for row in searches if row.refusal is not None))


def _result(choice: Choice, cold: bool, runs: Sequence[TimeToAccuracy]) -> Result:
    reached = [row for row in runs if row.reached]
    by_seed = {row.seed: row.start_s + row.curve[-1][1] for row in reached}
    return Result(
        choice=choice,
        cold=cold,
        reached=len(reached),
        of=len(runs),
        wall_s=geometric_mean_interval(list(by_seed.values()))
        if by_seed
        else Interval(math.nan, math.nan, math.nan, 0),
        start_s=math.fsum(row.start_s for row in runs) / len(runs) if runs else math.nan,
        by_seed=by_seed,
    )


def by_goal(results: Sequence[Result]) -> dict[tuple[float, bool], list[Result]]:
    """Return the results by target and by whether the start is cold."""
    goals: dict[tuple[float, bool], list[Result]] = {}
    for result in results:
        goals.setdefault((result.choice.target, result.cold), []).append(result)
    return goals


def reliable(results: Sequence[Result]) -> list[Result]:
    """Return those that reached a target from at least half of the seeds, the fastest first.

    The seeds are those of the implementation that was timed from most: one that broke was timed from few.
    """
    seeds = max(result.of for result in results)
    reached = [result for result in results if 2 * result.reached >= seeds]
    return sorted(reached, key=lambda result: result.wall_s.estimate)


def fastest(results: Sequence[Result]) -> Result | None:
    """Return the fastest of those that are reliable; ``None`` without one."""
    return next(iter(reliable(results)), None)


def _comparisons(results: Sequence[Result]) -> list[Comparison]:
    """Compare the fastest to each target, from each start, with each other one."""
    comparisons = []
    for (target, cold), group in by_goal(results).items():
        first = fastest(group)
        if first is None:
            continue
        for second in group:
            both = sorted(first.by_seed.keys() & second.by_seed.keys())
            if second is not first and both:
                ratio = geometric_mean_interval([second.by_seed[seed] / first.by_seed[seed] for seed in both])
                names = first.choice.implementation, second.choice.implementation
                comparisons.append(Comparison(*names, target, cold, ratio))
    return comparisons
