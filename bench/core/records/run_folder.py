"""Where a run keeps its files, and who may write to them."""

import contextlib
import datetime
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock

from backprop_bench.bench.core.records.files import temporary_beside
from backprop_bench.bench.core.records.reader import DESCRIPTION, read_command, read_description
from backprop_bench.data import InputError

NO_MATTER = {"checkout", "memory_bytes"}
"""Of the environment, what a run may be resumed without: a commit changes no module, and a reboot some kB of memory."""
LATEST = "latest"
"""Name of the link to the latest run of `compare`."""
DRAWING_S = 600.0
"""Seconds in which another process is expected to finish drawing: one takes some ten."""


def new_run_folder(results: Path, profile: str, latest: str = LATEST) -> Path:
    """Create a folder for a run below ``results``, named by the time and the profile; no two runs get the same.

    Once there is something to find in it, let :func:`link_latest` lead to it.

    Raises
    ------
    InputError
        Where the folder cannot be written, or ``latest`` is something else than a link to the latest run.
    """
    now = datetime.datetime.now(datetime.UTC)
    name = f"{now:%Y-%m-%dT%H-%M-%S}-{profile}"
    link = results / latest
    if link.exists() and not link.is_symlink():
        raise InputError(f"{link} is no link; expected the link to the latest run, so move it away")
    with _writing(results):
        results.mkdir(parents=True, exist_ok=True)
        names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
        return next(results / name for name in names if _is_made(results / name))


def _is_made(folder: Path) -> bool:
    """Make a folder; says whether it is new, so that of several processes only one has it."""
    try:
        folder.mkdir()
    except FileExistsError:
        return False
    return True


def link_latest(folder: Path, latest: str = LATEST) -> None:
    """Let the link to the latest run lead to this one; whoever reads it at that moment finds the old or the new one."""
    fresh = temporary_beside(folder)
    with _writing(folder.parent):
        try:
            fresh.symlink_to(folder.name, target_is_directory=True)
            fresh.replace(folder.with_name(latest))
        finally:
            fresh.unlink(missing_ok=True)


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Raise `InputError` where the system refuses to write in a folder."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{folder}: cannot write results there: {error.strerror}; expected a folder") from error


def existing_run_folder(path: Path, command: str = "compare") -> Path:
    """Return the folder of an earlier run; raises `InputError` where there is none, or one of another command."""
    result = command_of_run(path, command)
    if result != command:
        raise InputError(f"{path} holds a run of `backprop-bench {result}`; expected one of `backprop-bench {command}`")
    return path.resolve()


def command_of_run(path: Path, expected: str = "compare") -> str:
    """Return the command whose run a folder holds; raises `InputError` where it holds none."""
    if not (path / DESCRIPTION).is_file():
        others = sorted(result.parent for result in path.parent.glob(f"latest*/{DESCRIPTION}"))
        hint = f"; there is {', '.join(map(str, others))}" if others else ""
        raise InputError(f"{path} holds no run; expected a folder with {DESCRIPTION}, as `{expected}` leaves it{hint}")
    return read_command(path)


def locked(folder: Path) -> contextlib.AbstractContextManager[None]:
    """Keep other processes from writing to the same run; raises `InputError` where one already does."""
    return _lock(folder, ".lock", 0, "is being written by another process; expected one at a time")


def drawing(folder: Path) -> contextlib.AbstractContextManager[None]:
    """Let one process after the other draw a run; raises `InputError` where another one does not finish.

    The run may still be written meanwhile: what is drawn is what it has recorded.
    """
    waited = f"is still being drawn by another process after {DRAWING_S:g} s; expected it to finish, so try again later"
    return _lock(folder, ".drawing.lock", DRAWING_S, waited)


@contextlib.contextmanager
def _lock(folder: Path, name: str, wait_s: float, busy: str) -> Iterator[None]:
    """Hold a lock, which ends with the process that has it; raises `InputError` where it is not to be had in time."""
    lock = filelock.FileLock(folder / name)
    try:
        lock.acquire(timeout=wait_s)
    except filelock.Timeout as error:
        raise InputError(f"{folder} {busy}") from error
    except OSError as error:
        raise InputError(f"{folder}: cannot write results there: {error.strerror}") from error
    try:
        yield
    finally:
        lock.release()


def check_unchanged(folder: Path, now: dict[str, Any]) -> None:
    """Raise `InputError` unless a run is resumed in the environment that it was begun in.

    Times from two machines, two versions of a library or two versions of this suite are not one run.
    """
    before = read_description(folder).environment
    for name in sorted({*before, *now} - NO_MATTER):
        if before.get(name) != now.get(name):
            what = _first_difference(name, before.get(name), now.get(name))
            raise InputError(f"{folder} cannot be resumed here: {what}; start a new run instead")


def _first_difference(name: str, before: object, now: object) -> str:
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted({*before, *now}):
            if before.get(key) != now.get(key):
                return _first_difference(f"{name}.{key}", before.get(key), now.get(key))
    return f"{name} was {before!r} when it was begun and is {now!r}"
