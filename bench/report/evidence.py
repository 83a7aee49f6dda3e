"""`Evidence`: the records that are the source of a table or a figure, and the commands that print them."""

import json
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from backprop_bench.bench.core.records.kinds import AnyRecord
from backprop_bench.bench.core.records.reader import DESCRIPTION, RECORDS
from backprop_bench.bench.report.language import _
from backprop_bench.bench.report.numbers import clean, count, listing

LISTED_CHARACTERS = 1500
"""Records are listed where all of them together, as JSON, are no longer than this."""


@dataclass(frozen=True)
class Evidence:
    """Source of a table or a figure.

    Attributes
    ----------
    source
        In words: how many records of which kind, in which file.
    python, jq
        Commands for the folder of the report, each of which prints them.
    records
        The records themselves, as JSON, where they are few.
    """

    source: str
    python: str
    jq: str
    records: tuple[str, ...] = ()


def source_records(
    rows: Iterable[AnyRecord], kinds: Sequence[str], question: str | None = None, folder: str = ""
) -> Evidence:
    """Return which records of a run are the source of something.

    Parameters
    ----------
    rows
        All rows of the run.
    kinds, question
        Only records of these kinds, and only of one question unless it is ``None``.
    folder
        Path of the run from the folder of the report; empty for the run that is reported.
    """
    records = [row for row in rows if row.kind in kinds and question in (None, row.question)]
    written = [json.dumps(msgspec.to_builtins(row)) for row in records]
    path = f"{folder}/{RECORDS}" if folder else RECORDS
    each = listing((f"“{kind}”" for kind in kinds), "or")
    text = (
        _("{records} of kind {kinds} in {path}")
        if question is None
        else _("{records} of kind {kinds}, question “{question}” in {path}")
    )
    return Evidence(
        source=clean(text.format(records=count(len(records), "record"), kinds=each, question=question, path=path)),
        python=_pandas_command(path, kinds, question),
        jq=_jq_command(path, kinds, question),
        records=tuple(written) if sum(map(len, written)) <= LISTED_CHARACTERS else (),
    )


def _pandas_command(path: str, kinds: Sequence[str], question: str | None) -> str:
    selected = f"rows.kind.isin({json.dumps(list(kinds))})"
    if question is not None:
        selected = f"{selected} & (rows.question == {json.dumps(question)})"
    code = (
        f"import pandas; rows = pandas.read_json({json.dumps(path)}, lines=True); "
        f'print(rows[{selected}].dropna(axis=1, how="all").to_string())'
    )
    return f"python -c {shlex.quote(code)}"


def _jq_command(path: str, kinds: Sequence[str], question: str | None) -> str:
    selected = f"(.kind | IN({', '.join(map(json.dumps, kinds))}))"
    if question is not None:
        selected = f"{selected} and .question == {json.dumps(question)}"
    return f"jq -c {shlex.quote(f'select({selected})')} {shlex.quote(path)}"


def source_description(key: str, folder: str = "", file: str = DESCRIPTION) -> Evidence:
    """Return where in the description of a run the source of something is.

    Parameters
    ----------
    key
        One of its names, such as ``environment``.
    folder
        As of :func:`source_records`.
    file
        Another file that holds a JSON object.
    """
    path = f"{folder}/{file}" if folder else file
    code = f"import json; print(json.dumps(json.load(open({json.dumps(path)}))[{json.dumps(key)}], indent=1))"
    return Evidence(
        source=clean(f"“{key}” in {path}"),
        python=f"python -c {shlex.quote(code)}",
        jq=f"jq {shlex.quote(f'.{key}')} {shlex.quote(path)}",
    )
