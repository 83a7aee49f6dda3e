"""``backprop-bench ladder``: the speed-up of each idea, from lists to compiled loops."""

import click

from backprop_bench.bench.cli.options import RunOptions, folder_of_run, precision_options, run_options
from backprop_bench.bench.cli.output import finish
from backprop_bench.bench.cli.progress import Bars
from backprop_bench.bench.cli.questions import Descriptor
from backprop_bench.bench.cli.running import go_on
from backprop_bench.bench.core.records.plan import Plan
from backprop_bench.bench.core.records.recorded_run import RecordedRun
from backprop_bench.bench.ladder.analysis import summarize_ladder
from backprop_bench.bench.ladder.blas import probe_blas
from backprop_bench.bench.ladder.measure import run_ladder
from backprop_bench.bench.ladder.plan import plan_ladder, yours
from backprop_bench.bench.ladder.stages import side_of_stages
from backprop_bench.bench.ladder.view import draw_ladder, ladder_charts, ladder_sentences, ladder_tables
from backprop_bench.bench.report.findings import Finding, Findings, is_failed
from backprop_bench.bench.report.numbers import listing, number_interval
from backprop_bench.data import SHARED, Dataset, fit_recipe

BLAS_USER = "scratch-inplace"
"""The implementation that has a stage with other kernels of OpenBLAS."""

IMPLEMENTATION_HELP = (
    "Only the stages of these; repeatable. Yours, as FILE.py:CLASS, is one more stage, beside all others."
)


@click.command()
@click.option("--implementation", "implementations", multiple=True, help=IMPLEMENTATION_HELP)
@click.option("--examples", type=click.IntRange(min=1), help="Only the first so many training examples; all otherwise.")
@click.option("--hidden", type=click.IntRange(min=1), help="Units of the hidden layer; those of the shared recipe.")
@click.option("--batch-size", type=click.IntRange(min=1), help="Examples in a batch; those of the shared recipe.")
@precision_options(420.0, "For the timing.")
@run_options("a ladder that was stopped")
def ladder(
    options: RunOptions,
    implementations: tuple[str, ...],
    examples: int | None,
    hidden: int | None,
    batch_size: int | None,
    target: float,
    budget: float,
) -> None:
    """Time every stage from lists to the fastest code from scratch, and from a newcomer's PyTorch to its fastest.

    Every stage is one idea. It is verified first, and all are timed interleaved: each has a speed-up over the previous
    stage with a 95 % confidence interval. Stages in mixed precision also train for their accuracy.

    \b
    Examples:
      backprop-bench ladder
      backprop-bench ladder --examples 10000 --budget 60
      backprop-bench ladder --implementation scratch-compiled --implementation torch-compile
      backprop-bench ladder --implementation mine.py:Mine
      backprop-bench ladder --hidden 200 --batch-size 1 --implementation scratch-compiled --implementation torch-eager
      backprop-bench ladder --resume
    """  # noqa: D301 (click reads the backspace)

    def make_plan(dataset: Dataset) -> Plan:
        core_type = None
        stages = set(implementations).difference(yours(implementations))
        if not stages or BLAS_USER in stages:
            core_type = _core_type(dataset, options.threads)
        recipe = fit_recipe(SHARED, dataset)
        inputs, *others, classes = recipe.layer_sizes
        layer_sizes = (inputs, *([hidden] if hidden else others), classes)
        recipe = recipe.replace(layer_sizes=layer_sizes, batch_size=batch_size or recipe.batch_size)
        plan, left_out = plan_ladder(dataset, recipe, examples, target / 100, budget, implementations, core_type)
        for stage, reason in left_out.items():
            click.echo(f"Left out: {stage}: {reason}", err=True)
        return plan

    folder = folder_of_run(options, make_plan)
    run = go_on(folder, Bars(), run_ladder)
    finish(options.output, lambda: ladder_findings(run), folder)


def ladder_findings(run: RecordedRun) -> Findings:
    """Return the findings of a run of ``ladder``."""
    results = summarize_ladder(run.description, run.rows, side_of_stages())
    finding = Finding(
        name="ladder",
        sentences=ladder_sentences(results),
        tables=ladder_tables(results),
        charts=ladder_charts(results),
        draw=lambda: [draw_ladder(results)] if results.sides else [],  # without a timed stage there is nothing to draw
    )
    failures = results.question.failures
    return Findings(
        [finding],
        [f"{failure.implementation}: {failure.message}" for failure in failures],
        is_failed(failures),
    )


def _core_type(dataset: Dataset, threads: int) -> str | None:
    """Return the core type that makes OpenBLAS significantly faster than what it picks, and print all speed-ups."""
    probe = probe_blas(dataset, threads)
    if probe is None:
        click.echo("Left out: other kernels of OpenBLAS: NumPy has another library here", err=True)
        return None
    each = listing(f"{name} {number_interval(speedup)}" for name, speedup in probe.speedups.items())
    click.echo(f"OpenBLAS picks {probe.picked}. Speed-up of the products with other kernels: {each}.", err=True)
    if probe.fastest is None:
        click.echo("Left out: other kernels of OpenBLAS: none is significantly faster than what it picks", err=True)
    return probe.fastest


DESCRIPTORS = (
    Descriptor(
        ladder,
        ladder_findings,
        latest="latest-ladder",
        section="fast",
        heading="Speed-up of every stage",
        sources={"ladder": ("block", "start", "memory", "end", "epoch")},
    ),
)
