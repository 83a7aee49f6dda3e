"""The intervals: known answers, and their coverage."""

import dataclasses
import math

import numpy as np
import pytest
from numpy.typing import NDArray

from backprop_bench.bench.core.stats.intervals import (
    Interval,
    geometric_mean_interval,
    interval_over_replicates,
    mean_interval,
    relative_half_width,
)
from tests.bench.simulated import Machine, Noise, spikes, student

REPLICATES = [[1.9, 2.1, 2.0], [2.2, 1.8, 2.05], [2.0, 2.3, 1.7]]


def test_the_mean_interval_comes_from_the_t_distribution() -> None:
    interval = mean_interval([1.0, 2.0, 3.0])
    assert interval.estimate == 2.0
    assert interval.half_width == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)
    assert interval.n == 3


def test_one_value_has_an_estimate_but_no_interval() -> None:
    for interval in (mean_interval([0.5]), geometric_mean_interval([0.5]), interval_over_replicates([[0.5]])):
        assert interval.estimate == 0.5
        assert math.isnan(interval.low)
        assert interval.n == 1


def test_no_value_has_neither() -> None:
    for interval in (mean_interval([]), geometric_mean_interval([]), interval_over_replicates([[], []])):
        assert math.isnan(interval.estimate)
        assert interval.n == 0


def test_the_geometric_mean_interval_comes_from_the_t_distribution_of_logarithms() -> None:
    interval = geometric_mean_interval([math.exp(1), math.exp(2), math.exp(3)])
    assert math.log(interval.estimate) == pytest.approx(2)
    assert math.log(interval.high) == pytest.approx(2 + 4.302653 / math.sqrt(3), rel=1e-6)
    assert interval.n == 3


def test_over_replicates_only_the_medians_of_rounds_count() -> None:
    interval = interval_over_replicates([[1.0, 2.0, 900.0], [0.1, 4.0, 4.0], [8.0], []])
    assert interval == dataclasses.replace(geometric_mean_interval([2.0, 4.0, 8.0]), n=7)


def test_a_ratio_and_its_inverse_have_inverse_intervals() -> None:
    ratio = interval_over_replicates(REPLICATES)
    inverse = interval_over_replicates([[1 / value for value in values] for values in REPLICATES])
    assert inverse.estimate == pytest.approx(1 / ratio.estimate)
    assert inverse.low == pytest.approx(1 / ratio.high)
    assert inverse.high == pytest.approx(1 / ratio.low)


def test_differences_between_replicates_widen_the_interval_more_than_differences_between_rounds() -> None:
    between_replicates = interval_over_replicates([[1.0] * 5, [1.1] * 5, [1.2] * 5])
    between_rounds = interval_over_replicates([[1.0, 1.1, 1.2, 1.1, 1.15], [1.0, 1.1, 1.2, 1.1, 1.1], [1.0, 1.2, 1.1]])
    assert between_replicates.half_width > 2 * between_rounds.half_width


def test_the_relative_half_width_is_a_share_of_the_estimate() -> None:
    assert relative_half_width(Interval(2.0, 1.5, 2.5, 9)) == 0.25
    assert relative_half_width(interval_over_replicates([[2.0, 2.1]])) == math.inf
    assert relative_half_width(mean_interval([])) == math.inf


def made_up_ratios(
    between_replicates: float, noise: Noise, n_replicates: int, trials: int, rounds: int = 6
) -> NDArray[np.float64]:
    """Return ratios whose truth is 2: [trial, replicate, round]."""
    machine = Machine({"a": 1.0, "b": 2.0}, between_replicates, noise)
    logs = machine.log_times(np.random.default_rng(7), trials * n_replicates, rounds)
    return np.asarray(np.exp(logs[..., 1] - logs[..., 0]).reshape(trials, n_replicates, rounds))


def coverage(ratios: NDArray[np.float64]) -> float:
    """Return the share of trials in which the truth, 2, lies in the interval."""
    return sum(interval_over_replicates(trial).contains(2) for trial in ratios.tolist()) / len(ratios)


@pytest.mark.parametrize("n_replicates", [3, 5, 10])
@pytest.mark.parametrize("between_replicates", [0.0, 0.01, 0.03])
def test_the_interval_over_replicates_holds_the_truth_as_often_as_it_says(
    n_replicates: int, between_replicates: float
) -> None:
    ratios = made_up_ratios(between_replicates, student(0.02), n_replicates, trials=500)
    assert 0.93 <= coverage(ratios) <= 0.97


def test_rare_interruptions_do_not_cost_it_its_coverage() -> None:
    ratios = made_up_ratios(0.01, spikes(0.01, share=0.05, cost=1.0), n_replicates=5, trials=500)
    assert 0.93 <= coverage(ratios) <= 0.97
