"""The intervals: known answers, and how often they hold what they should."""

import math

import numpy as np
import pytest

from bench.compute.statistics import geometric_mean_interval, mean_interval


def test_the_mean_interval_is_students() -> None:
    interval = mean_interval([1.0, 2.0, 3.0])
    assert interval.estimate == 2.0
    assert interval.half_width == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)
    assert interval.n == 3


def test_one_value_has_a_mean_but_no_interval() -> None:
    for interval in (mean_interval([0.5]), geometric_mean_interval([[0.5]])):
        assert interval.estimate == 0.5
        assert math.isnan(interval.low)
        assert interval.n == 1


def test_no_value_has_neither() -> None:
    assert math.isnan(mean_interval([]).estimate)
    assert math.isnan(geometric_mean_interval([[], []]).estimate)


def test_a_ratio_and_its_inverse_have_inverse_intervals() -> None:
    groups = [[1.9, 2.1, 2.0], [2.2, 1.8, 2.05]]
    ratio = geometric_mean_interval(groups)
    inverse = geometric_mean_interval([[1 / value for value in group] for group in groups])
    assert inverse.estimate == pytest.approx(1 / ratio.estimate)
    assert inverse.low == pytest.approx(1 / ratio.high)
    assert inverse.high == pytest.approx(1 / ratio.low)


def test_the_same_values_give_the_same_interval_every_time() -> None:
    groups = [[1.0, 1.1, 0.9], [1.2, 1.05]]
    assert geometric_mean_interval(groups) == geometric_mean_interval(groups)


def test_differences_between_process_sets_widen_the_interval_more_than_differences_between_rounds() -> None:
    between_sets = geometric_mean_interval([[1.0] * 5, [1.1] * 5, [1.2] * 5])
    between_rounds = geometric_mean_interval([[1.0, 1.1, 1.2, 1.1, 1.1]] * 3)
    assert between_sets.half_width > 2 * between_rounds.half_width


@pytest.mark.parametrize("n_sets", [2, 3, 5, 12])
@pytest.mark.parametrize("between_sets", [0.0, 0.01, 0.03])
def test_the_interval_of_a_ratio_holds_the_true_ratio_as_often_as_it_says(n_sets: int, between_sets: float) -> None:
    rng = np.random.default_rng(1)
    trials, hits = 2000, 0
    for _ in range(trials):
        sets = rng.normal(0, between_sets, (n_sets, 1)) + rng.normal(0, 0.02, (n_sets, 4))
        interval = geometric_mean_interval(np.exp(math.log(2) + sets).tolist())
        hits += interval.low <= 2 <= interval.high
    assert 0.935 <= hits / trials <= 0.965
