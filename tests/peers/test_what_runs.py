"""What Python runs of `jax` in an epoch: no part of the step, as the loop over the batches is compiled."""

from pathlib import Path

import pytest

from backprop_bench.bench.core.implementations import named_implementation
from backprop_bench.data import Recipe, batch_order, initial_parameters
from tests.recipes import random_examples
from tests.watched import python_functions

pytest.importorskip("jax", reason="the peer needs JAX")


@pytest.mark.slow
def test_the_second_epoch_of_jax_runs_what_the_first_one_compiled() -> None:
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
