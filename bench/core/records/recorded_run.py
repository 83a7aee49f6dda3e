"""`RecordedRun`: what a run has left on the disk, read."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path

from backprop_bench.bench.core.records.kinds import (
    AnyRecord,
    Block,
    End,
    Epoch,
    Failure,
    OfImplementation,
    Start,
    StepPart,
    Stop,
    TimedWork,
    TimeToAccuracy,
    Trained,
    Verification,
)
from backprop_bench.bench.core.records.plan import Description, Plan, reference_label
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
        Its records that :func:`comparable` leaves.
    """

    folder: Path
    description: Description
    rows: list[AnyRecord]


def comparable(plan: Plan, rows: Iterable[AnyRecord]) -> list[AnyRecord]:
    """Return the records without those of work that is not verified, in runs that verify it.

    What is not equal in the timed work is timed in vain, and so is a process replicate that was stopped before its work
    was compared. A failure by a signal does not stand where a later session has tried again.
    """
    rows = list(rows)
    last: dict[tuple[str, str], int] = {}
    for row in rows:
        if not isinstance(row, Stop):
            last[_whose(row)] = max(row.session, last.get(_whose(row), 0))
    rows = [row for row in rows if not (isinstance(row, Failure) and row.signal and row.session < last[_whose(row)])]
    if not plan.verifies_timed_work:
        return rows
    works = [row for row in rows if isinstance(row, TimedWork)]
    untimed = {_whose(row) for row in works if not row.passed}
    untimed |= {_whose(row) for row in rows if isinstance(row, Failure) and row.phase == "timed work"}
    checked = {_whose(row) for row in rows if isinstance(row, Verification)}
    trained = {
        (question.name, entry.label)  # what trains nothing is not verified
        for question in plan.questions
        for entry in question.entries
        if (question.name, entry.name) in checked
    }
    verified = {(*_whose(row), row.session, row.number) for row in works}

    def counts(row: AnyRecord) -> bool:
        if isinstance(row, Epoch | Trained):
            return _whose(row) not in untimed
        if isinstance(row, StepPart | TimeToAccuracy):
            return _whose(row) not in untimed
        if not isinstance(row, Start | Block | End) or _whose(row) not in trained:
            return True
        return _whose(row) not in untimed and (*_whose(row), row.session, row.replicate) in verified

    return list(filter(counts, rows))


def _whose(row: OfImplementation | Block | TimedWork) -> tuple[str, str]:
    return row.question, row.implementation


def read_run(folder: Path) -> RecordedRun:
    """Read the run in a folder; raises `InputError` where it holds none, or a damaged one."""
    description = read_description(folder)
    if not description.plan.questions:
        raise InputError(f"{folder / DESCRIPTION}: the plan of the run has no question, expected at least one")
    rows = read_planned_records(folder, description.plan)
    return RecordedRun(folder, description, comparable(description.plan, rows))


def read_planned_records(folder: Path, plan: Plan) -> list[AnyRecord]:
    """Read the records of a run; raises `InputError` for one of a question or an implementation that is not planned."""
    labels = {
        question.name: {name for entry in question.entries for name in (entry.label, entry.name)}
        for question in plan.questions
    }
    references = {
        question.name: tuple(reference_label("", entry) for entry in question.entries) for question in plan.questions
    }
    records = read_records(folder)
    for number, record in enumerate(records, start=1):
        if record.question not in labels:
            raise InputError(f"{folder / RECORDS}: line {number} is of the question {record.question!r}; {PLANNED}")
        if not isinstance(record, Stop) and record.implementation not in labels[record.question]:
            if isinstance(record, Verification) and record.implementation.endswith(references[record.question]):
                continue
            raise InputError(
                f"{folder / RECORDS}: line {number} is of the implementation {record.implementation!r}; {PLANNED}"
            )
    return records
