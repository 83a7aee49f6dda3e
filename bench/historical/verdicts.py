"""Published results beside the measured ones, and whether these replicate them. Pure functions.

Results of the paper: Rumelhart, Hinton & Williams, *Learning representations by back-propagating errors*, Nature 323,
533-536 (1986). Of XOR and parity: *Parallel Distributed Processing*, chapter 8 (1986). Of MNIST: Nielsen, *Neural
Networks and Deep Learning*, chapter 1; Rashid, *Make Your Own Neural Network*; LeCun, Bottou, Bengio & Haffner,
*Gradient-based learning applied to document recognition* (1998); Hinton (2005), as listed by LeCun's page on MNIST.
"""

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Literal

from backprop_bench.bench.core.records.kinds import AnyRecord, Failure, Trial
from backprop_bench.bench.core.records.plan import Description, Question
from backprop_bench.bench.core.records.reader import of_kind
from backprop_bench.bench.core.stats.intervals import Interval
from backprop_bench.bench.historical.analysis import (
    FLIPPED_CORRELATION,
    IDENTICAL,
    MIRROR_TOLERANCE,
    RATIO_TOLERANCE,
    EpochsToSolve,
    Errors,
    Reading,
    Solution,
    epochs_to_solve_of,
    errors_of,
    new_run_interval,
    readings_of,
    share_interval,
    solutions_of,
)
from backprop_bench.bench.historical.experiments import EXACT_RASHID, EXPERIMENTS
from backprop_bench.data import Recipe

Unit = Literal["share", "epochs", "error", "accuracy", "distance"]

SYMMETRY_EPOCHS = 1425
REPLICATED_MEDIAN = (1500, 4000)
"""Range of the medians of two public replications, with room on either side."""
REPLICATED_SHARE = 0.85
TIMES_OF_1986 = {"xor": 558, "parity-4": 2825}
"""Published epochs (the paper calls them sweeps) of one run each."""
BEST_ERRORS = {"nielsen-30": 0.0458, "nielsen-100": 0.0341}
"""Test error after the best epoch of the best of three runs."""
OF_RUNS = 3
ENOUGH_RUNS = 3
"""With fewer, the prediction interval is too wide for a verdict."""
ENOUGH_TRIALS = 20
"""With fewer, the outer percentiles of the epochs are their minimum and maximum, which give no verdict."""
NIELSEN_ACCURACIES = {1: 0.9129, 2: 0.9295, 3: 0.9348, 28: 0.9528, 29: 0.9542, 30: 0.9534}
"""Of the published run of 784-30-10, by the number of finished epochs, which its author counts from 0."""
LAST_ERRORS = {"rashid": 0.0253, "hinton": 0.0153}
BANDS = {"lecun-300": 0.047, "lecun-1000": 0.045}
"""Published errors whose learning rate is not."""
PYTORCH = "torch-eager"
PERCENTILES = (0.025, 0.975)


@dataclasses.dataclass(frozen=True)
class Verdict:
    """A published result beside the measured one.

    Attributes
    ----------
    experiment
        Question of the run.
    what
        Which quantity.
    published
        The published result, in words.
    measured
        The measured one with the range that decides; its n is the number of its runs.
    unit
        Of the measured one.
    inside
        Whether the published result is replicated; ``None`` where there is no verdict.
    """

    experiment: str
    what: str
    published: str
    measured: Interval
    unit: Unit
    inside: bool | None


@dataclasses.dataclass(frozen=True)
class Reproduction:
    """Outcome of a run of ``reproduce``."""

    verdicts: tuple[Verdict, ...]
    epochs_to_solve: tuple[EpochsToSolve, ...]
    solutions: tuple[Solution, ...]
    readings: tuple[Reading, ...]
    errors: tuple[Errors, ...]
    titles: Mapping[str, str]
    failures: tuple[Failure, ...]


def summarize_reproduction(description: Description, rows: Sequence[AnyRecord], n_held_out: int) -> Reproduction:
    """Compare the records of a run with the published results.

    Parameters
    ----------
    n_held_out
        Questions about families that are not trained, in every trial.
    """
    epochs_to_solve: list[EpochsToSolve] = []
    solutions: list[Solution] = []
    readings: list[Reading] = []
    errors: list[Errors] = []
    verdicts: list[Verdict] = []
    titles: dict[str, str] = {}
    for question in description.plan.questions:
        own = [row for row in rows if row.question == question.name]
        question = _by_what_it_trains(question)
        name = question.name
        trials = of_kind(own, Trial)
        times, trained = epochs_to_solve_of(question, trials), errors_of(question, own, PYTORCH)
        if name == "symmetry":
            solutions += solutions_of(trials)
            verdicts += [*_symmetry(times, solutions)]
        elif name == "symmetry-averaged":
            verdicts += [_averaged(learned) for learned in times]
        elif name.startswith("family-trees"):
            learned = readings_of(question, trials, n_held_out)
            readings += learned
            verdicts += _family(name, learned)
        elif times:
            verdicts += [_time(learned) for learned in times]
        epochs_to_solve += times
        errors += trained
        verdicts += _errors(name, trained)
        verdicts += _versions(name, times, trained)
        titles[name] = question.title
    failures = tuple(of_kind(rows, Failure))
    return Reproduction(
        tuple(verdicts), tuple(epochs_to_solve), tuple(solutions), tuple(readings), tuple(errors), titles, failures
    )


def _by_what_it_trains(question: Question) -> Question:
    """Return the question with the name of what it trains: once "rashid" was the exact gradient."""
    if question.name == "rashid" and all(type(entry.recipe) is Recipe for entry in question.entries):
        return dataclasses.replace(question, name=EXACT_RASHID, title=EXPERIMENTS[EXACT_RASHID].title)
    return question


def _symmetry(times: Sequence[EpochsToSolve], solutions: Sequence[Solution]) -> list[Verdict]:
    verdicts = []
    for item in times:
        n = len(item.solved)
        low, median, high = (item.quantile(q) for q in (0.25, 0.5, 0.75))
        least, most = REPLICATED_MEDIAN
        share, before = item.share, item.share_before(SYMMETRY_EPOCHS)
        verdicts += [
            Verdict(
                item.question,
                f"solved within {item.limit:,} epochs",
                f"at least {100 * REPLICATED_SHARE:g} % in replications",
                share,
                "share",
                share.estimate >= REPLICATED_SHARE,
            ),
            Verdict(
                item.question,
                f"epochs until solved: median and quartiles{_of_few(n)}",
                f"{least:,} to {most:,} in replications",
                Interval(median, low, high, n),
                "epochs",
                least <= median <= most if n >= ENOUGH_TRIALS else None,
            ),
            Verdict(
                item.question,
                f"epochs of the published run, within the quartiles{_of_few(n)}",
                f"{SYMMETRY_EPOCHS:,}; by then {100 * before:.3g} % of ours are solved",
                Interval(median, low, high, n),
                "epochs",
                low <= SYMMETRY_EPOCHS <= high if n >= ENOUGH_TRIALS else None,
            ),
        ]
    checks = {
        f"mirror weights opposite within {100 * MIRROR_TOLERANCE:g} %": [
            s.mirror_error <= MIRROR_TOLERANCE for s in solutions
        ],
        f"hidden units sign-flipped copies (correlation below {FLIPPED_CORRELATION:g})": [
            s.correlation < FLIPPED_CORRELATION for s in solutions
        ],
        "hidden biases negative, output bias positive": [s.has_signs for s in solutions],
    }
    for what, holds in checks.items():
        share = share_interval(sum(holds), len(holds))
        verdicts.append(Verdict("symmetry", what, "in every solved run", share, "share", bool(holds) and all(holds)))
    ratios = [s.ratio_error <= RATIO_TOLERANCE for s in solutions]
    what = f"weights on a side 1 : 2 : 4 within {100 * RATIO_TOLERANCE:g} %"
    share = share_interval(sum(ratios), len(ratios))
    verdicts.append(Verdict("symmetry", what, "in the run shown", share, "share", any(ratios)))
    return verdicts


def _of_few(n: int) -> str:
    return "" if n >= ENOUGH_TRIALS else f", no verdict with fewer than {ENOUGH_TRIALS}"


def _averaged(item: EpochsToSolve) -> Verdict:
    n = sum(epochs <= SYMMETRY_EPOCHS for epochs in item.solved)
    share = share_interval(n, len(item.solved))
    what = f"solved within {SYMMETRY_EPOCHS:,} epochs where the gradient is averaged"
    return Verdict(item.question, what, "0 of 500 in a replication", share, "share", n == 0)


def _time(item: EpochsToSolve) -> Verdict:
    n = len(item.solved)
    low, median, high = (item.quantile(q) for q in (PERCENTILES[0], 0.5, PERCENTILES[1]))
    published = TIMES_OF_1986.get(item.question)
    if published is None:
        published_text, inside = "no number", None
    else:
        before = 100 * item.share_before(published)
        published_text = f"{published:,}; by then {before:.3g} % of ours are solved"
        inside = low <= published <= high if n >= ENOUGH_TRIALS else None
    of_few = "" if published is None else _of_few(n)
    what = f"epochs until all outputs are right, {item.variant}: median and central 95 % of runs{of_few}"
    return Verdict(item.question, what, published_text, Interval(median, low, high, n), "epochs", inside)


def _family(name: str, readings: Sequence[Reading]) -> list[Verdict]:
    if name == "family-trees":
        what = "trained questions answered after 1,500 epochs"
        return [
            Verdict(
                name,
                f"{what}, {reading.variant}",
                "all 100",
                _known(reading.trained, reading.seeds),
                "share",
                reading.learns,
            )
            for reading in readings
        ]
    verdicts = []
    in_text = [reading for reading in readings if reading.in_text]
    if in_text:
        learning = [reading for reading in in_text if reading.learns]
        what = f"share of {len(in_text)} readings of the text that learn at least 95 % of the trained questions"
        share = _known(len(learning) / len(in_text), len(in_text))
        verdicts.append(Verdict(name, what, "at least one", share, "share", bool(learning)))
    for reading in sorted(readings, key=lambda reading: -reading.trained)[:1]:
        where = "a reading of the text" if reading.in_text else "not in the text"
        what = f"trained questions answered by the best reading ({where}): {reading.variant}"
        verdicts.append(Verdict(name, what, "all 100", _known(reading.trained, reading.seeds), "share", None))
        share = share_interval(round(reading.held_out * reading.n_held_out), reading.n_held_out)
        what = "held-out questions answered by the same"
        verdicts.append(Verdict(name, what, "all 4 of one run, 3 of another", share, "share", None))
    return verdicts


def _known(value: float, n: int) -> Interval:
    return Interval(value, math.nan, math.nan, n)


def _errors(name: str, trained: Sequence[Errors]) -> list[Verdict]:
    if not trained:
        return []
    if name in BANDS:
        values = [value for item in trained for value in item.last]
        published, n = BANDS[name], len(values)
        what = "test error, range over learning rates and seeds"
        measured = Interval(statistics.median(values), min(values), max(values), n)
        return [Verdict(name, what, f"{100 * published:g} %", measured, "error", measured.contains(published))]
    verdicts = []
    for item in trained:
        n = len(item.by_epoch)
        if name in BEST_ERRORS:
            best = item.best_of(OF_RUNS) or item.best
            measured = Interval(statistics.fmean(best), min(best), max(best), n)
            what = f"test error of the best epoch of the best of {OF_RUNS} runs: mean and range of all choices"
            published = BEST_ERRORS[name]
            inside = measured.contains(published) if n >= 2 * OF_RUNS else None  # else no two choices are of other runs
            verdicts.append(Verdict(name, what, f"{100 * published:g} %", measured, "error", inside))
        if name == "nielsen-30":
            for epoch, accuracy in NIELSEN_ACCURACIES.items():
                if epoch < item.by_epoch.shape[1]:
                    of_run = new_run_interval([float(1 - error) for error in item.by_epoch[:, epoch]])
                    what, published_text = f"accuracy after epoch {epoch}: prediction interval", f"{100 * accuracy:g} %"
                    verdicts.append(Verdict(name, what, published_text, of_run, "accuracy", of_run.contains(accuracy)))
        if name in (*LAST_ERRORS, EXACT_RASHID):
            of_run = new_run_interval(item.last)
            of = "" if len(trained) == 1 else f", {item.variant}"
            what = f"test error after the last epoch{of}: prediction interval"
            of_author = LAST_ERRORS.get(name)
            published_text = "no number" if of_author is None else f"{100 * of_author:g} %"
            inside = of_run.contains(of_author) if of_author is not None and n >= ENOUGH_RUNS else None
            verdicts.append(Verdict(name, what, published_text, of_run, "error", inside))
    return verdicts


def _versions(name: str, times: Sequence[EpochsToSolve], trained: Sequence[Errors]) -> list[Verdict]:
    """Say whether the NumPy and the PyTorch version agree in float64: weights, or losses and accuracies on MNIST."""
    tolerance = f"tolerance {IDENTICAL:g}"
    verdicts = []
    for in_text in (True, False):
        compared = [item for item in times if item.n_pairs and item.in_text == in_text]
        if compared:
            apart = max(item.distance for item in compared)
            n, near, equal = (sum(numbers) for numbers in zip(*map(_pairs, compared), strict=True))
            where = "" if in_text else " with recipes that are not in the text"
            what = f"weights of both versions{where}; {near:,} of {n:,} pairs agree, {equal:,} end after the same epoch"
            inside = near == equal == n if in_text else None
            verdicts.append(Verdict(name, what, tolerance, _known(apart, n), "distance", inside))
    on_mnist = [item for item in trained if item.compared_seeds]
    if on_mnist:
        apart = max(item.loss_distance for item in on_mnist)
        accuracy = max(item.accuracy_distance for item in on_mnist)
        n = sum(item.compared_seeds for item in on_mnist)
        inside = apart <= IDENTICAL and accuracy == 0
        stretches = [_stretches(item) for item in on_mnist if item.stretch is not None]
        epochs = min((item.near_epochs, item.by_epoch.shape[1] - 1) for item in on_mnist)
        what = (
            f"losses of both versions; within the tolerance for at least {epochs[0]} of {epochs[1]} epochs; accuracies "
            f"differ by at most {100 * accuracy:.2g} points"
        )
        verdicts.append(Verdict(name, what, tolerance, _known(apart, n), "distance", None if stretches else inside))
        verdicts += stretches
    return verdicts


def _stretches(item: Errors) -> Verdict:
    """Say whether both versions agree from the same weights, where the recipe amplifies rounding error."""
    what = (
        f"weights and losses of both versions, PyTorch restarted from the same weights every {item.stretch} batches "
        f"of {item.by_epoch.shape[1] - 1} epochs"
    )
    apart = item.stretch_distance if item.stretch_distance is not None else math.nan
    tolerance = f"tolerance {IDENTICAL:g}"
    return Verdict(item.question, what, tolerance, _known(apart, item.compared_seeds), "distance", apart <= IDENTICAL)


def _pairs(item: EpochsToSolve) -> tuple[int, int, int]:
    """Return how many pairs of runs there are, agree, and end after the same epoch."""
    return item.n_pairs, item.n_near, item.n_same_epoch
