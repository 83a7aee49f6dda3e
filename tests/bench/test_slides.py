"""``slides``: what stands on them in both languages, that it is the run's, and that it has room."""

import datetime
import functools
import json
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
import zipfile
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import hypothesis
import pptx
import pytest
from click.testing import CliRunner, Result
from hypothesis import strategies as st
from pptx.util import Emu

from backprop_bench.bench.cli.main import main
from backprop_bench.bench.compare import answer, verdicts
from backprop_bench.bench.compare.causes import accuracy_causes, time_steps
from backprop_bench.bench.compare.figures import drawable
from backprop_bench.bench.core.records.kinds import TimedWork, Verification
from backprop_bench.bench.core.records.reader import DESCRIPTION, RECORDS
from backprop_bench.bench.core.records.recorded_run import read_run
from backprop_bench.bench.core.stats.intervals import inverse
from backprop_bench.bench.core.summary import Summary, summarize
from backprop_bench.bench.report import numbers, style
from backprop_bench.bench.report.language import speaking
from backprop_bench.bench.slides import slides as made_by
from backprop_bench.bench.slides.equations import to_omml
from backprop_bench.bench.slides.pandoc import FORMAT, find_pandoc, to_pptx
from backprop_bench.bench.slides.shapes import Box, Group, text_width
from backprop_bench.bench.slides.slides import BODY, EQUATION, FIGURE, LINE, NAME, POINTS, SLIDE, escape, lesson
from tests.bench.plain import read_plain_description
from tests.bench.recorded import recorded_run, write_run
from tests.bench.refusal import refused
from tests.bench.test_chinese import NUMBER, foreign
from tests.bench.test_show import MADE_UP, REFERENCE, ROOT
from tests.bench.whole import whole_summary

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("slides")]  # what its fixtures make is made once

LANGUAGES = {"en": "made.pptx", "zh": "made.zh-CN.pptx"}
SMALLEST = 16
TABLE_POINTS, TITLE_POINTS, MOST_TITLE_LINES = 20, 26, 2
LAYOUTS = {"Title Slide", "Title and Content"}
"""The layouts of pandoc's deck whose letters are large enough."""
A, P, M = (
    "http://schemas.openxmlformats.org/drawingml/2006/main",
    "http://schemas.openxmlformats.org/presentationml/2006/main",
    "http://schemas.openxmlformats.org/officeDocument/2006/math",
)
DATE = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
HOSTILE = r"it *is* _not_ |a| table, <b>or</b> $x^2$, ![i](m.png \"t\") ::: notes # `code` 1. [a]: b {.c} &amp; \ ~~d~~"
STEPWISE = r"\frac{\partial E}{\partial w} \approx \frac{E(w + h) - E(w - h)}{2 h}"
"""The only equation that is no part of the derivation: docs/parity.md has a more exact one."""


def slides(*words: object) -> Result:
    return CliRunner().invoke(main, ["slides", *map(str, words)])


def deck_of(summary: Summary, language: str, path: Path) -> Path:
    """Write the slides of a summary."""
    with speaking(language):
        path.write_bytes(to_pptx(made_by.make_slides(summary), DATE))
    return path


@pytest.fixture(scope="module", params=["made-up", "reference"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Summary, dict[str, Path]]:
    """Return the summary of a run of everything, and by language the file with its slides."""
    folder = tmp_path_factory.mktemp("slides")
    if request.param == "made-up":
        summary = whole_summary()
        return summary, {language: deck_of(summary, language, folder / name) for language, name in LANGUAGES.items()}
    for file in (DESCRIPTION, RECORDS):
        shutil.copy(REFERENCE / file, folder)
    result = slides(folder, "--output", folder / "made.pptx")
    assert result.exit_code == 0, result.output
    files = {language: folder / name for language, name in LANGUAGES.items()}
    assert result.output.split() == list(map(str, files.values()))
    run = read_run(folder)
    return summarize(run.description, run.rows), files


@functools.cache
def _pages(file: Path, _changed: int) -> list[Any]:
    return list(pptx.Presentation(file).slides)


def pages(file: Path) -> list[Any]:
    return _pages(file, file.stat().st_mtime_ns)


def texts(page: Any) -> list[str]:
    """Return what stands on a slide, a paragraph or a cell each, without equations and notes."""
    paragraphs = page.element.iter(f"{{{A}}}p")
    return [text for part in paragraphs if (text := "".join(run.text or "" for run in part.iter(f"{{{A}}}t")))]


def titles_of(file: Path) -> list[str]:
    return [" ".join(page.shapes.title.text_frame.text.split()) for page in pages(file)]


def notes_of(page: Any) -> str:
    return str(page.notes_slide.notes_text_frame.text) if page.has_notes_slide else ""


def words_of(file: Path) -> str:
    return " ".join(text for page in pages(file) for text in texts(page))


def beginning(file: Path, title: str) -> Any:
    """Return the slide whose title begins so."""
    return next(page for page in pages(file) if page.shapes.title.text_frame.text.startswith(title))


def cells(page: Any) -> list[list[str]]:
    table = next(shape.table for shape in page.shapes if shape.has_table)
    return [[cell.text.replace(numbers.NBSP, " ") for cell in row.cells] for row in table.rows]


def placed(page: Any) -> Iterator[tuple[str, Box, Any]]:
    """Yield the name, the place in inches and the element of every shape that has a place, those in groups too."""
    for shape in page.element.iter(f"{{{P}}}sp", f"{{{P}}}cxnSp", f"{{{P}}}grpSp", f"{{{P}}}graphicFrame"):
        off = next(shape.iter(f"{{{A}}}off"), None)
        if off is not None:
            size = next(shape.iter(f"{{{A}}}ext"))
            place = (int(off.get("x")), int(off.get("y")), int(size.get("cx")), int(size.get("cy")))
            name = next(shape.iter(f"{{{P}}}cNvPr")).get("name")
            yield name, Box(*(Emu(value).inches for value in place)), shape


# ---- The lesson, before it is filled


def parts(language: str) -> list[str]:
    """Return the slides of the lesson, what stands before the first of them included."""
    return SLIDE.split(lesson(language))


def test_both_languages_have_the_same_slides_equations_figures_commands_and_names_of_numbers() -> None:
    english, chinese = parts("en"), parts("zh")
    assert len(english) == len(chinese)
    for one, other in zip(english, chinese, strict=True):
        assert EQUATION.findall(one) == EQUATION.findall(other)
        assert Counter(NAME.findall(one)) == Counter(NAME.findall(other)), one
        assert [match["name"] for match in FIGURE.finditer(one)] == [match["name"] for match in FIGURE.finditer(other)]
        assert re.findall(r"`[^`]+`", one) == re.findall(r"`[^`]+`", other)
        assert re.findall(r"docs/\w+\.\w+", one) == re.findall(r"docs/\w+\.\w+", other)
        assert one.count("\n| ") == other.count("\n| ")
        assert one.count("\n*   ") + one.count("\n1.  ") == other.count("\n*   ") + other.count("\n1.  ")
        assert re.findall(r"\n(?:Time: |用时：)(\d+)", one) == re.findall(r"\n(?:Time: |用时：)(\d+)", other), one
        assert len(re.findall(r"^(?:Ask|问)", one, re.M)) == len(re.findall(r"^(?:Ask|问)", other, re.M)), one


def test_equations_are_those_of_the_derivation() -> None:
    page = re.sub(r"\s", "", (ROOT / "docs" / "derivation.md").read_text(encoding="utf-8"))
    equations = [text.strip("$") for text in EQUATION.findall(lesson("en"))]
    assert len(equations) > 15
    foreigners = [latex for latex in equations if re.sub(r"\s", "", latex) not in page]
    assert foreigners == [STEPWISE]
    assert "$" not in EQUATION.sub("", lesson("en"))


def test_every_slide_says_how_long_it_takes_and_what_to_say_or_ask() -> None:
    patterns = {"en": r"^(Say|Ask|Solution|The answers|What the article)", "zh": r"^(讲|问|答案|这次|文章)"}
    for language, pattern in patterns.items():
        for slide in parts(language)[2:]:  # not the first page, and not the warnings
            assert "::: notes" in slide
            assert re.search(pattern, slide, re.M), slide


def test_commands_in_the_lesson_are_commands_of_the_program() -> None:
    for command in re.findall(r"`backprop-bench ([^`]+)`", lesson("en")):
        name, *words = command.split()
        help_text = CliRunner().invoke(main, [name, "--help"])
        assert help_text.exit_code == 0, command
        assert [word for word in words if word.startswith("--") and word not in help_text.output] == []
    for path in re.findall(r"(?:docs|examples)/\w+\.\w+", lesson("en")):
        assert (ROOT / path).is_file(), path


# ---- The deck


def test_nothing_of_the_lesson_is_left_out_where_the_run_has_everything(
    made: tuple[Summary, dict[str, Path]],
) -> None:
    for language, file in made[1].items():
        lines = [slide.splitlines()[0] for slide in parts(language)[2:]]  # the first of all are the warnings
        assert len(pages(file)) == len(lines) + 1
        for line, title in zip(lines, titles_of(file)[1:], strict=True):
            assert title.startswith(NAME.split(line.removeprefix("# "))[0].strip())
        assert len(set(titles_of(file))) == len(titles_of(file))
        assert 15 <= len(lines) <= 20


def test_no_mark_of_the_lesson_is_left(made: tuple[Summary, dict[str, Path]]) -> None:
    for file in made[1].values():
        shown = words_of(file) + " ".join(map(notes_of, pages(file)))
        assert [mark for mark in ("<<", ">>", "$", "\\", "**", "](", ":::", "{") if mark in shown] == []


def test_equations_are_equations_in_the_file_each_in_a_shape_of_its_own(made: tuple[Summary, dict[str, Path]]) -> None:
    for file in made[1].values():
        result = [page.element.findall(f".//{{{M}}}oMath") for page in pages(file)]
        asked = [len(EQUATION.findall(slide)) for slide in parts("en")[2:]]
        assert [len(equations) for equations in result] == [0, *asked]
        assert not any(page.element.findall(f".//{{{P}}}pic") for page in pages(file))
        for page in pages(file):
            for shape in page.element.iter(f"{{{P}}}sp"):
                assert len(shape.findall(f".//{{{M}}}oMath")) <= 1


def test_a_brace_is_as_wide_as_what_is_above_it_and_a_power_is_of_all_that_is_in_brackets() -> None:
    braced, power = to_omml((r"$$\underbrace{a + b}_{(5)}$$", r"$$(o_k - t_k)^2$$"))
    group = braced.find(f".//{{{M}}}groupChr")
    assert group is not None
    assert "".join(group.itertext()) == "a+b"
    base = power.find(f".//{{{M}}}sSup/{{{M}}}e")
    assert base is not None
    assert "".join(base.itertext()) == "ok−tk"


def static(language: str) -> Counter[str]:
    """Return the numbers that the lesson has by itself, whatever the run."""
    return Counter(NUMBER.findall(EQUATION.sub("", lesson(language))))


def checks_of(summary: Summary) -> list[Verification | TimedWork]:
    verifications: list[Verification | TimedWork] = [
        check for question in summary.questions for check in question.verifications
    ]
    return [*verifications, *(work for question in summary.questions for work in question.works)]


def analysed(summary: Summary) -> set[str]:
    """Return the numbers that the analysis of a run comes to, as the report writes them."""
    with style.look():
        drawn = [draw() for draw in drawable(summary).values()]
    result = [*answer.warnings(summary), *verdicts.lead(summary), answer.measured_sentence(summary)]
    result += [text for drawing in drawn for text in (drawing.title, drawing.alt)]
    result += [verdict.measured for verdict in verdicts.verdicts(summary)]
    for question in summary.questions:
        result += [answer.headline(question), answer.layers(summary, question)]
        for step in time_steps(question) or []:
            result.append(numbers.seconds(step.wall_s * step.speed_up.estimate))
        result += [numbers.seconds_interval(item.wall_s) for item in question.performances]
        result += [numbers.number_interval(question.self_test.interval)] if question.self_test else []
        causes = accuracy_causes(question)
        for gap in (causes.loss, causes.batches, causes.loss_in_batches, causes.batches_with_loss) if causes else ():
            result.append(numbers.scaled_points(gap))
    checks = checks_of(summary)
    result += [numbers.two_digits(100 * answer.share_of_tolerance(check)) for check in checks]
    result += [str(n) for n in range(len(checks) + 1)]  # how many of them passed: tested below
    result += [summary.description.created, str(summary.description.environment)]
    return {number for text in result for number in NUMBER.findall(text)}


def test_every_number_on_the_slides_comes_from_the_analysis_of_the_run(made: tuple[Summary, dict[str, Path]]) -> None:
    summary, files = made
    known = analysed(summary) | set(NUMBER.findall(" ".join(worked())))
    recipe = summary.description.plan.questions[0].entries[0].recipe
    inputs, hidden, outputs = recipe.layer_sizes
    known |= {f"{inputs * hidden + hidden * outputs:,}"}
    ticks = {"1", "3", "10", "30", "100", "300"}
    for language, file in files.items():
        shown = [text for page in pages(file) for text in (*texts(page), notes_of(page))]
        result = set(NUMBER.findall(" ".join(shown).replace(numbers.NBSP, " ")))
        minutes = set(re.findall(r"\d+(?= minutes\.| 分钟的课)", notes_of(pages(file)[0])))
        assert result - known - set(static(language)) - ticks - minutes == set()


def test_both_languages_have_the_same_numbers_on_every_slide(made: tuple[Summary, dict[str, Path]]) -> None:
    both = [pages(made[1][language]) for language in ("en", "zh")]
    for one, other in zip(*both, strict=True):
        first, second = (Counter(NUMBER.findall(" ".join(texts(page)))) for page in (one, other))
        assert first == second, (texts(one), texts(other))


def test_the_times_the_factors_and_their_intervals_are_those_of_the_analysis(
    made: tuple[Summary, dict[str, Path]],
) -> None:
    summary, files = made
    published, same = (verdicts.question_named(summary, name) for name in ("as-published", "same-recipe"))
    assert published is not None
    assert same is not None
    for question, title in ((published, "As published"), (same, "Same recipe")):
        pair = answer.compared_pair(question)
        assert pair is not None
        ratio = answer.time_ratio(question, *(item.implementation for item in pair))
        assert ratio is not None
        by = numbers.at_least_one(ratio)
        page = beginning(files["en"], title)
        assert f"{numbers.plain(by.estimate)}× faster" in page.shapes.title.text_frame.text
        words = " ".join(texts(page)).replace(numbers.NBSP, " ")
        assert numbers.confidence(by, 3).replace(numbers.NBSP, " ") in words
        for item in pair:
            assert numbers.seconds_interval(item.wall_s).replace(numbers.NBSP, " ") in words
    steps = time_steps(published)
    assert steps is not None
    for language, title in (("en", "Why? Mini-batches of 64"), ("zh", "为什么？小批量")):
        shown = [text.replace(numbers.NBSP, " ") for text in texts(beginning(files[language], title))]
        with speaking(language):
            changes = [numbers.compared(inverse(step.speed_up), 3).replace(numbers.NBSP, " ") for step in steps]
        assert [text for text in shown if text in changes] == changes
        assert numbers.seconds(steps[-1].wall_s).replace(numbers.NBSP, " ") in shown


def test_the_table_of_checks_counts_every_check_once(made: tuple[Summary, dict[str, Path]]) -> None:
    summary, files = made
    checks = checks_of(summary)
    rows = cells(beginning(files["en"], "Is it right?"))[1:]
    counted = [tuple(map(int, row[1].split(" / "))) for row in rows if row[1] != numbers.ABSENT]
    assert sum(passed for passed, _ in counted) == sum(check.passed for check in checks)
    assert sum(total for _, total in counted) == len(checks)
    largest = max(map(answer.share_of_tolerance, checks))
    errors = [float(row[2].rstrip(" %")) for row in rows if row[2] != numbers.ABSENT]
    assert max(errors) == float(numbers.two_digits(100 * largest))


def test_the_table_of_accuracies_has_every_network_in_its_cell(made: tuple[Summary, dict[str, Path]]) -> None:
    summary, files = made
    question = verdicts.question_named(summary, "as-published")
    assert question is not None
    causes = accuracy_causes(question)
    assert causes is not None
    written = {
        label: numbers.percent_interval(reached).replace(numbers.NBSP, " ") for label, reached in causes.reached.items()
    }
    rows = cells(beginning(files["en"], "Why? Cross-entropy"))
    assert [row[1:] for row in rows[1:]] == [
        [written["scratch-numpy"], written["mini-batches, float32"]],
        [written["cross-entropy"], written["cross-entropy, mini-batches"]],
        ["", written["torch-loader"]],
    ]
    sentence = next(text for text in verdicts.lead(summary) if "hand-written" in text and "accura" in text.lower())
    comparison = sentence.partition(". ")[0].rstrip(".").replace(numbers.NBSP, " ")
    assert f"\n{comparison}.\n" in notes_of(beginning(files["en"], "Why? Cross-entropy"))


def worked() -> list[str]:
    """Return the numbers of the slide with the mistake, computed from the tables of the derivation."""
    page = (ROOT / "docs" / "derivation.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \$([^$]+)\$ \|(?:.*\|)? (-?[\d.]+) \|$", page, re.M)
    known = {name: float(value) for name, value in rows}
    right, dy, x = known[r"\partial E/\partial w_{13}"], known[r"\partial E/\partial y_3"], known["x_1"]
    missing, other = dy * x, dy * x * known["y_5"] * (1 - known["y_5"])
    values = [f"{value:.6f}".replace("-", "−") for value in (right, right, missing, other)]
    return [*values, *(f"{100 * abs(value / right - 1):.1f}" for value in (right, missing, other))]


def test_the_mistakes_are_those_of_the_worked_example(made: tuple[Summary, dict[str, Path]]) -> None:
    for language, title in (("en", "A mistake"), ("zh", "一个看上去")):
        rows = cells(beginning(made[1][language], title))[1:]
        shown = [row[1] for row in rows] + [row[2].rstrip(" %") for row in rows[1:]]
        for one, other in zip(shown, worked(), strict=True):  # the table has six decimals, so the last one may differ
            assert float(one.replace("−", "-")) == pytest.approx(float(other.replace("−", "-")), abs=2e-6, rel=2e-4)


def test_the_notes_of_the_first_slide_add_up_the_minutes_of_all(made: tuple[Summary, dict[str, Path]]) -> None:
    for file in made[1].values():
        first, *rest = map(notes_of, pages(file))
        minutes = sum(int(number) for note in rest for number in re.findall(r"^(?:Time: |用时：)(\d+)", note, re.M))
        assert re.findall(r"(\d+)(?: minutes\.| 分钟的课)", first)[0] == str(minutes)
        assert 50 <= minutes <= 60
        assert all(rest)


def test_the_machine_and_the_date_of_the_run_are_on_the_first_slide(made: tuple[Summary, dict[str, Path]]) -> None:
    description = made[0].description
    for file in made[1].values():
        shown = " ".join(texts(pages(file)[0]))
        assert description.environment["cpu"]["model"] in shown
        assert description.created[:10] in shown


def test_no_english_word_is_left_in_chinese(made: tuple[Summary, dict[str, Path]]) -> None:
    names = {"DataLoader", "scratch", "numpy", "torch", "sigmoid", "tanh", "compare", "mine", "py", "backprop", "bench"}
    names |= {"new", "python", "NumPy", "PyTorch", "float", "softmax", "ms", "AMD", "EPYC", "made", "up", "Numba"}
    names |= {"xi", "wij", "yj", "wjk", "ok"}  # of the quantities in the network
    for page in pages(made[1]["zh"]):
        assert [word for word in foreign(" ".join(texts(page))) if word not in names] == []
        assert re.search("[\u4e00-\u9fff]", notes_of(page))


# ---- Room


def test_nothing_hangs_over_the_edge_of_a_slide(made: tuple[Summary, dict[str, Path]]) -> None:
    for file in made[1].values():
        deck = pptx.Presentation(file)
        wide, high = deck.slide_width.inches, deck.slide_height.inches
        for number, page in enumerate(deck.slides, start=1):
            for name, box, shape in placed(page):
                assert box.left >= 0, (number, name)
                assert box.top >= 0, (number, name)
                assert box.left + box.width <= wide + 1e-6, (number, name)
                assert box.top + box.height <= high + 1e-6, (number, name)
                if shape.tag == f"{{{P}}}sp" and name.startswith("rect"):
                    text = "".join(run.text for run in shape.iter(f"{{{A}}}t"))
                    assert box.left + (0 if shape.xpath(".//a:pPr[@algn='ctr']") else text_width(text)) <= wide, text


def test_text_has_room_above_what_stands_below_it(made: tuple[Summary, dict[str, Path]]) -> None:
    for file in made[1].values():
        for page in pages(file)[1:]:
            title, *_ = page.shapes
            assert title.is_placeholder
            assert text_width(title.text_frame.text, TITLE_POINTS) <= MOST_TITLE_LINES * BODY.width
            bodies = page.element.xpath(".//p:sp[.//p:ph[@idx='1']]//a:p")
            paragraphs = ["".join(run.text or "" for run in part.iter(f"{{{A}}}t")) for part in bodies]
            lines = sum(-(-text_width(text, POINTS) // BODY.width) for text in paragraphs)
            tops = [box.top for name, box, _ in placed(page) if not name.startswith(("Title", "Content"))]
            assert BODY.top + lines * LINE <= min(tops, default=BODY.top + BODY.height), texts(page)


def test_equations_do_not_overlap(made: tuple[Summary, dict[str, Path]]) -> None:
    for file in made[1].values():
        for page in pages(file):
            boxes = [box for name, box, _ in placed(page) if name.startswith("equation")]
            assert all(one.top + one.height <= other.top for one, other in pairwise(boxes))


def test_cells_of_tables_have_room_on_one_line(made: tuple[Summary, dict[str, Path]]) -> None:
    for file in made[1].values():
        tables = [shape for page in pages(file) for shape in page.shapes if shape.has_table]
        assert len(tables) == 3
        for shape in tables:
            assert Emu(sum(row.height for row in shape.table.rows)).inches <= BODY.height
            for row in shape.table.rows:
                for cell, column in zip(row.cells, shape.table.columns, strict=True):
                    assert text_width(cell.text, TABLE_POINTS) <= Emu(column.width).inches - 0.2, cell.text


def test_no_letters_are_smaller_than_can_be_read_from_the_last_row(made: tuple[Summary, dict[str, Path]]) -> None:
    for file in made[1].values():
        deck = pptx.Presentation(file)
        assert {page.slide_layout.name for page in deck.slides} <= LAYOUTS
        styles = deck.slide_master.element.xpath("//p:titleStyle | //p:bodyStyle/a:lvl1pPr | //p:otherStyle")
        sizes = [size for one in styles for size in one.xpath(".//@sz")]
        sizes += deck.part._element.xpath(".//p:defaultTextStyle//@sz")  # tables have one of the two
        for page in deck.slides:
            sizes += page.element.xpath(".//a:rPr/@sz | .//a:defRPr/@sz")
            boxes = [
                box for box in page.slide_layout.placeholders if box.placeholder_format.idx < 10
            ]  # no foot, no date
            sizes += [size for box in boxes for size in box._element.xpath(".//a:defRPr/@sz")]
        assert len(sizes) > len(LAYOUTS)
        assert min(map(int, sizes)) >= 100 * SMALLEST


def test_figures_say_what_they_show_to_who_cannot_see_them(made: tuple[Summary, dict[str, Path]]) -> None:
    for language, file in made[1].items():
        alts = {
            name: next(shape.iter(f"{{{P}}}cNvPr")).get("descr")
            for page in pages(file)
            for name, _, shape in placed(page)
            if shape.tag == f"{{{P}}}grpSp"
        }
        assert set(alts) == {"network", "blocks", "published", "same", "time-causes"}
        for name, alt in alts.items():
            assert len(alt) > 40, name
            assert bool(re.search("[\u4e00-\u9fff]", alt)) == (language == "zh")
        for name in ("published", "same", "time-causes"):
            assert len(NUMBER.findall(alts[name])) >= 6


# ---- Runs that lack something


def test_a_run_without_the_articles_networks_has_no_slides_on_them(tmp_path: Path) -> None:
    for summary in (whole_summary(without=["mini-batches"]), whole_summary(without=["torch-loader"])):
        titles = titles_of(deck_of(summary, "en", tmp_path / "a.pptx"))
        assert not any("Mini-batches of 64: an epoch" in title for title in titles)
        assert any(title.startswith("Same recipe") for title in titles)
        assert titles[-1] == "Exercises"


def test_a_run_without_an_a_a_test_keeps_the_slide_on_separate_runs_and_leaves_out_the_sentence(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", "compare", *recorded_run(self_test_ratio=None))
    assert slides(folder, "--language", "en", "--output", tmp_path / "a.pptx").exit_code == 0
    notes = notes_of(beginning(tmp_path / "a.pptx", "Two separate runs"))
    assert "Ask: " in notes
    assert "Check of the method" not in notes


def test_what_failed_is_on_the_first_slide_after_the_title_and_in_the_exit_code(tmp_path: Path) -> None:
    run = recorded_run(failures={"torch-eager": "it " + "fails " * 300}, parity_failure="torch-loader")
    folder = write_run(tmp_path / "run", "compare", *run)
    result = slides(folder, "--output", tmp_path / "a.pptx")
    assert result.exit_code == 1, result.output
    for name in ("a.pptx", "a.zh-CN.pptx"):
        first = pages(tmp_path / name)[1]
        shown = " ".join(texts(first))
        assert "torch-loader" in shown
        assert "fails" in shown
        assert notes_of(first).count("fails") == 300
        lines = sum(-(-text_width(text, POINTS) // BODY.width) for text in texts(first)[1:])
        assert lines * LINE <= BODY.height


def test_a_hostile_name_breaks_nothing(tmp_path: Path) -> None:
    name = f"{HOSTILE[:35]}.py:Net"
    folder = write_run(tmp_path / "run", "compare", *recorded_run(failures={"torch-eager": HOSTILE}))
    for file in (folder / DESCRIPTION, folder / RECORDS):
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace('"torch-loader"', json.dumps(name)), encoding="utf-8")
    assert slides(folder, "--output", tmp_path / "a.pptx").exit_code == 1
    assert HOSTILE in notes_of(pages(tmp_path / "a.pptx")[1])
    plain = write_run(tmp_path / "plain", "compare", *recorded_run(failures={"torch-eager": "x" * len(HOSTILE)}))
    assert slides(plain, "--output", tmp_path / "b.pptx").exit_code == 1
    assert len(pages(tmp_path / "a.pptx")) == len(pages(tmp_path / "b.pptx"))


# ---- The command


def test_the_same_records_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_run(tmp_path / "run", "compare", *recorded_run())
    first = slides(folder, "--language", "zh", "--output", tmp_path / "a.pptx")
    assert first.exit_code == 0, first.output
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    (tmp_path / "pandoc").mkdir()
    (tmp_path / "pandoc" / "reference.pptx").write_bytes(b"a deck of the user's own")
    assert slides(folder, "--language", "zh", "--output", tmp_path / "b.pptx").exit_code == 0
    assert (tmp_path / "a.pptx").read_bytes() == (tmp_path / "b.pptx").read_bytes()
    began = datetime.datetime.fromisoformat(read_plain_description(folder)["created"]).replace(tzinfo=None)
    assert pptx.Presentation(tmp_path / "a.pptx").core_properties.modified.replace(tzinfo=None) == began
    with zipfile.ZipFile(tmp_path / "a.pptx") as archive:
        assert {info.date_time[:3] for info in archive.infolist()} == {(began.year, began.month, began.day)}


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
    assert "4 轮" in words_of(tmp_path / "results" / "slides.zh-CN.pptx")


def test_with_a_language_only_that_deck_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "results" / "latest", "compare", *recorded_run())
    assert slides("--language", "zh").output == f"{Path('results/slides.zh-CN.pptx')}\n"
    assert slides("--language", "en").output == f"{Path('results/slides.pptx')}\n"
    assert slides("--language", "zh", "--output", "class.pptx").output == "class.pptx\n"
    assert "反向传播" in titles_of(Path("class.pptx"))[0]
    refused_language = slides("--language", "fr")
    assert refused_language.exit_code == 2
    assert "'fr' is not one of 'en', 'zh'" in refused_language.output


def test_what_is_no_run_of_compare_is_refused_in_one_sentence(tmp_path: Path) -> None:
    refused(slides(tmp_path / "nowhere"), "holds no run")
    ladder = write_run(tmp_path / "ladder", "ladder", *MADE_UP["ladder"]())
    refused(slides(ladder, "--output", tmp_path / "a.pptx"), "holds a run of `backprop-bench ladder`", "expected")
    assert not (tmp_path / "a.pptx").exists()


@pytest.mark.parametrize("missing", ["pypandoc", "pandoc"])
def test_without_the_library_it_says_what_to_install(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_pandoc() -> str:
        raise OSError("No pandoc was result")

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
def test_pandoc_reads_every_text_as_it_is(lines: list[str]) -> None:
    escaped = [result for text in lines if (result := escape(text))]
    told = [find_pandoc(), f"--from={FORMAT}", "--to=json"]
    source = "\n\n".join(escaped).encode()
    blocks = json.loads(subprocess.run(told, input=source, stdout=subprocess.PIPE, check=True).stdout)["blocks"]
    assert {block["t"] for block in blocks} <= {"Para"}
    read = ["".join(part.get("c", " ") for part in block["c"]) for block in blocks]
    assert read == [re.sub(r"\\(?=[!-/:-@\[-`{-~])(.)", r"\1", text) for text in escaped]


@hypothesis.given(st.text(max_size=80))
def test_every_text_of_a_figure_is_read_as_it_is(text: str) -> None:
    group = Group("g", text, Box(0, 0, 1, 1))
    group.write(Box(0, 0, 1, 1), text)
    root = ET.fromstring(f'<r xmlns:p="{P}" xmlns:a="{A}">{group.to_xml()}</r>')
    assert next(root.iter(f"{{{P}}}cNvPr")).get("descr") == numbers.clean(text)
    assert (next(root.iter(f"{{{A}}}t")).text or "") == numbers.clean(text)
