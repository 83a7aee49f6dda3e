"""`scratch-compiled` computes what `scratch-numpy` computes, with or without zeros, by every optimizer."""

import dataclasses
import math
import os
import platform
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from backprop_bench.data import (
    DividesSteps,
    Examples,
    Recipe,
    Trainer,
    batch_order,
    initial_parameters,
)
from backprop_bench.scratch.numpy_trainer import NumpyTrainer
from tests.agreement import assert_same
from tests.recipes import random_examples, recipes

numba = pytest.importorskip("numba", reason="scratch-compiled needs Numba")

N_EXAMPLES = 21  # 8 + 8 + 5: the last batch is short


@pytest.fixture(scope="module")
def compiled_trainer() -> type[Trainer]:
    from backprop_bench.scratch.compiled_trainer import CompiledTrainer

    return CompiledTrainer


def with_zeros(recipe: Recipe, share: float, n_examples: int = N_EXAMPLES) -> Examples:
    """Return random examples, such a share of whose inputs is zero; some zeros are negative ones."""
    drawn = random_examples(recipe, n_examples)
    rng = np.random.default_rng(recipe.seed)
    kept = np.where(rng.random(drawn.x.shape) >= share, 1.0, np.where(rng.random(drawn.x.shape) < 0.5, 0.0, -0.0))
    return Examples((drawn.x * kept).astype(recipe.dtype), drawn.t, drawn.y)


def with_few_zeros(recipe: Recipe, n_examples: int) -> Examples:
    """Return random examples, one in fifty of whose inputs is zero."""
    drawn = random_examples(recipe, n_examples)
    rng = np.random.default_rng(recipe.seed)
    x = np.where(rng.random(drawn.x.shape) < 0.02, 0, rng.uniform(0.01, 1, drawn.x.shape))
    return Examples(x.astype(recipe.dtype), drawn.t, drawn.y)


WIDE = Recipe(layer_sizes=(50, 37, 19, 5), hidden_activation="tanh", batch_size=8, dtype="float64", learning_rate=0.1)
OPTIMIZERS: dict[str, dict[str, object]] = {
    "sgd": {},
    "sgd with weight decay": {"weight_decay": 0.01},
    "momentum": {"optimizer": "momentum", "momentum": 0.9, "learning_rate": 0.02},
    "rmsprop": {"optimizer": "rmsprop", "learning_rate": 0.001},
    "adam": {"optimizer": "adam", "learning_rate": 0.002},
    "adam with weight decay": {"optimizer": "adam", "learning_rate": 0.002, "weight_decay": 0.01},
    "adam with weight decay of the weights alone": {
        "optimizer": "adam",
        "learning_rate": 0.002,
        "weight_decay": 0.01,
        "decay_biases": False,
    },
}
with_each_optimizer = pytest.mark.parametrize("changes", OPTIMIZERS.values(), ids=OPTIMIZERS)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@settings(max_examples=15, deadline=None)
@given(recipe=recipes(), zeros=st.sampled_from([0.0, 0.5, 1.0]))
@example(recipe=WIDE, zeros=0.5)
@example(recipe=WIDE.replace(hidden_activation="sigmoid", batch_size=None), zeros=0.8)
@example(recipe=WIDE.replace(layer_sizes=(300, 200, 150, 10)), zeros=0.8)
@example(recipe=WIDE.replace(layer_sizes=(230, 128, 10), hidden_activation="relu", batch_size=None), zeros=0.5)
@example(recipe=WIDE.replace(layer_sizes=(230, 128, 90, 10), **OPTIMIZERS["adam with weight decay"]), zeros=0.5)
@example(recipe=WIDE.replace(layer_sizes=(30, 700, 530, 10), **OPTIMIZERS["adam"]), zeros=0.5)
@example(recipe=WIDE.replace(layer_sizes=(230, 128, 90, 10), **OPTIMIZERS["momentum"], batch_size=1), zeros=0.5)
@example(recipe=WIDE.replace(layer_sizes=(230, 128, 90, 10), **OPTIMIZERS["rmsprop"], batch_size=None), zeros=0.0)
def test_outputs_gradients_and_weights_are_those_of_numpy(
    compiled_trainer: type[Trainer], dtype: str, recipe: Recipe, zeros: float
) -> None:
    recipe = recipe.replace(dtype=dtype)
    examples = with_zeros(recipe, zeros)
    assert_same(recipe, compiled_trainer, NumpyTrainer, examples, 30 if dtype == "float64" else 10)


@with_each_optimizer
@pytest.mark.parametrize("size", [64, 65, 130, None])
@pytest.mark.parametrize("inputs", [70, 1100])
def test_batches_of_more_examples_than_a_mask_has_bits_are_those_of_numpy_with_any_number_of_threads(
    compiled_trainer: type[Trainer],
    inputs: int,
    size: int | None,
    changes: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from backprop_bench.scratch import compiled_trainer as module

    n_examples = 64 + 130 + 3
    recipe = WIDE.replace(layer_sizes=(inputs, 37, 19, 5), batch_size=size, **changes)
    examples = with_zeros(recipe, 0.7, n_examples)
    found = []
    for make, threads in ((NumpyTrainer, 1), (compiled_trainer, 1), (compiled_trainer, 2), (compiled_trainer, 3)):
        monkeypatch.setattr(module, "THREADS", threads)
        trainer = make(recipe, initial_parameters(recipe))
        for epoch in range(3):
            trainer.train_epoch(examples.x, examples.t, batch_order(recipe, n_examples, epoch))
        found.append([array for layer in trainer.parameters() for array in layer.arrays()])
    expected, alone, *others = found
    assert all(np.allclose(a, b, rtol=0, atol=1e-13) for a, b in zip(expected, alone, strict=True))
    for arrays in others:
        assert all(np.array_equal(one, other) for one, other in zip(alone, arrays, strict=True))


@with_each_optimizer
@pytest.mark.parametrize("n_examples", [1, 20, 64, 130])
@pytest.mark.parametrize("few_zeros", [True, False])
def test_the_parts_of_two_steps_are_two_steps(
    compiled_trainer: type[Trainer], few_zeros: bool, n_examples: int, changes: dict[str, object]
) -> None:
    recipe = WIDE.replace(batch_size=None, **changes)
    examples = with_few_zeros(recipe, n_examples) if few_zeros else with_zeros(recipe, 0.5, n_examples)
    order = batch_order(recipe, n_examples, 0)
    whole, parts = (compiled_trainer(recipe, initial_parameters(recipe)) for _ in range(2))
    assert isinstance(parts, DividesSteps)
    for _ in range(2):
        whole.train_epoch(examples.x, examples.t, order)
        for part in parts.step_parts(examples.x, examples.t, order).values():
            part()
    for a, b in zip(whole.parameters(), parts.parameters(), strict=True):
        assert all(np.array_equal(one, other) for one, other in zip(a.arrays(), b.arrays(), strict=True))


def test_masks_are_transposed_bit_by_bit(compiled_trainer: type[Trainer]) -> None:
    del compiled_trainer  # that Numba is there
    from backprop_bench.scratch.compiled.layout import workspace_for
    from backprop_bench.scratch.compiled.masks import find_nonzeros, transpose_masks

    workspace = workspace_for(Recipe(layer_sizes=(150, 3, 2)), 70)
    nonzero = np.random.default_rng(0).random((70, 150)) < 0.3
    x = np.where(nonzero, np.nan, 0).astype("float32")  # a NaN is not zero
    find_nonzeros(x, np.arange(70), workspace)
    transpose_masks(6, 70, workspace)
    for i in range(150):
        mask = int(workspace.masks_by_input[i % 64, i // 64])
        assert [bool(mask >> row & 1) for row in range(64)] == nonzero[6:, i].tolist()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("sizes", [(150, 37, 19, 5), (200, 130, 10), (3, 1, 1, 1), (70, 6)])
@pytest.mark.parametrize("batch_size", [1, 8, 67])
@pytest.mark.parametrize("few_zeros", [True, False])
@pytest.mark.parametrize("changes", [OPTIMIZERS[name] for name in ("sgd", "momentum", "adam")])
def test_dense_and_sparse_inputs_train_the_weights_of_numpy_and_to_the_bit_the_same_in_pieces(
    compiled_trainer: type[Trainer],
    few_zeros: bool,
    batch_size: int,
    sizes: tuple[int, ...],
    bias: bool,
    dtype: str,
    changes: dict[str, object],
) -> None:
    recipe = WIDE.replace(
        layer_sizes=sizes,
        batch_size=batch_size,
        bias=bias,
        dtype=dtype,
        output_activation="sigmoid",
        loss="squared_error",
        **changes,
    )
    n_examples = 3 * batch_size + 20
    examples = with_few_zeros(recipe, n_examples) if few_zeros else with_zeros(recipe, 0.5, n_examples)
    order = batch_order(recipe, n_examples, 0)
    whole, pieces = (compiled_trainer(recipe, initial_parameters(recipe)) for _ in range(2))
    reference = NumpyTrainer(recipe, initial_parameters(recipe))
    losses = [trainer.train_epoch(examples.x, examples.t, order) for trainer in (whole, reference)]
    for start, end in ((0, batch_size), (batch_size, 3 * batch_size), (3 * batch_size, n_examples)):
        pieces.train_epoch(examples.x, examples.t, order[start:end])
    tolerance = 1e-12 if dtype == "float64" else (1e-5 if recipe.optimizer == "sgd" else 1e-4)
    assert losses[0] == pytest.approx(losses[1], rel=tolerance)
    for a, b, expected in zip(whole.parameters(), pieces.parameters(), reference.parameters(), strict=True):
        for one, other, known in zip(a.arrays(), b.arrays(), expected.arrays(), strict=True):
            assert np.array_equal(one, other)
            np.testing.assert_allclose(one, known, rtol=0, atol=tolerance)


def test_an_example_that_follows_itself_finds_the_weights_that_it_changed(compiled_trainer: type[Trainer]) -> None:
    recipe = WIDE.replace(batch_size=1)
    examples, order = with_few_zeros(recipe, 2), np.array([1, 1, 0, 0, 0])
    trainers = [make(recipe, initial_parameters(recipe)) for make in (compiled_trainer, NumpyTrainer)]
    for trainer in trainers:
        trainer.train_epoch(examples.x, examples.t, order)
    for found, expected in zip(*(trainer.parameters() for trainer in trainers), strict=True):
        np.testing.assert_allclose(found.weight, expected.weight, rtol=0, atol=1e-13)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("n_threads", [2, 8])
@settings(max_examples=8, deadline=None)
@given(recipe=recipes(), zeros=st.sampled_from([0.0, 0.5, 0.8, 1.0]))
@example(recipe=WIDE.replace(batch_size=10), zeros=0.5)  # the last batch is of one example
@example(recipe=WIDE, zeros=0.5)
@example(recipe=WIDE.replace(layer_sizes=(300, 200, 150, 10)), zeros=0.8)
@example(recipe=WIDE.replace(layer_sizes=(230, 128, 10), hidden_activation="relu", batch_size=None), zeros=0.5)
@example(recipe=WIDE.replace(layer_sizes=(230, 128, 90, 10), **OPTIMIZERS["adam with weight decay"]), zeros=0.5)
@example(recipe=WIDE.replace(layer_sizes=(230, 128, 90, 10), **OPTIMIZERS["momentum"], batch_size=1), zeros=0.5)
def test_weights_are_the_same_to_the_bit_however_many_threads_there_are(
    compiled_trainer: type[Trainer], n_threads: int, dtype: str, recipe: Recipe, zeros: float
) -> None:
    from backprop_bench.scratch import compiled_trainer as module

    recipe = recipe.replace(dtype=dtype)
    examples = with_zeros(recipe, zeros) if zeros else with_few_zeros(recipe, N_EXAMPLES)
    found = []
    for threads in (1, n_threads):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(module, "THREADS", threads)
            patched.setattr(module, "EXAMPLES_EACH", 1)
            trainer = compiled_trainer(recipe, initial_parameters(recipe))
            losses = [
                trainer.train_epoch(examples.x, examples.t, batch_order(recipe, N_EXAMPLES, epoch))
                for epoch in range(3)
            ]
            found.append((trainer.parameters(), losses))
    (alone, losses), (together, others) = found
    for a, b in zip(alone, together, strict=True):
        for one, other in zip(a.arrays(), b.arrays(), strict=True):
            assert np.array_equal(one, other, equal_nan=True)
    assert losses == pytest.approx(others, rel=1e-6, nan_ok=True)


def test_it_has_as_many_threads_as_numba_is_told_to_have_and_fewer_for_small_batches(
    compiled_trainer: type[Trainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    from backprop_bench.scratch import compiled_trainer as module

    monkeypatch.setattr(module, "THREADS", 3)
    started: list[int] = []

    class Counted(module.Threads):
        def __init__(self, n: int) -> None:
            started.append(n)
            super().__init__(n)

    monkeypatch.setattr(module, "Threads", Counted)
    for size in (47, 64, 31):
        recipe = WIDE.replace(batch_size=size)
        examples = with_zeros(recipe, 0.5, n_examples=130)
        compiled_trainer(recipe, initial_parameters(recipe)).train_epoch(examples.x, examples.t, np.arange(130))
    assert started == [2, 3], "none for 31 examples, of which no two threads would have 16 each"


def test_a_step_on_more_examples_than_a_batch_has_is_an_error(compiled_trainer: type[Trainer]) -> None:
    examples = random_examples(WIDE, 9)
    trainer = compiled_trainer(WIDE, initial_parameters(WIDE))
    assert isinstance(trainer, DividesSteps)
    with pytest.raises(ValueError, match="a step on 9 examples, expected at most the 8 of a batch"):
        trainer.step_parts(examples.x, examples.t, np.arange(9))


def test_the_exponential_is_right_to_two_units_in_the_last_place_and_keeps_infinity_and_nan() -> None:
    from backprop_bench.scratch.compiled.functions import exp_in_place

    drawn = [np.linspace(-87, 88, 200_001), np.random.default_rng(0).normal(0, 1, 100_000)]
    x = np.concatenate(drawn).astype("float32")
    found = x.copy()
    exp_in_place(found)
    exact = np.exp(x.astype(np.float64))
    assert (np.abs(found - exact) / exact).max() < 2 * np.finfo("float32").eps
    edge = np.array([math.inf, -math.inf, math.nan, 200.0, -200.0, 0.0], "float32")
    exp_in_place(edge)
    assert edge[0] == edge[3] == math.inf
    assert math.isnan(edge[2])
    assert edge[5] == 1
    assert 0 <= edge[1] < 1e-37
    assert 0 <= edge[4] < 1e-37


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="other processors have no MXCSR")
@pytest.mark.parametrize("n_threads", [1, 2])
def test_subnormal_numbers_count_as_0_while_it_trains_and_only_there(
    compiled_trainer: type[Trainer], n_threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from backprop_bench.scratch import compiled_trainer as module

    monkeypatch.setattr(module, "THREADS", n_threads)
    monkeypatch.setattr(module, "EXAMPLES_EACH", 1)
    recipe = Recipe(layer_sizes=(2, 1, 1), output_activation="identity", loss="squared_error", batch_size=2, bias=False)
    examples = Examples(np.ones((2, 2), "float32"), np.full((2, 1), 1e-39, "float32"), np.zeros(2, np.uint8))
    start = tuple(
        dataclasses.replace(layer, weight=np.zeros_like(layer.weight)) for layer in initial_parameters(recipe)
    )
    changes = []
    for trainer in (compiled_trainer(recipe, start), NumpyTrainer(recipe, start)):
        trainer.train_epoch(examples.x, examples.t, np.arange(2))
        changes.append(float(trainer.parameters()[1].weight[0, 0]))
    assert changes[0] == 0
    assert 0 < changes[1] < np.finfo("float32").tiny
    tiny = np.full(4, 1e-30, "float32")
    assert np.all(tiny * np.float32(1e-10) > 0), "the thread of the caller has them again"


def test_a_training_that_diverges_is_seen_by_its_loss(compiled_trainer: type[Trainer]) -> None:
    recipe = Recipe(
        layer_sizes=(5, 4, 3), output_activation="identity", loss="squared_error", learning_rate=1e6, batch_size=4
    )
    examples = random_examples(recipe, 20)
    trainer = compiled_trainer(recipe, initial_parameters(recipe))
    losses = [trainer.train_epoch(examples.x, examples.t, batch_order(recipe, 20, epoch)) for epoch in range(20)]
    assert not math.isfinite(losses[-1])


def test_examples_may_come_more_than_once_in_a_batch(compiled_trainer: type[Trainer]) -> None:
    recipe = WIDE.replace(batch_size=None)
    examples = with_zeros(recipe, 0.0, n_examples=12)
    order = np.tile(np.arange(12), 9)
    a, b = (trainer(recipe, initial_parameters(recipe)) for trainer in (compiled_trainer, NumpyTrainer))
    losses = [trainer.train_epoch(examples.x, examples.t, order) for trainer in (a, b)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-12)
    for found, expected in zip(a.parameters(), b.parameters(), strict=True):
        assert np.allclose(found.weight, expected.weight, rtol=0, atol=1e-12)


def test_arrays_of_another_shape_are_an_error(compiled_trainer: type[Trainer]) -> None:
    recipe = Recipe(layer_sizes=(3, 2, 2), batch_size=2)
    examples = random_examples(recipe, 4)
    trainer = compiled_trainer(recipe, initial_parameters(recipe))
    with pytest.raises(ValueError, match=r"expected \(4, 3\) and \(4, 2\)"):
        trainer.train_epoch(examples.x[:, :2], examples.t, np.arange(4))
    with pytest.raises(ValueError, match="shapes"):
        trainer.gradients(examples.x, examples.t[:2])


def test_examples_that_do_not_exist_are_an_error_rather_than_others(compiled_trainer: type[Trainer]) -> None:
    recipe = Recipe(layer_sizes=(3, 2, 2), batch_size=2)
    examples = random_examples(recipe, 4)
    trainer = compiled_trainer(recipe, initial_parameters(recipe))
    for order in ([0, 4], [-1, 0]):
        with pytest.raises(IndexError, match="of 4"):
            trainer.train_epoch(examples.x, examples.t, np.array(order))


def test_an_epoch_takes_no_array_of_its_own_once_there_was_one(compiled_trainer: type[Trainer]) -> None:
    recipe = Recipe(layer_sizes=(300, 400, 10))
    examples = random_examples(recipe, 2 * 64 + 40)
    trainer = compiled_trainer(recipe, initial_parameters(recipe))
    order = batch_order(recipe, len(examples.x), 0)
    trainer.train_epoch(examples.x, examples.t, order)
    tracemalloc.start()
    trainer.train_epoch(examples.x, examples.t, order)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16_384


PROGRAM = """
from backprop_bench.bench.verify.checks import compare_gradients, compare_outputs, compare_training
from backprop_bench.data import Recipe
from backprop_bench.scratch.compiled.vectors import HAS_AVX512
from backprop_bench.scratch.compiled_trainer import CompiledTrainer
from backprop_bench.scratch.numpy_trainer import NumpyTrainer
from tests.recipes import random_examples
assert not HAS_AVX512
recipe = Recipe(layer_sizes=(50, 70, 5), batch_size=8)
examples = random_examples(recipe, 21)
for compare in (compare_outputs, compare_gradients, lambda *given: compare_training(*given, 10)):
    agreement = compare(recipe, CompiledTrainer, NumpyTrainer, examples)
    assert agreement.passed, agreement
print("agrees")
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="it is told to compile for an older x86")
def test_it_computes_the_same_for_a_processor_with_narrower_registers(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    path = os.pathsep.join(map(str, (root, root / "src")))
    told = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "", "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": path}
    run = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(run, capture_output=True, text=True, check=False, env={**os.environ, **told}, cwd=root)
    assert done.stdout.strip() == "agrees", done.stderr
