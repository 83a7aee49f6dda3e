"""How what a program wrote compares with the vectors, in a table and in sentences."""

from collections.abc import Sequence

from backprop_bench.bench.report.numbers import count, listing
from backprop_bench.bench.report.table import Table
from backprop_bench.bench.verify.inspection import Quantity
from backprop_bench.bench.verify.replies import Inspection, VectorsReading
from backprop_bench.bench.verify.vectors.arrays import Vectors
from backprop_bench.bench.verify.vectors.comparison import Compared
from backprop_bench.bench.verify.view import conclusion, grid_of_stages, reading

SHOWN = 3
"""Names of arrays that a sentence has at most."""


def vectors_grid(title: str, vectors: Vectors, compared: Compared) -> Table:
    """Return the grid of the first batch, and of the weights after each number of updates."""
    stages: dict[int, list[Quantity]] = {}
    for name, quantity in compared.items():
        stages.setdefault(vectors.computed[name].steps, []).append(quantity)
    return grid_of_stages(title, stages)


def vectors_conclusion(vectors: Vectors, compared: Compared) -> str:
    """Return whether all is equal, and otherwise the first quantity that differs."""
    first = next((name for name, quantity in compared.items() if not quantity.passed), None)
    outcome = Inspection(
        equal=first is None,
        steps=vectors.computed[first].steps if first else 0,
        quantities=tuple(compared.values()),
        traced=True,
    )
    said = conclusion(vectors.recipe.dtype, outcome)
    return said if first is None else said.replace(" is ", f" is {first}: ", 1)


def not_compared(vectors: Vectors, compared: Compared, unknown: Sequence[str]) -> list[str]:
    """Return what could have been compared and is missing, and what has no known name."""
    missing = [name for name in vectors.computed if name not in compared]
    sentences = []
    if missing:
        sentences.append(f"Not compared, for {_are(missing)} missing: {listing(missing)}.")
    if unknown:
        sentences.append(f"Not compared, for the vectors have no such name: {listing(unknown)}.")
    return sentences


def _are(names: Sequence[str]) -> str:
    return f"{count(len(names), 'array')} {'is' if len(names) == 1 else 'are'}"


def vectors_reading(found: VectorsReading) -> list[str]:
    """Return the likely mistake, and what it does not explain."""
    sentences = reading(found.reading)
    if found.reading.mistakes and found.unexplained:
        first, more = found.unexplained[:SHOWN], len(found.unexplained) - SHOWN
        names = listing([*first, count(more, "other array")] if more > 0 else first)
        sentences.append(f"This does not explain {names}: there may be another mistake.")
    return sentences
