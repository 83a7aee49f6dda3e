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
