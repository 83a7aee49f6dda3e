"""``backprop-bench report``: draw a run again from its records."""

from pathlib import Path

import click
from rich.console import Console

from bench.cli.show import draw, print_summary
from bench.compute.summary import summarize
from bench.records import read_description, read_rows
from bench.run.run_folder import existing_run_folder


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=Path("results/latest"))
def report(folder: Path) -> None:
    """Draw the figures and the report of a run again, from its records alone; nothing is measured.

    \b
    Example:
      backprop-bench report results/latest
    """  # noqa: D301 (click reads the backspace)
    folder = existing_run_folder(folder)
    summary = summarize(read_description(folder), read_rows(folder))
    written = draw(summary, folder)
    print_summary(summary, Console())
    click.echo("\n" + "\n".join(str(path) for path in written))
