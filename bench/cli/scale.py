"""``backprop-bench scale``: how time grows with batch, width, depth, cases and threads."""

from pathlib import Path

import click
from rich.console import Console

from bench.cli.progress import Bars
from bench.cli.running import begin_run, check_alone, command_words, go_on
from bench.compute.scaling import summarize_scale
from bench.implementations import FLOORS
from bench.records import rows_of
from bench.run.cores import chosen_cores, keep_to
from bench.run.run_folder import LATEST_SCALE, existing_run_folder
from bench.run.scale import AXES, plan_scale
from bench.show.drawing import save
from bench.show.files import write_whole
from bench.show.scaling import draw_scaling, scaling_sentences, scaling_table
from bench.show.table import to_markdown, to_rich
from data import load_dataset


@click.command()
@click.option("--axis", "axes", multiple=True, type=click.Choice(list(AXES)), help="Only this one; repeatable.")
@click.option("--dataset", default="mnist", show_default=True, help="Name or path of the dataset.")
@click.option("--implementation", "implementations", multiple=True, help="Only these; repeatable.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Threads of each worker.")
@click.option("--cpus", metavar="LIST", help="Cores to run on, such as 0,2-3; all that there are otherwise.")
@click.option("--results", type=click.Path(path_type=Path), default="results", show_default=True, help="Where to.")
@click.option(
    "--resume",
    is_flag=False,
    flag_value=LATEST_SCALE,
    metavar="[FOLDER]",
    help="Go on with a run that was stopped, the latest one unless a folder is given.",
)
def scale(
    axes: tuple[str, ...],
    dataset: str,
    implementations: tuple[str, ...],
    threads: int,
    cpus: str | None,
    results: Path,
    resume: str | None,
) -> None:
    """Time the implementations along batch size, width, depth, cases and threads, and say where one overtakes another.

    At every place the implementations and the matrix products alone are timed interleaved, so that one reads what share
    of the possible each one reaches.

    \b
    Examples:
      backprop-bench scale
      backprop-bench scale --axis batch-size --implementation scratch-numpy --implementation torch-eager
      backprop-bench scale --resume
    """  # noqa: D301 (click reads the backspace)
    if resume is not None:
        check_alone(click.get_current_context(), "resume", *(["results"] if resume == LATEST_SCALE else []))
        folder = existing_run_folder(results / LATEST_SCALE if resume == LATEST_SCALE else Path(resume), "scale")
    else:
        keep_to(chosen_cores(cpus, threads), asked=cpus)
        loaded = load_dataset(dataset)
        plan = plan_scale(loaded, axes or tuple(AXES), implementations)
        folder = begin_run(results, "scale", command_words(click.get_current_context()), plan, loaded, threads)
    description, rows = go_on(folder, Bars())
    found = summarize_scale(description, rows, {name: counted for name, (counted, _) in AXES.items()}, list(FLOORS))
    console = Console()
    tables = [scaling_table(scaling) for scaling in found]
    for table in tables:
        console.print(to_rich(table))
    sentences = scaling_sentences(found)
    for sentence in sentences:
        console.print(sentence, highlight=False, markup=False)
    text = "".join(f"* {sentence}\n" for sentence in sentences) + "\n" + "\n".join(map(to_markdown, tables))
    write_whole(folder / "scaling.md", text.encode())
    click.echo(f"\nFigure: {save(draw_scaling(found), folder / 'figures').png}")
    failures = rows_of(rows, "failure")
    for failure in failures:
        click.echo(f"Failed: {failure['question']}: {failure['implementation']}: {failure['message']}", err=True)
    if failures:
        raise SystemExit(1)
