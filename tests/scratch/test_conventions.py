"""Conventions are computed as those who follow them write them down."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from backprop_bench.bench.core.implementations import named_implementation
from backprop_bench.bench.mutation.recipes import stored_examples
from backprop_bench.bench.verify.checks import verify
from backprop_bench.data import (
    RASHID,
    Floats,
    Parameters,
    Recipe,
    Trainer,
    batch_order,
    dropout_masks,
    initial_parameters,
)
from backprop_bench.scratch.numpy_trainer import NumpyTrainer
from backprop_bench.torch_impl.trainers import EagerTrainer
from tests.recipes import random_examples

TRAINERS = pytest.mark.parametrize("make", [NumpyTrainer, EagerTrainer])
Make = Callable[[Recipe, Parameters], Trainer]


def compiled(recipe: Recipe, parameters: Parameters) -> Trainer:
    pytest.importorskip("numba", reason="scratch-compiled needs Numba")
    return named_implementation("scratch-compiled").load()(recipe, parameters)


OF_UPDATES = pytest.mark.parametrize("make", [NumpyTrainer, EagerTrainer, compiled])
"""Those that do the conventions of a weight update."""


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


SMALL = Recipe(layer_sizes=(4, 3), batch_size=2, learning_rate=0.1, weight_decay=0.0, dtype="float64")


def trained(make: Make, recipe: Recipe, steps: int) -> tuple[list[list[Floats]], list[Floats], list[float]]:
    """Return the gradients before each step of two examples, the weights at the end, and the losses."""
    examples = random_examples(recipe, 2)
    trainer = make(recipe, initial_parameters(recipe))
    gradients, losses = [], []
    for _ in range(steps):
        gradients.append([array for layer in trainer.gradients(examples.x, examples.t) for array in layer.arrays()])
        losses.append(trainer.train_epoch(examples.x, examples.t, np.arange(2)))
    return gradients, weights(trainer), losses


def zeros() -> list[Any]:
    return [0.0, 0.0]


def start(recipe: Recipe) -> list[Floats]:
    return [array.copy() for layer in initial_parameters(recipe) for array in layer.arrays()]


@OF_UPDATES
def test_momentum_with_one_minus_alpha_is_a_running_mean_from_0(make: Make) -> None:
    recipe = SMALL.replace(optimizer="momentum", momentum=0.9, dampened_momentum=True)
    gradients, actual, _ = trained(make, recipe, 4)
    w, v = start(recipe), zeros()
    for g in gradients:
        v = [0.9 * v_i + (1 - 0.9) * g_i for v_i, g_i in zip(v, g, strict=True)]
        w = [w_i - 0.1 * v_i for w_i, v_i in zip(w, v, strict=True)]
    for a, b in zip(actual, w, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


@OF_UPDATES
def test_nesterov_looks_ahead(make: Make) -> None:
    recipe = SMALL.replace(optimizer="momentum", momentum=0.9, nesterov=True)
    gradients, actual, _ = trained(make, recipe, 4)
    w, v = start(recipe), zeros()
    for g in gradients:
        v = [0.9 * v_i + g_i for v_i, g_i in zip(v, g, strict=True)]
        w = [w_i - 0.1 * (g_i + 0.9 * v_i) for w_i, g_i, v_i in zip(w, g, v, strict=True)]
    for a, b in zip(actual, w, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


@OF_UPDATES
def test_reordered_adam_adds_epsilon_to_the_uncorrected_root(make: Make) -> None:
    recipe = SMALL.replace(optimizer="adam", adam_reordered=True, epsilon=0.01)
    gradients, actual, _ = trained(make, recipe, 4)
    w, m, v = start(recipe), zeros(), zeros()
    for t, g in enumerate(gradients, start=1):
        m = [0.9 * m_i + (1 - 0.9) * g_i for m_i, g_i in zip(m, g, strict=True)]
        v = [0.999 * v_i + (1 - 0.999) * g_i**2 for v_i, g_i in zip(v, g, strict=True)]
        rate = 0.1 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        w = [w_i - rate * m_i / (np.sqrt(v_i) + 0.01) for w_i, m_i, v_i in zip(w, m, v, strict=True)]
    for a, b in zip(actual, w, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


@OF_UPDATES
def test_weight_decay_of_the_weights_alone_leaves_biases_as_they_would_be_without(make: Make) -> None:
    plain, decayed = SMALL, SMALL.replace(weight_decay=0.5, decay_biases=False)
    (without, biases), (weight, its_biases) = (trained(make, recipe, 1)[1] for recipe in (plain, decayed))
    np.testing.assert_allclose(its_biases, biases, rtol=1e-15)
    np.testing.assert_allclose(weight, without - 0.1 * 0.5 * start(plain)[0], rtol=1e-12)


@TRAINERS
@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("decay_biases", [True, False])
def test_a_penalty_in_the_loss_moves_weights_like_weight_decay_and_is_seen(
    make: Make, reduction: str, decay_biases: bool
) -> None:
    decayed = SMALL.replace(weight_decay=0.5, decay_biases=decay_biases, reduction=reduction)
    penalized = decayed.replace(penalty_in_loss=True)
    (g, w, losses), (its_g, its_w, its_losses) = (trained(make, recipe, 1) for recipe in (decayed, penalized))
    w0 = start(decayed)
    for a, b in zip(its_w, w, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    np.testing.assert_allclose(its_g[0][0], g[0][0] + 0.5 * w0[0], rtol=1e-12)
    np.testing.assert_allclose(its_g[0][1], g[0][1] + 0.5 * w0[1] * decay_biases, rtol=1e-12)
    penalty = 0.25 * sum(float(np.square(each).sum()) for each in (w0 if decay_biases else w0[:1]))
    np.testing.assert_allclose(its_losses[0] - losses[0], penalty / (2 if reduction == "sum" else 1), rtol=1e-12)


@TRAINERS
@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_logarithms_are_kept_from_0_in_the_reported_loss_alone(make: Make, output: str) -> None:
    plain = SMALL.replace(output_activation=output)
    examples = random_examples(plain, 2)
    y, t = make(plain, initial_parameters(plain)).predict(examples.x), examples.t
    e = 0.2  # so that clipping takes hold
    clipped = np.clip(y, e, 1 - e)
    expected = {
        "log_epsilon": t * np.log(y + e) + (0 if output == "softmax" else (1 - t) * np.log(1 - y + e)),
        "log_clip": t * np.log(clipped) + (0 if output == "softmax" else (1 - t) * np.log(1 - clipped)),
    }
    gradients, after, _ = trained(make, plain, 1)
    for field, terms in expected.items():
        its_gradients, its_after, losses = trained(make, plain.replace(**{field: e}), 1)
        np.testing.assert_allclose(losses, [-terms.sum() / 2], rtol=1e-12)
        for a, b in zip([*its_gradients[0], *its_after], [*gradients[0], *after], strict=True):
            np.testing.assert_array_equal(a, b)


@OF_UPDATES
@pytest.mark.parametrize(
    ("changes", "factors"),
    [
        ({"rate_factor": 0.5}, (1, 0.5, 0.25, 0.125)),
        ({"rate_factor": 0.1, "rate_period": 2}, (1, 1, 0.1, 0.1)),
        ({"inverse_rate_decay": 0.5}, (1, 1 / 1.5, 1 / 2, 1 / 2.5)),
    ],
    ids=["exponential", "steps", "1/t"],
)
def test_learning_rates_decay_by_epoch(make: Make, changes: dict[str, float], factors: tuple[float, ...]) -> None:
    recipe = SMALL.replace(**changes)
    gradients, actual, _ = trained(make, recipe, 4)
    w = start(recipe)
    for factor, g in zip(factors, gradients, strict=True):
        w = [w_i - 0.1 * factor * g_i for w_i, g_i in zip(w, g, strict=True)]
    for a, b in zip(actual, w, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize(
    "name",
    [
        *("scratch-numpy", "scratch-compiled", "torch-eager"),
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("torch-compile", "jax", "keras")),
    ],
)
@pytest.mark.parametrize("drop_last", [False, True])
def test_an_epoch_in_parts_has_one_learning_rate(name: str, drop_last: bool) -> None:
    if (reason := named_implementation(name).unavailable()) is not None:
        pytest.skip(f"{name} {reason}")
    make, recipe = named_implementation(name).load(), SMALL.replace(rate_factor=0.5, drop_last=drop_last)
    examples, whole, in_parts = random_examples(recipe, 7), *(make(recipe, initial_parameters(recipe)) for _ in "ab")
    for epoch in range(3):
        order = batch_order(recipe, 7, epoch)
        whole.train_epoch(examples.x, examples.t, order)
        for part in (order[:2], order[2:4], order[4:]):
            in_parts.train_epoch(examples.x, examples.t, part)
    for a, b in zip(weights(in_parts), weights(whole), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


@OF_UPDATES
def test_a_learning_rate_may_decay_to_nothing(make: Make) -> None:
    recipe = SMALL.replace(optimizer="momentum", momentum=0.9, rate_factor=0.1)
    _, before, _ = trained(make, recipe, 200)
    _, after, _ = trained(make, recipe, 400)
    assert recipe.rates(399)[0] == 0
    for a, b in zip(after, before, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3)


@TRAINERS
def test_leaky_relu_is_that_of_pytorch(make: Make) -> None:
    recipe = SMALL.replace(layer_sizes=(4, 6, 3), hidden_activation="relu", negative_slope=0.2)
    first, second = initial_parameters(recipe)
    x = random_examples(recipe, 5).x
    assert first.bias is not None
    assert second.bias is not None
    z = x @ first.weight + first.bias
    assert (z < 0).any()
    hidden = torch.nn.LeakyReLU(0.2)(torch.from_numpy(z)).numpy()
    logits = torch.from_numpy(hidden @ second.weight + second.bias)
    np.testing.assert_allclose(make(recipe, (first, second)).predict(x), logits.softmax(dim=1).numpy(), rtol=1e-12)


@TRAINERS
def test_dropout_is_that_of_pytorch_with_the_same_masks(make: Make) -> None:
    recipe = SMALL.replace(layer_sizes=(4, 6, 3), dropout=0.4)
    examples = random_examples(recipe, 5)
    first, second = initial_parameters(recipe)
    trainer = make(recipe, (first, second))
    (mask,) = dropout_masks(recipe, 0, 5)
    w1, b1, w2, b2 = (
        torch.from_numpy(array.copy()).requires_grad_() for layer in (first, second) for array in layer.arrays()
    )
    hidden = torch.sigmoid(torch.from_numpy(examples.x) @ w1 + b1)
    z = hidden * torch.from_numpy(mask) @ w2 + b2
    loss = torch.nn.functional.cross_entropy(z, torch.from_numpy(examples.y))
    expected = torch.autograd.grad(loss, (w1, b1, w2, b2))
    actual = [array for layer in trainer.gradients(examples.x, examples.t) for array in layer.arrays()]
    for a, b in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, b.numpy(), rtol=1e-10, atol=1e-15)
    outputs = (hidden @ w2 + b2).softmax(dim=1).detach().numpy()
    np.testing.assert_allclose(trainer.predict(examples.x), outputs, rtol=1e-12)


def test_masks_leave_out_units_as_often_as_said_and_change_with_every_batch() -> None:
    recipe = SMALL.replace(layer_sizes=(4, 40, 30, 3), dropout=0.3)
    masks = dropout_masks(recipe, 0, 500)
    assert [mask.shape for mask in masks] == [(500, 40), (500, 30)]
    for mask in masks:
        assert set(np.unique(mask)) == {0.0, 1 / 0.7}
        assert abs((mask == 0).mean() - 0.3) < 0.02
    assert not np.array_equal(masks[0][:, :30], masks[1])
    assert not np.array_equal(masks[0], dropout_masks(recipe, 1, 500)[0])
    assert not np.array_equal(masks[0], dropout_masks(recipe.replace(seed=1), 0, 500)[0])
    np.testing.assert_array_equal(masks[1][:7], dropout_masks(recipe, 0, 7)[1])
    assert all((mask == 1).all() for mask in dropout_masks(recipe.replace(dropout=0.0), 0, 5))


@pytest.mark.parametrize(
    "name", ["scratch-numpy", "scratch-inplace", "scratch-compiled", "torch-eager", "torch-manual"]
)
@pytest.mark.parametrize(
    "changes", [{"drop_last": True}, {"with_replacement": True}, {"standardize": True}, {"label_smoothing": 0.1}]
)
def test_what_changes_examples_and_orders_alone_is_verified_for_all(name: str, changes: dict[str, Any]) -> None:
    recipe = SMALL.replace(layer_sizes=(12, 9, 5), batch_size=8, learning_rate=0.5, **changes)
    checks = verify(named_implementation(name), recipe, stored_examples(12, 5), steps=20)
    assert [check for check in checks if not check.passed] == []
