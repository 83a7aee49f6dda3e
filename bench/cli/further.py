"""The other runs that a report includes, and their findings."""

import json
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from backprop_bench.bench.compare import answer as claims
from backprop_bench.bench.compare import headline, tables
from backprop_bench.bench.core.records.rows import DESCRIPTION, Row, read_description, read_rows
from backprop_bench.bench.core.records.run_folder import LATEST, command_of_run
from backprop_bench.bench.core.summary import summarize
from backprop_bench.bench.explain.command import explain_findings
from backprop_bench.bench.historical.command import reproduce_findings
from backprop_bench.bench.ladder.command import ladder_findings
from backprop_bench.bench.report.blocks import Picture
from backprop_bench.bench.report.drawing import Drawing, to_svg
from backprop_bench.bench.report.findings import Finding, Findings
from backprop_bench.bench.report.further import DRIFT, FurtherRun, Part
from backprop_bench.bench.scaling.command import scale_findings
from backprop_bench.bench.selftest.command import calibrate_findings
from backprop_bench.bench.time_to_accuracy.command import race_findings
from backprop_bench.bench.verify.drift import draw_drift
from backprop_bench.data import InputError

FINDINGS: dict[str, Callable[[dict[str, Any], list[Row]], Findings]] = {
    "calibrate": calibrate_findings,
    "explain": explain_findings,
    "ladder": ladder_findings,
    "race": race_findings,
    "reproduce": reproduce_findings,
    "scale": scale_findings,
}
"""The findings of a run by its command; ``compare`` is not here, since its report needs files beside the records."""


def further_runs(folder: Path, named: Sequence[Path] = ()) -> list[FurtherRun]:
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
    within = [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    results = folder.resolve().parent
    if (results / LATEST).resolve() == folder.resolve():
        within += results.glob(f"{LATEST}-*")
    found = [path for path in within if (path / DESCRIPTION).is_file() or (path / DRIFT).is_file()]
    return sorted(found, key=lambda path: path.name)


def _read(path: Path, base: Path) -> FurtherRun:
    """Return the findings of a run, or why it cannot be shown: another run must not make the report fail."""
    at = Path(os.path.relpath(path.resolve(), base)).as_posix()
    command = "parity"
    try:
        if (path / DRIFT).is_file() and not (path / DESCRIPTION).is_file():
            record = json.loads((path / DRIFT).read_text("utf-8"))
            return FurtherRun(at, command, record.get("run", {}), parts=(_part("drift", (), [draw_drift(record)]),))
        command = command_of_run(path)
        description, rows = read_description(path), read_rows(path)
        findings = _findings(command, description, rows)
        parts = tuple(
            _part(part.name, part.sentences, part.draw(), [*part.tables, *part.more]) for part in findings.parts
        )
    except KeyError as error:
        trouble = f"{error} is missing in its plan or its records; another version of the suite may have written them"
        return FurtherRun(at, command, {}, trouble=trouble)
    except InputError as error:
        return FurtherRun(at, command, {}, trouble=str(error).replace(str(path), at))
    except Exception as error:  # noqa: BLE001 (another run must not make the report fail)
        trouble = f"it is damaged or incomplete ({type(error).__name__}: {error})"
        return FurtherRun(at, command, {}, trouble=trouble)
    return FurtherRun(at, command, description, rows, parts, tuple(findings.failures))


def _findings(command: str, description: dict[str, Any], rows: list[Row]) -> Findings:
    if command == "compare":
        return _compared(description, rows)
    if command not in FINDINGS:
        raise InputError(f"runs of {command!r} are unknown")
    return FINDINGS[command](description, rows)


def _compared(description: dict[str, Any], rows: list[Row]) -> Findings:
    """Return the answer of another run of ``compare``; its own report has the rest."""
    summary = summarize(description, rows)
    drawn = [headline.draw(summary)] if headline.missing(summary) is None else []
    sentences = [*claims.warnings(summary), *claims.answer(summary)]
    results = [tables.results_table(question) for question in summary.questions]
    return Findings([Finding("report", sentences, results, draw=lambda: drawn)])


def _part(name: str, sentences: Iterable[str], drawings: Iterable[Drawing], shown: Iterable[Any] = ()) -> Part:
    pictures = [Picture(drawing.name, drawing.title, drawing.alt, to_svg(drawing)) for drawing in drawings]
    return Part(name, tuple(sentences), tuple(shown), tuple(pictures))
