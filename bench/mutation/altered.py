"""Trainers that differ in what is no line of the NumPy version: other inputs, targets, activations, updates, losses."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from backprop_bench.bench.mutation.hypothesis import BATCH_SIZES, Alter, Hypothesis
from backprop_bench.data import ExtendedRecipe, Floats, Order, Parameters, Recipe, copy_parameters
from backprop_bench.scratch.activations import ACTIVATIONS as KNOWN
from backprop_bench.scratch.activations import DERIVATIVES
from backprop_bench.scratch.losses import LossFunction
from backprop_bench.scratch.numpy_trainer import Backward, Forward, NumpyTrainer

Function = Callable[[Floats], Floats]


def _standardised(x: Floats, axis: int, epsilon: float) -> Floats:
    rest = x - x.mean(axis=axis, keepdims=True)
    standardised: Floats = rest / np.maximum(x.std(axis=axis, keepdims=True) + epsilon, 1e-300)
    return standardised


INPUTS: Mapping[str, Function] = {
    "0.5 is subtracted from the inputs": lambda x: x - 0.5,
    "the inputs are mapped from [0, 1] to [−1, 1]": lambda x: 2 * x - 1,
    "the inputs are mapped from [0, 1] to [0.01, 1]": lambda x: 0.99 * x + 0.01,
    "the inputs are inverted, 1 − x": lambda x: 1 - x,
    "the inputs are multiplied by 255": lambda x: 255 * x,
    "the inputs are 0 or 1, whether they are above 0.5": lambda x: (x > 0.5).astype(x.dtype),
    "the inputs are 0 or 1, whether they are above 0": lambda x: (x > 0).astype(x.dtype),
    **{
        f"each {what} is standardised, with {epsilon:g} added to the deviation": functools.partial(
            _standardised, axis=axis, epsilon=epsilon
        )
        for what, axis in (("input of a batch", 0), ("example", 1))
        for epsilon in (0.0, 1e-8, 1e-7, 1e-6, 1e-5)
    },
    "the mean of each batch is subtracted from the inputs, one input at a time": lambda x: x - x.mean(axis=0),
    "each example is divided by its length": lambda x: x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-300),
    "each example is divided by its largest input": lambda x: x / np.maximum(x.max(axis=1, keepdims=True), 1e-300),
}
"""What people do to the inputs within a network, x [B, D]."""
TARGETS: Mapping[str, Callable[[Floats, float, float], Floats]] = {
    f"the targets are {low} and {high}": lambda t, a, b, low=low, high=high: low + (high - low) * (t - a) / (b - a)
    for low, high in ((0.1, 0.9), (0.01, 0.99), (0.05, 0.95), (0.2, 0.8), (-1, 1), (0, 1))
} | {
    "the targets are those of the next class": lambda t, a, b: np.roll(t, 1, axis=1),  # noqa: ARG005
    "the targets are those of the class before": lambda t, a, b: np.roll(t, -1, axis=1),  # noqa: ARG005
}
"""What people do to the targets within a network, t [B, C] of a range from a to b."""
SMOOTHINGS = (0.05, 0.1, 0.2)
"""By how much people smooth the targets."""
ACTIVATIONS: Mapping[str, tuple[Function, Function]] = {
    "softplus": (lambda z: np.logaddexp(0, z), lambda y: 1 - np.exp(-y)),
    "elu": (lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))), lambda y: np.where(y > 0, 1, y + 1)),
    "1.7159 tanh(2/3 z)": (
        lambda z: 1.7159 * np.tanh(2 / 3 * z),
        lambda y: 2 / 3 * 1.7159 * (1 - (y / 1.7159) ** 2),
    ),
    "the hard sigmoid": (
        lambda z: np.clip(0.2 * z + 0.5, 0, 1),
        lambda y: 0.2 * ((y > 0) & (y < 1)).astype(y.dtype),
    ),
    "relu6": (lambda z: np.clip(z, 0, 6), lambda y: ((y > 0) & (y < 6)).astype(y.dtype)),
    "missing, so that the layer is linear": (lambda z: z, np.ones_like),
}
"""Hidden activations that no recipe has, and their derivatives in terms of y."""
LOSSES: Mapping[str, Callable[[Floats, Floats, Floats], float]] = {
    "Σ (y − t)²": lambda z, y, t: float(np.square(y - t).sum()),  # noqa: ARG005
    "Σ |y − t|": lambda z, y, t: float(abs(y - t).sum()),  # noqa: ARG005
    "√(Σ (y − t)²)": lambda z, y, t: float(np.sqrt(np.square(y - t).sum())),  # noqa: ARG005
    "−Σ t ln y": lambda z, y, t: float(-(t * np.log(y)).sum()),  # noqa: ARG005
    "−Σ [t ln y + (1 − t) ln(1 − y)]": lambda z, y, t: float(  # noqa: ARG005
        -(t * np.log(y) + (1 - t) * np.log1p(-y)).sum()
    ),
    "the share of examples that are wrong": lambda z, y, t: float((y.argmax(1) != t.argmax(1)).sum()),  # noqa: ARG005
}
"""What people report as the loss, summed over the examples of a batch."""
FACTORS: Mapping[str, Callable[[int, int], float]] = {
    "": lambda _batch, _outputs: 1.0,
    "½ ": lambda _batch, _outputs: 0.5,
    "2 ": lambda _batch, _outputs: 2.0,
    "1/C ": lambda _batch, outputs: 1 / outputs,
    "2/C ": lambda _batch, outputs: 2 / outputs,
    "1/B ": lambda batch, _outputs: 1 / batch,
    "½/B ": lambda batch, _outputs: 0.5 / batch,
    "2/B ": lambda batch, _outputs: 2 / batch,
    "2/(B C) ": lambda batch, outputs: 2 / (batch * outputs),
    "1/(B C) ": lambda batch, outputs: 1 / (batch * outputs),
    "B ": lambda batch, _outputs: float(batch),
}
"""By what the loss of a batch of B examples with C outputs is multiplied besides."""


def altered_hypotheses(recipe: Recipe, decay: float | None) -> Iterator[Hypothesis]:
    """Yield what is tried on a recipe beside the known mistakes.

    Parameters
    ----------
    decay
        Share of the weights by which the first update differs from the right one; ``None`` where it differs otherwise.
    """
    for name, function in INPUTS.items():
        yield _altered(name, "do you change the inputs within the network?", _with_inputs(function))
    for name, targets in TARGETS.items():
        yield _altered(name, "do you change the targets within the network?", _with_targets(targets))
    yield from _of_smoothing(recipe)
    for name, functions in ACTIVATIONS.items():
        words = name if name.startswith("missing") else f"{name}, which is not that of the recipe"
        yield _altered(
            f"the hidden activation is {words}", f"is your hidden activation {name}?", _with_hidden(functions)
        )
    yield from _of_one_layer(recipe)
    yield from _of_fields(recipe)
    if decay is not None:
        yield from _of_decay(recipe, decay)
    if recipe.optimizer == "adam":
        yield _altered(
            "Adam counts a step for every epoch rather than for every update",
            "do you count a step of Adam for every update, rather than for every epoch?",
            _counting_epochs,
        )
    yield from _of_batches(recipe)
    yield from _of_frozen(recipe)
    yield from _of_losses(recipe)


def _altered(name: str, question: str, alter: Alter) -> Hypothesis:
    return Hypothesis(name, question, alter=alter)


def _of_smoothing(recipe: Recipe) -> Iterator[Hypothesis]:
    """Yield smoothed targets: those of softmax with cross-entropy are smoothed before, if the recipe says so."""
    advice = ""  # the same for all values: it is also asked where the value is another one
    if ExtendedRecipe.of(recipe).label_smoothing:
        advice = " They are smoothed already when it gets them."
    elif recipe.output_activation == "softmax" and recipe.loss == "cross_entropy":
        advice = " Leave them as they are, and say --label-smoothing with your value."
    for smoothing in SMOOTHINGS:
        yield _altered(
            f"the targets are smoothed by {smoothing:g}",
            f"do you smooth the targets within the network?{advice}",
            _with_targets(functools.partial(_smoothed, smoothing)),
        )


def _smoothed(smoothing: float, t: Floats, low: float, high: float) -> Floats:
    smoothed: Floats = low + (high - low) * ((1 - smoothing) * (t - low) / (high - low) + smoothing / t.shape[1])
    return smoothed


def _with_inputs(function: Function) -> Alter:
    def alter(trainer: type[NumpyTrainer]) -> type[NumpyTrainer]:
        class Altered(trainer):  # type: ignore[valid-type,misc]
            def forward(self, x: Floats, masks: tuple[Floats, ...] = ()) -> Forward:
                forward: Forward = super().forward(function(x), masks)
                return forward

        return Altered

    return alter


def _with_targets(function: Callable[[Floats, float, float], Floats]) -> Alter:
    def alter(trainer: type[NumpyTrainer]) -> type[NumpyTrainer]:
        class Altered(trainer):  # type: ignore[valid-type,misc]
            def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
                super().__init__(recipe, parameters)
                loss: LossFunction = self.loss
                self.loss: LossFunction = lambda z, y, t: loss(z, y, function(t, *recipe.target_range))

            def backward(self, forward: Forward, t: Floats) -> Backward:
                backward: Backward = super().backward(forward, function(t, *self.recipe.target_range))
                return backward

        return Altered

    return alter


def _with_hidden(functions: tuple[Function, Function]) -> Alter:
    def alter(trainer: type[NumpyTrainer]) -> type[NumpyTrainer]:
        class Altered(trainer):  # type: ignore[valid-type,misc]
            def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
                super().__init__(recipe, parameters)
                function, self.derivative = functions
                last: Function = self.activations[-1]
                self.activations: list[Function] = [*(function for _ in self.layers[1:]), last]

        return Altered

    return alter


def _of_one_layer(recipe: Recipe) -> Iterator[Hypothesis]:
    """Yield activations of one hidden layer of several."""
    n_hidden = len(recipe.layer_sizes) - 2
    for layer in range(n_hidden if n_hidden > 1 else 0):
        for name in ("sigmoid", "tanh", "relu", "identity"):
            if name != recipe.hidden_activation:
                yield _altered(
                    f"the activation of layer {layer + 1} is {name}, which is not that of the recipe",
                    f"is the activation of layer {layer + 1} {name}?",
                    functools.partial(_with_one_layer, layer=layer, name=name),
                )


def _with_one_layer(trainer: type[NumpyTrainer], layer: int, name: str) -> type[NumpyTrainer]:
    class Altered(trainer):  # type: ignore[valid-type,misc]
        def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
            super().__init__(recipe, parameters)
            self.activations: list[Function] = list(self.activations)
            self.activations[layer] = KNOWN[name]
            self.usual: Function = self.derivative

        def backward(self, forward: Forward, t: Floats) -> Backward:
            of_layers = [DERIVATIVES[name] if each == layer else self.usual for each in range(len(self.layers) - 1)]
            following = reversed(of_layers)  # it asks for one layer after the other, the last one first
            self.derivative: Function = lambda y: next(following)(y)
            backward: Backward = super().backward(forward, t)
            return backward

    return Altered


def _of_fields(recipe: Recipe) -> Iterator[Hypothesis]:
    """Yield other values of what belongs to the optimizer, and other optimizers."""
    tried: dict[str, Sequence[Any]] = {}
    if recipe.optimizer in ("adam", "rmsprop"):
        tried["epsilon"] = (1e-16, 1e-12, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
    if recipe.optimizer == "adam":
        tried |= {
            "beta1": (0.0, 0.5, 0.8, 0.85, 0.9, 0.95, 0.99),
            "beta2": (0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 0.9999),
        }
    if recipe.optimizer == "rmsprop":
        tried["rmsprop_alpha"] = (0.5, 0.8, 0.9, 0.95, 0.99, 0.999)
    if recipe.optimizer == "momentum":
        tried["momentum"] = (0.0, 0.5, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99)
    for field, values in tried.items():
        for value in values:
            if value != getattr(recipe, field):
                yield Hypothesis(
                    f"{field} is {value:g}, whatever the recipe says",
                    f"is your {field} {value:g}?",
                    fields=_fixed({field: value}),
                )
    others = [("sgd", 0.0), ("rmsprop", 0.0), ("adam", 0.0), *(("momentum", value) for value in (0.5, 0.9, 0.95, 0.99))]
    for optimizer, momentum in others:
        if optimizer != recipe.optimizer:
            name = {"sgd": "plain gradient descent", "momentum": f"momentum, α = {momentum:g}"}.get(
                optimizer, optimizer
            )
            yield Hypothesis(
                f"the weights are updated by {name}, whatever the recipe says",
                f"is your optimizer {name}?",
                fields=_fixed({"optimizer": optimizer, "momentum": momentum}),
            )


def _fixed(fields: Mapping[str, Any]) -> Callable[[Recipe], Mapping[str, Any]]:
    return lambda _recipe: fields


def _of_decay(recipe: Recipe, share: float) -> Iterator[Hypothesis]:
    """Yield what makes the weights smaller by a share with every update."""
    penalty = share / recipe.learning_rate
    for biases in (True, False) if recipe.bias else (True,):
        of = "weights and biases" if biases and recipe.bias else "weights"
        if recipe.optimizer == "sgd":
            yield Hypothesis(
                f"{penalty:.4g} w is added to the gradient of the {of} in the update, as by a penalty",
                "do you add weight decay, a penalty λ w, in the update?",
                alter=functools.partial(_shrinking, rate=None, share=penalty, biases=biases),
            )
        yield Hypothesis(
            f"the {of} are multiplied by {1 - share:.6g} in every update",
            f"do you multiply the {of} by {1 - share:.6g} in the update?",
            alter=functools.partial(_shrinking, rate=1.0, share=share, biases=biases),
        )


def _shrinking(trainer: type[NumpyTrainer], rate: float | None, share: float, biases: bool) -> type[NumpyTrainer]:
    """Return a trainer whose updates subtract a share of the weights, times the learning rate unless there is one."""

    class Altered(trainer):  # type: ignore[valid-type,misc]
        def update(self, backward: Backward) -> None:
            before = copy_parameters(self.layers)
            super().update(backward)
            factor = (rate or self.recipe.learning_rate) * share
            for layer, was in zip(self.layers, before, strict=True):
                for array, old in zip(layer.arrays(), was.arrays(), strict=True):
                    if biases or array.ndim == 2:
                        array -= factor * old

    return Altered


def _of_batches(recipe: Recipe) -> Iterator[Hypothesis]:
    """Yield batches that are divided, or trained several times."""
    for size in [size for size in BATCH_SIZES if recipe.batch_size is None or size < recipe.batch_size]:
        yield _altered(
            f"the weights are updated after every {size} examples of a batch",
            f"do you divide each batch into parts of {size}, and update the weights after each part?",
            functools.partial(_dividing, size=size, times=1),
        )
    for number in (2, 3, 4, 5, 10):
        yield _altered(
            f"each batch is divided in {number}, with an update after each part",
            f"do you divide each batch into {number} parts, and update the weights after each part?",
            functools.partial(_dividing, size=None, times=1, number=number),
        )
    for times in (3, 4, 5, 10):
        yield _altered(
            f"the weights are updated {times} times with every batch",
            f"do you update the weights {times} times with every batch?",
            functools.partial(_dividing, size=None, times=times),
        )


def _dividing(trainer: type[NumpyTrainer], size: int | None, times: int, number: int = 1) -> type[NumpyTrainer]:
    """Return a trainer that trains parts of a batch, of a size or in a number, one after the other, each some times."""

    class Altered(trainer):  # type: ignore[valid-type,misc]
        def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
            whole, loss = self.recipe.batch_size or len(order), 0.0
            before: int = self.n_visited
            for start in range(0, len(order), whole):
                batch = order[start : start + whole]
                each = size or -(-len(batch) // number)
                for part in range(0, len(batch), each):
                    examples = batch[part : part + each]
                    for _ in range(times):
                        self.n_visited: int = before
                        loss += super().train_epoch(x, t, examples) * len(examples) / times
            self.n_visited = before + len(order)
            return loss / len(order)

    return Altered


def _counting_epochs(trainer: type[NumpyTrainer]) -> type[NumpyTrainer]:
    class Altered(trainer):  # type: ignore[valid-type,misc]
        def update(self, backward: Backward) -> None:
            adam: Any = getattr(self.optimizer, "inner", self.optimizer)  # that of weight decay has it within
            adam.steps = self.epoch
            super().update(backward)

    return Altered


def _of_frozen(recipe: Recipe) -> Iterator[Hypothesis]:
    """Yield layers that are never updated."""
    n_layers = len(recipe.layer_sizes) - 1
    for layer in range(n_layers):
        for kinds, words in (((1, 2), ""), ((2,), "the weights of "), ((1,), "the biases of ")):
            if n_layers > 1 and (recipe.bias or not words):
                yield _altered(
                    f"{words}layer {layer + 1} {'are' if words else 'is'} never updated",
                    f"do you update {words}layer {layer + 1}?",
                    functools.partial(_freezing, layer=layer, dimensions=kinds),
                )


def _freezing(trainer: type[NumpyTrainer], layer: int, dimensions: tuple[int, ...]) -> type[NumpyTrainer]:
    class Altered(trainer):  # type: ignore[valid-type,misc]
        def update(self, backward: Backward) -> None:
            before = self.layers[layer].copy()
            super().update(backward)
            for array, old in zip(self.layers[layer].arrays(), before.arrays(), strict=True):
                if array.ndim in dimensions:
                    array[...] = old

    return Altered


def _of_losses(recipe: Recipe) -> Iterator[Hypothesis]:
    """Yield other losses that are reported, and factors of the right one."""
    own = {"softmax": "−Σ t ln y", "sigmoid": "−Σ [t ln y + (1 − t) ln(1 − y)]"}
    right = "Σ (y − t)²" if recipe.loss == "squared_error" else own[recipe.output_activation]
    for factor, times in FACTORS.items():
        if factor:
            yield _altered(
                f"the reported loss of a batch is {factor}times what it should be",
                f"do you multiply the loss of a batch that you report by {factor.strip()}?",
                functools.partial(_reporting, loss=None, times=times),
            )
        for words, loss in LOSSES.items():
            if words == right and (factor or recipe.loss == "cross_entropy"):
                continue  # it is the right one but for a factor
            yield _altered(
                f"the reported loss of a batch is {factor}{words}",
                f"is the loss that you report that of the recipe, or {factor}{words}?",
                functools.partial(_reporting, loss=loss, times=times),
            )


def with_penalty(share: float, biases: bool, per_batch: bool) -> Hypothesis:
    """Return what adds share/2 Σ w² to the reported loss: for each example, or for each batch as a whole."""
    of, divided = "weights and biases" if biases else "weights", " / B" if per_batch else ""
    return _altered(
        f"{share:.4g} / 2 Σ w²{divided} of the {of} is added to the reported loss",
        "do you add a penalty to the loss, which the recipe does not have?",
        functools.partial(_penalized, share=share, biases=biases, per_batch=per_batch),
    )


def _penalized(trainer: type[NumpyTrainer], share: float, biases: bool, per_batch: bool) -> type[NumpyTrainer]:
    class Altered(trainer):  # type: ignore[valid-type,misc]
        def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
            super().__init__(recipe, parameters)
            loss: LossFunction = self.loss
            self.loss: LossFunction = lambda z, y, t: loss(z, y, t) + self.added(len(t))

        def added(self, n_examples: int) -> float:
            arrays = [array for layer in self.layers for array in layer.arrays() if biases or array.ndim == 2]
            is_mean = self.recipe.reduction == "mean" and not per_batch
            return (n_examples if is_mean else 1) * share / 2 * sum(float(np.square(array).sum()) for array in arrays)

    return Altered


def _reporting(
    trainer: type[NumpyTrainer],
    loss: Callable[[Floats, Floats, Floats], float] | None,
    times: Callable[[int, int], float],
) -> type[NumpyTrainer]:
    class Altered(trainer):  # type: ignore[valid-type,misc]
        def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
            super().__init__(recipe, parameters)
            reported: LossFunction = loss or self.loss
            self.loss: LossFunction = lambda z, y, t: times(*t.shape) * reported(z, y, t)

    return Altered
