"""A run: what it records, what it survives, and how it goes on."""

import dataclasses
import itertools
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from backprop_bench.bench.core.engine import verification
from backprop_bench.bench.core.engine.accuracy import train_question
from backprop_bench.bench.core.engine.context import RunContext
from backprop_bench.bench.core.engine.progress import Silent
from backprop_bench.bench.core.engine.run_log import RunLog
from backprop_bench.bench.core.engine.runner import Runner
from backprop_bench.bench.core.engine.timed_worker import TimedWorker
from backprop_bench.bench.core.machine.environment import usable_cores
from backprop_bench.bench.core.records.kinds import Verification
from backprop_bench.bench.core.records.plan import Entry, Plan, Question, Timing
from backprop_bench.bench.core.records.reader import of_kind, read_records
from backprop_bench.bench.core.records.writer import Recorder
from backprop_bench.bench.core.summary import QuestionSummary, Summary
from backprop_bench.bench.core.trained import read_trained
from backprop_bench.bench.core.worker import client as workers
from backprop_bench.bench.core.worker.opened import open_request
from backprop_bench.bench.core.worker.replies import Begun, Opened, TrainedEpoch
from backprop_bench.bench.core.worker.shared_data import SharedExamples, SharedForms
from backprop_bench.bench.verify.replies import Checks
from backprop_bench.data import Recipe, batch_order, initial_parameters, load_dataset, training_examples
from backprop_bench.scratch.numpy_trainer import NumpyTrainer
from tests.bench.plain import (
    Row,
    read_plain_description,
    read_rows,
    rows_of,
    summarize,
    to_plain,
    typed,
    write_description,
)
from tests.tiny import write_tiny_dataset

ODD = Path(__file__).with_name("odd_trainers.py")
N_EXAMPLES, N_TEST = 300, 100
RECIPE = Recipe(layer_sizes=(16, 8, 3), batch_size=16)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_tiny_dataset(tmp_path_factory.mktemp("tiny"), N_EXAMPLES, N_TEST)


ANY_PRECISION = Timing(target=1e9, budget_s=60.0, block_s=0.005, rounds=4, min_replicates=2, order_seed=1)


ONE_SET = dataclasses.replace(ANY_PRECISION, budget_s=0.0, rounds=2)


def plan_of(*names: str, epochs: int = 2, seeds: int = 2, timing: Timing = ANY_PRECISION) -> Plan:
    entries = [Entry(name if "-" in name else f"{ODD}:{name}", "tiny", RECIPE) for name in names]
    entries.append(dataclasses.replace(entries[0], second_copy=True))
    question = Question(
        "same-recipe", "Same recipe", N_EXAMPLES, N_TEST, epochs, tuple(range(seeds)), tuple(entries), timing
    )
    return Plan((question,), part_blocks=2, part_seconds=0.01, verification_steps=100)


def describe(plan: Plan, dataset: str) -> Row:
    return {
        "plan": to_plain(plan),
        "dataset": dataset,
        "dataset_crc32": "0",
        "threads": 1,
        "environment": {},
        "cpus": [0],
        "command": "backprop-bench compare",
    }


def run(folder: Path, plan: Plan, dataset: str) -> Summary:
    write_description(folder, describe(plan, dataset))
    with Recorder(folder) as recorder:
        Runner(RunContext(plan, load_dataset(dataset), 1, RunLog(recorder, read_records(folder)), Silent())).run()
    return summarize(read_plain_description(folder), read_rows(folder))


def log_of(folder: Path) -> RunLog:
    return RunLog(Recorder(folder), [])


def question_of(summary: Summary) -> QuestionSummary:
    (question,) = summary.questions
    return question


@pytest.mark.slow
def test_a_run_records_every_epoch_and_every_block_once(tmp_path: Path, dataset: str) -> None:
    summary = run(tmp_path, plan_of("scratch-numpy", "Fine"), dataset)
    rows = read_rows(tmp_path)
    epochs = Counter((row["implementation"], row["seed"], row["epoch"]) for row in rows_of(rows, "epoch"))
    assert set(epochs.values()) == {1}
    assert len(epochs) == 2 * 2 * 3
    blocks = rows_of(rows, "block")
    names = ["scratch-numpy", f"{ODD}:Fine", "scratch-numpy (A/A)"]
    for number, position in itertools.product(range(2 * 4), range(3)):
        place = {"replicate": number // 4, "round": number % 4}
        assert sorted(row["implementation"] for row in rows_of(blocks, "block", **place)) == sorted(names)
        assert len(rows_of(blocks, "block", **place, position=position)) == 1
    assert len(blocks) == 2 * 4 * 3
    assert len(rows_of(rows, "start")) == len(rows_of(rows, "end")) == 2 * 3
    assert summary.complete
    question = question_of(summary)
    assert question.stop is not None
    assert (question.stop.reason, question.stop.replicates) == ("precise", 2)
    assert [(ratio.interval.n, ratio.n_replicates) for ratio in question.ratios] == [(8, 2)]
    assert question.self_test is not None
    assert question.self_test.interval.n == 8
    assert all(verification.passed for verification in question.verifications)
    first, second = question.performances
    assert [point.accuracy for point in first.curve] == [point.accuracy for point in second.curve]
    assert {part for part, _ in first.parts} == {"fetch", "forward", "backward", "update"}


@pytest.mark.slow
def test_a_process_verifies_the_suites_own_one_after_the_other_and_yours_have_their_own(
    tmp_path: Path, dataset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[int, list[str]] = {}
    ask = workers.Worker.ask

    def noting(self: workers.Worker, do: str, reply: type, **arguments: Any) -> Any:
        if do == verification.VERIFY:
            asked.setdefault(self.pid, []).append(arguments["implementation"])
        return ask(self, do, reply, **arguments)

    monkeypatch.setattr(workers.Worker, "ask", noting)
    own = ["scratch-numpy", "scratch-inplace", "scratch-compiled", "torch-manual"]
    plan = dataclasses.replace(plan_of(*own, "Fine", "Wrong"), verification_steps=5)
    with Recorder(tmp_path) as recorder:
        log = RunLog(recorder, [])
        Runner(RunContext(plan, load_dataset(dataset), 1, log, Silent())).verify()
    assert sorted(name for names in asked.values() for name in names) == sorted([*own, f"{ODD}:Fine", f"{ODD}:Wrong"])
    assert len([names for names in asked.values() if names[0] in own]) <= usable_cores()
    for names in asked.values():
        assert len(names) == 1 or set(names) <= set(own)
    failed = {row.implementation for row in of_kind(log.records(plan.questions[0]), Verification) if not row.passed}
    assert failed == {f"{ODD}:Wrong"}


@pytest.mark.slow
def test_blocks_take_about_as_long_as_they_are_to_and_the_second_copy_trains_as_many_batches(
    tmp_path: Path, dataset: str
) -> None:
    run(tmp_path, plan_of("Fine", "Slow", seeds=1), dataset)
    rows = read_rows(tmp_path)
    for name in ("Fine", "Slow"):
        walls = [row["wall_s"] for row in rows_of(rows, "block", implementation=f"{ODD}:{name}")]
        assert 0.001 < min(walls) < 0.02, "5 ms, on a machine that may be busy"
    batches = {row["implementation"]: row["block_batches"] for row in rows_of(rows, "start")}
    assert batches[f"{ODD}:Fine"] == batches[f"{ODD}:Fine (A/A)"] > batches[f"{ODD}:Slow"]
    assert len({(row["implementation"], row["block_batches"]) for row in rows_of(rows, "start")}) == 3


@pytest.mark.slow
def test_every_visit_trains_its_share_of_the_seeds_before_it_times(tmp_path: Path, dataset: str) -> None:
    timing = dataclasses.replace(ANY_PRECISION, target=1e-9, budget_s=4.0)
    plan = dataclasses.replace(plan_of("Fine", seeds=3, timing=timing), passes=2)
    assert run(tmp_path, plan, dataset).complete
    told = [row for row in read_rows(tmp_path) if row["kind"] in ("epoch", "block")]
    first_block = next(number for number, row in enumerate(told) if row["kind"] == "block")
    assert {row["seed"] for row in told[:first_block]} == {0, 2}
    assert {row["seed"] for row in rows_of(told[first_block:], "epoch")} == {1}


@pytest.mark.slow
def test_an_injected_slowdown_is_in_the_block_and_on_the_record(tmp_path: Path, dataset: str) -> None:
    plan = plan_of("Fine", seeds=1)
    (question,) = plan.questions
    slowed = dataclasses.replace(question.entries[1], injected=1.0)
    plan = dataclasses.replace(plan, questions=(dataclasses.replace(question, entries=(question.entries[0], slowed)),))
    assert question_of(run(tmp_path, plan, dataset)).self_test is not None
    injected = {(row["implementation"], row["injected"]) for row in rows_of(read_rows(tmp_path), "block")}
    assert injected == {(f"{ODD}:Fine", 0.0), (f"{ODD}:Fine (A/A)", 1.0)}


@pytest.mark.slow
def test_timing_of_one_implementation_ends_too(tmp_path: Path, dataset: str) -> None:
    plan = plan_of("Fine", seeds=1)
    (question,) = plan.questions
    plan = dataclasses.replace(plan, questions=(dataclasses.replace(question, entries=question.entries[:1]),))
    found = question_of(run(tmp_path, plan, dataset))
    assert found.stop is not None
    assert found.stop.reason == "alone"
    assert found.self_test is None
    assert found.ratios == ()


@pytest.mark.slow
def test_a_failure_in_the_parts_of_a_step_names_the_process_replicate_and_the_others_go_on(
    tmp_path: Path, dataset: str
) -> None:
    question = question_of(run(tmp_path, plan_of("Fine", "BrokenParts", seeds=1), dataset))
    (failure,) = question.failures
    assert (failure.phase, failure.number) == ("timing", 0)
    assert re.fullmatch(r"raised ZeroDivisionError in line \d+: in parts", failure.message)
    assert question.self_test is not None
    assert question.self_test.n_replicates == 2


@pytest.mark.slow
def test_a_clock_that_goes_backwards_is_a_failure_and_no_ratio(tmp_path: Path, dataset: str) -> None:
    question = question_of(run(tmp_path, plan_of("Fine", "TurningTheClockBack", seeds=1), dataset))
    (failure,) = question.failures
    assert failure.phase == "timing"
    assert failure.message == "raised RuntimeError: time.perf_counter is another function than Python's"
    assert all(ratio.interval.n == 0 for ratio in question.ratios)
    assert [found.implementation for found in question.performances if found.wall_s.n] == [f"{ODD}:Fine"]


@pytest.mark.slow
def test_a_wrong_implementation_is_named_and_not_timed(tmp_path: Path, dataset: str) -> None:
    question = question_of(run(tmp_path, plan_of("Fine", "Wrong", seeds=1, timing=ONE_SET), dataset))
    (failure,) = question.failures
    assert failure.implementation.endswith("Wrong")
    assert failure.message.startswith(
        "not timed: verification failed: gradients in float64 against scratch-numpy: layer 1"
    )
    assert [performance.implementation for performance in question.performances] == [f"{ODD}:Fine"]


UNUSABLE = {
    "import no_such_package": "cannot be imported: it needs no_such_package, which is not installed",
    "class Mine(": "cannot be imported: it raised SyntaxError: '(' was never closed",
    "raise SystemExit(3)": "cannot be imported: it ends the program instead of only defining things",
    "input('epochs? ')": "cannot be imported: it raised EOFError in line 1: EOF when reading a line",
    "import os; os.fork()": "forks when it is imported, and goes on in both processes",
    "import os; os._exit(3)": "during verification its process ended with exit code 3",
    "class Yours: pass": "has no class 'Mine'",
    "Mine = 3": "Mine is no class; expected one like backprop_bench.data.Trainer",
    "class Mine: pass": "Mine has no method train_epoch and no gradients and no predict and no parameters",
}


@pytest.mark.slow
def test_a_file_that_cannot_be_used_is_named_in_a_sentence_and_the_others_go_on(tmp_path: Path, dataset: str) -> None:
    names = []
    for number, source in enumerate(UNUSABLE):
        path = tmp_path / f"mine-{number}.py"
        path.write_text(source, encoding="utf-8")
        names.append(f"{path}:Mine")
    question = question_of(run(tmp_path, plan_of("Fine", *names, seeds=1, timing=ONE_SET), dataset))
    found = {failure.implementation: failure.message for failure in question.failures}
    assert sorted(found) == sorted(names)
    for name, sentence in zip(names, UNUSABLE.values(), strict=True):
        assert sentence in found[name]
    assert [performance.implementation for performance in question.performances] == [f"{ODD}:Fine"]


@pytest.mark.slow
def test_one_that_forks_is_named_unless_the_other_process_ends_itself(tmp_path: Path, dataset: str) -> None:
    plan = plan_of("ForkingForHelp", "Forking", seeds=1, timing=ONE_SET)
    (failure,) = question_of(run(tmp_path, plan, dataset)).failures
    assert failure.implementation == f"{ODD}:Forking"
    assert failure.message.endswith("train_epoch forks and returns in both processes, expected in one")


@pytest.mark.slow
def test_a_failed_verification_asks_about_the_likely_mistake(tmp_path: Path, dataset: str) -> None:
    wrong = Path(__file__).parents[2] / "examples" / "wrong.py"
    entry = dataclasses.replace(plan_of("Fine").questions[0].entries[0], implementation=f"{wrong}:Wrong")
    plan = plan_of("Fine", seeds=1, timing=ONE_SET)
    question = dataclasses.replace(plan.questions[0], entries=(*plan.questions[0].entries, entry))
    (failure,) = question_of(run(tmp_path, dataclasses.replace(plan, questions=(question,)), dataset)).failures
    assert failure.message.startswith("not timed: verification failed: gradients in float64")
    assert failure.message.endswith("; did you forget to multiply by the derivative of the hidden activation?")


@pytest.mark.slow
def test_a_refusal_says_which_field_and_is_no_crash(tmp_path: Path, dataset: str) -> None:
    summary = run(tmp_path, plan_of("Fine", "Refusing", seeds=1, timing=ONE_SET), dataset)
    assert question_of(summary).failures[0].phase == "verification"
    assert question_of(summary).failures[0].message == "Refusing cannot do this recipe: bias: it has none"
    assert summary.complete


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "message"),
    [("Raising", r"raised ZeroDivisionError in line \d+: no luck"), ("Crashing", "its process ended with exit code 3")],
)
def test_an_implementation_that_breaks_in_training_is_reported_and_the_others_go_on(
    tmp_path: Path, dataset: str, name: str, message: str
) -> None:
    summary = run(tmp_path, plan_of("Fine", name), dataset)
    question = question_of(summary)
    assert [(failure.phase, failure.number) for failure in question.failures] == [("training", 0), ("timing", 0)]
    assert all(re.fullmatch(message, failure.message) for failure in question.failures)
    good, broken = question.performances
    assert good.curve[-1].accuracy.n == 2
    assert broken.curve[-1].accuracy.n == 1, "seed 1 went through"
    assert good.wall_s.n == 8
    assert broken.wall_s.n == 0, "who breaks in the timing is left out from then on"
    assert summary.complete


@pytest.mark.slow
def test_an_implementation_that_hangs_is_ended_at_the_limit(
    tmp_path: Path, dataset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = workers.Worker.__init__
    monkeypatch.setattr(
        workers.Worker,
        "__init__",
        lambda self, threads, descriptors=(), environment=None: start(self, threads, 6.0, descriptors, environment),
    )
    question = question_of(run(tmp_path, plan_of("Fine", "Hanging", seeds=1, timing=ONE_SET), dataset))
    assert [failure.message for failure in question.failures] == 2 * [
        "gave no answer within 6 s and was ended; --timeout gives it more"
    ]


@pytest.mark.slow
def test_a_file_that_sleeps_when_it_is_imported_is_ended_at_the_limit(tmp_path: Path, dataset: str) -> None:
    (tmp_path / "mine.py").write_text("import time; time.sleep(3600)", encoding="utf-8")
    request = {"implementation": f"{tmp_path}/mine.py:Mine", "recipe": RECIPE.to_dict(), "dataset": dataset}
    with workers.Worker(1, limit_s=1.0) as worker, pytest.raises(workers.WorkerError, match="no answer within 1 s"):
        worker.ask("verify.handlers:verify", Checks, **request, steps=9)


@pytest.mark.slow
def test_a_training_that_diverges_is_recorded_as_such_and_the_run_goes_on(tmp_path: Path, dataset: str) -> None:
    summary = run(tmp_path, plan_of("Fine", "Diverging", timing=ONE_SET), dataset)
    question = question_of(summary)
    assert question.failures == ()
    assert [performance.diverged for performance in question.performances] == [(), (0,)]
    assert summary.complete


DRIVER = """
import contextlib, sys
from pathlib import Path
from backprop_bench.bench.core.records.writer import Recorder
from backprop_bench.bench.core.engine.runner import Runner
from backprop_bench.bench.core.engine.timed_worker import TimedWorker
from backprop_bench.bench.core.engine.run_log import RunLog
from backprop_bench.bench.core.engine.context import RunContext
from backprop_bench.bench.core.records.reader import read_description, read_records
from backprop_bench.data import load_dataset

class Silent:
    stage = staticmethod(lambda title, total: contextlib.nullcontext())
    advance = staticmethod(lambda detail, steps=1: None)

folder = Path(sys.argv[1])
description = read_description(folder)
with Recorder(folder) as recorder:
    plan = description.plan
    dataset, log = load_dataset(description.dataset), RunLog(recorder, read_records(folder))
    Runner(RunContext(plan, dataset, 1, log, Silent())).run()
"""


KILLS = int(os.environ.get("KILLS", "5"))
"""How often a run is killed; more for those who have the time: ``KILLS=50 pytest -s -k killed_again --timeout 0``."""


@pytest.mark.slow
def test_a_run_killed_again_and_again_ends_as_an_uninterrupted_one(tmp_path: Path, dataset: str) -> None:
    plan = dataclasses.replace(plan_of("Fine", "Slow", epochs=4), passes=2, keeps_trained=True)
    timing = dataclasses.replace(ANY_PRECISION, min_replicates=max(2, 3 * (KILLS - 5)), budget_s=600.0)
    longer = dataclasses.replace(plan, questions=(dataclasses.replace(plan.questions[0], timing=timing),))
    uninterrupted, killed = tmp_path / "uninterrupted", tmp_path / "killed"
    for folder in (uninterrupted, killed):
        folder.mkdir()
        write_description(folder, describe(longer, dataset))
    run(uninterrupted, plan, dataset)
    random.seed(0)
    root = Path(__file__).parents[2]
    for number in range(KILLS):
        driver = subprocess.Popen([sys.executable, "-c", DRIVER, str(killed)], cwd=root)
        if number % 2:  # at any moment, starts and verifications included; else not before something was recorded
            time.sleep(random.uniform(0, 3.0))
        else:
            before, deadline = len(read_rows(killed)), time.monotonic() + 60
            while len(read_rows(killed)) <= before and driver.poll() is None and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(random.uniform(0, 0.3))
        if driver.poll() is not None:
            break
        driver.send_signal(signal.SIGKILL)
        driver.wait()
        print(f"killed {number + 1} times")
    assert subprocess.run([sys.executable, "-c", DRIVER, str(killed)], cwd=root, check=False).returncode == 0
    a, b = read_rows(uninterrupted), read_rows(killed)
    assert max(row["session"] for row in b) >= 2, "it was killed at least twice"
    for value in ("loss", "accuracy"):
        found, expected = (
            {(row["implementation"], row["seed"], row["epoch"]): row[value] for row in rows_of(rows, "epoch")}
            for rows in (b, a)
        )
        assert found == expected
        assert len(rows_of(b, "epoch")) == len(expected), "nothing is there twice"
    kept = [sorted((row["file"], row["sha256"]) for row in rows_of(rows, "trained")) for rows in (a, b)]
    assert kept[0] == kept[1]
    assert len(kept[0]) == len(read_trained(killed, typed(b), plan)) == 2
    blocks = Counter((row["replicate"], row["round"], row["implementation"]) for row in rows_of(b, "block"))
    assert set(blocks.values()) == {1}, "nothing is there twice"
    assert len(rows_of(b, "stop")) == 1
    for number in {row["replicate"] for row in rows_of(b, "block")}:
        blocks_of_replicate = rows_of(b, "block", replicate=number)
        assert len({row["session"] for row in blocks_of_replicate}) == 1, "a replicate is of one session"
        places = [row["round"] * 3 + row["position"] for row in blocks_of_replicate]
        assert places == list(range(len(places))), "no block is missing before the one that was running"
    summary = summarize(describe(plan, dataset), b)
    assert summary.complete
    (ratio,) = question_of(summary).ratios
    assert ratio.n_replicates >= 2


def stopped_at(folder: Path, plan: Plan, dataset: str, keep: list[Row]) -> Summary:
    """Go on with a run of which only these rows are on the disk."""
    (folder / "records.jsonl").write_text("".join(json.dumps(row) + "\n" for row in keep))
    return run(folder, plan, dataset)


@pytest.mark.slow
def test_a_failed_verification_is_remembered_whatever_row_the_run_stopped_after(tmp_path: Path, dataset: str) -> None:
    plan = plan_of("Fine", "Wrong", seeds=1, epochs=1, timing=ONE_SET)
    run(tmp_path, plan, dataset)
    verifications = [row for row in read_rows(tmp_path) if row["kind"] in ("parity", "failure")]
    for n_rows in (0, len(verifications) // 2, len(verifications) - 1, len(verifications)):
        question = question_of(stopped_at(tmp_path, plan, dataset, verifications[:n_rows]))
        assert [performance.implementation for performance in question.performances] == [f"{ODD}:Fine"], n_rows
    without_failure = [row for row in verifications if row["kind"] == "parity"]
    question = question_of(stopped_at(tmp_path, plan, dataset, without_failure))
    assert [performance.implementation for performance in question.performances] == [f"{ODD}:Fine"]


@pytest.mark.slow
def test_parts_of_a_step_that_a_stop_left_out_are_timed_on_resume(tmp_path: Path, dataset: str) -> None:
    plan = plan_of("Fine", seeds=1, timing=ONE_SET)
    run(tmp_path, plan, dataset)
    rows = read_rows(tmp_path)
    first_part = next(number for number, row in enumerate(rows) if row["kind"] == "part")
    stopped_at(tmp_path, plan, dataset, rows[: first_part + 2])
    blocks = Counter((row["block"], row["part"]) for row in rows_of(read_rows(tmp_path), "part"))
    assert set(blocks.values()) == {1}
    assert {block for block, _ in blocks} == {0, 1}


def test_every_epoch_has_its_own_batch_order_and_accuracy_is_that_of_the_test_examples(
    tmp_path: Path, dataset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = tmp_path / "notes"
    monkeypatch.setenv("NOTES", str(notes))
    plan = plan_of("Noting", seeds=1, epochs=3)
    loaded = load_dataset(dataset)
    with SharedForms(loaded) as shared:
        context = RunContext(plan, loaded, 1, log_of(tmp_path), Silent())
        train_question(context, plan.questions[0], (0,), shared)
    lines = [line.split() for line in notes.read_text().splitlines()]
    training = [line for line in lines if line[:2] == ["train", str(N_EXAMPLES)]]
    recipe = RECIPE.replace(seed=0)
    expected = [[str(example) for example in batch_order(recipe, N_EXAMPLES, epoch)[:4]] for epoch in range(3)]
    assert [line[2:] for line in training] == expected
    assert lines.count(["predict", str(N_TEST)]) == 4
    assert ["predict", str(N_EXAMPLES)] not in lines


def test_the_blocks_of_a_set_are_the_epochs_of_a_training_cut_between_batches(
    tmp_path: Path, dataset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = tmp_path / "notes"
    monkeypatch.setenv("NOTES", str(notes))
    plan = plan_of("Noting", seeds=1)
    (question,) = plan.questions
    with SharedExamples(RECIPE, load_dataset(dataset)) as shared:
        worker = workers.Worker(1, descriptors=[shared.descriptor])
        with worker:
            worker.ask("open", Opened, **open_request(question.entries[0], shared, worker, 1, [0]))
            worker.ask("begin", Begun, seed=3)
            timed = TimedWorker(worker, question.entries[0], N_EXAMPLES, None, 4)
            examples = [timed.block(batches, "")[0].examples for batches in (7, 19, 1, 30)]
    # an epoch has 19 batches, the last one of 12 examples; before a block comes one batch for 6 or fewer, none for one
    assert examples == [7 * 16, (6 * 16 - 4) + 13 * 16, 16, N_EXAMPLES + 11 * 16]
    lengths = [int(line.split()[1]) for line in notes.read_text().splitlines()]
    assert lengths == [2 * 16, 7 * 16, 4 * 16, 6 * 16 - 4, 13 * 16, 16, 5 * 16 - 4, N_EXAMPLES, 11 * 16]


def test_a_timed_worker_begins_as_a_training_from_its_seed_does(
    tmp_path: Path, dataset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = tmp_path / "notes"
    monkeypatch.setenv("NOTES", str(notes))
    (question,) = plan_of("Noting", seeds=1).questions
    with SharedExamples(RECIPE, load_dataset(dataset)) as shared:
        for seed, is_timed in ((3, True), (3, False), (4, True)):
            with workers.Worker(1, descriptors=[shared.descriptor]) as worker:
                worker.ask("open", Opened, **open_request(question.entries[0], shared, worker, 1, [0]))
                worker.ask("begin", Begun, seed=seed)
                if is_timed:
                    TimedWorker(worker, question.entries[0], N_EXAMPLES, None, 4).warm_up(0.001, 1)
                else:
                    worker.ask("train", TrainedEpoch, epoch=1)
            with notes.open("a") as file:
                file.write("--\n")
    timed, trained, other = (
        [line.split() for line in part.splitlines() if line] for part in notes.read_text().split("--")[:3]
    )
    orders = {seed: batch_order(RECIPE.replace(seed=seed), N_EXAMPLES, 0) for seed in (3, 4)}
    assert trained[0] == ["train", str(N_EXAMPLES), *map(str, orders[3][:4])]
    assert timed[0] == ["train", "16", *map(str, orders[3][:4])]
    assert timed[1] == ["train", str(N_EXAMPLES - 16), *map(str, orders[3][16:20])], "the rest of the first epoch"
    assert other[0] == ["train", "16", *map(str, orders[4][:4])]


@pytest.mark.slow
def test_evaluation_is_no_part_of_a_block(tmp_path: Path, dataset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTES", str(tmp_path / "notes"))
    run(tmp_path, plan_of("SlowToPredict", seeds=1, epochs=1, timing=ONE_SET), dataset)
    rows = read_rows(tmp_path)
    name = f"{ODD}:SlowToPredict"
    assert min(row["evaluation_s"] for row in rows_of(rows, "end", implementation=name)) > 0.1
    assert min(row["wall_s"] for row in rows_of(rows, "block", implementation=name)) < 0.1


@pytest.mark.slow
def test_an_implementation_that_starts_more_threads_than_asked_for_is_refused(tmp_path: Path, dataset: str) -> None:
    question = question_of(run(tmp_path, plan_of("Fine", "Greedy", seeds=1, timing=ONE_SET), dataset))
    assert {failure.phase for failure in question.failures} == {"training", "timing"}
    for failure in question.failures:
        assert "At most 1 thread was asked for" in failure.message


def test_a_trainer_that_writes_to_its_examples_changes_those_of_nobody_else(tmp_path: Path, dataset: str) -> None:
    plan = plan_of("Scribbling", "Fine", seeds=1)
    loaded = load_dataset(dataset)
    with SharedExamples(RECIPE, loaded) as shared:
        for entry in plan.questions[0].originals:
            with workers.Worker(1, descriptors=[shared.descriptor]) as worker:
                worker.ask("open", Opened, **open_request(entry, shared, worker, 1, [0]))
                worker.ask("begin", Begun, seed=0)
                loss = worker.ask("train", TrainedEpoch, epoch=1).loss
        examples = training_examples(RECIPE, loaded)
        trainer = NumpyTrainer(RECIPE, initial_parameters(RECIPE))
        expected = trainer.train_epoch(examples.x, examples.t, batch_order(RECIPE, N_EXAMPLES, 0))
        assert loss == pytest.approx(expected)


@pytest.mark.slow
def test_cpu_time_is_not_wall_time_and_memory_is_what_training_took(tmp_path: Path, dataset: str) -> None:
    run(tmp_path, plan_of("Sleeping", "Hungry", seeds=1, timing=ONE_SET), dataset)
    rows = read_rows(tmp_path)
    for row in rows_of(rows, "block", implementation=f"{ODD}:Sleeping"):
        assert row["cpu_s"] < row["wall_s"] - 0.1
    hungry = rows_of(rows, "end", implementation=f"{ODD}:Hungry")[0]
    lean = rows_of(rows, "end", implementation=f"{ODD}:Sleeping")[0]
    assert 60 * 2**20 < hungry["peak_rss_bytes"] - hungry["data_rss_bytes"] < 90 * 2**20
    assert lean["peak_rss_bytes"] - lean["data_rss_bytes"] < 45 * 2**20


def test_a_worker_whose_driver_is_killed_ends_in_the_middle_of_its_work(dataset: str) -> None:
    shared = SharedExamples(RECIPE, load_dataset(dataset))
    worker = workers.Worker(1, descriptors=[shared.descriptor])
    worker.ask("open", Opened, **open_request(Entry(f"{ODD}:Hanging", "tiny", RECIPE), shared, worker, 1, [0]))
    worker.ask("begin", Begun, seed=0)
    process = worker._process
    assert process.stdin is not None
    process.stdin.write(json.dumps({"do": "train", "epoch": 1}) + "\n")
    process.stdin.close()
    assert process.wait(timeout=20) == -signal.SIGKILL, "with all that it started"
    worker.close()
    shared.close()


def test_a_worker_that_dies_while_it_waits_is_a_failure_of_its_own_only(dataset: str) -> None:
    worker = workers.Worker(1)
    worker.kill()
    worker._process.wait()
    with worker, pytest.raises(workers.WorkerError, match="ended by signal 9"):
        worker.ask("begin", Begun, seed=0)


def test_a_timing_worker_imports_nothing_that_it_does_not_need() -> None:
    program = "import sys, backprop_bench.bench.core.worker.server\n"
    program += "print({'scipy', 'pandas', 'matplotlib', 'torch'} & set(sys.modules))"
    assert (
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False).stdout == "set()\n"
    )
