"""Energy counters, read from made files and from a made NVML."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from backprop_bench.bench.core.machine.energy import EnergyMeter

WRAP_UJ = 262_143_328_850

rapl = pytest.mark.skipif(sys.platform == "win32", reason="no colon may be in a file's name")


@rapl
def test_the_energy_of_all_packages_is_summed_and_their_parts_are_not(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0", 5_000_000)
    zone(tmp_path, "intel-rapl:0:0", "core", 4_000_000)
    zone(tmp_path, "intel-rapl:1", "package-1", 7_000_000)
    zone(tmp_path, "intel-rapl:2", "psys", 90_000_000)
    zone(tmp_path, "intel-rapl-mmio:0", "package-0", 5_000_000)
    meter = EnergyMeter.find(tmp_path)
    assert (meter.source, meter.reason) == ("RAPL package-0 + RAPL package-1", None)
    before = meter.read()
    assert before == (5_000_000, 7_000_000)
    zone(tmp_path, "intel-rapl:0", "package-0", 6_500_000)
    zone(tmp_path, "intel-rapl:1", "package-1", 7_250_000)
    assert meter.joules(before, meter.read()) == 1.75


@rapl
def test_a_counter_that_started_again_is_carried_on(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0", 0)
    meter = EnergyMeter.find(tmp_path)
    assert meter.joules((WRAP_UJ - 1_000_000,), (2_000_000,)) == 3.0


@rapl
def test_without_its_range_a_counter_that_fell_is_unknown(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0", 0)
    (tmp_path / "sys/class/powercap/intel-rapl:0/max_energy_range_uj").unlink()
    meter = EnergyMeter.find(tmp_path)
    assert meter.joules((5_000_000,), (2_000_000,)) is None
    assert meter.joules((2_000_000,), (5_000_000,)) == 3.0


@rapl
def test_one_package_that_stops_answering_leaves_no_sum_of_the_others(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0", 5_000_000)
    zone(tmp_path, "intel-rapl:1", "package-1", 7_000_000)
    meter = EnergyMeter.find(tmp_path)
    before = meter.read()
    (tmp_path / "sys/class/powercap/intel-rapl:1/energy_uj").unlink()
    assert meter.read() is None
    assert meter.joules(before, meter.read()) is None


def test_a_machine_that_does_not_count_says_why(tmp_path: Path) -> None:
    meter = EnergyMeter.find(tmp_path)
    assert meter.source is None
    assert meter.reason == "no package in /sys/class/powercap/intel-rapl:* (virtual machine, no driver, or not Linux)"
    assert meter.read() is None


@rapl
def test_counters_for_root_only_are_named_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0", 5_000_000)
    read_text = Path.read_text

    def refuse(path: Path, *arguments: Any, **named: Any) -> str:  # the tests may run as root, whom no mode stops
        if path.name == "energy_uj":
            raise PermissionError(13, "Permission denied")
        return read_text(path, *arguments, **named)

    monkeypatch.setattr(Path, "read_text", refuse)
    meter = EnergyMeter.find(tmp_path)
    assert (meter.source, meter.reason) == (None, "energy_uj is readable by root only")


@rapl
def test_a_counter_that_holds_no_number_is_named(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0", "")
    assert EnergyMeter.find(tmp_path).reason == "energy_uj of package-0 does not read"


@rapl
def test_the_gpu_is_added_in_the_same_unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0", 5_000_000)
    nvml = fake_nvml(monkeypatch, [0, 40_000, 42_500])
    meter = EnergyMeter.find(tmp_path, gpu=True)
    assert (meter.source, meter.reason) == ("RAPL package-0 + NVML GPU 0", None)
    before = meter.read()
    zone(tmp_path, "intel-rapl:0", "package-0", 6_000_000)
    assert meter.joules(before, meter.read()) == 3.5
    assert nvml.asked == [0, 0, 0]


def test_a_gpu_whose_driver_was_loaded_again_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_nvml(monkeypatch, [0, 40_000, 100])
    meter = EnergyMeter.find(tmp_path, gpu=True)
    assert meter.source == "NVML GPU 0"
    assert meter.reason is not None
    assert meter.joules(meter.read(), meter.read()) is None


def test_a_gpu_that_cannot_be_read_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)  # any import of it now raises ImportError
    assert str(EnergyMeter.find(tmp_path, gpu=True).reason).endswith("; pynvml is not installed")
    fake_nvml(monkeypatch, [])
    meter = EnergyMeter.find(tmp_path, gpu=True)
    assert meter.source is None
    assert str(meter.reason).endswith("; NVML: Not Supported")


def test_a_gpu_that_stops_answering_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_nvml(monkeypatch, [0])
    assert EnergyMeter.find(tmp_path, gpu=True).read() is None


def test_the_gpu_is_not_asked_unless_it_is_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = fake_nvml(monkeypatch, [0])
    assert EnergyMeter.find(tmp_path).source is None
    assert not nvml.started


def zone(root: Path, folder: str, name: str, energy_uj: int | str) -> None:
    path = root / "sys/class/powercap" / folder
    path.mkdir(parents=True, exist_ok=True)
    for file, content in {"name": name, "energy_uj": energy_uj, "max_energy_range_uj": WRAP_UJ}.items():
        (path / file).write_text(f"{content}\n", encoding="utf-8")


def fake_nvml(monkeypatch: pytest.MonkeyPatch, readings_mj: list[int]) -> Any:
    """Put a module in NVML's place that gives these readings, then fails."""

    class NVMLError(Exception):
        pass

    nvml: Any = ModuleType("pynvml")
    nvml.NVMLError, nvml.started, nvml.asked = NVMLError, False, []
    left = iter(readings_mj)

    def start() -> None:
        nvml.started = True

    def energy(handle: tuple[str, int]) -> int:
        if not nvml.started:
            raise NVMLError("Uninitialized")
        nvml.asked.append(handle[1])
        for reading in left:
            return reading
        raise NVMLError("Not Supported")

    nvml.nvmlInit = start
    nvml.nvmlDeviceGetHandleByIndex = lambda index: ("handle", index)
    nvml.nvmlDeviceGetTotalEnergyConsumption = energy
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    return nvml
