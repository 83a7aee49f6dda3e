"""The map of who is ahead where: sentences, a table, and a figure with a row per axis and a cell per place."""

import math
from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from backprop_bench.bench.report import style
from backprop_bench.bench.report.drawing import Drawing
from backprop_bench.bench.report.numbers import ABSENT, at_least_one, compared, count, listing, named, plain, speed
from backprop_bench.bench.report.table import Table, make_table
from backprop_bench.bench.scaling.analysis import Lead, Scaling

LEFT, WIDEST, ROW = 1.55, 1.6, 0.62
"""Inches: for the names of the axes, of a cell at most, and the height of a row."""
LEGEND = 0.45
STRONGEST = 8.0
"""Factor from which on a colour is as strong as it gets."""
CHANGES = (
    "Each place changes one thing of the shared recipe: one hidden layer of 128 units, batches of 64, float32, plain "
    "gradient descent. Optimizers have learning rates of their own."
)
AHEAD, BEHIND, EQUAL = "Oranges", "Blues", "#d8dee4"


def leads_of(scalings: Sequence[Scaling]) -> list[tuple[Scaling, Lead]]:
    """Return the leads along all axes, each setting once; none where no place has both sides."""
    leads: dict[object, tuple[Scaling, Lead]] = {}
    for scaling in scalings:
        for lead in scaling.leads:
            leads.setdefault(lead.setting, (scaling, lead))
    return list(leads.values()) if any(lead.is_timed for _, lead in leads.values()) else []


def lead_sentences(scalings: Sequence[Scaling]) -> list[str]:
    """Return at how many places code from scratch is ahead, where the lead is smallest, and where there is none."""
    leads = leads_of(scalings)
    ahead = [item for item in leads if item[1].is_ahead]
    sentences = [_ahead(leads)] if leads else []
    if ahead:
        scaling, lead = max(ahead, key=lambda item: item[1].ratio.estimate)
        sentences.append(f"The smallest lead: {_sentence(scaling, lead)}")
    sentences += [_sentence(scaling, lead) for scaling, lead in leads if lead.is_behind]
    missing = [scaling.where(lead.label) for scaling, lead in leads if not lead.is_timed]
    return [*sentences, f"Not timed on both sides: {listing(missing)}."] if missing else sentences


def _ahead(leads: Sequence[tuple[Scaling, Lead]]) -> str:
    n_ahead = sum(lead.is_ahead for _, lead in leads)
    return f"Code from scratch is ahead of the fastest framework at {n_ahead} of {count(len(leads), 'place')}."


def _sentence(scaling: Scaling, lead: Lead) -> str:
    return f"{speed(named(lead.scratch), named(lead.framework), lead.ratio)}, at {scaling.where(lead.label)}."


def lead_tables(scalings: Sequence[Scaling]) -> list[Table]:
    """Return a table with a row per place; none where one side was not timed."""
    rows = [
        [scaling.counted, lead.label, lead.scratch or ABSENT, lead.framework or ABSENT, compared(lead.ratio)]
        for scaling, lead in leads_of(scalings)
    ]
    columns = ["<along", "place", "<fastest from scratch", "<fastest framework", "from scratch is"]
    note = f"In brackets: 95 % CI over process replicates. {CHANGES}"
    return [make_table("Who is ahead where", columns, rows, note)] if rows else []


def draw_map(scalings: Sequence[Scaling]) -> list[Drawing]:
    """Draw a cell per place: who is ahead, and by how much; nothing where one side was not timed."""
    shown = [scaling for scaling in scalings if scaling.leads]
    if not leads_of(shown):
        return []
    with style.look():
        page, title = style.Page(), _title(shown)
        most = max(len(scaling.leads) for scaling in shown)
        cell = min(WIDEST, (style.PAGE_INCHES - LEFT - style.MARGIN) / most)
        page.heading(title, "Who is ahead where: the fastest from scratch against the fastest framework")
        for scaling in shown:
            page.band(ROW, lambda band, scaling=scaling: _draw_row(band, scaling, cell))  # type: ignore[misc]
        page.band(LEGEND, _legend)
        page.text(_note(), style.SMALL, color=style.GREY)
        alt = " ".join([f"{title}.", *lead_sentences(shown)])
        return [Drawing("who-is-ahead", title, alt, page.figure())]


def _title(scalings: Sequence[Scaling]) -> str:
    leads = leads_of(scalings)
    n_ahead = sum(lead.is_ahead for _, lead in leads)
    if n_ahead == len(leads):
        return "Code from scratch is ahead of every framework at every place"
    return f"Code from scratch is ahead of every framework at {n_ahead} of {count(len(leads), 'place')}"


def _draw_row(band: style.Band, scaling: Scaling, cell: float) -> None:
    lines = style.small_lines(scaling.counted, LEFT - style.MARGIN - 0.1)
    band.write(style.MARGIN, ROW / 2, "\n".join(lines), va="center", fontsize=style.SMALL)
    axes = band.axes(LEFT, cell * len(scaling.leads), 0.03, 0.03)
    axes.set_axis_off()
    axes.set_xlim(0, len(scaling.leads))
    axes.set_ylim(1, 0)
    for number, lead in enumerate(scaling.leads):
        _draw_cell(axes, number, lead)


def _draw_cell(axes: Axes, number: int, lead: Lead) -> None:
    colour = colour_of(lead)
    ink = style.text_on(colour)
    axes.add_patch(Rectangle((number + 0.02, 0), 0.96, 1, facecolor=colour, edgecolor="none"))
    for height, text, size in (
        (0.2, lead.label, style.SMALL - 1),
        (0.52, factor_of(lead), style.NORMAL),
        (0.83, style.short_name(lead.framework or ABSENT, 13), style.SMALL - 1.5),
    ):
        weight = "bold" if size == style.NORMAL else "normal"
        axes.text(number + 0.5, height, text, ha="center", va="center", fontsize=size, color=ink, weight=weight)


def factor_of(lead: Lead) -> str:
    """Return by how much the code from scratch is ahead, or behind: "6.1×", "1.2× slower", "n.s."; "–" not timed."""
    if not lead.is_timed:
        return ABSENT
    if not (lead.is_ahead or lead.is_behind):
        return "n.s."
    factor = at_least_one(lead.ratio).estimate
    return f"{plain(factor, 1 if factor < 10 else 0)}×{' slower' if lead.is_behind else ''}"


def colour_of(lead: Lead) -> str:
    """Return the colour of a lead: orange ahead, blue behind, the stronger the larger the factor; grey for neither."""
    if not (lead.is_ahead or lead.is_behind):
        return EQUAL
    strength = min(1.0, abs(math.log(lead.ratio.estimate)) / math.log(STRONGEST))
    return str(to_hex(mpl.colormaps[AHEAD if lead.is_ahead else BEHIND](0.15 + 0.7 * strength)))


def _legend(band: style.Band) -> None:
    axes = band.axes(LEFT, style.PAGE_INCHES - LEFT - style.MARGIN, 0.12, 0.08)
    axes.set_axis_off()
    axes.set_xlim(0, 8)
    axes.set_ylim(1, 0)
    kinds = (
        (mpl.colormaps[AHEAD](0.5), "from scratch is ahead"),
        (mpl.colormaps[BEHIND](0.5), "the framework is ahead"),
        (EQUAL, "no significant difference (n.s.)"),
    )
    for number, (colour, text) in enumerate(kinds):
        axes.add_patch(Rectangle((2.7 * number, 0.15), 0.3, 0.7, facecolor=colour, edgecolor="none"))
        axes.text(2.7 * number + 0.4, 0.5, text, va="center", fontsize=style.SMALL)


def _note() -> str:
    cell = "In a cell: the place, the factor, and the fastest framework there. All at a place are timed interleaved."
    return f"{cell} {CHANGES}"
