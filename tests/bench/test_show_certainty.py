"""What is said of how sure the times are follows from the records, not from hope."""

from typing import Any

import pytest

from backprop_bench.bench.core.summary import Summary
from backprop_bench.bench.report.certainty import (
    self_test_missing,
    self_test_sentence,
    self_test_warning,
    stop_sentence,
    within,
)
from tests.bench.plain import summarize
from tests.bench.recorded import recorded_run

PAIR = ("scratch-numpy", "torch-eager")


def summary_of(**knobs: Any) -> Summary:
    return summarize(*recorded_run(PAIR, **knobs))


def stopped(summary: Summary) -> str:
    return stop_sentence(summary, summary.questions[1]).replace("\N{NO-BREAK SPACE}", " ")


def self_tested(summary: Summary) -> str:
    return self_test_sentence(summary.questions[1]) or ""


def test_precise_timing_says_how_precise_and_after_what() -> None:
    sentence = stopped(summary_of())
    assert sentence.startswith(
        "Timing stopped after 4 process replicates, 61.3 s: every ratio is within ±5 %; the widest is ±"
    )


def test_a_used_up_budget_is_not_called_precise() -> None:
    sentence = stopped(summary_of(stop_reason="budget", target=0.001))
    assert "because the budget of 90 s was used up" in sentence
    assert "before every ratio was within ±0.1 %; the widest is ±" in sentence
    assert "is within" not in sentence


def test_narrow_intervals_of_too_few_replicates_are_not_called_precise() -> None:
    sentence = stopped(summary_of(stop_reason="budget", n_replicates=2, target=0.9))
    assert "before the 3 process replicates that an interval needs: 2 are complete" in sentence


def test_one_process_replicate_has_no_interval_and_the_sentences_say_so() -> None:
    summary = summary_of(stop_reason="budget", n_replicates=1)
    assert "1 process replicate, 61.3 s" in stopped(summary)
    assert stopped(summary).endswith("a ratio from one process replicate has no interval.")
    assert self_tested(summary).endswith("from one process replicate, so without an interval.")
    assert self_test_warning(summary.questions[1]) is None


@pytest.mark.parametrize(
    ("knobs", "words"),
    [
        ({"failures": {"torch-eager": "no torch"}}, "there is nothing to compare"),
        ({"failures": dict.fromkeys(PAIR, "no memory")}, "every implementation failed"),
        ({"n_replicates": 0}, "Nothing was timed."),
    ],
)
def test_timing_without_a_comparison_says_why(knobs: dict[str, Any], words: str) -> None:
    assert words in stopped(summary_of(**knobs))


def test_what_is_left_alone_with_its_second_copy_is_precise_by_the_aa_test() -> None:
    description, rows = recorded_run(PAIR, failures={"torch-eager": "no torch"})
    for row in rows:
        row.update({"reason": "precise"} if row["kind"] == "stop" else {})
    assert "the ratio of the A/A test is within ±5 %" in stopped(summarize(description, rows))


def test_what_broke_while_it_was_timed_does_not_count_as_precise() -> None:
    description, rows = recorded_run(("scratch-numpy", "torch-eager", "jax"))
    rows = [
        row for row in rows if not (row["kind"] == "block" and row["implementation"] == "jax" and row["replicate"] > 0)
    ]
    failure = {"question": "same-recipe", "implementation": "jax", "phase": "timing", "number": 1, "message": "killed"}
    rows.append({"kind": "failure", "session": 0, **failure})
    sentence = stopped(summarize(description, rows))
    assert "every ratio of those that did not fail is within ±5 %; the widest is ±" in sentence


def test_timing_that_was_cut_short_is_not_complete() -> None:
    description, rows = recorded_run(PAIR)
    rows = [row for row in rows if row["kind"] != "stop"]
    assert stopped(summarize(description, rows)) == "The timing is not complete: 4 process replicates so far."


def test_an_aa_test_that_holds_one_is_as_it_should_be() -> None:
    summary = summary_of()
    assert self_tested(summary).endswith("; the interval includes 1, as it should.")
    assert self_test_warning(summary.questions[1]) is None


@pytest.mark.parametrize("ratio", [0.8, 1.2])
def test_an_aa_test_that_does_not_hold_one_warns_by_how_much(ratio: float) -> None:
    summary = summary_of(self_test_ratio=ratio)
    assert self_test_warning(summary.questions[1]) == self_tested(summary)
    assert "the interval does not include 1." in self_tested(summary)
    assert "as it should" not in self_tested(summary)


def test_a_run_without_aa_test_says_so() -> None:
    assert self_test_missing(summary_of()) is None
    without = summary_of(self_test_ratio=None)
    assert self_tested(without) == ""
    assert "has no A/A test" in (self_test_missing(without) or "")


def test_an_aa_test_that_was_planned_but_not_timed_says_so() -> None:
    description, rows = recorded_run(PAIR)
    rows = [row for row in rows if row.get("implementation") != "scratch-numpy (A/A)"]
    assert "was not timed" in self_tested(summarize(description, rows))


@pytest.mark.parametrize(
    ("share", "written"),
    [(0.02, "±2 %"), (0.0412, "±4.2 %"), (0.0204, "±2.1 %"), (0.123, "±13 %"), (2.34, "±240 %"), (0.0, "±0 %")],
)
def test_a_half_width_is_rounded_up(share: float, written: str) -> None:
    assert within(share).replace("\N{NO-BREAK SPACE}", " ") == written
