"""Figure: the weights into hidden units, as images."""

import numpy as np
import numpy.typing as npt
from matplotlib.colors import LinearSegmentedColormap

from backprop_bench.bench.core.network import Classes, TrainedNetwork
from backprop_bench.bench.core.summary import Summary
from backprop_bench.bench.predictions.analysis import image_side, strongest_units
from backprop_bench.bench.predictions.view import Shown, shown
from backprop_bench.bench.report import style
from backprop_bench.bench.report.drawing import Drawing
from backprop_bench.bench.report.images import PER_ROW, Words, draw_images, rows_height
from backprop_bench.bench.report.numbers import count, named, plain, scientific

NAME = 0.24
"""Inches for the name above a row of images."""
CLIPPED = 0.995
"""Quantile of the sizes of the weights that are shown from which on colours are no darker."""
BELOW_AND_ABOVE = LinearSegmentedColormap.from_list(
    "weights", [style.SHADES["PyTorch"][0], "#ffffff", style.SHADES["from scratch"][0]]
)


def missing(summary: Summary) -> str | None:
    """Return why there is nothing to draw."""
    if summary.outcomes is None:
        return "the run kept no trained networks"
    pairs = shown(summary)
    if not pairs:
        return "no trained network can be read"
    n_inputs = {network.n_inputs for one in pairs for network in one.pair}
    odd = sorted(n for n in n_inputs if image_side(n) is None)
    return f"{odd[0]} inputs are no square image" if odd else None


def draw(summary: Summary) -> Drawing:
    """Draw one band per question: a row of units for each of the two networks, one scale for both."""
    page, alts, titles = style.Page(), [], []
    for one in shown(summary):
        selected = _selected(one)
        titles.append(_title(one))
        page.heading(titles[-1], one.subtitle)
        limit = _limit(one, selected)
        for network, units in zip(one.pair, selected, strict=True):
            page.band(
                NAME + rows_height(len(units), 1),
                lambda band, network=network, units=units, limit=limit: _draw(band, network, units, limit),  # type: ignore[misc]
            )
        page.text(_note(one, limit), style.SMALL, color=style.GREY)
        alts.append(_alt(one, selected, titles[-1]))
    return Drawing("hidden-units", titles[-1], " ".join(alts), page.figure())


def _selected(one: Shown) -> list[Classes]:
    """Return the units that are shown of each network: the same ones where both start from the same weights."""
    first = strongest_units(one.pair[0], PER_ROW)
    return [first if one.same_recipe else strongest_units(network, PER_ROW) for network in one.pair]


def _images(network: TrainedNetwork, units: Classes) -> npt.NDArray[np.float64]:
    side = image_side(network.n_inputs)
    assert side is not None
    weights: npt.NDArray[np.float64] = network.layers[0].weight[:, units].T.astype(np.float64)
    return weights.reshape(len(units), side, side)


def _limit(one: Shown, selected: list[Classes]) -> float:
    sizes = [np.abs(_images(network, units)).ravel() for network, units in zip(one.pair, selected, strict=True)]
    return max(float(np.quantile(np.concatenate(sizes), CLIPPED)), 1e-9)


def _difference(one: Shown) -> float:
    """Return the largest difference between the first-layer weights of both networks."""
    first, second = (network.layers[0].weight.astype(np.float64) for network in one.pair)
    return float(np.abs(first - second).max())


def _title(one: Shown) -> str:
    names = [named(network.implementation) for network in one.pair]
    if one.same_recipe:
        most = scientific(_difference(one))
        return f"First-layer weights of {names[0]} and {names[1]} differ by at most {most}"
    sizes = [
        f"{name} {plain(float(np.sqrt(np.mean(np.square(network.layers[0].weight, dtype=np.float64)))))}"
        for name, network in zip(names, one.pair, strict=True)
    ]
    return f"RMS of first-layer weights: {', '.join(sizes)}"


def _draw(band: style.Band, network: TrainedNetwork, units: Classes, limit: float) -> None:
    name, colour = style.short_name(network.implementation), style.text_colour(network.implementation)
    band.write(style.MARGIN, 0.03, name, color=colour, weight="bold")
    below = style.Band(band.figure, band.top + NAME, band.height - NAME)
    words = [[Words(f"unit {unit + 1}", style.GREY)] for unit in units]
    draw_images(below, _images(network, units), BELOW_AND_ABOVE, (-limit, limit), words)


def _note(one: Shown, limit: float) -> str:
    n_units = [network.layers[0].weight.shape[1] for network in one.pair]
    of = " and ".join(map(str, dict.fromkeys(n_units)))
    which = f"the {PER_ROW} of {of} units with the largest outgoing weights"
    if one.same_recipe:
        which += " in the first network, and the same units of the second"
    return (
        f"Each image is the incoming weights of a hidden unit by pixel: orange is positive, blue negative, clipped at "
        f"±{plain(limit)}. Shown: {which}."
    )


def _alt(one: Shown, selected: list[Classes], title: str) -> str:
    each = []
    for network, units in zip(one.pair, selected, strict=True):
        weights = network.layers[0].weight[:, units]
        each.append(
            f"{named(network.implementation)}: {count(len(units), 'unit')} shown, weights from "
            f"{plain(float(weights.min()))} to {plain(float(weights.max()))}"
        )
    return f"{one.title}: {title}. {'; '.join(each)}."
