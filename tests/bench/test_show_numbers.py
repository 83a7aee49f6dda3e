"""How numbers are written."""

import math

import pytest

from backprop_bench.bench.core.stats.intervals import Interval
from backprop_bench.bench.report.numbers import (
    ABSENT,
    at_least_one,
    bounds,
    clean,
    count_range,
    factor,
    large,
    listing,
    mebibytes,
    number_interval,
    percent_interval,
    seconds,
    seconds_interval,
    shorten,
    signed_points,
    spans,
    speed,
    value_interval,
)

NOTHING = Interval(math.nan, math.nan, math.nan, 0)


def spaced(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (1.234, "1.23 s"),
        (0.9999, "1.00 s"),
        (0.04561, "45.6 ms"),
        (0.000118, "118 µs"),
        (9.999e-7, "1.00 µs"),
        (3e-9, "3.00 ns"),
        (0.0, "0 s"),
        (132.4, "132 s"),
        (4321.0, "4,321 s"),
        (math.nan, ABSENT),
    ],
)
def test_seconds_have_three_digits_and_the_unit_that_suits_them(value: float, written: str) -> None:
    assert spaced(seconds(value)) == written


@pytest.mark.parametrize(
    ("interval", "written"),
    [
        (Interval(2.031, 1.972, 2.088, 15), "2.03 (1.97–2.09)"),
        (Interval(2.0312, 2.0297, 2.0327, 15), "2.031 (2.030–2.033)"),
        (Interval(258.4, 255.1, 261.0, 15), "258 (255–261)"),
        (Interval(0.0686, 0.0681, 0.0691, 15), "0.0686 (0.0681–0.0691)"),
        (Interval(2.031, math.nan, math.nan, 1), "2.03"),
        (NOTHING, ABSENT),
    ],
)
def test_a_ratio_has_as_many_digits_as_its_interval_justifies(interval: Interval, written: str) -> None:
    assert number_interval(interval) == written


def test_estimate_and_bounds_of_a_time_share_one_unit() -> None:
    assert spaced(seconds_interval(Interval(1.02, 0.95, 1.1, 3))) == "1.02 s (0.95–1.10)"


def test_what_was_not_measured_is_a_dash() -> None:
    assert {seconds_interval(NOTHING), percent_interval(NOTHING), number_interval(NOTHING), mebibytes(None)} == {ABSENT}


def test_an_interval_of_accuracy_does_not_leave_the_possible() -> None:
    assert spaced(percent_interval(Interval(0.68, -0.57, 1.93, 3))) == "68.00 % (0.00–100.00)"


def test_an_accuracy_without_interval_has_no_brackets() -> None:
    assert spaced(percent_interval(Interval(0.9762, math.nan, math.nan, 1))) == "97.62 %"


def test_bytes_are_written_in_mebibytes() -> None:
    assert spaced(mebibytes(224 << 20)) == "224 MiB"


def test_counts_that_differ_are_a_range() -> None:
    assert (count_range([3, 3], "seed"), count_range([1, 3], "seed"), count_range([], "seed")) == (
        "3 seeds",
        "1–3 seeds",
        "0 seeds",
    )


def test_a_large_number_has_the_prefix_that_suits_it() -> None:
    assert [spaced(large(value, "B")) for value in (12, 1e3, 24.81e9, 3e15)] == [
        "12.0 B",
        "1.00 kB",
        "24.8 GB",
        "3,000 TB",
    ]


def test_a_value_has_its_unit_before_its_interval() -> None:
    assert spaced(value_interval(Interval(12.31, 11.9, 12.8, 3), "J")) == "12.3 J (11.9–12.8)"
    assert value_interval(NOTHING, "J") == ABSENT


def test_an_interval_alone_has_the_digits_that_it_has_beside_its_estimate() -> None:
    assert bounds(Interval(2.031, 1.972, 2.088, 15)) == "1.97–2.09"
    assert bounds(Interval(2.031, math.nan, math.nan, 1)) == bounds(NOTHING) == ABSENT


def test_neighbouring_numbers_are_a_span() -> None:
    assert (spans([6, 2, 3, 4]), spans([5]), spans([])) == ("2–4, 6", "5", "")


def test_a_list_is_read_as_a_sentence() -> None:
    assert (listing(["a"]), listing(["a", "b"]), listing("abc")) == ("a", "a and b", "a, b and c")
    assert listing("abc", "or") == "a, b or c"


def test_a_long_name_keeps_its_beginning_and_its_end() -> None:
    assert shorten("abcdefghijklmnopqrstuvwxyz", 9) == "abcd…wxyz"
    assert shorten("short", 9) == "short"


def test_control_and_direction_characters_do_not_get_through() -> None:
    assert clean("a\x1b[31m\nb\u202ec") == "a�[31m b�c"


@pytest.mark.parametrize(
    ("ratio", "written"),
    [
        (Interval(1 / 1.74, 1 / 1.79, 1 / 1.70, 5), "a is 1.74× faster than b (95 % CI 1.70–1.79)"),
        (Interval(1.74, 1.70, 1.79, 5), "b is 1.74× faster than a (95 % CI 1.70–1.79)"),
        (Interval(1.002, 0.991, 1.013, 5), "no significant difference in time between a and b (95 % CI 0.99–1.01)"),
        (Interval(0.5, math.nan, math.nan, 1), "a is 2.00× faster than b (one process replicate, no interval)"),
    ],
)
def test_a_comparison_says_who_is_faster_by_a_factor_of_at_least_one(ratio: Interval, written: str) -> None:
    assert spaced(speed("a", "b", ratio)).startswith(written)


def test_a_comparison_ends_with_one_pair_of_brackets() -> None:
    written = speed("a (x)", "b (y)", Interval(1 / 1.74, 1 / 1.79, 1 / 1.70, 5))
    assert spaced(written) == "a (x) is 1.74× faster than b (y; 95 % CI 1.70–1.79)"


def test_a_ratio_below_one_is_turned_round_with_its_interval() -> None:
    turned = at_least_one(Interval(0.5, 0.4, 0.625, 7))
    assert (turned.estimate, turned.low, turned.high, turned.n) == (2.0, 1.6, 2.5, 7)
    assert at_least_one(turned) is turned
    assert factor(turned) == "2.00× (1.60–2.50)"
    assert factor(NOTHING) == ABSENT


@pytest.mark.parametrize(
    ("low", "middle", "high", "said"),
    [
        (0.0001, 0.0004, 0.0007, "+0.04 points, 95 % CI 0.01–0.07"),
        (-0.0007, -0.0004, -0.0001, "−0.04 points, 95 % CI −0.07 to −0.01"),
        (0.013, 0.034, 0.055, "+3.4 points, 95 % CI 1.3–5.5"),
        (-0.0002, 0.00001, 0.0003, "0.00 points, 95 % CI −0.02 to 0.03"),
    ],
)
def test_a_change_in_points_has_a_sign_unless_it_is_shown_as_0(
    low: float, middle: float, high: float, said: str
) -> None:
    assert spaced(signed_points(Interval(middle, low, high, 5))) == said
