"""Verification catches every known mistake, and nothing else."""

import ast
import sys
from collections import Counter

import pytest

from backprop_bench.bench.mutation.__main__ import PAGE
from backprop_bench.bench.mutation.edit import Edit, Mutation, StaleEditError, apply_edit
from backprop_bench.bench.mutation.harmless import HARMLESS
from backprop_bench.bench.mutation.mutant import NETWORK, make_trainer
from backprop_bench.bench.mutation.mutations import CATALOGUE, MISTAKES
from backprop_bench.bench.mutation.planted import DECAY, MEAN, RELU, SOFTMAX, SQUARED, STYLES, diagnosed, plant
from backprop_bench.bench.mutation.planted_mistakes import PLANTED
from backprop_bench.bench.mutation.recipes import RECIPES, examples_of
from backprop_bench.bench.mutation.signature import Deviation, describe
from backprop_bench.bench.mutation.table import named_row, row
from backprop_bench.bench.mutation.verdicts import excess, judge, sign
from backprop_bench.bench.verify import inspection
from backprop_bench.data import Recipe, initial_parameters
from backprop_bench.scratch.numpy_trainer import NumpyTrainer

TRIALS = [(mutation, recipe) for mutation in CATALOGUE for recipe in mutation.recipes]


def trials(kind: str) -> pytest.MarkDecorator:
    selected = [(mutation, recipe) for mutation, recipe in TRIALS if mutation.kind == kind]
    return pytest.mark.parametrize(
        ("mutation", "recipe"), selected, ids=[f"{mutation.name} ({recipe})" for mutation, recipe in selected]
    )


@trials("mistake")
def test_a_mistake_is_caught(mutation: Mutation, recipe: str) -> None:
    assert judge(mutation, recipe).caught_by


@trials("harmless")
def test_a_harmless_change_is_not_caught(mutation: Mutation, recipe: str) -> None:
    verdict = judge(mutation, recipe)
    assert verdict.caught_by == (), verdict.worst


@trials("unseen")
def test_a_mistake_that_verification_misses_is_still_missed(mutation: Mutation, recipe: str) -> None:
    assert judge(mutation, recipe).caught_by == (), "verification catches it: make this a mistake"


def test_there_are_enough_mutations_each_with_a_name_of_its_own() -> None:
    assert len(MISTAKES) >= 36
    assert len(HARMLESS) >= 10
    assert [name for name, count in Counter(mutation.name for mutation in CATALOGUE).items() if count > 1] == []


def test_every_mistake_has_a_recipe_and_a_question_to_ask() -> None:
    assert [mutation.name for mutation in CATALOGUE if not mutation.recipes] == []
    assert [mutation.name for mutation in MISTAKES if not mutation.hint.endswith("?")] == []


def test_every_recipe_is_used() -> None:
    assert {recipe for _, recipe in TRIALS} == set(RECIPES)


def test_an_edit_that_does_not_apply_exactly_is_an_error() -> None:
    source = "def f(y):\n    return y * (1 - y)  # (5)\n\n\ndef g(y):\n    return (y *\n        (1 - y))\n"
    twice = ast.unparse(apply_edit(ast.parse(source), Edit("m", "y * (1 - y)", "y", count=2)))
    assert twice == "def f(y):\n    return y\n\ndef g(y):\n    return y"
    with pytest.raises(StaleEditError, match="m has 2 times, expected 1"):
        apply_edit(ast.parse(source), Edit("m", "y * (1 - y)", "y"))
    with pytest.raises(StaleEditError, match="m has 0 times, expected 1"):
        apply_edit(ast.parse(source), Edit("m", "y * (2 - y)", "y"))
    with pytest.raises(StaleEditError, match=r"scratch\.nowhere"):
        make_trainer([Edit("scratch.nowhere", "y", "z")])


def test_statements_are_replaced_where_they_follow_each_other() -> None:
    tree = ast.parse("for i in j:\n    a = 1\n    b = 2\n    a = 1\n    c = 3")
    edited = apply_edit(tree, Edit("m", "a = 1\nb = 2", "b = 2\nd = 4\na = 1"))
    assert ast.unparse(edited) == "for i in j:\n    b = 2\n    d = 4\n    a = 1\n    a = 1\n    c = 3"


def test_the_real_network_is_left_alone() -> None:
    before = {name: sys.modules[name] for name in NETWORK}
    mutant = make_trainer(MISTAKES[0].edits)
    assert {name: sys.modules[name] for name in NETWORK} == before
    assert mutant is not NumpyTrainer
    assert before["backprop_bench.scratch.numpy_trainer"].NumpyTrainer is NumpyTrainer


def test_a_mutant_is_made_of_mutated_modules_only() -> None:
    recipe = RECIPES["squared error"]
    flat = make_trainer([Edit("backprop_bench.scratch.activations", "1 / (1 + np.exp(-z))", "0 * z")])
    outputs = flat(recipe, initial_parameters(recipe)).predict(examples_of(recipe).x)
    assert not outputs.any()


def test_the_page_has_the_names_and_the_catches_of_today() -> None:
    lines = [line.strip("| ").split(" | ") for line in PAGE.read_text(encoding="utf-8").splitlines()]
    rows = [cells for cells in lines if len(cells) > 2 and cells[1] in RECIPES]
    verdicts = [judge(mutation, recipe) for mutation, recipe in TRIALS if mutation.kind != "unseen"]
    assert [cells[:2] for cells in rows] == [row(verdict)[:2] for verdict in verdicts]
    for cells, verdict in zip(rows, verdicts, strict=True):
        excesses = {check: excess(agreement) for check, agreement in verdict.agreements}
        committed = set(cells[2].split(", ")) - {"nothing"}
        surely = {check for check, value in excesses.items() if value > 2}
        barely = {check for check, value in excesses.items() if 0.5 <= value <= 2}  # which way, rounding may decide
        assert surely <= committed <= surely | barely, cells


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("the gradient of the squared error lacks the ½", "gradient × 2; first update × 2; loss"),
        ("the gradient is the sum over the batch instead of the mean", "gradient × B; first update × B; loss"),
        ("the gradient is the mean over batch and outputs", "gradient × 1/5 = 1/C; first update × 1/5 = 1/C; loss"),
        ("the loss lacks the ½, the gradient has it", "loss × 2"),
        ("the cross-entropy is taken with logarithms to base 2", "loss × 1/ln 2"),
        ("the biases of the hidden layers are never updated", "first update of the biases in layers 1 and 2 × 0; loss"),
        ("the weights ascend the gradient", "first update × −1; loss"),
        ("momentum is dampened by 1 − α", "first update × (1 − α); loss"),
    ],
)
def test_a_signature_says_what_differs_and_by_which_factor(name: str, expected: str) -> None:
    mutation = next(mutation for mutation in MISTAKES if mutation.name == name)
    assert describe(RECIPES[mutation.recipes[0]], sign(mutation, mutation.recipes[0])) == expected


PLACES = [(planted, style) for planted in PLANTED for style in planted.edits]


@pytest.mark.parametrize("recipe", [SOFTMAX, SQUARED, RELU, DECAY, MEAN], ids=str)
@pytest.mark.parametrize("style", STYLES)
def test_a_network_of_a_style_is_right_before_a_mistake_is_planted(style: str, recipe: Recipe) -> None:
    quantities = inspection.inspect(recipe, plant(style, []), NumpyTrainer, examples_of(recipe), 12)
    assert [quantity for quantity in quantities if not quantity.passed] == []


@pytest.mark.slow
def test_the_diagnosis_names_nine_of_ten_mistakes_first_in_networks_of_three_styles_and_claims_no_other() -> None:
    outcomes = [diagnosed(planted, style) for planted, style in PLACES]
    assert [outcome.words for outcome in outcomes if outcome.falsely_certain] == []
    assert sum(outcome.named_first for outcome in outcomes) >= 0.9 * len(PLACES)


@pytest.mark.slow
def test_the_page_has_what_the_diagnosis_says_today() -> None:
    lines = [line.strip("| ").split(" | ") for line in PAGE.read_text(encoding="utf-8").splitlines()]
    for planted in PLANTED:
        today = {style: diagnosed(planted, style) for style in planted.edits}
        assert named_row(planted.mistake, today, list(STYLES)) in lines


def test_a_signature_names_the_arrays_that_differ() -> None:
    name = "the gradient of the biases is averaged over the batch, which that of the weights is not"
    mutation = next(mutation for mutation in MISTAKES if mutation.name == name)
    first = sign(mutation, "squared error")[0]
    assert first == Deviation("gradient", "layer 1 bias", "1/B")
