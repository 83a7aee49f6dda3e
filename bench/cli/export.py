"""``backprop-bench export``: the records of a run as Parquet."""

import importlib.util
import json
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from backprop_bench.bench.core.records.files import write_whole
from backprop_bench.bench.core.records.kinds import AnyRecord
from backprop_bench.bench.core.records.reader import RECORDS, read_records
from backprop_bench.bench.core.records.run_folder import command_of_run
from backprop_bench.data import InputError

WRITER: Final = "pyarrow"
"""The package with which pandas writes Parquet."""


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path("results/latest"))
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="Output file; by default records.parquet in FOLDER."
)
def export(folder: Path, out: Path | None) -> None:
    """Write the records of a run as Parquet: a row per measurement, a column per field, empty where it does not apply.

    Needs the extra `parquet`.

    \b
    Examples:
      backprop-bench export results/latest
      backprop-bench export results/latest-ladder --out ladder.parquet
    """  # noqa: D301 (click reads the backspace)
    if importlib.util.find_spec(WRITER) is None:
        raise InputError(f"Parquet needs {WRITER}, which is not installed; run pip install 'backprop-bench[parquet]'")
    import pandas as pd  # what no other command needs, and slow to import

    command_of_run(folder)  # is there a run?
    frame = pd.DataFrame(map(_columns, read_records(folder))).convert_dtypes()
    path = out or folder.resolve() / Path(RECORDS).with_suffix(".parquet")
    click.echo(write_whole(path, frame.to_parquet(engine=WRITER, index=False)))


def _columns(record: AnyRecord) -> dict[str, Any]:
    """Return the fields of a record; weights, whose layers are arrays of several shapes, as JSON."""
    fields: dict[str, Any] = msgspec.to_builtins(record)
    return {**fields, "weights": json.dumps(fields["weights"])} if fields.get("weights") is not None else fields
