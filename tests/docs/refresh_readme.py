"""Write what the reference run says into the README, in both languages: ``python -m tests.docs.refresh_readme``.

Whoever has changed README.md brings README.zh-CN.md after it and says so with ``--translated``: every section of it has
the checksum of the English one that it was written from, and a test names those that have changed since.
"""

import re
import sys
from pathlib import Path

from backprop_bench.bench.compare.answer import answer, warnings
from backprop_bench.bench.core.records.reader import read_description, read_records
from backprop_bench.bench.core.summary import Summary, summarize
from tests.docs.chinese import in_chinese, stamped

ROOT = Path(__file__).parents[2]
README, REFERENCE = ROOT / "README.md", ROOT / "results" / "reference"
CHINESE = ROOT / "README.zh-CN.md"
BLOCK = re.compile(r"(?<=<!-- reference -->\n).*(?=<!-- /reference -->)", re.DOTALL)


def reference_summary() -> Summary:
    """Return the summary of the committed run."""
    return summarize(read_description(REFERENCE), read_records(REFERENCE))


def reference_sentences() -> list[str]:
    """Return what the reference run says, with spaces that break."""
    summary = reference_summary()
    return [sentence.replace("\N{NO-BREAK SPACE}", " ") for sentence in (*warnings(summary), *answer(summary))]


def reference_block() -> str:
    """Return the sentences of the reference run as a Markdown list."""
    return "".join(f"* {sentence}\n" for sentence in reference_sentences())


def chinese_block() -> str:
    """Return the same in Chinese."""
    return "".join(f"* {in_chinese(sentence)}\n" for sentence in reference_sentences())


def refresh(translated: bool = False) -> None:
    """Put the blocks into the pages, and where it is `translated` the checksums too."""
    english = put(README, reference_block())
    chinese = put(CHINESE, chinese_block())
    if translated:
        CHINESE.write_text(stamped(chinese, english), encoding="utf-8")


def put(page: Path, block: str) -> str:
    """Put a block into a page, and return the page."""
    text = BLOCK.sub(lambda _: block, page.read_text(encoding="utf-8"))
    page.write_text(text, encoding="utf-8")
    return text


if __name__ == "__main__":
    refresh("--translated" in sys.argv)
