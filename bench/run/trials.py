"""What a calibration is to do: one implementation against itself, as it is and changed in a known way."""

import dataclasses
import random
import secrets

from backprop_bench.bench.compute.schedule import Timing
from backprop_bench.bench.run.plan import (
    BLOCK_S,
    MIN_SETS,
    Entry,
    Extent,
    Plan,
    check_available,
    check_timing,
    make_question,
)
from backprop_bench.data import RECIPES, Dataset, InputError, fit_recipe

TRIAL_BLOCK_S, TRIAL_ROUNDS = 0.01, 20
"""Copies of one implementation have the same costs per call, so their blocks can be shorter."""
CUT_COST_ROUNDS, STRETCHES = 30, 3
"""Where it is measured what being cut into blocks costs: the rounds of a set, and how long a turn is, in blocks."""


@dataclasses.dataclass(frozen=True)
class Trials:
    """How the measuring is put to the test: an implementation against itself, again and again.

    Attributes
    ----------
    same
        Trials in which the second copy is as fast as the first.
    slowed
        Trials of every slowdown.
    slowdowns
        Shares of its own time that the second copy is made to take longer.
    cut_cost
        Trials in which both copies measure what being cut into blocks costs.
    target, budget_s
        Of every trial, as of a question.
    at_once
        Trials at the same time, each on cores of its own.
    """

    same: int
    slowed: int
    slowdowns: tuple[float, ...]
    cut_cost: int
    target: float
    budget_s: float
    at_once: int


def plan_calibration(implementation: str, dataset: Dataset, trials: Trials) -> Plan:
    """Plan what ``calibrate`` does: a question for every trial, in random order.

    Nothing is proved or trained, for what is compared is one implementation with itself.

    Raises
    ------
    InputError
        For an implementation that cannot be used, or numbers that are impossible.
    """
    check_available(implementation)
    for option, number in (("--trials", trials.same), ("--slowed", trials.slowed), ("--cost", trials.cut_cost)):
        if number < 0:
            raise InputError(f"{option} is {number}, expected at least 0")
    for slowdown in trials.slowdowns:
        if not 0 < slowdown < 1:
            raise InputError(f"--slowdown is {100 * slowdown:g} %, expected more than 0 and less than 100")
    entry = Entry(implementation, "shared", fit_recipe(RECIPES["shared"], dataset))
    copy = dataclasses.replace(entry, again=True)
    copies = [copy] * trials.same
    copies += [dataclasses.replace(copy, extra=extra) for extra in trials.slowdowns for _ in range(trials.slowed)]
    copies += [dataclasses.replace(copy, cut_cost=True)] * trials.cut_cost
    if not copies:
        raise InputError("--trials, --slowed and --cost are 0, expected one of them to be more")
    random.shuffle(copies)
    questions = []
    for number, copy in enumerate(copies):
        block_s, rounds = (BLOCK_S, CUT_COST_ROUNDS) if copy.cut_cost else (TRIAL_BLOCK_S, TRIAL_ROUNDS)
        timing = Timing(trials.target, trials.budget_s, block_s, rounds, MIN_SETS, secrets.randbits(32))
        check_timing(timing, 2 * (STRETCHES if copy.cut_cost else 1))
        extent = Extent(cases=None, epochs=0, seeds=0, budget_s=trials.budget_s)
        entries = [dataclasses.replace(entry, cut_cost=copy.cut_cost), copy]
        questions.append(make_question(f"trial-{number:03}", f"Trial {number}", dataset, extent, entries, timing))
    return Plan(tuple(questions), part_blocks=0, part_seconds=0.0, proof_steps=None, at_once=trials.at_once)
