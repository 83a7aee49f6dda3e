"""``backprop-bench compare``: verify, train, time, draw."""

from collections.abc import Sequence
from pathlib import Path

import click

from backprop_bench.bench.cli.options import RunOptions, folder_of_run, precision_options, run_options
from backprop_bench.bench.cli.other_runs import other_runs
from backprop_bench.bench.cli.output import finish
from backprop_bench.bench.cli.progress import Bars
from backprop_bench.bench.cli.questions import Descriptor
from backprop_bench.bench.cli.running import go_on
from backprop_bench.bench.compare import answer, headline, setting, tables
from backprop_bench.bench.compare.headline import headline_charts
from backprop_bench.bench.compare.plan import PROFILES, plan_comparison
from backprop_bench.bench.compare.report import Material, write_report
from backprop_bench.bench.core.records.recorded_run import RecordedRun
from backprop_bench.bench.core.summary import Summary, summarize
from backprop_bench.bench.predictions import view as predictions
from backprop_bench.bench.predictions.load import outcomes_of_run
from backprop_bench.bench.report.findings import Finding, Findings
from backprop_bench.bench.report.table import Table


@click.command()
@click.option(
    "--profile", type=click.Choice(list(PROFILES)), default="default", show_default=True, help="Size of the run."
)
@click.option(
    "--implementation", "implementations", multiple=True, help="Only this one on the shared recipe; repeatable."
)
@precision_options(None, "Time limit for timing each question; by default that of the profile.")
@run_options("a run that was stopped")
def compare(
    options: RunOptions, profile: str, implementations: tuple[str, ...], target: float, budget: float | None
) -> None:
    """Verify that the implementations agree, train and time them side by side, and report the results.

    Timing ends when every ratio is as precise as --target asks, or when --budget is used up. The report says which.

    \b
    Examples:
      backprop-bench compare
      backprop-bench compare --profile quick --implementation scratch-numpy --implementation torch-eager
      backprop-bench compare --target 1 --budget 600
      backprop-bench compare --resume
    """  # noqa: D301 (click reads the backspace)
    folder = folder_of_run(
        options,
        lambda dataset: plan_comparison(profile, dataset, implementations, target / 100, budget),
        name=profile,
    )
    run = go_on(folder, Bars())
    finish(options.output, lambda: compare_findings(run), folder)


def compare_findings(run: RecordedRun, others: Sequence[Path] = ()) -> Findings:
    """Return the findings of a run of ``compare``: the answer, warnings, and tables.

    Parameters
    ----------
    others
        Folders of the other runs that its report includes; see
        :func:`backprop_bench.bench.cli.other_runs.other_runs`.
    """
    summary = summarize(run.description, run.rows, outcomes_of_run(run.folder, run.description, run.rows))
    first = [make(question) for question in summary.questions for make in (tables.results_table, tables.ratios_table)]
    finding = Finding(
        name="report",
        sentences=[*answer.warnings(summary), *answer.answer(summary)],
        tables=[*first, tables.failures_table(summary)],
        more=_further_tables(summary),
        charts=headline_charts(summary),
    )
    failures = [
        f"{question.name}: {failure.implementation}: {failure.message}"
        for question in summary.questions
        for failure in question.failures
    ]

    def write(folder: Path) -> list[Path]:
        return write_report(Material(summary, run.rows, other_runs(run.folder, others)), folder)

    return Findings([finding], failures, bool(failures), write)


def short_findings(run: RecordedRun) -> Findings:
    """Return the answer of a run of ``compare``, for the report of another one; its own report has the rest."""
    summary = summarize(run.description, run.rows)
    drawn = [headline.draw(summary)] if headline.missing(summary) is None else []
    sentences = [*answer.warnings(summary), *answer.answer(summary)]
    results = [tables.results_table(question) for question in summary.questions]
    return Findings([Finding("report", sentences, results, draw=lambda: drawn)])


def _further_tables(summary: Summary) -> list[Table]:
    """Return the further tables of the report."""
    of_question = (tables.separate_table, tables.work_table, tables.curves_table, tables.parts_table)
    return [
        tables.verification_table(summary),
        tables.timed_work_table(summary),
        *(make(question) for make in of_question for question in summary.questions),
        tables.interference_table(summary),
        *predictions.prediction_tables(summary),
        setting.recipes_table(summary),
        setting.environment_table(summary),
    ]


DESCRIPTORS = (
    Descriptor(
        compare,
        short_findings,
        compare_findings,
        section="fast",
        heading="Another comparison",
        sources={"report": ("epoch", "block")},
    ),
)
