"""Tables are filled from the summary and well formed in every language."""

import io
import re

import pytest
from rich.console import Console

from bench.compute.summary import Summary, summarize
from bench.show.numbers import ABSENT
from bench.show.table import LONG, Table, make_table, to_html, to_markdown, to_rich
from bench.show.tables import (
    curves_table,
    environment_table,
    failures_table,
    parity_table,
    parts_table,
    ratios_table,
    recipes_table,
    results_table,
)
from tests.bench.recorded import FOURTEEN, THREE, recorded_run

NASTY = "a|b `c` <i>d</i> [bold]e[/bold] *f* $g$ \\ \n| h"


def all_tables(summary: Summary) -> list[Table]:
    """Return every table that the run has rows for, in the order of the report."""
    tables = [parity_table(summary)]
    for question in summary.questions:
        tables += [results_table(question), ratios_table(question), curves_table(question), parts_table(question)]
    tables += [failures_table(summary), recipes_table(summary), environment_table(summary)]
    return [table for table in tables if table.rows]


def test_markdown_rows_have_as_many_cells_as_the_head_whatever_stands_in_them() -> None:
    lines = to_markdown(make_table("T", ["<one", "two"], [[NASTY, NASTY], ["", "x"]])).splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 4
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {3}


def test_every_table_of_a_run_is_well_formed_markdown() -> None:
    for table in all_tables(summarize(*recorded_run(FOURTEEN, failures={"jax": NASTY}))):
        rows = [line for line in to_markdown(table).splitlines() if line.startswith("|")]
        assert len(rows) == 2 + len(table.rows), table.title
        assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {len(table.columns) + 1}, table.title


def test_html_shows_markup_in_cells_as_text() -> None:
    html = to_html(make_table("<script>", ["<a & b"], [["<img src=x onerror=y>"]], note="<b>"))
    assert "&lt;script&gt;" in html
    assert "&lt;img src=x onerror=y&gt;" in html
    assert not re.search(r"<(script|img|b)\b", html)


def test_a_terminal_shows_markup_in_cells_as_text() -> None:
    screen = io.StringIO()
    Console(file=screen, width=100).print(to_rich(make_table("[red]T", ["<[b]c"], [["[link=x]d[/link]"]], "[/]")))
    for text in ("[red]T", "[b]c", "[link=x]d[/link]", "[/]"):
        assert text in screen.getvalue()


def test_a_long_table_is_folded_on_a_page() -> None:
    assert to_html(make_table("T", ["a"], [["x"]] * (LONG + 1))).startswith("<details>")
    assert to_html(make_table("T", ["a"], [["x"]] * LONG)).startswith("<h3>")


def test_a_row_with_a_cell_too_many_is_refused() -> None:
    with pytest.raises(ValueError, match="2 cells for 1 columns"):
        make_table("T", ["a"], [["x", "y"]])


def test_results_name_every_implementation_and_its_ratio_to_the_first() -> None:
    table = results_table(summarize(*recorded_run()).questions[1])
    assert [row[0] for row in table.rows] == list(THREE)
    assert table.columns[3].name == "ratio to scratch-numpy"
    assert table.rows[0][3] == "1"
    assert re.fullmatch(r"2\.\d+ \(\d\.\d+–\d\.\d+\)", table.rows[1][3])


def test_every_two_implementations_have_a_ratio_that_says_of_what_to_what() -> None:
    rows = ratios_table(summarize(*recorded_run()).questions[1]).rows
    assert [row[0] for row in rows] == [
        "time(torch-eager) / time(scratch-numpy)",
        "time(torch-loader) / time(scratch-numpy)",
        "time(torch-loader) / time(torch-eager)",
    ]
    assert {row[3:] for row in rows} == {("15", "3")}


def test_a_ratio_of_one_round_has_no_interval() -> None:
    rows = ratios_table(summarize(*recorded_run(seeds=(0,), epochs=1)).questions[1]).rows
    assert {row[2] for row in rows} == {ABSENT}


def test_failed_parity_checks_come_first_and_say_no() -> None:
    rows = parity_table(summarize(*recorded_run(parity_failure="torch-loader"))).rows
    assert [row[7] for row in rows[:4]] == ["NO"] * 4
    assert {row[1] for row in rows[:4]} == {"torch-loader"}
    assert {row[7] for row in rows[4:]} == {"yes"}


def test_recipes_begin_with_the_fields_in_which_they_differ() -> None:
    table = recipes_table(summarize(*recorded_run()))
    differs = [len(set(row[1:])) > 1 for row in table.rows]
    assert differs == sorted(differs, reverse=True)
    assert table.note == f"They differ in the first {sum(differs)} rows."
    assert "batch_size" in {row[0] for row in table.rows[: sum(differs)]}


def test_the_environment_is_laid_out_flat_with_units() -> None:
    rows = {row[0]: row[1] for row in environment_table(summarize(*recorded_run())).rows}
    assert rows["cpu: model"] == "AMD EPYC 9R14"
    assert rows["cpu: cache bytes: L1d"] == "32.0 KiB"
    assert rows["memory"] == "32,768 MiB"
    assert rows["cpu: governor"] == ABSENT
    assert rows["checkout: dirty"] == "no"
    assert rows["gpus"] == "none"
