"""Plan of a calibration: A/A tests, injected slowdowns and block-switching overhead."""

import dataclasses
import random
import secrets

from backprop_bench.bench.core.engine.plan import (
    BLOCK_S,
    MIN_REPLICATES,
    Extent,
    check_available,
    check_timing,
    make_question,
)
from backprop_bench.bench.core.records.plan import Entry, Plan, Timing
from backprop_bench.data import RECIPES, Dataset, InputError, fit_recipe

TRIAL_BLOCK_S, TRIAL_ROUNDS = 0.01, 20
"""Copies of one implementation have the same costs per call, so their blocks can be shorter."""
OVERHEAD_ROUNDS, STRETCHES = 30, 3
"""For block-switching overhead: the rounds of a process replicate, and the length of a turn in blocks."""


@dataclasses.dataclass(frozen=True)
class Trials:
    """Settings of a calibration.

    Attributes
    ----------
    same
        Number of A/A tests: trials with equal copies.
    slowed
        Trials of every injected slowdown.
    slowdowns
        Injected slowdowns, as shares of the time of the second copy.
    overhead
        Trials of block-switching overhead.
    target, budget_s
        Of every trial, as of a question.
    at_once
        Trials in parallel, each on its own cores.
    """

    same: int
    slowed: int
    slowdowns: tuple[float, ...]
    overhead: int
    target: float
    budget_s: float
    at_once: int


def plan_calibration(implementation: str, dataset: Dataset, trials: Trials) -> Plan:
    """Plan what ``calibrate`` does: a question for every trial, in random order.

    Nothing is verified or trained, since an implementation is compared with itself.

    Raises
    ------
    InputError
        For an implementation that is unavailable, or numbers out of range.
    """
    check_available(implementation)
    for option, number in (("--trials", trials.same), ("--slowed", trials.slowed), ("--cost", trials.overhead)):
        if number < 0:
            raise InputError(f"{option} is {number}, expected at least 0")
    for slowdown in trials.slowdowns:
        if not 0 < slowdown < 1:
            raise InputError(f"--slowdown is {100 * slowdown:g} %, expected more than 0 and less than 100")
    entry = Entry(implementation, "shared", fit_recipe(RECIPES["shared"], dataset))
    copy = dataclasses.replace(entry, second_copy=True)
    copies = [copy] * trials.same
    copies += [dataclasses.replace(copy, injected=extra) for extra in trials.slowdowns for _ in range(trials.slowed)]
    copies += [dataclasses.replace(copy, overhead=True)] * trials.overhead
    if not copies:
        raise InputError("--trials, --slowed and --cost are 0, expected one of them to be more")
    random.shuffle(copies)
    questions = []
    for number, copy in enumerate(copies):
        block_s, rounds = (BLOCK_S, OVERHEAD_ROUNDS) if copy.overhead else (TRIAL_BLOCK_S, TRIAL_ROUNDS)
        timing = Timing(trials.target, trials.budget_s, block_s, rounds, MIN_REPLICATES, secrets.randbits(32))
        check_timing(timing, 2 * (STRETCHES if copy.overhead else 1))
        extent = Extent(examples=None, epochs=0, seeds=0, budget_s=trials.budget_s)
        entries = [dataclasses.replace(entry, overhead=copy.overhead), copy]
        questions.append(make_question(f"trial-{number:03}", f"Trial {number}", dataset, extent, entries, timing))
    return Plan(tuple(questions), part_blocks=0, part_seconds=0.0, verification_steps=None, at_once=trials.at_once)
