"""Where the time between NumPy and PyTorch goes: sentences, two tables, and a figure of the chain and the parts."""

import math

from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from backprop_bench.bench.core.stats.intervals import Interval
from backprop_bench.bench.explain.chain import END, LOADED, START, Bridge, Link, Part
from backprop_bench.bench.report import style
from backprop_bench.bench.report.chart import Bar, Chart
from backprop_bench.bench.report.drawing import Drawing
from backprop_bench.bench.report.numbers import ABSENT, count, has_bounds, listing, plain
from backprop_bench.bench.report.table import Table, make_table

NAMES, CHAIN_AXIS, PARTS_AXIS = 1.9, 3.6, 2.6
"""Inches: the names, and the axes."""
CHANGE, CALLS = 0.12, 2.1
BY_HAND, PYTORCH, DIFFERENCE = 0.1, 1.7, 3.3
"""Where the columns of numbers begin to the right of the axes, inches."""
ROW, PAIR, ABOVE, BELOW = 0.3, 0.42, 0.3, 0.5
RISE, FALL, WHOLE = style.SHADES["PyTorch"][0], style.SHADES["from scratch"][0], style.GREY
SIDES = (("from scratch", style.SHADES["from scratch"][0]), ("PyTorch", style.SHADES["PyTorch"][0]))
SHOWN_PARTS = 3

SWAPS = {
    "matrix products": "PyTorch's matrix products, on the memory of NumPy's arrays",
    "operations": "PyTorch's tensors, operation by operation what NumPy does",
    "functions": "PyTorch's functions of a layer, its activation and the loss; weights as nn.Linear keeps them",
    "optimizer": "torch.optim instead of a change of the weights by hand",
    "autograd": "autograd instead of the gradient by hand",
    "modules": "nn.Module instead of functions of plain tensors",
    "loading": "a DataLoader instead of batches by index",
}
HOW = {
    "loading": "batches by index, alone",
    "matrix products": "alone, without their calls",
    "elementwise": "activations, loss, biases and their sums alone, without their calls",
    "allocation": "these and the products with every result allocated anew, less the same without",
    "dispatch": "a step with one hidden unit and one example, less its loading and optimizer",
    "optimizer": "the weight change alone",
    "autograd": "by swapping it in",
    "modules": "by swapping it in",
    "rest": "the time of either side less its parts",
}


def bridge_sentences(found: Bridge) -> list[str]:
    """Return the finding in plain words, made from the numbers."""
    return [
        _gap_sentence(found),
        _chain_sentence(found),
        _largest_sentence(found),
        _parts_sentence(found),
        _rest_sentence(found),
        f"The DataLoader of {LOADED} adds {_change(found, found.loader.change)} ms to that.",
    ]


def _gap_sentence(found: Bridge) -> str:
    return (
        f"At the same recipe, an epoch of {START} takes {_amount(found, found.start)} ms and one of {END} "
        f"{_amount(found, found.links[-1].time)} ms: {_change(found, found.gap)} ms "
        f"({count(found.examples, 'training example')}, {count(found.steps, 'step')}; 95 % intervals over "
        f"{count(found.gap.n, 'process replicate')})."
    )


def _chain_sentence(found: Bridge) -> str:
    each = listing(f"{link.part} {_change(found, link.change)}" for link in found.links)
    return f"What is swapped in, one after the other, changes it by, in ms: {each}. Together that is the whole gap."


def _largest_sentence(found: Bridge) -> str:
    link = _largest_link(found)
    return (
        f"The largest swap is {link.part}, {_change(found, link.change)} ms, of which {_change(found, link.calls)} ms "
        "are calls: so much it changes where a step has one hidden unit and one example, and hardly any arithmetic."
    )


def _largest_link(found: Bridge) -> Link:
    return max(found.links, key=lambda link: abs(link.change.estimate))


def _parts_sentence(found: Bridge) -> str:
    ranked = sorted(found.parts, key=lambda part: -abs(part.difference.estimate))[:SHOWN_PARTS]
    each = listing(f"{part.name} {_change(found, part.difference)}" for part in ranked)
    return f"Part by part, PyTorch less by hand, the largest differences are, in ms: {each}."


def _rest_sentence(found: Bridge) -> str:
    return (
        f"In no part are {_amount(found, found.rest.by_hand)} ms of the time by hand and "
        f"{_amount(found, found.rest.pytorch)} ms of PyTorch's: {_change(found, found.rest.difference)} ms of the gap."
    )


def _decimals(found: Bridge) -> int:
    """Return the decimals that suit milliseconds of this size: four digits of the whole."""
    return max(0, 4 - math.ceil(math.log10(found.links[-1].time.estimate)))


def _amount(found: Bridge, interval: Interval | None) -> str:
    """Return "267.1 (264.0–270.2)", with words where a sign would be taken for a dash."""
    if interval is None:
        return ABSENT
    value, low, high = (plain(part, _decimals(found)) for part in (interval.estimate, interval.low, interval.high))
    between = "–" if interval.low >= 0 else " to "
    return f"{value} ({low}{between}{high})" if has_bounds(interval) else value


def _change(found: Bridge, interval: Interval | None) -> str:
    """Return "+20.1 (+18.2 to +22.0)"."""
    if interval is None:
        return ABSENT
    value, low, high = (_signed(part, _decimals(found)) for part in (interval.estimate, interval.low, interval.high))
    return f"{value} ({low} to {high})" if has_bounds(interval) else value


def _signed(value: float, decimals: int) -> str:
    return f"{value:+,.{decimals}f}".replace("-", "−")


def bridge_tables(found: Bridge) -> list[Table]:
    """Return the chain, and the parts of either side."""
    return [chain_table(found), parts_table(found)]


def chain_table(found: Bridge) -> Table:
    """Return the trainers from one end to the other."""
    rows = [[START, "", _amount(found, found.start), ABSENT, ABSENT]]
    rows += [
        [
            link.trainer,
            f"{link.part}: {SWAPS[link.part]}",
            _amount(found, link.time),
            _change(found, link.change),
            _change(found, link.calls),
        ]
        for link in (*found.links, found.loader)
    ]
    note = (
        f"Milliseconds per epoch of {count(found.examples, 'training example')} in {count(found.steps, 'step')}. Each "
        f"trainer differs from the one above in what is swapped; up to {END} the changes add up to the whole gap. 95 % "
        f"intervals of the mean over {count(found.gap.n, 'process replicate')}, in which all were timed interleaved. "
        "Of it calls: the same difference on a recipe with one hidden unit and one example a batch, for as many steps."
    )
    columns = ["<trainer", "<swapped in", "ms per epoch", "change", "of it calls"]
    return make_table("From NumPy to PyTorch, one swap at a time", columns, rows, note)


def parts_table(found: Bridge) -> Table:
    """Return what each part takes on either side."""
    rows = [
        [
            part.name,
            _amount(found, part.by_hand),
            _amount(found, part.pytorch),
            _change(found, part.difference),
            HOW[part.name],
        ]
        for part in (*found.parts, found.rest)
    ]
    rows.append(
        [
            "all",
            _amount(found, found.start),
            _amount(found, found.links[-1].time),
            _change(found, found.gap),
            f"{START} and {END}",
        ]
    )
    note = (
        "Milliseconds per epoch. Difference: PyTorch less by hand, process replicate by process replicate; 95 % "
        f"intervals of the mean over {count(found.gap.n, 'process replicate')}. The rows above the last one add up to "
        "it."
    )
    return make_table(
        "Parts of an epoch on either side",
        ["<part", "from scratch", "PyTorch", "difference", "<how measured"],
        rows,
        note,
    )


def bridge_charts(found: Bridge) -> list[Chart]:
    """Return what every swap changes, for a terminal."""
    bars = [Bar(link.part, link.change.estimate, _change(found, link.change)) for link in (*found.links, found.loader)]
    return [Chart(f"From {START} to {LOADED}, ms per epoch", tuple(bars), lambda ms: _signed(ms, 0))]


def draw_bridge(found: Bridge) -> Drawing:
    """Draw the chain as a waterfall, and the parts of both sides as pairs of bars."""
    with style.look():
        page = style.Page()
        title = _title(found)
        page.heading(
            title,
            f"{START} and {END} at the same recipe: {count(found.examples, 'training example')}, "
            f"{count(found.steps, 'step')} an epoch",
        )
        page.band(ABOVE + ROW * (len(found.links) + 4) + BELOW, lambda band: _draw_chain(band, found))
        page.band(ABOVE + PAIR * (len(found.parts) + 1) + BELOW, lambda band: _draw_parts(band, found))
        page.text(_note(found), style.SMALL, color=style.GREY)
        alt = " ".join([f"{title}.", *bridge_sentences(found)])
        return Drawing("bridge", title, alt, page.figure())


def _title(found: Bridge) -> str:
    link = _largest_link(found)
    return (
        f"{END} less {START}: {_change(found, found.gap)} ms an epoch. The largest swap is {link.part}, "
        f"{_change(found, link.change)} ms"
    )


def _draw_chain(band: style.Band, found: Bridge) -> None:
    axes = band.axes(style.MARGIN + NAMES, CHAIN_AXIS, ABOVE, BELOW)
    band.write(style.MARGIN, 0.02, "One swap at a time", weight="bold")
    links, end = found.links, found.links[-1].time
    style.name_rows(axes, [START, *(link.part for link in links), END, found.loader.part, LOADED])
    at = found.start.estimate
    for row, link in enumerate(links, start=1):
        at = _draw_swap(axes, row, at, link.change)
    _draw_swap(axes, len(links) + 2, at, found.loader.change)
    for row, whole in ((0, found.start), (len(links) + 1, end), (len(links) + 3, found.loader.time)):
        axes.barh(row, whole.estimate, height=0.55, color=WHOLE)
        _draw_interval(axes, row, whole)
    axes.set_xlim(left=0)
    _milliseconds(axes)
    texts = [_change(found, link.change) for link in links]
    wholes = [_amount(found, whole) for whole in (found.start, end, found.loader.time)]
    loading = _change(found, found.loader.change)
    style.row_texts(axes, CHANGE, "ms per epoch (95 %)", [wholes[0], *texts, wholes[1], loading, wholes[2]])
    calls = [_change(found, link.calls) for link in links]
    style.row_texts(axes, CALLS, "of it calls", ["", *calls, "", ABSENT, ""])


def _draw_swap(axes: Axes, row: int, start: float, change: Interval) -> float:
    """Draw what a swap changes, from where the row above ends; return where it ends itself."""
    axes.barh(row, change.estimate, left=start, height=0.55, color=RISE if change.estimate > 0 else FALL)
    axes.plot([start, start], [row - 1, row], color=style.GREY, linewidth=0.8)
    end = start + change.estimate
    _draw_interval(axes, row, Interval(end, start + change.low, start + change.high, change.n))
    return end


def _draw_interval(axes: Axes, row: float, interval: Interval) -> None:
    if has_bounds(interval):
        axes.plot([interval.low, interval.high], [row, row], color=style.INK, linewidth=1.4)


def _milliseconds(axes: Axes) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.set_xlabel("wall time of an epoch (ms)")


def _draw_parts(band: style.Band, found: Bridge) -> None:
    axes = band.axes(style.MARGIN + NAMES, PARTS_AXIS, ABOVE, BELOW)
    band.write(style.MARGIN, 0.02, "Part by part", weight="bold")
    parts = [*found.parts, found.rest]
    style.name_rows(axes, [part.name for part in parts])
    for row, part in enumerate(parts):
        _draw_pair(axes, row, part)
    axes.axvline(0, color=style.GREY, linewidth=0.8)
    _milliseconds(axes)
    axes.legend(
        handles=[Patch(color=colour, label=name) for name, colour in SIDES],
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=2,
        frameon=False,
        fontsize=style.SMALL,
        handlelength=1,
        columnspacing=1,
        borderaxespad=0.2,
    )
    style.row_texts(axes, BY_HAND, "by hand (95 %)", [_amount(found, part.by_hand) for part in parts])
    style.row_texts(axes, PYTORCH, "PyTorch", [_amount(found, part.pytorch) for part in parts])
    style.row_texts(axes, DIFFERENCE, "difference", [_change(found, part.difference) for part in parts])


def _draw_pair(axes: Axes, row: int, part: Part) -> None:
    """Draw both sides of a part, the one by hand above the other."""
    for place, interval, (_, colour) in zip((-0.19, 0.19), (part.by_hand, part.pytorch), SIDES, strict=True):
        if interval is not None:
            axes.barh(row + place, interval.estimate, height=0.34, color=colour)
            _draw_interval(axes, row + place, interval)


def _note(found: Bridge) -> str:
    return (
        f"{count(found.gap.n, 'process replicate')}, all interleaved. Lines: Student's 95 % intervals of the mean over "
        "process replicates; in the upper chart those of each change, at its end. Blue rises, orange falls. Of it "
        "calls: the same difference where a step has one hidden unit and one example. Parts were timed alone, products "
        "and elementwise operations without their calls, which are in the dispatch; autograd and modules by swapping "
        "them in. Rest: what is in the time of a side and in none of its parts, below zero where parts take longer "
        "alone."
    )
