"""A run, from verification to the last record: verify, train, time.

All is recorded as soon as it is done, and what is recorded is not done again, so a run that was stopped can go on.
"""

import concurrent.futures
import contextlib
import dataclasses
import os
import sys
import threading
from collections.abc import Callable, Sequence

import msgspec

from backprop_bench.bench.core.engine.accuracy import train_question
from backprop_bench.bench.core.engine.context import RunContext
from backprop_bench.bench.core.engine.timed_work import REFERENCES, TimedWorkCheck, candidates, reference_of
from backprop_bench.bench.core.engine.timing import time_question
from backprop_bench.bench.core.implementations import trains_nothing
from backprop_bench.bench.core.machine.environment import usable_core_numbers
from backprop_bench.bench.core.records.kinds import Verification
from backprop_bench.bench.core.records.plan import Entry, Question, reference_label
from backprop_bench.bench.core.stats.tolerances import Parity
from backprop_bench.bench.core.worker.client import (
    Refusal,
    Stopped,
    Worker,
    WorkerError,
    start_again,
    stop_all,
    together,
)
from backprop_bench.bench.core.worker.shared_data import SharedForms
from backprop_bench.data import InputError, Recipe

VERIFY, DIAGNOSE = "verify.handlers:verify", "mutation.handlers:diagnose"
"""Handlers of the requests of a worker."""


class _Verified(msgspec.Struct):
    """The checks of an implementation, and what to ask where one failed."""

    checks: tuple[Parity, ...]
    sources: dict[str, str]
    questions: tuple[str, ...] = ()

    @property
    def failed(self) -> Parity | None:
        """The first check that failed."""
        return next((check for check in self.checks if not check.passed), None)


class _Diagnosis(msgspec.Struct):
    """What is asked of a difference."""

    questions: tuple[str, ...]


class Runner:
    """Carries out a run."""

    def __init__(self, run: RunContext) -> None:
        self._context = run
        self.plan = run.plan
        self.dataset = run.dataset
        self.threads = run.threads
        self.log = run.log
        self.progress = run.progress
        self._timed_work: dict[str, TimedWorkCheck] = {}
        """By name of the question."""
        self._checks = contextlib.ExitStack()

    def verify(self) -> None:
        """Verify all that is not verified yet."""
        if self.plan.verification_steps is not None:
            self._verify_all(self.plan.verification_steps)
        if self.plan.verification_steps is not None and self.plan.verifies_timed_work:
            self._verify_references(self.plan.verification_steps)

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

    def _threads(self, question: Question, entry: Entry) -> int:
        """Return with how many threads an implementation is timed, and so verified."""
        return entry.threads or question.threads or self.threads

    def _verify_all(self, steps: int) -> None:
        """Verify every entry that is not recorded yet; nothing is timed here, so several processes may work at once."""
        missing: dict[tuple[str, str | None, int], list[tuple[Question, Entry]]] = {}
        for question in self.plan.questions:
            for entry in question.originals:
                if trains_nothing(entry.implementation):
                    continue
                verified = self.log.find(Verification, question, implementation=entry.name)
                if not verified and not self.log.unverified(question, entry):
                    alike = entry.implementation, entry.core_type, self._threads(question, entry)
                    missing.setdefault(alike, []).append((question, entry))
        with (
            self.progress.stage("verification", sum(map(len, missing.values()))),
            together(self.threads) as pool,
        ):
            verifying = {pool.submit(self._verify_on_recipes, pairs, steps): pairs for pairs in missing.values()}
            for future in concurrent.futures.as_completed(verifying):
                for (question, entry), outcome in zip(verifying[future], future.result(), strict=True):
                    self._record_checks(question, entry, outcome)
                    self.progress.advance(f"{entry.name} on {entry.recipe_name}")

    def _verify_references(self, steps: int) -> None:
        """Verify what is to be the reference of the timed work, on every recipe, unless it takes part itself."""
        for name in REFERENCES:
            missing: dict[str, tuple[Question, Entry]] = {}
            for question in self.plan.questions:
                for entry in question.timed:
                    label = reference_label(name, entry)
                    if self._needs_reference(question, entry) and name in candidates(entry):
                        reference = dataclasses.replace(entry, implementation=name, alias=label, threads=None)
                        missing.setdefault(f"{question.name} {label}", (question, reference))
            pairs = list(missing.values())
            if not pairs:
                continue
            parts = [part for part in (pairs[::2], pairs[1::2]) if part]
            with self.progress.stage("verify references", len(pairs)), together(self.threads) as pool:
                for part, outcomes in zip(parts, pool.map(self._verify_pairs(steps), parts), strict=True):
                    for (question, entry), outcome in zip(part, outcomes, strict=True):
                        if not isinstance(outcome, WorkerError):
                            checks = outcome.checks
                            self.log.add(*(_record_of(check, question, entry, self.log.session) for check in checks))
                        self.progress.advance(entry.name)

    def _verify_pairs(self, steps: int) -> Callable[[list[tuple[Question, Entry]]], list["_Verified | WorkerError"]]:
        return lambda pairs: self._verify_on_recipes(pairs, steps)

    def _needs_reference(self, question: Question, entry: Entry) -> bool:
        if entry.second_copy or trains_nothing(entry.implementation) or self.log.unverified(question, entry):
            return False
        return reference_of(self.log, question, entry) is None

    def _verify_on_recipes(self, pairs: list[tuple[Question, Entry]], steps: int) -> list[_Verified | WorkerError]:
        """Verify one implementation on its recipes, in one process unless that breaks."""
        outcomes: list[_Verified | WorkerError] = []
        with contextlib.ExitStack() as stack:
            worker = None
            for question, entry in pairs:
                threads = self._threads(question, entry)
                worker = worker or stack.enter_context(Worker(threads, environment=entry.environment))
                try:
                    verified = verify(worker, entry.implementation, entry.recipe, self.dataset.name, steps)
                    self._context.sources.check(entry.implementation, verified.sources)
                    outcomes.append(verified)
                except WorkerError as failure:
                    outcomes.append(failure)
                    worker = None
        return outcomes

    def _record_checks(self, question: Question, entry: Entry, outcome: _Verified | WorkerError) -> None:
        if isinstance(outcome, Refusal):
            self.log.add_failure(question, entry, "verification", None, str(outcome))
            return
        if isinstance(outcome, WorkerError):
            failure = WorkerError(f"not timed: during verification {outcome}", outcome.signal)
            self.log.add_failure(question, entry, "verification", None, failure)
            return
        failed = outcome.failed
        if failed is not None:  # the failure first: whatever happens in between, it is never timed
            what = f"{failed.check} in {failed.dtype} against {failed.reference}"
            message = f"not timed: verification failed: {what}: {failed.where}"
            message = "; ".join([message, *outcome.questions])
            self.log.add_failure(question, entry, "verification", None, message)
        self.log.add(*(_record_of(check, question, entry, self.log.session) for check in outcome.checks))


def _record_of(check: Parity, question: Question, entry: Entry, session: int) -> Verification:
    fields = {**dataclasses.asdict(check), "implementation": entry.name}
    return Verification(session=session, question=question.name, **fields)


def verify(worker: Worker, implementation: str, recipe: Recipe, dataset: str, steps: int) -> _Verified:
    """Verify an implementation; where that fails, ask which known mistake it looks like."""
    request = {"implementation": implementation, "dataset": dataset}
    outcome = worker.ask(VERIFY, _Verified, **request, recipe=recipe.to_dict(), steps=steps)
    if outcome.failed is None:
        return outcome
    here = {**recipe.to_dict(), "dtype": outcome.failed.dtype}
    with contextlib.suppress(WorkerError, InputError):  # the checks have failed all the same
        outcome.questions = worker.ask(DIAGNOSE, _Diagnosis, **request, recipe=here).questions
    return outcome
