"""Which folder imports which: import-linter holds the contracts of pyproject.toml, and would see a breach."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-P", "-c", program, "--no-cache", "--config", str(ROOT / "pyproject.toml")],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "src")},
        capture_output=True,
        text=True,
        check=False,
    )


def copy_of_the_code(folder: Path) -> None:
    package = folder / "src" / "backprop_bench"
    for path in (ROOT / "src" / "backprop_bench").iterdir():
        if path.is_dir() and path.name != "__pycache__":
            shutil.copytree(path, package / path.name, ignore=shutil.ignore_patterns("mnist", "__pycache__"))
    shutil.copy(ROOT / "src" / "backprop_bench" / "__init__.py", package)
    shutil.copy(ROOT / "src" / "backprop_bench" / "__main__.py", package)


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("scratch/losses.py", "import torch", "Only torch_impl and bench import PyTorch"),
        ("data/idx.py", "import backprop_bench.scratch.losses", "bench imports the implementations"),
        ("peers/jax_trainer.py", "import backprop_bench.torch_impl.model", "bench imports the implementations"),
        ("bench/ladder/analysis.py", "import time", "Analyses and statistics are pure"),
        ("bench/ladder/view.py", "import backprop_bench.bench.core.engine.plan", "Views are functions of the records"),
        ("bench/ladder/view.py", "import backprop_bench.bench.scaling.view", "Questions do not import each other"),
        ("bench/core/records/kinds.py", "import backprop_bench.bench.core.records.reader", "No import cycle"),
        ("bench/core/engine/plan.py", "import backprop_bench.bench.report.table", "Questions do not import each other"),
    ],
)
def test_a_wrong_import_breaks_its_contract(file: str, line: str, contract: str, tmp_path: Path) -> None:
    copy_of_the_code(tmp_path)
    with (tmp_path / "src" / "backprop_bench" / file).open("a", encoding="utf-8") as source:
        source.write(f"\n{line}\n")
    result = lint_imports(tmp_path)
    broken = [line for line in result.stdout.splitlines() if line.endswith("BROKEN")]
    assert result.returncode == 1, result.stdout + result.stderr
    assert any(line.startswith(contract) for line in broken), broken


def test_scratch_trains_where_torch_is_not_installed() -> None:
    program = """
import sys
sys.modules["torch"] = None  # any import of it now raises ImportError
from backprop_bench.data import RECIPES, batch_order, initial_parameters, load_dataset, training_examples
from backprop_bench.scratch.numpy_trainer import NumpyTrainer
recipe = RECIPES["shared"]
examples = training_examples(recipe, load_dataset("mnist").subset(640))
trainer = NumpyTrainer(recipe, initial_parameters(recipe))
losses = [trainer.train_epoch(examples.x, examples.t, batch_order(recipe, 640, epoch)) for epoch in range(3)]
assert losses[2] < losses[0], losses
print("trained")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "trained\n", done.stderr
