"""``backprop-bench slides``: the derivation and a run as slides."""

from datetime import datetime
from pathlib import Path

import click

from backprop_bench.bench.cli.questions import Descriptor, descriptor
from backprop_bench.bench.cli.report import findings_of_run
from backprop_bench.bench.core.records.files import write_whole
from backprop_bench.bench.core.records.kinds import Failure
from backprop_bench.bench.core.records.reader import DESCRIPTION, of_kind
from backprop_bench.bench.core.records.recorded_run import read_run
from backprop_bench.bench.core.records.run_folder import LATEST, existing_run_folder
from backprop_bench.bench.core.summary import summarize
from backprop_bench.bench.report.findings import Findings, failure_sentences
from backprop_bench.bench.scaling.command import scalings_of_run
from backprop_bench.bench.slides.pandoc import find_pandoc, to_pptx
from backprop_bench.bench.slides.slides import Beside, make_slides
from backprop_bench.data import InputError

DEFAULTS = (Path("results") / LATEST, Path("results/reference"))
"""Default run: the first of these that exists."""
BESIDE = ("ladder", "scale", "explain")
"""Commands whose runs have slides if they lie beside the run or within its folder."""


@click.command()
@click.argument("folder", metavar="[RUN]", required=False, type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("results/slides.pptx"),
    show_default=True,
    help="Output file.",
)
def slides(folder: Path | None, output: Path) -> None:
    """Make slides for a class: the derivation, then the findings of a run of `compare`; nothing is measured.

    RUN defaults to results/latest, else results/reference. Runs of `ladder`, `scale` and `explain` get slides too:
    those in folders of that name within RUN, else the latest ones beside it.

    Needs the extra `docs`.

    \b
    Examples:
      backprop-bench slides
      backprop-bench slides results/reference --output class.pptx
    """  # noqa: D301 (click reads the backspace)
    find_pandoc()  # before any work
    run = folder or next((path for path in DEFAULTS if (path / DESCRIPTION).is_file()), DEFAULTS[0])
    existing_run_folder(run)
    recorded = read_run(run)
    summary, beside = summarize(recorded.description, recorded.rows), _runs_beside(run)
    created = datetime.fromisoformat(recorded.description.created)
    click.echo(write_whole(output, to_pptx(*make_slides(summary, beside), created)))
    if any(question.failures for question in summary.questions) or any(
        found.findings.failed for found in beside.values()
    ):
        raise SystemExit(1)


def _runs_beside(run: Path) -> dict[str, Beside]:
    """Return the runs that belong to a run, by command; one that cannot be shown is left out with a message."""
    found = {}
    for command, folder in folders_beside(run).items():
        try:
            found[command] = _read_beside(command, folder)
        except InputError as error:  # such as an incomplete one
            click.echo(f"{folder} is left out: {error}", err=True)
    return found


def _read_beside(command: str, folder: Path) -> Beside:
    if command != "scale":
        return Beside(read_run(folder).description, findings_of_run(folder))
    run = read_run(folder)
    failures = failure_sentences(of_kind(run.rows, Failure))
    scalings = scalings_of_run(run.description, run.rows)
    return Beside(run.description, Findings((), failures, failed=bool(failures)), scalings)


def folders_beside(run: Path) -> dict[str, Path]:
    """Return the runs of other commands that belong to a run, by command: those within its folder, else the latest."""
    found = {}
    for command in BESIDE:
        places = (run / command, run.resolve().parent / descriptor(command).latest)
        path = next((place for place in places if (place / DESCRIPTION).is_file()), None)
        if path is not None:
            found[command] = path
    return found


DESCRIPTORS = (Descriptor(slides),)
