"""What docs/published.md says is what the committed run says."""

import pytest

from backprop_bench.bench.core.records.reader import read_description
from backprop_bench.bench.historical.experiments import EXPERIMENTS
from tests.docs.refresh_published import PAGE, REFERENCE, blocks, reference
from tests.docs.refresh_why import pattern


@pytest.mark.slow
def test_the_numbers_in_the_page_are_those_of_the_committed_run() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name, text in blocks(reference()[0]).items():
        block = pattern(name).search(page)
        assert block is not None, name
        assert block.group() == text, "python -m tests.docs.refresh_published"


@pytest.mark.slow
def test_the_committed_run_is_of_committed_code_and_has_every_experiment() -> None:
    description = read_description(REFERENCE)
    assert description.environment["checkout"]["dirty"] is False
    assert [question.name for question in description.plan.questions] == list(EXPERIMENTS)
    assert reference()[0].failures == ()
