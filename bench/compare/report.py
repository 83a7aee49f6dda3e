"""The report of a run: figures, ``report.md``, and ``report.html`` that needs nothing beside itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from backprop_bench.bench.compare import answer, setting, tables
from backprop_bench.bench.compare.figures import draw_all, left_out
from backprop_bench.bench.core.records.files import write_whole
from backprop_bench.bench.core.records.kinds import AnyRecord, TimedWork, Verification, kind_of
from backprop_bench.bench.core.summary import QuestionSummary, Summary
from backprop_bench.bench.predictions import view as predictions
from backprop_bench.bench.report import certainty
from backprop_bench.bench.report.blocks import Block, Code, Report, Section, Shown
from backprop_bench.bench.report.drawing import FIGURES_FOLDER, FigureFile
from backprop_bench.bench.report.evidence import source_description, source_records
from backprop_bench.bench.report.markdown import to_markdown_page
from backprop_bench.bench.report.numbers import NBSP, clean, count, listing
from backprop_bench.bench.report.other_runs import OtherRun, other_run_blocks
from backprop_bench.bench.report.page import to_html_page
from backprop_bench.bench.report.panel import make_panel
from backprop_bench.bench.report.table import Table

KINDS = {
    "headline": ("epoch", "block"),
    "ratios": ("block",),
    "learning-curves": ("epoch", "block"),
    "step-parts": ("part",),
    "confusion": ("trained",),
    "disagreements": ("trained",),
    "most-confident-errors": ("trained",),
    "hidden-units": ("trained",),
}
"""By figure, the kinds of its source records."""


@dataclass(frozen=True)
class Material:
    """What a report is made from.

    Attributes
    ----------
    rows
        Of the run, from which `summary` was computed.
    further
        Runs that are shown beside this one.
    """

    summary: Summary
    rows: Sequence[AnyRecord] = ()
    further: Sequence[OtherRun] = ()


Figures = Mapping[str, FigureFile]


def write_report(material: Material, folder: Path) -> list[Path]:
    """Write the figures and the report of a run, each file whole or not at all.

    Parameters
    ----------
    material
        What is shown. The same gives the same bytes.
    folder
        Where ``report.md``, ``report.html`` and the folder of the figures go; made where there is none.

    Returns
    -------
    list[Path]
        The files written, ``report.html`` first.

    Raises
    ------
    InputError
        When a file cannot be written.
    """
    figures = {figure.name: figure for figure in draw_all(material.summary, folder / FIGURES_FOLDER)}
    report = make_report(material, figures)
    return [
        write_whole(folder / "report.html", to_html_page(report).encode()),
        write_whole(folder / "report.md", to_markdown_page(report).encode()),
        *(path for figure in figures.values() for path in (figure.png, figure.svg)),
    ]


def make_report(material: Material, figures: Figures) -> Report:
    """Put the report together from what it is made from and the figures that were drawn."""
    sections = [make(material, figures) for make in SECTIONS]
    return Report(
        title="Back-propagation from scratch and in PyTorch: is it right, how fast is it, and why?",
        warnings=tuple(answer.warnings(material.summary)),
        lead=answer.lead(material.summary),
        answer=tuple(answer.answer(material.summary)),
        sections=tuple(section for section in sections if section.blocks),
    )


def _overview(material: Material, figures: Figures) -> Section:
    failed = _sourced(material, tables.failures_table(material.summary), ("failure", "epoch"))
    return Section("", (*_figure(material, figures, "headline"), *failed))


def _is_it_right(material: Material, _figures: Figures) -> Section:
    sentences = (
        f"{answer.verification_sentence(material.summary)}. A check compares two implementations from the same weights "
        "and batches; it passes where the largest error is within its tolerance, which follows from rounding."
    )
    checks = _sourced(material, tables.verification_table(material.summary), (kind_of(Verification),))
    work, of_work = answer.work_sentence(material.summary), tables.timed_work_table(material.summary)
    again = [] if work is None else [f"{work}.", *_sourced(material, of_work, (kind_of(TimedWork),))]
    return Section("Is it right?", (sentences, *checks, *again, *_beside(material, "right")))


def _how_fast(material: Material, figures: Figures) -> Section:
    summary = material.summary
    blocks: list[Block] = [_how_timed(summary)]
    missing = certainty.self_test_missing(summary)
    blocks += [] if missing is None else [missing]
    blocks += _figure(material, figures, "ratios")
    for question in summary.questions:
        blocks.append(_how_sure(summary, question))
        for make, kinds in TIME_TABLES:
            blocks += _sourced(material, make(question), kinds, question)
    blocks += _figure(material, figures, "learning-curves") + _figure(material, figures, "step-parts")
    for question in summary.questions:
        blocks += _sourced(material, tables.curves_table(question), ("epoch",), question)
        blocks += _sourced(material, tables.parts_table(question), ("part",), question)
    return Section("How fast?", (*blocks, *_beside(material, "fast")))


TIME_TABLES: tuple[tuple[Callable[[QuestionSummary], Table], tuple[str, ...]], ...] = (
    (tables.results_table, ("epoch", "block")),
    (tables.ratios_table, ("block",)),
    (tables.separate_table, ("start", "end", "block")),
    (tables.work_table, ("block",)),
)
"""The tables of a question's times, and the kinds of their source records."""


def _how_timed(summary: Summary) -> str:
    planned = {certainty.timing_of(summary, question).block_s for question in summary.questions}
    lengths = [f"{1000 * block_s:g}{NBSP}ms" for block_s in sorted(planned)]
    return (
        "Accuracy comes from trainings that are not timed. A process replicate is one fresh process for each "
        f"implementation. In every round each of them trains one block of about {listing(lengths)}, or one batch where "
        "that takes longer, after a warm-up. The order is balanced and random, so interference affects all of them. "
        "The 10th-percentile block time of a replicate counts, because interference only makes blocks longer. "
        "Estimates are geometric means over replicates, with 95 % confidence intervals."
    )


def _how_sure(summary: Summary, question: QuestionSummary) -> str:
    sentence = f"{clean(question.title)}: {certainty.stop_sentence(summary, question)}"
    test = certainty.self_test_sentence(question)
    return sentence if test is None else f"{sentence} {test}"


PREDICTION_FIGURES = ("confusion", "disagreements", "most-confident-errors")
"""Figures for which the test examples are needed."""


def _predictions(material: Material, figures: Figures) -> Section:
    heading = "What do they get wrong?"
    outcomes = material.summary.outcomes
    if outcomes is None:
        return Section(heading, (make_panel(()),))
    blocks: list[Block] = [*map(clean, outcomes.notes), *predictions.prediction_sentences(material.summary)]
    if outcomes.networks:
        names = ("hidden-units",) if outcomes.examples is None else (*PREDICTION_FIGURES, "hidden-units")
        blocks += [block for name in names for block in _figure(material, figures, name)]
    for table in predictions.prediction_tables(material.summary):
        blocks += _sourced(material, table, ("trained",))
    titles = {question.name: question.title for question in material.summary.questions}
    pairs = [network for item in predictions.shown(material.summary) for network in item.pair]
    return Section(heading, (*blocks, make_panel(pairs, outcomes.examples, titles)))


def _why(material: Material, _figures: Figures) -> Section:
    summary = material.summary
    explained = _beside(material, "why")
    blocks: list[Block] = [
        "This run compares implementations as they are. It does not change one factor at a time, so it cannot "
        "attribute a difference to a single cause."
        + (" The runs below do." if explained else " The command “backprop-bench explain” does.")
    ]
    recipes = setting.recipes_of(summary)
    used = {question.name: _recipes_used(question) for question in summary.questions}
    for question in summary.questions:
        fields = setting.differing_fields([recipes[name] for name in used[question.name] if name in recipes])
        if fields:
            blocks.append(
                f"{clean(question.title)}: the recipes differ in {count(len(fields), 'field')} ({listing(fields)}), so "
                "differences in accuracy and time have other causes than the implementation, too."
            )
    blocks += _described(setting.recipes_table(summary), "plan")
    return Section("Why?", (*blocks, *explained))


def _recipes_used(question: QuestionSummary) -> list[str]:
    return list(dict.fromkeys(performance.recipe for performance in question.performances))


def _published(material: Material, _figures: Figures) -> Section:
    return Section("Replication of published results", tuple(_beside(material, "published")))


def _where_measured(material: Material, _figures: Figures) -> Section:
    command = clean(material.summary.description.command)
    return Section(
        "Environment and interference",
        (
            *_described(setting.environment_table(material.summary), "environment"),
            *_sourced(material, tables.interference_table(material.summary), ("block",)),
            *_beside(material, "noise"),
            "The numbers hold for this machine and these versions. To measure on yours:",
            Code(command),
        ),
    )


SECTIONS: tuple[Callable[[Material, Figures], Section], ...] = (
    _overview,
    _is_it_right,
    _how_fast,
    _predictions,
    _why,
    _published,
    _where_measured,
)
"""The sections of a report, in their order."""


def _figure(material: Material, figures: Figures, name: str) -> list[Block]:
    """Return a figure with its source, or why it is missing."""
    if name in figures:
        return [Shown(figures[name], source_records(material.rows, KINDS[name]))]
    return [f"The figure {name} is left out: {left_out(material.summary)[name]}."]


def _sourced(
    material: Material, table: Table, kinds: Sequence[str], question: QuestionSummary | None = None
) -> list[Block]:
    """Return a table with its source; nothing of an empty one."""
    name = None if question is None else question.name
    return [Shown(table, source_records(material.rows, kinds, name))] if table.rows else []


def _described(table: Table, key: str) -> list[Block]:
    """Return a table with its source in the description of the run; nothing of an empty one."""
    return [Shown(table, source_description(key))] if table.rows else []


def _beside(material: Material, place: str) -> list[Block]:
    return other_run_blocks(material.further, place, material.summary.description)
