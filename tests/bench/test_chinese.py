"""The report in Chinese: every message is translated, and says the same numbers of the same names as in English."""

import json
import re
import unicodedata
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from click.testing import CliRunner, Result

from backprop_bench.bench.cli.main import main
from backprop_bench.bench.cli.progress import Bars
from backprop_bench.bench.compare import accuracy_causes, answer, verdicts
from backprop_bench.bench.compare.figures import MAIN
from backprop_bench.bench.compare.plan import plan_comparison
from backprop_bench.bench.compare.report import Material, write_report
from backprop_bench.bench.compare.stages import expected_stages
from backprop_bench.bench.core.implementations import IMPLEMENTATIONS
from backprop_bench.bench.core.network import Outcomes
from backprop_bench.bench.core.summary import Summary, summarize
from backprop_bench.bench.report import style
from backprop_bench.bench.report.language import CATALOGUES, _, language_of_locale, reading, speaking
from backprop_bench.data import load_dataset
from tests.bench import plain
from tests.bench.recorded import made_up_outcomes, recorded_run, write_run
from tests.bench.whole import whole_run, whole_summary
from tests.docs.pages import ROOT

SUMMARIES = {
    "whole": whole_summary(),
    "PyTorch slower": whole_summary(example_s={"as-published": {"torch-eager": 500e-6, "torch-loader": 600e-6}}),
    "NumPy more accurate": whole_summary(accuracy={"torch-loader": 0.95}),
    "as accurate": whole_summary(accuracy={"torch-loader": 0.971}),
    "one seed": whole_summary(seeds=1),
    "no steps": whole_summary(without=["mini-batches"]),
    "no PyTorch": whole_summary(without=["torch-eager", "torch-loader"]),
}
VERDICTS = (
    *("Yes", "No", "Unknown", "Not significantly", "Yes, by little", "Roughly", "Not needed", "Not here", "Not tested"),
    *("Only with one example at a time", "Only with mini-batches", "Only with squared error"),
    *("Only with cross-entropy", "Ambiguous"),
)
NAMES = re.compile("|".join(sorted(map(re.escape, IMPLEMENTATIONS), key=len, reverse=True)))
NUMBER = re.compile(r"[+−]?\d+(?:,\d{3})*(?:\.\d+)?")
WORD = re.compile(r"[A-Za-z]{2,}")
UNTRANSLATED = {
    *("PyTorch", "Numba", "NumPy", "DataLoader", "MNIST", "JavaScript", "Delete", "English"),  # names
    *("epoch", "batch", "float"),  # what the README in Chinese has, too
    *("pytorch", "records", "jsonl", "block", "parity", "timed", "work", "trained"),  # the article, files, records
    *("CPU", "softmax", "ms"),
    *("made", "up"),  # the processor of the run that is shown
}


@pytest.fixture
def catalogue() -> Catalog:
    with (CATALOGUES / "zh.po").open("rb") as file:
        return read_po(file, "zh")


def places(message: str) -> set[str]:
    return set(re.findall(r"\{\w*\}", message))


def test_every_message_of_the_code_is_in_the_catalogue_with_its_named_places_and_no_other_one_is(
    catalogue: Catalog,
) -> None:
    found = extract_from_dir(ROOT / "bench", [("**.py", "python")], keywords={"_": None})
    messages = {str(message) for _file, _line, message, _comments, _context in found}
    assert messages == {message.id for message in catalogue if message.id}
    assert not catalogue.obsolete
    assert [message.id for message in catalogue if message.id and (message.fuzzy or not message.string)] == []
    assert [
        message.id for message in catalogue if message.id and places(str(message.id)) != places(str(message.string))
    ] == []


def in_both(say: Callable[[Summary], list[str]], summary: Summary) -> tuple[list[str], list[str]]:
    """Return what a function of a summary says in English and in Chinese."""
    with speaking("zh"):
        chinese = say(summary)
    return say(summary), chinese


def alts(summary: Summary) -> list[str]:
    with style.look():
        return [kind.draw(summary, style.PAGE_INCHES).alt for kind in MAIN if kind.missing(summary) is None]


def titles(summary: Summary) -> list[str]:
    return [text for question in summary.questions for text in (answer.title(question), answer.headline(question))]


def causes(summary: Summary) -> list[str]:
    return [text for question in summary.questions for text in accuracy_causes.sentences(question)]


def measured(summary: Summary) -> list[str]:
    return [verdict.measured for verdict in verdicts.verdicts(summary)]


SAID: dict[str, Callable[[Summary], list[str]]] = {
    "lead": verdicts.lead,
    "measured": measured,
    "titles": titles,
    "causes": causes,
    "warnings": answer.warnings,
    "alts": alts,
}


@pytest.mark.parametrize("what", SAID)
@pytest.mark.parametrize("summary", SUMMARIES.values(), ids=list(SUMMARIES))
def test_both_languages_have_the_same_numbers_and_names(summary: Summary, what: str) -> None:
    english, chinese = in_both(SAID[what], summary)
    assert len(english) == len(chinese)
    for one, other in zip(english, chinese, strict=True):
        assert Counter(NAMES.findall(one)) == Counter(NAMES.findall(other)), (one, other)
        assert Counter(NUMBER.findall(one)) == Counter(NUMBER.findall(other)), (one, other)


@pytest.mark.parametrize("summary", SUMMARIES.values(), ids=list(SUMMARIES))
def test_verdicts_are_as_many_and_each_is_the_same_in_both_languages(summary: Summary) -> None:
    with speaking("zh"):
        chinese = [verdict.holds for verdict in verdicts.verdicts(summary)]
        translated = {_(verdict): verdict for verdict in VERDICTS}
    assert len(translated) == len(VERDICTS)
    assert [translated[holds] for holds in chinese] == [verdict.holds for verdict in verdicts.verdicts(summary)]


@pytest.mark.parametrize("summary", SUMMARIES.values(), ids=list(SUMMARIES))
def test_in_chinese_the_percent_sign_follows_its_number_brackets_are_wide_and_an_epoch_is_a_lun(
    summary: Summary,
) -> None:
    for say in SAID.values():
        for text in in_both(say, summary)[1]:
            assert not re.search(r"\d\s%|[\u4e00-\u9fff] ?[()]|[()] ?[\u4e00-\u9fff]", text), text
            assert "epoch" not in text.replace("轮（epoch）", "").replace("“epoch”", ""), text


def test_who_is_faster_turns_round_in_chinese_when_it_does() -> None:
    for ratio, words in ((2.0, "PyTorch 版的速度是手写版的 15.0 倍"), (0.1, "PyTorch 版的耗时是手写版的 10.0 倍")):
        torch = {"torch-loader": 20e-6 if ratio > 1 else 3000e-6}
        _english, chinese = in_both(verdicts.lead, whole_summary(example_s={"as-published": torch}))
        assert words in chinese[2]


def test_the_answer_is_whole_and_says_of_whom_each_number_is() -> None:
    _english, chinese = in_both(verdicts.lead, SUMMARIES["whole"])
    assert [sentence.replace("\N{NO-BREAK SPACE}", " ") for sentence in chinese] == [
        (
            "写对了：梯度、权重以及被计时的计算，结果都与 PyTorch 版一致，差异不超过舍入误差。"
            "101 项检查全部通过，最大误差为容差的 0.10%。"
        ),
        (
            "训练配置相同（784-128-10）、只用一个 CPU 线程时，scratch-numpy（手写 NumPy）每轮的速度是 torch-eager"
            "（本次比较的两种 PyTorch 写法中较快者）的 1.67 倍（95% 置信区间 1.67–1.67）。"
            "scratch-compiled（手写 Numba）的速度是它的 5.00 倍（95% 置信区间 5.00–5.00）。"
        ),
        (
            "按文章的原始设置（784-200-10，训练配置各不相同），PyTorch 版的速度是手写版的 15.0 倍"
            "（95% 置信区间 15.0–15.0；训练 5 轮（epoch）：手写版 90.0 s，PyTorch 版 6.00 s）。"
            "原因不在 PyTorch：变快是因为每批 64 个样本的小批量（20.0 倍）、float32（1.50 倍）和损失、偏置、输入"
            "（1.00 倍），变慢是因为从 NumPy 换成 PyTorch 和 DataLoader（2.00 倍）。"
        ),
        (
            "PyTorch 版的网络更准确：训练 5 轮后，PyTorch 版为 97.41%，手写版为 97.11%，"
            "相差 0.31 个百分点（95% 置信区间 0.25–0.36）。"
            "只换交叉熵，准确率变化 +0.2 个百分点；只换小批量 −3.0；两者都换 0.0；其余因素 +0.3。"
        ),
    ]


# ---- The page and its figures


class Spoken(HTMLParser):
    """What a page shows of its main part in a language, the alternative texts included, and its ids."""

    def __init__(self, page: str, language: str) -> None:
        super().__init__()
        self.language, self.texts, self.ids = language, "", list[str]()
        self.root, self._open = "", list[str | None]()
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.ids += [told["id"]] if told.get("id") else []  # type: ignore[list-item]
        self.root = self.root or told.get("lang") or ""
        if tag not in ("meta", "img", "source", "input"):
            self._open.append(told.get("lang"))
        if self._is_spoken():
            self.texts += f" {told.get('alt') or ''} {told.get('aria-label') or ''} "

    def handle_endtag(self, tag: str) -> None:
        self._open.pop()

    def handle_data(self, data: str) -> None:
        self.texts += data if self._is_spoken() else ""

    def _is_spoken(self) -> bool:
        inner = [language for language in self._open[1:] if language]
        return bool(inner) and inner[-1] == self.language


@pytest.fixture(scope="module")
def outcomes() -> Outcomes:
    return made_up_outcomes(recorded_run()[0], side=28, implementations_differ=5)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a report of everything."""
    run = whole_run()
    folder = tmp_path_factory.mktemp("chinese")
    write_report(Material(summarize(run.description, run.rows), run.rows), folder, "zh")
    return folder


def foreign(text: str) -> list[str]:
    """Return the words of a Chinese text that are none of those that stay as they are."""
    without = NAMES.sub(" ", re.sub(r"(python|jq) -?c?.*", " ", text))
    return [word for word in WORD.findall(without) if word not in UNTRANSLATED]


@pytest.mark.slow
def test_no_english_word_is_left_in_the_chinese_part(report: Path) -> None:
    page = Spoken((report / "report.html").read_text("utf-8"), "zh")
    assert page.root == "zh"
    assert "写对了：梯度、权重以及被计时的计算，结果都与 PyTorch 版一致" in page.texts
    assert "“而pytorch其实只要10s不到”" in page.texts
    assert foreign(page.texts) == []
    assert len(page.ids) == len(set(page.ids))


@pytest.mark.slow
def test_the_page_in_english_first_has_the_same_in_both_languages(report: Path, tmp_path: Path) -> None:
    run = whole_run()
    write_report(Material(summarize(run.description, run.rows), run.rows), tmp_path)
    english = Spoken((tmp_path / "report.html").read_text("utf-8"), "zh")
    assert english.root == "en"
    assert english.texts == Spoken((report / "report.html").read_text("utf-8"), "zh").texts
    assert (tmp_path / "report.md").read_bytes() == (report / "report.md").read_bytes()
    assert not re.search("[\u4e00-\u9fff]", (tmp_path / "report.md").read_text("utf-8"))


def svg_texts(path: Path) -> list[tuple[str, float, float]]:
    """Return the texts of an SVG that are not turned, with the places where each begins and ends at most."""
    result = []
    for element in ET.parse(path).getroot().iter("{http://www.w3.org/2000/svg}text"):
        look = element.get("style", "")
        if re.search(r"rotate\(-?[1-9]", element.get("transform", "")):
            continue
        size, text = float(re.findall(r"([\d.]+)px", look)[0]), element.text or ""
        wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
        length = size * (wide + 0.62 * (len(text) - wide))
        at = float(element.get("x") or re.findall(r"translate\(([\d.]+)", element.get("transform", ""))[0])
        start = {"end": at - length, "middle": at - length / 2}.get(
            "".join(re.findall("text-anchor: (\\w+)", look)), at
        )
        result.append((text, start, start + length))
    return result


@pytest.mark.slow
def test_the_figures_in_chinese_have_text_that_is_translated_and_not_cut(report: Path) -> None:
    paths = sorted((report / "figures").glob("*.zh.svg"))
    assert len(paths) == 2 * len(MAIN)
    for path in paths:
        width = float((ET.parse(path).getroot().get("viewBox") or "").split()[2])
        texts = svg_texts(path)
        assert re.search("[\u4e00-\u9fff]", " ".join(text for text, _start, _end in texts)), path.name
        assert [foreign(text) for text, _start, _end in texts if foreign(text)] == [], path.name
        assert [text for text, start, end in texts if start < 0 or end > width] == [], path.name
        assert [text for text, _start, _end in texts if text[:1] in style.NOT_FIRST and text] == [], path.name


def test_the_words_of_the_panel_are_in_both_languages(outcomes: Outcomes, tmp_path: Path) -> None:
    description, rows = recorded_run()
    summary = plain.summarize(description, rows, outcomes)
    page = write_report(Material(summary, plain.typed(rows)), tmp_path)[0].read_text("utf-8")
    words = json.loads(re.findall(r'<script type="application/json" id="words">(.*?)</script>', page)[0])
    assert words["en"].keys() == words["zh"].keys()
    assert words["zh"]["about_panel"].count("28 × 28") == words["en"]["about_panel"].count("28 × 28") == 1
    for key, text in words["en"].items():
        assert places(text) == places(words["zh"][key])
    assert page.count('id="pad"') == 1


# ---- The command


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("results") / "run", "compare", *recorded_run())


def invoke(monkeypatch: pytest.MonkeyPatch, locale: str, *arguments: str | Path) -> Result:
    for name in ("LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", locale)
    monkeypatch.setenv("COLUMNS", "300")
    return CliRunner().invoke(main, list(map(str, arguments)))


@pytest.mark.parametrize(
    ("locale", "options", "is_chinese"),
    [
        ("C.UTF-8", [], False),
        ("zh_CN.UTF-8", [], True),
        ("zh_CN.UTF-8", ["--language", "en"], False),
        ("C.UTF-8", ["--language", "zh"], True),
        ("de_DE.UTF-8", [], False),
    ],
)
def test_the_last_lines_are_in_the_language_asked_for_and_else_in_that_of_the_locale(
    run: Path, monkeypatch: pytest.MonkeyPatch, locale: str, options: list[str], is_chinese: bool
) -> None:
    shown = invoke(monkeypatch, locale, "show", run, *options)
    assert shown.exit_code == 0
    last = shown.output.strip().splitlines()[-4:]
    assert ("训练配置相同（784-128-10）" in " ".join(last)) is is_chinese
    assert ("With the same recipe (784-128-10) on one CPU thread" in " ".join(last)) is not is_chinese


def test_what_programs_read_is_in_english_whatever_the_language(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for form in ("json", "md"):
        outputs = {invoke(monkeypatch, "zh_CN", "show", run, "--format", form, "--language", "zh").output}
        outputs.add(invoke(monkeypatch, "C", "show", run, "--format", form).output)
        assert len(outputs) == 1


def test_a_language_that_is_none_of_them_is_refused(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for command in (["show", run], ["report", run], ["compare"]):
        refused = invoke(monkeypatch, "C", *command, "--language", "fr")
        assert refused.exit_code == 2
        assert "'fr' is not one of 'en', 'zh'" in refused.output


@pytest.mark.slow
def test_report_writes_a_page_that_is_chinese_first_and_lists_the_run_in_english(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = invoke(monkeypatch, "zh_CN.UTF-8", "report", run)
    assert written.exit_code == 0
    assert "训练配置相同" in written.output
    assert '<html lang="zh">' in (run / "report.html").read_text("utf-8")
    assert "With the same recipe" in (run.parent / "index.html").read_text("utf-8")
    invoke(monkeypatch, "zh_CN.UTF-8", "report", run, "--language", "en")
    assert '<html lang="en">' in (run / "report.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("variables", "language"),
    [
        ({"LC_ALL": "zh_CN.UTF-8", "LANG": "en_US.UTF-8"}, "zh"),
        ({"LC_ALL": "C", "LANG": "zh_CN.UTF-8"}, "en"),
        ({"LC_MESSAGES": "zh_TW.UTF-8", "LANG": "de_DE.UTF-8"}, "zh"),
        ({"LANG": "en_GB.UTF-8"}, "en"),
    ],
)
def test_the_locale_is_that_of_messages(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], language: str
) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert language_of_locale() == language


def test_the_stages_are_announced_in_the_language_of_the_reader(capsys: pytest.CaptureFixture[str]) -> None:
    plan = plan_comparison("quick", load_dataset("mnist"))
    announced = {}
    for language in ("en", "zh"):
        with reading(language):
            bars = Bars(expected_stages(plan))
            for title in ("verification", "train as-published", "time same-recipe", "figures"):
                with bars.stage(title, 1):
                    pass
        announced[language] = capsys.readouterr().err.strip().splitlines()
    assert announced["zh"][1].startswith("第 3 阶段，共 7 个阶段：训练 as-published，大约还要 ")
    assert announced["en"][3].startswith("Stage 7 of 7: figures, about 0:")
    for one, other in zip(announced["en"], announced["zh"], strict=True):
        assert Counter(NUMBER.findall(one)) == Counter(NUMBER.findall(other))
