"""Known mistakes that compute the same as an implementation: mutations, tried on its own recipe and examples."""

import functools
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from backprop_bench.bench.mutation.edit import Mutation
from backprop_bench.bench.mutation.mistakes_in_training import PROTOCOL
from backprop_bench.bench.mutation.mutant import make_trainer
from backprop_bench.bench.mutation.mutations import MISTAKES
from backprop_bench.bench.mutation.signature import (
    EPOCHS,
    Quantities,
    are_all_same,
    compare_quantities,
    describe,
    quantities_of,
)
from backprop_bench.bench.verify.protocol import check_protocol
from backprop_bench.bench.verify.replies import Reading
from backprop_bench.data import Examples, Floats, Recipe, Trainer

MAX_QUESTIONS = 3
"""Questions where no known mistake computes the same."""
MIN_EXAMPLES = 21
SIMILARITY_RANGE = 1.0
"""Powers of ten by which a mistake may be less similar than the most similar one, and still be asked about."""


def read_difference(recipe: Recipe, actual: type[Trainer], expected: type[Trainer], examples: Examples) -> Reading:
    """Look for the mistake that makes a trainer differ from the expected one, on two batches and a shorter one."""
    examples = _few(recipe, examples)
    hidden = () if getattr(actual, "shows_outputs", True) else ("outputs", "later outputs")
    hidden = (*hidden, *(() if getattr(actual, "shows_loss", True) else ("loss",)))
    hidden = (*hidden, *(("gradient",) if getattr(actual, "derives_gradients", False) else ()))  # that is the update

    def shown(trainer: type[Trainer]) -> Quantities:
        return [item for item in quantities_of(recipe, trainer, examples) if item[0] not in hidden]

    def differs(a: Quantities, b: Quantities) -> str:
        signature = compare_quantities(recipe, a, b, len(examples.x))
        return describe(recipe, signature) if signature else ""

    with np.errstate(all="ignore"):  # a mistake may well overflow
        right = shown(expected)
        try:
            here = shown(actual)
        except Exception:  # noqa: BLE001 (the caller reports the exception)
            return Reading()
        difference = differs(here, right)
        if not difference:
            return Reading(epochs=EPOCHS)
        same: list[Mutation] = []
        alike: list[tuple[float, Mutation]] = []
        numeric = [mutation for mutation in MISTAKES if mutation not in PROTOCOL]  # the protocol check comes before
        has_right_gradient = are_all_same(recipe, _gradient_of(here), _gradient_of(right))
        for mutation, computed in _try_all(numeric, shown):
            there = _with_gradient_of(right, computed) if has_right_gradient else computed
            if _fit(there, right) and are_all_same(recipe, there, here):
                same.append(mutation)
            elif _fit(there, right) and differs(there, right) == difference:
                alike.append((_distance(there, here, right), mutation))
    if same:
        return Reading(
            differs=difference,
            mistakes=tuple(mutation.name for mutation in same),
            questions=_questions(same),
            epochs=EPOCHS,
        )
    nearest = sorted(alike, key=lambda pair: pair[0])
    near = [mutation for distance, mutation in nearest if distance <= nearest[0][0] + SIMILARITY_RANGE]
    return Reading(differs=difference, questions=_questions(near)[:MAX_QUESTIONS], epochs=EPOCHS)


def read_protocol_error(recipe: Recipe, batch: Examples, fault: str) -> Reading:
    """Look for mistakes with the same result of `check_protocol`, otherwise with an exception in the same method."""

    def message_of(mutant: type[Trainer]) -> str:
        return check_protocol(recipe, mutant, Examples(batch.x.copy(), batch.t.copy(), batch.y)).where

    fault = re.sub(r"^(\w+ raised \w+) in line \d+:", r"\1:", fault)  # the mutants are of another file
    with np.errstate(all="ignore"):
        faults = list(_try_all(MISTAKES, message_of))
    same = [mutation for mutation, there in faults if there == fault]
    if same:
        return Reading(mistakes=tuple(mutation.name for mutation in same), questions=_questions(same))
    raised, colon, _ = fault.partition(": ")
    alike = [mutation for mutation, there in faults if colon and there.startswith(raised + colon)]
    return Reading(questions=_questions(alike)[:MAX_QUESTIONS])


def _few(recipe: Recipe, examples: Examples) -> Examples:
    size = recipe.batch_size or 1
    some = slice(max(MIN_EXAMPLES, 2 * size + (size + 1) // 2))
    return Examples(examples.x[some], examples.t[some], examples.y[some])


def _try_all(mutations: Iterable[Mutation], run: Callable[[type[Trainer]], Any]) -> Iterator[tuple[Mutation, Any]]:
    """Yield the result of every mutant of the network; skip those that raise because they do not fit the recipe."""
    for mutation in mutations:
        if not mutation.changes_data:
            try:
                yield mutation, run(_mutant(mutation))
            except Exception:  # noqa: BLE001, S112 (such as shapes that do not fit)
                continue


@functools.cache
def _mutant(mutation: Mutation) -> type[Trainer]:
    return make_trainer(mutation.edits)


def _gradient_of(quantities: Quantities) -> Quantities:
    return [item for item in quantities if item[0] == "gradient"]


def _with_gradient_of(right: Quantities, there: Quantities) -> Quantities:
    """Return the quantities of a mistake that is in training only: its gradients are the right ones."""
    return [b if b[0] == "gradient" else a for a, b in zip(there, right, strict=True)]


def _fit(there: Quantities, right: Quantities) -> bool:
    return [a.shape for _, _, a in there] == [b.shape for _, _, b in right]


def _questions(mutations: list[Mutation]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(mutation.hint for mutation in mutations))


def _distance(there: Quantities, here: Quantities, right: Quantities) -> float:
    """Return the mean ratio of the sizes of two differences from the right quantities, in powers of ten."""
    a, b = (np.log10([_size(x, y) for (_, _, x), (_, _, y) in zip(some, right, strict=True)]) for some in (there, here))
    apart = abs(a - b)[np.isfinite(a - b)]  # leaves out quantities that are no number
    return float(apart.mean()) if apart.size else np.inf


def _size(a: Floats, b: Floats) -> float:
    return float(abs(a - b).max() / abs(b).max()) + float(np.finfo(b.dtype).tiny)
