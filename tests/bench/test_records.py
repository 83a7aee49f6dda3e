"""Records survive what happens to a run, and what is wrong in them is named with its line."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest

from backprop_bench.bench.core.engine.run_log import RunLog
from backprop_bench.bench.core.records.kinds import Block, Failure
from backprop_bench.bench.core.records.reader import of_kind, read_description, read_records
from backprop_bench.bench.core.records.recorded_run import read_run
from backprop_bench.bench.core.records.writer import Recorder
from backprop_bench.data import InputError, Recipe
from tests.bench.plain import SOMEWHERE, TIMED, read_rows, typed, write_description
from tests.bench.recorded import recorded_run

FIELDS = {"question": "q", "implementation": "i", "phase": "timing", "number": 0, "message": "m"}


def failure(message: str = "m") -> Failure:
    return Failure(session=0, question="q", implementation="i", phase="timing", number=0, message=message)


def block(**changes: Any) -> str:
    """Return a line with a block, some of its values changed; ``...`` takes a field out."""
    row = next(row for row in recorded_run(with_parts=False)[1] if row["kind"] == "block")
    changed = {**row, **changes}
    return json.dumps({name: value for name, value in changed.items() if value is not ...})


def test_a_record_is_on_the_disk_when_append_returns(tmp_path: Path) -> None:
    with Recorder(tmp_path) as recorder:
        recorder.append(failure())
        assert read_rows(tmp_path) == [{"kind": "failure", "session": 0, **FIELDS}]


def test_what_is_written_is_read_as_it_was(tmp_path: Path) -> None:
    records = typed(recorded_run()[1])
    with Recorder(tmp_path) as recorder:
        recorder.append(*records)
    assert read_records(tmp_path) == records


def test_every_resumed_session_has_the_next_number(tmp_path: Path) -> None:
    for number in range(3):
        with Recorder(tmp_path) as recorder:
            assert recorder.session == number
            recorder.append(msgspec.structs.replace(failure(), session=recorder.session))


def test_a_line_cut_short_by_a_kill_is_left_out_and_then_removed(tmp_path: Path) -> None:
    with Recorder(tmp_path) as recorder:
        recorder.append(failure("first"))
    with (tmp_path / "records.jsonl").open("a") as file:
        file.write('{"kind": "fail')
    assert len(read_records(tmp_path)) == 1
    with Recorder(tmp_path) as recorder:
        recorder.append(failure("second"))
    assert [record.message for record in of_kind(read_records(tmp_path), Failure)] == ["first", "second"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("nonsense", "no record; expected a JSON object with a known kind"),
        ("[1]", "no record; expected a JSON object with a known kind"),
        ('{"kind": "unheard of"}', "no record; expected a JSON object with a known kind"),
        (block(wall_s=...), "kind 'block': object missing required field `wall_s`"),
        (block(wall_s="fast"), "kind 'block': wall_s: expected `float`, got `str`"),
        (block(wall_s=None), "kind 'block': wall_s: expected `float`, got `null`"),
        (block(wall_s=0.0), "kind 'block': wall_s: expected `float` > 0.0"),
        (block(wall_s=-1.0), "kind 'block': wall_s: expected `float` > 0.0"),
        (block(wall_s=float("nan")), "kind 'block': wall_s: expected a finite number"),
        (block(wall_s=float("inf")), "kind 'block': wall_s: expected a finite number"),
        (block(wall_s=7.5).replace("7.5", "1e400"), "kind 'block': wall_s: expected a finite number"),
        (block(examples=0), "kind 'block': examples: expected `int` >= 1"),
        (block(examples=1.5), "kind 'block': examples: expected `int`, got `float`"),
        (block(session=-1), "kind 'block': session: expected `int` >= 0"),
        (block(session=True), "kind 'block': session: expected `int`, got `bool`"),
        (block(set=3), "kind 'block': object contains unknown field `set`"),
        ('{"kind": []}', "no record; expected a JSON object with a known kind"),
        ("[" * 100_000, "no record; expected a JSON object with a known kind"),
        (block().replace("scratch", "\udcff", 1), "no record; expected a JSON object with a known kind"),
    ],
)
def test_a_line_that_is_no_record_is_named_with_what_is_wrong(tmp_path: Path, line: str, said: str) -> None:
    with Recorder(tmp_path) as recorder:
        recorder.append(failure())
    with (tmp_path / "records.jsonl").open("a", encoding="utf-8", errors="surrogateescape") as file:
        file.write(line + "\n")
    with pytest.raises(InputError, match="line 2") as refused:
        read_records(tmp_path)
    assert said in str(refused.value)


def test_a_record_that_is_there_twice_is_named_with_both_lines(tmp_path: Path) -> None:
    lines = [block(), block(round=1), block()]
    (tmp_path / "records.jsonl").write_text("".join(f"{line}\n" for line in lines))
    with pytest.raises(InputError, match="line 3 repeats line 1; expected every record once"):
        read_records(tmp_path)


def test_a_run_without_a_question_is_refused(tmp_path: Path) -> None:
    write_description(tmp_path, {"plan": {**WHOLE, "questions": []}})
    with pytest.raises(InputError, match=r"run\.json: the plan of the run has no question, expected at least one"):
        read_run(tmp_path)


def test_what_broke_twice_in_the_same_way_is_recorded_once(tmp_path: Path) -> None:
    write_description(tmp_path, {"plan": _plan(Recipe().to_dict())})
    (question,) = read_description(tmp_path).plan.questions
    with Recorder(tmp_path) as recorder:
        log = RunLog(recorder, [])
        for number in (1, 1, 2):
            log.add_failure(question, question.entries[0], "timing", number, "its process was ended by signal 9")
    assert [record.number for record in of_kind(read_records(tmp_path), Failure)] == [1, 2]


def test_a_pipe_in_place_of_the_records_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "records.jsonl")
    with pytest.raises(InputError, match="is no file"):
        read_records(tmp_path)


def test_a_full_disk_ends_in_one_sentence_and_loses_no_earlier_record(tmp_path: Path) -> None:
    program = f"""
import resource, signal
from pathlib import Path
from backprop_bench.bench.core.records.kinds import Failure
from backprop_bench.bench.core.records.recorded_run import read_run
from backprop_bench.bench.core.records.writer import Recorder
from backprop_bench.data import InputError, Recipe
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
with Recorder(Path({str(tmp_path)!r})) as recorder:
    try:
        for number in range(100):
            fields = {FIELDS!r} | {{"number": number}}
            recorder.append(Failure(session=0, **fields))
    except InputError as error:
        print(number, error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    number, sentence = done.stdout.split(" ", 1)
    assert "cannot write records" in sentence
    assert len(read_records(tmp_path)) == int(number) > 5
    assert (tmp_path / "records.jsonl").read_bytes().endswith(b"}\n")


def test_pandas_reads_records_in_one_line(tmp_path: Path) -> None:
    with Recorder(tmp_path) as recorder:
        recorder.append(failure("first"), failure("second"))
    frame = pd.read_json(tmp_path / "records.jsonl", lines=True)
    assert list(frame["message"]) == ["first", "second"]


def test_records_are_selected_by_kind_and_fields() -> None:
    records = typed(recorded_run()[1])
    blocks = of_kind(records, Block, question="same-recipe", implementation="torch-eager")
    assert {record.implementation for record in blocks} == {"torch-eager"}
    assert 0 < len(blocks) < len(of_kind(records, Block))


def test_a_description_is_read_as_it_was_written(tmp_path: Path) -> None:
    description, _ = recorded_run()
    write_description(tmp_path, {**description, "plan": {**WHOLE, **description["plan"]}})
    read = read_description(tmp_path)
    assert [question.name for question in read.plan.questions] == ["as-published", "same-recipe"]
    assert read.environment["cpu"]["model"] == "AMD EPYC 9R14"


WHOLE = {"part_blocks": 0, "part_seconds": 0.0, "verification_steps": None}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"learning_rate": 0.1},
        {"skip_connection": True},
        {"schedule": ((2, 0.1, 0.0),), "multiplicative_decay": 0.1},
    ],
    ids=str,
)
def test_a_recipe_is_read_with_its_class_and_all_its_fields(tmp_path: Path, changes: dict[str, Any]) -> None:
    recipe = Recipe().replace(**changes)
    write_description(tmp_path, {"plan": _plan(recipe.to_dict())})
    (question,) = read_description(tmp_path).plan.questions
    assert question.entries[0].recipe == recipe
    assert type(question.entries[0].recipe) is type(recipe)


def _plan(recipe: object) -> dict[str, Any]:
    entry = {"implementation": "scratch-numpy", "recipe_name": "r", "recipe": recipe}
    question = {"name": "q", "title": "", "examples": 1, "test_examples": 1, "epochs": 1, "seeds": [0]}
    return {**WHOLE, "questions": [{**question, "entries": [entry], "timing": TIMED}]}


def _planned(recipe: object) -> str:
    return json.dumps({**SOMEWHERE, "plan": _plan(recipe)})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[]", "expected `object`, got `array`"),
        ("nonsense", "expected a JSON object"),
        ('{"plan": {}}', "missing required field"),
        ('{"plan": {"questions": 3}}', "plan.questions"),
        (_planned(3), "recipe: expected `object`, got `int`"),
        (_planned({"learning_rat": 0.1}), "recipe has no field 'learning_rat'"),
        (_planned({"skip_connection": 1}), "skip_connection is 1, expected True or False"),
        ("[" * 100_000, "expected a JSON object"),
        ('{"command": "\udcff"}', "expected a JSON object"),
    ],
)
def test_a_description_of_another_version_is_named_with_what_is_wrong(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "run.json").write_text(content, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(InputError, match="is not the description of a run") as refused:
        read_description(tmp_path)
    assert said in str(refused.value)
