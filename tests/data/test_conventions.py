"""Conventions: each is a change of a recipe that it names, and only those that mean something are offered."""

import numpy as np
import pytest
import torch
from click import Command, Context
from torch import nn

from backprop_bench.bench.cli.main import main
from backprop_bench.data import (
    CONVENTIONS,
    Convention,
    ExtendedRecipe,
    Recipe,
    Trainer,
    conventions_for,
    initial_parameters,
)
from backprop_bench.scratch.numpy_trainer import NumpyTrainer
from backprop_bench.torch_impl.trainers import EagerTrainer
from tests.recipes import random_examples

SQUARED = Recipe(
    layer_sizes=(4, 5, 3), output_activation="sigmoid", loss="squared_error", reduction="sum", dtype="float64"
)


def command() -> Command:
    found = main.get_command(Context(main), "train")
    assert found is not None
    return found


@pytest.mark.parametrize("convention", CONVENTIONS, ids=lambda convention: convention.option)
def test_an_option_sets_what_a_convention_changes(convention: Convention) -> None:
    words = ["scratch-numpy", *convention.option.split()]
    given = command().make_context("train", words, resilient_parsing=True).params
    fields = ExtendedRecipe.__dataclass_fields__
    assert {name: value for name, value in given.items() if name in fields and value is not None} == convention.changes


def test_conventions_have_words_and_options_of_their_own() -> None:
    assert len({convention.words for convention in CONVENTIONS}) == len(CONVENTIONS)
    assert len({convention.option for convention in CONVENTIONS}) == len(CONVENTIONS)


def test_only_what_a_recipe_does_not_follow_but_could_is_offered_and_once() -> None:
    offered = {convention.option: recipe for convention, recipe in conventions_for(SQUARED)}
    assert "--no-half" in offered
    assert "--half" not in offered
    assert len(set(map(ExtendedRecipe.of, offered.values()))) == len(offered)
    assert SQUARED not in offered.values()
    assert "--half" in [convention.option for convention, _ in conventions_for(SQUARED.replace(half=False))]
    assert "--no-half" not in [convention.option for convention, _ in conventions_for(Recipe())]


@pytest.mark.parametrize("make", [NumpyTrainer, EagerTrainer])
@pytest.mark.parametrize(
    ("recipe", "loss"),
    [
        (SQUARED.replace(reduction="mean", half=False, mean_over_outputs=True), nn.MSELoss()),
        (SQUARED.replace(half=False), nn.MSELoss(reduction="sum")),
        (SQUARED.replace(loss="cross_entropy", reduction="mean", mean_over_outputs=True), nn.BCELoss()),
    ],
    ids=["MSELoss", "MSELoss, sum", "BCELoss"],
)
def test_conventions_are_the_losses_of_pytorch(make: type[Trainer], recipe: Recipe, loss: nn.Module) -> None:
    examples = random_examples(recipe, 8)
    linears = [nn.Linear(4, 5), nn.Linear(5, 3)]
    for linear, layer in zip(linears, initial_parameters(recipe), strict=True):
        assert layer.bias is not None
        linear.weight = nn.Parameter(torch.from_numpy(layer.weight.T.copy()))
        linear.bias = nn.Parameter(torch.from_numpy(layer.bias))
    model = nn.Sequential(linears[0], nn.Sigmoid(), linears[1], nn.Sigmoid())
    error = loss(model(torch.from_numpy(examples.x)), torch.from_numpy(examples.t))
    error.backward()
    trainer = make(recipe, initial_parameters(recipe))
    for layer, linear in zip(trainer.gradients(examples.x, examples.t), linears, strict=True):
        assert linear.weight.grad is not None
        np.testing.assert_allclose(layer.weight, linear.weight.grad.numpy().T, rtol=1e-12)
    reported = trainer.train_epoch(examples.x, examples.t, np.arange(8))
    np.testing.assert_allclose(reported * (8 if recipe.reduction == "sum" else 1), error.item(), rtol=1e-12)
