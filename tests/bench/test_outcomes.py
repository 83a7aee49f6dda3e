"""What networks get wrong, worked out on paper."""

import math

import numpy as np
import pytest

from backprop_bench.bench.core.network import TrainedNetwork
from backprop_bench.bench.predictions.analysis import (
    Confusion,
    class_rates,
    confusion_matrix,
    find_disagreement,
    image_side,
    mcnemar_p,
    most_confident_disagreements,
    most_confident_errors,
    strongest_units,
    wilson_interval,
    worst_confusions,
)
from backprop_bench.data import Layer

LABELS = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 2])
FIRST = np.array([0, 0, 1, 1, 1, 1, 2, 2, 0, 1])
SECOND = np.array([0, 0, 1, 1, 1, 2, 2, 2, 2, 0])
MATRIX = np.array([[2, 1, 0], [0, 3, 0], [1, 1, 2]])
"""Of FIRST: one 0 taken for 1; one 2 taken for 0, and one for 1."""


def network(predicted: np.ndarray, confidence: list[float] | None = None) -> TrainedNetwork:
    layers = (
        Layer(np.zeros((4, 3), np.float32), None),
        Layer(np.array([[0, 3], [1, 0], [-4, 3]], np.float32), np.zeros(2, np.float32)),
    )
    shares = np.array(confidence or len(predicted) * [0.5], np.float32)
    return TrainedNetwork("q", "x", 0, 1, layers, predicted, shares, (0.0, 1.0), "sigmoid", "softmax")


def test_a_confusion_matrix_counts_the_truth_by_row_and_what_was_said_by_column() -> None:
    result = confusion_matrix(LABELS, FIRST, 3)
    assert result.dtype == np.int64
    assert (result == MATRIX).all()
    assert confusion_matrix(LABELS, FIRST, 5).sum() == 10, "classes without an example are rows and columns of zeros"


def test_recall_is_of_the_examples_of_a_class_and_precision_of_those_said_to_be_of_it() -> None:
    zero, one, two = class_rates(MATRIX)
    assert [(rate.n_examples, rate.n_predicted) for rate in (zero, one, two)] == [(3, 3), (3, 5), (4, 2)]
    assert [rate.recall.estimate for rate in (zero, one, two)] == [2 / 3, 1, 1 / 2]
    assert [rate.precision.estimate for rate in (zero, one, two)] == [2 / 3, 3 / 5, 1]


def test_a_class_of_which_there_are_none_has_no_recall_and_no_precision() -> None:
    rate = class_rates(np.array([[2, 0], [0, 0]]))[1]
    assert (rate.n_examples, rate.n_predicted) == (0, 0)
    assert math.isnan(rate.recall.estimate)
    assert math.isnan(rate.precision.low)


def test_the_wilson_interval_of_eight_of_ten_is_that_of_the_formula() -> None:
    # z² = 3.8415; centre (0.8 + 0.19207) / 1.38415 = 0.71674; half 1.95996 / 1.38415 · √(0.016 + 0.0096037) = 0.22658
    result = wilson_interval(8, 10)
    assert (result.estimate, result.n) == (0.8, 10)
    assert result.low == pytest.approx(0.49016, abs=1e-5)
    assert result.high == pytest.approx(0.94332, abs=1e-5)


@pytest.mark.parametrize(("right", "n"), [(0, 7), (7, 7), (1, 1), (980, 1032), (3, 10_000)])
def test_the_wilson_interval_stays_between_none_and_all(right: int, n: int) -> None:
    result = wilson_interval(right, n)
    assert 0 <= result.low <= right / n <= result.high <= 1


def test_the_worst_confusion_is_first_and_what_is_right_is_none() -> None:
    matrix = np.array([[900, 2, 0], [7, 900, 2], [0, 1, 900]])
    assert worst_confusions(matrix, 3) == [Confusion(1, 0, 7), Confusion(0, 1, 2), Confusion(1, 2, 2)]
    assert worst_confusions(np.diag([5, 5, 5]), 3) == []


def test_a_disagreement_says_where_and_who_is_right() -> None:
    result = find_disagreement(LABELS, network(FIRST), network(SECOND))
    assert result.examples.tolist() == [5, 8, 9]
    assert (result.first.tolist(), result.second.tolist(), result.labels.tolist()) == ([1, 0, 1], [2, 2, 0], [1, 2, 2])
    assert (result.n_first_right, result.n_second_right, result.n_neither, result.n_examples) == (1, 1, 1, 10)
    assert result.p_value == 1


def test_networks_with_the_same_predictions_disagree_nowhere() -> None:
    result = find_disagreement(LABELS, network(FIRST), network(FIRST))
    assert len(result.examples) == result.n_first_right == result.n_second_right == result.n_neither == 0
    assert result.p_value == 1


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (0, 0, 1.0),
        (1, 0, 1.0),  # 2 · 1/2
        (0, 5, 2 / 32),
        (1, 9, 2 * (1 + 10) / 1024),
        (9, 1, 2 * (1 + 10) / 1024),
        (5, 5, 1.0),  # twice the lower half would be more than 1
    ],
)
def test_mcnemars_p_is_twice_the_binomial_tail(first: int, second: int, expected: float) -> None:
    assert mcnemar_p(first, second) == pytest.approx(expected)


def test_mcnemars_p_of_many_examples_is_no_overflow() -> None:
    assert 0 < mcnemar_p(400, 600) < 1e-9
    assert mcnemar_p(0, 10_000) == 0


def test_the_most_confident_errors_come_first_and_equal_ones_by_number() -> None:
    confidence = [0.99, 0.9, 0.7, 0.9, 0.9, 0.9, 0.9, 0.9, 0.8, 0.8]
    assert most_confident_errors(LABELS, network(FIRST, confidence), 5).tolist() == [8, 9, 2]
    assert most_confident_errors(LABELS, network(FIRST, confidence), 1).tolist() == [8]
    assert most_confident_errors(LABELS, network(LABELS, confidence), 5).tolist() == []


def test_the_most_confident_disagreements_come_first() -> None:
    first = network(FIRST, [0.5, 0.5, 0.5, 0.5, 0.5, 0.6, 0.5, 0.5, 0.9, 0.7])
    result = find_disagreement(LABELS, first, network(SECOND))
    assert most_confident_disagreements(result, first, network(SECOND), 2, alike=1).tolist() == [1, 2]


def test_of_disagreements_that_are_alike_no_more_are_shown_than_asked_for() -> None:
    labels, predicted = np.array([4, 4, 4, 4, 7]), np.array([9, 9, 9, 9, 1])
    first, second = network(labels, [0.6, 0.9, 0.8, 0.7, 0.5]), network(predicted, 5 * [0.5])
    result = find_disagreement(labels, first, second)
    assert most_confident_disagreements(result, first, second, 24, alike=2).tolist() == [1, 2, 4]


def test_the_strongest_units_are_those_with_the_largest_weights_onwards() -> None:
    assert strongest_units(network(FIRST), 2).tolist() == [0, 2], "norms 3, 1 and 5"
    assert strongest_units(network(FIRST), 9).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("inputs", "side"), [(784, 28), (16, 4), (4, 2), (1, None), (2, None), (783, None), (600, None)]
)
def test_a_square_number_of_inputs_is_an_image(inputs: int, side: int | None) -> None:
    assert image_side(inputs) == side
