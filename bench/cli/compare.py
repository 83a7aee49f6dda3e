"""``backprop-bench compare``: prove, train, time, draw."""

import click
from rich.console import Console

from bench.cli.progress import Bars
from bench.cli.run_options import RunOptions, folder_of_run, precision_options, run_options
from bench.cli.running import go_on
from bench.cli.show import draw, print_summary
from bench.compute.summary import summarize
from bench.run.plan import PROFILES, plan_comparison


@click.command()
@click.option("--profile", type=click.Choice(list(PROFILES)), default="default", show_default=True, help="How much.")
@click.option("--implementation", "implementations", multiple=True, help="Only these on the shared recipe; repeatable.")
@precision_options(None, "For the timing of each question; the profile's otherwise.")
@run_options("a run that was stopped")
def compare(
    options: RunOptions, profile: str, implementations: tuple[str, ...], target: float, budget: float | None
) -> None:
    """Prove the implementations equal, train and time them side by side, and draw the outcome.

    Timing goes on until every ratio is as precise as --target asks, or until --budget is used up, and the report says
    which.

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
    summary = summarize(*go_on(folder, Bars()))
    written = draw(summary, folder)
    print_summary(summary, Console())
    click.echo(f"\nReport: {next(path for path in written if path.suffix == '.html')}")
    if any(question.failures for question in summary.questions):
        raise SystemExit(1)
