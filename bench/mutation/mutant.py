"""Builds mutants: the NumPy version, or the preparation of its examples, imported from changed source."""

import ast
import functools
import importlib.util
import sys
import types
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from backprop_bench.bench.mutation.edit import Edit, StaleEditError, apply_edit
from backprop_bench.data import Dataset, Examples, Floats, Order, Parameters, Recipe, Trainer
from backprop_bench.scratch.numpy_trainer import NumpyTrainer

NETWORK = (
    "backprop_bench.scratch.activations",
    "backprop_bench.scratch.losses",
    "backprop_bench.scratch.optimizers",
    "backprop_bench.scratch.numpy_trainer",
)
"""The modules of the NumPy version, each after those that it imports."""
PREPARATION = ("backprop_bench.data.dataset",)

Prepare = Callable[[Recipe, Dataset], Examples]


def make_trainer(edits: Sequence[Edit]) -> type[NumpyTrainer]:
    """Return `NumpyTrainer` from the source with these edits; the real one stays unchanged."""
    trainer: type[NumpyTrainer] = _import_edited(NETWORK, edits)["backprop_bench.scratch.numpy_trainer"].NumpyTrainer
    return trainer


def make_preparation(edits: Sequence[Edit]) -> Prepare:
    """Return `training_examples` from the source with these edits."""
    prepare: Prepare = _import_edited(PREPARATION, edits)["backprop_bench.data.dataset"].training_examples
    return prepare


def _import_edited(names: Sequence[str], edits: Sequence[Edit]) -> dict[str, types.ModuleType]:
    """Import modules from edited source; they import each other, and no other module imports them."""
    unknown = {edit.module for edit in edits} - set(names)
    if unknown:
        raise StaleEditError(f"nothing is imported from an edited {unknown.pop()}, only from {', '.join(names)}")
    edited = {name: _compiled(name, tuple(edit for edit in edits if edit.module == name)) for name in names}
    real = {name: sys.modules[name] for name in names if name in sys.modules}
    try:
        for name in names:
            sys.modules[name] = types.ModuleType(name)
            exec(edited[name], vars(sys.modules[name]))  # noqa: S102 (our own)
        return {name: sys.modules[name] for name in names}
    finally:
        for name in names:
            sys.modules.pop(name, None)
        sys.modules.update(real)


@functools.cache  # above all for the modules that a mutation leaves alone, which are most
def _compiled(name: str, edits: tuple[Edit, ...]) -> types.CodeType:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    for edit in edits:
        apply_edit(tree, edit)
    return compile(tree, f"<mutant of {name}>", "exec")


def prepared_by(trainer: type[Trainer], prepare: Prepare) -> type[Trainer]:
    """Return the trainer as one that gets examples as stored, uint8, and prepares them itself.

    Verification gives both sides the same examples. To detect a mistake in their preparation, it gives both the stored
    ones, and each side prepares them with its own code.
    """

    class Prepared:
        def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
            self.recipe, self.inner = recipe, trainer(recipe, parameters)

        def _prepare(self, x: Floats, t: Floats) -> Examples:
            y = t.argmax(axis=1)
            return prepare(self.recipe, Dataset("examples to prepare", x, t, y, x, t, y))

        def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
            examples = self._prepare(x, t)
            return self.inner.train_epoch(examples.x, examples.t, order)

        def gradients(self, x: Floats, t: Floats) -> Parameters:
            examples = self._prepare(x, t)
            return self.inner.gradients(examples.x, examples.t)

        def predict(self, x: Floats) -> Floats:
            no_targets = np.zeros((len(x), self.recipe.layer_sizes[-1]))
            return self.inner.predict(self._prepare(x, no_targets).x)

        def parameters(self) -> Parameters:
            return self.inner.parameters()

    return Prepared
