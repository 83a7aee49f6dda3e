"""``backprop-bench report``: draw a run again from its records."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from bench.cli.calibrate import calibrate_findings
from bench.cli.compare import compare_findings
from bench.cli.explain import explain_findings
from bench.cli.ladder import ladder_findings
from bench.cli.output import Output, finish, output_options
from bench.cli.race import race_findings
from bench.cli.reproduce import reproduce_findings
from bench.cli.scale import scale_findings
from bench.records import Row, read_description, read_rows
from bench.run.run_folder import command_of_run
from bench.show.findings import Findings
from bench.show.numbers import listing
from data import InputError

FINDINGS: dict[str, Callable[[dict[str, Any], list[Row]], Findings]] = {
    "calibrate": calibrate_findings,
    "explain": explain_findings,
    "ladder": ladder_findings,
    "race": race_findings,
    "reproduce": reproduce_findings,
    "scale": scale_findings,
}
"""What the records of a run say, by the command that made it; those of ``compare`` have files beside them."""


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path("results/latest"))
@output_options
def report(folder: Path, output: Output) -> None:
    """Draw the figures and the report of a run again, from what is in its folder; nothing is measured.

    What networks get wrong needs the dataset too, by the name that the run had for it; without it that is left out.

    \b
    Examples:
      backprop-bench report results/latest
      backprop-bench report results/latest-ladder
    """  # noqa: D301 (click reads the backspace)
    finish(output, findings_of_run(folder), folder.resolve())


def findings_of_run(folder: Path) -> Findings:
    """Return what the run in a folder says.

    Raises
    ------
    InputError
        Where the folder holds no run, or one of a command or a version that is not known here.
    """
    command = command_of_run(folder)
    known = sorted([*FINDINGS, "compare"])
    if command not in known:
        raise InputError(f"{folder} holds a run of {command!r}; expected one of {listing(known, 'or')}")
    description, rows = read_description(folder), read_rows(folder)
    try:
        if command == "compare":
            return compare_findings(description, rows, folder)
        return FINDINGS[command](description, rows)
    except KeyError as error:
        raise InputError(
            f"{folder} cannot be shown: {error} is missing in its plan or its records, as where they are of another "
            "version of the suite"
        ) from error
