"""The other runs that a report includes, and their findings."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import click

from backprop_bench.bench.cli.questions import FOLDERS, Descriptor, descriptor
from backprop_bench.bench.core.records.plan import Description, Plan
from backprop_bench.bench.core.records.reader import DESCRIPTION
from backprop_bench.bench.core.records.recorded_run import RecordedRun, read_run
from backprop_bench.bench.core.records.run_folder import LATEST, command_of_run
from backprop_bench.bench.report.blocks import Picture
from backprop_bench.bench.report.drawing import to_svg
from backprop_bench.bench.report.other_runs import OtherRun, Part
from backprop_bench.data import InputError


def other_runs(folder: Path, named: Sequence[Path] = ()) -> list[OtherRun]:
    """Return the other runs that the report of a run includes.

    Parameters
    ----------
    folder
        Folder of the run.
    named
        Folders of the other runs. By default those within `folder`, and for the latest run the latest ones of the other
        commands.

    Raises
    ------
    InputError
        Where a named folder does not exist.
    """
    missing = [path for path in named if not path.is_dir()]
    if missing:
        raise InputError(f"--with {missing[0]}: there is no such folder; expected one that holds a run")
    return [_read(path, folder.resolve()) for path in named or runs_beside(folder)]


def runs_beside(folder: Path) -> list[Path]:
    """Return the folders that are included by default, sorted by name."""
    files = {descriptor(command).file for command in FOLDERS}
    within = [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    results = folder.resolve().parent
    if (results / LATEST).resolve() == folder.resolve():
        within += results.glob(f"{LATEST}-*")
    return sorted(
        (path for path in within if any((path / name).is_file() for name in files)), key=lambda path: path.name
    )


def _command_in(path: Path) -> str:
    """Return the command that left what a folder holds; raises `InputError` where none did."""
    others = (command for command in FOLDERS if descriptor(command).file != DESCRIPTION)
    left = next((command for command in others if (path / descriptor(command).file).is_file()), None)
    return left if left and not (path / DESCRIPTION).is_file() else command_of_run(path)


def _read(path: Path, base: Path) -> OtherRun:
    """Return the findings of a run, or why it cannot be shown: another run must not make the report fail."""
    at = Path(os.path.relpath(path.resolve(), base)).as_posix()
    known = Descriptor(click.Command(""))
    try:
        command = _command_in(path)
        if command not in FOLDERS:
            raise InputError(f"runs of {command!r} are unknown")
        known = descriptor(command)
        return _shown(path, at, known)
    except InputError as error:
        trouble = str(error).replace(str(path), at)
    except Exception as error:  # noqa: BLE001 (another run must not make the report fail)
        trouble = f"it is damaged or incomplete ({type(error).__name__}: {error})"
    return OtherRun(at, known.section, known.heading, trouble=trouble)


def _shown(path: Path, at: str, known: Descriptor) -> OtherRun:
    if known.findings is None:
        raise InputError(f"runs of {known.command.name!r} are unknown")
    of_records = known.file == DESCRIPTION
    run = read_run(path) if of_records else _without_records(path, known.file)
    findings = known.findings(run)
    parts = tuple(
        Part(
            part.name,
            tuple(part.sentences),
            (*part.tables, *part.more),
            tuple(Picture(item.name, item.title, item.alt, to_svg(item, as_text=True)) for item in part.draw()),
            known.sources.get(part.name, ()),
            "" if of_records else known.file,
        )
        for part in findings.parts
    )
    return OtherRun(at, known.section, known.heading, run.description, run.rows, parts, tuple(findings.failures))


def _without_records(path: Path, file: str) -> RecordedRun:
    """Return a run whose description is in a file of its own."""
    where = json.loads((path / file).read_text("utf-8")).get("run", {})
    plan = Plan((), part_blocks=0, part_seconds=0.0, verification_steps=None)
    description = Description(
        plan=plan,
        environment=where["environment"],
        dataset="",
        dataset_crc32=where["dataset_crc32"],
        threads=where["threads"],
        cpus=(),
        command="",
        created=where["created"],
    )
    return RecordedRun(path, description, [])
