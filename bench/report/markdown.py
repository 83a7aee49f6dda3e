"""The report in Markdown, which shows the figures beside it."""

from backprop_bench.bench.report.blocks import (
    Block,
    Caution,
    Code,
    Heading,
    Judged,
    Linked,
    Listed,
    Picture,
    Report,
    Shown,
)
from backprop_bench.bench.report.drawing import FIGURES_FOLDER, FigureFile
from backprop_bench.bench.report.evidence import Evidence
from backprop_bench.bench.report.panel import Panel
from backprop_bench.bench.report.table import Table, escape_markdown, to_markdown


def to_markdown_page(report: Report) -> str:
    """Return the report in Markdown; figures without a file of their own are named by their titles."""
    parts = [f"# {escape_markdown(report.title)}"]
    if report.warnings:
        parts.append(
            "\n".join(["> **Read this first**", ">", *(f"> - {escape_markdown(line)}" for line in report.warnings)])
        )
    parts.append("\n".join(f"- **{escape_markdown(sentence)}**" for sentence in report.lead))
    for section in (*report.sections, *report.appendix):
        parts += [f"## {escape_markdown(section.heading)}"] if section.heading else []
        parts += [_markdown_of(block) for block in section.blocks]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _markdown_of(block: Block) -> str:  # noqa: C901 (a case per kind)
    match block:
        case Shown():
            return f"{_markdown_of(block.what).strip()}\n\n{_evidence(block.evidence)}"
        case Table():
            return to_markdown(block)
        case FigureFile():
            return f"![{escape_markdown(block.alt)}]({FIGURES_FOLDER}/{block.png.name})"
        case Picture():
            return f"*Figure {escape_markdown(block.name)}, in report.html: {escape_markdown(block.title)}.*"
        case Code():
            return _fenced(block.text, "sh")
        case Linked():
            return f"{escape_markdown(block.text)} [{escape_markdown(block.address)}]({block.address})"
        case Heading():
            return f"### {escape_markdown(block.text)}"
        case Judged():
            return _judged(block)
        case Listed():
            return "\n".join(f"- {escape_markdown(sentence)}" for sentence in block.sentences)
        case Caution():
            return f"> **Warning:** {escape_markdown(block.text)}"
        case Panel():
            return "*In report.html: draw a digit, and see what the networks predict.*"
        case _:
            return escape_markdown(block)


def _judged(block: Judged) -> str:
    rows = [f"| {' | '.join(map(escape_markdown, item))} |" for item in block.items]
    return "\n".join(["| | | |", "| :--- | :--- | :--- |", *rows])


def _evidence(evidence: Evidence) -> str:
    tick = _ticks(evidence.jq, 1)
    return f"Source: {escape_markdown(evidence.source)}: {tick}{evidence.jq}{tick}"


def _fenced(text: str, language: str) -> str:
    tick = _ticks(text, 3)
    return f"{tick}{language}\n{text}\n{tick}"


def _ticks(text: str, least: int) -> str:
    """Return more backticks than follow each other in the text."""
    number = least
    while "`" * number in text:
        number += 1
    return "`" * number
