"""Data of the user: what was understood is said before it is used, recorded, and can be said otherwise."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import backprop_bench as bb
from backprop_bench.bench.cli.main import main
from tests.bench.refusal import refused

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture
def flowers(tmp_path: Path) -> str:
    """Write 90 rows with semicolons, the species in the middle, and a column that could be a label, too."""
    rng = np.random.default_rng(1)
    lines = ["length;species;width;site"]
    for row in range(90):
        kind = row % 3
        length, width = 2 + kind + rng.random(), 5 - kind + rng.random()
        lines.append(f"{length:.2f};{('setosa', 'versicolor', 'virginica')[kind]};{width:.2f};{rng.integers(0, 4)}")
    (tmp_path / "flowers.csv").write_text("\n".join(lines) + "\n")
    return "flowers.csv"


def test_what_was_understood_is_said_before_it_is_used(run: Run, flowers: str) -> None:
    result = run("train", "scratch-numpy", "--dataset", flowers, "--epochs", 1, "--batch-size", 5, "--format", "json")
    assert result.exit_code == 0, result.output
    assert result.stderr.splitlines()[0] == (
        "flowers.csv: 78 training and 12 test examples, 3 inputs, values 0 to 5.96, 3 classes (setosa, versicolor, "
        "virginica); label column 'species' (by its name); a seventh of each class held out for testing."
    )
    json.loads(result.stdout)


def test_mnist_needs_no_explanation(run: Run) -> None:
    result = run("train", "scratch-numpy", "--epochs", 1, "--examples", 100)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""


def test_options_say_otherwise(run: Run, flowers: str) -> None:
    words = ("--label", "site", "--largest", 10, "--test-share", 0.5)
    refused(
        run("train", "scratch-numpy", "--dataset", flowers, *words), "column 'species' is 'setosa', expected a number"
    )
    table = np.genfromtxt(flowers, delimiter=";", skip_header=1)[:, [0, 2, 3]]
    np.savetxt("numbers.csv", table, delimiter=",", header="length,width,site", comments="", fmt="%g")
    result = run("train", "scratch-numpy", "--dataset", "numbers.csv", *words, "--epochs", 1, "--batch-size", 5)
    assert result.exit_code == 0, result.output
    assert (
        "45 training and 45 test examples, 2 inputs, values 0 to 10, 4 classes; label column 'site' (as given)"
        in result.stderr
    )


@pytest.mark.slow
def test_a_run_records_how_its_data_were_read_and_resumes_with_them(run: Run, flowers: str, tmp_path: Path) -> None:
    words = ("--dataset", flowers, "--label", "species", "--test-share", 0.2)
    result = run(
        "compare", "--profile", "quick", "--only-times", "--budget", 1, *words, "--implementation", "scratch-numpy"
    )
    assert result.exit_code == 0, result.output
    description = json.loads((tmp_path / "results" / "latest" / "run.json").read_text())
    assert description["dataset"] == "flowers.csv?label=species&test-share=0.2"
    assert "--label species --test-share 0.2" in description["command"]
    assert "20 % of each class held out for testing" in description["dataset_summary"]
    report = (tmp_path / "results" / "latest" / "report.md").read_text()
    assert r"Data: flowers.csv?label=species\&test-share=0.2: 72 training and 18 test examples" in report
    resumed = run("compare", "--resume")
    assert resumed.exit_code == 0, resumed.output


def test_test_classes_that_training_lacks_are_warned_of(run: Run, tmp_path: Path) -> None:
    for name, n_classes in (("train", 2), ("test", 3)):
        rows = (f"{row % n_classes},{row % 7},{row % 5}" for row in range(60))
        (tmp_path / f"{name}.csv").write_text("label,a,b\n" + "\n".join(rows) + "\n")
    result = run("train", "scratch-numpy", "--dataset", "train.csv,test.csv", "--epochs", 1, "--batch-size", 5)
    assert result.exit_code == 0, result.output
    assert "Warning: test examples of 2 are of no class that the training examples have" in result.stderr


@pytest.mark.parametrize(
    "command", [["train", "scratch-numpy"], ["compare"], ["parity"], ["micro"], ["vectors", "--out", "x"]]
)
def test_every_command_refuses_bad_data_in_one_sentence(run: Run, command: list[str], tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("<html><body>Please sign in</body></html>")
    refused(run(*command, "--dataset", "train.csv"), "train.csv: is a web page")


def test_a_check_says_what_it_understood_too(
    flowers: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    checked = bb.check("scratch-numpy", dataset=f"{flowers}?label=species&test-share=0.2", batch_size=5)
    assert checked.ok
    assert "72 training and 18 test examples" in capsys.readouterr().err
