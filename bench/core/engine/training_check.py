"""A training for accuracy is done again by a reference implementation: loss and classes must agree in every epoch."""

import concurrent.futures
import contextlib
import dataclasses
import queue
import threading

import numpy as np

from backprop_bench.bench.core.engine.context import RunContext
from backprop_bench.bench.core.engine.timed_work import CLASSES, not_equal, record_work, reference_of
from backprop_bench.bench.core.records.kinds import ComparedWork
from backprop_bench.bench.core.records.plan import Entry, Question
from backprop_bench.bench.core.stats.tolerances import (
    Agreement,
    Classes,
    NamedArrays,
    compare_arrays,
    compare_classes,
    loss_rounding,
    rounding_tolerances,
    worst,
)
from backprop_bench.bench.core.worker.batches import n_batches
from backprop_bench.bench.core.worker.client import Worker, WorkerError
from backprop_bench.bench.core.worker.replies import TrainedAgain
from backprop_bench.bench.core.worker.shared_data import SharedForms
from backprop_bench.data import Recipe

TRAIN_AGAIN = "core.worker.replay:train_again"
"""Handler that trains a reference."""
STRAIGHT, MOVED = [0], [0, 1, 2, 4, 8]
"""By how much initial weights are moved in the trainings of a reference, the second where something seems wrong."""

Curve = list[tuple[float | None, bytes]]
"""Loss and classes of the test examples by epoch, those of epoch 0 from the initial weights."""
Again = tuple[str, TrainedAgain] | WorkerError
"""Name of the reference and its trainings, or why there are none."""


class TrainingCheck:
    """The trainings of a question, done again. Several threads may ask; each training is done once.

    Parameters
    ----------
    run
        Decides threads and where records go.
    question
        Whose entries are trained.
    shared
        The examples.
    """

    def __init__(self, run: RunContext, question: Question, shared: SharedForms) -> None:
        self._run, self._question = run, question
        self._examples = {entry: shared.of(entry.recipe, question.examples) for entry in question.originals}
        self._workers: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        """Those that have nothing to do now."""
        self._trained: dict[tuple[str, Recipe, int], concurrent.futures.Future[Again]] = {}
        self._lock = threading.Lock()

    def reference(self, entry: Entry, seed: int) -> Again:
        """Return the training of an entry from a seed by its reference."""
        name = reference_of(self._run.log, self._question, entry)
        if name is None:
            return WorkerError("no implementation that could be its reference is verified on its recipe")
        key = name, entry.recipe, seed
        with self._lock:
            is_first = key not in self._trained
            future = self._trained.setdefault(key, concurrent.futures.Future())
        if is_first:
            try:
                future.set_result(self._train(name, entry, seed, STRAIGHT))
            except BaseException as error:
                future.set_exception(error)
                raise
        return future.result()

    def _train(self, name: str, entry: Entry, seed: int, roundings: list[int]) -> Again:
        worker = self._idle_worker()
        worker.limit_s = worker.timeout_s * len(roundings) * max(1, self._question.epochs)
        try:
            again = worker.ask(
                TRAIN_AGAIN,
                TrainedAgain,
                implementation=name,
                recipe=entry.recipe.replace(seed=seed).to_dict(),
                examples=self._examples[entry].to_dict(),
                epochs=self._question.epochs,
                roundings=roundings,
            )
        except WorkerError as failure:
            worker.close()
            return WorkerError(f"its training could not be verified: {name} {failure}", failure.signal)
        except BaseException:
            worker.close()
            raise
        self._workers.put(worker)
        return name, again

    def _idle_worker(self) -> Worker:
        try:
            return self._workers.get_nowait()
        except queue.Empty:
            files = {examples.descriptor for examples in self._examples.values()}
            return Worker(self._run.threads, descriptors=sorted(files))

    def close(self) -> None:
        """End the processes."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._workers.get_nowait().close()

    def compare(self, entry: Entry, seed: int, curve: Curve, again: Again) -> None:
        """Compare a training with that of its reference, and record it; where it differs, that is a failure."""
        log, question = self._run.log, self._question
        if isinstance(again, WorkerError):
            log.add_failure(question, entry, "training", seed, again)
            return
        name, trained = again
        agreement = compare_curves(entry.recipe, question.examples, curve, trained)
        if not agreement.passed:  # no alarm is given without more of them
            more = self._train(name, entry, seed, MOVED)
            if isinstance(more, WorkerError):
                log.add_failure(question, entry, "training", seed, more)
                return
            agreement = compare_curves(entry.recipe, question.examples, curve, more[1])
        epochs, batches = question.epochs, question.epochs * n_batches(entry.recipe, question.examples)
        compared = ComparedWork(
            turns=epochs,
            checked=epochs,
            batches=batches,
            passed=agreement.passed,
            difference=agreement.difference,
            tolerance=agreement.tolerance,
            where=agreement.where,
        )
        work = record_work(log, question, entry, "training", seed, name, compared)
        if not work.passed:
            log.add_failure(question, entry, "training", seed, not_equal(work))


def compare_curves(recipe: Recipe, n_examples: int, curve: Curve, again: TrainedAgain) -> Agreement:
    """Compare the loss of every epoch, and the classes of the test examples after it.

    Parameters
    ----------
    n_examples
        Training examples of an epoch.
    again
        Of a reference: the first from the same initial weights, the others from weights that differ by rounding.
    """
    agreements = []
    batch, batches = min(recipe.batch_size or n_examples, n_examples), n_batches(recipe, n_examples)
    for epoch, (loss, classes) in enumerate(curve):
        straight, *moved = (_classes(each[epoch]) for each in again.classes)
        agreements.append(compare_classes(_classes(classes), straight, moved, f"{CLASSES} after epoch {epoch}"))
        losses = [each[epoch] for each in again.losses]
        if epoch == 0:
            continue
        if any(value is None for value in losses):
            break  # training diverges in the reference, too
        expected, *others = (_loss(epoch, value) for value in losses)
        (tolerance,) = rounding_tolerances(expected, others, epoch * batches, batch, recipe.dtype)
        tolerance += loss_rounding(recipe, n_examples) * float(abs(expected[0][1]).max())
        result = compare_arrays(_loss(epoch, loss), expected, [tolerance])
        agreements.append(dataclasses.replace(result, where=result.where.replace("[0]", "")))
    return worst(agreements)


def _loss(epoch: int, loss: float | None) -> NamedArrays:
    return [(f"loss of epoch {epoch}", np.array([np.nan if loss is None else loss], np.float64))]


def _classes(encoded: bytes) -> Classes:
    return np.frombuffer(encoded, np.uint16)
