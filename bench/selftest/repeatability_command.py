"""``backprop-bench repeatability``: how well independent runs agree."""

import json
from collections.abc import Sequence
from pathlib import Path

import click

from backprop_bench.bench.cli.output import Output, output_options
from backprop_bench.bench.core.records.files import write_whole
from backprop_bench.bench.core.records.recorded_run import read_run
from backprop_bench.bench.core.records.run_folder import existing_run_folder
from backprop_bench.bench.core.summary import Summary, summarize
from backprop_bench.bench.report.drawing import save
from backprop_bench.bench.report.findings import Finding, Findings
from backprop_bench.bench.selftest.repeatability import repeatability as compute
from backprop_bench.bench.selftest.repeatability_view import (
    draw_repeatability,
    repeatability_sentences,
    repeatability_table,
    repeated_runs_table,
)
from backprop_bench.data import InputError


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="[LABEL=]FOLDER...")
@click.option("--question", default="same-recipe", show_default=True, help="Question of the runs to compare.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for the JSON file and the figure."
)
@output_options
def repeatability(runs: tuple[str, ...], question: str, out: Path | None, output: Output) -> None:
    """Compare the time ratios of independent runs, paired within a run and measured separately.

    \b
    Examples:
      backprop-bench repeatability results/2026-*-default
      backprop-bench repeatability idle=results/first busy=results/second --out results/repeatability
    """  # noqa: D301 (click reads the backspace)
    if len(runs) < 2:
        raise InputError("repeatability got 1 run, expected at least 2")
    result = compute(_read_all(runs), question)
    tables = [repeatability_table(result), repeated_runs_table(result)]
    output.show(Findings([Finding("repeatability", repeatability_sentences(result), tables)]))
    if out is not None:
        write_whole(out / "repeatability.json", (json.dumps(result.to_dict(), indent=2) + "\n").encode())
        figure = save(draw_repeatability(result), out)
        output.note(f"\nFigure: {figure.png}")


def _read_all(runs: Sequence[str]) -> list[tuple[str, Summary]]:
    """Read runs, each named by its label or its folder.

    Raises
    ------
    InputError
        Where one occurs twice.
    """
    labels: dict[Path, str] = {}
    for run in runs:
        label, equals, path = ("", "", run) if Path(run).exists() else run.rpartition("=")
        folder = existing_run_folder(Path(path))
        if folder in labels:
            raise InputError(f"{path} is the same run as {labels[folder]!r}; expected independent runs")
        labels[folder] = label if equals else folder.name
    recorded = [(label, read_run(folder)) for folder, label in labels.items()]
    return [(label, summarize(run.description, run.rows)) for label, run in recorded]
