"""``show``: what a run says, on the terminal and for programs, without a file written."""

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from backprop_bench.bench.cli.main import CLOSED, main
from backprop_bench.bench.core.records.plan import Timing
from backprop_bench.bench.core.records.reader import DESCRIPTION, RECORDS
from backprop_bench.bench.ladder.stages import STAGES
from backprop_bench.bench.report.chart import WIDEST
from tests.bench import test_chain, test_curves, test_explain
from tests.bench.plain import Row
from tests.bench.recorded import recorded_run, write_run
from tests.bench.refusal import refused
from tests.bench.simulated import Machine, calibration_run, student
from tests.bench.timed import timed_question, timed_run

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "results" / "reference"
FORMATS = {"text": (), "json": (), "csv": ("--table", "1"), "md": ()}


def compared() -> tuple[dict[str, Any], list[Row]]:
    return recorded_run()


def timed_ladder() -> tuple[dict[str, Any], list[Row]]:
    implementations = {stage.name: stage.implementation for stage in STAGES}
    example_s = {
        "lists, example by example": 20e-3,
        "float32": 8e-6,
        "DataLoader": 20e-6,
        "NumPy's products alone": 4e-6,
    }
    return timed_run(timed_question("ladder", example_s, implementations))


def scaled() -> tuple[dict[str, Any], list[Row]]:
    places = (1, 100, 1000)
    return timed_run(
        *(timed_question(f"batch-size={x}", {"scratch-numpy": 10e-6, "torch-eager": 1e-3 / x}) for x in places)
    )


def calibrated() -> tuple[dict[str, Any], list[Row]]:
    timing = Timing(target=0.01, budget_s=30.0, block_s=0.05, rounds=5, min_replicates=5, order_seed=0)
    return calibration_run([0.0, 0.0, 0.05], Machine({}, noise=student(0.005)), timing)


def explained() -> tuple[dict[str, Any], list[Row]]:
    (why, why_rows), (chain, chain_rows) = test_explain.made_up(), test_chain.made_up()
    questions = [*why["plan"]["questions"], *chain["plan"]["questions"]]
    return {"plan": {"questions": questions}}, [*why_rows, *chain_rows]


MADE_UP: dict[str, Callable[[], tuple[dict[str, Any], list[Row]]]] = {
    "compare": compared,
    "ladder": timed_ladder,
    "scale": scaled,
    "calibrate": calibrated,
    "explain": explained,
    "curves": test_curves.made_up,
}
SAID = {
    "compare": "Right: gradients and weights agree with PyTorch's within rounding error. All 12 checks passed",
    "ladder": "faster per epoch than torch-loader (DataLoader",
    "scale": "torch-eager is faster than scratch-numpy",
    "calibrate": "have a 95 % CI that excludes 1",
    "race": "with everything imported and compiled",
    "explain": "of the hand-written network and of PyTorch's:",
    "curves": "80 % test accuracy takes",
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a run of every command that measures."""
    here = tmp_path_factory.mktemp("runs")
    result = {name: write_run(here / name, name, *make()) for name, make in MADE_UP.items()}
    result["race"] = here / "race"
    result["race"].mkdir()
    for file in (DESCRIPTION, RECORDS):
        shutil.copy(REFERENCE / "race" / file, result["race"])
    return result


def run(*words: object, **environment: str) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words], env={"COLUMNS": "100", **environment})


def spaced(text: str) -> str:
    """Return text on one line, whatever its breaks."""
    return " ".join(text.replace("\\", "").split())


def contents(folder: Path) -> dict[Path, tuple[bytes, int]]:
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", SAID)
def test_a_run_of_any_command_is_shown_in_any_form_and_nothing_is_written(
    runs: dict[str, Path], name: str, form: str
) -> None:
    before = contents(runs[name])
    result = run("show", runs[name], "--format", form, *FORMATS[form])
    assert result.exit_code == 0, result.output
    if form != "csv":
        assert SAID[name] in spaced(result.stdout)
    assert contents(runs[name]) == before


@pytest.mark.slow
@pytest.mark.parametrize("name", SAID)
def test_json_and_csv_have_the_same_cells_and_text_has_their_numbers(runs: dict[str, Path], name: str) -> None:
    result = json.loads(run("show", runs[name], "--format", "json").stdout)
    assert result.keys() == {"sentences", "tables", "failures"}
    for number, table in enumerate(result["tables"], start=1):
        one = json.loads(run("show", runs[name], "--format", "json", "--table", number).stdout)
        assert one == table
        rows = list(csv.reader(io.StringIO(run("show", runs[name], "--format", "csv", "--table", number).stdout)))
        assert rows == [table["columns"], *table["rows"]]
    wide = spaced(run("show", runs[name], "--table", 1, COLUMNS="400").stdout)
    for cells in result["tables"][0]["rows"]:
        assert spaced(" ".join(cells)) in wide


def test_the_rows_of_a_comparison_are_in_its_report() -> None:
    lines = run("show", REFERENCE, "--format", "md").stdout.splitlines()
    report = (REFERENCE / "report.md").read_text(encoding="utf-8").splitlines()
    rows = {line for line in lines if line.startswith("| ")}
    assert len(rows) > 100
    assert rows <= set(report), "which shows other runs too"


def test_markdown_is_the_page_that_report_writes(runs: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(runs["ladder"], tmp_path / "ladder")
    drawn = run("report", folder)
    assert drawn.exit_code == 0, drawn.output
    assert (folder / "figures" / "ladder.png").is_file()
    assert run("show", folder, "--format", "md").stdout == (folder / "ladder.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SAID)
@pytest.mark.parametrize("columns", [60, 80, 100, 160])
def test_a_terminal_is_not_written_over(runs: dict[str, Path], name: str, columns: int) -> None:
    lines = run("show", runs[name], COLUMNS=str(columns)).stdout.splitlines()
    assert max(map(len, lines)) <= columns
    bars = [line for line in lines if "█" in line]
    assert bars
    assert max(map(len, bars)) <= min(columns, WIDEST)


def test_columns_without_room_are_named(runs: dict[str, Path]) -> None:
    narrow, wide = (run("show", runs["ladder"], "--table", "ladder", COLUMNS=columns) for columns in ("80", "300"))
    assert "Columns that do not fit: " in narrow.stdout
    assert "Columns that do not fit: cumulative speed-up" in narrow.stdout
    assert "Columns that do not fit: " not in wide.stdout


@pytest.mark.parametrize("name", sorted(MADE_UP.keys() - {"explain"}))
def test_a_run_that_has_just_begun_is_shown(name: str, tmp_path: Path) -> None:
    description, _ = MADE_UP[name]()
    result = run("show", write_run(tmp_path / name, name, description, []))
    assert result.exit_code == 0, result.output


def test_a_gap_whose_cells_are_missing_is_not_explained(tmp_path: Path) -> None:
    refused(run("show", write_run(tmp_path / "run", "explain", explained()[0], [])), "nothing can be attributed")


def test_what_failed_is_said_and_is_the_exit_code(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", "compare", *recorded_run(failures={"torch-eager": "no module"}))
    result = run("show", folder, "--format", "json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["failures"] == ["same-recipe: torch-eager: no module"]
    assert "Failed: same-recipe: torch-eager: no module" in result.stderr


def test_names_from_outside_do_nothing_to_a_terminal(tmp_path: Path) -> None:
    names = ("scratch-\x1b[2J[red]", "torch-\u202e--x:smile:")
    result = run("show", write_run(tmp_path / "run", "compare", *recorded_run(names)))
    assert result.exit_code == 0, result.output
    assert not {"\x1b", "\u202e"} & set(result.stdout)
    assert "[2J[red]" in result.stdout
    assert ":smile:" in result.stdout


# Bad input


def damaged(folder: Path, change: Callable[[list[str]], list[str]]) -> Path:
    """Return a run whose lines of records were changed."""
    here = write_run(folder / "damaged", "compare", *recorded_run())
    lines = (here / "records.jsonl").read_text().splitlines(keepends=True)
    (here / "records.jsonl").write_text("".join(change(lines)))
    return here


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda lines: [*lines, lines[3]], "repeats line 4; expected every record once"),
        (
            lambda lines: [lines[0].replace("same-recipe", "x").replace("as-published", "x"), *lines[1:]],
            "the question 'x'",
        ),
        (lambda lines: [*lines[:-1], lines[-1].replace('"question"', '"questions"')], "`question"),
        (lambda lines: [*lines[:2], lines[2].replace("torch-", "tensor-")], "line 3 is of the implementation 'tensor-"),
        (lambda lines: [lines[0].replace('"session": 0', '"session": null'), *lines[1:]], "session: expected `int`"),
    ],
)
@pytest.mark.parametrize("command", ["show", "report"])
def test_records_that_cannot_be_are_refused_with_their_line(
    tmp_path: Path, command: str, change: Callable[[list[str]], list[str]], said: str
) -> None:
    refused(run(command, damaged(tmp_path, change)), said, "records.jsonl: line ")


@pytest.mark.parametrize("name", ["run.json", "records.jsonl"])
def test_a_pipe_in_place_of_a_file_of_a_run_is_refused_and_not_waited_for(tmp_path: Path, name: str) -> None:
    folder = write_run(tmp_path / "run", "compare", *recorded_run())
    (folder / name).unlink()
    os.mkfifo(folder / name)
    result = run("show", folder)
    assert result.exit_code == 2, result.output


def test_a_terminal_of_no_columns_is_as_good_as_none(runs: dict[str, Path]) -> None:
    assert run("show", runs["ladder"], COLUMNS="0").stdout == run("show", runs["ladder"], COLUMNS="80").stdout


@pytest.mark.parametrize("command", ["show", "report", "export"])
def test_what_is_no_run_is_refused(command: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused(run(command, tmp_path / "nowhere"), "nowhere holds no run; expected a folder with run.json")
    (tmp_path / "latest-ladder").mkdir()
    (tmp_path / "latest-ladder" / "run.json").write_text("{}")
    refused(run(command, tmp_path / "latest"), "holds no run", f"; there is {tmp_path / 'latest-ladder'}")
    refused(run(command, tmp_path), "holds no run")
    refused(run(command, tmp_path / "file"), "is a file")


def test_a_run_of_an_unknown_command_is_refused(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", "guess", *recorded_run())
    refused(run("show", folder), "holds a run of 'guess'; expected one of calibrate, compare, curves, explain, ladder")


def test_a_run_of_another_version_is_refused(tmp_path: Path) -> None:
    description, rows = timed_ladder()
    del description["plan"]["questions"][0]["entries"]
    folder = write_run(tmp_path / "run", "ladder", description, rows)
    refused(run("show", folder), "not the description of a run of this version", "missing required field")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--format", "xml"], ["'xml' is not one of 'text', 'json', 'csv', 'md'"]),
        (["--format", "csv"], ["--format csv prints one table, and there are", "expected --table", "1 (Results: "]),
        (["--table", "99"], ["--table 99 stands for 0 tables", "1 (Results: "]),
        (["--table", "0"], ["--table 0 stands for 0 tables"]),
        (["--table", "results"], ["--table results stands for 2 tables"]),
        (["--table", "prices"], ["--table prices stands for 0 tables"]),
    ],
)
def test_a_form_or_table_that_there_is_not_is_refused(
    runs: dict[str, Path], words: list[str], expected: list[str]
) -> None:
    refused(run("show", runs["compare"], *words), *expected)


# As a process


def started(*words: object, **environment: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "backprop_bench", *map(str, words)]
    here = {**os.environ, "COLUMNS": "100", "PYTHONPATH": str(ROOT / "src"), **environment}
    return subprocess.Popen(command, cwd=ROOT, env=here, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.slow
def test_an_output_without_block_characters_gets_plain_ones(runs: dict[str, Path]) -> None:
    process = started("show", runs["ladder"], PYTHONIOENCODING="ascii")
    shown, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, b"")
    text = shown.decode("ascii")
    assert "####" in text
    assert re.search(r"is 2\.50?x faster", text)
    assert "?" not in text
    assert max(len(line.replace("+-", "±")) for line in text.splitlines()) <= 100, "± is two letters in ASCII"


@pytest.mark.slow
def test_a_reader_that_has_seen_enough_is_no_error(runs: dict[str, Path]) -> None:
    process = started("show", runs["compare"], "--format", "md")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(timeout=60) == CLOSED
    process.stderr.close()


# Completion


def completed(**environment: str) -> str:
    result = CliRunner().invoke(main, [], prog_name="backprop-bench", env=environment)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_the_completion_of_bash_is_a_script_that_bash_can_read() -> None:
    script = completed(_BACKPROP_BENCH_COMPLETE="bash_source")
    assert "complete -o nosort -F _backprop_bench_completion backprop-bench" in script
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("backprop-bench sh", "plain,show"),
        ("backprop-bench show --fo", "plain,--format"),
        ("backprop-bench show --format j", "plain,json"),
        ("backprop-bench show results", "dir,results"),
    ],
)
def test_commands_options_their_values_and_folders_are_completed(line: str, expected: str) -> None:
    number = str(len(line.split()) - 1)
    answer = completed(_BACKPROP_BENCH_COMPLETE="bash_complete", COMP_WORDS=line, COMP_CWORD=number)
    assert expected in answer.splitlines()


# Parquet


@pytest.mark.parametrize("name", SAID)
def test_parquet_has_a_row_per_record(runs: dict[str, Path], name: str, tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    result = run("export", runs[name], "--out", tmp_path / "records.parquet")
    assert result.exit_code == 0, result.output
    frame = pd.read_parquet(tmp_path / "records.parquet")
    rows = [json.loads(line) for line in (runs[name] / RECORDS).read_text().splitlines()]
    assert len(frame) == len(rows)
    assert list(frame["kind"]) == [row["kind"] for row in rows]
    for field in {"wall_s", "start_s", "accuracy"} & set(frame.columns):
        assert list(frame[field].dropna()) == [row[field] for row in rows if row.get(field) is not None]


def test_parquet_has_weights_as_json(tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    lines = (REFERENCE / "reproduce" / RECORDS).read_text().splitlines(keepends=True)
    with_weights = [line for line in lines if json.loads(line).get("weights")][:4]
    assert with_weights
    shutil.copy(REFERENCE / "reproduce" / DESCRIPTION, tmp_path)
    (tmp_path / RECORDS).write_text("".join(with_weights))
    assert run("export", tmp_path).exit_code == 0
    frame = pd.read_parquet(tmp_path / "records.parquet")
    assert list(map(json.loads, frame["weights"])) == [json.loads(line)["weights"] for line in with_weights]
    refused(run("export", tmp_path, "--out", ""), "expected the name of a file")


def test_parquet_of_a_run_that_has_just_begun_has_no_row(tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    folder = write_run(tmp_path / "run", "compare", recorded_run()[0], [])
    assert run("export", folder).exit_code == 0
    assert len(pd.read_parquet(folder / "records.parquet")) == 0
