"""Weights of a trainer on their way to whoever compares them: a file without a name, in slots of the same size."""

import os
import tempfile
from types import TracebackType
from typing import IO, Self

import numpy as np

from backprop_bench.data import Layer, Parameters, Recipe

LARGEST_FILE_BYTES = 256 << 20
"""Of one implementation; with larger networks, weights are kept less often."""


def weights_bytes(recipe: Recipe) -> int:
    """Return how many bytes all weights and biases of a network have."""
    numbers = sum(rows * columns + columns * recipe.bias for rows, columns in recipe.weight_shapes)
    return numbers * np.dtype(recipe.dtype).itemsize


class WeightsFile:
    """A file to which a worker writes weights, and from which another one reads them.

    It has no name, so nothing is left behind, however the run ends. Both processes inherit it.

    Parameters
    ----------
    recipe
        Decides the sizes.
    slots
        How many sets of weights are wanted at most.
    """

    def __init__(self, recipe: Recipe, slots: int) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed in close)
        self.slots = max(1, min(slots, LARGEST_FILE_BYTES // weights_bytes(recipe)))

    @property
    def descriptor(self) -> int:
        """The number of the open file, the same in a worker that inherits it."""
        return self._file.fileno()

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def write_weights(descriptor: int, slot: int, recipe: Recipe, parameters: Parameters) -> None:
    """Write weights to a slot; raises `ValueError` unless they are those of a network of this recipe."""
    expected = [shape for rows, columns in recipe.weight_shapes for shape in _shapes(recipe, rows, columns)]
    arrays = [array for layer in parameters for array in layer.arrays()]
    if [array.shape for array in arrays] != expected or any(array.dtype != recipe.dtype for array in arrays):
        result = ", ".join(f"{array.dtype} {list(array.shape)}" for array in arrays) or "nothing"
        raise ValueError(
            f"parameters() returned {result} after training; expected {recipe.dtype} "
            f"{', '.join(str(list(shape)) for shape in expected)}"
        )
    content = memoryview(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays))
    offset = slot * weights_bytes(recipe)
    while content:
        written = os.pwrite(descriptor, content, offset)
        content, offset = content[written:], offset + written


def read_weights(descriptor: int, slot: int, recipe: Recipe) -> Parameters:
    """Read the weights in a slot; raises `ValueError` where there are none."""
    size = weights_bytes(recipe)
    content = bytearray()
    while len(content) < size:
        read = os.pread(descriptor, size - len(content), slot * size + len(content))
        if not read:
            raise ValueError(f"slot {slot} has no weights")
        content += read
    numbers, layers, at = np.frombuffer(content, recipe.dtype), [], 0
    for rows, columns in recipe.weight_shapes:
        weight = numbers[at : at + rows * columns].reshape(rows, columns)
        at += rows * columns
        layers.append(Layer(weight, numbers[at : at + columns] if recipe.bias else None))
        at += columns * recipe.bias
    return tuple(layers)


def _shapes(recipe: Recipe, rows: int, columns: int) -> list[tuple[int, ...]]:
    return [(rows, columns), (columns,)] if recipe.bias else [(rows, columns)]
