"""What the experiments of 1986 add to a recipe: the impossible is refused by field, and who cannot do it says so."""

from typing import Any

import numpy as np
import pytest

from backprop_bench.bench.core.implementations import IMPLEMENTATIONS
from backprop_bench.data import InvalidRecipe, Recipe, UnsupportedRecipe, connections, initial_parameters

NETWORK = Recipe(
    layer_sizes=(3, 4, 2), output_activation="sigmoid", loss="squared_error", optimizer="momentum", momentum=0.5
)
FIELDS: dict[str, Any] = {
    "direct": True,
    "groups": ((1, 2), (2, 2)),
    "schedule": ((2, 0.1, 0.9),),
    "shrinkage": 0.1,
    "margin": (0.2, 0.8),
}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"groups": ((1, 2), (1, 2))}, "groups is .*, expected pairs of numbers .* that add up to 3 and 4"),
        ({"groups": ((3, 4, 0),)}, "groups is"),
        ({"groups": ((3.0, 4),)}, "groups is"),
        ({"groups": ((0, 2), (3, 2))}, "groups is"),
        ({"groups": 3}, "groups is"),
        ({"layer_sizes": (3, 4), "groups": ((3, 4),)}, "groups is .* before a hidden layer"),
        ({"schedule": ((0, 0.1, 0.5),)}, "schedule is .*, expected .* the first of them 1 or above"),
        ({"schedule": ((2, 0.1, 0.5), (2, 0.1, 0.5))}, "schedule is .* in the order of the epochs"),
        ({"schedule": ((2, 0.0, 0.5),)}, "schedule is"),
        ({"schedule": ((2, 0.1, 1.0),)}, "schedule is"),
        ({"schedule": ((2, 0.1),)}, "schedule is"),
        ({"schedule": 0.1}, "schedule is"),
        ({"optimizer": "sgd", "momentum": 0.0, "schedule": ((2, 0.1, 0.5),)}, "expected momenta of 0 where"),
        ({"shrinkage": 1.0}, "shrinkage is 1.0"),
        ({"margin": (0.8, 0.2)}, "margin is .*, expected two finite numbers"),
        ({"margin": (0.2, 0.8), "loss": "cross_entropy"}, "margin is .*, expected None with loss 'cross_entropy'"),
        ({"layer_sizes": (3, 2), "direct": True}, "direct is True, expected False without a hidden layer"),
        ({"direct": 1}, "direct is 1, expected True or False"),
    ],
)
def test_what_is_impossible_is_refused_by_field(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRecipe, match=words):
        NETWORK.replace(**changes)


def test_nested_rows_survive_plain_values() -> None:
    recipe = NETWORK.replace(**FIELDS)
    assert Recipe.from_dict(recipe.to_dict()) == recipe
    assert recipe.to_dict()["groups"] == [[1, 2], [2, 2]]


def test_rates_change_from_their_epoch_on() -> None:
    recipe = NETWORK.replace(learning_rate=0.5, schedule=((2, 0.1, 0.9), (5, 0.01, 0.0)))
    assert [recipe.rates(epoch) for epoch in (0, 1, 2, 4, 5, 99)] == [
        *[(0.5, 0.5)] * 2,
        *[(0.1, 0.9)] * 2,
        *[(0.01, 0.0)] * 2,
    ]


def test_groups_have_no_weights_between_them_and_leave_the_others_as_they_were_drawn() -> None:
    grouped = NETWORK.replace(groups=FIELDS["groups"])
    connected = connections(grouped)
    assert connected is not None
    assert connected.tolist() == [[1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]]
    plain, found = initial_parameters(NETWORK)[0].weight, initial_parameters(grouped)[0].weight
    assert np.array_equal(found, plain * connected)
    assert (found[connected == 1] != 0).all()
    assert grouped.n_parameters == NETWORK.n_parameters - 6


def test_direct_connections_are_more_rows_of_the_last_layer() -> None:
    direct = NETWORK.replace(direct=True)
    assert [layer.weight.shape for layer in initial_parameters(direct)] == [(3, 4), (7, 2)]
    assert direct.n_parameters == NETWORK.n_parameters + 6


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
    if name == "sklearn" and field == "margin":
        pytest.skip("it does no squared error, which a margin needs")
    recipe = base.replace(**{field: value})
    make = known.load()
    if name in ("scratch-numpy", "torch-eager", "torch-fused", "torch-loader"):
        make(recipe, initial_parameters(recipe))
        return
    with pytest.raises(UnsupportedRecipe, match=f"{name} cannot do this recipe: {field}"):
        make(recipe, initial_parameters(recipe))
