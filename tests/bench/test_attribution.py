"""A gap is split into parts that add up to it, and a planted effect is found."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from backprop_bench.bench.core.stats.attribution import (
    attribute,
    equivalence_p,
    holm,
    interaction_values,
    shapley_values,
    table_of,
)
from backprop_bench.data import InputError

FACTORS = ("loss", "batch", "bias", "precision")


@st.composite
def tables(draw: st.DrawFn) -> np.ndarray:
    """Draw the values of a full factorial of 1 to 5 factors and 1 to 4 seeds."""
    shape = (2,) * draw(st.integers(1, 5)) + (draw(st.integers(1, 4)),)
    return draw(arrays.arrays(np.float64, shape, elements=st.floats(-1e3, 1e3)))


@given(tables())
def test_contributions_add_up_to_the_gap_of_every_seed(values: np.ndarray) -> None:
    n_factors = values.ndim - 1
    gap = values[(1,) * n_factors] - values[(0,) * n_factors]
    assert shapley_values(values).sum(axis=0) == pytest.approx(gap, abs=1e-9)


@given(tables())
def test_the_mean_contributions_add_up_to_the_measured_gap(values: np.ndarray) -> None:
    names = [f"factor {number}" for number in range(values.ndim - 1)]
    attribution = attribute(names, values)
    total = math.fsum(item.interval.estimate for item in attribution.contributions)
    assert total == pytest.approx(attribution.gap.estimate, abs=1e-9)
    assert [item.factor for item in attribution.contributions] == names


@given(tables(), st.data())
def test_a_factor_that_changes_nothing_contributes_nothing_and_interacts_with_none(
    values: np.ndarray, data: st.DataObject
) -> None:
    factor = data.draw(st.integers(0, values.ndim - 2))
    same = np.repeat(np.take(values, [0], axis=factor), 2, axis=factor)
    assert shapley_values(same)[factor] == pytest.approx(0, abs=1e-9)
    for pair, attribution in interaction_values(same).items():
        assert factor not in pair or attribution == pytest.approx(0, abs=1e-9)


@given(tables(), st.data())
def test_the_order_in_which_factors_are_listed_does_not_matter(values: np.ndarray, data: st.DataObject) -> None:
    n_factors = values.ndim - 1
    order = data.draw(st.permutations(range(n_factors)))
    moved = shapley_values(values.transpose(*order, n_factors))
    assert moved == pytest.approx(shapley_values(values)[list(order)], abs=1e-9)


@settings(max_examples=30)
@given(tables())
def test_contributions_are_the_mean_over_all_orders(values: np.ndarray) -> None:
    n_factors = values.ndim - 1
    expected = np.zeros((n_factors, values.shape[-1]))
    orders = list(itertools.permutations(range(n_factors)))
    for order in orders:
        cell = [0] * n_factors
        for factor in order:
            before = values[tuple(cell)]
            cell[factor] = 1
            expected[factor] += (values[tuple(cell)] - before) / len(orders)
    assert shapley_values(values) == pytest.approx(expected, abs=1e-9)


def additive(effects: dict[str, float], together: float = 0.0, n_seeds: int = 3) -> np.ndarray:
    """Return a table in which every factor adds its effect, and the first two something together."""
    values = np.zeros((2,) * len(effects) + (n_seeds,))
    for cell in itertools.product((0, 1), repeat=len(effects)):
        total = sum(effect for level, effect in zip(cell, effects.values(), strict=True) if level)
        values[cell] = total + together * cell[0] * cell[1] + np.arange(n_seeds)
    return values


def test_effects_that_only_add_are_found_as_they_are_and_do_not_interact() -> None:
    effects = dict(zip(FACTORS, (3.0, -1.0, 0.5, 0.0), strict=True))
    attribution = attribute(FACTORS, additive(effects))
    assert [item.interval.estimate for item in attribution.contributions] == pytest.approx(list(effects.values()))
    assert all(item.interval.estimate == pytest.approx(0, abs=1e-12) for item in attribution.interactions)
    assert attribution.gap.estimate == pytest.approx(2.5)


def test_what_two_factors_do_together_is_shared_and_shown_as_their_interaction() -> None:
    values = additive(dict.fromkeys(FACTORS, 1.0), together=4.0)
    attribution = attribute(FACTORS, values)
    assert [item.interval.estimate for item in attribution.contributions] == pytest.approx([3, 3, 1, 1])
    largest = attribution.interactions[0]
    assert {largest.first, largest.second} == {"loss", "batch"}
    assert largest.interval.estimate == pytest.approx(4)
    assert interaction_values(values)[0, 1] == pytest.approx([4, 4, 4])


@pytest.mark.slow
def test_a_planted_effect_is_in_its_interval_in_95_of_100_simulations() -> None:
    rng = np.random.default_rng(1986)
    effects = dict(zip(FACTORS, (0.03, 0.0, -0.01, 0.002), strict=True))
    base = additive(effects, n_seeds=1)
    inside, trials = np.zeros(len(FACTORS)), 1000
    for _ in range(trials):
        seeds = rng.normal(0, 0.01, 20)  # what a seed does to all of its cells cancels
        values = base + seeds + rng.normal(0, 0.004, (*base.shape[:-1], 20))
        attribution = attribute(FACTORS, values)
        inside += [
            item.interval.contains(effect)
            for item, effect in zip(attribution.contributions, effects.values(), strict=True)
        ]
    assert inside.sum() / (trials * len(FACTORS)) == pytest.approx(0.95, abs=0.015)


def test_holms_correction_is_that_of_a_worked_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert math.isnan(holm([math.nan])[0])


def test_only_what_is_significantly_within_the_margin_is_called_equivalent() -> None:
    near = [0.0001, -0.0001, 0.0002, -0.0002, 0.0]
    assert equivalence_p(near, 0.001) < 0.001
    assert equivalence_p([value + 0.001 for value in near], 0.001) == pytest.approx(0.5)
    assert equivalence_p([0.01, -0.01], 0.001) > 0.4, "too few and too far apart to say"
    assert equivalence_p([0.0, 0.0], 0.001) == 0.0
    assert math.isnan(equivalence_p([0.0], 0.001))


def test_missing_cells_are_named_and_nothing_is_attributed() -> None:
    cells = {cell: [1.0, 2.0] for cell in itertools.product((0, 1), repeat=3)}
    assert table_of(cells, 3).shape == (2, 2, 2, 2)
    with pytest.raises(InputError, match="2 of 8 cells are missing: 010, 111"):
        table_of({cell: value for cell, value in cells.items() if cell not in {(0, 1, 0), (1, 1, 1)}}, 3)
    with pytest.raises(InputError, match="1 to 2 seeds"):
        table_of({**cells, (0, 0, 0): [1.0]}, 3)
