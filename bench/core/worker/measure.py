"""What is measured of a session: blocks of batches, the parts of a step, memory."""

import sys
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import threadpoolctl

from backprop_bench.bench.core.implementations import named_implementation
from backprop_bench.bench.core.machine.energy import EnergyMeter
from backprop_bench.bench.core.machine.interference import Snapshot, interference
from backprop_bench.bench.core.records.kinds import TimedBlock
from backprop_bench.bench.core.worker.batches import Piece
from backprop_bench.bench.core.worker.clock import perf_counter, process_time, took
from backprop_bench.bench.core.worker.handlers import handler
from backprop_bench.bench.core.worker.memory import give_back_memory, peak_memory_bytes, reset_peak_memory
from backprop_bench.bench.core.worker.replies import Done, Ended, MemoryUse, Ran, Ready, TimedParts, Turn
from backprop_bench.bench.core.worker.session import Session, number
from backprop_bench.bench.core.worker.sources import sources_of
from backprop_bench.data import DividesSteps, batch_order, initial_parameters

SMALL = 8
"""Units in every layer of the network that is trained before memory is measured."""


@handler(needs_session=True)
def run(session: Session, pieces: list[Any], slot: int | None = None) -> Ran:
    """Train these pieces, and return what that took; where a slot is given, write the weights to it afterwards."""
    wall_s, losses = session.training.timed(session.orders(_pieces(pieces)))
    session.check_limits()
    if slot is not None:
        session.write_weights(slot, session.read_weights()[0])
    return Ran(wall_s=wall_s, losses=session.numbers(losses))


@handler(needs_session=True)
def ready(session: Session) -> Ready:
    """Note which thread pools there are and what measures energy, once a session is warmed up."""
    session.pools = threadpoolctl.ThreadpoolController()  # what is loaded now; finding that out takes a while
    session.check_limits()
    torch = sys.modules.get("torch")
    session.meter = EnergyMeter.find(gpu=torch is not None and torch.cuda.is_initialized())
    return Ready(energy=session.meter.source or session.meter.reason or "")


@handler(needs_session=True)
def block(
    session: Session,
    warm_up: list[Any],
    pieces: list[Any],
    injected: float,
    further: dict[str, list[Any]],
    slot: int | None,
) -> Turn:
    """Train a block and time it, after a warm-up that is not timed.

    Parameters
    ----------
    warm_up
        Pieces that are trained before.
    pieces
        Those that are counted.
    injected
        Injected slowdown: share of its own time that it is made to take longer.
    further
        Stretches that follow in the same turn, each timed, by name: to measure block-switching overhead.
    slot
        Where the weights are written at the end of the turn; ``None`` where they are not needed.
    """
    began, training = perf_counter(), session.training
    first, orders = session.orders(_pieces(warm_up)), session.orders(_pieces(pieces))
    losses = training.timed(first)[1] if first else []
    joules, before, cpu = session.meter.read(), Snapshot.take(), process_time()
    wall_s, of_block = training.timed(orders, injected)
    cpu_s = process_time() - cpu
    energy_j = None if joules is None else session.meter.joules(joules, session.meter.read())
    counters = interference(before, Snapshot.take())
    pending_s = _pending_s(session)
    more, later = _further(session, further)
    if slot is not None:
        session.write_weights(slot, session.read_weights()[0])
    session.check_limits()
    timed = TimedBlock(
        examples=sum(map(len, orders)),
        injected=injected,
        wall_s=wall_s,
        cpu_s=cpu_s,
        loss=number(of_block[-1]),
        energy_j=energy_j,
        pending_s=pending_s,
        rested_s=session.rested[0],
        rested_cpu_s=session.rested[1],
        turn_s=took(began, perf_counter()),
        **counters,
        **more,
    )
    return Turn(timed=timed, losses=session.numbers([*losses, *of_block, *later]))


def _pieces(pieces: Sequence[Any]) -> list[Piece]:
    return msgspec.convert(list(pieces), list[Piece])


def _pending_s(session: Session) -> float | None:
    """Return how much longer it takes to read the weights after a block than a second time: work still to be done.

    What was read first is kept meanwhile. So both are read into fresh memory, which takes long where weights are large.
    ``None`` where no weights are read, for nothing is trained.
    """
    if session.weights is None:
        return None
    kept, first_s = session.read_weights()
    _, second_s = session.read_weights()
    del kept
    return max(0.0, first_s - second_s)


def _further(session: Session, stretches: dict[str, list[Any]]) -> tuple[dict[str, Any], list[float]]:
    """Train and time further stretches; returns the fields of the block, and the losses."""
    more: dict[str, Any] = {}
    losses: list[float] = []
    for name, pieces in stretches.items():
        orders = session.orders(_pieces(pieces))
        wall_s, here = session.training.timed(orders)
        losses += here
        more |= {f"{name}_examples": sum(map(len, orders)), f"{name}_calls": len(orders), f"{name}_wall_s": wall_s}
    return more, losses


@handler(needs_session=True)
def keep_weights(session: Session, slot: int) -> Done:
    """Write the weights to a slot."""
    session.write_weights(slot, session.read_weights()[0])
    return Done()


@handler(needs_session=True)
def end(session: Session, implementation: str) -> Ended:
    """Return the peak of memory in training and what was resident when the data was loaded; then evaluate."""
    peak = peak_memory_bytes()
    session.pools = None
    session.check_limits()
    start = perf_counter()
    session.classes()
    evaluation_s = took(start, perf_counter())
    sources = sources_of(named_implementation(implementation))
    return Ended(evaluation_s=evaluation_s, peak_rss_bytes=peak, data_rss_bytes=session.data_rss_bytes, sources=sources)


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
            start = perf_counter()
            run()
            walls[name] += took(start, perf_counter())
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
