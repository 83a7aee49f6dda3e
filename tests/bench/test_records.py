"""Records survive what happens to a run."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from backprop_bench.bench.core.records.rows import Recorder, read_description, read_rows, rows_of, write_description
from backprop_bench.data import InputError

FAILURE = {"question": "q", "implementation": "i", "phase": "timing", "number": 0, "message": "m"}


def test_a_row_is_on_the_disk_when_append_returns(tmp_path: Path) -> None:
    with Recorder(tmp_path) as recorder:
        recorder.append("failure", FAILURE)
        assert read_rows(tmp_path) == [{"kind": "failure", "session": 0, **FAILURE}]


def test_every_resumed_session_has_the_next_number(tmp_path: Path) -> None:
    for _ in range(3):
        with Recorder(tmp_path) as recorder:
            recorder.append("failure", FAILURE)
    assert [row["session"] for row in read_rows(tmp_path)] == [0, 1, 2]


def test_a_line_cut_short_by_a_kill_is_left_out_and_then_removed(tmp_path: Path) -> None:
    with Recorder(tmp_path) as recorder:
        recorder.append("failure", FAILURE)
    with (tmp_path / "records.jsonl").open("a") as file:
        file.write('{"kind": "fail')
    assert len(read_rows(tmp_path)) == 1
    with Recorder(tmp_path) as recorder:
        recorder.append("failure", FAILURE)
    assert len(read_rows(tmp_path)) == 2


@pytest.mark.parametrize("line", ["nonsense", "[1]", '{"kind": "unheard of"}', '{"kind": "failure", "session": 0}'])
def test_a_line_that_is_no_record_is_named(tmp_path: Path, line: str) -> None:
    with Recorder(tmp_path) as recorder:
        recorder.append("failure", FAILURE)
    with (tmp_path / "records.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(InputError, match="line 2"):
        read_rows(tmp_path)


def test_a_full_disk_ends_in_one_sentence_and_loses_no_earlier_row(tmp_path: Path) -> None:
    program = f"""
import resource, signal
from pathlib import Path
from backprop_bench.bench.core.records.rows import Recorder
from backprop_bench.data import InputError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
with Recorder(Path({str(tmp_path)!r})) as recorder:
    try:
        for number in range(100):
            recorder.append("failure", {FAILURE!r})
    except InputError as error:
        print(number, error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    number, sentence = done.stdout.split(" ", 1)
    assert "cannot write records" in sentence
    assert len(read_rows(tmp_path)) == int(number) > 5
    assert (tmp_path / "records.jsonl").read_bytes().endswith(b"}\n")


def test_a_row_with_a_wrong_field_is_a_mistake_of_the_caller(tmp_path: Path) -> None:
    with Recorder(tmp_path) as recorder, pytest.raises(TypeError, match="has the fields"):
        recorder.append("failure", {**FAILURE, "injected": 1})


def test_pandas_reads_records_in_one_line(tmp_path: Path) -> None:
    with Recorder(tmp_path) as recorder:
        recorder.append("failure", FAILURE, FAILURE)
    frame = pd.read_json(tmp_path / "records.jsonl", lines=True)
    assert list(frame["message"]) == ["m", "m"]


def test_rows_are_chosen_by_kind_and_fields() -> None:
    rows = [{"kind": "a", "x": 1}, {"kind": "a", "x": 2}, {"kind": "b", "x": 1}]
    assert rows_of(rows, "a", x=1) == [rows[0]]


def test_a_description_reads_back_as_it_was_written(tmp_path: Path) -> None:
    description = {"plan": {}, "environment": {}, "dataset": "mnist", "dataset_crc32": "0", "threads": 1}
    description |= {"cpus": [0], "command": "backprop-bench compare"}
    write_description(tmp_path, description)
    assert read_description(tmp_path) == description
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no run: run\.json is missing"):
        read_description(tmp_path)
    (tmp_path / "run.json").write_text(json.dumps([1]) + "garbage")
    with pytest.raises(InputError, match="is not the description of a run"):
        read_description(tmp_path)
