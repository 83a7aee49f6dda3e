"""Mistakes that show over several steps: optimizers, batches, precision, data preparation, protocol."""

from backprop_bench.bench.mutation.edit import Edit, Mutation

_TRAINER, _OPTIMIZERS, _DATASET = (
    "backprop_bench.scratch.numpy_trainer",
    "backprop_bench.scratch.optimizers",
    "backprop_bench.data.dataset",
)
_ARRAYS = "[array for layer in backward.gradients for array in layer.arrays()]"
_SGD_STEP = """
for w, g in zip(self.weights, gradients, strict=True):
    w -= self.learning_rate * g
"""
_MOMENTUM_STEP = """
change[...] = self.momentum * change - self.learning_rate * g
w += change
"""
_DECAY_STEP = "self.inner.step([g + self.weight_decay * w for w, g in zip(self.weights, gradients, strict=True)])"
_BATCH_SIZE = "self.recipe.batch_size or len(order)"
_BATCH = "order[start : start + batch_size]"
_UPDATE = "self.update(self.backward(forward, targets))"
_SHOWN = "return self.backward(self.forward(x, self.masks(len(x))), t).gradients"
_RETURN = "return loss / len(order)"
_ADD_LOSS = "loss += self.loss(forward.z[-1], forward.y[-1], targets)"
_FORWARD = "total = self.product(fed[-1], layer.weight)"

DESCENT = (
    Mutation(
        "the weights ascend the gradient",
        (Edit(_OPTIMIZERS, "w -= self.learning_rate * g", "w += self.learning_rate * g"),),
        ("softmax",),
        "is the sign of your weight update right?",
    ),
    Mutation(
        "the learning rate decays in the batch loop",
        (Edit(_OPTIMIZERS, _SGD_STEP, _SGD_STEP + "self.learning_rate *= 0.99"),),
        ("softmax",),
        "does your learning rate decay after every batch rather than after every epoch?",
    ),
    Mutation(
        "the learning rate decays after every epoch",
        (Edit(_TRAINER, _RETURN, f"self.optimizer.learning_rate *= 0.9\n{_RETURN}"),),
        ("softmax",),
        "does your learning rate change from epoch to epoch, although the recipe keeps it?",
    ),
    Mutation(
        "the schedule is ignored",
        (Edit(_TRAINER, "self.recipe.rates(self.epoch)", "self.recipe.rates(0)"),),
        ("schedule",),
        "do you follow the schedule of the recipe?",
    ),
    Mutation(
        "the schedule starts one epoch late",
        (Edit(_TRAINER, "self.recipe.rates(self.epoch)", "self.recipe.rates(self.epoch - 1)"),),
        ("schedule",),
        "do you count the epochs of the schedule from 0?",
    ),
    Mutation(
        "gradients accumulate over the batches",
        (
            Edit(
                _OPTIMIZERS,
                "self.weights = weights\nself.set_rates(recipe.learning_rate, recipe.momentum)",
                """
self.weights = weights
self.set_rates(recipe.learning_rate, recipe.momentum)
self.sums = [np.zeros_like(w) for w in weights]
""",
            ),
            Edit(
                _OPTIMIZERS,
                _SGD_STEP,
                """
for w, g, total in zip(self.weights, gradients, self.sums, strict=True):
    total += g
    w -= self.learning_rate * total
""",
            ),
        ),
        ("softmax",),
        "did you forget to reset the gradients to 0 after a batch?",
    ),
    Mutation(
        "the biases are never updated",
        (Edit(_TRAINER, _ARRAYS, _ARRAYS.replace("[array for", "[array if array.ndim == 2 else 0 * array for")),),
        ("softmax",),
        "do you update the biases?",
    ),
    Mutation(
        "the biases of the hidden layers are never updated",
        (
            Edit(
                _TRAINER,
                _ARRAYS,
                _ARRAYS.replace(
                    "[array for",
                    "[array if array.ndim == 2 or layer is backward.gradients[-1] else 0 * array for",
                ),
            ),
        ),
        ("softmax",),
        "do you update the biases of the hidden layers?",
    ),
    Mutation(
        "the weights of the hidden layers are never updated",
        (
            Edit(
                _TRAINER,
                _ARRAYS,
                _ARRAYS.replace(
                    "[array for",
                    "[array if array.ndim == 1 or layer is backward.gradients[-1] else 0 * array for",
                ),
            ),
        ),
        ("softmax",),
        "do you update the weights of the hidden layers?",
    ),
    Mutation(
        "the weights of the output layer are never updated",
        (
            Edit(
                _TRAINER,
                _ARRAYS,
                _ARRAYS.replace(
                    "[array for",
                    "[0 * array if array.ndim == 2 and layer is backward.gradients[-1] else array for",
                ),
            ),
        ),
        ("softmax",),
        "do you update the weights of the output layer?",
    ),
    Mutation(
        "the bias of the output layer is never updated",
        (
            Edit(
                _TRAINER,
                _ARRAYS,
                _ARRAYS.replace(
                    "[array for",
                    "[0 * array if array.ndim == 1 and layer is backward.gradients[-1] else array for",
                ),
            ),
        ),
        ("softmax",),
        "do you update the bias of the output layer?",
    ),
)

MOMENTUM = (
    Mutation(
        "momentum keeps the previous gradient instead of a velocity",
        (
            Edit(
                _OPTIMIZERS,
                _MOMENTUM_STEP,
                "w -= self.learning_rate * (g + self.momentum * change)\nchange[...] = g",
            ),
        ),
        ("momentum",),
        "does your momentum keep the last gradient rather than the last update?",
    ),
    Mutation(
        "the velocity is not stored",
        (
            Edit(
                _OPTIMIZERS,
                "change[...] = self.momentum * change - self.learning_rate * g",
                "change = self.momentum * change - self.learning_rate * g",
            ),
        ),
        ("momentum",),
        "do you keep the velocity from step to step?",
    ),
    Mutation(
        "the state of the optimizer is reset after every epoch",
        (
            Edit(
                _TRAINER,
                "loss = 0.0",
                "loss = 0.0\n"
                "self.optimizer = optimizer_of("
                "self.recipe, [array for layer in self.layers for array in layer.arrays()])\n"
                "self.optimizer.set_rates(*self.recipe.rates(self.epoch - 1))",
            ),
        ),
        ("momentum", "adam"),
        "do you create a new optimizer in every epoch?",
    ),
    Mutation(
        "momentum has the wrong sign",
        (Edit(_OPTIMIZERS, "self.momentum * change", "-self.momentum * change"),),
        ("momentum",),
        "is the sign of your momentum right?",
    ),
    Mutation(
        "momentum is dampened by 1 − α",
        (
            Edit(
                _OPTIMIZERS,
                "self.momentum * change - self.learning_rate * g",
                "self.momentum * change - (1 - self.momentum) * self.learning_rate * g",
            ),
        ),
        ("momentum",),
        "do you multiply the new gradient by 1 − α?",
    ),
    Mutation(
        "momentum is Nesterov momentum",
        (Edit(_OPTIMIZERS, "w += change", "w += self.momentum * change - self.learning_rate * g"),),
        ("momentum",),
        "do you use Nesterov momentum?",
    ),
)

RUNNING_MEANS = (
    Mutation(
        "RMSprop has ε inside the root",
        (Edit(_OPTIMIZERS, "np.sqrt(s) + self.epsilon", "np.sqrt(s + self.epsilon)"),),
        ("rmsprop",),
        "is your ε inside the root?",
    ),
    Mutation(
        "α and 1 − α of RMSprop are swapped",
        (
            Edit(
                _OPTIMIZERS,
                "self.rmsprop_alpha * s + (1 - self.rmsprop_alpha) * g * g",
                "(1 - self.rmsprop_alpha) * s + self.rmsprop_alpha * g * g",
            ),
        ),
        ("rmsprop",),
        "does your α multiply the new square rather than the old mean?",
    ),
    Mutation(
        "RMSprop sums the squares instead of taking their running mean",
        (Edit(_OPTIMIZERS, "self.rmsprop_alpha * s + (1 - self.rmsprop_alpha) * g * g", "s + g * g"),),
        ("rmsprop",),
        "is your RMSprop AdaGrad?",
    ),
    Mutation(
        "RMSprop divides by the mean of the squares instead of its root",
        (Edit(_OPTIMIZERS, "np.sqrt(s) + self.epsilon", "s + self.epsilon"),),
        ("rmsprop",),
        "did you forget the root in RMSprop?",
    ),
    Mutation(
        "Adam has ε inside the root",
        (
            Edit(
                _OPTIMIZERS,
                "np.sqrt(v / correction2) + self.epsilon",
                "np.sqrt(v / correction2 + self.epsilon)",
            ),
        ),
        ("adam",),
        "is your ε inside the root?",
    ),
    Mutation(
        "Adam adds ε before it corrects the second moment",
        (
            Edit(
                _OPTIMIZERS,
                "np.sqrt(v / correction2) + self.epsilon",
                "(np.sqrt(v) + self.epsilon) / np.sqrt(correction2)",
            ),
        ),
        ("adam",),
        "do you add ε before the bias correction of the second moment?",
    ),
    Mutation(
        "Adam has no bias correction",
        (
            Edit(_OPTIMIZERS, "1 - self.beta1**self.steps", "1.0"),
            Edit(_OPTIMIZERS, "1 - self.beta2**self.steps", "1.0"),
        ),
        ("adam",),
        "did you forget the bias correction of Adam?",
    ),
    Mutation(
        "Adam corrects the first moment only",
        (Edit(_OPTIMIZERS, "1 - self.beta2**self.steps", "1.0"),),
        ("adam",),
        "did you forget the bias correction of the second moment?",
    ),
    Mutation(
        "the steps of Adam are counted from 0",
        (Edit(_OPTIMIZERS, "self.steps = 0", "self.steps = -1"),),
        ("adam",),
        "does your Adam count steps from 0, so that its bias correction divides by 0?",
    ),
    Mutation(
        "the steps of Adam are counted from 2",
        (Edit(_OPTIMIZERS, "self.steps = 0", "self.steps = 1"),),
        ("adam",),
        "does your Adam count steps from 2?",
    ),
    Mutation(
        "β₁ and β₂ of Adam are swapped",
        (
            Edit(
                _OPTIMIZERS,
                "self.beta1, self.beta2 = recipe.beta1, recipe.beta2",
                "self.beta1, self.beta2 = recipe.beta2, recipe.beta1",
            ),
        ),
        ("adam",),
        "did you swap β₁ and β₂?",
    ),
    Mutation(
        "the step of Adam stays 1",
        (
            Edit(_OPTIMIZERS, "1 - self.beta1**self.steps", "1 - self.beta1"),
            Edit(_OPTIMIZERS, "1 - self.beta2**self.steps", "1 - self.beta2"),
        ),
        ("adam",),
        "do you count the steps of Adam, so that its bias correction becomes smaller?",
    ),
    Mutation(
        "the steps of Adam are counted one late, the first two as 1",
        (
            Edit(_OPTIMIZERS, "1 - self.beta1**self.steps", "1 - self.beta1**max(self.steps - 1, 1)"),
            Edit(_OPTIMIZERS, "1 - self.beta2**self.steps", "1 - self.beta2**max(self.steps - 1, 1)"),
        ),
        ("adam",),
        "do you count a step of Adam before its bias correction, rather than after the update?",
    ),
    Mutation(
        "Adam counts a step for every array of weights rather than for every update",
        (
            Edit(
                _OPTIMIZERS,
                "v[...] = self.beta2 * v + (1 - self.beta2) * g * g",
                "v[...] = self.beta2 * v + (1 - self.beta2) * g * g\n"
                "counted = (self.steps - 1) * len(gradients) + 1 + [id(each) for each in self.squares].index(id(v))\n"
                "correction1, correction2 = 1 - self.beta1**counted, 1 - self.beta2**counted",
            ),
        ),
        ("adam",),
        "do you count a step of Adam for every update, rather than for every array of weights?",
    ),
    Mutation(
        "Adam corrects the second moment by β₁",
        (Edit(_OPTIMIZERS, "1 - self.beta2**self.steps", "1 - self.beta1**self.steps"),),
        ("adam",),
        "do you correct the second moment of Adam by β₂?",
    ),
    Mutation(
        "Adam corrects the second moment only",
        (Edit(_OPTIMIZERS, "1 - self.beta1**self.steps", "1.0"),),
        ("adam",),
        "did you forget the bias correction of the first moment?",
    ),
    Mutation(
        "Adam divides by the second moment without a root",
        (Edit(_OPTIMIZERS, "np.sqrt(v / correction2) + self.epsilon", "v / correction2 + self.epsilon"),),
        ("adam",),
        "do you take the root of the second moment of Adam?",
    ),
    Mutation(
        "the second moment of Adam is that of absolute gradients rather than of squares",
        (Edit(_OPTIMIZERS, "(1 - self.beta2) * g * g", "(1 - self.beta2) * np.abs(g)"),),
        ("adam",),
        "does the second moment of Adam square the gradient, rather than take its absolute value?",
    ),
    Mutation(
        "the first moment of Adam lacks the factor 1 − β₁",
        (Edit(_OPTIMIZERS, "(1 - self.beta1) * g", "g"),),
        ("adam",),
        "did you forget the factor 1 − β₁ of the gradient in the first moment?",
    ),
    Mutation(
        "the second moment of Adam lacks the factor 1 − β₂",
        (Edit(_OPTIMIZERS, "(1 - self.beta2) * g * g", "g * g"),),
        ("adam",),
        "did you forget the factor 1 − β₂ of the squared gradient in the second moment?",
    ),
    Mutation(
        "the optimizer is made anew for every batch",
        (
            Edit(
                _TRAINER,
                _UPDATE,
                "self.optimizer = optimizer_of("
                "self.recipe, [array for layer in self.layers for array in layer.arrays()])\n" + _UPDATE,
            ),
        ),
        ("adam",),
        "do you keep the moments of the optimizer from batch to batch?",
    ),
    Mutation(
        "the weights are updated twice with the gradient of every batch",
        (
            Edit(
                _TRAINER,
                _UPDATE,
                "backward = self.backward(forward, targets)\nself.update(backward)\nself.update(backward)",
            ),
        ),
        ("adam", "softmax"),
        "do you update the weights twice with the same gradient?",
    ),
    Mutation(
        "the velocity of momentum is multiplied by the learning rate once more",
        (
            Edit(
                _OPTIMIZERS,
                _MOMENTUM_STEP,
                "change[...] = self.momentum * change - self.learning_rate * g\nw += self.learning_rate * change",
            ),
        ),
        ("momentum",),
        "do you multiply by the learning rate twice, in the velocity and in the update?",
    ),
    Mutation(
        "the biases have no momentum",
        (
            Edit(
                _OPTIMIZERS,
                _MOMENTUM_STEP,
                "change[...] = (self.momentum if w.ndim == 2 else 0.0) * change - self.learning_rate * g\nw += change",
            ),
        ),
        ("momentum",),
        "do the biases have momentum, as the weights do?",
    ),
    Mutation(
        "the second moment of Adam squares the first moment",
        (Edit(_OPTIMIZERS, "(1 - self.beta2) * g * g", "(1 - self.beta2) * m * m"),),
        ("adam",),
        "does your second moment square the gradient?",
    ),
)

DECAY = (
    Mutation(
        "weight decay is missing",
        (Edit(_OPTIMIZERS, _DECAY_STEP, "self.inner.step(gradients)"),),
        ("decay", "momentum and decay"),
        "did you forget the weight decay?",
    ),
    Mutation(
        "weight decay skips the biases",
        (Edit(_OPTIMIZERS, "g + self.weight_decay * w", "g + self.weight_decay * w if w.ndim == 2 else g"),),
        ("decay", "adam and decay"),
        "do your biases decay, as those of torch.optim do?",
    ),
    Mutation(
        "weight decay skips the weights",
        (Edit(_OPTIMIZERS, "g + self.weight_decay * w", "g + self.weight_decay * w if w.ndim == 1 else g"),),
        ("decay",),
        "do your weights decay?",
    ),
    Mutation(
        "weight decay has the wrong sign",
        (Edit(_OPTIMIZERS, "g + self.weight_decay * w", "g - self.weight_decay * w"),),
        ("decay",),
        "is the sign of your weight decay right?",
    ),
    Mutation(
        "weight decay is the derivative of λ w² instead of ½ λ w²",
        (Edit(_OPTIMIZERS, "g + self.weight_decay * w", "g + 2 * self.weight_decay * w"),),
        ("decay",),
        "is your penalty λ w² rather than ½ λ w²?",
    ),
    Mutation(
        "the gradient that is shown has the weight decay in it",
        (
            Edit(
                _TRAINER,
                _SHOWN,
                f"""
shown = {_SHOWN}
for gradient, layer in zip(shown, self.layers, strict=True):
    for g, w in zip(gradient.arrays(), layer.arrays(), strict=True):
        g += self.recipe.weight_decay * w
return shown
""".replace("shown = return", "shown ="),
            ),
        ),
        ("decay",),
        "does gradients return the derivative of the loss alone, without that of the penalty?",
    ),
    Mutation(
        "weight decay bypasses the optimizer",
        (
            Edit(
                _OPTIMIZERS,
                _DECAY_STEP,
                """
for w in self.weights:
    w -= self.inner.learning_rate * self.weight_decay * w
self.inner.step(gradients)
""",
            ),
        ),
        ("momentum and decay", "adam and decay"),
        "is your weight decay decoupled from the optimizer, as AdamW's is?",
    ),
    Mutation(
        "weight decay is not multiplied by the learning rate",
        (
            Edit(
                _OPTIMIZERS,
                _DECAY_STEP,
                """
for w in self.weights:
    w -= self.weight_decay * w
self.inner.step(gradients)
""",
            ),
        ),
        ("decay",),
        "is your weight decay multiplied by the learning rate?",
    ),
)

BATCHES = (
    Mutation(
        "the weights are updated after every example",
        (Edit(_TRAINER, _BATCH_SIZE, "1"),),
        ("softmax",),
        "do you update the weights after every example rather than after every batch?",
    ),
    Mutation(
        "the weights are updated once per epoch",
        (Edit(_TRAINER, _BATCH_SIZE, "len(order)"),),
        ("softmax",),
        "do you update the weights after all examples rather than after every batch?",
    ),
    Mutation(
        "the order is ignored",
        (Edit(_TRAINER, _BATCH, "np.arange(len(order))[start : start + batch_size]"),),
        ("softmax",),
        "do you train the examples in the order that train_epoch gets?",
    ),
    Mutation(
        "the targets are not shuffled with the inputs",
        (Edit(_TRAINER, "targets = t[examples]", "targets = t[start : start + batch_size]"),),
        ("softmax",),
        "are your targets in the order of your inputs?",
    ),
    Mutation(
        "the weights are updated twice with every batch",
        (Edit(_TRAINER, _UPDATE, f"{_UPDATE}\nself.update(self.backward(self.forward(x[examples]), targets))"),),
        ("softmax", "momentum"),
        "do you update the weights twice with every batch?",
    ),
    Mutation(
        "every batch lacks its last example",
        (Edit(_TRAINER, _BATCH, "order[start : start + batch_size - 1]"),),
        ("softmax",),
        "is the end of your batches off by one?",
    ),
    Mutation(
        "every batch starts one example late",
        (Edit(_TRAINER, _BATCH, "order[start + 1 : start + batch_size + 1]"),),
        ("softmax",),
        "is the start of your batches off by one?",
    ),
    Mutation(
        "a short last batch is dropped",
        (
            Edit(
                _TRAINER,
                "range(0, len(order), batch_size)",
                "range(0, len(order) - batch_size + 1, batch_size)",
            ),
        ),
        ("softmax",),
        "do you drop a short last batch?",
    ),
    Mutation(
        "the loss is averaged over the batches instead of the examples",
        (
            Edit(_TRAINER, _ADD_LOSS, _ADD_LOSS + " / len(examples)"),
            Edit(_TRAINER, _RETURN, "return loss / -(-len(order) // batch_size)"),
        ),
        ("softmax", "softmax, float32"),
        "do you average the losses of the batches, although the last one is shorter?",
    ),
    Mutation(
        "the loss of an epoch is that of its last batch",
        (
            Edit(_TRAINER, _ADD_LOSS, _ADD_LOSS.replace("+=", "=") + " / len(examples)"),
            Edit(_TRAINER, _RETURN, "return loss"),
        ),
        ("softmax",),
        "do you report the loss of the last batch only?",
    ),
    Mutation(
        "the loss of a batch is computed after its weight update",
        (
            Edit(
                _TRAINER,
                _ADD_LOSS + "\nself.update(self.backward(forward, targets))",
                "self.update(self.backward(forward, targets))\nforward = self.forward(x[examples])\n" + _ADD_LOSS,
            ),
        ),
        ("softmax",),
        "do you compute the loss of a batch after its weight update?",
    ),
    Mutation(
        "the loss is summed over the examples instead of averaged",
        (Edit(_TRAINER, _RETURN, "return loss"),),
        ("softmax",),
        "do you report the sum over the examples rather than the mean?",
    ),
    Mutation(
        "predict keeps using the initial weights",
        (
            Edit(
                _TRAINER,
                "self.layers = copy_parameters(parameters)",
                "self.layers, self.first = copy_parameters(parameters), copy_parameters(parameters)",
            ),
            Edit(
                _TRAINER,
                "return self.forward(x).y[-1]",
                "return NumpyTrainer(self.recipe, self.first).forward(x).y[-1]",
            ),
        ),
        ("softmax",),
        "does predict use the current weights?",
    ),
)

PRECISION = (
    Mutation(
        "the forward pass of a float64 recipe computes in float32",
        (
            Edit(
                _TRAINER,
                _FORWARD,
                "total = (fed[-1].astype(np.float32) @ layer.weight.astype(np.float32)).astype(np.float64)",
            ),
        ),
        ("softmax",),
        "are some of your arrays float32, although the recipe has float64?",
    ),
    Mutation(
        "the gradient of a float64 recipe is computed in float32",
        (
            Edit(
                _TRAINER,
                "self.product(y.T, dz)",
                "(y.T.astype(np.float32) @ dz.astype(np.float32)).astype(np.float64)",
            ),
        ),
        ("softmax",),
        "are some of your gradients float32, although the recipe has float64?",
    ),
    Mutation(
        "the velocity of a float64 recipe is kept in float32",
        (
            Edit(
                _OPTIMIZERS,
                "self.changes = [np.zeros_like(w) for w in weights]",
                "self.changes = [np.zeros_like(w, dtype=np.float32) for w in weights]",
            ),
        ),
        ("momentum",),
        "is the state of your optimizer float32, although the recipe has float64?",
    ),
    Mutation(
        "the forward pass of a float32 recipe is rounded to half precision",
        (Edit(_TRAINER, _FORWARD, "total = (fed[-1] @ layer.weight).astype(np.float16).astype(x.dtype)"),),
        ("softmax, float32",),
        "does your matrix product round to half precision or TF32?",
    ),
    Mutation(
        "the gradient of a float32 recipe is rounded to half precision",
        (Edit(_TRAINER, "self.product(y.T, dz)", "(y.T @ dz).astype(np.float16).astype(y.dtype)"),),
        ("squared error, float32",),
        "is your gradient rounded to half precision?",
    ),
    Mutation(
        "the weight updates of a float32 recipe are rounded to half precision",
        (
            Edit(
                _OPTIMIZERS,
                "w -= self.learning_rate * g",
                "w -= (self.learning_rate * g).astype(np.float16)",
            ),
        ),
        ("softmax, float32",),
        "are your weight updates rounded to half precision?",
    ),
    Mutation(
        "the weights of a float32 recipe are kept in half precision",
        (
            Edit(
                _OPTIMIZERS,
                "w -= self.learning_rate * g",
                "w[...] = (w - self.learning_rate * g).astype(np.float16)",
            ),
        ),
        ("softmax, float32",),
        "are your weights stored in half precision?",
    ),
    Mutation(
        "the outputs of a float32 recipe are float64",
        (Edit(_TRAINER, "return self.forward(x).y[-1]", "return self.forward(x.astype(np.float64)).y[-1]"),),
        ("softmax, float32",),
        "do your outputs have the dtype of the recipe?",
    ),
)

PREPARATION = (
    Mutation(
        "the target range is ignored",
        (Edit(_DATASET, "_map_range(t, (0.0, 1.0), recipe.target_range, recipe.dtype)", "t.astype(recipe.dtype)"),),
        ("ranges",),
        "are your targets 0 and 1, although the recipe has another range?",
    ),
    Mutation(
        "the input range is ignored",
        (Edit(_DATASET, "_map_range(x, ends, recipe.input_range, recipe.dtype)", "x.astype(recipe.dtype) / ends[1]"),),
        ("ranges",),
        "do your inputs start at 0, although the recipe has another range?",
    ),
    Mutation(
        "pixels are divided by 256 instead of 255",
        (Edit(_DATASET, "(steps - smallest) / (largest - smallest)", "steps / 256"),),
        ("ranges", "softmax"),
        "do you divide the pixels by 256?",
    ),
    Mutation(
        "pixels are multiplied by the upper end of the range instead of its width",
        (
            Edit(
                _DATASET,
                "(high - low) * ((steps - smallest) / (largest - smallest))",
                "high * ((steps - smallest) / (largest - smallest))",
            ),
        ),
        ("ranges",),
        "do you multiply the inputs by the width of their range?",
    ),
    Mutation(
        "pixels are not scaled",
        (Edit(_DATASET, "_map_range(x, ends, recipe.input_range, recipe.dtype)", "x.astype(recipe.dtype)"),),
        ("softmax",),
        "did you forget to divide the pixels by 255?",
    ),
)

PROTOCOL = (
    Mutation(
        "the network starts from other weights than the initial ones",
        (
            Edit(
                _TRAINER,
                "self.layers = copy_parameters(parameters)",
                "self.layers = copy_parameters(parameters)\nself.layers[0].weight[...] = -self.layers[0].weight",
            ),
        ),
        ("softmax",),
        "do you start from the initial weights that you get?",
    ),
    Mutation(
        "the initial weights are not copied but trained in place",
        (Edit(_TRAINER, "self.layers = copy_parameters(parameters)", "self.layers = parameters"),),
        ("softmax",),
        "do you train the initial weights in place rather than copies?",
    ),
    Mutation(
        "parameters returns the weights themselves instead of copies",
        (Edit(_TRAINER, "copy_parameters(self.layers)", "self.layers"),),
        ("softmax",),
        "does parameters return copies?",
    ),
    Mutation(
        "gradients updates the weights",
        (
            Edit(
                _TRAINER,
                _SHOWN,
                "backward = self.backward(self.forward(x, self.masks(len(x))), t)\n"
                "self.update(backward)\nreturn backward.gradients",
            ),
        ),
        ("softmax",),
        "does gradients leave the weights unchanged?",
    ),
    Mutation(
        "gradients adds to what it returned before",
        (
            Edit(
                _TRAINER,
                "self.layers = copy_parameters(parameters)",
                "self.layers, self.before = copy_parameters(parameters), []",
            ),
            Edit(
                _TRAINER,
                _SHOWN,
                f"""
shown = {_SHOWN}
self.before.append(shown)
arrays = [[array for layer in each for array in layer.arrays()] for each in self.before]
sums = iter([sum(several) for several in zip(*arrays, strict=True)])
return tuple(Layer(next(sums), next(sums) if self.recipe.bias else None) for _ in shown)
""".replace("shown = return", "shown ="),
            ),
        ),
        ("softmax",),
        "did you forget to reset the gradients to 0 before you compute them again?",
    ),
    Mutation(
        "train_epoch changes its inputs",
        (Edit(_TRAINER, "loss = 0.0", "loss = 0.0\nx[...] = np.maximum(x, 0.1)"),),
        ("softmax",),
        "does train_epoch leave the examples unchanged?",
    ),
)

MISTAKES_IN_TRAINING = DESCENT + MOMENTUM + RUNNING_MEANS + DECAY + BATCHES + PRECISION + PREPARATION + PROTOCOL
