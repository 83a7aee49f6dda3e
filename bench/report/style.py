"""One look for all figures: colours, markers, letters, and a page that is filled from the top."""

import contextlib
import io
import re
import textwrap
import unicodedata
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from backprop_bench.bench.core.implementations import family
from backprop_bench.bench.core.summary import Performance
from backprop_bench.bench.report import numbers
from backprop_bench.bench.report.language import spoken

INK, GREY, FAINT = "#1b1f24", "#57606a", "#d8dee4"
SMALL, NORMAL, LARGE = 8.5, 9.5, 12.0
"""Sizes of letters in points."""

PAGE_INCHES, PHONE_INCHES = 10.5, 3.9
"""Widths of figures. At 96 pixels an inch, letters have the size of the page's own."""
PAGE_PIXELS = 96
"""Of a page, per inch."""
MARGIN = 0.25
NARROW_MARGIN = 0.08
"""Above and below a figure for a phone."""
NAME_LETTERS = 22
LOG_FROM = 5.0
"""An axis of times is logarithmic from this ratio of the largest to the smallest on."""
NEAR = 40
"""Ratio of the largest to the smallest value up to which a logarithmic axis has two ticks a decade, else one."""

SHADES = {
    "from scratch": ("#b3400a", "#e8743b", "#7a2a05", "#f2a154"),
    "PyTorch": ("#0a5fa8", "#4a9fe0", "#06365f", "#8fb8de"),
    "peer": ("#00735c", "#3fb28f", "#5b6b2f", "#98a832"),
}
"""Orange, blue and green of one family each, told apart by lightness; safe for the common colour blindnesses."""

MARKERS = {"from scratch": "oDhp", "PyTorch": "sPXd", "peer": "^v<>"}
OTHER_MARKERS = "v^<>*8H"
DASHES = ("-", "--", "-.", ":")
PLACES = {
    "scratch-numpy": 0,
    "scratch-inplace": 1,
    "scratch-python": 2,
    "scratch-c": 2,
    "scratch-compiled": 3,
    "scratch-cuda": 1,
    "torch-eager": 0,
    "torch-loader": 1,
    "torch-fused": 1,
    "torch-compile": 2,
    "torch-cuda-graph": 3,
    "sklearn": 0,
    "jax": 1,
    "keras": 2,
    "tinygrad": 3,
}
"""Which shade, marker and dash of its family an implementation has; other names get theirs from their letters."""

PART_COLOURS = {"fetch": "#c9c9c9", "forward": "#56b4e9", "backward": "#0072b2", "update": "#e69f00"}
OTHER_PART_COLOURS = ("#cc79a7", "#009e73", "#f0e442", "#d55e00")

LOOK: dict[Any, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": NORMAL,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.labelsize": NORMAL,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.7,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": NORMAL,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.fonttype": "path",
    "svg.hashsalt": "backprop-bench",
}


CHINESE: dict[Any, Any] = {
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans", "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", "sans-serif"],
    "svg.fonttype": "none",
}
"""Text stays text, in a font of the reader: no font that is here has the letters."""
WIDE_LETTERS = "WF"
"""Letters of these classes of Unicode are as wide as they are high."""
UNITS = re.compile(r"[\u3001\u3002\u3400-\u9fff\uff00-\uffef]\s*|[^\s\u3001\u3002\u3400-\u9fff\uff00-\uffef]+\s*")
"""A Chinese letter or mark, or a word: between two of them a line may end."""
NOT_FIRST = "，。；：、）？！”"
"""With these no line begins."""


@contextlib.contextmanager
def look(as_text: bool = False) -> Iterator[None]:
    """Draw and write figures in the suite's look, whatever the user's own settings are, which come back after it.

    Parameters
    ----------
    as_text
        Whether letters in SVG are text, as they always are in Chinese; else they are outlines.
    """
    defaults: dict[Any, Any] = {
        key: value for key, value in mpl.rcParamsDefault.items() if not key.startswith("backend")
    }
    own = CHINESE if spoken() == "zh" else {}
    letters: dict[Any, Any] = {"svg.fonttype": "none"} if as_text else {}
    with mpl.rc_context({**defaults, **LOOK, **letters, **own}), warnings.catch_warnings():
        if own:
            warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        yield


def place(implementation: str) -> int:
    """Return the place of an implementation among the shades of its family, the same in every figure."""
    known = PLACES.get(implementation)
    return zlib.crc32(implementation.encode()) % len(DASHES) if known is None else known


def colour(implementation: str) -> str:
    """Return the colour of an implementation."""
    return SHADES[family(implementation)][place(implementation)]


def text_colour(implementation: str) -> str:
    """Return the colour of an implementation for words: where its own is too light to be read, its family's first."""
    own = colour(implementation)
    return own if text_on(own) == "white" else SHADES[family(implementation)][0]


def marker(implementation: str) -> str:
    """Return the marker of an implementation."""
    if implementation in PLACES:
        return MARKERS[family(implementation)][place(implementation)]
    return OTHER_MARKERS[zlib.crc32(implementation.encode()) // len(DASHES) % len(OTHER_MARKERS)]


def dash(implementation: str) -> str:
    """Return the line style of an implementation."""
    return DASHES[place(implementation)]


def part_colours(parts: list[str]) -> dict[str, str]:
    """Return a colour for every part of a training step."""
    others = [part for part in parts if part not in PART_COLOURS]
    colours = {part: OTHER_PART_COLOURS[index % len(OTHER_PART_COLOURS)] for index, part in enumerate(others)}
    return colours | {part: PART_COLOURS[part] for part in parts if part in PART_COLOURS}


def text_on(background: str) -> str:
    """Return black or white, whichever is easier to read on a colour such as "#0072b2"."""
    red, green, blue = (int(background[start : start + 2], 16) / 255 for start in (1, 3, 5))
    return INK if 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2 > 0.18 else "white"


@dataclass(frozen=True)
class Band:
    """A horizontal band of a figure. Places are inches from its left and upper edges."""

    figure: Figure
    top: float
    height: float

    def axes(self, left: float, width: float, above: float = 0.0, below: float = 0.0) -> Axes:
        """Return axes that fill the band's height but for what is left above and below them."""
        page_width, page_height = self.figure.get_size_inches()
        bottom = page_height - self.top - self.height + below
        height = self.height - above - below
        return self.figure.add_axes((left / page_width, bottom / page_height, width / page_width, height / page_height))

    def write(self, x: float, y: float, text: str, **style: Any) -> None:
        """Write text with its upper left corner there."""
        page_width, page_height = self.figure.get_size_inches()
        style = {"va": "top", "fontsize": NORMAL, **style}
        self.figure.text(x / page_width, 1 - (self.top + y) / page_height, text, **style)


class PageFigure(Figure):
    """A figure that a notebook shows as large as a page does, and in words: those of its label."""

    def _repr_png_(self) -> tuple[bytes, dict[str, object]]:
        buffer = io.BytesIO()
        with look():
            self.savefig(buffer, format="png", dpi=2 * PAGE_PIXELS)
        return buffer.getvalue(), {"width": round(PAGE_PIXELS * self.get_figwidth()), "alt": self.get_label()}


class Page:
    """A figure under construction: bands from the top downwards, as high as what stands in them.

    Parameters
    ----------
    width
        In inches; :data:`PHONE_INCHES` for a page on a phone.
    """

    def __init__(self, width: float = PAGE_INCHES) -> None:
        self.width = width
        self._bands: list[tuple[float, Callable[[Band], None]]] = []

    def text(self, text: str, size: float = NORMAL, after: float = 0.06, **style: Any) -> None:
        """Add a paragraph, broken into lines that fit."""
        wide = 0.64 if style.get("weight") == "bold" else 0.55
        lines = _lines(text, (self.width - 2 * MARGIN) * 72 / size, wide)
        height = len(lines) * size * 1.35 / 72 + after
        self.band(
            height, lambda band: band.write(MARGIN, 0, "\n".join(lines), fontsize=size, linespacing=1.25, **style)
        )

    def heading(self, title: str, question: str) -> None:
        """Begin the part about a question: what one sees, and the question's own title."""
        if self._bands:
            self.band(0.3, lambda _: None)
        self.text(title, LARGE, weight="bold")
        self.text(numbers.clean(question), color=GREY, after=0.1)

    def band(self, height: float, draw: Callable[[Band], None]) -> None:
        """Add a band of this height in inches, which `draw` fills."""
        self._bands.append((height, draw))

    def figure(self) -> Figure:
        """Return the finished figure."""
        top = MARGIN if self.width > PHONE_INCHES else NARROW_MARGIN
        figure = PageFigure(figsize=(self.width, sum(height for height, _ in self._bands) + 2 * top))
        FigureCanvasAgg(figure)
        for height, draw in self._bands:
            draw(Band(figure, top, height))
            top += height
        return figure


def _lines(text: str, width: float, latin: float) -> list[str]:
    """Break text into lines that are at most so many ems wide, a Latin letter as wide as `latin`."""
    if not any(map(_is_wide, text)):
        return textwrap.wrap(text, int(width / latin), break_on_hyphens=False)
    lines = [""]
    for unit in UNITS.findall(text):
        line = lines[-1] + unit
        ems = sum(1.0 if _is_wide(letter) else latin for letter in line.rstrip())
        if lines[-1] and ems > width - 1 and unit.strip() not in NOT_FIRST:  # a mark may hang over by its own width
            lines.append(unit)
        else:
            lines[-1] = line
    return [line.rstrip() for line in lines]


def _is_wide(letter: str) -> bool:
    return unicodedata.east_asian_width(letter) in WIDE_LETTERS


def short_name(name: str, letters: int = NAME_LETTERS) -> str:
    """Return a name shortened for figures."""
    return numbers.shorten(name, letters)


def small_lines(text: str, width: float) -> list[str]:
    """Break text in small letters into lines that fit in so many inches."""
    return _lines(text, width * 72 / SMALL, 0.55)


def name_rows(
    axes: Axes,
    names: Sequence[str],
    labelled: bool = True,
    letters: int = NAME_LETTERS,
    plain: Sequence[str | None] = (),
) -> None:
    """Make the vertical axis one of named rows, the first one on top.

    Parameters
    ----------
    letters
        Of a name at most.
    plain
        What each row is called for people, above its name; ``None`` for one that has no other name.
    """
    labels = [short_name(name, letters) for name in names]
    for row, name in enumerate(plain):
        labels[row] = labels[row] if name is None else f"{name}\n{labels[row]}"
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), labels if labelled else [])
    if any(plain):
        axes.tick_params(axis="y", labelsize=SMALL)
    axes.tick_params(axis="y", length=0, pad=6)
    axes.grid(visible=False, axis="y")


def row_texts(axes: Axes, offset_inches: float, header: str, texts: list[str]) -> None:
    """Write one text per row in a column to the right of the axes, under a header."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    width = axes.get_position().width * figure.get_size_inches()[0]
    x = 1 + offset_inches / width
    transform = axes.get_yaxis_transform()
    for row, text in enumerate(texts):
        axes.text(x, row, text, transform=transform, va="center", fontsize=NORMAL)
    axes.annotate(
        header, (x, 1), (0, 5), xycoords="axes fraction", textcoords="offset points", fontsize=SMALL, color=GREY
    )


def waterfall_frame(axes: Axes, places: Sequence[float]) -> None:
    """Draw both ends of a waterfall in the first and last row, and what leads from every bar to the next.

    Parameters
    ----------
    places
        Where it begins, and where each bar ends.
    """
    for row, place in ((0, places[0]), (len(places), places[-1])):
        axes.plot([place], [row], "o", color=GREY, markersize=7)
    for row, place in enumerate(places):
        axes.plot([place, place], [row, row + 1], color=GREY, linewidth=0.8)


def steady(performances: Sequence[Performance]) -> Sequence[Performance]:
    """Return the performances that decide an axis of accuracies: those that never diverged, where there are any."""
    return [performance for performance in performances if not performance.diverged] or performances


def is_wide(values: list[float]) -> bool:
    """Say whether positive values need a logarithmic axis."""
    return bool(values) and min(values) > 0 and max(values) / min(values) > LOG_FROM


def time_axis(axes: Axes, values: list[float], label: str) -> None:
    """Make the horizontal axis one of seconds: from zero, or logarithmic where the values differ by large factors."""
    if is_wide(values):
        axes.set_xscale("log")
        near = max(values) / min(values) < NEAR
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0) if near else (1.0,), numticks=6))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlim(min(values) / 1.4, max(values) * 1.4)
    else:
        axes.set_xlim(0, 1.12 * max(values, default=1.0))
        axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short_seconds(value)))
    axes.set_xlabel(f"{label}, log axis" if is_wide(values) else label)


def _short_seconds(value: float) -> str:
    scale, unit = numbers.second_unit(value)
    return f"{value / scale:.4g} {unit}"
