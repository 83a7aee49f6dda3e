"""All figures of a run. A new one is a module with `missing` and `draw`, and a line in `FIGURES`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from backprop_bench.bench.compare import headline, learning_curves, ratios, step_parts
from backprop_bench.bench.core.summary import Summary
from backprop_bench.bench.predictions import confusion, disagreements, hidden_units, most_confident_errors
from backprop_bench.bench.report import style
from backprop_bench.bench.report.drawing import Drawing, FigureFile, save


@dataclass(frozen=True)
class FigureKind:
    """A figure that a run may have."""

    name: str
    missing: Callable[[Summary], str | None]
    """Why a run does not have it; None where it does."""
    draw: Callable[[Summary], Drawing]


FIGURES = (
    FigureKind("headline", headline.missing, headline.draw),
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
        drawings = [kind.draw(summary) for kind in FIGURES if kind.missing(summary) is None]
    return [save(drawing, folder) for drawing in drawings]


def left_out(summary: Summary) -> dict[str, str]:
    """Return why each figure that `draw_all` leaves out is left out, by name of the figure."""
    reasons = {kind.name: kind.missing(summary) for kind in FIGURES}
    return {name: reason for name, reason in reasons.items() if reason is not None}
