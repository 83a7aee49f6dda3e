"""Handlers of requests that train published experiments."""

from typing import Any

from backprop_bench.bench.core.implementations import named_implementation
from backprop_bench.bench.core.worker.handlers import handler
from backprop_bench.bench.core.worker.replies import Apart
from backprop_bench.bench.core.worker.session import Session, number
from backprop_bench.bench.historical.trial import TrialOutcome, run_trial, train_in_stretches
from backprop_bench.data import Recipe


@handler()
def trial(
    patterns: str, recipe: dict[str, Any], held_out: int, versions: list[str], stops: bool, keeps: bool
) -> TrialOutcome:
    """Train a small task of 1986."""
    return run_trial(patterns, Recipe.from_dict(recipe), held_out, versions, stops, keeps)


@handler(needs_session=True)
def stretches(session: Session, against: str, epoch: int, batches: int) -> Apart:
    """Train one epoch, counted from 1, beside a version that restarts from the same weights every so many batches."""
    make = named_implementation(against).load()
    trainer, examples = session.training.trainer, session.train_examples
    apart = train_in_stretches(trainer, make, session.recipe, examples, epoch, batches)
    session.check_limits()
    return Apart(distance=number(apart))
