"""Reads what a run left: ``run.json`` and ``records.jsonl``. What is wrong is named with its line."""

import json
import math
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar, get_args

import msgspec

from backprop_bench.bench.core.records.kinds import AnyRecord, Identified, kind_of
from backprop_bench.bench.core.records.plan import Description
from backprop_bench.data import InputError

DESCRIPTION, RECORDS = "run.json", "records.jsonl"
_DECODER = msgspec.json.Decoder(AnyRecord)
_KINDS = frozenset(map(kind_of, get_args(AnyRecord)))
Kind = TypeVar("Kind", bound=Identified)
_DAMAGED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises: for what is no JSON or of another type, no UTF-8, and nested without end."""


def read_records(folder: Path) -> list[AnyRecord]:
    """Read the records of a run; a last line that a kill cut short is left out.

    Raises
    ------
    InputError
        For a line that is no record, naming it and what is wrong, and for one that is there twice.
    """
    path = folder / RECORDS
    if not path.exists():
        return []
    lines = _content(path).split(b"\n")[:-1]
    records = [_decode(path, number, line) for number, line in enumerate(lines, start=1)]
    first: dict[tuple[object, ...], int] = {}
    for number, record in enumerate(records, start=1):
        before = first.setdefault(record.identity, number)
        if before != number:
            raise InputError(f"{path}: line {number} repeats line {before}; expected every record once")
    return records


def _decode(path: Path, number: int, line: bytes) -> AnyRecord:
    try:
        record: AnyRecord = _DECODER.decode(line)
        return record
    except _DAMAGED as error:
        wrong = str(error)
    try:
        plain = json.loads(line)  # which also reads NaN and 1e400
        kind = plain.get("kind")
        odd = next((name for name, value in plain.items() if not _is_finite(value)), None)
    except (ValueError, AttributeError, RecursionError):
        kind = odd = None
    if not isinstance(kind, str) or kind not in _KINDS:
        raise InputError(f"{path}: line {number} is no record; expected a JSON object with a known kind")
    message = in_words(wrong) if odd is None else f"{odd}: expected a finite number"
    raise InputError(f"{path}: line {number}, a record of kind {kind!r}: {message}")


def _is_finite(value: object) -> bool:
    if isinstance(value, list):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def in_words(wrong: str) -> str:
    """Return what msgspec says is wrong, with the field first."""
    message, _, place = wrong.partition(" - at `$")
    field = place.rstrip("`").lstrip(".").replace("[...]", "")
    message = message[:1].lower() + message[1:]
    return f"{field}: {message}" if field else message


def _content(path: Path) -> bytes:
    """Return the bytes of a file; raises `InputError` for what is none, such as a pipe, which would be waited for."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise InputError(f"{path} is no file; expected one with records")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot read: {error.strerror}") from error


def of_kind(records: Iterable[Identified], kind: type[Kind], **fields: Any) -> list[Kind]:
    """Return the records of one kind whose fields have these values."""
    return [
        record
        for record in records
        if isinstance(record, kind) and all(getattr(record, name) == value for name, value in fields.items())
    ]


class _Command(msgspec.Struct):
    command: str


def read_command(folder: Path) -> str:
    """Return the command that left a run; raises `InputError` where the folder holds no run."""
    path = folder / DESCRIPTION
    try:
        words = msgspec.json.decode(_content(path), type=_Command).command.split()
    except _DAMAGED as error:
        raise InputError(f"{path} is not the description of a run: {in_words(str(error))}") from error
    if len(words) < 2:
        raise InputError(f"{path} is not the description of a run: its command is {' '.join(words)!r}")
    return words[1]


def read_description(folder: Path) -> Description:
    """Read what a run was to do; raises `InputError` where the folder holds no run, or one of another version."""
    path = folder / DESCRIPTION
    if not path.exists():
        raise InputError(f"{folder} holds no run: {DESCRIPTION} is missing")
    try:
        plain = msgspec.json.decode(_content(path))
        return msgspec.convert(plain, Description)
    except msgspec.ValidationError as error:
        raise InputError(f"{path} is not the description of a run of this version: {in_words(str(error))}") from error
    except _DAMAGED as error:
        raise InputError(f"{path} is not the description of a run; expected a JSON object") from error
