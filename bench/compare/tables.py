"""Tables of what a run found, filled from its summary."""

from backprop_bench.bench.compare import answer as claims
from backprop_bench.bench.compare.headline import times_faster
from backprop_bench.bench.core.records.kinds import Verification
from backprop_bench.bench.core.stats.intervals import Interval
from backprop_bench.bench.core.stats.ratios import Ratio
from backprop_bench.bench.core.summary import Disturbance, Performance, QuestionSummary, Summary
from backprop_bench.bench.report.certainty import DISTURBANCES, METHOD, compared, disturbance_rule
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
    value_interval,
)
from backprop_bench.bench.report.table import Table, make_table

BRACKETS = "In brackets: 95 % CI; without brackets there are too few values for one."


def results_table(question: QuestionSummary) -> Table:
    """Return accuracy and time of every implementation."""
    columns = [
        "<implementation",
        "test accuracy",
        "wall time per epoch",
        f"faster than {claims.slowest(question) or ABSENT}",
        "<recipe",
        "CPU time per epoch",
        "blocks",
    ]
    note = (
        f"{count(question.examples, 'training example')}, {count(question.test_examples, 'test example')}, "
        f"{count(question.epochs, 'epoch')}. {BRACKETS} Accuracy: mean over seeds after the last epoch. Times and "
        f"ratios: {METHOD}."
    )
    rows = [_result_row(question, performance) for performance in question.performances]
    return make_table(f"Results: {question.title}", columns, rows, note)


def _result_row(question: QuestionSummary, performance: Performance) -> list[str]:
    return [
        performance.implementation,
        percent_interval(performance.accuracy),
        seconds_interval(performance.wall_s),
        times_faster(question, performance),
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
    note = f"Times faster: {METHOD} ({replicates}). "
    if test is not None and test.interval.n:
        rows.append(_ratio_row(test, "A/A test", test.denominator))
        note += "In the A/A test the interval should include 1. "
    note += f"Without interference: only rounds without it. {disturbance_rule()}."
    return make_table(f"Time ratios: {question.title}", columns, rows, note)


def _ratio_row(ratio: Ratio, faster: str, slower: str) -> list[str]:
    return [
        faster,
        slower,
        factor(ratio.interval).partition(" (")[0],
        bounds(ratio.interval),
        factor(ratio.within_rounds),
        factor(ratio.undisturbed),
        factor(ratio.totals),
    ]


def apart_table(question: QuestionSummary) -> Table:
    """Return what is measured separately from training: starting, evaluation, memory, energy."""
    columns = [
        "<implementation",
        "start and import",
        "load the data",
        "build the model",
        "first batch",
        "one evaluation",
        "peak memory",
        "extra memory during training",
        "energy per epoch",
    ]
    timed = [performance for performance in question.performances if performance.wall_s.n]
    note = (
        "Medians over processes; start, data and model only of processes that were started alone. The first batch "
        "includes compilation, where there is any. Peak memory is of a process; extra memory is beyond libraries and "
        f"data. {_energy_note(timed)}"
    )
    return make_table(f"Measured separately: {question.title}", columns, list(map(_apart_row, timed)), note)


def _apart_row(performance: Performance) -> list[str]:
    return [
        performance.implementation,
        seconds(performance.import_s),
        seconds(performance.load_s),
        seconds(performance.prepare_s),
        seconds(performance.first_s),
        seconds(performance.evaluation_s),
        mebibytes(performance.peak_rss_bytes),
        mebibytes(performance.above_data_bytes),
        ABSENT if performance.energy_j is None else value_interval(performance.energy_j, "J"),
    ]


def _energy_note(performances: list[Performance]) -> str:
    """Say what measured energy, and why nothing did for whom."""
    said = []
    for source in dict.fromkeys(performance.energy for performance in performances):
        here = [performance for performance in performances if performance.energy == source]
        whose = "" if len(here) == len(performances) else f" of {listing(named(item.implementation) for item in here)}"
        measured = any(performance.energy_j is not None for performance in here)
        why = f"{source} gave no reading" if source.startswith(("RAPL", "NVML")) else source
        said.append(f"Energy{whose}: {source}." if measured else f"Energy{whose} was not measured: {why}.")
    return " ".join(said)


def work_table(question: QuestionSummary) -> Table:
    """Return the operations and bytes of an epoch, and the rate at which they were done."""
    columns = [
        "<implementation",
        "GFLOP/s reached",
        "operations per epoch",
        "of matrix products",
        "bytes per epoch",
        "FLOP per byte",
    ]
    note = (
        "Counted from the recipe, so the same for whoever trains it: what an implementation computes or moves beyond "
        "that counts as time only. Bytes: those that must move between memory and processor if nothing stays in the "
        f"cache from step to step. {BRACKETS}"
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
    """Return how many thousand million operations were done in a second; the shortest time is the highest rate."""
    work, wall_s = performance.work.flops / 1e9, performance.wall_s
    return Interval(work / wall_s.estimate, work / wall_s.high, work / wall_s.low, wall_s.n)


def disturbance_table(summary: Summary) -> Table:
    """Return the system interference of every question."""
    rows = [
        [
            question.title,
            str(question.disturbance.n_blocks),
            str(question.disturbance.n_disturbed),
            *(_disturbance_cell(question.disturbance, name) for name in DISTURBANCES),
        ]
        for question in summary.questions
        if question.disturbance.n_blocks
    ]
    note = (
        f"Shares are of the wall time of the blocks; {ABSENT}: a counter that the system does not provide. Stolen: by "
        "the hypervisor, over all cores. Waiting: threads that were ready and had no core. CPU pressure: some task of "
        f"the machine waited for a core. {disturbance_rule()}."
    )
    columns = ["<question", "blocks", "under interference", *DISTURBANCES.values()]
    return make_table("System interference", columns, rows, note)


def _disturbance_cell(disturbance: Disturbance, name: str) -> str:
    if name in disturbance.shares:
        return percent(disturbance.shares[name], 2)
    return f"{disturbance.counts[name]:,}" if name in disturbance.counts else ABSENT


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
        f"Mean over {count(question.seeds, 'seed')}. Epoch 0 is that of the initial weights. Training loss: mean over "
        "the examples of the epoch, each before its batch changed the weights. Training time: epochs × measured time "
        f"per epoch. {BRACKETS}"
    )
    columns = ["<implementation", "epoch", "test accuracy", "training loss", "cumulative training time"]
    return make_table(f"Learning: {question.title}", columns, rows, note)


def parts_table(question: QuestionSummary) -> Table:
    """Return the time of every part of a training step."""
    rows = [
        [performance.implementation, part, seconds_interval(interval), str(interval.n)]
        for performance in question.performances
        for part, interval in performance.parts
    ]
    columns = ["<implementation", "<part", "wall time per step", "blocks"]
    return make_table(f"Parts of a training step: {question.title}", columns, rows, BRACKETS)


def parity_table(summary: Summary) -> Table:
    """Return the verification, what failed first."""
    checks = [(question, check) for question in summary.questions for check in question.parity]
    checks.sort(key=lambda pair: pair[1].passed)
    columns = [
        "<question",
        "<implementation",
        "<against",
        "<check",
        "<dtype",
        "largest error",
        "tolerance",
        "<passed",
        "<where",
    ]
    rows = [[question.name, *_parity_cells(check)] for question, check in checks]
    return make_table("Verification", columns, rows)


def _parity_cells(check: Verification) -> list[str]:
    return [
        check.implementation,
        check.reference,
        check.check,
        check.dtype,
        scientific(check.difference),
        scientific(check.tolerance),
        "yes" if check.passed else "NO",
        check.where,
    ]


def failures_table(summary: Summary) -> Table:
    """Return what failed, was refused or diverged."""
    rows = []
    for question in summary.questions:
        rows += [
            [
                question.name,
                failure.implementation,
                claims.phase_words(failure),
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
