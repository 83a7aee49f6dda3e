"""``backprop-bench scale``: how time grows with batch, width and depth, who is ahead where, and by how much."""

import click

from backprop_bench.bench.cli.options import RunOptions, folder_of_run, run_options
from backprop_bench.bench.cli.output import finish
from backprop_bench.bench.cli.progress import Bars
from backprop_bench.bench.cli.questions import Descriptor
from backprop_bench.bench.cli.running import go_on
from backprop_bench.bench.core.implementations import BASELINES
from backprop_bench.bench.core.records.kinds import AnyRecord, Failure
from backprop_bench.bench.core.records.plan import Description
from backprop_bench.bench.core.records.reader import of_kind
from backprop_bench.bench.core.records.recorded_run import RecordedRun
from backprop_bench.bench.report.findings import Finding, Findings, failure_sentences, is_failed
from backprop_bench.bench.scaling.analysis import Scaling, summarize_scale
from backprop_bench.bench.scaling.map_view import draw_map, lead_sentences, lead_tables
from backprop_bench.bench.scaling.plan import AXES, COUNTED, FETCH, plan_scale
from backprop_bench.bench.scaling.view import draw_scaling, scaling_chart, scaling_sentences, scaling_table


@click.command()
@click.option("--axis", "axes", multiple=True, type=click.Choice(list(AXES)), help="Only this one; repeatable.")
@click.option("--implementation", "implementations", multiple=True, help="Only these; repeatable.")
@run_options("a run that was stopped")
def scale(options: RunOptions, axes: tuple[str, ...], implementations: tuple[str, ...]) -> None:
    """Time the implementations along batch size, width, depth, optimizer, inputs, precision and threads.

    At every place the implementations and the matrix products alone are timed interleaved. That gives the fraction of
    the roofline that each one reaches, and a map of how much faster or slower the fastest from scratch is than the
    fastest framework.

    \b
    Examples:
      backprop-bench scale
      backprop-bench scale --axis batch-size --implementation scratch-numpy --implementation torch-eager
      backprop-bench scale --resume
    """  # noqa: D301 (click reads the backspace)
    folder = folder_of_run(options, lambda dataset: plan_scale(dataset, axes or tuple(AXES), implementations))
    run = go_on(folder, Bars())
    finish(options.output, lambda: scale_findings(run), folder)


def scale_findings(run: RecordedRun) -> Findings:
    """Return the findings of a run of ``scale``."""
    scalings = scalings_of_run(run.description, run.rows)
    finding = Finding(
        name="scaling",
        sentences=[*lead_sentences(scalings), *scaling_sentences(scalings)]
        if scalings
        else ["No place of any axis is timed yet."],
        tables=[*lead_tables(scalings), *(scaling_table(scaling) for scaling in scalings)],
        charts=[scaling_chart(scaling) for scaling in scalings],
        draw=lambda: [*draw_map(scalings), draw_scaling(scalings)] if scalings else [],  # none of a run just begun
    )
    failures = of_kind(run.rows, Failure)
    return Findings([finding], failure_sentences(failures), is_failed(failures))


def scalings_of_run(description: Description, rows: list[AnyRecord]) -> list[Scaling]:
    """Return the axes of a run of ``scale`` along which something is timed."""
    along = summarize_scale(description, rows, COUNTED, list(BASELINES), FETCH)
    return [scaling for scaling in along if any(curve.points for curve in scaling.curves)]


DESCRIPTORS = (
    Descriptor(
        scale,
        scale_findings,
        latest="latest-scale",
        section="fast",
        heading="How time grows",
        sources={"scaling": ("block",)},
    ),
)
