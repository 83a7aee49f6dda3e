import dataclasses
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backprop_bench.data import (
    CHOICES,
    RECIPES,
    ExtendedRecipe,
    InputError,
    InvalidRecipe,
    Recipe,
    UnsupportedRecipe,
    named_recipe,
)

POSITIVE = st.floats(1e-6, 1e6)
DECAY = st.floats(0, 1, exclude_max=True)
RANGE = st.tuples(st.floats(-10, 10), st.floats(0.001, 10)).map(lambda pair: (pair[0], pair[0] + pair[1]))
UNIT_RANGE = st.tuples(st.floats(0, 0.4), st.floats(0.6, 1))
OUTPUTS = (
    ("softmax", "cross_entropy"),
    ("sigmoid", "cross_entropy"),
    ("sigmoid", "squared_error"),
    ("identity", "squared_error"),
    ("tanh", "squared_error"),
    ("softmax", "squared_error"),
)


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    output_activation, loss = draw(st.sampled_from(OUTPUTS))
    optimizer = draw(st.sampled_from(CHOICES["optimizer"]))
    fields: dict[str, Any] = {
        name: draw(st.sampled_from(CHOICES[name]))
        for name in ("hidden_activation", "reduction", "initialization", "dtype")
    }
    fields |= {name: draw(POSITIVE) for name in ("learning_rate", "epsilon", "init_scale")}
    fields |= {name: draw(DECAY) for name in ("rmsprop_alpha", "beta1", "beta2")}
    fields |= {name: draw(st.booleans()) for name in ("bias", "shuffle")}
    return Recipe(
        **fields,
        layer_sizes=tuple(draw(st.lists(st.integers(2, 900), min_size=2, max_size=5))),
        output_activation=output_activation,  # type: ignore[arg-type]
        loss=loss,  # type: ignore[arg-type]
        optimizer=optimizer,  # type: ignore[arg-type]
        momentum=draw(DECAY) if optimizer == "momentum" else 0.0,
        batch_size=draw(st.none() | st.integers(1, 10**6)),
        weight_decay=draw(st.floats(0, 10)),
        epochs=draw(st.integers(0, 1000)),
        seed=draw(st.integers(0, 2**100)),
        input_range=draw(RANGE),
        target_range=(0.0, 1.0) if output_activation == "softmax" else draw(UNIT_RANGE),
    )


@given(recipe=recipes())
def test_a_recipe_survives_json(recipe: Recipe) -> None:
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe
    assert hash(Recipe.from_dict(recipe.to_dict())) == hash(recipe)


@given(recipe=recipes(), seed=st.integers(0, 100))
def test_replace_changes_what_it_is_told_to_and_nothing_else(recipe: Recipe, seed: int) -> None:
    changed = recipe.replace(seed=seed)
    assert changed.to_dict() == {**recipe.to_dict(), "seed": seed}


BOOLEANS = [0, 1, "yes", None]
COUNTS = [-1, 1.0, 2.5, True, "3", [1]]
NUMBERS = [math.nan, math.inf, -math.inf, 10**400, True, "0.1", None, [0.1]]
DECAYS = [*NUMBERS, -0.1, 1.0, 1]
RANGES = [None, 1.0, (0.0,), (0.0, 0.5, 1.0), (1.0, 0.0), (0.5, 0.5), (0.0, math.nan), (0.0, math.inf), (0, True), "01"]
BAD_VALUES: dict[str, list[Any]] = {
    "layer_sizes": [None, 784, (), (784,), (784, 0), (784, -1), (784, 10.0), (784, True), ("784", "10"), "10"],
    "hidden_activation": ["softmax", "Sigmoid", "", None, 3, []],
    "output_activation": ["relu", None, 1],
    "loss": ["mse", None, 1],
    "reduction": ["none", None, 1],
    "bias": BOOLEANS,
    "batch_size": [0, *COUNTS],
    "optimizer": ["lbfgs", None, 1],
    "learning_rate": [*NUMBERS, 0, -0.1],
    "momentum": DECAYS,
    "rmsprop_alpha": DECAYS,
    "beta1": DECAYS,
    "beta2": DECAYS,
    "epsilon": [*NUMBERS, 0, -1e-8],
    "weight_decay": [*NUMBERS, -1e-4],
    "initialization": ["zeros", None, 1],
    "init_scale": [*NUMBERS, 0.0, -0.3],
    "dtype": ["float16", float, None],
    "epochs": [*COUNTS, None],
    "shuffle": BOOLEANS,
    "seed": [*COUNTS, None],
    "input_range": RANGES,
    "target_range": RANGES,
    "skip_connection": BOOLEANS,
    "first_layer_blocks": [None, 3, (3,), ((784,),), ((784, 127),), ((784, 128.0),), ((0, 128), (784, 0)), "784:128"],
    "schedule": [None, 0.1, ((1, 0.1),), ((0, 0.1, 0.0),), ((1, 0.0, 0.0),), ((1, 0.1, 1.0),), ((1, 0.1, 0.5),)],
    "multiplicative_decay": DECAYS,
    "error_dead_zone": [*RANGES[1:], (0.2, 0.8)],
    "half": [*BOOLEANS, False],
    "mean_over_outputs": BOOLEANS,
    "back_propagation": ["error", None, 1, "errors"],
    "decay_biases": [*BOOLEANS, False],
    "penalty_in_loss": [*BOOLEANS, True],
    "nesterov": [*BOOLEANS, True],
    "dampened_momentum": [*BOOLEANS, True],
    "adam_reordered": [*BOOLEANS, True],
    "log_epsilon": DECAYS,
    "log_clip": [*NUMBERS, -0.1, 0.5],
    "negative_slope": [*DECAYS, 0.01],
    "dropout": DECAYS,
    "drop_last": BOOLEANS,
    "with_replacement": BOOLEANS,
    "standardize": BOOLEANS,
    "label_smoothing": DECAYS,
    "mixed_precision": BOOLEANS,
    "rate_factor": [*NUMBERS, -0.1, 0, 1.5],
    "rate_period": [0, *COUNTS, None, 2],
    "inverse_rate_decay": [*NUMBERS, -0.1],
}


def test_every_field_has_bad_values_below() -> None:
    assert set(BAD_VALUES) == {field.name for field in dataclasses.fields(ExtendedRecipe)}


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, values in BAD_VALUES.items() for value in values]
)
def test_a_bad_value_is_refused_with_its_field_and_what_was_expected(field: str, value: Any) -> None:
    with pytest.raises(InvalidRecipe) as caught:
        Recipe.from_dict({field: value})
    assert field in str(caught.value)
    assert "expected" in str(caught.value)
    assert isinstance(caught.value, InputError)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"output_activation": "identity"}, "identity"),
        ({"output_activation": "tanh"}, "tanh"),
        ({"layer_sizes": (784, 1)}, "layer_sizes"),
        ({"target_range": (0.01, 0.99)}, "target_range"),
        ({"output_activation": "sigmoid", "target_range": (-1.0, 1.0)}, "target_range"),
        ({"momentum": 0.9}, "momentum"),
        ({"momentum": 0.9, "optimizer": "adam"}, "momentum"),
    ],
)
def test_values_that_mean_nothing_together_are_refused(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidRecipe, match=named):
        Recipe(**fields)


def test_an_unknown_field_is_answered_with_the_known_ones() -> None:
    with pytest.raises(InvalidRecipe, match=r"no field 'learning_rat'; its fields are .*learning_rate"):
        Recipe.from_dict({"learning_rat": 0.1})
    with pytest.raises(InvalidRecipe, match="no field 'batchsize'"):
        Recipe().replace(batchsize=1)


@pytest.mark.parametrize("name", RECIPES)
def test_a_named_recipe_is_found_by_its_name(name: str) -> None:
    assert named_recipe(name) is RECIPES[name]


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(
        InvalidRecipe, match=r"'nope'; the named ones are shared, article-scratch, article-torch, rashid"
    ):
        named_recipe("nope")


@pytest.mark.parametrize(
    ("layer_sizes", "bias", "expected"),
    [((784, 128, 10), True, 101_770), ((784, 200, 10), False, 158_800), ((2, 3), True, 9), ((5, 4, 3, 2), True, 47)],
)
def test_parameters_are_counted(layer_sizes: tuple[int, ...], bias: bool, expected: int) -> None:
    assert Recipe(layer_sizes=layer_sizes, bias=bias).n_parameters == expected


def test_a_recipe_that_an_implementation_cannot_do_says_which_field_and_why() -> None:
    error = UnsupportedRecipe("scratch-x", "dtype", "it computes in float64 only")
    assert str(error) == "scratch-x cannot do this recipe: dtype: it computes in float64 only"
    assert (error.implementation, error.field, error.reason) == ("scratch-x", "dtype", "it computes in float64 only")
