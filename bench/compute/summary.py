"""From the records of a run to the numbers that are shown. A pure function of the records."""

import dataclasses
import itertools
import statistics
from collections.abc import Iterable
from typing import Any

from bench.compute.agreement import Parity
from bench.compute.statistics import Interval, geometric_mean_interval, mean_interval
from bench.records import Row, rows_of

CHECKS = ("gradients", "weights", "central differences")


@dataclasses.dataclass(frozen=True)
class CurvePoint:
    """Where training stood after some epochs, over the seeds that got there."""

    epoch: int
    accuracy: Interval
    loss: Interval | None
    seconds: float
    """Mean over seeds of the training time until here, wall seconds, evaluation left out."""


@dataclasses.dataclass(frozen=True)
class Performance:
    """What one implementation did in one question."""

    implementation: str
    recipe: str
    curve: tuple[CurvePoint, ...]
    accuracy: Interval
    """Test accuracy after the last epoch, a fraction, mean over seeds."""
    wall_s: Interval
    """Wall seconds per epoch of training, geometric mean over rounds."""
    cpu_s: float
    """CPU seconds per epoch, all threads, geometric mean as of the wall seconds."""
    evaluation_s: float
    """Wall seconds of one evaluation on the test cases, median."""
    import_s: float
    """Wall seconds from the start of the process until its libraries are imported, median over processes."""
    load_s: float
    """Wall seconds to load the dataset and bring it into the recipe's form, median over processes."""
    prepare_s: float
    """Wall seconds to make the trainer from initial weights, median over processes."""
    peak_rss_bytes: int | None
    """Largest peak of resident memory of a process while it trains."""
    above_data_bytes: int | None
    """The same above what the process held when libraries and data were in memory and training had not begun."""
    diverged: tuple[int, ...]
    """Seeds whose loss stopped being a number."""
    parts: tuple[tuple[str, Interval], ...]
    """Wall seconds per step of the parts of a step, geometric mean over blocks."""


@dataclasses.dataclass(frozen=True)
class Ratio:
    """time(numerator) / time(denominator) per epoch, within rounds."""

    numerator: str
    denominator: str
    interval: Interval
    n_sets: int


@dataclasses.dataclass(frozen=True)
class Difference:
    """Test accuracy of one implementation minus that of another after the last epoch both reached, seed by seed."""

    first: str
    second: str
    interval: Interval
    epoch: int


@dataclasses.dataclass(frozen=True)
class Failure:
    """Why an implementation has no measurement, of one seed or, where that is ``None``, of any."""

    implementation: str
    seed: int | None
    message: str


@dataclasses.dataclass(frozen=True)
class QuestionSummary:
    """One question's answer: what each implementation did, and how their times compare."""

    name: str
    title: str
    cases: int
    test_cases: int
    epochs: int
    seeds: int
    performances: tuple[Performance, ...]
    ratios: tuple[Ratio, ...]
    differences: tuple[Difference, ...]
    parity: tuple[Parity, ...]
    failures: tuple[Failure, ...]


@dataclasses.dataclass(frozen=True)
class Summary:
    """All that a report shows."""

    description: dict[str, Any]
    questions: tuple[QuestionSummary, ...]
    sessions: int
    complete: bool
    """Whether every planned epoch is there, or accounted for by a failure."""


def summarize(description: dict[str, Any], rows: list[Row]) -> Summary:
    """Compute what a report shows from the description and the rows of a run."""
    questions = tuple(_summarize_question(question, rows) for question in description["plan"]["questions"])
    planned = sum(
        len(question["entries"]) * len(question["seeds"]) * question["epochs"]
        for question in description["plan"]["questions"]
    )
    failed = _epochs_lost_to_failures(description, rows)
    sessions = len({row["session"] for row in rows})
    return Summary(description, questions, sessions, len(rows_of(rows, "epoch")) + failed >= planned)


def _epochs_lost_to_failures(description: dict[str, Any], rows: list[Row]) -> int:
    lost = 0
    for question in description["plan"]["questions"]:
        for entry in question["entries"]:
            key = {"question": question["name"], "implementation": entry["implementation"]}
            failures = rows_of(rows, "failure", **key)
            seeds = {row["seed"] for row in failures}
            failed = question["seeds"] if None in seeds else [seed for seed in question["seeds"] if seed in seeds]
            done = sum(row["seed"] in failed for row in rows_of(rows, "epoch", **key))
            lost += len(failed) * question["epochs"] - done
    return lost


def _summarize_question(question: dict[str, Any], rows: list[Row]) -> QuestionSummary:
    mine = [row for row in rows if row["question"] == question["name"]]
    performances = tuple(
        _performance(entry, [row for row in mine if row["implementation"] == entry["implementation"]])
        for entry in question["entries"]
    )
    performances = tuple(performance for performance in performances if performance.curve)
    pairs = list(itertools.combinations([performance.implementation for performance in performances], 2))
    epochs, evaluations = rows_of(mine, "epoch"), rows_of(mine, "evaluation")
    return QuestionSummary(
        name=question["name"],
        title=question["title"],
        cases=question["cases"],
        test_cases=question["test_cases"],
        epochs=question["epochs"],
        seeds=len(question["seeds"]),
        performances=performances,
        ratios=tuple(paired_ratio(epochs, second, first) for first, second in pairs),
        differences=tuple(paired_difference(evaluations, second, first) for first, second in pairs),
        parity=tuple(
            Parity(**{field.name: row[field.name] for field in dataclasses.fields(Parity)})
            for row in rows_of(mine, "parity")
        ),
        failures=tuple(Failure(row["implementation"], row["seed"], row["message"]) for row in rows_of(mine, "failure")),
    )


def _performance(entry: dict[str, Any], rows: list[Row]) -> Performance:
    epochs, starts = rows_of(rows, "epoch"), rows_of(rows, "start")
    evaluations, memory = rows_of(rows, "evaluation"), rows_of(rows, "memory")
    curve = tuple(_curve(epochs, evaluations))
    walls = [[row["wall_s"] for row in group] for group in group_by_set(epochs)]
    return Performance(
        implementation=entry["implementation"],
        recipe=entry["recipe_name"],
        curve=curve,
        accuracy=curve[-1].accuracy if curve else mean_interval([]),
        wall_s=geometric_mean_interval(walls),
        cpu_s=geometric_mean_interval([[row["cpu_s"] for row in group] for group in group_by_set(epochs)]).estimate,
        evaluation_s=_median(row["wall_s"] for row in evaluations),
        import_s=_median(row["import_s"] for row in starts),
        load_s=_median(row["load_s"] for row in starts),
        prepare_s=_median(row["prepare_s"] for row in starts),
        peak_rss_bytes=max((row["peak_rss_bytes"] for row in memory), default=None),
        above_data_bytes=max((row["peak_rss_bytes"] - row["data_rss_bytes"] for row in memory), default=None),
        diverged=tuple(sorted({row["seed"] for row in epochs if row["loss"] is None})),
        parts=tuple(_parts(rows_of(rows, "part"))),
    )


def _median(values: Iterable[float | None]) -> float:
    found = [value for value in values if value is not None]
    return statistics.median(found) if found else float("nan")


def _curve(epochs: list[Row], evaluations: list[Row]) -> Iterable[CurvePoint]:
    for epoch in sorted({row["epoch"] for row in evaluations}):
        here = rows_of(evaluations, "evaluation", epoch=epoch)
        losses = [row["loss"] for row in rows_of(epochs, "epoch", epoch=epoch) if row["loss"] is not None]
        seeds = {row["seed"] for row in here}
        before = [row["wall_s"] for row in epochs if row["epoch"] <= epoch and row["seed"] in seeds]
        yield CurvePoint(
            epoch=epoch,
            accuracy=mean_interval([row["accuracy"] for row in here]),
            loss=mean_interval(losses) if losses else None,
            seconds=sum(before) / len(here),
        )


def _parts(rows: list[Row]) -> Iterable[tuple[str, Interval]]:
    for part in dict.fromkeys(row["part"] for row in rows):
        values = [row["wall_s"] / row["steps"] for row in rows_of(rows, "part", part=part)]
        yield part, geometric_mean_interval([values])


def group_by_set(rows: list[Row]) -> list[list[Row]]:
    """Group rows by the set of processes that measured them: same session, same seed."""
    key = lambda row: (row["session"], row["seed"])  # noqa: E731 (sorted and grouped by the same key)
    return [list(group) for _, group in itertools.groupby(sorted(rows, key=key), key)]


def paired_ratio(epochs: list[Row], numerator: str, denominator: str) -> Ratio:
    """Return time(numerator) / time(denominator), only within rounds of one session that hold both."""
    groups = []
    for rows in group_by_set(epochs):
        times = {(row["implementation"], row["round"]): row["wall_s"] for row in rows}
        rounds = sorted({row["round"] for row in rows})
        ratios = [
            times[numerator, number] / times[denominator, number]
            for number in rounds
            if (numerator, number) in times and (denominator, number) in times
        ]
        groups.append(ratios)
    groups = [group for group in groups if group]
    return Ratio(numerator, denominator, geometric_mean_interval(groups), len(groups))


def paired_difference(evaluations: list[Row], first: str, second: str) -> Difference:
    """Return the accuracy of the first minus that of the second, seed by seed, after the last epoch of both."""
    found = {
        name: {
            (row["seed"], row["epoch"]): row["accuracy"]
            for row in rows_of(evaluations, "evaluation", implementation=name)
        }
        for name in (first, second)
    }
    shared = found[first].keys() & found[second].keys()
    epoch = max((epoch for _, epoch in shared), default=0)
    differences = [found[first][key] - found[second][key] for key in sorted(shared) if key[1] == epoch]
    return Difference(first, second, mean_interval(differences), epoch)
