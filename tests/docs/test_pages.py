"""The pages lead where they say, show on GitHub as they should, and state what the code does."""

import re
from pathlib import Path

import pytest

from bench.compute import agreement, rounding
from bench.run import parity

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [DOCS / "derivation.md", DOCS / "parity.md"]


def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def headings(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", [*PAGES, DOCS / "your-own.md"], ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        path, _, anchor = target.partition("#")
        other = page.parent / path if path else page
        is_section = anchor and not re.fullmatch(r"L\d+", anchor)
        if not other.exists() or (is_section and anchor not in headings(other)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_mathematics_in_the_text_is_none_that_markdown_would_take_apart(page: Path) -> None:
    text = re.sub(r"`[^`\n]*`", "", prose(page))
    assert text.count("$") % 2 == 0
    formulas = re.findall(r"\$([^$]+)\$", text)
    assert formulas
    # An underscore after a brace or a parenthesis may start emphasis; a backslash before punctuation is an escape;
    # an asterisk is emphasis; and GitHub takes no formula that begins or ends with a space.
    wrong = [f for f in formulas if re.search(r"(^|[^A-Za-z0-9])_|\\[^A-Za-z]|\*|^\s|\s$", f)]
    rows = [line for line in text.splitlines() if line.startswith("|")]
    wrong += [cell for row in rows for cell in row.split("|") if cell.count("$") % 2]  # a bar inside of a formula
    assert wrong == []


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(_?[a-zA-Z]\w*_\w*)`", prose(DOCS / "parity.md")))))
def test_what_the_page_on_parity_names_exists(name: str) -> None:
    assert any(hasattr(module, name) for module in (parity, rounding, agreement))


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("outputs of the first batch", f"{parity.OUTPUT_TOLERANCE:.0e}"),
        ("gradients of the first batch", f"{parity.GRADIENT_TOLERANCE:.0e}"),
        ("weights after many steps", f"{parity.WEIGHT_TOLERANCE:.0e} after {parity.steps_in('float64')} steps"),
        ("weights after many steps", f"spread of perturbed runs after {parity.steps_in('float32')} steps"),
        ("loss of every epoch", f"{parity.LOSS_TOLERANCE:.0e}"),
        ("gradients against central differences", f"{parity.CENTRAL_DIFFERENCE_TOLERANCE:.0e}"),
    ],
)
def test_the_page_on_parity_states_the_bounds_that_are_applied(row: str, expected: str) -> None:
    line = next(line for line in prose(DOCS / "parity.md").splitlines() if line.startswith(f"| {row}"))
    cells = [cell.strip().replace("e-0", "e-") for cell in line.strip("|").split("|")]
    assert expected.replace("e-0", "e-") in cells


def test_the_page_on_parity_states_the_margin_that_is_applied() -> None:
    assert f"{parity.PERTURBATION_MARGIN:.0f} \\, d = " in (DOCS / "parity.md").read_text(encoding="utf-8")
