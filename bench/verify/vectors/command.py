"""``backprop-bench vectors`` and ``check-vectors``: verification of a program in any language."""

import dataclasses
import shlex
from pathlib import Path
from typing import Any

import click

from backprop_bench.bench.cli.dataset_options import dataset_options, load_and_say
from backprop_bench.bench.cli.options import timeout_option
from backprop_bench.bench.cli.output import Output, leave, output_options
from backprop_bench.bench.cli.recipe_options import changes_from, recipe_options, recipe_words
from backprop_bench.bench.core.worker.client import Refusal, Worker, WorkerError
from backprop_bench.bench.report.findings import Finding, Findings
from backprop_bench.bench.report.numbers import count, listing
from backprop_bench.bench.verify.replies import Inspection, VectorsReading
from backprop_bench.bench.verify.vectors.arrays import (
    HIDDEN_UNITS,
    MIN_EXAMPLES,
    Arrays,
    Vectors,
    check_number_of_examples,
    make_vectors,
    usual_examples,
)
from backprop_bench.bench.verify.vectors.comparison import (
    Compared,
    compare_vectors,
    is_single_precision,
    of_the_mean,
)
from backprop_bench.bench.verify.vectors.files import check_writable, read_vectors, write_vectors
from backprop_bench.bench.verify.vectors.theirs import check_digits, check_turned, read_theirs
from backprop_bench.bench.verify.vectors.view import (
    not_compared,
    vectors_conclusion,
    vectors_grid,
    vectors_reading,
)
from backprop_bench.bench.verify.view import conclusion
from backprop_bench.data import Dataset, ExtendedRecipe, InputError, Recipe, changed_recipe, named_recipe
from backprop_bench.data.dataset import training_examples
from backprop_bench.scratch.numpy_trainer import NumpyTrainer

EXPLAINED = (
    "skip_connection",
    "first_layer_blocks",
    "schedule",
    "multiplicative_decay",
    "error_dead_zone",
    "standardize",
    "label_smoothing",
)
"""Additions of an `ExtendedRecipe` that the page of the vectors has in its formulas, or that change the examples."""
VERIFY, DIAGNOSE = "verify.vectors.handlers:verify", "mutation.vectors:diagnose_vectors"
"""Handlers of the requests of a worker."""
SINGLE_PRECISION = (
    "A difference of this size is that of single precision. If your program computes in float, write the vectors with "
    "--dtype float32."
)


@click.command()
@recipe_options
@dataset_options
@click.option(
    "--examples",
    type=click.IntRange(min=1),
    metavar="N",
    help=f"Number of examples.  [default: two batches and a half, at least {MIN_EXAMPLES}]",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="FOLDER", help="Folder for the vectors.")
@timeout_option
def vectors(recipe: str, dataset: str, examples: int | None, out: Path, **fields: Any) -> None:
    """Write the numbers of a small training, to check a program in any language.

    Initial weights, inputs, targets and order of the batches; all that is computed for the first batch: z, y, loss,
    dE/dy, dE/dz, gradients; the weights after 1, 10 and 100 updates, and the loss of each epoch until then. Every array
    is a .npy and a JSON file. README.md in the folder has the shapes, the formulas and the update rule.

    Unless --dtype and --layer-sizes say otherwise, it is in float64, with at most 16 units in each hidden layer.

    \b
    Examples:
      backprop-bench vectors --out vectors
      backprop-bench vectors --recipe article-scratch --out vectors
      backprop-bench vectors --layer-sizes 784-30-20-10 --optimizer adam --learning-rate 0.01 --out vectors
    """  # noqa: D301 (click reads the backspace)
    check_writable(out)
    loaded = load_and_say(dataset)
    changed = _small(named_recipe(recipe), changes_from(fields), loaded)
    _check_explained(changed)
    n_examples = usual_examples(changed) if examples is None else examples
    if n_examples > len(loaded.x_train):
        raise InputError(f"--examples is {n_examples}, but {dataset} has {len(loaded.x_train)} training examples")
    check_number_of_examples(changed, n_examples)
    made = make_vectors(changed, training_examples(changed, loaded.subset(n_examples)), NumpyTrainer)
    _verify(changed, dataset, n_examples)
    large = write_vectors(out, made, _command(recipe, changed, dataset, n_examples))
    sizes = "-".join(map(str, changed.layer_sizes))
    click.echo(
        f"{out}: {count(len(made.arrays), 'array')} of a network {sizes} in {changed.dtype}, with "
        f"{count(n_examples, 'example')}, verified against torch-eager."
    )
    if large:
        click.echo(f"Too large for JSON, in .npy alone: {listing(large)}.")
    click.echo(f"Read {out / 'README.md'}, then: backprop-bench check-vectors {shlex.quote(str(out))} THEIRS")


def _check_explained(recipe: Recipe) -> None:
    """Raise `InputError` for what the page of the vectors has no formula for."""
    for field in ExtendedRecipe.of(recipe).additions:
        if field not in EXPLAINED:
            raise InputError(f"vectors cannot explain {field} yet; expected its default")
    if recipe.output_activation == "tanh" or (recipe.output_activation, recipe.loss) == ("softmax", "squared_error"):
        raise InputError(f"vectors cannot explain {recipe.loss} after {recipe.output_activation} yet; expected others")


def _small(recipe: Recipe, changes: dict[str, Any], dataset: Dataset) -> Recipe:
    """Return the changed recipe, in float64 and with small hidden layers unless the changes say otherwise."""
    hidden = [min(HIDDEN_UNITS, units) for units in recipe.layer_sizes[1:-1]]
    usual = {"dtype": "float64", "layer_sizes": (dataset.n_inputs, *hidden, dataset.n_classes)}
    return changed_recipe(recipe, usual | changes, dataset)


def _command(name: str, recipe: Recipe, dataset: str, n_examples: int) -> str:
    """Return the command that writes these vectors again."""
    before = ExtendedRecipe.of(named_recipe(name))
    after = ExtendedRecipe.of(recipe)
    fields = [field.name for field in dataclasses.fields(after)]
    changes = {field: getattr(after, field) for field in fields if getattr(after, field) != getattr(before, field)}
    words = ["vectors", "--recipe", name, *recipe_words(changes), "--dataset", dataset, "--examples", str(n_examples)]
    return shlex.join(["backprop-bench", *words, "--out", "FOLDER"])


def _verify(recipe: Recipe, dataset: str, n_examples: int) -> None:
    """Compare with torch-eager; ends with exit code 1 where it computes something else."""
    try:
        with Worker(threads=1) as worker:
            found = worker.ask(VERIFY, Inspection, recipe=recipe.to_dict(), dataset=dataset, examples=n_examples)
    except Refusal as refusal:
        raise InputError(str(refusal)) from None
    if not found.equal:
        click.echo(f"Nothing is written. scratch-numpy and torch-eager: {conclusion(recipe.dtype, found)}", err=True)
        raise SystemExit(1)


@click.command("check-vectors")
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("theirs", type=click.Path(path_type=Path))
@timeout_option
@output_options
def check_vectors(folder: Path, theirs: Path, output: Output) -> None:
    """Compare what a program in any language wrote with the vectors of FOLDER.

    THEIRS is a folder with a file for every array, under the names of the vectors: .json, .npy, .txt or .csv; or one
    JSON file with an object of them. Any of the arrays will do. Where they are not equal, it names the first array
    that differs and the likely mistake, and ends with exit code 1.

    \b
    Examples:
      backprop-bench check-vectors vectors theirs
      backprop-bench check-vectors vectors theirs.json --format json
    """  # noqa: D301 (click reads the backspace)
    expected = read_vectors(folder)
    read = read_theirs(theirs, folder, expected)
    actual, scaled = of_the_mean(expected, read.arrays)
    compared = compare_vectors(expected, actual)
    check_digits(expected, read, compared)
    check_turned(expected, read, compared)
    equal = all(quantity.passed for quantity in compared.values())
    sentences = [vectors_conclusion(expected, compared)]
    if not equal:
        sentences += _why(folder, theirs, expected, actual, compared)
    sentences += [scaled] if scaled else []
    sentences += not_compared(expected, compared, read.unknown)
    grid = vectors_grid(f"{theirs} against the vectors of {folder}, {expected.recipe.dtype}", expected, compared)
    findings = Findings([Finding("vectors", sentences, [grid])], failed=not equal)
    output.show(findings)
    leave(findings)


def _why(folder: Path, theirs: Path, vectors: Vectors, actual: Arrays, compared: Compared) -> list[str]:
    """Return the likely mistake."""
    if is_single_precision(vectors, actual, compared):
        return [SINGLE_PRECISION]
    try:
        with Worker(threads=1) as worker:
            return vectors_reading(
                worker.ask(DIAGNOSE, VectorsReading, folder=str(folder.absolute()), theirs=str(theirs.absolute()))
            )
    except WorkerError as failure:
        return [f"The likely mistake is not known: {failure}."]
