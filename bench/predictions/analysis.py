"""What trained networks get wrong: which classes, where two differ, and of what they were surest. Pure functions."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from backprop_bench.bench.core.network import Classes, TrainedNetwork
from backprop_bench.bench.core.stats.intervals import LEVEL, Interval


@dataclass(frozen=True)
class ClassRate:
    """How a network does on one class.

    Attributes
    ----------
    n_examples, n_said
        Examples of this class, and examples that were said to be of it.
    recall
        Share of the examples of the class that were said to be of it, with Wilson's interval.
    precision
        Share of those said to be of the class that are of it, with Wilson's interval.
    """

    n_examples: int
    n_said: int
    recall: Interval
    precision: Interval


@dataclass(frozen=True, eq=False)
class Disagreement:
    """Where two networks say different classes.

    Attributes
    ----------
    examples
        Numbers of these test examples, int64 [K], rising.
    first, second
        What either says of them, int64 [K].
    labels
        What is right, int64 [K].
    n_examples
        Test examples in all.
    """

    examples: Classes
    first: Classes
    second: Classes
    labels: Classes
    n_examples: int

    @property
    def n_first_right(self) -> int:
        """In how many of them the first is right, and so the second is wrong."""
        return int((self.first == self.labels).sum())

    @property
    def n_second_right(self) -> int:
        """In how many of them the second is right, and so the first is wrong."""
        return int((self.second == self.labels).sum())

    @property
    def n_neither(self) -> int:
        """In how many of them both are wrong, each in its own way."""
        return len(self.examples) - self.n_first_right - self.n_second_right

    @property
    def p_value(self) -> float:
        """Of McNemar's exact test that both are right equally often: see :func:`mcnemar_p`."""
        return mcnemar_p(self.n_first_right, self.n_second_right)


@dataclass(frozen=True)
class Confusion:
    """How many examples of one class were taken for another."""

    label: int
    said: int
    n: int


def confusion_matrix(labels: Classes, predicted: Classes, n_classes: int) -> npt.NDArray[np.int64]:
    """Return how many examples of class i (row) were said to be of class j (column), int64 [C, C]."""
    counted = np.bincount(labels * n_classes + predicted, minlength=n_classes * n_classes)
    return counted.reshape(n_classes, n_classes).astype(np.int64)


def wilson_interval(n_right: int, n: int) -> Interval:
    """Return a share with Wilson's score interval, which stays within [0, 1] also where all or none are right.

    E. B. Wilson, *Probable inference, the law of succession, and statistical inference*, JASA 1927.
    """
    if n == 0:
        return Interval(np.nan, np.nan, np.nan, 0)
    z = float(special.ndtri((1 + LEVEL) / 2))
    share = n_right / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * float(np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)))
    low = 0.0 if n_right == 0 else centre - half  # exactly: rounding may leave either a little off its end
    high = 1.0 if n_right == n else centre + half
    return Interval(share, low, high, n)


def class_rates(matrix: npt.NDArray[np.int64]) -> list[ClassRate]:
    """Return recall and precision of every class from a confusion matrix [C, C]."""
    n_examples, n_said, n_right = matrix.sum(axis=1), matrix.sum(axis=0), matrix.diagonal()
    return [
        ClassRate(n, said, wilson_interval(right, n), wilson_interval(right, said))
        for n, said, right in zip(n_examples.tolist(), n_said.tolist(), n_right.tolist(), strict=True)
    ]


def worst_confusions(matrix: npt.NDArray[np.int64], most: int) -> list[Confusion]:
    """Return the most frequent confusions, the worst first; of equal ones that of the lower class first."""
    errors = matrix - np.diag(matrix.diagonal())
    flat = errors.ravel()
    worst = np.argsort(-flat, kind="stable")[:most]
    return [
        Confusion(int(place) // len(matrix), int(place) % len(matrix), int(flat[place]))
        for place in worst
        if flat[place]
    ]


def disagreement(labels: Classes, first: TrainedNetwork, second: TrainedNetwork) -> Disagreement:
    """Return where two networks say different classes."""
    examples = np.flatnonzero(first.predicted != second.predicted).astype(np.int64)
    return Disagreement(examples, first.predicted[examples], second.predicted[examples], labels[examples], len(labels))


def mcnemar_p(n_first: int, n_second: int) -> float:
    """Return the two-sided p of McNemar's exact test.

    Of the examples in which just one of two networks is right, each is right in half if neither is the better: the
    smaller number is binomial. Q. McNemar, *Note on the sampling error of the difference between correlated
    proportions*, Psychometrika 1947. Examples that both get right, or both wrong, say nothing.

    Parameters
    ----------
    n_first, n_second
        Examples in which the first alone is right, and in which the second alone is.
    """
    return min(1.0, 2 * float(special.bdtr(min(n_first, n_second), n_first + n_second, 0.5)))


def surest_disagreements(
    found: Disagreement, first: TrainedNetwork, second: TrainedNetwork, most: int, alike: int
) -> Classes:
    """Return places among the disagreements, those first in which both are the surest together.

    Parameters
    ----------
    most
        In all.
    alike
        Of the same class of which the same two are said, at most: else one confusion may fill all the room.
    """
    sure = first.confidence[found.examples].astype(np.float64) + second.confidence[found.examples]
    seen: Counter[tuple[int, ...]] = Counter()
    chosen = []
    for place in np.argsort(-sure, kind="stable").tolist():
        kind = (int(found.labels[place]), int(found.first[place]), int(found.second[place]))
        seen[kind] += 1
        if seen[kind] <= alike:
            chosen.append(place)
    return np.array(chosen[:most], np.int64)


def confidently_wrong(labels: Classes, network: TrainedNetwork, most: int) -> Classes:
    """Return numbers of the examples that a network gets wrong, those first of which it is the surest."""
    wrong = np.flatnonzero(network.predicted != labels)
    return wrong[np.argsort(-network.confidence[wrong], kind="stable")][:most].astype(np.int64)


def strongest_units(network: TrainedNetwork, most: int) -> Classes:
    """Return numbers of the first hidden units whose weights onwards are the largest, in rising order.

    A network of one layer has none: its outputs are returned.
    """
    n_units = network.layers[0].weight.shape[1]
    onwards = np.linalg.norm(network.layers[1].weight, axis=1) if len(network.layers) > 1 else np.ones(n_units)
    return np.sort(np.argsort(-onwards, kind="stable")[:most]).astype(np.int64)


def image_side(n_inputs: int) -> int | None:
    """Return the side of the square image that so many inputs make up; ``None`` where they make up none.

    Datasets hold no shape, so a number of inputs that is a square is taken for a square image, row by row, from
    whatever file it comes; 4 inputs, 2 by 2, are the fewest.
    """
    side = round(n_inputs**0.5)
    return side if side > 1 and side * side == n_inputs else None
