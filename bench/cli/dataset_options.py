"""Options for the dataset and how its files are read; what was understood is printed before it is used."""

import functools
from collections.abc import Callable
from typing import Any, Final

import click

from backprop_bench.data import Dataset, load_dataset
from backprop_bench.data.load import READING_OPTIONS, with_options

Command = Callable[..., Any]

_SILENT: Final = "mnist"

_OPTIONS: Final = (
    click.option(
        "--dataset", default="mnist", show_default=True, help="Name or path of the dataset, or several paths."
    ),
    click.option("--label", metavar="COLUMN", help="Column of the labels: its name, its number from 1, first or last."),
    click.option("--largest", type=click.FloatRange(min=0, min_open=True), help="Largest possible input."),
    click.option("--transpose/--no-transpose", default=None, help="Whether images lie on their side, as EMNIST's do."),
    click.option(
        "--test-share",
        type=click.FloatRange(min=0, max=1, min_open=True, max_open=True),
        metavar="SHARE",
        help="Share of the examples to test on, where none are for it.  [default: a seventh]",
    ),
)


def dataset_options(command: Command) -> Command:
    """Add ``--dataset`` and what can be said of its files; the command receives all of it as ``dataset``."""

    @functools.wraps(command)
    def bundled(*, dataset: str, **rest: Any) -> Any:
        options = {key: rest.pop(key.replace("-", "_")) for key in READING_OPTIONS}
        stated = {key: value for key, value in options.items() if value is not None}
        return command(dataset=with_options(dataset, stated), **rest)

    for option in reversed(_OPTIONS):
        bundled = option(bundled)
    return bundled


def load_and_say(dataset: str) -> Dataset:
    """Return a dataset, having said on standard error what was understood of its files, and what to look at."""
    loaded = load_dataset(dataset)
    if dataset != _SILENT:
        click.echo(f"{dataset}: {loaded.summary}.", err=True)
        for warning in loaded.warnings:
            click.echo(f"Warning: {warning}.", err=True)
    return loaded
