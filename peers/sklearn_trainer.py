"""`sklearn`: scikit-learn's MLPClassifier."""

import itertools
import warnings
from typing import Any

import numpy as np
from sklearn.neural_network import MLPClassifier

from backprop_bench.data import ExtendedRecipe, Floats, Layer, Order, Parameters, Recipe, UnsupportedRecipe, check_plain

ACTIVATIONS = {"sigmoid": "logistic", "tanh": "tanh", "relu": "relu"}


def check(recipe: Recipe) -> None:
    """Raise `UnsupportedRecipe` for what MLPClassifier does otherwise."""
    expected: dict[str, tuple[object, str]] = {
        "output_activation": ("softmax", "it decides by itself; it does softmax"),
        "loss": ("cross_entropy", "it has no other; it does cross_entropy"),
        "reduction": ("mean", "it does mean"),
        "bias": (True, "its units have one; it does True"),
        "weight_decay": (0.0, "it decays weights by example and spares biases; it does 0"),
    }
    for field, (value, reason) in expected.items():
        if getattr(recipe, field) != value:
            raise UnsupportedRecipe("sklearn", field, reason)
    if recipe.optimizer == "rmsprop":
        raise UnsupportedRecipe("sklearn", "optimizer", "it has no RMSprop; it does sgd, momentum and adam")
    if recipe.optimizer == "adam" and not ExtendedRecipe.of(recipe).adam_reordered:
        raise UnsupportedRecipe(
            "sklearn", "adam_reordered", "its Adam adds epsilon to the uncorrected root; it does True"
        )
    if ExtendedRecipe.of(recipe).label_smoothing:
        raise UnsupportedRecipe("sklearn", "label_smoothing", "it takes labels instead of targets; it does 0")
    check_plain("sklearn", recipe)
    if len(recipe.layer_sizes) < 3:
        raise UnsupportedRecipe("sklearn", "layer_sizes", "it has a hidden layer; it does three sizes or more")
    if recipe.layer_sizes[-1] < 3:
        raise UnsupportedRecipe(
            "sklearn", "layer_sizes", "two classes have one output there; it does 3 classes or more"
        )


class SklearnTrainer:
    """MLPClassifier, whose `partial_fit` is one pass in the order that is given."""

    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        check(recipe)
        self.recipe = recipe
        self.classes = np.arange(recipe.layer_sizes[-1])
        self.classifier = MLPClassifier(
            hidden_layer_sizes=recipe.layer_sizes[1:-1],
            activation=ACTIVATIONS[recipe.hidden_activation],
            solver="adam" if recipe.optimizer == "adam" else "sgd",
            alpha=0.0,
            batch_size=recipe.batch_size or 1,
            learning_rate_init=recipe.learning_rate,
            momentum=recipe.momentum,
            nesterovs_momentum=ExtendedRecipe.of(recipe).nesterov,
            beta_1=recipe.beta1,
            beta_2=recipe.beta2,
            epsilon=recipe.epsilon,
            shuffle=False,
        )
        nothing = np.zeros((1, recipe.layer_sizes[0]), recipe.dtype)
        self._fit(nothing, np.zeros(1, np.int64))  # makes the weights, which are then written to
        for place, layer in enumerate(parameters):
            self.classifier.coefs_[place][:] = layer.weight
            self.classifier.intercepts_[place][:] = layer.bias
        del self.classifier._optimizer  # it has seen the zeros; the next call makes another one

    def _fit(self, x: Floats, y: Any) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a batch larger than the data is cut to it, and says so
            self.classifier.partial_fit(x, y, classes=self.classes)

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        """Pass once over the examples; see :class:`backprop_bench.data.Trainer`."""
        if self.recipe.batch_size is None:
            self.classifier.batch_size = len(order)
        self._fit(x[order], t[order].argmax(axis=1))
        return float(self.classifier.loss_)

    def gradients(self, x: Floats, t: Floats) -> Parameters:
        """Return dE/dw of one batch by scikit-learn's own backward pass; see :class:`backprop_bench.data.Trainer`."""
        classifier = self.classifier
        sizes = self.recipe.layer_sizes
        activations = [x, *(np.empty((len(x), size), self.recipe.dtype) for size in sizes[1:])]
        deltas = [np.empty_like(layer) for layer in activations[1:]]
        weights = [np.empty(shape, self.recipe.dtype) for shape in itertools.pairwise(sizes)]
        biases = [np.empty(size, self.recipe.dtype) for size in sizes[1:]]
        classifier._backprop(x, t, None, activations, deltas, weights, biases)
        return tuple(Layer(weight, bias) for weight, bias in zip(weights, biases, strict=True))

    def predict(self, x: Floats) -> Floats:
        """Return the outputs [N, C]."""
        return np.asarray(self.classifier.predict_proba(x), self.recipe.dtype)

    def parameters(self) -> Parameters:
        """Return copies of the weights."""
        pairs = zip(self.classifier.coefs_, self.classifier.intercepts_, strict=True)
        return tuple(Layer(np.array(weight, order="C"), np.array(bias)) for weight, bias in pairs)
