"""Agreement of independent runs on the same time ratios: worked out on paper, and as it is shown."""

import dataclasses
import json
import math
from pathlib import Path

import pytest

from backprop_bench.bench.core.stats.intervals import Interval
from backprop_bench.bench.core.summary import Summary
from backprop_bench.bench.report.drawing import save
from backprop_bench.bench.report.table import to_markdown
from backprop_bench.bench.selftest.repeatability import Repeatability, Spread, repeatability
from backprop_bench.bench.selftest.repeatability_view import (
    draw_repeatability,
    repeatability_sentences,
    repeatability_table,
    repeated_runs_table,
)
from backprop_bench.data import InputError
from tests.bench.plain import summarize
from tests.bench.recorded import recorded_run

pytestmark = pytest.mark.xdist_group("repeatability")  # what its fixtures make is made once

A, B, C = "scratch-numpy", "torch-eager", "torch-loader"


@pytest.fixture(scope="module")
def template() -> Summary:
    """Return a run whose ratios and times are yet to be made up."""
    return summarize(*recorded_run((A, B), seeds=(0,), epochs=1, with_parity=False, with_parts=False))


def run(template: Summary, a_s: float, b_s: float, ratio: float, half_width: float) -> Summary:
    """Return a run with these times of A and B, and this ratio of B to A."""
    question = next(question for question in template.questions if question.name == "same-recipe")
    performances = tuple(
        dataclasses.replace(item, wall_s=dataclasses.replace(item.wall_s, estimate=seconds))
        for item, seconds in zip(question.performances, (a_s, b_s), strict=True)
    )
    interval = Interval(ratio, ratio * (1 - half_width), ratio * (1 + half_width), 30)
    ratios = (dataclasses.replace(question.ratios[0], interval=interval, median_per_round=interval),)
    made_up = dataclasses.replace(question, performances=performances, ratios=ratios)
    return dataclasses.replace(template, questions=(made_up,))


@pytest.fixture(scope="module")
def result(template: Summary) -> Repeatability:
    """Return two idle runs that agree and one on a busy machine that is slower throughout."""
    return repeatability(
        [
            ("first", run(template, 1.0, 2.0, 1.99, 0.01)),
            ("second", run(template, 1.0, 2.0, 2.01, 0.03)),
            ("with a busy core", run(template, 2.0, 4.0, 2.0, 0.001)),
        ]
    )


def test_the_pooled_value_is_the_geometric_mean_of_the_runs_estimates(result: Repeatability) -> None:
    (ratio,) = result.ratios
    assert (ratio.numerator, ratio.denominator) == (B, A)
    assert ratio.pooled == pytest.approx((1.99 * 2.01 * 2.0) ** (1 / 3))
    assert [item.run for item in ratio.repetitions] == ["first", "second", "with a busy core"]


def test_deviations_are_from_the_pooled_value(result: Repeatability) -> None:
    (ratio,) = result.ratios
    first, second, busy = (item.deviation for item in ratio.repetitions)
    assert (first, second, busy) == pytest.approx((-0.005, 0.005, 0.0), abs=2e-5)
    assert ratio.paired.sd == pytest.approx(0.005, rel=1e-3)
    assert ratio.paired.range == pytest.approx(0.01, rel=1e-3)
    assert ratio.paired.n_within == 3
    assert ratio.median_per_round.deviations == ratio.paired.deviations, "which are made up to be the same"


def test_unpaired_ratios_are_of_times_of_different_runs(result: Repeatability) -> None:
    """B by A of another run: 2 and 1 in the first two, 4 and 4 in the third; the geometric mean of the six is 2."""
    (ratio,) = result.ratios
    deviations = [item.unpaired for item in ratio.repetitions]
    assert deviations == [pytest.approx((0.0, -0.5)), pytest.approx((0.0, -0.5)), pytest.approx((1.0, 1.0))]
    assert ratio.unpaired.range == pytest.approx(1.5)
    assert ratio.unpaired.n_within == 2
    assert ratio.unpaired.sd == pytest.approx(math.sqrt((2 * (1 / 6) ** 2 + 2 * (2 / 3) ** 2 + 2 * (5 / 6) ** 2) / 5))


def test_a_ratio_below_1_is_turned_round(template: Summary, result: Repeatability) -> None:
    """The same three runs with A the slower one: A by B, and what was above the pooled value is below it."""
    runs = [(1.0, 0.5, 1 / 1.99), (1.0, 0.5, 1 / 2.01), (2.0, 1.0, 0.5)]
    turned = repeatability([(str(number), run(template, *values, 0.01)) for number, values in enumerate(runs)])
    (ratio,), (expected,) = turned.ratios, result.ratios
    assert (ratio.numerator, ratio.denominator) == (A, B)
    assert ratio.pooled == pytest.approx(expected.pooled)
    assert ratio.paired.deviations == pytest.approx(expected.paired.deviations)
    assert [item.unpaired for item in ratio.repetitions] == [item.unpaired for item in expected.repetitions]
    interval = ratio.repetitions[0].interval
    assert (interval.low, interval.estimate, interval.high) == pytest.approx((1.99 / 1.01, 1.99, 1.99 / 0.99))


@pytest.mark.parametrize(
    ("ratio", "half_width", "within", "is_wider", "contains_pooled", "repeats"),
    [
        (2.0, 0.001, True, False, True, True),
        (2.05, 0.01, False, False, False, False),
        (2.05, 0.03, False, True, True, True),
        (2.4, 0.03, False, True, False, False),
        (2.01, math.nan, True, True, False, True),
    ],
)
def test_whether_a_run_is_near_and_what_its_interval_says_are_facts_of_their_own(
    template: Summary,
    ratio: float,
    half_width: float,
    within: bool,
    is_wider: bool,
    contains_pooled: bool,
    repeats: bool,
) -> None:
    others = [(f"run {number}", run(template, 1.0, 2.0, 2.0, 0.01)) for number in range(19)]
    one = repeatability([*others, ("it", run(template, 1.0, 2.0, ratio, half_width))]).ratios[0].repetitions[-1]
    assert (one.within, one.is_wider, one.contains_pooled) == (within, is_wider, contains_pooled)
    assert one.repeats == repeats


def test_a_ratio_that_one_run_alone_has_is_left_out() -> None:
    two, three = (summarize(*recorded_run(names, seeds=(0,), epochs=1)) for names in ((A, B), (A, B, C)))
    result = repeatability([("two", two), ("three", three)])
    assert [(ratio.numerator, ratio.denominator) for ratio in result.ratios] == [(B, A)]
    assert repeatability([("two", two)]).ratios == ()


def test_a_run_without_the_question_is_named(template: Summary) -> None:
    with pytest.raises(InputError, match="the run 'it' has no question 'unheard-of'"):
        repeatability([("it", template)], "unheard-of")


def test_fewer_than_two_deviations_have_no_standard_deviation() -> None:
    assert math.isnan(Spread((0.01,)).sd)
    assert math.isnan(Spread(()).range)


def test_it_becomes_json(template: Summary, result: Repeatability) -> None:
    (ratio,) = json.loads(json.dumps(result.to_dict(), allow_nan=False))["ratios"]
    assert (ratio["numerator"], ratio["denominator"]) == (B, A)
    assert (ratio["paired"]["within"], ratio["unpaired"]["n"]) == (3, 6)
    assert [row["is_wider"] for row in ratio["runs"]] == [False, True, False]
    unsure = run(template, 1.0, 2.0, 2.0, math.nan)
    (ratio,) = json.loads(json.dumps(repeatability([("a", unsure), ("b", unsure)]).to_dict(), allow_nan=False))[
        "ratios"
    ]
    assert ratio["runs"][0]["interval"]["low"] is None
    assert Repeatability.from_dict(json.loads(json.dumps(result.to_dict()))) == result


# As it is shown


def test_the_sentences_say_how_many_repeat_and_what_pairing_does(result: Repeatability) -> None:
    message = " ".join(repeatability_sentences(result)).replace("\N{NO-BREAK SPACE}", " ")
    assert "3 of 3 paired time ratios from 3 runs are within ±2 % of their pooled value." in message
    deviations = "0.50 % paired, 0.50 % as median per-round ratio, 68.31 % measured separately."
    assert message.endswith(f"Standard deviation between runs, the smallest and the largest: {deviations}")
    (ratio,) = result.ratios
    closer = [dataclasses.replace(item, deviation=item.deviation / 2) for item in ratio.repetitions]
    both = dataclasses.replace(result, ratios=(ratio, dataclasses.replace(ratio, repetitions=tuple(closer))))
    assert "0.25–0.50 % paired" in repeatability_sentences(both)[-1].replace("\N{NO-BREAK SPACE}", " ")


def test_runs_beyond_the_tolerance_are_excused_only_by_their_own_intervals(template: Summary) -> None:
    runs = [(name, run(template, 1.0, 2.0, ratio, 0.06)) for name, ratio in (("low", 1.9), ("high", 2.1))]
    (message, _) = repeatability_sentences(repeatability(runs))
    assert "0 of 2 paired time ratios" in message
    assert "of the 2 others, 2 have a wider 95 % CI that contains it" in message


def test_the_tables_have_a_row_per_ratio_and_one_per_run_of_each(result: Repeatability) -> None:
    assert len(repeatability_table(result).rows) == 1
    rows = repeated_runs_table(result).rows
    assert [row[1] for row in rows] == ["first", "second", "with a busy core"]
    assert [row[-2] for row in rows] == ["no", "yes", "no"]
    assert to_markdown(repeated_runs_table(result)).count("\n| ") == 5


def test_the_figure_is_the_same_every_time_and_says_its_numbers(result: Repeatability, tmp_path: Path) -> None:
    first, second = (save(draw_repeatability(result), tmp_path / name) for name in ("first", "second"))
    assert first.png.read_bytes() == second.png.read_bytes()
    assert first.svg.read_bytes() == second.svg.read_bytes()
    title = first.title.replace("\N{NO-BREAK SPACE}", " ")
    assert title == "3 of 3 paired ratios within ±2 %; measured separately 2 of 6"
    assert "68.31" in first.alt


def test_runs_without_a_ratio_in_common_are_shown_all_the_same(template: Summary, tmp_path: Path) -> None:
    nothing = repeatability([("only", template)])
    assert repeatability_sentences(nothing) == ["No ratio of same-recipe was measured in two of 1 run."]
    assert save(draw_repeatability(nothing), tmp_path).png.exists()
