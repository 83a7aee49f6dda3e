"""Accuracy belongs to the recipe: the fastest verified implementation trains it, once from each seed, for all."""

import dataclasses
from collections import Counter
from pathlib import Path

import pytest

from backprop_bench.bench.core.engine import timed_work
from backprop_bench.bench.core.engine.accuracy import train_question
from backprop_bench.bench.core.engine.context import RunContext
from backprop_bench.bench.core.engine.progress import Silent
from backprop_bench.bench.core.engine.run_log import RunLog
from backprop_bench.bench.core.engine.timed_work import REFERENCES, candidates, fastest_verified
from backprop_bench.bench.core.records.kinds import Verification
from backprop_bench.bench.core.records.plan import Entry, Plan, Question, Timing, reference_label
from backprop_bench.bench.core.records.reader import read_records
from backprop_bench.bench.core.records.writer import Recorder
from backprop_bench.bench.core.trained import read_trained
from backprop_bench.bench.core.worker.client import start_again
from backprop_bench.bench.core.worker.shared_data import SharedForms
from backprop_bench.data import Recipe, load_dataset
from tests.bench.plain import Row, read_rows, rows_of, typed
from tests.tiny import write_tiny_dataset

ODD = Path(__file__).with_name("odd_trainers.py")
NOTING = f"{ODD}:Noting"
N_EXAMPLES, N_TEST, SEEDS, EPOCHS = 300, 100, (0, 1), 2
RECIPE = Recipe(layer_sizes=(16, 8, 3), batch_size=16)
OTHER = RECIPE.replace(learning_rate=0.05)
TIMING = Timing(target=1e9, budget_s=60.0, block_s=0.005, rounds=4, min_replicates=2, order_seed=1)
ENTRIES = (
    Entry("scratch-numpy", "one", RECIPE),
    Entry("torch-eager", "one", RECIPE),
    Entry("scratch-numpy", "other", OTHER, alias="changed"),
    Entry("scratch-inplace", "one", RECIPE, trained=False),
    Entry("scratch-numpy", "one", RECIPE, second_copy=True),
)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_tiny_dataset(tmp_path_factory.mktemp("tiny"), N_EXAMPLES, N_TEST)


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where whoever trains notes what it is asked; it counts as the fastest implementation that there is."""
    path = tmp_path / "notes"
    path.touch()
    monkeypatch.setenv("NOTES", str(path))
    monkeypatch.setattr(timed_work, "REFERENCES", (NOTING, *REFERENCES))
    return path


def plan_of(*entries: Entry) -> Plan:
    question = Question("same-recipe", "Same recipe", N_EXAMPLES, N_TEST, EPOCHS, SEEDS, entries, TIMING)
    return Plan((question,), 0, 0.0, None, verifies_timed_work=True, keeps_trained=True)


def verified(label: str, passed: bool = True) -> Verification:
    return Verification(
        session=0,
        question="same-recipe",
        implementation=label,
        reference="torch-eager",
        check="gradients",
        dtype="float32",
        passed=passed,
        difference=1e-8 if passed else 1.0,
        tolerance=1e-5,
        where="layer 1 weight[0, 0]",
    )


def train(folder: Path, plan: Plan, dataset: str, *checks: Verification) -> list[Row]:
    """Train the question of a plan after these checks, and return all rows."""
    (question,) = plan.questions
    loaded = load_dataset(dataset)
    try:
        with Recorder(folder) as recorder, SharedForms(loaded) as shared:
            log = RunLog(recorder, read_records(folder))
            log.add(*checks)
            train_question(RunContext(plan, loaded, 1, log, Silent()), question, question.seeds, shared)
    finally:
        start_again()
    return read_rows(folder)


def trainings_noted(notes: Path) -> int:
    return sum(line.split()[:2] == ["train", str(N_EXAMPLES)] for line in notes.read_text().splitlines())


def trainers(rows: list[Row]) -> set[tuple[str, str | None]]:
    return {(row["implementation"], row.get("trained_by")) for row in rows_of(rows, "epoch")}


ALL_VERIFIED = [verified(reference_label(NOTING, entry)) for entry in (ENTRIES[0], ENTRIES[2])]


@pytest.mark.slow
def test_each_recipe_is_trained_once_from_each_seed_and_counts_for_all_who_have_it(
    tmp_path: Path, dataset: str, notes: Path
) -> None:
    rows = train(tmp_path, plan_of(*ENTRIES), dataset, *ALL_VERIFIED)
    assert trainings_noted(notes) == 2 * len(SEEDS) * EPOCHS, "two recipes, not three entries"
    assert trainers(rows) == {("scratch-numpy", NOTING), ("torch-eager", NOTING), ("changed", NOTING)}
    places = Counter((row["implementation"], row["seed"], row["epoch"]) for row in rows_of(rows, "epoch"))
    assert set(places.values()) == {1}
    assert len(places) == 3 * len(SEEDS) * (EPOCHS + 1)
    of = {
        label: [
            (row["seed"], row["epoch"], row["loss"], row["accuracy"])
            for row in rows_of(rows, "epoch", implementation=label)
        ]
        for label in ("scratch-numpy", "torch-eager", "changed")
    }
    assert sorted(of["scratch-numpy"], key=str) == sorted(of["torch-eager"], key=str)
    assert sorted(of["scratch-numpy"], key=str) != sorted(of["changed"], key=str)


@pytest.mark.slow
def test_what_is_to_train_itself_is_trained_by_no_other(tmp_path: Path, dataset: str, notes: Path) -> None:
    own = dataclasses.replace(ENTRIES[1], trains_itself=True)
    rows = train(tmp_path, plan_of(ENTRIES[0], own), dataset, *ALL_VERIFIED)
    assert trainings_noted(notes) == len(SEEDS) * EPOCHS
    assert trainers(rows) == {("scratch-numpy", NOTING), (own.label, None)}


@pytest.mark.slow
def test_what_is_recorded_is_not_trained_again_and_what_is_missing_is_without_the_others(
    tmp_path: Path, dataset: str, notes: Path
) -> None:
    rows = train(tmp_path, plan_of(*ENTRIES), dataset, *ALL_VERIFIED)
    assert train(tmp_path, plan_of(*ENTRIES), dataset) == rows
    assert trainings_noted(notes) == 2 * len(SEEDS) * EPOCHS
    more = train(tmp_path, plan_of(*ENTRIES, Entry("torch-loader", "one", RECIPE)), dataset)
    assert more[: len(rows)] == rows
    assert {row["implementation"] for row in more[len(rows) :]} == {"torch-loader"}


@pytest.mark.slow
def test_the_network_that_is_kept_is_that_of_all_who_have_the_recipe(tmp_path: Path, dataset: str, notes: Path) -> None:
    plan = plan_of(*ENTRIES)
    rows = train(tmp_path, plan, dataset, *ALL_VERIFIED)
    assert notes.read_text()
    kept = rows_of(rows, "trained")
    assert [row["implementation"] for row in kept] == ["scratch-numpy", "torch-eager"], "of one with an alias, none"
    assert {row["seed"] for row in kept} == {0}
    assert len({row["file"] for row in kept}) == len(list((tmp_path / "trained").iterdir())) == 1
    first, second = read_trained(tmp_path, typed(kept), plan)
    assert (first.predicted == second.predicted).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    "checks", [[], [verified(reference_label(NOTING, ENTRIES[0]), passed=False)]], ids=["none", "failed"]
)
def test_where_no_other_one_is_verified_each_trains_its_own(
    checks: list[Verification], tmp_path: Path, dataset: str, notes: Path
) -> None:
    mine = Entry(NOTING, "one", RECIPE)
    others = [Entry(name, "one", RECIPE) for name in ("scratch-numpy", "torch-eager")]
    rows = train(tmp_path, plan_of(*others), dataset, *checks)
    assert trainers(rows) == {("scratch-numpy", None), ("torch-eager", None)}
    assert trainings_noted(notes) == 0
    assert trainers(train(tmp_path, plan_of(mine), dataset)) >= {(NOTING, None)}
    assert trainings_noted(notes) == len(SEEDS) * EPOCHS


@pytest.mark.slow
def test_who_is_not_verified_is_not_trained_for(tmp_path: Path, dataset: str, notes: Path) -> None:
    checks = [*ALL_VERIFIED, verified("torch-eager", passed=False)]
    rows = train(tmp_path, plan_of(*ENTRIES), dataset, *checks)
    assert {name for name, _ in trainers(rows)} == {"scratch-numpy", "changed"}
    assert trainings_noted(notes) == 2 * len(SEEDS) * EPOCHS


@pytest.mark.slow
def test_a_training_that_breaks_is_a_failure_of_all_whom_it_was_for(
    tmp_path: Path, dataset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    crashing = f"{ODD}:Crashing"
    monkeypatch.setattr(timed_work, "REFERENCES", (crashing,))
    entries = ENTRIES[:2]
    rows = train(tmp_path, plan_of(*entries), dataset, verified(reference_label(crashing, entries[0])))
    failures = {(row["implementation"], row["phase"], row["number"]) for row in rows_of(rows, "failure")}
    assert failures == {("scratch-numpy", "training", 0), ("torch-eager", "training", 0)}
    assert {row["seed"] for row in rows_of(rows, "epoch", epoch=EPOCHS)} == {1}, "the other seed went through"


@pytest.mark.slow
def test_a_plan_that_verifies_no_timed_work_has_everyone_train_its_own(
    tmp_path: Path, dataset: str, notes: Path
) -> None:
    plan = dataclasses.replace(plan_of(*ENTRIES), verifies_timed_work=False)
    rows = train(tmp_path, plan, dataset, *ALL_VERIFIED)
    assert trainers(rows) == {("scratch-numpy", None), ("torch-eager", None), ("changed", None)}
    assert trainings_noted(notes) == 0


# Who is the fastest


def fastest(tmp_path: Path, entry: Entry, *checks: Verification, fellows: tuple[Entry, ...] = ()) -> str:
    with Recorder(tmp_path) as recorder:
        log = RunLog(recorder, list(checks))
        return fastest_verified(log, plan_of(entry, *fellows).questions[0], entry)


ENTRY = Entry("torch-eager", "one", RECIPE)


def test_the_fastest_is_the_first_that_passed_every_check_on_this_recipe(tmp_path: Path) -> None:
    first, second, third, _ = REFERENCES
    of = {name: verified(reference_label(name, ENTRY)) for name in REFERENCES}
    assert fastest(tmp_path, ENTRY, *of.values()) == first
    failed = verified(reference_label(first, ENTRY), passed=False)
    assert fastest(tmp_path, ENTRY, *of.values(), failed) == second, "one check that failed is enough"
    assert fastest(tmp_path, ENTRY, of[third]) == third
    assert fastest(tmp_path, ENTRY) == "torch-eager"
    other = Entry("torch-eager", "other", OTHER)
    assert fastest(tmp_path, other, *of.values()) == "torch-eager", "these were checked on another recipe"


def test_an_implementation_that_is_compared_itself_counts_only_with_the_same_recipe(tmp_path: Path) -> None:
    first = REFERENCES[0]
    check = verified(first)
    assert fastest(tmp_path, ENTRY, check, fellows=(Entry(first, "one", RECIPE),)) == first
    assert fastest(tmp_path, ENTRY, check, fellows=(Entry(first, "other", OTHER),)) == "torch-eager"


def test_a_reference_that_is_verified_trains_for_itself_though_it_is_no_reference_of_its_own(tmp_path: Path) -> None:
    first, second, *_ = REFERENCES
    entry = Entry(first, "one", RECIPE)
    both = [verified(first), verified(reference_label(second, entry))]
    assert fastest(tmp_path, entry, *both) == first


def test_scratch_numpy_has_torch_eager_for_its_reference_where_only_these_two_do_a_recipe() -> None:
    extended = RECIPE.replace(loss="squared_error", output_activation="sigmoid", half=False)
    assert candidates(Entry("scratch-numpy", "one", extended))[-1] == "torch-eager"
    assert "torch-eager" not in candidates(Entry("scratch-numpy", "one", RECIPE))
    assert "torch-eager" not in candidates(Entry("torch-loader", "one", extended))
