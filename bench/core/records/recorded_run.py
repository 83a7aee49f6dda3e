"""`RecordedRun`: what a run has left on the disk, read."""

import dataclasses
from pathlib import Path

from backprop_bench.bench.core.records.kinds import AnyRecord, Stop
from backprop_bench.bench.core.records.plan import Description, Plan
from backprop_bench.bench.core.records.reader import DESCRIPTION, RECORDS, read_description, read_records
from backprop_bench.data import InputError

PLANNED = "expected one that the plan of the run has"


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
    description = read_description(folder)
    if not description.plan.questions:
        raise InputError(f"{folder / DESCRIPTION}: the plan of the run has no question, expected at least one")
    return RecordedRun(folder, description, read_planned_records(folder, description.plan))


def read_planned_records(folder: Path, plan: Plan) -> list[AnyRecord]:
    """Read the records of a run; raises `InputError` for one of a question or an implementation that is not planned."""
    labels = {
        question.name: {name for entry in question.entries for name in (entry.label, entry.name)}
        for question in plan.questions
    }
    records = read_records(folder)
    for number, record in enumerate(records, start=1):
        if record.question not in labels:
            raise InputError(f"{folder / RECORDS}: line {number} is of the question {record.question!r}; {PLANNED}")
        if not isinstance(record, Stop) and record.implementation not in labels[record.question]:
            raise InputError(
                f"{folder / RECORDS}: line {number} is of the implementation {record.implementation!r}; {PLANNED}"
            )
    return records
