"""Verification: an implementation computes the same as its reference implementation. It comes before all timing."""

from collections.abc import Callable, Iterator

import numpy as np

from backprop_bench.bench.core.implementations import Implementation, describe_error, named_implementation
from backprop_bench.bench.core.stats.tolerances import (
    Agreement,
    NamedArrays,
    Parity,
    compare_arrays,
    compare_each,
    in_dead_zone,
    loss_from_outputs,
    name_arrays,
    penalty_of,
    relative_tolerances,
    worst,
)
from backprop_bench.bench.core.worker.forks import load_once
from backprop_bench.bench.verify.protocol import check_protocol
from backprop_bench.bench.verify.rounding import (
    FUNCTION_ERROR,
    error_bounds,
    logarithm_error,
    rounding_of_sum,
    unit_roundoff,
)
from backprop_bench.data import (
    Dataset,
    Examples,
    ExtendedRecipe,
    Floats,
    InputError,
    Layer,
    Parameters,
    Recipe,
    Trainer,
    UnsupportedRecipe,
    batch_order,
    copy_parameters,
    examples_per_epoch,
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
"""Weight updates after which float64 weights are compared; float32 weights after a tenth of them."""
FEW_STEPS = 5
"""Weight updates after which weights are compared as well, before training has driven neighbouring runs apart."""
SLOW_STEPS, SLOW_BATCH = 20, 8
"""Weight updates, and examples of the first batch, for an implementation that takes milliseconds per example."""
EXAMPLES_AT_ONCE = 150
"""Examples of a verification where a batch has all of them."""
FINAL_OUTPUTS = 20
"""Examples whose outputs are compared again after these steps."""
FINAL, LOSSES = "outputs after training", "loss by epoch"
"""Names of what :func:`train_steps` returns beside the weights."""
SAMPLED_WEIGHTS = 12
"""Weights per array for central differences: half with the largest derivatives, half at random."""
CENTRAL_DIFFERENCE_STEP = 1e-3
"""Step h: near the fifth root of float64's spacing, where truncation and rounding errors are about equal."""
PERTURBED_RUNS = 2
"""Randomly perturbed runs that show how far rounding may drive training apart."""
PERTURBATION_MARGIN = 4.0
"""A factor of two for the two implementations, and one for the random signs."""


def verify(implementation: Implementation, recipe: Recipe, dataset: Dataset, steps: int = STEPS) -> list[Parity]:
    """Verify an implementation against its reference implementation, in float64 and in the recipe's own dtype.

    An exception of the implementation is a failed check, not an error of the verification.

    Parameters
    ----------
    steps
        Weight updates after which float64 weights are compared.

    Raises
    ------
    UnsupportedRecipe
        When the implementation refuses the recipe.
    """
    trainer = load_once(implementation)
    trainer(recipe, initial_parameters(recipe))
    checks: list[Parity] = []
    for dtype in dict.fromkeys(("float64", recipe.dtype)):
        here = SLOW_STEPS if implementation.slow else steps_in(dtype, steps)
        checks += _verify_in(implementation, trainer, recipe.replace(dtype=dtype), dataset, here)
    return checks


def _verify_in(
    implementation: Implementation, trainer: type[Trainer], recipe: Recipe, dataset: Dataset, steps: int
) -> Iterator[Parity]:
    try:
        trainer(recipe, initial_parameters(recipe))
    except UnsupportedRecipe:
        return  # the recipe is float32, and this implementation cannot be verified in float64
    reference = named_implementation(implementation.reference)
    examples = training_examples(recipe, dataset.subset(n_verification_examples(recipe)))
    expected = reference.load()
    first = first_batch(recipe, examples, SLOW_BATCH if implementation.slow else None)
    protocol = _attempt(lambda: check_protocol(recipe, trainer, first))
    if not protocol.passed:  # numbers of a trainer that breaks the protocol mean nothing
        yield Parity(implementation.name, "data.Trainer", "protocol", recipe.dtype, False, None, 0.0, protocol.where)
        return
    checks: list[tuple[str, str, Callable[[], Agreement]]] = [
        ("outputs", reference.name, lambda: compare_outputs(recipe, trainer, expected, first)),
        ("gradients", reference.name, lambda: compare_gradients(recipe, trainer, expected, first)),
        (f"{steps} steps", reference.name, lambda: compare_training(recipe, trainer, expected, examples, steps)),
    ]
    if recipe.dtype == "float64" and is_gradient(recipe):
        check = lambda: compare_central_differences(recipe, trainer, first)  # noqa: E731 (as the others)
        checks.append(("gradients", "central differences", check))
    for name, compared_with, run in checks:
        result = _attempt(run)
        yield Parity(
            implementation.name,
            compared_with,
            name,
            recipe.dtype,
            result.passed,
            result.difference,
            result.tolerance,
            result.where,
        )
    if recipe.dtype == "float64" and not is_gradient(recipe):
        why = f"not compared: {why_no_gradient(recipe)}"
        yield Parity(implementation.name, "central differences", "gradients", recipe.dtype, True, None, 0.0, why)


def is_gradient(recipe: Recipe) -> bool:
    """Say whether what a recipe calls the gradient is that of what it predicts, which central differences can tell."""
    return not why_no_gradient(recipe)


def why_no_gradient(recipe: Recipe) -> str:
    """Return why it is not; empty where it is."""
    full = ExtendedRecipe.of(recipe)
    if full.back_propagation == "errors":
        return "errors are sent back without derivatives, which is the gradient of no loss"
    return "the gradient is that with dropout, and predictions are made without it" if full.dropout else ""


def steps_in(dtype: str, steps: int = STEPS) -> int:
    """Return the number of weight updates after which weights of this dtype are compared."""
    return steps if dtype == "float64" else max(1, steps // 10)


def _attempt(run: Callable[[], Agreement]) -> Agreement:
    try:
        return run()
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001 (any exception of an implementation is a failed check)
        return Agreement(None, 0.0, f"raised {describe_error(error)}")


def n_verification_examples(recipe: Recipe) -> int:
    """Return the number of examples in ten batches and a shorter last one, which some mistakes need to show.

    Where a batch has all of them, there are fewer, so that a step takes no longer than others.
    """
    if recipe.batch_size is None:
        return EXAMPLES_AT_ONCE
    return 10 * recipe.batch_size + (recipe.batch_size + 1) // 2


def first_batch(recipe: Recipe, examples: Examples, at_most: int | None = None) -> Examples:
    """Return the first batch of the first epoch, or the first examples of it."""
    first = batch_order(recipe, len(examples.x), 0)[: recipe.batch_size][:at_most]
    return Examples(examples.x[first], examples.t[first], examples.y[first])


def compare_outputs(recipe: Recipe, actual: type[Trainer], expected: type[Trainer], batch: Examples) -> Agreement:
    """Compare the output activations for a batch from the initial weights."""
    parameters = initial_parameters(recipe)
    x, t = batch.x, batch.t
    a, b = ([("outputs", trainer(recipe, parameters).predict(x))] for trainer in (actual, expected))
    if recipe.dtype == "float64":
        return compare_arrays(a, b, relative_tolerances(b, OUTPUT_TOLERANCE))
    return compare_arrays(a, b, [2 * error_bounds(recipe, parameters, x, t).outputs])


def compare_gradients(recipe: Recipe, actual: type[Trainer], expected: type[Trainer], batch: Examples) -> Agreement:
    """Compare dE/dw of a batch from the initial weights."""
    parameters = initial_parameters(recipe)
    x, t = batch.x, batch.t
    a, b = (name_arrays(trainer(recipe, parameters).gradients(x, t)) for trainer in (actual, expected))
    if recipe.dtype == "float64":
        return compare_arrays(a, b, relative_tolerances(b, GRADIENT_TOLERANCE))
    bounds = name_arrays(error_bounds(recipe, parameters, x, t).gradients)
    return compare_arrays(a, b, [2 * bound for _, bound in bounds])


def compare_central_differences(recipe: Recipe, actual: type[Trainer], batch: Examples) -> Agreement:
    """Compare dE/dw of a batch with central differences of E, taken from the implementation's outputs.

    (8 [E(w + h) − E(w − h)] − [E(w + 2h) − E(w − 2h)]) / 12h is exact up to h⁴. The tolerance also covers the rounding
    of E. A sample of every array is tried: half the weights with the largest derivatives, half at random. A step that
    moves a relu unit across its kink, or an output across the edge of the dead zone, is left out: E has no derivative
    there.
    """
    parameters = initial_parameters(recipe)
    x, t = batch.x, batch.t
    rng = np.random.default_rng(recipe.seed)
    loss = _loss(recipe, actual, parameters, x, t)
    rounding = 4 * unit_roundoff(recipe) * loss / CENTRAL_DIFFERENCE_STEP
    gradients = name_arrays(actual(recipe, parameters).gradients(x, t))
    agreements = []
    for place, (name, gradient) in enumerate(gradients):
        sampled = [
            index for index in _sample(gradient, rng) if not _crosses_kink(recipe, parameters, place, index, batch)
        ]
        if not sampled:
            continue
        differences = [_central_difference(recipe, actual, parameters, place, index, x, t) for index in sampled]
        tolerance = CENTRAL_DIFFERENCE_TOLERANCE * float(abs(gradient).max()) + rounding
        compared = [(f"{name}, {len(sampled)} sampled", gradient.ravel()[sampled])]
        agreements.append(compare_arrays(compared, [(compared[0][0], np.array(differences))], [tolerance]))
    if not agreements:
        return Agreement(None, 0.0, "every sampled weight moves a unit across its kink; nothing to compare")
    return worst(agreements)


def _loss(recipe: Recipe, actual: type[Trainer], parameters: Parameters, x: Floats, t: Floats) -> float:
    outputs = actual(recipe, parameters).predict(x)
    return loss_from_outputs(recipe, outputs, t) + penalty_of(recipe, parameters)


def _sample(gradient: Floats, rng: np.random.Generator) -> list[int]:
    flat = abs(gradient).ravel()
    half = SAMPLED_WEIGHTS // 2
    steepest = np.argsort(flat)[-half:]
    return sorted({*steepest.tolist(), *rng.choice(flat.size, min(half, flat.size), replace=False).tolist()})


def _central_difference(
    recipe: Recipe, actual: type[Trainer], parameters: Parameters, place: int, index: int, x: Floats, t: Floats
) -> float:
    """Return dE/dw of one weight by central differences: element ``index`` of array number ``place``."""

    def loss(steps: int) -> float:
        return _loss(recipe, actual, _move(parameters, place, index, steps * h), x, t)

    h = CENTRAL_DIFFERENCE_STEP
    return (8 * (loss(1) - loss(-1)) - (loss(2) - loss(-2))) / (12 * h)


def _move(parameters: Parameters, place: int, index: int, by: float) -> Parameters:
    """Return copies with one weight moved: element ``index`` of array number ``place``."""
    moved = copy_parameters(parameters)
    name_arrays(moved)[place][1].flat[index] += by
    return moved


def _crosses_kink(recipe: Recipe, parameters: Parameters, place: int, index: int, batch: Examples) -> bool:
    """Return whether a relu unit or an output of the dead zone changes sides between the outermost steps."""
    if recipe.hidden_activation != "relu" and ExtendedRecipe.of(recipe).error_dead_zone is None:
        return False
    sides = []
    for steps in (-2, 0, 2):
        moved = _move(parameters, place, index, steps * CENTRAL_DIFFERENCE_STEP)
        forward = NumpyTrainer(recipe, moved).forward(batch.x)
        relu = forward.z[:-1] if recipe.hidden_activation == "relu" else []
        sides.append([*(z > 0 for z in relu), in_dead_zone(recipe, forward.y[-1], batch.t)])
    return any((a != b).any() for end in (sides[0], sides[2]) for a, b in zip(end, sides[1], strict=True))


def compare_training(
    recipe: Recipe, actual: type[Trainer], expected: type[Trainer], examples: Examples, steps: int
) -> Agreement:
    """Compare the weights after some steps and the loss of every epoch: the worst of :func:`compare_runs`."""
    return worst(compare_runs(recipe, actual, expected, examples, steps))


def compare_runs(
    recipe: Recipe,
    actual: type[Trainer],
    expected: type[Trainer],
    examples: Examples,
    steps: int,
    *,
    widens: bool = True,
) -> list[Agreement]:
    """Compare every array of weights after some steps, then the outputs from these weights, then the losses if any.

    Training close to divergence drives neighbouring runs apart, in float64 too. Where they exceed the float64
    tolerance, it is the spread of perturbed runs instead, as always in float32. That takes long, and has no use where
    the gradient differs already: then ``widens`` is false.
    """
    parameters = initial_parameters(recipe)
    a, b = (train_steps(trainer(recipe, parameters), recipe, examples, steps) for trainer in (actual, expected))
    agreements = compare_trained(recipe, a, b, examples, steps, widens=widens)
    if not getattr(actual, "shows_loss", True):  # one of yours
        agreements = agreements[:-1]
    if steps > FEW_STEPS and all(agreement.passed for agreement in agreements):
        few = compare_runs(recipe, actual, expected, examples, FEW_STEPS, widens=widens)  # rounding is small there
        return agreements if all(agreement.passed for agreement in few) else few
    return agreements


def compare_trained(
    recipe: Recipe,
    actual: NamedArrays,
    expected: NamedArrays,
    examples: Examples,
    steps: int,
    *,
    widens: bool = True,
) -> list[Agreement]:
    """Compare what :func:`train_steps` returns, or some of its arrays, with the tolerances of :func:`compare_runs`."""
    if recipe.dtype == "float64":
        tolerances = [
            relative_tolerances([item], LOSS_TOLERANCE if item[0] == LOSSES else WEIGHT_TOLERANCE)[0]
            for item in expected
        ]
        agreements = compare_each(actual, expected, tolerances)
        if not widens or all(agreement.passed or agreement.difference is None for agreement in agreements):
            return agreements
    else:
        tolerances = [0.0] * len(expected)
    wider = training_tolerances(recipe, examples, steps)
    if not np.isfinite(list(wider.values())).all():
        return [Agreement(None, 0.0, f"the recipe diverges within {steps} steps, so nothing can be compared")]
    return compare_each(
        actual, expected, [max(each, wider[name]) for each, (name, _) in zip(tolerances, expected, strict=True)]
    )


def train_steps(running: Trainer, recipe: Recipe, examples: Examples, steps: int) -> NamedArrays:
    """Train for this many weight updates.

    Returns
    -------
    NamedArrays
        The weights, the outputs of the first examples from these weights, and the mean loss of every epoch [epochs].
    """
    n_examples = len(examples.x)
    steps_per_epoch = -(-examples_per_epoch(recipe, n_examples) // (recipe.batch_size or n_examples))
    epochs = -(-steps // steps_per_epoch)
    losses = []
    for epoch in range(epochs):
        left = (steps - epoch * steps_per_epoch) * (recipe.batch_size or n_examples)
        losses.append(running.train_epoch(examples.x, examples.t, batch_order(recipe, n_examples, epoch)[:left]))
    outputs = running.predict(examples.x[:FINAL_OUTPUTS])
    return [
        *name_arrays(running.parameters()),
        (FINAL, outputs),
        (LOSSES, np.array(losses, np.float64)),
    ]


class _Perturbed(NumpyTrainer):
    """The reference in float64, perturbed at every step by the error bound of the recipe's dtype."""

    def __init__(self, recipe: Recipe, parameters: Parameters, seed: int) -> None:
        super().__init__(recipe.replace(dtype="float64"), parameters)
        self.rounded = recipe
        self.rng = np.random.default_rng(seed)

    def backward(self, forward: Forward, t: Floats) -> Backward:
        exact = super().backward(forward, t)
        bounds = error_bounds(self.rounded, self.layers, forward.y[0], t, self.n_updates).gradients
        for (_, gradient), (_, bound) in zip(name_arrays(exact.gradients), name_arrays(bounds), strict=True):
            gradient += self._signs(gradient) * bound
        return exact

    def update(self, backward: Backward) -> None:
        super().update(backward)
        for _, w in name_arrays(self.layers):
            w += self._signs(w) * float(np.finfo(self.rounded.dtype).eps) / 2 * abs(w)

    def _signs(self, like: Floats) -> Floats:
        return np.where(self.rng.random(like.shape) < 0.5, -1.0, 1.0)


def training_tolerances(recipe: Recipe, examples: Examples, steps: int) -> dict[str, float]:
    """Return how far rounding may drive two runs apart over many steps, by the name of what `train_steps` returns.

    Analysis bounds the rounding error of one step. How training amplifies it depends on the recipe. So the reference is
    trained in float64 once unperturbed, and again with every gradient and weight moved up or down at random by its
    one-step bound. The tolerance is the largest distance between these runs, times `PERTURBATION_MARGIN`.
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
    tolerances = {name: PERTURBATION_MARGIN * spread for (name, _), spread in zip(straight, spreads, strict=True)}
    terms = (recipe.batch_size or len(examples.x)) * recipe.layer_sizes[-1] + FUNCTION_ERROR
    if ExtendedRecipe.of(recipe).penalty_in_loss:
        terms += recipe.n_parameters
    u = unit_roundoff(recipe)
    tolerances[LOSSES] += 2 * rounding_of_sum(terms, u) * float(abs(straight[-1][1]).max())
    final = error_bounds(recipe, reference.parameters(), wide.x[:FINAL_OUTPUTS], wide.t[:FINAL_OUTPUTS])
    tolerances[FINAL] += 2 * float(final.outputs.max())
    tolerances[LOSSES] += 2 * max(_logarithm_error(recipe, each, wide) for each in (start, reference.parameters()))
    return tolerances


def _logarithm_error(recipe: Recipe, parameters: Parameters, wide: Examples) -> float:
    x, t = wide.x[:FINAL_OUTPUTS], wide.t[:FINAL_OUTPUTS]
    outputs = NumpyTrainer(recipe.replace(dtype="float64"), parameters).predict(x)
    return logarithm_error(recipe, outputs, error_bounds(recipe, parameters, x, t).outputs, t)


def _as_float64(parameters: Parameters) -> Parameters:
    return tuple(
        Layer(layer.weight.astype(np.float64), None if layer.bias is None else layer.bias.astype(np.float64))
        for layer in parameters
    )
