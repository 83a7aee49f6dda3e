"""A comparison, from the parity proof to the last record: prove, then train and time in interleaved rounds.

For every seed a fresh set of processes is started, one per implementation. In each round every process trains the same
epoch, one after the other, in an order drawn anew; what is compared later are times within a round. All is recorded
as soon as it is measured, and what is recorded is not measured again, so a run that was stopped can go on: its trainers
are brought to where they stood by training the recorded epochs once more, unrecorded.
"""

import concurrent.futures
import contextlib
from collections.abc import Iterator
from typing import Protocol

import numpy as np

from bench.records import Recorder, Row, rows_of
from bench.run.plan import Entry, Plan, Question
from bench.run.workers import Refusal, Worker, WorkerError, together


class Progress(Protocol):
    """Somebody who wants to know how far the run is."""

    def stage(self, title: str, total: int) -> contextlib.AbstractContextManager[object]:
        """Announce a stage of this many steps."""
        ...

    def advance(self, detail: str) -> None:
        """Announce that a step is done and what comes next."""
        ...


class Comparison:
    """A run of a plan.

    Parameters
    ----------
    plan
        What is to be done.
    dataset
        Name or path of the dataset.
    threads
        Threads of every worker.
    recorder
        Where the rows go.
    rows
        What is recorded already, empty for a new run.
    progress
        Who is told how far it is.
    """

    def __init__(
        self, plan: Plan, dataset: str, threads: int, recorder: Recorder, rows: list[Row], progress: Progress
    ) -> None:
        self.plan = plan
        self.dataset = dataset
        self.threads = threads
        self.recorder = recorder
        self.rows = rows
        self.progress = progress

    def run(self) -> None:
        """Prove and measure all that is not recorded yet."""
        self._prove_all()
        for question in self.plan.questions:
            with self.progress.stage(question.name, question.n_blocks):
                for seed in question.seeds:
                    self._measure(question, seed)

    def _record(self, kind: str, *rows: Row) -> None:
        self.recorder.append(kind, *rows)
        self.rows += [{"kind": kind, "session": self.recorder.session, **row} for row in rows]

    def _recorded(self, kind: str, question: Question, entry: Entry, **fields: object) -> list[Row]:
        return rows_of(self.rows, kind, question=question.name, implementation=entry.implementation, **fields)

    def _fail(self, question: Question, entry: Entry, seed: int | None, message: str) -> None:
        row = {"question": question.name, "implementation": entry.implementation, "seed": seed, "message": message}
        self._record("failure", row)

    def _excluded(self, question: Question, entry: Entry, seed: int | None) -> bool:
        failed = any(self._recorded("failure", question, entry, seed=which) for which in (None, seed))
        return failed or bool(self._recorded("parity", question, entry, passed=False))

    def _prove_all(self) -> None:
        """Prove every entry that is not recorded yet; nothing is timed here, so several processes may work at once."""
        missing: dict[str, list[tuple[Question, Entry]]] = {}
        for question in self.plan.questions:
            for entry in question.entries:
                if not self._recorded("parity", question, entry) and not self._excluded(question, entry, None):
                    missing.setdefault(entry.implementation, []).append((question, entry))
        with (
            self.progress.stage("parity proof", sum(map(len, missing.values()))),
            together(self.threads) as pool,
        ):
            proving = {pool.submit(self._ask_for_proofs, pairs): pairs for pairs in missing.values()}
            for future in concurrent.futures.as_completed(proving):
                for (question, entry), outcome in zip(proving[future], future.result(), strict=True):
                    self._record_proof(question, entry, outcome)
                    self.progress.advance(f"{entry.implementation} on {entry.recipe_name}")

    def _ask_for_proofs(self, pairs: list[tuple[Question, Entry]]) -> list[list[Row] | WorkerError]:
        """Prove one implementation on its recipes, in one process unless that breaks."""
        outcomes: list[list[Row] | WorkerError] = []
        with contextlib.ExitStack() as stack:
            worker = None
            for _, entry in pairs:
                worker = worker or stack.enter_context(Worker(self.threads))
                request = {"implementation": entry.implementation, "recipe": entry.recipe.to_dict()}
                try:
                    outcomes.append(
                        worker.ask("prove", **request, dataset=self.dataset, steps=self.plan.proof_steps)["proofs"]
                    )
                except WorkerError as failure:
                    outcomes.append(failure)
                    worker = None
        return outcomes

    def _record_proof(self, question: Question, entry: Entry, outcome: list[Row] | WorkerError) -> None:
        if isinstance(outcome, Refusal):
            self._fail(question, entry, None, str(outcome))
            return
        if isinstance(outcome, WorkerError):
            self._fail(question, entry, None, f"not timed: in the parity proof {outcome}")
            return
        for proof in outcome:
            if not proof["passed"]:  # the failure first: whatever happens in between, it is never timed
                what = f"{proof['check']} in {proof['dtype']} against {proof['reference']}"
                self._fail(question, entry, None, f"not timed: parity proof failed: {what}: {proof['where']}")
                break
        self._record("parity", *({"question": question.name, **proof} for proof in outcome))

    def _measure(self, question: Question, seed: int) -> None:
        """Train and time one seed of a question, in one set of processes."""
        entries = [entry for entry in question.entries if not self._excluded(question, entry, seed)]
        if all(self._is_done(question, entry, seed) for entry in entries):
            for _ in entries:
                self._skip(question.epochs, question.name)
            return
        with contextlib.ExitStack() as stack:
            workers = self._start_all(question, entries, seed, stack)
            for epoch in range(1, question.epochs + 1):
                self._round(question, seed, epoch, workers)
            self._finish(question, seed, workers)

    def _skip(self, steps: int, detail: str) -> None:
        for _ in range(steps):
            self.progress.advance(detail)

    def _is_done(self, question: Question, entry: Entry, seed: int) -> bool:
        return bool(self._recorded("memory", question, entry, seed=seed))

    @contextlib.contextmanager
    def _surviving(self, workers: dict[Entry, Worker], question: Question, entry: Entry, seed: int) -> Iterator[None]:
        """Record a failure of an implementation and leave it out of this set of processes; the others go on."""
        try:
            yield
        except WorkerError as failure:
            self._fail(question, entry, seed, str(failure))
            workers.pop(entry).close()

    def _start_all(
        self, question: Question, entries: list[Entry], seed: int, stack: contextlib.ExitStack
    ) -> dict[Entry, Worker]:
        """Start a process per entry: the first set one after the other and timed, later ones together and untimed."""
        alone = seed == question.seeds[0]
        workers: dict[Entry, Worker] = {}
        with together(self.threads) as pool:
            starting = {}
            for entry in entries:
                starting[entry] = pool.submit(self._start, question, entry, seed, stack)
                if alone:
                    concurrent.futures.wait([starting[entry]])
            for entry, future in starting.items():
                try:
                    workers[entry], started = future.result()
                except WorkerError as failure:
                    self._fail(question, entry, seed, str(failure))
                    continue
                if not alone:
                    started |= dict.fromkeys(("import_s", "load_s", "prepare_s"))
                self._record("start", {**_key(question, entry, seed), **started})
        for entry, worker in list(workers.items()):
            done = len(self._recorded("epoch", question, entry, seed=seed))
            if not self._recorded("evaluation", question, entry, seed=seed, epoch=done):
                with self._surviving(workers, question, entry, seed):
                    self._evaluate(question, entry, seed, done, worker)
        return workers

    def _start(self, question: Question, entry: Entry, seed: int, stack: contextlib.ExitStack) -> tuple[Worker, Row]:
        """Load, make the trainer, bring it to where the records end."""
        worker = stack.enter_context(Worker(self.threads))
        opened = worker.ask(
            "open",
            implementation=entry.implementation,
            recipe=entry.recipe.to_dict(),
            dataset=self.dataset,
            cases=question.cases,
            hold_out=None,
            spawned=worker.spawned,
            threads=self.threads,
        )
        prepared = worker.ask("begin", seed=seed)
        for epoch in range(1, 1 + len(self._recorded("epoch", question, entry, seed=seed))):
            worker.ask("train", epoch=epoch)
        return worker, opened | prepared

    def _evaluate(self, question: Question, entry: Entry, seed: int, epoch: int, worker: Worker) -> None:
        self._record("evaluation", {**_key(question, entry, seed), "epoch": epoch, **worker.ask("evaluate")})

    def _round(self, question: Question, seed: int, epoch: int, workers: dict[Entry, Worker]) -> None:
        """Let every implementation train one epoch, in random order."""
        number = question.seeds.index(seed) * question.epochs + epoch - 1
        entries = [entry for entry in question.entries if entry in workers]
        order = np.random.default_rng([number, len(entries)]).permutation(len(entries))
        for position, index in enumerate(order):
            entry = entries[index]
            self.progress.advance(f"{entry.implementation}, seed {seed}, epoch {epoch} of {question.epochs}")
            if self._recorded("epoch", question, entry, seed=seed, epoch=epoch):
                continue
            with self._surviving(workers, question, entry, seed):
                trained = workers[entry].ask("train", epoch=epoch)
                place = {"epoch": epoch, "round": number, "position": position}
                self._record("epoch", {**_key(question, entry, seed), **place, **trained})
                self._evaluate(question, entry, seed, epoch, workers[entry])

    def _finish(self, question: Question, seed: int, workers: dict[Entry, Worker]) -> None:
        """Time the parts of a step with the last seed, in interleaved blocks; then record the peak of memory.

        The row of the memory is the last one of an implementation and a seed, and says that they are done.
        """
        blocks = self.plan.part_blocks if seed == question.seeds[-1] else 0
        for block in range(blocks):
            for entry, worker in list(workers.items()):
                if not self._recorded("part", question, entry, block=block):
                    with self._surviving(workers, question, entry, seed):
                        self._time_parts(question, entry, block, worker)
        for entry, worker in list(workers.items()):
            if not self._is_done(question, entry, seed):
                with self._surviving(workers, question, entry, seed):
                    self._record("memory", {**_key(question, entry, seed), **worker.ask("memory")})

    def _time_parts(self, question: Question, entry: Entry, block: int, worker: Worker) -> None:
        epochs = self._recorded("epoch", question, entry)
        steps_per_epoch = -(-question.cases // (entry.recipe.batch_size or question.cases))
        step_s = sum(row["wall_s"] for row in epochs) / len(epochs) / steps_per_epoch
        steps = max(1, round(self.plan.part_seconds / step_s))
        timed = worker.ask("time_parts", steps=steps)
        common = {
            "question": question.name,
            "implementation": entry.implementation,
            "block": block,
            "steps": steps,
            "batch_size": timed["batch_size"],
        }
        self._record("part", *({**common, "part": part, "wall_s": wall} for part, wall in timed["wall_s"].items()))


def _key(question: Question, entry: Entry, seed: int) -> Row:
    return {"question": question.name, "implementation": entry.implementation, "seed": seed}
