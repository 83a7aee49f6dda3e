"""Memory of a worker process: what it holds, and its peak."""

import ctypes
import gc
import platform
import resource
import sys
from pathlib import Path

import numpy as np

LOADED_BYTES = 16 << 20
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def use_memory_as_if_loaded() -> None:
    """Allocate and free some memory, as a process does that loads its data itself.

    The GNU C library keeps memory for reuse up to the size of the largest piece that was freed so far, and returns
    larger ones to the system. In a process whose data is mapped, nothing large was freed: every array of some 100 kB
    would be fetched from the system anew, and cleared, in each step of training. A weight update after every example
    took more than twice as long for it, which it does not in an ordinary process.
    """
    np.ones(LOADED_BYTES, np.uint8)


def give_back_memory() -> None:
    """Give freed memory back to the system, so that what is taken anew is seen; only the GNU C library is asked."""
    gc.collect()
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)


def peak_memory_bytes() -> int:
    """Return the peak of this process's resident memory, since :func:`reset_peak_memory` where the system can."""
    if _STATUS.exists():
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def reset_peak_memory() -> bool:
    """Let the peak start again from what is resident now; returns False where the system cannot."""
    try:
        _CLEAR.write_text("5")
    except OSError:
        return False
    return True
