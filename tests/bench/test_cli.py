"""The command line: what a user types, and what wrong input gets."""

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click import Command, Context
from click.testing import CliRunner, Result

from backprop_bench.bench.cli.main import EXIT_CODES, main
from backprop_bench.bench.cli.questions import descriptor
from backprop_bench.bench.cli.running import command_words
from backprop_bench.bench.core.engine.runner import Runner
from backprop_bench.bench.core.machine.environment import environment, usable_core_numbers, usable_cores
from backprop_bench.bench.core.records.run_folder import new_run_folder
from backprop_bench.bench.micro.command import MICRO, forget_folders
from backprop_bench.bench.selftest import plan as trials
from backprop_bench.bench.selftest.analysis import Calibration
from backprop_bench.data import ExtendedRecipe, InputError, load_dataset
from tests.bench.plain import read_rows
from tests.bench.recorded import recorded_run, write_run
from tests.bench.refusal import refused
from tests.tiny import write_tiny_dataset

Run = Callable[..., Result]
ODD = Path(__file__).with_name("odd_trainers.py")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in an empty folder, as somebody who has installed it."""
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_tiny_dataset(tmp_path_factory.mktemp("tiny"), 200, 60)


def write_csv(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("command", [["compare", "--dataset"], ["train", "scratch-numpy", "--dataset"]])
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("1,2,3", ["line 2", "3"]),
        ("1,2,3,x,5", ["line 2"]),
        ("1,2,3,nan,5", ["line 2"]),
        ("1,2,1e999,4,5", ["line 2", "1e999"]),
        (",2,3,4,5", ["line 2", "empty"]),
    ],
)
def test_a_bad_csv_line_is_named(run: Run, tmp_path: Path, command: list[str], line: str, words: list[str]) -> None:
    path = write_csv(tmp_path / "bad.csv", "0,1,2,3,4", line, "1,1,2,3,4")
    refused(run(*command, path), "bad.csv", *words)
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--layer-sizes", "784-0-10"], "layer_sizes"),
        (["--layer-sizes", "784-x-10"], "layer sizes"),
        (["--batch-size", "0"], "batch_size"),
        (["--learning-rate", "nan"], "learning_rate"),
        (["--output-activation", "tanh"], "tanh"),
        (["--no-half"], "half"),
        (["--optimizer", "newton"], "newton"),
        (["--momentum", "0.9"], "momentum"),
        (["--layer-sizes", "100-10"], "784"),
        (["--dataset", "imagenet"], "imagenet"),
        (["--hold-out", "60000"], "hold out"),
        (["--threads", "100000"], "cores"),
        (["--json", "missing/folder/out.json"], "out.json"),
    ],
)
def test_an_impossible_recipe_or_option_is_named(run: Run, options: list[str], word: str) -> None:
    refused(run("train", "scratch-numpy", *options), word)


@pytest.mark.parametrize("name", ["scratch-fortran", "missing.py:Mine"])
def test_an_unknown_implementation_is_named(run: Run, name: str) -> None:
    refused(run("train", name), name.split(":")[0])
    refused(run("compare", "--implementation", name), name.split(":")[0])


def test_results_that_cannot_be_written_are_named_before_anything_is_measured(run: Run, tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file, no folder")
    refused(run("compare", "--profile", "quick"), "results", "cannot write")
    refused(run("micro"), "results")


def test_more_threads_than_cores_are_refused(run: Run) -> None:
    refused(run("compare", "--threads", usable_cores() + 1), "cores")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--target", "0"], ["--target is 0 %", "more than 0"]),
        (["--target", "-2"], ["--target is -2 %"]),
        (["--target", "nan"], ["--target"]),
        (["--budget", "0.01"], ["--budget is 0.01 s", "two rounds"]),
        (["--budget", "nan"], ["--budget"]),
        (["--budget", "inf"], ["--budget"]),
        (["--cpus", "4000-4001"], ["--cpus 4000-4001 leaves no core"]),
        (["--cpus", "first"], ["--cpus is 'first'"]),
    ],
)
@pytest.mark.parametrize("command", ["compare", "calibrate"])
def test_a_timing_that_cannot_be_is_refused_before_anything_is_written(
    run: Run, tmp_path: Path, command: str, options: list[str], words: list[str]
) -> None:
    refused(run(command, *options), *words)
    assert not (tmp_path / "results").exists()


@pytest.fixture
def short_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a trial end after two process replicates."""
    monkeypatch.setattr(trials, "MIN_REPLICATES", 2)
    monkeypatch.setattr(trials, "TRIAL_ROUNDS", 10)
    monkeypatch.setattr(trials, "OVERHEAD_ROUNDS", 4)


@pytest.mark.slow
@pytest.mark.usefixtures("short_trials")
def test_trials_are_counted_and_those_that_were_stopped_go_on(run: Run, tiny: str, tmp_path: Path) -> None:
    result = run("calibrate", "--dataset", tiny, "--trials", 2, "--slowed", 1, "--slowdown", 50, "--target", 99)
    assert result.exit_code == 0, result.output
    assert "of 2 A/A tests" in " ".join(result.output.split())
    folder = tmp_path / "results" / "latest-calibration"
    assert not (tmp_path / "results" / "latest").exists(), "that is for runs of compare"
    found = Calibration.from_dict(json.loads((folder / "calibration.json").read_text()))
    assert [(item.injected, len(item.trials)) for item in found.slowdowns] == [(0.0, 2), (0.5, 1)]
    assert found.injected[0].bias == pytest.approx(1, abs=0.3)
    rows = [row for row in read_rows(folder) if row["question"] != "trial-002"]
    (folder / "records.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run("calibrate", "--resume").exit_code == 0
    assert read_rows(folder)[: len(rows)] == rows
    assert {row["question"] for row in read_rows(folder) if row["session"] == 1} == {"trial-002"}
    refused(run("compare", "--resume", folder), "backprop-bench calibrate")
    drawn = run("report", folder)
    assert drawn.exit_code == 0, drawn.output
    assert "have a 95 % CI that excludes 1" in " ".join(drawn.output.split())


@pytest.mark.slow
@pytest.mark.usefixtures("short_trials")
def test_what_measures_the_cost_of_being_cut_is_timed_apart(run: Run, tiny: str, tmp_path: Path) -> None:
    words = ["calibrate", "--dataset", tiny, "--trials", 0, "--slowed", 0]
    result = run(*words, "--cost", 1, "--target", 99)
    assert result.exit_code == 0, result.output
    assert "block-switching overhead" in result.output
    blocks = [row for row in read_rows(tmp_path / "results" / "latest-calibration") if row["kind"] == "block"]
    assert len({row["implementation"] for row in blocks}) == 2
    for name in ("later", "single"):
        assert min(row[f"{name}_wall_s"] for row in blocks) > 0
        assert sum(row[f"{name}_examples"] for row in blocks) == pytest.approx(
            sum(row["examples"] for row in blocks), rel=0.2
        ), "epochs end in between"
    assert all(row["single_calls"] >= row["later_calls"] for row in blocks)
    assert any(row["single_calls"] > row["later_calls"] for row in blocks)
    refused(run(*words), "--trials, --slowed and --cost are 0")


@pytest.mark.slow
def test_trials_at_once_are_each_on_cores_of_their_own(run: Run, tiny: str, tmp_path: Path) -> None:
    if usable_cores() < 2:
        pytest.skip("there is one core")
    words = ["calibrate", "--dataset", tiny, "--trials", 2, "--slowed", 0, "--budget", 2, "--at-once", 2]
    assert run(*words).exit_code == 0
    rows = read_rows(tmp_path / "results" / "latest-calibration")
    cores = {row["question"]: set(map(tuple, (row["cores"],))) for row in rows if row["kind"] == "start"}
    assert len(set.union(*cores.values())) == 2
    refused(run(*words[:-1], 1000), "--at-once is 1000")


@pytest.mark.slow
def test_a_trial_in_which_the_implementation_breaks_is_a_failure(run: Run, tmp_path: Path) -> None:
    dataset = write_tiny_dataset(tmp_path, 300, 60)
    words = ["--implementation", f"{ODD}:Raising", "--dataset", dataset, "--trials", 1, "--slowed", 0, "--budget", 2]
    result = run("calibrate", *words)
    assert result.exit_code == 1, result.output
    assert "no luck" in result.output


@pytest.mark.slow
def test_runs_are_compared_with_each_other_and_unlike_ones_are_refused(run: Run, tmp_path: Path) -> None:
    first, second, unlike = (tmp_path / name for name in ("first", "second", "unlike"))
    for folder, threads in ((first, 1), (second, 1), (unlike, 2)):
        write_run(folder, "compare", *recorded_run(), threads)
    result = run("repeatability", f"one={first}", f"two={second}", "--out", "out")
    assert result.exit_code == 0, result.output
    written = json.loads((tmp_path / "out" / "repeatability.json").read_text())
    assert written["runs"] == ["one", "two"]
    assert (tmp_path / "out" / "repeatability.png").is_file()
    printed = run("repeatability", first, second, "--table", "every", "--format", "csv")
    assert printed.stdout.startswith("time ratio,run,"), printed.output
    refused(run("repeatability", first, unlike), "differ in the")
    refused(run("repeatability", first), "expected at least 2")


def test_an_option_beside_resume_is_refused_rather_than_ignored(run: Run, tmp_path: Path) -> None:
    refused(run("compare", "--resume", tmp_path, "--threads", 1), "--threads is given beside --resume")


def test_a_folder_without_a_run_can_be_neither_resumed_nor_reported(run: Run, tmp_path: Path) -> None:
    refused(run("compare", "--resume"), "holds no run")
    refused(run("compare", "--resume", tmp_path), "holds no run")
    refused(run("report", tmp_path), "holds no run")


def test_every_field_of_a_recipe_is_an_option_of_train(run: Run) -> None:
    text = run("train", "--help").output
    for field in dataclasses.fields(ExtendedRecipe):
        assert f"--{field.name.replace('_', '-')}" in text


def test_list_names_what_there_is(run: Run) -> None:
    result = run("list")
    assert result.exit_code == 0
    for word in ("scratch-numpy", "torch-eager", "article-scratch", "fashion-mnist"):
        assert word in result.output
    recipes = run("list", "--table", "recipes", "--format", "json")
    assert "article-scratch" in [row[0] for row in json.loads(recipes.stdout)["rows"]]


def command_named(name: str) -> Command:
    command = main.get_command(Context(main), name)
    assert command is not None
    return command


@pytest.mark.parametrize("name", main.list_commands(Context(main)))
def test_every_help_has_the_exit_codes_and_examples_whose_options_exist(run: Run, name: str) -> None:
    result = run(name, "--help")
    assert result.exit_code == 0
    assert " ".join(EXIT_CODES.split()) in " ".join(result.output.split())
    lines = result.output.partition("Examples:\n")[2].partition("\n\n")[0].splitlines()
    examples = [line.split() for line in lines if line.startswith("    backprop-bench")]
    assert examples
    options = {option for parameter in command_named(name).params for option in parameter.opts}
    for words in examples:
        assert words[1] == name
        assert {word for word in words if word.startswith("--")} <= options


def test_the_page_on_commands_says_what_the_exit_codes_mean() -> None:
    page = (Path(__file__).parents[2] / "docs" / "commands.md").read_text(encoding="utf-8")
    assert EXIT_CODES in " ".join(page.split())
    assert (MICRO / "bench_parts.py").is_file()


def test_train_prints_an_accuracy_per_epoch_and_writes_json(run: Run, tiny: str, tmp_path: Path) -> None:
    changes = ["--layer-sizes", "16-8-3", "--epochs", 3, "--batch-size", 8, "--seed", 5]
    result = run("train", "scratch-numpy", "--dataset", tiny, *changes, "--json", "out.json")
    assert result.exit_code == 0, result.output
    outcome = json.loads((tmp_path / "out.json").read_text())
    assert [row["epoch"] for row in outcome["epochs"]] == [0, 1, 2, 3]
    assert outcome["recipe"]["seed"] == 5
    assert outcome["epochs"][3]["accuracy"] > outcome["epochs"][0]["accuracy"]
    last = f"{outcome['epochs'][3]['accuracy']:.2%}"
    assert last in result.output
    printed = run("train", "scratch-numpy", "--dataset", tiny, *changes, "--format", "csv")
    assert [line.split(",")[1] for line in printed.stdout.splitlines()][-1] == last


def test_train_says_that_a_training_has_diverged_and_stops(run: Run, tiny: str) -> None:
    changes = ["--output-activation", "identity", "--loss", "squared_error", "--learning-rate", "1e6"]
    result = run("train", "scratch-numpy", "--dataset", tiny, *changes, "--epochs", "50")
    assert result.exit_code == 0
    assert "diverged" in result.output
    assert len(result.output.splitlines()) < 40


@pytest.mark.slow
def test_compare_stopped_by_ctrl_c_keeps_what_it_has_and_resume_completes_it(
    run: Run, tiny: str, tmp_path: Path, leave_out_figures: Callable[[], None]
) -> None:
    command = [sys.executable, "-m", "backprop_bench", "compare", "--profile", "quick", "--dataset", tiny]
    command += ["--implementation", "scratch-numpy", "--budget", "3"]
    driver = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    folder = tmp_path / "results" / "latest"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and driver.poll() is None:
        with contextlib.suppress(OSError):
            if any(row["kind"] == "epoch" for row in read_rows(folder)):
                break
        time.sleep(0.02)
    driver.send_signal(signal.SIGINT)
    _, said = driver.communicate(timeout=120)
    assert driver.returncode == 130, said
    assert "--resume" in said
    assert "Traceback" not in said
    before = read_rows(folder)
    result = run("compare", "--resume")
    assert result.exit_code == 0, result.output
    assert read_rows(folder)[: len(before)] == before
    assert (folder / "report.html").is_file()
    assert (folder / "figures" / "overview.png").is_file()
    leave_out_figures()
    printed = run("compare", "--resume", "--format", "json")
    assert json.loads(printed.stdout)["sentences"], "files are named on the other stream"
    description = json.loads((folder / "run.json").read_text())
    description["environment"]["packages"]["numpy"] = "0.1"
    (folder / "run.json").write_text(json.dumps(description))
    refused(run("compare", "--resume"), "numpy", "0.1", "cannot be resumed")


@pytest.mark.parametrize(
    "words",
    [
        "--layer-sizes 784-30-10 --batch-size all --learning-rate 1.0",
        "--no-bias --no-half --loss squared_error --output-activation sigmoid --input-range 0.01 1",
        "--optimizer momentum --momentum 0.9 --schedule 1:0.1:0,3:0.01:0.5 --no-shuffle",
        "--first-layer-blocks 24:6,12:6 --error-dead-zone 0.2 0.8 --skip-connection",
    ],
)
def test_the_recorded_words_repeat_a_run_of_any_recipe(words: str) -> None:
    compare = descriptor("compare").command
    context = compare.make_context("compare", words.split())
    assert compare.make_context("compare", command_words(context)[1:]).params == context.params


def test_the_recorded_words_repeat_a_run_to_the_last_digit() -> None:
    words = ["--budget", "1234567.5", "--target", "1.2345678"]
    context = descriptor("compare").command.make_context("compare", words)
    again = descriptor("compare").command.make_context("compare", command_words(context)[1:])
    assert again.params == context.params
    assert "1234567.5" in command_words(context)


def test_a_path_that_cannot_be_recorded_is_named_before_a_folder_is_made(run: Run, tmp_path: Path) -> None:
    (tmp_path / "\udcff.csv").write_text("".join(f"{row % 2}," + ",".join(["0", "9"] * 392) + "\n" for row in range(9)))
    command = ["compare", "--dataset", "\udcff.csv,\udcff.csv", "--implementation", "scratch-numpy"]
    refused(run(*command), "expected text in UTF-8")
    assert not (tmp_path / "results").exists()


def test_an_answer_with_other_letters_is_read_in_every_locale() -> None:
    program = """
from typing import Any
from backprop_bench.bench.core.worker.client import Worker, WorkerError
with Worker(1) as worker:
    try:
        worker.ask("verify.handlers:\\u00fc", Any)
    except WorkerError as error:
        print(ascii(str(error)))
"""
    environment = {**os.environ, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "xfc" in done.stdout


def test_a_run_whose_dataset_has_changed_is_not_resumed(run: Run, tiny: str, tmp_path: Path) -> None:
    folder = tmp_path / "results" / "run"
    folder.mkdir(parents=True)
    description = {
        "plan": {"questions": [], "part_blocks": 0, "part_seconds": 0.0, "verification_steps": None},
        "environment": environment().to_dict(),
        "threads": 1,
        "cpus": list(usable_core_numbers()),
        "command": "backprop-bench compare",
        "dataset": tiny,
        "dataset_crc32": load_dataset(tiny).subset(100).fingerprint(),
    }
    (folder / "run.json").write_text(json.dumps(description))
    refused(run("compare", "--resume", folder), "have changed since it was started")


def test_a_run_whose_own_implementation_has_changed_is_not_resumed(
    run: Run, tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Runner, "run", lambda _: None)  # a run that was stopped before it did anything
    source = "from backprop_bench.scratch.numpy_trainer import NumpyTrainer\n\nclass Mine(NumpyTrainer):\n    pass\n"
    (tmp_path / "mine.py").write_text(source)
    entries = ["--implementation", "mine.py:Mine", "--dataset", tiny, "--profile", "quick", "--budget", 1]
    assert run("compare", *entries).exit_code == 0
    (tmp_path / "mine.py").write_text(source + "# changed\n")
    refused(run("compare", "--resume"), "the file of mine.py:Mine has changed")


@pytest.mark.parametrize("command", ["compare", "calibrate"])
@pytest.mark.parametrize("content", ["{}", "[]", "[1]", '{"plan": {}', ""])
def test_a_description_that_is_none_is_refused(run: Run, tmp_path: Path, content: str, command: str) -> None:
    (tmp_path / "run.json").write_text(content)
    refused(run("report", tmp_path), "run.json is not the description of a run")
    refused(run(command, "--resume", tmp_path), "run.json is not the description of a run")


def test_micro_benchmarks_without_a_run_do_not_stand_in_the_way_of_one(tmp_path: Path) -> None:
    (tmp_path / "latest").mkdir()
    with pytest.raises(InputError, match="latest is no link"):
        new_run_folder(tmp_path, "quick")
    assert [path.name for path in tmp_path.iterdir()] == ["latest"]


def test_a_histogram_tells_no_folder_of_the_machine_it_was_made_on(tmp_path: Path) -> None:
    histogram = tmp_path / "micro-step.svg"
    histogram.write_text('<script xlink:href="file:///home/somebody/tips.js"/><text>σ</text>', encoding="utf-8")
    forget_folders(histogram)
    assert histogram.read_text(encoding="utf-8") == '<script xlink:href="tips.js"/><text>σ</text>'


@pytest.mark.slow
def test_parity_of_an_implementation_without_float32_is_shown_in_float64(run: Run) -> None:
    words = ("--layer-sizes", "784-3-10", "--batch-size", 4, "--steps", 3, "--format", "json")
    result = run("parity", "scratch-python", *words)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert "Equal in float64" in found["sentences"][0]
    assert "Not compared in float32" in found["sentences"][1]
    assert [table["columns"][:3] for table in found["tables"]] == [["quantity", "layer 1", "layer 2"]]


@pytest.mark.slow
def test_parity_of_a_recipe_that_diverges_is_not_verified_rather_than_unequal(run: Run, tiny: str) -> None:
    result = run("parity", "--learning-rate", "1e6", "--steps", 20, "--dataset", tiny, "--hidden-activation", "relu")
    assert result.exit_code == 1
    assert "diverges within 20 steps" in " ".join(result.output.split())


OWN_NAMES = ("data", "bench", "scratch", "torch_impl", "peers", "utils")
"""Modules that people have beside their network; all but the last are folders of the suite as well."""


def write_own_network(folder: Path, number: int = 1) -> str:
    """Write a network that imports what lies beside it, and return how a command names it."""
    folder.mkdir(exist_ok=True)
    for name in OWN_NAMES:
        (folder / f"{name}.py").write_text(f"NUMBER = {number}\n")
    (folder / "mine.py").write_text(
        "from backprop_bench.scratch.numpy_trainer import NumpyTrainer\n"
        f"import {', '.join(OWN_NAMES)}\n"
        f"assert [{', '.join(f'{name}.NUMBER' for name in OWN_NAMES)}] == {[number] * len(OWN_NAMES)}\n"
        "class Mine(NumpyTrainer):\n    pass\n"
    )
    return f"{folder / 'mine.py'}:Mine"


@pytest.mark.slow
def test_a_file_of_your_own_imports_what_lies_beside_it_whatever_its_name(tmp_path: Path) -> None:
    write_own_network(tmp_path)
    words = ["parity", "mine.py:Mine", "--layer-sizes", "784-3-10", "--steps", "10", "--dtype", "float64"]
    command = [sys.executable, "-m", "backprop_bench", *words]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "Equal in float64" in result.stdout


def test_two_files_of_your_own_in_two_folders_each_have_their_own_modules(run: Run, tmp_path: Path) -> None:
    first, second = (write_own_network(tmp_path / name, number) for number, name in enumerate(("one", "two")))
    sizes = ("--layer-sizes", "784-3-10", "--steps", 10, "--dtype", "float64")
    result = run("parity", first, "--against", second, *sizes)
    assert result.exit_code == 0, result.output


def test_a_file_of_your_own_may_be_named_like_a_package_of_the_suite(run: Run, tmp_path: Path) -> None:
    source = "from backprop_bench.scratch.numpy_trainer import NumpyTrainer\n\nclass Mine(NumpyTrainer):\n    pass\n"
    (tmp_path / "data.py").write_text(source)
    result = run("parity", "data.py:Mine", "--layer-sizes", "784-3-10", "--steps", 10, "--dtype", "float64")
    assert result.exit_code == 0, result.output
    (tmp_path / "three.py").write_text("Mine = 3\n")
    refused(run("parity", "three.py:Mine", "--dtype", "float64"), "Mine is no class")


def test_help_shows_examples_one_per_line(run: Run) -> None:
    lines = run("compare", "--help").output.splitlines()
    assert "    backprop-bench compare --resume" in lines
