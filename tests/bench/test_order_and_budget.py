"""What a small real run records: orders that change, a budget for all sessions, CPU time, and threads as asked."""

import contextlib
import dataclasses
import itertools
import json
import os
import types
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from backprop_bench.bench.cli.main import main
from backprop_bench.bench.core.engine.context import RunContext
from backprop_bench.bench.core.engine.progress import Silent
from backprop_bench.bench.core.engine.run_log import RunLog
from backprop_bench.bench.core.engine.timed_work import TimedWorkCheck
from backprop_bench.bench.core.engine.timed_worker import TimedWorker
from backprop_bench.bench.core.engine.timing import time_question
from backprop_bench.bench.core.machine.environment import usable_core_numbers
from backprop_bench.bench.core.records.plan import Entry, Plan, Question, Timing
from backprop_bench.bench.core.records.reader import read_records
from backprop_bench.bench.core.records.writer import Recorder
from backprop_bench.bench.core.stats.schedule import balanced_orders
from backprop_bench.bench.core.worker.client import Worker
from backprop_bench.bench.core.worker.opened import opened_worker
from backprop_bench.bench.core.worker.replies import Begun, TrainedEpoch
from backprop_bench.bench.core.worker.shared_data import SharedExamples, SharedForms
from backprop_bench.data import Dataset, Recipe, load_dataset
from tests.bench.plain import Row, as_rows, read_rows, rows_of, typed
from tests.tiny import write_tiny_dataset

RECIPE = Recipe(layer_sizes=(16, 8, 3), batch_size=16)
N_EXAMPLES, N_TEST = 64, 20
ROUNDS, REPLICATES = 6, 3
TIMING = Timing(target=1e9, budget_s=60.0, block_s=0.001, rounds=ROUNDS, min_replicates=REPLICATES, order_seed=1)
WORK_S = 0.05


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return load_dataset(write_tiny_dataset(tmp_path_factory.mktemp("tiny"), N_EXAMPLES, N_TEST))


# The order of blocks, and the budget


def test_both_who_is_who_in_the_orders_and_which_order_comes_first_are_random() -> None:
    """Of four there are 24 orders, and more pairs of orders that follow each other than one after each."""
    pairs = [tuple(map(tuple, itertools.islice(balanced_orders(4, (seed,)), 2))) for seed in range(500)]
    assert len({first for first, _ in pairs}) == 24
    followers = Counter(first for first, _ in set(pairs))
    assert min(followers.values()) > 1


def plan_of(timing: Timing) -> Plan:
    """Return the plan of two implementations and a second copy of the first, all of which are only timed."""
    entries = [Entry(name, "tiny", RECIPE) for name in ("scratch-numpy", "scratch-inplace")]
    entries.append(dataclasses.replace(entries[0], second_copy=True))
    question = Question("same-recipe", "Same recipe", N_EXAMPLES, N_TEST, 0, (), tuple(entries), timing)
    return Plan((question,), part_blocks=0, part_seconds=0.0, verification_steps=None)


def run(folder: Path, dataset: Dataset, timing: Timing) -> list[Row]:
    """Time the question of the plan, on one core."""
    plan = plan_of(timing)
    with Recorder(folder) as recorder, SharedForms(dataset) as shared:
        context = RunContext(plan, dataset, 1, RunLog(recorder, read_records(folder)), Silent())
        with contextlib.closing(TimedWorkCheck(context, plan.questions[0], shared, ROUNDS)) as check:
            time_question(context, plan.questions[0], shared, check, usable_core_numbers()[:1], 1)
    return read_rows(folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, dataset: Dataset) -> Path:
    """Return where a run is recorded."""
    folder = tmp_path_factory.mktemp("run")
    run(folder, dataset, TIMING)
    return folder


def orders_of(rows: list[Row]) -> list[list[tuple[str, ...]]]:
    """Return who came after whom in every round, by process replicate."""
    blocks = sorted(rows_of(rows, "block"), key=lambda row: row["position"])
    return [
        [
            tuple(row["implementation"] for row in rows_of(blocks, "block", replicate=replicate, round=number))
            for number in range(ROUNDS)
        ]
        for replicate in range(REPLICATES)
    ]


@pytest.mark.slow
def test_in_every_process_replicate_everyone_has_every_place_in_a_round_equally_often(folder: Path) -> None:
    for orders in orders_of(read_rows(folder)):
        assert len(set(orders)) == ROUNDS, "of three, there are six orders"
        places = Counter((name, place) for order in orders for place, name in enumerate(order))
        assert set(places.values()) == {ROUNDS // 3}


@pytest.mark.slow
def test_blocks_are_timed_in_the_order_that_is_recorded(folder: Path) -> None:
    blocks = rows_of(read_rows(folder), "block")
    timed = sorted(blocks, key=lambda row: row["at_s"])
    assert timed == sorted(blocks, key=lambda row: (row["replicate"], row["round"], row["position"]))


@pytest.mark.slow
def test_the_orders_differ_by_process_replicate_and_by_the_seed_of_the_orders(
    folder: Path, tmp_path: Path, dataset: Dataset
) -> None:
    orders = orders_of(read_rows(folder))
    assert len(set(map(tuple, orders))) == REPLICATES
    two_rounds = dataclasses.replace(TIMING, order_seed=2, budget_s=0.0)
    others = orders_of(run(tmp_path, dataset, two_rounds))
    assert others[0][:2] != orders[0][:2]


def test_a_run_that_has_used_up_its_budget_times_nothing_more_when_it_is_resumed(
    tmp_path: Path, dataset: Dataset
) -> None:
    endless = dataclasses.replace(TIMING, target=1e-9, budget_s=5.0, min_replicates=1000)
    labels = [entry.label for entry in plan_of(endless).questions[0].entries]
    row = {"kind": "block", "question": "same-recipe", "round": 0, "wall_s": 1.0, "examples": 16, "at_s": 4.9}
    blocks = [{**row, "implementation": label, "replicate": number} for number in (0, 1) for label in labels]
    lines = [json.dumps(block) + "\n" for block in as_rows(typed(blocks))]
    (tmp_path / "records.jsonl").write_text("".join(lines))
    rows = run(tmp_path, dataset, endless)
    assert len(rows_of(rows, "block")) == len(blocks), "two took 4.9 s, so a third one has no room in the 0.1 s left"
    (stop,) = rows_of(rows, "stop")
    assert (stop["reason"], stop["replicates"], stop["session"]) == ("budget", 2, 1)
    assert stop["spent_s"] >= 4.9


# What a worker measures of itself

TRAINERS = f"""
import json, os, threading, time
from pathlib import Path
from backprop_bench.scratch.numpy_trainer import NumpyTrainer

Path(__file__).with_suffix(".json").write_text(json.dumps(dict(os.environ)))

class Sleeping(NumpyTrainer):
    def train_epoch(self, x, t, order):
        time.sleep({WORK_S})
        return super().train_epoch(x, t, order)

class WorkingElsewhere(NumpyTrainer):
    def train_epoch(self, x, t, order):
        def work():
            while time.thread_time() < {WORK_S}:
                pass
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return super().train_epoch(x, t, order)
"""


@pytest.fixture
def open_trainer(tmp_path: Path, dataset: Dataset) -> Iterator[Callable[..., Any]]:
    """Give what opens one of the trainers above in a real worker."""
    path = tmp_path / "trainers.py"
    path.write_text(TRAINERS)
    with SharedExamples(RECIPE, dataset) as examples:
        yield lambda name, threads=1: opened_worker(Entry(f"{path}:{name}", "tiny", RECIPE), examples, threads)


def cpu_seconds(worker: Worker) -> list[float]:
    """Return the CPU seconds of a block of one batch and of an epoch."""
    worker.ask("begin", Begun, seed=0)
    timed = TimedWorker(worker, Entry("scratch-numpy", "tiny", RECIPE), N_EXAMPLES, None, 1)
    timed.warm_up(0.001, 1)
    block, _ = timed.block(1, "round 1")
    epoch = worker.ask("train", TrainedEpoch, epoch=1)
    assert min(block.wall_s, epoch.wall_s) >= WORK_S
    return [block.cpu_s, epoch.cpu_s]


def test_a_block_that_sleeps_takes_no_cpu_time(open_trainer: Callable[..., Any]) -> None:
    with open_trainer("Sleeping") as (worker, _):
        assert max(cpu_seconds(worker)) < WORK_S / 2


def test_the_cpu_time_of_a_block_is_that_of_all_its_threads(open_trainer: Callable[..., Any]) -> None:
    with open_trainer("WorkingElsewhere") as (worker, _):
        assert min(cpu_seconds(worker)) >= WORK_S


@pytest.mark.parametrize("threads", [1, 2])
def test_a_worker_tells_its_libraries_how_many_threads_they_may_have_whatever_the_shell_says(
    threads: int, open_trainer: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if threads > (os.cpu_count() or 1):
        pytest.skip("there are too few cores")
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    for name in names:
        monkeypatch.setenv(name, "7")
    with open_trainer("Sleeping", threads) as (_, opened):
        assert {pool["num_threads"] for pool in opened.threads} <= {threads}
    environment = json.loads((tmp_path / "trainers.json").read_text())
    assert [environment[name] for name in names] == [str(threads)] * len(names)


def test_the_microbenchmarks_are_told_their_threads_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment: dict[str, str] = {}

    def start(_: list[str], env: dict[str, str], check: bool) -> types.SimpleNamespace:
        environment.update(env)
        return types.SimpleNamespace(returncode=0)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setattr("backprop_bench.bench.micro.command.subprocess", types.SimpleNamespace(run=start))
    result = CliRunner().invoke(main, ["micro", "--threads", "1", "--folder", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert environment["OMP_NUM_THREADS"] == "1"
