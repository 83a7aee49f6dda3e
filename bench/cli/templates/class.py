"""A class that trains itself, checked with `python FILE`, or with `backprop-bench parity FILE:Mine`."""

import numpy as np

import backprop_bench as bb


class Network:
    """One hidden layer of sigmoids, then softmax; x is [examples, inputs], weights are [inputs, units]."""

    def __init__(self, sizes):
        rng = np.random.default_rng()
        inputs, hidden, outputs = sizes
        self.W1, self.b1 = rng.normal(0, inputs**-0.5, (inputs, hidden)), np.zeros(hidden)
        self.W2, self.b2 = rng.normal(0, hidden**-0.5, (hidden, outputs)), np.zeros(outputs)

    def forward(self, x):
        self.h = 1 / (1 + np.exp(-(x @ self.W1 + self.b1)))
        z = self.h @ self.W2 + self.b2
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def train(self, x, t, learning_rate):
        """Train on one batch; return its loss before the update."""
        y = self.forward(x)
        dz2 = (y - t) / len(x)
        dz1 = dz2 @ self.W2.T * self.h * (1 - self.h)
        self.W2 -= learning_rate * self.h.T @ dz2
        self.b2 -= learning_rate * dz2.sum(axis=0)
        self.W1 -= learning_rate * x.T @ dz1
        self.b1 -= learning_rate * dz1.sum(axis=0)
        return -np.sum(t * np.log(y)) / len(x)


# The names of the weights, from the inputs on. The suite sets them, trains, and reads them.
Mine = bb.adapt(Network, weights=["W1", "b1", "W2", "b2"], train="train", predict="forward")

if __name__ == "__main__":
    print(bb.check(Mine))
