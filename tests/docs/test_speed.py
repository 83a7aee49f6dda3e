"""What docs/speed.md says of the speed is what the committed runs say."""

import pytest

from backprop_bench.bench.core.records.reader import read_description
from tests.docs.generated import REFERENCE
from tests.docs.generated.speed import ARTICLE, RUNS


@pytest.mark.parametrize("name", [*RUNS, ARTICLE])
def test_the_committed_runs_are_of_committed_code(name: str) -> None:
    assert read_description(REFERENCE / name).environment["checkout"]["dirty"] is False
