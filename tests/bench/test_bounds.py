"""The bound of rounding errors is the tighter of two, and a place is judged by its own tolerance."""

import math

import numpy as np
import pytest

from backprop_bench.bench.core.stats.tolerances import Agreement, NamedArrays, compare_arrays, compare_each, worst
from backprop_bench.bench.verify.rounding import LUCK, gamma
from backprop_bench.data import Floats

U = 2.0**-24
"""Unit roundoff of float32."""


@pytest.mark.parametrize("n", [1, 10, 35])
def test_of_a_short_sum_all_roundings_may_point_the_same_way(n: int) -> None:
    assert gamma(n, U) == pytest.approx(n * U, rel=1e-4)
    assert gamma(n, U) > n * U


@pytest.mark.parametrize("n", [37, 784, 60_000])
def test_of_a_long_sum_they_do_not_and_the_bound_grows_as_the_root(n: int) -> None:
    assert gamma(n, U) == LUCK * math.sqrt(n) * U < n * U


def array(*values: float) -> Floats:
    return np.array(values)


EXPECTED: NamedArrays = [("layer 1 weight", array(100.0, 1.0, 4.0)), ("layer 1 bias", array(8.0, 2.0))]
TOLERANCES = [array(10.0, 0.01, 0.5), array(1.0, 1.0)]


def moved(*changes: tuple[int, int, float]) -> NamedArrays:
    """Return the expected arrays with numbers added: array, place, number."""
    arrays = [(name, values.copy()) for name, values in EXPECTED]
    for number, place, change in changes:
        arrays[number][1][place] += change
    return arrays


def test_the_place_is_where_the_difference_is_largest_in_relation_to_its_own_tolerance() -> None:
    result, bias = compare_each(moved((0, 0, 5.0), (0, 1, 0.02), (0, 2, 0.1)), EXPECTED, TOLERANCES)
    assert (result.where, result.passed) == ("layer 1 weight[1]", False)
    assert result.difference == pytest.approx(0.02 / 100)
    assert result.tolerance == pytest.approx(0.01 / 100)
    assert bias.passed


def test_the_worst_array_is_the_one_furthest_over_its_tolerance_and_not_the_one_with_the_largest_difference() -> None:
    result = compare_arrays(moved((0, 0, 9.0), (1, 1, 1.5)), EXPECTED, TOLERANCES)
    assert (result.where, result.passed) == ("layer 1 bias[1]", False)
    result = compare_arrays(moved((0, 0, 9.0), (1, 1, 0.1)), EXPECTED, TOLERANCES)
    assert (result.where, result.passed) == ("layer 1 weight[0]", True)


def test_what_is_no_number_or_has_no_tolerance_is_worse_than_any_difference() -> None:
    large, exact, none = Agreement(9.0, 1.0, "large"), Agreement(1e-9, 0.0, "exact"), Agreement(None, 0.0, "none")
    assert worst([large, exact]) is exact
    assert worst([large, none]) is none
    assert worst([Agreement(0.0, 0.0, "equal"), large]) is large
