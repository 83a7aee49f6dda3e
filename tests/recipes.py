"""Recipes and examples drawn at random, for what must hold for all of them."""

import contextlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from hypothesis import strategies as st

from backprop_bench.data import CONVENTIONS, Examples, InvalidRecipe, Recipe

LEARNING_RATES = {"sgd": 0.02, "momentum": 0.005, "rmsprop": 0.001, "adam": 0.002}


@st.composite
def recipes(draw: st.DrawFn, dtype: str = "float64") -> Recipe:
    """Draw a valid recipe: 1 to 4 layers of weights, 1 to 40 units wide, everything else as it may be."""
    sizes = tuple(draw(st.lists(st.integers(1, 40), min_size=2, max_size=5)))
    output, loss = draw(st.sampled_from(PAIRS))
    if output == "softmax":
        sizes = (*sizes[:-1], max(2, sizes[-1]))
    optimizer = draw(st.sampled_from(list(LEARNING_RATES)))
    try:
        return Recipe.from_dict(
            {
                "layer_sizes": sizes,
                "hidden_activation": draw(st.sampled_from(["sigmoid", "tanh", "relu"])),
                "output_activation": output,
                "loss": loss,
                "reduction": draw(st.sampled_from(["sum", "mean"])),
                "bias": draw(st.booleans()),
                "batch_size": draw(st.sampled_from([1, 3, 8, None])),
                "optimizer": optimizer,
                "learning_rate": LEARNING_RATES[optimizer],
                "momentum": 0.9 if optimizer == "momentum" else 0.0,
                "rmsprop_alpha": draw(st.sampled_from([0.99, 0.9])),
                "beta1": draw(st.sampled_from([0.9, 0.8])),
                "beta2": draw(st.sampled_from([0.999, 0.99])),
                "epsilon": draw(st.sampled_from([1e-8, 1e-3])),
                "weight_decay": draw(st.sampled_from([0.0, 0.01])),
                "initialization": draw(st.sampled_from(["uniform", "normal", "xavier_uniform", "torch_linear"])),
                "dtype": dtype,
                "shuffle": draw(st.booleans()),
                "seed": draw(st.integers(0, 1000)),
                "target_range": (0.0, 1.0) if output == "softmax" else draw(st.sampled_from([(0.0, 1.0), (0.1, 0.9)])),
            }
        )
    except InvalidRecipe as error:  # a fault of this strategy
        raise AssertionError(error) from error


PAIRS = [
    ("sigmoid", "squared_error"),
    ("identity", "squared_error"),
    ("softmax", "cross_entropy"),
    ("sigmoid", "cross_entropy"),
]


def _half_blocks(recipe: Recipe) -> tuple[tuple[int, int], ...]:
    (inputs, units), both = recipe.layer_sizes[:2], (1, 1)
    return (both, (inputs - 1, units - 1))


def _slower(recipe: Recipe) -> tuple[tuple[int, float, float], ...]:
    return ((1, recipe.learning_rate / 2, recipe.momentum / 2), (3, recipe.learning_rate / 5, 0.0))


EXTRAS: tuple[Mapping[str, Any], ...] = (
    {"skip_connection": True},
    {"first_layer_blocks": _half_blocks},
    {
        "schedule": lambda recipe: (
            (1, recipe.learning_rate / 2, recipe.momentum / 2),
            (3, recipe.learning_rate / 5, 0.0),
        )
    },
    {"multiplicative_decay": 0.01},
    {"error_dead_zone": (0.2, 0.8)},
    {"error_dead_zone": (0.45, 0.55)},
    {"rate_factor": 0.7},
    {"rate_factor": 0.5, "rate_period": 2},
    {"inverse_rate_decay": 0.3},
    {"hidden_activation": "relu", "negative_slope": 0.2},
    {"dropout": 0.3},
    {"mixed_precision": True},
    *(convention.changes for convention in CONVENTIONS),
)
"""Changes that extend a recipe; a value that depends on the recipe is a function of it."""


@st.composite
def extended_recipes(draw: st.DrawFn, dtype: str = "float64") -> Recipe:
    """Draw a recipe with some of what extends a plain one; what means nothing together is left out."""
    recipe = draw(recipes(dtype=dtype))
    for extra in draw(st.lists(st.sampled_from(EXTRAS), min_size=1, max_size=3)):
        changes = {name: value(recipe) if callable(value) else value for name, value in extra.items()}
        with contextlib.suppress(InvalidRecipe):
            recipe = recipe.replace(**changes)
    return recipe


def random_examples(recipe: Recipe, n_examples: int) -> Examples:
    """Inputs with some zeros, one right class each, in the recipe's dtype and target range."""
    rng = np.random.default_rng([recipe.seed, 7])
    n_inputs, n_classes = recipe.layer_sizes[0], recipe.layer_sizes[-1]
    x = rng.uniform(0, 1, (n_examples, n_inputs)) * (rng.random((n_examples, n_inputs)) < 0.7)
    y = rng.integers(0, n_classes, n_examples)
    low, high = recipe.target_range
    t = low + (high - low) * np.eye(n_classes)[y]
    return Examples(x.astype(recipe.dtype), t.astype(recipe.dtype), y)
