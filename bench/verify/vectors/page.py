"""The page of a folder of vectors: its files, and the network and its training in formulas, from the recipe."""

from collections.abc import Sequence

from backprop_bench.bench.verify.vectors.arrays import STEPS, Named, Vectors, batches_per_epoch
from backprop_bench.data import ExtendedRecipe, Recipe

ACTIVATIONS = {
    "sigmoid": ("1 / (1 + exp(-z))", "y * (1 - y)"),
    "tanh": ("tanh(z)", "1 - y^2"),
    "relu": ("max(z, 0)", "1 where y > 0, else 0"),
    "identity": ("z", "1"),
}
"""y, and dy/dz in terms of y."""
UPDATES = {
    "sgd": ["w = w - {rate} * g"],
    "momentum": [
        "v = {momentum} * v - {rate} * g",
        "w = w + v                     v starts at 0, one for every weight",
    ],
    "rmsprop": [
        "s = {rmsprop_alpha} * s + (1 - {rmsprop_alpha}) * g^2        s starts at 0, one for every weight",
        "w = w - {rate} * g / (sqrt(s) + {epsilon})",
    ],
    "adam": [
        "m = {beta1} * m + (1 - {beta1}) * g          m and v start at 0, one of each for every weight",
        "v = {beta2} * v + (1 - {beta2}) * g^2",
        "w = w - {rate} * (m / (1 - {beta1}^k)) / (sqrt(v / (1 - {beta2}^k)) + {epsilon})",
        "k is the number of the update, from 1",
    ],
}

_PAGE = """# Vectors to check a program with

Numbers of a small training, to check back-propagation in any language: what a program starts from, and what it should
compute. They were computed by scratch-numpy and verified against torch-eager. This command writes them again:

    {command}

## Check

Let your program read its inputs from `json/` or `npy/`, and write what it computes into a folder of its own, under the
same names. Any of the names will do; the more there are, the better is the diagnosis. Then:

    backprop-bench check-vectors {folder} {theirs}

* A file is `NAME.json` (nested lists), `NAME.npy`, or `NAME.txt` or `NAME.csv` (a row per line, spaces or commas
  between the numbers). A flat list of all numbers, row after row, is taken, too.
* Instead of a folder, one JSON file may hold all: `{{"z1": [[…], …], …}}`.
* Write {digits} significant digits (in C `%.{digits}g`). Fewer are too few for a comparison.
* The exit code is 0 if all is equal, 1 if not, 2 if a file cannot be used.

## Files

Arrays are row-major: the last axis changes fastest. The data type is {dtype}; `order` has whole numbers.{large}

What the program starts from:

{inputs}

What it should compute from the initial weights for the first batch, the first {batch} of row 0 of `order`:

{first}

What it should compute by training:

{trained}

## The network

    {network}

{notes}

## The loss

    {loss}

All `dEd…` are derivatives of this E.
{sums}

    {backward}

## Training

Each epoch visits the rows of `x` and `t` in the order of its row of `order`, in batches of {size}{short}.
After each batch, every weight and bias w is updated by its gradient g = dE/dw:

    {update}

`…_after_10` is after 10 such updates from the initial weights, counted on through the epochs.
An epoch has {per_epoch}.{partial}
"""


def page_of(vectors: Vectors, command: str, large: Sequence[str]) -> str:
    """Return the page, in Markdown."""
    recipe, n_examples = vectors.recipe, len(vectors.examples.x)
    size = min(recipe.batch_size or n_examples, n_examples)
    per_epoch = batches_per_epoch(recipe, n_examples)
    rest = n_examples % size
    named = vectors.named
    return _PAGE.format(
        command=command,
        folder="FOLDER",
        theirs="THEIRS",
        digits=17 if recipe.dtype == "float64" else 9,
        dtype=recipe.dtype,
        large=f" Only in `npy/`, because of their size: {', '.join(large)}." if large else "",
        inputs=_files([one for one in named if not one.quantity]),
        first=_files([one for one in named if one.quantity and not one.steps]),
        trained=_files([one for one in named if one.steps]),
        batch=f"{size} examples" if size > 1 else "example",
        network="\n    ".join(_network(recipe)),
        notes="\n".join(_notes(recipe)),
        loss="\n    ".join(_loss(recipe)),
        sums=_sums(recipe),
        backward="\n    ".join(_backward(recipe)),
        size=f"{size} examples" if size > 1 else "1 example",
        short=f", the last one of {rest}" if rest else "",
        update="\n    ".join(_update(recipe)),
        per_epoch=f"{per_epoch} batches" if per_epoch > 1 else "1 batch",
        partial=f" {STEPS[-1]} updates end within epoch {STEPS[-1] // per_epoch + 1}." if STEPS[-1] % per_epoch else "",
    )


def _files(named: Sequence[Named]) -> str:
    rows = []
    for one in named:
        shape, axes = " × ".join(map(str, one.shape)) or "1", ", ".join(one.axes) or "a number"
        rows.append(f"| `{one.name}` | {shape} | {axes} | {one.text} |")
    return "\n".join(["| name | shape | axes | what |", "|---|---|---|---|", *rows])


def _network(recipe: Recipe) -> list[str]:
    last = len(recipe.layer_sizes) - 1
    fully = ExtendedRecipe.of(recipe)
    lines = []
    for layer in range(1, last + 1):
        fed = "x" if layer == 1 else f"y{layer - 1}"
        if fully.skip_connection and layer == last:
            fed = f"[{fed}, x]"
        lines.append(f"z{layer} = {fed} W{layer}{f' + b{layer}' if recipe.bias else ''}")
        function = recipe.output_activation if layer == last else recipe.hidden_activation
        if function == "softmax":
            lines.append(f"y{layer} = softmax(z{layer}): y[k] = exp(z[k]) / sum over k of exp(z[k]), for each example")
        else:
            lines.append(f"y{layer} = {function}(z{layer}): y = {ACTIVATIONS[function][0]}")
    return lines


def _notes(recipe: Recipe) -> list[str]:
    """Return what the symbols of the network mean."""
    last, fully = len(recipe.layer_sizes) - 1, ExtendedRecipe.of(recipe)
    lines = [
        f"It has {'-'.join(map(str, recipe.layer_sizes))} units. x, z and y have a row for each example; y{last} has",
        "the outputs. x W is the matrix product: z[n][j] = sum over i of x[n][i] * W[i][j].",
    ]
    if fully.skip_connection:
        lines.append(f"[y{last - 1}, x] has the inputs to the right of the hidden activations.")
    if fully.first_layer_blocks:
        lines.append("W1 is block-diagonal: where it is 0 at first, there is no weight, and its gradient is 0.")
    return lines


def _loss(recipe: Recipe) -> list[str]:
    y = f"y{len(recipe.layer_sizes) - 1}"
    zone = ExtendedRecipe.of(recipe).error_dead_zone
    error = f"({y} - t)" if zone is None else "e"
    if recipe.loss == "squared_error":
        one = f"1/2 * sum over k of {error}[k]^2"
    elif recipe.output_activation == "softmax":
        one = f"-sum over k of t[k] * ln({y}[k])"
    else:
        one = f"-sum over k of (t[k] * ln({y}[k]) + (1 - t[k]) * ln(1 - {y}[k]))"
    lines = [f"L = {one}          for each example", f"E = {recipe.reduction} of L over the examples of the batch"]
    if zone is not None:
        middle = sum(recipe.target_range) / 2
        on, off = f"t > {middle:g} and {y} > {zone[1]:g}", f"t < {middle:g} and {y} < {zone[0]:g}"
        lines.append(f"e = {y} - t, but 0 where {on}, and where {off}")
    return lines


def _sums(recipe: Recipe) -> str:
    if recipe.reduction == "sum":
        return "E is a sum over the examples, so nothing is divided by their number."
    return "E is a mean over the B examples of the batch, so `dEdy…` and `dEdz…` have the factor 1/B, too."


def _backward(recipe: Recipe) -> list[str]:
    last, fully = len(recipe.layer_sizes) - 1, ExtendedRecipe.of(recipe)
    error = f"y{last} - t" if fully.error_dead_zone is None else "e"
    if recipe.reduction == "mean":
        error = f"{error if error == 'e' else f'({error})'} / B"
    lines = []
    for layer in range(last, 0, -1):
        if layer < last:
            unskipped = f", its first {recipe.layer_sizes[layer]} columns" * (
                fully.skip_connection and layer == last - 1
            )
            lines.append(f"dEdy{layer} = dEdz{layer + 1} W{layer + 1}^T{unskipped}")
            derivative = ACTIVATIONS[recipe.hidden_activation][1]
            lines.append(f"dEdz{layer} = dEdy{layer} * dy/dz          dy/dz = {derivative}")
        elif recipe.loss == "squared_error":
            lines.append(f"dEdy{last} = {error}")
            lines.append(f"dEdz{last} = dEdy{last} * dy/dz          dy/dz = {ACTIVATIONS[recipe.output_activation][1]}")
        else:
            lines.append(f"dEdz{last} = {error}")
        fed = (
            "x" if layer == 1 else f"[y{layer - 1}, x]" if fully.skip_connection and layer == last else f"y{layer - 1}"
        )
        lines.append(f"dEdW{layer} = {fed}^T dEdz{layer}")
        lines += [f"dEdb{layer} = sum of dEdz{layer} over the examples"] if recipe.bias else []
    return lines


def _update(recipe: Recipe) -> list[str]:
    fully = ExtendedRecipe.of(recipe)
    values = {name: f"{getattr(recipe, name):g}" for name in ("momentum", "rmsprop_alpha", "beta1", "beta2", "epsilon")}
    rates = {"rate": f"{recipe.learning_rate:g}"} | values
    if fully.schedule:
        rates |= {"rate": "rate", "momentum": "momentum"}
    lines = [line.format(**rates) for line in UPDATES[recipe.optimizer]]
    if recipe.weight_decay:
        lines.insert(
            0, f"g = g + {recipe.weight_decay:g} * w             before it is used; dEdW… and dEdb… are without it"
        )
    if fully.multiplicative_decay:
        lines.append(f"w = (1 - {fully.multiplicative_decay:g}) * w")
    if fully.schedule:
        first = f"rate = {recipe.learning_rate:g}, momentum = {recipe.momentum:g}"
        lines.append(f"{first}, in row 0 of order")
        lines += [
            f"rate = {rate:g}, momentum = {share:g}, from row {epoch} on" for epoch, rate, share in fully.schedule
        ]
    return lines
