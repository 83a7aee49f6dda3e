"""docs/published.md: what the committed run of `reproduce` says."""

from collections.abc import Iterator
from pathlib import Path

from backprop_bench.bench.core.records.reader import read_description, read_records
from backprop_bench.bench.historical.command import SHOWN_READINGS, family_activity, family_codes, summarize
from backprop_bench.bench.historical.experiments import EXPERIMENTS
from backprop_bench.bench.historical.verdicts import Reproduction
from backprop_bench.bench.historical.view import drawings, published_sentences, published_table, readings_table
from backprop_bench.bench.report.drawing import Drawing
from backprop_bench.bench.report.table import to_markdown
from tests.docs.generated import REFERENCE, listed, listed_with_tables, put, with_spaces

RUN = REFERENCE / "reproduce"


def reference() -> tuple[Reproduction, list[Drawing]]:
    """Return the results of the committed run, and its figures."""
    description, rows = read_description(RUN), read_records(RUN)
    outcome, codes = summarize(description, rows), family_codes(rows)
    return outcome, drawings(outcome, codes, family_activity(description, rows, codes))


def page(text: str) -> str:
    """Return the page with its blocks."""
    outcome, _ = reference()
    guesses = [f"{item.published_as}: {item.guesses}." for item in EXPERIMENTS.values() if item.guesses]
    return put(
        text,
        {
            "published": listed_with_tables(published_sentences(outcome), [published_table(outcome)]),
            "readings": with_spaces(to_markdown(readings_table(outcome.readings, SHOWN_READINGS))) + "\n",
            "guesses": listed(guesses),
        },
    )


def figures() -> Iterator[tuple[Path, Drawing]]:
    """Yield the folder of every figure, and the figure."""
    for drawing in reference()[1]:
        yield RUN / "figures", drawing
