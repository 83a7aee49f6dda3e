"""The figures of published results: a curve, square or number is that of the name beside it."""

import dataclasses
import math

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from backprop_bench.bench.historical import hinton
from backprop_bench.bench.historical.analysis import Codes, EpochsToSolve, Errors, Reading, Solution
from backprop_bench.bench.historical.experiments import FAMILY
from backprop_bench.bench.historical.verdicts import NIELSEN_ACCURACIES, Reproduction
from backprop_bench.bench.historical.view import draw_curves, draw_epochs_to_solve, draw_errors, draw_readings
from backprop_bench.bench.report import style
from tests.bench.drawn import from_the_top, lines_by_name, names_of, points_of

ORANGE, BLUE = style.SHADES["from scratch"][0], style.SHADES["PyTorch"][0]
NOTHING = Reproduction((), (), (), (), (), {}, ())


def solved(variant: str, *epochs: float) -> EpochsToSolve:
    return EpochsToSolve("symmetry", variant, epochs, epochs, 5000, 0, 0, math.nan, 0, in_text=True)


def test_a_step_of_the_epochs_to_solve_is_the_share_that_is_solved_by_then() -> None:
    shown = solved("as published", 400, 1000, 2000, math.inf), solved("averaged", 3000, math.inf)
    figure = draw_epochs_to_solve(dataclasses.replace(NOTHING, epochs_to_solve=shown)).figure
    drawn = lines_by_name(figure.axes[0])
    assert drawn["as published (4 seeds)"] == ([1, 400, 1000, 2000, 5000], [0, 0.25, 0.5, 0.75, 0.75])
    assert drawn["averaged (2 seeds)"] == ([1, 3000, 5000], [0, 0.5, 0.5])
    assert drawn["published: 1,425"][0] == [1425, 1425]


def reading(question: str, share: float, **changes: object) -> Reading:
    """Return a reading that answers this share of the trained questions, and half as many of those held out."""
    curve = ((1, 9.0, 0.1, 0.05), (1500, 1.0, share, share / 2))
    shares = share, share / 3, share / 2, share / 4
    return Reading(question, f"{question} {share}", FAMILY.replace(**changes), True, 2, *shares, 8, curve)


def test_a_curve_of_the_family_trees_is_of_the_questions_and_the_reading_that_the_legend_says() -> None:
    readings = reading("family-trees", 0.4), reading("family-trees-map", 0.9)
    figure = draw_curves(dataclasses.replace(NOTHING, readings=readings)).figure
    drawn = {name: points for name, (_, points) in lines_by_name(figure.axes[0]).items()}
    assert drawn == {
        "literal: trained": [0.1, 0.4],
        "literal: held out": [0.05, 0.2],
        "best: trained": [0.1, 0.9],
        "best: held out": [0.05, 0.45],
    }


def test_a_number_in_the_map_of_readings_is_in_the_row_and_column_of_its_recipe() -> None:
    cells = {(0.3, 0.002, 0.01): 0.7, (0.3, 0.0, 0.01): 0.5, (2.0, 0.002, 0.001): 0.3, (2.0, 0.0, 0.01): 0.1}
    readings = [
        reading("family-trees-map", share, init_scale=scale, multiplicative_decay=decay, schedule=((20, rate, 0.9),))
        for (scale, decay, rate), share in cells.items()
    ]
    (axes,) = draw_readings(readings).figure.axes
    rows, columns = names_of(axes), [label.get_text() for label in axes.get_xticklabels()]
    written = {
        (rows[y], columns[x]): text.get_text() for text in axes.texts for x, y in [map(int, text.get_position())]
    }
    for (scale, decay, rate), share in cells.items():
        assert written[f"U(±{scale:g}), A", f"{100 * decay:g} %\nε {rate:g}"] == f"{100 * share:.0f}"


def errors(question: str, variant: str, *by_seed: tuple[float, ...]) -> Errors:
    return Errors(question, variant, np.array(by_seed), 0, math.nan, math.nan, 0)


def test_a_row_of_the_errors_has_the_measured_and_the_published_ones_of_its_name() -> None:
    shown = [
        errors("nielsen-30", "v", (0.9, 0.05, 0.06), (0.9, 0.04, 0.07)),
        errors("rashid", "v", (0.9, 0.05, 0.03), (0.9, 0.05, 0.02)),
        errors("rashid-gradient", "v", (0.9, 0.05, 0.04)),
    ]
    (axes,) = draw_errors(shown).figure.axes
    rows = {name: [] for name in names_of(axes)}  # type: ignore[var-annotated]
    for line in axes.lines:
        x, y = points_of(line)
        rows[names_of(axes)[round(y[0])]].append((line.get_marker(), x))
    assert rows == {
        "nielsen-30": [("o", [0.05, 0.04]), ("D", [0.0458])],
        "rashid": [("o", [0.03, 0.02]), ("D", [0.0253])],
        "rashid-gradient": [("o", [0.04])],
    }


def test_the_published_points_beside_the_errors_by_epoch_are_errors_too() -> None:
    shown = (errors("nielsen-30", "ours", (0.9, 0.08, 0.07, 0.06)), errors("nielsen-30", "other", (0.9, 0.3, 0.2, 0.1)))
    figure = draw_curves(dataclasses.replace(NOTHING, errors=shown)).figure
    drawn = lines_by_name(figure.axes[0])
    assert drawn["ours (1 seed)"] == ([1, 2, 3], [0.08, 0.07, 0.06])
    assert drawn["other (1 seed)"] == ([1, 2, 3], [0.3, 0.2, 0.1])
    epochs, published = drawn["published"]
    assert dict(zip(epochs, published, strict=True)) == pytest.approx(
        {epoch: 1 - accuracy for epoch, accuracy in NIELSEN_ACCURACIES.items()}
    )


def weights_of(axes: Axes, largest: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return the weights that the squares of a Hinton diagram stand for, [rows, columns]."""
    squares = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    places = [
        (round(square.get_y() + square.get_height() / 2), round(square.get_x() + square.get_width() / 2))
        for square in squares
    ]
    weights = np.zeros((max(row for row, _ in places) + 1, max(column for _, column in places) + 1))
    for place, square in zip(places, squares, strict=True):
        sign = {ORANGE: 1, BLUE: -1}[to_hex(square.get_facecolor())]
        weights[place] = sign * square.get_width() * square.get_height() / 0.92**2 * largest
    return weights


def test_the_squares_of_the_symmetry_network_are_its_weights_by_area_and_colour() -> None:
    hidden = np.array([[1.0, -1.0], [2.0, -2.0], [4.0, -4.0], [-4.0, 4.0], [-2.0, 2.0], [-1.0, 1.0]])
    solution = Solution(3, 1400, hidden, np.array([-1.5, -1.25]), np.array([-9.0, -8.0]), 6.0)
    (axes,) = hinton.draw_solution(solution, [solution]).figure.axes
    drawn = weights_of(axes, 9.0)
    columns = [label.get_text() for label in axes.get_xticklabels()]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["hidden unit 1", "hidden unit 2"]
    assert drawn[:, columns.index("bias")] == pytest.approx([-1.5, -1.25])
    assert drawn[:, columns.index("to output")] == pytest.approx([-9.0, -8.0])
    for number, weights in enumerate(hidden, start=1):
        assert drawn[:, columns.index(f"input {number}")] == pytest.approx(weights)


def test_the_squares_of_the_person_units_stand_above_their_english_person_and_below_it_the_italian_one() -> None:
    people = ("Arthur", "Victoria", "Emilio", "Lucia")
    weights = np.array([[1.0, -1.0], [2.0, -2.0], [-3.0, 3.0], [-4.0, 4.0]])
    correlations = {"nationality": (-0.9, 0.8), "generation": (0.1, 0.2), "branch": (0.3, 0.4)}
    figure = hinton.draw_codes(Codes(1, "v", people, weights, correlations)).figure
    for axes, unit in zip(figure.axes, weights.T, strict=True):
        assert [label.get_text() for label in axes.get_xticklabels()] == ["Arthur", "Victoria"]
        assert weights_of(axes, 4.0) == pytest.approx(unit.reshape(2, 2))


def test_the_squares_of_the_activity_are_those_of_the_units_below_them() -> None:
    layers = [("persons", ("Colin", "Emilio"), (1.0, 0.0)), ("answers", ("James", "Arthur"), (0.81, 0.25))]
    figure = hinton.draw_activity(hinton.Activity("an uncle of Colin", "a network", layers, ("James",))).figure
    answers, persons = from_the_top(figure)
    assert [label.get_text() for label in answers.get_xticklabels()] == ["James", "Arthur"]
    assert weights_of(answers, 1.0) == pytest.approx(np.array([[0.81, 0.25]]))
    assert [label.get_text() for label in persons.get_xticklabels()] == ["Colin", "Emilio"]
