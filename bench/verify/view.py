"""The parity of two implementations as a grid: quantities down, layers across."""

from collections.abc import Mapping, Sequence

from backprop_bench.bench.report.numbers import scientific
from backprop_bench.bench.report.table import Table, make_table
from backprop_bench.bench.verify.inspection import Quantity
from backprop_bench.bench.verify.replies import Inspection, Reading

QUANTITIES = {
    "z": "z, total input",
    "y": "y, activation",
    "outputs": "outputs",
    "dE/dy": "dE/dy",
    "dE/dz": "dE/dz",
    "dE/dW": "dE/dW, gradient",
    "dE/db": "dE/db, gradient",
    "W": "weights",
    "b": "biases",
    "outputs after": "outputs",
    "loss": "loss by epoch",
}
AFTER = ("W", "b", "outputs after", "loss")
"""Quantities that are compared when both have been trained."""
OF_THE_NETWORK = ("outputs", "outputs after", "loss")
"""Quantities that belong to no layer."""


def parity_grid(title: str, quantities: Sequence[Quantity], steps: int) -> Table:
    """Return one row per quantity, one column per layer, and the largest difference of the row with its place.

    Parameters
    ----------
    quantities
        In the order in which they are computed.
    steps
        Weight changes after which the weights were compared.
    """
    layers = range(1, max(quantity.layer for quantity in quantities) + 1)
    rows = []
    for name in QUANTITIES:
        here = {quantity.layer: quantity for quantity in quantities if quantity.name == name}
        if not here:
            continue
        cells = [_cell(here[layer]) if layer in here else "" for layer in layers]
        rows.append([QUANTITIES[name] + _after(name, steps), *cells, *_largest(here)])
    columns = ["<quantity", *(f"<layer {layer}" for layer in layers), "largest difference", "<where"]
    note = "Digits: decimal digits to which the two agree, of the largest value of the array."
    return make_table(title, columns, rows, note)


def _cell(quantity: Quantity) -> str:
    if quantity.exact:
        return "exact"
    if quantity.difference is None:
        return "NOT COMPARABLE"
    return f"{quantity.digits} digits" if quantity.passed else f"DIFFERS ({scientific(quantity.difference)})"


def _largest(here: Mapping[int, Quantity]) -> list[str]:
    """Return the largest difference of a row and where it is, what cannot be compared first."""
    incomparable = [quantity for quantity in here.values() if quantity.difference is None]
    if incomparable:
        return ["", incomparable[0].where]
    worst = max(here.values(), key=lambda quantity: quantity.difference or 0.0)
    if worst.exact:
        return ["0", ""]
    return [scientific(worst.difference), f"{_layer(worst)} {worst.where}".strip()]


def _after(name: str, steps: int) -> str:
    return f" after {steps} steps" if name in AFTER and name != "loss" else ""


def _layer(quantity: Quantity) -> str:
    return "" if quantity.name in OF_THE_NETWORK else f"layer {quantity.layer}"


def conclusion(dtype: str, outcome: Inspection) -> str:
    """Return in one sentence whether two implementations are equal, and if not, where it begins."""
    if outcome.conduct is not None:
        return f"Not equal in {dtype}: {outcome.conduct}."
    hidden = "" if outcome.traced else " Not both show their intermediate quantities, so these are not compared."
    if outcome.equal:
        return f"Equal in {dtype}: every difference is within what rounding allows.{hidden}"
    first = next(quantity for quantity in outcome.quantities if not quantity.passed)
    of = f" of {_layer(first)}" if _layer(first) else ""
    what = QUANTITIES[first.name] + of + _after(first.name, outcome.steps)
    if first.difference is None:
        return f"Not proved in {dtype}: {what}: {first.where}.{hidden}"
    since = _since(outcome) if first.name in AFTER and outcome.first_step is not None else ""
    return (
        f"Not equal in {dtype}: the first quantity that differs is {what}, by {scientific(first.difference)} × its "
        f"largest value, at {first.where}.{since}{hidden}"
    )


def _since(outcome: Inspection) -> str:
    """Return the first step after which weights differ, which batch that is, and which weights these are."""
    assert outcome.first_step is not None  # who asks has looked
    step, arrays = outcome.first_step
    epoch, batch = divmod(step - 1, outcome.steps_per_epoch)
    of_all = sum(quantity.name in ("W", "b") for quantity in outcome.quantities)
    which = "all of them" if len(arrays) == of_all else " and ".join(arrays)
    place = f"batch {batch + 1} of {outcome.steps_per_epoch} in epoch {epoch + 1}"
    return f" The weights differ from step {step} on, {place}: at first {which}."


def reading(found: Reading) -> list[str]:
    """Return what is known of the difference: what differs in all, and which known mistakes look like that."""
    sentences = []
    if found.differs:
        sentences.append(f"What differs: {found.differs}.")
    if found.mistakes:
        sentences.append(f"A known mistake does the very same: {'; or '.join(found.mistakes)}.")
        sentences.append(f"So: {' Or: '.join(found.questions)}")
    elif found.questions:
        sentences.append(f"Known mistakes that look like this ask: {' Or: '.join(found.questions)}")
    elif found.differs:
        sentences.append("No known mistake makes just this differ.")
    elif found.epochs:
        sentences.append(
            f"Known mistakes are looked for in {found.epochs} epochs of a few batches, where nothing differs yet: "
            "this one begins later, or is small."
        )
    return sentences
