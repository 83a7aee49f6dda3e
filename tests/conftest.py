"""What holds for all tests."""

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def cache_of_their_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep decoded datasets of tests out of the user's cache; worker processes inherit the setting."""
    before = os.environ.get("BACKPROP_BENCH_CACHE")
    os.environ["BACKPROP_BENCH_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["BACKPROP_BENCH_CACHE"]
    else:
        os.environ["BACKPROP_BENCH_CACHE"] = before
