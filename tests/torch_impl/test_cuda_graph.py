"""`torch-cuda-graph`: its step computes what autograd computes; what is captured is tried where there is a GPU."""

import shutil

import numpy as np
import pytest
from hypothesis import given, settings

from backprop_bench.bench.core.implementations import named_implementation
from backprop_bench.data import Recipe, Trainer, UnsupportedRecipe, batch_order, initial_parameters
from backprop_bench.torch_impl.cuda_graph import CudaGraphTrainer
from backprop_bench.torch_impl.trainers import EagerTrainer
from tests.agreement import assert_same
from tests.recipes import random_examples, recipes

N_EXAMPLES = 21  # 8 + 8 + 5: the last batch is short
UNAVAILABLE = named_implementation("torch-cuda-graph").unavailable()


class OnCpu(CudaGraphTrainer):
    """The same where there is no GPU: the step is called rather than captured and replayed."""

    device = "cpu"


@pytest.mark.parametrize(
    "trainer",
    [
        OnCpu,
        pytest.param(CudaGraphTrainer, marks=pytest.mark.skipif(UNAVAILABLE is not None, reason=str(UNAVAILABLE))),
    ],
)
@settings(max_examples=30, deadline=None)
@given(recipe=recipes())
def test_outputs_gradients_and_weights_are_those_of_torch_eager(trainer: type[Trainer], recipe: Recipe) -> None:
    recipe = recipe.replace(optimizer="sgd", momentum=0.0, weight_decay=0.0, learning_rate=0.02)
    examples = random_examples(recipe, N_EXAMPLES)
    assert_same(recipe, trainer, EagerTrainer, examples, 20)


def test_a_training_in_pieces_is_the_same_as_in_one_and_new_data_are_seen() -> None:
    recipe = Recipe(layer_sizes=(6, 5, 3), batch_size=8, dtype="float64", learning_rate=0.1)
    examples, others = random_examples(recipe, 24), random_examples(recipe.replace(seed=1), 24)
    order = batch_order(recipe, 24, 0)
    whole, pieces = (OnCpu(recipe, initial_parameters(recipe)) for _ in range(2))
    for data in (examples, others):
        whole.train_epoch(data.x, data.t, order)
        for start, end in ((0, 8), (8, 24)):
            pieces.train_epoch(data.x, data.t, order[start:end])
    eager = EagerTrainer(recipe, initial_parameters(recipe))
    for data in (examples, others):
        eager.train_epoch(data.x, data.t, order)
    for a, b, c in zip(whole.parameters(), pieces.parameters(), eager.parameters(), strict=True):
        assert np.array_equal(a.weight, b.weight)
        assert np.allclose(a.weight, c.weight, atol=1e-12)


def test_an_example_that_is_not_there_is_an_error_rather_than_the_gpu_s_end() -> None:
    recipe = Recipe(layer_sizes=(6, 5, 3), batch_size=8)
    examples = random_examples(recipe, 10)
    trainer = OnCpu(recipe, initial_parameters(recipe))
    with pytest.raises(IndexError, match="from 3 to 10, of 10"):
        trainer.train_epoch(examples.x, examples.t, np.array([3, 10]))


@pytest.mark.parametrize(
    ("changes", "field"), [({"optimizer": "adam"}, "optimizer"), ({"weight_decay": 0.1}, "weight_decay")]
)
def test_another_step_is_refused_by_field(changes: dict[str, object], field: str) -> None:
    recipe = Recipe().replace(**changes)
    with pytest.raises(UnsupportedRecipe) as refused:
        OnCpu(recipe, initial_parameters(recipe))
    assert refused.value.field == field


def test_without_a_gpu_it_is_unavailable_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    reason = named_implementation("torch-cuda-graph").unavailable()
    assert reason == "needs an NVIDIA GPU, and nvidia-smi is not found"
