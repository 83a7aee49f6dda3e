"""`Findings`: sentences, tables and figures of a run, before they are printed or written."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from backprop_bench.bench.core.records.files import write_whole
from backprop_bench.bench.core.records.kinds import Failure
from backprop_bench.bench.report.chart import Chart
from backprop_bench.bench.report.drawing import FIGURES_FOLDER, Drawing, save
from backprop_bench.bench.report.numbers import NBSP, count
from backprop_bench.bench.report.table import Table, escape_markdown, to_dict, to_markdown
from backprop_bench.data import InputError


@dataclass(frozen=True)
class Finding:
    """One finding of a run.

    Attributes
    ----------
    name
        Name of its page, without ``.md``.
    more
        Further tables, which a terminal shows only on request.
    draw
        Draws its figures, which takes seconds.
    translated
        The sentences in the language of the reader, where that is another one.
    """

    name: str
    sentences: Sequence[str] = ()
    tables: Sequence[Table] = ()
    more: Sequence[Table] = ()
    charts: Sequence[Chart] = ()
    draw: Callable[[], Sequence[Drawing]] = tuple
    translated: Sequence[str] = ()


@dataclass(frozen=True)
class Findings:
    """All findings of a run.

    Attributes
    ----------
    failures
        Sentences on what failed.
    failed
        Whether that makes the run a failure: what was only refused does not.
    write_files
        Writes its files to a folder and returns them, the main one first; by default a page and the figures of every
        finding.
    """

    parts: Sequence[Finding]
    failures: Sequence[str] = ()
    failed: bool = False
    write_files: Callable[[Path], list[Path]] | None = None

    @property
    def sentences(self) -> list[str]:
        """The sentences of all findings."""
        return [sentence for part in self.parts for sentence in part.sentences]

    @property
    def shown_sentences(self) -> list[str]:
        """The sentences of all findings, in the language of the reader where they are in it."""
        return [sentence for part in self.parts for sentence in part.translated or part.sentences]

    @property
    def tables(self) -> list[Table]:
        """The tables that have rows; those of a terminal first."""
        first = [table for part in self.parts for table in part.tables]
        return [table for table in (*first, *(table for part in self.parts for table in part.more)) if table.rows]

    @property
    def n_first(self) -> int:
        """How many of the tables a terminal shows without being asked."""
        return sum(bool(table.rows) for part in self.parts for table in part.tables)

    @property
    def charts(self) -> list[Chart]:
        """The charts that have bars."""
        return [chart for part in self.parts for chart in part.charts if chart.values]

    def table(self, asked: str) -> Table:
        """Return one table.

        Parameters
        ----------
        asked
            Its number, from 1, or a part of its title that no other one has.

        Raises
        ------
        InputError
            Where that is not exactly one table, naming all there are.
        """
        tables = self.tables
        if asked.isdecimal():
            matching = tables[int(asked) - 1 : int(asked)] if int(asked) else []
        else:
            matching = [table for table in tables if asked.casefold() in table.title.casefold()]
        if len(matching) != 1:
            raise InputError(
                f"--table {asked} stands for {count(len(matching), 'table')}; expected one of {self.table_names()}"
            )
        return matching[0]

    def table_names(self) -> str:
        """Return the tables by number and title, on one line."""
        return "; ".join(f"{number} ({table.title})" for number, table in enumerate(self.tables, start=1)) or "none"

    def write(self, folder: Path) -> list[Path]:
        """Write the files of the run and return them."""
        if self.write_files is not None:
            return self.write_files(folder)
        return [path for part in self.parts for path in _write_part(part, folder)]


def failure_sentences(failures: Iterable[Failure]) -> list[str]:
    """Return what failed, of rows of kind ``failure``."""
    return [f"{failure.question}: {failure.implementation}: {failure.message}" for failure in failures]


def is_failed(failures: Iterable[Failure]) -> bool:
    """Say whether rows of kind ``failure`` make a run a failure: a recipe that was only refused does not."""
    return any(failure.phase != "verification" or failure.message.startswith("not timed") for failure in failures)


def _write_part(part: Finding, folder: Path) -> list[Path]:
    page = write_whole(folder / f"{part.name}.md", to_page(part.sentences, part.tables).encode())
    return [page, *(path for drawing in part.draw() for path in save_figure(drawing, folder))]


def save_figure(drawing: Drawing, folder: Path) -> list[Path]:
    """Write a figure to the folder of a run and return its files."""
    figure = save(drawing, folder / FIGURES_FOLDER)
    return [figure.png, figure.svg]


def to_page(sentences: Sequence[str], tables: Sequence[Table]) -> str:
    """Return sentences and tables in Markdown."""
    listed = "".join(f"* {escape_markdown(sentence)}\n" for sentence in sentences)
    return "\n".join([*([listed] if listed else []), *map(to_markdown, tables)])


def to_json(findings: Findings) -> str:
    """Return all findings of a run as JSON: sentences, tables of text, failures."""
    content = {
        "sentences": [sentence.replace(NBSP, " ") for sentence in findings.sentences],
        "tables": [to_dict(table) for table in findings.tables],
        "failures": list(findings.failures),
    }
    return json.dumps(content, indent=2) + "\n"
