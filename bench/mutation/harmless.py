"""Changes that only round differently, and mistakes that verification is known to miss."""

from backprop_bench.bench.mutation.edit import Edit, Mutation

_ACTIVATIONS, _LOSSES, _OPTIMIZERS, _TRAINER = (
    "backprop_bench.scratch.activations",
    "backprop_bench.scratch.losses",
    "backprop_bench.scratch.optimizers",
    "backprop_bench.scratch.numpy_trainer",
)
_BOTH = ("softmax", "softmax, float32")
_WITH_DROPOUT = (*_BOTH, "dropout")
_SQUARED = ("squared error", "squared error, float32")
_MASKS = "self.masks(len(examples))"
_FORWARD = "total = self.product(fed[-1], layer.weight)"
_ADAM = "w -= self.learning_rate * (m / correction1) / (np.sqrt(v / correction2) + self.epsilon)"
_DECAY = "self.inner.step([g + self.weight_decay * w for w, g in zip(self.weights, gradients, strict=True)])"
_MOMENTUM = """
change[...] = self.momentum * change - self.learning_rate * g
w += change
"""


def _harmless(name: str, recipes: tuple[str, ...], *edits: tuple[str, str, str]) -> Mutation:
    return Mutation(name, tuple(Edit(*edit) for edit in edits), recipes, kind="harmless")


HARMLESS = (
    _harmless("nothing is changed", (*_BOTH, *_SQUARED, "relu, biases from 0", "adam and decay")),
    _harmless(
        "the sigmoid is ½ (1 + tanh ½z)",
        _BOTH,
        (_ACTIVATIONS, "1 / (1 + np.exp(-z))", "0.5 * (1 + np.tanh(0.5 * z))"),
    ),
    _harmless("the derivative of the sigmoid is y − y²", _SQUARED, (_ACTIVATIONS, "y * (1 - y)", "y - np.square(y)")),
    _harmless("the derivative of tanh is (1 − y)(1 + y)", ("tanh",), (_ACTIVATIONS, "1 - y * y", "(1 - y) * (1 + y)")),
    _harmless("the derivative of tanh has y to the power of 2", ("tanh",), (_ACTIVATIONS, "y * y", "y**2")),
    _harmless(
        "relu is a condition",
        ("relu", "relu, biases from 0"),
        (_ACTIVATIONS, "np.maximum(z, 0)", "np.where(z > 0, z, 0)"),
    ),
    _harmless("the derivative of relu is a sign", ("relu",), (_ACTIVATIONS, "y > 0", "np.sign(y)")),
    _harmless(
        "softmax does not subtract the largest z", _BOTH, (_ACTIVATIONS, "z - z.max(axis=1, keepdims=True)", "z + 0.0")
    ),
    _harmless(
        "softmax is the exponential of its logarithm",
        _BOTH,
        (_ACTIVATIONS, "e / e.sum(axis=1, keepdims=True)", "np.exp(np.log(e) - np.log(e.sum(axis=1, keepdims=True)))"),
    ),
    _harmless(
        "the derivative is multiplied by np.multiply, in the other order",
        _SQUARED,
        (
            _TRAINER,
            "dy * self.derivative(forward.y[layer])",
            "np.multiply(self.derivative(forward.y[layer]), dy)",
        ),
    ),
    _harmless(
        "the pre-activation is summed by einsum",
        _BOTH,
        (_TRAINER, _FORWARD, "total = np.einsum('bi,ij->bj', y[-1], layer.weight)"),
    ),
    _harmless(
        "the pre-activation is summed from the last unit to the first",
        _BOTH,
        (_TRAINER, _FORWARD, "total = fed[-1][:, ::-1] @ layer.weight[::-1]"),
    ),
    _harmless(
        "the bias is the weight of a unit that is always 1",
        _BOTH,
        (
            _TRAINER,
            _FORWARD + "\nif layer.bias is not None:\n    total += layer.bias",
            "total = np.hstack([y[-1], np.ones_like(y[-1][:, :1])]) @ np.vstack([layer.weight, layer.bias])",
        ),
    ),
    _harmless(
        "the gradient of the weights is summed example by example",
        _SQUARED,
        (_TRAINER, "self.product(y.T, dz)", "sum(np.outer(a, b) for a, b in zip(y, dz))"),
    ),
    _harmless(
        "the gradient of the weights is summed in float64, then rounded",
        _SQUARED,
        (_TRAINER, "self.product(y.T, dz)", "(y.T.astype(np.float64) @ dz).astype(y.dtype)"),
    ),
    _harmless(
        "the gradient of the biases is a product with ones",
        _SQUARED,
        (_TRAINER, "dz.sum(axis=0)", "np.ones(len(dz), dz.dtype) @ dz"),
    ),
    _harmless("the mean is a product with 1/B", _BOTH, (_TRAINER, "dz / len(t)", "dz * (1 / len(t))")),
    _harmless(
        "the examples of a batch are summed in the order of the file",
        _BOTH,
        (_TRAINER, "order[start : start + batch_size]", "np.sort(order[start : start + batch_size])"),
    ),
    _harmless(
        "the batch is copied",
        _WITH_DROPOUT,
        (_TRAINER, f"self.forward(x[examples], {_MASKS})", f"self.forward(x[examples].copy(), {_MASKS})"),
    ),
    _harmless(
        "the squared error is summed by math.fsum",
        _SQUARED,
        (_LOSSES, "import numpy as np", "import math\nimport numpy as np"),
        (_LOSSES, "0.5 * np.square(errors(y, t)).sum()", "math.fsum((0.5 * errors(y, t) ** 2).ravel().tolist())"),
    ),
    _harmless(
        "the cross-entropy is summed from the outputs",
        _BOTH,
        (_LOSSES, "t * log_y", "t * np.log(y)"),
    ),
    _harmless(
        "the cross-entropy of sigmoid outputs is summed from the outputs",
        ("sigmoid cross-entropy",),
        (
            _LOSSES,
            "np.maximum(z, 0) - z * t + np.log1p(np.exp(-np.abs(z)))",
            "-(t * np.log(y) + (1 - t) * np.log(1 - y))",
        ),
    ),
    _harmless(
        "the velocity of momentum does not contain the learning rate, as in PyTorch",
        ("momentum",),
        (_OPTIMIZERS, _MOMENTUM, "change[...] = self.momentum * change + g\nw -= self.learning_rate * change"),
    ),
    _harmless("the root of RMSprop is a power", ("rmsprop",), (_OPTIMIZERS, "np.sqrt(s)", "s**0.5")),
    _harmless(
        "Adam has a step size, as in PyTorch",
        ("adam", "adam and decay"),
        (
            _OPTIMIZERS,
            _ADAM,
            "w -= self.learning_rate / correction1 * m / (np.sqrt(v) / np.sqrt(correction2) + self.epsilon)",
        ),
    ),
    _harmless(
        "the first moment of Adam moves towards the gradient",
        ("adam",),
        (_OPTIMIZERS, "self.beta1 * m + (1 - self.beta1) * g", "m + (1 - self.beta1) * (g - m)"),
    ),
    _harmless(
        "weight decay bypasses plain gradient descent, which is the same",
        ("decay",),
        (
            _OPTIMIZERS,
            _DECAY,
            """
for w in self.weights:
    w *= 1 - self.inner.learning_rate * self.weight_decay
self.inner.step(gradients)
""",
        ),
    ),
)

UNSEEN = (
    Mutation(
        "the weight updates of a float32 recipe with 784 inputs are rounded to half precision",
        (
            Edit(
                _OPTIMIZERS,
                "w -= self.learning_rate * g",
                "w -= (self.learning_rate * g).astype(np.float16)",
            ),
        ),
        ("wide, float32",),
        "the tolerance for sums of 784 products is larger than this error; with 12 inputs it is caught",
        "unseen",
    ),
)
