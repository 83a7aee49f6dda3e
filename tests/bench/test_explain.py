"""Why the two networks differ: made-up cells give known parts, and the command goes from cells to figures."""

import dataclasses
import itertools
import json
import math
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from backprop_bench.bench.cli.main import main
from backprop_bench.bench.core.engine.cluster import CONNECT_S, WORKER_S
from backprop_bench.bench.core.engine.context import RunContext
from backprop_bench.bench.core.engine.jobs import Forms, Here, Job, JobExecutor, Outcome, carry_out
from backprop_bench.bench.core.engine.progress import Progress, Silent
from backprop_bench.bench.core.engine.reuse import unchanged_runs
from backprop_bench.bench.core.engine.run_log import RunLog
from backprop_bench.bench.core.engine.tuning import RATES, TUNING_SEEDS
from backprop_bench.bench.core.records.kinds import Search, Stretch
from backprop_bench.bench.core.records.plan import Plan
from backprop_bench.bench.core.records.reader import read_records
from backprop_bench.bench.core.records.writer import Recorder
from backprop_bench.bench.explain import measure as plans
from backprop_bench.bench.explain.analysis import cell_name
from backprop_bench.bench.explain.measure import (
    LOSS,
    PRECISION,
    SCOPES,
    TUNING,
    Factor,
    Scope,
    known_trainings,
    plan_explanation,
    question_named,
    search_jobs,
    train_accuracies,
    with_batch,
)
from backprop_bench.bench.explain.view import accuracy_table, draw_explanation, explanation_sentences, runtime_table
from backprop_bench.data import Dataset, InputError, load_dataset
from tests.bench.plain import (
    Row,
    best_rate,
    explain,
    read_plain_description,
    read_rows,
    reuse_sentences,
    reused,
    rows_of,
    to_plain,
    typed,
    write_description,
)
from tests.bench.timed import timed_question
from tests.tiny import write_tiny_dataset

ACCURACY, RUNTIME = ("loss", "batch", "learning rate"), ("batch", "implementation")
EFFECTS = (0.01, -0.03, 0.05)


def accuracy_rows(skip: str = "", diverged: str = "") -> list[Row]:
    """Return the accuracies of four seeds: every factor adds its effect, every seed something of its own."""
    rows = []
    for cell in itertools.product((0, 1), repeat=3):
        accuracy = 0.9 + sum(effect for level, effect in zip(cell, EFFECTS, strict=True) if level)
        names = [cell_name(cell), *([f"torch-eager {cell_name(cell)}"] if len(set(cell)) == 1 else [])]
        for name, seed in itertools.product(names, range(4)):
            loss = None if name == diverged else 0.1
            row = {"implementation": name, "seed": seed, "epoch": 2, "examples": 1000, "loss": loss}
            rows.append({"kind": "epoch", **row, "accuracy": accuracy + 0.001 * seed})
    return [{"session": 0, "question": "accuracy", **row} for row in rows if not skip or row["implementation"] != skip]


def made_up(skip: str = "", diverged: str = "") -> tuple[dict[str, Any], list[Row]]:
    cells = [cell_name(cell) for cell in itertools.product((0, 1), repeat=3)]
    accuracy: Row = {"name": "accuracy", "epochs": 2, "examples": 1000, "factors": ACCURACY}
    accuracy["entries"] = [{"label": name, "implementation": "scratch-compiled"} for name in cells]
    accuracy["entries"] += [{"label": f"torch-eager {name}", "implementation": "torch-eager"} for name in cells]
    example_s = {"00": 100e-6, "10": 10e-6, "01": 400e-6, "11": 20e-6, "torch-loader": 30e-6}
    runtime, timed = timed_question("runtime", example_s)
    description = {"plan": {"questions": [accuracy, {**runtime, "factors": RUNTIME}]}}
    return description, [*accuracy_rows(skip, diverged), *timed]


def tried(rate: float, **accuracies: float) -> list[Row]:
    """Return what was found with a learning rate, by seed: "s0"."""
    return [
        {"kind": "search", "learning_rate": rate, "seed": int(seed[1:]), "curve": [[1, 0.5, 0.99], [2, 1.0, accuracy]]}
        for seed, accuracy in accuracies.items()
    ]


def test_contributions_of_both_gaps_are_those_that_were_put_in() -> None:
    explanation = explain(*made_up())
    assert [item.interval.estimate for item in explanation.accuracy.contributions] == pytest.approx(EFFECTS)
    assert explanation.accuracy.gap.estimate == pytest.approx(sum(EFFECTS))
    factors = [math.exp(item.interval.estimate) for item in explanation.runtime.contributions]
    assert factors == pytest.approx([math.sqrt(1 / 10 / 20), math.sqrt(4 * 2)], rel=0.01)
    assert explanation.loading is not None
    assert math.exp(explanation.loading.estimate) == pytest.approx(1.5, rel=0.01)
    whole = math.prod(factors) * math.exp(explanation.loading.estimate)
    assert whole == pytest.approx(30 / 100, rel=0.01)
    assert explanation.times[1].estimate == pytest.approx(30e-6, rel=0.01), "the article's network has a DataLoader"


def test_the_implementation_is_equivalent_where_every_seed_agrees() -> None:
    explanation = explain(*made_up())
    assert [(item.cell, item.p) for item in explanation.equivalences] == [("000", 0.0), ("111", 0.0)]


def test_a_process_replicate_that_was_cut_short_is_left_out() -> None:
    description, rows = made_up()
    whole = explain(description, rows)
    late = [
        dict(row, replicate=9, wall_s=5.0)
        for row in rows_of(rows, "block")
        if row["replicate"] == 0 and row["round"] == 0
    ]
    assert explain(description, [*rows, *late]) == whole


def test_a_missing_cell_is_named_and_nothing_is_attributed() -> None:
    with pytest.raises(InputError, match="1 of 8 cells are missing: 010"):
        explain(*made_up(skip="010"))


def test_a_cell_that_diverged_counts_and_is_named() -> None:
    explanation = explain(*made_up(diverged="011"))
    assert explanation.diverged == {"011": 4}
    sentences = " ".join(explanation_sentences(explanation))
    assert "Diverged training jobs, which count with the accuracy that they had: 4 of cell 011" in sentences


def test_the_best_rate_is_the_one_with_the_highest_mean_over_the_seeds() -> None:
    rows = [*tried(0.3, s0=0.90, s1=0.90), *tried(3.0, s0=0.97, s1=0.72), *tried(0.1, s0=0.85, s1=0.93)]
    assert best_rate(rows, (0, 1)) == 0.3, "what one seed bears and the other does not is not chosen"
    assert best_rate(rows, (0,)) == 3.0


def test_of_equal_rates_the_smaller_one_is_chosen_whatever_the_order_of_the_seeds() -> None:
    rows = [*tried(1.0, s0=0.1, s1=0.2, s2=0.3), *tried(0.3, s0=0.3, s1=0.1, s2=0.2)]
    assert best_rate(rows, (0, 1, 2)) == best_rate(rows[::-1], (2, 1, 0)) == 0.3


def test_a_rate_for_which_a_seed_is_missing_is_not_chosen() -> None:
    rows = [*tried(0.3, s0=0.8, s1=0.8), *tried(1.0, s0=0.99)]
    assert best_rate(rows, (0, 1)) == 0.3
    assert math.isnan(best_rate(rows, (0, 1, 2)))
    assert math.isnan(best_rate([], (0,)))


def test_a_training_that_diverged_counts_with_the_accuracy_that_it_had() -> None:
    rows = [*tried(0.3, s0=0.5, s1=0.5), *tried(1.0, s0=0.98, s1=0.1)]
    assert best_rate(rows, (0, 1)) == 1.0
    assert best_rate([*rows[:2], *tried(1.0, s0=0.88, s1=0.1)], (0, 1)) == 0.3


def test_learning_rates_are_not_chosen_with_the_seeds_that_are_trained() -> None:
    assert all(set(TUNING_SEEDS).isdisjoint(range(scope.seeds)) for scope in SCOPES.values())
    assert len(set(TUNING_SEEDS)) >= 3


def test_the_page_states_the_rates_the_seeds_and_how_long_a_cluster_is_waited_for() -> None:
    text = " ".join((Path(__file__).parents[2] / "docs" / "why.md").read_text(encoding="utf-8").split())
    *rates, last = (f"{rate:g}" for rate in RATES)
    assert f"the rates {', '.join(rates)} and {last} on training examples" in text
    first, second, third = TUNING_SEEDS
    assert f"the seeds {first}, {second} and {third}," in text
    assert f"does not answer within {CONNECT_S:g} s, or that no worker has joined after {WORKER_S:g} s" in text


@pytest.mark.parametrize(
    "factor",
    [
        Factor("bias", ({"bias": True}, {"bias": True})),
        Factor("implementation", ({}, {}), ("scratch-numpy", "scratch-numpy")),
        Factor("implementation", ({}, {}), ("scratch-numpy",)),
        Factor("threads", ({}, {}), threads=(2, 2)),
    ],
)
@pytest.mark.parametrize("gap", ["accuracy", "runtime"])
def test_a_factor_with_one_level_is_named_and_nothing_is_planned(tmp_path: Path, gap: str, factor: Factor) -> None:
    dataset = load_dataset(write_tiny_dataset(tmp_path, 20, 6))
    if gap == "accuracy":
        scope = dataclasses.replace(SCOPES["quick"], accuracy=(factor, TUNING))
    else:
        scope = dataclasses.replace(SCOPES["quick"], runtime=(factor,))
    with pytest.raises(InputError, match=f"factor '{factor.name}' has one level, .*; expected two"):
        plan_explanation(dataset, scope)


def test_sentences_tables_and_figure_hold_the_numbers() -> None:
    explanation = explain(*made_up())
    sentences = " ".join(explanation_sentences(explanation)).replace("\N{NO-BREAK SPACE}", " ")
    assert "the hand-written network and of PyTorch's: 90.1 % vs 93.2 % (difference 3.00 points" in sentences
    assert "contributions to accuracy are, in points: learning rate +5.0, batch −3.0 and loss +1.0." in sentences
    assert "PyTorch's network is 3.3" in sentences
    assert "× faster per epoch than the hand-written one: 30.0 ms vs 100 ms." in sentences
    assert "batch (14.1× faster), implementation (2.83× slower) and data loading (1.50× slower)" in sentences
    assert "are equivalent within ±0.1 points" in sentences
    assert [row[0] for row in accuracy_table(explanation).rows] == [*ACCURACY, "all"]
    assert [row[0] for row in runtime_table(explanation).rows] == [*RUNTIME, "data loading", "all"]
    drawing = draw_explanation(explanation)
    assert drawing.title.replace("\N{NO-BREAK SPACE}", " ").startswith("Largest factors: learning rate (+5.0 points)")
    assert len(drawing.figure.axes) == 2


@pytest.mark.parametrize("name", SCOPES)
def test_every_scope_ends_in_the_learning_rate_and_goes_from_one_network_to_the_other(
    name: str, tmp_path: Path
) -> None:
    dataset = load_dataset(write_tiny_dataset(tmp_path, 200, 60))
    scope = SCOPES[name]
    assert scope.accuracy[-1] is TUNING
    plan = plan_explanation(dataset, scope)
    accuracy, runtime = question_named(plan, "accuracy"), question_named(plan, "runtime")
    assert len(accuracy.entries) == 2 ** len(scope.accuracy) + 2
    first, last = accuracy.entries[0].recipe, accuracy.entries[2 ** len(scope.accuracy) - 1].recipe
    assert (first.loss, first.batch_size, first.learning_rate) == ("squared_error", 1, 0.1)
    assert (last.loss, last.batch_size) == ("cross_entropy", 64)
    assert runtime.entries[0].implementation == "scratch-numpy"
    assert runtime.entries[-2].implementation == "torch-eager"
    assert runtime.entries[-1].implementation == "torch-loader"
    assert accuracy.factors == tuple(factor.name for factor in scope.accuracy)


def test_threads_are_a_factor_of_the_time_and_left_out_where_there_is_one_core(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = load_dataset(write_tiny_dataset(tmp_path, 200, 60))
    for cores, expected in ((2, {1, 2}), (1, {None})):
        monkeypatch.setattr(plans, "usable_cores", lambda cores=cores: cores)
        runtime = question_named(plan_explanation(dataset, SCOPES["default"]), "runtime")
        assert {entry.threads for entry in runtime.entries} == expected
        assert ("threads" in runtime.factors) == (cores == 2)
        assert len(runtime.entries) == 2 ** len(runtime.factors) + 1
        assert msgspec.convert(to_plain(Plan((runtime,), 0, 0.0, None)), Plan).questions == (runtime,)


def test_the_other_level_of_the_batch_may_be_all_examples_at_once(tmp_path: Path) -> None:
    dataset = load_dataset(write_tiny_dataset(tmp_path, 200, 60))
    for question in plan_explanation(dataset, with_batch(SCOPES["quick"], None)).questions:
        assert {entry.recipe.batch_size for entry in question.entries} == {1, None}
        assert "batch of all examples" in question.factors
    with pytest.raises(InputError, match=r"factor 'batch of 1' has one level, \{'batch_size': 1\}; expected two"):
        plan_explanation(dataset, with_batch(SCOPES["quick"], 1))


SMALL = Scope((LOSS, TUNING), (PRECISION,), None, 1, 2, 2, 1, chain=False)
FAST = {
    "ENGINES": ("scratch-numpy",),
    "REFERENCE": "scratch-inplace",
    "LOADED": "scratch-inplace",
    "RATES": (0.1, 1.0),
    "TUNING_SEEDS": (1000, 1001),
    "VERIFICATION_STEPS": 5,
}
"""Implementations that start at once, few rates and few seeds."""


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let explain be a small one of a tiny dataset, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for name, value in FAST.items():
        monkeypatch.setattr(plans, name, value)
    monkeypatch.setitem(plans.SCOPES, "quick", SMALL)
    return write_tiny_dataset(tmp_path, 200, 60)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the records of the small plan, trained without an interruption."""
    folder = tmp_path_factory.mktemp("trained")
    dataset = load_dataset(write_tiny_dataset(folder, 200, 60))
    with pytest.MonkeyPatch.context() as patched, Recorder(folder) as recorder:
        for name, value in FAST.items():
            patched.setattr(plans, name, value)
        train_accuracies(
            RunContext(small_plan(dataset), dataset, 1, RunLog(recorder, []), Silent()), Here(dataset, 1), {}
        )
    return (folder / "records.jsonl").read_text()


def run_explain(*words: str) -> Result:
    result = CliRunner().invoke(main, ["explain", *words])
    assert result.exit_code == 0, result.output
    return result


def latest(results: Path) -> Path:
    return (results / "results" / "latest-explanation").resolve()


def accuracies_of(rows: list[Row]) -> dict[tuple[Any, ...], Any]:
    """Return the table of what was trained, and make sure that nothing is in it twice."""
    table: dict[tuple[Any, ...], Any] = {
        ("epoch", row["implementation"], row["seed"], row["epoch"]): (row["loss"], row["accuracy"])
        for row in rows_of(rows, "epoch")
    }
    for row in rows_of(rows, "search"):
        place = "search", row["implementation"], row["seed"], row["learning_rate"]
        table[place] = [(epoch, accuracy) for epoch, _, accuracy in row["curve"]]
    counted = Counter(row["kind"] for row in rows)
    assert len(table) == counted["epoch"] + counted["search"], "nothing is there twice"
    return table


@pytest.mark.slow
def test_the_command_goes_on_where_it_was_stopped_and_gives_the_same(
    tmp_path: Path, tiny: str, monkeypatch: pytest.MonkeyPatch, leave_out_figures: Callable[[], None]
) -> None:
    run_explain("--profile", "quick", "--dataset", tiny)
    folder = latest(tmp_path)
    rows, page = read_rows(folder), (folder / "why.md").read_text()
    assert len(rows_of(rows, "search")) == 2 * 2 * 2, "the cells that are tuned, with every rate, from every seed"
    assert {row["seed"] for row in rows_of(rows, "search")} == {1000, 1001}
    assert {row["seed"] for row in rows_of(rows, "epoch")} == {0, 1}
    assert (folder / "figures" / "why.png").is_file()
    lines = (folder / "records.jsonl").read_text().splitlines(keepends=True)
    kept = [line for line in lines if '"kind":"epoch"' not in line or '"seed":0' in line]
    assert len(kept) < len(lines)
    (folder / "records.jsonl").write_text("".join(kept))
    leave_out_figures()
    again = run_explain("--resume")
    assert "reused" not in again.output
    assert (folder / "why.md").read_text() == page, "trainings are the same when they are done again"
    assert accuracies_of(read_rows(folder)) == accuracies_of(rows)
    monkeypatch.setattr("backprop_bench.bench.explain.command.check_cluster", lambda address: None)
    run_explain("--resume", "--scheduler", "tcp://127.0.0.1:9")  # a run may go on elsewhere; here is nothing left to do
    assert "--scheduler" not in read_plain_description(folder)["command"]


@pytest.mark.slow
def test_what_an_earlier_run_has_trained_is_taken_over_and_what_is_timed_is_not(
    tmp_path: Path, tiny: str, trained: str
) -> None:
    dataset = load_dataset(tiny)
    first, second = tmp_path / "1-explain", tmp_path / "2-explain"
    for folder in (first, second):
        folder.mkdir()
        write_description(folder, describe_small(dataset))
    (first / "records.jsonl").write_text(trained)
    with Recorder(first) as recorder:
        recorder.append(
            *typed([{"kind": "stop", "question": "runtime", "reason": "budget", "replicates": 2, "spent_s": 1.0}])
        )
    before = read_rows(first)
    known = known_trainings(second, threads=1)
    lines = (first / "records.jsonl").read_text().replace('"seed":0,', '"seed":0,"processor":"b",')
    (first / "records.jsonl").write_text(lines)
    assert not {job.seed for job in known_trainings(second, threads=1)} & {0}, "of another processor"
    assert {row.from_run for rows in known.values() for row in rows if not isinstance(row, Stretch)} == {first.name}
    with Recorder(second) as recorder:
        train_accuracies(RunContext(small_plan(dataset), dataset, 1, RunLog(recorder, []), Silent()), Nobody(), known)
    after = read_rows(second)
    assert accuracies_of(after) == accuracies_of(before)
    assert {row["kind"] for row in after if "from_run" in row} == {"search", "epoch"}
    assert rows_of(after, "stop") == [], "what is timed is not"
    number = 2 * 2 * 2 + 4 + 2
    assert reused(after) == (number, [first.name])
    assert reuse_sentences(before) == []
    assert reuse_sentences(after)[0].startswith(f"{number} training jobs reused from {first.name}; --fresh")


class Nobody(JobExecutor):
    """Does no job."""

    def do(self, jobs: Sequence[Job], done: Callable[[Job, Outcome], None]) -> None:
        """Complain."""
        del done
        raise AssertionError(f"{len(jobs)} trainings were asked for")


def test_a_fresh_run_takes_nothing_over_and_can_be_typed_again(
    tmp_path: Path, tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def stop(folder: Path, progress: Progress, measure: Any) -> None:
        asked.append(measure)
        raise SystemExit(0)

    monkeypatch.setattr("backprop_bench.bench.explain.command.go_on", stop)
    run_explain("--profile", "quick", "--dataset", tiny, "--fresh")
    folder = latest(tmp_path)
    words = read_plain_description(folder)["command"].split()
    assert ("--fresh" in words, "True" in words) == (True, False), "it can be typed again"
    run_explain("--resume")
    assert [measure.keywords["fresh"] for measure in asked] == [True, True], "one that is resumed stays so"


@pytest.fixture
def beside(tmp_path: Path) -> tuple[Path, Path, Row]:
    """Give two runs in the same circumstances, and the description of the first one."""
    environment = {"cpu": {"model": "a"}, "packages": {"numpy": "2"}, "source_crc32": "1", "checkout": {"commit": "x"}}
    plan = to_plain(Plan((), part_blocks=0, part_seconds=0.0, verification_steps=None))
    description: Row = {"plan": plan, "environment": environment, "dataset": "d", "dataset_crc32": "0", "threads": 1}
    description |= {"cpus": [0], "command": "backprop-bench explain --profile quick"}
    first, second = tmp_path / "1-explain", tmp_path / "2-explain"
    for folder in (first, second):
        folder.mkdir()
        write_description(folder, description)
    (tmp_path / "latest-explanation").symlink_to(second.name, target_is_directory=True)
    return first, second, description


def test_a_run_in_the_same_circumstances_is_found_once_and_never_itself(beside: tuple[Path, Path, Row]) -> None:
    first, second, _ = beside
    assert [run.name for run in unchanged_runs(second)] == [first.name]
    assert [run.name for run in unchanged_runs(first.parent / "latest-explanation")] == [first.name]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("command", "backprop-bench race --seeds 2"),
        ("dataset_crc32", "1"),
        ("threads", 2),
        ("environment.cpu.model", "b"),
        ("environment.packages.numpy", "3"),
        ("environment.source_crc32", "2"),
    ],
)
def test_a_run_in_other_circumstances_is_not_reused(beside: tuple[Path, Path, Row], field: str, value: object) -> None:
    first, second, description = beside
    changed = json.loads(json.dumps(description))
    *path, last = field.split(".")
    at = changed
    for name in path:
        at = at[name]
    at[last] = value
    write_description(first, changed)
    assert list(unchanged_runs(second)) == []


def test_a_commit_changes_no_circumstances_and_a_run_that_cannot_be_read_is_passed_over(
    beside: tuple[Path, Path, Row],
) -> None:
    first, second, description = beside
    environment = {**description["environment"], "checkout": {"commit": "y"}}
    write_description(first, {**description, "environment": environment})
    assert len(list(unchanged_runs(second))) == 1
    (first / "records.jsonl").write_text("nonsense\n")
    assert list(unchanged_runs(second)) == []


def small_plan(dataset: Dataset) -> Plan:
    return plan_explanation(dataset, dataclasses.replace(SMALL, seeds=1))


def test_jobs_are_equal_where_they_compute_the_same_and_read_back_as_they_were(tmp_path: Path, tiny: str) -> None:
    dataset = load_dataset(tiny)
    jobs = search_jobs(question_named(small_plan(dataset), "accuracy"), threads=1)
    assert len(jobs) == len(set(jobs)) == 2 * 2
    first = jobs[0]
    assert Job.from_dict(json.loads(json.dumps(first.to_dict()))) == first
    assert dataclasses.replace(first, label="another name") == first
    assert dataclasses.replace(first, seed=7) != first
    assert (first.examples, first.held_out) == (200, 40)


def test_the_search_is_evaluated_on_examples_held_out_and_not_on_the_test_examples(tmp_path: Path, tiny: str) -> None:
    dataset = load_dataset(tiny)
    spoilt = dataclasses.replace(dataset, x_test=255 - dataset.x_test)
    job = search_jobs(question_named(small_plan(dataset), "accuracy"), threads=1)[0]
    curves = []
    for examples in (dataset, spoilt):
        with Forms(examples) as forms:
            rows = carry_out(job, forms)
            assert isinstance(rows, list), rows
            curves.append([[point[2] for point in row.curve] for row in rows if isinstance(row, Search)])
    assert curves[0] == curves[1]


def describe_small(dataset: Dataset) -> Row:
    return {
        "plan": to_plain(small_plan(dataset)),
        "environment": {"cpu": {"model": "a"}},
        "dataset": dataset.name,
        "dataset_crc32": dataset.fingerprint(),
        "threads": 1,
        "cpus": [0],
        "command": "backprop-bench explain",
    }


DRIVER = f"""
import sys
from pathlib import Path
from backprop_bench.bench.core.records.writer import Recorder
from backprop_bench.bench.explain import measure as explain
from backprop_bench.bench.core.engine.run_log import RunLog
from backprop_bench.bench.core.engine.context import RunContext
from backprop_bench.bench.core.records.reader import read_description, read_records
from backprop_bench.bench.core.engine.jobs import Here
from backprop_bench.data import load_dataset
from backprop_bench.bench.core.engine.progress import Silent

for name, value in {FAST!r}.items():
    setattr(explain, name, value)
folder = Path(sys.argv[1])
description = read_description(folder)
plan, dataset = description.plan, load_dataset(description.dataset)
with Recorder(folder) as recorder:
    run = RunContext(plan, dataset, 1, RunLog(recorder, read_records(folder)), Silent())
    explain.train_accuracies(run, Here(dataset, 1), {{}})
"""


@pytest.mark.slow
def test_a_run_killed_again_and_again_ends_with_the_accuracies_of_an_uninterrupted_one(
    tmp_path: Path, tiny: str, trained: str
) -> None:
    uninterrupted, killed = tmp_path / "uninterrupted", tmp_path / "killed"
    for folder in (uninterrupted, killed):
        folder.mkdir()
        write_description(folder, describe_small(load_dataset(tiny)))
    (uninterrupted / "records.jsonl").write_text(trained)
    random.seed(0)
    command = [sys.executable, "-c", DRIVER, str(killed)]
    root = Path(__file__).parents[2]
    for number in range(3):
        driver = subprocess.Popen(command, cwd=root)
        before, deadline = len(read_rows(killed)), time.monotonic() + 60
        while number % 2 and len(read_rows(killed)) <= before and driver.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)  # every other time not before something was recorded
        time.sleep(random.uniform(0, 1.0))
        if driver.poll() is not None:
            break
        driver.send_signal(signal.SIGKILL)
        driver.wait()
    assert subprocess.run(command, cwd=root, check=False).returncode == 0
    rows = read_rows(killed)
    assert max(row["session"] for row in rows) >= 1, "it was killed"
    assert accuracies_of(rows) == accuracies_of(read_rows(uninterrupted))
    assert rows_of(rows, "failure") == []


@pytest.mark.slow
def test_what_a_power_cut_has_left_of_a_training_is_made_whole_and_not_doubled(
    tmp_path: Path, tiny: str, trained: str
) -> None:
    dataset = load_dataset(tiny)
    (tmp_path / "records.jsonl").write_text(trained)
    rows = read_rows(tmp_path)
    last = rows_of(rows, "epoch", epoch=1)[-1]
    (tmp_path / "records.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows if row != last))
    with Recorder(tmp_path) as recorder:
        left = read_records(tmp_path)
        train_accuracies(
            RunContext(small_plan(dataset), dataset, 1, RunLog(recorder, left), Silent()), Here(dataset, 1), {}
        )
    assert accuracies_of(read_rows(tmp_path)) == accuracies_of(rows)


@pytest.mark.parametrize("words", [["--fresh"], ["--profile", "quick"]])
def test_what_decides_on_a_run_is_refused_beside_resume(tmp_path: Path, tiny: str, words: list[str]) -> None:
    result = CliRunner().invoke(main, ["explain", "--resume", *words])
    assert result.exit_code == 2
    assert f"{words[0]} is given beside --resume" in result.output
