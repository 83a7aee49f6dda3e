"""``backprop-bench compare``: prove, train, time, draw."""

import datetime
import importlib.metadata
import shlex
from pathlib import Path

import click
from rich.console import Console

from bench.cli.progress import Bars
from bench.cli.show import draw, print_summary
from bench.compute.summary import Summary, summarize
from bench.records import Recorder, Row, read_description, read_rows, write_description
from bench.run.compare import Comparison
from bench.run.environment import check_threads, environment
from bench.run.plan import PROFILES, Plan, plan_comparison
from bench.run.run_folder import LATEST, check_unchanged, existing_run_folder, locked, new_run_folder
from data import InputError, load_dataset

STOPPED = 130


@click.command()
@click.option("--profile", type=click.Choice(list(PROFILES)), default="default", show_default=True, help="How much.")
@click.option("--dataset", default="mnist", show_default=True, help="Name or path of the dataset.")
@click.option("--implementation", "implementations", multiple=True, help="Only these on the shared recipe; repeatable.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Threads of each worker.")
@click.option("--results", type=click.Path(path_type=Path), default="results", show_default=True, help="Where to.")
@click.option(
    "--resume",
    is_flag=False,
    flag_value=LATEST,
    metavar="[FOLDER]",
    help="Go on with a run that was stopped, the latest one unless a folder is given.",
)
def compare(
    profile: str, dataset: str, implementations: tuple[str, ...], threads: int, results: Path, resume: str | None
) -> None:
    """Prove the implementations equal, train and time them side by side, and draw the outcome.

    \b
    Examples:
      backprop-bench compare
      backprop-bench compare --profile quick --implementation scratch-numpy --implementation torch-eager
      backprop-bench compare --resume
    """  # noqa: D301 (click reads the backspace)
    if resume is None:
        folder = _begin(profile, dataset, implementations, threads, results)
    else:
        folder = existing_run_folder(results / LATEST if resume == LATEST else Path(resume))
        check_unchanged(folder, environment().to_dict())
        _check_same_dataset(folder)
    try:
        summary = _go_on(folder)
    except KeyboardInterrupt:
        click.echo(f"Stopped; what was measured is kept. `backprop-bench compare --resume {folder}` goes on.", err=True)
        raise SystemExit(STOPPED) from None
    if any(question.failures for question in summary.questions):
        raise SystemExit(1)


def _begin(profile: str, dataset: str, implementations: tuple[str, ...], threads: int, results: Path) -> Path:
    """Plan a run and write its description."""
    check_threads(threads)
    loaded = load_dataset(dataset)
    plan = plan_comparison(profile, loaded, implementations)
    chosen = [word for name in implementations for word in ("--implementation", name)]
    command = ["backprop-bench", "compare", "--profile", profile, "--dataset", dataset, "--threads", threads, *chosen]
    description: Row = {
        "suite_version": importlib.metadata.version("backprop-bench"),
        "profile": profile,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": shlex.join(map(str, command)),
        "threads": threads,
        "dataset": dataset,
        "dataset_crc32": loaded.fingerprint(),
        "environment": environment().to_dict(),
        "recipes": {entry.recipe_name: entry.recipe.to_dict() for q in plan.questions for entry in q.entries},
        "plan": plan.to_dict(),
    }
    folder = new_run_folder(results, profile)
    write_description(folder, description)
    return folder


def _check_same_dataset(folder: Path) -> None:
    """Raise `InputError` where the dataset is no longer the one that the run was begun with."""
    description = read_description(folder)
    if load_dataset(description["dataset"]).fingerprint() != description["dataset_crc32"]:
        raise InputError(
            f"{folder} cannot be resumed: the cases of {description['dataset']} have changed since it was begun; "
            "start a new run instead"
        )


def _go_on(folder: Path) -> Summary:
    """Measure what is missing, then draw and print."""
    description = read_description(folder)
    with locked(folder), Recorder(folder) as recorder:
        rows = read_rows(folder)
        plan = Plan.from_dict(description["plan"])
        Comparison(plan, description["dataset"], description["threads"], recorder, rows, Bars()).run()
    summary = summarize(description, rows)
    written = draw(summary, folder)
    print_summary(summary, Console())
    click.echo(f"\nReport: {next(path for path in written if path.suffix == '.html')}")
    return summary
