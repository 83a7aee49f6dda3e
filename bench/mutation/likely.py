"""What an implementation that differs computes: known mistakes and conventions, tried on its own recipe and examples.

Quantities are explained in the order in which they are computed: first the outputs, then the gradient, then the weight
updates, then the loss. So a mistake that explains the gradient is found even where there is a second one in the loss.
"""

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, cast

import numpy as np

from backprop_bench.bench.core.stats.tolerances import name_arrays
from backprop_bench.bench.mutation.altered import altered_hypotheses, with_penalty
from backprop_bench.bench.mutation.by_layer import altered_by, describe_choices, explain_gradient
from backprop_bench.bench.mutation.edit import Mutation
from backprop_bench.bench.mutation.hypothesis import Hypothesis, hypotheses, of_update, trainer_of
from backprop_bench.bench.mutation.mutant import make_trainer
from backprop_bench.bench.mutation.mutations import MISTAKES
from backprop_bench.bench.mutation.signature import (
    EPOCHS,
    Build,
    Quantities,
    are_all_same,
    compare_quantities,
    constant_ratio,
    describe,
    quantities_of,
    trained_quantities,
    untrained_quantities,
)
from backprop_bench.bench.verify.protocol import check_protocol
from backprop_bench.bench.verify.replies import Followed, Reading
from backprop_bench.data import (
    Examples,
    ExtendedRecipe,
    Floats,
    Layer,
    Parameters,
    Recipe,
    Trainer,
    batch_order,
    initial_parameters,
)
from backprop_bench.scratch.numpy_trainer import NumpyTrainer

MAX_QUESTIONS = 3
"""Questions where no known mistake computes the same."""
MAX_MISTAKES = 3
"""Mistakes that are looked for together."""
MAX_FIRST = 4
"""Explanations of the first quantities that differ, with which the others are tried."""
MIN_EXAMPLES = 21
SIMILARITY_RANGE = 1.0
"""Powers of ten by which a mistake may be less similar than the most similar one, and still be asked about."""
STAGES = (("outputs",), ("gradient",), ("first update",), ("later updates", "later outputs"), ("loss",))
"""Quantities in the order of computation; of those in one stage each follows from those before."""

_MERGED = re.compile(r"\[W; b\]|\[b; W\]")
"""In the names of mistakes that one makes with biases that are a row of the weights."""
AGAIN = "when it is called again with the same batch"
RANDOM = "is something random in it, such as dropout, noise or a shuffled batch?"

Explanation = tuple[Hypothesis, ...]
"""What is different, all at once; nothing where it is right."""


class Diagnosis:
    """Tries explanations on a recipe: the quantities of an implementation, the right ones, those of hypotheses."""

    def __init__(self, recipe: Recipe, actual: Build, expected: Build, examples: Examples) -> None:
        self.recipe, self.actual, self.expected, self.examples = recipe, actual, expected, examples
        shown = {"outputs": "shows_outputs", "later outputs": "shows_outputs", "loss": "shows_loss"}
        self.hidden = [quantity for quantity, shows in shown.items() if not getattr(actual, shows, True)]
        if getattr(actual, "derives_gradients", False):
            self.hidden.append("gradient")  # it is the update
        self.cache: dict[tuple[Explanation, bool], Quantities | None] = {}
        self.right = self.shown(expected, trained=False) + self.shown(expected, trained=True)
        self.here = self.shown(actual, trained=False) + self.shown(actual, trained=True)
        gradients = [_of(quantities, STAGES[1]) for quantities in (self.here, self.right)]
        self.has_right_gradient = bool(gradients[0]) and are_all_same(recipe, *gradients)

    def shown(self, build: Build, *, trained: bool) -> Quantities:
        """Return what is compared of what a trainer computes, before training or of it."""
        quantities = (trained_quantities if trained else untrained_quantities)(self.recipe, build, self.examples)
        return [item for item in quantities if item[0] not in self.hidden]

    def quantities(self, explanation: Explanation, stage: int) -> Quantities | None:
        """Return what an implementation would show in a stage that differs so; ``None`` where that cannot be."""
        if not explanation:
            return _of(self.right, STAGES[stage])
        part = explanation, stage > 1
        if part not in self.cache:  # a training takes long, so it is done for the later stages only
            try:
                self.cache[part] = self.shown(trainer_of(explanation), trained=stage > 1)
            except Exception:  # noqa: BLE001 (such as shapes that do not fit)
                self.cache[part] = None
        computed = self.cache[part]
        there = None if computed is None else _of(computed, STAGES[stage])
        return there if there is not None and _fit(there, _of(self.right, STAGES[stage])) else None

    def explains(self, explanation: Explanation, until: int = len(STAGES)) -> bool:
        """Return whether an implementation that differs so shows the same in the first stages."""
        return all(self.explains_stage(explanation, stage) for stage in range(until))

    def explains_stage(self, explanation: Explanation, stage: int) -> bool:
        """Return whether an implementation that differs so shows the same in a stage."""
        if stage == 1 and self.has_right_gradient:  # then the mistake is in the code of the training alone
            return True
        there = self.quantities(explanation, stage)
        return there is not None and are_all_same(self.recipe, there, _of(self.here, STAGES[stage]))

    def changes(self, hypothesis: Hypothesis, stage: int) -> bool:
        """Return whether a stage would differ from the right one."""
        there = self.quantities((hypothesis,), stage)
        return there is not None and not are_all_same(self.recipe, there, _of(self.right, STAGES[stage]))

    def changes_gradient(self, hypothesis: Hypothesis) -> bool:
        """Return whether the gradient would differ from the right one."""
        return self.changes(hypothesis, 1)

    def begins_at(self, hypothesis: Hypothesis, stage: int) -> bool:
        """Return whether a stage is the first that would differ from the right one; of gradients, if that is wrong."""
        before = [each for each in range(stage) if not (each == 1 and self.has_right_gradient)]
        return self.changes(hypothesis, stage) and not any(self.changes(hypothesis, each) for each in before)

    def gradient(self, stage: int) -> Parameters | None:
        """Return the gradient of the first batch as a stage shows it: itself, or from an update of gradient descent."""
        recipe, name, times = self.recipe, STAGES[stage][0], 1.0
        if name == "first update":
            if recipe.optimizer != "sgd" or recipe.weight_decay or ExtendedRecipe.of(recipe).multiplicative_decay:
                return None
            times = -1 / recipe.learning_rate
        arrays = iter([times * array for _, _, array in _of(self.here, (name,))])
        like = initial_parameters(recipe) if name in ("gradient", "first update") else ()
        layers = [[next(arrays, None) for _ in layer.arrays()] for layer in like]
        found = [
            Layer(weight, *bias) if bias else Layer(weight, None) for weight, *bias in layers if weight is not None
        ]
        return tuple(found) or None

    def estimated(self, explanation: Explanation, stage: int) -> Iterator[Hypothesis]:
        """Yield hypotheses with numbers that fit a stage, where all before it differs so."""
        yield from self.with_penalties(explanation, stage) if STAGES[stage] == ("loss",) else ()
        yield from self.by_layer(explanation, stage) if STAGES[stage] != ("loss",) else ()
        there = self.quantities(explanation, stage) if STAGES[stage] == ("first update",) else None
        if there is not None:
            ratio = ratio_of(self.recipe, _of(self.here, STAGES[stage]), there)
            yield from of_update(self.recipe, ratio) if ratio is not None and ratio > 0 else ()

    def by_layer(self, explanation: Explanation, stage: int) -> Iterator[Hypothesis]:
        """Yield ways to compute the gradient that a stage shows, where all before it differs so."""
        gradient = self.gradient(stage)
        if gradient is None:
            return
        first = batch_order(self.recipe, len(self.examples.x), 0)[: self.recipe.batch_size]
        x, t = self.examples.x[first], self.examples.t[first]
        trainer = cast("NumpyTrainer", trainer_of(explanation)(self.recipe, initial_parameters(self.recipe)))
        for choices in explain_gradient(self.recipe, trainer, x, t, gradient):
            names, questions = describe_choices(choices)
            name, question = "; and ".join(names), " And ".join(questions)
            if self.has_right_gradient:  # then it is what the training does
                name, question = (words.replace("gradient", "weight update") for words in (name, question))
            yield Hypothesis(name, question, alter=altered_by(choices))

    def with_penalties(self, explanation: Explanation, stage: int) -> Iterator[Hypothesis]:
        """Yield penalties in the reported loss that would make it what it is, where all else differs so."""
        for biases, per_batch in itertools.product((False, True), (False, True)):
            unit = (*explanation, with_penalty(1.0, biases, per_batch))
            there, without = (self.quantities(each, stage) for each in (unit, explanation))
            if there and without:
                here = _of(self.here, STAGES[stage])[0][2]
                share = constant_ratio(self.recipe, here - without[0][2], there[0][2] - without[0][2])
                if share is not None:
                    yield with_penalty(share, biases, per_batch)

    def all_quantities(self, explanation: Explanation) -> Quantities | None:
        """Return the quantities of all stages; ``None`` where one of them cannot be."""
        stages = [self.quantities(explanation, stage) for stage in range(len(STAGES))]
        return None if None in stages else [item for stage in stages for item in stage or ()]

    def error(self, explanation: Explanation) -> float:
        """Return the largest difference from what an implementation would show that differs so."""
        there = self.all_quantities(explanation) or []
        return max((_size(a, b) for (_, _, a), (_, _, b) in zip(there, self.here, strict=False)), default=0.0)

    def difference(self, explanation: Explanation = ()) -> str:
        """Return what is left unexplained, on one line; empty for nothing."""
        there = self.all_quantities(explanation)
        if there is None:
            return "the weights after training"
        signature = compare_quantities(self.recipe, self.here, there, len(self.examples.x))
        return describe(self.recipe, signature) if signature else ""


def read_difference(recipe: Recipe, actual: type[Trainer], expected: type[Trainer], examples: Examples) -> Reading:
    """Look for what makes a trainer differ from the expected one, on two batches and a shorter one."""
    with np.errstate(all="ignore"):  # a mistake may well overflow
        try:
            diagnosis = Diagnosis(recipe, actual, expected, _few(recipe, examples))
        except Exception:  # noqa: BLE001 (the caller reports the exception)
            return Reading()
        differs = diagnosis.difference()
        if not differs:
            return Reading(epochs=EPOCHS)
        factors = {quantity: _factor_of(diagnosis, quantity) for quantity in ("gradient", "first update", "loss")}
        tried = [*hypotheses(recipe, factors), *altered_hypotheses(recipe, _decay(diagnosis))]
        tried = [each for each in tried if not (_MERGED.search(each.name) and _has_no_merged_biases(actual))]
        single = _singly(diagnosis, tried)
        explanations = _simplest(_confirmed(diagnosis, single, examples))
        explained = len(STAGES)
        if not explanations:
            explanations, explained = _in_stages(diagnosis, [each for each in tried if (each,) not in single])
            explanations = _simplest(_confirmed(diagnosis, explanations, examples, explained))
        if explanations:
            return _reading(diagnosis, differs, explanations, explained)
        return Reading(differs=differs, questions=_similar(diagnosis, tried), epochs=EPOCHS)


def _reading(diagnosis: Diagnosis, differs: str, explanations: Sequence[Explanation], explained: int) -> Reading:
    """Return the reply: of explanations that fit, a convention comes before mistakes."""
    conventions = [each for each in explanations if all(hypothesis.convention for hypothesis in each)]
    conventions = sorted(conventions, key=diagnosis.error)  # of those that hardly differ, such as of a small ε
    selected = conventions[:1] or explanations
    first, *rest = selected[0]
    left = diagnosis.difference(selected[0]) if explained < len(STAGES) else ""
    followed = [each.convention for each in selected[0] if each.convention is not None and conventions and not left]
    return Reading(
        differs=differs,
        conventions=tuple(Followed(each.words, dict(each.changes), each.option) for each in followed),
        mistakes=tuple(dict.fromkeys(each[0].name for each in selected)),
        then=tuple(hypothesis.name for hypothesis in rest),
        left=left,
        apart=_apart(diagnosis, selected) if len(selected) > 1 else "",
        questions=tuple(dict.fromkeys(hypothesis.question for each in selected for hypothesis in each)),
        only_in_training=diagnosis.has_right_gradient and diagnosis.changes_gradient(first),
        epochs=EPOCHS,
    )


def _singly(diagnosis: Diagnosis, tried: Sequence[Hypothesis]) -> list[Explanation]:
    """Explain all with one hypothesis; where the gradient is right, one that changes it is tried last."""
    first = [each for each in tried if not (diagnosis.has_right_gradient and diagnosis.changes_gradient(each))]
    found = [each for each in first if diagnosis.explains((each,))]
    found = found or [each for each in tried if diagnosis.explains((each,))]
    return [(each,) for each in found]


def _simplest(explanations: Sequence[Explanation]) -> list[Explanation]:
    """Return those whose last hypothesis is no factor but a known mistake, and changes no more than that of another."""
    found = [each for each in explanations if each and not each[-1].is_factor] or list(explanations)
    found = [each for each in found if not each or each[-1].alter is None] or found
    edits = [set(each[-1].edits) for each in found if each]
    return [each for each in found if not each or not any(set(each[-1].edits) > other for other in edits if other)]


def _in_stages(diagnosis: Diagnosis, tried: Sequence[Hypothesis]) -> tuple[list[Explanation], int]:
    """Explain stage after stage, each time with one more hypothesis where that is needed.

    Returns
    -------
    list
        The explanations of as many stages as possible; none where the first stage that differs has none.
    int
        The number of these stages.
    """
    explanations: list[Explanation] = [()]
    for stage in range(len(STAGES)):
        found = [each for each in explanations if diagnosis.explains(each, stage + 1)]
        if not found:
            more = [(*each, other) for each in explanations for other in tried if diagnosis.begins_at(other, stage)]
            found = [each for each in more if len(each) <= MAX_MISTAKES and diagnosis.explains(each, stage + 1)]
        if not found:
            more = [(*each, other) for each in explanations for other in diagnosis.estimated(each, stage)]
            found = [each for each in more if diagnosis.explains(each, stage + 1)]
        if not found:
            return [each for each in explanations if each], stage
        known = _simplest(found)
        others = [each for each in found if each and each[-1].alter is not None and each not in known]
        explanations = [*known, *others][:MAX_FIRST]
    return explanations, len(STAGES)


def _confirmed(
    diagnosis: Diagnosis, explanations: Sequence[Explanation], examples: Examples, stages: int = len(STAGES)
) -> list[Explanation]:
    """Return the explanations that hold on other recipes, too, as far as the implementation follows them."""
    held = list(explanations)
    for changes in _variations(diagnosis.recipe):
        try:
            recipe = diagnosis.recipe.replace(**changes)
            other = Diagnosis(recipe, diagnosis.actual, diagnosis.expected, _more(recipe, held, examples))
        except Exception:  # noqa: BLE001, S112 (no such recipe, or its sizes are fixed)
            continue
        here = [each for each in held if other.explains(each, stages)]
        if here or not _ignores(diagnosis.actual, diagnosis.recipe, other):
            held = here
        if not held:
            break
    return held


def _variations(recipe: Recipe) -> Iterator[dict[str, Any]]:
    """Yield fields of other recipes, one variation after another: first other initial weights."""
    inputs, *hidden, outputs = recipe.layer_sizes
    yield {"seed": recipe.seed + 1}
    yield {"layer_sizes": (inputs, *(size + 1 for size in hidden), outputs)}
    if recipe.batch_size is not None:
        size = recipe.batch_size
        yield {"batch_size": 3 if size == 1 else max(2, size - size // 3)}
    of_optimizer = ("epsilon",) if recipe.optimizer in ("rmsprop", "adam") else ()
    for name in ("learning_rate", "weight_decay", "momentum", *of_optimizer):
        if getattr(recipe, name):
            yield {name: 0.6 * getattr(recipe, name)}
    if recipe.optimizer == "adam":
        yield {"beta1": 0.9 * recipe.beta1, "beta2": 0.9 * recipe.beta2}


def _ignores(actual: Build, recipe: Recipe, other: Diagnosis) -> bool:
    """Return whether an implementation computes the same on a varied recipe as if it had not been told of it."""

    def untold(_: Recipe, parameters: Parameters) -> Trainer:
        return actual(recipe, parameters)

    try:
        there = other.shown(untold, trained=False) + other.shown(untold, trained=True)
    except Exception:  # noqa: BLE001 (other sizes do not fit, say)
        return False
    return are_all_same(other.recipe, there, other.here)


def _apart(diagnosis: Diagnosis, explanations: Sequence[Explanation]) -> str:
    """Return a change of the recipe on which the first two explanations differ; empty where none does."""
    recipe, hidden = diagnosis.recipe, [*diagnosis.hidden, *(["gradient"] if diagnosis.has_right_gradient else [])]
    deeper = (*recipe.layer_sizes[:-1], recipe.layer_sizes[-1] + 2, recipe.layer_sizes[-1])
    batch = 8 if recipe.batch_size != 8 else 12
    variations: dict[str, dict[str, Any]] = {
        f"--layer-sizes {'-'.join(map(str, deeper))}": {"layer_sizes": deeper},
        f"--batch-size {batch}": {"batch_size": batch},
        f"--learning-rate {recipe.learning_rate / 3:.3g}": {"learning_rate": recipe.learning_rate / 3},
        "--weight-decay 0.01": {"weight_decay": 0.01},
        f"--reduction {'sum' if recipe.reduction == 'mean' else 'mean'}": {
            "reduction": "sum" if recipe.reduction == "mean" else "mean"
        },
    }
    for words, changes in variations.items():
        try:
            changed = recipe.replace(**changes)
            a, b = (
                [item for item in quantities_of(changed, trainer_of(each), diagnosis.examples) if item[0] not in hidden]
                for each in explanations[:2]
            )
        except Exception:  # noqa: BLE001, S112 (such as a recipe that is not valid)
            continue
        if _fit(a, b) and not are_all_same(changed, a, b):
            return words
    return ""


def _similar(diagnosis: Diagnosis, tried: Sequence[Hypothesis]) -> tuple[str, ...]:
    """Return the questions of the mistakes that affect the same quantities by the most similar amounts."""
    signature = diagnosis.difference()
    untrained = [not diagnosis.explains_stage((), stage) for stage in (0, 1)]
    alike = []
    for each in tried:
        if (each.edits == () and each.alter is None) or any(
            diagnosis.changes(each, stage) != differs for stage, differs in enumerate(untrained)
        ):
            continue
        there = diagnosis.all_quantities((each,))
        if there is None:
            continue
        deviations = compare_quantities(diagnosis.recipe, there, diagnosis.right, len(diagnosis.examples.x))
        if deviations and describe(diagnosis.recipe, deviations) == signature:
            alike.append((_distance(there, diagnosis.here, diagnosis.right), each.question))
    nearest = sorted(alike)
    near = [question for distance, question in nearest if distance <= nearest[0][0] + SIMILARITY_RANGE]
    return tuple(dict.fromkeys(near))[:MAX_QUESTIONS]


def read_protocol_error(recipe: Recipe, batch: Examples, fault: str) -> Reading:
    """Look for mistakes with the same result of `check_protocol`, otherwise with an exception in the same method."""

    def message_of(mutation: Mutation) -> str:
        mutant = make_trainer(mutation.edits)
        return check_protocol(recipe, mutant, Examples(batch.x.copy(), batch.t.copy(), batch.y)).where

    fault = re.sub(r"^(\w+ raised \w+) in line \d+:", r"\1:", fault)  # the mutants are of another file
    with np.errstate(all="ignore"):
        faults = list(_try_all(MISTAKES, message_of))
    same = [mutation for mutation, there in faults if there == fault]
    if AGAIN in fault and not same:
        alike = [mutation for mutation, there in faults if AGAIN in there]
        return Reading(questions=(RANDOM, *questions_of(alike)[: MAX_QUESTIONS - 1]))
    if same:
        return Reading(mistakes=tuple(mutation.name for mutation in same), questions=questions_of(same))
    raised, colon, message = fault.partition(": ")
    if "expected" in message:  # it says already what to write
        return Reading()
    alike = [mutation for mutation, there in faults if colon and there.startswith(raised + colon)]
    return Reading(questions=questions_of(alike)[:MAX_QUESTIONS])


def _few(recipe: Recipe, examples: Examples) -> Examples:
    size = recipe.batch_size or 1
    return _first(examples, max(MIN_EXAMPLES, 2 * size + (size + 1) // 2))


def _more(recipe: Recipe, explanations: Sequence[Explanation], examples: Examples) -> Examples:
    """Return so many examples that batch sizes that are to be told apart differ."""
    sizes = [each.fields(recipe).get("batch_size") or 1 for explanation in explanations for each in explanation]
    return _first(examples, max(len(_few(recipe, examples).x), 1 + 2 * max(sizes)))


def _first(examples: Examples, n: int) -> Examples:
    return Examples(examples.x[:n], examples.t[:n], examples.y[:n])


def _factor_of(diagnosis: Diagnosis, quantity: str) -> float | None:
    """Return the ratio of a quantity to the right one where it is the same everywhere, and not 1."""
    return ratio_of(
        diagnosis.recipe, *(_of(quantities, (quantity,)) for quantities in (diagnosis.here, diagnosis.right))
    )


def ratio_of(recipe: Recipe, here: Quantities, there: Quantities) -> float | None:
    """Return the ratio of some quantities to others where it is the same everywhere, and not 1."""
    a, b = (np.concatenate([array.ravel() for _, _, array in each] or [np.zeros(0)]) for each in (here, there))
    return constant_ratio(recipe, a, b) if b.size else None


def _try_all(mutations: Iterable[Mutation], run: Callable[[Mutation], Any]) -> Iterator[tuple[Mutation, Any]]:
    """Yield the result of every mutant of the network; skip those that raise because they do not fit the recipe."""
    for mutation in mutations:
        if not mutation.changes_data:
            try:
                yield mutation, run(mutation)
            except Exception:  # noqa: BLE001, S112 (such as shapes that do not fit)
                continue


def _has_no_merged_biases(actual: type[Trainer]) -> bool:
    """Say whether the biases are known to be arrays of their own."""
    pieces = getattr(actual, "pieces", None)
    return pieces is not None and pieces.layout.bias_column is None


def _decay(diagnosis: Diagnosis) -> float | None:
    """Return the share of the weights that the first update takes off besides; ``None`` where it does not."""
    here, right = (_of(quantities, ("first update",)) for quantities in (diagnosis.here, diagnosis.right))
    start = name_arrays(initial_parameters(diagnosis.recipe))
    pairs = [(a - b, w) for (_, _, a), (_, _, b), (_, w) in zip(here, right, start, strict=True) if w.ndim == 2]
    rest, weights = (np.concatenate([array.ravel() for array in arrays]) for arrays in zip(*pairs, strict=True))
    ratio = constant_ratio(diagnosis.recipe, rest, weights)
    return None if ratio is None or ratio >= 0 else -ratio


def _of(quantities: Quantities, names: Iterable[str]) -> Quantities:
    return [item for item in quantities if item[0] in names]


def _fit(there: Quantities, right: Quantities) -> bool:
    return [a.shape for _, _, a in there] == [b.shape for _, _, b in right]


def questions_of(mutations: Sequence[Mutation]) -> tuple[str, ...]:
    """Return the questions of mistakes, each once."""
    return tuple(dict.fromkeys(mutation.hint for mutation in mutations))


def _distance(there: Quantities, here: Quantities, right: Quantities) -> float:
    """Return the mean ratio of the sizes of two differences from the right quantities, in powers of ten."""
    a, b = (np.log10([_size(x, y) for (_, _, x), (_, _, y) in zip(some, right, strict=True)]) for some in (there, here))
    apart = abs(a - b)[np.isfinite(a - b)]  # leaves out quantities that are no number
    return float(apart.mean()) if apart.size else np.inf


def _size(a: Floats, b: Floats) -> float:
    return float(abs(a - b).max() / abs(b).max()) + float(np.finfo(b.dtype).tiny)
