"""What trained networks get wrong: in sentences and tables, and what the figures of it share."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from backprop_bench.bench.core.implementations import family
from backprop_bench.bench.core.network import LabelledCases, TrainedNetwork
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
"""Cases that are shown of which a network was the surest, and yet wrong."""
DIFFERENT = 24
"""Cases that are shown on which two networks disagree."""
ALIKE = 3
"""Of these, with the same class and the same two answers."""
TOLD = 5
"""Cases that the words of a figure tell, for those who cannot see it."""
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
        entry["label"]: entry["recipe"]
        for planned in summary.description["plan"]["questions"]
        if planned["name"] == question.name
        for entry in planned["entries"]
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


def cases_of(summary: Summary) -> LabelledCases | None:
    """Return the test cases that the networks were shown, where they can be had."""
    return None if summary.outcomes is None else summary.outcomes.cases


def missing_cases(summary: Summary) -> str | None:
    """Return why nothing can be said about what networks get wrong."""
    if summary.outcomes is None:
        return "the run kept no trained networks"
    if not shown(summary):
        return "no trained network can be read"
    return None if summary.outcomes.cases is not None else "the test cases cannot be had"


def missing_images(summary: Summary) -> str | None:
    """Return why the test cases cannot be drawn."""
    cases = cases_of(summary)
    if cases is None or missing_cases(summary) is not None:
        return missing_cases(summary)
    n_inputs = cases.inputs.shape[1]
    return None if image_side(n_inputs) is not None else f"{n_inputs} inputs are no square image"


def class_name(cases: LabelledCases, number: int, letters: int = LABEL_LETTERS) -> str:
    """Return what a class is called, cut to the room that there is for it."""
    return shorten(cases.names[number], letters)


def n_wrong(cases: LabelledCases, network: TrainedNetwork) -> int:
    """Return how many test cases a network gets wrong."""
    return int((network.predicted != cases.labels).sum())


def p_words(p: float) -> str:
    """Return a p such as "p = 0.031"."""
    return f"p < {TINY_P:g}" if p < TINY_P else f"p = {p:.2g}"


def outcome_sentences(summary: Summary) -> list[str]:
    """Return what the networks of each question get wrong, and where they disagree."""
    cases = cases_of(summary)
    if cases is None:
        return []
    found = []
    for one in shown(summary):
        n = count(len(cases.labels), "test case")
        wrong = [f"{named(network.implementation)} gets {n_wrong(cases, network):,}" for network in one.pair]
        said = f"{one.title}: of {n}, {' and '.join(wrong)} wrong. {one.which}"
        found.append(f"{said} {disagreement_sentence(cases, one)}" if len(one.pair) == 2 else said)
    return found


def disagreement_sentence(cases: LabelledCases, one: Shown) -> str:
    """Return where the two networks of a question that stand side by side disagree."""
    first, second = one.pair
    found = disagreement(cases.labels, first, second)
    n = len(found.cases)
    if n == 0:
        expected = ", as is expected of twins with the same recipe" if one.same_recipe else ""
        return f"They say the same class of every one of them{expected}."
    names = named(first.implementation), named(second.implementation)
    said = (
        f"They say different classes of {n:,} ({percent(n / found.n_cases, 2)}): {names[0]} alone is right in "
        f"{found.n_first_right:,}, {names[1]} alone in {found.n_second_right:,}, neither in {found.n_neither:,}"
    )
    if one.same_recipe:
        return f"{said}. Twins with the same recipe are expected to differ where rounding decides, if anywhere."
    return f"{said} (McNemar's exact test that both are right equally often: {p_words(found.p_value)})."


def outcome_tables(summary: Summary) -> list[Table]:
    """Return the tables of what the networks get wrong, those that have rows."""
    cases = cases_of(summary)
    if cases is None:
        return []
    tables = [table for one in shown(summary) for table in _tables_of(cases, one)]
    return [table for table in tables if table.rows]


def _tables_of(cases: LabelledCases, one: Shown) -> Iterator[Table]:
    yield recall_table(cases, one)
    if len(cases.names) > MOST_CLASSES:
        yield confusions_table(cases, one)
    yield disagreement_table(cases, one)
    if image_side(cases.inputs.shape[1]) is None:
        yield different_cases_table(cases, one)
        yield wrong_cases_table(cases, one)


def recall_table(cases: LabelledCases, one: Shown) -> Table:
    """Return recall and precision of every class, the networks side by side."""
    rates = [class_rates(confusion_matrix(cases.labels, network.predicted, len(cases.names))) for network in one.pair]
    names = [network.implementation for network in one.pair]
    columns = [
        "<class",
        "test cases",
        *(f"recall, {name}" for name in names),
        *(f"precision, {name}" for name in names),
    ]
    rows = [
        [
            cases.names[number],
            f"{of_class[0].n_cases:,}",
            *(percent_interval(rate.recall) for rate in of_class),
            *(percent_interval(rate.precision) for rate in of_class),
        ]
        for number, of_class in enumerate(zip(*rates, strict=True))
    ]
    note = (
        "Recall: share of the cases of a class that are said to be of it. Precision: share of those said to be of it "
        f"that are. In brackets: Wilson's 95 % interval over test cases, which says nothing of other seeds. {one.which}"
    )
    return make_table(f"Class by class: {one.title}", columns, rows, note)


def confusions_table(cases: LabelledCases, one: Shown) -> Table:
    """Return the most frequent confusions of the networks that stand side by side."""
    matrices = [confusion_matrix(cases.labels, network.predicted, len(cases.names)) for network in one.pair]
    worst = worst_confusions(sum(matrices[1:], matrices[0]), WORST)
    rows = [
        [
            cases.names[confusion.label],
            cases.names[confusion.said],
            *(f"{matrix[confusion.label, confusion.said]:,}" for matrix in matrices),
            f"{matrices[0][confusion.label].sum():,}",
        ]
        for confusion in worst
    ]
    columns = ["<is", "<said", *(f"by {network.implementation}" for network in one.pair), "test cases of the class"]
    note = f"The {WORST} most frequent in all networks that are shown. {len(cases.names)} classes are too many to draw."
    return make_table(f"Worst confusions: {one.title}", columns, rows, note)


def disagreement_table(cases: LabelledCases, one: Shown) -> Table:
    """Return on how many cases every two networks of a question disagree, and who is right."""
    rows = [
        _disagreement_row(disagreement(cases.labels, first, second), first, second)
        for first, second in itertools.combinations(one.networks, 2)
    ]
    counted = ["disagree on", "first alone right", "second alone right", "both wrong", "McNemar's p"]
    columns = ["<first", "<second", *counted]
    note = (
        f"Of {count(len(cases.labels), 'test case')}. McNemar's p: the exact two-sided p of one of them alone being "
        f"right as unequally often as this, or more so, if neither were the better. {one.which}"
    )
    return make_table(f"Disagreements: {one.title}", columns, rows, note)


def _disagreement_row(found: Disagreement, first: TrainedNetwork, second: TrainedNetwork) -> list[str]:
    counts = (len(found.cases), found.n_first_right, found.n_second_right, found.n_neither)
    names = [first.implementation, second.implementation]
    p = p_words(found.p_value).removeprefix("p ").removeprefix("= ") if len(found.cases) else ABSENT
    return [*names, *(f"{number:,}" for number in counts), p]


def different_cases_table(cases: LabelledCases, one: Shown) -> Table:
    """Return the cases on which the two networks disagree, where they are no images that could be drawn."""
    if len(one.pair) < 2:
        return make_table("", [], [])
    first, second = one.pair
    found = disagreement(cases.labels, first, second)
    places = surest_disagreements(found, first, second, DIFFERENT, ALIKE)
    rows = [
        _case_row(cases, int(found.cases[place]), [int(found.first[place]), int(found.second[place])])
        for place in places
    ]
    columns = ["test case", "<is", f"<{first.implementation} says", f"<{second.implementation} says"]
    note = f"At most {DIFFERENT} and {ALIKE} alike, those first of which both are the surest. Cases are counted from 0."
    return make_table(f"They disagree on: {one.title}", columns, rows, note)


def _case_row(cases: LabelledCases, case: int, said: Sequence[int]) -> list[str]:
    return [str(case), cases.names[cases.labels[case]], *(cases.names[number] for number in said)]


def wrong_cases_table(cases: LabelledCases, one: Shown) -> Table:
    """Return the cases that a network was the surest of, and wrong, where they are no images that could be drawn."""
    rows = [
        [
            network.implementation,
            *_case_row(cases, int(case), [int(network.predicted[case])]),
            percent(float(network.confidence[case])),
        ]
        for network in one.pair
        for case in confidently_wrong(cases.labels, network, SURE)
    ]
    columns = ["<implementation", "test case", "<is", "<said", "largest output"]
    note = f"At most {SURE} of each. Largest output: as a share of the sum of all. Cases are counted from 0."
    return make_table(f"Most confidently wrong: {one.title}", columns, rows, note)
