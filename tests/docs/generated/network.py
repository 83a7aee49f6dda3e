"""docs/network/mnist.js: digits of MNIST, and a network trained on all of them, for the page that goes step by step."""

import base64

import numpy as np

from backprop_bench.data import Parameters, Recipe, batch_order, initial_parameters, load_dataset, training_examples
from backprop_bench.scratch.numpy_trainer import NumpyTrainer
from tests.docs.generated import ROOT

PAGE = ROOT / "docs" / "network" / "mnist.js"
RECIPE = Recipe(
    layer_sizes=(784, 16, 10),
    output_activation="sigmoid",
    loss="squared_error",
    batch_size=10,
    learning_rate=3.0,
    dtype="float64",
    epochs=5,
)
SIZES = "-".join(map(str, RECIPE.layer_sizes))
N_TRAINING, N_TEST = 200, 100
PER_UNIT = 2048
"""Weights are whole multiples of 1 / this, so that machines that add in another order write the same file."""


def page(text: str) -> str:
    """Return the whole file; it has nothing but what is generated."""
    return (
        "// Written by `python -m tests.docs.refresh docs/network/mnist.js`: the first digits of MNIST, and weights\n"
        f"// of {SIZES} after {RECIPE.epochs} epochs on all of its training examples.\n"
        "const mnist = {\n"
        f'  perUnit: {PER_UNIT},\n  weights: "{encoded_weights(trained())}",\n'
        f"  training: {digits('train', N_TRAINING)},\n  test: {digits('test', N_TEST)},\n"
        "};\n"
    )


def trained() -> Parameters:
    """Train the network of the page."""
    examples = training_examples(RECIPE, load_dataset("mnist"))
    trainer = NumpyTrainer(RECIPE, initial_parameters(RECIPE))
    for epoch in range(RECIPE.epochs):
        trainer.train_epoch(examples.x, examples.t, batch_order(RECIPE, len(examples.x), epoch))
    return trainer.parameters()


def encoded_weights(parameters: Parameters) -> str:
    """Return weights as little-endian int16 in base64, each layer row by row and then its biases."""
    values = np.concatenate([array.ravel() for layer in parameters for array in layer.arrays()])
    rounded = np.rint(values * PER_UNIT)
    if np.abs(rounded).max() > np.iinfo(np.int16).max:
        raise ValueError(f"a weight of {np.abs(values).max():.3g} does not fit int16 with {PER_UNIT} to 1")
    return base64.b64encode(rounded.astype("<i2").tobytes()).decode()


def digits(part: str, count: int) -> str:
    """Return the first digits of a part of MNIST: their labels, and their pixels in base64."""
    mnist = load_dataset("mnist")
    x, y = (mnist.x_train, mnist.y_train) if part == "train" else (mnist.x_test, mnist.y_test)
    pixels = base64.b64encode(np.rint(x[:count] * (255 / x.max())).astype(np.uint8).tobytes()).decode()
    return f'{{ labels: "{"".join(map(str, y[:count]))}", pixels: "{pixels}" }}'
