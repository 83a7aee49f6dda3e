"""Tables in LaTeX, read back by pandoc; and records as CSV, read back by Python and by pandas."""

import csv
import io
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from backprop_bench.bench.cli.main import main
from backprop_bench.bench.core.records.reader import read_records
from backprop_bench.bench.report.latex import SIGNS, escape_latex, to_latex
from backprop_bench.bench.report.table import Table, make_table
from backprop_bench.bench.slides.pandoc import find_pandoc
from backprop_bench.data import InputError
from tests.bench.plain import typed
from tests.bench.recorded import recorded_run, write_run
from tests.bench.refusal import refused

SPECIAL = r"\ { } $ & # _ % ~ ^ < > | ` [ ] *"
ODD = (
    SPECIAL,
    r"100 % of a_b & c#d, $5, {x}, ~y^z",
    r"\input{/etc/passwd} \\ \end{tabular}",
    "[2cm] first",
    "*",
    "1.74× (1.70–1.79), −3 ± 1 µs ≤ ε",
    "a -- b --- c",
    "C:\\temp\\new",
    "%",
    "",
    "Zürich 网络",
    "^^41 ~",
)


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def pandoc(latex: str) -> list[list[str]]:
    """Return the cells of the tables of a LaTeX document, as pandoc reads them."""
    try:
        program = find_pandoc()
    except InputError:
        pytest.skip("pandoc is not installed")
    for command, sign in UNKNOWN_TO_PANDOC.items():
        latex = latex.replace(command, sign)
    words = [program, "--from=latex", "--to=json", "--fail-if-warnings"]
    done = subprocess.run(words, input=latex, capture_output=True, text=True, check=True)
    rows: list[list[str]] = []

    def walk(node: Any) -> None:
        if isinstance(node, dict) and node.get("t") == "Table":
            _, _, _, (_, head), bodies, _ = node["c"]
            for _, cells in [*head, *(row for body in bodies for row in body[3])]:
                rows.append([text_of(cell[4]) for cell in cells])
        elif isinstance(node, dict | list):
            for child in node.values() if isinstance(node, dict) else node:
                walk(child)

    walk(json.loads(done.stdout)["blocks"])
    return rows


UNKNOWN_TO_PANDOC = {r"\textbar{}": "|", r"\textasciigrave{}": "\ue000"}
"""By command of LaTeX, the sign that takes its place before pandoc reads it."""
MATHEMATICS = {r"\times": "×", r"\pm": "±", r"\mu": "µ", r"\leq": "≤", r"\varepsilon": "ε", "-": "−"}


def text_of(node: Any) -> str:
    """Return the text of a piece of pandoc's document."""
    if isinstance(node, list):
        return "".join(map(text_of, node))
    if not isinstance(node, dict):
        return ""
    match node.get("t"):
        case "Str":
            return str(node["c"]).replace("\ue000", "`")
        case "Space" | "SoftBreak":
            return " "
        case "Math":
            return MATHEMATICS[node["c"][1]]
        case "Quoted":
            return "".join(("'", text_of(node["c"][1]), "'"))
        case _:
            return text_of(node.get("c", []))


def table_of(*cells: str) -> Table:
    return make_table("All of %, _ and &", ["<a_b %", "c & d"], [(cell, "1") for cell in cells], "Note: 5 % of #1.")


def test_what_stands_in_a_cell_is_read_back_as_it_was() -> None:
    rows = pandoc(to_latex(table_of(*ODD)))
    assert rows[0] == ["a_b %", "c & d"]
    assert [row[0].replace("\N{NO-BREAK SPACE}", " ") for row in rows[1:]] == list(ODD)
    assert {row[1] for row in rows[1:]} == {"1"}


@pytest.mark.parametrize("sign", SPECIAL.split())
def test_every_special_sign_is_escaped_alone_and_twice(sign: str) -> None:
    assert pandoc(to_latex(table_of(sign, sign * 2)))[1:] == [[sign, "1"], [sign * 2, "1"]]


def test_nothing_that_means_something_to_latex_is_left() -> None:
    everything = "".join(map(chr, range(32, 127)))
    escaped = escape_latex(everything)
    for command in sorted(SIGNS.values(), key=len, reverse=True):
        escaped = escaped.replace(command, "")
    assert not set(escaped) & set("\\{}$&#_%~^"), escaped


def test_a_row_that_begins_with_a_bracket_or_a_star_is_no_argument_of_the_row_before() -> None:
    lines = to_latex(table_of("[2cm]", "*")).splitlines()
    rows = [line.strip() for line in lines if line.endswith(r"\\")]
    assert not any(row.startswith(("[", "*")) for row in rows)


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("--", "-{}-"),
        ("---", "-{}-{}-"),
        ("''", "'{}'"),
        ("?`", r"?{}\textasciigrave{}"),
        ("scratch-numpy", "scratch-numpy"),
        ("95 % CI 1.70–1.79", r"95 \% CI 1.70--1.79"),
        ("\x1b[2J\n", "?{[}2J"),
        ("\\", r"\textbackslash{}"),
        ("\\{", r"\textbackslash{}\{"),
        ("\0", "?"),
    ],
)
def test_what_is_escaped_and_how(text: str, escaped: str) -> None:
    assert escape_latex(text) == escaped


def test_a_table_has_the_rules_of_booktabs_one_row_a_line_and_balanced_braces() -> None:
    text = to_latex(table_of(*ODD))
    assert [text.count(rf"\{name}rule") for name in ("top", "mid", "bottom")] == [1, 1, 1]
    assert r"\begin{tabular}{lr}" in text
    assert r"\caption{All of \%, \_ and \&}" in text
    assert r"Note: 5 \% of \#1." in text
    plain = re.sub(r"\\[{}]", "", text.replace(r"\\", ""))
    assert plain.count("{") == plain.count("}")
    for line in text.splitlines():
        if line.endswith(r"\\"):
            assert len(re.findall(r"(?<!\\)&", line)) == 1


@pytest.mark.slow
def test_all_tables_of_a_run_are_printed_in_latex_and_one_on_request(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", "compare", *recorded_run(("scratch-numpy", "mine_100%.py:A&B", "torch-eager")))
    shown = json.loads(run("show", folder, "--format", "json").stdout)
    text = run("show", folder, "--format", "latex").stdout
    assert text.startswith("% In the preamble: \\usepackage{booktabs}\n")
    assert text.count(r"\begin{table}") == len(shown["tables"])
    cells = [row for table in shown["tables"] for row in (table["columns"], *table["rows"])]
    known = {cell for row in pandoc(text) for cell in row}
    assert {cell for row in cells for cell in row if "%.py" in cell} <= known
    assert len(pandoc(text)) == len(cells)
    one = run("show", folder, "--format", "latex", "--table", "1").stdout
    assert one.count(r"\begin{table}") == 1


# CSV


def exported(folder: Path, *words: object) -> list[dict[str, str]]:
    result = run("export", folder, *words)
    assert result.exit_code == 0, result.output
    with Path(result.stdout.strip()).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_csv_has_the_records_to_the_last_digit(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", "compare", *recorded_run())
    rows = exported(folder, "--format", "csv")
    records = [msgspec.to_builtins(record) for record in read_records(folder)]
    assert len(rows) == len(records) > 100
    for row, record in zip(rows, records, strict=True):
        filled = {name: value for name, value in record.items() if value is not None}
        assert {name for name, cell in row.items() if cell} == {name for name, value in filled.items() if value != ""}
        for name, value in filled.items():
            match value:
                case bool():
                    assert row[name] == str(value)
                case float() | int():
                    assert float(row[name]) == value
                case list() | tuple() | dict():
                    assert json.loads(row[name]) == json.loads(json.dumps(value))
                case _:
                    assert row[name] == value


def test_csv_and_parquet_have_the_same_rows_and_columns(tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    folder = write_run(tmp_path / "run", "compare", *recorded_run())
    assert run("export", folder).exit_code == 0
    assert run("export", folder, "--format", "csv").exit_code == 0
    parquet, plain = pd.read_parquet(folder / "records.parquet"), pd.read_csv(folder / "records.csv")
    assert list(plain.columns) == list(parquet.columns)
    assert plain.wall_s.dropna().tolist() == parquet.wall_s.dropna().tolist()
    assert plain.kind.tolist() == parquet.kind.tolist()


def test_texts_with_commas_quotes_and_line_breaks_are_one_cell(tmp_path: Path) -> None:
    message = 'it said "no", twice,\nand then\r\nstopped; =1+1'
    folder = write_run(tmp_path / "run", "compare", *recorded_run(failures={"torch-eager": message}))
    (row,) = (row for row in exported(folder, "--out", tmp_path / "x.csv") if row["kind"] == "failure")
    assert row["message"] == message


def test_weights_are_the_same_json_as_in_parquet(tmp_path: Path) -> None:
    weights = [[[[1.5, 2.0]], None], [[[0.5], [1.0]], [0.25]]]
    trial = {
        "kind": "trial",
        "session": 0,
        "question": "as-published",
        "implementation": "scratch-numpy",
        "seed": 0,
        "solved": {"a": 3},
        "close": {"a": None},
        "curve": [],
        "distance": None,
        "weights": weights,
    }
    assert typed([trial])
    folder = write_run(tmp_path / "run", "reproduce", recorded_run()[0], [trial])
    (row,) = exported(folder, "--format", "csv")
    assert json.loads(row["weights"]) == weights
    assert json.loads(row["solved"]) == {"a": 3}


def test_the_format_is_that_of_the_name(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", "compare", *recorded_run(keep_rows=3))
    assert len(exported(folder, "--out", tmp_path / "x.CSV")) == 3
    assert len(list(csv.reader(io.StringIO((tmp_path / "x.CSV").read_text())))) == 4
    refused(run("export", folder, "--format", "xml"), "'xml' is not one of 'parquet', 'csv'")


def test_a_run_that_has_just_begun_has_no_row_in_csv(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", "compare", recorded_run()[0], [])
    assert exported(folder, "--format", "csv") == []
