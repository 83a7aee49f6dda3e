"""bfloat16 in NumPy is that of PyTorch, and a mistake is still found where products are computed in it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from backprop_bench.bench.verify.checks import compare_gradients, compare_outputs, compare_training, first_batch
from backprop_bench.data import Floats, Layer, Parameters, Recipe, Trainer, initial_parameters
from backprop_bench.scratch.bfloat16 import mixed_product, rounded
from backprop_bench.scratch.numpy_trainer import NumpyTrainer
from backprop_bench.torch_impl.trainers import EagerTrainer, FusedTrainer, LoaderTrainer
from tests.recipes import random_examples

MIXED = Recipe(layer_sizes=(60, 20, 10), batch_size=32).replace(mixed_precision=True)
EXAMPLES = random_examples(MIXED, 100)


@given(bits=st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=20))
def test_numbers_are_rounded_as_pytorch_rounds_them(bits: list[int]) -> None:
    special = [0x7F800000, 0xFF800000, 0x7FC00000, 0x80000000, 0x3F808000, 0x3F818000, 0x7F7FFFFF, 1]
    x = np.array([*special, *bits], np.uint32).view(np.float32)
    expected = torch.from_numpy(x).bfloat16().float().numpy()
    np.testing.assert_array_equal(rounded(x), expected)


def test_a_product_is_that_of_pytorch_but_for_the_last_bit() -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=shape).astype(np.float32) for shape in ((50, 300), (300, 40)))
    expected = (torch.from_numpy(a).bfloat16() @ torch.from_numpy(b).bfloat16()).float().numpy()
    np.testing.assert_allclose(mixed_product(a, b), expected, rtol=2**-7)
    assert (mixed_product(a, b) == expected).mean() > 0.9, "sums are added up in another order, so a few differ"
    assert abs(mixed_product(a, b) - a @ b).max() > 0.01


@pytest.mark.parametrize("trainer", [EagerTrainer, FusedTrainer, LoaderTrainer])
def test_pytorch_trains_as_numpy_and_neither_in_float32(trainer: type[EagerTrainer]) -> None:
    batch = first_batch(MIXED, EXAMPLES)
    for agreement in (
        compare_outputs(MIXED, trainer, NumpyTrainer, batch),
        compare_gradients(MIXED, trainer, NumpyTrainer, batch),
        compare_training(MIXED, trainer, NumpyTrainer, EXAMPLES, 5),
    ):
        assert agreement.passed, agreement
        assert agreement.difference is not None
        assert agreement.difference > 1e-5, "that little would be float32"
    plain = compare_gradients(MIXED.replace(mixed_precision=False), trainer, NumpyTrainer, batch)
    assert plain.difference is not None
    assert plain.difference < 1e-5


@pytest.mark.parametrize("trainer", [NumpyTrainer, EagerTrainer, FusedTrainer, LoaderTrainer])
def test_outputs_gradients_and_weights_are_others_than_in_float32(trainer: type[Trainer]) -> None:
    x, t = EXAMPLES.x[:32], EXAMPLES.t[:32]
    parameters = initial_parameters(MIXED)
    mixed, plain = (trainer(recipe, parameters) for recipe in (MIXED, MIXED.replace(mixed_precision=False)))
    assert abs(mixed.predict(x) - plain.predict(x)).max() > 1e-4
    pairs = [mixed.gradients(x, t), plain.gradients(x, t)]
    for network in (mixed, plain):
        network.train_epoch(x, t, np.arange(32))
    for one, other in (pairs, [mixed.parameters(), plain.parameters()]):
        assert all(abs(a.weight - b.weight).max() > 1e-6 for a, b in zip(one, other, strict=True))


class TooLarge(EagerTrainer):
    """A mistake: gradients that are a quarter too large."""

    def gradients(self, x: Floats, t: Floats) -> Parameters:
        layers = super().gradients(x, t)
        return tuple(Layer(1.25 * layer.weight, None if layer.bias is None else layer.bias) for layer in layers)


def test_a_gradient_that_is_a_quarter_too_large_is_found() -> None:
    batch = first_batch(MIXED, EXAMPLES)
    assert not compare_gradients(MIXED, TooLarge, NumpyTrainer, batch).passed


def test_with_float64_nothing_is_rounded() -> None:
    double = MIXED.replace(dtype="float64")
    batch = first_batch(double, random_examples(double, 40))
    agreement = compare_gradients(double, EagerTrainer, NumpyTrainer, batch)
    assert agreement.difference is not None
    assert agreement.difference < 1e-12
