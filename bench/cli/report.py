"""``backprop-bench report``: draw a run again from its records."""

import contextlib
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from backprop_bench.bench.cli.compare import compare_findings
from backprop_bench.bench.cli.further import FINDINGS, further_runs
from backprop_bench.bench.cli.output import Output, finish, output_options
from backprop_bench.bench.records import read_description, read_rows
from backprop_bench.bench.run.run_folder import command_of_run
from backprop_bench.bench.show.findings import Findings
from backprop_bench.bench.show.numbers import listing
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
    help="A run to show beside that of `compare`, in its report; repeatable. Without it, those within FOLDER, and "
    "beside the latest run the latest ones of the other commands.",
)
@output_options
def report(folder: Path, others: tuple[Path, ...], output: Output) -> None:
    """Draw the figures and the report of a run again, from what is in its folder; nothing is measured.

    What networks get wrong needs the dataset too, by the name that the run had for it; without it that is left out.

    \b
    Examples:
      backprop-bench report results/latest
      backprop-bench report results/latest-ladder
      backprop-bench report results/latest --with results/latest-ladder --with other/machine
    """  # noqa: D301 (click reads the backspace)
    if others and command_of_run(folder) != COMPARE:
        raise InputError(
            f"{folder} holds a run of {command_of_run(folder)!r}, whose page shows nothing beside it; --with is for "
            f"runs of {COMPARE!r}"
        )
    finish(output, findings_of_run(folder, others), folder.resolve())


def findings_of_run(folder: Path, others: Sequence[Path] = ()) -> Findings:
    """Return what the run in a folder says.

    Parameters
    ----------
    others
        Folders of the runs that its report is to show beside it; see
        :func:`backprop_bench.bench.cli.further.further_runs`.

    Raises
    ------
    InputError
        Where the folder holds no run, or one of a command or a version that is not known here.
    """
    command = command_of_run(folder)
    known = sorted([*FINDINGS, COMPARE])
    if command not in known:
        raise InputError(f"{folder} holds a run of {command!r}; expected one of {listing(known, 'or')}")
    description, rows = read_description(folder), read_rows(folder)
    with known_version(folder):
        if command == COMPARE:
            return compare_findings(description, rows, folder, functools.partial(further_runs, folder, others))
        return FINDINGS[command](description, rows)


@contextlib.contextmanager
def known_version(folder: Path) -> Iterator[None]:
    """Say what is missing in a run that another version of the suite has left."""
    try:
        yield
    except KeyError as error:
        raise InputError(
            f"{folder} cannot be shown: {error} is missing in its plan or its records, as where they are of another "
            "version of the suite"
        ) from error
