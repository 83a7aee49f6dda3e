"""README.md and README.zh-CN.md: what the reference run says."""

from backprop_bench.bench.compare.answer import warnings
from backprop_bench.bench.compare.verdicts import lead
from backprop_bench.bench.core.records.reader import read_description, read_records
from backprop_bench.bench.core.summary import Summary, summarize
from backprop_bench.bench.report.language import speaking
from tests.docs.generated import REFERENCE, ROOT, listed, put, with_spaces

README, CHINESE = ROOT / "README.md", ROOT / "README.zh-CN.md"
BLOCK = "reference"


def reference_summary() -> Summary:
    """Return the summary of the committed run."""
    return summarize(read_description(REFERENCE), read_records(REFERENCE))


def reference_sentences() -> list[str]:
    """Return what the reference run says, with spaces that break."""
    summary = reference_summary()
    return [with_spaces(sentence) for sentence in (*warnings(summary), *lead(summary))]


def page(text: str) -> str:
    """Return README.md with what the reference run says."""
    return put(text, {BLOCK: listed(reference_sentences())})


def chinese_page(text: str) -> str:
    """Return README.zh-CN.md with the same in Chinese."""
    with speaking("zh"):
        return put(text, {BLOCK: listed(reference_sentences())})
