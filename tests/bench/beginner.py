"""A network as somebody writes it for the first time, of any depth; the tests plant mistakes in its source."""

import numpy as np

from backprop_bench.data import Floats, Layer, Order, Parameters, Recipe


def sigmoid(z: Floats) -> Floats:
    return 1 / (1 + np.exp(-z))


def softmax(z: Floats) -> Floats:
    e: Floats = np.exp(z - z.max(axis=1, keepdims=True))
    y: Floats = e / e.sum(axis=1, keepdims=True)
    return y


class Beginner:
    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        self.recipe = recipe
        self.rate = recipe.learning_rate
        self.w = [array.copy() for layer in parameters for array in layer.arrays()]
        self.v = [np.zeros_like(w) for w in self.w]
        self.epoch = 0

    def forward(self, x: Floats) -> list[Floats]:
        y = [x]
        for W, b in zip(self.w[::2], self.w[1::2], strict=True):
            z = y[-1] @ W + b
            y.append(sigmoid(z))
        if self.recipe.output_activation == "softmax":
            y[-1] = softmax(z)
        return y

    def loss(self, y: Floats, t: Floats) -> float:
        if self.recipe.loss == "cross_entropy":
            return float(-(t * np.log(y)).sum())
        return float(0.5 * ((y - t) ** 2).sum())

    def backward(self, y: list[Floats], t: Floats) -> Parameters:
        dz = y[-1] - t
        if self.recipe.loss == "squared_error":
            dz = dz * y[-1] * (1 - y[-1])
        if self.recipe.reduction == "mean":
            dz = dz / len(t)
        layers: Parameters = ()
        for n in reversed(range(len(y) - 1)):
            layers = (Layer(y[n].T @ dz, dz.sum(axis=0)), *layers)
            dz = dz @ self.w[2 * n].T * y[n] * (1 - y[n])
        return layers

    def change(self, layers: Parameters) -> None:
        gradients = [array for layer in layers for array in layer.arrays()]
        for w, v, dw in zip(self.w, self.v, gradients, strict=True):
            v[...] = self.recipe.momentum * v - self.rate * (dw + self.recipe.weight_decay * w)
            w += v

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        self.rate, _ = self.recipe.rates(self.epoch)
        self.epoch += 1
        total, size = 0.0, self.recipe.batch_size or len(order)
        for start in range(0, len(order), size):
            examples = order[start : start + size]
            y = self.forward(x[examples])
            total += self.loss(y[-1], t[examples])
            self.change(self.backward(y, t[examples]))
        return total / len(order)

    def gradients(self, x: Floats, t: Floats) -> Parameters:
        return self.backward(self.forward(x), t)

    def predict(self, x: Floats) -> Floats:
        return self.forward(x)[-1]

    def parameters(self) -> Parameters:
        return tuple(Layer(W.copy(), b.copy()) for W, b in zip(self.w[::2], self.w[1::2], strict=True))
