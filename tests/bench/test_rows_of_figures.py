"""What stands in a row of a figure is of the implementation that the row is named after, under the right heading."""

import re

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.text import Annotation

from backprop_bench.bench.compare import headline, ratios
from backprop_bench.bench.core.implementations import BASELINES, IMPLEMENTATIONS
from backprop_bench.bench.ladder.stages import STAGES
from backprop_bench.bench.ladder.view import draw_ladder
from tests.bench.plain import summarize, summarize_ladder
from tests.bench.recorded import recorded_run
from tests.bench.timed import timed_question, timed_run

EPOCH_S = {"scratch-numpy": 0.5, "torch-eager": 1.0, "torch-loader": 4.0}
ACCURACY = {"scratch-numpy": 0.91, "torch-eager": 0.93, "torch-loader": 0.96}
STAGE_S = {"batches": 64e-6, "float32": 32e-6, "no temporaries": 4e-6}
UNITS = {"s": 1.0, "ms": 1e-3, "µs": 1e-6}


def names_of(axes: Axes) -> list[str]:
    """Return the labels of the rows, from the top."""
    return [label.get_text() for label in axes.get_yticklabels()]


def columns_of(axes: Axes) -> dict[str, list[str]]:
    """Return the texts beside the axes, from the top, by the heading that stands above them."""
    headings = {round(text.xy[0], 6): text.get_text() for text in axes.texts if isinstance(text, Annotation)}
    cells = [text for text in axes.texts if not isinstance(text, Annotation)]
    cells.sort(key=lambda text: text.get_position()[1])
    columns: dict[str, list[str]] = {heading: [] for heading in headings.values()}
    for cell in cells:
        columns[headings[round(cell.get_position()[0], 6)]].append(cell.get_text())
    return columns


def markers_of(axes: Axes) -> list[float]:
    """Return where the marker of each row is, from the top."""
    points = [(np.asarray(line.get_ydata()), np.asarray(line.get_xdata())) for line in axes.lines]
    placed = sorted((float(y[0]), float(x[0])) for y, x in points if len(x) == 1)
    return [x for _, x in placed]


def as_number(text: str) -> float:
    """Return a text such as "385 ms (381–389)" or "96.6 %" in seconds, or as it is."""
    found = re.match(r"([\d.,]+)\s*(s|ms|µs)?", text.replace("\N{NO-BREAK SPACE}", " "))
    assert found is not None, text
    return float(found[1].replace(",", "")) * UNITS.get(found[2] or "", 1.0)


def test_a_row_of_the_headline_has_accuracy_time_and_factor_of_its_implementation() -> None:
    figure = headline.draw(summarize(*recorded_run(tuple(EPOCH_S), epoch_s=EPOCH_S, accuracy=ACCURACY))).figure
    accuracy, time = figure.axes[-2:]
    names = names_of(accuracy)
    assert sorted(names) == sorted(EPOCH_S)
    assert markers_of(accuracy) == pytest.approx([ACCURACY[name] for name in names], abs=0.01)
    shares = [as_number(text) / 100 for text in columns_of(accuracy)["95 % CI"]]
    assert shares == pytest.approx([ACCURACY[name] for name in names], abs=0.01)
    seconds = [EPOCH_S[name] for name in names]  # the 10th percentile lies below
    assert markers_of(time) == pytest.approx(seconds, rel=0.25)
    columns = columns_of(time)
    assert list(map(as_number, columns["estimate"])) == pytest.approx(seconds, rel=0.25)
    factors = list(map(as_number, columns["faster than torch-loader"]))
    assert factors == pytest.approx([EPOCH_S["torch-loader"] / each for each in seconds], rel=0.1)


def test_a_row_of_the_ratios_has_the_factor_of_its_implementation() -> None:
    run = recorded_run(tuple(EPOCH_S), epoch_s=EPOCH_S, n_replicates=4)
    ratio, around = ratios.draw(summarize(*run)).figure.axes[-2:]
    names = names_of(ratio)
    assert names == ["scratch-numpy", "torch-eager", "A/A test"]
    expected = [8.0, 4.0, 1.0]
    assert list(map(as_number, columns_of(around)["times faster, 95 % CI"])) == pytest.approx(expected, rel=0.1)
    assert columns_of(around)["replicates"] == ["4", "4", "4"]
    assert ratio.get_xlabel() == "times faster than torch-loader, log axis"


def test_a_row_of_the_ladder_has_time_and_both_factors_of_its_stage() -> None:
    implementation_of = {stage.name: stage.implementation for stage in STAGES}
    side_of = {name: known.side for name, known in {**IMPLEMENTATIONS, **BASELINES}.items()}
    ladder = summarize_ladder(*timed_run(timed_question("ladder", STAGE_S, implementation_of)), side_of)
    (axes,) = (axes for axes in draw_ladder(ladder).figure.axes if names_of(axes))
    assert names_of(axes) == list(STAGE_S)
    columns = columns_of(axes)
    times = list(map(as_number, columns["time per epoch, 95 % CI"]))
    assert [times[0] / each for each in times] == pytest.approx([1, 2, 16], rel=0.05)
    assert markers_of(axes) == pytest.approx(times, rel=0.05)
    assert columns["speed-up over previous"][0] == columns["cumulative"][0] == ""
    assert list(map(as_number, columns["speed-up over previous"][1:])) == pytest.approx([2, 8], rel=0.05)
    assert list(map(as_number, columns["cumulative"][1:])) == pytest.approx([2, 16], rel=0.05)
