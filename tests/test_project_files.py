"""What describes the project to others and guards a commit says the same as pyproject.toml and the Makefile."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


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


def test_the_citation_is_dated_as_the_newest_version_of_the_changelog() -> None:
    versions = re.findall(r"^## (\d+\.\d+\.\d+) \((\d{4}-\d{2}-\d{2})\)$", CHANGELOG, re.MULTILINE)
    assert versions == sorted(versions, key=lambda found: found[1], reverse=True)
    citation = read_yaml("CITATION.cff")
    assert versions[0] == (PROJECT["version"], citation["date-released"])
    assert citation["repository-code"] == PROJECT["urls"]["Repository"]


def test_the_workflow_tests_the_versions_of_python_and_the_systems_that_are_promised() -> None:
    jobs = read_yaml(".github/workflows/test.yml")["jobs"]
    matrix = jobs["test"]["strategy"]["matrix"]
    classifiers: list[str] = PROJECT["classifiers"]
    promised = [found[1] for name in classifiers if (found := re.fullmatch(r".* :: Python :: (\d\.\d+)", name))]
    assert matrix["python"] == promised
    assert PROJECT["requires-python"] == f">={promised[0]}"
    systems = {"Operating System :: POSIX :: Linux": "ubuntu-latest", "Operating System :: MacOS": "macos-latest"}
    assert {systems[name] for name in classifiers if name.startswith("Operating System")} == set(matrix["os"])
    commands = {name: [step["run"] for step in job["steps"] if "run" in step] for name, job in jobs.items()}
    assert commands == {"test": ["make lint", "make test"], "test-all": [".ci/run"]}


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("with_uv", [True, False])
def test_make_installs_with_uv_where_it_is_there_and_with_pip_otherwise(tmp_path: Path, with_uv: bool) -> None:
    for tool in ("make", "sh"):
        (tmp_path / tool).symlink_to(str(shutil.which(tool)))
    if with_uv:
        (tmp_path / "uv").write_text("#!/bin/sh\n")
        (tmp_path / "uv").chmod(0o755)
    told = ["make", "--dry-run", "--always-make", "PYTHON=true", "install"]
    said = subprocess.run(
        told, cwd=ROOT, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=True
    ).stdout
    uv, pip = "uv pip install --quiet --python .venv/bin/python ", ".venv/bin/python -m pip install "
    assert (uv in said, pip in said) == (with_uv, not with_uv)
    assert said.count(" -c constraints.txt -e '.[dev]'\n") == 1
