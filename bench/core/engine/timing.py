"""Timing: process replicates of interleaved blocks, until every ratio is precise enough or the budget is used up."""

import concurrent.futures
import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from backprop_bench.bench.core.engine.context import RunContext
from backprop_bench.bench.core.engine.timed_work import TimedWorkCheck
from backprop_bench.bench.core.engine.timed_worker import TimedWorker, WarmedUp
from backprop_bench.bench.core.machine.cores import CoreMeter
from backprop_bench.bench.core.records.kinds import (
    Block,
    End,
    Start,
    StepPart,
    Stop,
    StopReason,
    TimedWork,
)
from backprop_bench.bench.core.records.plan import Entry, Question
from backprop_bench.bench.core.records.reader import of_kind
from backprop_bench.bench.core.records.recorded_run import comparable
from backprop_bench.bench.core.stats.intervals import Interval
from backprop_bench.bench.core.stats.plausible import LEAST_BLOCKS, implausible
from backprop_bench.bench.core.stats.ratios import paired_interval, spent_s
from backprop_bench.bench.core.stats.schedule import balanced_orders, is_precise, pairs, reason_to_stop
from backprop_bench.bench.core.worker.client import Worker, WorkerError, WorkFault, at_once_of, together
from backprop_bench.bench.core.worker.opened import opened_worker
from backprop_bench.bench.core.worker.replies import Begun, Opened, TimedParts
from backprop_bench.bench.core.worker.shared_data import SharedExamples, SharedForms


def time_question(
    run: RunContext,
    question: Question,
    shared: SharedForms,
    check: TimedWorkCheck,
    cores: Sequence[int],
    timing_pass: int,
) -> None:
    """Time a question on these cores unless that is done; what earlier sessions measured counts towards the end.

    Parameters
    ----------
    check
        Verifies what was timed.
    timing_pass
        Counted from 1: this one may use up so many of as many shares of the budget as the plan has passes.
    """
    if run.log.is_timed(question):
        return
    timing = _Timing(run, question, shared, check, cores, timing_pass)
    left_s = question.timing.budget_s * timing.share - timing.spent_s()
    if timing.is_last or left_s > 0:
        with run.progress.stage(f"time {question.name}", max(0.0, left_s)):
            timing.run()


LOOK_S = 0.3
"""Seconds to look at how busy the cores are, before the first process replicate of a pass."""

Team = dict[Entry, TimedWorker]
"""The workers of a process replicate that are still at work."""


class _Timing:
    """The timing of one question in this session."""

    def __init__(
        self,
        run: RunContext,
        question: Question,
        shared: SharedForms,
        check: TimedWorkCheck,
        cores: Sequence[int],
        timing_pass: int,
    ) -> None:
        self.question = question
        self.check = check
        self.sources = run.sources
        self.plan = run.plan
        self.shared = shared
        self.threads = question.threads or run.threads
        """Of every worker whose entry does not say how many."""
        self.most_threads = max(self.threads, *(entry.threads or 0 for entry in question.entries), 0)
        self.log = log = run.log
        self.progress = run.progress
        self.cores = cores
        self.timing_pass = timing_pass
        self.share = timing_pass / run.plan.passes
        """Of the timing that is done when this pass is over."""
        self.is_last = timing_pass == run.plan.passes
        self.core_meter = CoreMeter()
        blocks = log.find(Block, question)
        first = log.first_session(question)
        self.spent_before_s = spent_s(row for row in blocks if first <= row.session != log.session)
        """In earlier sessions, after the last one in which a signal ended what is tried again now."""
        self.began = time.monotonic() - spent_s(row for row in blocks if row.session == log.session)
        """When this session would have begun, had it done nothing but this timing."""
        self.aside_s = 0.0
        """Spent in this pass on the parts of a step, and on waiting for those that broke: not of the budget."""
        self.last_replicate_s: float | None = None
        """What the last process replicate of this pass took, and another one may take."""
        self.once_s = 0.0
        """Of that, what is not done again: processes that started one after the other, to be timed."""
        self.batches: dict[Entry, int] = {}
        """How many a block has."""
        self.undivided: set[str] = set()
        """Those that do not divide their steps into parts, as this session has found."""

    def run(self) -> None:
        """Time process replicates until it is enough, and say why; or until it is enough for this pass."""
        last = max((row.replicate for row in self.log.find(Start, self.question)), default=-1)
        self._look_at_cores()
        while (reason := self._reason()) is None or self._is_incomplete():
            if reason is None and not self.is_last and self._is_enough_for_now():
                return
            last += 1
            self._replicate(last)
        replicates = len({row.replicate for row in self.log.find(Block, self.question)})
        assert reason is not None  # or the loop would go on
        self.log.add(
            Stop(
                session=self.log.session,
                question=self.question.name,
                reason=reason,
                replicates=replicates,
                spent_s=self.spent_s(),
            )
        )

    def _is_incomplete(self) -> bool:
        """Say whether something is missing that is done once, beside the budget."""
        return bool(self._without_parts(self._able())) or any(map(self._seeds_left, self._able()))

    def _look_at_cores(self) -> None:
        """Let the meter run for a while, where there is a choice: it must not see what ran before this pass."""
        if len(self.cores) > self.most_threads:
            time.sleep(LOOK_S)
            self.aside_s += LOOK_S

    def _is_enough_for_now(self) -> bool:
        """Say whether the share has no room for half of another replicate, or all is precise after its replicates.

        A timing that is soon precise still has replicates in every pass.
        """
        timing = self.question.timing
        if self.spent_s() + (self.last_replicate_s or 0.0) / 2 > timing.budget_s * self.share:
            return True
        return self.last_replicate_s is not None and is_precise(timing, *self._ratios(), self.share)

    def spent_s(self) -> float:
        """Return the seconds that the timing of this question took so far, in earlier sessions and in this one."""
        return self.spent_before_s + self._at_s()

    def _at_s(self) -> float:
        return time.monotonic() - self.began - self.aside_s

    def _able(self) -> list[Entry]:
        """Return the entries that are verified and did not break in the timing."""
        return [
            entry
            for entry in self.question.timed
            if not self.log.unverified(self.question, entry) and not self.log.is_out(self.question, entry.label)
        ]

    def _compared(self) -> list[str]:
        """Return what is compared: the implementations, or one with its own copy where there is nothing else."""
        able = self._able()
        originals = [entry for entry in able if not entry.second_copy]
        if len(originals) > 1:
            return [entry.label for entry in originals]
        names = [entry.name for entry in able]
        twice = [entry.label for entry in able if names.count(entry.name) > 1]
        return twice or [entry.label for entry in originals or able]

    def _ratios(self) -> tuple[list[tuple[Interval, int]], int]:
        """Return every ratio with the number of its process replicates, and the number of all replicates."""
        blocks = of_kind(comparable(self.plan, self.log.records(self.question)), Block)
        ratios = [paired_interval(blocks, *pair) for pair in pairs(self._compared())]
        return ratios, len({row.replicate for row in blocks})

    def _reason(self) -> StopReason | None:
        if not self._compared():
            return "failed"
        ratios, replicates = self._ratios()
        reason = reason_to_stop(self.question.timing, ratios, replicates, self.spent_s(), self.last_replicate_s)
        return None if reason in ("precise", "alone") and not self.is_last else reason

    def _replicate(self, number: int) -> None:
        """Start fresh processes, let them take their turns, end them; then verify what they did."""
        began_s = self._at_s()
        with contextlib.ExitStack() as stack:
            team = self._start_all(number, stack)
            self._rounds(number, team)
            for entry in list(team):
                with self._surviving(team, entry, number):
                    self._end(entry, team[entry], number)
            self.last_replicate_s = self._at_s() - began_s - self.once_s
            before_s = self._at_s()
            self._verify_work(team, number)
            if self._without_parts(list(team)):
                self._time_parts(number, team)
            self._verify_seeds(team, number)
            for entry in list(team):
                with self._surviving(team, entry, number):
                    team[entry].close()
            self.aside_s += self._at_s() - before_s

    def _verify_work(self, team: Team, number: int) -> None:
        """Compare what the workers did with what a reference does."""

        def verify(entry: Entry, timed: TimedWorker) -> None:
            self.check.verify(entry, timed.turns, timed.trained_s, number)

        self._each_verified(team, number, verify)

    def _verify_seeds(self, team: Team, number: int) -> None:
        """Let the workers train the first batches of every seed that accuracy is trained from, and compare those."""

        def verify(entry: Entry, timed: TimedWorker) -> None:
            for seed in self._seeds_left(entry):
                self.check.verify(entry, [timed.first_turn(seed)], timed.trained_s, number, seed=seed)

        self._each_verified(team, number, verify)

    def _seeds_left(self, entry: Entry) -> list[int]:
        """Return the seeds of which the first batches of an entry have not been compared yet."""
        is_trained = entry in self.question.trained and self.check.weights[entry] is not None
        if not self.plan.verifies_timed_work or not is_trained:
            return []
        works = self.log.find(TimedWork, self.question, implementation=entry.label)
        compared = {row.seed_of_first for row in works}
        return [seed for seed in self.question.seeds if seed not in compared]

    def _each_verified(self, team: Team, number: int, verify: Callable[[Entry, TimedWorker], None]) -> None:
        """Verify several workers at once, for nothing is timed."""
        with together(self.most_threads) as pool:
            comparing = {entry: pool.submit(verify, entry, timed) for entry, timed in team.items()}
            for entry, future in comparing.items():
                with self._surviving(team, entry, number):
                    future.result()

    def _end(self, entry: Entry, timed: TimedWorker, number: int) -> None:
        """Let a worker evaluate; then see whether what it has measured can be true."""
        ended = timed.end()
        self.sources.check(entry.implementation, ended.sources)
        of_end = {name: value for name, value in msgspec.structs.asdict(ended).items() if name != "sources"}
        self.log.add(End(**self._of(entry), replicate=number, **of_end))
        here = {"session": self.log.session, "replicate": number}
        blocks = self.log.find(Block, self.question, implementation=entry.label, **here)
        if len(blocks) < LEAST_BLOCKS:
            blocks = self.log.find(Block, self.question, implementation=entry.label, session=self.log.session)
        fault = timed.fault(entry.threads or self.threads) or implausible(blocks, entry.threads or self.threads)
        if fault is not None:
            raise WorkFault(fault)

    def _of(self, entry: Entry) -> dict[str, Any]:
        """Return what every record of an entry has."""
        return {"session": self.log.session, "question": self.question.name, "implementation": entry.label}

    @contextlib.contextmanager
    def _surviving(self, team: Team, entry: Entry, number: int) -> Iterator[None]:
        """Record a failure of an implementation and go on without it."""
        began = time.monotonic()
        try:
            yield
        except WorkerError as failure:
            self.aside_s += time.monotonic() - began
            self.log.add_failure(self.question, entry, failure.phase or "timing", number, failure)
            team.pop(entry).worker.close()

    def _start_all(self, number: int, stack: contextlib.ExitStack) -> Team:
        """Start a process per entry: each for the first time alone and timed, later ones together and untimed."""
        cores = list(self.core_meter.least_busy(self.cores, self.most_threads, number))
        team: Team = {}
        began = time.monotonic()
        broken = []
        with together(self.most_threads) as pool:
            starting: dict[Entry, concurrent.futures.Future[tuple[Worker, Opened, Begun]]] = {}
            for entry in self._able():
                examples = self.shared.of(entry.recipe, self.question.examples)
                if self._starts_alone(entry):
                    concurrent.futures.wait(starting.values())
                starting[entry] = pool.submit(self._start, entry, number, examples, cores, stack)
                if self._starts_alone(entry):
                    concurrent.futures.wait(starting.values())
            concurrent.futures.wait(starting.values())  # nobody warms up while others still start
            alone = any(map(self._starts_alone, starting))
            self.once_s = (time.monotonic() - began) * (1 - 1 / at_once_of(self.most_threads)) if alone else 0.0
            for entry, future in starting.items():
                try:
                    worker, opened, begun = future.result()
                except WorkerError as failure:
                    self.log.add_failure(self.question, entry, "timing", number, failure)
                    broken.append(entry)
                    continue
                self.sources.check(entry.implementation, opened.sources)
                rounds, weights = self.question.timing.rounds, self.check.weights[entry]
                team[entry] = TimedWorker(worker, entry, self.question.examples, weights, rounds)
                with self._surviving(team, entry, number):
                    warmed = self._warm_up(team[entry], entry)
                    self._record_start(entry, number, opened, begun, warmed)
            if broken:
                self.aside_s += time.monotonic() - began
                self.once_s = 0.0
        self.core_meter.least_busy(self.cores, self.most_threads, number)  # forget the start
        return team

    def _record_start(self, entry: Entry, number: int, opened: Opened, begun: Begun, warmed: WarmedUp) -> None:
        alone = self._starts_alone(entry)
        self.log.add(
            Start(
                **self._of(entry),
                replicate=number,
                timing_pass=self.timing_pass,
                cores=begun.cores,
                threads=opened.threads,
                block_batches=warmed.block_batches,
                energy=warmed.energy,
                import_s=opened.import_s if alone else None,
                load_s=opened.load_s if alone else None,
                prepare_s=begun.prepare_s if alone else None,
                first_s=warmed.first_s,
                sources=opened.sources,
            )
        )

    def _starts_alone(self, entry: Entry) -> bool:
        """Say whether the start of an implementation has not been timed yet."""
        starts = self.log.find(Start, self.question, implementation=entry.label)
        return all(row.import_s is None for row in starts)

    def _start(
        self, entry: Entry, number: int, examples: SharedExamples, cores: list[int], stack: contextlib.ExitStack
    ) -> tuple[Worker, Opened, Begun]:
        threads = entry.threads or self.threads
        weights = self.check.weights[entry]
        worker, opened = stack.enter_context(opened_worker(entry, examples, threads, cores[:threads], weights))
        return worker, opened, worker.ask("begin", Begun, seed=number)

    def _warm_up(self, timed: TimedWorker, entry: Entry) -> WarmedUp:
        """Warm a worker up, with blocks as in the replicates before; a second copy has those of the first."""
        fellows = [other.label for other in self.question.entries if other.name == entry.name]
        starts = [row for row in self.log.find(Start, self.question) if row.implementation in fellows]
        batches = starts[0].block_batches if starts else None
        warmed = timed.warm_up(self.question.timing.block_s, batches)
        self.batches[entry] = warmed.block_batches
        return warmed

    def _rounds(self, number: int, team: Team) -> None:
        """Let everyone train a block per round, in balanced random order, while the budget lasts."""
        timing = self.question.timing
        entries = list(team)
        orders = balanced_orders(len(entries), [timing.order_seed, number]) if entries else iter(())
        for done, order in zip(range(timing.rounds), orders, strict=False):
            if not team or (done >= 2 and self.spent_s() > timing.budget_s):
                return
            before = self.spent_s()
            for position, index in enumerate(order):
                if entries[index] in team:
                    self._block(team, entries[index], number, done, position)
            self.progress.advance(f"process replicate {number + 1}, round {done + 1}", self.spent_s() - before)

    def _block(self, team: Team, entry: Entry, number: int, done: int, position: int) -> None:
        """Train one block and record it; a kill loses nothing that is written, so no block waits for the disk."""
        with self._surviving(team, entry, number):
            where = f"round {done} of process replicate {number}"
            timed, asked_s = team[entry].block(self.batches[entry], where)
            place: dict[str, Any] = {"replicate": number, "round": done, "position": position, "at_s": self._at_s()}
            block = Block(**self._of(entry), **place, asked_s=asked_s, **msgspec.structs.asdict(timed))
            self.log.add(block, sync=False)

    def _without_parts(self, entries: list[Entry]) -> list[Entry]:
        """Return the entries whose steps have not been timed part by part yet."""
        return [
            entry
            for entry in entries
            if not entry.second_copy
            and entry.label not in self.undivided
            and any(not self._parts_of(entry, block) for block in range(self.plan.part_blocks))
        ]

    def _parts_of(self, entry: Entry, block: int) -> list[StepPart]:
        return self.log.find(StepPart, self.question, implementation=entry.label, block=block)

    def _time_parts(self, number: int, team: Team) -> None:
        """Time the parts of a step, in interleaved blocks."""
        for block in range(self.plan.part_blocks):
            for entry in self._without_parts(list(team)):
                if not self._parts_of(entry, block):
                    with self._surviving(team, entry, number):
                        self._time_parts_of(entry, block, team[entry].worker)

    def _time_parts_of(self, entry: Entry, block: int, worker: Worker) -> None:
        blocks = self.log.find(Block, self.question, implementation=entry.label)
        example_s = sum(row.wall_s for row in blocks) / sum(row.examples for row in blocks)
        step_s = example_s * (entry.recipe.batch_size or self.question.examples)
        timed = worker.ask("time_parts", TimedParts, steps=max(1, round(self.plan.part_seconds / step_s)))
        if not timed.wall_s:
            self.undivided.add(entry.label)
            return
        common = {**self._of(entry), "block": block, "steps": timed.steps, "batch_size": timed.batch_size}
        self.log.add(*(StepPart(**common, part=part, wall_s=wall) for part, wall in timed.wall_s.items()))
