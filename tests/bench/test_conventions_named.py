"""A network that is right for another convention than its recipe's passes, with the convention named."""

import numpy as np
import pytest

from backprop_bench.bench.mutation.likely import read_difference
from backprop_bench.bench.mutation.mutant import make_trainer
from backprop_bench.bench.mutation.mutations import MISTAKES
from backprop_bench.bench.mutation.planted import DECAY, MEAN, RELU, SOFTMAX, SQUARED, plant
from backprop_bench.bench.mutation.recipes import RECIPES, examples_of
from backprop_bench.bench.verify import inspection
from backprop_bench.bench.verify.handlers import with_recipe
from backprop_bench.data import Recipe, Trainer
from backprop_bench.scratch.numpy_trainer import NumpyTrainer

Edits = list[tuple[str, str]]
ROWS_LOSS, COLUMNS_LOSS = "0.5 * ((self.a2 - t) ** 2).sum()", "np.sum((A2 - Y) ** 2) / 2"
EXAMPLE_LOSS = "0.5 * np.linalg.norm(output - y) ** 2"
ROWS_UPDATE = "w -= rate * (dw + decay * w)"
COLUMNS_UPDATE = "self.params[name] = self.params[name] - alpha * (grads[name] + decay * self.params[name])"
EXAMPLE_UPDATE = "self.biases = [b - eta * (nb + lmbda * b) for b, nb in zip(self.biases, nabla_b, strict=True)]"
ROWS_LAST = "softmax(self.z2) if self.recipe.output_activation == 'softmax' else sigmoid(self.z2)"
ROWS_D2, COLUMNS_DZ2 = "d2 = error * self.a2 * (1 - self.a2)", "dA2 * A2 * (1 - A2)"
EXAMPLE_DELTA = "delta = cost * output * (1 - output)"
EXAMPLE_LAST = "self.last = softmax if recipe.output_activation == 'softmax' else sigmoid"
COLUMNS_LAST = "last = softmax if self.recipe.output_activation == 'softmax' else sigmoid"

CONVENTIONS: dict[str, tuple[Recipe, dict[str, Edits], str]] = {
    "no half": (
        SQUARED,
        {
            "rows": [("error = self.a2 - t", "error = 2 * (self.a2 - t)"), (ROWS_LOSS, "((self.a2 - t) ** 2).sum()")],
            "columns": [("dA2 = A2 - Y", "dA2 = 2 * (A2 - Y)"), (COLUMNS_LOSS, "np.sum((A2 - Y) ** 2)")],
            "per example": [
                ("cost = output - y", "cost = 2 * (output - y)"),
                (EXAMPLE_LOSS, "np.linalg.norm(output - y) ** 2"),
            ],
        },
        "a squared error without the ½",
    ),
    "nn.MSELoss": (
        MEAN,
        {
            "rows": [
                ("error = self.a2 - t", "error = 2 / t.shape[1] * (self.a2 - t)"),
                (ROWS_LOSS, "((self.a2 - t) ** 2).mean(axis=1).sum()"),
            ],
            "columns": [
                ("dA2 = A2 - Y", "dA2 = 2 / len(Y) * (A2 - Y)"),
                (COLUMNS_LOSS, "np.sum(np.mean((A2 - Y) ** 2, axis=0))"),
            ],
            "per example": [
                ("cost = output - y", "cost = 2 / len(y) * (output - y)"),
                (EXAMPLE_LOSS, "np.mean((output - y) ** 2)"),
            ],
        },
        "a squared error without the ½ that is the mean over the outputs",
    ),
    "decay of the weights alone": (
        DECAY,
        {
            "rows": [(ROWS_UPDATE, "w -= rate * (dw + (decay if w.ndim == 2 else 0) * w)")],
            "columns": [
                (COLUMNS_UPDATE, COLUMNS_UPDATE.replace("decay *", "(decay if name.startswith('W') else 0) *"))
            ],
            "per example": [(EXAMPLE_UPDATE, EXAMPLE_UPDATE.replace("(nb + lmbda * b)", "nb"))],
        },
        "weight decay of the weights alone, not of the biases",
    ),
    "log(y + ε)": (
        SOFTMAX,
        {
            "rows": [("np.log(self.a2)", "np.log(self.a2 + 1e-08)")],
            "columns": [("np.log(A2)", "np.log(A2 + 1e-08)")],
            "per example": [("np.log(output)", "np.log(output + 1e-08)")],
        },
        "a loss with log(y + 1e-8)",
    ),
    "leaky relu": (
        RELU,
        {
            "rows": [
                ("np.maximum(z, 0)", "np.where(z > 0, z, 0.01 * z)"),
                ("(a > 0).astype(a.dtype)", "np.where(a > 0, 1, 0.01)"),
            ],
            "columns": [
                ("z * (z > 0)", "np.where(z > 0, z, 0.01 * z)"),
                ("dA1 * (A1 > 0)", "dA1 * np.where(A1 > 0, 1, 0.01)"),
            ],
            "per example": [
                ("np.where(z > 0, z, 0)", "np.where(z > 0, z, 0.01 * z)"),
                ("np.where(a > 0, 1.0, 0.0)", "np.where(a > 0, 1.0, 0.01)"),
            ],
        },
        "leaky relu with slope 0.01",
    ),
    "short batch dropped": (
        SOFTMAX,
        {
            "rows": [("range(0, len(order), size)", "range(0, len(order) - size + 1, size)")],
            "columns": [("range(0, len(order), size)", "range(0, len(order) - size + 1, size)")],
            "per example": [("range(0, len(data), size)", "range(0, len(data) - size + 1, size)")],
        },
        "epochs without the short last batch",
    ),
    "softmax and squared error": (
        SQUARED,
        {
            "rows": [
                (ROWS_LAST, "softmax(self.z2)"),
                (ROWS_D2, "d2 = self.a2 * (error - (error * self.a2).sum(axis=1, keepdims=True))"),
            ],
            "columns": [
                (COLUMNS_LAST, "last = softmax"),
                (COLUMNS_DZ2, "A2 * (dA2 - np.sum(dA2 * A2, axis=0, keepdims=True))"),
            ],
            "per example": [
                (EXAMPLE_LAST, "self.last = softmax"),
                (EXAMPLE_DELTA, "delta = output * (cost - np.sum(cost * output))"),
            ],
        },
        "a squared error after softmax",
    ),
    "tanh outputs": (
        SQUARED,
        {
            "rows": [(ROWS_LAST, "np.tanh(self.z2)"), (ROWS_D2, "d2 = error * (1 - self.a2 ** 2)")],
            "columns": [(COLUMNS_LAST, "last = np.tanh"), (COLUMNS_DZ2, "dA2 * (1 - A2 ** 2)")],
            "per example": [(EXAMPLE_LAST, "self.last = np.tanh"), (EXAMPLE_DELTA, "delta = cost * (1 - output**2)")],
        },
        "outputs after tanh, with targets −1 and 1",
    ),
}
"""Recipe, edits of each style, and the words of the convention."""
PLACES = [(name, style) for name, (_, edits, _) in CONVENTIONS.items() for style in edits]


def is_named(recipe: Recipe, trainer: type[Trainer]) -> str:
    """Return the convention that is named, where the network is right for it."""
    with np.errstate(all="ignore"):
        reading = read_difference(recipe, trainer, NumpyTrainer, examples_of(recipe))
    (convention,) = reading.conventions
    changed = recipe.replace(**convention.changes)
    examples = examples_of(changed)
    quantities = inspection.inspect(changed, with_recipe(trainer, recipe), NumpyTrainer, examples, 12)
    assert [quantity for quantity in quantities if not quantity.passed] == []
    return convention.words


@pytest.mark.parametrize(("name", "style"), PLACES)
def test_a_network_of_another_convention_is_right_with_the_convention_named(name: str, style: str) -> None:
    recipe, edits, words = CONVENTIONS[name]
    assert is_named(recipe, plant(style, edits[style])) == words


OPTIMIZERS = {
    "momentum is Nesterov momentum": "Nesterov's momentum, as torch.optim.SGD has it",
    "momentum is dampened by 1 − α": "momentum whose gradients count 1 − α",
    "Adam adds ε before it corrects the second moment": (
        "Adam with ε added to the uncorrected root, the reordered form of its publication"
    ),
}


@pytest.mark.parametrize(("mistake", "words"), OPTIMIZERS.items())
def test_an_optimizer_of_another_convention_is_right_with_the_convention_named(mistake: str, words: str) -> None:
    mutation = next(known for known in MISTAKES if known.name == mistake)
    recipe = RECIPES[mutation.recipes[0]]
    recipe = recipe.replace(epsilon=1e-3) if recipe.optimizer == "adam" else recipe
    assert is_named(recipe, make_trainer(mutation.edits)) == words
