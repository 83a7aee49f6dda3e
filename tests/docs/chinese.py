"""The pages that are in English and in Chinese, side by side: what both must have."""

import re
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.docs.pages import ROOT, anchors, read

PAGES = {
    "README.md": "README.zh-CN.md",
    "docs/derivation.md": "docs/zh/derivation.md",
    "docs/why.md": "docs/zh/why.md",
    "docs/your-own.md": "docs/zh/your-own.md",
}
"""Every page that is in Chinese too, and the Chinese one."""
ENGLISH = {chinese: english for english, chinese in PAGES.items()}
STAMP = re.compile(r"<!-- of (?P<page>[\w-]+\.md): (?P<checksum>[0-9a-f]{8}) -->")
"""Stands under every heading of a Chinese page: the checksum of the English section that it was written from."""
CODE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
FORMULA = re.compile(r"\$([^$\n]+)\$")
WORDS_IN_FORMULA = re.compile(r"\\text\{[^}]*\}")
LANGUAGE = re.compile(r"\.zh(-CN)?(?=\.\w+$)")
FORMAT_OF_IMAGE = re.compile(r"\.(png|svg)$")
GENERATED = [
    re.compile(pattern, re.DOTALL | re.MULTILINE)
    for pattern in (
        r"(?P<first><!-- (?P<name>[\w-]+) -->\n).*?(?P<last><!-- /(?P=name) -->)",
        r"(?P<first><!-- code of \(\d+\) -->\n).*?(?P<last><!-- end -->)",
        r"(?P<first>^```\n\$ backprop-bench [^\n]*\n).*?(?P<last>^```$)",
    )
]
"""What records, code and commands put into a page: it changes without being translated again."""


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it, in the page of this name."""

    page: str
    level: int
    title: str
    text: str

    @property
    def checksum(self) -> str:
        """The checksum of the section as it was written, that is without what is generated."""
        written = f"{self.title}\n{self.text.strip()}"
        for pattern in GENERATED:
            written = pattern.sub(r"\g<first>\g<last>", written)
        return f"{zlib.crc32(written.encode()):08x}"

    @property
    def stamp(self) -> str | None:
        """The checksum of the section that this one was translated from."""
        result = STAMP.search(self.text)
        return result and result["checksum"]

    def contents(self) -> Counter[str]:
        """Count what must be in both languages: commands, code, formulas, links, numbers, items and rows."""
        text = STAMP.sub("", self.text)
        result = Counter(f"command {line}" for block in CODE.findall(text) for line in commands(block))
        text = CODE.sub("", text)
        result += Counter(f"link to {target(link, self.page)}" for link in re.findall(r"\]\(([^)\s]+)\)", text))
        text = re.sub(r"\]\([^)\s]+\)", "]", text)
        result += Counter(f"code {span}" for span in re.findall(r"`([^`]+)`", text))
        text = re.sub(r"`[^`]+`", "", text)
        result += Counter(f"formula {formula}" for formula in FORMULA.findall(text))
        text = FORMULA.sub("", text)
        result += Counter(f"number {number}" for number in re.findall(r"\d+(?:[.,]\d+)*", text))
        result["items of lists"] += len(re.findall(r"^ *(?:[*-]|\d+\.) ", text, re.MULTILINE))
        result["rows of tables"] += len(re.findall(r"^\|", text, re.MULTILINE))
        return result


def commands(block: str) -> list[str]:
    """Return the lines of a code block without what is said beside them, and without the words within formulas."""
    lines = [re.split(r" #|\s{2,}", line.strip())[0].strip() for line in block.splitlines()[1:-1]]
    return [WORDS_IN_FORMULA.sub(r"\\text{}", line) for line in lines]


def target(link: str, page: str) -> str:
    """Return where a link of a page leads; a page, notebook or figure and its Chinese version are the same."""
    path, _, anchor = link.partition("#")
    if "://" in path:
        return link
    file = ((ROOT / page).parent / path if path else ROOT / page).resolve()
    name = file.relative_to(ROOT.resolve()).as_posix()
    where = FORMAT_OF_IMAGE.sub("", LANGUAGE.sub("", ENGLISH.get(name, name)))
    known = anchors(read(file)) if name.endswith(".md") and file.is_file() else []
    return f"{where}, heading {known.index(anchor)}" if anchor in known else f"{where}#{anchor}"


def sections(text: str, page: str) -> list[Section]:
    """Cut a page at its headings; a line of code that begins with # is none."""
    code = [result.span() for result in CODE.finditer(text)]
    heads = [
        head
        for head in re.finditer(r"^(#+) (.*)\n", text, re.MULTILINE)
        if not any(start < head.start() < end for start, end in code)
    ]
    ends = [*(head.start() for head in heads[1:]), len(text)]
    return [Section(page, len(head[1]), head[2], text[head.end() : end]) for head, end in zip(heads, ends, strict=True)]


def stamped(chinese: str, english: str, page: str) -> str:
    """Return the Chinese text of a page, named in English, with the checksums of the English sections as they are."""
    pairs = zip(sections(chinese, PAGES[page]), sections(english, page), strict=True)
    return "".join(
        f"{'#' * own.level} {own.title}\n<!-- of {Path(page).name}: {other.checksum} -->\n\n"
        f"{STAMP.sub('', own.text).lstrip()}"
        for own, other in pairs
    )
