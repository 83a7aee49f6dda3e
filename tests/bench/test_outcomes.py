"""What networks get wrong, worked out by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from backprop_bench.bench.core.network import TrainedNetwork
from backprop_bench.bench.predictions.analysis import (
    Confusion,
    class_rates,
    confidently_wrong,
    confusion_matrix,
    disagreement,
    image_side,
    mcnemar_p,
    strongest_units,
    surest_disagreements,
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
    found = confusion_matrix(LABELS, FIRST, 3)
    assert found.dtype == np.int64
    assert (found == MATRIX).all()
    assert confusion_matrix(LABELS, FIRST, 5).sum() == 10, "classes without an example are rows and columns of zeros"


def test_recall_is_of_the_examples_of_a_class_and_precision_of_those_said_to_be_of_it() -> None:
    zero, one, two = class_rates(MATRIX)
    assert [(rate.n_examples, rate.n_said) for rate in (zero, one, two)] == [(3, 3), (3, 5), (4, 2)]
    assert [rate.recall.estimate for rate in (zero, one, two)] == [2 / 3, 1, 1 / 2]
    assert [rate.precision.estimate for rate in (zero, one, two)] == [2 / 3, 3 / 5, 1]


def test_a_class_of_which_there_are_none_has_no_recall_and_no_precision() -> None:
    rate = class_rates(np.array([[2, 0], [0, 0]]))[1]
    assert (rate.n_examples, rate.n_said) == (0, 0)
    assert math.isnan(rate.recall.estimate)
    assert math.isnan(rate.precision.low)


def test_wilsons_interval_of_eight_of_ten_is_that_of_the_formula() -> None:
    # z² = 3.8415; centre (0.8 + 0.19207) / 1.38415 = 0.71674; half 1.95996 / 1.38415 · √(0.016 + 0.0096037) = 0.22658
    found = wilson_interval(8, 10)
    assert (found.estimate, found.n) == (0.8, 10)
    assert found.low == pytest.approx(0.49016, abs=1e-5)
    assert found.high == pytest.approx(0.94332, abs=1e-5)


@pytest.mark.parametrize(("right", "n"), [(0, 7), (7, 7), (1, 1), (980, 1032), (3, 10_000)])
def test_wilsons_interval_is_that_of_scipy_and_stays_between_none_and_all(right: int, n: int) -> None:
    found, expected = wilson_interval(right, n), stats.binomtest(right, n).proportion_ci(0.95, "wilson")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert 0 <= found.low <= right / n <= found.high <= 1


def test_the_worst_confusion_is_first_and_what_is_right_is_none() -> None:
    matrix = np.array([[900, 2, 0], [7, 900, 2], [0, 1, 900]])
    assert worst_confusions(matrix, 3) == [Confusion(1, 0, 7), Confusion(0, 1, 2), Confusion(1, 2, 2)]
    assert worst_confusions(np.diag([5, 5, 5]), 3) == []


def test_a_disagreement_says_where_and_who_is_right() -> None:
    found = disagreement(LABELS, network(FIRST), network(SECOND))
    assert found.examples.tolist() == [5, 8, 9]
    assert (found.first.tolist(), found.second.tolist(), found.labels.tolist()) == ([1, 0, 1], [2, 2, 0], [1, 2, 2])
    assert (found.n_first_right, found.n_second_right, found.n_neither, found.n_examples) == (1, 1, 1, 10)
    assert found.p_value == 1


def test_networks_that_say_the_same_disagree_nowhere() -> None:
    found = disagreement(LABELS, network(FIRST), network(FIRST))
    assert len(found.examples) == found.n_first_right == found.n_second_right == found.n_neither == 0
    assert found.p_value == 1


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
    if first + second:
        assert mcnemar_p(first, second) == pytest.approx(stats.binomtest(first, first + second).pvalue)


def test_mcnemars_p_of_many_examples_is_no_overflow() -> None:
    assert 0 < mcnemar_p(400, 600) < 1e-9
    assert mcnemar_p(0, 10_000) == 0


def test_the_surest_mistakes_come_first_and_equal_ones_by_number() -> None:
    sure = [0.99, 0.9, 0.7, 0.9, 0.9, 0.9, 0.9, 0.9, 0.8, 0.8]
    assert confidently_wrong(LABELS, network(FIRST, sure), 5).tolist() == [8, 9, 2]
    assert confidently_wrong(LABELS, network(FIRST, sure), 1).tolist() == [8]
    assert confidently_wrong(LABELS, network(LABELS, sure), 5).tolist() == []


def test_disagreements_of_which_both_are_sure_come_first() -> None:
    first = network(FIRST, [0.5, 0.5, 0.5, 0.5, 0.5, 0.6, 0.5, 0.5, 0.9, 0.7])
    found = disagreement(LABELS, first, network(SECOND))
    assert surest_disagreements(found, first, network(SECOND), 2, alike=1).tolist() == [1, 2]


def test_of_disagreements_that_are_alike_no_more_are_shown_than_asked_for() -> None:
    labels, said = np.array([4, 4, 4, 4, 7]), np.array([9, 9, 9, 9, 1])
    first, second = network(labels, [0.6, 0.9, 0.8, 0.7, 0.5]), network(said, 5 * [0.5])
    found = disagreement(labels, first, second)
    assert surest_disagreements(found, first, second, 24, alike=2).tolist() == [1, 2, 4]


def test_the_strongest_units_are_those_with_the_largest_weights_onwards() -> None:
    assert strongest_units(network(FIRST), 2).tolist() == [0, 2], "norms 3, 1 and 5"
    assert strongest_units(network(FIRST), 9).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("inputs", "side"), [(784, 28), (16, 4), (4, 2), (1, None), (2, None), (783, None), (600, None)]
)
def test_a_square_number_of_inputs_is_an_image(inputs: int, side: int | None) -> None:
    assert image_side(inputs) == side
