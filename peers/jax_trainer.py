"""`jax`: one compiled loop over the batches of an epoch."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from backprop_bench.data import Floats, Layer, Order, Parameters, Recipe, UnsupportedRecipe, check_plain

Weights = tuple[tuple[Array, Array | None], ...]
"""Weight [I, J] and bias [J], or ``None``, of each layer."""

ACTIVATIONS: dict[str, Any] = {"sigmoid": jax.nn.sigmoid, "tanh": jnp.tanh, "relu": jax.nn.relu}
OUTPUTS: dict[str, Any] = {"sigmoid": jax.nn.sigmoid, "softmax": jax.nn.softmax, "identity": lambda z: z}


def forward(recipe: Recipe, weights: Weights, x: Array) -> Array:
    """Return z [B, C] of the output units for inputs x [B, D]."""
    for number, (weight, bias) in enumerate(weights):
        z = x @ weight if bias is None else x @ weight + bias
        x = ACTIVATIONS[recipe.hidden_activation](z) if number + 1 < len(weights) else z
    return x


def loss_of(recipe: Recipe, weights: Weights, x: Array, t: Array) -> Array:
    """Return the loss of a batch, reduced as the recipe says."""
    z = forward(recipe, weights, x)
    if recipe.loss == "squared_error":
        error = jnp.square(OUTPUTS[recipe.output_activation](z) - t).sum() / 2
    elif recipe.output_activation == "softmax":
        error = -(t * jax.nn.log_softmax(z)).sum()
    else:
        error = (jax.nn.softplus(z) - z * t).sum()  # whose derivative is right at 0 as well
    return error / len(x) if recipe.reduction == "mean" else error


@functools.partial(jax.jit, static_argnums=0)
def step(recipe: Recipe, weights: Weights, x: Array, t: Array, examples: Array) -> tuple[Weights, Array]:
    """Return the weights after one batch, and its loss summed over the examples."""
    loss, gradients = jax.value_and_grad(functools.partial(loss_of, recipe))(weights, x[examples], t[examples])

    def changed(weight: Array, gradient: Array) -> Array:
        if recipe.weight_decay:
            gradient += recipe.weight_decay * weight
        return weight - recipe.learning_rate * gradient

    total = loss * len(examples) if recipe.reduction == "mean" else loss
    return jax.tree.map(changed, weights, gradients), total


@functools.partial(jax.jit, static_argnums=0)
def train_batches(
    recipe: Recipe, weights: Weights, x: Array, t: Array, batches: Array, n_batches: int
) -> tuple[Weights, Array]:
    """Return the weights after the first ``n_batches`` of the batches [M, B], and their loss summed over the examples.

    The number of batches is not compiled in, so that every part of an epoch runs the same code.
    """

    def one(number: int, carried: tuple[Weights, Array]) -> tuple[Weights, Array]:
        changed, loss = step(recipe, carried[0], x, t, batches[number])
        return changed, carried[1] + loss

    result: tuple[Weights, Array] = lax.fori_loop(0, n_batches, one, (weights, jnp.zeros((), x.dtype)))
    return result


class JaxTrainer:
    """A multilayer perceptron in JAX; what it compiles is in the first call of `train_epoch`."""

    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        if recipe.optimizer != "sgd":
            raise UnsupportedRecipe("jax", "optimizer", "its step has its own weight update; it does sgd")
        check_plain("jax", recipe)
        if recipe.dtype == "float64":
            jax.config.update("jax_enable_x64", True)  # type: ignore[no-untyped-call]
        self.recipe = recipe
        self.weights: Weights = tuple(
            (jnp.array(layer.weight), None if layer.bias is None else jnp.array(layer.bias)) for layer in parameters
        )
        self.held: dict[str, tuple[Floats, Array]] = {}
        """Arrays that JAX has a copy of, by name: the original and the copy."""
        self.compiled: set[int] = set()
        """Numbers of examples of a short batch for which there is compiled code."""

    def _hold(self, name: str, array: Floats) -> Array:
        """Return JAX's copy of an array, made when it is first handed over; a change in place is not seen."""
        original, copy = self.held.get(name, (None, None))
        if copy is None or original is not array:
            copy = jnp.array(array)
            self.held[name] = array, copy
        return copy

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        """Pass once over the examples; see :class:`backprop_bench.data.Trainer`."""
        if order.min() < 0 or order.max() >= len(x):
            raise IndexError(f"the order names examples from {order.min()} to {order.max()}, of {len(x)}")
        inputs, targets = self._hold("x", x), self._hold("t", t)
        size = self.recipe.batch_size or len(x)
        self._compile(inputs, targets, len(x) % size)
        whole = len(order) // size
        total = 0.0
        if whole:
            batches = np.zeros((max(whole, len(x) // size), size), np.int32)
            batches[:whole] = order[: whole * size].reshape(whole, size)
            self.weights, loss = train_batches(self.recipe, self.weights, inputs, targets, jnp.array(batches), whole)
            total += float(loss)
        if whole * size < len(order):
            rest = jnp.array(order[whole * size :].astype(np.int32))
            self.weights, loss = step(self.recipe, self.weights, inputs, targets, rest)
            total += float(loss)
        return total / len(order)

    def _compile(self, inputs: Array, targets: Array, n_examples: int) -> None:
        """Compile the step for the last batch of a whole epoch, which may be short, without changing weights."""
        if n_examples and n_examples not in self.compiled:
            step(self.recipe, self.weights, inputs, targets, jnp.zeros(n_examples, jnp.int32))
            self.compiled.add(n_examples)

    def gradients(self, x: Floats, t: Floats) -> Parameters:
        """Return dE/dw of one batch; see :class:`backprop_bench.data.Trainer`."""
        gradients = jax.grad(functools.partial(loss_of, self.recipe))(self.weights, jnp.array(x), jnp.array(t))
        return _layers(gradients)

    def predict(self, x: Floats) -> Floats:
        """Return the outputs [N, C]."""
        return np.array(OUTPUTS[self.recipe.output_activation](forward(self.recipe, self.weights, jnp.array(x))))

    def parameters(self) -> Parameters:
        """Return copies of the weights."""
        return _layers(self.weights)


def _layers(weights: Weights) -> Parameters:
    return tuple(Layer(np.array(weight), None if bias is None else np.array(bias)) for weight, bias in weights)
