"""A made-up machine that drives the real scheduler and the real statistics, so that the truth is known."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from backprop_bench.bench.core.records.plan import Timing
from backprop_bench.bench.core.stats.intervals import Interval
from backprop_bench.bench.core.stats.schedule import balanced_orders, pairs, reason_to_stop
from tests.bench.plain import Row, paired_interval

Noise = Callable[[np.random.Generator, tuple[int, ...]], NDArray[np.float64]]

TIMING = Timing(target=0.02, budget_s=1e9, block_s=0.05, rounds=6, min_replicates=5, order_seed=0)
EXAMPLES = 1000


def student(scale: float) -> Noise:
    """Return noise with tails as heavy as the t distribution with 3 degrees of freedom, of this scale."""
    return lambda rng, shape: scale * rng.standard_t(3, shape)


def spikes(scale: float, share: float, cost: float) -> Noise:
    """Return lognormal noise of which a small share of blocks takes longer by `cost`, the logarithm of a factor."""
    return lambda rng, shape: rng.normal(0, scale, shape) + cost * (rng.random(shape) < share)


@dataclasses.dataclass(frozen=True)
class Machine:
    """What times a made-up machine takes.

    Attributes
    ----------
    relative
        True time per example by implementation, relative to each other.
    between_replicates
        Standard deviation between process replicates of the logarithm of every ratio.
    noise
        Added to the logarithm of every block's time.
    slowdown
        Standard deviation of the logarithm of what slows down all blocks of a round.
    injected
        Share by implementation of its own time that its blocks are made to take longer, beside `relative`.
    start_s, pause_s
        Seconds that a process replicate takes before its first block, and what lies before each block.
    """

    relative: Mapping[str, float]
    between_replicates: float = 0.0
    noise: Noise = student(0.01)  # noqa: RUF009 (a function, which nothing changes)
    slowdown: float = 0.1
    injected: Mapping[str, float] = dataclasses.field(default_factory=dict)
    start_s: float = 1.0
    pause_s: float = 0.001

    def log_times(self, rng: np.random.Generator, n_replicates: int, rounds: int) -> NDArray[np.float64]:
        """Return logarithms of the relative times of blocks: [set, round, implementation]."""
        truth = np.log([time * (1 + self.injected.get(name, 0.0)) for name, time in self.relative.items()])
        of_replicate = rng.normal(0, self.between_replicates / math.sqrt(2), (n_replicates, 1, len(truth)))
        of_round = rng.normal(0, self.slowdown, (n_replicates, rounds, 1))
        return np.asarray(truth + of_replicate + of_round + self.noise(rng, (n_replicates, rounds, len(truth))))


class Measured(NamedTuple):
    """What came of a timing: its rows, the last one of kind ``stop``, why it stopped, and the ratios as of then."""

    rows: list[Row]
    reason: str
    ratios: list[tuple[Interval, int]]


def measure(machine: Machine, timing: Timing, seed: int, question: str = "made-up") -> Measured:
    """Time a question on a made-up machine until the real rule stops it."""
    names, clock = list(machine.relative), 0.0
    rng = np.random.default_rng(seed)
    blocks: list[Row] = []
    for number in range(1000):
        wall_s = timing.block_s * np.exp(machine.log_times(rng, 1, timing.rounds)[0])
        orders = balanced_orders(len(names), (timing.order_seed, seed, number))
        clock += machine.start_s
        for round_number, (order, times) in enumerate(zip(orders, wall_s.tolist(), strict=False)):
            for position, index in enumerate(order):
                clock += machine.pause_s + times[index]
                place = {"replicate": number, "round": round_number, "position": position, "at_s": round(clock, 6)}
                work = {
                    "examples": EXAMPLES,
                    "injected": machine.injected.get(names[index], 0.0),
                    "wall_s": round(times[index], 9),
                }
                blocks.append(_block(question, names[index], **place, **work))
        looked_at = number + 1 >= timing.min_replicates  # before that the rule does not ask, and this is to be fast
        ratios = [paired_interval(blocks, *pair) for pair in pairs(names)] if looked_at else []
        reason = reason_to_stop(timing, ratios, number + 1, clock)
        if reason is not None:
            stop = {"question": question, "reason": reason, "replicates": number + 1, "spent_s": round(clock, 6)}
            return Measured([*blocks, {"kind": "stop", "session": 0, **stop}], reason, ratios)
    raise AssertionError("the rule of stopping never stopped it")


def _block(question: str, implementation: str, **measured: float) -> Row:
    always = {"cpu_s": measured["wall_s"], "loss": 0.5, "energy_j": None}
    return {"kind": "block", "session": 0, "question": question, "implementation": implementation, **measured, **always}


def calibration_run(
    injected: Sequence[float], machine: Machine, timing: Timing, cut: int = 0
) -> tuple[dict[str, Any], list[Row]]:
    """Make up a run of trials of an implementation against its own copy, slowed down by these shares.

    Parameters
    ----------
    machine
        Whose noise it is; which implementations it knows does not matter.
    cut
        How many of the last rows a run that was stopped has not written.
    """
    name, copy = "scratch-numpy", "scratch-numpy (A/A)"
    questions, rows = [], []
    for number, extra in enumerate(injected):
        question = f"trial-{number:03}"
        entries = [
            {"implementation": name, "label": name, "second_copy": False, "injected": 0.0, "overhead": False},
            {"implementation": name, "label": copy, "second_copy": True, "injected": extra, "overhead": False},
        ]
        questions.append({"name": question, "entries": entries, "timing": dataclasses.asdict(timing)})
        pair = dataclasses.replace(machine, relative={name: 1.0, copy: 1.0}, injected={copy: extra})
        rows += measure(pair, timing, number, question).rows
    return {"plan": {"questions": questions, "at_once": 1}}, rows[: len(rows) - cut]
