"""Each kernel of `scratch-compiled` computes what its naive version in NumPy computes."""

import concurrent.futures
import copy
import dataclasses
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backprop_bench.data import Floats, Order, Recipe, initial_parameters
from tests.recipes import random_examples

numba = pytest.importorskip("numba", reason="scratch-compiled needs Numba")

from backprop_bench.scratch.compiled import (  # noqa: E402
    functions,
    gradients,
    layers,
    masks,
    naive,
    products,
    threads,
    update,
    vectors,
)
from backprop_bench.scratch.compiled.functions import activate  # noqa: E402
from backprop_bench.scratch.compiled.jit import SOURCES, CacheFile, digest_of  # noqa: E402
from backprop_bench.scratch.compiled.layout import network_of, rounded_up, workspace_for  # noqa: E402
from backprop_bench.scratch.compiled.network import (  # noqa: E402
    Network,
    Workspace,
    units_of_share,
    weights_above,
    weights_of_share,
)

N_ROWS = 70
"""Examples from which those of a batch are drawn."""
TOLERANCE = {"float32": 1e-4, "float64": 1e-12}
"""Of the largest number; sums have up to 200 terms."""
COMPOSED = {
    *("forward", "forward_above", "backward", "loss_and_dz"),
    *("add_gradient", "add_gradient_of_others", "update_by_gradient"),
    *("update_first", "update_above", "update_bias", "update_rows", "units_of_bias"),
    *("rows_at_once", "gradient_of_rows"),
    *("update", "update_share", "update_part"),
}
"""What calls other kernels only: tests of the trainer compare it with `scratch-numpy`."""
WORDS = st.integers(0, 2**64 - 1)


@dataclasses.dataclass(frozen=True)
class Batch:
    """A network and examples in the layout of the kernels; some inputs are zero, and examples come more than once."""

    recipe: Recipe
    x: Floats
    t: Floats
    examples: Order
    network: Network
    workspace: Workspace
    rng: np.random.Generator

    def number(self, value: float) -> Any:
        """Return a number in the dtype of the recipe."""
        return np.dtype(self.recipe.dtype).type(value)

    def normal(self, *shape: int) -> Floats:
        """Return random numbers."""
        return self.rng.normal(0, 2, shape).astype(self.recipe.dtype)

    def rows(self, layer: int) -> Floats:
        """Return random numbers [B, P] for the units of a layer, and 0 where there are none."""
        width = self.recipe.layer_sizes[layer + 1]
        rows = np.zeros((len(self.examples), rounded_up(width)), self.recipe.dtype)
        rows[:, :width] = self.normal(len(self.examples), width)
        return rows


def batch_of(recipe: Recipe, n_examples: int, n_shares: int, *, keeps_zeros: bool = True) -> Batch:
    rng = np.random.default_rng(recipe.seed)
    drawn = random_examples(recipe, N_ROWS)
    x = drawn.x if keeps_zeros else np.where(rng.random(drawn.x.shape) < 0.05, 0, drawn.x + 0.01).astype(recipe.dtype)
    n_vectors = rounded_up(recipe.layer_sizes[1]) // vectors.LANES
    parts = network_of(recipe, initial_parameters(recipe), min(n_shares, n_vectors))
    workspace, examples = workspace_for(recipe, n_examples), rng.integers(0, N_ROWS, n_examples)
    naive.find_nonzeros(x, examples, workspace)
    naive.transpose_masks(0, n_examples, workspace)
    return Batch(recipe, x, drawn.t, examples, parts, workspace, rng)


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    sizes = draw(st.tuples(st.integers(1, 200), st.integers(1, 140), st.integers(2, 40)))
    recipe = Recipe(layer_sizes=sizes, dtype=draw(st.sampled_from(list(TOLERANCE))), seed=draw(st.integers(0, 1000)))
    return batch_of(recipe, draw(st.integers(1, 64)), draw(st.integers(1, 3)), keeps_zeros=draw(st.booleans()))


def assert_close(actual: object, expected: object) -> None:
    """Assert that arrays, or tuples of them, agree within rounding, relative to the largest number."""
    if isinstance(actual, tuple) and isinstance(expected, tuple):
        for one, other in zip(actual, expected, strict=True):
            assert_close(one, other)
        return
    a, b = np.asarray(actual), np.asarray(expected)
    assert a.dtype == b.dtype
    if a.dtype.kind == "f":
        largest = max(1.0, float(np.abs(b).max(initial=0)))
        np.testing.assert_allclose(a, b, rtol=0, atol=TOLERANCE[a.dtype.name] * largest)
    else:
        np.testing.assert_array_equal(a, b)


def assert_same(kernel: Callable[..., Any], name: str, args: tuple[Any, ...], *changed: int) -> None:
    """Assert that a kernel returns what its naive version returns, and leaves the same in what it changes.

    ``changed`` are numbers of arguments.
    """
    fast_args, naive_args = copy.deepcopy(args), copy.deepcopy(args)
    fast, slow = kernel(*fast_args), getattr(naive, name)(*naive_args)
    assert fast is slow is None or fast == pytest.approx(slow, rel=1e-4, abs=1e-4)
    for number in changed:
        assert_close(fast_args[number], naive_args[number])


def kernels_of(module: Any) -> set[str]:
    """Return the names of the compiled functions that a module defines."""
    dispatcher = type(functions.activate)
    return {
        name
        for name, value in vars(module).items()
        if isinstance(value, dispatcher) and value.__module__ == module.__name__
    }


KERNELS = {
    name: getattr(module, name) for module in (products, layers, gradients, update) for name in kernels_of(module)
}
"""The compiled functions that work on batches, layers and weights."""


def from_python(intrinsic: Any) -> Callable[..., Any]:
    """Return a function that calls an intrinsic, which only compiled code can."""
    called: Callable[..., Any] = numba.njit(lambda *args: intrinsic(*args))
    return called


INTRINSICS = {
    name: from_python(intrinsic)
    for name, intrinsic in {
        "add_rows": vectors.add_rows,
        "add_rows_to_several": vectors.add_rows_to_several,
        "transpose_square": vectors.transpose_square,
        "add_inputs": masks.add_inputs,
        "add_examples": masks.add_examples,
        "add_inputs_to_several": masks.add_inputs_to_several,
        "add_examples_to_several": masks.add_examples_to_several,
        "change_and_add_inputs": masks.change_and_add_inputs,
        "n_bits": masks.n_bits,
        "mask_of_word": masks.mask_of_word,
        "lowest_bit": masks.lowest_bit,
        "exchange_bits": masks.exchange_bits,
        "power_of_two": functions.power_of_two,
    }.items()
}


@pytest.mark.parametrize("dtype", list(TOLERANCE))
@settings(max_examples=30, deadline=None)
@given(
    n_vectors=st.integers(1, 19), n_rows=st.integers(0, 9), first=st.integers(0, 3), mask=WORDS, seed=st.integers(0, 99)
)
def test_sums_of_rows_are_those_of_numpy(
    dtype: str, n_vectors: int, n_rows: int, first: int, mask: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    length, stride = n_vectors * vectors.LANES, n_vectors * vectors.LANES + first
    sizes = vectors.OUTS * stride + 2, 70 * stride, 160, length
    out, rows, x, changes = (rng.normal(size=n).astype(dtype) for n in sizes)
    starts = rng.integers(0, 70, 70)
    common = out, 2, np.dtype(dtype).type(-0.3), rows, first, stride, length, x
    for name in ("add_rows", "add_rows_to_several"):
        assert_same(INTRINSICS[name], name, (*common, 5, n_rows, 7, stride, 3), 0)
    for name in ("add_inputs", "add_examples", "add_inputs_to_several", "add_examples_to_several"):
        assert_same(INTRINSICS[name], name, (*common, 5, starts, np.uint64(mask), 3, stride), 0)
    args = (*common, 5, 11, changes, np.uint64(mask), 3)
    assert_same(INTRINSICS["change_and_add_inputs"], "change_and_add_inputs", args, 0, 3)


@pytest.mark.parametrize("dtype", list(TOLERANCE))
@settings(max_examples=30, deadline=None)
@given(mask=WORDS)
def test_a_mask_has_a_bit_for_each_input_that_is_not_zero(dtype: str, mask: int) -> None:
    x = np.zeros(masks.WORD + 3, dtype)
    x[3:] = [[0.0, np.nan][mask >> bit & 1] for bit in range(masks.WORD)]  # a NaN is not zero
    assert INTRINSICS["mask_of_word"](x, 3) == naive.mask_of_word(x, 3) == mask
    assert INTRINSICS["n_bits"](np.uint64(mask)) == naive.n_bits(mask)
    if mask:
        assert INTRINSICS["lowest_bit"](np.uint64(mask)) == naive.lowest_bit(mask)


@settings(max_examples=30, deadline=None)
@given(
    words=st.lists(WORDS, min_size=32, max_size=32),
    distance_and_bits=st.sampled_from([(32, 0xFFFFFFFF), (16, 0x0000FFFF0000FFFF), (1, 0x5555555555555555)]),
)
def test_bits_are_exchanged_as_one_by_one(words: list[int], distance_and_bits: tuple[int, int]) -> None:
    distance, low_bits = distance_and_bits
    args = np.array(words, np.uint64), 0, 16, np.uint64(distance), np.uint64(low_bits)
    assert_same(INTRINSICS["exchange_bits"], "exchange_bits", args, 0)


@pytest.mark.parametrize("exponent", [-126, -1, 0, 1, 127])
def test_powers_of_two_are_exact(exponent: int) -> None:
    assert INTRINSICS["power_of_two"](np.int32(exponent)) == naive.power_of_two(exponent)


@settings(max_examples=30, deadline=None)
@given(batch=batches())
def test_masks_of_a_batch_and_their_transpose_are_those_found_bit_by_bit(batch: Batch) -> None:
    empty = workspace_for(batch.recipe, len(batch.examples))
    masks.find_nonzeros(batch.x, batch.examples, empty)
    masks.transpose_masks(0, len(batch.examples), empty)
    for name in ("starts", "masks", "masks_by_input"):
        assert_close(getattr(empty, name), getattr(batch.workspace, name))


def function_calls(batch: Batch) -> dict[str, list[tuple[tuple[Any, ...], tuple[int, ...]]]]:
    """Return arguments for each kernel of functions.py, and the numbers of those that it changes."""
    n_hidden = batch.recipe.layer_sizes[1]
    hidden, output, dz = batch.rows(0), batch.rows(1), np.ones_like(batch.rows(1))
    kinds = functions.SIGMOID, functions.TANH, functions.RELU, functions.IDENTITY
    losses = output, batch.t, batch.examples, dz
    return {
        "exp_in_place": [((batch.normal(37),), (0,))],
        "sigmoid_in_place": [((batch.normal(37),), (0,))],
        "clear_padding": [((np.ones_like(hidden), n_hidden), (0,))],
        "activate": [((kind, hidden, n_hidden), (1,)) for kind in kinds],
        "times_derivative": [((kind, batch.rows(0), hidden), (1,)) for kind in kinds],
        "softmax_loss": [(losses, (3,))],
        "sigmoid_loss": [(losses, (3,))],
        "squared_loss": [((kind, *losses), (1, 4)) for kind in kinds],
    }


def layer_calls(batch: Batch) -> dict[str, list[tuple[tuple[Any, ...], tuple[int, ...]]]]:
    """Return arguments for each kernel of layers, products and gradients, and the numbers of those that it changes."""
    n_hidden, n_classes = batch.recipe.layer_sizes[1:]
    parts, workspace, scale = batch.network, batch.workspace, batch.number(-0.3)
    above, b = weights_above(1, parts), batch.rows(1)[0]
    y, dz, output_dz = batch.rows(0), batch.rows(0), batch.rows(1)
    last = parts.n_shares - 1
    low, high = units_of_share(last, parts)
    first = weights_of_share(last, parts)
    return {
        "add_product": [product_call(batch, n) for n in (1, 7, 70)],
        "transpose": [((above, np.ones((above.shape[1], output_dz.shape[1]), above.dtype)), (1,))],
        "layer_of_many": [((y, above, b, np.ones_like(output_dz), workspace), (3,))],
        "layer_of_few": [((y, above, b, np.ones_like(output_dz)), (3,))],
        "back_to_layer": [((output_dz, above, np.ones_like(y)), (2,))],
        "add_first": [
            ((low, begin, batch.x, workspace.starts, dz, scale, first[begin:end], workspace), (6,))
            for begin, end in ((0, len(first)), (len(first) // 2 // vectors.OUTS * vectors.OUTS, len(first)))
        ],
        "add_first_of_one": [((low, 0, batch.x, dz[:1], scale, first, workspace), (5,))],
        "add_above": [((n_classes // 3, y, output_dz, scale, above[n_classes // 3 :]), (4,))],
        "add_bias": [((low, high, dz, scale, batch.normal(rounded_up(n_hidden)), workspace), (4,))],
    }


def product_call(batch: Batch, n_rows: int) -> tuple[tuple[Any, ...], tuple[int, ...]]:
    """Return arguments for a matrix product with so many rows, and the number of the one that it changes."""
    rows, out = batch.normal(n_rows, rounded_up(batch.recipe.layer_sizes[1])), batch.rows(0)
    x = batch.normal(3 + len(out) * 5 + n_rows * 2)
    return (batch.number(-0.3), x, 3, 5, 2, rows, out), (6,)


def update_calls(batch: Batch) -> dict[str, list[tuple[tuple[Any, ...], tuple[int, ...]]]]:
    """Return arguments for each optimizer, and the numbers of those that it changes."""
    w, dw, first, second = batch.normal(50), batch.normal(50), batch.normal(50), np.abs(batch.normal(50))
    dw[::3] = 0
    decay, rate, keep, add, epsilon = map(batch.number, (0.01, 0.1, 0.9, 0.1, 1e-3))
    keeps, adds, factor = (keep, batch.number(0.99)), (add, batch.number(0.01)), batch.number(2.5)
    return {
        "descend": [((w, dw, decay, rate), (0, 1))],
        "descend_with_momentum": [((w, dw, first, decay, rate, keep, ahead), (0, 1, 2)) for ahead in (False, True)],
        "rmsprop": [((w, dw, second, decay, rate, keep, add, epsilon), (0, 1, 2))],
        "adam": [((w, dw, first, second, decay, rate, keeps, adds, factor, epsilon), (0, 1, 2, 3))],
    }


@settings(max_examples=30, deadline=None)
@given(batch=batches())
def test_activations_and_losses_are_those_of_numpy(batch: Batch) -> None:
    for name, calls in function_calls(batch).items():
        for args, changed in calls:
            assert_same(getattr(functions, name), name, args, *changed)


@settings(max_examples=30, deadline=None)
@given(batch=batches())
def test_layers_go_forward_and_back_and_are_changed_as_in_numpy(batch: Batch) -> None:
    for name, calls in layer_calls(batch).items():
        for args, changed in calls:
            assert_same(KERNELS[name], name, args, *changed)


@settings(max_examples=30, deadline=None)
@given(batch=batches())
def test_optimizers_are_those_of_numpy(batch: Batch) -> None:
    for name, calls in update_calls(batch).items():
        for args, changed in calls:
            assert_same(KERNELS[name], name, args, *changed)


@pytest.mark.parametrize("dtype", list(TOLERANCE))
def test_a_square_is_transposed_number_by_number(dtype: str) -> None:
    side = vectors.LINE_BYTES // np.dtype(dtype).itemsize
    rows, out = np.arange(2 + side * (side + 3)).astype(dtype), np.zeros(5 + side * (side + 1), dtype)
    assert_same(INTRINSICS["transpose_square"], "transpose_square", (rows, 2, side + 3, out, 5, side + 1), 3)


@settings(max_examples=30, deadline=None)
@given(batch=batches())
def test_each_share_of_the_first_layer_is_that_of_numpy(batch: Batch) -> None:
    n_examples, following = len(batch.examples), batch.examples[:3]
    batch.network.biases[:] = batch.normal(len(batch.network.biases))
    fast, slow = copy.deepcopy(batch.workspace), copy.deepcopy(batch.workspace)
    for share in range(batch.network.n_shares):
        layers.first_layer(share, n_examples, batch.x, following, batch.network, fast)
        naive.first_layer(share, n_examples, batch.x, following, batch.network, slow)
    assert_close(fast.y, slow.y)


@settings(max_examples=30, deadline=None)
@given(recipe=batches().map(lambda batch: batch.recipe), keeps_zeros=st.booleans())
def test_weights_that_change_as_the_next_example_passes_are_those_that_it_finds(
    recipe: Recipe, keeps_zeros: bool
) -> None:
    batch = batch_of(recipe, 2, 1, keeps_zeros=keeps_zeros)
    weights, dz = weights_of_share(0, batch.network), batch.rows(0)[:1]
    args = batch.x, batch.examples[:1], dz, batch.number(-0.3), batch.normal(dz.shape[1]), np.ones_like(dz), weights
    assert_same(gradients.add_first_and_go_on, "add_first_and_go_on", (*args, batch.workspace), 5, 6)


def test_every_kernel_has_a_naive_version_that_is_compared() -> None:
    batch = batch_of(Recipe(layer_sizes=(5, 4, 3)), 3, 1)
    assert kernels_of(functions) - {"exp_float32"} == set(function_calls(batch)), "that one is in exp_in_place"
    of_layers = {*layer_calls(batch), "first_layer", "add_first_and_go_on"}
    assert KERNELS.keys() == of_layers | update_calls(batch).keys() | COMPOSED
    assert kernels_of(masks) - {"words_of", "lowest_bits", "has_few_zeros"} == {"find_nonzeros", "transpose_masks"}
    compared = {*function_calls(batch), *layer_calls(batch), *update_calls(batch), *INTRINSICS}
    assert all(callable(getattr(naive, name)) for name in compared)


@pytest.mark.parametrize("n_threads", [1, 3])
def test_no_thread_passes_the_barrier_before_all_are_there(n_threads: int) -> None:
    n_rounds = 50
    arrived, rounds = np.zeros(1, np.int64), np.zeros(n_threads, np.int64)

    def run(thread: int) -> list[int]:
        slowest = []
        for number in range(1, n_rounds + 1):
            rounds[thread] = number
            threads.wait_at_barrier(arrived, n_threads)
            slowest.append(int(rounds.min()))
        return slowest

    threads.wait_at_barrier(np.zeros(1, np.int64), 1)  # it is compiled before threads need it
    with concurrent.futures.ThreadPoolExecutor(n_threads) as pool:
        for slowest in pool.map(run, range(n_threads)):
            assert all(seen >= number for number, seen in enumerate(slowest, start=1))


def test_compiled_code_on_disk_is_out_of_date_when_any_file_of_the_package_changes(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("a = 1")
    (tmp_path / "two.py").write_text("b = 2")
    before = digest_of(tmp_path)
    (tmp_path / "two.py").write_text("b = 3")
    assert digest_of(tmp_path) != before
    for name in kernels_of(layers):
        assert getattr(layers, name).__qualname__ == f"{name}_{SOURCES}", "its files in the cache have that name"


class Slow(CacheFile):
    """Waits between reading which entries there are and naming one, as another process may come between."""

    def _load_index(self) -> Any:
        index = super()._load_index()  # type: ignore[no-untyped-call]
        time.sleep(0.2)
        return index


def test_two_that_write_to_the_cache_at_once_do_not_get_each_others_entries(tmp_path: Path) -> None:
    def save(key: str) -> None:
        writer: CacheFile = Slow(str(tmp_path), "kernel", "stamp")  # type: ignore[no-untyped-call]
        writer.save(key, f"code for {key}")

    writers = [threading.Thread(target=save, args=(key,)) for key in ("float32", "float64", "both")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    read: Any = CacheFile(str(tmp_path), "kernel", "stamp")  # type: ignore[no-untyped-call]
    assert {key: read.load(key) for key in ("float32", "float64", "both")} == {
        "float32": "code for float32",
        "float64": "code for float64",
        "both": "code for both",
    }


def test_every_kernel_has_such_a_cache() -> None:
    dispatcher: Any = activate
    assert isinstance(dispatcher._cache._cache_file, CacheFile)
