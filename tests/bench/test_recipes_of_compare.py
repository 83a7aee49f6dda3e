"""What `compare` plans: the article's experiment with its steps, or the recipe and implementations that are named."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from backprop_bench.bench.cli.main import main
from backprop_bench.bench.compare import command
from backprop_bench.bench.compare.causes import CELLS, CHAIN
from backprop_bench.bench.compare.plan import STEPS_BETWEEN, plan_comparison
from backprop_bench.bench.core.implementations import IMPLEMENTATIONS
from backprop_bench.bench.core.records.plan import Plan, Question
from backprop_bench.data import (
    ARTICLE_SCRATCH,
    ARTICLE_TORCH,
    RECIPES,
    Dataset,
    ExtendedRecipe,
    InputError,
    fit_recipe,
    load_dataset,
)
from tests.bench.refusal import refused
from tests.tiny import write_tiny_dataset

SIZES = "16-7-3"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_tiny_dataset(tmp_path_factory.mktemp("tiny"), 60, 30)


@pytest.fixture(scope="module")
def dataset(tiny: str) -> Dataset:
    return load_dataset(tiny)


@pytest.fixture(scope="module")
def plan(dataset: Dataset) -> Plan:
    """The plan of nothing but ``compare``."""
    return plan_comparison("default", dataset)


def labels(question: Question) -> list[str]:
    return [entry.label for entry in question.entries]


# The article's experiment


def test_without_names_the_articles_experiment_comes_before_the_same_recipe(plan: Plan) -> None:
    assert [question.name for question in plan.questions] == ["as-published", "same-recipe"]
    assert plan.verifies_timed_work
    assert plan.questions[0].pair == ("scratch-numpy", "torch-loader")
    assert plan.questions[1].pair == ("scratch-numpy", "torch-eager")


def test_the_steps_that_are_timed_are_those_that_the_causes_ask_for_and_the_trainings_too(plan: Plan) -> None:
    question = plan.question("as-published")
    assert [entry.label for entry in question.timed] == ["scratch-numpy", *CHAIN]
    trained = {entry.label for entry in question.trained}
    assert trained >= {"scratch-numpy", "torch-loader", "all at once", *(label for label, _ in CELLS)}
    assert not trained & {"mini-batches", "PyTorch's recipe"}, "they are steps of the time alone"
    both = [entry.label for entry in question.entries if entry.timed and entry.trained]
    assert "mini-batches, float32" in both


def test_both_ends_have_the_articles_recipes_and_every_step_changes_one_thing_more(
    plan: Plan, dataset: Dataset
) -> None:
    question = plan.question("as-published")
    of = {entry.label: entry for entry in question.entries}
    for label, recipe in (("scratch-numpy", ARTICLE_SCRATCH), ("torch-loader", ARTICLE_TORCH)):
        assert of[label].recipe == fit_recipe(recipe, dataset).replace(epochs=question.epochs)
    from_scratch, torch = of["scratch-numpy"].recipe, of["torch-loader"].recipe
    assert from_scratch.batch_size == 1
    assert of["mini-batches"].recipe.batch_size == torch.batch_size == 64
    assert of["mini-batches"].recipe.dtype == from_scratch.dtype == "float64"
    assert of["mini-batches, float32"].recipe.dtype == torch.dtype == "float32"
    assert of["PyTorch's recipe"].recipe == of["torch-eager"].recipe == torch
    implementations = [of[label].implementation for label in ("scratch-numpy", *CHAIN)]
    assert implementations == ["scratch-numpy"] * 4 + ["torch-eager", "torch-loader"]
    assert of["cross-entropy"].recipe.batch_size == 1
    assert of["cross-entropy"].recipe.loss == of["cross-entropy, mini-batches"].recipe.loss == torch.loss
    assert of["mini-batches, float32"].recipe.loss == from_scratch.loss
    assert of["all at once"].recipe.batch_size is None
    for label, changes in STEPS_BETWEEN.items():
        assert {field: getattr(of[label].recipe, field) for field in changes} == changes


def test_the_same_recipe_is_one_and_its_first_implementation_is_there_twice(plan: Plan) -> None:
    question = plan.question("same-recipe")
    assert len({entry.recipe for entry in question.entries}) == 1
    assert labels(question)[-1] == f"{labels(question)[0]} (A/A)"
    assert "scratch-compiled" in labels(question)
    usual = [name for name, known in IMPLEMENTATIONS.items() if known.unavailable() is None and not known.only_by_name]
    assert set(usual) <= set(labels(question))


# What is named


def test_whoever_names_implementations_compares_those_alone(dataset: Dataset) -> None:
    names = ("torch-eager", "scratch-numpy", "torch-eager")
    (question,) = plan_comparison("quick", dataset, names).questions
    assert question.name == "same-recipe"
    assert labels(question) == ["torch-eager", "scratch-numpy", "torch-eager (A/A)"]
    assert question.pair == ("scratch-numpy", "torch-eager")


def test_your_own_implementation_is_the_one_that_the_sentence_is_about(tmp_path: Path, dataset: Dataset) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text("class Mine: pass\n")
    name = f"{mine}:Mine"
    with_torch, alone = (
        plan_comparison("quick", dataset, names).questions[0]
        for names in (("scratch-numpy", name, "torch-eager"), (name, "scratch-numpy"))
    )
    assert with_torch.pair == (name, "torch-eager")
    assert alone.pair is None


@pytest.mark.parametrize("name", RECIPES)
def test_whoever_names_a_recipe_compares_the_usual_ones_on_it(name: str, dataset: Dataset, plan: Plan) -> None:
    (question,) = plan_comparison("quick", dataset, recipe=(name, {})).questions
    assert question.name == "same-recipe"
    assert labels(question) == labels(plan.question("same-recipe"))
    expected = fit_recipe(RECIPES[name], dataset).replace(epochs=question.epochs)
    assert {entry.recipe for entry in question.entries} == {expected}
    assert {entry.recipe_name for entry in question.entries} == {name}


def test_a_changed_recipe_is_called_changed_and_its_epochs_are_those_of_the_question(dataset: Dataset) -> None:
    changes = {"layer_sizes": (16, 7, 3), "optimizer": "adam", "learning_rate": 0.01, "epochs": 9}
    (question,) = plan_comparison("quick", dataset, recipe=("shared", changes)).questions
    assert question.epochs == 9
    assert {entry.recipe_name for entry in question.entries} == {"shared, changed"}
    (recipe,) = {entry.recipe for entry in question.entries}
    assert {field: getattr(recipe, field) for field in changes} == changes


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"layers": 3}, "layers"),
        ({"learning_rate": -1.0}, "learning_rate"),
        ({"layer_sizes": (16, 0, 3)}, "layer_sizes"),
        ({"layer_sizes": (15, 7, 3)}, "16"),
        ({"optimizer": "newton"}, "newton"),
    ],
)
def test_an_unknown_field_or_a_bad_value_is_an_input_error(
    changes: dict[str, Any], words: str, dataset: Dataset
) -> None:
    with pytest.raises(InputError, match=words):
        plan_comparison("quick", dataset, recipe=("shared", changes))


# The same on the command line


class NotRunError(Exception):
    """The run was not carried out, its plan is there."""


@pytest.fixture
def planned(tmp_path: Path, tiny: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Return the plan that ``compare`` writes for some words."""

    def stop(*_: object) -> None:
        raise NotRunError

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "go_on", stop)

    def ask(*words: str) -> dict[str, Any]:
        result = invoke("--dataset", tiny, "--profile", "quick", *words)
        assert isinstance(result.exception, NotRunError), result.output
        found: dict[str, Any] = json.loads((tmp_path / "results" / "latest" / "run.json").read_text())["plan"]
        return found

    return ask


def invoke(*words: str) -> Result:
    return CliRunner().invoke(main, ["compare", *words])


def recipe_of(plan: dict[str, Any]) -> dict[str, Any]:
    (question,) = plan["questions"]
    assert question["name"] == "same-recipe"
    recipe: dict[str, Any] = question["entries"][0]["recipe"]
    assert all(entry["recipe"] == recipe for entry in question["entries"])
    return recipe


def test_a_recipe_is_named_on_the_command_line(planned: Callable[..., dict[str, Any]]) -> None:
    recipe = recipe_of(planned("--recipe", "article-scratch"))
    assert (recipe["batch_size"], recipe["loss"], recipe["dtype"]) == (
        ARTICLE_SCRATCH.batch_size,
        ARTICLE_SCRATCH.loss,
        ARTICLE_SCRATCH.dtype,
    )
    names = [question["name"] for question in planned("--target", "5")["questions"]]
    assert names == ["as-published", "same-recipe"]
    assert recipe_of(planned("--recipe", "shared"))["batch_size"] == RECIPES["shared"].batch_size, "named all the same"


SQUARED = ("--loss", "squared_error", "--output-activation", "sigmoid")
VALUES: dict[str, tuple[tuple[str, ...], object]] = {
    "layer_sizes": (("--layer-sizes", SIZES), [16, 7, 3]),
    "hidden_activation": (("--hidden-activation", "tanh"), "tanh"),
    "output_activation": ((*SQUARED, "--output-activation", "sigmoid"), "sigmoid"),
    "loss": (SQUARED, "squared_error"),
    "reduction": (("--reduction", "sum"), "sum"),
    "bias": (("--no-bias",), False),
    "batch_size": (("--batch-size", "all"), None),
    "optimizer": (("--optimizer", "adam"), "adam"),
    "learning_rate": (("--learning-rate", "0.125"), 0.125),
    "momentum": (("--optimizer", "momentum", "--momentum", "0.5"), 0.5),
    "rmsprop_alpha": (("--optimizer", "rmsprop", "--rmsprop-alpha", "0.5"), 0.5),
    "beta1": (("--optimizer", "adam", "--beta1", "0.5"), 0.5),
    "beta2": (("--optimizer", "adam", "--beta2", "0.5"), 0.5),
    "epsilon": (("--optimizer", "adam", "--epsilon", "0.5"), 0.5),
    "weight_decay": (("--weight-decay", "0.25"), 0.25),
    "initialization": (("--initialization", "normal"), "normal"),
    "init_scale": (("--initialization", "uniform", "--init-scale", "0.75"), 0.75),
    "dtype": (("--dtype", "float64"), "float64"),
    "epochs": (("--epochs", "7"), 7),
    "shuffle": (("--no-shuffle",), False),
    "seed": (("--seed", "5"), 5),
    "input_range": (("--input-range", "0.25", "0.75"), [0.25, 0.75]),
    "target_range": ((*SQUARED, "--target-range", "0.25", "0.75"), [0.25, 0.75]),
}
"""By field of a recipe, the words that change it, and what it then is."""


def options_of_recipes() -> set[str]:
    context = click.Context(main)
    found = main.get_command(context, "compare")
    assert found is not None
    return {str(option.name) for option in found.params} & {field.name for field in dataclasses.fields(ExtendedRecipe)}


def test_every_field_of_a_recipe_is_an_option_of_compare() -> None:
    fields = {field.name for field in dataclasses.fields(ExtendedRecipe)}
    assert options_of_recipes() == fields
    assert set(VALUES) <= fields


@pytest.mark.parametrize("field", VALUES)
def test_a_field_that_is_given_is_in_the_recipe_of_every_entry(
    field: str, planned: Callable[..., dict[str, Any]]
) -> None:
    words, expected = VALUES[field]
    plan = planned(*words, "--implementation", "scratch-numpy")
    assert recipe_of(plan)[field] == expected
    assert {entry["recipe_name"] for entry in plan["questions"][0]["entries"]} == {"shared, changed"}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--recipe", "articles"), ("articles", "article-scratch")),
        (("--layers", "3"), ("--layers",)),
        (("--layer-sizes", "16-x-3"), ("layer sizes", "16-x-3")),
        (("--layer-sizes", "15-7-3"), ("15", "16")),
        (("--learning-rate", "nan"), ("learning_rate",)),
        (("--batch-size", "0"), ("batch_size",)),
        (("--optimizer", "newton"), ("newton",)),
        (("--momentum", "0.9"), ("momentum",)),
        (("--epochs", "-1"), ("epochs",)),
        (("--resume", "--recipe", "shared"), ("--resume",)),
        (("--resume", "--batch-size", "7"), ("--resume",)),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence_before_anything_is_written(
    words: tuple[str, ...], expected: tuple[str, ...], tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = () if "--resume" in words else ("--dataset", tiny)
    refused(invoke(*given, *words), *expected)
    assert not (tmp_path / "results").exists()
