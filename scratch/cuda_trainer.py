"""`scratch-cuda`: the equations as one kernel for an NVIDIA GPU, compiled by Numba; a call of it trains an epoch.

Data and weights stay on the GPU. The kernel is in :mod:`backprop_bench.scratch.cuda_kernels`.
"""

from typing import Any

import numpy as np
from numba import config

from backprop_bench.data import Floats, Layer, Order, Parameters, Recipe, check_order, check_plain
from backprop_bench.scratch.cuda_kernels import (
    ACTIVATIONS,
    KEEP_GRADIENT,
    OPTIMIZERS,
    SOFTMAX,
    Network,
    Settings,
    cuda,
    predict,
    train,
)

THREADS = 256
"""Of a block."""
THREADS_SIMULATED = 3
"""In Numba's simulator, where each is a thread of Python, and blocks do not wait for each other: there is one."""
PREDICTED = 256
"""Examples that are predicted together."""


def launch() -> tuple[int, int]:
    """Return how many blocks work, one on each multiprocessor so that they can wait for each other, and threads."""
    if vars(config)["ENABLE_CUDASIM"]:
        return 1, THREADS_SIMULATED
    return int(cuda.get_current_device().MULTIPROCESSOR_COUNT), THREADS


def settings_of(recipe: Recipe) -> Settings:
    """Return the recipe as kernels need it."""
    number = np.dtype(recipe.dtype).type
    return Settings(
        hidden=ACTIVATIONS[recipe.hidden_activation],
        output=ACTIVATIONS[recipe.output_activation],
        is_squared_error=recipe.loss == "squared_error",
        is_mean=recipe.reduction == "mean",
        has_bias=recipe.bias,
        optimizer=OPTIMIZERS[recipe.optimizer],
        one=number(1),
        learning_rate=number(recipe.learning_rate),
        momentum=number(recipe.momentum),
        decay1=number(recipe.beta1),
        decay2=number(recipe.rmsprop_alpha if recipe.optimizer == "rmsprop" else recipe.beta2),
        epsilon=number(recipe.epsilon),
        weight_decay=number(recipe.weight_decay),
    )


class CudaTrainer:
    """A multilayer perceptron of any depth on an NVIDIA GPU."""

    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        check_plain("scratch-cuda", recipe)
        self.recipe, self.settings, self.launch = recipe, settings_of(recipe), launch()
        self.n_updates, self.n_held = 0, 0
        """Updates so far, and examples of a batch for which the GPU has room."""
        w = np.concatenate([array.reshape(-1) for layer in parameters for array in layer.arrays()])
        sizes = np.array(recipe.layer_sizes)
        begins = np.concatenate([[0], np.cumsum((sizes[:-1] + recipe.bias) * sizes[1:])])[:-1]
        arrays = sizes, begins, begins, w, np.zeros_like(w), np.zeros_like(w), w, w
        self.network = Network(*map(cuda.to_device, arrays))
        self.held: dict[str, tuple[Floats, Any]] = {}
        """Arrays that the GPU has a copy of, by name: the original and the copy."""

    def _hold(self, name: str, array: Floats) -> Any:
        """Return the GPU's copy of an array, made when it is first handed over; a change in place is not seen."""
        original, copy = self.held.get(name, (None, None))
        if copy is None or original is not array:
            copy = cuda.to_device(np.ascontiguousarray(array))
            self.held[name] = array, copy
        return copy

    def _network_for(self, n_examples: int) -> Network:
        """Return the network with room for a batch of so many examples."""
        if n_examples > self.n_held:
            dtype, sizes = self.recipe.dtype, self.recipe.layer_sizes[1:]
            begins = np.concatenate([[0, 0], n_examples * np.cumsum(sizes)])[:-1]
            y, dz = (cuda.to_device(np.zeros(n_examples * sum(sizes), dtype)) for _ in range(2))
            self.network = self.network._replace(y_begins=cuda.to_device(begins), y=y, dz=dz)
            self.n_held = n_examples
        return self.network

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        """Pass once over the examples; see :class:`backprop_bench.data.Trainer`."""
        check_order(order, len(x))
        size = min(self.recipe.batch_size or len(order), len(order))
        first = self.n_updates + 1
        self.n_updates += -(-len(order) // size)
        losses = self._train(self._hold("x", x), self._hold("t", t), order, size, first, self.settings)
        return float(losses.sum()) / len(order)

    def _train(self, x: Any, t: Any, order: Order, size: int, first: int, settings: Settings) -> Floats:
        """Train on these examples in batches of a size from update number ``first`` on; returns their losses [N]."""
        numbers = np.arange(first, first - (-len(order) // size), dtype=np.float64)
        with np.errstate(all="ignore"):
            rate = self.recipe.learning_rate / (1 - self.recipe.beta1**numbers)
            root = (1 - self.recipe.beta2**numbers) ** -0.5
        rates = np.stack([rate, root], axis=1).astype(self.recipe.dtype)
        losses = cuda.to_device(np.zeros(len(order)))
        arrays = cuda.to_device(np.ascontiguousarray(order)), size, cuda.to_device(rates), losses
        train[self.launch](x, t, *arrays, self._network_for(size), settings)
        result: Floats = losses.copy_to_host()
        return result

    def gradients(self, x: Floats, t: Floats) -> Parameters:
        """Return dE/dw of one batch; see :class:`backprop_bench.data.Trainer`."""
        state = self.network.first
        self.network = self.network._replace(first=cuda.to_device(np.zeros(state.size, self.recipe.dtype)))
        inputs, targets = (cuda.to_device(np.ascontiguousarray(array)) for array in (x, t))
        settings = self.settings._replace(optimizer=KEEP_GRADIENT)
        self._train(inputs, targets, np.arange(len(x)), len(x), 1, settings)
        gradient = self.network.first.copy_to_host()
        self.network = self.network._replace(first=state)
        return self._layers(gradient)

    def predict(self, x: Floats) -> Floats:
        """Return the outputs [N, C]."""
        n_classes, network = self.recipe.layer_sizes[-1], self._network_for(min(PREDICTED, len(x)))
        inputs, order = cuda.to_device(np.ascontiguousarray(x)), cuda.to_device(np.arange(len(x)))
        z = np.empty((len(x), n_classes), self.recipe.dtype)
        begin = self.n_held * sum(self.recipe.layer_sizes[1:-1])
        for start in range(0, len(x), PREDICTED):
            n = min(PREDICTED, len(x) - start)
            predict[self.launch](inputs, order, start, n, network, self.settings)
            z[start : start + n] = network.y.copy_to_host()[begin : begin + n * n_classes].reshape(n, n_classes)
        return self._outputs(z)

    def _outputs(self, z: Floats) -> Floats:
        """Return the output activations [N, C] of pre-activations z."""
        with np.errstate(all="ignore"):
            if self.settings.output == SOFTMAX:
                e = np.exp(z - z.max(axis=1, keepdims=True))
                softmax: Floats = np.divide(e, e.sum(axis=1, keepdims=True))
                return softmax
            return 1 / (1 + np.exp(-z)) if self.recipe.output_activation == "sigmoid" else z

    def parameters(self) -> Parameters:
        """Return copies of the weights."""
        return self._layers(self.network.w.copy_to_host())

    def _layers(self, flat: Floats) -> Parameters:
        layers, begin = [], 0
        for rows, columns in self.recipe.weight_shapes:
            middle, end = begin + rows * columns, begin + (rows + self.recipe.bias) * columns
            bias = flat[middle:end].copy() if self.recipe.bias else None
            layers.append(Layer(flat[begin:middle].reshape(rows, columns).copy(), bias))
            begin = end
        return tuple(layers)
