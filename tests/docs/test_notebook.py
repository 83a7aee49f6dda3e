"""The notebook runs from top to bottom, is the same in its two files, and holds no outputs."""

import re
from pathlib import Path

import jupytext
import nbclient
import nbformat
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("notebook")]  # what its fixtures make is made once

ROOT = Path(__file__).parents[2]
SCRIPT, NOTEBOOK = ROOT / "docs" / "notebook.py", ROOT / "docs" / "notebook.ipynb"
DERIVATION = ROOT / "docs" / "derivation.md"
HINT = "run: jupytext --to ipynb docs/notebook.py"


@pytest.fixture(scope="module")
def shown() -> list[str]:
    """Run the notebook in a kernel of its own, and return what it shows: texts, and the type of other outputs."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    where = {"metadata": {"path": str(ROOT)}}
    nbclient.NotebookClient(notebook, timeout=100, kernel_name="python3", resources=where).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert [output for output in outputs if output.output_type == "error"] == []
    return [output.get("text") or output.data.get("text/markdown") or " ".join(output.data) for output in outputs]


def test_the_notebook_runs_from_top_to_bottom_and_verification_finds_the_planted_mistake(shown: list[str]) -> None:
    text = "\n".join(shown)
    assert "A known mistake computes exactly this: the derivative of the hidden activation is missing." in text
    planted, right = (output for output in shown if "Against scratch-numpy" in output)
    assert re.search(r"\| dE/dz \| DIFFERS \([^)]*\) \| exact \|", planted)  # the first difference is at the mistake
    assert "DIFFERS" not in right
    assert "DIFFERS" not in planted.partition("| dE/dz |")[0]


def test_the_notebook_shows_its_curves_and_an_interval_beside_every_ratio_of_pairs(shown: list[str]) -> None:
    assert sum("image/png" in output for output in shown) == 3
    pairs = [line for line in "\n".join(shown).splitlines() if "your network" in line]
    assert len(pairs) == 2
    assert all(re.search(r"\(95\s%\sCI\s\S+\)", line) for line in pairs)


def test_the_notebook_begins_with_the_numbers_of_the_worked_example(shown: list[str]) -> None:
    z, y = re.findall(r"-?\d\.\d{6}", shown[0])
    page = DERIVATION.read_text(encoding="utf-8")
    assert re.search(rf"^\| \$z_3\$ .*\| {z} \|$", page, re.MULTILINE)
    assert re.search(rf"^\| \$y_3\$ .*\| {y} \|$", page, re.MULTILINE)


def test_both_files_of_the_notebook_have_the_same_cells() -> None:
    script, notebook = (jupytext.read(path) for path in (SCRIPT, NOTEBOOK))
    cells = [[(cell.cell_type, cell.source) for cell in file.cells] for file in (script, notebook)]
    assert cells[0] == cells[1], HINT
    assert notebook.metadata["jupytext"]["formats"] == "ipynb,py:percent"


def test_no_outputs_of_the_notebook_are_stored() -> None:
    code = [cell for cell in nbformat.read(NOTEBOOK, as_version=4).cells if cell.cell_type == "code"]
    assert code
    assert [cell.source for cell in code if cell.outputs or cell.execution_count is not None] == [], HINT


def test_the_notebook_names_the_equations_of_its_network_and_no_others() -> None:
    page = DERIVATION.read_text(encoding="utf-8")
    numbers = {int(number) for number in re.findall(r"(?:# |, |\\quad |in |and |, and )\((\d+)\)", SCRIPT.read_text())}
    assert {1, 2, 3, 4, 5, 6, 7, 8, 26} <= numbers
    assert all(rf"\qquad ({number})" in page for number in numbers)


def test_every_page_that_the_notebook_leads_to_exists() -> None:
    targets = re.findall(r"\w\]\(([^)\s]+\.\w+)\)", SCRIPT.read_text(encoding="utf-8"))
    assert targets
    assert [target for target in targets if not (SCRIPT.parent / target).exists()] == []
