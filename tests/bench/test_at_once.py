"""Runs, reports, `show` and resumes at the same time in one results folder: none makes another one fail."""

import concurrent.futures
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from backprop_bench.bench.cli.main import main
from backprop_bench.bench.core.records import run_folder
from backprop_bench.bench.core.records.files import write_whole
from backprop_bench.bench.core.records.kinds import Stop
from backprop_bench.bench.core.records.reader import of_kind, read_records
from backprop_bench.bench.core.records.run_folder import drawing, link_latest, new_run_folder
from backprop_bench.data import InputError
from tests.bench.plain import read_rows
from tests.bench.recorded import recorded_run, write_run
from tests.tiny import write_tiny_dataset

ROOT = Path(__file__).parents[2]
MANY = 16
N_TRIALS = 6


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    path = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        [sys.executable, "-m", "backprop_bench", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def all_done(processes: Sequence[subprocess.Popen[str]]) -> None:
    for process in processes:
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_reports_of_one_run_at_once_leave_what_one_report_leaves(tmp_path: Path) -> None:
    reference = ROOT / "results" / "reference"
    for name in ("alone", "at-once"):
        (tmp_path / name).mkdir()
        for file in ("run.json", "records.jsonl"):
            shutil.copy(reference / file, tmp_path / name)
        shutil.copytree(reference / "trained", tmp_path / name / "trained")
    all_done([start(tmp_path, "report", "at-once") for _ in range(2)])
    all_done([start(tmp_path, "report", "alone")])
    assert files_of(tmp_path / "at-once") == files_of(tmp_path / "alone")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_runs_at_once_each_have_a_folder_and_reports_of_them_show_what_is_there(tmp_path: Path) -> None:
    dataset = write_tiny_dataset(tmp_path, 200, 60)
    words = ["calibrate", "--dataset", dataset, "--trials", str(N_TRIALS), "--slowed", "0", "--budget", "1"]
    runs = [start(tmp_path, *words) for _ in range(2)]
    latest = tmp_path / "results" / "latest-calibration"
    deadline = time.monotonic() + 100
    while not read_rows(latest) and time.monotonic() < deadline:
        time.sleep(0.02)
    second = start(tmp_path, "calibrate", "--resume", str(latest))
    readers = [start(tmp_path, command, str(latest)) for command in ("report", "show", "report")]
    _, said = second.communicate(timeout=300)
    if all(run.poll() is None for run in runs):  # else it was late on a slow machine, and found a run that is complete
        assert second.returncode == 2
        assert said.startswith("Error: ")
        assert "is being written by another process; expected one at a time" in said
    all_done([*readers, *runs])
    folders = [path for path in (tmp_path / "results").iterdir() if path.is_dir() and not path.is_symlink()]
    assert len(folders) == 2
    for folder in folders:
        assert len(of_kind(read_records(folder), Stop)) == N_TRIALS
        assert (folder / "calibration.json").is_file()


def test_runs_begun_in_the_same_second_have_folders_of_their_own(tmp_path: Path) -> None:
    def begin(_: int) -> Path:
        folder = new_run_folder(tmp_path / "results", "quick")
        link_latest(folder)
        assert (tmp_path / "results" / "latest").is_dir(), "it leads somewhere at every moment"
        return folder

    with concurrent.futures.ThreadPoolExecutor(MANY) as pool:
        folders = list(pool.map(begin, range(MANY)))
    assert len(set(folders)) == MANY
    assert {path.name for path in (tmp_path / "results").iterdir()} == {"latest", *(path.name for path in folders)}
    assert (tmp_path / "results" / "latest").resolve() in folders


def test_a_results_folder_that_leads_nowhere_is_named(tmp_path: Path) -> None:
    (tmp_path / "results").symlink_to("gone")
    with pytest.raises(InputError, match="results: cannot write results there"):
        new_run_folder(tmp_path / "results", "quick")


def test_files_written_at_once_are_whole_and_leave_nothing_beside_them(tmp_path: Path) -> None:
    contents = [bytes([number]) * 200_000 for number in range(MANY)]
    (tmp_path / ".left-by-a-killed-process.tmp").touch()
    with concurrent.futures.ThreadPoolExecutor(MANY) as pool:
        for _ in pool.map(lambda content: write_whole(tmp_path / "file", content), contents):
            assert (tmp_path / "file").read_bytes() in contents
    assert {path.name for path in tmp_path.iterdir()} == {"file", ".left-by-a-killed-process.tmp"}
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    result = os.umask(0)
    os.umask(result)
    return result


def test_who_waits_for_a_drawing_that_does_not_end_is_told_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_run(tmp_path / "run", "compare", *recorded_run())
    monkeypatch.setattr(run_folder, "DRAWING_S", 0.1)
    with drawing(folder):
        result = CliRunner().invoke(main, ["report", str(folder)])
        assert CliRunner().invoke(main, ["show", str(folder)]).exit_code == 0
    assert result.exit_code == 2
    assert "is still being drawn by another process after 0.1 s" in result.output


def test_the_lock_of_a_process_that_was_killed_is_free(tmp_path: Path) -> None:
    program = f"""
from pathlib import Path
from backprop_bench.bench.core.records.run_folder import drawing
with drawing(Path({str(tmp_path)!r})):
    print("begun", flush=True)
    input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "begun\n"
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with drawing(tmp_path):
        assert (tmp_path / ".drawing.lock").exists()


def test_a_folder_without_a_run_gets_no_lock(tmp_path: Path) -> None:
    assert CliRunner().invoke(main, ["report", str(tmp_path)]).exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_show_leaves_a_folder_that_cannot_be_written_as_it_is(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", "compare", *recorded_run())
    before = files_of(folder)
    folder.chmod(0o555)
    with contextlib.ExitStack() as stack:
        stack.callback(folder.chmod, 0o755)
        assert CliRunner().invoke(main, ["show", str(folder)]).exit_code == 0
        assert files_of(folder) == before
        if not os.access(folder, os.W_OK):  # whoever is root may write all the same
            assert CliRunner().invoke(main, ["report", str(folder)]).exit_code == 2
