"""A network of two functions, checked with `python FILE`, or with `backprop-bench parity FILE:Mine`."""

import numpy as np

import backprop_bench as bb


def forward(weights, x):
    """Return hidden activations and outputs; x is [examples, inputs], weights are [inputs, units]."""
    W1, b1, W2, b2 = weights
    h = 1 / (1 + np.exp(-(x @ W1 + b1)))
    z = h @ W2 + b2
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return h, e / e.sum(axis=1, keepdims=True)


def predict(weights, x):
    return forward(weights, x)[1]


def loss_and_gradients(weights, x, t):
    h, y = forward(weights, x)
    loss = -np.sum(t * np.log(y)) / len(x)
    dz2 = (y - t) / len(x)
    dz1 = dz2 @ weights[2].T * h * (1 - h)
    return loss, [x.T @ dz1, dz1.sum(axis=0), h.T @ dz2, dz2.sum(axis=0)]


Mine = bb.adapt(loss_and_gradients, predict=predict)

if __name__ == "__main__":
    print(bb.check(Mine))
