"""Trials: a small task of 1986 from one seed, by both versions epoch by epoch, until it is solved."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from backprop_bench.bench.core.implementations import named_implementation
from backprop_bench.bench.core.records.kinds import LearningCurve, Weights
from backprop_bench.bench.core.stats.tolerances import name_arrays
from backprop_bench.bench.core.worker.replies import Reply
from backprop_bench.bench.historical.analysis import LEARNED
from backprop_bench.data import (
    Examples,
    ExtendedRecipe,
    InputError,
    Parameters,
    Patterns,
    Recipe,
    Trainer,
    batch_order,
    initial_parameters,
    load_patterns,
)

VERSIONS = ("scratch-numpy", "torch-eager")
"""The NumPy version, which always trains, and the PyTorch version, which is compared with it."""
CLOSE = (0.2, 0.8)
"""An output that is to be off or on is close to its target below or above these, as the paper has it for the trees."""
HALF = 0.5
POINTS_PER_DECADE = 12
"""Of the learning curve, over the epochs."""

Bools = npt.NDArray[np.bool_]


def checkpoints(epochs: int) -> list[int]:
    """Return the epochs, counted from 1, at which the learning curve has a point: equally far on a log axis."""
    n_points = 1 + int(POINTS_PER_DECADE * np.log10(max(1, epochs)))
    return sorted({*np.geomspace(1, epochs, max(2, n_points)).round().astype(int).tolist(), epochs})


def split(patterns: Patterns, n_held_out: int, seed: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the examples that are trained, and those that are held out, which are drawn anew for every seed."""
    order = np.random.default_rng([seed, n_held_out]).permutation(len(patterns.inputs))
    return np.sort(order[n_held_out:]), np.sort(order[:n_held_out])


def is_right(outputs: npt.NDArray[np.floating], targets: npt.NDArray[np.uint8], low: float, high: float) -> Bools:
    """Say of which examples all outputs [N, C] that are to be on are above `high`, and all others below `low`."""
    on_its_side: Bools = np.where(targets == 1, outputs > high, outputs < low)
    return np.asarray(on_its_side.all(axis=1), np.bool_)


def distance(a: Parameters, b: Parameters) -> float:
    """Return the largest difference of two weights, relative to the largest weight of the same array."""
    pairs = zip(name_arrays(a), name_arrays(b), strict=True)
    return max(
        float(abs(x - y).max()) / max(float(abs(y).max()), np.finfo(np.float64).tiny) for (_, x), (_, y) in pairs
    )


class TrialOutcome(Reply, frozen=True, kw_only=True):
    """What comes of a trial.

    Attributes
    ----------
    solved, close
        By implementation, after how many epochs all outputs for the trained examples were on the right side of ½, and
        close to their targets; ``None`` for never.
    curve
        Epoch, mean loss, share of the trained examples that are right, that are close, the same two of those held out,
        of the first implementation.
    distance
        The largest of :func:`distance` at the points of the curve; ``None`` for one alone.
    weights
        Those at the end, where they are kept.
    """

    solved: dict[str, int | None]
    close: dict[str, int | None]
    curve: LearningCurve
    distance: float | None
    weights: Weights | None


@dataclasses.dataclass
class _Running:
    """A version in training, and the epochs after which its trained examples were first all right, and all close."""

    trainer: Trainer
    solved: int | None = None
    close: int | None = None

    def train_epoch(self, examples: Examples, targets: npt.NDArray[np.uint8], recipe: Recipe, number: int) -> float:
        """Train once over the examples [N]; epochs are counted from 1."""
        loss = self.trainer.train_epoch(examples.x, examples.t, batch_order(recipe, len(examples.x), number - 1))
        if self.solved is None or self.close is None:
            outputs = self.trainer.predict(examples.x)
            if self.solved is None and is_right(outputs, targets, HALF, HALF).all():
                self.solved = number
            if self.close is None and is_right(outputs, targets, *CLOSE).all():
                self.close = number
        return loss


def run_trial(
    name: str, recipe: Recipe, n_held_out: int, versions: Sequence[str], stops: bool, keeps: bool
) -> TrialOutcome:
    """Train a task from the seed of the recipe, for as many epochs as that has.

    Parameters
    ----------
    name
        Of the patterns, as :func:`data.load_patterns` takes it.
    n_held_out
        Examples that are not trained.
    versions
        Implementations that train side by side, epoch by epoch.
    stops
        Whether training ends as soon as all trained examples are right for all of them.
    keeps
        Whether the weights of the first one at the end come back even where few of the trained examples are right.
    """
    patterns = load_patterns(name)
    trained, held_out = split(patterns, n_held_out, recipe.seed)
    every = patterns.examples(recipe)
    examples = Examples(every.x[trained], every.t[trained], every.y[trained])
    targets = patterns.targets[trained]
    parameters = initial_parameters(recipe)
    running = {name: _Running(named_implementation(name).load()(recipe, parameters)) for name in versions}
    first, *others = running.values()
    curve: list[Any] = []
    apart: list[float] = []
    shown = set(checkpoints(recipe.epochs))
    for number in range(1, recipe.epochs + 1):
        loss, *_ = [version.train_epoch(examples, targets, recipe, number) for version in running.values()]
        is_over = stops and all(version.solved is not None for version in running.values())
        if number in shown or is_over:
            apart += [distance(other.trainer.parameters(), first.trainer.parameters()) for other in others]
            outputs = first.trainer.predict(every.x)
            shares = [
                _share(outputs[part], patterns.targets[part], edges)
                for part in (trained, held_out)
                for edges in ((HALF, HALF), CLOSE)
            ]
            curve.append((number, loss, *shares))
        if is_over:
            break
    kept = keeps or _learned(curve)
    return TrialOutcome(
        solved={name: version.solved for name, version in running.items()},
        close={name: version.close for name, version in running.items()},
        curve=tuple(curve),
        distance=max(apart) if apart else None,
        weights=tuple(_plain(array) for _, array in name_arrays(first.trainer.parameters())) if kept else None,
    )


def train_in_stretches(
    trainer: Trainer, make_other: type[Trainer], recipe: Recipe, examples: Examples, epoch: int, batches: int
) -> float:
    """Train an epoch, counted from 1, beside another version that restarts from the same weights every so many batches.

    So a recipe that amplifies rounding error has no time to do so, and every step of the training is compared.

    Returns
    -------
    float
        Of all stretches the largest of :func:`distance` at the end, and of the relative differences of their losses.

    Raises
    ------
    InputError
        For a recipe whose updates depend on more than weights and gradient, which are lost by a restart.
    """
    if recipe.optimizer != "sgd" or ExtendedRecipe.of(recipe).changes_rates:
        raise InputError(
            "only plain gradient descent can be restarted within an epoch; expected optimizer sgd and constant rates"
        )
    order = batch_order(recipe, len(examples.x), epoch - 1)
    size = batches * (recipe.batch_size or len(order))
    apart: list[float] = []
    for begin in range(0, len(order), size):
        other = make_other(recipe, trainer.parameters())
        actual, expected = (
            one.train_epoch(examples.x, examples.t, order[begin : begin + size]) for one in (other, trainer)
        )
        apart += [distance(other.parameters(), trainer.parameters()), abs(actual - expected) / abs(expected)]
    return float(np.max(apart))


def _learned(curve: Sequence[Any]) -> bool:
    """Say whether 95 % of the trained examples are right at the end, and some are held out."""
    right, held_out = curve[-1][2], curve[-1][4]
    return held_out is not None and right is not None and right >= LEARNED


def _plain(array: npt.NDArray[np.floating]) -> tuple[Any, ...]:
    return tuple(array.tolist())


def _share(
    outputs: npt.NDArray[np.floating], targets: npt.NDArray[np.uint8], edges: tuple[float, float]
) -> float | None:
    return float(is_right(outputs, targets, *edges).mean()) if len(outputs) else None
