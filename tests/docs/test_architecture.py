"""docs/architecture.md names what is there: every folder of bench, every place that it leads to."""

import re

from tests.docs.pages import ROOT, read

PAGE = ROOT / "docs" / "architecture.md"
TEXT = read(PAGE)
LONGEST = 120
"""Lines that the page may have."""


def test_the_page_on_architecture_is_one_that_one_reads() -> None:
    assert len(TEXT.splitlines()) <= LONGEST


def test_every_folder_of_bench_has_its_line_in_the_page() -> None:
    folders = {path.parent.name for path in (ROOT / "bench").glob("*/__init__.py")}
    told = re.findall(r"^\| \[bench/(\w+)/\]\(\.\./bench/\1\) \|", TEXT, re.MULTILINE)
    assert sorted(told) == sorted(folders)


def test_every_name_in_the_page_is_in_the_file_beside_it() -> None:
    rows = re.findall(r"^\| `(\w+)`.*\[[^\]]+\]\(([^)]+)\) \|$", TEXT, re.MULTILINE)
    steps = [(name.split(".")[-1], path) for path, name in re.findall(r"\]\(([^)]+\.py)\): `([\w.]+)`", TEXT)]
    of_files = re.findall(r"`(\w+)` of \[[^\]]+\]\(([^)]+)\)", TEXT)
    named = [*rows, *steps, *of_files]
    assert len(named) > 8
    assert [(name, path) for name, path in named if not re.search(rf"\b{name}\b", read(PAGE.parent / path))] == []


def test_the_picture_names_folders_and_files_that_exist() -> None:
    picture = read(PAGE.parent / "figures" / "architecture.svg")
    words = {word for text in re.findall(r"<text[^>]*>([^<]*)</text>", picture) for word in re.split(r"[, ]+", text)}
    folders = {word for word in words if word.endswith("/")}
    assert len(folders) > 6
    assert sorted(name for name in folders if not ((ROOT / name).is_dir() or (ROOT / "bench" / name).is_dir())) == []
    modules = {word.removeprefix("QUESTION/") for word in words if word.endswith(".py")}
    assert sorted(name for name in modules if not list((ROOT / "bench").glob(f"**/{name}"))) == []
