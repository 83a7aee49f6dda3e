"""Progress bars with the remaining time, on a terminal only."""

import contextlib
from collections.abc import Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class Bars:
    """Shows one bar per stage; see :class:`backprop_bench.bench.core.engine.progress.Progress`."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._bars = Progress(
            TextColumn("{task.description:<14}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=False),
            TextColumn("{task.fields[detail]}", style="dim"),
            console=console,
            disable=not console.is_terminal,
        )
        self._task: TaskID | None = None

    @contextlib.contextmanager
    def stage(self, title: str, total: float) -> Iterator[None]:
        """Show a bar with a total in steps or seconds."""
        with contextlib.ExitStack() as stack:
            if not self._bars.live.is_started:
                stack.enter_context(self._bars)
            self._task = self._bars.add_task(title, total=total, detail="")
            yield
            self._bars.update(self._task, completed=total, detail="")

    def advance(self, detail: str, steps: float = 1) -> None:
        """Advance the bar."""
        if self._task is not None:
            self._bars.update(self._task, advance=steps, detail=detail)
