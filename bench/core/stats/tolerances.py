"""Whether two results agree within rounding error, and where they differ most. Pure functions of arrays."""

import dataclasses
import math
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from backprop_bench.data import ExtendedRecipe, Floats, Layer, Parameters, Recipe


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How two results compare at the place where the error is largest in relation to its tolerance.

    Attributes
    ----------
    difference
        |a − b| there, relative to the largest |b| of the same array; ``None`` where it is no number.
    tolerance
        The largest difference allowed there, relative to the same.
    where
        The place: layer, array and index; or what is wrong where there is nothing to compare.
    """

    difference: float | None
    tolerance: float
    where: str

    @property
    def passed(self) -> bool:
        """Whether the difference is a number within the tolerance."""
        return self.difference is not None and self.difference <= self.tolerance


@dataclasses.dataclass(frozen=True)
class Parity:
    """One check of the verification of an implementation."""

    implementation: str
    reference: str
    check: str
    dtype: str
    passed: bool
    difference: float | None
    tolerance: float
    where: str


NamedArrays = list[tuple[str, Floats]]


def name_arrays(parameters: Parameters) -> NamedArrays:
    """Return the arrays of all layers with their names in messages; layers count from 1."""
    return [
        (f"layer {number} {name}", array)
        for number, layer in enumerate(parameters, start=1)
        for name, array in zip(("weight", "bias"), layer.arrays(), strict=False)
    ]


def compare_arrays(actual: NamedArrays, expected: NamedArrays, allowed: Sequence[Floats | float]) -> Agreement:
    """Compare arrays pairwise, see :func:`compare_each`; return the worst agreement of all."""
    return worst(compare_each(actual, expected, allowed))


def compare_each(actual: NamedArrays, expected: NamedArrays, allowed: Sequence[Floats | float]) -> list[Agreement]:
    """Compare arrays pairwise.

    Parameters
    ----------
    actual, expected
        The arrays to check, and those of the reference.
    allowed
        The absolute tolerance of every array: one for all of it, or one per element.

    Returns
    -------
    list
        The agreement at the worst place of every array; a single one where the names of the arrays differ.
    """
    if [name for name, _ in actual] != [name for name, _ in expected]:
        names = [" and ".join(name for name, _ in arrays) or "nothing" for arrays in (actual, expected)]
        return [Agreement(None, 0.0, f"has {names[0]}, expected {names[1]}")]
    return [
        _compare_array(name, a, b, tolerance)
        for (name, a), (_, b), tolerance in zip(actual, expected, allowed, strict=True)
    ]


def worst(agreements: Iterable[Agreement]) -> Agreement:
    """Return the agreement with the largest difference in relation to its tolerance."""

    def severity(agreement: Agreement) -> float:
        if agreement.difference is None:
            return math.inf
        if agreement.difference == 0:
            return 0.0
        return agreement.difference / agreement.tolerance if agreement.tolerance else math.inf

    return max(agreements, key=severity)


def _compare_array(name: str, a: Floats, b: Floats, allowed: Floats | float) -> Agreement:
    if a.shape != b.shape:
        return Agreement(None, 0.0, f"{name} has shape {list(a.shape)}, expected {list(b.shape)}")
    if a.dtype != b.dtype:
        return Agreement(None, 0.0, f"{name} has dtype {a.dtype}, expected {b.dtype}")
    a64, b64 = a.astype(np.float64), b.astype(np.float64)
    sources = ((a64, ""), (b64, " in the reference"))
    for values, whose in sources:
        finite = np.isfinite(values)
        if not finite.all():
            index = np.unravel_index(int(np.argmin(finite)), a.shape)
            place = f"{name}{_format_index(index)}{whose}"
            return Agreement(None, 0.0, f"{place} is {values[index]}, expected a finite number")
    difference: npt.NDArray[np.float64] = abs(a64 - b64)
    tolerance: npt.NDArray[np.float64] = np.zeros_like(a64) + allowed
    with np.errstate(divide="ignore", invalid="ignore"):
        excess = np.where(difference == 0, 0.0, difference / tolerance)
    index = np.unravel_index(int(np.argmax(excess)), a.shape)
    scale = float(abs(b64).max()) or 1.0
    return Agreement(float(difference[index]) / scale, float(tolerance[index]) / scale, f"{name}{_format_index(index)}")


def _format_index(index: Sequence[int] | tuple[np.intp, ...]) -> str:
    return "[" + ", ".join(str(int(i)) for i in index) + "]"


def relative_tolerances(expected: NamedArrays, tolerance: float) -> list[float]:
    """Return the absolute tolerance of every array: the relative one times its largest absolute value."""
    return [tolerance * float(abs(array).max()) for _, array in expected]


BFLOAT16_EPSILON = 2.0**-7
"""Spacing of numbers of bfloat16 at 1."""


def spacing_at_1(recipe: Recipe) -> float:
    """Return the spacing at 1 of the numbers in which a recipe is computed, of mixed precision that of the products."""
    if recipe.dtype == "float32" and ExtendedRecipe.of(recipe).mixed_precision:
        return BFLOAT16_EPSILON
    return float(np.finfo(recipe.dtype).eps)


SPREAD_MARGIN = 16.0
"""How many times further apart two implementations may be than two trainings whose initial weights differ by rounding.

Of the suite's own on 13 recipes, over 20 to 3,000 steps: up to 4 times, and up to 20 where sums are added up in another
order. The rest is the drift that `ROUNDINGS_PER_STEP` allows for.
"""
ROUNDINGS_PER_STEP = 2.0
"""Roundings of the largest weight that every step may add in one direction, times the root of the batch size, or times
an eighth of it above 64.

A gradient is a sum over the batch. Where an implementation rounds it the same way in every step, weights drift; a long
sum that is added up one by one drifts with its length. With the products of PyTorch on transposed arrays, by 1.3
roundings a step of 64 examples, and by up to 730 of 6,000.
"""


def moved_by_rounding(parameters: Parameters, seed: int, roundings: float) -> Parameters:
    """Return weights that are so many numbers of their dtype away, up or down at random; those that are 0 stay."""
    rng = np.random.default_rng(seed)

    def move(array: Floats) -> Floats:
        signs = np.where(rng.random(array.shape) < 0.5, -1, 1).astype(array.dtype)
        return array + np.where(array == 0, 0, signs * roundings * np.spacing(abs(array))).astype(array.dtype)

    return tuple(Layer(move(layer.weight), None if layer.bias is None else move(layer.bias)) for layer in parameters)


def drift_of_rounding(steps: int, batch: int, recipe: Recipe) -> float:
    """Return how far rounding may drive two trainings apart in so many steps, relative to the largest weight."""
    return ROUNDINGS_PER_STEP * steps * max(math.sqrt(batch), batch / 8) * spacing_at_1(recipe) / 2


LOSS_ROUNDINGS = 6.0
"""How many times the root of their number the roundings of a sum may add up in one direction."""


def loss_rounding(recipe: Recipe, n_examples: int) -> float:
    """Return how far rounding may move the mean loss of so many examples, as a share of it."""
    terms = n_examples * recipe.layer_sizes[-1]
    return LOSS_ROUNDINGS * math.sqrt(terms) * spacing_at_1(recipe) / 2


def rounding_tolerances(
    straight: NamedArrays, moved: Sequence[NamedArrays], steps: int, batch: int, recipe: Recipe
) -> list[float]:
    """Return how far rounding may drive another implementation from a reference, for every array.

    Parameters
    ----------
    straight
        What the reference computed.
    moved
        The same, from weights that differ by rounding: how far that drives it apart says how training amplifies it.
        Without any, only what may add up in one direction is tolerated.
    steps, batch
        Weight updates, and examples in each.
    """
    drift = drift_of_rounding(steps, batch, recipe)
    return [
        SPREAD_MARGIN * spread + drift * float(abs(array).max())
        for spread, (_, array) in zip(spreads(straight, moved), straight, strict=True)
    ]


def spreads(straight: NamedArrays, others: Sequence[NamedArrays]) -> list[float]:
    """Return the largest difference from any other, for every array."""
    return [
        max((float(abs(other[place][1] - array).max()) for other in others), default=0.0)
        for place, (_, array) in enumerate(straight)
    ]


def in_dead_zone(recipe: Recipe, y: Floats, t: Floats) -> npt.NDArray[np.bool_]:
    """Return for which outputs [B, C] the error counts as 0, because it is in the dead zone of the recipe."""
    if not isinstance(recipe, ExtendedRecipe) or recipe.error_dead_zone is None:
        return np.zeros(y.shape, np.bool_)
    low, high = recipe.error_dead_zone
    is_on = t > sum(recipe.target_range) / 2
    ignored: npt.NDArray[np.bool_] = (is_on & (y > high)) | (~is_on & (y < low))
    return ignored


def loss_from_outputs(recipe: Recipe, y: Floats, t: Floats) -> float:
    """Return the loss of a batch from its output activations [B, C] and targets [B, C], reduced as the recipe says.

    The textbook formulas a third time, independent of both implementations.
    """
    if recipe.loss == "squared_error":
        terms: Floats = np.where(in_dead_zone(recipe, y, t), 0, (y - t) ** 2 / 2)
    elif recipe.output_activation == "softmax":
        terms = -t * np.log(y)
    else:
        terms = -(t * np.log(y) + (1 - t) * np.log(1 - y))
    parts = len(t) if recipe.reduction == "mean" else 1
    full = ExtendedRecipe.of(recipe)
    if full.mean_over_outputs:
        parts *= t.shape[1]
    return math.fsum(terms.ravel().tolist()) * (1 if full.half else 2) / parts


def penalty_of(recipe: Recipe, parameters: Parameters) -> float:
    """Return λ/2 Σ w², the part of the loss that the weights alone make; 0 where the recipe has it not in the loss."""
    full = ExtendedRecipe.of(recipe)
    if not full.penalty_in_loss:
        return 0.0
    arrays = [array for layer in parameters for array in layer.arrays()[: 2 if full.decay_biases else 1]]
    return recipe.weight_decay / 2 * math.fsum(value * value for w in arrays for value in w.ravel().tolist())
