"""Sentences about a run, built from its numbers alone.

A sentence says that something is faster, or that accuracies agree, only where the intervals say so.
"""

import itertools
import math
from collections.abc import Mapping, Sequence

from backprop_bench.bench.compare.steps import plain_name, shown_label
from backprop_bench.bench.core.implementations import family
from backprop_bench.bench.core.records.kinds import Failure, TimedWork, Verification
from backprop_bench.bench.core.records.plan import Question
from backprop_bench.bench.core.stats.intervals import Interval, inverse
from backprop_bench.bench.core.summary import Performance, QuestionSummary, Summary
from backprop_bench.bench.report.certainty import self_test_warning
from backprop_bench.bench.report.language import _
from backprop_bench.bench.report.numbers import (
    NBSP,
    clean,
    count,
    count_range,
    has_bounds,
    listing,
    named,
    paragraph,
    percent,
    points,
    seconds,
    speed,
    two_digits,
    with_percent_sign,
)

DIGITS = 3
"""Significant digits of a factor in a sentence, and of its interval, as beside the bars."""
WIDEST = 0.01
"""Largest half-width of an interval of accuracy that still counts as agreement: one percentage point."""


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

    Those that the plan names, else the fastest from scratch and the fastest in PyTorch, else the slowest and the
    fastest.
    """
    ranked = timed(question)
    by_name = {performance.implementation: performance for performance in ranked}
    if question.pair is not None and by_name.keys() >= set(question.pair):
        return by_name[question.pair[0]], by_name[question.pair[1]]
    from_scratch = [performance for performance in ranked if family(performance.implementation) == "from scratch"]
    torch = [performance for performance in ranked if family(performance.implementation) == "PyTorch"]
    if from_scratch and torch:
        return from_scratch[0], torch[0]
    return (ranked[-1], ranked[0]) if len(ranked) > 1 else None


def headline(question: QuestionSummary) -> str:
    """Return how time and accuracy of a question compare, without the last full stop."""
    pair = compared_pair(question)
    if pair is not None:
        first, second = time_sentence(question, *pair), accuracy_sentence(question, *pair)
        return _("{first}. {second}").format(first=first, second=second)
    if not timed(question):
        return _alone(question)
    return _("{first}. Nothing else was timed").format(first=_alone(question))


def _alone(question: QuestionSummary) -> str:
    """Return how long the only implementation takes that was timed, without the full stop."""
    ranked = timed(question)
    if not ranked:
        return _("Nothing was timed")
    only, time = ranked[0], seconds(ranked[0].wall_s.estimate)
    if not only.curve:
        return _("{name} takes {time} per epoch").format(name=_name(only.implementation), time=time)
    return _("{name} takes {time} per epoch and reaches {accuracy}").format(
        name=_name(only.implementation), time=time, accuracy=percent(only.accuracy.estimate)
    )


def title(question: QuestionSummary) -> str:
    """Return the answer to a question in at most twelve words, for a figure; :func:`headline` has the intervals."""
    pair = compared_pair(question)
    if pair is None:
        return _alone(question)
    if not any(item.curve for item in pair):
        return time_sentence(question, *pair, with_interval=False)
    accuracy = accuracy_title(question, *pair)
    first, second = (item.implementation for item in pair)
    ratio = time_ratio(question, first, second)
    if ratio is not None and not (has_bounds(ratio) and ratio.contains(1)):
        comparison = time_sentence(question, *pair, with_interval=False)
        return _("{first}; {second}").format(first=comparison, second=accuracy)
    if ratio is None:
        text = _("{first} and {second}: times not compared; {accuracy}")
    elif accuracy == _("no significant difference in accuracy"):
        text = _("{first} and {second}: no significant difference in time or accuracy")
    else:
        text = _("{first} and {second}: no significant difference in time; {accuracy}")
    return text.format(first=_name(first), second=_name(second), accuracy=accuracy)


def time_title(question: QuestionSummary) -> str:
    """Return how the times of a question compare, for a figure that shows nothing else."""
    pair = compared_pair(question)
    return _alone(question) if pair is None else time_sentence(question, *pair, with_interval=False)


def time_sentence(
    question: QuestionSummary,
    subject: Performance,
    other: Performance,
    with_interval: bool = True,
    introduced: bool = False,
) -> str:
    """Return which of two trains an epoch faster, and by how much.

    Parameters
    ----------
    with_interval
        Whether the interval is included, and what each is among its kind; a title leaves them out.
    introduced
        Whether the sentence says what the code names mean.
    """
    ratio = time_ratio(question, subject.implementation, other.implementation)
    first, second = subject.implementation, other.implementation
    if with_interval:
        first, second = (with_notes(question, item, introduced) for item in (subject, other))
    else:
        first, second = _name(first), _name(second)
    if ratio is None:
        text = _("{first} and {second} share no round, so their times are not compared")
        return text.format(first=first, second=second)
    return speed(first, second, ratio, _("per epoch"), with_interval, DIGITS)


def accuracy_title(question: QuestionSummary, subject: Performance, other: Performance) -> str:
    """Return how the accuracy of one compares with that of the other, in few words."""
    gap = accuracy_gap(question, subject.implementation, other.implementation)
    if gap is None or not has_bounds(gap) or last_epoch(subject) != last_epoch(other):
        return _("accuracies not compared")
    if gap.low == gap.high == 0:
        return _("same accuracy")
    if gap.low <= 0 <= gap.high:
        return _("no significant difference in accuracy")
    more = subject if gap.estimate > 0 else other
    return _("{name} is more accurate").format(name=_name(more.implementation))


def accuracy_sentence(question: QuestionSummary, subject: Performance, other: Performance) -> str:
    """Return how the accuracy of one compares with that of the other, seed by seed."""
    untrained = [_name(performance.implementation) for performance in (subject, other) if not performance.curve]
    if untrained:
        return _("No accuracy of {names} was measured").format(names=listing(untrained))
    own, others = (percent(item.accuracy.estimate, 2) for item in (subject, other))
    values = _("{first} vs {second}").format(first=own, second=others)
    if last_epoch(subject) != last_epoch(other):
        text = _("Accuracies are of different epochs, {first} and {second}: {values}")
        return text.format(first=last_epoch(subject), second=last_epoch(other), values=values)
    gap = accuracy_gap(question, subject.implementation, other.implementation)
    if gap is None or not has_bounds(gap):
        return _("Accuracies: {values}, from too few seeds for an interval").format(values=values)
    if gap.low == gap.high == 0:
        return _("Accuracy is the same for each seed, {accuracy} on average").format(accuracy=own)
    if gap.low <= 0 <= gap.high:
        text = (
            _("Accuracies agree, {values} (difference {gap})")
            if gap.half_width <= WIDEST
            else _("Accuracies show no significant difference, {values} (difference {gap})")
        )
        return text.format(values=values, gap=points(gap))
    more, larger, smaller = (subject, own, others) if gap.estimate > 0 else (other, others, own)
    gap = gap if gap.estimate > 0 else Interval(-gap.estimate, -gap.high, -gap.low, gap.n)
    return _("{name} is more accurate, {larger} vs {smaller} (difference {gap})").format(
        name=_name(more.implementation), larger=larger, smaller=smaller, gap=points(gap)
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
        f"({clean(worst.check)} of {_name(worst.implementation)})"
    )


def layers(summary: Summary, question: QuestionSummary) -> str:
    """Return the layer sizes of the network that a question times, "784-128-10"."""
    planned = next(item for item in summary.description.plan.questions if item.name == question.name)
    return "-".join(map(str, planned.timed[0].recipe.layer_sizes))


def work_sentence(summary: Summary) -> str | None:
    """Return whether what was timed is what was verified; None where that was not looked at.

    The work of an implementation that is left out for it is not counted.
    """
    unequal = unequal_when_timed(summary)
    works = [
        work
        for question in summary.questions
        for work in question.works
        if work.implementation not in unequal and work.seed is None
    ]
    if not works:
        return None
    worst = max(works, key=share_of_tolerance)
    return (
        f"A reference implementation did the timed work of {count(len(works), 'worker')} again; the largest error is "
        f"{two_digits(100 * share_of_tolerance(worst))}{NBSP}% of its tolerance ({_name(worst.implementation)})"
    )


def data_sentence(summary: Summary) -> str | None:
    """Return what was understood of the data; None for MNIST, and for runs that have not recorded it."""
    description = summary.description
    if description.dataset == "mnist" or not description.dataset_summary:
        return None
    return _("Data: {dataset}: {examples}.").format(dataset=description.dataset, examples=description.dataset_summary)


def measured_sentence(summary: Summary) -> str:
    """Return on what machine a run was measured, and how often."""
    cpu = summary.description.environment.get("cpu")
    model = clean(cpu.get("model") or "") if isinstance(cpu, Mapping) else ""
    replicates = [ratio.n_replicates for question in summary.questions for ratio in question.ratios if ratio.interval.n]
    return _("Measured on {machine} with {threads}: times from {replicates}, accuracies from {seeds}.").format(
        machine=model or _("an unknown processor"),
        threads=count(summary.description.threads, "thread"),
        replicates=count_range(replicates, "process replicate"),
        seeds=count_range((question.seeds for question in summary.questions), "seed"),
    )


def trained_sentence(summary: Summary) -> str | None:
    """Return who trained the recipes for the accuracy, and who the first batches; None without trainings."""
    trained = {item.trained_by: None for question in summary.questions for item in question.performances}
    names = [name for name in trained if name]
    if not names:
        return None
    first = _("Accuracies are of networks trained by {names}, the fastest verified implementation.").format(
        names=listing(map(_name, names))
    )
    compared = _compared_seeds(summary)
    fewest, of = min(compared, key=lambda pair: pair[0] / pair[1], default=(0, 0))
    if not fewest:
        return first
    text = (
        _("Each of the others trained the first batches of every seed, to the same weights within rounding error.")
        if fewest == of
        else _(
            "Each of the others trained the first batches of at least {n} of {of} seeds, to the same weights within "
            "rounding error."
        )
    )
    return paragraph([first, text.format(n=fewest, of=of)])


def _compared_seeds(summary: Summary) -> list[tuple[int, int]]:
    """Return from how many seeds of how many each implementation trained the first batches that were compared."""
    planned = {question.name: set(question.seeds) for question in summary.description.plan.questions}
    return [
        (
            len({work.seed_of_first for work in question.works if work.implementation == item.implementation} & seeds),
            len(seeds),
        )
        for question in summary.questions
        for item in question.performances
        if item.curve and item.wall_s.n and item.trained_by != item.implementation
        for seeds in (planned[question.name],)
    ]


def unequal_when_timed(summary: Summary) -> list[str]:
    """Return the implementations that do something else when they are timed."""
    works = {work.implementation: None for question in summary.questions for work in question.works if not work.passed}
    faults = {
        failure.implementation: None
        for question in summary.questions
        for failure in question.failures
        if failure.phase == "timed work"
    }
    return list({**works, **faults})


def question_title(question: QuestionSummary | Question) -> str:
    """Return what a question is called, by the title that its record has."""
    known = {
        "As published: the article's two networks": _("As published: the article's two networks"),
        "Same recipe, same weights, same batches": _("Same recipe, same weights, same batches"),
    }
    title = clean(question.title)
    return known.get(title, title)


def warnings(summary: Summary) -> list[str]:
    """Return the warnings: what is missing, failed or diverged."""
    lines = []
    if not summary.complete:
        lines.append(_("This run is incomplete: planned trainings or timings are missing."))
    checks = [check for question in summary.questions for check in question.verifications]
    if not all(check.passed for check in checks):
        text = _("Not verified: {failed}. Times of unequal computations are no comparison.")
        lines.append(text.format(failed=_failed_checks(checks)))
    lines += _slowdowns(summary)
    for question in summary.questions:
        lines += [_about(question, _failure_words(failure)) for failure in question.failures]
        lines += [_about(question, _diverged(item)) for item in question.performances if item.diverged]
        lines += [_about(question, _without_loss(item)) for item in question.performances if item.without_loss]
        unsure = self_test_warning(question)
        lines += [] if unsure is None else [_about(question, unsure)]
    return lines


def _about(question: QuestionSummary | Question, sentence: str) -> str:
    return _("{question}: {sentence}").format(question=question_title(question), sentence=sentence)


def _diverged(performance: Performance) -> str:
    text = (
        _("training of {name} diverged with seed {seeds}.")
        if len(performance.diverged) == 1
        else _("training of {name} diverged with seeds {seeds}.")
    )
    return text.format(name=_name(performance.implementation), seeds=listing(map(str, performance.diverged)))


def _without_loss(performance: Performance) -> str:
    text = _("{name} returns no loss; the others compute it in their times.")
    return text.format(name=_name(performance.implementation))


def _failure_words(failure: Failure) -> str:
    reason = clean(failure.message).rstrip(".")
    end = "" if reason.endswith("?") else "."  # it may end with what to ask
    phase, counted = _phases().get(failure.phase, (clean(failure.phase), _("number")))
    words = {"name": _name(failure.implementation), "phase": phase, "reason": f"{reason}{end}"}
    if failure.number is None:
        return _("{name} failed ({phase}): {reason}").format(**words)
    text = _("{name} failed ({phase}, {counted} {number}): {reason}")
    return text.format(**words, counted=counted, number=failure.number)


def _phases() -> dict[str, tuple[str, str]]:
    """Return by phase of a failure what it is called, and what its number counts."""
    return {
        "verification": (_("verification"), _("number")),
        "training": (_("training"), _("seed")),
        "timing": (_("timing"), _("process replicate")),
        "timed work": (_("timed work"), _("process replicate")),
    }


def _slowdowns(summary: Summary) -> list[str]:
    text = _("{name} has an injected slowdown of {share}.")
    return [
        _about(question, text.format(name=_name(entry.label), share=percent(entry.injected)))
        for question in summary.description.plan.questions
        for entry in question.entries
        if entry.injected
    ]


def right(summary: Summary) -> str:
    """Return whether the network from scratch is right, without the last full stop."""
    checks = [check for question in summary.questions for check in question.verifications]
    unequal = unequal_when_timed(summary)
    if unequal:
        names = listing(_name(name) for name in unequal)
        if len(unequal) == 1:
            return _("{names} does not compute the same when timed, and is left out").format(names=names)
        return _("{names} do not compute the same when timed, and are left out").format(names=names)
    if not checks:
        return _("Not verified: no check was recorded")
    if not all(check.passed for check in checks):
        return _("Not verified: {failed}").format(failed=_failed_checks(checks))
    works = [work for question in summary.questions for work in question.works]
    first = _("Right: gradients, weights and timed work agree with PyTorch's within rounding error")
    if not works:
        first = _("Right: gradients and weights agree with PyTorch's within rounding error")
    largest = max(*map(share_of_tolerance, checks), *map(share_of_tolerance, works), 0.0)
    second = _("All {checks} passed; the largest error is {share} of its tolerance").format(
        checks=count(len(checks) + len(works), "check"), share=with_percent_sign(two_digits(100 * largest))
    )
    return _("{first}. {second}").format(first=first, second=second)


def with_notes(question: QuestionSummary, performance: Performance, introduced: bool) -> str:
    """Name an implementation, and say so where it is the fastest of several of its kind.

    Parameters
    ----------
    introduced
        Whether its plain name is said: in place of the rank from scratch, and in PyTorch where it has no rank.
    """
    rank, name = _rank(question, performance), _name(performance.implementation)
    meaning = plain_name(performance.implementation) if introduced else None
    first, second = (rank, meaning) if family(performance.implementation) == "PyTorch" else (meaning, rank)
    note = second if first is None else first
    return name if note is None else _("{name} ({note})").format(name=name, note=note)


def _rank(question: QuestionSummary, performance: Performance) -> str | None:
    kind = family(performance.implementation)
    rivals = [other for other in timed(question) if family(other.implementation) == kind]
    if kind == "peer" or len(rivals) < 2 or rivals[0] is not performance:
        return None
    if kind == "from scratch":
        two, more = _("the faster of the two from scratch"), _("the fastest of {n} from scratch")
    else:
        two, more = (
            _("the faster of the two PyTorch versions compared here"),
            _("the fastest of the {n} PyTorch versions compared here"),
        )
    return two if len(rivals) == 2 else more.format(n=len(rivals))


def _failed_checks(checks: Sequence[Verification]) -> str:
    failed = [check for check in checks if not check.passed]
    names = listing(dict.fromkeys(_name(check.implementation) for check in failed))
    text = _("{failed} of {checks} failed ({names})")
    return text.format(failed=len(failed), checks=count(len(checks), "check"), names=names)


def _name(label: str) -> str:
    """Return what an implementation, or a step of the article's, is called in a sentence."""
    return named(shown_label(label))


def share_of_tolerance(check: Verification | TimedWork) -> float:
    """Return the error of a check as a fraction of its tolerance."""
    if check.difference is None or not check.tolerance:
        return 0.0
    return check.difference / check.tolerance
