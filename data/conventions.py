"""Conventions that others follow: the same network by another definition, which is no mistake."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from backprop_bench.data.errors import InvalidRecipe
from backprop_bench.data.recipe import ExtendedRecipe, Recipe


@dataclasses.dataclass(frozen=True)
class Convention:
    """A convention that people follow where a recipe follows another.

    Attributes
    ----------
    words
        What it is, as the end of "yours is right for …".
    changes
        The fields of a recipe that make it, as :meth:`data.Recipe.replace` takes them.
    option
        The same on the command line.
    """

    words: str
    changes: Mapping[str, Any]
    option: str


CONVENTIONS: tuple[Convention, ...] = (
    Convention("a squared error without the ½", {"half": False}, "--no-half"),
    Convention("a squared error with the ½", {"half": True}, "--half"),
    Convention("a loss that is the mean over the outputs", {"mean_over_outputs": True}, "--mean-over-outputs"),
    Convention("a loss that is the sum over the outputs", {"mean_over_outputs": False}, "--no-mean-over-outputs"),
    Convention(
        "the exact gradient, with the derivatives of the activations",
        {"back_propagation": "gradient"},
        "--back-propagation gradient",
    ),
    Convention("weight decay of the weights alone, not of the biases", {"decay_biases": False}, "--no-decay-biases"),
    Convention(
        "a penalty λ/2 Σ w² that is part of the loss and of the gradients",
        {"penalty_in_loss": True},
        "--penalty-in-loss",
    ),
    Convention("Nesterov's momentum, as torch.optim.SGD has it", {"nesterov": True}, "--nesterov"),
    Convention("momentum whose gradients count 1 − α", {"dampened_momentum": True}, "--dampened-momentum"),
    Convention(
        "Adam with ε added to the uncorrected root, the reordered form of its publication",
        {"adam_reordered": True},
        "--adam-reordered",
    ),
    *(
        Convention(f"a loss with log(y + {text})", {"log_epsilon": float(text)}, f"--log-epsilon {text}")
        for text in ("1e-15", "1e-12", "1e-10", "1e-9", "1e-8", "1e-7", "1e-5")
    ),
    *(
        Convention(f"a loss with y clipped to [{text}, 1 − {text}]", {"log_clip": float(text)}, f"--log-clip {text}")
        for text in ("1e-15", "1e-12", "1e-10", "1e-9", "1e-8", "1e-7", "1e-5")
    ),
    Convention("leaky relu with slope 0.01", {"negative_slope": 0.01}, "--negative-slope 0.01"),
    Convention("leaky relu with slope 0.1", {"negative_slope": 0.1}, "--negative-slope 0.1"),
    Convention(
        "outputs after tanh, with targets −1 and 1",
        {"output_activation": "tanh", "target_range": (-1.0, 1.0)},
        "--output-activation tanh --target-range -1 1",
    ),
    Convention(
        "a squared error after softmax",
        {"output_activation": "softmax", "loss": "squared_error"},
        "--output-activation softmax --loss squared_error",
    ),
    Convention("epochs without the short last batch", {"drop_last": True}, "--drop-last"),
    Convention("examples that are drawn with replacement", {"with_replacement": True}, "--with-replacement"),
    Convention("standardised inputs, of mean 0 and standard deviation 1", {"standardize": True}, "--standardize"),
    Convention(
        "a penalty of the weights alone that is part of the loss and of the gradients",
        {"decay_biases": False, "penalty_in_loss": True},
        "--no-decay-biases --penalty-in-loss",
    ),
    Convention(
        "a squared error without the ½ that is the mean over the outputs",
        {"half": False, "mean_over_outputs": True},
        "--no-half --mean-over-outputs",
    ),
    Convention(
        "nn.MSELoss, the mean of the squared errors over examples and outputs",
        {"reduction": "mean", "half": False, "mean_over_outputs": True},
        "--reduction mean --no-half --mean-over-outputs",
    ),
    Convention(
        "a loss that is the mean over examples and outputs",
        {"reduction": "mean", "mean_over_outputs": True},
        "--reduction mean --mean-over-outputs",
    ),
)
"""One convention each, then those that often come together."""


def conventions_for(recipe: Recipe) -> Iterator[tuple[Convention, Recipe]]:
    """Yield the conventions that a recipe does not follow but could, each with the recipe that follows it.

    Of two that come to the same recipe, the first one only.
    """
    seen = {ExtendedRecipe.of(recipe)}
    for convention in CONVENTIONS:
        try:
            changed = recipe.replace(**convention.changes)
        except InvalidRecipe:  # it means nothing in this recipe
            continue
        if (full := ExtendedRecipe.of(changed)) not in seen:
            seen.add(full)
            yield convention, changed
