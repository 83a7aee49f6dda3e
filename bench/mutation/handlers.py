"""What a worker does to diagnose an implementation that is not equal: a handler of its requests."""

from typing import Any

from backprop_bench.bench.core.implementations import named_implementation
from backprop_bench.bench.core.worker.forks import load_once
from backprop_bench.bench.core.worker.handlers import handler
from backprop_bench.bench.mutation.likely import read_difference, read_protocol_error
from backprop_bench.bench.verify.checks import first_batch, n_verification_examples
from backprop_bench.bench.verify.protocol import check_protocol
from backprop_bench.bench.verify.replies import Reading
from backprop_bench.data import Recipe, load_dataset, training_examples


@handler(refuses=True)
def diagnose(implementation: str, recipe: dict[str, Any], dataset: str, against: str | None = None) -> Reading:
    """Look for known mistakes that compute the same as an implementation.

    Parameters
    ----------
    against
        The implementation to compare with; ``None`` for its reference implementation.
    """
    known, selected = named_implementation(implementation), Recipe.from_dict(recipe)
    actual, expected = load_once(known), load_once(named_implementation(against or known.reference))
    examples = training_examples(selected, load_dataset(dataset).subset(n_verification_examples(selected)))
    batch = first_batch(selected, examples)
    protocol = check_protocol(selected, actual, batch)
    if not protocol.passed:
        return read_protocol_error(selected, batch, protocol.where)
    return read_difference(selected, actual, expected, examples)
