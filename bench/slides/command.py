"""``backprop-bench slides``: the derivation and a run as slides."""

from datetime import datetime
from pathlib import Path

import click

from backprop_bench.bench.cli.questions import Descriptor
from backprop_bench.bench.core.records.files import write_whole
from backprop_bench.bench.core.records.reader import DESCRIPTION
from backprop_bench.bench.core.records.recorded_run import read_run
from backprop_bench.bench.core.records.run_folder import LATEST, existing_run_folder
from backprop_bench.bench.core.summary import summarize
from backprop_bench.bench.report.language import LANGUAGES, speaking
from backprop_bench.bench.slides.pandoc import find_pandoc, to_pptx
from backprop_bench.bench.slides.slides import make_slides

DEFAULTS = (Path("results") / LATEST, Path("results/reference"))
"""Default run: the first of these that exists."""
OUTPUT = Path("results/slides.pptx")
ENDINGS = {"en": "", "zh": ".zh-CN"}
"""By language, what the name of a file has before its suffix."""


@click.command()
@click.argument("folder", metavar="[RUN]", required=False, type=click.Path(path_type=Path, file_okay=False))
@click.option("--language", type=click.Choice(LANGUAGES), help="Language of the slides; by default both are written.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help=f"Output file; without --language that in English, with the Chinese one beside it.  [default: {OUTPUT}]",
)
def slides(folder: Path | None, language: str | None, output: Path | None) -> None:
    """Make slides for a class of an hour, with speaker notes: derive, verify, time, and why; nothing is measured.

    RUN is a run of `compare`, from which all numbers come; results/latest by default, else results/reference. Needs the
    extra `docs`.

    \b
    Examples:
      backprop-bench slides
      backprop-bench slides results/reference --language zh --output class.pptx
    """  # noqa: D301 (click reads the backspace)
    find_pandoc()  # before any work
    run = folder or next((path for path in DEFAULTS if (path / DESCRIPTION).is_file()), DEFAULTS[0])
    existing_run_folder(run)
    recorded = read_run(run)
    summary = summarize(recorded.description, recorded.rows)
    created = datetime.fromisoformat(recorded.description.created)
    for spoken, file in output_files(language, output).items():
        with speaking(spoken):
            click.echo(write_whole(file, to_pptx(make_slides(summary), created)))
    if any(question.failures for question in summary.questions):
        raise SystemExit(1)


def output_files(language: str | None, output: Path | None) -> dict[str, Path]:
    """Return the files to write, by language."""
    if language is not None and output is not None:
        return {language: output}
    file = output or OUTPUT
    languages = LANGUAGES if language is None else (language,)
    return {spoken: file.with_name(f"{file.stem}{ENDINGS[spoken]}{file.suffix}") for spoken in languages}


DESCRIPTORS = (Descriptor(slides),)
