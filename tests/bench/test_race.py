"""Time to accuracy: recipes are selected on held-out examples, misses count as misses, seeds are paired."""

import itertools
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from matplotlib.text import Text

from backprop_bench.bench.cli.main import main
from backprop_bench.bench.time_to_accuracy import measure
from backprop_bench.bench.time_to_accuracy.analysis import TimeToAccuracyResults, first_at
from backprop_bench.bench.time_to_accuracy.command import time_to_accuracy_findings
from backprop_bench.bench.time_to_accuracy.measure import plan_time_to_accuracy
from backprop_bench.bench.time_to_accuracy.view import (
    draw_time_to_accuracy,
    time_to_accuracy_sentences,
    time_to_accuracy_table,
)
from backprop_bench.data import ExtendedRecipe, UnsupportedRecipe, load_dataset
from tests.bench import drawn
from tests.bench.plain import Row, candidates, choose, read_rows, recorded, rows_of, summarize_time_to_accuracy
from tests.tiny import write_tiny_dataset

TARGETS = (0.97, 0.98)
SLOW, FAST, WIDE = "scratch: slow", "scratch: fast", "torch: wide"
OF = {SLOW: "scratch", FAST: "scratch", WIDE: "torch"}


def search(label: str, *points: tuple[float, float, float], seed: int = 0) -> Row:
    curve = [list(point) for point in points]
    return {"kind": "search", "implementation": label, "curve": curve, "reached": False, "seed": seed}


SEARCHES = [
    search(SLOW, (1, 1.0, 0.96), (2, 2.0, 0.985)),
    search(FAST, (1, 0.5, 0.971), (2, 1.0, 0.975)),
    search(WIDE, (1, 3.0, 0.972), (2, 6.0, 0.979)),
]


def timed_row(label: str, seed: int, target: float, cold: bool, wall_s: float, reached: bool = True) -> Row:
    curve = [[1.0, wall_s / 2, 0.9], [2.0, wall_s, target if reached else 0.9]]
    row = {"kind": "time_to_accuracy", "implementation": label, "seed": seed, "target": target, "cold": cold}
    return {**row, "start_s": 1.0 if cold else 1e-300, "curve": curve, "reached": reached}


def run_of(*rows: Row) -> tuple[dict[str, Any], list[Row]]:
    entries = [{"label": label, "implementation": name} for label, name in OF.items()]
    return {"plan": {"questions": [{"entries": entries, "epochs": 20}]}}, [*SEARCHES, *rows]


def test_the_recipe_with_the_fewest_seconds_is_selected_for_every_target() -> None:
    choices = {(choice.implementation, choice.target): choice for choice in choose(SEARCHES, OF, TARGETS)}
    assert choices["scratch", 0.97].label == FAST
    assert (choices["scratch", 0.97].wall_s, choices["scratch", 0.97].epochs) == (0.5, 1)
    assert choices["scratch", 0.98].label == SLOW, "the other one never got there"
    assert choices["torch", 0.98].label == WIDE
    assert math.isnan(choices["torch", 0.98].wall_s), "it came nearest, and did not get there"
    assert first_at([[1, 0.5, 0.971]], 0.98) is None


def test_a_lucky_seed_selects_nothing() -> None:
    again = [
        search(FAST, (1, 0.5, 0.96), seed=6),
        search(SLOW, (1, 1.0, 0.96), (2, 3.0, 0.975), seed=6),
    ]
    (choice,) = choose([*SEARCHES[:2], *again], OF, (0.97,))
    assert (choice.label, choice.reached, choice.of) == (SLOW, 2, 2), "the other one missed with the second seed"
    assert (choice.wall_s, choice.epochs) == (2.5, 2.0), "the means of both seeds"
    also = [search(FAST, (1, 4.0, 0.975), seed=6), again[1]]
    (choice,) = choose([*SEARCHES[:2], *also], OF, (0.97,))
    assert (choice.label, choice.wall_s) == (FAST, 2.25), "2.25 s on average are fewer than 2.5"


def test_only_the_fastest_are_tried_again_each_to_the_highest_target_it_is_fast_to() -> None:
    labels = [f"scratch: {number}" for number in range(6)]
    rows = [search(label, (1, 1.0 + number, 0.97)) for number, label in enumerate(labels)]
    rows[5] = search(labels[5], (1, 9.0, 0.96), (2, 18.0, 0.98))
    assert candidates(rows, dict.fromkeys(labels, "scratch"), TARGETS) == {
        **dict.fromkeys(labels[:4], 0.97),
        labels[5]: 0.98,
    }
    nobody = candidates(rows, dict.fromkeys(labels, "scratch"), (0.99,))
    assert nobody == {labels[5]: 0.99}, "nobody reached it; this one came nearest"


def test_what_is_refused_is_not_tried_and_who_refuses_all_is_named() -> None:
    refused = [{"kind": "search", "implementation": WIDE, "curve": [], "reached": False}]
    rows = [*SEARCHES[:2], *refused]
    choices = choose(rows, OF, (0.97,))
    assert [(choice.implementation, choice.label) for choice in choices] == [("scratch", FAST)]
    description, _ = run_of()
    results = summarize_time_to_accuracy(description, [*rows, timed_row(FAST, 1, 0.97, False, 1.0)], (0.97,))
    alone, refusing = time_to_accuracy_sentences(results)
    assert alone.replace("\N{NO-BREAK SPACE}", " ") == (
        "scratch reaches 97.0 % in 1.00 s, with everything imported and compiled: 1 of 1 seed."
    )
    assert refusing == "torch refuses all recipes that are tried."
    assert results.failures == ()


def test_misses_count_and_seeds_are_paired() -> None:
    rows = [
        *(timed_row(FAST, seed, 0.97, cold, 1.0 + seed) for seed in (1, 2) for cold in (True, False)),
        *(timed_row(WIDE, seed, 0.97, cold, 4 * (1.0 + seed)) for seed in (1, 2) for cold in (True, False)),
        timed_row(WIDE, 1, 0.98, True, 9.0, reached=False),
        timed_row(WIDE, 1, 0.98, False, 9.0, reached=False),
        timed_row(SLOW, 1, 0.98, True, 2.0),
        timed_row(SLOW, 1, 0.98, False, 2.0),
    ]
    results = summarize_time_to_accuracy(*run_of(*rows), TARGETS)
    warm, cold = (
        [comparison for comparison in results.comparisons if comparison.cold == start] for start in (False, True)
    )
    assert [comparison.ratio.estimate for comparison in warm] == pytest.approx([4.0]), (
        "no comparison at 98 %: only one reached it"
    )
    assert cold[0].ratio.estimate == pytest.approx(math.sqrt(9 / 3 * 13 / 4))
    missed = next(item for item in results.results if item.choice.label == WIDE and item.choice.target == 0.98)
    assert (missed.reached, missed.of) == (0, 1)
    sentences = " ".join(time_to_accuracy_sentences(results)).replace("\N{NO-BREAK SPACE}", " ")
    assert "torch missed 98.0 % in 1 of 1 run of 20 epochs at most" in sentences
    assert "scratch is 4.00× faster to 97.0 % than torch" in sentences
    table = time_to_accuracy_table(results)
    assert ["0 of 1", "–"] in [list(row[3:5]) for row in table.rows]
    assert draw_time_to_accuracy(results).title.startswith("scratch reaches 98.0"), "the highest that nobody misses"


def test_the_table_compares_with_the_fastest_to_the_same_accuracy_from_the_same_start() -> None:
    rows = [
        *(timed_row(FAST, seed, target, cold, 1.0) for seed in (1, 2) for target in TARGETS for cold in (True, False)),
        *(timed_row(WIDE, seed, 0.97, cold, 4.0) for seed in (1, 2) for cold in (True, False)),
        *(timed_row(WIDE, seed, 0.98, cold, 9.0) for seed in (1, 2) for cold in (True, False)),
        *(timed_row(SLOW, seed, 0.98, cold, 1.0) for seed in (1, 2) for cold in (True, False)),
    ]
    table = time_to_accuracy_table(summarize_time_to_accuracy(*run_of(*rows), TARGETS))
    column = [column.name for column in table.columns].index("compared with the fastest")
    torch = {row[:2]: row[column].split(" ")[0] for row in table.rows if row[2].startswith("torch")}
    assert [factor.replace("×", "") for factor in torch.values()] == ["2.50", "4.00", "5.00", "9.00"], torch


def of_three(*rows: Row) -> TimeToAccuracyResults:
    """Return the results where `scratch` is neither the first nor the last of three."""
    names = {"jax: a": "jax", SLOW: "scratch", WIDE: "torch"}
    entries = [{"label": label, "implementation": name} for label, name in names.items()]
    searches = [search(label, (1, 1.0, 0.98)) for label in names]
    plan = {"plan": {"questions": [{"entries": entries, "epochs": 20}]}}
    return summarize_time_to_accuracy(plan, [*searches, *rows], (0.98,))


def timed_rows(label: str, cold: bool, *seconds: float, missed: tuple[int, ...] = ()) -> list[Row]:
    return [timed_row(label, seed, 0.98, cold, s, seed not in missed) for seed, s in enumerate(seconds, 1)]


def test_the_fastest_of_several_is_compared_with_the_nearest_and_in_the_table_each_other_one_with_it() -> None:
    warm = [
        *timed_rows("jax: a", False, 8.0, 9.0, 7.0),
        *timed_rows(SLOW, False, 1.0, 1.1, 0.9),
        *timed_rows(WIDE, False, 3.0, 3.5, 2.5),
    ]
    cold = [
        *timed_rows("jax: a", True, 0.1, 0.2, 0.3),
        *timed_rows(SLOW, True, 9.0, 9.5, 8.5),
        *timed_rows(WIDE, True, 2.0, 2.5, 1.5),
    ]
    results = of_three(*warm, *cold)
    found = [
        re.fullmatch(r"(\w+) (?:is .*× faster to .* than (\w+) \(95.*|reaches .*), (from|with) .*", text)
        for text in time_to_accuracy_sentences(results)
    ]
    assert [match and match.groups() for match in found] == [
        *(("jax", None, "from"), ("jax", "torch", "from")),
        *(("scratch", None, "with"), ("scratch", "torch", "with")),
    ]
    table = time_to_accuracy_table(results)
    names = [column.name for column in table.columns]
    columns = [names.index(name) for name in ("start", "implementation and recipe", "compared with the fastest")]
    shown = [[row[number].split(" ")[0] for number in columns] for row in table.rows]
    assert shown == [
        *(["cold", "jax:", "–"], ["cold", "scratch:", "8.35×"], ["cold", "torch:", "2.48×"]),
        *(["warm", "jax:", "7.98×"], ["warm", "scratch:", "–"], ["warm", "torch:", "2.98×"]),
    ]
    assert {row[columns[-1]].split(" ")[1] for row in table.rows if "×" in row[columns[-1]]} == {"slower"}
    title = draw_time_to_accuracy(results).title.replace("\N{NO-BREAK SPACE}", " ")
    assert title == "scratch is 3.0× faster to 98.0 % than torch", "the nearest, with everything imported and compiled"


def test_the_figure_shows_each_time_beside_its_name_and_its_start() -> None:
    warm = [*timed_rows("jax: a", False, 8.0, 9.0, 7.0), *timed_rows(SLOW, False, 1.0, 1.1, 9.0, missed=(3,))]
    cold = [*timed_rows("jax: a", True, 20.0, 21.0, 22.0), *timed_rows(SLOW, True, 4.0, 5.0, 6.0)]
    drawing = draw_time_to_accuracy(of_three(*warm, *cold))
    bands = [text.get_text().replace("\N{NO-BREAK SPACE}", " ") for text in drawing.figure.findobj(Text)]
    assert [text for text in bands if re.fullmatch(r"98.0 %, \w+", text)] == ["98.0 %, cold", "98.0 %, warm"]
    first, second = drawing.figure.axes
    for axes, times, reached in (
        (first, [22.0, 5.93], ["3 of 3", "3 of 3"]),  # a cold start takes 1 s more
        (second, [7.96, 1.05], ["3 of 3", "2 of 3"]),
    ):
        assert drawn.names_of(axes) == ["jax", "scratch"]
        assert drawn.markers_of(axes) == pytest.approx(times, rel=1e-2)
        columns = drawn.columns_of(axes)
        assert [float(text.split()[0]) for text in columns["time, 95 % CI"]] == pytest.approx(times, rel=1e-2)
        assert columns["reached"] == reached
    assert drawn.dots_of(second)[1] == pytest.approx([1.0, 1.1])


def test_nobody_is_named_the_fastest_to_what_is_missed_from_most_seeds() -> None:
    one_of_three = timed_rows(SLOW, False, 1.0, 1.0, 1.0, missed=(2, 3))
    results = of_three(*one_of_three, *timed_rows(WIDE, False, 8.0, 8.0, 8.0, missed=(3,)))
    (lead,) = time_to_accuracy_sentences(results)
    assert lead.startswith("torch reaches 98.0")
    assert draw_time_to_accuracy(results).title.startswith("torch reaches 98.0"), "one seed is no comparison"
    later = timed_rows("jax: a", False, 16.0, 16.1, 15.9)
    results = of_three(*one_of_three, *timed_rows(WIDE, False, 8.0, 8.1, 8.2), *later)
    lead, comparison = (text.replace("\N{NO-BREAK SPACE}", " ") for text in time_to_accuracy_sentences(results))
    assert lead.startswith("torch reaches 98.0")
    assert comparison.startswith("torch is 2.0× faster to 98.0 % than jax"), "not with who missed it from most seeds"
    title = draw_time_to_accuracy(results).title.replace("\N{NO-BREAK SPACE}", " ")
    assert title == "torch is 2.0× faster to 98.0 % than jax"
    results = of_three(*one_of_three)
    assert time_to_accuracy_sentences(results) == []
    assert draw_time_to_accuracy(results).title.startswith("Each accuracy was missed")
    broke = timed_rows("jax: a", False, 0.1)
    (lead, *_) = time_to_accuracy_sentences(of_three(*broke, *timed_rows(WIDE, False, 8.0, 8.1, 8.2)))
    assert lead.startswith("torch reaches 98.0"), "the other one was not timed from the seeds after its failure"


def test_one_alone_has_its_times_said_and_the_figure_its_highest_reliable_accuracy_as_title() -> None:
    rows = [timed_row(FAST, seed, 0.97, False, 1.0) for seed in (1, 2)]
    rows += [timed_row(SLOW, seed, 0.98, False, 2.0, reached=seed == 1) for seed in (1, 2)]
    results = summarize_time_to_accuracy(*run_of(*rows), TARGETS)
    sentences = [text.replace("\N{NO-BREAK SPACE}", " ") for text in time_to_accuracy_sentences(results)]
    assert sentences[0].startswith("scratch reaches 97.0 % in 1.00 s")
    assert sentences[0].endswith(", with everything imported and compiled: 2 of 2 seeds.")
    assert sentences[1] == "scratch reaches 98.0 % in 2.00 s, with everything imported and compiled: 1 of 2 seeds."
    title = draw_time_to_accuracy(results).title.replace("\N{NO-BREAK SPACE}", " ")
    assert title == "scratch reaches 97.0 % in 1.00 s"
    missed = timed_row(SLOW, 1, 0.98, False, 2.0, reached=False)
    nothing = summarize_time_to_accuracy(*run_of(missed), TARGETS)
    assert draw_time_to_accuracy(nothing).title == "Each accuracy was missed from most seeds"


def test_the_search_sees_no_test_example(tmp_path: Path) -> None:
    dataset = load_dataset(write_tiny_dataset(tmp_path, 200, 60))
    plan = plan_time_to_accuracy(dataset, ["scratch-numpy", "torch-eager"], 2, 3)
    (question,) = plan.questions
    assert {entry.implementation for entry in question.entries} == {"scratch-numpy", "torch-eager"}
    assert len({entry.label for entry in question.entries}) == len(question.entries)
    tried = {
        name: [entry.recipe for entry in question.entries if entry.implementation == name]
        for name in ("scratch-numpy", "torch-eager")
    }
    assert tried["scratch-numpy"] == tried["torch-eager"], "the same for all"
    assert len(tried["torch-eager"]) == 54
    assert {ExtendedRecipe.of(recipe).label_smoothing for recipe in tried["torch-eager"]} == {0.1}
    kinds = {(recipe.optimizer, ExtendedRecipe.of(recipe).rate_factor < 1) for recipe in tried["torch-eager"]}
    assert kinds == set(itertools.product(("sgd", "momentum", "adam"), (False, True))), "each optimizer decays, too"
    decaying = [entry for entry in question.entries if "decaying" in entry.label]
    assert [entry.recipe for entry in decaying] == [
        entry.recipe for entry in question.entries if ExtendedRecipe.of(entry.recipe).rate_factor < 1
    ]
    held_out = dataset.hold_out(len(dataset.x_train) // measure.HELD_OUT)
    assert (held_out.x_test == dataset.x_train[-33:]).all()


@pytest.mark.slow
def test_the_command_selects_verifies_times_and_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leave_out_figures: Callable[[], None]
) -> None:
    monkeypatch.chdir(tmp_path)
    tiny = write_tiny_dataset(tmp_path, 300, 60)
    grid = [{"layer_sizes": (width,), "batch_size": 10, "learning_rate": 0.5} for width in (8, 16)]
    monkeypatch.setattr(measure, "GRID", grid)
    monkeypatch.setattr(measure, "VERIFICATION_STEPS", 5)
    words = ["race", "--dataset", tiny, "--seeds", "2", "--epochs", "12"]
    refuses = f"{Path(__file__).parents[2] / 'examples' / 'correct.py'}:Correct"
    for name in ("scratch-numpy", "scratch-inplace", refuses):
        words += ["--implementation", name]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    assert "refuses all recipes that are tried: hidden_activation: it does sigmoid." in " ".join(result.output.split())
    folder = tmp_path / "results" / "latest-race"
    rows = read_rows(folder)
    seeds: dict[str, list[int]] = {}
    for row in filter(lambda row: row["curve"], rows_of(rows, "search")):
        seeds.setdefault(row["implementation"], []).append(row["seed"])
    assert len(seeds) == 4
    assert all(tried == [0, 3, 4, 5, 6] for tried in map(sorted, seeds.values())), "none that is timed afterwards"
    assert {row["implementation"].split(":")[-2] for row in rows_of(rows, "search") if not row["curve"]} == {"Correct"}
    assert {row["seed"] for row in rows_of(rows, "time_to_accuracy")} == {1, 2}, "not the seed of the search"
    selected = {row["implementation"] for row in rows_of(rows, "time_to_accuracy")}
    assert selected <= {row["implementation"] for row in rows_of(rows, "parity", passed=True)}
    for row in rows_of(rows, "time_to_accuracy"):
        assert row["reached"] == (row["curve"][-1][2] >= row["target"])
        assert (row["start_s"] > 0.1) == row["cold"], "a cold start imports NumPy at least"
    assert (folder / "figures" / "time-to-accuracy.png").is_file()
    leave_out_figures()
    again = CliRunner().invoke(main, ["race", "--resume"])
    assert again.exit_code == 0, again.output
    assert read_rows(folder) == rows, "there was nothing left to measure"


def test_a_run_just_begun_says_so_without_a_figure(tmp_path: Path) -> None:
    findings = time_to_accuracy_findings(recorded(*run_of()))
    assert findings.sentences == ["Nothing has been trained to a target accuracy yet."]
    assert [path.name for path in findings.write(tmp_path)] == ["time-to-accuracy.md"]


def test_who_refuses_all_recipes_alone_is_named() -> None:
    said = str(UnsupportedRecipe("torch", "label_smoothing", "it takes labels"))
    refused = {"kind": "search", "implementation": WIDE, "curve": [], "reached": False, "refusal": said}
    description, _ = run_of()
    other = {**refused, "seed": 1, "refusal": str(UnsupportedRecipe("torch", "optimizer", "it does sgd."))}
    findings = time_to_accuracy_findings(recorded(description, [refused, {**refused, "seed": 2}, other]))
    assert findings.sentences == [
        "torch refuses all recipes that are tried: label_smoothing: it takes labels. Or: optimizer: it does sgd."
    ]
    not_all = {**refused, "implementation": SLOW}
    findings = time_to_accuracy_findings(recorded(description, [not_all]))
    assert findings.sentences == ["Nothing has been trained to a target accuracy yet."], "another is still to be tried"
