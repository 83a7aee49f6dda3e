"""Timed work that is done again by a reference: no alarm for the honest, whatever the recipe, and none missed."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backprop_bench.bench.core.engine.timed_work import REFERENCES
from backprop_bench.bench.core.implementations import named_implementation
from backprop_bench.bench.core.records.kinds import ComparedWork
from backprop_bench.bench.core.stats.tolerances import moved_by_rounding, name_arrays
from backprop_bench.bench.core.worker import replay
from backprop_bench.bench.core.worker.batches import Draws, KeptTurn, Piece, examples_in, n_batches, order_of
from backprop_bench.bench.core.worker.weights import WeightsFile, read_weights, weights_bytes, write_weights
from backprop_bench.data import Examples, Recipe, Trainer, UnsupportedRecipe, initial_parameters
from backprop_bench.scratch.inplace_trainer import InplaceTrainer
from backprop_bench.scratch.numpy_trainer import NumpyTrainer
from backprop_bench.torch_impl.manual import ManualTrainer
from backprop_bench.torch_impl.trainers import EagerTrainer, FusedTrainer, LoaderTrainer
from tests.recipes import random_examples, recipes

N_EXAMPLES = 53
ROUNDS = 4
TRAINERS: tuple[type[Trainer], ...] = (
    NumpyTrainer,
    InplaceTrainer,
    EagerTrainer,
    LoaderTrainer,
    FusedTrainer,
    ManualTrainer,
)


def work_of(
    make: type[Trainer], recipe: Recipe, examples: Examples, weights: WeightsFile, batches: Sequence[int]
) -> list[KeptTurn]:
    """Train as a timed worker does: a turn for every number of batches."""
    trainer, draws, turns = make(recipe, initial_parameters(recipe)), Draws(recipe, len(examples.x)), []
    for slot, number in enumerate(batches):
        pieces = draws.take(number)
        with np.errstate(all="ignore"):
            losses = [trainer.train_epoch(examples.x, examples.t, order_of(p, recipe, len(examples.x))) for p in pieces]
        write_weights(weights.descriptor, slot, recipe, trainer.parameters())
        kept = tuple(float(loss) if np.isfinite(loss) else None for loss in losses)
        turns.append(KeptTurn(tuple(pieces), kept, slot, f"round {slot + 1}"))
    return turns


def checked(
    recipe: Recipe,
    examples: Examples,
    weights: WeightsFile,
    turns: Sequence[KeptTurn],
    reference: str = "scratch-numpy",
    limit_s: float = 60.0,
    others: Sequence[str] = (),
    order_seed: int = 3,
) -> ComparedWork:
    with using(examples):
        return replay.replay(  # type: ignore[no-any-return]
            reference, list(others), recipe.to_dict(), {}, weights.descriptor, list(turns), limit_s, order_seed
        )


@contextlib.contextmanager
def using(examples: Examples) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replay, "_examples", lambda _: examples)
        yield


@pytest.mark.slow
@settings(max_examples=250, deadline=None)
@given(st.data())
def test_an_honest_implementation_never_gives_an_alarm(data: st.DataObject) -> None:
    recipe = data.draw(recipes(dtype=data.draw(st.sampled_from(["float32", "float64"]))))
    recipe = recipe.replace(learning_rate=recipe.learning_rate * data.draw(st.sampled_from([0.1, 1.0, 5.0])))
    make = data.draw(st.sampled_from(TRAINERS))
    reference = data.draw(st.sampled_from(["scratch-compiled", "scratch-inplace", "scratch-numpy"]))
    examples = random_examples(recipe, N_EXAMPLES)
    batches = data.draw(st.lists(st.integers(1, 150), min_size=1, max_size=ROUNDS))
    with WeightsFile(recipe, ROUNDS) as weights:
        try:
            named_implementation(reference).load()(recipe, initial_parameters(recipe))
            turns = work_of(make, recipe, examples, weights, batches)
        except UnsupportedRecipe:
            return
        others = [name for name in REFERENCES if name != reference]
        result = checked(recipe, examples, weights, turns, reference, others=others)
    assert result.passed, result
    assert result.turns == len(batches)


RECIPE = Recipe(layer_sizes=(16, 8, 3), batch_size=8, learning_rate=0.5)
EXAMPLES = random_examples(RECIPE, N_EXAMPLES)


def altered(turns: Sequence[KeptTurn], place: int, **changes: Any) -> list[KeptTurn]:
    import msgspec

    return [msgspec.structs.replace(turn, **changes) if at == place else turn for at, turn in enumerate(turns)]


@pytest.mark.parametrize("name", [*REFERENCES, "scratch-c"])
@pytest.mark.parametrize("bias", [True, False])
def test_who_goes_on_from_other_weights_keeps_the_state_of_its_optimizer(name: str, bias: bool) -> None:
    reason = named_implementation(name).unavailable()
    if reason is not None:
        pytest.skip(reason)
    recipe = RECIPE.replace(optimizer="adam", learning_rate=0.01, bias=bias, dtype="float64", layer_sizes=(16, 8, 6, 3))
    examples, order = random_examples(recipe, N_EXAMPLES), np.arange(N_EXAMPLES)
    trainers: list[Any] = [
        make(recipe, initial_parameters(recipe)) for make in (named_implementation(name).load(), NumpyTrainer)
    ]
    for trainer in trainers:
        trainer.train_epoch(examples.x, examples.t, order)
        trainer.set_parameters(initial_parameters(recipe.replace(seed=5)))
        trainer.train_epoch(examples.x, examples.t, order)
    for one, other in zip(*(trainer.parameters() for trainer in trainers), strict=True):
        for a, b in zip(one.arrays(), other.arrays(), strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-10)


@pytest.mark.parametrize("reference", REFERENCES)
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "rmsprop", "adam"])
def test_every_reference_trains_again_what_was_trained_with_every_optimizer(reference: str, optimizer: str) -> None:
    reason = named_implementation(reference).unavailable()
    if reason is not None:
        pytest.skip(reason)
    recipe = RECIPE.replace(optimizer=optimizer, learning_rate=0.01, momentum=0.9 if optimizer == "momentum" else 0.0)
    with WeightsFile(recipe, ROUNDS) as weights:
        turns = work_of(FusedTrainer, recipe, EXAMPLES, weights, [40] * ROUNDS)
        result = checked(recipe, EXAMPLES, weights, turns, reference)
        told = turns[2].pieces
        longer = (*told[:-1], Piece(told[-1].start, told[-1].stop + 1, told[-1].key))
        false = checked(recipe, EXAMPLES, weights, altered(turns, 2, pieces=longer), reference)
    assert result.passed, result
    assert result.checked == ROUNDS
    assert not false.passed


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "rmsprop", "adam"])
@pytest.mark.parametrize("place", [0, 2, 3])
def test_one_batch_that_was_left_out_is_found_in_the_turn_where_it_was(optimizer: str, place: int) -> None:
    recipe = RECIPE.replace(optimizer=optimizer, learning_rate=0.01, momentum=0.9 if optimizer == "momentum" else 0.0)
    with WeightsFile(recipe, ROUNDS) as weights:
        turns = work_of(InplaceTrainer, recipe, EXAMPLES, weights, [40] * ROUNDS)
        told = turns[place].pieces
        longer = (*told[:-1], Piece(told[-1].start, told[-1].stop + 1, told[-1].key))
        result = checked(recipe, EXAMPLES, weights, altered(turns, place, pieces=longer))
    assert not result.passed
    assert f"round {place + 1}" in result.where


@pytest.mark.parametrize(
    "changes",
    [
        {"dropout": 0.3},
        {"rate_factor": 0.9},
        {"optimizer": "momentum", "momentum": 0.9, "nesterov": True},
        {"optimizer": "adam", "adam_reordered": True},
        {"output_activation": "softmax", "loss": "squared_error"},
    ],
)
def test_what_only_scratch_numpy_and_pytorch_do_is_compared_with_each_other(changes: dict[str, Any]) -> None:
    recipe = RECIPE.replace(learning_rate=0.01, **changes)
    for make, reference in ((NumpyTrainer, "torch-eager"), (FusedTrainer, "scratch-numpy")):
        with WeightsFile(recipe, ROUNDS) as weights:
            turns = work_of(make, recipe, EXAMPLES, weights, [40] * ROUNDS)
            honest = checked(recipe, EXAMPLES, weights, turns, reference, others=REFERENCES)
            told = turns[2].pieces
            longer = (*told[:-1], Piece(told[-1].start, told[-1].stop + 1, told[-1].key))
            false = checked(recipe, EXAMPLES, weights, altered(turns, 2, pieces=longer), reference)
        assert honest.passed, honest
        assert honest.checked == ROUNDS
        assert not false.passed
        assert "round 3" in false.where


def test_what_a_kink_may_do_is_seen_at_the_learning_rate_of_the_epoch() -> None:
    recipe = RECIPE.replace(learning_rate=0.01, rate_factor=0.01, hidden_activation="relu")
    with WeightsFile(recipe, ROUNDS) as weights:
        turns = work_of(FusedTrainer, recipe, EXAMPLES, weights, [40] * ROUNDS)
        work = replay._Work(NumpyTrainer, recipe, EXAMPLES, weights.descriptor, turns)
        for place, moves in ((0, True), (2, False)):
            *after, _ = replay._SecondLook(work, [])._with_another_example(place, 0)
            before = name_arrays(work.start(place))
            moved = max(float(abs(a - b).max()) for (_, a), (_, b) in zip(after, before, strict=True))
            assert (moved > 1e-5) == moves, "after five epochs and more the rate is nearly 0"


@pytest.mark.parametrize("place", range(ROUNDS))
def test_a_weight_that_differs_by_more_than_rounding_is_found(place: int) -> None:
    with WeightsFile(RECIPE, ROUNDS) as weights:
        turns = work_of(NumpyTrainer, RECIPE, EXAMPLES, weights, [40] * ROUNDS)
        layers = read_weights(weights.descriptor, place, RECIPE)
        layers[1].weight[3, 1] += 1e-2
        write_weights(weights.descriptor, place, RECIPE, layers)
        result = checked(RECIPE, EXAMPLES, weights, turns)
    assert not result.passed
    assert round_of(result.where) in {place + 1, place + 2}, "where it ended, or where the next turn began"


def round_of(where: str) -> int:
    return int(where.rpartition("round ")[2])


def test_a_loss_that_was_not_computed_is_found() -> None:
    with WeightsFile(RECIPE, ROUNDS) as weights:
        turns = work_of(NumpyTrainer, RECIPE, EXAMPLES, weights, [40] * ROUNDS)
        wrong = (*turns[1].losses[:-1], (turns[1].losses[-1] or 0.0) * 1.01)
        result = checked(RECIPE, EXAMPLES, weights, altered(turns, 1, losses=wrong))
    assert not result.passed
    assert result.where.startswith("loss of call")


def test_weights_that_stop_being_numbers_are_found_unless_training_diverges_in_the_reference_too() -> None:
    with WeightsFile(RECIPE, ROUNDS) as weights:
        turns = work_of(NumpyTrainer, RECIPE, EXAMPLES, weights, [10] * ROUNDS)
        for place in (1, 2, 3):
            layers = read_weights(weights.descriptor, place, RECIPE)
            layers[0].weight[...] = np.nan
            write_weights(weights.descriptor, place, RECIPE, layers)
        result = checked(RECIPE, EXAMPLES, weights, turns)
        assert not result.passed
        assert "round 2" in result.where, "where they were lost first"
    hopeless = RECIPE.replace(output_activation="identity", loss="squared_error", learning_rate=1e6)
    with WeightsFile(hopeless, ROUNDS) as weights, np.errstate(all="ignore"):
        turns = work_of(NumpyTrainer, hopeless, EXAMPLES, weights, [40] * ROUNDS)
        assert checked(hopeless, EXAMPLES, weights, turns, "scratch-inplace").passed


def test_independent_turns_are_trained_again_until_the_limit_and_at_least_two() -> None:
    with WeightsFile(RECIPE, ROUNDS) as weights:
        turns = work_of(NumpyTrainer, RECIPE, EXAMPLES, weights, [5] * ROUNDS)
        assert checked(RECIPE, EXAMPLES, weights, turns, limit_s=0.0).checked == 2
        assert checked(RECIPE, EXAMPLES, weights, turns).checked == ROUNDS
        assert checked(RECIPE, EXAMPLES, weights, turns).batches == 5 * ROUNDS


@pytest.mark.parametrize("order_seed", range(12))
def test_the_first_turn_is_trained_again_whatever_the_order_and_another_one_with_it(order_seed: int) -> None:
    with WeightsFile(RECIPE, ROUNDS) as weights:
        turns = work_of(NumpyTrainer, RECIPE, EXAMPLES, weights, [5] * ROUNDS)
        wrong = altered(turns, 0, losses=tuple(9.0 for _ in turns[0].losses))
        result = checked(RECIPE, EXAMPLES, weights, wrong, limit_s=0.0, order_seed=order_seed)
        assert not result.passed
        assert (result.checked, round_of(result.where)) == (1, 1)
        assert checked(RECIPE, EXAMPLES, weights, turns[:1], limit_s=0.0, order_seed=order_seed).checked == 1
        assert checked(RECIPE, EXAMPLES, weights, turns, limit_s=0.0, order_seed=order_seed).checked == 2


def test_turns_that_build_on_each_other_are_trained_again_from_the_first_one_until_a_limit_and_at_least_two() -> None:
    recipe = RECIPE.replace(optimizer="adam", learning_rate=0.01)
    with WeightsFile(recipe, ROUNDS) as weights:
        turns = work_of(NumpyTrainer, recipe, EXAMPLES, weights, [5] * ROUNDS)
        assert checked(recipe, EXAMPLES, weights, turns, limit_s=0.0).checked == 2
        assert checked(recipe, EXAMPLES, weights, turns).checked == ROUNDS


def test_drawn_batches_are_never_the_same_and_the_short_last_one_comes_as_often_as_in_an_epoch() -> None:
    draws, whole = Draws(RECIPE, N_EXAMPLES), n_batches(RECIPE, N_EXAMPLES)
    pieces = [piece for _ in range(12) for piece in draws.take(5)]
    assert len({piece.key for piece in pieces}) == len(pieces)
    assert sum(piece.stop - piece.start for piece in pieces) == 60
    sizes = [examples_in(piece, RECIPE, N_EXAMPLES) for piece in pieces]
    assert sum(sizes) == 60 // whole * N_EXAMPLES + 60 % whole * 8
    orders = [order_of(piece, RECIPE, N_EXAMPLES) for piece in pieces]
    assert [len(order) for order in orders] == sizes
    assert all(order.base is None for order in orders), "nothing leads to the rest of the order"
    assert len({tuple(order) for order in orders}) == len(orders)


def test_a_drawn_order_of_a_recipe_that_does_not_shuffle_runs_through_the_file_from_anywhere() -> None:
    recipe = RECIPE.replace(shuffle=False)
    piece = Draws(recipe, N_EXAMPLES).take(6)[0]
    order = order_of(piece, recipe, N_EXAMPLES)
    assert set(np.diff(order) % N_EXAMPLES) == {1}
    first = {order_of(with_key(piece, key), recipe, N_EXAMPLES)[0] for key in range(N_EXAMPLES)}
    assert len(first) == N_EXAMPLES


def with_key(piece: Piece, key: int) -> Piece:
    return Piece(piece.start, piece.stop, key)


def test_moving_by_rounding_moves_every_weight_by_so_many_numbers_of_its_type_and_leaves_zeros() -> None:
    for dtype in ("float32", "float64"):
        start = initial_parameters(RECIPE.replace(dtype=dtype))
        start[0].weight[0, 0] = 0.0
        moved = moved_by_rounding(start, 0, 4)
        for (_, a), (_, b) in zip(name_arrays(start), name_arrays(moved), strict=True):
            assert b.dtype == dtype
            steps = abs(a - b)[a != 0] / np.spacing(abs(a[a != 0]))
            assert set(steps.tolist()) <= {2.0, 4.0}, "half as many where a power of two lies in between"
        assert moved[0].weight[0, 0] == 0.0
        assert any((a != b).any() for (_, a), (_, b) in zip(name_arrays(start), name_arrays(moved), strict=True))


def test_weights_come_back_as_they_were_written_and_others_are_refused() -> None:
    recipe = RECIPE.replace(bias=True)
    with WeightsFile(recipe, 3) as weights:
        first, second = (initial_parameters(recipe.replace(seed=seed)) for seed in (1, 2))
        write_weights(weights.descriptor, 2, recipe, second)
        write_weights(weights.descriptor, 1, recipe, first)
        for slot, expected in ((1, first), (2, second)):
            result = name_arrays(read_weights(weights.descriptor, slot, recipe))
            assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(result, name_arrays(expected), strict=True))
        with pytest.raises(ValueError, match=r"parameters\(\) returned float32 \[16, 8\], float32 \[8\] after"):
            write_weights(weights.descriptor, 0, recipe, first[:1])
        with pytest.raises(ValueError, match="slot 3 has no weights"):
            read_weights(weights.descriptor, 3, recipe)
    assert weights_bytes(recipe) == 4 * recipe.n_parameters


def test_what_a_kink_may_do_is_exceeded_by_chance_in_one_of_7000_turns() -> None:
    """All differences are normal: that of the training that is compared, and those of the references."""
    rng = np.random.default_rng(0)
    differences = abs(rng.standard_normal((1_000_000, 1 + replay.KINK_RUNS), np.float32))
    wrong = np.mean(differences[:, 0] > replay.KINK_MARGIN * differences[:, 1:].max(axis=1))
    assert 1 / 10_000 < wrong < 1 / 5_000
