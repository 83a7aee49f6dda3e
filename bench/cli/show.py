"""Tables of a run on the terminal."""

from pathlib import Path

from rich.console import Console

from bench.compute.summary import Summary
from bench.show.claims import answer, warnings
from bench.show.report import write_report
from bench.show.table import to_rich
from bench.show.tables import failures_table, parity_table, ratios_table, results_table

WIDE = 160
"""Columns of a terminal from which on all that was measured is shown."""


def draw(summary: Summary, folder: Path) -> list[Path]:
    """Write figures and report, saying so on a terminal while it takes its seconds."""
    with Console(stderr=True).status("Drawing the figures and the report …"):
        return write_report(summary, folder)


def print_summary(summary: Summary, console: Console) -> None:
    """Print the answer, what is wrong with it, and the tables behind it."""
    tables = [parity_table(summary)] if console.width >= WIDE else []
    for question in summary.questions:
        brief = console.width < WIDE
        tables += [results_table(question, brief=brief), ratios_table(question, brief=brief)]
    tables.append(failures_table(summary))
    for table in tables:
        if table.rows:
            console.print()
            console.print(to_rich(table))
    console.print()
    for sentence in (*warnings(summary), *answer(summary)):
        console.print(sentence, highlight=False, markup=False)
