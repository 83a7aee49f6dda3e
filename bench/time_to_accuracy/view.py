"""Time to accuracy: sentences, a table and a figure."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from backprop_bench.bench.report import style
from backprop_bench.bench.report.chart import Bar, Chart, own_bar
from backprop_bench.bench.report.drawing import Drawing
from backprop_bench.bench.report.numbers import (
    ABSENT,
    compared,
    count,
    has_bounds,
    named,
    percent,
    plain,
    seconds,
    seconds_interval,
    speed,
)
from backprop_bench.bench.report.table import Table, make_table
from backprop_bench.bench.time_to_accuracy.analysis import (
    Comparison,
    Result,
    TimeToAccuracyResults,
    by_goal,
    fastest,
    reliable,
)

NAMES, AXIS, TIMES, MISSED = 2.6, 3.6, 0.12, 1.9
ROW, ABOVE, BELOW = 0.34, 0.3, 0.2
LAST = 0.35
REASONS = 3
"""How many reasons of an implementation that refuses all recipes are said."""
STARTS = {True: "cold", False: "warm"}


def time_to_accuracy_sentences(results: TimeToAccuracyResults) -> list[str]:
    """Return who is fastest to each target, from each start, how much faster than the next one, and what was missed."""
    leads = [
        sentence
        for group in by_goal(results.results).values()
        if (first := fastest(group))
        for sentence in (_alone(first), *map(_comparison_sentence, _with_nearest(results, group)))
    ]
    missed = [result for result in results.results if result.reached < result.of and result.cold]
    return (
        leads
        + [
            f"{named(result.choice.implementation)} missed {_target(result)} in {result.of - result.reached} of "
            f"{count(result.of, 'run')} of {count(results.epochs, 'epoch')} at most."
            for result in missed
        ]
        + [_refusal(name, said) for name, said in results.refusing.items()]
    )


def _with_nearest(results: TimeToAccuracyResults, group: Sequence[Result]) -> list[Comparison]:
    """Return the comparison of the fastest to a target with the next one that is reliable; nothing without one."""
    first, *others = reliable(group)
    goal, names = (first.choice.target, first.cold), {other.choice.implementation for other in others}
    comparisons = [item for item in results.comparisons if (item.target, item.cold) == goal and item.second in names]
    return sorted(comparisons, key=lambda comparison: comparison.ratio.estimate)[:1]


def _refusal(name: str, said: Sequence[str]) -> str:
    reasons = [sentence.split(" cannot do this recipe: ")[-1].rstrip(".") for sentence in said[:REASONS]]
    return f"{named(name)} refuses all recipes that are tried" + (f": {'. Or: '.join(reasons)}." if reasons else ".")


def _start(cold: bool) -> str:
    return "from the start of a process" if cold else "with everything imported and compiled"


def _alone(result: Result) -> str:
    reached = f"{result.reached} of {count(result.of, 'seed')}"
    time = f"{seconds_interval(result.wall_s)}, {_start(result.cold)}"
    return f"{named(result.choice.implementation)} reaches {_target(result)} in {time}: {reached}."


def _comparison_sentence(comparison: Comparison) -> str:
    start = _start(comparison.cold)
    names = (named(comparison.second), named(comparison.first))
    ahead = speed(
        *names, comparison.ratio, f"to {percent(comparison.target)}", with_interval=has_bounds(comparison.ratio)
    )
    return f"{ahead}, {start} ({count(comparison.ratio.n, 'seed')})."


def _target(result: Result) -> str:
    return percent(result.choice.target)


def time_to_accuracy_table(results: TimeToAccuracyResults) -> Table:
    """Return the results, the lowest target first, each beside the fastest to its target from its start."""
    columns = [
        "target",
        "<start",
        "<implementation and recipe",
        "reached",
        "time to accuracy",
        "compared with the fastest",
        "before training",
        "epochs in validation",
    ]
    rows = [
        [
            _target(result),
            STARTS[result.cold],
            result.choice.label,
            f"{result.reached} of {result.of}",
            seconds_interval(result.wall_s),
            _to_fastest(results, result),
            seconds(result.start_s),
            plain(result.choice.epochs) if result.choice.epochs == result.choice.epochs else ABSENT,
        ]
        for group in by_goal(results.results).values()
        for result in group
    ]
    note = (
        "Time from the data in memory until all test examples give the accuracy, without evaluations: geometric mean "
        "and 95 % CI over the seeds that reached it. The fastest is chosen among those that reached it from at least "
        "half of the seeds; a ratio is over the seeds with which both reached it. Cold: with process start, imports "
        "and compilation. Warm: again in the same process. The recipe was selected on held-out training examples: of "
        "those tried with several seeds, the one with the fewest misses, then with the fewest seconds."
    )
    return make_table("Time to accuracy", columns, rows, note)


def _to_fastest(results: TimeToAccuracyResults, result: Result) -> str:
    key = result.choice.implementation, result.choice.target, result.cold
    ratios = (item.ratio for item in results.comparisons if (item.second, item.target, item.cold) == key)
    return next(map(compared, ratios), ABSENT)


def time_to_accuracy_charts(results: TimeToAccuracyResults) -> list[Chart]:
    """Return the time to every target, for a terminal."""
    charts = []
    for target in dict.fromkeys(result.choice.target for result in results.results):
        bars = [_bar(result) for result in results.results if result.choice.target == target]
        charts.append(Chart(f"Time to {percent(target)}", tuple(bars), seconds))
    return charts


def _bar(result: Result) -> Bar:
    name = result.choice.implementation
    text = f"{seconds_interval(result.wall_s)}, {result.reached} of {result.of}"
    return own_bar(name, result.wall_s.estimate, text, name=f"{name}, {STARTS[result.cold]}")


def draw_time_to_accuracy(results: TimeToAccuracyResults) -> Drawing:
    """Draw the time to every target, a band per target and start."""
    with style.look():
        page = style.Page()
        title = _title(results)
        page.heading(title, "Seconds from the data in memory until the test accuracy is reached")
        groups = by_goal(results.results)
        times = [seconds for result in results.results for seconds in result.by_seed.values()]
        times += [end for result in results.results if has_bounds(result.wall_s) for end in _ends(result)]
        for number, shown in enumerate(groups.values(), 1):
            last = number == len(groups)
            height = ABOVE + ROW * len(shown) + BELOW + (LAST if last else 0)
            page.band(
                height,
                lambda band, shown=shown, last=last: _draw(band, shown, times, last),  # type: ignore[misc]
            )
        page.text(_note(), style.SMALL, color=style.GREY)
        return Drawing(
            "time-to-accuracy", title, " ".join([f"{title}.", *time_to_accuracy_sentences(results)]), page.figure()
        )


def _ends(result: Result) -> tuple[float, float]:
    return result.wall_s.low, result.wall_s.high


def _title(results: TimeToAccuracyResults) -> str:
    """Say who is fastest to the highest accuracy that somebody reaches warm from the most seeds, and by how much."""
    groups = by_goal(results.results).values()
    warm = [(first, group) for group in groups if (first := fastest(group)) and not first.cold]
    if not warm:
        return "Each accuracy was missed from most seeds"
    best, group = max(warm, key=lambda pair: (pair[0].reached / pair[0].of, pair[0].choice.target))
    name, target = named(best.choice.implementation), _target(best)
    nearest = next((item for item in _with_nearest(results, group) if has_bounds(item.ratio)), None)
    if nearest is None:
        return f"{name} reaches {target} in {seconds(best.wall_s.estimate)}"
    return speed(named(nearest.second), name, nearest.ratio, f"to {target}", with_interval=False)


def _draw(band: style.Band, shown: list[Result], times: list[float], last: bool) -> None:
    axes = band.axes(style.MARGIN + NAMES, AXIS, ABOVE, BELOW + (LAST if last else 0))
    band.write(style.MARGIN, 0.02, f"{_target(shown[0])}, {STARTS[shown[0].cold]}", weight="bold")
    style.name_rows(axes, [result.choice.implementation for result in shown])
    for row, result in enumerate(shown):
        _draw_result(axes, row, result)
    style.time_axis(axes, times, "time to accuracy")
    if not last:
        axes.set_xlabel("")
        axes.tick_params(axis="x", labelbottom=False)
    style.row_texts(axes, TIMES, "time, 95 % CI", [seconds_interval(result.wall_s) for result in shown])
    style.row_texts(axes, MISSED, "reached", [f"{result.reached} of {result.of}" for result in shown])


def _draw_result(axes: Axes, row: int, result: Result) -> None:
    name = result.choice.implementation
    colour, marker = style.colour(name), style.marker(name)
    axes.plot(list(result.by_seed.values()), [row + 0.22] * len(result.by_seed), "o", color=colour, markersize=3)
    if has_bounds(result.wall_s):
        axes.plot([result.wall_s.low, result.wall_s.high], [row, row], color=colour, linewidth=4)
    if result.by_seed:
        axes.plot([result.wall_s.estimate], [row], marker, color=colour, markersize=7, markeredgecolor="white", mew=0.5)


def _note() -> str:
    return (
        "Dots: seeds that reached the accuracy; marker and bar: geometric mean and 95 % CI. Cold: with process start, "
        "imports and compilation; warm: again in the same process."
    )
