"""The equations of the slides, with the numbers of docs/derivation.md and alternative texts."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Equation:
    """An equation.

    Attributes
    ----------
    number
        Its number in docs/derivation.md; ``None`` where it has none there.
    latex
        As it is written there, with signs that matplotlib can set.
    words
        The same read aloud.
    """

    number: int | None
    latex: str
    words: str

    @property
    def label(self) -> str:
        """The number in parentheses, or nothing."""
        return "" if self.number is None else f"({self.number})"

    @property
    def alt(self) -> str:
        """The number and the words."""
        return f"Equation {self.label}: {self.words}" if self.label else f"Equation: {self.words}"


SUM = Equation(
    1, r"z_j = \sum_i x_i \, w_{ij} + b_j", "z of j is the sum over i of x of i times w from i to j, plus b of j."
)
SIGMOID = Equation(
    2,
    r"y_j = \sigma(z_j) = \frac{1}{1 + e^{-z_j}}",
    "y of j is sigma of z of j, which is 1 divided by 1 plus e to the minus z of j.",
)
SQUARED_ERROR = Equation(
    3,
    r"E = \frac{1}{2} \sum_k (o_k - t_k)^2",
    "E is one half of the sum over k of the square of o of k minus t of k.",
)
CHAIN = Equation(
    None,
    r"\frac{\partial E}{\partial w_{jk}} = \frac{\partial E}{\partial o_k} \cdot \frac{d o_k}{d z_k}"
    r" \cdot \frac{\partial z_k}{\partial w_{jk}}",
    "dE by dw from j to k is dE by do of k, times do of k by dz of k, times dz of k by dw from j to k.",
)
ERROR = Equation(4, r"\frac{\partial E}{\partial o_k} = o_k - t_k", "dE by do of k is o of k minus t of k.")
DERIVATIVE = Equation(
    5,
    r"\frac{\partial E}{\partial z_k} = \frac{\partial E}{\partial o_k} \cdot o_k \, (1 - o_k)",
    "dE by dz of k is dE by do of k, times o of k, times 1 minus o of k.",
)
WEIGHT = Equation(
    6,
    r"\frac{\partial E}{\partial w_{jk}} = \frac{\partial E}{\partial z_k} \cdot y_j",
    "dE by dw from j to k is dE by dz of k, times y of j.",
)
HIDDEN_DERIVATIVE = Equation(
    5,
    r"\frac{\partial E}{\partial z_j} = \frac{\partial E}{\partial y_j} \cdot y_j \, (1 - y_j)",
    "dE by dz of j is dE by dy of j, times y of j, times 1 minus y of j.",
)
HIDDEN_WEIGHT = Equation(
    6,
    r"\frac{\partial E}{\partial w_{ij}} = \frac{\partial E}{\partial z_j} \cdot x_i",
    "dE by dw from i to j is dE by dz of j, times x of i.",
)
BACK = Equation(
    7,
    r"\frac{\partial E}{\partial y_j} = \sum_k \frac{\partial E}{\partial z_k} \cdot"
    r" \frac{\partial z_k}{\partial y_j} = \sum_k \frac{\partial E}{\partial z_k} \, w_{jk}",
    "dE by dy of j is the sum over k of dE by dz of k times dz of k by dy of j, which is the sum over k of dE by dz of "
    "k times w from j to k.",
)
DESCENT = Equation(
    8,
    r"\Delta w = -\varepsilon \, \frac{\partial E}{\partial w}",
    "the update of w is minus epsilon times dE by dw.",
)
SOFTMAX = Equation(
    14,
    r"y_k = \frac{e^{z_k}}{\sum_m e^{z_m}}",
    "y of k is e to the z of k, divided by the sum over m of e to the z of m.",
)
CROSS_ENTROPY = Equation(15, r"E = -\sum_k t_k \ln y_k", "E is minus the sum over k of t of k times ln of y of k.")
LOGIT = Equation(16, r"\frac{\partial E}{\partial z_j} = y_j - t_j", "dE by dz of j is y of j minus t of j.")
MEAN = Equation(
    26,
    r"\frac{\partial}{\partial w} \left( \frac{1}{N} \sum_c E_c \right) ="
    r" \frac{1}{N} \sum_c \frac{\partial E_c}{\partial w}",
    "the derivative by w of the mean of E over N examples is the mean of the derivatives.",
)
FORWARD_BATCH = Equation(1, r"Z = XW + b", "the matrix Z is X times W, plus b in every row.")
BACK_BATCH = Equation(7, r"dY = dZ W^T", "the matrix dY is dZ times W transposed.")
WEIGHT_BATCH = Equation(6, r"dW = X^T dZ", "the matrix dW is X transposed times dZ.")

ALL = (
    SUM,
    SIGMOID,
    SQUARED_ERROR,
    CHAIN,
    ERROR,
    DERIVATIVE,
    WEIGHT,
    BACK,
    DESCENT,
    SOFTMAX,
    CROSS_ENTROPY,
    LOGIT,
    MEAN,
    FORWARD_BATCH,
    BACK_BATCH,
    WEIGHT_BATCH,
)
"""All of them, in the order of the slides."""
