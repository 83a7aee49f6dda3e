"""Why the article's two networks differ: a full factorial between them, for accuracy and for time."""

import dataclasses
import itertools
import math
import secrets
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from backprop_bench.bench.core.engine.cluster import Cluster
from backprop_bench.bench.core.engine.context import RunContext
from backprop_bench.bench.core.engine.jobs import Here, Job, JobExecutor, JobRecord, Outcome, Place, job_of
from backprop_bench.bench.core.engine.plan import BLOCK_S, Extent, check_available, check_timing, make_question
from backprop_bench.bench.core.engine.progress import Progress
from backprop_bench.bench.core.engine.reuse import unchanged_runs
from backprop_bench.bench.core.engine.run_log import RunLog
from backprop_bench.bench.core.engine.runner import Runner
from backprop_bench.bench.core.engine.tuning import HELD_OUT, RATES, TUNING_SEEDS, best_rate
from backprop_bench.bench.core.implementations import named_implementation
from backprop_bench.bench.core.machine.environment import usable_cores
from backprop_bench.bench.core.records.kinds import AnyRecord, Epoch, Search, Stretch
from backprop_bench.bench.core.records.plan import Entry, Plan, Question, Timing
from backprop_bench.bench.core.records.reader import of_kind, read_description
from backprop_bench.bench.core.worker.client import start_again
from backprop_bench.bench.explain.analysis import LOADER, OTHER, TUNED, cell_name
from backprop_bench.bench.explain.chain_plan import chain_question
from backprop_bench.data import ARTICLE_SCRATCH, Dataset, InputError, Recipe, fit_recipe


@dataclasses.dataclass(frozen=True)
class Factor:
    """What the article's two networks differ in.

    Attributes
    ----------
    name
        What it is called.
    levels
        Fields of the recipe at level 0, that of the hand-written network, and at level 1, that of PyTorch's.
    implementations
        Both levels, where the factor is the implementation; empty otherwise.
    threads
        Both levels, where the factor is the number of threads; empty otherwise.
    """

    name: str
    levels: tuple[dict[str, Any], dict[str, Any]]
    implementations: tuple[str, ...] = ()
    threads: tuple[int, ...] = ()


LOSS = Factor(
    "loss",
    (
        {"output_activation": "sigmoid", "loss": "squared_error", "target_range": (0.01, 0.99)},
        {"output_activation": "softmax", "loss": "cross_entropy", "target_range": (0.0, 1.0)},
    ),
)
PUBLISHED_BATCH = 64
"""Of the PyTorch network."""
BATCH = Factor("batch", ({"batch_size": 1}, {"batch_size": PUBLISHED_BATCH}))
THREADS = Factor("threads", ({}, {}), threads=(1, 2))
"""Left out where there is one core."""
BIAS = Factor("bias", ({"bias": False}, {"bias": True}))
INITIAL = Factor("initial weights", ({"initialization": "lecun_normal"}, {"initialization": "torch_linear"}))
START = Factor("bias and initial weights", (BIAS.levels[0] | INITIAL.levels[0], BIAS.levels[1] | INITIAL.levels[1]))
INPUTS = Factor(
    "inputs and order",
    ({"input_range": (0.01, 1.0), "shuffle": False}, {"input_range": (0.0, 1.0), "shuffle": True}),
)
PRECISION = Factor("precision", ({"dtype": "float64"}, {"dtype": "float32"}))
FROM_SCRATCH = "scratch-numpy"
IMPLEMENTATION = Factor("implementation", ({}, {}), (FROM_SCRATCH, "torch-eager"))
TUNING = Factor(TUNED, ({}, {}))
"""At level 0 every cell has the learning rate of the hand-written network, at level 1 its own best one.

It is the last factor of the accuracies, in every scope.
"""


@dataclasses.dataclass(frozen=True)
class Scope:
    """How much is explained.

    Attributes
    ----------
    accuracy, runtime
        Factors of either gap.
    examples
        Training examples; ``None`` for all.
    epochs, seeds
        Of every cell of the accuracies.
    replicates, rounds
        Process replicates of the times, and rounds in each.
    chain
        Whether the ablation chain from `scratch-numpy` to `torch-eager` is timed as well.
    """

    accuracy: tuple[Factor, ...]
    runtime: tuple[Factor, ...]
    examples: int | None
    epochs: int
    seeds: int
    replicates: int
    rounds: int
    chain: bool = True


SCOPES = {
    "quick": Scope((LOSS, BATCH, TUNING), (BATCH, PRECISION, IMPLEMENTATION), 2000, 2, 3, 3, 4, chain=False),
    "default": Scope(
        (LOSS, BATCH, BIAS, INITIAL, INPUTS, TUNING),
        (BATCH, LOSS, INPUTS, PRECISION, THREADS, IMPLEMENTATION),
        10_000,
        2,
        5,
        4,
        8,
    ),
    "full": Scope(
        (LOSS, BATCH, START, INPUTS, TUNING),
        (BATCH, LOSS, INPUTS, PRECISION, IMPLEMENTATION),
        None,
        10,
        20,
        4,
        8,
    ),
}
FAST = {"dtype": "float32"}
"""For accuracies where precision is no factor: half the time, with far more digits than accuracies depend on."""
VERIFICATION_STEPS = 20
ACCURACY, RUNTIME = "accuracy", "runtime"
REFERENCE, LOADED = "torch-eager", "torch-loader"
"""The implementation that trains both ends as well, and the one that is timed after all factors."""
REFERENCE_SEEDS = 4
"""From so many seeds: an epoch of one example at a time takes PyTorch 20 s."""
ENGINES = ("scratch-compiled", "scratch-numpy")
"""Implementations that train for the accuracies, the fastest first: all compute the same."""
ANY, UNLIMITED_S = 0.999, 36_000.0
"""The number of replicates is fixed, whatever the width of the intervals."""


def plan_explanation(dataset: Dataset, scope: Scope, implementation: str = FROM_SCRATCH) -> Plan:
    """Plan what ``explain`` does: questions of accuracy and of time, an entry per cell each, and the ablation chain.

    Parameters
    ----------
    implementation
        What is timed as the hand-written network; with another one than the readable one there is no ablation chain.

    Raises
    ------
    InputError
        For a factor whose levels are the same, or an implementation that cannot be used.
    """
    check_available(implementation)
    scope = _timed_with(scope, implementation)
    cores = usable_cores()
    runtime = tuple(factor for factor in scope.runtime if max(factor.threads, default=1) <= cores)
    check_factors((*scope.accuracy, *runtime))
    engine = next(name for name in ENGINES if named_implementation(name).unavailable() is None)
    accuracies = [
        Entry(engine, cell_name(cell), _recipe(dataset, scope.accuracy, cell, FAST), alias=cell_name(cell))
        for cell in itertools.product((0, 1), repeat=len(scope.accuracy))
    ]
    ends = [accuracies[0], accuracies[-1]]
    accuracies += [dataclasses.replace(end, implementation=REFERENCE, alias=f"{OTHER} {end.name}") for end in ends]
    times = [_timed_entry(dataset, runtime, cell) for cell in itertools.product((0, 1), repeat=len(runtime))]
    # a DataLoader is there only where the implementation is PyTorch's, so it is no factor but comes after all of them
    times.append(dataclasses.replace(times[-1], implementation=LOADED, alias=LOADER))
    timing = Timing(ANY, UNLIMITED_S, BLOCK_S, scope.rounds, scope.replicates, secrets.randbits(32))
    check_timing(timing, len(times))
    trained = Extent(scope.examples, scope.epochs, scope.seeds, UNLIMITED_S)
    timed = Extent(scope.examples, 0, 0, UNLIMITED_S)
    questions = [
        _factorial(
            make_question(ACCURACY, "Accuracy, cell by cell", dataset, trained, accuracies, timing), scope.accuracy
        ),
        _factorial(make_question(RUNTIME, "Time, cell by cell", dataset, timed, times, timing), runtime),
    ]
    if scope.chain:
        questions.append(chain_question(dataset, scope.examples, scope.replicates, scope.rounds))
    return Plan(
        tuple(questions),
        part_blocks=0,
        part_seconds=0.0,
        verification_steps=VERIFICATION_STEPS,
        verifies_timed_work=True,
    )


def _timed_with(scope: Scope, implementation: str) -> Scope:
    """Return a scope in which this is the hand-written network."""
    if implementation == FROM_SCRATCH:
        return scope
    other = dataclasses.replace(IMPLEMENTATION, implementations=(implementation, REFERENCE))
    runtime = tuple(other if factor is IMPLEMENTATION else factor for factor in scope.runtime)
    return dataclasses.replace(scope, runtime=runtime, chain=False)


def with_batch(scope: Scope, batch_size: int | None) -> Scope:
    """Return a scope whose other level of the batch is another one: so many examples, or ``None`` for all at once."""
    size = "all examples" if batch_size is None else str(batch_size)
    other = Factor(f"batch of {size}", (BATCH.levels[0], {"batch_size": batch_size}))
    accuracy, runtime = (
        tuple(other if factor is BATCH else factor for factor in factors) for factors in (scope.accuracy, scope.runtime)
    )
    return dataclasses.replace(scope, accuracy=accuracy, runtime=runtime)


def _factorial(question: Question, factors: Sequence[Factor]) -> Question:
    return dataclasses.replace(question, factors=tuple(factor.name for factor in factors))


def check_factors(factors: Iterable[Factor]) -> None:
    """Raise `InputError` for a factor with one level; that of the learning rates has the same recipe at both."""
    for factor in factors:
        numbers = [len(set(levels)) for levels in (factor.implementations, factor.threads)]
        if factor.levels[0] == factor.levels[1] and max(numbers) < 2 and factor is not TUNING:
            level = factor.levels[0] or factor.implementations or factor.threads
            raise InputError(
                f"factor {factor.name!r} has one level, {level!r}; expected two that differ, for what does not change "
                "contributes nothing"
            )


def _recipe(
    dataset: Dataset, factors: Sequence[Factor], cell: Sequence[int], others: Mapping[str, Any] = MappingProxyType({})
) -> Recipe:
    """Return the recipe of a cell.

    Without a factor, a field is as in the hand-written network, except for the reduction and `others`.
    """
    changes: dict[str, Any] = {"reduction": "mean", **others}
    for factor, level in zip(factors, cell, strict=True):
        changes |= factor.levels[level]
    return fit_recipe(ARTICLE_SCRATCH, dataset).replace(**changes)


def _timed_entry(dataset: Dataset, factors: Sequence[Factor], cell: Sequence[int]) -> Entry:
    implementation, threads = FROM_SCRATCH, None
    for factor, level in zip(factors, cell, strict=True):
        implementation = factor.implementations[level] if factor.implementations else implementation
        threads = factor.threads[level] if factor.threads else threads
    name = cell_name(cell)
    return Entry(implementation, name, _recipe(dataset, factors, cell), alias=name, threads=threads)


def question_named(plan: Plan, name: str) -> Question:
    """Return the question of a plan that has this name."""
    return next(question for question in plan.questions if question.name == name)


def run_explanation(run: RunContext, *, scheduler: str | None = None, fresh: bool = False) -> None:
    """Tune, train, verify and time every cell; recorded results are not computed again.

    Parameters
    ----------
    scheduler
        Address of the Dask scheduler whose workers train; ``None`` to train here. Times are measured here.
    fresh
        Whether to reuse no training job of earlier runs.
    """
    executor: JobExecutor = Here(run.dataset, run.threads) if scheduler is None else Cluster(scheduler, run.dataset)
    known: Mapping[Job, list[JobRecord]] = {} if fresh else known_trainings(run.log.folder, run.threads)
    try:
        train_accuracies(run, executor, known)
        questions = tuple(question for question in run.plan.questions if question.name != ACCURACY)
        timed = dataclasses.replace(run.plan, questions=questions)
        Runner(dataclasses.replace(run, plan=timed)).run()
    finally:
        start_again()


def train_accuracies(run: RunContext, executor: JobExecutor, known: Mapping[Job, list[JobRecord]]) -> None:
    """Select the learning rates, verify the cells with them, and train the cells.

    Parameters
    ----------
    executor
        What trains: this machine, or a cluster.
    known
        What is reused from earlier runs, from :func:`known_trainings`.
    """
    question, threads, log, progress = question_named(run.plan, ACCURACY), run.threads, run.log, run.progress
    _train("select learning rates", question, search_jobs(question, threads), executor, known, log, progress)
    tuned = with_rates(question, log.find(Search, question))
    plan = dataclasses.replace(run.plan, questions=(tuned,), verifies_timed_work=False)
    Runner(dataclasses.replace(run, plan=plan)).verify()
    jobs = [job for job in training_jobs(tuned, threads) if not _unverified(job, tuned, log)]
    _train("train cells", tuned, jobs, executor, known, log, progress)


def is_tuned(entry: Entry) -> bool:
    """Say whether a cell has its best learning rate; all have it where that is no factor."""
    return entry.recipe_name[-1] == "1"


def with_rates(question: Question, searches: Iterable[Search]) -> Question:
    """Return the question with the learning rate of every cell, without cells whose rate is still unknown.

    Parameters
    ----------
    searches
        Rows of kind ``search``.
    """
    by_cell: dict[str, list[Search]] = {}
    for row in searches:
        by_cell.setdefault(row.implementation, []).append(row)
    entries = []
    for entry in question.entries:
        rate = entry.recipe.learning_rate
        if is_tuned(entry):
            rate = best_rate(by_cell.get(entry.recipe_name, []), TUNING_SEEDS)
        if not math.isnan(rate):
            entries.append(dataclasses.replace(entry, recipe=entry.recipe.replace(learning_rate=rate)))
    return dataclasses.replace(question, entries=tuple(entries))


def search_jobs(question: Question, threads: int) -> list[Job]:
    """Return the jobs that try all learning rates, one per tuned cell and seed."""
    held_out = max(1, question.examples // HELD_OUT)
    return [
        dataclasses.replace(job, held_out=held_out, rates=RATES)
        for entry in question.entries
        if entry.name == entry.recipe_name and is_tuned(entry)
        for job in _jobs(question, entry, TUNING_SEEDS, threads)
    ]


def training_jobs(question: Question, threads: int) -> list[Job]:
    """Return the jobs that train the cells with their learning rates, one per entry and seed."""
    jobs = []
    for entry in question.entries:
        seeds = question.seeds if entry.name == entry.recipe_name else question.seeds[:REFERENCE_SEEDS]
        jobs += _jobs(question, entry, seeds, threads)
    return jobs


def _jobs(question: Question, entry: Entry, seeds: Iterable[int], threads: int) -> list[Job]:
    return [job_of(question, entry, seed, question.epochs, threads) for seed in seeds]


def known_trainings(folder: Path, threads: int) -> dict[Job, list[JobRecord]]:
    """Return what runs in the same folder have trained in the same circumstances; every row names its run.

    What a cluster has trained on another processor is not reused.
    """
    known: dict[Job, list[JobRecord]] = {}
    own = read_description(folder).environment["cpu"]["model"]
    for run in unchanged_runs(folder):
        question = question_named(run.plan, ACCURACY)
        rows = [row for row in _trainings(run.rows) if (row.processor or own) == own]
        tuned = with_rates(question, of_kind(rows, Search))
        recorded = _by_place(rows)
        for job in [*search_jobs(question, threads), *training_jobs(tuned, threads)]:
            there = recorded.get(job.place, [])
            if job.is_done(there):
                known[job] = [msgspec.structs.replace(row, from_run=_origin(row) or run.name) for row in there]
    return known


def _trainings(rows: Iterable[AnyRecord]) -> list[Search | Epoch]:
    """Return the rows that trained the cells and that selected their learning rates."""
    return [row for row in rows if row.question == ACCURACY and isinstance(row, Search | Epoch)]


def _by_place(rows: Iterable[Search | Epoch]) -> dict[Place, list[JobRecord]]:
    """Return the rows of every job by :attr:`backprop_bench.bench.core.engine.jobs.Job.place`."""
    by_place: dict[Place, list[JobRecord]] = {}
    for row in rows:
        if row.seed is not None:
            by_place.setdefault((type(row), row.implementation, row.seed), []).append(row)
    return by_place


def _origin(record: JobRecord) -> str | None:
    """Return the run that a training job comes from, where it was reused."""
    return None if isinstance(record, Stretch) else record.from_run


def _unverified(job: Job, question: Question, log: RunLog) -> bool:
    return any(entry.label == job.label and log.unverified(question, entry) for entry in question.entries)


def _train(
    title: str,
    question: Question,
    jobs: Sequence[Job],
    executor: JobExecutor,
    known: Mapping[Job, list[JobRecord]],
    log: RunLog,
    progress: Progress,
) -> None:
    """Do the jobs that are not recorded yet: reuse what is known, and train the others."""
    recorded = _by_place([*log.find(Search, question), *log.find(Epoch, question)])
    failed = {(row.phase, row.implementation, row.number) for row in log.failures(question)}
    missing = [
        job
        for job in jobs
        if not job.is_done(recorded.get(job.place, [])) and (job.phase, job.label, job.seed) not in failed
    ]

    def record(job: Job, outcome: Outcome) -> None:
        """Record the outcome, without the rows that an interrupted run has already recorded."""
        if isinstance(outcome, str):
            entry = next(entry for entry in question.entries if entry.label == job.label)
            log.add_failure(question, entry, job.phase, job.seed, outcome)
        else:
            there = set(map(job.part, recorded.get(job.place, [])))
            log.add(*(record for record in outcome if job.part(record) not in there))
        progress.advance(f"cell {job.label}, seed {job.seed}")

    others = [job for job in missing if job not in known]
    if missing:
        with progress.stage(title, len(missing)):
            for job in missing:
                if job in known:
                    record(job, [msgspec.structs.replace(row, implementation=job.label) for row in known[job]])
            if others:
                executor.do(others, record)
