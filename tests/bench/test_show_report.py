"""The report is the same for the same records, safe, whole, and readable without seeing the figures."""

import base64
import hashlib
import html
import html.parser
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
from matplotlib.text import Text

from backprop_bench.bench.compare import epoch_times
from backprop_bench.bench.compare.figures import draw_all, left_out
from backprop_bench.bench.compare.report import Material, write_report
from backprop_bench.bench.core.summary import Summary
from backprop_bench.bench.report import style
from backprop_bench.data import InputError
from tests.bench.plain import summarize
from tests.bench.recorded import FOURTEEN, THREE, recorded_run
from tests.bench.whole import whole_summary

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("show_report")]  # what its fixtures make is made once

HTML_NAME = 'torch-<img src="http://x/y" onerror=alert(1)>&"\'</td>'
LONG_NAME = "scratch-" + "very-long-" * 20

OF_NETWORKS = ("confusion", "disagreements", "most-confident-errors", "hidden-units")
"""Figures that a run has only where it has kept what it trained."""

OF_THE_ARTICLE = ("accuracy-over-time", "time-causes", "accuracy-causes")
"""Figures that a run has only where the plan has the steps between the article's two networks."""

KNOBS: dict[str, dict[str, Any]] = {
    "as it should be": {},
    "fourteen implementations": {"implementations": FOURTEEN},
    "a seed diverged, a self-test that is off": {"diverged": ("torch-eager", 1), "self_test_ratio": 1.3},
    "one failed, one unequal": {
        "failures": {"torch-eager": f"{HTML_NAME}: no module"},
        "parity_failure": "torch-loader",
    },
    "all failed": {"failures": dict.fromkeys(THREE, "no memory")},
    "no parity, no parts, no self-test": {"with_parity": False, "with_parts": False, "self_test_ratio": None},
    "one seed, one epoch": {"seeds": (0,), "epochs": 1},
    "nothing yet": {"keep_rows": 0},
    "only initial weights": {"keep_rows": 5},
    "cut short in the first timing": {"keep_rows": 50},
    "cut short in the second question": {"keep_rows": 250},
    "nothing timed": {"n_replicates": 0},
    "one process replicate": {"n_replicates": 1, "stop_reason": "budget"},
    "two process replicates that differ much, all under interference": {
        "n_replicates": 2,
        "replicate_spread": 0.5,
        "stop_reason": "budget",
        "interfered": 1.0,
    },
    "HTML in names, and long ones": {"implementations": ("scratch-$x$|`", HTML_NAME, LONG_NAME)},
    "control characters, and long names": {
        "implementations": ("scratch-\x1b[2J\x00\n", "torch-\u202e--x", "torch-" + "y" * 200)
    },
}


def summary_of(**knobs: Any) -> Summary:
    return summarize(*recorded_run(**knobs))


class Page(html.parser.HTMLParser):
    """What a page refers to, whether it is closed properly, and its text."""

    VOID = frozenset({"meta", "img", "br", "link", "hr", "input", "source"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module", params=[*KNOBS.values(), None], ids=[*KNOBS, "the article's whole experiment"])
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    summary = whole_summary() if request.param is None else summary_of(**request.param)
    return write_report(Material(summary), tmp_path_factory.mktemp("report"))


@pytest.mark.slow
def test_the_page_is_whole_and_refers_to_nothing_outside(written: list[Path]) -> None:
    text = written[0].read_text("utf-8")
    page = Page(text)
    assert page.open == []
    named = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    for tag, attributes in page.tags:
        assert tag not in ("link", "iframe", "object")
        assert not any(name.startswith("on") for name in attributes)
        for value in (attributes.get(name) or "" for name in ("src", "href", "srcset", "action")):
            assert not value or value.startswith("data:image/") or value[1:] in named
    assert not re.search(r"url\((?!%23)|@import", text)


def test_the_page_may_only_run_its_own_script_and_ask_for_nothing(written: list[Path]) -> None:
    text = written[0].read_text("utf-8")
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    allowed = dict(rule.split(" ", 1) for rule in html.unescape(policy).split("; "))
    assert allowed["default-src"] == allowed["base-uri"] == allowed["form-action"] == "'none'"
    assert allowed["img-src"] == "data:"
    for tag in ("style", "script"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        checksum = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert allowed[f"{tag}-src"] == f"'sha256-{checksum}'"


@pytest.mark.slow
def test_every_figure_has_its_content_in_words(written: list[Path]) -> None:
    images = [attributes for tag, attributes in Page(written[0].read_text("utf-8")).tags if tag == "img"]
    in_english = [path for path in written if path.suffix == ".png"]
    in_chinese = [path for path in written if path.name.endswith(".zh.svg") and "-narrow" not in path.name]
    assert len(images) == len(in_english) + len(in_chinese)
    assert all(len(attributes["alt"] or "") > 60 for attributes in images)


def test_every_svg_is_well_formed_and_undated(written: list[Path]) -> None:
    for path in written:
        if path.suffix == ".svg":
            assert ET.parse(path).getroot().tag.endswith("svg")
            assert "<dc:date>" not in path.read_text("utf-8")


def test_nothing_but_the_report_is_left_in_the_folder(written: list[Path]) -> None:
    assert {path for path in written[0].parent.rglob("*") if path.is_file()} == set(written)


@pytest.mark.slow
def test_the_same_records_give_the_same_bytes(tmp_path: Path) -> None:
    one = write_report(Material(summary_of()), tmp_path / "one")
    with mpl.rc_context({"axes.facecolor": "red", "font.size": 30, "svg.hashsalt": "other"}):
        other = write_report(Material(summary_of()), tmp_path / "other")
    assert [path.relative_to(tmp_path / "one") for path in one] == [
        path.relative_to(tmp_path / "other") for path in other
    ]
    for first, second in zip(one, other, strict=True):
        assert first.read_bytes() == second.read_bytes(), first.name


@pytest.mark.slow
def test_drawing_leaves_the_settings_of_matplotlib_alone(tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    draw_all(summary_of(), tmp_path)
    assert dict(mpl.rcParams) == before


@pytest.mark.slow
def test_names_and_messages_with_html_are_shown_as_text(tmp_path: Path) -> None:
    summary = summary_of(
        implementations=("scratch-numpy", HTML_NAME, "jax"), failures={"jax": "<script>alert(1)</script>"}
    )
    page = write_report(Material(summary), tmp_path)[0].read_text("utf-8")
    assert page.count("<script") == 2, "the words of the page, and its script"
    assert not re.search(r"<img(?! src=\"data:image/)", page)
    assert HTML_NAME in Page(page).text
    assert "<script>alert(1)</script>" in Page(page).text
    assert page.count("</script") == 2


@pytest.mark.slow
def test_markdown_shows_html_in_names_as_text(tmp_path: Path) -> None:
    text = write_report(Material(summary_of(implementations=("scratch-numpy", HTML_NAME))), tmp_path)[1].read_text(
        "utf-8"
    )
    assert not re.search(r"(?<!\\)<", text)


def test_an_incomplete_run_says_so_before_anything_else(tmp_path: Path) -> None:
    summary = summary_of(keep_rows=120)
    assert not summary.complete
    page, markdown = (path.read_text("utf-8") for path in write_report(Material(summary), tmp_path)[:2])
    assert page.index("This run is incomplete") < page.index('<div class="answer">')
    assert markdown.index("This run is incomplete") < markdown.index("- **")


@pytest.mark.slow
def test_a_complete_run_has_no_warning_and_says_why_timing_stopped_and_what_the_self_test_gave(tmp_path: Path) -> None:
    text = write_report(Material(summary_of()), tmp_path)[0].read_text("utf-8")
    assert 'class="warning"' not in text
    page = Page(text).text.replace("\N{NO-BREAK SPACE}", " ")
    assert page.count("Timing stopped after 4 process replicates, 61.3 s: every ratio is within ±5 %") == 2
    assert page.count("A/A test, scratch-numpy against itself: ratio") == 1


@pytest.mark.slow
def test_a_figure_without_data_is_left_out_with_a_reason(tmp_path: Path) -> None:
    summary = summary_of(with_parts=False)
    assert [figure.name for figure in draw_all(summary, tmp_path)] == [
        "overview",
        "accuracy-over-time",
        "epoch-times",
        "checks",
        "ratios",
        "learning-curves",
    ]
    assert list(left_out(summary)) == [*OF_THE_ARTICLE[1:], "step-parts", *OF_NETWORKS]
    page = Page(write_report(Material(summary), tmp_path)[0].read_text("utf-8")).text
    assert "The figure step-parts is left out: no implementation had its steps timed in parts." in page


@pytest.mark.slow
def test_a_run_without_blocks_says_that_nothing_was_timed(tmp_path: Path) -> None:
    summary = summary_of(n_replicates=0)
    assert list(left_out(summary)) == [
        "overview",
        "accuracy-over-time",
        "epoch-times",
        *OF_THE_ARTICLE[1:],
        "ratios",
        *OF_NETWORKS,
    ]
    page = Page(write_report(Material(summary), tmp_path)[0].read_text("utf-8")).text
    assert "Nothing was timed." in page
    assert "The figure ratios is left out: no two implementations were timed in the same rounds." in page
    assert "After 5 epochs: accuracies agree" in next(
        figure.title for figure in draw_all(summary, tmp_path) if figure.name == "learning-curves"
    )


@pytest.mark.slow
def test_the_figure_of_the_ratios_has_every_ratio_to_the_slowest_and_the_aa_test_in_words(tmp_path: Path) -> None:
    figure = next(result for result in draw_all(summary_of(), tmp_path) if result.name == "ratios")
    assert "Times faster than torch-loader: " in figure.alt
    for name in (*THREE[:2], "A/A test"):
        assert re.search(rf"{name} [\d.]+× \([\d.]+–[\d.]+\) \(4 process replicates\)", figure.alt)


@pytest.mark.slow
def test_an_aa_test_that_is_off_is_said_before_anything_else(tmp_path: Path) -> None:
    page = write_report(Material(summary_of(self_test_ratio=1.3)), tmp_path)[0].read_text("utf-8")
    assert page.index("the interval does not include 1.") < page.index('<div class="answer">')


@pytest.mark.slow
def test_the_titles_of_figures_turn_round_when_the_numbers_do(tmp_path: Path) -> None:
    pair = ("scratch-numpy", "torch-eager")
    titles = [
        {figure.name: figure.title for figure in draw_all(summary_of(implementations=pair, epoch_s=times), tmp_path)}
        for times in ({pair[0]: 4.0, pair[1]: 1.0}, {pair[0]: 1.0, pair[1]: 4.0})
    ]
    assert titles[0]["step-parts"].startswith("Time per example: torch-eager")
    assert titles[1]["step-parts"].startswith("Time per example: scratch-numpy")
    assert re.match(r"torch-eager is (4|3\.9)\S*× faster per epoch than scratch-numpy$", titles[0]["epoch-times"])
    assert re.match(r"scratch-numpy is (4|3\.9)\S*× faster per epoch than torch-eager$", titles[1]["epoch-times"])
    assert re.match(r"torch-eager is (4|3\.9)\S*× faster per epoch than scratch-numpy$", titles[0]["ratios"])
    assert re.match(r"scratch-numpy is (4|3\.9)\S*× faster per epoch than torch-eager$", titles[1]["ratios"])


def test_a_folder_that_cannot_be_written_is_an_input_error_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"file.*: cannot write: Not a directory$"):
        write_report(Material(summary_of(implementations=THREE[:2])), tmp_path / "file")


@pytest.mark.slow
def test_a_report_is_replaced_whole(tmp_path: Path) -> None:
    write_report(Material(summary_of()), tmp_path)
    write_report(Material(summary_of(implementations=THREE[:2])), tmp_path)
    assert "torch-loader" not in (tmp_path / "report.html").read_text("utf-8")


def test_the_caption_of_the_times_says_of_what_they_are() -> None:
    figure = epoch_times.draw(summarize(*recorded_run()), style.PAGE_INCHES).figure
    texts = " ".join(" ".join(text.get_text().split()) for text in figure.findobj(Text))
    assert "60,000 training examples; geometric mean and 95 % CI of 10th-percentile block times over" in texts
    assert "4 process replicates." in texts
