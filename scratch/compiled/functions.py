"""Activations and losses, each beside its derivative; every one works in place."""

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from backprop_bench.data import Floats, Order
from backprop_bench.scratch.compiled.jit import compiled, compiled_in_order, inlined, intrinsic

SIGMOID, TANH, RELU, IDENTITY, SOFTMAX = range(5)
KINDS = {"sigmoid": SIGMOID, "tanh": TANH, "relu": RELU, "identity": IDENTITY, "softmax": SOFTMAX}
"""The number of each activation."""

# e^x = 2^n e^r with n whole and |r| ≤ ln 2 / 2: n is taken off in two parts, the first of which is exact
# (Cody & Waite, Software Manual for the Elementary Functions, 1980). The polynomial is Cephes' (Moshier, expf).
LOG2_E = np.float32(1.44269504)
LN2_HIGH, LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
P5, P4, P3 = np.float32(1.9875691500e-4), np.float32(1.3981999507e-3), np.float32(8.3334519073e-3)
P2, P1, P0 = np.float32(4.1665795894e-2), np.float32(1.6666665459e-1), np.float32(5.0000001201e-1)
LOWEST_X, HIGHEST_X = np.float32(-87.3), np.float32(89.0)
HALF, ONE = np.float32(0.5), np.float32(1)
FLOAT32_BYTES = 4


@intrinsic
def power_of_two(typing_context: Any, exponent: Any) -> Any:
    """Return 2^exponent, float32, for exponents from −126 to 127; 128 gives infinity."""
    del typing_context, exponent

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        del context, signature
        whole = ir.IntType(32)
        return builder.bitcast(builder.shl(builder.add(args[0], whole(127)), whole(23)), ir.FloatType())

    return types.float32(types.int32), write


@inlined
def exp_float32(x: Any) -> Any:
    """Return e^x of a float32, within two units in the last place for x from −87.3 to 88.3.

    Below, it stays at about 1e-38; above, it is infinity a little before the largest float32 is reached.
    """
    value = LOWEST_X if x < LOWEST_X else x  # a NaN passes both
    value = HIGHEST_X if value > HIGHEST_X else value
    n = np.floor(value * LOG2_E + HALF)
    r = value - n * LN2_HIGH - n * LN2_LOW
    p = ((((P5 * r + P4) * r + P3) * r + P2) * r + P1) * r + P0
    return (p * (r * r) + r + ONE) * power_of_two(np.int32(n))


@compiled_in_order
def exp_in_place(x: Floats) -> None:
    """Put e^x in the place of x [N]."""
    if x.itemsize == FLOAT32_BYTES:
        for k in range(x.size):
            x[k] = exp_float32(x[k])
    else:
        for k in range(x.size):
            x[k] = math.exp(x[k])


@compiled_in_order
def sigmoid_in_place(x: Floats) -> None:
    """Put 1 / (1 + e^−x) in the place of x [N]."""
    if x.itemsize == FLOAT32_BYTES:
        for k in range(x.size):
            x[k] = ONE / (ONE + exp_float32(-x[k]))
    else:
        for k in range(x.size):
            x[k] = 1 / (1 + math.exp(-x[k]))


@compiled
def clear_padding(rows: Floats, width: int) -> None:
    """Put 0 into the columns of rows [B, P] from width on."""
    for row in range(rows.shape[0]):
        for j in range(width, rows.shape[1]):
            rows[row, j] = 0


@compiled
def activate(kind: int, y: Floats, width: int) -> None:
    """Put the activation of ``width`` units in the place of the pre-activation, y [B, P]; not for the softmax."""
    y_flat = y.reshape(y.size)
    if kind == SIGMOID:
        sigmoid_in_place(y_flat)
        clear_padding(y, width)
    elif kind == TANH:
        for k in range(y_flat.size):
            y_flat[k] = math.tanh(y_flat[k])
    elif kind == RELU:
        for k in range(y_flat.size):
            y_flat[k] = 0 if y_flat[k] < 0 else y_flat[k]


@compiled
def times_derivative(kind: int, dz: Floats, y: Floats) -> None:
    """Multiply dE/dy by dy/dz, the derivative of the activation, which gives dE/dz; dz and y [B, P]."""
    dz_flat, y_flat = dz.reshape(dz.size), y.reshape(y.size)
    one = dz_flat.dtype.type(1)
    if kind == SIGMOID:
        for k in range(dz_flat.size):
            dz_flat[k] *= y_flat[k] * (one - y_flat[k])
    elif kind == TANH:
        for k in range(dz_flat.size):
            dz_flat[k] *= one - y_flat[k] * y_flat[k]
    elif kind == RELU:
        for k in range(dz_flat.size):
            dz_flat[k] = dz_flat[k] if y_flat[k] > 0 else 0


@compiled
def softmax_loss(z: Floats, t: Floats, examples: Order, dz: Floats) -> float:
    """Return −Σ t ln y of softmax, and put dE/dz, y − t, into dz [B, P]; z [B, P] is overwritten, t is [N, C]."""
    loss, width, n_classes = 0.0, z.shape[1], t.shape[1]
    for row in range(z.shape[0]):
        largest = z[row, 0]
        for j in range(1, n_classes):
            largest = z[row, j] if z[row, j] > largest else largest
        for j in range(width):
            z[row, j] -= largest
            dz[row, j] = z[row, j]
    exp_in_place(dz.reshape(dz.size))
    clear_padding(dz, n_classes)
    for row in range(z.shape[0]):
        total = dz[row, 0]
        for j in range(1, width):
            total += dz[row, j]
        log_total = math.log(total)
        for j in range(width):
            dz[row, j] /= total
        for j in range(n_classes):
            target = t[examples[row], j]
            loss -= target * (z[row, j] - log_total)
            dz[row, j] -= target
    return loss


@compiled
def sigmoid_loss(z: Floats, t: Floats, examples: Order, dz: Floats) -> float:
    """Return −Σ [t ln y + (1 − t) ln(1 − y)] of sigmoid, and put dE/dz, y − t, into dz [B, P]; t is [N, C]."""
    loss, zero = 0.0, z.dtype.type(0)
    for row in range(z.shape[0]):
        for j in range(z.shape[1]):
            dz[row, j] = z[row, j]
        for j in range(t.shape[1]):
            value, target = z[row, j], t[examples[row], j]
            loss += max(value, zero) - value * target + math.log1p(math.exp(-abs(value)))
    activate(SIGMOID, dz, t.shape[1])
    for row in range(z.shape[0]):
        for j in range(t.shape[1]):
            dz[row, j] -= t[examples[row], j]
    return loss


@compiled
def squared_loss(kind: int, z: Floats, t: Floats, examples: Order, dz: Floats) -> float:
    """Return ½ Σ (y − t)², and put dE/dz into dz [B, P]; z [B, P] becomes y, t is [N, C]."""
    activate(kind, z, t.shape[1])
    loss = 0.0
    for row in range(z.shape[0]):
        for j in range(t.shape[1]):
            dz[row, j] = z[row, j] - t[examples[row], j]
            loss += dz[row, j] * dz[row, j]
    clear_padding(dz, t.shape[1])
    times_derivative(kind, dz, z)
    return loss / 2
