"""``backprop-bench scale``: how time grows with batch, width, depth, cases and threads."""

from pathlib import Path
from typing import Any

import click

from bench.cli.progress import Bars
from bench.cli.run_options import RunOptions, folder_of_run, run_options, show_outcome
from bench.cli.running import go_on
from bench.compute.scaling import summarize_scale
from bench.implementations import FLOORS
from bench.records import Row, rows_of
from bench.run.scale import AXES, FETCH, plan_scale
from bench.show.scaling import draw_scaling, scaling_sentences, scaling_table


@click.command()
@click.option("--axis", "axes", multiple=True, type=click.Choice(list(AXES)), help="Only this one; repeatable.")
@click.option("--implementation", "implementations", multiple=True, help="Only these; repeatable.")
@run_options("a run that was stopped")
def scale(options: RunOptions, axes: tuple[str, ...], implementations: tuple[str, ...]) -> None:
    """Time the implementations along batch size, width, depth, cases and threads, and say where one overtakes another.

    At every place the implementations and the matrix products alone are timed interleaved, so that one reads what share
    of the possible each one reaches.

    \b
    Examples:
      backprop-bench scale
      backprop-bench scale --axis batch-size --implementation scratch-numpy --implementation torch-eager
      backprop-bench scale --resume
    """  # noqa: D301 (click reads the backspace)
    folder = folder_of_run(options, lambda dataset: plan_scale(dataset, axes or tuple(AXES), implementations))
    show_scale(folder, *go_on(folder, Bars()))


def show_scale(folder: Path, description: dict[str, Any], rows: list[Row]) -> None:
    """Print what a run of ``scale`` says and write it to its folder; exit code 1 where something failed."""
    counted = {name: what for name, (what, _) in AXES.items()}
    found = summarize_scale(description, rows, counted, list(FLOORS), FETCH)
    tables = [scaling_table(scaling) for scaling in found]
    show_outcome(folder, "scaling", scaling_sentences(found), tables, [draw_scaling(found)])
    failures = rows_of(rows, "failure")
    for failure in failures:
        click.echo(f"Failed: {failure['question']}: {failure['implementation']}: {failure['message']}", err=True)
    if failures:
        raise SystemExit(1)
