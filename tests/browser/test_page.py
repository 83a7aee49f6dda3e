"""What a reader does with the page of a report, done in a real browser."""

import base64
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from backprop_bench.bench.core.network import Outcomes
from backprop_bench.data import Layer, Parameters, Recipe, initial_parameters, load_dataset
from backprop_bench.scratch.numpy_trainer import NumpyTrainer
from tests.browser.conftest import AXE, look, open_all

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]  # one browser, whatever the number of workers

ENTER, SPACE, ESCAPE, TAB = "\ue007", "\ue00d", "\ue00c", "\ue004"
DOWN, RIGHT, DELETE = "\ue015", "\ue014", "\ue017"
VERIFICATION = '[aria-label="Verification"]'


def one(browser: Any, selector: str) -> Any:
    return browser.find_element("css selector", selector)


def every(browser: Any, selector: str) -> list[Any]:
    result: list[Any] = browser.find_elements("css selector", selector)
    return result


def focused(browser: Any) -> Any:
    return browser.switch_to.active_element


def column(browser: Any, number: int) -> list[str]:
    script = "return [...document.querySelectorAll(arguments[0])].map((cell) => cell.textContent)"
    result: list[str] = browser.execute_script(script, f"{VERIFICATION} tbody tr:not([hidden]) > :nth-child({number})")
    return result


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing_serious_and_nothing_is_wider_than_the_window(browser: Any, width: int, colours: str) -> None:
    look(browser, width, colours)
    open_all(browser)
    browser.execute_script(AXE.read_text("utf-8"))
    result = browser.execute_async_script("axe.run({ resultTypes: ['violations'] }).then(arguments[0])")
    violations = result["violations"]
    grave = [
        (item["id"], item["nodes"][0]["html"][:200]) for item in violations if item["impact"] in ("serious", "critical")
    ]
    assert grave == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


def test_nothing_is_asked_of_the_network_and_no_script_complains(browser: Any, page: Path) -> None:
    browser.get_log("performance")
    browser.get_log("browser")
    browser.get(page.as_uri())
    browser.execute_script("window.scrollTo(0, document.body.scrollHeight)")
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert page.as_uri() in asked
    assert [url for url in asked if url != page.as_uri() and not url.startswith("data:image/")] == []
    assert browser.get_log("browser") == []


def test_what_would_ask_the_network_is_refused(browser: Any) -> None:
    script = """
      const done = arguments[0];
      document.addEventListener("securitypolicyviolation", (event) => done(event.blockedURI), { once: true });
      new Image().src = "http://example.org/x.png";
    """
    assert browser.execute_async_script(script).startswith("http://example.org")
    browser.get_log("browser")


def test_a_table_is_sorted_by_its_numbers_either_way_by_mouse_and_by_keyboard(browser: Any) -> None:
    open_all(browser)
    head = one(browser, f"{VERIFICATION} th:nth-child(4)")
    button = head.find_element("tag name", "button")
    button.click()
    assert head.get_attribute("aria-sort") == "ascending"
    numbers = [float(cell) for cell in column(browser, 4)]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) > 5
    button.send_keys(SPACE)
    assert head.get_attribute("aria-sort") == "descending"
    assert [float(cell) for cell in column(browser, 4)] == numbers[::-1]
    one(browser, f"{VERIFICATION} th:nth-child(2) button").send_keys(ENTER)
    assert column(browser, 2) == sorted(column(browser, 2))
    assert head.get_attribute("aria-sort") is None


def test_times_are_sorted_by_how_long_they_are_whatever_their_unit(browser: Any) -> None:
    open_all(browser)
    table = '[aria-label^="Measured separately: Same"]'
    one(browser, f"{table} th:nth-child(2) button").click()
    script = "return [...document.querySelectorAll(arguments[0])].map((c) => [c.textContent, Number(c.dataset.value)])"
    cells = browser.execute_script(script, f"{table} tbody td:nth-child(2)")
    assert [value for _, value in cells] == sorted(value for _, value in cells)
    assert len({text.split()[1] for text, _ in cells}) > 1


def test_a_filter_leaves_the_rows_with_all_words_and_says_how_many(browser: Any) -> None:
    open_all(browser)
    rows = len(column(browser, 1))
    field = browser.execute_script(
        "return document.querySelector(arguments[0]).previousElementSibling.querySelector('input')", VERIFICATION
    )
    shown = field.find_element("xpath", "../../output")
    assert shown.text == f"{rows} rows"
    field.send_keys("WEIGHTS float32")
    assert set(column(browser, 3)) == {"weights, float32"}
    assert shown.text == f"{len(column(browser, 3))} of {rows} rows"
    field.clear()
    field.send_keys("nothing like it")
    assert column(browser, 1) == []
    assert shown.text == f"0 of {rows} rows"


def test_a_figure_is_enlarged_and_escape_leads_back_to_where_one_was(browser: Any) -> None:
    open_all(browser)
    button = one(browser, "figure .enlarge")
    button.send_keys(ENTER)
    dialog = one(browser, "#large")
    assert dialog.is_displayed()
    large, small = one(browser, "#large img"), button.find_element("xpath", "..").find_element("css selector", "img")
    assert large.size["width"] > small.size["width"]
    assert large.get_attribute("alt") == small.get_attribute("alt")
    focused(browser).send_keys(ESCAPE)
    assert not dialog.is_displayed()
    assert focused(browser) == button


def test_the_first_tab_leads_past_the_contents(browser: Any) -> None:
    one(browser, "body").send_keys(TAB)
    assert focused(browser).text == "To the content"
    focused(browser).send_keys(ENTER)
    assert focused(browser).get_attribute("id") == "main"


def test_colours_are_chosen_by_the_reader_and_kept_nowhere(browser: Any, page: Path) -> None:
    background = "return getComputedStyle(document.body).backgroundColor"
    assert browser.execute_script(background) == "rgb(255, 255, 255)"
    one(browser, '#colours option[value="dark"]').click()
    assert browser.execute_script(background) == "rgb(20, 23, 26)"
    assert browser.execute_script("return localStorage.length + sessionStorage.length + document.cookie.length") == 0
    browser.get(page.as_uri())
    assert browser.execute_script(background) == "rgb(255, 255, 255)"


def test_a_digit_is_drawn_by_mouse_and_both_networks_answer(browser: Any) -> None:
    from selenium.webdriver import ActionChains

    open_all(browser)
    assert one(browser, "#panel-predictions").text.startswith("A test example with label 3.")
    pad = one(browser, "#pad")
    browser.execute_script("arguments[0].scrollIntoView()", pad)
    chain = ActionChains(browser, duration=20).move_to_element_with_offset(pad, 0, -80).click_and_hold()
    for _ in range(4):
        chain.move_by_offset(0, 40)
    chain.release().perform()
    browser.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
    message = one(browser, "#panel-predictions").text
    assert "scratch-numpy predicts" in message
    assert "torch-eager predicts" in message
    assert len(every(browser, "#panel-answers .outputs tr")) == 20
    one(browser, "#pad-clear").click()
    assert one(browser, "#panel-predictions").text == "Nothing is drawn yet."


def test_a_digit_is_drawn_and_a_test_example_chosen_by_keyboard_alone(browser: Any) -> None:
    open_all(browser)
    pad = one(browser, "#pad")
    pad.send_keys(SPACE, *[DOWN] * 8, *[RIGHT] * 4)
    browser.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
    assert one(browser, "#pad-state").text == "The pen is down."
    assert "scratch-numpy predicts" in one(browser, "#panel-predictions").text
    pad.send_keys(DELETE)
    assert one(browser, "#panel-predictions").text == "Nothing is drawn yet."
    one(browser, '[data-sample="3"]').send_keys(ENTER)
    assert one(browser, "#panel-predictions").text.startswith("A test example with label 3. scratch-numpy predicts")


def test_the_networks_of_another_question_are_shown_when_it_is_chosen(browser: Any) -> None:
    open_all(browser)
    one(browser, '[data-sample="1"]').click()
    names = [element.text for element in every(browser, "#panel-answers h4")]
    assert names == ["scratch-numpy", "torch-eager"]
    one(browser, "#panel-question option").click()
    assert [element.text for element in every(browser, "#panel-answers h4")] == ["scratch-numpy", "torch-loader"]


def test_the_page_computes_what_numpy_computes_from_the_networks_that_are_embedded(
    browser: Any, outcomes: Outcomes
) -> None:
    assert outcomes.examples is not None
    script = "return panel.networks.map((n) => panel.samples.map(({ pixels }) => [...panel.forward(n, pixels).at(-1)]))"
    computed = browser.execute_script(script)
    inputs = np.stack(
        [outcomes.examples.inputs[np.flatnonzero(outcomes.examples.labels == label)[0]] for label in range(10)]
    )
    networks = {(network.question, network.implementation): network for network in outcomes.networks}
    assert len(computed) == len(PAIRS_OF_NETWORKS)
    for result, network in zip(computed, PAIRS_OF_NETWORKS, strict=True):
        expected = predict(networks[network].layers, "sigmoid", "softmax", inputs / 255)
        np.testing.assert_allclose(result, expected, rtol=0, atol=1e-5)  # so few weights are embedded as float32


PAIRS_OF_NETWORKS = [
    ("as-published", "scratch-numpy"),
    ("as-published", "torch-loader"),
    ("same-recipe", "scratch-numpy"),
    ("same-recipe", "torch-eager"),
]


def test_any_depth_and_every_activation_is_computed_as_numpy_does(browser: Any) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, 64)
    for hidden, output in itertools.product(("sigmoid", "tanh", "relu"), ("sigmoid", "softmax", "identity")):
        recipe = Recipe(layer_sizes=(64, 9, 7, 4), bias=hidden != "relu", dtype="float32")
        layers = initial_parameters(recipe)
        network = {"hidden": hidden, "output": output, "range": [0.01, 1.0], "layers": list(map(written, layers))}
        script = "return [...panel.forward(arguments[0], arguments[1]).at(-1)]"
        result = browser.execute_script(script, network, pixels.tolist())
        inputs = 0.01 + (1.0 - 0.01) * (pixels[None] / 255)
        np.testing.assert_allclose(result, predict(layers, hidden, output, inputs)[0], rtol=0, atol=1e-5)


def written(layer: Layer) -> dict[str, Any]:
    bias = None if layer.bias is None else layer.bias.tolist()
    return {"outputs": layer.weight.shape[1], "weight": layer.weight.ravel().tolist(), "bias": bias}


def predict(layers: Parameters, hidden: str, output: str, x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    recipe = Recipe().replace(
        layer_sizes=(len(layers[0].weight), *(layer.weight.shape[1] for layer in layers)),
        hidden_activation=hidden,
        output_activation=output,
        loss="cross_entropy" if output == "softmax" else "squared_error",
        bias=layers[0].bias is not None,
    )
    return np.asarray(NumpyTrainer(recipe, layers).predict(x), np.float64)


@pytest.mark.parametrize("precision", ["f2", "f4"])
def test_embedded_numbers_are_read_to_the_bit(browser: Any, precision: str) -> None:
    numbers = np.concatenate([np.random.default_rng(0).normal(0, 1, 200), [0.0, -0.5, 6e-8, -3e-5, 6.1e-5, 65504.0]])
    numbers = numbers.astype(f"<{precision}")
    text = base64.b64encode(numbers.tobytes()).decode("ascii")
    result = browser.execute_script("return [...panel.numbersOf(arguments[0], arguments[1])]", text, precision)
    np.testing.assert_array_equal(np.array(result), numbers.astype(np.float64))


def test_a_digit_of_the_data_that_is_drawn_large_comes_back_as_the_data_has_it(browser: Any) -> None:
    digits = load_dataset("mnist").x_test[:4].reshape(-1, 28, 28)
    for digit in digits.astype(np.int64):
        ys, xs = np.nonzero(digit)
        assert max(np.ptp(ys), np.ptp(xs)) + 1 == 20
        drawn = np.kron(digit, np.ones((3, 3), int))  # three times as large, and elsewhere
        moved = np.roll(drawn, (-5, 3), (0, 1)).ravel().tolist()
        result = browser.execute_script("return [...panel.prepare(arguments[0], 84)]", moved)
        np.testing.assert_array_equal(np.array(result).reshape(28, 28), digit)


def test_without_scripts_all_is_there_and_nothing_that_needs_them(browser: Any, page: Path) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(page.as_uri())
        assert len(every(browser, "table")) > 10
        for summary in every(browser, ".appendix > details > summary"):
            summary.click()
        assert one(browser, ".needs-script").is_displayed()
        assert not [button for button in every(browser, "button, input, select") if button.is_displayed()]
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
