"""Parts of the backward pass of a layer, each as it is right and as people write it otherwise.

The gradient of a layer is computed in four parts: the error dE/dy that comes from above, dE/dz from it, the gradient
of the weights, and that of the biases. A wrong gradient is explained by trying, for one layer after the other, what
each of them may be instead.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from backprop_bench.data import Floats, Recipe
from backprop_bench.scratch.activations import ACTIVATIONS, DERIVATIVES


@dataclass(frozen=True)
class Above:
    """The layer above, as it was computed: dE/dy and dE/dz [B, K], weights [J, K] and their gradient."""

    dy: Floats
    dz: Floats
    weight: Floats
    gradient: Floats


@dataclass(frozen=True)
class Here:
    """What is known of a layer when its gradient is computed; B examples, J units, I inputs.

    Attributes
    ----------
    recipe, activation, derivative
        The recipe, the name of the layer's activation, and y ↦ dy/dz; ``None`` for softmax.
    z, y
        Pre-activations and activations [B, J].
    below, z_below
        What the weights were multiplied by [B, I], and the pre-activations there; ``None`` for the first layer.
    mask
        Of dropout [B, J], or 1.
    right
        dE/dy of the outputs [B, C], or dE/dz where the loss gives that at once; of a hidden layer ``None``.
    gives_dz
        Whether that is dE/dz.
    difference, scale
        y − t of the outputs [B, C], and what the loss multiplies it by.
    targets
        t of the outputs [B, C].
    above
        The layer above; ``None`` for the outputs.
    """

    recipe: Recipe
    activation: str
    derivative: Callable[[Floats], Floats] | None
    z: Floats
    y: Floats
    below: Floats
    z_below: Floats | None
    mask: Floats | float
    right: Floats | None = None
    gives_dz: bool = False
    difference: Floats | None = None
    scale: float = 1.0
    targets: Floats | None = None
    above: Above | None = None

    @property
    def known_factors(self) -> dict[str, float]:
        """Factors with a name: B examples in the batch, C outputs, D inputs and the learning rate."""
        batch, outputs, inputs = len(self.y), self.recipe.layer_sizes[-1], self.recipe.layer_sizes[0]
        return {
            "2": 2.0,
            "½": 0.5,
            "−1": -1.0,
            "−2": -2.0,
            "B": batch,
            "1/B": 1 / batch,
            "C": outputs,
            "1/C": 1 / outputs,
            "2/C": 2 / outputs,
            "1/(B C)": 1 / (batch * outputs),
            "D": inputs,
            "1/D": 1 / inputs,
            "B/D": batch / inputs,
            "B/C": batch / outputs,
            "the learning rate": self.recipe.learning_rate,
        }


class Part(NamedTuple):
    """One way to compute a part.

    Attributes
    ----------
    name
        What is different, with ``{layer}``, ``{above}`` and ``{activation}`` to be filled in; empty where it is right.
    question
        To somebody who computes it so.
    compute
        Of errors, (layer) ↦ dE/dy. Of derivatives, (layer, dE/dy) ↦ dE/dz. Of weights
        and biases, (layer, dE/dy, dE/dz) ↦ their gradient. ``None`` where that cannot be.
    """

    name: str
    question: str
    compute: Callable[..., Floats | None]

    @property
    def is_right(self) -> bool:
        """Whether it is what it should be."""
        return not self.name


def output_errors() -> Iterator[Part]:
    """Yield what the error of the outputs may be."""
    yield Part("", "", lambda here: here.right)
    yield Part(
        "the targets are not subtracted from the outputs",
        "do you subtract the targets from the outputs?",
        lambda here: here.scale * here.y,
    )
    yield Part(
        "the error of the outputs is that of their pre-activations, z − t",
        "do you compute the error from the outputs rather than from their pre-activations z?",
        lambda here: here.scale * (here.z - here.targets),
    )
    yield Part(
        "the error of the outputs is that of the most likely class, 0 or 1, rather than of the outputs",
        "do you compute the error from the outputs rather than from the class that was predicted?",
        lambda here: here.scale * (_one_hot(here.y) - here.targets),
    )
    yield Part(
        "the error of the outputs is squared",
        "is the error that you send back squared, as it is in the loss?",
        lambda here: here.scale * here.difference**2,
    )
    yield Part(
        "the error of the outputs is its absolute value",
        "do you take the absolute value of the error?",
        lambda here: here.scale * abs(here.difference),
    )
    yield Part(
        "the error of the outputs is its sign, as with the absolute error for a loss",
        "do you take the derivative of the absolute error?",
        lambda here: here.scale * np.sign(here.difference),
    )
    yield Part(
        "the error of the outputs is −t / y, without the derivative of softmax",
        "do you multiply −t / y by the derivative of softmax, which makes it y − t?",
        lambda here: -here.scale * here.targets / here.y if here.gives_dz else None,
    )
    yield Part(
        "the error of the outputs is −t (1 − y): of the derivative of softmax there is the diagonal only",
        "has your derivative of softmax the elements besides its diagonal?",
        lambda here: -here.scale * here.targets * (1 - here.y) if here.gives_dz else None,
    )
    yield Part(
        "the error of the outputs is that of the targets alone, y (1 − t) is missing",
        "do the outputs of the wrong classes have an error, too?",
        lambda here: here.scale * here.difference * here.targets,
    )


def hidden_errors() -> Iterator[Part]:
    """Yield what the error of a hidden layer may be: what is sent back, and through which weights."""
    yield Part("", "", lambda here: here.above.dz @ here.above.weight.T)
    yield Part(
        "the error is propagated back without the derivative of the activation of {above}",
        "do you propagate the error of {above} back before you multiply it by the derivative of its activation?",
        lambda here: here.above.dy @ here.above.weight.T,
    )
    yield Part(
        "the weights of {above} are not transposed when the error is propagated back",
        "did you forget to transpose the weights in the backward pass?",
        lambda here: here.above.dz @ here.above.weight if _is_square(here.above.weight) else None,
    )
    yield Part(
        "the error is propagated back through weights of {above} that are already updated",
        "do you update the weights of a layer before you propagate its error back?",
        lambda here: here.above.dz @ (here.above.weight - here.recipe.learning_rate * here.above.gradient).T,
    )
    yield Part(
        "the error is propagated back without the weights of {above}",
        "do you multiply the error by the weights of the layer above, when you propagate it back?",
        lambda here: np.repeat(here.above.dz.sum(axis=1, keepdims=True), here.y.shape[1], axis=1),
    )
    yield Part(
        "the error is propagated back from {above} as it is, without the weights between",
        "do you multiply the error by the weights of the layer above, when you propagate it back?",
        lambda here: here.above.dz if here.above.dz.shape == here.y.shape else None,
    )
    yield Part(
        "the error is propagated back through the gradient of {above} rather than through its weights",
        "do you propagate the error back through the weights, rather than through their gradient?",
        lambda here: here.above.dz @ here.above.gradient.T,
    )
    yield Part(
        "the error that is propagated back from {above} is divided by its units",
        "do you sum the errors of the layer above rather than average them?",
        lambda here: here.above.dz @ here.above.weight.T / here.above.dz.shape[1],
    )
    yield Part(
        "the error that is propagated back from {above} is divided by the sums of its weights",
        "do you share the error among the units by their weights, which Rashid's book drops in the end?",
        lambda here: here.above.dz @ (here.above.weight / here.above.weight.sum(axis=0)).T,
    )


def derivatives(activation: str) -> Iterator[Part]:
    """Yield what may be done to the error in the place of a multiplication by the derivative of the activation."""
    yield Part("", "", through_activation)
    yield Part(
        "the derivative of the {activation} is missing",
        "did you forget to multiply by the derivative of the {activation}?",
        lambda here, dy: None if here.gives_dz else dy,
    )
    yield from _derivatives_of_the_wrong_argument(activation)
    for name, others in _OTHER_DERIVATIVES.items():
        if name != activation:
            yield Part(
                f"the derivative of the {{activation}} is that of {name}",
                f"is your derivative of the {{activation}} that of {name}?",
                lambda here, dy, others=others: dy * others(here.z),
            )
    for text, function in _WRONG_FACTORS.items():
        if text != _RIGHT_FACTORS.get(activation):
            yield Part(
                f"the error is multiplied by {text} rather than by the derivative of the {{activation}}",
                f"do you multiply the error by {text}, which is not the derivative of the {{activation}}?",
                lambda here, dy, function=function: dy * function(here.y),
            )
    yield Part(
        "the error is multiplied by the derivative of the {activation} twice",
        "do you multiply by the derivative of the {activation} twice?",
        lambda here, dy: None if here.gives_dz else through_activation(here, through_activation(here, dy)),
    )
    yield Part(
        "the error is divided by the derivative of the {activation}",
        "do you divide by the derivative of the {activation}, although it is a factor?",
        lambda here, dy: None if here.gives_dz or here.derivative is None else dy / here.derivative(here.y),
    )
    yield from _of_the_error(activation)


def through_activation(here: Here, dy: Floats) -> Floats:
    """Return dE/dz of a layer from dE/dy, as it is right."""
    if here.gives_dz:
        return dy
    if here.derivative is None:
        dz: Floats = here.y * (dy - (dy * here.y).sum(axis=1, keepdims=True))
        return dz
    return dy * here.derivative(here.y)


def _of_the_error(activation: str) -> Iterator[Part]:
    """Yield what applies the activation, or its derivative, to the error that comes back."""
    function = ACTIVATIONS[activation]
    yield Part(
        "the error goes back through the {activation} instead of its derivative",
        "do you apply the activation to the error that comes back, rather than multiply by its derivative?",
        lambda here, dy: None if here.above is None else function(dy),
    )
    yield Part(
        "the error goes back through the {activation} before it is multiplied by the derivative",
        "do you apply the activation to the error that comes back?",
        lambda here, dy: None if here.above is None else through_activation(here, function(dy)),
    )
    derivative = DERIVATIVES.get(activation)
    for text, of in (("the error", lambda dy: dy), ("the activation of the error", function)):
        yield Part(
            f"the derivative of the {{activation}} is taken of {text}, and not multiplied by it",
            "is your derivative that of the activation, and do you multiply the error by it?",
            lambda here, dy, of=of: None if here.above is None or derivative is None else derivative(of(dy)),
        )
        yield Part(
            f"the error is multiplied by the derivative of the {{activation}}, taken of {text}",
            "do you take the derivative of the activation, rather than that of the error?",
            lambda here, dy, of=of: None if here.above is None or derivative is None else dy * derivative(of(dy)),
        )
    yield Part(
        "the sign of the error decides what goes back, not that of the pre-activation",
        "do you test the error with > 0, although the activation is what decides?",
        lambda _here, dy: dy * (dy > 0) if activation == "relu" else None,
    )


def _derivatives_of_the_wrong_argument(activation: str) -> Iterator[Part]:
    right, function = DERIVATIVES.get(activation), ACTIVATIONS[activation]
    if right is None or activation not in ("sigmoid", "tanh"):
        return
    yield Part(
        "the derivative of the {activation} takes y as if it were z",
        "does your derivative of the {activation} expect z, and do you pass the activation y?",
        lambda here, dy: dy * right(function(here.y)),
    )
    yield Part(
        "the derivative of the {activation} takes z instead of y",
        "does your derivative of the {activation} expect the activation y, and do you pass z?",
        lambda here, dy: dy * right(here.z),
    )


_OTHER_DERIVATIVES: Mapping[str, Callable[[Floats], Floats]] = {
    "sigmoid": lambda z: DERIVATIVES["sigmoid"](ACTIVATIONS["sigmoid"](z)),
    "tanh": lambda z: DERIVATIVES["tanh"](np.tanh(z)),
    "relu": lambda z: (z > 0).astype(z.dtype),
}
_WRONG_FACTORS: Mapping[str, Callable[[Floats], Floats]] = {
    "y": lambda y: y,
    "1 − y": lambda y: 1 - y,
    "1 + y": lambda y: 1 + y,
    "y (1 − y)": lambda y: y * (1 - y),
    "1 − y²": lambda y: 1 - y * y,
    "y (1 + y)": lambda y: y * (1 + y),
    "1 + y²": lambda y: 1 + y * y,
    "y²": lambda y: y * y,
    "y > 0": lambda y: (y > 0).astype(y.dtype),
}
_RIGHT_FACTORS: Mapping[str, str] = {"sigmoid": "y (1 − y)", "tanh": "1 − y²", "relu": "y > 0"}


def weight_gradients() -> Iterator[Part]:
    """Yield what the gradient of the weights of a layer may be computed from."""
    yield Part("", "", lambda here, _dy, dz: here.below.T @ dz)
    yield Part(
        "the gradient of the weights of {layer} takes the pre-activations z below it instead of the activations y",
        "do you compute the gradient of a weight from the pre-activation z below it rather than from the activation y?",
        lambda here, _dy, dz: None if here.z_below is None else here.z_below.T @ dz,
    )
    yield Part(
        "the gradient of the weights of {layer} takes activations below it that are activated twice",
        "do you apply the activation to the activations below once more, in the gradient of the weights?",
        lambda here, _dy, dz: (
            None if here.z_below is None else ACTIVATIONS[here.recipe.hidden_activation](here.below).T @ dz
        ),
    )
    yield Part(
        "the gradient of the weights of {layer} lacks the derivative of the activation",
        "do you compute the gradient of the weights of {layer} from dE/dz rather than from dE/dy?",
        lambda here, dy, _dz: None if here.gives_dz else here.below.T @ dy,
    )
    yield Part(
        "the gradient of the weights of {layer} is transposed",
        "is the gradient of the weights of {layer} transposed?",
        lambda here, _dy, dz: dz.T @ here.below if here.below.shape == dz.shape else None,
    )
    yield Part(
        "the gradient of the weights of {layer} takes the outputs of the layer instead of its inputs",
        "do you compute the gradient of a weight from the input of its layer?",
        lambda here, _dy, dz: here.y.T @ dz if here.below.shape == dz.shape else None,
    )
    yield Part(
        "the gradient of the weights of {layer} has no activations in it",
        "do you multiply the errors by the activations below, to get the gradient of the weights?",
        lambda here, _dy, dz: np.ones_like(here.below).T @ dz,
    )
    yield from _other_products()
    yield from _of_one_example()
    yield Part(
        "the gradient of the weights of {layer} is 0",
        "do the weights of {layer} get a gradient?",
        lambda here, _dy, dz: np.zeros((here.below.shape[1], dz.shape[1]), dz.dtype),
    )


def _other_products() -> Iterator[Part]:
    """Yield products of activations and errors in the place of the outer product."""
    yield Part(
        "the gradient of the weights of {layer} is the inner product of activations and errors",
        "is your gradient an inner product, although it is the outer product of activations and errors?",
        lambda here, _dy, dz: (
            np.full((dz.shape[1], dz.shape[1]), (here.below * dz).sum()) if here.below.shape == dz.shape else None
        ),
    )
    for words, spread in (("rows", _as_rows), ("columns", _as_columns)):
        yield Part(
            f"the gradient of the weights of {{layer}} is a product by element, in all {words}",
            "is your gradient the outer product of activations and errors, rather than their product by element?",
            lambda here, _dy, dz, spread=spread: spread(here, dz) if here.below.shape == dz.shape else None,
        )


def _of_one_example() -> Iterator[Part]:
    """Yield gradients of the weights that are those of one example of the batch."""
    yield Part(
        "the gradient of the weights of {layer} is that of the last example of the batch alone",
        "do you add up the gradients of all examples of a batch, or keep that of the last one?",
        lambda here, _dy, dz: here.below[-1:].T @ dz[-1:],
    )
    yield Part(
        "the gradient of the weights of {layer} is that of the first example of the batch alone",
        "do you add up the gradients of all examples of a batch, or take that of the first one?",
        lambda here, _dy, dz: here.below[:1].T @ dz[:1],
    )


def bias_gradients() -> Iterator[Part]:
    """Yield what the gradient of the biases of a layer may be."""
    yield Part("", "", lambda _here, _dy, dz: dz.sum(axis=0))
    yield Part(
        "the gradient of the biases of {layer} is one number for all units",
        "is the gradient of the biases of {layer} summed over the units as well as over the examples?",
        lambda _here, _dy, dz: np.full(dz.shape[1], dz.sum()),
    )
    yield Part(
        "the gradient of the biases of {layer} is one number, the mean over units and examples",
        "is the gradient of the biases of {layer} averaged over the units as well as over the examples?",
        lambda _here, _dy, dz: np.full(dz.shape[1], dz.mean()),
    )
    yield Part(
        "the gradient of the biases of {layer} lacks the derivative of the activation",
        "do you compute the gradient of the biases of {layer} from dE/dz rather than from dE/dy?",
        lambda here, dy, _dz: None if here.gives_dz else dy.sum(axis=0),
    )
    yield Part(
        "the gradient of the biases of {layer} is multiplied by the activations",
        "do you multiply the gradient of the biases by activations, although the input of a bias is 1?",
        lambda here, _dy, dz: (dz * here.y).sum(axis=0),
    )
    yield Part(
        "the gradient of the biases of {layer} is that of the last example of the batch alone",
        "do you add up the gradients of the biases of all examples of a batch?",
        lambda _here, _dy, dz: dz[-1],
    )
    yield Part(
        "the gradient of the biases of {layer} is that of the first example of the batch alone",
        "do you add up the gradients of the biases of all examples of a batch?",
        lambda _here, _dy, dz: dz[0],
    )
    yield Part(
        "the gradient of the biases of {layer} is 0",
        "do the biases of {layer} get a gradient?",
        lambda _here, _dy, dz: np.zeros(dz.shape[1], dz.dtype),
    )


def _one_hot(y: Floats) -> Floats:
    hot: Floats = (y == y.max(axis=1, keepdims=True)).astype(y.dtype)
    return hot


def _as_rows(here: Here, dz: Floats) -> Floats:
    return np.tile((here.below * dz).sum(axis=0), (dz.shape[1], 1))


def _as_columns(here: Here, dz: Floats) -> Floats:
    return np.repeat((here.below * dz).sum(axis=0)[:, None], dz.shape[1], axis=1)


def _is_square(weight: Any) -> bool:
    return bool(weight.shape[0] == weight.shape[1])
