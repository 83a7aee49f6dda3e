"""Mistakes in one step: activations, loss and back-propagation."""

from backprop_bench.bench.mutation.edit import Edit, Mutation

_ACTIVATIONS, _LOSSES, _TRAINER = (
    "backprop_bench.scratch.activations",
    "backprop_bench.scratch.losses",
    "backprop_bench.scratch.numpy_trainer",
)
_DERIVATIVE = "dz = dy * self.derivative(forward.y[layer])"
_ACTIVATED_AGAIN = "self.activations[layer - 1](forward.y[layer])"
_OUTPUT, _NORMALISED = "[ACTIVATIONS[recipe.output_activation]]", "e / e.sum(axis=1, keepdims=True)"
_BACK = "dy = self.product(dz, self.layers[layer].weight.T)"
_W, _B = "self.layers[layer].weight", "self.layers[layer].bias"
_OF_Z = "dy * derivative(np.log(y / (1 - y)))"
_GRADIENTS = "gradients = tuple(map(self._gradient, forward.fed, dzs))"
_INPUTS = "y, fed = [x], []"


def _other_hidden_activation(name: str, recipes: tuple[str, ...]) -> Mutation:
    return Mutation(
        f"the hidden activation is {name}, which is not that of the recipe",
        tuple(
            Edit(_TRAINER, f"{table}[recipe.hidden_activation]", f"{table}[{name!r}]")
            for table in ("ACTIVATIONS", "DERIVATIVES")
        ),
        recipes,
        f"is your hidden activation {name}, although the recipe has another one?",
    )


DERIVATIVES = (
    Mutation(
        "the derivative of the hidden activation is missing",
        (Edit(_TRAINER, _DERIVATIVE, "dz = dy"),),
        ("squared error", "squared error, float32"),
        "did you forget to multiply by the derivative of the hidden activation?",
    ),
    Mutation(
        "the derivative of the activation is missing in the first hidden layer only",
        (Edit(_TRAINER, _DERIVATIVE, f"{_DERIVATIVE} if layer > 1 or len(self.layers) == 2 else dy"),),
        ("squared error",),
        "did you forget to multiply by the derivative of the activation in the first hidden layer?",
    ),
    Mutation(
        "the derivative of the activation is missing in the last hidden layer only",
        (Edit(_TRAINER, _DERIVATIVE, f"{_DERIVATIVE} if layer < len(self.layers) - 1 or layer == 1 else dy"),),
        ("squared error",),
        "did you forget to multiply by the derivative of the activation in the last hidden layer?",
    ),
    Mutation(
        "the derivative of the output activation is missing",
        (Edit(_LOSSES, "return dy, dy * derivative(y)", "return dy, dy"),),
        ("squared error",),
        "did you forget to multiply by the derivative of the output activation?",
    ),
    Mutation(
        "the derivatives of all activations are missing",
        (Edit(_TRAINER, _DERIVATIVE, "dz = dy"), Edit(_LOSSES, "return dy, dy * derivative(y)", "return dy, dy")),
        ("squared error",),
        "did you forget to multiply by the derivatives of the activations?",
    ),
    Mutation(
        "the derivative of the output activation takes z instead of y",
        (Edit(_LOSSES, "return dy, dy * derivative(y)", f"return dy, {_OF_Z}"),),
        ("squared error",),
        "does your derivative of the output activation expect the activation y, and do you pass z?",
    ),
    Mutation(
        "the derivatives of all activations take z instead of y",
        (
            Edit(_TRAINER, "self.derivative(forward.y[layer])", "self.derivative(forward.z[layer - 1])"),
            Edit(_LOSSES, "return dy, dy * derivative(y)", f"return dy, {_OF_Z}"),
        ),
        ("squared error",),
        "do your derivatives expect the activation y, and do you pass z in every layer?",
    ),
    Mutation(
        "the derivative of the hidden activation takes z instead of y",
        (Edit(_TRAINER, "self.derivative(forward.y[layer])", "self.derivative(forward.z[layer - 1])"),),
        ("softmax",),
        "does your derivative expect the activation y, and do you pass the pre-activation z?",
    ),
    Mutation(
        "the derivative of the hidden activation takes y as if it were z",
        (Edit(_TRAINER, "self.derivative(forward.y[layer])", f"self.derivative({_ACTIVATED_AGAIN})"),),
        ("squared error",),
        "does your derivative apply the activation function itself, and do you pass y instead of z?",
    ),
    Mutation(
        "the derivative of the output activation takes y as if it were z",
        (Edit(_LOSSES, "return dy, dy * derivative(y)", "return dy, dy * derivative(1 / (1 + np.exp(-y)))"),),
        ("squared error",),
        "does your derivative of the output activation apply the sigmoid itself, and do you pass y instead of z?",
    ),
    Mutation(
        "the derivatives of all activations take y as if it were z",
        (
            Edit(_TRAINER, "self.derivative(forward.y[layer])", f"self.derivative({_ACTIVATED_AGAIN})"),
            Edit(_LOSSES, "return dy, dy * derivative(y)", "return dy, dy * derivative(1 / (1 + np.exp(-y)))"),
        ),
        ("squared error",),
        "does your derivative apply the activation function itself, and do you pass y instead of z in every layer?",
    ),
    Mutation(
        "the error goes back through the hidden activation instead of its derivative",
        (Edit(_TRAINER, _DERIVATIVE, "dz = self.activations[layer - 1](dy)"),),
        ("relu", "tanh"),
        "do you apply the activation to the error that comes back, rather than multiply by its derivative?",
    ),
    Mutation(
        "the derivative is that of the previous layer",
        (Edit(_TRAINER, "self.derivative(forward.y[layer])", "self.derivative(forward.y[layer - 1])"),),
        ("square layers",),
        "is the index of your activations off by one in the backward pass?",
    ),
    Mutation(
        "the derivative of tanh is 1 − y instead of 1 − y²",
        (Edit(_ACTIVATIONS, "1 - y * y", "1 - y"),),
        ("tanh",),
        "did you forget the square in the derivative of tanh?",
    ),
    Mutation(
        "the derivative of relu is 1 everywhere",
        (Edit(_ACTIVATIONS, "y > 0", "y >= 0"),),
        ("relu",),
        "do you test the activation with >= 0, although it is never below 0?",
    ),
    Mutation(
        "the derivative of relu at z = 0 is 1 instead of 0",
        (
            Edit(
                _TRAINER,
                _DERIVATIVE,
                f"{_DERIVATIVE} if self.recipe.hidden_activation != 'relu' else dy * (forward.z[layer - 1] >= 0)",
            ),
        ),
        ("relu, biases from 0",),
        "is your derivative of relu 1 at z = 0, where PyTorch has 0?",
    ),
    Mutation(
        "relu is leaky",
        (Edit(_ACTIVATIONS, "np.maximum(z, 0)", "np.maximum(z, 0.01 * z)"),),
        ("relu",),
        "do you use a leaky relu?",
    ),
)

OUTPUTS = (
    Mutation(
        "softmax is applied twice in the forward pass",
        (
            Edit(
                _ACTIVATIONS,
                "y: Floats = e / e.sum(axis=1, keepdims=True)",
                "p = e / e.sum(axis=1, keepdims=True)\ny: Floats = np.exp(p) / np.exp(p).sum(axis=1, keepdims=True)",
            ),
        ),
        ("softmax",),
        "does your network end with softmax, and your loss apply it again?",
    ),
    Mutation(
        "softmax is applied twice in predict",
        (Edit(_TRAINER, "return self.forward(x).y[-1]", "return self.activations[-1](self.forward(x).y[-1])"),),
        ("softmax",),
        "does predict apply softmax to outputs of softmax?",
    ),
    Mutation(
        "predict returns the pre-activations z instead of the activations y",
        (Edit(_TRAINER, "return self.forward(x).y[-1]", "return self.forward(x).z[-1]"),),
        ("softmax", "squared error"),
        "does predict return the logits?",
    ),
    Mutation(
        "predict returns the logarithms of the activations y",
        (Edit(_TRAINER, "return self.forward(x).y[-1]", "return np.log(self.forward(x).y[-1])"),),
        ("softmax",),
        "does predict return the logarithms of the outputs?",
    ),
    Mutation(
        "the output activation is the sigmoid instead of softmax",
        (Edit(_TRAINER, _OUTPUT, _OUTPUT.replace("recipe.output_activation", "'sigmoid'")),),
        ("softmax", "linear outputs"),
        "is your output activation the sigmoid, although the recipe has another one?",
    ),
    Mutation(
        "the output activation is missing",
        (Edit(_TRAINER, _OUTPUT, _OUTPUT.replace("recipe.output_activation", "'identity'")),),
        ("softmax", "squared error"),
        "did you forget the output activation?",
    ),
    Mutation(
        "the loss applies softmax to outputs of softmax",
        (
            Edit(_LOSSES, "shifted = z - z.max(axis=1, keepdims=True)", "shifted = y"),
            Edit(
                _LOSSES,
                "return None, y - t",
                "dy = np.exp(y) / np.exp(y).sum(axis=1, keepdims=True) - t\n"
                "return None, y * (dy - (dy * y).sum(axis=1, keepdims=True))",
            ),
        ),
        ("softmax",),
        "do you give outputs of softmax to a loss that applies softmax itself, as nn.CrossEntropyLoss does?",
    ),
    Mutation(
        "softmax is applied to the sigmoid of the pre-activations",
        (Edit(_ACTIVATIONS, "e = np.exp(z - z.max(axis=1, keepdims=True))", "e = np.exp(1 / (1 + np.exp(-z)))"),),
        ("softmax",),
        "do you apply the sigmoid before softmax?",
    ),
    Mutation(
        "softmax divides by the sum over the examples",
        (Edit(_ACTIVATIONS, _NORMALISED, "e / e.sum(axis=0)"),),
        ("softmax",),
        "does your softmax sum over the examples rather than over the outputs?",
    ),
    Mutation(
        "softmax is taken over the examples",
        (
            Edit(_ACTIVATIONS, "np.exp(z - z.max(axis=1, keepdims=True))", "np.exp(z - z.max(axis=0))"),
            Edit(_ACTIVATIONS, _NORMALISED, "e / e.sum(axis=0)"),
        ),
        ("softmax",),
        "is your softmax over the outputs of each example, dim=1, rather than over the examples?",
    ),
    Mutation(
        "softmax divides by the sum over all outputs of all examples",
        (Edit(_ACTIVATIONS, _NORMALISED, "e / e.sum()"),),
        ("softmax",),
        "does your softmax sum over the whole batch rather than over the outputs of each example?",
    ),
    Mutation(
        "the biases of the hidden layers are not added",
        (Edit(_TRAINER, "layer.bias is not None", "layer.bias is not None and layer is self.layers[-1]"),),
        ("softmax",),
        "do you add the bias in every layer?",
    ),
    Mutation(
        "the biases are not added",
        (Edit(_TRAINER, "layer.bias is not None", "False"),),
        ("softmax", "squared error"),
        "do you add the biases?",
    ),
    Mutation(
        "the bias of the output layer is not added",
        (Edit(_TRAINER, "layer.bias is not None", "layer.bias is not None and layer is not self.layers[-1]"),),
        ("softmax",),
        "do you add the bias in the output layer?",
    ),
    _other_hidden_activation("tanh", ("softmax", "relu")),
    _other_hidden_activation("relu", ("softmax", "tanh")),
    _other_hidden_activation("sigmoid", ("relu", "tanh")),
    Mutation(
        "the inputs are standardised with the mean 0.1307 and the standard deviation 0.3081 of MNIST",
        (Edit(_TRAINER, _INPUTS, "y, fed = [(x - 0.1307) / 0.3081], []"),),
        ("softmax", "squared error"),
        "do you standardise the inputs, although the recipe has prepared them?",
    ),
    Mutation(
        "the inputs are divided by 255 once more",
        (Edit(_TRAINER, _INPUTS, "y, fed = [x / 255], []"),),
        ("softmax", "squared error"),
        "do you divide the inputs by 255, although the recipe has prepared them?",
    ),
    Mutation(
        "every batch of inputs is standardised",
        (Edit(_TRAINER, _INPUTS, "y, fed = [(x - x.mean()) / x.std()], []"),),
        ("softmax",),
        "do you standardise every batch by its own mean and standard deviation?",
    ),
    Mutation(
        "the initial weights are transposed",
        (
            Edit(
                _TRAINER,
                "self.layers = copy_parameters(parameters)",
                "self.layers = tuple(Layer(layer.weight.T.copy(), layer.bias.copy()) for layer in parameters)",
            ),
        ),
        ("square layers",),
        "do you keep weights as [fan_out, fan_in], as nn.Linear does?",
    ),
)

LOSSES = (
    Mutation(
        "the error is t − y instead of y − t",
        (
            Edit(_LOSSES, "return y - t", "return t - y"),
            Edit(_LOSSES, "return None, y - t", "return None, t - y"),
        ),
        ("softmax", "squared error"),
        "does your gradient begin with y − t rather than t − y?",
    ),
    Mutation(
        "the gradient of the squared error lacks the ½",
        (Edit(_LOSSES, "dy = errors(y, t)", "dy = 2 * errors(y, t)"),),
        ("squared error",),
        "is your squared error without the ½?",
    ),
    Mutation(
        "the gradient of the squared error lacks the ½, and is the mean over the outputs",
        (Edit(_LOSSES, "dy = errors(y, t)", "dy = 2 / t.shape[1] * errors(y, t)"),),
        ("squared error",),
        "is your squared error that of nn.MSELoss: the mean over the outputs, without the ½?",
    ),
    Mutation(
        "the loss lacks the ½, the gradient has it",
        (Edit(_LOSSES, "0.5 * np.square(errors(y, t)).sum()", "np.square(errors(y, t)).sum()"),),
        ("squared error",),
        "is the loss that you report without the ½?",
    ),
    Mutation(
        "the reported squared error is the mean over the outputs",
        (Edit(_LOSSES, "0.5 * np.square(errors(y, t)).sum()", "0.5 * np.square(errors(y, t)).mean(axis=1).sum()"),),
        ("squared error",),
        "do you report the mean over the outputs, as nn.MSELoss does, rather than their sum?",
    ),
    Mutation(
        "the gradient is that of binary cross-entropies of the softmax outputs",
        (
            Edit(
                _LOSSES,
                "return None, y - t",
                "dy = (y - t) / (y * (1 - y))\nreturn None, y * (dy - (dy * y).sum(axis=1, keepdims=True))",
            ),
        ),
        ("softmax",),
        "do you train softmax outputs with one binary cross-entropy each?",
    ),
    Mutation(
        "the reported loss is that of binary cross-entropies, the gradient that of softmax",
        (Edit(_LOSSES, "t * log_y", "t * log_y + (1 - t) * np.log1p(-np.exp(log_y))"),),
        ("softmax",),
        "do you report the loss that you differentiate?",
    ),
    Mutation(
        "the derivative y(1 − y) is not cancelled from the gradient of the cross-entropy",
        (Edit(_LOSSES, "return None, y - t", "return None, (y - t) * y * (1 - y)"),),
        ("softmax", "sigmoid cross-entropy"),
        "did you multiply the gradient of the cross-entropy by y(1 − y), which it already contains?",
    ),
    Mutation(
        "the cross-entropy is taken with logarithms to base 2",
        (Edit(_LOSSES, "t * log_y", "t * log_y / np.log(2)"),),
        ("softmax",),
        "do you use the natural logarithm?",
    ),
    Mutation(
        "the reported loss of sigmoid outputs lacks (1 − t) ln(1 − y)",
        (
            Edit(
                _LOSSES,
                "(np.maximum(z, 0) - z * t + np.log1p(np.exp(-np.abs(z)))).sum()",
                "(t * np.log1p(np.exp(-z))).sum()",
            ),
        ),
        ("sigmoid cross-entropy",),
        "did you forget the outputs that should be 0?",
    ),
)

REDUCTIONS = (
    Mutation(
        "the gradient is the sum over the batch instead of the mean",
        (Edit(_TRAINER, "self.recipe.reduction == 'mean'", "False"),),
        ("softmax",),
        "did you sum over the examples, although the recipe takes their mean?",
    ),
    Mutation(
        "the gradient is the mean over the batch instead of the sum",
        (Edit(_TRAINER, "self.recipe.reduction == 'mean'", "True"),),
        ("squared error",),
        "did you take the mean over the examples, although the recipe sums?",
    ),
    Mutation(
        "the gradient is the mean over batch and outputs",
        (Edit(_TRAINER, "dz / len(t)", "dz / t.size"),),
        ("softmax", "linear outputs"),
        "did you take the mean over the outputs as well, as nn.MSELoss does?",
    ),
    Mutation(
        "a short batch is divided by the size of a full one",
        (Edit(_TRAINER, "dz / len(t)", "dz / self.recipe.batch_size"),),
        ("softmax", "softmax, float32"),
        "do you divide the last batch by batch_size, although it is shorter?",
    ),
    Mutation(
        "the gradient of the biases is averaged over the batch, which that of the weights is not",
        (Edit(_TRAINER, "dz.sum(axis=0)", "dz.mean(axis=0)"),),
        ("squared error", "squared error, float32"),
        "is the gradient of the biases averaged over the batch, although that of the weights is summed?",
    ),
    Mutation(
        "the gradient of the biases is the sum over the batch, that of the weights the mean",
        (Edit(_TRAINER, "dz.sum(axis=0)", "len(dz) * dz.sum(axis=0)"),),
        ("softmax",),
        "do you sum the gradient of the biases over the examples, and average that of the weights?",
    ),
    Mutation(
        "the gradient of the weights is the mean over the batch, that of the biases the sum",
        (Edit(_TRAINER, "self.product(y.T, dz)", "y.T @ dz / len(dz)"),),
        ("squared error",),
        "do you average the gradient of the weights over the examples, and sum that of the biases?",
    ),
    Mutation(
        "the gradient of the weights is the sum over the batch, that of the biases the mean",
        (Edit(_TRAINER, "self.product(y.T, dz)", "len(dz) * (y.T @ dz)"),),
        ("softmax",),
        "do you sum the gradient of the weights over the examples, and average that of the biases?",
    ),
    Mutation(
        "the gradient of the biases is one number for all units of a layer",
        (Edit(_TRAINER, "dz.sum(axis=0)", "np.full(dz.shape[1], dz.sum())"),),
        ("softmax", "squared error"),
        "do you sum the gradient of the biases over the units as well, as np.sum does without an axis?",
    ),
    Mutation(
        "the gradient of the bias of the output layer is one number for all units",
        (Edit(_TRAINER, _GRADIENTS, f"{_GRADIENTS}\ngradients[-1].bias[...] = dzs[-1].sum()"),),
        ("squared error",),
        "do you sum the gradient of the output layer's bias over the units as well, as np.sum does without an axis?",
    ),
    Mutation(
        "the gradient of the biases of the hidden layers is one number for all units of a layer",
        (
            Edit(
                _TRAINER,
                _GRADIENTS,
                f"{_GRADIENTS}\nfor gradient, dz in zip(gradients[:-1], dzs, strict=False):\n"
                "    gradient.bias[...] = dz.sum()",
            ),
        ),
        ("softmax", "squared error"),
        "do you sum the gradient of the hidden layers' biases over the units as well, as np.sum does without an axis?",
    ),
    Mutation(
        "the gradient of the biases is 0",
        (Edit(_TRAINER, "dz.sum(axis=0)", "0 * dz.sum(axis=0)"),),
        ("softmax",),
        "did you forget the gradient of the biases?",
    ),
    Mutation(
        "the gradient of the biases is summed over the units instead of the examples",
        (Edit(_TRAINER, "dz.sum(axis=0)", "dz.sum(axis=1)"),),
        ("square batches",),
        "do you sum the gradient of the biases over the wrong axis?",
    ),
)

PATHS = (
    Mutation(
        "the gradient of the weights is transposed",
        (Edit(_TRAINER, "self.product(y.T, dz)", "dz.T @ y"),),
        ("square layers",),
        "is your gradient [fan_out, fan_in], although the weights are [fan_in, fan_out]?",
    ),
    Mutation(
        "the error is propagated back through weights that are not transposed",
        (Edit(_TRAINER, _BACK, "dy = dz @ self.layers[layer].weight"),),
        ("square layers",),
        "did you forget to transpose the weights in the backward pass?",
    ),
    Mutation(
        "the error is propagated back through the weights of the previous layer",
        (Edit(_TRAINER, _BACK, "dy = dz @ self.layers[layer - 1].weight.T"),),
        ("square layers",),
        "is the index of your weights off by one in the backward pass?",
    ),
    Mutation(
        "the error is propagated back without the derivative of the output activation",
        (
            Edit(
                _TRAINER,
                _BACK,
                "dy = (dz if dy is None or layer < len(self.layers) - 1 else dy) @ self.layers[layer].weight.T",
            ),
        ),
        ("squared error",),
        "do you propagate the error back before you multiply it by the derivative of the output activation, "
        "as Rashid's program does (--back-propagation errors)?",
    ),
    Mutation(
        "the error is propagated back through the biases, for the first row of [W; b] is left out instead of the last",
        (Edit(_TRAINER, _BACK, f"dy = dz @ np.vstack([{_W}[1:], {_B}]).T"),),
        ("softmax", "squared error"),
        "do you leave out the first weight of every unit rather than its bias, when you propagate the error back?",
    ),
    Mutation(
        "the error is propagated back through the biases, for the last row of [b; W] is left out instead of the first",
        (Edit(_TRAINER, _BACK, f"dy = dz @ np.vstack([{_B}, {_W}[:-1]]).T"),),
        ("softmax", "squared error"),
        "do you leave out the last weight of every unit rather than its bias, when you propagate the error back?",
    ),
    Mutation(
        "the gradient of the weights takes the pre-activations z of the layer below instead of its activations y",
        (
            Edit(
                _TRAINER,
                "map(self._gradient, forward.fed, dzs)",
                "map(self._gradient, [forward.y[0], *forward.z], dzs)",
            ),
        ),
        ("softmax", "squared error"),
        "do you compute the gradient of a weight from the pre-activation z below it rather than from the activation y?",
    ),
    Mutation(
        "the gradient of the weights is the inner product of activations and errors",
        (Edit(_TRAINER, "self.product(y.T, dz)", "np.full((y.shape[1], dz.shape[1]), (y * dz).sum())"),),
        ("square layers",),
        "is your gradient an inner product, although it is the outer product of activations and errors?",
    ),
    Mutation(
        "the error is propagated back through weights that are already updated",
        (
            Edit(
                _TRAINER,
                _BACK,
                "changed = self.layers[layer].weight - self.recipe.learning_rate * forward.y[layer].T @ dz\n"
                "dy = dz @ changed.T",
            ),
        ),
        ("squared error",),
        "do you update the weights of a layer before you propagate its error back?",
    ),
    Mutation(
        "the gradient of the weights takes the outputs of their layer instead of its inputs",
        (Edit(_TRAINER, "map(self._gradient, forward.fed, dzs)", "map(self._gradient, forward.y[1:], dzs)"),),
        ("square layers",),
        "do you compute the gradient of a weight from the input of its layer?",
    ),
)

MERGED = (
    Mutation(
        "the input of the biases comes first, though their weights are the last row of [W; b]",
        (
            Edit(
                _TRAINER,
                "total = self.product(fed[-1], layer.weight)",
                "total = np.hstack((np.ones_like(fed[-1][:, :1]), fed[-1])) @ np.vstack((layer.weight, layer.bias))",
            ),
            Edit(_TRAINER, "total += layer.bias", "pass"),
            Edit(_TRAINER, "self.product(y.T, dz)", "np.hstack((np.ones_like(y[:, :1]), y[:, :-1])).T @ dz"),
            Edit(_TRAINER, "dz.sum(axis=0)", "(y[:, -1:] * dz).sum(axis=0)"),
            Edit(_TRAINER, _BACK, f"dy = dz @ np.vstack([{_W}[1:], {_B}]).T"),
        ),
        ("softmax", "squared error"),
        "do you put the 1 of the biases before the inputs, although their weights are the last row?",
    ),
    Mutation(
        "the input of the biases comes last, though their weights are the first row of [b; W]",
        (
            Edit(
                _TRAINER,
                "total = self.product(fed[-1], layer.weight)",
                "total = np.hstack((fed[-1], np.ones_like(fed[-1][:, :1]))) @ np.vstack((layer.bias, layer.weight))",
            ),
            Edit(_TRAINER, "total += layer.bias", "pass"),
            Edit(_TRAINER, "self.product(y.T, dz)", "np.hstack((y[:, 1:], np.ones_like(y[:, :1]))).T @ dz"),
            Edit(_TRAINER, "dz.sum(axis=0)", "(y[:, :1] * dz).sum(axis=0)"),
            Edit(_TRAINER, _BACK, f"dy = dz @ np.vstack([{_B}, {_W}[:-1]]).T"),
        ),
        ("softmax", "squared error"),
        "do you put the 1 of the biases after the inputs, although their weights are the first row?",
    ),
)

_MASKS = "dropout_masks(self.recipe, self.n_updates, n_examples)"

DROPOUT = (
    Mutation(
        "there is no dropout",
        (Edit(_TRAINER, f"{_MASKS} if self.recipe.dropout else ()", "()"),),
        ("dropout",),
        "do you multiply the activations by the masks of dropout?",
    ),
    Mutation(
        "the masks of dropout are missing on the way back",
        (Edit(_TRAINER, "dy = dy * forward.masks[layer - 1]", "pass"),),
        ("dropout",),
        "do you multiply the error of a hidden layer by its mask of dropout, too?",
    ),
    Mutation(
        "predictions are made with dropout",
        (Edit(_TRAINER, "return self.forward(x).y[-1]", "return self.forward(x, self.masks(len(x))).y[-1]"),),
        ("dropout",),
        "do you leave out dropout in predictions?",
    ),
    Mutation(
        "units that dropout leaves in count once rather than 1 / (1 − p) times",
        (Edit(_TRAINER, _MASKS, f"tuple((mask > 0).astype(mask.dtype) for mask in {_MASKS})"),),
        ("dropout",),
        "do you divide the activations that dropout leaves in by 1 − p?",
    ),
    Mutation(
        "the masks of dropout are the same in every batch",
        (Edit(_TRAINER, _MASKS, _MASKS.replace("self.n_updates", "0")),),
        ("dropout",),
        "do the masks of dropout change from batch to batch?",
    ),
)

MISTAKES_IN_GRADIENTS = DERIVATIVES + OUTPUTS + LOSSES + REDUCTIONS + PATHS + MERGED + DROPOUT
