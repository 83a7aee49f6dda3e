"""`RecordedRun`: what a run has left on the disk, read."""

import dataclasses
from pathlib import Path

from backprop_bench.bench.core.records.kinds import AnyRecord
from backprop_bench.bench.core.records.plan import Description
from backprop_bench.bench.core.records.reader import read_description, read_records


@dataclasses.dataclass(frozen=True)
class RecordedRun:
    """A run that is recorded.

    Attributes
    ----------
    folder
        Where its files are.
    description
        What it was to do and where.
    rows
        Its records.
    """

    folder: Path
    description: Description
    rows: list[AnyRecord]


def read_run(folder: Path) -> RecordedRun:
    """Read the run in a folder; raises `InputError` where it holds none, or a damaged one."""
    return RecordedRun(folder, read_description(folder), read_records(folder))
