"""From the weights of a recipe to their layout for the kernels, and back; and the workspaces of its threads."""

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

from backprop_bench.data import ExtendedRecipe, Floats, Layer, Parameters, Recipe
from backprop_bench.scratch.compiled import update
from backprop_bench.scratch.compiled.functions import KINDS
from backprop_bench.scratch.compiled.masks import WORD
from backprop_bench.scratch.compiled.network import (
    Network,
    Rule,
    Settings,
    State,
    Workspace,
    units_of_share,
    weights_of_share,
)
from backprop_bench.scratch.compiled.vectors import LANES, LINE_BYTES, OUTS

SHARED = ("y", "dz")
"""Arrays of a workspace that all threads have together."""


AT_ONCE = 2048
"""Numbers whose gradient is formed at a time: these, the weights and the state fit into the nearest cache."""


def rounded_up(n: int, multiple: int = LANES) -> int:
    """Return the next multiple."""
    return -(-n // multiple) * multiple


def zeros(n: int, dtype: str) -> npt.NDArray[Any]:
    """Return so many zeros that begin at a cache line, [n]."""
    n_bytes = n * np.dtype(dtype).itemsize
    raw = np.zeros(n_bytes + LINE_BYTES, np.uint8)
    start = -raw.ctypes.data % LINE_BYTES
    aligned: npt.NDArray[Any] = raw[start : start + n_bytes].view(dtype)
    return aligned


def settings_of(recipe: Recipe) -> Settings:
    """Return the recipe as kernels need it."""
    number = np.dtype(recipe.dtype).type
    return Settings(
        hidden=KINDS[recipe.hidden_activation],
        output=KINDS[recipe.output_activation],
        is_squared_error=recipe.loss == "squared_error",
        is_mean=recipe.reduction == "mean",
        has_bias=recipe.bias,
        rule=rule_of(ExtendedRecipe.of(recipe), 0),
        one=number(1),
    )


def rule_of(recipe: ExtendedRecipe, epoch: int) -> Rule:
    """Return the optimizer as kernels need it, with the learning rate and the momentum of an epoch."""
    learning_rate, momentum = recipe.rates(epoch)
    decay2 = recipe.rmsprop_alpha if recipe.optimizer == "rmsprop" else recipe.beta2
    return Rule(  # whole numbers would be another type, for which all kernels are compiled again
        kind=update.KINDS[recipe.optimizer],
        leaves_zeros=recipe.optimizer == "sgd" and not recipe.weight_decay,
        learning_rate=float(learning_rate),
        momentum=float(momentum),
        epsilon=float(recipe.epsilon),
        weight_decay=float(recipe.weight_decay),
        decay1=float(recipe.beta1),
        decay2=float(decay2),
        decays_biases=recipe.decay_biases,
        is_nesterov=recipe.nesterov,
        is_dampened=recipe.dampened_momentum,
        is_reordered=recipe.adam_reordered,
    )


def state_of(recipe: Recipe, network: Network) -> State:
    """Return what is kept beside the weights before the first update: zeros where it is needed."""

    def zeros_like(is_needed: bool) -> Network:
        if not is_needed:
            return network
        first, above, biases = (
            zeros(array.size, recipe.dtype) for array in (network.first, network.above, network.biases)
        )
        return network._replace(first=first, above=above, biases=biases)

    sums = recipe.batch_size is None or recipe.batch_size > WORD
    keeps_first, keeps_second = recipe.optimizer in ("momentum", "adam"), recipe.optimizer in ("rmsprop", "adam")
    return State(zeros_like(sums), zeros_like(keeps_first), zeros_like(keeps_second))


def network_of(recipe: Recipe, parameters: Parameters, n_shares: int) -> Network:
    """Return copies of the weights in the layout of the kernels."""
    widths = recipe.layer_sizes[1:]
    padded = [rounded_up(width) for width in widths]
    first_weights = zeros(recipe.layer_sizes[0] * padded[0], recipe.dtype)
    above = zeros(sum(rows * columns for rows, columns in zip(widths[1:], padded, strict=False)), recipe.dtype)
    biases = zeros(sum(padded), recipe.dtype)
    network = Network(first_weights, above, biases, np.array(widths), np.array(padded), n_shares)
    assign(network, parameters)
    return network


def assign(network: Network, parameters: Parameters) -> None:
    """Copy weights into the layout of the kernels."""
    for columns, share in shares_of_first(network):
        share[:, : columns.stop - columns.start] = parameters[0].weight[:, columns]
    for layer, transposed in zip(parameters[1:], layers_above(network), strict=True):
        transposed[:, : layer.weight.shape[0]] = layer.weight.T
    for layer, bias in zip(parameters, layer_biases(network), strict=True):
        if layer.bias is not None:
            bias[:] = layer.bias


def parameters_of(recipe: Recipe, network: Network) -> Parameters:
    """Return copies of the weights in the layout of the recipe."""
    first = np.empty((recipe.layer_sizes[0], int(network.widths[0])), recipe.dtype)
    for columns, share in shares_of_first(network):
        first[:, columns] = share[:, : columns.stop - columns.start]
    above = [
        transposed[:, : int(below)].T for transposed, below in zip(layers_above(network), network.widths, strict=False)
    ]
    return tuple(
        Layer(np.array(weight, order="C"), bias.copy() if recipe.bias else None)
        for weight, bias in zip([first, *above], layer_biases(network), strict=True)
    )


def shares_of_first(network: Network) -> list[tuple[slice, Floats]]:
    """Return each share of the first layer: the columns of its weights [D, J] that it has, and these, not copied."""
    shares = []
    for share in range(network.n_shares):
        low, high = units_of_share(share, network)
        columns = slice(low, min(high, int(network.widths[0])))
        shares.append((columns, weights_of_share(share, network)))
    return shares


def layers_above(network: Network) -> list[Floats]:
    """Return the transposed weights of the layers above the first, [J, P] each, not copied."""
    sizes = [(int(rows), int(columns)) for rows, columns in zip(network.widths[1:], network.padded, strict=False)]
    ends = list(itertools.accumulate(rows * columns for rows, columns in sizes))
    return [
        network.above[end - rows * columns : end].reshape(rows, columns)
        for end, (rows, columns) in zip(ends, sizes, strict=True)
    ]


def layer_biases(network: Network) -> list[Floats]:
    """Return the biases of every layer, [J] each, not copied."""
    starts = [0, *itertools.accumulate(map(int, network.padded))]
    return [network.biases[start : start + int(width)] for start, width in zip(starts, network.widths, strict=False)]


def workspace_for(recipe: Recipe, n_examples: int) -> Workspace:
    """Return a workspace for so many examples."""
    n_inputs, *widths = recipe.layer_sizes
    padded = [rounded_up(width) for width in widths]
    above = [below * width for below, width in itertools.pairwise(padded)]
    n_words = rounded_up(rounded_up(n_inputs, WORD) // WORD)
    return Workspace(
        starts=np.empty(n_examples, np.int64),
        masks=zeros(n_examples * n_words, "uint64").reshape(n_examples, n_words),
        y=zeros(n_examples * sum(padded), recipe.dtype),
        dz=zeros(n_examples * sum(padded), recipe.dtype),
        masks_by_input=zeros(WORD * n_words, "uint64").reshape(WORD, n_words),
        bias_gradient=zeros(max(padded), recipe.dtype),
        transposed=zeros(max(above, default=0), recipe.dtype),
        rows_of_gradient=zeros(max(AT_ONCE, OUTS * max(padded)), recipe.dtype),
        changes=zeros(padded[0], recipe.dtype),
    )


def workspaces_for(recipe: Recipe, n_examples: int, n_threads: int) -> list[Workspace]:
    """Return the workspace of every thread for so many examples in a batch."""
    first, *others = (workspace_for(recipe, n_examples) for _ in range(n_threads))
    shared = {name: getattr(first, name) for name in SHARED}
    return [first, *(workspace._replace(**shared) for workspace in others)]
