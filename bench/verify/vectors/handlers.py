"""What a worker does about vectors: it computes them with PyTorch, too."""

from typing import Any

from backprop_bench.bench.core.implementations import named_implementation
from backprop_bench.bench.core.worker.handlers import handler
from backprop_bench.bench.verify.replies import Inspection
from backprop_bench.bench.verify.vectors.arrays import STEPS, make_vectors
from backprop_bench.bench.verify.vectors.comparison import compare_vectors
from backprop_bench.data import Recipe, load_dataset, training_examples


@handler(refuses=True)
def verify(recipe: dict[str, Any], dataset: str, examples: int) -> Inspection:
    """Compare the vectors of scratch-numpy with those of torch-eager, its reference implementation."""
    ours = named_implementation("scratch-numpy")
    selected = Recipe.from_dict(recipe)
    shown = training_examples(selected, load_dataset(dataset).subset(examples))
    actual, expected = (
        make_vectors(selected, shown, each.load()) for each in (ours, named_implementation(ours.reference))
    )
    compared = compare_vectors(expected, {name: actual.arrays[name] for name in expected.computed})
    return Inspection(
        equal=all(quantity.passed for quantity in compared.values()),
        steps=STEPS[-1],
        quantities=tuple(compared.values()),
        traced=True,
    )
