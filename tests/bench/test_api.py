"""What a program or a notebook calls: the same answers as from the command line, for what has no file."""

import os
import re
import shlex
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import backprop_bench as bb
from backprop_bench.bench.api.recorded import recipe_and_fields
from backprop_bench.bench.cli.main import main
from backprop_bench.bench.core.records.reader import read_description
from backprop_bench.data import InputError
from backprop_bench.scratch.numpy_trainer import NumpyTrainer
from tests.bench.plain import read_rows, rows_of
from tests.tiny import write_tiny_dataset

ROOT = Path(__file__).parents[2]
SMALL: dict[str, Any] = {"layer_sizes": (16, 8, 3), "batch_size": 16, "steps": 30}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_tiny_dataset(tmp_path_factory.mktemp("tiny"), 300, 60)


def forward(weights: list[Any], x: Any) -> tuple[Any, Any]:
    W1, b1, W2, b2 = weights
    h = 1 / (1 + np.exp(-(x @ W1 + b1)))
    e = np.exp(h @ W2 + b2)
    return h, e / e.sum(axis=1, keepdims=True)


def predict(weights: list[Any], x: Any) -> Any:
    return forward(weights, x)[1]


def loss_and_gradients(weights: list[Any], x: Any, t: Any) -> tuple[float, list[Any]]:
    h, y = forward(weights, x)
    dz2 = (y - t) / len(x)
    dz1 = dz2 @ weights[2].T * h * (1 - h)
    return -np.log(y[t == 1]).mean(), [x.T @ dz1, dz1.sum(0), h.T @ dz2, dz2.sum(0)]


def without_derivative(weights: list[Any], x: Any, t: Any) -> tuple[float, list[Any]]:
    h, y = forward(weights, x)
    dz2 = (y - t) / len(x)
    dz1 = dz2 @ weights[2].T
    return -np.log(y[t == 1]).mean(), [x.T @ dz1, dz1.sum(0), h.T @ dz2, dz2.sum(0)]


def with_tanh(weights: list[Any], x: Any, t: Any) -> tuple[float, list[Any]]:
    W1, b1, W2, b2 = weights
    h = np.tanh(x @ W1 + b1)
    e = np.exp(h @ W2 + b2)
    y = e / e.sum(axis=1, keepdims=True)
    dz2 = (y - t) / len(x)
    dz1 = dz2 @ W2.T * (1 - h * h)
    return -np.log(y[t == 1]).mean(), [x.T @ dz1, dz1.sum(0), h.T @ dz2, dz2.sum(0)]


# Functions


def test_two_functions_are_checked(dataset: str) -> None:
    checked = bb.check(loss_and_gradients, predict=predict, dataset=dataset, **SMALL)
    assert checked.ok
    assert checked.likely_mistake is None
    assert checked.sentences[0] == "Equal in float64 and float32: every error is within its tolerance."
    assert [table.title for table in checked.tables] == [
        f"loss_and_gradients against scratch-numpy, {dtype}" for dtype in ("float64", "float32")
    ]
    assert list(checked.table["quantity"])[:3] == ["outputs", "dE/dW, gradient", "dE/db, gradient"]


def test_a_mistake_in_a_function_is_named(dataset: str) -> None:
    checked = bb.check(without_derivative, predict=predict, dataset=dataset, **SMALL)
    assert not checked.ok
    assert checked.likely_mistake == "the derivative of the hidden activation is missing"
    assert "did you forget to multiply by the derivative of the hidden activation?" in str(checked)
    page = checked._repr_html_()
    assert "<table" in page
    assert "DIFFERS" in page
    assert "DIFFERS" in checked._repr_markdown_()


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda weights, x: 0.0, r"<lambda>\(weights, x\) cannot be called with \(weights, x, t\); expected these"),
        (np.float64(3.0), r"np.float64\(3.0\) is of the type float64; expected a class, .* or the name of"),
    ],
    ids=["two arguments", "no function"],
)
def test_what_cannot_be_called_so_is_refused_in_one_sentence(function: Any, said: str, dataset: str) -> None:
    with pytest.raises(InputError, match=said):
        bb.check(function, predict=predict if callable(function) else None, dataset=dataset, **SMALL)


def test_a_function_of_the_articles_network_which_has_no_biases_is_checked(dataset: str) -> None:
    def of_the_article(weights: list[Any], x: Any, t: Any) -> tuple[float, list[Any]]:
        W1, W2 = weights
        h = 1 / (1 + np.exp(-(x @ W1)))
        y = 1 / (1 + np.exp(-(h @ W2)))
        dz2 = (y - t) * y * (1 - y)
        return 0.5 * ((y - t) ** 2).sum(), [x.T @ (dz2 @ W2.T * h * (1 - h)), h.T @ dz2]

    def of_rashid(weights: list[Any], x: Any, t: Any) -> tuple[float, list[Any]]:
        W1, W2 = weights
        h = 1 / (1 + np.exp(-(x @ W1)))
        y = 1 / (1 + np.exp(-(h @ W2)))
        dz1 = (y - t) @ W2.T * h * (1 - h)
        return 0.5 * ((y - t) ** 2).sum(), [x.T @ dz1, h.T @ ((y - t) * y * (1 - y))]

    assert bb.check(of_the_article, "article-scratch", dataset=dataset, steps=30).ok
    assert bb.check(of_the_article, "article-scratch", dataset=dataset, steps=30, batch_size=16).ok, "a sum of losses"
    assert bb.check(of_rashid, "article-scratch", dataset=dataset, steps=30).likely_mistake == (
        "the error is propagated back without the derivative of the output activation"
    )


def test_a_batch_of_all_examples_has_more_than_one_of_them(dataset: str) -> None:
    def summed(weights: list[Any], x: Any, t: Any) -> tuple[float, list[Any]]:
        loss, gradients = loss_and_gradients(weights, x, t)
        return loss, [len(x) * gradient for gradient in gradients]

    all_at_once = SMALL | {"batch_size": None, "dataset": dataset}
    assert bb.check(loss_and_gradients, **all_at_once).ok
    assert (
        bb.check(summed, **all_at_once).likely_mistake == "the gradient is the sum over the batch instead of the mean"
    )


def test_a_function_that_returns_something_else_is_told_what_was_expected(dataset: str) -> None:
    def loss_alone(weights: list[Any], x: Any, t: Any) -> Any:
        return loss_and_gradients(weights, x, t)[0]

    def transposed(weights: list[Any], x: Any, t: Any) -> Any:
        loss, gradients = loss_and_gradients(weights, x, t)
        return loss, [gradient.T for gradient in gradients]

    for function, said in ((loss_alone, "returned float64"), (transposed, "returned gradients of shapes [(8, 16), ")):
        checked = bb.check(function, predict=predict, dataset=dataset, **SMALL)
        assert not checked.ok
        assert f"{function.__name__} {said}" in str(checked)
        assert "expected the loss and a list of gradients of shapes [(16, 8), (8,), (8, 3), (3,)]" in str(checked)


def test_one_function_is_enough_and_then_outputs_are_not_compared(dataset: str) -> None:
    checked = bb.check(loss_and_gradients, dataset=dataset, **SMALL)
    assert checked.ok
    assert checked.sentences[-1] == "Outputs are not compared: there is no function predict."
    assert [name for name in checked.table["quantity"] if "outputs" in name] == []
    checked = bb.check(without_derivative, dataset=dataset, **SMALL)
    assert checked.likely_mistake == "the derivative of the hidden activation is missing"
    checked = bb.check(with_tanh, dataset=dataset, **SMALL)
    assert checked.likely_mistake == "the hidden activation is tanh, which is not that of the recipe"
    with pytest.raises(InputError, match="predict belongs to a function; a class or a name has its own"):
        bb.check("torch-eager", predict=predict, dataset=dataset, **SMALL)


def test_the_example_of_the_page_on_your_own_is_right_in_as_many_words() -> None:
    page = (ROOT / "docs" / "your-own.md").read_text("utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    found: dict[str, Any] = {}
    exec(example, found)
    assert found["checked"].ok
    assert str(found["checked"]).startswith("Equal in float64")


# Classes


def test_a_class_from_within_a_function_is_checked_under_its_own_name(dataset: str) -> None:
    class Halved(NumpyTrainer):
        """Its gradients are half of what they should be."""

        def gradients(self, x: Any, t: Any) -> Any:
            return tuple(bb.Layer(*(array / 2 for array in layer.arrays())) for layer in super().gradients(x, t))

    checked = bb.check(Halved, dataset=dataset, **SMALL)
    assert not checked.ok
    assert checked.tables[0].title == "Halved against scratch-numpy, float64"
    assert "/tmp" not in f"{checked}{checked._repr_html_()}"


def test_a_recipe_and_names_are_taken_as_on_the_command_line(dataset: str) -> None:
    recipe = bb.Recipe(layer_sizes=(16, 5, 3), loss="squared_error", output_activation="sigmoid", batch_size=8)
    checked = bb.check("torch-eager", recipe, against="scratch-inplace", dataset=dataset, steps=20, learning_rate=0.2)
    assert checked.ok
    assert checked.tables[0].title.startswith("torch-eager against scratch-inplace")


@pytest.mark.parametrize(
    ("arguments", "fields", "said"),
    [
        (["no-such"], {}, "no implementation is named 'no-such'"),
        (["torch-eager", "no-such"], {}, "no-such"),
        (["torch-eager"], {"learning_rat": 1.0}, "learning_rat"),
        (["torch-eager"], {"learning_rate": -1.0}, "learning_rate"),
        ([object()], {}, r"is of the type object; expected a class, such as Mine and not Mine\(\)"),
        ([int], {}, "int has no method train_epoch and no gradients and no predict and no parameters; expected"),
    ],
)
def test_what_cannot_be_checked_is_refused_in_one_sentence(
    arguments: list[Any], fields: dict[str, Any], said: str, dataset: str
) -> None:
    with pytest.raises(InputError, match=said) as refused:
        bb.check(*arguments, dataset=dataset, **SMALL | fields)
    assert "\n" not in str(refused.value)


def test_a_class_that_cannot_be_sent_says_so(dataset: str) -> None:
    lock = threading.Lock()

    class Holding(NumpyTrainer):
        """Holds a lock of this process."""

        held = lock

    with pytest.raises(InputError, match=r"Holding cannot be sent to another process: cannot pickle '_thread\.lock'"):
        bb.check(Holding, dataset=dataset, **SMALL)


def test_a_class_that_needs_other_arguments_is_told_which_it_gets(dataset: str) -> None:
    class Sized(NumpyTrainer):
        """Is made from its sizes."""

        def __init__(self, n_inputs: int, n_hidden: int, n_outputs: int) -> None:
            raise AssertionError

    checked = bb.check(Sized, dataset=dataset, **SMALL)
    assert not checked.ok
    assert "missing 1 required positional argument: 'n_outputs'" in str(checked)


# Comparing


def test_a_class_is_compared_under_its_own_name_and_the_run_can_be_resumed(tmp_path: Path, dataset: str) -> None:
    class Mine(NumpyTrainer):
        """Right."""

    compared = bb.compare(
        Mine, "scratch-numpy", profile="quick", budget_s=1.0, dataset=dataset, results=tmp_path, layer_sizes=(16, 8, 3)
    )
    assert compared.failures == ()
    assert list(compared.times["implementation"]) == ["Mine", "scratch-numpy"]
    assert (compared.times["epoch_s"] > 0).all()
    assert compared.times["accuracy"].nunique() == 1, "both learn the same"
    assert compared.answer[0].startswith("Right: gradients, weights and timed work agree")
    assert compared.report == compared.folder / "report.html"
    kept = [row["implementation"] for row in rows_of(read_rows(compared.folder), "trained")]
    assert kept == ["Mine", "scratch-numpy"], "so that they are in the figures of mistakes"
    assert "Mine" in compared._repr_html_()
    assert "Mine.py" not in compared.report.read_text("utf-8").partition("<footer")[0].partition("Environment and")[0]
    resumed = subprocess.run(
        [sys.executable, "-m", "backprop_bench", "compare", "--resume", str(compared.folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert resumed.returncode == 0, resumed.stderr


def test_what_cannot_be_compared_is_refused_in_one_sentence(tmp_path: Path, dataset: str) -> None:
    def made() -> type:
        class Mine(NumpyTrainer):
            """One of two."""

            number = len(classes)

        return Mine

    classes: list[type] = []
    classes += [made()]
    classes += [made()]
    with pytest.raises(InputError, match="two implementations are called Mine; expected names that differ"):
        bb.compare(*classes, dataset=dataset, results=tmp_path)
    with pytest.raises(InputError, match="there is no profile 'fast'; expected quick, default, full"):
        bb.compare("torch-eager", profile="fast", dataset=dataset, results=tmp_path)
    with pytest.raises(InputError, match="no recipe is named 'no-such'"):
        bb.compare("torch-eager", recipe="no-such", dataset=dataset, results=tmp_path)
    with pytest.raises(InputError, match=r"10000|10,000"):
        bb.compare("torch-eager", threads=10_000, dataset=dataset, results=tmp_path)
    with pytest.raises(InputError, match="no implementation is named 'mine'"):
        bb.compare("mine", dataset=dataset, results=tmp_path)


def test_the_recorded_command_repeats_what_was_compared(tmp_path: Path, dataset: str) -> None:
    chosen: dict[str, Any] = {
        "layer_sizes": (16, 8, 3),
        "bias": False,
        "batch_size": None,
        "input_range": (0.0, 0.5),
        "epochs": 2,
    }
    compared = bb.compare(
        "scratch-numpy",
        recipe="article-scratch",
        profile="quick",
        budget_s=0.5,
        target=0.25,
        dataset=dataset,
        results=tmp_path,
        **chosen,
    )
    words = shlex.split(read_description(compared.folder).command)[1:]
    folder = tmp_path / "again"
    again = CliRunner().invoke(main, [*words, "--results", str(folder)])
    assert again.exit_code == 0, again.output
    first, second = (read_description(path).plan.questions[0] for path in (compared.folder, folder / "latest"))
    assert first.entries == second.entries
    assert (first.timing.budget_s, first.timing.target) == (second.timing.budget_s, second.timing.target)


def test_a_module_of_yours_that_changes_afterwards_does_not_get_in(tmp_path: Path, dataset: str) -> None:
    (tmp_path / "model.py").write_text(
        "from backprop_bench.scratch.numpy_trainer import NumpyTrainer\nclass Mine(NumpyTrainer):\n    pass\n"
    )
    code = f"""
import pathlib, sys
sys.path.insert(0, {str(tmp_path)!r})
from model import Mine
from backprop_bench.bench.api.recorded import recipe_and_fields
from backprop_bench.bench.api.by_value import kept
name = kept(Mine, pathlib.Path({str(tmp_path)!r}) / "own")
pathlib.Path({str(tmp_path)!r}, "model.py").write_text("class Mine: pass")
print(name)
"""
    name = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    checked = subprocess.run(
        [sys.executable, "-m", "backprop_bench", "parity", name, "--dataset", dataset, "--steps", "20"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_recipe_that_does_not_fit_the_examples_is_refused_and_not_changed(dataset: str) -> None:
    with pytest.raises(InputError, match="layer"):
        bb.check("torch-eager", bb.Recipe(layer_sizes=(15, 5, 3)), dataset=dataset)


# Beside files of one's own

SCRIPT = """
import backprop_bench as bb
from backprop_bench.scratch.numpy_trainer import NumpyTrainer
from data import SCALE

class Mine(NumpyTrainer):
    def gradients(self, x, t):
        import data
        assert data.SCALE == SCALE == 1.0
        return super().gradients(x, t)

print(bb.check(Mine, dataset={dataset!r}, layer_sizes=(16, 8, 3), batch_size=16, steps=20).ok)
"""


def write_own(folder: Path, dataset: str) -> str:
    (folder / "data.py").write_text("SCALE = 1.0\n", encoding="utf-8")
    return SCRIPT.format(dataset=dataset)


def test_a_class_of_a_script_finds_the_users_own_data_module(tmp_path: Path, dataset: str) -> None:
    (tmp_path / "script.py").write_text(write_own(tmp_path, dataset), encoding="utf-8")
    result = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.stdout, result.returncode) == ("True\n", 0), result.stderr


def test_a_class_of_a_cell_is_checked_in_a_notebook(tmp_path: Path, dataset: str, monkeypatch: Any) -> None:
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    cells = write_own(tmp_path, dataset).replace("print(", "(").replace(").ok)", "))").strip().split("\n\n")
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(book, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    understood, shown = book.cells[-1].outputs
    assert "training and" in understood.text
    assert "Equal in float64 and float32: every error is within its tolerance." in shown.data["text/html"]
    assert "<table" in shown.data["text/html"]
    assert "Mine against scratch-numpy, float64" in shown.data["text/html"]


def test_to_import_the_package_imports_nothing_that_a_timed_worker_does_not_need() -> None:
    code = (
        "import sys, backprop_bench; print([name for name in ('torch', 'numpy', 'matplotlib') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"
    for name in bb.__all__:
        assert getattr(bb, name).__module__.startswith("backprop_bench.")


def test_the_examples_of_a_dataset_are_arrays_and_its_first_ones_can_be_taken(dataset: str) -> None:
    few = bb.load_dataset(dataset).subset(20, 10)
    assert isinstance(few, bb.Dataset)
    assert (few.x_train.shape, few.t_train.shape, few.y_test.shape) == ((20, 16), (20, 3), (10,))
    assert (few.t_train.argmax(axis=1) == few.y_train).all()
    with pytest.raises(InputError, match="is neither a dataset nor a file nor a folder"):
        bb.load_dataset("no-such-data")


# What a review found: each was right once, and should not have been


class AnotherMomentum(NumpyTrainer):
    """Its momentum is 0.5, whatever the recipe says."""

    def __init__(self, recipe: Any, parameters: Any) -> None:
        super().__init__(recipe.replace(momentum=0.5), parameters)


RELU: dict[str, Any] = {"optimizer": "momentum", "momentum": 0.9, "learning_rate": 0.3, "hidden_activation": "relu"}


def test_a_wrong_momentum_is_found_where_rounding_drives_training_apart(dataset: str) -> None:
    options: dict[str, Any] = {**SMALL, **RELU, "steps": 300}
    assert bb.check("scratch-numpy", dataset=dataset, **options).ok
    assert not bb.check(AnotherMomentum, dataset=dataset, **options).ok


class HalfInFloat32(NumpyTrainer):
    """It lacks the ½ in single precision alone."""

    def __init__(self, recipe: Any, parameters: Any) -> None:
        super().__init__(recipe.replace(half=recipe.dtype == "float64"), parameters)


SQUARED: dict[str, Any] = {"output_activation": "sigmoid", "loss": "squared_error", "reduction": "sum"}


def test_a_convention_holds_in_every_dtype_or_not_at_all(dataset: str) -> None:
    options: dict[str, Any] = {**SMALL, **SQUARED, "learning_rate": 0.1}
    checked = bb.check(HalfInFloat32, dataset=dataset, **options)
    assert not checked.ok
    assert "It is right for" not in str(checked)


class LossByUnits(NumpyTrainer):
    """Its loss is divided by the hidden units, of which there are as many as outputs."""

    def train_epoch(self, x: Any, t: Any, order: Any) -> float:
        return super().train_epoch(x, t, order) / self.recipe.layer_sizes[1]


def test_a_convention_that_fits_by_chance_is_not_accepted(dataset: str) -> None:
    options: dict[str, Any] = {**SMALL, "layer_sizes": (16, 3, 3)}
    checked = bb.check(LossByUnits, dataset=dataset, **options)
    assert not checked.ok
    assert checked.conventions == {}


class LateHalf(NumpyTrainer):
    """It lacks the ½, and its learning rate changes after some epochs."""

    def __init__(self, recipe: Any, parameters: Any) -> None:
        super().__init__(recipe.replace(half=False), parameters)

    def train_epoch(self, x: Any, t: Any, order: Any) -> float:
        if self.epoch == 5:
            self.optimizer.set_rates(0.05, 0.0)
        return super().train_epoch(x, t, order)


def test_what_a_convention_does_not_explain_is_said_to_remain(dataset: str) -> None:
    options: dict[str, Any] = {**SMALL, **SQUARED, "learning_rate": 0.1, "steps": 200}
    checked = bb.check(LateHalf, dataset=dataset, **options)
    assert not checked.ok
    assert checked.conventions == {"half": False}
    follows = "It follows another convention than the recipe, a squared error without the ½:"
    assert checked.sentences[0].startswith(follows)
    assert checked.sentences[0].endswith("With that, this remains:")
    assert "the first quantity that differs is weights" in checked.sentences[1]


def test_conventions_are_recorded_of_a_recipe() -> None:
    recipe = bb.Recipe().replace(half=False, loss="squared_error", output_activation="sigmoid")
    name, fields = recipe_and_fields(recipe, {"learning_rate": 0.1})
    assert name == "shared"
    assert fields["half"] is False
    assert fields["learning_rate"] == 0.1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": 0}, "steps is 0; expected a whole number of at least 1"),
        ({"steps": 2.5}, "steps is 2.5; expected a whole number of at least 1"),
        ({"timeout_s": -1}, "timeout_s is -1; expected a number of seconds, or None"),
        ({"recipe": 3}, "recipe is of the type int; expected a name or a Recipe"),
    ],
)
def test_an_argument_of_check_that_means_nothing_is_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(bb.InputError, match=message):
        bb.check("scratch-numpy", **arguments)
