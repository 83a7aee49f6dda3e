"""The examples do what they say of themselves, and what the page quotes is what the suite says."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bench.cli.main import main
from bench.implementations import LoadError, named_implementation
from data import Recipe, UnsupportedRecipe, initial_parameters

ROOT = Path(__file__).parents[2]
EXAMPLES, PAGE = ROOT / "examples", ROOT / "docs" / "your-own.md"
HAS_JAX = importlib.util.find_spec("jax") is not None
RIGHT = [
    "correct.py:Correct",
    pytest.param("in_jax.py:InJax", marks=pytest.mark.skipif(not HAS_JAX, reason="jax is not installed")),
]


def parity(name: str, *options: str) -> Result:
    return CliRunner().invoke(main, ["parity", f"{EXAMPLES / name}", *options])


def on_one_line(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_an_example_is_short(path: Path) -> None:
    limit = 70 if path.name == "wrong.py" else 60  # it quotes what is said of it
    assert len(path.read_text(encoding="utf-8").splitlines()) <= limit


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.parametrize("options", [[], ["--batch-size", "7"]])
def test_a_correct_example_is_equal_in_both_precisions(name: str, options: list[str]) -> None:
    result = parity(name, "--layer-sizes", "784-16-10", "--steps", "60", *options)
    assert result.exit_code == 0, result.output
    assert "Equal in float64" in result.output
    assert "Equal in float32" in result.output


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
        {"shrinkage": 0.1},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_an_example_refuses_by_field_what_it_cannot_do(name: str, changes: dict[str, Any]) -> None:
    recipe = Recipe().replace(layer_sizes=(6, 5, 3), **changes)
    with pytest.raises(UnsupportedRecipe) as refused:
        named_implementation(f"{EXAMPLES / name}").load()(recipe, initial_parameters(recipe))
    assert refused.value.field == next(iter(changes))


def test_the_suite_says_of_the_wrong_example_what_is_quoted() -> None:
    result = parity("wrong.py:Wrong", "--layer-sizes", "784-16-10", "--steps", "20", "--dtype", "float64")
    assert result.exit_code == 1
    said = on_one_line(result.output)
    docstring, page = (on_one_line(path.read_text(encoding="utf-8")) for path in (EXAMPLES / "wrong.py", PAGE))
    for sentence in (
        "Not equal in float64: the first quantity that differs is dE/dW, gradient of layer 1, by",
        "What differs: gradient in layer 1; first change in layer 1; loss.",
        "A known mistake does the very same: the slope of the hidden units is missing.",
        "So: did you forget to multiply by the slope of the hidden units?",
    ):
        assert sentence in said
        assert sentence in docstring
        assert sentence in page


def test_a_library_that_is_not_installed_is_named_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jax", None)  # any import of it now raises
    with pytest.raises(LoadError, match=r"in_jax\.py cannot be imported: it needs jax, which is not installed$"):
        named_implementation(f"{EXAMPLES / 'in_jax.py'}:InJax").load()


def test_the_correct_example_needs_numpy_only() -> None:
    program = f"""
import sys
from bench.implementations import named_implementation
named_implementation({str(EXAMPLES / "correct.py") + ":Correct"!r}).load()
print({{"torch", "jax", "scipy"}} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "set()\n", done.stderr
