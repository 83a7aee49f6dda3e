"""Every kernel once more in plain NumPy: the same name, arguments and result, in the fewest lines.

What puts kernels together has its naive version elsewhere: :class:`backprop_bench.scratch.numpy_trainer.NumpyTrainer`.
"""

import functools

import numpy as np
import numpy.typing as npt

from backprop_bench.data import Floats, Order
from backprop_bench.scratch.activations import ACTIVATIONS, DERIVATIVES, sigmoid, softmax
from backprop_bench.scratch.compiled.functions import KINDS
from backprop_bench.scratch.compiled.masks import WORD
from backprop_bench.scratch.compiled.network import (
    Integers,
    Masks,
    Network,
    Workspace,
    biases_of,
    rows_of_layer,
    units_of_share,
    weights_of_share,
)
from backprop_bench.scratch.compiled.vectors import LANES, LINE_BYTES, OUTS
from backprop_bench.scratch.losses import sigmoid_cross_entropy, softmax_cross_entropy

NAMES = {kind: name for name, kind in KINDS.items()}
"""The name of each activation."""


# vectors.py


def add_rows(
    out: Floats,
    out_start: int,
    scale: float,
    rows: Floats,
    first: int,
    stride: int,
    length: int,
    x: Floats,
    x_start: int,
    n_rows: int,
    x_step: int,
    out_stride: int,
    out_x_step: int,
    n_outs: int = 1,
) -> None:
    """Add scale times the sum over k < n_rows of x[x_start + k · x_step] times row k, and so on for the next outs."""
    for number in range(n_outs):
        total = out[out_start + number * out_stride :][:length]
        for k in range(n_rows):
            total += scale * x[x_start + number * out_x_step + k * x_step] * rows[k * stride + first :][:length]


add_rows_to_several = functools.partial(add_rows, n_outs=OUTS)


def transpose_square(rows: Floats, first: int, stride: int, out: Floats, out_first: int, out_stride: int) -> None:
    """Transpose a square with a vector in each row, from rows[first] to out[out_first]."""
    side = LINE_BYTES // rows.itemsize
    for k in range(side):
        for i in range(side):
            out[out_first + k * out_stride + i] = rows[first + i * stride + k]


# masks.py


def bits_of(mask: int) -> list[int]:
    """Return the numbers of the bits that are set."""
    return [bit for bit in range(WORD) if int(mask) >> bit & 1]


def mask_of(is_set: npt.NDArray[np.bool_]) -> np.uint64:
    """Return a word with these bits."""
    return np.uint64(sum(1 << bit for bit in np.flatnonzero(is_set).tolist()))


def mask_of_word(x: Floats, start: int) -> np.uint64:
    """Return which of x[start : start + WORD] are not zero."""
    return mask_of(x[start : start + WORD] != 0)


def lowest_bit(mask: int) -> int:
    """Return the number of the lowest bit that is set."""
    return bits_of(mask)[0]


def add_inputs(
    out: Floats,
    out_start: int,
    scale: float,
    rows: Floats,
    first: int,
    stride: int,
    length: int,
    x: Floats,
    first_out: int,
    starts: Integers,
    mask: int,
    first_row: int,
    out_stride: int,
    n_outs: int = 1,
) -> None:
    """Add the rows of the mask's inputs, input k times x[starts[first_out] + k], and so on for the next outs."""
    for number in range(n_outs):
        total, x_start = out[out_start + number * out_stride :][:length], starts[first_out + number]
        for k in (first_row + bit for bit in bits_of(mask)):
            total += scale * x[x_start + k] * rows[k * stride + first :][:length]


def add_examples(
    out: Floats,
    out_start: int,
    scale: float,
    rows: Floats,
    first: int,
    stride: int,
    length: int,
    x: Floats,
    first_out: int,
    starts: Integers,
    mask: int,
    first_row: int,
    out_stride: int,
    n_outs: int = 1,
) -> None:
    """Add the rows of the mask's examples, example k times x[starts[k] + first_out], and so on for the next outs."""
    for number in range(n_outs):
        total, i = out[out_start + number * out_stride :][:length], first_out + number
        for k in (first_row + bit for bit in bits_of(mask)):
            total += scale * x[starts[k] + i] * rows[k * stride + first :][:length]


add_inputs_to_several = functools.partial(add_inputs, n_outs=OUTS)
add_examples_to_several = functools.partial(add_examples, n_outs=OUTS)


def change_and_add_inputs(
    out: Floats,
    out_start: int,
    scale: float,
    rows: Floats,
    first: int,
    stride: int,
    length: int,
    x: Floats,
    x_start: int,
    before_start: int,
    changes: Floats,
    mask: int,
    first_row: int,
) -> None:
    """Change the rows of the mask's inputs, then add them, input k times x[x_start + k]."""
    for k in (first_row + bit for bit in bits_of(mask)):
        row = rows[k * stride + first :][:length]
        row += x[before_start + k] * changes[:length]
        out[out_start : out_start + length] += scale * x[x_start + k] * row


def n_bits(mask: int) -> int:
    """Return how many bits are set."""
    return len(bits_of(mask))


def exchange_bits(masks: Masks, upper: int, lower: int, distance: int, low_bits: int) -> None:
    """Exchange bits b + distance of LANES words from upper on with bits b of those from lower on."""
    for k in range(LANES):
        high_word, low_word = int(masks[upper + k]), int(masks[lower + k])
        for bit in bits_of(low_bits):
            if (high_word >> bit + distance & 1) != (low_word >> bit & 1):
                high_word ^= 1 << bit + distance
                low_word ^= 1 << bit
        masks[upper + k], masks[lower + k] = high_word, low_word


def find_nonzeros(x: Floats, examples: Order, workspace: Workspace) -> None:
    """Find which inputs of some examples of x [N, D] are not zero."""
    workspace.starts[: len(examples)] = examples * x.shape[1]
    for row, example in enumerate(examples):
        for first in range(0, x.shape[1], WORD):
            workspace.masks[row, first // WORD] = mask_of(x[example, first : first + WORD] != 0)


def transpose_masks(begin: int, end: int, workspace: Workspace) -> None:
    """Transpose the masks of examples from begin to end."""
    workspace.masks_by_input[:] = 0
    for row, words in enumerate(workspace.masks[begin:end]):
        for word, mask in enumerate(words):
            for bit in bits_of(mask):
                workspace.masks_by_input[bit, word] |= np.uint64(1 << row)


# functions.py


def power_of_two(exponent: int) -> np.float32:
    """Return 2^exponent."""
    return np.float32(2.0**exponent)


def exp_in_place(x: Floats) -> None:
    """Put e^x in the place of x [N]."""
    x[:] = np.exp(x)


def sigmoid_in_place(x: Floats) -> None:
    """Put 1 / (1 + e^−x) in the place of x [N]."""
    x[:] = sigmoid(x)


def clear_padding(rows: Floats, width: int) -> None:
    """Put 0 into the columns of rows [B, P] from width on."""
    rows[:, width:] = 0


def activate(kind: int, y: Floats, width: int) -> None:
    """Put the activation of ``width`` units in the place of the pre-activation, y [B, P]."""
    y[:, :width] = ACTIVATIONS[NAMES[kind]](y[:, :width])


def times_derivative(kind: int, dz: Floats, y: Floats) -> None:
    """Multiply dE/dy by the derivative of the activation."""
    dz *= DERIVATIVES[NAMES[kind]](y)


def softmax_loss(z: Floats, t: Floats, examples: Order, dz: Floats) -> float:
    """Return −Σ t ln y of softmax, and put dE/dz into dz [B, P]."""
    n_classes, targets = t.shape[1], t[examples]
    y = softmax(z[:, :n_classes])
    dz[:] = 0
    dz[:, :n_classes] = y - targets
    return softmax_cross_entropy(z[:, :n_classes], y, targets)


def sigmoid_loss(z: Floats, t: Floats, examples: Order, dz: Floats) -> float:
    """Return −Σ [t ln y + (1 − t) ln(1 − y)] of sigmoid, and put dE/dz into dz [B, P]."""
    n_classes, targets = t.shape[1], t[examples]
    y = sigmoid(z[:, :n_classes])
    dz[:] = 0
    dz[:, :n_classes] = y - targets
    return sigmoid_cross_entropy(z[:, :n_classes], y, targets)


def squared_loss(kind: int, z: Floats, t: Floats, examples: Order, dz: Floats) -> float:
    """Return ½ Σ (y − t)², and put dE/dz into dz [B, P]; z [B, P] becomes y."""
    n_classes = t.shape[1]
    activate(kind, z, n_classes)
    errors = z[:, :n_classes] - t[examples]
    dz[:] = 0
    dz[:, :n_classes] = errors * DERIVATIVES[NAMES[kind]](z[:, :n_classes])
    return float(np.square(errors).sum() / 2)


# layers.py


def first_layer(
    share: int,
    n_examples: int,
    x: Floats,
    following: Order,  # noqa: ARG001 (only fetched)
    network: Network,
    workspace: Workspace,
) -> None:
    """Compute z of a share of the first layer, of the examples of a batch."""
    low, high = units_of_share(share, network)
    examples = workspace.starts[:n_examples] // x.shape[1]
    z = rows_of_layer(workspace.y, 0, n_examples, network, workspace)
    z[:, low:high] = x[examples] @ weights_of_share(share, network) + biases_of(0, network)[low:high]


def add_product(scale: float, x: Floats, x_start: int, out_x_step: int, x_step: int, rows: Floats, out: Floats) -> None:
    """Add scale times the sum over k of x[x_start + r · out_x_step + k · x_step] times row k to row r of ``out``."""
    for r in range(len(out)):
        for k in range(len(rows)):
            out[r] += scale * x[x_start + r * out_x_step + k * x_step] * rows[k]


def transpose(weights: Floats, out: Floats) -> None:
    """Put the transpose of weights [J, P of the layer below] into ``out`` [P of the layer below, P]."""
    out[:] = 0
    out[:, : len(weights)] = weights.T


def layer_of_many(
    y: Floats,
    weights: Floats,
    b: Floats,
    z: Floats,
    workspace: Workspace,  # noqa: ARG001 (only the kernel needs space for a transpose)
) -> None:
    """Compute z [B, P] as the next function does."""
    layer_of_few(y, weights, b, z)


def layer_of_few(y: Floats, weights: Floats, b: Floats, z: Floats) -> None:
    """Compute z [B, P] from y [B, P] of the layer below, the transposed weights [J, P] and b [P]."""
    n_units = len(weights)
    z[:] = 0
    z[:, :n_units] = y @ weights.T + b[:n_units]


def back_to_layer(dz: Floats, weights: Floats, dy: Floats) -> None:
    """Compute dE/dy [B, P] of a layer from dE/dz [B, P] and the transposed weights [J, P] of the layer above."""
    dy[:] = dz[:, : len(weights)] @ weights


def add_first(
    low: int,
    begin: int,
    x: Floats,
    starts: Integers,
    dz: Floats,
    scale: float,
    weights: Floats,
    workspace: Workspace,  # noqa: ARG001 (only the kernel uses the masks)
) -> None:
    """Add scale times the gradient of the examples to weights [inputs, units], from input ``begin`` and unit low on."""
    n_inputs, n_units = weights.shape
    weights += scale * (x[starts // x.shape[1], begin : begin + n_inputs].T @ dz[:, low : low + n_units])


def add_first_of_one(
    low: int, begin: int, x: Floats, dz: Floats, scale: float, weights: Floats, workspace: Workspace
) -> None:
    """Do the same with the gradient of one example."""
    add_first(low, 0, x, workspace.starts[begin : begin + 1], dz, scale, weights, workspace)


def add_first_and_go_on(
    x: Floats,
    following: Order,  # noqa: ARG001 (only fetched)
    dz: Floats,
    scale: float,
    b: Floats,
    z: Floats,
    weights: Floats,
    workspace: Workspace,
) -> None:
    """Do the same with the gradient of the first of two examples, and compute z [1, P] of the second."""
    add_first_of_one(0, 0, x, dz, scale, weights, workspace)
    z[:] = x[workspace.starts[1] // x.shape[1]] @ weights + b


def add_above(low: int, y: Floats, dz: Floats, scale: float, weights: Floats) -> None:
    """Add scale times the gradient of the examples to transposed weights [units, P], of units from low on."""
    weights += scale * (dz[:, low : low + len(weights)].T @ y)


def add_bias(
    low: int,
    high: int,
    dz: Floats,
    scale: float,
    b: Floats,
    workspace: Workspace,  # noqa: ARG001 (only the kernel keeps the sums)
) -> None:
    """Add scale times the gradient of the examples, dz [B, P], to b [P], from unit low to high."""
    b[low:high] += scale * dz[:, low:high].sum(axis=0)


# update.py


def descend(w: Floats, dw: Floats, decay: float, rate: float) -> None:
    """Update weights by gradient descent."""
    w -= rate * (dw + decay * w)
    dw[:] = 0


def descend_with_momentum(
    w: Floats, dw: Floats, change: Floats, decay: float, rate: float, momentum: float, is_nesterov: bool
) -> None:
    """Update weights by gradient descent with momentum, or Nesterov's."""
    g = dw + decay * w
    change[:] = momentum * change - rate * g
    w += momentum * change - rate * g if is_nesterov else change
    dw[:] = 0


def rmsprop(
    w: Floats, dw: Floats, square: Floats, decay: float, rate: float, keep: float, add: float, epsilon: float
) -> None:
    """Update weights by RMSprop."""
    g = dw + decay * w
    square[:] = keep * square + add * g * g
    w -= rate * g / (np.sqrt(square) + epsilon)
    dw[:] = 0


def adam(
    w: Floats,
    dw: Floats,
    mean: Floats,
    square: Floats,
    decay: float,
    rate: float,
    keeps: tuple[float, float],
    adds: tuple[float, float],
    factor: float,
    epsilon: float,
) -> None:
    """Update weights by Adam."""
    g = dw + decay * w
    mean[:] = keeps[0] * mean + adds[0] * g
    square[:] = keeps[1] * square + adds[1] * g * g
    w -= rate * mean / (np.sqrt(square) * factor + epsilon)
    dw[:] = 0
