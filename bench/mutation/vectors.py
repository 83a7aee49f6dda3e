"""The likely mistake of a program in another language, from what it wrote alone: mutants compute the same vectors."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np

from backprop_bench.bench.core.stats.tolerances import moved_by_rounding
from backprop_bench.bench.core.worker.handlers import handler
from backprop_bench.bench.mutation.edit import Mutation
from backprop_bench.bench.mutation.hypothesis import known_mistakes, mutant_of
from backprop_bench.bench.mutation.likely import MAX_QUESTIONS, questions_of
from backprop_bench.bench.mutation.signature import Quantities, compare_quantities, describe
from backprop_bench.bench.verify.replies import Reading, VectorsReading
from backprop_bench.bench.verify.vectors.arrays import STEPS, Arrays, Vectors, after_steps, first_batch_of
from backprop_bench.bench.verify.vectors.comparison import compare_vectors, of_the_mean
from backprop_bench.bench.verify.vectors.files import read_vectors
from backprop_bench.bench.verify.vectors.theirs import read_theirs
from backprop_bench.data import Floats, Parameters, Recipe, Trainer

LIMITS = {"float64": {0: 1e-10, 1: 1e-9, 10: 1e-8, 100: 1e-6}, "float32": {0: 1e-4, 1: 1e-4, 10: 1e-3, 100: 1e-2}}
"""Relative difference up to which an array counts as that of a mistake, by the number of updates before it.

Mistakes often train unsteadily, so rounding differences grow.
"""
CLOSE = 1e-2
"""The same difference as a share of that from the right array, at most."""
FORWARD, GRADIENTS, LOSSES = ("z", "y", "outputs"), ("dE/dW", "dE/db"), ("E", "loss")
"""Quantities of a stage in which a mistake is looked for."""
UNSTEADY = 1e3
"""How many times the distance that one rounding makes, counts as rounding."""


@handler(refuses=True)
def diagnose_vectors(folder: str, theirs: str) -> VectorsReading:
    """Look for known mistakes that compute what a program wrote.

    Parameters
    ----------
    folder
        That of the vectors.
    theirs
        The folder or the JSON file that the program wrote.
    """
    vectors = read_vectors(Path(folder))
    actual, _ = of_the_mean(vectors, read_theirs(Path(theirs), Path(folder), vectors).arrays)
    with np.errstate(all="ignore"):  # a mistake may well overflow
        return diagnose(vectors, actual)


@dataclasses.dataclass(frozen=True)
class _Search:
    """What a mistake has to explain: `wrong` has the names of the arrays that differ."""

    vectors: Vectors
    actual: Arrays
    wrong: frozenset[str]

    def stages(self) -> list[list[str]]:
        """Return the names of what is compared, in this order: forward, backward, each number of updates, losses.

        Where a gradient is wrong, dE/dy and dE/dz do not matter: there are several ways to the same gradient.
        """
        computed = self.vectors.computed
        shown = [name for name in self.actual if np.isfinite(self.actual[name]).all()]
        losses = [name for name in shown if computed[name].quantity in LOSSES]
        others = [name for name in shown if name not in losses]
        forward = [name for name in others if computed[name].quantity in FORWARD]
        backward = [name for name in others if not computed[name].steps and name not in forward]
        gradients = [name for name in backward if computed[name].quantity in GRADIENTS]
        after = [[name for name in others if computed[name].steps == steps] for steps in STEPS]
        return [forward, gradients if self.wrong & set(gradients) else backward, *after, losses]

    def explains(self, name: str, there: Floats) -> bool:
        """Return whether a mistake that computes `there` computes this array."""
        here, right = self.actual[name], self.vectors.arrays[name]
        limit = LIMITS[self.vectors.recipe.dtype][self.vectors.computed[name].steps]
        if here.shape != there.shape or not np.isfinite(there).all():
            return False
        apart = float(abs(here - there).max(initial=0.0))
        is_near = apart <= limit * float(abs(right).max(initial=0.0)) or apart <= limit * float(
            abs(there).max(initial=0.0)
        )
        return is_near and (name not in self.wrong or apart <= CLOSE * float(abs(here - right).max()))


def diagnose(vectors: Vectors, actual: Arrays) -> VectorsReading:
    """Look for the mistakes that explain what is wrong in the earliest stage, and then the most of the rest."""
    compared = compare_vectors(vectors, actual)
    wrong = frozenset(name for name, quantity in compared.items() if not quantity.passed)
    search = _Search(vectors, actual, wrong)
    stages = search.stages()
    decisive = next((place for place, stage in enumerate(stages) if wrong & set(stage)), None)
    if decisive is None:
        return VectorsReading(reading=Reading(differs=_describe(vectors, actual, wrong)))
    explained: dict[Mutation, set[str]] = {}
    alike: list[tuple[float, Mutation]] = []
    said = _describe(vectors, actual, wrong)
    for mutation in known_mistakes():
        try:
            found = _Computed(vectors, mutant_of(mutation.edits))
            if all(search.explains(name, found[name]) for stage in stages[: decisive + 1] for name in stage):
                rest = [name for stage in stages[decisive + 1 :] for name in stage]
                explained[mutation] = {name for name in rest if not search.explains(name, found[name])}
            elif not explained and (distance := _distance(search, found, stages[decisive])) is not None:
                alike.append((distance, mutation))
        except Exception:  # noqa: BLE001, S112 (such as shapes that do not fit)
            continue
    if not explained:
        nearest = [mutation for _, mutation in sorted(alike, key=lambda pair: pair[0])]
        return VectorsReading(reading=Reading(differs=said, questions=questions_of(nearest)[:MAX_QUESTIONS]))
    least = min(explained.values(), key=len)
    fitting = [mutation for mutation, rest in explained.items() if rest == least]
    same = [one for one in fitting if not any(set(one.edits) > set(other.edits) for other in fitting)]
    unexplained = _without_unsteady(search, mutant_of(same[0].edits), least)
    return VectorsReading(
        reading=Reading(differs=said, mistakes=tuple(one.name for one in same), questions=questions_of(same)),
        unexplained=tuple(name for name in vectors.computed if name in unexplained),
    )


def _without_unsteady(search: _Search, mutant: type[Trainer], names: set[str]) -> set[str]:
    """Return the names without those of arrays which the mistake computes otherwise after a single rounding.

    Such a training is unsteady, and shows nothing about other mistakes.
    """

    def of_moved(recipe: Recipe, parameters: Parameters) -> Trainer:
        return mutant(recipe, moved_by_rounding(parameters, recipe.seed, 1))

    found, moved = _Computed(search.vectors, mutant), _Computed(search.vectors, cast("type[Trainer]", of_moved))

    def is_unsteady(name: str) -> bool:
        rounding = float(abs(moved[name] - found[name]).max())
        return not float(abs(search.actual[name] - found[name]).max()) > UNSTEADY * rounding

    return {name for name in names if not is_unsteady(name)}


class _Computed:
    """What a mutant computes, as far as it is asked for: most differ in the first batch."""

    def __init__(self, vectors: Vectors, mutant: type[Trainer]) -> None:
        self.vectors, self.mutant = vectors, mutant
        self.arrays: dict[str, Floats] = {}

    def __getitem__(self, name: str) -> Floats:
        if name not in self.arrays:
            recipe, examples, steps = self.vectors.recipe, self.vectors.examples, self.vectors.computed[name].steps
            if steps:
                self.arrays |= after_steps(recipe, examples, self.mutant, steps)
            else:
                self.arrays |= first_batch_of(recipe, examples, self.mutant)
        return self.arrays[name]


def _distance(search: _Search, found: _Computed, stage: Sequence[str]) -> float | None:
    """Return how unlike the sizes of the differences are, in powers of ten; `None` where others differ."""
    right = search.vectors.arrays
    apart = {name: (_size(found[name], right[name]), _size(search.actual[name], right[name])) for name in stage}
    limits = LIMITS[search.vectors.recipe.dtype]
    differs = {name for name, (there, _) in apart.items() if there > limits[search.vectors.computed[name].steps]}
    if differs != search.wrong & set(stage):
        return None
    sizes = [abs(np.log10(there / here)) for name, (there, here) in apart.items() if name in differs]
    return float(np.mean(sizes))


def _size(a: Floats, b: Floats) -> float:
    return float(abs(a - b).max() / abs(b).max())


def _describe(vectors: Vectors, actual: Arrays, wrong: frozenset[str]) -> str:
    """Return which of outputs, gradient, weight updates and loss differ, each with its factor if constant."""
    names = [name for name in wrong if np.isfinite(actual[name]).all()]
    here, right = (_quantities(vectors, arrays, names) for arrays in (actual, vectors.arrays))
    signature = compare_quantities(vectors.recipe, here, right, len(vectors.examples.x))
    return describe(vectors.recipe, signature) if signature else ""


def _quantities(vectors: Vectors, arrays: Arrays, names: Sequence[str]) -> Quantities:
    quantities: Quantities = []
    last = max(
        (one.steps for one in vectors.computed.values() if one.name in names and one.quantity in "Wb"), default=0
    )
    for name, one in vectors.computed.items():
        layer = f"layer {one.layer} {'weight' if 'W' in name else 'bias'}"
        match one.quantity if name in names else "":
            case "outputs":
                quantities.append(("outputs", "", arrays[name]))
            case "dE/dW" | "dE/db":
                quantities.append(("gradient", layer, arrays[name]))
            case "W" | "b" if one.steps in (STEPS[0], last):
                stage = "first update" if one.steps == STEPS[0] else "later updates"
                quantities.append((stage, layer, arrays[name] - vectors.arrays[name.partition("_")[0]]))
            case "outputs after":
                quantities.append(("later outputs", "", arrays[name]))
            case "loss":
                quantities.append(("loss", "", arrays[name]))
            case "E" if "loss_by_epoch" not in names:
                quantities.append(("loss", "", arrays[name].reshape(1)))
    return quantities
