"""The derivation and the code name the same equations, and the worked example is right to the last digit."""

import dataclasses
import math
import re

import numpy as np
import pytest

from backprop_bench.data import Floats, Layer, Parameters, Recipe
from backprop_bench.scratch.numpy_trainer import Backward, Forward, NumpyTrainer
from tests.docs.generated.derivation import DERIVATION, CodeLine, numbered_lines, read_sources, refresh

TEXT = DERIVATION.read_text(encoding="utf-8")
LINES = numbered_lines(read_sources())
EQUATIONS = [int(n) for n in re.findall(r"\\qquad \((\d+)\)$", TEXT, re.MULTILINE)]
BLOCKS = [int(n) for n in re.findall(r"<!-- code of \((\d+)\) -->", TEXT)]
REFERENCE_FILES = {"activations.py", "losses.py", "numpy_trainer.py", "optimizers.py"}
EXTENDED = range(27, 48)
"""What scratch-python does not do."""


def test_every_number_in_a_comment_is_an_equation_of_the_derivation() -> None:
    assert set(LINES) - set(EQUATIONS) == set()


def test_equations_are_numbered_once_each_without_a_gap_and_each_has_its_lines_of_code_below() -> None:
    assert sorted(EQUATIONS) == list(range(1, len(EQUATIONS) + 1))
    assert BLOCKS == EQUATIONS


@pytest.mark.parametrize("equation", sorted(EQUATIONS))
def test_each_equation_is_computed_by_numpy_and_by_lists(equation: int) -> None:
    files = {line.file for line in LINES[equation]}
    assert files & REFERENCE_FILES, "no line of scratch-numpy carries it"
    by_lists = any(file.startswith("python_") for file in files)
    assert by_lists != (equation in EXTENDED), "no line of scratch-python carries it, or one where it refuses"


def test_a_line_that_moved_or_lost_its_number_makes_the_derivation_stale() -> None:
    source = {"a.py": "z = 1\ny = f(z)  # (2)\ndz = y - t  # (16) (18)\n"}
    lines = numbered_lines(source)
    assert lines == {
        2: [CodeLine("a.py", 2, "y = f(z)")],
        16: [CodeLine("a.py", 3, "dz = y - t")],
        18: [CodeLine("a.py", 3, "dz = y - t")],
    }
    fresh = refresh("<!-- code of (2) -->\n<!-- end -->\n", lines)
    assert "- a.py: [`y = f(z)`](../scratch/a.py#L2)\n" in fresh
    assert refresh(fresh, lines) == fresh
    assert refresh(fresh, numbered_lines({"a.py": "\n" + source["a.py"]})) != fresh
    assert refresh(fresh, numbered_lines({"a.py": "y = f(z)\n"})) != fresh


def table_rows(heading: str) -> list[list[str]]:
    """Return the cells below the heading row of a table that begins with these words."""
    lines = TEXT.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {heading} |")) + 2
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


GIVEN = {name.strip("$"): float(value) for name, value in table_rows("given")}
COMPUTED = table_rows("quantity")


@dataclasses.dataclass(frozen=True)
class Worked:
    """What `scratch-numpy` makes of the example: before the step, the gradient, and after it."""

    before: Forward
    loss_before: float
    backward: Backward
    weights: Parameters
    after: Forward
    loss_after: float


def work_out() -> Worked:
    recipe = Recipe(
        layer_sizes=(2, 2, 1),
        output_activation="sigmoid",
        loss="squared_error",
        reduction="sum",
        batch_size=1,
        learning_rate=GIVEN[r"\varepsilon"],
        dtype="float64",
    )
    hidden = np.array([[GIVEN[f"w_{{{i}{j}}}"] for j in (3, 4)] for i in (1, 2)])
    output = np.array([[GIVEN["w_{35}"]], [GIVEN["w_{45}"]]])
    biases = np.array([GIVEN["b_3"], GIVEN["b_4"]]), np.array([GIVEN["b_5"]])
    trainer = NumpyTrainer(recipe, (Layer(hidden, biases[0]), Layer(output, biases[1])))
    x, t = np.array([[GIVEN["x_1"], GIVEN["x_2"]]]), np.array([[GIVEN["t_5"]]])
    before = trainer.forward(x)
    backward = trainer.backward(before, t)
    trainer.update(backward)
    after = trainer.forward(x)
    losses = [trainer.loss(forward.z[-1], forward.y[-1], t) for forward in (before, after)]
    return Worked(before, losses[0], backward, trainer.parameters(), after, losses[1])


def name_units(values: dict[int, float], name: str) -> dict[str, float]:
    return {name.format(unit): value for unit, value in values.items()}


def name_weights(layers: Parameters, name: str) -> dict[str, float]:
    hidden, output = layers
    assert hidden.bias is not None
    assert output.bias is not None
    weights = {f"w_{{{i}{j}}}": float(hidden.weight[i - 1, j - 3]) for i in (1, 2) for j in (3, 4)}
    weights |= {f"w_{{{j}5}}": float(output.weight[j - 3, 0]) for j in (3, 4)}
    weights |= {"b_3": float(hidden.bias[0]), "b_4": float(hidden.bias[1]), "b_5": float(output.bias[0])}
    return {name.format(weight): value for weight, value in weights.items()}


def units(layers: list[Floats]) -> dict[int, float]:
    """Number the values of hidden and output layer as the figure numbers the units."""
    return dict(zip((3, 4, 5), (float(value) for layer in layers for value in layer[0]), strict=True))


def expected_values() -> dict[str, float]:
    worked = work_out()
    partial = r"\partial E/\partial "
    dy = [layer for layer in worked.backward.dy if layer is not None]
    return {
        **name_units(units(worked.before.z), "z_{}"),
        **name_units(units(worked.before.y[1:]), "y_{}"),
        "E": worked.loss_before,
        **name_units(units(dy), partial + "y_{}"),
        **name_units(units(worked.backward.dz), partial + "z_{}"),
        **name_weights(worked.backward.gradients, partial + "{}"),
        **name_weights(worked.weights, "{}'"),
        **name_units(units(worked.after.z), "z_{}'"),
        **name_units(units(worked.after.y[1:]), "y_{}'"),
        "E'": worked.loss_after,
    }


def test_the_worked_example_states_what_scratch_numpy_computes() -> None:
    stated = {quantity.strip("$"): value for quantity, _, _, value in COMPUTED}
    assert stated == {name: f"{value:.6f}" for name, value in expected_values().items()}


@pytest.mark.parametrize(("quantity", "equation", "computation", "value"), COMPUTED)
def test_each_row_of_the_worked_example_can_be_worked_by_pencil(
    quantity: str, equation: str, computation: str, value: str
) -> None:
    assert int(equation.strip("()")) in EQUATIONS
    worked = eval(computation.strip("`"), {"__builtins__": {}, "exp": math.exp})
    assert worked == pytest.approx(float(value), abs=2e-6)  # from rounded numbers, so the last digit may be off


def test_the_figure_shows_the_numbers_of_the_worked_example() -> None:
    figure = (DERIVATION.parent / "figures" / "two-two-one.svg").read_text(encoding="utf-8")
    plain = figure.translate(str.maketrans("₁₂₃₄₅−", "12345-"))
    shown = dict(re.findall(r"([wbxt]\d+) = (-?[\d.]+)", plain))
    given = {re.sub(r"[_{}]", "", name): value for name, value in GIVEN.items() if name != r"\varepsilon"}
    assert {name: float(value) for name, value in shown.items()} == given


def test_the_chinese_figure_is_the_english_one_with_other_words() -> None:
    english, chinese = (
        (DERIVATION.parent / "figures" / name).read_text(encoding="utf-8").splitlines()
        for name in ("two-two-one.svg", "two-two-one.zh-CN.svg")
    )
    words = [
        (re.search(r">([^<]+)<", before), re.search(r">([^<]+)<", after))
        for before, after in zip(english, chinese, strict=True)
        if before != after and "font-family" not in before
    ]
    assert all(before and re.search("[a-z]", before[1]) for before, _ in words)
    assert all(after and re.search("[\u4e00-\u9fff]", after[1]) for _, after in words)
    assert not re.search(">[^<]*[a-z]{4}", "".join(chinese)), "no English word is left"
