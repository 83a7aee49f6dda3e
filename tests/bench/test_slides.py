"""``slides``: what stands on them, where it stands, and that the same records give the same bytes."""

import datetime
import itertools
import json
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pptx
import pytest
from click.testing import CliRunner, Result
from hypothesis import strategies as st
from pptx.util import Emu

from backprop_bench.bench.cli.main import main
from backprop_bench.bench.compare import answer
from backprop_bench.bench.core.records.reader import DESCRIPTION, RECORDS
from backprop_bench.bench.report.table import Table, make_table
from backprop_bench.bench.slides import deck, equations, pptx_file
from backprop_bench.bench.slides.pictures import LETTERS, PIXELS_PER_INCH
from tests.bench.plain import read_plain_description, read_rows, summarize
from tests.bench.recorded import recorded_run, write_run
from tests.bench.refusal import refused
from tests.bench.test_show import MADE_UP, REFERENCE, ROOT

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("slides")]  # what its fixtures make is made once

SMALLEST = 16
BESIDE = {"ladder": "latest-ladder", "scale": "latest-scale", "explain": "latest-explanation"}


def slides(*words: object) -> Result:
    return CliRunner().invoke(main, ["slides", *map(str, words)])


def write_runs(folder: Path) -> Path:
    """Leave a made-up run of `compare` in a folder, with one of every other command that has slides below it."""
    write_run(folder, "compare", *MADE_UP["compare"]())
    for name in BESIDE:
        write_run(folder / name, name, *MADE_UP[name]())
        description = folder / name / DESCRIPTION
        description.write_text(
            description.read_text().replace('"plan"', '"created": "2026-01-02T03:04:05+00:00", "plan"', 1)
        )
    return folder


def copy_reference(folder: Path) -> Path:
    """Copy the committed run with those beside it that are quick to summarize."""
    for name in (".", "ladder", "explain"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for file in (DESCRIPTION, RECORDS):
            shutil.copy(REFERENCE / name / file, folder / name)
    return folder


@pytest.fixture(scope="module", params=[write_runs, copy_reference], ids=["made-up", "reference"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the folder of a run and the file with its slides."""
    folder = request.param(tmp_path_factory.mktemp("runs") / "run")
    file = folder / "made.pptx"
    result = slides(folder, "--output", file)
    assert result.exit_code == 0, result.output
    assert result.output.strip() == str(file)
    return folder, file


def shapes(file: Path) -> Iterator[tuple[int, Any]]:
    for number, slide in enumerate(pptx.Presentation(file).slides, start=1):
        yield from ((number, shape) for shape in slide.shapes)


def frames(shape: Any) -> Iterator[Any]:
    """Yield what has words in a shape."""
    if shape.has_text_frame:
        yield shape.text_frame
    if shape.has_table:
        yield from (cell.text_frame for row in shape.table.rows for cell in row.cells)


def words_of(file: Path) -> str:
    return " ".join(" ".join(frame.text for _, shape in shapes(file) for frame in frames(shape)).split())


def edges(shape: Any) -> tuple[int, int, int, int]:
    return shape.left, shape.top, shape.left + shape.width, shape.top + shape.height


def test_nothing_hangs_over_the_edge_of_a_slide(made: tuple[Path, Path]) -> None:
    wide, high = pptx.Presentation(made[1]).slide_width, pptx.Presentation(made[1]).slide_height
    for number, shape in shapes(made[1]):
        left, top, right, bottom = edges(shape)
        assert 0 <= left < right <= wide, (number, shape.name)
        assert 0 <= top < bottom <= high, (number, shape.name)


def test_nothing_lies_over_anything_else(made: tuple[Path, Path]) -> None:
    for _, on_slide in itertools.groupby(shapes(made[1]), key=lambda result: result[0]):
        for (number, one), (_, other) in itertools.combinations(on_slide, 2):
            left, top, right, bottom = edges(one)
            left2, top2, right2, bottom2 = edges(other)
            apart = right <= left2 or right2 <= left or bottom <= top2 or bottom2 <= top
            assert apart, (number, one.name, other.name)


def test_words_have_room_in_their_boxes(made: tuple[Path, Path]) -> None:
    for number, shape in shapes(made[1]):
        if not shape.has_text_frame or not shape.text_frame.text:
            continue
        font = shape.text_frame.paragraphs[0].runs[0].font
        lines = deck.lines_of(shape.text_frame.text, Emu(shape.width).inches + 0.001, font.size.pt, bool(font.bold))
        assert len(lines) * font.size.pt * deck.LINE / 72 <= Emu(shape.height).inches + 0.001, (number, lines)


def test_no_letters_are_smaller_than_can_be_read_from_the_last_row(made: tuple[Path, Path]) -> None:
    runs = [
        run
        for _, shape in shapes(made[1])
        for frame in frames(shape)
        for words in frame.paragraphs
        for run in words.runs
    ]
    assert runs
    assert min(run.font.size.pt for run in runs) >= SMALLEST
    assert LETTERS >= SMALLEST
    for number, shape in shapes(made[1]):
        if hasattr(shape, "image"):  # no picture is shown smaller than it was drawn
            assert Emu(shape.width).inches >= shape.image.size[0] / PIXELS_PER_INCH - 0.02, number


def test_pictures_and_tables_say_what_they_show_to_who_cannot_see_them(made: tuple[Path, Path]) -> None:
    alts = [
        (number, shape._element.xpath(".//p:cNvPr")[0].get("descr"))
        for number, shape in shapes(made[1])
        if hasattr(shape, "image") or shape.has_table
    ]
    assert alts
    assert [number for number, alt in alts if not alt or re.fullmatch(r".*\.png", alt)] == []
    assert any("Equation (7): dE by dy of j is the sum over k" in alt for _, alt in alts)


def test_every_slide_has_a_title_and_no_two_the_same(made: tuple[Path, Path]) -> None:
    titles = [slide.shapes.title.text_frame.text for slide in pptx.Presentation(made[1]).slides]
    assert all(titles)
    assert len(set(titles)) == len(titles)


def test_slides_say_what_the_report_says(made: tuple[Path, Path]) -> None:
    folder, file = made
    message = words_of(file)
    summary = summarize(read_plain_description(folder), read_rows(folder))
    for sentence in answer.answer(summary):
        assert " ".join(sentence.split()) in message
    assert "Speed-up of every stage" in message
    assert "of the hand-written network and of PyTorch's:" in message
    assert "Why? Not yet known" not in message


def test_the_same_records_give_the_same_bytes(made: tuple[Path, Path], tmp_path: Path) -> None:
    folder, file = made
    assert slides(folder, "--output", tmp_path / "again.pptx").exit_code == 0
    assert (tmp_path / "again.pptx").read_bytes() == file.read_bytes()
    with zipfile.ZipFile(file) as archive:
        assert {info.date_time for info in archive.infolist()} == {pptx_file.EPOCH}  # not of the second of this test
    began = datetime.datetime.fromisoformat(read_plain_description(folder)["created"]).replace(tzinfo=None)
    assert pptx.Presentation(file).core_properties.modified.replace(tzinfo=None) == began


def test_equations_are_those_of_the_derivation() -> None:
    def bare(latex: str) -> str:
        return re.sub(r"\s|\\(left|right|[Bb]ig[lr])(?![a-z])", "", latex)

    page = bare((ROOT / "docs" / "derivation.md").read_text(encoding="utf-8"))
    for equation in equations.ALL:
        numbered = rf"{equation.latex}\qquad{equation.label}" if equation.label else equation.latex
        in_table = f"|{equation.label}|" in page and f"${bare(equation.latex)}$" in page
        assert bare(numbered) in page or in_table, equation


def test_runs_beside_are_the_latest_ones_where_the_run_has_none_below_it(tmp_path: Path) -> None:
    everything = write_runs(tmp_path / "results" / "2026-01-01")
    for name, link in BESIDE.items():
        (everything / name).rename(tmp_path / "results" / link)
    assert slides(everything, "--output", tmp_path / "a.pptx").exit_code == 0
    message = words_of(tmp_path / "a.pptx")
    assert "How does time grow?" in message
    assert "Speed-up of every stage" in message


def test_a_run_alone_says_that_it_does_not_explain(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", "compare", *recorded_run())
    assert slides(folder, "--output", tmp_path / "a.pptx").exit_code == 0
    assert "Why? Not yet known" in words_of(tmp_path / "a.pptx")


def test_what_failed_is_on_the_first_slide_and_in_the_exit_code(tmp_path: Path) -> None:
    run = recorded_run(failures={"torch-eager": "it " + "fails " * 300}, parity_failure="torch-loader")
    result = slides(write_run(tmp_path / "run", "compare", *run), "--output", tmp_path / "a.pptx")
    assert result.exit_code == 1, result.output
    first = pptx.Presentation(tmp_path / "a.pptx").slides[0]
    assert "checks failed (torch-loader)" in " ".join(shape.text_frame.text for shape in first.shapes)
    high = pptx.Presentation(tmp_path / "a.pptx").slide_height
    assert all(edges(shape)[3] <= high for _, shape in shapes(tmp_path / "a.pptx"))


def test_what_failed_in_a_run_beside_is_on_a_slide_and_in_the_exit_code(tmp_path: Path) -> None:
    folder = write_runs(tmp_path / "run")
    question = read_plain_description(folder / "scale")["plan"]["questions"][0]["name"]
    failure = {"kind": "failure", "session": 0, "question": question, "implementation": "scratch-numpy"}
    with (folder / "scale" / RECORDS).open("a") as records:
        records.write(json.dumps({**failure, "phase": "timing", "number": 0, "message": "it broke"}) + "\n")
    result = slides(folder, "--output", tmp_path / "made.pptx")
    assert result.exit_code == 1, result.output
    assert "it broke" in words_of(tmp_path / "made.pptx")


def test_a_run_beside_that_is_only_begun_is_left_out_and_named(tmp_path: Path) -> None:
    folder = write_runs(tmp_path / "run")
    (folder / "explain" / RECORDS).write_text("")
    result = slides(folder, "--output", tmp_path / "made.pptx")
    assert result.exit_code == 0, result.output
    assert f"{folder / 'explain'} is left out: nothing can be attributed" in result.output
    assert (tmp_path / "made.pptx").is_file()


def test_without_a_run_named_it_is_the_latest_else_the_reference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refused(slides(), "results/latest holds no run")
    write_run(tmp_path / "results" / "reference", "compare", *recorded_run(epochs=3))
    assert slides().exit_code == 0
    assert "3 epochs" in words_of(tmp_path / "results" / "slides.pptx")
    write_run(tmp_path / "results" / "latest", "compare", *recorded_run(epochs=4))
    assert slides().exit_code == 0
    assert "4 epochs" in words_of(tmp_path / "results" / "slides.pptx")


def test_what_is_no_run_of_compare_is_refused_in_one_sentence(tmp_path: Path) -> None:
    refused(slides(tmp_path / "nowhere"), "holds no run")
    ladder = write_run(tmp_path / "ladder", "ladder", *MADE_UP["ladder"]())
    refused(slides(ladder, "--output", tmp_path / "a.pptx"), "holds a run of `backprop-bench ladder`", "expected")
    assert not (tmp_path / "a.pptx").exists()


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backprop_bench.bench.slides.command.WRITER", "no_library_of_this_name")
    refused(slides(REFERENCE), "python-pptx", "backprop-bench[docs]")
    needing = [
        path
        for path in sorted((ROOT / "bench").rglob("*.py"))
        if re.search(r"^(import|from) (pptx|backprop_bench.bench.slides.pptx_file)", path.read_text(), re.M)
    ]
    assert [path.name for path in needing] == ["pptx_file.py"]  # the other commands do without it


TEXTS = st.text("ab WM1–.", min_size=1, max_size=3000)
TABLES = st.builds(
    lambda cells, n: make_table("t", ["<name", "number"], [[cell, cell[::-1]] for cell in cells] * n),
    st.lists(st.text("ab WM1–.", max_size=120), min_size=1, max_size=6),
    st.integers(1, 12),
)


@hypothesis.given(st.lists(st.one_of(st.builds(deck.Words, TEXTS, st.booleans()), TABLES), min_size=1, max_size=6))
@hypothesis.settings(max_examples=30, deadline=None)
def test_blocks_of_any_length_stay_within_their_slides_and_nothing_is_lost(blocks: list[deck.Block]) -> None:
    pages = deck.pages(blocks)
    for placed in pages:
        for item in placed:
            assert item.top >= deck.BODY_TOP
            assert item.top + item.height <= deck.BODY_BOTTOM + 1e-6
        for above, below in itertools.pairwise(placed):
            assert above.top + above.height <= below.top
    shown = [item.block for placed in pages for item in placed]
    rows = [row for block in shown if isinstance(block, Table) for row in block.rows]
    assert rows == [row for block in blocks if isinstance(block, Table) for row in block.rows]
    letters = "".join(block.text for block in shown if isinstance(block, deck.Words))
    value = "".join(block.text for block in blocks if isinstance(block, deck.Words))
    assert re.sub(r"\s", "", letters) == re.sub(r"\s", "", value)
