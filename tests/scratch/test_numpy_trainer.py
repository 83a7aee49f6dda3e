"""The network from scratch: worked out on paper, and what its lines promise."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings

from backprop_bench.data import Layer, Parameters, Recipe, batch_order, initial_parameters
from backprop_bench.scratch.losses import sigmoid_cross_entropy, softmax_cross_entropy
from backprop_bench.scratch.numpy_trainer import NumpyTrainer
from tests.recipes import random_examples, recipes


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


def two_two_one() -> tuple[Recipe, Parameters]:
    recipe = Recipe(
        layer_sizes=(2, 2, 1),
        output_activation="sigmoid",
        loss="squared_error",
        reduction="sum",
        batch_size=1,
        learning_rate=0.5,
        dtype="float64",
        shuffle=False,
    )
    hidden = Layer(np.array([[0.1, -0.2], [0.3, 0.4]]), np.array([0.05, -0.05]))
    output = Layer(np.array([[0.7], [-0.6]]), np.array([0.2]))
    return recipe, (hidden, output)


def test_a_network_of_five_units_gives_the_gradients_of_the_equations_written_out() -> None:
    recipe, parameters = two_two_one()
    x1, x2, t = 0.5, -1.0, 1.0
    y1 = sigmoid(0.1 * x1 + 0.3 * x2 + 0.05)
    y2 = sigmoid(-0.2 * x1 + 0.4 * x2 - 0.05)
    o = sigmoid(0.7 * y1 - 0.6 * y2 + 0.2)
    dz = (o - t) * o * (1 - o)
    dz1, dz2 = dz * 0.7 * y1 * (1 - y1), dz * -0.6 * y2 * (1 - y2)
    trainer = NumpyTrainer(recipe, parameters)
    hidden, output = trainer.gradients(np.array([[x1, x2]]), np.array([[t]]))
    np.testing.assert_allclose(output.weight, [[dz * y1], [dz * y2]], rtol=1e-14)
    np.testing.assert_allclose(hidden.weight, [[dz1 * x1, dz2 * x1], [dz1 * x2, dz2 * x2]], rtol=1e-14)
    assert hidden.bias is not None
    np.testing.assert_allclose(hidden.bias, [dz1, dz2], rtol=1e-14)


def test_one_step_of_gradient_descent_moves_each_weight_by_the_learning_rate_times_its_gradient() -> None:
    recipe, parameters = two_two_one()
    x, t = np.array([[0.5, -1.0]]), np.array([[1.0]])
    trainer = NumpyTrainer(recipe, parameters)
    gradients = trainer.gradients(x, t)
    trainer.train_epoch(x, t, np.array([0]))
    for before, gradient, after in zip(parameters, gradients, trainer.parameters(), strict=True):
        np.testing.assert_allclose(after.weight, before.weight - 0.5 * gradient.weight, rtol=1e-14)


def test_the_loss_of_an_epoch_is_the_mean_over_its_examples_when_they_were_visited() -> None:
    recipe, parameters = two_two_one()
    x, t = np.array([[0.5, -1.0], [1.0, 1.0], [0.0, 2.0]]), np.array([[1.0], [0.0], [1.0]])
    trainer = NumpyTrainer(recipe, parameters)
    expected = []
    for example in range(3):
        expected.append(float(((trainer.predict(x[[example]]) - t[[example]]) ** 2).sum() / 2))
        trainer.train_epoch(x[[example]], t[[example]], np.array([0]))
    again = NumpyTrainer(recipe, parameters)
    assert again.train_epoch(x, t, np.arange(3)) == pytest.approx(sum(expected) / 3, rel=1e-14)


def test_momentum_keeps_a_share_of_the_change_before() -> None:
    recipe, parameters = two_two_one()
    recipe = recipe.replace(optimizer="momentum", momentum=0.9)
    x, t = np.array([[0.5, -1.0]]), np.array([[1.0]])
    trainer = NumpyTrainer(recipe, parameters)
    weights = [trainer.parameters()[1].weight]
    gradients = []
    for _ in range(3):
        gradients.append(trainer.gradients(x, t)[1].weight)
        trainer.train_epoch(x, t, np.array([0]))
        weights.append(trainer.parameters()[1].weight)
    first, second, third = (b - a for a, b in itertools.pairwise(weights))
    np.testing.assert_allclose(first, -0.5 * gradients[0], rtol=1e-12)
    np.testing.assert_allclose(second, -0.5 * gradients[1] + 0.9 * first, rtol=1e-12)
    np.testing.assert_allclose(third, -0.5 * gradients[2] + 0.9 * second, rtol=1e-12)


def test_cross_entropies_are_finite_where_an_output_is_0_or_1_to_the_last_bit() -> None:
    z, t = np.array([[2000.0, -2000.0]]), np.array([[0.0, 1.0]])
    assert softmax_cross_entropy(z, z, t) == pytest.approx(4000.0)
    assert sigmoid_cross_entropy(z, z, t) == pytest.approx(4000.0)


@settings(max_examples=50, deadline=None)
@given(recipes())
def test_asking_for_gradients_or_outputs_changes_neither_weights_nor_inputs(recipe: Recipe) -> None:
    examples = random_examples(recipe, 5)
    x, t = examples.x.copy(), examples.t.copy()
    parameters = initial_parameters(recipe)
    trainer = NumpyTrainer(recipe, parameters)
    trainer.gradients(examples.x, examples.t)
    trainer.predict(examples.x)
    trainer.train_epoch(examples.x, examples.t, batch_order(recipe, 5, 0))
    np.testing.assert_array_equal(examples.x, x)
    np.testing.assert_array_equal(examples.t, t)
    for given_layer, fresh in zip(parameters, initial_parameters(recipe), strict=True):
        np.testing.assert_array_equal(given_layer.weight, fresh.weight)


@settings(max_examples=50, deadline=None)
@given(recipes(dtype="float32"))
def test_a_float32_recipe_is_computed_in_float32_throughout(recipe: Recipe) -> None:
    examples = random_examples(recipe, 5)
    trainer = NumpyTrainer(recipe, initial_parameters(recipe))
    trainer.train_epoch(examples.x, examples.t, batch_order(recipe, 5, 0))
    forward = trainer.forward(examples.x)
    backward = trainer.backward(forward, examples.t)
    arrays = [*forward.z, *forward.y, *backward.dz, *(a for layer in backward.gradients for a in layer.arrays())]
    arrays += [a for layer in trainer.parameters() for a in layer.arrays()]
    assert {array.dtype.name for array in arrays} == {"float32"}
