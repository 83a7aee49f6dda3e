"""docs/method.md: what the committed trials and runs say."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

from backprop_bench.bench.report.drawing import Drawing
from backprop_bench.bench.selftest.analysis import Calibration, Overhead
from backprop_bench.bench.selftest.repeatability import Repeatability
from backprop_bench.bench.selftest.repeatability_view import (
    draw_repeatability,
    repeatability_sentences,
    repeatability_table,
)
from backprop_bench.bench.selftest.view import calibration_sentences, calibration_table, draw_calibration
from tests.docs.generated import REFERENCE, listed, listed_with_tables, put

FIGURES = REFERENCE / "figures"
CALIBRATIONS = ("calibration-equal", "calibration-slowed")
COSTS = tuple(f"calibration-cost-{name}" for name in ("scratch-numpy", "torch-eager", "torch-loader"))


def read_calibration(name: str) -> Calibration:
    """Return the trials of one committed file."""
    return Calibration.from_dict(json.loads((REFERENCE / f"{name}.json").read_text(encoding="utf-8")))


def read_repeatability() -> Repeatability:
    """Return the committed comparison of runs."""
    return Repeatability.from_dict(json.loads((REFERENCE / "repeatability.json").read_text(encoding="utf-8")))


def page(text: str) -> str:
    """Return the page with its blocks."""
    trials = {name: read_calibration(name) for name in CALIBRATIONS}
    costs = [sentence for name in COSTS for sentence in calibration_sentences(read_calibration(name))[:1]]
    repeated = read_repeatability()
    return put(
        text,
        {
            **{
                name: listed_with_tables(calibration_sentences(found), [calibration_table(found)])
                for name, found in trials.items()
            },
            "calibration-cost": listed([*costs, _all_turns()]) + "\n",
            "repeatability": listed_with_tables(repeatability_sentences(repeated), [repeatability_table(repeated)]),
        },
    )


def figures() -> Iterator[tuple[Path, Drawing]]:
    """Yield the folder of every figure, and the figure."""
    equal, slowed = map(read_calibration, CALIBRATIONS)
    both = dataclasses.replace(equal, slowdowns=(*equal.slowdowns, *slowed.slowdowns))
    yield FIGURES, draw_calibration(both)
    yield FIGURES, draw_repeatability(read_repeatability())


def _all_turns() -> str:
    """Return the overhead of a turn, over the processes of all implementations."""
    costs = [cost for name in COSTS if (cost := read_calibration(name).overhead) is not None]
    trials = tuple(trial for cost in costs for trial in cost.trials)
    together = Overhead(trials)
    turn = together.turn
    low, high = (f"{100 * value:.2f}".replace("-", "−") for value in (turn.low, turn.high))
    estimate = f"{100 * turn.estimate:.2f}".replace("-", "−")
    return (
        f"In all {together.n_processes} processes together, the overhead of a turn is {estimate} % ({low} to {high})."
    )
