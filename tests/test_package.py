"""What is installed is all there: every package, its data, and the mark that it is typed."""

import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES: list[str] = PROJECT["tool"]["setuptools"]["packages"]
PACKAGE_DATA: dict[str, list[str]] = PROJECT["tool"]["setuptools"]["package-data"]
INSTALLED = sorted({package.partition(".")[0] for package in PACKAGES})


def data_files(package: str) -> Iterator[str]:
    """Yield what a package has besides modules, by its path from the folder of the package."""
    for path in sorted((ROOT / package).rglob("*")):
        if path.is_file() and path.suffix != ".py" and path.parent.name != "__pycache__":
            yield path.relative_to(ROOT / package).as_posix()


def is_packed(package: str, name: str) -> bool:
    """Say whether the patterns of the package, or of one inside of it, have a file."""
    return any(
        fnmatch(f"{package}/{name}", f"{owner.replace('.', '/')}/{pattern}")
        for owner, patterns in PACKAGE_DATA.items()
        for pattern in patterns
    )


def test_every_package_of_the_rooms_is_installed() -> None:
    found = {
        path.parent.relative_to(ROOT).as_posix().replace("/", ".")
        for package in INSTALLED
        for path in (ROOT / package).rglob("__init__.py")
    }
    assert set(PACKAGES) == found


@pytest.mark.parametrize("package", INSTALLED)
def test_every_file_that_a_package_reads_is_installed_with_it(package: str) -> None:
    assert [name for name in data_files(package) if not is_packed(package, name)] == []


@pytest.mark.parametrize("package", INSTALLED)
def test_every_package_says_that_it_is_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()
    assert is_packed(package, "py.typed")


@pytest.mark.parametrize("owner", PACKAGE_DATA)
def test_no_pattern_of_package_data_is_left_from_files_that_went(owner: str) -> None:
    folder = ROOT / owner.replace(".", "/")
    assert [pattern for pattern in PACKAGE_DATA[owner] if not list(folder.glob(pattern))] == []
