"""From timed blocks to time ratios with confidence intervals. Pure functions of the records."""

import dataclasses
import itertools
from collections.abc import Iterable, Sequence
from typing import Any, Literal, Self

import numpy as np

from backprop_bench.bench.core.records.kinds import Block, TimedBlock
from backprop_bench.bench.core.stats.intervals import (
    Interval,
    geometric_mean_interval,
    interval_over_replicates,
    inverse,
)

SHARE_LIMITS = {"steal_s": 0.1, "waited_s": 0.05}
"""Share of a block's wall time above which it counts as under interference: steal time of the hypervisor, and time that
the process was ready to run and had no core."""
P10 = 0.1
"""Quantile of the block times of a process replicate that is the time of an implementation: the 10th percentile.

A host can slow one implementation more than another for minutes. Interference only ever makes blocks longer, so the
lower end of the times is what repeats (Chen & Revels, Robust benchmarking in noisy environments, 2016, who take the
minimum). docs/method.md has the evidence.
"""
COUNT_LIMITS = {"major_faults": 0, "throttles": 0}
"""Events above which a block counts as under interference: pages read from the disk, throttling of the processor."""


@dataclasses.dataclass(frozen=True)
class Ratio:
    """time(numerator) / time(denominator) per example, of blocks that were timed in the same rounds.

    Attributes
    ----------
    interval
        Ratio of 10th-percentile block times, over process replicates; ``n`` counts rounds.
    by_replicate
        The ratio within each process replicate.
    median_per_round
        Median per-round ratio, over process replicates.
    without_interference
        As ``interval``, without the rounds in which either block was under interference.
    totals
        Ratio of totals, over process replicates. It contains rare costs, which p10 does not.
    """

    numerator: str
    denominator: str
    interval: Interval
    by_replicate: tuple[float, ...]
    median_per_round: Interval
    without_interference: Interval
    totals: Interval

    def flipped(self) -> Self:
        """Return the same ratio with numerator and denominator exchanged."""
        names = ("interval", "median_per_round", "without_interference", "totals")
        return dataclasses.replace(
            self,
            numerator=self.denominator,
            denominator=self.numerator,
            by_replicate=tuple(1 / value for value in self.by_replicate),
            **{name: inverse(getattr(self, name)) for name in names},
        )

    @property
    def n_replicates(self) -> int:
        """Number of process replicates."""
        return len(self.by_replicate)


def under_interference(block: Block) -> bool:
    """Say whether a block was under interference, by fixed limits and never by how long it took.

    Counters that the system does not provide count as 0.
    """
    shares = any((getattr(block, name) or 0) > limit * block.wall_s for name, limit in SHARE_LIMITS.items())
    return shares or any((getattr(block, name) or 0) > limit for name, limit in COUNT_LIMITS.items())


def group_by_replicate(rows: Iterable[Block]) -> list[list[Block]]:
    """Group rows by process replicate: same session, same replicate."""
    key = lambda row: (row.session, row.replicate)  # noqa: E731 (sorted and grouped by the same key)
    return [list(group) for _, group in itertools.groupby(sorted(rows, key=key), key)]


def seconds_per_example(block: TimedBlock) -> float:
    """Return the wall time of a block per example."""
    return block.wall_s / block.examples


Pair = tuple[Block, Block]


def pairs_by_replicate(blocks: Iterable[Block], numerator: str, denominator: str) -> list[list[Pair]]:
    """Return the blocks of two implementations that were timed in the same rounds, by process replicate.

    A replicate that was stopped early, with fewer than half the rounds of the longest one, is left out: its estimate is
    less precise than the others but would weigh as much.
    """
    replicates = []
    for rows in group_by_replicate(blocks):
        timed = {(row.implementation, row.round): row for row in rows}
        rounds = sorted({row.round for row in rows})
        both = [(timed.get((numerator, number)), timed.get((denominator, number))) for number in rounds]
        replicates.append([(a, b) for a, b in both if a is not None and b is not None])
    return long_enough(replicates)


def long_enough(replicates: Sequence[list[Any]]) -> list[list[Any]]:
    """Leave out the replicates that were stopped early."""
    longest = max(map(len, replicates), default=0)
    return [replicate for replicate in replicates if replicate and 2 * len(replicate) >= longest]


def _ratios(replicates: Sequence[Sequence[Pair]]) -> list[list[float]]:
    return [[seconds_per_example(a) / seconds_per_example(b) for a, b in pairs] for pairs in replicates]


def p10(times: Sequence[float]) -> float:
    """Return the 10th-percentile block time: the :data:`P10` quantile."""
    return float(np.quantile(times, P10))


def p10_times(blocks: Iterable[Block], labels: Sequence[str]) -> dict[str, list[float]]:
    """Return the 10th-percentile block time in seconds per example, by label, a value per process replicate.

    Only rounds count in which all were timed. A replicate that was stopped early is left out, as in every ratio.
    """
    replicates = []
    for rows in group_by_replicate(blocks):
        timed = {(row.round, row.implementation): seconds_per_example(row) for row in rows}
        numbers = {number for number, _ in timed}
        whole = [number for number in sorted(numbers) if all((number, label) in timed for label in labels)]
        replicates.append([{label: timed[number, label] for label in labels} for number in whole])
    return {label: [p10([times[label] for times in rounds]) for rounds in long_enough(replicates)] for label in labels}


def _p10_ratios(replicates: Sequence[Sequence[Pair]]) -> list[float]:
    """Return the ratio of the 10th-percentile block times, by process replicate that has a round."""
    each = [
        [list(map(seconds_per_example, blocks)) for blocks in zip(*pairs, strict=True)] for pairs in replicates if pairs
    ]
    return [p10(a) / p10(b) for a, b in each]


def p10_ratios(blocks: Iterable[Block], numerator: str, denominator: str) -> list[float]:
    """Return time(numerator) / time(denominator) by process replicate, of the rounds that both were timed in."""
    return _p10_ratios(pairs_by_replicate(blocks, numerator, denominator))


def _p10_interval(replicates: Sequence[Sequence[Pair]]) -> Interval:
    return dataclasses.replace(geometric_mean_interval(_p10_ratios(replicates)), n=sum(map(len, replicates)))


def paired_interval(blocks: Sequence[Block], numerator: str, denominator: str) -> tuple[Interval, int]:
    """Return the time ratio of two implementations with its interval, and the number of process replicates."""
    replicates = pairs_by_replicate(blocks, numerator, denominator)
    return _p10_interval(replicates), len(replicates)


def paired_ratio(blocks: Sequence[Block], numerator: str, denominator: str) -> Ratio:
    """Return the time ratio of two implementations by every statistic."""
    replicates = pairs_by_replicate(blocks, numerator, denominator)
    kept = [[pair for pair in pairs if not any(map(under_interference, pair))] for pairs in replicates]
    return Ratio(
        numerator,
        denominator,
        interval=_p10_interval(replicates),
        by_replicate=tuple(_p10_ratios(replicates)),
        median_per_round=interval_over_replicates(_ratios(replicates)),
        without_interference=_p10_interval(kept),
        totals=_ratio_of_totals(replicates),
    )


def _ratio_of_totals(replicates: Sequence[Sequence[Pair]]) -> Interval:
    totals = [
        sum(seconds_per_example(a) for a, _ in pairs) / sum(seconds_per_example(b) for _, b in pairs)
        for pairs in replicates
    ]
    interval = geometric_mean_interval(totals)
    return dataclasses.replace(interval, n=sum(map(len, replicates)))


def per_example_interval(blocks: Iterable[Block], field: Literal["wall_s", "cpu_s"]) -> Interval:
    """Return the 10th percentile of ``wall_s`` or ``cpu_s`` of blocks per example, over process replicates."""
    replicates = long_enough(group_by_replicate(blocks))
    interval = geometric_mean_interval(
        [p10([getattr(row, field) / row.examples for row in rows]) for rows in replicates]
    )
    return dataclasses.replace(interval, n=sum(map(len, replicates)))


def joules_per_example(blocks: Iterable[Block]) -> Interval | None:
    """Return the energy per example over process replicates, from all blocks of a replicate, since meters are coarse.

    ``None`` where energy was not measured.
    """
    replicates = long_enough(group_by_replicate([row for row in blocks if row.energy_j is not None]))
    totals = [sum(row.energy_j or 0.0 for row in rows) / sum(row.examples for row in rows) for rows in replicates]
    return interval_over_replicates([[total] for total in totals]) if totals and min(totals) > 0 else None


def spent_s(blocks: Iterable[Block]) -> float:
    """Return the time that the timing took so far, over all sessions, in seconds."""
    last: dict[int, float] = {}
    for row in blocks:
        last[row.session] = max(last.get(row.session, 0.0), row.at_s)
    return sum(last.values())
