"""The driver's end of a worker process."""

import concurrent.futures
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec

from backprop_bench.bench.core.machine.environment import thread_environment, usable_cores
from backprop_bench.data import InputError

T = TypeVar("T")
LIMIT_S = 1800.0  # documented in docs/method.md
"""Seconds after which a worker that has not answered is taken for hung."""


ENDING_S = 5.0
"""Seconds in which a worker that answers no more is expected to end."""


class WorkerError(Exception):
    """A worker crashed, hung, or its implementation raised; the message says which."""


class Stopped(Exception):  # noqa: N818 (nothing is wrong)
    """The run is being stopped: what a worker did not get to is nobody's failure."""


class Refusal(WorkerError):  # noqa: N818 (it is an answer)
    """The implementation does not do this recipe, or cannot be loaded."""


@contextlib.contextmanager
def together(threads: int) -> Iterator[concurrent.futures.ThreadPoolExecutor]:
    """Give a pool that talks to as many workers at once as the cores allow, each with this many threads.

    Whatever ends it early, a Ctrl-C too, ends the workers first, so that nobody waits for their answers.
    """
    with concurrent.futures.ThreadPoolExecutor(max(1, usable_cores() // threads)) as pool:
        try:
            yield pool
        except BaseException:
            stop_all()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def stop_all() -> None:
    """End all workers, and let none be started any more until :func:`start_again`."""
    _STOPPING.set()
    with _ALIVE_LOCK:
        for worker in _ALIVE:
            worker.kill()


def start_again() -> None:
    """Let workers be started, also where a run before this one was stopped."""
    _STOPPING.clear()


class Worker:
    """A worker process, started with its thread pools limited.

    Parameters
    ----------
    threads
        Threads that its libraries may use.
    limit_s
        Seconds that one request may take.
    descriptors
        Open files that it inherits, under the same numbers.
    environment
        Variables that it has beside those of this process.
    """

    def __init__(
        self,
        threads: int,
        limit_s: float = LIMIT_S,
        descriptors: Sequence[int] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        if _STOPPING.is_set():
            raise Stopped
        self.limit_s = limit_s
        self.spawned = time.monotonic()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed in close)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "backprop_bench.bench.core.worker.server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={
                **os.environ,
                **thread_environment(threads),
                "PYTHONPATH": _python_path(),
                **(environment or {}),
            },
            encoding="utf-8",
            pass_fds=tuple(descriptors),
            process_group=0,  # a Ctrl-C in the terminal is the driver's to handle
        )
        with _ALIVE_LOCK:
            _ALIVE.add(self)
        if _STOPPING.is_set():
            self.close()
            raise Stopped

    def ask(self, do: str, reply: type[T], **arguments: Any) -> T:
        """Send a request and wait for its answer.

        Parameters
        ----------
        do
            Name of the handler: see :mod:`backprop_bench.bench.core.worker.handlers`.
        reply
            What the answer is.

        Raises
        ------
        WorkerError
            When the process ends, hangs, or the implementation raises.
        Refusal
            When the implementation refuses the recipe, or is one of yours and cannot be loaded.
        InputError
            When what was asked for is impossible for any implementation.
        Stopped
            When the run is being stopped.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        timer = threading.Timer(self.limit_s, self.kill)
        start = time.monotonic()
        timer.start()
        try:
            self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            timer.cancel()
        if not line.endswith("\n"):  # none, or one that was cut short
            if _STOPPING.is_set():
                raise Stopped
            raise WorkerError(self._describe_end(time.monotonic() - start))
        return _unpack(line, reply)

    def _describe_end(self, waited_s: float) -> str:
        if waited_s >= self.limit_s:
            return f"gave no answer within {self.limit_s:g} s and was ended"
        try:
            code = self._process.wait(ENDING_S)
        except subprocess.TimeoutExpired:
            return "closed its end of the line without ending, and was ended"
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        how += ", as systems do where memory runs out" if code == -signal.SIGKILL else ""
        self._errors.seek(0)
        message = self._errors.read().decode(errors="replace").strip().splitlines()
        return f"its process {how}" + (f": {message[-1]}" if message else "")

    def kill(self) -> None:
        """End the process and those that it started; whoever waits for its answer gets a `WorkerError`."""
        with contextlib.suppress(ProcessLookupError):  # all of them have ended
            os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """End the process and give back what it held."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.kill()
        self._process.wait()
        with _ALIVE_LOCK:
            _ALIVE.discard(self)
        with contextlib.suppress(BrokenPipeError):  # what a dead worker was to be asked is lost, and may be
            self._process.stdin.close()
        self._process.stdout.close()
        self._errors.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _python_path() -> str:
    """Put the suite's own packages first, whatever lies in the working directory."""
    return os.pathsep.join(filter(None, (str(Path(__file__).parents[4]), os.environ.get("PYTHONPATH"))))


_STOPPING = threading.Event()
_ALIVE: set["Worker"] = set()
_ALIVE_LOCK = threading.Lock()


class _Envelope(msgspec.Struct, frozen=True):
    """An answer, or why there is none."""

    done: msgspec.Raw = msgspec.Raw()
    unsupported: str | None = None
    refused: str | None = None
    raised: str | None = None


def _unpack(line: str, reply: type[T]) -> T:
    answer = msgspec.json.decode(line, type=_Envelope)
    if answer.unsupported is not None:
        raise Refusal(answer.unsupported)
    if answer.refused is not None:
        raise InputError(answer.refused)
    if answer.raised is not None:
        raise WorkerError(f"raised {answer.raised}")
    try:
        return msgspec.json.decode(answer.done, type=reply)
    except msgspec.ValidationError as error:
        raise WorkerError(f"gave an impossible answer: {error}") from error
