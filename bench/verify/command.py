"""``backprop-bench parity``: verification, quantity by quantity."""

import datetime
import json
from pathlib import Path
from typing import Any

import click

from backprop_bench.bench.cli.dataset_options import dataset_options, load_and_say
from backprop_bench.bench.cli.options import timeout_option
from backprop_bench.bench.cli.output import Output, leave, output_options
from backprop_bench.bench.cli.progress import Bars
from backprop_bench.bench.cli.questions import Descriptor
from backprop_bench.bench.cli.recipe_options import changes_from, recipe_options
from backprop_bench.bench.core.engine.plan import check_available
from backprop_bench.bench.core.implementations import named_implementation
from backprop_bench.bench.core.machine.environment import environment
from backprop_bench.bench.core.records.files import write_whole
from backprop_bench.bench.core.records.recorded_run import RecordedRun
from backprop_bench.bench.core.worker.client import NoAnswer, Refusal, Worker, WorkerError
from backprop_bench.bench.report.drawing import save
from backprop_bench.bench.report.findings import Finding, Findings
from backprop_bench.bench.verify.comparison import Pair, compare
from backprop_bench.bench.verify.drift import draw_drift
from backprop_bench.bench.verify.replies import Drift
from backprop_bench.bench.verify.vectors.command import check_vectors, vectors
from backprop_bench.data import Dataset, InputError, Recipe, changed_recipe, named_recipe

DRIFT_STEPS = 3000
DRIFT = "drift.json"
"""File that ``--drift`` writes."""
MEASURE_DRIFT = "verify.handlers:drift"
"""Handler of a request of a worker."""


@click.command()
@click.argument("implementation", default="scratch-numpy")
@click.option("--against", help="Implementation to compare with.  [default: its reference implementation]")
@recipe_options
@dataset_options
@click.option("--steps", type=click.IntRange(min=1), help="Compare the weights after this many updates.")
@click.option("--drift", type=click.Path(path_type=Path, file_okay=False), help="Draw the divergence into this folder.")
@timeout_option
@output_options
def parity(
    implementation: str,
    against: str | None,
    recipe: str,
    dataset: str,
    steps: int | None,
    drift: Path | None,
    output: Output,
    **fields: Any,
) -> None:
    """Compare IMPLEMENTATION with another one, quantity by quantity, from the same weights and batches.

    It compares in float64 and in the recipe's own dtype. Where they are not equal, it names the first quantity that
    differs and the likely mistake, and ends with exit code 1.

    \b
    Examples:
      backprop-bench parity
      backprop-bench parity torch-loader --against torch-eager --recipe article-torch
      backprop-bench parity path/to/mine.py:Mine --steps 500 --layer-sizes 784-30-20-10
      backprop-bench parity --drift results/drift
    """  # noqa: D301 (click reads the backspace)
    other = against or named_implementation(implementation).reference
    for name in (implementation, other):
        check_available(name)
    loaded = load_and_say(dataset)
    changed = changed_recipe(named_recipe(recipe), changes_from(fields), loaded)
    pair = Pair(implementation, other, dataset)
    try:
        with Worker(threads=1) as worker:
            findings = compare(worker, pair, changed, steps, Bars()).findings()
            output.show(findings)
            if drift is not None:
                run = _run(loaded)
                figure = _draw_drift(worker, pair.to_dict(), changed, steps or DRIFT_STEPS, drift, run)
                output.note(f"Drift: {figure}")
    except Refusal as refusal:
        raise InputError(str(refusal)) from None
    except WorkerError as failure:
        less = "; --steps 20 and a smaller network take less" if isinstance(failure, NoAnswer) else ""
        click.echo(f"Not equal: {implementation}: {failure}{less}", err=True)
        raise SystemExit(1) from None
    leave(findings)


def _run(dataset: Dataset) -> dict[str, object]:
    """Return the environment of a run, for its description."""
    return {
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "threads": 1,
        "dataset_crc32": dataset.fingerprint(),
        "environment": environment().to_dict(),
    }


def _draw_drift(
    worker: Worker, request: dict[str, str], recipe: Recipe, steps: int, folder: Path, run: dict[str, object]
) -> Path:
    """Train both in either dtype, draw how far they diverge, and return the figure."""
    curves, bars = {}, Bars()
    with bars.stage("training", 2):
        for dtype in ("float64", "float32"):
            here = recipe.replace(dtype=dtype).to_dict()
            curves[dtype] = worker.ask(MEASURE_DRIFT, Drift, **request, recipe=here, steps=steps).points
            bars.advance(dtype)
    record = {**request, "recipe": recipe.to_dict(), "steps": steps, "drift": curves, "run": run}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / DRIFT, (json.dumps(record, indent=1) + "\n").encode())
    except OSError as error:
        raise InputError(f"{folder}: cannot write: {error.strerror}; expected a folder") from error
    return save(draw_drift(record), folder).png


def drift_findings(run: RecordedRun) -> Findings:
    """Return the figure of the file that ``parity --drift`` wrote to a folder."""
    record = json.loads((run.folder / DRIFT).read_text("utf-8"))
    return Findings([Finding("drift", draw=lambda: [draw_drift(record)])])


DESCRIPTORS = (
    Descriptor(
        parity,
        drift_findings,
        file=DRIFT,
        section="right",
        heading="How far two implementations diverge",
    ),
    Descriptor(vectors),
    Descriptor(check_vectors),
)
