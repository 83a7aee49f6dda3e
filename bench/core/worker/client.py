"""The driver's end of a worker process."""

import concurrent.futures
import contextlib
import json
import os
import secrets
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
from backprop_bench.bench.core.machine.processes import (
    MEMORY,
    WORKER,
    cpu_of_others_s,
    end_processes,
    most_memory_bytes,
)
from backprop_bench.bench.core.records.kinds import FailurePhase
from backprop_bench.data import InputError

T = TypeVar("T")
TIMEOUT_S = 300.0  # documented in docs/method.md
"""Seconds after which a worker that has not answered is taken for hung, unless ``--timeout`` says otherwise."""
LAST_ERRORS = 1 << 16
"""Bytes at the end of what a worker has written to its standard error, of which the last line is shown."""
LARGEST_ANSWER = 64 << 20
"""Characters of an answer."""
ENDING_S = 5.0
"""Seconds in which a worker that answers no more is expected to end."""


class WorkerError(Exception):
    """A worker crashed, hung, or its implementation raised; the message says which.

    Attributes
    ----------
    signal
        That ended its process, from outside or by itself; ``None`` where none did.
    phase
        What its record is to call it; ``None`` where that depends on what was being done.
    """

    phase: FailurePhase | None = None

    def __init__(self, message: str, signal: int | None = None) -> None:
        super().__init__(message)
        self.signal = signal


class NoAnswer(WorkerError):  # noqa: N818 (it is a finding)
    """A worker took longer than it may."""


class WorkFault(WorkerError):  # noqa: N818 (it is a finding)
    """What a worker did while it was timed is not what was verified, or its times cannot be true."""

    phase = "timed work"


class Stopped(Exception):  # noqa: N818 (nothing is wrong)
    """The run is being stopped: what a worker did not get to is nobody's failure."""


class Refusal(WorkerError):  # noqa: N818 (it is an answer)
    """The implementation does not do this recipe, or cannot be loaded."""


def at_once_of(threads: int) -> int:
    """Return to how many workers with so many threads the cores allow one to talk at once."""
    return max(1, usable_cores() // threads)


@contextlib.contextmanager
def together(threads: int) -> Iterator[concurrent.futures.ThreadPoolExecutor]:
    """Give a pool that talks to as many workers at once as the cores allow, each with this many threads.

    Whatever ends it early, a Ctrl-C too, ends the workers first, so that nobody waits for their answers.
    """
    with concurrent.futures.ThreadPoolExecutor(at_once_of(threads)) as pool:
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


def limit_requests(timeout_s: float) -> float:
    """Set the seconds that one request may take in workers that are started from now on; returns those before."""
    before, _TIMEOUT_S[0] = _TIMEOUT_S[0], timeout_s
    return before


class Worker:
    """A worker process, started with its thread pools and its memory limited.

    Parameters
    ----------
    threads
        Threads that its libraries may use.
    limit_s
        Seconds that one request may take; ``None`` for what :func:`limit_requests` has set.
    descriptors
        Open files that it inherits, under the same numbers.
    environment
        Variables that it has beside those of this process.
    """

    def __init__(
        self,
        threads: int,
        limit_s: float | None = None,
        descriptors: Sequence[int] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        if _STOPPING.is_set():
            raise Stopped
        self.timeout_s = _TIMEOUT_S[0] if limit_s is None else limit_s
        self.limit_s = self.timeout_s
        """Of the next request, where it is known to do more than others."""
        self._tag = secrets.token_hex(8)
        self.spawned = time.monotonic()
        self._closed = False
        self.left_behind: tuple[str, ...] = ()
        """Names of the processes that outlived it in a session of their own, and were ended when it was closed."""
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
                WORKER: self._tag,
                MEMORY: str(most_memory_bytes()),
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
            line = self._process.stdout.readline(LARGEST_ANSWER)
        except (BrokenPipeError, UnicodeDecodeError):
            line = ""
        finally:
            timer.cancel()
        if not line.endswith("\n"):  # none, or one that was cut short
            if _STOPPING.is_set():
                raise Stopped
            raise self._end_of(time.monotonic() - start)
        return _unpack(line, reply)

    def _end_of(self, waited_s: float) -> WorkerError:
        """Return how the process has ended."""
        if waited_s >= self.limit_s:
            return NoAnswer(f"gave no answer within {self.limit_s:g} s and was ended; --timeout gives it more")
        try:
            code = self._process.wait(ENDING_S)
        except subprocess.TimeoutExpired:
            return WorkerError("closed its end of the line without ending, and was ended")
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        how += ", as systems do where memory runs out" if code == -signal.SIGKILL else ""
        size = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, size - LAST_ERRORS))
        message = self._errors.read().decode(errors="replace").strip().splitlines()
        described = f"its process {how}" + (f": {message[-1]}" if message else "")
        return WorkerError(described, -code if code < 0 else None)

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def cpu_of_others_s(self) -> float:
        """Return the CPU time that the processes which it has started have used so far."""
        return cpu_of_others_s(self._tag, self._process.pid)

    def kill(self) -> None:
        """End the process and those of its group; whoever waits for its answer gets a `WorkerError`."""
        with contextlib.suppress(ProcessLookupError):  # all of them have ended
            os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """End the process, and all that it started; give back what it held."""
        if self._closed:
            return
        self._closed = True
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.kill()
        self._process.wait()
        self.left_behind = end_processes(self._tag, self._process.pid)
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


_TIMEOUT_S = [TIMEOUT_S]
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
    try:
        answer = msgspec.json.decode(line, type=_Envelope)
    except (msgspec.DecodeError, RecursionError) as error:
        raise WorkerError("gave an answer that is none; expected a JSON object") from error
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
