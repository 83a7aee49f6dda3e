"""A/A tests and injected slowdowns: worked out on paper, from simulated runs, and as they are shown."""

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from backprop_bench.bench.core.records.plan import Timing
from backprop_bench.bench.report.drawing import save
from backprop_bench.bench.report.table import to_markdown
from backprop_bench.bench.selftest.analysis import Calibration, share_of
from backprop_bench.bench.selftest.view import calibration_sentences, calibration_table, draw_calibration
from tests.bench.plain import Row, summarize_calibration
from tests.bench.simulated import Machine, calibration_run, student

pytestmark = pytest.mark.xdist_group("calibration")  # what its fixtures make is made once

TIMING = Timing(target=0.01, budget_s=30.0, block_s=0.05, rounds=5, min_replicates=5, order_seed=0)
NAME, COPY = "scratch-numpy", "scratch-numpy (A/A)"


# On paper


def made_up(
    *trials: tuple[float, list[float]], stopped: bool = True, overhead: bool = False
) -> tuple[dict[str, Any], list[Row]]:
    """Return a run with trials of these slowdowns and ratios by process replicate; between blocks of 1 s lies 1 s.

    Every replicate has two rounds of the same ratio. Where block-switching overhead is measured, a later block takes
    1.01 s, and 1.04 s in seven calls.
    """
    questions, rows = [], []
    for number, (extra, ratios) in enumerate(trials):
        question, clock = f"trial-{number:03}", 0.0
        entries = [
            {"implementation": NAME, "label": NAME, "second_copy": False, "injected": 0.0, "overhead": overhead},
            {"implementation": NAME, "label": COPY, "second_copy": True, "injected": extra, "overhead": overhead},
        ]
        timing = {"target": 0.01, "budget_s": 30.0, "block_s": 0.06}
        questions.append({"name": question, "entries": entries, "timing": timing})
        for replicate, ratio in enumerate(ratios):
            for number_of_round in (0, 1):
                for name, wall_s in ((NAME, 1.0), (COPY, ratio)):
                    clock += 2 * wall_s
                    row = {"implementation": name, "replicate": replicate, "round": number_of_round, "examples": 7}
                    if overhead:
                        row |= {"later_examples": 7, "later_calls": 1, "later_wall_s": 1.01}
                        row |= {"single_examples": 7, "single_calls": 7, "single_wall_s": 1.04}
                    rows.append({"kind": "block", "question": question, **row, "at_s": clock, "wall_s": wall_s})
        if stopped:
            rows.append({"kind": "stop", "question": question, "reason": "precise", "replicates": 9, "spent_s": clock})
    return {"plan": {"questions": questions}}, [{"session": 0, **row} for row in rows]


def test_a_share_has_the_interval_of_clopper_and_pearson() -> None:
    none, half, every = share_of([False] * 10), share_of([True, False] * 5), share_of([True] * 10)
    assert [none.low, none.high] == pytest.approx([0.0, 1 - 0.025 ** (1 / 10)])
    assert [every.low, every.high] == pytest.approx([0.025 ** (1 / 10), 1.0])
    assert [half.low, half.high] == pytest.approx([0.187086, 0.812914], abs=1e-6)
    assert (half.n, half.of, half.share) == (5, 10, 0.5)
    assert math.isnan(share_of([]).share)


def test_false_positives_detections_and_coverage_are_counted() -> None:
    around = [0.99, 1.0, 1.01]
    run = made_up(
        (0.0, around),
        (0.0, [1.10, 1.11, 1.12]),
        (0.0, [0.90, 0.91, 0.92]),
        (0.5, [1.49, 1.50, 1.51]),
        (0.5, [1.59, 1.60, 1.61]),
        (0.5, around),
    )
    same, slowed = summarize_calibration(*run).slowdowns
    assert (same.injected, len(same.trials), slowed.injected, len(slowed.trials)) == (0.0, 3, 0.5, 3)
    assert (same.detected.n, same.covered.n) == (2, 1)
    assert (slowed.detected.n, slowed.covered.n) == (2, 1)
    assert slowed.bias == pytest.approx((1.5 + 1.6 + 1.0) / 3 / 1.5, rel=1e-4)


def test_the_cost_of_a_turn_and_of_a_call_is_the_block_switching_overhead_and_no_slowdown() -> None:
    """Blocks of the copy take 1.04 s, those of the original 1 s, all later ones 1.01 s, or 1.04 s in seven calls."""
    calibration = summarize_calibration(*made_up((0.0, [1.04] * 2), (0.0, [1.04] * 3), overhead=True))
    assert calibration.slowdowns == ()
    assert calibration.same is None
    result = calibration.overhead
    assert result is not None
    assert (len(result.trials), result.n_processes) == (2, 10)
    turn, call = math.sqrt(1.04) / 1.01, (1.04 / 1.01 - 1) / 6
    assert result.turn.estimate == pytest.approx(turn - 1)
    assert result.call.estimate == pytest.approx(call)
    assert result.cost.estimate == pytest.approx(turn * (1 + call) - 1)
    assert result.cost.low < result.cost.estimate < result.cost.high
    message = " ".join(calibration_sentences(calibration)).replace("\N{NO-BREAK SPACE}", " ")
    cost = r"[−-]?\d\.\d\d % \(95 % CI [−-]?\d\.\d\d to \d\.\d\d\)"
    overhead = rf"block-switching overhead of scratch-numpy is {cost} of its time, with blocks of 60 ms in 10 processes"
    assert re.search(overhead, message)
    assert "0.50 % (0.50 to 0.50) is the call" in message
    assert Calibration.from_dict(json.loads(json.dumps(calibration.to_dict()))) == calibration


def test_the_time_of_trials_and_what_of_it_is_outside_timed_blocks() -> None:
    calibration = summarize_calibration(*made_up((0.0, [1.0, 1.0]), (0.0, [1.0, 1.0, 1.0]), (0.0, [1.0, 1.0, 3.0])))
    same = calibration.same
    assert same is not None
    assert [trial.spent_s for trial in same.trials] == [16.0, 24.0, 32.0]
    assert (same.median_s, same.longest_s) == (24.0, 32.0)
    assert calibration.outside_share == pytest.approx(0.5)
    assert same.reasons == {"precise": 3}


def test_the_smallest_slowdown_detected_is_that_of_nine_trials_in_ten() -> None:
    detected, missed = [1.1, 1.1, 1.1001], [0.9, 1.0, 1.1]
    trials = [(0.01, detected)] * 8 + [(0.01, missed)] * 2 + [(0.02, detected)] * 9 + [(0.02, missed)]
    trials += [(0.05, detected)] * 10
    assert summarize_calibration(*made_up(*trials)).smallest_detected == 0.02
    assert summarize_calibration(*made_up(*trials[:10])).smallest_detected is None
    assert summarize_calibration(*made_up((0.0, detected))).smallest_detected is None


def test_incomplete_trials_are_counted_separately() -> None:
    description, rows = made_up((0.0, [1.0, 1.1]), (0.0, [1.0, 1.1]), (0.0, []))
    first_stop = next(index for index, row in enumerate(rows) if row["kind"] == "stop")
    calibration = summarize_calibration(description, [*rows[:first_stop], *rows[first_stop + 1 :]])
    assert (len(calibration.slowdowns[0].trials), calibration.incomplete) == (1, 2)
    nothing = summarize_calibration(*made_up((0.0, [1.0]), stopped=False))
    assert (nothing.slowdowns, nothing.incomplete) == ((), 1)
    assert nothing.to_dict()["outside_share"] is None


def test_a_trial_of_one_process_replicate_has_no_interval_and_does_not_count() -> None:
    result = summarize_calibration(*made_up((0.5, [1.5])))
    assert (result.slowdowns, result.incomplete) == ((), 1)


def test_a_trial_in_which_a_copy_broke_does_not_count() -> None:
    description, rows = made_up((0.0, [1.0, 1.1]), (0.0, [1.0, 1.1]))
    rows.append({"session": 0, "kind": "failure", "question": "trial-001"})
    result = summarize_calibration(description, rows)
    assert (len(result.slowdowns[0].trials), result.incomplete) == (1, 1)


# From simulated runs


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    """Return the summary of forty A/A tests and twenty injected slowdowns, the last one of them cut short."""
    injected = [0.0] * 40 + [0.01] * 10 + [0.05] * 11
    run = calibration_run(injected, Machine({}, between_replicates=0.008, noise=student(0.005)), TIMING, cut=1)
    return summarize_calibration(*run)


def test_a_sound_measuring_has_few_false_positives_and_detects_large_slowdowns(calibration: Calibration) -> None:
    same = calibration.same
    assert same is not None
    false_positives = same.detected
    assert (len(same.trials), false_positives.n + same.covered.n) == (40, 40)
    assert false_positives.low <= 0.05 <= false_positives.high
    small, large = calibration.injected
    assert small.detected.n < large.detected.n == 10
    assert calibration.smallest_detected == 0.05
    assert all(slowdown.bias == pytest.approx(1, abs=0.005) for slowdown in calibration.slowdowns)
    assert calibration.incomplete == 1


def test_it_becomes_json(calibration: Calibration) -> None:
    written = json.loads(json.dumps(calibration.to_dict(), allow_nan=False))
    assert written["smallest_detected"] == 0.05
    assert [row["trials"] for row in written["slowdowns"]] == [40, 10, 10]
    assert written["slowdowns"][0]["detected"]["of"] == 40
    assert sum(written["slowdowns"][0]["reasons"].values()) == 40
    assert Calibration.from_dict(written) == calibration


# As it is shown


def test_the_sentences_say_the_numbers(calibration: Calibration) -> None:
    message = " ".join(calibration_sentences(calibration)).replace("\N{NO-BREAK SPACE}", " ")
    assert (
        "of 40 A/A tests of scratch-numpy have a 95 % CI that excludes 1. This agrees with the nominal 5 %." in message
    )
    assert "5 % in 10 of 10 trials, 100.0 % (95 % CI 69.2–100.0)" in message
    assert "The smallest slowdown detected in at least nine of ten trials is 5 %." in message
    assert "1 trial is incomplete and not counted." in message


def test_too_many_false_positives_are_called_so() -> None:
    alarming = summarize_calibration(*made_up(*[(0.0, [1.1, 1.1, 1.1001])] * 20))
    (sentence, *_) = calibration_sentences(alarming)
    assert "more than the nominal 5" in sentence
    assert not any("injected slowdown is detected" in sentence for sentence in calibration_sentences(alarming))


def test_where_nothing_is_detected_it_is_said() -> None:
    blind = summarize_calibration(*made_up(*[(0.01, [0.9, 1.0, 1.1])] * 3))
    assert "No injected slowdown is detected in nine of ten trials." in calibration_sentences(blind)
    assert draw_calibration(blind).title == "No slowdown detected"


def test_what_stands_beside_a_tick_is_where_it_is(calibration: Calibration) -> None:
    axes = draw_calibration(calibration).figure.axes[0]
    axes.set_ylim(0.99, 1.01)  # with a tick every 0.0025
    axes.figure.canvas.draw()
    labels = [float(label.get_text()) for label in axes.get_yticklabels()]
    assert labels == pytest.approx(axes.get_yticks().tolist(), abs=1e-9)


def test_the_table_has_a_row_per_slowdown(calibration: Calibration) -> None:
    table = calibration_table(calibration)
    assert [row[0].replace("\N{NO-BREAK SPACE}", " ") for row in table.rows] == ["none", "1 %", "5 %"]
    assert "1 incomplete trial" in table.note
    assert to_markdown(table).count("\n| ") == 5


@pytest.mark.parametrize("run", [made_up((0.0, [1.0])), made_up((0.0, [1.0]), stopped=False)])
def test_a_run_with_next_to_nothing_is_shown_all_the_same(
    run: tuple[dict[str, Any], list[Row]], tmp_path: Path
) -> None:
    calibration = summarize_calibration(*run)
    calibration_table(calibration)
    assert calibration_sentences(calibration)
    assert save(draw_calibration(calibration), tmp_path).png.exists()


@pytest.mark.slow
def test_the_figure_is_the_same_every_time_and_says_its_numbers(calibration: Calibration, tmp_path: Path) -> None:
    first, second = (save(draw_calibration(calibration), tmp_path / name) for name in ("first", "second"))
    assert first.png.read_bytes() == second.png.read_bytes()
    assert first.svg.read_bytes() == second.svg.read_bytes()
    assert re.fullmatch(r"\d of 40 A/A tests (are|is a) false positives?; 5\s% slowdown detected", first.title)
    assert "10 of 10 trials" in first.alt
