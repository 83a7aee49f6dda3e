"""Which kernels OpenBLAS had better use: what is surely faster is chosen, and nothing that would crash is tried."""

import pytest

from backprop_bench.bench.core.records.plan import Entry
from backprop_bench.bench.core.stats.intervals import Interval
from backprop_bench.bench.ladder import blas
from backprop_bench.bench.ladder.blas import CORE_TYPES, architecture, choose_core_type, possible_core_types, probe_blas
from backprop_bench.data import SHARED, load_dataset


@pytest.mark.parametrize(
    ("gains", "chosen"),
    [
        ({"Haswell": Interval(0.6, 0.5, 0.7, 4), "SkylakeX": Interval(1.9, 1.8, 2.0, 4)}, "SkylakeX"),
        ({"Haswell": Interval(1.1, 1.05, 1.15, 4), "SkylakeX": Interval(1.5, 1.2, 1.8, 4)}, "SkylakeX"),
        ({"SkylakeX": Interval(1.5, 0.9, 2.5, 4)}, None),
        ({"Haswell": Interval(1.0, 0.99, 1.01, 4)}, None),
        ({}, None),
    ],
)
def test_only_what_is_surely_faster_is_chosen(gains: dict[str, Interval], chosen: str | None) -> None:
    assert choose_core_type(gains) == chosen


def test_no_core_type_is_tried_whose_instructions_the_processor_has_not() -> None:
    assert possible_core_types(("avx2", "fma")) == ["Haswell", "Zen"]
    assert possible_core_types(("avx2", "fma", "avx512f")) == ["Haswell", "Zen", "SkylakeX"]
    assert possible_core_types(None) == []


def test_the_core_type_is_that_of_openblas() -> None:
    pools = [{"internal_api": "openmp"}, {"internal_api": "openblas", "architecture": "Zen"}]
    assert architecture(pools) == "Zen"
    assert architecture([{"internal_api": "mkl"}]) == ""


def test_an_entry_hands_its_core_type_to_its_workers() -> None:
    assert Entry("scratch-inplace", "shared", SHARED).environment == {}
    assert Entry("scratch-inplace", "shared", SHARED, core_type="Zen").environment == {"OPENBLAS_CORETYPE": "Zen"}


@pytest.mark.slow
def test_the_probe_measures_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blas, "SETS", 2)
    monkeypatch.setattr(blas, "ROUNDS", 2)
    found = probe_blas(load_dataset("mnist"), 1)
    if found is None:
        pytest.skip("NumPy's BLAS is not OpenBLAS here")
    assert found.picked
    assert set(found.gains) <= set(CORE_TYPES)
    assert all(gain.estimate > 0 for gain in found.gains.values())
