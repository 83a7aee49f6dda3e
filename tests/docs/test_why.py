"""What docs/why.md says of the causes is what the committed run says."""

import pytest

from backprop_bench.bench.core.records.reader import read_description
from tests.docs.generated import REFERENCE
from tests.docs.generated.why import OTHERS, reference_chain, reference_explanation


@pytest.mark.parametrize("folder", ["explain", *OTHERS.values()])
def test_the_committed_runs_are_of_committed_code(folder: str) -> None:
    assert read_description(REFERENCE / folder).environment["checkout"]["dirty"] is False


@pytest.mark.parametrize("folder", ["explain", *OTHERS.values()])
def test_the_committed_contributions_add_up_to_the_gaps(folder: str) -> None:
    explanation = reference_explanation(REFERENCE / folder)
    for attribution in (explanation.accuracy, explanation.runtime):
        total = sum(item.interval.estimate for item in attribution.contributions)
        assert total == pytest.approx(attribution.gap.estimate, abs=1e-9)


def test_the_steps_and_the_parts_of_the_committed_chain_add_up_to_its_gap() -> None:
    chain = reference_chain()
    for parts in ([step.change for step in chain.steps], [part.difference for part in (*chain.parts, chain.rest)]):
        assert sum(part.estimate for part in parts) == pytest.approx(chain.gap.estimate, abs=1e-9)
