"""The slides of a run: the derivation, then the results. Pure functions of the records."""

import dataclasses
import datetime
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from backprop_bench.bench.compare import answer, setting, tables
from backprop_bench.bench.compare.headline import headline_charts
from backprop_bench.bench.core.records.plan import Description
from backprop_bench.bench.core.summary import QuestionSummary, Summary
from backprop_bench.bench.report import certainty
from backprop_bench.bench.report.chart import Chart
from backprop_bench.bench.report.findings import Findings
from backprop_bench.bench.report.numbers import clean, named, scientific
from backprop_bench.bench.report.table import Table, make_table
from backprop_bench.bench.scaling.analysis import Scaling
from backprop_bench.bench.scaling.view import scaling_sentences
from backprop_bench.bench.slides.deck import Block, Slide, Words, fitting
from backprop_bench.bench.slides.lesson import lesson_slides
from backprop_bench.bench.slides.pictures import chart_pictures, scaling_picture

TITLE = "Back-propagation from scratch and in PyTorch"
RESULT_COLUMNS = ("implementation", "test accuracy", "wall time per epoch", "faster than")
"""Beginnings of the names of the columns on a slide; the report has all columns."""
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
    "packages: numpy",
    "packages: torch",
    "checkout: commit",
)


@dataclass(frozen=True)
class Run:
    """A run of another command than ``compare``: its description and findings."""

    description: Description
    findings: Findings


@dataclass(frozen=True)
class Scale:
    """A run of ``scale``: its description, its axes, and sentences on what failed."""

    description: Description
    scalings: Sequence[Scaling]
    failures: Sequence[str] = ()


@dataclass(frozen=True)
class Runs:
    """A run of ``compare``, and the runs of other commands that have slides, too."""

    summary: Summary
    ladder: Run | None = None
    scale: Scale | None = None
    explain: Run | None = None


def make_slides(runs: Runs) -> list[Slide]:
    """Return the slides, in their order."""
    return [
        *_opening(runs.summary),
        *lesson_slides(),
        *_is_it_right(runs.summary),
        *_how_fast(runs.summary),
        *_ladder(runs),
        *_scale(runs),
        *_why(runs),
        *_failed(runs),
        *_where_measured(runs),
    ]


def created(summary: Summary) -> datetime.datetime:
    """Return when the run was begun."""
    return datetime.datetime.fromisoformat(summary.description.created)


def _opening(summary: Summary) -> Iterator[Slide]:
    words = [
        Words("Is it right? How fast is it, really? And why does the framework's version differ?", bold=True),
        *map(Words, answer.warnings(summary)),
        *map(Words, answer.answer(summary)),
    ]
    yield Slide(
        TITLE, words, _source(summary.description), ["These sentences are computed from the records of the run."]
    )
    yield Slide(
        "The question",
        [
            Words(
                "An article derives back-propagation for a network of one hidden layer of sigmoids, without biases. It "
                "writes the network from scratch and in PyTorch, and trains both on MNIST."
            ),
            Words(
                "It reports over a minute from scratch and under ten seconds in PyTorch; PyTorch is more accurate.",
                bold=True,
            ),
            Words("It suspects cross-entropy and mini-batches as the causes, and does not test them."),
            Words("1. Is it right? From the same weights and batches, both must compute the same numbers."),
            Words("2. How fast? Both train in alternating blocks; every ratio has a confidence interval."),
            Words("3. Why? Every combination of the factors that differ; their effects add up to the gap."),
        ],
        notes=["Ask before you go on: which of the two explanations is right, and how would you test it?"],
    )


def _is_it_right(summary: Summary) -> Iterator[Slide]:
    yield Slide(
        "Is it right?",
        [
            Words(
                "Same initial weights, same batches, same order: outputs, gradients and weights after many updates are "
                "compared number by number. The tolerances follow from rounding."
            ),
            Words(f"{answer.verification_sentence(summary)}.", bold=True),
            *_filled(largest_errors_table(summary)),
        ],
        _source(summary.description),
        [
            "The table has the largest error of every kind of check. The report has all of them.",
            "Nothing is timed before it is verified: the time of a wrong computation means nothing.",
        ],
    )


def largest_errors_table(summary: Summary) -> Table:
    """Return the largest error of every kind of check, relative to its tolerance."""
    checks = [check for question in summary.questions for check in question.verifications]
    kinds = dict.fromkeys((check.dtype, check.check) for check in checks)
    rows = []
    for dtype, name in sorted(kinds, key=lambda kind: kind[0], reverse=True):
        same = [check for check in checks if (check.dtype, check.check) == (dtype, name)]
        worst = max(same, key=lambda check: (not check.passed, answer.share_of_tolerance(check)))
        passed = f"{sum(check.passed for check in same)} of {len(same)}"
        rows.append(
            [
                dtype,
                name,
                passed,
                named(worst.implementation),
                scientific(worst.difference),
                scientific(worst.tolerance),
            ]
        )
    columns = ["<dtype", "<check", "<passed", "<implementation", "largest error", "tolerance"]
    return make_table("Verification", columns, rows)


def _how_fast(summary: Summary) -> Iterator[Slide]:
    for question, chart in zip(summary.questions, headline_charts(summary), strict=True):
        sure = certainty.stop_sentence(summary, question)
        test = certainty.self_test_sentence(question)
        results = tables.results_table(question)
        yield Slide(
            f"How fast? {clean(question.title)}",
            [Words(f"{answer.headline(question)}.", bold=True), *_charts(chart), *_filled(_results(results))],
            _source(summary.description),
            [results.note, sure, *([] if test is None else [test])],
        )
    yield Slide(
        "How precise is that?",
        [
            Words(
                "In every round each implementation trains one short block, in random order, so interference affects "
                "all of them. Brackets are 95 % confidence intervals over fresh processes."
            ),
            *(Words(text) for question in summary.questions for text in _how_sure(summary, question)),
        ],
        _source(summary.description),
        ["A ratio of two times from two separate runs is the usual mistake."],
    )


def _how_sure(summary: Summary, question: QuestionSummary) -> list[str]:
    test = certainty.self_test_sentence(question)
    sentences = [f"{clean(question.title)}: {certainty.stop_sentence(summary, question)}"]
    return sentences if test is None else [*sentences, test]


def _results(table: Table) -> Table:
    kept = [
        index
        for index, column in enumerate(table.columns)
        if any(column.name.startswith(name) for name in RESULT_COLUMNS)
    ]
    return dataclasses.replace(
        table,
        columns=tuple(table.columns[index] for index in kept),
        rows=tuple(tuple(row[index] for index in kept) for row in table.rows),
    )


def _ladder(runs: Runs) -> Iterator[Slide]:
    if (run := runs.ladder) is None:
        return
    source, notes = _source(run.description), _notes(run.findings)
    for chart in run.findings.charts:
        yield Slide("Speed-up of every stage", [Words(clean(chart.title)), *_charts(chart)], source, notes)
    sentences = fitting([Words(text) for text in run.findings.sentences])
    if sentences:
        yield Slide("Speed-up of every stage, in words", sentences, source, notes)


def _scale(runs: Runs) -> Iterator[Slide]:
    if (run := runs.scale) is None:
        return
    for scaling in _shown_scalings(run.scalings):
        sentences = scaling_sentences([scaling])
        yield Slide(
            f"How does time grow? Along {clean(scaling.counted)}",
            fitting([scaling_picture(scaling), *map(Words, sentences)]),
            _source(run.description),
            sentences,
        )


def _shown_scalings(scalings: Sequence[Scaling]) -> list[Scaling]:
    """Return the first axis, and the others along which two curves cross."""
    drawn = [scaling for scaling in scalings if any(curve.points for curve in scaling.curves)]
    return [scaling for index, scaling in enumerate(drawn) if not index or scaling.crossovers]


def _why(runs: Runs) -> Iterator[Slide]:
    recipes = setting.recipes_table(runs.summary)
    differing = setting.differing_fields(list(setting.recipes_of(runs.summary).values()))
    rows = tuple(row for row in recipes.rows if row[0] in differing)
    if rows:
        table = dataclasses.replace(recipes, rows=rows)
        yield Slide(
            "Why? The recipes differ in several fields at once",
            [table],
            _source(runs.summary.description),
            [recipes.note],
        )
    if (run := runs.explain) is None:
        yield Slide(
            "Why? Not yet known",
            [
                Words(
                    "This run compares implementations as they are. It does not change one factor at a time, so it "
                    "cannot attribute a difference to a single cause."
                ),
                Words("The command backprop-bench explain does; its run fills these slides."),
            ],
            _source(runs.summary.description),
        )
        return
    for part in run.findings.parts:  # their first sentences are about their charts, in the same order
        for chart, text in zip_longest(part.charts, part.sentences[: len(part.charts)], fillvalue=None):
            pictures = [] if chart is None else chart_pictures(chart)
            heading = "Why?" if chart is None else f"Why? {clean(chart.title)}"
            blocks: list[Block] = [*pictures, *([] if text is None else [Words(text)])]
            yield Slide(heading, blocks, _source(run.description), [*part.sentences, *_table_notes(part.tables)])


def _failed(runs: Runs) -> Iterator[Slide]:
    """Yield the failures of the other runs; those of the run itself are on the first slide."""
    failures = [(run.description, run.findings.failures) for run in (runs.ladder, runs.explain) if run is not None]
    failures += [] if runs.scale is None else [(runs.scale.description, runs.scale.failures)]
    for description, sentences in failures:
        if sentences:
            yield Slide("What failed", list(map(Words, sentences)), _source(description))


def _where_measured(runs: Runs) -> Iterator[Slide]:
    table = setting.environment_table(runs.summary)
    rows = tuple(row for row in table.rows if row[0] in ENVIRONMENT)
    yield Slide(
        "Environment",
        [dataclasses.replace(table, rows=rows)],
        _source(runs.summary.description),
        ["The numbers hold for this machine and these versions."],
    )
    beside = [run.description for run in (runs.ladder, runs.scale, runs.explain) if run is not None]
    yield Slide(
        "Run it yourself",
        [
            Words("The numbers hold for one machine and one set of versions. On yours:"),
            *(Words(clean(description.command), bold=True) for description in [runs.summary.description, *beside]),
            Words("To check a network of your own:"),
            Words("backprop-bench parity path/to/file.py:ClassName", bold=True),
        ],
        notes=["docs/notebook.ipynb has the derivation with questions for a class."],
    )


def _charts(chart: Chart) -> list[Block]:
    return list(chart_pictures(chart)) if chart.values else []


def _filled(*all_tables: Table) -> list[Table]:
    return [table for table in all_tables if table.rows]


def _notes(findings: Findings) -> list[str]:
    return [*findings.sentences, *_table_notes(findings.tables)]


def _table_notes(all_tables: Iterable[Table]) -> list[str]:
    return [f"{table.title}: {table.note}" for table in all_tables if table.note]


def _source(description: Description) -> str:
    """Return the run that the numbers of a slide come from."""
    command = description.command.split()
    model = description.environment.get("cpu", {}).get("model")
    words = [" ".join(command[:2]), description.created[:10], *([clean(model)] if model else [])]
    return " · ".join(words)
