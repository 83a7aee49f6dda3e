"""Writes what a run leaves: ``run.json``, and ``records.jsonl``, to which every record is appended."""

import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from backprop_bench.bench.core.records.files import write_whole
from backprop_bench.bench.core.records.kinds import AnyRecord
from backprop_bench.bench.core.records.plan import Description, Plan
from backprop_bench.bench.core.records.reader import DESCRIPTION, RECORDS, read_records
from backprop_bench.data import InputError

_ENCODER = msgspec.json.Encoder()


class Recorder:
    """Appends records of a run.

    Parameters
    ----------
    folder
        The folder of the run, which exists.

    Raises
    ------
    InputError
        When the disk refuses a record. The records before it are intact.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / RECORDS
        self.session = 1 + max((record.session for record in read_records(folder)), default=-1)
        try:
            self._cut_unfinished_record()
            self._file = self.path.open("ab", buffering=0)
        except OSError as error:
            raise InputError(f"{self.path}: cannot write records: {error.strerror}") from error

    def append(self, *records: AnyRecord, sync: bool = True) -> None:
        """Write records, all or none, and wait until they are on the disk.

        Without ``sync`` nobody waits: a process that is killed loses nothing, a machine without power may.
        """
        lines = b"".join(_ENCODER.encode(record) + b"\n" for record in records)
        end = self._file.seek(0, os.SEEK_END)
        try:
            written = self._file.write(lines)
            if sync:
                os.fsync(self._file.fileno())
        except OSError as error:
            self._file.truncate(end)
            raise InputError(f"{self.path}: cannot write records: {error.strerror}") from error
        if written != len(lines):
            self._file.truncate(end)
            raise InputError(f"{self.path}: cannot write records: no space left on the disk")

    def _cut_unfinished_record(self) -> None:
        """Take off a last line that a kill cut short."""
        if not self.path.exists():
            return
        content = self.path.read_bytes()
        end = content.rfind(b"\n") + 1
        if end < len(content):
            os.truncate(self.path, end)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def plan_to_dict(plan: Plan) -> dict[str, Any]:
    """Return plain values, and the label of every entry, for those who read the file without this suite."""
    plain: dict[str, Any] = msgspec.to_builtins(plan)
    for question, row in zip(plan.questions, plain["questions"], strict=True):
        for entry, entry_row in zip(question.entries, row["entries"], strict=True):
            entry_row["label"] = entry.label
    return plain


def write_description(folder: Path, description: Description) -> None:
    """Write what the run is to do and where, at once and whole."""
    plain = msgspec.to_builtins(description)
    plain["plan"] = plan_to_dict(description.plan)
    content = msgspec.json.format(msgspec.json.encode(plain), indent=2) + b"\n"
    write_whole(folder / DESCRIPTION, content, sync=True)
