"""The race to an accuracy: sentences, a table and a figure."""

from matplotlib.axes import Axes

from backprop_bench.bench.compute.race import Duel, RaceSummary, Result
from backprop_bench.bench.show import style
from backprop_bench.bench.show.chart import Bar, Chart, own_bar
from backprop_bench.bench.show.drawing import Drawing
from backprop_bench.bench.show.numbers import (
    ABSENT,
    count,
    has_bounds,
    named,
    number_interval,
    percent,
    plain,
    seconds,
    seconds_interval,
)
from backprop_bench.bench.show.table import Table, make_table

NAMES, AXIS, TIMES, MISSED = 2.6, 3.6, 0.12, 1.9
ROW, ABOVE, BELOW = 0.34, 0.3, 0.2
LAST = 0.35
STARTS = {True: "cold", False: "warm"}


def race_sentences(found: RaceSummary) -> list[str]:
    """Return who is ahead, by target and start, and how often a target was missed."""
    said = [_duel_sentence(duel) for duel in found.duels]
    missed = [result for result in found.results if result.reached < result.of and result.cold]
    return said + [
        f"{named(result.choice.implementation)} missed {_target(result)} in {result.of - result.reached} of "
        f"{count(result.of, 'race')} of {count(found.epochs, 'epoch')} at most."
        for result in missed
    ]


def _duel_sentence(duel: Duel) -> str:
    start = "from the start of a process" if duel.cold else "with everything imported and compiled"
    return (
        f"To {percent(duel.target)} {start}, {named(duel.second)} takes {number_interval(duel.ratio)} × the time of "
        f"{named(duel.first)} ({count(duel.ratio.n, 'seed')})."
    )


def _target(result: Result) -> str:
    return percent(result.choice.target)


def race_table(found: RaceSummary) -> Table:
    """Return the results, the lowest target first."""
    columns = [
        "target",
        "<start",
        "<implementation and recipe",
        "reached",
        "time to it",
        "of it before training",
        "held out: epochs",
        "held out: accuracy",
        "recipes tried",
    ]
    rows = [
        [
            _target(result),
            STARTS[result.cold],
            result.choice.label,
            f"{result.reached} of {result.of}",
            seconds_interval(result.wall_s),
            seconds(result.start_s),
            plain(result.choice.epochs) if result.choice.epochs == result.choice.epochs else ABSENT,
            percent(result.choice.accuracy, 2),
            str(result.choice.tried),
        ]
        for result in found.results
    ]
    note = (
        "Time from the data in memory until the accuracy on all test cases is reached: geometric mean over the "
        "seeds that reached it, with Student's 95 % interval. Cold: with the start of the process, imports, and "
        "compilation or loading what was compiled before. Warm: a second race in the same process. Evaluations are "
        "not in it. Held out: where the recipe, chosen for the fewest seconds there, reached the target on "
        "training cases that were held out."
    )
    return make_table("The race to an accuracy", columns, rows, note)


def race_charts(found: RaceSummary) -> list[Chart]:
    """Return the time to every target, for a terminal."""
    charts = []
    for target in dict.fromkeys(result.choice.target for result in found.results):
        bars = [_bar(result) for result in found.results if result.choice.target == target]
        charts.append(Chart(f"Time to {percent(target)}", tuple(bars), seconds))
    return charts


def _bar(result: Result) -> Bar:
    name = result.choice.implementation
    text = f"{seconds_interval(result.wall_s)}, {result.reached} of {result.of}"
    return own_bar(name, result.wall_s.estimate, text, name=f"{name}, {STARTS[result.cold]}")


def draw_race(found: RaceSummary) -> Drawing:
    """Draw the time to every target, a band per target and start."""
    with style.look():
        page = style.Page()
        title = _title(found)
        page.heading(title, "Seconds from the data in memory until the test accuracy is reached")
        groups = list(dict.fromkeys((result.choice.target, result.cold) for result in found.results))
        times = [seconds for result in found.results for seconds in result.by_seed.values()]
        times += [end for result in found.results if has_bounds(result.wall_s) for end in _ends(result)]
        for group in groups:
            shown = [result for result in found.results if (result.choice.target, result.cold) == group]
            last = group == groups[-1]
            height = ABOVE + ROW * len(shown) + BELOW + (LAST if last else 0)
            page.band(
                height,
                lambda band, shown=shown, last=last: _draw(band, shown, times, last),  # type: ignore[misc]
            )
        page.text(_note(), style.SMALL, color=style.GREY)
        return Drawing("race", title, " ".join([f"{title}.", *race_sentences(found)]), page.figure())


def _ends(result: Result) -> tuple[float, float]:
    return result.wall_s.low, result.wall_s.high


def _title(found: RaceSummary) -> str:
    warm = [duel for duel in found.duels if not duel.cold]
    if not warm:
        return "No two sides reached the same accuracy"
    duel = warm[-1]
    return (
        f"To {percent(duel.target)}, {named(duel.second)} takes {number_interval(duel.ratio)} × the time of "
        f"{named(duel.first)}"
    )


def _draw(band: style.Band, shown: list[Result], times: list[float], last: bool) -> None:
    axes = band.axes(style.MARGIN + NAMES, AXIS, ABOVE, BELOW + (LAST if last else 0))
    band.write(style.MARGIN, 0.02, f"{_target(shown[0])}, {STARTS[shown[0].cold]}", weight="bold")
    style.name_rows(axes, [result.choice.implementation for result in shown])
    for row, result in enumerate(shown):
        _draw_result(axes, row, result)
    style.time_axis(axes, times, "time to the accuracy")
    if not last:
        axes.set_xlabel("")
        axes.tick_params(axis="x", labelbottom=False)
    style.row_texts(axes, TIMES, "95 % interval", [seconds_interval(result.wall_s) for result in shown])
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
        "Small dots: seeds that reached the accuracy. Marker and bar: their geometric mean and Student's 95 % "
        "interval. Cold: from the start of a process, with imports, and compilation or loading what was compiled. "
        "Warm: again in the same process. Evaluation is not in the time. Recipes were chosen on training cases "
        "that were held out."
    )
