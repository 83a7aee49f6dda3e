"""The page of the article's whole experiment: what one sees first, and what opens on demand."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread

from backprop_bench.bench.compare.figures import MAIN
from backprop_bench.bench.compare.report import APPENDIX
from tests.browser.conftest import AXE, look, open_all

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]  # one browser, whatever the number of workers

HIGHEST = 6000
"""Pixels of the page with all details closed, at either width."""
BOXES = """
  return [...document.querySelectorAll("body *")]
    .filter((element) => element.checkVisibility() && !element.closest(".scroll > *, .unseen, .skip"))
    .map((element) => [element.outerHTML.slice(0, 80), element.getBoundingClientRect()])
    .map(([name, box]) => [name, box.left + window.scrollX, box.right + window.scrollX]);
"""


def one(browser: Any, selector: str) -> Any:
    return browser.find_element("css selector", selector)


def every(browser: Any, selector: str) -> list[Any]:
    result: list[Any] = browser.find_elements("css selector", selector)
    return result


def bottom_of(browser: Any, selector: str) -> float:
    script = "return document.querySelector(arguments[0]).getBoundingClientRect().bottom + window.scrollY"
    return float(browser.execute_script(script, selector))


def loaded(browser: Any) -> list[dict[str, Any]]:
    """Return of each main figure which image the browser took, how wide that is, and how wide it is shown."""
    script = """
      return Promise.all([...document.querySelectorAll('.spoken[lang="en"] figure.main img')].map(async (image) => {
        await image.decode();
        const narrow = image.previousElementSibling.srcset;
        return {
          name: image.closest("figure").dataset.name, is_narrow: image.currentSrc === narrow,
          is_wide: image.currentSrc === image.src, own: image.naturalWidth, shown: image.getBoundingClientRect().width,
        };
      }));
    """
    result: list[dict[str, Any]] = browser.execute_script(script)
    return result


def lightness(browser: Any, selector: str) -> tuple[float, float]:
    """Return the lightness of the corner of what is shown there, and the most common one: that of its background."""
    picture = imread(io.BytesIO(one(browser, selector).screenshot_as_png))[..., :3].mean(axis=2)
    values, counts = np.unique(picture.round(2), return_counts=True)
    return float(picture[2, 2]), float(values[counts.argmax()])


def test_the_answer_and_the_overview_are_seen_without_scrolling(article: Any) -> None:
    assert (
        bottom_of(article, '.spoken[lang="en"] .lead:last-of-type')
        < bottom_of(article, 'figure[data-name="overview"] img')
        <= 900
    )
    assert len(every(article, '.spoken[lang="en"] .lead')) == 4
    assert article.execute_script("return window.scrollY") == 0


@pytest.mark.parametrize("width", [390, 1280])
def test_the_closed_page_is_short(article: Any, width: int, article_page: Path) -> None:
    look(article, width, "light")
    article.get(article_page.as_uri())
    assert len(loaded(article)) == len(MAIN)
    assert article.execute_script("return document.documentElement.scrollHeight") <= HIGHEST


@pytest.mark.parametrize("opened", [False, True], ids=["closed", "open"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_is_wider_than_the_page(article: Any, width: int, opened: bool, article_page: Path) -> None:
    look(article, width, "light")
    article.get(article_page.as_uri())
    if opened:
        open_all(article)
    boxes = article.execute_script(BOXES)
    assert len(boxes) > 100
    assert [box for box in boxes if box[1] < -1 or box[2] > width + 1] == []
    assert article.execute_script("return document.documentElement.scrollWidth") <= width


def test_a_phone_shows_the_figures_that_are_drawn_for_it_and_a_desktop_the_wide_ones(
    article: Any, article_page: Path
) -> None:
    wide = loaded(article)
    assert [figure["name"] for figure in wide] == [figure.name for figure in MAIN]
    assert all(figure["is_wide"] and not figure["is_narrow"] for figure in wide)
    look(article, 390, "light")
    article.get(article_page.as_uri())
    narrow = loaded(article)
    assert all(figure["is_narrow"] and not figure["is_wide"] for figure in narrow)
    for small, large in zip(narrow, wide, strict=True):
        assert small["own"] < 0.5 * large["own"]
        assert small["shown"] <= 390
        assert small["shown"] / small["own"] > 0.9, "letters have about the size that they were drawn with"
        assert large["shown"] / large["own"] > 0.9


@pytest.mark.parametrize("width", [390, 1280])
def test_figures_are_dark_where_the_page_is(article: Any, width: int, article_page: Path) -> None:
    figure = 'figure[data-name="overview"] img'
    look(article, width, "dark")
    article.get(article_page.as_uri())
    for image in every(article, "figure.main img"):
        assert image.value_of_css_property("filter").startswith("invert(0.92)")
    assert max(lightness(article, figure)) < 0.2
    look(article, width, "light")
    for image in every(article, "figure.main img"):
        assert image.value_of_css_property("filter") == "none"
    assert min(lightness(article, figure)) > 0.9


def test_figures_follow_the_colours_that_the_reader_chooses(article: Any, article_page: Path) -> None:
    figure = 'figure[data-name="overview"] img'
    one(article, '#colours option[value="dark"]').click()
    assert max(lightness(article, figure)) < 0.2
    look(article, 1280, "dark")
    article.get(article_page.as_uri())
    one(article, '#colours option[value="light"]').click()
    assert min(lightness(article, figure)) > 0.9


def test_details_are_closed_at_first_and_open_on_a_click(article: Any) -> None:
    parts = every(article, ".appendix details.part")
    assert len(parts) == len(APPENDIX), "without published results, and with the field for digits"
    for part in parts:
        assert part.get_attribute("open") is None
        body = part.find_element("css selector", ":scope > :not(summary)")
        assert not body.is_displayed()
        part.find_element("css selector", "summary").click()
        assert part.get_attribute("open") is not None
        assert body.is_displayed()
    assert not [part for part in every(article, "details.long") if part.get_attribute("open") is not None]


def test_every_claim_of_the_article_has_its_verdict_in_the_page(article: Any) -> None:
    rows = [row.text.splitlines() for row in every(article, '.spoken[lang="en"] dl.judged > div')]
    assert [len(row) for row in rows] == [3] * 10
    assert rows[0][:2] == ["The hand-written network takes a little over a minute", "Yes"]


def test_what_was_measured_on_what_machine_is_seen_without_scrolling(article: Any) -> None:
    (sentence,) = [each for each in every(article, '.spoken[lang="en"] > p') if each.text.startswith("Measured on ")]
    assert sentence.location["y"] + sentence.size["height"] <= 900


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_no_line_ends_within_a_name_or_a_range(article: Any, width: int, article_page: Path) -> None:
    look(article, width, "light")
    article.get(article_page.as_uri())
    heights = article.execute_script("""
      return [...document.querySelectorAll('.spoken[lang="en"] .whole')]
        .map((each) => [each.textContent, each.getClientRects().length]);
    """)
    assert {"torch-eager", "1.67–1.67"} <= {text.rstrip(").;,") for text, _ in heights}
    assert [text for text, lines in heights if lines != 1] == []


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_no_figure_lies_over_what_is_around_it(article: Any, colours: str, article_page: Path) -> None:
    look(article, 390, colours)
    article.get(article_page.as_uri())
    over = article.execute_script("""
      return [...document.querySelectorAll('.spoken[lang="en"] figure.main')].map((figure) => {
        const image = figure.querySelector("img").getBoundingClientRect();
        const box = figure.getBoundingClientRect();
        const below = figure.querySelector(".rows").getBoundingClientRect();
        return [image.top - box.top, below.top - image.bottom];
      });
    """)
    assert len(over) == len(MAIN)
    assert min(min(gaps) for gaps in over) >= 0


def test_the_script_runs_to_its_end(article: Any) -> None:
    article.get_log("browser")
    article.refresh()
    assert article.get_log("browser") == []
    open_all(article)
    assert every(article, ".appendix .enlarge"), "what is not drawn for a width is enlarged"
    assert one(article, "#panel-predictions").text.startswith("A test example with label 3.")
    assert one(article, "th .sort").is_displayed()


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing_serious_on_the_closed_page(article: Any, width: int, colours: str) -> None:
    look(article, width, colours)
    article.execute_script(AXE.read_text("utf-8"))
    result = article.execute_async_script("axe.run({ resultTypes: ['violations'] }).then(arguments[0])")
    grave = [item["id"] for item in result["violations"] if item["impact"] in ("serious", "critical")]
    assert grave == []
