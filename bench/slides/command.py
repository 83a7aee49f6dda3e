"""``backprop-bench slides``: the derivation and a run as slides."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import click

from backprop_bench.bench.cli.descriptors import Descriptor, descriptor
from backprop_bench.bench.cli.report import findings_of_run
from backprop_bench.bench.core.records.files import write_whole
from backprop_bench.bench.core.records.kinds import Failure
from backprop_bench.bench.core.records.reader import DESCRIPTION, of_kind, read_description, read_records
from backprop_bench.bench.core.records.run_folder import LATEST, existing_run_folder
from backprop_bench.bench.core.summary import summarize
from backprop_bench.bench.report.findings import failure_sentences
from backprop_bench.bench.scaling.command import scalings_of_run
from backprop_bench.bench.slides.slides import TITLE, Run, Runs, Scale, created, make_slides
from backprop_bench.data import InputError

WRITER: Final = "pptx"
"""Import name of python-pptx, which writes the slides."""
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
    if importlib.util.find_spec(WRITER) is None:
        raise InputError("Slides need python-pptx, which is not installed; run pip install 'backprop-bench[docs]'")
    from backprop_bench.bench.slides.pptx_file import to_pptx  # python-pptx is an extra

    run = folder or next((path for path in DEFAULTS if (path / DESCRIPTION).is_file()), DEFAULTS[0])
    runs = _runs(run)
    content = to_pptx(make_slides(runs), TITLE, created(runs.summary))
    click.echo(write_whole(output, content))
    beside = [other.findings.failed for other in (runs.ladder, runs.explain) if other is not None]
    beside.append(runs.scale is not None and bool(runs.scale.failures))
    if any(beside) or any(question.failures for question in runs.summary.questions):
        raise SystemExit(1)


def _runs(run: Path) -> Runs:
    """Return the run in a folder with the runs that belong to it."""
    existing_run_folder(run)
    summary = summarize(read_description(run), read_records(run))
    folders = folders_beside(run)
    return Runs(
        summary,
        _beside(folders.get("ladder"), _run),
        _beside(folders.get("scale"), _scale),
        _beside(folders.get("explain"), _run),
    )


Read = TypeVar("Read", Run, Scale)


def _beside(folder: Path | None, read: Callable[[Path], Read]) -> Read | None:
    """Read another run; one that cannot be shown, such as an incomplete one, is left out with a message."""
    if folder is None:
        return None
    try:
        return read(folder)
    except InputError as error:
        click.echo(f"{folder} is left out: {error}", err=True)
        return None


def _run(folder: Path) -> Run:
    return Run(read_description(folder), findings_of_run(folder))


def _scale(folder: Path) -> Scale:
    description, rows = read_description(folder), read_records(folder)
    return Scale(description, scalings_of_run(description, rows), failure_sentences(of_kind(rows, Failure)))


def folders_beside(run: Path) -> dict[str, Path]:
    """Return the runs of other commands that belong to a run, by command: those within its folder, else the latest."""
    folders = {}
    for command in BESIDE:
        places = (run / command, run.resolve().parent / descriptor(command).latest)
        path = next((place for place in places if (place / DESCRIPTION).is_file()), None)
        if path is not None:
            folders[command] = path
    return folders


DESCRIPTORS = (Descriptor(slides),)
