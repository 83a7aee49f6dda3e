"""A notebook as a page of Markdown, with the outputs that are stored in it."""

import re

import nbformat

_STYLES = re.compile(r"\s*<style.*?</style>|^\s*\n", re.DOTALL | re.MULTILINE)
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def to_markdown(text: str) -> str:
    """Return the cells of a notebook, which is in JSON, and their outputs as Markdown."""
    return "\n\n".join(part for cell in nbformat.reads(text, as_version=4).cells for part in _parts(cell))


def _parts(cell: nbformat.NotebookNode) -> list[str]:
    if cell.cell_type != "code":
        return [cell.source]
    return [_fenced(cell.source, "python"), *(_output(output) for output in cell.outputs)]


def _output(output: nbformat.NotebookNode) -> str:
    """Return what a cell shows: text as it is printed, Markdown and tables as they read, an image within the page."""
    if output.output_type == "stream":
        return _fenced(output.text, "text")
    if output.output_type == "error":
        return _fenced(_COLOURS.sub("", "\n".join(output.traceback)), "text")
    if "text/markdown" in output.data:
        return str(output.data["text/markdown"])
    if "image/png" in output.data:
        return f"![What the cell above draws](data:image/png;base64,{''.join(output.data['image/png'].split())})"
    if "text/html" in output.data:
        table = _STYLES.sub("", output.data["text/html"]).replace(' border="1" class="dataframe"', ' class="docutils"')
        return f'<div class="table-wrapper">\n{table.strip()}\n</div>'
    return _fenced(output.data.get("text/plain", ""), "text")


def _fenced(text: str, language: str) -> str:
    fence = "`" * max(3, *(len(ticks) + 1 for ticks in re.findall(r"`+", text)), 3)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"
