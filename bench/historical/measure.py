"""Trains the published experiments from many seeds with both versions; nothing is timed."""

import concurrent.futures
import contextlib
import dataclasses
import queue
from collections.abc import Sequence

import msgspec

from backprop_bench.bench.core.engine.context import RunContext
from backprop_bench.bench.core.engine.jobs import Here, Job, Outcome, job_of
from backprop_bench.bench.core.engine.plan import BLOCK_S
from backprop_bench.bench.core.engine.progress import Progress
from backprop_bench.bench.core.engine.run_log import RunLog
from backprop_bench.bench.core.records.kinds import Epoch, Trial
from backprop_bench.bench.core.records.plan import Entry, Plan, Question, Timing
from backprop_bench.bench.core.worker.client import Worker, WorkerError, at_once_of, start_again, together
from backprop_bench.bench.historical.analysis import BEYOND, READING
from backprop_bench.bench.historical.experiments import EXPERIMENTS, NAMES, Experiment, in_text
from backprop_bench.bench.historical.trial import VERSIONS, TrialOutcome
from backprop_bench.data import Dataset, InputError

TRIAL_LIMIT_S = 3600.0
"""Seconds that a trial may take."""


def pytorch_label(variant: str) -> str:
    """Return what the records call PyTorch's training of a variant on MNIST."""
    return f"{VERSIONS[1]} {variant}"


def plan_reproduction(dataset: Dataset, names: Sequence[str], seeds: int | None = None) -> Plan:
    """Plan what ``reproduce`` does: a question per experiment, with an entry per variant.

    Parameters
    ----------
    names
        Published experiments; empty for all.
    seeds
        At most so many of each; ``None`` for as many as the experiment has.

    Raises
    ------
    InputError
        For an unknown experiment.
    """
    for name in names:
        if name not in NAMES:
            raise InputError(f"no experiment is named {name!r}; expected one of {', '.join(NAMES)}")
    selected = [experiment for experiment in EXPERIMENTS.values() if not names or experiment.published_as in names]
    questions = tuple(_question(experiment, dataset, seeds) for experiment in selected)
    return Plan(questions, part_blocks=0, part_seconds=0.0, verification_steps=None)


def _question(experiment: Experiment, dataset: Dataset, seeds: int | None) -> Question:
    n_seeds = min(seeds or experiment.seeds, experiment.seeds)
    entries = [
        Entry(VERSIONS[0], READING if in_text(recipe) else BEYOND, recipe, alias=name)
        for name, recipe in experiment.variants.items()
    ]
    if experiment.patterns is None and experiment.compared_seeds:
        entries += [
            dataclasses.replace(entry, implementation=VERSIONS[1], alias=pytorch_label(entry.name)) for entry in entries
        ]
    is_mnist = experiment.patterns is None
    return Question(
        name=experiment.name,
        title=experiment.title,
        examples=max(1, len(dataset.x_train) - experiment.held_out) if is_mnist else 0,
        test_examples=len(dataset.x_test) if is_mnist else 0,
        epochs=max(recipe.epochs for recipe in experiment.variants.values()),
        seeds=tuple(range(n_seeds)),
        entries=tuple(entries),
        timing=Timing(1.0, 1.0, BLOCK_S, 1, 1, 0),
    )


def run_reproduction(run: RunContext) -> None:
    """Train all that is not recorded yet, one experiment after the other."""
    try:
        for question in run.plan.questions:
            experiment = EXPERIMENTS[question.name]
            if experiment.patterns is None:
                _train(question, experiment, run.dataset, run.threads, run.log, run.progress)
            else:
                _try(question, experiment, run.threads, run.log, run.progress)
    finally:
        start_again()


def _is_over(question: Question, entry: Entry, seed: int, log: RunLog) -> bool:
    here = {"implementation": entry.label}
    tried = log.find(Trial, question, seed=seed, **here)
    trained = log.find(Epoch, question, seed=seed, epoch=entry.recipe.epochs, **here)
    return bool(tried or trained or log.failures(question, phase="training", number=seed, **here))


def _try(question: Question, experiment: Experiment, threads: int, log: RunLog, progress: Progress) -> None:
    """Do the missing trials, with a worker per core."""
    waiting: queue.SimpleQueue[tuple[Entry, int]] = queue.SimpleQueue()
    missing = [
        (entry, seed)
        for entry in question.entries
        for seed in question.seeds
        if not _is_over(question, entry, seed, log)
    ]
    for trial in missing:
        waiting.put(trial)

    def work() -> None:
        with contextlib.ExitStack() as stack:
            worker: Worker | None = None
            while True:
                try:
                    entry, seed = waiting.get_nowait()
                except queue.Empty:
                    return
                worker = worker or stack.enter_context(Worker(threads, TRIAL_LIMIT_S))
                try:
                    record = _trial(worker, question, experiment, entry, seed)
                except WorkerError as failure:
                    log.add_failure(question, entry, "training", seed, failure)
                    worker = None
                else:
                    log.add(record)
                progress.advance(f"{entry.label}, seed {seed}")

    if not missing:
        return
    n_workers = min(len(missing), at_once_of(threads))
    with progress.stage(question.title, len(missing)), together(threads) as pool:
        working = [pool.submit(work) for _ in range(n_workers)]
        for future in concurrent.futures.as_completed(working):
            future.result()


def _trial(worker: Worker, question: Question, experiment: Experiment, entry: Entry, seed: int) -> Trial:
    outcome = worker.ask(
        "historical.handlers:trial",
        TrialOutcome,
        patterns=experiment.patterns,
        recipe=entry.recipe.replace(seed=seed).to_dict(),
        held_out=experiment.held_out,
        versions=VERSIONS if seed < experiment.compared_seeds else VERSIONS[:1],
        stops=experiment.stops,
        keeps=experiment.keeps,
    )
    outcome_fields = msgspec.structs.asdict(outcome)
    return Trial(session=0, question=question.name, implementation=entry.label, seed=seed, **outcome_fields)


def _comparisons(question: Question, experiment: Experiment, threads: int, log: RunLog) -> list[Job]:
    """Return the missing training jobs in which PyTorch restarts from the weights of NumPy."""
    if not experiment.stretch:
        return []
    jobs = [
        dataclasses.replace(
            job_of(question, entry, seed, entry.recipe.epochs, threads), against=VERSIONS[1], stretch=experiment.stretch
        )
        for entry in question.entries
        for seed in question.seeds[: experiment.compared_seeds]
        if entry.implementation == VERSIONS[0]
    ]
    return [job for job in jobs if not _is_compared(question, job, log)]


def _is_compared(question: Question, job: Job, log: RunLog) -> bool:
    here = {"implementation": job.label}
    return job.is_done(log.find(job.kind, question, seed=job.seed, **here)) or bool(
        log.failures(question, phase=job.phase, number=job.seed, **here)
    )


def _train(
    question: Question, experiment: Experiment, dataset: Dataset, threads: int, log: RunLog, progress: Progress
) -> None:
    """Do the missing training jobs on MNIST."""
    jobs = [
        job_of(question, entry, seed, entry.recipe.epochs, threads)
        for entry in question.entries
        for seed in question.seeds
        if entry.implementation == VERSIONS[0] or seed < experiment.compared_seeds
        if not _is_over(question, entry, seed, log)
    ]

    jobs += _comparisons(question, experiment, threads, log)

    def record(job: Job, outcome: Outcome) -> None:
        if isinstance(outcome, str):
            entry = next(entry for entry in question.entries if entry.label == job.label)
            log.add_failure(question, entry, job.phase, job.seed, outcome)
        else:
            there = set(map(job.part, log.find(job.kind, question, implementation=job.label, seed=job.seed)))
            log.add(*(record for record in outcome if job.part(record) not in there))
        progress.advance(f"{job.label}, seed {job.seed}")

    if jobs:
        with progress.stage(question.title, len(jobs)):
            Here(dataset, threads).do(jobs, record)
