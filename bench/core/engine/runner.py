"""A run, from verification to the last record: verify, train, time.

All is recorded as soon as it is done, and what is recorded is not done again, so a run that was stopped can go on.
"""

import concurrent.futures
import contextlib
import os
import sys
import threading
from collections.abc import Sequence

from backprop_bench.bench.core.engine.accuracy import train_question
from backprop_bench.bench.core.engine.context import RunContext
from backprop_bench.bench.core.engine.timed_work import TimedWorkCheck
from backprop_bench.bench.core.engine.timing import time_question
from backprop_bench.bench.core.engine.verification import RunVerification
from backprop_bench.bench.core.machine.environment import usable_core_numbers
from backprop_bench.bench.core.records.plan import Question
from backprop_bench.bench.core.worker.client import Stopped, start_again, stop_all
from backprop_bench.bench.core.worker.shared_data import SharedForms


class Runner:
    """Carries out a run."""

    def __init__(self, run: RunContext) -> None:
        self._context = run
        self.plan = run.plan
        self.dataset = run.dataset
        self.log = run.log
        self._timed_work: dict[str, TimedWorkCheck] = {}
        """By name of the question."""
        self._checks = contextlib.ExitStack()

    def verify(self) -> None:
        """Verify all that is not verified yet."""
        RunVerification(self._context).verify()

    def run(self) -> None:
        """Verify, train and time all that is not recorded yet."""
        try:
            self.verify()
            with SharedForms(self.dataset) as shared, contextlib.ExitStack() as checks:
                self._checks = checks
                for number in range(1, self.plan.passes + 1):
                    for question in self.plan.questions:
                        seeds = question.seeds[number - 1 :: self.plan.passes]
                        train_question(self._context, question, seeds, shared)
                    self._time_all(shared, number)
        finally:
            start_again()

    def _time_all(self, shared: SharedForms, number: int) -> None:
        """Time one question after the other, each for its share of a pass.

        Where the plan says so, several are timed at once, each on cores of its own.
        """
        cores = usable_core_numbers()
        waiting = iter(self.plan.questions)
        taking = threading.Lock()

        def work(mine: Sequence[int]) -> None:
            if self.plan.at_once > 1 and sys.platform == "linux":
                os.sched_setaffinity(0, mine)  # of this thread, and of the processes that it starts
            while True:
                with taking:
                    question = next(waiting, None)
                if question is None:
                    return
                if not self.log.is_timed(question):
                    self._time(question, shared, mine, number)

        with concurrent.futures.ThreadPoolExecutor(self.plan.at_once) as pool:
            try:
                parts = [pool.submit(work, cores[number :: self.plan.at_once]) for number in range(self.plan.at_once)]
                concurrent.futures.wait(parts, return_when=concurrent.futures.FIRST_EXCEPTION)
            finally:
                if not all(part.done() for part in parts):
                    stop_all()
        errors = [error for part in parts if (error := part.exception()) is not None]
        for error in sorted(errors, key=lambda error: isinstance(error, Stopped)):
            raise error

    def _time(self, question: Question, shared: SharedForms, cores: Sequence[int], number: int) -> None:
        """Time a question for its share of a pass; the reference that verifies it stays until its timing has ended."""
        if question.name not in self._timed_work:
            check = TimedWorkCheck(self._context, question, shared, question.timing.rounds)
            self._checks.callback(check.close)
            self._timed_work[question.name] = check
        check = self._timed_work[question.name]
        time_question(self._context, question, shared, check, cores, number)
        if self.log.is_timed(question):
            check.close()
