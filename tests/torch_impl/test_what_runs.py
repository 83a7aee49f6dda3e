"""What PyTorch really runs in a training step of an implementation: its operations, its optimizer, its modules."""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode

from backprop_bench.bench.core.implementations import named_implementation
from backprop_bench.bench.explain.chain import LOADED, START, STEP_OF, STEPS
from backprop_bench.bench.explain.products_trainer import ProductsTrainer
from backprop_bench.data import SHARED, Recipe, batch_order, initial_parameters
from tests.recipes import random_examples

SMALL = SHARED.replace(layer_sizes=(6, 5, 3), batch_size=8)
N_EXAMPLES, N_BATCHES = 16, 2
FUNCTIONS = {"aten::addmm", "aten::sigmoid", "aten::_log_softmax"}
"""PyTorch's functions for a layer, its activation and the loss."""
ONE_BY_ONE = {"aten::add_", "aten::mul_", "aten::addcmul_", "aten::addcdiv_", "aten::lerp_"}
"""What an optimizer does to the arrays of weights, array by array."""
AS_TENSORS = {"aten::lift_fresh", "aten::detach"}
"""What it takes to see an array as a tensor: nothing is computed."""
FUSED = {"sgd": "aten::_fused_sgd_", "momentum": "aten::_fused_sgd_", "adam": "aten::_fused_adam_"}


class Seen(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the operations that PyTorch carries out, with the shapes of the tensors that go in."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations: list[tuple[str, tuple[tuple[int, ...], ...]]] = []
        self.addresses: set[int] = set()
        """Where the tensors begin in memory that go into matrix products."""
        self.n_modules = 0
        self.update_begins = 0
        self.updates: list[Counter[str]] = []
        """The operations of each step of an optimizer of ``torch.optim``."""

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        tensors = [value for value in args if isinstance(value, torch.Tensor)]
        name = func.name().partition(".")[0]
        self.operations.append((name, tuple(tuple(tensor.shape) for tensor in tensors)))
        if name == "aten::mm":
            self.addresses.update(tensor.data_ptr() for tensor in tensors)
        return func(*args, **(kwargs or {}))

    @property
    def names(self) -> Counter[str]:
        """The operations by name, in place or not, with their numbers."""
        return Counter(name.rstrip("_") for name, _ in self.operations)

    @property
    def products(self) -> Counter[tuple[int, ...]]:
        """The matrix products by their three sizes, in rising order."""
        shapes = [shapes[-2:] for name, shapes in self.operations if name in ("aten::mm", "aten::addmm")]
        return Counter(tuple(sorted((*a, b[1]))) for a, b in shapes)


@contextlib.contextmanager
def watched() -> Iterator[Seen]:
    """Note what PyTorch runs."""
    seen = Seen()

    def called(*_: object) -> None:
        seen.n_modules += 1

    def begins(*_: object) -> None:
        seen.updates.append(Counter())
        seen.update_begins = len(seen.operations)

    def ends(*_: object) -> None:
        seen.updates[-1].update(name for name, _ in seen.operations[seen.update_begins :])

    hooks: list[Any] = [
        nn.modules.module.register_module_forward_pre_hook(called),
        register_optimizer_step_pre_hook(begins),
        register_optimizer_step_post_hook(ends),
    ]
    try:
        with seen:
            yield seen
    finally:
        for hook in hooks:
            hook.remove()


def run_of(name: str, recipe: Recipe = SMALL) -> Seen:
    """Return what PyTorch runs in an epoch of two batches."""
    examples = random_examples(recipe, N_EXAMPLES)
    trainer = named_implementation(name).load()(recipe, initial_parameters(recipe))
    order = batch_order(recipe, N_EXAMPLES, 0)
    trainer.train_epoch(examples.x, examples.t, order)  # what is made in the first one is there afterwards
    with watched() as seen:
        trainer.train_epoch(examples.x, examples.t, order)
    return seen


def taken_from_pytorch(name: str) -> set[str]:
    """Return what an implementation takes from PyTorch: the parts of the chain; of functions it takes all or none."""
    seen = run_of(name)
    functions = seen.names.keys() & {*FUNCTIONS, "aten::_softmax"}
    assert functions >= FUNCTIONS or not functions, f"{name} takes some functions alone: {functions}"
    assert len(seen.updates) in (0, N_BATCHES)
    by_part: dict[str, object] = {
        "matrix products": seen.products,
        "operations": seen.names.keys() - {"aten::mm", *AS_TENSORS},
        "functions": functions,
        "optimizer": seen.updates,
        "autograd": [each for each in seen.names if "_backward" in each],
        "modules": seen.n_modules,
        "loading": seen.names["aten::stack"],
    }
    return {part for part, evidence in by_part.items() if evidence}


def test_every_step_of_the_chain_takes_one_thing_more_from_pytorch_the_one_that_it_is_named_after() -> None:
    parts = [part for part, _ in STEPS]
    trainers = [START, *(trainer for _, trainer in STEPS)]
    assert [taken_from_pytorch(name) for name in trainers] == [set(parts[:n]) for n in range(len(trainers))]
    assert taken_from_pytorch(LOADED) == {*parts, "loading"}


def test_torch_manual_has_neither_autograd_nor_optimizer_nor_modules() -> None:
    assert taken_from_pytorch("torch-manual") == {"matrix products", "operations", "functions"}


def test_torch_loader_puts_every_batch_together_example_by_example() -> None:
    names, by_index = run_of(LOADED).names, run_of("torch-eager").names
    assert names["aten::stack"] == 2 * N_BATCHES, "the inputs and the targets of a batch"
    assert names["aten::select"] == 2 * N_EXAMPLES
    assert not names["aten::index"]
    assert by_index["aten::index"] == 2 * N_BATCHES
    assert not by_index["aten::stack"]


OPTIMIZERS = {"sgd": {}, "momentum": {"momentum": 0.9}, "rmsprop": {}, "adam": {}}


@pytest.mark.parametrize(("optimizer", "settings"), OPTIMIZERS.items())
def test_torch_fused_updates_all_weights_at_once_and_torch_eager_one_after_the_other(
    optimizer: str, settings: dict[str, Any]
) -> None:
    recipe = SMALL.replace(optimizer=optimizer, **settings)
    fused, eager = run_of("torch-fused", recipe), run_of("torch-eager", recipe)
    assert len(fused.updates) == len(eager.updates) == N_BATCHES
    for operations in fused.updates:
        assert not operations.keys() & ONE_BY_ONE
        if optimizer in FUSED:
            assert operations[FUSED[optimizer]] == 1
        else:
            assert operations["aten::_foreach_addcdiv_"] == 1, "rmsprop has no fused step, but one of lists"
    for operations in eager.updates:
        assert operations.keys() & ONE_BY_ONE
        assert not [name for name in operations if name.startswith(("aten::_foreach", "aten::_fused"))]


def test_the_products_timed_alone_are_as_large_and_as_many_as_those_of_a_step() -> None:
    for products, trainer in (("torch-products", "chain-optimizer"), ("torch-products", "chain-products")):
        assert run_of(products).products == run_of(trainer).products
    assert not run_of("numpy-products").operations


def test_the_weight_update_timed_alone_is_that_of_the_step_that_is_split() -> None:
    assert run_of("torch-update").updates == run_of(STEP_OF["torch"]).updates
    assert not run_of("numpy-update").operations


def test_chain_products_multiplies_the_arrays_where_they_are() -> None:
    examples, order = random_examples(SMALL, N_EXAMPLES), batch_order(SMALL, N_EXAMPLES, 0)
    trainer = ProductsTrainer(SMALL, initial_parameters(SMALL))
    with watched() as seen:
        trainer.train_epoch(examples.x, examples.t, order)
    assert {layer.weight.ctypes.data for layer in trainer.layers} <= seen.addresses


def profiled(run: Callable[[], object]) -> set[str]:
    """Return the names of what PyTorch's profiler sees."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        run()
    return {event.key for event in profile.key_averages()}


@pytest.mark.slow
def test_torch_compile_runs_its_step_as_one_compiled_graph_without_operations_of_its_own_but_products() -> None:
    implementation = named_implementation("torch-compile")
    reason = implementation.unavailable()
    if reason is not None:
        pytest.skip(reason)
    examples, order = random_examples(SMALL, N_EXAMPLES), batch_order(SMALL, N_EXAMPLES, 0)
    trainer = implementation.load()(SMALL, initial_parameters(SMALL))
    trainer.train_epoch(examples.x, examples.t, order)  # compiles
    names = profiled(lambda: trainer.train_epoch(examples.x, examples.t, order))
    eager = named_implementation("torch-eager").load()(SMALL, initial_parameters(SMALL))
    by_itself = profiled(lambda: eager.train_epoch(examples.x, examples.t, order))
    alone = {"aten::sigmoid", "aten::_log_softmax", "aten::index", "aten::sum"}
    assert by_itself & alone == alone, "the profiler sees them where they run"
    assert not names & alone
    assert names & {"aten::mm", "aten::addmm"}
