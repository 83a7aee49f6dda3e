"""Write the results of the committed runs of explain into docs/why.md: ``python -m tests.docs.refresh_why``."""

import re
from collections.abc import Sequence
from pathlib import Path

from backprop_bench.bench.core.records.reader import read_description, read_records
from backprop_bench.bench.explain.analysis import Explanation, explain
from backprop_bench.bench.explain.chain import AblationChain, summarize_chain
from backprop_bench.bench.explain.chain_view import chain_sentences, chain_tables, draw_chain
from backprop_bench.bench.explain.view import draw_explanation, explanation_sentences, explanation_tables
from backprop_bench.bench.report.drawing import save
from backprop_bench.bench.report.table import Table, to_markdown

ROOT = Path(__file__).parents[2]
PAGE, REFERENCE = ROOT / "docs" / "why.md", ROOT / "results" / "reference" / "explain"
OTHERS = {"why-threads": "explain-threads", "why-all-at-once": "explain-all-at-once"}
"""Blocks of the page that other committed runs are in, and their folders."""


def pattern(name: str) -> re.Pattern[str]:
    """Return what finds a block in the page."""
    return re.compile(rf"(?<=<!-- {name} -->\n).*?(?=<!-- /{name} -->)", re.DOTALL)


def reference_explanation(folder: Path = REFERENCE) -> Explanation:
    """Return what a committed run says."""
    return explain(read_description(folder), read_records(folder))


def reference_chain() -> AblationChain:
    """Return its ablation chain from NumPy to PyTorch."""
    return summarize_chain(read_description(REFERENCE), read_records(REFERENCE))


def blocks() -> dict[str, str]:
    """Return what stands in the blocks of the page."""
    explanation, chain = reference_explanation(), reference_chain()
    others = {name: reference_explanation(REFERENCE.parent / folder) for name, folder in OTHERS.items()}
    return {
        "short-time": _listed(chain_sentences(chain)[:2]),
        "short-article": _listed(explanation_sentences(explanation)[:4]),
        **{name: _block(explanation_sentences(other), explanation_tables(other)) for name, other in others.items()},
        "why": _block(explanation_sentences(explanation), explanation_tables(explanation)),
        "chain": _block(chain_sentences(chain), chain_tables(chain)),
    }


def _block(sentences: Sequence[str], tables: Sequence[Table]) -> str:
    return f"{_listed(sentences)}\n{chr(10).join(map(to_markdown, tables))}\n".replace("\N{NO-BREAK SPACE}", " ")


def _listed(sentences: Sequence[str]) -> str:
    return "".join(f"* {sentence}\n" for sentence in sentences).replace("\N{NO-BREAK SPACE}", " ")


def refresh() -> None:
    """Put the blocks into the page and draw their figures."""
    page = PAGE.read_text(encoding="utf-8")
    for name, text in blocks().items():
        page = pattern(name).sub(lambda _, text=text: text, page)  # type: ignore[misc]
    PAGE.write_text(page, encoding="utf-8")
    for folder in OTHERS.values():
        drawing = draw_explanation(reference_explanation(REFERENCE.parent / folder))
        save(drawing, REFERENCE.parent / folder / "figures")
    for drawing in (draw_explanation(reference_explanation()), draw_chain(reference_chain())):
        save(drawing, REFERENCE / "figures")


if __name__ == "__main__":
    refresh()
