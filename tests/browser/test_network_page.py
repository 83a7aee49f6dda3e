"""docs/network/index.html in a real browser: it computes what `scratch-python` does, and a reader can work with it."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backprop_bench.bench.mutation.mutant import make_trainer
from backprop_bench.bench.mutation.mutations import MISTAKES
from backprop_bench.data import Floats, Layer, Parameters, Recipe
from backprop_bench.scratch import python_network
from backprop_bench.scratch.numpy_trainer import NumpyTrainer
from backprop_bench.scratch.python_trainer import PythonTrainer
from tests.browser.conftest import AXE, look, visit

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]  # one browser, whatever the number of workers

PAGE = Path(__file__).parents[2] / "docs" / "network" / "index.html"
RIGHT, LEFT, HOME, END, SPACE = "\ue014", "\ue012", "\ue011", "\ue010", " "
RECIPE = Recipe(
    layer_sizes=(2, 2, 1),
    output_activation="sigmoid",
    loss="squared_error",
    batch_size=1,
    learning_rate=0.5,
    dtype="float64",
    shuffle=False,
)
DIGITS = RECIPE.replace(layer_sizes=(784, 16, 10), batch_size=10, learning_rate=3.0)
WEIGHTS = ("w13", "w14", "w23", "w24", "b3", "b4", "w35", "w45", "b5")
UNCOMMON = {"x1": -1.3, "x2": 0.7, "t5": 0.25, "w13": 2.1, "w24": -1.7, "w35": -0.9, "w45": 3.3, "b4": 0.4}
"""Inputs and weights that differ from each other and from those that the page begins with."""
START = {"x1": 0.5, "x2": -1.0, "t5": 1.0}
START |= dict(zip(WEIGHTS, (0.1, -0.2, 0.3, 0.4, 0.05, -0.05, 0.7, -0.6, 0.2), strict=True))


@pytest.fixture
def browser(driver: Any) -> Any:
    """The browser with the page just opened, as wide as a desktop has it, and light."""
    look(driver, 1280, "light")
    visit(driver, PAGE)
    return driver


def one(browser: Any, selector: str) -> Any:
    return browser.find_element("css selector", selector)


def press(browser: Any, *keys: str) -> None:
    for key in keys:
        one(browser, "body").send_keys(key)


def type_in(browser: Any, key: str, value: object) -> None:
    field = one(browser, f"#given-{key}")
    field.clear()
    field.send_keys(str(value))
    browser.execute_script("arguments[0].blur()", field)


def choose_mistake(browser: Any, name: str) -> None:
    script = """
      const list = document.getElementById("mistake");
      list.value = arguments[0];
      list.dispatchEvent(new Event("change"));
    """
    browser.execute_script(script, name)


def displayed(browser: Any) -> dict[str, float]:
    """Return the numbers of the table, unrounded, by their keys."""
    script = """
      const rows = [...document.querySelectorAll("#quantities tr")];
      return rows.map((row) => [row.dataset.key, row.querySelector(".value").dataset.value]);
    """
    return {key: float(value) for key, value in browser.execute_script(script) if value}


def layers_of(numbers: dict[str, float]) -> Parameters:
    w13, w14, w23, w24, b3, b4, w35, w45, b5 = (numbers[name] for name in WEIGHTS)
    hidden = Layer(np.array([[w13, w14], [w23, w24]]), np.array([b3, b4]))
    return hidden, Layer(np.array([[w35], [w45]]), np.array([b5]))


def by_name(parameters: Parameters, prefix: str) -> dict[str, float]:
    (w1, b1), (w2, b2) = (layer.arrays() for layer in parameters)
    return dict(zip([prefix + name for name in WEIGHTS], [*w1.ravel(), *b1, *w2.ravel(), *b2], strict=True))


def expected(
    numbers: dict[str, float], trainer: type[PythonTrainer] | type[NumpyTrainer] = PythonTrainer
) -> dict[str, float]:
    """Return gradients and new weights of one step by a trainer."""
    x, t = np.array([[numbers["x1"], numbers["x2"]]]), np.array([[numbers["t5"]]])
    gradients = by_name(trainer(RECIPE, layers_of(numbers)).gradients(x, t), "d")
    moved = trainer(RECIPE, layers_of(numbers))
    moved.train_epoch(x, t, np.array([0]))
    return gradients | by_name(moved.parameters(), "new-")


def forward(numbers: dict[str, float]) -> dict[str, float]:
    """Return what scratch-python computes forward, and the loss."""
    layers = [python_network.Weights(layer.weight.tolist(), layer.arrays()[1].tolist()) for layer in layers_of(numbers)]
    passed = python_network.forward(RECIPE, layers, [numbers["x1"], numbers["x2"]])
    (z3, z4), (z5,) = passed.z
    (y3, y4), (y5,) = passed.y[1:]
    loss = python_network.loss(RECIPE, passed, [numbers["t5"]])
    return {"z3": z3, "z4": z4, "z5": z5, "y3": y3, "y4": y4, "y5": y5, "E": loss}


def is_near(actual: dict[str, float], wanted: dict[str, float]) -> bool:
    return all(math.isclose(actual[key], value, rel_tol=1e-12, abs_tol=1e-12) for key, value in wanted.items())


@pytest.mark.parametrize("changes", [{}, UNCOMMON])
def test_every_number_is_that_of_scratch_python(browser: Any, changes: dict[str, float]) -> None:
    for key, value in changes.items():
        type_in(browser, key, value)
    press(browser, END)
    numbers = START | changes
    result = displayed(browser)
    wanted = forward(numbers) | expected(numbers)
    assert is_near(result, wanted)
    for unit in "345":  # a bias has the gradient of its unit's pre-activation, and dz = dy · y (1 − y)
        dz, y = wanted[f"db{unit}"], wanted[f"y{unit}"]
        assert is_near(result, {f"dz{unit}": dz, f"dy{unit}": dz / (y * (1 - y))})
    assert len(result) == len(wanted) + 6  # nothing else is displayed


def test_further_updates_go_on_from_the_new_weights(browser: Any) -> None:
    numbers = dict(START)
    for _ in range(4):
        press(browser, END)
        wanted = forward(numbers) | expected(numbers)
        assert is_near(displayed(browser), wanted)
        numbers |= {name: wanted[f"new-{name}"] for name in WEIGHTS}


@pytest.mark.parametrize("place", range(8))
def test_each_mistake_computes_what_the_mistake_of_that_name_in_the_catalogue_does(browser: Any, place: int) -> None:
    names = browser.execute_script("return Object.keys(backprop.MISTAKES)")
    assert len(names) == 8
    (mutation,) = (mutation for mutation in MISTAKES if mutation.name == names[place])
    for key, value in UNCOMMON.items():
        type_in(browser, key, value)
    choose_mistake(browser, mutation.name)
    press(browser, END)
    wanted = expected(START | UNCOMMON, make_trainer(mutation.edits))
    assert is_near(displayed(browser), wanted)
    assert not is_near(wanted, expected(START | UNCOMMON))  # it is a mistake here
    assert mutation.name in one(browser, "#mistake-on").text
    one(browser, "#mistake-off").click()
    assert is_near(displayed(browser), expected(START | UNCOMMON))


def digit_layers(browser: Any, code: str) -> Parameters:
    script = f"return ({code}).map((layer) => [[...layer.W], [...layer.b]])"
    arrays = [[np.array(array) for array in layer] for layer in browser.execute_script(script)]
    return tuple(Layer(w.reshape(sizes), b) for (w, b), sizes in zip(arrays, ((784, 16), (16, 10)), strict=True))


def is_same(actual: Parameters, wanted: Parameters) -> bool:
    pairs = zip(
        (a for layer in actual for a in layer.arrays()), (a for layer in wanted for a in layer.arrays()), strict=True
    )
    return all(np.allclose(a, b, rtol=1e-12, atol=1e-12) for a, b in pairs)


def test_gradient_and_update_for_a_digit_are_those_of_scratch_python(browser: Any) -> None:
    before = digit_layers(browser, "digits.layers()")
    for _ in range(8):
        one(browser, "#digit-forward").click()
    x = np.array([browser.execute_script("return [...digits.image()]")])
    t = np.eye(10)[[3]]
    trainer = PythonTrainer(DIGITS, before)
    assert is_same(digit_layers(browser, "digits.computed().gradient"), trainer.gradients(x, t))
    trainer.train_epoch(x, t, np.array([0]))
    assert is_same(digit_layers(browser, "digits.moved()"), trainer.parameters())
    shown = browser.execute_script(
        "return [...document.querySelectorAll('#output-units .y')].map((cell) => Number(cell.dataset.value))"
    )
    np.testing.assert_allclose(shown, trainer.predict(x)[0], rtol=1e-12, atol=1e-12)


def test_an_epoch_of_training_is_that_of_scratch_python(browser: Any) -> None:
    script = """
      const layers = backprop.initial(digits.SIZES);
      window.initial = backprop.copyOf(layers);
      window.loss = backprop.train(layers, digits.training, digits.BATCH, digits.RATE);
      window.trained = layers;
      return digits.training.map(({ x, t }) => [[...x], t]);
    """
    x, t = (np.array(part) for part in zip(*browser.execute_script(script), strict=True))
    trainer = PythonTrainer(DIGITS, digit_layers(browser, "window.initial"))
    loss = trainer.train_epoch(x, t, np.arange(len(x)))
    assert is_same(digit_layers(browser, "window.trained"), trainer.parameters())
    assert math.isclose(browser.execute_script("return window.loss"), loss, rel_tol=1e-12)


def wait_for(browser: Any, script: str) -> None:
    done = "const [done] = arguments; const look = () => (eval(%s) ? done(true) : setTimeout(look, 20)); look();"
    browser.set_script_timeout(60)
    assert browser.execute_async_script(done % json.dumps(script))


def test_training_shows_both_curves_and_a_mistake_that_ruins_it(browser: Any) -> None:
    choose_mistake(browser, "the error is t − y instead of y − t")
    one(browser, "#train").click()
    wait_for(browser, "/15 epochs:/.test(document.getElementById('training-note').textContent)")
    words = one(browser, "#training-note").text.replace(",", "").split()
    right, wrong = int(words[words.index("100") - 2]), int(words[-4])
    assert right > 70 > 30 > wrong
    curves = browser.find_elements("css selector", "#accuracies polyline")
    assert [(curve.get_attribute("data-name"), curve.get_attribute("class")) for curve in curves] == [
        ("correct", "curve correct"),
        ("with the mistake", "curve mistaken"),
    ]
    last = [float(curve.get_attribute("points").split(",")[-1]) for curve in curves]
    assert last[0] < last[1]  # y runs down: the correct one ends higher
    assert {"epochs", "accuracy on 100 other digits"} <= set(texts_of(browser, "#accuracies"))


def test_keys_step_forward_and_back_and_play(browser: Any) -> None:
    press(browser, RIGHT, RIGHT, RIGHT)
    assert one(browser, "#where").text == "Step 3 of 23 · update 1"
    assert set(displayed(browser)) == {"z3", "y3", "z4"}
    press(browser, LEFT)
    assert set(displayed(browser)) == {"z3", "y3"}
    press(browser, END, RIGHT)
    assert one(browser, "#where").text == "Step 1 of 23 · update 2"
    press(browser, LEFT)
    assert one(browser, "#where").text == "Step 23 of 23 · update 1"  # back over an update
    press(browser, HOME, SPACE)
    assert one(browser, "#play").text == "Pause"
    wait_for(browser, "/Step [2-9]/.test(document.getElementById('where').textContent)")
    press(browser, SPACE)
    assert one(browser, "#play").text == "Play"


def test_the_card_has_formula_numbers_result_and_equation_of_the_step(browser: Any) -> None:
    for _ in range(15):
        press(browser, RIGHT)
    assert one(browser, "#line").text.splitlines() == [
        "∂E/∂z₃ = ∂E/∂y₃ · y₃ · (1 − y₃)",
        "= (−0.073053) · 0.450166 · (1 − 0.450166)",
        "= −0.018082",
    ]
    assert "derivative of that unit's own sigmoid" in one(browser, "#reason").text
    assert one(browser, "#beside-line a").text == "equation (5)"
    press(browser, RIGHT, RIGHT)
    slope = "measured, by moving w₁₃ by ±0.0001 and computing E again: −0.009041 ✓"
    assert one(browser, "#beside-line").text.splitlines() == [slope, "equation (6)"]


def test_with_a_mistake_the_card_says_what_is_correct_and_the_measured_slope_disagrees(browser: Any) -> None:
    choose_mistake(browser, "the derivative of the hidden activation is missing")
    for _ in range(15):
        press(browser, RIGHT)
    assert one(browser, "#line").text.splitlines()[0] == "∂E/∂z₃ = ∂E/∂y₃"
    assert one(browser, "#beside-line").text.splitlines() == [
        "correct is equation (5): ∂E/∂y₃ · y₃ · (1 − y₃)",
        "correct value: −0.018082",
    ]
    used = [text.text.split()[0] for text in browser.find_elements("css selector", "#picture text.used")]
    assert used == ["∂E/∂y₃"]  # what the formula with the mistake takes
    press(browser, RIGHT, RIGHT)
    assert one(browser, "#beside-line").text.splitlines() == [
        "correct value: −0.009041",
        "measured, by moving w₁₃ by ±0.0001 and computing E again: −0.009041 ✗",
        "equation (6)",
    ]


def test_the_picture_shows_the_gradient_of_a_weight_while_it_is_computed(browser: Any) -> None:
    for _ in range(10):
        press(browser, RIGHT)
    made = [text.text for text in browser.find_elements("css selector", "#picture text.made")]
    assert made == ["∂E/∂w₃₅ −0.047"]
    press(browser, *[RIGHT] * 5)
    of_unit_3 = [text.text for text in browser.find_elements("css selector", "#picture text") if "₃ " in text.text]
    assert of_unit_3 == [
        "w₁₃ 0.100",
        "w₂₃ 0.300",
        "b₃ 0.050",
        "y₃ 0.450",
        "z₃ −0.200",
        "∂E/∂y₃ −0.073",
        "∂E/∂z₃ −0.018",
    ]


def test_a_digit_can_be_stepped_back_over_an_update(browser: Any) -> None:
    before = digit_layers(browser, "digits.layers()")
    for _ in range(9):
        one(browser, "#digit-forward").click()
    assert one(browser, "#stage-where").text == "Step 1 of 8 · update 2"
    assert not is_same(digit_layers(browser, "digits.layers()"), before)
    one(browser, "#digit-back").click()
    assert one(browser, "#stage-where").text == "Step 8 of 8 · update 1"
    assert is_same(digit_layers(browser, "digits.layers()"), before)
    assert browser.execute_script("return document.querySelector('#output-units .dy').textContent") == ""


@pytest.mark.parametrize("wrong", ["abc", "", "1e999", "NaN", "0x"])
def test_what_is_no_number_is_refused_in_a_sentence_and_the_network_keeps_the_old_one(browser: Any, wrong: str) -> None:
    press(browser, END)
    before = displayed(browser)
    type_in(browser, "w13", wrong)
    assert one(browser, "#input-problem").text == f"w₁₃ is “{wrong}”, which is not a number. The network keeps 0.1."
    assert displayed(browser) == before


@pytest.mark.parametrize("typed", ["1,5", "−1.5", " 2e0 "])
def test_numbers_are_read_as_people_write_them(browser: Any, typed: str) -> None:
    type_in(browser, "w13", typed)
    assert one(browser, "#input-problem").text == ""
    assert browser.execute_script("return stepper.given().w13") == {"1,5": 1.5, "−1.5": -1.5, " 2e0 ": 2.0}[typed]


def test_weights_that_overflow_are_named_and_reset_mends_it(browser: Any) -> None:
    type_in(browser, "x1", "1e200")
    type_in(browser, "w13", "1e200")
    press(browser, END)
    assert one(browser, "#problem").text.startswith(
        "z₃ is not finite: a weight, an input or the learning rate is too large."
    )
    one(browser, "#reset").click()
    press(browser, END)
    assert one(browser, "#problem").text == ""
    assert is_near(displayed(browser), expected(START))


def test_an_empty_drawing_is_explained_and_its_first_gradient_is_0(browser: Any) -> None:
    one(browser, "#clear").click()
    assert one(browser, "#empty").text.startswith("The drawing is empty: all inputs are 0.")
    hidden, output = digit_layers(browser, "digits.computed().gradient")
    assert not hidden.weight.any()
    assert output.weight.any()


def test_a_drawn_stroke_becomes_the_input(browser: Any) -> None:
    from selenium.webdriver import ActionChains

    one(browser, "#clear").click()
    pad = one(browser, "#input")
    browser.execute_script("arguments[0].scrollIntoView()", pad)
    ActionChains(browser).move_to_element_with_offset(pad, 0, -80).click_and_hold().move_by_offset(
        0, 160
    ).release().perform()
    image: Floats = np.array(browser.execute_script("return [...digits.image()]")).reshape(28, 28)
    rows, columns = np.nonzero(image > 0.5)
    assert rows.max() - rows.min() > 12  # a line down
    assert columns.min() >= 11
    assert columns.max() <= 16
    assert one(browser, "#empty").text == ""
    one(browser, "#digit-forward").click()
    one(browser, "#digit-forward").click()
    assert one(browser, "#answer").text.startswith("The network answers ")


def test_the_surface_has_the_loss_of_scratch_python_at_its_middle(browser: Any) -> None:
    note = one(browser, "#surface-note").text
    assert f"where E = {forward(START)['E']:.4f}." in note
    assert "w₃₅ = 0.7000, w₄₅ = −0.6000" in note
    for _ in range(5):
        press(browser, END)
    points = one(browser, "#way polyline").get_attribute("points").split()
    assert len(points) == 5
    assert points[-1] == "50,50"


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing_serious_and_nothing_is_wider_than_the_window(
    browser: Any, width: int, colours: str, language: str
) -> None:
    look(browser, width, colours)
    one(browser, f"[data-language={language}]").click()
    choose_mistake(browser, "the derivative of the hidden activation is missing")
    press(browser, END)
    for _ in range(7):
        browser.execute_script("document.getElementById('digit-forward').click()")
    browser.execute_script(AXE.read_text("utf-8"))
    result = browser.execute_async_script("axe.run({ resultTypes: ['violations'] }).then(arguments[0])")
    grave = [
        (item["id"], item["nodes"][0]["html"][:200])
        for item in result["violations"]
        if item["impact"] in ("serious", "critical")
    ]
    assert grave == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


def test_everything_is_there_in_chinese(browser: Any) -> None:
    one(browser, "[data-language=zh]").click()
    choose_mistake(browser, "the derivative of the hidden activation is missing")
    press(browser, END)
    assert browser.title == "反向传播，一步一步看"
    text = one(browser, "body").text.replace("English", "")
    words = set("".join(sign if sign.isascii() and sign.isalpha() else " " for sign in text).split())
    assert words <= {"b", "e", "E", "End", "Home", "MNIST", "sigmoid", "t", "w", "x", "y", "z"}


def test_only_files_beside_the_page_are_read_and_no_script_complains(browser: Any) -> None:
    browser.get_log("performance")
    browser.get_log("browser")
    browser.get(PAGE.as_uri())
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert len(asked) == 10  # itself, its style, eight scripts
    assert [url for url in asked if not url.startswith(PAGE.parent.as_uri())] == []
    assert browser.get_log("browser") == []


def test_without_javascript_the_page_says_what_one_would_see(driver: Any) -> None:
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        visit(driver, PAGE)
        text = one(driver, "main").text
    finally:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    assert "it needs JavaScript" in text
    assert "需要 JavaScript" in text
    assert "Forward" not in text


@pytest.mark.parametrize("broken", ["network.js", "digits.js"])
def test_a_browser_that_cannot_read_a_script_is_told_so(driver: Any, broken: str, tmp_path: Path) -> None:
    copy = tmp_path / "docs" / "network"
    shutil.copytree(PAGE.parent, copy)
    (copy / broken).write_text("this is ?? no script", encoding="utf-8")
    visit(driver, copy / "index.html")
    assert one(driver, "main").text.startswith("This browser is too old for this page")


def test_the_trained_weights_recognise_what_the_page_shows(browser: Any) -> None:
    script = """
      const answer = (x) => backprop.forward(digits.layers(), x).y[2];
      return digits.testing.map(({ x, label }) => [label, answer(x).indexOf(Math.max(...answer(x)))]);
    """
    assert sum(label == answer for label, answer in browser.execute_script(script)) >= 95


def test_every_gradient_agrees_with_its_measured_slope(browser: Any) -> None:
    slopes = []
    for _ in range(22):
        press(browser, RIGHT)
        slopes += [line for line in one(browser, "#beside-line").text.splitlines() if line.startswith("measured")]
    gradients = [value for key, value in expected(START).items() if key.startswith("d")]
    assert [line.split()[-1] for line in slopes] == ["✓"] * len(gradients)
    shown = sorted(float(line.split()[-2].replace("−", "-")) for line in slopes)
    np.testing.assert_allclose(shown, sorted(gradients), atol=1e-6)


def loss_after(updates: int, trainer: type[NumpyTrainer]) -> float:
    x, t = np.array([[START["x1"], START["x2"]]]), np.array([[START["t5"]]])
    network = trainer(RECIPE, layers_of(START))
    for _ in range(updates):
        network.train_epoch(x, t, np.array([0]))
    return float(0.5 * np.square(network.predict(x) - t).sum())


def texts_of(browser: Any, selector: str) -> list[str]:
    return [text.text for text in browser.find_elements("css selector", f"{selector} text")]


def test_the_curves_of_the_loss_are_those_of_200_updates_and_are_named(browser: Any) -> None:
    (mutation,) = (item for item in MISTAKES if item.name == "the derivative of the output activation is missing")
    choose_mistake(browser, mutation.name)
    right, wrong = (loss_after(200, trainer) for trainer in (NumpyTrainer, make_trainer(mutation.edits)))
    assert f"{wrong:.2e}".endswith("e-05")
    small = f"{wrong:.2e}".replace("e-05", " · 10⁻⁵")
    note = f"After 200 updates: E = {right:.6f} when correct, {small} with the mistake."
    assert one(browser, "#losses-note").text == note
    texts = texts_of(browser, "#losses")
    assert [text for text in texts if not text.replace(".", "").isdigit()] == [
        *("weight updates", "loss E"),
        *("correct", "with the mistake"),
    ]
    curves = browser.find_elements("css selector", "#losses polyline")
    ends = [float(curve.get_attribute("points").split(",")[-1]) for curve in curves]
    assert [(curve.get_attribute("data-name"), curve.get_attribute("class")) for curve in curves] == [
        ("correct", "curve correct"),
        ("with the mistake", "curve mistaken"),
    ]
    assert ends[0] < ends[1]  # y runs down: the mistake ends lower


def test_blue_is_above_0_and_orange_below_and_errors_of_an_update_are_gone_after_it(browser: Any) -> None:
    for _ in range(7):
        one(browser, "#digit-forward").click()
    script = """
      const cards = [...document.querySelectorAll("#hidden-units li")];
      return cards.map((card) => {
        const { data } = card.querySelector(".gradient").getContext("2d").getImageData(0, 0, 28, 28);
        const strongest = Math.max(...data.filter((_, n) => n % 4 === 3));
        const place = data.findIndex((value, n) => n % 4 === 3 && value === strongest) - 3;
        return [Number(card.querySelector(".dz").dataset.value), [...data.slice(place, place + 4)]];
      });
    """
    seen = [(dz, red < blue) for dz, (red, _, blue, alpha) in browser.execute_script(script) if alpha > 4]
    assert {is_blue for _, is_blue in seen} == {True, False}
    assert all((dz > 0) == is_blue for dz, is_blue in seen)
    one(browser, "#digit-forward").click()
    errors = browser.find_elements("css selector", "#hidden-units .dy, #hidden-units .dz, #output-units .dz")
    assert {cell.text for cell in errors} == {""}
