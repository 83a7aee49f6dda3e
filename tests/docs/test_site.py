"""The site of the pages: every link in it leads somewhere, it needs no network, and both languages can be searched."""

import json
import re
import string
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from fontTools.ttLib import TTFont
from lxml import html

from docs.site.navigation import is_chinese
from tests.docs.pages import FENCED, ROOT, read
from tests.docs.site import built_site, recipe

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("site")]  # what its fixture makes is made once

DERIVATIONS = [path for path in ("docs/derivation.md", "docs/zh/derivation.md") if (ROOT / path).exists()]
LOADS = "//script/@src | //img/@src | //source/@src | //iframe/@src | //link[not(@rel='search')]/@href"
CHINESE = re.compile("[\u2e80-\u9fff\uff00-\uffef]")
FONT = ROOT / "docs" / "site" / "static" / "stix-two-math.woff"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_site(tmp_path_factory)


@cache
def parsed(page: Path) -> Any:
    return html.parse(str(page), html.HTMLParser(encoding="utf-8")).getroot()


@cache
def anchors(page: Path) -> set[str]:
    return set(parsed(page).xpath("//@id | //a/@name"))


def page_of(site: Path, source: str) -> Path:
    return site / Path(source).with_suffix(".html")


def pages_of_markdown(site: Path) -> list[Path]:
    return [page for page in sorted(site.rglob("*.html")) if not page.is_relative_to(site / "code")]


def test_make_docs_fails_on_a_warning_and_leaves_the_site_where_it_says() -> None:
    words = recipe()
    assert "-W" in words
    assert words[-1] == "site"
    assert '@echo "$(CURDIR)/site/index.html"' in read(ROOT / "Makefile")


def test_every_link_within_the_site_leads_to_a_page_and_to_an_anchor_in_it(site: Path) -> None:
    dead, followed = [], 0
    for page in sorted(site.rglob("*.html")):
        for target in parsed(page).xpath(f"//a/@href | {LOADS}"):
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            followed += 1
            other = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            anchor = unquote(parts.fragment)
            if not other.is_file() or (anchor and other.suffix == ".html" and anchor not in anchors(other)):
                dead.append(f"{page.relative_to(site)}: {target}")
    assert dead == []
    assert followed > 10_000


def test_the_site_has_no_page_that_nothing_leads_to(site: Path) -> None:
    waiting, reached = [site / "index.html"], set()
    while waiting:
        page = waiting.pop()
        if page not in reached:
            reached.add(page)
            targets = [urlsplit(target) for target in parsed(page).xpath("//a/@href | //form/@action")]
            paths = [(page.parent / unquote(part.path)).resolve() for part in targets if part.path and not part.scheme]
            waiting += [path for path in paths if path.suffix == ".html" and path.exists()]
    assert sorted(set(site.rglob("*.html")) - reached) == []


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    loads = [(page, target) for page in sorted(site.rglob("*.html")) for target in parsed(page).xpath(LOADS)]
    styles = [
        (path, url)
        for path in site.rglob("*.css")
        for url in re.findall(r"(?:url\(|@import )['\"]?([^'\")]+)", read(path))
    ]
    assert len(loads) > 1000
    assert any(url.endswith(FONT.name) for _, url in styles)
    assert [(page, target) for page, target in loads + styles if re.match(r"(https?:)?//", target)] == []


def test_no_address_or_formula_is_left_as_it_was_written(site: Path) -> None:
    for page in pages_of_markdown(site):
        assert parsed(page).xpath("//*[starts-with(@href, 'site:')]/@href") == []
        texts = parsed(page).xpath(
            "//article//text()[not(ancestor::code | ancestor::pre | ancestor::script | ancestor::style)]"
        )
        assert [text for text in texts if re.search(r"\$[^$]*[\\_^][^$]*\$|<!--|```|\\[a-z]+\b", text)] == []


@pytest.mark.parametrize("source", DERIVATIONS)
def test_each_equation_has_an_anchor_with_its_number_and_leads_to_its_lines_of_code(site: Path, source: str) -> None:
    page = page_of(site, source)
    numbers = re.findall(r"\\qquad \((\d+)\)$", read(ROOT / source), re.MULTILINE)
    assert len(numbers) > 40
    for number in numbers:
        (equation,) = parsed(page).xpath(f"//*[@id='eq-{number}']")
        assert [(link.get("href"), link.text) for link in equation.iter("a")] == [(f"#eq-{number}", f"({number})")]
        (lines,) = equation.xpath("following::ul[1]")
        links = list(lines.iter("a"))
        assert links
        for link in links:
            path, _, anchor = link.get("href").partition("#")
            (line,) = parsed((page.parent / path).resolve()).xpath(f"//*[@id='{anchor}']")
            assert link.text_content() in line.text_content()
            assert line.xpath(f".//a[contains(@href, 'docs/derivation.html#eq-{number}')]")


def test_a_page_of_source_code_has_the_lines_of_the_file(site: Path) -> None:
    source = read(ROOT / "scratch" / "numpy_trainer.py").splitlines()
    page = parsed(site / "code" / "scratch" / "numpy_trainer.py.html")
    for number, text in enumerate(source, start=1):
        (line,) = page.xpath(f"//*[@id='L{number}']")
        assert line.text_content() == f"{number}{text}\n"


def test_every_formula_is_mathml_in_characters_that_the_font_has(site: Path) -> None:
    drawn = set(TTFont(FONT).getBestCmap())
    formulas = [formula for page in pages_of_markdown(site) for formula in parsed(page).iter("math")]
    written = [formula for page in DERIVATIONS for formula in re.findall(r"^```math$", read(ROOT / page), re.MULTILINE)]
    assert len(formulas) > len(written) > 50
    text = {character for formula in formulas for character in formula.text_content()}
    italics = {0x1D434 + i for i, letter in enumerate(string.ascii_uppercase) if letter in text}
    italics |= {0x1D44E + i for i, letter in enumerate(string.ascii_lowercase) if letter in text and letter != "h"}
    needed = {ord(character) for character in text if character != "\n" and not CHINESE.match(character)} | italics
    assert sorted(map(hex, needed - drawn)) == []


def test_the_pages_of_both_languages_are_in_the_index_of_the_search(site: Path) -> None:
    index = json.loads(read(site / "searchindex.js").removeprefix("Search.setIndex(").removesuffix(")"))

    def pages_with(word: str) -> set[str]:
        entries = [index[part].get(word, []) for part in ("terms", "titleterms")]
        numbers = [number for entry in entries for number in (entry if isinstance(entry, list) else [entry])]
        return {index["docnames"][number] for number in numbers}

    pages = [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "README.zh-CN.md"]
    assert {path.relative_to(ROOT).with_suffix("").as_posix() for path in pages} <= set(index["docnames"])
    assert {"docs/derivation", "docs/notebook", "docs/glossary"} <= pages_with("deriv")
    chinese = {page for page in index["docnames"] if is_chinese(page)}
    assert "README.zh-CN" in chinese & pages_with("反向") & pages_with("传播")
    assert not pages_with("反向") - chinese


def test_every_page_says_its_language_and_leads_to_itself_in_the_other_one(site: Path) -> None:
    for page in pages_of_markdown(site):
        name = page.relative_to(site).with_suffix("").as_posix()
        links = parsed(page).xpath("//nav[@class='other-language']/a")
        if not links:
            continue  # a page that is copied as it is
        (link,) = links
        assert parsed(page).get("lang") == ("zh-CN" if is_chinese(name) else "en")
        assert link.get("lang") != parsed(page).get("lang")
        other = (page.parent / link.get("href")).resolve().relative_to(site.resolve()).with_suffix("").as_posix()
        beside = [
            f"{name}.zh-CN",
            name.replace("docs/", "docs/zh/"),
            name.removesuffix(".zh-CN"),
            name.replace("docs/zh/", "docs/"),
        ]
        expected = [candidate for candidate in beside if candidate != name and (site / f"{candidate}.html").exists()]
        assert [other] == (expected or ["README" if is_chinese(name) else "README.zh-CN"])


def test_the_start_is_the_readme_under_the_name_that_servers_look_for(site: Path) -> None:
    assert read(site / "index.html") == read(site / "README.html")
    title = read(ROOT / "README.md").splitlines()[0].removeprefix("# ")
    assert parsed(site / "index.html").xpath("//h1")[0].text.strip() == title


def test_code_blocks_of_a_page_are_those_of_its_markdown(site: Path) -> None:
    for source in ("README.md", "docs/your-own.md", "docs/commands.md"):
        written = [block.strip() for language, block in FENCED.findall(read(ROOT / source)) if language != "math"]
        shown = [block.text_content().strip() for block in parsed(page_of(site, source)).xpath("//article//pre")]
        assert shown == written
