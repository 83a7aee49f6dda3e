"""Code that forks and returns in both processes: the copy would go on with what is the business of the first alone."""

import os
import select
from collections.abc import Callable
from typing import Any

from backprop_bench.bench.core.implementations import Implementation, LoadError
from backprop_bench.data import Trainer

WAIT_S = 2.0
"""Seconds in which a copy returns, if it does at all; the processes of a pool, which never do, are waited for once."""

_forks = [0]


def _count() -> None:
    _forks[0] += 1


os.register_at_fork(after_in_parent=_count)


class ReturnedTwice(Exception):  # noqa: N818 (it is a finding)
    """What was called has forked, and has come back in both processes."""


def call_once(call: Callable[..., Any], *arguments: Any) -> Any:
    """Call something; raises `ReturnedTwice` where it comes back in a copy of this process, too, which is ended."""
    own, forks = os.getpid(), _forks[0]
    reading, writing = os.pipe()
    try:
        return call(*arguments)
    except SystemExit:  # which is how a copy may well end
        if os.getpid() != own:
            os._exit(0)
        raise
    finally:
        if os.getpid() != own:
            os.write(writing, b"!")
            os._exit(0)
        returned_twice = _forks[0] != forks and bool(select.select([reading], [], [], WAIT_S)[0])
        os.close(reading)
        os.close(writing)
        if returned_twice:
            raise ReturnedTwice


def load_once(implementation: Implementation) -> type[Trainer]:
    """Import the trainer; raises `LoadError` for one of yours that forks in doing so."""
    try:
        trainer: type[Trainer] = call_once(implementation.load)
    except ReturnedTwice:
        raise LoadError(f"{implementation.name} forks when it is imported, and goes on in both processes") from None
    return trainer
