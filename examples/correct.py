"""A network of one hidden layer, from scratch in NumPy. `backprop-bench parity examples/correct.py:Correct`."""

import numpy as np

from backprop_bench.data import Floats, Layer, Order, Parameters, Recipe, UnsupportedRecipe, check_plain

DOES: dict[str, object] = {"hidden_activation": "sigmoid", "output_activation": "softmax", "loss": "cross_entropy"}
DOES |= {"reduction": "mean", "bias": True, "optimizer": "sgd", "weight_decay": 0.0, "label_smoothing": 0.0}


class Correct:
    """Sigmoid, then softmax with cross-entropy; B examples, D inputs, J hidden units, C outputs."""

    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        name = type(self).__name__
        check_plain(name, recipe)
        for field, value in DOES.items():
            if getattr(recipe, field, value) != value:
                raise UnsupportedRecipe(name, field, f"it does {value}")
        if len(parameters) != 2:
            raise UnsupportedRecipe(name, "layer_sizes", "it does one hidden layer")
        self.recipe = recipe
        self.weights = [array.copy() for layer in parameters for array in layer.arrays()]

    def forward(self, x: Floats) -> tuple[Floats, Floats]:
        """Return the hidden activations [B, J] and the outputs [B, C] for inputs [B, D]."""
        W1, b1, W2, b2 = self.weights
        h = 1 / (1 + np.exp(-(x @ W1 + b1)))
        z = h @ W2 + b2
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return h, e / e.sum(axis=1, keepdims=True)

    def backward(self, x: Floats, t: Floats, h: Floats, y: Floats) -> Parameters:
        """Return dE/dw of a batch from its activations and targets [B, C]."""
        dz2 = (y - t) / len(x)
        dz1 = dz2 @ self.weights[2].T * h * (1 - h)
        return Layer(x.T @ dz1, dz1.sum(axis=0)), Layer(h.T @ dz2, dz2.sum(axis=0))

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        loss, size = 0.0, self.recipe.batch_size or len(order)
        for start in range(0, len(order), size):
            examples = order[start : start + size]
            h, y = self.forward(x[examples])
            loss -= float(np.log(y[t[examples] == 1]).sum())
            dW1, dW2 = self.backward(x[examples], t[examples], h, y)
            for w, dw in zip(self.weights, (*dW1.arrays(), *dW2.arrays()), strict=True):
                w -= self.recipe.learning_rate * dw
        return loss / len(order)

    def gradients(self, x: Floats, t: Floats) -> Parameters:
        return self.backward(x, t, *self.forward(x))

    def predict(self, x: Floats) -> Floats:
        return self.forward(x)[1]

    def parameters(self) -> Parameters:
        W1, b1, W2, b2 = (array.copy() for array in self.weights)
        return Layer(W1, b1), Layer(W2, b2)
