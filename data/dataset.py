"""`Dataset`: examples as they are stored; `Examples`: as an implementation receives them."""

import dataclasses
import math
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from backprop_bench.data.errors import InputError
from backprop_bench.data.parameters import Floats
from backprop_bench.data.recipe import ExtendedRecipe, Recipe

Labels = npt.NDArray[np.int64]
ROWS_AT_ONCE = 1000
"""Examples whose squares are in memory at once."""


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Examples as they are stored, not yet mapped to the range and dtype of a recipe.

    Attributes
    ----------
    name
        Name or path by which it was loaded.
    x_train, x_test
        Inputs [N, D]: uint8 where they are whole numbers from 0 to 255, else float32.
    t_train, t_test
        Targets [N, C], each 0 or 1, uint8.
    y_train, y_test
        Labels [N], the number of the right class.
    x_max
        The largest possible input: 255 for pixels.
    x_min
        The smallest possible input: 0 unless some are negative.
    classes
        What the classes are called, by number; empty where they are called by their numbers.
    summary
        What was understood of the files, in one line; empty for a dataset that was not read from files.
    warnings
        What a user should look at before trusting the results, a sentence each.
    """

    name: str
    x_train: npt.NDArray[Any]
    t_train: npt.NDArray[Any]
    y_train: Labels
    x_test: npt.NDArray[Any]
    t_test: npt.NDArray[Any]
    y_test: Labels
    x_max: float = 255.0
    x_min: float = 0.0
    classes: tuple[str, ...] = ()
    summary: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def class_names(self) -> tuple[str, ...]:
        """What the classes are called, by number; where they have no names, their numbers."""
        return self.classes or tuple(map(str, range(self.n_classes)))

    @property
    def ends(self) -> tuple[float, float]:
        """The smallest and the largest possible input."""
        return (self.x_min, self.x_max)

    @property
    def n_inputs(self) -> int:
        """Number D of inputs."""
        return int(self.x_train.shape[1])

    @property
    def n_classes(self) -> int:
        """Number C of targets."""
        return int(self.t_train.shape[1])

    def fingerprint(self) -> str:
        """Return a checksum of all examples, to tell whether a dataset is the one that a run was begun with."""
        checksum = 0
        for array in (self.x_train, self.t_train, self.x_test, self.t_test):
            checksum = zlib.crc32(f"{array.shape}{array.dtype}".encode(), checksum)
            checksum = zlib.crc32(np.ascontiguousarray(array).data, checksum)
        return f"{checksum:08x}"

    def subset(self, n_train: int | None, n_test: int | None = None) -> "Dataset":
        """Return the first examples only; ``None`` keeps all."""
        return dataclasses.replace(
            self,
            x_train=self.x_train[:n_train],
            t_train=self.t_train[:n_train],
            y_train=self.y_train[:n_train],
            x_test=self.x_test[:n_test],
            t_test=self.t_test[:n_test],
            y_test=self.y_test[:n_test],
        )

    def hold_out(self, n_examples: int) -> "Dataset":
        """Return a dataset whose test examples are the last so many training examples, which it no longer trains on.

        For choosing settings: settings that are chosen on the test set say nothing about it.
        """
        if not 0 < n_examples < len(self.x_train):
            raise InputError(
                f"cannot hold out {n_examples} of the {len(self.x_train)} training examples of {self.name}; "
                f"expected 1 to {len(self.x_train) - 1}"
            )
        split = len(self.x_train) - n_examples
        return dataclasses.replace(
            self.subset(split),
            x_test=self.x_train[split:],
            t_test=self.t_train[split:],
            y_test=self.y_train[split:],
        )


@dataclasses.dataclass(frozen=True)
class Examples:
    """Examples as an implementation receives them.

    Attributes
    ----------
    x
        Inputs [N, D] in the recipe's dtype and input range, C-contiguous.
    t
        Targets [N, C] in the recipe's dtype and target range, C-contiguous.
    y
        Labels [N].
    """

    x: Floats
    t: Floats
    y: Labels


def check_fit(recipe: Recipe, dataset: Dataset) -> None:
    """Raise `InputError` unless the first and last layer of the recipe have the dataset's inputs and classes."""
    for what, layer, size, expected in (
        ("inputs", "first", recipe.layer_sizes[0], dataset.n_inputs),
        ("classes", "last", recipe.layer_sizes[-1], dataset.n_classes),
    ):
        if size != expected:
            raise InputError(
                f"recipe: the {layer} entry of layer_sizes is {size}, but {dataset.name} has {expected} {what}; "
                f"expected {expected}"
            )


def fit_recipe(recipe: Recipe, dataset: Dataset) -> Recipe:
    """Return the recipe with the first and last layer made to fit the dataset."""
    return recipe.replace(layer_sizes=(dataset.n_inputs, *recipe.layer_sizes[1:-1], dataset.n_classes))


def changed_recipe(recipe: Recipe, changes: Mapping[str, Any], dataset: Dataset) -> Recipe:
    """Return the recipe with these fields changed, and made to fit the dataset where its layers are not among them.

    Raises
    ------
    InputError
        For a field that does not exist, a bad value, or layers that do not fit the dataset.
    """
    changed = (recipe if "layer_sizes" in changes else fit_recipe(recipe, dataset)).replace(**changes)
    check_fit(changed, dataset)
    return changed


def training_examples(recipe: Recipe, dataset: Dataset) -> Examples:
    """Return the training examples, mapped to the recipe's ranges and dtype, their labels smoothed where it says so."""
    check_fit(recipe, dataset)
    recipe = _standardized(recipe, dataset)
    examples = _prepare(recipe, dataset.x_train, dataset.t_train, dataset.y_train, dataset.ends)
    smoothing = ExtendedRecipe.of(recipe).label_smoothing
    return dataclasses.replace(examples, t=_smoothed(examples.t, smoothing)) if smoothing else examples


def evaluation_examples(recipe: Recipe, dataset: Dataset) -> Examples:
    """Return the test examples, mapped to the recipe's ranges and dtype; their labels are never smoothed.

    Where the recipe standardises inputs, mean and standard deviation are those of the training examples.
    """
    check_fit(recipe, dataset)
    recipe = _standardized(recipe, dataset)
    return _prepare(recipe, dataset.x_test, dataset.t_test, dataset.y_test, dataset.ends)


def _prepare(
    recipe: Recipe, x: npt.NDArray[Any], t: npt.NDArray[Any], y: Labels, ends: tuple[float, float]
) -> Examples:
    return Examples(
        x=_map_range(x, ends, recipe.input_range, recipe.dtype),
        t=_map_range(t, (0.0, 1.0), recipe.target_range, recipe.dtype),
        y=y,
    )


def _standardized(recipe: Recipe, dataset: Dataset) -> Recipe:
    """Return the recipe with the input range to which standardised inputs are mapped, where it standardises them."""
    if not ExtendedRecipe.of(recipe).standardize:
        return recipe
    mean, deviation = mean_and_deviation(dataset.x_train)
    if not deviation:
        raise InputError(
            f"standardize is True, but all training inputs of {dataset.name} are equal; expected inputs that differ"
        )
    low, high = ((end - mean) / deviation for end in dataset.ends)
    return recipe.replace(standardize=False, input_range=(low, high))


def _smoothed(t: Floats, smoothing: float) -> Floats:
    """Return (1 − s) t + s / C, targets [N, C] that give a share s of the probability to all C classes alike."""
    smoothed: Floats = ((1 - smoothing) * t + smoothing / t.shape[1]).astype(t.dtype)
    return smoothed


def mean_and_deviation(x: npt.NDArray[Any]) -> tuple[float, float]:
    """Return mean and standard deviation of all inputs [N, D] together, in the unit in which they are stored."""
    rows = np.array_split(x, max(1, len(x) // ROWS_AT_ONCE))
    mean = sum(float(part.sum(dtype=np.float64)) for part in rows) / x.size
    variance = sum(float(np.square(part - mean).sum()) for part in rows) / x.size
    return mean, math.sqrt(variance)


def _map_range(values: npt.NDArray[Any], ends: tuple[float, float], to: tuple[float, float], dtype: str) -> Floats:
    """Map the range between ``ends`` linearly onto the range ``to``; the ends land on its ends exactly."""
    (smallest, largest), (low, high) = ends, to
    if values.dtype == np.uint8:  # few values: compute each once, look the rest up
        steps = np.arange(256)
        table = low + (high - low) * ((steps - smallest) / (largest - smallest))
        table[steps == largest] = high
        return np.ascontiguousarray(table.astype(dtype)[values])
    mapped = low + (high - low) * ((np.asarray(values, np.float64) - smallest) / (largest - smallest))
    mapped[values == largest] = high
    return np.ascontiguousarray(mapped, dtype)
