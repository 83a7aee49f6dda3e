"""Parquet: tables, or images as Hugging Face stores them."""

import io
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from backprop_bench.data.errors import InputError
from backprop_bench.data.formats.columns import LABEL_NAMES, may_be_special
from backprop_bench.data.formats.images import decode_images
from backprop_bench.data.formats.part import Part, Reading, Source, role_of
from backprop_bench.data.formats.table import Coded, Table

if TYPE_CHECKING:
    import pyarrow as pa


def read_parquet(source: Source, content: bytes, reading: Reading) -> Table | Part:
    """Return the table in a Parquet file, or its images and labels where a column has images.

    Raises
    ------
    InputError
        If it is damaged, or if a column is neither numbers nor words nor images.
    """
    import pyarrow as pa
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(io.BytesIO(content))
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{source.shown}: the Parquet file is damaged ({error}), expected an intact one") from error
    if table.num_rows == 0:
        raise InputError(f"{source.shown}: has no rows, expected examples")
    nested = [name for name in table.column_names if _is_nested(table.schema.field(name).type)]
    if nested:
        return _images(source, table, nested, reading)
    return _flat(source, table, reading)


def _is_nested(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    return bool(pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _images(source: Source, table: "pa.Table", nested: Sequence[str], reading: Reading) -> Part:
    """Return the images in the only nested column, and the labels in another one."""
    if len(nested) > 1:
        raise InputError(
            f"{source.shown}: the columns {', '.join(map(repr, nested))} all have images or lists, expected one"
        )
    label = _label_of_images(source, table, nested[0], reading)
    labels = _written(source, table, label) if label else None
    others = [name for name in table.column_names if name not in (*nested, label)]
    notes = [f"images in column {nested[0]!r}"] + ([f"label column {label!r}"] if label else [])
    notes += [f"not used: {', '.join(map(repr, others[:3]))}{' …' if len(others) > 3 else ''}"] if others else []
    x = _array_of(source, nested[0], table.column(nested[0]).to_pylist())
    return Part(source.shown, role_of(source.relative), x, labels, _class_names(table, label), tuple(notes))


def _label_of_images(source: Source, table: "pa.Table", images: str, reading: Reading) -> str:
    """Return the name of the column with the labels of images; empty without one."""
    others = [name for name in table.column_names if name != images]
    if reading.label is not None:
        if reading.label not in others:
            raise InputError(
                f"--label is {reading.label!r}, which is no column of labels in {source.shown}; expected one of "
                f"{', '.join(map(repr, others)) or 'them, but there is none'}"
            )
        return reading.label
    named = [name for wanted in LABEL_NAMES for name in others if name.lower() == wanted]
    return named[0] if named else others[0] if len(others) == 1 else ""


def _written(source: Source, table: "pa.Table", name: str) -> npt.NDArray[Any] | None:
    """Return a column as labels; ``None`` if it is empty from top to bottom."""
    if table.column(name).null_count == table.num_rows:
        return None
    _check_full(source, name, table.column(name))
    return _coded(table.column(name)).labels()


def _array_of(source: Source, name: str, cells: list[Any]) -> npt.NDArray[Any]:
    """Return images [N, …] from encoded images, or from lists of numbers."""
    shown = f"{source.shown}: column {name!r}"
    first = cells[0]
    if isinstance(first, dict) and "bytes" in first:
        cells = [cell and cell["bytes"] for cell in cells]
    if isinstance(cells[0], bytes):
        return decode_images(((f"{shown}, row {row}", cell) for row, cell in enumerate(cells, 1)), len(cells))
    try:
        values = np.array(cells)
    except ValueError as error:
        raise InputError(f"{shown}: has lists of different lengths, expected inputs of one size") from error
    if values.dtype.kind not in "biuf":
        raise InputError(f"{shown}: has neither images nor lists of numbers, expected one of them")
    return values


def _class_names(table: "pa.Table", label: str) -> tuple[str, ...]:
    """Return what Hugging Face's metadata say that the labels stand for."""
    metadata = (table.schema.metadata or {}).get(b"huggingface")
    if not metadata or not label:
        return ()
    try:
        names = json.loads(metadata)["info"]["features"][label]["names"]
    except (ValueError, KeyError, TypeError):
        return ()
    return tuple(map(str, names)) if isinstance(names, list) else ()


def _flat(source: Source, table: "pa.Table", reading: Reading) -> Table:

    names = table.column_names
    for column, name in enumerate(names):
        _check_full(source, name, table.column(column))
    label = _class_label(source, table, reading)
    special = may_be_special(names, len(names), reading) | ({label} if label is not None else set())
    special |= {column for column, field in enumerate(table.schema) if not _has_numbers(field.type)}
    columns = [column for column in range(len(names)) if column not in special]
    matrix = np.zeros((table.num_rows, len(names)), _dtype(table, columns))
    for column in columns:
        matrix[:, column] = table.column(column).to_numpy()
    coded = {column: _coded(table.column(column)) for column in sorted(special)}
    classes = () if label is None else _class_names(table, names[label])
    if not np.isfinite(matrix).all():
        row, column = (int(index[0]) for index in np.nonzero(~np.isfinite(matrix)))
        raise InputError(
            f"{source.shown}: row {row + 1}, column {names[column]!r} is {matrix[row, column]}, expected a number"
        )
    return Table(source.shown, source.relative, names, matrix, coded, label, classes)


def _check_full(source: Source, name: str, column: "pa.ChunkedArray") -> None:
    import pyarrow as pa

    if column.null_count:
        row = 1 + column.is_null().index(pa.scalar(True)).as_py()
        raise InputError(f"{source.shown}: row {row}, column {name!r} is empty, expected a value")


def _class_label(source: Source, table: "pa.Table", reading: Reading) -> int | None:
    """Return the column whose classes Hugging Face's metadata name, where no name or option says more.

    Raises
    ------
    InputError
        If there are several.
    """
    names = table.column_names
    if reading.label is not None or {name.lower() for name in names} & set(LABEL_NAMES):
        return next((column for column, name in enumerate(names) if name == reading.label or name == "label"), None)
    result = [column for column, name in enumerate(names) if _class_names(table, name)]
    if len(result) > 1:
        both = " and ".join(repr(names[column]) for column in result[:2])
        raise InputError(f"{source.shown}: the columns {both} both have classes, expected one; say which with --label")
    return result[0] if result else None


def _has_numbers(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_decimal(kind)
    )


def _dtype(table: "pa.Table", columns: Sequence[int]) -> str:
    import pyarrow.compute

    for column in columns:
        values = table.column(column)
        if str(values.type) in ("uint8", "bool"):
            continue
        extremes = pyarrow.compute.min_max(values).as_py()
        if "int" not in str(values.type) or not 0 <= extremes["min"] <= extremes["max"] <= 255:
            return "float32"
    return "uint8"


def _coded(column: "pa.ChunkedArray") -> Coded:
    encoded = column.combine_chunks().dictionary_encode()
    return Coded(encoded.indices.to_numpy().astype(np.int64), [str(value) for value in encoded.dictionary.to_pylist()])
