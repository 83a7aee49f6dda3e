"""`scratch-inplace` computes what `scratch-numpy` computes, in memory that it took once."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings

from backprop_bench.data import Recipe, batch_order, initial_parameters
from backprop_bench.scratch.inplace_trainer import InplaceTrainer
from backprop_bench.scratch.numpy_trainer import NumpyTrainer
from tests.agreement import assert_same
from tests.recipes import random_examples, recipes

N_EXAMPLES = 21  # 8 + 8 + 5: the last batch is short


@settings(max_examples=80, deadline=None)
@given(recipes())
def test_outputs_gradients_and_weights_are_those_of_numpy(recipe: Recipe) -> None:
    examples = random_examples(recipe, N_EXAMPLES)
    assert_same(recipe, InplaceTrainer, NumpyTrainer, examples, 40)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(recipes(dtype="float32"))
def test_in_float32_they_stay_within_what_rounding_allows(recipe: Recipe) -> None:
    examples = random_examples(recipe, N_EXAMPLES)
    assert_same(recipe, InplaceTrainer, NumpyTrainer, examples, 10)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"hidden_activation": "relu", "optimizer": "adam", "learning_rate": 0.01},
        {"hidden_activation": "tanh", "optimizer": "momentum", "momentum": 0.9, "weight_decay": 0.01},
        {"output_activation": "sigmoid", "loss": "squared_error", "optimizer": "rmsprop", "learning_rate": 0.01},
        {"output_activation": "sigmoid", "batch_size": None},
    ],
)
def test_an_epoch_takes_no_memory_once_there_was_one(changes: dict[str, object]) -> None:
    recipe = Recipe().replace(layer_sizes=(300, 400, 10), **changes)
    examples = random_examples(recipe, 2 * 64 + 40)
    trainer = InplaceTrainer(recipe, initial_parameters(recipe))
    order = batch_order(recipe, len(examples.x), 0)
    trainer.train_epoch(examples.x, examples.t, order)
    tracemalloc.start()
    trainer.train_epoch(examples.x, examples.t, order)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    hidden_bytes, buffer_bytes = 64 * 400 * 4, 8192 * 4
    assert peak < buffer_bytes + 4096 < hidden_bytes / 2, "NumPy's own buffer, and no array of a layer"


def test_examples_that_do_not_exist_are_an_error_rather_than_others() -> None:
    recipe = Recipe(layer_sizes=(3, 2, 2), batch_size=2)
    examples = random_examples(recipe, 4)
    trainer = InplaceTrainer(recipe, initial_parameters(recipe))
    for order in ([0, 4], [-1, 0]):
        with pytest.raises(IndexError, match="of 4"):
            trainer.train_epoch(examples.x, examples.t, np.array(order))
