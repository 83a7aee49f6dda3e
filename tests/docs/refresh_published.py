"""Write the results of the committed run of reproduce into docs/published.md.

Run ``python -m tests.docs.refresh_published``.
"""

from pathlib import Path

from backprop_bench.bench.core.records.reader import read_description, read_records
from backprop_bench.bench.historical.command import SHOWN_READINGS, family_activity, family_codes, summarize
from backprop_bench.bench.historical.experiments import EXPERIMENTS
from backprop_bench.bench.historical.verdicts import Reproduction
from backprop_bench.bench.historical.view import drawings, published_sentences, published_table, readings_table
from backprop_bench.bench.report.drawing import Drawing, save
from backprop_bench.bench.report.table import to_markdown
from tests.docs.refresh_why import pattern

ROOT = Path(__file__).parents[2]
PAGE, REFERENCE = ROOT / "docs" / "published.md", ROOT / "results" / "reference" / "reproduce"


def reference() -> tuple[Reproduction, list[Drawing]]:
    """Return the results of the committed run, and its figures."""
    description, rows = read_description(REFERENCE), read_records(REFERENCE)
    outcome, codes = summarize(description, rows), family_codes(rows)
    return outcome, drawings(outcome, codes, family_activity(description, rows, codes))


def blocks(outcome: Reproduction) -> dict[str, str]:
    """Return the text of each block of the page."""
    sentences = "".join(f"* {sentence}\n" for sentence in published_sentences(outcome))
    guesses = "".join(
        f"* {experiment.published_as}: {experiment.guesses}.\n"
        for experiment in EXPERIMENTS.values()
        if experiment.guesses
    )
    texts = {
        "published": f"{sentences}\n{to_markdown(published_table(outcome))}\n",
        "readings": f"{to_markdown(readings_table(outcome.readings, SHOWN_READINGS))}\n",
        "guesses": guesses,
    }
    return {name: text.replace("\N{NO-BREAK SPACE}", " ") for name, text in texts.items()}


def refresh() -> None:
    """Put the blocks into the page and draw the figures."""
    outcome, drawn = reference()
    page = PAGE.read_text(encoding="utf-8")
    for name, text in blocks(outcome).items():
        page = pattern(name).sub(lambda _, text=text: text, page)  # type: ignore[misc]
    PAGE.write_text(page, encoding="utf-8")
    for drawing in drawn:
        save(drawing, REFERENCE / "figures")


if __name__ == "__main__":
    refresh()
