"""Trains an implementation on a recipe, from one seed after the other, in a process of its own."""

from collections.abc import Iterator, Sequence

import msgspec

from backprop_bench.bench.core.machine.cores import chosen_cores
from backprop_bench.bench.core.records.plan import Entry
from backprop_bench.bench.core.worker.client import Worker
from backprop_bench.bench.core.worker.opened import open_request
from backprop_bench.bench.core.worker.replies import Begun, Evaluated, Opened, TrainedEpoch
from backprop_bench.bench.core.worker.shared_data import SharedExamples


class TrainingRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of an epoch; of the initial weights there is only the accuracy."""

    epoch: int
    accuracy: float
    loss: float | msgspec.UnsetType | None = msgspec.UNSET
    """``None`` where training has diverged, or returns no loss."""
    wall_s: float | msgspec.UnsetType = msgspec.UNSET
    cpu_s: float | msgspec.UnsetType = msgspec.UNSET
    diverged: bool = False


def trained_epochs(
    entry: Entry, seeds: Sequence[int], examples: SharedExamples, threads: int
) -> Iterator[tuple[int, TrainingRow]]:
    """Train and give the seed and the row of every epoch when it ends; what has diverged is not trained further.

    Parameters
    ----------
    entry
        The implementation and its recipe, of which the seed is not used.
    seeds
        Of the initial weights and the batch orders.

    Raises
    ------
    Refusal
        Where the implementation does not support the recipe.
    WorkerError
        Where it breaks.
    """
    cores = list(chosen_cores(None, threads))
    with Worker(threads, descriptors=[examples.descriptor]) as worker:
        worker.ask("open", Opened, **open_request(entry, examples, worker, threads, cores))
        for seed in seeds:
            worker.ask("begin", Begun, seed=seed)
            yield seed, TrainingRow(0, examples.accuracy(worker.ask("evaluate", Evaluated).classes))
            for epoch in range(1, entry.recipe.epochs + 1):
                trained = worker.ask("train", TrainedEpoch, epoch=epoch)
                accuracy = examples.accuracy(worker.ask("evaluate", Evaluated).classes)
                yield seed, TrainingRow(epoch, accuracy, trained.loss, trained.wall_s, trained.cpu_s, trained.diverged)
                if trained.diverged:
                    break
