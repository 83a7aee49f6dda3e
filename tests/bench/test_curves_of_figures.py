"""A curve of a figure is that of the name which the legend has for its look, and its points are where they are said."""

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.text import Annotation

from backprop_bench.bench.compare import learning_curves
from backprop_bench.bench.core.summary import Summary
from backprop_bench.bench.report import style
from backprop_bench.bench.scaling.view import draw_scaling
from backprop_bench.bench.selftest.view import draw_calibration
from backprop_bench.bench.verify.drift import draw_drift
from backprop_bench.data import Recipe
from tests.bench import test_calibration, test_scaling
from tests.bench.drawn import colours_of, from_the_left, key_of, lines_by_name, points_of
from tests.bench.plain import summarize, summarize_calibration
from tests.bench.recorded import recorded_run

EPOCH_S = {"scratch-numpy": 0.5, "torch-eager": 1.0, "torch-loader": 4.0}
ACCURACY = {"scratch-numpy": 0.91, "torch-eager": 0.93, "torch-loader": 0.96}
EPOCHS = [1, 2, 3, 4, 5]
ORANGE = style.SHADES["from scratch"][0]


# Learning curves


def trained() -> Summary:
    return summarize(*recorded_run(tuple(EPOCH_S), epoch_s=EPOCH_S, accuracy=ACCURACY, epochs=len(EPOCHS)))


def expected_accuracies(name: str) -> list[float]:
    """Return the accuracies that `tests.bench.recorded` makes up, but for what it adds at random."""
    return [ACCURACY[name] - 0.05 / epoch**1.3 for epoch in EPOCHS]


def test_a_learning_curve_has_the_accuracies_of_its_name_over_epochs_and_over_cumulative_seconds() -> None:
    epochs, times = learning_curves.draw(trained()).figure.axes[-2:]
    over_epochs, over_seconds = lines_by_name(epochs, times), lines_by_name(times)
    assert over_epochs.keys() == over_seconds.keys() == EPOCH_S.keys()
    for name, epoch_s in EPOCH_S.items():
        assert over_epochs[name][0] == pytest.approx(EPOCHS, abs=learning_curves.SIDEWAYS)
        assert over_seconds[name][0] == pytest.approx([epoch_s * epoch for epoch in EPOCHS], rel=0.25)
        assert over_epochs[name][1] == over_seconds[name][1] == pytest.approx(expected_accuracies(name), abs=0.005)


def test_the_band_around_a_learning_curve_is_the_interval_over_seeds() -> None:
    summary = trained()
    of = {item.implementation: item for item in summary.questions[-1].performances}
    axes = learning_curves.draw(summary).figure.axes[-1]
    bands = {colours_of(band)[0]: band for band in axes.collections}
    for name, line in key_of(axes).items():
        (path,) = bands[to_hex(line.get_color())].get_paths()
        for point in of[name].curve[1:]:
            ends = [y for x, y in np.asarray(path.vertices) if x == pytest.approx(point.seconds)]
            assert (min(ends), max(ends)) == pytest.approx((point.accuracy.low, point.accuracy.high))


# Scaling


def test_a_curve_of_the_scaling_has_the_times_and_fractions_of_its_name() -> None:
    def torch_s(x: int) -> float:
        return 1000e-6 / x + 1e-6

    scaling = test_scaling.made_up(lambda _: 10e-6, torch_s)
    figure = draw_scaling([scaling]).figure
    (key,) = (axes for axes in figure.axes if axes.get_legend() is not None)
    times, shares = (axes for axes in from_the_left(figure) if axes is not key)
    assert key_of(key).keys() == {"scratch-numpy", "torch-eager", "matrix products alone", "fetching alone"}
    drawn = lines_by_name(times, key)
    fetching = [1e-6 / x if x < 1000 else 4e-6 for x in test_scaling.PLACES]
    expected = {
        "scratch-numpy": [10e-6] * 4,
        "torch-eager": list(map(torch_s, test_scaling.PLACES)),
        "matrix products alone": [1e-6] * 4,
        "fetching alone": fetching,
    }
    for name, seconds in expected.items():
        assert drawn[name][0] == list(test_scaling.PLACES)
        assert drawn[name][1] == pytest.approx(seconds, rel=0.03)
    fractions = lines_by_name(shares, key)
    for name in ("scratch-numpy", "torch-eager"):
        reached = [max(1e-6, alone) / own for alone, own in zip(fetching, expected[name], strict=True)]
        assert fractions[name][1] == pytest.approx(reached, rel=0.03)


# A/A tests and injected slowdowns


def test_a_share_of_the_calibration_stands_at_its_slowdown_and_false_positives_are_orange() -> None:
    equal, apart = [0.99, 1.0, 1.01], [1.10, 1.11, 1.12]
    slowed = [1.49, 1.50, 1.51]
    trials = [(0.0, equal), (0.0, equal), (0.0, apart), (0.5, slowed), (0.5, slowed), (0.5, slowed), (0.5, equal)]
    equals, detected = from_the_left(draw_calibration(summarize_calibration(*test_calibration.made_up(*trials))).figure)
    markers = {x[0]: y[0] for x, y in map(points_of, detected.lines) if len(x) == 1}
    assert markers == pytest.approx({0.0: 1 / 3, 50.0: 3 / 4})
    written = {text.xy: text.get_text() for text in detected.texts if isinstance(text, Annotation)}
    assert [written[place] for place in sorted(markers.items())] == ["1 of 3", "3 of 4"]
    bars = [bar for bar in equals.collections if isinstance(bar, LineCollection)]
    contain_1 = [low <= 1 <= high for bar in bars for ((_, low), (_, high)) in bar.get_segments()]
    assert sorted(contain_1) == [False, True, True]
    assert [colours_of(bar)[0] != ORANGE for bar in bars] == contain_1


# Two implementations that diverge


def test_a_curve_of_the_drift_has_the_differences_of_its_dtype() -> None:
    drift = {"float64": [[1, 1e-16], [10, 2e-15]], "float32": [[1, 1e-7], [10, 0.0]]}
    pair = {"implementation": "scratch-numpy", "against": "torch-eager", "recipe": Recipe().to_dict(), "drift": drift}
    drawing = draw_drift(pair)
    (axes,) = drawing.figure.axes
    drawn = lines_by_name(axes)
    assert drawn == {"float64": ([1, 10], [1e-16, 2e-15]), "float32": ([1, 10], [1e-7, 1e-17])}
    assert "A difference of 0 is drawn at 1e-17" in drawing.alt
