import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backprop_bench.data import CHOICES, Recipe, batch_order, check_order, copy_parameters, initial_parameters

FAN_IN, FAN_OUT = 500, 300
STANDARD_DEVIATIONS = {
    "normal": 0.07,
    "lecun_normal": math.sqrt(1 / FAN_IN),
    "fan_out_normal": math.sqrt(1 / FAN_OUT),
    "xavier_normal": math.sqrt(2 / (FAN_IN + FAN_OUT)),
    "he_normal": math.sqrt(2 / FAN_IN),
}
HALF_WIDTHS = {
    "uniform": 0.07,
    "xavier_uniform": math.sqrt(6 / (FAN_IN + FAN_OUT)),
    "he_uniform": math.sqrt(6 / FAN_IN),
    "torch_linear": 1 / math.sqrt(FAN_IN),
}
DRAWS_BIASES = {"uniform", "normal", "torch_linear"}


def recipe_of(initialization: str, **fields: object) -> Recipe:
    sizes = [FAN_IN, FAN_OUT, 10]
    return Recipe.from_dict({"layer_sizes": sizes, "initialization": initialization, "init_scale": 0.07, **fields})


def test_every_initialization_is_tested_below() -> None:
    assert {*STANDARD_DEVIATIONS, *HALF_WIDTHS} == set(CHOICES["initialization"])


@pytest.mark.parametrize(("initialization", "expected"), STANDARD_DEVIATIONS.items())
def test_normal_weights_have_the_standard_deviation_of_their_formula(initialization: str, expected: float) -> None:
    weight = initial_parameters(recipe_of(initialization, dtype="float64"))[0].weight
    assert weight.std() == pytest.approx(expected, rel=0.01)
    assert abs(weight.mean()) < 4 * expected / math.sqrt(weight.size)
    assert abs(weight).max() > 3.5 * expected  # no uniform distribution of that deviation reaches so far


@pytest.mark.parametrize(("initialization", "expected"), HALF_WIDTHS.items())
def test_uniform_weights_fill_the_range_of_their_formula(initialization: str, expected: float) -> None:
    weight = initial_parameters(recipe_of(initialization, dtype="float64"))[0].weight
    assert -expected <= weight.min() < -0.999 * expected
    assert 0.999 * expected < weight.max() <= expected
    assert weight.std() == pytest.approx(expected / math.sqrt(3), rel=0.01)


@pytest.mark.parametrize("initialization", CHOICES["initialization"])
def test_biases_are_drawn_or_zero_as_documented(initialization: str) -> None:
    for layer in initial_parameters(recipe_of(initialization)):
        assert layer.bias is not None
        assert layer.bias.any() == (initialization in DRAWS_BIASES)
        if initialization in HALF_WIDTHS:
            assert abs(layer.bias).max() <= abs(layer.weight).max() * 1.01


@pytest.mark.parametrize("initialization", CHOICES["initialization"])
def test_float32_weights_are_the_rounded_float64_weights(initialization: str) -> None:
    single = initial_parameters(recipe_of(initialization, dtype="float32"))
    double = initial_parameters(recipe_of(initialization, dtype="float64"))
    for small, large in zip(single, double, strict=True):
        for rounded, exact in zip(small.arrays(), large.arrays(), strict=True):
            assert rounded.dtype == np.float32
            assert exact.dtype == np.float64
            assert np.array_equal(rounded, exact.astype(np.float32))


@given(sizes=st.lists(st.integers(1, 20), min_size=2, max_size=5), bias=st.booleans(), seed=st.integers(0, 2**70))
def test_shapes_follow_the_layer_sizes_and_the_seed_decides_the_values(sizes: list[int], bias: bool, seed: int) -> None:
    recipe = Recipe.from_dict(
        {"layer_sizes": [*sizes, 2], "bias": bias, "seed": seed, "output_activation": "sigmoid", "dtype": "float64"}
    )
    parameters, again = initial_parameters(recipe), initial_parameters(recipe)
    other = initial_parameters(recipe.replace(seed=seed + 1))
    assert [layer.weight.shape for layer in parameters] == list(pairwise(recipe.layer_sizes))
    assert sum(array.size for layer in parameters for array in layer.arrays()) == recipe.n_parameters
    for layer, same, different in zip(parameters, again, other, strict=True):
        assert (layer.bias is not None) == bias
        assert layer.weight.flags.c_contiguous
        assert np.array_equal(layer.weight, same.weight)
        assert not np.array_equal(layer.weight, different.weight)


def test_weights_do_not_depend_on_what_they_should_not_depend_on() -> None:
    recipe = Recipe()
    other = recipe.replace(batch_size=1, optimizer="adam", epochs=9, shuffle=False, learning_rate=3.0)
    for layer, same in zip(initial_parameters(recipe), initial_parameters(other), strict=True):
        assert np.array_equal(layer.weight, same.weight)


def test_copies_share_no_memory() -> None:
    parameters = initial_parameters(Recipe())
    for layer, copy in zip(parameters, copy_parameters(parameters), strict=True):
        for array, copied in zip(layer.arrays(), copy.arrays(), strict=True):
            assert np.array_equal(array, copied)
            assert not np.shares_memory(array, copied)
    without = copy_parameters(initial_parameters(Recipe(bias=False)))
    assert all(layer.bias is None and len(layer.arrays()) == 1 for layer in without)


@given(n_examples=st.integers(0, 500), epoch=st.integers(0, 10**6), seed=st.integers(0, 2**70), shuffle=st.booleans())
def test_an_order_visits_every_example_once_and_is_always_the_same(
    n_examples: int, epoch: int, seed: int, shuffle: bool
) -> None:
    recipe = Recipe(seed=seed, shuffle=shuffle)
    order = batch_order(recipe, n_examples, epoch)
    assert order.dtype == np.int64
    assert np.array_equal(np.sort(order), np.arange(n_examples))
    assert np.array_equal(order, batch_order(recipe, n_examples, epoch))


def test_orders_differ_by_epoch_and_by_seed() -> None:
    orders = [batch_order(Recipe(seed=seed), 1000, epoch) for seed in range(3) for epoch in range(3)]
    assert len({order.tobytes() for order in orders}) == 9


def test_without_shuffling_every_order_is_that_of_the_file() -> None:
    for epoch in range(3):
        assert np.array_equal(batch_order(Recipe(shuffle=False), 10, epoch), np.arange(10))


def test_weights_and_every_order_are_drawn_from_random_streams_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    streams: list[int] = []
    make = np.random.default_rng

    def noted(seed: object) -> np.random.Generator:
        generator = make(seed)  # type: ignore[arg-type]
        streams.append(generator.bit_generator.state["state"]["state"])
        return generator

    monkeypatch.setattr(np.random, "default_rng", noted)
    for seed in range(4):
        recipe = Recipe(layer_sizes=(4, 3, 2), seed=seed)
        initial_parameters(recipe)
        for epoch in range(4):
            batch_order(recipe, 10, epoch)
    assert len(streams) == len(set(streams)) == 4 * (1 + 4)


def test_the_short_last_batch_can_be_left_out() -> None:
    recipe = Recipe(batch_size=8)
    whole, dropped = batch_order(recipe, 21, 3), batch_order(recipe.replace(drop_last=True), 21, 3)
    assert dropped.tolist() == whole[:16].tolist()
    assert batch_order(recipe.replace(drop_last=True, shuffle=False), 21, 0).tolist() == list(range(16))
    assert len(batch_order(recipe.replace(drop_last=True), 24, 0)) == 24
    assert len(batch_order(recipe.replace(drop_last=True), 5, 0)) == 5, "the only batch is not left out"


def test_examples_can_be_drawn_with_replacement() -> None:
    recipe = Recipe().replace(with_replacement=True)
    order = batch_order(recipe, 1000, 0)
    assert order.dtype == np.int64
    assert len(order) == 1000
    assert order.min() >= 0
    assert order.max() < 1000
    assert 580 < len(set(order.tolist())) < 690  # 1 - 1/e of them are expected
    assert batch_order(recipe, 1000, 0).tolist() == order.tolist()
    assert batch_order(recipe, 1000, 1).tolist() != order.tolist()


@pytest.mark.parametrize("order", [[-1, 0, 1], [0, 1, 3]])
def test_an_order_that_names_an_example_just_outside_is_refused(order: list[int]) -> None:
    with pytest.raises(IndexError, match=rf"from {min(order)} to {max(order)}, of 3$"):
        check_order(np.array(order), 3)


def test_an_order_may_name_the_first_and_the_last_example() -> None:
    check_order(np.array([2, 0, 2]), 3)
