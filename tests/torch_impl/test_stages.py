"""The stages of PyTorch compute what autograd computes."""

import pytest
from hypothesis import given, settings

from backprop_bench.data import Recipe, Trainer
from backprop_bench.scratch.numpy_trainer import NumpyTrainer
from backprop_bench.scratch.python_trainer import PythonTrainer
from backprop_bench.torch_impl.chain import OptimizerTrainer
from backprop_bench.torch_impl.manual import ManualTrainer
from backprop_bench.torch_impl.trainers import EagerTrainer, FusedTrainer
from tests.agreement import assert_same
from tests.recipes import random_examples, recipes

N_EXAMPLES = 21  # 8 + 8 + 5: the last batch is short


@pytest.mark.slow
@pytest.mark.parametrize("trainer", [FusedTrainer, ManualTrainer])
@settings(max_examples=40, deadline=None)
@given(recipe=recipes())
def test_outputs_gradients_and_weights_are_those_of_torch_eager(trainer: type[Trainer], recipe: Recipe) -> None:
    examples = random_examples(recipe, N_EXAMPLES)
    assert_same(recipe, trainer, EagerTrainer, examples, 20)


SETTINGS = {"epsilon": 0.1, "rmsprop_alpha": 0.6, "beta1": 0.5, "beta2": 0.7}
"""Far from the defaults of PyTorch."""


@pytest.mark.parametrize("trainer", [EagerTrainer, FusedTrainer, ManualTrainer, OptimizerTrainer, PythonTrainer])
@pytest.mark.parametrize("optimizer", ["rmsprop", "adam"])
def test_every_setting_of_an_optimizer_reaches_it(trainer: type[Trainer], optimizer: str) -> None:
    recipe = Recipe(layer_sizes=(6, 5, 3), batch_size=8, dtype="float64", learning_rate=0.05)
    for changes in ({}, *({name: value} for name, value in SETTINGS.items()), SETTINGS):
        changed = recipe.replace(optimizer=optimizer, **changes)
        assert_same(changed, trainer, NumpyTrainer, random_examples(changed, N_EXAMPLES), 5)
