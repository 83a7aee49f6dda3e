"""``slides``: what stands on them, what they leave out, and that the same records give the same bytes."""

import datetime
import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import matplotlib.image
import pptx
import pytest
from click.testing import CliRunner, Result
from hypothesis import strategies as st
from pptx.util import Emu

from backprop_bench.bench.cli.main import main
from backprop_bench.bench.compare import answer as claims
from backprop_bench.bench.core.records.reader import DESCRIPTION, RECORDS
from backprop_bench.bench.report.table import Table, make_table
from backprop_bench.bench.slides import markdown
from backprop_bench.bench.slides.markdown import Block, Slide, Words, escape, to_markdown
from backprop_bench.bench.slides.pandoc import FORMAT, find_pandoc
from backprop_bench.bench.slides.pictures import DPI, LETTERS
from tests.bench.plain import read_plain_description, read_rows, summarize
from tests.bench.recorded import recorded_run, write_run
from tests.bench.refusal import refused
from tests.bench.test_show import MADE_UP, REFERENCE, ROOT

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("slides")]  # what its fixtures make is made once

SMALLEST = 16
LAYOUTS = {"Title Slide", "Title and Content"}
"""The layouts of pandoc's deck whose letters are large enough."""
BESIDE = {"ladder": "latest-ladder", "scale": "latest-scale", "explain": "latest-explanation"}
LESSON = (ROOT / "bench" / "slides" / "lesson.md").read_text(encoding="utf-8")
HOSTILE = r"it *is* _not_ |a| table, <b>or</b> $x^2$, ![i](m.png \"t\") ::: notes # `code` 1. [a]: b {.c} &amp; \ ~~d~~"


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


def titles_of(file: Path) -> list[str]:
    return [" ".join(slide.shapes.title.text_frame.text.split()) for slide in pptx.Presentation(file).slides]


def words_of(file: Path) -> str:
    return " ".join(" ".join(frame.text for _, shape in shapes(file) for frame in frames(shape)).split())


def test_nothing_hangs_over_the_edge_of_a_slide(made: tuple[Path, Path]) -> None:
    wide, high = pptx.Presentation(made[1]).slide_width, pptx.Presentation(made[1]).slide_height
    for number, shape in shapes(made[1]):
        assert 0 <= shape.left < shape.left + shape.width <= wide, (number, shape.name)
        assert 0 <= shape.top < shape.top + shape.height <= high, (number, shape.name)


def test_no_letters_are_smaller_than_can_be_read_from_the_last_row(made: tuple[Path, Path]) -> None:
    deck = pptx.Presentation(made[1])
    assert {slide.slide_layout.name for slide in deck.slides} <= LAYOUTS
    styles = deck.slide_master.element.xpath("//p:titleStyle | //p:bodyStyle/a:lvl1pPr | //p:otherStyle")
    sizes = [size for style in styles for size in style.xpath(".//@sz")]
    sizes += deck.part._element.xpath(".//p:defaultTextStyle//@sz")  # tables have one of the two
    for slide in deck.slides:
        sizes += slide.element.xpath(".//a:rPr/@sz")
        boxes = [box for box in slide.slide_layout.placeholders if box.placeholder_format.idx < 10]  # no foot, no date
        sizes += [size for box in boxes for size in box._element.xpath(".//a:defRPr/@sz")]
    assert len(sizes) > len(LAYOUTS)
    assert min(map(int, sizes)) >= 100 * SMALLEST
    assert LETTERS >= SMALLEST
    for number, shape in shapes(made[1]):
        if hasattr(shape, "image"):  # no picture is shown smaller than it was drawn
            assert Emu(shape.width).inches >= shape.image.size[0] / DPI - 0.1, number


def test_no_letters_of_a_picture_are_cut(made: tuple[Path, Path], tmp_path: Path) -> None:
    for number, shape in shapes(made[1]):
        if hasattr(shape, "image"):
            (tmp_path / "a.png").write_bytes(shape.image.blob)
            pixels = matplotlib.image.imread(tmp_path / "a.png")
            assert all((edge == 1).all() for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1])), number


def test_pictures_say_what_they_show_to_who_cannot_see_them(made: tuple[Path, Path]) -> None:
    alts = [
        (number, shape._element.xpath(".//p:cNvPr")[0].get("descr"))
        for number, shape in shapes(made[1])
        if hasattr(shape, "image")
    ]
    assert alts
    assert [number for number, alt in alts if len(alt.split()) < 5] == []
    assert any("Lines lead from every input x to every hidden unit y" in alt for _, alt in alts)
    assert any("Wall time per epoch, by stage: " in alt for _, alt in alts)


def test_the_slides_have_one_order(made: tuple[Path, Path]) -> None:
    expected = [
        "Back-propagation from scratch",
        "Is it right? How fast is it? Why",
        *re.findall(r"^# (.*)", LESSON, re.M),
    ]
    expected += ["Is it right?", "How fast?", "How sure is that?", "What is the speed-up of each stage?"]
    expected += ["How does time grow?"] if (made[0] / "scale").exists() else []
    expected += ["Why? What differs at once", "Why? What the accuracy gap comes from", "Where it was measured"]
    titles = iter(titles_of(made[1]))
    for beginning in [*expected, "Measure it yourself", "Check a network of your own"]:
        assert any(title.startswith(beginning) for title in titles), beginning


def test_every_slide_has_a_title_and_no_two_the_same(made: tuple[Path, Path]) -> None:
    titles = titles_of(made[1])
    assert all(titles)
    assert len(set(titles)) == len(titles)


def test_slides_say_what_the_report_says(made: tuple[Path, Path]) -> None:
    folder, file = made
    said = words_of(file)
    summary = summarize(read_plain_description(folder), read_rows(folder))
    for sentence in claims.answer(summary):
        assert " ".join(sentence.split()) in said
    assert "What is the speed-up of each stage?" in said
    assert "of the hand-written network and of PyTorch's:" in said
    assert "Why? Not yet known" not in said


def test_tables_have_the_cells_of_the_run(made: tuple[Path, Path]) -> None:
    folder, file = made
    summary = summarize(read_plain_description(folder), read_rows(folder))
    tables = [shape.table for _, shape in shapes(file) if shape.has_table]
    cells = [{cell.text for row in table.rows for cell in row.cells} for table in tables]
    for question in summary.questions:
        named = set(question.pair or [performance.implementation for performance in question.performances])
        assert any(named <= table for table in cells)
    assert any({"precision", "float64", "gradients"} <= table for table in cells)
    assert any({"threads", "python"} <= table for table in cells)


def test_notes_say_which_run_the_numbers_are_of(made: tuple[Path, Path]) -> None:
    with_notes = [slide for slide in pptx.Presentation(made[1]).slides if slide.has_notes_slide]
    notes = [slide.notes_slide.notes_text_frame.text for slide in with_notes]
    began = read_plain_description(made[0])["created"][:10]
    assert any(f"Source: compare · {began}" in text for text in notes)
    assert any("The factor one half only cancels" in text for text in notes)


def test_the_same_records_give_the_same_bytes(
    made: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, file = made
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    (tmp_path / "pandoc").mkdir()
    (tmp_path / "pandoc" / "reference.pptx").write_bytes(b"a deck of the user's own")
    assert slides(folder, "--output", tmp_path / "again.pptx").exit_code == 0
    assert (tmp_path / "again.pptx").read_bytes() == file.read_bytes()
    began = datetime.datetime.fromisoformat(read_plain_description(folder)["created"]).replace(tzinfo=None)
    assert pptx.Presentation(file).core_properties.modified.replace(tzinfo=None) == began
    with zipfile.ZipFile(file) as archive:
        assert {info.date_time[:3] for info in archive.infolist()} == {(began.year, began.month, began.day)}


def test_equations_are_those_of_the_derivation_and_are_equations_in_the_file(made: tuple[Path, Path]) -> None:
    page = re.sub(r"\s", "", (ROOT / "docs" / "derivation.md").read_text(encoding="utf-8"))
    equations = re.findall(r"\$\$(.*?)\$\$", LESSON, re.S)
    assert len(equations) > 15
    assert [latex for latex in equations if re.sub(r"\s", "", latex) not in page] == []
    assert "$" not in re.sub(r"\$\$.*?\$\$", "", LESSON, flags=re.S)
    with zipfile.ZipFile(made[1]) as archive:
        slides = [archive.read(name).decode() for name in archive.namelist() if name.startswith("ppt/slides/slide")]
    assert sum(text.count("<m:oMathPara ") for text in slides) == len(equations)


def test_runs_beside_are_the_latest_ones_where_the_run_has_none_below_it(tmp_path: Path) -> None:
    everything = write_runs(tmp_path / "results" / "2026-01-01")
    for name, link in BESIDE.items():
        (everything / name).rename(tmp_path / "results" / link)
    assert slides(everything, "--output", tmp_path / "a.pptx").exit_code == 0
    said = words_of(tmp_path / "a.pptx")
    assert "How does time grow?" in said
    assert "What is the speed-up of each stage?" in said


def test_a_run_alone_says_that_it_does_not_explain(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", "compare", *recorded_run())
    assert slides(folder, "--output", tmp_path / "a.pptx").exit_code == 0
    assert "Why? Not yet known" in words_of(tmp_path / "a.pptx")


def test_what_failed_is_on_the_first_slide_after_the_title_and_in_the_exit_code(tmp_path: Path) -> None:
    run = recorded_run(failures={"torch-eager": "it " + "fails " * 300}, parity_failure="torch-loader")
    result = slides(write_run(tmp_path / "run", "compare", *run), "--output", tmp_path / "a.pptx")
    assert result.exit_code == 1, result.output
    first = pptx.Presentation(tmp_path / "a.pptx").slides[1]
    assert "checks failed (torch-loader)" in " ".join(shape.text_frame.text for shape in first.shapes)
    assert words_of(tmp_path / "a.pptx").count("fails") == 300


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


def test_a_hostile_name_breaks_nothing(tmp_path: Path) -> None:
    name = f"{HOSTILE[:35]}.py:Net"
    folder = write_run(tmp_path / "run", "compare", *recorded_run(failures={"torch-eager": HOSTILE}))
    for file in (folder / DESCRIPTION, folder / RECORDS):
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace('"torch-eager"', json.dumps(name)), encoding="utf-8")
    assert slides(folder, "--output", tmp_path / "a.pptx").exit_code == 1
    said = words_of(tmp_path / "a.pptx")
    assert HOSTILE in said
    assert f"{name} failed" in said
    plain = write_run(tmp_path / "plain", "compare", *recorded_run(failures={"torch-eager": "x" * len(HOSTILE)}))
    assert slides(plain, "--output", tmp_path / "b.pptx").exit_code == 1
    assert titles_of(tmp_path / "a.pptx") == titles_of(tmp_path / "b.pptx")


@pytest.mark.parametrize("missing", ["pypandoc", "pandoc"])
def test_without_the_library_it_says_what_to_install(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_pandoc() -> str:
        raise OSError("No pandoc was found")

    if missing == "pypandoc":
        monkeypatch.setitem(sys.modules, "pypandoc", None)
    else:
        monkeypatch.setattr("pypandoc.get_pandoc_path", no_pandoc)
    refused(slides(REFERENCE), "pandoc", "backprop-bench[docs]")


def test_nothing_but_the_slides_needs_the_libraries_of_slides() -> None:
    needing = [path for path in sorted((ROOT / "bench").rglob("*.py")) if "import pypandoc" in path.read_text()]
    assert [path.name for path in needing] == ["pandoc.py"]
    assert not any(re.search(r"(import|from) pptx", path.read_text()) for path in (ROOT / "bench").rglob("*.py"))


@hypothesis.given(
    st.lists(st.text("ab1*_|<>$#`[](){}!&\\\"'~^@:;+-=.%/é×\n\u202e", min_size=1, max_size=40), min_size=40)
)
@hypothesis.settings(max_examples=20, deadline=None)
def test_pandoc_reads_every_text_as_it_is(texts: list[str]) -> None:
    escaped = [found for text in texts if (found := escape(text))]
    told = [find_pandoc(), f"--from={FORMAT}", "--to=json"]
    source = "\n\n".join(escaped).encode()
    blocks = json.loads(subprocess.run(told, input=source, stdout=subprocess.PIPE, check=True).stdout)["blocks"]
    assert {block["t"] for block in blocks} <= {"Para"}
    read = ["".join(part.get("c", " ") for part in block["c"]) for block in blocks]
    assert read == [re.sub(r"\\(?=[!-/:-@\[-`{-~])(.)", r"\1", text) for text in escaped]


TEXTS = st.text("ab WM1–.", min_size=1, max_size=3000)
TABLES = st.builds(
    lambda cells, n: make_table("t", ["<name", "number"], [[cell, cell[::-1]] for cell in cells] * n),
    st.lists(st.text("abWM1–", max_size=70), min_size=1, max_size=6),
    st.integers(1, 12),
)


@hypothesis.given(st.lists(st.one_of(st.builds(Words, TEXTS), TABLES), min_size=1, max_size=6))
@hypothesis.settings(max_examples=50, deadline=None)
def test_slides_hold_what_has_room_and_nothing_is_lost(blocks: list[Block]) -> None:
    text = to_markdown([Slide("t", blocks)], {})
    bodies = [body for body in re.split(r"^# t.*$", text, flags=re.M) if body.strip()]
    shown = [[part for part in body.split("\n\n") if part and ":::" not in part] for body in bodies]
    for parts in shown:
        if any(part.startswith("|") for part in parts):
            assert len(parts) == 1
            assert parts[0].count("\n") - 1 <= markdown.ROWS
        else:
            assert sum(-(-len(part.replace("\\", "")) // markdown.LINE) for part in parts) <= markdown.LINES
    rows = [row for parts in shown for part in parts if part.startswith("|") for row in part.split("\n")[2:]]
    assert len(rows) == sum(len(block.rows) for block in blocks if isinstance(block, Table))
    letters = "".join(part for parts in shown for part in parts if not part.startswith("|")).replace("\\", "")
    said = "".join(block.text for block in blocks if isinstance(block, Words))
    assert re.sub(r"\s", "", letters) == re.sub(r"\s", "", said)
