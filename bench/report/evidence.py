"""`Evidence`: which rows are behind a table or a figure, and the commands that print them."""

import json
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from backprop_bench.bench.core.records.kinds import AnyRecord
from backprop_bench.bench.core.records.reader import DESCRIPTION, RECORDS
from backprop_bench.bench.report.numbers import clean, count, listing

LISTED_CHARACTERS = 1500
"""Rows are listed where all of them together, as JSON, are no longer than this."""


@dataclass(frozen=True)
class Evidence:
    """What is behind a table or a figure.

    Attributes
    ----------
    what
        In words: how many rows of which kind, in which file.
    python, jq
        Commands for the folder of the report, each of which prints them.
    rows
        The rows themselves, as JSON, where they are few.
    """

    what: str
    python: str
    jq: str
    rows: tuple[str, ...] = ()


def rows_behind(
    rows: Iterable[AnyRecord], kinds: Sequence[str], question: str | None = None, folder: str = ""
) -> Evidence:
    """Return which rows of a run are behind something.

    Parameters
    ----------
    rows
        All rows of the run.
    kinds, question
        Which of them: of these kinds, and of one question where it is given.
    folder
        Where the run lies, seen from the folder of the report; empty for the run that is reported.
    """
    found = [row for row in rows if row.kind in kinds and question in (None, row.question)]
    written = [json.dumps(msgspec.to_builtins(row)) for row in found]
    path = f"{folder}/{RECORDS}" if folder else RECORDS
    each = listing((f"“{kind}”" for kind in kinds), "or")
    asked = "" if question is None else f", question “{question}”"
    return Evidence(
        what=clean(f"{count(len(found), 'row')} of kind {each}{asked} in {path}"),
        python=_pandas_command(path, kinds, question),
        jq=_jq_command(path, kinds, question),
        rows=tuple(written) if sum(map(len, written)) <= LISTED_CHARACTERS else (),
    )


def _pandas_command(path: str, kinds: Sequence[str], question: str | None) -> str:
    chosen = f"rows.kind.isin({json.dumps(list(kinds))})"
    if question is not None:
        chosen = f"{chosen} & (rows.question == {json.dumps(question)})"
    code = (
        f"import pandas; rows = pandas.read_json({json.dumps(path)}, lines=True); "
        f'print(rows[{chosen}].dropna(axis=1, how="all").to_string())'
    )
    return f"python -c {shlex.quote(code)}"


def _jq_command(path: str, kinds: Sequence[str], question: str | None) -> str:
    chosen = f"(.kind | IN({', '.join(map(json.dumps, kinds))}))"
    if question is not None:
        chosen = f"{chosen} and .question == {json.dumps(question)}"
    return f"jq -c {shlex.quote(f'select({chosen})')} {shlex.quote(path)}"


def description_behind(key: str, folder: str = "", file: str = DESCRIPTION) -> Evidence:
    """Return where in the description of a run something stands.

    Parameters
    ----------
    key
        One of its names, such as ``environment``.
    folder
        As of :func:`rows_behind`.
    file
        Another file that holds a JSON object.
    """
    path = f"{folder}/{file}" if folder else file
    code = f"import json; print(json.dumps(json.load(open({json.dumps(path)}))[{json.dumps(key)}], indent=1))"
    return Evidence(
        what=clean(f"“{key}” in {path}"),
        python=f"python -c {shlex.quote(code)}",
        jq=f"jq {shlex.quote(f'.{key}')} {shlex.quote(path)}",
    )
