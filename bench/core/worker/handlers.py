"""`Handler`: what a worker does when it is asked, and where a question puts its own.

A request names a handler: one of the worker's own by its name, that of a question by its place in the package,
``verify.handlers:verify`` for example. A question's module is imported when it is first asked, so a worker that is
timed imports nothing of it.
"""

import dataclasses
import importlib
from collections.abc import Callable, Mapping
from typing import Any

Answer = Any
"""A structure of msgspec or a dataclass: what can be written as JSON, and read with its types."""


@dataclasses.dataclass(frozen=True)
class Handler:
    """A function that answers requests of one kind.

    Attributes
    ----------
    answer
        Takes the arguments of the request, after the session where it needs one, and returns a structure.
    needs_session
        Whether an implementation must have been opened before.
    refuses
        Whether an `InputError` is the fault of who asked; otherwise it is that of the implementation.
    """

    answer: Callable[..., Answer]
    needs_session: bool
    refuses: bool

    def __call__(self, *arguments: Any, **named: Any) -> Answer:
        """Answer as the function does."""
        return self.answer(*arguments, **named)


def handler(*, needs_session: bool = False, refuses: bool = False) -> Callable[[Callable[..., Answer]], Handler]:
    """Make a function a :class:`Handler`."""
    return lambda answer: Handler(answer, needs_session, refuses)


def find_handler(name: str, own: Mapping[str, Handler]) -> Handler:
    """Return a handler by its name; raises `LookupError` where there is none."""
    module, _, function = name.partition(":")
    result = getattr(importlib.import_module(f"backprop_bench.bench.{module}"), function) if function else own[name]
    if not isinstance(result, Handler):
        raise LookupError(f"{name} is no handler")
    return result
