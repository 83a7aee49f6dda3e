"""Lists and `math` compute what NumPy computes, and their modules stay what they say they are."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backprop_bench.bench.verify.checks as parity
from backprop_bench.data import Recipe, Trainer, UnsupportedRecipe, batch_order, initial_parameters
from backprop_bench.scratch.numpy_trainer import NumpyTrainer
from backprop_bench.scratch.python_trainer import PythonTrainer
from tests.imports import imported_modules
from tests.recipes import random_examples, recipes

SCRATCH = Path(__file__).parents[2] / "scratch"
N_EXAMPLES = 11  # 8 + 3: the last batch is short
TYPES_ONLY = {"collections.abc", "dataclasses", "typing"}


@settings(max_examples=40, deadline=None)
@given(recipes())
def test_outputs_and_gradients_agree_with_numpy_to_1e_12(recipe: Recipe) -> None:
    examples = random_examples(recipe, N_EXAMPLES)
    outputs = parity.compare_outputs(recipe, PythonTrainer, NumpyTrainer, examples)
    gradients = parity.compare_gradients(recipe, PythonTrainer, NumpyTrainer, examples)
    assert outputs.passed, outputs
    assert gradients.passed, gradients


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(recipes())
def test_weights_and_losses_stay_with_those_of_numpy_over_many_steps(recipe: Recipe) -> None:
    agreement = parity.compare_training(recipe, PythonTrainer, NumpyTrainer, random_examples(recipe, N_EXAMPLES), 20)
    assert agreement.passed, agreement


@settings(max_examples=20, deadline=None)
@given(recipes())
def test_asking_for_gradients_or_outputs_changes_neither_weights_nor_inputs(recipe: Recipe) -> None:
    examples = random_examples(recipe, 5)
    x, t = examples.x.copy(), examples.t.copy()
    trainer: Trainer = PythonTrainer(recipe, initial_parameters(recipe))
    trainer.gradients(examples.x, examples.t)
    trainer.predict(examples.x)
    for layer, fresh in zip(trainer.parameters(), initial_parameters(recipe), strict=True):
        for array, same in zip(layer.arrays(), fresh.arrays(), strict=True):
            np.testing.assert_array_equal(array, same)
    trainer.train_epoch(examples.x, examples.t, batch_order(recipe, 5, 0))
    np.testing.assert_array_equal(examples.x, x)
    np.testing.assert_array_equal(examples.t, t)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(recipes(), st.sampled_from([1e30, 1e200, 1e300]))
def test_a_run_that_diverges_gives_a_loss_and_raises_nothing(recipe: Recipe, learning_rate: float) -> None:
    recipe = recipe.replace(learning_rate=learning_rate)
    examples = random_examples(recipe, N_EXAMPLES)
    trainer = PythonTrainer(recipe, initial_parameters(recipe))
    for epoch in range(3):
        assert isinstance(trainer.train_epoch(examples.x, examples.t, batch_order(recipe, N_EXAMPLES, epoch)), float)
    trainer.predict(examples.x)


def test_the_loss_of_a_run_that_diverges_is_no_finite_number() -> None:
    recipe = Recipe(
        layer_sizes=(3, 4, 2),
        hidden_activation="relu",
        output_activation="identity",
        loss="squared_error",
        learning_rate=1e200,
        dtype="float64",
        batch_size=1,
    )
    examples = random_examples(recipe, N_EXAMPLES)
    trainer = PythonTrainer(recipe, initial_parameters(recipe))
    losses = [trainer.train_epoch(examples.x, examples.t, batch_order(recipe, N_EXAMPLES, epoch)) for epoch in range(2)]
    assert not math.isfinite(losses[-1])


def test_float32_is_refused_with_the_field_that_is_to_blame() -> None:
    recipe = Recipe(dtype="float32")
    with pytest.raises(UnsupportedRecipe, match="dtype: Python's float is float64") as refusal:
        PythonTrainer(recipe, initial_parameters(recipe))
    assert (refusal.value.implementation, refusal.value.field) == ("scratch-python", "dtype")


@pytest.mark.parametrize("name", ["python_network", "python_optimizers"])
def test_the_mathematics_knows_math_and_lists_only(name: str) -> None:
    assert set(imported_modules(SCRATCH / f"{name}.py")) - TYPES_ONLY == {"math", "backprop_bench.data"}


def test_numpy_stands_at_the_boundary_only() -> None:
    imported = set(imported_modules(SCRATCH / "python_trainer.py"))
    assert imported == {
        "numpy",
        "backprop_bench.data",
        "backprop_bench.scratch.python_network",
        "backprop_bench.scratch.python_optimizers",
    }
