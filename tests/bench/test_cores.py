"""The choice of cores, from made readings, and pinning, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from backprop_bench.bench.core.machine import cores
from backprop_bench.bench.core.machine.cores import CoreMeter, chosen_cores, parse_busy_ticks, parse_cores, pin
from backprop_bench.data import InputError

linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems do not pin threads to cores")

# Three threads to pin, then one more, which inherits.
PIN_PROBE = """
import json, os, threading
from backprop_bench.bench.core.machine.cores import pin
wait = threading.Event()
for _ in range(2):
    threading.Thread(target=wait.wait, daemon=True).start()
last = max(os.sched_getaffinity(0))
pinned = pin([last])
threading.Thread(target=wait.wait, daemon=True).start()
masks = [sorted(os.sched_getaffinity(int(thread))) for thread in os.listdir("/proc/self/task")]
wait.set()
print(json.dumps([pinned, last, masks]))
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", (0,)),
        ("0,2-3", (0, 2, 3)),
        ("5-5", (5,)),
        ("3, 1", (1, 3)),
        ("0-2,1-3,2", (0, 1, 2, 3)),
        ("9,10-11", (9, 10, 11)),
    ],
)
def test_a_list_of_cores_is_read(text: str, expected: tuple[int, ...]) -> None:
    assert parse_cores(text) == expected


@pytest.mark.parametrize("text", ["", "a", "-1", "1-", "3-2", "1,,2", "0,", "1-2-3", "1.5", "²", "0-4000000000"])
def test_a_malformed_list_of_cores_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_cores(text)
    assert str(caught.value) == (
        f"--cpus is {text!r}; expected core numbers and ascending ranges of them, such as 0,2-3"
    )


def test_the_chosen_cores_are_those_named_that_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    allow(monkeypatch, {4, 1, 2})
    assert chosen_cores(None, 3) == (1, 2, 4)
    assert chosen_cores("0-2", 2) == (1, 2)


@pytest.mark.parametrize(
    ("usable", "text", "threads", "message"),
    [
        ({0, 1}, "7", 1, "--cpus 7 leaves no core: this process may use 0 and 1; expected at least one of them"),
        ({3}, "7", 1, "--cpus 7 leaves no core: this process may use 3; expected at least one of them"),
        (
            {0, 2, 3, 5, 6, 7},
            "8-9",
            1,
            "--cpus 8-9 leaves no core: this process may use 0, 2, 3 and 5 to 7; expected at least one of them",
        ),
        (
            set(range(64)),
            "64",
            1,
            "--cpus 64 leaves no core: this process may use 0 to 63; expected at least one of them",
        ),
        ({0, 1}, "1", 2, "--threads is 2, but --cpus 1 leaves 1 core; expected 1"),
        ({0, 1}, "0-1", 3, "--threads is 3, but --cpus 0-1 leaves 2 cores; expected 1 to 2"),
        ({0, 1}, None, 3, "--threads is 3, but this process may use 2 cores; expected 1 to 2"),
    ],
)
def test_cores_that_do_not_suffice_are_refused_in_a_sentence(
    usable: set[int], text: str | None, threads: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    allow(monkeypatch, usable)
    with pytest.raises(InputError) as caught:
        chosen_cores(text, threads)
    assert str(caught.value) == message


def test_without_a_mask_all_cores_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert chosen_cores(None, 1) == (0, 1, 2)


def test_busy_is_all_but_idling_with_the_time_of_guests_counted_once() -> None:
    text = (
        "cpu  9 9 9 9 9 9 9 9 9 9\n"
        "cpu0 100 20 3 100000 50000 4 5 6 90 10\n"
        "cpu11 1 0 0 7 7 0 0 0 0 0\n"
        "intr 1 2 3\nctxt 5\ncpufreq 1 1 1 1 1 1 1 1\n"
    )
    assert parse_busy_ticks(text) == {0: 138, 11: 1}


def test_the_cores_that_were_least_busy_since_the_last_call_are_chosen(tmp_path: Path) -> None:
    record(tmp_path, {0: 1000, 1: 500, 2: 10, 3: 0})
    meter = CoreMeter(tmp_path)
    record(tmp_path, {0: 1001, 1: 502, 2: 30, 3: 40})
    assert meter.least_busy((0, 1, 2, 3), 2, 0) == (0, 1)
    record(tmp_path, {0: 1031, 1: 542, 2: 32, 3: 41})
    assert meter.least_busy((0, 1, 2, 3), 2, 0) == (2, 3)
    record(tmp_path, {0: 1031, 1: 543, 2: 34, 3: 44})
    assert meter.least_busy((1, 2, 3), 1, 0) == (1,)


def test_idling_does_not_make_a_core_busy(tmp_path: Path) -> None:
    record(tmp_path, {0: 0, 1: 0})
    meter = CoreMeter(tmp_path)
    record(tmp_path, {0: 1, 1: 2}, idle={0: 5000, 1: 0})
    assert meter.least_busy((0, 1), 1, 1) == (0,)


@pytest.mark.parametrize(("start", "expected"), [(0, (4, 5)), (1, (5, 6)), (2, (4, 6)), (3, (4, 5)), (-1, (4, 6))])
def test_among_equals_the_choice_goes_round(start: int, expected: tuple[int, ...], tmp_path: Path) -> None:
    assert CoreMeter(tmp_path / "absent").least_busy((4, 5, 6), 2, start) == expected
    record(tmp_path, {4: 7, 5: 8, 6: 9})
    assert CoreMeter(tmp_path).least_busy((4, 5, 6), 2, start) == expected


def test_a_core_that_is_not_in_both_readings_comes_last(tmp_path: Path) -> None:
    record(tmp_path, {0: 5, 1: 5})
    meter = CoreMeter(tmp_path)
    record(tmp_path, {1: 9000, 2: 0})
    assert meter.least_busy((0, 1, 2), 1, 0) == (1,)


@pytest.mark.parametrize(("some", "n"), [((0, 1), 3), ((0, 1), 0), ((), 1)])
def test_more_cores_than_there_are_cannot_be_chosen(some: tuple[int, ...], n: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"cannot choose {n} of {len(some)} cores"):
        CoreMeter(tmp_path).least_busy(some, n, 0)


@linux
def test_pinning_holds_all_threads_and_those_that_they_start() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PIN_PROBE],
        cwd=Path(cores.__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    pinned, last, masks = json.loads(done.stdout)
    assert pinned
    assert len(masks) >= 4  # and those of NumPy's library
    assert masks == [[last]] * len(masks)


@linux
def test_a_thread_that_starts_during_the_pinning_is_pinned_too(monkeypatch: pytest.MonkeyPatch) -> None:
    wait, pinned, late = threading.Event(), set[int](), threading.Thread(target=lambda: wait.wait())

    def start_another(thread: int, mask: object) -> None:
        pinned.add(thread)
        if late.ident is None:
            late.start()

    monkeypatch.setattr(os, "sched_setaffinity", start_another)
    try:
        assert pin([0])
        assert late.native_id in pinned
    finally:
        wait.set()
        late.join()


@linux
def test_a_thread_that_ends_meanwhile_does_not_stop_the_pinning(monkeypatch: pytest.MonkeyPatch) -> None:
    pinned: list[int] = []

    def vanish_once(thread: int, mask: object) -> None:
        pinned.append(thread)
        if len(pinned) == 1:
            raise ProcessLookupError(3, "No such process")

    monkeypatch.setattr(os, "sched_setaffinity", vanish_once)
    assert pin([0])
    assert sorted(pinned) == sorted(int(task.name) for task in Path("/proc/self/task").iterdir())


@linux
def test_pinning_that_is_refused_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.sched_getaffinity(0)
    assert not pin([99999])
    assert os.sched_getaffinity(0) == before

    def refuse(thread: int, mask: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setaffinity", refuse)
    assert not pin([0])


def test_a_system_that_does_not_pin_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(os, "sched_setaffinity", None, raising=False)
    assert not pin([0])


def allow(monkeypatch: pytest.MonkeyPatch, usable: set[int]) -> None:
    monkeypatch.setattr(cores, "usable_core_numbers", lambda: tuple(sorted(usable)))


def record(root: Path, busy: dict[int, int], idle: dict[int, int] | None = None) -> None:
    """Write a ``/proc/stat`` with this many busy ticks for each core."""
    lines = ["cpu  1 0 0 1 0 0 0 0 0 0"]
    lines += [f"cpu{core} 0 0 {ticks} {(idle or {}).get(core, 0)} 0 0 0 0 0 0" for core, ticks in busy.items()]
    (root / "proc").mkdir(exist_ok=True)
    (root / "proc/stat").write_text("\n".join(lines) + "\n", encoding="utf-8")
