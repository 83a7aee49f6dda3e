"""A wrong gradient is explained layer by layer: what the parts compute is written down here a second time."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from backprop_bench.bench.mutation.by_layer import describe_choices, explain_gradient
from backprop_bench.data import Examples, Layer, Parameters, Recipe, initial_parameters
from backprop_bench.scratch.numpy_trainer import NumpyTrainer
from tests.recipes import random_examples

SIZES = (6, 5, 5)
SQUARED = Recipe(
    layer_sizes=SIZES,
    output_activation="sigmoid",
    loss="squared_error",
    reduction="sum",
    batch_size=7,
    learning_rate=0.3,
    initialization="uniform",
    init_scale=1.0,
    dtype="float64",
)
TANH = SQUARED.replace(hidden_activation="tanh")
RELU = SQUARED.replace(hidden_activation="relu")
ENTROPY = SQUARED.replace(output_activation="softmax", loss="cross_entropy", reduction="mean")

RIGHT = {
    "error": "y - t",
    "d2": "error * y * (1 - y)",
    "dW2": "h.T @ d2",
    "db2": "d2.sum(0)",
    "back": "d2 @ W2.T",
    "d1": "back * h * (1 - h)",
    "dW1": "x.T @ d1",
    "db1": "d1.sum(0)",
}
"""What is computed one after the other, as Python; with the squared error after sigmoid."""
OF_RECIPE = {
    TANH: {"d1": "back * (1 - h**2)"},
    RELU: {"d1": "back * (z1 > 0)"},
    ENTROPY: {"error": "(y - t) / len(x)", "d2": "error"},
}
HIDDEN: dict[str, Callable[[Any], Any]] = {
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
}


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def gradient(recipe: Recipe, examples: Examples, **others: str) -> Parameters:
    """Return the gradient of a batch where some of it is computed otherwise."""
    (first, second), x = initial_parameters(recipe), examples.x
    assert first.bias is not None
    assert second.bias is not None
    z1 = x @ first.weight + first.bias
    h = HIDDEN[recipe.hidden_activation](z1)
    z2 = h @ second.weight + second.bias
    e = np.exp(z2 - z2.max(axis=1, keepdims=True))
    y = e / e.sum(axis=1, keepdims=True) if recipe.output_activation == "softmax" else sigmoid(z2)
    known: dict[str, Any] = {"x": x, "t": examples.t, "z1": z1, "h": h, "z2": z2, "y": y, "W2": second.weight}
    known |= {"np": np, "sigmoid": sigmoid, "W1": first.weight, "b1": first.bias}
    for name, code in {**RIGHT, **OF_RECIPE.get(recipe, {}), **others}.items():
        known[name] = eval(code, known)
    return Layer(known["dW1"], known["db1"]), Layer(known["dW2"], known["db2"])


OTHERWISE: list[tuple[Recipe, dict[str, str], str]] = [
    (SQUARED, {"error": "y"}, "the targets are not subtracted from the outputs"),
    (SQUARED, {"error": "z2 - t"}, "the error of the outputs is that of their pre-activations, z − t"),
    (SQUARED, {"error": "(y - t) ** 2"}, "the error of the outputs is squared"),
    (SQUARED, {"error": "abs(y - t)"}, "the error of the outputs is its absolute value"),
    (
        SQUARED,
        {"error": "np.sign(y - t)"},
        "the error of the outputs is its sign, as with the absolute error for a loss",
    ),
    (
        SQUARED,
        {"error": "(y == y.max(1, keepdims=True)) - t"},
        "the error of the outputs is that of the most likely class, 0 or 1, rather than of the outputs",
    ),
    (ENTROPY, {"error": "-t / y / len(x)"}, "the error of the outputs is −t / y, without the derivative of softmax"),
    (
        ENTROPY,
        {"error": "-t * (1 - y) / len(x)"},
        "the error of the outputs is −t (1 − y): of the derivative of softmax",
    ),
    (
        ENTROPY,
        {"d2": "error * y * (1 - y)"},
        "the error is multiplied by y (1 − y) rather than by the derivative of the output",
    ),
    (SQUARED, {"d2": "error"}, "the derivative of the output activation is missing"),
    (
        SQUARED,
        {"d2": "error * sigmoid(y) * (1 - sigmoid(y))"},
        "the derivative of the output activation takes y as if it",
    ),
    (SQUARED, {"d1": "back * z1 * (1 - z1)"}, "the derivative of the hidden activation takes z instead of y"),
    (SQUARED, {"d1": "back * (1 - np.tanh(z1) ** 2)"}, "the derivative of the hidden activation is that of tanh"),
    (SQUARED, {"d1": "back * (z1 > 0)"}, "the derivative of the hidden activation is that of relu"),
    (
        TANH,
        {"d1": "back * sigmoid(z1) * (1 - sigmoid(z1))"},
        "the derivative of the hidden activation is that of sigmoid",
    ),
    (TANH, {"d1": "back * (1 - np.tanh(h) ** 2)"}, "the derivative of the hidden activation takes y as if it were z"),
    (TANH, {"d1": "back * (1 - z1**2)"}, "the derivative of the hidden activation takes z instead of y"),
    *(
        (SQUARED, {"d1": f"back * ({code})"}, f"the error is multiplied by {text} rather than by the derivative")
        for code, text in (
            ("h", "y"),
            ("1 - h", "1 − y"),
            ("1 + h", "1 + y"),
            ("1 - h * h", "1 − y²"),
            ("h * (1 + h)", "y (1 + y)"),
            ("1 + h * h", "1 + y²"),
            ("h * h", "y²"),
        )
    ),
    (
        SQUARED,
        {"d1": "back * (h * (1 - h)) ** 2"},
        "the error is multiplied by the derivative of the hidden activation twice",
    ),
    (SQUARED, {"d1": "back / (h * (1 - h))"}, "the error is divided by the derivative of the hidden activation"),
    (SQUARED, {"d1": "sigmoid(back)"}, "the error goes back through the hidden activation instead of its derivative"),
    (SQUARED, {"d1": "sigmoid(back) * h * (1 - h)"}, "the error goes back through the hidden activation before it is"),
    (SQUARED, {"d1": "back * (1 - back)"}, "the derivative of the hidden activation is taken of the error, and not"),
    (
        TANH,
        {"d1": "back * (1 - back**2)"},
        "the error is multiplied by the derivative of the hidden activation, taken of the error",
    ),
    (RELU, {"d1": "back * h"}, "the error is multiplied by y rather than by the derivative of the hidden activation"),
    (
        SQUARED,
        {"back": "error @ W2.T"},
        "the error is propagated back without the derivative of the activation of layer 2",
    ),
    (SQUARED, {"back": "d2 @ W2"}, "the weights of layer 2 are not transposed when the error is propagated back"),
    (SQUARED, {"back": "d2 @ (W2 - 0.3 * h.T @ d2).T"}, "through weights of layer 2 that are already updated"),
    (SQUARED, {"back": "d2"}, "the error is propagated back from layer 2 as it is, without the weights"),
    (SQUARED, {"back": "d2.sum(1, keepdims=True) * np.ones_like(h)"}, "propagated back without the weights of layer 2"),
    (SQUARED, {"back": "d2 @ (h.T @ d2).T"}, "through the gradient of layer 2 rather than through its weights"),
    (
        SQUARED,
        {"back": "d2 @ (W2 / W2.sum(0)).T"},
        "the error that is propagated back from layer 2 is divided by the sums",
    ),
    (SQUARED, {"dW2": "z1.T @ d2"}, "the gradient of the weights of layer 2 takes the pre-activations z below it"),
    (
        SQUARED,
        {"dW2": "sigmoid(h).T @ d2"},
        "the gradient of the weights of layer 2 takes activations below it that are",
    ),
    (SQUARED, {"dW2": "h.T @ error"}, "the gradient of the weights of layer 2 lacks the derivative of the activation"),
    (SQUARED, {"dW2": "d2.T @ h"}, "the gradient of the weights of layer 2 is transposed"),
    (
        SQUARED,
        {"dW2": "y.T @ d2"},
        "the gradient of the weights of layer 2 takes the outputs of the layer instead of its",
    ),
    (SQUARED, {"dW2": "np.ones_like(h).T @ d2"}, "the gradient of the weights of layer 2 has no activations in it"),
    (
        SQUARED,
        {"dW2": "np.full((5, 5), (h * d2).sum())"},
        "the gradient of the weights of layer 2 is the inner product",
    ),
    (SQUARED, {"dW2": "np.ones((5, 1)) * (h * d2).sum(0)"}, "layer 2 is a product by element, in all rows"),
    (SQUARED, {"dW2": "(h * d2).sum(0)[:, None] * np.ones((1, 5))"}, "layer 2 is a product by element, in all columns"),
    (SQUARED, {"dW1": "x[-1:].T @ d1[-1:]"}, "the gradient of the weights of layer 1 is that of the last example"),
    (SQUARED, {"dW1": "x[:1].T @ d1[:1]"}, "the gradient of the weights of layer 1 is that of the first example"),
    (SQUARED, {"dW1": "0 * W1"}, "the gradient of the weights of layer 1 is 0"),
    (
        SQUARED,
        {"dW1": "x.T @ d1 + 0.03 * W1"},
        "0.03 w is added to the gradient of the weights of layer 1, as by a penalty",
    ),
    (
        SQUARED,
        {"dW1": "x.T @ d1 + 0.03 * np.sign(W1)"},
        "0.03 sign(w) is added to the gradient of the weights of layer 1",
    ),
    (SQUARED, {"dW1": "np.sign(x.T @ d1)"}, "the gradient of the weights of layer 1 is its sign"),
    (SQUARED, {"dW1": "(x.T @ d1).astype('float16').astype('float64')"}, "layer 1 is rounded to half precision"),
    (SQUARED, {"dW1": "x.T @ d1 / len(x)"}, "the gradient of the weights of layer 1 is 1/B times what it should be"),
    (SQUARED, {"error": "2 * (y - t) / 5"}, "the error of the outputs is 2/C times what it should be"),
    (SQUARED, {"error": "1.7 * (y - t)"}, "the error of the outputs is 1.7 times what it should be"),
    (SQUARED, {"db1": "np.full(5, d1.sum())"}, "the gradient of the biases of layer 1 is one number for all units"),
    (
        SQUARED,
        {"db1": "np.full(5, d1.mean())"},
        "the gradient of the biases of layer 1 is one number, the mean over units",
    ),
    (SQUARED, {"db1": "back.sum(0)"}, "the gradient of the biases of layer 1 lacks the derivative of the activation"),
    (SQUARED, {"db1": "(d1 * h).sum(0)"}, "the gradient of the biases of layer 1 is multiplied by the activations"),
    (
        SQUARED,
        {"db1": "d1[-1]"},
        "the gradient of the biases of layer 1 is that of the last example of the batch alone",
    ),
    (
        SQUARED,
        {"db1": "d1[0]"},
        "the gradient of the biases of layer 1 is that of the first example of the batch alone",
    ),
    (SQUARED, {"db1": "0 * b1"}, "the gradient of the biases of layer 1 is 0"),
]


@pytest.mark.parametrize(("recipe", "others", "name"), OTHERWISE, ids=[name[:70] for _, _, name in OTHERWISE])
def test_what_is_computed_otherwise_is_named(recipe: Recipe, others: dict[str, str], name: str) -> None:
    examples = random_examples(recipe, 7)
    trainer = NumpyTrainer(recipe, initial_parameters(recipe))
    choices = explain_gradient(recipe, trainer, examples.x, examples.t, gradient(recipe, examples, **others))
    assert choices
    named = ["; and ".join(describe_choices(each)[0]) for each in choices]
    assert name in named[0], named


@pytest.mark.parametrize("recipe", [SQUARED, TANH, RELU, ENTROPY])
def test_nothing_is_said_of_the_right_gradient(recipe: Recipe) -> None:
    examples = random_examples(recipe, 7)
    trainer = NumpyTrainer(recipe, initial_parameters(recipe))
    assert explain_gradient(recipe, trainer, examples.x, examples.t, gradient(recipe, examples)) == []


def test_nothing_is_claimed_in_single_precision() -> None:
    recipe = SQUARED.replace(dtype="float32")
    examples = random_examples(recipe, 7)
    trainer = NumpyTrainer(recipe, initial_parameters(recipe))
    wrong = gradient(recipe, examples, d2="error")
    assert explain_gradient(recipe, trainer, examples.x, examples.t, wrong) == []
