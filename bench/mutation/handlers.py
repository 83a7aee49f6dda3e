"""What a worker does to diagnose an implementation that is not equal: the handler of its requests."""

from typing import Any

from backprop_bench.bench.core.implementations import named_implementation
from backprop_bench.bench.core.worker.forks import load_once
from backprop_bench.bench.core.worker.handlers import handler
from backprop_bench.bench.mutation.likely import read_conduct, read_difference
from backprop_bench.bench.verify.checks import first_batch, n_proof_examples
from backprop_bench.bench.verify.protocol import check_conduct
from backprop_bench.bench.verify.replies import Reading
from backprop_bench.data import Recipe, load_dataset, training_examples


@handler(refuses=True)
def diagnose(implementation: str, recipe: dict[str, Any], dataset: str, against: str | None = None) -> Reading:
    """Look for the known mistakes that compute what an implementation computes.

    Parameters
    ----------
    against
        What it is to be equal to; ``None`` for its reference implementation.
    """
    known, chosen = named_implementation(implementation), Recipe.from_dict(recipe)
    actual, expected = load_once(known), load_once(named_implementation(against or known.twin))
    examples = training_examples(chosen, load_dataset(dataset).subset(n_proof_examples(chosen)))
    batch = first_batch(chosen, examples)
    conduct = check_conduct(chosen, actual, batch)
    if not conduct.passed:
        return read_conduct(chosen, batch, conduct.where)
    return read_difference(chosen, actual, expected, examples)
