"""What every implementation is given, identically: dataset, recipe, initial weights, batch order."""

from backprop_bench.data.conventions import CONVENTIONS, Convention, conventions_for
from backprop_bench.data.dataset import (
    Dataset,
    Examples,
    Labels,
    changed_recipe,
    check_fit,
    evaluation_examples,
    fit_recipe,
    training_examples,
)
from backprop_bench.data.errors import InputError, InvalidRecipe, UnsupportedRecipe
from backprop_bench.data.family_trees import RELATIONS, FamilyTree, load_family_trees
from backprop_bench.data.load import load_dataset
from backprop_bench.data.named_recipes import ARTICLE_SCRATCH, ARTICLE_TORCH, RASHID, RECIPES, SHARED, named_recipe
from backprop_bench.data.parameters import (
    Floats,
    Layer,
    Order,
    Parameters,
    assign_parameters,
    batch_order,
    check_order,
    connections,
    copy_parameters,
    dropout_masks,
    epoch_of,
    examples_per_epoch,
    initial_parameters,
)
from backprop_bench.data.published import PATTERNS, Patterns, load_patterns
from backprop_bench.data.recipe import CHOICES, DONE_IN_PART, ExtendedRecipe, Recipe, check_plain
from backprop_bench.data.sources import NAMES
from backprop_bench.data.trainer import DividesSteps, StepParts, Trace, Traces, Trainer

__all__ = [
    "ARTICLE_SCRATCH",
    "ARTICLE_TORCH",
    "CHOICES",
    "CONVENTIONS",
    "DONE_IN_PART",
    "NAMES",
    "PATTERNS",
    "RASHID",
    "RECIPES",
    "RELATIONS",
    "SHARED",
    "Convention",
    "Dataset",
    "DividesSteps",
    "Examples",
    "ExtendedRecipe",
    "FamilyTree",
    "Floats",
    "InputError",
    "InvalidRecipe",
    "Labels",
    "Layer",
    "Order",
    "Parameters",
    "Patterns",
    "Recipe",
    "StepParts",
    "Trace",
    "Traces",
    "Trainer",
    "UnsupportedRecipe",
    "assign_parameters",
    "batch_order",
    "changed_recipe",
    "check_fit",
    "check_order",
    "check_plain",
    "connections",
    "conventions_for",
    "copy_parameters",
    "dropout_masks",
    "epoch_of",
    "evaluation_examples",
    "examples_per_epoch",
    "fit_recipe",
    "initial_parameters",
    "load_dataset",
    "load_family_trees",
    "load_patterns",
    "named_recipe",
    "training_examples",
]
