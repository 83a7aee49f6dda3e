"""What makes the gaps between the article's two networks: the steps in time, the causes in accuracy. Pure functions."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from backprop_bench.bench.compare.answer import compared_pair, time_ratio, timed
from backprop_bench.bench.compare.steps import BOTH, FLOAT32, LOSS, MINI_BATCHES, PYTORCH_RECIPE
from backprop_bench.bench.core.stats.attribution import attribute
from backprop_bench.bench.core.stats.intervals import Interval, mean_interval
from backprop_bench.bench.core.summary import QuestionSummary

CHAIN = (MINI_BATCHES, FLOAT32, PYTORCH_RECIPE, "torch-eager", "torch-loader")
"""What is timed after the hand-written network of the article, each with one thing more of PyTorch's."""
CELLS = ((LOSS, (1, 0)), (FLOAT32, (0, 1)), (BOTH, (1, 1)))
"""What is trained beside it: with cross-entropy, with mini-batches, with both; each in float32."""


@dataclasses.dataclass(frozen=True)
class TimeStep:
    """A step from the one network to the other.

    Attributes
    ----------
    label
        What the records call what is timed after the step.
    speed_up
        How many times faster an epoch is after it than before; below 1 where it is slower.
    wall_s
        Wall seconds of an epoch after it.
    replicates
        Process replicates that this comes from.
    """

    label: str
    speed_up: Interval
    wall_s: float
    replicates: int


@dataclasses.dataclass(frozen=True)
class AccuracyCauses:
    """The gap in test accuracy, split up; all are fractions, paired by seed.

    The contributions of loss and mini-batches are each averaged over whether the other has been changed (Shapley
    values), so these and the rest add up to the gap.

    Attributes
    ----------
    reached
        Accuracy by label: of the hand-written network, of those with one change or both, and of PyTorch's.
    loss, batches, rest
        Contributions; the rest is biases, initial weights, inputs, order and precision.
    loss_alone, loss_in_batches
        What the loss changes with one example at a time, and with mini-batches.
    batches_alone, batches_with_loss
        What mini-batches change with squared error, and with cross-entropy.
    both
        What both change together.
    gap
        End minus start.
    """

    reached: Mapping[str, Interval]
    loss: Interval
    batches: Interval
    rest: Interval
    loss_alone: Interval
    loss_in_batches: Interval
    batches_alone: Interval
    batches_with_loss: Interval
    both: Interval
    gap: Interval


def time_steps(question: QuestionSummary) -> list[TimeStep] | None:
    """Return the steps in time; ``None`` where one of them was not timed."""
    if question.pair is None:
        return None
    labels = (question.pair[0], *CHAIN)
    epochs = {item.implementation: item.wall_s.estimate for item in timed(question)}
    if not epochs.keys() >= set(labels):
        return None
    steps = []
    for before, after in itertools.pairwise(labels):
        ratio = time_ratio(question, before, after)
        if ratio is None:
            return None
        steps.append(TimeStep(after, ratio, epochs[after], max(one.n_replicates for one in question.ratios)))
    return steps


def accuracy_causes(question: QuestionSummary) -> AccuracyCauses | None:
    """Return the causes of the gap after the last epoch; ``None`` where a training is missing."""
    if question.pair is None:
        return None
    start, end = question.pair
    labels = [start, *(label for label, _ in CELLS), end]
    last = question.epochs
    seeds = shared_seeds(question, labels, last)
    if not seeds:
        return None
    at = {label: np.array([question.accuracies[label][seed][last] for seed in seeds]) for label in labels}
    table = np.empty((2, 2, len(seeds)))
    table[0, 0] = at[start]
    for label, cell in CELLS:
        table[cell] = at[label]
    loss, batches = attribute(("loss", "batches"), table).contributions
    return AccuracyCauses(
        reached={label: _mean(at[label]) for label in labels},
        loss=loss.interval,
        batches=batches.interval,
        rest=_mean(at[end] - at[BOTH]),
        loss_alone=_mean(at[LOSS] - at[start]),
        loss_in_batches=_mean(at[BOTH] - at[FLOAT32]),
        batches_alone=_mean(at[FLOAT32] - at[start]),
        batches_with_loss=_mean(at[BOTH] - at[LOSS]),
        both=_mean(at[BOTH] - at[start]),
        gap=_mean(at[end] - at[start]),
    )


def gaps_by_epoch(question: QuestionSummary) -> dict[int, Interval]:
    """Return accuracy of PyTorch's network minus that of the hand-written one after every epoch, paired by seed."""
    compared = compared_pair(question)
    pair = question.pair or (None if compared is None else tuple(item.implementation for item in compared))
    if pair is None:
        return {}
    start, end = (question.accuracies.get(label, {}) for label in pair)
    gaps = {}
    for epoch in range(1, question.epochs + 1):
        seeds = shared_seeds(question, pair, epoch)
        if seeds:
            gaps[epoch] = mean_interval([end[seed][epoch] - start[seed][epoch] for seed in seeds])
    return gaps


def shared_seeds(question: QuestionSummary, labels: Sequence[str], epoch: int) -> list[int]:
    """Return the seeds from which all of these were trained for so many epochs."""
    trained = [
        {seed for seed, epochs in question.accuracies.get(label, {}).items() if epoch in epochs} for label in labels
    ]
    return sorted(set.intersection(*trained)) if trained else []


def _mean(differences: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Interval:
    return mean_interval(differences.tolist())
