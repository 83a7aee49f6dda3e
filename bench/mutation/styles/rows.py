"""A row per example: x [B, D], weights [inputs, units]."""

import numpy as np

from backprop_bench.data import Floats, Layer, Order, Parameters, Recipe


def sigmoid(z: Floats) -> Floats:
    return 1 / (1 + np.exp(-z))


def softmax(z: Floats) -> Floats:
    e: Floats = np.exp(z - z.max(axis=1, keepdims=True))
    y: Floats = e / e.sum(axis=1, keepdims=True)
    return y


def relu(z: Floats) -> Floats:
    return np.maximum(z, 0)


class Rows:
    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        self.recipe = recipe
        self.W1, self.b1, self.W2, self.b2 = (array.copy() for layer in parameters for array in layer.arrays())
        self.activation = relu if recipe.hidden_activation == "relu" else sigmoid

    def forward(self, x: Floats) -> Floats:
        self.a0 = x
        self.z1 = self.a0 @ self.W1 + self.b1
        self.a1 = self.activation(self.z1)
        self.z2 = self.a1 @ self.W2 + self.b2
        self.a2 = softmax(self.z2) if self.recipe.output_activation == "softmax" else sigmoid(self.z2)
        return self.a2

    def loss(self, t: Floats) -> float:
        if self.recipe.loss == "squared_error":
            return float(0.5 * ((self.a2 - t) ** 2).sum())
        return float(-(t * np.log(self.a2)).sum())

    def derivative(self, a: Floats) -> Floats:
        if self.recipe.hidden_activation == "relu":
            return (a > 0).astype(a.dtype)
        return a * (1 - a)

    def backward(self, t: Floats) -> list[Floats]:
        error = self.a2 - t
        if self.recipe.reduction == "mean":
            error = error / len(t)
        d2 = error
        if self.recipe.loss == "squared_error":
            d2 = error * self.a2 * (1 - self.a2)
        dW2 = self.a1.T @ d2
        db2 = d2.sum(axis=0)
        back = d2 @ self.W2.T
        d1 = back * self.derivative(self.a1)
        dW1 = self.a0.T @ d1
        db1 = d1.sum(axis=0)
        return [dW1, db1, dW2, db2]

    def update(self, gradients: list[Floats]) -> None:
        rate, decay = self.recipe.learning_rate, self.recipe.weight_decay
        for w, dw in zip((self.W1, self.b1, self.W2, self.b2), gradients, strict=True):
            w -= rate * (dw + decay * w)

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        total, size = 0.0, self.recipe.batch_size or len(order)
        for start in range(0, len(order), size):
            batch = order[start : start + size]
            self.forward(x[batch])
            total += self.loss(t[batch])
            self.update(self.backward(t[batch]))
        return total / len(order)

    def gradients(self, x: Floats, t: Floats) -> Parameters:
        self.forward(x)
        dW1, db1, dW2, db2 = self.backward(t)
        return Layer(dW1, db1), Layer(dW2, db2)

    def predict(self, x: Floats) -> Floats:
        return self.forward(x).copy()

    def parameters(self) -> Parameters:
        return Layer(self.W1.copy(), self.b1.copy()), Layer(self.W2.copy(), self.b2.copy())
