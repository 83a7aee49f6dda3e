"""``backprop-bench explain``: where the two gaps come from."""

import dataclasses
import functools

import click

from backprop_bench.bench.cli.options import RunOptions, folder_of_run, run_options
from backprop_bench.bench.cli.output import finish
from backprop_bench.bench.cli.progress import Bars
from backprop_bench.bench.cli.questions import Descriptor
from backprop_bench.bench.cli.recipe_options import BatchSize
from backprop_bench.bench.cli.running import go_on
from backprop_bench.bench.core.engine.cluster import check_cluster
from backprop_bench.bench.core.records.kinds import AnyRecord, Failure
from backprop_bench.bench.core.records.plan import Description
from backprop_bench.bench.core.records.reader import of_kind, read_description
from backprop_bench.bench.core.records.recorded_run import RecordedRun
from backprop_bench.bench.explain.analysis import explain as compute
from backprop_bench.bench.explain.analysis import reused
from backprop_bench.bench.explain.chain import CHAIN_QUESTION, summarize_chain
from backprop_bench.bench.explain.chain_view import chain_charts, chain_sentences, chain_tables, draw_chain
from backprop_bench.bench.explain.measure import (
    FROM_SCRATCH,
    PUBLISHED_BATCH,
    SCOPES,
    plan_explanation,
    run_explanation,
    with_batch,
)
from backprop_bench.bench.explain.view import (
    draw_epochs,
    draw_explanation,
    explanation_charts,
    explanation_sentences,
    explanation_tables,
)
from backprop_bench.bench.report.findings import Finding, Findings, failure_sentences
from backprop_bench.bench.report.numbers import count, listing


@click.command()
@click.option("--profile", type=click.Choice(list(SCOPES)), default="default", show_default=True, help="How much.")
@click.option("--examples", type=click.IntRange(min=2), help="Training examples; those of the profile otherwise.")
@click.option("--epochs", type=click.IntRange(min=1), help="Per training job; those of the profile otherwise.")
@click.option("--seeds", type=click.IntRange(min=2), help="Per cell; those of the profile otherwise.")
@click.option(
    "--batch-size",
    type=BatchSize(),
    default=PUBLISHED_BATCH,
    show_default=True,
    metavar="N|all",
    help="Batch size to compare with 1; all: all examples at once.",
)
@click.option(
    "--implementation",
    default=FROM_SCRATCH,
    show_default=True,
    help="What is timed as the hand-written network, such as mine.py:Mine.",
)
@click.option("--fresh", is_flag=True, help="Reuse no training job of earlier runs.")
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="Train on the workers of this Dask scheduler, such as tcp://10.0.0.1:8786; times are measured here.",
)
@run_options("a run that was stopped")
def explain(
    options: RunOptions,
    profile: str,
    examples: int | None,
    epochs: int | None,
    seeds: int | None,
    batch_size: int | str,
    implementation: str,
    fresh: bool,
    scheduler: str | None,
) -> None:
    """Split the article's two gaps, in accuracy and in time, into their causes.

    The two networks differ in several factors at once. Every combination of their levels is trained and timed, with a
    learning rate selected on held-out examples. The contribution of a factor is averaged over all orders, so the
    contributions add up to the whole gap.

    \b
    Examples:
      backprop-bench explain
      backprop-bench explain --profile quick
      backprop-bench explain --examples 60000 --seeds 20
      backprop-bench explain --batch-size all
      backprop-bench explain --implementation mine.py:Mine
      backprop-bench explain --profile full --scheduler tcp://10.0.0.1:8786
      backprop-bench explain --resume
    """  # noqa: D301 (click reads the backspace)
    if scheduler is not None:
        check_cluster(scheduler)
    scope = SCOPES[profile]
    scope = dataclasses.replace(
        scope, examples=examples or scope.examples, epochs=epochs or scope.epochs, seeds=seeds or scope.seeds
    )
    if batch_size != PUBLISHED_BATCH:
        scope = with_batch(scope, None if batch_size == "all" else int(batch_size))
    folder = folder_of_run(
        options,
        lambda dataset: plan_explanation(dataset, scope, implementation),
        name=f"explain-{profile}",
        beside_resume=("scheduler",),
    )
    fresh = fresh or "--fresh" in read_description(folder).command.split()  # one that is resumed stays so
    measure = functools.partial(run_explanation, scheduler=scheduler, fresh=fresh)
    run = go_on(folder, Bars(), measure)
    finish(options.output, lambda: explain_findings(run), folder)


def explain_findings(run: RecordedRun) -> Findings:
    """Return what a run of ``explain`` says."""
    description, rows = run.description, run.rows
    explanation = compute(description, rows)
    why = Finding(
        name="why",
        sentences=[*explanation_sentences(explanation), *reuse_sentences(rows)],
        tables=explanation_tables(explanation),
        charts=explanation_charts(explanation),
        draw=lambda: [draw_explanation(explanation), *([draw_epochs(explanation)] if explanation.epochs > 1 else [])],
    )
    failures = failure_sentences(of_kind(rows, Failure))
    return Findings([why, *_chain_findings(description, rows)], failures, bool(failures))


def _chain_findings(description: Description, rows: list[AnyRecord]) -> list[Finding]:
    """Return where the time between NumPy and PyTorch goes, where that was timed."""
    if not any(question.name == CHAIN_QUESTION for question in description.plan.questions):
        return []
    chain = summarize_chain(description, rows)
    return [
        Finding(
            name="chain",
            sentences=chain_sentences(chain),
            tables=chain_tables(chain),
            charts=chain_charts(chain),
            draw=lambda: [draw_chain(chain)],
        )
    ]


def reuse_sentences(rows: list[AnyRecord]) -> list[str]:
    """Return a sentence on how many training jobs come from earlier runs, and from which; none where none do."""
    number, runs = reused(rows)
    if not number:
        return []
    return [f"{count(number, 'training job')} reused from {listing(runs)}; --fresh trains them again."]


DESCRIPTORS = (
    Descriptor(
        explain,
        explain_findings,
        latest="latest-explanation",
        section="why",
        heading="Where the two gaps come from",
        sources={"why": ("search", "epoch", "block"), "chain": ("block",)},
    ),
)
