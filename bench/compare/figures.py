"""All figures of a run. A new one is a module with `missing` and `draw`, and a line in `MAIN` or `FURTHER`."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from backprop_bench.bench.compare import (
    accuracy_causes,
    accuracy_over_time,
    checks_figure,
    epoch_times,
    learning_curves,
    overview,
    ratios,
    step_parts,
    time_causes,
)
from backprop_bench.bench.core.summary import Summary
from backprop_bench.bench.predictions import confusion, disagreements, hidden_units, most_confident_errors
from backprop_bench.bench.report import style
from backprop_bench.bench.report.drawing import Drawing, FigureFile, save, save_translated


@dataclass(frozen=True)
class MainFigure:
    """A figure that is drawn for the width of a desktop and for that of a phone."""

    name: str
    missing: Callable[[Summary], str | None]
    """Why a run does not have it; None where it does."""
    draw: Callable[[Summary, float], Drawing]
    """From the summary and the width in inches."""


@dataclass(frozen=True)
class FigureKind:
    """A figure of the appendix."""

    name: str
    missing: Callable[[Summary], str | None]
    draw: Callable[[Summary], Drawing]


MAIN = (
    MainFigure("overview", overview.missing, overview.draw),
    MainFigure("accuracy-over-time", accuracy_over_time.missing, accuracy_over_time.draw),
    MainFigure("epoch-times", epoch_times.missing, epoch_times.draw),
    MainFigure("time-causes", time_causes.missing, time_causes.draw),
    MainFigure("accuracy-causes", accuracy_causes.missing, accuracy_causes.draw),
    MainFigure("checks", checks_figure.missing, checks_figure.draw),
)
FURTHER = (
    FigureKind("ratios", ratios.missing, ratios.draw),
    FigureKind("learning-curves", learning_curves.missing, learning_curves.draw),
    FigureKind("step-parts", step_parts.missing, step_parts.draw),
    FigureKind("confusion", confusion.missing, confusion.draw),
    FigureKind("disagreements", disagreements.missing, disagreements.draw),
    FigureKind("most-confident-errors", most_confident_errors.missing, most_confident_errors.draw),
    FigureKind("hidden-units", hidden_units.missing, hidden_units.draw),
)


def draw_all(summary: Summary, folder: Path) -> list[FigureFile]:
    """Write every figure that the run has numbers for, as PNG and SVG; the same numbers give the same bytes.

    Raises
    ------
    InputError
        When a file cannot be written.
    """
    with style.look():
        drawings = [kind.draw(summary) for kind in FURTHER if kind.missing(summary) is None]
        both = _draw_main(summary)
    return [save(wide, folder, narrow) for wide, narrow in both] + [save(drawing, folder) for drawing in drawings]


def draw_translated(summary: Summary, folder: Path, figures: Mapping[str, FigureFile]) -> list[FigureFile]:
    """Write the figures of the main part in the language that is spoken, as SVG.

    Parameters
    ----------
    figures
        What :func:`draw_all` has written, by name.

    Raises
    ------
    InputError
        When a file cannot be written.
    """
    with style.look():
        both = _draw_main(summary)
    return [save_translated(figures[wide.name], wide, narrow, folder) for wide, narrow in both]


def _draw_main(summary: Summary) -> list[tuple[Drawing, Drawing]]:
    """Draw the figures of the main part, each for a desktop and for a phone."""
    return [
        (kind.draw(summary, style.PAGE_INCHES), kind.draw(summary, style.PHONE_INCHES))
        for kind in MAIN
        if kind.missing(summary) is None
    ]


def drawable(summary: Summary) -> Mapping[str, Callable[[], Drawing]]:
    """Return what draws each figure that the run has numbers for, as wide as a page, by name of the figure."""
    main: dict[str, Callable[[], Drawing]] = {
        kind.name: functools.partial(kind.draw, summary, style.PAGE_INCHES)
        for kind in MAIN
        if kind.missing(summary) is None
    }
    return main | {
        kind.name: functools.partial(kind.draw, summary) for kind in FURTHER if kind.missing(summary) is None
    }


def left_out(summary: Summary) -> dict[str, str]:
    """Return why each figure that `draw_all` leaves out is left out, by name of the figure."""
    reasons = {kind.name: kind.missing(summary) for kind in (*MAIN, *FURTHER)}
    return {name: reason for name, reason in reasons.items() if reason is not None}
