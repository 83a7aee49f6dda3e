"""The questions that the program answers: each tells all about itself in one descriptor.

A question is a folder below ``bench/``. Its ``command.py`` has ``DESCRIPTORS``, and :data:`FOLDERS` the name of the
folder: nothing else knows of it. Folders are imported when they are needed.
"""

import dataclasses
import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import click

from backprop_bench.bench.core.records.reader import DESCRIPTION
from backprop_bench.bench.core.records.recorded_run import RecordedRun
from backprop_bench.bench.core.records.run_folder import LATEST
from backprop_bench.bench.report.findings import Findings

Section = Literal["right", "fast", "why", "published", "noise"]
"""A section of the report of `compare`."""

FOLDERS: Mapping[str, str] = {
    "compare": "compare",
    "explain": "explain",
    "curves": "curves",
    "ladder": "ladder",
    "scale": "scaling",
    "diff": "changes",
    "race": "time_to_accuracy",
    "reproduce": "historical",
    "parity": "verify",
    "vectors": "verify",
    "check-vectors": "verify",
    "micro": "micro",
    "slides": "slides",
    "calibrate": "selftest",
    "repeatability": "selftest",
    "train": "train",
}
"""By command, the folder of its question."""


@dataclasses.dataclass(frozen=True)
class Descriptor:
    """All that the rest of the program knows about a command.

    Attributes
    ----------
    command
        What is typed.
    findings
        What a run of it says; ``None`` where it leaves no run.
    report
        Like `findings`, together with what other runs say, of which folders may be named; ``None`` where runs are
        reported alone.
    file
        By which a folder is known to hold a run of it.
    latest
        Name of the link to its latest run.
    section
        Where the report of `compare` shows its runs.
    heading
        What they are called there.
    sources
        By the name of a finding, the kinds of the records that it is made from.
    """

    command: click.Command
    findings: Callable[[RecordedRun], Findings] | None = None
    report: Callable[[RecordedRun, Sequence[Path]], Findings] | None = None
    file: str = DESCRIPTION
    latest: str = LATEST
    section: Section = "noise"
    heading: str = "Another run"
    sources: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)


def descriptor(command: str) -> Descriptor:
    """Return the descriptor of a command; raises `LookupError` for one of no question."""
    module = importlib.import_module(f"backprop_bench.bench.{FOLDERS[command]}.command")
    result: tuple[Descriptor, ...] = module.DESCRIPTORS
    return next(one for one in result if one.command.name == command)


def commands_with_runs() -> list[str]:
    """Return the commands that leave a run with records, sorted."""
    known = {command: descriptor(command) for command in FOLDERS}
    return sorted(name for name, one in known.items() if one.findings is not None and one.file == DESCRIPTION)
