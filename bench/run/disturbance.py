"""What disturbed a timed region: counters read before and after it, and their difference."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

if sys.platform != "win32":
    import resource

PROC = Path("/proc")
STAT = PROC / "stat"
PRESSURE = PROC / "pressure/cpu"

# The start of either file holds what is read here; /proc/stat grows with the number of cores.
HEAD_BYTES = 256


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

    @classmethod
    def take(cls, stat: Path = STAT, pressure: Path = PRESSURE) -> Self:
        """Read the counters: those of the machine from `stat` and `pressure`, the others of this process."""
        ticks = parse_steal_ticks(_head(stat))
        steal_s = None if ticks is None else ticks / os.sysconf("SC_CLK_TCK")
        waited_us = parse_pressure_total(_head(pressure))
        if sys.platform == "win32":
            return cls(steal_s, waited_us, None, None, None, None)
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return cls(steal_s, waited_us, usage.ru_nvcsw, usage.ru_nivcsw, usage.ru_minflt, usage.ru_majflt)


def disturbance(before: Snapshot, after: Snapshot) -> dict[str, float | int | None]:
    """Return how far each counter moved between two snapshots, None where either could not be read."""
    moved: dict[str, float | int | None] = {}
    for field in fields(Snapshot):
        start, end = getattr(before, field.name), getattr(after, field.name)
        moved[field.name] = None if start is None or end is None else end - start
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


def _head(path: Path) -> str:
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
