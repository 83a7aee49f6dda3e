"""Mistakes in what only the networks of 1986 need: groups, direct connections, schedule, shrinkage, margin."""

from backprop_bench.bench.mutation.edit import Edit, Mutation

_TRAINER, _OPTIMIZERS, _LOSSES = (
    "backprop_bench.scratch.numpy_trainer",
    "backprop_bench.scratch.optimizers",
    "backprop_bench.scratch.losses",
)
_SHRINK = """
self.inner.step(gradients)
for w in self.weights:
    w *= 1 - self.decay
"""
_FORGIVEN = "np.where(t > middle, y > high, y < low)"
_RATES = "self.optimizer.set_rates(*self.recipe.rates(self.epoch))"
_SHRINK_FIRST = """
for w in self.weights:
    w *= 1 - self.decay
self.inner.step(gradients)
"""

CONNECTIONS = (
    Mutation(
        "weights between the groups are changed",
        (Edit(_TRAINER, "gradients[0].weight[...] *= self.connected", "pass"),),
        ("groups",),
        "do you keep the weights at 0 that lead from one group of inputs to the hidden units of another?",
    ),
    Mutation(
        "every input leads to the hidden units of every group",
        (
            Edit(_TRAINER, "self.layers[0].weight[...] *= self.connected", "pass"),
            Edit(_TRAINER, "gradients[0].weight[...] *= self.connected", "pass"),
        ),
        ("groups",),
        "does every group of inputs have hidden units of its own?",
    ),
    Mutation(
        "direct connections come before those of the hidden units",
        (
            Edit(_TRAINER, "np.hstack((y[-1], x))", "np.hstack((x, y[-1]))"),
            Edit(_TRAINER, "dy[:, : forward.y[layer].shape[1]]", "dy[:, -forward.y[layer].shape[1] :]"),
        ),
        ("direct",),
        "are the weights of the direct connections the last rows of the output layer?",
    ),
    Mutation(
        "the errors of the inputs are taken for those of the hidden units",
        (Edit(_TRAINER, "dy[:, : forward.y[layer].shape[1]]", "dy[:, -forward.y[layer].shape[1] :]"),),
        ("direct",),
        "which columns of the errors that come back through the output layer are those of the hidden units?",
    ),
    Mutation(
        "direct connections are not learned",
        (
            Edit(
                _TRAINER,
                "y.T @ dz",
                "np.where(np.arange(y.shape[1])[:, None] < self.layers[0].weight.shape[1], y.T @ dz, 0)",
            ),
        ),
        ("direct",),
        "do you change the weights of the direct connections?",
    ),
)

CHANGES = (
    Mutation(
        "the schedule leaves the momentum as it is",
        (Edit(_TRAINER, _RATES, "self.optimizer.set_rates(self.recipe.rates(self.epoch)[0], self.recipe.momentum)"),),
        ("momentum and schedule",),
        "does the momentum change with the learning rate?",
    ),
    Mutation(
        "the schedule leaves the learning rate as it is",
        (
            Edit(
                _TRAINER,
                _RATES,
                "self.optimizer.set_rates(self.recipe.learning_rate, self.recipe.rates(self.epoch)[1])",
            ),
        ),
        ("momentum and schedule",),
        "does the learning rate change with the momentum?",
    ),
    Mutation(
        "weights shrink before they are changed",
        (Edit(_OPTIMIZERS, _SHRINK, _SHRINK_FIRST),),
        ("shrinkage",),
        "does the decay come after the change of the weights, so that the change shrinks too?",
    ),
    Mutation(
        "what is added to the gradient stands for the shrinkage",
        (
            Edit(
                _OPTIMIZERS,
                _SHRINK,
                "self.inner.step([g + self.decay * w for w, g in zip(self.weights, gradients, strict=True)])",
            ),
        ),
        ("shrinkage",),
        "is your decay a share of the weight after each change, rather than a part of the gradient?",
    ),
    Mutation(
        "biases do not shrink",
        (Edit(_OPTIMIZERS, "w *= 1 - self.decay", "w *= 1 - self.decay * (w.ndim == 2)"),),
        ("shrinkage",),
        "do the biases decay as all weights do?",
    ),
)

MARGINS = (
    Mutation(
        "nothing is forgiven",
        (Edit(_LOSSES, _FORGIVEN, "np.zeros(t.shape, bool)"),),
        ("margin",),
        "are errors of outputs beyond the margin 0?",
    ),
    Mutation(
        "errors are forgiven on the wrong side",
        (Edit(_LOSSES, _FORGIVEN, "np.where(t > middle, y < low, y > high)"),),
        ("margin",),
        "is an output that is to be on forgiven above the margin, and one that is to be off below?",
    ),
    Mutation(
        "the edge of the margin becomes the target",
        (Edit(_LOSSES, "np.where(in_zone, 0, y - t)", "np.where(in_zone, 0, y - np.where(t > middle, high, low))"),),
        ("margin",),
        "is the error of an output short of the margin that from its target?",
    ),
)

MISTAKES_OF_1986 = CONNECTIONS + CHANGES + MARGINS
