"""The timing of a question: the real driver, with workers and a clock that are made up, so that all is known."""

import dataclasses
import itertools
import json
import types
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar, cast

import msgspec
import numpy as np
import pytest

import backprop_bench.bench.core.engine.timed_worker as timed_worker
import backprop_bench.bench.core.engine.timing as driver
from backprop_bench.bench.core.engine.context import RunContext
from backprop_bench.bench.core.engine.progress import Silent
from backprop_bench.bench.core.engine.run_log import RunLog
from backprop_bench.bench.core.records.plan import Entry, Plan, Question, Timing
from backprop_bench.bench.core.records.reader import read_records
from backprop_bench.bench.core.records.writer import Recorder
from backprop_bench.bench.core.worker import clock, opened
from backprop_bench.bench.core.worker.client import WorkerError
from backprop_bench.bench.core.worker.clock import Training
from backprop_bench.data import Examples, Recipe, Trainer
from tests.bench.plain import Row, paired_ratio, read_rows, rows_of
from tests.bench.test_schedule import REPLAY, REPLAYED

NAMES = ("scratch-numpy", "torch-eager", "torch-loader")
START_S, PAUSE_S = 1.0, 0.001
"""Seconds that the first of a set takes to start, the others start beside it, and what lies before a block."""
T = TypeVar("T")
Replies = Callable[[str, int, int], Row]
"""(implementation, set, round) -> what its block gave; may raise `WorkerError`."""


Pieces = Sequence[Sequence[int | None]]


def batches_in(pieces: Pieces) -> int:
    """Return how many batches are asked for."""
    return sum(int(stop or 0) - int(start or 0) for start, stop, *_ in pieces)


@dataclasses.dataclass
class MadeUp:
    """A machine whose clock moves only when somebody works, and whose workers give what they are told to give."""

    replies: Replies
    hangs_in_start: str = ""
    now: float = 100.0
    stop_after: int | None = None
    """Blocks after which the run is stopped, as by a Ctrl-C."""
    blocks: list[tuple[str, int, int, int, int]] = dataclasses.field(default_factory=list)
    """Of every block, who trained it in which replicate and round, and how many batches before it and in it."""

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def worker(
        self, threads: int, descriptors: Sequence[int] = (), environment: Mapping[str, str] | None = None
    ) -> "MadeUpWorker":
        return MadeUpWorker(self)


class MadeUpWorker:
    """Answers as `backprop_bench.bench.core.worker.server` does."""

    spawned = 0.0

    def __init__(self, machine: MadeUp) -> None:
        self.machine, self.round = machine, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    left_behind = ()

    def cpu_of_others_s(self) -> float:
        return 0.0

    def close(self) -> None:
        pass

    def ask(self, do: str, reply: type[T], **given: Any) -> T:
        answers: dict[str, Callable[..., Row]] = {
            "open": self.open,
            "begin": self.begin,
            "run": lambda pieces: {"wall_s": 0.01 * batches_in(pieces), "losses": len(pieces) * [0.5]},
            "ready": lambda: {"energy": "none"},
            "block": self.block,
            "end": lambda **_: {"evaluation_s": 0.1, "peak_rss_bytes": 2, "data_rss_bytes": 1, "sources": {}},
            "time_parts": lambda **_: {"wall_s": {}, "steps": 0, "batch_size": 0},
        }
        return msgspec.convert(answers[do](**given), reply)

    def open(self, implementation: str, **_: Any) -> Row:
        self.implementation = implementation
        self.machine.now += START_S if implementation == NAMES[0] else 0.0
        return {"import_s": 0.5, "load_s": 0.1, "threads": []}

    def begin(self, seed: int) -> Row:
        if self.implementation == self.machine.hangs_in_start:
            self.machine.now += 1800
            raise WorkerError("gave no answer within 1800 s and was ended")
        self.set = seed
        return {"prepare_s": 0.1, "cores": [0]}

    def block(
        self, warm_up: Pieces, pieces: Pieces, injected: float, further: Mapping[str, Pieces], slot: int | None
    ) -> Row:
        self.machine.blocks.append((self.implementation, self.set, self.round, batches_in(warm_up), batches_in(pieces)))
        if self.machine.stop_after is not None:
            if not self.machine.stop_after:
                raise KeyboardInterrupt
            self.machine.stop_after -= 1
        reply = self.machine.replies(self.implementation, self.set, self.round)
        self.round += 1
        self.machine.now += PAUSE_S + reply["wall_s"]
        timed = {"examples": 1000, "injected": injected, "cpu_s": reply["wall_s"], "loss": 0.5, "energy_j": None}
        return {"timed": {**timed, **reply}, "losses": len([*warm_up, *pieces]) * [0.5]}


def question(timing: Timing) -> Question:
    recipe = Recipe(layer_sizes=(16, 8, 3))
    return Question("made-up", "Made up", 1000, 10, 0, (), tuple(Entry(name, "r", recipe) for name in NAMES), timing)


@pytest.fixture
def measure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Row]]:
    """Return what times a question on a made-up machine, going on with what an earlier call recorded."""

    def run(machine: MadeUp, timing: Timing, passes: int = 1, cores: Sequence[int] = (0,)) -> list[Row]:
        clock = types.SimpleNamespace(monotonic=machine.monotonic, sleep=machine.sleep)
        monkeypatch.setattr(driver, "time", clock)
        monkeypatch.setattr(timed_worker, "time", clock)
        monkeypatch.setattr(opened, "Worker", machine.worker)
        dataset: Any = None  # the made-up workers look at none
        shared: Any = types.SimpleNamespace(of=lambda *_: types.SimpleNamespace(descriptor=0, to_dict=dict))
        asked = question(timing)
        unverified: Any = types.SimpleNamespace(weights=dict.fromkeys(asked.entries), verify=lambda *_: None)
        plan = Plan((asked,), part_blocks=1, part_seconds=0.1, verification_steps=None, passes=passes)
        with Recorder(tmp_path) as recorder:
            log = RunLog(recorder, read_records(tmp_path))
            for number in range(1, passes + 1):
                machine.now += 50.0  # trainings, or another question
                context = RunContext(plan, dataset, 1, log, Silent())
                driver.time_question(context, asked, shared, unverified, cores, number)
        return read_rows(tmp_path)

    return run


def steady(implementation: str, replicate: int, number_of_round: int) -> Row:
    """Return blocks of which every process replicate differs a little."""
    return {"wall_s": (1 + NAMES.index(implementation)) * (1 + replicate % 3 * 0.1 * NAMES.index(implementation))}


HOPELESS = Timing(target=1e-9, budget_s=100.0, block_s=1.0, rounds=2, min_replicates=2, order_seed=0)
SET_S = START_S + 2 * (3 * PAUSE_S + 6 * 1.15)
"""About how long a process replicate of `steady` takes."""


def test_recorded_blocks_replayed_through_the_driver_give_what_they_gave(measure: Callable[..., list[Row]]) -> None:
    recorded = [json.loads(line) for line in REPLAY.read_text().splitlines()]
    by_place = {(row["implementation"], row["replicate"], row["round"]): row for row in rows_of(recorded, "block")}
    kept = ("wall_s", "examples", "steal_s", "waited_s", "major_faults", "throttles")

    def replies(*place: Any) -> Row:
        return {name: value for name, value in by_place[place].items() if name in kept}

    rows = measure(MadeUp(replies), REPLAYED)
    (stop,), (expected,) = rows_of(rows, "stop"), rows_of(recorded, "stop")
    assert (stop["reason"], stop["replicates"]) == (expected["reason"], expected["replicates"])
    assert stop["spent_s"] == pytest.approx(expected["spent_s"], abs=1e-4)
    for pair in itertools.combinations(NAMES, 2):
        assert paired_ratio(rows_of(rows, "block"), *pair) == paired_ratio(rows_of(recorded, "block"), *pair)


@pytest.mark.parametrize("passes", [1, 4, 8])
def test_visits_share_the_budget_and_the_clock_of_a_session_never_turns_back(
    measure: Callable[..., list[Row]], passes: int
) -> None:
    rows = measure(MadeUp(steady), HOPELESS, passes)
    (stop,) = rows_of(rows, "stop")
    assert stop["reason"] == "budget"
    assert HOPELESS.budget_s - 1.5 * SET_S < stop["spent_s"] <= HOPELESS.budget_s
    at_s = [row["at_s"] for row in rows_of(rows, "block")]
    assert at_s == sorted(at_s)
    worked_s = sum(row["wall_s"] for row in rows_of(rows, "block"))
    assert worked_s < stop["spent_s"], "nothing is timed beyond what is said to be spent"
    replicates = Counter(row["timing_pass"] for row in rows_of(rows, "start", implementation=NAMES[0]))
    assert set(replicates) <= set(range(1, passes + 1))
    assert len(replicates) >= min(passes, 4)
    assert max(replicates.values()) <= -(-stop["replicates"] // passes) + 1


@pytest.mark.parametrize("min_replicates", [4, 8, 9])
def test_a_timing_that_is_soon_precise_has_sets_in_every_visit_and_no_more_than_it_needs(
    measure: Callable[..., list[Row]], min_replicates: int
) -> None:
    timing = dataclasses.replace(HOPELESS, target=0.9, budget_s=1000.0, min_replicates=min_replicates)
    rows = measure(MadeUp(steady), timing, passes=4)
    (stop,) = rows_of(rows, "stop")
    assert stop["reason"] == "precise"
    assert min_replicates <= stop["replicates"] <= max(min_replicates, 4) + 3, (
        "some more where an interval has to narrow first"
    )
    replicates = Counter(row["timing_pass"] for row in rows_of(rows, "start", implementation=NAMES[0]))
    assert set(replicates) == {1, 2, 3, 4}


def test_a_run_that_was_stopped_goes_on_within_the_same_budget_and_mixes_no_sessions(
    measure: Callable[..., list[Row]],
) -> None:
    for stop_after in (4, 9, 17):
        with pytest.raises(KeyboardInterrupt):
            measure(MadeUp(steady, stop_after=stop_after), HOPELESS, 4)
    rows = measure(MadeUp(steady), HOPELESS, 4)
    (stop,) = rows_of(rows, "stop")
    blocks = rows_of(rows, "block")
    assert {row["session"] for row in blocks} == {0, 1, 2, 3}
    assert HOPELESS.budget_s - 1.5 * SET_S < stop["spent_s"] <= HOPELESS.budget_s + SET_S
    for number in {row["replicate"] for row in blocks}:
        assert len({row["session"] for row in blocks if row["replicate"] == number}) == 1
    places = Counter((row["replicate"], row["round"], row["implementation"]) for row in blocks)
    assert set(places.values()) == {1}


def test_who_hangs_in_the_start_takes_nothing_of_the_budget_of_the_others(measure: Callable[..., list[Row]]) -> None:
    timing = dataclasses.replace(HOPELESS, target=0.5)
    rows = measure(MadeUp(steady, hangs_in_start=NAMES[1]), timing)
    assert [row["implementation"] for row in rows_of(rows, "failure")] == [NAMES[1]]
    (stop,) = rows_of(rows, "stop")
    assert stop["reason"] == "precise"
    assert stop["spent_s"] < timing.budget_s
    assert len(rows_of(rows, "block", implementation=NAMES[2])) == stop["replicates"] * timing.rounds


def test_what_is_done_once_is_not_expected_of_the_next_replicate(
    measure: Callable[..., list[Row]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "at_once_of", lambda _: 2)  # later starts take half as long as one after the other
    first_s = START_S + HOPELESS.rounds * (3 * PAUSE_S + 6.0)
    rows = measure(MadeUp(steady), dataclasses.replace(HOPELESS, budget_s=2 * first_s - START_S / 4))
    (stop,) = rows_of(rows, "stop")
    assert (stop["reason"], stop["replicates"]) == ("budget", 2)


def test_who_breaks_in_a_block_is_left_out_and_the_others_are_compared(measure: Callable[..., list[Row]]) -> None:
    def replies(implementation: str, replicate: int, number_of_round: int) -> Row:
        if implementation == NAMES[0] and replicate == 1:
            raise WorkerError("raised ValueError: no more")
        return steady(implementation, replicate, number_of_round)

    rows = measure(MadeUp(replies), dataclasses.replace(HOPELESS, target=0.5))
    assert [(row["implementation"], row["number"]) for row in rows_of(rows, "failure")] == [(NAMES[0], 1)]
    (stop,) = rows_of(rows, "stop")
    assert (stop["reason"], stop["replicates"]) == ("precise", 3), "two that differ by a tenth have a wide interval"


def test_to_look_at_the_cores_costs_nothing_of_the_budget(measure: Callable[..., list[Row]]) -> None:
    rows = measure(MadeUp(steady), dataclasses.replace(HOPELESS, budget_s=15.0), cores=(0, 1))
    first = rows_of(rows, "block")[0]
    assert first["at_s"] == pytest.approx(START_S + PAUSE_S + first["wall_s"])


def test_an_injected_slowdown_takes_its_share_of_the_time_of_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = cast("Trainer", types.SimpleNamespace(train_epoch=lambda x, t, order: float(len(order))))
    examples = Examples(np.zeros((3, 2)), np.zeros((3, 2)), np.zeros(3, np.int64))
    training = Training(trainer, Recipe(layer_sizes=(2, 2)), examples)
    for extra, wall_s in ((0.0, 1.0), (1.0, 2.0), (3.0, 4.0)):
        ticks = itertools.count()
        monkeypatch.setattr(clock, "perf_counter", lambda ticks=ticks: float(next(ticks)))  # a second a look
        assert training.timed([np.arange(3)], extra) == (wall_s, [3.0])
