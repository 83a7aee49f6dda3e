"""Examples that all worker processes share: one file without a name, which each of them maps into its memory."""

import contextlib
import os
import tempfile
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import IO, Any, Self

import numpy as np

from backprop_bench.data import (
    Dataset,
    Examples,
    ExtendedRecipe,
    Floats,
    InputError,
    Recipe,
    evaluation_examples,
    training_examples,
)

_PAGE_BYTES = 4096
_NAMES = ("x", "t", "y")


class SharedExamples:
    """Training examples and test inputs in the form that a recipe asks for; the labels of the test stay here.

    The file has no name, so nothing is left behind, however the run ends. A worker gets it as an open file that it
    inherits, and maps it privately: a trainer that writes to its examples changes its own copy only.

    Parameters
    ----------
    recipe
        Decides ranges and dtype; raises `InputError` where it does not fit the dataset.
    dataset
        What is brought into that form.
    """

    def __init__(self, recipe: Recipe, dataset: Dataset) -> None:
        self.dataset = dataset.name
        self._labels = dataset.y_test
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed in close)
        try:
            self._layout = {
                "train": self._write(training_examples(recipe, dataset), _NAMES),
                "test": self._write(evaluation_examples(recipe, dataset), _NAMES[:1]),
            }
            self._file.flush()
        except OSError as error:
            with contextlib.suppress(OSError):  # what is not written yet cannot be, either
                self._file.close()
            raise InputError(
                f"{tempfile.gettempdir()}: cannot write the examples there: {error.strerror}; expected room for "
                f"{self._bytes_of(recipe, dataset) >> 20} MiB, or another folder named by TMPDIR"
            ) from error

    @staticmethod
    def _bytes_of(recipe: Recipe, dataset: Dataset) -> int:
        values = (dataset.n_inputs + dataset.n_classes) * np.dtype(recipe.dtype).itemsize + 8
        return (len(dataset.x_train) + len(dataset.x_test)) * values

    def _write(self, examples: Examples, names: Sequence[str]) -> list[dict[str, Any]]:
        placed: list[dict[str, Any]] = []
        for name in names:
            array: np.ndarray[Any, Any] = getattr(examples, name)
            offset = -(-self._file.tell() // _PAGE_BYTES) * _PAGE_BYTES
            self._file.seek(offset)
            self._file.write(np.ascontiguousarray(array).data)
            placed.append({"dtype": str(array.dtype), "shape": list(array.shape), "offset": offset})
        return placed

    @property
    def descriptor(self) -> int:
        """The number of the open file, the same in a worker that inherits it."""
        return self._file.fileno()

    def accuracy(self, classes: bytes) -> float:
        """Return which share of the test examples has its class here, from what :class:`Evaluated` has of them."""
        return float((np.frombuffer(classes, np.uint16) == self._labels).mean())

    def to_dict(self) -> dict[str, Any]:
        """Return what :func:`map_examples` needs in a worker."""
        return {"descriptor": self.descriptor, **self._layout}

    def close(self) -> None:
        """Give the file back; workers that have it mapped keep it."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class SharedForms:
    """The examples of a dataset in every form that is asked for, each made when it is first asked for, and kept.

    Parameters
    ----------
    dataset
        Whose first examples are shared.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._made: dict[tuple[object, ...], SharedExamples] = {}
        self._making = threading.Lock()

    def of(self, recipe: Recipe, n_examples: int) -> SharedExamples:
        """Return the first training examples, and all test examples, in the form of a recipe."""
        full = ExtendedRecipe.of(recipe)
        ranges = full.input_range, full.target_range
        form = (full.dtype, *ranges, full.standardize, full.label_smoothing, n_examples)
        with self._making:
            if form not in self._made:
                self._made[form] = SharedExamples(recipe, self._dataset.subset(n_examples))
            return self._made[form]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for examples in self._made.values():
            examples.close()


def map_examples(shared: dict[str, Any]) -> tuple[Examples, Floats]:
    """Map training examples and the inputs of the test, and touch every page, so that no block pays for it."""
    with os.fdopen(os.dup(shared["descriptor"]), "rb") as file:
        (test_x,) = _map(file, shared["test"])
        return Examples(*_map(file, shared["train"])), test_x


def _map(file: IO[bytes], placed: Sequence[dict[str, Any]]) -> list[np.ndarray[Any, Any]]:
    arrays = [
        np.memmap(file, place["dtype"], "c", place["offset"], tuple(place["shape"])).view(np.ndarray)
        for place in placed
    ]
    for array in arrays:
        array.reshape(-1)[:: max(1, _PAGE_BYTES // array.itemsize)].sum()
    return arrays
