"""The page that lists the runs in a folder. A pure function of what is known of each."""

import datetime
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from backprop_bench.bench.report.numbers import clean, count
from backprop_bench.bench.report.other_runs import commit
from backprop_bench.bench.report.page import self_contained
from backprop_bench.bench.report.table import TEMPLATES

GENERATOR: Final = "backprop-bench, the list of runs"
"""By which a page of ours is known: no other one is replaced."""
BEGUN: Final = re.compile(r"(\d{4}-\d{2}-\d{2}T\d{2})-(\d{2})-(\d{2})(?:-|$)")
"""When a run was begun, in the name of its folder."""
NEVER: Final = datetime.datetime.min.replace(tzinfo=datetime.UTC)


@dataclass(frozen=True)
class ListedRun:
    """What the page says of a run.

    Attributes
    ----------
    folder
        Name of its folder.
    begun
        When it was begun; ``None`` where that is unknown.
    title
        Its date, command and profile.
    place
        Its folder, machine and commit.
    command
        Its command and profile, as `title` has them.
    machine
        Its processor, as `place` has it.
    address
        Of its main page, relative to the list; ``None`` where there is none.
    answer
        Its first sentences.
    troubles
        Sentences on what failed in it, or on why it cannot be read.
    """

    folder: str
    begun: datetime.datetime | None
    title: str
    place: str
    command: str
    machine: str
    address: str | None = None
    answer: tuple[str, ...] = ()
    troubles: tuple[str, ...] = ()


def listed_run(
    folder: str,
    command: str = "a run",
    profile: str = "",
    created: str = "",
    threads: int | None = None,
    environment: Mapping[str, Any] | None = None,
) -> ListedRun:
    """Return what the page says of a run by its description, all of which but the folder may be unknown."""
    begun = _begun(created, folder)
    date = f"{begun:%Y-%m-%d %H:%M} UTC" if begun else "Unknown date"
    size = f", profile {profile}" if profile not in ("", command) else ""
    processor = ((environment or {}).get("cpu") or {}).get("model") or "unknown machine"
    where = [folder, processor, *([] if threads is None else [count(threads, "thread")])]
    place = ", ".join([*where, commit(environment or {}) or "unknown commit"])
    return ListedRun(
        folder, begun, clean(f"{date}: {command}{size}"), clean(place), clean(f"{command}{size}"), clean(processor)
    )


def _begun(created: str, folder: str) -> datetime.datetime | None:
    """Return when a run was begun, by its description or else by the name of its folder."""
    name = BEGUN.match(folder)
    for text in (created, f"{name[1]}:{name[2]}:{name[3]}" if name else ""):
        try:
            when = datetime.datetime.fromisoformat(text)
            return (when if when.tzinfo else when.replace(tzinfo=datetime.UTC)).astimezone(datetime.UTC)
        except (ValueError, OverflowError):
            continue
    return None


def newest_first(runs: Sequence[ListedRun]) -> list[ListedRun]:
    """Return the runs in the order of the page: the newest first, those without a date last."""
    by_name = sorted(runs, key=lambda run: run.folder)
    return sorted(by_name, key=lambda run: run.begun or NEVER, reverse=True)


def to_index_page(folder: str, runs: Sequence[ListedRun]) -> str:
    """Return the page, newest run first, those without a date last; the same runs give the same bytes."""
    return TEMPLATES.get_template("index.html.jinja").render(
        folder=clean(folder),
        generator=GENERATOR,
        summary=f"{count(len(runs), 'run')}, newest first." if runs else "There is no run yet.",
        runs=newest_first(runs),
        **self_contained(),
    )
