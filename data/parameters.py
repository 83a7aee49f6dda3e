"""Initial weights and batch orders: drawn once, handed to every implementation."""

import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from backprop_bench.data.recipe import ExtendedRecipe, Recipe

Floats = npt.NDArray[np.floating[Any]]
Order = npt.NDArray[np.int64]

# One independent random stream per purpose, so that a change in one does not shift the others.
_STREAM_PARAMETERS, _STREAM_ORDER, _STREAM_DROPOUT = 0, 1, 2


@dataclasses.dataclass(frozen=True)
class Layer:
    """The weights of one layer, or their gradients.

    Attributes
    ----------
    weight
        [fan_in, fan_out]; ``weight[i, j]`` leads from unit i to unit j.
    bias
        [fan_out], or ``None`` where the recipe has no biases.
    """

    weight: Floats
    bias: Floats | None

    def arrays(self) -> tuple[Floats, ...]:
        """Return the arrays that exist, weight first."""
        return (self.weight,) if self.bias is None else (self.weight, self.bias)

    def copy(self) -> "Layer":
        """Return a layer with arrays of its own."""
        return Layer(self.weight.copy(), None if self.bias is None else self.bias.copy())


Parameters = tuple[Layer, ...]
"""One :class:`Layer` per layer of weights, input side first."""


def copy_parameters(parameters: Parameters) -> Parameters:
    """Return parameters that share no memory with the given ones."""
    return tuple(layer.copy() for layer in parameters)


def assign_parameters(parameters: Parameters, values: Parameters) -> None:
    """Write other values into the arrays of parameters."""
    for layer, given in zip(parameters, values, strict=True):
        for own, array in zip(layer.arrays(), given.arrays(), strict=True):
            own[...] = array


def initial_parameters(recipe: Recipe) -> Parameters:
    """Draw the initial weights.

    They are drawn in float64 and then rounded, so that a float32 run starts from the weights of the float64 run.
    Outside the blocks of a block-diagonal first layer, weights are 0. Those of input-output skip connections are the
    last rows of the last layer, and count to its fan_in.

    ==================  ===========================================================  ===========
    initialization      weights                                                      biases
    ==================  ===========================================================  ===========
    ``uniform``         U(−init_scale, init_scale)                                   as weights
    ``normal``          N(0, init_scale²)                                            as weights
    ``lecun_normal``    N(0, 1 / fan_in)                                             0
    ``fan_out_normal``  N(0, 1 / fan_out)                                            0
    ``xavier_uniform``  U(−a, a), a = √(6 / (fan_in + fan_out)) (Glorot & Bengio)    0
    ``xavier_normal``   N(0, 2 / (fan_in + fan_out))                                 0
    ``he_uniform``      U(−a, a), a = √(6 / fan_in) (He et al.)                      0
    ``he_normal``       N(0, 2 / fan_in)                                             0
    ``torch_linear``    U(−a, a), a = 1 / √fan_in, the default of ``nn.Linear``      as weights
    ==================  ===========================================================  ===========

    Returns
    -------
    tuple of Layer
        One layer per pair of neighbouring layer sizes, in the recipe's dtype.
    """
    rng = np.random.default_rng([recipe.seed, _STREAM_PARAMETERS])
    drawn = tuple(_draw_layer(recipe, rng, fan_in, fan_out) for fan_in, fan_out in recipe.weight_shapes)
    if (connected := connections(recipe)) is not None:
        drawn[0].weight[...] *= connected
    return drawn


def connections(recipe: Recipe) -> Floats | None:
    """Return the mask of a block-diagonal first layer; ``None`` for a dense one.

    Returns
    -------
    Floats
        [D, J], 1 where there is a weight and 0 elsewhere, in the recipe's dtype.
    """
    if not isinstance(recipe, ExtendedRecipe) or not recipe.first_layer_blocks:
        return None
    connected = np.zeros(recipe.layer_sizes[:2], recipe.dtype)
    first_input = first_unit = 0
    for inputs, units in recipe.first_layer_blocks:
        connected[first_input : first_input + inputs, first_unit : first_unit + units] = 1
        first_input, first_unit = first_input + inputs, first_unit + units
    return connected


def _draw_layer(recipe: Recipe, rng: "np.random.Generator", fan_in: int, fan_out: int) -> Layer:
    kind, scale, draws_bias = _distribution(recipe, fan_in, fan_out)

    def draw(*shape: int) -> Floats:
        values = rng.uniform(-scale, scale, shape) if kind == "uniform" else rng.normal(0.0, scale, shape)
        return values.astype(recipe.dtype)

    weight = draw(fan_in, fan_out)
    if not recipe.bias:
        return Layer(weight, None)
    return Layer(weight, draw(fan_out) if draws_bias else np.zeros(fan_out, recipe.dtype))


def _distribution(recipe: Recipe, fan_in: int, fan_out: int) -> tuple[str, float, bool]:
    """Kind of distribution, its half-width or standard deviation, and whether biases are drawn from it as well."""
    match recipe.initialization:
        case "uniform":
            return "uniform", recipe.init_scale, True
        case "normal":
            return "normal", recipe.init_scale, True
        case "lecun_normal":
            return "normal", 1 / math.sqrt(fan_in), False
        case "fan_out_normal":
            return "normal", 1 / math.sqrt(fan_out), False
        case "xavier_uniform":
            return "uniform", math.sqrt(6 / (fan_in + fan_out)), False
        case "xavier_normal":
            return "normal", math.sqrt(2 / (fan_in + fan_out)), False
        case "he_uniform":
            return "uniform", math.sqrt(6 / fan_in), False
        case "he_normal":
            return "normal", math.sqrt(2 / fan_in), False
        case "torch_linear":
            return "uniform", 1 / math.sqrt(fan_in), True


def batch_order(recipe: Recipe, n_examples: int, epoch: int) -> Order:
    """Return the order in which an epoch visits the training examples.

    Parameters
    ----------
    n_examples
        Number N of training examples.
    epoch
        Number of the epoch, from 0.

    Returns
    -------
    Order
        int64 [N], a permutation of 0 … N−1. Batches are consecutive slices of it, the last one possibly shorter. An
        extended recipe may draw the examples with replacement, or leave out the short last batch.
    """
    full = ExtendedRecipe.of(recipe)
    kept = examples_per_epoch(recipe, n_examples)
    if not recipe.shuffle:
        return np.arange(kept, dtype=np.int64)
    rng = np.random.default_rng([recipe.seed, _STREAM_ORDER, epoch])
    order = rng.integers(0, n_examples, n_examples) if full.with_replacement else rng.permutation(n_examples)
    return order.astype(np.int64, copy=False)[:kept]


def check_order(order: Order, n_examples: int) -> None:
    """Raise `IndexError` where an order names examples that are not there: compiled code would read other memory."""
    if order.min() < 0 or order.max() >= n_examples:
        raise IndexError(f"the order names examples from {order.min()} to {order.max()}, of {n_examples}")


def dropout_masks(recipe: Recipe, number: int, n_examples: int) -> tuple[Floats, ...]:
    """Return what the activations of the hidden units are multiplied by in a batch of training.

    A unit is left out with the probability ``dropout`` of the recipe. The others count 1 / (1 − dropout) times, as in
    ``nn.Dropout``, so that predictions need no masks.

    Parameters
    ----------
    number
        Weight updates before this batch, since the trainer was made.
    n_examples
        Number B of examples in the batch. With fewer, the masks of the first ones are the same.

    Returns
    -------
    tuple of Floats
        [B, J] for every hidden layer, 0 or 1 / (1 − dropout), in the recipe's dtype. Without dropout, all are 1.
    """
    p = ExtendedRecipe.of(recipe).dropout
    masks = []
    for layer, width in enumerate(recipe.layer_sizes[1:-1]):
        rng = np.random.default_rng([recipe.seed, _STREAM_DROPOUT, number, layer])
        masks.append(((rng.random((n_examples, width)) >= p) / (1 - p)).astype(recipe.dtype))
    return tuple(masks)


def examples_per_epoch(recipe: Recipe, n_examples: int) -> int:
    """Return how many of the training examples an epoch visits: all, or those in whole batches where there are any."""
    size = recipe.batch_size
    if not ExtendedRecipe.of(recipe).drop_last or size is None or size > n_examples:
        return n_examples
    return n_examples - n_examples % size


def epoch_of(recipe: Recipe, n_visited: int, n_examples: int) -> int:
    """Return in which epoch, counted from 0, a trainer is that has visited so many of the training examples.

    A trainer may get an epoch in parts, one call of ``train_epoch`` each, and the learning rate is that of the epoch.
    """
    return n_visited // examples_per_epoch(recipe, n_examples)
