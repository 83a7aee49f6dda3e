"""`Trainer`: the interface of an implementation, also of your own."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from backprop_bench.data.parameters import Floats, Order, Parameters
from backprop_bench.data.recipe import Recipe


class Trainer(Protocol):
    """A multilayer perceptron and its training, by whatever means.

    Shapes: N examples, D inputs, C outputs. Arrays come in the recipe's dtype, C-contiguous, already mapped to the
    recipe's input and target range; a trainer must not change them.
    """

    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        """Start from a copy of these weights; raises `UnsupportedRecipe` for a recipe that it cannot do."""
        ...

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        """Pass once over the examples ``x`` [N, D], ``t`` [N, C] in this order, updating the weights after each batch.

        They may be part of an epoch, in whole batches: an epoch ends when as many examples were visited as it has
        (:func:`backprop_bench.data.epoch_of`).

        Returns the mean over the examples of the loss, each example taken when its batch was visited.
        """
        ...

    def gradients(self, x: Floats, t: Floats) -> Parameters:
        """Return dE/dw of one batch, reduced as the recipe says, leaving the weights alone.

        Weight decay is no part of it, except where the recipe has its penalty in the loss.
        """
        ...

    def predict(self, x: Floats) -> Floats:
        """Return the output activations [N, C]."""
        ...

    def parameters(self) -> Parameters:
        """Return copies of the weights."""
        ...


@dataclasses.dataclass(frozen=True)
class Trace:
    """Every intermediate quantity of one batch; B examples, J units, one entry per layer of weights.

    Attributes
    ----------
    z
        Pre-activations [B, J].
    y
        Activations [B, J], those of the output units last.
    dy
        dE/dy [B, J], ``None`` for outputs whose loss gives dE/dz at once.
    dz
        dE/dz [B, J].
    gradients
        dE/dW and dE/db, as :meth:`Trainer.gradients` gives them.
    """

    z: Sequence[Floats]
    y: Sequence[Floats]
    dy: Sequence[Floats | None]
    dz: Sequence[Floats]
    gradients: Parameters


@runtime_checkable
class Traces(Protocol):
    """A trainer that shows its intermediate quantities, so that a difference can be followed to where it begins.

    Not required of a trainer: without it, outputs, gradients and weights are compared.
    """

    def trace(self, x: Floats, t: Floats) -> Trace:
        """Return every intermediate quantity of one batch, leaving the weights alone."""
        ...


StepParts = Mapping[str, Callable[[], object]]
"""Parts of one training step by name, in their order; calling all of them once is one step."""


@runtime_checkable
class DividesSteps(Protocol):
    """A trainer whose training step can be run in parts, to see where its time goes.

    Not required of a trainer: without it, the figure of the parts of a step leaves the implementation out.
    """

    def step_parts(self, x: Floats, t: Floats, examples: Order) -> StepParts:
        """Return the parts ``fetch``, ``forward``, ``backward`` and ``update`` of a step on these examples.

        ``train_epoch`` consists of the same calls. They are called in this order, repeatedly.
        """
        ...
