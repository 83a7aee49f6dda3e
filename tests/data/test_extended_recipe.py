"""What extends a recipe: the impossible is refused by field, and who cannot do it says so."""

from typing import Any

import numpy as np
import pytest

from backprop_bench.bench.core.implementations import IMPLEMENTATIONS
from backprop_bench.data import (
    DONE_IN_PART,
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
    "decay_biases": False,
    "penalty_in_loss": True,
    "nesterov": True,
    "dampened_momentum": True,
    "adam_reordered": True,
    "log_epsilon": 1e-8,
    "log_clip": 1e-8,
    "rate_factor": 0.5,
    "rate_period": 3,
    "inverse_rate_decay": 0.1,
    "negative_slope": 0.01,
    "dropout": 0.3,
    "mixed_precision": True,
}
DONE_BY_ALL: dict[str, Any] = {
    "drop_last": True,
    "with_replacement": True,
    "standardize": True,
    "label_smoothing": 0.1,
}
VALUES: dict[str, Any] = {
    "output_activation": {"output_activation": "tanh", "target_range": (-1.0, 1.0)},
    "loss": {"output_activation": "softmax", "loss": "squared_error"},
}
"""Values of fields of a plain recipe that only these two do."""
NEEDS: dict[str, dict[str, Any]] = {
    "decay_biases": {"weight_decay": 0.01},
    "penalty_in_loss": {"weight_decay": 0.01},
    "nesterov": {"optimizer": "momentum", "momentum": 0.5},
    "dampened_momentum": {"optimizer": "momentum", "momentum": 0.5},
    "adam_reordered": {"optimizer": "adam", "momentum": 0.0},
    "log_epsilon": {"loss": "cross_entropy"},
    "log_clip": {"loss": "cross_entropy"},
    "rate_period": {"rate_factor": 0.5},
    "negative_slope": {"hidden_activation": "relu"},
    "label_smoothing": {"output_activation": "softmax", "loss": "cross_entropy"},
}
"""What a field needs to mean something."""


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
        ({"decay_biases": False}, "decay_biases is False, expected True without weight_decay"),
        ({"decay_biases": False, "weight_decay": 0.1, "bias": False}, "decay_biases is .* without biases"),
        ({"penalty_in_loss": True}, "penalty_in_loss is True, expected False without weight_decay"),
        ({"nesterov": True, "momentum": 0.0}, "nesterov is True, expected False without momentum"),
        ({"nesterov": True, "dampened_momentum": True}, "nesterov is True, .* beside dampened_momentum"),
        ({"adam_reordered": True}, "adam_reordered is True, expected False with optimizer 'momentum'"),
        ({"log_epsilon": 1e-8}, "log_epsilon is 1e-08, expected 0 with loss 'squared_error'"),
        (
            {"loss": "cross_entropy", "log_epsilon": 1e-8, "log_clip": 1e-8},
            "log_clip is 1e-08, expected .* beside log_epsilon",
        ),
        ({"rate_factor": 0.5, "schedule": ((2, 0.1, 0.5),)}, "rate_factor is 0.5, expected 1 beside a schedule"),
        ({"negative_slope": 0.01}, "negative_slope is 0.01, expected 0 with hidden_activation 'sigmoid'"),
        ({"dropout": 0.3, "layer_sizes": (3, 2)}, "dropout is 0.3, expected 0 without a hidden layer"),
        ({"drop_last": True, "batch_size": None}, "drop_last is True, expected False where a batch has all examples"),
        ({"with_replacement": True, "shuffle": False}, "with_replacement is True, expected False without shuffle"),
        ({"standardize": True, "input_range": (0.0, 2.0)}, "standardize is True, expected False beside an input_range"),
        (
            {"label_smoothing": 0.1, "output_activation": "sigmoid"},
            "label_smoothing is 0.1, expected 0 unless output_act",
        ),
        (
            {"label_smoothing": 1.0, "output_activation": "softmax"},
            r"label_smoothing is 1.0, expected a number in \[0, 1\)",
        ),
        ({"rate_period": 3}, "rate_period is 3, expected 1 where rate_factor is 1"),
    ],
)
def test_what_is_impossible_is_refused_by_field(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRecipe, match=words):
        NETWORK.replace(**changes)


def changes_for(field: str) -> dict[str, Any]:
    """Return a field's value, and what it needs."""
    return VALUES.get(field) or {**NEEDS.get(field, {}), field: (FIELDS | DONE_BY_ALL)[field]}


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_makes_the_subclass_and_its_default_a_plain_recipe(field: str) -> None:
    base = NETWORK.replace(**NEEDS.get(field, {}))
    extended = base.replace(**{field: FIELDS[field]})
    assert isinstance(extended, ExtendedRecipe)
    assert extended.additions == {**ExtendedRecipe.of(base).additions, field: FIELDS[field]}
    assert extended.to_dict()[field] is not None
    back = extended.replace(**{field: getattr(ExtendedRecipe(), field)})
    assert back == base
    assert field not in back.to_dict()
    assert (type(back) is Recipe) == (field != "rate_period")


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
    refused = "rate_factor" if field == "rate_period" else field
    with pytest.raises(UnsupportedRecipe, match=f"^mine cannot do this recipe: {refused}: "):
        check_plain("mine", NETWORK.replace(**changes_for(field)))


def test_nested_rows_survive_plain_values() -> None:
    recipe = NETWORK.replace(first_layer_blocks=FIELDS["first_layer_blocks"], schedule=FIELDS["schedule"])
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
@pytest.mark.parametrize("field", VALUES)
def test_a_value_that_only_these_two_do_is_named_too(field: str) -> None:
    recipe = NETWORK.replace(**VALUES[field])
    assert type(recipe) is Recipe
    with pytest.raises(UnsupportedRecipe, match=f"^mine cannot do this recipe: {field}: "):
        check_plain("mine", recipe)


@pytest.mark.parametrize("field", DONE_BY_ALL)
def test_what_changes_examples_and_orders_alone_is_done_by_all(field: str) -> None:
    check_plain("mine", NETWORK.replace(**changes_for(field)))


@pytest.mark.slow
@pytest.mark.parametrize("field", [*FIELDS, *VALUES, *DONE_BY_ALL])
@pytest.mark.parametrize("name", IMPLEMENTATIONS)
def test_who_cannot_do_it_says_so_by_field(name: str, field: str) -> None:
    known = IMPLEMENTATIONS[name]
    if known.unavailable() is not None:
        pytest.skip(f"{name} is unavailable here: {known.unavailable()}")
    dtype = "float64" if name == "scratch-python" else "float32"
    base = NETWORK.replace(optimizer="sgd", momentum=0.0, dtype=dtype)
    if name == "sklearn":
        base = base.replace(layer_sizes=(3, 4, 3), output_activation="softmax", loss="cross_entropy")
    changes = {**changes_for(field), **({"schedule": ((2, 0.1, 0.0),)} if field == "schedule" else {})}
    try:
        recipe = base.replace(**changes)
    except InvalidRecipe:
        assert name == "sklearn"
        pytest.skip("it does no squared error, which the field needs")
    make = known.load()
    does_it = field in DONE_BY_ALL or field in DONE_IN_PART.get(name, ())
    if (name, field) == ("sklearn", "label_smoothing"):
        does_it = False  # it takes labels
    if does_it or name in ("scratch-numpy", "torch-eager", "torch-fused", "torch-loader"):
        make(recipe, initial_parameters(recipe))
        return
    refused = "|".join(changes)
    with pytest.raises(UnsupportedRecipe, match=f"{name} cannot do this recipe: ({refused})"):
        make(recipe, initial_parameters(recipe))
