"""What is generated in a page is what its records and commands give."""

import pytest

from tests.docs.generated import ROOT, put
from tests.docs.refresh import MEASURING, RENDERERS, main

QUICK = (
    *("README.md", "README.zh-CN.md", "docs/method.md", "docs/derivation.md"),
    *("docs/zh/derivation.md", "docs/zh/your-own.md", "docs/notebook.zh-CN.ipynb"),
)


@pytest.mark.parametrize(
    "name",
    [
        name if name in QUICK else pytest.param(name, marks=pytest.mark.slow)
        for name in RENDERERS
        if name not in MEASURING
    ],
)
def test_the_page_says_what_its_records_give(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert RENDERERS[name].page(text) == text, f"run: python -m tests.docs.refresh {name}"


def test_a_block_without_its_markers_is_named() -> None:
    text = "<!-- a -->\nold\n<!-- /a -->\n"
    assert put(text, {"a": "new\n"}) == "<!-- a -->\nnew\n<!-- /a -->\n"
    with pytest.raises(ValueError, match="block 'b' 0 times, expected once"):
        put(text, {"b": "new\n"})


def test_an_unknown_page_is_named_with_those_that_there_are() -> None:
    with pytest.raises(SystemExit, match=r"'docs/none\.md' is no page with generated text; expected one of README"):
        main(["docs/none.md"])
