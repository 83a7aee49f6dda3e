"""The report of a run: figures, ``report.md``, and ``report.html`` that needs nothing beside itself."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from bench.compute.summary import QuestionSummary, Summary
from bench.show import certainty, claims, outcomes, setting, tables
from bench.show.drawing import FigureFile
from bench.show.figures import draw_all, left_out
from bench.show.files import write_whole
from bench.show.numbers import NBSP, clean, count, listing
from bench.show.table import TEMPLATES, Table, escape_markdown, to_html, to_markdown
from data import InputError

FIGURES_FOLDER = "figures"


@dataclass(frozen=True)
class Code:
    """A command to copy."""

    text: str


Block = str | Code | Table | FigureFile
"""What a section is made of; text is a paragraph."""


@dataclass(frozen=True)
class Section:
    """Blocks under a heading."""

    heading: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Report:
    """A report before it is written in any language."""

    title: str
    warnings: tuple[str, ...]
    answer: tuple[str, ...]
    sections: tuple[Section, ...]


Figures = Mapping[str, FigureFile]


def write_report(summary: Summary, folder: Path) -> list[Path]:
    """Write the figures and the report of a run, each file whole or not at all.

    Parameters
    ----------
    summary
        What is shown. The same summary gives the same bytes.
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
    figures = {figure.name: figure for figure in draw_all(summary, folder / FIGURES_FOLDER)}
    report = make_report(summary, figures)
    return [
        write_whole(folder / "report.html", to_html_page(report).encode()),
        write_whole(folder / "report.md", to_markdown_page(report).encode()),
        *(path for figure in figures.values() for path in (figure.png, figure.svg)),
    ]


def make_report(summary: Summary, figures: Figures) -> Report:
    """Put the report together from the summary and the figures that were drawn."""
    sections = [make(summary, figures) for make in SECTIONS]
    return Report(
        title="Back-propagation by hand and in PyTorch: is it right, how fast is it, and why?",
        warnings=tuple(claims.warnings(summary)),
        answer=tuple(claims.answer(summary)),
        sections=tuple(section for section in sections if section.blocks),
    )


def _overview(summary: Summary, figures: Figures) -> Section:
    return Section("", (*_figure(summary, figures, "headline"), *_filled(tables.failures_table(summary))))


def _is_it_right(summary: Summary, _figures: Figures) -> Section:
    said = (
        f"{claims.parity_sentence(summary)}. A check compares what two implementations compute from the same weights "
        "and the same batches; it passes where the largest difference is within the bound of rounding."
    )
    return Section("Is it right?", (said, *_filled(tables.parity_table(summary))))


def _how_fast(summary: Summary, figures: Figures) -> Section:
    blocks: list[Block] = [_how_timed(summary)]
    missing = certainty.self_test_missing(summary)
    blocks += [] if missing is None else [missing]
    blocks += _figure(summary, figures, "ratios")
    for question in summary.questions:
        blocks += [_how_sure(summary, question), *_filled(*(make(question) for make in TIME_TABLES))]
    blocks += _filled(tables.disturbance_table(summary))
    blocks += _figure(summary, figures, "learning-curves") + _figure(summary, figures, "step-parts")
    for question in summary.questions:
        blocks += _filled(tables.curves_table(question), tables.parts_table(question))
    return Section("How fast?", tuple(blocks))


TIME_TABLES = (tables.results_table, tables.ratios_table, tables.apart_table, tables.work_table)
"""The tables of a question's times."""


def _how_timed(summary: Summary) -> str:
    planned = {certainty.timing_of(summary, question)["block_s"] for question in summary.questions}
    lengths = [f"{1000 * block_s:g}{NBSP}ms" for block_s in sorted(planned)]
    return (
        "Time is measured apart from accuracy, which comes from trainings that are not timed. A process set is one "
        "fresh process for each implementation. In every round of a set each of them trains one block of about "
        f"{listing(lengths)}, or one batch where that takes longer, after some batches that run in and are not timed. "
        "The order is balanced and random, so that what slows the machine down slows all of them down. Of a set, the "
        "time that one in ten blocks stays below counts, for others that share the machine only ever make blocks "
        "longer; ratios are of these times. Estimates are geometric means over sets, and intervals Student's 95 % "
        "intervals."
    )


def _how_sure(summary: Summary, question: QuestionSummary) -> str:
    said = f"{clean(question.title)}: {certainty.stop_sentence(summary, question)}"
    test = certainty.self_test_sentence(question)
    return said if test is None else f"{said} {test}"


OUTCOME_FIGURES = ("confusion", "disagreements", "confidently-wrong")
"""Figures for which the test cases are needed."""


def _what_wrong(summary: Summary, figures: Figures) -> Section:
    heading = "What do they get wrong?"
    found = summary.outcomes
    if found is None:
        return Section(heading, ())
    blocks: list[Block] = [*map(clean, found.notes), *outcomes.outcome_sentences(summary)]
    if found.networks:
        names = ("hidden-units",) if found.cases is None else (*OUTCOME_FIGURES, "hidden-units")
        blocks += [block for name in names for block in _figure(summary, figures, name)]
    return Section(heading, (*blocks, *outcomes.outcome_tables(summary)))


def _why(summary: Summary, _figures: Figures) -> Section:
    said = (
        "This run compares implementations as they are. It did not change one factor at a time, so it does not say how "
        "much of a difference any single cause accounts for."
    )
    blocks: list[Block] = [said]
    recipes = setting.recipes_of(summary)
    used = {question.name: _recipes_used(question) for question in summary.questions}
    for question in summary.questions:
        fields = setting.differing_fields([recipes[name] for name in used[question.name] if name in recipes])
        if fields:
            blocks.append(
                f"{clean(question.title)}: the recipes differ in {count(len(fields), 'field')} ({listing(fields)}), "
                "so its differences in accuracy and time are not those of the implementations alone."
            )
    return Section("Why?", (*blocks, *_filled(setting.recipes_table(summary))))


def _recipes_used(question: QuestionSummary) -> list[str]:
    return list(dict.fromkeys(performance.recipe for performance in question.performances))


def _where_measured(summary: Summary, _figures: Figures) -> Section:
    command = clean(summary.description.get("command", "backprop-bench compare"))
    return Section(
        "Where it was measured, and how to run it again",
        (
            *_filled(setting.environment_table(summary)),
            "The numbers hold for this machine and these versions. To measure on yours:",
            Code(command),
        ),
    )


SECTIONS: tuple[Callable[[Summary, Figures], Section], ...] = (
    _overview,
    _is_it_right,
    _how_fast,
    _what_wrong,
    _why,
    _where_measured,
)
"""The sections of a report, in their order."""


def _figure(summary: Summary, figures: Figures, name: str) -> list[Block]:
    """Return a figure, or why it is not there."""
    if name in figures:
        return [figures[name]]
    return [f"The figure {name} is left out: {left_out(summary)[name]}."]


def _filled(*found: Table) -> list[Block]:
    return [table for table in found if table.rows]


def to_markdown_page(report: Report) -> str:
    """Return the report in Markdown, which shows the figures beside it."""
    parts = [f"# {escape_markdown(report.title)}"]
    if report.warnings:
        parts.append(
            "\n".join(["> **Read this first**", ">", *(f"> - {escape_markdown(line)}" for line in report.warnings)])
        )
    parts += map(escape_markdown, report.answer)
    for section in report.sections:
        parts += [f"## {escape_markdown(section.heading)}"] if section.heading else []
        parts += [_markdown_of(block) for block in section.blocks]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _markdown_of(block: Block) -> str:
    match block:
        case Table():
            return to_markdown(block)
        case FigureFile():
            return f"![{escape_markdown(block.alt)}]({FIGURES_FOLDER}/{block.png.name})"
        case Code():
            return f"```sh\n{block.text}\n```"
        case _:
            return escape_markdown(block)


def to_html_page(report: Report) -> str:
    """Return the report as one page of HTML with everything in it.

    Raises
    ------
    InputError
        When a figure cannot be read.
    """
    return TEMPLATES.get_template("report.html.jinja").render(report=report, html_of=_html_of)


def _html_of(block: Block) -> Markup:
    match block:
        case Table():
            return to_html(block)
        case FigureFile():
            return Markup('<figure><img src="{}" alt="{}"></figure>').format(_data_uri(block), block.alt)
        case Code():
            return Markup("<pre><code>{}</code></pre>").format(block.text)
        case _:
            return Markup("<p>{}</p>").format(block)


def _data_uri(figure: FigureFile) -> str:
    """Return the smaller file of a figure as an address that holds it; as an image, an SVG can run nothing."""
    try:
        svg, png = figure.svg.read_bytes(), figure.png.read_bytes()
    except OSError as error:
        raise InputError(f"{figure.svg.parent}: cannot read the figure {figure.name}: {error.strerror}") from error
    kind, content = ("svg+xml", svg) if len(svg) <= len(png) else ("png", png)
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
