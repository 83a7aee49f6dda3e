"""The mistakes that are planted in each style."""

from backprop_bench.bench.mutation.planted import DECAY, MEAN, RELU, SOFTMAX, SQUARED, Planted

_ROWS_D2, _ROWS_BACK = "d2 = error * self.a2 * (1 - self.a2)", "back = d2 @ self.W2.T"
_ROWS_D1 = "d1 = back * self.derivative(self.a1)"
_COLUMNS_DZ2 = "dZ2 = dA2 * A2 * (1 - A2) if self.recipe.loss == 'squared_error' else dA2"
_COLUMNS_DZ1 = "dZ1 = dA1 * (A1 > 0) if self.recipe.hidden_activation == 'relu' else dA1 * A1 * (1 - A1)"
_COLUMNS_DA1 = "dA1 = np.dot(self.params['W2'].T, dZ2)"
_COLUMNS_DB = "db2 = np.sum(dZ2, axis=1, keepdims=True) / m", "db1 = np.sum(dZ1, axis=1, keepdims=True) / m"
_COLUMNS_DW = "dW2 = np.dot(dZ2, A1.T) / m", "dW1 = np.dot(dZ1, A0.T) / m"
_EXAMPLE_DELTA = "delta = cost * output * (1 - output)"
_EXAMPLE_ERROR = "error = np.dot(self.weights[1].transpose(), delta)"
_EXAMPLE_HIDDEN = "hidden_delta = error * self.prime(a)"
_EXAMPLE_SUMS = "return [w / n for w in nabla_w], [b / n for b in nabla_b]"
_EXAMPLE_2 = "nabla_w2, nabla_b2 = np.dot(delta, a.transpose()), delta"
_EXAMPLE_1 = "nabla_w1, nabla_b1 = np.dot(hidden_delta, x.transpose()), hidden_delta"
_EXAMPLE_LAYERS = "return tuple(Layer(w.T.copy(), b.ravel().copy()) for w, b in zip(nabla_w, nabla_b, strict=True))"


def _second(name: str) -> str:
    return f"(s := 1 / (1 + np.exp(-{name}))) * (1 - s)"


PLANTED = (
    Planted(
        "the gradient of the biases is one number for all units of a layer",
        SOFTMAX,
        {
            "rows": [
                ("db2 = d2.sum(axis=0)", "db2 = np.full(d2.shape[1], d2.sum())"),
                ("db1 = d1.sum(axis=0)", "db1 = np.full(d1.shape[1], d1.sum())"),
            ],
            "columns": [
                (_COLUMNS_DB[0], "db2 = np.sum(dZ2) / m * np.ones((len(dZ2), 1))"),
                (_COLUMNS_DB[1], "db1 = np.sum(dZ1) / m * np.ones((len(dZ1), 1))"),
            ],
            "per example": [
                (_EXAMPLE_2, "nabla_w2, nabla_b2 = np.dot(delta, a.transpose()), np.sum(delta) * np.ones_like(delta)"),
                (
                    _EXAMPLE_1,
                    (
                        "nabla_w1 = np.dot(hidden_delta, x.transpose())\n"
                        "nabla_b1 = np.sum(hidden_delta) * np.ones_like(hidden_delta)"
                    ),
                ),
            ],
        },
    ),
    Planted(
        "the error is propagated back without the derivative of the output activation",
        SQUARED,
        {
            "rows": [(_ROWS_BACK, "back = error @ self.W2.T")],
            "columns": [(_COLUMNS_DA1, "dA1 = np.dot(self.params['W2'].T, dA2)")],
            "per example": [(_EXAMPLE_ERROR, "error = np.dot(self.weights[1].transpose(), cost)")],
        },
    ),
    Planted(
        "the error goes back through the hidden activation instead of its derivative",
        RELU,
        {
            "rows": [(_ROWS_D1, "d1 = self.activation(back)")],
            "columns": [(_COLUMNS_DZ1, "dZ1 = relu(dA1)")],
            "per example": [(_EXAMPLE_HIDDEN, "hidden_delta = self.hidden(error)")],
        },
    ),
    Planted(
        "the derivative of the hidden activation takes y as if it were z",
        SQUARED,
        {
            "rows": [(_ROWS_D1, f"d1 = back * {_second('self.a1')}")],
            "columns": [(_COLUMNS_DZ1, f"dZ1 = dA1 * {_second('A1')}")],
            "per example": [(_EXAMPLE_HIDDEN, f"hidden_delta = error * {_second('a')}")],
        },
    ),
    Planted(
        "the derivative of the output activation takes y as if it were z",
        SQUARED,
        {
            "rows": [(_ROWS_D2, f"d2 = error * {_second('self.a2')}")],
            "columns": [(_COLUMNS_DZ2, f"dZ2 = dA2 * {_second('A2')}")],
            "per example": [(_EXAMPLE_DELTA, f"delta = cost * {_second('output')}")],
        },
    ),
    Planted(
        "the derivatives of all activations take y as if it were z",
        SQUARED,
        {
            "rows": [
                (_ROWS_D2, f"d2 = error * {_second('self.a2')}"),
                (_ROWS_D1, f"d1 = back * {_second('self.a1')}"),
            ],
            "columns": [
                (_COLUMNS_DZ2, f"dZ2 = dA2 * {_second('A2')}"),
                (_COLUMNS_DZ1, f"dZ1 = dA1 * {_second('A1')}"),
            ],
            "per example": [
                (_EXAMPLE_DELTA, f"delta = cost * {_second('output')}"),
                (_EXAMPLE_HIDDEN, f"hidden_delta = error * {_second('a')}"),
            ],
        },
    ),
    Planted(
        "the derivative of the hidden activation is missing",
        SOFTMAX,
        {
            "rows": [(_ROWS_D1, "d1 = back")],
            "columns": [(_COLUMNS_DZ1, "dZ1 = dA1")],
            "per example": [(_EXAMPLE_HIDDEN, "hidden_delta = error")],
        },
    ),
    Planted(
        "the gradient of the weights is the sum over the batch, that of the biases the mean",
        SOFTMAX,
        {
            "rows": [
                ("dW2 = self.a1.T @ d2", "dW2 = len(t) * self.a1.T @ d2"),
                ("dW1 = self.a0.T @ d1", "dW1 = len(t) * self.a0.T @ d1"),
            ],
            "columns": [
                (_COLUMNS_DW[0], "dW2 = np.dot(dZ2, A1.T)"),
                (_COLUMNS_DW[1], "dW1 = np.dot(dZ1, A0.T)"),
            ],
            "per example": [(_EXAMPLE_SUMS, "return nabla_w, [b / n for b in nabla_b]")],
        },
    ),
    Planted(
        "the gradient of the biases is the sum over the batch, that of the weights the mean",
        SOFTMAX,
        {
            "rows": [
                ("db2 = d2.sum(axis=0)", "db2 = len(t) * d2.sum(axis=0)"),
                ("db1 = d1.sum(axis=0)", "db1 = len(t) * d1.sum(axis=0)"),
            ],
            "columns": [
                (_COLUMNS_DB[0], "db2 = np.sum(dZ2, axis=1, keepdims=True)"),
                (_COLUMNS_DB[1], "db1 = np.sum(dZ1, axis=1, keepdims=True)"),
            ],
            "per example": [(_EXAMPLE_SUMS, "return [w / n for w in nabla_w], nabla_b")],
        },
    ),
    Planted(
        "the gradient is the sum over the batch instead of the mean",
        SOFTMAX,
        {
            "rows": [("error = error / len(t)", "pass")],
            "columns": [("Y.shape[1] if self.recipe.reduction == 'mean' else 1", "1")],
            "per example": [("len(mini_batch) if self.recipe.reduction == 'mean' else 1", "1")],
        },
    ),
    Planted(
        "the gradient of the squared error lacks the ½, and is the mean over the outputs",
        MEAN,
        {
            "rows": [(_ROWS_D2, "d2 = 2 / t.shape[1] * error * self.a2 * (1 - self.a2)")],
            "columns": [("dA2 = A2 - Y", "dA2 = 2 / len(Y) * (A2 - Y)")],
            "per example": [("cost = output - y", "cost = 2 / len(y) * (output - y)")],
        },
    ),
    Planted(
        "the error is propagated back through the biases, for the first row of [W; b] is left out instead of the last",
        SOFTMAX,
        {
            "rows": [(_ROWS_BACK, "back = (d2 @ np.vstack([self.W2, self.b2]).T)[:, 1:]")],
            "columns": [
                (_COLUMNS_DA1, "dA1 = np.dot(np.hstack([self.params['W2'], self.params['b2']]).T, dZ2)[1:]"),
            ],
            "per example": [
                (_EXAMPLE_ERROR, "error = np.dot(np.hstack([self.weights[1], self.biases[1]])[:, 1:].T, delta)"),
            ],
        },
    ),
    Planted(
        "the error is propagated back through the biases, for the last row of [b; W] is left out instead of the first",
        SQUARED,
        {
            "rows": [(_ROWS_BACK, "back = (d2 @ np.vstack([self.b2, self.W2]).T)[:, :-1]")],
            "columns": [
                (_COLUMNS_DA1, "dA1 = np.dot(np.hstack([self.params['b2'], self.params['W2']]).T, dZ2)[:-1]"),
            ],
            "per example": [
                (_EXAMPLE_ERROR, "error = np.dot(np.hstack([self.biases[1], self.weights[1]])[:, :-1].T, delta)"),
            ],
        },
    ),
    Planted(
        "the hidden activation is relu, which is not that of the recipe",
        SOFTMAX,
        {
            "rows": [
                ("self.activation = relu if recipe.hidden_activation == 'relu' else sigmoid", "self.activation = relu"),
                (_ROWS_D1, "d1 = back * (self.a1 > 0)"),
            ],
            "columns": [
                ("hidden = relu if self.recipe.hidden_activation == 'relu' else sigmoid", "hidden = relu"),
                (_COLUMNS_DZ1, "dZ1 = dA1 * (A1 > 0)"),
            ],
            "per example": [
                ("self.hidden = relu if recipe.hidden_activation == 'relu' else sigmoid", "self.hidden = relu"),
                (_EXAMPLE_HIDDEN, "hidden_delta = error * (a > 0)"),
            ],
        },
    ),
    Planted(
        "the learning rate is 0.1, whatever the recipe says",
        SOFTMAX,
        {
            "rows": [
                ("rate, decay = self.recipe.learning_rate, self.recipe.weight_decay", "rate, decay = 0.1, 0.0"),
            ],
            "columns": [
                ("alpha, decay = self.recipe.learning_rate, self.recipe.weight_decay", "alpha, decay = 0.1, 0.0"),
            ],
            "per example": [
                ("eta, lmbda = self.recipe.learning_rate, self.recipe.weight_decay", "eta, lmbda = 0.1, 0.0"),
            ],
        },
    ),
    Planted(
        "a batch has 5 examples, whatever the recipe says",
        SOFTMAX,
        {
            "rows": [("self.recipe.batch_size or len(order)", "5")],
            "columns": [("self.recipe.batch_size or len(order)", "5")],
            "per example": [("self.recipe.batch_size or len(data)", "5")],
        },
    ),
    Planted(
        "the weights are updated twice with every batch",
        SOFTMAX,
        {
            "rows": [
                (
                    "self.update(self.backward(t[batch]))",
                    "self.update(self.backward(t[batch]))\nself.forward(x[batch])\nself.update(self.backward(t[batch]))",
                ),
            ],
            "columns": [
                (
                    "self.update_parameters(self.backward_propagation(cache, Y))",
                    (
                        "for _ in range(2):\n"
                        "    self.update_parameters(self.backward_propagation(self.forward_propagation(X), Y))"
                    ),
                ),
            ],
            "per example": [
                (
                    "self.update_mini_batch(data[k : k + size])",
                    "self.update_mini_batch(data[k : k + size])\nself.update_mini_batch(data[k : k + size])",
                ),
            ],
        },
    ),
    Planted(
        "the gradient that is shown has the weight decay in it",
        DECAY,
        {
            "rows": [
                (
                    "return Layer(dW1, db1), Layer(dW2, db2)",
                    (
                        "d = self.recipe.weight_decay\n"
                        "dW1, db1 = dW1 + d * self.W1, db1 + d * self.b1\n"
                        "dW2, db2 = dW2 + d * self.W2, db2 + d * self.b2\n"
                        "return Layer(dW1, db1), Layer(dW2, db2)"
                    ),
                ),
            ],
            "columns": [
                (
                    "return self.layers(grads)",
                    "return self.layers({n: g + self.recipe.weight_decay * self.params[n] for n, g in grads.items()})",
                ),
            ],
            "per example": [
                (
                    _EXAMPLE_LAYERS,
                    (
                        "lmbda = self.recipe.weight_decay\n"
                        "nabla_w = [nw + lmbda * w for nw, w in zip(nabla_w, self.weights, strict=True)]\n"
                        "nabla_b = [nb + lmbda * b for nb, b in zip(nabla_b, self.biases, strict=True)]\n"
                        f"{_EXAMPLE_LAYERS}"
                    ),
                ),
            ],
        },
    ),
    Planted(
        "the inputs are standardised with the mean 0.1307 and the standard deviation 0.3081 of MNIST",
        SOFTMAX,
        {
            "rows": [("self.a0 = x", "self.a0 = (x - 0.1307) / 0.3081")],
            "columns": [
                (
                    "Z1 = np.dot(self.params['W1'], X) + self.params['b1']",
                    "X = (X - 0.1307) / 0.3081\nZ1 = np.dot(self.params['W1'], X) + self.params['b1']",
                ),
            ],
            "per example": [
                (
                    "z = self.weights[0] @ x + self.biases[0]",
                    "x = (x - 0.1307) / 0.3081\nz = self.weights[0] @ x + self.biases[0]",
                ),
                (
                    "output = self.feedforward(x)\ncost = output - y",
                    "output = self.feedforward(0.3081 * x + 0.1307)\ncost = output - y",
                ),
                (
                    "hidden = self.hidden(self.weights[0] @ a + self.biases[0])",
                    "hidden = self.hidden(self.weights[0] @ ((a - 0.1307) / 0.3081) + self.biases[0])",
                ),
            ],
        },
    ),
    Planted(
        "outputs are not finite where pre-activations of the output layer are large; does your softmax subtract the "
        "largest z of each example, and not that of the batch?",
        SOFTMAX,
        {
            "rows": [("z.max(axis=1, keepdims=True)", "z.max()")],
            "columns": [("np.max(z, axis=0, keepdims=True)", "np.max(z)")],
        },
    ),
    Planted(
        "gradients adds to what it returned before",
        SOFTMAX,
        {
            "rows": [
                ("self.recipe = recipe", "self.recipe, self.sums = recipe, [0.0, 0.0, 0.0, 0.0]"),
                (
                    "dW1, db1, dW2, db2 = self.backward(t)",
                    (
                        "self.sums = [total + new for total, new in zip(self.sums, self.backward(t))]\n"
                        "dW1, db1, dW2, db2 = self.sums"
                    ),
                ),
            ],
            "columns": [
                ("self.recipe, self.params = recipe, {}", "self.recipe, self.params, self.sums = recipe, {}, {}"),
                (
                    "return self.layers(grads)",
                    (
                        "self.sums = {name: self.sums.get(name, 0) + grad for name, grad in grads.items()}\n"
                        "return self.layers(self.sums)"
                    ),
                ),
            ],
            "per example": [
                ("self.recipe = recipe", "self.recipe, self.before = recipe, None"),
                (
                    _EXAMPLE_LAYERS,
                    (
                        "if self.before is not None:\n"
                        "    nabla_w = [a + b for a, b in zip(nabla_w, self.before[0], strict=True)]\n"
                        "    nabla_b = [a + b for a, b in zip(nabla_b, self.before[1], strict=True)]\n"
                        "self.before = nabla_w, nabla_b\n"
                        f"{_EXAMPLE_LAYERS}"
                    ),
                ),
            ],
        },
    ),
    Planted(
        "the gradient of the weights is the inner product of activations and errors",
        SQUARED.replace(layer_sizes=(9, 9, 9)),
        {
            "rows": [
                ("dW2 = self.a1.T @ d2", "dW2 = np.full(self.W2.shape, (self.a1 * d2).sum())"),
                ("dW1 = self.a0.T @ d1", "dW1 = np.full(self.W1.shape, (self.a0 * d1).sum())"),
            ],
            "columns": [
                (_COLUMNS_DW[0], "dW2 = np.sum(dZ2 * A1) / m + 0 * self.params['W2']"),
                (_COLUMNS_DW[1], "dW1 = np.sum(dZ1 * A0) / m + 0 * self.params['W1']"),
            ],
            "per example": [
                (_EXAMPLE_2, "nabla_w2, nabla_b2 = np.dot(delta.transpose(), a), delta"),
                (_EXAMPLE_1, "nabla_w1, nabla_b1 = np.dot(hidden_delta.transpose(), x), hidden_delta"),
            ],
        },
    ),
)
"""A batch has no maximum where examples come one at a time, so one mistake is in two styles only."""
