"""``backprop-bench list`` and ``backprop-bench doctor``."""

import click
from rich.console import Console
from rich.table import Column, Table

from bench.implementations import IMPLEMENTATIONS
from bench.run.doctor import diagnose
from data import RECIPES

DATASETS = {
    "mnist": "60,000 + 10,000 handwritten digits; comes with the suite",
    "fashion-mnist": "60,000 + 10,000 pictures of clothing; a local folder, Debian's package or a download",
    "PATH": "a folder with the four IDX files, or CSV files with the label first: train.csv,test.csv",
}


@click.command(name="list")
def list_all() -> None:
    """List the implementations and whether they can be used here, the named recipes and the datasets."""
    console = Console()
    table = Table(Column("implementation", no_wrap=True), "side", "what it is", "available", title="Implementations")
    for implementation in IMPLEMENTATIONS.values():
        available = implementation.unavailable() or ("yes, by name" if implementation.only_by_name else "yes")
        table.add_row(implementation.name, implementation.side, implementation.description, available)
    console.print(table)
    heads = ("layers", "output, loss", "batch", "optimizer", "bias", "dtype")
    table = Table(Column("recipe", no_wrap=True), *heads, title="Recipes")
    for name, recipe in RECIPES.items():
        table.add_row(
            name,
            "-".join(map(str, recipe.layer_sizes)) + f" {recipe.hidden_activation}",
            f"{recipe.output_activation}, {recipe.loss} ({recipe.reduction})",
            str(recipe.batch_size or "all"),
            f"{recipe.optimizer}, {recipe.learning_rate:g}",
            "yes" if recipe.bias else "no",
            recipe.dtype,
        )
    console.print(table)
    table = Table(Column("dataset", no_wrap=True), "what it is", title="Datasets")
    for name, description in DATASETS.items():
        table.add_row(name, description)
    console.print(table)


_STYLES = {"ok": "green", "note": "cyan", "warning": "yellow"}


@click.command()
def doctor() -> None:
    """Say what this machine is and what on it will disturb a measurement."""
    console = Console()
    table = Table("", "topic", "found")
    with console.status("Looking for a few seconds …"):
        findings = diagnose()
    for finding in findings:
        table.add_row(f"[{_STYLES[finding.level]}]{finding.level}[/]", finding.topic, finding.message)
    console.print(table)
