"""What one sees while networks learn: from evaluations to curves, and where they reach an accuracy. Pure functions."""

import dataclasses
import math
from collections.abc import Sequence

from backprop_bench.bench.core.records.kinds import AnyRecord, Curve
from backprop_bench.bench.core.records.plan import Description, Entry, Question
from backprop_bench.bench.core.records.reader import of_kind
from backprop_bench.bench.core.stats.intervals import Interval, mean_interval

NETWORKS, LOSSES, BATCHES = "networks", "losses", "batches"
"""The comparisons."""
HAND_WRITTEN, PYTORCH = "hand-written", "PyTorch"
"""Labels of the article's two networks."""
TARGETS = (0.8, 0.7, 0.6, 0.5)
"""Test accuracies of which the highest that all curves of a comparison reach is compared: they differ at the start."""
SAMPLE = 1000
"""Training examples at most, the first ones, whose error is compared with what is left of it in dE/dz."""


@dataclasses.dataclass(frozen=True)
class Point:
    """An evaluation after so many weight updates.

    Attributes
    ----------
    updates, examples
        Weight updates so far, and training examples seen in them.
    accuracies
        Test accuracy by seed.
    error_share
        Σ |dE/dz| / Σ |y − t| over the outputs, its mean over the seeds; NaN where there is none.
    """

    updates: int
    examples: int
    accuracies: dict[int, float]
    error_share: float

    @property
    def accuracy(self) -> float:
        """Mean over the seeds."""
        return math.fsum(self.accuracies.values()) / len(self.accuracies)

    @property
    def spread(self) -> tuple[float, float]:
        """The lowest and the highest accuracy of a seed."""
        return min(self.accuracies.values()), max(self.accuracies.values())


@dataclasses.dataclass(frozen=True)
class Line:
    """The curve of one recipe, and what trained it."""

    label: str
    implementation: str
    batch_size: int
    learning_rate: float
    points: tuple[Point, ...]

    def reaches(self, accuracy: float) -> Point | None:
        """Return the first evaluation with at least this mean accuracy."""
        return next((point for point in self.points if point.accuracy >= accuracy), None)

    def after(self, examples: int) -> Point:
        """Return the evaluation after so many training examples; raises `LookupError` where there is none."""
        for point in self.points:
            if point.examples == examples:
                return point
        raise LookupError(f"{self.label} has no evaluation after {examples} examples")


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Curves of recipes that are trained from the same seeds.

    Attributes
    ----------
    examples, test_examples
        Of an epoch, and of an evaluation.
    """

    name: str
    title: str
    examples: int
    test_examples: int
    epochs: int
    layer_sizes: tuple[int, ...]
    lines: tuple[Line, ...]

    @property
    def target(self) -> float | None:
        """The highest of :data:`TARGETS` that all curves reach."""
        return next((target for target in TARGETS if all(line.reaches(target) for line in self.lines)), None)

    @property
    def seeds(self) -> int:
        """Of every curve, the fewest where some are missing."""
        return min(len(line.points[-1].accuracies) for line in self.lines)

    def difference(self, epoch: int) -> Interval:
        """Return the accuracy of the last curve minus that of the first after an epoch, paired by seed."""
        first, last = (line.after(epoch * self.examples).accuracies for line in (self.lines[0], self.lines[-1]))
        return mean_interval([last[seed] - first[seed] for seed in sorted(first.keys() & last.keys())])


def summarize_curves(description: Description, rows: Sequence[AnyRecord]) -> tuple[Comparison, ...]:
    """Return the comparisons of a run of which every recipe has a curve."""
    by_question = [(question, of_kind(rows, Curve, question=question.name)) for question in description.plan.questions]
    return tuple(
        Comparison(
            name=question.name,
            title=question.title,
            examples=question.examples,
            test_examples=question.test_examples,
            epochs=question.epochs,
            layer_sizes=question.entries[0].recipe.layer_sizes,
            lines=tuple(
                _line(question, entry, of_kind(curves, Curve, implementation=entry.label)) for entry in question.entries
            ),
        )
        for question, curves in by_question
        if {entry.label for entry in question.entries} == {row.implementation for row in curves}
    )


def _line(question: Question, entry: Entry, rows: Sequence[Curve]) -> Line:
    batch_size = min(entry.recipe.batch_size or question.examples, question.examples)
    curves = {row.seed: row.curve for row in sorted(rows, key=lambda row: row.seed)}
    points = []
    for number, (updates, *_) in enumerate(rows[0].curve):
        shares = [share for curve in curves.values() if (share := curve[number][2]) is not None]
        points.append(
            Point(
                updates=updates,
                examples=examples_seen(updates, batch_size, question.examples),
                accuracies={seed: curve[number][1] for seed, curve in curves.items()},
                error_share=math.fsum(shares) / len(shares) if shares else math.nan,
            )
        )
    return Line(entry.label, entry.implementation, batch_size, rows[0].learning_rate, tuple(points))


def examples_seen(updates: int, batch_size: int, n_examples: int) -> int:
    """Return how many training examples so many updates have seen: the last batch of an epoch may be short."""
    epochs, batches = divmod(updates, -(-n_examples // batch_size))
    return epochs * n_examples + batches * batch_size
