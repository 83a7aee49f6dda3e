"""``backprop-bench ladder``: what each idea is worth, from lists to the limit."""

from pathlib import Path

import click
from rich.console import Console

from bench.cli.progress import Bars
from bench.cli.running import begin_run, check_alone, command_words, go_on
from bench.compute.ladder import summarize_ladder
from bench.implementations import FLOORS, IMPLEMENTATIONS
from bench.run.blas import probe_blas
from bench.run.cores import chosen_cores, keep_to
from bench.run.ladder import plan_ladder
from bench.run.plan import TARGET
from bench.run.run_folder import LATEST_LADDER, existing_run_folder
from bench.show.drawing import save
from bench.show.files import write_whole
from bench.show.ladder import draw_ladder, ladder_sentences, ladder_table
from bench.show.numbers import listing, number_interval
from bench.show.table import to_markdown, to_rich
from data import Dataset, load_dataset

BLAS_USER = "scratch-inplace"
"""The implementation that has a rung with other kernels of OpenBLAS."""


@click.command()
@click.option("--dataset", default="mnist", show_default=True, help="Name or path of the dataset.")
@click.option("--implementation", "implementations", multiple=True, help="Only the rungs of these; repeatable.")
@click.option("--cases", type=click.IntRange(min=1), help="Only the first so many training cases; all otherwise.")
@click.option(
    "--target",
    type=float,
    default=100 * TARGET,
    show_default=True,
    metavar="PERCENT",
    help="Half-width of the 95 % interval of every ratio at which timing may stop.",
)
@click.option("--budget", type=float, default=420.0, show_default=True, metavar="SECONDS", help="For the timing.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Threads of each worker.")
@click.option("--cpus", metavar="LIST", help="Cores to run on, such as 0,2-3; all that there are otherwise.")
@click.option("--results", type=click.Path(path_type=Path), default="results", show_default=True, help="Where to.")
@click.option(
    "--resume",
    is_flag=False,
    flag_value=LATEST_LADDER,
    metavar="[FOLDER]",
    help="Go on with a ladder that was stopped, the latest one unless a folder is given.",
)
def ladder(
    dataset: str,
    implementations: tuple[str, ...],
    cases: int | None,
    target: float,
    budget: float,
    threads: int,
    cpus: str | None,
    results: Path,
    resume: str | None,
) -> None:
    """Time every rung from lists to the fastest code by hand, and from a newcomer's PyTorch to its fastest.

    Every rung is one idea. It is proved first, and all are timed interleaved, so that each one's worth over the one
    below has an interval.

    \b
    Examples:
      backprop-bench ladder
      backprop-bench ladder --cases 10000 --budget 60
      backprop-bench ladder --implementation scratch-compiled --implementation torch-compile
      backprop-bench ladder --resume
    """  # noqa: D301 (click reads the backspace)
    if resume is not None:
        check_alone(click.get_current_context(), "resume", *(["results"] if resume == LATEST_LADDER else []))
        folder = existing_run_folder(results / LATEST_LADDER if resume == LATEST_LADDER else Path(resume), "ladder")
    else:
        keep_to(chosen_cores(cpus, threads), asked=cpus)
        loaded = load_dataset(dataset)
        core_type = _core_type(loaded, threads) if not implementations or BLAS_USER in implementations else None
        plan, left_out = plan_ladder(loaded, cases, target / 100, budget, implementations, core_type)
        for rung, reason in left_out.items():
            click.echo(f"Left out: {rung}: {reason}", err=True)
        folder = begin_run(results, "ladder", command_words(click.get_current_context()), plan, loaded, threads)
    sides = {name: implementation.side for name, implementation in {**IMPLEMENTATIONS, **FLOORS}.items()}
    found = summarize_ladder(*go_on(folder, Bars()), sides)
    console = Console()
    console.print(to_rich(ladder_table(found)))
    sentences = ladder_sentences(found)
    for sentence in sentences:
        console.print(sentence, highlight=False, markup=False)
    text = "".join(f"* {sentence}\n" for sentence in sentences) + "\n" + to_markdown(ladder_table(found))
    write_whole(folder / "ladder.md", text.encode())
    figure = save(draw_ladder(found), folder / "figures")
    click.echo(f"\nFigure: {figure.png}")
    for failure in found.question.failures:
        click.echo(f"Failed: {failure.implementation}: {failure.message}", err=True)
    if any(failure.phase != "proof" or failure.message.startswith("not timed") for failure in found.question.failures):
        raise SystemExit(1)


def _core_type(dataset: Dataset, threads: int) -> str | None:
    """Return the core type that makes OpenBLAS surely faster than what it picks, and say what was found."""
    probe = probe_blas(dataset, threads)
    if probe is None:
        click.echo("Left out: other kernels of OpenBLAS: NumPy has another library here", err=True)
        return None
    each = listing(f"{name} {number_interval(gain)}" for name, gain in probe.gains.items())
    click.echo(f"OpenBLAS picks {probe.picked}. Its time for the products by that of other kernels: {each}.", err=True)
    if probe.fastest is None:
        click.echo("Left out: other kernels of OpenBLAS: none is surely faster than what it picks", err=True)
    return probe.fastest
