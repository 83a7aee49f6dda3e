"""Write what the committed run of explain says into docs/why.md: ``python -m tests.docs.refresh_why``."""

import re
from pathlib import Path

from bench.compute.explain import Explanation, explain
from bench.records import read_description, read_rows
from bench.run.explain import SCOPES
from bench.show.drawing import save
from bench.show.explain import accuracy_table, draw_explanation, explanation_sentences, runtime_table
from bench.show.table import to_markdown

ROOT = Path(__file__).parents[2]
PAGE, REFERENCE = ROOT / "docs" / "why.md", ROOT / "results" / "reference" / "explain"
BLOCK = re.compile(r"(?<=<!-- why -->\n).*?(?=<!-- /why -->)", re.DOTALL)


def reference_explanation() -> Explanation:
    """Return what the committed run says."""
    description = read_description(REFERENCE)
    scope = SCOPES[description["profile"].removeprefix("explain-")]
    names = [[factor.name for factor in factors] for factors in (scope.accuracy, scope.runtime)]
    return explain(description, read_rows(REFERENCE), *names)


def block() -> str:
    """Return what stands in the page."""
    found = reference_explanation()
    sentences = "".join(f"* {sentence}\n" for sentence in explanation_sentences(found))
    tables = "\n".join(map(to_markdown, (accuracy_table(found), runtime_table(found))))
    return f"{sentences}\n{tables}\n".replace("\N{NO-BREAK SPACE}", " ")


def refresh() -> None:
    """Put the block into the page and draw its figure."""
    text = block()
    PAGE.write_text(BLOCK.sub(lambda _: text, PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    save(draw_explanation(reference_explanation()), REFERENCE / "figures")


if __name__ == "__main__":
    refresh()
