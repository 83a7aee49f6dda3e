"""The weights, the workspace of a batch, and the part of each layer in them."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from backprop_bench.data import Floats
from backprop_bench.scratch.compiled.jit import compiled
from backprop_bench.scratch.compiled.threads import share_of
from backprop_bench.scratch.compiled.vectors import LANES, TILE

Masks = npt.NDArray[np.uint64]
Integers = npt.NDArray[np.int64]


class Network(NamedTuple):
    """The weights, or their gradients.

    Attributes
    ----------
    first
        Of the first layer, [D, units] for each share of its units, one after the other.
    above
        Of the layers above, transposed, [J, P] each, one after the other.
    biases
        [P] of each layer, one after the other; zeros where the recipe has none.
    widths, padded
        J and P of each layer.
    n_shares
        Into how many shares the first layer is divided: as many as there are threads.
    """

    first: Floats
    above: Floats
    biases: Floats
    widths: Integers
    padded: Integers
    n_shares: int


class Rule(NamedTuple):
    """The optimizer of a recipe as kernels need it; its numbers are float64.

    Attributes
    ----------
    kind
        Its number, see :data:`update.KINDS`.
    leaves_zeros
        Whether a weight whose gradient is 0 stays as it is.
    learning_rate, momentum, epsilon, weight_decay
        As in the recipe.
    decay1, decay2
        Decay rates of the running means of the gradients and of their squares.
    decays_biases, is_nesterov, is_dampened, is_reordered
        The conventions ``decay_biases``, ``nesterov``, ``dampened_momentum`` and ``adam_reordered``.
    """

    kind: int
    leaves_zeros: bool
    learning_rate: float
    momentum: float
    epsilon: float
    weight_decay: float
    decay1: float
    decay2: float
    decays_biases: bool
    is_nesterov: bool
    is_dampened: bool
    is_reordered: bool


class State(NamedTuple):
    """What is kept beside the weights, each in their layout.

    What is not needed is the weights themselves, for kernels need an array, and never touch it.

    Attributes
    ----------
    gradient
        Where batches of more than 64 examples sum their gradient: 0 before and after each.
    first
        Weight updates of momentum, running means of the gradients of Adam.
    second
        Running means of the squared gradients.
    """

    gradient: Network
    first: Network
    second: Network


class Settings(NamedTuple):
    """The recipe as kernels need it.

    Attributes
    ----------
    hidden, output
        Numbers of the activations, see :data:`functions.KINDS`.
    is_squared_error, is_mean, has_bias
        The loss, its reduction over the examples, and whether there are biases.
    rule
        The optimizer.
    one
        The number 1, in the dtype of the weights.
    """

    hidden: int
    output: int
    is_squared_error: bool
    is_mean: bool
    has_bias: bool
    rule: Rule
    one: Any


class Workspace(NamedTuple):
    """Arrays for a batch. Threads share y and dz, and have the others to themselves.

    Attributes
    ----------
    starts
        Where in the inputs, as a flat array, those of each example begin, [B].
    masks
        Which inputs are not zero: bit b of word k of an example is of input 64 k + b, [B, words]. There are words for
        whole vectors; bits for which there is no input are 0.
    y, dz
        Activations and dE/dz, [B, P] of each layer, one after the other; of the output layer z in the place of y.
    masks_by_input
        The masks of up to 64 examples transposed, [64, words]: bit c of word k of row i is of example c and input 64 k
        + i.
    bias_gradient
        dE/db of a layer, as long as the longest row.
    transposed
        The weights of a layer above the first, [P of the layer below, P].
    rows_of_gradient
        The gradient of some rows of weights, which is 0 before and after.
    changes
        dE/dz of the first layer of one example, times what it is to be added times, [P].
    """

    starts: Integers
    masks: Masks
    y: Floats
    dz: Floats
    masks_by_input: Masks
    bias_gradient: Floats
    transposed: Floats
    rows_of_gradient: Floats
    changes: Floats


@compiled
def units_of_share(share: int, network: Network) -> tuple[int, int]:
    """Return the first unit of a share of the first layer, and the one after its last.

    They are whole tiles, as large as leave something to each share.
    """
    size, width = TILE, network.padded[0]
    while size > 1 and (width - 1) // (size * LANES) + 1 < network.n_shares:
        size //= 2
    size *= LANES
    low, high = share_of((width - 1) // size + 1, share, network.n_shares)
    return low * size, min(high * size, width)


@compiled
def weights_of_share(share: int, network: Network) -> Floats:
    """Return the weights [D, units] of a share of the first layer."""
    low, high = units_of_share(share, network)
    n_inputs = network.first.size // network.padded[0]
    return network.first[n_inputs * low : n_inputs * high].reshape(n_inputs, high - low)


@compiled
def weights_above(layer: int, network: Network) -> Floats:
    """Return the weights, transposed, [J, P], of a layer above the first."""
    begin = 0
    for below in range(1, layer):
        begin += network.widths[below] * network.padded[below - 1]
    rows, columns = network.widths[layer], network.padded[layer - 1]
    return network.above[begin : begin + rows * columns].reshape(rows, columns)


@compiled
def biases_of(layer: int, network: Network) -> Floats:
    """Return the biases [P] of a layer."""
    begin = network.padded[:layer].sum()
    return network.biases[begin : begin + network.padded[layer]]


@compiled
def rows_of_layer(flat: Floats, layer: int, n_examples: int, network: Network, workspace: Workspace) -> Floats:
    """Return the part [B, P] of a layer in y or dz of the workspace."""
    begin = workspace.masks.shape[0] * network.padded[:layer].sum()
    width = network.padded[layer]
    return flat[begin : begin + n_examples * width].reshape(n_examples, width)
