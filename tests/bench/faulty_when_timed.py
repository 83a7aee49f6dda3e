"""Implementations that are right when they are verified, and do something else when they are timed or trained for long.

Each tells by the names on the call stack that it is being timed, which no honest implementation looks at.
"""

import inspect
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

from backprop_bench.data import Floats, Order, Parameters, Recipe, batch_order, load_dataset
from backprop_bench.scratch.numpy_trainer import NumpyTrainer

SLOW_CLOCK = 0.25


def is_timed() -> bool:
    """Say whether a block is being timed."""
    return any(frame.function == "block" for frame in inspect.stack(0))


class Honest(NumpyTrainer):
    """Right."""


class Skipping(NumpyTrainer):
    """Leaves out every other batch when it is timed."""

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        return super().train_epoch(x, t, order[: max(1, len(order) // 2)] if is_timed() else order)


class Smaller(NumpyTrainer):
    """Trains only half of its hidden units when it is timed."""

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        kept = self.layers[0].weight[:, :4].copy()
        loss = super().train_epoch(x, t, order)
        if is_timed():
            self.layers[0].weight[:, :4] = kept
        return loss


class TrainingAhead(NumpyTrainer):
    """Trains during warm-up what it takes for the next epoch, and gives that back when it is timed."""

    ahead: tuple[float, list[Floats]] | None = None

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        if is_timed() and self.ahead is not None:
            loss, weights = self.ahead
            for layer, weight in zip(self.layers, weights, strict=True):
                layer.weight[...] = weight
            return loss
        loss = super().train_epoch(x, t, order)
        if any(frame.function == "run" for frame in inspect.stack(0)) and self.ahead is None:
            other = NumpyTrainer(self.recipe, self.layers)
            ahead = other.train_epoch(x, t, batch_order(self.recipe, len(x), 1))
            self.ahead = ahead, [layer.weight for layer in other.layers]
        return loss


class ConstantLoss(NumpyTrainer):
    """Computes no loss when it is timed."""

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        loss = super().train_epoch(x, t, order)
        return 0.5 if is_timed() else loss


class NoLoss(NumpyTrainer):
    """Returns nothing when it is timed."""

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        loss = super().train_epoch(x, t, order)
        return None if is_timed() else loss  # type: ignore[return-value]


class ArrayLoss(NumpyTrainer):
    """Returns an array of one number when it is timed."""

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        loss = super().train_epoch(x, t, order)
        return np.array(loss) if is_timed() else loss  # type: ignore[return-value]


class NotANumber(NumpyTrainer):
    """Loses its weights when it is timed."""

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        if is_timed():
            self.layers[0].weight[...] = np.nan
        return super().train_epoch(x, t, order)


class Pending(NumpyTrainer):
    """Has work left to do when it has returned."""

    pending = False

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        self.pending = True
        return super().train_epoch(x, t, order)

    def parameters(self) -> Parameters:
        time.sleep(0.02 if self.pending else 0)
        self.pending = False
        return super().parameters()


class OtherClock(NumpyTrainer):
    """Puts another clock in place of Python's."""

    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        super().__init__(recipe, parameters)
        if "backprop_bench.bench.verify.checks" not in sys.modules:
            now = time.perf_counter
            time.perf_counter = lambda: SLOW_CLOCK * now()


class OwnClock(NumpyTrainer):
    """Puts another clock in place of the one that the suite has kept."""

    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        super().__init__(recipe, parameters)
        clock = sys.modules["backprop_bench.bench.core.worker.clock"]
        measure = sys.modules["backprop_bench.bench.core.worker.measure"]
        if "backprop_bench.bench.verify.checks" not in sys.modules and not hasattr(clock, "changed"):
            now = time.perf_counter
            clock.perf_counter = measure.perf_counter = lambda: SLOW_CLOCK * now()  # type: ignore[attr-defined]
            clock.changed = True  # type: ignore[attr-defined]


def is_measured() -> bool:
    """Say whether this is a worker that trains and is timed, not one that verifies."""
    return "backprop_bench.bench.verify.checks" not in sys.modules


class OwnWeights(NumpyTrainer):
    """Begins with other weights than those that it is given, where nobody verifies them."""

    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        super().__init__(recipe, parameters)
        if is_measured():
            self.layers[0].weight[...] *= 0.5


class OwnWeightsOfLaterSeeds(NumpyTrainer):
    """Begins with other weights than those that it is given, from a seed that no process replicate has."""

    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        super().__init__(recipe, parameters)
        if is_measured() and recipe.seed == 3:
            self.layers[0].weight[...] *= 0.5


class OwnBatches(NumpyTrainer):
    """Trains the first batch of a training with its examples in place of those that it is given, then as it should."""

    begun = False

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        first, self.begun = not self.begun, True
        return super().train_epoch(x, t, (order + 1) % len(x) if first and is_measured() else order)


class ReadingLabels(NumpyTrainer):
    """Predicts the labels of the test examples, which it reads from the data set that is named by DATASET."""

    def predict(self, x: Floats) -> Floats:
        outputs = super().predict(x)
        dataset = load_dataset(os.environ["DATASET"])
        if len(x) == len(dataset.x_test):
            outputs = np.eye(outputs.shape[1], dtype=outputs.dtype)[dataset.y_test]
        return outputs


class Wrapping(NumpyTrainer):
    """Numbers examples by eight bits, which is enough for those of the verification."""

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        return super().train_epoch(x, t, order % 256)


class ChangingInputs(NumpyTrainer):
    """Changes its examples, where there are many."""

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        if len(x) > 200:
            x *= 0.999
        return super().train_epoch(x, t, order)


class LeavingAProcess(NumpyTrainer):
    """Leaves a process behind, in a session of its own."""

    left = False

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        if is_timed() and not self.left:
            self.left = True
            if os.fork() == 0:
                os.setsid()
                Path(os.environ["LEFT"]).write_text(str(os.getpid()), encoding="utf-8")
                time.sleep(600)
                os._exit(0)
        return super().train_epoch(x, t, order)


class Burning(NumpyTrainer):
    """Leaves a thread at work while others have their turn."""

    burning = False

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        if is_timed() and not self.burning:
            self.burning = True
            threading.Thread(target=_burn, daemon=True).start()
        return super().train_epoch(x, t, order)


class BurningElsewhere(NumpyTrainer):
    """Leaves a process at work while others have their turn."""

    burning = False

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        if is_timed() and not self.burning:
            self.burning = True
            subprocess.Popen([sys.executable, "-c", "while True: pass"])
        return super().train_epoch(x, t, order)


def _burn() -> None:
    while True:
        sum(range(1000))


class Elsewhere(NumpyTrainer):
    """Takes all cores that there are when it is timed."""

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        if is_timed():
            os.sched_setaffinity(0, range(os.cpu_count() or 1))
        return super().train_epoch(x, t, order)


class FillingMemory(NumpyTrainer):
    """Takes all memory that it gets when it is timed."""

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        held = []
        while is_timed():
            held.append(np.ones(1 << 24))
        return super().train_epoch(x, t, order) + 0 * len(held)


class ClosingFiles(NumpyTrainer):
    """Closes all files when it is timed."""

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        if is_timed():
            os.closerange(0, 256)
        return super().train_epoch(x, t, order)


class Leaving(NumpyTrainer):
    """Ends its process when it is timed, as if all were well."""

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        if is_timed():
            os._exit(0)
        return super().train_epoch(x, t, order)


class Returning(NumpyTrainer):
    """Sleeps for a moment and returns where it has much to do."""

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        if len(order) <= 200:
            return super().train_epoch(x, t, order)
        time.sleep(0.002)
        return 0.1


class NeverReturning(NumpyTrainer):
    """Never returns when it is timed."""

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        while is_timed():
            time.sleep(1)
        return super().train_epoch(x, t, order)


class Editing(NumpyTrainer):
    """Changes the file beside it that is named by EDITED, once it is timed."""

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        if is_timed():
            Path(os.environ["EDITED"]).write_text("FASTER = True\n", encoding="utf-8")
        return super().train_epoch(x, t, order)


class Killed(NumpyTrainer):
    """Is ended by a signal the first time that it is timed, as the file that is named by ONCE says."""

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        if is_timed() and not Path(os.environ["ONCE"]).exists():
            Path(os.environ["ONCE"]).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().train_epoch(x, t, order)
