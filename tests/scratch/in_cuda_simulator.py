"""That `scratch-cuda` computes what `scratch-numpy` computes; test_cuda_trainer.py runs it in Numba's simulator."""

import numpy as np
import pytest
from hypothesis import given, settings

from backprop_bench.data import Recipe, batch_order, initial_parameters
from backprop_bench.scratch.cuda_trainer import PREDICTED, CudaTrainer
from backprop_bench.scratch.numpy_trainer import NumpyTrainer
from tests.agreement import assert_same
from tests.recipes import random_examples, recipes

N_EXAMPLES = 11  # 4 + 4 + 3: the last batch is short
SMALL = Recipe(layer_sizes=(6, 5, 4, 3), batch_size=4, dtype="float64")


@settings(max_examples=30, deadline=None)
@given(recipe=recipes())
def test_outputs_gradients_and_weights_are_those_of_numpy(recipe: Recipe) -> None:
    recipe = recipe.replace(layer_sizes=tuple(min(size, 6) for size in recipe.layer_sizes))
    assert_same(recipe, CudaTrainer, NumpyTrainer, random_examples(recipe, N_EXAMPLES), 2)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "rmsprop", "adam"])
def test_every_optimizer_trains_the_weights_of_numpy(optimizer: str, dtype: str) -> None:
    changes = {"optimizer": optimizer, "momentum": 0.9 if optimizer == "momentum" else 0.0, "weight_decay": 0.01}
    recipe = SMALL.replace(learning_rate=0.01, dtype=dtype, **changes)
    assert_same(recipe, CudaTrainer, NumpyTrainer, random_examples(recipe, N_EXAMPLES), 4)


def test_gradients_and_predictions_leave_training_alone_and_larger_batches_have_room() -> None:
    recipe = SMALL.replace(optimizer="adam", learning_rate=0.01)
    examples = random_examples(recipe, N_EXAMPLES)
    one, other = (CudaTrainer(recipe, initial_parameters(recipe)) for _ in range(2))
    for epoch in range(2):
        order = batch_order(recipe, N_EXAMPLES, epoch)
        for trainer in (one, other):
            trainer.train_epoch(examples.x, examples.t, order)
        other.gradients(examples.x, examples.t)
        assert other.predict(np.repeat(examples.x, PREDICTED // N_EXAMPLES + 1, axis=0)).shape == (264, 3)
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        assert all(map(np.array_equal, a.arrays(), b.arrays()))


def test_an_example_that_is_not_there_is_an_error_rather_than_the_gpu_s_end() -> None:
    examples, trainer = random_examples(SMALL, 4), CudaTrainer(SMALL, initial_parameters(SMALL))
    for order in ([0, 4], [-1, 0]):
        with pytest.raises(IndexError, match="of 4"):
            trainer.train_epoch(examples.x, examples.t, np.array(order))
