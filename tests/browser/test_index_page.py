"""The list of runs in a real browser: on a phone and on a desktop, light and dark."""

from pathlib import Path
from typing import Any

import pytest

from backprop_bench.bench.cli.index import keep_answer, update_index
from backprop_bench.bench.report.findings import Finding, Findings
from tests.bench.recorded import recorded_run, write_run
from tests.browser.conftest import AXE, look

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]  # one browser, whatever the number of workers


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A list of a run with an answer, one whose name has no place to break, and one that cannot be read."""
    results = tmp_path_factory.mktemp("results")
    run = write_run(results / "2026-11-23T15-00-00-default", "compare", *recorded_run(keep_rows=3))
    (run / "report.html").write_text("<!DOCTYPE html><title>The report</title>", encoding="utf-8")
    keep_answer(run, Findings([Finding("report", ["It is right."])], ["It broke."]), [run / "report.html"])
    write_run(results / ("x" * 200), "compare", *recorded_run(keep_rows=3))
    (results / "2026-11-24T08-00-00-begun").mkdir()
    return update_index(results)[0]


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing_serious_and_nothing_is_wider_than_the_window(
    driver: Any, index: Path, width: int, colours: str
) -> None:
    look(driver, width, colours)
    driver.get(index.as_uri())
    assert driver.execute_script("return document.documentElement.scrollWidth") <= width
    driver.execute_script(AXE.read_text("utf-8"))
    result = driver.execute_async_script("axe.run({ resultTypes: ['violations'] }).then(arguments[0])")
    assert [item["id"] for item in result["violations"] if item["impact"] in ("serious", "critical")] == []


def test_a_heading_leads_to_the_report_and_nothing_is_refused(driver: Any, index: Path) -> None:
    driver.get_log("browser")
    driver.get(index.as_uri())
    assert driver.get_log("browser") == []
    driver.find_element("css selector", "h2 a").click()
    assert driver.title == "The report"
