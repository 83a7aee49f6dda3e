"""Figure: confusion matrices, side by side."""

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_hex

from backprop_bench.bench.core.network import LabelledExamples, TrainedNetwork
from backprop_bench.bench.core.summary import Summary
from backprop_bench.bench.predictions.analysis import Confusion, confusion_matrix, worst_confusions
from backprop_bench.bench.predictions.view import (
    MOST_CLASSES,
    Shown,
    class_name,
    examples_of,
    missing_examples,
    n_wrong,
    shown,
)
from backprop_bench.bench.report import style
from backprop_bench.bench.report.drawing import Drawing
from backprop_bench.bench.report.numbers import count, named, percent

SIDE, LEFT, PANEL = 3.95, 0.95, 5.05
"""Inches of a matrix, of what is to the left of it, and from one to the next."""
ABOVE, BELOW = 0.28, 0.5
LONG_LABEL = 3
"""Letters from which on labels below the matrix are turned."""
ERRORS = LinearSegmentedColormap.from_list("errors", ["#ffffff", "#e7a8c9", "#8e2a6b"])
RIGHT = "#e6e9ed"

DIGIT = 0.64
"""Width of a digit by the size of its letters."""

Matrix = npt.NDArray[np.int64]


def missing(summary: Summary) -> str | None:
    """Return why there is nothing to draw."""
    examples = examples_of(summary)
    if examples is None or missing_examples(summary) is not None:
        return missing_examples(summary)
    if len(examples.names) > MOST_CLASSES:
        return f"{len(examples.names)} classes are too many for a matrix; the most frequent confusions are in a table"
    return None


def draw(summary: Summary) -> Drawing:
    """Draw one band per question: the network from scratch on the left, the PyTorch network on the right."""
    examples = examples_of(summary)
    assert examples is not None
    page, alts, titles = style.Page(), [], []
    for one in shown(summary):
        matrices = [confusion_matrix(examples.labels, network.predicted, len(examples.names)) for network in one.pair]
        titles.append(_title(examples, one, matrices))
        page.heading(titles[-1], one.subtitle)
        height = ABOVE + SIDE + (1.0 if _turned(examples) else BELOW)
        page.band(height, lambda band, one=one, matrices=matrices: _draw(band, examples, one, matrices))  # type: ignore[misc]
        page.text(_note(examples, matrices), style.SMALL, color=style.GREY)
        alts.append(_alt(examples, one, matrices, titles[-1]))
    return Drawing("confusion", titles[-1], " ".join(alts), page.figure())


def _turned(examples: LabelledExamples) -> bool:
    return max(map(len, examples.names)) >= LONG_LABEL


def _title(examples: LabelledExamples, one: Shown, matrices: list[Matrix]) -> str:
    worst = [worst_confusions(matrix, 1) for matrix in matrices]
    if len(worst) == 2 and worst[0] and (one.pair[0].predicted == one.pair[1].predicted).all():
        return f"Both versions make the same errors, most often {_confused(examples, worst[0][0])}"
    each = [
        f"{_confused(examples, confusions[0]) if confusions else 'none'} ({named(network.implementation)})"
        for network, confusions in zip(one.pair, worst, strict=True)
    ]
    return f"Most frequent confusion: {', '.join(each)}"


def _confused(examples: LabelledExamples, confusion: Confusion) -> str:
    return f"{class_name(examples, confusion.label)} as {class_name(examples, confusion.predicted)}"


def _largest_share(matrices: list[Matrix]) -> float:
    """Return the largest share of a true label that is predicted as one other label; at least 0.1 %."""
    return max(0.001, *(float(_shares(matrix).max()) for matrix in matrices))


def _shares(matrix: Matrix) -> npt.NDArray[np.float64]:
    """Return errors as shares of the examples of their class; 0 on the diagonal and for classes without examples."""
    errors = (matrix - np.diag(matrix.diagonal())).astype(np.float64)
    shares: npt.NDArray[np.float64] = errors / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    return shares


def _draw(band: style.Band, examples: LabelledExamples, one: Shown, matrices: list[Matrix]) -> None:
    largest = _largest_share(matrices)
    below = band.height - ABOVE - SIDE
    for number, (network, matrix) in enumerate(zip(one.pair, matrices, strict=True)):
        left = style.MARGIN + LEFT + number * PANEL
        axes = band.axes(left, SIDE, ABOVE, below)
        _draw_matrix(axes, matrix, largest)
        _label(axes, examples, number == 0)
        band.write(
            left, 0.02, _panel_title(examples, network), color=style.text_colour(network.implementation), weight="bold"
        )


def _panel_title(examples: LabelledExamples, network: TrainedNetwork) -> str:
    wrong = n_wrong(examples, network)
    name = style.short_name(network.implementation)
    return f"{name}: {wrong:,} wrong ({percent(wrong / len(examples.labels), 2)})"


def _draw_matrix(axes: Axes, matrix: Matrix, largest: float) -> None:
    colours = ERRORS(np.sqrt(_shares(matrix) / largest))  # few errors are seen beside many
    diagonal = np.eye(len(matrix), dtype=bool)
    colours[diagonal] = (*(int(RIGHT[start : start + 2], 16) / 255 for start in (1, 3, 5)), 1.0)
    axes.imshow(colours, interpolation="none", extent=(-0.5, len(matrix) - 0.5, len(matrix) - 0.5, -0.5), alpha=None)
    size = min(style.SMALL, 0.9 * 72 * SIDE / len(matrix) / (DIGIT * len(str(matrix.max()))))
    for (row, column), n in np.ndenumerate(matrix):
        if n:
            ink = style.text_on(to_hex(tuple(colours[row, column])))
            axes.text(column, row, str(n), ha="center", va="center", fontsize=size, color=ink)


def _label(axes: Axes, examples: LabelledExamples, first: bool) -> None:
    numbers = range(len(examples.names))
    names = [class_name(examples, number) for number in numbers]
    axes.set_xticks(numbers, names)
    if _turned(examples):
        for label in axes.get_xticklabels():
            label.set(rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(numbers, names)
    axes.tick_params(length=0, labelsize=style.SMALL if len(names) <= 12 else 7)
    axes.set_xlabel("predicted label")
    axes.set_ylabel("true label" if first else "")
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set(visible=True, color=style.FAINT)


def _note(examples: LabelledExamples, matrices: list[Matrix]) -> str:
    return (
        f"Numbers of {count(len(examples.labels), 'test example')}; grey is right. Colour: square root of the share of "
        f"errors by true label, up to {percent(_largest_share(matrices))} (dark)."
    )


def _alt(examples: LabelledExamples, one: Shown, matrices: list[Matrix], title: str) -> str:
    each = []
    for network, matrix in zip(one.pair, matrices, strict=True):
        worst = "; ".join(
            f"{_confused(examples, confusion)} ({confusion.n:,} of {matrix[confusion.label].sum():,})"
            for confusion in worst_confusions(matrix, 5)
        )
        wrong = count(n_wrong(examples, network), "error")
        each.append(f"{named(network.implementation)}, {wrong}{f', most often {worst}' if worst else ''}")
    return f"{one.title}: {title}. {'. '.join(each)}."
