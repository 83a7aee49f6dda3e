"""``time``: how fast is it? Verified, then timed in pairs; nothing is trained for accuracy."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from backprop_bench.bench.api.recorded import Chosen, carry_out, html_of, times_of
from backprop_bench.bench.cli.index import keep_answer, update_index
from backprop_bench.bench.compare import answer, tables
from backprop_bench.bench.compare.command import compare_findings
from backprop_bench.bench.compare.own import own_sentences, step_table
from backprop_bench.bench.core.engine.plan import TARGET
from backprop_bench.bench.core.records.recorded_run import RecordedRun
from backprop_bench.bench.core.records.run_folder import drawing
from backprop_bench.bench.core.summary import QuestionSummary, summarize
from backprop_bench.bench.report.certainty import compared
from backprop_bench.bench.report.numbers import named, paragraph, speed
from backprop_bench.bench.report.table import Table
from backprop_bench.data import InputError, Recipe

BUDGET_S = 30.0
PROFILE = "default"
RATIOS = ("faster", "slower", "factor", "low", "high")


@dataclass(frozen=True)
class Timing:
    """How fast implementations are; a notebook shows the sentences and the tables.

    Attributes
    ----------
    sentences
        What failed, who is faster and by how much, and whether they are right.
    times
        A row per implementation that was timed: ``implementation``, and seconds per epoch with their 95 % CI,
        ``epoch_s``, ``low_s``, ``high_s``.
    ratios
        A row for every two: ``faster``, ``slower``, by which ``factor``, of at least 1, and its 95 % CI, ``low`` and
        ``high``. Where that includes 1, there is no significant difference.
    failures
        What broke, was refused or is not equal.
    folder
        The run. Its report is drawn by ``backprop-bench report``, followed by the folder.
    """

    sentences: tuple[str, ...]
    times: pd.DataFrame
    ratios: pd.DataFrame
    failures: tuple[str, ...]
    folder: Path
    tables: tuple[Table, ...] = dataclasses.field(repr=False, default=())

    def __str__(self) -> str:
        """Return the sentences."""
        return paragraph(self.sentences)

    def _repr_html_(self) -> str:
        return html_of(self.sentences, self.tables, self.folder)


def time(
    *implementations: str | type,
    recipe: str | Recipe = "shared",
    budget_s: float = BUDGET_S,
    target: float = TARGET,
    dataset: str = "mnist",
    threads: int = 1,
    results: str | Path = "results",
    timeout_s: float | None = None,
    **fields: Any,
) -> Timing:
    """Verify implementations and time them in pairs on one recipe, as ``compare --only-times`` does.

    Parameters
    ----------
    implementations
        Classes, also from a cell of a notebook, or names that the command line takes.
    recipe
        A name, or a recipe.
    budget_s
        Seconds for the timing; the verification before it takes some more.
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
        For what cannot be timed, in one sentence.
    KeyboardInterrupt
        When it is stopped; all measurements are kept, and the last line says how to go on.
    """
    if not implementations:
        raise InputError('there is nothing to time; expected classes or names, such as time(Mine, "torch-eager")')
    chosen = Chosen(implementations, PROFILE, recipe, fields, target, budget_s, dataset, threads, only_times=True)
    return timing_of(carry_out(chosen, Path(results), timeout_s))


def timing_of(run: RecordedRun) -> Timing:
    """Return what a run of ``compare`` says of the times, and keep it for the list of runs."""
    findings = compare_findings(run)
    with drawing(run.folder):
        keep_answer(run.folder, findings, [])
    update_index(run.folder.parent)
    summary = summarize(run.description, run.rows)
    (question,) = summary.questions
    warnings, right = answer.warnings(summary), answer.right(summary)
    said = [] if any(warning.startswith(right) for warning in warnings) else [f"{right}."]
    return Timing(
        (
            *warnings,
            *_comparisons(question),
            *(f"{sentence}." for sentence in own_sentences(question, with_times=False)),
            *said,
        ),
        pd.DataFrame(times_of(question), columns=["implementation", "epoch_s", "low_s", "high_s"]),
        pd.DataFrame(ratios_of(question), columns=list(RATIOS)),
        tuple(findings.failures),
        run.folder,
        (tables.results_table(question), tables.ratios_table(question), step_table(question)),
    )


def _comparisons(question: QuestionSummary) -> list[str]:
    """Return how the first one compares with each of the others."""
    names = [item.implementation for item in question.performances if item.wall_s.n]
    ratios = {other: answer.time_ratio(question, names[0], other) for other in names[1:]}
    sentences = [speed(named(names[0]), named(other), ratio) for other, ratio in ratios.items() if ratio is not None]
    if not sentences:
        return [f"{answer.headline(question)}."]
    return [f"{sentence.replace('no significant', 'No significant')}." for sentence in sentences]


def ratios_of(question: QuestionSummary) -> list[tuple[str, str, float, float, float]]:
    """Return the faster and the slower of every two that share a round, the factor and its 95 % CI."""
    pairs = [ratio.flipped() if ratio.interval.estimate < 1 else ratio for ratio in compared(question)]
    return [
        (pair.denominator, pair.numerator, pair.interval.estimate, pair.interval.low, pair.interval.high)
        for pair in pairs
    ]
