"""`Patterns`: the small tasks of the 1986 publications, made from the facts that define them.

They are no :class:`data.Dataset`: that holds one right class per example, as one target of 1 among zeros, and test
examples apart. A network for symmetry has a single output, and a question about a family may have two answers.
"""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from backprop_bench.data.dataset import Examples
from backprop_bench.data.errors import InputError
from backprop_bench.data.family_trees import RELATIONS, load_family_trees
from backprop_bench.data.parameters import Floats
from backprop_bench.data.recipe import Recipe

Bits = npt.NDArray[np.uint8]


@dataclasses.dataclass(frozen=True)
class Patterns:
    """All examples of a small task, not yet mapped to the ranges and dtype of a recipe.

    Attributes
    ----------
    name
        Name by which it was loaded.
    inputs
        [N, D], each 0 or 1.
    targets
        [N, C], each 0 or 1; an example may have any number of ones.
    example_names, input_names, output_names
        What each of the N examples, D inputs and C outputs stands for.
    """

    name: str
    inputs: Bits
    targets: Bits
    example_names: tuple[str, ...]
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]

    @property
    def n_inputs(self) -> int:
        """Number D of inputs."""
        return int(self.inputs.shape[1])

    @property
    def n_outputs(self) -> int:
        """Number C of targets."""
        return int(self.targets.shape[1])

    def examples(self, recipe: Recipe) -> Examples:
        """Return the examples, mapped to the recipe's ranges and dtype.

        The labels are the targets of a single output, 0 or 1, and otherwise the number of the first right output;
        where several may be right, judge by the targets.

        Raises
        ------
        InputError
            If the first or last layer of the recipe has not as many units as there are inputs or outputs.
        """
        for what, place, size, expected in (
            ("inputs", "first", recipe.layer_sizes[0], self.n_inputs),
            ("outputs", "last", recipe.layer_sizes[-1], self.n_outputs),
        ):
            if size != expected:
                raise InputError(
                    f"recipe: the {place} entry of layer_sizes is {size}, expected {expected}, "
                    f"the number of {what} of {self.name}"
                )
        labels: npt.NDArray[np.integer[Any]] = (
            self.targets[:, 0] if self.n_outputs == 1 else self.targets.argmax(axis=1)
        )
        return Examples(
            x=_map_bits(self.inputs, recipe.input_range, recipe.dtype),
            t=_map_bits(self.targets, recipe.target_range, recipe.dtype),
            y=labels.astype(np.int64),
        )


def load_patterns(name: str) -> Patterns:
    """Return a task by name.

    =================  ======================================================================================
    name               task
    =================  ======================================================================================
    ``xor``            2 inputs, 1 output: whether one of them, but not both, is on
    ``parity-4``       4 inputs, 1 output: whether an odd number of them is on
    ``symmetry``       6 inputs, 1 output: whether they read the same from both ends; 8 of the 64 patterns do
    ``encoder-8-3-8``  8 inputs, 8 outputs: of 8 patterns with one input on each, the output is the input
    ``family-trees``   24 people and 12 relations, 24 outputs: 104 questions such as who is an aunt of Colin,
                       with 112 answers; see :mod:`backprop_bench.data.family_trees`
    =================  ======================================================================================

    Raises
    ------
    InputError
        For an unknown name.
    """
    if name not in _MAKERS:
        raise InputError(f"no patterns are named {name!r}; expected one of {', '.join(PATTERNS)}")
    return _MAKERS[name](name)


def _parity(name: str, n_inputs: int) -> Patterns:
    inputs = _every_pattern(n_inputs)
    return _yes_or_no(name, inputs, inputs.sum(axis=1) % 2 == 1, "odd")


def _symmetry(name: str, n_inputs: int) -> Patterns:
    inputs = _every_pattern(n_inputs)
    return _yes_or_no(name, inputs, (inputs == inputs[:, ::-1]).all(axis=1), "symmetric")


def _encoder(name: str, n_inputs: int) -> Patterns:
    numbers = tuple(map(str, range(1, n_inputs + 1)))
    one_hot = np.eye(n_inputs, dtype=np.uint8)
    return Patterns(
        name=name,
        inputs=one_hot,
        targets=one_hot.copy(),
        example_names=numbers,
        input_names=numbers,
        output_names=numbers,
    )


def _family_trees(name: str) -> Patterns:
    """English questions first; by person, then by relation."""
    trees = load_family_trees()
    people = tuple(person for tree in trees for person in tree.people)
    questions = {
        (person, relation): answers
        for tree in trees
        for person in tree.people
        for relation in RELATIONS
        if (answers := tree.relatives(person, relation))
    }
    input_names = people + RELATIONS
    return Patterns(
        name=name,
        inputs=_on(list(questions), input_names),
        targets=_on(list(questions.values()), people),
        example_names=tuple(f"{person}, {relation}" for person, relation in questions),
        input_names=input_names,
        output_names=people,
    )


_MAKERS: dict[str, Callable[[str], Patterns]] = {
    "xor": functools.partial(_parity, n_inputs=2),
    "parity-4": functools.partial(_parity, n_inputs=4),
    "symmetry": functools.partial(_symmetry, n_inputs=6),
    "encoder-8-3-8": functools.partial(_encoder, n_inputs=8),
    "family-trees": _family_trees,
}

PATTERNS = tuple(_MAKERS)
"""Names that :func:`load_patterns` knows."""


def _every_pattern(n_inputs: int) -> Bits:
    """All patterns of so many inputs [2^n, n], in the order of binary numbers."""
    return np.array(list(itertools.product((0, 1), repeat=n_inputs)), np.uint8)


def _yes_or_no(name: str, inputs: Bits, right: npt.NDArray[np.bool_], output_name: str) -> Patterns:
    """Return patterns with a single output, which is on where ``right`` [N] holds."""
    return Patterns(
        name=name,
        inputs=inputs,
        targets=right[:, np.newaxis].astype(np.uint8),
        example_names=tuple("".join(map(str, pattern)) for pattern in inputs.tolist()),
        input_names=tuple(map(str, range(1, inputs.shape[1] + 1))),
        output_names=(output_name,),
    )


def _on(rows: Sequence[Collection[str]], names: tuple[str, ...]) -> Bits:
    """Return a row of bits for each of the rows, 1 for the names that are in it."""
    return np.array([[name in row for name in names] for row in rows], np.uint8)


def _map_bits(bits: Bits, to: tuple[float, float], dtype: str) -> Floats:
    low, high = to
    return np.where(bits == 1, high, low).astype(dtype)
