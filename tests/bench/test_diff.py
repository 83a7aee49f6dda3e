"""``diff``: made-up runs of which the truth is known, and what wrong input gets."""

import dataclasses
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from backprop_bench.bench.changes.analysis import Change, summarize_changes
from backprop_bench.bench.changes.view import reasons_of
from backprop_bench.bench.cli.main import main
from backprop_bench.bench.core.stats.intervals import independent_ratio
from backprop_bench.data import SHARED
from tests.bench.plain import Row, described, recorded
from tests.bench.recorded import recorded_run, write_run
from tests.bench.refusal import refused
from tests.bench.simulated import TIMING, Machine, measure

SCRATCH, TORCH, LOADER = "scratch-numpy", "torch-eager", "torch-loader"
TIMES = {SCRATCH: 1.0, TORCH: 1.7, LOADER: 2.1}
MACHINE = Machine(TIMES, between_replicates=0.01)
ENVIRONMENT: dict[str, Any] = {"cpu": {"model": "A"}, "packages": {"numpy": "2.0"}, "python": "3.12"}
Made = tuple[dict[str, Any], list[Row]]


def made(
    seed: int,
    slower: Mapping[str, float] | None = None,
    machine: float = 1.0,
    names: tuple[str, ...] = tuple(TIMES),
    environment: Mapping[str, Any] = ENVIRONMENT,
    question: str = "same-recipe",
    steady: bool = False,
) -> Made:
    """Make a run up: some implementations slower by a factor, and all of them where the machine is.

    A steady machine takes the same for all rounds.
    """
    times = {name: TIMES[name] * machine * (slower or {}).get(name, 1.0) for name in names}
    one = dataclasses.replace(MACHINE, relative=times, slowdown=0.0 if steady else MACHINE.slowdown)
    rows = measure(one, TIMING, seed, question).rows
    planned = {
        "name": question,
        "entries": [{"implementation": name, "label": name} for name in names],
        "timing": dataclasses.asdict(TIMING),
    }
    return {"plan": {"questions": [planned]}, "environment": environment}, rows


def changes(before: Made, after: Made, same_machine: bool = True) -> dict[str, Change]:
    result = summarize_changes(recorded(*before), recorded(*after), same_machine)
    return {change.label: change for change in result.changes}


def diff(folder: Path, before: Made, after: Made, *words: str, command: str = "compare") -> Result:
    """Run the command on two made-up runs."""
    paths = [write_run(folder / name, command, *run) for name, run in (("before", before), ("after", after))]
    return CliRunner().invoke(main, ["diff", *map(str, paths), *words], env={"COLUMNS": "200"})


def said(result: Result) -> str:
    return " ".join(result.output.replace("\N{NO-BREAK SPACE}", " ").split())


# Intervals


@pytest.mark.parametrize(("n_before", "n_after", "spread"), [(8, 8, 1.0), (4, 12, 5.0), (3, 3, 0.3)])
def test_the_interval_of_two_samples_holds_the_truth_in_95_of_100(n_before: int, n_after: int, spread: float) -> None:
    rng, truth, n = np.random.default_rng(7), 1.1, 3000
    held = 0
    for _ in range(n):
        before = np.exp(rng.normal(0, 0.02, n_before)).tolist()
        after = np.exp(rng.normal(math.log(truth), 0.02 * spread, n_after)).tolist()
        held += independent_ratio(after, before).contains(truth)
    assert held / n == pytest.approx(0.95, abs=0.02)


def test_the_interval_of_two_samples_is_welchs() -> None:
    """Worked out with `scipy.stats.ttest_ind(after, before, equal_var=False)` on the logarithms."""
    scipy_stats = pytest.importorskip("scipy.stats")
    before, after = [1.0, 1.1, 1.05, 0.98], [1.2, 1.4, 1.1]
    expected = scipy_stats.ttest_ind(np.log(after), np.log(before), equal_var=False).confidence_interval(0.95)
    result = independent_ratio(after, before)
    assert (result.low, result.high) == pytest.approx((math.exp(expected.low), math.exp(expected.high)))
    assert result.estimate == pytest.approx(math.exp(np.log(after).mean() - np.log(before).mean()))


def test_a_sample_of_one_has_no_interval_and_equal_values_one_without_width() -> None:
    alone = independent_ratio([2.0], [1.0, 1.0])
    assert alone.estimate == pytest.approx(2)
    assert math.isnan(alone.low)
    same = independent_ratio([2.0, 2.0], [1.0, 1.0])
    assert (same.low, same.high) == (same.estimate, same.estimate)
    assert math.isnan(independent_ratio([], [1.0]).estimate)


@pytest.mark.slow
def test_the_same_code_on_a_machine_that_changes_its_speed_differs_in_one_run_of_twenty() -> None:
    n, speeds = 80, np.random.default_rng(3).lognormal(0, 0.1, 80)
    found = dict.fromkeys(TIMES, 0)
    for number, speed in enumerate(speeds):
        for name, change in changes(made(2 * number), made(2 * number + 1, machine=speed)).items():
            found[name] += change.verdict != "no difference"
    for name in (SCRATCH, LOADER):
        assert found[name] / n == pytest.approx(0.05, abs=0.05), found  # 4 of 80, give or take twice what chance does
    assert found[TORCH] / n < 0.05, "which is the reference: time and ratio must agree"


# What has changed


def test_one_that_is_slower_is_found_with_an_interval_that_holds_the_truth_whatever_the_machine_does() -> None:
    for machine in (0.8, 1.0, 1.3):
        change = changes(made(1), made(2, {SCRATCH: 1.10}, machine))[SCRATCH]
        assert change.verdict == "slower"
        assert change.reference == TORCH
        assert change.relative is not None
        assert change.relative.contains(1.10)
        assert change.relative.half_width < 0.04
        assert change.time.contains(1.10 * machine) or machine != 1.0


def test_what_is_slower_by_more_than_the_limit_is_the_exit_code(tmp_path: Path) -> None:
    runs = made(1), made(2, {SCRATCH: 1.10})
    failed = diff(tmp_path / "5", *runs, "--fail-above", "5%")
    assert failed.exit_code == 1
    assert f"Failed: slower by more than 5 %: {SCRATCH} (same-recipe)\n" in failed.output.replace(
        "\N{NO-BREAK SPACE}", " "
    )
    passed = diff(tmp_path / "15", *runs, "--fail-above", "15")
    assert passed.exit_code == 0
    assert "None of 3 comparisons is slower by more than 15 % with its whole 95 % CI." in said(passed)
    assert diff(tmp_path / "none", *runs).exit_code == 0


def test_the_answer_comes_first_with_its_interval(tmp_path: Path) -> None:
    result = diff(tmp_path, made(1), made(2, {SCRATCH: 1.10}), "--format", "json")
    first, second, third, *rest = json.loads(result.stdout)["sentences"]
    match = re.fullmatch(
        r"scratch-numpy is (1\.\d+)× slower than before, relative to torch-eager \(95 % CI ([\d.]+)–([\d.]+)\)\.", first
    )
    assert match is not None, first
    estimate, low, high = map(float, match.groups())
    assert low < estimate < high
    assert low <= 1.10 <= high
    assert second == "Of 3 comparisons: 1 slower, 0 faster and 2 without a significant difference."
    assert third == "Machine, versions, data set and threads are the same in both runs."
    assert rest == []
    (table,) = json.loads(result.stdout)["tables"]
    assert len(table["columns"]) == 7
    assert [row[1] for row in table["rows"]] == list(TIMES)
    assert table["rows"][2][2] == "no significant difference"


def test_runs_of_the_same_code_show_no_difference(tmp_path: Path) -> None:
    result = diff(tmp_path, made(11), made(12), "--fail-above", "0")
    assert result.exit_code == 0
    assert "No significant difference in time in any of 3 comparisons." in said(result)


def test_a_speed_up_is_the_answer_where_nothing_is_slower(tmp_path: Path) -> None:
    result = said(diff(tmp_path, made(1), made(2, {SCRATCH: 0.8})))
    assert re.search(r"scratch-numpy is 1\.2\d+× faster than before, relative to torch-eager", result)


def test_a_slower_reference_is_found_where_neither_machine_nor_another_one_explains_it() -> None:
    slower = changes(made(1, steady=True), made(2, {TORCH: 1.10}, steady=True))
    assert slower[TORCH].is_slower_by(0.05)
    assert slower[SCRATCH].verdict == "faster"
    of_machine = changes(made(1, steady=True), made(2, machine=1.10, steady=True))
    assert of_machine[TORCH].time.low > 1.05
    assert {change.verdict for change in of_machine.values()} == {"no difference"}
    of_other = changes(made(1, steady=True), made(2, {LOADER: 0.9}, steady=True))
    assert not any(change.is_slower_by(0) for change in of_other.values())


def test_the_reference_is_what_changes_of_code_reach_least() -> None:
    names = ("scratch-numpy", "scratch-compiled", "mine.py:Mine", "jax", "torch-loader", "numpy-products")
    given = dict.fromkeys(names, 1.0)
    for taken in ("torch-loader", "jax", "numpy-products", "scratch-numpy"):
        machine = dataclasses.replace(MACHINE, relative=given)
        entries = [{"implementation": name, "label": name} for name in given]
        run = {"plan": {"questions": [{"name": "q", "entries": entries}]}}, measure(machine, TIMING, 1, "q").rows
        result = changes(run, run)
        assert "numpy-products" not in result, "which is no implementation"
        others = {change.reference for label, change in result.items() if label != taken}
        assert others == {taken}
        del given[taken]


def test_one_alone_is_judged_by_its_time_with_a_warning(tmp_path: Path) -> None:
    before = made(1, names=(SCRATCH,), steady=True)
    result = diff(tmp_path, before, made(2, {SCRATCH: 1.1}, names=(SCRATCH,), steady=True), "--fail-above", "5")
    assert result.exit_code == 1
    assert "so a slower machine would look the same" in said(result)


# What machine and versions allow


OTHER = {**ENVIRONMENT, "cpu": {"model": "B"}}


def test_of_two_machines_only_ratios_are_compared(tmp_path: Path) -> None:
    result = diff(
        tmp_path, made(1), made(2, {SCRATCH: 1.1}, 2.0, environment=OTHER), "--format", "json", "--fail-above", "5"
    )
    assert result.exit_code == 1
    shown = json.loads(result.stdout)
    assert "scratch-numpy is 1.1" in shown["sentences"][0]
    assert "Warning: the runs differ in more than time: another machine" in " ".join(shown["sentences"])
    assert "Times of two machines are not compared" in " ".join(shown["sentences"])
    (table,) = shown["tables"]
    assert [row[1] for row in table["rows"]] == [SCRATCH, LOADER], "the reference cannot be judged"
    assert not re.search(r"\d (µ|m|n)?s\b", json.dumps(table))


def test_of_two_machines_one_implementation_cannot_be_compared(tmp_path: Path) -> None:
    one = made(1, names=(SCRATCH,)), made(2, names=(SCRATCH,), environment=OTHER)
    refused(diff(tmp_path, *one), "two machines", "only ratios are compared")


def test_an_unknown_environment_is_taken_for_another_machine(tmp_path: Path) -> None:
    result = diff(tmp_path, made(1, environment={}), made(2))
    assert "the environment of the run before is unknown" in said(result)
    assert "Times of two machines are not compared" in said(result)


def test_other_versions_threads_cores_data_and_files_are_named() -> None:
    before, _ = made(1)
    other = {**ENVIRONMENT, "packages": {"numpy": "2.1"}}
    changed: dict[str, Any] = {"threads": 2, "cpus": [0, 1], "dataset_crc32": "1", "own_files": {"mine.py:Mine": "b"}}
    after = {**before, "environment": other, **changed}
    assert reasons_of(described({**before, "own_files": {"mine.py:Mine": "a"}}), described(after)) == [
        "other versions of numpy",
        "another data set",
        "another version of mine.py:Mine",
        "1 thread before and 2 after",
        "cores 0 before and 0–1 after",
    ]
    more = {**before, "plan": {"questions": [{**before["plan"]["questions"][0], "examples": 60_000}]}}
    (reason,) = reasons_of(described(before), described(more))
    assert reason == "1,000 training examples before and 60,000 after in same-recipe"


# What is missing


def test_what_is_in_one_run_alone_is_said(tmp_path: Path) -> None:
    result = said(diff(tmp_path, made(1), made(2, names=(SCRATCH, TORCH))))
    assert "Not in the run after: torch-loader (same-recipe)." in result
    assert "Of 2 comparisons" in result


def test_a_question_in_one_run_alone_is_said() -> None:
    (description, rows), (more, other_rows) = made(1), made(1, question="more")
    both = {**description, "plan": {"questions": [*description["plan"]["questions"], *more["plan"]["questions"]]}}
    result = summarize_changes(recorded(both, [*rows, *other_rows]), recorded(description, rows), True)
    assert [(gap.kind, gap.what) for gap in result.gaps] == [("Not in the run after", "the question more")]


def test_one_that_has_broken_is_a_failure_and_one_that_always_was_is_not(tmp_path: Path) -> None:
    whole, broken = recorded_run(), recorded_run(failures={LOADER: "no luck."})
    failed = diff(tmp_path / "now", whole, broken)
    assert failed.exit_code == 1
    assert "Failed: torch-loader (same-recipe): no luck." in failed.output
    assert "Failed in the run after: " in said(failed)
    mended = diff(tmp_path / "before", broken, whole)
    assert mended.exit_code == 0, mended.output
    assert (
        "Failed in the run before: torch-loader (as-published): no luck; torch-loader (same-recipe): no luck."
        in said(mended)
    )


def test_where_all_has_broken_that_is_said(tmp_path: Path) -> None:
    broken = recorded_run(failures=dict.fromkeys((SCRATCH, TORCH, LOADER), "no luck"))
    result = diff(tmp_path, recorded_run(), broken, "--fail-above", "5")
    assert result.exit_code == 1, result.output
    assert said(result).startswith("Nothing can be compared.")


def test_work_that_is_not_equal_is_not_compared(tmp_path: Path) -> None:
    description, rows = made(1)
    plan = {**description["plan"], "verifies_timed_work": True}
    checked = [
        {
            "kind": "timed_work",
            "session": 0,
            "question": "same-recipe",
            "implementation": name,
            "number": number,
            "reference": SCRATCH,
            "turns": 1,
            "checked": 1,
            "batches": 1,
            "tolerance": 1.0,
            "passed": name != LOADER,
            "difference": 0.0,
            "where": "layer 1",
        }
        for name in TIMES
        for number in range(100)
    ]
    checks = [
        {
            "kind": "parity",
            "session": 0,
            "question": "same-recipe",
            "implementation": name,
            "reference": SCRATCH,
            "check": "outputs",
            "dtype": "float32",
            "passed": True,
            "difference": 0.0,
            "tolerance": 1.0,
            "where": "",
        }
        for name in TIMES
    ]
    result = diff(tmp_path, (description, rows), ({**description, "plan": plan}, [*checks, *rows, *checked]))
    assert result.exit_code == 1, result.output
    assert "torch-loader (same-recipe): it does not compute the same as its reference implementation" in said(result)
    assert "Of 2 comparisons" in said(result)


def test_a_run_that_goes_on_is_compared_so_far(tmp_path: Path) -> None:
    description, rows = made(1)
    result = said(diff(tmp_path, made(2), (description, rows[:-1])))
    assert "The timing has not ended in the run after: same-recipe." in result


def test_one_process_replicate_has_no_interval_and_passes_no_limit(tmp_path: Path) -> None:
    description, rows = made(1, {SCRATCH: 3.0})
    first = [row for row in rows if row.get("replicate") == 0]
    short = description, first
    refused(diff(tmp_path / "limit", made(2), short, "--fail-above", "5"), "--fail-above cannot be judged", "--budget")
    result = diff(tmp_path, made(2), short)
    assert result.exit_code == 0, result.output
    assert "Nothing can be said: an interval needs two process replicates in each run." in said(result)
    assert "Too few process replicates for an interval: scratch-numpy, torch-eager and torch-loader." in said(result)


def test_other_recipes_are_not_compared_but_other_epochs_and_seeds_are() -> None:
    description, rows = made(1)
    (question,) = description["plan"]["questions"]
    recipes = [SHARED.replace(batch_size=32), SHARED.replace(epochs=9, seed=4), SHARED]
    entries = [
        {**entry, "recipe": recipe.to_dict()} for entry, recipe in zip(question["entries"], recipes, strict=True)
    ]
    old = [{**entry, "recipe": SHARED.to_dict()} for entry in question["entries"]]
    before, after = (
        recorded({"plan": {"questions": [{**question, "entries": given}]}}, rows) for given in (old, entries)
    )
    result = summarize_changes(before, after, True)
    assert [change.label for change in result.changes] == [TORCH, LOADER]
    assert [(gap.kind, gap.what, gap.detail) for gap in result.gaps] == [
        ("Not the same work in both runs", "scratch-numpy (same-recipe)", "another batch_size")
    ]


def test_nothing_in_common_is_refused(tmp_path: Path) -> None:
    refused(diff(tmp_path, made(1, names=(SCRATCH,)), made(1, names=(TORCH,))), "no implementation was timed")


# What is typed


@pytest.mark.parametrize("limit", ["fast", "-1", "nan", "inf", "", "5 points", "5,5"])
def test_a_limit_that_is_none_is_refused(tmp_path: Path, limit: str) -> None:
    refused(diff(tmp_path, made(1), made(2), f"--fail-above={limit}"), "--fail-above is", "such as 5%")


def test_what_are_not_two_runs_of_one_command_is_refused(tmp_path: Path) -> None:
    one = write_run(tmp_path / "one", "compare", *made(1))
    ladder = write_run(tmp_path / "ladder", "ladder", *made(1))
    race = write_run(tmp_path / "race", "race", *made(1))
    (tmp_path / "link").symlink_to("one")
    for other, words in {
        tmp_path / "link": ["are the same run"],
        one: ["are the same run"],
        ladder: ["holds a run of 'compare'", "one of 'ladder'", "expected runs of one command"],
        race: ["holds a run of 'race'; expected one of compare, ladder or scale"],
        tmp_path / "nowhere": ["nowhere holds no run"],
        tmp_path: ["holds no run"],
    }.items():
        refused(CliRunner().invoke(main, ["diff", str(one), str(other)]), *words)


@pytest.mark.parametrize("command", ["ladder", "scale"])
def test_runs_of_other_commands_are_compared_too(tmp_path: Path, command: str) -> None:
    result = diff(tmp_path, made(1), made(2, {SCRATCH: 1.1}), command=command)
    assert "scratch-numpy is 1.1" in said(result)
