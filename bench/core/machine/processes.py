"""Bounds of a worker process: its memory, and the processes that it may leave behind."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

from backprop_bench.bench.core.machine.environment import memory_bytes

WORKER = "BACKPROP_BENCH_WORKER"
"""Environment variable that a worker and all that it starts have; its value tells one worker from another."""
MEMORY = "BACKPROP_BENCH_MEMORY_BYTES"
"""Environment variable with the most that a worker may allocate."""
MEMORY_SHARE = 2
"""A worker may allocate one of so many shares of the machine's memory."""
GROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Where a control group, such as that of a container, has its memory limit: of version 2, and of version 1."""
ENDING_S = 5.0
"""Seconds in which a process that is ended is gone."""


def most_memory_bytes() -> int:
    """Return how many bytes a worker may allocate; 0 for any number, where the machine does not say how many it has."""
    known = [memory_bytes() or 0, *map(_limit_of_group, GROUP_LIMITS)]
    return min((size for size in known if size), default=0) // MEMORY_SHARE


def _limit_of_group(path: Path) -> int:
    """Return the memory limit of a control group; 0 where there is none."""
    with contextlib.suppress(OSError, ValueError):
        return int(path.read_text())
    return 0


def limit_memory() -> None:
    """Keep this process, and each that it starts, to the memory that its environment names; only Linux can."""
    most = int(os.environ.get(MEMORY, "0"))
    if most and sys.platform == "linux":
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (most if hard < 0 else min(most, hard), hard))


def end_processes(worker: str, group: int) -> tuple[str, ...]:
    """End the processes that a worker has left behind, and return their names.

    Parameters
    ----------
    worker
        Its value of :data:`WORKER`.
    group
        Its process group, which has been ended already.
    """
    names = []
    for process in _processes_of(worker):
        with contextlib.suppress(psutil.Error, OSError):
            if os.getpgid(process.pid) != group:
                name = process.name()
                process.kill()
                process.wait(ENDING_S)
                names.append(name)
    return tuple(names)


def _processes_of(worker: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):  # it has ended, or is somebody else's
            is_alive = process.status() != psutil.STATUS_ZOMBIE
            if is_alive and process.environ().get(WORKER) == worker:
                yield process


def cpu_of_others_s(worker: str, pid: int) -> float:
    """Return the CPU time that the processes which a worker has started, and which still run, have used so far.

    Parameters
    ----------
    worker
        Its value of :data:`WORKER`.
    pid
        Its own process.
    """
    used_s = 0.0
    for process in _processes_of(worker):
        with contextlib.suppress(psutil.Error):
            if process.pid != pid:
                times = process.cpu_times()
                used_s += times.user + times.system
    return used_s
