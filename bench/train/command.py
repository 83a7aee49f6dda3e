"""``backprop-bench train``: one implementation, one recipe."""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from backprop_bench.bench.cli.dataset_options import dataset_options, load_and_say
from backprop_bench.bench.cli.options import timeout_option
from backprop_bench.bench.cli.output import Output, output_options
from backprop_bench.bench.cli.progress import Bars
from backprop_bench.bench.cli.questions import Descriptor
from backprop_bench.bench.cli.recipe_options import changes_from, recipe_options
from backprop_bench.bench.core.engine.plan import check_available
from backprop_bench.bench.core.machine.cores import chosen_cores
from backprop_bench.bench.core.records.files import write_whole
from backprop_bench.bench.core.records.plan import Entry
from backprop_bench.bench.core.worker.client import Refusal, WorkerError
from backprop_bench.bench.core.worker.shared_data import SharedExamples
from backprop_bench.bench.report.findings import Finding, Findings
from backprop_bench.bench.report.table import make_table
from backprop_bench.bench.train.measure import TrainingRow, trained_epochs
from backprop_bench.data import InputError, changed_recipe, named_recipe

COLUMNS = {"epoch": 5, "accuracy": 11, "mean loss": 11, "wall s": 10, "CPU s": 9}
"""What is printed of every epoch, and how many columns of a terminal it takes."""


@click.command()
@click.argument("implementation")
@recipe_options
@dataset_options
@click.option("--examples", type=click.IntRange(min=1), help="Train on the first examples only.")
@click.option("--hold-out", type=click.IntRange(min=1), help="Test on the last training examples instead; for tuning.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Threads to use.")
@click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write the outcome there.")
@timeout_option
@output_options
def train(
    implementation: str,
    recipe: str,
    dataset: str,
    examples: int | None,
    hold_out: int | None,
    threads: int,
    json_file: Path | None,
    output: Output,
    **fields: Any,
) -> None:
    """Train IMPLEMENTATION on a recipe and print the accuracy after every epoch.

    Every field of the recipe can be changed by an option of its name.

    \b
    Examples:
      backprop-bench train scratch-numpy --epochs 3
      backprop-bench train torch-eager --layer-sizes 784-300-10 --optimizer adam --learning-rate 0.001
      backprop-bench train scratch-numpy --recipe article-scratch --examples 5000 --json out.json
    """  # noqa: D301 (click reads the backspace)
    check_available(implementation)
    chosen_cores(None, threads)
    loaded = load_and_say(dataset)
    selected = changed_recipe(named_recipe(recipe), changes_from(fields), loaded)
    if json_file is not None:
        _check_writable(json_file)
    loaded = (loaded.hold_out(hold_out) if hold_out else loaded).subset(examples)
    entry = Entry(implementation, recipe, selected)
    try:
        with SharedExamples(selected, loaded) as shared:
            epochs = _train(entry, shared, threads, _print_line if output.is_text else lambda _: None)
    except Refusal as refusal:
        raise InputError(str(refusal)) from None
    except WorkerError as failure:
        click.echo(f"Error: {implementation}: {failure}", err=True)
        raise SystemExit(1) from None
    if not output.is_text:
        table = make_table(f"{implementation}, {recipe}", list(COLUMNS), list(map(_cells, epochs)))
        output.show(Findings([Finding("training", tables=[table])]))
    if json_file is not None:
        outcome: dict[str, object] = {
            "implementation": implementation,
            "recipe": selected.to_dict(),
            "dataset": dataset,
        }
        outcome |= {"examples": examples, "hold_out": hold_out, "epochs": msgspec.to_builtins(epochs)}
        write_whole(json_file, (json.dumps(outcome, indent=2) + "\n").encode())


def _check_writable(path: Path) -> None:
    """Raise `InputError` where the outcome cannot be written, before hours of training."""
    if path.is_dir():
        raise InputError(f"{path} is a folder; expected the name of a file")
    try:
        path.touch()
    except OSError as error:
        raise InputError(f"{path}: cannot write: {error.strerror}") from error


def _train(
    entry: Entry, examples: SharedExamples, threads: int, print_row: Callable[[Sequence[str]], None]
) -> list[TrainingRow]:
    """Train and return the rows; print each when its epoch ends."""
    bars, rows = Bars(), []
    with bars.stage("training", entry.recipe.epochs):
        for _, row in trained_epochs(entry, [entry.recipe.seed], examples, threads):
            rows.append(row)
            for cells in [_cells(row)] if row.epoch else [list(COLUMNS), _cells(row)]:
                print_row(cells)
            if row.epoch:
                bars.advance(f"epoch {row.epoch} of {entry.recipe.epochs}")
    if rows[-1].diverged:
        click.echo("The training has diverged: its loss is no longer a number.", err=True)
    return rows


def _cells(row: TrainingRow) -> list[str]:
    """Return what is printed of an epoch."""
    first = [str(row.epoch), f"{row.accuracy:.2%}"]
    if isinstance(row.wall_s, msgspec.UnsetType) or isinstance(row.cpu_s, msgspec.UnsetType):
        return [*first, "", "", ""]
    loss = row.loss if isinstance(row.loss, float) else math.nan
    return [*first, f"{loss:.5f}", f"{row.wall_s:.3f}", f"{row.cpu_s:.3f}"]


def _print_line(cells: Sequence[str]) -> None:
    click.echo(" ".join(f"{cell:>{width}}" for cell, width in zip(cells, COLUMNS.values(), strict=True)).rstrip())


DESCRIPTORS = (Descriptor(train),)
