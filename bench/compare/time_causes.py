"""Figure: from the article's hand-written network to its PyTorch network, what makes an epoch how much faster."""

import math

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from backprop_bench.bench.compare import answer
from backprop_bench.bench.compare.causes import TimeStep, time_steps
from backprop_bench.bench.compare.steps import AS_PUBLISHED, FLOAT32, MINI_BATCHES, PYTORCH_RECIPE
from backprop_bench.bench.compare.verdicts import question_named
from backprop_bench.bench.core.stats.intervals import inverse
from backprop_bench.bench.core.summary import Summary
from backprop_bench.bench.report import style
from backprop_bench.bench.report.drawing import Drawing
from backprop_bench.bench.report.language import _
from backprop_bench.bench.report.numbers import compared, count, has_bounds, in_turn, plain, second_unit, seconds

NAMES, TEXT, ROW, ABOVE, BELOW = 1.75, 2.2, 0.34, 0.12, 0.5
FASTER, SLOWER = "#00735c", "#b3400a"
TIMES = tuple(digit * 10.0**power for power in range(-4, 5) for digit in (1, 3))


def names() -> dict[str, str]:
    """Return what each step is called, by the label of what is timed after it."""
    return {
        MINI_BATCHES: _("mini-batches of 64"),
        FLOAT32: _("float32"),
        PYTORCH_RECIPE: _("loss, biases, inputs"),
        "torch-eager": _("NumPy to PyTorch"),
        "torch-loader": _("DataLoader"),
    }


def missing(summary: Summary) -> str | None:
    """Return why there is nothing to draw."""
    question = question_named(summary, AS_PUBLISHED)
    if question is None:
        return "the article's experiment is not part of this run"
    return None if time_steps(question) else "not every step between the article's two networks was timed"


def draw(summary: Summary, width: float) -> Drawing:
    """Draw a waterfall of speed-ups on a logarithmic axis of seconds."""
    question = question_named(summary, AS_PUBLISHED)
    assert question is not None
    steps = time_steps(question)
    assert steps is not None
    page, title = style.Page(width), _title(steps)
    page.text(title, style.LARGE, weight="bold")
    height = ABOVE + ROW * (len(steps) + 2) + BELOW
    page.band(height, lambda band: _draw(band, steps, width))
    text = _("Layers {layers}. Each row changes one thing more. Speed-ups multiply to the whole; 95 % CI over {n}.")
    note = text.format(layers=answer.layers(summary, question), n=count(steps[0].replicates, "process replicate"))
    page.text(note, style.SMALL, color=style.GREY)
    text = _("{name}: {values}")
    each = in_turn(text.format(name=names()[step.label], values=_change(step)) for step in steps)
    alt = _("{title}. {each}. {note}").format(title=title, each=each, note=note)
    return Drawing("time-causes", title, alt, page.figure())


def _title(steps: list[TimeStep]) -> str:
    largest = max(steps, key=lambda step: abs(math.log(step.speed_up.estimate)))
    value = largest.speed_up.estimate
    text = _("{name}: an epoch is {factor}× faster") if value >= 1 else _("{name}: an epoch is {factor}× slower")
    return text.format(
        name=names()[largest.label][:1].upper() + names()[largest.label][1:], factor=plain(max(value, 1 / value))
    )


def _draw(band: style.Band, steps: list[TimeStep], width: float) -> None:
    wide = width > style.PHONE_INCHES
    left = style.MARGIN + (NAMES if wide else 1.35)
    text = TEXT if wide else 1.05
    axes = band.axes(left, width - style.MARGIN - left - text, ABOVE, BELOW)
    labels = [_("from scratch"), *(names()[step.label] for step in steps), "PyTorch"]
    style.name_rows(axes, labels)
    start = steps[0].wall_s * steps[0].speed_up.estimate
    axes.set_xscale("log")
    places = [start]
    for row, step in enumerate(steps, start=1):
        places.append(places[-1] / step.speed_up.estimate)
        low, high = sorted(places[-2:])
        axes.barh(row, high - low, 0.56, low, color=FASTER if step.speed_up.estimate > 1 else SLOWER)
        if has_bounds(step.speed_up):
            ends = [places[-2] / bound for bound in (step.speed_up.high, step.speed_up.low)]
            axes.plot(ends, [row, row], color=style.INK, linewidth=1.4)
    style.waterfall_frame(axes, places)
    _axis(axes, places, wide)
    changes = [_change(step) if wide else _short(step) for step in steps]
    style.row_texts(axes, 0.1, "", [seconds(start), *changes, seconds(places[-1])])


def _change(step: TimeStep) -> str:
    return compared(inverse(step.speed_up), answer.DIGITS)


def _short(step: TimeStep) -> str:
    """Return the change without its interval, which is drawn."""
    value = step.speed_up.estimate
    text = _("{factor}× faster{interval}") if value >= 1 else _("{factor}× slower{interval}")
    return text.format(factor=plain(max(value, 1 / value)), interval="")


def _axis(axes: Axes, ends: list[float], wide: bool) -> None:
    low, high = min(ends) / 1.3, max(ends) * 1.3
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(FixedLocator([time for time in TIMES[:: 1 if wide else 2] if low <= time <= high]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _written(value)))
    axes.set_xlabel(_("wall time per epoch, log axis"))


def _written(value: float) -> str:
    scale, unit = second_unit(value)
    return f"{value / scale:.3g} {unit}"
