"""The slides of a run: the derivation, then what the run and those beside it say. Pure functions of the records."""

import dataclasses
import datetime
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from bench.compute.scaling import Scaling
from bench.compute.summary import QuestionSummary, Summary
from bench.show import certainty, claims, equations, setting, tables
from bench.show.chart import Chart
from bench.show.deck import Beside, Block, Slide, Words
from bench.show.equations import Equation
from bench.show.findings import Findings
from bench.show.headline import headline_charts
from bench.show.numbers import clean, named, scientific
from bench.show.scaling import scaling_sentences
from bench.show.slide_pictures import chart_pictures, equation_picture, network_picture, scaling_picture
from bench.show.table import Table, make_table

TITLE = "Back-propagation by hand and in PyTorch"
DERIVATION = "Equations as numbered in docs/derivation.md; (1) to (9) are those of the paper of 1986"
RESULT_COLUMNS = ("implementation", "test accuracy", "wall time per epoch", "ratio to")
"""Beginnings of the columns of the results for which a slide has room; all are in the report."""
ENVIRONMENT = (
    "suite version",
    "profile",
    "created",
    "dataset",
    "threads",
    "cores of the workers",
    "cpu: model",
    "memory",
    "operating system",
    "python",
)


@dataclass(frozen=True)
class Run:
    """A run of another command than ``compare``: its description and what it says."""

    description: Mapping[str, Any]
    findings: Findings


@dataclass(frozen=True)
class Runs:
    """What slides are made of.

    Attributes
    ----------
    summary
        Of the run of ``compare``.
    beside
        Runs beside it, by command.
    scalings
        The axes of the run of ``scale`` beside it.
    """

    summary: Summary
    beside: Mapping[str, Run] = field(default_factory=dict)
    scalings: Sequence[Scaling] = ()


def make_slides(runs: Runs) -> list[Slide]:
    """Return the slides, in their order."""
    return [
        *_opening(runs.summary),
        *_derivation(),
        *_is_it_right(runs.summary),
        *_how_fast(runs.summary),
        *_ladder(runs),
        *_scale(runs),
        *_why(runs),
        *_where_measured(runs),
    ]


def created(summary: Summary) -> datetime.datetime:
    """Return when the run was begun."""
    return datetime.datetime.fromisoformat(summary.description["created"])


def _opening(summary: Summary) -> Iterator[Slide]:
    words = [
        Words("Is it right? How fast is it, really? And why does the framework's version differ?", bold=True),
        *map(Words, claims.warnings(summary)),
        *map(Words, claims.answer(summary)),
    ]
    yield Slide(TITLE, words, _source(summary.description), ["These sentences are made from the records of the run."])
    yield Slide(
        "The question",
        [
            Words(
                "An article derives back-propagation for a network of one hidden layer of sigmoids, without biases. It "
                "writes the network by hand, and again in PyTorch, and trains both on MNIST."
            ),
            Words("It reports: by hand over a minute, PyTorch under ten seconds; and PyTorch is more accurate."),
            Words(
                "Perhaps because of cross-entropy, it says, and because of mini-batches: the network by hand learns from "
                "the squared error. But two programs that differ in many ways at once cannot say which way matters."
            ),
            Words("1. Is it right? From the same weights and the same batches, both must compute the same numbers."),
            Words("2. How fast? Measured in pairs, one right after the other, again and again, with an interval."),
            Words("3. Why? One factor changed at a time, in all combinations, so that the parts add up to the whole."),
        ],
        notes=["Ask before you go on: which of the two explanations would you have believed, and how would you test it?"],
    )


def _derivation() -> Iterator[Slide]:
    yield _equations(
        "A network, and its loss",
        [
            (equations.SUM, "What a unit is fed: a weighted sum, and a bias"),
            (equations.SIGMOID, "What it passes on: the sigmoid of it"),
            (equations.SQUARED_ERROR, "The loss: how far outputs o are from targets t"),
        ],
        first=[network_picture()],
        notes=["The factor one half only cancels the 2 of the derivative."],
    )
    yield _equations(
        "Backward: the output layer",
        [
            (equations.CHAIN, "A weight acts on z, z on o, o on E: three factors"),
            (equations.ERROR, "First factor: the error"),
            (equations.SLOPE, "Second: the slope of the sigmoid, from the activation itself"),
            (equations.WEIGHT, "Third: what the weight was multiplied by"),
        ],
        notes=["Who writes target minus output needs a second minus: dropping one of the two climbs uphill."],
    )
    yield _equations(
        "Backward: the hidden layer",
        [
            (equations.BACK, "A hidden unit acts on E through all outputs: the ways add up"),
            (equations.SLOPE, "Then as before, with j for k: the slope"),
            (equations.WEIGHT, "and the weight, with the input x for y"),
            (equations.DESCENT, "Downhill by a small step, all weights at once"),
        ],
        notes=["The article looks at one output at a time. The sum over k in (7) is what it leaves to the reader."],
    )
    yield _equations(
        "Many cases at once: matrices",
        [
            (equations.FORWARD_BATCH, "One row per case: a product is a set of sums"),
            (equations.BACK_BATCH, "Backward with the same weights, transposed"),
            (equations.WEIGHT_BATCH, "This product adds up the gradients of the cases"),
            (equations.MEAN, "A mean over N cases has a gradient N times smaller than the sum"),
        ],
        notes=["A learning rate for a sum must be N times larger for a mean. Many replications fail here."],
    )
    yield _equations(
        "What PyTorch's network has instead",
        [
            (equations.SOFTMAX, "Softmax: outputs that add up to 1"),
            (equations.CROSS_ENTROPY, "Cross-entropy: how improbable the right class was"),
            (equations.LOGIT, "Together: no slope is left that could stop learning"),
        ],
        notes=["In (5) the factor o (1 - o) is nearly 0 for a unit that is surely wrong. In (16) it is gone."],
    )


def _equations(
    title: str, rows: Sequence[tuple[Equation, str]], first: Sequence[Block] = (), notes: Sequence[str] = ()
) -> Slide:
    """Return a slide of equations, each with its number and what it says to the right of it."""
    beside = [Beside(equation_picture(equation), f"{equation.label} {words}".strip()) for equation, words in rows]
    return Slide(title, [*first, *beside], DERIVATION, [*notes, *(equation.alt for equation, _ in rows)])


def _is_it_right(summary: Summary) -> Iterator[Slide]:
    yield Slide(
        "Is it right?",
        [
            Words(
                "Same initial weights, same batches, same order: outputs, gradients and weights after many steps are "
                "compared number by number. The bounds follow from rounding, not from what was found."
            ),
            Words(f"{claims.parity_sentence(summary)}.", bold=True),
            *_filled(nearest_table(summary)),
        ],
        _source(summary.description),
        [
            "Of every kind of check the table has the one that comes nearest to its bound. All checks are in the report.",
            "Nothing is timed before this holds: the time of a wrong computation is no time to compare.",
        ],
    )


def nearest_table(summary: Summary) -> Table:
    """Return, of every kind of parity check, the one that comes nearest to its bound."""
    checks = [check for question in summary.questions for check in question.parity]
    kinds = dict.fromkeys((check.dtype, check.check) for check in checks)
    rows = []
    for dtype, name in sorted(kinds, key=lambda kind: kind[0], reverse=True):
        same = [check for check in checks if (check.dtype, check.check) == (dtype, name)]
        worst = max(same, key=lambda check: (not check.passed, claims.share_of_bound(check)))
        passed = f"{sum(check.passed for check in same)} of {len(same)}"
        rows.append(
            [dtype, name, passed, named(worst.implementation), scientific(worst.difference), scientific(worst.bound)]
        )
    columns = ["<precision", "<what is compared", "passed", "<nearest to its bound", "difference", "bound"]
    return make_table("Parity proof", columns, rows)


def _how_fast(summary: Summary) -> Iterator[Slide]:
    for question, chart in zip(summary.questions, headline_charts(summary), strict=True):
        sure = certainty.stop_sentence(summary, question)
        test = certainty.self_test_sentence(question)
        results = tables.results_table(question)
        yield Slide(
            f"How fast? {clean(question.title)}",
            [Words(f"{claims.headline(question)}.", bold=True), *_charts(chart), *_filled(_results(results))],
            _source(summary.description),
            [results.note, sure, *([] if test is None else [test])],
        )
    yield Slide(
        "How sure is that?",
        [
            Words(
                "In every round each of them trains one short block, in random order: what slows the machine down slows "
                "all of them. Brackets are 95 % intervals over fresh processes."
            ),
            *(Words(text) for question in summary.questions for text in _how_sure(summary, question)),
        ],
        _source(summary.description),
        ["Two times from two separate runs, divided by each other, are the usual way to a wrong ratio."],
    )


def _how_sure(summary: Summary, question: QuestionSummary) -> list[str]:
    test = certainty.self_test_sentence(question)
    said = [f"{clean(question.title)}: {certainty.stop_sentence(summary, question)}"]
    return said if test is None else [*said, test]


def _results(table: Table) -> Table:
    kept = [
        index for index, column in enumerate(table.columns) if any(column.name.startswith(name) for name in RESULT_COLUMNS)
    ]
    return dataclasses.replace(
        table,
        columns=tuple(table.columns[index] for index in kept),
        rows=tuple(tuple(row[index] for index in kept) for row in table.rows),
    )


def _ladder(runs: Runs) -> Iterator[Slide]:
    if (run := runs.beside.get("ladder")) is None:
        return
    said = [*run.findings.failures, *run.findings.sentences]
    yield from _charted("What is each idea worth?", run, run.findings.charts)
    yield Slide("The ladder in words", [Words(text) for text in said], _source(run.description), _notes(run.findings))


def _charted(title: str, run: Run, charts: Iterable[Chart]) -> Iterator[Slide]:
    for chart in charts:
        pictures = chart_pictures(chart)
        for picture in pictures:
            yield Slide(
                title, [Words(clean(chart.title), bold=True), picture], _source(run.description), _notes(run.findings)
            )


def _scale(runs: Runs) -> Iterator[Slide]:
    if (run := runs.beside.get("scale")) is None:
        return
    for scaling in _shown_scalings(runs.scalings):
        said = scaling_sentences([scaling])
        yield Slide(
            f"How does time grow? Along {clean(scaling.counted)}",
            [scaling_picture(scaling), *map(Words, said[:2])],
            _source(run.description),
            said,
        )


def _shown_scalings(scalings: Sequence[Scaling]) -> list[Scaling]:
    """Return the first axis, and the others along which somebody overtakes somebody."""
    drawn = [scaling for scaling in scalings if any(curve.points for curve in scaling.curves)]
    return [scaling for index, scaling in enumerate(drawn) if not index or scaling.crossings]


def _why(runs: Runs) -> Iterator[Slide]:
    recipes = setting.recipes_table(runs.summary)
    differing = setting.differing_fields(list(setting.recipes_of(runs.summary).values()))
    rows = tuple(row for row in recipes.rows if row[0] in differing)
    if rows:
        table = dataclasses.replace(recipes, rows=rows)
        yield Slide("Why? What differs at once", [table], _source(runs.summary.description), [recipes.note])
    if (run := runs.beside.get("explain")) is None:
        yield Slide(
            "Why? Not yet known",
            [
                Words(
                    "This run compares implementations as they are. It did not change one factor at a time, so it does "
                    "not say how much any single cause accounts for."
                ),
                Words("backprop-bench explain does; its run beside this one fills these slides."),
            ],
            _source(runs.summary.description),
        )
        return
    for part in run.findings.parts:
        for chart, text in zip_longest(part.charts, part.sentences[: len(part.charts)], fillvalue=None):
            pictures = [] if chart is None else chart_pictures(chart)
            heading = "Why?" if chart is None else f"Why? {clean(chart.title)}"
            blocks = [*pictures, *([] if text is None else [Words(text)])]
            yield Slide(heading, blocks, _source(run.description), [*part.sentences, *_table_notes(part.tables)])


def _where_measured(runs: Runs) -> Iterator[Slide]:
    table = setting.environment_table(runs.summary)
    rows = tuple(row for row in table.rows if row[0] in ENVIRONMENT or row[0].startswith("packages: "))
    yield Slide(
        "Where it was measured",
        [dataclasses.replace(table, rows=rows)],
        _source(runs.summary.description),
        ["The numbers hold for this machine and these versions."],
    )
    commands = [runs.summary.description, *(run.description for run in runs.beside.values())]
    yield Slide(
        "Measure it yourself",
        [
            Words("The numbers hold for one machine and one set of versions. On yours:"),
            *(Words(clean(description["command"]), bold=True) for description in commands),
            Words("And a network of your own, to see whether it is right, and where it goes wrong if not:"),
            Words("backprop-bench parity path/to/file.py:ClassName", bold=True),
        ],
        notes=["docs/notebook.ipynb does the derivation by hand, with questions for a class."],
    )


def _charts(chart: Chart) -> list[Block]:
    return list(chart_pictures(chart)) if chart.values else []


def _filled(*found: Table) -> list[Table]:
    return [table for table in found if table.rows]


def _notes(findings: Findings) -> list[str]:
    return [*findings.sentences, *_table_notes(findings.tables)]


def _table_notes(found: Iterable[Table]) -> list[str]:
    return [f"{table.title}: {table.note}" for table in found if table.note]


def _source(description: Mapping[str, Any]) -> str:
    """Return which run the numbers of a slide are of."""
    command = description["command"].split()
    model = description.get("environment", {}).get("cpu", {}).get("model")
    words = [" ".join(command[:2]), description["created"][:10], *([clean(model)] if model else [])]
    return " · ".join(words)
