"""pandoc, which writes Markdown as PowerPoint reads it. It comes with an extra."""

import datetime
import functools
import io
import os
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from backprop_bench.data import InputError

FORMAT: Final = (
    "markdown_strict-raw_html+all_symbols_escapable+backtick_code_blocks+fenced_divs+pipe_tables+raw_attribute"
    "+tex_math_dollars+yaml_metadata_block"
)
LOOK: Final[Mapping[str, Mapping[str, str]]] = {
    "ppt/slideMasters/slideMaster1.xml": {
        '<p:titleStyle><a:lvl1pPr algn="ctr"': '<p:titleStyle><a:lvl1pPr algn="l"',
        'sz="3300"': 'sz="2600" b="1"',
        'sz="2400"': 'sz="2000"',
        'sz="1350"': 'sz="2000"',
    },
    "ppt/slideLayouts/slideLayout1.xml": {'"1371600"': '"685800"', '"6400800"': '"7772400"', 'algn="ctr"': 'algn="l"'},
    "ppt/theme/theme1.xml": {"宋体": "微软雅黑"},
}
"""By file of pandoc's own deck, what is replaced: sizes of letters of titles, text and tables, sides, and a font."""
ROWS: Final[Mapping[str, str]] = {
    '<a:tr h="0">': '<a:tr h="480000">',
    "<a:tcPr />": "",
    "</a:txBody></a:tc>": '</a:txBody><a:tcPr anchor="ctr" /></a:tc>',
}
"""What is replaced in slides: rows of tables are as high as their letters, which stand at the top of them."""


def find_pandoc() -> str:
    """Return where pandoc is; raises `InputError` where it is not installed."""
    try:
        import pypandoc

        return str(pypandoc.get_pandoc_path())
    except (ImportError, OSError):
        raise InputError("Slides need pandoc, which is not installed; run pip install 'backprop-bench[docs]'") from None


def run_pandoc(
    *words: str, text: str = "", folder: Path | None = None, created: datetime.datetime | None = None
) -> bytes:
    """Return what pandoc writes to its standard output, without what the user has set for it.

    Parameters
    ----------
    folder
        Where the files are that it is told of.
    created
        The date of what it writes.
    """
    with tempfile.TemporaryDirectory() as empty:
        dated = {} if created is None else {"SOURCE_DATE_EPOCH": str(int(created.timestamp()))}
        done = subprocess.run(
            [find_pandoc(), "--data-dir=.", *words],
            input=text.encode(),
            stdout=subprocess.PIPE,
            cwd=folder or empty,
            env={**os.environ, **dated},
            check=True,
        )
        return done.stdout


def to_pptx(markdown: str, created: datetime.datetime) -> bytes:
    """Return slides as a file of PowerPoint; the same text and date give the same bytes."""
    with tempfile.TemporaryDirectory() as folder:
        reference = _replaced(_default_deck(), lambda name: LOOK.get(name, {}), created)
        (Path(folder) / "reference.pptx").write_bytes(reference)
        columns = "--columns=1"  # of Markdown, so that those of every table are as wide as the dashes say
        words = ["--reference-doc=reference.pptx", "--slide-level=1", columns, "--output=-"]
        deck = run_pandoc(f"--from={FORMAT}", "--to=pptx", *words, text=markdown, folder=Path(folder), created=created)
        return _replaced(deck, lambda name: ROWS if name.startswith("ppt/slides/slide") else {}, created)


@functools.cache
def _default_deck() -> bytes:
    return run_pandoc("--print-default-data-file=reference.pptx")


def _replaced(deck: bytes, replacements: Callable[[str], Mapping[str, str]], created: datetime.datetime) -> bytes:
    """Return a deck with other words in its files, all of one date; `replacements` has them by the name of a file."""
    buffer, moment = io.BytesIO(), created.astimezone(datetime.UTC)
    with zipfile.ZipFile(io.BytesIO(deck)) as before, zipfile.ZipFile(buffer, "w") as after:
        for file in before.infolist():
            content = before.read(file)
            for old, new in replacements(file.filename).items():
                content = content.replace(old.encode(), new.encode())
            file.date_time = (moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second)
            after.writestr(file, content)
    return buffer.getvalue()
