"""The report of a run: figures, ``report.md``, and ``report.html`` that needs nothing beside itself."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from backprop_bench.bench.compare import accuracy_causes, answer, setting, tables, verdicts
from backprop_bench.bench.compare.figures import draw_all, draw_translated, left_out
from backprop_bench.bench.compare.own import step_table
from backprop_bench.bench.compare.steps import AS_PUBLISHED
from backprop_bench.bench.core.records.files import write_whole
from backprop_bench.bench.core.records.kinds import AnyRecord, TimedWork, Verification, kind_of
from backprop_bench.bench.core.summary import QuestionSummary, Summary
from backprop_bench.bench.predictions import view as predictions
from backprop_bench.bench.report import certainty
from backprop_bench.bench.report.blocks import Block, Code, Judged, Linked, Listed, Report, Section, Shown
from backprop_bench.bench.report.drawing import FIGURES_FOLDER, FigureFile
from backprop_bench.bench.report.evidence import source_description, source_records
from backprop_bench.bench.report.language import _, speaking
from backprop_bench.bench.report.markdown import to_markdown_page
from backprop_bench.bench.report.numbers import NBSP, clean, listing, paragraph
from backprop_bench.bench.report.other_runs import OtherRun, other_run_blocks
from backprop_bench.bench.report.page import to_html_page
from backprop_bench.bench.report.panel import make_panel
from backprop_bench.bench.report.table import Table

KINDS = {
    "overview": ("epoch", "block"),
    "accuracy-over-time": ("epoch", "block"),
    "epoch-times": ("block",),
    "time-causes": ("block",),
    "accuracy-causes": ("epoch",),
    "checks": (kind_of(Verification), kind_of(TimedWork)),
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
    micro
        Address of the results of pytest-benchmark, from the folder of the report; ``None`` without any.
    """

    summary: Summary
    rows: Sequence[AnyRecord] = ()
    further: Sequence[OtherRun] = ()
    micro: str | None = None


Figures = Mapping[str, FigureFile]


def write_report(material: Material, folder: Path, first: str = "en") -> list[Path]:
    """Write the figures and the report of a run, each file whole or not at all.

    Parameters
    ----------
    material
        What is shown. The same gives the same bytes.
    folder
        Where ``report.md``, ``report.html`` and the folder of the figures go; made where there is none.
    first
        The language that the page shows until another one is chosen.

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
    translated, drawn = _translated(material, figures, folder, "zh")
    reports = {"en": report, "zh": translated}
    files = [path for figure in (*figures.values(), *drawn) for path in (figure.png, figure.svg, figure.narrow)]
    return [
        write_whole(folder / "report.html", to_html_page(reports, first).encode()),
        write_whole(folder / "report.md", to_markdown_page(report).encode()),
        *dict.fromkeys(path for path in files if path is not None),
    ]


def make_report(material: Material, figures: Figures) -> Report:
    """Put the report together from what it is made from and the figures that were drawn."""
    return dataclasses.replace(_main_part(material, figures), appendix=_made(APPENDIX, material, figures))


def _translated(
    material: Material, figures: Figures, folder: Path, language: str
) -> tuple[Report, Sequence[FigureFile]]:
    """Return the main part in another language, and its figures, which are written."""
    with speaking(language):
        drawn = draw_translated(material.summary, folder / FIGURES_FOLDER, figures)
        return _main_part(material, {figure.name: figure for figure in drawn}), drawn


def _main_part(material: Material, figures: Figures) -> Report:
    return Report(
        title=_("Back-propagation from scratch and in PyTorch: is it right, how fast is it, and why?"),
        warnings=tuple(answer.warnings(material.summary)),
        lead=tuple(verdicts.lead(material.summary)),
        sections=_made(MAIN, material, figures),
    )


def _made(makers: Sequence["Maker"], material: Material, figures: Figures) -> tuple[Section, ...]:
    return tuple(section for make in makers if (section := make(material, figures)).blocks)


def _overview(material: Material, figures: Figures) -> Section:
    with speaking("en"):  # tables are in English
        failed = _sourced(material, tables.failures_table(material.summary), ("failure", "epoch"))
    trained = answer.trained_sentence(material.summary)
    measured = paragraph(
        filter(None, (answer.data_sentence(material.summary), answer.measured_sentence(material.summary), trained))
    )
    return Section("", (*_main_figure(material, figures, "overview"), measured, *failed))


def _article(material: Material, _figures: Figures) -> Section:
    items = tuple((one.claim, one.holds, one.measured) for one in verdicts.verdicts(material.summary))
    return Section(_("What the article says, and what holds"), (Judged(items),) if items else ())


def _accuracy_over_time(material: Material, figures: Figures) -> Section:
    return Section(_("How accurate, after how long?"), tuple(_main_figure(material, figures, "accuracy-over-time")))


def _epoch_times(material: Material, figures: Figures) -> Section:
    return Section(_("How fast, with the same recipe?"), tuple(_main_figure(material, figures, "epoch-times")))


def _time_causes(material: Material, figures: Figures) -> Section:
    return Section(_("Why the times differ"), tuple(_main_figure(material, figures, "time-causes")))


def _accuracy_causes(material: Material, figures: Figures) -> Section:
    question = verdicts.question_named(material.summary, AS_PUBLISHED)
    each = () if question is None else tuple(accuracy_causes.sentences(question))
    listed = [Listed(each)] if each else []
    figure = _main_figure(material, figures, "accuracy-causes")
    return Section(_("Why the accuracies differ"), (*figure, *listed))


def _checks(material: Material, figures: Figures) -> Section:
    return Section(_("Is it right?"), tuple(_main_figure(material, figures, "checks")))


def _digit(material: Material, _figures: Figures) -> Section:
    outcomes = material.summary.outcomes
    if outcomes is None:
        return Section("", ())
    titles = {question.name: answer.question_title(question) for question in material.summary.questions}
    pairs = [network for item in predictions.shown(material.summary) for network in item.pair]
    return Section(_("Draw a digit"), (make_panel(pairs, outcomes.examples, titles),))


def _verification(material: Material, _figures: Figures) -> Section:
    sentences = (
        f"{answer.verification_sentence(material.summary)}. A check compares two implementations from the same weights "
        "and batches; it passes where the largest error is within its tolerance, which follows from rounding."
    )
    checks = _sourced(material, tables.verification_table(material.summary), (kind_of(Verification),))
    work, of_work = answer.work_sentence(material.summary), tables.timed_work_table(material.summary)
    again = [] if work is None else [f"{work}.", *_sourced(material, of_work, (kind_of(TimedWork),))]
    return Section(_("Verification, check by check"), (sentences, *checks, *again, *_beside(material, "right")))


def _times(material: Material, figures: Figures) -> Section:
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
    if material.micro is not None:
        blocks.append(Linked("The parts of a training step, by pytest-benchmark:", material.micro))
    return Section(_("Times and accuracies"), (*blocks, *_beside(material, "fast")))


TIME_TABLES: tuple[tuple[Callable[[QuestionSummary], Table], tuple[str, ...]], ...] = (
    (tables.results_table, ("epoch", "block")),
    (tables.ratios_table, ("block",)),
    (tables.separate_table, ("start", "end", "block")),
    (tables.work_table, ("block",)),
    (step_table, ("step_work",)),
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
    outcomes = material.summary.outcomes
    if outcomes is None:
        return Section(_("What do they get wrong?"), ())
    blocks: list[Block] = [*map(clean, outcomes.notes), *predictions.prediction_sentences(material.summary)]
    if outcomes.networks:
        names = ("hidden-units",) if outcomes.examples is None else (*PREDICTION_FIGURES, "hidden-units")
        blocks += [block for name in names for block in _figure(material, figures, name)]
    for table in predictions.prediction_tables(material.summary):
        blocks += _sourced(material, table, ("trained",))
    return Section(_("What do they get wrong?"), tuple(blocks))


def _why(material: Material, _figures: Figures) -> Section:
    table = _described(setting.recipes_table(material.summary), "plan")
    return Section(_("Recipes and causes"), (*table, *_beside(material, "why")))


def _published(material: Material, _figures: Figures) -> Section:
    return Section(_("Replication of published results"), tuple(_beside(material, "published")))


def _where_measured(material: Material, _figures: Figures) -> Section:
    command = clean(material.summary.description.command)
    return Section(
        _("Environment and interference"),
        (
            *_described(setting.environment_table(material.summary), "environment"),
            *_sourced(material, tables.interference_table(material.summary), ("block",)),
            *_beside(material, "noise"),
            "The numbers hold for this machine and these versions. To measure on yours:",
            Code(command),
        ),
    )


Maker = Callable[[Material, Figures], Section]
MAIN: tuple[Maker, ...] = (
    _overview,
    _article,
    _accuracy_over_time,
    _epoch_times,
    _time_causes,
    _accuracy_causes,
    _checks,
    _digit,
)
"""What one sees, in its order."""
APPENDIX: tuple[Maker, ...] = (_verification, _times, _predictions, _why, _published, _where_measured)
"""What opens on demand."""


def _main_figure(material: Material, figures: Figures, name: str) -> list[Block]:
    """Return a figure with its source; nothing where it is missing for there was nothing to be in it."""
    if name in figures:
        return [Shown(figures[name], source_records(material.rows, KINDS[name]))]
    reason = left_out(material.summary)[name]
    return [] if name != "overview" else [_("The overview is left out: {reason}.").format(reason=reason)]


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
