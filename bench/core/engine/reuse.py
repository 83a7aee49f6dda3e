"""What earlier runs in the same results folder have measured where nothing has changed since."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from backprop_bench.bench.core.records.kinds import AnyRecord
from backprop_bench.bench.core.records.plan import Description, Plan
from backprop_bench.bench.core.records.reader import DESCRIPTION, read_description, read_records
from backprop_bench.bench.core.records.run_folder import NO_MATTER
from backprop_bench.data import InputError


@dataclasses.dataclass(frozen=True)
class EarlierRun:
    """A run that is there already: the name of its folder, what it was to do, and what it has recorded."""

    name: str
    plan: Plan
    rows: list[AnyRecord]


def unchanged_runs(folder: Path) -> Iterator[EarlierRun]:
    """Yield the other runs beside this one that were begun in the same circumstances.

    These are: the same command, dataset, number of threads, machine, libraries, and source of the suite. A run that
    cannot be read is passed over.
    """
    own = folder.resolve()
    circumstances = _circumstances(read_description(own))
    for path in sorted(own.parent.iterdir()):
        if path == own or path.is_symlink() or not (path / DESCRIPTION).is_file():
            continue
        try:
            description = read_description(path)
            if _circumstances(description) != circumstances:
                continue
            rows = read_records(path)
        except InputError:
            continue
        yield EarlierRun(path.name, description.plan, rows)


def _circumstances(description: Description) -> list[object]:
    environment = {name: value for name, value in description.environment.items() if name not in NO_MATTER}
    command = description.command.split()[:2]
    return [command, description.dataset_crc32, description.threads, environment]
