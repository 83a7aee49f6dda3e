"""``backprop-bench explain``: where the two gaps come from."""

import click

from bench.cli.progress import Bars
from bench.cli.run_options import RunOptions, folder_of_run, run_options, show_outcome
from bench.cli.running import go_on
from bench.compute.explain import explain as compute
from bench.records import rows_of
from bench.run.explain import SCOPES, plan_explanation, run_explanation
from bench.show.explain import accuracy_table, draw_explanation, explanation_sentences, runtime_table


@click.command()
@click.option("--profile", type=click.Choice(list(SCOPES)), default="default", show_default=True, help="How much.")
@run_options("a run")
def explain(options: RunOptions, profile: str) -> None:
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
    folder = folder_of_run(
        options, lambda dataset: plan_explanation(dataset, SCOPES[profile]), name=f"explain-{profile}"
    )
    description, rows = go_on(folder, Bars(), run_explanation)
    scope = SCOPES[description["profile"].removeprefix("explain-")]
    names = [[factor.name for factor in factors] for factors in (scope.accuracy, scope.runtime)]
    failures = rows_of(rows, "failure")
    for failure in failures:
        click.echo(f"Failed: {failure['question']}: {failure['implementation']}: {failure['message']}", err=True)
    found = compute(description, rows, *names)
    tables = [accuracy_table(found), runtime_table(found)]
    show_outcome(folder, "why", explanation_sentences(found), tables, [draw_explanation(found)])
    if failures:
        raise SystemExit(1)
