"""An implementation that breaks the protocol is named as such, and never counted as equal."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from backprop_bench.bench.cli.main import main
from backprop_bench.bench.verify.protocol import check_protocol
from backprop_bench.data import Floats, Layer, Order, Parameters, Recipe, initial_parameters
from backprop_bench.scratch.numpy_trainer import NumpyTrainer
from backprop_bench.torch_impl.trainers import EagerTrainer, LoaderTrainer
from tests.recipes import random_examples

RECIPE = Recipe(layer_sizes=(6, 5, 3), batch_size=4, dtype="float64")


class NoPrediction(NumpyTrainer):
    def predict(self, x: Floats) -> Any:
        pass


class TransposedPrediction(NumpyTrainer):
    def predict(self, x: Floats) -> Floats:
        return super().predict(x).T


class Float32Prediction(NumpyTrainer):
    def predict(self, x: Floats) -> Floats:
        return super().predict(x).astype(np.float32)


class ListPrediction(NumpyTrainer):
    def predict(self, x: Floats) -> Any:
        return super().predict(x).tolist()


class NanGradient(NumpyTrainer):
    def gradients(self, x: Floats, t: Floats) -> Parameters:
        result = super().gradients(x, t)
        result[0].weight[1, 2] = np.nan
        return result


class MissingLayer(NumpyTrainer):
    def gradients(self, x: Floats, t: Floats) -> Parameters:
        return super().gradients(x, t)[1:]


class PlainArrays(NumpyTrainer):
    def gradients(self, x: Floats, t: Floats) -> Any:
        return tuple(layer.weight for layer in super().gradients(x, t))


class TransposedGradient(NumpyTrainer):
    def gradients(self, x: Floats, t: Floats) -> Parameters:
        return tuple(Layer(layer.weight.T, layer.bias) for layer in super().gradients(x, t))


class NoBias(NumpyTrainer):
    def gradients(self, x: Floats, t: Floats) -> Parameters:
        return tuple(Layer(layer.weight, None) for layer in super().gradients(x, t))


class ScalesItsInputs(NumpyTrainer):
    def predict(self, x: Floats) -> Floats:
        x *= 0.5
        return super().predict(x)


class ScalesItsTargets(NumpyTrainer):
    def gradients(self, x: Floats, t: Floats) -> Parameters:
        t *= 0.5
        return super().gradients(x, t)


class TrainsInGradients(NumpyTrainer):
    def gradients(self, x: Floats, t: Floats) -> Parameters:
        result = super().gradients(x, t)
        self.layers[0].weight[...] -= result[0].weight
        return result


class SortsTheOrder(NumpyTrainer):
    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        order.sort()
        return super().train_epoch(x, t, order)


class OneArrayForAll(NumpyTrainer):
    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        super().__init__(recipe, parameters)
        self.kept = super().parameters()

    def gradients(self, x: Floats, t: Floats) -> Parameters:
        for mine, new in zip(self.kept, super().gradients(x, t), strict=True):
            mine.weight[...] = new.weight
        return self.kept


class GivesItsOwnWeights(NumpyTrainer):
    def parameters(self) -> Parameters:
        return self.layers


class KeepsTheInitialWeights(NumpyTrainer):
    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        super().__init__(recipe, parameters)
        self.layers = parameters
        self.optimizer = type(self.optimizer)(recipe, [a for layer in parameters for a in layer.arrays()])  # type: ignore[call-arg]


class DrawsItsOwnWeights(NumpyTrainer):
    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        super().__init__(recipe, initial_parameters(recipe.replace(seed=recipe.seed + 1)))


class NoLoss(NumpyTrainer):
    def train_epoch(self, x: Floats, t: Floats, order: Order) -> Any:
        super().train_epoch(x, t, order)


class ArrayLoss(NumpyTrainer):
    def train_epoch(self, x: Floats, t: Floats, order: Order) -> Any:
        return np.array([super().train_epoch(x, t, order)])


class Lazy:
    def __float__(self) -> float:
        return 0.5


class LazyLoss(NumpyTrainer):
    def train_epoch(self, x: Floats, t: Floats, order: Order) -> Any:
        super().train_epoch(x, t, order)
        return Lazy()


class TransposesAfterTraining(NumpyTrainer):
    def parameters(self) -> Parameters:
        result = super().parameters()
        return tuple(Layer(layer.weight.T, layer.bias) for layer in result) if self.n_visited else result


class RaisesAfterTraining(NumpyTrainer):
    def parameters(self) -> Parameters:
        if self.n_visited:
            raise RuntimeError("no weights")  # this line
        return super().parameters()


SOURCE = Path(__file__).read_text(encoding="utf-8").splitlines()
THIS_LINE = 1 + next(number for number, line in enumerate(SOURCE) if line.endswith("# this line"))
FAULTS = [
    (NoPrediction, "predict returns NoneType for outputs, expected a NumPy array"),
    (ListPrediction, "predict returns list for outputs, expected a NumPy array"),
    (TransposedPrediction, "predict returns outputs of shape [3, 9], expected [9, 3]"),
    (Float32Prediction, "predict returns outputs of dtype float32, expected float64"),
    (NanGradient, "gradients returns layer 1 weight with nan in it, expected finite numbers"),
    (MissingLayer, "gradients returns tuple of 1, expected a tuple of 2 layers"),
    (PlainArrays, "gradients returns ndarray as layer 1, expected Layer(weight, bias)"),
    (TransposedGradient, "gradients returns layer 1 weight of shape [5, 6], expected [6, 5]"),
    (NoBias, "gradients returns NoneType for layer 1 bias, expected a NumPy array"),
    (ScalesItsInputs, "predict changes x"),
    (ScalesItsTargets, "gradients changes t"),
    (TrainsInGradients, "gradients changes its own layer 1 weight"),
    (SortsTheOrder, "train_epoch changes order"),
    (OneArrayForAll, "gradients returns the same array twice for layer 1 weight, expected a new one each time"),
    (GivesItsOwnWeights, "parameters returns the same array twice for layer 1 weight, expected a new one each time"),
    (KeepsTheInitialWeights, "train_epoch changes the initial layer 1 weight"),
    (DrawsItsOwnWeights, "parameters returns another layer 1 weight than the initial one, before any training"),
    (NoLoss, "train_epoch returns NoneType, expected a number, the mean loss"),
    (ArrayLoss, "train_epoch returns ndarray, expected a number, the mean loss"),
    (LazyLoss, "train_epoch returns Lazy, expected a number, the mean loss"),
    (TransposesAfterTraining, "after training parameters returns layer 1 weight of shape [5, 6], expected [6, 5]"),
    (RaisesAfterTraining, f"parameters raised RuntimeError in line {THIS_LINE}: no weights"),
]


@pytest.mark.parametrize(("trainer", "sentence"), FAULTS, ids=[trainer.__name__ for trainer, _ in FAULTS])
def test_a_breach_of_the_protocol_is_named(trainer: type[NumpyTrainer], sentence: str) -> None:
    result = check_protocol(RECIPE, trainer, random_examples(RECIPE, 9))
    assert result.where == sentence
    assert not result.passed


def test_weights_that_have_diverged_are_no_breach_of_the_protocol() -> None:
    recipe = RECIPE.replace(learning_rate=1e308, loss="squared_error", output_activation="identity")
    result = check_protocol(recipe, NumpyTrainer, random_examples(recipe, 9))
    assert result.passed, result.where


@pytest.mark.parametrize("trainer", [NumpyTrainer, EagerTrainer, LoaderTrainer])
@pytest.mark.parametrize("bias", [True, False])
def test_the_suites_own_implementations_follow_the_protocol(trainer: type, bias: bool) -> None:
    recipe = RECIPE.replace(bias=bias)
    result = check_protocol(recipe, trainer, random_examples(recipe, 9))
    assert result.passed, result.where


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("NanGradient", "Not equal in float64: gradients returns layer 1 weight with nan"),
        ("NoPrediction", "predict returns NoneType"),
        ("ScalesItsInputs", "predict changes x"),
    ],
)
def test_the_parity_command_names_it_and_ends_with_exit_code_1(
    name: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))  # this file imports tests.recipes
    sizes = ["--layer-sizes", "784-5-10", "--dtype", "float64"]
    result = CliRunner().invoke(main, ["parity", f"{Path(__file__)}:{name}", "--steps", "20", *sizes])
    assert result.exit_code == 1
    assert words in result.output


@pytest.mark.slow
def test_the_parity_command_says_where_a_wrong_implementation_begins_to_differ() -> None:
    odd = Path(__file__).with_name("odd_trainers.py")
    sizes = ["--layer-sizes", "784-5-10", "--dtype", "float64"]
    result = CliRunner().invoke(main, ["parity", f"{odd}:Wrong", "--steps", "20", *sizes])
    assert result.exit_code == 1
    message = " ".join(result.output.split())
    assert "the first quantity that differs is dE/dW, gradient of layer 1. The error at" in message
    assert "is 0.001 × the largest value of the array" in message


@pytest.mark.slow
def test_the_parity_command_finds_both_versions_equal_in_both_precisions() -> None:
    result = CliRunner().invoke(main, ["parity", "--steps", "20", "--layer-sizes", "784-5-10"])
    assert result.exit_code == 0, result.output
    assert "Equal in float64 and float32: every error is within its tolerance." in result.output
