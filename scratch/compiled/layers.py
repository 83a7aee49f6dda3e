"""Forward pass, backward pass and weight update of a batch."""

from typing import Any

import numpy as np

from backprop_bench.data import Floats, Order
from backprop_bench.scratch.compiled.functions import (
    SOFTMAX,
    activate,
    sigmoid_loss,
    softmax_loss,
    squared_loss,
    times_derivative,
)
from backprop_bench.scratch.compiled.jit import compiled
from backprop_bench.scratch.compiled.masks import (
    WORD,
    add_examples,
    add_examples_to_several,
    add_inputs,
    add_inputs_to_several,
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
    Workspace,
    biases_of,
    rows_of_layer,
    units_of_share,
    weights_above,
    weights_of_share,
)
from backprop_bench.scratch.compiled.threads import share_of
from backprop_bench.scratch.compiled.vectors import OUTS, add_rows


@compiled
def first_layer(
    share: int, n_examples: int, x: Floats, following: Order, network: Network, workspace: Workspace
) -> None:
    """Compute z of a share of the first layer, of the examples of a batch.

    Inputs are taken word by word, so that their weights stay near while all examples use them. Meanwhile the inputs
    x [N, D] of the examples that follow, which are anywhere in memory, are fetched.
    """
    z, b = rows_of_layer(workspace.y, 0, n_examples, network, workspace), biases_of(0, network)
    weights = weights_of_share(share, network)
    (low, high), stride = units_of_share(share, network), z.shape[1]
    x_flat, n_inputs, length = x.reshape(x.size), x.shape[1], high - low
    z_flat, w_flat, one = z.reshape(z.size), weights.reshape(weights.size), z.dtype.type(1)
    starts, masks = workspace.starts, workspace.masks
    for row in range(n_examples):
        for j in range(low, high):
            z[row, j] = b[j]
    for word in range(words_of(n_inputs)):
        k, n, end = word * WORD, min(WORD, n_inputs - word * WORD), 0
        for row in range(n_examples):
            if row < following.size:
                prefetch_word(x_flat, following[row] * n_inputs + k)
            out, mask = row * stride + low, masks[row, word]
            if row % OUTS == 0 and row + OUTS <= n_examples and has_few_zeros(mask, n):
                mask, end = lowest_bits(n), row + OUTS
                add_inputs_to_several(z_flat, out, one, w_flat, 0, length, length, x_flat, row, starts, mask, k, stride)
            elif mask and row >= end:
                add_inputs(z_flat, out, one, w_flat, 0, length, length, x_flat, row, starts, mask, k, stride)


@compiled
def layer_above(y: Floats, weights: Floats, b: Floats, z: Floats) -> None:
    """Compute z [B, P] from y [B, P] of the layer below, the transposed weights [J, P] and b [P]."""
    for row in range(z.shape[0]):
        for j in range(weights.shape[0]):
            total = b[j]
            for i in range(y.shape[1]):
                total += y[row, i] * weights[j, i]
            z[row, j] = total
        for j in range(weights.shape[0], z.shape[1]):
            z[row, j] = 0


@compiled
def back_to_layer(dz: Floats, weights: Floats, dy: Floats) -> None:
    """Compute dE/dy [B, P] of a layer from dE/dz [B, P] and the transposed weights [J, P] of the layer above."""
    width, one = dy.shape[1], dy.dtype.type(1)
    dy_flat, w_flat, dz_flat = dy.reshape(dy.size), weights.reshape(weights.size), dz.reshape(dz.size)
    for k in range(dy_flat.size):
        dy_flat[k] = 0
    for row in range(dy.shape[0]):
        add_rows(dy_flat, row * width, one, w_flat, 0, width, width, dz_flat, row * dz.shape[1], weights.shape[0])


@compiled
def add_first(
    low: int, x: Floats, starts: Integers, dz: Floats, scale: Any, weights: Floats, workspace: Workspace
) -> None:
    """Add scale times the gradient of up to 64 examples to weights [D, units] of the first layer, of units from low on.

    Their masks are transposed; ``starts`` and dz [B, P] are theirs. It goes input by input: each row is fetched once.
    """
    length, stride = weights.shape[1], dz.shape[1]
    w_flat, dz_flat, x_flat = weights.reshape(weights.size), dz.reshape(dz.size), x.reshape(x.size)
    n_inputs, n_examples, end = weights.shape[0], starts.size, 0
    for i in range(n_inputs):
        out, mask = i * length, workspace.masks_by_input[i % WORD, i // WORD]
        if i % OUTS == 0 and i + OUTS <= n_inputs and has_few_zeros(mask, n_examples):
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
def add_above(low: int, high: int, y: Floats, dz: Floats, scale: Any, weights: Floats, workspace: Workspace) -> None:
    """Add scale times the gradient of the examples to the transposed weights [J, P], from unit low to high.

    y [B, P] is of the layer below, dz [B, P] of this one.
    """
    width, w_flat, y_flat = weights.shape[1], weights.reshape(weights.size), y.reshape(y.size)
    factors = workspace.dz_of_unit
    for j in range(low, high):
        for row in range(y.shape[0]):
            factors[row] = dz[row, j]
        add_rows(w_flat, j * width, scale, y_flat, 0, width, width, factors, 0, y.shape[0])


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
def forward(
    x: Floats, n_examples: int, following: Order, network: Network, settings: Settings, workspace: Workspace
) -> None:
    """Compute y of the hidden layers, and z of the output layer, of a batch.

    Meanwhile the inputs x [N, D] of the examples that follow are fetched.
    """
    for share in range(network.n_shares):
        first_layer(share, n_examples, x, following, network, workspace)
    forward_above(0, n_examples, n_examples, network, settings, workspace)


@compiled
def forward_above(
    begin: int, end: int, n_examples: int, network: Network, settings: Settings, workspace: Workspace
) -> None:
    """Compute the same for examples from begin to end, from z of the first layer on."""
    below = rows_of_layer(workspace.y, 0, n_examples, network, workspace)[begin:end]
    for layer in range(1, network.widths.size):
        activate(settings.hidden, below, network.widths[layer - 1])
        z = rows_of_layer(workspace.y, layer, n_examples, network, workspace)[begin:end]
        layer_above(below, weights_above(layer, network), biases_of(layer, network), z)
        below = z


@compiled
def backward(
    begin: int,
    end: int,
    batch_size: int,
    t: Floats,
    examples: Order,
    network: Network,
    settings: Settings,
    workspace: Workspace,
) -> float:
    """Return the loss of examples from begin to end, summed, and compute dE/dz of all layers; t [N, C].

    The examples in the workspace may be part of a larger batch.
    """
    last = network.widths.size - 1
    n_examples = examples.size
    z = rows_of_layer(workspace.y, last, n_examples, network, workspace)[begin:end]
    dz = rows_of_layer(workspace.dz, last, n_examples, network, workspace)[begin:end]
    loss = loss_and_dz(z, t, examples[begin:end], dz, settings)
    if settings.is_mean:
        dz_flat, n = dz.reshape(dz.size), dz.dtype.type(batch_size)
        for k in range(dz_flat.size):
            dz_flat[k] /= n
    for layer in range(last, 0, -1):
        below = rows_of_layer(workspace.dz, layer - 1, n_examples, network, workspace)[begin:end]
        back_to_layer(dz, weights_above(layer, network), below)
        y = rows_of_layer(workspace.y, layer - 1, n_examples, network, workspace)[begin:end]
        times_derivative(settings.hidden, below, y)
        dz = below
    return loss


@compiled
def loss_and_dz(z: Floats, t: Floats, examples: Order, dz: Floats, settings: Settings) -> float:
    """Return the loss of the recipe, and put its dE/dz into dz [B, P]; z [B, P] is overwritten, t is [N, C]."""
    if settings.is_squared_error:
        return squared_loss(settings.output, z, t, examples, dz)
    if settings.output == SOFTMAX:
        return softmax_loss(z, t, examples, dz)
    return sigmoid_loss(z, t, examples, dz)


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
        add_first(low, x, workspace.starts[begin:end], dz, scale, weights, workspace)
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
        low, high = share_of(target.widths[layer], share, target.n_shares)
        if layer:
            y = rows_of_layer(workspace.y, layer - 1, n_examples, target, workspace)[begin:end]
            add_above(low, high, y, dz, scale, weights_above(layer, target), workspace)
        else:
            low, high = units_of_share(share, target)
        if settings.has_bias:
            add_bias(low, high, dz, scale, biases_of(layer, target), workspace)


@compiled
def descend(share: int, learning_rate: Any, gradient: Network, network: Network) -> None:
    """Change a share of the weights by −learning_rate times the gradient, and put 0 in the place of the gradient."""
    descend_array(share, network.n_shares, learning_rate, gradient.first, network.first)
    descend_array(share, network.n_shares, learning_rate, gradient.above, network.above)
    descend_array(share, network.n_shares, learning_rate, gradient.biases, network.biases)


@compiled
def descend_array(share: int, n_shares: int, learning_rate: Any, gradient: Floats, weights: Floats) -> None:
    """Do the same with a share of some weights [N]."""
    low, high = share_of(weights.size, share, n_shares)
    w, dw = weights[low:high], gradient[low:high]
    for k in range(w.size):
        w[k] -= learning_rate * dw[k]
        dw[k] = 0
