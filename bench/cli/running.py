"""Shared by the commands that measure: start a run and resume it."""

import dataclasses
import datetime
import importlib.metadata
import shlex
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import click
from click.core import ParameterSource

from backprop_bench.bench.cli.output import PARAMETERS
from backprop_bench.bench.cli.questions import descriptor
from backprop_bench.bench.cli.recipe_options import recipe_words, word_of
from backprop_bench.bench.cli.signals import STOPPING, stopped_by_signals
from backprop_bench.bench.core.engine.context import RunContext
from backprop_bench.bench.core.engine.progress import Progress
from backprop_bench.bench.core.engine.run_log import RunLog
from backprop_bench.bench.core.engine.runner import Runner
from backprop_bench.bench.core.engine.sources import Sources
from backprop_bench.bench.core.implementations import named_implementation
from backprop_bench.bench.core.machine.cores import pin
from backprop_bench.bench.core.machine.environment import environment, usable_core_numbers
from backprop_bench.bench.core.records.kinds import AnyRecord, Start
from backprop_bench.bench.core.records.plan import Description, Plan
from backprop_bench.bench.core.records.reader import of_kind, read_description
from backprop_bench.bench.core.records.recorded_run import RecordedRun, comparable, read_planned_records
from backprop_bench.bench.core.records.run_folder import check_unchanged, link_latest, locked, new_run_folder
from backprop_bench.bench.core.records.writer import Recorder, write_description
from backprop_bench.data import Dataset, ExtendedRecipe, InputError, load_dataset

NOT_THE_RUN = ("results", "resume", "scheduler", "timeout", *PARAMETERS)
"""Options without effect on the measurements; repeating a run needs none of them."""


FIELDS = tuple(field.name for field in dataclasses.fields(ExtendedRecipe))
"""Options that are fields of a recipe: of these, False is said, too."""


def check_alone(context: click.Context, *allowed: str) -> None:
    """Raise `InputError` where another option accompanies ``--resume``, which keeps the options of the run."""
    for parameter in context.command.params:
        name = str(parameter.name)
        if name not in allowed and context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise InputError(
                f"{parameter.opts[0]} is given beside --resume, which keeps the options of the run; expected only one"
            )


def command_words(context: click.Context) -> list[str]:
    """Return the words after ``backprop-bench`` that repeat the run, here or elsewhere."""
    words = [str(context.info_name)]
    for parameter in context.command.params:
        name = str(parameter.name)
        given = context.params[name]
        if given is None or name in NOT_THE_RUN:
            continue
        if name in FIELDS and not parameter.multiple:
            words += recipe_words({name: given})
            continue
        for value in given if isinstance(given, tuple) else (given,):
            if value is not False:
                words += [parameter.opts[0]] if value is True else [parameter.opts[0], word_of(value)]
    return words


def begin_run(results: Path, name: str, command: Sequence[str], plan: Plan, dataset: Dataset, threads: int) -> Path:
    """Create a folder for a run and write its description.

    Parameters
    ----------
    results
        Parent of the folder.
    name
        End of its name.
    command
        Words after ``backprop-bench``, with which others can repeat the run.
    """
    for word in (*command, dataset.name):
        if not is_utf8(word):
            raise InputError(f"{word!r} cannot be recorded; expected text in UTF-8")
    description = Description(
        suite_version=importlib.metadata.version("backprop-bench"),
        profile=name,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        command=shlex.join(["backprop-bench", *command]),
        threads=threads,
        cpus=tuple(usable_core_numbers()),
        dataset=dataset.name,
        dataset_crc32=dataset.fingerprint(),
        dataset_summary="; ".join([dataset.summary, *(f"warning: {text}" for text in dataset.warnings)]),
        environment=environment().to_dict(),
        own_files=own_files(plan),
        plan=plan,
    )
    latest = descriptor(command[0]).latest
    folder = new_run_folder(results, name, latest)
    write_description(folder, description)
    link_latest(folder, latest)
    return folder


def is_utf8(text: str) -> bool:
    """Say whether a text, such as the name of a file, can be written as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def own_files(plan: Plan) -> dict[str, str]:
    """Return for each of the user's implementations the checksum of its file or the version of its package."""
    names = {entry.implementation for question in plan.questions for entry in question.entries}
    yours = [known for name in sorted(names) if (known := named_implementation(name)).side == "yours"]
    return {known.name: known.package or f"{zlib.crc32(Path(known.module).read_bytes()):08x}" for known in yours}


def sources_of_run(description: Description, rows: Sequence[AnyRecord]) -> Sources:
    """Return the code with which a run was begun, and what else it has run since."""
    known: dict[str, dict[str, str]] = {}
    entries = [entry for question in description.plan.questions for entry in question.entries]
    implementations = {entry.label: entry.implementation for entry in entries}
    for name, checksum in description.own_files.items():
        if (module := named_implementation(name).module).endswith(".py"):
            known[name] = {Path(module).name: checksum}
    for row in of_kind(rows, Start):
        known.setdefault(implementations[row.implementation], {}).update(row.sources)
    return Sources(known, description.environment.get("source_crc32"))


def _keep_to_cores(folder: Path, cores: list[int]) -> None:
    """Pin this process to the cores of a run; raises `InputError` where it may not use all of them."""
    usable = list(usable_core_numbers())
    if set(cores) <= set(usable):
        pin(cores)
        usable = list(usable_core_numbers())
    if usable != cores:
        raise InputError(
            f"{folder} cannot be resumed here: it was started on the cores {cores}, and this process "
            f"may use {usable}; start a new run instead"
        )


Measure = Callable[[RunContext], None]
"""Takes the missing measurements of a run and records them."""


def run_all(run: RunContext) -> None:
    """Verify, train and time what is missing."""
    Runner(run).run()


def go_on(
    folder: Path, progress: Progress, measure: Measure = run_all, signals: Sequence[int] = STOPPING
) -> RecordedRun:
    """Take the missing measurements of a run; returns what is recorded of it.

    Parameters
    ----------
    signals
        Those that stop it, with a line on how to resume it; see :mod:`backprop_bench.bench.cli.signals`.

    Raises
    ------
    InputError
        Where dataset or environment differ from those at the start of the run.
    """
    description = read_description(folder)
    resume = shlex.join(["backprop-bench", description.command.split()[1], "--resume", str(folder.absolute())])
    with stopped_by_signals(f"Stopped; all measurements are kept. Resume with: {resume}", signals):
        dataset = _unchanged_dataset(folder, description)
        with locked(folder), Recorder(folder) as recorder:
            rows = read_planned_records(folder, description.plan)
            log, sources = RunLog(recorder, rows), sources_of_run(description, rows)
            measure(RunContext(description.plan, dataset, description.threads, log, progress, sources))
    return RecordedRun(folder, description, comparable(description.plan, rows))


def _unchanged_dataset(folder: Path, description: Description) -> Dataset:
    """Return the dataset of a run; raises `InputError` unless all is as it was when the run was started."""
    _keep_to_cores(folder, list(description.cpus))
    check_unchanged(folder, environment().to_dict())
    dataset = load_dataset(description.dataset)
    if dataset.fingerprint() != description.dataset_crc32:
        raise InputError(
            f"{folder} cannot be resumed: the examples of {dataset.name} have changed since it was started; "
            "start a new run instead"
        )
    for name, checksum in own_files(description.plan).items():
        if description.own_files.get(name) != checksum:
            what = "file" if ":" in name else "package"
            raise InputError(
                f"{folder} cannot be resumed: the {what} of {name} has changed since it was started; "
                "start a new run instead"
            )
    return dataset
