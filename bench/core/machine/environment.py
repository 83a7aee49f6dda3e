"""The machine and the software under a measurement, and the threads that a worker may start.

What stands here is stable within a run; what changes during it is in
:mod:`backprop_bench.bench.core.machine.interference`.
Records are published, so nothing here names the host, the user or a folder.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
import threadpoolctl

ROOT = Path("/")
SUITE = Path(__file__).resolve().parents[3]
SOURCES = ("bench", "data", "peers", "scratch", "torch_impl")
"""Folders of the suite's own modules."""

PACKAGES = (
    "backprop-bench",
    "numpy",
    "torch",
    "scipy",
    "pandas",
    "matplotlib",
    "pytest-benchmark",
    "numba",
    "jax",
    "jaxlib",
    "optax",
    "scikit-learn",
    "keras",
    "tensorflow",
    "tensorflow-cpu",
    "tinygrad",
)

# The kernel's name of an instruction set -> the name that readers know.
SIMD_NAMES = {
    "avx2": "avx2",
    "fma": "fma",
    "avx512f": "avx512f",
    "avx512_bf16": "avx512_bf16",
    "amx_tile": "amx_tile",
    "neon": "neon",
    "asimd": "neon",
    "sve": "sve",
}

CACHE_SUFFIXES = {"Data": "d", "Instruction": "i"}

THREAD_COUNT_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "NUM_CPU_THREADS",  # of tinygrad
)

# A pool that spins while it waits takes a core away from whoever is timed next. The price is paid by the pool's owner:
# a thread that sleeps has to be woken for each product, which shows where the products are small.
PASSIVE_WAITING = {
    "OMP_WAIT_POLICY": "PASSIVE",
    "KMP_BLOCKTIME": "0",
    "GOMP_SPINCOUNT": "10000",  # under 1 ms; with 0 two threads of PyTorch came out slower than one
    "OPENBLAS_THREAD_TIMEOUT": "20",  # as 2**20 clock cycles, under 1 ms; by default it spins for tens of ms
    "MKL_DYNAMIC": "FALSE",
    "OMP_DYNAMIC": "FALSE",
}


@dataclass(frozen=True)
class CpuInfo:
    """What ``/proc/cpuinfo`` says about the first processor."""

    model: str | None
    simd: tuple[str, ...]
    hypervisor: bool | None
    """None where the architecture does not tell (ARM)."""


@dataclass(frozen=True)
class Cpu:
    """The processor as a worker sees it. None means: not readable here."""

    model: str
    architecture: str
    logical_cores: int | None
    usable_cores: int
    """Cores that the scheduler may put this process on."""
    quota_cores: float | None
    """The control group's limit on CPU time, in cores. None: no limit, or not readable."""
    simd: tuple[str, ...] | None
    cache_bytes: dict[str, int]
    governor: str | None
    turbo: bool | None
    virtual_machine: bool | None


@dataclass(frozen=True)
class Checkout:
    """The state of the suite's own source."""

    commit: str
    dirty: bool
    """Whether a tracked file outside ``results/`` differs from the commit."""


@dataclass(frozen=True)
class Environment:
    """Everything stable that a reader of a timing needs to know about where it was taken."""

    cpu: Cpu
    memory_bytes: int | None
    operating_system: str
    kernel: str
    libc: str | None
    python: str
    packages: dict[str, str]
    """Version of each installed package of ``PACKAGES``."""
    checkout: Checkout | None
    source_crc32: str
    """Of the suite's own modules, whether they are committed or not."""
    gpus: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the environment as it reads back from JSON."""
        return dict(json.loads(json.dumps(asdict(self))))


def environment(root: Path = ROOT) -> Environment:
    """Describe this machine and its software.

    Parameters
    ----------
    root
        The folder that holds ``proc`` and ``sys``; another one in tests.
    """
    return Environment(
        cpu=cpu(root),
        memory_bytes=memory_bytes(),
        operating_system=operating_system(),
        kernel=f"{platform.system()} {platform.release()}",
        libc=" ".join(platform.libc_ver()).strip() or None,
        python=f"{platform.python_implementation()} {platform.python_version()}",
        packages=package_versions(),
        checkout=checkout(SUITE),
        source_crc32=source_crc32(SUITE),
        gpus=gpu_names(),
    )


def source_crc32(suite: Path) -> str:
    """Return a checksum of the modules in the suite's packages, in Python and in C."""
    checksum = 0
    for package in SOURCES:
        for path in sorted([*(suite / package).rglob("*.py"), *(suite / package).rglob("*.c")]):
            checksum = zlib.crc32(path.relative_to(suite).as_posix().encode() + path.read_bytes(), checksum)
    return f"{checksum:08x}"


def cpu(root: Path = ROOT) -> Cpu:
    """Describe the processor from what the kernel publishes under `root`."""
    text = read_text(root / "proc/cpuinfo")
    info = parse_cpuinfo(text or "")
    return Cpu(
        model=info.model or platform.processor() or platform.machine(),
        architecture=platform.machine(),
        logical_cores=os.cpu_count(),
        usable_cores=usable_cores(),
        quota_cores=quota_cores(root),
        simd=None if text is None else info.simd,
        cache_bytes=cache_bytes(root),
        governor=governor(root),
        turbo=turbo(root),
        virtual_machine=info.hypervisor,
    )


def read_text(path: Path) -> str | None:
    """Return the file's text without surrounding white space, None where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def parse_cpuinfo(text: str) -> CpuInfo:
    """Read the model, the instruction replicates that matter and the hypervisor flag from ``/proc/cpuinfo``.

    An ARM processor has no model name there; its implementer and part numbers stand in for it.
    """
    fields: dict[str, str] = {}
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon:
            fields.setdefault(key.strip(), value.strip())
    model = fields.get("model name")
    if model is None and "CPU part" in fields:
        model = f"ARM implementer {fields.get('CPU implementer', 'unknown')} part {fields['CPU part']}"
    flags = set(fields.get("flags", fields.get("Features", "")).split())
    simd = tuple(dict.fromkeys(name for flag, name in SIMD_NAMES.items() if flag in flags))
    return CpuInfo(model, simd, "hypervisor" in flags if "flags" in fields else None)


def usable_core_numbers() -> tuple[int, ...]:
    """Return the numbers of the cores that this process may run on."""
    if sys.platform == "linux":
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def usable_cores() -> int:
    """Return how many cores this process may run on."""
    return len(usable_core_numbers())


def quota_cores(root: Path = ROOT) -> float | None:
    """Return the tightest CPU quota from this process's control group (version 2) upwards, in cores."""
    top = root / "sys/fs/cgroup"
    lines = (read_text(root / "proc/self/cgroup") or "").splitlines()
    group = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), "")
    folders = [folder for folder in (top / group, *(top / group).parents) if folder.is_relative_to(top)]
    quotas = [parse_cpu_max(read_text(folder / "cpu.max") or "") for folder in folders]
    return min((quota for quota in quotas if quota is not None), default=None)


def parse_cpu_max(text: str) -> float | None:
    """Return the cores that a ``cpu.max`` line (quota and period in microseconds) allows; None: no limit."""
    words = text.split()
    if len(words) != 2 or not all(word.isdigit() for word in words) or int(words[1]) == 0:
        return None
    return int(words[0]) / int(words[1])


def cache_bytes(root: Path = ROOT) -> dict[str, int]:
    """Return the size in bytes of each cache that the first core sees: L1d, L1i, L2, L3."""
    sizes = {}
    for folder in sorted((root / "sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = (read_text(folder / name) for name in ("level", "type", "size"))
        count = parse_size(size or "")
        if level is not None and kind is not None and count is not None:
            sizes[f"L{level}{CACHE_SUFFIXES.get(kind, '')}"] = count
    return sizes


def parse_size(text: str) -> int | None:
    """Return the bytes that the kernel's ``48K`` or ``32M`` stands for; None where it is neither."""
    digits, unit = text[:-1], text[-1:]
    powers = {"K": 10, "M": 20, "G": 30}
    return int(digits) << powers[unit] if digits.isdigit() and unit in powers else None


def governor(root: Path = ROOT) -> str | None:
    """Return the frequency governor of the first core, such as ``performance`` or ``powersave``."""
    return read_text(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


def turbo(root: Path = ROOT) -> bool | None:
    """Return whether the clock may rise above its nominal frequency."""
    folder = root / "sys/devices/system/cpu"
    no_turbo = read_text(folder / "intel_pstate/no_turbo")
    if no_turbo is not None:
        return no_turbo == "0"
    boost = read_text(folder / "cpufreq/boost")
    return None if boost is None else boost == "1"


def memory_bytes() -> int | None:
    """Return the machine's memory."""
    try:
        return int(psutil.virtual_memory().total)
    except (OSError, LookupError, ValueError, psutil.Error):
        return None


def operating_system() -> str:
    """Return the distribution's or the system's name with its version."""
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return f"{platform.system()} {platform.mac_ver()[0]}".strip()


def package_versions() -> dict[str, str]:
    """Return the version of each package of ``PACKAGES`` that is installed, without importing any."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def checkout(folder: Path) -> Checkout | None:
    """Return the git state of `folder`, None where it is not itself the top of a checkout with a commit.

    The top is asked for because an installed copy may lie inside somebody else's checkout.
    """
    git = ["git", "-C", str(folder)]
    top = command_output([*git, "rev-parse", "--show-toplevel"])
    commit = command_output([*git, "rev-parse", "--verify", "HEAD"])
    changes = command_output([*git, "status", "--porcelain", "--untracked-files=no", "--", ".", ":(exclude)results"])
    if not top or not commit or changes is None or Path(top).resolve() != folder.resolve():
        return None
    return Checkout(commit, bool(changes))


def gpu_names() -> tuple[str, ...]:
    """Return the names of the NVIDIA GPUs; empty where there are none or their tool does not answer."""
    listing = command_output(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"])
    return tuple(line.strip() for line in (listing or "").splitlines() if line.strip())


def command_output(command: list[str], timeout_s: float = 10.0) -> str | None:
    """Return what the command prints, None where it is absent, fails or takes too long."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def thread_environment(threads: int) -> dict[str, str]:
    """Return the environment variables that hold a worker's libraries to `threads` threads that wait passively.

    They work only when set before the worker imports NumPy or torch.
    """
    if threads < 1:
        raise ValueError(f"threads must be at least 1, not {threads}")
    xla = {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"} if threads == 1 else {}
    return dict.fromkeys(THREAD_COUNT_VARIABLES, str(threads)) | PASSIVE_WAITING | xla


def thread_pools(libraries: threadpoolctl.ThreadpoolController | None = None) -> list[dict[str, Any]]:
    """Return the thread pools of this process's native libraries, without file paths.

    To find the libraries takes more than a millisecond; those found before may be handed in.

    Torch's own count is added where torch is already imported: the MKL linked into it is invisible from outside.
    ``architecture`` is the kernel that a BLAS picked for this CPU, such as ``SkylakeX``.
    """
    pools = [
        {key: value for key, value in pool.items() if key != "filepath"}
        for pool in (libraries or threadpoolctl.ThreadpoolController()).info()
    ]
    torch = sys.modules.get("torch")
    if torch is not None:
        pools.append(
            {
                "user_api": "torch",
                "internal_api": "torch",
                "version": str(torch.__version__),
                "num_threads": torch.get_num_threads(),
            }
        )
    return pools


def verify_threads(threads: int, libraries: threadpoolctl.ThreadpoolController | None = None) -> str | None:
    """Say which pools of this process have more than `threads` threads; None where all keep to it.

    Call it after the imports that a worker needs.
    """
    offenders = [
        f"{pool.get('prefix', pool['internal_api'])} has {pool['num_threads']}"
        for pool in thread_pools(libraries)
        if pool["num_threads"] > threads
    ]
    if not offenders:
        return None
    return (
        f"At most {threads} {'thread was' if threads == 1 else 'threads were'} asked for, but {', '.join(offenders)}."
    )
