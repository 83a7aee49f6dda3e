"""``index.html`` of a results folder: all its runs with their answers.

The answer of a run is kept in a small file in its folder, so that the list of a hundred runs takes no second.
"""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import click
import msgspec

from backprop_bench.bench.core.records.files import write_whole
from backprop_bench.bench.core.records.reader import DESCRIPTION, RECORDS, read_command
from backprop_bench.bench.core.records.run_folder import drawing
from backprop_bench.bench.report.findings import Findings
from backprop_bench.bench.report.index import BEGUN, GENERATOR, ListedRun, listed_run, to_index_page
from backprop_bench.bench.report.numbers import NBSP, clean
from backprop_bench.data import InputError

INDEX: Final = "index.html"
ANSWER: Final = ".answer.json"
REPORT: Final = "report.html"
MICRO: Final = "micro.json"
SENTENCES, FAILURES = 6, 2
"""How many of either are kept of a run."""
HEAD = 2000
"""Bytes of a page in which its generator stands."""


class Answer(msgspec.Struct, frozen=True):
    """What is kept of a run: its first sentences, what failed, its main page, and of how many bytes of records."""

    sentences: tuple[str, ...]
    failures: tuple[str, ...]
    n_failures: int
    page: str | None
    records_bytes: int


class _Described(msgspec.Struct, frozen=True):
    """What the list says of the description of a run."""

    command: str
    created: str = ""
    profile: str = ""
    threads: int | None = None
    environment: dict[str, Any] = {}


def keep_answer(folder: Path, findings: Findings, written: Sequence[Path]) -> None:
    """Keep what the list of runs says of this one.

    Parameters
    ----------
    written
        The files of the run, its main page first.
    """
    try:
        answer = Answer(
            sentences=tuple(sentence.replace(NBSP, " ") for sentence in findings.sentences[:SENTENCES]),
            failures=tuple(findings.failures[:FAILURES]),
            n_failures=len(findings.failures),
            page=written[0].relative_to(folder).as_posix() if written else None,
            records_bytes=_bytes_of(folder / RECORDS),
        )
        write_whole(folder / ANSWER, msgspec.json.encode(answer))
    except Exception as error:  # noqa: BLE001 (no list of runs makes a run fail)
        click.echo(f"{folder / ANSWER} is not written: {error}", err=True)


def update_index(results: Path) -> list[Path]:
    """Write the list of the runs in a folder and return its file; none where there is to be none, or it cannot be.

    Runs within the folder of another run are shown by its report: they get no list.
    """
    path = results / INDEX
    if (results / DESCRIPTION).exists():
        return []
    try:
        if path.exists() and GENERATOR not in path.read_bytes()[:HEAD].decode(errors="replace"):
            raise InputError("there is a page that backprop-bench has not written")
        with drawing(results):  # one process after the other: who comes last has seen all runs
            return [write_whole(path, to_index_page(results.resolve().name, runs_in(results)).encode())]
    except Exception as error:  # noqa: BLE001 (no list of runs makes a run fail)
        click.echo(f"{path} is not written: {error}", err=True)
        return []


def runs_in(results: Path) -> list[ListedRun]:
    """Return what is known of the runs in a folder, without a look at their records."""
    here = results.resolve()
    folders = [path for path in results.iterdir() if path.is_dir() and not _is_link_within(path, here)]
    return [_listed(path) for path in folders if (path / DESCRIPTION).exists() or BEGUN.match(path.name)]


def _is_link_within(path: Path, results: Path) -> bool:
    """Say whether a path is a link to a run beside it, such as the latest one."""
    return path.is_symlink() and path.resolve().parent == results


def _listed(folder: Path) -> ListedRun:
    """Return what is known of a run, or why it cannot be read: one run must not spoil the list of the others."""
    try:
        if not (folder / DESCRIPTION).exists():
            return _undescribed(folder)
        command = read_command(folder)
        told = msgspec.json.decode((folder / DESCRIPTION).read_bytes(), type=_Described)
        return _answered(
            listed_run(folder.name, command, told.profile, told.created, told.threads, told.environment), folder
        )
    except InputError as error:
        trouble = str(error).replace(f"{folder}{os.sep}", "")
    except Exception as error:  # noqa: BLE001 (see above)
        trouble = f"{DESCRIPTION} is damaged ({type(error).__name__})"
    return dataclasses.replace(listed_run(folder.name), troubles=(f"This run cannot be read: {trouble}.",))


def _undescribed(folder: Path) -> ListedRun:
    """Return what is known of a folder without a description: micro-benchmarks leave none."""
    if (folder / MICRO).is_file():
        known = listed_run(folder.name, "micro")
        return dataclasses.replace(known, address=_address(folder, MICRO), answer=(f"Its times are in {MICRO}.",))
    trouble = f"This run cannot be read: {DESCRIPTION} is missing."
    return dataclasses.replace(listed_run(folder.name), troubles=(trouble,))


def _answered(known: ListedRun, folder: Path) -> ListedRun:
    """Return a run with its answer, where one is kept, and a word on one that is older than the records."""
    try:
        answer = msgspec.json.decode((folder / ANSWER).read_bytes(), type=Answer)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return dataclasses.replace(
            known, address=_address(folder, REPORT), answer=("No answer yet; backprop-bench report computes it.",)
        )
    troubles = [f"Failed: {clean(failure)}" for failure in answer.failures]
    if answer.n_failures > len(troubles):
        troubles.append(f"Failed: {answer.n_failures - len(troubles)} more.")
    if answer.records_bytes != _bytes_of(folder / RECORDS):
        troubles.append("It has measured more since; backprop-bench report computes its answer anew.")
    address = None if answer.page is None else _address(folder, answer.page)
    return dataclasses.replace(
        known, address=address, answer=tuple(map(clean, answer.sentences)), troubles=tuple(troubles)
    )


def _address(folder: Path, page: str) -> str | None:
    """Return the address of a file of a run, relative to the list; ``None`` where there is no such file."""
    if ".." in Path(page).parts or not (folder / page).is_file():
        return None
    return f"./{quote(os.fsencode(folder.name))}/{quote(page)}"


def _bytes_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
