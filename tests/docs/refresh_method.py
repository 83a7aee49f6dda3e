"""Write the results of the committed trials and runs into docs/method.md.

Run ``python -m tests.docs.refresh_method``.
"""

import dataclasses
import json
import re
from pathlib import Path

from backprop_bench.bench.report.drawing import save
from backprop_bench.bench.report.table import to_markdown
from backprop_bench.bench.selftest.analysis import Calibration, Overhead
from backprop_bench.bench.selftest.repeatability import Repeatability
from backprop_bench.bench.selftest.repeatability_view import (
    draw_repeatability,
    repeatability_sentences,
    repeatability_table,
)
from backprop_bench.bench.selftest.view import calibration_sentences, calibration_table, draw_calibration

ROOT = Path(__file__).parents[2]
PAGE, REFERENCE = ROOT / "docs" / "method.md", ROOT / "results" / "reference"
CALIBRATIONS = ("calibration-equal", "calibration-slowed")
COSTS = tuple(f"calibration-cost-{name}" for name in ("scratch-numpy", "torch-eager", "torch-loader"))


def read_calibration(name: str) -> Calibration:
    """Return the trials of one committed file."""
    return Calibration.from_dict(json.loads((REFERENCE / f"{name}.json").read_text(encoding="utf-8")))


def read_repeatability() -> Repeatability:
    """Return the committed comparison of runs."""
    return Repeatability.from_dict(json.loads((REFERENCE / "repeatability.json").read_text(encoding="utf-8")))


def blocks() -> dict[str, str]:
    """Return what stands in each block of the page."""
    result = {}
    for name in CALIBRATIONS:
        calibration = read_calibration(name)
        result[name] = _block(calibration_sentences(calibration), to_markdown(calibration_table(calibration)))
    costs = [sentence for name in COSTS for sentence in calibration_sentences(read_calibration(name))[:1]]
    result["calibration-cost"] = _block([*costs, _all_turns()])
    repeated = read_repeatability()
    result["repeatability"] = _block(repeatability_sentences(repeated), to_markdown(repeatability_table(repeated)))
    return result


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


def _block(sentences: list[str], table: str = "") -> str:
    listed = "".join(f"* {sentence}\n" for sentence in sentences)
    return (f"{listed}\n{table}\n" if table else f"{listed}\n").replace("\N{NO-BREAK SPACE}", " ")


def pattern(name: str) -> re.Pattern[str]:
    """Return what finds a block in the page."""
    return re.compile(rf"(?<=<!-- {name} -->\n).*?(?=<!-- /{name} -->)", re.DOTALL)


def refresh() -> None:
    """Put the blocks into the page and draw its figures."""
    text = PAGE.read_text(encoding="utf-8")
    for name, block in blocks().items():
        text = pattern(name).sub(lambda _, block=block: block, text)  # type: ignore[misc]
    PAGE.write_text(text, encoding="utf-8")
    equal, slowed = map(read_calibration, CALIBRATIONS)
    both = dataclasses.replace(equal, slowdowns=(*equal.slowdowns, *slowed.slowdowns))
    save(draw_calibration(both), REFERENCE / "figures")
    save(draw_repeatability(read_repeatability()), REFERENCE / "figures")


if __name__ == "__main__":
    refresh()
