"""`Chart`: bars on a terminal, with their numbers beside them."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import rich.bar
import rich.table
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.measure import Measurement
from rich.text import Text

from backprop_bench.bench.core.implementations import Family, family
from backprop_bench.bench.report import style
from backprop_bench.bench.report.numbers import clean, shorten

WIDEST = 100
"""Columns of a terminal that a chart takes at most."""
NAME_LETTERS = 32
NARROWEST = 8
"""Columns that bars take at least."""
PLAIN_BAR = "#"
"""What bars are made of where the output has no block characters."""


@dataclass(frozen=True)
class Bar:
    """A row of a chart.

    Attributes
    ----------
    value
        Where the bar ends; NaN for no bar.
    text
        The value as it is written, with its interval.
    kind
        Whose colour it has.
    """

    name: str
    value: float
    text: str
    kind: Family | None = None


@dataclass(frozen=True)
class Chart:
    """Bars on one axis, which is logarithmic where positive values differ by large factors.

    Attributes
    ----------
    write
        How the ends of the axis are written.
    factors
        Whether values are factors, whose bars begin at 1 on a logarithmic axis.
    """

    title: str
    bars: tuple[Bar, ...]
    write: Callable[[float], str]
    factors: bool = False

    @property
    def values(self) -> list[float]:
        """Where there are bars, where they end."""
        return [bar.value for bar in self.bars if math.isfinite(bar.value)]


def own_bar(implementation: str, value: float, text: str, name: str | None = None) -> Bar:
    """Return the bar of an implementation, under its own name or another one."""
    return Bar(name or implementation, value, text, family(implementation))


@dataclass(frozen=True)
class Axis:
    """Scale of the bars."""

    low: float
    high: float
    origin: float
    is_logarithmic: bool

    def place(self, value: float) -> float:
        """Return how far from the left end a value is, from 0 to 1."""
        scale = math.log if self.is_logarithmic else float
        length = scale(self.high) - scale(self.low)
        return (scale(value) - scale(self.low)) / length if length else 0.0


def axis_of(chart: Chart) -> Axis:
    """Return the axis that holds all values of a chart."""
    values = chart.values
    if chart.factors:
        return Axis(min([1.0, *values]), max([1.0, *values]), 1.0, is_logarithmic=True)
    if style.is_wide(values):
        low = 10.0 ** (math.ceil(math.log10(min(values))) - 1)  # below the smallest, so that it has a bar, too
        return Axis(low, max(values), low, is_logarithmic=True)
    return Axis(min([0.0, *values]), max([0.0, *values]), 0.0, is_logarithmic=False)


def chart_to_rich(chart: Chart, width: int) -> Group:
    """Return the chart for a terminal of so many columns; nothing in its names is taken for markup."""
    axis = axis_of(chart)
    shown = rich.table.Table(
        box=None, show_header=False, padding=(0, 1, 0, 0), pad_edge=False, width=min(width, WIDEST)
    )
    shown.add_column(no_wrap=True, overflow="crop")
    shown.add_column(ratio=1, min_width=NARROWEST)
    shown.add_column(no_wrap=True)
    for bar in chart.bars:
        shown.add_row(Text(shorten(bar.name, NAME_LETTERS)), _stroke(axis, bar), Text(bar.text))
    ends = f"from {chart.write(axis.low)} to {chart.write(axis.high)}"
    scale = Text(f"{'Log axis' if axis.is_logarithmic else 'Axis'} {ends}.", style="dim")
    return Group(Text(clean(chart.title), style="bold"), shown, scale)


def _stroke(axis: Axis, bar: Bar) -> "_Stroke | str":
    if not math.isfinite(bar.value):
        return ""
    begin, end = sorted((axis.place(axis.origin), axis.place(bar.value)))
    return _Stroke(begin, end, style.SHADES[bar.kind][1] if bar.kind else "default")


@dataclass(frozen=True)
class _Stroke:
    """The bar itself: of block characters, or of plain ones where the output has no others."""

    begin: float
    end: float
    colour: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if not options.ascii_only:
            yield rich.bar.Bar(1.0, self.begin, self.end, color=self.colour)
            return
        begin, end = (round(place * options.max_width) for place in (self.begin, self.end))
        yield Text(" " * begin + PLAIN_BAR * (end - begin))

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(NARROWEST, options.max_width)
