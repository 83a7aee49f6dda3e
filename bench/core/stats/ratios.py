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
    hierarchical_bootstrap,
    interval_over_sets,
    inverse,
)

SHARE_LIMITS = {"steal_s": 0.1, "waited_s": 0.05}
"""Share of a block's wall time from which on it counts as disturbed: steal time of the hypervisor, and time that the
process was ready to run and had no core."""
QUIET = 0.1
"""Quantile of an implementation's block times in a process replicate that counts as its time: the 10th percentile, p10.

A host can slow one implementation more than another for minutes. Interference only ever makes blocks longer, so the
lower end of the times is what repeats (Chen & Revels, Robust benchmarking in noisy environments, 2016, who take the
minimum). docs/method.md has the evidence.
"""
COUNT_LIMITS = {"major_faults": 0, "throttles": 0}
"""Events beyond which a block counts as disturbed: pages read from the disk, throttling of the processor."""


@dataclasses.dataclass(frozen=True)
class Ratio:
    """time(numerator) / time(denominator) per example, of blocks that were timed in the same rounds.

    Attributes
    ----------
    interval
        Ratio of 10th-percentile block times, over process replicates; ``n`` counts rounds.
    by_set
        The ratio within each process replicate.
    within_rounds
        Median per-round ratio, over process replicates: under interference.
    undisturbed
        As ``interval``, without the rounds in which either block was disturbed.
    totals
        Ratio of totals, over process replicates. It contains rare costs, which p10 does not.
    bootstrap
        The interval of an uncorrected hierarchical bootstrap, for comparison.
    """

    numerator: str
    denominator: str
    interval: Interval
    by_set: tuple[float, ...]
    within_rounds: Interval
    undisturbed: Interval
    totals: Interval
    bootstrap: Interval

    def flipped(self) -> Self:
        """Return the same ratio with numerator and denominator exchanged."""
        names = ("interval", "within_rounds", "undisturbed", "totals", "bootstrap")
        return dataclasses.replace(
            self,
            numerator=self.denominator,
            denominator=self.numerator,
            by_set=tuple(1 / value for value in self.by_set),
            **{name: inverse(getattr(self, name)) for name in names},
        )

    @property
    def n_replicates(self) -> int:
        """Process replicates behind it."""
        return len(self.by_set)


def is_disturbed(block: Block) -> bool:
    """Say whether a block was disturbed, by the fixed limits and never by how long it took.

    Counters that the system does not provide count as undisturbed.
    """
    shares = any((getattr(block, name) or 0) > limit * block.wall_s for name, limit in SHARE_LIMITS.items())
    return shares or any((getattr(block, name) or 0) > limit for name, limit in COUNT_LIMITS.items())


def group_by_set(rows: Iterable[Block]) -> list[list[Block]]:
    """Group rows by process replicate: same session, same set."""
    key = lambda row: (row.session, row.replicate)  # noqa: E731 (sorted and grouped by the same key)
    return [list(group) for _, group in itertools.groupby(sorted(rows, key=key), key)]


def seconds_per_example(block: TimedBlock) -> float:
    """Return the wall time of a block per example."""
    return block.wall_s / block.examples


Pair = tuple[Block, Block]


def pairs_by_set(blocks: Iterable[Block], numerator: str, denominator: str) -> list[list[Pair]]:
    """Return the blocks of two implementations that were timed in the same rounds, by process replicate.

    A replicate that was stopped early, with fewer than half the rounds of the longest one, is left out: its estimate is
    less precise than the others but would weigh as much.
    """
    replicates = []
    for rows in group_by_set(blocks):
        found = {(row.implementation, row.round): row for row in rows}
        rounds = sorted({row.round for row in rows})
        both = [(found.get((numerator, number)), found.get((denominator, number))) for number in rounds]
        replicates.append([(a, b) for a, b in both if a is not None and b is not None])
    return long_enough(replicates)


def long_enough(replicates: Sequence[list[Any]]) -> list[list[Any]]:
    """Leave out the replicates that were stopped early."""
    longest = max(map(len, replicates), default=0)
    return [found for found in replicates if found and 2 * len(found) >= longest]


def _ratios(replicates: Sequence[Sequence[Pair]]) -> list[list[float]]:
    return [[seconds_per_example(a) / seconds_per_example(b) for a, b in pairs] for pairs in replicates]


def quiet(times: Sequence[float]) -> float:
    """Return the 10th-percentile block time: the :data:`QUIET` quantile."""
    return float(np.quantile(times, QUIET))


def quiet_times(blocks: Iterable[Block], labels: Sequence[str]) -> dict[str, list[float]]:
    """Return the 10th-percentile block time in seconds per example, by label, a value per process replicate.

    Only rounds count in which all were timed. A replicate that was stopped early is left out, as in every ratio.
    """
    replicates = []
    for rows in group_by_set(blocks):
        timed = {(row.round, row.implementation): seconds_per_example(row) for row in rows}
        rounds = {number for number, _ in timed}
        whole = [number for number in sorted(rounds) if all((number, label) in timed for label in labels)]
        replicates.append([{label: timed[number, label] for label in labels} for number in whole])
    return {label: [quiet([times[label] for times in found]) for found in long_enough(replicates)] for label in labels}


def _quiet_ratios(replicates: Sequence[Sequence[Pair]]) -> list[float]:
    """Return the ratio of the 10th-percentile block times, by process replicate that has a round."""
    each = [
        [list(map(seconds_per_example, blocks)) for blocks in zip(*pairs, strict=True)] for pairs in replicates if pairs
    ]
    return [quiet(a) / quiet(b) for a, b in each]


def _quiet_interval(replicates: Sequence[Sequence[Pair]]) -> Interval:
    return dataclasses.replace(geometric_mean_interval(_quiet_ratios(replicates)), n=sum(map(len, replicates)))


def paired_interval(blocks: Sequence[Block], numerator: str, denominator: str) -> tuple[Interval, int]:
    """Return the time ratio of two implementations with its interval, and the number of process replicates."""
    replicates = pairs_by_set(blocks, numerator, denominator)
    return _quiet_interval(replicates), len(replicates)


def paired_ratio(blocks: Sequence[Block], numerator: str, denominator: str) -> Ratio:
    """Return the time ratio of two implementations by every statistic."""
    replicates = pairs_by_set(blocks, numerator, denominator)
    kept = [[pair for pair in pairs if not any(map(is_disturbed, pair))] for pairs in replicates]
    ratios = _ratios(replicates)
    return Ratio(
        numerator,
        denominator,
        interval=_quiet_interval(replicates),
        by_set=tuple(_quiet_ratios(replicates)),
        within_rounds=interval_over_sets(ratios),
        undisturbed=_quiet_interval(kept),
        totals=_ratio_of_totals(replicates),
        bootstrap=hierarchical_bootstrap(ratios),
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
    replicates = long_enough(group_by_set(blocks))
    found = geometric_mean_interval(
        [quiet([getattr(row, field) / row.examples for row in rows]) for rows in replicates]
    )
    return dataclasses.replace(found, n=sum(map(len, replicates)))


def joules_per_example(blocks: Iterable[Block]) -> Interval | None:
    """Return the energy per example over process replicates, from all blocks of a replicate, since meters are coarse.

    ``None`` where energy was not measured.
    """
    replicates = long_enough(group_by_set([row for row in blocks if row.energy_j is not None]))
    totals = [sum(row.energy_j or 0.0 for row in rows) / sum(row.examples for row in rows) for rows in replicates]
    return interval_over_sets([[total] for total in totals]) if totals and min(totals) > 0 else None


def spent_s(blocks: Iterable[Block]) -> float:
    """Return the time that the timing took so far, over all sessions, in seconds."""
    last: dict[int, float] = {}
    for row in blocks:
        last[row.session] = max(last.get(row.session, 0.0), row.at_s)
    return sum(last.values())
