"""Trainings on a cluster: the same table as here, whoever dies, and one sentence for what is not as it should be."""

import contextlib
import dataclasses
import importlib.util
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from backprop_bench.bench.cli.main import main
from backprop_bench.bench.core.engine import cluster as clusters
from backprop_bench.bench.core.engine.cluster import PYTHON, SOURCE, Cluster, check_cluster, check_software, software
from backprop_bench.bench.core.engine.context import RunContext
from backprop_bench.bench.core.engine.jobs import Here, Job, JobExecutor, Outcome
from backprop_bench.bench.core.engine.progress import Silent
from backprop_bench.bench.core.engine.run_log import RunLog
from backprop_bench.bench.core.machine.environment import cpu, usable_cores
from backprop_bench.bench.core.records.kinds import Epoch
from backprop_bench.bench.core.records.writer import Recorder
from backprop_bench.bench.explain import measure as plans
from backprop_bench.bench.explain.measure import PRECISION, THREADS, plan_explanation, train_accuracies
from backprop_bench.data import InputError, Recipe, load_dataset
from tests.bench.plain import read_rows, rows_of
from tests.bench.test_explain import FAST, SMALL, accuracies_of
from tests.tiny import write_tiny_dataset

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("cluster")]  # what its fixtures make is made once

ODD = Path(__file__).with_name("odd_trainers.py")
ROOT = Path(__file__).parents[2]
NOBODY = "tcp://127.0.0.1:9"
needs_distributed = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="distributed is not installed: the extra `cluster` has it"
)


def dask(*words: str, **environment: str) -> subprocess.Popen[bytes]:
    """Start one of Dask's commands."""
    command = [sys.executable, "-m", "dask", *words]
    return subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment}, stderr=subprocess.DEVNULL)


@dataclasses.dataclass
class Running:
    """A scheduler and its workers, each a process of this machine."""

    address: str
    workers: list[subprocess.Popen[bytes]]


@contextlib.contextmanager
def running_cluster(folder: Path, n_workers: int, **environment: str) -> Iterator[Running]:
    """Start a scheduler and workers of one thread each."""
    file = folder / "scheduler.json"
    shared = ["--scheduler-file", str(file), "--no-dashboard"]
    started = [dask("scheduler", "--host", "127.0.0.1", "--port", "0", *shared, **environment)]
    try:
        for number in range(n_workers):
            scratch = ["--local-directory", str(folder / f"worker-{number}")]
            words = ["--nthreads", "1", "--no-nanny", "--death-timeout", "60", *scratch]
            started.append(dask("worker", *shared, *words, **environment))
        yield Running(_address(file, started[0]), started[1:])
    finally:
        for process in reversed(started):
            process.kill()
            process.wait()


def _address(file: Path, scheduler: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and scheduler.poll() is None:
        with contextlib.suppress(FileNotFoundError, ValueError):  # not there yet, or not whole
            return str(json.loads(file.read_text())["address"])
        time.sleep(0.05)
    raise AssertionError("the scheduler did not start")


@pytest.fixture(scope="module")
def one_worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_cluster(tmp_path_factory.mktemp("cluster"), 1) as running:
        yield running


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    for name, value in FAST.items():
        monkeypatch.setattr(plans, name, value)
    monkeypatch.setitem(plans.SCOPES, "quick", SMALL)
    return write_tiny_dataset(tmp_path, 300, 60)


def job_of(name: str, seed: int = 0) -> Job:
    recipe = Recipe(layer_sizes=(16, 8, 3), batch_size=16)
    return Job("accuracy", name, f"{ODD}:{name}", recipe, seed, examples=300, held_out=0, epochs=2, threads=1)


def without_processor(outcome: Outcome) -> Outcome:
    if isinstance(outcome, str):
        return outcome
    return [msgspec.structs.replace(row, processor=None) for row in outcome if isinstance(row, Epoch)]


def outcomes_of(executor: JobExecutor, *jobs: Job) -> dict[tuple[str, int], Outcome]:
    found: dict[tuple[str, int], Outcome] = {}

    def done(job: Job, outcome: Outcome) -> None:
        assert (job.label, job.seed) not in found, "every outcome is handed over once"
        found[job.label, job.seed] = outcome

    executor.do(jobs, done)
    return found


class Killing(Silent):
    """Kills a worker in the middle: as soon as the first training is back."""

    def __init__(self, victim: subprocess.Popen[bytes]) -> None:
        self.victim = victim

    def advance(self, detail: str, steps: float = 1) -> None:
        """Kill the worker, unless that was done."""
        if detail.startswith("cell ") and self.victim.poll() is None:
            self.victim.kill()
            self.victim.wait()


@needs_distributed
def test_a_worker_that_is_killed_in_the_middle_loses_no_cell_and_doubles_none(tmp_path: Path, tiny: str) -> None:
    dataset, here, there = load_dataset(tiny), tmp_path / "here", tmp_path / "there"
    plan = plan_explanation(dataset, SMALL)
    with running_cluster(tmp_path, 2) as running:
        killing, cluster = Killing(running.workers[1]), Cluster(running.address, dataset)
        runs: list[tuple[Path, JobExecutor, Silent]] = [(there, cluster, killing), (here, Here(dataset, 1), Silent())]
        for folder, executor, progress in runs:
            folder.mkdir()
            with Recorder(folder) as recorder:
                train_accuracies(RunContext(plan, dataset, 1, RunLog(recorder, []), progress), executor, {})
        assert killing.victim.poll() is not None, "it was killed"
    rows = read_rows(there)
    assert rows_of(rows, "failure") == []
    assert accuracies_of(rows) == accuracies_of(read_rows(here)), "nothing is missing, twice there, or different"


@needs_distributed
def test_the_command_trains_on_a_cluster_and_times_here(
    tmp_path: Path,
    tiny: str,
    one_worker: Running,
    monkeypatch: pytest.MonkeyPatch,
    leave_out_figures: Callable[[], None],
) -> None:
    leave_out_figures()
    factor = THREADS if usable_cores() > 1 else PRECISION
    monkeypatch.setitem(plans.SCOPES, "quick", dataclasses.replace(SMALL, runtime=(factor,)))
    words = ["explain", "--profile", "quick", "--dataset", tiny, "--scheduler", one_worker.address]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    rows = read_rows(tmp_path / "results" / "latest-explanation")
    trained = [row for row in rows if row["kind"] in ("search", "epoch")]
    assert {row.get("processor") for row in trained} == {cpu().model}
    started = {len(row["cores"]) for row in rows_of(rows, "start") if row["cores"] is not None}
    assert started == ({1, 2} if usable_cores() > 1 else {1}), "every cell has as many cores as threads"
    assert {row["implementation"] for row in rows_of(rows, "block")} == {
        row["implementation"] for row in rows_of(rows, "start")
    }


@needs_distributed
def test_what_breaks_on_a_worker_breaks_as_it_does_here_and_the_others_go_on(tiny: str, one_worker: Running) -> None:
    dataset = load_dataset(tiny)
    jobs = [job_of("Raising"), job_of("Crashing"), job_of("Greedy"), job_of("Diverging"), job_of("Fine", seed=3)]
    there = outcomes_of(Cluster(one_worker.address, dataset), *jobs)
    rows = [row for outcome in there.values() if isinstance(outcome, list) for row in outcome]
    assert {row.processor for row in rows if isinstance(row, Epoch)} == {cpu().model}
    here = outcomes_of(Here(dataset, 1), *jobs)
    assert {place: without_processor(outcome) for place, outcome in there.items()} == here
    assert re.fullmatch(r"raised ZeroDivisionError in line \d+: no luck", str(there["Raising", 0]))
    assert there["Crashing", 0] == "its process ended with exit code 3"
    assert "At most 1 thread was asked for" in str(there["Greedy", 0]), "threads are limited and looked after"
    assert [row.epoch for row in there["Fine", 3] if isinstance(row, Epoch)] == [0, 1, 2]


@needs_distributed
@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"numpy": "0.1"}, "numpy is .* on it and 0.1 where the run is; expected the same"),
        ({PYTHON: "CPython 2.7"}, "Python is CPython 3.* on it and CPython 2.7 where"),
        ({SOURCE: "0"}, "the suite's source is .* on it and 0 where"),
    ],
)
def test_a_worker_with_other_software_is_named_with_both_versions(
    tiny: str, one_worker: Running, monkeypatch: pytest.MonkeyPatch, changed: dict[str, str], sentence: str
) -> None:
    versions = {**software(), **changed}
    monkeypatch.setattr(clusters, "software", lambda: versions)
    with pytest.raises(InputError, match=f"^worker tcp://127.0.0.1:[0-9]+: {sentence}"):
        outcomes_of(Cluster(one_worker.address, load_dataset(tiny)), job_of("Fine"))


@needs_distributed
def test_a_worker_with_other_examples_is_named(tiny: str, one_worker: Running) -> None:
    dataset = load_dataset(tiny)
    changed = dataclasses.replace(dataset, x_train=255 - dataset.x_train)
    with pytest.raises(InputError, match=r"^worker tcp://.*: the examples of .* are not those of the run"):
        outcomes_of(Cluster(one_worker.address, changed), job_of("Fine"))


@needs_distributed
def test_a_training_over_which_too_many_workers_died_ends_the_run_in_one_sentence(tmp_path: Path, tiny: str) -> None:
    with running_cluster(tmp_path, 1, DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0") as running:
        executor = Cluster(running.address, load_dataset(tiny))
        assert list(outcomes_of(executor, job_of("Fine"))) == [("Fine", 0)], "the worker is there"
        timer = threading.Timer(3.0, running.workers[0].kill)
        timer.start()
        with pytest.raises(InputError, match=r"gave up: KilledWorker: .*; what came back is recorded"):
            outcomes_of(executor, job_of("Hanging"))
        timer.join()


@needs_distributed
def test_a_scheduler_that_nobody_has_joined_is_not_waited_for_for_ever(
    tmp_path: Path, tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clusters, "WORKER_S", 0.5)
    with (
        running_cluster(tmp_path, 0) as running,
        pytest.raises(InputError, match=r"no worker has joined the scheduler at tcp://.* within 0\.5 s"),
    ):
        outcomes_of(Cluster(running.address, load_dataset(tiny)), job_of("Fine"))


@needs_distributed
@pytest.mark.parametrize("address", [NOBODY, "nonsense://127.0.0.1:9"])
def test_a_scheduler_that_cannot_be_reached_is_named_before_anything_is_begun(
    tmp_path: Path, tiny: str, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setattr(clusters, "CONNECT_S", 1.0)
    result = CliRunner().invoke(main, ["explain", "--dataset", tiny, "--scheduler", address])
    assert result.exit_code == 2, result.output
    assert f"Error: --scheduler: no Dask scheduler answers at {address} within 1 s; expected" in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "results").exists()


def test_the_extra_is_named_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "NEEDS", ("click", "no_such_package"))
    with pytest.raises(InputError, match=r"--scheduler needs no_such_package, .*backprop-bench\[cluster\]"):
        check_cluster(NOBODY)


@pytest.mark.parametrize(
    ("here", "words"),
    [
        ({"numpy": "1", "torch": "2"}, "numpy is 1 on it and 2 where the run is"),
        ({"torch": "2"}, "numpy is not installed on it and 2 where"),
        ({"numpy": "2", "torch": "2", "jax": "3"}, "jax is 3 on it and not installed where"),
    ],
)
def test_the_first_difference_in_software_is_said(here: dict[str, str], words: str) -> None:
    there = {"numpy": "2", "torch": "2"}
    check_software(there, there)
    with pytest.raises(InputError, match=words):
        check_software(here, there)


def test_software_has_python_the_packages_and_the_source() -> None:
    assert {PYTHON, SOURCE, "numpy", "torch"} <= set(software())
