"""What is measured, and of what: seeds, warm-up, evaluation outside of every clock, all test examples."""

import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest

from backprop_bench.bench.core.engine.accuracy import train_question
from backprop_bench.bench.core.engine.context import RunContext
from backprop_bench.bench.core.engine.plan import Extent, make_question
from backprop_bench.bench.core.engine.progress import Silent
from backprop_bench.bench.core.engine.run_log import RunLog
from backprop_bench.bench.core.engine.timed_worker import (
    BLOCK_PER_WARM_UP,
    FEWER_FIRST,
    FIRST_EXAMPLES,
    MOST_EXAMPLES,
    TimedWorker,
)
from backprop_bench.bench.core.engine.train_until import train_until
from backprop_bench.bench.core.records.plan import Entry, Plan, Timing
from backprop_bench.bench.core.records.writer import Recorder
from backprop_bench.bench.core.worker import measure
from backprop_bench.bench.core.worker.clock import Training
from backprop_bench.bench.core.worker.memory import give_back_memory, peak_memory_bytes, reset_peak_memory
from backprop_bench.bench.core.worker.session import Session
from backprop_bench.bench.core.worker.shared_data import SharedExamples, SharedForms, map_examples
from backprop_bench.data import (
    Dataset,
    Floats,
    Order,
    Recipe,
    evaluation_examples,
    initial_parameters,
    load_dataset,
    training_examples,
)
from backprop_bench.scratch.numpy_trainer import NumpyTrainer
from tests.bench.plain import read_rows, rows_of
from tests.tiny import write_tiny_dataset

RECIPE = Recipe(layer_sizes=(16, 8, 3), batch_size=16)
N_EXAMPLES, N_TEST = 100, 41
TIMING = Timing(target=1e9, budget_s=60.0, block_s=0.001, rounds=2, min_replicates=1, order_seed=1)
T = TypeVar("T")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return load_dataset(write_tiny_dataset(tmp_path_factory.mktemp("tiny"), N_EXAMPLES, N_TEST))


@pytest.fixture
def shared(dataset: Dataset) -> Iterator[SharedExamples]:
    with SharedExamples(RECIPE, dataset) as examples:
        yield examples


def accuracy(recipe: Recipe, dataset: Dataset) -> float:
    examples = evaluation_examples(recipe, dataset)
    outputs = NumpyTrainer(recipe, initial_parameters(recipe)).predict(examples.x)
    return float((outputs.argmax(axis=1) == examples.y).mean())


def test_every_training_starts_from_the_weights_of_its_own_seed(tmp_path: Path, dataset: Dataset) -> None:
    seeds = 6
    extent = Extent(examples=None, epochs=0, seeds=seeds, budget_s=60.0)
    question = make_question("made-up", "Made up", dataset, extent, [Entry("scratch-numpy", "tiny", RECIPE)], TIMING)
    assert (question.examples, question.test_examples) == (N_EXAMPLES, N_TEST)
    plan = Plan((question,), part_blocks=0, part_seconds=0.0, verification_steps=None)
    with Recorder(tmp_path) as recorder, SharedForms(dataset) as forms:
        train_question(RunContext(plan, dataset, 1, RunLog(recorder, []), Silent()), question, question.seeds, forms)
    result = {row["seed"]: row["accuracy"] for row in rows_of(read_rows(tmp_path), "epoch", epoch=0)}
    expected = {seed: accuracy(RECIPE.replace(seed=seed), dataset) for seed in range(seeds)}
    assert result == expected
    assert len(set(expected.values())) > 1, "or this would say nothing"


def test_a_worker_has_all_training_examples_and_all_test_inputs_but_no_label_of_the_test(
    dataset: Dataset, shared: SharedExamples
) -> None:
    train, test_x = map_examples(shared.to_dict())
    expected = training_examples(RECIPE, dataset)
    assert np.array_equal(train.x, expected.x)
    assert np.array_equal(train.t, expected.t)
    assert np.array_equal(test_x, evaluation_examples(RECIPE, dataset).x)
    assert set(shared.to_dict()) == {"descriptor", "train", "test"}
    assert len(shared.to_dict()["test"]) == 1
    classes = dataset.y_test.astype(np.uint16)
    assert shared.accuracy(classes.tobytes()) == 1.0
    classes[:4] = (classes[:4] + 1) % 3
    assert shared.accuracy(classes.tobytes()) == pytest.approx(1 - 4 / N_TEST)


class Asked:
    """A worker that trains in no time, says what it took, and is always right after some evaluations."""

    left_behind = ()

    def __init__(self, right: bytes, right_after: int) -> None:
        self.right, self.right_after, self.evaluations = right, right_after, 0
        self.requests: list[tuple[str, int]] = []

    def ask(self, do: str, reply: Callable[..., T], **given: Any) -> T:
        batches = sum(stop - start for start, stop, *_ in given.get("pieces", []))
        self.requests.append((do, batches))
        if do == "evaluate":
            self.evaluations += 1
            wrong = bytes(len(self.right))
            return reply(evaluation_s=100.0, classes=self.right if self.evaluations == self.right_after else wrong)
        if do == "run":
            return reply(wall_s=0.5, losses=(0.1,) * len(given["pieces"]))
        return reply(energy="none")


def test_the_time_to_an_accuracy_is_that_of_training_alone(dataset: Dataset, shared: SharedExamples) -> None:
    worker: Any = Asked(dataset.y_test.astype(np.uint16).tobytes(), right_after=5)
    run = train_until(worker, RECIPE, N_EXAMPLES, shared, 0.9, epochs=3, pieces=4)
    assert run.reached
    assert [seconds for _, seconds, _ in run.curve] == [0.5, 1.0, 1.5, 2.0, 2.5]
    assert [epoch for epoch, _, _ in run.curve] == pytest.approx([1 / 7, 3 / 7, 5 / 7, 1, 8 / 7])
    assert sum(batches for _, batches in worker.requests) == 8
    worker = Asked(b"\0\0" * N_TEST, right_after=99)
    assert not train_until(worker, RECIPE, N_EXAMPLES, shared, 0.9, epochs=2, pieces=1).reached
    assert [batches for do, batches in worker.requests if do == "run"] == [7, 7]


def test_a_worker_warms_up_with_the_first_batches_and_two_blocks_and_then_before_every_block() -> None:
    worker: Any = Asked(b"", right_after=0)
    timed = TimedWorker(worker, Entry("scratch-numpy", "tiny", RECIPE), N_EXAMPLES, None, 1)
    warmed = timed.warm_up(1.0, 30)
    assert worker.requests == [("run", 1), ("run", 6), ("run", 60), ("ready", 0)], "the first is the first epoch's rest"
    assert (warmed.first_s, warmed.block_batches) == (0.5, 30)
    asked: list[tuple[int, int]] = []

    def ask(_: str, __: type[Any], warm_up: Any, pieces: Any, **___: Any) -> Any:
        before, counted = (sum(stop - start for start, stop, *_ in part) for part in (warm_up, pieces))
        asked.append((before, counted))
        return types.SimpleNamespace(timed=types.SimpleNamespace(wall_s=0.1, cpu_s=0.1), losses=())

    worker.ask = ask
    for batches in (30, 1, 7):
        timed.block(batches, "")
    assert asked == [(30 // BLOCK_PER_WARM_UP, 30), (0, 1), (2, 7)]


class Remembering(Asked):
    """Remembers the pieces that it was asked to train."""

    def __init__(self) -> None:
        super().__init__(b"", right_after=0)
        self.pieces: list[list[Any]] = []

    def ask(self, do: str, reply: Callable[..., T], **given: Any) -> T:
        self.pieces += given.get("pieces", [])
        return super().ask(do, reply, **given)


@pytest.mark.parametrize(
    ("implementation", "batch_size", "n_examples", "last"),
    [
        ("scratch-numpy", 16, 60_000, FIRST_EXAMPLES // 16),
        ("scratch-numpy", 64, 60_000, FIRST_EXAMPLES // 64),
        ("scratch-python", 1, 60_000, FEWER_FIRST),
        ("scratch-python", 64, 60_000, 2),
        ("scratch-numpy", 16, 100, 7),
        ("scratch-numpy", 1024, 60_000, 2),
        ("scratch-numpy", None, 60_000, 1),
    ],
)
def test_a_timed_worker_trains_the_first_batches_of_the_first_epoch_of_its_seed_before_all_others(
    implementation: str, batch_size: int | None, n_examples: int, last: int
) -> None:
    worker: Any = Remembering()
    entry = Entry(implementation, "tiny", RECIPE.replace(batch_size=batch_size))
    TimedWorker(worker, entry, n_examples, None, 1).warm_up(1.0, 1)
    first = [[0, 1, None, 0], [1, last, None, 0]][: 2 if last > 1 else 1]
    assert worker.pieces[: len(first)] == first
    assert all(key is not None for _, _, key, _ in worker.pieces[len(first) :]), "all others are drawn"


def test_a_block_does_not_grow_without_limit_however_fast_a_trainer_seems_to_be() -> None:
    worker: Any = Asked(b"", right_after=0)
    ask = worker.ask
    worker.ask = lambda do, reply, **given: (
        reply(wall_s=1e-9, losses=(0.1,) * len(given["pieces"])) if do == "run" else ask(do, reply, **given)
    )
    large = RECIPE.replace(batch_size=None)
    timed = TimedWorker(worker, Entry("scratch-numpy", "tiny", large), 60_000, None, 1)
    assert timed.warm_up(0.06, None).block_batches == MOST_EXAMPLES // 60_000


class ComputedWhenAsked(float):
    """A loss that is computed when somebody makes it a plain number."""

    def __float__(self) -> float:
        time.sleep(0.02)
        return 0.25


class Deferring(NumpyTrainer):
    """Leaves the work to whoever asks for the loss."""

    def train_epoch(self, x: Floats, t: Floats, order: Order) -> float:
        return ComputedWhenAsked()


def test_a_loss_is_computed_before_the_clock_stops(dataset: Dataset) -> None:
    examples = training_examples(RECIPE, dataset)
    training = Training(Deferring(RECIPE, initial_parameters(RECIPE)), RECIPE, examples)
    wall_s, losses = training.timed([np.arange(16), np.arange(16)])
    assert losses == [0.25, 0.25]
    assert wall_s >= 0.04, "it sleeps for so long at least"


class PredictingWithMuchMemory(NumpyTrainer):
    """Takes 128 MiB to predict, or 64."""

    def predict(self, x: Floats) -> Floats:
        held = np.ones(1 << 24, x.dtype)
        outputs: Floats = super().predict(x) + 0 * held[:1]
        return outputs


def test_the_peak_of_memory_is_that_of_training_without_evaluation(dataset: Dataset, shared: SharedExamples) -> None:
    if not reset_peak_memory():
        pytest.skip("this system cannot start the peak anew")
    train, test_x = map_examples(shared.to_dict())
    session = Session(PredictingWithMuchMemory, RECIPE, train, test_x, 1)
    session.begin(0, None)
    session.check_limits = lambda: None  # type: ignore[method-assign]
    give_back_memory()  # of other tests: were it given back meanwhile, no peak would be seen
    reset_peak_memory()
    before = peak_memory_bytes()
    ended = measure.end(session, "scratch-numpy")
    assert ended.peak_rss_bytes < before + (32 << 20)
    assert peak_memory_bytes() > before + (50 << 20), "or this would say nothing"
