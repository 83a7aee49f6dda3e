"""Quantities of the published experiments, from trials and training runs. Pure functions of records."""

import dataclasses
import itertools
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from scipy import stats

from backprop_bench.bench.core.records.kinds import AnyRecord, Epoch, Stretch, Trial
from backprop_bench.bench.core.records.plan import Question
from backprop_bench.bench.core.records.reader import of_kind
from backprop_bench.bench.core.stats.intervals import Interval
from backprop_bench.data import FamilyTree, Recipe

Float64s = npt.NDArray[np.float64]

READING, BEYOND = "a reading of the text", "not in the text"
"""Names of the family-tree recipes in the plan."""
LEARNED = 0.95
"""Share of the trained questions from which on a reading learns the task."""
MIRROR_TOLERANCE = 0.02
"""Largest sum of two mirror weights, as a share of the largest weight of the unit."""
FLIPPED_CORRELATION = -0.99
"""Correlation of the weights of the two hidden units below which they are sign-flipped copies."""
RATIO_TOLERANCE = 0.1
"""Relative tolerance of the weights 1 : 2 : 4."""
RATIO = (1.0, 2.0, 4.0)
IDENTICAL = 1e-9
"""Tolerance: largest relative difference of weights, or losses, of the NumPy and the PyTorch version."""


def share_interval(n: int, of: int) -> Interval:
    """Return a share with its Wilson 95 % confidence interval, as fractions."""
    if not of:
        return Interval(math.nan, math.nan, math.nan, 0)
    interval = stats.binomtest(n, of).proportion_ci(method="wilson")
    return Interval(n / of, float(interval.low), float(interval.high), of)


def new_run_interval(values: Sequence[float]) -> Interval:
    """Return the mean of some runs with the 95 % prediction interval of one more, by the t distribution."""
    mean, n = statistics.fmean(values), len(values)
    if n < 2:
        return Interval(mean, math.nan, math.nan, n)
    half = float(stats.t.ppf(0.975, n - 1)) * statistics.stdev(values) * math.sqrt(1 + 1 / n)
    return Interval(mean, mean - half, mean + half, n)


@dataclasses.dataclass(frozen=True)
class EpochsToSolve:
    """After how many epochs (the paper calls them sweeps) a task was solved, by seed.

    Attributes
    ----------
    solved, close
        Epochs until all outputs were on the right side of ½, and close to their targets; infinite for never. By seed.
    limit
        Epochs after which a trial ended.
    n_same_epoch
        Trials that both versions solved after the same epoch, of ``n_pairs`` that both trained.
    distance
        Largest relative difference of the weights of both versions in any of them.
    n_near
        Trials in which it stays within :data:`IDENTICAL`.
    in_text
        Whether the recipe is a reading of the publication.
    """

    question: str
    variant: str
    solved: tuple[float, ...]
    close: tuple[float, ...]
    limit: int
    n_same_epoch: int
    n_pairs: int
    distance: float
    n_near: int
    in_text: bool

    @property
    def share(self) -> Interval:
        """Share of the trials that were solved."""
        return share_interval(sum(map(math.isfinite, self.solved)), len(self.solved))

    def quantile(self, q: float) -> float:
        """Return the epochs after which this share of the trials was solved; infinite where it never was."""
        return float(np.quantile(np.array(self.solved), q, method="inverted_cdf"))

    def share_before(self, epochs: float) -> float:
        """Return the share of the trials that were solved in at most this many epochs."""
        return sum(solved <= epochs for solved in self.solved) / len(self.solved)


def epochs_to_solve_of(question: Question, trials: Sequence[Trial]) -> list[EpochsToSolve]:
    """Return the outcome of the trials of a question, a result per variant."""
    results = []
    for entry in question.entries:
        rows = sorted(of_kind(trials, Trial, implementation=entry.label), key=lambda row: row.seed)
        if not rows:
            continue
        first, *_ = rows[0].solved
        compared = [row for row in rows if len(row.solved) > 1]
        distances = [math.inf if row.distance is None else row.distance for row in compared]
        results.append(
            EpochsToSolve(
                question.name,
                entry.label,
                tuple(_or_never(row.solved[first]) for row in rows),
                tuple(_or_never(row.close[first]) for row in rows),
                entry.recipe.epochs,
                sum(len(set(row.solved.values())) == 1 for row in compared),
                len(compared),
                max(distances, default=math.nan),
                sum(value <= IDENTICAL for value in distances),
                entry.recipe_name == READING,
            )
        )
    return results


def _or_never(epochs: int | None) -> float:
    return math.inf if epochs is None else float(epochs)


@dataclasses.dataclass(frozen=True)
class Solution:
    """The weights of a symmetry network that solved its task.

    Attributes
    ----------
    hidden
        [6, 2], from the inputs.
    hidden_bias, output, output_bias
        [2], [2] and one number.
    """

    seed: int
    epochs: int
    hidden: Float64s
    hidden_bias: Float64s
    output: Float64s
    output_bias: float

    @property
    def mirror_error(self) -> float:
        """Largest sum of two mirror weights, as a share of the largest weight of the same unit; 0 for opposite ones."""
        sums = abs(self.hidden + self.hidden[::-1]).max(axis=0)
        return float((sums / abs(self.hidden).max(axis=0)).max())

    @property
    def correlation(self) -> float:
        """Of the weights of the two hidden units."""
        return _correlation(*self.hidden.T)

    @property
    def has_signs(self) -> bool:
        """Whether the biases of the hidden units are negative and that of the output is positive."""
        return bool((self.hidden_bias < 0).all() and self.output_bias > 0)

    @property
    def ratio_error(self) -> float:
        """Largest relative deviation of the weights of one side from 1 : 2 : 4, in the worse of both units."""
        sides = np.sort(abs(self.hidden[:3]), axis=0)
        scale = sides.sum(axis=0) / sum(RATIO)
        return float(abs(sides / scale / np.array(RATIO)[:, np.newaxis] - 1).max())


def solutions_of(trials: Iterable[Trial]) -> list[Solution]:
    """Return the networks of the trials of the symmetry task that were solved, by seed."""
    solutions = []
    for row in sorted(trials, key=lambda row: row.seed):
        epochs = next(iter(row.solved.values()))
        if epochs is not None and row.weights is not None:
            hidden, hidden_bias, output, output_bias = map(np.array, row.weights)
            solutions.append(Solution(row.seed, epochs, hidden, hidden_bias, output[:, 0], float(output_bias[0])))
    return solutions


@dataclasses.dataclass(frozen=True)
class Reading:
    """What a reading of the family trees learns: shares of questions, means over seeds.

    Attributes
    ----------
    trained, held_out
        Share of them whose outputs are all on the right side of ½ at the end.
    trained_close, held_out_close
        Share of them whose outputs are all beyond 0.2 and 0.8.
    curve
        (epoch, loss per example, share of the trained questions that is right, of those held out) during training.
    """

    question: str
    variant: str
    recipe: Recipe
    in_text: bool
    seeds: int
    trained: float
    trained_close: float
    held_out: float
    held_out_close: float
    n_held_out: int
    curve: tuple[tuple[float, float, float, float], ...]

    @property
    def learns(self) -> bool:
        """Whether at least 95 % of the trained questions are answered."""
        return self.trained >= LEARNED


def readings_of(question: Question, trials: Sequence[Trial], n_held_out: int) -> list[Reading]:
    """Return what the trials of the family trees learned, a reading per variant."""
    readings = []
    for entry in question.entries:
        rows = of_kind(trials, Trial, implementation=entry.label)
        if rows:
            curve = np.array([row.curve for row in rows], np.float64).mean(axis=0)
            trained, trained_close, held_out, held_out_close = curve[-1, 2:].tolist()
            in_text = entry.recipe_name == READING
            readings.append(
                Reading(
                    question.name,
                    entry.label,
                    entry.recipe,
                    in_text,
                    len(rows),
                    trained,
                    trained_close,
                    held_out,
                    held_out_close,
                    n_held_out * len(rows),
                    tuple(map(tuple, curve[:, [0, 1, 2, 4]].tolist())),
                )
            )
    return readings


@dataclasses.dataclass(frozen=True)
class Codes:
    """What the six person units of a family-tree network encode.

    Attributes
    ----------
    weights
        [people, units].
    correlations
        Of every unit's weights with a property of the people, by property.
    """

    seed: int
    variant: str
    people: tuple[str, ...]
    weights: Float64s
    correlations: Mapping[str, tuple[float, ...]]


BRANCHES = {
    "Christopher": -1,
    "Penelope": -1,
    "Arthur": -1,
    "Margaret": -1,
    "Victoria": -1,
    "Andrew": 1,
    "Christine": 1,
    "James": 1,
    "Jennifer": 1,
    "Charles": 1,
}
"""Of the English tree, by whose children they are or have married; the grandchildren are of both and have 0."""


def properties_of(trees: tuple[FamilyTree, FamilyTree]) -> dict[str, tuple[float, ...]]:
    """Return nationality, generation and branch of all people, English first; the trees have the same shape."""
    english, italian = trees
    generations = [_generation(english, person) for person in english.people]
    branches = [float(BRANCHES.get(person, 0)) for person in english.people]
    return {
        "nationality": (*(0.0 for _ in english.people), *(1.0 for _ in italian.people)),
        "generation": (*generations, *generations),
        "branch": (*branches, *branches),
    }


def _generation(tree: FamilyTree, person: str) -> float:
    """Return how many people there are on the way up to one without parents, whom a spouse may stand for."""
    above = [*tree.relatives(person, "father"), *tree.relatives(person, "mother")]
    if above:
        return 1 + max(_generation(tree, parent) for parent in above)
    spouses = [*tree.relatives(person, "husband"), *tree.relatives(person, "wife")]
    born = [spouse for spouse in spouses if tree.relatives(spouse, "father")]
    return _generation(tree, born[0]) if born else 1.0


def codes_of(trials: Iterable[Trial], trees: tuple[FamilyTree, FamilyTree], n_units: int) -> list[Codes]:
    """Return what the person units encode, in every trial whose weights are recorded."""
    properties = properties_of(trees)
    people = tuple(person for tree in trees for person in tree.people)
    codes = []
    for row in trials:
        if row.weights is not None:
            weights = np.array(row.weights[0])[: len(people), :n_units]
            correlations = {
                name: tuple(_correlation(unit, np.array(values)) for unit in weights.T)
                for name, values in properties.items()
            }
            codes.append(Codes(row.seed, row.implementation, people, weights, correlations))
    return codes


def _correlation(a: Float64s, b: Float64s) -> float:
    return float(np.corrcoef(a, b)[0, 1]) if a.std() > 0 else 0.0


@dataclasses.dataclass(frozen=True)
class Errors:
    """Test errors of one variant on MNIST, as fractions.

    Attributes
    ----------
    by_epoch
        [seeds, epochs + 1], from the initial weights on.
    compared_seeds
        Seeds from which both versions were trained.
    loss_distance
        Largest relative difference of their losses of any epoch, NaN where no seed was trained by both.
    accuracy_distance
        Largest difference of their accuracies.
    near_epochs
        Epochs, from the first one on, for which their losses agree within :data:`IDENTICAL`; of all seeds the fewest.
    stretch, stretch_distance
        Batches after which PyTorch restarted from the same weights, in separate training jobs, and the largest distance
        of weights or losses in any of these stretches, infinite where they diverged; ``None`` where there were none.
    """

    question: str
    variant: str
    by_epoch: Float64s
    compared_seeds: int
    loss_distance: float
    accuracy_distance: float
    near_epochs: int
    stretch: int | None = None
    stretch_distance: float | None = None

    @property
    def last(self) -> list[float]:
        """Error after the last epoch, by seed."""
        return [float(value) for value in self.by_epoch[:, -1]]

    @property
    def best(self) -> list[float]:
        """Error after the best epoch, by seed."""
        return [float(value) for value in self.by_epoch.min(axis=1)]

    def best_of(self, n: int) -> list[float]:
        """Return the error of the best epoch of the best of `n` runs, for every choice of them."""
        return [min(runs) for runs in itertools.combinations(self.best, n)]


def errors_of(question: Question, rows: Sequence[AnyRecord], other: str) -> list[Errors]:
    """Return the errors of every variant of a question on MNIST.

    Parameters
    ----------
    other
        What the labels of the other version begin with.
    """
    results = []
    for entry in question.entries:
        if entry.label.startswith(f"{other} "):
            continue
        curves = _curves(rows, entry.label)
        other_curves = _curves(rows, f"{other} {entry.label}")
        if not curves:
            continue
        both = sorted(curves.keys() & other_curves.keys())
        losses = [_relative(curves[seed], other_curves[seed]) for seed in both]
        near = [sum(itertools.takewhile(bool, (value <= IDENTICAL for value in values))) for values in losses]
        accuracies = [
            max(abs(a.accuracy - b.accuracy) for a, b in zip(curves[seed], other_curves[seed], strict=True))
            for seed in both
        ]
        by_epoch = np.array([[1 - row.accuracy for row in curves[seed]] for seed in sorted(curves)])
        results.append(
            Errors(
                question.name,
                entry.label,
                by_epoch,
                len(both),
                max(itertools.chain(*losses), default=math.nan),
                max(accuracies, default=math.nan),
                min(near, default=0),
                *_stretches(rows, entry.label),
            )
        )
    return results


def _stretches(rows: Sequence[AnyRecord], label: str) -> tuple[int | None, float | None]:
    stretches = of_kind(rows, Stretch, implementation=label)
    if not stretches:
        return None, None
    return stretches[0].batches, max(math.inf if row.distance is None else row.distance for row in stretches)


def _curves(rows: Sequence[AnyRecord], label: str) -> dict[int, list[Epoch]]:
    by_seed: dict[int, list[Epoch]] = {}
    for row in of_kind(rows, Epoch, implementation=label):
        by_seed.setdefault(row.seed, []).append(row)
    curves = {seed: sorted(curve, key=lambda row: row.epoch) for seed, curve in by_seed.items()}
    longest = max(map(len, curves.values()), default=0)
    return {seed: curve for seed, curve in curves.items() if len(curve) == longest}


def _relative(a: Sequence[Epoch], b: Sequence[Epoch]) -> list[float]:
    """Return the relative difference of the losses of every epoch; infinite where one of them diverged."""
    pairs = [(x.loss, y.loss) for x, y in zip(a, b, strict=True) if x.epoch]
    return [math.inf if x is None or y is None else abs(x - y) / abs(y) for x, y in pairs]
