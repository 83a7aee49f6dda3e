"""The page in either language, in a real browser."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backprop_bench.bench.compare.report import Material, write_report
from backprop_bench.bench.core.summary import summarize
from tests.bench.whole import whole_run
from tests.browser.conftest import AXE, look, open_all, visit
from tests.browser.test_page import every, one

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]

ENTER = "\ue007"


def choose(browser: Any, language: str) -> None:
    one(browser, f'.language button[value="{language}"]').send_keys(ENTER)


def shown(browser: Any) -> str:
    text: str = browser.execute_script("return document.body.innerText")
    return text


def headings(browser: Any) -> list[str]:
    return [element.text for element in every(browser, "h1, main > section > h2") if element.is_displayed()]


@pytest.fixture(scope="module")
def chinese(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of everything that is in Chinese at first."""
    run = whole_run()
    folder = tmp_path_factory.mktemp("chinese")
    return write_report(Material(summarize(run.description, run.rows), run.rows), folder, "zh")[0]


@pytest.fixture
def without_scripts(browser: Any) -> Iterator[Any]:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    yield browser
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_the_language_is_switched_to_and_fro_and_nothing_is_lost(browser: Any) -> None:
    before = shown(browser)
    choose(browser, "zh")
    assert one(browser, "html").get_attribute("lang") == "zh"
    assert browser.title == "反向传播：手写版与 PyTorch 版——写对了吗？有多快？为什么？"
    assert one(browser, '.language button[value="zh"]').get_attribute("aria-pressed") == "true"
    assert headings(browser)[0] == browser.title
    assert "With the same recipe" not in shown(browser)
    assert "训练配置相同（784-128-10）" in shown(browser)
    choose(browser, "en")
    assert shown(browser) == before
    assert browser.get_log("browser") == []


def prefer(browser: Any, languages: str) -> None:
    """Make the browser ask for these languages, the first one first."""
    agent = browser.execute_script("return navigator.userAgent")
    browser.execute_cdp_cmd("Emulation.setUserAgentOverride", {"userAgent": agent, "acceptLanguage": languages})


@pytest.fixture
def asking(browser: Any) -> Iterator[Any]:
    """The browser, which is made to ask for English again afterwards."""
    yield browser
    prefer(browser, "en-US,en")


@pytest.mark.parametrize(
    ("languages", "opened"),
    [("zh-CN,zh,en", "zh"), ("en-US,zh-CN", "en"), ("de-DE,zh-TW,en", "zh"), ("de-DE", "en")],
)
def test_a_browser_that_asks_for_chinese_first_opens_the_page_in_it(
    asking: Any, page: Path, languages: str, opened: str
) -> None:
    prefer(asking, languages)
    visit(asking, page)
    assert one(asking, "html").get_attribute("lang") == opened
    assert one(asking, f'.language button[value="{opened}"]').get_attribute("aria-pressed") == "true"


def test_what_the_reader_has_chosen_outlives_a_reload_and_is_kept_nowhere(asking: Any, page: Path) -> None:
    prefer(asking, "zh-CN")
    visit(asking, page)
    choose(asking, "en")
    address = asking.current_url
    asking.refresh()
    assert one(asking, "html").get_attribute("lang") == "en"
    assert asking.current_url == address
    assert asking.execute_script("return localStorage.length + sessionStorage.length + document.cookie.length") == 0
    visit(asking, page)
    assert one(asking, "html").get_attribute("lang") == "zh"


def test_a_page_that_is_chinese_first_stays_so_for_whoever_asks_for_english(asking: Any, chinese: Path) -> None:
    prefer(asking, "en-GB")
    asking.get(chinese.as_uri())
    assert one(asking, "html").get_attribute("lang") == "zh"


def test_the_headings_of_the_appendix_are_translated_and_its_text_is_english(browser: Any) -> None:
    choose(browser, "zh")
    headings = [element.text for element in every(browser, ".appendix summary h3")]
    assert "逐项验证" in headings
    assert not [text for text in headings if not any("\u4e00" <= letter <= "\u9fff" for letter in text)]
    assert {element.get_attribute("lang") for element in every(browser, ".appendix details.part > div[lang]")} == {"en"}


def test_as_many_headings_figures_and_judged_claims_are_shown_in_either_language(browser: Any) -> None:
    selectors = "h1, h2, figure img, .judged > div, .lead, .rows, .enlarge"
    numbers = []
    for language in ("en", "zh"):
        choose(browser, language)
        numbers.append(sum(element.is_displayed() for element in every(browser, selectors)))
    assert numbers[0] == numbers[1] > 20


def test_the_panel_keeps_its_digit_and_its_network_and_says_them_in_the_other_language(browser: Any) -> None:
    open_all(browser)
    one(browser, '[data-sample="7"]').send_keys(ENTER)
    one(browser, "#panel-question option").click()
    names = [element.text for element in every(browser, "#panel-answers h4")]
    choose(browser, "zh")
    assert one(browser, "#panel-predictions").text.startswith("标签为 7 的测试样本。scratch-numpy 预测为 ")
    assert [element.text for element in every(browser, "#panel-answers h4")] == names
    assert one(browser, '[data-sample="7"]').get_attribute("aria-label") == "标签为 7 的测试样本"
    assert one(browser, "#pad").get_attribute("aria-label") == "画板"
    one(browser, "#pad").send_keys(" ")
    assert one(browser, "#pad-state").text == "画笔已落下。"
    choose(browser, "en")
    assert one(browser, "#pad-state").text == "The pen is down."


def test_a_figure_of_the_appendix_which_is_in_english_is_enlarged_in_a_chinese_dialog(browser: Any) -> None:
    choose(browser, "zh")
    open_all(browser)
    button = next(button for button in every(browser, ".enlarge") if button.is_displayed())
    assert button.text.splitlines() == ["Enlarge", "the figure ratios"]
    button.send_keys(ENTER)
    assert one(browser, "#large h2").text == "图 ratios"
    assert one(browser, "#large img").is_displayed()
    assert every(browser, "figure.main .enlarge") == [], "these are drawn for the width of the window"


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_axe_finds_nothing_serious_and_the_page_is_short(
    browser: Any, chinese: Path, language: str, width: int
) -> None:
    browser.get(chinese.as_uri())
    look(browser, width, "dark")
    choose(browser, language)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.execute_script("return document.documentElement.scrollHeight") < 6000
    browser.execute_script(AXE.read_text("utf-8"))
    result = browser.execute_async_script("axe.run({ resultTypes: ['violations'] }).then(arguments[0])")
    grave = [(item["id"], item["nodes"][0]["html"][:200]) for item in result["violations"]]
    assert [item for item, full in zip(grave, result["violations"], strict=True) if full["impact"] in SERIOUS] == []


SERIOUS = ("serious", "critical")


def test_without_scripts_the_first_language_is_shown_whole_and_no_other(without_scripts: Any, chinese: Path) -> None:
    without_scripts.get(chinese.as_uri())
    assert not every(without_scripts, ".language button")[0].is_displayed()
    assert headings(without_scripts)[1:3] == ["文章的说法，哪些成立？", "训练多久？有多准确？"]
    assert all(element.text != "Is it right?" for element in every(without_scripts, "h2"))
