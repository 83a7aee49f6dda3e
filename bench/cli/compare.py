"""``backprop-bench compare``: prove, train, time, draw."""

from pathlib import Path

import click
from rich.console import Console

from bench.cli.progress import Bars
from bench.cli.running import begin_run, check_alone, command_words, go_on
from bench.cli.show import draw, print_summary
from bench.compute.summary import summarize
from bench.run.cores import chosen_cores, keep_to
from bench.run.plan import PROFILES, TARGET, plan_comparison
from bench.run.run_folder import LATEST, existing_run_folder
from data import load_dataset


@click.command()
@click.option("--profile", type=click.Choice(list(PROFILES)), default="default", show_default=True, help="How much.")
@click.option("--dataset", default="mnist", show_default=True, help="Name or path of the dataset.")
@click.option("--implementation", "implementations", multiple=True, help="Only these on the shared recipe; repeatable.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Threads of each worker.")
@click.option("--cpus", metavar="LIST", help="Cores to run on, such as 0,2-3; all that there are otherwise.")
@click.option(
    "--target",
    type=float,
    default=100 * TARGET,
    show_default=True,
    metavar="PERCENT",
    help="Half-width of the 95 % interval of every ratio at which timing may stop.",
)
@click.option(
    "--budget",
    type=float,
    metavar="SECONDS",
    help="For the timing of each question; the profile's otherwise.",
)
@click.option("--results", type=click.Path(path_type=Path), default="results", show_default=True, help="Where to.")
@click.option(
    "--resume",
    is_flag=False,
    flag_value=LATEST,
    metavar="[FOLDER]",
    help="Go on with a run that was stopped, the latest one unless a folder is given.",
)
def compare(
    profile: str,
    dataset: str,
    implementations: tuple[str, ...],
    threads: int,
    cpus: str | None,
    target: float,
    budget: float | None,
    results: Path,
    resume: str | None,
) -> None:
    """Prove the implementations equal, train and time them side by side, and draw the outcome.

    Timing goes on until every ratio is as precise as --target asks, or until --budget is used up, and the report says
    which.

    \b
    Examples:
      backprop-bench compare
      backprop-bench compare --profile quick --implementation scratch-numpy --implementation torch-eager
      backprop-bench compare --target 1 --budget 600
      backprop-bench compare --resume
    """  # noqa: D301 (click reads the backspace)
    if resume is not None:
        check_alone(click.get_current_context(), "resume", *(["results"] if resume == LATEST else []))
        folder = existing_run_folder(results / LATEST if resume == LATEST else Path(resume))
    else:
        keep_to(chosen_cores(cpus, threads), asked=cpus)
        loaded = load_dataset(dataset)
        plan = plan_comparison(profile, loaded, implementations, target / 100, budget)
        folder = begin_run(results, profile, command_words(click.get_current_context()), plan, loaded, threads)
    summary = summarize(*go_on(folder, Bars()))
    written = draw(summary, folder)
    print_summary(summary, Console())
    click.echo(f"\nReport: {next(path for path in written if path.suffix == '.html')}")
    if any(question.failures for question in summary.questions):
        raise SystemExit(1)
