"""Write what the reference run says into the README: ``python -m tests.docs.refresh_readme``."""

import re
from pathlib import Path

from bench.compute.summary import Summary, summarize
from bench.records import read_description, read_rows
from bench.show.claims import answer, warnings

ROOT = Path(__file__).parents[2]
README, REFERENCE = ROOT / "README.md", ROOT / "results" / "reference"
BLOCK = re.compile(r"(?<=<!-- reference -->\n).*(?=<!-- /reference -->)", re.DOTALL)


def reference_summary() -> Summary:
    """Return the summary of the committed run."""
    return summarize(read_description(REFERENCE), read_rows(REFERENCE))


def reference_block() -> str:
    """Return the sentences of the reference run as a Markdown list, whose spaces do break."""
    summary = reference_summary()
    sentences = [*warnings(summary), *answer(summary)]
    return "".join(f"* {sentence}\n" for sentence in sentences).replace("\N{NO-BREAK SPACE}", " ")


def refresh() -> None:
    """Put the block into the README."""
    text = README.read_text(encoding="utf-8")
    block = reference_block()
    README.write_text(BLOCK.sub(lambda _: block, text), encoding="utf-8")


if __name__ == "__main__":
    refresh()
