"""`Recipe`: everything that decides what is computed, and nothing about how."""

import dataclasses
import itertools
from collections.abc import Mapping
from typing import Any, Literal, get_args

from backprop_bench.data.errors import InvalidRecipe, UnsupportedRecipe
from backprop_bench.data.field_checks import (
    check_bool,
    check_choice,
    check_int,
    check_number,
    check_range,
    is_finite,
    refuse,
)

HiddenActivation = Literal["sigmoid", "tanh", "relu"]
OutputActivation = Literal["sigmoid", "softmax", "identity", "tanh"]
Loss = Literal["squared_error", "cross_entropy"]
Reduction = Literal["sum", "mean"]
Optimizer = Literal["sgd", "momentum", "rmsprop", "adam"]
Initialization = Literal[
    "uniform",
    "normal",
    "lecun_normal",
    "fan_out_normal",
    "xavier_uniform",
    "xavier_normal",
    "he_uniform",
    "he_normal",
    "torch_linear",
]
Dtype = Literal["float32", "float64"]
BackPropagation = Literal["gradient", "errors"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """What every implementation is to compute, as far as rounding lets it.

    :class:`data.ExtendedRecipe` adds what experiments of 1986 need, and conventions that others follow. A recipe is
    valid or does not exist: the constructor raises :class:`data.InvalidRecipe`.

    Attributes
    ----------
    layer_sizes
        Units per layer, input first, output last: ``(784, 200, 10)`` has one hidden layer.
    hidden_activation, output_activation
        Activation function of the hidden layers and of the output layer.
    loss
        ``squared_error`` is ½ Σ (y − t)² over the outputs of an example, the paper's equation (3). ``cross_entropy`` is
        −Σ t ln y after softmax, and −Σ [t ln y + (1 − t) ln(1 − y)] after sigmoid.
    reduction
        ``sum``, as in the 1986 paper, or ``mean`` over the examples of a batch.
    bias
        Whether the units have a bias.
    batch_size
        Examples per weight update; ``None`` for all of them.
    optimizer
        ``sgd``; ``momentum``, the paper's equation (9); ``rmsprop`` and ``adam`` as ``torch.optim`` defines them.
    learning_rate
        ε of equation (8), above 0.
    momentum
        α of equation (9), in [0, 1); 0 unless the optimizer is ``momentum``.
    rmsprop_alpha
        Decay rate of the running mean of squared gradients in RMSprop, in [0, 1).
    beta1, beta2
        Decay rates of the two running means of Adam, in [0, 1).
    epsilon
        Added to the root in RMSprop and Adam, above 0.
    weight_decay
        λ of L2 regularisation as ``torch.optim`` does it: λ w is added to the gradient of every weight and bias.
    initialization
        Distribution of the initial weights, see :func:`data.initial_parameters`.
    init_scale
        Half-width of ``uniform``, standard deviation of ``normal``; the other initialisations ignore it.
    dtype
        Floating-point type of every array.
    epochs
        Passes over the training examples.
    shuffle
        Whether every epoch has an order of its own; otherwise it is the order of the file.
    seed
        Decides the initial weights and the orders.
    input_range, target_range
        What the smallest and the largest possible input (pixel 0 and 255) and target (0 and 1) are mapped to.
    """

    layer_sizes: tuple[int, ...] = (784, 128, 10)
    hidden_activation: HiddenActivation = "sigmoid"
    output_activation: OutputActivation = "softmax"
    loss: Loss = "cross_entropy"
    reduction: Reduction = "mean"
    bias: bool = True
    batch_size: int | None = 64
    optimizer: Optimizer = "sgd"
    learning_rate: float = 1.0
    momentum: float = 0.0
    rmsprop_alpha: float = 0.99
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    initialization: Initialization = "torch_linear"
    init_scale: float = 0.3
    dtype: Dtype = "float32"
    epochs: int = 5
    shuffle: bool = True
    seed: int = 0
    input_range: tuple[float, float] = (0.0, 1.0)
    target_range: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        _check_layer_sizes(self.layer_sizes)
        for field in dataclasses.fields(self):
            if field.name in CHOICES:
                check_choice(field.name, getattr(self, field.name), CHOICES[field.name])
        for name in ("bias", "shuffle"):
            check_bool(name, getattr(self, name))
        if self.batch_size is not None:
            check_int("batch_size", self.batch_size, 1, "or None for all examples at once")
        check_int("epochs", self.epochs, 0)
        check_int("seed", self.seed, 0)
        for name in ("learning_rate", "epsilon", "init_scale"):
            check_number(name, getattr(self, name), "a finite number above 0", lambda v: v > 0)
        for name in ("momentum", "rmsprop_alpha", "beta1", "beta2"):
            check_number(name, getattr(self, name), "a number in [0, 1)", lambda v: 0 <= v < 1)
        check_number("weight_decay", self.weight_decay, "a finite number of 0 or above", lambda v: v >= 0)
        check_range("input_range", self.input_range)
        check_range("target_range", self.target_range)
        _check_combinations(self)

    def replace(self, **changes: Any) -> "Recipe":
        """Return a copy with some fields changed; raises `InvalidRecipe` for an unknown field or a bad value."""
        return Recipe.from_dict({**self.to_dict(), **changes})

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain values that JSON can hold."""
        return {field.name: _to_lists(getattr(self, field.name)) for field in dataclasses.fields(self)}

    @staticmethod
    def from_dict(fields: Mapping[str, Any]) -> "Recipe":
        """Build a recipe from plain values, as :meth:`to_dict` gives them.

        Returns
        -------
        Recipe
            A :class:`data.ExtendedRecipe` where a field of that class is not its default.

        Raises
        ------
        InvalidRecipe
            For a field that does not exist or has an impossible value.
        """
        known = [field.name for field in dataclasses.fields(ExtendedRecipe)]
        unknown = sorted(set(fields) - set(known))
        if unknown:
            raise InvalidRecipe(f"recipe has no field {unknown[0]!r}; its fields are {', '.join(known)}")
        values: dict[str, Any] = {name: _to_tuples(value) for name, value in fields.items()}
        plain = {field.name for field in dataclasses.fields(Recipe)}
        if values.keys() <= plain or not ExtendedRecipe(**values).additions:
            return Recipe(**{name: value for name, value in values.items() if name in plain})
        return ExtendedRecipe(**values)

    @property
    def weight_shapes(self) -> tuple[tuple[int, int], ...]:
        """(fan_in, fan_out) of every layer of weights."""
        return tuple(itertools.pairwise(self.layer_sizes))

    @property
    def n_parameters(self) -> int:
        """Number of weights and biases."""
        return sum((fan_in + self.bias) * fan_out for fan_in, fan_out in self.weight_shapes)

    def rates(self, epoch: int) -> tuple[float, float]:  # noqa: ARG002 (an extended recipe has a schedule)
        """Return learning rate ε and momentum α of an epoch, which is counted from 0."""
        return self.learning_rate, self.momentum


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExtendedRecipe(Recipe):
    """A recipe with what experiments of 1986 need, and conventions that others follow; the defaults change nothing.

    :meth:`Recipe.from_dict` and :meth:`Recipe.replace` return this class where one of its fields is not its default.
    `scratch-numpy`, `torch-eager`, `torch-fused` and `torch-loader` do them all. Others do those of
    :data:`DONE_IN_PART` and :data:`DONE_BY_DATA`. The rest they refuse by field.

    Attributes
    ----------
    skip_connection
        Whether the output units also receive the inputs of the network, past the hidden layers.
    first_layer_blocks
        (inputs, units) of every block of a block-diagonal first layer, in their order; empty for a dense layer.
    schedule
        (epoch, ε, α), in the order of the epochs: from this one on, counted from 0, learning rate and momentum are
        these; until the first one they are ``learning_rate`` and ``momentum``.
    multiplicative_decay
        Share by which every weight and bias is made smaller after each update, in [0, 1).
    error_dead_zone
        (low, high): the error of an output is 0 where its target is off and it is below ``low``, and where its target
        is on and it is above ``high``. ``None`` for no dead zone.
    half
        Whether ``squared_error`` has its ½.
    mean_over_outputs
        Whether the loss of an example is the mean over its outputs rather than their sum. With reduction ``mean``,
        ``squared_error`` without the ½ is then ``nn.MSELoss``, and ``cross_entropy`` after sigmoid ``nn.BCELoss``.
    back_propagation
        What goes back from a layer to the one below: dE/dz, or with ``errors`` the y − t of the squared error through
        the weights alone, as in Rashid's *Make Your Own Neural Network*. The derivatives of the activations then act on
        the updates of their own layer only, so what is computed is the gradient of no loss.
    decay_biases
        Whether ``weight_decay`` acts on the biases as well as on the weights.
    penalty_in_loss
        Whether λ/2 Σ w² is part of the loss and λ w of dE/dw, as ``train_epoch`` and ``gradients`` return them.
    nesterov
        Whether momentum is Nesterov's, as ``torch.optim.SGD`` has it.
    dampened_momentum
        Whether a gradient counts 1 − α beside the running mean of those before.
    adam_reordered
        Whether Adam has the form at the end of section 2 of its publication, where ``epsilon`` is added to a root that
        is not yet corrected.
    log_epsilon
        Added to y, and to 1 − y after sigmoid, in the logarithms of the loss that ``train_epoch`` returns. Gradients
        are those without it.
    log_clip
        ε of the range [ε, 1 − ε] to which y is clipped there instead; 0 for no clipping.
    rate_factor, rate_period
        The learning rate is multiplied by ``rate_factor`` after every ``rate_period`` epochs.
    inverse_rate_decay
        k of 1/t decay: in epoch e, counted from 0, the learning rate is ε / (1 + k e).
    negative_slope
        Slope of ``relu`` below 0, in [0, 1): leaky relu, as ``nn.LeakyReLU`` has it.
    dropout
        Probability in [0, 1) with which a hidden unit is left out in training, see :func:`data.dropout_masks`.
    drop_last
        Whether the last batch of an epoch is left out where it is shorter than the others.
    with_replacement
        Whether every example of an epoch is drawn from all, so that some come more than once and others not at all.
    standardize
        Whether the inputs have mean 0 and standard deviation 1 over all inputs of the training examples together.
    label_smoothing
        s in [0, 1), for softmax and cross-entropy: the targets t of the C classes become (1 − s) t + s / C, as with
        ``nn.CrossEntropyLoss(label_smoothing=s)``.
    mixed_precision
        Whether matrix products have factors and results in bfloat16, as under ``torch.autocast``. Weights, their
        updates and losses stay float32. With dtype float64 it changes nothing.
    """

    skip_connection: bool = False
    first_layer_blocks: tuple[tuple[int, int], ...] = ()
    schedule: tuple[tuple[int, float, float], ...] = ()
    multiplicative_decay: float = 0.0
    error_dead_zone: tuple[float, float] | None = None
    half: bool = True
    mean_over_outputs: bool = False
    back_propagation: BackPropagation = "gradient"
    decay_biases: bool = True
    penalty_in_loss: bool = False
    nesterov: bool = False
    dampened_momentum: bool = False
    adam_reordered: bool = False
    log_epsilon: float = 0.0
    log_clip: float = 0.0
    rate_factor: float = 1.0
    rate_period: int = 1
    inverse_rate_decay: float = 0.0
    negative_slope: float = 0.0
    dropout: float = 0.0
    drop_last: bool = False
    with_replacement: bool = False
    standardize: bool = False
    label_smoothing: float = 0.0
    mixed_precision: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in dataclasses.fields(ExtendedRecipe):
            if isinstance(field.default, bool):
                check_bool(field.name, getattr(self, field.name))
        check_number(
            "multiplicative_decay", self.multiplicative_decay, "a number in [0, 1)", lambda value: 0 <= value < 1
        )
        _check_blocks(self)
        _check_schedule(self)
        _check_dead_zone(self)
        if self.skip_connection and len(self.layer_sizes) < 3:
            raise refuse("skip_connection", True, "False without a hidden layer, for there is nothing to skip")
        _check_numbers_of_conventions(self)
        _check_conventions(self)

    @classmethod
    def of(cls, recipe: Recipe) -> "ExtendedRecipe":
        """Return the same recipe with all fields of this class: of a plain one they are the defaults."""
        if isinstance(recipe, cls):
            return recipe
        return cls(**{field.name: getattr(recipe, field.name) for field in dataclasses.fields(recipe)})

    def to_dict(self) -> dict[str, Any]:
        """Return the fields of a plain recipe and the additions, as plain values that JSON can hold."""
        plain = {field.name: getattr(self, field.name) for field in dataclasses.fields(Recipe)}
        return {name: _to_lists(value) for name, value in {**plain, **self.additions}.items()}

    @property
    def additions(self) -> dict[str, Any]:
        """The fields of this class that are not their defaults, by name."""
        own = dataclasses.fields(self)[len(dataclasses.fields(Recipe)) :]
        return {field.name: value for field in own if (value := getattr(self, field.name)) != field.default}

    @property
    def weight_shapes(self) -> tuple[tuple[int, int], ...]:
        """(fan_in, fan_out) of every layer of weights."""
        *shapes, (fan_in, fan_out) = super().weight_shapes
        return (*shapes, (fan_in + self.layer_sizes[0] * self.skip_connection, fan_out))

    @property
    def n_parameters(self) -> int:
        """Number of weights and biases, without those outside the blocks of the first layer."""
        if not self.first_layer_blocks:
            return super().n_parameters
        inside = sum(inputs * units for inputs, units in self.first_layer_blocks)
        return super().n_parameters - self.layer_sizes[0] * self.layer_sizes[1] + inside

    @property
    def changes_rates(self) -> bool:
        """Whether the learning rate or the momentum changes from epoch to epoch."""
        return bool(self.schedule) or self.rate_factor != 1 or self.inverse_rate_decay != 0

    def rates(self, epoch: int) -> tuple[float, float]:
        """Return learning rate ε and momentum α of an epoch, which is counted from 0."""
        rate, momentum = super().rates(epoch)
        for begins, its_rate, its_momentum in self.schedule:
            rate, momentum = (its_rate, its_momentum) if begins <= epoch else (rate, momentum)
        decayed = self.rate_factor ** (epoch // self.rate_period) / (1 + self.inverse_rate_decay * epoch)
        return rate * decayed, momentum


DONE_IN_FULL = ("scratch-numpy", "torch-eager", "torch-fused", "torch-loader")
"""Implementations that do every field of an `ExtendedRecipe`."""
_RATE_DECAY = ("rate_factor", "rate_period", "inverse_rate_decay")
DONE_IN_PART: dict[str, tuple[str, ...]] = {
    "scratch-compiled": (
        *("decay_biases", "nesterov", "dampened_momentum", "adam_reordered"),
        *("schedule", *_RATE_DECAY),
    ),
    "torch-compile": _RATE_DECAY,
    "jax": _RATE_DECAY,
    "keras": ("nesterov", "adam_reordered", *_RATE_DECAY),
    "sklearn": ("nesterov", "adam_reordered"),
    "tinygrad": ("nesterov",),
}
"""Implementations that do some of these fields, and which."""
DONE_BY_DATA = ("drop_last", "with_replacement", "standardize", "label_smoothing")
"""Fields of an `ExtendedRecipe` that change examples, targets and orders alone.

Every implementation does them, except that `sklearn` takes labels, which cannot be smoothed.
"""


def check_plain(implementation: str, recipe: Recipe) -> None:
    """Raise `UnsupportedRecipe` for what only `scratch-numpy` and three versions in PyTorch do.

    That are the additions of an `ExtendedRecipe`, except those that `data/` does for all and those that the
    implementation does all the same, outputs after tanh, and the squared error after softmax.
    """
    only = _only()
    for field in ExtendedRecipe.of(recipe).additions:
        if field not in (*DONE_BY_DATA, *DONE_IN_PART.get(implementation, ())):
            raise UnsupportedRecipe(implementation, field, _only(field))
    if recipe.output_activation == "tanh":
        raise UnsupportedRecipe(implementation, "output_activation", f"it is 'tanh'; {only}")
    if recipe.output_activation == "softmax" and recipe.loss == "squared_error":
        raise UnsupportedRecipe(implementation, "loss", f"it is 'squared_error' after softmax; {only}")


def _only(field: str = "") -> str:
    """Return who does what others refuse."""
    names = [*DONE_IN_FULL, *(name for name, fields in DONE_IN_PART.items() if field in fields)]
    return f"only {', '.join(names[:-1])} and {names[-1]} do it"


def _to_lists(value: Any) -> Any:
    return [_to_lists(item) for item in value] if isinstance(value, tuple) else value


def _to_tuples(value: Any) -> Any:
    return tuple(map(_to_tuples, value)) if isinstance(value, list | tuple) else value


CHOICES: dict[str, tuple[str, ...]] = {
    "hidden_activation": get_args(HiddenActivation),
    "output_activation": get_args(OutputActivation),
    "loss": get_args(Loss),
    "reduction": get_args(Reduction),
    "optimizer": get_args(Optimizer),
    "initialization": get_args(Initialization),
    "dtype": get_args(Dtype),
    "back_propagation": get_args(BackPropagation),
}


def _check_layer_sizes(sizes: object) -> None:
    expected = "at least an input and an output layer, each of 1 unit or more"
    if not isinstance(sizes, tuple) or len(sizes) < 2:
        raise refuse("layer_sizes", sizes, expected)
    for size in sizes:
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise refuse("layer_sizes", sizes, expected)


def _check_combinations(recipe: Recipe) -> None:
    """Refuse what is well formed field by field, but means nothing together."""
    softmax = recipe.output_activation == "softmax"
    if recipe.output_activation in ("identity", "tanh") and recipe.loss == "cross_entropy":
        raise InvalidRecipe(
            f"recipe: loss is 'cross_entropy' and output_activation is {recipe.output_activation!r}, whose outputs are "
            "no probabilities; expected output_activation 'softmax' or 'sigmoid'"
        )
    if softmax and recipe.layer_sizes[-1] < 2:
        raise refuse("layer_sizes", recipe.layer_sizes, "at least 2 output units, for softmax of one unit is always 1")
    if softmax and recipe.target_range != (0.0, 1.0):
        raise refuse("target_range", recipe.target_range, "(0.0, 1.0), for the targets of softmax are probabilities")
    if recipe.loss == "cross_entropy" and not 0 <= recipe.target_range[0] < recipe.target_range[1] <= 1:
        raise refuse("target_range", recipe.target_range, "a range inside [0, 1], for cross_entropy")
    if recipe.momentum and recipe.optimizer != "momentum":
        raise refuse("momentum", recipe.momentum, f"0 with optimizer {recipe.optimizer!r}")


def _check_blocks(recipe: ExtendedRecipe) -> None:
    blocks, sizes = recipe.first_layer_blocks, recipe.layer_sizes
    if blocks == ():
        return
    are_pairs = isinstance(blocks, tuple) and all(
        isinstance(pair, tuple) and len(pair) == 2 and all(type(size) is int and size > 0 for size in pair)
        for pair in blocks
    )
    if not are_pairs or len(sizes) < 3 or tuple(map(sum, zip(*blocks, strict=True))) != sizes[:2]:
        expected = (
            f"pairs of numbers of inputs and units that add up to {sizes[0]} and {sizes[1]}, before a hidden layer"
        )
        raise refuse("first_layer_blocks", blocks, expected)


def _check_schedule(recipe: ExtendedRecipe) -> None:
    expected = (
        "(epoch, learning rate, momentum) in the order of the epochs, the first of them 1 or above, rates above 0, "
        "momenta in [0, 1)"
    )
    last = 0
    for step in recipe.schedule if isinstance(recipe.schedule, tuple) else (None,):
        if not isinstance(step, tuple) or len(step) != 3 or type(step[0]) is not int or not all(map(is_finite, step)):
            raise refuse("schedule", recipe.schedule, expected)
        epoch, learning_rate, momentum = step
        if epoch <= last or learning_rate <= 0 or not 0 <= momentum < 1:
            raise refuse("schedule", recipe.schedule, expected)
        if momentum and not recipe.momentum:
            raise refuse("schedule", recipe.schedule, "momenta of 0 where the momentum of the first epoch is 0")
        last = epoch


def _check_dead_zone(recipe: ExtendedRecipe) -> None:
    zone = recipe.error_dead_zone
    if zone is None:
        return
    check_range("error_dead_zone", zone)
    if recipe.loss != "squared_error":
        raise refuse("error_dead_zone", zone, f"None with loss {recipe.loss!r}, whose error is never 0")


def _check_numbers_of_conventions(recipe: ExtendedRecipe) -> None:
    check_number("log_epsilon", recipe.log_epsilon, "a number in [0, 1)", lambda value: 0 <= value < 1)
    check_number("log_clip", recipe.log_clip, "a number in [0, 0.5)", lambda value: 0 <= value < 0.5)
    check_number("rate_factor", recipe.rate_factor, "a number in (0, 1]", lambda value: 0 < value <= 1)
    check_number("negative_slope", recipe.negative_slope, "a number in [0, 1)", lambda value: 0 <= value < 1)
    check_number("dropout", recipe.dropout, "a number in [0, 1)", lambda value: 0 <= value < 1)
    check_number("label_smoothing", recipe.label_smoothing, "a number in [0, 1)", lambda value: 0 <= value < 1)
    check_int("rate_period", recipe.rate_period, 1)
    check_number(
        "inverse_rate_decay", recipe.inverse_rate_decay, "a finite number of 0 or above", lambda value: value >= 0
    )


def _check_conventions(recipe: ExtendedRecipe) -> None:
    """Refuse conventions of what the recipe does not have, and two that exclude each other."""
    squared, momentum = recipe.loss == "squared_error", recipe.momentum > 0
    with_loss, with_optimizer = f"with loss {recipe.loss!r}", f"with optimizer {recipe.optimizer!r}"
    allowed = {
        "half": (squared, f"True {with_loss}"),
        "back_propagation": (squared, f"'gradient' {with_loss}"),
        "decay_biases": (recipe.weight_decay > 0 and recipe.bias, "True without weight_decay, or without biases"),
        "penalty_in_loss": (recipe.weight_decay > 0, "False without weight_decay"),
        "nesterov": (momentum and not recipe.dampened_momentum, "False without momentum, and beside dampened_momentum"),
        "dampened_momentum": (momentum, "False without momentum"),
        "adam_reordered": (recipe.optimizer == "adam", f"False {with_optimizer}"),
        "log_epsilon": (not squared, f"0 {with_loss}"),
        "log_clip": (not squared and not recipe.log_epsilon, f"0 {with_loss}, and beside log_epsilon"),
        "rate_factor": (not recipe.schedule, "1 beside a schedule"),
        "rate_period": (recipe.rate_factor != 1, "1 where rate_factor is 1"),
        "inverse_rate_decay": (not recipe.schedule, "0 beside a schedule"),
        "negative_slope": (
            recipe.hidden_activation == "relu",
            f"0 with hidden_activation {recipe.hidden_activation!r}",
        ),
        "dropout": (len(recipe.layer_sizes) > 2, "0 without a hidden layer"),
        "drop_last": (recipe.batch_size not in (None, 1), "False where a batch has all examples, or one"),
        "with_replacement": (recipe.shuffle, "False without shuffle"),
        "standardize": (recipe.input_range == (0.0, 1.0), "False beside an input_range"),
        "label_smoothing": (
            recipe.output_activation == "softmax" and not squared,
            "0 unless output_activation is 'softmax' and loss is 'cross_entropy'",
        ),
    }
    for name, value in recipe.additions.items():
        means_something, expected = allowed.get(name, (True, ""))
        if not means_something:
            raise refuse(name, value, expected)
