"""A worker process, driven by one-line messages. One that is timed has one implementation and one recipe.

``python -m backprop_bench.bench.core.worker.server`` reads a JSON object per line from its standard input and
answers each with one on its standard output. It waits in a blocking read, so a worker whose turn it is not uses no
core. What an implementation prints goes to standard error. The worker ends when its input ends, that is with its
driver.
"""

import json
import os
import queue
import signal
import threading
from typing import Any, TextIO

import msgspec
import numpy as np

from backprop_bench.bench.core.implementations import LoadError, describe_error
from backprop_bench.bench.core.machine.processes import limit_memory
from backprop_bench.bench.core.worker import clock, measure, session
from backprop_bench.bench.core.worker.handlers import Handler, find_handler
from backprop_bench.data import InputError, UnsupportedRecipe

HANDLERS: dict[str, Handler] = {
    "begin": session.begin,
    "train": session.train,
    "evaluate": session.evaluate,
    "keep": session.keep,
    "run": measure.run,
    "ready": measure.ready,
    "block": measure.block,
    "keep_weights": measure.keep_weights,
    "time_parts": measure.time_parts,
    "end": measure.end,
    "memory": measure.memory,
}
"""What a worker does by itself, beside `open`; questions have handlers of their own."""


class Server:
    """Answers requests, one after the other; the first that opens an implementation makes the session."""

    def __init__(self) -> None:
        self._session: session.Session | None = None
        self._answered = clock.perf_counter(), clock.process_time()
        """What the clocks were when the last answer was given."""

    def answer(self, line: str) -> dict[str, object]:
        """Carry out one message and return the answer; an exception becomes an answer of its own."""
        if self._session is not None:
            wall, cpu = self._answered
            self._session.rested = clock.perf_counter() - wall, clock.process_time() - cpu
        try:
            return self._carry_out(json.loads(line))
        finally:
            self._answered = clock.perf_counter(), clock.process_time()

    def _carry_out(self, message: dict[str, Any]) -> dict[str, object]:
        do, refuses = message.pop("do"), True
        try:
            if do == "open":
                self._session, done = session.open_session(**message)
                return {"done": done}
            handler = find_handler(do, HANDLERS)
            refuses = handler.refuses
            if not handler.needs_session:
                return {"done": handler(**message)}
            if self._session is None:
                raise RuntimeError(f"{do} was asked for before an implementation was opened")
            return {"done": handler(self._session, **message)}
        except (UnsupportedRecipe, LoadError) as error:
            return {"unsupported": str(error)}
        except InputError as error:
            return {"refused" if refuses else "raised": str(error)}
        except Exception as error:  # noqa: BLE001 (whatever an implementation raises is reported, and the run goes on)
            return {"raised": describe_error(error)}


def serve(requests: TextIO, answers: TextIO) -> None:
    """Answer messages until there are no more; a thread that waits for them sees at once when the driver is gone."""
    server = Server()
    inbox: queue.SimpleQueue[str] = queue.SimpleQueue()

    def listen() -> None:
        try:
            for line in requests:
                inbox.put(line)
        except (OSError, ValueError):  # an implementation has closed the file
            os._exit(1)
        if os.getpgrp() == os.getpid():  # the driver is gone: what is being computed here, and below, is for nobody
            os.killpg(0, signal.SIGKILL)
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    own = os.getpid()
    while True:
        reply = server.answer(inbox.get())
        if os.getpid() != own:  # a copy that an implementation has made and let return: one answer is enough
            os._exit(0)
        print(msgspec.json.encode(reply, enc_hook=_plain).decode(), file=answers, flush=True)


def _plain(value: object) -> object:
    """Return a number of NumPy's as one of Python's."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"an answer has a {type(value).__name__}, expected plain values")


def main() -> None:
    """Serve on the standard streams; a Ctrl-C is the driver's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    limit_memory()
    requests = os.fdopen(os.dup(0), encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # who asks the user a question is told that there is no answer
    os.dup2(2, 1)
    serve(requests, answers)


if __name__ == "__main__":
    main()
