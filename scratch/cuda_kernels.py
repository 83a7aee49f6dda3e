"""Kernels of `scratch-cuda`: a whole epoch is one launch, and all threads of the GPU wait for each other in it.

Every thread computes some of the numbers of each layer, and goes on when all threads have theirs. A batch so waits
four times with one hidden layer, and twice more with each further one. Shapes: D inputs, C outputs, I units below a
layer, J units in it, B examples in a batch. Arrays are flat and on the GPU, matrices row by row.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numba.cuda

Function = TypeVar("Function", bound=Callable[..., Any])
cuda: Any = numba.cuda  # which has no types

SIGMOID, TANH, RELU, IDENTITY, SOFTMAX = range(5)
ACTIVATIONS = {"sigmoid": SIGMOID, "tanh": TANH, "relu": RELU, "identity": IDENTITY, "softmax": SOFTMAX}
SGD, MOMENTUM, RMSPROP, ADAM, KEEP_GRADIENT = range(5)
OPTIMIZERS = {"sgd": SGD, "momentum": MOMENTUM, "rmsprop": RMSPROP, "adam": ADAM}


class Network(NamedTuple):
    """The network on the GPU.

    Attributes
    ----------
    sizes
        Units of each layer, inputs first.
    w_begins, y_begins
        Where in ``w``, and in ``y`` and ``dz``, each layer begins; y_begins has one for the inputs, too, never used.
    w
        W [I, J] and, where there are biases, b [J] of each layer.
    first, second
        State of the optimizer, as ``w``; :data:`KEEP_GRADIENT` puts the gradient into ``first``.
    y, dz
        [B, J] of each layer but the inputs.
    """

    sizes: Any
    w_begins: Any
    y_begins: Any
    w: Any
    first: Any
    second: Any
    y: Any
    dz: Any


class Settings(NamedTuple):
    """The recipe as kernels need it; the numbers from ``one`` on are in the dtype of the weights."""

    hidden: int
    output: int
    is_squared_error: bool
    is_mean: bool
    has_bias: bool
    optimizer: int
    one: Any
    learning_rate: Any
    momentum: Any
    decay1: Any
    decay2: Any
    epsilon: Any
    weight_decay: Any


def on_gpu(function: Function) -> Function:
    """Compile for the GPU: what kernels call."""
    return cast("Function", cuda.jit(device=True)(function))


def kernel(function: Callable[..., None]) -> Any:
    """Compile for the GPU: what is launched, with ``function[blocks, threads](...)``."""
    return cuda.jit(function)


@on_gpu
def activation(kind: int, z: Any, one: Any) -> Any:
    """Return the activation of a unit with pre-activation z; not for the softmax."""
    if kind == SIGMOID:
        return one / (one + math.exp(-z))
    if kind == TANH:
        return math.tanh(z)
    if kind == RELU and z < 0:
        return one - one
    return z


@on_gpu
def derivative(kind: int, y: Any, one: Any) -> Any:
    """Return dy/dz of a unit with activation y."""
    if kind == SIGMOID:
        return y * (one - y)
    if kind == TANH:
        return one - y * y
    if kind == RELU and not y > 0:
        return one - one
    return one


@on_gpu
def forward(grid: Any, x: Any, examples: Any, start: int, n: int, network: Network, settings: Settings) -> None:
    """Compute y of all layers, of the last one z, for n examples of x [N, D] from examples[start] on."""
    thread, n_threads = cuda.grid(1), cuda.gridsize(1)
    last = network.sizes.size - 1
    for layer in range(1, last + 1):
        n_below, width = network.sizes[layer - 1], network.sizes[layer]
        w_begin, y_begin, below = network.w_begins[layer - 1], network.y_begins[layer], network.y_begins[layer - 1]
        for place in range(thread, n * width, n_threads):
            row, j = place // width, place % width
            z = settings.one - settings.one
            if settings.has_bias:
                z = network.w[w_begin + n_below * width + j]
            if layer == 1:
                example = examples[start + row]
                for i in range(n_below):
                    z += x[example, i] * network.w[w_begin + i * width + j]
            else:
                for i in range(n_below):
                    z += network.y[below + row * n_below + i] * network.w[w_begin + i * width + j]
            network.y[y_begin + place] = activation(settings.hidden, z, settings.one) if layer < last else z
        grid.sync()


@on_gpu
def output_of_example(z: Any, begin: int, t: Any, example: int, settings: Settings) -> float:
    """Put y in the place of z[begin:] of the output units; returns the loss of this example of t [N, C]."""
    loss, n_classes = 0.0, t.shape[1]
    if settings.output == SOFTMAX:
        largest = z[begin]
        for j in range(1, n_classes):
            largest = max(largest, z[begin + j])
        total = settings.one - settings.one
        for j in range(n_classes):
            total += math.exp(z[begin + j] - largest)
        log_total = math.log(total)
        for j in range(n_classes):
            loss -= t[example, j] * (z[begin + j] - largest - log_total)
            z[begin + j] = math.exp(z[begin + j] - largest) / total
        return loss
    for j in range(n_classes):
        value, target = z[begin + j], t[example, j]
        z[begin + j] = activation(settings.output, value, settings.one)
        if settings.is_squared_error:
            loss += (z[begin + j] - target) * (z[begin + j] - target) / 2
        else:
            loss += max(value, 0.0) - value * target + math.log1p(math.exp(-abs(value)))
    return loss


@on_gpu
def backward(
    grid: Any, t: Any, examples: Any, start: int, n: int, losses: Any, network: Network, settings: Settings
) -> None:
    """Compute dE/dz of all layers and the loss of n examples from examples[start] on; t [N, C]."""
    thread, n_threads = cuda.grid(1), cuda.gridsize(1)
    last = network.sizes.size - 1
    y_begin, n_classes = network.y_begins[last], t.shape[1]
    for row in range(thread, n, n_threads):
        begin, example = y_begin + row * n_classes, examples[start + row]
        losses[start + row] = output_of_example(network.y, begin, t, example, settings)
        for j in range(n_classes):
            y = network.y[begin + j]
            dz = y - t[example, j]
            if settings.is_squared_error:
                dz *= derivative(settings.output, y, settings.one)
            network.dz[begin + j] = dz / (settings.one * n) if settings.is_mean else dz
    grid.sync()
    for layer in range(last, 1, -1):
        n_below, width = network.sizes[layer - 1], network.sizes[layer]
        w_begin, above, below = network.w_begins[layer - 1], network.y_begins[layer], network.y_begins[layer - 1]
        for place in range(thread, n * n_below, n_threads):
            row, i = place // n_below, place % n_below
            dy = settings.one - settings.one
            for j in range(width):
                dy += network.dz[above + row * width + j] * network.w[w_begin + i * width + j]
            network.dz[below + place] = dy * derivative(settings.hidden, network.y[below + place], settings.one)
        grid.sync()


@on_gpu
def update_weight(place: int, gradient: Any, rate: Any, root: Any, network: Network, settings: Settings) -> None:
    """Update w[place]; ``rate`` and ``root`` are learning rate and factor of the root of Adam for this update."""
    w, one = network.w[place], settings.one
    dw = gradient + settings.weight_decay * w
    if settings.optimizer == SGD:
        network.w[place] = w - settings.learning_rate * dw
    elif settings.optimizer == MOMENTUM:
        change = settings.momentum * network.first[place] - settings.learning_rate * dw
        network.first[place] = change
        network.w[place] = w + change
    elif settings.optimizer == KEEP_GRADIENT:
        network.first[place] = gradient
    else:
        square = settings.decay2 * network.second[place] + (one - settings.decay2) * dw * dw
        network.second[place] = square
        if settings.optimizer == RMSPROP:
            network.w[place] = w - settings.learning_rate * dw / (math.sqrt(square) + settings.epsilon)
        else:
            mean = settings.decay1 * network.first[place] + (one - settings.decay1) * dw
            network.first[place] = mean
            network.w[place] = w - rate * mean / (math.sqrt(square) * root + settings.epsilon)


@on_gpu
def update(
    grid: Any,
    x: Any,
    examples: Any,
    start: int,
    n: int,
    rate: Any,
    root: Any,
    network: Network,
    settings: Settings,
) -> None:
    """Update all weights by the gradient of n examples of x [N, D] from examples[start] on."""
    thread, n_threads = cuda.grid(1), cuda.gridsize(1)
    for layer in range(1, network.sizes.size):
        n_below, width = network.sizes[layer - 1], network.sizes[layer]
        w_begin, y_begin, below = network.w_begins[layer - 1], network.y_begins[layer], network.y_begins[layer - 1]
        rows = n_below + 1 if settings.has_bias else n_below
        for place in range(thread, rows * width, n_threads):
            i, j = place // width, place % width
            gradient = settings.one - settings.one
            for row in range(n):
                dz = network.dz[y_begin + row * width + j]
                if i == n_below:
                    gradient += dz
                elif layer == 1:
                    gradient += x[examples[start + row], i] * dz
                else:
                    gradient += network.y[below + row * n_below + i] * dz
            update_weight(w_begin + place, gradient, rate, root, network, settings)
    grid.sync()


@kernel
def train(
    x: Any, t: Any, order: Any, batch_size: int, rates: Any, losses: Any, network: Network, settings: Settings
) -> None:
    """Train on the examples of x [N, D] and t [N, C] in this order, batch by batch.

    ``losses`` gets the loss of each, in this order. ``rates`` [batches, 2] are those of :func:`update_weight`.
    """
    grid = cuda.cg.this_grid()
    for start in range(0, order.size, batch_size):
        n, number = min(batch_size, order.size - start), start // batch_size
        forward(grid, x, order, start, n, network, settings)
        backward(grid, t, order, start, n, losses, network, settings)
        update(grid, x, order, start, n, rates[number, 0], rates[number, 1], network, settings)


@kernel
def predict(x: Any, order: Any, start: int, n: int, network: Network, settings: Settings) -> None:
    """Compute y of the hidden layers and z of the output layer, of n examples of x [N, D] from order[start] on."""
    forward(cuda.cg.this_grid(), x, order, start, n, network, settings)
