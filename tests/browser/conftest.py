"""A report in a real browser: Debian's Chromium, without a window, and axe-core from npm.

Where one of them is missing the tests are skipped with the reason; with ``BACKPROP_BENCH_BROWSER=required``, as
``.ci/run`` replicates it, they fail.
"""

import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backprop_bench.bench.cli.other_runs import other_runs
from backprop_bench.bench.compare.report import Material, write_report
from backprop_bench.bench.core.network import Outcomes
from backprop_bench.bench.core.summary import summarize as summarize_run
from tests.bench.plain import summarize, typed
from tests.bench.recorded import made_up_outcomes, recorded_run, write_run
from tests.bench.timed import timed_question, timed_run
from tests.bench.whole import whole_run

AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
REQUIRED = os.environ.get("BACKPROP_BENCH_BROWSER") == "required"
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")


def missing() -> str | None:
    """Return what is missing for these tests, and how to get it."""
    if importlib.util.find_spec("selenium") is None:
        return "selenium is not installed: pip install -e '.[dev]'"
    if CHROMIUM is None or DRIVER is None:
        return "chromium or chromedriver is not installed: apt-get install chromium chromium-driver"
    if not AXE.is_file():
        return "axe-core is not installed: npm ci in tests/browser"
    return None


@pytest.fixture(scope="session")
def outcomes() -> Outcomes:
    """The trained networks that the report has for its panel."""
    return made_up_outcomes(recorded_run()[0], side=28, implementations_differ=5)


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory, outcomes: Outcomes) -> Path:
    """The page of a run with networks, with a ladder and a broken run within its folder."""
    folder = tmp_path_factory.mktemp("report") / "run"
    description, rows = recorded_run()
    write_run(folder, "compare", description, rows)
    stages = timed_question(
        "ladder", {"float32": 8e-6, "tensors": 16e-6}, {"float32": "scratch-numpy", "tensors": "torch-eager"}
    )
    write_run(folder / "ladder", "ladder", *timed_run(stages))
    write_run(folder / "broken", "scale", {"plan": {}}, [])
    summary = summarize(description, rows, outcomes)
    return write_report(Material(summary, typed(rows), other_runs(folder)), folder)[0]


@pytest.fixture(scope="session")
def article_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the article's whole experiment, with the networks that it kept."""
    run = whole_run()
    trained = [
        {
            "name": question.name,
            "epochs": question.epochs,
            "entries": [
                {"label": entry.label, "implementation": entry.implementation, "recipe_name": entry.recipe_name}
                | {"second_copy": entry.second_copy}
                for entry in question.trained
                if entry.alias is None
            ],
        }
        for question in run.description.plan.questions
    ]
    outcomes = made_up_outcomes({"plan": {"questions": trained}}, side=28, implementations_differ=5)
    material = Material(summarize_run(run.description, run.rows, outcomes), run.rows)
    return write_report(material, tmp_path_factory.mktemp("article"))[0]


@pytest.fixture(scope="session")
def driver() -> Iterator[Any]:
    """A browser, which logs what it asks the network for and what scripts complain of."""
    reason = missing()
    if reason is not None and REQUIRED:
        pytest.fail(reason)
    if reason is not None:
        pytest.skip(reason)
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    result = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))  # downloads no driver
    yield result
    result.quit()


@pytest.fixture
def browser(driver: Any, page: Path) -> Any:
    """The browser with the page just opened, as wide as a desktop has it, and light."""
    look(driver, 1280, "light")
    visit(driver, page)
    return driver


@pytest.fixture
def article(driver: Any, article_page: Path) -> Any:
    """The browser with the article's experiment just opened, as wide as a desktop has it, and light."""
    look(driver, 1280, "light")
    visit(driver, article_page)
    return driver


def visit(driver: Any, page: Path) -> None:
    """Open a page anew: at the same address again, a tab would keep the language that was chosen there."""
    driver.get("about:blank")
    driver.get(page.as_uri())


def open_all(driver: Any) -> None:
    """Open all details of the page."""
    driver.execute_script("for (const element of document.querySelectorAll('details')) element.open = true")


def look(driver: Any, width: int, colours: str) -> None:
    """Give the window a width, as a phone or a desktop has it, and the system colours."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    feature = {"name": "prefers-color-scheme", "value": colours}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
