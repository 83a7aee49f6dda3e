"""Whether outputs stay finite where pre-activations are large, as they get in training with a high learning rate."""

import numpy as np

from backprop_bench.data import Floats, Layer, Parameters, Recipe, Trainer, initial_parameters
from backprop_bench.scratch.numpy_trainer import NumpyTrainer

LARGE = 2000.0
"""Pre-activation whose exponential overflows in every dtype, and that of its negative is 0."""


def overflows(recipe: Recipe, actual: type[Trainer], x: Floats) -> tuple[str, ...]:
    """Return a sentence for each layer whose large pre-activations give outputs that are not finite.

    Parameters
    ----------
    x
        Inputs [B, D]; the outputs of the reference are finite for them.
    """
    with np.errstate(all="ignore"):
        *hidden, last = range(len(recipe.layer_sizes) - 1)
        outputs = _overflow(recipe, actual, x, last)
        if outputs is not None:  # which large hidden layers make large, too
            return (outputs,)
        return tuple(sentence for layer in hidden if (sentence := _overflow(recipe, actual, x, layer)) is not None)


def _overflow(recipe: Recipe, actual: type[Trainer], x: Floats, layer: int) -> str | None:
    trainer = actual(recipe, _scaled(recipe, x, layer))
    if _is_finite(trainer, x):
        return None
    if layer < len(recipe.layer_sizes) - 2:
        return f"outputs are not finite where pre-activations of hidden layer {layer + 1} are large; {_QUESTION}"
    alone = all(_is_finite(trainer, x[row : row + 1]) for row in range(len(x)))
    whose = "the largest z of each example, and not that of the batch" if alone else "the largest z of each example"
    asks = f"does your softmax subtract {whose}?" if recipe.output_activation == "softmax" else _QUESTION
    return f"outputs are not finite where pre-activations of the output layer are large; {asks}"


def _is_finite(trainer: Trainer, x: Floats) -> bool:
    try:
        return bool(np.isfinite(trainer.predict(x)).all())
    except Exception:  # noqa: BLE001 (math.exp raises OverflowError)
        return False


_QUESTION = "does the exponential in your activation overflow?"


def _scaled(recipe: Recipe, x: Floats, layer: int) -> Parameters:
    """Return the initial weights, those of a layer so large that its largest z differ by `LARGE` between examples."""
    parameters = initial_parameters(recipe)
    z = NumpyTrainer(recipe, parameters).forward(x).z[layer]
    spread = float(np.ptp(z.max(axis=1))) or float(abs(z).max())
    factor = x.dtype.type(LARGE / spread)
    weight, bias = parameters[layer].weight, parameters[layer].bias
    large = Layer(weight * factor, None if bias is None else bias * factor)
    return (*parameters[:layer], large, *parameters[layer + 1 :])
