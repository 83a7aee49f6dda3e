"""Recipes and examples drawn at random, for what must hold for all of them."""

import numpy as np
from hypothesis import strategies as st

from backprop_bench.data import Examples, InvalidRecipe, Recipe

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


EXTRAS = ("skip_connection", "first_layer_blocks", "schedule", "multiplicative_decay", "error_dead_zone")


@st.composite
def recipes_of_1986(draw: st.DrawFn, dtype: str = "float64") -> Recipe:
    """Draw a recipe with some of what the experiments of 1986 add to a plain network, one of it at least."""
    recipe = draw(recipes(dtype=dtype).filter(lambda recipe: len(recipe.layer_sizes) > 2))
    inputs, units = recipe.layer_sizes[:2]
    changes: dict[str, object] = {}
    wanted = draw(st.sets(st.sampled_from(list(EXTRAS)), min_size=1))
    if "skip_connection" in wanted:
        changes["skip_connection"] = True
    if "first_layer_blocks" in wanted and min(inputs, units) > 1:
        first = draw(st.integers(1, inputs - 1)), draw(st.integers(1, units - 1))
        changes["first_layer_blocks"] = (first, (inputs - first[0], units - first[1]))
    if "schedule" in wanted:
        changes["schedule"] = ((1, recipe.learning_rate / 2, recipe.momentum / 2), (3, recipe.learning_rate / 5, 0.0))
    if "multiplicative_decay" in wanted:
        changes["multiplicative_decay"] = 0.01
    if "error_dead_zone" in wanted and recipe.loss == "squared_error":
        changes["error_dead_zone"] = draw(st.sampled_from([(0.2, 0.8), (0.45, 0.55)]))
    return recipe.replace(**changes)


def random_examples(recipe: Recipe, n_examples: int) -> Examples:
    """Inputs with some zeros, one right class each, in the recipe's dtype and target range."""
    rng = np.random.default_rng([recipe.seed, 7])
    n_inputs, n_classes = recipe.layer_sizes[0], recipe.layer_sizes[-1]
    x = rng.uniform(0, 1, (n_examples, n_inputs)) * (rng.random((n_examples, n_inputs)) < 0.7)
    y = rng.integers(0, n_classes, n_examples)
    low, high = recipe.target_range
    t = low + (high - low) * np.eye(n_classes)[y]
    return Examples(x.astype(recipe.dtype), t.astype(recipe.dtype), y)
