"""Who wants to know how far a run is."""

import contextlib
from typing import Protocol


class Progress(Protocol):
    """Somebody who wants to know how far the run is."""

    def stage(self, title: str, total: float) -> contextlib.AbstractContextManager[object]:
        """Announce a stage of so many steps, or seconds."""
        ...

    def advance(self, detail: str, steps: float = 1) -> None:
        """Announce that steps are done and what comes next."""
        ...
