"""What a program or a notebook calls to time, train, plot and list runs: typed results, from the same records."""

import json
import math
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib.figure import Figure
from matplotlib.text import Text

import backprop_bench as bb
from backprop_bench.bench.api.timing import ratios_of
from backprop_bench.bench.cli.main import main
from backprop_bench.bench.cli.signals import STOPPING
from backprop_bench.bench.compare.plan import plan_comparison
from backprop_bench.bench.compare.stages import expected_stages
from backprop_bench.bench.core.records.reader import read_description
from backprop_bench.bench.report.style import PageFigure
from backprop_bench.data import InputError, load_dataset
from backprop_bench.scratch.numpy_trainer import NumpyTrainer
from tests.bench.plain import read_rows, rows_of, summarize
from tests.bench.recorded import recorded_run
from tests.tiny import write_tiny_dataset

ROOT = Path(__file__).parents[2]
SIZES = (16, 8, 3)

pytestmark = pytest.mark.slow


class Mine(NumpyTrainer):
    """Right."""


class Halved(NumpyTrainer):
    """Its gradients are half of what they should be."""

    def gradients(self, x: Any, t: Any) -> Any:
        return tuple(bb.Layer(*(array / 2 for array in layer.arrays())) for layer in super().gradients(x, t))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_tiny_dataset(tmp_path_factory.mktemp("tiny"), 300, 60)


@pytest.fixture(scope="module")
def timed(tmp_path_factory: pytest.TempPathFactory, dataset: str) -> bb.Timing:
    results = tmp_path_factory.mktemp("results")
    return bb.time(
        Mine, "scratch-numpy", Halved, budget_s=2.0, dataset=dataset, results=results, layer_sizes=SIZES, batch_size=16
    )


# Times


def test_the_faster_of_two_is_called_so() -> None:
    question = summarize(*recorded_run(("scratch-inplace", "torch-eager"))).questions[-1]
    (ratio,) = ratios_of(question)
    faster, slower, factor, low, high = ratio
    assert (faster, slower) == ("scratch-inplace", "torch-eager")
    assert low < factor < high
    assert factor == pytest.approx(2.46 / 0.74, rel=0.2), "as these runs are made up"


def test_who_is_faster_is_said_in_words_and_in_numbers(timed: bb.Timing) -> None:
    assert list(timed.times["implementation"]) == ["Mine", "scratch-numpy"]
    assert (timed.times["epoch_s"] > 0).all()
    (ratio,) = timed.ratios.to_dict("records")
    assert {ratio["faster"], ratio["slower"]} == {"Mine", "scratch-numpy"}
    assert ratio["factor"] >= 1
    assert math.isnan(ratio["low"]) or ratio["low"] <= ratio["factor"] <= ratio["high"]
    said = next(sentence for sentence in timed.sentences if "Mine" in sentence and "scratch-numpy" in sentence)
    assert re.search(r"faster than|No significant difference in time between", said)
    assert said in timed._repr_html_()
    assert "<table" in timed._repr_html_()


def test_what_is_wrong_is_named_and_not_timed(timed: bb.Timing) -> None:
    (failure,) = timed.failures
    assert "Halved" in failure
    assert "verification failed" in failure
    assert "Halved" not in set(timed.times["implementation"])
    assert [sentence for sentence in timed.sentences if "Halved failed (verification)" in sentence]


def test_nothing_is_trained_for_accuracy(timed: bb.Timing) -> None:
    rows = read_rows(timed.folder)
    assert not rows_of(rows, "epoch") + rows_of(rows, "trained") + rows_of(rows, "part")
    assert rows_of(rows, "block")
    assert rows_of(rows, "timed_work"), "what was timed is verified"
    assert "test accuracy" not in timed._repr_html_()


def test_a_run_is_resumed_by_the_command(timed: bb.Timing) -> None:
    words = ["compare", "--resume", str(timed.folder)]
    resumed = subprocess.run(
        [sys.executable, "-m", "backprop_bench", *words],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert resumed.returncode == 1, "Halved has failed"
    assert "Halved" in resumed.stderr
    report = (timed.folder / "report.md").read_text("utf-8")
    assert "accuracies not compared" not in report


def test_the_recorded_command_repeats_what_was_timed_with_a_recipe_field_by_field(
    tmp_path: Path, dataset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = bb.Recipe(
        layer_sizes=SIZES, loss="squared_error", output_activation="sigmoid", batch_size=None, learning_rate=0.123456789
    )
    timed = bb.time("scratch-numpy", recipe=recipe, budget_s=0.5, dataset=dataset, results=tmp_path)
    assert timed.ratios.empty
    assert list(timed.ratios.columns) == ["faster", "slower", "factor", "low", "high"]
    assert re.fullmatch(r"scratch-numpy takes .* per epoch\. Nothing else was timed\.", timed.sentences[-2])
    description = read_description(timed.folder)
    assert description.plan.questions[0].entries[0].recipe == recipe
    monkeypatch.setattr("backprop_bench.bench.compare.command.go_on", lambda *_: sys.exit(0))  # the plan is enough
    again = tmp_path / "again"
    result = CliRunner().invoke(main, [*shlex.split(description.command)[1:], "--results", str(again)])
    assert result.exit_code == 0, result.output
    repeated = read_description(again / "latest").plan
    assert repeated.questions[0].entries == description.plan.questions[0].entries
    assert (repeated.questions[0].seeds, repeated.part_blocks) == ((), 0)


def test_the_articles_experiment_is_timed_alone_without_what_is_only_trained(dataset: str) -> None:
    whole, timed = (plan_comparison("quick", load_dataset(dataset), only_times=only) for only in (False, True))
    for question, full in zip(timed.questions, whole.questions, strict=True):
        assert [entry.label for entry in question.entries] == [entry.label for entry in full.timed]
        assert (question.trained, question.seeds) == ((), ())
    stages = [stage.title for stage in expected_stages(timed)]
    assert [title for title in stages if title.startswith("train")] == []


@pytest.mark.parametrize(
    ("implementations", "options", "said"),
    [
        ([], {}, r'there is nothing to time; expected classes or names, such as time\(Mine, "torch-eager"\)'),
        ([Mine], {"budget_s": 0.01}, r"budget_s is 0\.01 s, but two rounds of 2 blocks"),
        ([Mine], {"budget_s": "30"}, "budget_s is '30'; expected a number of seconds"),
        ([Mine], {"budget_s": -1}, "budget_s is -1; expected a number of seconds"),
        ([Mine], {"target": 2}, "target is 2; expected a share of the ratio, such as 0.02"),
        ([Mine], {"threads": 1.5}, "threads is 1.5; expected a whole number of at least 1"),
        ([Mine], {"threads": 10_000}, "threads is 10000, but this process may use"),
        ([Mine], {"recipe": 3}, "recipe is of the type int; expected a name or a Recipe"),
        ([Mine], {"recipe": "no-such"}, "no recipe is named 'no-such'"),
        ([Mine], {"budget": 30}, "recipe has no field 'budget'"),
        ([3], {}, "3 is of the type int; expected a class, such as Mine and not Mine"),
        ([Mine], {"recipe": bb.Recipe()}, "layer"),
    ],
)
def test_what_cannot_be_timed_is_refused_in_one_sentence(
    implementations: list[Any], options: dict[str, Any], said: str, tmp_path: Path, dataset: str
) -> None:
    with pytest.raises(InputError, match=said) as refused:
        bb.time(*implementations, dataset=dataset, results=tmp_path, **options)
    assert "\n" not in str(refused.value)
    assert not list(tmp_path.glob("*-default")), "nothing is begun"


def test_a_run_that_is_stopped_says_how_to_resume_it_and_leaves_the_handlers_of_the_program(
    tmp_path: Path, dataset: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {number: signal.getsignal(number) for number in STOPPING}
    during = {}

    class Stopping:
        def __init__(self, _stages: Any) -> None: ...

        def stage(self, *_: Any) -> Any:
            during.update({number: signal.getsignal(number) for number in STOPPING})
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("backprop_bench.bench.api.recorded.Bars", Stopping)
    with pytest.raises(KeyboardInterrupt):
        bb.time("scratch-numpy", budget_s=1.0, dataset=dataset, results=tmp_path, layer_sizes=SIZES)
    (folder,) = tmp_path.glob("*-default")
    assert f"Resume with: backprop-bench compare --resume {folder}" in capsys.readouterr().err
    assert [number for number in STOPPING if during[number] != before[number]] == [signal.SIGINT]
    assert {number: signal.getsignal(number) for number in STOPPING} == before


# Accuracies


class Raising(NumpyTrainer):
    """Breaks when it is trained."""

    def train_epoch(self, x: Any, t: Any, order: Any) -> float:
        raise ArithmeticError("no")


@pytest.fixture(scope="module")
def trained(dataset: str) -> bb.Training:
    chosen: dict[str, Any] = {"dataset": dataset, "layer_sizes": SIZES, "batch_size": 8, "seed": 5}
    return bb.train([Mine, "scratch-inplace", Raising], epochs=3, seeds=2, **chosen)


def test_every_epoch_from_every_seed_has_an_accuracy(trained: bb.Training) -> None:
    mine = trained.curves[trained.curves["implementation"] == "Mine"]
    assert list(zip(mine["seed"], mine["epoch"], strict=True)) == [
        (seed, epoch) for seed in (5, 6) for epoch in range(4)
    ]
    assert mine["loss"].isna().tolist() == [True, False, False, False] * 2
    assert (mine["wall_s"].dropna() > 0).all()
    last = mine[mine["epoch"] == 3]["accuracy"]
    first = mine[mine["epoch"] == 0]["accuracy"]
    assert last.mean() > first.mean(), "it learns"
    (row, other) = trained.accuracies.to_dict("records")
    assert (row["implementation"], row["epoch"], row["seeds"]) == ("Mine", 3, 2)
    assert row["accuracy"] == pytest.approx(last.mean())
    assert row["low"] <= row["accuracy"] <= row["high"]
    assert other["accuracy"] == row["accuracy"], "both learn the same"


def test_accuracies_are_said_in_words_and_what_breaks_is_named(trained: bb.Training) -> None:
    assert re.search(r"Mine reaches \S+.% \(.*\) after 3 epochs, mean of 2 seeds\.", str(trained))
    assert "Mine and scratch-inplace: Accuracy is the same for each seed" in str(trained)
    line = Raising.train_epoch.__code__.co_firstlineno + 1
    assert f"Raising failed (training, seed 5): raised ArithmeticError in line {line}: no" in str(trained)
    assert trained.failures == (f"Raising: raised ArithmeticError in line {line}: no",)
    assert "<table" in trained._repr_html_()


def test_one_implementation_is_trained_as_the_command_trains_it(tmp_path: Path, dataset: str) -> None:
    out = tmp_path / "out.json"
    words = ["train", "scratch-numpy", "--recipe", "article-scratch", "--examples", "90", "--epochs", "2"]
    result = CliRunner().invoke(main, [*words, "--dataset", dataset, "--json", str(out)])
    assert result.exit_code == 0, result.output
    trained = bb.train("scratch-numpy", "article-scratch", epochs=2, examples=90, dataset=dataset)
    of_command = [(row["accuracy"], row.get("loss")) for row in json.loads(out.read_text())["epochs"]]
    pairs = zip(trained.curves["accuracy"], trained.curves["loss"], strict=True)
    assert [(accuracy, None if math.isnan(loss) else loss) for accuracy, loss in pairs] == of_command
    assert str(trained).endswith("after 2 epochs, from one seed.")


def test_a_training_that_diverges_ends_and_is_named(dataset: str) -> None:
    diverging: dict[str, Any] = {"output_activation": "identity", "loss": "squared_error", "learning_rate": 1e6}
    trained = bb.train("scratch-numpy", epochs=20, dataset=dataset, layer_sizes=SIZES, **diverging)
    assert "training of scratch-numpy diverged with seed 0" in str(trained)
    assert len(trained.curves) < 10
    assert math.isnan(trained.curves["loss"].iloc[-1])


@pytest.mark.parametrize(
    ("implementations", "options", "said"),
    [
        ([], {}, r'implementations is \[\]; expected classes or names, such as \[Mine, "torch-eager"\]'),
        (None, {}, "implementations is None; expected classes or names"),
        ("no-such", {}, "no implementation is named 'no-such'"),
        ([Mine], {"seeds": 0}, "seeds is 0; expected a whole number of at least 1"),
        ([Mine], {"epochs": 1.5}, "epochs is 1.5; expected a whole number of at least 1"),
        ([Mine], {"hold_out": 300}, "cannot hold out 300 of the 300 training examples"),
        ([Mine], {"learning_rat": 1.0}, "recipe has no field 'learning_rat'"),
        (
            ["sklearn"],
            {"hidden_activation": "tanh", "loss": "squared_error", "output_activation": "sigmoid"},
            "sklearn",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_sentence(
    implementations: Any, options: dict[str, Any], said: str, dataset: str
) -> None:
    with pytest.raises(InputError, match=said) as refused:
        bb.train(implementations, dataset=dataset, **options)
    assert "\n" not in str(refused.value)


# Figures


def words_of(figure: Figure) -> str:
    return " ".join(text.get_text() for text in figure.findobj(Text))


def test_the_figure_of_a_timing_says_who_is_faster_and_nothing_of_accuracy(timed: bb.Timing) -> None:
    figure = bb.plot(timed)
    words = words_of(figure)
    assert {"Mine", "scratch-numpy"} <= set(words.split())
    assert "Halved" not in words
    assert "accurac" not in words
    assert figure.get_figwidth() == 10.5
    assert "wall time per epoch" in words
    assert "Mine" in str(figure.get_label())


def test_the_figure_of_a_training_has_a_curve_for_each(trained: bb.Training) -> None:
    figure = bb.plot(trained)
    assert "After 3 epochs: accuracies agree" in words_of(figure)
    assert "cumulative training time" not in words_of(figure)
    (legend,) = [legend for axes in figure.axes if (legend := axes.get_legend())]
    assert [text.get_text() for text in legend.get_texts()] == ["Mine", "scratch-inplace"]
    heights = np.asarray(figure.axes[0].get_lines()[0].get_ydata())
    mine = trained.curves[(trained.curves["implementation"] == "Mine") & (trained.curves["epoch"] > 0)]
    assert heights.tolist() == pytest.approx(list(mine.groupby("epoch")["accuracy"].mean()))


def test_a_figure_is_chosen_by_name_also_of_a_folder_and_of_another_command(timed: bb.Timing) -> None:
    assert "times faster than" in words_of(bb.plot(timed, "ratios"))
    assert words_of(bb.plot(str(timed.folder))) == words_of(bb.plot(timed))
    assert "stage" in words_of(bb.plot(ROOT / "results" / "reference" / "ladder")).casefold()
    assert "cumulative training time" in words_of(bb.plot(ROOT / "results" / "reference", "learning-curves"))


def test_a_figure_can_be_saved_and_is_shown_as_large_as_on_a_page(timed: bb.Timing, tmp_path: Path) -> None:
    figure = bb.plot(timed)
    figure.savefig(tmp_path / "times.png")
    assert (tmp_path / "times.png").read_bytes().startswith(b"\x89PNG")
    assert isinstance(figure, PageFigure)
    png, shown = figure._repr_png_()
    width = int.from_bytes(png[16:20], "big")
    assert (shown["width"], width) == (1008, 2016)
    assert "Mine" in str(shown["alt"])


def test_what_has_no_such_figure_is_refused_in_one_sentence(
    timed: bb.Timing, trained: bb.Training, tmp_path: Path
) -> None:
    for result, figure, said in (
        (timed, "ratio", "there is no figure 'ratio' of this result; expected overview, epoch-times, checks or ratios"),
        (timed, "learning-curves", "'learning-curves' of this result: no training was evaluated; expected"),
        (trained, "epoch-times", "'epoch-times' of this result: nothing was timed on the same recipe; expected"),
        (3, None, "int has no figure; expected a result of time, train or compare, or the folder of a run"),
        (tmp_path, None, "holds no run"),
    ):
        with pytest.raises(InputError, match=said):
            bb.plot(result, figure)  # type: ignore[arg-type]


# Runs


def test_a_run_is_listed_with_its_answer(timed: bb.Timing) -> None:
    (row,) = bb.runs(timed.folder.parent).to_dict("records")
    assert row["name"] == timed.folder.name
    assert row["command"] == "compare, profile default"
    assert row["begun"].isoformat() == read_description(timed.folder).created
    assert "With the same recipe" in row["answer"]
    assert row["troubles"].startswith("Failed: same-recipe: Halved")
    assert row["machine"] == (read_description(timed.folder).environment["cpu"].get("model") or "unknown machine")


def test_runs_are_listed_newest_first_and_damaged_ones_say_so(tmp_path: Path) -> None:
    assert bb.runs(tmp_path).empty
    for name, created in (("a", "2026-01-01T00:00:00+00:00"), ("b", "2026-02-01T00:00:00+00:00")):
        (tmp_path / name).mkdir()
        described = {"command": f"backprop-bench {name}", "created": created}
        (tmp_path / name / "run.json").write_text(json.dumps(described), "utf-8")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "run.json").write_text("{", "utf-8")
    listed = bb.runs(str(tmp_path))
    assert list(listed["name"]) == ["b", "a", "c"]
    assert list(listed["command"][:2]) == ["b", "a"]
    assert listed["begun"].isna().tolist() == [False, False, True]
    assert listed["troubles"].iloc[2].startswith("This run cannot be read")
    with pytest.raises(InputError, match="missing is no folder; expected one with runs"):
        bb.runs(tmp_path / "missing")


# In a notebook beside files of one's own

CELLS = (
    """
import backprop_bench as bb
from backprop_bench.scratch.numpy_trainer import NumpyTrainer
from data import SCALE

class Mine(NumpyTrainer):
    def gradients(self, x, t):
        import data
        assert data.SCALE == SCALE == 1.0
        return super().gradients(x, t)

small = dict(dataset={dataset!r}, layer_sizes=(16, 8, 3), batch_size=16)
""",
    "bb.check(Mine, steps=20, **small)",
    "timed = bb.time(Mine, 'scratch-numpy', budget_s=1, **small)",
    "timed",
    "bb.plot(timed)",
    "bb.plot(bb.train(Mine, epochs=2, seeds=2, **small))",
    "bb.runs()",
)


def test_five_lines_check_time_and_plot_a_class_from_a_cell(
    tmp_path: Path, dataset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    (tmp_path / "data.py").write_text("SCALE = 1.0\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    sources = [CELLS[0].format(dataset=dataset), *CELLS[1:]]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    nbclient.NotebookClient(book, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    checked, timed, plotted, trained, listed = (shown_of(book.cells[number]) for number in (1, 3, 4, 5, 6))
    assert "Equal in float64" in checked.data["text/html"]
    assert re.search(r"faster than|No significant difference in time", timed.data["text/html"])
    assert "<table" in timed.data["text/html"]
    assert "Mine" in plotted.metadata["image/png"]["alt"]
    assert plotted.metadata["image/png"]["width"] == 1008
    assert "Mine" in trained.metadata["image/png"]["alt"]
    (run,) = (tmp_path / "results").glob("*-default")
    assert run.name in listed.data["text/html"]


def shown_of(cell: Any) -> Any:
    """Return what a cell shows as its value."""
    (shown,) = [output for output in cell.outputs if output.output_type == "execute_result"]
    return shown
