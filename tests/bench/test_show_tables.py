"""Tables are filled from the summary and well formed in every language."""

import io
import re

import pytest
from rich.console import Console

from backprop_bench.bench.compare.setting import environment_table, recipes_table
from backprop_bench.bench.compare.tables import (
    curves_table,
    failures_table,
    interference_table,
    parts_table,
    ratios_table,
    results_table,
    separate_table,
    verification_table,
    work_table,
)
from backprop_bench.bench.core.stats.ratios import COUNT_LIMITS, SHARE_LIMITS
from backprop_bench.bench.core.summary import Summary
from backprop_bench.bench.report.numbers import ABSENT
from backprop_bench.bench.report.table import LONG, Table, make_table, to_html, to_markdown, to_rich
from tests.bench.plain import summarize
from tests.bench.recorded import FOURTEEN, THREE, recorded_run


def spaced(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


def number(factor: str) -> float:
    return float(factor.partition("×")[0])


NASTY = "a|b `c` <i>d</i> [bold]e[/bold] *f* $g$ \\ \n| h"


def all_tables(summary: Summary) -> list[Table]:
    """Return every table that the run has rows for, in the order of the report."""
    tables = [verification_table(summary)]
    for question in summary.questions:
        tables += [results_table(question), ratios_table(question), separate_table(question), work_table(question)]
        tables += [curves_table(question), parts_table(question)]
    tables += [interference_table(summary), failures_table(summary), recipes_table(summary), environment_table(summary)]
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
    table = make_table("[red]T", ["<[b]c"], [["[link=x]d[/link]"]], "[/]")
    Console(file=screen, width=100).print(to_rich(table, 100))
    for text in ("[red]T", "[b]c", "[link=x]d[/link]", "[/]"):
        assert text in screen.getvalue()


def test_a_long_table_is_folded_on_a_page() -> None:
    assert to_html(make_table("T", ["a"], [["x"]] * (LONG + 1))).startswith('<details class="long">')
    assert to_html(make_table("T", ["a"], [["x"]] * LONG)).startswith("<h3>")


def test_a_row_with_a_cell_too_many_is_refused() -> None:
    with pytest.raises(ValueError, match="2 cells for 1 columns"):
        make_table("T", ["a"], [["x", "y"]])


def test_results_name_every_implementation_and_by_what_factor_it_is_faster_than_the_slowest() -> None:
    table = results_table(summarize(*recorded_run()).questions[1])
    assert [row[0] for row in table.rows] == list(THREE)
    assert table.columns[3].name == "faster than torch-loader"
    assert table.rows[2][3] == "1×"
    assert re.fullmatch(r"3\.\d+× \(3\.\d+–3\.\d+\)", table.rows[1][3]), table.rows[1]


def test_every_two_implementations_have_a_ratio_of_at_least_one_and_the_aa_test_is_last() -> None:
    table = ratios_table(summarize(*recorded_run()).questions[1])
    assert [row[:2] for row in table.rows] == [
        ("scratch-numpy", "torch-eager"),
        ("scratch-numpy", "torch-loader"),
        ("torch-eager", "torch-loader"),
        ("A/A test", "scratch-numpy"),
    ]
    assert all(float(row[2].rstrip("×")) > 1 for row in table.rows[:-1])
    assert "(4 process replicates)" in table.note


def test_the_aa_test_is_no_implementation() -> None:
    summary = summarize(*recorded_run())
    for question in summary.questions:
        for make in (results_table, separate_table, work_table, curves_table, parts_table):
            assert not any("second_copy" in cell for row in make(question).rows for cell in row)


def test_a_ratio_of_one_process_replicate_has_no_interval() -> None:
    rows = ratios_table(summarize(*recorded_run(n_replicates=1)).questions[1]).rows
    assert {row[3] for row in rows} == {ABSENT}
    assert not any("(" in cell for row in rows for cell in row)


def test_rounds_under_interference_are_left_out_of_their_column_alone() -> None:
    description, rows = recorded_run(("scratch-numpy", "torch-eager"), interfered=0.0)
    without = ratios_table(summarize(description, rows).questions[1]).rows[0]
    assert without[:2] == ("scratch-numpy", "torch-eager")
    assert without[5] == f"{without[2]} ({without[3]})"
    late = {"kind": "block", "question": "same-recipe", "implementation": "torch-eager"}
    for row in rows:
        if late.items() <= row.items() and row["round"] >= 4 - row["replicate"] % 2:
            row |= {"waited_s": row["wall_s"], "wall_s": 3 * row["wall_s"]}
    under = ratios_table(summarize(description, rows).questions[1]).rows[0]
    assert number(under[5]) == pytest.approx(number(without[2]), rel=0.02)
    assert number(under[4]) > 1.05 * number(without[4]), "the median has every round"


def test_the_rule_of_interference_has_the_limits_of_the_computation(monkeypatch: pytest.MonkeyPatch) -> None:
    summary = summarize(*recorded_run())
    assert "waiting for a core above 5 %" in spaced(interference_table(summary).note)
    monkeypatch.setitem(SHARE_LIMITS, "steal_s", 0.3)
    monkeypatch.setitem(COUNT_LIMITS, "major_faults", 7)
    note = spaced(interference_table(summary).note)
    assert "stolen time above 30 %" in note
    assert "more than 7 major faults" in note


def test_interference_is_counted_and_what_no_counter_has_is_a_dash() -> None:
    summary = summarize(*recorded_run())
    table = interference_table(summary)
    cells = dict(zip([column.name for column in table.columns], table.rows[1], strict=True))
    assert cells["blocks"] == "96"
    assert cells["under interference"] == str(summary.questions[1].interference.n_under_interference) != "0"
    assert cells["major faults and throttles"] == "0"
    assert len(table.columns) == 7
    assert "%" in cells["stolen time"]
    assert interference_table(summarize(*recorded_run(n_replicates=0))).rows == ()


def test_what_no_meter_measured_is_a_dash_with_its_reason() -> None:
    without, measured = (
        separate_table(summarize(*recorded_run(with_energy=known)).questions[1]) for known in (False, True)
    )
    assert {row[6] for row in without.rows} == {ABSENT}
    assert "Energy was not measured: RAPL: no package" in without.note
    assert all(re.fullmatch(r"[\d.]+ J \([\d.]+–[\d.]+\)", spaced(row[6])) for row in measured.rows)
    assert measured.note.endswith("Energy: RAPL package-0.")


def test_compilation_shows_in_the_first_batch() -> None:
    rows = separate_table(summarize(*recorded_run(("scratch-numpy", "torch-compile"))).questions[1]).rows
    assert [spaced(row[2]) for row in rows] == ["4.00 ms", "9.20 s"]


def test_the_rate_is_the_work_by_the_time() -> None:
    question = summarize(*recorded_run()).questions[1]
    first, second, _ = work_table(question).rows
    rate = question.performances[0].work.flops / question.performances[0].wall_s.estimate
    assert float(first[1].partition(" ")[0]) == pytest.approx(rate / 1e9, rel=0.01)
    low, high = map(float, first[1].partition(" ")[2].strip("()").split("–"))
    assert low < rate / 1e9 < high
    assert first[2:] == second[2:]


def test_failed_checks_come_first_and_say_no() -> None:
    rows = verification_table(summarize(*recorded_run(parity_failure="torch-loader"))).rows
    assert [row[5] for row in rows[:4]] == ["NO"] * 4
    assert {row[1] for row in rows[:4]} == {"torch-loader"}
    assert {row[5] for row in rows[4:]} == {"yes"}


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
    assert rows["cores of the workers"] == "2–4, 6"
    assert rows["memory"] == "32,768 MiB"
    assert rows["cpu: governor"] == ABSENT
    assert rows["checkout: dirty"] == "no"
    assert rows["gpus"] == "none"
