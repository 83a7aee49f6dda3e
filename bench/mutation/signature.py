"""The signature of a mistake: the quantities that differ from the reference, each with its factor if constant."""

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from backprop_bench.bench.core.stats.tolerances import NamedArrays, name_arrays
from backprop_bench.data import Examples, Floats, Parameters, Recipe, Trainer, batch_order, initial_parameters

EPOCHS = 3
"""Epochs of the losses, and before the later weight updates."""
FOLLOWS_FROM = {"later updates": ("first update",), "later outputs": ("outputs", "first update", "later updates")}
"""Quantities that are left out where one of these differs, because they then differ, too."""
DIFFERENT = {"float64": 1e-10, "float32": 1e-4}
"""Difference above which quantities count as different, relative to the largest value of the array."""
NEGLIGIBLE = 1e-3
"""Share of the largest value of all arrays of a quantity below which an array is compared with that share."""
CONSTANT = {"float64": 1e-6, "float32": 1e-2}
"""Relative spread below which the ratio of two arrays counts as constant; smaller values are left out."""


@dataclasses.dataclass(frozen=True)
class Deviation:
    """A quantity that differs from the reference.

    Attributes
    ----------
    quantity
        ``outputs``, ``gradient``, ``first update`` (of the weights, by the first batch), ``later updates`` and
        ``later outputs`` (after some epochs) or ``loss`` (by epoch).
    array
        The array of the layers, empty for outputs and loss.
    factor
        The ratio actual / expected where it is constant: ``2``, ``1/B``, …; otherwise ``None``.
    """

    quantity: str
    array: str
    factor: str | None


Signature = tuple[Deviation, ...]
Quantities = list[tuple[str, str, Floats]]
"""Quantity, array of the layers, and value, as in :class:`Deviation`."""


def signature_of(recipe: Recipe, actual: type[Trainer], expected: type[Trainer], examples: Examples) -> Signature:
    """Return how a trainer differs from the reference: outputs, gradient, weight updates, loss.

    Parameters
    ----------
    actual, expected
        The trainer to check, and the reference; any two trainers, not only mutants.
    examples
        The examples, in the recipe's dtype.
    """
    a, b = (quantities_of(recipe, trainer, examples) for trainer in (actual, expected))
    return compare_quantities(recipe, a, b, len(examples.x))


def compare_quantities(recipe: Recipe, actual: Quantities, expected: Quantities, n_examples: int) -> Signature:
    """Return how two results of :func:`quantities_of` with so many examples differ."""
    known, same = _known_factors(recipe, n_examples), _are_same(recipe, actual, expected)
    return tuple(
        Deviation(quantity, name, _factor(recipe, known, a, b))
        for (quantity, name, a), (_, _, b), is_same in zip(actual, expected, same, strict=True)
        if not is_same
    )


def are_all_same(recipe: Recipe, actual: Quantities, expected: Quantities) -> bool:
    """Return whether two results of :func:`quantities_of` do not differ."""
    return all(_are_same(recipe, actual, expected))


def _are_same(recipe: Recipe, actual: Quantities, expected: Quantities) -> list[bool]:
    """Return for each array whether it is the same; one that is 0 but for rounding is compared with the others."""
    scales: dict[str, float] = {}
    for quantity, _, b in expected:
        scales[quantity] = max(scales.get(quantity, 0.0), float(abs(b).max()))
    return [
        bool(abs(a - b).max() <= DIFFERENT[recipe.dtype] * max(abs(b).max(), NEGLIGIBLE * scales[quantity]))
        for (quantity, _, a), (_, _, b) in zip(actual, expected, strict=True)
    ]


Build = Callable[[Recipe, Parameters], Trainer]
"""A class of trainers, or a function that makes one."""


def quantities_of(recipe: Recipe, trainer: Build, examples: Examples) -> Quantities:
    """Return outputs and gradient of the first batch, weight updates and outputs after training, and losses."""
    return [*untrained_quantities(recipe, trainer, examples), *trained_quantities(recipe, trainer, examples)]


def untrained_quantities(recipe: Recipe, trainer: Build, examples: Examples) -> Quantities:
    """Return outputs and gradient of the first batch."""
    first = batch_order(recipe, len(examples.x), 0)[: recipe.batch_size]
    x, t = examples.x[first], examples.t[first]
    parameters = initial_parameters(recipe)
    outputs = trainer(recipe, parameters).predict(x.copy())  # a trainer may change what it gets
    gradients = name_arrays(trainer(recipe, initial_parameters(recipe)).gradients(x, t))
    return [("outputs", "", outputs), *(("gradient", name, array) for name, array in gradients)]


def trained_quantities(recipe: Recipe, trainer: Build, examples: Examples) -> Quantities:
    """Return weight updates and outputs after training, and losses."""
    x, t = examples.x.copy(), examples.t.copy()  # a trainer may change them
    orders = [batch_order(recipe, len(x), epoch) for epoch in range(EPOCHS)]
    first = orders[0][: recipe.batch_size]
    stepped, trained = (trainer(recipe, initial_parameters(recipe)) for _ in range(2))
    stepped.train_epoch(x, t, first)
    losses = [trained.train_epoch(x, t, order) for order in orders]
    begin, first_step, end = initial_parameters(recipe), stepped.parameters(), trained.parameters()
    return [
        *(("first update", name, array) for name, array in _updates(begin, first_step)),
        *(("later updates", name, array) for name, array in _updates(begin, end)),
        ("later outputs", "", trained.predict(x[first])),
        ("loss", "", np.array(losses)),
    ]


def _updates(before: Parameters, after: Parameters) -> NamedArrays:
    return [(name, b - a) for (name, a), (_, b) in zip(name_arrays(before), name_arrays(after), strict=True)]


def constant_ratio(recipe: Recipe, a: Floats, b: Floats) -> float | None:
    """Return a / b where it is the same for all elements, but 1; ``None`` otherwise."""
    constant = CONSTANT[recipe.dtype]
    large = abs(b) > constant * abs(b).max()
    if large.sum() < 2:
        return None
    ratios = a[large] / b[large]
    ratio = float(np.median(ratios))
    if not np.isfinite(ratio) or abs(ratio - 1) < constant or float(np.ptp(ratios)) > constant * abs(ratio):
        return None
    return ratio


def _factor(recipe: Recipe, known: dict[str, float], a: Floats, b: Floats) -> str | None:
    ratio, constant = constant_ratio(recipe, a, b), CONSTANT[recipe.dtype]
    if ratio is None:
        return None
    names = (name for name, value in known.items() if abs(ratio - value) <= constant * max(abs(value), constant))
    return next(names, f"{ratio:.3g}".replace("-", "−"))


def _known_factors(recipe: Recipe, n_examples: int) -> dict[str, float]:
    """Return the factors with a name: B examples in a batch, N examples, C outputs, momentum α."""
    batch, outputs = recipe.batch_size or n_examples, recipe.layer_sizes[-1]
    return {
        "0": 0.0,
        "−1": -1.0,
        "2": 2.0,
        "½": 0.5,
        "B": batch,
        "1/B": 1 / batch,
        f"{outputs} = C": outputs,
        f"1/{outputs} = 1/C": 1 / outputs,
        "N": n_examples,
        "1/N": 1 / n_examples,
        "1/ln 2": 1 / math.log(2),
        "(1 − α)": 1 - recipe.momentum,
        "(1 + α)": 1 + recipe.momentum,
    }


def describe(recipe: Recipe, signature: Signature) -> str:
    """Return the signature on one line, such as "gradient of the biases × 1/B; loss"."""
    parts = []
    different = dict.fromkeys(deviation.quantity for deviation in signature)
    for quantity in different:
        if different.keys() & FOLLOWS_FROM.get(quantity, ()):
            continue
        deviations = [deviation for deviation in signature if deviation.quantity == quantity]
        factors = {deviation.factor for deviation in deviations}
        where = _describe_arrays(recipe, [deviation.array for deviation in deviations])
        parts.append(quantity + where + (f" × {factor}" if len(factors) == 1 and (factor := factors.pop()) else ""))
    return "; ".join(parts) or "none of these"


def _describe_arrays(recipe: Recipe, names: list[str]) -> str:
    """Return " of the biases", " in layers 1 and 2", …; nothing without layers, or where all differ."""
    places = [name.split() for name in names if name]
    layers = sorted({number for _, number, _ in places})
    kinds = sorted({kind for _, _, kind in places}, reverse=True)
    if len(places) != len(layers) * len(kinds):
        return " of " + ", ".join(names)
    is_all, is_both = len(layers) == len(recipe.layer_sizes) - 1, len(kinds) == 1 + recipe.bias
    of = "" if is_both or not kinds else f" of the {'biases' if kinds == ['bias'] else 'weights'}"
    layer = "layer" if len(layers) == 1 else "layers"
    return of + ("" if is_all or not layers else f" in {layer} {' and '.join(layers)}")
