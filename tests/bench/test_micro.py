"""The micro-benchmarks: what they train, how they are counted per example, and where pytest-benchmark finds them."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from backprop_bench.bench.cli.main import main
from backprop_bench.bench.micro.extent import BATCH_SIZES, EPOCH_EXAMPLES, PROFILES, epoch_examples
from backprop_bench.bench.micro.view import how_to_compare, per_example_table
from tests.bench.refusal import refused
from tests.tiny import write_tiny_dataset

Run = Callable[..., Result]
ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
ODD = Path(__file__).with_name("odd_trainers.py")
MINE = """
from pathlib import Path
from backprop_bench.scratch.numpy_trainer import NumpyTrainer

class Mine(NumpyTrainer):
    def step_parts(self, x, t, examples):
        with Path("trained.txt").open("a") as file:
            print(self.recipe.batch_size, len({row.tobytes() for row in x[examples]}), file=file)
        return super().step_parts(x, t, examples)
"""
SIZES = (1, 64, 512)
PARTS = {"fetch", "forward", "backward", "update", "step", "epoch"}


def benchmarks_of(folder: Path) -> list[dict[str, Any]]:
    benchmarks: list[dict[str, Any]] = json.loads((folder / "micro.json").read_text("utf-8"))["benchmarks"]
    return benchmarks


def call(folder: Path, *words: object, code: int = 0) -> str:
    """Run a module of Python in a folder as in a shell, not as within these tests; returns what it prints."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    command = [sys.executable, "-m", *map(str, words)]
    done = subprocess.run(command, cwd=folder, env=outside, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return a folder in which four implementations were timed, and what the command printed."""
    folder = tmp_path_factory.mktemp("micro")
    (folder / "mine.py").write_text(MINE)
    dataset = write_tiny_dataset(folder, 600, 60)
    names = ("scratch-numpy", "mine.py:Mine", f"{ODD}:Refusing", f"{EXAMPLES / 'correct.py'}:Correct")
    chosen = [word for name in names for word in ("--implementation", name)]
    printed = call(folder, "backprop_bench", "micro", *chosen, "--dataset", dataset, "--profile", "quick")
    return folder, printed


@pytest.mark.slow
def test_a_batch_has_as_many_different_examples_as_its_name_says(measured: tuple[Path, str]) -> None:
    folder, _ = measured
    trained = {tuple(map(int, line.split())) for line in (folder / "trained.txt").read_text().splitlines()}
    assert trained == {(size, size) for size in SIZES}
    found = benchmarks_of(folder / "results" / "latest")
    assert {benchmark["extra_info"]["batch_size"] for benchmark in found} == set(SIZES)
    for benchmark in found:
        info = benchmark["extra_info"]
        assert benchmark["group"] == f"{info['part']}-batch-{info['batch_size']}"
        if info["part"] == "epoch":
            assert info["examples"] == epoch_examples(info["batch_size"], 600)
        else:
            assert info["examples"] == info["batch_size"]


@pytest.mark.slow
def test_every_benchmark_has_its_median_per_example(measured: tuple[Path, str]) -> None:
    for benchmark in benchmarks_of(measured[0] / "results" / "latest"):
        info, stats = benchmark["extra_info"], benchmark["stats"]
        assert info["us_per_example"] == pytest.approx(1e6 * stats["median"] / info["examples"])
        assert stats["rounds"] >= 5
        assert stats["iqr"] >= 0


@pytest.mark.slow
def test_own_implementations_are_timed_as_far_as_they_divide_their_steps(measured: tuple[Path, str]) -> None:
    folder, printed = measured
    parts: dict[str, set[str]] = {}
    for benchmark in benchmarks_of(folder / "results" / "latest"):
        parts.setdefault(benchmark["extra_info"]["implementation"], set()).add(benchmark["extra_info"]["part"])
    correct = f"{EXAMPLES / 'correct.py'}:Correct"
    assert parts == {"scratch-numpy": PARTS, "mine.py:Mine": PARTS, correct: {"epoch"}}
    assert "Refusing cannot do this recipe: bias: it has none" in printed
    assert "Correct has no method step_parts, so only its epochs are timed" in printed
    assert re.search(r"mine\.py:Mine, 512( +[\d.,]+){6}", printed)


@pytest.mark.slow
def test_every_group_has_a_histogram_named_by_part_and_batch_size(measured: tuple[Path, str]) -> None:
    drawn = {path.name for path in (measured[0] / "results" / "latest").glob("*.svg")}
    assert drawn == {f"micro-{part}-batch-{size}.svg" for part in PARTS for size in SIZES}


@pytest.mark.slow
def test_pytest_benchmark_lists_and_compares_the_runs(measured: tuple[Path, str]) -> None:
    folder, first = measured
    dataset = f"{folder / 'train.csv'},{folder / 'test.csv'}"
    options = ["--implementation", "scratch-numpy", "--batch-size", 3, "--batch-size", 1, "--profile", "quick"]
    second = call(folder, "backprop_bench", "micro", *options, "--dataset", dataset, "--folder", "other")
    listed = call(folder, "pytest_benchmark", "list").splitlines()
    assert [Path(line).name.partition("_")[0] for line in listed] == ["0001", "0002"]
    for printed in (first, second):
        command = shlex.split(printed.splitlines()[-1])
        assert command[:4] == ["pytest-benchmark", "compare", "0001", "0002"]
        compared = call(folder, "pytest_benchmark", *command[1:])
        assert re.search(r"'step-batch-1 scratch-numpy': 2 tests", compared)
    assert {benchmark["extra_info"]["batch_size"] for benchmark in benchmarks_of(folder / "other")} == {1, 3}


@pytest.mark.slow
def test_what_breaks_fails_the_run_and_the_others_are_kept(tmp_path: Path) -> None:
    dataset = write_tiny_dataset(tmp_path, 600, 60)
    words = ["--implementation", f"{ODD}:Raising", "--batch-size", 512, "--dataset", dataset, "--profile", "quick"]
    printed = call(tmp_path, "backprop_bench", "micro", *words, code=1)
    assert "no luck" in printed
    found = benchmarks_of(tmp_path / "results" / "latest")
    assert {benchmark["extra_info"]["part"] for benchmark in found} == PARTS - {"epoch"}


@pytest.mark.slow
def test_a_run_in_which_nothing_is_timed_leaves_no_results_of_an_earlier_one(tmp_path: Path) -> None:
    dataset = write_tiny_dataset(tmp_path, 60, 60)
    (tmp_path / "micro.json").write_text("{}")
    (tmp_path / "micro-step-batch-8.svg").write_text("<svg/>")
    words = ["--implementation", f"{ODD}:Refusing", "--batch-size", 4, "--dataset", dataset, "--folder", "."]
    printed = call(tmp_path, "backprop_bench", "micro", *words)
    assert "Refusing cannot do this recipe" in printed
    assert not list(tmp_path.glob("micro*"))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(main, ["micro", *map(str, words)])


def test_what_cannot_be_timed_is_named_before_anything_is_written(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("class Mine:\n    pass\n")
    dataset = write_tiny_dataset(tmp_path, 200, 60)
    refused(run("--implementation", "missing.py:Mine"), "missing.py does not exist")
    refused(run("--implementation", "mine.py:Other"), "mine.py has no class 'Other'")
    refused(run("--implementation", "mine.py:Mine"), "mine.py: Mine has no method train_epoch")
    refused(run("--implementation", "scratch-fortran"), "scratch-fortran")
    refused(run("--implementation", "numpy-products"), "trains nothing")
    refused(run("--dataset", "imagenet"), "imagenet")
    refused(run("--dataset", dataset), "--batch-size is 512", "200 training examples", "at most 200")
    assert not (tmp_path / "results").exists()
    assert not (tmp_path / ".benchmarks").exists()


def test_an_epoch_has_whole_batches_and_no_more_examples_than_there_are() -> None:
    assert [epoch_examples(size, 60_000) for size in SIZES] == [EPOCH_EXAMPLES, EPOCH_EXAMPLES, 512]
    assert epoch_examples(100, 60_000) == 200
    assert epoch_examples(100, 150) == 100
    assert epoch_examples(1, 30) == 30


def test_the_page_on_commands_says_how_often_each_profile_times() -> None:
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    for name, extent in PROFILES.items():
        assert f"| `{name}` | {extent.rounds:,} | {extent.seconds:g} s |" in page
    assert "batches of 1, 64 and 512 examples" in page
    assert BATCH_SIZES == SIZES
    assert f"of {EPOCH_EXAMPLES} examples\nat least" in page


def made_up(name: str, part: str, batch_size: int, us_per_example: float) -> dict[str, Any]:
    info = {"implementation": name, "part": part, "batch_size": batch_size, "us_per_example": us_per_example}
    return {"extra_info": info, "stats": {"rounds": 20}}


def test_the_table_has_a_row_for_each_implementation_and_batch_size_in_their_order() -> None:
    benchmarks = [made_up("b", "step", size, 10 / size) for size in (64, 1)]
    benchmarks += [made_up("a", "epoch", 64, 1.5), made_up("b", "fetch", 64, 0.0123)]
    assert per_example_table(benchmarks).rows == (
        ("b, 1", "–", "–", "–", "–", "10.0", "–"),
        ("b, 64", "0.0123", "–", "–", "–", "0.156", "–"),
        ("a, 64", "–", "–", "–", "–", "–", "1.50"),
    )


def test_a_run_is_compared_with_the_one_before_it_and_the_first_with_the_next() -> None:
    assert "compare 0001 0002 " in how_to_compare([], "0001_abc.json")
    assert "compare 0002 0003 " in how_to_compare(["0001_abc.json", "0002_abd.json"], "0003_abe.json")
