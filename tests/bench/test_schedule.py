"""What is measured next, when it is enough, and what comes of the blocks: on made-up machines whose truth is known."""

import dataclasses
import itertools
import json
import math
from collections import Counter
from pathlib import Path

import pytest

from backprop_bench.bench.core.engine.plan import MIN_REPLICATES
from backprop_bench.bench.core.records.plan import Timing
from backprop_bench.bench.core.stats.intervals import Interval
from backprop_bench.bench.core.stats.schedule import balanced_orders, pairs, reason_to_stop
from tests.bench.plain import (
    Row,
    as_rows,
    paired_interval,
    paired_ratio,
    pairs_by_replicate,
    rows_of,
    spent_s,
    typed,
    under_interference,
)
from tests.bench.simulated import TIMING, Machine, measure, spikes, student

REPLAY = Path(__file__).with_name("replay.jsonl")
NARROW, WIDE = Interval(2.0, 1.99, 2.01, 60), Interval(2.0, 1.9, 2.1, 60)
NONE = Interval(2.0, math.nan, math.nan, 6)


# The orders within rounds


@pytest.mark.parametrize("n", range(1, 7))
def test_over_every_full_cycle_everyone_has_every_place_and_follows_everyone_else_equally_often(n: int) -> None:
    cycle = n if n % 2 == 0 else 2 * n
    orders = balanced_orders(n, (3, 1))
    for _ in range(5):
        rounds = list(itertools.islice(orders, cycle))
        assert all(sorted(order) == list(range(n)) for order in rounds)
        places = Counter((place, name) for order in rounds for place, name in enumerate(order))
        followers = Counter(pair for order in rounds for pair in itertools.pairwise(order))
        assert len(places) == n * n
        assert len(set(places.values())) == 1
        assert len(followers) == n * (n - 1)
        assert len(set(followers.values())) <= 1


def first_orders(*seed: int) -> list[list[int]]:
    return list(itertools.islice(balanced_orders(4, seed), 12))


def test_the_same_seed_gives_the_same_orders_and_another_one_others() -> None:
    assert first_orders(5, 0) == first_orders(5, 0)
    assert first_orders(5, 0) != first_orders(5, 1)
    assert first_orders(5, 0) != first_orders(6, 0)


# When it is enough


@pytest.mark.parametrize("ratio", [NARROW, Interval(1.0, 1.0, 1.0, 60)])
def test_nothing_is_precise_before_the_least_replicates(ratio: Interval) -> None:
    for n_replicates in range(1, TIMING.min_replicates):
        assert reason_to_stop(TIMING, [(ratio, n_replicates)], n_replicates, 9.0) is None
    assert reason_to_stop(TIMING, [(ratio, TIMING.min_replicates)], TIMING.min_replicates, 9.0) == "precise"


def test_the_sets_behind_the_ratio_with_the_fewest_count() -> None:
    assert reason_to_stop(TIMING, [(NARROW, 9), (NARROW, TIMING.min_replicates - 1)], 9, 9.0) is None


def test_every_ratio_must_be_precise() -> None:
    assert reason_to_stop(TIMING, [(NARROW, 9), (WIDE, 9)], 9, 9.0) is None
    assert reason_to_stop(TIMING, [(NARROW, 9), (NARROW, 9)], 9, 9.0) == "precise"


def test_exactly_at_the_target_is_precise() -> None:
    timing = dataclasses.replace(TIMING, target=2**-5)
    assert reason_to_stop(timing, [(Interval(2.0, 2 - 2**-4, 2 + 2**-4, 60), 9)], 9, 9.0) == "precise"
    assert reason_to_stop(timing, [(Interval(2.0, 2 - 2**-4, 2.0001 + 2**-4, 60), 9)], 9, 9.0) is None


def test_a_ratio_without_an_interval_is_never_precise() -> None:
    generous = dataclasses.replace(TIMING, target=0.999, min_replicates=1)
    for ratio in (NONE, Interval(math.nan, math.nan, math.nan, 0)):
        assert reason_to_stop(generous, [(ratio, 9)], 9, 9.0) is None


def test_the_budget_ends_it_before_a_set_that_would_not_fit() -> None:
    timing = dataclasses.replace(TIMING, budget_s=60.0)
    assert reason_to_stop(timing, [(WIDE, 5)], 5, 50.0) is None
    assert reason_to_stop(timing, [(WIDE, 5)], 5, 50.1) == "budget"
    assert reason_to_stop(timing, [(NONE, 1)], 1, 30.1) == "budget"
    assert reason_to_stop(timing, [(NONE, 0)], 0, 99.0) is None
    assert reason_to_stop(timing, [(NARROW, 5)], 5, 99.0) == "precise"
    assert reason_to_stop(timing, [(WIDE, 5)], 5, 50.1, 9.8) is None
    assert reason_to_stop(timing, [(WIDE, 5)], 5, 49.9, 10.2) == "budget"


def test_what_has_nothing_beside_it_ends_alone_after_the_least_replicates() -> None:
    assert reason_to_stop(TIMING, [], TIMING.min_replicates - 1, 9.0) is None
    assert reason_to_stop(TIMING, [], TIMING.min_replicates, 9.0) == "alone"


def test_every_two_are_compared_once_the_later_one_above() -> None:
    assert pairs("abc") == [("b", "a"), ("c", "a"), ("c", "b")]


# The rule of stopping and the interval together, on a machine whose truth is known


def test_a_quiet_machine_stops_at_once_a_noisy_one_later_a_hopeless_one_at_its_budget() -> None:
    def played(between_replicates: float, timing: Timing) -> Row:
        machine = Machine({"a": 1.0, "b": 1.3}, between_replicates, spikes(0.005, share=0.05, cost=1.0), slowdown=0.01)
        return measure(machine, timing, seed=2).rows[-1]

    quiet, noisy = played(0.0, TIMING), played(0.08, TIMING)
    hopeless = played(0.5, dataclasses.replace(TIMING, budget_s=20.0))
    assert (quiet["reason"], quiet["replicates"]) == ("precise", TIMING.min_replicates)
    assert noisy["reason"] == "precise"
    assert noisy["replicates"] > 2 * TIMING.min_replicates
    assert hopeless["reason"] == "budget"
    assert hopeless["spent_s"] <= 20.0


def timings(between_replicates: float, trials: int, timing: Timing = TIMING) -> list[tuple[bool, int]]:
    """Return of some timings whether the truth lay in their interval, and at how many replicates they stopped."""
    machine = Machine({"a": 1.0, "b": 1.3}, between_replicates, student(0.01))
    stopped = [measure(machine, timing, seed).ratios for seed in range(trials)]
    return [(interval.contains(1.3), n_replicates) for ((interval, n_replicates),) in stopped]


@pytest.mark.slow
@pytest.mark.parametrize(("between_replicates", "latest"), [(0.0, 6), (0.01, 8), (0.015, 10)])
def test_the_interval_at_the_stop_holds_the_truth_as_often_as_it_says(between_replicates: float, latest: int) -> None:
    held, stops = zip(*timings(between_replicates, trials=500), strict=True)
    assert min(stops) == TIMING.min_replicates
    assert max(stops) >= latest
    assert 0.93 <= sum(held) / len(held) <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("between_replicates", [0.0, 0.02])
def test_with_as_many_sets_as_the_suite_asks_for_it_does_so_too_where_sets_differ_as_much_as_the_target(
    between_replicates: float,
) -> None:
    held, stops = zip(
        *timings(between_replicates, 500, dataclasses.replace(TIMING, min_replicates=MIN_REPLICATES)), strict=True
    )
    assert min(stops) == MIN_REPLICATES
    assert 0.93 <= sum(held) / len(held) <= 0.97


@pytest.mark.slow
def test_where_sets_differ_by_more_than_the_target_an_early_stop_is_luck_and_costs_coverage() -> None:
    """Of 30,000 timings of replicates that differ by 3 %, 92.8 % hold the truth with 5 replicates at least, 94.2 % with
    8.

    Those that stop as soon as they may have replicates that lie close to each other by chance. Where replicates differ
    by 2 %, as much as the target, it is 94.1 % with 5 and 95.0 % with 8.
    """
    early = [held for held, n_replicates in timings(0.03, trials=250) if n_replicates == TIMING.min_replicates]
    assert len(early) > 20
    assert sum(early) / len(early) < 0.85


# From blocks to ratios


def block(implementation: str, set_number: int, round_number: int, wall_s: float = 1.0, **fields: float) -> Row:
    place = {"session": 0, "implementation": implementation, "replicate": set_number, "round": round_number}
    return {"kind": "block", **place, "examples": 10, "wall_s": wall_s, "at_s": 0.0, **fields}


def test_blocks_of_different_rounds_sets_and_sessions_are_never_divided_by_each_other() -> None:
    apart = [
        *(block("a", 0, 0), block("b", 0, 1)),
        *(block("a", 1, 0), block("b", 2, 0)),
        *(block("a", 3, 0), block("b", 3, 0, session=1)),
    ]
    assert pairs_by_replicate(apart, "a", "b") == []
    assert math.isnan(paired_ratio(apart, "a", "b").interval.estimate)
    together = [*apart, block("a", 4, 7, 3.0), block("b", 4, 7)]
    ratio = paired_ratio(together, "a", "b")
    assert ratio.interval.estimate == pytest.approx(3.0)
    assert (ratio.interval.n, ratio.n_replicates) == (1, 1)


def test_sets_of_different_sessions_are_different_sets_whatever_their_number() -> None:
    rows = [block(name, 0, number, session=session) for session in (0, 1) for number in (0, 1) for name in "ab"]
    assert paired_ratio(rows, "a", "b").by_replicate == (1.0, 1.0)


def test_a_time_is_divided_by_the_examples_of_its_own_block() -> None:
    rows = [block("a", 0, 0, 3.0, examples=30), block("b", 0, 0, 1.0, examples=20)]
    assert paired_ratio(rows, "a", "b").interval.estimate == pytest.approx(2.0)


@pytest.mark.parametrize(("rounds", "kept"), [(2, 2), (3, 3)])
def test_a_set_with_less_than_half_the_rounds_of_the_longest_is_left_out(rounds: int, kept: int) -> None:
    lengths = (6, 6, rounds)
    rows = [block(name, number, i) for number, length in enumerate(lengths) for i in range(length) for name in "ab"]
    assert paired_ratio(rows, "a", "b").n_replicates == kept


@pytest.mark.parametrize(
    ("fields", "interfered"),
    [
        ({}, False),
        ({"wall_s": 1000.0}, False),
        ({"steal_s": 0.1}, False),
        ({"steal_s": 0.11}, True),
        ({"steal_s": 0.11, "wall_s": 1.2}, False),
        ({"waited_s": 0.05}, False),
        ({"waited_s": 0.051}, True),
        ({"major_faults": 0}, False),
        ({"major_faults": 1}, True),
        ({"throttles": 1}, True),
        ({"minor_faults": 10**6, "voluntary_switches": 10**6, "involuntary_switches": 10**6}, False),
        ({"psi_cpu_some_us": 10**6}, False),
        ({"steal_s": None, "waited_s": None, "major_faults": None, "throttles": None}, False),
    ],
)
def test_a_block_is_under_interference_by_the_fixed_limits_and_never_by_its_time(fields: Row, interfered: bool) -> None:
    assert under_interference({**block("a", 0, 0), **fields}) == interfered


def test_the_ratio_is_that_of_the_blocks_with_the_least_interference_and_that_within_rounds_is_as_it_was() -> None:
    """A neighbour costs "b" as much again as its own time, in half of the rounds and a little more, and "a" nothing."""
    rows = [
        block(name, number, i, 2.0 if name == "b" and i % 2 == 0 else 1.0)
        for number in range(3)
        for i in range(11)
        for name in "ab"
    ]
    ratio = paired_ratio(rows, "b", "a")
    assert ratio.interval.estimate == 1.0
    assert ratio.median_per_round.estimate == pytest.approx(2.0)


def test_the_ratio_without_interference_leaves_out_rounds_in_which_either_was_under_interference() -> None:
    rows = [block(name, 0, number, 4.0 if number == 1 and name == "a" else 1.0) for number in range(3) for name in "ab"]
    rows[2]["waited_s"] = 3.0  # of the slow block
    rows[5]["major_faults"] = 1  # of the last "b"
    ratio = paired_ratio(rows, "a", "b")
    assert (ratio.interval.n, ratio.without_interference.n) == (3, 1)
    assert (ratio.interval.estimate, ratio.without_interference.estimate) == (1.0, 1.0)


def test_a_replicate_counts_without_its_rounds_under_interference_even_if_few_are_left() -> None:
    rows = [block(name, 0, number) for number in range(10) for name in "ab"]
    rows += [block(name, 1, number, 2.0 if name == "a" else 1.0) for number in range(10) for name in "ab"]
    rows += [block(name, 2, number, 9.0) for number in range(4) for name in "ab"]
    for row in rows[20:36]:  # eight of the ten rounds of the second set
        row["major_faults"] = 1
    ratio = paired_ratio(rows, "a", "b")
    assert ratio.interval.n == 20, "the third set was cut short"
    assert ratio.without_interference.n == 12
    assert ratio.without_interference.estimate == pytest.approx(ratio.interval.estimate)


def test_the_ratio_of_totals_sees_a_rare_cost_that_the_median_does_not() -> None:
    """Every tenth block of "b" takes three times as long: 1.2 times in all."""
    rows = [
        block(name, number, i, 3.0 if name == "b" and i == number else 1.0)
        for number in range(5)
        for i in range(10)
        for name in "ab"
    ]
    ratio = paired_ratio(rows, "b", "a")
    assert ratio.interval.estimate == 1.0
    assert ratio.totals.estimate == pytest.approx(1.2)


def test_a_common_slowdown_of_a_round_does_not_touch_the_ratio() -> None:
    machine = Machine({"a": 1.0, "b": 1.3}, noise=student(1e-5), slowdown=1.0)
    blocks = rows_of(measure(machine, TIMING, seed=0).rows, "block")
    assert paired_ratio(blocks, "b", "a").interval.estimate == pytest.approx(1.3, rel=1e-4)


def test_a_ratio_and_its_inverse_are_consistent() -> None:
    machine = Machine({"a": 1.0, "b": 1.3}, 0.02, spikes(0.01, 0.05, 1.0))
    blocks = rows_of(measure(machine, TIMING, seed=0).rows, "block")
    ratio, inverse = paired_ratio(blocks, "b", "a"), paired_ratio(blocks, "a", "b")
    for own, other in ((ratio.interval, inverse.interval), (ratio.totals, inverse.totals)):
        assert own.estimate == pytest.approx(1 / other.estimate)
        assert own.low == pytest.approx(1 / other.high)
        assert own.high == pytest.approx(1 / other.low)
    assert ratio.by_replicate == pytest.approx([1 / value for value in inverse.by_replicate], rel=1e-3)


def test_the_time_spent_is_that_of_all_sessions_together() -> None:
    rows = [block("a", 0, 0, at_s=2.0), block("a", 0, 1, at_s=5.0), block("a", 1, 0, at_s=1.5, session=1)]
    assert spent_s(rows) == 6.5
    assert spent_s([]) == 0.0


# A recorded run, replayed

REPLAYED = Timing(target=0.028, budget_s=60.0, block_s=0.05, rounds=8, min_replicates=5, order_seed=11)


@pytest.fixture(scope="module")
def replay() -> list[Row]:
    """Return the rows of a timing that `tests.bench.simulated` once made up: seven replicates of three
    implementations."""
    return [json.loads(line) for line in REPLAY.read_text().splitlines()]


def test_the_recorded_rows_are_records_as_they_are(replay: list[Row]) -> None:
    assert as_rows(typed(replay)) == replay


def test_a_recorded_timing_gives_the_same_numbers_as_ever(replay: list[Row]) -> None:
    ratio = paired_ratio(rows_of(replay, "block"), "torch-eager", "scratch-numpy")

    def numbers(interval: Interval) -> tuple[float, float, float, int]:
        return interval.estimate, interval.low, interval.high, interval.n

    assert numbers(ratio.interval) == pytest.approx((1.6257072974735245, 1.5810080455319107, 1.6716703147260024, 56))
    median_per_round = 1.6121102684134645, 1.582435473462804, 1.642341543214413, 56
    assert numbers(ratio.median_per_round) == pytest.approx(median_per_round)
    assert numbers(ratio.without_interference) == pytest.approx(
        (1.6241330310539077, 1.5834394219580075, 1.6658724457539165, 53)
    )
    assert numbers(ratio.totals) == pytest.approx((1.7180628825096458, 1.6119187588400385, 1.831196548876614, 56))
    assert ratio.by_replicate == pytest.approx(
        (
            *(1.5398252303499171, 1.679218513051104, 1.6032783171477332, 1.6501663582104857),
            *(1.6709921933397187, 1.6017728306063204, 1.6391015067008874),
        )
    )


def test_a_recorded_timing_stops_where_it_stopped(replay: list[Row]) -> None:
    blocks, stop = rows_of(replay, "block"), replay[-1]
    reasons = []
    for n_replicates in range(1, stop["replicates"] + 1):
        so_far = [row for row in blocks if row["replicate"] < n_replicates]
        compared = pairs(["scratch-numpy", "torch-eager", "torch-loader"])
        ratios = [paired_interval(so_far, *pair) for pair in compared]
        reasons.append(reason_to_stop(REPLAYED, ratios, n_replicates, spent_s(so_far)))
    assert reasons == [None] * 6 + ["precise"]
    assert spent_s(blocks) == stop["spent_s"] == 29.727361
