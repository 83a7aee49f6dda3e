"""``backprop-bench report``: draw a run from its records."""

from collections.abc import Sequence
from pathlib import Path

import click

from backprop_bench.bench.cli.output import Output, finish, language_option, output_options
from backprop_bench.bench.cli.questions import commands_with_runs, descriptor
from backprop_bench.bench.core.records.recorded_run import read_run
from backprop_bench.bench.core.records.run_folder import command_of_run
from backprop_bench.bench.report.findings import Findings
from backprop_bench.bench.report.numbers import listing
from backprop_bench.data import InputError

COMPARE = "compare"


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path("results/latest"))
@click.option(
    "--with",
    "others",
    metavar="FOLDER",
    multiple=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Another run to include in the report of `compare`; repeatable. By default those within FOLDER, and for the "
    "latest run the latest ones of the other commands.",
)
@output_options
@language_option
def report(folder: Path, others: tuple[Path, ...], output: Output) -> None:
    """Draw the figures and the report of a run from the records in its folder; nothing is measured.

    The errors of the networks need the dataset too, by its name in the run; without it that section is left out.

    \b
    Examples:
      backprop-bench report results/latest
      backprop-bench report results/latest-ladder
      backprop-bench report results/latest --with results/latest-ladder --with other/machine
    """  # noqa: D301 (click reads the backspace)
    command = command_of_run(folder)  # is there a run?
    if others and command != COMPARE:
        raise InputError(
            f"{folder} holds a run of {command!r}, whose report includes no other runs; --with is for runs of "
            f"{COMPARE!r}"
        )
    place = folder.resolve()  # once, for a link may lead to a newer run in the next moment
    finish(output, lambda: findings_of_run(place, others), place)


def findings_of_run(folder: Path, others: Sequence[Path] = ()) -> Findings:
    """Return the findings of the run in a folder.

    Parameters
    ----------
    others
        Folders of the other runs that its report includes; see
        :func:`backprop_bench.bench.cli.other_runs.other_runs`.

    Raises
    ------
    InputError
        Where the folder holds no run, or one of an unknown command or version.
    """
    command = command_of_run(folder)
    known = commands_with_runs()
    if command not in known:
        raise InputError(f"{folder} holds a run of {command!r}; expected one of {listing(known, 'or')}")
    run = read_run(folder)
    result = descriptor(command)
    assert result.findings is not None  # it is a command with runs
    return result.findings(run) if result.report is None else result.report(run, others)
