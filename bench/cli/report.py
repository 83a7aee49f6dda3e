"""``backprop-bench report``: draw a run again from its records."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from bench.cli.calibrate import show_calibration
from bench.cli.explain import show_explanation
from bench.cli.ladder import show_ladder
from bench.cli.race import show_race
from bench.cli.reproduce import show_reproduction
from bench.cli.scale import show_scale
from bench.cli.show import draw, print_summary
from bench.compute.summary import summarize
from bench.records import Row, read_description, read_rows
from bench.run.run_folder import command_of_run

SHOWN: dict[str, Callable[[Path, dict[str, Any], list[Row]], None]] = {
    "calibrate": show_calibration,
    "explain": show_explanation,
    "ladder": show_ladder,
    "race": show_race,
    "reproduce": show_reproduction,
    "scale": show_scale,
}
"""What shows a run of a command other than ``compare``."""


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=Path("results/latest"))
def report(folder: Path) -> None:
    """Draw the figures and the report of a run again, from its records alone; nothing is measured.

    \b
    Examples:
      backprop-bench report results/latest
      backprop-bench report results/latest-ladder
    """  # noqa: D301 (click reads the backspace)
    command, folder = command_of_run(folder), folder.resolve()
    description, rows = read_description(folder), read_rows(folder)
    if command in SHOWN:
        SHOWN[command](folder, description, rows)
        return
    summary = summarize(description, rows)
    written = draw(summary, folder)
    print_summary(summary, Console())
    click.echo("\n" + "\n".join(str(path) for path in written))
