"""docs/notebook.ipynb in both languages: the cells of its scripts, with what they show when they run."""

import ast
import copy
import os
import re
import tempfile
import zlib
from pathlib import Path
from typing import Any

import jupytext
import nbclient
import nbformat

from tests.docs.generated import ROOT

NOTEBOOK, CHINESE = ROOT / "docs" / "notebook.ipynb", ROOT / "docs" / "notebook.zh-CN.ipynb"
SOLUTION = re.compile(
    r"^```python\n(.*?)^```\n\n(?:It prints:|输出：)\n\n```text\n(.*?)^```$", re.DOTALL | re.MULTILINE
)
"""The code of a solution, and what it shows."""
LIMIT_S = 250
"""Of a cell."""

Notebook = Any  # nbformat is not typed


def page(_: str) -> str:
    """Run the cells of the script, and return the notebook with what they show."""
    return written(executed(of_script(NOTEBOOK.with_suffix(".py"))))


def chinese_page(_: str) -> str:
    """Return the Chinese notebook: its code is the same, and so is what that shows."""
    notebook, shown = of_script(CHINESE.with_suffix(".py")), nbformat.read(NOTEBOOK, as_version=4)
    for own, other in zip(code_cells(notebook), code_cells(shown), strict=True):
        own.outputs, own.execution_count = other.outputs, other.execution_count
    return written(notebook)


def of_script(path: Path) -> Notebook:
    """Return the notebook of a script, without outputs, with names of cells that only their text decides."""
    notebook = jupytext.read(path)
    for cell in notebook.cells:
        cell.id = f"{zlib.crc32(cell.source.encode()):08x}"
    notebook.metadata.language_info = {"name": "python", "pygments_lexer": "ipython3"}
    notebook.metadata.backprop_bench = {"outputs_of": checksum(notebook)}
    return notebook


def executed(notebook: Notebook) -> Notebook:
    """Return a notebook that has run in a kernel of its own, without what it says on standard error, such as progress.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        For a cell that fails.
    """
    notebook = copy.deepcopy(notebook)
    own = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}  # figures are shown in the cells
    paths = [str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    language_info = notebook.metadata.language_info
    with tempfile.TemporaryDirectory() as folder:
        client = nbclient.NotebookClient(
            notebook,
            timeout=LIMIT_S,
            kernel_name="python3",
            resources={"metadata": {"path": folder}},
            record_timing=False,
            coalesce_streams=True,
        )
        client.execute(env={**own, "PYTHONPATH": os.pathsep.join(paths)})
    notebook.metadata.language_info = language_info
    for cell in code_cells(notebook):
        cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    return notebook


def with_solutions(notebook: Notebook) -> Notebook:
    """Return a notebook with a cell of code after those with solutions, which shows what they say."""
    notebook = copy.deepcopy(notebook)
    cells = []
    for cell in notebook.cells:
        cells.append(cell)
        for code, shown in SOLUTION.findall(cell.source) if cell.cell_type == "markdown" else ():
            outputs = [nbformat.v4.new_output("stream", name="stdout", text=shown)]
            cells.append(nbformat.v4.new_code_cell(code, outputs=outputs))
    notebook.cells = cells
    return notebook


def code_cells(notebook: Notebook) -> list[Any]:
    """Return the cells of code."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def bare(code: str) -> str:
    """Return code without comments and docstrings, which a translation may translate."""
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
            node.body[:1] = [ast.Pass()] if len(node.body) == 1 else []
    return ast.unparse(tree)


def checksum(notebook: Notebook) -> str:
    """Return the checksum of what runs: where it is another one, outputs are stale."""
    return f"{zlib.crc32(chr(10).join(bare(cell.source) for cell in code_cells(notebook)).encode()):08x}"


def written(notebook: Notebook) -> str:
    """Return a notebook as its file has it."""
    nbformat.validate(notebook)
    return str(nbformat.writes(notebook)).rstrip("\n") + "\n"
