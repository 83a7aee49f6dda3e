"""``compare``: how fast is it? The same as the command, also for classes of this process."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from backprop_bench.bench.api.recorded import Chosen, carry_out, html_of, times_of
from backprop_bench.bench.cli.output import write_findings
from backprop_bench.bench.compare.command import compare_findings
from backprop_bench.bench.compare.plan import PROFILES
from backprop_bench.bench.core.engine.plan import TARGET
from backprop_bench.bench.core.records.recorded_run import RecordedRun
from backprop_bench.bench.core.summary import summarize
from backprop_bench.bench.report.numbers import paragraph
from backprop_bench.bench.report.table import Table
from backprop_bench.data import InputError, Recipe


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
        return html_of((*self.answer, *self.failures), self.tables, self.report)


def compare(
    *implementations: str | type,
    recipe: str | Recipe | None = None,
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
        A name, or a recipe; ``None`` for the shared one.
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
    chosen = Chosen(implementations, profile, recipe, fields, target, budget_s, dataset, threads)
    return _comparison(carry_out(chosen, Path(results), timeout_s))


def _comparison(run: RecordedRun) -> Comparison:
    findings, written = write_findings(lambda: compare_findings(run), run.folder)
    summary = summarize(run.description, run.rows)
    rows = [
        {"question": question.name, **row, "accuracy": accuracies[row["implementation"]]}
        for question in summary.questions
        for accuracies in [{item.implementation: item.accuracy.estimate for item in question.performances}]
        for row in times_of(question)
    ]
    return Comparison(
        tuple(findings.sentences),
        pd.DataFrame(rows),
        tuple(findings.failures),
        written[0],
        run.folder,
        tuple(findings.tables[:2]),
    )
