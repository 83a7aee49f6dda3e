"""What on this machine interferes with a measurement right now."""

from __future__ import annotations

import importlib
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import psutil

from backprop_bench.bench.core.machine.environment import (
    ROOT,
    Cpu,
    cpu,
    read_text,
    thread_environment,
    thread_pools,
)
from backprop_bench.bench.core.machine.interference import parse_pressure_total, parse_steal_ticks
from backprop_bench.data.cache import CACHE_VARIABLE, cache_folder

Level = Literal["ok", "note", "warning"]
Verdict = tuple[Level, str]

MIB = 2**20

# Set in the shell, these choose other kernels and reach the workers unchanged.
KERNEL_VARIABLES = (
    "OPENBLAS_CORETYPE",
    "MKL_ENABLE_INSTRUCTIONS",
    "MKL_DEBUG_CPU_TYPE",
    "ATEN_CPU_CAPABILITY",
    "NPY_DISABLE_CPU_FEATURES",
)
AVX512_KERNELS = {"SkylakeX", "Cooperlake", "Sapphirerapids", "skx"}
KERNELS_BELOW_AVX2 = {"Prescott", "Core2", "Nehalem", "Sandybridge", "Bulldozer", "Barcelona"}

TORCH_PROBE = "import torch; print(torch.__version__, torch.cuda.is_available())"
TORCH_TIMEOUT_S = 60.0

# Errors of a check where the system does not provide what it asks for.
UNREADABLE = (
    OSError,
    ValueError,
    LookupError,
    AttributeError,
    ImportError,
    NotImplementedError,
    RuntimeError,
    psutil.Error,
)


@dataclass(frozen=True)
class Finding:
    """One check: its result and what it means for a measurement, in one sentence."""

    topic: str
    level: Level
    message: str


@dataclass(frozen=True)
class Sample:
    """Activity of the machine while this process slept."""

    elapsed_s: float
    steal_ticks: int | None
    busy: tuple[tuple[str, float], ...]
    """Name and share of one core of each other process, the busiest first."""


@dataclass(frozen=True)
class Situation:
    """Input of the checks."""

    root: Path
    results: Path
    cpu: Cpu
    sample: Sample

    @property
    def cores(self) -> float:
        """CPU time that this process can get, in cores."""
        return min(self.cpu.usable_cores, self.cpu.quota_cores or self.cpu.usable_cores)


def diagnose(results: Path = Path("results"), *, root: Path = ROOT, sample_s: float = 1.0) -> list[Finding]:
    """Check the machine for whatever interferes with a measurement.

    Takes about `sample_s` and the time that importing torch takes in a process of its own.

    Parameters
    ----------
    results
        The folder that records will go to; it need not exist.
    root
        The folder that holds ``proc`` and ``sys``; another one in tests.
    sample_s
        How long to watch the other processes and the hypervisor, in seconds.

    Returns
    -------
    list of Finding
        One per topic, always all of them: what cannot be read is a note that says so.
    """
    situation = Situation(root, results, cpu(root), watch(root, sample_s))
    return [_finding(topic, check, situation) for topic, check in CHECKS.items()]


def _finding(topic: str, check: Callable[[Situation], Verdict | None], situation: Situation) -> Finding:
    try:
        verdict = check(situation)
    except UNREADABLE:
        verdict = None
    if verdict is None:
        return Finding(topic, "note", f"{topic[0].upper()}{topic[1:]}: not readable here.")
    return Finding(topic, *verdict)


def watch(root: Path, sample_s: float) -> Sample:
    """Sleep for `sample_s` and return the activity of the rest of the machine."""
    processes = _other_processes()
    _shares(processes)  # the first reading of each is the start of the interval
    stolen = parse_steal_ticks(read_text(root / "proc/stat") or "")
    start = time.perf_counter()
    time.sleep(sample_s)
    elapsed_s = time.perf_counter() - start
    stolen_after = parse_steal_ticks(read_text(root / "proc/stat") or "")
    steal_ticks = None if stolen is None or stolen_after is None else stolen_after - stolen
    return Sample(elapsed_s, steal_ticks, _shares(processes))


def _other_processes() -> list[psutil.Process]:
    try:
        return [process for process in psutil.process_iter(["name"]) if process.pid not in {0, os.getpid()}]
    except UNREADABLE:
        return []


def _shares(processes: list[psutil.Process]) -> tuple[tuple[str, float], ...]:
    shares = []
    for process in processes:
        try:
            shares.append((process.info["name"] or "unnamed", process.cpu_percent(None) / 100))
        except UNREADABLE:  # ended meanwhile, or somebody else's
            continue
    return tuple(sorted(shares, key=lambda pair: -pair[1]))


def _check_cores(situation: Situation) -> Verdict:
    usable, quota = situation.cpu.usable_cores, situation.cpu.quota_cores
    if quota is not None and quota < usable:
        return "warning", (
            f"The control group limits CPU time to {quota:g} of {usable} cores: a run with more threads is throttled."
        )
    if usable < 2:
        return "warning", "There is only one core, so other processes take time from what is timed."
    return "ok", f"{usable} cores are usable, without a CPU quota."


def _check_hyperthreads(situation: Situation) -> Verdict | None:
    folder = situation.root / "sys/devices/system/cpu"
    lists = [read_text(path) for path in folder.glob("cpu[0-9]*/topology/thread_siblings_list")]
    if not lists:
        return None
    if any(text and ("," in text or "-" in text) for text in lists):
        return "note", "Logical cores share physical cores, so two threads may be slower than on two physical cores."
    return "ok", "Each logical core is a physical core, as far as the system reports."


def _check_load(situation: Situation) -> Verdict:
    load = os.getloadavg()[0]
    if load > 0.5 * situation.cores:
        return (
            "warning",
            f"The load of the last minute is {load:.2f} on {situation.cores:g} cores: wait until it falls.",
        )
    return "ok", f"The load of the last minute is {load:.2f} on {situation.cores:g} cores."


def _check_processes(situation: Situation) -> Verdict | None:
    if not situation.sample.busy:
        return None
    total = sum(share for _, share in situation.sample.busy)
    names = ", ".join(f"{name} {share:.0%}" for name, share in situation.sample.busy[:3] if share >= 0.01)
    if total > 0.1:
        return "warning", f"Other processes use {total:.0%} of a core right now ({names}) and interfere."
    return "ok", f"Other processes use {total:.0%} of a core right now."


def _check_steal(situation: Situation) -> Verdict | None:
    if situation.sample.steal_ticks is None:
        return None
    offered_s = situation.sample.elapsed_s * (situation.cpu.logical_cores or 1)
    share = situation.sample.steal_ticks / os.sysconf("SC_CLK_TCK") / offered_s
    if share > 0.01:
        return "warning", f"The hypervisor took {share:.1%} of the CPU time for other guests: trust paired ratios only."
    return "ok", f"The hypervisor took {share:.1%} of the CPU time during this check."


def _check_virtual_machine(situation: Situation) -> Verdict | None:
    if situation.cpu.virtual_machine is None:
        return None
    if situation.cpu.virtual_machine:
        return "note", "This is a virtual machine: neighbours on the same host can slow it down unnoticed."
    return "ok", "No hypervisor is reported, so no neighbours share caches and cores."


def _check_governor(situation: Situation) -> Verdict | None:
    governor = situation.cpu.governor
    if governor is None:
        return None
    if governor == "performance":
        return "ok", "The frequency governor is performance."
    return "warning", f"The frequency governor is {governor}, so the clock may still ramp up during short timings."


def _check_turbo(situation: Situation) -> Verdict | None:
    if situation.cpu.turbo is None:
        return None
    if situation.cpu.turbo:
        return "note", "Turbo is on: one thread may run at a higher clock than two, which makes scaling look worse."
    return "ok", "Turbo is off, so one thread and two run at the same clock."


def _check_memory(_situation: Situation) -> Verdict:
    available = psutil.virtual_memory().available // MIB
    if available < 2048:
        return "warning", f"Only {available} MiB of memory are available: a worker with torch may start swapping."
    return "ok", f"{available} MiB of memory are available."


def _check_swap(_situation: Situation) -> Verdict:
    used = psutil.swap_memory().used // MIB
    if used:
        return "note", f"{used} MiB are swapped out, so first touches may wait for the disk."
    return "ok", "Nothing is swapped out."


def _check_pressure(situation: Situation) -> Verdict | None:
    total = parse_pressure_total(read_text(situation.root / "proc/pressure/cpu") or "")
    return None if total is None else ("ok", "CPU pressure (PSI) is readable and is recorded with every block.")


def _check_battery(_situation: Situation) -> Verdict:
    battery = psutil.sensors_battery()
    if battery is not None and not battery.power_plugged:
        return "warning", "The machine runs on battery and may lower its clock at any time: plug it in."
    return "ok", "The machine does not run on battery, as far as the system reports."


def _check_shell(_situation: Situation) -> Verdict:
    kept = [name for name in KERNEL_VARIABLES if name in os.environ]
    if kept:
        return (
            "warning",
            f"{', '.join(kept)} set in this shell selects the kernels that are timed: unset it to compare.",
        )
    overridden = [name for name in thread_environment(1) if name in os.environ]
    if overridden:
        return "note", f"{', '.join(overridden)} set in this shell is overridden in the workers."
    return "ok", "No environment variable configures the numerical libraries."


def _check_blas(situation: Situation) -> Verdict | None:
    importlib.import_module("numpy")  # which loads its BLAS
    kernels = {pool["architecture"] for pool in thread_pools() if pool.get("architecture")}
    if not kernels or situation.cpu.simd is None:
        return None
    names = ", ".join(sorted(kernels))
    best = "avx512f" if "avx512f" in situation.cpu.simd else "avx2"
    slow = kernels - AVX512_KERNELS if best == "avx512f" else kernels & KERNELS_BELOW_AVX2
    if slow and best in situation.cpu.simd:
        return (
            "warning",
            f"BLAS uses the kernel {names} although the processor has {best}: it is slower than necessary.",
        )
    return "ok", f"BLAS uses the kernel {names}, which matches the processor as far as known."


def _check_torch(_situation: Situation) -> Verdict:
    try:
        probe = subprocess.run(
            [sys.executable, "-c", TORCH_PROBE], capture_output=True, text=True, timeout=TORCH_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return "warning", f"Importing torch takes more than {TORCH_TIMEOUT_S:.0f} s, so PyTorch versions may not run."
    if probe.returncode != 0:
        reason = (probe.stderr.strip().splitlines() or [f"exit status {probe.returncode}"])[-1]
        return "warning", f"Torch cannot be imported, so only versions without PyTorch can run ({reason})."
    version, cuda = probe.stdout.split()[-2:]
    if cuda == "True":
        return "ok", f"Torch {version} imports and sees a GPU."
    return "note", f"Torch {version} imports and sees no GPU, so what needs CUDA is unavailable."


def _check_clock(_situation: Situation) -> Verdict:
    resolution_s = time.get_clock_info("perf_counter").resolution
    if resolution_s > 1e-6:
        return "warning", f"The clock ticks every {resolution_s * 1e6:.1f} µs: time many calls together."
    return "ok", f"The clock ticks every {resolution_s * 1e9:.0f} ns."


def _check_timer(_situation: Situation) -> Verdict:
    overhead_ns = timer_overhead_ns()
    if overhead_ns > 1000:
        return "warning", f"Reading the clock takes {overhead_ns:.0f} ns: the kernel uses a slow clock source."
    return "ok", f"Reading the clock takes {overhead_ns:.0f} ns."


def timer_overhead_ns(readings: int = 2000) -> float:
    """Return the median time between two consecutive readings of the clock, in nanoseconds."""
    times = [time.perf_counter_ns() for _ in range(readings)]
    return statistics.median(later - earlier for earlier, later in pairwise(times))


def _check_disk(situation: Situation) -> Verdict:
    free = shutil.disk_usage(_existing(situation.results)).free // MIB
    if free < 1024:
        return "warning", f"Only {free} MiB are free in the results folder, and a run may fail to write its records."
    return "ok", f"{free} MiB are free in the results folder."


def _check_cache(_situation: Situation) -> Verdict:
    folder = cache_folder()
    if os.access(_existing(folder), os.W_OK | os.X_OK):
        return "ok", "The cache folder is writable."
    return "warning", f"The cache folder {folder} is not writable: set {CACHE_VARIABLE} to another one."


def _existing(folder: Path) -> Path:
    """Return `folder` or the nearest folder above it that exists."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())


CHECKS: dict[str, Callable[[Situation], Verdict | None]] = {
    "cores": _check_cores,
    "hyperthreads": _check_hyperthreads,
    "load": _check_load,
    "other processes": _check_processes,
    "steal time": _check_steal,
    "virtual machine": _check_virtual_machine,
    "frequency governor": _check_governor,
    "turbo": _check_turbo,
    "memory": _check_memory,
    "swap": _check_swap,
    "CPU pressure": _check_pressure,
    "battery": _check_battery,
    "shell variables": _check_shell,
    "BLAS kernel": _check_blas,
    "torch": _check_torch,
    "clock": _check_clock,
    "timer": _check_timer,
    "disk": _check_disk,
    "cache folder": _check_cache,
}
