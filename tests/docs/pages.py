"""What is read out of a page: its prose, headings, links, code blocks, and the commands in it."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / name
    for name in (
        *("README.md", "README.zh-CN.md", "CONTRIBUTING.md", "CHANGELOG.md"),
        *("results/README.md", "data/mnist/README.md"),
    )
] + sorted((ROOT / "docs").rglob("*.md"))
"""Every page that people read."""
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SPANS = re.compile(r"`([^`\n]+)`")
PROGRAM = re.compile(r"^(?:\$ )?(?:[A-Z]+=\w+ )?((?:\.venv/bin/)?(?:make|python|pytest|ruff|mypy|backprop-bench)\b.*)$")


def read(page: Path) -> str:
    """Return the text of a page."""
    return page.read_text(encoding="utf-8")


def prose(text: str) -> str:
    """Return a text without its fenced blocks."""
    return FENCED.sub("", text)


def anchors(text: str) -> list[str]:
    """Return what links may name after #, in the order of the headings."""
    titles = re.findall(r"^#+ (.*)$", prose(text), re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]


def links(text: str) -> list[str]:
    """Return where the links and images of a text lead."""
    return re.findall(r"\]\(([^)\s]+)\)", prose(text))


def spans(text: str) -> list[str]:
    """Return what is written as code within the prose, each on one line."""
    return SPANS.findall(prose(text))


def commands(text: str) -> list[list[str]]:
    """Return the commands of a text in words, those in blocks and those in the prose."""
    lines = [line for _, block in FENCED.findall(text) for line in block.splitlines()] + spans(text)
    found = [PROGRAM.match(line.strip()) for line in lines]
    return [re.split(r" (?:[|>#]|&&)(?: |$)", match[1])[0].split() for match in found if match is not None]
