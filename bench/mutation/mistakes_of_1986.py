"""Mistakes in what only the networks of 1986 need.

That is a block-diagonal first layer, skip connections, a schedule, multiplicative decay and an error dead zone.
"""

from backprop_bench.bench.mutation.edit import Edit, Mutation

_TRAINER, _OPTIMIZERS, _LOSSES = (
    "backprop_bench.scratch.numpy_trainer",
    "backprop_bench.scratch.optimizers",
    "backprop_bench.scratch.losses",
)
_DECAY = """
self.inner.step(gradients)
for w in self.weights:
    w *= 1 - self.decay
"""
_DEAD_ZONE = "np.where(t > middle, y > high, y < low)"
_RATES = "self.optimizer.set_rates(*self.recipe.rates(self.epoch))"
_DECAY_FIRST = """
for w in self.weights:
    w *= 1 - self.decay
self.inner.step(gradients)
"""

CONNECTIONS = (
    Mutation(
        "weights between the blocks are updated",
        (Edit(_TRAINER, "gradients[0].weight[...] *= self.connected", "pass"),),
        ("block-diagonal first layer",),
        "do the weights outside the blocks of the first layer stay 0?",
    ),
    Mutation(
        "every input is connected to the hidden units of every block",
        (
            Edit(_TRAINER, "self.layers[0].weight[...] *= self.connected", "pass"),
            Edit(_TRAINER, "gradients[0].weight[...] *= self.connected", "pass"),
        ),
        ("block-diagonal first layer",),
        "is your first layer block-diagonal?",
    ),
    Mutation(
        "skip connections come before those of the hidden units",
        (
            Edit(_TRAINER, "np.hstack((below, x))", "np.hstack((x, below))"),
            Edit(_TRAINER, "dy[:, : forward.y[layer].shape[1]]", "dy[:, -forward.y[layer].shape[1] :]"),
        ),
        ("skip connections",),
        "are the weights of the skip connections the last rows of the output layer?",
    ),
    Mutation(
        "the errors of the inputs are used for the hidden units",
        (Edit(_TRAINER, "dy[:, : forward.y[layer].shape[1]]", "dy[:, -forward.y[layer].shape[1] :]"),),
        ("skip connections",),
        "do you select the columns of the hidden units from the errors of the output layer?",
    ),
    Mutation(
        "skip connections are not learned",
        (
            Edit(
                _TRAINER,
                "self.product(y.T, dz)",
                "np.where(np.arange(y.shape[1])[:, None] < self.layers[0].weight.shape[1], y.T @ dz, 0)",
            ),
        ),
        ("skip connections",),
        "do you update the weights of the skip connections?",
    ),
)

UPDATES = (
    Mutation(
        "the schedule does not change the momentum",
        (Edit(_TRAINER, _RATES, "self.optimizer.set_rates(self.recipe.rates(self.epoch)[0], self.recipe.momentum)"),),
        ("momentum and schedule",),
        "does the momentum change with the learning rate?",
    ),
    Mutation(
        "the schedule does not change the learning rate",
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
        "multiplicative decay comes before the weight update",
        (Edit(_OPTIMIZERS, _DECAY, _DECAY_FIRST),),
        ("multiplicative decay",),
        "does the decay come after the weight update, so that it includes the update?",
    ),
    Mutation(
        "multiplicative decay is replaced by weight decay in the gradient",
        (
            Edit(
                _OPTIMIZERS,
                _DECAY,
                "self.inner.step([g + self.decay * w for w, g in zip(self.weights, gradients, strict=True)])",
            ),
        ),
        ("multiplicative decay",),
        "does your decay multiply the weights after each update, rather than add to the gradient?",
    ),
    Mutation(
        "multiplicative decay skips the biases",
        (Edit(_OPTIMIZERS, "w *= 1 - self.decay", "w *= 1 - self.decay * (w.ndim == 2)"),),
        ("multiplicative decay",),
        "do the biases decay as all weights do?",
    ),
)

DEAD_ZONES = (
    Mutation(
        "there is no error dead zone",
        (Edit(_LOSSES, _DEAD_ZONE, "np.zeros(t.shape, bool)"),),
        ("error dead zone",),
        "is the error of an output in the dead zone 0?",
    ),
    Mutation(
        "the error dead zone is on the wrong side",
        (Edit(_LOSSES, _DEAD_ZONE, "np.where(t > middle, y < low, y > high)"),),
        ("error dead zone",),
        "is the dead zone above the upper edge for a high target, and below the lower edge for a low one?",
    ),
    Mutation(
        "the edge of the error dead zone becomes the target",
        (Edit(_LOSSES, "np.where(in_zone, 0, y - t)", "np.where(in_zone, 0, y - np.where(t > middle, high, low))"),),
        ("error dead zone",),
        "is the error of an output outside the dead zone its distance to the target?",
    ),
)

MISTAKES_OF_1986 = CONNECTIONS + UPDATES + DEAD_ZONES
