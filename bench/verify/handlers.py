"""What a worker does to verify an implementation: handlers of its requests."""

from typing import Any

from backprop_bench.bench.core.implementations import named_implementation
from backprop_bench.bench.core.worker.batches import n_batches
from backprop_bench.bench.core.worker.forks import load_once
from backprop_bench.bench.core.worker.handlers import handler
from backprop_bench.bench.core.worker.sources import sources_of
from backprop_bench.bench.verify import checks, inspection
from backprop_bench.bench.verify.checks import SLOW_STEPS, first_batch, n_verification_examples
from backprop_bench.bench.verify.protocol import check_protocol
from backprop_bench.bench.verify.replies import Checks, Drift, Inspection
from backprop_bench.bench.verify.stability import overflows
from backprop_bench.bench.verify.step_work import count_step
from backprop_bench.data import Parameters, Recipe, Trainer, initial_parameters, load_dataset, training_examples


@handler(refuses=True)
def verify(implementation: str, recipe: dict[str, Any], dataset: str, steps: int, counts: bool = False) -> Checks:
    """Verify an implementation against its reference implementation; returns the checks in their order.

    Parameters
    ----------
    counts
        Whether what a step does is counted, too.
    """
    known, selected = named_implementation(implementation), Recipe.from_dict(recipe)
    loaded = load_dataset(dataset)
    checked = tuple(checks.verify(known, selected, loaded, steps))
    sources = sources_of(known)
    if not counts:
        return Checks(checks=checked, sources=sources)
    examples = training_examples(selected, loaded.subset(n_verification_examples(selected)))
    return Checks(checks=checked, sources=sources, work=count_step(load_once(known), selected, examples))


@handler(refuses=True)
def inspect(
    implementation: str,
    against: str,
    recipe: dict[str, Any],
    dataset: str,
    steps: int,
    convention: dict[str, Any] | None = None,
) -> Inspection:
    """Compare two implementations quantity by quantity; one that breaks the protocol is not compared further.

    Parameters
    ----------
    convention
        Fields of the recipe that are different for all but the implementation itself, which knows of one only.
    """
    known, selected = named_implementation(implementation), Recipe.from_dict(recipe)
    actual, expected = load_once(known), load_once(named_implementation(against))
    if convention:
        actual, selected = with_recipe(actual, selected), selected.replace(**convention)
    examples = training_examples(selected, load_dataset(dataset).subset(n_verification_examples(selected)))
    batch = first_batch(selected, examples)
    protocol = check_protocol(selected, actual, batch)
    if not protocol.passed:
        return Inspection(equal=False, protocol=protocol.where)
    steps = min(steps, SLOW_STEPS) if known.slow else steps
    quantities = inspection.inspect(selected, actual, expected, examples, steps)
    first = next((item for item in quantities if not item.passed), None)
    moved = first is not None and first.name in ("W", "b") and first.difference is not None
    parameters = initial_parameters(selected)
    equal = all(quantity.passed for quantity in quantities)
    return Inspection(
        equal=equal,
        steps=steps,
        steps_per_epoch=n_batches(selected, len(examples.x)),
        quantities=tuple(quantities),
        traced=inspection.shows_all(actual(selected, parameters), expected(selected, parameters)),
        overflows=overflows(selected, actual, batch.x),
        first_step=inspection.first_step_apart(selected, actual, expected, examples, steps) if moved else None,
        notes=inspection.notes_on(actual, equal),
    )


def with_recipe(trainer: type[Trainer], recipe: Recipe) -> type[Trainer]:
    """Return a class that trains with this recipe, whatever it is told."""

    class Given(trainer):  # type: ignore[misc, valid-type]  # a variable
        def __init__(self, other: Recipe, parameters: Parameters) -> None:  # noqa: ARG002
            super().__init__(recipe, parameters)

    return Given


@handler(refuses=True)
def drift(implementation: str, against: str, recipe: dict[str, Any], dataset: str, steps: int) -> Drift:
    """Train two implementations and measure how far they diverge."""
    selected = Recipe.from_dict(recipe)
    actual, expected = (load_once(named_implementation(name)) for name in (implementation, against))
    examples = training_examples(selected, load_dataset(dataset))
    return Drift(points=tuple(inspection.drift(selected, actual, expected, examples, steps)))
