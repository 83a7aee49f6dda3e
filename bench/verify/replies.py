"""What a worker answers to the requests of the verification."""

from backprop_bench.bench.core.stats.tolerances import Parity
from backprop_bench.bench.core.worker.replies import Reply
from backprop_bench.bench.verify.inspection import Quantity


class Checks(Reply, frozen=True, kw_only=True):
    """The checks of an implementation against its reference implementation, in their order."""

    checks: tuple[Parity, ...]


class Inspection(Reply, frozen=True, kw_only=True):
    """Two implementations compared quantity by quantity.

    Attributes
    ----------
    conduct
        What breaks the protocol; ``None`` where nothing does. Then nothing is compared.
    steps
        Weight updates after which weights are compared.
    traced
        Whether both show their intermediate quantities.
    first_step
        The first step after which weights differ, and which do; ``None`` where none is looked for.
    """

    equal: bool
    conduct: str | None = None
    steps: int = 0
    steps_per_epoch: int = 0
    quantities: tuple[Quantity, ...] = ()
    traced: bool = False
    first_step: tuple[int, tuple[str, ...]] | None = None


class Reading(Reply, frozen=True, kw_only=True):
    """What is known of a difference.

    Attributes
    ----------
    differs
        What of outputs, gradient, weight updates and loss differs, and by which factor; empty for nothing.
    mistakes
        Known mistakes that compute the very same, within rounding.
    questions
        What to ask: of these mistakes, or else of those that make the same quantities differ, the most alike first.
    epochs
        Epochs of a few batches in which differences were looked for; 0 where none were.
    """

    differs: str = ""
    mistakes: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()
    epochs: int = 0


class Drift(Reply, frozen=True, kw_only=True):
    """How far two implementations have diverged: after so many steps, the largest relative difference of weights."""

    points: tuple[tuple[int, float | None], ...]
