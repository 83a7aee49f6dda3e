"""``compare``: how fast is it? The same as the command, also for classes of this process."""

import contextlib
import dataclasses
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from backprop_bench.bench.api.by_value import kept
from backprop_bench.bench.cli.output import write_findings
from backprop_bench.bench.cli.progress import Bars
from backprop_bench.bench.cli.running import begin_run, go_on
from backprop_bench.bench.compare.command import compare_findings
from backprop_bench.bench.compare.plan import PROFILES, plan_comparison
from backprop_bench.bench.compare.stages import expected_stages
from backprop_bench.bench.core.engine.plan import TARGET
from backprop_bench.bench.core.machine.cores import chosen_cores
from backprop_bench.bench.core.records.plan import Plan, Question
from backprop_bench.bench.core.records.recorded_run import RecordedRun
from backprop_bench.bench.core.summary import summarize
from backprop_bench.bench.core.worker.client import limit_requests
from backprop_bench.bench.report.numbers import paragraph
from backprop_bench.bench.report.table import Table, to_html
from backprop_bench.data import InputError, load_dataset, named_recipe

OWN = "own"
"""Folder, below the results, of the classes that have no file: so that a run can be resumed."""


@dataclass(frozen=True)
class Comparison:
    """What a comparison found; a notebook shows the answer and the first tables.

    Attributes
    ----------
    answer
        The sentences with which the report begins.
    times
        A row per implementation and question: seconds per epoch with their 95 % CI, and test accuracy.
    failures
        What broke, was refused or is not equal.
    report
        The page with all of it.
    folder
        The run: its records, and its figures as SVG and PNG.
    """

    answer: tuple[str, ...]
    times: pd.DataFrame
    failures: tuple[str, ...]
    report: Path
    folder: Path
    tables: tuple[Table, ...] = dataclasses.field(repr=False, default=())

    def __str__(self) -> str:
        """Return the answer."""
        return paragraph(self.answer)

    def _repr_html_(self) -> str:
        sentences = "".join(f"<p>{html.escape(sentence)}</p>" for sentence in (*self.answer, *self.failures))
        where = f"<p><code>{html.escape(str(self.report))}</code></p>"
        return sentences + "".join(map(to_html, self.tables)) + where


def compare(
    *implementations: str | type,
    recipe: str | None = None,
    profile: str = "default",
    budget_s: float | None = None,
    target: float = TARGET,
    dataset: str = "mnist",
    threads: int = 1,
    results: str | Path = "results",
    timeout_s: float | None = None,
    **fields: Any,
) -> Comparison:
    """Verify, train and time implementations side by side, and write the report.

    Parameters
    ----------
    implementations
        Classes, also from a cell of a notebook, or names that the command line takes. Without any, and without a
        recipe, it is the article's experiment.
    recipe
        Name of the recipe; ``None`` for the shared one.
    profile
        Size of the run: ``"quick"``, ``"default"`` or ``"full"``.
    budget_s
        Seconds for the timing; ``None`` for that of the profile.
    target
        Half-width of the interval of every ratio, as a share of it, at which timing may stop.
    threads
        Of every implementation.
    results
        Folder of all runs; classes that have no file are kept in ``own`` below it.
    timeout_s
        Seconds in which an implementation must answer a request; ``None`` for five minutes.
    fields
        Fields of the recipe that are changed, such as ``learning_rate=0.3``.

    Raises
    ------
    InputError
        For what cannot be compared, in one sentence.
    KeyboardInterrupt
        When it is stopped; all measurements are kept, and the last line says how to go on.
    """
    if profile not in PROFILES:
        raise InputError(f"there is no profile {profile!r}; expected {', '.join(PROFILES)}")
    if threads < 1:
        raise InputError(f"threads is {threads}; expected at least 1")
    chosen_cores(None, threads)
    if recipe is not None:
        named_recipe(recipe)
    folder = Path(results)
    loaded = load_dataset(dataset)
    labels = _labels(implementations, folder / OWN)
    named = None if recipe is None and not fields else (recipe or "shared", fields)
    plan = _with_labels(plan_comparison(profile, loaded, list(labels), target, budget_s, named), labels)
    options = {"target": 100 * target, "budget": budget_s, "recipe": recipe, "dataset": dataset, "threads": threads}
    words = ["compare", *_words({"profile": profile, **options, **fields})]
    words += [word for name in labels for word in ("--implementation", name)]
    run_folder = begin_run(folder, profile, words, plan, loaded, threads)
    with contextlib.ExitStack() as stack:
        if timeout_s is not None:
            stack.callback(limit_requests, limit_requests(timeout_s))
        try:
            run = go_on(run_folder, Bars(expected_stages(plan)))
        except SystemExit as stopped:  # by Ctrl-C, say: the last line has the command that resumes it
            raise KeyboardInterrupt from stopped
    return _comparison(run)


def _words(options: Mapping[str, Any]) -> list[str]:
    """Return options as one types them."""
    words = []
    for name, value in options.items():
        option = "--" + name.replace("_", "-")
        if isinstance(value, bool):
            words.append(option if value else option.replace("--", "--no-"))
        elif name == "layer_sizes":
            words += [option, "-".join(map(str, value))]
        elif isinstance(value, tuple | list):
            words += [option, *map(str, value)]
        elif value is not None or name == "batch_size":
            words += [option, "all" if value is None else f"{value:g}" if isinstance(value, float) else str(value)]
    return words


def _labels(implementations: Sequence[str | type], own: Path) -> dict[str, str]:
    """Return by the name that workers know what the records call an implementation."""
    labels: dict[str, str] = {}
    for implementation in implementations:
        label = implementation if isinstance(implementation, str) else getattr(implementation, "__name__", "")
        name = kept(implementation, own)
        if label in labels.values() and name not in labels:
            raise InputError(f"two implementations are called {label}; expected names that differ")
        labels[name] = label
    return labels


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


def _comparison(run: RecordedRun) -> Comparison:
    findings, written = write_findings(lambda: compare_findings(run), run.folder)
    summary = summarize(run.description, run.rows)
    rows = [
        {
            "question": question.name,
            "implementation": item.implementation,
            "epoch_s": item.wall_s.estimate,
            "low_s": item.wall_s.low,
            "high_s": item.wall_s.high,
            "accuracy": item.accuracy.estimate,
        }
        for question in summary.questions
        for item in question.performances
        if item.wall_s.n
    ]
    return Comparison(
        tuple(findings.sentences),
        pd.DataFrame(rows),
        tuple(findings.failures),
        written[0],
        run.folder,
        tuple(findings.tables[:2]),
    )
