"""What commands and committed runs put into the pages: each page has blocks between two markers."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from backprop_bench.bench.report.table import Table, to_markdown

ROOT = Path(__file__).parents[3]
REFERENCE = ROOT / "results" / "reference"


def pattern(name: str) -> re.Pattern[str]:
    """Return what finds a block in a page."""
    return re.compile(rf"(?<=<!-- {name} -->\n).*?(?=<!-- /{name} -->)", re.DOTALL)


def put(text: str, blocks: Mapping[str, str]) -> str:
    """Return a page with these blocks in it; raises `ValueError` for one without its two markers."""
    for name, block in blocks.items():
        text, found = pattern(name).subn(lambda _, block=block: block, text)  # type: ignore[misc]
        if found != 1:
            raise ValueError(f"the page has block {name!r} {found} times, expected once")
    return text


def listed(sentences: Sequence[str]) -> str:
    """Return sentences as a Markdown list, with spaces that break."""
    return with_spaces("".join(f"* {sentence}\n" for sentence in sentences))


def listed_with_tables(sentences: Sequence[str], tables: Sequence[Table]) -> str:
    """Return sentences as a Markdown list, then tables."""
    if not tables:
        return listed(sentences)
    return listed(sentences) + "\n" + with_spaces("\n".join(map(to_markdown, tables))) + "\n"


def with_spaces(text: str) -> str:
    """Return a text with spaces that break, as people type them."""
    return text.replace("\N{NO-BREAK SPACE}", " ")
