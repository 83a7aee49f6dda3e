"""The energy that a timed region took, where the machine counts it.

Processors count through RAPL (Intel, and AMD under the same names), which Linux offers as files
(https://docs.kernel.org/power/powercap/powercap.html). It counts the whole package: all cores with their caches and the
memory controller, hence also whatever else runs meanwhile, and what an idle processor takes anyway. Most virtual
machines have no such files. Since Linux 5.10 only root may read them, for they betray secrets of other processes
(CVE-2020-8694).

NVIDIA GPUs from Volta on count through NVML, likewise for the whole board.

RAPL counts on about every millisecond and NVML every 20 to 100, so a shorter region says nothing.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

from backprop_bench.bench.core.machine.environment import ROOT, read_text

POWERCAP = "sys/class/powercap"

# A zone within a zone, intel-rapl:0:1, is a part of it and counted there.
ZONE = re.compile(r"intel-rapl:([0-9]+)")


@dataclass(frozen=True)
class Counter:
    """One counter of energy."""

    name: str
    read: Callable[[], int | None]
    """Returns the count in microjoules, None where it cannot be read."""
    range_uj: int | None
    """The count after which it starts again at 0; None: it never does."""


@dataclass(frozen=True)
class EnergyMeter:
    """The counters of energy that this process may read."""

    counters: tuple[Counter, ...]
    reason: str | None
    """Why something that was asked for is not among the counters, in a clause; None where nothing is missing."""

    @classmethod
    def find(cls, root: Path = ROOT, *, gpu: bool = False) -> Self:
        """Find the counters that can be read.

        Parameters
        ----------
        root
            The folder that holds ``sys``; another one in tests.
        gpu
            Whether to count the first GPU too: NVML's first, which is the first on the PCI bus whatever
            ``CUDA_VISIBLE_DEVICES`` says. Needs the package ``nvidia-ml-py``.
        """
        result = [_packages(root)]
        if gpu:
            result.append(_gpu())
        reasons = [each for each in result if isinstance(each, str)]
        counters = [counter for each in result if not isinstance(each, str) for counter in each]
        return cls(tuple(counters), "; ".join(reasons) or None)

    @property
    def source(self) -> str | None:
        """What is counted, such as ``RAPL package-0 + RAPL package-1``; None: nothing."""
        return " + ".join(counter.name for counter in self.counters) or None

    def read(self) -> tuple[int, ...] | None:
        """Return the counts in microjoules, one for each counter; None where one cannot be read or there is none."""
        counts = [counter.read() for counter in self.counters]
        known = tuple(count for count in counts if count is not None)
        return known if known and len(known) == len(counts) else None

    def joules(self, before: tuple[int, ...] | None, after: tuple[int, ...] | None) -> float | None:
        """Return the energy in joules that all counters together counted between two readings.

        None where a reading is missing or a counter was set back. A counter may start again at 0 once in between. If
        it did so twice the energy comes out too small; at 200 W the shortest range (65 kJ) lasts five minutes.
        """
        if before is None or after is None:
            return None
        total_uj = 0
        for counter, start, end in zip(self.counters, before, after, strict=True):
            moved_uj = end - start
            if moved_uj < 0:
                moved_uj += counter.range_uj or 0
            if moved_uj < 0:
                return None
            total_uj += moved_uj
        return total_uj / 1e6


def _packages(root: Path) -> list[Counter] | str:
    """Return a counter for each processor package, or why there is none.

    Besides the packages there may be a zone ``psys``, the whole board; it has the packages in it and is left out.
    """
    result = {int(match[1]): path for path in root.glob(f"{POWERCAP}/*") if (match := ZONE.fullmatch(path.name))}
    zones = [(read_text(path / "name") or "", path) for _, path in sorted(result.items())]
    packages = [(name, path) for name, path in zones if name.startswith("package")]
    if not packages:
        return f"no package in /{POWERCAP}/intel-rapl:* (virtual machine, no driver, or not Linux)"
    counters = []
    for name, path in packages:
        try:
            int((path / "energy_uj").read_text())
        except PermissionError:
            return "energy_uj is readable by root only"
        except (OSError, ValueError):
            return f"energy_uj of {name} does not read"
        range_uj = _count(path / "max_energy_range_uj")
        counters.append(Counter(f"RAPL {name}", partial(_count, path / "energy_uj"), range_uj))
    return counters


def _count(path: Path) -> int | None:
    text = read_text(path) or ""
    return int(text) if text.isdigit() else None


def _gpu() -> list[Counter] | str:
    """Return the counter of NVML's first GPU, or why there is none."""
    try:
        nvml = importlib.import_module("pynvml")
    except ImportError:
        return "pynvml is not installed"
    try:
        nvml.nvmlInit()
        handle = nvml.nvmlDeviceGetHandleByIndex(0)
        nvml.nvmlDeviceGetTotalEnergyConsumption(handle)  # GPUs before Volta have no such counter
    except nvml.NVMLError as error:
        return f"NVML: {error}"

    def read_uj() -> int | None:
        try:
            return 1000 * int(nvml.nvmlDeviceGetTotalEnergyConsumption(handle))
        except nvml.NVMLError:
            return None

    return [Counter("NVML GPU 0", read_uj, range_uj=None)]
