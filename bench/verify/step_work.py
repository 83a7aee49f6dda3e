"""What one training step does, whoever wrote it: array operations, new arrays, calls of Python functions, precision.

Arrays that are handed to a trainer count what is done with them, and so does every array that comes of it. Tensors are
counted by PyTorch's own dispatcher. What is compiled does its work where neither sees it.
"""

import contextlib
import os
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from backprop_bench.bench.verify.replies import CountedStep
from backprop_bench.data import Examples, Layer, Parameters, Recipe, Trainer, batch_order, initial_parameters

PRODUCTS = frozenset({"matmul", "dot", "inner", "tensordot", "vdot", "mm", "addmm", "bmm", "mv"})
"""Names of functions that multiply matrices."""
METHODS = (
    "dot",
    "sum",
    "mean",
    "max",
    "min",
    "argmax",
    "argmin",
    "std",
    "var",
    "clip",
    "copy",
    "astype",
    "repeat",
    "take",
)
"""Methods of arrays that NumPy does not hand on to a subclass."""
LIBRARIES = (os.sep + "site-packages" + os.sep, sysconfig.get_paths()["stdlib"] + os.sep, __file__)
"""Parts of the names of files whose functions are nobody's own."""


class Counter:
    """Counts what is done."""

    def __init__(self, recipe: Recipe) -> None:
        self.dtype = np.dtype(recipe.dtype).itemsize
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self.operations = self.products = self.new_bytes = self.wider = self.python_calls = 0

    def add(self, name: str, result: Any, *, is_new: bool) -> None:
        """Count an operation and the arrays that it returns."""
        self.operations += 1
        self.products += name in PRODUCTS
        arrays = [each for each in (result if isinstance(result, tuple | list) else (result,)) if _is_array(each)]
        self.wider += any(_is_wider(each, self.dtype) for each in arrays)
        if is_new:
            self.new_bytes += sum(int(each.nbytes) for each in arrays)

    def call(self, frame: Any, event: str, _: object) -> None:
        """Count the call of a Python function that is part of no library."""
        file = frame.f_code.co_filename
        self.python_calls += (
            event == "call" and not file.startswith("<") and not any(part in file for part in LIBRARIES)
        )


def _is_array(value: Any) -> bool:
    return hasattr(value, "nbytes") and getattr(value, "ndim", 0) > 0


def _is_wider(array: Any, size: int) -> bool:
    dtype = str(array.dtype).removeprefix("torch.")
    return dtype.startswith(("float", "complex")) and np.dtype(dtype).itemsize > size


def count_step(trainer: type[Trainer], recipe: Recipe, examples: Examples) -> CountedStep | None:
    """Return what the second batch of a trainer does; ``None`` where it fails, or no matrix product is seen."""
    counter = Counter(recipe)
    size = recipe.batch_size or len(examples.x)
    batch = batch_order(recipe, len(examples.x), 0)[:size]
    for wrap in (_counted, lambda array, _: array):  # some libraries take no array but NumPy's own
        try:
            with np.errstate(all="ignore"):
                x, t = wrap(examples.x, counter), wrap(examples.t, counter)
                made = trainer(recipe, _wrapped(initial_parameters(recipe), counter, wrap))
                made.train_epoch(x, t, batch)
                counter.reset()  # it counts from here on
                with _tensors_counted(counter), _calls_counted(counter):
                    made.train_epoch(x, t, batch)
        except Exception:  # noqa: BLE001, S112 (it is verified elsewhere)
            continue
        if counter.products:  # otherwise its work is done where it is not seen
            return CountedStep(
                operations=counter.operations,
                products=counter.products,
                new_bytes=counter.new_bytes,
                wider=counter.wider,
                python_calls=counter.python_calls,
                examples=len(batch),
            )
    return None


def _wrapped(parameters: Parameters, counter: Counter, wrap: Callable[[Any, Counter], Any]) -> Parameters:
    return tuple(
        Layer(wrap(layer.weight, counter), None if layer.bias is None else wrap(layer.bias, counter))
        for layer in parameters
    )


@contextlib.contextmanager
def _calls_counted(counter: Counter) -> Iterator[None]:
    before = sys.getprofile()
    sys.setprofile(counter.call)
    try:
        yield
    finally:
        sys.setprofile(before)


@contextlib.contextmanager
def _tensors_counted(counter: Counter) -> Iterator[None]:
    """Count what PyTorch does, where it is imported."""
    if "torch" not in sys.modules:
        yield
        return
    from backprop_bench.bench.verify.tensor_work import counting_tensors

    with counting_tensors(counter):
        yield


def _counted(array: Any, counter: Counter) -> "CountedArray":
    view: CountedArray = np.asarray(array).view(CountedArray)
    view.counter = counter
    return view


def _plain(value: Any) -> Any:
    """Return the same with arrays that count nothing."""
    if isinstance(value, CountedArray):
        return value.view(np.ndarray)
    if type(value) in (list, tuple):
        return type(value)(map(_plain, value))
    return value


class CountedArray(np.ndarray[Any, Any]):
    """An array that counts what is done with it."""

    counter: Counter | None = None

    def __array_finalize__(self, obj: Any) -> None:
        self.counter = getattr(obj, "counter", None)

    def _kept(self, result: Any) -> Any:
        """Return a result whose arrays count, too."""
        if isinstance(result, np.ndarray) and self.counter is not None:
            return _counted(result, self.counter)
        return tuple(map(self._kept, result)) if isinstance(result, tuple) else result

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **how: Any) -> Any:
        into = {} if out is None else {"out": tuple(map(_plain, out))}
        result = getattr(ufunc, method)(
            *map(_plain, inputs), **into, **{key: _plain(each) for key, each in how.items()}
        )
        if self.counter is not None:
            self.counter.add(ufunc.__name__, result, is_new=out is None)
        if out is not None:
            return out[0] if len(out) == 1 else out
        return self._kept(result)

    def __array_function__(
        self, function: Callable[..., Any], types: Iterable[type], arguments: Iterable[Any], how: Mapping[str, Any]
    ) -> Any:
        del types
        result = function(*map(_plain, arguments), **{key: _plain(value) for key, value in how.items()})
        if self.counter is not None:
            self.counter.add(
                function.__name__, result, is_new="out" not in how and getattr(result, "base", None) is None
            )
        return self._kept(result)

    def __getitem__(self, key: Any) -> Any:
        result = self.view(np.ndarray)[_plain(key)]
        if self.counter is not None and getattr(result, "base", None) is None and _is_array(result):
            self.counter.add("take", result, is_new=True)
        return self._kept(result)

    def __setitem__(self, key: Any, value: Any) -> None:
        if self.counter is not None:
            self.counter.add("assign", self, is_new=False)
        self.view(np.ndarray)[_plain(key)] = _plain(value)


def _method(name: str) -> Callable[..., Any]:
    def method(self: CountedArray, *arguments: Any, **how: Any) -> Any:
        plain = {key: _plain(value) for key, value in how.items()}
        result = getattr(self.view(np.ndarray), name)(*map(_plain, arguments), **plain)
        if self.counter is not None:
            self.counter.add(name, result, is_new=True)
        return self._kept(result)

    return method


for _name in METHODS:
    setattr(CountedArray, _name, _method(_name))
