"""``backprop-bench explain``: where the two gaps come from."""

from pathlib import Path

import click
from rich.console import Console

from bench.cli.progress import Bars
from bench.cli.running import begin_run, check_alone, command_words, go_on
from bench.compute.explain import explain as compute
from bench.records import rows_of
from bench.run.cores import chosen_cores, keep_to
from bench.run.explain import SCOPES, plan_explanation, run_explanation
from bench.run.run_folder import LATEST_EXPLANATION, existing_run_folder
from bench.show.drawing import save
from bench.show.explain import accuracy_table, draw_explanation, explanation_sentences, runtime_table
from bench.show.files import write_whole
from bench.show.table import to_markdown, to_rich
from data import load_dataset


@click.command()
@click.option("--profile", type=click.Choice(list(SCOPES)), default="default", show_default=True, help="How much.")
@click.option("--dataset", default="mnist", show_default=True, help="Name or path of the dataset.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Threads of each worker.")
@click.option("--cpus", metavar="LIST", help="Cores to run on, such as 0,2-3; all that there are otherwise.")
@click.option("--results", type=click.Path(path_type=Path), default="results", show_default=True, help="Where to.")
@click.option(
    "--resume",
    is_flag=False,
    flag_value=LATEST_EXPLANATION,
    metavar="[FOLDER]",
    help="Go on with a run that was stopped, the latest one unless a folder is given.",
)
def explain(profile: str, dataset: str, threads: int, cpus: str | None, results: Path, resume: str | None) -> None:
    """Split the article's two gaps, in accuracy and in time, into their causes.

    The two networks differ in several factors at once. Every combination of their levels is trained and timed, the
    learning rate chosen for each on cases held out; what each factor contributes is averaged over all orders, so that
    the contributions add up to the whole gap.

    \b
    Examples:
      backprop-bench explain
      backprop-bench explain --profile quick
      backprop-bench explain --resume
    """  # noqa: D301 (click reads the backspace)
    if resume is not None:
        check_alone(click.get_current_context(), "resume", *(["results"] if resume == LATEST_EXPLANATION else []))
        latest = results / LATEST_EXPLANATION
        folder = existing_run_folder(latest if resume == LATEST_EXPLANATION else Path(resume), "explain")
    else:
        keep_to(chosen_cores(cpus, threads), asked=cpus)
        loaded = load_dataset(dataset)
        plan = plan_explanation(loaded, SCOPES[profile])
        words = command_words(click.get_current_context())
        folder = begin_run(results, f"explain-{profile}", words, plan, loaded, threads)
    description, rows = go_on(folder, Bars(), run_explanation)
    scope = SCOPES[description["profile"].removeprefix("explain-")]
    names = [[factor.name for factor in factors] for factors in (scope.accuracy, scope.runtime)]
    failures = rows_of(rows, "failure")
    for failure in failures:
        click.echo(f"Failed: {failure['question']}: {failure['implementation']}: {failure['message']}", err=True)
    found = compute(description, rows, *names)
    console = Console()
    sentences, tables = explanation_sentences(found), [accuracy_table(found), runtime_table(found)]
    for table in tables:
        console.print(to_rich(table))
    for sentence in sentences:
        console.print(sentence, highlight=False, markup=False)
    text = "".join(f"* {sentence}\n" for sentence in sentences) + "\n" + "\n".join(map(to_markdown, tables))
    write_whole(folder / "why.md", text.encode())
    click.echo(f"\nFigure: {save(draw_explanation(found), folder / 'figures').png}")
    if failures:
        raise SystemExit(1)
