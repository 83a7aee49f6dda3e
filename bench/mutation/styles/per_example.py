"""One example at a time, as column vectors; the gradients of a batch are summed in a loop."""

import numpy as np

from backprop_bench.data import Floats, Layer, Order, Parameters, Recipe


def sigmoid(z: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-z))


def softmax(z: Floats) -> Floats:
    exps: Floats = np.exp(z - max(z))
    y: Floats = exps / sum(exps)
    return y


def relu(z: Floats) -> Floats:
    return np.where(z > 0, z, 0)


class Network:
    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        self.recipe = recipe
        self.weights = [layer.weight.T.copy() for layer in parameters]
        self.biases = [layer.bias[:, None].copy() for layer in parameters if layer.bias is not None]
        self.hidden = relu if recipe.hidden_activation == "relu" else sigmoid
        self.last = softmax if recipe.output_activation == "softmax" else sigmoid

    def feedforward(self, a: Floats) -> Floats:
        hidden = self.hidden(self.weights[0] @ a + self.biases[0])
        return self.last(self.weights[1] @ hidden + self.biases[1])

    def backprop(self, x: Floats, y: Floats) -> tuple[list[Floats], list[Floats]]:
        z = self.weights[0] @ x + self.biases[0]
        a = self.hidden(z)
        output = self.feedforward(x)
        cost = output - y
        delta = cost
        if self.recipe.loss == "squared_error":
            delta = cost * output * (1 - output)
        nabla_w2, nabla_b2 = np.dot(delta, a.transpose()), delta
        error = np.dot(self.weights[1].transpose(), delta)
        hidden_delta = error * self.prime(a)
        nabla_w1, nabla_b1 = np.dot(hidden_delta, x.transpose()), hidden_delta
        return [nabla_w1, nabla_w2], [nabla_b1, nabla_b2]

    def prime(self, a: Floats) -> Floats:
        if self.recipe.hidden_activation == "relu":
            return np.where(a > 0, 1.0, 0.0).astype(a.dtype)
        return a * (1 - a)

    def sums(self, mini_batch: list[tuple[Floats, Floats]]) -> tuple[list[Floats], list[Floats]]:
        nabla_w, nabla_b = [np.zeros_like(w) for w in self.weights], [np.zeros_like(b) for b in self.biases]
        for x, y in mini_batch:
            delta_w, delta_b = self.backprop(x, y)
            nabla_w = [total + new for total, new in zip(nabla_w, delta_w, strict=True)]
            nabla_b = [total + new for total, new in zip(nabla_b, delta_b, strict=True)]
        n = len(mini_batch) if self.recipe.reduction == "mean" else 1
        return [w / n for w in nabla_w], [b / n for b in nabla_b]

    def update_mini_batch(self, mini_batch: list[tuple[Floats, Floats]]) -> None:
        eta, lmbda = self.recipe.learning_rate, self.recipe.weight_decay
        nabla_w, nabla_b = self.sums(mini_batch)
        self.weights = [w - eta * (nw + lmbda * w) for w, nw in zip(self.weights, nabla_w, strict=True)]
        self.biases = [b - eta * (nb + lmbda * b) for b, nb in zip(self.biases, nabla_b, strict=True)]

    def cost(self, x: Floats, y: Floats) -> float:
        output = self.feedforward(x)
        if self.recipe.loss == "squared_error":
            return float(0.5 * np.linalg.norm(output - y) ** 2)
        return float(-np.sum(y * np.log(output)))

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        data = [(x[n][:, None], t[n][:, None]) for n in order]
        size, total = self.recipe.batch_size or len(data), 0.0
        for k in range(0, len(data), size):
            total += sum(self.cost(*example) for example in data[k : k + size])
            self.update_mini_batch(data[k : k + size])
        return total / len(data)

    def gradients(self, x: Floats, t: Floats) -> Parameters:
        nabla_w, nabla_b = self.sums([(a[:, None], b[:, None]) for a, b in zip(x, t, strict=True)])
        return tuple(Layer(w.T.copy(), b.ravel().copy()) for w, b in zip(nabla_w, nabla_b, strict=True))

    def predict(self, x: Floats) -> Floats:
        return np.array([self.feedforward(a[:, None]).ravel() for a in x])

    def parameters(self) -> Parameters:
        return tuple(Layer(w.T.copy(), b.ravel().copy()) for w, b in zip(self.weights, self.biases, strict=True))
