"""``backprop-bench diff``: how much faster or slower each implementation is than in an earlier run."""

import math
from pathlib import Path

import click

from backprop_bench.bench.changes.analysis import Changes, summarize_changes
from backprop_bench.bench.changes.view import (
    changes_sentences,
    changes_table,
    fast_enough,
    newly_broken,
    reasons_of,
    too_slow,
)
from backprop_bench.bench.cli.output import Output, leave, output_options
from backprop_bench.bench.cli.questions import Descriptor
from backprop_bench.bench.core.records.recorded_run import RecordedRun, read_run
from backprop_bench.bench.core.records.run_folder import command_of_run
from backprop_bench.bench.report.findings import Finding, Findings
from backprop_bench.bench.report.numbers import listing
from backprop_bench.bench.report.other_runs import same_machine
from backprop_bench.data import InputError

COMMANDS = ("compare", "ladder", "scale")
"""Commands whose runs time the same implementations again."""


def _share(_context: click.Context, _parameter: click.Parameter, text: str | None) -> float | None:
    """Return a percentage, written as "5" or "5%", as a share."""
    if text is None:
        return None
    try:
        percent = float(text.strip().removesuffix("%"))
    except ValueError:
        percent = math.nan
    if not 0 <= percent < math.inf:
        raise InputError(f"--fail-above is {text!r}; expected a percentage of at least 0, such as 5%")
    return percent / 100


@click.command()
@click.argument("before", type=click.Path(path_type=Path, file_okay=False))
@click.argument("after", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--fail-above",
    "limit",
    metavar="PERCENT",
    callback=_share,
    help="Exit code 1 where an implementation is slower by more than that, with its whole 95 % CI above it.",
)
@output_options
def diff(before: Path, after: Path, limit: float | None, output: Output) -> None:
    """Say how much faster or slower each implementation is in the run AFTER than in the run BEFORE.

    Both are runs of `compare`, of `ladder` or of `scale`. Each time is divided by that of a reference in the same run,
    which cancels the speed of the machine. Whatever else differs between the runs is named.

    \b
    Examples:
      backprop-bench diff results/2026-11-25T17-44-44-default results/latest
      backprop-bench diff baseline results/latest --fail-above 5%
      backprop-bench diff baseline results/latest --format json
    """  # noqa: D301 (click reads the backspace)
    findings = diff_findings(*_read_both(before, after), limit)
    output.show(findings)
    leave(findings)


def diff_findings(before: RecordedRun, after: RecordedRun, limit: float | None = None) -> Findings:
    """Return how two runs of the same command differ.

    Parameters
    ----------
    limit
        Share of its time by which an implementation may be slower; ``None`` for any.

    Raises
    ------
    InputError
        Where nothing of the two can be compared.
    """
    result = summarize_changes(before, after, same_machine(before.description, after.description))
    broken = newly_broken(result)
    compares = any(change.evidence for change in result.changes)
    if not compares and not broken:
        raise InputError(_nothing(result))
    slow = [] if limit is None else too_slow(result, limit)
    judged = sum(change.verdict != "unknown" for change in result.changes)
    if limit is not None and not judged and not broken:
        raise InputError(
            "no implementation has two process replicates in each run, so --fail-above cannot be judged; expected "
            "longer runs, such as by a larger --budget"
        )
    sentences = changes_sentences(result, reasons_of(before.description, after.description))
    if limit is not None and judged and not slow:
        sentences.insert(1, fast_enough(judged, limit))
    tables = [changes_table(result)] if compares else []
    return Findings([Finding("changes", sentences, tables)], [*slow, *broken], bool(slow or broken))


def _nothing(result: Changes) -> str:
    if result.changes:
        return (
            "the runs are of two machines, and no two implementations were timed in both; expected two, because only "
            "ratios are compared"
        )
    return "no implementation was timed on the same recipe in both runs; expected at least one"


def _read_both(before: Path, after: Path) -> tuple[RecordedRun, RecordedRun]:
    """Read two runs; raises `InputError` unless they are two, of the same command, which times implementations."""
    commands = [command_of_run(path) for path in (before, after)]
    for path, command in zip((before, after), commands, strict=True):
        if command not in COMMANDS:
            raise InputError(f"{path} holds a run of {command!r}; expected one of {listing(COMMANDS, 'or')}")
    if before.resolve() == after.resolve():
        raise InputError(f"{before} and {after} are the same run; expected two")
    if commands[0] != commands[1]:
        raise InputError(
            f"{before} holds a run of {commands[0]!r} and {after} one of {commands[1]!r}; expected runs of one command"
        )
    return read_run(before.resolve()), read_run(after.resolve())


DESCRIPTORS = (Descriptor(diff),)
