"""docs/why.md and docs/zh/why.md: what the committed runs of `explain` say."""

from collections.abc import Iterator
from pathlib import Path

from backprop_bench.bench.compare.accuracy_causes import sentences
from backprop_bench.bench.compare.steps import AS_PUBLISHED
from backprop_bench.bench.compare.verdicts import lead, question_named
from backprop_bench.bench.core.records.reader import read_description, read_records
from backprop_bench.bench.curves.analysis import Comparison, summarize_curves
from backprop_bench.bench.curves.view import NARROW_INCHES, curves_sentences, draw_comparison
from backprop_bench.bench.explain.analysis import Explanation, explain
from backprop_bench.bench.explain.chain import AblationChain, summarize_chain
from backprop_bench.bench.explain.chain_view import chain_sentences, chain_tables, draw_chain
from backprop_bench.bench.explain.view import draw_epochs, draw_explanation, explanation_sentences, explanation_tables
from backprop_bench.bench.report.drawing import FIGURES_FOLDER, Drawing
from backprop_bench.bench.report.language import speaking
from tests.docs.generated import REFERENCE, listed, listed_with_tables, put, with_spaces
from tests.docs.generated.readme import reference_summary

RUN, CURVES = REFERENCE / "explain", REFERENCE / "curves"
OTHERS = {"why-threads": "explain-threads", "why-all-at-once": "explain-all-at-once"}
"""Blocks of the page that other committed runs are in, and their folders."""


def reference_explanation(folder: Path = RUN) -> Explanation:
    """Return what a committed run says."""
    return explain(read_description(folder), read_records(folder))


def reference_chain() -> AblationChain:
    """Return its ablation chain from NumPy to PyTorch."""
    return summarize_chain(read_description(RUN), read_records(RUN))


def reference_curves() -> tuple[Comparison, ...]:
    """Return what is seen while networks learn."""
    return summarize_curves(read_description(CURVES), read_records(CURVES))


def page(text: str) -> str:
    """Return the page with its blocks."""
    explanation, chain = reference_explanation(), reference_chain()
    others = {name: reference_explanation(REFERENCE / folder) for name, folder in OTHERS.items()}
    return put(
        text,
        {
            "short-time": listed(chain_sentences(chain)[:2]),
            "short-article": listed(_article_sentences()),
            **{f"curves-{item.name}": listed(curves_sentences(item)) for item in reference_curves()},
            "chain": listed_with_tables(chain_sentences(chain), chain_tables(chain)),
            **{
                name: listed_with_tables(explanation_sentences(found), explanation_tables(found))
                for name, found in {"why": explanation, **others}.items()
            },
        },
    )


def chinese_page(text: str) -> str:
    """Return the Chinese page with the same in Chinese."""
    with speaking("zh"):
        return page(text)


def _article_sentences() -> list[str]:
    """Return what the reference run of `compare` says of the article's two networks."""
    summary = reference_summary()
    question = question_named(summary, AS_PUBLISHED)
    assert question is not None
    return [*map(with_spaces, lead(summary)[2:]), *map(with_spaces, sentences(question))]


def figures() -> Iterator[tuple[Path, Drawing]]:
    """Yield the folder of every figure, and the figure."""
    for comparison in reference_curves():
        yield CURVES / FIGURES_FOLDER, draw_comparison(comparison, NARROW_INCHES)
    for folder in (RUN, *(REFERENCE / name for name in OTHERS.values())):
        yield folder / FIGURES_FOLDER, draw_explanation(reference_explanation(folder))
    yield RUN / FIGURES_FOLDER, draw_epochs(reference_explanation())
    yield RUN / FIGURES_FOLDER, draw_chain(reference_chain())
