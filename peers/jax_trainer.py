"""`jax`: one compiled loop over the batches of an epoch, with the optimizers of Optax."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array, lax

from backprop_bench.data import (
    ExtendedRecipe,
    Floats,
    Layer,
    Order,
    Parameters,
    Recipe,
    check_order,
    check_plain,
    epoch_of,
)

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


def optimizer_of(recipe: Recipe, rate: Any) -> optax.GradientTransformation:
    """Return the recipe's optimizer from Optax, with a learning rate.

    Momentum carries weight updates over, not gradients, so that a change of the rate leaves them as they were made.
    """
    kinds: dict[str, Callable[[], optax.GradientTransformation]] = {
        "sgd": lambda: optax.sgd(rate),
        "momentum": lambda: optax.chain(optax.scale_by_learning_rate(rate), optax.trace(recipe.momentum)),
        "rmsprop": lambda: optax.rmsprop(rate, decay=recipe.rmsprop_alpha, eps=recipe.epsilon, eps_in_sqrt=False),
        "adam": lambda: optax.adam(rate, b1=recipe.beta1, b2=recipe.beta2, eps=recipe.epsilon),
    }
    optimizer = kinds[recipe.optimizer]()
    return optax.chain(optax.add_decayed_weights(recipe.weight_decay), optimizer) if recipe.weight_decay else optimizer


class Trained(NamedTuple):
    """What changes from batch to batch: the weights, the state of the optimizer, and the loss summed over examples."""

    weights: Weights
    state: Any
    loss: Array


def step(recipe: Recipe, before: Trained, rate: Array, x: Array, t: Array, examples: Array) -> Trained:
    """Return what some examples of x [N, D] and t [N, C] make of the weights with a learning rate."""
    loss, gradients = jax.value_and_grad(functools.partial(loss_of, recipe))(before.weights, x[examples], t[examples])
    updates, state = optimizer_of(recipe, rate).update(gradients, before.state, before.weights)
    weights: Any = optax.apply_updates(before.weights, updates)
    return Trained(weights, state, before.loss + (loss * len(examples) if recipe.reduction == "mean" else loss))


@functools.partial(jax.jit, static_argnums=0, donate_argnums=1)
def train_batch(recipe: Recipe, before: Trained, rate: Array, x: Array, t: Array, examples: Array) -> Trained:
    """Do the same in one compiled call, which overwrites ``before``."""
    return step(recipe, before, rate, x, t, examples)


@functools.partial(jax.jit, static_argnums=0, donate_argnums=1)
def train_batches(
    recipe: Recipe, before: Trained, rate: Array, x: Array, t: Array, batches: Array, n_batches: int
) -> Trained:
    """Return what the first ``n_batches`` of the batches [M, B] make of the weights; overwrites ``before``.

    The number of batches is not compiled in, so that every part of an epoch runs the same code.
    """

    def one(number: int, carried: Trained) -> Trained:
        return step(recipe, carried, rate, x, t, batches[number])

    result: Trained = lax.fori_loop(0, n_batches, one, before)
    return result


class JaxTrainer:
    """A multilayer perceptron in JAX; what it compiles is in the first call of `train_epoch`."""

    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        check_plain("jax", recipe)
        if recipe.dtype == "float64":
            jax.config.update("jax_enable_x64", True)  # type: ignore[no-untyped-call]
        self.recipe = ExtendedRecipe.of(recipe)
        self.fixed = recipe.replace(seed=0, epochs=0)  # what is compiled is for all seeds
        weights: Weights = tuple(
            (jnp.array(layer.weight), None if layer.bias is None else jnp.array(layer.bias)) for layer in parameters
        )
        state = optimizer_of(recipe, recipe.learning_rate).init(weights)
        self.trained = Trained(weights, state, jnp.zeros((), recipe.dtype))
        self.n_visited = 0
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
        check_order(order, len(x))
        inputs, targets = self._hold("x", x), self._hold("t", t)
        size = self.recipe.batch_size or len(x)
        epoch_rate, _ = self.recipe.rates(epoch_of(self.recipe, self.n_visited, len(x)))
        self.n_visited += len(order)
        rate = jnp.asarray(epoch_rate, self.recipe.dtype)
        self._compile(rate, inputs, targets, len(x) % size)
        whole = len(order) // size
        self.trained = self.trained._replace(loss=jnp.zeros((), self.recipe.dtype))
        if whole:
            batches = np.zeros((max(whole, len(x) // size), size), np.int32)
            batches[:whole] = order[: whole * size].reshape(whole, size)
            self.trained = train_batches(self.fixed, self.trained, rate, inputs, targets, jnp.array(batches), whole)
        if whole * size < len(order):
            rest = jnp.array(order[whole * size :].astype(np.int32))
            self.trained = train_batch(self.fixed, self.trained, rate, inputs, targets, rest)
        return float(self.trained.loss) / len(order)

    def _compile(self, rate: Array, inputs: Array, targets: Array, n_examples: int) -> None:
        """Compile the step for the last batch of a whole epoch, which may be short, without changing weights."""
        if n_examples and n_examples not in self.compiled:
            copies = jax.tree.map(jnp.copy, self.trained)
            train_batch(self.fixed, copies, rate, inputs, targets, jnp.zeros(n_examples, jnp.int32))
            self.compiled.add(n_examples)

    def gradients(self, x: Floats, t: Floats) -> Parameters:
        """Return dE/dw of one batch; see :class:`backprop_bench.data.Trainer`."""
        gradients = jax.grad(functools.partial(loss_of, self.recipe))(self.trained.weights, jnp.array(x), jnp.array(t))
        return _layers(gradients)

    def predict(self, x: Floats) -> Floats:
        """Return the outputs [N, C]."""
        return np.array(
            OUTPUTS[self.recipe.output_activation](forward(self.recipe, self.trained.weights, jnp.array(x)))
        )

    def parameters(self) -> Parameters:
        """Return copies of the weights."""
        return _layers(self.trained.weights)


def _layers(weights: Weights) -> Parameters:
    return tuple(Layer(np.array(weight), None if bias is None else np.array(bias)) for weight, bias in weights)
