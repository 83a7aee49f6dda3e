"""What a worker answers, one structure per request. Times are seconds, accuracies fractions from 0 to 1."""

from typing import Any

import msgspec

from backprop_bench.bench.core.records.kinds import (
    Count,
    Fraction,
    NotNegative,
    Positive,
    Seconds,
    TrainingCurve,
)


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An answer."""


class Done(Reply, frozen=True, kw_only=True):
    """Nothing but that it is done."""


class Opened(Reply, frozen=True, kw_only=True):
    """An implementation is imported, its data loaded; ``cores`` are those it is kept to, ``None`` where it is not."""

    import_s: Seconds
    load_s: Seconds
    threads: tuple[dict[str, Any], ...]
    cores: tuple[Count, ...] | None


class Begun(Reply, frozen=True, kw_only=True):
    """A model is built."""

    prepare_s: Seconds


class TrainedEpoch(Reply, frozen=True, kw_only=True):
    """One epoch is trained; ``loss`` is ``None`` where it is not finite."""

    examples: Positive
    wall_s: Seconds
    cpu_s: NotNegative
    loss: float | None


class TrainedUntil(Reply, frozen=True, kw_only=True):
    """A training with its accuracy on the way, and whether it reached its target."""

    curve: TrainingCurve
    reached: bool


class Evaluated(Reply, frozen=True, kw_only=True):
    """An evaluation on the test examples."""

    evaluation_s: Seconds
    accuracy: Fraction


class WarmedUp(Reply, frozen=True, kw_only=True):
    """The first batch took ``first_s``, and a block has ``block_batches``; ``energy`` says what measures energy."""

    first_s: Seconds
    block_batches: Positive
    energy: str


class Ended(Reply, frozen=True, kw_only=True):
    """The peak of memory in training, what was resident before, and an evaluation."""

    evaluation_s: Seconds
    peak_rss_bytes: Count
    data_rss_bytes: Count | None


class MemoryUse(Reply, frozen=True, kw_only=True):
    """Bytes of the weights and of a training beyond a small one; ``None`` where the system does not provide it."""

    parameter_bytes: Count
    training_bytes: int | None


class TimedParts(Reply, frozen=True, kw_only=True):
    """Wall time of the parts of so many steps together, by name; empty where a trainer does not divide its steps."""

    wall_s: dict[str, Seconds]
    steps: Count
    batch_size: Count


class Apart(Reply, frozen=True, kw_only=True):
    """How far two trainings have diverged; ``None`` where one is not finite."""

    distance: NotNegative | None
