"""Runs as plain values, as they are in their files: what tests make up, and how the code is handed it."""

import dataclasses
import functools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import msgspec

from backprop_bench.bench.core.engine.tuning import best_rate as _best_rate
from backprop_bench.bench.core.records.kinds import AnyRecord, kind_of
from backprop_bench.bench.core.records.plan import Description, Plan, Question
from backprop_bench.bench.core.records.reader import DESCRIPTION, RECORDS
from backprop_bench.bench.core.records.recorded_run import RecordedRun
from backprop_bench.bench.core.records.writer import plan_to_dict
from backprop_bench.bench.core.stats.ratios import paired_interval as _paired_interval
from backprop_bench.bench.core.stats.ratios import paired_ratio as _paired_ratio
from backprop_bench.bench.core.stats.ratios import pairs_by_replicate as _pairs_by_replicate
from backprop_bench.bench.core.stats.ratios import spent_s as _spent_s
from backprop_bench.bench.core.stats.ratios import under_interference as _under_interference
from backprop_bench.bench.core.summary import summarize as _summarize
from backprop_bench.bench.explain.analysis import explain as _explain
from backprop_bench.bench.explain.analysis import reused as _reused
from backprop_bench.bench.explain.chain import summarize_chain as _summarize_chain
from backprop_bench.bench.explain.command import reuse_sentences as _reuse_sentences
from backprop_bench.bench.historical.verdicts import summarize_reproduction as _summarize_reproduction
from backprop_bench.bench.ladder.analysis import summarize_ladder as _summarize_ladder
from backprop_bench.bench.report.evidence import source_records as _source_records
from backprop_bench.bench.scaling.analysis import summarize_scale as _summarize_scale
from backprop_bench.bench.selftest.analysis import summarize_calibration as _summarize_calibration
from backprop_bench.bench.time_to_accuracy.analysis import candidates as _candidates
from backprop_bench.bench.time_to_accuracy.analysis import choose as _choose
from backprop_bench.bench.time_to_accuracy.analysis import summarize_time_to_accuracy as _summarize_time_to_accuracy
from backprop_bench.data import Recipe

Row = dict[str, Any]
R = TypeVar("R")

KINDS: dict[str, type] = {kind_of(kind): kind for kind in get_args(AnyRecord)}
REQUIRED = {
    name: [field.name for field in msgspec.structs.fields(kind) if field.required and field.name != "session"]
    for name, kind in KINDS.items()
}
"""By kind, the fields that every record of it has, in their order, beside ``kind`` and ``session``."""
FILLED = {
    "session": 0,
    "question": "made-up",
    "implementation": "made-up",
    "replicate": 0,
    "threads": [],
    "timing_pass": 1,
    "block_batches": 1,
    "injected": 0.0,
    "position": 0,
    "cpu_s": 0.0,
    "at_s": 0.0,
    "phase": "timing",
    "message": "it broke",
    "curve": [],
    "reached": True,
    "evaluation_s": 0.1,
}
"""What a made-up record has where a test does not say."""
SOMEWHERE = {
    "environment": {},
    "dataset": "mnist",
    "dataset_crc32": "0",
    "threads": 1,
    "cpus": [0],
    "command": "backprop-bench compare",
}
PLANNED = {"part_blocks": 0, "part_seconds": 0.0, "verification_steps": None}
ASKED = {"name": "made-up", "title": "Made up", "examples": 1000, "test_examples": 10, "epochs": 0, "seeds": []}
TIMED = {"target": 0.02, "budget_s": 60.0, "block_s": 0.06, "rounds": 3, "min_replicates": 3, "order_seed": 0}


def typed(rows: Iterable[Row]) -> list[AnyRecord]:
    """Return made-up rows as the reader would."""
    return [_record(row) for row in rows]


def _record(row: Row) -> AnyRecord:
    required = ("session", *REQUIRED[row["kind"]])
    filled = {name: FILLED.get(name) for name in required if row.get(name) is None}
    found: AnyRecord = msgspec.convert({**row, **filled}, AnyRecord)
    return found


def described(description: Mapping[str, Any]) -> Description:
    """Return a made-up description as the reader would."""
    questions = [_asked(question) for question in description["plan"]["questions"]]
    plan = {**PLANNED, **description["plan"], "questions": questions}
    return msgspec.convert({**SOMEWHERE, **description, "plan": plan}, Description)


def _asked(question: Mapping[str, Any]) -> Row:
    entries = [{"recipe_name": "r", "recipe": Recipe().to_dict(), **_of_label(entry)} for entry in question["entries"]]
    return {**ASKED, **question, "entries": entries, "timing": {**TIMED, **question.get("timing", {})}}


def _of_label(entry: Mapping[str, Any]) -> Row:
    """Return an entry whose label is no other than that which its fields give."""
    implementation = entry.get("implementation", entry.get("label"))
    label = str(entry.get("label", implementation)).removesuffix(" (A/A)")
    return {**entry, "implementation": implementation, "alias": None if label == implementation else label}


def recorded(description: Mapping[str, Any], rows: Iterable[Row]) -> RecordedRun:
    """Return a made-up run as it would be read."""
    return RecordedRun(Path(), described(description), typed(rows))


def read_rows(folder: Path) -> list[Row]:
    """Return the rows of a run as they are in its file, without a last one that was cut."""
    path = folder / RECORDS
    lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in lines]


def read_plain_description(folder: Path) -> Row:
    """Return the description of a run as it is in its file."""
    found: Row = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    return found


def rows_of(rows: Iterable[Row], kind: str, **fields: Any) -> list[Row]:
    """Return the rows of one kind whose fields have these values."""
    return [row for row in rows if row["kind"] == kind and all(row[name] == value for name, value in fields.items())]


def write_description(folder: Path, description: Mapping[str, Any]) -> None:
    """Leave a description on the disk."""
    whole = {**SOMEWHERE, **description}
    if all("entries" in question for question in description.get("plan", {}).get("questions", [{}])):
        found = described(description)
        whole = {**msgspec.to_builtins(found), "plan": plan_to_dict(found.plan)}
    (folder / DESCRIPTION).write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")


def to_plain(plan: Plan) -> Row:
    """Return a plan as it is in the file."""
    return plan_to_dict(plan)


def given(value: Any) -> Any:
    """Return a plain value as the structure that the code takes in its place; others as they are."""
    if isinstance(value, Mapping) and "plan" in value:
        return described(value)
    if isinstance(value, Mapping) and "entries" in value:
        return msgspec.convert(_asked(value), Question)
    if isinstance(value, Mapping) and value.get("kind") in KINDS:
        return _record(dict(value))
    if isinstance(value, Sequence) and value and isinstance(value[0], Mapping) and value[0].get("kind") in KINDS:
        return typed(value)
    return value


def plainly(function: Callable[..., R]) -> Callable[..., R]:
    """Return a function that takes runs as plain values."""

    @functools.wraps(function)
    def taken(*arguments: Any, **named: Any) -> R:
        return function(*map(given, arguments), **{name: given(value) for name, value in named.items()})

    return taken


def as_rows(records: Iterable[AnyRecord]) -> list[Row]:
    """Return records as plain rows."""
    return [msgspec.to_builtins(record) for record in records]


def changed(description: Description, **fields: Any) -> Description:
    """Return a description with other values in some fields."""
    return msgspec.structs.replace(description, **fields)


def with_questions(plan: Plan, questions: Iterable[Question]) -> Plan:
    """Return a plan of other questions."""
    return dataclasses.replace(plan, questions=tuple(questions))


best_rate = plainly(_best_rate)
candidates = plainly(_candidates)
choose = plainly(_choose)
explain = plainly(_explain)
under_interference = plainly(_under_interference)
paired_interval = plainly(_paired_interval)
paired_ratio = plainly(_paired_ratio)
pairs_by_replicate = plainly(_pairs_by_replicate)
source_records = plainly(_source_records)
spent_s = plainly(_spent_s)
summarize = plainly(_summarize)
summarize_chain = plainly(_summarize_chain)
summarize_calibration = plainly(_summarize_calibration)
summarize_ladder = plainly(_summarize_ladder)
summarize_time_to_accuracy = plainly(_summarize_time_to_accuracy)
summarize_reproduction = plainly(_summarize_reproduction)
summarize_scale = plainly(_summarize_scale)
reused = plainly(_reused)
reuse_sentences = plainly(_reuse_sentences)
