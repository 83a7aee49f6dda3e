"""The figures of the slides, from the numbers of a run: each is a group of shapes."""

import itertools
import math
from collections.abc import Sequence

from backprop_bench.bench.compare import answer, time_causes
from backprop_bench.bench.compare.causes import TimeStep
from backprop_bench.bench.core.stats.intervals import inverse
from backprop_bench.bench.core.summary import Performance
from backprop_bench.bench.report import style
from backprop_bench.bench.report.language import _
from backprop_bench.bench.report.numbers import compared, has_bounds, seconds, seconds_interval
from backprop_bench.bench.slides.shapes import Box, Group, row_boxes, text_width
from backprop_bench.bench.slides.values import plainly

GAP = 0.15
"""Inches between names, bars and numbers."""
MOST_ROWS = 9
ROW = 0.8
"""Inches of a row at most."""
BAR = 0.66
"""Height of a bar as a share of its row's."""
TICKS = (1.0, 3.0)
"""First digits of the ticks of a logarithmic axis."""
UNITS = (4, 5, 3)
"""Inputs, hidden units and outputs of the network that is drawn."""
PAIRS, SLOW = 8, (0.62, 0.94)
"""Blocks of each in the figure of blocks, and where it is slow there, as shares of the time."""
A, B = style.SHADES["from scratch"][0], style.SHADES["PyTorch"][0]


def times(name: str, alt: str, box: Box, performances: Sequence[Performance]) -> str:
    """Draw a bar from zero for each implementation, with its interval, the fastest first."""
    shown = performances[:MOST_ROWS]
    names = list(map(plainly, shown))
    texts = [seconds_interval(item.wall_s) for item in shown]
    group = Group(name, alt, box)
    bars, rows = _columns(group, box, names, texts, len(shown))
    longest = max(item.wall_s.high if has_bounds(item.wall_s) else item.wall_s.estimate for item in shown)
    for item, row in zip(shown, rows, strict=True):
        wide = bars.width / longest
        group.rectangle(_bar(row, bars.left, wide * item.wall_s.estimate), style.colour(item.implementation))
        if has_bounds(item.wall_s):
            _whisker(group, row, bars.left + wide * item.wall_s.low, bars.left + wide * item.wall_s.high)
    return group.to_xml()


def causes(alt: str, box: Box, steps: Sequence[TimeStep]) -> str:
    """Draw a waterfall of speed-ups on a logarithmic axis of seconds, from the one network to the other."""
    start = steps[0].wall_s * steps[0].speed_up.estimate
    ends = list(itertools.accumulate((step.speed_up.estimate for step in steps), lambda at, by: at / by, initial=start))
    labels = time_causes.names()
    names = [_("from scratch"), *(labels[step.label] for step in steps), "PyTorch"]
    changes = [compared(inverse(step.speed_up), answer.DIGITS) for step in steps]
    group = Group("time-causes", alt, box)
    bars, rows = _columns(group, box, names, [seconds(start), *changes, seconds(ends[-1])], len(names) + 2)
    axis = _LogAxis(min(ends) / 1.15, max(ends) * 1.15, bars)
    for row, end in ((rows[0], ends[0]), (rows[len(names) - 1], ends[-1])):
        _dot(group, axis.place(end), row)
    for number, (step, row) in enumerate(zip(steps, rows[1:], strict=False)):
        low, high = sorted(map(axis.place, ends[number : number + 2]))
        colour = time_causes.FASTER if step.speed_up.estimate > 1 else time_causes.SLOWER
        group.rectangle(_bar(row, low, high - low), colour)
        if has_bounds(step.speed_up):
            bounds = step.speed_up.high, step.speed_up.low
            _whisker(group, row, *(axis.place(ends[number] / bound) for bound in bounds))
    axis.draw(group, rows[len(names)], _("wall time per epoch, log axis"), rows[len(names) + 1])
    return group.to_xml()


class _LogAxis:
    """A logarithmic axis of seconds along the bars."""

    def __init__(self, low: float, high: float, bars: Box) -> None:
        self._low, self._high, self._bars = low, high, bars

    def place(self, value: float) -> float:
        """Return the inches from the left of the slide."""
        share = math.log(value / self._low) / math.log(self._high / self._low)
        return self._bars.left + share * self._bars.width

    def draw(self, group: Group, ticks: Box, label: str, below: Box) -> None:
        """Draw the axis with its ticks in one row, and what it is of in the next one."""
        bars = self._bars
        group.line((bars.left, ticks.top), (bars.left + bars.width, ticks.top), style.GREY)
        places = [digit * 10.0**power for power in range(-6, 6) for digit in TICKS]
        shown = [value for value in places if self._low <= value <= self._high]
        for value in shown[:: math.ceil(len(shown) / 4) or 1]:
            at = self.place(value)
            group.line((at, ticks.top), (at, ticks.top + 0.06), style.GREY)
            text = f"{value * 1000:.3g} ms" if value < 1 else f"{value:.3g} s"
            group.write(Box(at - 0.5, ticks.top + 0.06, 1.0, ticks.height), text, "ctr", colour=style.GREY)
        group.write(Box(bars.left, below.top, bars.width, below.height), label, "ctr", colour=style.GREY)


def network(alt: str, box: Box) -> str:
    """Draw a network of one hidden layer with the names of its quantities."""
    group, high = Group("network", alt, box), 0.5
    columns = [box.left + box.width * share for share in (0.15, 0.5, 0.85)]
    space = (box.height - high) / max(UNITS)
    middle = box.top + high + (box.height - high) / 2
    layers = [
        [(x, middle + space * (unit - (n - 1) / 2)) for unit in range(n)] for x, n in zip(columns, UNITS, strict=True)
    ]
    for before, after in itertools.pairwise(layers):
        for start, end in itertools.product(before, after):
            group.line(start, end, style.FAINT, 1.5)
    for layer, colour in zip(layers, (style.GREY, A, B), strict=True):
        for x, y in layer:
            group.ellipse(Box(x - 0.16, y - 0.16, 0.32, 0.32), colour)
    for place, (name, subscript) in enumerate((("x", "i"), ("w", "ij"), ("y", "j"), ("w", "jk"), ("o", "k"))):
        x = columns[0] + (columns[1] - columns[0]) * place / 2
        group.write(Box(x - 0.5, box.top, 1.0, high), name, "ctr", 24, subscript=subscript)
    return group.to_xml()


def blocks(alt: str, box: Box, labels: Sequence[str]) -> str:
    """Draw blocks of two implementations along time: in two runs, and interleaved.

    Parameters
    ----------
    labels
        What the first row is, what the second is, and what the grey stretch is.
    """
    group, separate, interleaved = Group("blocks", alt, box), "A" * PAIRS + "B" * PAIRS, "ABBABAABBAABABAB"
    left = box.left + max(map(text_width, labels[:2])) + GAP
    width = box.left + box.width - left
    high, between = 0.2 * box.height, 0.36 * box.height
    tops = [box.top + 0.28 * box.height, box.top + 0.28 * box.height + between]
    slow = Box(
        left + SLOW[0] * width,
        box.top + 0.2 * box.height,
        (SLOW[1] - SLOW[0]) * width,
        between + high + 0.16 * box.height,
    )
    group.rectangle(slow, style.FAINT)
    group.write(Box(slow.left, box.top, slow.width, 0.2 * box.height), labels[2], "ctr", colour=style.GREY)
    for top, label, order in zip(tops, labels[:2], (separate, interleaved), strict=True):
        group.write(Box(box.left, top, left - box.left, high), label)
        for number, letter in enumerate(order):
            one = Box(left + width * number / len(order), top, 0.9 * width / len(order), high)
            group.rectangle(one, A if letter == "A" else B)
            group.write(one, letter, "ctr", colour="#ffffff")
    return group.to_xml()


def _columns(
    group: Group, box: Box, names: Sequence[str], texts: Sequence[str], n_rows: int
) -> tuple[Box, Sequence[Box]]:
    """Write names on the left and numbers on the right of rows; returns what is between, and the rows."""
    high = Box(box.left, box.top, box.width, min(box.height, ROW * n_rows))
    left, right = max(map(text_width, names)) + GAP, max(map(text_width, texts)) + GAP
    rows = row_boxes(high, n_rows)
    for row, name, text in zip(rows, names, texts, strict=False):
        group.write(Box(row.left, row.top, left - GAP, row.height), name)
        group.write(Box(row.left + row.width - right + GAP, row.top, right - GAP, row.height), text)
    return Box(high.left + left, high.top, high.width - left - right, high.height), rows


def _bar(row: Box, left: float, width: float) -> Box:
    return Box(left, row.top + (1 - BAR) / 2 * row.height, width, BAR * row.height)


def _whisker(group: Group, row: Box, low: float, high: float) -> None:
    middle = row.top + row.height / 2
    group.line((low, middle), (high, middle), style.INK, 2.0)


def _dot(group: Group, at: float, row: Box) -> None:
    group.ellipse(Box(at - 0.07, row.top + row.height / 2 - 0.07, 0.14, 0.14), style.GREY)
