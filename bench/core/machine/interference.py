"""Interference with a timed region: counters read before and after it, and their difference."""

from __future__ import annotations

import functools
import os
import re
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from backprop_bench.bench.core.machine.environment import ROOT, read_text

if sys.platform != "win32":
    import resource

PROC = Path("/proc")
STAT = PROC / "stat"
PRESSURE = PROC / "pressure/cpu"
TASKS = PROC / "self/task"

# The start of each file holds what is read here; /proc/stat grows with the number of cores.
HEAD_BYTES = 512

# A file that holds nothing but the count, or the line of it in a control group's cpu.stat.
THROTTLE_COUNT = re.compile(r"^(?:nr_throttled )?([0-9]+)\n", re.MULTILINE)


@dataclass(frozen=True)
class Snapshot:
    """Counters that only grow, as they stand now. None means: not readable here."""

    steal_s: float | None
    """CPU time, summed over all cores, that the hypervisor gave to other virtual machines."""
    psi_cpu_some_us: int | None
    """Time during which some task of the machine waited for a core (pressure stall information)."""
    voluntary_switches: int | None
    involuntary_switches: int | None
    minor_faults: int | None
    major_faults: int | None
    waited_s: float | None
    """Time, summed over the threads that this process has now, in which they could run but had no core."""
    throttles: int | None
    """How often a core was slowed down for its heat (each hardware thread of the machine counts for itself), or all
    threads of a control group around this process were halted for having used up their quota of CPU time."""

    @classmethod
    def take(cls, stat: Path = STAT, pressure: Path = PRESSURE, tasks: Path = TASKS, root: Path = ROOT) -> Self:
        """Read the counters as they stand now.

        Parameters
        ----------
        stat, pressure
            Files that count for the whole machine.
        tasks
            The folder with a folder for each thread of this process.
        root
            The folder that holds ``proc`` and ``sys``, where the counters of throttling are looked for: at the first
            call only, for that takes longer than reading them.
        """
        ticks = parse_steal_ticks(_head(stat))
        steal_s = None if ticks is None else ticks / os.sysconf("SC_CLK_TCK")
        pressure_us = parse_pressure_total(_head(pressure))
        return cls(steal_s, pressure_us, *_switches_and_faults(), _waited_s(tasks), _throttles(root))


def interference(before: Snapshot, after: Snapshot) -> dict[str, Any]:
    """Return how far each counter moved between two snapshots.

    None where either could not be read, and where a part of the counter went away in between, so that it fell: a
    thread that ends takes its waiting along.
    """
    moved: dict[str, Any] = {}
    for field in fields(Snapshot):
        start, end = getattr(before, field.name), getattr(after, field.name)
        moved[field.name] = None if start is None or end is None or end < start else end - start
    return moved


def parse_steal_ticks(text: str) -> int | None:
    """Return the stolen clock ticks from the first line of ``/proc/stat``, whose eighth number they are."""
    words = text.partition("\n")[0].split()
    if len(words) < 9 or words[0] != "cpu" or not words[8].isdigit():
        return None
    return int(words[8])


def parse_pressure_total(text: str) -> int | None:
    """Return the total in microseconds from the ``some`` line of a pressure file."""
    line = text.partition("\n")[0]
    total = line.rpartition("total=")[2]
    return int(total) if line.startswith("some ") and total.isdigit() else None


def parse_throttles(text: str) -> int | None:
    """Return the count in a core's ``core_throttle_count`` or in a control group's ``cpu.stat``."""
    result = THROTTLE_COUNT.search(text)
    return int(result[1]) if result else None


def _switches_and_faults() -> tuple[int | None, int | None, int | None, int | None]:
    if sys.platform == "win32":
        return None, None, None, None
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_nvcsw, usage.ru_nivcsw, usage.ru_minflt, usage.ru_majflt


def _waited_s(tasks: Path) -> float | None:
    """Sum over the threads, for ``/proc/self/schedstat`` itself tells of the main thread only."""
    try:
        threads = os.listdir(tasks)  # noqa: PTH208 (a Path for each thread costs as much as its file)
    except OSError:
        return None
    ran_ns = waited_ns = 0
    for thread in threads:
        words = _head(f"{tasks}/{thread}/schedstat").split()
        if len(words) == 3:  # else the thread has ended since
            ran_ns += int(words[0])
            waited_ns += int(words[1])
    # A kernel that does not keep the account prints zeros, but the thread that reads this has run.
    return waited_ns / 1e9 if ran_ns else None


def _throttles(root: Path) -> int | None:
    counts = [parse_throttles(_head(path)) for path in _throttle_files(root)]
    return sum(count or 0 for count in counts) if counts else None


@functools.cache
def _throttle_files(root: Path) -> tuple[Path, ...]:
    """Find the files that count throttling; few virtual machines have those of the cores."""
    cores = (root / "sys/devices/system/cpu").glob("cpu[0-9]*/thermal_throttle/core_throttle_count")
    top = root / "sys/fs/cgroup"
    lines = (read_text(root / "proc/self/cgroup") or "").splitlines()
    group = top / next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), "")
    # A quota may stand at any group around this process, and only that group counts its halts.
    groups = [folder / "cpu.stat" for folder in (group, *group.parents) if folder.is_relative_to(top)]
    return tuple(path for path in (*cores, *groups) if parse_throttles(_head(path)) is not None)


def _head(path: Path | str) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return ""
    try:
        return os.read(descriptor, HEAD_BYTES).decode("ascii", errors="replace")
    except OSError:  # pressure accounting may be compiled in but switched off: the file opens and does not read
        return ""
    finally:
        os.close(descriptor)
