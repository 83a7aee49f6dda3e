"""What docs/speed.md says of the speed is what the committed runs say."""

import pytest

from backprop_bench.bench.core.records.reader import read_description
from tests.docs.refresh_speed import PAGE, REFERENCE, RUNS, blocks, pattern


@pytest.mark.slow
def test_the_numbers_in_the_page_are_those_of_the_committed_runs() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name, block in blocks().items():
        match = pattern(name).search(text)
        assert match is not None, name
        assert match.group() == block, "python -m tests.docs.refresh_speed"


@pytest.mark.parametrize("name", RUNS)
def test_the_committed_runs_are_of_committed_code(name: str) -> None:
    assert read_description(REFERENCE / name).environment["checkout"]["dirty"] is False
