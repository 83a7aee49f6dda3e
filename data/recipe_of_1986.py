"""`Recipe1986`: what the experiments of 1986 add to a plain network, and how others refuse it."""

import dataclasses
from typing import Any

from backprop_bench.data.errors import UnsupportedRecipe
from backprop_bench.data.field_checks import check_bool, check_number, check_range, is_finite, refuse
from backprop_bench.data.recipe import Recipe


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe1986(Recipe):
    """A recipe with fields that only the experiments of 1986 need; their defaults change nothing.

    :meth:`Recipe.from_dict` and :meth:`Recipe.replace` return this class where one of them is not its default.

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
    """

    skip_connection: bool = False
    first_layer_blocks: tuple[tuple[int, int], ...] = ()
    schedule: tuple[tuple[int, float, float], ...] = ()
    multiplicative_decay: float = 0.0
    error_dead_zone: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_bool("skip_connection", self.skip_connection)
        check_number(
            "multiplicative_decay", self.multiplicative_decay, "a number in [0, 1)", lambda value: 0 <= value < 1
        )
        _check_blocks(self)
        _check_schedule(self)
        _check_dead_zone(self)
        if self.skip_connection and len(self.layer_sizes) < 3:
            raise refuse("skip_connection", True, "False without a hidden layer, for there is nothing to skip")

    @classmethod
    def of(cls, recipe: Recipe) -> "Recipe1986":
        """Return the same recipe with all fields of this class: of a plain one they are the defaults."""
        if isinstance(recipe, cls):
            return recipe
        return cls(**{field.name: getattr(recipe, field.name) for field in dataclasses.fields(recipe)})

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

    def rates(self, epoch: int) -> tuple[float, float]:
        """Return learning rate ε and momentum α of an epoch, which is counted from 0."""
        rates = super().rates(epoch)
        for begins, learning_rate, momentum in self.schedule:
            rates = (learning_rate, momentum) if begins <= epoch else rates
        return rates


def check_plain(implementation: str, recipe: Recipe) -> None:
    """Raise `UnsupportedRecipe` for a `Recipe1986` that is no plain recipe."""
    for field in Recipe1986.of(recipe).additions:
        raise UnsupportedRecipe(implementation, field, "only scratch-numpy and torch-eager support it")


def _check_blocks(recipe: Recipe1986) -> None:
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


def _check_schedule(recipe: Recipe1986) -> None:
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


def _check_dead_zone(recipe: Recipe1986) -> None:
    zone = recipe.error_dead_zone
    if zone is None:
        return
    check_range("error_dead_zone", zone)
    if recipe.loss != "squared_error":
        raise refuse("error_dead_zone", zone, f"None with loss {recipe.loss!r}, whose error is never 0")
