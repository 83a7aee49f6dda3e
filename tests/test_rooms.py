"""The rooms of the project, and who may look into which."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

MAY_IMPORT = {
    "data": {"data"},
    "scratch": {"scratch", "data"},
    "torch_impl": {"torch_impl", "data", "torch"},
    "peers": {"peers", "data"},
    "examples": {"data"},
    "bench": {"bench", "scratch", "torch_impl", "data", "torch"},
    "bench/compute": {"bench.compute", "bench.records", "data"},
    "bench/show": {"bench.show", "bench.compute", "bench.records", "bench.implementations", "data"},
}
WATCHED = {"data", "scratch", "torch_impl", "peers", "bench", "torch"}
IMPURE = {"time", "datetime", "subprocess", "multiprocessing", "pathlib", "os", "torch"}


def imported_modules(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""


def sources(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_nothing_imports_against_the_direction_of_the_design(room: str) -> None:
    assert sources(room)
    wrong = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in sources(room)
        for module in imported_modules(path)
        if module.split(".")[0] in WATCHED
        and not any(module == allowed or module.startswith(allowed + ".") for allowed in MAY_IMPORT[room])
    ]
    assert wrong == []


def test_what_computes_touches_no_clock_no_file_and_no_torch() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in sources("bench/compute")
        for module in imported_modules(path)
        if module.split(".")[0] in IMPURE
    ]
    assert wrong == []


def test_the_direction_test_would_see_a_wrong_import(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text("def f():\n    from torch import nn\n    import bench.records\n")
    assert set(imported_modules(wrong)) == {"torch", "bench.records"}


def test_scratch_trains_where_torch_is_not_installed() -> None:
    program = """
import sys
sys.modules["torch"] = None  # any import of it now raises ImportError
from data import RECIPES, batch_order, initial_parameters, load_dataset, training_cases
from scratch.numpy_trainer import NumpyTrainer
recipe = RECIPES["shared"]
cases = training_cases(recipe, load_dataset("mnist").subset(640))
trainer = NumpyTrainer(recipe, initial_parameters(recipe))
losses = [trainer.train_epoch(cases.x, cases.t, batch_order(recipe, 640, epoch)) for epoch in range(3)]
assert losses[2] < losses[0], losses
print("trained")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "trained\n", done.stderr
