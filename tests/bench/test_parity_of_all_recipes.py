"""Implementations agree with their reference on recipes of every kind, not only on the named ones."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backprop_bench.bench.verify.checks import (
    compare_central_differences,
    compare_gradients,
    compare_outputs,
    compare_training,
    is_gradient,
)
from backprop_bench.data import Recipe
from backprop_bench.scratch.numpy_trainer import NumpyTrainer
from backprop_bench.torch_impl.trainers import EagerTrainer, LoaderTrainer
from tests.recipes import extended_recipes, random_examples, recipes

N_EXAMPLES = 21  # 8 + 8 + 5: the last batch is short
STEPS = 60


@settings(max_examples=100, deadline=None)
@given(recipes())
def test_float64_outputs_and_gradients_agree_with_autograd_to_1e_12(recipe: Recipe) -> None:
    examples = random_examples(recipe, N_EXAMPLES)
    outputs = compare_outputs(recipe, NumpyTrainer, EagerTrainer, examples)
    gradients = compare_gradients(recipe, NumpyTrainer, EagerTrainer, examples)
    assert outputs.passed, outputs
    assert gradients.passed, gradients


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(recipes(), st.sampled_from([EagerTrainer, LoaderTrainer]))
def test_float64_weights_and_losses_stay_together_over_many_steps(recipe: Recipe, torch_trainer: type) -> None:
    agreement = compare_training(recipe, NumpyTrainer, torch_trainer, random_examples(recipe, N_EXAMPLES), STEPS)
    assert agreement.passed, agreement


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(recipes(dtype="float32"))
def test_float32_versions_stay_within_their_tolerance(recipe: Recipe) -> None:
    examples = random_examples(recipe, N_EXAMPLES)
    for agreement in (
        compare_outputs(recipe, NumpyTrainer, EagerTrainer, examples),
        compare_gradients(recipe, NumpyTrainer, EagerTrainer, examples),
        compare_training(recipe, NumpyTrainer, EagerTrainer, examples, 10),
    ):
        assert agreement.passed, agreement


@settings(max_examples=40, deadline=None)
@given(recipes())
def test_gradients_from_scratch_agree_with_central_differences(recipe: Recipe) -> None:
    agreement = compare_central_differences(recipe, NumpyTrainer, random_examples(recipe, N_EXAMPLES))
    assert agreement.passed, agreement


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(extended_recipes())
def test_both_versions_agree_on_what_extends_a_recipe(recipe: Recipe) -> None:
    examples = random_examples(recipe, N_EXAMPLES)
    for agreement in (
        compare_outputs(recipe, NumpyTrainer, EagerTrainer, examples),
        compare_gradients(recipe, NumpyTrainer, EagerTrainer, examples),
        compare_training(recipe, NumpyTrainer, EagerTrainer, examples, STEPS),
        *([compare_central_differences(recipe, NumpyTrainer, examples)] if is_gradient(recipe) else []),
    ):
        assert agreement.passed, agreement


@settings(max_examples=60, deadline=None)
@given(extended_recipes(dtype="float32"))
def test_float32_versions_of_these_stay_within_their_tolerance_too(recipe: Recipe) -> None:
    examples = random_examples(recipe, N_EXAMPLES)
    for agreement in (
        compare_outputs(recipe, NumpyTrainer, EagerTrainer, examples),
        compare_gradients(recipe, NumpyTrainer, EagerTrainer, examples),
        compare_training(recipe, NumpyTrainer, EagerTrainer, examples, 10),
    ):
        assert agreement.passed, agreement
