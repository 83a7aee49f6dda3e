"""Options shared by the commands that measure: where the results go and which resources a run uses."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from backprop_bench.bench.cli.dataset_options import dataset_options, load_and_say
from backprop_bench.bench.cli.output import PARAMETERS, Output, output_options
from backprop_bench.bench.cli.questions import descriptor
from backprop_bench.bench.cli.running import begin_run, check_alone, command_words
from backprop_bench.bench.core.engine.plan import TARGET
from backprop_bench.bench.core.machine.cores import chosen_cores, keep_to
from backprop_bench.bench.core.records.plan import Plan
from backprop_bench.bench.core.records.run_folder import LATEST, existing_run_folder
from backprop_bench.bench.core.worker.client import TIMEOUT_S, limit_requests
from backprop_bench.data import Dataset

Command = Callable[..., Any]


@dataclasses.dataclass(frozen=True)
class RunOptions:
    """The options of every command that measures."""

    dataset: str
    threads: int
    cpus: str | None
    results: Path
    resume: str | None
    output: Output


def run_options(what: str) -> Callable[[Command], Command]:
    """Add the options of :class:`RunOptions` to a command, which receives them as its first argument.

    Parameters
    ----------
    what
        What ``--resume`` continues: "a run that was stopped".
    """
    options = [
        click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Threads per worker."),
        click.option("--cpus", metavar="LIST", help="Cores to run on, such as 0,2-3; all of them by default."),
        click.option(
            "--results",
            type=click.Path(path_type=Path),
            default="results",
            show_default=True,
            help="Folder for results.",
        ),
        click.option(
            "--resume",
            is_flag=False,
            flag_value=LATEST,
            metavar="[FOLDER]",
            help=f"Resume {what}: the latest, unless a folder is given.",
        ),
    ]

    def decorate(command: Command) -> Command:
        @timeout_option
        @output_options
        @functools.wraps(command)
        def bundled(
            *,
            dataset: str,
            threads: int,
            cpus: str | None,
            results: Path,
            resume: str | None,
            output: Output,
            **rest: Any,
        ) -> Any:
            return command(RunOptions(dataset, threads, cpus, results, resume, output), **rest)

        for option in reversed(options):
            bundled = option(bundled)
        return dataset_options(bundled)

    return decorate


def timeout_option(command: Command) -> Command:
    """Add ``--timeout`` to a command; workers that it starts are bound by it."""

    @functools.wraps(command)
    def bundled(*, timeout: float, **rest: Any) -> Any:
        limit_requests(timeout)
        return command(**rest)

    return click.option(
        "--timeout",
        type=click.FloatRange(min=1),
        default=TIMEOUT_S,
        show_default=True,
        metavar="SECONDS",
        help="An implementation that gives no answer for so long is ended, and reported.",
    )(bundled)


def precision_options(budget_s: float | None, help_of_budget: str) -> Callable[[Command], Command]:
    """Add ``--target`` and ``--budget`` to a command."""
    target = click.option(
        "--target",
        type=float,
        default=100 * TARGET,
        show_default=True,
        metavar="PERCENT",
        help="Timing may stop when the 95 % CI of every ratio has at most this half-width.",
    )
    shown = budget_s is not None
    budget = click.option(
        "--budget", type=float, default=budget_s, show_default=shown, metavar="SECONDS", help=help_of_budget
    )
    return lambda command: target(budget(command))


def folder_of_run(
    options: RunOptions,
    make_plan: Callable[[Dataset], Plan],
    name: str | None = None,
    choose_cores: Callable[[str | None, int], tuple[int, ...]] = chosen_cores,
    beside_resume: Sequence[str] = (),
) -> Path:
    """Return the folder of the run to resume, or start a new run.

    Parameters
    ----------
    make_plan
        Returns the plan of a new run, given its dataset.
    name
        End of the name of a new folder; the command's name by default.
    choose_cores
        (value of ``--cpus``, threads) ↦ cores of a new run.
    beside_resume
        Options that ``--resume`` allows.
    """
    context = click.get_current_context()
    command = str(context.info_name)
    latest = descriptor(command).latest
    if options.resume is not None:
        is_latest = options.resume == LATEST
        check_alone(context, "resume", "timeout", *PARAMETERS, *beside_resume, *(["results"] if is_latest else []))
        return existing_run_folder(options.results / latest if is_latest else Path(options.resume), command)
    keep_to(choose_cores(options.cpus, options.threads), asked=options.cpus)
    dataset = load_and_say(options.dataset)
    plan = make_plan(dataset)
    return begin_run(options.results, name or command, command_words(context), plan, dataset, options.threads)
