"""Trained networks: kept by a run, read again, shown, and refused where they are not what was recorded."""

import contextlib
import dataclasses
import hashlib
import io
import json
import math
import os
import pickle
import re
import shutil
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from backprop_bench.bench.cli.main import main
from backprop_bench.bench.core import trained
from backprop_bench.bench.core.engine.accuracy import train_question
from backprop_bench.bench.core.engine.context import RunContext
from backprop_bench.bench.core.engine.progress import Silent
from backprop_bench.bench.core.engine.run_log import RunLog
from backprop_bench.bench.core.records.kinds import Trained
from backprop_bench.bench.core.records.plan import Plan
from backprop_bench.bench.core.records.reader import of_kind, read_description, read_records
from backprop_bench.bench.core.records.writer import Recorder
from backprop_bench.bench.core.trained import (
    NotSaved,
    check_saved,
    confidence,
    expected_arrays,
    most_bytes,
    parse_trained,
    read_network,
    read_trained,
    trained_file,
)
from backprop_bench.bench.core.worker.client import start_again
from backprop_bench.bench.core.worker.shared_data import SharedForms
from backprop_bench.data import (
    InputError,
    batch_order,
    evaluation_examples,
    initial_parameters,
    load_dataset,
    training_examples,
)
from backprop_bench.scratch.numpy_trainer import NumpyTrainer
from tests.bench.plain import Row, described, read_rows, rows_of, to_plain, typed
from tests.bench.recorded import write_run
from tests.bench.test_comparison import N_EXAMPLES, N_TEST, ODD, RECIPE, describe, plan_of
from tests.tiny import write_tiny_dataset

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("trained")]  # what its fixtures make is made once

HEADING = "What do they get wrong?"
NAMES = ("scratch-numpy", "torch-eager", "Fine", "Diverging")
PLAN = plan_of(*NAMES)
EXPECTED = expected_arrays(RECIPE, N_TEST)
REFERENCE = Path(__file__).parents[2] / "results" / "reference"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_tiny_dataset(tmp_path_factory.mktemp("tiny"), N_EXAMPLES, N_TEST)


def train(folder: Path, plan: Plan, dataset: str) -> list[Row]:
    """Train what is missing in a folder, and return all of its rows."""
    (question,) = plan.questions
    try:
        loaded = load_dataset(dataset)
        with Recorder(folder) as recorder, SharedForms(loaded) as shared:
            log = RunLog(recorder, read_records(folder))
            context = RunContext(dataclasses.replace(plan, keeps_trained=True), loaded, 1, log, Silent())
            train_question(context, question, question.seeds, shared)
    finally:
        start_again()  # as a comparison does: what ended early stopped all workers
    return read_rows(folder)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, dataset: str) -> tuple[Path, list[Row]]:
    folder = tmp_path_factory.mktemp("run")
    return folder, train(folder, plan_of(*NAMES), dataset)


def copy_of(run: tuple[Path, list[Row]], to: Path) -> tuple[Path, Row]:
    """Return a folder with the file of the first network alone, and its row."""
    folder, rows = run
    row = rows_of(rows, "trained", implementation="scratch-numpy")[0]
    (to / "trained").mkdir()
    (to / row["file"]).write_bytes((folder / row["file"]).read_bytes())
    return to, row


def recorded(row: Row, content: bytes) -> Row:
    """Return a row as if this had been recorded."""
    return {**row, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def archive(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def arrays_of(content: bytes) -> dict[str, Any]:
    with np.load(io.BytesIO(content), allow_pickle=False) as result:
        return dict(result)


def test_a_network_that_a_page_would_compute_otherwise_is_left_out(run: tuple[Path, list[Row]], tmp_path: Path) -> None:
    folder, row = copy_of(run, tmp_path)
    (question,) = PLAN.questions
    entries = [dataclasses.replace(entry, recipe=entry.recipe.replace(standardize=True)) for entry in question.entries]
    plan = dataclasses.replace(PLAN, questions=(dataclasses.replace(question, entries=tuple(entries)),))
    with pytest.raises(InputError, match="is of a recipe with standardize, which a page does not compute"):
        read_network(folder, one(row), plan)


def test_the_first_seed_of_each_implementation_is_kept_as_it_was_after_the_last_epoch(
    run: tuple[Path, list[Row]], dataset: str
) -> None:
    folder, rows = run
    networks = {network.implementation: network for network in read_trained(folder, typed(rows), PLAN)}
    assert set(networks) == {"scratch-numpy", "torch-eager", f"{ODD}:Fine"}, "Diverging has nothing to keep"
    examples = load_dataset(dataset)
    x, tests = training_examples(RECIPE, examples), evaluation_examples(RECIPE, examples)
    trainer = NumpyTrainer(RECIPE, initial_parameters(RECIPE))
    for epoch in range(2):
        trainer.train_epoch(x.x, x.t, batch_order(RECIPE, N_EXAMPLES, epoch))
    scores = trainer.predict(tests.x)
    for network in networks.values():
        assert (network.seed, network.epoch, network.n_inputs, network.n_classes) == (0, 2, 16, 3)
        for layer, expected in zip(network.layers, trainer.parameters(), strict=True):
            for result, right in zip(layer.arrays(), expected.arrays(), strict=True):
                assert result.shape == right.shape
                assert np.abs(result - right).max() < 1e-5
        assert (network.predicted == scores.argmax(axis=1)).all()
        np.testing.assert_allclose(network.confidence, scores.max(axis=1), atol=1e-5)
        accuracy = (network.predicted == tests.y).mean()
        last = rows_of(rows, "epoch", implementation=network.implementation, seed=0, epoch=2)
        assert accuracy == pytest.approx(last[0]["accuracy"])


def test_a_row_says_what_one_needs_to_show_the_network_a_example(run: tuple[Path, list[Row]], dataset: str) -> None:
    folder, rows = run
    for row in rows_of(rows, "trained"):
        assert (row["dataset"], row["input_range"]) == (dataset, [0.0, 1.0])
        assert (row["hidden_activation"], row["output_activation"]) == ("sigmoid", "softmax")
        if row["file"] is not None:
            assert row["bytes"] == (folder / row["file"]).stat().st_size
    (diverged,) = rows_of(rows, "trained", implementation=f"{ODD}:Diverging")
    assert (diverged["file"], diverged["sha256"], diverged["bytes"]) == (None, None, None)


def test_nothing_else_is_left_beside_the_networks_and_no_file_name_needs_quoting(run: tuple[Path, list[Row]]) -> None:
    folder, rows = run
    result = sorted(str(path.relative_to(folder)) for path in (folder / "trained").iterdir())
    assert result == sorted(row["file"] for row in rows_of(rows, "trained") if row["file"])
    assert result[1:] == ["trained/same-recipe.scratch-numpy.npz", "trained/same-recipe.torch-eager.npz"]
    assert result[0].startswith("trained/same-recipe.odd_trainers-py-Fine-"), "no folder of the machine is in it"


def test_names_of_files_are_safe_short_and_never_one_for_two_names() -> None:
    names = ["mine", "../../mine:A", "mine.A", "mine:A", "x" * 300 + "a", "x" * 300 + "b", ".hidden", "", "é", "a b"]
    files = [trained_file("q", name) for name in names]
    assert len(set(files)) == len(files)
    for file in files:
        assert trained.FILE.fullmatch(file), file
        assert len(file) < 120


def test_a_training_that_was_stopped_between_file_and_row_is_done_again_and_nothing_is_there_twice(
    run: tuple[Path, list[Row]], dataset: str, tmp_path: Path
) -> None:
    _, rows = run
    names = ("scratch-numpy", "Fine", "Diverging")
    before = [row for row in rows if row["kind"] != "trained" and row["implementation"] != "torch-eager"]
    recorder = Recorder(tmp_path)
    recorder.append(*typed(before))
    again = train(tmp_path, plan_of(*names), dataset)
    assert [row for row in again if row["kind"] != "trained"] == before
    made, first = ({row["implementation"]: row["sha256"] for row in rows_of(of, "trained")} for of in (again, rows))
    assert made.items() < first.items(), "the same training gives the same bytes"
    assert len(rows_of(again, "trained")) == len(names)
    assert train(tmp_path, plan_of(*names), dataset) == again


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("LosingALayer", "parameters() returned 1 layers of weights, expected 2"),
        ("GivingObjects", "the weight of layer 1 is object [16, 8], expected numbers [16, 8]"),
        ("GivingInfinities", "the weight of layer 1 has entries that are no numbers of float32"),
        ("GivingNoOutputs", "the output of predict() is float32 [100, 1], expected numbers [100, 3]"),
        ("RefusingLate", "raised ValueError: RefusingLate cannot do this recipe: epochs: there were too many"),
        ("DyingLate", "its process ended with exit code 4"),
    ],
)
def test_nonsense_in_place_of_a_network_is_a_failure_on_the_record_and_not_tried_again(
    tmp_path: Path, dataset: str, name: str, words: str
) -> None:
    plan = plan_of(name, seeds=1)
    rows = train(tmp_path, plan, dataset)
    (failure,) = rows_of(rows, "failure")
    assert (failure["phase"], failure["number"]) == ("training", 0)
    assert failure["message"].startswith("the trained network is not kept: ")
    assert words in failure["message"]
    assert rows_of(rows, "trained") == []
    assert len(rows_of(rows, "epoch")) == 3, "what was measured is kept"
    assert train(tmp_path, plan, dataset) == rows


def test_a_folder_that_cannot_be_written_ends_the_run_in_one_sentence(tmp_path: Path, dataset: str) -> None:
    (tmp_path / "trained").write_text("in the way")
    with pytest.raises(InputError, match=r"trained/same-recipe\.scratch-numpy\.npz: cannot write"):
        train(tmp_path, plan_of("scratch-numpy", seeds=1), dataset)


def test_a_plan_other_than_that_of_a_comparison_keeps_no_networks() -> None:
    assert plan_of("Fine").keeps_trained is False
    assert described({"plan": to_plain(plan_of("Fine"))}).plan.keeps_trained is False
    kept = dataclasses.replace(plan_of("Fine"), keeps_trained=True)
    assert described({"plan": to_plain(kept)}).plan.keeps_trained is True


@pytest.mark.parametrize(
    ("scores", "target_range", "expected"),
    [
        ([0.7, 0.2, 0.1], (0.0, 1.0), 0.7),  # softmax
        ([0.9, 0.6, 0.3], (0.0, 1.0), 0.5),  # sigmoid: 0.9 of 1.8
        ([0.91, 0.01, 0.31], (0.01, 0.99), 0.75),  # 0.9 of 0.9 + 0 + 0.3 above the target of what is off
        ([1.5, -0.5, 0.5], (0.0, 1.0), 0.75),  # identity: what is below counts as 0
        ([-0.5, -0.6, -0.7], (0.0, 1.0), 1 / 3),  # none is above
        ([0.0, 0.0, 0.0], (0.0, 1.0), 1 / 3),
    ],
)
def test_confidence_is_the_share_of_the_largest_output(
    scores: list[float], target_range: tuple[float, float], expected: float
) -> None:
    result = confidence(np.array([scores, scores], np.float32), target_range)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, 2 * [expected], rtol=1e-6)


def test_a_missing_file_is_named(run: tuple[Path, list[Row]], tmp_path: Path) -> None:
    _, rows = run
    with pytest.raises(InputError, match=r"trained/same-recipe\.scratch-numpy\.npz cannot be read: No such file"):
        read_trained(tmp_path, typed(rows), PLAN)


@pytest.mark.parametrize("change", [lambda content: content[:-40], lambda content: content + b"x", lambda _: b""])
def test_a_file_that_was_cut_or_altered_is_named(run: tuple[Path, list[Row]], tmp_path: Path, change: Any) -> None:
    folder, row = copy_of(run, tmp_path)
    path = folder / row["file"]
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(InputError, match=r"scratch-numpy\.npz is not the file that was recorded"):
        read_network(folder, one(row), PLAN)


def one(row: Row) -> Trained:
    (record,) = of_kind(typed([row]), Trained)
    return record


class Opened:
    """What a pickled file would make of whoever opens it."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return pytest.fail, ("a pickled file was opened",)


FOREIGN = {
    "text": b"no archive at all",
    "a single array": b"\x93NUMPY" + bytes(100),
    "pickled": pickle.dumps(Opened()),
    "pickled within": archive(weight_0=np.array([Opened()], object)),
    "no layers": archive(predicted=np.zeros(2, np.uint16), confidence=np.ones(2, np.float32)),
    "cut within": archive(weight_0=np.zeros((3, 2), np.float32))[:200],
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_file_is_refused_and_never_unpickled_even_if_it_is_the_recorded_one(
    run: tuple[Path, list[Row]], tmp_path: Path, content: bytes
) -> None:
    folder, row = copy_of(run, tmp_path)
    (folder / row["file"]).write_bytes(content)
    with pytest.raises(InputError, match=r"scratch-numpy\.npz is (no|an) archive"):
        read_network(folder, one(recorded(row, content)), PLAN)


WRONG: dict[str, dict[str, Any]] = {
    "another array": {"scores": np.zeros(3)},
    "a bias too long": {"bias_1": np.zeros(4, np.float32)},
    "layers that do not follow": {"weight_1": np.zeros((7, 3), np.float32)},
    "a layer left out": {"weight_3": np.zeros((3, 3), np.float32)},
    "float64": {"weight_0": np.zeros((16, 8))},
    "no numbers": {"weight_0": np.full((16, 8), np.nan, np.float32)},
    "a class that is not there": {"predicted": np.full(N_TEST, 3, np.uint16)},
    "classes of another kind": {"predicted": np.zeros(N_TEST)},
    "too few examples": {"confidence": np.zeros(N_TEST - 1, np.float32)},
    "a confidence that is none": {"confidence": np.full(N_TEST, np.inf, np.float32)},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_an_archive_of_something_else_is_refused(run: tuple[Path, list[Row]], wrong: dict[str, Any]) -> None:
    folder, rows = run
    content = (folder / rows_of(rows, "trained", implementation="scratch-numpy")[0]["file"]).read_bytes()
    assert parse_trained(archive(**arrays_of(content)), EXPECTED)
    with pytest.raises(ValueError, match=r"^an archive "):
        parse_trained(archive(**{**arrays_of(content), **wrong}), EXPECTED)


MANY = 50_000_000
"""Bytes that a file claims to have, or that it unpacks to."""


def packed(**members: bytes) -> bytes:
    """Return an archive of members as they are, packed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as result:
        for name, content in members.items():
            result.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def member(descr: object, shape: tuple[int, ...], content: bytes) -> bytes:
    """Return a file of NumPy whose header claims this of its content."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": descr, "fortran_order": False, "shape": shape})
    return buffer.getvalue() + content


def whole() -> dict[str, bytes]:
    """Return the members of the network of a run."""
    return {
        name: member(dtype.str, shape, bytes(math.prod(shape) * dtype.itemsize))
        for name, (dtype, shape) in EXPECTED.items()
    }


def overlapping() -> bytes:
    """Return an archive whose members all begin where the first one does."""
    content = bytearray(packed(**whole()))
    at = content.find(b"PK\x01\x02")
    while at >= 0:
        content[at + 42 : at + 46] = bytes(4)
        at = content.find(b"PK\x01\x02", at + 1)
    return bytes(content)


def encrypted() -> bytes:
    content = bytearray(packed(**whole()))
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + place] |= 1
    return bytes(content)


def with_lzma() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_LZMA) as result:
        for name, content in whole().items():
            result.writestr(f"{name}.npy", content)
    return buffer.getvalue()


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "unpacks to more than its header says": (
        lambda: packed(**whole() | {"weight_0": member("<f4", (16, 8), bytes(MANY))}),
        "an archive whose weight_0 has other bytes than its header says, expected 512",
    ),
    "unpacks to less": (
        lambda: packed(**whole() | {"weight_0": member("<f4", (16, 8), bytes(100))}),
        "an archive whose weight_0 has other bytes than its header says, expected 512",
    ),
    "claims a huge array": (
        lambda: packed(**whole() | {"weight_0": member("<f4", (MANY, MANY), b"")}),
        "an archive whose weight_0 is float32 [50000000, 50000000], expected float32 [16, 8]",
    ),
    "a bomb that claims what it is": (
        lambda: packed(**whole() | {"predicted": member("<u2", (MANY // 2,), bytes(MANY))}),
        "an archive whose predicted is uint16 [25000000], expected uint16 [100]",
    ),
    "objects": (
        lambda: packed(**whole() | {"weight_0": member("|O", (16, 8), pickle.dumps([Opened()] * 128))}),
        "an archive whose weight_0 is object [16, 8], expected float32 [16, 8]",
    ),
    "a header that is no array's": (
        lambda: packed(**whole() | {"weight_0": b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 0xFFFF}),
        "no archive of arrays, expected that of a trained network",
    ),
    "a header that is nested deeply": (
        lambda: packed(**whole() | {"weight_0": b"\x93NUMPY\x01\x00\xe8\x03" + b"-" * 999 + b"1"}),
        "no archive of arrays, expected that of a trained network",
    ),
    "a header of another version": (
        lambda: packed(**whole() | {"weight_0": b"\x93NUMPY\x02\x00\xff\xff\xff\xff"}),
        "an archive whose weight_0 has a header of version (2, 0), expected (1, 0)",
    ),
    "many members": (
        lambda: packed(**whole(), **{f"n{number}": b"" for number in range(10_000)}),
        "an archive of too many members, expected 6",
    ),
    "other members": (
        lambda: packed(**whole(), more=b""),
        "an archive of other arrays, expected weight_0, bias_0, weight_1, bias_1, predicted, confidence",
    ),
    "members that overlap": (overlapping, "an archive whose members overlap, expected one after the other"),
    "encrypted": (encrypted, "no archive of arrays, expected that of a trained network"),
    "packed by LZMA": (with_lzma, "an archive whose weight_0 is packed by method 14, expected deflate"),
}


@pytest.mark.parametrize("make", HOSTILE)
def test_nothing_but_the_planned_arrays_is_unpacked(make: str) -> None:
    content, sentence = HOSTILE[make][0](), HOSTILE[make][1]
    assert parse_trained(packed(**whole()), EXPECTED)
    tracemalloc.start()
    with pytest.raises(ValueError, match=rf"^{re.escape(sentence)}$"):
        parse_trained(content, EXPECTED)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000 + 2 * len(content), "the size of the archive, not of what it unpacks to"


def test_a_file_longer_than_it_was_recorded_or_can_be_is_not_read(run: tuple[Path, list[Row]], tmp_path: Path) -> None:
    folder, row = copy_of(run, tmp_path)
    os.truncate(folder / row["file"], MANY)
    tracemalloc.start()
    with pytest.raises(InputError, match="its size differs; it was altered or cut"):
        read_network(folder, one(row), PLAN)
    with pytest.raises(InputError, match=r"npz is recorded with 50000000 bytes, expected at most \d+$"):
        read_network(folder, one({**row, "bytes": MANY}), PLAN)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000
    assert most_bytes(EXPECTED) < 2 * row["bytes"] + 10_000


def test_a_pipe_in_place_of_a_network_is_refused_and_not_waited_for(
    run: tuple[Path, list[Row]], tmp_path: Path
) -> None:
    folder, row = copy_of(run, tmp_path)
    (folder / row["file"]).unlink()
    os.mkfifo(folder / row["file"])
    with pytest.raises(InputError, match="is not the file that was recorded"):
        read_network(folder, one(row), PLAN)
    with pytest.raises(NotSaved, match="no file, expected the archive of a trained network"):
        check_saved(folder / row["file"], RECIPE, N_TEST)


def test_a_network_of_another_plan_is_refused(run: tuple[Path, list[Row]], tmp_path: Path) -> None:
    folder, row = copy_of(run, tmp_path)
    (question,) = PLAN.questions
    with pytest.raises(InputError, match="expected a network that the plan of the run has"):
        read_network(folder, one(row), plan_of("Fine"))
    for changes, sentence in (
        ({"layer_sizes": (16, 9, 3)}, r"weight_0 is float32 \[16, 8\], expected float32 \[16, 9\]"),
        ({"bias": False}, "an archive of other arrays, expected weight_0, weight_1, predicted, confidence"),
        ({"layer_sizes": (16, 1 << 40, 3)}, "planned as a network of .* bytes, expected at most 1,073,741,824"),
    ):
        entry = dataclasses.replace(question.entries[0], recipe=RECIPE.replace(**changes))
        other = dataclasses.replace(PLAN, questions=(dataclasses.replace(question, entries=(entry,)),))
        with pytest.raises(InputError, match=sentence):
            read_network(folder, one(row), other)


@pytest.mark.parametrize("path", sorted(REFERENCE.glob("trained/*.npz")), ids=lambda path: path.stem)
def test_every_committed_network_is_read(path: Path) -> None:
    rows = [row for row in of_kind(read_records(REFERENCE), Trained) if row.file == f"trained/{path.name}"]
    assert rows, "one file may be the network of several implementations of a recipe"
    for row in rows:
        network = read_network(REFERENCE, row, read_description(REFERENCE).plan)
        assert network.implementation == row.implementation


@settings(max_examples=200, deadline=None)
@given(changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4))
def test_whatever_bytes_are_changed_there_is_a_network_or_a_sentence(changes: list[tuple[int, int]]) -> None:
    content = bytearray(packed(**whole()))
    for place, value in changes:
        content[place % len(content)] = value
    with contextlib.suppress(ValueError):
        parse_trained(bytes(content), EXPECTED)


@pytest.mark.parametrize(
    "name", ["../trained/q.x.npz", "/etc/passwd", "trained/../../x.npz", "trained/.npz", "x.npz", ""]
)
def test_a_row_that_leads_out_of_the_folder_is_not_followed(
    run: tuple[Path, list[Row]], tmp_path: Path, name: str
) -> None:
    folder, row = copy_of(run, tmp_path)
    with pytest.raises(InputError, match=r"is not read; expected trained/NAME\.npz"):
        read_network(folder, one({**row, "file": name}), PLAN)


def show(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["show", str(folder), *words], env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def kept(run: tuple[Path, list[Row]], dataset: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run that has trained, with the networks that it has kept."""
    trained, rows = run
    description = {**describe(plan_of(*NAMES), dataset), "dataset_crc32": load_dataset(dataset).fingerprint()}
    folder = write_run(tmp_path_factory.mktemp("kept") / "run", "compare", description, rows)
    shutil.copytree(trained / "trained", folder / "trained")
    return folder


def titles_of(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    return [table["title"].partition(":")[0] for table in json.loads(result.stdout)["tables"]]


def test_show_has_the_tables_of_what_networks_get_wrong(kept: Path) -> None:
    titles = titles_of(show(kept, "--format", "json"))
    assert titles[-4:] == ["Recall and precision", "Disagreements", "Recipes", "Environment"]
    one = show(kept, "--table", "disagreements", "--format", "csv").stdout.splitlines()
    assert len(one) == 1 + 3, "three networks, in pairs"


def test_report_draws_a_run_with_what_its_networks_get_wrong(kept: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(kept, tmp_path / "run")
    result = CliRunner().invoke(main, ["report", str(folder)])
    assert result.exit_code == 0, result.output
    assert f"## {HEADING}" in (folder / "report.md").read_text("utf-8")
    assert (folder / "figures" / "confusion.png").is_file()


def test_a_file_that_is_not_the_recorded_one_is_a_note_and_the_others_are_shown(kept: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(kept, tmp_path / "run")
    gone, cut = (
        rows_of(read_rows(folder), "trained", implementation=name)[0]["file"]
        for name in ("torch-eager", "scratch-numpy")
    )
    (folder / gone).unlink()
    (folder / cut).write_bytes((folder / cut).read_bytes()[:100])
    assert CliRunner().invoke(main, ["report", str(folder)]).exit_code == 0
    text = (folder / "report.md").read_text("utf-8").replace("\\", "")
    assert f"The network of torch-eager in same-recipe is left out: {gone} cannot be read: No such file" in text
    assert f"The network of scratch-numpy in same-recipe is left out: {cut} is not the file that was recorded" in text
    assert "predicts" in text.partition(HEADING)[2], "the third one"


def test_a_dataset_that_is_gone_or_another_is_a_note_and_hidden_units_are_drawn(kept: Path, tmp_path: Path) -> None:
    for change, words in (
        ({"dataset": "gone.csv"}, "because the dataset cannot be loaded: "),
        ({"dataset_crc32": "0"}, "is no longer the dataset of the run."),
    ):
        folder = shutil.copytree(kept, tmp_path / str(len(words)))
        description = json.loads((folder / "run.json").read_text()) | change
        (folder / "run.json").write_text(json.dumps(description))
        assert "Recall and precision" not in titles_of(show(folder, "--format", "json"))
        assert CliRunner().invoke(main, ["report", str(folder)]).exit_code == 0
        text = (folder / "report.md").read_text("utf-8").replace("\\", "")
        assert words in text
        assert "](figures/hidden-units.png)" in text
        assert not (folder / "figures" / "confusion.png").exists()


def test_a_network_of_another_dataset_is_a_note(kept: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(kept, tmp_path / "run")
    description = json.loads((folder / "run.json").read_text())
    description |= {"dataset": "mnist", "dataset_crc32": load_dataset("mnist").fingerprint()}
    (folder / "run.json").write_text(json.dumps(description))
    assert CliRunner().invoke(main, ["report", str(folder)]).exit_code == 0
    text = (folder / "report.md").read_text("utf-8").replace("\\", "")
    assert "has 16 inputs, 3 classes and 100 test examples; expected 784, 10 and 10000, as mnist has." in text


def test_standardised_and_smoothed_examples_are_shared_apart_from_others(dataset: str) -> None:
    with SharedForms(load_dataset(dataset)) as shared:
        plain, standardised = (shared.of(RECIPE.replace(standardize=value), N_EXAMPLES) for value in (False, True))
        assert shared.of(RECIPE, N_EXAMPLES) is plain
        assert plain is not standardised
        assert shared.of(RECIPE.replace(label_smoothing=0.1), N_EXAMPLES) is not plain
