"""Forward pass and backward pass of a batch."""

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
    add_inputs,
    add_inputs_to_several,
    has_few_zeros,
    lowest_bits,
    prefetch_word,
    words_of,
)
from backprop_bench.scratch.compiled.network import (
    Network,
    Settings,
    Workspace,
    biases_of,
    rows_of_layer,
    units_of_share,
    weights_above,
    weights_of_share,
)
from backprop_bench.scratch.compiled.products import add_product, transpose
from backprop_bench.scratch.compiled.vectors import (
    LANES,
    OUTS,
)

MANY = 8
"""Examples from which on it is worth transposing the weights of a layer for them, if it has more units than LANES."""


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
def layer_of_many(y: Floats, weights: Floats, b: Floats, z: Floats, workspace: Workspace) -> None:
    """Compute z [B, P] from y [B, P] of the layer below, the transposed weights [J, P] and b [P]."""
    n_below, width = y.shape[1], z.shape[1]
    again = workspace.transposed[: n_below * width].reshape(n_below, width)
    transpose(weights, again)
    for row in range(z.shape[0]):
        for j in range(width):
            z[row, j] = b[j]
    add_product(z.dtype.type(1), y.reshape(y.size), 0, n_below, 1, again, z)


@compiled
def layer_of_few(y: Floats, weights: Floats, b: Floats, z: Floats) -> None:
    """Do the same for so few examples that transposing the weights takes longer than it saves."""
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
    dy_flat = dy.reshape(dy.size)
    for k in range(dy_flat.size):
        dy_flat[k] = 0
    add_product(dy.dtype.type(1), dz.reshape(dz.size), 0, dz.shape[1], 1, weights, dy)


@compiled
def forward(
    x: Floats, n_examples: int, following: Order, network: Network, settings: Settings, workspace: Workspace
) -> None:
    """Compute y of the hidden layers, and z of the output layer, of a batch.

    Meanwhile the inputs x [N, D] of the examples that follow are fetched.
    """
    for share in range(network.n_shares):
        first_layer(share, n_examples, x, following, network, workspace)
    forward_above(0, n_examples, n_examples, n_examples, network, settings, workspace)


@compiled
def forward_above(
    begin: int,
    end: int,
    n_examples: int,
    batch_size: int,
    network: Network,
    settings: Settings,
    workspace: Workspace,
) -> None:
    """Compute the same for examples from begin to end of those in the workspace, from z of the first layer on.

    They may be part of a larger batch.
    """
    below = rows_of_layer(workspace.y, 0, n_examples, network, workspace)[begin:end]
    for layer in range(1, network.widths.size):
        activate(settings.hidden, below, network.widths[layer - 1])
        z = rows_of_layer(workspace.y, layer, n_examples, network, workspace)[begin:end]
        weights, b = weights_above(layer, network), biases_of(layer, network)
        if batch_size < MANY or weights.shape[0] <= LANES:
            layer_of_few(below, weights, b, z)
        else:
            layer_of_many(below, weights, b, z, workspace)
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
