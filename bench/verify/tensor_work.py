"""The operations of PyTorch in a training step, counted by its dispatcher."""

import contextlib
from collections.abc import Iterator
from typing import Any, Protocol

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class Counts(Protocol):
    """What counts an operation."""

    def add(self, name: str, result: Any, *, is_new: bool) -> None:
        """Count it."""
        ...


class _Counting(TorchDispatchMode):
    def __init__(self, counter: Counts) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counter = counter

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), how: Any = None) -> Any:
        del types
        result = function(*arguments, **(how or {}))
        if not function.is_view:
            given = {each.data_ptr() for each in arguments if isinstance(each, torch.Tensor)}
            is_new = isinstance(result, torch.Tensor) and result.data_ptr() not in given
            self.counter.add(function.overloadpacket.__name__, result, is_new=is_new)
        return result


@contextlib.contextmanager
def counting_tensors(counter: Counts) -> Iterator[None]:
    """Count every operation on tensors, in the backward pass of autograd, too, but those that only view them."""
    with _Counting(counter):
        yield
