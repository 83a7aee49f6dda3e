"""The site of the pages in a real browser, from the disk: on a phone and on a desktop, light and dark."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from docs.site.search import EnglishAndChinese
from tests.browser.conftest import AXE, look
from tests.docs.site import built_site

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]  # one browser, whatever the number of workers

ENTER = "\ue007"
PAGES = [
    "index.html",
    "README.zh-CN.html",
    "docs/derivation.html",
    "code/scratch/losses.py.html",
    "code/scratch/index.html",
    "search.html?q=derivative",
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_site(tmp_path_factory)


def open_page(driver: Any, site: Path, page: str) -> None:
    driver.get("about:blank")
    driver.get(f"{site.as_uri()}/{page}")


def wait_until(driver: Any, holds: Callable[[], object]) -> None:
    """Wait until something holds, and fail where it never does."""
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(driver, 20).until(lambda _: holds())


def results(driver: Any) -> list[tuple[str, str]]:
    """Return what a search has come to, once it is done: the titles of pages, each with what is quoted."""
    wait_until(driver, lambda: driver.find_elements("css selector", ".search-summary:not(:empty)"))
    items = driver.find_elements("css selector", "ul.search li")
    return [(item.find_element("tag name", "a").text, item.text) for item in items]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing_serious_and_nothing_is_wider_than_the_window(
    driver: Any, site: Path, width: int, colours: str, page: str
) -> None:
    look(driver, width, colours)
    open_page(driver, site, page)
    if page.startswith("search"):
        assert results(driver)
    assert driver.execute_script("return document.documentElement.scrollWidth") <= width
    driver.set_script_timeout(120)
    driver.execute_script(AXE.read_text("utf-8"))
    result = driver.execute_async_script("axe.run({ resultTypes: ['violations'] }).then(arguments[0])")
    serious = [item for item in result["violations"] if item["impact"] in ("serious", "critical")]
    assert [(item["id"], item["nodes"][0]["html"][:200]) for item in serious] == []


@pytest.mark.parametrize("page", PAGES)
def test_nothing_is_asked_of_the_network_and_no_script_complains(driver: Any, site: Path, page: str) -> None:
    look(driver, 1280, "light")
    driver.get_log("performance")
    driver.get_log("browser")
    open_page(driver, site, page)
    if page.startswith("search"):
        assert results(driver)
    events = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    asked = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert any(url.startswith(site.as_uri()) for url in asked)
    assert [url for url in asked if not url.startswith((site.as_uri(), "data:", "about:"))] == []
    assert driver.get_log("browser") == []


def test_the_field_of_the_search_finds_a_word_and_quotes_what_is_around_it(driver: Any, site: Path) -> None:
    look(driver, 1280, "light")
    open_page(driver, site, "index.html")
    driver.find_element("css selector", ".sidebar-search").send_keys("derivative", ENTER)
    pages = dict(results(driver))
    assert "derivative" in pages["Back-propagation, derived"]
    driver.find_element("link text", "Back-propagation, derived").click()
    assert driver.current_url.startswith(f"{site.as_uri()}/docs/derivation.html")


@pytest.mark.parametrize("query", ["反向传播", "置信区间", "轮"])
def test_chinese_is_searched_too_and_words_are_part_of_a_longer_text(driver: Any, site: Path, query: str) -> None:
    look(driver, 1280, "light")
    open_page(driver, site, f"search.html?q={query}")
    assert any(query in text for _, text in results(driver))


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("反向传播", ["反向", "向传", "传播"]),
        ("用NumPy写 dW_1，轮", ["用", "NumPy", "写", "dW_1", "轮"]),
        ("the derivative of z-y", ["the", "derivative", "of", "z", "y"]),
    ],
)
def test_a_query_is_taken_apart_into_words_that_the_index_has(
    driver: Any, site: Path, query: str, words: list[str]
) -> None:
    open_page(driver, site, "search.html")
    assert driver.execute_script("return splitQuery(arguments[0])", query) == words
    assert set(words) <= set(EnglishAndChinese({}).split(query))


def test_the_number_of_an_equation_is_beside_it_on_a_phone_and_leads_to_it(driver: Any, site: Path) -> None:
    look(driver, 390, "light")
    open_page(driver, site, "docs/derivation.html")
    number = driver.find_element("css selector", "#eq-7 > a")
    driver.execute_script("arguments[0].scrollIntoView({ block: 'center', behavior: 'instant' })", number)
    place = driver.execute_script("return arguments[0].getBoundingClientRect().toJSON()", number)
    assert 0 < place["left"] < place["right"] <= 390
    number.click()
    assert driver.current_url.endswith("#eq-7")


def test_a_link_to_a_line_of_code_shows_the_line_and_marks_it(driver: Any, site: Path) -> None:
    look(driver, 1280, "light")
    open_page(driver, site, "docs/derivation.html")
    link = driver.find_element("css selector", "a[href*='code/scratch/numpy_trainer.py.html#L']")
    text = link.text
    driver.execute_script("arguments[0].click()", link)
    line = driver.find_element("css selector", ":target")
    assert text in line.text
    top = "return arguments[0].getBoundingClientRect().top"
    wait_until(driver, lambda: 0 < driver.execute_script(top, line) < 900)  # it scrolls smoothly
    colours = [
        driver.execute_script("return getComputedStyle(arguments[0]).backgroundColor", element)
        for element in (line, driver.find_element("css selector", ":target + span"))
    ]
    assert colours[0] != colours[1]


def test_the_colours_follow_the_system_until_they_are_switched(driver: Any, site: Path) -> None:
    def background() -> str:
        colour: str = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
        return colour

    look(driver, 1280, "light")
    open_page(driver, site, "index.html")
    driver.execute_script("localStorage.clear()")
    driver.refresh()
    light = background()
    look(driver, 1280, "dark")
    dark = background()
    assert light != dark
    driver.find_element("css selector", ".theme-toggle-content button").click()
    assert background() == light
    driver.execute_script("localStorage.clear()")


def test_the_switch_of_the_language_is_seen_on_a_phone(driver: Any, site: Path) -> None:
    look(driver, 390, "light")
    open_page(driver, site, "docs/data.html")
    link = driver.find_element("css selector", ".other-language a")
    assert link.is_displayed()
    link.click()
    assert driver.execute_script("return document.documentElement.lang") == "zh-CN"
    assert driver.find_element("css selector", "h1").is_displayed()


def test_the_page_that_goes_step_by_step_leads_to_the_equation_of_a_step(driver: Any, site: Path) -> None:
    look(driver, 1280, "light")
    open_page(driver, site, "docs/network/index.html")
    link = driver.find_element("css selector", "#quantities a[href*='#eq-']")
    number = link.get_attribute("href").rpartition("-")[2]
    driver.execute_script("arguments[0].click()", link)
    wait_until(driver, lambda: driver.find_elements("css selector", f"#eq-{number}:target"))
    assert driver.current_url == f"{site.as_uri()}/docs/derivation.html#eq-{number}"
