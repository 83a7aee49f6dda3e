"""Predictions of trained networks in sentences and tables, and what their figures share."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from backprop_bench.bench.core.implementations import family
from backprop_bench.bench.core.network import LabelledExamples, TrainedNetwork
from backprop_bench.bench.core.summary import QuestionSummary, Summary
from backprop_bench.bench.predictions.analysis import (
    Disagreement,
    class_rates,
    confusion_matrix,
    find_disagreement,
    image_side,
    most_confident_disagreements,
    most_confident_errors,
    worst_confusions,
)
from backprop_bench.bench.report.numbers import ABSENT, clean, count, named, percent, percent_interval, shorten
from backprop_bench.bench.report.table import Table, make_table

MOST_CLASSES = 20
"""Classes of a matrix that is drawn, at most; of more classes, the most frequent confusions are listed."""
WORST = 20
"""Confusions in that list."""
MOST_CONFIDENT = 12
"""Most confident errors that are shown."""
DIFFERENT = 24
"""Examples that are shown on which two networks disagree."""
ALIKE = 3
"""Of these, with the same true label and the same two predicted labels."""
TOLD = 5
"""Examples in the alternative text of a figure."""
LABEL_LETTERS = 11
TINY_P = 1e-12
"""A smaller p is written as "p < 1e-12"."""


@dataclass(frozen=True, eq=False)
class Shown:
    """The networks of a question, and which of them stand side by side.

    Attributes
    ----------
    networks
        All of the question, in the order of its entries.
    pair
        One from scratch and one in PyTorch where there are both, else the first two, or the only one.
    same_recipe
        Whether these two have the same recipe.
    """

    question: QuestionSummary
    networks: tuple[TrainedNetwork, ...]
    pair: tuple[TrainedNetwork, ...]
    same_recipe: bool

    @property
    def title(self) -> str:
        """Title of the question."""
        return clean(self.question.title)

    @property
    def which(self) -> str:
        """Seed and epoch of the networks."""
        return f"seed {self.pair[0].seed}, {count(self.pair[0].epoch, 'epoch')}"

    @property
    def subtitle(self) -> str:
        """Title of the question, with seed and epoch of the networks."""
        return f"{self.title} ({self.which})"


def shown(summary: Summary) -> list[Shown]:
    """Return the questions that have networks."""
    return [one for question in summary.questions if (one := _shown(summary, question)) is not None]


def compared(summary: Summary) -> list[tuple[Shown, TrainedNetwork, TrainedNetwork]]:
    """Return the questions that have two networks, and these two."""
    return [(one, *one.pair) for one in shown(summary) if len(one.pair) == 2]


def _shown(summary: Summary, question: QuestionSummary) -> Shown | None:
    if summary.outcomes is None:
        return None
    recipes = {
        entry.label: entry.recipe
        for planned in summary.description.plan.questions
        if planned.name == question.name
        for entry in planned.entries
    }
    saved = [item for item in summary.outcomes.networks if item.question == question.name]
    order = list(recipes)
    networks = tuple(sorted(saved, key=lambda network: order.index(network.implementation)))
    if not networks:
        return None
    from_scratch, torch = (
        [network for network in networks if family(network.implementation) == kind]
        for kind in ("from scratch", "PyTorch")
    )
    pair = (from_scratch[0], torch[0]) if from_scratch and torch else networks[:2]
    same = len(pair) == 2 and recipes[pair[0].implementation] == recipes[pair[1].implementation]
    return Shown(question, networks, pair, same)


def examples_of(summary: Summary) -> LabelledExamples | None:
    """Return the test examples of the networks; ``None`` where they are missing."""
    return None if summary.outcomes is None else summary.outcomes.examples


def missing_examples(summary: Summary) -> str | None:
    """Return why there are no predictions to show."""
    if summary.outcomes is None:
        return "the run saved no trained networks"
    if not shown(summary):
        return "no trained network can be read"
    return None if summary.outcomes.examples is not None else "the test examples are missing"


def missing_images(summary: Summary) -> str | None:
    """Return why the test examples cannot be drawn."""
    examples = examples_of(summary)
    if examples is None or missing_examples(summary) is not None:
        return missing_examples(summary)
    n_inputs = examples.inputs.shape[1]
    return None if image_side(n_inputs) is not None else f"{n_inputs} inputs are no square image"


def class_name(examples: LabelledExamples, number: int, letters: int = LABEL_LETTERS) -> str:
    """Return the name of a class, shortened."""
    return shorten(examples.names[number], letters)


def n_wrong(examples: LabelledExamples, network: TrainedNetwork) -> int:
    """Return how many test examples a network gets wrong."""
    return int((network.predicted != examples.labels).sum())


def p_words(p: float) -> str:
    """Return a p such as "p = 0.031"."""
    return f"p < {TINY_P:g}" if p < TINY_P else f"p = {p:.2g}"


def prediction_sentences(summary: Summary) -> list[str]:
    """Return the number of errors of each question's networks, and where they disagree."""
    examples = examples_of(summary)
    if examples is None:
        return []
    sentences = []
    for one in shown(summary):
        n = count(len(examples.labels), "test example")
        wrong = [f"{named(network.implementation)} predicts {n_wrong(examples, network):,}" for network in one.pair]
        sentence = f"{one.subtitle}: of {n}, {' and '.join(wrong)} wrong."
        sentences.append(f"{sentence} {disagreement_sentence(examples, one)}" if len(one.pair) == 2 else sentence)
    return sentences


def disagreement_sentence(examples: LabelledExamples, one: Shown) -> str:
    """Return where the two networks of a question disagree."""
    first, second = one.pair
    disagreement = find_disagreement(examples.labels, first, second)
    n = len(disagreement.examples)
    if n == 0:
        expected = ", as expected with the same recipe" if one.same_recipe else ""
        return f"Their predictions agree on all of them{expected}."
    names = named(first.implementation), named(second.implementation)
    sentence = (
        f"They disagree on {n:,} ({percent(n / disagreement.n_examples, 2)}): {names[0]} alone is right in "
        f"{disagreement.n_first_right:,}, {names[1]} alone in {disagreement.n_second_right:,}, neither in "
        f"{disagreement.n_neither:,}"
    )
    if one.same_recipe:
        return f"{sentence}. With the same recipe, only rounding can make predictions differ."
    return f"{sentence} (McNemar's exact test: {p_words(disagreement.p_value)})."


def prediction_tables(summary: Summary) -> list[Table]:
    """Return the tables of the predictions, those that have rows."""
    examples = examples_of(summary)
    if examples is None:
        return []
    tables = [table for one in shown(summary) for table in _tables_of(examples, one)]
    return [table for table in tables if table.rows]


def _tables_of(examples: LabelledExamples, one: Shown) -> Iterator[Table]:
    yield recall_table(examples, one)
    if len(examples.names) > MOST_CLASSES:
        yield confusions_table(examples, one)
    yield disagreement_table(examples, one)
    if image_side(examples.inputs.shape[1]) is None:
        yield different_examples_table(examples, one)
        yield wrong_examples_table(examples, one)


def recall_table(examples: LabelledExamples, one: Shown) -> Table:
    """Return recall and precision of every class, the networks side by side."""
    rates = [
        class_rates(confusion_matrix(examples.labels, network.predicted, len(examples.names))) for network in one.pair
    ]
    names = [network.implementation for network in one.pair]
    columns = [
        "<class",
        "test examples",
        *(f"recall, {name}" for name in names),
        *(f"precision, {name}" for name in names),
    ]
    rows = [
        [
            examples.names[number],
            f"{of_class[0].n_examples:,}",
            *(percent_interval(rate.recall) for rate in of_class),
            *(percent_interval(rate.precision) for rate in of_class),
        ]
        for number, of_class in enumerate(zip(*rates, strict=True))
    ]
    note = (
        "Recall: share of a true label's examples that are predicted right; precision: share of a predicted label's "
        "examples that are right. In brackets: Wilson 95 % CI over test examples."
    )
    return make_table(f"Recall and precision: {one.subtitle}", columns, rows, note)


def confusions_table(examples: LabelledExamples, one: Shown) -> Table:
    """Return the most frequent confusions of the networks that stand side by side."""
    matrices = [confusion_matrix(examples.labels, network.predicted, len(examples.names)) for network in one.pair]
    worst = worst_confusions(sum(matrices[1:], matrices[0]), WORST)
    rows = [
        [
            examples.names[confusion.label],
            examples.names[confusion.predicted],
            *(f"{matrix[confusion.label, confusion.predicted]:,}" for matrix in matrices),
            f"{matrices[0][confusion.label].sum():,}",
        ]
        for confusion in worst
    ]
    names = [network.implementation for network in one.pair]
    columns = ["<true label", "<predicted label", *names, "test examples of the class"]
    note = (
        f"The {WORST} most frequent confusions of these networks; a matrix of {len(examples.names)} classes is not "
        "drawn."
    )
    return make_table(f"Most frequent confusions: {one.subtitle}", columns, rows, note)


def disagreement_table(examples: LabelledExamples, one: Shown) -> Table:
    """Return on how many examples every two networks of a question disagree, and which is right."""
    rows = [
        _disagreement_row(find_disagreement(examples.labels, first, second), first, second)
        for first, second in itertools.combinations(one.networks, 2)
    ]
    counted = ["disagree on", "first alone right", "second alone right", "both wrong", "McNemar's p"]
    columns = ["<first", "<second", *counted]
    note = (
        f"Of {count(len(examples.labels), 'test example')}. McNemar's p: exact, two-sided; the null hypothesis is "
        "equal accuracy."
    )
    return make_table(f"Disagreements: {one.subtitle}", columns, rows, note)


def _disagreement_row(disagreement: Disagreement, first: TrainedNetwork, second: TrainedNetwork) -> list[str]:
    counts = (
        len(disagreement.examples),
        disagreement.n_first_right,
        disagreement.n_second_right,
        disagreement.n_neither,
    )
    names = [first.implementation, second.implementation]
    p = p_words(disagreement.p_value).removeprefix("p ").removeprefix("= ") if len(disagreement.examples) else ABSENT
    return [*names, *(f"{number:,}" for number in counts), p]


def different_examples_table(examples: LabelledExamples, one: Shown) -> Table:
    """Return the examples on which the two networks disagree, where they are not images."""
    if len(one.pair) < 2:
        return make_table("", [], [])
    first, second = one.pair
    disagreement = find_disagreement(examples.labels, first, second)
    places = most_confident_disagreements(disagreement, first, second, DIFFERENT, ALIKE)
    rows = [
        _example_row(
            examples,
            int(disagreement.examples[place]),
            [int(disagreement.first[place]), int(disagreement.second[place])],
        )
        for place in places
    ]
    columns = ["test example", "<true label", f"<{first.implementation}", f"<{second.implementation}"]
    note = (
        f"Predicted label by implementation. The {DIFFERENT} most confident, at most {ALIKE} alike; examples are "
        "counted from 0."
    )
    return make_table(f"Examples with different predictions: {one.subtitle}", columns, rows, note)


def _example_row(examples: LabelledExamples, example: int, predicted: Sequence[int]) -> list[str]:
    return [str(example), examples.names[examples.labels[example]], *(examples.names[number] for number in predicted)]


def wrong_examples_table(examples: LabelledExamples, one: Shown) -> Table:
    """Return the most confident errors, where the examples are not images."""
    rows = [
        [
            network.implementation,
            *_example_row(examples, int(example), [int(network.predicted[example])]),
            percent(float(network.confidence[example])),
        ]
        for network in one.pair
        for example in most_confident_errors(examples.labels, network, MOST_CONFIDENT)
    ]
    columns = ["<implementation", "test example", "<true label", "<predicted label", "confidence"]
    note = (
        f"At most {MOST_CONFIDENT} of each; examples are counted from 0. Confidence: the largest output as a share of "
        "the sum of all."
    )
    return make_table(f"Most confident errors: {one.subtitle}", columns, rows, note)
