"""What ``curves`` trains: three comparisons, each of recipes that are evaluated between weight updates."""

import itertools
import math
from collections.abc import Sequence

from backprop_bench.bench.core.engine.plan import BLOCK_S, Extent, make_question
from backprop_bench.bench.core.implementations import named_implementation
from backprop_bench.bench.core.records.plan import Entry, Plan, Question, Timing
from backprop_bench.bench.core.worker.batches import Piece
from backprop_bench.bench.curves.analysis import BATCHES, HAND_WRITTEN, LOSSES, NETWORKS, PYTORCH
from backprop_bench.data import ARTICLE_SCRATCH, ARTICLE_TORCH, Dataset, Recipe, fit_recipe

ENGINES = ("scratch-compiled", "scratch-numpy")
"""Implementations that train, the fastest first: all that are verified learn the same."""
OF_PYTORCH = "torch-eager"
"""What trains the article's PyTorch network."""
BATCH_SIZES = (1, 8, 64, 512)
BATCH_RATE = 0.1
"""Learning rate of all batch sizes, that of the hand-written network."""
PER_DECADE = 15
"""Evaluations from an update to the one that is ten times as far."""
VERIFICATION_STEPS = 20


def plan_curves(dataset: Dataset, examples: int | None, epochs: int, seeds: int) -> Plan:
    """Plan what ``curves`` does: a question per comparison, with an entry per recipe.

    Parameters
    ----------
    examples
        Training examples; ``None`` for all.
    epochs, seeds
        Of every recipe.
    """
    engine = next(name for name in ENGINES if named_implementation(name).unavailable() is None)
    extent, nothing = Extent(examples, epochs, seeds, 0.0), Timing(1.0, 1.0, BLOCK_S, 1, 1, 0)

    def question(name: str, title: str, recipes: dict[str, Recipe]) -> Question:
        entries = [
            Entry(OF_PYTORCH if label == PYTORCH else engine, label, fit_recipe(recipe, dataset), alias=label)
            for label, recipe in recipes.items()
        ]
        return make_question(name, title, dataset, extent, entries, nothing)

    of_loss = ARTICLE_TORCH.replace(output_activation="sigmoid")
    questions = (
        question(NETWORKS, "The article's two networks", {HAND_WRITTEN: ARTICLE_SCRATCH, PYTORCH: ARTICLE_TORCH}),
        question(
            LOSSES,
            "Cross-entropy and squared error, all else equal",
            {"cross-entropy": of_loss, "squared error": of_loss.replace(loss="squared_error")},
        ),
        question(
            BATCHES,
            "Batch sizes, all else equal",
            {f"batch {size}": ARTICLE_TORCH.replace(batch_size=size, learning_rate=BATCH_RATE) for size in BATCH_SIZES},
        ),
    )
    return Plan(questions, part_blocks=0, part_seconds=0.0, verification_steps=VERIFICATION_STEPS)


def evaluated_updates(batches: int, epochs: int) -> list[int]:
    """Return after which weight updates accuracy is evaluated: evenly on a logarithmic axis, and after each epoch.

    Parameters
    ----------
    batches
        Of an epoch.
    """
    last = batches * epochs
    n = math.ceil(PER_DECADE * math.log10(last))
    spaced = {round(10 ** (number / PER_DECADE)) for number in range(n)}
    return sorted({update for update in spaced if update <= last} | {batches * (epoch + 1) for epoch in range(epochs)})


def pieces_between(updates: Sequence[int], batches: int) -> list[list[Piece]]:
    """Return for each number of updates what is trained from the one before it to there: a piece per epoch."""
    return [
        [
            Piece(max(before - epoch * batches, 0), min(after - epoch * batches, batches), epoch=epoch)
            for epoch in range(before // batches, (after - 1) // batches + 1)
        ]
        for before, after in itertools.pairwise([0, *updates])
    ]
