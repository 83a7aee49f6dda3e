"""Who wants to know how far a run is."""

import contextlib
from collections.abc import Iterator
from typing import Protocol


class Progress(Protocol):
    """Somebody who wants to know how far the run is."""

    def stage(self, title: str, total: float) -> contextlib.AbstractContextManager[object]:
        """Announce a stage of so many steps, or seconds."""
        ...

    def advance(self, detail: str, steps: float = 1) -> None:
        """Announce that steps are done and what comes next."""
        ...


class Silent(Progress):
    """Nobody who wants to know."""

    @contextlib.contextmanager
    def stage(self, title: str, total: float) -> Iterator[None]:  # noqa: ARG002 (as announced)
        """Do the stage."""
        yield

    def advance(self, detail: str, steps: float = 1) -> None:
        """Pass over it."""
