"""The parts of a training step, the whole step and an epoch: every implementation, a small and a large batch.

Every time is measured within one process, one implementation after the other. These times show where an implementation
spends its time. To compare implementations, use `backprop-bench compare`, which times them in alternation.
"""

import functools
import os
from collections.abc import Callable

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from backprop_bench.bench.core.implementations import IMPLEMENTATIONS, named_implementation
from backprop_bench.data import (
    RECIPES,
    DividesSteps,
    Examples,
    Recipe,
    Trainer,
    initial_parameters,
    load_dataset,
    training_examples,
)
from backprop_bench.data import batch_order as order_of

BATCH_SIZES = (1, 512)
STEP_PARTS = ("forward", "backward", "update")
EPOCH_EXAMPLES = 256
ROUNDS = int(os.environ.get("BACKPROP_BENCH_MICRO_ROUNDS", "200"))
EPOCH_ROUNDS, WARMUP_ROUNDS = max(2, ROUNDS // 50), 1

AVAILABLE = [name for name, known in IMPLEMENTATIONS.items() if known.unavailable() is None and not known.only_by_name]


@functools.cache
def _examples() -> Examples:
    return training_examples(RECIPES["shared"], load_dataset("mnist").subset(EPOCH_EXAMPLES))


def _recipe(batch_size: int) -> Recipe:
    return RECIPES["shared"].replace(batch_size=batch_size)


def _trainer(name: str, batch_size: int) -> Trainer:
    recipe = _recipe(batch_size)
    return named_implementation(name).load()(recipe, initial_parameters(recipe))


def _label(benchmark: BenchmarkFixture, what: str, name: str, batch_size: int) -> None:
    benchmark.group = f"{what}, batch {batch_size}"
    benchmark.name = name
    benchmark.extra_info |= {"implementation": name, "part": what, "batch_size": batch_size, "within": "one process"}


def _parts(name: str, batch_size: int) -> dict[str, Callable[[], object]]:
    trainer, examples = _trainer(name, batch_size), _examples()
    if not isinstance(trainer, DividesSteps):
        pytest.skip(f"{name} does not divide its steps")
    order = order_of(_recipe(batch_size), len(examples.x), 0)[:batch_size]
    return dict(trainer.step_parts(examples.x, examples.t, order))


@pytest.mark.parametrize("name", AVAILABLE)
@pytest.mark.parametrize("batch_size", BATCH_SIZES)
@pytest.mark.parametrize("part", STEP_PARTS)
def bench_part(benchmark: BenchmarkFixture, part: str, batch_size: int, name: str) -> None:
    parts = _parts(name, batch_size)
    before = list(parts)[: list(parts).index(part)]

    def prepare() -> None:
        for earlier in before:
            parts[earlier]()

    _label(benchmark, part, name, batch_size)
    benchmark.pedantic(parts[part], setup=prepare, rounds=ROUNDS, warmup_rounds=WARMUP_ROUNDS)


@pytest.mark.parametrize("name", AVAILABLE)
@pytest.mark.parametrize("batch_size", BATCH_SIZES)
def bench_step(benchmark: BenchmarkFixture, batch_size: int, name: str) -> None:
    parts = _parts(name, batch_size)

    def step() -> None:
        for run in parts.values():
            run()

    _label(benchmark, "step", name, batch_size)
    benchmark.pedantic(step, rounds=ROUNDS, warmup_rounds=WARMUP_ROUNDS)


@pytest.mark.parametrize("name", AVAILABLE)
@pytest.mark.parametrize("batch_size", BATCH_SIZES)
def bench_epoch(benchmark: BenchmarkFixture, batch_size: int, name: str) -> None:
    trainer, examples = _trainer(name, batch_size), _examples()
    order = order_of(_recipe(batch_size), len(examples.x), 0)
    _label(benchmark, f"epoch of {EPOCH_EXAMPLES} examples", name, batch_size)
    benchmark.pedantic(
        trainer.train_epoch, args=(examples.x, examples.t, order), rounds=EPOCH_ROUNDS, warmup_rounds=WARMUP_ROUNDS
    )
