"""`torch-compile` computes what autograd computes, whole batches and short ones, and refuses what it cannot do."""

from typing import Any

import numpy as np
import pytest
import torch

from backprop_bench.bench.core.implementations import named_implementation
from backprop_bench.data import Recipe, UnsupportedRecipe, initial_parameters
from backprop_bench.torch_impl.compiled import CompileTrainer
from backprop_bench.torch_impl.trainers import EagerTrainer
from tests.agreement import assert_same
from tests.recipes import random_examples


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"weight_decay": 0.01, "learning_rate": 0.1},
        {"optimizer": "momentum", "momentum": 0.9, "learning_rate": 0.05},
        {"optimizer": "rmsprop", "learning_rate": 0.01},
        {"optimizer": "adam", "learning_rate": 0.01, "weight_decay": 0.01},
        {"optimizer": "momentum", "momentum": 0.9, "learning_rate": 0.05, "rate_factor": 0.5},
        {"optimizer": "adam", "learning_rate": 0.01, "inverse_rate_decay": 0.5},
    ],
    ids=["sgd", "momentum", "rmsprop", "adam", "momentum, decaying", "adam, decaying"],
)
def test_outputs_gradients_and_weights_are_those_of_torch_eager(changes: dict[str, Any]) -> None:
    reason = named_implementation("torch-compile").unavailable()
    if reason is not None:
        pytest.skip(reason)
    recipe = Recipe(layer_sizes=(20, 16, 5), batch_size=8, dtype="float64").replace(**changes)
    examples = random_examples(recipe, 21)  # 8 + 8 + 5: the last batch is short
    assert_same(recipe, CompileTrainer, EagerTrainer, examples, 20)


@pytest.mark.slow
def test_each_recipe_may_have_as_many_versions_as_if_it_were_alone() -> None:
    reason = named_implementation("torch-compile").unavailable()
    if reason is not None:
        pytest.skip(reason)
    with torch._dynamo.config.patch(recompile_limit=1):  # monkeypatch would delete the setting afterwards
        for units in (5, 6, 7):
            recipe = Recipe(layer_sizes=(8, units, 3), batch_size=8)
            examples = random_examples(recipe, 16)
            CompileTrainer(recipe, initial_parameters(recipe)).train_epoch(examples.x, examples.t, np.arange(16))


def test_a_convention_is_refused_by_field() -> None:
    recipe = Recipe(optimizer="adam").replace(adam_reordered=True)
    with pytest.raises(UnsupportedRecipe) as refused:
        CompileTrainer(recipe, initial_parameters(recipe))
    assert refused.value.field == "adam_reordered"


def test_without_a_compiler_it_is_unavailable_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "/no/such/compiler")
    reason = named_implementation("torch-compile").unavailable()
    assert reason is not None
    assert "C++ compiler" in reason
