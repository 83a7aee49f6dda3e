"""Training for accuracy: every implementation from every seed, several at once, for nothing is timed here."""

import concurrent.futures
from collections.abc import Sequence

from bench.records import Row
from bench.run.book import Book
from bench.run.environment import usable_core_numbers
from bench.run.plan import Entry, Question
from bench.run.progress import Progress
from bench.run.shared_cases import SharedCases, SharedForms
from bench.run.workers import Worker, WorkerError, together
from data import InputError


def open_request(entry: Entry, cases: SharedCases, worker: Worker, threads: int, cores: list[int]) -> Row:
    """Return what a worker is told to open."""
    return {
        "implementation": entry.implementation,
        "recipe": entry.recipe.to_dict(),
        "cases": cases.to_dict(),
        "spawned": worker.spawned,
        "threads": threads,
        "cores": cores,
    }


def open_entry(entry: Entry, cases: SharedCases, worker: Worker, threads: int, cores: list[int]) -> Row:
    """Let a worker open an entry of a run.

    Its file could be imported in the parity proof; where it cannot any more, that is a failure of this implementation.
    """
    try:
        return worker.ask("open", **open_request(entry, cases, worker, threads, cores))
    except InputError as error:
        raise WorkerError(str(error)) from error


def train_question(
    question: Question, seeds: Sequence[int], shared: SharedForms, threads: int, book: Book, progress: Progress
) -> None:
    """Train what is not recorded yet, from these seeds for all epochs, and record the accuracy after each epoch."""
    jobs = [
        (entry, seed)
        for entry in question.originals
        for seed in seeds
        if not book.unproved(question, entry) and not _is_over(question, entry, seed, book)
    ]
    if not jobs:
        return
    with (
        progress.stage(f"train {question.name}", len(jobs)),
        together(threads) as pool,
    ):
        running = {
            pool.submit(_train, question, job, shared.of(job[0].recipe, question.cases), threads, book): job
            for job in jobs
        }
        for future in concurrent.futures.as_completed(running):
            entry, seed = running[future]
            future.result()
            progress.advance(f"{entry.name}, seed {seed}")


def _is_over(question: Question, entry: Entry, seed: int, book: Book) -> bool:
    done = book.find("epoch", question, implementation=entry.label, seed=seed, epoch=question.epochs)
    failed = book.find("failure", question, implementation=entry.label, phase="training", number=seed)
    return bool(done or failed)


def _train(question: Question, job: tuple[Entry, int], cases: SharedCases, threads: int, book: Book) -> None:
    """Train one implementation from one seed; epochs that are recorded are trained again, but not recorded again."""
    entry, seed = job
    recorded = len(book.find("epoch", question, implementation=entry.label, seed=seed))
    try:
        with Worker(threads, descriptors=[cases.descriptor]) as worker:
            open_entry(entry, cases, worker, threads, list(usable_core_numbers()))
            worker.ask("begin", seed=seed)
            for epoch in range(question.epochs + 1):
                loss = worker.ask("train", epoch=epoch)["loss"] if epoch else None
                if epoch < recorded:
                    continue
                accuracy = worker.ask("evaluate")["accuracy"]
                row = {"implementation": entry.label, "seed": seed, "epoch": epoch, "cases": question.cases}
                book.add("epoch", question, {**row, "loss": loss, "accuracy": accuracy})
    except WorkerError as failure:
        book.add_failure(question, entry, "training", seed, str(failure))
