"""Which cores the workers run on."""

from __future__ import annotations

import contextlib
import math
import os
import re
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from backprop_bench.bench.core.machine.environment import ROOT, read_text, usable_core_numbers
from backprop_bench.data import InputError

# No machine has a core of more digits, and a slip of the finger must not make a list of billions.
PART = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")

# Where they stand in a line of /proc/stat; what guests ran, from the ninth number on, is in the first two already.
IDLE, IOWAIT, GUEST = 3, 4, 8


def parse_cores(text: str) -> tuple[int, ...]:
    """Return the cores that a list such as ``0,2-3`` names, ascending.

    Raises
    ------
    InputError
        Where the text is no such list.
    """
    cores: set[int] = set()
    for part in text.split(","):
        match = PART.fullmatch(part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if last < first:
            raise InputError(f"--cpus is {text!r}; expected core numbers and ascending ranges of them, such as 0,2-3")
        cores.update(range(first, last + 1))
    return tuple(sorted(cores))


def chosen_cores(text: str | None, threads: int) -> tuple[int, ...]:
    """Return the cores to run on, ascending: those that this process may use and, if given, `text` names.

    Parameters
    ----------
    text
        The value of ``--cpus``, as :func:`parse_cores` reads it; None: all.
    threads
        Threads of each worker, for which the cores must suffice.

    Raises
    ------
    InputError
        Where no core is left, or fewer than `threads`.
    """
    usable = usable_core_numbers()
    if text is None:
        cores, cause = usable, "this process may use"
    else:
        cores, cause = tuple(sorted(set(parse_cores(text)) & set(usable))), f"--cpus {text} leaves"
    if not cores:
        raise InputError(
            f"--cpus {text} leaves no core: this process may use {_listed(usable)}; expected at least one of them"
        )
    if threads > len(cores):
        count = f"{len(cores)} core" if len(cores) == 1 else f"{len(cores)} cores"
        expected = "1" if len(cores) == 1 else f"1 to {len(cores)}"
        raise InputError(f"--threads is {threads}, but {cause} {count}; expected {expected}")
    return cores


class CoreMeter:
    """How busy each core was since it was last asked.

    Counts whatever ran on a core, this process and its workers included.

    Parameters
    ----------
    root
        The folder that holds ``proc``; another one in tests.
    """

    def __init__(self, root: Path = ROOT) -> None:
        self._stat = root / "proc/stat"
        self._busy = parse_busy_ticks(read_text(self._stat) or "")

    def least_busy(self, cores: Sequence[int], n: int, start: int) -> tuple[int, ...]:
        """Return the `n` of `cores` that were least busy since the last call or, before one, since construction.

        Parameters
        ----------
        cores
            Cores to choose from.
        n
            How many to choose.
        start
            Which of `cores` comes first among equals, then those after it, round and round. All are equal where the
            system does not tell.

        Returns
        -------
        tuple of int
            Ascending.
        """
        if not 1 <= n <= len(cores):
            raise ValueError(f"cannot choose {n} of {len(cores)} cores")
        before, self._busy = self._busy, parse_busy_ticks(read_text(self._stat) or "")
        spent = {core: ticks - before[core] for core, ticks in self._busy.items() if core in before}
        first = start % len(cores)
        rotated = [*cores[first:], *cores[:first]]
        return tuple(sorted(sorted(rotated, key=lambda core: spent.get(core, math.inf))[:n]))


def parse_busy_ticks(text: str) -> dict[int, int]:
    """Return the clock ticks that each core was not idle since the machine started, from the text of ``/proc/stat``.

    Time that the hypervisor stole counts as busy: the core was not to be had.
    """
    busy = {}
    for line in text.splitlines():
        name, *ticks = line.split()
        number = name.removeprefix("cpu")
        if name.startswith("cpu") and number.isdigit():  # the line without a number is the sum of all
            counts = [int(word) for word in ticks[:GUEST]]
            busy[int(number)] = sum(counts) - counts[IDLE] - counts[IOWAIT]
    return busy


def pin(cores: Sequence[int]) -> bool:
    """Keep every thread of this process on `cores`, and with them the threads and processes that they start.

    Returns
    -------
    bool
        Whether that was done. False on macOS and Windows, which offer no such thing, and where the system refuses.
    """
    if sys.platform != "linux":
        return False
    tasks = Path("/proc/self/task")
    done: set[int] = set()
    try:
        # Until no thread is new: one that is not pinned yet may have started another.
        while result := {int(task.name) for task in tasks.iterdir()} - done:
            for thread in result:
                with contextlib.suppress(ProcessLookupError):  # it has ended
                    os.sched_setaffinity(thread, cores)
            done |= result
    except OSError:
        return False
    return True


def keep_to(cores: Sequence[int], asked: str | None) -> None:
    """Pin this process; raises `InputError` where cores were asked for and the system offers no such thing."""
    if not pin(cores) and asked is not None:
        raise InputError(f"--cpus is {asked}, but this system lets no process choose its cores; expected no --cpus")


def _listed(cores: Sequence[int]) -> str:
    """Return the cores as words: ``0 and 1``, ``0 to 7``, ``0, 2 and 8 to 15``."""
    starts = [0, *(i + 1 for i, (a, b) in enumerate(pairwise(cores)) if b != a + 1), len(cores)]
    parts: list[str] = []
    for run in (cores[start:end] for start, end in pairwise(starts)):
        parts += [str(core) for core in run] if len(run) < 3 else [f"{run[0]} to {run[-1]}"]
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
