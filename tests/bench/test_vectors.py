"""A program in any language is checked from the numbers that it writes."""

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from backprop_bench.bench.cli.main import main
from backprop_bench.bench.mutation.vectors import diagnose
from backprop_bench.bench.verify.vectors.arrays import Arrays, Vectors, make_vectors
from backprop_bench.bench.verify.vectors.comparison import compare_vectors
from backprop_bench.bench.verify.vectors.files import read_vectors, write_vectors
from backprop_bench.bench.verify.vectors.theirs import read_theirs
from backprop_bench.data import Recipe, load_dataset, training_examples
from backprop_bench.scratch.numpy_trainer import NumpyTrainer
from backprop_bench.torch_impl.trainers import EagerTrainer
from tests.bench.refusal import refused
from tests.bench.vectors_writer import Computed, computed, write_json, write_npy, write_text
from tests.tiny import write_tiny_dataset

pytestmark = pytest.mark.xdist_group("vectors")  # what its fixtures make is made once

RECIPE = Recipe(layer_sizes=(16, 8, 3), batch_size=8, learning_rate=0.5, dtype="float64")
OPTIONS = ["--layer-sizes", "16-8-3", "--batch-size", "8", "--learning-rate", "0.5"]


def run(*words: object) -> Result:
    return CliRunner().invoke(main, list(map(str, words)), env={"COLUMNS": "140"})


def said(result: Result) -> str:
    return " ".join(result.output.split())


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_tiny_dataset(tmp_path_factory.mktemp("tiny"), 60, 60)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, dataset: str) -> Path:
    """The folder of the vectors, as the command writes it."""
    folder = tmp_path_factory.mktemp("vectors") / "vectors"
    result = run("vectors", *OPTIONS, "--dataset", dataset, "--out", folder)
    assert result.exit_code == 0, result.output
    assert f"{folder}: 33 arrays of a network 16-8-3 in float64, with 21 examples, verified" in said(result)
    return folder


@pytest.fixture(scope="module")
def right(written: Path) -> Computed:
    return computed(written)


def vectors_of(recipe: Recipe, dataset: str, trainer: Any = NumpyTrainer, n_examples: int = 21) -> Vectors:
    return make_vectors(recipe, training_examples(recipe, load_dataset(dataset).subset(n_examples)), trainer)


# What is written


def test_every_array_is_there_twice_in_its_shape_and_on_the_page(written: Path) -> None:
    arrays = json.loads((written / "vectors.json").read_text())["arrays"]
    page = (written / "README.md").read_text()
    assert {path.stem for path in written.glob("npy/*")} == set(arrays)
    assert {path.stem for path in written.glob("json/*")} == set(arrays)
    for name, said_of in arrays.items():
        array = np.load(written / "npy" / f"{name}.npy")
        assert list(array.shape) == said_of["shape"], name
        assert np.array_equal(array, json.loads((written / "json" / f"{name}.json").read_text())), name
        shape, axes = " × ".join(map(str, array.shape)) or "1", ", ".join(said_of["axes"]) or "a number"
        assert f"| `{name}` | {shape} | {axes} | {said_of['what']} |" in page
    assert arrays["W1"]["shape"] == [16, 8]
    assert arrays["order"]["shape"] == [34, 21]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"dtype": "float32"},
        {"output_activation": "sigmoid", "loss": "squared_error", "reduction": "sum", "bias": False, "batch_size": 1},
        {"layer_sizes": (16, 7, 6, 3), "hidden_activation": "tanh", "optimizer": "adam", "learning_rate": 0.01},
        {"batch_size": None, "optimizer": "momentum", "momentum": 0.5, "learning_rate": 0.1, "weight_decay": 0.01},
        {"skip_connection": True, "schedule": ((2, 0.1, 0.0),), "multiplicative_decay": 0.01},
        {"first_layer_blocks": ((8, 4), (8, 4)), "optimizer": "rmsprop", "learning_rate": 0.01},
    ],
    ids=lambda changes: next(iter(changes), "plain"),
)
def test_pytorch_computes_the_same_vectors_and_their_names_are_in_order(changes: Any, dataset: str) -> None:
    recipe = RECIPE.replace(**changes)
    ours, theirs = (vectors_of(recipe, dataset, trainer) for trainer in (NumpyTrainer, EagerTrainer))
    assert [one.name for one in ours.named] == list(ours.arrays)
    assert [one.shape for one in ours.named] == [array.shape for array in ours.arrays.values()]
    compared = compare_vectors(theirs, {name: ours.arrays[name] for name in ours.computed})
    assert [name for name, quantity in compared.items() if not quantity.passed] == []
    assert compared.keys() == ours.computed.keys()


def test_smoothed_targets_are_written_as_they_are_trained_on(dataset: str, tmp_path: Path) -> None:
    result = run("vectors", *OPTIONS, "--label-smoothing", 0.3, "--dataset", dataset, "--out", tmp_path / "vectors")
    assert result.exit_code == 0, result.output
    assert "verified" in said(result)
    np.testing.assert_allclose(np.unique(np.load(tmp_path / "vectors" / "npy" / "t.npy")), [0.1, 0.8], rtol=1e-12)


def test_the_losses_are_those_of_the_first_batch_and_of_whole_epochs(dataset: str) -> None:
    for reduction, times in (("mean", 1), ("sum", 8)):
        vectors = vectors_of(RECIPE.replace(reduction=reduction, learning_rate=0.05), dataset)
        y, first = vectors.arrays["y2"], np.asarray(vectors.arrays["order"])[0, :8]
        t = vectors.arrays["t"][first.astype(int)]
        assert float(vectors.arrays["loss"]) == pytest.approx(-float((t * np.log(y)).sum()) * times / 8)
        assert len(vectors.arrays["loss_by_epoch"]) == 33, "the 34th of 3 batches is not whole after 100 updates"


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ({}, ["z1 = x W1 + b1", "dEdz2 = (y2 - t) / B", "w = w - 0.5 * g", "dEdb1 = sum of dEdz1 over the examples"]),
        ({"bias": False}, ["z1 = x W1\n", "dEdW1 = x^T dEdz1\n\n"]),
        (
            {"loss": "squared_error", "output_activation": "sigmoid", "reduction": "sum", "hidden_activation": "tanh"},
            ["L = 1/2 * sum over k of (y2 - t)[k]^2", "dEdy2 = y2 - t\n", "dy/dz = 1 - y^2", "E = sum of L"],
        ),
        ({"optimizer": "adam", "weight_decay": 0.25}, ["g = g + 0.25 * w", "m = 0.9 * m + (1 - 0.9) * g"]),
        ({"optimizer": "momentum", "momentum": 0.5}, ["v = 0.5 * v - 0.5 * g", "w = w + v"]),
        ({"schedule": ((2, 0.1, 0.0),)}, ["w = w - rate * g", "rate = 0.1, momentum = 0, from row 2 on"]),
        ({"skip_connection": True}, ["z2 = [y1, x] W2 + b2", "dEdW2 = [y1, x]^T dEdz2", "its first 8 columns"]),
        (
            {"loss": "squared_error", "output_activation": "identity", "error_dead_zone": (0.2, 0.8)},
            ["dEdy2 = e / B", "e = y2 - t, but 0 where t > 0.5 and y2 > 0.8"],
        ),
    ],
    ids=lambda value: next(iter(value), "plain") if isinstance(value, dict) else "",
)
def test_the_page_has_the_formulas_of_the_recipe(changes: Any, lines: list[str], dataset: str, tmp_path: Path) -> None:
    write_vectors(tmp_path, vectors_of(RECIPE.replace(**changes), dataset), "backprop-bench vectors")
    page = (tmp_path / "README.md").read_text()
    assert [line for line in lines if line not in page] == []
    assert "\t" not in page
    assert "{" not in page.replace('{"z1"', ""), "nothing is left to fill in"


def test_a_large_array_is_in_npy_alone(dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backprop_bench.bench.verify.vectors.files.MOST_IN_JSON", 300)
    large = write_vectors(tmp_path, vectors_of(RECIPE, dataset), "backprop-bench vectors")
    assert large == ["x", "order"]
    assert not (tmp_path / "json" / "x.json").exists()
    assert "Only in `npy/`, because of their size: x, order." in (tmp_path / "README.md").read_text()


@pytest.mark.slow
def test_the_recorded_command_writes_the_same_vectors(written: Path, dataset: str, tmp_path: Path) -> None:
    command = json.loads((written / "vectors.json").read_text())["command"]
    words = shlex.split(command.replace("FOLDER", shlex.quote(str(tmp_path / "again"))))
    assert run(*words[1:]).exit_code == 0
    for path in written.glob("*/*"):
        assert path.read_bytes() == (tmp_path / "again" / path.parent.name / path.name).read_bytes(), path.name


# What is compared


@pytest.mark.parametrize("write", [write_json, write_npy, write_text])
def test_what_a_right_program_wrote_is_equal(write: Any, written: Path, right: Computed, tmp_path: Path) -> None:
    result = run("check-vectors", written, write(tmp_path / "theirs", right))
    assert result.exit_code == 0, result.output
    assert "Equal in float64: every error is within its tolerance." in result.output
    for row in ("z, pre-activation", "E, loss of the batch", "weights after 1 step ", "biases after 100 steps"):
        assert row in result.output
    assert "Not compared" not in result.output


def test_one_file_and_some_arrays_are_enough_and_the_rest_is_named(
    written: Path, right: Computed, tmp_path: Path
) -> None:
    some = {name: np.asarray(right[name]).tolist() for name in ("dEdW1", "loss")}
    (tmp_path / "theirs.json").write_text(json.dumps({**some, "w1": [1.0]}))
    result = run("check-vectors", written, tmp_path / "theirs.json")
    assert result.exit_code == 0, result.output
    assert "Not compared, for 24 arrays are missing: z1, y1, z2," in said(result)
    assert "Not compared, for the vectors have no such name: w1." in said(result)


@pytest.mark.slow
def test_flat_lists_columns_and_more_epochs_are_taken(written: Path, right: Computed, tmp_path: Path) -> None:
    arrays = {
        "W1_after_10": right["W1_after_10"].ravel(),
        "dEdb2": right["dEdb2"][:, None],
        "loss": [right["loss"]],
        "loss_by_epoch": right["loss_by_epoch"],
    }
    assert len(right["loss_by_epoch"]) == 34
    assert run("check-vectors", written, write_text(tmp_path / "theirs", arrays)).exit_code == 0
    arrays["loss_by_epoch"] = np.asarray(right["loss_by_epoch"]) / 2
    result = run("check-vectors", written, write_text(tmp_path / "theirs", arrays))
    assert result.exit_code == 1
    assert "What differs: loss × ½." in said(result)


def test_derivatives_of_each_examples_own_loss_are_no_mistake(written: Path, right: Computed, tmp_path: Path) -> None:
    own = right | {name: 8 * right[name] for name in ("dEdz2", "dEdy1", "dEdz1")}
    result = run("check-vectors", written, write_json(tmp_path / "theirs", own))
    assert result.exit_code == 0, result.output
    assert "8 times the derivatives of the mean, and are compared after division by 8." in said(result)


def test_single_precision_is_told_from_a_mistake(written: Path, right: Computed, tmp_path: Path) -> None:
    single = {name: np.float32(array) for name, array in right.items()}
    result = run("check-vectors", written, write_npy(tmp_path / "theirs", single))
    assert result.exit_code == 1
    assert "If your program computes in float, write the vectors with --dtype float32." in said(result)


def test_a_mistake_as_small_as_rounding_is_not_taken_for_single_precision(
    written: Path, right: Computed, tmp_path: Path
) -> None:
    slightly = right | {"loss": right["loss"] * (1 + 1e-8)}
    result = run("check-vectors", written, write_npy(tmp_path / "theirs", slightly))
    assert result.exit_code == 1
    assert "the first quantity that differs is loss: E, loss of the batch. The error is 1e-08" in said(result)
    assert "A difference of this size is that of single precision" not in said(result)


# The likely mistake, from what was written alone

MISTAKES = [
    ("y1 * (1 - y1)", "1", "the derivative of the hidden activation is missing"),
    ("dz2 = (y2 - t) / len(x)", "dz2 = y2 - t", "the gradient is the sum over the batch instead of the mean"),
    ("b[n] -= RATE", "b[n] -= 0", "the biases are never updated"),
    ("W[n] -= RATE", "W[n] += RATE", None),
    ("np.log(y2)", "np.log2(y2)", "the cross-entropy is taken with logarithms to base 2"),
    ("dz2 = (y2 - t) / len(x)", "dz2 = (y2 - t) / 8", "a short batch is divided by the size of a full one"),
    ("y1 = sigmoid(z1)", "y1 = np.tanh(z1)", "the hidden activation is tanh, which is not that of the recipe"),
    (
        "y1 * (1 - y1)",
        "sigmoid(y1) * (1 - sigmoid(y1))",
        "the derivative of the hidden activation takes y as if it were z",
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("old", "new", "mistake"), MISTAKES, ids=[new for _, new, _ in MISTAKES])
def test_a_planted_mistake_is_named(old: str, new: str, mistake: str | None, written: Path, tmp_path: Path) -> None:
    vectors = read_vectors(written)
    actual = read_theirs(write_json(tmp_path / "theirs", computed(written, old, new)), written, vectors).arrays
    with np.errstate(all="ignore"):
        found = diagnose(vectors, actual)
    if mistake is None:
        assert found.reading.mistakes == ()
        assert found.reading.differs.startswith("first update of the weights × −1")
    else:
        assert found.reading.mistakes[0] == mistake


def test_nothing_is_named_where_nothing_differs(written: Path, right: Computed) -> None:
    actual: Arrays = {name: np.asarray(right[name]) for name in right if name != "loss_by_epoch"}
    found = diagnose(read_vectors(written), actual)
    assert (found.reading.mistakes, found.reading.questions, found.reading.differs) == ((), (), "")


def test_gradients_alone_are_enough_to_name_a_mistake_in_them(written: Path) -> None:
    found = computed(written, "y1 * (1 - y1)", "1")
    actual: Arrays = {name: found[name] for name in ("dEdW1", "dEdW2")}
    assert diagnose(read_vectors(written), actual).reading.mistakes == (
        "the derivative of the hidden activation is missing",
    )


@pytest.mark.slow
def test_a_mistake_in_gradients_is_not_named_where_they_are_right(written: Path, right: Computed) -> None:
    trained = computed(written, "y1 * (1 - y1)", "1")
    actual: Arrays = {name: (right if "dE" in name else trained)[name] for name in right if name != "loss_by_epoch"}
    found = diagnose(read_vectors(written), actual)
    assert "the derivative of the hidden activation is missing" not in found.reading.mistakes


@pytest.mark.slow
def test_what_a_mistake_does_not_explain_is_said(written: Path, tmp_path: Path) -> None:
    found = computed(written, "y1 * (1 - y1)", "1") | {"loss_by_epoch": np.linspace(3, 1, 33)}
    result = run("check-vectors", written, write_json(tmp_path / "theirs", found))
    assert result.exit_code == 1
    text = said(result)
    assert "Not equal in float64: the first quantity that differs is dEdz1: dE/dz of layer 1." in text
    assert "A known mistake computes exactly this: the derivative of the hidden activation is missing." in text
    assert "Question: did you forget to multiply by the derivative of the hidden activation?" in text
    assert "This does not explain loss_by_epoch: there may be another mistake." in text


@pytest.mark.slow
def test_a_program_that_diverges_is_not_equal(written: Path, right: Computed, tmp_path: Path) -> None:
    folder = write_json(tmp_path / "theirs", right)
    rows = json.loads((folder / "W1_after_100.json").read_text())
    rows[2][1] = None  # what JavaScript writes for NaN
    (folder / "W1_after_100.json").write_text(json.dumps(rows))
    result = run("check-vectors", written, folder)
    assert result.exit_code == 1
    assert "layer 1 weight[2, 1] is nan, expected a finite number" in said(result)


# Bad input


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("z1.txt", "1 2\n3 x\n", ["line 2: 'x' is not a number", "such as -0.25"]),
        ("z1.json", '[[1, "a"]]', ['has "a" in it, which is not a number', "nested lists"]),
        ("z1.json", "[[1, true]]", ["has true in it"]),
        ("z1.json", "[[1, 2], [3]]", ["rows of different lengths"]),
        ("z1.json", "[[1, 2", ["is no JSON"]),
        ("z1.npy", "not numpy", ["z1.npy is no .npy file of numbers"]),
        ("z1.json", "[[1, 2]]", ["shape [1, 2], expected [8, 8] (examples of the batch, units)"]),
        ("W1.json", json.dumps([[0.0] * 8] * 16), ["is not the W1 that the program starts from", "W1_after_1"]),
        ("z3.json", "[1]", ["has none of the arrays; expected some, such as z1, y1 or z2", "README.md"]),
    ],
)
def test_a_file_that_cannot_be_used_is_named(
    name: str, text: str, words: list[str], written: Path, right: Computed, tmp_path: Path
) -> None:
    folder = write_json(tmp_path / "theirs", {} if name == "z3.json" else {"dEdW1": right["dEdW1"]})
    (folder / name).write_text(text)
    refused(run("check-vectors", written, folder), *words)


def test_an_array_the_other_way_round_is_told_how_to_be_written(written: Path, right: Computed, tmp_path: Path) -> None:
    for name, rows in (("dEdW1", "inputs"), ("dEdz1", "examples of the batch")):
        folder = write_json(tmp_path / name, {**right, name: right[name].T})
        refused(run("check-vectors", written, folder), f"{name}.json", f"a row for each of the {rows}")


@pytest.mark.parametrize(("form", "is_enough"), [("%f", False), ("%g", False), ("%.17g", True)])
def test_too_few_digits_are_told_from_a_mistake(
    form: str, is_enough: bool, written: Path, right: Computed, tmp_path: Path
) -> None:
    result = run("check-vectors", written, write_text(tmp_path / "theirs", right, form))
    if is_enough:
        assert result.exit_code == 0, result.output
    else:
        refused(result, "z1.txt is right as far as its digits go", "write 17 digits, as printf's %.17g does")


@pytest.mark.slow
def test_a_zero_is_not_taken_for_a_number_with_few_digits(written: Path, right: Computed, tmp_path: Path) -> None:
    zeros = {"dEdW1": np.zeros((16, 8)), "dEdW2": right["dEdW2"]}
    assert run("check-vectors", written, write_text(tmp_path / "theirs", zeros, "%g")).exit_code == 2
    zeros["dEdW2"] = np.zeros((8, 3))
    assert run("check-vectors", written, write_text(tmp_path / "zeros", zeros, "%g")).exit_code == 1


def test_folders_that_cannot_be_used_are_refused(written: Path, right: Computed, tmp_path: Path) -> None:
    theirs = write_json(tmp_path / "theirs", right)
    refused(run("check-vectors", tmp_path, theirs), "has no vectors.json", "backprop-bench vectors --out FOLDER")
    refused(run("check-vectors", written, tmp_path / "none"), "is no folder and no JSON file")
    refused(run("check-vectors", written, written / "json"), "is the folder of the vectors")
    (theirs / "z1.txt").write_text("1")
    refused(run("check-vectors", written, theirs), "has z1.json and z1.txt; expected one of them")
    (tmp_path / "list.json").write_text("[1]")
    refused(run("check-vectors", written, tmp_path / "list.json"), "holds no object", '{"z1"')


def test_vectors_that_are_damaged_or_of_another_version_are_refused(
    written: Path, right: Computed, tmp_path: Path
) -> None:
    theirs = write_json(tmp_path / "theirs", right)
    contents = json.loads((written / "vectors.json").read_text())

    def after(change: Any) -> Result:
        copy = tmp_path / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(written, copy)
        change(copy)
        return run("check-vectors", copy, theirs)

    def contain(**changes: Any) -> Any:
        return lambda copy: (copy / "vectors.json").write_text(json.dumps(contents | changes))

    again = "write them again: backprop-bench vectors --recipe shared"
    refused(after(contain(format=2)), "are of format 2, and this version has format 1", again)
    refused(after(contain(recipe={"depth": 3})), "of another version", "no field 'depth'", again)
    refused(after(lambda copy: (copy / "npy" / "y1.npy").unlink()), "npy/y1.npy is missing", again)
    refused(after(lambda copy: (copy / "npy" / "y1.npy").write_text("")), "npy/y1.npy is damaged", again)
    for name in ("W1", "dEdW1"):
        changed = after(lambda copy, name=name: np.save(copy / "npy" / f"{name}.npy", np.zeros((16, 8))))
        refused(changed, f"npy/{name}.npy is not what this version computes", again)


def test_vectors_that_cannot_be_written_are_refused(written: Path, dataset: str, tmp_path: Path) -> None:
    (tmp_path / "mine.c").write_text("int main")
    words = ["vectors", *OPTIONS, "--dataset", dataset, "--out"]
    refused(run(*words, tmp_path), "has other files; expected a new folder")
    refused(run(*words, tmp_path / "mine.c"), "is a file; expected a folder")
    refused(run(*words, tmp_path / "v", "--examples", 900), "--examples is 900, but", "has 60 training examples")
    too_many = ["--batch-size", 1, "--examples", 101]
    big = write_tiny_dataset(tmp_path, 200, 60)
    refused(
        run(*words, tmp_path / "v", "--dataset", big, *too_many), "100 updates visit 100 of them; expected 1 to 100"
    )
    diverging = ["--hidden-activation", "relu", "--output-activation", "identity", "--loss", "squared_error"]
    refused(run(*words, tmp_path / "v", *diverging, "--learning-rate", "1e6"), "diverges within 100 updates")
    assert not (tmp_path / "v").exists()


@pytest.mark.parametrize("command", ["vectors", "check-vectors"])
def test_the_help_says_what_is_written_and_what_is_read(command: str) -> None:
    text = said(run(command, "--help"))
    expected = {
        "vectors": ["--out FOLDER", "--examples N", "--learning-rate", "at most 16 units", "README.md"],
        "check-vectors": ["FOLDER THEIRS", ".json, .npy, .txt or .csv", "exit code 1"],
    }
    assert [word for word in expected[command] if word not in text] == []
    assert command in run("--help").output
