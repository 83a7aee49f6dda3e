"""The comparison of two implementations as a grid (quantities down, layers across), and in sentences."""

from collections.abc import Mapping, Sequence

from backprop_bench.bench.report.numbers import scientific
from backprop_bench.bench.report.table import Table, make_table
from backprop_bench.bench.verify.inspection import Quantity
from backprop_bench.bench.verify.replies import Followed, Inspection, Reading

QUANTITIES = {
    "z": "z, pre-activation",
    "y": "y, activation",
    "outputs": "outputs",
    "E": "E, loss of the batch",
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
"""Quantities that are compared after training."""
OF_THE_NETWORK = ("outputs", "E", "outputs after", "loss")
"""Quantities that belong to no layer."""


def parity_grid(title: str, quantities: Sequence[Quantity], steps: int) -> Table:
    """Return one row per quantity, one column per layer, and the largest error of the row with its place.

    Parameters
    ----------
    quantities
        In the order in which they are computed.
    steps
        Weight updates after which the weights were compared.
    """
    return grid_of_stages(title, {steps: quantities})


def grid_of_stages(title: str, stages: Mapping[int, Sequence[Quantity]]) -> Table:
    """Return the grid of quantities that were compared after several numbers of weight updates, in their order."""
    layers = range(1, max(quantity.layer for quantities in stages.values() for quantity in quantities) + 1)
    rows = []
    for steps, quantities in stages.items():
        for name in QUANTITIES:
            here = {quantity.layer: quantity for quantity in quantities if quantity.name == name}
            if here:
                cells = [_cell(here[layer]) if layer in here else "" for layer in layers]
                rows.append([QUANTITIES[name] + _after(name, steps), *cells, *_largest(here)])
    columns = ["<quantity", *(f"<layer {layer}" for layer in layers), "largest error", "<where"]
    note = "Digits: decimal digits of agreement. Errors and digits are relative to the largest value of the array."
    return make_table(title, columns, rows, note)


def _cell(quantity: Quantity) -> str:
    if quantity.exact:
        return "exact"
    if quantity.difference is None:
        return "NOT COMPARABLE"
    return f"{quantity.digits} digits" if quantity.passed else f"DIFFERS ({scientific(quantity.difference)})"


def _largest(here: Mapping[int, Quantity]) -> list[str]:
    """Return the largest error of a row and its place; what cannot be compared comes first."""
    incomparable = [quantity for quantity in here.values() if quantity.difference is None]
    if incomparable:
        return ["", incomparable[0].where]
    worst = max(here.values(), key=lambda quantity: quantity.difference or 0.0)
    if worst.exact:
        return ["0", ""]
    return [scientific(worst.difference), f"{_layer(worst)} {worst.where}".strip()]


def _after(name: str, steps: int) -> str:
    return f" after {steps} {'step' if steps == 1 else 'steps'}" if name in AFTER and name != "loss" else ""


def _layer(quantity: Quantity) -> str:
    return "" if quantity.name in OF_THE_NETWORK else f"layer {quantity.layer}"


UNTRACED = "Intermediate quantities are not compared: not both implementations have the method trace."


def first_that_differs(outcome: Inspection) -> Quantity | None:
    """Return the first quantity that differs; ``None`` where none does."""
    return next((quantity for quantity in outcome.quantities if not quantity.passed), None)


def conclusions(inspections: Mapping[str, Inspection]) -> dict[str, str]:
    """Return the conclusion for every dtype, in which nothing is said twice; one for all where all are equal."""
    if len(inspections) > 1 and all(inspection.equal for inspection in inspections.values()):
        first, *_ = inspections.values()
        return {"": conclusion(" and ".join(inspections), first)}
    sentences, said = {}, None
    for dtype, inspection in inspections.items():
        first_here = first_that_differs(inspection)
        place = first_here and (first_here.name, first_here.layer)
        again = place is not None and place == said
        sentences[dtype] = f"Not equal in {dtype} either." if again else conclusion(dtype, inspection)
        said = place or said
    return sentences


def conclusion(dtype: str, outcome: Inspection) -> str:
    """Return whether two implementations are equal, and otherwise the first quantity that differs."""
    if outcome.protocol is not None:
        return f"Not equal in {dtype}: {outcome.protocol}."
    if outcome.equal:
        return f"Equal in {dtype}: every error is within its tolerance."
    first = first_that_differs(outcome)
    assert first is not None  # it is not equal
    of = f" of {_layer(first)}" if _layer(first) else ""
    what = QUANTITIES[first.name] + of + _after(first.name, outcome.steps)
    if first.difference is None:
        return f"Not verified in {dtype}, {what}: {first.where}."
    since = _since(outcome) if first.name in AFTER and outcome.first_step is not None else ""
    place = f" at {first.where}" if first.where else ""
    return (
        f"Not equal in {dtype}: the first quantity that differs is {what}. The error{place} is "
        f"{scientific(first.difference)} × the largest value of the array.{since}"
    )


def _since(outcome: Inspection) -> str:
    """Return the first step after which weights differ, its batch, and the first weights that differ."""
    assert outcome.first_step is not None  # the caller checks it
    step, arrays = outcome.first_step
    epoch, batch = divmod(step - 1, outcome.steps_per_epoch)
    of_all = sum(quantity.name in ("W", "b") for quantity in outcome.quantities)
    which = "all of them" if len(arrays) == of_all else " and ".join(arrays)
    place = f"batch {batch + 1} of {outcome.steps_per_epoch} in epoch {epoch + 1}"
    return f" The weights differ from step {step} on, {place}: at first {which}."


def reading(diagnosis: Reading) -> list[str]:
    """Return all that differs, and the known mistakes that cause it or a similar difference."""
    if diagnosis.conventions:
        return [*_differs(diagnosis.differs), follows(diagnosis.conventions, True)]
    if diagnosis.mistakes:
        return [*_differs(diagnosis.differs), *_explained(diagnosis), f"Question: {' Or: '.join(diagnosis.questions)}"]
    if diagnosis.questions:
        similar = f"Similar known mistakes raise the question: {' Or: '.join(diagnosis.questions)}"
        return [*_differs(diagnosis.differs), similar]
    if diagnosis.differs:
        return [*_differs(diagnosis.differs), "No known mistake affects exactly these quantities."]
    if diagnosis.epochs:
        late = "nothing differs there. This mistake starts later, or is small."
        return [f"Known mistakes are tried for {diagnosis.epochs} epochs of a few batches, and {late}"]
    return []


def follows(conventions: Sequence[Followed], equal: bool) -> str:
    """Return which convention an implementation follows, and how to say so; not equal, this is not all."""
    words = " and ".join(each.words for each in conventions)
    options = " ".join(each.option for each in conventions)
    changes = {name: value for each in conventions for name, value in each.changes.items()}
    fields = ", ".join(f"{name}={tuple(v) if isinstance(v, list) else v!r}" for name, v in changes.items())
    if not equal:
        return f"It follows another convention than the recipe, {words}: {options} ({fields}). With that, this remains:"
    return f"It is right for {words}, which is not that of the recipe. To compare it so, say {options} ({fields})."


def _differs(what: str) -> list[str]:
    return [f"What differs: {what}."] if what else []


def _explained(diagnosis: Reading) -> list[str]:
    """Return the mistakes that compute this, what is wrong as well, and what tells two of them apart."""
    where = " in train_epoch, though gradients is right" if diagnosis.only_in_training else ""
    several = diagnosis.then or diagnosis.left
    verb = "The first of it is explained by" if several else "A known mistake computes exactly this"
    sentences = [f"{verb}{where}: {'; or '.join(diagnosis.mistakes)}."]
    if diagnosis.apart:
        sentences.append(f"To tell these apart, compare with {diagnosis.apart}.")
    if diagnosis.then:
        sentences.append(f"With that mended, what remains is: {'; and '.join(diagnosis.then)}.")
    if diagnosis.left:
        sentences.append(f"With that mended, this remains, and has no known cause: {diagnosis.left}.")
    return sentences
