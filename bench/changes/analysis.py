"""How the times of two runs differ: by themselves, and relative to a reference in the same run. Pure functions.

Two runs are not paired: a machine that is slower in one of them makes every time longer. So the change of an
implementation is that of its ratio to a reference, which was timed in the same rounds: the machine cancels.
"""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Literal

from backprop_bench.bench.core.implementations import family, trains_nothing
from backprop_bench.bench.core.records.kinds import Block, Failure, Stop, TimedWork
from backprop_bench.bench.core.records.plan import Entry, Question
from backprop_bench.bench.core.records.reader import of_kind
from backprop_bench.bench.core.records.recorded_run import RecordedRun
from backprop_bench.bench.core.stats.intervals import Interval, geometric_mean_interval, independent_ratio
from backprop_bench.bench.core.stats.ratios import p10_ratios, p10_times

Verdict = Literal["slower", "faster", "no difference", "unknown"]
Side = Literal["before", "after"]

REFERENCE = "torch-eager"
"""The best reference: what it does changes with the version of PyTorch alone."""
UNTIMED_FIELDS = ("epochs", "seed")
"""Fields of a recipe that do not decide how long a batch takes."""


@dataclasses.dataclass(frozen=True)
class Change:
    """How the time of one implementation has changed in one question.

    Attributes
    ----------
    label, implementation
        What the records call it, and what it is.
    reference
        Label of the other implementation whose time its own is divided by in each run; ``None`` without one.
    before, after
        Seconds per example, over process replicates.
    ratio_before, ratio_after
        By the time of the reference; ``None`` without one.
    time
        Time after / time before, of two independent samples of process replicates.
    relative
        The same of the ratios to the reference; ``None`` without one.
    evidence
        The intervals that decide: it is slower only where all of them say so. Empty where nothing can be said.
    replicates
        Process replicates before and after.
    """

    question: str
    label: str
    implementation: str
    reference: str | None
    before: Interval
    after: Interval
    ratio_before: Interval | None
    ratio_after: Interval | None
    time: Interval
    relative: Interval | None
    evidence: tuple[Interval, ...]
    replicates: tuple[int, int]

    @property
    def verdict(self) -> Verdict:
        """What the evidence says; unknown where there is none, or where an interval is missing."""
        if not self.evidence or any(math.isnan(interval.low) for interval in self.evidence):
            return "unknown"
        if all(interval.low > 1 for interval in self.evidence):
            return "slower"
        return "faster" if all(interval.high < 1 for interval in self.evidence) else "no difference"

    def is_slower_by(self, share: float) -> bool:
        """Say whether it is slower by more than a share of its time, with the whole interval above that."""
        return self.verdict == "slower" and all(interval.low > 1 + share for interval in self.evidence)


@dataclasses.dataclass(frozen=True)
class Gap:
    """What is missing from the comparison.

    Attributes
    ----------
    kind
        What is wrong: "Not timed in the run after".
    what
        Of which implementation and question.
    detail
        The reason, where there is one.
    is_new
        Whether it was timed before, and has broken since.
    """

    kind: str
    what: str
    detail: str = ""
    is_new: bool = False


@dataclasses.dataclass(frozen=True)
class Changes:
    """How the times of two runs differ.

    Attributes
    ----------
    same_machine
        Whether both are of one machine. Otherwise only ratios to a reference are compared.
    changes, gaps
        By question and implementation: what is compared, and what is not.
    """

    same_machine: bool
    changes: tuple[Change, ...]
    gaps: tuple[Gap, ...]


@dataclasses.dataclass(frozen=True)
class _Timed:
    """One question of one run."""

    side: Side
    question: Question
    blocks: tuple[Block, ...]
    failures: tuple[Failure, ...]
    works: tuple[TimedWork, ...]
    has_ended: bool

    @property
    def entries(self) -> dict[str, Entry]:
        return {entry.label: entry for entry in self.question.originals}

    def is_timed(self, label: str) -> bool:
        return any(block.implementation == label for block in self.blocks)

    def trouble(self, label: str) -> str | None:
        """Return why an implementation has broken; ``None`` where it has not."""
        if any(not work.passed and work.implementation == label for work in self.works):
            return "it does not compute the same as its reference implementation"
        return next((failure.message for failure in self.failures if failure.implementation == label), None)


def summarize_changes(before: RecordedRun, after: RecordedRun, same_machine: bool) -> Changes:
    """Compute how the times of two runs of the same command differ, question by question.

    Parameters
    ----------
    same_machine
        Whether times of one may be compared with times of the other.
    """
    old, new = _questions(before, "before"), _questions(after, "after")
    gaps = [Gap("Not in the run after", f"the question {name}") for name in old if name not in new]
    gaps += [Gap("Not in the run before", f"the question {name}") for name in new if name not in old]
    changes: list[Change] = []
    for first, second in ((old[name], new[name]) for name in old if name in new):
        gaps += [*_gaps(first, second), *_gaps(second, first)]
        both = [label for label in first.entries if first.is_timed(label) and second.is_timed(label)]
        unlike = {label: what for label in both if (what := _other_work(first, second, label))}
        gaps += [Gap("Not the same work in both runs", _place(first, label), what) for label, what in unlike.items()]
        changes += _changes(first, second, [label for label in both if label not in unlike], same_machine)
    return Changes(same_machine, tuple(changes), tuple(gaps))


def _questions(run: RecordedRun, side: Side) -> dict[str, _Timed]:
    """Return the questions of a run with their rows, by name."""
    result = {}
    for question in run.description.plan.questions:
        rows = [row for row in run.rows if row.question == question.name]
        kinds = (tuple(of_kind(rows, Block)), tuple(of_kind(rows, Failure)), tuple(of_kind(rows, TimedWork)))
        result[question.name] = _Timed(side, question, *kinds, has_ended=bool(of_kind(rows, Stop)))
    return result


def _gaps(run: _Timed, other: _Timed) -> Iterator[Gap]:
    """Yield what is missing from one run, given the same question of the other one."""
    where = f"in the run {run.side}"
    if not run.has_ended:
        yield Gap(f"The timing has not ended {where}", run.question.name)
    for label in other.entries:
        if label not in run.entries:
            yield Gap(f"Not {where}", _place(run, label))
    for label in run.entries:
        reason = run.trouble(label)
        if reason is not None:
            is_new = run.side == "after" and other.is_timed(label)
            yield Gap(f"Failed {where}", _place(run, label), reason, is_new)
        elif not run.is_timed(label):
            yield Gap(f"Not timed {where}", _place(run, label))


def _place(timed: _Timed, label: str) -> str:
    return f"{label} ({timed.question.name})"


def _other_work(old: _Timed, new: _Timed, label: str) -> str | None:
    """Return what differs in the work of an implementation; ``None`` where its times may be compared."""
    first, second = old.entries[label], new.entries[label]
    if first.implementation != second.implementation:
        return f"it is {first.implementation} before and {second.implementation} after"
    before, after = first.recipe.to_dict(), second.recipe.to_dict()
    fields = sorted(before.keys() | after.keys())
    changed = [name for name in fields if name not in UNTIMED_FIELDS and before.get(name) != after.get(name)]
    if changed:
        return f"another {', '.join(changed)}"
    if (first.threads or old.question.threads) != (second.threads or new.question.threads):
        return "another number of threads"
    return "other kernels of OpenBLAS" if first.core_type != second.core_type else None


def _rank(implementation: str) -> int:
    """Return the rank of an implementation as a reference: the fewer changes of code reach it, the lower."""
    if implementation == REFERENCE:
        return 0
    kind = family(implementation)
    if ":" in implementation or kind == "from scratch":
        return 4
    if trains_nothing(implementation):
        return 3
    return 1 if kind == "PyTorch" else 2


def _changes(old: _Timed, new: _Timed, labels: Sequence[str], same_machine: bool) -> list[Change]:
    """Return the changes of those that train; the change of the reference is relative to the second best one."""
    ranked = sorted(labels, key=lambda label: _rank(new.entries[label].implementation))
    result = []
    for label in labels:
        if trains_nothing(new.entries[label].implementation):
            continue
        other = next((one for one in ranked if one != label), None)
        change = _change(old, new, label, other)
        result.append(dataclasses.replace(change, evidence=_evidence(change, label == ranked[0], same_machine)))
    return result


def _change(old: _Timed, new: _Timed, label: str, reference: str | None) -> Change:
    """Return how an implementation has changed, without what decides."""
    times = [p10_times(run.blocks, [label])[label] for run in (old, new)]
    ratios = [[] if reference is None else p10_ratios(run.blocks, label, reference) for run in (old, new)]
    has_ratios = all(ratios)  # not so where the two share no round
    return Change(
        question=old.question.name,
        label=label,
        implementation=new.entries[label].implementation,
        reference=reference if has_ratios else None,
        before=geometric_mean_interval(times[0]),
        after=geometric_mean_interval(times[1]),
        ratio_before=geometric_mean_interval(ratios[0]) if has_ratios else None,
        ratio_after=geometric_mean_interval(ratios[1]) if has_ratios else None,
        time=independent_ratio(times[1], times[0]),
        relative=independent_ratio(ratios[1], ratios[0]) if has_ratios else None,
        evidence=(),
        replicates=(len(times[0]), len(times[1])),
    )


def _evidence(change: Change, is_reference: bool, same_machine: bool) -> tuple[Interval, ...]:
    """Return the intervals that decide.

    The ratio to the reference, in which the machine cancels. For the reference itself, its ratio to another one would
    also change with that one, and its time with the machine: so both must say the same.
    """
    relative = () if change.relative is None else (change.relative,)
    if relative and not is_reference:
        return relative
    return (change.time, *relative) if same_machine else ()
