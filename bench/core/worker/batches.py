"""Which batches a trainer is given: those of its recipe, or ones that are drawn when their turn comes."""

import secrets
from collections.abc import Iterable

import msgspec

from backprop_bench.data import Order, Recipe, batch_order, examples_per_epoch

KEY_BITS = 62
"""Of the number from which an order is drawn: it fits into JSON."""


class Piece(msgspec.Struct, frozen=True, array_like=True):
    """Consecutive batches of one order, which is what one call of ``train_epoch`` is given.

    Attributes
    ----------
    start, stop
        Which batches of the order.
    key
        Decides the order; ``None`` where it is that of an epoch of the recipe.
    epoch
        Counted from 0, where it is that of the recipe.
    """

    start: int
    stop: int
    key: int | None = None
    epoch: int = 0


class KeptTurn(msgspec.Struct, frozen=True):
    """What a trainer did between two times that its weights were written down.

    Attributes
    ----------
    pieces
        What it trained.
    losses
        What it returned for each, ``None`` where that was no finite number; none at all where training returns none.
    slot
        Where its weights are from afterwards.
    where
        What a person calls it.
    """

    pieces: tuple[Piece, ...]
    losses: tuple[float | None, ...]
    slot: int
    where: str


def plain_pieces(pieces: Iterable[Piece]) -> list[list[int | None]]:
    """Return pieces as a request has them."""
    return [[piece.start, piece.stop, piece.key, piece.epoch] for piece in pieces]


def n_batches(recipe: Recipe, n_examples: int) -> int:
    """Return how many batches an epoch of so many examples has."""
    return -(-examples_per_epoch(recipe, n_examples) // (recipe.batch_size or n_examples))


def examples_in(piece: Piece, recipe: Recipe, n_examples: int) -> int:
    """Return how many examples the batches of a piece have."""
    size = recipe.batch_size or n_examples
    return min(piece.stop * size, examples_per_epoch(recipe, n_examples)) - piece.start * size


def order_of(piece: Piece, recipe: Recipe, n_examples: int) -> Order:
    """Return the examples of a piece, in an array of their own: nothing leads from it to the rest of the order.

    Where the recipe does not shuffle, an order that is drawn has the examples one after the other, too, but begins
    anywhere.
    """
    if piece.key is None:
        order = batch_order(recipe, n_examples, piece.epoch)
    else:
        drawn = recipe.replace(seed=piece.key)
        order = batch_order(drawn, n_examples, 0)
        order = order if recipe.shuffle else (order + piece.key) % n_examples
    size = recipe.batch_size or n_examples
    return order[piece.start * size : piece.stop * size].copy()


class Draws:
    """Batches for a timed trainer, drawn when they are taken, so that nobody knows before which will come.

    Every piece has an order of its own. How many batches there are up to the end of an epoch is counted over all
    pieces, so that the short last batch comes as often as in training.

    Parameters
    ----------
    recipe
        Decides the size of a batch, and whether examples are shuffled.
    n_examples
        To draw from.
    """

    def __init__(self, recipe: Recipe, n_examples: int) -> None:
        self._n_batches = n_batches(recipe, n_examples)
        self._at = 0
        """Batches of this epoch that were taken."""

    def take(self, batches: int) -> list[Piece]:
        """Return so many batches, in pieces where an epoch ends."""
        taken = []
        while batches:
            now = min(batches, self._n_batches - self._at)
            taken.append(Piece(self._at, self._at + now, secrets.randbits(KEY_BITS)))
            self._at = (self._at + now) % self._n_batches
            batches -= now
        return taken
