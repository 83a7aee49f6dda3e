"""What docs/published.md says is what the committed run says."""

import pytest

from backprop_bench.bench.core.records.reader import read_description
from backprop_bench.bench.historical.experiments import EXPERIMENTS
from tests.docs.generated.published import RUN, reference


@pytest.mark.slow
def test_the_committed_run_is_of_committed_code_and_has_every_experiment() -> None:
    description = read_description(RUN)
    assert description.environment["checkout"]["dirty"] is False
    assert [question.name for question in description.plan.questions] == list(EXPERIMENTS)
    assert reference()[0].failures == ()
