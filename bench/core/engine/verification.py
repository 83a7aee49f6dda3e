"""Verification: every implementation of a run on each of its recipes, and the references of what is timed.

Nothing is timed here, so several processes are at work at once. A process verifies one of the suite's own
implementations after the other, because to start one takes longer than most verifications. Yours have processes of
their own.
"""

import concurrent.futures
import contextlib
import dataclasses
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import msgspec

from backprop_bench.bench.core.engine.context import RunContext
from backprop_bench.bench.core.engine.timed_work import REFERENCES, candidates, reference_of
from backprop_bench.bench.core.implementations import is_own, named_implementation, trains_nothing
from backprop_bench.bench.core.records.kinds import StepWork, Verification
from backprop_bench.bench.core.records.plan import Entry, Question, reference_label
from backprop_bench.bench.core.stats.tolerances import Parity
from backprop_bench.bench.core.worker.client import Refusal, Worker, WorkerError, together
from backprop_bench.data import InputError, Recipe

COUNTED = ("scratch-numpy", "torch-eager")
"""Implementations whose step is counted beside that of yours."""
VERIFY, DIAGNOSE = "verify.handlers:verify", "mutation.handlers:diagnose"
"""Handlers of the requests of a worker."""
OWN_SIDES = ("from scratch", "PyTorch")
"""Sides whose implementations are the suite's own."""


class _Verified(msgspec.Struct):
    """The checks of an implementation, and what to ask where one failed."""

    checks: tuple[Parity, ...]
    sources: dict[str, str]
    questions: tuple[str, ...] = ()
    work: dict[str, int] | None = None

    @property
    def failed(self) -> Parity | None:
        """The first check that failed."""
        return next((check for check in self.checks if not check.passed), None)


class _Diagnosis(msgspec.Struct):
    """What is asked of a difference."""

    questions: tuple[str, ...]


_Outcome = _Verified | WorkerError


class _Workers:
    """Processes that verify, kept until all is verified. Several threads may ask for one."""

    def __init__(self) -> None:
        self._idle: dict[tuple[str, int, str | None], list[Worker]] = {}
        self._lock = threading.Lock()
        self._stack = contextlib.ExitStack()

    @contextlib.contextmanager
    def one(self, entry: Entry, threads: int) -> Iterator[Worker]:
        """Give a process that verifies an entry; one that breaks is ended."""
        known = named_implementation(entry.implementation)
        whose = "" if known.side in OWN_SIDES and not known.package else entry.implementation
        key = whose, threads, entry.core_type
        with self._lock:
            idle = self._idle.setdefault(key, [])
            worker = idle.pop() if idle else None
        if worker is None:
            worker = Worker(threads, environment=entry.environment)
            with self._lock:
                self._stack.callback(worker.close)
        is_whole = False
        try:
            yield worker
            is_whole = True
        except Refusal:  # an answer as good as another
            is_whole = True
            raise
        finally:
            if is_whole:
                with self._lock:
                    idle.append(worker)
            else:
                worker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


class RunVerification:
    """Verifies all of a run that is not verified yet.

    Parameters
    ----------
    run
        Its plan says what is verified; what is found is recorded in its log.
    """

    def __init__(self, run: RunContext) -> None:
        self._context = run
        self._plan, self._log, self._progress = run.plan, run.log, run.progress

    def verify(self) -> None:
        """Verify every implementation, then what is to be the reference of the timed work."""
        steps = self._plan.verification_steps
        if steps is None:
            return
        with _Workers() as workers:
            self._verify_all(workers, steps)
            if self._plan.verifies_timed_work:
                self._verify_references(workers, steps)

    def _verify_all(self, workers: _Workers, steps: int) -> None:
        """Verify every entry that is not recorded yet."""
        pairs = [
            (question, entry)
            for question in self._plan.questions
            for entry in question.originals
            if not trains_nothing(entry.implementation) and not self._is_known(question, entry)
        ]
        with self._progress.stage("verification", len(pairs)):
            for question, entry, outcome in self._verified(workers, pairs, steps):
                self._record_outcome(question, entry, outcome)
                self._progress.advance(f"{entry.name} on {entry.recipe_name}")

    def _is_known(self, question: Question, entry: Entry) -> bool:
        verified = self._log.find(Verification, question, implementation=entry.name)
        return bool(verified or self._log.unverified(question, entry))

    def _verify_references(self, workers: _Workers, steps: int) -> None:
        """Verify what is to be the reference of the timed work, on every recipe, unless it takes part itself."""
        for name in REFERENCES:
            missing: dict[str, tuple[Question, Entry]] = {}
            for question in self._plan.questions:
                for entry in question.timed:
                    label = reference_label(name, entry)
                    if self._needs_reference(question, entry) and name in candidates(entry):
                        reference = dataclasses.replace(entry, implementation=name, alias=label, threads=None)
                        missing.setdefault(f"{question.name} {label}", (question, reference))
            if not missing:
                continue
            with self._progress.stage("verify references", len(missing)):
                for question, entry, outcome in self._verified(workers, list(missing.values()), steps):
                    if not isinstance(outcome, WorkerError):
                        self._record_checks(question, entry, outcome)
                    self._progress.advance(entry.name)

    def _needs_reference(self, question: Question, entry: Entry) -> bool:
        if entry.second_copy or trains_nothing(entry.implementation) or self._log.unverified(question, entry):
            return False
        return reference_of(self._log, question, entry) is None

    def _verified(
        self, workers: _Workers, pairs: list[tuple[Question, Entry]], steps: int
    ) -> Iterator[tuple[Question, Entry, _Outcome]]:
        """Verify entries, as many at once as the cores allow; yield each as soon as it is done."""
        with together(self._context.threads) as pool:
            verifying = {pool.submit(self._verify, workers, *pair, steps): pair for pair in pairs}
            for future in concurrent.futures.as_completed(verifying):
                yield *verifying[future], future.result()

    def _verify(self, workers: _Workers, question: Question, entry: Entry, steps: int) -> _Outcome:
        threads = entry.threads or question.threads or self._context.threads  # as it is timed
        try:
            with workers.one(entry, threads) as worker:
                verified = verify(
                    worker,
                    entry.implementation,
                    entry.recipe,
                    self._context.dataset.name,
                    steps,
                    counts=_is_counted(question, entry),
                )
        except WorkerError as failure:
            return failure
        self._context.sources.check(entry.implementation, verified.sources)
        return verified

    def _record_outcome(self, question: Question, entry: Entry, outcome: _Outcome) -> None:
        if isinstance(outcome, Refusal):
            self._log.add_failure(question, entry, "verification", None, str(outcome))
            return
        if isinstance(outcome, WorkerError):
            failure = WorkerError(f"not timed: during verification {outcome}", outcome.signal)
            self._log.add_failure(question, entry, "verification", None, failure)
            return
        failed = outcome.failed
        if failed is not None:  # the failure first: whatever happens in between, it is never timed
            what = f"{failed.check} in {failed.dtype} against {failed.reference}"
            message = f"not timed: verification failed: {what}: {failed.where}"
            message = "; ".join([message, *outcome.questions])
            self._log.add_failure(question, entry, "verification", None, message)
        self._record_checks(question, entry, outcome)

    def _record_checks(self, question: Question, entry: Entry, outcome: _Verified) -> None:
        session = self._log.session
        self._log.add(*(_record_of(check, question, entry, session) for check in outcome.checks))
        if outcome.work is not None:
            self._log.add(StepWork(session=session, question=question.name, implementation=entry.label, **outcome.work))


def _record_of(check: Parity, question: Question, entry: Entry, session: int) -> Verification:
    fields = {**dataclasses.asdict(check), "implementation": entry.name}
    return Verification(session=session, question=question.name, **fields)


def _is_counted(question: Question, entry: Entry) -> bool:
    """Say whether what a step does is counted: of yours, and of what it is compared with."""
    has_own = any(is_own(each.implementation) for each in question.entries)
    return has_own and (is_own(entry.implementation) or entry.implementation in COUNTED)


def verify(
    worker: Worker, implementation: str, recipe: Recipe, dataset: str, steps: int, *, counts: bool = False
) -> _Verified:
    """Verify an implementation; where that fails, ask which known mistake it looks like.

    Parameters
    ----------
    counts
        Whether what a step does is counted, too.
    """
    request = {"implementation": implementation, "dataset": dataset}
    outcome = worker.ask(VERIFY, _Verified, **request, recipe=recipe.to_dict(), steps=steps, counts=counts)
    if outcome.failed is None:
        return outcome
    here = {**recipe.to_dict(), "dtype": outcome.failed.dtype}
    with contextlib.suppress(WorkerError, InputError):  # the checks have failed all the same
        outcome.questions = worker.ask(DIAGNOSE, _Diagnosis, **request, recipe=here).questions
    return outcome
