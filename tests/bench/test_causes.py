"""What makes the gaps in time and accuracy: known numbers come out, add up, and are missing where a step is."""

import dataclasses
import functools
import itertools
import math
import statistics

import pytest

from backprop_bench.bench.compare.answer import time_ratio
from backprop_bench.bench.compare.causes import AccuracyCauses, accuracy_causes, gaps_by_epoch, time_steps
from backprop_bench.bench.core.records.kinds import Epoch
from backprop_bench.bench.core.summary import QuestionSummary, summarize
from tests.bench.whole import ACCURACY, EXAMPLE_S, whole_run, whole_summary

PUBLISHED = EXAMPLE_S["as-published"]
EXAMPLES, EPOCHS, SEEDS = 60_000, 5, 4
NOISE = 6e-4
"""Twice the standard deviation of what `tests.bench.whole` adds to an accuracy at random."""


@functools.cache
def published() -> QuestionSummary:
    return whole_summary().questions[0]


def causes(question: QuestionSummary) -> AccuracyCauses:
    result = accuracy_causes(question)
    assert result is not None
    return result


def test_the_steps_in_time_are_those_of_the_plan_in_its_order_with_the_known_factors() -> None:
    steps = time_steps(published())
    assert steps is not None
    assert [step.label for step in steps] == list(PUBLISHED)[1:]
    times = list(PUBLISHED.values())
    expected = [before / after for before, after in itertools.pairwise(times)]
    assert [step.speed_up.estimate for step in steps] == pytest.approx(expected)
    assert [step.wall_s for step in steps] == pytest.approx([EXAMPLES * time for time in times[1:]])
    assert {step.replicates for step in steps} == {8}


def test_the_steps_in_time_multiply_to_the_whole_ratio() -> None:
    steps = time_steps(published())
    whole = time_ratio(published(), "scratch-numpy", "torch-loader")
    assert steps is not None
    assert whole is not None
    assert math.prod(step.speed_up.estimate for step in steps) == pytest.approx(whole.estimate)
    assert whole.estimate == pytest.approx(15)


@pytest.mark.parametrize("label", PUBLISHED)
def test_there_are_no_steps_in_time_where_one_was_not_timed(label: str) -> None:
    assert time_steps(whole_summary(without=[label]).questions[0]) is None


def test_there_are_no_causes_where_the_plan_names_no_pair() -> None:
    without = dataclasses.replace(published(), pair=None)
    assert time_steps(without) is None
    assert accuracy_causes(without) is None


def test_the_causes_of_the_accuracy_are_the_known_numbers_and_add_up_to_the_gap() -> None:
    found = causes(published())
    from_scratch, batches = ACCURACY["scratch-numpy"], ACCURACY["mini-batches, float32"]
    loss, both, torch = (ACCURACY[name] for name in ("cross-entropy", "cross-entropy, mini-batches", "torch-loader"))
    expected = {
        "loss_alone": loss - from_scratch,
        "loss_in_batches": both - batches,
        "batches_alone": batches - from_scratch,
        "batches_with_loss": both - loss,
        "both": both - from_scratch,
        "loss": (loss - from_scratch + both - batches) / 2,
        "batches": (batches - from_scratch + both - loss) / 2,
        "rest": torch - both,
        "gap": torch - from_scratch,
    }
    for name, value in expected.items():
        interval = getattr(found, name)
        assert interval.estimate == pytest.approx(value, abs=NOISE), name
        assert interval.low < interval.estimate < interval.high, name
        assert interval.n == SEEDS
    parts = found.loss.estimate + found.batches.estimate + found.rest.estimate
    assert parts == pytest.approx(found.gap.estimate)
    assert found.both.estimate + found.rest.estimate == pytest.approx(found.gap.estimate)
    of = {"scratch-numpy": from_scratch, "cross-entropy": loss, "mini-batches, float32": batches}
    of |= {"cross-entropy, mini-batches": both, "torch-loader": torch}
    assert list(found.reached) == list(of)
    for label, value in of.items():
        assert found.reached[label].estimate == pytest.approx(value, abs=NOISE), label
        assert found.reached[label].low < found.reached[label].high


@pytest.mark.parametrize(
    "label",
    ["scratch-numpy", "torch-loader", "mini-batches, float32", "cross-entropy", "cross-entropy, mini-batches"],
)
def test_there_are_no_causes_of_the_accuracy_where_one_was_not_trained(label: str) -> None:
    assert accuracy_causes(whole_summary(without=[label]).questions[0]) is None


@pytest.mark.parametrize("label", ["mini-batches", "PyTorch's recipe", "all at once"])
def test_what_is_not_one_of_the_causes_may_be_missing(label: str) -> None:
    assert accuracy_causes(whole_summary(without=[label]).questions[0]) == causes(published())


def test_causes_are_paired_by_the_seeds_that_all_were_trained_from() -> None:
    run = whole_run()
    lost = {("cross-entropy", 1), ("torch-loader", 3)}
    rows = [
        row
        for row in run.rows
        if not isinstance(row, Epoch) or (row.implementation, row.seed) not in lost or row.question != "as-published"
    ]
    question = summarize(run.description, rows).questions[0]
    found = causes(question)
    assert found.gap.n == found.loss.n == 2
    of = question.accuracies
    differences = [of["torch-loader"][seed][EPOCHS] - of["scratch-numpy"][seed][EPOCHS] for seed in (0, 2)]
    assert found.gap.estimate == pytest.approx(statistics.mean(differences))


def test_one_seed_gives_estimates_without_intervals() -> None:
    found = causes(whole_summary(seeds=1).questions[0])
    assert found.loss.n == 1
    assert math.isnan(found.loss.low)
    assert found.loss.estimate + found.batches.estimate + found.rest.estimate == pytest.approx(found.gap.estimate)


def test_the_gap_after_every_epoch_is_pytorchs_minus_the_other() -> None:
    gaps = gaps_by_epoch(published())
    assert list(gaps) == list(range(1, EPOCHS + 1))
    known = ACCURACY["torch-loader"] - ACCURACY["scratch-numpy"]
    assert [gap.estimate for gap in gaps.values()] == pytest.approx([known] * EPOCHS, abs=NOISE)
    assert gaps[EPOCHS] == causes(published()).gap
    assert gaps_by_epoch(whole_summary(without=["torch-loader"]).questions[0]) == {}


def test_a_run_whose_plan_names_no_pair_has_the_gaps_of_the_two_that_were_compared() -> None:
    question = published()
    pair = [item for item in question.performances if item.implementation in ("scratch-numpy", "torch-loader")]
    older = dataclasses.replace(question, pair=None, performances=tuple(pair))
    assert gaps_by_epoch(older) == gaps_by_epoch(question)
