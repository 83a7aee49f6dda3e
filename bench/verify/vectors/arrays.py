"""`Vectors`: every number of the first updates of a training, by name, to check a program in any language."""

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np

from backprop_bench.bench.core.stats.tolerances import name_arrays
from backprop_bench.bench.verify.checks import FINAL, FINAL_OUTPUTS, LOSSES, first_batch, train_steps
from backprop_bench.data import (
    Examples,
    Floats,
    InputError,
    Layer,
    Parameters,
    Recipe,
    Traces,
    Trainer,
    batch_order,
    initial_parameters,
)

STEPS = (1, 10, 100)
"""Weight updates after which there are weights."""
MIN_EXAMPLES = 21
"""Examples of a recipe with small batches, or with one batch of all."""
HIDDEN_UNITS = 16
"""Units of a hidden layer at most, unless the sizes are given: a program shows the same mistakes with few."""

Arrays = Mapping[str, Floats]
"""Arrays by the names of their files."""


@dataclasses.dataclass(frozen=True)
class Named:
    """An array of the vectors.

    Attributes
    ----------
    name
        That of its file, without the suffix.
    axes
        What counts along each axis; empty for a single number.
    shape
        Its lengths.
    text
        What it is.
    quantity
        As in :class:`backprop_bench.bench.verify.inspection.Quantity`; empty for what a program starts from.
    layer
        Its layer of weights, from 1; the last one for outputs and losses.
    steps
        Weight updates before it; 0 for the first batch.
    """

    name: str
    axes: tuple[str, ...]
    shape: tuple[int, ...]
    text: str
    quantity: str = ""
    layer: int = 0
    steps: int = 0


@dataclasses.dataclass(frozen=True)
class Vectors:
    """What a program starts from, and what it should compute.

    Attributes
    ----------
    recipe
        What is computed.
    examples
        The inputs and targets.
    arrays
        All arrays, in the order of computation.
    """

    recipe: Recipe
    examples: Examples
    arrays: Arrays

    @property
    def named(self) -> list[Named]:
        """What every array is, in their order."""
        return list(name_all(self.recipe, len(self.examples.x)))

    @property
    def computed(self) -> dict[str, Named]:
        """What every array is that a program should compute, by name."""
        return {one.name: one for one in self.named if one.quantity}


def usual_examples(recipe: Recipe) -> int:
    """Return as many examples as two batches and a shorter one have, which some mistakes need to show."""
    size = recipe.batch_size or 1
    return max(MIN_EXAMPLES, 2 * size + (size + 1) // 2)


def batches_per_epoch(recipe: Recipe, n_examples: int) -> int:
    """Return the number of batches, and so of weight updates, in an epoch."""
    return -(-n_examples // (recipe.batch_size or n_examples))


def check_number_of_examples(recipe: Recipe, n_examples: int) -> None:
    """Raise `InputError` for more examples than the updates of the vectors visit."""
    visited = STEPS[-1] * recipe.batch_size if recipe.batch_size else n_examples
    if n_examples > visited:
        raise InputError(
            f"--examples is {n_examples}, but {STEPS[-1]} updates visit {visited} of them; expected 1 to {visited}"
        )


def orders_of(recipe: Recipe, n_examples: int) -> Floats:
    """Return the order of the examples in every epoch that the updates reach, [epochs, N]."""
    epochs = -(-STEPS[-1] // batches_per_epoch(recipe, n_examples))
    return np.stack([batch_order(recipe, n_examples, epoch) for epoch in range(epochs)])


def make_vectors(recipe: Recipe, examples: Examples, trainer: type[Trainer]) -> Vectors:
    """Return the vectors that this trainer computes.

    Raises
    ------
    InputError
        Where the recipe diverges.
    """
    arrays = {
        "x": examples.x,
        "t": examples.t,
        "order": orders_of(recipe, len(examples.x)),
        **_by_name(initial_parameters(recipe), "W{}", "b{}"),
        **first_batch_of(recipe, examples, trainer),
    }
    for steps in STEPS:
        arrays |= after_steps(recipe, examples, trainer, steps)
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise InputError(
            f"the recipe diverges within {STEPS[-1]} updates; expected a smaller --learning-rate than "
            f"{recipe.learning_rate:g}"
        )
    return Vectors(recipe, examples, arrays)


def first_batch_of(recipe: Recipe, examples: Examples, trainer: type[Trainer]) -> dict[str, Floats]:
    """Return every quantity of the first batch from the initial weights."""
    batch, started = first_batch(recipe, examples), trainer(recipe, initial_parameters(recipe))
    assert isinstance(started, Traces)
    trace = started.trace(batch.x, batch.t)
    layers = range(1, len(trace.z) + 1)
    found = {f"z{layer}": trace.z[layer - 1] for layer in layers}
    found |= {f"y{layer}": trace.y[layer - 1] for layer in layers}
    found |= {f"dEdy{layer}": dy for layer in layers if (dy := trace.dy[layer - 1]) is not None}
    found |= {f"dEdz{layer}": trace.dz[layer - 1] for layer in layers}
    found |= _by_name(trace.gradients, "dEdW{}", "dEdb{}")
    mean = dict(train_steps(trainer(recipe, initial_parameters(recipe)), recipe, examples, 1))[LOSSES][0]
    found["loss"] = np.array(mean * (len(batch.x) if recipe.reduction == "sum" else 1), recipe.dtype)
    return {one.name: found[one.name] for one in name_all(recipe, len(examples.x)) if one.name in found}


def after_steps(recipe: Recipe, examples: Examples, trainer: type[Trainer], steps: int) -> dict[str, Floats]:
    """Return the weights after so many updates, and after the last ones the outputs and the losses until then."""
    trained = dict(train_steps(trainer(recipe, initial_parameters(recipe)), recipe, examples, steps))
    layers = name_arrays(initial_parameters(recipe))
    found = {weights_after(name, steps): trained[name] for name, _ in layers}
    if steps == STEPS[-1]:
        whole = steps // batches_per_epoch(recipe, len(examples.x))
        found[f"outputs_after_{steps}"] = trained[FINAL]
        found["loss_by_epoch"] = trained[LOSSES][:whole].astype(recipe.dtype)
    return found


def weights_after(name: str, steps: int) -> str:
    """Return ``W1_after_10`` for ``layer 1 weight``."""
    _, layer, kind = name.split()
    return f"{'W' if kind == 'weight' else 'b'}{layer}_after_{steps}"


def _by_name(parameters: Parameters, weight: str, bias: str) -> dict[str, Floats]:
    found: dict[str, Floats] = {}
    for number, layer in enumerate(parameters, start=1):
        assert isinstance(layer, Layer)
        found |= dict(zip((weight.format(number), bias.format(number)), layer.arrays(), strict=False))
    return found


def name_all(recipe: Recipe, n_examples: int) -> Iterator[Named]:
    """Yield what every array is: first what a program starts from, then what it computes, in this order."""
    sizes, last = recipe.layer_sizes, len(recipe.layer_sizes) - 1
    epochs = -(-STEPS[-1] // batches_per_epoch(recipe, n_examples))
    yield Named("x", ("examples", "inputs"), (n_examples, sizes[0]), "inputs of all examples")
    yield Named("t", ("examples", "outputs"), (n_examples, sizes[-1]), "targets")
    yield Named(
        "order", ("epochs", "examples"), (epochs, n_examples), "rows of x and t, from 0, in the order of each epoch"
    )
    yield from _weights(recipe, "", "", "initial {}")
    yield from _first_batch(recipe, min(recipe.batch_size or n_examples, n_examples))
    for steps in STEPS:
        text = f"{{}} after {steps} {'update' if steps == 1 else 'updates'}"
        for one in _weights(recipe, "", f"_after_{steps}", text):
            yield dataclasses.replace(one, quantity=one.name[0], steps=steps)
    some = min(FINAL_OUTPUTS, n_examples)
    text = f"outputs for the first {some} rows of x, from the weights after {STEPS[-1]} updates"
    name = f"outputs_after_{STEPS[-1]}"
    yield Named(name, ("examples", "outputs"), (some, sizes[-1]), text, "outputs after", last, STEPS[-1])
    whole = STEPS[-1] // batches_per_epoch(recipe, n_examples)
    text = "loss of each whole epoch: the mean over its examples, each before the update of its batch; more are ignored"
    yield Named("loss_by_epoch", ("epochs",), (whole,), text, "loss", last, STEPS[-1])


def _weights(recipe: Recipe, before: str, after: str, text: str) -> Iterator[Named]:
    """Yield weights, or gradients of their shape, layer by layer."""
    for layer, (fan_in, fan_out) in enumerate(recipe.weight_shapes, start=1):
        axes = (_units(recipe, layer - 1, fan_in), _units(recipe, layer))
        yield Named(f"{before}W{layer}{after}", axes, (fan_in, fan_out), text.format("weights"), layer=layer)
        if recipe.bias:
            yield Named(f"{before}b{layer}{after}", axes[1:], (fan_out,), text.format("biases"), layer=layer)


def _units(recipe: Recipe, layer: int, fan_in: int = 0) -> str:
    """Return what a layer of units is called; with input-output skip connections, the inputs stand after it."""
    skips = " then inputs" if fan_in > recipe.layer_sizes[layer] else ""
    names = {0: "inputs", len(recipe.layer_sizes) - 1: "outputs"}
    return names.get(layer, f"units {layer}" if len(recipe.layer_sizes) > 3 else "units") + skips


def _first_batch(recipe: Recipe, size: int) -> Iterator[Named]:
    last = len(recipe.layer_sizes) - 1

    def units(name: str, layer: int, text: str, quantity: str) -> Named:
        axes = ("examples of the batch", _units(recipe, layer))
        return Named(f"{name}{layer}", axes, (size, recipe.layer_sizes[layer]), text, quantity, layer)

    for layer in range(1, last + 1):
        yield units("z", layer, "pre-activations", "z")
        yield units("y", layer, *(("outputs of the network", "outputs") if layer == last else ("activations", "y")))
    yield Named("loss", (), (), "E, the loss of the batch", "E", last)
    gradients = list(_weights(recipe, "dEd", "", "derivatives of E with respect to the {}"))
    for layer in range(last, 0, -1):
        if layer < last or recipe.loss == "squared_error":
            yield units("dEdy", layer, "derivatives of E with respect to y", "dE/dy")
        yield units("dEdz", layer, "derivatives of E with respect to z", "dE/dz")
        yield from (dataclasses.replace(one, quantity=f"dE/d{one.name[3]}") for one in gradients if one.layer == layer)
