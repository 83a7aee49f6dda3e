"""Every page that is in Chinese too says the same in both: sections, commands, code, formulas, links and numbers."""

import re
from collections import Counter

import pytest
from markdown_it import MarkdownIt

from tests.docs.chinese import ENGLISH, FORMULA, PAGES, Section, sections, stamped
from tests.docs.generated import put, your_own
from tests.docs.generated.derivation import numbered_lines, refresh
from tests.docs.generated.readme import BLOCK
from tests.docs.pages import ROOT, links, prose, read

TEXTS = {name: read(ROOT / name) for pair in PAGES.items() for name in pair}
PAIRS = [
    pytest.param(ours, theirs, id=f"{english}: {ours.title}")
    for english, chinese in PAGES.items()
    for ours, theirs in zip(sections(TEXTS[english], english), sections(TEXTS[chinese], chinese), strict=False)
]
of_chinese_pages = pytest.mark.parametrize("chinese", ENGLISH)


@of_chinese_pages
def test_both_pages_have_the_same_sections(chinese: str) -> None:
    english = ENGLISH[chinese]
    levels = [[section.level for section in sections(TEXTS[name], name)] for name in (english, chinese)]
    assert levels[0] == levels[1]


def test_every_chinese_page_is_one_of_an_english_page() -> None:
    there = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs" / "zh").glob("*.md")}
    assert there == ENGLISH.keys() - {"README.zh-CN.md"}


@pytest.mark.parametrize(("english", "chinese"), PAIRS)
def test_a_section_has_the_same_commands_code_formulas_links_numbers_and_items_in_both(
    english: Section, chinese: Section
) -> None:
    ours, theirs = english.contents(), chinese.contents()
    assert (ours - theirs, theirs - ours) == ({}, {}), f"in {english.page} alone, and in {chinese.page} alone"


@pytest.mark.parametrize(("english", "chinese"), PAIRS)
def test_no_section_has_changed_since_it_was_translated(english: Section, chinese: Section) -> None:
    hint = f"bring {chinese.page} after {english.page}, then: python -m tests.docs.refresh --translated {chinese.page}"
    assert chinese.stamp == english.checksum, hint


def stale(english: str, page: str) -> list[str]:
    """Return the sections of a changed English text that its Chinese page is behind."""
    pairs = zip(sections(english, page), sections(TEXTS[PAGES[page]], PAGES[page]), strict=True)
    return [one.title for one, other in pairs if one.checksum != other.stamp]


def test_a_word_that_changes_in_english_is_noticed() -> None:
    changed = TEXTS["README.md"].replace("## Two commands", "## Two orders")
    changed = changed.replace("Write a file to begin", "Make a file to begin")
    assert stale(changed, "README.md") == ["Two orders", "You have written back-propagation from scratch"]
    formula = TEXTS["docs/derivation.md"].replace(r"\frac{1}{1 + e^{-z_j}}", r"\frac{1}{1 - e^{-z_j}}")
    assert stale(formula, "docs/derivation.md") == ["Forward"]


def test_what_is_generated_in_english_may_change_without_being_translated() -> None:
    run = put(TEXTS["README.md"], {BLOCK: "* Something else.\n"})
    code = refresh(TEXTS["docs/derivation.md"], numbered_lines({"a.py": "x = 1  # (1)\n"}))
    output = your_own.QUOTED.sub(r"$ backprop-bench \1\nSomething else.\n", TEXTS["docs/your-own.md"])
    for page, changed in {"README.md": run, "docs/derivation.md": code, "docs/your-own.md": output}.items():
        assert changed != TEXTS[page]
        assert stale(changed, page) == []
        assert stamped(TEXTS[PAGES[page]], changed, page) == TEXTS[PAGES[page]]


def made(text: str, page: str) -> Counter[str]:
    (section,) = sections(f"# T\n{text}\n", page)
    return section.contents()


@pytest.mark.parametrize(
    ("english", "chinese", "differs"),
    [
        ("see [here](why.md)", "见[这里](why.md)", False),
        ("see [here](parity.md)", "见[这里](../parity.md)", False),
        ("see [here](parity.md)", "见[这里](../speed.md)", True),
        ("see [here](#cross-entropy)", "见[这里](#交叉熵)", False),
        ("see [here](#cross-entropy)", "见[这里](#优化器)", True),
        ("$a_i$ is 5", "$a_i$ 是 5", False),
        ("$a_i$ is 5", "$a_j$ 是 5", True),
        ("$a_i$ is 5", "$a_i$ 是 6", True),
        ("- one\n- two", "- 一\n- 二", False),
        ("- one\n- two", "- 一", True),
        ("```math\na \\text{ if } b\n```", "```math\na \\text{ 若 } b\n```", False),
        ("```math\na \\text{ if } b\n```", "```math\na \\text{ 若 } c\n```", True),
    ],
)
def test_a_link_number_formula_or_item_that_differs_would_be_seen(english: str, chinese: str, differs: bool) -> None:
    assert (made(english, "docs/derivation.md") != made(chinese, "docs/zh/derivation.md")) is differs


@of_chinese_pages
def test_a_chinese_page_leads_to_chinese_pages_where_there_are_any(chinese: str) -> None:
    folder, english = (ROOT / chinese).parent, ROOT / ENGLISH[chinese]
    files = {link: (folder / link.partition("#")[0]).resolve() for link in links(TEXTS[chinese]) if "://" not in link}
    in_both = [file for file in files.values() if file in {(ROOT / name).resolve() for name in PAGES}]
    assert in_both == [english], "of the pages in both languages only its own is linked in English"


@of_chinese_pages
def test_no_mark_of_markdown_is_left_as_a_letter(chinese: str) -> None:
    text = FORMULA.sub("x", re.sub(r"`[^`\n]+`", "x", prose(TEXTS[chinese])))
    assert [line for line in MarkdownIt().enable("table").render(text).splitlines() if "*" in line] == []


@of_chinese_pages
def test_a_formula_has_a_space_before_it_for_github_takes_it_for_text_otherwise(chinese: str) -> None:
    text = re.sub(r"`[^`\n]+`", "x", prose(TEXTS[chinese]))
    assert [match[0] for match in re.finditer(r"(?:^|.)\$[^$\n]+\$\w?", text, re.MULTILINE) if wrong(match[0])] == []


def wrong(formula: str) -> bool:
    """Say whether a formula with the signs beside it follows something else than a space, or a letter follows it."""
    return not formula.startswith((" ", "$")) or not formula.endswith("$")
