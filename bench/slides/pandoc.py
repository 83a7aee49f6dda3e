"""pandoc, which writes Markdown as PowerPoint reads it. It comes with an extra."""

import datetime
import io
import os
import subprocess
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from backprop_bench.data import InputError

FORMAT: Final = (
    "markdown_strict-raw_html+all_symbols_escapable+fenced_divs+implicit_figures+pipe_tables+tex_math_dollars"
    "+yaml_metadata_block"
)
LETTERS: Final = {
    "ppt/presentation.xml": {"1800": "1600"},
    "ppt/slideMasters/slideMaster1.xml": {"3300": "2800", "2400": "2000", "1350": "1600"},
}
"""Sizes of letters in pandoc's own deck and those here, in hundredths of points: of titles, of text, of tables."""


def find_pandoc() -> str:
    """Return where pandoc is; raises `InputError` where it is not installed."""
    try:
        import pypandoc

        return str(pypandoc.get_pandoc_path())
    except (ImportError, OSError):
        raise InputError("Slides need pandoc, which is not installed; run pip install 'backprop-bench[docs]'") from None


def to_pptx(markdown: str, pictures: Mapping[str, bytes], created: datetime.datetime) -> bytes:
    """Return slides as a file of PowerPoint; the same text, pictures and date give the same bytes."""
    with tempfile.TemporaryDirectory() as folder:

        def run(*words: str) -> bytes:
            told = [find_pandoc(), "--data-dir=.", *words]  # without what the user has set for pandoc
            environment = {**os.environ, "SOURCE_DATE_EPOCH": str(int(created.timestamp()))}
            done = subprocess.run(
                told, input=markdown.encode(), stdout=subprocess.PIPE, cwd=folder, env=environment, check=True
            )
            return done.stdout

        reference = _with_letters(run("--print-default-data-file=reference.pptx"))
        for name, content in {**pictures, "reference.pptx": reference}.items():
            (Path(folder) / name).write_bytes(content)
        columns = "--columns=1"  # of Markdown, so that those of every table are as wide as the dashes say
        words = ["--reference-doc=reference.pptx", "--slide-level=1", columns, "--output=-"]
        return run(f"--from={FORMAT}", "--to=pptx", *words)


def _with_letters(deck: bytes) -> bytes:
    """Return a deck with other sizes of letters: those of pandoc's tables cannot be read from the last row."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(deck)) as before, zipfile.ZipFile(buffer, "w") as after:
        for file in before.infolist():
            content = before.read(file)
            for old, new in LETTERS.get(file.filename, {}).items():
                content = content.replace(f'sz="{old}"'.encode(), f'sz="{new}"'.encode())
            after.writestr(file, content)
    return buffer.getvalue()
