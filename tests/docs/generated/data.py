"""docs/data.md: what `load_dataset` says of each kind of file that the tests make."""

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

from backprop_bench.data import InputError, load_dataset
from backprop_bench.data.sources import PUBLISHED, folder_variable
from tests.data.kinds import KINDS, Kind
from tests.docs.generated import ROOT, put, with_spaces

PAGE = ROOT / "docs" / "data.md"
_EXAMPLES = re.compile(r"^.*? classes( \([^)]*\))?")
"""What all kinds have in common: the same examples."""
HELD_OUT = "; a seventh of each class held out for testing"
"""What the page says once."""


def page(text: str) -> str:
    """Return the page with the kinds of files and the named datasets."""
    return put(text, {"kinds": kinds(), "named": named()})


def kinds() -> str:
    """Return a table for each group of kinds: what it is, and what is done with it."""
    tables = []
    for group, members in groupby(KINDS, key=lambda kind: kind.group):
        rows = "".join(f"| {kind.name} | {_cell(done(kind))} |\n" for kind in members)
        tables.append(f"### {group}\n\n| what you have | what is done |\n|---|---|\n{rows}")
    return with_spaces("\n" + "\n".join(tables) + "\n")


def done(kind: Kind) -> str:
    """Return what is done with a kind of file: what is understood beside the examples, or why it is refused."""
    with _elsewhere() as folder:
        given = kind.make(folder)
        try:
            summary = load_dataset(given).summary
        except InputError as error:
            return f"**Refused.** {error}"
    understood = _EXAMPLES.sub("", summary).replace(HELD_OUT, "").lstrip("; ,")
    return f"Read. {understood[:1].upper()}{understood[1:]}".rstrip()


@contextlib.contextmanager
def _elsewhere() -> Iterator[Path]:
    """Give an empty folder, which is the current one meanwhile, and a cache of its own."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        files, cache = Path(folder, "files"), Path(folder, "cache")
        files.mkdir()
        patch.setenv("BACKPROP_BENCH_CACHE", os.fspath(cache))
        patch.chdir(files)
        yield files


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def named() -> str:
    """Return a table of the named datasets."""
    rows = "".join(
        f"| `{name}` | {published.description} | {_variable(name)} |\n" for name, published in PUBLISHED.items()
    )
    return f"\n| name | what it is | variable for a folder of yours |\n|---|---|---|\n{rows}\n"


def _variable(name: str) -> str:
    return f"`{folder_variable(name)}`" if PUBLISHED[name].url else ""
