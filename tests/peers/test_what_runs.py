"""What is compiled once: Python runs no part of a step of `jax`, and `keras` has one loop for any number of batches."""

from pathlib import Path

import numpy as np
import pytest

from backprop_bench.bench.core.implementations import named_implementation
from backprop_bench.data import Recipe, batch_order, initial_parameters
from tests.recipes import random_examples
from tests.watched import python_functions


@pytest.mark.slow
def test_the_second_epoch_of_jax_runs_what_the_first_one_compiled() -> None:
    pytest.importorskip("jax", reason="the peer needs JAX")
    from backprop_bench.peers import jax_trainer

    recipe = Recipe(layer_sizes=(6, 5, 3), batch_size=8)
    examples, order = random_examples(recipe, 21), batch_order(recipe, 21, 0)  # 8 + 8 + 5: the last batch is short
    trainer = named_implementation("jax").load()(recipe, initial_parameters(recipe))
    files = {Path(jax_trainer.__file__)}
    first, second = (
        python_functions(files, lambda: trainer.train_epoch(examples.x, examples.t, order)) for _ in range(2)
    )
    assert {"step", "train_batches", "train_batch", "loss_of", "forward"} <= first, "it is traced once"
    assert second == {"train_epoch", "_hold", "_compile"}


def test_keras_compiles_one_loop_for_all_numbers_of_batches() -> None:
    tensorflow = pytest.importorskip("tensorflow", reason="the peer needs Keras")
    recipe = Recipe(layer_sizes=(6, 5, 3), batch_size=2)
    examples = random_examples(recipe, 10)
    trainer = named_implementation("keras").load()(recipe, initial_parameters(recipe))
    x, t, batches = map(tensorflow.constant, (examples.x, examples.t, np.arange(10, dtype=np.int32).reshape(5, 2)))
    ask = [
        trainer.train_batches.experimental_get_compiler_ir(x, t, batches, tensorflow.constant(number))  # type: ignore[attr-defined]
        for number in (3, 4)
    ]
    three, four = (compiler_ir(stage="hlo") for compiler_ir in ask)
    assert three == four, (
        "the number of batches would be compiled in, and each new one in a block would be timed as well"
    )
