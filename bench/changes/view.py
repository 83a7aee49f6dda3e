"""How the times of two runs differ: sentences and a table."""

from collections.abc import Sequence

from backprop_bench.bench.changes.analysis import Change, Changes, Gap
from backprop_bench.bench.core.records.plan import Description
from backprop_bench.bench.core.stats.intervals import Interval
from backprop_bench.bench.report.numbers import (
    ABSENT,
    NBSP,
    changed,
    clean,
    compared,
    confidence,
    count,
    count_range,
    listing,
    named,
    seconds_interval,
    spans,
)
from backprop_bench.bench.report.other_runs import differences
from backprop_bench.bench.report.table import Table, make_table

MANY = 10
"""Comparisons from which on it is said that some differ by chance."""


def changes_sentences(result: Changes, reasons: Sequence[str]) -> list[str]:
    """Return what has changed, the answer first.

    Parameters
    ----------
    reasons
        In words, how the runs differ beside their times, as :func:`reasons_of` gives it.
    """
    sentences = [_answer(result), *_counts(result)]
    if reasons:
        sentences.append(f"Warning: the runs differ in more than time: {listing(reasons)}.")
    else:
        sentences.append("Machine, versions, data set and threads are the same in both runs.")
    return [*sentences, *_limits(result), *_gap_sentences(result.gaps)]


def reasons_of(before: Description, after: Description) -> list[str]:
    """Return in words how two runs differ, beside their times."""
    unknown = [side for side, run in (("before", before), ("after", after)) if not run.environment]
    reasons = [f"the environment of the run {side} is unknown" for side in unknown]
    reasons += [] if unknown else differences(before, after, ("before", "after"))
    own = [name for name in before.own_files if after.own_files.get(name, "") != before.own_files[name]]
    own = [named(name) for name in own if name in after.own_files]
    reasons += [f"another version of {listing(own)}"] if own else []
    if before.threads != after.threads:
        reasons.append(f"{count(before.threads, 'thread')} before and {after.threads} after")
    if before.cpus != after.cpus:
        reasons.append(f"cores {spans(before.cpus)} before and {spans(after.cpus)} after")
    examples = {question.name: question.examples for question in before.plan.questions}
    for question in after.plan.questions:
        old = examples.get(question.name, question.examples)
        if old != question.examples:
            numbers = f"{count(old, 'training example')} before and {question.examples:,} after"
            reasons.append(f"{numbers} in {clean(question.name)}")
    return reasons


def too_slow(result: Changes, share: float) -> list[str]:
    """Return a sentence on what is slower by more than a share; none where nothing is."""
    slow = [f"{_name(change)} ({clean(change.question)})" for change in result.changes if change.is_slower_by(share)]
    return [f"slower by more than {_percent(share)}: {listing(slow)}"] if slow else []


def fast_enough(judged: int, share: float) -> str:
    """Return the sentence of so many comparisons with an interval, none of which is slower by more than a share."""
    return (
        f"None of {count(judged, 'comparison')} is slower by more than {_percent(share)} with its whole 95{NBSP}% CI."
    )


def newly_broken(result: Changes) -> list[str]:
    """Return what was timed before and has broken since."""
    return [f"{clean(gap.what)}: {clean(gap.detail)}" for gap in result.gaps if gap.is_new]


def changes_table(result: Changes) -> Table:
    """Return the change of every implementation."""
    return _times_table(result) if result.same_machine else _ratios_table(result)


def _times_table(result: Changes) -> Table:
    columns = ["<question", "<implementation", "change relative to the reference", "<reference"]
    rows = [
        (
            change.question,
            _name(change),
            _or_absent(change.relative),
            change.reference or ABSENT,
            compared(change.time),
            seconds_interval(change.before),
            seconds_interval(change.after),
        )
        for change in result.changes
    ]
    note = (
        "Time per example (10th-percentile blocks); two runs are not paired, so each change has Welch's "
        f"95{NBSP}% CI over process replicates{_replicates(result)}. The change relative to the reference, timed in "
        "the same rounds, cancels the machine and decides."
    )
    return make_table("Changes", [*columns, "change in time", "time before", "time after"], rows, note)


def _ratios_table(result: Changes) -> Table:
    columns = ["<question", "<implementation", "change relative to the reference", "<reference"]
    rows = [
        (
            change.question,
            _name(change),
            _or_absent(change.relative),
            change.reference or ABSENT,
            _or_absent(change.ratio_before),
            _or_absent(change.ratio_after),
        )
        for change in result.changes
        if change.evidence
    ]
    note = (
        "Before and after: 10th-percentile block time by that of the reference in the same rounds, which cancels the "
        f"machine; the change has Welch's 95{NBSP}% CI over process replicates{_replicates(result)}."
    )
    return make_table("Changes", [*columns, "before", "after"], rows, note)


def _replicates(result: Changes) -> str:
    before, after = zip(*(change.replicates for change in result.changes), strict=True)
    return f" ({count_range(before, 'replicate')} before, {count_range(after, 'replicate')} after)"


def _answer(result: Changes) -> str:
    """Return the largest slowdown in a sentence, else the largest speed-up, else that there is none."""
    slower = [change for change in result.changes if change.verdict == "slower"]
    faster = [change for change in result.changes if change.verdict == "faster"]
    if slower:
        return _sentence(max(slower, key=lambda change: change.evidence[0].estimate), result)
    if faster:
        return _sentence(min(faster, key=lambda change: change.evidence[0].estimate), result)
    known = [change for change in result.changes if change.verdict == "no difference"]
    if len(known) == 1:
        (only,) = known
        return f"No significant difference in the time of {_name(only)} ({confidence(only.evidence[0])})."
    if known:
        return f"No significant difference in time in any of {count(len(known), 'comparison')}."
    if any(change.evidence for change in result.changes):
        return "Nothing can be said: an interval needs two process replicates in each run."
    return "Nothing can be compared."


def _sentence(change: Change, result: Changes) -> str:
    """Return "scratch-numpy is 1.04× slower than before, relative to torch-eager (95 % CI 1.02–1.06)."."""
    by = change.evidence[0]
    reference = ""
    if by is change.relative:
        known = {(one.question, one.label): _name(one) for one in result.changes}
        reference = known.get((change.question, change.reference or ""), named(change.reference or ""))
    several = len({one.question for one in result.changes}) > 1
    question = f"{clean(change.question)}: " if several else ""
    return f"{question}{_name(change)} is {changed(by, reference)}."


def _counts(result: Changes) -> list[str]:
    verdicts = [change.verdict for change in result.changes if change.evidence]
    if len(verdicts) < 2:
        return []
    each = [f"{verdicts.count('slower')} slower", f"{verdicts.count('faster')} faster"]
    each.append(f"{verdicts.count('no difference')} without a significant difference")
    if unknown := verdicts.count("unknown"):
        each.append(f"{unknown} without an interval")
    chance = " One in twenty that are unchanged looks changed by chance." if len(verdicts) >= MANY else ""
    return [f"Of {count(len(verdicts), 'comparison')}: {listing(each)}.{chance}"]


def _limits(result: Changes) -> list[str]:
    """Return what the comparison cannot see."""
    sentences = []
    if not result.same_machine:
        sentences.append("Times of two machines are not compared, only their ratios to a reference.")
    alone = [change for change in result.changes if result.same_machine and change.reference is None]
    if alone:
        names = listing(dict.fromkeys(_name(change) for change in alone))
        sentences.append(f"Nothing else was timed with {names} in both runs, so a slower machine would look the same.")
    unknown = [change for change in result.changes if change.evidence and change.verdict == "unknown"]
    if unknown:
        names = listing(dict.fromkeys(_name(change) for change in unknown))
        sentences.append(f"Too few process replicates for an interval: {names}.")
    return sentences


def _gap_sentences(gaps: Sequence[Gap]) -> list[str]:
    """Return one sentence for each kind of gap."""
    sentences = []
    for kind in dict.fromkeys(gap.kind for gap in gaps):
        each = [gap for gap in gaps if gap.kind == kind]
        words = [clean(f"{gap.what}: {gap.detail}" if gap.detail else gap.what).rstrip(".") for gap in each]
        sentences.append(f"{kind}: {'; '.join(words)}.")
    return sentences


def _name(change: Change) -> str:
    """Name an implementation, and its stage where the records call it by that."""
    if change.label == change.implementation:
        return named(change.label)
    return f"{named(change.implementation)} ({clean(change.label)})"


def _or_absent(ratio: Interval | None) -> str:
    return ABSENT if ratio is None else compared(ratio)


def _percent(share: float) -> str:
    return f"{100 * share:g}{NBSP}%"
