"""Implementations that installed packages register: found by name, imported when used, harmless when broken."""

import importlib.metadata
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from bench.cli.main import main
from bench.cli.running import own_files
from bench.implementations import GROUP, named_implementation, registered
from bench.run.plan import plan_comparison
from data import load_dataset
from tests.tiny import write_tiny_dataset

SIZES = ["--layer-sizes", "784-5-10", "--dtype", "float64", "--steps", "5"]


@pytest.fixture
def made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install a package that registers one implementation that is right, and some that are not."""
    folder = tmp_path / "site"
    (folder / "made_up-1.2.dist-info").mkdir(parents=True)
    (folder / "made_up-1.2.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: made-up\nVersion: 1.2\n")
    (folder / "made_up-1.2.dist-info" / "entry_points.txt").write_text(
        f"[{GROUP}]\nmade-up = made_up:Mine\nbroken = made_up_broken:Mine\ngone = no_such_module:Mine\n"
    )
    (folder / "made_up.py").write_text("from scratch.numpy_trainer import NumpyTrainer as Mine\n")
    (folder / "made_up_broken.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder


def register(monkeypatch: pytest.MonkeyPatch, *points: tuple[str, str, str]) -> None:
    """Let these be all entry points: name, value, and the name of the package."""

    def entry_points(group: str) -> Sequence[SimpleNamespace]:
        assert group == GROUP
        packages = {package: SimpleNamespace(name=package, version="1.0") for _, _, package in points}
        return [SimpleNamespace(name=name, value=value, dist=packages[package]) for name, value, package in points]

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)


def listed() -> str:
    result = CliRunner().invoke(main, ["list"], env={"COLUMNS": "300"})
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.usefixtures("made_up")
def test_a_registered_implementation_is_listed_and_proved_by_its_name() -> None:
    (line,) = (
        line for line in listed().splitlines() if "made-up " in line and "broken" not in line and "gone" not in line
    )
    assert "registered by made-up 1.2" in line
    assert "yes, by name" in line
    result = CliRunner().invoke(main, ["parity", "made-up", *SIZES])
    assert result.exit_code == 0, result.output
    assert "Equal in float64" in result.output


def test_listing_imports_neither_torch_nor_what_is_registered(made_up: Path) -> None:
    program = (
        "import sys; from bench.cli.main import main; main(['list'], standalone_mode=False); "
        "print('\\nimported:', {'torch', 'made_up', 'made_up_broken'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "made-up" in done.stdout, done.stderr
    assert done.stdout.endswith("imported: set()\n")


@pytest.mark.usefixtures("made_up")
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("broken", "Error: made_up_broken cannot be imported: ZeroDivisionError: division by zero"),
        ("gone", "Error: gone is unavailable: needs no_such_module, which is not installed"),
    ],
)
def test_a_broken_one_is_one_sentence(name: str, sentence: str) -> None:
    result = CliRunner().invoke(main, ["parity", name, *SIZES])
    assert result.exit_code == 2, result.output
    assert result.output.splitlines()[-1] == sentence


def test_one_that_is_registered_wrongly_is_listed_with_the_reason_and_spoils_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    register(
        monkeypatch,
        ("nonsense", "not a module", "one"),
        ("twice", "json:JSONDecoder", "one"),
        ("twice", "json:JSONDecoder", "two"),
        ("torch-eager", "json:JSONDecoder", "one"),
    )
    said = " ".join(listed().split())
    assert "its entry point is 'not a module', expected module:ClassName" in said
    assert "is registered twice, by one 1.0 and by two 1.0" in said
    assert "the suite has one of this name, which is the one that is used" in said
    assert named_implementation("torch-eager").side == "PyTorch"
    result = CliRunner().invoke(main, ["compare", "--implementation", "nonsense"])
    assert result.exit_code == 2
    assert "nonsense is unavailable: its entry point is" in result.output


def test_entry_points_that_cannot_be_read_leave_the_suites_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(group: str) -> Sequence[SimpleNamespace]:
        raise TypeError("one of the packages is broken")

    monkeypatch.setattr(importlib.metadata, "entry_points", unreadable)
    said = listed()
    assert "Left out: the entry points of the installed packages cannot be read: one of the packages is broken" in said
    assert "scratch-numpy" in said
    result = CliRunner().invoke(main, ["parity", "made-up"])
    assert result.exit_code == 2
    assert "cannot be read" in result.output


def test_an_unknown_name_is_answered_with_those_that_are_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, ("made-up", "json:JSONDecoder", "one"))
    result = CliRunner().invoke(main, ["parity", "made-down"])
    assert result.exit_code == 2
    assert "jax, made-up or path/to/file.py:ClassName" in " ".join(result.output.split())


def test_a_run_knows_the_version_that_it_was_begun_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, ("made-up", "json:JSONDecoder", "one"))
    dataset = load_dataset(write_tiny_dataset(tmp_path, 200, 60))
    assert own_files(plan_comparison("quick", dataset, ["scratch-numpy", "made-up"])) == {"made-up": "one 1.0"}


def test_without_packages_that_register_there_is_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch)
    assert registered() == {}
