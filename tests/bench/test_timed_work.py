"""What is timed is what was verified: implementations that do something else when they are timed, end to end."""

import dataclasses
import os
import re
import types
from pathlib import Path
from typing import Any

import psutil
import pytest

from backprop_bench.bench.compare import answer, tables
from backprop_bench.bench.core.engine.context import RunContext
from backprop_bench.bench.core.engine.progress import Silent
from backprop_bench.bench.core.engine.run_log import RunLog
from backprop_bench.bench.core.engine.runner import Runner
from backprop_bench.bench.core.engine.sources import Sources
from backprop_bench.bench.core.engine.timed_work import REFERENCES, candidates
from backprop_bench.bench.core.records.kinds import Block, Epoch, Failure
from backprop_bench.bench.core.records.plan import Entry, Plan, Question, Timing
from backprop_bench.bench.core.records.reader import RECORDS, of_kind, read_records
from backprop_bench.bench.core.records.recorded_run import comparable, read_run
from backprop_bench.bench.core.records.writer import Recorder
from backprop_bench.bench.core.stats.plausible import implausible
from backprop_bench.bench.core.summary import QuestionSummary
from backprop_bench.bench.core.summary import summarize as summarize_run
from backprop_bench.bench.core.worker import client, measure
from backprop_bench.bench.core.worker.sources import SUITE_SOURCE
from backprop_bench.bench.report.table import to_dict
from backprop_bench.data import InputError, Recipe, load_dataset
from tests.bench.plain import Row, read_rows, rows_of, summarize, to_plain, typed, write_description
from tests.bench.recorded import recorded_run
from tests.tiny import write_tiny_dataset

FAULTY = Path(__file__).with_name("faulty_when_timed.py")
N_EXAMPLES, N_TEST = 300, 200
RECIPE = Recipe(layer_sizes=(16, 8, 3), batch_size=16)
TIMING = Timing(target=1e9, budget_s=600.0, block_s=0.02, rounds=4, min_replicates=2, order_seed=1)

NOT_EQUAL = (
    r"not equal in the timed work: .*, round \d of process replicate 0: relative error .* against scratch-\w+, .*"
)
SENTENCES = {
    "Skipping": NOT_EQUAL,
    "Smaller": NOT_EQUAL,
    "TrainingAhead": NOT_EQUAL,
    "ConstantLoss": NOT_EQUAL,
    "NoLoss": r"raised TypeError: float\(\) argument must be .*NoneType.*",
    "ArrayLoss": r"raised TypeError: train_epoch returned ndarray, expected a number, the mean loss",
    "NotANumber": r"not equal in the timed work: layer 1 weight\[0, 0\] is nan, expected a finite number, round .*",
    "Pending": r"work was pending when train_epoch returned: .*",
    "OtherClock": r"raised RuntimeError: time.perf_counter is another function than Python's",
    "OwnClock": r"its clock is wrong: a turn took .* by it, and .* by the clock of the driver",
    "OwnWeights": NOT_EQUAL,
    "OwnBatches": NOT_EQUAL,
    "Wrapping": NOT_EQUAL,
    "ChangingInputs": NOT_EQUAL,
    "LeavingAProcess": r"it left processes behind, which were ended: python.*; expected none",
    "Burning": r"it used \d+ % of a core while others had their turn",
    "BurningElsewhere": r"processes that it started used .* s of CPU time, itself .* s in blocks of .* s",
    "FillingMemory": r"raised MemoryError.*|raised _ArrayMemoryError.*",
    "ClosingFiles": r"(its process ended with exit code|closed its end of the line).*",
    "Leaving": r"its process ended with exit code 0",
    "Returning": NOT_EQUAL,
}
"""What is said of each, in the first failure."""
if os.cpu_count() != 1:
    SENTENCES["Elsewhere"] = r"raised RuntimeError: it uses core \d+, expected only \d+"


def plan_of(*names: str, seeds: int = 1, timing: Timing = TIMING) -> Plan:
    entries = tuple(Entry(name if "-" in name else f"{FAULTY}:{name}", "tiny", RECIPE) for name in names)
    question = Question("same-recipe", "Same", N_EXAMPLES, N_TEST, 2, tuple(range(seeds)), entries, timing)
    return Plan((question,), part_blocks=0, part_seconds=0.01, verification_steps=20, verifies_timed_work=True)


def run(folder: Path, plan: Plan, dataset: str) -> QuestionSummary:
    told = {"plan": to_plain(plan), "dataset": dataset, "dataset_crc32": "0", "threads": 1}
    command = "backprop-bench compare"
    write_description(folder, {**told, "environment": {}, "cpus": [0], "command": command})
    with Recorder(folder) as recorder:
        Runner(RunContext(plan, load_dataset(dataset), 1, RunLog(recorder, read_records(folder)), Silent())).run()
    recorded = read_run(folder)
    (question,) = summarize_run(recorded.description, recorded.rows).questions
    return question


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = write_tiny_dataset(tmp_path, N_EXAMPLES, N_TEST)
    monkeypatch.setenv("DATASET", name)
    return name


GROUPS = [sorted(SENTENCES)[start::4] for start in range(4)]
"""Those that are tried at once."""


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("names", GROUPS, ids=["first", "second", "third", "fourth"])
def test_whoever_does_something_else_when_timed_is_named_and_gets_no_ratio(
    names: list[str], tmp_path: Path, dataset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "most_memory_bytes", lambda: 1 << 29)
    left = tmp_path / "left"
    monkeypatch.setenv("LEFT", str(left))
    before = running()
    question = run(tmp_path, plan_of("Honest", *names, "scratch-numpy"), dataset)
    messages: dict[str, str] = {}
    for failure in question.failures:
        messages.setdefault(failure.implementation.rpartition(":")[2], failure.message)
    assert sorted(messages) == names
    for name in names:
        assert re.fullmatch(SENTENCES[name], messages[name]), (name, messages[name])
    timed = {performance.implementation for performance in question.performances if performance.wall_s.n}
    assert timed == {f"{FAULTY}:Honest", "scratch-numpy"}
    assert {ratio.numerator for ratio in question.ratios if ratio.interval.n} == {"scratch-numpy"}
    assert running() <= before, "the machine is left as it was"
    assert not (left.exists() and psutil.pid_exists(int(left.read_text())))


@pytest.mark.slow
def test_who_reads_the_labels_of_the_test_does_not_decide_its_accuracy(tmp_path: Path, dataset: str) -> None:
    question = run(tmp_path, plan_of("ReadingLabels", "scratch-numpy"), dataset)
    assert question.failures == ()
    reading, honest = (item.accuracy.estimate for item in question.performances)
    assert reading == honest < 1, "that of its recipe, which another one has trained"
    assert {item.trained_by for item in question.performances} == {"scratch-compiled"}


@pytest.mark.slow
def test_every_process_replicate_is_compared_from_the_first_batches_of_its_seed_on(
    tmp_path: Path, dataset: str
) -> None:
    question = run(tmp_path, plan_of("Honest", "OwnWeights", "OwnBatches"), dataset)
    unequal = {work.implementation.rpartition(":")[2]: work for work in question.works if not work.passed}
    assert sorted(unequal) == ["OwnBatches", "OwnWeights"]
    for work in unequal.values():
        assert (work.number, work.turns, work.checked) == (0, TIMING.rounds, 1)
        assert work.where.endswith(", round 0 of process replicate 0"), "the first turn is always looked at"
    assert {work.number for work in question.works if work.passed} == {0, 1}


@pytest.mark.slow
def test_the_first_batches_of_every_seed_are_compared_however_few_the_process_replicates_are(
    tmp_path: Path, dataset: str
) -> None:
    question = run(tmp_path, plan_of("Honest", "OwnWeightsOfLaterSeeds", seeds=4), dataset)
    honest, other = (
        {work.seed_of_first: work.passed for work in question.works if work.implementation == f"{FAULTY}:{name}"}
        for name in ("Honest", "OwnWeightsOfLaterSeeds")
    )
    assert honest == {0: True, 1: True, 2: True, 3: True}
    assert other == {0: True, 1: True, 2: True, 3: False}
    (failure,) = question.failures
    assert "not equal in the timed work: " in failure.message
    assert ", the first batches of seed 3: relative error " in failure.message
    assert [work.turns for work in question.works if work.seed is not None] == [1] * 6
    assert len(rows_of(read_rows(tmp_path), "block")) == 3 * TIMING.rounds, "a faulty one is timed no more"


@pytest.mark.slow
def test_seeds_that_a_stopped_run_has_not_compared_are_compared_when_it_goes_on(tmp_path: Path, dataset: str) -> None:
    plan = plan_of("Honest", seeds=4)
    run(tmp_path, plan, dataset)
    path = tmp_path / RECORDS
    lines = path.read_text("utf-8").splitlines(keepends=True)
    path.write_text("".join(line for line in lines if '"stop"' not in line and '"seed":3' not in line), "utf-8")
    assert {row.get("seed") for row in rows_of(read_rows(tmp_path), "timed_work")} == {None, 1, 2}
    question = run(tmp_path, plan, dataset)
    assert {work.seed_of_first for work in question.works} == {0, 1, 2, 3}
    assert question.stop is not None


def running() -> set[int]:
    """Return the processes that this one has started, and that have not ended."""
    children = psutil.Process().children(recursive=True)
    return {child.pid for child in children if child.status() != psutil.STATUS_ZOMBIE}


@pytest.mark.slow
def test_a_run_whose_code_changes_ends_in_one_sentence_and_keeps_what_it_has(
    tmp_path: Path, dataset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper = tmp_path / "helper.py"
    helper.write_text("FASTER = False\n")
    monkeypatch.setenv("EDITED", str(helper))
    mine = tmp_path / "mine.py"
    mine.write_text("import helper\n" + FAULTY.read_text())
    plan = plan_of("scratch-numpy")
    (question,) = plan.questions
    entries = (*question.entries, Entry(f"{mine}:Editing", "tiny", RECIPE))
    plan = dataclasses.replace(plan, questions=(dataclasses.replace(question, entries=entries),))
    with pytest.raises(InputError, match=r"^helper.py, which .*mine.py:Editing uses, has changed during the run: "):
        run(tmp_path, plan, dataset)
    assert rows_of(read_rows(tmp_path), "epoch"), "what is recorded is kept"
    assert read_run(tmp_path).rows


@pytest.mark.slow
def test_who_never_returns_is_ended_at_the_limit_and_the_others_go_on(
    tmp_path: Path, dataset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_TIMEOUT_S", [15.0])
    question = run(tmp_path, plan_of("Honest", "NeverReturning"), dataset)
    (failure,) = question.failures
    assert failure.message == "gave no answer within 15 s and was ended; --timeout gives it more"
    assert [performance.implementation for performance in question.performances if performance.wall_s.n]


@pytest.mark.slow
def test_what_a_signal_has_ended_is_tried_again_on_resume(
    tmp_path: Path, dataset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = tmp_path / "once"
    monkeypatch.setenv("ONCE", str(once))
    first = run(tmp_path, plan_of("Honest", "Killed"), dataset)
    (failure,) = first.failures
    assert failure.message.startswith("its process was ended by signal 9")
    assert not [found for found in first.performances if found.implementation.endswith("Killed") and found.wall_s.n]
    again = run(tmp_path, plan_of("Honest", "Killed"), dataset)
    assert again.failures == ()
    assert [ratio.n_replicates for ratio in again.ratios] == [2]
    rows = read_rows(tmp_path)
    assert len(rows_of(rows, "failure")) == 1, "nothing that is recorded is lost"
    assert len(rows_of(rows, "stop")) == 2


WORK = {
    "kind": "timed_work",
    "reference": "scratch-compiled",
    "turns": 4,
    "checked": 3,
    "batches": 10,
    "passed": True,
    "difference": 1e-7,
    "tolerance": 1e-5,
    "where": "layer 1 weight[0, 0], round 1 of process replicate 1",
}


def test_work_that_was_not_compared_or_is_not_equal_is_no_evidence() -> None:
    common = {"question": "same-recipe", "session": 0}
    labels = [f"{FAULTY}:{name}" for name in ("A", "B", "C")]
    rows: list[Row] = []
    for label in labels:
        check = {"check": "outputs", "reference": "torch-eager", "dtype": "float32", "passed": True, "where": "y[0, 0]"}
        rows.append(
            {"kind": "parity", **common, **check, "implementation": label, "difference": 0.0, "tolerance": 1e-5}
        )
        timed = {"kind": "block", **common, "implementation": label, "examples": 9, "wall_s": 1.0, "round": 0}
        rows += [{**timed, "replicate": number} for number in (0, 1)]
        trained = {"kind": "epoch", **common, "implementation": label, "examples": 9, "accuracy": 0.5, "loss": 0.1}
        rows.append({**trained, "seed": 0, "epoch": 1})
    work = {**WORK, **common}
    rows += [{**work, "implementation": labels[0], "number": 0}]
    rows += [{**work, "implementation": labels[1], "number": n, "passed": n == 0} for n in (0, 1)]
    rows += [{**work, "implementation": labels[2], "number": n} for n in (0, 1)]
    failure = {"kind": "failure", **common, "phase": "timed work", "number": 1, "message": "it left processes behind"}
    rows.append({**failure, "implementation": labels[2]})
    plan = plan_of("A", "B", "C")
    left = comparable(plan, typed(rows))
    assert [(row.implementation, row.replicate) for row in of_kind(left, Block)] == [(labels[0], 0)]
    assert [row.implementation for row in of_kind(left, Epoch)] == labels[:1]
    not_asked = dataclasses.replace(plan, verifies_timed_work=False)
    assert len(comparable(not_asked, typed(rows))) == len(rows)


@pytest.mark.parametrize("name", [*REFERENCES, "torch-eager"])
def test_no_implementation_is_its_own_reference(name: str) -> None:
    (entry,) = plan_of(name).questions[0].entries
    result = candidates(entry)
    assert name not in result
    assert len(result) >= 2, "one of them does every recipe"


def signalled(question: str, implementation: str, session: int, phase: str = "verification") -> Row:
    return {
        "kind": "failure",
        "question": question,
        "implementation": implementation,
        "session": session,
        "phase": phase,
        "number": None,
        "message": "its process was ended by signal 9",
        "signal": 9,
    }


def test_a_failure_by_a_signal_stands_until_its_implementation_is_tried_again() -> None:
    plan = plan_of("A", "B")
    labels = [entry.label for entry in plan.questions[0].entries]
    epoch = {"kind": "epoch", "question": "same-recipe", "examples": 9, "accuracy": 0.5, "seed": 0, "epoch": 0}
    failures = [signalled("same-recipe", label, 0) for label in labels]
    later = [{**epoch, "session": 1, "implementation": labels[0]}]
    left = of_kind(comparable(plan, typed([*failures, *later])), Failure)
    assert [failure.implementation for failure in left] == labels[1:]


@pytest.mark.parametrize("phase", ["verification", "training", "timing"])
def test_what_a_signal_ended_gets_the_budget_that_it_was_to_have(phase: str, tmp_path: Path) -> None:
    (question,) = plan_of("A", "B").questions
    label = question.entries[0].label
    stop = {
        "kind": "stop",
        "question": "same-recipe",
        "session": 0,
        "reason": "budget",
        "replicates": 2,
        "spent_s": 9.0,
    }
    rows = typed([signalled("same-recipe", label, 0, phase), stop])
    for session, tried_again in ((0, False), (1, True)):
        recorder: Any = types.SimpleNamespace(session=session)
        log = RunLog(recorder, list(rows))
        assert (log.failures(question) == []) is tried_again
        assert log.is_timed(question) is not tried_again
        assert log.first_session(question) == int(tried_again)


def test_the_first_sentence_names_who_does_something_else_when_timed() -> None:
    description, rows = recorded_run()
    names = [entry["implementation"] for entry in description["plan"]["questions"][1]["entries"]]
    common = {**WORK, "question": "same-recipe"}
    works = [{**common, "implementation": name, "number": 0} for name in names[:2]]
    unequal = {**common, "implementation": "torch-loader", "number": 0, "passed": False}
    honest, faulty = (summarize(description, [*rows, *more]) for more in (works, [*works, unequal]))
    assert answer.right(honest).startswith("Right: gradients, weights and timed work agree with PyTorch's")
    assert answer.right(faulty) == "torch-loader does not compute the same when timed, and is left out"
    assert "A reference implementation did the timed work of 2 workers again" in (answer.work_sentence(faulty) or "")
    table = tables.timed_work_table(faulty)
    assert table.rows == tuple(
        ("same-recipe", name, "scratch-compiled", "3 of 4", "1.0 %", equal)
        for name, equal in (("torch-loader", "NO"), (names[0], "yes"), (names[1], "yes"))
    )
    columns = ["question", "implementation", "reference", "trained again", "largest error", "equal"]
    assert [column.lstrip("<") for column in to_dict(table)["columns"]] == columns


def block(**fields: Any) -> Block:
    (row,) = typed([{"kind": "block", "examples": 100, "wall_s": 0.06, "cpu_s": 0.06, "round": 0, **fields}])
    assert isinstance(row, Block)
    return row


HONEST = {"turn_s": 0.075, "asked_s": 0.076, "pending_s": 0.0001, "rested_s": 0.2, "rested_cpu_s": 0.0002}
IMPLAUSIBLE = [
    ({"turn_s": 0.0375}, "its clock is wrong: a turn took 0.0375 s by it, and 0.076 s by the clock of the driver"),
    ({"turn_s": 0.15}, "its clock is wrong: a turn took 0.15 s by it, and 0.076 s by the clock of the driver"),
    ({"cpu_s": 0.12}, "it used 0.12 s of CPU time in 0.06 s, which is more than 1 thread can"),
    ({"pending_s": 0.02}, "work was pending when train_epoch returned: after a block, reading the weights took 0.02 s"),
    ({"rested_cpu_s": 0.1}, "it used 50 % of a core while others had their turn"),
]


@pytest.mark.parametrize(("changes", "sentence"), IMPLAUSIBLE)
def test_times_that_cannot_be_true_are_named_unless_few_blocks_have_them(
    changes: dict[str, float], sentence: str
) -> None:
    honest = [block(**HONEST) for _ in range(16)]
    faulty = [block(**{**HONEST, **changes, "wall_s": 0.06}) for _ in range(16)]
    assert implausible(honest, 1) is None
    assert str(implausible(faulty, 1)).startswith(sentence)
    assert implausible(faulty[:3], 1) is None, "too few to tell"
    if "rested_cpu_s" not in changes:
        slower = [block(**{**HONEST, **changes, "wall_s": 0.09}) for _ in range(12)]
        assert implausible([*honest[:4], *slower], 1) is None, "those that decide are the fastest"


def test_two_threads_may_use_two_cores_and_no_more() -> None:
    assert implausible([block(**{**HONEST, "cpu_s": 0.12}) for _ in range(4)], 2) is None
    assert implausible([block(**{**HONEST, "cpu_s": 0.14}) for _ in range(4)], 2) is not None


def test_code_is_known_from_its_first_worker_on_and_a_file_that_is_imported_later_is_new() -> None:
    sources = Sources({"mine": {"mine.py": "1"}}, suite="9")
    sources.check("mine", {SUITE_SOURCE: "9", "mine.py": "1", "helper.py": "2"})
    sources.check("mine", {SUITE_SOURCE: "9", "mine.py": "1", "helper.py": "2", "late.py": "3"})
    sources.check("other", {SUITE_SOURCE: "9", "helper.py": "7"})
    for changed in ({"late.py": "4"}, {"mine.py": "0"}, {"helper.py": "missing"}):
        with pytest.raises(InputError, match=f"^{next(iter(changed))}, which mine uses, has changed during the run"):
            sources.check("mine", changed)
    with pytest.raises(InputError, match=r"^the suite's source has changed during the run"):
        sources.check("other", {SUITE_SOURCE: "8"})


class Fresh:
    """Weights that were read into fresh memory, which is used again when nobody needs them."""

    spare = 0

    def __init__(self) -> None:
        self.read_s = 0.0 if Fresh.spare else 0.05
        Fresh.spare -= bool(Fresh.spare)

    def __del__(self) -> None:
        Fresh.spare += 1


def test_memory_that_is_fresh_at_first_is_no_work_that_was_pending() -> None:
    def read() -> tuple[Fresh, float]:
        weights = Fresh()
        return weights, weights.read_s

    session: Any = types.SimpleNamespace(weights="somewhere", read_weights=read)
    assert measure._pending_s(session) == 0.0
    slow = iter([0.05, 0.0])
    session.read_weights = lambda: (None, next(slow))
    assert measure._pending_s(session) == 0.05
