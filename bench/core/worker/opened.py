"""A worker at work on an entry of a run: started, with the implementation and its examples opened."""

import contextlib
from collections.abc import Iterator
from typing import Any

from backprop_bench.bench.core.machine.environment import usable_core_numbers
from backprop_bench.bench.core.records.plan import Entry
from backprop_bench.bench.core.worker.client import Worker, WorkerError
from backprop_bench.bench.core.worker.replies import Opened
from backprop_bench.bench.core.worker.shared_data import SharedExamples
from backprop_bench.bench.core.worker.weights import WeightsFile
from backprop_bench.data import InputError


def open_request(
    entry: Entry,
    examples: SharedExamples,
    worker: Worker,
    threads: int,
    cores: list[int],
    weights: WeightsFile | None = None,
) -> dict[str, Any]:
    """Return what a worker is told to open."""
    return {
        "implementation": entry.implementation,
        "recipe": entry.recipe.to_dict(),
        "examples": examples.to_dict(),
        "spawned": worker.spawned,
        "threads": threads,
        "cores": cores,
        "weights": None if weights is None else weights.descriptor,
    }


@contextlib.contextmanager
def opened_worker(
    entry: Entry,
    examples: SharedExamples,
    threads: int,
    cores: list[int] | None = None,
    weights: WeightsFile | None = None,
) -> Iterator[tuple[Worker, Opened]]:
    """Start a worker that opens an entry, and end it with the block.

    Parameters
    ----------
    cores
        Those it may use; ``None`` for all.
    weights
        Where it writes its weights; ``None`` where nobody compares them.

    Raises
    ------
    WorkerError
        Where it breaks. The file could be imported in the verification: where it cannot any more, that is a failure of
        this implementation, too.
    """
    cores = list(usable_core_numbers()) if cores is None else cores
    descriptors = [examples.descriptor, *([] if weights is None else [weights.descriptor])]
    with Worker(threads, descriptors=descriptors, environment=entry.environment) as worker:
        try:
            opened = worker.ask("open", Opened, **open_request(entry, examples, worker, threads, cores, weights))
        except InputError as error:
            raise WorkerError(str(error)) from error
        yield worker, opened
