"""Why the article's two networks differ: from the records of every cell to the two attributions. Pure functions."""

import dataclasses
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence

from backprop_bench.bench.core.records.kinds import AnyRecord, Block, Epoch, Search
from backprop_bench.bench.core.records.plan import Description, Question
from backprop_bench.bench.core.records.reader import of_kind
from backprop_bench.bench.core.stats.attribution import Attribution, Cell, attribute, equivalence_p, table_of
from backprop_bench.bench.core.stats.intervals import Interval, mean_interval
from backprop_bench.bench.core.stats.ratios import p10_times

TUNED = "learning rate"
"""The factor of whether every cell has its best learning rate."""
OTHER, LOADER = "torch-eager", "torch-loader"
"""Labels in the records: PyTorch's training of both ends (followed by the cell), and the DataLoader."""
MARGIN = 0.001
"""Difference of accuracies within which two implementations count as equivalent: 0.1 percentage points."""


def cell_name(cell: Sequence[int]) -> str:
    """Return what the records call a cell: its levels, "0110"."""
    return "".join(map(str, cell))


def reused(rows: Iterable[AnyRecord]) -> tuple[int, list[str]]:
    """Return how many training jobs were reused from earlier runs, and the names of these runs."""
    origins: dict[tuple[object, ...], str] = {}
    for row in rows:
        if isinstance(row, Search | Epoch) and row.from_run is not None:
            rate = row.learning_rate if isinstance(row, Search) else None
            origins[type(row), row.implementation, row.seed, rate] = row.from_run
    return len(origins), sorted(set(origins.values()))


@dataclasses.dataclass(frozen=True)
class Equivalence:
    """Accuracy of one implementation minus that of another in the same cell, seed by seed.

    Attributes
    ----------
    p
        Of the hypothesis that it is not within ±:data:`MARGIN` (two one-sided tests).
    """

    cell: str
    first: str
    second: str
    interval: Interval
    p: float


@dataclasses.dataclass(frozen=True)
class Explanation:
    """Both gaps, split into their causes.

    Attributes
    ----------
    accuracy
        Of the test accuracy, over seeds; a fraction.
    runtime
        Of the logarithm of the time per example, over process replicates.
    loading
        What the DataLoader adds to the logarithm of the time after all factors; ``None`` where it was not timed.
    accuracies, times
        Accuracy, and seconds per example, of both ends: that of the hand-written network and that of PyTorch's.
    equivalences
        Of the implementation that trained the cells and PyTorch's, at both ends.
    diverged
        Training jobs whose loss stopped being a number, by cell; they count with the accuracy that they had.
    """

    accuracy: Attribution
    runtime: Attribution
    loading: Interval | None
    accuracies: tuple[Interval, Interval]
    times: tuple[Interval, Interval]
    equivalences: tuple[Equivalence, ...]
    diverged: dict[str, int]
    examples: int
    epochs: int
    by_epoch: Mapping[int, Attribution] = dataclasses.field(default_factory=dict)
    """Of the test accuracy after each epoch, with the learning rates that suit the last one."""


def explain(description: Description, rows: list[AnyRecord]) -> Explanation:
    """Compute the explanation of a run of ``explain``.

    Raises
    ------
    InputError
        Where cells are missing, naming them.
    """
    planned = {question.name: question for question in description.plan.questions}
    by_question = {name: [row for row in rows if row.question == name] for name in planned}
    accuracy, runtime = by_question["accuracy"], by_question["runtime"]
    accuracy_factors, runtime_factors = (planned[name].factors for name in ("accuracy", "runtime"))
    last = of_kind(accuracy, Epoch, epoch=planned["accuracy"].epochs)
    cells = _cells(len(accuracy_factors))
    values = {cell: _by_seed(last, cell_name(cell)) for cell in cells}
    times = _log_times(of_kind(runtime, Block))
    timed = {cell: times.get(cell_name(cell), []) for cell in _cells(len(runtime_factors))}
    table, log_table = table_of(values, len(accuracy_factors)), table_of(timed, len(runtime_factors))
    loader, ends = times.get(LOADER, []), timed[(1,) * len(runtime_factors)]
    paired = [a - b for a, b in zip(loader, ends, strict=len(loader) == len(ends))]
    return Explanation(
        accuracy=attribute(accuracy_factors, table),
        runtime=attribute(runtime_factors, log_table),
        loading=mean_interval(paired) if paired else None,
        accuracies=(mean_interval(values[cells[0]]), mean_interval(values[cells[-1]])),
        times=(_seconds(timed[(0,) * len(runtime_factors)]), _seconds(loader or ends)),
        equivalences=tuple(_equivalence(planned["accuracy"], last, cell_name(cell)) for cell in (cells[0], cells[-1])),
        diverged=_diverged(accuracy),
        examples=planned["accuracy"].examples,
        epochs=planned["accuracy"].epochs,
        by_epoch=_by_epoch(planned["accuracy"], accuracy, cells),
    )


def _by_epoch(question: Question, rows: Sequence[AnyRecord], cells: Sequence[Cell]) -> dict[int, Attribution]:
    """Return the attribution after each epoch of which every cell has all seeds."""
    found = {}
    for epoch in range(1, question.epochs + 1):
        here = of_kind(rows, Epoch, epoch=epoch)
        values = {cell: _by_seed(here, cell_name(cell)) for cell in cells}
        if len({len(each) for each in values.values()}) == 1 and all(values.values()):
            found[epoch] = attribute(question.factors, table_of(values, len(question.factors)))
    return found


def _cells(n_factors: int) -> list[Cell]:
    return list(itertools.product((0, 1), repeat=n_factors))


def _by_seed(rows: Sequence[AnyRecord], name: str) -> list[float]:
    by_seed = sorted(of_kind(rows, Epoch, implementation=name), key=lambda row: row.seed)
    return [row.accuracy for row in by_seed]


def _log_times(blocks: Sequence[Block]) -> dict[str, list[float]]:
    """Return the logarithms of the 10th-percentile times per example, by label, a value per process replicate."""
    labels = sorted({row.implementation for row in blocks})
    return {label: list(map(math.log, times)) for label, times in p10_times(blocks, labels).items()}


def _seconds(logs: Sequence[float]) -> Interval:
    mean = mean_interval(logs)
    return Interval(math.exp(mean.estimate), math.exp(mean.low), math.exp(mean.high), mean.n)


def _equivalence(question: Question, last: Sequence[AnyRecord], cell: str) -> Equivalence:
    from_scratch = {row.seed: row.accuracy for row in of_kind(last, Epoch, implementation=cell)}
    torch = {row.seed: row.accuracy for row in of_kind(last, Epoch, implementation=f"{OTHER} {cell}")}
    differences = [from_scratch[seed] - torch[seed] for seed in sorted(from_scratch.keys() & torch.keys())]
    engine = next(entry.implementation for entry in question.entries if entry.label == cell)
    return Equivalence(cell, engine, OTHER, mean_interval(differences), equivalence_p(differences, MARGIN))


def _diverged(rows: Sequence[AnyRecord]) -> dict[str, int]:
    diverged: dict[str, set[int]] = {}
    for row in of_kind(rows, Epoch):
        if row.diverged:
            diverged.setdefault(row.implementation, set()).add(row.seed)
    return {name: len(seeds) for name, seeds in diverged.items()}
