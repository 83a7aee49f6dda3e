"""docs/derivation.md and docs/zh/derivation.md: the links into the code.

A line of code that computes an equation says so in a comment, ``# (5)``. Below the equation, the derivation lists these
lines between two markers; what stands there is made here.
"""

import dataclasses
import re
from collections import defaultdict

from tests.docs.generated import ROOT

DERIVATION = ROOT / "docs" / "derivation.md"

_COMMENT = re.compile(r"^(?P<code>.*?\S)\s*# (?P<numbers>\(\d+\)(?: \(\d+\))*)")
_BLOCK = re.compile(r"(<!-- code of \((\d+)\) -->\n).*?(<!-- end -->\n)", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class CodeLine:
    """A line of scratch/ that computes an equation."""

    file: str
    number: int
    code: str

    def link(self, root: str) -> str:
        return f"[`{self.code}`]({root}/scratch/{self.file}#L{self.number})"


def numbered_lines(sources: dict[str, str]) -> dict[int, list[CodeLine]]:
    """Return the lines that compute each equation, by its number, from the text of every file."""
    found: defaultdict[int, list[CodeLine]] = defaultdict(list)
    for file in sorted(sources):
        for number, text in enumerate(sources[file].splitlines(), start=1):
            if match := _COMMENT.match(text):
                line = CodeLine(file, number, match["code"].strip().rstrip(","))
                for equation in re.findall(r"\d+", match["numbers"]):
                    found[int(equation)].append(line)
    return dict(found)


def read_sources() -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "scratch").glob("*.py")}


def refresh(text: str, lines: dict[int, list[CodeLine]], root: str = "..") -> str:
    """Return the derivation with the lines of code listed below their equations; the code is in a folder of `root`."""

    def block(match: re.Match[str]) -> str:
        items = [f"- {line.file}: {line.link(root)}\n" for line in lines.get(int(match[2]), [])]
        return match[1] + "\n" + "".join(items) + "\n" + match[3]

    return _BLOCK.sub(block, text)


def page(text: str) -> str:
    """Return the derivation with the links into the code as it is."""
    return refresh(text, numbered_lines(read_sources()))


def chinese_page(text: str) -> str:
    """Return the derivation in Chinese with the same links."""
    return refresh(text, numbered_lines(read_sources()), "../..")
