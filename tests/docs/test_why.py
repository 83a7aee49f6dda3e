"""What docs/why.md says of the causes is what the committed run says."""

import pytest

from bench.records import read_description
from tests.docs.refresh_why import BLOCK, PAGE, REFERENCE, block, reference_explanation


def test_the_numbers_in_the_page_are_those_of_the_committed_run() -> None:
    found = BLOCK.search(PAGE.read_text(encoding="utf-8"))
    assert found is not None
    assert found.group() == block(), "python -m tests.docs.refresh_why"


def test_the_committed_run_is_of_committed_code() -> None:
    assert read_description(REFERENCE)["environment"]["checkout"]["dirty"] is False


def test_the_committed_contributions_add_up_to_the_gaps() -> None:
    found = reference_explanation()
    for attribution in (found.accuracy, found.runtime):
        total = sum(item.interval.estimate for item in attribution.contributions)
        assert total == pytest.approx(attribution.gap.estimate, abs=1e-9)
