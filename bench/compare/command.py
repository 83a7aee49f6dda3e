"""``backprop-bench compare``: verify, train, time, draw."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from backprop_bench.bench.cli.options import RunOptions, folder_of_run, precision_options, run_options
from backprop_bench.bench.cli.other_runs import other_runs
from backprop_bench.bench.cli.output import finish, language_option
from backprop_bench.bench.cli.progress import Bars
from backprop_bench.bench.cli.questions import Descriptor
from backprop_bench.bench.cli.recipe_options import changes_from, recipe_options
from backprop_bench.bench.cli.running import go_on
from backprop_bench.bench.compare import answer, overview, setting, tables, verdicts
from backprop_bench.bench.compare.charts import epoch_charts
from backprop_bench.bench.compare.own import step_table
from backprop_bench.bench.compare.plan import PROFILES, plan_comparison
from backprop_bench.bench.compare.report import Material, write_report
from backprop_bench.bench.compare.stages import expected_stages
from backprop_bench.bench.core.records.reader import read_description
from backprop_bench.bench.core.records.recorded_run import RecordedRun
from backprop_bench.bench.core.summary import Summary, summarize
from backprop_bench.bench.predictions import view as predictions
from backprop_bench.bench.predictions.load import outcomes_of_run
from backprop_bench.bench.report import style
from backprop_bench.bench.report.findings import Finding, Findings
from backprop_bench.bench.report.language import reader_language, speaking
from backprop_bench.bench.report.table import Table


@click.command()
@click.option(
    "--profile", type=click.Choice(list(PROFILES)), default="default", show_default=True, help="Size of the run."
)
@click.option(
    "--implementation", "implementations", multiple=True, help="Only this one on the shared recipe; repeatable."
)
@click.option("--only-times", is_flag=True, help="Verify and time; train nothing for accuracy.")
@recipe_options
@precision_options(None, "Time limit for timing each question; by default that of the profile.")
@language_option
@run_options("a run that was stopped")
def compare(
    options: RunOptions,
    profile: str,
    implementations: tuple[str, ...],
    only_times: bool,
    recipe: str,
    target: float,
    budget: float | None,
    **fields: Any,
) -> None:
    """Verify that the implementations agree, train and time them side by side, and report the results.

    Without further options, that is the article's experiment and all usual implementations on one recipe. Whoever
    names implementations or a recipe, by --recipe and an option for each of its fields, compares those alone.

    Timing ends when every ratio is as precise as --target asks, or when --budget is used up. The report says which.

    \b
    Examples:
      backprop-bench compare
      backprop-bench compare --profile quick --implementation scratch-numpy --implementation torch-eager
      backprop-bench compare --recipe article-scratch --implementation mine.py:Mine --implementation torch-eager
      backprop-bench compare --layer-sizes 784-300-10 --optimizer adam --learning-rate 0.001
      backprop-bench compare --target 1 --budget 600
      backprop-bench compare --resume
    """  # noqa: D301 (click reads the backspace)
    changes = changes_from(fields)
    is_named = changes or click.get_current_context().get_parameter_source("recipe") is not ParameterSource.DEFAULT
    named = (recipe, changes) if is_named else None
    folder = folder_of_run(
        options,
        lambda dataset: plan_comparison(profile, dataset, implementations, target / 100, budget, named, only_times),
        name=profile,
    )
    bars = Bars(expected_stages(read_description(folder).plan))
    run = go_on(folder, bars)
    with bars.stage("figures", 1):
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
    with speaking(reader_language()):
        translated = [] if reader_language() == "en" else _sentences(summary)
    finding = Finding(
        name="report",
        sentences=_sentences(summary),
        tables=[*first, tables.failures_table(summary)],
        more=_further_tables(summary),
        charts=epoch_charts(summary),
        translated=translated,
    )
    failures = [
        f"{question.name}: {failure.implementation}: {failure.message}"
        for question in summary.questions
        for failure in question.failures
    ]

    def write(folder: Path) -> list[Path]:
        material = Material(summary, run.rows, other_runs(run.folder, others), _micro_of(run.folder))
        return write_report(material, folder, reader_language())

    return Findings([finding], failures, bool(failures), write)


def _micro_of(folder: Path) -> str | None:
    """Return where the results of ``micro`` are that belong to a run: in its folder, or beside it."""
    addresses = ("micro.json", "../micro/micro.json")
    return next((address for address in addresses if (folder / address).is_file()), None)


def short_findings(run: RecordedRun) -> Findings:
    """Return the answer of a run of ``compare``, for the report of another one; its own report has the rest."""
    summary = summarize(run.description, run.rows)
    drawn = [overview.draw(summary, style.PAGE_INCHES)] if overview.missing(summary) is None else []
    results = [tables.results_table(question) for question in summary.questions]
    return Findings([Finding("report", _sentences(summary), results, draw=lambda: drawn)])


def _sentences(summary: Summary) -> list[str]:
    """Return what a run says in short, in the language that is spoken."""
    return [*answer.warnings(summary), *verdicts.lead(summary)]


def _further_tables(summary: Summary) -> list[Table]:
    """Return the further tables of the report."""
    of_question = (tables.separate_table, tables.work_table, step_table, tables.curves_table, tables.parts_table)
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
