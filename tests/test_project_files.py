"""What describes the project to others and guards a commit says the same as pyproject.toml and the Makefile."""

import re
import tomllib
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def read_yaml(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
    return found


def test_the_citation_is_of_this_version_name_and_license() -> None:
    citation = read_yaml("CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= citation.keys(), "the format demands these"
    assert {name: citation[name] for name in ("title", "version", "license")} == {
        "title": PROJECT["name"],
        "version": PROJECT["version"],
        "license": PROJECT["license"],
    }


def test_the_citation_refers_to_the_paper_that_the_suite_is_about() -> None:
    (paper,) = read_yaml("CITATION.cff")["references"]
    assert (paper["title"], paper["journal"]) == ("Learning representations by back-propagating errors", "Nature")
    assert (paper["volume"], paper["start"], paper["end"], paper["year"]) == (323, 533, 536, 1986)
    assert [author["family-names"] for author in paper["authors"]] == ["Rumelhart", "Hinton", "Williams"]


def test_the_hooks_before_a_commit_do_what_make_lint_does_and_download_nothing() -> None:
    (local,) = read_yaml(".pre-commit-config.yaml")["repos"]
    assert local["repo"] == "local"
    assert {hook["language"] for hook in local["hooks"]} == {"system"}
    commands = [hook["entry"].replace(" --force-exclude", "") for hook in local["hooks"]]
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert recipe is not None
    linted = [line.strip().removesuffix(" .").replace("$(BIN)", ".venv/bin") for line in recipe[1].splitlines()]
    assert commands == linted
