"""What the extension of Sphinx does to a page: links, notebooks, navigation and the words of a search."""

import nbformat
import pytest

from docs.site import formulas, notebooks
from docs.site.links import resolved, to_pages, with_addresses, without_page
from docs.site.navigation import NAVIGATION, other_language, table_of_contents, with_chinese_first
from docs.site.search import EnglishAndChinese

PAGES = {
    "README",
    "README.zh-CN",
    "docs/derivation",
    "docs/zh/derivation",
    "docs/notebook",
    "docs/notebook.zh-CN",
    "docs/data",
}


TABLE = '<div>\n<style scoped>\n\n  a\n</style>\n<table border="1" class="dataframe">\n\n</table>\n</div>'
"""As pandas writes one."""


def is_page(path: str) -> bool:
    return path in {"README.md", "docs/method.md"}


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("method.md#timing", "method.md#timing"),
        ("../README.md", "../README.md"),
        ("#a-heading", "#a-heading"),
        ("https://example.org/a.py", "https://example.org/a.py"),
        ("figures/drift.svg", "figures/drift.svg"),
        ("no-such-file.md", "no-such-file.md"),
        ("../scratch/losses.py#L22", "site:code/scratch/losses.py.html#L22"),
        ("../scratch", "site:code/scratch/index.html"),
        ("../src/backprop_bench/data", "site:code/data/index.html"),
        ("../LICENSE", "site:code/LICENSE.html"),
        ("../results/reference/report.html", "site:results/reference/report.html"),
    ],
)
def test_a_link_to_what_is_no_page_gets_an_address_and_all_others_stay(link: str, expected: str) -> None:
    assert with_addresses("docs/data.md", f"see [it]({link}).", is_page) == f"see [it]({expected})."


def test_code_is_not_looked_into_for_links() -> None:
    text = "`a[0](../scratch)` and [`b`](../scratch)\n\n```\n[c](../scratch)\n```\n"
    expected = text.replace("[`b`](../scratch)", "[`b`](site:code/scratch/index.html)")
    assert with_addresses("docs/data.md", text, is_page) == expected
    assert without_page("docs/data.md", text, is_page) == {"scratch"}


def test_an_address_becomes_relative_to_the_page_that_has_it() -> None:
    line = '<a class="reference external" href="site:code/scratch/losses.py.html#L22">'
    assert resolved("docs/derivation", line).endswith('internal" href="../code/scratch/losses.py.html#L22">')
    assert 'href="code/scratch/losses.py.html#L22"' in resolved("README", line)
    assert 'href="network/index.html"' in resolved("docs/data", '<a href="site://docs/network/index.html">')


def test_html_that_leads_to_markdown_leads_to_the_pages_made_of_it() -> None:
    link = '<a href="../{}#eq-7">(7)</a>'
    assert to_pages(link.format("derivation.md")) == link.format("derivation.html")
    assert to_pages(link.format("derivation.mdx")) == link.format("derivation.mdx")


@pytest.mark.parametrize(
    ("page", "other"),
    [
        ("README", "README.zh-CN"),
        ("README.zh-CN", "README"),
        ("docs/derivation", "docs/zh/derivation"),
        ("docs/zh/derivation", "docs/derivation"),
        ("docs/notebook", "docs/notebook.zh-CN"),
        ("docs/notebook.zh-CN", "docs/notebook"),
        ("docs/data", "README.zh-CN"),
        ("code/scratch/losses.py", "README.zh-CN"),
        ("search", "README.zh-CN"),
    ],
)
def test_a_page_leads_to_itself_in_the_other_language_or_to_the_start(page: str, other: str) -> None:
    assert other_language(page, PAGES) == other


def test_the_navigation_leaves_out_pages_that_are_not_there() -> None:
    text = table_of_contents({"README.zh-CN", "docs/data"})
    assert "Start <self>" in text
    assert "Your own data <docs/data>" in text
    assert "docs/derivation" not in text
    assert text.count("```{toctree}") == len(NAVIGATION)


def test_chinese_pages_come_first_on_a_chinese_page() -> None:
    tree = (
        '<ul>start</ul><p class="caption"><span>Learn it</span></p><ul/><p class="caption"><span>中文</span></p><ul/>'
    )
    first = with_chinese_first(tree)
    assert first.startswith("<ul>start</ul>")
    assert first.index("中文") < first.index("Learn it")
    assert len(first) == len(tree)


def test_a_notebook_is_shown_with_what_its_cells_have_printed_and_drawn() -> None:
    cell = nbformat.v4.new_code_cell("print('```')")
    cell.outputs = [
        nbformat.v4.new_output("stream", text="\x60\x60\x60\n"),
        nbformat.v4.new_output("display_data", {"image/png": "aGk=\n", "text/plain": "<Figure>"}),
        nbformat.v4.new_output("execute_result", {"text/markdown": "**bold**", "text/plain": "<Markdown>"}),
        nbformat.v4.new_output("execute_result", {"text/html": TABLE, "text/plain": "x"}),
        nbformat.v4.new_output("error", ename="E", evalue="e", traceback=["\x1b[0;31mE\x1b[0m: e"]),
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Title"), cell])
    shown = notebooks.to_markdown(nbformat.writes(notebook)).split("\n\n")
    assert shown == [
        "# Title",
        "````python\nprint('```')\n````",
        "````text\n```\n````",
        "![What the cell above draws](data:image/png;base64,aGk=)",
        "**bold**",
        '<div class="table-wrapper">\n<div>\n<table class="docutils">\n</table>\n</div>\n</div>',
        "```text\nE: e\n```",
    ]


def test_a_numbered_formula_has_its_number_once_as_a_link_to_itself() -> None:
    shown = formulas.block(r"E = \frac{1}{2} \qquad (3)")
    assert shown.startswith('<div class="equation" id="eq-3">')
    assert shown.count("(3)") == 2  # in the title of the link, and as its text
    assert "id=" not in formulas.block("E = 1")


def test_chinese_is_indexed_by_pairs_of_characters_and_english_by_words() -> None:
    words = EnglishAndChinese({}).split("反向传播 and dW_1，轮")
    assert words == ["反", "向", "传", "播", "反向", "向传", "传播", "and", "dW_1", "轮"]
