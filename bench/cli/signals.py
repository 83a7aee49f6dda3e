"""Signals that stop a run: Ctrl-C, a terminal that closes, a system that shuts down."""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from types import FrameType

import click

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
TOGETHER_S = 1.0
"""Seconds in which signals are one: a terminal that closes sends two, and so do some service managers."""


def exit_code(number: int) -> int:
    """Return the exit code of a process that a signal has stopped, as shells report it."""
    return 128 + number


@contextlib.contextmanager
def stopped_by_signals(last_line: str, signals: Sequence[int] = STOPPING) -> Iterator[None]:
    """Let each of these signals end the block as Ctrl-C does, then print a line and exit with the code of the signal.

    One that is ignored, as SIGHUP is by ``nohup``, stays ignored. Only the main thread is told of signals; in another
    one nothing is changed. Handlers come back with the end of the block.
    """
    received: list[int] = []
    until = 0.0

    def stop(number: int, _frame: FrameType | None) -> None:
        nonlocal until
        received.append(number)
        if time.monotonic() >= until:
            until = time.monotonic() + TOGETHER_S
            raise KeyboardInterrupt

    in_main = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in signals if in_main}
    before = {number: handler for number, handler in before.items() if handler not in (signal.SIG_IGN, None)}
    for number in before:
        signal.signal(number, stop)
    try:
        try:
            yield
        except BaseException:
            if not received:  # else it broke because of the signal
                raise
        if received:
            _print_last(last_line)
            raise SystemExit(exit_code(received[0]))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _print_last(line: str) -> None:
    """Print a line on standard error, which may have gone with its terminal."""
    try:
        click.echo(line, err=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())  # so that flushing it at exit does not fail
