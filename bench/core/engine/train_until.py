"""A training until an accuracy is reached: the worker trains and is timed, whoever asked counts what is right."""

import dataclasses
import itertools

from backprop_bench.bench.core.records.kinds import TrainingCurve
from backprop_bench.bench.core.worker.batches import KeptTurn, Piece, n_batches, plain_pieces
from backprop_bench.bench.core.worker.client import Worker
from backprop_bench.bench.core.worker.replies import Evaluated, Ran
from backprop_bench.bench.core.worker.shared_data import SharedExamples
from backprop_bench.bench.core.worker.weights import WeightsFile
from backprop_bench.data import Recipe


@dataclasses.dataclass(frozen=True)
class TrainedUntil:
    """A training with its accuracy on the way, and whether it reached its target."""

    curve: TrainingCurve
    """Epochs, cumulative training time and accuracy after every piece."""
    reached: bool
    turns: tuple[KeptTurn, ...] = ()
    """What can be verified of it, where weights were kept."""


def train_until(
    worker: Worker,
    recipe: Recipe,
    n_examples: int,
    examples: SharedExamples,
    target: float,
    epochs: int,
    pieces: int,
    weights: WeightsFile | None = None,
) -> TrainedUntil:
    """Train until the accuracy on the test examples reaches a target, or for so many epochs.

    Parameters
    ----------
    worker
        That has begun with the recipe.
    n_examples
        That it trains on.
    examples
        What it was opened with, and the labels of the test.
    pieces
        The accuracy is computed so many times an epoch, between batches; that is not in the time.
    weights
        Where the weights are kept after every piece, as long as there is room, and not in the time, either; ``None``
        where nobody compares them.
    """
    whole = n_batches(recipe, n_examples)
    ends = [whole * (piece + 1) // pieces for piece in range(pieces)]
    curve: list[tuple[float, float, float]] = []
    turns: list[KeptTurn] = []
    wall_s = 0.0
    for epoch, (start, end) in itertools.product(range(epochs), itertools.pairwise([0, *ends])):
        if start == end:
            continue
        piece = Piece(start, end, None, epoch)
        keeps = weights is not None and len(turns) < weights.slots
        ran = worker.ask("run", Ran, pieces=plain_pieces([piece]), slot=len(turns) if keeps else None)
        if keeps:
            turns.append(KeptTurn((piece,), ran.losses, len(turns), f"epoch {epoch + 1}"))
        wall_s += ran.wall_s
        accuracy = examples.accuracy(worker.ask("evaluate", Evaluated).classes)
        curve.append((epoch + end / whole, wall_s, accuracy))
        if accuracy >= target:
            return TrainedUntil(tuple(curve), reached=True, turns=tuple(turns))
    return TrainedUntil(tuple(curve), reached=False, turns=tuple(turns))
