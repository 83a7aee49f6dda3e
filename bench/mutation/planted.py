"""Mistakes planted in networks of three styles, and how they are diagnosed."""

import ast
import dataclasses
import functools
import importlib.util
import types
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from backprop_bench.bench.mutation.edit import Edit, apply_edit
from backprop_bench.bench.mutation.likely import read_difference, read_protocol_error
from backprop_bench.bench.mutation.mutations import MISTAKES
from backprop_bench.bench.mutation.recipes import RECIPES, examples_of, first_batch
from backprop_bench.bench.verify.protocol import check_protocol
from backprop_bench.bench.verify.replies import Reading
from backprop_bench.bench.verify.stability import overflows
from backprop_bench.data import Recipe, Trainer
from backprop_bench.scratch.numpy_trainer import NumpyTrainer

STYLES = {
    "rows": ("backprop_bench.bench.mutation.styles.rows", "Rows"),
    "columns": ("backprop_bench.bench.mutation.styles.columns", "Columns"),
    "per example": ("backprop_bench.bench.mutation.styles.per_example", "Network"),
}
"""Module and class of each style."""

_ONE_HIDDEN = {"layer_sizes": (12, 9, 5)}
SOFTMAX = RECIPES["softmax"].replace(**_ONE_HIDDEN)
SQUARED = RECIPES["squared error"].replace(**_ONE_HIDDEN)
RELU = RECIPES["relu"].replace(**_ONE_HIDDEN)
DECAY = RECIPES["decay"].replace(**_ONE_HIDDEN)
MEAN = SQUARED.replace(reduction="mean")


@dataclasses.dataclass(frozen=True, eq=False)
class Planted:
    """A mistake that is planted.

    Attributes
    ----------
    mistake
        Its name, as the diagnosis must say it.
    edits
        By style: code and what replaces it, once or more.
    """

    mistake: str
    recipe: Recipe
    edits: Mapping[str, Sequence[tuple[str, str]]]


@dataclasses.dataclass(frozen=True, eq=False)
class Outcome:
    """What the diagnosis says of a planted mistake.

    Attributes
    ----------
    named_first
        Whether it is the first that is named, or the first question.
    certain
        Whether the diagnosis says that a known mistake computes exactly this.
    falsely_certain
        Whether it says so of others only.
    words
        What it says.
    """

    named_first: bool
    certain: bool
    falsely_certain: bool
    words: str

    @property
    def cell(self) -> str:
        """The outcome in a table."""
        if self.named_first:
            return "named" if self.certain else "asked first"
        return f"another is claimed: {self.words}" if self.falsely_certain else "not named first"


def plant(style: str, edits: Sequence[tuple[str, str]]) -> type[Trainer]:
    """Return the network of a style with mistakes in its source."""
    module, name = STYLES[style]
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    for old, new in edits:
        apply_edit(tree, Edit(module, old, new))
    planted = types.ModuleType(f"planted in {module}")
    exec(compile(tree, f"<{planted.__name__}>", "exec"), vars(planted))  # noqa: S102 (our own)
    trainer: type[Trainer] = getattr(planted, name)
    return trainer


@functools.cache
def diagnosed(planted: Planted, style: str) -> Outcome:
    """Plant a mistake in a network of a style, and diagnose it."""
    trainer, recipe = plant(style, planted.edits[style]), planted.recipe
    examples = examples_of(recipe)
    batch = first_batch(recipe, examples)
    with np.errstate(all="ignore"):
        protocol = check_protocol(recipe, trainer, batch)
        if not protocol.passed:
            reading = read_protocol_error(recipe, batch, protocol.where)
        elif planted.mistake in (warnings := overflows(recipe, trainer, batch.x)):
            return Outcome(True, True, False, warnings[0])
        else:
            reading = read_difference(recipe, trainer, NumpyTrainer, examples)
    return _outcome(planted.mistake, reading)


def _outcome(mistake: str, reading: Reading) -> Outcome:
    names = (*reading.mistakes, *reading.then)
    hint = next((known.hint for known in MISTAKES if known.name == mistake), "")
    named = mistake in names[:1] or (not names and hint in reading.questions[:1])
    return Outcome(named, bool(names), bool(names) and mistake not in names, "; ".join(names or reading.questions))
