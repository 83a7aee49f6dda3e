"""`keras`: layers and optimizers of Keras on TensorFlow; XLA compiles one loop over the batches of an epoch."""

import os
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # no notes about the processor

import keras
import numpy as np
import tensorflow as tf

from backprop_bench.data import (
    ExtendedRecipe,
    Floats,
    Layer,
    Order,
    Parameters,
    Recipe,
    UnsupportedRecipe,
    check_order,
    check_plain,
    epoch_of,
)

OUTPUTS: dict[str, Any] = {"sigmoid": keras.ops.sigmoid, "softmax": keras.ops.softmax, "identity": lambda z: z}


def check(recipe: Recipe) -> None:
    """Raise `UnsupportedRecipe` for what Keras does otherwise."""
    if recipe.optimizer == "rmsprop":
        raise UnsupportedRecipe("keras", "optimizer", "its RMSprop adds epsilon before the root; it does sgd and adam")
    if recipe.optimizer == "adam" and not ExtendedRecipe.of(recipe).adam_reordered:
        raise UnsupportedRecipe(
            "keras", "adam_reordered", "its Adam adds epsilon to the uncorrected root; it does True"
        )
    check_plain("keras", recipe)


def loss_of(recipe: Recipe, z: Any, t: Any) -> Any:
    """Return the loss of pre-activations z [B, C] of the output units and targets t [B, C], reduced as the recipe."""
    ops = keras.ops
    if recipe.loss == "squared_error":
        error = ops.sum(ops.square(OUTPUTS[recipe.output_activation](z) - t)) / 2
    elif recipe.output_activation == "softmax":
        error = -ops.sum(t * ops.log_softmax(z))
    else:
        error = ops.sum(ops.softplus(z) - z * t)
    return error / ops.cast(ops.shape(z)[0], z.dtype) if recipe.reduction == "mean" else error


def optimizer_of(recipe: Recipe) -> keras.optimizers.Optimizer:
    """Return the recipe's optimizer; a number that is no float64 would be rounded to float32."""
    rate = recipe.learning_rate
    if recipe.optimizer == "adam":
        return keras.optimizers.Adam(rate, np.float64(recipe.beta1), np.float64(recipe.beta2), recipe.epsilon)
    return keras.optimizers.SGD(rate, np.float64(recipe.momentum), nesterov=ExtendedRecipe.of(recipe).nesterov)


def model_of(recipe: Recipe, parameters: Parameters) -> keras.Sequential:
    """Return the network with these weights, without the activation of its output units."""
    activations = [*[recipe.hidden_activation] * (len(parameters) - 1), None]
    model = keras.Sequential(
        [
            keras.layers.Dense(width, activation, use_bias=recipe.bias)
            for width, activation in zip(recipe.layer_sizes[1:], activations, strict=True)
        ]
    )
    model.build((None, recipe.layer_sizes[0]))
    model.set_weights([array for layer in parameters for array in layer.arrays()])
    return model


class KerasTrainer:
    """A `keras.Sequential`; what XLA compiles is in the first call of `train_epoch`."""

    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        check(recipe)
        keras.config.set_floatx(recipe.dtype)
        keras.config.set_dtype_policy(recipe.dtype)
        self.recipe = ExtendedRecipe.of(recipe)
        self.model, self.optimizer = model_of(recipe, parameters), optimizer_of(recipe)
        self.weights = self.model.trainable_variables
        self.optimizer.build(self.weights)
        self.train_batch = tf.function(self._train_batch, jit_compile=True)
        self.train_batches = tf.function(self._train_batches, jit_compile=True)
        self.n_visited = 0
        self.held: dict[str, tuple[Floats, Any]] = {}
        """Arrays that TensorFlow has a copy of, by name: the original and the copy."""
        self.compiled: set[int] = set()
        """Numbers of examples of a short batch for which there is compiled code."""

    def _gradients(self, x: Any, t: Any) -> tuple[Any, list[Any]]:
        """Return the loss of a batch and dE/dw of its inputs x [B, D] and targets t [B, C]."""
        with tf.GradientTape() as tape:
            loss = loss_of(self.recipe, self.model(x, training=True), t)
        gradients: list[Any] = tape.gradient(loss, [weight.value for weight in self.weights])
        return loss, gradients

    def _train_batch(self, x: Any, t: Any, examples: Any) -> Any:
        """Update the weights by the gradient of some examples of x [N, D] and t [N, C]; returns their summed loss."""
        loss, gradients = self._gradients(tf.gather(x, examples), tf.gather(t, examples))
        if self.recipe.weight_decay:
            decay = self.recipe.weight_decay
            gradients = [gradient + decay * weight for gradient, weight in zip(gradients, self.weights, strict=True)]
        self.optimizer.apply_gradients(zip(gradients, self.weights, strict=True))
        return loss * tf.cast(tf.shape(examples)[0], loss.dtype) if self.recipe.reduction == "mean" else loss

    def _train_batches(self, x: Any, t: Any, batches: Any, n_batches: Any) -> Any:
        """Do the same with the first ``n_batches`` of the batches [M, B].

        The number of batches is not compiled in, so that every part of an epoch runs the same code. It would be by a
        loop over ``tf.range``, whose length XLA has to know.
        """
        total, number = tf.zeros((), x.dtype), tf.zeros((), tf.int32)
        while number < n_batches:
            total += self._train_batch(x, t, batches[number])
            number += 1
        return total

    def _hold(self, name: str, array: Floats) -> Any:
        """Return TensorFlow's copy of an array, made when it is first handed over; a change in place is not seen."""
        original, copy = self.held.get(name, (None, None))
        if copy is None or original is not array:
            copy = tf.constant(array)
            self.held[name] = array, copy
        return copy

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        """Pass once over the examples; see :class:`backprop_bench.data.Trainer`."""
        check_order(order, len(x))
        inputs, targets = self._hold("x", x), self._hold("t", t)
        size = self.recipe.batch_size or len(x)
        if self.recipe.changes_rates:
            rate, _ = self.recipe.rates(epoch_of(self.recipe, self.n_visited, len(x)))
            self.optimizer.learning_rate.assign(rate)
        self.n_visited += len(order)
        self._compile(inputs, targets, len(x) % size)
        whole, loss = len(order) // size, 0.0
        if whole:
            batches = np.zeros((max(whole, len(x) // size), size), np.int32)
            batches[:whole] = order[: whole * size].reshape(whole, size)
            loss += float(self.train_batches(inputs, targets, tf.constant(batches), tf.constant(whole)))
        if whole * size < len(order):
            rest = tf.constant(order[whole * size :].astype(np.int32))
            loss += float(self.train_batch(inputs, targets, rest))
        return loss / len(order)

    def _compile(self, inputs: Any, targets: Any, n_examples: int) -> None:
        """Compile the step for the last batch of a whole epoch, which may be short, without changing weights."""
        if n_examples and n_examples not in self.compiled:
            variables = [*self.weights, *self.optimizer.variables]
            values = [variable.numpy() for variable in variables]
            self.train_batch(inputs, targets, tf.zeros(n_examples, tf.int32))
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
            self.compiled.add(n_examples)

    def gradients(self, x: Floats, t: Floats) -> Parameters:
        """Return dE/dw of one batch; see :class:`backprop_bench.data.Trainer`."""
        _, gradients = self._gradients(tf.constant(x), tf.constant(t))
        return self._layers(gradients)

    def predict(self, x: Floats) -> Floats:
        """Return the outputs [N, C]."""
        outputs: Floats = OUTPUTS[self.recipe.output_activation](self.model(tf.constant(x))).numpy()
        return outputs

    def parameters(self) -> Parameters:
        """Return copies of the weights."""
        return self._layers(self.weights)

    def _layers(self, tensors: list[Any]) -> Parameters:
        arrays = [np.array(tensor.numpy()) for tensor in tensors]
        if not self.recipe.bias:
            return tuple(Layer(weight, None) for weight in arrays)
        return tuple(Layer(weight, bias) for weight, bias in zip(arrays[::2], arrays[1::2], strict=True))
