"""The clock around a block: `Training.timed` reads it before the first batch and after the last."""

import numbers
import time
from collections.abc import Sequence

from backprop_bench.data import Examples, Order, Recipe, Trainer

perf_counter, process_time = time.perf_counter, time.process_time
"""The clocks, as they were before an implementation was imported: it may put others in their place."""


class Training:
    """A trainer at work.

    Parameters
    ----------
    trainer
        With its initial weights.
    recipe
        What it trains by.
    examples
        What it trains on.
    """

    def __init__(self, trainer: Trainer, recipe: Recipe, examples: Examples) -> None:
        self.trainer = trainer
        self.recipe = recipe
        self.examples = examples

    def timed(self, orders: Sequence[Order], slowdown: float = 0.0) -> tuple[float, list[float]]:
        """Train on these examples and return the wall seconds, and the loss of every order as a plain number.

        A loss that is still to be computed is computed by making it a number, before the clock is read again.

        Parameters
        ----------
        slowdown
            Share of its own time that it is made to take longer.

        Raises
        ------
        TypeError
            For a loss that is no real number.
        """
        x, t, train = self.examples.x, self.examples.t, self.trainer.train_epoch
        returned, losses = [], []
        start = perf_counter()
        for order in orders:
            loss = train(x, t, order)
            losses.append(float(loss))
            returned.append(loss)
        end = perf_counter()
        if slowdown:
            longer = end + slowdown * took(start, end)
            while end < longer:
                end = perf_counter()
        for value in returned:
            check_loss(value)
        return took(start, end), losses


def check_loss(loss: object) -> None:
    """Raise `TypeError` for a loss that is no real number."""
    if not isinstance(loss, numbers.Real):
        raise TypeError(f"train_epoch returned {type(loss).__name__}, expected a number, the mean loss")


def took(start: float, end: float) -> float:
    """Return the seconds between two readings of a clock; raises `RuntimeError` where it did not go forward."""
    if not end > start:
        raise RuntimeError(f"the clock went from {start!r} s to {end!r} s; expected it to go forward")
    return end - start
