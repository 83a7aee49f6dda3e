"""What one sees while networks learn: every accuracy is that of its weight update, on the test examples."""

import itertools
import random
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.text import Text

from backprop_bench.bench.cli.main import main
from backprop_bench.bench.core.engine.tuning import best_rate
from backprop_bench.bench.core.records.kinds import Curve, Search
from backprop_bench.bench.core.records.plan import Description
from backprop_bench.bench.core.records.reader import of_kind, read_description, read_records
from backprop_bench.bench.core.worker.batches import n_batches, order_of
from backprop_bench.bench.curves import measure, plan
from backprop_bench.bench.curves.analysis import Comparison, examples_seen, summarize_curves
from backprop_bench.bench.curves.plan import PER_DECADE, evaluated_updates, pieces_between, plan_curves
from backprop_bench.bench.curves.view import (
    BATCH_COLOURS,
    COLOURS,
    NARROW_INCHES,
    curves_charts,
    curves_sentences,
    curves_table,
    draw_comparison,
)
from backprop_bench.bench.report import style
from backprop_bench.data import (
    ARTICLE_TORCH,
    Dataset,
    Recipe,
    Trainer,
    batch_order,
    evaluation_examples,
    fit_recipe,
    initial_parameters,
    load_dataset,
    training_examples,
)
from backprop_bench.scratch.compiled_trainer import CompiledTrainer
from backprop_bench.scratch.numpy_trainer import NumpyTrainer
from tests.bench.drawn import from_the_left, from_the_top, lines_by_name, points_of
from tests.bench.plain import Row, described, to_plain, typed
from tests.bench.refusal import refused
from tests.tiny import write_tiny_dataset

PHONE_PIXELS = 390
N_EXAMPLES, EPOCHS, SEEDS = 1000, 2, (0, 1)
REACHED = {
    "hand-written": 0.02,
    "PyTorch": 0.02,
    "cross-entropy": 0.06,
    "squared error": 0.01,
    "batch 1": 0.2,
    "batch 8": 0.1,
    "batch 64": 0.05,
    "batch 512": 0.01,
}
"""How fast each made-up curve rises with the examples seen."""


# Where a training is evaluated


def test_evaluations_are_even_on_a_logarithmic_axis_and_after_every_epoch() -> None:
    updates = evaluated_updates(938, 5)
    assert updates == sorted(set(updates))
    assert updates[:8] == [1, 2, 3, 4, 5, 6, 7, 9]
    assert {938, 2 * 938, 3 * 938, 4 * 938, 5 * 938} <= set(updates)
    assert updates[-1] == 5 * 938
    assert sum(100 <= update < 1000 for update in set(updates) - {938}) == PER_DECADE
    assert evaluated_updates(1, 1) == [1]


def test_pieces_lead_to_every_evaluation_and_train_every_batch_once() -> None:
    rng = random.Random(0)
    for _ in range(100):
        batches, epochs = rng.randint(1, 12), rng.randint(1, 5)
        last = batches * epochs
        updates = sorted({last, *rng.sample(range(1, last + 1), rng.randint(1, last))})
        trained: list[tuple[int, int]] = []
        for update, pieces in zip(updates, pieces_between(updates, batches), strict=True):
            trained += [(piece.epoch, batch) for piece in pieces for batch in range(piece.start, piece.stop)]
            assert len(trained) == update
        assert trained == list(itertools.product(range(epochs), range(batches)))


@pytest.mark.parametrize("make", [NumpyTrainer, CompiledTrainer])
@pytest.mark.parametrize("batch_size", [1, 64])
def test_a_training_in_pieces_comes_to_the_weights_of_the_whole(make: type[Trainer], batch_size: int) -> None:
    rng = np.random.default_rng(0)
    recipe = Recipe(layer_sizes=(6, 5, 3), batch_size=batch_size, seed=3)
    x, t = rng.random((200, 6), np.float32), np.eye(3, dtype=np.float32)[rng.integers(0, 3, 200)]
    whole, parts = (make(recipe, initial_parameters(recipe)) for _ in range(2))
    for epoch in range(3):
        whole.train_epoch(x, t, batch_order(recipe, len(x), epoch))
    batches = n_batches(recipe, len(x))
    for pieces in pieces_between(evaluated_updates(batches, 3), batches):
        for piece in pieces:
            parts.train_epoch(x, t, order_of(piece, recipe, len(x)))
            parts.predict(x)
    for expected, layer in zip(whole.parameters(), parts.parameters(), strict=True):
        for first, second in zip(expected.arrays(), layer.arrays(), strict=True):
            assert np.array_equal(first, second)


def test_examples_seen_count_the_last_batch_of_an_epoch_as_short_as_it_is() -> None:
    assert [examples_seen(updates, 64, 200) for updates in (1, 3, 4, 5, 8)] == [64, 192, 200, 264, 400]
    assert examples_seen(3, 1, 200) == 3
    assert examples_seen(2, 200, 200) == 400


# The command


@pytest.fixture(scope="module")
def small() -> Iterator[None]:
    """Let ``curves`` be a small one."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(plan, "ENGINES", ("scratch-numpy",))
        patched.setattr(plan, "VERIFICATION_STEPS", 5)
        patched.setattr(measure, "RATES", (0.1, 1.0))
        patched.setattr(measure, "TUNING_SEEDS", (1000, 1001))
        yield


@pytest.fixture(scope="module")
def finished(small: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run on a tiny dataset."""
    here = tmp_path_factory.mktemp("finished")
    run_curves("--dataset", write_tiny_dataset(here, 200, 60), "--epochs", "2", "--seeds", "2", "--results", str(here))
    return (here / "latest-curves").resolve()


def run_curves(*words: str) -> Result:
    result = CliRunner().invoke(main, ["curves", *words])
    assert result.exit_code == 0, result.output
    return result


def step_by_step(recipe: Recipe, dataset: Dataset, updates: list[int]) -> tuple[list[float], list[float]]:
    """Train update by update; returns the accuracies on test and on training examples after these updates."""
    training, test = training_examples(recipe, dataset), evaluation_examples(recipe, dataset)
    trainer = NumpyTrainer(recipe, initial_parameters(recipe))
    size, done, of_test, of_training = recipe.batch_size or len(training.x), 0, [], []
    for epoch in itertools.count():
        order = batch_order(recipe, len(training.x), epoch)
        for start in range(0, len(order), size):
            trainer.train_epoch(training.x, training.t, order[start : start + size])
            done += 1
            if done in updates:
                of_test.append(float((trainer.predict(test.x).argmax(axis=1) == dataset.y_test).mean()))
                of_training.append(float((trainer.predict(training.x).argmax(axis=1) == dataset.y_train).mean()))
            if done == updates[-1]:
                return of_test, of_training
    raise AssertionError


@pytest.mark.slow
def test_every_accuracy_is_that_after_its_update_on_the_test_examples(finished: Path) -> None:
    description, curves = read_description(finished), of_kind(read_records(finished), Curve)
    dataset = load_dataset(description.dataset)
    planned = {
        (question.name, entry.label): entry for question in description.plan.questions for entry in question.entries
    }
    assert {(row.question, row.implementation) for row in curves} == planned.keys()
    assert {row.seed for row in curves} == {0, 1}
    told_apart = 0
    for row in curves:
        recipe = planned[row.question, row.implementation].recipe
        recipe = recipe.replace(seed=row.seed, learning_rate=row.learning_rate)
        updates = [update for update, *_ in row.curve]
        assert updates == evaluated_updates(n_batches(recipe, 200), 2)
        of_test, of_training = step_by_step(recipe, dataset, updates)
        assert [accuracy for _, accuracy, _ in row.curve] == pytest.approx(of_test, abs=1e-9)
        told_apart += of_test != of_training
    assert told_apart == len(curves), "training examples give other accuracies"


@pytest.mark.slow
def test_the_rate_of_a_loss_is_selected_on_other_seeds_and_only_squared_error_loses_error(finished: Path) -> None:
    rows = read_records(finished)
    searches, curves = of_kind(rows, Search, question="losses"), of_kind(rows, Curve, question="losses")
    assert {row.seed for row in searches} == {1000, 1001}
    for label in ("cross-entropy", "squared error"):
        selected = best_rate(of_kind(searches, Search, implementation=label), (1000, 1001))
        assert {row.learning_rate for row in of_kind(curves, Curve, implementation=label)} == {selected}
    for row in curves:
        shares = [share for *_, share in row.curve if share is not None]
        assert len(shares) == len(row.curve)
        assert set(shares) == {1.0} if row.implementation == "cross-entropy" else 0 < min(shares) <= max(shares) <= 0.25


@pytest.mark.slow
def test_a_run_that_was_stopped_goes_on_and_gives_the_same(finished: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(finished, tmp_path / "run")
    whole, page = read_records(folder), (folder / "curves.md").read_text(encoding="utf-8")
    lines = (folder / "records.jsonl").read_text().splitlines(keepends=True)
    kept = [line for line, row in zip(lines, whole, strict=True) if not isinstance(row, Search | Curve)]
    kept += [line for line, row in zip(lines, whole, strict=True) if isinstance(row, Search | Curve)][::2]
    (folder / "records.jsonl").write_text("".join(kept))
    run_curves("--resume", str(folder))
    again = {row.identity: row for row in read_records(folder)}
    assert again.keys() == {row.identity for row in whole}
    for row in of_kind(whole, Curve):
        there = again[row.identity]
        assert isinstance(there, Curve)
        assert there.curve == row.curve
    assert (folder / "curves.md").read_text(encoding="utf-8") == page


@pytest.mark.parametrize("words", [["--epochs", "0"], ["--seeds", "1"], ["--examples", "none"]])
def test_bad_input_is_refused(words: list[str]) -> None:
    result = CliRunner().invoke(main, ["curves", *words])
    assert result.exit_code == 2
    assert f"Invalid value for '{words[0]}'" in result.output


def test_what_cannot_be_resumed_is_said_in_one_sentence(tmp_path: Path) -> None:
    refused(CliRunner().invoke(main, ["curves", "--resume", str(tmp_path), "--epochs", "2"]), "given beside --resume")


# What a run says


def share_of(label: str, updates: int) -> float:
    return min(0.25, 0.05 + 0.001 * updates) if label == "squared error" else 1.0


def made_up(skip: str = "") -> tuple[dict[str, Any], list[Row]]:
    """Return a run in which every accuracy follows from the examples seen, and each seed adds something of its own."""
    planned = plan_curves(made_up_dataset(), None, EPOCHS, len(SEEDS))
    description = {"plan": to_plain(planned)}
    for question in description["plan"]["questions"]:
        question["entries"] = [{**entry, "label": entry["alias"]} for entry in question["entries"]]
    rows: list[Row] = []
    for question in planned.questions:
        for entry, seed in itertools.product(question.entries, SEEDS):
            size = entry.recipe.batch_size or 0
            curve = [
                [updates, accuracy_of(entry.label, size, updates, seed), share_of(entry.label, updates)]
                for updates in evaluated_updates(-(-N_EXAMPLES // size), EPOCHS)
            ]
            common = {"question": question.name, "implementation": entry.label, "seed": seed, "examples": N_EXAMPLES}
            rows.append({"kind": "curve", "session": 0, **common, "learning_rate": 0.5, "curve": curve})
    return description, [row for row in rows if row["implementation"] != skip]


def accuracy_of(label: str, batch_size: int, updates: int, seed: int) -> float:
    seen = examples_seen(updates, min(batch_size, N_EXAMPLES), N_EXAMPLES)
    return 0.1 + 0.8 * float(1 - np.exp(-REACHED[label] * seen)) + 0.02 * seed


def made_up_dataset() -> Dataset:
    return load_dataset("mnist").subset(N_EXAMPLES)


@pytest.fixture(scope="module")
def run() -> tuple[Description, tuple[Comparison, ...]]:
    description, rows = made_up()
    return described(description), summarize_curves(described(description), typed(rows))


def named(run: tuple[Description, tuple[Comparison, ...]], name: str) -> Comparison:
    return next(comparison for comparison in run[1] if comparison.name == name)


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


def test_the_highest_accuracy_that_all_reach_is_compared(run: tuple[Description, tuple[Comparison, ...]]) -> None:
    batches = named(run, "batches")
    assert batches.target == 0.8
    for line in batches.lines:
        reached = line.reaches(0.8)
        assert reached is not None
        before = [point for point in line.points if point.updates < reached.updates]
        assert all(point.accuracy < 0.8 for point in before)
        assert reached.accuracy == pytest.approx(
            np.mean([accuracy_of(line.label, line.batch_size, reached.updates, seed) for seed in SEEDS])
        )
    first, last = batches.lines[0].reaches(0.8), batches.lines[-1].reaches(0.8)
    assert first is not None
    assert last is not None
    title = plain(draw_comparison(batches).title)
    assert title == f"To 80 % accuracy: {first.examples:,} examples with batch 1, {last.examples:,} with batch 512"
    assert len(title.split()) <= 13, "twelve words and the percent sign"


def test_the_difference_of_the_networks_is_paired_by_seed(run: tuple[Description, tuple[Comparison, ...]]) -> None:
    networks = named(run, "networks")
    for epoch in (1, 2):
        first, last = (
            [
                accuracy_of(line.label, line.batch_size, epoch * -(-N_EXAMPLES // line.batch_size), seed)
                for seed in SEEDS
            ]
            for line in networks.lines
        )
        assert networks.difference(epoch).estimate == pytest.approx(np.mean(last) - np.mean(first))
    final = plain(curves_sentences(networks)[-1])
    assert re.fullmatch(r"After 2 epochs: [\d.]+ % hand-written vs [\d.]+ % with PyTorch \(difference .+\)\.", final)


def test_the_sentences_say_what_the_derivative_leaves_of_the_error(
    run: tuple[Description, tuple[Comparison, ...]],
) -> None:
    sentences = [plain(sentence) for sentence in curves_sentences(named(run, "losses"))]
    assert sentences[1].startswith("With squared error, the derivative of the output activation leaves between 5 %")
    assert sentences[1].endswith("(after 1 update) and 8 % of the error in ∂E/∂z.")
    assert sentences[2] == "With cross-entropy that derivative cancels, and all of the error is left."
    assert sentences[3].endswith("0.5 with cross-entropy and 0.5 with squared error.")


def test_the_table_and_the_chart_have_the_places_of_every_curve(
    run: tuple[Description, tuple[Comparison, ...]],
) -> None:
    for comparison in run[1]:
        rows, (chart,) = curves_table(comparison).rows, curves_charts(comparison)
        assert [bar.name for bar in chart.bars] == [line.label for line in comparison.lines]
        for row, line, bar in zip(rows, comparison.lines, chart.bars, strict=True):
            reached = line.reaches(0.8)
            assert reached is not None
            assert row[2] == f"{reached.updates:,} ({reached.examples:,})"
            assert bar.value == (reached.updates if comparison.name == "losses" else reached.examples)


def test_a_comparison_without_one_of_its_curves_is_left_out() -> None:
    description, rows = made_up(skip="batch 64")
    names = [comparison.name for comparison in summarize_curves(described(description), typed(rows))]
    assert names == ["networks", "losses"]


# The figures


@pytest.mark.parametrize("width", [style.PAGE_INCHES, NARROW_INCHES])
@pytest.mark.parametrize("name", ["networks", "losses", "batches"])
def test_every_curve_has_its_name_its_colour_and_its_points(
    run: tuple[Description, tuple[Comparison, ...]], name: str, width: float
) -> None:
    comparison = named(run, name)
    figure = draw_comparison(comparison, width).figure
    first, second = from_the_left(figure) if width == style.PAGE_INCHES else from_the_top(figure)
    shown = [lines_by_name(first), lines_by_name(second, first)]
    assert [list(lines) for lines in shown] == 2 * [[*shown[0]]]
    assert len(shown[0]) == len(comparison.lines)
    for (label, drawn), below, line in zip(shown[0].items(), shown[1].values(), comparison.lines, strict=True):
        assert label.startswith(line.label)
        updates, examples = ([getattr(point, what) for point in line.points] for what in ("updates", "examples"))
        accuracies = [point.accuracy for point in line.points]
        shares = [share_of(line.label, update) for update in updates]
        assert drawn[0] == (updates if name == "losses" else examples)
        assert drawn[1] == pytest.approx(accuracies)
        assert below[0] == updates
        assert below[1] == pytest.approx(shares if name == "losses" else accuracies)
    colours = [to_hex(line.get_color()) for line in first.lines if len(points_of(line)[0]) > 2]
    expected = [COLOURS.get(line.label) for line in comparison.lines]
    assert colours == (list(BATCH_COLOURS) if name == "batches" else expected)
    assert COLOURS["hand-written"] == style.colour("scratch-numpy")
    assert COLOURS["PyTorch"] == style.colour("torch-eager")


def test_a_dot_marks_where_each_curve_reaches_the_accuracy_of_the_title(
    run: tuple[Description, tuple[Comparison, ...]],
) -> None:
    for comparison in run[1]:
        over = "updates" if comparison.name == "losses" else "examples"
        axes, *_ = from_the_left(draw_comparison(comparison).figure)
        reached = [line.reaches(0.8) for line in comparison.lines]
        assert dots_of(axes) == [(getattr(point, over), point.accuracy) for point in reached if point is not None]


def dots_of(axes: Axes) -> list[tuple[float, float]]:
    return [(x[0], y[0]) for x, y in map(points_of, axes.lines) if len(x) == 1]


def test_the_band_goes_from_the_lowest_to_the_highest_seed(run: tuple[Description, tuple[Comparison, ...]]) -> None:
    comparison = named(run, "networks")
    axes, _ = from_the_left(draw_comparison(comparison).figure)
    for band, line in zip(axes.collections, comparison.lines, strict=True):
        (path,) = band.get_paths()
        for point in line.points:
            ends = [y for x, y in np.asarray(path.vertices) if x == point.examples]
            assert (min(ends), max(ends)) == pytest.approx(point.spread)


def test_all_letters_are_inside_of_the_figure_and_large_enough_on_a_phone(
    run: tuple[Description, tuple[Comparison, ...]],
) -> None:
    for comparison in run[1]:
        figure = draw_comparison(comparison, NARROW_INCHES).figure
        box = figure.get_tightbbox()
        assert box is not None
        assert 0 <= box.x0 <= box.x1 <= NARROW_INCHES
        smallest = min(float(text.get_fontsize()) for text in figure.findobj(Text) if text.get_text())
        assert smallest / 72 * PHONE_PIXELS / NARROW_INCHES > 8.5, "pixels"


def test_recipes_of_a_comparison_differ_in_nothing_else() -> None:
    planned = plan_curves(made_up_dataset(), None, EPOCHS, len(SEEDS))
    losses, batches = ([entry.recipe for entry in planned.question(name).entries] for name in ("losses", "batches"))
    assert losses[0].replace(loss="squared_error") == losses[1]
    assert len({recipe.replace(batch_size=1) for recipe in batches}) == 1
    assert [recipe.batch_size for recipe in batches] == [1, 8, 64, 512]
    assert planned.question("networks").entries[1].recipe == fit_recipe(ARTICLE_TORCH, made_up_dataset())
