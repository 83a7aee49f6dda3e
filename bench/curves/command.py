"""``backprop-bench curves``: what one sees while networks learn."""

import click

from backprop_bench.bench.cli.options import RunOptions, folder_of_run, run_options
from backprop_bench.bench.cli.output import finish
from backprop_bench.bench.cli.progress import Bars
from backprop_bench.bench.cli.questions import Descriptor
from backprop_bench.bench.cli.running import go_on
from backprop_bench.bench.core.records.kinds import Failure
from backprop_bench.bench.core.records.reader import of_kind
from backprop_bench.bench.core.records.recorded_run import RecordedRun
from backprop_bench.bench.curves.analysis import summarize_curves
from backprop_bench.bench.curves.measure import run_curves
from backprop_bench.bench.curves.plan import plan_curves
from backprop_bench.bench.curves.view import curves_charts, curves_sentences, curves_table, draw_comparison
from backprop_bench.bench.report.findings import Finding, Findings, failure_sentences


@click.command()
@click.option("--examples", type=click.IntRange(min=2), help="Training examples; all of them otherwise.")
@click.option("--epochs", type=click.IntRange(min=1), default=5, show_default=True, help="Of every training.")
@click.option("--seeds", type=click.IntRange(min=2), default=5, show_default=True, help="Of every recipe.")
@run_options("a run that was stopped")
def curves(options: RunOptions, examples: int | None, epochs: int, seeds: int) -> None:
    """Show how networks learn: test accuracy between single weight updates.

    Compared are the article's two networks, cross-entropy and squared error with all else equal, and batch sizes with
    all else equal. Nothing is timed.

    \b
    Examples:
      backprop-bench curves
      backprop-bench curves --epochs 1 --seeds 20
      backprop-bench curves --resume
    """  # noqa: D301 (click reads the backspace)
    folder = folder_of_run(options, lambda dataset: plan_curves(dataset, examples, epochs, seeds))
    run = go_on(folder, Bars(), run_curves)
    finish(options.output, lambda: curves_findings(run), folder)


def curves_findings(run: RecordedRun) -> Findings:
    """Return what a run of ``curves`` says."""
    comparisons = summarize_curves(run.description, run.rows)
    finding = Finding(
        name="curves",
        sentences=[sentence for comparison in comparisons for sentence in curves_sentences(comparison)],
        tables=list(map(curves_table, comparisons)),
        charts=[chart for comparison in comparisons for chart in curves_charts(comparison)],
        draw=lambda: list(map(draw_comparison, comparisons)),
    )
    failures = of_kind(run.rows, Failure)
    return Findings([finding], failure_sentences(failures), bool(failures))


DESCRIPTORS = (
    Descriptor(
        curves,
        curves_findings,
        latest="latest-curves",
        section="why",
        heading="What one sees while they learn",
        sources={"curves": ("curve", "search")},
    ),
)
