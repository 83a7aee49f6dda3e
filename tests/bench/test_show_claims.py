"""Sentences say what the numbers say, whichever way they came out."""

import re
from typing import Any

from backprop_bench.bench.compare import answer
from backprop_bench.bench.core.stats.intervals import Interval
from backprop_bench.bench.core.summary import QuestionSummary, Summary
from backprop_bench.bench.report.numbers import number_interval
from tests.bench.plain import summarize
from tests.bench.recorded import FOURTEEN, recorded_run

PAIR = ("scratch-numpy", "torch-eager")


def summary_of(*arguments: Any, **knobs: Any) -> Summary:
    return summarize(*recorded_run(*arguments, **knobs))


def same_recipe(*arguments: Any, **knobs: Any) -> QuestionSummary:
    return summary_of(*arguments, **knobs).questions[1]


def test_the_headline_turns_round_when_the_times_do() -> None:
    slower = answer.headline(same_recipe(PAIR, epoch_s={"scratch-numpy": 4.0, "torch-eager": 1.0}))
    faster = answer.headline(same_recipe(PAIR, epoch_s={"scratch-numpy": 1.0, "torch-eager": 4.0}))
    assert re.match(
        r"torch-eager is (4\.\d+|3\.9\d*)× faster per epoch than scratch-numpy \(95.% CI 3\.92–4\.21\)\.", slower
    )
    assert re.match(r"scratch-numpy is (4\.\d+|3\.9\d*)× faster per epoch than torch-eager \(95.% CI", faster)


def test_times_within_the_interval_of_one_are_not_told_apart() -> None:
    question = same_recipe(PAIR, epoch_s={"scratch-numpy": 1.0, "torch-eager": 1.0})
    interval = answer.time_ratio(question, *PAIR)
    assert interval is not None
    assert interval.low < 1 < interval.high
    assert answer.headline(question).startswith(
        "no significant difference in time per epoch between scratch-numpy and torch-eager"
    )


def test_a_ratio_is_the_same_whichever_way_round_it_was_computed() -> None:
    question = same_recipe(PAIR)
    one, other = answer.time_ratio(question, *PAIR), answer.time_ratio(question, *reversed(PAIR))
    assert one is not None
    assert other is not None
    assert one.low <= one.estimate <= one.high
    assert number_interval(Interval(1 / other.estimate, 1 / other.high, 1 / other.low, other.n)) == number_interval(one)


def test_accuracies_agree_only_where_their_intervals_overlap() -> None:
    equal = answer.headline(same_recipe(PAIR))
    better = answer.headline(same_recipe(PAIR, accuracy={"scratch-numpy": 0.93}))
    worse = answer.headline(same_recipe(PAIR, accuracy={"torch-eager": 0.93}))
    assert ". Accuracies agree, 97." in equal
    assert "torch-eager is more accurate" in better
    assert "scratch-numpy is more accurate" in worse
    assert "agree" not in better + worse


def test_accuracies_with_intervals_that_overlap_with_anything_do_not_agree() -> None:
    sentence = answer.headline(same_recipe(PAIR, diverged=("torch-eager", 1)))
    assert "Accuracies show no significant difference, " in sentence
    assert "agree" not in sentence


def test_one_seed_gives_no_claim_of_agreement() -> None:
    sentence = answer.headline(same_recipe(PAIR, seeds=(0,)))
    assert "too few seeds" in sentence
    assert "agree" not in sentence


def test_accuracies_of_different_epochs_are_not_compared() -> None:
    description, rows = recorded_run(PAIR)
    late = {"kind": "epoch", "question": "same-recipe", "implementation": "torch-eager"}
    rows = [row for row in rows if not (late.items() <= row.items() and row["epoch"] == 5)]
    assert "different epochs, 5 and 4" in answer.headline(summarize(description, rows).questions[1])


def test_the_fastest_from_scratch_is_compared_with_the_fastest_in_pytorch() -> None:
    question = same_recipe(FOURTEEN)
    pair = answer.compared_pair(question)
    assert pair is not None
    assert [item.implementation for item in pair] == ["scratch-compiled", "torch-cuda-graph"]
    assert "scratch-compiled (the fastest of 5 from scratch" in answer.headline(question)
    assert "torch-cuda-graph (the fastest of the 5 PyTorch versions compared here" in answer.headline(question)


def test_peers_alone_are_compared_from_the_slowest_to_the_fastest() -> None:
    assert answer.headline(same_recipe(("jax", "sklearn"))).startswith("jax is 1.68× faster per epoch than sklearn")


def test_a_question_with_one_implementation_compares_nothing() -> None:
    sentence = answer.headline(same_recipe(PAIR, failures={"torch-eager": "no torch"}))
    assert "Nothing else was timed" in sentence


def test_a_question_without_measurements_says_so() -> None:
    only_initial_weights = summary_of(PAIR, keep_rows=5).questions[0]
    assert only_initial_weights.performances
    for question in (only_initial_weights, same_recipe(PAIR, keep_rows=0), same_recipe(PAIR, n_replicates=0)):
        assert answer.headline(question) == "Nothing was timed"


def test_what_was_timed_but_not_trained_has_no_accuracy() -> None:
    description, rows = recorded_run(PAIR)
    rows = [row for row in rows if not (row["kind"] == "epoch" and row["implementation"] == "torch-eager")]
    assert answer.headline(summarize(description, rows).questions[1]).endswith(
        "No accuracy of torch-eager was measured"
    )


def test_one_process_replicate_gives_a_ratio_without_an_interval_that_says_so() -> None:
    sentence = answer.headline(same_recipe(PAIR, n_replicates=1))
    assert re.match(r"scratch-numpy is \d\.\d+× faster per epoch than torch-eager \(one process replicate, ", sentence)


def test_verification_is_claimed_only_when_every_check_passed() -> None:
    passed = answer.verification_sentence(summary_of())
    assert re.match(r"Verified: each of 12 checks passed; the largest error is 17.% of its tolerance \(", passed)
    failed = answer.verification_sentence(summary_of(parity_failure="torch-eager"))
    assert failed == "Not verified: 2 of 12 checks failed (torch-eager)"
    assert answer.verification_sentence(summary_of(with_parity=False)) == "Not verified: no check was recorded"


def test_a_whole_run_gives_no_warning() -> None:
    assert answer.warnings(summary_of()) == []


def test_what_is_missing_failed_or_diverged_is_said_first() -> None:
    message = answer.warnings(
        summary_of(
            keep_rows=240,
            failures={"torch-eager": "no torch."},
            parity_failure="torch-loader",
            diverged=("scratch-numpy", 0),
        )
    )
    for words in (
        "incomplete",
        "torch-eager failed (verification): no torch.",
        "Not verified: 4 of 12 checks failed (torch-loader)",
        "scratch-numpy diverged",
    ):
        assert sum(words in sentence for sentence in message) >= 1, (words, message)


def test_a_failure_says_in_which_training_or_process_replicate_it_was() -> None:
    description, rows = recorded_run(PAIR)
    failure = {"kind": "failure", "session": 0, "question": "same-recipe", "implementation": "torch-eager"}
    rows += [failure | {"phase": phase, "number": 3, "message": "out of memory"} for phase in ("training", "timing")]
    message = " ".join(answer.warnings(summarize(description, rows)))
    assert "torch-eager failed (training, seed 3): out of memory." in message
    assert "torch-eager failed (timing, process replicate 3): out of memory." in message


def test_a_slowdown_on_purpose_is_said_first() -> None:
    description, rows = recorded_run(PAIR)
    description["plan"]["questions"][1]["entries"][2]["injected"] = 0.05
    (message,) = answer.warnings(summarize(description, rows))
    assert "scratch-numpy (A/A) has an injected slowdown of 5.0 %" in message.replace("\N{NO-BREAK SPACE}", " ")


def test_an_aa_test_that_leaves_out_one_warns_and_says_how_often_that_is_chance() -> None:
    (message,) = answer.warnings(summary_of(PAIR, self_test_ratio=1.2))
    assert "A/A test, scratch-numpy against itself: ratio 1." in message
    assert "the interval does not include 1" in message
    assert "One run in twenty" in message
