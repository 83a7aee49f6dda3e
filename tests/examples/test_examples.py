"""The examples do what they document, and the page quotes the real output.

Where it does not: ``python -m tests.docs.refresh docs/your-own.md``.
"""

import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from backprop_bench.bench.cli.main import main
from backprop_bench.bench.compare.answer import slowest
from backprop_bench.bench.compare.tables import results_table
from backprop_bench.bench.core.implementations import LoadError, named_implementation
from backprop_bench.data import Recipe, UnsupportedRecipe, initial_parameters
from tests.bench.plain import summarize
from tests.bench.recorded import recorded_run
from tests.docs.generated import ROOT
from tests.docs.generated.your_own import PAGE, QUOTED

EXAMPLES = ROOT / "examples"
HAS_JAX = importlib.util.find_spec("jax") is not None
RIGHT = [
    "correct.py:Correct",
    pytest.param("in_jax.py:InJax", marks=pytest.mark.skipif(not HAS_JAX, reason="jax is not installed")),
]


SMALL = ["--layer-sizes", "784-16-10", "--steps", "30"]


def bare(text: str) -> str:
    """Return output without what depends on the size of the network or on the machine."""
    text = re.sub(r"DIFFERS \([^)]*\)", "DIFFERS", re.sub(r"\d+ digits|exact", "agree", text))
    text = re.sub(r"(layer \d+ )?\[[\d, ]+\]|epoch \d+|─+", "", text)
    return " ".join(re.sub(r"[\d.]+(e[-+]?\d+)?", "#", text).split())


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_an_example_is_short(path: Path) -> None:
    limit = 70 if path.name == "wrong.py" else 60  # it quotes the output
    assert len(path.read_text(encoding="utf-8").splitlines()) <= limit


@pytest.mark.slow
@pytest.mark.parametrize("name", RIGHT)
def test_a_correct_example_is_equal_in_both_precisions(name: str) -> None:
    result = CliRunner().invoke(main, ["parity", f"{EXAMPLES / name}", *SMALL, "--batch-size", "7"])
    assert result.exit_code == 0, result.output
    assert "Equal in float64 and float32: every error is within its tolerance." in result.output


@pytest.mark.parametrize("name", [*RIGHT, "wrong.py:Wrong"])
@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_activation": "relu"},
        {"output_activation": "sigmoid"},
        {"reduction": "sum"},
        {"bias": False},
        {"optimizer": "adam"},
        {"weight_decay": 0.1},
        {"multiplicative_decay": 0.1},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_an_example_refuses_by_field_what_it_cannot_do(name: str, changes: dict[str, Any]) -> None:
    recipe = Recipe().replace(layer_sizes=(6, 5, 3), **changes)
    with pytest.raises(UnsupportedRecipe) as refused:
        named_implementation(f"{EXAMPLES / name}").load()(recipe, initial_parameters(recipe))
    assert refused.value.field == next(iter(changes))


@pytest.mark.parametrize("name", ["correct.py:Correct", "wrong.py:Wrong"])
def test_an_example_whose_loss_looks_at_targets_of_1_alone_refuses_smoothed_ones(name: str) -> None:
    recipe = Recipe().replace(layer_sizes=(6, 5, 3), label_smoothing=0.1)
    with pytest.raises(UnsupportedRecipe, match="cannot do this recipe: label_smoothing"):
        named_implementation(f"{EXAMPLES / name}").load()(recipe, initial_parameters(recipe))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "quoted"), [quote for quote in QUOTED.findall(PAGE.read_text(encoding="utf-8")) if "parity" in quote[0]]
)
def test_the_page_quotes_the_real_output(words: str, quoted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    result = CliRunner().invoke(main, [*shlex.split(words), *SMALL], env={"COLUMNS": "120"})
    assert bare(result.output) == bare(quoted)
    if "wrong.py" in words:
        docstring = (EXAMPLES / "wrong.py").read_text(encoding="utf-8").split('"""')[1]
        for sentence in re.findall(r"^    (.*)$", docstring, re.MULTILINE):
            assert " ".join(sentence.split()) in " ".join(result.output.split())


def test_the_page_quotes_the_table_that_compare_shows() -> None:
    ((_, quoted),) = [quote for quote in QUOTED.findall(PAGE.read_text(encoding="utf-8")) if "compare" in quote[0]]
    question = summarize(*recorded_run()).questions[1]
    table = results_table(question)
    assert table.title.startswith(quoted.splitlines()[0])
    words = {word for column in table.columns for word in column.name.split()}
    assert words - {slowest(question)} <= set(quoted.split())


def test_a_library_that_is_not_installed_is_named_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jax", None)  # any import of it now raises
    with pytest.raises(LoadError, match=r"in_jax\.py cannot be imported: it needs jax, which is not installed$"):
        named_implementation(f"{EXAMPLES / 'in_jax.py'}:InJax").load()


def test_the_correct_example_needs_numpy_only() -> None:
    program = f"""
import sys
from backprop_bench.bench.core.implementations import named_implementation
named_implementation({str(EXAMPLES / "correct.py") + ":Correct"!r}).load()
print({{"torch", "jax", "scipy"}} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "set()\n", done.stderr
