"""The parity proof: an implementation computes what its twin on the other side computes. Nothing is timed before it."""

from collections.abc import Callable, Iterator

import numpy as np

from backprop_bench.bench.core.implementations import Implementation, describe_error, named_implementation
from backprop_bench.bench.core.stats.tolerances import (
    Agreement,
    NamedArrays,
    Parity,
    compare_arrays,
    compare_each,
    is_forgiven,
    loss_from_outputs,
    name_arrays,
    relative_bounds,
    worst,
)
from backprop_bench.bench.core.worker.forks import load_once
from backprop_bench.bench.verify.protocol import check_conduct
from backprop_bench.bench.verify.rounding import FUNCTION_ERROR, error_bounds, gamma, unit_roundoff
from backprop_bench.data import (
    Dataset,
    Examples,
    Floats,
    InputError,
    Layer,
    Parameters,
    Recipe,
    Recipe1986,
    Trainer,
    UnsupportedRecipe,
    batch_order,
    copy_parameters,
    initial_parameters,
    training_examples,
)
from backprop_bench.scratch.numpy_trainer import Backward, Forward, NumpyTrainer

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
STEPS = 1000
"""Weight changes after which float64 weights are compared; float32 ones after a tenth of it."""
SLOW_STEPS, SLOW_BATCH = 20, 8
"""Weight changes, and examples of the first batch, where an implementation takes milliseconds per example."""
FINAL_OUTPUTS = 20
"""Examples whose outputs are compared again after these steps."""
SAMPLED_WEIGHTS = 12
"""Weights per array that central differences are taken of: half the steepest, half at random."""
CENTRAL_DIFFERENCE_STEP = 1e-3
"""Step h: near the fifth root of float64's spacing, where the formula cuts off about as much as it rounds."""
PERTURBED_RUNS = 2
"""Runs that are moved at random to see how far rounding may drive training."""
PERTURBATION_MARGIN = 4.0
"""Twice, for there are two implementations, and twice for the luck of the signs."""


def prove(implementation: Implementation, recipe: Recipe, dataset: Dataset, steps: int = STEPS) -> list[Parity]:
    """Prove an implementation equal to its twin on a recipe, in float64 and in the recipe's own precision.

    An exception of the implementation is a failed check, not an error of the proof.

    Parameters
    ----------
    steps
        Weight changes after which float64 weights are compared.

    Raises
    ------
    UnsupportedRecipe
        When the implementation refuses the recipe itself.
    """
    trainer = load_once(implementation)
    trainer(recipe, initial_parameters(recipe))
    proofs: list[Parity] = []
    for dtype in dict.fromkeys(("float64", recipe.dtype)):
        here = SLOW_STEPS if implementation.slow else steps_in(dtype, steps)
        proofs += _prove_in(implementation, trainer, recipe.replace(dtype=dtype), dataset, here)
    return proofs


def _prove_in(
    implementation: Implementation, trainer: type[Trainer], recipe: Recipe, dataset: Dataset, steps: int
) -> Iterator[Parity]:
    try:
        trainer(recipe, initial_parameters(recipe))
    except UnsupportedRecipe:
        return  # float64 for the sake of the proof only, where the recipe itself is float32
    twin = named_implementation(implementation.twin)
    examples = training_examples(recipe, dataset.subset(n_proof_examples(recipe)))
    against = twin.load()
    first = first_batch(recipe, examples, SLOW_BATCH if implementation.slow else None)
    conduct = _attempt(lambda: check_conduct(recipe, trainer, first))
    if not conduct.passed:  # what misbehaves is not worth comparing
        yield Parity(implementation.name, "the protocol", "conduct", recipe.dtype, False, None, 0.0, conduct.where)
        return
    checks: list[tuple[str, str, Callable[[], Agreement]]] = [
        ("outputs", twin.name, lambda: compare_outputs(recipe, trainer, against, first)),
        ("gradients", twin.name, lambda: compare_gradients(recipe, trainer, against, first)),
        (f"{steps} steps", twin.name, lambda: compare_training(recipe, trainer, against, examples, steps)),
    ]
    if recipe.dtype == "float64":
        check = lambda: compare_central_differences(recipe, trainer, first)  # noqa: E731 (as the others)
        checks.append(("gradients", "central differences", check))
    for name, reference, run in checks:
        found = _attempt(run)
        yield Parity(
            implementation.name,
            reference,
            name,
            recipe.dtype,
            found.passed,
            found.difference,
            found.tolerance,
            found.where,
        )


def steps_in(dtype: str, steps: int = STEPS) -> int:
    """Return the weight changes after which weights of this type are compared."""
    return steps if dtype == "float64" else max(1, steps // 10)


def _attempt(run: Callable[[], Agreement]) -> Agreement:
    try:
        return run()
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001 (whatever a user's implementation raises is a finding)
        return Agreement(None, 0.0, f"raised {describe_error(error)}")


def n_proof_examples(recipe: Recipe) -> int:
    """Return how many examples make ten batches and a shorter last one, so that its wrong treatment shows."""
    batch_size = recipe.batch_size or 100
    return 10 * batch_size + (batch_size + 1) // 2


def first_batch(recipe: Recipe, examples: Examples, at_most: int | None = None) -> Examples:
    """Return the first batch of the first epoch, or the first examples of it."""
    first = batch_order(recipe, len(examples.x), 0)[: recipe.batch_size][:at_most]
    return Examples(examples.x[first], examples.t[first], examples.y[first])


def compare_outputs(recipe: Recipe, found: type[Trainer], expected: type[Trainer], batch: Examples) -> Agreement:
    """Compare the output activations for a batch from the initial weights."""
    parameters = initial_parameters(recipe)
    x, t = batch.x, batch.t
    a, b = ([("outputs", trainer(recipe, parameters).predict(x))] for trainer in (found, expected))
    if recipe.dtype == "float64":
        return compare_arrays(a, b, relative_bounds(b, OUTPUT_TOLERANCE))
    return compare_arrays(a, b, [2 * error_bounds(recipe, parameters, x, t).outputs])


def compare_gradients(recipe: Recipe, found: type[Trainer], expected: type[Trainer], batch: Examples) -> Agreement:
    """Compare dE/dw of a batch from the initial weights."""
    parameters = initial_parameters(recipe)
    x, t = batch.x, batch.t
    a, b = (name_arrays(trainer(recipe, parameters).gradients(x, t)) for trainer in (found, expected))
    if recipe.dtype == "float64":
        return compare_arrays(a, b, relative_bounds(b, GRADIENT_TOLERANCE))
    bounds = name_arrays(error_bounds(recipe, parameters, x, t).gradients)
    return compare_arrays(a, b, [2 * bound for _, bound in bounds])


def compare_central_differences(recipe: Recipe, found: type[Trainer], batch: Examples) -> Agreement:
    """Compare dE/dw of a batch with central differences of E, taken from the implementation's outputs.

    (8 [E(w + h) − E(w − h)] − [E(w + 2h) − E(w − 2h)]) / 12h is exact up to h⁴. Beside the relative tolerance, what
    rounding makes of E is allowed for. Of every array some weights are tried, half of them the steepest, half drawn
    at random; of rectified units only such whose steps leave every unit on its side of the kink, for across it E has
    no slope; and likewise every output on its side of the recipe's margin.
    """
    parameters = initial_parameters(recipe)
    x, t = batch.x, batch.t
    rng = np.random.default_rng(recipe.seed)
    loss = loss_from_outputs(recipe, found(recipe, parameters).predict(x), t)
    rounding = 4 * unit_roundoff(recipe.dtype) * loss / CENTRAL_DIFFERENCE_STEP
    gradients = name_arrays(found(recipe, parameters).gradients(x, t))
    agreements = []
    for place, (name, gradient) in enumerate(gradients):
        chosen = [
            index for index in _sample(gradient, rng) if not _crosses_kink(recipe, parameters, place, index, batch)
        ]
        if not chosen:
            continue
        slopes = [_central_difference(recipe, found, parameters, place, index, x, t) for index in chosen]
        bound = CENTRAL_DIFFERENCE_TOLERANCE * float(abs(gradient).max()) + rounding
        sampled = [(f"{name}, {len(chosen)} sampled", gradient.ravel()[chosen])]
        agreements.append(compare_arrays(sampled, [(sampled[0][0], np.array(slopes))], [bound]))
    if not agreements:
        return Agreement(None, 0.0, "every sampled weight moves a unit across its kink; nothing to compare")
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
        moved = _move(parameters, place, index, steps * h)
        return loss_from_outputs(recipe, found(recipe, moved).predict(x), t)

    h = CENTRAL_DIFFERENCE_STEP
    return (8 * (loss(1) - loss(-1)) - (loss(2) - loss(-2))) / (12 * h)


def _move(parameters: Parameters, place: int, index: int, by: float) -> Parameters:
    """Return copies with one weight moved: element ``index`` of the array numbered ``place``."""
    moved = copy_parameters(parameters)
    name_arrays(moved)[place][1].flat[index] += by
    return moved


def _crosses_kink(recipe: Recipe, parameters: Parameters, place: int, index: int, batch: Examples) -> bool:
    """Say whether some rectified unit, or output with a margin, changes sides between the outermost steps."""
    if recipe.hidden_activation != "relu" and Recipe1986.of(recipe).error_dead_zone is None:
        return False
    sides = []
    for steps in (-2, 0, 2):
        moved = _move(parameters, place, index, steps * CENTRAL_DIFFERENCE_STEP)
        passed = NumpyTrainer(recipe, moved).forward(batch.x)
        rectified = passed.z[:-1] if recipe.hidden_activation == "relu" else []
        sides.append([*(z > 0 for z in rectified), is_forgiven(recipe, passed.y[-1], batch.t)])
    return any((a != b).any() for end in (sides[0], sides[2]) for a, b in zip(end, sides[1], strict=True))


def compare_training(
    recipe: Recipe, found: type[Trainer], expected: type[Trainer], examples: Examples, steps: int
) -> Agreement:
    """Compare the weights after some steps and the loss of every epoch; the worst of :func:`compare_runs`."""
    return worst(compare_runs(recipe, found, expected, examples, steps))


def compare_runs(
    recipe: Recipe, found: type[Trainer], expected: type[Trainer], examples: Examples, steps: int
) -> list[Agreement]:
    """Compare every array of weights after some steps, then outputs from these weights, and last the losses.

    A float64 recipe that itself drives neighbouring runs further apart than the tolerance, as training does when it is
    about to diverge, is judged by how far it drives them apart, as a float32 recipe always is.
    """
    parameters = initial_parameters(recipe)
    a, b = (train_steps(trainer(recipe, parameters), recipe, examples, steps) for trainer in (found, expected))
    if recipe.dtype == "float64":
        bounds = relative_bounds(b[:-1], WEIGHT_TOLERANCE) + relative_bounds(b[-1:], LOSS_TOLERANCE)
        agreements = compare_each(a, b, bounds)
        if all(agreement.passed or agreement.difference is None for agreement in agreements):
            return agreements
    else:
        bounds = [0.0] * len(b)
    wider = training_error_bounds(recipe, examples, steps)
    if not np.isfinite(wider).all():
        return [Agreement(None, 0.0, f"nothing can be compared: the recipe diverges within {steps} steps")]
    return compare_each(a, b, list(map(max, bounds, wider)))


def train_steps(running: Trainer, recipe: Recipe, examples: Examples, steps: int) -> NamedArrays:
    """Train until the weights have changed this often.

    Returns
    -------
    NamedArrays
        The weights, the outputs of the first examples from these weights, and the mean loss of every epoch [epochs].
    """
    n_examples = len(examples.x)
    steps_per_epoch = -(-n_examples // (recipe.batch_size or n_examples))
    epochs = -(-steps // steps_per_epoch)
    losses = []
    for epoch in range(epochs):
        left = (steps - epoch * steps_per_epoch) * (recipe.batch_size or n_examples)
        losses.append(running.train_epoch(examples.x, examples.t, batch_order(recipe, n_examples, epoch)[:left]))
    outputs = running.predict(examples.x[:FINAL_OUTPUTS])
    return [
        *name_arrays(running.parameters()),
        ("outputs after training", outputs),
        ("loss by epoch", np.array(losses, np.float64)),
    ]


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


def training_error_bounds(recipe: Recipe, examples: Examples, steps: int) -> list[float]:
    """Bound how far rounding may drive two runs apart over many steps: every array that `train_steps` returns.

    What rounding does in one step is bounded by analysis; what training makes of it, step after step, depends on the
    recipe. So the reference is trained in float64 as it is and again with every gradient and every weight moved, up
    or down at random, by its whole one-step bound, and the largest distance between such runs is taken, with a margin.
    """
    exact, start = recipe.replace(dtype="float64"), _as_float64(initial_parameters(recipe))
    wide = Examples(examples.x.astype(np.float64), examples.t.astype(np.float64), examples.y)
    reference = NumpyTrainer(exact, start)
    straight = train_steps(reference, recipe, wide, steps)
    spreads = [0.0] * len(straight)
    for seed in range(PERTURBED_RUNS):
        moved = train_steps(_Perturbed(recipe, start, seed), recipe, wide, steps)
        here = [float(abs(a - b).max()) for (_, a), (_, b) in zip(moved, straight, strict=True)]
        spreads = np.maximum(spreads, here).tolist()  # unlike max, keeps a NaN
    bounds = [PERTURBATION_MARGIN * spread for spread in spreads]
    terms = (recipe.batch_size or len(examples.x)) * recipe.layer_sizes[-1] + FUNCTION_ERROR
    u = unit_roundoff(recipe.dtype)
    bounds[-1] += 2 * gamma(terms, u) * float(abs(straight[-1][1]).max())
    final = error_bounds(recipe, reference.parameters(), wide.x[:FINAL_OUTPUTS], wide.t[:FINAL_OUTPUTS])
    bounds[-2] += 2 * float(final.outputs.max())
    return bounds


def _as_float64(parameters: Parameters) -> Parameters:
    return tuple(
        Layer(layer.weight.astype(np.float64), None if layer.bias is None else layer.bias.astype(np.float64))
        for layer in parameters
    )
