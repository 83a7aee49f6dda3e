"""`RunLog`: what a run has recorded, on the disk and at hand."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from backprop_bench.bench.core.records.kinds import AnyRecord, Failure, FailurePhase, Stop, TimedWork, Verification
from backprop_bench.bench.core.records.plan import Entry, Question
from backprop_bench.bench.core.records.reader import Kind, of_kind
from backprop_bench.bench.core.records.writer import Recorder


class RunLog:
    """Records of a run: those that were there, and those that are added. Several threads may write.

    Parameters
    ----------
    recorder
        Where records go.
    records
        What is recorded already; what is added is appended to this list.
    """

    def __init__(self, recorder: Recorder, records: list[AnyRecord]) -> None:
        self._recorder = recorder
        self._records = records
        self._lock = threading.Lock()
        self._by_kind: dict[tuple[type, str], list[AnyRecord]] = {}
        self._index(records)

    @property
    def session(self) -> int:
        """Number of the process that measures now."""
        return self._recorder.session

    @property
    def folder(self) -> Path:
        """Where the run keeps its files."""
        return self._recorder.path.parent

    def add(self, *records: AnyRecord, sync: bool = True) -> None:
        """Record what this session has measured, all or none."""
        with self._lock:
            stamped = [msgspec.structs.replace(record, session=self.session) for record in records]
            self._recorder.append(*stamped, sync=sync)
            self._records += stamped
            self._index(stamped)

    def add_failure(
        self, question: Question, entry: Entry, phase: FailurePhase, number: int | None, failure: Exception | str
    ) -> None:
        """Record that an implementation could not do something, unless that is recorded."""
        record = Failure(
            session=self.session,
            question=question.name,
            implementation=entry.label,
            phase=phase,
            number=number,
            message=str(failure),
            signal=getattr(failure, "signal", None),
        )
        if record not in self.find(Failure, question):
            self.add(record)

    def failures(self, question: Question, **fields: Any) -> list[Failure]:
        """Return the failures that stand: without those by a signal in an earlier session, which are tried again."""
        return [row for row in self.find(Failure, question, **fields) if not self._is_tried_again(row)]

    def _is_tried_again(self, row: Failure) -> bool:
        return row.signal is not None and row.session < self.session

    def is_out(self, question: Question, label: str) -> bool:
        """Say whether an implementation is timed no more: it broke, or its work is not that of its reference."""
        unequal = self.find(TimedWork, question, implementation=label, passed=False)
        return bool(unequal) or any(
            row.phase in ("timing", "timed work") for row in self.failures(question, implementation=label)
        )

    def first_session(self, question: Question) -> int:
        """Return the session from which on time counts towards the budget of a question.

        What a signal ended is tried again, and gets the budget that it was to have.
        """
        ended = [row.session for row in self.find(Failure, question) if self._is_tried_again(row)]
        return 1 + max(ended, default=-1)

    def is_timed(self, question: Question) -> bool:
        """Say whether the timing of a question has come to its end, and nothing of it is tried again."""
        last = max((row.session for row in self.find(Stop, question)), default=None)
        return last is not None and not any(
            self._is_tried_again(row) and row.session >= last for row in self.find(Failure, question)
        )

    def find(self, kind: type[Kind], question: Question, **fields: Any) -> list[Kind]:
        """Return the records of a kind and a question whose fields have these values."""
        with self._lock:
            return of_kind(self._by_kind.get((kind, question.name), []), kind, **fields)

    def records(self, question: Question) -> list[AnyRecord]:
        """Return all records of a question."""
        with self._lock:
            return [record for record in self._records if record.question == question.name]

    def unverified(self, question: Question, entry: Entry) -> bool:
        """Say whether an implementation failed its verification, refused the recipe or broke in it."""
        failed = self.failures(question, implementation=entry.name, phase="verification")
        return bool(failed or self.find(Verification, question, implementation=entry.name, passed=False))

    def _index(self, records: Sequence[AnyRecord]) -> None:
        for record in records:
            self._by_kind.setdefault((type(record), record.question), []).append(record)
