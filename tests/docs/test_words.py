"""Texts that a user sees use the words of the field: none that docs/glossary.md replaces."""

import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest
from click import Context

from backprop_bench.bench.cli.main import main
from tests.docs.pages import ROOT

REPLACED = {
    "case": r"\b(training|test|labelled) cases?\b|\bcases? (by|after) cases?\b",
    "by hand": r"\bby hand\b",
    "twin": r"\btwins?\b",
    "proof": r"\bproofs?\b|\bproved\b|\bproven\b",
    "total input": r"\btotal inputs?\b",
    "slope of a unit": r"\bslopes? of (a|the) (hidden )?units?\b",
    "weight change": r"\bweight changes?\b|\bchange of the weights\b",
    "sweep": r"\bsweeps?\b",
    "process set": r"\bprocess sets?\b",
    "run-in, cut cost": r"\brun-in\b|\bcut cost\b",
    "disturbed": r"\b(un)?disturb(ed|ance|s)?\b",
    "Student's interval": r"\bStudent's\b",
    "times against each other": r"\bagainst each other\b|\bof total times\b",
    "rung": r"\brungs?\b",
    "climb": r"\bclimb(s|ed|ing)?\b(?! uphill)",
    "roof": r"\broof\b|\bshare of the possible\b",
    "bridge": r"\bbridges?\b|\bcrossings?\b|\bswap(s|ped|ping)? in\b",
    "race": r"\b(the|a|this|every|no) race\b|\brac(es|ed|ing)\b",
    "surest mistake": r"\bsurest\b|\bconfidently wrong\b",
    "memory above data": r"\bmemory above\b",
    "behind it": r"\bbehind it\b",
    "Mind:": r"\bMind:",
    "takes 0.5 × the time": r"\btakes [\d.]+ ?× the time\b",
    "the time that one in ten blocks stays below": r"\bone in ten blocks\b",
    "nobody reads the output": r"\breads the output any more\b",
    "room, meet, control word": r"\bcontrol word\b",
}
"""By word of the left column of the glossary, how it is recognized."""
ALLOWED = {
    "docs/derivation.md": ("sweep", "total input"),  # the paper's own words, quoted
    "docs/published.md": ("sweep",),  # the same
    "bench/historical/analysis.py": ("sweep",),
    "bench/historical/verdicts.py": ("sweep",),
}
"""By page, the words that it needs."""
PAGES = sorted(
    path
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "results" / "README.md")
    if path.name != "README.zh-CN.md"
)
REPORTS = sorted((ROOT / "results" / "reference").glob("**/*.md"))
CODE = sorted(
    path
    for folder in ("bench", "data", "scratch", "torch_impl", "peers", "examples", "tests", "docs")
    for path in (ROOT / folder).rglob("*.py")
    if path != Path(__file__)
)


def words_in(text: str, allowed: tuple[str, ...] = ()) -> list[str]:
    """Return the replaced words in a text, each with what is around it."""
    flat = " ".join(text.split())
    return [
        f"{name}: …{flat[max(0, match.start() - 40) : match.end() + 40]}…"
        for name, pattern in REPLACED.items()
        if name not in allowed
        for match in re.finditer(pattern, flat, re.IGNORECASE)
    ]


def prose(page: Path) -> str:
    """Return a page without addresses and without what is code."""
    text = page.read_text(encoding="utf-8")
    text = re.sub(r"```.*?```", " ", text, flags=re.DOTALL)
    text = re.sub(r"`[^`\n]*`", " ", text)
    return re.sub(r"\]\([^)]*\)|<!--.*?-->|https?://\S+", " ", text, flags=re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_has_a_word_that_the_glossary_replaces(page: Path) -> None:
    assert words_in(prose(page), ALLOWED.get(page.relative_to(ROOT).as_posix(), ())) == []


@pytest.mark.parametrize("report", REPORTS, ids=lambda page: page.parent.name)
def test_no_report_has_a_word_that_the_glossary_replaces(report: Path) -> None:
    assert words_in(prose(report)) == []


@pytest.mark.parametrize("name", main.list_commands(Context(main)))
def test_no_help_has_a_word_that_the_glossary_replaces(name: str) -> None:
    command = main.get_command(Context(main), name)
    assert command is not None
    text = command.get_help(Context(command, info_name=name))
    assert words_in(re.sub(r"backprop-bench [^\n]*|--[\w-]+", " ", text)) == []


def words_of_names(name: str) -> str:
    """Return a name as words: ``ProcessSet`` and ``process_set`` are "process set"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", name).strip()


def texts_in(path: Path) -> Iterator[str]:
    """Yield the strings, docstrings, comments and names in a module."""
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type == tokenize.NAME:
                yield words_of_names(token.string)
            elif token.type in (tokenize.STRING, tokenize.COMMENT):
                yield token.string


@pytest.mark.parametrize("path", CODE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_text_or_name_in_the_code_has_a_word_that_the_glossary_replaces(path: Path) -> None:
    allowed = ALLOWED.get(path.relative_to(ROOT).as_posix(), ())
    assert [word for text in texts_in(path) for word in words_in(text, allowed)] == []
