"""Conventions are computed as those who follow them write them down."""

from collections.abc import Callable

import numpy as np
import pytest

from backprop_bench.bench.core.implementations import named_implementation
from backprop_bench.bench.mutation.recipes import stored_examples
from backprop_bench.bench.verify.checks import verify
from backprop_bench.data import RASHID, Floats, Parameters, Recipe, Trainer, initial_parameters
from backprop_bench.scratch.numpy_trainer import NumpyTrainer
from backprop_bench.torch_impl.trainers import EagerTrainer
from tests.recipes import random_examples

TRAINERS = pytest.mark.parametrize("make", [NumpyTrainer, EagerTrainer])
Make = Callable[[Recipe, Parameters], Trainer]


def weights(trainer: Trainer) -> list[Floats]:
    return [array for layer in trainer.parameters() for array in layer.arrays()]


def sigmoid(z: Floats) -> Floats:
    return 1 / (1 + np.exp(-z))


@TRAINERS
def test_errors_are_sent_back_as_in_rashids_program(make: Make) -> None:
    recipe = RASHID.replace(layer_sizes=(4, 5, 3))
    examples = random_examples(recipe, 12)
    trainer = make(recipe, initial_parameters(recipe))
    wih, who = (layer.weight.T.copy() for layer in initial_parameters(recipe))
    trainer.train_epoch(examples.x, examples.t, np.arange(12))
    for inputs_list, targets_list in zip(examples.x, examples.t, strict=True):
        inputs, targets = inputs_list[:, None], targets_list[:, None]
        hidden_outputs = sigmoid(wih @ inputs)
        final_outputs = sigmoid(who @ hidden_outputs)
        output_errors = targets - final_outputs
        hidden_errors = who.T @ output_errors
        who += 0.1 * (output_errors * final_outputs * (1 - final_outputs)) @ hidden_outputs.T
        wih += 0.1 * (hidden_errors * hidden_outputs * (1 - hidden_outputs)) @ inputs.T
    for actual, expected in zip(weights(trainer), (wih.T, who.T), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-12)


@TRAINERS
def test_errors_pass_several_hidden_layers_through_the_weights_alone(make: Make) -> None:
    recipe = RASHID.replace(layer_sizes=(4, 5, 6, 3), bias=True, initialization="torch_linear")
    examples = random_examples(recipe, 7)
    first, second, third = initial_parameters(recipe)
    trainer = make(recipe, (first, second, third))
    y = [examples.x]
    for layer in (first, second, third):
        assert layer.bias is not None
        y.append(sigmoid(y[-1] @ layer.weight + layer.bias))
    e3 = y[3] - examples.t
    e2 = e3 @ third.weight.T
    e1 = e2 @ second.weight.T
    for gradient, below, above, e in zip(
        trainer.gradients(examples.x, examples.t), y, y[1:], (e1, e2, e3), strict=False
    ):
        dz = e * above * (1 - above)
        np.testing.assert_allclose(gradient.weight, below.T @ dz, rtol=1e-12)
        assert gradient.bias is not None
        np.testing.assert_allclose(gradient.bias, dz.sum(axis=0), rtol=1e-12)


def test_verification_says_that_central_differences_cannot_tell_what_is_no_gradient() -> None:
    recipe = RASHID.replace(layer_sizes=(12, 9, 9, 5), batch_size=2)
    checks = verify(named_implementation("scratch-numpy"), recipe, stored_examples(12, 5), steps=20)
    assert all(check.passed for check in checks)
    assert {check.check for check in checks} == {"outputs", "gradients", "20 steps"}
    told = [check for check in checks if check.reference == "central differences"]
    assert [check.where for check in told] == [
        "not compared: errors are sent back without derivatives, which is the gradient of no loss"
    ]
    exact = verify(
        named_implementation("scratch-numpy"),
        recipe.replace(back_propagation="gradient"),
        stored_examples(12, 5),
        steps=20,
    )
    assert [check.difference is not None for check in exact] == [True] * len(exact)
