"""``results/index.html``: read back as a reader would, with broken and half-written runs in the folder."""

import base64
import hashlib
import json
import re
import time
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from click.testing import CliRunner, Result

from backprop_bench.bench.cli.index import ANSWER, INDEX, keep_answer, runs_in, update_index
from backprop_bench.bench.cli.main import main
from backprop_bench.bench.report.findings import Finding, Findings
from backprop_bench.bench.report.index import listed_run, to_index_page
from tests.bench.recorded import recorded_run, write_run
from tests.bench.timed import timed_question, timed_run

SCRIPT = "<script>alert(1)</script>"
STAGES = {"float32": "scratch-numpy", "tensors": "torch-eager"}


class Page(HTMLParser):
    """The runs of a page: the texts of each, and where its heading leads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.runs: list[list[str]] = []
        self.links: list[str | None] = []
        self.tags: list[str] = []
        self.metas: dict[str | None, str | None] = {}
        self.feed(path.read_text(encoding="utf-8"))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "meta":
            told = dict(attrs)
            self.metas[told.get("http-equiv") or told.get("name")] = told.get("content")
        if tag == "section":
            self.runs.append([])
            self.links.append(None)
        if tag == "a" and self.runs:
            self.links[-1] = dict(attrs)["href"]

    def handle_data(self, data: str) -> None:
        if self.runs and data.strip():
            self.runs[-1].append(" ".join(data.split()))


def ladder(folder: Path, name: str) -> Path:
    description, rows = timed_run(timed_question("ladder", {"float32": 8e-6, "tensors": 16e-6}, STAGES))
    return write_run(folder / name, "ladder", {**description, "created": "2026-11-24T08:00:00+00:00"}, rows)


def report(folder: Path) -> Result:
    return CliRunner().invoke(main, ["report", str(folder)])


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results"


def test_runs_are_listed_newest_first_with_their_answers_machines_and_pages(results: Path) -> None:
    folder = ladder(results, "2026-11-24T08-00-00-ladder")
    write_run(results / "2026-11-23T15-00-00-default", "compare", *recorded_run())
    (results / "latest-ladder").symlink_to(folder.name)
    done = report(results / "latest-ladder")
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[-1] == f"Open {results / 'latest-ladder' / 'ladder.md'}"
    page = Page(results / INDEX)
    titles = [run[0] for run in page.runs]
    assert titles == ["2026-11-24 08:00 UTC: ladder", "2026-11-23 15:00 UTC: compare, profile default"]
    assert page.runs[0][2].startswith("scratch-numpy (float32) is 2.0")
    shown = json.loads(CliRunner().invoke(main, ["show", str(folder), "--format", "json"]).stdout)["sentences"]
    assert page.runs[0][2:] == shown[:6]
    assert page.runs[1][1:] == [
        "2026-11-23T15-00-00-default, AMD EPYC 9R14, 1 thread, commit 0123456789",
        "No answer yet; backprop-bench report computes it.",
    ]
    assert page.links == ["./2026-11-24T08-00-00-ladder/ladder.md", None]
    assert all((results / unquote(link)).is_file() for link in page.links if link)


@pytest.mark.slow
def test_a_comparison_leads_to_its_report_and_its_failures_are_listed(results: Path) -> None:
    folder = write_run(results / "run", "compare", *recorded_run(failures={"torch-loader": f"no {SCRIPT}"}))
    assert report(folder).exit_code == 1
    (run,), (link,) = Page(results / INDEX).runs, Page(results / INDEX).links
    assert link == "./run/report.html"
    assert run[-1] == f"Failed: same-recipe: torch-loader: no {SCRIPT}"
    assert any("faster per epoch than torch-eager" in sentence for sentence in run)


def test_what_cannot_be_read_is_listed_in_one_sentence_and_spoils_nothing(results: Path) -> None:
    contents = {
        "a": "{}",
        "b": "[1]",
        "c": '{"command": 3}',
        "d": "",
        "e": '{"command": "backprop-bench compare", "environment": {"cpu": 3}}',
    }
    for name, content in contents.items():
        (results / name).mkdir(parents=True)
        (results / name / "run.json").write_text(content)
    (results / "2026-11-24T08-00-00-begun").mkdir()
    (results / "no-run").mkdir()
    folder = ladder(results, "whole")
    (folder / "records.jsonl").write_text("torn")
    assert report(folder).exit_code == 0, "which has no whole line"
    page = Page(results / INDEX)
    troubles = {run[1].split(",")[0]: run[2:] for run in page.runs}
    assert troubles.keys() == {*contents, "2026-11-24T08-00-00-begun", "whole"}
    for name in (*contents, "2026-11-24T08-00-00-begun"):
        (sentence,) = troubles[name]
        assert sentence.startswith("This run cannot be read: ")
        assert str(results) not in sentence
    assert troubles["2026-11-24T08-00-00-begun"] == ["This run cannot be read: run.json is missing."]


def test_micro_benchmarks_alone_lead_to_their_file(results: Path) -> None:
    (results / "2026-11-24T08-00-00-micro").mkdir(parents=True)
    (results / "2026-11-24T08-00-00-micro" / "micro.json").write_text("{}")
    update_index(results)
    page = Page(results / INDEX)
    assert (page.runs[0][0], page.links) == ("2026-11-24 08:00 UTC: micro", ["./2026-11-24T08-00-00-micro/micro.json"])


def test_an_answer_that_is_older_than_the_records_says_so(results: Path) -> None:
    folder = ladder(results, "run")
    assert report(folder).exit_code == 0
    with (folder / "records.jsonl").open("a") as file:
        file.write("\n")
    update_index(results)
    assert Page(results / INDEX).runs[0][-1].startswith("It has measured more since")


def test_names_with_signs_of_html_are_text_and_lead_to_their_folder(results: Path) -> None:
    names = ["<b>&\"'", "javascript:alert(1)", "a b#c?d%e", "\N{RIGHT-TO-LEFT OVERRIDE}x"]
    for name in names:
        folder = ladder(results, name)
        (folder / "page.md").write_text("")
        keep_answer(folder, Findings([Finding("x", [SCRIPT])], [SCRIPT] * 5), [folder / "page.md"])
    update_index(results)
    page = Page(results / INDEX)
    assert not {"b", "script"} & set(page.tags)
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in (results / INDEX).read_text(encoding="utf-8")
    assert {unquote(str(link)) for link in page.links} == {f"./{name}/page.md" for name in names}
    assert all(str(link).startswith("./") and not re.search("[ #?<:]", str(link)) for link in page.links)
    assert page.runs[0][2:] == [SCRIPT, f"Failed: {SCRIPT}", f"Failed: {SCRIPT}", "Failed: 3 more."]


def test_the_page_may_ask_for_nothing_and_runs_nothing(results: Path) -> None:
    ladder(results, "run")
    update_index(results)
    page = Page(results / INDEX)
    assert str(page.metas["Content-Security-Policy"]).startswith(
        "default-src 'none'; img-src data:; style-src 'sha256-"
    )
    assert str(page.metas["viewport"]).startswith("width=device-width")
    assert page.metas["color-scheme"] == "light dark"
    assert not {"script", "img", "link", "iframe"} & set(page.tags)
    style = (results / INDEX).read_text(encoding="utf-8").partition("<style>")[2].partition("</style>")[0]
    checksum = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert checksum in str(page.metas["Content-Security-Policy"])


def test_a_hundred_runs_take_less_than_a_second_and_give_the_same_bytes(results: Path) -> None:
    one = ladder(results, "run-000")
    keep_answer(one, Findings([Finding("x", ["An answer."])]), [])
    for number in range(1, 100):
        folder = results / f"run-{number:03}"
        folder.mkdir()
        for name in ("run.json", "records.jsonl", ANSWER):
            (folder / name).write_bytes((one / name).read_bytes())
    begun = time.perf_counter()
    update_index(results)
    assert time.perf_counter() - begun < 1
    text = (results / INDEX).read_bytes()
    assert text.count(b"An answer.") == 100
    update_index(results)
    assert (results / INDEX).read_bytes() == text
    runs = runs_in(results)
    assert to_index_page("results", runs) == to_index_page("results", runs[::-1])


def test_runs_are_in_the_order_of_their_dates_whatever_the_time_zone() -> None:
    runs = [
        listed_run("a", created="2026-11-24T08:00:00+02:00"),
        listed_run("2026-11-24T07-00-00-b"),
        listed_run("c"),
        listed_run("d", created="2026-11-24T06:30:00"),
        listed_run("e", created="0001-01-01T00:00:00+09:00"),
    ]
    page = to_index_page("results", runs)
    places = [page.index(f'<p class="note">{run.folder},') for run in (runs[1], runs[3], runs[0], runs[2], runs[4])]
    assert places == sorted(places)


def test_a_page_of_somebody_else_is_left_alone_and_the_run_succeeds(results: Path) -> None:
    folder = ladder(results, "run")
    (results / INDEX).write_text("<h1>Mine</h1>")
    done = report(folder)
    assert done.exit_code == 0, done.output
    assert "index.html is not written: there is a page that backprop-bench has not written" in done.output
    assert (results / INDEX).read_text() == "<h1>Mine</h1>"


def test_a_list_that_cannot_be_written_fails_no_run(results: Path) -> None:
    folder = ladder(results, "run")
    (results / INDEX).mkdir()
    done = report(folder)
    assert done.exit_code == 0, done.output
    assert "index.html is not written" in done.output


def test_runs_within_a_run_get_no_list(results: Path) -> None:
    run = write_run(results / "run", "compare", *recorded_run(keep_rows=0))
    assert report(ladder(run, "ladder")).exit_code == 0
    assert not (run / INDEX).exists()
