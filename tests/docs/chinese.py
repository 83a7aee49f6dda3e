"""README.md and README.zh-CN.md side by side: what both must have."""

import re
import zlib
from collections import Counter
from dataclasses import dataclass

STAMP = re.compile(r"<!-- of README\.md: ([0-9a-f]{8}) -->")
"""Stands under every heading of the Chinese page: the checksum of the English section that it was written from."""
CODE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
GENERATED = re.compile(r"(<!-- reference -->\n).*(<!-- /reference -->)", re.DOTALL)


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    level: int
    title: str
    text: str

    @property
    def checksum(self) -> str:
        """The checksum of the section as it was written, that is without what records say."""
        written = GENERATED.sub(r"\1\2", f"{self.title}\n{self.text.strip()}")
        return f"{zlib.crc32(written.encode()):08x}"

    @property
    def stamp(self) -> str | None:
        """The checksum of the section that this one was translated from."""
        result = STAMP.search(self.text)
        return result and result[1]

    def contents(self) -> Counter[str]:
        """Count what must be in both languages: commands, code, links, numbers, items and rows."""
        text = STAMP.sub("", self.text)
        result = Counter(f"command {line}" for block in CODE.findall(text) for line in commands(block))
        text = CODE.sub("", text)
        result += Counter(f"link to {target}" for target in re.findall(r"\]\(([^)\s]+)\)", text))
        text = re.sub(r"\]\([^)\s]+\)", "]", text)
        result += Counter(f"code {span}" for span in re.findall(r"`([^`]+)`", text))
        text = re.sub(r"`[^`]+`", "", text)
        result += Counter(f"number {number}" for number in re.findall(r"\d+(?:[.,]\d+)*", text))
        result["items of lists"] += len(re.findall(r"^\* ", text, re.MULTILINE))
        result["rows of tables"] += len(re.findall(r"^\|", text, re.MULTILINE))
        return result


def commands(block: str) -> list[str]:
    """Return the lines of a code block without what is said beside them."""
    return [re.split(r" #|\s{2,}", line.strip())[0].strip() for line in block.splitlines()[1:-1]]


def sections(page: str) -> list[Section]:
    """Cut a page at its headings; a line of code that begins with # is none."""
    code = [result.span() for result in CODE.finditer(page)]
    heads = [
        head
        for head in re.finditer(r"^(#+) (.*)\n", page, re.MULTILINE)
        if not any(start < head.start() < end for start, end in code)
    ]
    ends = [*(head.start() for head in heads[1:]), len(page)]
    return [Section(len(head[1]), head[2], page[head.end() : end]) for head, end in zip(heads, ends, strict=True)]


def stamped(chinese: str, english: str) -> str:
    """Return the Chinese page with the checksums of the English sections as they are now."""
    pairs = zip(sections(chinese), sections(english), strict=True)
    return "".join(
        f"{'#' * own.level} {own.title}\n<!-- of README.md: {other.checksum} -->\n\n{STAMP.sub('', own.text).lstrip()}"
        for own, other in pairs
    )
