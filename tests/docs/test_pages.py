"""The pages lead where they say, show on GitHub as they should, and state what the code does."""

import importlib.util
import re
from pathlib import Path

import click
import pytest
from click import Context

from backprop_bench.bench.cli.main import main
from backprop_bench.bench.core.stats import tolerances as agreement
from backprop_bench.bench.core.worker import replay
from backprop_bench.bench.verify import checks as parity
from backprop_bench.bench.verify import rounding
from tests.docs import pages
from tests.docs.pages import PAGES, ROOT, anchors, commands, links, read, spans

DOCS = ROOT / "docs"
WITH_FORMULAS = [DOCS / "derivation.md", DOCS / "parity.md", DOCS / "zh" / "derivation.md"]


def of_pages(found: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("page", found, ids=lambda page: page.relative_to(ROOT).as_posix())


def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return pages.prose(read(page))


@of_pages(PAGES)
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for target in links(read(page)):
        path, _, anchor = target.partition("#")
        if re.match(r"https?:", path):
            continue
        other = page.parent / path if path else page
        is_section = anchor and not re.fullmatch(r"L\d+", anchor)
        if not other.exists() or (is_section and anchor not in anchors(read(other))):
            broken.append(target)
    assert broken == []


@of_pages(PAGES)
def test_every_command_exists_with_its_options(page: Path) -> None:
    assert [wrong for words in commands(read(page)) if (wrong := what_is_wrong(words))] == []


def what_is_wrong(words: list[str]) -> str | None:
    """Return why a command cannot be given as it stands."""
    program, *rest = words
    match program.removeprefix(".venv/bin/"), rest:
        case "make", targets:
            makefile = read(ROOT / "Makefile")
            unknown = [target for target in targets if not re.search(rf"^{target}:", makefile, re.MULTILINE)]
        case "python", ["-m", "pip", *_]:
            unknown = []  # not looked for: setuptools then does without its distutils, and torch.compile fails
        case "python", ["-m", module, *_]:
            unknown = [] if importlib.util.find_spec(module) is not None else [module]
        case "backprop-bench", [name, *options] if name.islower() and name.isalpha():
            command = main.get_command(Context(main), name)
            known = {"--help"} | {word for item in command.params for word in _options(item)} if command else set()
            unknown = [word for word in options if word.startswith("--") and word not in known] if command else [name]
        case _:
            unknown = []
    return f"{unknown[0]} in {' '.join(words)}" if unknown else None


def _options(parameter: click.Parameter) -> list[str]:
    return [*parameter.opts, *parameter.secondary_opts]


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("make bench", None),
        ("make tests", "tests"),
        ("$ PROFILE=quick make all", "all"),
        ("python -m tests.docs.refresh", None),
        (".venv/bin/python -m bench.nowhere", "bench.nowhere"),
        ("backprop-bench parity file.py:Name --no-bias | less --raw", None),
        ("backprop-bench parity file.py:Name --bia", "--bia"),
        (".venv/bin/backprop-bench comparison", "comparison"),
    ],
)
def test_a_command_that_does_not_exist_would_be_seen(line: str, wrong: str | None) -> None:
    for text in (f"say `{line}`", f"```\n{line}\n```\n"):
        (words,) = commands(text)
        found = what_is_wrong(words)
        assert found is None if wrong is None else found and found.startswith(f"{wrong} in ")


@of_pages([ROOT / "CONTRIBUTING.md"])
def test_every_path_that_is_named_exists(page: Path) -> None:
    named = [word for words in commands(read(page)) for word in words] + spans(read(page))
    paths = {word for word in named if re.fullmatch(r"[\w.-]+(/[\w.-]*)+", word) and not word.startswith(".venv/")}
    assert len(paths) > 10
    assert sorted(path for path in paths if not (ROOT / path).exists()) == []


def test_every_name_that_contributors_are_told_of_is_in_the_file_beside_it() -> None:
    text = prose(ROOT / "CONTRIBUTING.md")
    named = re.findall(r"`(\w+)`(?: that \w+)?\s+(?:in|of)\s+(?:the\s+\w+\s+of\s+)?\[[^\]]+\]\(([^)]+)\)", text)
    assert len(named) > 10
    assert [(name, path) for name, path in named if not re.search(rf"\b{name}\b", read(ROOT / path))] == []


@of_pages(WITH_FORMULAS)
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


@of_pages(WITH_FORMULAS)
def test_every_environment_of_a_formula_is_one_of_latex(page: Path) -> None:
    assert set(re.findall(r"\\(?:begin|end)\{(\w+)\}", read(page))) <= {"aligned", "bmatrix", "cases", "pmatrix"}


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(_?[a-zA-Z]\w*_\w*)`", prose(DOCS / "parity.md")))))
def test_what_the_page_on_parity_names_exists(name: str) -> None:
    assert any(hasattr(module, name) for module in (parity, rounding, agreement, replay))


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
