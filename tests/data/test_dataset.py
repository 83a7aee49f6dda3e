import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from backprop_bench.data import (
    Dataset,
    InputError,
    Recipe,
    check_fit,
    evaluation_examples,
    initial_parameters,
    training_examples,
)
from backprop_bench.scratch.numpy_trainer import NumpyTrainer

RANGES = st.tuples(st.floats(-100, 100), st.floats(0.001, 100)).map(lambda pair: (pair[0], pair[0] + pair[1]))


def make_dataset(n_train: int = 10, n_test: int = 4, n_inputs: int = 6, n_classes: int = 3) -> Dataset:
    rng = np.random.default_rng(1)
    x = rng.integers(0, 256, (n_train + n_test, n_inputs), np.uint8)
    x[:, 0], x[:, 1] = 0, 255
    y = np.arange(n_train + n_test) % n_classes
    t = np.eye(n_classes, dtype=np.uint8)[y]
    return Dataset("made", x[:n_train], t[:n_train], y[:n_train], x[n_train:], t[n_train:], y[n_train:])


@given(
    input_range=RANGES,
    target_range=st.tuples(st.floats(0, 0.4), st.floats(0.5, 1)),
    dtype=st.sampled_from(["float32", "float64"]),
    stored=st.sampled_from(["uint8", "float32", "float64"]),
)
def test_the_smallest_and_largest_values_land_on_the_ends_of_the_ranges_exactly(
    input_range: tuple[float, float], target_range: tuple[float, float], dtype: str, stored: str
) -> None:
    dataset = make_dataset()
    dataset = dataclasses.replace(
        dataset, x_train=dataset.x_train.astype(stored), t_train=dataset.t_train.astype(stored)
    )
    recipe = Recipe.from_dict(
        {
            "layer_sizes": (6, 3),
            "output_activation": "sigmoid",
            "input_range": input_range,
            "target_range": target_range,
            "dtype": dtype,
        }
    )
    examples = training_examples(recipe, dataset)
    low, high = np.array(input_range, dtype)
    assert (examples.x[:, 0] == low).all()
    assert (examples.x[:, 1] == high).all()
    assert ((low <= examples.x) & (examples.x <= high)).all()
    low, high = np.array(target_range, dtype)
    assert np.array_equal(examples.t, np.where(dataset.t_train == 1, high, low))
    for array in (examples.x, examples.t):
        assert array.dtype == np.dtype(dtype)
        assert array.flags.c_contiguous


def test_what_lies_between_is_mapped_linearly() -> None:
    dataset = make_dataset()
    examples = training_examples(Recipe(layer_sizes=(6, 3), input_range=(-1.0, 1.0), dtype="float64"), dataset)
    np.testing.assert_allclose(examples.x, dataset.x_train / 127.5 - 1, rtol=0, atol=1e-15)


def test_pixels_and_floats_of_the_same_value_are_mapped_alike() -> None:
    dataset = make_dataset()
    floats = dataclasses.replace(dataset, x_train=dataset.x_train.astype(np.float64))
    recipe = Recipe(layer_sizes=(6, 3), input_range=(0.01, 1.0))
    assert np.array_equal(training_examples(recipe, dataset).x, training_examples(recipe, floats).x)


@pytest.mark.parametrize("x_max", [0.5, 1.0, 300.0])
def test_pixels_may_have_any_largest_value(x_max: float) -> None:
    dataset = dataclasses.replace(make_dataset(), x_max=x_max)
    examples = training_examples(Recipe(layer_sizes=(6, 3), dtype="float64"), dataset)
    np.testing.assert_allclose(examples.x, dataset.x_train / x_max)


def test_inputs_stored_column_by_column_become_contiguous() -> None:
    dataset = make_dataset()
    turned = dataclasses.replace(dataset, x_train=np.asfortranarray(dataset.x_train))
    assert training_examples(Recipe(layer_sizes=(6, 3)), turned).x.flags.c_contiguous


def test_training_and_evaluation_examples_are_not_mixed_up() -> None:
    dataset, recipe = make_dataset(), Recipe(layer_sizes=(6, 3))
    for examples, x, y in (
        (training_examples(recipe, dataset), dataset.x_train, dataset.y_train),
        (evaluation_examples(recipe, dataset), dataset.x_test, dataset.y_test),
    ):
        np.testing.assert_allclose(examples.x, x / 255, rtol=1e-6)
        assert np.array_equal(examples.y, y)
        assert np.array_equal(examples.t.argmax(axis=1), y)


def test_a_subset_is_the_first_examples() -> None:
    dataset = make_dataset()
    part = dataset.subset(3, 2)
    assert np.array_equal(part.x_train, dataset.x_train[:3])
    assert np.array_equal(part.t_train, dataset.t_train[:3])
    assert np.array_equal(part.y_train, dataset.y_train[:3])
    assert np.array_equal(part.x_test, dataset.x_test[:2])
    assert np.array_equal(part.t_test, dataset.t_test[:2])
    assert np.array_equal(part.y_test, dataset.y_test[:2])
    assert len(dataset.subset(None).x_train) == 10
    assert len(dataset.subset(3).x_test) == 4
    assert len(dataset.subset(99, 99).x_train) == 10


@pytest.mark.parametrize("n_examples", [1, 4, 9])
def test_held_out_examples_are_the_last_training_examples_and_no_longer_trained_on(n_examples: int) -> None:
    dataset = make_dataset()
    held = dataset.hold_out(n_examples)
    for part in ("x", "t", "y"):
        whole = getattr(dataset, f"{part}_train")
        assert np.array_equal(getattr(held, f"{part}_train"), whole[: 10 - n_examples])
        assert np.array_equal(getattr(held, f"{part}_test"), whole[10 - n_examples :])


@pytest.mark.parametrize("n_examples", [-1, 0, 10, 11])
def test_holding_out_none_or_all_is_refused(n_examples: int) -> None:
    with pytest.raises(InputError, match=f"cannot hold out {n_examples} of the 10 .* of made; expected 1 to 9"):
        make_dataset().hold_out(n_examples)


@pytest.mark.parametrize(
    ("layer_sizes", "message"),
    [
        ((7, 3), "first entry of layer_sizes is 7, but made has 6 inputs; expected 6"),
        ((6, 5, 4), "last entry of layer_sizes is 4, but made has 3 classes; expected 3"),
    ],
)
def test_a_recipe_that_does_not_fit_is_refused(layer_sizes: tuple[int, ...], message: str) -> None:
    recipe, dataset = Recipe(layer_sizes=layer_sizes), make_dataset()
    for use in (check_fit, training_examples, evaluation_examples):
        with pytest.raises(InputError, match=message):
            use(recipe, dataset)


def test_a_recipe_that_fits_is_not_refused() -> None:
    check_fit(Recipe(layer_sizes=(6, 99, 3)), make_dataset())
    assert (make_dataset().n_inputs, make_dataset().n_classes) == (6, 3)


def one_changed(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    changed = array.copy()
    changed[-1, -1] ^= 1
    return changed


@pytest.mark.parametrize("name", ["x_train", "t_train", "x_test", "t_test"])
def test_a_fingerprint_is_of_every_number_of_training_and_test_examples_with_shape_and_dtype(name: str) -> None:
    dataset = make_dataset()
    array = getattr(dataset, name)
    others = [one_changed(array), array.reshape(array.shape[::-1]), array.view(np.int8), array[:-1]]
    prints = [dataclasses.replace(dataset, **{name: other}).fingerprint() for other in others]
    assert len({dataset.fingerprint(), *prints}) == 1 + len(others)
    assert dataclasses.replace(dataset, **{name: array.copy()}).fingerprint() == dataset.fingerprint()


def test_standardised_inputs_have_mean_0_and_deviation_1_over_all_training_pixels() -> None:
    rng = np.random.default_rng(3)
    x = rng.integers(0, 256, (2500, 6)).astype(np.uint8)
    y = np.arange(2500) % 2
    t = np.eye(2, dtype=np.uint8)[y]
    dataset = Dataset("made up", x, t, y, x[:4] // 2, t[:4], y[:4])
    recipe = Recipe(layer_sizes=(6, 2), dtype="float64").replace(standardize=True)
    examples, test = training_examples(recipe, dataset), evaluation_examples(recipe, dataset)
    assert abs(examples.x.mean()) < 1e-12
    assert abs(examples.x.std() - 1) < 1e-12
    np.testing.assert_allclose(test.x, (x[:4] // 2 - x.mean()) / x.std(), rtol=1e-12)
    np.testing.assert_array_equal(examples.t, training_examples(recipe.replace(standardize=False), dataset).t)
    blank = dataclasses.replace(dataset, x_train=np.zeros_like(x))
    with pytest.raises(InputError, match="all training inputs of made up are equal"):
        training_examples(recipe, blank)


@pytest.mark.parametrize("smoothing", [0.1, 0.6])
def test_smoothed_labels_give_the_loss_and_the_gradients_of_pytorch(smoothing: float) -> None:
    recipe = Recipe(layer_sizes=(12, 5), dtype="float64", batch_size=None).replace(label_smoothing=smoothing)
    dataset = make_dataset(n_inputs=12, n_classes=5)
    examples, test = training_examples(recipe, dataset), evaluation_examples(recipe, dataset)
    np.testing.assert_array_equal(test.t, dataset.t_test, err_msg="those of the test are as they are")
    np.testing.assert_allclose(examples.t.sum(axis=1), 1, rtol=1e-12)
    (layer,) = initial_parameters(recipe)
    weight = torch.tensor(layer.weight, requires_grad=True)
    z = torch.from_numpy(examples.x) @ weight + torch.tensor(layer.bias)
    loss = torch.nn.functional.cross_entropy(z, torch.from_numpy(examples.y), label_smoothing=smoothing)
    (expected,) = torch.autograd.grad(loss, (weight,))
    network = NumpyTrainer(recipe, (layer,))
    (gradients,) = network.gradients(examples.x, examples.t)
    np.testing.assert_allclose(gradients.weight, expected.numpy(), rtol=1e-12, atol=1e-15)
    assert network.train_epoch(examples.x, examples.t, np.arange(len(examples.x))) == pytest.approx(
        loss.item(), rel=1e-12
    )
