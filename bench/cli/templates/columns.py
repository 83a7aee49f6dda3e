"""A network with examples in columns, checked with `python FILE`, or with `backprop-bench parity FILE:Mine`."""

import numpy as np

import backprop_bench as bb


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def forward(parameters, X):
    """Return hidden activations and outputs; X is [inputs, examples], weights are [units, inputs]."""
    A1 = sigmoid(parameters["W1"] @ X + parameters["b1"])
    Z2 = parameters["W2"] @ A1 + parameters["b2"]
    E = np.exp(Z2 - Z2.max(axis=0))
    return A1, E / E.sum(axis=0)


def predict(parameters, X):
    return forward(parameters, X)[1]


def loss_and_gradients(parameters, X, T):
    m = X.shape[1]
    A1, A2 = forward(parameters, X)
    loss = -np.sum(T * np.log(A2)) / m
    dZ2 = A2 - T
    dZ1 = parameters["W2"].T @ dZ2 * A1 * (1 - A1)
    return loss, {
        "dW1": dZ1 @ X.T / m,
        "db1": dZ1.sum(axis=1, keepdims=True) / m,
        "dW2": dZ2 @ A1.T / m,
        "db2": dZ2.sum(axis=1, keepdims=True) / m,
    }


Mine = bb.adapt(loss_and_gradients, predict=predict, weights=["W1", "b1", "W2", "b2"], layout="columns")

if __name__ == "__main__":
    print(bb.check(Mine))
