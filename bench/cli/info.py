"""``backprop-bench list`` and ``backprop-bench doctor``."""

import click
from rich.console import Console
from rich.table import Table

from backprop_bench.bench.cli.output import Output, output_options
from backprop_bench.bench.core.implementations import IMPLEMENTATIONS, registered
from backprop_bench.bench.core.machine.doctor import diagnose
from backprop_bench.bench.report.findings import Finding, Findings
from backprop_bench.bench.report.table import make_table
from backprop_bench.data import RECIPES, Recipe
from backprop_bench.data.sources import PUBLISHED

DATASETS = {name: published.description for name, published in PUBLISHED.items()} | {
    "PATH": "your own: IDX, CSV, .npz, Parquet, ARFF, .mat, a folder of images for each class; see docs/data.md"
}


@click.command(name="list")
@output_options
def list_all(output: Output) -> None:
    """List the implementations with their availability on this machine, the named recipes and the datasets.

    \b
    Examples:
      backprop-bench list
      backprop-bench list --table recipes --format csv
    """  # noqa: D301 (click reads the backspace)
    implementations = make_table(
        "Implementations",
        ["<implementation", "<side", "<description", "<available"],
        [
            (
                implementation.name,
                implementation.side,
                implementation.description,
                implementation.unavailable() or ("yes, by name" if implementation.only_by_name else "yes"),
            )
            for implementation in (*IMPLEMENTATIONS.values(), *registered().values())
        ],
    )
    recipes = make_table(
        "Recipes",
        ["<recipe", "<layers", "<output, loss", "<batch", "<optimizer", "<bias", "<dtype"],
        [(name, *_recipe_cells(recipe)) for name, recipe in RECIPES.items()],
    )
    datasets = make_table("Datasets", ["<dataset", "<description"], list(DATASETS.items()))
    output.show(Findings([Finding("list", tables=[implementations, recipes, datasets])]))


def _recipe_cells(recipe: Recipe) -> list[str]:
    return [
        "-".join(map(str, recipe.layer_sizes)) + f" {recipe.hidden_activation}",
        f"{recipe.output_activation}, {recipe.loss} ({recipe.reduction})",
        str(recipe.batch_size or "all"),
        f"{recipe.optimizer}, {recipe.learning_rate:g}",
        "yes" if recipe.bias else "no",
        recipe.dtype,
    ]


_STYLES = {"ok": "green", "note": "cyan", "warning": "yellow"}


@click.command()
def doctor() -> None:
    """Describe this machine and what on it will interfere with a measurement.

    \b
    Examples:
      backprop-bench doctor
    """  # noqa: D301 (click reads the backspace)
    console = Console()
    table = Table("", "topic", "result")
    with console.status("Looking for a few seconds …"):
        findings = diagnose()
    for finding in findings:
        table.add_row(f"[{_STYLES[finding.level]}]{finding.level}[/]", finding.topic, finding.message)
    console.print(table)
