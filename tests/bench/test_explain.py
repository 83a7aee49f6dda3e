"""Why the two networks differ: made-up cells give known parts, and the command goes from cells to figures."""

import itertools
import math
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bench.cli.main import main
from bench.compute.explain import best_rate, cell_name, explain
from bench.records import Row, read_rows, rows_of
from bench.run import explain as plans
from bench.run.explain import BATCH, LOSS, PRECISION, SCOPES, TUNING, Scope, plan_explanation
from bench.show.explain import accuracy_table, draw_explanation, explanation_sentences, runtime_table
from data import InputError, load_dataset
from tests.bench.timed import timed_question
from tests.tiny import write_tiny_dataset

ACCURACY, RUNTIME = ("loss", "batch", "learning rate"), ("batch", "implementation")
EFFECTS = (0.01, -0.03, 0.05)


def accuracy_rows(skip: str = "", diverged: str = "") -> list[Row]:
    """Return the accuracies of four seeds: every factor adds its effect, every seed something of its own."""
    rows = []
    for cell in itertools.product((0, 1), repeat=3):
        accuracy = 0.9 + sum(effect for level, effect in zip(cell, EFFECTS, strict=True) if level)
        names = [cell_name(cell), *([f"torch-eager {cell_name(cell)}"] if len(set(cell)) == 1 else [])]
        for name, seed in itertools.product(names, range(4)):
            loss = None if name == diverged else 0.1
            row = {"implementation": name, "seed": seed, "epoch": 2, "cases": 1000, "loss": loss}
            rows.append({"kind": "epoch", **row, "accuracy": accuracy + 0.001 * seed})
    return [{"session": 0, "question": "accuracy", **row} for row in rows if not skip or row["implementation"] != skip]


def made_up(skip: str = "", diverged: str = "") -> tuple[dict[str, Any], list[Row]]:
    cells = [cell_name(cell) for cell in itertools.product((0, 1), repeat=3)]
    accuracy = {"name": "accuracy", "epochs": 2, "cases": 1000}
    accuracy["entries"] = [{"label": name, "implementation": "scratch-compiled"} for name in cells]
    case_s = {"00": 100e-6, "10": 10e-6, "01": 400e-6, "11": 20e-6, "torch-loader": 30e-6}
    runtime, timed = timed_question("runtime", case_s)
    search = {"kind": "search", "session": 0, "question": "accuracy", "reached": False}
    tried = [
        {**search, "implementation": "001", "learning_rate": rate, "curve": [[2, 1.0, accuracy]]}
        for rate, accuracy in ((0.1, 0.9), (0.3, 0.95), (1.0, 0.95), (3.0, 0.2))
    ]
    description = {"plan": {"questions": [accuracy, runtime]}}
    return description, [*tried, *accuracy_rows(skip, diverged), *timed]


def test_contributions_of_both_gaps_are_those_that_were_put_in() -> None:
    found = explain(*made_up(), ACCURACY, RUNTIME)
    assert [item.interval.estimate for item in found.accuracy.contributions] == pytest.approx(EFFECTS)
    assert found.accuracy.gap.estimate == pytest.approx(sum(EFFECTS))
    factors = [math.exp(item.interval.estimate) for item in found.runtime.contributions]
    assert factors == pytest.approx([math.sqrt(1 / 10 / 20), math.sqrt(4 * 2)], rel=0.01)
    assert found.loading is not None
    assert math.exp(found.loading.estimate) == pytest.approx(1.5, rel=0.01)
    whole = math.prod(factors) * math.exp(found.loading.estimate)
    assert whole == pytest.approx(30 / 100, rel=0.01)
    assert found.times[1].estimate == pytest.approx(30e-6, rel=0.01), "the article's network has a DataLoader"


def test_the_implementation_is_equivalent_where_every_seed_agrees() -> None:
    found = explain(*made_up(), ACCURACY, RUNTIME)
    assert [(item.cell, item.p) for item in found.equivalences] == [("000", 0.0), ("111", 0.0)]


def test_a_process_set_that_was_cut_short_is_left_out() -> None:
    description, rows = made_up()
    whole = explain(description, rows, ACCURACY, RUNTIME)
    late = [dict(row, set=9, wall_s=5.0) for row in rows_of(rows, "block") if row["set"] == 0 and row["round"] == 0]
    assert explain(description, [*rows, *late], ACCURACY, RUNTIME) == whole


def test_a_missing_cell_is_named_and_nothing_is_attributed() -> None:
    with pytest.raises(InputError, match="1 of 8 cells are missing: 010"):
        explain(*made_up(skip="010"), ACCURACY, RUNTIME)


def test_a_cell_that_diverged_counts_and_is_named() -> None:
    found = explain(*made_up(diverged="011"), ACCURACY, RUNTIME)
    assert found.diverged == {"011": 4}
    assert "Trainings diverged and count with the accuracy that they had: 4 of cell 011" in " ".join(
        explanation_sentences(found)
    )


def test_the_best_rate_is_the_smallest_of_those_with_the_highest_accuracy() -> None:
    _, rows = made_up()
    assert best_rate(rows_of(rows, "search")) == 0.3
    assert math.isnan(best_rate([]))


def test_sentences_tables_and_figure_hold_the_numbers() -> None:
    found = explain(*made_up(), ACCURACY, RUNTIME)
    said = " ".join(explanation_sentences(found)).replace("\N{NO-BREAK SPACE}", " ")
    assert "accuracy goes from 90.15 %" in said
    assert "learning rate +5.00" in said
    assert "equivalent within ±0.1 points" in said
    assert [row[0] for row in accuracy_table(found).rows] == [*ACCURACY, "all"]
    assert [row[0] for row in runtime_table(found).rows] == [*RUNTIME, "data loading", "all"]
    drawing = draw_explanation(found)
    assert drawing.title.startswith("Accuracy: learning rate weighs most, +5.00")
    assert len(drawing.figure.axes) == 2


@pytest.mark.parametrize("name", SCOPES)
def test_every_scope_ends_in_the_learning_rate_and_goes_from_one_network_to_the_other(
    name: str, tmp_path: Path
) -> None:
    dataset = load_dataset(write_tiny_dataset(tmp_path, 200, 60))
    scope = SCOPES[name]
    assert scope.accuracy[-1] is TUNING
    accuracy, runtime = plan_explanation(dataset, scope).questions
    assert len(accuracy.entries) == 2 ** len(scope.accuracy) + 2
    first, last = accuracy.entries[0].recipe, accuracy.entries[2 ** len(scope.accuracy) - 1].recipe
    assert (first.loss, first.batch_size, first.learning_rate) == ("squared_error", 1, 0.1)
    assert (last.loss, last.batch_size) == ("cross_entropy", 64)
    assert runtime.entries[0].implementation == "scratch-numpy"
    assert runtime.entries[-2].implementation == "torch-eager"
    assert runtime.entries[-1].implementation == "torch-loader"


def test_the_command_goes_on_where_it_was_stopped_and_gives_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tiny = write_tiny_dataset(tmp_path, 200, 60)
    small = Scope((LOSS, TUNING), (BATCH, PRECISION), None, 1, 2, 2, 2)
    for name, others in (("ENGINES", ("scratch-numpy",)), ("TWIN", "scratch-inplace"), ("LOADED", "scratch-inplace")):
        monkeypatch.setattr(plans, name, others)  # those that start at once
    monkeypatch.setitem(plans.SCOPES, "quick", small)
    monkeypatch.setattr(plans, "RATES", (0.1, 1.0))
    monkeypatch.setattr(plans, "PROOF_STEPS", 5)
    result = CliRunner().invoke(main, ["explain", "--profile", "quick", "--dataset", tiny])
    assert result.exit_code == 0, result.output
    folder = tmp_path / "results" / "latest-explanation"
    rows, page = read_rows(folder), (folder / "why.md").read_text()
    assert len(rows_of(rows, "search")) == 2 * 2, "the cells that are tuned, with every rate"
    assert {row["seed"] for row in rows_of(rows, "epoch")} == {0, 1}
    assert (folder / "figures" / "why.png").is_file()
    lines = (folder / "records.jsonl").read_text().splitlines(keepends=True)
    kept = [line for line in lines if '"kind": "epoch"' not in line or '"seed": 0' in line]
    assert len(kept) < len(lines)
    (folder / "records.jsonl").write_text("".join(kept))
    again = CliRunner().invoke(main, ["explain", "--resume"])
    assert again.exit_code == 0, again.output
    assert (folder / "why.md").read_text() == page, "trainings are the same when they are done again"
