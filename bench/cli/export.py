"""``backprop-bench export``: the records of a run as Parquet or CSV."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

import click
import msgspec

from backprop_bench.bench.core.records.files import write_whole
from backprop_bench.bench.core.records.kinds import AnyRecord
from backprop_bench.bench.core.records.reader import RECORDS, read_records
from backprop_bench.bench.core.records.run_folder import command_of_run

PARQUET: Final = "parquet"
CSV: Final = "csv"
Form = Literal["parquet", "csv"]


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path("results/latest"))
@click.option(
    "--format",
    "form",
    type=click.Choice([PARQUET, CSV]),
    help="Output format; by default that of the name in --out, else parquet.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Output file; by default records.parquet or records.csv in FOLDER.",
)
def export(folder: Path, form: Form | None, out: Path | None) -> None:
    """Write the records of a run as Parquet or CSV: a row per measurement, a column per field.

    A field that a record does not have is empty. In CSV, lists and objects are written as JSON. For tables as people
    read them, in LaTeX too, see `show --format`.

    \b
    Examples:
      backprop-bench export results/latest
      backprop-bench export results/latest --format csv
      backprop-bench export results/latest-ladder --out ladder.parquet
    """  # noqa: D301 (click reads the backspace)
    form = form or (CSV if out is not None and out.suffix.lower() == ".csv" else PARQUET)
    command_of_run(folder)  # is there a run?
    rows = list(map(_columns, read_records(folder)))
    path = out or folder.resolve() / Path(RECORDS).with_suffix(f".{form}")
    click.echo(write_whole(path, _to_parquet(rows) if form == PARQUET else _to_csv(rows)))


def _columns(record: AnyRecord) -> dict[str, Any]:
    """Return the fields of a record; weights, whose layers are arrays of several shapes, as JSON."""
    fields: dict[str, Any] = msgspec.to_builtins(record)
    return {**fields, "weights": json.dumps(fields["weights"])} if fields.get("weights") is not None else fields


def _to_parquet(rows: Sequence[dict[str, Any]]) -> bytes:
    import pandas as pd  # what no other command needs, and slow to import

    content: bytes = pd.DataFrame(rows).convert_dtypes().to_parquet(engine="pyarrow", index=False)
    return content


def _to_csv(rows: Sequence[dict[str, Any]]) -> bytes:
    """Return a line per row under the names of the columns, in the order in which they first occur.

    Numbers have all their digits, so they are read as they were measured.
    """
    columns = dict.fromkeys(name for row in rows for name in row)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_csv_cell(row.get(name)) for name in columns] for row in rows)
    return buffer.getvalue().encode()


def _csv_cell(value: object) -> object:
    return json.dumps(value) if isinstance(value, list | tuple | dict) else value
