"""What extends a recipe: the impossible is refused by field, and who cannot do it says so."""

from typing import Any

import numpy as np
import pytest

from backprop_bench.bench.core.implementations import IMPLEMENTATIONS
from backprop_bench.data import (
    ExtendedRecipe,
    InvalidRecipe,
    Recipe,
    UnsupportedRecipe,
    check_plain,
    connections,
    initial_parameters,
)

NETWORK = Recipe(
    layer_sizes=(3, 4, 2), output_activation="sigmoid", loss="squared_error", optimizer="momentum", momentum=0.5
)
FIELDS: dict[str, Any] = {
    "skip_connection": True,
    "first_layer_blocks": ((1, 2), (2, 2)),
    "schedule": ((2, 0.1, 0.9),),
    "multiplicative_decay": 0.1,
    "error_dead_zone": (0.2, 0.8),
    "half": False,
    "mean_over_outputs": True,
    "back_propagation": "errors",
}
NEEDS_SQUARED_ERROR = ("error_dead_zone", "half", "back_propagation")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"first_layer_blocks": ((1, 2), (1, 2))},
            "first_layer_blocks is .*, expected pairs of numbers .* that add up to 3 and 4",
        ),
        ({"first_layer_blocks": ((3, 4, 0),)}, "first_layer_blocks is"),
        ({"first_layer_blocks": ((3.0, 4),)}, "first_layer_blocks is"),
        ({"first_layer_blocks": ((0, 2), (3, 2))}, "first_layer_blocks is"),
        ({"first_layer_blocks": 3}, "first_layer_blocks is"),
        ({"layer_sizes": (3, 4), "first_layer_blocks": ((3, 4),)}, "first_layer_blocks is .* before a hidden layer"),
        ({"schedule": ((0, 0.1, 0.5),)}, "schedule is .*, expected .* the first of them 1 or above"),
        ({"schedule": ((2, 0.1, 0.5), (2, 0.1, 0.5))}, "schedule is .* in the order of the epochs"),
        ({"schedule": ((2, 0.0, 0.5),)}, "schedule is"),
        ({"schedule": ((2, 0.1, 1.0),)}, "schedule is"),
        ({"schedule": ((2, 0.1),)}, "schedule is"),
        ({"schedule": 0.1}, "schedule is"),
        ({"optimizer": "sgd", "momentum": 0.0, "schedule": ((2, 0.1, 0.5),)}, "expected momenta of 0 where"),
        ({"multiplicative_decay": 1.0}, "multiplicative_decay is 1.0"),
        ({"error_dead_zone": (0.8, 0.2)}, "error_dead_zone is .*, expected two finite numbers"),
        (
            {"error_dead_zone": (0.2, 0.8), "loss": "cross_entropy"},
            "error_dead_zone is .*, expected None with loss 'cross_entropy'",
        ),
        (
            {"layer_sizes": (3, 2), "skip_connection": True},
            "skip_connection is True, expected False without a hidden layer",
        ),
        ({"skip_connection": 1}, "skip_connection is 1, expected True or False"),
        ({"half": False, "loss": "cross_entropy"}, "half is False, expected True with loss 'cross_entropy'"),
        (
            {"back_propagation": "errors", "loss": "cross_entropy"},
            "back_propagation is 'errors', expected 'gradient' with loss 'cross_entropy'",
        ),
    ],
)
def test_what_is_impossible_is_refused_by_field(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRecipe, match=words):
        NETWORK.replace(**changes)


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_makes_the_subclass_and_its_default_a_plain_recipe(field: str) -> None:
    extended = NETWORK.replace(**{field: FIELDS[field]})
    assert isinstance(extended, ExtendedRecipe)
    assert extended.additions == {field: FIELDS[field]}
    plain = extended.replace(**{field: getattr(ExtendedRecipe(), field)})
    assert type(plain) is Recipe
    assert plain == NETWORK
    assert field not in plain.to_dict()


def test_a_plain_recipe_has_no_additions() -> None:
    full = ExtendedRecipe.of(NETWORK)
    assert full.additions == {}
    assert full.weight_shapes == NETWORK.weight_shapes
    assert full.n_parameters == NETWORK.n_parameters
    assert full.rates(3) == NETWORK.rates(3)
    assert Recipe.from_dict(full.to_dict()) == NETWORK


@pytest.mark.parametrize("field", FIELDS)
def test_who_supports_plain_recipes_only_names_the_field(field: str) -> None:
    check_plain("mine", NETWORK)
    check_plain("mine", ExtendedRecipe.of(NETWORK))
    with pytest.raises(UnsupportedRecipe, match=f"^mine cannot do this recipe: {field}: "):
        check_plain("mine", NETWORK.replace(**{field: FIELDS[field]}))


def test_nested_rows_survive_plain_values() -> None:
    recipe = NETWORK.replace(**FIELDS)
    assert Recipe.from_dict(recipe.to_dict()) == recipe
    assert recipe.to_dict()["first_layer_blocks"] == [[1, 2], [2, 2]]


def test_rates_change_from_their_epoch_on() -> None:
    recipe = NETWORK.replace(learning_rate=0.5, schedule=((2, 0.1, 0.9), (5, 0.01, 0.0)))
    assert [recipe.rates(epoch) for epoch in (0, 1, 2, 4, 5, 99)] == [
        *[(0.5, 0.5)] * 2,
        *[(0.1, 0.9)] * 2,
        *[(0.01, 0.0)] * 2,
    ]


def test_weights_outside_the_blocks_are_0_and_the_others_are_as_they_were_drawn() -> None:
    in_blocks = NETWORK.replace(first_layer_blocks=FIELDS["first_layer_blocks"])
    connected = connections(in_blocks)
    assert connected is not None
    assert connected.tolist() == [[1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]]
    plain, masked = initial_parameters(NETWORK)[0].weight, initial_parameters(in_blocks)[0].weight
    assert np.array_equal(masked, plain * connected)
    assert (masked[connected == 1] != 0).all()
    assert in_blocks.n_parameters == NETWORK.n_parameters - 6


def test_skip_connections_are_more_rows_of_the_last_layer() -> None:
    skipping = NETWORK.replace(skip_connection=True)
    assert [layer.weight.shape for layer in initial_parameters(skipping)] == [(3, 4), (7, 2)]
    assert skipping.n_parameters == NETWORK.n_parameters + 6


@pytest.mark.slow
@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("name", IMPLEMENTATIONS)
def test_who_cannot_do_it_says_so_by_field(name: str, field: str) -> None:
    known = IMPLEMENTATIONS[name]
    if known.unavailable() is not None:
        pytest.skip(f"{name} is unavailable here: {known.unavailable()}")
    dtype = "float64" if name == "scratch-python" else "float32"
    base = NETWORK.replace(optimizer="sgd", momentum=0.0, dtype=dtype)
    if name == "sklearn":
        base = base.replace(layer_sizes=(3, 4, 3), output_activation="softmax", loss="cross_entropy")
    value = ((2, 0.1, 0.0),) if field == "schedule" else FIELDS[field]
    if name == "sklearn" and field in NEEDS_SQUARED_ERROR:
        pytest.skip("it does no squared error, which the field needs")
    recipe = base.replace(**{field: value})
    make = known.load()
    if name in ("scratch-numpy", "torch-eager", "torch-fused", "torch-loader"):
        make(recipe, initial_parameters(recipe))
        return
    with pytest.raises(UnsupportedRecipe, match=f"{name} cannot do this recipe: {field}"):
        make(recipe, initial_parameters(recipe))
