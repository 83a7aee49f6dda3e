"""`scratch-c` computes what `scratch-numpy` computes; what is wrong with the compiler is said in one sentence."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from backprop_bench.bench.core.implementations import named_implementation
from backprop_bench.data import DividesSteps, Recipe, UnsupportedRecipe, batch_order, initial_parameters
from backprop_bench.scratch import c_trainer
from backprop_bench.scratch.c_trainer import CTrainer, NotCompiledError, compiler, library
from backprop_bench.scratch.numpy_trainer import NumpyTrainer
from tests.agreement import assert_same
from tests.recipes import random_examples, recipes

N_EXAMPLES = 21  # 8 + 8 + 5: the last batch is short
SMALL = Recipe(layer_sizes=(12, 9, 7, 5), batch_size=8, dtype="float64")
needs_compiler = pytest.mark.skipif(not compiler(), reason="there is no C compiler")


@pytest.fixture
def nothing_compiled() -> Iterator[None]:
    library.cache_clear()
    yield
    library.cache_clear()


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@settings(max_examples=40, deadline=None)
@given(recipe=recipes())
def test_outputs_gradients_and_weights_are_those_of_numpy(dtype: str, recipe: Recipe) -> None:
    recipe = recipe.replace(dtype=dtype)
    assert_same(recipe, CTrainer, NumpyTrainer, random_examples(recipe, N_EXAMPLES), 30 if dtype == "float64" else 10)


@needs_compiler
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "rmsprop", "adam"])
def test_every_optimizer_trains_the_weights_of_numpy(optimizer: str, dtype: str) -> None:
    changes = {"optimizer": optimizer, "momentum": 0.9 if optimizer == "momentum" else 0.0, "weight_decay": 0.01}
    recipe = SMALL.replace(learning_rate=0.01, dtype=dtype, **changes)
    assert_same(recipe, CTrainer, NumpyTrainer, random_examples(recipe, N_EXAMPLES), 20 if dtype == "float64" else 5)


@needs_compiler
def test_the_parts_of_two_steps_are_two_steps_also_when_more_is_predicted_between_them() -> None:
    recipe = SMALL.replace(optimizer="adam", learning_rate=0.01)
    examples = random_examples(recipe, 300)
    whole, parts = (CTrainer(recipe, initial_parameters(recipe)) for _ in range(2))
    assert isinstance(parts, DividesSteps)
    step = parts.step_parts(examples.x, examples.t, np.arange(8))
    for _ in range(2):
        whole.train_epoch(examples.x, examples.t, np.arange(8))
        for part in step.values():
            part()
        outputs = parts.predict(examples.x)  # in arrays for more examples
    np.testing.assert_array_equal(whole.predict(examples.x), outputs)
    for one, other in zip(whole.parameters(), parts.parameters(), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one.arrays(), other.arrays(), strict=True))


@needs_compiler
def test_arrays_that_do_not_fit_are_an_error() -> None:
    examples = random_examples(SMALL, 4)
    trainer = CTrainer(SMALL, initial_parameters(SMALL))
    with pytest.raises(ValueError, match=r"expected float64 \(4, 12\) and \(4, 5\)"):
        trainer.train_epoch(examples.x.astype("float32"), examples.t, np.arange(4))
    with pytest.raises(ValueError, match=r"x and t are float64 \(4, 11\)"):
        trainer.gradients(examples.x[:, 1:], examples.t)
    for order in ([0, 4], [-1, 0]):
        for call in (trainer.train_epoch, trainer.step_parts):
            with pytest.raises(IndexError, match="of 4"):
                call(examples.x, examples.t, np.array(order))
    with pytest.raises(ValueError, match="expected float64"):
        trainer.step_parts(examples.x.astype("float32"), examples.t, np.arange(4))


@needs_compiler
def test_inputs_that_are_not_contiguous_are_read_as_what_they_are() -> None:
    examples, order = random_examples(SMALL, N_EXAMPLES), batch_order(SMALL, N_EXAMPLES, 0)
    one, other = (CTrainer(SMALL, initial_parameters(SMALL)) for _ in range(2))
    loss = one.train_epoch(examples.x, examples.t, order)
    narrow: Any = np.repeat(order, 2)[::2].astype(np.int32)
    assert other.train_epoch(np.asfortranarray(examples.x), examples.t, narrow) == loss


@needs_compiler
def test_conventions_are_refused_by_field() -> None:
    with pytest.raises(UnsupportedRecipe, match="scratch-c cannot do this recipe: nesterov"):
        CTrainer(SMALL.replace(optimizer="momentum", momentum=0.9, nesterov=True), initial_parameters(SMALL))


@pytest.mark.usefixtures("nothing_compiled")
def test_without_a_compiler_it_is_unavailable_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "/no/such/compiler")
    assert named_implementation("scratch-c").unavailable() == "needs a C compiler, and none is found; $CC may name one"
    with pytest.raises(NotCompiledError, match="there is no C compiler; \\$CC may name one"):
        library("float32")


def written_program(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@pytest.mark.skipif(os.name != "posix", reason="the compiler of this test is a shell script")
@pytest.mark.usefixtures("nothing_compiled")
def test_a_compiler_that_fails_is_named_with_what_it_says_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKPROP_BENCH_CACHE", str(tmp_path / "cache"))
    cc = written_program(tmp_path / "cc", "echo no space left >&2; exit 1")
    monkeypatch.setenv("CC", cc)
    with pytest.raises(NotCompiledError, match=f"{cc} cannot compile .*network.c: no space left"):
        library("float32")
    assert list((tmp_path / "cache" / "c").iterdir()) == []


@needs_compiler
@pytest.mark.usefixtures("nothing_compiled")
def test_what_is_compiled_is_kept_for_this_compiler_and_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKPROP_BENCH_CACHE", str(tmp_path))
    library("float32")
    (first,) = (tmp_path / "c").iterdir()
    library.cache_clear()
    monkeypatch.setattr(c_trainer, "_compile", nothing_is_compiled_again)
    library("float32")
    changed = tmp_path / "network.c"
    changed.write_bytes(c_trainer.SOURCE.read_bytes() + b"\n")
    monkeypatch.setattr(c_trainer, "SOURCE", changed)
    library.cache_clear()
    with pytest.raises(NotCompiledError, match="nothing is compiled again"):
        library("float32")
    assert first.is_file()


def nothing_is_compiled_again(*_: object) -> None:
    raise OSError("nothing is compiled again")


@needs_compiler
@pytest.mark.usefixtures("nothing_compiled")
@pytest.mark.parametrize("cache", ["damaged", "no folder"])
def test_it_trains_with_a_damaged_cache_and_without_one(
    cache: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKPROP_BENCH_CACHE", str(tmp_path / "cache"))
    if cache == "damaged":
        library("float64")
        (kept,) = (tmp_path / "cache" / "c").iterdir()
        kept.unlink()  # it stays loaded, so another file takes its place
        kept.write_bytes(b"half of it")
        library.cache_clear()
    else:
        (tmp_path / "cache").write_text("no folder can be made here")
    examples = random_examples(SMALL, N_EXAMPLES)
    trainer = CTrainer(SMALL, initial_parameters(SMALL))
    reference = NumpyTrainer(SMALL, initial_parameters(SMALL))
    losses = [each.train_epoch(examples.x, examples.t, np.arange(N_EXAMPLES)) for each in (trainer, reference)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-12)


@needs_compiler
def test_a_compiler_with_options_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    (name, *_) = compiler()
    monkeypatch.setenv("CC", f"{name} -O1")
    assert compiler() == (name, "-O1")
    assert named_implementation("scratch-c").unavailable() is None
