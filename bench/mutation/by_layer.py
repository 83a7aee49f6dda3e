"""A wrong gradient, explained layer by layer from the outputs on: which part of it is computed in which other way."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from backprop_bench.bench.mutation.changes import Change, changes, is_same
from backprop_bench.bench.mutation.parts import (
    Above,
    Here,
    Part,
    bias_gradients,
    derivatives,
    hidden_errors,
    output_errors,
    weight_gradients,
)
from backprop_bench.data import Floats, Layer, Parameters, Recipe
from backprop_bench.scratch.activations import DERIVATIVES
from backprop_bench.scratch.numpy_trainer import Backward, Forward, NumpyTrainer

WEIGHTS, BIASES = "the weights of ", "the biases of "
MOST_KEPT = 4
"""Explanations of the layers above that are gone on with."""


@dataclass(frozen=True)
class Choice:
    """How the gradient of a layer is computed.

    Attributes
    ----------
    error, derivative, weight, bias
        Its parts.
    of_weight, of_bias
        What is done to both gradients afterwards.
    sends_scaled
        Whether what is done to both of them is done to dE/dz before, and so goes back to the layers below.
    """

    error: Part
    derivative: Part
    weight: Part
    bias: Part
    of_weight: Change = field(default_factory=Change)
    of_bias: Change = field(default_factory=Change)
    sends_scaled: bool = False

    @property
    def differences(self) -> list[Part | Change]:
        """What is not as it should be; what is done to both gradients counts once."""
        parts = [part for part in (self.error, self.derivative, self.weight, self.bias) if part.name]
        changes = {change.name: change for change in (self.of_weight, self.of_bias) if change.name}
        return [*parts, *changes.values()]


Choices = tuple[Choice, ...]
"""One for each layer, the last layer first."""


def explain_gradient(
    recipe: Recipe, trainer: NumpyTrainer, x: Floats, t: Floats, gradient: Parameters
) -> list[Choices]:
    """Return ways to compute this gradient of a batch, x [B, D] and t [B, C], with the fewest differences.

    Parameters
    ----------
    trainer
        One with the right weights, whose forward pass is that of the implementation.
    gradient
        What the implementation has for the gradient.

    Returns
    -------
    list
        Empty where nothing does, in float32, and where the recipe has a gradient that is computed otherwise.
    """
    full = trainer.recipe
    if recipe.dtype != "float64" or full.skip_connection or full.first_layer_blocks or trainer.penalized:
        return []
    if full.back_propagation == "errors":
        return []
    forward = trainer.forward(x, trainer.masks(len(x)))
    kept: list[tuple[Choices, Above | None]] = [((), None)]
    for layer in range(len(gradient) - 1, -1, -1):
        more: list[tuple[tuple[int, int], Choices, Above]] = []
        for choices, above in kept:
            here = layer_of(trainer, forward, t, layer, above)
            for choice in _choices(here, trainer.layers[layer], gradient[layer]):
                extended = (*choices, choice)
                below = computed(here, choice, trainer.layers[layer])
                more += [(n_differences(extended), extended, below[1])] if below is not None else []
        kept = [(choices, above) for _, choices, above in sorted(more, key=lambda item: item[0])[:MOST_KEPT]]
    fewest = min((n_differences(choices) for choices, _ in kept), default=(0, 0))
    least = [choices for choices, _ in kept if fewest > (0, 0) and n_differences(choices) == fewest]
    return list({tuple(describe_choices(choices)[0]): choices for choices in reversed(least)}.values())[::-1]


def n_differences(choices: Choices) -> tuple[int, int]:
    """Return how many differences there are, the same one in several layers counted once; and all of them."""
    names = [part.name for choice in choices for part in choice.differences]
    return len(set(names)), len(names)


def layer_of(trainer: NumpyTrainer, forward: Forward, t: Floats, layer: int, above: Above | None) -> Here:
    """Return what is known of a layer, counted from 0."""
    recipe = trainer.recipe
    activation = recipe.hidden_activation if above is not None else recipe.output_activation
    z, y = forward.z[layer], forward.y[layer + 1]
    mask: Any = forward.masks[layer] if forward.masks and above is not None else 1.0
    derivative = trainer.derivative if above is not None else DERIVATIVES.get(activation)
    here = Here(recipe, activation, derivative, z, y, forward.fed[layer], forward.z[layer - 1] if layer else None, mask)
    if above is not None:
        return replace(here, above=above)
    dy, dz = trainer.dloss(y, t)
    ones = trainer.dloss(np.ones_like(y), np.zeros_like(y))
    reduced = len(t) if recipe.reduction == "mean" else 1
    right = (dz if dy is None else dy) / reduced
    of_ones = ones[1] if ones[0] is None else ones[0]
    scale = float(of_ones.flat[0]) / reduced if recipe.error_dead_zone is None else 1.0
    return replace(here, right=right, gives_dz=dy is None, difference=y - t, scale=scale, targets=t)


def computed(here: Here, choice: Choice, weights: Layer) -> tuple[Layer, Above] | None:
    """Return the gradient of a layer, and what the layer below needs; ``None`` where that cannot be."""
    dy = choice.error.compute(here)
    dy = None if dy is None else dy * here.mask
    dz = None if dy is None else choice.derivative.compute(here, dy)
    weight = None if dz is None else choice.weight.compute(here, dy, dz)
    if dy is None or dz is None or weight is None:
        return None
    weight = choice.of_weight.compute(here, weight, weights.weight)
    bias = None
    if weights.bias is not None:
        bias = choice.bias.compute(here, dy, dz)
        if bias is None:
            return None
        bias = choice.of_bias.compute(here, bias, weights.bias)
    if choice.sends_scaled:
        dy, dz = (choice.of_weight.compute(here, each, each) for each in (dy, dz))
    return Layer(weight, bias), Above(dy, dz, weights.weight, weight)


def _choices(here: Here, weights: Layer, gradient: Layer) -> Iterator[Choice]:
    """Yield what gives the gradient of a layer, that with the fewest differences first."""
    errors = list(output_errors() if here.above is None else hidden_errors())
    pairs = sorted(
        itertools.product(errors, derivatives(here.activation)), key=lambda pair: sum(bool(part.name) for part in pair)
    )
    n_least, tried = None, list[Floats]()
    for error, derivative in pairs:
        dy = error.compute(here)
        dz = None if dy is None else derivative.compute(here, dy * here.mask)
        if dy is None or dz is None or not np.isfinite(dz).all():
            continue
        if any(is_same(here.recipe, dz, each) for each in tried):
            continue
        tried.append(dz)
        if n_least is not None and bool(error.name) + bool(derivative.name) > n_least:
            return
        for choice in _with_gradients(here, (error, derivative), (dy * here.mask, dz), weights, gradient):
            n_least = min(len(choice.differences), len(choice.differences) if n_least is None else n_least)
            yield choice


def _with_gradients(
    here: Here, parts: tuple[Part, Part], errors: tuple[Floats, Floats], weights: Layer, gradient: Layer
) -> Iterator[Choice]:
    """Yield what gives the gradient of a layer from these errors, dE/dy and dE/dz."""
    biases: Sequence[tuple[Part, Change]] = [(Part("", "", lambda *_: None), Change())]
    if gradient.bias is not None and weights.bias is not None:
        biases = list(_of_array(here, bias_gradients(), errors, weights.bias, gradient.bias))
    for weight, of_weight in _of_array(here, weight_gradients(), errors, weights.weight, gradient.weight):
        for bias, of_bias in biases:
            of_both = of_weight.both(of_bias if gradient.bias is not None else of_weight)
            if {of_weight.form, of_bias.form} == {"constant", "by batch"}:
                continue
            if of_both is None:
                yield Choice(*parts, weight, bias, of_weight, of_bias)
                continue
            if here.z_below is not None:  # it is of these gradients alone, or of the error
                of_error = replace(of_both, name=of_both.name.replace("gradient of", "error of"))
                yield Choice(*parts, weight, bias, of_error, of_error, sends_scaled=True)
            yield Choice(*parts, weight, bias, of_both, of_both)


def _of_array(
    here: Here, parts: Iterator[Part], arguments: Sequence[Any], weights: Floats, wanted: Floats
) -> Iterator[tuple[Part, Change]]:
    """Yield what gives a gradient: a part as it is, or the right one with a change."""
    for part in parts:
        there = part.compute(here, *arguments)
        if there is None or there.shape != wanted.shape:
            continue
        if is_same(here.recipe, there, wanted):
            yield part, Change()
            if part.is_right:
                return
        elif part.is_right:
            for change in changes(here, there, weights, wanted):
                yield part, change


def altered_by(choices: Choices) -> Callable[[type[NumpyTrainer]], type[NumpyTrainer]]:
    """Return what makes a trainer compute its gradient in this way."""

    def alter(trainer: type[NumpyTrainer]) -> type[NumpyTrainer]:
        class Altered(trainer):  # type: ignore[valid-type,misc]
            def backward(self, forward: Forward, t: Floats) -> Backward:
                above: Above | None = None
                layers: list[Layer] = []
                errors: list[Above] = []
                for layer, choice in zip(range(len(self.layers) - 1, -1, -1), choices, strict=True):
                    here = layer_of(self, forward, t, layer, above)
                    both = computed(here, choice, self.layers[layer])
                    if both is None:
                        raise ValueError("these shapes do not allow it")
                    gradient, above = both
                    layers.insert(0, gradient)
                    errors.insert(0, above)
                return Backward([each.dy for each in errors], [each.dz for each in errors], tuple(layers))

        return Altered

    return alter


def describe_choices(choices: Choices) -> tuple[list[str], list[str]]:
    """Return what is different, and questions; what is so in all layers, or of weights and biases, stands once."""
    everywhere = set.intersection(*({part.name for part in choice.differences} for choice in choices))
    differences: dict[str, str] = {}
    for layer, choice in zip(range(len(choices), 0, -1), choices, strict=True):
        for part in choice.differences:
            words = {"layer": f"layer {layer}", "above": f"layer {layer + 1}"}
            words["activation"] = _activation(layer, len(choices))
            if part.name in everywhere:
                words |= {"layer": "every layer", "activation": "activation of every layer"}
            name = part.name.format(**words).replace(f"error of layer {len(choices)}", "error of the outputs")
            differences.setdefault(name, part.question.format(**words))
    names: dict[str, str] = {}
    for name, question in differences.items():
        has_both = {name.replace(WEIGHTS, BIASES), name.replace(BIASES, WEIGHTS)} <= set(differences)
        names.setdefault(name.replace(WEIGHTS, "").replace(BIASES, "") if has_both else name, question)
    return list(names), list(dict.fromkeys(names.values()))


def _activation(layer: int, n_layers: int) -> str:
    if layer == n_layers:
        return "output activation"
    return "hidden activation" if n_layers == 2 else f"activation of layer {layer}"
