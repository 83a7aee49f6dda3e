"""What is measured of a session: blocks of batches, the parts of a step, memory."""

import math
import sys
import time
from typing import Any

import numpy as np
import threadpoolctl

from backprop_bench.bench.core.machine.energy import EnergyMeter
from backprop_bench.bench.core.machine.interference import Snapshot, interference
from backprop_bench.bench.core.records.kinds import TimedBlock
from backprop_bench.bench.core.worker.clock import Training, took
from backprop_bench.bench.core.worker.handlers import handler
from backprop_bench.bench.core.worker.memory import give_back_memory, peak_memory_bytes, reset_peak_memory
from backprop_bench.bench.core.worker.replies import Ended, MemoryUse, TimedParts, WarmedUp
from backprop_bench.bench.core.worker.session import Session, number
from backprop_bench.data import DividesSteps, batch_order, initial_parameters

BLOCK_PER_WARM_UP = 6
"""One batch of warm-up before a block for so many in it, or for fewer; none where a block is a single batch.

Of 60 ms that is 10 ms. On a 2-core EPYC the first 10 ms after a worker's turn had come took up to 9 % longer, the next
10 ms up to 1 %: caches and branch predictors are still those of another process.
"""
SMALL = 8
"""Units in every layer of the network that is trained before memory is measured."""


@handler(needs_session=True)
def warm_up(session: Session, block_s: float, batches: int | None) -> WarmedUp:
    """Train the first batch, then blocks of so many batches, or find how many take about so many seconds."""
    training = session.training
    first_s, _ = training.timed(training.take(1))
    if batches is None:
        batches = _find_batches(training, block_s)
    training.timed(training.take(2 * batches))
    session.pools = threadpoolctl.ThreadpoolController()  # what is loaded now; finding that out takes a while
    session.check_threads()
    torch = sys.modules.get("torch")
    session.meter = EnergyMeter.find(gpu=torch is not None and torch.cuda.is_initialized())
    energy = session.meter.source or session.meter.reason or ""
    return WarmedUp(first_s=first_s, block_batches=batches, energy=energy)


def _find_batches(training: Training, block_s: float) -> int:
    batches, rate_s = 1, math.inf
    while True:
        rate_s = min(rate_s, *(training.timed(training.take(batches))[0] / batches for _ in range(3)))
        if batches * rate_s >= block_s / 2:
            return max(1, round(block_s / rate_s))
        batches *= 2


@handler(needs_session=True)
def block(session: Session, batches: int, injected: float, overhead: bool = False) -> TimedBlock:
    """Train a block and time it, after a warm-up that is not timed.

    Parameters
    ----------
    batches
        That are counted.
    injected
        Injected slowdown: share of its own time that it is made to take longer.
    overhead
        Whether another block follows in the same turn, and as many batches in calls of their own, each timed: the
        block-switching overhead.
    """
    training = session.training
    first, pieces = training.take(-(-batches // BLOCK_PER_WARM_UP) if batches > 1 else 0), training.take(batches)
    for piece in first:
        training.trainer.train_epoch(training.examples.x, training.examples.t, piece)
    joules, before, cpu = session.meter.read(), Snapshot.take(), time.process_time()
    wall_s, loss = training.timed(pieces, injected)
    cpu_s = time.process_time() - cpu
    energy_j = None if joules is None else session.meter.joules(joules, session.meter.read())
    counters = interference(before, Snapshot.take())
    more = _overhead(training, batches) if overhead else {}
    session.check_threads()
    return TimedBlock(
        examples=sum(map(len, pieces)),
        injected=injected,
        wall_s=wall_s,
        cpu_s=cpu_s,
        loss=number(loss),
        energy_j=energy_j,
        **counters,
        **more,
    )


def _overhead(training: Training, batches: int) -> dict[str, Any]:
    """Train another block, and as many batches in calls of their own; every other time these first."""
    stretches = {"later": [batches], "single": [1] * batches}
    training.blocks_done += 1
    more: dict[str, Any] = {}
    for name in sorted(stretches, reverse=training.blocks_done % 2 == 0):
        calls = [piece for n_batches in stretches[name] for piece in training.take(n_batches)]
        more |= {f"{name}_examples": sum(map(len, calls)), f"{name}_calls": len(calls)}
        more[f"{name}_wall_s"] = training.timed(calls)[0]
    return more


@handler(needs_session=True)
def end(session: Session) -> Ended:
    """Return the peak of memory in training and what was resident when the data was loaded; then evaluate."""
    peak = peak_memory_bytes()
    session.pools = None
    session.check_threads()
    start = time.perf_counter()
    session.accuracy()
    evaluation_s = took(start, time.perf_counter())
    return Ended(evaluation_s=evaluation_s, peak_rss_bytes=peak, data_rss_bytes=session.data_rss_bytes)


@handler(needs_session=True)
def time_parts(session: Session, steps: int) -> TimedParts:
    """Time the parts of some training steps, each on its own; none where the trainer does not divide its steps."""
    trainer, examples = session.training.trainer, session.train_examples
    if not isinstance(trainer, DividesSteps):
        return TimedParts(wall_s={}, steps=0, batch_size=0)
    order = batch_order(session.recipe, len(examples.x), 0)[: session.recipe.batch_size]
    parts = trainer.step_parts(examples.x, examples.t, order)
    walls = dict.fromkeys(parts, 0.0)
    for _ in range(steps):
        for name, run in parts.items():
            start = time.perf_counter()
            run()
            walls[name] += took(start, time.perf_counter())
    return TimedParts(wall_s=walls, steps=steps, batch_size=len(order))


@handler(needs_session=True)
def memory(session: Session, batches: int) -> MemoryUse:
    """Return how many bytes a training of so many batches holds: weights, what it keeps, and what it needs at once.

    A small network is trained before, so that code which is loaded or compiled for any network is not counted; what is
    compiled for each shape anew is.
    """
    recipe, examples = session.recipe, session.train_examples
    small = recipe.replace(layer_sizes=(SMALL,) * len(recipe.layer_sizes))
    size = small.batch_size or SMALL
    rng = np.random.default_rng(0)
    x, t = rng.random((size, SMALL)).astype(small.dtype), np.eye(SMALL, dtype=small.dtype)[np.arange(size) % SMALL]
    session.make(small, initial_parameters(small)).train_epoch(x, t, np.arange(size))
    parameters = initial_parameters(recipe)
    n_examples = len(examples.x)
    order = batch_order(recipe, n_examples, 0)[: batches * (recipe.batch_size or n_examples)]
    give_back_memory()
    before = peak_memory_bytes() if reset_peak_memory() else None
    session.make(recipe, parameters).train_epoch(examples.x, examples.t, order)
    return MemoryUse(
        parameter_bytes=sum(array.nbytes for layer in parameters for array in layer.arrays()),
        training_bytes=None if before is None else peak_memory_bytes() - before,
    )
