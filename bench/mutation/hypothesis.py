"""What an implementation may compute instead of its recipe: a known mistake, a convention, or another value."""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from backprop_bench.bench.mutation.edit import Edit, Mutation
from backprop_bench.bench.mutation.mistakes_in_training import PROTOCOL
from backprop_bench.bench.mutation.mutant import make_trainer
from backprop_bench.bench.mutation.mutations import MISTAKES
from backprop_bench.bench.mutation.signature import Build
from backprop_bench.data import Convention, Parameters, Recipe, Trainer, conventions_for
from backprop_bench.scratch.numpy_trainer import NumpyTrainer

BATCH_SIZES = (
    2,
    3,
    4,
    5,
    6,
    8,
    10,
    12,
    16,
    20,
    24,
    25,
    30,
    32,
    40,
    48,
    50,
    60,
    64,
    80,
    96,
    100,
    120,
    128,
    150,
    200,
    256,
)
"""Sizes that are tried instead of the recipe's; 1 and all examples are known mistakes."""


_TRAINER = "backprop_bench.scratch.numpy_trainer"
_IN_TRAINING = {"drop_last": "a short last batch is dropped"}
"""Conventions of the order, which a network gets: the mistake that is the same in the training, by the field."""


Alter = Callable[[type[NumpyTrainer]], type[NumpyTrainer]]
"""Makes a trainer that differs from another one."""


@dataclasses.dataclass(frozen=True, eq=False)
class Hypothesis:
    """Something that may be different.

    Attributes
    ----------
    name
        What is different, in one sentence.
    question
        To somebody whose network differs in this way.
    edits
        The change of the source of the NumPy version.
    alter
        What else makes it differ; ``None`` for nothing.
    fields
        Recipe ↦ the fields of it that are different.
    convention
        What it is where it is no mistake, but right for the recipe with these fields.
    is_factor
        Whether it only says by which factor something differs: a known mistake says why.
    """

    name: str
    question: str
    edits: tuple[Edit, ...] = ()
    alter: Alter | None = None
    fields: Callable[[Recipe], Mapping[str, Any]] = lambda recipe: {}  # noqa: ARG005
    convention: Convention | None = None
    is_factor: bool = False


def trainer_of(hypotheses: Iterable[Hypothesis]) -> Build:
    """Return what trains as the NumPy version would if all of these were so.

    Raises
    ------
    StaleEditError
        Where two of them change the same code.
    """
    several = tuple(hypotheses)
    trainer = mutant_of(tuple(edit for each in several for edit in each.edits))
    for each in several:
        trainer = trainer if each.alter is None else each.alter(trainer)

    def build(recipe: Recipe, parameters: Parameters) -> Trainer:
        for each in several:
            recipe = recipe.replace(**each.fields(recipe))
        return trainer(recipe, parameters)

    return build


@functools.cache
def mutant_of(edits: tuple[Edit, ...]) -> type[NumpyTrainer]:
    """Return the NumPy version with these edits, made once."""
    return make_trainer(edits)


def hypotheses(recipe: Recipe, factors: Mapping[str, float | None]) -> Iterator[Hypothesis]:
    """Yield all that is tried on a recipe: conventions, known mistakes, other values of its fields.

    Parameters
    ----------
    factors
        By which ``gradient``, ``first update`` and ``loss`` differ from the right ones; ``None`` where that differs
        from element to element.
    """
    for convention, _ in conventions_for(recipe):
        yield _of_convention(convention)
    yield from map(_of_mutation, known_mistakes())
    for size in BATCH_SIZES:
        if size != recipe.batch_size:
            yield _of_batch_size(size)
    update, gradient, loss = factors["first update"], factors["gradient"], factors["loss"]
    if update is not None and update > 0:
        yield from of_update(recipe, update)
    if gradient is not None and recipe.dtype != "float64":  # there it is explained layer by layer
        times = f"{gradient!r} * "
        yield Hypothesis(
            f"the gradient is {gradient:.4g} × what it should be",
            f"do you multiply the error by {gradient:.4g}?",
            (
                Edit(_TRAINER, "self.product(y.T, dz)", f"{times}(y.T @ dz)"),
                Edit(_TRAINER, "dz.sum(axis=0)", f"{times}dz.sum(axis=0)"),
            ),
            is_factor=True,
        )
    if loss is not None:
        yield Hypothesis(
            f"the loss is {loss:.4g} × what it should be",
            "did you forget the minus of the loss?"
            if abs(loss + 1) < 1e-9
            else f"do you multiply the loss that you report by {loss:.4g}?",
            (Edit(_TRAINER, "return loss / len(order)", f"return {loss!r} * loss / len(order)"),),
            is_factor=True,
        )


def known_mistakes() -> Iterator[Mutation]:
    """Yield the mistakes in what is computed: those that break the protocol are found before."""
    return (mutation for mutation in MISTAKES if mutation not in PROTOCOL and not mutation.changes_data)


def _of_convention(convention: Convention) -> Hypothesis:
    mistake = _IN_TRAINING.get(" ".join(convention.changes))
    edits = next((known.edits for known in MISTAKES if known.name == mistake), ())
    return Hypothesis(
        f"{convention.words}, which is a convention and no mistake",
        f"do you mean {convention.words}? Then say {convention.option}.",
        edits,
        fields=lambda recipe: convention.changes,  # noqa: ARG005
        convention=convention,
    )


@functools.cache
def _of_mutation(mutation: Mutation) -> Hypothesis:
    return Hypothesis(mutation.name, mutation.hint, mutation.edits)


@functools.cache
def _of_batch_size(size: int) -> Hypothesis:
    return Hypothesis(
        f"a batch has {size} examples, whatever the recipe says",
        f"is your batch size {size}?",
        fields=lambda recipe: {"batch_size": size},  # noqa: ARG005
    )


def of_update(recipe: Recipe, factor: float) -> Iterator[Hypothesis]:
    """Yield what makes the weight update this many times as large."""
    rate = recipe.learning_rate * factor
    yield Hypothesis(
        f"the learning rate is {rate:.4g}, whatever the recipe says",
        f"is your learning rate {rate:.4g}?",
        fields=lambda recipe: {"learning_rate": rate},  # noqa: ARG005
    )
    yield Hypothesis(
        f"the weight update is {factor:.4g} × as large as it should be",
        f"do you multiply the gradient or the learning rate by {factor:.4g}?",
        is_factor=True,
        fields=lambda recipe: {"learning_rate": recipe.learning_rate * factor},
    )
