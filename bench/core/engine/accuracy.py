"""Training for accuracy: every implementation from every seed, several at once, for nothing is timed here."""

import concurrent.futures
import contextlib
from collections.abc import Sequence

import msgspec

from backprop_bench.bench.core.engine.context import RunContext
from backprop_bench.bench.core.engine.run_log import RunLog
from backprop_bench.bench.core.engine.training_check import Curve, TrainingCheck
from backprop_bench.bench.core.records.kinds import Epoch, TimedWork, Trained
from backprop_bench.bench.core.records.plan import Entry, Question
from backprop_bench.bench.core.trained import NotSaved, check_saved, trained_file
from backprop_bench.bench.core.worker.client import Worker, WorkerError, together
from backprop_bench.bench.core.worker.opened import opened_worker
from backprop_bench.bench.core.worker.replies import Begun, Done, Evaluated, TrainedEpoch
from backprop_bench.bench.core.worker.shared_data import SharedExamples, SharedForms


def train_question(run: RunContext, question: Question, seeds: Sequence[int], shared: SharedForms) -> None:
    """Train what is not recorded yet, from these seeds for all epochs, and record the accuracy after each epoch.

    Where the plan says so, the networks of the question's first seed are kept in files.
    """
    log = run.log
    kept = set(question.seeds[:1]) if run.plan.keeps_trained else set()
    jobs = [
        (entry, seed)
        for entry in question.originals
        for seed in seeds
        if not log.unverified(question, entry) and not _is_over(run, question, entry, seed, seed in kept)
    ]
    if not jobs:
        return
    check = TrainingCheck(run, question, shared) if run.plan.verifies_timed_work else None
    with (
        contextlib.closing(check) if check is not None else contextlib.nullcontext(),
        run.progress.stage(f"train {question.name}", len(jobs)),
        together(run.threads) as pool,
    ):
        trained = {
            pool.submit(_train, run, question, job, shared.of(job[0].recipe, question.examples), job[1] in kept): job
            for job in jobs
        }
        again = {job: pool.submit(check.reference, *job) for job in jobs} if check is not None else {}
        for future in concurrent.futures.as_completed(trained):
            entry, seed = trained[future]
            curve = future.result()
            if curve is not None and check is not None:
                check.compare(entry, seed, curve, again[entry, seed].result())
            run.progress.advance(f"{entry.name}, seed {seed}")


def _is_over(run: RunContext, question: Question, entry: Entry, seed: int, keep: bool) -> bool:
    log = run.log
    done = log.find(Epoch, question, implementation=entry.label, seed=seed, epoch=question.epochs)
    kept = not keep or log.find(Trained, question, implementation=entry.label, seed=seed)
    works = log.find(TimedWork, question, implementation=entry.label, phase="training", number=seed)
    compared = works or not run.plan.verifies_timed_work
    failed = log.failures(question, implementation=entry.label, phase="training", number=seed)
    return bool((done and kept and compared) or failed)


def _train(
    run: RunContext, question: Question, job: tuple[Entry, int], examples: SharedExamples, keep: bool
) -> Curve | None:
    """Train one implementation from one seed; epochs that are recorded are trained again, but not recorded again."""
    (entry, seed), log = job, run.log
    recorded = len(log.find(Epoch, question, implementation=entry.label, seed=seed))
    curve: Curve = []
    try:
        with opened_worker(entry, examples, run.threads) as (worker, opened):
            run.sources.check(entry.implementation, opened.sources)
            worker.ask("begin", Begun, seed=seed)
            for epoch in range(question.epochs + 1):
                loss = worker.ask("train", TrainedEpoch, epoch=epoch).loss if epoch else None
                classes = worker.ask("evaluate", Evaluated).classes
                curve.append((loss, classes))
                if epoch < recorded:
                    continue
                log.add(
                    Epoch(
                        session=log.session,
                        question=question.name,
                        implementation=entry.label,
                        seed=seed,
                        epoch=epoch,
                        examples=question.examples,
                        loss=loss,
                        accuracy=examples.accuracy(classes),
                    )
                )
            if keep:
                diverged = question.epochs > 0 and loss is None
                _keep(question, job, None if diverged else worker, examples.dataset, log)
    except WorkerError as failure:
        log.add_failure(question, entry, "training", seed, failure)
        return None
    return curve


def _keep(question: Question, job: tuple[Entry, int], worker: Worker | None, dataset: str, log: RunLog) -> None:
    """Let a worker write its network to a file, and record where it is; without one, that there is none.

    The file is there before its row, so that a run which is stopped in between writes it again.
    """
    entry, seed = job
    record = Trained(
        session=log.session,
        question=question.name,
        implementation=entry.label,
        seed=seed,
        epoch=question.epochs,
        file=None,
        sha256=None,
        bytes=None,
        dataset=dataset,
        input_range=entry.recipe.input_range,
        hidden_activation=entry.recipe.hidden_activation,
        output_activation=entry.recipe.output_activation,
    )
    if worker is not None:
        name = trained_file(question.name, entry.label)
        try:
            worker.ask("keep", Done, path=str(log.folder / name))
            sha256, size = check_saved(log.folder / name, entry.recipe, question.test_examples)
        except (WorkerError, NotSaved) as failure:
            signal = getattr(failure, "signal", None)
            raise WorkerError(f"the trained network is not kept: {failure}", signal) from failure
        record = msgspec.structs.replace(record, file=name, sha256=sha256, bytes=size)
    log.add(record)
