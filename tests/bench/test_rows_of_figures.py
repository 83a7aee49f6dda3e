"""What stands in a row of a figure is of the implementation that the row is named after, under the right heading."""

import itertools
import math
import statistics

import pytest
from matplotlib.axes import Axes

from backprop_bench.bench.compare import ratios, step_parts
from backprop_bench.bench.compare.charts import epoch_charts
from backprop_bench.bench.core.implementations import BASELINES, IMPLEMENTATIONS
from backprop_bench.bench.core.summary import Summary
from backprop_bench.bench.explain.chain import END, LOADED, START, STEPS
from backprop_bench.bench.explain.chain_view import draw_chain
from backprop_bench.bench.explain.view import draw_explanation
from backprop_bench.bench.ladder.stages import STAGES
from backprop_bench.bench.ladder.view import draw_ladder
from backprop_bench.bench.selftest.repeatability import repeatability
from backprop_bench.bench.selftest.repeatability_view import draw_repeatability
from backprop_bench.bench.time_to_accuracy.view import draw_time_to_accuracy
from tests.bench import test_chain, test_explain, test_race, test_repeatability
from tests.bench.drawn import (
    as_number,
    bars_of,
    colours_by_name,
    columns_of,
    dots_of,
    from_the_left,
    from_the_top,
    markers_of,
    names_of,
    points_of,
    shaded_of,
    stretches_of,
    written_above,
)
from tests.bench.plain import explain, summarize, summarize_chain, summarize_ladder, summarize_time_to_accuracy
from tests.bench.recorded import BATCH_SIZE, PARTS, recorded_run
from tests.bench.timed import timed_question, timed_run

EPOCH_S = {"scratch-numpy": 0.5, "torch-eager": 1.0, "torch-loader": 4.0}
ACCURACY = {"scratch-numpy": 0.91, "torch-eager": 0.93, "torch-loader": 0.96}
STAGE_S = {"batches": 64e-6, "float32": 32e-6, "no temporaries": 4e-6}
SIDE_OF = {name: known.side for name, known in {**IMPLEMENTATIONS, **BASELINES}.items()}
PURPLE, YELLOW = "#7b3f8c", "#d4a72c"


def compared() -> Summary:
    return summarize(*recorded_run(tuple(EPOCH_S), epoch_s=EPOCH_S, accuracy=ACCURACY))


def test_a_bar_on_the_terminal_is_the_time_of_the_implementation_that_it_is_named_after() -> None:
    chart = epoch_charts(compared())[-1]
    assert {bar.name: bar.value for bar in chart.bars} == pytest.approx(EPOCH_S, rel=0.25)
    assert {bar.name: as_number(bar.text) for bar in chart.bars} == pytest.approx(EPOCH_S, rel=0.25)


def test_a_row_of_the_ratios_has_the_factor_of_its_implementation() -> None:
    run = recorded_run(tuple(EPOCH_S), epoch_s=EPOCH_S, n_replicates=4)
    ratio, around = ratios.draw(summarize(*run)).figure.axes[-2:]
    names = names_of(ratio)
    assert names == ["scratch-numpy", "torch-eager", "A/A test"]
    expected = [8.0, 4.0, 1.0]
    assert list(map(as_number, columns_of(around)["times faster, 95 % CI"])) == pytest.approx(expected, rel=0.1)
    assert columns_of(around)["replicates"] == ["4", "4", "4"]
    assert ratio.get_xlabel() == "times faster than torch-loader, log axis"
    assert markers_of(ratio) == pytest.approx(expected, rel=0.1)
    for dots, factor in zip(dots_of(ratio), expected, strict=True):
        assert dots == pytest.approx([factor] * 4, rel=0.1)


@pytest.mark.parametrize("target", [0.02, 0.05])
def test_beside_the_ratios_stands_how_far_each_is_from_its_estimate_and_the_target(target: float) -> None:
    run = recorded_run(tuple(EPOCH_S), epoch_s=EPOCH_S, target=target, replicate_spread=0.05)
    ratio, around = ratios.draw(summarize(*run)).figure.axes[-2:]
    assert markers_of(around) == [0.0, 0.0, 0.0]
    pairs = zip(markers_of(ratio), dots_of(ratio), dots_of(around), bars_of(ratio), bars_of(around), strict=True)
    for estimate, dots, shares, bar, ends in pairs:
        assert shares == pytest.approx([dot / estimate - 1 for dot in dots])
        assert ends == pytest.approx([end / estimate - 1 for end in bar])
    assert shaded_of(around) == pytest.approx((-target, target))


def test_a_row_of_the_ladder_has_time_and_both_factors_of_its_stage() -> None:
    implementation_of = {stage.name: stage.implementation for stage in STAGES}
    ladder = summarize_ladder(*timed_run(timed_question("ladder", STAGE_S, implementation_of)), SIDE_OF)
    (axes,) = (axes for axes in draw_ladder(ladder).figure.axes if names_of(axes))
    assert names_of(axes) == list(STAGE_S)
    columns = columns_of(axes)
    times = list(map(as_number, columns["time per epoch, 95 % CI"]))
    assert [times[0] / each for each in times] == pytest.approx([1, 2, 16], rel=0.05)
    assert markers_of(axes) == pytest.approx(times, rel=0.05)
    assert columns["speed-up over previous"][0] == columns["cumulative"][0] == ""
    assert list(map(as_number, columns["speed-up over previous"][1:])) == pytest.approx([2, 8], rel=0.05)
    assert list(map(as_number, columns["cumulative"][1:])) == pytest.approx([2, 16], rel=0.05)


def test_the_ladder_has_every_stage_below_the_name_of_its_side_and_the_fastest_products_as_a_line() -> None:
    stages = {stage.name: stage.implementation for stage in STAGES}
    names = ["batches", "float32", "DataLoader", "tensors by index", "JAX"]
    times = {name: 1e-6 * 2**number for number, name in enumerate(names)}
    times |= {"NumPy's products alone": 3e-7, "PyTorch's products alone": 5e-7}
    ladder = summarize_ladder(*timed_run(timed_question("ladder", times, stages, examples=1000)), SIDE_OF)
    shown = from_the_top(draw_ladder(ladder).figure)
    assert {written_above(axes): names_of(axes) for axes in shown} == {
        "From scratch": names[:2],
        "PyTorch": names[2:4],
        "Peers": names[4:],
    }
    for axes in shown:
        assert markers_of(axes) == pytest.approx([1000 * times[name] for name in names_of(axes)], rel=0.05)
        (dashed,) = (line for line in axes.lines if line.get_linestyle() == "--")
        assert points_of(dashed)[0] == pytest.approx([3e-4] * 2, rel=1e-3)


def test_a_row_of_the_time_to_accuracy_has_the_seconds_and_successes_of_its_implementation_and_start() -> None:
    rows = [test_race.timed_row(test_race.FAST, seed, 0.97, cold, 2.0) for seed in (1, 2) for cold in (True, False)]
    rows += [test_race.timed_row(test_race.WIDE, seed, 0.97, cold, 8.0) for seed in (1, 2) for cold in (True, False)]
    rows += [test_race.timed_row(test_race.WIDE, 3, 0.97, cold, 9.0, reached=False) for cold in (True, False)]
    results = summarize_time_to_accuracy(*test_race.run_of(*rows), (0.97,))
    by_start = {written_above(axes)[-4:]: axes for axes in draw_time_to_accuracy(results).figure.axes}
    for start, first_s in (("cold", 1.0), ("warm", 0.0)):
        axes = by_start[start]
        assert names_of(axes) == ["scratch", "torch"]
        expected = [2.0 + first_s, 8.0 + first_s]
        assert markers_of(axes) == pytest.approx(expected)
        assert dots_of(axes) == [pytest.approx([each] * 2) for each in expected]
        assert list(map(as_number, columns_of(axes)["time, 95 % CI"])) == pytest.approx(expected)
        assert columns_of(axes)["reached"] == ["2 of 2", "2 of 3"]


def parts_by_row(axes: Axes, key: Axes) -> list[dict[str, float]]:
    """Return the widths of the parts of each row's bar, from the top, by what the legend says of their colours."""
    named = {colour: name for name, colour in colours_by_name(key).items()}
    rows: dict[int, dict[str, float]] = {}
    for row, begin, end, colour in stretches_of(axes):
        rows.setdefault(round(row), {})[named[colour]] = end - begin
    return [rows[row] for row in sorted(rows)]


def test_a_row_of_the_step_parts_has_the_parts_of_the_step_of_its_implementation_per_example() -> None:
    times, shares = step_parts.draw(compared()).figure.axes[-2:]
    assert times.get_xlabel().startswith("wall time of a training step per example")
    names = names_of(times)
    assert sorted(names) == sorted(EPOCH_S)
    unit = {"(ms)": 1e-3, "(µs)": 1e-6}[times.get_xlabel().split()[-1]]
    of_step = [{part: EPOCH_S[name] / 938 / BATCH_SIZE * share for part, share in PARTS.items()} for name in names]
    of_step[names.index("torch-loader")]["fetch"] *= 3
    whole = [sum(parts.values()) for parts in of_step]
    assert list(map(as_number, columns_of(times)["per example"])) == pytest.approx(whole, rel=0.05)
    for drawn, parts in zip(parts_by_row(times, shares), of_step, strict=True):
        assert {part: width * unit for part, width in drawn.items()} == pytest.approx(parts, rel=0.1)
    for drawn, parts, total in zip(parts_by_row(shares, shares), of_step, whole, strict=True):
        assert drawn == pytest.approx({part: each / total for part, each in parts.items()}, rel=0.1)


def test_a_row_of_the_waterfall_has_the_effect_of_its_factor_and_begins_where_the_one_above_ends() -> None:
    accuracy, _ = from_the_top(draw_explanation(explain(*test_explain.made_up())).figure)
    effects = dict(zip(test_explain.ACCURACY, test_explain.EFFECTS, strict=True))
    ranked = sorted(effects, key=lambda name: -abs(effects[name]))
    assert names_of(accuracy) == ["from scratch", *ranked, "PyTorch"]
    assert markers_of(accuracy) == pytest.approx([0.9015, 0.9315], abs=1e-6)
    column = columns_of(accuracy)["percentage points (95 % CI)"][1:-1]
    assert [as_number(text) / 100 for text in column] == pytest.approx([effects[name] for name in ranked])
    at = 0.9015
    for row, begin, end, colour in sorted(stretches_of(accuracy)):
        effect = effects[names_of(accuracy)[round(row)]]
        assert (begin, end) == pytest.approx((at, at + effect), abs=1e-6)
        assert colour == (PURPLE if effect > 0 else YELLOW)
        at = end


def test_a_row_of_the_waterfall_of_time_has_the_factor_of_its_cause() -> None:
    _, time = from_the_top(draw_explanation(explain(*test_explain.made_up())).figure)
    assert [math.exp(at) for at in markers_of(time)] == pytest.approx([0.100, 0.030], rel=0.01)
    factors = dict(zip(names_of(time)[1:-1], columns_of(time)["effect on time (95 % CI)"][1:-1], strict=True))
    assert {name: text.split(" (")[0].split("×")[1].strip() for name, text in factors.items()} == {
        "batch": "faster",
        "implementation": "slower",
        "data loading": "slower",
    }
    expected = {"batch": 200**0.5, "implementation": 8**0.5, "data loading": 1.5}
    assert {name: as_number(text) for name, text in factors.items()} == pytest.approx(expected, rel=0.01)
    for row, begin, end, colour in stretches_of(time):
        name = names_of(time)[round(row)]
        assert abs(end - begin) == pytest.approx(math.log(expected[name]), abs=0.01)
        assert colour == (YELLOW if name == "batch" else PURPLE)


def test_a_row_of_the_chain_has_the_change_and_the_cost_of_calls_of_its_step() -> None:
    steps, _ = from_the_top(draw_chain(summarize_chain(*test_chain.made_up())).figure)
    assert names_of(steps) == [START, *(part for part, _ in STEPS), END, "loading", LOADED]
    assert colours_by_name(steps) == {"slower": PURPLE, "faster": YELLOW}
    trainers = [START, *(trainer for _, trainer in STEPS)]
    pairs = list(itertools.pairwise(trainers))
    changes, calls = (
        [times[after] - times[before] for before, after in pairs]
        for times in (test_chain.WHOLE_MS, test_chain.CALLS_MS)
    )
    columns = columns_of(steps)
    written = list(map(as_number, columns["ms per epoch (95 % CI)"]))
    assert written == pytest.approx([390.0, *changes, 690.0, 160.0, 850.0])
    assert list(map(as_number, columns["change in cost of calls"][1:7])) == pytest.approx(calls)
    drawn = sorted(stretches_of(steps))
    places = [390.0, *(test_chain.WHOLE_MS[trainer] for trainer in trainers[1:])]
    ends = [(0.0, 390.0), *itertools.pairwise(places), (0.0, 690.0), (690.0, 850.0), (0.0, 850.0)]
    assert [(begin, end) for _, begin, end, _ in drawn] == [pytest.approx(pair) for pair in ends]
    colours = [colour for *_, colour in drawn[1:7]]
    assert colours == [PURPLE if change > 0 else YELLOW for change in changes]


def test_a_row_of_the_parts_has_both_sides_in_their_columns_and_colours() -> None:
    _, parts = from_the_top(draw_chain(summarize_chain(*test_chain.made_up())).figure)
    named = {colour: name for name, colour in colours_by_name(parts).items()}
    columns, names = columns_of(parts), names_of(parts)
    drawn = {(names[round(row)], named[colour]): end for row, _, end, colour in stretches_of(parts)}
    for heading, side, expected in (
        ("from scratch (95 % CI)", "from scratch", test_chain.FROM_SCRATCH),
        ("PyTorch", "PyTorch", test_chain.PYTORCH),
    ):
        for part, ms in expected.items():
            name = "cost of calls" if part == "calls" else part
            assert as_number(columns[heading][names.index(name)]) == pytest.approx(ms)
            assert drawn[name, side] == pytest.approx(ms)
    difference = as_number(columns["difference"][names.index("matrix products")])
    assert difference == pytest.approx(
        test_chain.PYTORCH["matrix products"] - test_chain.FROM_SCRATCH["matrix products"]
    )


def test_a_row_of_repeated_runs_has_the_ratios_of_its_run_and_two_per_cent_are_shaded() -> None:
    names = (test_repeatability.A, test_repeatability.B)
    template = summarize(*recorded_run(names, seeds=(0,), epochs=1, with_parity=False, with_parts=False))
    times = {"first": (1.0, 2.0, 1.96), "second": (2.0, 3.0, 2.0), "third": (1.0, 3.0, 2.05)}
    runs = [(name, test_repeatability.run(template, a, b, ratio, 0.01)) for name, (a, b, ratio) in times.items()]
    result = repeatability(runs)
    paired, unpaired = from_the_left(draw_repeatability(result).figure)
    assert names_of(paired) == list(times)
    pooled = result.ratios[0].pooled
    deviations = [ratio / pooled - 1 for *_, ratio in times.values()]
    assert markers_of(paired) == pytest.approx(deviations)
    assert bars_of(paired) == [
        pytest.approx((0.99 * ratio / pooled - 1, 1.01 * ratio / pooled - 1)) for *_, ratio in times.values()
    ]
    assert [as_number(text) / 100 for text in columns_of(unpaired)["deviation"]] == pytest.approx(deviations, abs=1e-4)
    apart = {
        name: [b / other_a for other, (other_a, _, _) in times.items() if other != name]
        for name, (_, b, _) in times.items()
    }
    mean = statistics.geometric_mean(itertools.chain(*apart.values()))
    assert dots_of(unpaired) == [pytest.approx([each / mean - 1 for each in values]) for values in apart.values()]
    assert shaded_of(paired) == pytest.approx((-0.02, 0.02))
    assert shaded_of(unpaired) == pytest.approx((-0.02, 0.02))
