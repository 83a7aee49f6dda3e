"""What holds for all tests."""

import os
from collections.abc import Callable, Iterator

import pytest

# Tests run on all cores at once, and threads of theirs that wait for a core by spinning make them many times slower.
# Libraries read this when they are imported, which is after this file is. Workers are told their threads by the driver.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")


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


@pytest.fixture
def leave_out_figures(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return what lets commands draw no figures from then on, which take seconds and have tests of their own."""

    def leave_out() -> None:
        monkeypatch.setattr("backprop_bench.bench.report.findings.save_figure", lambda *_: [])

    return leave_out


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let what one process has to do alone come first, so that no such group is begun when all else is done."""
    items.sort(key=lambda item: item.get_closest_marker("xdist_group") is None)
