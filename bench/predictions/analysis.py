"""Predictions of trained networks: errors by class, disagreements, most confident errors. Pure functions."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from backprop_bench.bench.core.network import Classes, TrainedNetwork
from backprop_bench.bench.core.stats.intervals import LEVEL, Interval


@dataclass(frozen=True)
class ClassRate:
    """Recall and precision of a network on one class.

    Attributes
    ----------
    n_examples, n_predicted
        Examples with this true label, and examples with this predicted label.
    recall
        Share of the examples with this true label that are predicted right, with its Wilson 95 % CI.
    precision
        Share of the examples with this predicted label that are right, with its Wilson 95 % CI.
    """

    n_examples: int
    n_predicted: int
    recall: Interval
    precision: Interval


@dataclass(frozen=True, eq=False)
class Disagreement:
    """Where two networks predict different classes.

    Attributes
    ----------
    examples
        Numbers of these test examples, int64 [K], rising.
    first, second
        Their predicted labels by either network, int64 [K].
    labels
        Their true labels, int64 [K].
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
        """Number of them in which the first is right, and so the second is wrong."""
        return int((self.first == self.labels).sum())

    @property
    def n_second_right(self) -> int:
        """Number of them in which the second is right, and so the first is wrong."""
        return int((self.second == self.labels).sum())

    @property
    def n_neither(self) -> int:
        """Number of them in which both are wrong, each in its own way."""
        return len(self.examples) - self.n_first_right - self.n_second_right

    @property
    def p_value(self) -> float:
        """P of McNemar's exact test that both are right equally often: see :func:`mcnemar_p`."""
        return mcnemar_p(self.n_first_right, self.n_second_right)


@dataclass(frozen=True)
class Confusion:
    """Number of examples with one true label and another predicted label."""

    label: int
    predicted: int
    n: int


def confusion_matrix(labels: Classes, predicted: Classes, n_classes: int) -> npt.NDArray[np.int64]:
    """Return the number of examples by true label (row) and predicted label (column), int64 [C, C]."""
    counted = np.bincount(labels * n_classes + predicted, minlength=n_classes * n_classes)
    return counted.reshape(n_classes, n_classes).astype(np.int64)


def wilson_interval(n_right: int, n: int) -> Interval:
    """Return a share with its Wilson 95 % CI, which stays within [0, 1]; NaN of no examples."""
    if n == 0:
        return Interval(np.nan, np.nan, np.nan, 0)
    low, high = stats.binomtest(n_right, n).proportion_ci(LEVEL, method="wilson")
    return Interval(n_right / n, float(low), float(high), n)


def class_rates(matrix: npt.NDArray[np.int64]) -> list[ClassRate]:
    """Return recall and precision of every class from a confusion matrix [C, C]."""
    n_examples, n_predicted, n_right = matrix.sum(axis=1), matrix.sum(axis=0), matrix.diagonal()
    return [
        ClassRate(n, predicted, wilson_interval(right, n), wilson_interval(right, predicted))
        for n, predicted, right in zip(n_examples.tolist(), n_predicted.tolist(), n_right.tolist(), strict=True)
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


def find_disagreement(labels: Classes, first: TrainedNetwork, second: TrainedNetwork) -> Disagreement:
    """Return where two networks predict different classes."""
    examples = np.flatnonzero(first.predicted != second.predicted).astype(np.int64)
    return Disagreement(examples, first.predicted[examples], second.predicted[examples], labels[examples], len(labels))


def mcnemar_p(n_first: int, n_second: int) -> float:
    """Return the two-sided p of McNemar's exact test.

    Only examples count in which just one of two networks is right. If neither is better, each is right in half of them:
    the numbers are binomial. Q. McNemar, *Note on the sampling error of the difference between correlated proportions*,
    Psychometrika 1947.

    Parameters
    ----------
    n_first, n_second
        Examples in which the first alone is right, and in which the second alone is.
    """
    n = n_first + n_second
    return float(stats.binomtest(n_first, n).pvalue) if n else 1.0


def most_confident_disagreements(
    disagreement: Disagreement, first: TrainedNetwork, second: TrainedNetwork, most: int, alike: int
) -> Classes:
    """Return indices of the disagreements with the largest sum of both confidences, the largest first.

    Parameters
    ----------
    most
        Number of indices, at most.
    alike
        Number with the same true label and the same two predicted labels, at most.
    """
    confidence = first.confidence[disagreement.examples].astype(np.float64)
    confidence += second.confidence[disagreement.examples]
    seen: Counter[tuple[int, ...]] = Counter()
    selected = []
    for place in np.argsort(-confidence, kind="stable").tolist():
        kind = (int(disagreement.labels[place]), int(disagreement.first[place]), int(disagreement.second[place]))
        seen[kind] += 1
        if seen[kind] <= alike:
            selected.append(place)
    return np.array(selected[:most], np.int64)


def most_confident_errors(labels: Classes, network: TrainedNetwork, most: int) -> Classes:
    """Return numbers of the examples that a network gets wrong, the most confident error first."""
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
