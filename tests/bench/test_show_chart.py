"""Bars on a terminal: where they begin and end, and what they are made of."""

import io
import math

import pytest
from rich.console import Console

from backprop_bench.bench.report.chart import NAME_LETTERS, Bar, Chart, axis_of, chart_to_rich
from backprop_bench.bench.report.numbers import plain


def chart(*values: float, factors: bool = False) -> Chart:
    bars = tuple(Bar(f"bar {number}", value, f"{value:g}") for number, value in enumerate(values))
    return Chart("Made up", bars, plain, factors)


def printed(shown: Chart, width: int = 60) -> list[str]:
    screen = io.StringIO()
    Console(file=screen, width=width).print(chart_to_rich(shown, width))
    return screen.getvalue().splitlines()


def length(line: str) -> int:
    """Return how many columns a bar takes, counting those that it takes a part of."""
    return sum(sign in "█▉▊▋▌▍▎▏▐▕" for sign in line)


def test_bars_are_as_long_as_their_values_and_begin_at_zero() -> None:
    title, one, two, axis = printed(chart(1.0, 2.0))
    assert title == "Made up"
    assert 2 * length(one) == pytest.approx(length(two), abs=1)
    assert length(two) > 30
    assert one.endswith(" 1")
    assert axis == "Axis from 0 to 2.00."


def test_far_apart_values_have_a_logarithmic_axis_that_shows_the_smallest_too() -> None:
    axis = axis_of(chart(0.02, 0.2, 2.0))
    assert [axis.low, axis.high] == pytest.approx([0.01, 2.0])
    places = [axis.place(value) for value in (0.01, 0.02, 0.2, 2.0)]
    assert places[0] == pytest.approx(0)
    assert places[2] - places[1] == pytest.approx(places[3] - places[2])
    assert axis_of(chart(0.01, 1.0)).low == pytest.approx(0.001), "or the smallest had no bar"
    assert printed(chart(0.02, 2.0))[-1] == "Log axis from 0.0100 to 2.00."


def test_changes_lie_on_either_side_of_zero_and_factors_on_either_side_of_one() -> None:
    changes, factors = axis_of(chart(-1.0, 3.0)), axis_of(chart(0.5, 8.0, factors=True))
    assert changes.place(0.0) == pytest.approx(0.25)
    assert factors.place(1.0) == pytest.approx(0.25)
    _, fall, rise, _ = printed(chart(-1.0, 3.0))
    assert 3 * length(fall) == pytest.approx(length(rise), abs=3)
    assert fall.index("█") < rise.index("█")


def test_what_has_no_value_has_no_bar() -> None:
    _, none, one, _ = printed(chart(math.nan, 1.0))
    assert length(none) == 0
    assert length(one) > 0
    assert len(printed(chart(math.nan))) == 3
    assert len(printed(chart(0.0, 0.0))) == 4


def test_a_long_name_leaves_room_for_the_bar() -> None:
    line = printed(Chart("T", (Bar("x" * 200, 1.0, "1.00 s (0.99–1.01)"),), plain), 80)[1]
    assert line.startswith("x" * 10)
    assert "…" in line[:NAME_LETTERS]
    assert length(line) > 20
    assert line.endswith("1.00 s (0.99–1.01)")
