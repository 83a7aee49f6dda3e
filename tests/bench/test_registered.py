"""Implementations that installed packages register: found by name, imported when used, harmless when broken."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from backprop_bench.bench.cli.main import main
from backprop_bench.bench.cli.running import own_files
from backprop_bench.bench.compare.plan import plan_comparison
from backprop_bench.bench.core.implementations import GROUP, named_implementation, registered
from backprop_bench.data import load_dataset
from tests.tiny import write_tiny_dataset

SIZES = ["--layer-sizes", "784-5-10", "--dtype", "float64", "--steps", "5"]


def install(folder: Path, name: str, entry_points: str) -> None:
    """Let a package have this file of entry points."""
    info = folder / f"{name.replace('-', '_')}-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(entry_points)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder of packages that Python finds, here and in the processes that are started."""
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    return tmp_path / "site"


@pytest.fixture
def made_up(site: Path) -> Path:
    """Install a package that registers one implementation that is right, and some that are not."""
    install(
        site,
        "made-up",
        f"[{GROUP}]\nmade-up = made_up:Mine\nbroken = made_up_broken:Mine\ngone = no_such_module:Mine\n",
    )
    (site / "made_up.py").write_text("from backprop_bench.scratch.numpy_trainer import NumpyTrainer as Mine\n")
    (site / "made_up_broken.py").write_text("1 / 0\n")
    return site


def listed() -> str:
    result = CliRunner().invoke(main, ["list"], env={"COLUMNS": "300"})
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.slow
@pytest.mark.usefixtures("made_up")
def test_a_registered_implementation_is_listed_and_verified_by_its_name() -> None:
    (line,) = (
        line for line in listed().splitlines() if "made-up " in line and "broken" not in line and "gone" not in line
    )
    assert "registered by made-up 1.2" in line
    assert "yes, by name" in line
    result = CliRunner().invoke(main, ["parity", "made-up", *SIZES])
    assert result.exit_code == 0, result.output
    assert "Equal in float64" in result.output


@pytest.mark.slow
def test_listing_imports_neither_torch_nor_what_is_registered(made_up: Path) -> None:
    program = (
        "import sys; from backprop_bench.bench.cli.main import main; main(['list'], standalone_mode=False); "
        "print('\\nimported:', {'torch', 'made_up', 'made_up_broken'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "made-up" in done.stdout, done.stderr
    assert done.stdout.endswith("imported: set()\n")


@pytest.mark.slow
@pytest.mark.usefixtures("made_up")
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("broken", "Error: made_up_broken cannot be imported: it raised ZeroDivisionError in line 1: division by zero"),
        ("gone", "Error: gone is unavailable: needs no_such_module, which is not installed"),
    ],
)
def test_a_broken_one_is_one_sentence(name: str, sentence: str) -> None:
    result = CliRunner().invoke(main, ["parity", name, *SIZES])
    assert result.exit_code == 2, result.output
    assert result.output.splitlines()[-1] == sentence


def test_one_that_is_registered_wrongly_is_listed_with_the_reason_and_spoils_nothing(site: Path) -> None:
    install(site, "one", f"[{GROUP}]\nnonsense = not a module\ntwice = json:Decoder\ntorch-eager = json:Decoder\n")
    install(site, "two", f"[{GROUP}]\ntwice = json:Decoder\n")
    install(site, "three", f"[{GROUP}]\nthere is no value\n")
    install(site, "fourth", "neither a section\nnor a value\n")
    message = " ".join(listed().split())
    assert "its entry point is 'not a module', expected module:ClassName" in message
    assert "is registered twice, by " in message
    assert "the suite has one of this name, which is the one that is used" in message
    assert "registered by three 1.2" in message
    assert "its entry points cannot be read: Source contains parsing errors" in message
    assert "fourth" not in message
    assert named_implementation("torch-eager").side == "PyTorch"
    result = CliRunner().invoke(main, ["compare", "--implementation", "nonsense"])
    assert result.exit_code == 2
    assert "nonsense is unavailable: its entry point is" in result.output


@pytest.mark.usefixtures("made_up")
def test_an_unknown_name_is_answered_with_those_that_are_registered() -> None:
    result = CliRunner().invoke(main, ["parity", "made-down"])
    assert result.exit_code == 2
    assert "tinygrad, made-up, broken, gone or path/to/file.py:ClassName" in " ".join(result.output.split())


@pytest.mark.usefixtures("made_up")
def test_a_run_knows_the_version_that_it_was_begun_with(tmp_path: Path) -> None:
    dataset = load_dataset(write_tiny_dataset(tmp_path, 200, 60))
    assert own_files(plan_comparison("quick", dataset, ["scratch-numpy", "made-up"])) == {"made-up": "made-up 1.2"}


def test_a_package_that_is_found_twice_is_the_one_that_is_imported(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(site, "made-up", f"[{GROUP}]\nmade-up = made_up:Mine\n")
    install(tmp_path / "before", "made-up", f"[{GROUP}]\nmade-up = made_up:Another\n")
    monkeypatch.syspath_prepend(tmp_path / "before")
    assert registered()["made-up"].class_name == "Another"
    assert registered()["made-up"].fault is None


def test_without_packages_that_register_there_is_nothing_more() -> None:
    assert registered() == {}
