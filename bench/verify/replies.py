"""What a worker answers to the requests of the verification."""

from typing import Any

from backprop_bench.bench.core.stats.tolerances import Parity
from backprop_bench.bench.core.worker.replies import Reply
from backprop_bench.bench.verify.inspection import Quantity


class CountedStep(Reply, frozen=True, kw_only=True):
    """What a training step does, as in :class:`backprop_bench.bench.core.records.kinds.StepWork`."""

    examples: int
    operations: int
    products: int
    new_bytes: int
    wider: int
    python_calls: int


class Checks(Reply, frozen=True, kw_only=True):
    """The checks of an implementation against its reference implementation, in their order, and the code that ran.

    ``work`` is what a step does; ``None`` where that is not seen.
    """

    checks: tuple[Parity, ...]
    sources: dict[str, str]
    work: CountedStep | None = None


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
    overflows
        Where outputs are not finite for large pre-activations, and a question: no error, but a risk.
    notes
        Sentences on what is not compared, and on what is derived.
    """

    equal: bool
    protocol: str | None = None
    steps: int = 0
    steps_per_epoch: int = 0
    quantities: tuple[Quantity, ...] = ()
    traced: bool = False
    first_step: tuple[int, tuple[str, ...]] | None = None
    overflows: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Followed(Reply, frozen=True):
    """A convention that an implementation follows: what it is, the fields of the recipe that make it, the options."""

    words: str
    changes: dict[str, Any]
    option: str


class Reading(Reply, frozen=True, kw_only=True):
    """The likely cause of a difference.

    Attributes
    ----------
    differs
        Which of outputs, gradient, weight updates and loss differ, and by which factor; empty for none.
    conventions
        With which it is right; empty where it is not.
    mistakes
        Known mistakes, or names of conventions, that compute the same within rounding error, on another recipe as
        well: one of them is the cause, or the first of several.
    then
        What is wrong as well, once the first of these is mended.
    left
        What differs after all of that, and has no known cause; empty for nothing.
    apart
        Options of a recipe on which the first two mistakes differ.
    questions
        The questions of these mistakes; otherwise of those that affect the same quantities, the most similar first.
    only_in_training
        Whether the mistake is made in the training alone, and not in the gradients that the implementation shows.
    epochs
        Epochs of a few batches in which differences were looked for; 0 where none were.
    """

    differs: str = ""
    conventions: tuple[Followed, ...] = ()
    mistakes: tuple[str, ...] = ()
    then: tuple[str, ...] = ()
    left: str = ""
    apart: str = ""
    questions: tuple[str, ...] = ()
    only_in_training: bool = False
    epochs: int = 0


class VectorsReading(Reply, frozen=True, kw_only=True):
    """The likely cause of a difference from vectors, and the arrays that differ otherwise than by it."""

    reading: Reading
    unexplained: tuple[str, ...] = ()


class Drift(Reply, frozen=True, kw_only=True):
    """How far two implementations have diverged: after so many steps, the largest relative difference of weights."""

    points: tuple[tuple[int, float | None], ...]
