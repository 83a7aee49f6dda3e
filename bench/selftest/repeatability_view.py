"""How well independent runs agree on time ratios: sentences, tables, and a figure."""

import functools
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from backprop_bench.bench.report import style
from backprop_bench.bench.report.certainty import within
from backprop_bench.bench.report.drawing import Drawing
from backprop_bench.bench.report.numbers import NBSP, count, has_bounds, listing, named, number_interval, percent, plain
from backprop_bench.bench.report.table import Table, make_table
from backprop_bench.bench.selftest.repeatability import TOLERANCE, Repeatability, RepeatedRatio, Repetition, Spread

NAMES, PAIRED, BETWEEN, UNPAIRED = 1.95, 2.75, 0.25, 2.45
"""Widths of the columns in inches, and of the gap between the two axes; the rest is for the numbers."""
ESTIMATE, DEVIATION = 0.15, 2.0
"""Where the columns of numbers begin, in inches to the right of the axes."""
ROW, ABOVE, BELOW, LAST = 0.27, 0.26, 0.34, 0.2
"""Inches: of a row, above and below the rows of a ratio, and what the last axes have for their labels beside that."""
PADDING = 1.08
"""Half of an axis, as a multiple of the largest deviation."""
BAND_COLOUR = "#eaf2e6"


def repeatability_sentences(result: Repeatability) -> list[str]:
    """Return how well the runs agree, with and without pairing."""
    if not result.ratios:
        return [f"No ratio of {result.question} was measured in two of {count(len(result.runs), 'run')}."]
    repetitions = [item for ratio in result.ratios for item in ratio.repetitions]
    outside = [item for item in repetitions if not item.within]
    sentence = (
        f"{len(repetitions) - len(outside)} of {len(repetitions)} paired time ratios from "
        f"{count(len(result.runs), 'run')} are within {within(TOLERANCE)} of their pooled value"
    )
    if outside:
        wider = sum(item.repeats for item in outside)
        others = "the other one" if len(outside) == 1 else f"of the {len(outside)} others"
        sentence += f"; {others}{_with_wider_interval(wider, len(outside))}"
    paired, per_round, unpaired = (
        _range([spread.sd for spread in spreads])
        for spreads in zip(
            *((item.paired, item.median_per_round, item.unpaired) for item in result.ratios), strict=True
        )
    )
    deviation = f"{paired} paired, {per_round} as median per-round ratio, {unpaired} measured separately"
    return [f"{sentence}.", f"Standard deviation between runs, the smallest and the largest: {deviation}."]


def _range(shares: Sequence[float]) -> str:
    """Return the smallest and the largest, "0.29–0.47 %"."""
    low, high = (percent(pick(shares), 2) for pick in (min, max))
    return high if low == high else f"{low.split(NBSP)[0]}–{high}"


def _with_wider_interval(wider: int, others: int) -> str:
    """Say how many of the ratios outside have a wider interval that contains the pooled value."""
    if others == 1:
        return " has a wider 95 % CI that contains it" if wider else " has no wider 95 % CI that contains it"
    return f", {wider} {'has' if wider == 1 else 'have'} a wider 95 % CI that contains it"


def _name(ratio: RepeatedRatio) -> str:
    return f"{named(ratio.numerator)} / {named(ratio.denominator)}"


def repeatability_table(result: Repeatability) -> Table:
    """Return the spread between runs, a row per ratio."""
    columns = [
        "<time ratio",
        "pooled",
        f"paired: within {within(TOLERANCE)}",
        "SD",
        "per-round SD",
        f"separate: within {within(TOLERANCE)}",
        "separate SD",
    ]
    rows = [
        [
            _ratio(ratio),
            plain(ratio.pooled),
            *_cells(ratio.paired),
            percent(ratio.median_per_round.sd, 2),
            *_cells(ratio.unpaired),
        ]
        for ratio in result.ratios
    ]
    note = (
        f"SD: standard deviation between {count(len(result.runs), 'run')}; pooled: geometric mean of their estimates. "
        "Separate: the numerator's time in one run by the denominator's in another, in every combination."
    )
    return make_table(f"Repeated runs: {result.question}", columns, rows, note)


def _ratio(ratio: RepeatedRatio) -> str:
    return f"{ratio.numerator} / {ratio.denominator}"


def _cells(spread: Spread) -> list[str]:
    return [f"{spread.n_within} of {len(spread.deviations)}", percent(spread.sd, 2)]


def repeated_runs_table(result: Repeatability) -> Table:
    """Return the estimate of every run for every ratio."""
    columns = [
        "<time ratio",
        "<run",
        "estimate (95 % CI)",
        "deviation",
        f"<within {within(TOLERANCE)}",
        "<wider CI",
        "<contains pooled",
    ]
    rows = [[_ratio(ratio), *_run_cells(item)] for ratio in result.ratios for item in ratio.repetitions]
    note = (
        f"Deviation: from the pooled value. Wider CI: half of the run's own interval is more than "
        f"{within(TOLERANCE).lstrip('±')} of the estimate."
    )
    return make_table(f"Every repeated run: {result.question}", columns, rows, note)


def _run_cells(item: Repetition) -> list[str]:
    verdicts = ["yes" if fact else "no" for fact in (item.within, item.is_wider, item.contains_pooled)]
    return [item.run, number_interval(item.interval), _signed(item.deviation), *verdicts]


def _signed(share: float, decimals: int = 2) -> str:
    return f"{100 * share:+.{decimals}f} %".replace("-", "−")


def draw_repeatability(result: Repeatability) -> Drawing:
    """Draw the ratios of every run around their pooled value, and beside them those measured separately."""
    with style.look():
        page, title = style.Page(), _title(result)
        page.heading(title, f"{result.question}: {count(len(result.runs), 'independent run')}")
        for ratio in result.ratios:
            last = ratio is result.ratios[-1]
            height = ABOVE + ROW * len(ratio.repetitions) + BELOW + (LAST if last else 0)
            page.band(height, functools.partial(_draw_ratio, result=result, ratio=ratio, last=last))
        page.text(_note(result), style.SMALL, color=style.GREY)
        alt = " ".join([f"{title}.", *repeatability_sentences(result)])
        return Drawing("repeatability", title, alt, page.figure())


def _title(result: Repeatability) -> str:
    paired = [deviation for ratio in result.ratios for deviation in ratio.paired.deviations]
    if not paired:
        return "No time ratio was measured twice"
    n_paired = sum(ratio.paired.n_within for ratio in result.ratios)
    unpaired = [deviation for ratio in result.ratios for deviation in ratio.unpaired.deviations]
    n_unpaired = sum(ratio.unpaired.n_within for ratio in result.ratios)
    return (
        f"{n_paired} of {len(paired)} paired ratios within {within(TOLERANCE)}; measured separately "
        f"{n_unpaired} of {len(unpaired)}"
    )


def _draw_ratio(band: style.Band, result: Repeatability, ratio: RepeatedRatio, last: bool) -> None:
    below = BELOW + (LAST if last else 0)
    left = style.MARGIN + NAMES
    paired = band.axes(left, PAIRED, ABOVE, below)
    unpaired = band.axes(left + PAIRED + BETWEEN, UNPAIRED, ABOVE, below)
    band.write(style.MARGIN, 0, f"Time ratio {_name(ratio)}: {plain(ratio.pooled)}", weight="bold")
    runs = [item.run for item in ratio.repetitions]
    style.name_rows(paired, runs)
    style.name_rows(unpaired, runs, labelled=False)
    for row, item in enumerate(ratio.repetitions):
        _draw_run(paired, row, item, ratio)
        dots = [row] * len(item.unpaired)
        unpaired.plot(item.unpaired, dots, "o", color=style.GREY, markersize=5, alpha=0.7, markeredgewidth=0)
    _percent_axis(paired, _farthest_paired(result))
    _percent_axis(unpaired, [deviation for item in result.ratios for deviation in item.unpaired.deviations])
    if last:
        paired.set_xlabel("paired, around the pooled value")
        unpaired.set_xlabel("measured separately, around their mean")
    estimates = [number_interval(item.interval) for item in ratio.repetitions]
    style.row_texts(unpaired, ESTIMATE, "paired, 95 % CI", estimates)
    style.row_texts(unpaired, DEVIATION, "deviation", [_signed(item.deviation) for item in ratio.repetitions])


def _draw_run(axes: Axes, row: int, item: Repetition, ratio: RepeatedRatio) -> None:
    colour = style.colour(ratio.numerator)
    if has_bounds(item.interval):
        ends = [bound / ratio.pooled - 1 for bound in (item.interval.low, item.interval.high)]
        axes.plot(ends, [row, row], color=colour, linewidth=4, solid_capstyle="butt", alpha=0.55)
    marker = style.marker(ratio.numerator)
    axes.plot([item.deviation], [row], marker, color=colour, markersize=7, markeredgecolor="white", mew=0.5)


def _farthest_paired(result: Repeatability) -> list[float]:
    """Return everything that the axes of paired ratios are to hold."""
    values = []
    for ratio in result.ratios:
        for item in ratio.repetitions:
            ends = [item.interval.low, item.interval.high] if has_bounds(item.interval) else []
            values += [value / ratio.pooled - 1 for value in (item.interval.estimate, *ends)]
    return values


def _percent_axis(axes: Axes, values: Sequence[float]) -> None:
    """Make the horizontal axis one of per cent around zero, the same for every ratio, with the tolerance shaded."""
    widest = max([TOLERANCE, *map(abs, values)])
    axes.axvspan(-TOLERANCE, TOLERANCE, color=BAND_COLOUR, zorder=0, linewidth=0)
    axes.axvline(0, color=style.INK, linestyle=":", linewidth=1.2, zorder=1)
    axes.set_xlim(-PADDING * widest, PADDING * widest)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10], symmetric=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))


def _tick(share: float) -> str:
    return f"{100 * share:+.3g} %".replace("-", "−") if round(share, 9) else "0 %"


def _note(result: Repeatability) -> str:
    wider = [item for ratio in result.ratios for item in ratio.repetitions if item.is_wider and not item.within]
    text = (
        f"Left: estimates and 95 % CIs of {count(len(result.runs), 'run')} around their geometric mean (dotted); "
        f"shaded {within(TOLERANCE)}"
    )
    if wider:
        text += f"; beyond it with a wider CI: {listing(dict.fromkeys(item.run for item in wider))}"
    return f"{text}. Right: the numerator's time in this run by the denominator's time in each other run."
