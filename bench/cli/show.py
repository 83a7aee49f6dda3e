"""``backprop-bench show``: the findings of a run, on the terminal."""

from pathlib import Path

import click

from backprop_bench.bench.cli.output import Output, language_option, leave, output_options
from backprop_bench.bench.cli.report import findings_of_run


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path("results/latest"))
@output_options
@language_option
def show(folder: Path, output: Output) -> None:
    """Print the tables, charts and sentences of a run from its records; nothing is measured, no file is written.

    FOLDER holds a run of any command that measures. Cells are rounded for reading; to compute, use records.jsonl.

    \b
    Examples:
      backprop-bench show
      backprop-bench show results/latest-ladder
      backprop-bench show results/latest --format json
      backprop-bench show results/latest --table verification
      backprop-bench show results/latest --table 1 --format csv > results.csv
    """  # noqa: D301 (click reads the backspace)
    findings = findings_of_run(folder)
    output.show(findings)
    leave(findings)
