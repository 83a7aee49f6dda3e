"""A reference implementation does again what a trainer has done, from the same weights and with the same batches."""

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from backprop_bench.bench.core.implementations import named_implementation
from backprop_bench.bench.core.records.kinds import ComparedWork
from backprop_bench.bench.core.stats.tolerances import (
    Agreement,
    NamedArrays,
    compare_arrays,
    loss_rounding,
    moved_by_rounding,
    name_arrays,
    rounding_tolerances,
    spacing_at_1,
    spreads,
    worst,
)
from backprop_bench.bench.core.worker.batches import KeptTurn, examples_in, order_of
from backprop_bench.bench.core.worker.clock import perf_counter, took
from backprop_bench.bench.core.worker.forks import load_once
from backprop_bench.bench.core.worker.handlers import handler
from backprop_bench.bench.core.worker.shared_data import map_examples
from backprop_bench.bench.core.worker.weights import read_weights
from backprop_bench.data import (
    Examples,
    ExtendedRecipe,
    Order,
    Parameters,
    Recipe,
    Trainer,
    UnsupportedRecipe,
    initial_parameters,
)
from backprop_bench.scratch.numpy_trainer import NumpyTrainer

ROUNDINGS = (1, 4, 16)
"""By how much weights are moved where something seems to be wrong: no alarm is given without these."""
EXPLOSION = 30.0
"""Times that the largest weight, or the loss, grows within a turn where training diverges."""
STATE_LIMIT = 4.0
"""Times the limit that turns may take which cannot be done alone: they are done from the first one on."""
LEAST_TURNS = 2
"""Of a process replicate, that are trained again whatever it costs."""


class Reference:
    """A reference implementation that trains from weights that it is given, and keeps the state of its optimizer.

    Parameters
    ----------
    make
        Makes the trainer; where an update depends on more than weights and batch, it needs ``set_parameters``.
    """

    def __init__(self, make: type[Trainer], recipe: Recipe, examples: Examples) -> None:
        self.make, self.recipe, self.examples = make, recipe, examples
        self.trainer = make(recipe, initial_parameters(recipe))

    def train(self, start: Parameters, orders: Sequence[Order]) -> NamedArrays:
        """Train from these weights; returns the weights afterwards, and the loss of every order."""
        if has_state(self.recipe):
            self.trainer.set_parameters(start)  # type: ignore[attr-defined]
        else:
            self.trainer = self.make(self.recipe, start)
        losses = [self.trainer.train_epoch(self.examples.x, self.examples.t, order) for order in orders]
        return [*name_arrays(self.trainer.parameters()), ("loss of call", np.array(losses, np.float64))]


def has_state(recipe: Recipe) -> bool:
    """Say whether an update depends on more than weights and batch: also on the updates, or the epochs, before."""
    extended = ExtendedRecipe.of(recipe)
    return recipe.optimizer != "sgd" or extended.dropout > 0 or extended.changes_rates


@handler()
def replay(
    implementation: str,
    others: list[str],
    recipe: dict[str, Any],
    examples: dict[str, Any],
    weights: int,
    turns: list[Any],
    limit_s: float,
    order_seed: int,
) -> ComparedWork:
    """Train what a timed trainer trained, turn by turn, each from the weights that it began with, and compare.

    Where no optimizer has a state, turns are independent. After the first one, which has the first batches of the seed,
    they are trained in random order until the limit is reached.
    Otherwise they are trained from the first one on, until four times the limit.

    Parameters
    ----------
    implementation
        The reference.
    others
        Further ones that may be, and also train where something seems to be wrong.
    weights
        Descriptor of the file with the weights after every turn; it began with those of the recipe's seed.
    turns
        The :class:`KeptTurn` in their order.
    limit_s
        Seconds after which no further turn is begun, unless it must.
    """
    began = perf_counter()
    work = _Work(
        load_once(named_implementation(implementation)),
        Recipe.from_dict(recipe),
        _examples(examples),
        weights,
        msgspec.convert(turns, list[KeptTurn]),
    )
    check, again, working = _Check(work), _SecondLook(work, others), perf_counter()
    state = has_state(work.recipe)
    agreements: list[Agreement] = []
    checked = 0
    for place in work.places(order_seed):
        if checked >= LEAST_TURNS and perf_counter() - working > (STATE_LIMIT if state else 1) * limit_s:
            break
        agreement = check.turn(place)
        checked += 1
        if agreement is not None and not agreement.passed:
            agreement = again.look(place)
        if agreement is not None:
            agreements.append(agreement)
        if (agreement is None and state) or (agreement is not None and not agreement.passed):
            break
    result = worst(agreements) if agreements else Agreement(0.0, 0.0, "training diverges, so nothing can be compared")
    return ComparedWork(
        turns=len(work.turns),
        checked=checked,
        batches=sum(piece.stop - piece.start for turn in work.turns for piece in turn.pieces),
        passed=result.passed,
        difference=result.difference,
        tolerance=result.tolerance,
        where=result.where,
        spent_s=took(began, perf_counter()),
    )


def _examples(shared: dict[str, Any]) -> Examples:
    return _mapped(msgspec.json.encode(shared))


@functools.cache
def _mapped(shared: bytes) -> Examples:
    return map_examples(msgspec.json.decode(shared))[0]


class _Work:
    """What a trainer did in one process replicate, and what does it again."""

    def __init__(
        self, make: type[Trainer], recipe: Recipe, examples: Examples, weights: int, turns: Sequence[KeptTurn]
    ) -> None:
        self.make, self.recipe, self.examples, self.weights, self.turns = make, recipe, examples, weights, turns

    def places(self, seed: int) -> Iterator[int]:
        """Yield which turns are trained again one after the other."""
        yield from range(min(1, len(self.turns)))  # the first one has the first batches of the seed
        order = 1 + np.random.default_rng(seed).permutation(len(self.turns) - 1)
        yield from range(1, len(self.turns)) if has_state(self.recipe) else map(int, order)

    def start(self, place: int) -> Parameters:
        """Return the weights with which a turn began."""
        if place == 0:
            return initial_parameters(self.recipe)
        return read_weights(self.weights, self.turns[place - 1].slot, self.recipe)

    def result(self, place: int, straight: NamedArrays) -> NamedArrays:
        """Return the weights with which a turn ended, and the losses in it; where there are none, those of straight."""
        turn = self.turns[place]
        losses = np.array([np.nan if loss is None else loss for loss in turn.losses], np.float64)
        shown = ("loss of call", losses) if turn.losses else straight[-1]
        return [*name_arrays(read_weights(self.weights, turn.slot, self.recipe)), shown]

    def orders(self, place: int) -> list[Order]:
        """Return the examples of every piece of a turn."""
        return [order_of(piece, self.recipe, len(self.examples.x)) for piece in self.turns[place].pieces]

    def visited(self, place: int) -> int:
        """Return how many examples were visited before a turn, which decides the epoch."""
        pieces = [piece for turn in self.turns[:place] for piece in turn.pieces]
        return sum(examples_in(piece, self.recipe, len(self.examples.x)) for piece in pieces)

    def first_lost(self, place: int) -> int:
        """Return the turn in which the numbers were lost that another one began without; itself where it had them."""
        while place and not has_state(self.recipe) and not _is_finite(name_arrays(self.start(place))):
            place -= 1
        return place

    def tolerances(self, place: int, straight: NamedArrays, moved: Sequence[NamedArrays]) -> list[float]:
        """Return how far rounding may drive another implementation from the reference in a turn."""
        pieces, n_examples = self.turns[place].pieces, len(self.examples.x)
        steps = sum(piece.stop - piece.start for piece in pieces)
        batch = min(self.recipe.batch_size or n_examples, n_examples)
        tolerances = rounding_tolerances(straight, moved, steps, batch, self.recipe)
        mean_of = max(examples_in(piece, self.recipe, n_examples) for piece in pieces)
        tolerances[-1] += loss_rounding(self.recipe, mean_of) * float(abs(straight[-1][1]).max())
        return tolerances

    def explodes(self, place: int, straight: NamedArrays) -> bool:
        """Say whether weights or losses grow so much in a turn that rounding is all that is left of them."""
        before = max(float(abs(array).max()) for _, array in name_arrays(self.start(place)))
        after = max(float(abs(array).max()) for _, array in straight[:-1])
        losses = straight[-1][1]
        return after > EXPLOSION * before or float(losses.max()) > EXPLOSION * float(losses[0])

    def compare(self, place: int, straight: NamedArrays, tolerances: Sequence[float]) -> Agreement:
        """Compare what a turn came to with what the reference came to."""
        result = compare_arrays(self.result(place, straight), straight, tolerances)
        return Agreement(result.difference, result.tolerance, f"{result.where}, {self.turns[place].where}")


class _Check:
    """A reference, and others whose weights are moved by rounding; all keep the state of their optimizers."""

    def __init__(self, work: _Work, roundings: Sequence[int] = (), others: Sequence[type[Trainer]] = ()) -> None:
        self.work, self.roundings = work, (*roundings, *(1 for _ in others))
        self.straight = Reference(work.make, work.recipe, work.examples)
        makes = [*(work.make for _ in roundings), *others]
        self.moved = [Reference(make, work.recipe, work.examples) for make in makes]

    def turn(self, place: int) -> Agreement | None:
        """Compare one turn; ``None`` where training diverges in a reference, too."""
        place = self.work.first_lost(place)
        straight, moved = self.train(place)
        if not all(map(_is_finite, [straight, *moved])) or self.work.explodes(place, straight):
            return None
        return self.work.compare(place, straight, self.work.tolerances(place, straight, moved))

    def train(self, place: int) -> tuple[NamedArrays, list[NamedArrays]]:
        """Train one turn with the reference, and with those that are moved."""
        start, orders, recipe = self.work.start(place), self.work.orders(place), self.work.recipe
        straight = self.straight.train(start, orders)
        coarser = spacing_at_1(recipe) / float(np.finfo(recipe.dtype).eps)
        moved = [
            reference.train(moved_by_rounding(start, 1000 * place + number, coarser * roundings), orders)
            for number, (reference, roundings) in enumerate(zip(self.moved, self.roundings, strict=True))
        ]
        return straight, moved


def _does(make: type[Trainer], recipe: Recipe) -> bool:
    try:
        make(recipe, initial_parameters(recipe))
    except UnsupportedRecipe:
        return False
    return True


class _SecondLook:
    """Compares turns in which something seems to be wrong once more; no alarm is given without that.

    How far rounding drives training apart is seen from references that are moved by it, and from others, which add up
    in another order. Where units have a kink, rounding may put one example on the other side of it, which is less than
    to take another example for it. And a loss may be that of probabilities which are kept above the rounding of their
    type.
    """

    def __init__(self, work: _Work, others: Sequence[str]) -> None:
        self.work, self.others = work, others
        self.check: _Check | None = None
        self.done = 0
        """Turns that its references have trained; they keep the state of their optimizers."""

    def look(self, place: int) -> Agreement | None:
        """Compare a turn; ``None`` where training diverges in a reference, too."""
        work, state = self.work, has_state(self.work.recipe)
        if self.check is None:
            makes = [named_implementation(name).load() for name in self.others]
            self.check = _Check(work, ROUNDINGS, [make for make in makes if _does(make, work.recipe)])
        for before in range(self.done, place) if state else ():
            self.check.train(before)
        self.done, place = place + 1, work.first_lost(place)
        straight, moved = self.check.train(place)
        if not all(map(_is_finite, [straight, *moved])) or work.explodes(place, straight):
            return None
        tolerances = work.tolerances(place, straight, moved)
        if work.recipe.hidden_activation == "relu":
            others = [self._with_another_example(place, seed) for seed in range(KINK_RUNS)]
            tolerances = list(map(max, tolerances, (KINK_MARGIN * spread for spread in spreads(straight, others))))
        if work.recipe.loss == "cross_entropy" and not state:
            actual, (name, exact) = work.result(place, straight)[-1][1], straight[-1]
            clipped = clipped_losses(work.recipe, work.start(place), work.orders(place), work.examples)
            straight[-1] = name, np.where(abs(actual - clipped) < abs(actual - exact), clipped, exact)
        return work.compare(place, straight, tolerances)

    def _with_another_example(self, place: int, seed: int) -> NamedArrays:
        """Train a turn with the example before it in place of one.

        A new optimizer does for how much that changes, but its learning rate must be that of the epoch.
        """
        orders = self.work.orders(place)
        rng = np.random.default_rng(seed)
        order = orders[rng.integers(len(orders))]
        at = rng.integers(len(order))
        order[at] = order[at - 1]
        reference = Reference(self.work.make, self.work.recipe, self.work.examples)
        reference.trainer.n_visited = self.work.visited(place)  # type: ignore[attr-defined]
        return reference.train(self.work.start(place), orders)


KINK_RUNS, KINK_MARGIN = 8, 4.0
"""References that take another example at one place, and how much more than that a kink may do.

A kink drives trainings apart at random. If the differences are normal, one in 7,000 is larger than four times the
largest of eight others. With twice the largest of four it would be one in 26.
"""


def clipped_losses(
    recipe: Recipe, start: Parameters, orders: Sequence[Order], examples: Examples
) -> npt.NDArray[np.float64]:
    """Return the cross-entropy of every order where no probability counts as less than the spacing of numbers at 1."""
    trainer, least = NumpyTrainer(recipe, start), float(np.finfo(recipe.dtype).eps)
    losses = []
    for order in orders:
        size, total = recipe.batch_size or len(order), 0.0
        for at in range(0, len(order), size):
            batch = order[at : at + size]
            forward, t = trainer.forward(examples.x[batch]), examples.t[batch]
            y = np.clip(forward.y[-1].astype(np.float64), least, 1 - least)
            total -= float((t * np.log(y)).sum())
            if recipe.output_activation == "sigmoid":
                total -= float(((1 - t) * np.log(1 - y)).sum())
            trainer.update(trainer.backward(forward, t))
        losses.append(total / len(order))
    return np.array(losses)


def _is_finite(arrays: NamedArrays) -> bool:
    return all(bool(np.isfinite(array).all()) for _, array in arrays)
