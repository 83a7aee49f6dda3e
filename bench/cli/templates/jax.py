"""A loss in JAX, which derives the gradients, checked with `python FILE`, or with `backprop-bench parity FILE:Mine`."""

import os

os.environ["JAX_ENABLE_X64"] = "True"  # before the import: the check computes in float64, too

import jax
import jax.numpy as jnp

import backprop_bench as bb


def logits(weights, x):
    """Return the outputs before softmax; x is [examples, inputs], weights are [inputs, units]."""
    W1, b1, W2, b2 = weights
    return jax.nn.sigmoid(x @ W1 + b1) @ W2 + b2


@jax.jit
def predict(weights, x):
    return jax.nn.softmax(logits(weights, x))


def loss(weights, x, t):
    return -jnp.sum(t * jax.nn.log_softmax(logits(weights, x))) / len(x)


loss_and_gradients = jax.jit(jax.value_and_grad(loss))

Mine = bb.adapt(loss_and_gradients, predict=predict)

if __name__ == "__main__":
    print(bb.check(Mine))
