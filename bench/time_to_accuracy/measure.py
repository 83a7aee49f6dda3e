"""Time to accuracy: recipes are selected on held-out examples, then each trains from a cold and from a warm start."""

import concurrent.futures
import contextlib
import dataclasses
import itertools
import random
from collections.abc import Sequence
from typing import Any

from backprop_bench.bench.core.engine.context import RunContext
from backprop_bench.bench.core.engine.plan import BLOCK_S, Extent, check_available, make_question
from backprop_bench.bench.core.engine.progress import Progress
from backprop_bench.bench.core.engine.run_log import RunLog
from backprop_bench.bench.core.engine.runner import Runner
from backprop_bench.bench.core.engine.sources import Sources
from backprop_bench.bench.core.engine.timed_work import TimedWorkCheck
from backprop_bench.bench.core.engine.timed_worker import TimedWorker
from backprop_bench.bench.core.engine.train_until import TrainedUntil, train_until
from backprop_bench.bench.core.implementations import named_implementation
from backprop_bench.bench.core.machine.environment import usable_core_numbers
from backprop_bench.bench.core.records.kinds import Search, TimeToAccuracy
from backprop_bench.bench.core.records.plan import Entry, Plan, Question, Timing
from backprop_bench.bench.core.worker.client import Refusal, WorkerError, start_again, together
from backprop_bench.bench.core.worker.opened import opened_worker
from backprop_bench.bench.core.worker.replies import Begun
from backprop_bench.bench.core.worker.shared_data import SharedExamples, SharedForms
from backprop_bench.bench.time_to_accuracy.analysis import Choice, candidates, choose
from backprop_bench.data import SHARED, Dataset, fit_recipe

TARGETS = (0.97, 0.98, 0.985)
"""Test accuracies to be reached."""
IMPLEMENTATIONS = ("scratch-compiled", "torch-compile", "torch-fused", "jax", "keras")
"""The default implementations, without those that are unavailable: the fastest from scratch, and the fastest others."""
PIECES = 4
"""Parts of an epoch after each of which the accuracy is evaluated."""
HELD_OUT = 6
"""One of so many training examples is held out to select recipes."""
SEARCH_SEEDS = 5
"""Seeds with which the fastest recipes are tried; one training alone would select what was lucky."""
VERIFICATION_STEPS = 200
WARM_UP_S = 0.01
QUESTION = "race"

WIDTHS, BATCHES = (128, 256, 512), (32, 64, 128)
RATE_FACTOR = 0.6
"""Of a learning rate that decays, after each epoch: large steps at first, and small ones near the end."""
OPTIMIZERS: tuple[dict[str, Any], ...] = (
    {"learning_rate": 0.3},
    {"learning_rate": 0.6, "rate_factor": RATE_FACTOR},
    {"optimizer": "momentum", "momentum": 0.9, "learning_rate": 0.03},
    {"optimizer": "momentum", "momentum": 0.9, "learning_rate": 0.06, "rate_factor": RATE_FACTOR},
    {"optimizer": "adam", "learning_rate": 2e-3},
    {"optimizer": "adam", "learning_rate": 4e-3, "rate_factor": RATE_FACTOR},
)
"""Rates and factor were chosen on held-out training examples, with 256 hidden units and batches of 32 to 128."""
COMMON: dict[str, Any] = {"hidden_activation": "relu", "initialization": "he_uniform", "label_smoothing": 0.1}
"""What all recipes share; the smoothing was chosen in the same way."""
GRID: list[dict[str, Any]] = [
    {"layer_sizes": (width,), "batch_size": batch, **optimizer}
    for width, batch, optimizer in itertools.product(WIDTHS, BATCHES, OPTIMIZERS)
]
"""Recipes to try, the same for all. They share `COMMON`, softmax and cross-entropy, and float32."""


def plan_time_to_accuracy(dataset: Dataset, implementations: Sequence[str], seeds: int, epochs: int) -> Plan:
    """Plan what ``race`` does: a question whose entries are all recipes of all implementations.

    Parameters
    ----------
    implementations
        Those to compare; empty for :data:`IMPLEMENTATIONS`.
    seeds
        Training jobs of every implementation to every target.
    epochs
        After which a training job has missed its target.

    Raises
    ------
    InputError
        For an implementation that cannot be used.
    """
    names = list(dict.fromkeys(implementations)) or [
        name for name in IMPLEMENTATIONS if named_implementation(name).unavailable() is None
    ]
    for name in names:
        check_available(name)
    entries = [_entry(name, dataset, changes) for name in names for changes in GRID]
    timing = Timing(1.0, 1.0, BLOCK_S, 1, 1, 0)
    extent = Extent(examples=None, epochs=epochs, seeds=seeds, budget_s=1.0)
    question = make_question(QUESTION, "Time to accuracy", dataset, extent, entries, timing)
    return Plan(
        (question,), part_blocks=0, part_seconds=0.0, verification_steps=VERIFICATION_STEPS, verifies_timed_work=True
    )


def _entry(name: str, dataset: Dataset, changes: dict[str, Any]) -> Entry:
    recipe = fit_recipe(SHARED, dataset)
    sizes = (recipe.layer_sizes[0], *changes["layer_sizes"], recipe.layer_sizes[-1])
    recipe = recipe.replace(**COMMON, **{**changes, "layer_sizes": sizes})
    optimizer = "" if recipe.optimizer == "sgd" else f" {recipe.optimizer}"
    hidden = "-".join(map(str, changes["layer_sizes"]))
    decaying = " decaying" if "rate_factor" in changes else ""
    recipe_name = f"{hidden}, batch {recipe.batch_size},{optimizer} {recipe.learning_rate:g}{decaying}"
    return Entry(name, recipe_name, recipe, alias=f"{name}: {recipe_name}")


def run_time_to_accuracy(run: RunContext) -> None:
    """Search the recipes, verify the selected ones, and time them; recorded results are not measured again."""
    dataset, threads, log, progress = run.dataset, run.threads, run.log, run.progress
    (question,) = run.plan.questions
    try:
        held_out = dataset.hold_out(max(1, len(dataset.x_train) // HELD_OUT))
        with SharedForms(held_out) as shared:
            search = _RecipeSearch(question, shared, len(held_out.x_train), threads, log, run.sources)
            search.run(progress)
        choices = choose(log.find(Search, question), _implementations(question), TARGETS)
        entries = {entry.label: entry for entry in question.entries}
        wanted = list(dict.fromkeys(choice.label for choice in choices))
        only_these = dataclasses.replace(question, entries=tuple(entries[label] for label in wanted))
        plan = dataclasses.replace(run.plan, questions=(only_these,))
        Runner(dataclasses.replace(run, plan=plan)).verify()
        verified = [choice for choice in choices if not log.unverified(question, entries[choice.label])]
        with SharedForms(dataset) as shared:
            check = TimedWorkCheck(run, only_these, shared, question.epochs * PIECES)
            with contextlib.closing(check):
                _time_to_accuracy(question, verified, entries, shared, check, threads, log, progress)
    finally:
        start_again()


def _implementations(question: Question) -> dict[str, str]:
    return {entry.label: entry.implementation for entry in question.entries}


@dataclasses.dataclass(frozen=True)
class _RecipeSearch:
    """Trains recipes on the examples that are not held out, several at a time, since this is a selection."""

    question: Question
    shared: SharedForms
    n_examples: int
    threads: int
    log: RunLog
    sources: Sources

    def run(self, progress: Progress) -> None:
        """Try every recipe with the first seed, then the fastest with others; what is recorded is not tried again."""
        first, *others = self._seeds()
        highest = max(TARGETS)
        with progress.stage("try all recipes", len(self.question.entries)):
            self._try([(entry, first, highest) for entry in self.question.entries], progress)
        rows = self.log.find(Search, self.question, seed=first)
        goals = candidates(rows, _implementations(self.question), TARGETS)
        entries = {entry.label: entry for entry in self.question.entries}
        again = [(entries[label], seed, target) for seed in others for label, target in goals.items()]
        with progress.stage("try the fastest recipes again", len(again)):
            self._try(again, progress)

    def _seeds(self) -> list[int]:
        """Return the seeds of the search, with which nothing is timed afterwards."""
        end = len(self.question.seeds) + 1
        return [0, *range(end, end + SEARCH_SEEDS - 1)]

    def _try(self, trials: Sequence[tuple[Entry, int, float]], progress: Progress) -> None:
        """Train each recipe with its seed to its target."""
        missing = [(entry, seed, target) for entry, seed, target in trials if not self._is_done(entry, seed)]
        with together(self.threads) as pool:
            running = {pool.submit(self._try_one, *trial): trial for trial in missing}
            for future in concurrent.futures.as_completed(running):
                future.result()
                entry, seed, _ = running[future]
                progress.advance(f"{entry.label}, seed {seed}")

    def _is_done(self, entry: Entry, seed: int) -> bool:
        rows = self.log.find(Search, self.question, implementation=entry.label, seed=seed)
        return bool(rows) or bool(self.log.failures(self.question, implementation=entry.label))

    def _try_one(self, entry: Entry, seed: int, target: float) -> None:
        question, examples = self.question, self.shared.of(entry.recipe, self.n_examples)
        run, said = TrainedUntil((), reached=False), None
        try:
            with opened_worker(entry, examples, self.threads) as (worker, opened):
                self.sources.check(entry.implementation, opened.sources)
                worker.ask("begin", Begun, seed=seed)
                timed = TimedWorker(worker, entry, self.n_examples, None, 0)
                timed.warm_up(WARM_UP_S, None)  # what is compiled is compiled now
                worker.ask("begin", Begun, seed=seed)
                run = train_until(worker, entry.recipe, self.n_examples, examples, target, question.epochs, PIECES)
        except Refusal as refusal:
            said = str(refusal)
        except WorkerError as failure:
            self.log.add_failure(question, entry, "tuning", seed, failure)
            return
        self.log.add(
            Search(
                session=self.log.session,
                question=question.name,
                implementation=entry.label,
                seed=seed,
                curve=run.curve,
                reached=run.reached,
                refusal=said,
            )
        )


def _time_to_accuracy(
    question: Question,
    choices: Sequence[Choice],
    entries: dict[str, Entry],
    shared: SharedForms,
    check: TimedWorkCheck,
    threads: int,
    log: RunLog,
    progress: Progress,
) -> None:
    """Train one recipe after the other, in random order within a seed, from other seeds than that of the search."""
    missing = [
        (seed, choice)
        for seed in (seed + 1 for seed in question.seeds)
        for choice in random.Random(seed).sample(list(choices), len(choices))
        if not log.find(TimeToAccuracy, question, implementation=choice.label, seed=seed, target=choice.target)
        and not log.is_out(question, choice.label)
    ]
    cores = list(usable_core_numbers())[:threads]
    with progress.stage("time to accuracy", len(missing)):
        for seed, choice in missing:
            if log.is_out(question, choice.label):
                continue  # it broke in the meantime
            entry = entries[choice.label]
            examples = shared.of(entry.recipe, question.examples)
            try:
                rows = _run(question, entry, choice, seed, examples, check, threads, cores)
            except WorkerError as failure:
                log.add_failure(question, entry, failure.phase or "timing", seed, failure)
            else:
                log.add(*rows)
            progress.advance(f"{choice.label}, seed {seed}, to {100 * choice.target:g} %")


def _run(
    question: Question,
    entry: Entry,
    choice: Choice,
    seed: int,
    examples: SharedExamples,
    check: TimedWorkCheck,
    threads: int,
    cores: list[int],
) -> list[TimeToAccuracy]:
    """Train twice in one process: first from its start, then with everything imported and compiled.

    A reference does each training again; raises `WorkFault` where that comes to something else.
    """
    rows = []
    with opened_worker(entry, examples, threads, cores, check.weights[entry]) as (worker, opened):
        check.check_sources(entry, opened.sources)
        for cold in (True, False):
            start_s = worker.ask("begin", Begun, seed=seed).prepare_s
            start_s += opened.import_s + opened.load_s if cold else 0.0
            goal = examples, choice.target, question.epochs, PIECES
            run = train_until(worker, entry.recipe, question.examples, *goal, check.weights[entry])
            check.verify(entry, run.turns, run.curve[-1][1], seed, choice.target, cold)
            rows.append(
                TimeToAccuracy(
                    session=0,
                    question=question.name,
                    implementation=entry.label,
                    seed=seed,
                    target=choice.target,
                    cold=cold,
                    start_s=start_s,
                    curve=run.curve,
                    reached=run.reached,
                )
            )
    return rows
