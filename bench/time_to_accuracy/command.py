"""``backprop-bench race``: time to accuracy."""

import click

from backprop_bench.bench.cli.options import RunOptions, folder_of_run, run_options
from backprop_bench.bench.cli.output import finish
from backprop_bench.bench.cli.progress import Bars
from backprop_bench.bench.cli.questions import Descriptor
from backprop_bench.bench.cli.running import go_on
from backprop_bench.bench.core.records.recorded_run import RecordedRun
from backprop_bench.bench.report.findings import Finding, Findings, failure_sentences
from backprop_bench.bench.time_to_accuracy.analysis import summarize_time_to_accuracy
from backprop_bench.bench.time_to_accuracy.measure import TARGETS, plan_time_to_accuracy, run_time_to_accuracy
from backprop_bench.bench.time_to_accuracy.view import (
    draw_time_to_accuracy,
    time_to_accuracy_charts,
    time_to_accuracy_sentences,
    time_to_accuracy_table,
)


@click.command()
@click.option("--implementation", "implementations", multiple=True, help="Only these; repeatable.")
@click.option("--seeds", type=click.IntRange(min=1), default=10, show_default=True, help="Runs of each to each target.")
@click.option(
    "--epochs",
    type=click.IntRange(min=1),
    default=15,
    show_default=True,
    help="After which a run has missed its target.",
)
@run_options("a run that was stopped")
def race(options: RunOptions, implementations: tuple[str, ...], seeds: int, epochs: int) -> None:
    """Measure the time to 97 %, 98 % and 98.5 % test accuracy of each implementation with its best recipe.

    The same recipes, with several optimizers, are tried by all on held-out training examples, and the fastest of them
    again with more seeds. For every implementation and target, the most reliable one is selected, then the fastest.
    It trains from other seeds, cold and warm. A target that is not reached counts as a miss.

    \b
    Examples:
      backprop-bench race
      backprop-bench race --seeds 3 --epochs 10 --implementation scratch-compiled --implementation torch-eager
      backprop-bench race --resume
    """  # noqa: D301 (click reads the backspace)
    folder = folder_of_run(options, lambda dataset: plan_time_to_accuracy(dataset, implementations, seeds, epochs))
    run = go_on(folder, Bars(), run_time_to_accuracy)
    finish(options.output, lambda: time_to_accuracy_findings(run), folder)


def time_to_accuracy_findings(run: RecordedRun) -> Findings:
    """Return the findings of a run of ``race``."""
    results = summarize_time_to_accuracy(run.description, run.rows, TARGETS)
    finding = Finding(
        name="time-to-accuracy",
        sentences=time_to_accuracy_sentences(results) or ["Nothing has been trained to a target accuracy yet."],
        tables=[time_to_accuracy_table(results)],
        charts=time_to_accuracy_charts(results),
        draw=lambda: (
            [draw_time_to_accuracy(results)] if results.results else []
        ),  # without a time there is nothing to draw
    )
    return Findings([finding], failure_sentences(results.failures), bool(results.failures))


DESCRIPTORS = (
    Descriptor(
        race,
        time_to_accuracy_findings,
        latest="latest-race",
        section="fast",
        heading="Time to accuracy",
        sources={"time-to-accuracy": ("time_to_accuracy", "search")},
    ),
)
