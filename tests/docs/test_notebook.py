"""The notebook: it shows what is stored, its exercises have right solutions, and both languages are the same class."""

import base64
import io
import math
import re
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import numpy as np
import pytest
from PIL import Image

from tests.docs.generated import ROOT
from tests.docs.generated.notebook import (
    CHINESE,
    NOTEBOOK,
    SOLUTION,
    bare,
    checksum,
    code_cells,
    executed,
    with_solutions,
)

DERIVATION = (ROOT / "docs" / "derivation.md").read_text(encoding="utf-8")
HINT = "run: python -m tests.docs.refresh docs/notebook.ipynb docs/notebook.zh-CN.ipynb"
BOTH = pytest.mark.parametrize("path", [NOTEBOOK, CHINESE], ids=lambda path: path.name)
TIMES, ROUNDING = "times", "rounding"
"""Tags of cells: what they show differs each time; their figure shows rounding errors, which differ by machine."""
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
AGREES = re.compile(r"exact|\d+ digits")
SMALL = 1e-4
"""Numbers below are rounding errors, of which only the order of magnitude is compared."""
EXERCISE = re.compile(r"^\*\*(?:Exercise|练习) (\d+)", re.MULTILINE)
FOLDED = re.compile(
    r"^<details>\n<summary>(?:Solution|参考答案)</summary>\n\n(.*?)\n\n</details>$", re.DOTALL | re.MULTILINE
)


def read(path: Path) -> Any:
    """Return a notebook."""
    return nbformat.read(path, as_version=4)


def prose(path: Path) -> str:
    """Return the text of a notebook, without its code."""
    return "\n\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")


def shown(cell: Any) -> str:
    """Return all that a cell shows as text."""
    return "\n".join(output.get("text") or output.data.get("text/plain", "") for output in cell.outputs)


def stored(start: str) -> str:
    """Return what the cell shows that has this in it."""
    (cell,) = [cell for cell in code_cells(read(NOTEBOOK)) if start in cell.source]
    return shown(cell)


def assert_same_text(actual: str, expected: str) -> None:
    """Compare texts, and the numbers in them to 0.5 %; rounding errors to a factor of ten."""
    actual, expected = (AGREES.sub("agrees", text).strip() for text in (actual, expected))
    assert NUMBER.sub("#", actual) == NUMBER.sub("#", expected), HINT
    for a, b in zip(*(map(float, NUMBER.findall(text)) for text in (actual, expected)), strict=True):
        if 0 < abs(a) < SMALL and 0 < abs(b) < SMALL:
            assert abs(math.log10(abs(a / b))) <= 1, f"{a} and {b}; {HINT}"
        else:
            assert a == pytest.approx(b, rel=0.005, abs=1e-12), HINT


def assert_same_picture(actual: str, expected: str) -> None:
    a, b = (np.asarray(Image.open(io.BytesIO(base64.b64decode(png))).convert("L"), float) for png in (actual, expected))
    assert a.shape == b.shape, HINT
    assert np.sqrt(np.square(a - b).mean()) < 3, HINT


def assert_same_outputs(actual: Any, expected: Any) -> None:
    """Compare what a cell shows now with what is stored: of times, only that there is as much of it."""
    tags = expected.metadata.get("tags", [])
    kinds = [
        [(output.output_type, *sorted(output.get("data", ()))) for output in cell.outputs]
        for cell in (actual, expected)
    ]
    assert kinds[0] == kinds[1], HINT
    if TIMES in tags:
        return
    for now, before in zip(actual.outputs, expected.outputs, strict=True):
        if now.output_type == "stream":
            assert_same_text(now.text, before.text)
            continue
        for kind, value in now.data.items():
            if kind.startswith("text/"):
                assert_same_text(value, before.data[kind])
            elif ROUNDING not in tags:
                assert_same_picture(value, before.data[kind])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_notebook_and_its_solutions_show_what_is_stored() -> None:
    expected = with_solutions(read(NOTEBOOK))
    for now, before in zip(code_cells(executed(expected)), code_cells(expected), strict=True):
        assert_same_outputs(now, before)


def test_a_number_or_a_picture_that_has_changed_is_noticed() -> None:
    assert_same_text("accuracy 87.5%, apart 4e-16, 15 digits", "accuracy 87.4%, apart 9e-16, exact")
    for changed in ("accuracy 88.5%, apart 4e-16", "accuracy 87.5%, apart 4e-14", "loss 87.5%, apart 4e-16"):
        with pytest.raises(AssertionError):
            assert_same_text(changed, "accuracy 87.5%, apart 4e-16")
    pictures = [
        output.data["image/png"]
        for cell in code_cells(read(NOTEBOOK))
        for output in cell.outputs
        if "data" in output and "image/png" in output.data
    ]
    picture = Image.open(io.BytesIO(base64.b64decode(pictures[-1])))
    picture.paste(0, (0, 0, 30, 30))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    assert_same_picture(pictures[-1], pictures[-1])
    with pytest.raises(AssertionError):
        assert_same_picture(base64.b64encode(buffer.getvalue()).decode(), pictures[-1])


@BOTH
def test_the_notebook_has_the_cells_of_its_script_and_the_outputs_of_this_code(path: Path) -> None:
    script, notebook = jupytext.read(path.with_suffix(".py")), read(path)
    cells = [
        [(cell.cell_type, cell.source, cell.metadata.get("tags")) for cell in file.cells] for file in (script, notebook)
    ]
    assert cells[0] == cells[1], HINT
    assert notebook.metadata["jupytext"]["formats"] == "ipynb,py:percent"
    assert notebook.metadata["backprop_bench"]["outputs_of"] == checksum(script), HINT
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1)), HINT
    assert not [
        cell.source for cell in code_cells(notebook) for output in cell.outputs if output.output_type == "error"
    ]


def test_the_notebook_begins_with_the_numbers_of_the_worked_example() -> None:
    z, y = re.findall(r"-?\d\.\d{6}", stored("def sigmoid"))
    assert re.search(rf"^\| \$z_3\$ .*\| {z} \|$", DERIVATION, re.MULTILINE)
    assert re.search(rf"^\| \$y_3\$ .*\| {y} \|$", DERIVATION, re.MULTILINE)


def test_the_stored_outputs_show_the_mistake_first_where_it_is_and_what_it_is() -> None:
    outputs, gradient, *_ = re.findall(r"^\d .*$", stored("checked = bb.check(Theirs"), re.MULTILINE)
    assert "DIFFERS" not in outputs
    assert re.search(r"dE/dW, gradient +DIFFERS \(3\) +(exact|\d+ digits)$", gradient)
    known = "A known mistake computes exactly this: the derivative of the hidden activation is missing."
    assert known in stored("*checked.sentences")
    assert "Equal in float64" in stored("bb.check(Mine")


def test_the_stored_times_have_an_interval_beside_every_ratio_of_pairs() -> None:
    ratios = stored("def paired_ratio").splitlines()
    assert len(ratios) == 2
    for ratio in (*ratios, stored("bb.time(").splitlines()[0]):
        assert re.search(r"\(95\s%\sCI\s\S+(–| to )\S+\)", ratio), ratio


@BOTH
def test_the_notebook_is_small_and_says_nothing_of_the_machine_that_ran_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text) < 400_000
    assert all(len(picture) < 100_000 for picture in re.findall(r'"image/png": "([^"]*)"', text))
    assert re.findall(r"/(?:tmp|home|root|Users|var|work)/\S*", text) == []


@BOTH
def test_the_notebook_takes_the_public_interface_alone(path: Path) -> None:
    code = "\n".join(cell.source for cell in code_cells(with_solutions(read(path))))
    imported = re.findall(r"^\s*(?:from|import) ([\w.]+)", code, re.MULTILINE)
    assert {"backprop_bench", "numpy", "matplotlib.pyplot", "torch"} <= set(imported)
    assert [name for name in imported if name.startswith("backprop_bench.")] == []


@BOTH
def test_every_exercise_is_numbered_and_followed_by_one_folded_solution(path: Path) -> None:
    parts = EXERCISE.split(prose(path))[1:]
    assert [int(number) for number in parts[::2]] == list(range(1, len(parts) // 2 + 1))
    for number, text in zip(parts[::2], parts[1::2], strict=True):
        assert len(FOLDED.findall(text)) == 1, f"exercise {number}"
        assert text.count("<details>") == text.count("</details>") == 1, f"exercise {number}"
    for solution in FOLDED.findall(prose(path)):
        assert solution.count("```") == 4 * len(SOLUTION.findall(solution)), "code, and what it shows"


@BOTH
def test_the_plan_of_the_hour_has_every_section_and_adds_up_to_an_hour(path: Path) -> None:
    text = prose(path)
    plan = re.findall(r"^\| (\d+) \| (\d\. [^|]+) \|", text, re.MULTILINE)
    assert sum(int(minutes) for minutes, _ in plan) == 60
    assert [title for _, title in plan] == re.findall(r"^## (\d\. .*)$", text, re.MULTILINE)


@BOTH
def test_the_notebook_names_equations_of_the_derivation_alone(path: Path) -> None:
    text = path.with_suffix(".py").read_text(encoding="utf-8")
    numbers = {int(number) for number in re.findall(r"(?:#|,|\\quad|[a-z\u4e00-\u9fff]) \((\d+)\)", text)}
    assert {1, 2, 3, 4, 5, 6, 7, 8, 26} <= numbers
    assert all(rf"\qquad ({number})" in DERIVATION for number in numbers)


@BOTH
def test_every_page_that_the_notebook_leads_to_exists(path: Path) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", prose(path))
    assert targets
    assert [target for target in targets if not (path.parent / target).exists()] == []


def test_both_languages_have_the_same_code_outputs_exercises_equations_and_links() -> None:
    english, chinese = (with_solutions(read(path)) for path in (NOTEBOOK, CHINESE))
    for own, other in zip(code_cells(chinese), code_cells(english), strict=True):
        assert bare(own.source) == bare(other.source)
        assert own.outputs == other.outputs, HINT
    assert [cell.cell_type for cell in chinese.cells] == [cell.cell_type for cell in english.cells]
    assert not re.search(r"\]\((?:derivation|why|your-own)\.md", prose(CHINESE)), "these pages are in Chinese too"
    texts = [prose(path).replace("](zh/", "](") for path in (CHINESE, NOTEBOOK)]
    for pattern in (r"^\*\*(?:Exercise|练习) (\d+)", r"\$\$(.+?)\$\$", r"\]\(((?!notebook)[^)\s]+)\)"):
        own, other = (sorted(re.findall(pattern, text, re.DOTALL | re.MULTILINE)) for text in texts)
        assert own == other, pattern
    for pattern in (r"(?<!\$)\$([^$\n]+)\$(?!\$)", r"`([^`\n]+)`"):  # one language says "it" where the other repeats it
        own, other = (set(re.findall(pattern, text)) for text in texts)
        assert own == other, pattern
