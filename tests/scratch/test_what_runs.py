"""What Python runs of `scratch-compiled` in training: nothing, as all of it is machine code."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backprop_bench.bench.core.implementations import named_implementation
from backprop_bench.data import Floats, Recipe, batch_order, initial_parameters
from tests.recipes import random_examples
from tests.watched import python_functions

pytest.importorskip("numba", reason="scratch-compiled needs Numba")

N_EXAMPLES = 80  # 32 + 32 + 16: the last batch is short


@pytest.mark.slow
@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_whole_epoch_is_machine_code_in_every_thread(n_threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from backprop_bench.scratch import compiled, compiled_trainer

    monkeypatch.setattr(compiled_trainer, "THREADS", n_threads)
    recipe = Recipe(layer_sizes=(20, 64, 5), batch_size=32, dtype="float64")
    examples, order = random_examples(recipe, N_EXAMPLES), batch_order(recipe, N_EXAMPLES, 0)

    def train() -> None:
        trainer = named_implementation("scratch-compiled").load()(recipe, initial_parameters(recipe))
        assert isinstance(trainer, compiled_trainer.CompiledTrainer)
        assert trainer.network.n_shares == n_threads
        trainer.train_epoch(examples.x, examples.t, order)

    train()  # compiles
    own = {path for path in Path(compiled.__file__).parent.glob("*.py") if path.name != "layout.py"}
    assert python_functions(own, train) == set()
    assert "train_epoch" in python_functions({Path(compiled_trainer.__file__)}, train)


def test_threads_are_not_kept_waiting_for_each_other_by_python() -> None:
    from backprop_bench.scratch.compiled.training import train_share

    assert train_share.targetoptions["nogil"]  # type: ignore[attr-defined]


def total(x: Floats) -> Any:
    result = x[0]
    for number in range(1, len(x)):
        result += x[number]
    return result


def total_in_order(x: Floats) -> Any:  # a function of its own, for Numba keeps what it compiled by its name
    result = x[0]
    for number in range(1, len(x)):
        result += x[number]
    return result


@pytest.mark.slow
def test_sums_whose_order_does_not_matter_are_computed_in_several_lanes() -> None:
    from backprop_bench.scratch.compiled.jit import compiled, compiled_in_order

    x = np.ones(4096, np.float32)
    x[0], x[-1] = 1e9, -1e9
    assert compiled_in_order(total_in_order)(x) == 0.0, "each 1 is lost beside the large number"
    assert compiled(total)(x) >= 2000, "in most lanes no number is large"
