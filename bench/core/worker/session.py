"""`Session`: one implementation in a worker, with its data and a trainer at work."""

import itertools
import math
import time
from pathlib import Path
from typing import Any

import threadpoolctl

from backprop_bench.bench.core.implementations import named_implementation
from backprop_bench.bench.core.machine.cores import pin
from backprop_bench.bench.core.machine.energy import EnergyMeter
from backprop_bench.bench.core.machine.environment import thread_pools, verify_threads
from backprop_bench.bench.core.worker.clock import Training, took
from backprop_bench.bench.core.worker.forks import load_once
from backprop_bench.bench.core.worker.handlers import handler
from backprop_bench.bench.core.worker.memory import peak_memory_bytes, reset_peak_memory, use_memory_as_if_loaded
from backprop_bench.bench.core.worker.replies import (
    Begun,
    Done,
    Evaluated,
    Opened,
    TrainedEpoch,
    TrainedUntil,
)
from backprop_bench.bench.core.worker.shared_data import map_examples
from backprop_bench.data import Examples, Recipe, Trainer, batch_order, initial_parameters


class Session:
    """An implementation that is imported, with its examples, kept to its cores.

    Parameters
    ----------
    make
        Makes a trainer from a recipe and initial weights.
    recipe
        What is computed.
    train_examples, test_examples
        In the form that the recipe asks for.
    threads
        That its libraries may use.
    """

    def __init__(
        self, make: type[Trainer], recipe: Recipe, train_examples: Examples, test_examples: Examples, threads: int
    ) -> None:
        self.make = make
        self.recipe = recipe
        self.train_examples, self.test_examples = train_examples, test_examples
        self.threads = threads
        self.pools: threadpoolctl.ThreadpoolController | None = None
        """The thread pools of the libraries that were loaded when the blocks began."""
        self.meter = EnergyMeter.find()
        self.data_rss_bytes: int | None = None
        """Peak of memory before training; ``None`` where the system cannot start the peak anew."""
        self._training: Training | None = None

    @property
    def training(self) -> Training:
        """The trainer at work; raises `RuntimeError` before `begin`."""
        if self._training is None:
            raise RuntimeError("nothing has begun; expected a request to begin first")
        return self._training

    def check_threads(self) -> None:
        """Raise `RuntimeError` where a library uses more threads than it may."""
        too_many = verify_threads(self.threads, self.pools)
        if too_many:
            raise RuntimeError(too_many)

    def begin(self, seed: int, learning_rate: float | None) -> float:
        """Build a new model from the initial weights of a seed; returns the seconds that takes."""
        self.recipe = self.recipe.replace(seed=seed, learning_rate=learning_rate or self.recipe.learning_rate)
        start = time.perf_counter()
        trainer = self.make(self.recipe, initial_parameters(self.recipe))
        prepare_s = took(start, time.perf_counter())
        self._training = Training(trainer, self.recipe, self.train_examples)
        return prepare_s

    def accuracy(self) -> float:
        """Return the accuracy on the test examples, a fraction."""
        examples = self.test_examples
        return float((self.training.trainer.predict(examples.x).argmax(axis=1) == examples.y).mean())


def open_session(
    implementation: str,
    recipe: dict[str, Any],
    examples: dict[str, Any],
    spawned: float,
    threads: int,
    cores: list[int],
) -> tuple[Session, Opened]:
    """Import an implementation, load the data, keep to the cores; returns the session and what each took.

    Parameters
    ----------
    examples
        Where the examples lie in the file that the worker has inherited.
    spawned
        When the process was started, on the monotonic clock.
    """
    make = load_once(named_implementation(implementation))
    imported = time.monotonic()
    train_examples, test_examples = map_examples(examples)
    use_memory_as_if_loaded()
    load_s = took(imported, time.monotonic())
    session = Session(make, Recipe.from_dict(recipe), train_examples, test_examples, threads)
    session.check_threads()
    pinned = pin(cores)
    session.data_rss_bytes = peak_memory_bytes() if reset_peak_memory() else None
    return session, Opened(
        import_s=took(spawned, imported),
        load_s=load_s,
        threads=tuple(thread_pools()),
        cores=tuple(cores) if pinned else None,
    )


@handler(needs_session=True)
def begin(session: Session, seed: int, learning_rate: float | None = None) -> Begun:
    """Build a new model from the initial weights of a seed, with another learning rate where one is given."""
    return Begun(prepare_s=session.begin(seed, learning_rate))


@handler(needs_session=True)
def train(session: Session, epoch: int) -> TrainedEpoch:
    """Train one epoch, counted from 1; its time is good for a look, not for a comparison."""
    examples = session.train_examples
    order = batch_order(session.recipe, len(examples.x), epoch - 1)
    cpu, wall = time.process_time(), time.perf_counter()
    loss = session.training.trainer.train_epoch(examples.x, examples.t, order)
    wall_s, cpu_s = took(wall, time.perf_counter()), time.process_time() - cpu
    session.check_threads()
    return TrainedEpoch(examples=len(order), wall_s=wall_s, cpu_s=cpu_s, loss=number(loss))


@handler(needs_session=True)
def train_until(session: Session, target: float, epochs: int, pieces: int) -> TrainedUntil:
    """Train until the accuracy on the test examples reaches a target, or for so many epochs.

    The accuracy is computed so many times an epoch, between batches; that is not in the time.

    Returns
    -------
    TrainedUntil
        Epochs, cumulative training time and accuracy after every piece.
    """
    n_examples = len(session.train_examples.x)
    n_batches = -(-n_examples // (session.recipe.batch_size or n_examples))
    ends = [n_batches * (piece + 1) // pieces for piece in range(pieces)]
    curve: list[tuple[float, float, float]] = []
    wall_s = 0.0
    for epoch in range(epochs):
        for start, end in itertools.pairwise([0, *ends]):
            if start < end:
                wall_s += session.training.timed(session.training.take(end - start))[0]
                curve.append((epoch + end / n_batches, wall_s, session.accuracy()))
                if curve[-1][2] >= target:
                    return TrainedUntil(curve=tuple(curve), reached=True)
    return TrainedUntil(curve=tuple(curve), reached=False)


@handler(needs_session=True)
def evaluate(session: Session) -> Evaluated:
    """Compute the accuracy on the test examples, and time it."""
    start = time.perf_counter()
    accuracy = session.accuracy()
    return Evaluated(evaluation_s=took(start, time.perf_counter()), accuracy=accuracy)


@handler(needs_session=True, refuses=True)
def keep(session: Session, path: str) -> Done:
    """Write the network that is trained, and what it predicts for the test examples, to a file."""
    from backprop_bench.bench.core.trained import save_trained  # what no worker that is timed needs

    save_trained(Path(path), session.training.trainer, session.recipe, session.test_examples.x)
    return Done()


def number(loss: float) -> float | None:
    """Return a loss as a plain number; ``None`` where it is not finite."""
    return float(loss) if math.isfinite(loss) else None
