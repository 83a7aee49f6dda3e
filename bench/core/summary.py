"""From the records of a run to the numbers that are shown. A pure function of the records."""

import dataclasses
import statistics
from collections.abc import Iterable, Mapping, Sequence

from backprop_bench.bench.core.network import Outcomes
from backprop_bench.bench.core.records.kinds import (
    INTERFERENCE,
    AnyRecord,
    Block,
    End,
    Epoch,
    Failure,
    Start,
    StepPart,
    StepWork,
    Stop,
    TimedWork,
    Verification,
)
from backprop_bench.bench.core.records.plan import SECOND_COPY, Description, Entry, Question
from backprop_bench.bench.core.records.reader import of_kind
from backprop_bench.bench.core.stats.flops import Work, epoch_work
from backprop_bench.bench.core.stats.intervals import Interval, geometric_mean_interval, mean_interval, scaled
from backprop_bench.bench.core.stats.ratios import (
    Ratio,
    joules_per_example,
    paired_ratio,
    per_example_interval,
    under_interference,
)
from backprop_bench.bench.core.stats.schedule import pairs

Accuracies = Mapping[int, Mapping[int, float]]
"""By seed and epoch."""


@dataclasses.dataclass(frozen=True)
class CurvePoint:
    """Where training stood after some epochs, over the seeds that got there."""

    epoch: int
    accuracy: Interval
    loss: Interval | None
    seconds: float
    """Wall seconds of that many epochs, at the time per epoch that was measured in blocks."""


@dataclasses.dataclass(frozen=True)
class Performance:
    """What one implementation did in one question."""

    implementation: str
    source: str
    """The name by which the implementation is found."""
    recipe: str
    curve: tuple[CurvePoint, ...]
    accuracy: Interval
    """Test accuracy after the last epoch, a fraction, mean over seeds."""
    wall_s: Interval
    """Wall seconds per epoch of training, of 10th-percentile blocks by process replicate; ``n`` counts blocks."""
    cpu_s: float
    """CPU seconds per epoch, all threads, of 10th-percentile blocks."""
    energy_j: Interval | None
    """Joules per epoch; ``None`` where the system provides no counter."""
    energy: str
    """What measured energy, or why nothing did."""
    evaluation_s: float
    """Wall seconds of one evaluation on the test examples, median over processes."""
    import_s: float
    """Wall seconds from the start of the process until its libraries are imported."""
    load_s: float
    """Wall seconds to load the data: to map the examples into the process and touch them once."""
    prepare_s: float
    """Wall seconds to build the model from initial weights."""
    first_s: float
    """Wall seconds of the first batch, with compilation where there is any, median over processes."""
    peak_rss_bytes: int | None
    """Largest peak of resident memory of a process while it trains."""
    extra_memory_bytes: int | None
    """Extra memory during training: the peak beyond libraries and data."""
    diverged: tuple[int, ...]
    """Seeds whose loss stopped being a number."""
    without_loss: bool
    """Whether its training returns no loss, which others compute within the time."""
    trained_by: str
    """Who trained its recipe for the accuracy: itself, or the fastest verified implementation; empty of neither."""
    parts: tuple[tuple[str, Interval], ...]
    """Wall seconds per example of the parts of a step, geometric mean over blocks in one process."""
    work: Work
    """FLOPs and bytes of an epoch, counted from the recipe."""
    step: StepWork | None
    """What a step does, where that was counted."""


@dataclasses.dataclass(frozen=True)
class Difference:
    """Test accuracy of one implementation minus that of another after the last epoch both reached, seed by seed."""

    first: str
    second: str
    interval: Interval
    epoch: int


@dataclasses.dataclass(frozen=True)
class Interference:
    """System interference during the timing of a question.

    Attributes
    ----------
    n_blocks, n_under_interference
        Blocks in all, and those beyond the limits.
    shares
        By counter of seconds: its share of the wall time of all blocks.
    counts
        By other counter: its sum over all blocks. Counters that the system does not provide are in neither.
    """

    n_blocks: int
    n_under_interference: int
    shares: dict[str, float]
    counts: dict[str, int]


@dataclasses.dataclass(frozen=True)
class QuestionSummary:
    """One question's answer: what each implementation did, and how their times compare."""

    name: str
    title: str
    examples: int
    test_examples: int
    epochs: int
    seeds: int
    performances: tuple[Performance, ...]
    ratios: tuple[Ratio, ...]
    self_test: Ratio | None
    """A/A test: time(second copy) / time(original); its interval should include 1. ``None`` where there is none."""
    stop: Stop | None
    """``None`` while the timing is not complete."""
    interference: Interference
    differences: tuple[Difference, ...]
    verifications: tuple[Verification, ...]
    works: tuple[TimedWork, ...]
    """How the timed work, and the trainings for accuracy, compare with those of a reference."""
    failures: tuple[Failure, ...]
    pair: tuple[str, str] | None = None
    """Labels of the two that the question is about; ``None`` for the fastest ones of either side."""
    accuracies: Mapping[str, Accuracies] = dataclasses.field(default_factory=dict)
    """By label, the test accuracy after every epoch from every seed."""


@dataclasses.dataclass(frozen=True)
class Summary:
    """All that a report shows."""

    description: Description
    questions: tuple[QuestionSummary, ...]
    sessions: int
    complete: bool
    """Whether every planned training and timing is there, or accounted for by a failure."""
    outcomes: Outcomes | None = None
    """Trained networks and their test examples; ``None`` where the run saved none."""


def summarize(description: Description, rows: Sequence[AnyRecord], outcomes: Outcomes | None = None) -> Summary:
    """Compute what a report shows from the description and the rows of a run, and the networks that it has saved."""
    planned = description.plan.questions
    of_question: dict[str, list[AnyRecord]] = {question.name: [] for question in planned}
    for row in rows:
        of_question[row.question].append(row)
    questions = tuple(_summarize_question(question, of_question[question.name]) for question in planned)
    complete = all(
        summary.stop is not None and _all_trained(question, of_question[question.name])
        for question, summary in zip(planned, questions, strict=True)
    )
    return Summary(description, questions, len({row.session for row in rows}), complete, outcomes)


def _all_trained(question: Question, rows: Sequence[AnyRecord]) -> bool:
    """Say whether every planned training came to its end, or failed."""
    done = {(row.implementation, row.seed) for row in of_kind(rows, Epoch, epoch=question.epochs)}
    failed = {(row.implementation, row.number) for row in of_kind(rows, Failure, phase="training")}
    unverified = {row.implementation for row in of_kind(rows, Failure, phase="verification")}
    unverified |= {row.implementation for row in of_kind(rows, TimedWork, passed=False)}
    unverified |= {row.implementation for row in of_kind(rows, Failure, phase="timed work")}
    return all(
        entry.label in unverified or (entry.label, seed) in done | failed
        for entry in question.trained
        for seed in question.seeds
    )


def _summarize_question(question: Question, rows: Sequence[AnyRecord]) -> QuestionSummary:
    entries = [entry for entry in question.entries if not entry.second_copy]
    performances = tuple(
        _performance(question, entry, [row for row in rows if getattr(row, "implementation", None) == entry.label])
        for entry in entries
    )
    performances = tuple(item for item in performances if item.curve or item.wall_s.n)
    compared = pairs(performance.implementation for performance in performances)
    epochs, blocks = of_kind(rows, Epoch), of_kind(rows, Block)
    second_copy = next((entry for entry in question.entries if entry.second_copy), None)
    stop = of_kind(rows, Stop)
    return QuestionSummary(
        name=question.name,
        title=question.title,
        examples=question.examples,
        test_examples=question.test_examples,
        epochs=question.epochs,
        seeds=len(question.seeds),
        performances=performances,
        ratios=tuple(paired_ratio(blocks, *pair) for pair in pairs(entry.label for entry in entries if entry.timed)),
        self_test=None if second_copy is None else _self_test(blocks, second_copy),
        stop=stop[-1] if stop else None,
        interference=_interference(blocks),
        differences=tuple(paired_difference(epochs, *pair) for pair in compared),
        verifications=tuple(of_kind(rows, Verification)),
        works=tuple(of_kind(rows, TimedWork)),
        failures=tuple(of_kind(rows, Failure)),
        pair=question.pair,
        accuracies={
            performance.implementation: _accuracies(of_kind(epochs, Epoch, implementation=performance.implementation))
            for performance in performances
        },
    )


def _accuracies(epochs: Sequence[Epoch]) -> Accuracies:
    by_seed: dict[int, dict[int, float]] = {}
    for row in epochs:
        by_seed.setdefault(row.seed, {})[row.epoch] = row.accuracy
    return by_seed


def _self_test(blocks: Sequence[Block], second_copy: Entry) -> Ratio:
    return paired_ratio(blocks, second_copy.label, second_copy.label.removesuffix(SECOND_COPY))


def _performance(question: Question, entry: Entry, rows: Sequence[AnyRecord]) -> Performance:
    examples = question.examples
    starts, ends, blocks = of_kind(rows, Start), of_kind(rows, End), of_kind(rows, Block)
    wall_s = scaled(per_example_interval(blocks, "wall_s"), examples)
    curve = tuple(_curve(of_kind(rows, Epoch), wall_s.estimate))
    joules = joules_per_example(blocks)
    return Performance(
        implementation=entry.label,
        source=entry.implementation,
        recipe=entry.recipe_name,
        curve=curve,
        accuracy=curve[-1].accuracy if curve else mean_interval([]),
        wall_s=wall_s,
        cpu_s=scaled(per_example_interval(blocks, "cpu_s"), examples).estimate,
        energy_j=scaled(joules, examples) if joules else None,
        energy=starts[0].energy if starts else "not timed",
        evaluation_s=_median(row.evaluation_s for row in ends),
        import_s=_median(row.import_s for row in starts),
        load_s=_median(row.load_s for row in starts),
        prepare_s=_median(row.prepare_s for row in starts),
        first_s=_median(row.first_s for row in starts),
        peak_rss_bytes=max((row.peak_rss_bytes for row in ends), default=None),
        extra_memory_bytes=max(
            (row.peak_rss_bytes - row.data_rss_bytes for row in ends if row.data_rss_bytes is not None),
            default=None,
        ),
        diverged=tuple(sorted({row.seed for row in of_kind(rows, Epoch) if row.diverged})),
        without_loss=any(row.without_loss for row in of_kind(rows, Epoch))
        or (bool(blocks) and all(row.loss is None for row in blocks)),
        trained_by=next((row.trained_by or entry.implementation for row in of_kind(rows, Epoch)), ""),
        parts=tuple(_parts(of_kind(rows, StepPart))),
        work=epoch_work(entry.recipe, examples),
        step=next(iter(of_kind(rows, StepWork)), None),
    )


def _median(values: Iterable[float | None]) -> float:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else float("nan")


def _curve(epochs: Sequence[Epoch], epoch_s: float) -> Iterable[CurvePoint]:
    for epoch in sorted({row.epoch for row in epochs}):
        here = sorted(of_kind(epochs, Epoch, epoch=epoch), key=lambda row: row.seed)
        losses = [row.loss for row in here if row.loss is not None]
        yield CurvePoint(
            epoch=epoch,
            accuracy=mean_interval([row.accuracy for row in here]),
            loss=mean_interval(losses) if losses else None,
            seconds=epoch * epoch_s,
        )


def _parts(rows: Sequence[StepPart]) -> Iterable[tuple[str, Interval]]:
    for part in dict.fromkeys(row.part for row in rows):
        blocks = of_kind(rows, StepPart, part=part)
        yield part, geometric_mean_interval([row.wall_s / (row.steps * row.batch_size) for row in blocks])


def _interference(blocks: Sequence[Block]) -> Interference:
    shares: dict[str, float] = {}
    counts: dict[str, int] = {}
    for name in INTERFERENCE:
        known = [row for row in blocks if getattr(row, name) is not None]
        total = sum(getattr(row, name) for row in known)
        if known and name.endswith(("_s", "_us")):
            seconds = total / 1e6 if name.endswith("_us") else total
            shares[name] = seconds / sum(row.wall_s for row in known)
        elif known:
            counts[name] = total
    return Interference(len(blocks), sum(map(under_interference, blocks)), shares, counts)


def paired_difference(epochs: Sequence[Epoch], first: str, second: str) -> Difference:
    """Return the accuracy of the first minus that of the second, seed by seed, after the last epoch of both."""
    accuracies = {
        name: {(row.seed, row.epoch): row.accuracy for row in of_kind(epochs, Epoch, implementation=name)}
        for name in (first, second)
    }
    shared = accuracies[first].keys() & accuracies[second].keys()
    epoch = max((epoch for _, epoch in shared), default=0)
    differences = [accuracies[first][key] - accuracies[second][key] for key in sorted(shared) if key[1] == epoch]
    return Difference(first, second, mean_interval(differences), epoch)
