"""Other runs that a report shows: their results, their provenance, and how they differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backprop_bench.bench.core.records.kinds import AnyRecord
from backprop_bench.bench.core.records.plan import Description
from backprop_bench.bench.report.blocks import Block, Caution, Code, Heading, Listed, Picture, Shown
from backprop_bench.bench.report.evidence import Evidence, source_description, source_records
from backprop_bench.bench.report.numbers import clean, count, listing, spans
from backprop_bench.bench.report.table import Table


@dataclass(frozen=True)
class Part:
    """One finding of a run: :class:`backprop_bench.bench.report.findings.Finding`, drawn."""

    name: str
    sentences: tuple[str, ...]
    tables: tuple[Table, ...]
    pictures: tuple[Picture, ...]
    sources: tuple[str, ...] = ()
    """The kinds of the records that it is made from."""
    file: str = ""
    """The file that it is made from, where that is not the records."""


@dataclass(frozen=True)
class OtherRun:
    """A run that is shown beside another one.

    Attributes
    ----------
    folder
        Its path from the folder of the report.
    section
        The section of the report that it belongs to.
    heading
        Its heading there.
    description
        Its plan and environment; ``None`` where they cannot be read.
    rows
        Its records.
    failures
        Sentences on what failed in it.
    trouble
        Why nothing of it can be shown; ``None`` otherwise.
    """

    folder: str
    section: str
    heading: str
    description: Description | None = None
    rows: Sequence[AnyRecord] = ()
    parts: tuple[Part, ...] = ()
    failures: tuple[str, ...] = ()
    trouble: str | None = None


def other_run_blocks(runs: Sequence[OtherRun], place: str, beside: Description) -> list[Block]:
    """Return the blocks of the runs of one section.

    Parameters
    ----------
    beside
        Description of the run that is reported, from which other machines and versions are told.
    """
    return [block for run in runs if run.section == place for block in _blocks(run, beside)]


def _blocks(run: OtherRun, beside: Description) -> list[Block]:
    heading = Heading(f"{run.heading}: {clean(run.folder)}")
    if run.trouble is not None or run.description is None:
        reason = clean(run.trouble or "it has no description").rstrip(".")
        return [heading, f"The run in {clean(run.folder)} cannot be shown: {reason}."]
    blocks: list[Block] = [heading, provenance(run.description)]
    if run.description.command:
        blocks.append(Code(clean(run.description.command)))
    reasons = differences(run.description, beside)
    if reasons:
        blocks.append(Caution(f"Not comparable with the rest number by number: {listing(reasons)}."))
    blocks += [Caution(f"Failed: {clean(failure)}") for failure in run.failures]
    for part in run.parts:
        evidence = _evidence(run, part)
        shown: list[Table | Picture] = [*part.pictures, *(table for table in part.tables if table.rows)]
        blocks += [Listed(tuple(map(clean, part.sentences)))] if part.sentences else []
        blocks += shown if evidence is None else [Shown(what, evidence) for what in shown]
    return blocks


def _evidence(run: OtherRun, part: Part) -> Evidence | None:
    if part.file:
        return source_description(part.name, run.folder, part.file)
    if not part.sources:
        return None
    question = part.name if part.name == "chain" else None
    return source_records(run.rows, part.sources, question, run.folder)


def provenance(description: Description) -> str:
    """Return a sentence on when, from which commit and on which machine a run was made."""
    machine = description.environment
    cpu = machine.get("cpu", {})
    parts = [f"A run of {clean(description.created or 'an unknown date')}"]
    parts.append(commit(machine) or "of an unknown commit")
    parts.append(f"on {clean(cpu.get('model') or 'an unknown processor')}")
    if description.cpus:
        parts.append(f"cores {spans(description.cpus)}")
    parts.append(f"{count(description.threads, 'thread')} each")
    return ", ".join(parts) + "."


def commit(machine: Mapping[str, Any]) -> str:
    """Return the commit of an environment in words; empty where it is unknown."""
    checkout = machine.get("checkout") or {}
    changed = " with changes of its own" if checkout.get("dirty") else ""
    return f"commit {clean(checkout['commit'])[:10]}{changed}" if checkout.get("commit") else ""


def differences(
    description: Description, beside: Description, places: tuple[str, str] = ("there", "here")
) -> list[str]:
    """Return in words how machine, versions and data of two runs differ; empty where they do not.

    Parameters
    ----------
    places
        What the two runs are called.
    """
    here, there = description.environment, beside.environment
    if not here:
        return ["its environment is unknown"]
    reasons = []
    if not same_machine(description, beside):
        reasons.append("another machine, kernel or operating system")
    packages, others = here.get("packages", {}), there.get("packages", {})
    shared = sorted(packages.keys() & others.keys())  # only those that a run needs are in its description
    changed = [clean(name) for name in shared if packages[name] != others[name]]
    changed += ["Python"] if here.get("python") != there.get("python") else []
    if changed:
        reasons.append(f"other versions of {listing(changed)}")
    if here.get("source_crc32") != there.get("source_crc32"):
        known = commit(here) and commit(there)
        commits = f": {commit(here)} {places[0]}, {commit(there)} {places[1]}" if known else ""
        reasons.append(f"another version of this suite{commits}")
    if description.dataset_crc32 != beside.dataset_crc32:
        reasons.append("another data set")
    return reasons


def same_machine(description: Description, beside: Description) -> bool:
    """Say whether two runs are known to be of the same machine and system."""
    here, there = description.environment, beside.environment
    return bool(here) and _machine(here) == _machine(there)


def _machine(environment: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what identifies a machine, as far as times are concerned; memory differs by some kB after a reboot."""
    cpu = environment.get("cpu", {})
    kept = {name: value for name, value in cpu.items() if name not in ("governor", "turbo", "quota_cores")}
    return kept, environment.get("gpus"), environment.get("operating_system"), environment.get("kernel")
