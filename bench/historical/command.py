"""``backprop-bench reproduce``: replication of published results with NumPy and with PyTorch."""

import functools
from collections.abc import Sequence

import click
import numpy as np

from backprop_bench.bench.cli.options import RunOptions, folder_of_run, run_options
from backprop_bench.bench.cli.output import finish
from backprop_bench.bench.cli.progress import Bars
from backprop_bench.bench.cli.questions import Descriptor
from backprop_bench.bench.cli.running import go_on
from backprop_bench.bench.core.records.kinds import AnyRecord, Trial
from backprop_bench.bench.core.records.plan import Description
from backprop_bench.bench.core.records.reader import of_kind
from backprop_bench.bench.core.records.recorded_run import RecordedRun
from backprop_bench.bench.historical.analysis import Codes, codes_of
from backprop_bench.bench.historical.experiments import EXPERIMENTS, N_PERSON_UNITS, N_PERSONS
from backprop_bench.bench.historical.hinton import Activity, best_codes
from backprop_bench.bench.historical.measure import plan_reproduction, run_reproduction
from backprop_bench.bench.historical.verdicts import Reproduction, summarize_reproduction
from backprop_bench.bench.historical.view import (
    drawings,
    published_charts,
    published_sentences,
    published_table,
    readings_table,
)
from backprop_bench.bench.report.drawing import Drawing
from backprop_bench.bench.report.findings import Finding, Findings, failure_sentences
from backprop_bench.data import Layer, load_family_trees, load_patterns
from backprop_bench.scratch.numpy_trainer import NumpyTrainer

FAMILY = "family-trees"
QUESTION, RELATIVE = "Colin, aunt", "an aunt of Colin"
"""The question of Fig. 3 of the paper."""
SHOWN_READINGS = 12


@click.command()
@click.argument("names", nargs=-1)
@click.option(
    "--seeds", type=click.IntRange(min=1), help="At most so many seeds of each experiment; all of them otherwise."
)
@run_options("a run that was stopped")
def reproduce(options: RunOptions, names: tuple[str, ...], seeds: int | None) -> None:
    """Replicate published results: train with the published settings, and compare.

    NAMES are experiments; all of them otherwise, which takes an hour and a half on two cores. Settings that are not
    published are guesses, and listed as such.

    \b
    Examples:
      backprop-bench reproduce
      backprop-bench reproduce symmetry xor
      backprop-bench reproduce nielsen-30 --seeds 3
      backprop-bench reproduce --resume
    """  # noqa: D301 (click reads the backspace)
    folder = folder_of_run(options, functools.partial(plan_reproduction, names=names, seeds=seeds))
    run = go_on(folder, Bars(), run_reproduction)
    finish(options.output, lambda: reproduce_findings(run), folder)


def reproduce_findings(run: RecordedRun) -> Findings:
    """Return the findings of a run of ``reproduce``."""
    outcome = summarize(run.description, run.rows)
    tables = [published_table(outcome)]
    if outcome.readings:
        tables.append(readings_table(outcome.readings, SHOWN_READINGS))
    finding = Finding(
        name="published",
        sentences=published_sentences(outcome),
        tables=tables,
        charts=published_charts(outcome),
        draw=lambda: _draw(outcome, run.description, run.rows),
    )
    return Findings([finding], failure_sentences(outcome.failures), bool(outcome.failures))


def _draw(outcome: Reproduction, description: Description, rows: Sequence[AnyRecord]) -> Sequence[Drawing]:
    codes = family_codes(rows)
    return drawings(outcome, codes, family_activity(description, rows, codes))


def summarize(description: Description, rows: list[AnyRecord]) -> Reproduction:
    """Compare the records with the published results."""
    return summarize_reproduction(description, rows, EXPERIMENTS[FAMILY].held_out)


def family_codes(rows: Sequence[AnyRecord]) -> list[Codes]:
    """Return what the person units encode, in every network that learned, or else in the literal reading."""
    trials = [row for row in of_kind(rows, Trial) if row.question.startswith(FAMILY)]
    learned = [row for row in trials if row.weights is not None and row.question != FAMILY]
    selected = learned or [row for row in trials if row.question == FAMILY]
    return codes_of(selected, load_family_trees(), N_PERSON_UNITS)


def family_activity(description: Description, rows: Sequence[AnyRecord], codes: Sequence[Codes]) -> Activity | None:
    """Return the activations for the paper's question in the network whose codes are shown; ``None`` without one."""
    if not codes:
        return None
    shown = best_codes(codes)
    row = of_kind(rows, Trial, implementation=shown.variant, seed=shown.seed)[0]
    entries = [entry for question in description.plan.questions for entry in question.entries]
    recipe = next(entry.recipe for entry in entries if entry.label == shown.variant)
    arrays = [np.array(array, recipe.dtype) for array in row.weights or ()]
    layers = tuple(Layer(weight, bias) for weight, bias in zip(arrays[::2], arrays[1::2], strict=True))
    patterns = load_patterns(FAMILY)
    example = patterns.example_names.index(QUESTION)
    passed = NumpyTrainer(recipe, layers).forward(patterns.examples(recipe).x[example : example + 1])
    inputs = patterns.inputs[example].astype(float).tolist()
    numbered = [[str(number) for number in range(1, y.shape[1] + 1)] for y in passed.y]
    shown_layers = [
        ("inputs: persons", patterns.input_names[:N_PERSONS], inputs[:N_PERSONS]),
        ("inputs: relations", patterns.input_names[N_PERSONS:], inputs[N_PERSONS:]),
        ("hidden layer 1", numbered[1], passed.y[1][0].tolist()),
        ("hidden layer 2", numbered[2], passed.y[2][0].tolist()),
        ("hidden layer 3", numbered[3], passed.y[3][0].tolist()),
        ("outputs", patterns.output_names, passed.y[4][0].tolist()),
    ]
    right = [name for name, bit in zip(patterns.output_names, patterns.targets[example], strict=True) if bit]
    return Activity(RELATIVE, f"{shown.variant}, seed {shown.seed}", shown_layers, right)


DESCRIPTORS = (
    Descriptor(
        reproduce,
        reproduce_findings,
        latest="latest-reproduction",
        section="published",
        heading="Replication of published results",
        sources={"published": ("trial", "epoch", "stretch")},
    ),
)
