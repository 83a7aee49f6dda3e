"""The ladder: its stages, the results of made-up times, and the command."""

import math
import platform
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from backprop_bench.bench.cli.main import main
from backprop_bench.bench.core.implementations import BASELINES, IMPLEMENTATIONS, Implementation
from backprop_bench.bench.core.records.plan import Entry
from backprop_bench.bench.core.worker.memory import give_back_memory, peak_memory_bytes, reset_peak_memory
from backprop_bench.bench.core.worker.opened import opened_worker
from backprop_bench.bench.core.worker.replies import MemoryUse
from backprop_bench.bench.core.worker.shared_data import SharedExamples
from backprop_bench.bench.ladder import plan
from backprop_bench.bench.ladder.analysis import Ladder
from backprop_bench.bench.ladder.command import DESCRIPTORS, ladder_findings
from backprop_bench.bench.ladder.plan import plan_ladder
from backprop_bench.bench.ladder.stages import STAGES, side_of_stages
from backprop_bench.bench.ladder.view import draw_ladder, ladder_sentences, ladder_tables
from backprop_bench.bench.report.style import NAME_LETTERS
from backprop_bench.data import SHARED, InputError, Recipe, fit_recipe, load_dataset
from tests.bench.plain import Row, read_rows, recorded, rows_of, summarize_ladder
from tests.bench.timed import timed_question, timed_run
from tests.tiny import write_tiny_dataset

IMPLEMENTATION_OF = {stage.name: stage.implementation for stage in STAGES}
SIDE_OF = {name: known.side for name, known in {**IMPLEMENTATIONS, **BASELINES}.items()}
EXAMPLE_S = {
    "lists, example by example": 20e-3,
    "NumPy, example by example": 200e-6,
    "float32": 8e-6,
    "compiled, zeros left out": 2e-6,
    "DataLoader": 20e-6,
    "tensors by index": 16e-6,
    "JAX": 5e-6,
    "NumPy's products alone": 4e-6,
}


@pytest.fixture(scope="module")
def timed() -> Ladder:
    return summarize_ladder(*timed_run(timed_question("ladder", EXAMPLE_S, IMPLEMENTATION_OF)), SIDE_OF)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_tiny_dataset(tmp_path_factory.mktemp("tiny"), 300, 60)


def test_a_speed_up_is_over_the_previous_stage_of_the_same_side(timed: Ladder) -> None:
    scratch, torch, peers = timed.sides
    assert (scratch.name, torch.name, peers.name) == ("from scratch", "PyTorch", "peer")
    speedup = [stage.speedup.interval.estimate if stage.speedup else None for stage in scratch.stages]
    assert speedup[0] is None
    assert speedup[1:] == pytest.approx([100, 25, 4], rel=0.01)
    assert scratch.stages[-1].cumulative is not None
    assert scratch.stages[-1].cumulative.interval.estimate == pytest.approx(10_000, rel=0.01)
    assert torch.stages[0].speedup is None
    assert torch.fastest.name == "tensors by index"


def test_the_fastest_of_every_side_is_compared_with_the_fastest_from_scratch_and_with_the_baseline(
    timed: Ladder,
) -> None:
    across = {ratio.numerator: ratio.interval.estimate for ratio in timed.across}
    assert across == pytest.approx({"tensors by index": 8.0, "JAX": 2.5}, rel=0.01)
    assert {ratio.denominator for ratio in timed.across} == {"compiled, zeros left out"}
    assert timed.above_baseline is not None
    assert timed.above_baseline.interval.estimate == pytest.approx(0.5, rel=0.01)
    assert [stage.name for stage in timed.baselines] == ["NumPy's products alone"]


def test_sentences_table_and_figure_hold_the_numbers(timed: Ladder) -> None:
    sentences = " ".join(ladder_sentences(timed)).replace("\N{NO-BREAK SPACE}", " ")
    fastest, baseline = (
        "scratch-compiled (compiled, zeros left out)",
        "the dense-GEMM baseline (NumPy's products alone; 95",
    )
    assert re.search(
        rf"^{re.escape(fastest)} is 8\.0\d*× faster per epoch than torch-eager \(tensors by index; 95", sentences
    )
    assert re.search(rf"{re.escape(fastest)} is 2\.0\d*× faster per epoch than {re.escape(baseline)}", sentences)
    assert "From scratch: the largest speed-up over a previous stage is 100" in sentences
    assert "by 'NumPy, example by example'." in sentences
    times, memory = ladder_tables(timed)
    assert [row[1] for row in times.rows] == [row[0] for row in memory.rows] == list(EXAMPLE_S)
    assert times.rows[-1][0] == "Dense-GEMM baseline"
    assert times.rows[2][4].startswith("25.0")
    assert times.rows[1][6].startswith("100")
    assert "× slower (" in times.rows[1][6]
    drawing = draw_ladder(timed)
    assert drawing.title.startswith("scratch-compiled is 8.0")
    written = [text.get_text() for axes in drawing.figure.axes for text in axes.texts]
    assert any(text.startswith("25.0× (") for text in written)


def test_a_ladder_of_one_side_has_nothing_to_compare_across() -> None:
    times = {name: EXAMPLE_S[name] for name in ("float32", "compiled, zeros left out")}
    ladder = summarize_ladder(*timed_run(timed_question("ladder", times, IMPLEMENTATION_OF)), SIDE_OF)
    assert ladder.across == ()
    assert ladder.above_baseline is None
    assert draw_ladder(ladder).title == "From scratch, stage by stage"


def test_a_stage_that_is_slower_than_the_previous_one_is_said_to_be_slower() -> None:
    times = {"all examples at once": 8e-6, "float32": 16e-6, "compiled, zeros left out": 16e-6}
    ladder = summarize_ladder(*timed_run(timed_question("ladder", times, IMPLEMENTATION_OF)), SIDE_OF)
    rows = ladder_tables(ladder)[0].rows
    assert rows[1][4].startswith("2.0")
    assert "× slower (" in rows[1][4]
    assert rows[1][4] == rows[1][5]
    assert rows[2][4].startswith("no significant difference (")
    written = [text.get_text() for axes in draw_ladder(ladder).figure.axes for text in axes.texts]
    assert "not significant" in written


def mixed_ladder(mixed: list[float], full: list[float], epochs: int = 2) -> Ladder:
    return summarize_ladder(*mixed_run(mixed, full, epochs), side_of_stages())


def mixed_run(mixed: list[float], full: list[float], epochs: int = 2) -> tuple[dict[str, Any], list[Row]]:
    """Return a run in which these are the accuracies after so many of two epochs, by seed; NaN for none."""
    times = {"float32": 8e-6, "tensors by index": 16e-6, "tensors by index, bfloat16": 10e-6}
    question, rows = timed_question("ladder", times, IMPLEMENTATION_OF)
    question = {**question, "epochs": 2, "seeds": list(range(len(mixed)))}
    for entry in question["entries"]:
        entry["trained"] = entry["label"] != "float32"
    question["entries"][2]["recipe"] = Recipe().replace(mixed_precision=True).to_dict()
    common = {"kind": "epoch", "session": 0, "question": "ladder", "examples": 1000, "loss": 1.0}
    for label, accuracies in (("tensors by index, bfloat16", mixed), ("tensors by index", full)):
        rows += [
            {**common, "implementation": label, "seed": seed, "epoch": epoch, "accuracy": accuracy * epoch / epochs}
            for seed, accuracy in enumerate(accuracies)
            for epoch in range(epochs + 1)
            if not math.isnan(accuracy)
        ]
    return timed_run((question, rows))


def accuracy_sentences(ladder: Ladder) -> list[str]:
    sentences = (text.replace("\N{NO-BREAK SPACE}", " ") for text in ladder_sentences(ladder))
    return [text for text in sentences if "test accuracy" in text]


@pytest.mark.parametrize(
    ("mixed", "mean", "difference", "said"),
    [
        (
            [0.960, 0.970, 0.980],
            ("97.00 % (94.52–99.48)", "97.00 %"),
            "−0.03 (−0.18 to +0.11)",
            "no significant difference (0.0 points, 95 % CI −0.2 to 0.1; 3 seeds)",
        ),
        (
            [0.950, 0.960, 0.970],
            ("96.00 % (93.52–98.48)", "96.00 %"),
            "−1.03 (−1.18 to −0.89)",
            "a significant difference (−1.0 points, 95 % CI −1.2 to −0.9; 3 seeds)",
        ),
    ],
)
def test_the_accuracy_in_mixed_precision_stands_beside_that_in_full_precision(
    mixed: list[float], mean: tuple[str, str], difference: str, said: str
) -> None:
    ladder = mixed_ladder(mixed, [0.960, 0.971, 0.980])
    assert [ratio.numerator for ratio in ladder.across] == ["tensors by index"], "in the same precision"
    assert [stage.to_fastest for stage in ladder.sides[-1].stages] == [None]
    assert any(
        text.startswith("torch-eager in mixed precision is 1.60× faster per epoch than torch-eager in full precision (")
        for text in ladder_sentences(ladder)
    )
    (sentence,) = accuracy_sentences(ladder)
    assert sentence == (
        f"After 2 epochs, torch-eager reaches a test accuracy of {mean[1]} in mixed precision and 97.03 % in full "
        f"precision: {said}."
    )
    (table,) = (table for table in ladder_tables(ladder) if table.title == "Accuracy in mixed precision")
    assert [[cell.replace("\N{NO-BREAK SPACE}", " ") for cell in row] for row in table.rows] == [
        ["tensors by index", "full", "97.03 % (94.55–99.52)", "–"],
        ["tensors by index, bfloat16", "mixed", mean[0], difference],
    ]
    assert "After 2 epochs, 3 seeds." in table.note
    axes = draw_ladder(ladder).figure.axes[-1]
    written = [text.get_text().replace("\N{NO-BREAK SPACE}", " ") for text in axes.texts]
    assert written == [
        *("10.00 ms (9.87–10.13)", "time per epoch, 95 % CI"),
        *(mean[1], "test accuracy"),
        *("97.03 %", "in full precision"),
    ]


def test_a_ladder_that_has_trained_but_not_timed_says_its_accuracies_and_no_speed() -> None:
    question, rows = timed_question("ladder", {"tensors by index": 1.0, "tensors by index, bfloat16": 1.0})
    for entry in question["entries"]:
        entry["implementation"] = "torch-eager"
    question["entries"][1]["recipe"] = Recipe().replace(mixed_precision=True).to_dict()
    question = {**question, "epochs": 1, "seeds": [0]}
    common = {"kind": "epoch", "session": 0, "question": "ladder", "examples": 1000, "loss": 1.0}
    rows = [
        {**common, "implementation": entry["label"], "seed": 0, "epoch": epoch, "accuracy": 0.5}
        for entry in question["entries"]
        for epoch in (0, 1)
    ]
    ladder = summarize_ladder(*timed_run((question, rows)), side_of_stages())
    sentences = ladder_sentences(ladder)
    assert accuracy_sentences(ladder)[0].startswith("After 1 epoch, torch-eager reaches a test accuracy of 50.00 %")
    assert not any("nan" in text or "faster" in text for text in sentences)


def test_the_records_that_the_ladder_names_as_its_source_are_all_that_it_needs() -> None:
    description, rows = mixed_run([0.96, 0.97], [0.96, 0.98])
    (descriptor,) = DESCRIPTORS
    kinds = {"stop", *descriptor.sources["ladder"]}
    assert ladder_findings(recorded(description, [row for row in rows if row["kind"] in kinds])).parts[0].tables == (
        ladder_findings(recorded(description, rows)).parts[0].tables
    )


def test_accuracies_are_of_the_seeds_that_both_were_trained_from() -> None:
    ladder = mixed_ladder([0.1, 0.96, math.nan], [math.nan, 0.97, 0.2])
    (sentence,) = accuracy_sentences(ladder)
    assert sentence == (
        "After 2 epochs, torch-eager reaches a test accuracy of 96.00 % in mixed precision and 97.00 % in full "
        "precision (one seed)."
    )


@pytest.mark.parametrize(
    ("mixed", "full", "epochs"),
    [([0.9, math.nan], [math.nan, 0.9], 2), ([0.9, 0.9], [0.9, 0.9], 1), ([math.nan], [math.nan], 2)],
)
def test_trainings_that_do_not_meet_at_the_last_epoch_are_not_compared(
    mixed: list[float], full: list[float], epochs: int
) -> None:
    ladder = mixed_ladder(mixed, full, epochs)
    assert accuracy_sentences(ladder) == []
    assert [table.title for table in ladder_tables(ladder)] == ["The ladder", "Work and memory of the stages"]
    written = [text.get_text() for text in draw_ladder(ladder).figure.axes[-1].texts]
    assert "test accuracy" not in written


def test_only_what_differs_in_precision_is_trained_and_trains_itself(
    tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = load_dataset(tiny)
    recipe = fit_recipe(SHARED, dataset).replace(batch_size=32)
    all_stages, _ = plan_ladder(dataset, recipe, None, 0.02, 100.0)
    (question,) = all_stages.questions
    assert [entry.label for entry in question.trained] == ["tensors by index", "tensors by index, bfloat16"]
    assert tuple(entry for entry in question.entries if entry.trains_itself) == question.trained
    assert (question.epochs, len(question.seeds)) == (5, 5)
    few, _ = plan_ladder(dataset, recipe, None, 0.02, 100.0, ("scratch-numpy", "scratch-inplace"))
    (question,) = few.questions
    assert (question.trained, question.epochs, question.seeds) == ((), 0, ())
    monkeypatch.setattr(plan, "UPDATES", 700)
    one_by_one, _ = plan_ladder(dataset, recipe.replace(batch_size=1), None, 0.02, 100.0)
    assert one_by_one.questions[0].epochs == 2, "of 300 updates each"
    monkeypatch.setattr(plan, "UPDATES", 299)
    too_long, _ = plan_ladder(dataset, recipe.replace(batch_size=1), None, 0.02, 100.0)
    (question,) = too_long.questions
    assert (question.trained, question.epochs, question.seeds) == ((), 0, ())


def test_every_implementation_is_on_the_ladder_and_every_stage_is_an_implementation() -> None:
    assert {stage.implementation for stage in STAGES} == {*IMPLEMENTATIONS, *BASELINES}
    assert len({stage.name for stage in STAGES}) == len(STAGES)


def test_what_cannot_be_used_here_is_left_out_with_the_reason(tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = load_dataset(tiny)
    monkeypatch.setattr(
        Implementation, "unavailable", lambda self: "needs a miracle" if self.name == "scratch-compiled" else None
    )
    plan, left_out = plan_ladder(dataset, fit_recipe(SHARED, dataset), None, 0.02, 100.0)
    assert left_out == {"compiled, zeros left out": "needs a miracle"}
    assert "scratch-compiled" not in {entry.implementation for entry in plan.questions[0].entries}


def test_of_stages_that_are_the_same_on_another_recipe_the_first_is_taken(tiny: str) -> None:
    dataset = load_dataset(tiny)
    recipe = fit_recipe(SHARED, dataset).replace(batch_size=1)
    plan, _ = plan_ladder(dataset, recipe, None, 0.02, 100.0, ("scratch-numpy",))
    names = [entry.name for entry in plan.questions[0].originals if entry.implementation == "scratch-numpy"]
    assert names == ["NumPy, example by example", "all examples at once", "float32"]
    assert "batch 1" in plan.questions[0].title


def test_what_is_no_stage_or_nothing_beside_it_is_refused(tiny: str) -> None:
    dataset = load_dataset(tiny)
    with pytest.raises(
        InputError, match=r"'jax2' is no stage of the ladder; expected one of .*, or path/to/file\.py:ClassName"
    ):
        plan_ladder(dataset, fit_recipe(SHARED, dataset), None, 0.02, 100.0, ("jax2",))
    with pytest.raises(InputError, match=r"no_such\.py does not exist"):
        plan_ladder(dataset, fit_recipe(SHARED, dataset), None, 0.02, 100.0, ("no_such.py:Mine",))
    with pytest.raises(InputError, match="1 of its stages here, expected two or more"):
        plan_ladder(dataset, fit_recipe(SHARED, dataset), None, 0.02, 100.0, ("scratch-inplace",))


CORRECT = f"{Path(__file__).parents[2] / 'examples' / 'correct.py'}:Correct"


def test_yours_is_one_more_stage_on_the_recipe_of_the_ladder(tiny: str) -> None:
    dataset = load_dataset(tiny)
    recipe = fit_recipe(SHARED, dataset).replace(batch_size=32)
    all_stages, _ = plan_ladder(dataset, recipe, None, 0.02, 100.0)
    plan, _ = plan_ladder(dataset, recipe, None, 0.02, 100.0, (CORRECT,))
    names = [entry.label for entry in all_stages.questions[0].entries]
    assert [entry.label for entry in plan.questions[0].entries] == [*names[:-1], CORRECT, names[-1]]
    assert next(entry for entry in plan.questions[0].entries if entry.label == CORRECT).recipe == recipe
    few, _ = plan_ladder(dataset, recipe, None, 0.02, 100.0, (CORRECT, "scratch-inplace"))
    trained = [entry.label for entry in few.questions[0].originals if entry.implementation not in BASELINES]
    assert trained == ["no temporaries", CORRECT]


def test_yours_is_compared_with_the_fastest_from_scratch_and_shown_last() -> None:
    mine = "a/long/path/to/a/file/mine.py:Mine"
    times = {**EXAMPLE_S, mine: 6e-6, "other.py:Other": 1e-6}
    results = summarize_ladder(*timed_run(timed_question("ladder", times, IMPLEMENTATION_OF)), SIDE_OF)
    assert [side.name for side in results.sides] == ["from scratch", "PyTorch", "peer", "yours"]
    assert [stage.speedup for stage in results.sides[-1].stages] == [None, None], "yours do not build on each other"
    sentences = " ".join(ladder_sentences(results))
    assert re.search(
        r"scratch-compiled \(compiled, zeros left out\) is 3\.0*× faster per epoch than \S*mine.py:Mine", sentences
    )
    assert re.search(r"other.py:Other is 2\.0*× faster per epoch than scratch-compiled", sentences)
    rows = [row for row in ladder_tables(results)[0].rows if row[0] == "Yours"]
    assert [row[1] for row in rows] == [mine, "other.py:Other"]
    words = [text.get_text() for axes in draw_ladder(results).figure.axes for text in axes.get_yticklabels()]
    assert words[-2].endswith("Mine")
    assert len(words[-2]) <= NAME_LETTERS
    assert words[-1] == "other.py:Other"


Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(main, [str(word) for word in words])


@pytest.mark.slow
def test_the_command_verifies_times_and_draws_what_is_asked_for(
    run: Run, tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leave_out_figures: Callable[[], None]
) -> None:
    monkeypatch.setattr(plan, "MIN_REPLICATES", 2)
    monkeypatch.setattr("backprop_bench.bench.ladder.command.probe_blas", lambda *_: None)
    monkeypatch.setattr(plan, "ROUNDS", 2)
    monkeypatch.setattr(plan, "VERIFICATION_STEPS", 10)
    monkeypatch.setattr(plan, "STAGES", [stage for stage in STAGES if stage.implementation != "torch-products"])
    words = ("--implementation", "scratch-numpy", "--implementation", "scratch-inplace")
    result = run("ladder", "--dataset", tiny, "--target", 99, *words)
    assert result.exit_code == 0, result.output
    folder = tmp_path / "results" / "latest-ladder"
    rows = read_rows(folder)
    names = {"NumPy, example by example", "all examples at once", "batches", "float32", "no temporaries"}
    verified = {row["implementation"] for row in rows_of(rows, "parity")}
    assert {name for name in verified if ": " not in name} == names, "each on its own recipe"
    assert {name.partition(": ")[0] for name in verified - names} == {"scratch-compiled"}, "their reference, too"
    assert all(row["passed"] for row in rows_of(rows, "timed_work"))
    assert all(row["passed"] for row in rows_of(rows, "parity"))
    memory = {row["implementation"]: row["training_bytes"] for row in rows_of(rows, "memory")}
    assert memory.keys() == {*names, "NumPy's products alone"}
    baselines = {"NumPy's products alone"}
    assert {row["implementation"] for row in rows_of(rows, "block")} == {*names, *baselines, "float32 (A/A)"}
    assert (folder / "figures" / "ladder.png").is_file()
    assert "no temporaries" in (folder / "ladder.md").read_text()
    leave_out_figures()
    again = run("ladder", "--resume")
    assert again.exit_code == 0, again.output
    assert read_rows(folder) == rows, "there was nothing left to measure"


@pytest.mark.slow
def test_yours_is_verified_and_timed_in_the_same_rounds(
    run: Run, tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leave_out_figures: Callable[[], None]
) -> None:
    monkeypatch.setattr(plan, "MIN_REPLICATES", 2)
    monkeypatch.setattr("backprop_bench.bench.ladder.command.probe_blas", lambda *_: None)
    monkeypatch.setattr(plan, "ROUNDS", 2)
    monkeypatch.setattr(plan, "VERIFICATION_STEPS", 10)
    leave_out_figures()
    wrong = CORRECT.replace("correct", "wrong").replace("Correct", "Wrong")
    words = [word for name in ("scratch-inplace", CORRECT, wrong) for word in ("--implementation", name)]
    result = run("ladder", "--dataset", tiny, "--target", 99, *words)
    assert result.exit_code == 1, "one is wrong"
    assert f"Failed: {wrong}: not timed: verification failed" in result.stderr
    rows = read_rows(tmp_path / "results" / "latest-ladder")
    rounds: dict[str, set[tuple[int, int]]] = {}
    for row in rows_of(rows, "block"):
        rounds.setdefault(row["implementation"], set()).add((row["replicate"], row["round"]))
    assert rounds[CORRECT] == rounds["no temporaries"]
    assert wrong not in rounds
    assert all(row["passed"] for row in rows_of(rows, "timed_work"))


ODD = Path(__file__).with_name("odd_trainers.py")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets the peak of memory start anew")
def test_the_memory_of_a_training_is_what_it_takes_and_not_what_is_loaded(tiny: str) -> None:
    dataset = load_dataset(tiny)
    recipe = fit_recipe(SHARED, dataset).replace(batch_size=16)
    use = {}
    with SharedExamples(recipe, dataset) as examples:
        for name in ("Fine", "Hungry"):
            with opened_worker(Entry(f"{ODD}:{name}", "shared", recipe), examples, 1) as (worker, _):
                use[name] = worker.ask("memory", MemoryUse, batches=20)
    assert use["Fine"].parameter_bytes == recipe.n_parameters * 4
    fine, hungry = (use[name].training_bytes or 0 for name in ("Fine", "Hungry"))
    assert 0 <= fine < 8 << 20
    assert 63 << 20 < hungry < 72 << 20, "64 MiB, as the system counts pages: in batches"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc" or sys.platform != "linux", reason="asks the GNU C library")
def test_memory_that_was_freed_is_given_back_before_what_is_taken_is_counted() -> None:
    freed = [np.ones(8000) for _ in range(2000)]
    above = np.ones(8000)  # keeps the heap from shrinking by itself
    del freed
    reset_peak_memory()
    held = peak_memory_bytes()
    give_back_memory()
    reset_peak_memory()
    assert peak_memory_bytes() < held - (64 << 20), "of 122 MiB"
    assert above.all()


def test_what_trains_nothing_is_not_compared(run: Run, tiny: str) -> None:
    result = run("compare", "--dataset", tiny, "--implementation", "numpy-products")
    assert result.exit_code == 2
    assert "trains nothing" in result.output


def test_a_ladder_just_begun_is_shown_without_a_figure(tmp_path: Path) -> None:
    description, _ = timed_run(timed_question("ladder", EXAMPLE_S, IMPLEMENTATION_OF))
    findings = ladder_findings(recorded(description, []))
    assert "Nothing was timed." in findings.sentences
    assert [path.name for path in findings.write(tmp_path)] == ["ladder.md"]
