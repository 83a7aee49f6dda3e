"""What a run has recorded, on the disk and at hand."""

import threading
from pathlib import Path
from typing import Any

from backprop_bench.bench.core.engine.plan import Entry, Question
from backprop_bench.bench.core.records.rows import Recorder, Row, rows_of


class Book:
    """Rows of a run: those that were there, and those that are added. Several threads may write.

    Parameters
    ----------
    recorder
        Where rows go.
    rows
        What is recorded already; what is added is appended to this list.
    """

    def __init__(self, recorder: Recorder, rows: list[Row]) -> None:
        self._recorder = recorder
        self._rows = rows
        self._lock = threading.Lock()
        self._by_kind: dict[tuple[str, str], list[Row]] = {}
        self._index(rows)

    @property
    def session(self) -> int:
        """Number of the process that measures now."""
        return self._recorder.session

    @property
    def folder(self) -> Path:
        """Where the run keeps its files."""
        return self._recorder.path.parent

    def add(self, kind: str, question: Question, *rows: Row, sync: bool = True) -> None:
        """Record rows of one kind, all or none."""
        with self._lock:
            complete = [{"question": question.name, **row} for row in rows]
            self._recorder.append(kind, *complete, sync=sync)
            tagged = [{"kind": kind, "session": self.session, **row} for row in complete]
            self._rows += tagged
            self._index(tagged)

    def add_failure(self, question: Question, entry: Entry, phase: str, number: int | None, message: str) -> None:
        """Record that an implementation could not do something."""
        row = {"implementation": entry.label, "phase": phase, "number": number, "message": message}
        self.add("failure", question, row)

    def find(self, kind: str, question: Question, **fields: Any) -> list[Row]:
        """Return the rows of a kind and a question whose fields have these values."""
        with self._lock:
            return rows_of(self._by_kind.get((kind, question.name), []), kind, **fields)

    def unproved(self, question: Question, entry: Entry) -> bool:
        """Say whether an implementation failed its parity proof, refused the recipe or broke in it."""
        failed = self.find("failure", question, implementation=entry.name, phase="verification")
        return bool(failed or self.find("parity", question, implementation=entry.name, passed=False))

    def _index(self, rows: list[Row]) -> None:
        for row in rows:
            self._by_kind.setdefault((row["kind"], row["question"]), []).append(row)
