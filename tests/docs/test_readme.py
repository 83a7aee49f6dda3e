"""The README says what the reference run says, and names commands that exist."""

import re
from pathlib import Path
from typing import Any

import pytest

from backprop_bench.bench.cli.report import findings_of_run
from tests.docs.generated import REFERENCE, ROOT
from tests.docs.generated.readme import README, reference_summary

COMMANDS = ROOT / "docs" / "commands.md"
LONGEST = 120
"""Lines that a first page may have."""


def test_the_readme_is_a_page_that_one_reads() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= LONGEST


def test_the_reference_is_a_complete_run_of_the_default_profile_from_committed_code() -> None:
    summary = reference_summary()
    assert summary.complete
    assert summary.description.profile == "default"
    assert summary.description.environment["checkout"]["dirty"] is False


@pytest.mark.slow
def test_the_committed_report_is_what_its_records_give(tmp_path: Path) -> None:
    findings_of_run(REFERENCE).write(tmp_path)
    assert (tmp_path / "report.md").read_text() == (REFERENCE / "report.md").read_text()
    assert (tmp_path / "report.html").stat().st_size < 7_000_000


@pytest.mark.parametrize("run", sorted(path.parent for path in REFERENCE.rglob("records.jsonl")), ids=lambda p: p.name)
def test_the_line_of_the_page_reads_every_committed_run_and_the_one_below_it_computes(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    (block,) = re.findall(r"^```python\n(.*?)^```$", COMMANDS.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    shown = f'"{REFERENCE.relative_to(ROOT).as_posix()}/records.jsonl"'
    assert block.count(shown) == 1
    line = next(line for line in block.splitlines() if shown in line)
    assert line.startswith("records = pandas.read_json(")
    found: dict[str, Any] = {}
    program = block if run == REFERENCE else f"import pandas\n{line}".replace(shown, f'"{run}/records.jsonl"')
    exec(program, found)
    assert len(found["records"]) == len((run / "records.jsonl").read_bytes().splitlines())
