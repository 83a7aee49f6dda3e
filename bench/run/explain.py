"""Why the article's two networks differ: a full factorial between them, for accuracy and for time."""

import concurrent.futures
import dataclasses
import itertools
import math
import secrets
from collections.abc import Sequence
from typing import Any

from bench.compute.explain import LOADER, OTHER, TUNED, best_rate, cell_name
from bench.compute.schedule import Timing
from bench.implementations import named_implementation
from bench.records import Recorder, Row
from bench.run.book import Book
from bench.run.compare import Comparison
from bench.run.environment import usable_core_numbers
from bench.run.plan import BLOCK_S, Entry, Extent, Plan, Question, check_timing, make_question
from bench.run.progress import Progress
from bench.run.shared_cases import SharedForms
from bench.run.training import open_entry, train_question
from bench.run.workers import Worker, WorkerError, start_again, together
from data import ARTICLE_SCRATCH, Dataset, Recipe, fit_recipe


@dataclasses.dataclass(frozen=True)
class Factor:
    """What the article's two networks differ in.

    Attributes
    ----------
    name
        What it is called.
    levels
        Fields of the recipe at level 0, that of the hand-written network, and at level 1, that of the PyTorch one.
    implementations
        The same, where the factor is the implementation; empty otherwise.
    """

    name: str
    levels: tuple[dict[str, Any], dict[str, Any]]
    implementations: tuple[str, ...] = ()


LOSS = Factor(
    "loss",
    (
        {"output_activation": "sigmoid", "loss": "squared_error", "target_range": (0.01, 0.99)},
        {"output_activation": "softmax", "loss": "cross_entropy", "target_range": (0.0, 1.0)},
    ),
)
BATCH = Factor("batch", ({"batch_size": 1}, {"batch_size": 64}))
BIAS = Factor("bias", ({"bias": False}, {"bias": True}))
INITIAL = Factor("initial weights", ({"initialization": "lecun_normal"}, {"initialization": "torch_linear"}))
INPUTS = Factor(
    "inputs and order",
    ({"input_range": (0.01, 1.0), "shuffle": False}, {"input_range": (0.0, 1.0), "shuffle": True}),
)
PRECISION = Factor("precision", ({"dtype": "float64"}, {"dtype": "float32"}))
IMPLEMENTATION = Factor("implementation", ({}, {}), ("scratch-numpy", "torch-eager"))
TUNING = Factor(TUNED, ({}, {}))
"""Level 0 has the learning rate of the hand-written network everywhere, level 1 the one that suits each cell best.

It is the last factor of the accuracies, in every scope.
"""


@dataclasses.dataclass(frozen=True)
class Scope:
    """How much is explained.

    Attributes
    ----------
    accuracy, runtime
        Factors of either gap.
    cases
        Training cases; ``None`` for all.
    epochs, seeds
        Of every cell of the accuracies.
    sets, rounds
        Process sets of the times, and rounds in each.
    """

    accuracy: tuple[Factor, ...]
    runtime: tuple[Factor, ...]
    cases: int | None
    epochs: int
    seeds: int
    sets: int
    rounds: int


SCOPES = {
    "quick": Scope((LOSS, BATCH, TUNING), (BATCH, PRECISION, IMPLEMENTATION), 2000, 2, 3, 3, 4),
    "default": Scope(
        (LOSS, BATCH, BIAS, INITIAL, INPUTS, TUNING),
        (BATCH, LOSS, INPUTS, PRECISION, IMPLEMENTATION),
        10_000,
        2,
        5,
        4,
        8,
    ),
    "full": Scope(
        (LOSS, BATCH, BIAS, INITIAL, INPUTS, PRECISION, TUNING),
        (BATCH, LOSS, BIAS, INPUTS, PRECISION, IMPLEMENTATION),
        None,
        5,
        20,
        8,
        16,
    ),
}
RATES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
"""Learning rates that are tried in every cell."""
HELD_OUT = 5
"""One of so many training cases is held out for choosing them."""
PROOF_STEPS = 20
ACCURACY, RUNTIME = "accuracy", "runtime"
TWIN, LOADED = "torch-eager", "torch-loader"
"""What trains both ends as well, and what is timed after all factors."""
ENGINES = ("scratch-compiled", "scratch-numpy")
"""What trains for the accuracies: all compute the same, so the fastest that there is."""
ANY, UNLIMITED_S = 0.999, 36_000.0
"""Every question of times has as many sets, whatever they say."""
NEVER = 2.0
"""An accuracy that is never reached."""


def plan_explanation(dataset: Dataset, scope: Scope) -> Plan:
    """Plan what ``explain`` does: a question of accuracies and one of times, with an entry per cell each."""
    engine = next(name for name in ENGINES if named_implementation(name).unavailable() is None)
    accuracies = [
        Entry(engine, cell_name(cell), _recipe(dataset, scope.accuracy, cell), rung=cell_name(cell))
        for cell in itertools.product((0, 1), repeat=len(scope.accuracy))
    ]
    ends = [accuracies[0], accuracies[-1]]
    accuracies += [dataclasses.replace(end, implementation=TWIN, rung=f"{OTHER} {end.name}") for end in ends]
    times = [
        Entry(_implementation(scope.runtime, cell), cell_name(cell), recipe, rung=cell_name(cell))
        for cell in itertools.product((0, 1), repeat=len(scope.runtime))
        for recipe in [_recipe(dataset, scope.runtime, cell)]
    ]
    # a DataLoader is there only where the implementation is PyTorch's, so it is no factor but comes after all of them
    times.append(Entry(LOADED, times[-1].recipe_name, times[-1].recipe, rung=LOADER))
    timing = Timing(ANY, UNLIMITED_S, BLOCK_S, scope.rounds, scope.sets, secrets.randbits(32))
    check_timing(timing, len(times))
    trained = Extent(scope.cases, scope.epochs, scope.seeds, UNLIMITED_S)
    timed = Extent(scope.cases, 0, 0, UNLIMITED_S)
    questions = (
        make_question(ACCURACY, "Accuracy, cell by cell", dataset, trained, accuracies, timing),
        make_question(RUNTIME, "Time, cell by cell", dataset, timed, times, timing),
    )
    return Plan(questions, part_blocks=0, part_seconds=0.0, proof_steps=PROOF_STEPS)


def _recipe(dataset: Dataset, factors: Sequence[Factor], cell: Sequence[int]) -> Recipe:
    """Return the recipe of a cell; what is no factor is as in the hand-written network, but for the reduction."""
    changes: dict[str, Any] = {"reduction": "mean"}
    for factor, level in zip(factors, cell, strict=True):
        changes |= factor.levels[level]
    return fit_recipe(ARTICLE_SCRATCH, dataset).replace(**changes)


def _implementation(factors: Sequence[Factor], cell: Sequence[int]) -> str:
    chosen = [
        factor.implementations[level] for factor, level in zip(factors, cell, strict=True) if factor.implementations
    ]
    return chosen[0] if chosen else "scratch-numpy"


def run_explanation(
    plan: Plan, dataset: Dataset, threads: int, recorder: Recorder, rows: list[Row], progress: Progress
) -> None:
    """Tune, train, prove and time every cell; what is recorded already is not done again."""
    accuracy, runtime = plan.questions
    book = Book(recorder, rows)
    try:
        held_out = dataset.subset(accuracy.cases)
        held_out = held_out.hold_out(max(1, len(held_out.x_train) // HELD_OUT))
        with SharedForms(held_out) as shared:
            _tune(accuracy, shared, len(held_out.x_train), threads, book, progress)
        entries = [found for entry in accuracy.entries if (found := _with_rate(entry, accuracy, book)) is not None]
        tuned = dataclasses.replace(accuracy, entries=tuple(entries))
        for proved in (tuned, runtime):
            Comparison(
                dataclasses.replace(plan, questions=(proved,)), dataset, threads, recorder, rows, progress
            ).prove()
        book = Book(recorder, rows)
        with SharedForms(dataset) as shared:
            train_question(tuned, tuned.seeds, shared, threads, book, progress)
        Comparison(dataclasses.replace(plan, questions=(runtime,)), dataset, threads, recorder, rows, progress).run()
    finally:
        start_again()


def is_tuned(entry: Entry) -> bool:
    """Say whether a cell has the learning rate that suits it best: all have where that is no factor."""
    return entry.recipe_name[-1] == "1"


def _with_rate(entry: Entry, question: Question, book: Book) -> Entry | None:
    """Return an entry with the learning rate of its cell; ``None`` where it was to be found and was not."""
    if not is_tuned(entry):
        return entry
    rate = best_rate(book.find("search", question, implementation=entry.recipe_name))
    return None if math.isnan(rate) else dataclasses.replace(entry, recipe=entry.recipe.replace(learning_rate=rate))


def _tune(question: Question, shared: SharedForms, n_cases: int, threads: int, book: Book, progress: Progress) -> None:
    """Train every cell that is to be tuned with every learning rate on the cases that are not held out."""
    missing = [
        entry
        for entry in question.entries
        if entry.name == entry.recipe_name
        and is_tuned(entry)
        and not book.find("search", question, implementation=entry.label)
        and not book.find("failure", question, implementation=entry.label)
    ]
    with progress.stage("choose learning rates", len(missing)), together(threads) as pool:
        running = {pool.submit(_tune_one, question, entry, shared, n_cases, threads, book): entry for entry in missing}
        for future in concurrent.futures.as_completed(running):
            future.result()
            progress.advance(f"cell {running[future].label}")


def _tune_one(question: Question, entry: Entry, shared: SharedForms, n_cases: int, threads: int, book: Book) -> None:
    cases = shared.of(entry.recipe, n_cases)
    found = []
    try:
        with Worker(threads, descriptors=[cases.descriptor]) as worker:
            open_entry(entry, cases, worker, threads, list(usable_core_numbers()))
            for rate in RATES:
                worker.ask("begin", seed=0, learning_rate=rate)
                run = worker.ask("race", target=NEVER, epochs=question.epochs, pieces=1)
                found.append({"implementation": entry.label, "learning_rate": rate, **run})
    except WorkerError as failure:
        book.add_failure(question, entry, "tuning", None, str(failure))
        return
    book.add("search", question, *found)
