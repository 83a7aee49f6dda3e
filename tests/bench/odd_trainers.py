"""Implementations that do not behave, for the tests of what the harness makes of them."""

import inspect
import os
import sys
import time

import numpy as np
import threadpoolctl

from backprop_bench.data import Floats, Layer, Order, Parameters, Recipe, StepParts, UnsupportedRecipe
from backprop_bench.scratch.numpy_trainer import NumpyTrainer


class Fine(NumpyTrainer):
    """Right, and talkative: what it prints must not get between the harness and its worker."""

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        print("training", flush=True)
        return super().train_epoch(x, t, order)


class Slow(NumpyTrainer):
    """Right, and slow enough to be killed in the middle of an epoch."""

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        time.sleep(0.001 * len(order) / 30)
        return super().train_epoch(x, t, order)


class Wrong(NumpyTrainer):
    """Has a wrong gradient in the first layer."""

    def gradients(self, x: Floats, t: Floats) -> Parameters:
        first, *rest = super().gradients(x, t)
        return (Layer(first.weight * 1.001, first.bias), *rest)


class Refusing(NumpyTrainer):
    """Cannot do anything without a bias."""

    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        if recipe.bias:
            raise UnsupportedRecipe("Refusing", "bias", "it has none")
        super().__init__(recipe, parameters)


class _LongTraining(NumpyTrainer):
    """Behaves in verification, whose epochs are short, and misbehaves in training."""

    def misbehave(self) -> float:
        raise NotImplementedError

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        if len(order) > 200 and self.recipe.seed == 0:
            return self.misbehave()
        return super().train_epoch(x, t, order)


class Raising(_LongTraining):
    """Raises in training."""

    def misbehave(self) -> float:
        raise ZeroDivisionError("no luck")


class Crashing(_LongTraining):
    """Takes its process with it."""

    def misbehave(self) -> float:
        os._exit(3)


class Hanging(_LongTraining):
    """Never comes back."""

    def misbehave(self) -> float:
        time.sleep(3600)
        return 0.0


class Forking(NumpyTrainer):
    """Forks, and trains in both processes."""

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        os.fork()
        return super().train_epoch(x, t, order)


class ForkingForHelp(NumpyTrainer):
    """Right: forks, but the other process ends itself."""

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        if len(order) < 20 and os.fork() == 0:
            sys.exit()
        return super().train_epoch(x, t, order)


class Diverging(NumpyTrainer):
    """Loses its weights in training, but not in verification, whose epochs are short."""

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        if len(order) > 200 and self.recipe.seed == 0:
            for layer in self.layers:
                layer.weight[...] = np.nan
        return super().train_epoch(x, t, order)


class Sleeping(NumpyTrainer):
    """Right, and idle for most of its time."""

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        time.sleep(0.2 if len(order) > 200 else 0)
        return super().train_epoch(x, t, order)


class Hungry(NumpyTrainer):
    """Right, and takes 64 MiB while it trains."""

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        held = np.ones(8 * 2**20 if len(order) > 200 else 1)
        return super().train_epoch(x, t, order) + 0 * float(held[0])


class Noting(NumpyTrainer):
    """Right, and notes down in the file that is named by NOTES what it was asked."""

    def note(self, *what: object) -> None:
        with open(os.environ["NOTES"], "a", encoding="utf-8") as file:  # noqa: PTH123
            print(*what, file=file)

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        self.note("train", len(order), *order[:4])
        return super().train_epoch(x, t, order)

    def predict(self, x: Floats) -> Floats:
        self.note("predict", len(x))
        return super().predict(x)


class SlowToPredict(NumpyTrainer):
    """Right, and takes its time to predict."""

    def predict(self, x: Floats) -> Floats:
        time.sleep(0.15 if len(x) == 100 else 0)
        return super().predict(x)


class Greedy(NumpyTrainer):
    """Opens its thread pool wider while it trains."""

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        if len(order) > 200:
            threadpoolctl.threadpool_limits(2)
        return super().train_epoch(x, t, order)


class Scribbling(NumpyTrainer):
    """Writes to the examples that it is handed."""

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        x[...] = 0.0
        return super().train_epoch(x, t, order)


class TurningTheClockBack(NumpyTrainer):
    """Turns the clock back by an hour in every long call of a process that is timed."""

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        if len(order) > 200 and "block" in {frame.function for frame in inspect.stack()}:
            now = time.perf_counter
            time.perf_counter = lambda: now() - 3600
        return super().train_epoch(x, t, order)


class BrokenParts(NumpyTrainer):
    """Right, until a step is to be taken apart."""

    def step_parts(self, x: Floats, t: Floats, examples: Order) -> StepParts:
        raise ZeroDivisionError("in parts")


class _LongTrained(NumpyTrainer):
    """Behaves until it has trained for long, which it never does in verification."""

    trained = False

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        self.trained = self.trained or len(order) > 200
        return super().train_epoch(x, t, order)


class LosingALayer(_LongTrained):
    """Gives fewer layers than it has."""

    def parameters(self) -> Parameters:
        return super().parameters()[:1] if self.trained else super().parameters()


class GivingObjects(_LongTrained):
    """Gives weights that are no numbers."""

    def parameters(self) -> Parameters:
        if not self.trained:
            return super().parameters()
        return tuple(Layer(layer.weight.astype(object), layer.bias) for layer in super().parameters())


class GivingInfinities(_LongTrained):
    """Gives weights that were never those it computes with."""

    def parameters(self) -> Parameters:
        if not self.trained:
            return super().parameters()
        return tuple(Layer(layer.weight * np.inf, layer.bias) for layer in super().parameters())


class GivingNoOutputs(_LongTrained):
    """Gives the class of each example where outputs were asked for, once it was evaluated three times."""

    asked = 0

    def predict(self, x: Floats) -> Floats:
        self.asked += self.trained
        outputs = super().predict(x)
        return outputs[:, :1] if self.asked == 3 else outputs


class RefusingLate(_LongTrained):
    """Refuses to give its weights once it is trained."""

    def parameters(self) -> Parameters:
        if self.trained:
            raise UnsupportedRecipe("RefusingLate", "epochs", "there were too many")
        return super().parameters()


class DyingLate(_LongTrained):
    """Takes its process with it when it is asked for its weights."""

    def parameters(self) -> Parameters:
        if self.trained:
            os._exit(4)
        return super().parameters()
