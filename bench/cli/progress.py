"""Progress: a line per stage with about the time that is left, and on a terminal a bar."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import click
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

from backprop_bench.bench.report.language import _, reader_language, speaking


@dataclass(frozen=True)
class Stage:
    """A stage that is expected, and about how many seconds it takes."""

    title: str
    expected_s: float
    shown: str = ""
    """The title in the language of the reader; empty for the title itself."""


class Bars:
    """Shows one bar per stage; see :class:`backprop_bench.bench.core.engine.progress.Progress`.

    Parameters
    ----------
    expected
        The stages in their order, where they are known: each is then announced with about the time that is left.
    """

    def __init__(self, expected: Sequence[Stage] = ()) -> None:
        self._expected = tuple(expected)
        self._at = -1
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
        shown = self._announce(title)
        with contextlib.ExitStack() as stack:
            if not self._bars.live.is_started:
                stack.enter_context(self._bars)
            self._task = self._bars.add_task(shown, total=total, detail="")
            yield
            self._bars.update(self._task, completed=total, detail="")

    def _announce(self, title: str) -> str:
        """Say which stage this is, and about how long all that is left will take; return how it is shown."""
        later = range(self._at + 1, len(self._expected))
        place = next((number for number in later if self._expected[number].title == title), None)
        if place is None:
            return title
        self._at = place
        shown = self._expected[place].shown or title
        left_s = round(sum(stage.expected_s for stage in self._expected[place:]) / 5) * 5
        with speaking(reader_language()):
            text = _("Stage {number} of {stages}: {title}, about {left} left")
        left = f"{left_s // 60}:{left_s % 60:02d}"
        click.echo(text.format(number=place + 1, stages=len(self._expected), title=shown, left=left), err=True)
        return shown

    def advance(self, detail: str, steps: float = 1) -> None:
        """Advance the bar."""
        if self._task is not None:
            self._bars.update(self._task, advance=steps, detail=detail)
