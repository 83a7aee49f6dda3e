"""A column per example: x [D, B], weights [units, inputs], biases [units, 1], all in dictionaries."""

import numpy as np

from backprop_bench.data import Floats, Layer, Order, Parameters, Recipe


def sigmoid(z: Floats) -> Floats:
    return 1 / (1 + np.exp(-z))


def softmax(z: Floats) -> Floats:
    e: Floats = np.exp(z - np.max(z, axis=0, keepdims=True))
    y: Floats = e / np.sum(e, axis=0, keepdims=True)
    return y


def relu(z: Floats) -> Floats:
    return z * (z > 0)


class Columns:
    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        self.recipe, self.params = recipe, {}
        for n, layer in enumerate(parameters, start=1):
            self.params[f"W{n}"] = layer.weight.T.copy()
            assert layer.bias is not None
            self.params[f"b{n}"] = layer.bias.reshape(-1, 1).copy()

    def forward_propagation(self, X: Floats) -> dict[str, Floats]:
        hidden = relu if self.recipe.hidden_activation == "relu" else sigmoid
        last = softmax if self.recipe.output_activation == "softmax" else sigmoid
        Z1 = np.dot(self.params["W1"], X) + self.params["b1"]
        A1 = hidden(Z1)
        Z2 = np.dot(self.params["W2"], A1) + self.params["b2"]
        A2 = last(Z2)
        return {"A0": X, "Z1": Z1, "A1": A1, "Z2": Z2, "A2": A2}

    def compute_cost(self, A2: Floats, Y: Floats) -> float:
        if self.recipe.loss == "squared_error":
            return float(np.sum((A2 - Y) ** 2) / 2)
        return float(-np.sum(Y * np.log(A2)))

    def backward_propagation(self, cache: dict[str, Floats], Y: Floats) -> dict[str, Floats]:
        m = Y.shape[1] if self.recipe.reduction == "mean" else 1
        A0, A1, A2 = cache["A0"], cache["A1"], cache["A2"]
        dA2 = A2 - Y
        dZ2 = dA2 * A2 * (1 - A2) if self.recipe.loss == "squared_error" else dA2
        dW2 = np.dot(dZ2, A1.T) / m
        db2 = np.sum(dZ2, axis=1, keepdims=True) / m
        dA1 = np.dot(self.params["W2"].T, dZ2)
        dZ1 = dA1 * (A1 > 0) if self.recipe.hidden_activation == "relu" else dA1 * A1 * (1 - A1)
        dW1 = np.dot(dZ1, A0.T) / m
        db1 = np.sum(dZ1, axis=1, keepdims=True) / m
        return {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}

    def update_parameters(self, grads: dict[str, Floats]) -> None:
        alpha, decay = self.recipe.learning_rate, self.recipe.weight_decay
        for name in self.params:
            self.params[name] = self.params[name] - alpha * (grads[name] + decay * self.params[name])

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        cost, size = 0.0, self.recipe.batch_size or len(order)
        for k in range(0, len(order), size):
            X, Y = x[order[k : k + size]].T, t[order[k : k + size]].T
            cache = self.forward_propagation(X)
            cost += self.compute_cost(cache["A2"], Y)
            self.update_parameters(self.backward_propagation(cache, Y))
        return cost / len(order)

    def gradients(self, x: Floats, t: Floats) -> Parameters:
        grads = self.backward_propagation(self.forward_propagation(x.T), t.T)
        return self.layers(grads)

    def predict(self, x: Floats) -> Floats:
        return self.forward_propagation(x.T)["A2"].T.copy()

    def parameters(self) -> Parameters:
        return self.layers(self.params)

    def layers(self, arrays: dict[str, Floats]) -> Parameters:
        return tuple(Layer(arrays[f"W{n}"].T.copy(), arrays[f"b{n}"].ravel().copy()) for n in (1, 2))
