"""The parts of a training step, the whole step and an epoch, for every implementation and batch size.

Every time is measured within one process, one implementation after the other. These times show where an implementation
spends its time. To compare implementations, use `backprop-bench compare`, which times them in alternation.
"""

import dataclasses
import functools
from collections.abc import Callable
from time import perf_counter

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from backprop_bench.bench.core.implementations import named_implementation
from backprop_bench.bench.micro.extent import EPOCH, WHOLE_STEP, epoch_examples
from backprop_bench.data import (
    SHARED,
    Dataset,
    DividesSteps,
    Examples,
    Order,
    StepParts,
    Trainer,
    batch_order,
    fit_recipe,
    initial_parameters,
    load_dataset,
    training_examples,
)

_load_once = functools.cache(load_dataset)


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A trainer with its initial weights, and the examples of an epoch in their order."""

    trainer: Trainer
    examples: Examples
    order: Order


def _prepare(dataset: Dataset, name: str, batch_size: int) -> Prepared:
    recipe = fit_recipe(SHARED, dataset).replace(batch_size=batch_size)
    examples = training_examples(recipe, dataset.subset(epoch_examples(batch_size, len(dataset.x_train))))
    trainer = named_implementation(name).load()(recipe, initial_parameters(recipe))
    return Prepared(trainer, examples, batch_order(recipe, len(examples.x), 0))


def _run_all(calls: list[Callable[[], object]]) -> None:
    for call in calls:
        call()


@dataclasses.dataclass(frozen=True)
class Timing:
    """One benchmark of pytest-benchmark: what it is called, and how it is timed."""

    benchmark: BenchmarkFixture
    config: pytest.Config
    name: str
    batch_size: int

    @property
    def dataset(self) -> Dataset:
        """The dataset that was asked for."""
        return _load_once(self.config.getoption("micro_dataset"))

    def time(self, what: str, n_examples: int, call: Callable[[], object], *before: Callable[[], object]) -> None:
        """Time a call that trains so many examples, each time after the calls before it."""
        self.benchmark.group = f"{what}-batch-{self.batch_size}"
        self.benchmark.name = self.name
        prepare = functools.partial(_run_all, list(before))
        rounds = self._rounds(lambda: _run_all([*before, call]))
        self.benchmark.pedantic(call, setup=prepare, rounds=rounds)
        assert self.benchmark.stats is not None
        self.benchmark.extra_info |= {
            "implementation": self.name,
            "part": what,
            "batch_size": self.batch_size,
            "dataset": self.dataset.name,
            "examples": n_examples,
            "us_per_example": 1e6 * self.benchmark.stats.stats.median / n_examples,
            "within": "one process",
        }

    def _rounds(self, a_round: Callable[[], object]) -> int:
        """Return how many rounds fit into the time limit, after warm-up."""
        a_round()
        start = perf_counter()
        a_round()
        took = max(perf_counter() - start, 1e-9)
        fitting = int(float(self.config.getoption("benchmark_max_time")) / took)
        most: int = self.config.getoption("micro_rounds")
        least: int = self.config.getoption("benchmark_min_rounds")
        return max(least, min(most, fitting))


@pytest.fixture
def timing(benchmark: BenchmarkFixture, pytestconfig: pytest.Config, name: str, batch_size: int) -> Timing:
    return Timing(benchmark, pytestconfig, name, batch_size)


def _prepare_step(timing: Timing) -> tuple[StepParts, int]:
    """Return the parts of a step, and of how many examples it is."""
    prepared = _prepare(timing.dataset, timing.name, timing.batch_size)
    if not isinstance(prepared.trainer, DividesSteps):
        pytest.skip(f"{timing.name} has no method step_parts, so only its epochs are timed")
    batch = prepared.order[: timing.batch_size]
    return prepared.trainer.step_parts(prepared.examples.x, prepared.examples.t, batch), len(batch)


def bench_part(timing: Timing, part: str) -> None:
    parts, n_examples = _prepare_step(timing)
    if part not in parts:
        pytest.skip(f"the steps of {timing.name} have no part {part!r}")
    names = list(parts)
    timing.time(part, n_examples, parts[part], *(parts[earlier] for earlier in names[: names.index(part)]))


def bench_step(timing: Timing) -> None:
    parts, n_examples = _prepare_step(timing)
    timing.time(WHOLE_STEP, n_examples, functools.partial(_run_all, list(parts.values())))


def bench_epoch(timing: Timing) -> None:
    prepared = _prepare(timing.dataset, timing.name, timing.batch_size)
    x, t, order = prepared.examples.x, prepared.examples.t, prepared.order
    timing.time(EPOCH, len(order), functools.partial(prepared.trainer.train_epoch, x, t, order))
