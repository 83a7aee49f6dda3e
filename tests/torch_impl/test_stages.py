"""The stages of PyTorch compute what autograd computes."""

import pytest
from hypothesis import given, settings

from backprop_bench.data import Recipe, Trainer
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
