"""The trainers between `scratch-numpy` and `torch-eager` compute what `scratch-numpy` does, with what they say."""

import pytest
from hypothesis import given, settings
from torch import nn

from backprop_bench.bench.explain import products_trainer as products
from backprop_bench.bench.explain.products_trainer import ProductsTrainer, product
from backprop_bench.data import Floats, Recipe, Trainer, UnsupportedRecipe, batch_order, initial_parameters
from backprop_bench.scratch.numpy_trainer import NumpyTrainer
from backprop_bench.torch_impl.chain import AutogradTrainer, FunctionsTrainer, OperationsTrainer, OptimizerTrainer
from backprop_bench.torch_impl.trainers import EagerTrainer
from tests.agreement import assert_same
from tests.recipes import LEARNING_RATES, random_examples, recipes

N_EXAMPLES = 21  # 8 + 8 + 5: the last batch is short
SMALL = Recipe(layer_sizes=(6, 5, 3), batch_size=8, dtype="float64")
HAND_WRITTEN = [OperationsTrainer, FunctionsTrainer]


def assert_equal_to_scratch_numpy(trainer: type[Trainer], recipe: Recipe) -> None:
    examples = random_examples(recipe, N_EXAMPLES)
    assert_same(recipe, trainer, NumpyTrainer, examples, 20)


def train(trainer: type[Trainer]) -> None:
    examples = random_examples(SMALL, 16)
    trainer(SMALL, initial_parameters(SMALL)).train_epoch(examples.x, examples.t, batch_order(SMALL, 16, 0))


@pytest.mark.parametrize("trainer", [ProductsTrainer, OptimizerTrainer, AutogradTrainer])
@settings(max_examples=15, deadline=None)
@given(recipe=recipes())
def test_every_recipe_is_computed_as_scratch_numpy_does(trainer: type[Trainer], recipe: Recipe) -> None:
    assert_equal_to_scratch_numpy(trainer, recipe)


@pytest.mark.parametrize("trainer", HAND_WRITTEN)
@settings(max_examples=15, deadline=None)
@given(recipe=recipes())
def test_hand_written_plain_descent_is_computed_as_scratch_numpy_does(trainer: type[Trainer], recipe: Recipe) -> None:
    plain = {"optimizer": "sgd", "momentum": 0.0, "weight_decay": 0.0, "learning_rate": LEARNING_RATES["sgd"]}
    assert_equal_to_scratch_numpy(trainer, recipe.replace(**plain))


@pytest.mark.parametrize("trainer", HAND_WRITTEN)
@pytest.mark.parametrize(("field", "value"), [("optimizer", "adam"), ("weight_decay", 0.1)])
def test_what_is_not_plain_descent_is_refused_by_field(trainer: type[Trainer], field: str, value: object) -> None:
    recipe = SMALL.replace(**{field: value})
    with pytest.raises(UnsupportedRecipe, match=f"chain-.*{field}"):
        trainer(recipe, initial_parameters(recipe))


def test_every_product_of_chain_products_is_pytorchs(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes: list[tuple[tuple[int, ...], tuple[int, ...]]] = []

    def seen(a: Floats, b: Floats) -> Floats:
        shapes.append((a.shape, b.shape))
        return product(a, b)

    monkeypatch.setattr(products, "product", seen)
    train(ProductsTrainer)
    forward = [((8, 6), (6, 5)), ((8, 5), (5, 3))]
    backward = [((8, 3), (3, 5)), ((6, 8), (8, 5)), ((5, 8), (8, 3))]
    assert shapes == [*forward, *backward] * 2, "two batches"


def test_chain_autograd_calls_no_module(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a module is called")

    monkeypatch.setattr(nn.Linear, "forward", refuse)
    train(AutogradTrainer)
    with pytest.raises(AssertionError, match="a module is called"):
        train(EagerTrainer)


def test_weights_of_chain_functions_lie_in_memory_as_those_of_linear_layers() -> None:
    trainer = FunctionsTrainer(SMALL, initial_parameters(SMALL))
    assert [tuple(weight.shape) for weight in trainer.kept] == [(5, 6), (3, 5)]
    assert all(weight.is_contiguous() for weight in trainer.kept)
    assert [weight.data_ptr() for weight in trainer.weights] == [weight.data_ptr() for weight in trainer.kept]
