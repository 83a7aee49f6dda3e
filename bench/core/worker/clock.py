"""The clock around a block: `Training.timed` reads it before the first batch and after the last."""

import time

import numpy as np

from backprop_bench.data import Examples, Order, Recipe, Trainer, batch_order


class Training:
    """A trainer at work: which batches it has got to.

    Parameters
    ----------
    trainer
        With its initial weights.
    recipe
        Decides the batches and their order.
    examples
        What it trains on.
    """

    def __init__(self, trainer: Trainer, recipe: Recipe, examples: Examples) -> None:
        self.trainer = trainer
        self.recipe = recipe
        self.examples = examples
        self.blocks_done = 0
        self._epoch = -1
        self._order: Order = np.empty(0, np.int64)
        self._batches_done = 0
        """Of this epoch."""

    def take(self, batches: int) -> list[Order]:
        """Return the next batches, in pieces where an epoch ends."""
        n_examples = len(self.examples.x)
        size = self.recipe.batch_size or n_examples
        taken = []
        while batches:
            if self._batches_done * size >= len(self._order):
                self._epoch += 1
                self._order, self._batches_done = batch_order(self.recipe, n_examples, self._epoch), 0
            left = -(-n_examples // size) - self._batches_done
            now = min(batches, left)
            taken.append(self._order[self._batches_done * size : (self._batches_done + now) * size])
            self._batches_done += now
            batches -= now
        return taken

    def timed(self, pieces: list[Order], slowdown: float = 0.0) -> tuple[float, float]:
        """Train on these examples and return the wall seconds and the last loss.

        Parameters
        ----------
        slowdown
            Share of its own time that it is made to take longer.
        """
        x, t, train = self.examples.x, self.examples.t, self.trainer.train_epoch
        start = time.perf_counter()
        for piece in pieces:
            loss = train(x, t, piece)
        end = time.perf_counter()
        if slowdown:
            longer = end + slowdown * took(start, end)
            while end < longer:
                end = time.perf_counter()
        return took(start, end), loss


def took(start: float, end: float) -> float:
    """Return the seconds between two readings of a clock; raises `RuntimeError` where it did not go forward."""
    if not end > start:
        raise RuntimeError(f"the clock went from {start!r} s to {end!r} s; expected it to go forward")
    return end - start
