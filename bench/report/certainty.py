"""Sentences on the precision of the times: why timing stopped, the A/A test, the limits of interference."""

import math

from backprop_bench.bench.core.records.plan import Timing
from backprop_bench.bench.core.stats.intervals import relative_half_width
from backprop_bench.bench.core.stats.ratios import COUNT_LIMITS, SHARE_LIMITS, Ratio
from backprop_bench.bench.core.summary import QuestionSummary, Summary
from backprop_bench.bench.report.language import _
from backprop_bench.bench.report.numbers import (
    NBSP,
    clean,
    count,
    has_bounds,
    listing,
    named,
    number_interval,
    percent,
    seconds,
)

METHOD = "10th-percentile block times, geometric mean and 95 % CI over process replicates"
"""The estimator, in words."""

COUNTERS = {
    "steal_s": "stolen time",
    "waited_s": "waiting for a core",
    "psi_cpu_some_us": "CPU pressure",
    "voluntary_switches": "voluntary switches",
    "involuntary_switches": "involuntary switches",
    "minor_faults": "minor faults",
    "major_faults": "major faults",
    "throttles": "throttles",
}
"""Names of the counters of system interference."""


def timing_of(summary: Summary, question: QuestionSummary) -> Timing:
    """Return the settings of a question's timing."""
    return summary.description.plan.question(question.name).timing


def compared(question: QuestionSummary) -> list[Ratio]:
    """Return the ratios of implementations that share a round."""
    return [ratio for ratio in question.ratios if ratio.interval.n]


def within(share: float) -> str:
    """Return a half-width with two digits, rounded up: "±2 %", "±4.2 %"."""
    if share <= 0:
        return f"±0{NBSP}%"
    digit = 10.0 ** (math.floor(math.log10(100 * share)) - 1)
    value = math.ceil(100 * share / digit - 1e-6) * digit
    return f"±{value:.{2 if value < 100 else 3}g}{NBSP}%"


def stop_sentence(summary: Summary, question: QuestionSummary) -> str:
    """Return why the timing of a question stopped, and how narrow its intervals are."""
    stop = question.stop
    if stop is None:
        replicates = max((ratio.n_replicates for ratio in compared(question)), default=0)
        so_far = (
            f"{count(replicates, 'process replicate')} so far" if replicates else "nothing was timed in the same rounds"
        )
        return f"The timing is not complete: {so_far}." if question.interference.n_blocks else "Nothing was timed."
    after = f"Timing stopped after {count(stop.replicates, 'process replicate')}, {seconds(stop.spent_s)}"
    timing = timing_of(summary, question)
    if stop.reason == "precise":
        return f"{after}: {_every_ratio(question)} is within {within(timing.target)}{_widest(question)}."
    if stop.reason == "budget":
        return (
            f"{after}, because the budget of {timing.budget_s:g}{NBSP}s was used up before "
            f"{_what_was_wanted(question, timing)}{_widest(question)}."
        )
    left = "there is nothing left to compare" if compared(question) else "there is nothing to compare"
    reasons = {"alone": left, "failed": "every implementation failed"}
    return f"{after}: {reasons.get(stop.reason, clean(stop.reason))}."


def _decisive(question: QuestionSummary) -> list[Ratio]:
    """Return the ratios that decide when to stop: of what did not break, or the A/A test if there is nothing else."""
    broken = {failure.implementation for failure in question.failures if failure.phase == "timing"}
    ratios = [ratio for ratio in compared(question) if not {ratio.numerator, ratio.denominator} & broken]
    test = question.self_test
    return ratios or ([test] if test is not None and test.interval.n else [])


def _every_ratio(question: QuestionSummary) -> str:
    if _decisive(question) == [question.self_test]:
        return "the ratio of the A/A test"
    broken = any(failure.phase == "timing" for failure in question.failures)
    return "every ratio of those that did not fail" if broken else "every ratio"


def _what_was_wanted(question: QuestionSummary, timing: Timing) -> str:
    """Say what the budget was too small for: precision, or the least number of process replicates."""
    ratios = _decisive(question)
    if ratios and all(relative_half_width(ratio.interval) <= timing.target for ratio in ratios):
        enough = min(ratio.n_replicates for ratio in ratios)
        return f"the {timing.min_replicates} process replicates that an interval needs: {enough} are complete"
    return f"{_every_ratio(question)} was within {within(timing.target)}"


def _widest(question: QuestionSummary) -> str:
    ratios = _decisive(question)
    if not ratios:
        return "; no two implementations share a round"
    if not all(has_bounds(ratio.interval) for ratio in ratios):
        return "; a ratio from one process replicate has no interval"
    return f"; the widest is {within(max(relative_half_width(ratio.interval) for ratio in ratios))}"


def self_test_sentence(question: QuestionSummary) -> str | None:
    """Return how an implementation compares with its own second copy; None where the question has no such copy."""
    if question.self_test is None:
        return None
    test = question.self_test
    name = named(test.denominator)
    if not test.interval.n:
        return _("A/A test: the second copy of {name} was not timed in a round with {name}.").format(name=name)
    ratio = number_interval(test.interval)
    if not has_bounds(test.interval):
        text = _("A/A test, {name} against itself: ratio {ratio}, from one process replicate, so without an interval.")
        return text.format(name=name, ratio=ratio)
    if test.interval.contains(1):
        text = _("A/A test, {name} against itself: ratio {ratio}; the interval includes 1, as it should.")
        return text.format(name=name, ratio=ratio)
    text = _(
        "A/A test, {name} against itself: ratio {ratio}; the interval does not include 1. One run in twenty shows this "
        "by chance; otherwise the bias is about {bias}."
    )
    return text.format(name=name, ratio=ratio, bias=percent(abs(test.interval.estimate - 1)))


def self_test_warning(question: QuestionSummary) -> str | None:
    """Return the sentence of an A/A test whose interval excludes 1; ``None`` for any other, or without one."""
    test = question.self_test
    if test is None or not has_bounds(test.interval) or test.interval.contains(1):
        return None
    return self_test_sentence(question)


def self_test_missing(summary: Summary) -> str | None:
    """Return the sentence of a run without an A/A test; ``None`` of one that has one."""
    if any(question.self_test is not None for question in summary.questions):
        return None
    return "This run has no A/A test: no implementation was timed against a second copy of itself."


def interference_rule() -> str:
    """Return when a block counts as under interference, with the limits that the computation has."""
    shares = [f"{COUNTERS[name]} above {percent(limit, 0)}" for name, limit in SHARE_LIMITS.items()]
    counts = [
        f"more than {limit} {COUNTERS[name]}" if limit else f"any {COUNTERS[name]}"
        for name, limit in COUNT_LIMITS.items()
    ]
    return f"Under interference: {listing([*shares, *counts], 'or')}"
