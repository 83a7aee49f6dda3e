"""`TimedWorker`: a worker process whose blocks are timed, with the batches it is given and what it made of them."""

import dataclasses
import math
import random
import time
from collections.abc import Sequence

from backprop_bench.bench.core.implementations import named_implementation
from backprop_bench.bench.core.records.kinds import TimedBlock
from backprop_bench.bench.core.records.plan import Entry
from backprop_bench.bench.core.stats.plausible import CPU_SHARE
from backprop_bench.bench.core.worker.batches import Draws, KeptTurn, Piece, n_batches, plain_pieces
from backprop_bench.bench.core.worker.client import Worker, WorkFault
from backprop_bench.bench.core.worker.replies import Begun, Done, Ended, Ran, Ready, Turn
from backprop_bench.bench.core.worker.weights import WeightsFile

BLOCK_PER_WARM_UP = 6
"""One batch of warm-up before a block for so many in it, or for fewer; none where a block is a single batch.

Of 60 ms that is 10 ms. On a 2-core EPYC the first 10 ms after a worker's turn had come took up to 9 % longer, the next
10 ms up to 1 %: caches and branch predictors are still those of another process.
"""
CHILDREN_S = 0.5
"""CPU time that the processes below a worker may have used anyway: to start, and to end."""
FIRST_EXAMPLES, FEWER_FIRST = 512, 32  # documented in docs/method.md
"""Training begins with the first batches of the seed, of so many examples; fewer where an example takes milliseconds.
So that what was timed and what was trained for accuracy are compared from the same weights and batches."""
MOST_EXAMPLES = 1 << 22
"""In a block, however fast a trainer seems to be: their numbers take 32 MiB."""


@dataclasses.dataclass(frozen=True)
class WarmedUp:
    """The first batch took ``first_s``, and a block has ``block_batches``; ``energy`` says what measures energy."""

    first_s: float
    block_batches: int
    energy: str


class TimedWorker:
    """A worker at work.

    Parameters
    ----------
    worker
        That has opened the entry, and has begun.
    entry
        What it trains.
    n_examples
        On how many examples.
    weights
        Where it writes its weights; ``None`` for what trains nothing.
    rounds
        How many blocks it will train at most.
    """

    def __init__(self, worker: Worker, entry: Entry, n_examples: int, weights: WeightsFile | None, rounds: int) -> None:
        self.worker, self.entry = worker, entry
        self._recipe, self._n_examples = entry.recipe, n_examples
        self._draws = Draws(entry.recipe, n_examples)
        self._weights = weights
        self._every = 1 if weights is None else -(-rounds // weights.slots)
        """After how many blocks the weights are written."""
        self._blocks = 0
        self._pieces: list[Piece] = []
        """What was trained since the weights were written."""
        self._losses: list[float | None] = []
        self.turns: list[KeptTurn] = []
        self.trained_s = 0.0
        """Of its timed blocks."""
        self.cpu_s = 0.0
        """CPU time in them."""

    def warm_up(self, block_s: float, batches: int | None) -> WarmedUp:
        """Train the first batch, then blocks of so many batches, or find how many take about so many seconds."""
        first_s = self._first_batches()
        if batches is None:
            batches = self._find_batches(block_s)
        self._run(2 * batches)
        return WarmedUp(first_s, batches, self.worker.ask("ready", Ready).energy)

    def _first_batches(self) -> float:
        """Train the first batches of the seed, as a training for accuracy does; returns the seconds of the first."""
        n_examples = self._n_examples
        batch = min(self._recipe.batch_size or n_examples, n_examples)
        slow = named_implementation(self.entry.implementation).slow
        last = min(n_batches(self._recipe, n_examples), max(2, (FEWER_FIRST if slow else FIRST_EXAMPLES) // batch))
        first_s = self._run_pieces([Piece(0, 1)]).wall_s
        if last > 1:
            self._run_pieces([Piece(1, last)])
        return first_s

    def _find_batches(self, block_s: float) -> int:
        batches, rate_s = 1, math.inf
        most = max(1, MOST_EXAMPLES // min(self._recipe.batch_size or self._n_examples, self._n_examples))
        while True:
            rate_s = min(rate_s, *(self._run(batches).wall_s / batches for _ in range(3)))
            if batches * rate_s >= block_s / 2 or batches == most:
                return min(most, max(1, round(block_s / rate_s)))
            batches = min(most, 2 * batches)

    def _run(self, batches: int) -> Ran:
        return self._run_pieces(self._draws.take(batches))

    def _run_pieces(self, pieces: Sequence[Piece]) -> Ran:
        ran = self.worker.ask("run", Ran, pieces=plain_pieces(pieces))
        self._trained(pieces, ran.losses)
        return ran

    def _trained(self, pieces: Sequence[Piece], losses: Sequence[float | None]) -> None:
        self._pieces += pieces
        self._losses += losses

    def block(self, batches: int, where: str) -> tuple[TimedBlock, float]:
        """Train a block; returns what was measured, and what the turn took by the clock of this process.

        Parameters
        ----------
        where
            What a person calls the turn.
        """
        self._blocks += 1
        warm_up = self._draws.take(-(-batches // BLOCK_PER_WARM_UP) if batches > 1 else 0)
        pieces = self._draws.take(batches)
        further = self._further(batches) if self.entry.overhead else {}
        slot = len(self.turns) if self._weights is not None and self._blocks % self._every == 0 else None
        start = time.monotonic()
        turn = self.worker.ask(
            "block",
            Turn,
            warm_up=plain_pieces(warm_up),
            pieces=plain_pieces(pieces),
            injected=self.entry.injected,
            further={name: plain_pieces(each) for name, each in further.items()},
            slot=slot,
        )
        asked_s = time.monotonic() - start
        self._trained([*warm_up, *pieces, *(piece for each in further.values() for piece in each)], turn.losses)
        self.trained_s += turn.timed.wall_s
        self.cpu_s += turn.timed.cpu_s
        if slot is not None:
            self._kept(where)
        return turn.timed, asked_s

    def _further(self, batches: int) -> dict[str, list[Piece]]:
        """Return another block, and as many batches in calls of their own, in random order."""
        stretches = {
            "later": self._draws.take(batches),
            "single": [piece for _ in range(batches) for piece in self._draws.take(1)],
        }
        names = random.sample(sorted(stretches), len(stretches))
        return {name: stretches[name] for name in names}

    def _keep(self, where: str) -> None:
        self.worker.ask("keep_weights", Done, slot=len(self.turns))
        self._kept(where)

    def _kept(self, where: str) -> None:
        self.turns.append(KeptTurn(tuple(self._pieces), tuple(self._losses), len(self.turns), where))
        self._pieces, self._losses = [], []

    def first_turn(self, seed: int) -> KeptTurn:
        """Begin anew from a seed, and train its first batches: when all else is over, for the weights of that go."""
        self.worker.ask("begin", Begun, seed=seed)
        self._pieces, self._losses, self.turns = [], [], []
        self._first_batches()
        self._keep(f"the first batches of seed {seed}")
        return self.turns[0]

    def end(self) -> Ended:
        """Let the worker write what weights are missing, and evaluate."""
        if self._pieces and self._weights is not None:
            self._keep("its last round")
        return self.worker.ask("end", Ended, implementation=self.entry.implementation)

    def fault(self, threads: int) -> str | None:
        """Return what is wrong with the processes that the worker has started: they may not work beside it."""
        used_s = self.worker.cpu_of_others_s()
        if used_s <= threads * self.trained_s * (1 + CPU_SHARE) - self.cpu_s + CHILDREN_S:
            return None
        return (
            f"processes that it started used {used_s:.3g} s of CPU time, itself {self.cpu_s:.3g} s in blocks of "
            f"{self.trained_s:.3g} s"
        )

    def close(self) -> None:
        """End the worker; raises `WorkFault` where it has left processes behind."""
        self.worker.close()
        if self.worker.left_behind:
            raise WorkFault(
                f"it left processes behind, which were ended: {', '.join(self.worker.left_behind)}; expected none"
            )
