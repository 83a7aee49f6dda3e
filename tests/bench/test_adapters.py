"""Networks as people write them are checked without being rewritten, and their mistakes are named."""
# ruff: noqa: N803 (X and Y, as people write them)

import importlib.util
import itertools
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import backprop_bench as bb
from backprop_bench.bench.api.layouts import Layout
from backprop_bench.bench.api.places import Place
from backprop_bench.bench.cli.main import main
from backprop_bench.bench.cli.new import STYLES
from backprop_bench.data import InputError, Recipe, initial_parameters
from tests.tiny import write_tiny_dataset

ROOT = Path(__file__).parents[2]
SMALL: dict[str, Any] = {"layer_sizes": (16, 8, 3), "batch_size": 16, "steps": 30}
ARTICLE: dict[str, Any] = {"recipe": "article-scratch", "layer_sizes": (16, 8, 3), "steps": 30}
NAMES = ["W1", "b1", "W2", "b2"]
NO_DERIVATIVE = "the derivative of the hidden activation is missing"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_tiny_dataset(tmp_path_factory.mktemp("tiny"), 300, 60)


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def softmax_of_rows(z: Any) -> Any:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


# Functions, examples in columns, weights in a dict


def forward_propagation(X: Any, parameters: Any) -> Any:
    A1 = sigmoid(np.dot(parameters["W1"], X) + parameters["b1"])
    E = np.exp(np.dot(parameters["W2"], A1) + parameters["b2"])
    A2 = E / np.sum(E, axis=0, keepdims=True)
    return A2, {"A1": A1, "A2": A2}


def backward_propagation(parameters: Any, cache: Any, X: Any, Y: Any) -> Any:
    m = X.shape[1]
    dZ2 = cache["A2"] - Y
    dW2 = np.dot(dZ2, cache["A1"].T) / m
    db2 = np.sum(dZ2, axis=1, keepdims=True) / m
    dZ1 = np.dot(parameters["W2"].T, dZ2) * cache["A1"] * (1 - cache["A1"])
    dW1 = np.dot(dZ1, X.T) / m
    db1 = np.sum(dZ1, axis=1, keepdims=True) / m
    return {"dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2}


def of_a_course(parameters: Any, X: Any, Y: Any) -> Any:
    A2, cache = forward_propagation(X, parameters)
    loss = -np.sum(Y * np.log(A2), keepdims=True) / X.shape[1]
    return loss, backward_propagation(parameters, cache, X, Y)


def outputs_of_a_course(parameters: Any, X: Any) -> Any:
    return forward_propagation(X, parameters)[0]


def summed(parameters: Any, X: Any, Y: Any) -> Any:
    loss, gradients = of_a_course(parameters, X, Y)
    return loss, {name: X.shape[1] * gradient for name, gradient in gradients.items()}


IN_COLUMNS: dict[str, Any] = {"weights": NAMES, "layout": "columns", "predict": outputs_of_a_course}


def test_functions_with_examples_in_columns_are_checked(dataset: str) -> None:
    checked = bb.check(of_a_course, **IN_COLUMNS, dataset=dataset, **SMALL)
    assert checked.ok
    assert list(checked.table["quantity"])[:2] == ["outputs", "dE/dW, gradient"]
    assert "not compared: t" not in str(checked), "outputs and loss are compared"
    checked = bb.check(summed, **IN_COLUMNS, dataset=dataset, **SMALL)
    assert checked.likely_mistake == "the gradient is the sum over the batch instead of the mean"


def test_rows_where_there_are_columns_are_told_which_layout_to_write(dataset: str) -> None:
    checked = bb.check(of_a_course, weights=NAMES, dataset=dataset, **SMALL)
    assert not checked.ok
    assert 'x is [examples, inputs] and weights are [inputs, units], for others write layout="columns"' in str(checked)

    def transposed(weights: Any, x: Any, t: Any) -> Any:
        W1, b1, W2, b2 = weights
        return 0.0, [W1.T, b1, W2.T, b2]

    checked = bb.check(transposed, dataset=dataset, **SMALL)
    assert 'they look transposed, so write layout="columns" or layout="torch"' in str(checked)


# A class with lists of weights and biases, one example after the other, batches of pairs


class ListsOfWeights:
    """Gradients are summed example by example; the batch is a list of pairs of columns."""

    sends_derivative = True

    def __init__(self, sizes: list[int]) -> None:
        rng = np.random.default_rng(0)
        self.num_layers = len(sizes)
        self.biases = [rng.normal(size=(y, 1)) for y in sizes[1:]]
        self.weights = [rng.normal(size=(y, x)) for x, y in itertools.pairwise(sizes)]

    def feedforward(self, a: Any) -> Any:
        for b, w in zip(self.biases, self.weights, strict=True):
            a = sigmoid(np.dot(w, a) + b)
        return a

    def update_mini_batch(self, mini_batch: Any, eta: float) -> None:
        nabla_b = [np.zeros(b.shape) for b in self.biases]
        nabla_w = [np.zeros(w.shape) for w in self.weights]
        for x, y in mini_batch:
            delta_b, delta_w = self.backprop(x, y)
            nabla_b = [nb + dnb for nb, dnb in zip(nabla_b, delta_b, strict=True)]
            nabla_w = [nw + dnw for nw, dnw in zip(nabla_w, delta_w, strict=True)]
        rate = eta / len(mini_batch)
        self.weights = [w - rate * nw for w, nw in zip(self.weights, nabla_w, strict=True)]
        self.biases = [b - rate * nb for b, nb in zip(self.biases, nabla_b, strict=True)]

    def backprop(self, x: Any, y: Any) -> Any:
        activations = [x]
        for b, w in zip(self.biases, self.weights, strict=True):
            activations.append(sigmoid(np.dot(w, activations[-1]) + b))
        delta = (activations[-1] - y) * activations[-1] * (1 - activations[-1])
        nabla_b, nabla_w = [delta], [np.dot(delta, activations[-2].T)]
        for layer in range(2, self.num_layers):
            a = activations[-layer]
            delta = np.dot(self.weights[-layer + 1].T, delta) * (a * (1 - a) if self.sends_derivative else 1)
            nabla_b.insert(0, delta)
            nabla_w.insert(0, np.dot(delta, activations[-layer - 1].T))
        return nabla_b, nabla_w


class ListsWithoutDerivative(ListsOfWeights):
    """Has one mistake."""

    sends_derivative = False


LISTS: dict[str, Any] = {
    "weights": ["weights[0]", "biases[0]", "weights[1]", "biases[1]"],
    "layout": "columns",
    "batch": "pairs",
    "train": "update_mini_batch",
    "predict": "feedforward",
    "output_activation": "sigmoid",
    "loss": "squared_error",
}


def test_lists_of_weights_that_are_trained_on_pairs_are_checked(dataset: str) -> None:
    checked = bb.check(ListsOfWeights, **LISTS, dataset=dataset, **SMALL)
    assert checked.ok
    assert checked.sentences[-2:] == (
        "The loss is not compared: training returns none.",
        "The gradient is derived from one weight update.",
    )
    assert "loss by epoch" not in list(checked.table["quantity"])
    assert "dE/dW, gradient" in list(checked.table["quantity"])
    assert bb.check(ListsOfWeights, **LISTS, dataset=dataset, **SMALL, learning_rate=1e-4).ok, "in spite of rounding"
    checked = bb.check(ListsWithoutDerivative, **LISTS, dataset=dataset, **SMALL)
    assert checked.likely_mistake == NO_DERIVATIVE


# A class that trains one example at a time, without a loss and without biases


class OneAtATime:
    """Takes the learning rate when it is made, and lists of numbers."""

    def __init__(self, inputnodes: int, hiddennodes: int, outputnodes: int, learningrate: float) -> None:
        rng = np.random.default_rng(0)
        self.wih = rng.normal(0.0, inputnodes**-0.5, (hiddennodes, inputnodes))
        self.who = rng.normal(0.0, hiddennodes**-0.5, (outputnodes, hiddennodes))
        self.lr = learningrate

    def errors_of(self, final: Any, targets: Any) -> Any:
        return (targets - final) * final * (1.0 - final)

    def train(self, inputs_list: Any, targets_list: Any) -> None:
        inputs = np.array(inputs_list, ndmin=2).T
        targets = np.array(targets_list, ndmin=2).T
        hidden = sigmoid(np.dot(self.wih, inputs))
        final = sigmoid(np.dot(self.who, hidden))
        sent_back = np.dot(self.who.T, self.errors_of(final, targets))
        self.who += self.lr * np.dot((targets - final) * final * (1.0 - final), np.transpose(hidden))
        self.wih += self.lr * np.dot(sent_back * hidden * (1.0 - hidden), np.transpose(inputs))

    def query(self, inputs_list: Any) -> Any:
        hidden = sigmoid(np.dot(self.wih, np.array(inputs_list, ndmin=2).T))
        return sigmoid(np.dot(self.who, hidden))


class AsPrinted(OneAtATime):
    """Sends back the error itself."""

    def errors_of(self, final: Any, targets: Any) -> Any:
        return targets - final


SINGLE: dict[str, Any] = {
    "weights": ["wih", "who"],
    "layout": "torch",
    "batch": "single",
    "train": "train",
    "predict": "query",
}


def test_a_class_that_trains_one_example_at_a_time_is_checked(dataset: str) -> None:
    checked = bb.check(
        lambda sizes: OneAtATime(sizes[0], sizes[1], sizes[2], 0.7), **SINGLE, **ARTICLE, dataset=dataset
    )
    assert checked.ok, "its learning rate is set to that of the recipe"
    checked = bb.check(lambda sizes: AsPrinted(sizes[0], sizes[1], sizes[2], 0.7), **SINGLE, **ARTICLE, dataset=dataset)
    assert checked.likely_mistake == "the error is propagated back without the derivative of the output activation"
    with pytest.raises(InputError, match="batch_size: it trains a single example at a time, so write batch_size=1"):
        bb.check(
            lambda sizes: OneAtATime(sizes[0], sizes[1], sizes[2], 0.7),
            **SINGLE,
            **ARTICLE,
            dataset=dataset,
            batch_size=4,
        )


# A class with a training step, biases of shape (1, n), and a loss of NumPy's


class TrainStep:
    """Updates in place; biases are rows."""

    def __init__(self, sizes: list[int], lr: float = 0.01) -> None:
        self.layers = [
            {"W": np.zeros((fan_in, fan_out)), "b": np.zeros((1, fan_out))}
            for fan_in, fan_out in itertools.pairwise(sizes)
        ]
        self.rate = lr

    def forward(self, x: Any) -> Any:
        self.hidden = sigmoid(x @ self.layers[0]["W"] + self.layers[0]["b"])
        return softmax_of_rows(self.hidden @ self.layers[1]["W"] + self.layers[1]["b"])

    def sent_back(self, dz2: Any) -> Any:
        return dz2 @ self.layers[1]["W"].T * self.hidden * (1 - self.hidden)

    def train_step(self, x: Any, t: Any) -> Any:
        y = self.forward(x)
        dz2 = (y - t) / len(x)
        dz1 = self.sent_back(dz2)
        self.layers[1]["W"] -= self.rate * self.hidden.T @ dz2
        self.layers[1]["b"] -= self.rate * dz2.sum(axis=0, keepdims=True)
        self.layers[0]["W"] -= self.rate * x.T @ dz1
        self.layers[0]["b"] -= self.rate * dz1.sum(axis=0, keepdims=True)
        return np.array(-np.sum(t * np.log(y)) / len(x))


class WithoutDerivative(TrainStep):
    """Has one mistake."""

    def sent_back(self, dz2: Any) -> Any:
        return dz2 @ self.layers[1]["W"].T


STEP: dict[str, Any] = {
    "weights": [f"layers[{number}]['{name}']" for number in (0, 1) for name in "Wb"],
    "train": "train_step",
    "predict": "forward",
}


class WithFixedBiases(TrainStep):
    """Trains its weights only, which no gradient shows."""

    def train_step(self, x: Any, t: Any) -> Any:
        kept = [layer["b"].copy() for layer in self.layers]
        loss = super().train_step(x, t)
        for layer, b in zip(self.layers, kept, strict=True):
            layer["b"] = b
        return loss


class WithLaterLoss(TrainStep):
    """Returns the loss after the update."""

    def train_step(self, x: Any, t: Any) -> Any:
        super().train_step(x, t)
        return -np.sum(t * np.log(self.forward(x))) / len(x)


class WithUpdatedWeights(TrainStep):
    """Sends the error back through weights that it has updated."""

    def train_step(self, x: Any, t: Any) -> Any:
        y = self.forward(x)
        dz2 = (y - t) / len(x)
        self.layers[1]["W"] -= self.rate * self.hidden.T @ dz2
        self.layers[1]["b"] -= self.rate * dz2.sum(axis=0, keepdims=True)
        dz1 = self.sent_back(dz2)
        self.layers[0]["W"] -= self.rate * x.T @ dz1
        self.layers[0]["b"] -= self.rate * dz1.sum(axis=0, keepdims=True)
        return -np.sum(t * np.log(y)) / len(x)


@pytest.mark.parametrize(
    ("wrong", "mistake"),
    [
        (WithUpdatedWeights, "the error is propagated back through weights that are already updated"),
        (WithFixedBiases, "the biases are never updated"),
        (WithLaterLoss, "the loss of a batch is computed after its weight update"),
    ],
)
def test_a_mistake_in_training_is_named_though_the_gradient_is_derived(wrong: type, mistake: str, dataset: str) -> None:
    checked = bb.check(wrong, **STEP, dataset=dataset, **SMALL)
    assert mistake in str(checked.likely_mistake)


def test_a_class_with_a_training_step_is_checked(dataset: str) -> None:
    checked = bb.check(TrainStep, **STEP, dataset=dataset, **SMALL)
    assert checked.ok
    assert "loss by epoch" in list(checked.table["quantity"])
    checked = bb.check(WithoutDerivative, **STEP, dataset=dataset, **SMALL)
    assert checked.likely_mistake == NO_DERIVATIVE
    assert checked.tables[0].title == "WithoutDerivative against scratch-numpy, float64"


class OwnRate(OneAtATime):
    """Has a learning rate of its own, under a name of its own."""

    def __init__(self) -> None:
        super().__init__(16, 8, 3, 0.25)
        self.speed = self.lr
        del self.lr

    def train(self, inputs_list: Any, targets_list: Any) -> None:
        self.lr = self.speed
        super().train(inputs_list, targets_list)
        del self.lr


def test_a_class_with_a_learning_rate_of_its_own_is_told_to_name_it(dataset: str) -> None:
    assert bb.check(OwnRate, **SINGLE, **ARTICLE, dataset=dataset, learning_rate=0.25).ok
    checked = bb.check(OwnRate, **SINGLE, **ARTICLE, dataset=dataset)
    assert not checked.ok
    assert checked.sentences[-1].startswith("It takes no learning rate; where its own is not that of the recipe, write")


# Other forms


def rows(weights: Any, x: Any, t: Any) -> Any:
    W1, b1, W2, b2 = weights
    h = sigmoid(x @ W1 + b1)
    y = softmax_of_rows(h @ W2 + b2)
    dz2 = (y - t) / len(x)
    dz1 = dz2 @ W2.T * h * (1 - h)
    return -np.log(y[t == 1]).mean(), [x.T @ dz1, dz1.sum(0), h.T @ dz2, dz2.sum(0)]


def as_lists(weights: Any, x: Any, t: Any) -> Any:
    loss, gradients = rows(weights, x, t)
    return [
        np.float64(loss),
        [gradient.reshape(1, -1).tolist() if gradient.ndim == 1 else gradient for gradient in gradients],
    ]


def one_tuple(weights: Any, x: Any, t: Any) -> Any:
    loss, gradients = rows(weights, x, t)
    return (loss, *gradients)


def gradients_alone(weights: Any, x: Any, t: Any) -> Any:
    return rows(weights, x, t)[1]


def in_units(weights: Any, x: Any, t: Any) -> Any:
    W1, b1, W2, b2 = weights
    loss, (dW1, db1, dW2, db2) = rows([W1.T, b1, W2.T, b2], x, t)
    return loss, [dW1.T, db1, dW2.T, db2]


def bias_first(weights: Any, x: Any, t: Any) -> Any:
    W1, W2 = weights
    loss, (dW1, db1, dW2, db2) = rows([W1[1:], W1[0], W2[1:], W2[0]], x, t)
    return loss, [np.vstack([db1, dW1]), np.vstack([db2, dW2])]


def bias_last(weights: Any, X: Any, T: Any) -> Any:
    V1, V2 = weights
    loss, (dW1, db1, dW2, db2) = rows([V1[:, :-1].T, V1[:, -1], V2[:, :-1].T, V2[:, -1]], X.T, T.T)
    return loss, [np.hstack([dW1.T, db1[:, None]]), np.hstack([dW2.T, db2[:, None]])]


def wrong_bias_column(weights: Any, X: Any, T: Any) -> Any:
    loss, gradients = bias_last(weights, X, T)
    for gradient in gradients:
        gradient[:, -1] *= 2
    return loss, gradients


@pytest.mark.parametrize(
    ("function", "options"),
    [
        (as_lists, {}),
        (one_tuple, {}),
        (gradients_alone, {}),
        (in_units, {"layout": "torch"}),
        (bias_first, {"bias_column": "first"}),
        (bias_last, {"bias_column": "last", "layout": "columns"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_other_forms_of_functions_are_understood(
    function: Callable[..., Any], options: dict[str, Any], dataset: str
) -> None:
    checked = bb.check(function, **options, dataset=dataset, **SMALL)
    assert checked.ok
    shows_loss = function is not gradients_alone
    assert ("loss by epoch" in list(checked.table["quantity"])) == shows_loss
    assert ("The loss is not compared: training returns none." in checked.sentences) != shows_loss


def test_a_mistake_in_a_column_of_biases_is_found_in_the_biases(dataset: str) -> None:
    checked = bb.check(wrong_bias_column, bias_column="last", layout="columns", dataset=dataset, **SMALL)
    assert not checked.ok
    assert "gradient of the biases × 2" in str(checked)


class GradientsOnly:
    """Has a method for gradients, and none that trains."""

    def __init__(self) -> None:
        self.W1 = self.b1 = self.W2 = self.b2 = None

    def backward(self, x: Any, t: Any) -> Any:
        return rows([self.W1, self.b1, self.W2, self.b2], x, t)

    def predict(self, x: Any) -> Any:
        return softmax_of_rows(sigmoid(x @ self.W1 + self.b1) @ self.W2 + self.b2)


def test_a_class_with_gradients_alone_is_trained_by_gradient_descent(dataset: str) -> None:
    options: dict[str, Any] = {"weights": NAMES, "gradients": "backward", "predict": "predict"}
    checked = bb.check(GradientsOnly, **options, dataset=dataset, **SMALL)
    assert checked.ok
    assert "derived" not in str(checked)
    with pytest.raises(InputError, match=r"GradientsOnly cannot do this recipe: optimizer: .* is trained with sgd"):
        bb.check(GradientsOnly, **options, dataset=dataset, **SMALL, optimizer="adam")


def test_functions_instead_of_names_take_the_network_first(dataset: str) -> None:
    checked = bb.check(
        TrainStep,
        weights=STEP["weights"],
        train=lambda network, x, t: network.train_step(x, t) and None,
        predict=lambda network, x: network.forward(x),
        dataset=dataset,
        **SMALL,
    )
    assert checked.ok
    assert "The loss is not compared: training returns none." in checked.sentences


@pytest.mark.parametrize("order", ["rows", "columns", "torch"])
@pytest.mark.parametrize("bias_column", [None, "first", "last"])
@pytest.mark.parametrize("bias", [True, False])
def test_weights_survive_every_layout(order: Any, bias_column: Any, bias: bool) -> None:
    layers = initial_parameters(Recipe(layer_sizes=(5, 4, 3), bias=bias, initialization="normal"))
    layout = Layout(order, bias_column)
    arrays = layout.arrays(layers)
    assert all(layout.fit([array.shape for array in arrays], layers))
    for before, after in zip(layers, layout.layers(arrays, layers), strict=True):
        for a, b in zip(before.arrays(), after.arrays(), strict=True):
            np.testing.assert_array_equal(a, b)
    assert layout.sizes([array.shape for array in arrays], layout.has_biases(layers)) == (5, 4, 3) or not bias


# What cannot be checked


class Transposed(TrainStep):
    """Has weights [units, inputs]."""

    def __init__(self, sizes: list[int]) -> None:
        super().__init__(sizes)
        for layer in self.layers:
            layer["W"] = layer["W"].T


class FixedSizes(TrainStep):
    """Is always of the same size."""

    def __init__(self) -> None:
        super().__init__([16, 5, 3])


class Unclear(TrainStep):
    """Takes a third argument."""

    def train_step(self, x: Any, t: Any, how: Any) -> Any:  # type: ignore[override]
        return super().train_step(x, t)


@pytest.mark.parametrize(
    ("implementation", "changes", "said"),
    [
        (None, {}, "None is no network; run the cell that defines it first"),
        (TrainStep, {"train": None}, r"TrainStep needs the name of the method that trains on a batch; write train=…"),
        (
            lambda sizes: TrainStep(sizes),
            {"train": None},
            "network needs the name of the method that trains on a batch",
        ),
        (TrainStep, {"weights": None}, r'TrainStep needs the names of its weights; write weights=\["W1", "b1", "W2"'),
        (
            TrainStep([16, 8, 3]),
            {},
            r"is of the type TrainStep; expected the class, .* lambda sizes: TrainStep\(\*sizes\)",
        ),
        (
            OneAtATime,
            {},
            r"OneAtATime\(inputnodes, hiddennodes, outputnodes, learningrate\) needs arguments; write lambda sizes",
        ),
        (TrainStep, {"weights": ["W1"] * 4}, "weights names W1, which TrainStep does not have .*; it has layers, rate"),
        (TrainStep, {"weights": ["W1!"]}, r"weights names 'W1!'; expected attributes such as \"W1\""),
        (TrainStep, {"weights": "W1"}, r"weights is 'W1'; expected a list of names, such as \[\"W1\", \"b1\""),
        (TrainStep, {"weights": STEP["weights"][:2]}, "weights names 2 arrays, and the recipe has 4; write bias=False"),
        (TrainStep, {"weights": STEP["weights"][:3]}, r"weights names 3 arrays, .* 4; .* write layer_sizes=\(…\)"),
        (
            Transposed,
            {},
            r'shape \[8, 16\], expected \[16, 8\] .* transposed, so write layout="columns" or layout="torc',
        ),
        (FixedSizes, {}, r"shape \[16, 5\], expected \[16, 8\] .* 16-8-3; so write layer_sizes=\(16, 5, 3\)"),
        (TrainStep, {"train": "fit"}, "TrainStep has no method 'fit'; it has forward, sent_back, train_step"),
        (
            Unclear,
            {},
            r"train_step\(x, t, how\) cannot be called with \(x, t\) or \(x, t, learning_rate\); write train=l",
        ),
        (TrainStep, {"layout": "cols"}, "layout is 'cols'; expected 'rows' or 'columns' or 'torch'"),
        (TrainStep, {"bias_column": "top"}, "bias_column is 'top'; expected None or 'first' or 'last'"),
        (TrainStep, {"batch": "lists"}, "batch is 'lists'; expected 'arrays' or 'pairs' or 'single'"),
        (TrainStep, {"optimizer": "adam"}, "optimizer: gradients are derived from one weight update with sgd"),
        ("torch-eager", {}, "weights belongs to a function; a class or a name has its own"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(
    implementation: Any, changes: dict[str, Any], said: str, dataset: str
) -> None:
    with pytest.raises(InputError, match=said) as raised:
        bb.check(implementation, **{**STEP, **SMALL, "dataset": dataset, **changes})
    assert "\n" not in str(raised.value)


class OfModules:
    """Can be called, as modules of PyTorch can."""

    def __call__(self, x: Any) -> Any:
        return x


def test_a_class_of_another_form_is_told_how_to_describe_it(dataset: str) -> None:
    with pytest.raises(InputError, match=r"expected .*; for a class of another form write weights=\[…\] and train=…"):
        bb.check(TrainStep, dataset=dataset)
    with pytest.raises(InputError, match=r"what is passed is of the type OfModules; expected the class, or a function"):
        bb.check(OfModules(), dataset=dataset)
    with pytest.raises(InputError, match=r"TrainStep has no method train_epoch .* backprop_bench\.adapt"):
        bb.compare(TrainStep, dataset=dataset)


def test_training_that_returns_something_else_is_told_what_was_expected(dataset: str) -> None:
    checked = bb.check(
        TrainStep, **{**STEP, "train": lambda network, x, t: (network.train_step(x, t), 0)}, dataset=dataset, **SMALL
    )
    assert not checked.ok
    assert "training TrainStep returned tuple of 2, expected the loss of the batch, a number, or None" in str(checked)


def test_a_network_that_is_too_slow_is_told_what_takes_less(dataset: str) -> None:
    def slow(weights: Any, x: Any, t: Any) -> Any:
        import time

        time.sleep(60)

    checked = bb.check(slow, dataset=dataset, timeout_s=1.0, **SMALL)
    assert not checked.ok
    assert str(checked).startswith("Not verified: slow gave no answer within 1 s; write steps=20, a smaller network")


def test_a_place_that_is_in_a_tuple_cannot_be_set() -> None:
    class Held:
        weights = (np.zeros(2),)

    with pytest.raises(InputError, match=r"weights\[0\] of Held cannot be set: 'tuple' object does not support item"):
        Place("weights[0]").write(Held(), np.ones(2))


# On the command line, and compared


def python(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("style", STYLES)
def test_a_new_file_is_short_runs_as_written_and_is_equal(style: str, tmp_path: Path, dataset: str) -> None:
    if importlib.util.find_spec(style) is None and style == "jax":
        pytest.skip("jax is not installed")
    written = python(tmp_path, "-m", "backprop_bench", "new", "mine.py", "--style", style)
    assert written.stdout == "mine.py: check it with python mine.py, or with backprop-bench parity mine.py:Mine\n"
    text = (tmp_path / "mine.py").read_text("utf-8")
    assert 25 <= len(text.splitlines()) <= 60
    small = ", ".join(f"{name}={value!r}" for name, value in {**SMALL, "dataset": dataset}.items())
    assert "bb.check(Mine)" in text
    (tmp_path / "small.py").write_text(text.replace("bb.check(Mine)", f"bb.check(Mine, {small})"), "utf-8")
    run = python(tmp_path, "small.py")
    assert run.stdout.startswith("Equal in float64 and float32: "), run.stdout + run.stderr
    words = ["--dataset", dataset, "--layer-sizes", "16-8-3", "--batch-size", "16", "--steps", "30"]
    checked = python(tmp_path, "-m", "backprop_bench", "parity", "mine.py:Mine", *words)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert ("derived from one weight update" in checked.stdout) == (style in ("class", "torch"))


def test_a_new_file_replaces_nothing(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text("kept")
    result = CliRunner().invoke(main, ["new", str(mine)])
    assert (result.exit_code, mine.read_text()) == (2, "kept")
    assert f"{mine} exists already; expected the name of a new file" in result.output
    result = CliRunner().invoke(main, ["new", str(tmp_path / "mine")])
    assert result.exit_code == 2
    assert "expected the name of a Python file, such as mine.py" in result.output


def test_an_adapted_class_is_compared_under_its_own_name(tmp_path: Path, dataset: str) -> None:
    compared = bb.compare(
        bb.adapt(TrainStep, **STEP),
        "scratch-numpy",
        profile="quick",
        budget_s=1.0,
        dataset=dataset,
        results=tmp_path,
        layer_sizes=(16, 8, 3),
    )
    assert compared.failures == ()
    assert list(compared.times["implementation"]) == ["TrainStep", "scratch-numpy"]
    assert compared.times["accuracy"].nunique() == 1, "both learn the same"


def test_what_returns_no_loss_is_timed_and_the_report_says_so(tmp_path: Path, dataset: str) -> None:
    made = bb.adapt(lambda sizes: OneAtATime(sizes[0], sizes[1], sizes[2], 0.1), **SINGLE)
    options: dict[str, Any] = {"profile": "quick", "budget_s": 1.0, "dataset": dataset, "results": tmp_path}
    compared = bb.compare(made, "scratch-numpy", recipe="article-scratch", layer_sizes=(16, 8, 3), **options)
    assert compared.failures == ()
    assert (compared.times["epoch_s"] > 0).all()
    assert "network returns no loss; the others compute it in their times." in str(compared)


def mean_squared_error(weights: Any, x: Any, t: Any) -> Any:
    """The loss of nn.MSELoss, and its gradients, of a network without biases."""
    W1, W2 = weights
    h = 1 / (1 + np.exp(-(x @ W1)))
    y = 1 / (1 + np.exp(-(h @ W2)))
    dz2 = 2 * (y - t) / t.size * y * (1 - y)
    return ((y - t) ** 2).mean(), [x.T @ (dz2 @ W2.T * h * (1 - h)), h.T @ dz2]


SIZES = (16, 7, 3)
MEAN_SQUARED_ERROR: dict[str, Any] = {"batch_size": 8, "reduction": "mean", "layer_sizes": SIZES, "learning_rate": 0.5}


def test_functions_that_follow_a_convention_are_equal_where_it_is_said_and_named_where_it_is_not(dataset: str) -> None:
    options: dict[str, Any] = {**MEAN_SQUARED_ERROR, "dataset": dataset, "steps": 20}
    said = bb.check(mean_squared_error, "article-scratch", half=False, mean_over_outputs=True, **options)
    assert said.ok
    assert str(said).startswith("Equal in float64")
    named = bb.check(mean_squared_error, "article-scratch", **options)
    assert named.ok
    assert named.likely_mistake is None
    words = "It is right for a squared error without the ½ that is the mean over the outputs, which is not that of the"
    assert str(named).startswith(words)
    assert "say --no-half --mean-over-outputs (half=False, mean_over_outputs=True)" in str(named)


@pytest.mark.parametrize(("field", "value"), [("rate_factor", 0.9), ("multiplicative_decay", 0.1)])
def test_functions_are_not_asked_to_do_what_they_cannot_know(dataset: str, field: str, value: float) -> None:
    fields: dict[str, Any] = {"layer_sizes": (16, 7, 3), field: value}
    with pytest.raises(bb.InputError, match=f"cannot do this recipe: {field}"):
        bb.check(mean_squared_error, "article-scratch", dataset=dataset, **fields)


class SaysNoLoss:
    """Its loss is wrong, and its method for gradients returns none."""

    def __init__(self) -> None:
        self.W1: Any = None
        self.W2: Any = None

    def grads(self, x: Any, t: Any) -> Any:
        return mean_squared_error([self.W1, self.W2], x, t)[1]

    def fit(self, x: Any, t: Any, learning_rate: float) -> Any:
        dW1, dW2 = self.grads(x, t)
        self.W1, self.W2 = self.W1 - learning_rate * dW1, self.W2 - learning_rate * dW2
        return 99.0


class SaysALossLater(SaysNoLoss):
    """Training returns no loss at first."""

    times = 0

    def fit(self, x: Any, t: Any, learning_rate: float) -> Any:
        self.times += 1
        loss = super().fit(x, t, learning_rate)
        return None if self.times == 1 else loss


@pytest.mark.parametrize(
    ("network", "said"), [(SaysNoLoss, "loss by epoch"), (SaysALossLater, "a loss once and None another time")]
)
def test_gradients_without_a_loss_do_not_hide_that_of_training(dataset: str, network: type, said: str) -> None:
    options: dict[str, Any] = {**MEAN_SQUARED_ERROR, "dataset": dataset, "steps": 20, "half": False}
    options |= {"weights": ["W1", "W2"], "train": "fit", "gradients": "grads", "mean_over_outputs": True}
    checked = bb.check(network, "article-scratch", **options)
    assert not checked.ok
    assert said in str(checked)


# Dropout


def softmax(z: Any) -> Any:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def with_masks(weights: Any, x: Any, t: Any, masks: Any) -> Any:
    """Two hidden layers, both with dropout."""
    W1, b1, W2, b2, W3, b3 = weights
    y1 = 1 / (1 + np.exp(-(x @ W1 + b1)))
    y2 = 1 / (1 + np.exp(-(y1 * masks[0] @ W2 + b2)))
    o = softmax(y2 * masks[1] @ W3 + b3)
    d3 = (o - t) / len(x)
    d2 = d3 @ W3.T * masks[1] * y2 * (1 - y2)
    d1 = d2 @ W2.T * masks[0] * y1 * (1 - y1)
    loss = -(t * np.log(o)).sum() / len(x)
    return loss, [x.T @ d1, d1.sum(0), (y1 * masks[0]).T @ d2, d2.sum(0), (y2 * masks[1]).T @ d3, d3.sum(0)]


def with_masks_on_the_way_there(weights: Any, x: Any, t: Any, masks: Any) -> Any:
    """Likewise, with one hidden layer, but its error is not multiplied by the mask."""
    W1, b1, W2, b2 = weights
    h = 1 / (1 + np.exp(-(x @ W1 + b1)))
    o = softmax(h * masks[0] @ W2 + b2)
    d2 = (o - t) / len(x)
    d1 = d2 @ W2.T * h * (1 - h)
    return -(t * np.log(o)).sum() / len(x), [x.T @ d1, d1.sum(0), (h * masks[0]).T @ d2, d2.sum(0)]


class SingleWithMasks:
    """Columns, one example at a time; no gradients, no loss."""

    def __init__(self) -> None:
        self.W1: Any = None
        self.W2: Any = None

    def learn(self, x: Any, t: Any, masks: Any, learning_rate: float) -> None:
        h = 1 / (1 + np.exp(-self.W1 @ x))
        kept = h * masks[0]
        y = 1 / (1 + np.exp(-self.W2 @ kept))
        d2 = (y - t) * y * (1 - y)
        d1 = self.W2.T @ d2 * masks[0] * h * (1 - h)
        self.W2 = self.W2 - learning_rate * d2 @ kept.T
        self.W1 = self.W1 - learning_rate * d1 @ x.T


DEEP = (SIZES[0], 7, 6, SIZES[-1])
DROPOUT: dict[str, Any] = {"dropout": 0.4, "batch_size": 8, "steps": 20, "learning_rate": 0.5}


def test_dropout_with_given_masks_is_verified_in_every_form(dataset: str) -> None:
    several = bb.check(with_masks, dataset=dataset, layer_sizes=DEEP, **DROPOUT)
    assert several.ok, several
    assert "Equal in float64" in str(several)
    options: dict[str, Any] = {**DROPOUT, "dataset": dataset, "layer_sizes": SIZES, "batch_size": 1}
    options |= {"weights": ["W1", "W2"], "train": "learn", "layout": "columns", "batch": "single"}
    single = bb.check(SingleWithMasks, "article-scratch", **options)
    assert single.ok, single


def test_without_dropout_masks_change_nothing(dataset: str) -> None:
    options: dict[str, Any] = {**DROPOUT, "dropout": 0.0, "layer_sizes": DEEP}
    assert bb.check(with_masks, dataset=dataset, **options).ok


def test_a_mask_that_is_missing_on_the_way_back_is_named(dataset: str) -> None:
    checked = bb.check(with_masks_on_the_way_there, dataset=dataset, layer_sizes=SIZES, **DROPOUT)
    assert not checked.ok
    assert checked.likely_mistake == "the masks of dropout are missing on the way back"


def test_dropout_without_a_parameter_for_the_masks_is_refused(dataset: str) -> None:
    with pytest.raises(bb.InputError, match=r"dropout.* so write a parameter masks, a list of an"):
        bb.check(mean_squared_error, "article-scratch", dataset=dataset, layer_sizes=SIZES, **DROPOUT)


# What a blind test found


def raising(weights: Any, x: Any, t: Any) -> Any:
    h = x @ weights[1]  # the line that raises
    return 0.0, [h, h]


def test_what_raises_is_shown_with_its_line_though_it_is_sent_by_value(dataset: str) -> None:
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    line = 1 + next(number for number, text in enumerate(lines) if text.endswith("# the line that raises"))
    checked = bb.check(raising, "article-scratch", dataset=dataset, layer_sizes=SIZES, steps=20)
    assert f"raised ValueError in line {line}: matmul" in str(checked)


def of_another_cell(weights: Any, x: Any, t: Any) -> Any:
    return a_helper(weights, x, t)  # type: ignore[name-defined]  # noqa: F821


def test_a_cell_that_was_not_run_is_named_by_what_is_missing(dataset: str) -> None:
    checked = bb.check(of_another_cell, "article-scratch", dataset=dataset, layer_sizes=SIZES, steps=20)
    assert "name 'a_helper' is not defined; define it before, in a notebook by running its cell" in str(checked)


def test_the_advice_on_shapes_says_what_a_single_example_is(dataset: str) -> None:
    options: dict[str, Any] = {"dataset": dataset, "layer_sizes": SIZES, "batch_size": 1, "steps": 20}
    checked = bb.check(
        SingleWithMasks,
        "article-scratch",
        weights=["W1", "W2"],
        train="learn",
        layout="torch",
        batch="single",
        **options,
    )
    assert "x is one example, [inputs], and weights are [units, inputs]" in str(checked)


def with_dropout(weights: Any, x: Any, t: Any) -> Any:
    """Hidden units are left out at random."""
    W1, W2 = weights
    h = 1 / (1 + np.exp(-(x @ W1))) * (np.random.default_rng().random((len(x), W1.shape[1])) > 0.5)
    y = 1 / (1 + np.exp(-(h @ W2)))
    dz2 = (y - t) * y * (1 - y)
    return 0.5 * ((y - t) ** 2).sum(), [x.T @ (dz2 @ W2.T * h * (1 - h)), h.T @ dz2]


def test_of_what_is_random_no_mistake_is_claimed(dataset: str) -> None:
    checked = bb.check(with_dropout, "article-scratch", dataset=dataset, layer_sizes=SIZES, batch_size=8, steps=20)
    assert not checked.ok
    assert checked.likely_mistake is None
    assert "when it is called again with the same batch" in checked.sentences[0]
    assert "is something random in it, such as dropout" in str(checked)


def with_an_update(weights: Any, x: Any, t: Any) -> Any:
    """It updates the weights that it is given, and returns the gradients, too."""
    loss, gradients = mean_squared_error(weights, x, t)
    for weight, gradient in zip(weights, gradients, strict=True):
        weight -= 0.5 * gradient
    return loss, gradients


def test_a_function_that_changes_the_weights_that_it_is_given_is_refused(dataset: str) -> None:
    options: dict[str, Any] = {**MEAN_SQUARED_ERROR, "dataset": dataset, "half": False, "mean_over_outputs": True}
    checked = bb.check(with_an_update, "article-scratch", steps=20, **options)
    assert not checked.ok
    assert "with_an_update changes the weights that it is given" in str(checked)
    assert "leave the update to the suite" in str(checked)


class TwoUpdates:
    """It divides every batch of the suite in two, and updates the weights after each half."""

    def __init__(self) -> None:
        self.W1: Any = None
        self.W2: Any = None

    def fit(self, x: Any, t: Any, learning_rate: float) -> Any:
        losses = []
        for half in (slice(0, 4), slice(4, None)):
            if len(x[half]):
                loss, (dW1, dW2) = mean_squared_error([self.W1, self.W2], x[half], t[half])
                self.W1, self.W2 = self.W1 - learning_rate * dW1, self.W2 - learning_rate * dW2
                losses.append(loss * len(x[half]))
        return sum(losses) / len(x)


def test_two_updates_a_batch_are_named_though_the_gradient_is_derived_from_both(dataset: str) -> None:
    options: dict[str, Any] = {**MEAN_SQUARED_ERROR, "dataset": dataset, "half": False, "mean_over_outputs": True}
    checked = bb.check(TwoUpdates, "article-scratch", weights=["W1", "W2"], train="fit", steps=20, **options)
    assert not checked.ok
    assert checked.likely_mistake == "the weights are updated after every 4 examples of a batch"
