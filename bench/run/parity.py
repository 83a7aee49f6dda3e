"""The parity proof: an implementation computes what its twin on the other side computes. Nothing is timed before it."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bench.compute.agreement import (
    Agreement,
    NamedArrays,
    compare_arrays,
    loss_from_outputs,
    name_arrays,
    relative_bounds,
    worst,
)
from bench.compute.rounding import FUNCTION_ERROR, error_bounds, gamma, unit_roundoff
from bench.implementations import Implementation, named_implementation
from data import (
    Cases,
    Dataset,
    Floats,
    InputError,
    Layer,
    Parameters,
    Recipe,
    Trainer,
    UnsupportedRecipe,
    batch_order,
    copy_parameters,
    initial_parameters,
    training_cases,
)
from scratch.numpy_trainer import Backward, Forward, NumpyTrainer

GRADIENT_TOLERANCE = 1e-12
"""Relative difference allowed between float64 gradients."""
OUTPUT_TOLERANCE = 1e-12
"""Relative difference allowed between float64 outputs."""
WEIGHT_TOLERANCE = 1e-9
"""Relative difference allowed between float64 weights after all steps."""
LOSS_TOLERANCE = 1e-10
"""Relative difference allowed between float64 losses of every epoch."""
CENTRAL_DIFFERENCE_TOLERANCE = 1e-7
"""Relative difference allowed between a float64 gradient and central differences."""
STEPS = {"float64": 1000, "float32": 100}
"""Weight changes after which weights are compared."""
SAMPLED_WEIGHTS = 12
"""Weights per array that central differences are taken of: half the steepest, half at random."""
CENTRAL_DIFFERENCE_STEP = 1e-3
"""Step h: near the fifth root of float64's spacing, where the formula cuts off about as much as it rounds."""
PERTURBED_RUNS = 2
PERTURBATION_MARGIN = 4.0
"""Twice, for there are two implementations, and twice for the luck of the signs."""


@dataclasses.dataclass(frozen=True)
class Proof:
    """The outcome of one check of one implementation on one recipe."""

    implementation: str
    reference: str
    check: str
    dtype: str
    passed: bool
    difference: float | None
    bound: float
    where: str

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        return dataclasses.asdict(self)


def prove(implementation: Implementation, recipe: Recipe, dataset: Dataset) -> list[Proof]:
    """Prove an implementation equal to its twin on a recipe, in float64 and in the recipe's own precision.

    An exception of the implementation is a failed check, not an error of the proof.

    Raises
    ------
    UnsupportedRecipe
        When the implementation refuses the recipe itself.
    """
    trainer = implementation.load()
    trainer(recipe, initial_parameters(recipe))
    proofs: list[Proof] = []
    for dtype in dict.fromkeys(("float64", recipe.dtype)):
        proofs += _prove_in(implementation, trainer, recipe.replace(dtype=dtype), dataset)
    return proofs


def _prove_in(
    implementation: Implementation, trainer: type[Trainer], recipe: Recipe, dataset: Dataset
) -> Iterator[Proof]:
    try:
        trainer(recipe, initial_parameters(recipe))
    except UnsupportedRecipe:
        return  # float64 for the sake of the proof only, where the recipe itself is float32
    twin = named_implementation(implementation.twin)
    cases = training_cases(recipe, dataset.subset(_n_cases(recipe)))
    against, steps = twin.load(), STEPS[recipe.dtype]
    checks: list[tuple[str, str, Callable[[], Agreement]]] = [
        ("outputs", twin.name, lambda: compare_outputs(recipe, trainer, against, cases)),
        ("gradients", twin.name, lambda: compare_gradients(recipe, trainer, against, cases)),
        (f"{steps} steps", twin.name, lambda: compare_training(recipe, trainer, against, cases, steps)),
    ]
    if recipe.dtype == "float64":
        check = lambda: compare_central_differences(recipe, trainer, cases)  # noqa: E731 (as the others)
        checks.append(("gradients", "central differences", check))
    for name, reference, run in checks:
        found = _attempt(run)
        yield Proof(
            implementation.name, reference, name, recipe.dtype, found.passed, found.difference, found.bound, found.where
        )


def _attempt(run: Callable[[], Agreement]) -> Agreement:
    try:
        return run()
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001 (whatever a user's implementation raises is a finding)
        return Agreement(None, 0.0, f"raised {type(error).__name__}: {error}")


def _n_cases(recipe: Recipe) -> int:
    """Cases that make ten batches and a shorter last one, so that a wrong treatment of the last one shows."""
    batch_size = recipe.batch_size or 100
    return 10 * batch_size + (batch_size + 1) // 2


def _first_batch(recipe: Recipe, cases: Cases) -> tuple[Floats, Floats]:
    first = batch_order(recipe, len(cases.x), 0)[: recipe.batch_size]
    return cases.x[first], cases.t[first]


def compare_outputs(recipe: Recipe, found: type[Trainer], expected: type[Trainer], cases: Cases) -> Agreement:
    """Compare the output activations for the first batch from the initial weights."""
    parameters = initial_parameters(recipe)
    x, t = _first_batch(recipe, cases)
    a, b = ([("outputs", trainer(recipe, parameters).predict(x))] for trainer in (found, expected))
    if recipe.dtype == "float64":
        return compare_arrays(a, b, relative_bounds(b, OUTPUT_TOLERANCE))
    return compare_arrays(a, b, [2 * error_bounds(recipe, parameters, x, t).outputs])


def compare_gradients(recipe: Recipe, found: type[Trainer], expected: type[Trainer], cases: Cases) -> Agreement:
    """Compare dE/dw of the first batch from the initial weights."""
    parameters = initial_parameters(recipe)
    x, t = _first_batch(recipe, cases)
    a, b = (name_arrays(trainer(recipe, parameters).gradients(x, t)) for trainer in (found, expected))
    if recipe.dtype == "float64":
        return compare_arrays(a, b, relative_bounds(b, GRADIENT_TOLERANCE))
    bounds = name_arrays(error_bounds(recipe, parameters, x, t).gradients)
    return compare_arrays(a, b, [2 * bound for _, bound in bounds])


def compare_central_differences(recipe: Recipe, found: type[Trainer], cases: Cases) -> Agreement:
    """Compare dE/dw of the first batch with central differences of E, taken from the implementation's outputs.

    (8 [E(w + h) − E(w − h)] − [E(w + 2h) − E(w − 2h)]) / 12h is exact up to h⁴. Beside the relative tolerance, what
    rounding makes of E is allowed for. Of every array some weights are tried, half of them the steepest, half drawn
    at random.
    """
    parameters = initial_parameters(recipe)
    x, t = _first_batch(recipe, cases)
    rng = np.random.default_rng(recipe.seed)
    loss = loss_from_outputs(recipe, found(recipe, parameters).predict(x), t)
    rounding = 4 * unit_roundoff(recipe.dtype) * loss / CENTRAL_DIFFERENCE_STEP
    gradients = name_arrays(found(recipe, parameters).gradients(x, t))
    agreements = []
    for place, (name, gradient) in enumerate(gradients):
        chosen = _sample(gradient, rng)
        slopes = [_central_difference(recipe, found, parameters, place, index, x, t) for index in chosen]
        bound = CENTRAL_DIFFERENCE_TOLERANCE * float(abs(gradient).max()) + rounding
        sampled = [(f"{name}, {len(chosen)} sampled", gradient.ravel()[chosen])]
        agreements.append(compare_arrays(sampled, [(sampled[0][0], np.array(slopes))], [bound]))
    return worst(agreements)


def _sample(gradient: Floats, rng: np.random.Generator) -> list[int]:
    flat = abs(gradient).ravel()
    half = SAMPLED_WEIGHTS // 2
    steepest = np.argsort(flat)[-half:]
    return sorted({*steepest.tolist(), *rng.choice(flat.size, min(half, flat.size), replace=False).tolist()})


def _central_difference(
    recipe: Recipe, found: type[Trainer], parameters: Parameters, place: int, index: int, x: Floats, t: Floats
) -> float:
    """Return the slope of the loss along one weight: element ``index`` of the array numbered ``place``."""

    def loss(steps: int) -> float:
        moved = copy_parameters(parameters)
        name_arrays(moved)[place][1].flat[index] += steps * h
        return loss_from_outputs(recipe, found(recipe, moved).predict(x), t)

    h = CENTRAL_DIFFERENCE_STEP
    return (8 * (loss(1) - loss(-1)) - (loss(2) - loss(-2))) / (12 * h)


def compare_training(
    recipe: Recipe, found: type[Trainer], expected: type[Trainer], cases: Cases, steps: int
) -> Agreement:
    """Compare the weights after some steps, and the loss of every epoch on the way.

    A float64 recipe that itself drives neighbouring runs further apart than the tolerance, as training does when it is
    about to diverge, is judged by how far it drives them apart, as a float32 recipe always is.
    """
    parameters = initial_parameters(recipe)
    a, b = (
        _name_training(train_steps(trainer(recipe, parameters), recipe, cases, steps)) for trainer in (found, expected)
    )
    if recipe.dtype == "float64":
        bounds = relative_bounds(b[:-1], WEIGHT_TOLERANCE) + relative_bounds(b[-1:], LOSS_TOLERANCE)
        agreement = compare_arrays(a, b, bounds)
        if agreement.passed or agreement.difference is None:
            return agreement
        return compare_arrays(a, b, list(map(max, bounds, training_error_bounds(recipe, cases, steps))))
    return compare_arrays(a, b, training_error_bounds(recipe, cases, steps))


def _name_training(trained: tuple[Parameters, Floats]) -> NamedArrays:
    parameters, losses = trained
    return [*name_arrays(parameters), ("loss by epoch", losses)]


def train_steps(running: Trainer, recipe: Recipe, cases: Cases, steps: int) -> tuple[Parameters, Floats]:
    """Train whole epochs until the weights have changed this often.

    Returns
    -------
    tuple
        The weights, and the mean loss of every epoch, float64 [epochs].
    """
    n_cases = len(cases.x)
    steps_per_epoch = -(-n_cases // (recipe.batch_size or n_cases))
    epochs = -(-steps // steps_per_epoch)
    losses = [running.train_epoch(cases.x, cases.t, batch_order(recipe, n_cases, epoch)) for epoch in range(epochs)]
    return running.parameters(), np.array(losses, np.float64)


class _Perturbed(NumpyTrainer):
    """The reference in float64, moved at every step by as much as rounding to the recipe's dtype may move it."""

    def __init__(self, recipe: Recipe, parameters: Parameters, seed: int) -> None:
        super().__init__(recipe.replace(dtype="float64"), parameters)
        self.rounded = recipe
        self.rng = np.random.default_rng(seed)

    def backward(self, forward: Forward, t: Floats) -> Backward:
        exact = super().backward(forward, t)
        bounds = error_bounds(self.rounded, self.layers, forward.y[0], t).gradients
        for (_, gradient), (_, bound) in zip(name_arrays(exact.gradients), name_arrays(bounds), strict=True):
            gradient += self._signs(gradient) * bound
        return exact

    def update(self, backward: Backward) -> None:
        super().update(backward)
        for _, w in name_arrays(self.layers):
            w += self._signs(w) * unit_roundoff(self.rounded.dtype) * abs(w)

    def _signs(self, like: Floats) -> Floats:
        return np.where(self.rng.random(like.shape) < 0.5, -1.0, 1.0)


def training_error_bounds(recipe: Recipe, cases: Cases, steps: int) -> list[float]:
    """Bound how far rounding may drive two runs apart over many steps: every array of weights, then the losses.

    What rounding does in one step is bounded by analysis; what training makes of it, step after step, depends on the
    recipe. So the reference is trained in float64 as it is and again with every gradient and every weight moved, up
    or down at random, by its whole one-step bound, and the largest distance between such runs is taken, with a margin.
    """
    exact, start = recipe.replace(dtype="float64"), _as_float64(initial_parameters(recipe))
    wide = Cases(cases.x.astype(np.float64), cases.t.astype(np.float64), cases.y)
    straight = _name_training(train_steps(NumpyTrainer(exact, start), recipe, wide, steps))
    spreads = [0.0] * len(straight)
    for seed in range(PERTURBED_RUNS):
        moved = _name_training(train_steps(_Perturbed(recipe, start, seed), recipe, wide, steps))
        here = [float(abs(a - b).max()) for (_, a), (_, b) in zip(moved, straight, strict=True)]
        spreads = [max(pair) for pair in zip(spreads, here, strict=True)]
    bounds = [PERTURBATION_MARGIN * spread for spread in spreads]
    terms = (recipe.batch_size or len(cases.x)) * recipe.layer_sizes[-1] + FUNCTION_ERROR
    bounds[-1] += 2 * gamma(terms, unit_roundoff(recipe.dtype)) * float(abs(straight[-1][1]).max())
    return bounds


def _as_float64(parameters: Parameters) -> Parameters:
    return tuple(
        Layer(layer.weight.astype(np.float64), None if layer.bias is None else layer.bias.astype(np.float64))
        for layer in parameters
    )
