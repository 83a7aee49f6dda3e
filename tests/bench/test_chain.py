"""The ablation chain: results of made-up times, the parts of a step, and the trainers of the chain."""

import itertools
import math
from typing import Any

import numpy as np
import pytest

from backprop_bench.bench.core.implementations import (
    BASELINES,
    CHAIN,
    IMPLEMENTATIONS,
    named_implementation,
    trains_nothing,
)
from backprop_bench.bench.core.implementations import PARTS as ALONE_PARTS
from backprop_bench.bench.explain.chain import LOADED, PARTS, SMALLEST, START, STEP_OF, STEPS, TWICE, AblationChain
from backprop_bench.bench.explain.chain_plan import chain_question
from backprop_bench.bench.explain.chain_view import chain_sentences, chain_tables, draw_chain
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
from tests.bench.plain import Row, rows_of, summarize_chain
from tests.bench.timed import timed_question, timed_run
from tests.recipes import random_examples
from tests.tiny import write_tiny_dataset

pytestmark = pytest.mark.xdist_group("chain")  # what its fixtures make is made once

EXAMPLES, UPDATES = 1000, 16
WHOLE_MS = {
    "scratch-numpy": 390.0,
    "chain-products": 410.0,
    "chain-operations": 470.0,
    "chain-functions": 450.0,
    "chain-optimizer": 460.0,
    "chain-autograd": 670.0,
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
    "chain-products": 40.0,
    "chain-operations": 90.0,
    "chain-functions": 70.0,
    "chain-optimizer": 80.0,
    "chain-autograd": 200.0,
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
FROM_SCRATCH = {
    "loading": 25.0,
    "matrix products": 265.0,
    "elementwise": 30.0,
    "allocation": 313.0 - 265.0 - 30.0,
    "calls": 25.0 - 3.0 - 6.0,
    "optimizer": 30.0,
}
PYTORCH = {
    "loading": 28.0,
    "matrix products": 282.0,
    "elementwise": 25.0,
    "allocation": 324.0 - 282.0 - 25.0,
    "calls": 80.0 - 6.0 - 20.0,
    "optimizer": 35.0,
    "autograd": 210.0,
    "modules": 20.0,
}
NEARLY = 1e-9


def made_up(skip: str = "") -> tuple[dict[str, Any], list[Row]]:
    example_s = {name: ms / 1e3 / EXAMPLES for name, ms in WHOLE_MS.items()}
    example_s |= {f"{name}{SMALLEST}": ms / 1e3 / UPDATES for name, ms in CALLS_MS.items()}
    question, rows = timed_question(
        "chain", {name: s for name, s in example_s.items() if name != skip}, examples=EXAMPLES
    )
    for entry in question["entries"]:
        if entry["label"].endswith(SMALLEST):
            entry["recipe"] = {**entry["recipe"], "batch_size": 1}
    return timed_run((question, rows))


@pytest.fixture(scope="module")
def chain() -> AblationChain:
    return summarize_chain(*made_up())


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return load_dataset(write_tiny_dataset(tmp_path_factory.mktemp("tiny"), 200, 60))


def test_every_step_has_the_change_of_the_made_up_times_and_all_add_up_to_the_gap(chain: AblationChain) -> None:
    names = [START, *(trainer for _, trainer in STEPS)]
    for step, (before, after) in zip(chain.steps, itertools.pairwise(names), strict=True):
        assert step.trainer == after
        assert step.change.estimate == pytest.approx(WHOLE_MS[after] - WHOLE_MS[before], abs=NEARLY)
        assert step.calls is not None
        assert step.calls.estimate == pytest.approx(CALLS_MS[after] - CALLS_MS[before], abs=NEARLY)
    assert chain.gap.estimate == pytest.approx(300.0, abs=NEARLY)
    assert sum(step.change.estimate for step in chain.steps) == pytest.approx(chain.gap.estimate, abs=NEARLY)
    assert chain.loader.change.estimate == pytest.approx(160.0, abs=NEARLY)

    assert (chain.examples, chain.updates) == (EXAMPLES, UPDATES)


def test_parts_of_both_sides_are_those_of_the_made_up_times_and_add_up_with_the_rest(chain: AblationChain) -> None:
    from_scratch = {part.name: part.from_scratch.estimate for part in chain.parts if part.from_scratch}
    pytorch = {part.name: part.pytorch.estimate for part in chain.parts if part.pytorch}
    assert from_scratch == pytest.approx(FROM_SCRATCH, abs=NEARLY)
    assert pytorch == pytest.approx(PYTORCH, abs=NEARLY)
    assert chain.rest.from_scratch is not None
    assert chain.rest.pytorch is not None
    assert chain.rest.from_scratch.estimate == pytest.approx(390 - sum(FROM_SCRATCH.values()), abs=NEARLY)
    assert chain.rest.pytorch.estimate == pytest.approx(690 - sum(PYTORCH.values()), abs=NEARLY)
    whole = sum(part.difference.estimate for part in (*chain.parts, chain.rest))
    assert whole == pytest.approx(chain.gap.estimate, abs=NEARLY)


def test_intervals_are_of_the_t_distribution_over_process_replicates(chain: AblationChain) -> None:
    deviation = 0.01 * math.sqrt(2 / 3)  # of 0.99, 1, 1, 1.01; the first entry takes the same in all replicates
    assert chain.gap.n == 4
    assert chain.gap.half_width == pytest.approx(3.182446 * 690 * deviation / math.sqrt(4), rel=1e-5)


@pytest.mark.parametrize("name", ["chain-autograd", f"numpy-fetch{SMALLEST}"])
def test_an_entry_without_times_is_named(name: str) -> None:
    with pytest.raises(InputError, match=f"no times of {name};"):
        summarize_chain(*made_up(skip=name))


def test_a_run_without_the_question_or_without_a_common_round_is_refused() -> None:
    description, rows = made_up()
    with pytest.raises(InputError, match="no question 'chain'"):
        summarize_chain(*timed_run(timed_question("ladder", {START: 1e-6})))
    apart = [
        {**row, "replicate": row["replicate"] + 10 * (row["implementation"] == LOADED)}
        for row in rows_of(rows, "block")
    ]
    with pytest.raises(InputError, match="no round of the ablation chain"):
        summarize_chain(description, apart)


def test_an_incomplete_process_replicate_is_left_out(chain: AblationChain) -> None:
    description, rows = made_up()
    late = [
        {**row, "replicate": 9, "wall_s": 5.0}
        for row in rows_of(rows, "block")
        if (row["replicate"], row["round"]) == (0, 0)
    ]
    assert summarize_chain(description, [*rows, *late]) == chain


def test_sentences_and_tables_hold_the_numbers(chain: AblationChain) -> None:
    sentences = " ".join(chain_sentences(chain)).replace("\N{NO-BREAK SPACE}", " ")
    assert "an epoch takes 390 ms with scratch-numpy and 690 ms with torch-eager" in sentences
    assert "+300 ms (95 % CI +291 to +309)" in sentences
    assert "The largest step is autograd, +210 ms" in sentences
    assert "The DataLoader of torch-loader adds +160 ms" in sentences
    steps, parts = chain_tables(chain)
    assert [row[0] for row in steps.rows] == [START, *(trainer for _, trainer in STEPS), LOADED]
    assert steps.rows[3][3].startswith("−20.0 (−")
    names = ["cost of calls" if name == "calls" else name for name in PYTORCH]
    assert [row[0] for row in parts.rows] == [*names, "rest", "all"]
    products = parts.rows[list(PYTORCH).index("matrix products")]
    assert products[1].startswith("265.0 (")
    assert products[3].startswith("+17.0 (")
    assert parts.rows[-1][3].startswith("+300.0 (")


def test_no_number_of_the_figure_covers_another_one_or_leaves_the_page(chain: AblationChain) -> None:
    drawing = draw_chain(chain)
    assert drawing.title.replace("\N{NO-BREAK SPACE}", " ").startswith("torch-eager takes 300 ms more per epoch than")
    assert "autograd +210" in drawing.alt
    width = drawing.figure.bbox.width
    for axes in drawing.figure.axes:
        texts = [text for text in axes.texts if text.get_text()]
        assert texts
        boxes = [text.get_window_extent() for text in texts]
        assert max(box.x1 for box in boxes) < width
        assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))


def test_every_entry_runs_and_all_but_the_loader_are_there_twice(tiny: Dataset) -> None:
    question = chain_question(tiny, None, 2, 3)
    assert (question.name, question.examples, question.timing.min_replicates, question.timing.rounds) == (
        "chain",
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


def test_every_step_of_the_chain_is_verified_on_both_recipes(tiny: Dataset) -> None:
    entries = [entry for entry in chain_question(tiny, None, 2, 3).entries if entry.implementation in CHAIN]
    assert {entry.implementation for entry in entries} == set(CHAIN)
    for entry in entries:
        for check in verify(named_implementation(entry.implementation), entry.recipe, tiny, steps=10):
            assert check.passed, (entry.label, check)


def test_what_trains_nothing_is_known() -> None:
    assert all(map(trains_nothing, (*BASELINES, *ALONE_PARTS)))
    assert not any(map(trains_nothing, (*IMPLEMENTATIONS, *CHAIN)))


def part_of(name: str, recipe: Recipe) -> Any:
    return named_implementation(name).load()(recipe, initial_parameters(recipe))


@pytest.mark.parametrize(("side", "hidden", "output"), [("numpy", 9, 17), ("torch", 6, 10)])
def test_parts_make_as_many_calls_as_they_state(side: str, hidden: int, output: int) -> None:
    deep = SHARED.replace(layer_sizes=(20, 7, 6, 4))
    n_calls = {part: len(part_of(f"{side}-{part}", deep).prepare(5)) for part in PARTS if part != "fetch"}
    elementwise = 2 * hidden + output
    assert n_calls == {"products": 8, "elementwise": elementwise, "allocating": 8 + elementwise, "update": 1}


@pytest.mark.parametrize("side", STEP_OF)
def test_numbers_of_a_part_do_not_drift(side: str) -> None:
    small = SHARED.replace(layer_sizes=(20, 7, 4))
    calls = part_of(f"{side}-elementwise", small).prepare(5)
    results = []
    for times in (1, 50):
        for _, call in itertools.product(range(times), calls):
            call()
        results.append([np.copy(np.asarray(call.keywords["out"])) for call in calls if "out" in call.keywords])
    assert all(np.array_equal(a, b) for a, b in zip(*results, strict=True))
    assert all(np.isfinite(array).all() for array in results[0])


@pytest.mark.parametrize("side", STEP_OF)
def test_fetching_alone_fetches_inputs_and_targets_of_every_batch(side: str) -> None:
    small = SHARED.replace(layer_sizes=(6, 5, 3), batch_size=8)
    examples, order = random_examples(small, 20), batch_order(small, 20, 0)
    fetching = part_of(f"{side}-fetch", small)
    for begin in (0, 8, 16):
        fetching.train_epoch(examples.x, examples.t, order[: begin + 8])
        x, t = map(np.asarray, fetching.fetched)
        assert np.array_equal(x, examples.x[order[begin : begin + 8]])
        assert np.array_equal(t, examples.t[order[begin : begin + 8]])


@pytest.mark.parametrize("side", STEP_OF)
def test_a_step_that_is_not_split_into_parts_is_refused_by_field(side: str) -> None:
    for field, value in (("hidden_activation", "tanh"), ("bias", False), ("reduction", "sum")):
        with pytest.raises(UnsupportedRecipe, match=field):
            part_of(f"{side}-elementwise", SHARED.replace(**{field: value}))


def test_the_chain_and_the_parts_are_all_registered() -> None:
    assert {trainer for _, trainer in STEPS} == {*CHAIN, "torch-eager"}
    assert {f"{side}-{part}" for side in STEP_OF for part in PARTS} <= {*BASELINES, *ALONE_PARTS}
