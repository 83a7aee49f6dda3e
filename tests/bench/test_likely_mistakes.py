"""A wrong implementation gets a message that names the quantity and the likely mistake."""

from pathlib import Path
from typing import Any

import pytest

from bench.run.worker import Bench
from bench.show.parity import conclusion, reading
from data import Recipe
from tests.tiny import write_tiny_dataset

CORRECT = (Path(__file__).parents[2] / "examples" / "correct.py").read_text(encoding="utf-8")
RECIPE = Recipe(layer_sizes=(16, 8, 3), batch_size=8, dtype="float64")
STEPS = 40


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_tiny_dataset(tmp_path_factory.mktemp("tiny"), 200, 60)


def write_mine(folder: Path, old: str, new: str) -> str:
    """Write the correct example with other code in one or more places; returns what the command line calls it."""
    assert old in CORRECT
    (folder / "mine.py").write_text(CORRECT.replace(old, new), encoding="utf-8")
    return f"{folder / 'mine.py'}:Correct"


def inspected(name: str, dataset: str, recipe: Recipe = RECIPE) -> dict[str, Any]:
    return Bench().inspect(name, "scratch-numpy", recipe.to_dict(), dataset, STEPS)


BATCH, TRAINED = "order[start : start + size]", "weights of layer 1 after 40 steps"
Y = "np.exp(self.forward(x)[1])"
MISTAKES = {
    "slope of the hidden units": (
        " * h * (1 - h)",
        "",
        "dE/dW, gradient of layer 1",
        "forget to multiply by the slope",
    ),
    "sum over the cases": (" / len(x)", "", "dE/dW, gradient of layer 2", "sum over the cases where the recipe takes"),
    "mean over the outputs": (" / len(x)", " / t.size", "dE/dW, gradient of layer 2", "mean over the outputs as well"),
    "slope not cancelled": (
        "(np.exp(log_y) - t)",
        "(np.exp(log_y) - t) * np.exp(log_y) * (1 - np.exp(log_y))",
        "dE/dW, gradient of layer 2",
        "multiply the gradient of the cross-entropy by the slope, which it already contains?",
    ),
    "biases averaged": (
        ".sum(axis=0)",
        ".mean(axis=0)",
        "dE/db, gradient of layer 2",
        "average the gradient of the bias",
    ),
    "not transposed back": ("[2].T", "[2]", "gradients raised ValueError", "transpose the weights on the way back?"),
    "gradient transposed": ("x.T @ dz1", "dz1.T @ x", "gradients returns layer 1 weight of shape", "[fan_out, fan_in]"),
    "up the gradient": ("w -= ", "w += ", TRAINED, "is the sign of your weight change right?"),
    "biases never change": (
        "learning_rate * dw",
        "learning_rate * dw * (w.ndim == 2)",
        "first layer 1 bias and layer 2 bias",
        "at all?",
    ),
    "order ignored": (
        BATCH,
        BATCH.replace("order", "np.arange(len(order))"),
        TRAINED,
        "in the order that you were handed?",
    ),
    "targets not shuffled": ("t[cases]", "t[start : start + size]", TRAINED, "targets in the order of your inputs?"),
    "short batch dropped": (
        "range(0, len(order), size)",
        "range(0, len(order) - size + 1, size)",
        "The weights differ from step 11 on: first layer 1 weight and",
        "do you drop the last batch where it is short?",
    ),
    "trained in place": (
        "array.copy() for layer in parameters",
        "array for layer in parameters",
        "train_epoch changes the initial layer 1 weight",
        "do you train the arrays that you were handed rather than copies of them?",
    ),
    "softmax twice": (
        Y,
        f"np.exp({Y}) / np.exp({Y}).sum(axis=1, keepdims=True)",
        "that differs is outputs, by",
        "been through it?",
    ),
    "logits": (Y, "self.forward(x)[1]", "that differs is outputs, by", "does predict return the logits?"),
    "loss summed": ("return loss / len(order)", "return loss", "loss by epoch, by", "rather than the mean?"),
    "logarithm": ("(t[cases] * log_y)", "(t[cases] * log_y / np.log(2))", "loss by epoch, by", "the natural one?"),
}


@pytest.mark.parametrize(("old", "new", "quantity", "question"), MISTAKES.values(), ids=MISTAKES)
def test_a_common_mistake_is_named_with_the_quantity_in_which_it_shows(
    tmp_path: Path, dataset: str, old: str, new: str, quantity: str, question: str
) -> None:
    outcome = inspected(write_mine(tmp_path, old, new), dataset)
    assert not outcome["equal"]
    assert quantity in conclusion("float64", outcome)
    assert question in " ".join(reading(outcome))


def test_a_mistake_that_computes_the_very_same_is_the_only_one_that_is_named(tmp_path: Path, dataset: str) -> None:
    outcome = inspected(write_mine(tmp_path, " * h * (1 - h)", ""), dataset)
    assert reading(outcome) == [
        "What differs: gradient in layer 1; first change in layer 1; loss.",
        "A known mistake does the very same: the slope y(1 − y) of the hidden units is missing.",
        "So: did you forget to multiply by the slope of the hidden units?",
    ]


def test_a_mistake_that_nobody_knows_is_described(tmp_path: Path, dataset: str) -> None:
    outcome = inspected(write_mine(tmp_path, "h * (1 - h)", "0.7 * h * (1 - h)"), dataset)
    assert reading(outcome) == [
        "What differs: gradient in layer 1 × 0.7; first change in layer 1 × 0.7; loss.",
        "No known mistake makes just this differ.",
    ]


def test_a_mistake_is_found_in_float32_too(tmp_path: Path, dataset: str) -> None:
    outcome = inspected(write_mine(tmp_path, " / len(x)", ""), dataset, RECIPE.replace(dtype="float32"))
    assert "did you sum over the cases where the recipe takes their mean?" in " ".join(reading(outcome))


@pytest.mark.parametrize("changes", [{"batch_size": 1}, {"batch_size": None}, {"layer_sizes": (16, 16, 3)}])
def test_a_mistake_is_found_whatever_the_sizes(tmp_path: Path, dataset: str, changes: dict[str, Any]) -> None:
    outcome = inspected(write_mine(tmp_path, " * h * (1 - h)", ""), dataset, RECIPE.replace(**changes))
    assert "did you forget to multiply by the slope of the hidden units?" in " ".join(reading(outcome))


def test_of_what_is_right_nothing_is_asked(tmp_path: Path, dataset: str) -> None:
    outcome = inspected(write_mine(tmp_path, "loss", "loss"), dataset)
    assert outcome["equal"]
    assert reading(outcome) == []


def test_the_proof_before_timing_asks_the_same(tmp_path: Path, dataset: str) -> None:
    name = write_mine(tmp_path, " * h * (1 - h)", "")
    proved = Bench().prove(name, RECIPE.to_dict(), dataset, STEPS)
    assert proved["questions"] == ("did you forget to multiply by the slope of the hidden units?",)
