"""How time grows: slopes, crossovers and rooflines of made-up times, the plan, and the command."""

import dataclasses
import math
import re
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from matplotlib.colors import to_hex, to_rgb

from backprop_bench.bench.cli.main import main
from backprop_bench.bench.core.baselines.parts import NumpyReading
from backprop_bench.bench.core.engine import verification
from backprop_bench.bench.core.engine.context import RunContext
from backprop_bench.bench.core.engine.progress import Silent
from backprop_bench.bench.core.engine.run_log import RunLog
from backprop_bench.bench.core.engine.runner import Runner
from backprop_bench.bench.core.implementations import BASELINES, named_implementation
from backprop_bench.bench.core.records.writer import Recorder
from backprop_bench.bench.core.stats.flops import step_work
from backprop_bench.bench.core.worker.client import WorkerError
from backprop_bench.bench.scaling import plan as plans
from backprop_bench.bench.scaling.analysis import Scaling
from backprop_bench.bench.scaling.command import scale_findings
from backprop_bench.bench.scaling.map_view import EQUAL, colour_of, draw_map, lead_sentences, lead_tables
from backprop_bench.bench.scaling.plan import AXES, COUNTED, FETCH, OPTIMIZERS, plan_scale
from backprop_bench.bench.scaling.view import draw_scaling, scaling_sentences, scaling_table
from backprop_bench.data import InputError, Recipe, batch_order, initial_parameters, load_dataset
from tests.bench.plain import read_rows, recorded, rows_of, summarize_scale
from tests.bench.timed import timed_question, timed_run
from tests.recipes import random_examples
from tests.tiny import write_tiny_dataset

NAMES = list(BASELINES)
PLACES = (1, 10, 100, 1000)


def made_up(scratch: Callable[[int], float], torch: Callable[[int], float]) -> Scaling:
    """Return the scaling of two implementations with these seconds per example, above products of 1 µs."""
    questions = [
        timed_question(
            f"batch-size={x}",
            {
                "scratch-numpy": scratch(x),
                "torch-eager": torch(x),
                "numpy-products": 1e-6,
                "torch-products": 2e-6,
                FETCH: 1e-6 / x if x < 1000 else 4e-6,
            },
        )
        for x in PLACES
    ]
    (scaling,) = summarize_scale(*timed_run(*questions), COUNTED, NAMES, FETCH)
    return scaling


@pytest.fixture(scope="module")
def curves_that_meet() -> Scaling:
    return made_up(lambda _: 10e-6, lambda x: 1000e-6 / x + 1e-6)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_tiny_dataset(tmp_path_factory.mktemp("tiny"), 200, 60)


def test_slopes_are_those_of_the_power_that_times_follow() -> None:
    scaling = made_up(lambda x: 1e-3 * x**-0.75, lambda x: 1e-6 * x**0.5)
    scratch, torch = scaling.curves
    assert (scratch.low, scratch.high) == pytest.approx((-0.75, -0.75), abs=0.01)
    assert (torch.low, torch.high) == pytest.approx((0.5, 0.5), abs=0.01)


def test_a_crossover_lies_where_the_ratio_passes_one_and_says_who_is_ahead(curves_that_meet: Scaling) -> None:
    (only,) = curves_that_meet.crossovers
    assert (only.before, only.after, only.between) == ("scratch-numpy", "torch-eager", (100, 1000))
    r0, r1 = 11 / 10, 2 / 10
    expected = 100 * 10 ** (math.log(r0) / (math.log(r0) - math.log(r1)))
    assert only.x == pytest.approx(expected, rel=0.02)


def test_without_a_significant_difference_there_is_no_crossover() -> None:
    scaling = made_up(lambda _: 10e-6, lambda x: 10e-6 * (1.001 if x < 50 else 0.999))
    assert scaling.crossovers == ()


def test_the_roofline_is_the_faster_products_or_fetching_whichever_takes_longer(curves_that_meet: Scaling) -> None:
    scratch = curves_that_meet.curves[0]
    assert [point.of_roofline for point in scratch.points] == pytest.approx([0.1, 0.1, 0.1, 0.4], rel=0.02)
    assert [limit.example_s for limit in curves_that_meet.products] == pytest.approx([1e-6] * 4, rel=0.02)
    assert [limit.example_s for limit in curves_that_meet.fetched] == pytest.approx([1e-6, 1e-7, 1e-8, 4e-6], rel=0.02)
    work = step_work(Recipe(), 1)
    assert curves_that_meet.fetched[-1].rate == pytest.approx(work.input_bytes / 4e-6, rel=0.02)
    assert curves_that_meet.products[0].rate == pytest.approx(work.gemm_flops / 1e-6, rel=0.02)


def test_sentences_table_and_figure_hold_the_numbers(curves_that_meet: Scaling) -> None:
    sentences = " ".join(scaling_sentences([curves_that_meet])).replace("\N{NO-BREAK SPACE}", " ")
    assert "examples in a batch on (between 100 and 1,000), torch-eager is faster than scratch-numpy" in sentences
    assert "scratch-numpy 40 %" in sentences
    assert re.search(
        r"The highest rates of what is timed alone: matrix products \S+ GFLOP/s at \S+ examples? in a batch", sentences
    )
    assert re.search(r"; fetching \S+ [GT]B/s at 100 examples in a batch\.", sentences), "where it takes 10 ns"
    assert len(scaling_table(curves_that_meet).rows) == 2 * len(PLACES)
    drawing = draw_scaling([curves_that_meet])
    assert "torch-eager overtakes scratch-numpy" in drawing.title
    assert len(drawing.figure.axes) == 3


@pytest.mark.parametrize(
    ("axis", "place", "said"),
    [
        ("batch-size", "1", "1 example in a batch"),
        ("batch-size", "all", "all examples in a batch"),
        ("width", "1", "1 unit of the hidden layer"),
        ("depth", "1", "1 hidden layer of 128 units"),
        ("depth", "2", "2 hidden layers of 128 units"),
        ("threads", "1", "1 thread"),
    ],
)
def test_a_place_is_said_with_what_is_counted(curves_that_meet: Scaling, axis: str, place: str, said: str) -> None:
    assert dataclasses.replace(curves_that_meet, counted=COUNTED[axis]).where(place) == said
    named = dataclasses.replace(curves_that_meet, counted="precision", is_numeric=False)
    assert named.where("float64") == "precision = float64"


def test_the_fractions_of_the_roofline_are_the_highest_of_all_axes(curves_that_meet: Scaling) -> None:
    slower = made_up(lambda _: 20e-6, lambda x: 100e-6 / x + 1e-6)
    (sentence,) = (text for text in scaling_sentences([slower, curves_that_meet]) if "roofline" in text)
    both = (curves_that_meet.curves[0], slower.curves[1])
    best = [max(curve.points, key=lambda point: point.of_roofline) for curve in both]
    expected = "; ".join(
        f"{curve.implementation} {100 * point.of_roofline:.0f} % at {place}"
        for curve, point in zip(both, best, strict=True)
        for place in [f"{point.label} examples in a batch" if point.x > 1 else "1 example in a batch"]
    )
    assert sentence.replace("\N{NO-BREAK SPACE}", " ").endswith(f": {expected}.")


@pytest.mark.parametrize(
    ("message", "failed"),
    [("keras cannot do this recipe: adam_reordered: it does True", False), ("not timed: verification failed", True)],
)
def test_what_refuses_a_place_is_said_and_is_no_failure(message: str, failed: bool) -> None:
    description, rows = timed_run(timed_question("optimizer=adam", {"scratch-numpy": 2e-6, "torch-eager": 3e-6}))
    refused = {"kind": "failure", "session": 0, "question": "optimizer=adam", "implementation": "keras"}
    findings = scale_findings(
        recorded(description, [*rows, {**refused, "phase": "verification", "number": None, "message": message}])
    )
    assert findings.failures == [f"optimizer=adam: keras: {message}"]
    assert findings.failed == failed


def test_reading_is_of_the_inputs_of_every_batch() -> None:
    recipe = Recipe(layer_sizes=(6, 5, 3), batch_size=8)
    examples, order = random_examples(recipe, 20), batch_order(recipe, 20, 0)
    reading = named_implementation(FETCH).load()(recipe, initial_parameters(recipe))
    assert isinstance(reading, NumpyReading)
    no_targets: Any = None
    reading.train_epoch(examples.x, no_targets, order)
    assert np.array_equal(reading.kept, examples.x[[*order[16:20], *order[12:16]]]), "the last batch has four"


def test_along_an_axis_one_thing_changes(tiny: str) -> None:
    dataset = load_dataset(tiny)
    plan = plan_scale(dataset, [name for name in AXES if name != "threads"], ["scratch-numpy", "torch-eager"])
    recipes = {question.name: question.entries[0].recipe for question in plan.questions}
    assert recipes["batch-size=8"].batch_size == 8
    assert recipes["batch-size=all"].batch_size is None
    assert "batch-size=512" not in recipes, "there are 200 examples"
    assert recipes["width=64"].layer_sizes == (16, 64, 3)
    assert recipes["depth=2"].layer_sizes == (16, 128, 128, 3)
    assert [recipes[f"optimizer={name}"].optimizer for name in OPTIMIZERS] == ["sgd", "momentum", "rmsprop", "adam"]
    assert recipes["inputs=sparse"].input_range == (0.0, 1.0)
    assert recipes["inputs=dense"].input_range == (0.01, 1.0)
    assert recipes["precision=float64"].dtype == "float64"
    with pytest.raises(InputError, match="trains nothing"):
        plan_scale(dataset, ["width"], ["numpy-products"])


def at_places(monkeypatch: pytest.MonkeyPatch, axis: str, *places: int | str) -> None:
    """Measure along an axis at these places alone."""
    monkeypatch.setitem(plans.AXES, axis, dataclasses.replace(AXES[axis], places=places))


def of_optimizers(times: dict[str, dict[str, float]]) -> Scaling:
    """Return the scaling along optimizers, with these seconds per example."""
    questions = [
        timed_question(f"optimizer={name}", {**by_name, "numpy-products": 1e-6}) for name, by_name in times.items()
    ]
    for (question, _), name in zip(questions, times, strict=True):
        for entry in question["entries"]:
            entry["recipe"] = Recipe().replace(**OPTIMIZERS[name]).to_dict()
    (scaling,) = summarize_scale(*timed_run(*questions), COUNTED, NAMES, FETCH)
    return scaling


@pytest.fixture(scope="module")
def leads() -> Scaling:
    return of_optimizers(
        {
            "sgd": {"scratch-numpy": 4e-6, "scratch-compiled": 1e-6, "torch-eager": 8e-6, "jax": 3e-6},
            "momentum": {"scratch-numpy": 4e-6, "scratch-compiled": 5e-6, "torch-eager": 2e-6, "jax": 9e-6},
            "adam": {"scratch-numpy": 9e-6, "scratch-compiled": 5e-6, "torch-eager": 5.0001e-6, "jax": 9e-6},
        }
    )


def test_who_is_ahead_is_the_fastest_of_each_side_with_the_factor_between_them(leads: Scaling) -> None:
    assert not leads.is_numeric
    assert leads.labels == {1: "sgd", 2: "momentum", 3: "adam"}, "in the order of the run"
    assert leads.crossovers == ()
    first, second, third = leads.leads
    assert (first.label, first.scratch, first.framework) == ("sgd", "scratch-compiled", "jax")
    assert first.ratio.estimate == pytest.approx(1 / 3, rel=0.02)
    assert (second.scratch, second.framework) == ("scratch-numpy", "torch-eager")
    assert [lead.is_ahead for lead in leads.leads] == [True, False, False]
    assert [lead.is_behind for lead in leads.leads] == [False, True, False]
    assert third.ratio.contains(1)


def is_warm(colour: str) -> bool:
    red, _, blue = to_rgb(colour)
    return red > blue


def test_the_map_says_who_is_ahead_by_how_much_and_where_nobody_is(leads: Scaling) -> None:
    sentences = lead_sentences([leads])
    assert sentences[0] == "Code from scratch is ahead of the fastest framework at 1 of 3 places."
    assert re.match(
        r"The smallest lead: scratch-compiled is 3\.0\d*× faster than jax .*, at optimizer = sgd\.", sentences[1]
    )
    assert re.match(r"torch-eager is 2\.0\d*× faster than scratch-numpy .*, at optimizer = momentum\.", sentences[2])
    (table,) = lead_tables([leads])
    assert [list(row[:4]) for row in table.rows] == [
        ["optimizer", "sgd", "scratch-compiled", "jax"],
        ["optimizer", "momentum", "scratch-numpy", "torch-eager"],
        ["optimizer", "adam", "scratch-compiled", "torch-eager"],
    ]
    assert [row[4].split(" (")[0] for row in table.rows] == [
        "3.00× faster",
        "2.00× slower",
        "no significant difference",
    ]
    (drawing,) = draw_map([leads])
    assert drawing.title == "Code from scratch is ahead of every framework at 1 of 3 places"
    cells = [text.get_text() for text in drawing.figure.axes[0].texts]
    assert cells == ["sgd", "3.0×", "jax", "momentum", "2.0× slower", "torch-eager", "adam", "n.s.", "torch-eager"]
    ahead, behind, equal = (colour_of(lead) for lead in leads.leads)
    assert equal == EQUAL
    legend = drawing.figure.axes[1]
    assert [text.get_text() for text in legend.texts] == [
        "from scratch is ahead",
        "the framework is ahead",
        "no significant difference (n.s.)",
    ]
    shown = [to_hex(patch.get_facecolor()) for patch in legend.patches]
    for colour, of_legend in ((ahead, shown[0]), (behind, shown[1])):
        assert is_warm(colour) == is_warm(of_legend)
    assert is_warm(ahead)
    assert not is_warm(behind)


def test_a_place_that_one_side_could_not_do_is_named_and_counted() -> None:
    scaling = of_optimizers(
        {
            "sgd": {"scratch-numpy": 1e-6, "torch-eager": 8e-6, "mine.py:Fast": 1e-9},
            "adam": {"scratch-numpy": 4e-6},
        }
    )
    sentences = lead_sentences([scaling])
    assert sentences[0] == "Code from scratch is ahead of the fastest framework at 1 of 2 places."
    assert "than torch-eager" in sentences[1], "yours is no framework"
    assert sentences[-1] == "Not timed on both sides: optimizer = adam."
    (table,) = lead_tables([scaling])
    assert list(table.rows[1]) == ["optimizer", "adam", "scratch-numpy", "–", "–"]
    (drawing,) = draw_map([scaling])
    assert [text.get_text() for text in drawing.figure.axes[0].texts][3:] == ["adam", "–", "–"]


def test_the_place_that_all_axes_have_in_common_counts_once() -> None:
    times = {"scratch-numpy": 1e-6, "torch-eager": 8e-6, "numpy-products": 1e-6}
    questions = [timed_question(name, times) for name in ("optimizer=sgd", "precision=float32")]
    scalings = summarize_scale(*timed_run(*questions), COUNTED, NAMES, FETCH)
    assert [len(scaling.leads) for scaling in scalings] == [1, 1]
    assert lead_sentences(scalings)[0] == "Code from scratch is ahead of the fastest framework at 1 of 1 place."


def test_without_a_framework_there_is_no_map() -> None:
    alone = of_optimizers({"sgd": {"scratch-numpy": 4e-6, "scratch-compiled": 1e-6}})
    assert [lead.is_timed for lead in alone.leads] == [False]
    assert not lead_sentences([alone])
    assert not lead_tables([alone])
    assert not draw_map([alone])
    assert [row[0] for row in scaling_table(alone).rows] == ["sgd", "sgd"]
    assert "Exponent" not in scaling_table(alone).note


def test_a_curve_of_too_few_places_has_no_exponent() -> None:
    scaling = made_up(lambda place: 1e-6 * place, lambda place: 1e-6)
    assert "scratch-numpy 1.00 and 1.00; torch-eager 0.00 and 0.00" in scaling_table(scaling).note
    short, whole = (dataclasses.replace(scaling.curves[0], low=math.nan), scaling.curves[1])
    assert "half: torch-eager 0.00" in scaling_table(dataclasses.replace(scaling, curves=(short, whole))).note
    assert "Exponent" not in scaling_table(dataclasses.replace(scaling, curves=(short,))).note


@pytest.mark.slow
def test_the_command_times_every_place_and_draws(tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plans, "REPLICATES", 2)
    monkeypatch.setattr(plans, "ROUNDS", 2)
    monkeypatch.setattr(plans, "VERIFICATION_STEPS", 5)
    monkeypatch.setattr(plans, "BASELINES", {"numpy-products": BASELINES["numpy-products"]})  # which starts at once
    at_places(monkeypatch, "optimizer", "adam")
    at_places(monkeypatch, "threads", 1)
    words = ["scale", "--dataset", tiny, "--implementation", "scratch-numpy", "--implementation", "scratch-inplace"]
    result: Result = CliRunner().invoke(main, [*words, "--axis", "optimizer", "--axis", "threads"])
    assert result.exit_code == 0, result.output
    folder = tmp_path / "results" / "latest-scale"
    rows = read_rows(folder)
    assert {row["question"] for row in rows_of(rows, "stop")} == {"optimizer=adam", "threads=1"}
    assert min(row["replicates"] for row in rows_of(rows, "stop")) >= 2
    assert (folder / "figures" / "scaling.png").is_file()
    assert "Along threads" in (folder / "scaling.md").read_text()


def test_a_point_is_verified_with_as_many_threads_as_it_is_timed_with(
    tmp_path: Path, tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = []

    def start(threads: int, **_: Any) -> types.SimpleNamespace:
        used.append(threads)
        return types.SimpleNamespace(close=lambda: None)

    def break_at_once(*_: object, counts: bool) -> None:
        del counts
        raise WorkerError("no worker was started")

    monkeypatch.setattr(verification, "Worker", start)
    monkeypatch.setattr(verification, "verify", break_at_once)
    at_places(monkeypatch, "threads", 1, 2)
    dataset = load_dataset(tiny)
    plan = plan_scale(dataset, ["threads"], ["scratch-numpy"])
    with Recorder(tmp_path) as recorder:
        Runner(RunContext(plan, dataset, 1, RunLog(recorder, []), Silent())).verify()
    assert {question.threads for question in plan.questions} == {1, 2}
    assert set(used) == {1, 2}


def test_a_run_just_begun_says_so_without_a_figure(tmp_path: Path) -> None:
    description, _ = timed_run(timed_question("batch-size=1", {"scratch-numpy": 1e-6}))
    findings = scale_findings(recorded(description, []))
    assert findings.sentences == ["No place of any axis is timed yet."]
    assert [path.name for path in findings.write(tmp_path)] == ["scaling.md"]
