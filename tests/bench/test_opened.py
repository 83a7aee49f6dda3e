"""A worker is started as its entry says, and what its file has become since is its own failure."""

import types
from typing import Any, Self

import pytest

from backprop_bench.bench.core.records.plan import Entry
from backprop_bench.bench.core.worker import opened
from backprop_bench.bench.core.worker.client import WorkerError
from backprop_bench.bench.core.worker.opened import opened_worker
from backprop_bench.data import InputError, Recipe

EXAMPLES: Any = types.SimpleNamespace(descriptor=7, to_dict=dict)


class FakeWorker:
    """Notes with what it was started, and answers or breaks."""

    spawned = 0.0
    breaks = False
    started: dict[str, Any]

    def __init__(self, threads: int, **how: Any) -> None:
        type(self).started = {"threads": threads, **how}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None: ...

    def ask(self, request: str, _: type, **details: Any) -> dict[str, Any]:
        if self.breaks:
            raise InputError("mine.py: no class Mine")
        return {"request": request, **details}


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[FakeWorker]:
    monkeypatch.setattr(FakeWorker, "breaks", False)
    monkeypatch.setattr(opened, "Worker", FakeWorker)
    return FakeWorker


def test_it_has_the_threads_the_examples_and_the_kernels_of_its_entry(fake: type[FakeWorker]) -> None:
    entry = Entry("scratch-numpy", "shared", Recipe(), core_type="Haswell")
    with opened_worker(entry, EXAMPLES, 2, [0, 1]) as (_, answer):
        request: Any = answer
    assert fake.started == {"threads": 2, "descriptors": [7], "environment": entry.environment}
    assert entry.environment["OPENBLAS_CORETYPE"] == "Haswell"
    assert (request["implementation"], request["threads"], request["cores"]) == ("scratch-numpy", 2, [0, 1])


def test_a_file_that_can_no_longer_be_imported_is_a_failure_of_its_implementation(fake: type[FakeWorker]) -> None:
    fake.breaks = True
    with (
        pytest.raises(WorkerError, match=r"mine\.py: no class Mine"),
        opened_worker(Entry("scratch-numpy", "shared", Recipe()), EXAMPLES, 1),
    ):
        pass
