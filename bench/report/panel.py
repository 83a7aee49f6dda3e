"""`Panel`: trained networks that a page computes with, for digits that its reader draws."""

import base64
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from backprop_bench.bench.core.network import LabelledExamples, TrainedNetwork
from backprop_bench.bench.report.language import _
from backprop_bench.bench.report.numbers import clean, count

SMALLEST_SIDE = 8
"""Fewer pixels than this by this are not taken for an image that one can draw."""
MOST_SAMPLES = 20
MAX_CHARACTERS = 1_500_000
"""Limit of the characters that the weights take on the page."""
PRECISIONS = ("f4", "f2")
"""Of embedded weights, the one that is preferred first: float32 is exact, float16 takes half the space."""


@dataclass(frozen=True)
class Sample:
    """A test example to show a network without drawing one: its label, and its pixels row by row, 0 to 255."""

    label: str
    pixels: bytes


@dataclass(frozen=True)
class Panel:
    """What the page embeds: the networks, and examples to try."""

    networks: tuple[TrainedNetwork, ...]
    samples: tuple[Sample, ...]
    titles: Mapping[str, str]
    """What the questions of the networks are called."""
    classes: tuple[str, ...]
    precision: str

    @property
    def side(self) -> int:
        """Pixels along a side of the image."""
        return math.isqrt(self.networks[0].n_inputs)

    def title(self, question: str) -> str:
        """Return what a question is called."""
        return clean(self.titles.get(question, question))

    @property
    def questions(self) -> list[str]:
        """The titles of the questions that networks are of."""
        return list(dict.fromkeys(self.title(network.question) for network in self.networks))

    def to_json(self) -> str:
        """Return what the page reads, as JSON that ends no script element."""
        content = {
            "side": self.side,
            "precision": self.precision,
            "classes": list(map(clean, self.classes)),
            "samples": [{"label": clean(sample.label), "pixels": _base64(sample.pixels)} for sample in self.samples],
            "networks": [_network(network, self.title(network.question), self.precision) for network in self.networks],
        }
        return harmless_json(content)


def harmless_json(content: Any) -> str:
    """Return JSON that ends no script element."""
    return json.dumps(content, separators=(",", ":")).translate(HARMLESS)


HARMLESS = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&"}
"""Signs that mean something in HTML, as JSON may write them within text, where alone they occur."""


def make_panel(
    networks: Sequence[TrainedNetwork],
    examples: LabelledExamples | None = None,
    titles: Mapping[str, str] | None = None,
    max_characters: int = MAX_CHARACTERS,
) -> Panel | str:
    """Return the panel of trained networks, or a sentence on why there is none.

    Parameters
    ----------
    examples
        Test examples, of which the first of every class can be tried; and what the classes are called.
    titles
        What the questions are called, by name.
    max_characters
        Limit of the characters for weights. Of more networks than fit with float16, the first ones are left out.
    """
    if not networks:
        return _("There is no panel to draw a digit: no trained network of this run is at hand.")
    inputs = networks[-1].n_inputs
    side = math.isqrt(inputs)
    if side * side != inputs or side < SMALLEST_SIDE:
        text = _("There is no panel to draw a digit: {inputs} are no square image of {side} by {side} or more.")
        return text.format(inputs=count(inputs, "input"), side=SMALLEST_SIDE)
    alike = [network for network in networks if network.n_inputs == inputs]
    precision = next((name for name in PRECISIONS if _characters(alike, name) <= max_characters), PRECISIONS[-1])
    while alike and _characters(alike, precision) > max_characters:
        alike.pop(0)
    if not alike:
        return _("There is no panel to draw a digit: the trained networks are too large for this page.")
    samples = () if examples is None or examples.inputs.shape[1] != inputs else _samples(examples)
    names = tuple(map(str, range(alike[-1].n_classes))) if examples is None else examples.names
    return Panel(tuple(alike), samples, titles or {}, names, precision)


def _samples(examples: LabelledExamples) -> tuple[Sample, ...]:
    """Return the first example of every class, as bytes whatever it is stored as."""
    low, high = examples.ends
    numbers = [int(np.flatnonzero(examples.labels == label)[0]) for label in np.unique(examples.labels)[:MOST_SAMPLES]]
    return tuple(
        Sample(
            examples.names[examples.labels[number]],
            np.rint(255 * ((examples.inputs[number].astype(np.float64) - low) / (high - low)))
            .astype(np.uint8)
            .tobytes(),
        )
        for number in numbers
    )


def _characters(networks: Sequence[TrainedNetwork], precision: str) -> int:
    """Return how long the weights are in base64."""
    size = np.dtype(precision).itemsize
    arrays = [array for network in networks for layer in network.layers for array in layer.arrays()]
    return sum(4 * math.ceil(size * array.size / 3) for array in arrays)


def _network(network: TrainedNetwork, title: str, precision: str) -> dict[str, Any]:
    return {
        "question": title,
        "implementation": clean(network.implementation),
        "hidden": network.hidden_activation,
        "output": network.output_activation,
        "range": list(network.input_range),
        "layers": [
            {
                "inputs": layer.weight.shape[0],
                "outputs": layer.weight.shape[1],
                "weight": _base64(_rounded(layer.weight, precision)),
                "bias": None if layer.bias is None else _base64(_rounded(layer.bias, precision)),
            }
            for layer in network.layers
        ],
    }


def _rounded(array: npt.NDArray[np.floating[Any]], precision: str) -> bytes:
    largest = np.finfo(precision).max
    return bytes(np.clip(array, -largest, largest).astype(f"<{precision}").data)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
