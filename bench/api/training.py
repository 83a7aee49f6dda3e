"""``train``: how accurate is it, after how many epochs? The same as the command, from several seeds."""

import dataclasses
import math
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from backprop_bench.bench.api.by_value import renamed
from backprop_bench.bench.api.recorded import (
    check_seconds,
    check_whole,
    html_of,
    in_python,
    labels_of,
    recipe_and_fields,
    time_limit,
)
from backprop_bench.bench.cli.dataset_options import load_and_say
from backprop_bench.bench.cli.progress import Bars
from backprop_bench.bench.compare import answer, tables
from backprop_bench.bench.compare.steps import SAME_RECIPE
from backprop_bench.bench.core.engine.plan import (
    BLOCK_S,
    MIN_REPLICATES,
    TARGET,
    Extent,
    check_available,
    make_question,
)
from backprop_bench.bench.core.machine.cores import chosen_cores
from backprop_bench.bench.core.records.kinds import AnyRecord, Epoch, Failure
from backprop_bench.bench.core.records.plan import Description, Entry, Plan, Question, Timing
from backprop_bench.bench.core.summary import Performance, QuestionSummary, Summary, summarize
from backprop_bench.bench.core.worker.client import Refusal, WorkerError
from backprop_bench.bench.core.worker.shared_data import SharedExamples
from backprop_bench.bench.report.numbers import count, named, paragraph, percent_interval
from backprop_bench.bench.train.measure import TrainingRow, trained_epochs
from backprop_bench.data import Dataset, InputError, Recipe, changed_recipe, named_recipe

CURVES = ("implementation", "seed", "epoch", "accuracy", "loss", "wall_s", "cpu_s")
ACCURACIES = ("implementation", "epoch", "accuracy", "low", "high", "seeds")
TITLE = "Test accuracy with the same recipe"


@dataclass(frozen=True)
class Training:
    """How accurate implementations become; a notebook shows the sentences and a table.

    Attributes
    ----------
    sentences
        What failed or has diverged, what each one reaches, and how the accuracies compare.
    accuracies
        A row per implementation: test ``accuracy``, a fraction, after its last ``epoch``, the mean over the ``seeds``,
        and its 95 % CI, ``low`` and ``high``.
    curves
        A row for every epoch from every seed: test ``accuracy``, mean ``loss`` of the examples of the epoch, seconds
        ``wall_s`` and ``cpu_s``. Of epoch 0, the initial weights, there is the accuracy alone. The seconds are of
        trainings one after the other: :func:`backprop_bench.time` compares times.
    failures
        What broke; of such an implementation no further seed is trained.
    """

    sentences: tuple[str, ...]
    accuracies: pd.DataFrame
    curves: pd.DataFrame
    failures: tuple[str, ...]
    summary: Summary = dataclasses.field(repr=False)

    def __str__(self) -> str:
        """Return the sentences."""
        return paragraph(self.sentences)

    def _repr_html_(self) -> str:
        return html_of(self.sentences, [tables.curves_table(self.summary.questions[0])])


def train(
    implementations: str | type | Sequence[str | type],
    recipe: str | Recipe = "shared",
    *,
    epochs: int | None = None,
    seeds: int = 1,
    dataset: str = "mnist",
    examples: int | None = None,
    hold_out: int | None = None,
    threads: int = 1,
    timeout_s: float | None = None,
    **fields: Any,
) -> Training:
    """Train implementations on a recipe, from each seed, and evaluate them after every epoch.

    Nothing is verified and nothing is recorded: what is wrong, too, can be seen to learn or not.

    Parameters
    ----------
    implementations
        One or a list: classes, also from a cell of a notebook, or names that the command line takes.
    recipe
        A name, or a recipe.
    epochs
        Of every training; ``None`` for those of the recipe.
    seeds
        How many: that of the recipe, and those after it. A 95 % CI needs two.
    dataset
        Name or path.
    examples
        Train on the first ones only; ``None`` for all.
    hold_out
        Test on so many of the last training examples instead; for tuning.
    threads
        Of every implementation.
    timeout_s
        Seconds in which an implementation must answer a request; ``None`` for five minutes.
    fields
        Fields of the recipe that are changed, such as ``learning_rate=0.3``.

    Raises
    ------
    InputError
        For what cannot be trained, in one sentence.
    """
    for name, value in (("seeds", seeds), ("threads", threads)):
        check_whole(name, value)
    for name, optional in (("epochs", epochs), ("examples", examples), ("hold_out", hold_out)):
        if optional is not None:
            check_whole(name, optional)
    check_seconds("timeout_s", timeout_s)
    each = [implementations] if isinstance(implementations, str | type) else implementations
    recipe_name, changes = recipe_and_fields(recipe, fields if epochs is None else {**fields, "epochs": epochs})
    loaded = load_and_say(dataset)
    selected = changed_recipe(named_recipe(recipe_name or "shared"), changes, loaded)
    loaded = (loaded.hold_out(hold_out) if hold_out else loaded).subset(examples)
    with in_python():
        chosen_cores(None, threads)
    with tempfile.TemporaryDirectory(prefix="backprop-bench-") as own, time_limit(timeout_s):
        labels = _labels(each, Path(own))
        label = f"{recipe_name}, changed" if changes else str(recipe_name)
        entries = [Entry(name, label, selected, alias=labels[name], timed=False) for name in labels]
        question = _question(entries, loaded, range(selected.seed, selected.seed + seeds))
        return _measured(question, loaded, threads)


def _labels(implementations: object, own: Path) -> dict[str, str]:
    if not isinstance(implementations, Sequence) or not implementations:
        raise InputError(
            f'implementations is {implementations!r}; expected classes or names, such as [Mine, "torch-eager"]'
        )
    labels = labels_of(implementations, own)
    for name in labels:
        check_available(name)
    return labels


def _question(entries: Sequence[Entry], dataset: Dataset, seeds: Sequence[int]) -> Question:
    extent = Extent(None, entries[0].recipe.epochs, len(seeds), 0.0)
    untimed = Timing(TARGET, 0.0, BLOCK_S, 0, MIN_REPLICATES, 0)
    question = make_question(SAME_RECIPE, TITLE, dataset, extent, entries, untimed)
    return dataclasses.replace(question, seeds=tuple(seeds))


def _trained(
    question: Question, examples: SharedExamples, threads: int, failures: list[Failure]
) -> Iterator[tuple[Entry, int, TrainingRow]]:
    """Train every entry from every seed; what breaks is added to the failures."""
    for entry in question.entries:
        seed = question.seeds[0]
        try:
            for seed, row in trained_epochs(entry, question.seeds, examples, threads):
                yield entry, seed, row
        except (Refusal, InputError) as refusal:
            raise InputError(renamed(str(refusal), entry.implementation, entry.name)) from None
        except WorkerError as failure:
            failures.append(
                Failure(
                    session=0,
                    question=question.name,
                    implementation=entry.label,
                    phase="training",
                    number=seed,
                    message=renamed(str(failure), entry.implementation, entry.name),
                )
            )


def _measured(question: Question, dataset: Dataset, threads: int) -> Training:
    failures: list[Failure] = []
    rows, curves = [], []
    bars, steps = Bars(), len(question.entries) * len(question.seeds) * question.epochs
    with SharedExamples(question.entries[0].recipe, dataset) as shared, bars.stage("training", steps):
        for entry, seed, row in _trained(question, shared, threads, failures):
            rows.append(_epoch(question, entry, seed, row))
            shown = (row.epoch, row.accuracy, row.loss, row.wall_s, row.cpu_s)
            of_epoch = [value if isinstance(value, int | float) else math.nan for value in shown]
            curves.append((entry.label, seed, *of_epoch))
            bars.advance(f"{entry.name}, seed {seed}", steps=min(row.epoch, 1))
    summary = _summary(question, [*rows, *failures], dataset, threads)
    return _training(summary, pd.DataFrame(curves, columns=list(CURVES)), failures)


def _epoch(question: Question, entry: Entry, seed: int, row: TrainingRow) -> Epoch:
    return Epoch(
        session=0,
        question=question.name,
        implementation=entry.label,
        seed=seed,
        epoch=row.epoch,
        examples=question.examples,
        loss=row.loss if isinstance(row.loss, float) else None,
        without_loss=row.epoch > 0 and row.loss is None and not row.diverged,
        accuracy=row.accuracy,
    )


def _summary(question: Question, rows: Sequence[AnyRecord], dataset: Dataset, threads: int) -> Summary:
    """Return what figures and tables are made from."""
    description = Description(
        plan=Plan((question,), 0, 0.0, None),
        environment={},
        dataset=dataset.name,
        dataset_crc32=0,
        threads=threads,
        cpus=(),
        command="backprop-bench train",
    )
    return dataclasses.replace(summarize(description, rows), complete=True)


def _training(summary: Summary, curves: pd.DataFrame, failures: Sequence[Failure]) -> Training:
    (question,) = summary.questions
    rows = [
        (item.implementation, answer.last_epoch(item), accuracy.estimate, accuracy.low, accuracy.high, accuracy.n)
        for item in _reached(question)
        for accuracy in [item.accuracy]
    ]
    return Training(
        (*answer.warnings(summary), *_sentences(question)),
        pd.DataFrame(rows, columns=list(ACCURACIES)),
        curves,
        tuple(f"{failure.implementation}: {failure.message}" for failure in failures),
        summary,
    )


def _reached(question: QuestionSummary) -> list[Performance]:
    """Return what was trained for an epoch at least."""
    return [item for item in question.performances if answer.last_epoch(item)]


def _sentences(question: QuestionSummary) -> list[str]:
    """Return what each one reaches, and how the accuracy of the first compares with that of each of the others."""
    reached = _reached(question)
    sentences = [
        f"{named(item.implementation)} reaches {percent_interval(item.accuracy)} after "
        f"{count(answer.last_epoch(item), 'epoch')}, {_of_seeds(item.accuracy.n)}."
        for item in reached
    ]
    return sentences + [
        f"{named(reached[0].implementation)} and {named(other.implementation)}: "
        f"{answer.accuracy_sentence(question, reached[0], other)}."
        for other in reached[1:]
    ]


def _of_seeds(number: int) -> str:
    return "from one seed" if number == 1 else f"mean of {count(number, 'seed')}"
