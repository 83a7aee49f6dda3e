"""The peers compute what `scratch-numpy` computes, on the recipes that they accept, and refuse the others by field."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings

from backprop_bench.bench.core.implementations import IMPLEMENTATIONS, named_implementation
from backprop_bench.data import Recipe, Trainer, UnsupportedRecipe, initial_parameters
from backprop_bench.scratch.numpy_trainer import NumpyTrainer
from tests.agreement import assert_same
from tests.recipes import random_examples, recipes

N_EXAMPLES = 21  # 8 + 8 + 5: the last batch is short
SMALL = Recipe(layer_sizes=(12, 9, 5), batch_size=8, dtype="float64")
PEERS = [name for name, implementation in IMPLEMENTATIONS.items() if implementation.side == "peer"]


@pytest.fixture(params=PEERS)
def peer(request: pytest.FixtureRequest) -> type[Trainer]:
    return load(request.param)


def load(name: str) -> type[Trainer]:
    """Return a peer's trainer, or skip the test where the peer cannot be used."""
    if (reason := named_implementation(name).unavailable()) is not None:
        pytest.skip(f"{name} {reason}")
    return named_implementation(name).load()


def accepted_by_keras(recipe: Recipe) -> Recipe:
    """Return a recipe like it that Keras does as we do."""
    changes: dict[str, dict[str, Any]] = {"rmsprop": {"optimizer": "sgd"}, "adam": {"adam_reordered": True}}
    return recipe.replace(**changes.get(recipe.optimizer, {}))


def accepted_by_tinygrad(recipe: Recipe) -> Recipe:
    """Return a recipe like it that tinygrad does as we do."""
    changes: dict[str, dict[str, Any]] = {"rmsprop": {"optimizer": "sgd"}, "adam": {"weight_decay": 0.0}}
    return recipe.replace(**changes.get(recipe.optimizer, {}))


def accepted_by_sklearn(recipe: Recipe) -> Recipe:
    """Return a recipe like it that scikit-learn does as we do."""
    first, *hidden, last = recipe.layer_sizes
    sizes = (first, *(hidden or [7]), max(3, last))
    softmax = {"output_activation": "softmax", "loss": "cross_entropy", "target_range": (0.0, 1.0)}
    optimizers: dict[str, dict[str, Any]] = {"rmsprop": {"optimizer": "sgd"}, "adam": {"adam_reordered": True}}
    of_optimizer = {"weight_decay": 0.0, **optimizers.get(recipe.optimizer, {})}
    return recipe.replace(layer_sizes=sizes, reduction="mean", bias=True, **softmax, **of_optimizer)


ACCEPTED: dict[str, Callable[[Recipe], Recipe]] = {
    "SklearnTrainer": accepted_by_sklearn,
    "KerasTrainer": accepted_by_keras,
    "TinygradTrainer": accepted_by_tinygrad,
}


def test_an_order_that_names_an_example_past_the_end_is_refused(peer: type[Trainer]) -> None:
    recipe = ACCEPTED[peer.__name__](SMALL) if peer.__name__ in ACCEPTED else SMALL
    examples = random_examples(recipe, N_EXAMPLES)
    trainer = peer(recipe, initial_parameters(recipe))
    with pytest.raises(IndexError, match=str(N_EXAMPLES)):
        trainer.train_epoch(examples.x, examples.t, np.array([0, N_EXAMPLES]))


@pytest.mark.slow
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(recipe=recipes())
@example(recipe=SMALL.replace(optimizer="adam", learning_rate=0.01))
@example(recipe=SMALL.replace(optimizer="momentum", momentum=0.9, learning_rate=0.05))
@example(recipe=SMALL.replace(optimizer="rmsprop", learning_rate=0.01, weight_decay=0.01))
@example(recipe=SMALL.replace(optimizer="adam", learning_rate=0.01, dtype="float32"))
def test_outputs_gradients_and_weights_are_those_of_numpy(peer: type[Trainer], recipe: Recipe) -> None:
    if peer.__name__ in ACCEPTED:
        recipe = ACCEPTED[peer.__name__](recipe)
    examples = random_examples(recipe, N_EXAMPLES)
    assert_same(recipe, peer, NumpyTrainer, examples, 10)


@pytest.mark.slow
@pytest.mark.parametrize("decay", [{"rate_factor": 0.5}, {"rate_factor": 0.1, "rate_period": 2}])
@pytest.mark.parametrize(
    "optimizer",
    [
        {"learning_rate": 0.1, "weight_decay": 0.01},
        {"optimizer": "momentum", "momentum": 0.9, "learning_rate": 0.05},
        {"optimizer": "adam", "learning_rate": 0.01},
    ],
    ids=["sgd", "momentum", "adam"],
)
@pytest.mark.parametrize("name", ["jax", "keras"])
def test_learning_rates_decay_by_epoch_as_in_numpy(name: str, optimizer: dict[str, Any], decay: dict[str, Any]) -> None:
    peer = load(name)
    recipe = SMALL.replace(**optimizer, **decay)
    recipe = ACCEPTED[peer.__name__](recipe) if peer.__name__ in ACCEPTED else recipe
    assert_same(recipe, peer, NumpyTrainer, random_examples(recipe, N_EXAMPLES), 10)


@pytest.mark.parametrize(
    ("name", "changes", "field"),
    [
        ("jax", {"optimizer": "momentum", "momentum": 0.9, "nesterov": True}, "nesterov"),
        ("keras", {"optimizer": "adam"}, "adam_reordered"),
        ("keras", {"optimizer": "rmsprop"}, "optimizer"),
        ("tinygrad", {"optimizer": "rmsprop"}, "optimizer"),
        ("tinygrad", {"optimizer": "adam", "weight_decay": 0.1}, "weight_decay"),
        ("sklearn", {"optimizer": "adam"}, "adam_reordered"),
        ("sklearn", {"optimizer": "rmsprop"}, "optimizer"),
        ("sklearn", {"reduction": "sum"}, "reduction"),
        ("sklearn", {"bias": False}, "bias"),
        ("sklearn", {"weight_decay": 0.1}, "weight_decay"),
        ("sklearn", {"output_activation": "sigmoid"}, "output_activation"),
        ("sklearn", {"layer_sizes": (5, 3)}, "layer_sizes"),
        ("sklearn", {"layer_sizes": (5, 4, 2)}, "layer_sizes"),
    ],
)
def test_what_a_peer_does_otherwise_is_refused_by_field(name: str, changes: dict[str, Any], field: str) -> None:
    peer, recipe = load(name), Recipe().replace(**changes)
    with pytest.raises(UnsupportedRecipe) as refused:
        peer(recipe, initial_parameters(recipe))
    assert refused.value.field == field
