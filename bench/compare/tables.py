"""Tables of a run, filled from its summary."""

from backprop_bench.bench.compare import answer
from backprop_bench.bench.compare.epoch_times import times_faster
from backprop_bench.bench.core.records.kinds import TimedWork, Verification
from backprop_bench.bench.core.stats.intervals import Interval
from backprop_bench.bench.core.stats.ratios import COUNT_LIMITS, Ratio
from backprop_bench.bench.core.summary import Interference, Performance, QuestionSummary, Summary
from backprop_bench.bench.report.certainty import COUNTERS, METHOD, compared, interference_rule
from backprop_bench.bench.report.numbers import (
    ABSENT,
    bounds,
    count,
    count_range,
    factor,
    large,
    listing,
    mebibytes,
    named,
    number_interval,
    percent,
    percent_interval,
    plain,
    scientific,
    seconds,
    seconds_interval,
    two_digits,
    value_interval,
)
from backprop_bench.bench.report.table import Table, make_table

BRACKETS = "In brackets: 95 % CI."
SHOWN_SHARES = ("steal_s", "waited_s", "psi_cpu_some_us")
"""Counters of seconds that the table of interference shows; the records have all."""


def results_table(question: QuestionSummary) -> Table:
    """Return accuracy, where there was training for it, and time of every implementation."""
    trained = any(performance.curve for performance in question.performances)
    columns = [
        "<implementation",
        *(["test accuracy"] if trained else []),
        "wall time per epoch",
        f"faster than {answer.slowest(question) or ABSENT}",
        "<recipe",
        "CPU time per epoch",
        "blocks",
    ]
    extent = [count(question.examples, "training example")]
    extent += [count(question.test_examples, "test example"), count(question.epochs, "epoch")] if trained else []
    note = f"{', '.join(extent)}; in brackets: 95 % CI. Times and ratios: {METHOD}."
    rows = [_result_row(question, performance, trained) for performance in question.performances]
    return make_table(f"Results: {question.title}", columns, rows, note)


def _result_row(question: QuestionSummary, performance: Performance, trained: bool) -> list[str]:
    return [
        performance.implementation,
        *([percent_interval(performance.accuracy)] if trained else []),
        seconds_interval(performance.wall_s),
        times_faster(question, performance.implementation),
        performance.recipe,
        seconds(performance.cpu_s),
        str(performance.wall_s.n),
    ]


def ratios_table(question: QuestionSummary) -> Table:
    """Return by what factor the faster of two is ahead, for every two that share a round; the A/A test is last."""
    test = question.self_test
    columns = [
        "<faster",
        "<slower",
        "times faster",
        "95 % CI",
        "median per-round ratio",
        "without interference",
        "ratio of totals",
    ]
    pairs = [ratio.flipped() if ratio.interval.estimate < 1 else ratio for ratio in compared(question)]
    rows = [_ratio_row(ratio, ratio.denominator, ratio.numerator) for ratio in pairs]
    replicates = count_range((ratio.n_replicates for ratio in pairs), "process replicate")
    note = f"Times faster: {METHOD} ({replicates}). Without interference: only rounds without it"
    if test is not None and test.interval.n:
        rows.append(_ratio_row(test, "A/A test", test.denominator))
        note += "; in the A/A test the interval should include 1"
    return make_table(f"Time ratios: {question.title}", columns, rows, f"{note}.")


def _ratio_row(ratio: Ratio, faster: str, slower: str) -> list[str]:
    return [
        faster,
        slower,
        factor(ratio.interval).partition(" (")[0],
        bounds(ratio.interval),
        factor(ratio.median_per_round),
        factor(ratio.without_interference),
        factor(ratio.totals),
    ]


def separate_table(question: QuestionSummary) -> Table:
    """Return what is measured separately from training: start-up, evaluation, memory, energy."""
    columns = [
        "<implementation",
        "start-up",
        "first batch",
        "one evaluation",
        "peak memory",
        "extra memory during training",
        "energy per epoch",
    ]
    timed = [performance for performance in question.performances if performance.wall_s.n]
    note = (
        "Medians over processes; start-up: import, load the data, build the model; the first batch includes "
        f"compilation. {_energy_note(timed)}"
    )
    return make_table(f"Measured separately: {question.title}", columns, list(map(_separate_row, timed)), note)


def _separate_row(performance: Performance) -> list[str]:
    return [
        performance.implementation,
        seconds(performance.import_s + performance.load_s + performance.prepare_s),
        seconds(performance.first_s),
        seconds(performance.evaluation_s),
        mebibytes(performance.peak_rss_bytes),
        mebibytes(performance.extra_memory_bytes),
        ABSENT if performance.energy_j is None else value_interval(performance.energy_j, "J"),
    ]


def _energy_note(performances: list[Performance]) -> str:
    """Say what measured energy, or why there is no reading, in one sentence."""
    clauses = []
    for source in dict.fromkeys(performance.energy for performance in performances):
        here = [performance for performance in performances if performance.energy == source]
        whose = "" if len(here) == len(performances) else f" of {listing(named(item.implementation) for item in here)}"
        measured = any(performance.energy_j is not None for performance in here)
        why = f"{source} has no reading" if source.startswith(("RAPL", "NVML")) else source
        clauses.append(f"energy{whose}: {source}" if measured else f"energy{whose} was not measured: {why}")
    sentence = "; ".join(clauses)
    return f"{sentence[:1].upper()}{sentence[1:]}." if clauses else ""


def work_table(question: QuestionSummary) -> Table:
    """Return the operations and bytes of an epoch, and the rate reached."""
    columns = [
        "<implementation",
        "GFLOP/s reached",
        "operations per epoch",
        "of matrix products",
        "bytes per epoch",
        "FLOP per byte",
    ]
    note = (
        "Counted from the recipe, whatever an implementation computes beyond it. Bytes: between memory and processor "
        "if nothing stays in the cache from step to step; in brackets: 95 % CI."
    )
    rows = [
        [
            performance.implementation,
            number_interval(_gigaflops(performance)),
            large(performance.work.flops, "FLOP"),
            percent(performance.work.gemm_flops / performance.work.flops),
            large(performance.work.bytes, "B"),
            plain(performance.work.intensity),
        ]
        for performance in question.performances
        if performance.wall_s.n
    ]
    return make_table(f"Work: {question.title}", columns, rows, note)


def _gigaflops(performance: Performance) -> Interval:
    """Return GFLOP/s; the shortest time is the highest rate."""
    work, wall_s = performance.work.flops / 1e9, performance.wall_s
    return Interval(work / wall_s.estimate, work / wall_s.high, work / wall_s.low, wall_s.n)


def interference_table(summary: Summary) -> Table:
    """Return the system interference of every question."""
    rows = [
        [
            question.title,
            str(question.interference.n_blocks),
            str(question.interference.n_under_interference),
            *(_share_cell(question.interference, name) for name in SHOWN_SHARES),
            _events_cell(question.interference),
        ]
        for question in summary.questions
        if question.interference.n_blocks
    ]
    note = (
        f"Shares of the wall time of the blocks; {ABSENT}: a counter that the system does not provide. "
        f"{interference_rule()}."
    )
    shares = (COUNTERS[name] for name in SHOWN_SHARES)
    columns = ["<question", "blocks", "under interference", *shares, "major faults and throttles"]
    return make_table("System interference", columns, rows, note)


def _share_cell(interference: Interference, name: str) -> str:
    return percent(interference.shares[name], 2) if name in interference.shares else ABSENT


def _events_cell(interference: Interference) -> str:
    """Return the number of major faults and throttles together."""
    known = [interference.counts[name] for name in COUNT_LIMITS if name in interference.counts]
    return f"{sum(known):,}" if known else ABSENT


def curves_table(question: QuestionSummary) -> Table:
    """Return accuracy and training loss after every epoch."""
    rows = [
        [
            performance.implementation,
            str(point.epoch),
            percent_interval(point.accuracy),
            ABSENT if point.loss is None else number_interval(point.loss),
            seconds(point.seconds),
        ]
        for performance in question.performances
        for point in performance.curve
    ]
    note = (
        f"Mean over {count(question.seeds, 'seed')}; epoch 0: initial weights; in brackets: 95 % CI. Training loss: "
        "mean over the examples of the epoch, each before the weight update."
    )
    columns = ["<implementation", "epoch", "test accuracy", "training loss", "cumulative training time"]
    return make_table(f"Learning: {question.title}", columns, rows, note)


def parts_table(question: QuestionSummary) -> Table:
    """Return the time of every part of a training step, per example."""
    rows = [
        [performance.implementation, part, seconds_interval(interval), str(interval.n)]
        for performance in question.performances
        for part, interval in performance.parts
    ]
    columns = ["<implementation", "<part", "wall time per example", "blocks"]
    return make_table(f"Parts of a training step: {question.title}", columns, rows, BRACKETS)


def verification_table(summary: Summary) -> Table:
    """Return the checks of the verification, the failed ones first."""
    checks = [(question, check) for question in summary.questions for check in question.verifications]
    checks.sort(key=lambda pair: pair[1].passed)
    columns = [
        "<question",
        "<implementation",
        "<check",
        "largest error",
        "tolerance",
        "<passed",
        "<where",
    ]
    rows = [[question.name, *_verification_cells(check)] for question, check in checks]
    pairs = dict.fromkeys(f"{named(check.implementation)} against {named(check.reference)}" for _, check in checks)
    return make_table("Verification", columns, rows, f"Reference implementations: {listing(pairs)}." if pairs else "")


def _verification_cells(check: Verification) -> list[str]:
    return [
        check.implementation,
        f"{check.check}, {check.dtype}",
        scientific(check.difference),
        scientific(check.tolerance),
        "yes" if check.passed else "NO",
        check.where,
    ]


def timed_work_table(summary: Summary) -> Table:
    """Return how timed work compares with a reference, what differs first."""
    groups: dict[tuple[str, str, str], list[TimedWork]] = {}
    for question in summary.questions:
        for work in question.works:
            key = question.name, work.implementation, work.reference
            groups.setdefault(key, []).append(work)
    rows = []
    for (question_name, *names), works in sorted(groups.items(), key=lambda item: all(w.passed for w in item[1])):
        worst = max(answer.share_of_tolerance(work) for work in works)
        known = all(work.difference is not None for work in works)
        rows.append(
            [
                question_name,
                *names,
                f"{sum(work.checked for work in works):,} of {sum(work.turns for work in works):,}",
                f"{two_digits(100 * worst)} %" if known else ABSENT,
                "yes" if all(work.passed for work in works) else "NO",
            ]
        )
    columns = ["<question", "<implementation", "<reference", "trained again", "largest error", "<equal"]
    note = (
        "Trained again: of the rounds that were timed, and of the first batches of each seed. "
        "Largest error: as a share of its tolerance."
    )
    return make_table("Verification of what was timed", columns, rows, note)


def failures_table(summary: Summary) -> Table:
    """Return what failed, was refused or diverged."""
    rows = []
    for question in summary.questions:
        rows += [
            [
                question.name,
                failure.implementation,
                failure.phase,
                ABSENT if failure.number is None else str(failure.number),
                failure.message,
            ]
            for failure in question.failures
        ]
        rows += [
            [question.name, performance.implementation, "training", listing(map(str, performance.diverged)), "diverged"]
            for performance in question.performances
            if performance.diverged
        ]
    columns = ["<question", "<implementation", "<phase", "<number", "<what happened"]
    note = "Number: the seed of a training, the process replicate of a timing."
    return make_table("Failed, refused or diverged", columns, rows, note)
