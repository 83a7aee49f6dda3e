"""A/A tests and injected slowdowns: false-positive rate, detection and coverage. Pure functions."""

import dataclasses
import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self

from scipy import stats

from backprop_bench.bench.core.records.kinds import AnyRecord, Block, Failure, Stop
from backprop_bench.bench.core.records.plan import Description, Question
from backprop_bench.bench.core.records.reader import of_kind
from backprop_bench.bench.core.stats.intervals import (
    LEVEL,
    Interval,
    finite,
    geometric_mean_interval,
    interval_from_dict,
    interval_to_dict,
    mean_interval,
    relative_half_width,
    shifted,
)
from backprop_bench.bench.core.stats.ratios import Ratio, paired_ratio, seconds_per_example
from backprop_bench.data import InputError

FURTHER = ("later_wall_s", "single_wall_s")
"""Further stretches of a turn, where block-switching overhead is measured."""
ENOUGH = 0.9
"""Share of trials from which on a slowdown counts as detected."""


@dataclasses.dataclass(frozen=True)
class Share:
    """Share of some trials, with its Clopper–Pearson 95 % confidence interval.

    Attributes
    ----------
    n, of
        Number of these trials, and of all.
    low, high
        Ends of the interval, from 0 to 1.
    """

    n: int
    of: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """Their share, NaN of no trials."""
        return self.n / self.of if self.of else math.nan


def share_of(verdicts: Iterable[bool]) -> Share:
    """Count the verdicts that are true; of no verdicts the interval is all there is, 0 to 1."""
    each = list(verdicts)
    n, of = sum(each), len(each)
    if not of:
        return Share(0, 0, 0.0, 1.0)
    low, high = stats.binomtest(n, of).proportion_ci(LEVEL, method="exact")
    return Share(n, of, float(low), float(high))


@dataclasses.dataclass(frozen=True)
class Trial:
    """One timing of an implementation against a copy of itself: an A/A test, or one with an injected slowdown.

    Attributes
    ----------
    name
        Of the question in the records.
    injected
        Injected slowdown of the copy, as a share of its own time; 0 in an A/A test.
    overhead
        Whether block-switching overhead was measured.
    turn_by_process, call_by_process
        There, by process: the values of :attr:`Overhead.turn` and :attr:`Overhead.call`.
    ratio
        time(copy) / time(original).
    reason, replicates, spent_s
        Why the timing stopped, after how many process replicates and seconds.
    worked_s
        Seconds of `spent_s` within timed blocks.
    """

    name: str
    injected: float
    overhead: bool
    turn_by_process: tuple[float, ...]
    call_by_process: tuple[float, ...]
    ratio: Ratio
    reason: str
    replicates: int
    spent_s: float
    worked_s: float


@dataclasses.dataclass(frozen=True)
class Slowdown:
    """The trials of one injected slowdown.

    Attributes
    ----------
    injected
        The slowdown: the true ratio is 1 more. 0 for A/A tests.
    trials
        All that are complete.
    """

    injected: float
    trials: tuple[Trial, ...]

    @property
    def intervals(self) -> list[Interval]:
        """The intervals of the trials."""
        return [trial.ratio.interval for trial in self.trials]

    @property
    def detected(self) -> Share:
        """Intervals above 1, which detect the slowdown; in A/A tests intervals that exclude 1, false positives."""
        return share_of(interval.low > 1 or (interval.high < 1 and not self.injected) for interval in self.intervals)

    @property
    def covered(self) -> Share:
        """Intervals that contain the true ratio."""
        return share_of(interval.contains(1 + self.injected) for interval in self.intervals)

    @property
    def half_width(self) -> float:
        """Median half-width of the intervals, as a share of their estimates."""
        return statistics.median(map(relative_half_width, self.intervals))

    @property
    def bias(self) -> float:
        """Mean of the estimates, divided by the true ratio: 1 without bias."""
        return statistics.fmean(interval.estimate for interval in self.intervals) / (1 + self.injected)

    @property
    def median_s(self) -> float:
        """Median seconds of a trial."""
        return statistics.median(trial.spent_s for trial in self.trials)

    @property
    def longest_s(self) -> float:
        """Seconds of the longest trial."""
        return max(trial.spent_s for trial in self.trials)

    @property
    def reasons(self) -> dict[str, int]:
        """How many trials stopped for which reason, the most frequent one first."""
        return dict(Counter(trial.reason for trial in self.trials).most_common())

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "injected": self.injected,
            "trials": len(self.trials),
            "detected": _share_dict(self.detected),
            "covered": _share_dict(self.covered),
            "median_relative_half_width": finite(self.half_width),
            "mean_estimate_to_truth": finite(self.bias),
            "median_s": self.median_s,
            "longest_s": self.longest_s,
            "reasons": self.reasons,
        }


@dataclasses.dataclass(frozen=True)
class Overhead:
    """The trials in which block-switching overhead was measured.

    A block is compared with another one of the same turn, and that with as many batches in a call each: stretches of
    equal length. Medians of stretches of different length differ for that alone: a short one is seldom interrupted, but
    an interruption is then a larger share of it.

    Attributes
    ----------
    trials
        All that are complete.
    """

    trials: tuple[Trial, ...]

    @property
    def n_processes(self) -> int:
        """Processes of all trials together."""
        return sum(len(trial.turn_by_process) for trial in self.trials)

    @property
    def turn(self) -> Interval:
        """Overhead of a turn after warm-up, as a share of the time of a block.

        Median over rounds by process of the time of a block by that of the later one. Without overhead the two can be
        exchanged, the logarithms of their ratios are symmetric about 0, and the median is unbiased.
        """
        ratio = geometric_mean_interval([value for trial in self.trials for value in trial.turn_by_process])
        return shifted(ratio, -1)

    @property
    def call(self) -> Interval:
        """Overhead of the one call of a block, as a share of its time: a share of the cost of a call per batch."""
        return mean_interval([value for trial in self.trials for value in trial.call_by_process])

    @property
    def cost(self) -> Interval:
        """Block-switching overhead, as a share of the time without: of the turn and of the call together."""
        pairs = [
            pair for trial in self.trials for pair in zip(trial.turn_by_process, trial.call_by_process, strict=True)
        ]
        return shifted(geometric_mean_interval([turn * (1 + call) for turn, call in pairs]), -1)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "trials": len(self.trials),
            "processes": self.n_processes,
            "turn": interval_to_dict(self.turn),
            "call": interval_to_dict(self.call),
            "cost": interval_to_dict(self.cost),
        }


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Outcome of the trials of one implementation against itself.

    Attributes
    ----------
    implementation
        What was compared with itself.
    target, budget_s
        Of every trial, as of a question.
    at_once
        Trials in parallel, each on its own cores.
    slowdowns
        By injected slowdown, the smallest first; the first one is 0 where there are A/A tests.
    overhead
        The trials in which block-switching overhead was measured; ``None`` where there are none.
    block_s
        About how long a block took in these, seconds.
    incomplete
        Planned trials that did not finish; they are not counted.
    """

    implementation: str
    target: float
    budget_s: float
    at_once: int
    slowdowns: tuple[Slowdown, ...]
    overhead: Overhead | None
    block_s: float
    incomplete: int

    @property
    def same(self) -> Slowdown | None:
        """The A/A tests."""
        return next((slowdown for slowdown in self.slowdowns if slowdown.injected == 0), None)

    @property
    def injected(self) -> list[Slowdown]:
        """The trials of slowed copies, by slowdown."""
        return [slowdown for slowdown in self.slowdowns if slowdown.injected]

    @property
    def smallest_detected(self) -> float | None:
        """The smallest injected slowdown that at least nine of ten trials detect; ``None`` where there is none."""
        return next((item.injected for item in self.injected if item.detected.share >= ENOUGH), None)

    @property
    def trials(self) -> list[Trial]:
        """All complete ones."""
        slowed = [trial for slowdown in self.slowdowns for trial in slowdown.trials]
        return [*slowed, *(self.overhead.trials if self.overhead else ())]

    @property
    def outside_share(self) -> float:
        """Share of the time outside timed blocks: process starts, block switching and warm-up."""
        trials = self.trials
        spent = sum(trial.spent_s for trial in trials)
        return 1 - sum(trial.worked_s for trial in trials) / spent if spent else math.nan

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "implementation": self.implementation,
            "target": self.target,
            "budget_s": self.budget_s,
            "at_once": self.at_once,
            "smallest_detected": self.smallest_detected,
            "outside_share": finite(self.outside_share),
            "incomplete": self.incomplete,
            "slowdowns": [slowdown.to_dict() for slowdown in self.slowdowns],
            "overhead": None if self.overhead is None else self.overhead.to_dict(),
            "block_s": self.block_s,
            "trials": [_trial_dict(trial) for trial in self.trials],
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Read what :meth:`to_dict` returned; everything is computed again from its trials."""
        trials = [_read_trial_dict(trial) for trial in values["trials"]]
        return cls(
            values["implementation"],
            values["target"],
            values["budget_s"],
            values["at_once"],
            _by_slowdown(trials),
            _overhead_of(trials),
            values["block_s"],
            values["incomplete"],
        )


def summarize_calibration(description: Description, rows: Sequence[AnyRecord]) -> Calibration:
    """Compute the outcome of a run of trials.

    Parameters
    ----------
    description, rows
        Of a run whose every question is a trial with two entries of one implementation: the original, and a copy slowed
        down by ``injected``. Trials without a row of kind ``stop``, with fewer than two process replicates, which give
        no interval, or in which a copy failed are incomplete.
    """
    planned = description.plan.questions
    of_question: dict[str, list[AnyRecord]] = {question.name: [] for question in planned}
    for row in rows:
        of_question[row.question].append(row)
    read = [_read_trial(question, of_question[question.name]) for question in planned]
    trials = [trial for trial in read if trial is not None]
    timing = planned[0].timing
    return Calibration(
        implementation=planned[0].entries[0].implementation,
        target=timing.target,
        budget_s=timing.budget_s,
        at_once=description.plan.at_once,
        slowdowns=_by_slowdown(trials),
        overhead=_overhead_of(trials),
        block_s=max(question.timing.block_s for question in planned),
        incomplete=len(planned) - len(trials),
    )


def _by_slowdown(trials: Sequence[Trial]) -> tuple[Slowdown, ...]:
    others = [trial for trial in trials if not trial.overhead]
    injected = sorted({trial.injected for trial in others})
    return tuple(Slowdown(extra, tuple(trial for trial in others if trial.injected == extra)) for extra in injected)


def _overhead_of(trials: Sequence[Trial]) -> Overhead | None:
    measured = tuple(trial for trial in trials if trial.overhead)
    return Overhead(measured) if measured else None


def _read_trial(question: Question, rows: Sequence[AnyRecord]) -> Trial | None:
    original, copy = sorted(question.entries, key=lambda entry: bool(entry.second_copy))
    blocks, stops = of_kind(rows, Block), of_kind(rows, Stop)
    ratio = paired_ratio(blocks, copy.label, original.label)
    if not stops or ratio.n_replicates < 2 or of_kind(rows, Failure):
        return None
    stop = stops[-1]
    return Trial(
        name=question.name,
        injected=copy.injected,
        overhead=copy.overhead,
        turn_by_process=_by_process(blocks, _turn) if copy.overhead else (),
        call_by_process=_by_process(blocks, _call) if copy.overhead else (),
        ratio=ratio,
        reason=stop.reason,
        replicates=stop.replicates,
        spent_s=stop.spent_s,
        worked_s=sum(block.wall_s + sum(getattr(block, name) or 0.0 for name in FURTHER) for block in blocks),
    )


def _by_process(blocks: Sequence[Block], value_of: Callable[[Block], float]) -> tuple[float, ...]:
    """Return the median over rounds of some value, by process."""
    values: dict[tuple[int, int, str], list[float]] = {}
    for row in blocks:
        values.setdefault((row.session, row.replicate, row.implementation), []).append(value_of(row))
    return tuple(map(statistics.median, values.values()))


def _turn(row: Block) -> float:
    """Return the time per example of a block by that of a later one in the same turn."""
    return seconds_per_example(row) / _later_s(row)


def _call(row: Block) -> float:
    """Return the cost of one more call, as a share of the block that had fewer of them."""
    if not (row.single_wall_s and row.single_examples and row.single_calls and row.later_calls):
        raise InputError("a block has no batches in calls of their own, from which the overhead is computed")
    longer = row.single_wall_s / row.single_examples / _later_s(row) - 1
    more = row.single_calls - row.later_calls
    return longer / more if more else 0.0


def _later_s(row: Block) -> float:
    """Return the seconds per example of the later block in the same turn."""
    if not (row.later_wall_s and row.later_examples):
        raise InputError("a block has no later one in its turn, from which the overhead is computed")
    return row.later_wall_s / row.later_examples


def _share_dict(share: Share) -> dict[str, Any]:
    return {**dataclasses.asdict(share), "share": finite(share.share)}


def _trial_dict(trial: Trial) -> dict[str, Any]:
    values = dataclasses.asdict(trial)
    for interval in _INTERVALS:
        values["ratio"][interval] = interval_to_dict(getattr(trial.ratio, interval))
    return values


def _read_trial_dict(values: dict[str, Any]) -> Trial:
    ratio = values["ratio"]
    intervals = {name: interval_from_dict(ratio[name]) for name in _INTERVALS}
    whole = Ratio(**{**ratio, **intervals, "by_replicate": tuple(ratio["by_replicate"])})
    by_process = {name: tuple(values[name]) for name in ("turn_by_process", "call_by_process")}
    return Trial(**{**values, **by_process, "ratio": whole})


_INTERVALS = ("interval", "median_per_round", "without_interference", "totals")
