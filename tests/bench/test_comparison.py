"""A run: what it records, what it survives, and how it goes on."""

import contextlib
import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.compute.summary import QuestionSummary, Summary, paired_ratio, summarize
from bench.records import Recorder, Row, read_description, read_rows, rows_of, write_description
from bench.run import workers
from bench.run.compare import Comparison
from bench.run.plan import Entry, Plan, Question
from data import Recipe, batch_order
from tests.tiny import write_tiny_dataset

ODD = Path(__file__).with_name("odd_trainers.py")
N_CASES, N_TEST = 300, 100
RECIPE = Recipe(layer_sizes=(16, 8, 3), batch_size=16)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_tiny_dataset(tmp_path_factory.mktemp("tiny"), N_CASES, N_TEST)


class Silent:
    """Nobody watches."""

    @contextlib.contextmanager
    def stage(self, title: str, total: int) -> Iterator[None]:
        yield

    def advance(self, detail: str) -> None:
        pass


def plan_of(*names: str, epochs: int = 2, seeds: int = 2) -> Plan:
    entries = tuple(Entry(name if "-" in name else f"{ODD}:{name}", "tiny", RECIPE) for name in names)
    question = Question("same-recipe", "Same recipe", N_CASES, N_TEST, epochs, tuple(range(seeds)), entries)
    return Plan((question,), part_blocks=2, part_seconds=0.01, proof_steps=100)


def describe(plan: Plan, dataset: str) -> Row:
    return {"plan": plan.to_dict(), "dataset": dataset, "dataset_crc32": "0", "threads": 1, "environment": {}}


def run(folder: Path, plan: Plan, dataset: str) -> Summary:
    write_description(folder, describe(plan, dataset))
    with Recorder(folder) as recorder:
        Comparison(plan, dataset, 1, recorder, read_rows(folder), Silent()).run()
    return summarize(read_description(folder), read_rows(folder))


def question_of(summary: Summary) -> QuestionSummary:
    (question,) = summary.questions
    return question


def test_a_run_records_every_epoch_of_every_implementation_once(tmp_path: Path, dataset: str) -> None:
    summary = run(tmp_path, plan_of("scratch-numpy", "Fine"), dataset)
    rows = read_rows(tmp_path)
    epochs = Counter((row["implementation"], row["seed"], row["epoch"]) for row in rows_of(rows, "epoch"))
    assert set(epochs.values()) == {1}
    assert len(epochs) == 2 * 2 * 2
    assert len(rows_of(rows, "evaluation")) == 2 * 2 * 3
    assert {(row["round"], row["position"]) for row in rows_of(rows, "epoch")} == {
        (number, position) for number in range(4) for position in range(2)
    }
    assert summary.complete
    question = question_of(summary)
    assert [ratio.interval.n for ratio in question.ratios] == [4]
    assert all(proof.passed for proof in question.parity)
    first, second = question.performances
    assert [point.accuracy for point in first.curve] == [point.accuracy for point in second.curve]
    assert {part for part, _ in first.parts} == {"fetch", "forward", "backward", "update"}


def test_a_wrong_implementation_is_named_and_not_timed(tmp_path: Path, dataset: str) -> None:
    question = question_of(run(tmp_path, plan_of("Fine", "Wrong"), dataset))
    (failure,) = question.failures
    assert failure.implementation.endswith("Wrong")
    assert failure.message.startswith(
        "not timed: parity proof failed: gradients in float64 against scratch-numpy: layer 1"
    )
    assert [performance.implementation for performance in question.performances] == [f"{ODD}:Fine"]


def test_a_refusal_says_which_field_and_is_no_crash(tmp_path: Path, dataset: str) -> None:
    summary = run(tmp_path, plan_of("Fine", "Refusing", seeds=1), dataset)
    assert question_of(summary).failures[0].message == "Refusing cannot do this recipe: bias: it has none"
    assert summary.complete


@pytest.mark.parametrize(
    ("name", "message"),
    [("Raising", "raised ZeroDivisionError: no luck"), ("Crashing", "its process ended with exit code 3")],
)
def test_an_implementation_that_breaks_in_training_is_reported_and_the_others_go_on(
    tmp_path: Path, dataset: str, name: str, message: str
) -> None:
    summary = run(tmp_path, plan_of("Fine", name), dataset)
    question = question_of(summary)
    assert [failure.message for failure in question.failures] == [message]
    good, broken = question.performances
    assert good.curve[-1].accuracy.n == 2
    assert broken.curve[-1].accuracy.n == 1, "seed 1 went through"
    assert summary.complete


def test_an_implementation_that_hangs_is_ended_at_the_limit(
    tmp_path: Path, dataset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = workers.Worker.__init__
    monkeypatch.setattr(workers.Worker, "__init__", lambda self, threads: start(self, threads, limit_s=12.0))
    question = question_of(run(tmp_path, plan_of("Fine", "Hanging", seeds=1), dataset))
    assert [failure.message for failure in question.failures] == ["gave no answer within 12 s and was ended"]


def test_a_training_that_diverges_is_recorded_as_such_and_the_run_goes_on(tmp_path: Path, dataset: str) -> None:
    summary = run(tmp_path, plan_of("Fine", "Diverging"), dataset)
    question = question_of(summary)
    assert question.failures == ()
    assert [performance.diverged for performance in question.performances] == [(), (0,)]
    assert summary.complete


DRIVER = """
import contextlib, sys
from pathlib import Path
from bench.records import Recorder, read_description, read_rows
from bench.run.compare import Comparison
from bench.run.plan import Plan

class Silent:
    stage = staticmethod(lambda title, total: contextlib.nullcontext())
    advance = staticmethod(lambda detail: None)

folder = Path(sys.argv[1])
description = read_description(folder)
with Recorder(folder) as recorder:
    plan = Plan.from_dict(description["plan"])
    Comparison(plan, description["dataset"], 1, recorder, read_rows(folder), Silent()).run()
"""


def test_a_run_killed_again_and_again_ends_as_an_undisturbed_one(tmp_path: Path, dataset: str) -> None:
    plan = plan_of("Fine", "Slow", epochs=4)
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    for folder in (undisturbed, killed):
        folder.mkdir()
        write_description(folder, describe(plan, dataset))
    run(undisturbed, plan, dataset)
    random.seed(0)
    root = Path(__file__).parents[2]
    for _ in range(8):
        driver = subprocess.Popen([sys.executable, "-c", DRIVER, str(killed)], cwd=root)
        before = len(read_rows(killed))
        deadline = time.monotonic() + 60
        while len(read_rows(killed)) <= before and driver.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(random.uniform(0, 0.3))
        if driver.poll() is not None:
            break
        driver.send_signal(signal.SIGKILL)
        driver.wait()
    assert subprocess.run([sys.executable, "-c", DRIVER, str(killed)], cwd=root, check=False).returncode == 0
    a, b = read_rows(undisturbed), read_rows(killed)
    assert max(row["session"] for row in b) >= 2, "it was killed at least twice"
    for kind, value in (("epoch", "loss"), ("evaluation", "accuracy")):
        found, expected = (
            {(row["implementation"], row["seed"], row["epoch"]): row[value] for row in rows_of(rows, kind)}
            for rows in (b, a)
        )
        assert found == expected
        assert len(rows_of(b, kind)) == len(expected), "nothing is there twice"
    (ratio,) = question_of(summarize(describe(plan, dataset), b)).ratios
    sessions = Counter((row["session"], row["round"]) for row in rows_of(b, "epoch"))
    assert ratio.interval.n == sum(count == 2 for count in sessions.values()), "no ratio across sessions"


def stopped_at(folder: Path, plan: Plan, dataset: str, keep: list[Row]) -> Summary:
    """Go on with a run of which only these rows are on the disk."""
    (folder / "records.jsonl").write_text("".join(json.dumps(row) + "\n" for row in keep))
    return run(folder, plan, dataset)


def test_a_failed_proof_is_remembered_whatever_row_the_run_was_stopped_after(tmp_path: Path, dataset: str) -> None:
    plan = plan_of("Fine", "Wrong", seeds=1)
    run(tmp_path, plan, dataset)
    proofs = [row for row in read_rows(tmp_path) if row["kind"] in ("parity", "failure")]
    for n_rows in range(len(proofs) + 1):
        question = question_of(stopped_at(tmp_path, plan, dataset, proofs[:n_rows]))
        assert [performance.implementation for performance in question.performances] == [f"{ODD}:Fine"], n_rows
    without_failure = [row for row in proofs if row["kind"] == "parity"]
    question = question_of(stopped_at(tmp_path, plan, dataset, without_failure))
    assert [performance.implementation for performance in question.performances] == [f"{ODD}:Fine"]


def test_parts_of_a_step_that_a_stop_left_out_are_timed_on_resume(tmp_path: Path, dataset: str) -> None:
    plan = plan_of("Fine", seeds=1)
    run(tmp_path, plan, dataset)
    rows = read_rows(tmp_path)
    first_part = next(number for number, row in enumerate(rows) if row["kind"] == "part")
    stopped_at(tmp_path, plan, dataset, rows[: first_part + 2])
    blocks = Counter((row["block"], row["part"]) for row in rows_of(read_rows(tmp_path), "part"))
    assert set(blocks.values()) == {1}
    assert {block for block, _ in blocks} == {0, 1}


def test_every_epoch_has_its_own_batch_order_and_accuracy_is_that_of_the_test_cases(
    tmp_path: Path, dataset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = tmp_path / "notes"
    monkeypatch.setenv("NOTES", str(notes))
    run(tmp_path, plan_of("Noting", seeds=1, epochs=3), dataset)
    lines = [line.split() for line in notes.read_text().splitlines()]
    training = [line for line in lines if line[:2] == ["train", str(N_CASES)]]
    recipe = RECIPE.replace(seed=0)
    expected = [[str(case) for case in batch_order(recipe, N_CASES, epoch)[:4]] for epoch in range(3)]
    assert [line[2:] for line in training] == expected
    assert lines.count(["predict", str(N_TEST)]) == 4
    assert ["predict", str(N_CASES)] not in lines


def test_cpu_time_is_not_wall_time_and_memory_is_what_training_took(tmp_path: Path, dataset: str) -> None:
    run(tmp_path, plan_of("Sleeping", "Hungry", seeds=1), dataset)
    rows = read_rows(tmp_path)
    for row in rows_of(rows, "epoch", implementation=f"{ODD}:Sleeping"):
        assert row["cpu_s"] < row["wall_s"] - 0.1
    (hungry,) = rows_of(rows, "memory", implementation=f"{ODD}:Hungry")
    (lean,) = rows_of(rows, "memory", implementation=f"{ODD}:Sleeping")
    assert 60 * 2**20 < hungry["peak_rss_bytes"] - hungry["data_rss_bytes"] < 90 * 2**20
    assert lean["peak_rss_bytes"] - lean["data_rss_bytes"] < 45 * 2**20


def test_the_order_within_a_round_differs_between_rounds(tmp_path: Path, dataset: str) -> None:
    run(tmp_path, plan_of("Fine", "Sleeping", epochs=6, seeds=1), dataset)
    epochs = rows_of(read_rows(tmp_path), "epoch", implementation=f"{ODD}:Fine")
    assert {row["position"] for row in epochs} == {0, 1}


def test_times_of_different_sessions_are_never_divided_by_each_other() -> None:
    def row(implementation: str, number: int, session: int, wall_s: float) -> Row:
        return {
            "implementation": implementation,
            "round": number,
            "session": session,
            "seed": 0,
            "wall_s": wall_s,
        }

    rows = [row("a", 0, 0, 1.0), row("b", 0, 0, 2.0), row("a", 1, 0, 1.0), row("b", 1, 1, 50.0)]
    ratio = paired_ratio(rows, "b", "a")
    assert ratio.interval.n == 1
    assert ratio.interval.estimate == pytest.approx(2.0)


def test_a_worker_whose_driver_is_killed_ends_in_the_middle_of_its_work(dataset: str) -> None:
    worker = workers.Worker(1)
    implementation = f"{ODD}:Hanging"
    request = {"implementation": implementation, "recipe": RECIPE.to_dict(), "dataset": dataset}
    worker.ask("open", **request, cases=None, hold_out=None, spawned=worker.spawned, threads=1)
    worker.ask("begin", seed=0)
    process = worker._process
    assert process.stdin is not None
    process.stdin.write(json.dumps({"do": "train", "epoch": 1}) + "\n")
    process.stdin.close()
    assert process.wait(timeout=20) == 0
    worker.close()


def test_a_worker_that_dies_while_it_waits_is_a_failure_of_its_own_only(dataset: str) -> None:
    worker = workers.Worker(1)
    worker.kill()
    worker._process.wait()
    with worker, pytest.raises(workers.WorkerError, match="ended by signal 9"):
        worker.ask("begin", seed=0)


def test_a_timing_worker_imports_nothing_that_it_does_not_need() -> None:
    program = "import sys, bench.run.worker; print({'scipy', 'pandas', 'matplotlib', 'torch'} & set(sys.modules))"
    assert (
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False).stdout == "set()\n"
    )
