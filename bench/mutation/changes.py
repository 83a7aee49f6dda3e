"""What people do to a gradient once it is computed: multiply, clip or round it, or add a penalty."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from backprop_bench.bench.mutation.parts import Here
from backprop_bench.bench.mutation.signature import DIFFERENT, constant_ratio
from backprop_bench.data import Floats, Recipe

Compute = Callable[[Here, Floats, Floats], Floats]
ASKED = {
    "−1": "is the sign of the error, or of the update, right?",
    "B": "do you forget to divide by the examples of the batch?",
    "1/B": "do you divide by the examples of the batch, or take a mean, once too often?",
    "1/C": "do you divide by the number of outputs, or take a mean over them?",
    "2/C": "do you differentiate the mean over the outputs without the ½?",
    "1/(B C)": "do you take the mean over examples and outputs?",
    "1/D": "do you divide by the number of inputs?",
    "B/D": "do you divide by the number of inputs rather than by that of the examples?",
    "B/C": "do you divide by the number of outputs rather than by that of the examples?",
    "the learning rate": "do you multiply by the learning rate twice?",
}
"""What to ask where a gradient has a factor with a name."""


@dataclass(frozen=True)
class Change:
    """What is done to a gradient once it is computed.

    Attributes
    ----------
    name, question
        As of a :class:`Part`; ``name`` is empty for nothing.
    compute
        (layer, gradient, weights) ↦ gradient.
    is_linear
        Whether it may as well be done to the error.
    form
        Of a penalty, whether it is constant or depends on the batch: that of weights and biases is the same.
    """

    name: str = ""
    question: str = ""
    compute: Compute = lambda _here, g, _w: g
    is_linear: bool = False
    form: str = ""

    def both(self, other: "Change") -> "Change | None":
        """Return the same change of the whole gradient, where that of weights and biases is one; ``None`` elsewhere."""
        whole = [re.sub("the (weights|biases) of ", "", each.name) for each in (self, other)]
        if not self.is_linear or whole[0] != whole[1]:
            return None
        return replace(self, name=whole[0])


def is_same(recipe: Recipe, a: Floats, b: Floats) -> bool:
    """Say whether two arrays differ by rounding alone."""
    return bool(abs(a - b).max() <= DIFFERENT[recipe.dtype] * max(abs(a).max(), abs(b).max()))


def changes(here: Here, computed: Floats, weights: Floats, wanted: Floats) -> Iterator[Change]:
    """Yield what makes a gradient of weights or biases that is computed the wanted one."""
    recipe = here.recipe
    of = f"the gradient of the {'weights' if weights.ndim == 2 else 'biases'} of {{layer}}"
    ratio = constant_ratio(recipe, wanted, computed) if wanted.any() else None
    if ratio is not None:
        yield _factor(here, ratio, computed, wanted, of)
    for norm, derivative in (("w", weights), ("sign(w)", np.sign(weights))):
        share = constant_ratio(recipe, wanted - computed, derivative) if weights.any() else None
        if share is not None and is_same(recipe, computed + share * derivative, wanted):
            yield from _penalty(share, norm, len(here.y), of)
    yield from _limited(recipe, computed, wanted, of)


def _factor(here: Here, ratio: float, computed: Floats, wanted: Floats, of: str) -> Change:
    """Return a multiplication by a constant; one with a name follows the batch."""
    for name, value in here.known_factors.items():
        if is_same(here.recipe, value * computed, wanted):
            question = ASKED.get(name, f"is there a factor {name} in the gradient?")
            return Change(f"{of} is {name} times what it should be", question, _named_factor(name), is_linear=True)
    question = f"is there a factor {ratio:.4g} in the gradient?"
    return Change(f"{of} is {ratio:.4g} times what it should be", question, _factor_of(ratio), is_linear=True)


def _named_factor(name: str) -> Compute:
    return lambda here, g, _w: here.known_factors[name] * g


def _factor_of(ratio: float) -> Compute:
    return lambda _here, g, _w: ratio * g


def _penalty(share: float, norm: str, batch: int, of: str) -> Iterator[Change]:
    """Yield penalties that add this share of the weights, or of their signs, in a batch of so many examples."""
    question = f"do you add weight decay, a penalty λ {norm}, to the gradients?"
    name = f" {norm} is added to {of}, as by a penalty"
    function = np.sign if norm == "sign(w)" else np.asarray
    yield Change(f"{share:.4g}{name}", question, lambda _here, g, w: g + share * function(w), form="constant")
    yield Change(
        f"{share * batch:.4g}/B{name}",
        question,
        lambda here, g, w: g + share * batch / len(here.y) * function(w),
        form="by batch",
    )


def _limited(recipe: Recipe, computed: Floats, wanted: Floats, of: str) -> Iterator[Change]:
    largest = float(abs(wanted).max())
    if 0 < largest < abs(computed).max() and is_same(recipe, np.clip(computed, -largest, largest), wanted):
        yield Change(
            f"{of} is clipped to ±{largest:.4g}",
            "do you clip the gradients?",
            lambda _here, g, _w: np.clip(g, -largest, largest),
        )
    if is_same(recipe, np.sign(computed), wanted):
        yield Change(f"{of} is its sign", "do you take the sign of the gradient?", lambda _here, g, _w: np.sign(g))
    for dtype, name in (("float16", "half"), ("float32", "single")):
        if is_same(recipe, computed.astype(dtype).astype(wanted.dtype), wanted):
            yield Change(
                f"{of} is rounded to {name} precision",
                f"is your gradient rounded to {name} precision?",
                _rounded(dtype),
            )


def _rounded(dtype: str) -> Compute:
    return lambda _here, g, _w: g.astype(dtype).astype(g.dtype)
