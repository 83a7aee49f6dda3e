"""``backprop-bench race``: time to an accuracy."""

from pathlib import Path

import click
from rich.console import Console

from bench.cli.progress import Bars
from bench.cli.running import begin_run, check_alone, command_words, go_on
from bench.compute.race import summarize_race
from bench.run.cores import chosen_cores, keep_to
from bench.run.race import TARGETS, plan_race, run_race
from bench.run.run_folder import LATEST_RACE, existing_run_folder
from bench.show.drawing import save
from bench.show.files import write_whole
from bench.show.race import draw_race, race_sentences, race_table
from bench.show.table import to_markdown, to_rich
from data import load_dataset


@click.command()
@click.option("--dataset", default="mnist", show_default=True, help="Name or path of the dataset.")
@click.option("--implementation", "implementations", multiple=True, help="Who races; repeatable.")
@click.option("--seeds", type=click.IntRange(min=1), default=5, show_default=True, help="Races of each to each target.")
@click.option("--epochs", type=click.IntRange(min=1), default=15, show_default=True, help="After which a race is lost.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Threads of each worker.")
@click.option("--cpus", metavar="LIST", help="Cores to run on, such as 0,2-3; all that there are otherwise.")
@click.option("--results", type=click.Path(path_type=Path), default="results", show_default=True, help="Where to.")
@click.option(
    "--resume",
    is_flag=False,
    flag_value=LATEST_RACE,
    metavar="[FOLDER]",
    help="Go on with a race that was stopped, the latest one unless a folder is given.",
)
def race(
    dataset: str,
    implementations: tuple[str, ...],
    seeds: int,
    epochs: int,
    threads: int,
    cpus: str | None,
    results: Path,
    resume: str | None,
) -> None:
    """Time how long each side takes to 97 %, 98 % and 98.5 % test accuracy, with the best recipe that it has.

    Recipes are tried on training cases that are held out, and the one that gets there in the fewest seconds is chosen,
    for every side and target. Then they race with other seeds, cold and warm; a target that is not reached is a miss.

    \b
    Examples:
      backprop-bench race
      backprop-bench race --seeds 3 --epochs 10 --implementation scratch-compiled --implementation torch-eager
      backprop-bench race --resume
    """  # noqa: D301 (click reads the backspace)
    if resume is not None:
        check_alone(click.get_current_context(), "resume", *(["results"] if resume == LATEST_RACE else []))
        folder = existing_run_folder(results / LATEST_RACE if resume == LATEST_RACE else Path(resume), "race")
    else:
        keep_to(chosen_cores(cpus, threads), asked=cpus)
        loaded = load_dataset(dataset)
        plan = plan_race(loaded, implementations, seeds, epochs)
        folder = begin_run(results, "race", command_words(click.get_current_context()), plan, loaded, threads)
    found = summarize_race(*go_on(folder, Bars(), run_race), TARGETS)
    console = Console()
    console.print(to_rich(race_table(found)))
    sentences = race_sentences(found)
    for sentence in sentences:
        console.print(sentence, highlight=False, markup=False)
    text = "".join(f"* {sentence}\n" for sentence in sentences) + "\n" + to_markdown(race_table(found))
    write_whole(folder / "race.md", text.encode())
    click.echo(f"\nFigure: {save(draw_race(found), folder / 'figures').png}")
    for failure in found.failures:
        click.echo(f"Failed: {failure['implementation']}: {failure['message']}", err=True)
    if found.failures:
        raise SystemExit(1)
