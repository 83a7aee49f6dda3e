"""What docs/published.md says is what the committed run says."""

import pytest

from backprop_bench.bench.core.records.reader import read_description
from backprop_bench.bench.historical.experiments import EXPERIMENTS
from tests.docs.generated.published import RUN, reference


@pytest.mark.slow
def test_the_committed_run_is_of_committed_code_and_has_every_experiment() -> None:
    assert read_description(RUN).environment["checkout"]["dirty"] is False
    outcome, _ = reference()
    assert set(outcome.titles) == set(EXPERIMENTS)
    assert outcome.failures == ()
