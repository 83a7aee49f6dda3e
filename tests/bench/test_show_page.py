"""What a report has beside its numbers: the way to their rows, figures made small, the panel, and further runs."""

import base64
import contextlib
import dataclasses
import io
import itertools
import json
import math
import shlex
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from click.testing import CliRunner

from backprop_bench.bench.cli.main import main
from backprop_bench.bench.cli.other_runs import other_runs, runs_beside
from backprop_bench.bench.compare.figures import draw_all
from backprop_bench.bench.compare.report import Material, make_report, write_report
from backprop_bench.bench.core.network import TrainedNetwork
from backprop_bench.bench.report.blocks import Block, Caution, Heading, Listed, Shown
from backprop_bench.bench.report.evidence import Evidence, source_description
from backprop_bench.bench.report.other_runs import differences, other_run_blocks
from backprop_bench.bench.report.page import data_uri
from backprop_bench.bench.report.panel import Panel, make_panel
from backprop_bench.bench.report.table import sort_value
from backprop_bench.data import InputError, Layer, Recipe
from tests.bench.plain import Row, described, source_records, summarize, typed
from tests.bench.recorded import made_up_outcomes, recorded_run, write_run
from tests.bench.timed import timed_question, timed_run

pytestmark = pytest.mark.xdist_group("show_page")  # what its fixtures make is made once

STAGES_SHOWN = {"float32": 8e-6, "tensors by index": 16e-6}
STAGE_OF = {"float32": "scratch-numpy", "tensors by index": "torch-eager"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of compare on the disk, with a ladder and a broken run within it."""
    folder = tmp_path_factory.mktemp("results") / "here"
    write_run(folder, "compare", *recorded_run())
    write_run(folder / "ladder", "ladder", *timed_run(timed_question("ladder", STAGES_SHOWN, STAGE_OF)))
    write_run(folder / "broken", "scale", {"plan": {}}, [])
    (folder / "pair").mkdir()
    drift = {"float64": [[1, 1e-16], [10, 2e-16]], "float32": [[1, 1e-7], [10, 3e-7]]}
    pair = {"implementation": "scratch-numpy", "against": "torch-eager", "recipe": Recipe().to_dict(), "drift": drift}
    (folder / "pair" / "drift.json").write_text(json.dumps(pair))
    return folder


def blocks_of(run: Path) -> list[Block]:
    description, rows = recorded_run()
    material = Material(summarize(description, rows), typed(rows), other_runs(run))
    figures = {figure.name: figure for figure in draw_all(material.summary, run / "figures")}
    report = make_report(material, figures)
    return [block for section in (*report.sections, *report.appendix) for block in section.blocks]


@pytest.fixture(scope="module")
def evidence(run: Path) -> list[Evidence]:
    """The sources of the tables and figures of a report, each once."""
    result = [block.evidence for block in blocks_of(run) if isinstance(block, Shown)]
    return list({item.python: item for item in result}.values())


@pytest.mark.slow
def test_every_table_and_figure_leads_to_its_rows(run: Path) -> None:
    lost = [
        type(block).__name__ for block in blocks_of(run) if type(block).__name__ in ("Table", "FigureFile", "Picture")
    ]
    assert lost == []


@pytest.mark.slow
def test_the_command_beside_every_number_prints_as_many_rows_as_it_says(
    run: Path, evidence: list[Evidence], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run)
    for item in evidence:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(shlex.split(item.python)[2], {})
        if ".json " in f"{item.source} ":
            assert json.loads(printed.getvalue())
        else:
            assert len(printed.getvalue().splitlines()) - 1 == int(item.source.split()[0].replace(",", "")) > 0


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
def test_the_line_for_jq_prints_the_same(run: Path, evidence: list[Evidence]) -> None:
    for item in evidence:
        printed = subprocess.run(item.jq, shell=True, cwd=run, check=True, capture_output=True, text=True).stdout
        if ".json " in f"{item.source} ":
            assert json.loads(printed)
        else:
            assert len(printed.splitlines()) == int(item.source.split()[0].replace(",", ""))


def test_a_shell_takes_the_commands_as_they_are_whatever_the_names(tmp_path: Path) -> None:
    odd = """it's "$HOME" `id` \\ ü"""
    rows: list[Row] = [
        {"kind": "stop", "session": 0, "question": name, "reason": "alone", "replicates": 1, "spent_s": spent_s}
        for name, spent_s in ((odd, 7.0), ("other", 8.0))
    ]
    (tmp_path / odd).mkdir()
    (tmp_path / odd / "records.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    item = source_records(rows, ["stop"], odd, odd)
    command = item.python.replace("python", shlex.quote(sys.executable), 1)
    printed = subprocess.run(command, shell=True, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert float(printed.splitlines()[1].split()[-1]) == 7
    assert json.loads(item.records[0]) == rows[0]


def test_what_is_in_the_description_is_printed_from_there() -> None:
    assert source_description("environment", "ladder").jq == "jq .environment ladder/run.json"


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("1,234.5 MiB", 1234.5 * 2**20),
        ("45.6 ms (45.1–46.0)", 0.0456),
        ("−0.12 (−0.3 to 0.1)", -0.12),
        ("+3.40 (+1.28 to +5.51)", 3.4),
        ("97.62 % (97.51–97.73)", 97.62),
        ("3.1e-07", 3.1e-7),
        ("< 0.001", 0.001),
        ("118 µs", 118e-6),
        ("2.4 TFLOP/s", 2.4e12),
        ("2 of 3", 2.0),
        ("106 ×", 106.0),
        ("–", None),
        ("yes", None),
        ("2026-11-25T12:12:06+00:00", None),
        ("0.1.0", None),
        ("8-3-8", None),
    ],
)
def test_a_cell_is_sorted_by_the_number_that_it_begins_with(cell: str, value: float | None) -> None:
    result = sort_value(cell)
    assert (result is None) if value is None else (result is not None and math.isclose(float(result), value))


def test_a_figure_in_an_address_is_the_same_svg() -> None:
    svg = '<svg xmlns="http://www.w3.org/2000/svg">\n  <path id="a%1" d="M 0 0 &amp; L 1 1"/>\n</svg>'
    address = data_uri(svg)
    assert '"' not in address
    head, _, content = address.partition(",")
    assert head == "data:image/svg+xml"
    before, after = (ET.fromstring(text)[0].attrib for text in (svg, unquote(content)))
    assert before == after


def network(sizes: tuple[int, ...], **changes: Any) -> TrainedNetwork:
    rng = np.random.default_rng(3)
    layers = tuple(
        Layer(rng.normal(0, 0.1, shape).astype(np.float32), rng.normal(0, 0.1, shape[1]).astype(np.float32))
        for shape in itertools.pairwise(sizes)
    )
    one = TrainedNetwork(
        "same-recipe", "scratch-numpy", 0, 1, layers, np.zeros(1, np.int64), np.ones(1, np.float32), (0.0, 1.0),
        "sigmoid", "softmax",
    )  # fmt: skip
    return dataclasses.replace(one, **changes)


def test_weights_are_float32_where_there_is_room_and_float16_where_there_is_less() -> None:
    one = network((784, 30, 10))
    n_weights = 784 * 30 + 30 + 30 * 10 + 10
    for max_characters, precision in ((6 * n_weights, "f4"), (3 * n_weights, "f2")):
        panel = make_panel([one], max_characters=max_characters)
        assert isinstance(panel, Panel)
        kept = json.loads(panel.to_json())["networks"][0]["layers"][0]["weight"]
        result = np.frombuffer(base64.b64decode(kept), f"<{precision}").reshape(784, 30)
        np.testing.assert_array_equal(result, one.layers[0].weight.astype(precision))


@pytest.mark.parametrize(
    ("networks", "max_characters", "reason"),
    [
        ([], 10**6, "no trained network of this run is at hand"),
        ([network((30, 5, 2))], 10**6, "30 inputs are no square image"),
        ([network((49, 5, 2))], 10**6, "49 inputs are no square image of 8 by 8 or more"),
        ([network((64, 5, 2))], 100, "too large"),
    ],
)
def test_a_panel_that_is_left_out_says_why(networks: list[TrainedNetwork], max_characters: int, reason: str) -> None:
    result = make_panel(networks, max_characters=max_characters)
    assert isinstance(result, str)
    assert reason in result


def test_where_not_all_networks_fit_the_last_question_is_kept() -> None:
    result = make_panel([network((64, 5, 2), question="first"), network((64, 5, 2))], max_characters=1000)
    assert isinstance(result, Panel)
    assert [item.question for item in result.networks] == ["same-recipe"]


@pytest.mark.slow
def test_names_that_would_end_the_script_are_text_on_the_page(tmp_path: Path) -> None:
    evil = "torch-</script><script>alert(1)</script>"
    description, rows = recorded_run(("scratch-numpy", evil))
    outcomes = made_up_outcomes(description, side=8, names=[f"{evil} {number}" for number in range(10)])
    page = write_report(Material(summarize(description, rows, outcomes)), tmp_path)[0]
    text = page.read_text("utf-8")
    assert text.count("</script") == 3
    assert "alert(1)</script>" not in text


def test_further_runs_are_shown_with_where_they_come_from_and_a_broken_one_in_one_sentence(run: Path) -> None:
    description, _ = recorded_run()
    shown = other_run_blocks(other_runs(run), "fast", described(description))
    assert [block.text for block in shown if isinstance(block, Heading)] == [
        "How time grows: broken",
        "Speed-up of every stage: ladder",
    ]
    assert "The run in broken cannot be shown: " in str(shown[1])
    assert "missing required field `questions`" in str(shown[1])
    assert any("1 thread each" in str(block) for block in shown)
    assert any(isinstance(block, Caution) and "its environment is unknown" in block.text for block in shown)
    assert any(isinstance(block, Listed) and "tensors by index" in str(block) for block in shown)
    assert any(isinstance(block, Shown) and "in ladder/records.jsonl" in block.evidence.source for block in shown)


def test_a_further_run_with_torn_records_or_none_leaves_the_report_whole(tmp_path: Path) -> None:
    write_run(tmp_path / "run", "compare", *recorded_run())
    torn = write_run(tmp_path / "run" / "torn", "ladder", *timed_run(timed_question("ladder", STAGES_SHOWN, STAGE_OF)))
    (torn / "records.jsonl").write_text("{}\n")
    (tmp_path / "run" / "odd").mkdir()
    (tmp_path / "run" / "odd" / "run.json").write_text("[]")
    (tmp_path / "run" / "odd-drift").mkdir()
    (tmp_path / "run" / "odd-drift" / "drift.json").write_text("{}")
    sentences = [further.trouble or "" for further in other_runs(tmp_path / "run")]
    assert [bool(sentence) for sentence in sentences] == [True, True, True]
    assert str(tmp_path) not in " ".join(sentences)


def test_runs_are_found_within_a_folder_and_those_of_other_commands_beside_the_latest(tmp_path: Path) -> None:
    results = tmp_path / "results"
    run = write_run(results / "one", "compare", *recorded_run(keep_rows=0))
    write_run(results / "two", "ladder", *timed_run(timed_question("ladder", STAGES_SHOWN, STAGE_OF)))
    write_run(run / "inner", "ladder", *timed_run(timed_question("ladder", STAGES_SHOWN, STAGE_OF)))
    (results / "latest-ladder").symlink_to("two")
    assert [path.name for path in runs_beside(run)] == ["inner"]
    (results / "latest").symlink_to("one")
    assert [path.name for path in runs_beside(run)] == ["inner", "latest-ladder"]
    assert [further.folder for further in other_runs(results / "latest")] == ["inner", "../two"]


@pytest.mark.slow
def test_with_names_the_runs_to_show_and_nothing_else(run: Path, tmp_path: Path) -> None:
    other = write_run(tmp_path / "other", "compare", *recorded_run())
    asked = CliRunner().invoke(main, ["report", str(run), "--with", str(other)])
    assert asked.exit_code == 0, asked.output
    page = (run / "report.html").read_text("utf-8")
    assert "Another comparison" in page
    assert "Speed-up of every stage" not in page


def test_with_a_folder_that_is_not_there_or_beside_a_run_of_another_command_is_refused(run: Path) -> None:
    with pytest.raises(InputError, match="there is no such folder"):
        other_runs(run, [run / "nowhere"])
    asked = CliRunner().invoke(main, ["report", str(run / "ladder"), "--with", str(run)])
    assert asked.exit_code == 2
    assert "includes no other runs" in asked.output


def test_the_same_machine_and_versions_are_no_difference_and_others_are_named() -> None:
    description, _ = recorded_run()
    assert differences(described(description), described(description)) == []
    environment = description["environment"]
    other = {
        **description,
        "environment": {**environment, "packages": {**environment["packages"], "numpy": "1.0"}, "source_crc32": "x"},
    }
    other["environment"]["python"] = "3.0"
    assert differences(described(other), described(description)) == [
        "other versions of numpy and Python",
        "another version of this suite: commit 0123456789 there, commit 0123456789 here",
    ]
