"""Sentences about a run, built from its numbers alone.

A sentence says that something is faster, or that accuracies agree, only where the intervals say so.
"""

import itertools
import math
from collections.abc import Sequence

from backprop_bench.bench.core.implementations import family
from backprop_bench.bench.core.records.kinds import Failure, TimedWork, Verification
from backprop_bench.bench.core.stats.intervals import Interval, inverse
from backprop_bench.bench.core.summary import Performance, QuestionSummary, Summary
from backprop_bench.bench.report.certainty import self_test_warning
from backprop_bench.bench.report.numbers import (
    NBSP,
    clean,
    count,
    has_bounds,
    listing,
    named,
    percent,
    points,
    seconds,
    speed,
    two_digits,
)

SAME_ACCURACY = "no significant difference in accuracy"
WIDEST = 0.01
"""Largest half-width of an interval of accuracy that still counts as agreement: one percentage point."""

NUMBERED = {"training": "seed", "timing": "process replicate", "timed work": "process replicate"}
"""What the number of a failure counts, by phase."""


def time_ratio(question: QuestionSummary, numerator: str, denominator: str) -> Interval | None:
    """Return time(numerator) / time(denominator), whichever way round it was computed; None where it was not."""
    for ratio in question.ratios:
        interval = ratio.interval
        if not interval.n or (ratio.numerator, ratio.denominator) not in (
            (numerator, denominator),
            (denominator, numerator),
        ):
            continue
        if ratio.numerator == numerator:
            return interval
        return inverse(interval)
    return None


def slowest(question: QuestionSummary) -> str | None:
    """Return the slowest implementation that was timed, with which the others are compared; None without any."""
    ranked = timed(question)
    return ranked[-1].implementation if ranked else None


def timed(question: QuestionSummary) -> list[Performance]:
    """Return the performances that were timed, the fastest first."""
    known = [performance for performance in question.performances if math.isfinite(performance.wall_s.estimate)]
    return sorted(known, key=lambda performance: performance.wall_s.estimate)


def compared_pair(question: QuestionSummary) -> tuple[Performance, Performance] | None:
    """Return the two performances that a question's sentence is about.

    The fastest from scratch and the fastest in PyTorch where there are both; else the slowest and the fastest.
    """
    ranked = timed(question)
    from_scratch = [performance for performance in ranked if family(performance.implementation) == "from scratch"]
    torch = [performance for performance in ranked if family(performance.implementation) == "PyTorch"]
    if from_scratch and torch:
        return from_scratch[0], torch[0]
    return (ranked[-1], ranked[0]) if len(ranked) > 1 else None


def headline(question: QuestionSummary) -> str:
    """Return how time and accuracy of a question compare, without the last full stop."""
    pair = compared_pair(question)
    if pair is not None:
        return f"{time_sentence(question, *pair)}. {accuracy_sentence(question, *pair)}"
    if not timed(question):
        return "Nothing was timed"
    (only,) = timed(question)
    reached = f" and reaches {percent(only.accuracy.estimate)}" if only.curve else ""
    return (
        f"{named(only.implementation)} takes {seconds(only.wall_s.estimate)} per epoch{reached}. Nothing else was timed"
    )


def title(question: QuestionSummary) -> str:
    """Return the answer to a question in at most twelve words, for a figure; :func:`headline` has the intervals."""
    pair = compared_pair(question)
    if pair is None:
        return headline(question).partition(". ")[0]
    subject, other = pair
    ratio, accuracy = time_ratio(question, *(item.implementation for item in pair)), accuracy_title(question, *pair)
    if ratio is None or (has_bounds(ratio) and ratio.contains(1)):
        names = f"{named(subject.implementation)} and {named(other.implementation)}"
        if ratio is not None and accuracy == SAME_ACCURACY:
            return f"{names}: no significant difference in time or accuracy"
        return f"{names}: {'times not compared' if ratio is None else 'no significant difference in time'}; {accuracy}"
    return f"{time_sentence(question, subject, other, with_interval=False)}; {accuracy}"


def time_sentence(
    question: QuestionSummary, subject: Performance, other: Performance, with_interval: bool = True
) -> str:
    """Return which of two trains an epoch faster, and by how much."""
    ratio = time_ratio(question, subject.implementation, other.implementation)
    first, second = subject.implementation, other.implementation
    if with_interval:
        first, second = _named(question, subject), _named(question, other)
    else:
        first, second = named(first), named(second)
    if ratio is None:
        return f"{first} and {second} share no round, so their times are not compared"
    return speed(first, second, ratio, "per epoch", with_interval)


def accuracy_title(question: QuestionSummary, subject: Performance, other: Performance) -> str:
    """Return how the accuracy of one compares with that of the other, in few words."""
    gap = accuracy_gap(question, subject.implementation, other.implementation)
    if gap is None or not has_bounds(gap) or last_epoch(subject) != last_epoch(other):
        return "accuracies not compared"
    if gap.low == gap.high == 0:
        return "same accuracy"
    if gap.low <= 0 <= gap.high:
        return SAME_ACCURACY
    return f"{named((subject if gap.estimate > 0 else other).implementation)} is more accurate"


def accuracy_sentence(question: QuestionSummary, subject: Performance, other: Performance) -> str:
    """Return how the accuracy of one compares with that of the other, seed by seed."""
    untrained = [named(performance.implementation) for performance in (subject, other) if not performance.curve]
    if untrained:
        return f"No accuracy of {listing(untrained)} was measured"
    own, others = subject.accuracy.estimate, other.accuracy.estimate
    values = f"{percent(own, 2)} vs {percent(others, 2)}"
    if last_epoch(subject) != last_epoch(other):
        return f"Accuracies are of different epochs, {last_epoch(subject)} and {last_epoch(other)}: {values}"
    gap = accuracy_gap(question, subject.implementation, other.implementation)
    if gap is None or not has_bounds(gap):
        return f"Accuracies: {values}, from too few seeds for an interval"
    if gap.low == gap.high == 0:
        return f"Accuracy is the same for each seed, {percent(own, 2)} on average"
    if gap.low <= 0 <= gap.high:
        word = "agree" if gap.half_width <= WIDEST else "show no significant difference"
        return f"Accuracies {word}, {values} (difference {points(gap)})"
    more, larger, smaller = (subject, own, others) if gap.estimate > 0 else (other, others, own)
    gap = gap if gap.estimate > 0 else Interval(-gap.estimate, -gap.high, -gap.low, gap.n)
    return (
        f"{named(more.implementation)} is more accurate, {percent(larger, 2)} vs {percent(smaller, 2)} "
        f"(difference {points(gap)})"
    )


def accuracy_gap(question: QuestionSummary, first: str, second: str) -> Interval | None:
    """Return accuracy(first) − accuracy(second), paired by seed, whichever way round it was computed."""
    for difference in question.differences:
        gap = difference.interval
        if gap.n and (difference.first, difference.second) == (first, second):
            return gap
        if gap.n and (difference.first, difference.second) == (second, first):
            return Interval(-gap.estimate, -gap.high, -gap.low, gap.n)
    return None


def last_epoch(performance: Performance) -> int:
    """Return the last epoch after which an implementation was evaluated."""
    return performance.curve[-1].epoch if performance.curve else 0


def all_agree(question: QuestionSummary, performances: Sequence[Performance]) -> bool:
    """Say whether accuracies agree pairwise, by intervals narrow enough that agreement means something."""
    for first, second in itertools.combinations(performances, 2):
        gap = accuracy_gap(question, first.implementation, second.implementation)
        if gap is None or not has_bounds(gap) or not gap.low <= 0 <= gap.high or gap.half_width > WIDEST:
            return False
    return True


def verification_sentence(summary: Summary) -> str:
    """Return whether the implementations were verified."""
    checks = [check for question in summary.questions for check in question.verifications]
    if not checks:
        return "Not verified: no check was recorded"
    if not all(check.passed for check in checks):
        return f"Not verified: {_failed_checks(checks)}"
    worst = max(checks, key=share_of_tolerance)
    return (
        f"Verified: {'the only check' if len(checks) == 1 else f'each of {len(checks)} checks'} passed; the largest "
        f"error is {two_digits(100 * share_of_tolerance(worst))}{NBSP}% of its tolerance "
        f"({clean(worst.check)} of {named(worst.implementation)})"
    )


def work_sentence(summary: Summary) -> str | None:
    """Return whether what was timed, and trained for accuracy, is what was verified; None where that was not looked at.

    The work of an implementation that is left out for it is not counted.
    """
    unequal = unequal_when_timed(summary)
    works = [work for question in summary.questions for work in question.works if work.implementation not in unequal]
    if not works:
        return None
    worst = max(works, key=share_of_tolerance)
    timed, trained = ([work for work in works if work.phase == phase] for phase in ("timing", "training"))
    parts = [
        f"the timed work of {count(len(timed), 'worker')}" if timed else "",
        count(len(trained), "training") if trained else "",
    ]
    return (
        f"A reference implementation did {listing(filter(None, parts))} again; the largest error is "
        f"{two_digits(100 * share_of_tolerance(worst))}{NBSP}% of its tolerance ({named(worst.implementation)})"
    )


def unequal_when_timed(summary: Summary) -> list[str]:
    """Return the implementations that do something else when they are timed, or trained for accuracy."""
    works = {work.implementation: None for question in summary.questions for work in question.works if not work.passed}
    faults = {
        failure.implementation: None
        for question in summary.questions
        for failure in question.failures
        if failure.phase == "timed work"
    }
    return list({**works, **faults})


def warnings(summary: Summary) -> list[str]:
    """Return the warnings: what is missing, failed or diverged."""
    lines = []
    if not summary.complete:
        lines.append("This run is incomplete: planned trainings or timings are missing.")
    checks = [check for question in summary.questions for check in question.verifications]
    if not all(check.passed for check in checks):
        lines.append(f"Not verified: {_failed_checks(checks)}. Times of unequal computations are no comparison.")
    lines += _slowdowns(summary)
    for question in summary.questions:
        title = clean(question.title)
        lines += [f"{title}: {_failure_words(failure)}" for failure in question.failures]
        lines += [
            f"{title}: training of {named(performance.implementation)} diverged with "
            f"{'seed' if len(performance.diverged) == 1 else 'seeds'} {listing(map(str, performance.diverged))}."
            for performance in question.performances
            if performance.diverged
        ]
        unsure = self_test_warning(question)
        lines += [] if unsure is None else [f"{title}: {unsure}"]
    return lines


def _failure_words(failure: Failure) -> str:
    number = "" if failure.number is None else f", {NUMBERED.get(failure.phase, 'number')} {failure.number}"
    reason = clean(failure.message).rstrip(".")
    end = "" if reason.endswith("?") else "."  # it may end with what to ask
    return f"{named(failure.implementation)} failed ({clean(failure.phase)}{number}): {reason}{end}"


def _slowdowns(summary: Summary) -> list[str]:
    return [
        f"{clean(question.title)}: {named(entry.label)} has an injected slowdown of {percent(entry.injected)}."
        for question in summary.description.plan.questions
        for entry in question.entries
        if entry.injected
    ]


def lead(summary: Summary) -> str:
    """Return the answer in short: verification, and the result of the last question."""
    checks = [check for question in summary.questions for check in question.verifications]
    unequal = unequal_when_timed(summary)
    if unequal:
        do, are = ("does", "is") if len(unequal) == 1 else ("do", "are")
        names = listing(map(named, unequal))
        right = f"{names} {do} not compute the same when timed or trained, and {are} left out"
    elif not checks:
        right = "Not verified"
    elif all(check.passed for check in checks):
        right = "The networks from scratch and in PyTorch compute the same within rounding error"
    else:
        right = "Not verified: the implementations do not compute the same"
    if not summary.questions:
        return f"{right}."
    question = summary.questions[-1]
    return f"{right}. {clean(question.title)}: {headline(question)}."


def answer(summary: Summary) -> list[str]:
    """Return the answer of the run: verification, then the result of each question."""
    work = work_sentence(summary)
    return [
        f"{verification_sentence(summary)}." if work is None else f"{verification_sentence(summary)}. {work}.",
        *(f"{clean(question.title)} ({_extent(question)}): {headline(question)}." for question in summary.questions),
    ]


def _extent(question: QuestionSummary) -> str:
    return f"{count(question.examples, 'training example')}, {count(question.epochs, 'epoch')}"


def _named(question: QuestionSummary, performance: Performance) -> str:
    """Name an implementation, and say so where it is the fastest of several of its kind."""
    kind = family(performance.implementation)
    rivals = [other for other in timed(question) if family(other.implementation) == kind]
    name = named(performance.implementation)
    if kind == "peer" or len(rivals) < 2 or rivals[0] is not performance:
        return name
    return f"{name} (fastest {'from scratch' if kind == 'from scratch' else 'in PyTorch'})"


def _failed_checks(checks: Sequence[Verification]) -> str:
    failed = [check for check in checks if not check.passed]
    names = listing(dict.fromkeys(named(check.implementation) for check in failed))
    return f"{len(failed)} of {count(len(checks), 'check')} failed ({names})"


def share_of_tolerance(check: Verification | TimedWork) -> float:
    """Return the error of a check as a fraction of its tolerance."""
    if check.difference is None or not check.tolerance:
        return 0.0
    return check.difference / check.tolerance
