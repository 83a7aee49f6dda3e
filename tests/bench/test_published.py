"""Published experiments: trials find what is known, and verdicts follow from what was measured."""

import dataclasses
import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from backprop_bench.bench.cli.main import main
from backprop_bench.bench.core.engine.run_log import RunLog
from backprop_bench.bench.core.implementations import named_implementation
from backprop_bench.bench.core.records.writer import Recorder
from backprop_bench.bench.historical import experiments
from backprop_bench.bench.historical import measure as reproduce
from backprop_bench.bench.historical.analysis import (
    BEYOND,
    MIRROR_TOLERANCE,
    READING,
    EpochsToSolve,
    Errors,
    Solution,
    new_run_interval,
    properties_of,
    share_interval,
)
from backprop_bench.bench.historical.experiments import EXPERIMENTS, FAMILY, NAMES, NIELSEN, OF_1986, in_text
from backprop_bench.bench.historical.trial import (
    CLOSE,
    checkpoints,
    distance,
    is_right,
    run_trial,
    split,
    train_in_stretches,
)
from backprop_bench.bench.historical.view import (
    drawings,
    measured,
    published_charts,
    published_sentences,
    published_table,
)
from backprop_bench.data import (
    ARTICLE_SCRATCH,
    RASHID,
    ExtendedRecipe,
    InputError,
    Layer,
    Parameters,
    Recipe,
    batch_order,
    initial_parameters,
    load_dataset,
    load_family_trees,
    load_patterns,
    training_examples,
)
from backprop_bench.scratch.numpy_trainer import NumpyTrainer
from tests.bench.plain import Row, read_rows, rows_of, summarize_reproduction, typed
from tests.tiny import write_tiny_dataset

VERSIONS = ("scratch-numpy", "torch-eager")
SOLVED_SEED = 1


def test_a_symmetry_network_is_solved_by_both_versions_after_the_same_epoch_and_looks_as_in_the_paper() -> None:
    row = run_trial("symmetry", OF_1986.replace(seed=SOLVED_SEED), 0, VERSIONS, stops=True, keeps=True)
    assert row.solved["scratch-numpy"] == row.solved["torch-eager"] is not None
    assert row.distance is not None
    assert row.distance < 1e-9
    assert row.curve[-1][0] == row.solved["scratch-numpy"]
    assert row.curve[-1][2] == 1.0
    hidden, hidden_bias, output, output_bias = map(np.array, row.weights or ())
    solution = Solution(0, row.curve[-1][0], hidden, hidden_bias, output[:, 0], float(output_bias[0]))
    assert solution.mirror_error < 0.05
    assert solution.correlation < -0.99
    assert solution.has_signs


def test_the_mean_over_the_examples_learns_no_symmetry_in_the_time_of_the_sum() -> None:
    solved = run_trial("symmetry", OF_1986.replace(seed=SOLVED_SEED), 0, VERSIONS[:1], stops=True, keeps=False)
    most = solved.solved["scratch-numpy"]
    averaged = OF_1986.replace(seed=SOLVED_SEED, reduction="mean", epochs=most)
    row = run_trial("symmetry", averaged, 0, VERSIONS[:1], stops=True, keeps=False)
    assert row.solved == {"scratch-numpy": None}
    assert row.weights is None


@pytest.mark.slow
@pytest.mark.parametrize("seed", [121, 124])
def test_mirror_weights_that_are_not_opposite_yet_when_it_is_solved_are_so_soon_after(seed: int) -> None:
    row = run_trial("symmetry", OF_1986.replace(seed=seed), 0, VERSIONS[:1], stops=True, keeps=True)
    assert mirror_error(row.weights) > MIRROR_TOLERANCE
    longer = OF_1986.replace(seed=seed, epochs=(row.solved["scratch-numpy"] or 0) + 100)
    later = run_trial("symmetry", longer, 0, VERSIONS[:1], stops=False, keeps=True)
    assert mirror_error(later.weights) < MIRROR_TOLERANCE / 10


def mirror_error(weights: Any) -> float:
    hidden, hidden_bias, output, output_bias = map(np.array, weights)
    return Solution(0, 1, hidden, hidden_bias, output[:, 0], float(output_bias[0])).mirror_error


@pytest.mark.slow
def test_xor_is_solved_through_one_hidden_unit_and_skip_connections() -> None:
    recipe = next(iter(EXPERIMENTS["xor"].variants.values()))
    rows = [run_trial("xor", recipe.replace(seed=seed), 0, VERSIONS, stops=True, keeps=False) for seed in range(1)]
    assert all(row.solved["scratch-numpy"] == row.solved["torch-eager"] for row in rows)
    assert any(row.solved["scratch-numpy"] for row in rows)
    assert max(row.distance or 0.0 for row in rows) < 1e-9


def test_both_versions_train_the_family_trees_alike() -> None:
    row = run_trial("family-trees", FAMILY.replace(epochs=60), 4, VERSIONS, stops=False, keeps=True)
    assert row.distance is not None
    assert row.distance < 1e-9
    first = np.array((row.weights or ())[0])
    assert first.shape == (36, 12)
    assert (first[:24, 6:] == 0).all()
    assert (first[24:, :6] == 0).all()
    assert row.curve[-1][0] == 60
    assert len(row.curve[-1]) == 6


def test_where_the_versions_diverge_the_recipe_amplifies_the_last_bit_too() -> None:
    recipe = (
        EXPERIMENTS["family-trees-map"]
        .variants["U(±0.3), ε 0.05, decay 0.02 %, no error dead zone, sum over examples"]
        .replace(epochs=1400)
    )
    patterns = load_patterns("family-trees")
    examples, (trained, _) = patterns.examples(recipe), split(patterns, 4, recipe.seed)
    x, t, order = examples.x[trained], examples.t[trained], np.arange(100)
    start = initial_parameters(recipe)
    moved = tuple(Layer(np.nextafter(layer.weight, 9), layer.bias) for layer in start)
    trained_network, neighbour = NumpyTrainer(recipe, start), NumpyTrainer(recipe, moved)
    apart = []
    for _ in range(recipe.epochs):
        for trainer in (trained_network, neighbour):
            trainer.train_epoch(x, t, order)
        apart.append(distance(neighbour.parameters(), trained_network.parameters()))
    assert apart[200] < 1e-12, "it begins with rounding"
    assert apart[-1] > 1e-9, "and diverges, within one version"


@pytest.mark.slow
def test_nielsens_rate_amplifies_the_last_bit_in_the_first_epoch() -> None:
    recipe = NIELSEN.replace(layer_sizes=(784, 100, 10))
    examples = training_examples(recipe, load_dataset("mnist").subset(50_000))
    order, start = batch_order(recipe, 50_000, 0), initial_parameters(recipe)
    moved = tuple(Layer(np.nextafter(layer.weight, 9), layer.bias) for layer in start)
    trained_network, neighbour = NumpyTrainer(recipe, start), NumpyTrainer(recipe, moved)
    losses = [trainer.train_epoch(examples.x, examples.t, order) for trainer in (trained_network, neighbour)]
    assert abs(losses[0] - losses[1]) / losses[0] > 1e-9, "within one version"


class OtherRate(NumpyTrainer):
    """A version whose learning rate is off by a millionth."""

    def __init__(self, recipe: Recipe, parameters: Parameters) -> None:
        super().__init__(recipe.replace(learning_rate=recipe.learning_rate * (1 + 1e-6)), parameters)


@pytest.mark.slow
def test_restarted_from_the_same_weights_both_versions_agree_where_the_recipe_amplifies_rounding_error() -> None:
    recipe = NIELSEN.replace(layer_sizes=(784, 100, 10))
    examples = training_examples(recipe, load_dataset("mnist").subset(5_000))
    for other, equal in ((named_implementation("torch-eager").load(), True), (OtherRate, False)):
        trainer, alone = (NumpyTrainer(recipe, initial_parameters(recipe)) for _ in range(2))
        apart = train_in_stretches(trainer, other, recipe, examples, epoch=1, batches=100)
        assert (apart < 1e-9) is equal
        alone.train_epoch(examples.x, examples.t, batch_order(recipe, 5_000, 0))
        assert distance(alone.parameters(), trainer.parameters()) == 0, "the trainer itself goes on as if alone"
    with pytest.raises(InputError, match="only plain gradient descent"):
        train_in_stretches(trainer, other, recipe.replace(optimizer="momentum"), examples, epoch=1, batches=100)


def test_examples_are_held_out_by_seed_and_never_trained() -> None:
    patterns = load_patterns("family-trees")
    trained, held_out = split(patterns, 4, seed=3)
    assert len(held_out) == 4
    assert len(trained) == 100
    assert sorted([*trained, *held_out]) == list(range(104))
    assert not np.array_equal(held_out, split(patterns, 4, seed=4)[1])


def test_right_is_what_has_every_output_on_its_side() -> None:
    targets = np.array([[1, 0], [1, 1], [0, 0]], np.uint8)
    outputs = np.array([[0.9, 0.1], [0.9, 0.6], [0.1, 0.3]])
    assert is_right(outputs, targets, 0.5, 0.5).tolist() == [True, True, True]
    assert is_right(outputs, targets, *CLOSE).tolist() == [True, False, False]


def test_the_curve_has_its_last_epoch_and_none_twice() -> None:
    for epochs in (1, 2, 100, 30_000):
        points = checkpoints(epochs)
        assert points[0] == 1
        assert points[-1] == epochs
        assert points == sorted(set(points))


def solution(hidden: list[float], flip: float = -1.0) -> Solution:
    unit = np.array([*hidden, *(-weight for weight in reversed(hidden))])
    return Solution(0, 100, np.column_stack((unit, flip * unit)), np.array([-1.0, -1.0]), np.array([-5.0, -5.0]), 2.0)


def test_structure_of_a_solution_is_measured() -> None:
    exact = solution([4.0, -1.0, 2.0])
    assert exact.mirror_error == 0
    assert exact.correlation == pytest.approx(-1)
    assert exact.ratio_error == pytest.approx(0)
    assert exact.has_signs
    assert solution([3.0, -1.0, 2.0]).ratio_error > 0.1
    bent = dataclasses.replace(exact, hidden=exact.hidden + np.array([[0.4], *[[0.0]] * 5]))
    assert bent.mirror_error == pytest.approx(0.1, rel=0.1)
    assert not dataclasses.replace(exact, output_bias=-1.0).has_signs


def times(*solved: float) -> EpochsToSolve:
    return EpochsToSolve("symmetry", "v", solved, solved, 100, 0, 0, math.nan, 0, in_text=True)


def test_a_task_that_is_never_solved_counts_as_infinite() -> None:
    result = times(10, 20, 30, math.inf)
    assert result.share.estimate == 0.75
    assert result.quantile(0.5) == 20
    assert result.quantile(0.9) == math.inf
    assert result.share_before(20) == 0.5


def test_where_one_more_run_would_be_holds_one_more_run_19_times_in_20() -> None:
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(2000):
        *seen, new = rng.normal(0.9, 0.01, 6)
        inside += new_run_interval(seen).contains(new)
    assert 0.935 < inside / 2000 < 0.965
    assert math.isnan(new_run_interval([1.0]).low)


def test_a_share_has_wilsons_interval() -> None:
    share = share_interval(0, 50)
    assert share.estimate == 0
    assert share.low == pytest.approx(0, abs=1e-12)
    assert share.high == pytest.approx(0.0713, abs=1e-3)
    assert math.isnan(share_interval(0, 0).estimate)


def test_generations_and_branches_are_those_of_both_trees() -> None:
    properties = properties_of(load_family_trees())
    people = [person for tree in load_family_trees() for person in tree.people]
    generation = dict(zip(people, properties["generation"], strict=True))
    assert (generation["Christopher"], generation["Margaret"], generation["Colin"]) == (1, 2, 3)
    assert (generation["Francesca"], generation["Tomaso"], generation["Sophia"]) == (1, 2, 3)
    branch = dict(zip(people, properties["branch"], strict=True))
    assert (branch["Arthur"], branch["Charles"], branch["Charlotte"]) == (-1, 1, 0)
    assert (branch["Emilio"], branch["Tomaso"]) == (-1, 1)
    assert sum(properties["nationality"]) == 12


def test_the_best_of_three_runs_is_taken_of_every_choice_of_them() -> None:
    errors = Errors(
        "nielsen-30",
        "v",
        np.array([[0.9, 0.05, 0.06], [0.9, 0.04, 0.07], [0.9, 0.08, 0.03], [0.9, 0.1, 0.2]]),
        0,
        0,
        0,
        0,
    )
    assert errors.best == [0.05, 0.04, 0.03, 0.1]
    assert errors.last == [0.06, 0.07, 0.03, 0.2]
    assert sorted(errors.best_of(3)) == [0.03, 0.03, 0.03, 0.04]


def test_settings_are_those_of_the_facts() -> None:
    assert (FAMILY.learning_rate, FAMILY.momentum, FAMILY.schedule) == (0.005, 0.5, ((20, 0.01, 0.9),))
    assert (FAMILY.multiplicative_decay, FAMILY.error_dead_zone) == (0.002, (0.2, 0.8))
    assert (FAMILY.epochs, FAMILY.reduction) == (1500, "sum")
    assert (OF_1986.learning_rate, OF_1986.momentum, OF_1986.init_scale) == (0.1, 0.9, 0.3)
    assert (NIELSEN.learning_rate, NIELSEN.batch_size, NIELSEN.epochs) == (3.0, 10, 30)
    readings = [recipe for recipe in EXPERIMENTS["family-trees-map"].variants.values() if in_text(recipe)]
    assert all(isinstance(recipe, ExtendedRecipe) for recipe in readings)
    assert {recipe.to_dict()["multiplicative_decay"] for recipe in readings} == {0.002}
    assert all(recipe.to_dict()["error_dead_zone"] for recipe in readings)
    assert len(readings) == 4 * 2 * 2 * 2
    assert all(in_text(recipe) for recipe in EXPERIMENTS["family-trees"].variants.values())


def test_every_recipe_of_an_experiment_fits_its_patterns() -> None:
    for experiment in EXPERIMENTS.values():
        for recipe in experiment.variants.values():
            if experiment.patterns is not None:
                load_patterns(experiment.patterns).examples(recipe)
        assert experiment.compared_seeds <= experiment.seeds


def trial(question: str, seed: int, solved: int | None, label: str = "v", **fields: Any) -> Row:
    times = {"scratch-numpy": solved, "torch-eager": solved}
    row = {"implementation": label, "seed": seed, "solved": times, "close": times, "distance": 1e-12, "weights": None}
    curve = [[1, 0.1, 0.0, 0.0, None, None], [10, 0.01, 1.0, 0.0, None, None]]
    return {"kind": "trial", "session": 0, "question": question, **row, "curve": curve, **fields}


def made_up_description(*questions: tuple[str, str], recipe: Recipe = OF_1986) -> Row:
    return {
        "plan": {
            "questions": [
                {
                    "name": name,
                    "title": f"Made up: {name}",
                    "entries": [{"label": "v", "recipe_name": kind, "recipe": recipe.to_dict()}],
                }
                for name, kind in questions
            ]
        }
    }


def verdict_of(description: Row, rows: list[Row], what: str) -> Any:
    outcome = summarize_reproduction(description, rows, 4)
    return next(verdict for verdict in outcome.verdicts if what in verdict.what)


@pytest.mark.parametrize(("n_trials", "inside"), [(3, None), (19, None), (20, True)])
def test_of_few_trials_there_is_no_verdict_and_the_row_says_so(n_trials: int, inside: bool | None) -> None:
    rows = [trial("xor", seed, 500 + 10 * seed) for seed in range(n_trials)]
    verdict = verdict_of(made_up_description(("xor", READING)), rows, "epochs until all outputs are right")
    assert verdict.inside is inside
    assert ("no verdict with fewer than 20" in verdict.what) is (inside is None)
    assert "558; by then" in verdict.published
    rows = [trial("symmetry", seed, 1400 + 10 * seed) for seed in range(n_trials)]
    for what in ("epochs until solved", "within the quartiles"):
        verdict = verdict_of(made_up_description(("symmetry", READING)), rows, what)
        assert (verdict.inside is None) is (inside is None)


@pytest.mark.parametrize(("n_runs", "inside"), [(3, None), (5, None), (6, True)])
def test_of_the_best_of_three_runs_there_is_no_verdict_where_two_choices_always_share_a_run(
    n_runs: int, inside: bool | None
) -> None:
    rows = [row for seed in range(n_runs) for row in epochs("nielsen-30", "v", seed, [0.1, 0.952 + 0.001 * seed])]
    assert verdict_of(made_up_description(("nielsen-30", READING)), rows, "of the best of 3").inside is inside


@pytest.mark.parametrize(("solved", "inside"), [(range(1000, 2000, 50), True), (range(30, 50), False)])
def test_a_verdict_follows_from_the_epochs(solved: range, inside: bool) -> None:
    rows = [trial("symmetry", seed, epochs) for seed, epochs in enumerate(solved)]
    verdict = verdict_of(made_up_description(("symmetry", READING)), rows, "within the quartiles")
    assert verdict.inside is inside


@pytest.mark.parametrize(("distance", "torch", "inside"), [(1e-12, 7, True), (1e-6, 7, False), (1e-12, 8, False)])
def test_both_versions_agree_where_weights_and_epochs_do(distance: float, torch: int, inside: bool) -> None:
    rows = [{**trial("xor", 0, 7), "solved": {"scratch-numpy": 7, "torch-eager": torch}, "distance": distance}]
    assert verdict_of(made_up_description(("xor", READING)), rows, "weights of both versions").inside is inside


@pytest.mark.parametrize(("kind", "inside"), [(READING, True), (BEYOND, None)])
def test_only_a_reading_of_the_text_can_be_one_that_learns(kind: str, inside: bool | None) -> None:
    curve = [[1500, 0.1, 0.97, 0.9, 0.75, 0.5]]
    rows = [trial("family-trees-map", seed, None, curve=curve) for seed in range(2)]
    outcome = summarize_reproduction(made_up_description(("family-trees-map", kind)), rows, 4)
    texts = [verdict for verdict in outcome.verdicts if "readings of the text that learn" in verdict.what]
    assert [verdict.inside for verdict in texts] == ([inside] if inside else [])
    held_out = next(verdict for verdict in outcome.verdicts if "held-out" in verdict.what)
    assert (held_out.measured.estimate, held_out.measured.n) == (0.75, 8)


def epochs(question: str, label: str, seed: int, accuracies: list[float], loss: float = 0.1) -> list[Row]:
    row = {"kind": "epoch", "session": 0, "question": question, "implementation": label, "seed": seed, "examples": 10}
    return [
        {**row, "epoch": epoch, "loss": loss if epoch else None, "accuracy": accuracy}
        for epoch, accuracy in enumerate(accuracies)
    ]


@pytest.mark.parametrize(("accuracy", "inside"), [(0.975, True), (0.96, False)])
def test_an_error_is_inside_where_one_more_run_would_be(accuracy: float, inside: bool) -> None:
    rows = [
        row
        for seed, off in enumerate((-0.001, 0.0, 0.001))
        for row in epochs("rashid", "v", seed, [0.1, accuracy + off])
    ]
    description = made_up_description(("rashid", READING), recipe=RASHID)
    assert verdict_of(description, rows, "after the last epoch").inside is inside
    same = [*rows, *epochs("rashid", "torch-eager v", 0, [0.1, accuracy - 0.001])]
    assert verdict_of(description, same, "losses of both versions").inside is True
    apart = [*rows, *epochs("rashid", "torch-eager v", 0, [0.1, accuracy - 0.001], loss=0.1001)]
    assert verdict_of(description, apart, "losses of both versions").inside is False


def test_the_exact_gradient_is_not_what_rashid_published_also_in_runs_that_name_it_so() -> None:
    rows = [row for seed in range(3) for row in epochs("rashid", "v", seed, [0.1, 0.97 + 0.001 * seed])]
    description = made_up_description(("rashid", READING), recipe=ARTICLE_SCRATCH)
    verdict = verdict_of(description, rows, "after the last epoch")
    assert (verdict.experiment, verdict.published, verdict.inside) == ("rashid-gradient", "no number", None)
    assert "exact gradient" in summarize_reproduction(description, rows, 4).titles["rashid-gradient"]
    assert EXPERIMENTS["rashid"].variants["initial weights by fan-in"] == RASHID
    assert EXPERIMENTS["rashid-gradient"].variants["initial weights by fan-in"] == ARTICLE_SCRATCH


@pytest.mark.parametrize(("distances", "inside"), [((1e-15, 1e-12), True), ((1e-15, 1e-8), False), ((0, None), False)])
def test_where_versions_are_compared_in_stretches_these_decide(
    distances: tuple[float | None, ...], inside: bool
) -> None:
    rows = [*epochs("nielsen-30", "v", 0, [0.1, 0.9]), *epochs("nielsen-30", "torch-eager v", 0, [0.1, 0.8], loss=0.2)]
    row = {"kind": "stretch", "session": 0, "question": "nielsen-30", "implementation": "v", "seed": 0, "batches": 100}
    rows += [{**row, "epoch": epoch, "distance": apart} for epoch, apart in enumerate(distances, start=1)]
    description = made_up_description(("nielsen-30", READING))
    assert verdict_of(description, rows, "losses of both versions").inside is None
    verdict = verdict_of(description, rows, "from the same weights every 100 batches")
    assert verdict.inside is inside
    assert (verdict.measured.estimate == math.inf) is (None in distances)


SMALL = {
    "symmetry": dataclasses.replace(
        EXPERIMENTS["symmetry"], seeds=2, compared_seeds=1, variants={"as published": OF_1986.replace(epochs=600)}
    ),
    "family-trees": dataclasses.replace(
        EXPERIMENTS["family-trees"], seeds=1, compared_seeds=1, variants={"ε 0.01": FAMILY.replace(epochs=20)}
    ),
    "family-trees-map": dataclasses.replace(
        EXPERIMENTS["family-trees-map"],
        seeds=1,
        variants={
            name: recipe.replace(epochs=15)
            for name, recipe in itertools.islice(EXPERIMENTS["family-trees-map"].variants.items(), 2)
        },
    ),
    "nielsen-30": dataclasses.replace(
        EXPERIMENTS["nielsen-30"],
        seeds=3,
        held_out=100,
        stretch=10,
        variants={"as published": NIELSEN.replace(layer_sizes=(16, 5, 3), epochs=2)},
    ),
}


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let the experiments be small ones, in an empty folder with a tiny dataset."""
    monkeypatch.chdir(tmp_path)
    for module in (experiments, reproduce):
        monkeypatch.setattr(module, "EXPERIMENTS", SMALL)
    return write_tiny_dataset(tmp_path, 300, 60)


@pytest.mark.slow
def test_the_command_goes_from_trials_to_verdicts_and_figures_and_goes_on_where_it_was_stopped(
    tmp_path: Path, small: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = CliRunner().invoke(main, ["reproduce", "--dataset", small])
    assert result.exit_code == 0, result.output
    folder = (tmp_path / "results" / "latest-reproduction").resolve()
    assert {path.stem for path in (folder / "figures").glob("*.png")} >= {
        "epochs-to-solve",
        "family-map",
        "family-codes",
        "family-activity",
        "mnist-errors",
        "published-curves",
    }
    rows, page = read_rows(folder), (folder / "published.md").read_text()
    assert len(rows_of(rows, "trial")) == 2 + 1 + 2
    assert len({(row["implementation"], row["seed"]) for row in rows_of(rows, "epoch")}) == 3 + 1
    assert [(row["epoch"], row["distance"] < 1e-9) for row in rows_of(rows, "stretch")] == [(1, True), (2, True)]
    lines = (folder / "records.jsonl").read_text().splitlines(keepends=True)
    kept = [line for line in lines if json.loads(line)["seed"] == 0]
    assert len(kept) < len(lines)
    (folder / "records.jsonl").write_text("".join(kept))
    monkeypatch.setattr(
        "backprop_bench.bench.historical.command.drawings", lambda *_: []
    )  # they take most of the time, and are there
    again = CliRunner().invoke(main, ["reproduce", "--resume"])
    assert again.exit_code == 0, again.output
    assert (folder / "published.md").read_text() == page, "trials are the same when they are done again"


def test_an_unknown_experiment_is_named_with_those_that_there_are(tmp_path: Path, small: str) -> None:
    result = CliRunner().invoke(main, ["reproduce", "nonsense", "--dataset", small])
    assert result.exit_code == 2
    assert "no experiment is named 'nonsense'; expected one of symmetry, xor," in result.output
    assert not (tmp_path / "results").exists()
    with pytest.raises(InputError, match="no experiment is named"):
        reproduce.plan_reproduction(load_dataset(small), ["family-trees-map"])


def test_what_is_compared_in_stretches_is_known_seed_by_seed_and_a_failure_of_it_is_none_of_the_training(
    small: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SMALL, "nielsen-30", dataclasses.replace(SMALL["nielsen-30"], compared_seeds=3))
    (question,) = reproduce.plan_reproduction(load_dataset(small), ["nielsen-30"]).questions
    entry = question.entries[0]
    with Recorder(tmp_path) as recorder:
        log = RunLog(recorder, [])
        row = {"kind": "stretch", "question": question.name, "implementation": entry.label, "seed": 0, "batches": 10}
        log.add(*typed([{**row, "epoch": epoch, "distance": 0.0} for epoch in (1, 2)]))
        log.add_failure(question, entry, "comparison", 1, "the other version broke")
        missing = reproduce._comparisons(question, SMALL["nielsen-30"], 1, log)
        assert [job.seed for job in missing] == [2]
        assert not reproduce._is_over(question, entry, 1, log), "it is still to be trained"


def test_a_published_name_covers_its_variations(small: str) -> None:
    plan = reproduce.plan_reproduction(load_dataset(small), ["family-trees"], seeds=1)
    assert [question.name for question in plan.questions] == ["family-trees", "family-trees-map"]
    assert {question.seeds for question in plan.questions} == {(0,)}
    assert "family-trees-map" not in NAMES


def test_sentences_and_table_say_what_is_not_replicated() -> None:
    rows = [trial("symmetry", seed, 40) for seed in range(20)]
    outcome = summarize_reproduction(made_up_description(("symmetry", READING)), rows, 4)
    sentences = " ".join(published_sentences(outcome)).replace("\N{NO-BREAK SPACE}", " ")
    assert "Not replicated: Made up: symmetry — epochs until solved: median and quartiles" in sentences
    outside = [row for row in published_table(outcome).rows if row[-1] == "not replicated"]
    assert "40" in outside[0][3]
    assert measured(outcome.verdicts[0]).startswith("100")
    assert [drawing.name for drawing in drawings(outcome, [], None)] == ["epochs-to-solve"]
    times, errors = published_charts(outcome)
    assert [(bar.name, bar.value, bar.text) for bar in times.bars] == [("symmetry, v", 40, "40, n 20")]
    assert errors.bars == ()
