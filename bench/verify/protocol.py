"""The protocol check: what an implementation returns, and what it must not change."""

import numbers
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from backprop_bench.bench.core.implementations import describe_error
from backprop_bench.bench.core.stats.tolerances import Agreement, NamedArrays, name_arrays
from backprop_bench.bench.core.worker.forks import ReturnedTwice, call_once
from backprop_bench.data import (
    Examples,
    InputError,
    Layer,
    Parameters,
    Recipe,
    Trainer,
    batch_order,
    initial_parameters,
)

NOT_SAME = 1e-3
"""Difference, relative to the largest value, above which values are not the same, whatever the dtype."""


def check_protocol(recipe: Recipe, actual: type[Trainer], batch: Examples) -> Agreement:
    """Call every method of a trainer on a batch and check the results and side effects.

    Returns
    -------
    Agreement
        Passed, or without a difference and with what is wrong in ``where``.
    """
    try:
        for fault in _faults(recipe, actual, batch):
            return Agreement(None, 0.0, fault)
    except _Forked as forked:
        return Agreement(None, 0.0, str(forked))
    except _Raised as raised:
        method, error = raised.args
        return Agreement(None, 0.0, f"{method} raised {describe_error(error)}")
    return Agreement(0.0, 0.0, "follows the protocol")


class _Raised(Exception):  # noqa: N818 (it is a result)
    """A method raised an exception: its name, and the exception."""


class _Forked(Exception):  # noqa: N818 (it is a result)
    """A method forked; the message says which."""


def _call(method: str, call: Callable[..., Any], *arguments: Any) -> Any:
    """Call a method; raise `_Raised` for its exceptions except refusals, and `_Forked` where it forks."""
    try:
        return call_once(call, *arguments)
    except InputError:
        raise
    except ReturnedTwice as twice:
        raise _Forked(f"{method} forks and returns in both processes, expected in one") from twice
    except Exception as error:
        raise _Raised(method, error) from error


def _faults(recipe: Recipe, actual: type[Trainer], batch: Examples) -> Iterator[str]:
    """Yield what is wrong; an error that would distort later checks comes before them."""
    initial = initial_parameters(recipe)
    trainer = _call("__init__", actual, recipe, initial)
    order = batch_order(recipe, len(batch.x), 0)
    calls: dict[str, Callable[[], Any]] = {
        "parameters": lambda: _call("parameters", trainer.parameters),
        "predict": lambda: _call("predict", trainer.predict, batch.x),
        "gradients": lambda: _call("gradients", trainer.gradients, batch.x, batch.t),
    }
    inputs = [("x", batch.x), ("t", batch.t), ("order", order), *_prefix("the initial ", name_arrays(initial))]
    for name, call in calls.items():
        kept = _Kept([*inputs, *_own_weights(trainer, name)])
        first, second = call(), call()
        yield from _shape_faults(recipe, name, first, len(batch.x))
        if name == "parameters":
            yield from _initial_faults(first, initial_parameters(recipe))
        yield from kept.changes(name, _own_weights(trainer, name))
        yield from _repetition_faults(name, first, second)
        yield from _sharing_faults(name, first, second, inputs)
    kept = _Kept(inputs)
    loss = _call("train_epoch", trainer.train_epoch, batch.x, batch.t, order)
    if not isinstance(loss, numbers.Real):
        yield f"train_epoch returns {type(loss).__name__}, expected a number, the mean loss"
    yield from kept.changes("train_epoch", [])
    after = _call("parameters", trainer.parameters)
    faults = _shape_faults(recipe, "parameters", after, len(batch.x), finite=False)  # training may have diverged
    yield from (f"after training {fault}" for fault in faults)


_AnyArrays = Sequence[tuple[str, np.ndarray[Any, Any]]]


class _Kept:
    """Copies of arrays, to detect later changes."""

    def __init__(self, arrays: _AnyArrays) -> None:
        self.arrays = [(name, array, array.copy()) for name, array in arrays]

    def changes(self, method: str, again: NamedArrays) -> Iterator[str]:
        """Yield what has changed; ``again`` are arrays that have been fetched anew by name."""
        fetched = dict(again)
        for name, array, copy in self.arrays:
            if not np.array_equal(fetched.get(name, array), copy, equal_nan=True):
                yield f"{method} changes {name}"


def _prefix(prefix: str, arrays: NamedArrays) -> NamedArrays:
    return [(prefix + name, array) for name, array in arrays]


def _own_weights(trainer: Trainer, method: str) -> NamedArrays:
    """Return the trainer's weights, once `parameters` itself is checked."""
    if method == "parameters":
        return []
    return _prefix("its own ", name_arrays(_call("parameters", trainer.parameters)))


def _shape_faults(recipe: Recipe, method: str, returned: Any, n_examples: int, *, finite: bool = True) -> Iterator[str]:
    if method == "predict":
        yield from _array_faults(method, "outputs", returned, (n_examples, recipe.layer_sizes[-1]), recipe.dtype)
        return
    expected = initial_parameters(recipe)
    if not isinstance(returned, tuple | list) or len(returned) != len(expected):
        size = f" of {len(returned)}" if isinstance(returned, tuple | list) else ""
        yield f"{method} returns {type(returned).__name__}{size}, expected a tuple of {len(expected)} layers"
        return
    for number, (layer, model) in enumerate(zip(returned, expected, strict=True), start=1):
        if not isinstance(layer, Layer):
            yield f"{method} returns {type(layer).__name__} as layer {number}, expected Layer(weight, bias)"
            return
        yield from _array_faults(
            method, f"layer {number} weight", layer.weight, model.weight.shape, recipe.dtype, finite=finite
        )
        if model.bias is None and layer.bias is not None:
            yield f"{method} returns a bias for layer {number}, expected None, for the recipe has none"
        elif model.bias is not None:
            yield from _array_faults(
                method, f"layer {number} bias", layer.bias, model.bias.shape, recipe.dtype, finite=finite
            )


def _initial_faults(returned: Parameters, initial: Parameters) -> Iterator[str]:
    for (name, array), (_, expected) in zip(name_arrays(returned), name_arrays(initial), strict=True):
        if abs(array - expected).max() > NOT_SAME * abs(expected).max():
            yield f"parameters returns another {name} than the initial one, before any training"


def _array_faults(
    method: str, what: str, array: Any, shape: tuple[int, ...], dtype: str, *, finite: bool = True
) -> Iterator[str]:
    if not isinstance(array, np.ndarray):
        yield f"{method} returns {type(array).__name__} for {what}, expected a NumPy array"
    elif array.shape != shape:
        yield f"{method} returns {what} of shape {list(array.shape)}, expected {list(shape)}"
    elif array.dtype != dtype:
        yield f"{method} returns {what} of dtype {array.dtype}, expected {dtype}"
    elif finite and not np.isfinite(array).all():
        yield f"{method} returns {what} with {array[~np.isfinite(array)][0]} in it, expected finite numbers"


def _repetition_faults(method: str, first: Any, second: Any) -> Iterator[str]:
    """Yield arrays that a second call with the same arguments returns with other values."""
    for (name, a), (_, b) in zip(_returned(first), _returned(second), strict=True):
        if a.shape != b.shape or abs(a - b).max() > NOT_SAME * abs(a).max():
            twice = " of twice the size" if abs(b - 2 * a).max() <= NOT_SAME * abs(a).max() else ""
            yield f"{method} returns other values{twice} for {name} when it is called again with the same batch"


def _sharing_faults(method: str, first: Any, second: Any, inputs: _AnyArrays) -> Iterator[str]:
    """Yield arrays that two calls share, or that share memory with an input."""
    for (name, a), (_, b) in zip(_returned(first), _returned(second), strict=True):
        if np.shares_memory(a, b):
            yield f"{method} returns the same array twice for {name}, expected a new one each time"
        for input_name, array in inputs:
            if np.shares_memory(a, array):
                yield f"{method} returns {input_name} itself for {name}, expected a copy"


def _returned(value: Parameters | np.ndarray[Any, Any]) -> NamedArrays:
    return [("outputs", value)] if isinstance(value, np.ndarray) else name_arrays(value)
