"""A progress bar for what takes long, where somebody is looking."""

import sys


def is_watched() -> bool:
    """Whether standard error is a terminal."""
    return sys.stderr is not None and sys.stderr.isatty()


class ProgressBar:
    """A bar on standard error that counts bytes, with the methods that pooch asks for.

    Parameters
    ----------
    title
        What is going on.
    total
        Number of bytes; 0 while it is not known.
    """

    def __init__(self, title: str, total: int = 0) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._progress.add_task(title, total=total or None)
        self._progress.start()

    @property
    def total(self) -> int:
        """Number of bytes; 0 while it is not known."""
        return int(self._progress.tasks[self._task].total or 0)

    @total.setter
    def total(self, n_bytes: int) -> None:
        self._progress.update(self._task, total=n_bytes or None)

    def update(self, n_bytes: int) -> None:
        """Advance by this many bytes."""
        self._progress.update(self._task, advance=n_bytes)

    def show(self, n_bytes: int) -> None:
        """Advance or return to this many bytes."""
        self._progress.update(self._task, completed=n_bytes)

    def reset(self) -> None:
        """Return to 0."""
        self.show(0)

    def close(self) -> None:
        """Take the bar away."""
        self._progress.stop()
