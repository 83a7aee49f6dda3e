"""`Session`: one implementation in a worker, with its data and a trainer at work."""

import contextlib
import math
import os
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import threadpoolctl

from backprop_bench.bench.core.implementations import named_implementation
from backprop_bench.bench.core.machine.cores import pin
from backprop_bench.bench.core.machine.energy import EnergyMeter
from backprop_bench.bench.core.machine.environment import thread_pools, verify_threads
from backprop_bench.bench.core.worker.batches import Piece, order_of
from backprop_bench.bench.core.worker.clock import Training, check_loss, perf_counter, process_time, took
from backprop_bench.bench.core.worker.forks import load_once
from backprop_bench.bench.core.worker.handlers import handler
from backprop_bench.bench.core.worker.memory import peak_memory_bytes, reset_peak_memory, use_memory_as_if_loaded
from backprop_bench.bench.core.worker.replies import Begun, Done, Evaluated, Opened, TrainedEpoch
from backprop_bench.bench.core.worker.shared_data import map_examples
from backprop_bench.bench.core.worker.sources import sources_of
from backprop_bench.bench.core.worker.weights import write_weights
from backprop_bench.data import Examples, Floats, Order, Parameters, Recipe, Trainer, batch_order, initial_parameters


class Session:
    """An implementation that is imported, with its examples, kept to its cores.

    Parameters
    ----------
    make
        Makes a trainer from a recipe and initial weights.
    recipe
        What is computed.
    train_examples, test_x
        In the form that the recipe asks for. The labels of the test examples stay with the driver.
    threads
        That its libraries may use.
    """

    def __init__(
        self, make: type[Trainer], recipe: Recipe, train_examples: Examples, test_x: Floats, threads: int
    ) -> None:
        self.make = make
        self.recipe = recipe
        self.train_examples, self.test_x = train_examples, test_x
        self.threads = threads
        self.pools: threadpoolctl.ThreadpoolController | None = None
        """The thread pools of the libraries that were loaded when the blocks began."""
        self.meter = EnergyMeter.find()
        self.data_rss_bytes: int | None = None
        """Peak of memory before training; ``None`` where the system cannot start the peak anew."""
        self.own_cores: tuple[int, ...] = ()
        """Those that it is kept to from the first model on: until then others start on them, too."""
        self.cores: frozenset[int] | None = None
        """Those it is kept to; ``None`` where it is not."""
        self.weights: int | None = None
        """Descriptor of the file that its weights are written to."""
        self.rested: tuple[float, float] = (0.0, 0.0)
        """Wall and CPU seconds that passed before this request since the one before."""
        self._training: Training | None = None

    @property
    def training(self) -> Training:
        """The trainer at work; raises `RuntimeError` before `begin`."""
        if self._training is None:
            raise RuntimeError("nothing has begun; expected a request to begin first")
        return self._training

    @property
    def shows_loss(self) -> bool:
        """Whether training returns a loss, as all do but some of yours."""
        return bool(getattr(self.training.trainer, "shows_loss", True))

    def numbers(self, losses: Iterable[float]) -> tuple[float | None, ...]:
        """Return losses as plain numbers, ``None`` for those that are not finite; none where training returns none."""
        return tuple(map(number, losses)) if self.shows_loss else ()

    def has_diverged(self, loss: float) -> bool:
        """Say whether training has diverged: by its loss, or by its weights where there is no loss."""
        if self.shows_loss:
            return number(loss) is None
        arrays = [array for layer in self.training.trainer.parameters() for array in layer.arrays()]
        return not all(np.isfinite(array).all() for array in arrays)

    def check_limits(self) -> None:
        """Raise `RuntimeError` where a library uses more threads than it may, or a thread left its cores."""
        if (time.perf_counter, time.process_time) != (perf_counter, process_time):
            raise RuntimeError("time.perf_counter is another function than Python's")
        too_many = verify_threads(self.threads, self.pools)
        if too_many:
            raise RuntimeError(too_many)
        if self.cores is not None and (elsewhere := cores_of_threads() - self.cores):
            raise RuntimeError(
                f"it uses core {min(elsewhere)}, expected only {', '.join(map(str, sorted(self.cores)))}"
            )

    def begin(self, seed: int, learning_rate: float | None) -> float:
        """Build a new model from the initial weights of a seed; returns the seconds that takes."""
        self.recipe = self.recipe.replace(seed=seed, learning_rate=learning_rate or self.recipe.learning_rate)
        start = perf_counter()
        trainer = self.make(self.recipe, initial_parameters(self.recipe))
        prepare_s = took(start, perf_counter())
        self._training = Training(trainer, self.recipe, self.train_examples)
        if self.cores is None and self.own_cores and pin(self.own_cores):
            self.cores = frozenset(self.own_cores)
        return prepare_s

    def orders(self, pieces: Sequence[Piece]) -> list[Order]:
        """Return the examples of every piece."""
        return [order_of(piece, self.recipe, len(self.train_examples.x)) for piece in pieces]

    def read_weights(self) -> tuple[Parameters, float]:
        """Return the weights of the trainer, and the seconds that it took to read them."""
        start = perf_counter()
        parameters = self.training.trainer.parameters()
        return parameters, took(start, perf_counter())

    def write_weights(self, slot: int, parameters: Parameters) -> None:
        """Write weights where those who compare them read them."""
        assert self.weights is not None
        write_weights(self.weights, slot, self.recipe, parameters)

    def classes(self) -> bytes:
        """Return the class with the largest output of every test example, uint16.

        Raises
        ------
        ValueError
            Where what the trainer returns are no outputs of these examples.
        """
        outputs = np.asarray(self.training.trainer.predict(self.test_x))
        expected = (len(self.test_x), self.recipe.layer_sizes[-1])
        if outputs.shape != expected:
            raise ValueError(f"predict returned outputs of shape {list(outputs.shape)}, expected {list(expected)}")
        classes: bytes = outputs.argmax(axis=1).astype(np.uint16).tobytes()
        return classes


def cores_of_threads() -> set[int]:
    """Return the cores that the threads of this process may use."""
    if sys.platform != "linux":
        return set()
    cores: set[int] = set()
    for task in os.listdir("/proc/self/task"):  # noqa: PTH208 (called after every block, and this is the fastest)
        with contextlib.suppress(ProcessLookupError):  # it has ended
            cores |= os.sched_getaffinity(int(task))
    return cores


def open_session(
    implementation: str,
    recipe: dict[str, Any],
    examples: dict[str, Any],
    spawned: float,
    threads: int,
    cores: list[int],
    weights: int | None = None,
) -> tuple[Session, Opened]:
    """Import an implementation and load the data; returns the session and what each took.

    Parameters
    ----------
    examples
        Where the examples lie in the file that the worker has inherited.
    spawned
        When the process was started, on the monotonic clock.
    cores
        Those that it is kept to once it has begun.
    weights
        Descriptor of the file that weights are written to.
    """
    named = named_implementation(implementation)
    make = load_once(named)
    imported = time.monotonic()
    train_examples, test_x = map_examples(examples)
    use_memory_as_if_loaded()
    load_s = took(imported, time.monotonic())
    session = Session(make, Recipe.from_dict(recipe), train_examples, test_x, threads)
    session.check_limits()
    session.own_cores = tuple(cores)
    session.weights = weights
    session.data_rss_bytes = peak_memory_bytes() if reset_peak_memory() else None
    return session, Opened(
        import_s=took(spawned, imported),
        load_s=load_s,
        threads=tuple(thread_pools()),
        sources=sources_of(named),
    )


@handler(needs_session=True)
def begin(session: Session, seed: int, learning_rate: float | None = None) -> Begun:
    """Build a new model from the initial weights of a seed, with another learning rate where one is given."""
    prepare_s = session.begin(seed, learning_rate)
    return Begun(prepare_s=prepare_s, cores=None if session.cores is None else tuple(sorted(session.cores)))


@handler(needs_session=True)
def train(session: Session, epoch: int) -> TrainedEpoch:
    """Train one epoch, counted from 1; its time is good for a look, not for a comparison."""
    examples = session.train_examples
    order = batch_order(session.recipe, len(examples.x), epoch - 1)
    cpu, wall = process_time(), perf_counter()
    loss = session.training.trainer.train_epoch(examples.x, examples.t, order)
    value = float(loss)
    wall_s, cpu_s = took(wall, perf_counter()), process_time() - cpu
    check_loss(loss)
    session.check_limits()
    return TrainedEpoch(
        examples=len(order), wall_s=wall_s, cpu_s=cpu_s, loss=number(value), diverged=session.has_diverged(value)
    )


@handler(needs_session=True)
def evaluate(session: Session) -> Evaluated:
    """Predict the classes of the test examples, and time it; whoever asked counts which are right."""
    start = perf_counter()
    classes = session.classes()
    return Evaluated(evaluation_s=took(start, perf_counter()), classes=classes)


@handler(needs_session=True, refuses=True)
def keep(session: Session, path: str) -> Done:
    """Write the network that is trained, and what it predicts for the test examples, to a file."""
    from backprop_bench.bench.core.trained import save_trained  # what no worker that is timed needs

    save_trained(Path(path), session.training.trainer, session.recipe, session.test_x)
    return Done()


def number(loss: float) -> float | None:
    """Return a loss as a plain number; ``None`` where it is not finite."""
    return float(loss) if math.isfinite(loss) else None
