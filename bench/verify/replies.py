"""What a worker answers to the requests of the verification."""

from backprop_bench.bench.core.stats.tolerances import Parity
from backprop_bench.bench.core.worker.replies import Reply
from backprop_bench.bench.verify.inspection import Quantity


class Checks(Reply, frozen=True, kw_only=True):
    """The checks of an implementation against its reference implementation, in their order, and the code that ran."""

    checks: tuple[Parity, ...]
    sources: dict[str, str]


class Inspection(Reply, frozen=True, kw_only=True):
    """Two implementations compared quantity by quantity.

    Attributes
    ----------
    protocol
        What breaks the protocol; ``None`` where nothing does. Then nothing is compared.
    steps
        Weight updates after which weights are compared.
    traced
        Whether both show their intermediate quantities.
    first_step
        The first step after which weights differ, and which do; ``None`` where none is looked for.
    """

    equal: bool
    protocol: str | None = None
    steps: int = 0
    steps_per_epoch: int = 0
    quantities: tuple[Quantity, ...] = ()
    traced: bool = False
    first_step: tuple[int, tuple[str, ...]] | None = None


class Reading(Reply, frozen=True, kw_only=True):
    """The likely cause of a difference.

    Attributes
    ----------
    differs
        Which of outputs, gradient, weight updates and loss differ, and by which factor; empty for none.
    mistakes
        Known mistakes that compute the same within rounding error.
    questions
        The questions of these mistakes; otherwise of those that affect the same quantities, the most similar first.
    epochs
        Epochs of a few batches in which differences were looked for; 0 where none were.
    """

    differs: str = ""
    mistakes: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()
    epochs: int = 0


class VectorsReading(Reply, frozen=True, kw_only=True):
    """The likely cause of a difference from vectors, and the arrays that differ otherwise than by it."""

    reading: Reading
    unexplained: tuple[str, ...] = ()


class Drift(Reply, frozen=True, kw_only=True):
    """How far two implementations have diverged: after so many steps, the largest relative difference of weights."""

    points: tuple[tuple[int, float | None], ...]
