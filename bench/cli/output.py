"""Output of the commands, for people or for programs, in the form that ``--format`` selects."""

import dataclasses
import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console, RenderableType
from rich.text import Text

from backprop_bench.bench.cli.index import keep_answer, update_index
from backprop_bench.bench.core.records.run_folder import LATEST, drawing
from backprop_bench.bench.report.chart import chart_to_rich
from backprop_bench.bench.report.findings import Findings, to_json, to_page
from backprop_bench.bench.report.language import LANGUAGES, language_of_locale, reading
from backprop_bench.bench.report.latex import PREAMBLE, to_latex
from backprop_bench.bench.report.numbers import NBSP, clean, count
from backprop_bench.bench.report.table import Table, to_csv, to_dict, to_markdown, to_rich
from backprop_bench.data import InputError

Command = Callable[..., Any]

TEXT = "text"
FORMATS = (TEXT, "json", "csv", "md", "latex")
PARAMETERS = ("form", "table", "language")
"""Names of the options within the program; none of them changes what is measured."""
WIDTH = 80
"""Columns where the terminal does not tell."""
PLAIN = str.maketrans({"–": "-", "−": "-", "×": "x", "÷": "/", "±": "+-", "µ": "u", "…": "~", NBSP: " "})
"""Replacements for characters that the encoding of the output lacks."""


@dataclasses.dataclass(frozen=True)
class Output:
    """Values of ``--format`` and ``--table``."""

    form: str = TEXT
    table: str | None = None

    @property
    def is_text(self) -> bool:
        """Whether the output is for people, who get more than the numbers."""
        return self.form == TEXT

    def show(self, findings: Findings) -> None:
        """Print the findings of a run, and its failures on standard error."""
        if self.table is not None or self.form == "csv":
            self._print_table(self._asked(findings))
        elif self.form == "json":
            click.echo(to_json(findings), nl=False)
        elif self.form == "md":
            _print(to_page(findings.sentences, findings.tables))
        elif self.form == "latex":
            _print(PREAMBLE + "\n".join(["", *map(to_latex, findings.tables)]))
        else:
            _print_rich(functools.partial(_text_of, findings))
        for failure in findings.failures:
            click.echo(f"Failed: {clean(failure)}", err=True)

    def note(self, text: str) -> None:
        """Print a remark that is no finding; on standard error where a program reads the output."""
        click.echo(text, err=not self.is_text)

    def _asked(self, findings: Findings) -> Table:
        if self.table is not None:
            return findings.table(self.table)
        if len(findings.tables) != 1:
            raise InputError(
                f"--format csv prints one table, and there are {len(findings.tables)}; expected --table with one of "
                f"{findings.table_names()}"
            )
        return findings.tables[0]

    def _print_table(self, table: Table) -> None:
        if self.is_text:
            _print_rich(lambda width: [to_rich(table, width)])
            return
        writers: dict[str, Callable[[Table], str]] = {
            "csv": to_csv,
            "md": to_markdown,
            "json": _one_json,
            "latex": lambda table: f"{PREAMBLE}\n{to_latex(table)}",
        }
        _print(writers[self.form](table))


def _one_json(table: Table) -> str:
    return json.dumps(to_dict(table), indent=2) + "\n"


def _text_of(findings: Findings, width: int) -> list[RenderableType]:
    """Return what a terminal of this width shows: tables, charts, and last the sentences."""
    result: list[RenderableType] = []
    for table in findings.tables[: findings.n_first]:
        result += [to_rich(table, width), ""]
    for chart in findings.charts:
        result += [chart_to_rich(chart, width), ""]
    hidden = len(findings.tables) - findings.n_first
    if hidden:
        asked = f"--table {findings.n_first + 1} to {len(findings.tables)}, or --format md"
        result += [Text(f"{count(hidden, 'more table')}: {asked}.", style="dim"), ""]
    return [*result, *map(Text, findings.shown_sentences)]


def _print_rich(lines_for: Callable[[int], Sequence[RenderableType]]) -> None:
    console = Console()
    if not console.width:  # COLUMNS is 0
        console = Console(width=WIDTH)
    with console.capture() as captured:
        for line in lines_for(console.width):
            console.print(line)
    _print(captured.get())


def _print(text: str) -> None:
    """Write text in one call, replacing characters that the output's encoding lacks."""
    encoding = Console().encoding
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.translate(PLAIN).encode(encoding, "replace").decode(encoding)
    click.echo(text, nl=False, color=True)  # whether colours can be shown was decided when it was made


def output_options(command: Command) -> Command:
    """Add ``--format`` and ``--table`` to a command, which gets them as `output`."""

    @functools.wraps(command)
    def bundled(*, form: str, table: str | None, **rest: Any) -> Any:
        return command(output=Output(form, table), **rest)

    choose_form = click.option(
        "--format", "form", type=click.Choice(FORMATS), default=TEXT, show_default=True, help="Output format."
    )
    choose_table = click.option(
        "--table",
        metavar="N|TITLE",
        help="Print only this table, by number or part of its title; csv needs it where there are several.",
    )
    return choose_form(choose_table(bundled))


def language_option(command: Command) -> Command:
    """Add ``--language`` to a command: what people read of it is in this language."""

    @functools.wraps(command)
    def bundled(*args: Any, language: str | None, **rest: Any) -> Any:
        with reading(language or language_of_locale()):
            return command(*args, **rest)

    return click.option(
        "--language",
        type=click.Choice(LANGUAGES),
        help="Language of the last lines, and of the page at first; by default that of the locale. Formats for "
        "programs are in English.",
    )(bundled)


def finish(output: Output, read: Callable[[], Findings], folder: Path) -> None:
    """Write the files of a run to its folder and print its findings; exit code 1 where something failed.

    Parameters
    ----------
    read
        Returns the findings, while no other process draws this run: who comes last has then read the most.
    """
    findings, written = write_findings(read, folder)
    output.show(findings)
    output.note(f"\nOpen {through_link(written[0])}")
    leave(findings)


def write_findings(read: Callable[[], Findings], folder: Path) -> tuple[Findings, list[Path]]:
    """Write the files of a run to its folder; returns its findings, and the files, the main one first.

    Parameters
    ----------
    read
        Returns the findings, while no other process draws this run: who comes last has then read the most.
    """
    with Console(stderr=True).status("Drawing the figures …"), drawing(folder):
        findings = read()
        written = findings.write(folder)
        keep_answer(folder, findings, written)
    update_index(folder.parent)
    return findings, written


def through_link(path: Path) -> Path:
    """Return the same file by the name of the link to the latest run, where its folder has one."""
    links = [link for link in sorted(path.parent.parent.glob(f"{LATEST}*")) if link.is_symlink()]
    return next((link / path.name for link in links if link.resolve() == path.parent.resolve()), path)


def leave(findings: Findings) -> None:
    """End with exit code 1 where something failed."""
    if findings.failed:
        raise SystemExit(1)
