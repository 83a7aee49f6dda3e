"""Runs that a signal or a full disk stops: the last line says how to resume, and nothing is lost or there twice."""

import contextlib
import functools
import os
import pty
import resource
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backprop_bench.bench.cli import signals
from backprop_bench.bench.cli.signals import STOPPING, exit_code, stopped_by_signals
from backprop_bench.bench.core.records.kinds import Stop
from backprop_bench.bench.core.records.reader import of_kind, read_records
from tests.bench.plain import Row, read_rows
from tests.tiny import write_tiny_dataset

LIMIT_S = 110
N_TRIALS, MORE_TRIALS = 6, 22
"""The second where a run must not come to its end before a signal does, on whatever machine."""


@pytest.fixture
def start(tmp_path: Path) -> Callable[[str], subprocess.Popen[str]]:
    """Start a command as one types it in a shell, in an empty folder."""
    program = tmp_path / "bin" / "backprop-bench"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m backprop_bench "$@"\n')
    program.chmod(0o755)
    path = os.pathsep.join([str(program.parent), os.environ["PATH"]])
    python_path = os.pathsep.join(filter(None, [str(Path(__file__).parents[2] / "src"), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PATH": path, "PYTHONPATH": python_path}

    def run(command: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["sh", "-c", f"exec {command}"],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    return run


@pytest.fixture
def calibrate(tmp_path: Path) -> str:
    """Return the command of a small run, in a folder whose name has to be quoted."""
    dataset = write_tiny_dataset(tmp_path, 200, 60)
    return (
        f"backprop-bench calibrate --dataset {dataset} --trials {N_TRIALS} --slowed 0 --budget 1 --results 'my results'"
    )


def wait_for(driver: subprocess.Popen[str], folder: Path, has: Callable[[list[Row]], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        assert driver.poll() is None, driver.communicate()
        with contextlib.suppress(OSError):
            if has(read_rows(folder)):
                return
        time.sleep(0.02)
    raise AssertionError("it recorded nothing")


def has_session(number: int, rows: list[Row]) -> bool:
    return any(row["session"] == number for row in rows)


def is_complete(folder: Path, trials: int = N_TRIALS) -> bool:
    """Say whether every trial has come to its end; reading raises where a record is there twice."""
    return len(of_kind(read_records(folder), Stop)) == trials


@pytest.mark.slow
def test_each_signal_ends_a_run_with_the_command_that_resumes_it(
    tmp_path: Path, calibrate: str, start: Callable[[str], subprocess.Popen[str]]
) -> None:
    folder = tmp_path / "my results" / "latest-calibration"
    command, before = calibrate.replace(f"--trials {N_TRIALS}", f"--trials {MORE_TRIALS}"), list[Row]()
    for session, number in enumerate((signal.SIGTERM, signal.SIGHUP, signal.SIGINT)):
        driver = start(command)
        wait_for(driver, folder, functools.partial(has_session, session))
        driver.send_signal(number)
        _, said = driver.communicate(timeout=LIMIT_S)
        assert driver.returncode == 128 + number, said
        *understood, line = said.splitlines()
        assert all("test examples" in other for other in understood)
        assert line.startswith("Stopped; all measurements are kept. Resume with: backprop-bench calibrate --resume '")
        command = line.partition("Resume with: ")[2]
        rows = read_rows(folder)
        assert rows[: len(before)] == before
        assert not is_complete(folder, MORE_TRIALS)
        before = rows
    driver = start(command)
    _, said = driver.communicate(timeout=LIMIT_S)
    assert driver.returncode == 0, said
    assert read_rows(folder)[: len(before)] == before
    assert is_complete(folder, MORE_TRIALS)
    assert (folder / "calibration.json").is_file()


@pytest.mark.slow
def test_a_run_that_is_paused_for_seconds_goes_on_to_its_end(
    tmp_path: Path, calibrate: str, start: Callable[[str], subprocess.Popen[str]]
) -> None:
    folder = tmp_path / "my results" / "latest-calibration"
    driver = start(calibrate)
    wait_for(driver, folder, bool)
    driver.send_signal(signal.SIGSTOP)
    time.sleep(3)
    driver.send_signal(signal.SIGCONT)
    _, said = driver.communicate(timeout=LIMIT_S)
    assert driver.returncode == 0, said
    assert is_complete(folder)
    assert not any(row["kind"] == "failure" for row in read_rows(folder))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits of another process can be set on Linux only")
def test_a_full_disk_ends_a_run_in_one_sentence_and_it_is_resumed_to_its_end(
    tmp_path: Path, calibrate: str, start: Callable[[str], subprocess.Popen[str]]
) -> None:
    folder = tmp_path / "my results" / "latest-calibration"
    driver = start(calibrate)
    wait_for(driver, folder, bool)
    most_bytes = (folder / "records.jsonl").stat().st_size + 300
    resource.prlimit(driver.pid, resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
    _, said = driver.communicate(timeout=LIMIT_S)
    assert driver.returncode == 2, said
    understood, line = said.splitlines()
    assert "test examples" in understood
    assert line.startswith("Error: ")
    before = read_rows(folder)
    assert not is_complete(folder)
    driver = start("backprop-bench calibrate --resume 'my results/latest-calibration'")
    _, said = driver.communicate(timeout=LIMIT_S)
    assert driver.returncode == 0, said
    assert read_rows(folder)[: len(before)] == before
    assert is_complete(folder)


def stopped_in(block: Callable[[], object]) -> int:
    """Return the exit code of a block in which signals arrive; 0 where it comes to its end."""
    try:
        with stopped_by_signals("the last line"):
            block()
    except SystemExit as end:
        return int(str(end.code))
    return 0


@pytest.fixture
def handlers() -> Iterator[None]:
    """Check that handlers are after a test what they were before it."""
    before = [signal.getsignal(number) for number in STOPPING]
    yield
    assert [signal.getsignal(number) for number in STOPPING] == before


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("number", STOPPING)
def test_a_signal_is_an_exit_code_and_a_last_line(number: signal.Signals, capsys: pytest.CaptureFixture[str]) -> None:
    def broken() -> None:
        try:
            signal.raise_signal(number)
        finally:
            raise OSError("what breaks while the run ends")

    assert stopped_in(lambda: signal.raise_signal(number)) == 128 + number
    assert stopped_in(broken) == 128 + number
    assert capsys.readouterr().err == "the last line\n" * 2


@pytest.mark.usefixtures("handlers")
def test_a_signal_that_is_ignored_before_the_run_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert stopped_in(lambda: signal.raise_signal(signal.SIGHUP)) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("handlers")
def test_signals_that_come_together_are_one_and_a_later_one_ends_what_has_ignored_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended: list[str] = []

    def twice() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGHUP)
            ended.append("the workers")

    assert stopped_in(twice) == exit_code(signal.SIGTERM)
    assert ended == ["the workers"]

    def deaf() -> None:
        for _ in range(2):
            with contextlib.suppress(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("it goes on")

    monkeypatch.setattr(signals, "TOGETHER_S", 0.0)
    assert stopped_in(deaf) == exit_code(signal.SIGINT)


@pytest.mark.usefixtures("handlers")
def test_what_breaks_without_a_signal_is_raised_as_it_is() -> None:
    with pytest.raises(OSError, match="broken"), stopped_by_signals("the last line"):
        raise OSError("broken")


def test_in_another_thread_handlers_are_left_alone() -> None:
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(stopped_in(lambda: None)))
    thread.start()
    thread.join()
    assert codes == [0]


@pytest.mark.slow
def test_a_run_whose_terminal_closes_has_the_exit_code_of_sighup() -> None:
    program = """
import time
from backprop_bench.bench.cli.signals import stopped_by_signals
with stopped_by_signals("the last line"):
    print("begun", flush=True)
    time.sleep(60)
"""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", program])
    assert b"begun" in os.read(terminal, 100)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 128 + signal.SIGHUP
