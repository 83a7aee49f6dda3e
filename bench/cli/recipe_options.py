"""Every field of `Recipe` as a command-line option, generated from the definition of the class."""

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any

import click

from backprop_bench.data import CHOICES, RECIPES, ExtendedRecipe

Command = Callable[..., Any]


class _LayerSizes(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions only
    name = "layer sizes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read ``784-128-10`` or ``784,128,10``."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(int(size) for size in re.split("[-,]", str(value)))
        except ValueError:
            self.fail(f"{value!r} is no list of layer sizes; expected numbers such as 784-128-10", param, ctx)


class BatchSize(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions only
    """A number of examples, or ``all``."""

    name = "batch size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a number, or ``all``."""
        if value == "all" or isinstance(value, int):
            return value
        try:
            return int(str(value))
        except ValueError:
            self.fail(f"{value!r} is no batch size; expected a whole number or 'all'", param, ctx)


class _Rows(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions only
    """Rows of numbers, such as ``24:6,12:6``."""

    name = "rows of numbers"

    def __init__(self, *kinds: type) -> None:
        self.kinds = kinds

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read rows with a comma between them, of numbers with a colon between them."""
        if isinstance(value, tuple):
            return value
        try:
            rows = [row.split(":") for row in str(value).split(",")]
            return tuple(tuple(kind(word) for kind, word in zip(self.kinds, words, strict=True)) for words in rows)
        except ValueError:
            wanted = ":".join("number" if kind is float else "whole number" for kind in self.kinds)
            self.fail(f"{value!r} is no list of {wanted} with commas between", param, ctx)


_SPECIAL: dict[str, dict[str, Any]] = {
    "layer_sizes": {"type": _LayerSizes(), "metavar": "N-N-N"},
    "batch_size": {"type": BatchSize(), "metavar": "N|all"},
    "input_range": {"type": float, "nargs": 2, "metavar": "LOW HIGH"},
    "target_range": {"type": float, "nargs": 2, "metavar": "LOW HIGH"},
    "first_layer_blocks": {"type": _Rows(int, int), "metavar": "INPUTS:UNITS,…"},
    "schedule": {"type": _Rows(int, float, float), "metavar": "EPOCH:RATE:MOMENTUM,…"},
    "error_dead_zone": {"type": float, "nargs": 2, "metavar": "LOW HIGH"},
}


_HELP: dict[str, str] = {
    "layer_sizes": "Units per layer, input first.",
    "hidden_activation": "Activation function of the hidden layers.",
    "output_activation": "Activation function of the output layer.",
    "loss": "Loss function.",
    "reduction": "Sum or mean over the examples of a batch.",
    "bias": "Give the units a bias.",
    "batch_size": "Examples per weight update.",
    "optimizer": "Optimizer.",
    "learning_rate": "Learning rate.",
    "momentum": "Momentum, for the optimizer momentum.",
    "rmsprop_alpha": "RMSprop alpha: decay rate of the mean squared gradient.",
    "beta1": "Adam: decay rate of the mean gradient.",
    "beta2": "Adam: decay rate of the mean squared gradient.",
    "epsilon": "RMSprop and Adam: added to the root.",
    "weight_decay": "L2 regularisation, as torch.optim does it.",
    "initialization": "Distribution of the initial weights.",
    "init_scale": "Half-width of uniform, standard deviation of normal.",
    "dtype": "Floating-point type of every array.",
    "epochs": "Passes over the training examples.",
    "shuffle": "Shuffle the examples in every epoch.",
    "seed": "Seed of the initial weights and the batch orders.",
    "input_range": "Range to which the inputs are mapped.",
    "target_range": "Range to which the targets are mapped.",
    "skip_connection": "Input-output skip connections, past the hidden layers.",
    "first_layer_blocks": "Block-diagonal first layer: inputs and hidden units of each block.",
    "schedule": "Learning rate and momentum from an epoch on.",
    "multiplicative_decay": "Multiplicative decay: share by which every update shrinks weights and biases.",
    "error_dead_zone": "Error dead zone: an error is 0 below LOW (target 0) or above HIGH (target 1).",
    "half": "Squared error with its ½.",
    "mean_over_outputs": "Mean rather than sum over the outputs of an example.",
    "back_propagation": "What goes back: the gradient, or errors through the weights alone, as in Rashid's program.",
    "decay_biases": "Weight decay of the biases as well.",
    "penalty_in_loss": "Weight decay as a penalty in the loss and in the gradients.",
    "nesterov": "Nesterov's momentum.",
    "dampened_momentum": "Momentum with gradients times 1 - momentum.",
    "adam_reordered": "Adam in the reordered form of its publication.",
    "log_epsilon": "Cross-entropy: added to the outputs in the logarithms of the reported loss.",
    "log_clip": "Cross-entropy: clip the outputs to [X, 1 - X] in the reported loss.",
    "rate_factor": "Factor of the learning rate after every rate period.",
    "rate_period": "Epochs between two changes by the rate factor.",
    "negative_slope": "Slope of relu below 0: leaky relu.",
    "dropout": "Probability with which a hidden unit is left out in training.",
    "drop_last": "Leave out the last batch of an epoch where it is short.",
    "with_replacement": "Draw the examples of an epoch with replacement.",
    "standardize": "Inputs of mean 0 and standard deviation 1.",
    "label_smoothing": "Label smoothing S: targets t of C classes become (1 - S) t + S / C.",
    "mixed_precision": "Matrix products in bfloat16; weights, their updates and losses in float32.",
    "inverse_rate_decay": "1/t decay K: learning rate divided by 1 + K times the epoch.",
}
"""Help of each field; a field without an entry is an error."""


def recipe_options(command: Command) -> Command:
    """Add ``--recipe`` and an option per field to a command, which receives ``recipe`` and the fields."""
    for field in reversed(dataclasses.fields(ExtendedRecipe)):
        command = _option(field)(command)
    choice = click.Choice(list(RECIPES))
    return click.option(
        "--recipe", type=choice, default="shared", show_default=True, help="Named recipe to start from."
    )(command)


def _option(field: "dataclasses.Field[Any]") -> Callable[[Command], Command]:
    name, text = field.name.replace("_", "-"), _HELP[field.name]
    if field.name in CHOICES:
        return click.option(f"--{name}", field.name, type=click.Choice(CHOICES[field.name]), help=text)
    if field.name in _SPECIAL:
        return click.option(f"--{name}", field.name, default=None, help=text, **_SPECIAL[field.name])
    if isinstance(field.default, bool):
        return click.option(f"--{name}/--no-{name}", field.name, default=None, help=text)
    return click.option(f"--{name}", field.name, type=type(field.default), help=text)


def changes_from(options: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that are set, as :meth:`backprop_bench.data.Recipe.replace` takes them."""
    given = {name: value for name, value in options.items() if value is not None}
    if given.get("batch_size") == "all":
        given["batch_size"] = None
    return given


def recipe_words(fields: Mapping[str, Any]) -> list[str]:
    """Return fields of a recipe as one types them: the inverse of :func:`recipe_options`."""
    words = []
    for name, value in fields.items():
        option = "--" + name.replace("_", "-")
        if isinstance(value, bool):
            words.append(option if value else option.replace("--", "--no-"))
        elif name == "layer_sizes":
            words += [option, "-".join(map(str, value))]
        elif name in ("first_layer_blocks", "schedule"):
            words += [option, ",".join(":".join(map(word_of, row)) for row in value)]
        else:
            words += [option, *map(word_of, value if isinstance(value, tuple | list) else (value,))]
    return words


def word_of(value: Any) -> str:
    """Return the value of an option as one types it; ``None`` is a batch of all examples."""
    if isinstance(value, float):
        return str(value).removesuffix(".0")
    return "all" if value is None else str(value)
