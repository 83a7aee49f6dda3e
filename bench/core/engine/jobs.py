"""Trainings that only their accuracy is wanted of, each on its own: what one is, and who does many of them."""

import concurrent.futures
import dataclasses
import threading
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Protocol, Self

from backprop_bench.bench.core.engine.train_until import train_until
from backprop_bench.bench.core.records.kinds import Epoch, FailurePhase, Search, Stretch
from backprop_bench.bench.core.records.plan import Entry, Question
from backprop_bench.bench.core.worker.client import Worker, WorkerError, together
from backprop_bench.bench.core.worker.opened import opened_worker
from backprop_bench.bench.core.worker.replies import Apart, Begun, Evaluated, TrainedEpoch
from backprop_bench.bench.core.worker.shared_data import SharedExamples, SharedForms
from backprop_bench.data import Dataset, Recipe

NEVER = 2.0
"""An accuracy that is never reached."""
STRETCHES = "historical.handlers:stretches"
"""Handler of trainings beside another implementation."""

JobRecord = Search | Epoch | Stretch
Place = tuple[type[JobRecord], str, int]
"""Kind, label and seed."""
Outcome = list[JobRecord] | str
"""The records of a job, or what went wrong."""


@dataclasses.dataclass(frozen=True)
class Job:
    """Trainings from one seed in a process of their own; what comes out depends on what stands here and the dataset.

    Two jobs are equal where they compute the same, whatever the records call them.

    Attributes
    ----------
    question, label
        What the records call it.
    implementation, recipe, seed
        What is trained, and from which seed.
    examples
        Training examples, the first ones of the dataset.
    held_out
        How many of these, the last ones, are not trained on, but stand in for the test examples.
    epochs, threads
        Of every training.
    rates
        Learning rates that are tried one after the other; none where the recipe's is trained with.
    against, stretch
        Who trains beside it, and after how many batches it begins anew from the same weights; nobody where it is empty.
    """

    question: str = dataclasses.field(compare=False)
    label: str = dataclasses.field(compare=False)
    implementation: str
    recipe: Recipe
    seed: int
    examples: int
    held_out: int
    epochs: int
    threads: int
    rates: tuple[float, ...] = ()
    against: str = ""
    stretch: int = 0

    @property
    def kind(self) -> type[JobRecord]:
        """Kind of its records."""
        return Search if self.rates else Stretch if self.against else Epoch

    @property
    def phase(self) -> FailurePhase:
        """What its failures call it."""
        return "tuning" if self.rates else "comparison" if self.against else "training"

    @property
    def place(self) -> Place:
        """Where its records are."""
        return self.kind, self.label, self.seed

    def part(self, record: JobRecord) -> float:
        """Return which of its parts a record is: the learning rate that was tried, or the epoch."""
        return float(record.learning_rate or 0.0) if isinstance(record, Search) else record.epoch

    def is_done(self, records: Iterable[JobRecord]) -> bool:
        """Say whether these records are all of its parts."""
        return {*(self.rates or range(bool(self.against), self.epochs + 1))} <= set(map(self.part, records))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {**fields, "recipe": self.recipe.to_dict(), "rates": list(self.rates)}

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> "Job":
        """Read what :meth:`to_dict` gave."""
        return cls(**{**row, "recipe": Recipe.from_dict(row["recipe"]), "rates": tuple(row["rates"])})


def job_of(question: Question, entry: Entry, seed: int, epochs: int, threads: int) -> Job:
    """Return the training of an entry from a seed, on all examples of its question."""
    return Job(
        question=question.name,
        label=entry.label,
        implementation=entry.implementation,
        recipe=entry.recipe,
        seed=seed,
        examples=question.examples,
        held_out=0,
        epochs=epochs,
        threads=threads,
    )


class Forms:
    """The examples of a dataset in every form that jobs ask for, each made when it is first asked for, and kept.

    Parameters
    ----------
    dataset
        Whose examples they are.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._splits: dict[tuple[int, int], SharedForms] = {}
        self._splitting = threading.Lock()

    def of(self, job: Job) -> SharedExamples:
        """Return the examples that a job trains on, and those that it is evaluated on, in the form of its recipe."""
        split = job.examples, job.held_out
        with self._splitting:
            if split not in self._splits:
                part = self._dataset.subset(job.examples)
                self._splits[split] = SharedForms(part.hold_out(job.held_out) if job.held_out else part)
        return self._splits[split].of(job.recipe, job.examples - job.held_out)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for forms in self._splits.values():
            forms.__exit__(kind, error, trace)


def carry_out(job: Job, forms: Forms) -> Outcome:
    """Do a job in a worker process; what its implementation breaks is an outcome, and no error."""
    examples = forms.of(job)
    entry = Entry(job.implementation, job.label, job.recipe, alias=job.label)
    try:
        with opened_worker(entry, examples, job.threads) as (worker, _):
            return _do(job, worker, examples)
    except WorkerError as failure:
        return str(failure)


def _do(job: Job, worker: Worker, examples: SharedExamples) -> list[JobRecord]:
    if job.rates:
        return [_search(job, rate, worker, examples) for rate in job.rates]
    worker.ask("begin", Begun, seed=job.seed)
    if job.against:
        return [_compare(job, epoch, worker) for epoch in range(1, job.epochs + 1)]
    return [_train(job, epoch, worker, examples) for epoch in range(job.epochs + 1)]


def _search(job: Job, rate: float, worker: Worker, examples: SharedExamples) -> Search:
    worker.ask("begin", Begun, seed=job.seed, learning_rate=rate)
    run = train_until(worker, job.recipe, job.examples - job.held_out, examples, NEVER, job.epochs, pieces=1)
    return Search(
        session=0,
        question=job.question,
        implementation=job.label,
        seed=job.seed,
        learning_rate=rate,
        curve=run.curve,
        reached=run.reached,
    )


def _train(job: Job, epoch: int, worker: Worker, examples: SharedExamples) -> Epoch:
    loss = worker.ask("train", TrainedEpoch, epoch=epoch).loss if epoch else None
    return Epoch(
        session=0,
        question=job.question,
        implementation=job.label,
        seed=job.seed,
        epoch=epoch,
        examples=job.examples,
        loss=loss,
        accuracy=examples.accuracy(worker.ask("evaluate", Evaluated).classes),
    )


def _compare(job: Job, epoch: int, worker: Worker) -> Stretch:
    apart = worker.ask(STRETCHES, Apart, against=job.against, epoch=epoch, batches=job.stretch)
    return Stretch(
        session=0,
        question=job.question,
        implementation=job.label,
        seed=job.seed,
        epoch=epoch,
        batches=job.stretch,
        distance=apart.distance,
    )


class JobExecutor(Protocol):
    """Does many jobs, none of which depends on another one."""

    def do(self, jobs: Sequence[Job], done: Callable[[Job, Outcome], None]) -> None:
        """Do all of them, in any order, and hand over each outcome once, as soon as it is there."""
        ...


class Here(JobExecutor):
    """Does jobs on this machine, as many at once as the cores allow.

    Parameters
    ----------
    dataset
        What is trained on.
    threads
        Threads of every job.
    """

    def __init__(self, dataset: Dataset, threads: int) -> None:
        self._dataset = dataset
        self._threads = threads

    def do(self, jobs: Sequence[Job], done: Callable[[Job, Outcome], None]) -> None:
        """Do jobs as :class:`JobExecutor` says."""
        with Forms(self._dataset) as forms, together(self._threads) as pool:
            running = {pool.submit(carry_out, job, forms): job for job in jobs}
            for future in concurrent.futures.as_completed(running):
                done(running[future], future.result())
