"""What was timed is trained again by a reference implementation, and compared: weights and losses, turn by turn."""

import contextlib
import queue
import secrets
from collections.abc import Mapping, Sequence

import msgspec

from backprop_bench.bench.core.engine.context import RunContext
from backprop_bench.bench.core.engine.run_log import RunLog
from backprop_bench.bench.core.implementations import named_implementation, trains_nothing
from backprop_bench.bench.core.records.kinds import ComparedWork, TimedWork, Verification
from backprop_bench.bench.core.records.plan import Entry, Question, reference_label
from backprop_bench.bench.core.worker.batches import KeptTurn
from backprop_bench.bench.core.worker.client import Worker, WorkerError, WorkFault
from backprop_bench.bench.core.worker.shared_data import SharedExamples, SharedForms
from backprop_bench.bench.core.worker.weights import WeightsFile
from backprop_bench.data import Recipe, UnsupportedRecipe, check_plain

REFERENCES = ("scratch-compiled", "scratch-inplace", "scratch-numpy", "torch-eager")
"""Implementations that train again what was timed, the fastest first.

The last one is for `scratch-numpy`, on recipes of which few others can do all.
"""
REPLAY = "core.worker.replay:replay"
"""Handler that trains again, which no worker that is timed imports."""


def candidates(entry: Entry) -> list[str]:
    """Return the implementations that may be the reference of an entry: it is never compared with itself."""
    left_out = {entry.implementation}
    if entry.implementation != "scratch-numpy" or not _needs_torch(entry.recipe):
        left_out.add("torch-eager")
    return [name for name in REFERENCES if name not in left_out and named_implementation(name).unavailable() is None]


def _needs_torch(recipe: Recipe) -> bool:
    """Say whether a recipe has conventions or dropout, which few others than `scratch-numpy` can do."""
    try:
        check_plain("", recipe)
    except UnsupportedRecipe:
        return True
    return False


def reference_of(log: RunLog, question: Question, entry: Entry) -> str | None:
    """Return the fastest other implementation that is verified on the recipe of an entry; ``None`` without one."""
    return next((name for name in candidates(entry) if _is_verified(log, question, entry, name)), None)


def fastest_verified(log: RunLog, question: Question, entry: Entry) -> str:
    """Return the fastest implementation that is verified on the recipe of an entry; its own without another one."""
    names = [name for name in REFERENCES if name == entry.implementation or name in candidates(entry)]
    return next((name for name in names if _is_verified(log, question, entry, name)), entry.implementation)


def _is_verified(log: RunLog, question: Question, entry: Entry, name: str) -> bool:
    fellows = [other for other in question.originals if other.implementation == name and other.recipe == entry.recipe]
    labels = [reference_label(name, entry), *(other.name for other in fellows)]
    checks = [check for label in labels for check in log.find(Verification, question, implementation=label)]
    return bool(checks) and all(check.passed for check in checks)


class TimedWorkCheck:
    """The reference of a question, in processes of its own that work while nothing is timed. Several threads may ask.

    Parameters
    ----------
    run
        Decides threads and where records go.
    question
        Whose entries are timed.
    shared
        The examples.
    turns
        How many times the weights of one worker are kept at most.
    """

    def __init__(self, run: RunContext, question: Question, shared: SharedForms, turns: int) -> None:
        self._run, self._question, self._turns = run, question, turns
        self._stack = contextlib.ExitStack()
        self._examples: dict[Entry, SharedExamples] = {
            entry: shared.of(entry.recipe, question.examples) for entry in question.timed
        }
        self.weights: dict[Entry, WeightsFile | None] = {entry: self._file(entry) for entry in question.timed}
        """By entry, where its worker writes weights; ``None`` for what trains nothing."""
        self._workers: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        """Those that have nothing to do now."""

    def _file(self, entry: Entry) -> WeightsFile | None:
        if trains_nothing(entry.implementation):
            return None
        return self._stack.enter_context(WeightsFile(entry.recipe, self._turns))

    def verify(
        self,
        entry: Entry,
        turns: Sequence[KeptTurn],
        trained_s: float,
        number: int,
        target: float | None = None,
        cold: bool | None = None,
        seed: int | None = None,
    ) -> None:
        """Compare what a worker did, and record it; nothing is compared for what trains nothing, or is not verified.

        Parameters
        ----------
        turns, trained_s
            What it trained, and the seconds that took: no more is spent on turns that can be left out.
        number
            Seed of its initial weights: the process replicate.
        target, cold
            Accuracy until which it trained, if it did, and whether from the start of its process.
        seed
            Of its initial weights, where that is not the number: what it trained after the timing.

        Raises
        ------
        WorkFault
            Where it is not equal.
        WorkerError
            Where that cannot be compared.
        """
        weights = self.weights[entry]
        if not self._run.plan.verifies_timed_work or weights is None or not turns:
            return
        reference = reference_of(self._run.log, self._question, entry)
        if reference is None:
            raise WorkerError("no implementation that could be its reference is verified on its recipe")
        worker = None
        try:
            worker = self._idle_worker()
            worker.limit_s = worker.timeout_s + 20 * trained_s
            done = worker.ask(
                REPLAY,
                ComparedWork,
                implementation=reference,
                others=[name for name in candidates(entry) if name != reference],
                recipe=entry.recipe.replace(seed=number if seed is None else seed).to_dict(),
                examples=self._examples[entry].to_dict(),
                weights=weights.descriptor,
                turns=msgspec.to_builtins(turns),
                limit_s=trained_s,
                order_seed=secrets.randbits(32),  # nobody knows before which turns will be looked at
            )
        except WorkerError as failure:
            if worker is not None:
                worker.close()
            message = f"its timed work could not be verified: {reference} {failure}"
            raise WorkerError(message, failure.signal) from failure
        except BaseException:
            if worker is not None:
                worker.close()
            raise
        self._workers.put(worker)
        work = record_work(self._run.log, self._question, entry, number, reference, done, target, cold, seed)
        if not work.passed:
            raise WorkFault(not_equal(work))

    def _idle_worker(self) -> Worker:
        try:
            return self._workers.get_nowait()
        except queue.Empty:
            files = [self._examples[entry].descriptor for entry in self._question.timed]
            files += [file.descriptor for file in self.weights.values() if file is not None]
            return Worker(self._run.threads, descriptors=sorted(set(files)))

    def check_sources(self, entry: Entry, sources: Mapping[str, str]) -> None:
        """Raise `InputError` where the code of an entry has changed during the run."""
        self._run.sources.check(entry.implementation, sources)

    def close(self) -> None:
        """End the processes, and give the files back."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._workers.get_nowait().close()
        self._stack.close()


def record_work(
    log: RunLog,
    question: Question,
    entry: Entry,
    number: int,
    reference: str,
    compared: ComparedWork,
    target: float | None = None,
    cold: bool | None = None,
    seed: int | None = None,
) -> TimedWork:
    """Record how the work of an entry compares with that of a reference, and return the record."""
    work = TimedWork(
        session=log.session,
        question=question.name,
        implementation=entry.label,
        number=number,
        reference=reference,
        target=target,
        cold=cold,
        seed=seed,
        **msgspec.structs.asdict(compared),
    )
    log.add(work)
    return work


def not_equal(work: TimedWork) -> str:
    """Return what a failure says where the timed work is not that of the reference."""
    if work.difference is None:
        return f"not equal in the timed work: {work.where}"
    return (
        f"not equal in the timed work: {work.where}: relative error {work.difference:.2g} against {work.reference}, "
        f"expected at most {work.tolerance:.2g}"
    )
