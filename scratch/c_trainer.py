"""`scratch-c`: the equations as loops in C, compiled by the system's compiler when they are first needed.

The loops are in ``network.c``. What is compiled is kept in the user's cache folder, by source, compiler and processor.
"""

import ctypes
import functools
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from backprop_bench.data import Floats, Layer, Order, Parameters, Recipe, StepParts, check_order, check_plain
from backprop_bench.data.cache import cache_folder

SOURCE = Path(__file__).with_name("network.c")
FLAGS = (
    "-O3",
    "-ffp-contract=fast",
    "-fno-math-errno",
    "-fassociative-math",
    "-fno-signed-zeros",
    "-fno-trapping-math",
)
"""A product and a sum may be one instruction, and sums may be reordered, so that they vectorise; NaN and infinity keep
their meaning."""
FOR_THIS_PROCESSOR = ("-march=native", "-mcpu=native", "")
"""Flags for the instructions of this processor; the first one that the compiler knows is used."""
REALS = {"float32": "float", "float64": "double"}
ACTIVATIONS = ("sigmoid", "tanh", "relu", "identity", "softmax")
OPTIMIZERS = ("sgd", "momentum", "rmsprop", "adam")
"""Their numbers are those of ``network.c``."""
PREDICTED = 256
"""Examples that are predicted together."""


def compiler() -> tuple[str, ...]:
    """Return the command of a C compiler: what $CC says, or else cc, gcc or clang; empty where there is none."""
    commands = [shlex.split(os.environ.get("CC", ""))] if os.environ.get("CC") else [["cc"], ["gcc"], ["clang"]]
    return next((tuple(command) for command in commands if command and shutil.which(command[0])), ())


class CRecipe(ctypes.Structure):
    """``Recipe`` of ``network.c``."""

    _fields_ = (
        ("n_layers", ctypes.c_int64),
        ("sizes", ctypes.POINTER(ctypes.c_int64)),
        *((name, ctypes.c_int64) for name in ("hidden", "output", "squared_error", "mean", "bias")),
        *((name, ctypes.c_int64) for name in ("optimizer", "batch_size")),
        *((name, ctypes.c_double) for name in ("learning_rate", "momentum", "decay1", "decay2")),
        *((name, ctypes.c_double) for name in ("epsilon", "weight_decay")),
    )


class CNetwork(ctypes.Structure):
    """``Network`` of ``network.c``."""

    _fields_ = tuple((name, ctypes.c_void_p) for name in ("w", "dw", "first", "second", "y", "dz", "t"))


class NotCompiledError(RuntimeError):
    """The loops cannot be compiled here."""


@functools.cache
def library(dtype: str) -> Any:
    """Return the compiled functions for a precision.

    Raises
    ------
    NotCompiledError
        Where there is no compiler, it cannot compile them, or what it makes cannot be loaded.
    """
    cc = compiler()
    if not cc:
        raise NotCompiledError("there is no C compiler; $CC may name one")
    errors = ""
    for flag in FOR_THIS_PROCESSOR:
        flags = [*FLAGS, *([flag] if flag else []), f"-DREAL={REALS[dtype]}"]
        try:
            loaded = _loaded(cc, flags)
        except (OSError, subprocess.CalledProcessError) as error:
            errors = getattr(error, "stderr", None) or str(error)
            continue
        loaded.forward.restype = loaded.train_epoch.restype = ctypes.c_double
        return loaded
    raise NotCompiledError(f"{' '.join(cc)} cannot compile {SOURCE}: {' '.join(errors.split())[:300]}")


def _loaded(cc: tuple[str, ...], flags: list[str]) -> Any:
    """Return the library that was kept; where there is none, or it is damaged, a new one.

    Where the cache folder cannot be written to, it is compiled for this process alone.
    """
    path = _kept(cc, flags)
    try:
        return ctypes.CDLL(str(path))
    except OSError:
        try:
            _compile(cc, flags, path)
            return ctypes.CDLL(str(path))
        except OSError:
            with tempfile.TemporaryDirectory() as folder:
                aside = Path(folder) / path.name
                _compile(cc, flags, aside)
                return ctypes.CDLL(str(aside))  # what is loaded stays when its file goes


def _kept(cc: tuple[str, ...], flags: list[str]) -> Path:
    """Return where the library lies that this compiler makes for this processor."""
    version = subprocess.run([*cc, "--version"], capture_output=True, text=True, check=False).stdout
    what = "\0".join([*cc, version, *flags, platform.machine(), _processor()]).encode() + SOURCE.read_bytes()
    return cache_folder() / "c" / f"network-{hashlib.sha256(what).hexdigest()[:16]}.so"


def _processor() -> str:
    """Return what distinguishes the instructions of processors, as far as the system says it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.lower().startswith(("flags", "features"))), platform.processor())


def _compile(cc: tuple[str, ...], flags: list[str], path: Path) -> None:
    """Compile to a path; raises `CalledProcessError` with what the compiler says where it fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        made = Path(folder) / path.name
        command = [*cc, *flags, "-std=c99", "-fPIC", "-shared", str(SOURCE), "-lm", "-o", str(made)]
        subprocess.run(command, capture_output=True, text=True, check=True)
        made.replace(path)  # at once, whatever another process does


class CTrainer:
    """A multilayer perceptron of any depth in C, in one thread."""

    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        check_plain("scratch-c", recipe)
        self.recipe = recipe
        self.library = library(recipe.dtype)
        self.n_updates = 0
        arrays = [array.reshape(-1) for layer in parameters for array in layer.arrays()]
        self.weights = np.concatenate(arrays).astype(recipe.dtype)
        self.gradient, self.first, self.second = (np.zeros_like(self.weights) for _ in range(3))
        self.sizes = np.array(recipe.layer_sizes, np.int64)
        self.capacity = -1

    def _recipe(self, batch_size: int) -> Any:
        recipe = self.recipe
        of_squares = recipe.rmsprop_alpha if recipe.optimizer == "rmsprop" else recipe.beta2
        return ctypes.byref(
            CRecipe(
                len(self.sizes) - 1,
                self.sizes.ctypes.data_as(ctypes.POINTER(ctypes.c_int64)),
                ACTIVATIONS.index(recipe.hidden_activation),
                ACTIVATIONS.index(recipe.output_activation),
                recipe.loss == "squared_error",
                recipe.reduction == "mean",
                recipe.bias,
                OPTIMIZERS.index(recipe.optimizer),
                batch_size,
                recipe.learning_rate,
                recipe.momentum,
                recipe.beta1,
                of_squares,
                recipe.epsilon,
                recipe.weight_decay,
            )
        )

    def _network(self, n_examples: int) -> Any:
        """Return the network with arrays for so many examples, the same ones unless more are needed."""
        if n_examples > self.capacity:
            self.capacity = n_examples
            dtype = self.recipe.dtype
            self.y = [np.empty((n_examples, size), dtype) for size in self.sizes]
            self.t = np.empty((n_examples, int(self.sizes[-1])), dtype)
            dz = [np.empty((n_examples, size), dtype) for size in (0, *self.sizes[1:])]
            y_and_dz = [(ctypes.c_void_p * len(layers))(*(a.ctypes.data for a in layers)) for layers in (self.y, dz)]
            arrays = (array.ctypes.data for array in (self.weights, self.gradient, self.first, self.second))
            self.network = CNetwork(*arrays, *map(ctypes.addressof, y_and_dz), self.t.ctypes.data)
            self.network.kept = self.y, self.t, dz, y_and_dz  # as long as somebody has the addresses
        return ctypes.byref(self.network)

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        """Pass once over the examples; see :class:`backprop_bench.data.Trainer`."""
        data = self._data(x, t, order)
        n_examples = len(order)
        size = min(self.recipe.batch_size or n_examples, n_examples)
        pointers = (ctypes.c_void_p(array.ctypes.data) for array in data)
        first = ctypes.c_int64(self.n_updates + 1)
        self.n_updates += -(-n_examples // size)
        loss = self.library.train_epoch(
            self._recipe(size), self._network(size), *pointers, ctypes.c_int64(n_examples), first
        )
        return float(loss) / n_examples

    def _data(self, x: Floats, t: Floats, order: Order) -> list[Any]:
        """Return the arrays as C reads them.

        Raises
        ------
        ValueError
            For another shape or precision than the recipe's.
        IndexError
            For an order that names examples which do not exist.
        """
        self._check(x, t)
        check_order(order, len(x))
        return [np.ascontiguousarray(x), np.ascontiguousarray(t), np.ascontiguousarray(order, np.int64)]

    def _check(self, x: Floats, t: Floats) -> None:
        """Raise `ValueError` for arrays of another shape than the recipe's: C does not look at that."""
        expected = (len(x), self.recipe.layer_sizes[0]), (len(x), self.recipe.layer_sizes[-1])
        if (x.shape, t.shape) != expected or x.dtype != self.recipe.dtype or t.dtype != self.recipe.dtype:
            raise ValueError(
                f"x and t are {x.dtype} {x.shape} and {t.dtype} {t.shape}, expected {self.recipe.dtype} {expected[0]} "
                f"and {expected[1]}"
            )

    def _forward(self, x: Floats, t: Floats) -> float:
        """Compute y of all layers, and return the loss summed over the examples."""
        n_examples = len(x)
        network = self._network(n_examples)
        self.y[0][:n_examples], self.t[:n_examples] = x, t
        return float(self.library.forward(self._recipe(n_examples), network, ctypes.c_int64(n_examples)))

    def gradients(self, x: Floats, t: Floats) -> Parameters:
        """Return dE/dw of one batch; see :class:`backprop_bench.data.Trainer`."""
        self._check(x, t)
        self._forward(x, t)
        n_examples = ctypes.c_int64(len(x))
        self.library.backward(self._recipe(len(x)), ctypes.byref(self.network), n_examples)
        return self._layers(self.gradient)

    def predict(self, x: Floats) -> Floats:
        """Return the outputs [N, C]."""
        outputs = np.empty((len(x), self.recipe.layer_sizes[-1]), self.recipe.dtype)
        for start in range(0, len(x), PREDICTED):
            part = x[start : start + PREDICTED]
            self._forward(part, np.zeros_like(outputs[: len(part)]))
            outputs[start : start + len(part)] = self.y[-1][: len(part)]
        return outputs

    def parameters(self) -> Parameters:
        """Return copies of the weights."""
        return self._layers(self.weights)

    def set_parameters(self, parameters: Parameters) -> None:
        """Go on from these weights; the optimizer keeps its state."""
        self.weights[:] = np.concatenate([array.reshape(-1) for layer in parameters for array in layer.arrays()])

    def _layers(self, flat: Floats) -> Parameters:
        layers, begin = [], 0
        for shape in self.recipe.weight_shapes:
            end = begin + shape[0] * shape[1]
            weight = flat[begin:end].reshape(shape).copy()
            begin = end + shape[1] * self.recipe.bias
            layers.append(Layer(weight, flat[end:begin].copy() if self.recipe.bias else None))
        return tuple(layers)

    def step_parts(self, x: Floats, t: Floats, examples: Order) -> StepParts:
        """Return the parts of one step; see :class:`backprop_bench.data.DividesSteps`."""
        data = self._data(x, t, examples)  # the parts below keep them
        n_examples, network = ctypes.c_int64(len(examples)), self._network(len(examples))
        recipe = self._recipe(len(examples))

        def update() -> None:
            self.n_updates += 1
            self.library.update_all(recipe, network, ctypes.c_int64(self.n_updates))

        parts: dict[str, Callable[[], object]] = {
            "fetch": lambda: self.library.fetch(
                recipe, network, *(ctypes.c_void_p(array.ctypes.data) for array in data), n_examples
            ),
            "forward": lambda: self.library.forward(recipe, network, n_examples),
            "backward": lambda: self.library.backward(recipe, network, n_examples),
            "update": update,
        }
        return parts
