"""What trained networks get wrong: in sentences and tables, and what the figures of it share."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from backprop_bench.bench.core.implementations import family
from backprop_bench.bench.core.network import LabelledExamples, TrainedNetwork
from backprop_bench.bench.core.summary import QuestionSummary, Summary
from backprop_bench.bench.predictions.analysis import (
    Disagreement,
    class_rates,
    confidently_wrong,
    confusion_matrix,
    disagreement,
    image_side,
    surest_disagreements,
    worst_confusions,
)
from backprop_bench.bench.report.numbers import ABSENT, clean, count, named, percent, percent_interval, shorten
from backprop_bench.bench.report.table import Table, make_table

MOST_CLASSES = 20
"""Of a matrix that can be read; of more classes, the worst confusions are listed."""
WORST = 20
"""Confusions in that list."""
SURE = 12
"""Examples that are shown of which a network was the surest, and yet wrong."""
DIFFERENT = 24
"""Examples that are shown on which two networks disagree."""
ALIKE = 3
"""Of these, with the same class and the same two answers."""
TOLD = 5
"""Examples that the words of a figure tell, for those who cannot see it."""
LABEL_LETTERS = 11
TINY_P = 1e-12
"""A p below this is written as such: what is smaller says nothing more."""


@dataclass(frozen=True, eq=False)
class Shown:
    """The networks of a question, and which of them stand side by side.

    Attributes
    ----------
    networks
        All of the question, in the order of its entries.
    pair
        One by hand and one in PyTorch where there are both, else the first two, or the only one.
    same_recipe
        Whether these two were given the same recipe, so that they are twins.
    """

    question: QuestionSummary
    networks: tuple[TrainedNetwork, ...]
    pair: tuple[TrainedNetwork, ...]
    same_recipe: bool

    @property
    def title(self) -> str:
        """That of the question."""
        return clean(self.question.title)

    @property
    def which(self) -> str:
        """Which networks of the question these are."""
        return f"The networks are those of seed {self.pair[0].seed} after {count(self.pair[0].epoch, 'epoch')}."


def shown(summary: Summary) -> list[Shown]:
    """Return the questions of which networks are there."""
    return [found for question in summary.questions if (found := _shown(summary, question)) is not None]


def compared(summary: Summary) -> list[tuple[Shown, TrainedNetwork, TrainedNetwork]]:
    """Return the questions of which two networks are there, and these two."""
    return [(found, *found.pair) for found in shown(summary) if len(found.pair) == 2]


def _shown(summary: Summary, question: QuestionSummary) -> Shown | None:
    if summary.outcomes is None:
        return None
    recipes = {
        entry.label: entry.recipe
        for planned in summary.description.plan.questions
        if planned.name == question.name
        for entry in planned.entries
    }
    found = [item for item in summary.outcomes.networks if item.question == question.name]
    order = list(recipes)
    networks = tuple(sorted(found, key=lambda network: order.index(network.implementation)))
    if not networks:
        return None
    by_hand, torch = (
        [network for network in networks if family(network.implementation) == kind]
        for kind in ("from scratch", "PyTorch")
    )
    pair = (by_hand[0], torch[0]) if by_hand and torch else networks[:2]
    same = len(pair) == 2 and recipes[pair[0].implementation] == recipes[pair[1].implementation]
    return Shown(question, networks, pair, same)


def examples_of(summary: Summary) -> LabelledExamples | None:
    """Return the test examples that the networks were shown, where they can be had."""
    return None if summary.outcomes is None else summary.outcomes.examples


def missing_examples(summary: Summary) -> str | None:
    """Return why nothing can be said about what networks get wrong."""
    if summary.outcomes is None:
        return "the run kept no trained networks"
    if not shown(summary):
        return "no trained network can be read"
    return None if summary.outcomes.examples is not None else "the test examples cannot be had"


def missing_images(summary: Summary) -> str | None:
    """Return why the test examples cannot be drawn."""
    examples = examples_of(summary)
    if examples is None or missing_examples(summary) is not None:
        return missing_examples(summary)
    n_inputs = examples.inputs.shape[1]
    return None if image_side(n_inputs) is not None else f"{n_inputs} inputs are no square image"


def class_name(examples: LabelledExamples, number: int, letters: int = LABEL_LETTERS) -> str:
    """Return what a class is called, cut to the room that there is for it."""
    return shorten(examples.names[number], letters)


def n_wrong(examples: LabelledExamples, network: TrainedNetwork) -> int:
    """Return how many test examples a network gets wrong."""
    return int((network.predicted != examples.labels).sum())


def p_words(p: float) -> str:
    """Return a p such as "p = 0.031"."""
    return f"p < {TINY_P:g}" if p < TINY_P else f"p = {p:.2g}"


def outcome_sentences(summary: Summary) -> list[str]:
    """Return what the networks of each question get wrong, and where they disagree."""
    examples = examples_of(summary)
    if examples is None:
        return []
    found = []
    for one in shown(summary):
        n = count(len(examples.labels), "test example")
        wrong = [f"{named(network.implementation)} gets {n_wrong(examples, network):,}" for network in one.pair]
        said = f"{one.title}: of {n}, {' and '.join(wrong)} wrong. {one.which}"
        found.append(f"{said} {disagreement_sentence(examples, one)}" if len(one.pair) == 2 else said)
    return found


def disagreement_sentence(examples: LabelledExamples, one: Shown) -> str:
    """Return where the two networks of a question that stand side by side disagree."""
    first, second = one.pair
    found = disagreement(examples.labels, first, second)
    n = len(found.examples)
    if n == 0:
        expected = ", as is expected of twins with the same recipe" if one.same_recipe else ""
        return f"They say the same class of every one of them{expected}."
    names = named(first.implementation), named(second.implementation)
    said = (
        f"They say different classes of {n:,} ({percent(n / found.n_examples, 2)}): {names[0]} alone is right in "
        f"{found.n_first_right:,}, {names[1]} alone in {found.n_second_right:,}, neither in {found.n_neither:,}"
    )
    if one.same_recipe:
        return f"{said}. Twins with the same recipe are expected to differ where rounding decides, if anywhere."
    return f"{said} (McNemar's exact test that both are right equally often: {p_words(found.p_value)})."


def outcome_tables(summary: Summary) -> list[Table]:
    """Return the tables of what the networks get wrong, those that have rows."""
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
        "Recall: share of a true label's examples that are predicted right. Precision: share of a predicted label's "
        f"examples that are right. In brackets: Wilson's 95 % CI over test examples; other seeds vary more. {one.which}"
    )
    return make_table(f"Class by class: {one.title}", columns, rows, note)


def confusions_table(examples: LabelledExamples, one: Shown) -> Table:
    """Return the most frequent confusions of the networks that stand side by side."""
    matrices = [confusion_matrix(examples.labels, network.predicted, len(examples.names)) for network in one.pair]
    worst = worst_confusions(sum(matrices[1:], matrices[0]), WORST)
    rows = [
        [
            examples.names[confusion.label],
            examples.names[confusion.said],
            *(f"{matrix[confusion.label, confusion.said]:,}" for matrix in matrices),
            f"{matrices[0][confusion.label].sum():,}",
        ]
        for confusion in worst
    ]
    columns = ["<is", "<said", *(f"by {network.implementation}" for network in one.pair), "test examples of the class"]
    note = (
        f"The {WORST} most frequent in all networks that are shown. {len(examples.names)} classes are too many to draw."
    )
    return make_table(f"Worst confusions: {one.title}", columns, rows, note)


def disagreement_table(examples: LabelledExamples, one: Shown) -> Table:
    """Return on how many examples every two networks of a question disagree, and who is right."""
    rows = [
        _disagreement_row(disagreement(examples.labels, first, second), first, second)
        for first, second in itertools.combinations(one.networks, 2)
    ]
    counted = ["disagree on", "first alone right", "second alone right", "both wrong", "McNemar's p"]
    columns = ["<first", "<second", *counted]
    note = (
        f"Of {count(len(examples.labels), 'test example')}. McNemar's p: exact and two-sided, that one of them alone "
        f"is right as often as this if both are equally good. {one.which}"
    )
    return make_table(f"Disagreements: {one.title}", columns, rows, note)


def _disagreement_row(found: Disagreement, first: TrainedNetwork, second: TrainedNetwork) -> list[str]:
    counts = (len(found.examples), found.n_first_right, found.n_second_right, found.n_neither)
    names = [first.implementation, second.implementation]
    p = p_words(found.p_value).removeprefix("p ").removeprefix("= ") if len(found.examples) else ABSENT
    return [*names, *(f"{number:,}" for number in counts), p]


def different_examples_table(examples: LabelledExamples, one: Shown) -> Table:
    """Return the examples on which the two networks disagree, where they are no images that could be drawn."""
    if len(one.pair) < 2:
        return make_table("", [], [])
    first, second = one.pair
    found = disagreement(examples.labels, first, second)
    places = surest_disagreements(found, first, second, DIFFERENT, ALIKE)
    rows = [
        _example_row(examples, int(found.examples[place]), [int(found.first[place]), int(found.second[place])])
        for place in places
    ]
    columns = ["test example", "<is", f"<{first.implementation} says", f"<{second.implementation} says"]
    note = (
        f"At most {DIFFERENT} and {ALIKE} alike, those first of which both are the surest. Examples are counted from 0."
    )
    return make_table(f"They disagree on: {one.title}", columns, rows, note)


def _example_row(examples: LabelledExamples, example: int, said: Sequence[int]) -> list[str]:
    return [str(example), examples.names[examples.labels[example]], *(examples.names[number] for number in said)]


def wrong_examples_table(examples: LabelledExamples, one: Shown) -> Table:
    """Return the examples that a network was the surest of, and wrong, where they are no images that could be drawn."""
    rows = [
        [
            network.implementation,
            *_example_row(examples, int(example), [int(network.predicted[example])]),
            percent(float(network.confidence[example])),
        ]
        for network in one.pair
        for example in confidently_wrong(examples.labels, network, SURE)
    ]
    columns = ["<implementation", "test example", "<is", "<said", "largest output"]
    note = f"At most {SURE} of each. Largest output: as a share of the sum of all. Examples are counted from 0."
    return make_table(f"Most confidently wrong: {one.title}", columns, rows, note)
