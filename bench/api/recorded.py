"""What ``compare`` and ``time`` share: a recorded run, of classes of this process, too, that the command can resume."""

import contextlib
import dataclasses
import html
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backprop_bench.bench.api.by_value import kept
from backprop_bench.bench.cli.dataset_options import load_and_say
from backprop_bench.bench.cli.progress import Bars
from backprop_bench.bench.cli.recipe_options import recipe_words, word_of
from backprop_bench.bench.cli.running import begin_run, go_on
from backprop_bench.bench.compare.plan import plan_comparison
from backprop_bench.bench.compare.stages import expected_stages
from backprop_bench.bench.core.machine.cores import chosen_cores
from backprop_bench.bench.core.records.plan import Plan, Question
from backprop_bench.bench.core.records.recorded_run import RecordedRun
from backprop_bench.bench.core.summary import QuestionSummary
from backprop_bench.bench.core.worker.client import limit_requests
from backprop_bench.bench.report.table import Table, to_html
from backprop_bench.data import RECIPES, Dataset, ExtendedRecipe, InputError, Recipe, named_recipe

OWN = "own"
"""Folder, below the results, of the classes that have no file: so that a run can be resumed."""
IN_PYTHON = {"--budget": "budget_s", "--target": "target", "--threads": "threads"}
"""What options are called here."""
SAID = ("epochs", "layer_sizes")
"""Fields of a recipe that are said even where they are those of the shared one, for which others may be taken."""


@dataclass(frozen=True)
class Chosen:
    """What a run is to do; see :func:`backprop_bench.compare`."""

    implementations: Sequence[str | type]
    profile: str
    recipe: str | Recipe | None
    fields: Mapping[str, Any]
    target: float
    budget_s: float | None
    dataset: str
    threads: int
    only_times: bool = False


def carry_out(chosen: Chosen, results: Path, timeout_s: float | None) -> RecordedRun:
    """Measure what is chosen and return what is recorded of it.

    Raises
    ------
    InputError
        For what cannot be compared, in one sentence.
    KeyboardInterrupt
        When it is stopped; all measurements are kept, and the last line says how to go on.
    """
    _check_numbers(chosen, timeout_s)
    name, fields = recipe_and_fields(chosen.recipe, chosen.fields)
    loaded = load_and_say(chosen.dataset)
    labels = labels_of(chosen.implementations, results / OWN)
    named = None if name is None and not fields else (name or "shared", fields)
    with in_python():
        chosen_cores(None, chosen.threads)
        plan = _with_labels(_plan(chosen, list(labels), loaded, named), labels)
    folder = begin_run(results, chosen.profile, _command(chosen, name, fields, labels), plan, loaded, chosen.threads)
    stages = expected_stages(plan)
    bars = Bars(stages[:-1] if chosen.only_times else stages)  # then no figures are drawn
    with time_limit(timeout_s):
        try:
            return go_on(folder, bars, signals=[signal.SIGINT])  # the others are the program's
        except SystemExit as stopped:  # by Ctrl-C, say: the last line has the command that resumes it
            raise KeyboardInterrupt from stopped


@contextlib.contextmanager
def time_limit(timeout_s: float | None) -> Iterator[None]:
    """Bound every request to the workers that the block starts; ``None`` changes nothing."""
    with contextlib.ExitStack() as stack:
        if timeout_s is not None:
            stack.callback(limit_requests, limit_requests(timeout_s))
        yield


def _check_numbers(chosen: Chosen, timeout_s: float | None) -> None:
    check_whole("threads", chosen.threads)
    check_seconds("budget_s", chosen.budget_s)
    check_seconds("timeout_s", timeout_s)
    if not _is_positive(chosen.target) or chosen.target >= 1:
        raise InputError(f"target is {chosen.target!r}; expected a share of the ratio, such as 0.02")


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def check_seconds(name: str, value: object) -> None:
    """Raise `InputError` for what is neither a positive number nor ``None``."""
    if value is not None and not _is_positive(value):
        raise InputError(f"{name} is {value!r}; expected a number of seconds, or None")


def check_whole(name: str, value: object) -> None:
    """Raise `InputError` for what is no whole number from 1 on."""
    if not isinstance(value, int) or not _is_positive(value):
        raise InputError(f"{name} is {value!r}; expected a whole number of at least 1")


@contextlib.contextmanager
def in_python() -> Iterator[None]:
    """Say what options are called here where an error calls them as the command does."""
    try:
        yield
    except InputError as error:
        message = str(error)
        for option, name in IN_PYTHON.items():
            message = message.replace(option, name)
        raise InputError(message) from None


def _plan(chosen: Chosen, names: Sequence[str], dataset: Dataset, named: tuple[str, Mapping[str, Any]] | None) -> Plan:
    return plan_comparison(
        chosen.profile, dataset, names, chosen.target, chosen.budget_s, named, only_times=chosen.only_times
    )


def recipe_and_fields(recipe: str | Recipe | None, fields: Mapping[str, Any]) -> tuple[str | None, dict[str, Any]]:
    """Return the name of a recipe and the fields that are changed, which the command can say, too.

    Raises
    ------
    InputError
        For what is no recipe.
    """
    if isinstance(recipe, Recipe):
        changed, shared = (ExtendedRecipe.of(each).to_dict() for each in (recipe.replace(**fields), RECIPES["shared"]))
        return "shared", {
            name: value
            for name, value in changed.items()
            if name in SAID or name not in shared or value != shared[name]
        }
    if recipe is not None and not isinstance(recipe, str):
        raise InputError(f"recipe is of the type {type(recipe).__name__}; expected a name or a Recipe")
    if recipe is not None:
        named_recipe(recipe)
    return recipe, dict(fields)


def _command(chosen: Chosen, recipe: str | None, fields: Mapping[str, Any], labels: Mapping[str, str]) -> list[str]:
    """Return the words after ``backprop-bench`` that repeat the run."""
    options = {
        "--profile": chosen.profile,
        "--target": f"{100 * chosen.target:g}",
        "--budget": chosen.budget_s,
        "--recipe": recipe,
        "--dataset": chosen.dataset,
        "--threads": chosen.threads,
    }
    only = ["--only-times"] if chosen.only_times else []
    said = [word for option, value in options.items() if value is not None for word in (option, word_of(value))]
    own = [word for name in labels for word in ("--implementation", name)]
    return ["compare", *only, *said, *recipe_words(fields), *own]


def labels_of(implementations: Sequence[str | type], own: Path) -> dict[str, str]:
    """Return by the name that workers know what an implementation is called.

    Parameters
    ----------
    own
        Folder in which classes are kept; see :func:`backprop_bench.bench.api.by_value.kept`.

    Raises
    ------
    InputError
        For what is no implementation, and for two of one name.
    """
    labels: dict[str, str] = {}
    for implementation in implementations:
        label = implementation if isinstance(implementation, str) else getattr(implementation, "__name__", "")
        name = kept(implementation, own)
        if label in labels.values() and name not in labels:
            raise InputError(f"two implementations are called {label}; expected names that differ")
        labels[name] = label
    return labels


def times_of(question: QuestionSummary) -> list[dict[str, Any]]:
    """Return of each implementation that was timed the seconds per epoch, with their 95 % CI."""
    return [
        {
            "implementation": item.implementation,
            "epoch_s": item.wall_s.estimate,
            "low_s": item.wall_s.low,
            "high_s": item.wall_s.high,
        }
        for item in question.performances
        if item.wall_s.n
    ]


def html_of(sentences: Sequence[str], shown: Sequence[Table], place: Path | None = None) -> str:
    """Return what a notebook shows of a result: its sentences, its tables, and where there is more."""
    paragraphs = "".join(f"<p>{html.escape(sentence)}</p>" for sentence in sentences)
    where = "" if place is None else f"<p><code>{html.escape(str(place))}</code></p>"
    return paragraphs + "".join(map(to_html, shown)) + where


def _with_labels(plan: Plan, labels: Mapping[str, str]) -> Plan:
    """Return a plan in which classes have their own names."""

    def changed(question: Question) -> Question:
        entries = tuple(
            dataclasses.replace(entry, alias=labels[entry.implementation])
            if labels.get(entry.implementation, entry.implementation) != entry.implementation
            else entry
            for entry in question.entries
        )
        pair = question.pair and (labels.get(question.pair[0], question.pair[0]), question.pair[1])
        return dataclasses.replace(question, entries=entries, pair=pair)

    return dataclasses.replace(plan, questions=tuple(map(changed, plan.questions)))
