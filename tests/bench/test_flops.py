"""The count of work: against torch's own counter, against the reference as it runs, and on paper."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from backprop_bench.bench.core.stats.flops import Work, epoch_work, step_work
from backprop_bench.data import Floats, Layer, Recipe, initial_parameters
from backprop_bench.scratch.numpy_trainer import NumpyTrainer
from backprop_bench.torch_impl.model import Perceptron, loss_of
from tests.recipes import PAIRS, random_examples, recipes

DEPTHS = [(5, 3), (7, 6, 3), (9, 4, 8, 2), (6, 5, 4, 3, 2)]


def torch_flops(recipe: Recipe, batch_size: int) -> int:
    examples = random_examples(recipe, batch_size)
    model = Perceptron(recipe)
    with FlopCounterMode(display=False) as counter:
        loss_of(recipe, model(torch.from_numpy(examples.x)), torch.from_numpy(examples.t)).backward()  # type: ignore[no-untyped-call]
    return int(counter.get_total_flops())


@pytest.mark.parametrize("layer_sizes", DEPTHS)
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("batch_size", [1, 2, 64])
@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_torch_counts_the_same_matrix_products(
    layer_sizes: tuple[int, ...], bias: bool, batch_size: int, output: str, loss: str
) -> None:
    recipe = Recipe.from_dict(
        {"layer_sizes": layer_sizes, "bias": bias, "batch_size": batch_size, "output_activation": output, "loss": loss}
    )
    assert step_work(recipe).gemm_flops == torch_flops(recipe, batch_size)


def test_torch_counts_matrix_products_only_and_a_product_with_a_bias_without_it() -> None:
    x, weight, bias = torch.ones(2, 3), torch.ones(3, 5), torch.ones(5)
    with FlopCounterMode(display=False) as counter:
        torch.addmm(bias, x, weight).sigmoid().sum(dim=0)
    assert counter.get_total_flops() == 2 * 2 * 3 * 5


class Counted(np.ndarray[Any, np.dtype[Any]]):
    """An array that counts the operations of whatever is computed from it."""

    elementwise = 0
    gemm = 0

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if ufunc is np.matmul:
            Counted.gemm += 2 * inputs[0].shape[0] * inputs[0].shape[1] * inputs[1].shape[1]
        else:
            Counted.elementwise += max(map(np.size, inputs))  # of a sum, too
        out = options.pop("out", None)
        if out is not None and out[0] is not None:
            options["out"] = tuple(map(np.asarray, out))
            getattr(ufunc, method)(*map(np.asarray, inputs), **options)
            return out[0]
        return np.asarray(getattr(ufunc, method)(*map(np.asarray, inputs), **options)).view(Counted)


def counted(array: Floats | None) -> Any:
    return None if array is None else array.view(Counted)


@settings(max_examples=100, deadline=None)
@given(recipes(), st.integers(1, 9))
def test_the_reference_computes_what_is_counted(recipe: Recipe, batch_size: int) -> None:
    layers = tuple(Layer(counted(layer.weight), counted(layer.bias)) for layer in initial_parameters(recipe))
    trainer, examples = NumpyTrainer(recipe, layers), random_examples(recipe, batch_size)
    Counted.elementwise = Counted.gemm = 0
    trainer.update(trainer.backward(trainer.forward(counted(examples.x)), counted(examples.t)))

    needless = 0  # per output and example
    if recipe.loss == "squared_error":
        needless += recipe.reduction == "mean"  # dE/dy is divided by B beside dE/dz
        needless += recipe.output_activation == "identity"  # dE/dy is multiplied by the derivative, 1
    work = step_work(recipe, batch_size)
    assert Counted.gemm == work.gemm_flops
    assert Counted.elementwise == work.elementwise_flops + batch_size * recipe.layer_sizes[-1] * needless


BASE = Recipe(layer_sizes=(3, 2), batch_size=5, bias=False, optimizer="sgd", reduction="sum")
GEMM = 2 * 5 * 3 * 2 * 2  # two products: z and dE/dW
OUTPUT = 5 * 2 * (5 + 1)  # softmax, y − t


@pytest.mark.parametrize(
    ("changes", "gemm", "elementwise"),
    [
        ({}, GEMM, OUTPUT + 6 * 2),
        ({"reduction": "mean"}, GEMM, OUTPUT + 5 * 2 + 6 * 2),
        ({"bias": True}, GEMM, OUTPUT + 5 * 2 * 2 + 8 * 2),
        ({"optimizer": "momentum"}, GEMM, OUTPUT + 6 * 4),
        ({"optimizer": "rmsprop"}, GEMM, OUTPUT + 6 * 9),
        ({"optimizer": "adam", "weight_decay": 0.1}, GEMM, OUTPUT + 6 * (14 + 2)),
        ({"output_activation": "sigmoid", "loss": "squared_error"}, GEMM, 5 * 2 * (4 + 1 + 3) + 6 * 2),
        ({"output_activation": "identity", "loss": "squared_error"}, GEMM, 5 * 2 * 1 + 6 * 2),
        (
            {"layer_sizes": (3, 4, 2), "hidden_activation": "tanh"},
            2 * 5 * (2 * 3 * 4 + 3 * 4 * 2),  # dE/dy of the hidden units as well
            5 * 4 * (1 + 3) + OUTPUT + 20 * 2,
        ),
        (
            {"layer_sizes": (3, 4, 2), "hidden_activation": "relu"},
            2 * 5 * (2 * 3 * 4 + 3 * 4 * 2),
            5 * 4 * (1 + 2) + OUTPUT + 20 * 2,
        ),
    ],
)
def test_operations_counted_on_paper(changes: dict[str, Any], gemm: int, elementwise: int) -> None:
    work = step_work(BASE.replace(**changes))
    assert (work.gemm_flops, work.elementwise_flops, work.flops) == (gemm, elementwise, gemm + elementwise)


@pytest.mark.parametrize(
    ("changes", "read", "written"),
    [
        ({}, 4 * (5 * 3 + 5 * 2 + 6), 4 * 6),
        ({"bias": True}, 4 * (5 * 3 + 5 * 2 + 6 + 2), 4 * (6 + 2)),
        ({"dtype": "float64"}, 8 * (5 * 3 + 5 * 2 + 6), 8 * 6),
        ({"optimizer": "momentum"}, 4 * (5 * 3 + 5 * 2 + 6 + 6), 4 * (6 + 6)),
        ({"optimizer": "rmsprop"}, 4 * (5 * 3 + 5 * 2 + 6 + 6), 4 * (6 + 6)),
        ({"optimizer": "adam"}, 4 * (5 * 3 + 5 * 2 + 6 + 12), 4 * (6 + 12)),
        ({"layer_sizes": (3, 4, 2)}, 4 * (5 * 3 + 5 * 2 + 12 + 8), 4 * (12 + 8)),
    ],
)
def test_bytes_counted_on_paper(changes: dict[str, Any], read: int, written: int) -> None:
    work = step_work(BASE.replace(**changes))
    assert (work.bytes_read, work.bytes_written, work.bytes) == (read, written, read + written)


@pytest.mark.parametrize(("dtype", "bytes_of_one"), [("float32", 4), ("float64", 8)])
def test_bytes_of_the_inputs_are_those_of_no_target_and_no_weight(dtype: str, bytes_of_one: int) -> None:
    recipe = BASE.replace(layer_sizes=(7, 4, 3), dtype=dtype)
    assert step_work(recipe).input_bytes == 5 * 7 * bytes_of_one
    assert step_work(recipe, 2).input_bytes == 2 * 7 * bytes_of_one
    assert epoch_work(recipe, 12).input_bytes == 12 * 7 * bytes_of_one


def test_the_intensity_is_operations_per_byte() -> None:
    assert Work(gemm_flops=20, elementwise_flops=10, bytes_read=8, bytes_written=4, input_bytes=6).intensity == 2.5


@given(recipes(), st.integers(1, 100))
def test_the_work_of_an_epoch_is_that_of_its_batches(recipe: Recipe, n_examples: int) -> None:
    examples = range(n_examples)
    size = recipe.batch_size or n_examples
    batches = [examples[start : start + size] for start in range(0, n_examples, size)]
    steps = [step_work(recipe, len(batch)) for batch in batches]
    epoch = epoch_work(recipe, n_examples)
    for field in ("gemm_flops", "elementwise_flops", "bytes_read", "bytes_written", "input_bytes"):
        assert getattr(epoch, field) == sum(getattr(step, field) for step in steps)
    assert epoch.gemm_flops == n_examples * step_work(recipe, 1).gemm_flops


def test_a_batch_of_all_examples_needs_their_number() -> None:
    recipe = BASE.replace(batch_size=None)
    with pytest.raises(ValueError, match="n_examples is None"):
        step_work(recipe)
    assert step_work(recipe, n_examples=5) == step_work(BASE) == epoch_work(recipe, 5)


def test_a_number_of_examples_does_not_change_a_batch_of_given_size() -> None:
    assert step_work(BASE, n_examples=7) == step_work(BASE)
    assert step_work(BASE, 3, n_examples=7) == step_work(BASE.replace(batch_size=3))


@pytest.mark.parametrize("n_examples", [0, -1])
def test_no_examples_are_refused(n_examples: int) -> None:
    with pytest.raises(ValueError, match=f"{n_examples}.*expected 1 or more"):
        step_work(BASE, n_examples)
    with pytest.raises(ValueError, match=f"{n_examples}.*expected 1 or more"):
        epoch_work(BASE, n_examples)
