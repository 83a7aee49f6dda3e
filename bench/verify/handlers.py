"""What a worker does to verify an implementation: handlers of its requests."""

from typing import Any

from backprop_bench.bench.core.implementations import named_implementation
from backprop_bench.bench.core.worker.forks import load_once
from backprop_bench.bench.core.worker.handlers import handler
from backprop_bench.bench.verify import inspection
from backprop_bench.bench.verify.checks import SLOW_STEPS, first_batch, n_proof_examples, prove
from backprop_bench.bench.verify.protocol import check_conduct
from backprop_bench.bench.verify.replies import Checks, Drift, Inspection
from backprop_bench.data import Recipe, initial_parameters, load_dataset, training_examples


@handler(refuses=True)
def verify(implementation: str, recipe: dict[str, Any], dataset: str, steps: int) -> Checks:
    """Verify an implementation against its reference implementation; returns the checks in their order."""
    known, chosen = named_implementation(implementation), Recipe.from_dict(recipe)
    checks = prove(known, chosen, load_dataset(dataset), steps)
    return Checks(checks=tuple(checks))


@handler(refuses=True)
def inspect(implementation: str, against: str, recipe: dict[str, Any], dataset: str, steps: int) -> Inspection:
    """Compare two implementations quantity by quantity; one that breaks the protocol is not compared further."""
    known, chosen = named_implementation(implementation), Recipe.from_dict(recipe)
    actual, expected = load_once(known), load_once(named_implementation(against))
    examples = training_examples(chosen, load_dataset(dataset).subset(n_proof_examples(chosen)))
    conduct = check_conduct(chosen, actual, first_batch(chosen, examples))
    if not conduct.passed:
        return Inspection(equal=False, conduct=conduct.where)
    steps = min(steps, SLOW_STEPS) if known.slow else steps
    quantities = inspection.inspect(chosen, actual, expected, examples, steps)
    moved = any(item.name in ("W", "b") and item.difference is not None and not item.passed for item in quantities)
    parameters = initial_parameters(chosen)
    return Inspection(
        equal=all(quantity.passed for quantity in quantities),
        steps=steps,
        steps_per_epoch=-(-len(examples.x) // (chosen.batch_size or len(examples.x))),
        quantities=tuple(quantities),
        traced=inspection.shows_all(actual(chosen, parameters), expected(chosen, parameters)),
        first_step=inspection.first_step_apart(chosen, actual, expected, examples, steps) if moved else None,
    )


@handler(refuses=True)
def drift(implementation: str, against: str, recipe: dict[str, Any], dataset: str, steps: int) -> Drift:
    """Train two implementations and measure how far they come apart."""
    chosen = Recipe.from_dict(recipe)
    actual, expected = (load_once(named_implementation(name)) for name in (implementation, against))
    examples = training_examples(chosen, load_dataset(dataset))
    return Drift(points=tuple(inspection.drift(chosen, actual, expected, examples, steps)))
