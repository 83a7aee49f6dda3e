"""The same network in JAX, whose autodiff computes the gradient. `backprop-bench parity examples/in_jax.py:InJax`."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from backprop_bench.data import Floats, Layer, Order, Parameters, Recipe, UnsupportedRecipe, check_plain

DOES: dict[str, object] = {"hidden_activation": "sigmoid", "output_activation": "softmax", "loss": "cross_entropy"}
DOES |= {"reduction": "mean", "bias": True, "optimizer": "sgd", "weight_decay": 0.0}
Weights = list[tuple[Array, ...]]


def logits(weights: Weights, x: Array) -> Array:
    """Return the pre-activations [B, C] of the output layer for inputs [B, D]."""
    *hidden, (W, b) = weights
    for V, c in hidden:
        x = jax.nn.sigmoid(x @ V + c)
    return x @ W + b


@jax.jit
@jax.value_and_grad
def loss_and_gradient(weights: Weights, x: Array, t: Array) -> Array:
    """Return the mean cross-entropy of a batch; the decorators add its gradient."""
    return -(t * jax.nn.log_softmax(logits(weights, x))).sum(axis=1).mean()


class InJax:
    """Any number of hidden layers of sigmoids, then softmax with cross-entropy."""

    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        check_plain("examples/in_jax.py", recipe)
        for field, value in DOES.items():
            if getattr(recipe, field) != value:
                raise UnsupportedRecipe("examples/in_jax.py", field, f"it does {value}")
        if recipe.dtype == "float64":
            jax.config.update("jax_enable_x64", True)  # type: ignore[no-untyped-call]
        self.recipe = recipe
        self.weights: Weights = [tuple(map(jnp.array, layer.arrays())) for layer in parameters]

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        total, size = 0.0, self.recipe.batch_size or len(order)
        for start in range(0, len(order), size):
            examples = order[start : start + size]
            loss, gradient = loss_and_gradient(self.weights, x[examples], t[examples])
            self.weights = jax.tree.map(lambda w, dw: w - self.recipe.learning_rate * dw, self.weights, gradient)
            total += float(loss) * len(examples)
        return total / len(order)

    def gradients(self, x: Floats, t: Floats) -> Parameters:
        return tuple(Layer(*map(np.array, layer)) for layer in loss_and_gradient(self.weights, x, t)[1])

    def predict(self, x: Floats) -> Floats:
        return np.array(jax.nn.softmax(logits(self.weights, jnp.array(x))))

    def parameters(self) -> Parameters:
        return tuple(Layer(*map(np.array, layer)) for layer in self.weights)
