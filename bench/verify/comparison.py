"""Two implementations compared in every dtype, and the likely mistake: what ``parity`` and ``check`` have in common."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backprop_bench.bench.core.engine.progress import Progress
from backprop_bench.bench.core.worker.client import Refusal, Worker
from backprop_bench.bench.report.findings import Finding, Findings
from backprop_bench.bench.verify.checks import steps_in
from backprop_bench.bench.verify.replies import Followed, Inspection, Reading
from backprop_bench.bench.verify.view import UNTRACED, conclusions, follows, parity_grid, reading
from backprop_bench.data import InputError, Recipe

INSPECT, DIAGNOSE = "verify.handlers:inspect", "mutation.handlers:diagnose"
"""Handlers of the requests of a worker."""


@dataclass(frozen=True)
class Pair:
    """What is compared: an implementation, another one, and the name or path of the dataset for both."""

    implementation: str
    against: str
    dataset: str

    def to_dict(self) -> dict[str, str]:
        """Return the arguments of a request."""
        return {"implementation": self.implementation, "against": self.against, "dataset": self.dataset}


@dataclass(frozen=True)
class Comparison:
    """How two implementations compare, by dtype.

    Attributes
    ----------
    inspections
        The quantities, in every dtype that both do.
    readings
        The likely mistakes where they are not equal.
    refusals
        Why they were not compared.
    conventions
        Those with which they are compared: with the recipe itself they are not equal.
    """

    pair: Pair
    inspections: Mapping[str, Inspection]
    readings: Mapping[str, Reading]
    refusals: Mapping[str, str]
    conventions: tuple[Followed, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether they are equal wherever they were compared."""
        return all(inspection.equal for inspection in self.inspections.values())

    @property
    def mistakes(self) -> tuple[str, ...]:
        """The known mistakes that compute the same."""
        return tuple(dict.fromkeys(each for reading in self.readings.values() for each in reading.mistakes))

    def findings(self) -> Findings:
        """Return the conclusions, and a grid for every dtype."""
        both = f"{self.pair.implementation} against {self.pair.against}"
        grids = [
            parity_grid(f"{both}, {dtype}", inspection.quantities, inspection.steps)
            for dtype, inspection in self.inspections.items()
            if inspection.quantities
        ]
        sentences = [follows(self.conventions, self.equal)] if self.conventions else []
        for dtype, sentence in conclusions(self.inspections).items():
            sentences += [sentence]
            sentences += reading(self.readings[dtype]) if dtype in self.readings else []
        warnings = dict.fromkeys(each for inspection in self.inspections.values() for each in inspection.overflows)
        sentences += [f"Warning: {warning}" for warning in warnings]
        sentences += [f"Not compared in {dtype}: {why}." for dtype, why in self.refusals.items()]
        compared = [inspection for inspection in self.inspections.values() if inspection.quantities]
        sentences += [] if all(inspection.traced for inspection in compared) else [UNTRACED]
        sentences += dict.fromkeys(note for inspection in self.inspections.values() for note in inspection.notes)
        return Findings([Finding("parity", sentences, grids)], failed=not self.equal)


def compare(worker: Worker, pair: Pair, recipe: Recipe, steps: int | None, progress: Progress) -> Comparison:
    """Compare in float64 and in the recipe's own dtype, and look for the likely mistake in the first that differs.

    Parameters
    ----------
    steps
        Weight updates after which weights are compared; ``None`` for the usual number.

    Raises
    ------
    InputError
        Where an implementation does the recipe in no dtype.
    WorkerError
        Where the process of an implementation breaks.
    """
    dtypes = list(dict.fromkeys(("float64", recipe.dtype)))
    inspections: dict[str, Inspection] = {}
    readings: dict[str, Reading] = {}
    refusals: dict[str, str] = {}

    def inspect(dtype: str, changes: Mapping[str, Any]) -> Inspection:
        here = {**pair.to_dict(), "recipe": recipe.replace(dtype=dtype).to_dict(), "steps": steps or steps_in(dtype)}
        return worker.ask(INSPECT, Inspection, **here, convention=changes)

    with progress.stage("comparing", len(dtypes)):
        for dtype in dtypes:
            try:
                inspections[dtype] = inspect(dtype, {})
                if not inspections[dtype].equal and not any(each.questions for each in readings.values()):
                    here = recipe.replace(dtype=dtype).to_dict()
                    readings[dtype] = worker.ask(DIAGNOSE, Reading, **pair.to_dict(), recipe=here)
            except Refusal as refusal:
                refusals[dtype] = str(refusal)
            progress.advance(dtype)
    if not inspections:
        raise InputError("; ".join(dict.fromkeys(refusals.values())))
    conventions = tuple(each for reading in readings.values() for each in reading.conventions)
    if conventions:  # of all dtypes, or of none
        changes = {name: value for each in conventions for name, value in each.changes.items()}
        inspections = {dtype: inspect(dtype, changes) for dtype in inspections}
        readings = {}
    return Comparison(pair, inspections, readings, refusals, conventions)
