"""Where the time between NumPy and PyTorch goes: sentences, two tables, and a figure of the chain and of the parts."""

import math

from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from backprop_bench.bench.core.stats.intervals import Interval
from backprop_bench.bench.explain.chain import END, LOADED, START, AblationChain, ChainStep, Part
from backprop_bench.bench.report import style
from backprop_bench.bench.report.chart import Bar, Chart
from backprop_bench.bench.report.drawing import Drawing
from backprop_bench.bench.report.language import _
from backprop_bench.bench.report.numbers import (
    ABSENT,
    NBSP,
    count,
    has_bounds,
    listing,
    paragraph,
    plain,
    without_gaps,
)
from backprop_bench.bench.report.table import Table, make_table

NAMES, CHAIN_AXIS, PARTS_AXIS = 1.5, 3.9, 2.7
"""Inches: the names, and the axes."""
CHANGE, CALLS = 0.12, 2.2
FROM_SCRATCH, PYTORCH, DIFFERENCE = 0.12, 1.8, 3.5
"""Where the columns of numbers begin to the right of the axes, inches."""
ROW, PAIR, ABOVE, BELOW = 0.3, 0.42, 0.3, 0.5
SLOWER, FASTER, WHOLE = "#7b3f8c", "#d4a72c", style.GREY
SIDES = (("from scratch", style.SHADES["from scratch"][0]), ("PyTorch", style.SHADES["PyTorch"][0]))
SHOWN_PARTS = 3
TABLE_DIGITS, TEXT_DIGITS = 4, 3
"""Digits of the whole time, in tables and in sentences."""


def chain_sentences(chain: AblationChain) -> list[str]:
    """Return what the chain says, the gap first."""
    loading = _("The DataLoader of {loaded} adds {change} to the time of {end}.")
    sentences = [
        _gap_sentence(chain),
        _steps_sentence(chain),
        _largest_sentence(chain),
        _parts_sentence(chain),
        _rest_sentence(chain),
        loading.format(loaded=LOADED, change=_stated(chain, chain.loader.change), end=END),
        _extent_sentence(chain),
    ]
    return list(map(without_gaps, sentences))


def _gap_sentence(chain: AblationChain) -> str:
    first, last = (_milliseconds_of(chain, each) for each in (chain.start, chain.steps[-1].time))
    text = _("With the same recipe, an epoch takes {first} with {start} and {last} with {end}: {gap}.")
    return text.format(first=first, start=START, last=last, end=END, gap=_stated(chain, chain.gap))


def _steps_sentence(chain: AblationChain) -> str:
    each = listing(
        f"{_name(step.part)} {_signed(step.change.estimate, _decimals(chain, TEXT_DIGITS))}" for step in chain.steps
    )
    text = _("The steps from {start} to {end} add up to this gap, in ms: {each}.")
    return text.format(start=START, end=END, each=each)


def _largest_sentence(chain: AblationChain) -> str:
    step = _largest_step(chain)
    text = _("The largest step is {step}, {change}.")
    sentences = [text.format(step=_name(step.part), change=_stated(chain, step.change))]
    if step.calls is not None:
        text = _("The cost of calls, measured with one hidden unit and one example per batch, changes by {change}.")
        sentences.append(text.format(change=_stated(chain, step.calls)))
    return paragraph(sentences)


def _largest_step(chain: AblationChain) -> ChainStep:
    return max(chain.steps, key=lambda step: abs(step.change.estimate))


def _parts_sentence(chain: AblationChain) -> str:
    ranked = sorted(chain.parts, key=lambda part: -abs(part.difference.estimate))[:SHOWN_PARTS]
    decimals = _decimals(chain, TEXT_DIGITS)
    each = listing(f"{_name(part.name)} {_signed(part.difference.estimate, decimals)}" for part in ranked)
    text = _("Part by part, the largest differences of PyTorch minus from scratch are, in ms: {each}.")
    return text.format(each=each)


def _rest_sentence(chain: AblationChain) -> str:
    first, second = (_milliseconds_of(chain, each) for each in (chain.rest.from_scratch, chain.rest.pytorch))
    text = _("The parts leave {first} from scratch and {second} with PyTorch unexplained: {difference} of the gap.")
    return text.format(first=first, second=second, difference=_stated(chain, chain.rest.difference))


def _extent_sentence(chain: AblationChain) -> str:
    return _("An epoch has {examples} and {updates}; intervals are over {replicates}.").format(
        examples=count(chain.examples, "training example"),
        updates=count(chain.updates, "weight update"),
        replicates=count(chain.gap.n, "process replicate"),
    )


def _name(part: str) -> str:
    """Return what a step of the chain or a part is called, in the language that is spoken."""
    return {
        "matrix products": _("matrix products"),
        "operations": _("operations"),
        "functions": _("functions"),
        "optimizer": _("optimizer"),
        "autograd": _("autograd"),
        "modules": _("modules"),
        "loading": _("loading"),
        "elementwise": _("elementwise"),
        "allocation": _("allocation"),
        "calls": _("cost of calls"),
        "rest": _("rest"),
    }[part]


def _what_changes(step: str) -> str:
    """Return what a step of the chain replaces."""
    return {
        "matrix products": _("PyTorch's matrix products, on the memory of NumPy's arrays"),
        "operations": _("tensors, with one PyTorch operation for each of NumPy's"),
        "functions": _("PyTorch's functions for a layer, its activation and the loss; weights as in nn.Linear"),
        "optimizer": _("torch.optim instead of a hand-written weight update"),
        "autograd": _("autograd instead of a hand-written gradient"),
        "modules": _("nn.Module instead of functions of plain tensors"),
        "loading": _("a DataLoader instead of batches by index"),
    }[step]


def _how(part: str) -> str:
    """Return how a part is measured."""
    of_chain = _("its step of the chain")
    return {
        "loading": _("batches by index, alone"),
        "matrix products": _("alone, without the cost of calls"),
        "elementwise": _("activations, loss and biases alone, without the cost of calls"),
        "allocation": _("both of these with newly allocated results, minus the same with preallocated ones"),
        "calls": _("a step with one hidden unit and one example, minus its loading and weight update"),
        "optimizer": _("the weight update alone"),
        "autograd": of_chain,
        "modules": of_chain,
        "rest": _("the time of a side minus its parts"),
    }[part]


def _decimals(chain: AblationChain, digits: int = TABLE_DIGITS) -> int:
    """Return the decimals that give the whole time in milliseconds so many digits."""
    return max(0, digits - math.ceil(math.log10(chain.steps[-1].time.estimate)))


def _milliseconds_of(chain: AblationChain, interval: Interval | None) -> str:
    """Return "387 ms" for a sentence."""
    value = ABSENT if interval is None else plain(interval.estimate, _decimals(chain, TEXT_DIGITS))
    return f"{value}{NBSP}ms"


def _stated(chain: AblationChain, interval: Interval) -> str:
    """Return "+259 ms (95 % CI +248 to +271)" for a sentence."""
    decimals = _decimals(chain, TEXT_DIGITS)
    value, low, high = (_signed(each, decimals) for each in (interval.estimate, interval.low, interval.high))
    text = _("{value} (95\N{NO-BREAK SPACE}% CI {low} to {high})") if has_bounds(interval) else "{value}"
    return text.format(value=f"{value}{NBSP}ms", low=low, high=high)


def _amount(chain: AblationChain, interval: Interval | None) -> str:
    """Return "267.1 (264.0–270.2)" for a table, with "to" where a sign could be taken for a dash."""
    if interval is None:
        return ABSENT
    value, low, high = (plain(each, _decimals(chain)) for each in (interval.estimate, interval.low, interval.high))
    if not has_bounds(interval):
        return value
    brackets = _(" ({low}–{high})") if interval.low >= 0 else _(" ({low} to {high})")
    return value + brackets.format(low=low, high=high)


def _change(chain: AblationChain, interval: Interval | None) -> str:
    """Return "+20.1 (+18.2 to +22.0)" for a table."""
    if interval is None:
        return ABSENT
    value, low, high = (_signed(each, _decimals(chain)) for each in (interval.estimate, interval.low, interval.high))
    return value + _(" ({low} to {high})").format(low=low, high=high) if has_bounds(interval) else value


def _signed(value: float, decimals: int) -> str:
    return f"{value:+,.{decimals}f}".replace("-", "−")


def chain_tables(chain: AblationChain) -> list[Table]:
    """Return the steps of the chain, and the parts of both sides."""
    return [steps_table(chain), parts_table(chain)]


def steps_table(chain: AblationChain) -> Table:
    """Return the trainers from one end to the other."""
    rows = [[START, "", _amount(chain, chain.start), ABSENT, ABSENT]]
    described = _("{name}: {values}")
    rows += [
        [
            step.trainer,
            described.format(name=_name(step.part), values=_what_changes(step.part)),
            _amount(chain, step.time),
            _change(chain, step.change),
            _change(chain, step.calls),
        ]
        for step in (*chain.steps, chain.loader)
    ]
    note = _(
        "Milliseconds per epoch: mean and 95 % CI over {replicates}. The changes up to {end} add up to the whole gap. "
        "Change in cost of calls: the same difference with one hidden unit and one example per batch."
    ).format(replicates=count(chain.gap.n, "process replicate"), end=END)
    columns = ["<" + _("trainer"), "<" + _("step"), _("ms per epoch"), _("change"), _("change in cost of calls")]
    return make_table(_("The ablation chain from NumPy to PyTorch"), columns, rows, without_gaps(note))


def parts_table(chain: AblationChain) -> Table:
    """Return the time of each part on both sides."""
    rows = [
        [
            _name(part.name),
            _amount(chain, part.from_scratch),
            _amount(chain, part.pytorch),
            _change(chain, part.difference),
            _how(part.name),
        ]
        for part in (*chain.parts, chain.rest)
    ]
    whole = [_amount(chain, chain.start), _amount(chain, chain.steps[-1].time), _change(chain, chain.gap)]
    rows.append([_("all"), *whole, listing([START, END])])
    note = _(
        "Milliseconds per epoch: mean and 95 % CI over {replicates}. Difference: PyTorch minus from scratch. The rows "
        "add up to the last one."
    ).format(replicates=count(chain.gap.n, "process replicate"))
    columns = ["<" + _("part"), _("from scratch"), "PyTorch", _("difference"), "<" + _("how measured")]
    return make_table(_("Parts of an epoch, from scratch and with PyTorch"), columns, rows, without_gaps(note))


def chain_charts(chain: AblationChain) -> list[Chart]:
    """Return the change of every step, for a terminal."""
    bars = [Bar(step.part, step.change.estimate, _change(chain, step.change)) for step in (*chain.steps, chain.loader)]
    return [Chart(f"From {START} to {LOADED}, change in ms per epoch", tuple(bars), lambda ms: _signed(ms, 0))]


def draw_chain(chain: AblationChain) -> Drawing:
    """Draw the chain as a waterfall, and the parts of both sides as pairs of bars."""
    with style.look():
        page = style.Page()
        title = _title(chain)
        extent = f"{count(chain.examples, 'training example')} and {count(chain.updates, 'weight update')} per epoch"
        page.heading(title, f"{START} and {END} with the same recipe, {extent}")
        page.band(ABOVE + ROW * (len(chain.steps) + 4) + BELOW, lambda band: _draw_steps(band, chain))
        page.band(ABOVE + PAIR * (len(chain.parts) + 1) + BELOW, lambda band: _draw_parts(band, chain))
        page.text(_note(chain), style.SMALL, color=style.GREY)
        alt = " ".join([f"{title}.", *chain_sentences(chain)])
        return Drawing("chain", title, alt, page.figure())


def _title(chain: AblationChain) -> str:
    gap = f"{plain(abs(chain.gap.estimate), _decimals(chain, TEXT_DIGITS))}{NBSP}ms"
    more = "more" if chain.gap.estimate >= 0 else "less"
    return f"{END} takes {gap} {more} per epoch than {START}; largest step: {_largest_step(chain).part}"


def _draw_steps(band: style.Band, chain: AblationChain) -> None:
    axes = band.axes(style.MARGIN + NAMES, CHAIN_AXIS, ABOVE, BELOW)
    band.write(style.MARGIN, 0.02, "Step by step", weight="bold")
    steps, end = chain.steps, chain.steps[-1].time
    style.name_rows(axes, [START, *(step.part for step in steps), END, chain.loader.part, LOADED])
    at = chain.start.estimate
    for row, step in enumerate(steps, start=1):
        at = _draw_change(axes, row, at, step.change)
    _draw_change(axes, len(steps) + 2, at, chain.loader.change)
    for row, whole in ((0, chain.start), (len(steps) + 1, end), (len(steps) + 3, chain.loader.time)):
        axes.barh(row, whole.estimate, height=0.55, color=WHOLE)
        _draw_interval(axes, row, whole)
    axes.set_xlim(left=0)
    _milliseconds_axis(axes)
    _legend(axes, (("slower", SLOWER), ("faster", FASTER)))
    changes = [_change(chain, step.change) for step in steps]
    wholes = [_amount(chain, whole) for whole in (chain.start, end, chain.loader.time)]
    loading = _change(chain, chain.loader.change)
    style.row_texts(axes, CHANGE, "ms per epoch (95 % CI)", [wholes[0], *changes, wholes[1], loading, wholes[2]])
    calls = [_change(chain, step.calls) for step in steps]
    style.row_texts(axes, CALLS, "change in cost of calls", ["", *calls, "", ABSENT, ""])


def _draw_change(axes: Axes, row: int, start: float, change: Interval) -> float:
    """Draw the change of a step, from where the row above ends; return where it ends itself."""
    axes.barh(row, change.estimate, left=start, height=0.55, color=SLOWER if change.estimate > 0 else FASTER)
    axes.plot([start, start], [row - 1, row], color=style.GREY, linewidth=0.8)
    end = start + change.estimate
    _draw_interval(axes, row, Interval(end, start + change.low, start + change.high, change.n))
    return end


def _draw_interval(axes: Axes, row: float, interval: Interval) -> None:
    if has_bounds(interval):
        axes.plot([interval.low, interval.high], [row, row], color=style.INK, linewidth=1.4)


def _milliseconds_axis(axes: Axes) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.set_xlabel("wall time of an epoch (ms)")


def _legend(axes: Axes, colours: tuple[tuple[str, str], ...]) -> None:
    axes.legend(
        handles=[Patch(color=colour, label=name) for name, colour in colours],
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=2,
        frameon=False,
        fontsize=style.SMALL,
        handlelength=1,
        columnspacing=1,
        borderaxespad=0.2,
    )


def _draw_parts(band: style.Band, chain: AblationChain) -> None:
    axes = band.axes(style.MARGIN + NAMES, PARTS_AXIS, ABOVE, BELOW)
    band.write(style.MARGIN, 0.02, "Part by part", weight="bold")
    parts = [*chain.parts, chain.rest]
    style.name_rows(axes, [_name(part.name) for part in parts])
    for row, part in enumerate(parts):
        _draw_pair(axes, row, part)
    axes.axvline(0, color=style.GREY, linewidth=0.8)
    _milliseconds_axis(axes)
    _legend(axes, SIDES)
    style.row_texts(axes, FROM_SCRATCH, "from scratch (95 % CI)", [_amount(chain, part.from_scratch) for part in parts])
    style.row_texts(axes, PYTORCH, "PyTorch", [_amount(chain, part.pytorch) for part in parts])
    style.row_texts(axes, DIFFERENCE, "difference", [_change(chain, part.difference) for part in parts])


def _draw_pair(axes: Axes, row: int, part: Part) -> None:
    """Draw both sides of a part, from scratch above PyTorch."""
    for place, interval, (_side, colour) in zip((-0.19, 0.19), (part.from_scratch, part.pytorch), SIDES, strict=True):
        if interval is not None:
            axes.barh(row + place, interval.estimate, height=0.34, color=colour)
            _draw_interval(axes, row + place, interval)


def _note(chain: AblationChain) -> str:
    return (
        f"Lines: 95 % CI over {count(chain.gap.n, 'process replicate')}, all interleaved. Cost of calls: measured with "
        "one hidden unit and one example per batch; rest: what no part explains."
    )
