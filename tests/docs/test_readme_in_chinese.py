"""README.zh-CN.md says what README.md says: the same sections with the same commands, code, links and numbers."""

import pytest

from tests.docs.chinese import Section, sections, stamped
from tests.docs.generated import put
from tests.docs.generated.readme import BLOCK, CHINESE, README

ENGLISH_TEXT, CHINESE_TEXT = README.read_text(encoding="utf-8"), CHINESE.read_text(encoding="utf-8")
ENGLISH_SECTIONS, CHINESE_SECTIONS = sections(ENGLISH_TEXT), sections(CHINESE_TEXT)
PAIRS = list(zip(ENGLISH_SECTIONS, CHINESE_SECTIONS, strict=False))
ALSO_IN = {"link to README.zh-CN.md": "link to README.md"}
"""The two pages lead to each other."""


def test_both_pages_have_the_same_sections() -> None:
    assert [section.level for section in ENGLISH_SECTIONS] == [section.level for section in CHINESE_SECTIONS]


@pytest.mark.parametrize(("english", "chinese"), PAIRS, ids=[section.title for section in ENGLISH_SECTIONS])
def test_a_section_has_the_same_commands_code_links_numbers_and_items_in_both(
    english: Section, chinese: Section
) -> None:
    ours, theirs = english.contents(), chinese.contents()
    for here, there in ALSO_IN.items():
        ours[there] += ours.pop(here, 0)
    assert (ours - theirs, theirs - ours) == ({}, {}), "in README.md alone, and in README.zh-CN.md alone"


@pytest.mark.parametrize(("english", "chinese"), PAIRS, ids=[section.title for section in ENGLISH_SECTIONS])
def test_no_section_has_changed_since_it_was_translated(english: Section, chinese: Section) -> None:
    hint = "bring README.zh-CN.md after README.md, then: python -m tests.docs.refresh --translated"
    assert chinese.stamp == english.checksum, hint


def test_a_word_that_changes_in_english_is_noticed_and_a_number_of_the_run_is_not() -> None:
    changed = sections(
        ENGLISH_TEXT.replace("## Two commands", "## Two orders").replace(
            "Write a file to begin", "Make a file to begin"
        )
    )
    stale = [one.title for one, other in zip(changed, CHINESE_SECTIONS, strict=True) if one.checksum != other.stamp]
    assert stale == ["Two orders", "You have written back-propagation from scratch"]
    measured_again = put(ENGLISH_TEXT, {BLOCK: "* Something else.\n"})
    assert stamped(CHINESE_TEXT, measured_again) == CHINESE_TEXT
