"""Tables of what a run found, filled from its summary."""

from backprop_bench.bench.compute.agreement import Parity
from backprop_bench.bench.compute.statistics import Interval
from backprop_bench.bench.compute.summary import Disturbance, Performance, QuestionSummary, Summary
from backprop_bench.bench.compute.timing import Ratio
from backprop_bench.bench.show.certainty import DISTURBANCES, SET_METHOD, compared, disturbance_rule
from backprop_bench.bench.show.headline import ratio_to_first
from backprop_bench.bench.show.numbers import (
    ABSENT,
    bounds,
    count,
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
from backprop_bench.bench.show.table import Table, make_table

BRACKETS = "In brackets: 95 % interval; without brackets there are too few values for one."


def results_table(question: QuestionSummary) -> Table:
    """Return accuracy and time of every implementation."""
    first = question.performances[0].implementation if question.performances else ABSENT
    columns = [
        "<implementation",
        "test accuracy",
        "wall time per epoch",
        f"ratio to {first}",
        "<recipe",
        "CPU time per epoch",
        "blocks",
    ]
    note = (
        f"{count(question.cases, 'training case')}, {count(question.test_cases, 'test case')}, "
        f"{count(question.epochs, 'epoch')}. {BRACKETS} Accuracy: mean over seeds after the last epoch. Times per "
        f"epoch are those of blocks, by case: {SET_METHOD}. Ratios are of these times, by set."
    )
    rows = [_result_row(question, performance) for performance in question.performances]
    return make_table(f"Results: {question.title}", columns, rows, note)


def _result_row(question: QuestionSummary, performance: Performance) -> list[str]:
    return [
        performance.implementation,
        percent_interval(performance.accuracy),
        seconds_interval(performance.wall_s),
        ratio_to_first(question, performance),
        performance.recipe,
        seconds(performance.cpu_s),
        str(performance.wall_s.n),
    ]


def ratios_table(question: QuestionSummary) -> Table:
    """Return the ratio of the times of every two implementations that share a round, and the self-test as last row."""
    test = question.self_test
    columns = [
        "<ratio",
        "estimate",
        "95 % interval",
        "process sets",
        "rounds",
        "within rounds",
        "without disturbed rounds",
        "rounds left out",
        "of total times",
        "hierarchical bootstrap",
    ]
    rows = [_ratio_row(ratio) for ratio in compared(question)]
    note = (
        "Estimate and interval: within each process set, the time that one in ten of its blocks stays below, of one "
        "implementation by that of the other; geometric mean and Student's interval over the sets."
    )
    if test is not None and test.interval.n:
        rows.append(_ratio_row(test))
        note += " Last row: the self-test."
    note += (
        " Within rounds: the median of the ratios within rounds, by set, with whatever else the machine did. Without "
        "disturbed rounds: as the estimate, from the rounds in which neither block was disturbed. Of total times: each "
        "set's total times divided, which rare costs are in. Hierarchical bootstrap: the percentile interval of the "
        f"ratios within rounds by drawing sets, then rounds. {disturbance_rule()}."
    )
    return make_table(f"Times against each other: {question.title}", columns, rows, note)


def _ratio_row(ratio: Ratio) -> list[str]:
    return [
        f"time({ratio.numerator}) / time({ratio.denominator})",
        number_interval(ratio.interval).partition(" (")[0],
        bounds(ratio.interval),
        str(ratio.n_sets),
        str(ratio.interval.n),
        number_interval(ratio.within_rounds),
        number_interval(ratio.undisturbed),
        str(ratio.interval.n - ratio.undisturbed.n),
        number_interval(ratio.totals),
        bounds(ratio.bootstrap),
    ]


def apart_table(question: QuestionSummary) -> Table:
    """Return what is measured beside training: starting, evaluation, memory, energy."""
    columns = [
        "<implementation",
        "start and import",
        "map the data",
        "make the trainer",
        "first batch",
        "one evaluation",
        "peak memory",
        "above data",
        "energy per epoch",
    ]
    timed = [performance for performance in question.performances if performance.wall_s.n]
    note = (
        "Medians over processes; start, data and trainer only of processes that were started alone. The first batch "
        "includes compilation, where there is any. Memory: the largest peak of a process, and what of it came on top "
        f"of libraries and data. {_energy_note(timed)}"
    )
    return make_table(f"Kept apart: {question.title}", columns, list(map(_apart_row, timed)), note)


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
    """Return what disturbed the timing of every question."""
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
        f"Shares are of the wall time of the blocks; {ABSENT}: the machine does not tell. Stolen: by the hypervisor, "
        "over all cores. Waiting: threads of the process that were ready and had no core. CPU pressure: some task of "
        f"the machine waited for a core. Counts are over all blocks. {disturbance_rule()}."
    )
    columns = ["<question", "blocks", "disturbed", *DISTURBANCES.values()]
    return make_table("What disturbed the timing", columns, rows, note)


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
        "the cases of the epoch, each taken when its batch was visited. Training time: epochs × the measured wall time "
        f"per epoch. {BRACKETS}"
    )
    columns = ["<implementation", "epoch", "test accuracy", "training loss", "training time until then"]
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
    """Return the parity proof, what failed first."""
    checks = [(question, check) for question in summary.questions for check in question.parity]
    checks.sort(key=lambda pair: pair[1].passed)
    columns = [
        "<question",
        "<implementation",
        "<against",
        "<check",
        "<dtype",
        "largest difference",
        "bound",
        "<passed",
        "<where",
    ]
    rows = [[question.name, *_parity_cells(check)] for question, check in checks]
    return make_table("Parity proof", columns, rows)


def _parity_cells(check: Parity) -> list[str]:
    return [
        check.implementation,
        check.reference,
        check.check,
        check.dtype,
        scientific(check.difference),
        scientific(check.bound),
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
    note = "Number: the seed of a training, the process set of a timing."
    return make_table("Failed, refused or diverged", columns, rows, note)
