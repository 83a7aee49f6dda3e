"""Runs the checks of the verification on a mutant."""

import dataclasses
import functools
import math
from collections.abc import Callable

import numpy as np

from backprop_bench.bench.core.stats.tolerances import Agreement, worst
from backprop_bench.bench.mutation.edit import Mutation
from backprop_bench.bench.mutation.mutant import make_preparation, make_trainer, prepared_by
from backprop_bench.bench.mutation.recipes import RECIPES, examples_of, first_batch
from backprop_bench.bench.mutation.signature import Signature, signature_of
from backprop_bench.bench.verify.checks import (
    compare_central_differences,
    compare_gradients,
    compare_outputs,
    compare_training,
    is_gradient,
)
from backprop_bench.bench.verify.protocol import check_protocol
from backprop_bench.data import Trainer, training_examples
from backprop_bench.scratch.numpy_trainer import NumpyTrainer
from backprop_bench.torch_impl.trainers import EagerTrainer

STEPS = 12
"""Weight updates after which the weights are compared: four epochs of two full batches and a short one."""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The result of the verification of a mutation on one recipe.

    Attributes
    ----------
    agreements
        Each check with its result, in their order.
    """

    mutation: Mutation
    recipe_name: str
    agreements: tuple[tuple[str, Agreement], ...]

    @property
    def caught_by(self) -> tuple[str, ...]:
        """The checks that fail, in their order."""
        return tuple(check for check, agreement in self.agreements if not agreement.passed)

    @property
    def is_right(self) -> bool:
        """Whether it is caught if it is a mistake, and only then."""
        return bool(self.caught_by) == (self.mutation.kind == "mistake")

    @property
    def worst(self) -> tuple[str, Agreement]:
        """The check with the largest error in relation to its tolerance, and its result; a number if there is one."""
        failed = [agreement for _, agreement in self.agreements if not agreement.passed]
        numbers = [agreement for agreement in failed if agreement.difference is not None]
        furthest = worst(numbers or failed or [agreement for _, agreement in self.agreements])
        return next((check, agreement) for check, agreement in self.agreements if agreement is furthest)


def excess(agreement: Agreement) -> float:
    """Return the error divided by its tolerance; infinite where it is no number."""
    if agreement.difference is None:
        return math.inf
    if agreement.difference == 0:
        return 0.0
    return agreement.difference / agreement.tolerance if agreement.tolerance else math.inf


@functools.cache
def judge(mutation: Mutation, recipe_name: str) -> Verdict:
    """Run every check on the mutant; an exception of the mutant is an error of the catalogue."""
    recipe = RECIPES[recipe_name]
    actual, expected = mutant_and_reference(mutation)
    examples = examples_of(recipe, prepared=not mutation.changes_data)
    batch = first_batch(recipe, examples)
    checks: dict[str, Callable[[], Agreement]] = {
        "protocol": lambda: check_protocol(recipe, actual, first_batch(recipe, examples)),  # may change its batch
        "outputs": lambda: compare_outputs(recipe, actual, expected, batch),
        "gradients": lambda: compare_gradients(recipe, actual, expected, batch),
        f"{STEPS} steps": lambda: compare_training(recipe, actual, expected, examples, STEPS),
    }
    if recipe.dtype == "float64" and is_gradient(recipe) and not mutation.changes_data:
        checks["central differences"] = lambda: compare_central_differences(recipe, actual, batch)
    with np.errstate(all="ignore"):  # a mistake may well overflow
        return Verdict(mutation, recipe_name, tuple((name, check()) for name, check in checks.items()))


def mutant_and_reference(mutation: Mutation) -> tuple[type[Trainer], type[Trainer]]:
    """Return the mutant and the reference, which uses PyTorch's autograd.

    Where a mutation changes the data preparation, both prepare the examples themselves.
    """
    if mutation.changes_data:
        mutant = prepared_by(NumpyTrainer, make_preparation(mutation.edits))
        return mutant, prepared_by(EagerTrainer, training_examples)
    return make_trainer(mutation.edits), EagerTrainer


@functools.cache
def sign(mutation: Mutation, recipe_name: str) -> Signature:
    """Return the signature of a mutation on a recipe, in float64."""
    recipe = RECIPES[recipe_name].replace(dtype="float64")
    actual, expected = mutant_and_reference(mutation)
    with np.errstate(all="ignore"):
        return signature_of(recipe, actual, expected, examples_of(recipe, prepared=not mutation.changes_data))
