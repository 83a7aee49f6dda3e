"""Training for accuracy: every recipe from every seed, several at once, for nothing is timed here.

Implementations that are verified learn the same, so accuracy is a property of the recipe: where the plan says so, the
fastest verified one trains it, for all entries that have it. Otherwise every entry trains on its own.
"""

import concurrent.futures
import dataclasses
from collections.abc import Mapping, Sequence

import msgspec

from backprop_bench.bench.core.engine.context import RunContext
from backprop_bench.bench.core.engine.run_log import RunLog
from backprop_bench.bench.core.engine.timed_work import fastest_verified
from backprop_bench.bench.core.records.kinds import Epoch, Trained
from backprop_bench.bench.core.records.plan import Entry, Question
from backprop_bench.bench.core.trained import NotSaved, check_saved, trained_file
from backprop_bench.bench.core.worker.client import Worker, WorkerError, at_once_of, together
from backprop_bench.bench.core.worker.opened import opened_worker
from backprop_bench.bench.core.worker.replies import Begun, Done, Evaluated, TrainedEpoch
from backprop_bench.bench.core.worker.shared_data import SharedExamples, SharedForms


@dataclasses.dataclass(frozen=True)
class _Job:
    """Trainings of a recipe in one process, one after the other.

    Attributes
    ----------
    trainer
        Who trains.
    entries
        By seed, those that the training is of.
    """

    trainer: Entry
    entries: Mapping[int, tuple[Entry, ...]]


def train_question(run: RunContext, question: Question, seeds: Sequence[int], shared: SharedForms) -> None:
    """Train what is not recorded yet, from these seeds for all epochs, and record the accuracy after each epoch.

    Where the plan says so, the networks of the question's first seed are kept in files.
    """
    jobs = _jobs(run, question, seeds)
    if not jobs:
        return
    total = sum(len(job.entries) for job in jobs)
    with run.progress.stage(f"train {question.name}", total), together(run.threads) as pool:
        trained = [
            pool.submit(_train_all, run, question, job, shared.of(job.trainer.recipe, question.examples))
            for job in jobs
        ]
        for future in concurrent.futures.as_completed(trained):
            future.result()


def _jobs(run: RunContext, question: Question, seeds: Sequence[int]) -> list[_Job]:
    """Return what is left to train: a job for every recipe, or more where fewer recipes are left than run at once."""
    missing = {trainer: _missing(run, question, entries, seeds) for trainer, entries in _groups(run, question)}
    missing = {trainer: by_seed for trainer, by_seed in missing.items() if by_seed}
    parts = -(-at_once_of(run.threads) // max(1, len(missing)))
    return [
        _Job(trainer, {seed: by_seed[seed] for seed in part})
        for trainer, by_seed in missing.items()
        for part in (list(by_seed)[number::parts] for number in range(parts))
        if part
    ]


def _missing(
    run: RunContext, question: Question, entries: Sequence[Entry], seeds: Sequence[int]
) -> dict[int, tuple[Entry, ...]]:
    """Return by seed the entries whose training is not recorded yet."""
    left = {seed: tuple(entry for entry in entries if not _is_over(run, question, entry, seed)) for seed in seeds}
    return {seed: of_seed for seed, of_seed in left.items() if of_seed}


def _groups(run: RunContext, question: Question) -> list[tuple[Entry, tuple[Entry, ...]]]:
    """Return who trains, and the entries that it trains for; those that train longest first."""
    able = [entry for entry in question.trained if not run.log.unverified(question, entry)]
    if not run.plan.verifies_timed_work:
        return [(entry, (entry,)) for entry in able]
    groups: dict[Entry, list[Entry]] = {}
    for entry in able:
        name = entry.implementation if entry.trains_itself else fastest_verified(run.log, question, entry)
        own = entry.implementation == name
        key = dataclasses.replace(entry if own else Entry(name, entry.recipe_name, entry.recipe), alias=None)
        groups.setdefault(key, []).append(entry)
    ordered = sorted(groups.items(), key=lambda group: group[0].recipe.batch_size or question.examples)
    return [(trainer, tuple(entries)) for trainer, entries in ordered]


def _is_over(run: RunContext, question: Question, entry: Entry, seed: int) -> bool:
    log = run.log
    done = log.find(Epoch, question, implementation=entry.label, seed=seed, epoch=question.epochs)
    keep = _keeps(run, question, seed) and _is_kept(question, entry)
    kept = not keep or log.find(Trained, question, implementation=entry.label, seed=seed)
    failed = log.failures(question, implementation=entry.label, phase="training", number=seed)
    return bool((done and kept) or failed)


def _keeps(run: RunContext, question: Question, seed: int) -> bool:
    """Say whether the networks that are trained from a seed are kept in files."""
    return run.plan.keeps_trained and seed in question.seeds[:1]


def _is_kept(question: Question, entry: Entry) -> bool:
    """Say whether the network of an entry is kept: not of one that is there with another recipe."""
    fellows = [other for other in question.originals if other.implementation == entry.implementation]
    return entry.alias is None or len(fellows) == 1


def _train_all(run: RunContext, question: Question, job: _Job, examples: SharedExamples) -> None:
    """Train from every seed of a job; after a failure the next one has a new process."""
    seeds = list(job.entries)
    while seeds:
        seed = seeds[0]
        try:
            with opened_worker(job.trainer, examples, run.threads) as (worker, opened):
                run.sources.check(job.trainer.implementation, opened.sources)
                while seeds:
                    seed = seeds[0]
                    _train(run, question, job, seed, worker, examples)
                    del seeds[0]
        except WorkerError as failure:
            del seeds[0]
            for entry in job.entries[seed]:
                run.log.add_failure(question, entry, "training", seed, failure)
            run.progress.advance(f"{job.entries[seed][0].name}, seed {seed}")


def _train(run: RunContext, question: Question, job: _Job, seed: int, worker: Worker, examples: SharedExamples) -> None:
    """Train from one seed; epochs that are recorded are trained again, but not recorded again."""
    log, entries = run.log, job.entries[seed]
    recorded = {entry: len(log.find(Epoch, question, implementation=entry.label, seed=seed)) for entry in entries}
    worker.ask("begin", Begun, seed=seed)
    trained = None
    for epoch in range(question.epochs + 1):
        trained = worker.ask("train", TrainedEpoch, epoch=epoch) if epoch else None
        accuracy = examples.accuracy(worker.ask("evaluate", Evaluated).classes)
        missing = [entry for entry in entries if epoch >= recorded[entry]]
        log.add(*(_epoch_of(question, job.trainer, entry, seed, epoch, trained, accuracy) for entry in missing))
    kept = [entry for entry in entries if _keeps(run, question, seed) and _is_kept(question, entry)]
    if kept:
        diverged = trained is not None and trained.diverged
        _keep(question, kept, seed, None if diverged else worker, examples.dataset, log)
    run.progress.advance(f"{entries[0].name}, seed {seed}")


def _epoch_of(
    question: Question,
    trainer: Entry,
    entry: Entry,
    seed: int,
    epoch: int,
    trained: TrainedEpoch | None,
    accuracy: float,
) -> Epoch:
    loss = None if trained is None else trained.loss
    return Epoch(
        session=0,
        question=question.name,
        implementation=entry.label,
        seed=seed,
        epoch=epoch,
        examples=question.examples,
        loss=loss,
        without_loss=trained is not None and loss is None and not trained.diverged,
        accuracy=accuracy,
        trained_by=None if trainer.implementation == entry.implementation else trainer.implementation,
    )


def _keep(
    question: Question, entries: Sequence[Entry], seed: int, worker: Worker | None, dataset: str, log: RunLog
) -> None:
    """Let a worker write its network to a file, and record where it is; without one, that there is none.

    The file is there before its rows, so that a run which is stopped in between writes it again.
    """
    first = entries[0]
    name, sha256, size = None, None, None
    if worker is not None:
        name = trained_file(question.name, first.label)
        try:
            worker.ask("keep", Done, path=str(log.folder / name))
            sha256, size = check_saved(log.folder / name, first.recipe, question.test_examples)
        except (WorkerError, NotSaved) as failure:
            signal = getattr(failure, "signal", None)
            raise WorkerError(f"the trained network is not kept: {failure}", signal) from failure
    record = Trained(
        session=log.session,
        question=question.name,
        implementation=first.label,
        seed=seed,
        epoch=question.epochs,
        file=name,
        sha256=sha256,
        bytes=size,
        dataset=dataset,
        input_range=first.recipe.input_range,
        hidden_activation=first.recipe.hidden_activation,
        output_activation=first.recipe.output_activation,
    )
    log.add(*(msgspec.structs.replace(record, implementation=entry.label) for entry in entries))
