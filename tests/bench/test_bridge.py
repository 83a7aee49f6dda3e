"""Where the time between NumPy and PyTorch goes: what made-up times say, what floors do, and what is on the bridge."""

import itertools
import math
from typing import Any

import numpy as np
import pytest

from backprop_bench.bench.core.implementations import (
    FLOORS,
    IMPLEMENTATIONS,
    LINKS,
    named_implementation,
    trains_nothing,
)
from backprop_bench.bench.core.implementations import PARTS as FLOOR_PARTS
from backprop_bench.bench.explain.chain import CHAIN, LOADED, PARTS, SMALLEST, START, STEP_OF, TWICE, Bridge
from backprop_bench.bench.explain.chain_plan import bridge_question
from backprop_bench.bench.explain.chain_view import bridge_sentences, bridge_tables, draw_bridge
from backprop_bench.bench.verify.checks import verify
from backprop_bench.data import (
    SHARED,
    Dataset,
    InputError,
    Recipe,
    UnsupportedRecipe,
    batch_order,
    initial_parameters,
    load_dataset,
    training_examples,
)
from tests.bench.plain import Row, rows_of, summarize_bridge
from tests.bench.timed import timed_question, timed_run
from tests.tiny import write_tiny_dataset

pytestmark = pytest.mark.xdist_group("bridge")  # what its fixtures make is made once

EXAMPLES, STEPS = 1000, 16
WHOLE_MS = {
    "scratch-numpy": 390.0,
    "link-products": 410.0,
    "link-operations": 470.0,
    "link-functions": 450.0,
    "link-optimizer": 460.0,
    "link-autograd": 670.0,
    "torch-eager": 690.0,
    "torch-loader": 850.0,
    "numpy-products": 270.0,
    "numpy-elementwise": 50.0,
    "numpy-allocating": 340.0,
    "numpy-update": 30.0,
    "numpy-fetch": 25.0,
    "torch-products": 290.0,
    "torch-elementwise": 40.0,
    "torch-allocating": 350.0,
    "torch-update": 35.0,
    "torch-fetch": 28.0,
}
CALLS_MS = {
    "scratch-numpy": 25.0,
    "link-products": 40.0,
    "link-operations": 90.0,
    "link-functions": 70.0,
    "link-optimizer": 80.0,
    "link-autograd": 200.0,
    "torch-eager": 215.0,
    "numpy-products": 5.0,
    "numpy-elementwise": 20.0,
    "numpy-allocating": 27.0,
    "numpy-update": 6.0,
    "numpy-fetch": 3.0,
    "torch-products": 8.0,
    "torch-elementwise": 15.0,
    "torch-allocating": 26.0,
    "torch-update": 20.0,
    "torch-fetch": 6.0,
}
BY_HAND = {
    "loading": 25.0,
    "matrix products": 265.0,
    "elementwise": 30.0,
    "allocation": 313.0 - 265.0 - 30.0,
    "dispatch": 25.0 - 3.0 - 6.0,
    "optimizer": 30.0,
}
PYTORCH = {
    "loading": 28.0,
    "matrix products": 282.0,
    "elementwise": 25.0,
    "allocation": 324.0 - 282.0 - 25.0,
    "dispatch": 80.0 - 6.0 - 20.0,
    "optimizer": 35.0,
    "autograd": 210.0,
    "modules": 20.0,
}
NEARLY = 1e-9


def made_up(skip: str = "") -> tuple[dict[str, Any], list[Row]]:
    example_s = {name: ms / 1e3 / EXAMPLES for name, ms in WHOLE_MS.items()}
    example_s |= {f"{name}{SMALLEST}": ms / 1e3 / STEPS for name, ms in CALLS_MS.items()}
    question, rows = timed_question(
        "bridge", {name: s for name, s in example_s.items() if name != skip}, examples=EXAMPLES
    )
    for entry in question["entries"]:
        if entry["label"].endswith(SMALLEST):
            entry["recipe"] = {**entry["recipe"], "batch_size": 1}
    return timed_run((question, rows))


@pytest.fixture(scope="module")
def found() -> Bridge:
    return summarize_bridge(*made_up())


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return load_dataset(write_tiny_dataset(tmp_path_factory.mktemp("tiny"), 200, 60))


def test_every_link_changes_what_was_put_in_and_together_they_are_the_gap(found: Bridge) -> None:
    names = [START, *(trainer for _, trainer in CHAIN)]
    for link, (before, after) in zip(found.links, itertools.pairwise(names), strict=True):
        assert link.trainer == after
        assert link.change.estimate == pytest.approx(WHOLE_MS[after] - WHOLE_MS[before], abs=NEARLY)
        assert link.calls is not None
        assert link.calls.estimate == pytest.approx(CALLS_MS[after] - CALLS_MS[before], abs=NEARLY)
    assert found.gap.estimate == pytest.approx(300.0, abs=NEARLY)
    assert sum(link.change.estimate for link in found.links) == pytest.approx(found.gap.estimate, abs=NEARLY)
    assert found.loader.change.estimate == pytest.approx(160.0, abs=NEARLY)
    assert (found.examples, found.steps) == (EXAMPLES, STEPS)


def test_parts_of_both_sides_are_those_that_were_put_in_and_add_up_to_the_gap_with_the_rest(found: Bridge) -> None:
    by_hand = {part.name: part.by_hand.estimate for part in found.parts if part.by_hand}
    pytorch = {part.name: part.pytorch.estimate for part in found.parts if part.pytorch}
    assert by_hand == pytest.approx(BY_HAND, abs=NEARLY)
    assert pytorch == pytest.approx(PYTORCH, abs=NEARLY)
    assert found.rest.by_hand is not None
    assert found.rest.pytorch is not None
    assert found.rest.by_hand.estimate == pytest.approx(390 - sum(BY_HAND.values()), abs=NEARLY)
    assert found.rest.pytorch.estimate == pytest.approx(690 - sum(PYTORCH.values()), abs=NEARLY)
    whole = sum(part.difference.estimate for part in (*found.parts, found.rest))
    assert whole == pytest.approx(found.gap.estimate, abs=NEARLY)


def test_intervals_are_students_over_process_sets(found: Bridge) -> None:
    deviation = 0.01 * math.sqrt(2 / 3)  # of 0.99, 1, 1, 1.01; the first entry takes the same in all replicates
    assert found.gap.n == 4
    assert found.gap.half_width == pytest.approx(3.182446 * 690 * deviation / math.sqrt(4), rel=1e-5)


@pytest.mark.parametrize("name", ["link-autograd", f"numpy-fetch{SMALLEST}"])
def test_an_entry_without_times_is_named(name: str) -> None:
    with pytest.raises(InputError, match=f"no times of {name};"):
        summarize_bridge(*made_up(skip=name))


def test_a_run_without_the_question_or_without_a_common_round_is_refused() -> None:
    description, rows = made_up()
    with pytest.raises(InputError, match="no question 'bridge'"):
        summarize_bridge(*timed_run(timed_question("ladder", {START: 1e-6})))
    apart = [
        {**row, "replicate": row["replicate"] + 10 * (row["implementation"] == LOADED)}
        for row in rows_of(rows, "block")
    ]
    with pytest.raises(InputError, match="no round of the bridge"):
        summarize_bridge(description, apart)


def test_a_process_set_that_was_cut_short_is_left_out(found: Bridge) -> None:
    description, rows = made_up()
    late = [
        {**row, "replicate": 9, "wall_s": 5.0}
        for row in rows_of(rows, "block")
        if (row["replicate"], row["round"]) == (0, 0)
    ]
    assert summarize_bridge(description, [*rows, *late]) == found


def test_sentences_and_tables_hold_the_numbers(found: Bridge) -> None:
    said = " ".join(bridge_sentences(found))
    assert "an epoch of scratch-numpy takes 390.0" in said
    assert "+300.0 (+291.0 to +309.0) ms" in said
    assert "The largest swap is autograd, +210.0" in said
    assert "The DataLoader of torch-loader adds +160.0" in said
    chain, parts = bridge_tables(found)
    assert [row[0] for row in chain.rows] == [START, *(trainer for _, trainer in CHAIN), LOADED]
    assert chain.rows[3][3].startswith("−20.0 (−")
    assert [row[0] for row in parts.rows] == [*PYTORCH, "rest", "all"]
    products = parts.rows[list(PYTORCH).index("matrix products")]
    assert products[1].startswith("265.0 (")
    assert products[3].startswith("+17.0 (")
    assert parts.rows[-1][3].startswith("+300.0 (")


def test_no_number_of_the_figure_covers_another_one_or_leaves_the_page(found: Bridge) -> None:
    drawing = draw_bridge(found)
    assert drawing.title.startswith("torch-eager less scratch-numpy: +300.0")
    assert "autograd +210.0" in drawing.alt
    width = drawing.figure.bbox.width
    for axes in drawing.figure.axes:
        texts = [text for text in axes.texts if text.get_text()]
        assert texts
        boxes = [text.get_window_extent() for text in texts]
        assert max(box.x1 for box in boxes) < width
        assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))


def test_every_entry_of_the_question_trains_or_is_a_floor_and_all_but_the_loader_are_there_twice(tiny: Dataset) -> None:
    question = bridge_question(tiny, None, 2, 3)
    assert (question.name, question.examples, question.timing.min_replicates, question.timing.rounds) == (
        "bridge",
        200,
        2,
        3,
    )
    assert [entry.label for entry in question.entries] == [*TWICE, LOADED, *(f"{name}{SMALLEST}" for name in TWICE)]
    for entry in question.entries:
        sizes = (16, 1, 3) if entry.label.endswith(SMALLEST) else (16, 128, 3)
        assert entry.recipe.layer_sizes == sizes
        examples = training_examples(entry.recipe, tiny)
        order = batch_order(entry.recipe, len(examples.x), 0)
        trainer = named_implementation(entry.implementation).load()(entry.recipe, initial_parameters(entry.recipe))
        assert math.isfinite(trainer.train_epoch(examples.x, examples.t, order[:100]))
        assert trainer.predict(examples.x[:5]).shape == (5, 3)


def test_every_link_is_proved_on_both_recipes(tiny: Dataset) -> None:
    entries = [entry for entry in bridge_question(tiny, None, 2, 3).entries if entry.implementation in LINKS]
    assert {entry.implementation for entry in entries} == set(LINKS)
    for entry in entries:
        for check in verify(named_implementation(entry.implementation), entry.recipe, tiny, steps=10):
            assert check.passed, (entry.label, check)


def test_what_trains_nothing_is_known() -> None:
    assert all(map(trains_nothing, (*FLOORS, *FLOOR_PARTS)))
    assert not any(map(trains_nothing, (*IMPLEMENTATIONS, *LINKS)))


def floor_of(name: str, recipe: Recipe) -> Any:
    return named_implementation(name).load()(recipe, initial_parameters(recipe))


@pytest.mark.parametrize(("side", "hidden", "output"), [("numpy", 9, 17), ("torch", 6, 10)])
def test_floors_make_as_many_calls_as_they_say(side: str, hidden: int, output: int) -> None:
    deep = SHARED.replace(layer_sizes=(20, 7, 6, 4))
    n_calls = {part: len(floor_of(f"{side}-{part}", deep).prepare(5)) for part in PARTS if part != "fetch"}
    elementwise = 2 * hidden + output
    assert n_calls == {"products": 8, "elementwise": elementwise, "allocating": 8 + elementwise, "update": 1}


@pytest.mark.parametrize("side", STEP_OF)
def test_numbers_of_a_floor_do_not_drift(side: str) -> None:
    small = SHARED.replace(layer_sizes=(20, 7, 4))
    calls = floor_of(f"{side}-elementwise", small).prepare(5)
    results = []
    for times in (1, 50):
        for _, call in itertools.product(range(times), calls):
            call()
        results.append([np.copy(np.asarray(call.keywords["out"])) for call in calls if "out" in call.keywords])
    assert all(np.array_equal(a, b) for a, b in zip(*results, strict=True))
    assert all(np.isfinite(array).all() for array in results[0])


@pytest.mark.parametrize("side", STEP_OF)
def test_a_step_that_is_not_taken_apart_is_refused_by_field(side: str) -> None:
    for field, value in (("hidden_activation", "tanh"), ("bias", False), ("reduction", "sum")):
        with pytest.raises(UnsupportedRecipe, match=field):
            floor_of(f"{side}-elementwise", SHARED.replace(**{field: value}))


def test_the_chain_and_the_parts_are_all_registered() -> None:
    assert {trainer for _, trainer in CHAIN} == {*LINKS, "torch-eager"}
    assert {f"{side}-{part}" for side in STEP_OF for part in PARTS} <= {*FLOORS, *FLOOR_PARTS}
