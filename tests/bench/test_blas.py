"""The probe of OpenBLAS kernels selects what is significantly faster, and tries nothing that would crash."""

import pytest

from backprop_bench.bench.core.records.plan import Entry
from backprop_bench.bench.core.stats.intervals import Interval
from backprop_bench.bench.ladder import blas
from backprop_bench.bench.ladder.blas import CORE_TYPES, architecture, possible_core_types, probe_blas, select_core_type
from backprop_bench.data import SHARED, load_dataset


@pytest.mark.parametrize(
    ("speedups", "selected"),
    [
        ({"Haswell": Interval(0.6, 0.5, 0.7, 4), "SkylakeX": Interval(1.9, 1.8, 2.0, 4)}, "SkylakeX"),
        ({"Haswell": Interval(1.1, 1.05, 1.15, 4), "SkylakeX": Interval(1.5, 1.2, 1.8, 4)}, "SkylakeX"),
        ({"SkylakeX": Interval(1.5, 0.9, 2.5, 4)}, None),
        ({"Haswell": Interval(1.0, 0.99, 1.01, 4)}, None),
        ({}, None),
    ],
)
def test_only_what_is_significantly_faster_is_selected(speedups: dict[str, Interval], selected: str | None) -> None:
    assert select_core_type(speedups) == selected


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
    monkeypatch.setattr(blas, "REPLICATES", 2)
    monkeypatch.setattr(blas, "ROUNDS", 2)
    probe = probe_blas(load_dataset("mnist"), 1)
    if probe is None:
        pytest.skip("NumPy's BLAS is not OpenBLAS here")
    assert probe.picked
    assert set(probe.speedups) <= set(CORE_TYPES)
    assert all(speedup.estimate > 0 for speedup in probe.speedups.values())
