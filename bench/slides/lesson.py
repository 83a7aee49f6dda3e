"""The slides of the derivation, the same for every run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from backprop_bench.bench.slides import equations
from backprop_bench.bench.slides.deck import Beside, Slide, Words
from backprop_bench.bench.slides.equations import Equation
from backprop_bench.bench.slides.pictures import equation_picture, network_picture

SOURCE = "Equations as numbered in docs/derivation.md; (1) to (9) are those of the paper of 1986"


@dataclass(frozen=True)
class Step:
    """A slide of equations with explanations, and a note for the speaker."""

    title: str
    rows: Sequence[tuple[Equation, str]]
    note: str


STEPS = (
    Step(
        "Forward, and the loss",
        (
            (equations.SUM, "Pre-activation: a weighted sum, and a bias"),
            (equations.SIGMOID, "Activation: the sigmoid of the pre-activation"),
            (equations.SQUARED_ERROR, "Loss: the squared distance of outputs o from targets t"),
        ),
        "The factor one half only cancels the 2 of the derivative.",
    ),
    Step(
        "Backward: the output layer",
        (
            (equations.CHAIN, "Chain rule: a weight acts on z, z on o, o on E"),
            (equations.ERROR, "First factor: the error"),
            (equations.DERIVATIVE, "Second factor: the derivative of the activation"),
            (equations.WEIGHT, "Third factor: the input of the weight"),
        ),
        "With target minus output, the update needs a second minus: dropping one of the two increases the loss.",
    ),
    Step(
        "Backward: the hidden layer",
        (
            (equations.BACK, "A hidden unit acts on E through all outputs: a sum"),
            (equations.HIDDEN_DERIVATIVE, "As before: the derivative of the activation"),
            (equations.HIDDEN_WEIGHT, "and the input of the weight, here x"),
            (equations.DESCENT, "Weight update: a small step against the gradient"),
        ),
        "The article treats one output at a time; the sum over k in (7) covers all.",
    ),
    Step(
        "Many examples at once: matrices",
        (
            (equations.FORWARD_BATCH, "Forward: one row per example"),
            (equations.BACK_BATCH, "Backward: the same weights, transposed"),
            (equations.WEIGHT_BATCH, "This product sums the gradients of the examples"),
            (equations.MEAN, "The gradient of a mean is N times smaller than that of a sum"),
        ),
        "A learning rate chosen for a sum must be N times larger for a mean.",
    ),
    Step(
        "Softmax and cross-entropy: the PyTorch network",
        (
            (equations.SOFTMAX, "Softmax: outputs sum to 1"),
            (equations.CROSS_ENTROPY, "Cross-entropy: minus the log-probability of the true label"),
            (equations.LOGIT, "Together: the derivative of the activation cancels"),
        ),
        "In (5) the factor o (1 - o) is nearly 0 for a saturated unit that is wrong. In (16) it is gone.",
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
            Words("To learn: the derivative of the loss E by every weight", bold=True),
        ],
        SOURCE,
        ["The article has no biases; docs/derivation.md has them."],
    )
    for step in STEPS:
        beside = [
            Beside(equation_picture(equation), f"{equation.label} {text}".strip()) for equation, text in step.rows
        ]
        yield Slide(step.title, beside, SOURCE, [step.note, *(equation.alt for equation, _ in step.rows)])
