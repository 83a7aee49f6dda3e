"""What a worker answers, one structure per request. Times are seconds, accuracies fractions from 0 to 1."""

from typing import Any

import msgspec

from backprop_bench.bench.core.records.kinds import (
    Count,
    NotNegative,
    Positive,
    Seconds,
    TimedBlock,
)


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An answer."""


class Done(Reply, frozen=True, kw_only=True):
    """Nothing but that it is done."""


class Opened(Reply, frozen=True, kw_only=True):
    """An implementation is imported, its data loaded."""

    import_s: Seconds
    load_s: Seconds
    threads: tuple[dict[str, Any], ...]
    sources: dict[str, str] = {}
    """Checksums of the suite's source, and of the files of yours that are imported, by path."""


class Begun(Reply, frozen=True, kw_only=True):
    """A model is built; ``cores`` are those that the process is kept to, ``None`` where it is not."""

    prepare_s: Seconds
    cores: tuple[Count, ...] | None


class TrainedEpoch(Reply, frozen=True, kw_only=True):
    """One epoch is trained; ``loss`` is ``None`` where it is not finite, or where training returns none."""

    examples: Positive
    wall_s: Seconds
    cpu_s: NotNegative
    loss: float | None
    diverged: bool


class Evaluated(Reply, frozen=True, kw_only=True):
    """An evaluation on the test examples: their classes, uint16."""

    evaluation_s: Seconds
    classes: bytes


class Ran(Reply, frozen=True, kw_only=True):
    """Batches are trained; ``losses`` has one entry per piece, ``None`` where it is not finite; or none at all."""

    wall_s: Seconds
    losses: tuple[float | None, ...]


class Ready(Reply, frozen=True, kw_only=True):
    """Blocks may begin; ``energy`` says what measures energy, or why nothing does."""

    energy: str


class Turn(Reply, frozen=True, kw_only=True):
    """A block and what belongs to it; ``losses`` has one entry per piece that was trained."""

    timed: TimedBlock
    losses: tuple[float | None, ...]


class Ended(Reply, frozen=True, kw_only=True):
    """The peak of memory in training, what was resident before, an evaluation, and the source that was run."""

    evaluation_s: Seconds
    peak_rss_bytes: Count
    data_rss_bytes: Count | None
    sources: dict[str, str]


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
