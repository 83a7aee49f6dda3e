"""The gradient of a batch: added to the weights, summed, or formed for some rows of weights and used to update them."""

from typing import Any

import numpy as np

from backprop_bench.data import Floats, Order
from backprop_bench.scratch.compiled.jit import compiled
from backprop_bench.scratch.compiled.masks import (
    WORD,
    add_examples,
    add_examples_to_several,
    change_and_add_inputs,
    has_few_zeros,
    lowest_bit,
    lowest_bits,
    prefetch_word,
    transpose_masks,
    words_of,
)
from backprop_bench.scratch.compiled.network import (
    Integers,
    Network,
    Settings,
    State,
    Workspace,
    biases_of,
    rows_of_layer,
    units_of_share,
    weights_above,
    weights_of_share,
)
from backprop_bench.scratch.compiled.products import add_product
from backprop_bench.scratch.compiled.threads import share_of
from backprop_bench.scratch.compiled.update import update
from backprop_bench.scratch.compiled.vectors import OUTS


@compiled
def add_first(
    low: int, begin: int, x: Floats, starts: Integers, dz: Floats, scale: Any, weights: Floats, workspace: Workspace
) -> None:
    """Add scale times the gradient of up to 64 examples to weights [inputs, units] of the first layer.

    They are of inputs from ``begin`` on, a multiple of OUTS, and of units from low on. The masks of the examples are
    transposed; ``starts`` and dz [B, P] are theirs. It goes input by input: each row is fetched once.
    """
    length, stride = weights.shape[1], dz.shape[1]
    w_flat, dz_flat, x_flat = weights.reshape(weights.size), dz.reshape(dz.size), x.reshape(x.size)
    last, n_examples, end = begin + weights.shape[0], starts.size, 0
    for i in range(begin, last):
        out, mask = (i - begin) * length, workspace.masks_by_input[i % WORD, i // WORD]
        if i % OUTS == 0 and i + OUTS <= last and has_few_zeros(mask, n_examples):
            mask, end = lowest_bits(n_examples), i + OUTS
            add_examples_to_several(
                w_flat, out, scale, dz_flat, low, stride, length, x_flat, i, starts, mask, 0, length
            )
        elif mask and i >= end:
            add_examples(w_flat, out, scale, dz_flat, low, stride, length, x_flat, i, starts, mask, 0, length)


@compiled
def add_first_of_one(
    low: int, begin: int, x: Floats, dz: Floats, scale: Any, weights: Floats, workspace: Workspace
) -> None:
    """Do the same with the gradient of one example, number ``begin`` of the batch, whose mask needs no transposing."""
    n_units, changes, start = weights.shape[1], workspace.changes, workspace.starts[begin]
    w_flat, x_flat = weights.reshape(weights.size), x.reshape(x.size)
    for j in range(n_units):
        changes[j] = scale * dz[0, low + j]
    for word in range(words_of(x.shape[1])):
        rest = workspace.masks[begin, word]
        while rest:
            i = word * WORD + lowest_bit(rest)
            rest &= rest - np.uint64(1)
            for j in range(n_units):
                w_flat[i * n_units + j] += x_flat[start + i] * changes[j]


@compiled
def add_first_and_go_on(
    x: Floats, following: Order, dz: Floats, scale: Any, b: Floats, z: Floats, weights: Floats, workspace: Workspace
) -> None:
    """Do the same with the gradient of the first of two examples, and compute z [1, P] of the second, with b [P].

    Weights [D, P] are of all units. Each is read and written once, where a pass for each example would read it once
    more: they are more than the nearer caches hold, so that costs time. Meanwhile the inputs x [N, D] of the examples
    that follow are fetched.
    """
    n_inputs, length, changes = x.shape[1], weights.shape[1], workspace.changes
    x_flat, z_flat, w_flat = x.reshape(x.size), z.reshape(z.size), weights.reshape(weights.size)
    one, before, now = z.dtype.type(1), workspace.starts[0], workspace.starts[1]
    for j in range(length):
        changes[j] = scale * dz[0, j]
        z_flat[j] = b[j]
    for word in range(words_of(n_inputs)):
        for example in following:
            prefetch_word(x_flat, example * n_inputs + word * WORD)
        mask, first_input = workspace.masks[0, word] | workspace.masks[1, word], word * WORD
        if mask:
            change_and_add_inputs(
                z_flat, 0, one, w_flat, 0, length, length, x_flat, now, before, changes, mask, first_input
            )


@compiled
def add_above(low: int, y: Floats, dz: Floats, scale: Any, weights: Floats) -> None:
    """Add scale times the gradient of the examples to transposed weights [units, P], of units from low on.

    y [B, P] is of the layer below, dz [B, P] of this one.
    """
    add_product(scale, dz.reshape(dz.size), low, 1, dz.shape[1], y, weights)


@compiled
def add_bias(low: int, high: int, dz: Floats, scale: Any, b: Floats, workspace: Workspace) -> None:
    """Add scale times the gradient of the examples, dz [B, P], to b [P], from unit low to high."""
    db = workspace.bias_gradient
    first, end = np.uint32(low), np.uint32(high)  # so that none is looked at as one from the end
    for j in range(first, end):
        db[j] = 0
    for row in range(dz.shape[0]):
        for j in range(first, end):
            db[j] += dz[row, j]
    for j in range(first, end):
        b[j] += scale * db[j]


@compiled
def add_gradient(
    share: int,
    begin: int,
    end: int,
    n_examples: int,
    x: Floats,
    scale: Any,
    target: Network,
    settings: Settings,
    workspace: Workspace,
) -> None:
    """Add scale times the gradient of up to 64 examples to a share of the weights of every layer; x [N, D]."""
    low, _ = units_of_share(share, target)
    weights = weights_of_share(share, target)
    dz = rows_of_layer(workspace.dz, 0, n_examples, target, workspace)[begin:end]
    if end - begin == 1:
        add_first_of_one(low, begin, x, dz, scale, weights, workspace)
    else:
        transpose_masks(begin, end, workspace)
        add_first(low, 0, x, workspace.starts[begin:end], dz, scale, weights, workspace)
    add_gradient_of_others(share, begin, end, n_examples, scale, target, settings, workspace)


@compiled
def add_gradient_of_others(
    share: int,
    begin: int,
    end: int,
    n_examples: int,
    scale: Any,
    target: Network,
    settings: Settings,
    workspace: Workspace,
) -> None:
    """Do the same with all weights but those of the first layer, whose biases are among them."""
    for layer in range(target.widths.size):
        dz = rows_of_layer(workspace.dz, layer, n_examples, target, workspace)[begin:end]
        if layer:
            low, high = share_of(target.widths[layer], share, target.n_shares)
            y = rows_of_layer(workspace.y, layer - 1, n_examples, target, workspace)[begin:end]
            add_above(low, y, dz, scale, weights_above(layer, target)[low:high])
        if settings.has_bias:
            low, high = units_of_bias(share, layer, target)
            add_bias(low, high, dz, scale, biases_of(layer, target), workspace)


@compiled
def update_by_gradient(
    share: int,
    n_examples: int,
    x: Floats,
    n_updates: int,
    network: Network,
    state: State,
    settings: Settings,
    workspace: Workspace,
) -> None:
    """Update a share of all weights by the gradient of up to 64 examples; x [N, D].

    The gradient is formed for some rows of weights at a time, which are updated before it has left the nearest cache.
    """
    update_first(share, n_examples, x, n_updates, network, state, settings, workspace)
    for layer in range(network.widths.size):
        if layer:
            update_above(share, layer, n_examples, n_updates, network, state, settings, workspace)
        if settings.has_bias:
            update_bias(share, layer, n_examples, n_updates, network, state, settings, workspace)


@compiled
def update_first(
    share: int,
    n_examples: int,
    x: Floats,
    n_updates: int,
    network: Network,
    state: State,
    settings: Settings,
    workspace: Workspace,
) -> None:
    """Do the same with a share of the weights of the first layer."""
    low, _ = units_of_share(share, network)
    weights = weights_of_share(share, network)
    first, second = weights_of_share(share, state.first), weights_of_share(share, state.second)
    dz = rows_of_layer(workspace.dz, 0, n_examples, network, workspace)
    transpose_masks(0, n_examples, workspace)
    at_once = rows_at_once(weights, workspace)
    for begin in range(0, weights.shape[0], at_once):
        end = min(begin + at_once, weights.shape[0])
        gradient = gradient_of_rows(end - begin, weights, workspace)
        add_first(low, begin, x, workspace.starts[:n_examples], dz, settings.one, gradient, workspace)
        update_rows(begin, end, weights, gradient, first, second, n_updates, settings)


@compiled
def update_above(
    share: int,
    layer: int,
    n_examples: int,
    n_updates: int,
    network: Network,
    state: State,
    settings: Settings,
    workspace: Workspace,
) -> None:
    """Do the same with a share of the weights of a layer above the first."""
    low, high = share_of(network.widths[layer], share, network.n_shares)
    y = rows_of_layer(workspace.y, layer - 1, n_examples, network, workspace)
    dz = rows_of_layer(workspace.dz, layer, n_examples, network, workspace)
    weights = weights_above(layer, network)
    first, second = weights_above(layer, state.first), weights_above(layer, state.second)
    at_once = rows_at_once(weights, workspace)
    for begin in range(low, high, at_once):
        end = min(begin + at_once, high)
        gradient = gradient_of_rows(end - begin, weights, workspace)
        add_above(begin, y, dz, settings.one, gradient)
        update_rows(begin, end, weights, gradient, first, second, n_updates, settings)


@compiled
def update_bias(
    share: int,
    layer: int,
    n_examples: int,
    n_updates: int,
    network: Network,
    state: State,
    settings: Settings,
    workspace: Workspace,
) -> None:
    """Do the same with a share of the biases of a layer."""
    low, high = units_of_bias(share, layer, network)
    b, db = biases_of(layer, network)[low:high], workspace.rows_of_gradient
    first, second = biases_of(layer, state.first)[low:high], biases_of(layer, state.second)[low:high]
    dz = rows_of_layer(workspace.dz, layer, n_examples, network, workspace)
    add_bias(low, high, dz, settings.one, db, workspace)
    update(b, db[low:high], first, second, True, n_updates, settings.rule)


@compiled
def units_of_bias(share: int, layer: int, network: Network) -> tuple[int, int]:
    """Return of which units of a layer a share has the biases: from the first one to the one after its last."""
    if layer:
        return share_of(network.widths[layer], share, network.n_shares)
    return units_of_share(share, network)


@compiled
def rows_at_once(weights: Floats, workspace: Workspace) -> int:
    """Return of how many rows of weights the gradient is formed at a time: a multiple of OUTS."""
    at_once: int = workspace.rows_of_gradient.size // (weights.shape[1] * OUTS) * OUTS
    return at_once


@compiled
def gradient_of_rows(n_rows: int, weights: Floats, workspace: Workspace) -> Floats:
    """Return where the gradient of so many rows of weights is formed, of their length."""
    length = weights.shape[1]
    return workspace.rows_of_gradient[: n_rows * length].reshape(n_rows, length)


@compiled
def update_rows(
    begin: int,
    end: int,
    weights: Floats,
    gradient: Floats,
    first: Floats,
    second: Floats,
    n_updates: int,
    settings: Settings,
) -> None:
    """Update rows from begin to end of weights by their gradient; ``first`` and ``second`` are as large as weights."""
    low, high = begin * weights.shape[1], end * weights.shape[1]
    w, dw = weights.reshape(weights.size)[low:high], gradient.reshape(gradient.size)
    of_first, of_second = first.reshape(first.size)[low:high], second.reshape(second.size)[low:high]
    update(w, dw, of_first, of_second, False, n_updates, settings.rule)
