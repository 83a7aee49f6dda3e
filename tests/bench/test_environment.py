"""What the suite says about the machine: read from recorded texts, and from this machine as it is."""

from __future__ import annotations

import getpass
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from backprop_bench.bench.core.machine import doctor
from backprop_bench.bench.core.machine import environment as env
from backprop_bench.bench.core.machine.interference import (
    Snapshot,
    interference,
    parse_pressure_total,
    parse_steal_ticks,
    parse_throttles,
)

INTEL = """\
processor\t: 0
vendor_id\t: GenuineIntel
model\t\t: 143
model name\t: Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz
flags\t\t: fpu vme sse4_2 fma avx hypervisor avx2 avx512f avx512dq avx512_bf16 amx_bf16 amx_tile
bugs\t\t: spectre_v1

processor\t: 1
model name\t: another
flags\t\t: fpu
"""
AMD = """\
processor\t: 0
vendor_id\t: AuthenticAMD
model name\t: AMD Ryzen 7 5800X 8-Core Processor
flags\t\t: fpu vme sse4a fma avx avx2 topoext
"""
ARM = """\
processor\t: 0
BogoMIPS\t: 243.75
Features\t: fp asimd evtstrm aes crc32 sve asimdfhm
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x1
CPU part\t: 0xd40
"""

STAT = "cpu  10358 0 4459 126592 843 0 85 5601 0 0\ncpu0 3697 0 1910 65478 74 0 15 2802 0 0\n"
PRESSURE = "some avg10=2.32 avg60=1.05 avg300=0.64 total=13656867\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"

POOL_PROBE = """
import json, numpy
from backprop_bench.bench.core.machine.environment import thread_pools, verify_threads
print(json.dumps([thread_pools(), verify_threads(1)]))
"""

# Two processes on one core, so that each has about half of it.
CROWDED_PROBE = """
import json, os, subprocess, sys, time
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from backprop_bench.bench.core.machine.interference import Snapshot
rival = subprocess.Popen([sys.executable, "-c", "while True: pass"])
start, before = time.perf_counter(), Snapshot.take()
while time.perf_counter() < start + 0.5:
    pass
moved, elapsed = Snapshot.take().waited_s - before.waited_s, time.perf_counter() - start
rival.kill()
rival.wait()
print(json.dumps([moved, elapsed]))
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            INTEL,
            env.CpuInfo(
                "Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz",
                ("avx2", "fma", "avx512f", "avx512_bf16", "amx_tile"),
                hypervisor=True,
            ),
            id="intel",
        ),
        pytest.param(
            AMD, env.CpuInfo("AMD Ryzen 7 5800X 8-Core Processor", ("avx2", "fma"), hypervisor=False), id="amd"
        ),
        pytest.param(ARM, env.CpuInfo("ARM implementer 0x41 part 0xd40", ("neon", "sve"), hypervisor=None), id="arm"),
        pytest.param("", env.CpuInfo(None, (), hypervisor=None), id="empty"),
    ],
)
def test_the_first_processor_is_read_from_cpuinfo(text: str, expected: env.CpuInfo) -> None:
    assert env.parse_cpuinfo(text) == expected


@pytest.mark.parametrize(
    ("text", "cores"),
    [("150000 100000\n", 1.5), ("max 100000\n", None), ("", None), ("100000", None), ("100000 0", None)],
)
def test_a_cpu_quota_is_read_in_cores_and_max_means_none(text: str, cores: float | None) -> None:
    assert env.parse_cpu_max(text) == cores


@pytest.mark.parametrize(("text", "size"), [("48K", 49152), ("32M", 32 * 2**20), ("K", None), ("", None), ("32", None)])
def test_cache_sizes_are_read_in_bytes(text: str, size: int | None) -> None:
    assert env.parse_size(text) == size


def test_the_tightest_quota_from_the_own_group_upwards_counts(tmp_path: Path) -> None:
    write(tmp_path / "proc/self/cgroup", "0::/slice/service\n")
    write(tmp_path / "sys/fs/cgroup/slice/cpu.max", "50000 100000\n")
    write(tmp_path / "sys/fs/cgroup/slice/service/cpu.max", "200000 100000\n")
    write(tmp_path / "sys/fs/cgroup/stranger/cpu.max", "10000 100000\n")
    assert env.quota_cores(tmp_path) == 0.5


def test_a_processor_is_described_from_the_files_of_the_kernel(tmp_path: Path) -> None:
    write(tmp_path / "proc/cpuinfo", AMD)
    cores = tmp_path / "sys/devices/system/cpu"
    write(cores / "cpu0/cpufreq/scaling_governor", "powersave\n")
    write(cores / "cpufreq/boost", "1\n")
    for index, (level, kind, size) in enumerate([("1", "Data", "32K"), ("2", "Unified", "512K")]):
        write(cores / f"cpu0/cache/index{index}/level", level)
        write(cores / f"cpu0/cache/index{index}/type", kind)
        write(cores / f"cpu0/cache/index{index}/size", size)
    described = env.cpu(tmp_path)
    assert described.cache_bytes == {"L1d": 32768, "L2": 524288}
    assert (described.governor, described.turbo, described.virtual_machine) == ("powersave", True, False)


def test_intel_states_turbo_the_other_way_round(tmp_path: Path) -> None:
    write(tmp_path / "sys/devices/system/cpu/intel_pstate/no_turbo", "1\n")
    assert env.turbo(tmp_path) is False


def test_what_the_kernel_does_not_publish_is_none_and_not_a_guess(tmp_path: Path) -> None:
    described = env.cpu(tmp_path)
    unread = (described.simd, described.quota_cores, described.governor, described.turbo, described.virtual_machine)
    assert unread == (None,) * 5
    assert described.model


def test_the_environment_survives_json_unchanged() -> None:
    described = env.environment().to_dict()
    assert json.loads(json.dumps(described)) == described
    assert described["packages"]["numpy"]
    assert described["cpu"]["usable_cores"] >= 1


def test_the_environment_names_no_host_no_user_and_no_folder() -> None:
    words = strings_in(env.environment().to_dict())
    assert not {platform.node(), getpass.getuser()} & words
    folders = {str(Path.home()), str(Path.cwd()), sys.prefix} - {"/"}
    assert not [word for word in words if any(folder in word for folder in folders)]


def test_an_installed_copy_does_not_claim_the_commit_of_the_checkout_around_it(tmp_path: Path) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    write(tmp_path / "inner/file", "1")
    write(tmp_path / "results/figure", "1")
    assert env.checkout(tmp_path) is None
    for command in (["init", "-q"], ["add", "."], ["-c", "commit.gpgsign=false", "commit", "-q", "-m", "all"]):
        subprocess.run([*git, *command], check=True)
    assert env.checkout(tmp_path / "inner") is None

    clean = env.checkout(tmp_path)
    assert clean is not None
    write(tmp_path / "results/figure", "2")
    assert env.checkout(tmp_path) == env.Checkout(clean.commit, dirty=False)
    write(tmp_path / "inner/file", "2")
    assert env.checkout(tmp_path) == env.Checkout(clean.commit, dirty=True)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_worker_gets_the_threads_it_is_given_and_no_more(threads: int) -> None:
    pools, complaint = probe_pools(threads)
    blas = [pool["num_threads"] for pool in pools if pool["user_api"] == "blas"]
    if not blas:
        pytest.skip("no BLAS here that threadpoolctl knows")
    assert blas == [min(threads, env.usable_cores())] * len(blas)
    assert not any("filepath" in pool for pool in pools)
    assert (complaint is None) == (max(blas) == 1)


def test_too_many_threads_are_named_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        env,
        "thread_pools",
        lambda _: [
            {"internal_api": "openblas", "prefix": "libopenblas", "num_threads": 4},
            {"internal_api": "torch", "num_threads": 1},
        ],
    )
    assert env.verify_threads(1) == "At most 1 thread was asked for, but libopenblas has 4."
    assert env.verify_threads(4) is None


def test_a_worker_without_threads_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1, not 0"):
        env.thread_environment(0)


NUMBERS_OF_THREADS = {
    "OpenMP, and so PyTorch": "OMP_NUM_THREADS",
    "OpenBLAS": "OPENBLAS_NUM_THREADS",
    "MKL": "MKL_NUM_THREADS",
    "BLIS": "BLIS_NUM_THREADS",
    "Accelerate": "VECLIB_MAXIMUM_THREADS",
    "NumExpr": "NUMEXPR_NUM_THREADS",
    "Numba": "NUMBA_NUM_THREADS",
}


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("library", NUMBERS_OF_THREADS)
def test_every_library_is_told_its_number_of_threads(library: str, threads: int) -> None:
    assert env.thread_environment(threads)[NUMBERS_OF_THREADS[library]] == str(threads)


def test_xla_has_no_pool_for_products_where_one_thread_is_asked_for_as_its_number_cannot_be_told() -> None:
    assert "multi_thread_eigen=false" in env.thread_environment(1)["XLA_FLAGS"]
    assert "XLA_FLAGS" not in env.thread_environment(2)


def test_threads_that_wait_sleep_soon() -> None:
    variables = env.thread_environment(2)
    assert (variables["OMP_WAIT_POLICY"], variables["KMP_BLOCKTIME"]) == ("PASSIVE", "0")
    assert int(variables["GOMP_SPINCOUNT"]) < 10**6
    assert 2 ** int(variables["OPENBLAS_THREAD_TIMEOUT"]) < 10**7, "clock cycles"


def test_steal_and_pressure_are_read_from_their_lines() -> None:
    assert parse_steal_ticks(STAT) == 5601
    assert parse_steal_ticks("cpu  1 2 3 4\n") is None
    assert parse_pressure_total(PRESSURE) == 13656867
    assert parse_pressure_total("") is None


@pytest.mark.skipif(sys.platform != "linux", reason="counts in the clock ticks of Linux")
def test_interference_is_the_difference_of_two_snapshots(tmp_path: Path) -> None:
    ticks_per_s = os.sysconf("SC_CLK_TCK")
    stat, pressure = tmp_path / "stat", tmp_path / "pressure"
    write(stat, "cpu  1 0 1 1 1 0 1 0 0 0\n")
    write(pressure, "some avg10=0.00 avg60=0.00 avg300=0.00 total=100\n")
    before = Snapshot.take(stat, pressure)
    write(stat, f"cpu  1 0 1 1 1 0 1 {3 * ticks_per_s} 0 0\n")
    write(pressure, "some avg10=0.00 avg60=0.00 avg300=0.00 total=175\n")
    moved = interference(before, Snapshot.take(stat, pressure))
    assert (moved["steal_s"], moved["psi_cpu_some_us"]) == (3.0, 75)
    assert moved["minor_faults"] is not None
    assert moved["minor_faults"] >= 0


def test_a_counter_that_cannot_be_read_is_none_in_the_difference(tmp_path: Path) -> None:
    before = Snapshot.take(tmp_path / "absent", tmp_path / "absent")
    moved = interference(before, Snapshot.take())
    assert (moved["steal_s"], moved["psi_cpu_some_us"]) == (None, None)


def test_the_waiting_is_summed_over_the_threads_in_seconds(tmp_path: Path) -> None:
    (tmp_path / "33").mkdir()  # a thread that ended between being listed and being read
    write(tmp_path / "31/schedstat", "900000000 1000000000 7\n")
    write(tmp_path / "32/schedstat", "800000000 500000000 9\n")
    before = Snapshot.take(tasks=tmp_path)
    assert before.waited_s == 1.5
    write(tmp_path / "32/schedstat", "850000000 750000000 11\n")
    assert interference(before, Snapshot.take(tasks=tmp_path))["waited_s"] == 0.25


def test_waiting_that_went_with_its_thread_is_unknown(tmp_path: Path) -> None:
    write(tmp_path / "31/schedstat", "900000000 1000000000 7\n")
    write(tmp_path / "32/schedstat", "800000000 500000000 9\n")
    before = Snapshot.take(tasks=tmp_path)
    (tmp_path / "32/schedstat").unlink()
    assert interference(before, Snapshot.take(tasks=tmp_path))["waited_s"] is None


def test_a_kernel_that_does_not_keep_the_account_does_not_say_that_nothing_waited(tmp_path: Path) -> None:
    write(tmp_path / "31/schedstat", "0 0 0\n")
    assert Snapshot.take(tasks=tmp_path).waited_s is None
    assert Snapshot.take(tasks=tmp_path / "absent").waited_s is None


def test_throttling_is_summed_over_the_cores_and_the_groups_around_the_process(tmp_path: Path) -> None:
    system = tmp_path / "sys"
    for core, count in {"cpu0": 3, "cpu1": 4, "cpu12": 5}.items():
        write(system / f"devices/system/cpu/{core}/thermal_throttle/core_throttle_count", f"{count}\n")
        write(system / f"devices/system/cpu/{core}/thermal_throttle/package_throttle_count", "1000\n")
    write(tmp_path / "proc/self/cgroup", "3:cpuset:/elsewhere\n0::/user/session\n")
    write(system / "fs/cgroup/user/session/cpu.stat", "usage_usec 900\nnr_periods 50\nnr_throttled 10\nnr_bursts 7\n")
    write(system / "fs/cgroup/user/cpu.stat", "usage_usec 900\nnr_periods 50\nnr_throttled 20\nnr_bursts 7\n")
    write(system / "fs/cgroup/user/other/cpu.stat", "nr_throttled 1000\n")
    write(system / "fs/cgroup/cpu.stat", "usage_usec 900\n")  # as the top of the tree has it
    before = Snapshot.take(root=tmp_path)
    assert before.throttles == 42
    write(system / "fs/cgroup/user/cpu.stat", "usage_usec 990\nnr_periods 51\nnr_throttled 21\nnr_bursts 7\n")
    assert interference(before, Snapshot.take(root=tmp_path))["throttles"] == 1


def test_a_quota_alone_tells_of_throttling_and_nothing_at_all_does_not(tmp_path: Path) -> None:
    write(tmp_path / "group/proc/self/cgroup", "0::/\n")
    write(tmp_path / "group/sys/fs/cgroup/cpu.stat", "usage_usec 9\nnr_periods 0\nnr_throttled 0\n")
    assert Snapshot.take(root=tmp_path / "group").throttles == 0
    assert Snapshot.take(root=tmp_path / "absent").throttles is None


def test_a_count_of_throttling_that_is_cut_off_is_not_taken_for_a_smaller_one() -> None:
    assert parse_throttles("nr_periods 50\nnr_throttled 1234\n") == 1234
    assert parse_throttles("nr_periods 50\nnr_throttled 12") is None
    assert parse_throttles("1234\n") == 1234
    assert parse_throttles("") is None


def test_a_thread_that_has_to_share_its_core_is_seen_to_wait() -> None:
    if Snapshot.take().waited_s is None:
        pytest.skip("this system does not tell how long threads waited for a core")
    done = subprocess.run(
        [sys.executable, "-c", CROWDED_PROBE],
        cwd=Path(env.__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    waited_s, elapsed_s = json.loads(done.stdout)
    assert 0.1 * elapsed_s < waited_s < elapsed_s


def test_the_doctor_says_so_where_nothing_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(tmp_path))
    monkeypatch.setattr(doctor, "TORCH_PROBE", "raise SystemExit('ImportError: broken')")
    findings = {found.topic: found for found in doctor.diagnose(tmp_path / "absent", root=tmp_path, sample_s=0.01)}
    assert list(findings) == list(doctor.CHECKS)
    assert findings["steal time"] == doctor.Finding("steal time", "note", "Steal time: not readable here.")
    for topic in ("hyperthreads", "virtual machine", "frequency governor", "turbo", "CPU pressure"):
        assert findings[topic].message.endswith("not readable here.")
    assert findings["torch"].level == "warning"
    assert "broken" in findings["torch"].message


def test_the_doctor_survives_a_torch_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "TORCH_PROBE", "import time; time.sleep(60)")
    monkeypatch.setattr(doctor, "TORCH_TIMEOUT_S", 0.2)
    assert verdict("torch", situation())[0] == "warning"


@pytest.mark.parametrize(
    ("topic", "changes", "level"),
    [
        ("cores", {"usable_cores": 4}, "ok"),
        ("cores", {"usable_cores": 1}, "warning"),
        ("cores", {"usable_cores": 4, "quota_cores": 2.0}, "warning"),
        ("virtual machine", {"virtual_machine": True}, "note"),
        ("virtual machine", {"virtual_machine": False}, "ok"),
        ("frequency governor", {"governor": "performance"}, "ok"),
        ("frequency governor", {"governor": "powersave"}, "warning"),
        ("turbo", {"turbo": True}, "note"),
        ("turbo", {"turbo": False}, "ok"),
    ],
)
def test_the_doctor_judges_the_processor(topic: str, changes: dict[str, Any], level: str) -> None:
    assert verdict(topic, situation(**changes))[0] == level


@pytest.mark.parametrize(("ticks_per_core", "level"), [(0.0, "ok"), (0.02, "warning")])
@pytest.mark.skipif(sys.platform != "linux", reason="counts in the clock ticks of Linux")
def test_the_doctor_warns_of_stolen_time(ticks_per_core: float, level: str) -> None:
    ticks = round(ticks_per_core * 2 * os.sysconf("SC_CLK_TCK"))
    assert verdict("steal time", situation(doctor.Sample(1.0, ticks, ()), logical_cores=2))[0] == level


def test_the_doctor_names_the_busiest_processes_only() -> None:
    sample = doctor.Sample(1.0, None, (("compiler", 0.9), ("browser", 0.3), ("idle", 0.0)))
    level, message = verdict("other processes", situation(sample))
    assert level == "warning"
    assert "120% of a core right now (compiler 90%, browser 30%)" in message


@pytest.mark.parametrize(
    ("simd", "kernel", "level"),
    [
        (("avx2", "fma", "avx512f"), "SkylakeX", "ok"),
        (("avx2", "fma", "avx512f"), "Haswell", "warning"),
        (("avx2", "fma"), "Zen", "ok"),
        (("avx2", "fma"), "Nehalem", "warning"),
        ((), "Nehalem", "ok"),
        (("neon",), "neoversen1", "ok"),
    ],
)
def test_the_doctor_warns_of_a_blas_kernel_below_the_processor(
    simd: tuple[str, ...], kernel: str, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "thread_pools", lambda: [{"architecture": kernel}, {"internal_api": "openmp"}])
    assert verdict("BLAS kernel", situation(simd=simd))[0] == level


def test_the_doctor_tells_what_is_overridden_from_what_reaches_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*env.thread_environment(1), *doctor.KERNEL_VARIABLES):
        monkeypatch.delenv(name, raising=False)
    assert verdict("shell variables", situation())[0] == "ok"
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    assert verdict("shell variables", situation()) == (
        "note",
        "OMP_NUM_THREADS set in this shell is overridden in the workers.",
    )
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    assert verdict("shell variables", situation())[0] == "warning"


def test_the_cache_folder_is_the_one_that_the_variable_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKPROP_BENCH_CACHE", str(tmp_path / "not yet there"))
    assert verdict("cache folder", situation())[0] == "ok"
    monkeypatch.setattr(os, "access", lambda *_: False)
    level, message = verdict("cache folder", situation())
    assert level == "warning"
    assert "not yet there" in message


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def strings_in(value: object) -> set[str]:
    if isinstance(value, dict):
        return set().union(*(strings_in(inner) for inner in value.values()))
    if isinstance(value, list):
        return set().union(*(strings_in(inner) for inner in value))
    return {value} if isinstance(value, str) else set()


def probe_pools(threads: int) -> tuple[list[dict[str, Any]], str | None]:
    """Return the pools of a fresh process started with this many threads, and its complaint if it should have one."""
    done = subprocess.run(
        [sys.executable, "-c", POOL_PROBE],
        env=os.environ | env.thread_environment(threads),
        cwd=Path(env.__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    pools, complaint = json.loads(done.stdout)
    return pools, complaint


def situation(sample: doctor.Sample | None = None, **changes: Any) -> doctor.Situation:
    values: dict[str, Any] = {
        "model": "recorded",
        "architecture": "x86_64",
        "logical_cores": 2,
        "usable_cores": 2,
        "quota_cores": None,
        "simd": None,
        "cache_bytes": {},
        "governor": None,
        "turbo": None,
        "virtual_machine": None,
    }
    recorded = env.Cpu(**(values | changes))
    return doctor.Situation(Path("/absent"), Path("/absent"), recorded, sample or doctor.Sample(1.0, None, ()))


def verdict(topic: str, found: doctor.Situation) -> doctor.Verdict:
    judged = doctor.CHECKS[topic](found)
    assert judged is not None
    return judged


def test_a_change_of_the_loops_in_c_changes_the_checksum_of_the_suite(tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "scratch" / "network.c").write_text("int a;")
    before = env.source_crc32(tmp_path)
    (tmp_path / "scratch" / "network.c").write_text("int b;")
    assert env.source_crc32(tmp_path) != before
