"""Hinton diagrams of weights and activities like the paper's: squares whose areas are the numbers."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from backprop_bench.bench.historical.analysis import RATIO_TOLERANCE, Codes, Solution
from backprop_bench.bench.report import style
from backprop_bench.bench.report.drawing import Drawing
from backprop_bench.bench.report.numbers import count, listing

ON, OFF = style.SHADES["from scratch"][0], style.SHADES["PyTorch"][0]


def best_solution(solutions: Sequence[Solution]) -> Solution:
    """Return the one whose weights are nearest to 1 : 2 : 4."""
    return min(solutions, key=lambda solution: solution.ratio_error)


def _signed(value: float, decimals: int = 2) -> str:
    return f"{value:+.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def hinton(axes: Axes, weights: npt.NDArray[np.float64], largest: float) -> None:
    """Fill axes with squares [rows, columns] whose areas are the weights: orange above 0, blue below."""
    for (row, column), value in np.ndenumerate(weights):
        side = 0.92 * math.sqrt(abs(value) / largest)
        colour = ON if value > 0 else OFF
        axes.add_patch(Rectangle((column - side / 2, row - side / 2), side, side, color=colour, linewidth=0))
    rows, columns = weights.shape
    axes.set_xlim(-0.5, columns - 0.5)
    axes.set_ylim(rows - 0.5, -0.5)
    axes.set_aspect("equal")
    axes.grid(visible=False)
    axes.set_facecolor("#f3f4f6")
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def draw_solution(solution: Solution, solutions: Sequence[Solution]) -> Drawing:
    """Draw the weights of a symmetry network as Fig. 1 of the paper does."""
    near = sum(item.ratio_error <= RATIO_TOLERANCE for item in solutions)
    title = (
        "Mirror weights are opposite, those of one side nearly 1:2:4"
        if solution.ratio_error <= RATIO_TOLERANCE
        else "Mirror weights of the symmetry network are opposite"
    )
    matrix = np.column_stack((solution.hidden.T, solution.hidden_bias, solution.output))
    largest = float(abs(matrix).max())
    with style.look():
        page = style.Page()
        page.heading(
            title, f"Symmetry network of seed {solution.seed}: weights of the two hidden units when it is solved"
        )
        page.band(2.2, lambda band: _draw_solution(band, matrix, largest))
        page.text(
            f"Area: size of the weight, at most {largest:.1f}; orange above 0, blue below. Solved after "
            f"{solution.epochs:,} epochs with output bias {_signed(solution.output_bias, 1)}; of "
            f"{count(len(solutions), 'solved run')}, {near} have 1:2:4 within 10 % in both units (shown: the nearest).",
            style.SMALL,
            color=style.GREY,
        )
        rows = "; ".join(
            f"unit {number}: " + ", ".join(_signed(value) for value in unit)
            for number, unit in enumerate(matrix, start=1)
        )
        alt = f"{title} (seed {solution.seed}). From the six inputs, the bias, and to the output, {rows}."
        return Drawing("symmetry", title, alt, page.figure())


def _draw_solution(band: style.Band, matrix: npt.NDArray[np.float64], largest: float) -> None:
    axes = band.axes(style.MARGIN + 1.4, 6.0, 0.15, 0.55)
    hinton(axes, matrix, largest)
    axes.set_yticks([0, 1], ["hidden unit 1", "hidden unit 2"])
    axes.set_xticks(
        range(8), [*(f"input {number}" for number in range(1, 7)), "bias", "to output"], fontsize=style.SMALL
    )


def best_codes(codes: Sequence[Codes]) -> Codes:
    """Return those with the largest correlation of a unit with nationality."""
    return max(codes, key=lambda item: max(map(abs, item.correlations["nationality"])))


def draw_codes(codes: Codes) -> Drawing:
    """Draw the weights from the persons to their six units as Fig. 4 of the paper does."""
    unit = int(np.argmax(np.abs(codes.correlations["nationality"])))
    value = codes.correlations["nationality"][unit]
    title = f"Person unit {unit + 1} encodes nationality: correlation {_signed(value)}"
    largest = float(abs(codes.weights).max())
    with style.look():
        page = style.Page()
        page.heading(title, f"Weights from the 24 persons to their six units; {codes.variant}, seed {codes.seed}")
        page.band(4.6, lambda band: _draw_codes(band, codes, largest))
        page.text(
            f"Area: size of the weight, at most {largest:.1f}; orange above 0, blue below; a panel per unit, English "
            "persons above their Italian counterparts. Numbers: correlation of the unit's weights with nationality, "
            "generation and branch of the family.",
            style.SMALL,
            color=style.GREY,
        )
        correlations = "; ".join(
            f"unit {number + 1}: "
            + ", ".join(f"{name} {_signed(values[number])}" for name, values in codes.correlations.items())
            for number in range(codes.weights.shape[1])
        )
        return Drawing("family-codes", title, f"{title}. {correlations}.", page.figure())


def _draw_codes(band: style.Band, codes: Codes, largest: float) -> None:
    half = len(codes.people) // 2
    for number, unit in enumerate(codes.weights.T):
        row, column = divmod(number, 2)
        height = 1.5
        part = style.Band(band.figure, band.top + row * height, height)
        axes = part.axes(style.MARGIN + 0.1 + 5.05 * column, 4.8, 0.2, 0.62)
        hinton(axes, np.stack((unit[:half], unit[half:])), largest)
        axes.set_yticks([])
        axes.set_xticks(range(half), codes.people[:half], rotation=45, ha="right", fontsize=6.5)
        correlations = ", ".join(f"{name} {_signed(values[number])}" for name, values in codes.correlations.items())
        part.write(style.MARGIN + 0.1 + 5.05 * column, 0.0, f"unit {number + 1}: {correlations}", fontsize=style.SMALL)


@dataclasses.dataclass(frozen=True)
class Activity:
    """Activations of a family-tree network for one question.

    Attributes
    ----------
    question
        Such as "an aunt of Colin".
    network
        Which network it is.
    layers
        (title, names of units, activations) by layer, inputs first.
    right
        Names of the outputs that are to be on.
    """

    question: str
    network: str
    layers: Sequence[tuple[str, Sequence[str], Sequence[float]]]
    right: Sequence[str]


def draw_activity(activity: Activity) -> Drawing:
    """Draw the activation of every unit for a question, layer by layer, as Fig. 3 of the paper does."""
    _, names, values = activity.layers[-1]
    on = [name for name, value in zip(names, values, strict=True) if value > 0.5]
    answers = listing(on) or "nobody"
    title = f"Asked for {activity.question}, the network answers {answers}"
    if sorted(on) != sorted(activity.right):
        title += f"; right is {listing(activity.right)}"
    with style.look():
        page = style.Page()
        page.heading(title, f"Activation of every unit, {activity.network}; right: {listing(activity.right)}")
        for layer in reversed(activity.layers):
            page.band(1.15 if max(map(len, layer[1])) > 3 else 0.8, lambda band, layer=layer: _draw_layer(band, *layer))  # type: ignore[misc]
        page.text(
            "Area: activation between 0 and 1. Outputs on top, inputs at the bottom, as in Fig. 3 of the paper.",
            style.SMALL,
            color=style.GREY,
        )
        activations = "; ".join(
            f"{title}: "
            + ", ".join(f"{name} {value:.2f}" for name, value in zip(names, values, strict=True) if value > 0.05)
            for title, names, values in activity.layers
        )
        return Drawing(
            "family-activity", title, f"{title}. Right: {listing(activity.right)}. {activations}.", page.figure()
        )


def _draw_layer(band: style.Band, title: str, names: Sequence[str], values: Sequence[float]) -> None:
    band.write(style.MARGIN, 0.1, title, fontsize=style.SMALL)
    below = 0.62 if max(map(len, names)) > 3 else 0.3
    axes = band.axes(style.MARGIN + 1.5, min(8.4, 0.35 * len(names)), 0.05, below)
    hinton(axes, np.array([values]), 1.0)
    axes.set_yticks([])
    long = max(map(len, names)) > 3
    axes.set_xticks(
        range(len(names)), names, rotation=45 if long else 0, ha="right" if long else "center", fontsize=6.5
    )
