"""Small recipes that together reach every line of the NumPy version, and examples for them."""

import functools

import numpy as np

from backprop_bench.data import Dataset, Examples, Recipe, batch_order, training_examples

N_EXAMPLES = 21
"""With batches of 8, the last one is shorter."""
EXAMPLE_OF_ZEROS = 4
"""An example in the first batch in the order of seed 0."""

_SOFTMAX = Recipe(
    layer_sizes=(12, 9, 9, 5),
    batch_size=8,
    learning_rate=0.5,
    initialization="uniform",
    init_scale=0.5,
    dtype="float64",
    epochs=4,
)
_SQUARED = _SOFTMAX.replace(output_activation="sigmoid", loss="squared_error", reduction="sum")
_MOMENTUM = _SOFTMAX.replace(optimizer="momentum", learning_rate=0.1, momentum=0.7)
_RMSPROP = _SOFTMAX.replace(optimizer="rmsprop", learning_rate=0.01, rmsprop_alpha=0.9)
_ADAM = _SOFTMAX.replace(optimizer="adam", learning_rate=0.01, beta2=0.99)

RECIPES: dict[str, Recipe] = {
    "softmax": _SOFTMAX,
    "softmax, float32": _SOFTMAX.replace(dtype="float32"),
    "tanh": _SOFTMAX.replace(hidden_activation="tanh"),
    "relu": _SOFTMAX.replace(hidden_activation="relu", learning_rate=0.1),
    "relu, biases from 0": _SOFTMAX.replace(
        hidden_activation="relu", learning_rate=0.1, initialization="xavier_uniform"
    ),
    "sigmoid cross-entropy": _SOFTMAX.replace(output_activation="sigmoid"),
    "wide, float32": _SOFTMAX.replace(dtype="float32", layer_sizes=(784, 128, 10), initialization="torch_linear"),
    "squared error": _SQUARED,
    "squared error, float32": _SQUARED.replace(dtype="float32"),
    "linear outputs": _SQUARED.replace(output_activation="identity", reduction="mean", learning_rate=0.1),
    "ranges": _SQUARED.replace(input_range=(0.01, 1.0), target_range=(0.1, 0.9)),
    "square layers": _SQUARED.replace(layer_sizes=(9, 9, 9, 9)),
    "square batches": _SQUARED.replace(layer_sizes=(7, 7, 7), batch_size=7),
    "schedule": _SOFTMAX.replace(schedule=((1, 0.1, 0.0),)),
    "momentum": _MOMENTUM,
    "rmsprop": _RMSPROP,
    "adam": _ADAM,
    "decay": _SOFTMAX.replace(weight_decay=0.05),
    "momentum and decay": _MOMENTUM.replace(weight_decay=0.05),
    "adam and decay": _ADAM.replace(weight_decay=0.05),
    "block-diagonal first layer": _SQUARED.replace(first_layer_blocks=((7, 4), (5, 5))),
    "skip connections": _SQUARED.replace(layer_sizes=(12, 9, 5), skip_connection=True),
    "momentum and schedule": _MOMENTUM.replace(schedule=((1, 0.2, 0.9),)),
    "multiplicative decay": _MOMENTUM.replace(multiplicative_decay=0.02),
    "dropout": _SOFTMAX.replace(dropout=0.3),
    "error dead zone": _SQUARED.replace(error_dead_zone=(0.4, 0.6)),
}
"""Each fills a batch with 8 of 21 examples (``square batches``: 7), shuffled; most have layers of 12, 9, 9 and 5
units."""


@functools.cache
def stored_examples(n_inputs: int, n_classes: int) -> Dataset:
    """Return examples like files of pixels: many zeros, one example of zeros only, pixels of 255, every class."""
    rng = np.random.default_rng([n_inputs, n_classes])
    x = rng.integers(0, 256, (N_EXAMPLES, n_inputs)) * (rng.random((N_EXAMPLES, n_inputs)) < 0.6)
    x[EXAMPLE_OF_ZEROS], x[:, 0] = 0, 255
    x[EXAMPLE_OF_ZEROS, 0] = 0
    y = np.arange(N_EXAMPLES, dtype=np.int64) % n_classes
    pixels, t = x.astype(np.uint8), np.eye(n_classes, dtype=np.uint8)[y]
    return Dataset("pixels at random", pixels, t, y, pixels, t, y)


def examples_of(recipe: Recipe, *, prepared: bool = True) -> Examples:
    """Return the examples of a recipe, prepared for a trainer or as stored."""
    dataset = stored_examples(recipe.layer_sizes[0], recipe.layer_sizes[-1])
    return (
        training_examples(recipe, dataset) if prepared else Examples(dataset.x_train, dataset.t_train, dataset.y_train)
    )


def first_batch(recipe: Recipe, examples: Examples) -> Examples:
    """Return the first batch of the first epoch."""
    first = batch_order(recipe, len(examples.x), 0)[: recipe.batch_size]
    return Examples(examples.x[first], examples.t[first], examples.y[first])
