"""Trains every recipe of ``curves`` from every seed, and evaluates it between weight updates; nothing is timed."""

import concurrent.futures
import dataclasses

from backprop_bench.bench.core.engine.context import RunContext
from backprop_bench.bench.core.engine.jobs import Here, Job, Outcome, job_of
from backprop_bench.bench.core.engine.runner import Runner
from backprop_bench.bench.core.engine.tuning import HELD_OUT, RATES, TUNING_SEEDS, best_rate
from backprop_bench.bench.core.records.kinds import Curve, Search, UpdateCurve
from backprop_bench.bench.core.records.plan import Entry, Plan, Question
from backprop_bench.bench.core.worker.batches import n_batches, plain_pieces
from backprop_bench.bench.core.worker.client import Worker, WorkerError, start_again, together
from backprop_bench.bench.core.worker.opened import opened_worker
from backprop_bench.bench.core.worker.replies import Begun, Ran
from backprop_bench.bench.core.worker.shared_data import SharedExamples, SharedForms
from backprop_bench.bench.curves.analysis import LOSSES
from backprop_bench.bench.curves.handlers import Look
from backprop_bench.bench.curves.plan import evaluated_updates, pieces_between

LOOK = "curves.handlers:look"


def run_curves(run: RunContext) -> None:
    """Select the learning rate of each loss, verify all recipes, and train them; recorded work is not done again."""
    try:
        _select_rates(run)
        run = dataclasses.replace(run, plan=_with_rates(run))
        Runner(run).verify()
        _train_all(run)
    finally:
        start_again()


def _select_rates(run: RunContext) -> None:
    """Try all learning rates with either loss, from seeds of their own, on training examples that are held out."""
    question = run.plan.question(LOSSES)
    held_out = max(1, question.examples // HELD_OUT)
    jobs = [
        dataclasses.replace(job_of(question, entry, seed, question.epochs, run.threads), held_out=held_out, rates=RATES)
        for entry in question.entries
        for seed in TUNING_SEEDS
    ]
    missing = [job for job in jobs if not _is_selected(run, question, job)]

    def record(job: Job, outcome: Outcome) -> None:
        if isinstance(outcome, str):
            entry = next(entry for entry in question.entries if entry.label == job.label)
            run.log.add_failure(question, entry, job.phase, job.seed, outcome)
        else:
            there = set(map(job.part, _searches(run, question, job)))
            run.log.add(*(row for row in outcome if job.part(row) not in there))
        run.progress.advance(f"{job.label}, seed {job.seed}")

    if missing:
        with run.progress.stage("select learning rates", len(missing)):
            Here(run.dataset, run.threads).do(missing, record)


def _searches(run: RunContext, question: Question, job: Job) -> list[Search]:
    return run.log.find(Search, question, implementation=job.label, seed=job.seed)


def _is_selected(run: RunContext, question: Question, job: Job) -> bool:
    failed = run.log.failures(question, implementation=job.label, phase=job.phase, number=job.seed)
    return job.is_done(_searches(run, question, job)) or bool(failed)


def _with_rates(run: RunContext) -> Plan:
    """Return the plan with the learning rate that suits each loss, without a loss that has none."""
    question, entries = run.plan.question(LOSSES), []
    for entry in question.entries:
        rate = best_rate(run.log.find(Search, question, implementation=entry.label), TUNING_SEEDS)
        if rate == rate:  # NaN where the rates could not be tried
            entries.append(dataclasses.replace(entry, recipe=entry.recipe.replace(learning_rate=rate)))
    tuned = dataclasses.replace(question, entries=tuple(entries))
    questions = tuple(tuned if other is question else other for other in run.plan.questions)
    return dataclasses.replace(run.plan, questions=questions)


def _train_all(run: RunContext) -> None:
    """Train what is not recorded yet, several at once, those with the most updates first."""
    missing = [
        (question, entry, seed)
        for question in run.plan.questions
        for entry in question.entries
        for seed in question.seeds
        if not _is_over(run, question, entry, seed)
    ]
    missing.sort(key=lambda job: job[1].recipe.batch_size or job[0].examples)
    if not missing:
        return
    with (
        SharedForms(run.dataset) as shared,
        run.progress.stage("train", len(missing)),
        together(run.threads) as pool,
    ):
        running = {
            pool.submit(_train, run, question, entry, seed, shared.of(entry.recipe, question.examples)): (entry, seed)
            for question, entry, seed in missing
        }
        for future in concurrent.futures.as_completed(running):
            future.result()
            entry, seed = running[future]
            run.progress.advance(f"{entry.label}, seed {seed}")


def _is_over(run: RunContext, question: Question, entry: Entry, seed: int) -> bool:
    done = run.log.find(Curve, question, implementation=entry.label, seed=seed)
    failed = run.log.failures(question, implementation=entry.label, phase="training", number=seed)
    return bool(done or failed) or run.log.unverified(question, entry)


def _train(run: RunContext, question: Question, entry: Entry, seed: int, examples: SharedExamples) -> None:
    """Train from one seed in a process of its own, and record the curve."""
    try:
        with opened_worker(entry, examples, run.threads) as (worker, opened):
            run.sources.check(entry.implementation, opened.sources)
            worker.ask("begin", Begun, seed=seed)
            curve = _curve(question, entry, worker, examples)
    except WorkerError as failure:
        run.log.add_failure(question, entry, "training", seed, failure)
        return
    run.log.add(
        Curve(
            session=0,
            question=question.name,
            implementation=entry.label,
            seed=seed,
            examples=question.examples,
            learning_rate=entry.recipe.learning_rate,
            curve=curve,
        )
    )


def _curve(question: Question, entry: Entry, worker: Worker, examples: SharedExamples) -> UpdateCurve:
    batches = n_batches(entry.recipe, question.examples)
    updates = evaluated_updates(batches, question.epochs)
    curve = []
    for update, pieces in zip(updates, pieces_between(updates, batches), strict=True):
        worker.ask("run", Ran, pieces=plain_pieces(pieces))
        seen = worker.ask(LOOK, Look)
        curve.append((update, examples.accuracy(seen.classes), seen.error_share))
    return tuple(curve)
