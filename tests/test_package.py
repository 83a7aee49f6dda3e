"""What is installed is all there: every package, its data, and the mark that it is typed."""

import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from setuptools import find_packages

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGE_DATA: dict[str, list[str]] = PROJECT["tool"]["setuptools"]["package-data"]
SOURCE = ROOT / "src"
PACKAGES: list[str] = find_packages(str(SOURCE))
"""What setuptools finds by the table ``packages.find``."""
ROOMS = sorted(path.name for path in (SOURCE / "backprop_bench").iterdir() if path.is_symlink())


def data_files(room: str) -> Iterator[str]:
    """Yield what a folder has besides modules, by its path from the root."""
    for path in sorted((ROOT / room).rglob("*")):
        if path.is_file() and path.suffix != ".py" and path.parent.name != "__pycache__":
            yield path.relative_to(ROOT).as_posix()


def is_packed(name: str) -> bool:
    """Say whether the patterns of a package have a file, which is named by its path from the root."""
    return any(
        fnmatch(f"backprop_bench/{name}", f"{owner.replace('.', '/')}/{pattern}")
        for owner, patterns in PACKAGE_DATA.items()
        for pattern in patterns
    )


def test_nothing_but_backprop_bench_is_installed() -> None:
    assert {package.partition(".")[0] for package in PACKAGES} == {"backprop_bench"}
    assert ROOMS == ["bench", "data", "peers", "scratch", "torch_impl"]


def test_every_package_of_the_rooms_is_installed() -> None:
    inside = {
        f"backprop_bench.{path.parent.relative_to(ROOT).as_posix().replace('/', '.')}"
        for room in ROOMS
        for path in (ROOT / room).rglob("__init__.py")
    }
    assert set(PACKAGES) == {"backprop_bench", *inside}


@pytest.mark.parametrize("room", ROOMS)
def test_every_file_that_a_package_reads_is_installed_with_it(room: str) -> None:
    assert [name for name in data_files(room) if not is_packed(name)] == []


def test_the_package_says_that_it_is_typed() -> None:
    assert (SOURCE / "backprop_bench" / "py.typed").is_file()
    assert "py.typed" in PACKAGE_DATA["backprop_bench"]


@pytest.mark.parametrize("owner", PACKAGE_DATA)
def test_no_pattern_of_package_data_is_left_from_files_that_went(owner: str) -> None:
    folder = SOURCE / owner.replace(".", "/")
    assert [pattern for pattern in PACKAGE_DATA[owner] if not list(folder.glob(pattern))] == []
