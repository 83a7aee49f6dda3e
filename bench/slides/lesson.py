"""The slides of the derivation, which are the same whatever was measured."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from backprop_bench.bench.slides import equations
from backprop_bench.bench.slides.deck import Beside, Slide, Words
from backprop_bench.bench.slides.equations import Equation
from backprop_bench.bench.slides.pictures import equation_picture, network_picture

SOURCE = "Equations as numbered in docs/derivation.md; (1) to (9) are those of the paper of 1986"


@dataclass(frozen=True)
class Step:
    """A slide of equations, each with what it says, and with what the speaker may add."""

    title: str
    rows: Sequence[tuple[Equation, str]]
    note: str


STEPS = (
    Step(
        "Forward, and the loss",
        (
            (equations.SUM, "What a unit is fed: a weighted sum, and a bias"),
            (equations.SIGMOID, "What it passes on: the sigmoid of it"),
            (equations.SQUARED_ERROR, "The loss: how far outputs o are from targets t"),
        ),
        "The factor one half only cancels the 2 of the derivative.",
    ),
    Step(
        "Backward: the output layer",
        (
            (equations.CHAIN, "A weight acts on z, z on o, o on E: three factors"),
            (equations.ERROR, "First factor: the error"),
            (equations.SLOPE, "Second: the slope of the sigmoid, from the activation itself"),
            (equations.WEIGHT, "Third: what the weight was multiplied by"),
        ),
        "Who writes target minus output needs a second minus: dropping one of the two climbs uphill.",
    ),
    Step(
        "Backward: the hidden layer",
        (
            (equations.BACK, "A hidden unit acts on E through all outputs: the ways add up"),
            (equations.HIDDEN_SLOPE, "Then as before: the slope of the sigmoid"),
            (equations.HIDDEN_WEIGHT, "and what the weight was multiplied by, here the input"),
            (equations.DESCENT, "Downhill by a small step, all weights at once"),
        ),
        "The article looks at the error of one output at a time. The sum over k in (7) is what comes on top of that.",
    ),
    Step(
        "Many examples at once: matrices",
        (
            (equations.FORWARD_BATCH, "One row per example: a product is a set of sums"),
            (equations.BACK_BATCH, "Backward with the same weights, transposed"),
            (equations.WEIGHT_BATCH, "This product adds up the gradients of the examples"),
            (equations.MEAN, "A mean over N examples has a gradient N times smaller than the sum"),
        ),
        "A learning rate for a sum must be N times larger for a mean, or the network hardly moves.",
    ),
    Step(
        "What PyTorch's network has instead",
        (
            (equations.SOFTMAX, "Softmax: outputs that add up to 1"),
            (equations.CROSS_ENTROPY, "Cross-entropy: how improbable the right class was"),
            (equations.LOGIT, "Together: no slope is left that could stop learning"),
        ),
        "In (5) the factor o (1 - o) is nearly 0 for a unit that is surely wrong. In (16) it is gone.",
    ),
)
"""The derivation, slide by slide."""


def lesson_slides() -> Iterator[Slide]:
    """Yield the network, then the derivation."""
    yield Slide(
        "A network of one hidden layer",
        [
            network_picture(),
            Words("Inputs x, hidden units y, outputs o; every line is a weight w. Bias: an input that is always 1."),
            Words("To learn: how does the loss E change with every single weight?", bold=True),
        ],
        SOURCE,
        ["The article leaves the biases out; docs/derivation.md has them."],
    )
    for step in STEPS:
        beside = [
            Beside(equation_picture(equation), f"{equation.label} {text}".strip()) for equation, text in step.rows
        ]
        yield Slide(step.title, beside, SOURCE, [step.note, *(equation.alt for equation, _ in step.rows)])
